/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codestore.c -- a store to code and the end of what was made of it are one step, for whoever
 * reads the bytes without a lock.
 *
 * One thread, as a vCPU of two, stores to a page with code by each way that C code has; another
 * watches.  While DbtMachine.lock is taken the store is not to be seen; once it is, the block is
 * dead.
 *
 * Spec: the head of accel/dbt/codepage.c.
 * Omits: traces (tests/guest/loops beside the thread); native code, which with several vCPUs never
 * stores to code itself.
 * Threads: the two.
 */
#include <stdio.h>
#include <unistd.h>
#include "accel/dbt/internal.h"
#include "core/compiler.h"
#include "tests/machine.h"

enum { AT = 0x5040, ROUNDS = 1000, HELD_US = 20000, BLOCK_BYTES = 16 };

typedef struct Scene {
    Machine   *m;
    DbtMachine *d;
    DbtCpu    *c;
    DbtRegion *dr;
    CodePage  *p;
    Block     *b;
    uint8_t   *host;
    unsigned   round, done, ways, failed;       /* round, done: atomic */
} Scene;

static void store(DbtCpu *c, unsigned way, uint64_t v)
{
    uint64_t two[4] = { v, v, v, v };

    switch (way) {
    case 0: dbt_store_system(c, AT, v, 8); break;
    case 1: dbt_store(c, AT, v, 8); break;
    default: dbt_store_bytes(c, AT, two, sizeof(two)); break;
    }
}

static void *writer(void *arg)
{
    Scene *s = arg;

    for (unsigned k = 1; k <= ROUNDS; k++) {
        while (__atomic_load_n(&s->round, __ATOMIC_ACQUIRE) < k) {
            g_thread_yield();
        }
        store(s->c, k % 3, k);
        __atomic_store_n(&s->done, k, __ATOMIC_RELEASE);
    }
    return NULL;
}

static uint64_t now(const Scene *s)
{
    return __atomic_load_n((const uint64_t *)(const void *)s->host, __ATOMIC_ACQUIRE);
}

static void check(Scene *s, const char *what, bool good)
{
    if (!good && !s->failed++) {
        printf("not ok codestore: %s\n", what);
    }
}

/* One that ends with the first store to it. */
static void block_there(Scene *s)
{
    DbtMachine *d = s->d;
    unsigned in_page = AT & (DBT_PAGE - 1);

    s->p = code_page_guard(d, s->dr, s->host - in_page);
    g_mutex_lock(&d->lock);
    s->b = block_new(d);
    *s->b = (Block){ .at = s->host, .length = BLOCK_BYTES, .from = (uint16_t)in_page,
                     .to = (uint16_t)(in_page + BLOCK_BYTES) };
    g_ptr_array_add(d->blocks[d->generation], s->b);
    code_page_cover(s->p, s->b->from, s->b->to);
    block_publish(d, s->b);
    g_ptr_array_add(s->p->blocks, s->b);
    code_page_made(s->p);
    g_mutex_unlock(&d->lock);
}

/* The lock is held, and there is time: nothing is to be seen. */
static void held(Scene *s, unsigned k)
{
    int64_t until = g_get_monotonic_time() + HELD_US;

    g_mutex_lock(&s->d->lock);
    __atomic_store_n(&s->round, k, __ATOMIC_RELEASE);
    while (g_get_monotonic_time() < until && now(s) != k) {
    }
    check(s, "a store to code is seen while somebody holds the lock", now(s) != k);
    g_mutex_unlock(&s->d->lock);
    while (__atomic_load_n(&s->done, __ATOMIC_ACQUIRE) != k) {
        g_thread_yield();
    }
    check(s, "it does not come", now(s) == k);
}

static void raced(Scene *s, unsigned k)
{
    __atomic_store_n(&s->round, k, __ATOMIC_RELEASE);
    while (now(s) != k) {
    }
    check(s, "a store to code is seen, and the block is not dead",
          __atomic_load_n(&s->b->dead, __ATOMIC_ACQUIRE));
    while (__atomic_load_n(&s->done, __ATOMIC_ACQUIRE) != k) {
        g_thread_yield();
    }
}

int main(void)
{
    char *rom = g_strdup("/tmp/codestore-XXXXXX");
    static uint8_t image[65536];
    int fd = g_mkstemp(rom);
    const char *argv[] = { "codestore", "-accel", "dbt,engine=interp", "-smp", "2", "-m", "16",
                           "-nodefaults", "-display", "none", "-S", "-bios", rom, NULL };
    Scene s = { .m = machine_new() };
    GError *err = NULL;

    bool built = fd >= 0 && write(fd, image, sizeof(image)) == sizeof(image) &&
                 machine_from(s.m, argv, &err) && machine_start(s.m, &err);
    unlink(rom);
    if (!built) {
        printf("not ok codestore: %s\n", err ? err->message : "no file");
        return 1;
    }
    s.d = dbt_of(s.m);
    s.c = s.d->cpus->pdata[0];
    dbt_mode_changed(s.c);
    s.dr = code_region(s.d, &s.m->ram);
    s.host = s.m->ram.host + AT;
    GThread *t = g_thread_new("writer", writer, &s);
    for (unsigned k = 1; k <= ROUNDS; k++) {
        block_there(&s);
        (k < 10 ? held : raced)(&s, k);
    }
    g_thread_join(t);
    if (!s.failed) {
        printf("ok codestore: %u stores, each killed its block first\n", ROUNDS);
    } else {
        printf("# %u of %u\n", s.failed, ROUNDS);
    }
    machine_free(s.m);
    g_free(rom);
    return s.failed != 0;
}
