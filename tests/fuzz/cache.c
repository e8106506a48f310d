/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.c -- files of the cache of translated blocks, changed at random, read and taken from: the
 * process must not crash, and the blocks must all be had, from the file or made anew.
 *
 * Usage: cache [-t SECONDS] [-s SEED]
 * Spec: accel/dbt/cache.c and accel/dbt/x86_64/pack.c: the file.
 * Omits: running what was taken, which whoever can write the file is trusted with
 *   (docs/SECURITY.md).
 * Threads: those of a stopped machine.
 *
 * Half of the changes leave the checksums wrong; for the rest they are made right again, so that
 * the changed bytes are reached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "accel/dbt/cache.h"
#include "tests/machine.h"

enum { CODE = 0x10000, CODE_BYTES = 0x2000, STEP = 11, CHANGES = 6, HEAD_BYTES = 96,
       ENTRY_BYTES = 56, INDEX_AT = 64, HEAD_SUM = 88,
       INDEX_SUM = 80, ENTRY_AT = 16, ENTRY_SUM = 24, ENTRY_N = 32 };

static uint64_t seed = 1;

static uint64_t rnd(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void die(const char *what, const GError *err)
{
    printf("not ok fuzz/cache: %s: %s\n", what, err ? err->message : "failed");
    exit(1);
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}
static void put64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

static void mend(uint8_t *p, size_t n)
{
    uint64_t index = get64(p + INDEX_AT);

    if (n < HEAD_BYTES || index > n) {
        return;
    }
    for (uint64_t at = index; at + ENTRY_BYTES <= n; at += ENTRY_BYTES) {
        uint64_t record = get64(p + at + ENTRY_AT), bytes = (uint32_t)get64(p + at + ENTRY_N);
        if (record < n && bytes <= n - record) {
            put64(p + at + ENTRY_SUM, cache_hash(record, p + record, bytes));
        }
    }
    put64(p + INDEX_SUM, cache_hash(0, p + index, n - index));
    put64(p + HEAD_SUM, 0);
    put64(p + HEAD_SUM, cache_hash(0, p, HEAD_BYTES));
}

static size_t change(uint8_t *p, size_t n)
{
    static const uint64_t odd[] = { 0, 1, 7, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0xffffffff,
                                    UINT64_MAX, UINT64_C(1) << 63 };

    for (unsigned k = 1 + (unsigned)rnd(CHANGES); k; k--) {
        uint64_t v = rnd(2) ? odd[rnd(G_N_ELEMENTS(odd))] : rnd(UINT32_MAX),
                 index = MIN(get64(p + INDEX_AT), n - 8);
        size_t at = rnd(32) == 0   ? rnd(HEAD_BYTES)
                    : rnd(16) == 0 ? index + rnd(n - index)
                                   : rnd(n),
               bytes = (size_t)1 << rnd(4);
        memcpy(p + at, &v, MIN(bytes, n - at));
    }
    return rnd(32) ? n : HEAD_BYTES + rnd(n - HEAD_BYTES);
}

static Machine *create(const char *dir)
{
    g_autofree char *accel = g_strdup_printf("dbt,cache=%s", dir);
    const char *argv[] = { "ryokan", "-m", "4", "-nodefaults", "-display", "none", "-vga", "none",
                           "-accel", accel, NULL };
    Machine *m = machine_new();
    GError *err = NULL;

    if (!machine_from(m, argv, &err) || !machine_start(m, &err)) {
        die("a machine", err);
    }
    return m;
}

/* All blocks that there are from each place on. */
static unsigned blocks(DbtCpu *c)
{
    unsigned n = 0;

    for (unsigned at = 0; at < CODE_BYTES; at += STEP) {
        c->pc = CODE + at;
        n += block_find(c) != NULL;
    }
    return n;
}

static void code_make(Machine *m)
{
    static const uint8_t plain[][6] = { { 0x89, 0x07 },
                                        { 0x8b, 0x46, 0x04 },
                                        { 0x03, 0x45, 0x02 },
                                        { 0x74, 0x10 },
                                        { 0xe2, 0xf0 },
                                        { 0x66, 0x0f, 0xaf, 0xc1 },
                                        { 0x0f, 0x28, 0xc1 },
                                        { 0xe8, 0x10, 0x00 },
                                        { 0xf7, 0xe1 },
                                        { 0x3b, 0xc1 },
                                        { 0xc3 },
                                        { 0x50 },
                                        { 0x5b },
                                        { 0xaa } };
    uint8_t code[CODE_BYTES];

    for (unsigned i = 0; i < CODE_BYTES;) {
        const uint8_t *p = plain[rnd(G_N_ELEMENTS(plain))];
        for (unsigned k = 0; k < 4 && i < CODE_BYTES && (!k || p[k]); k++) {
            code[i++] = p[k];
        }
        if (i < CODE_BYTES && !rnd(8)) {
            code[i++] = (uint8_t)rnd(256);
        }
    }
    as_write(m->as_memory, CODE, code, sizeof(code));
}

static char *the_file(const char *dir)
{
    GDir *g = g_dir_open(dir, 0, NULL);
    const char *name = g ? g_dir_read_name(g) : NULL;
    char *path = name ? g_build_filename(dir, name, NULL) : NULL;

    if (g) {
        g_dir_close(g);
    }
    return path;
}

static void again(DbtMachine *d)
{
    GError *err = NULL;

    cache_fini(d);
    block_drop_all(d);
    if (!cache_init(d, &err)) {
        die("cache", err);
    }
}

int main(int argc, char **argv)
{
    unsigned seconds = 4;
    char dir[] = "/tmp/fuzz-cache-XXXXXX";

    for (int o; (o = getopt(argc, argv, "t:s:")) != -1;) {
        if (o == 't') {
            seconds = (unsigned)atoi(optarg);
        } else if (o == 's') {
            seed = strtoull(optarg, NULL, 0);
        } else {
            return 2;
        }
    }
    if (!mkdtemp(dir)) {
        die("a directory", NULL);
    }
    Machine *m = create(dir);
    DbtMachine *d = dbt_of(m);
    DbtCpu *c = d->cpus->pdata[0];
    code_make(m);
    dbt_mode_changed(c);
    unsigned all = blocks(c), n_in = 0, runs = 0;
    again(d);
    g_autofree char *path = the_file(dir), *image = NULL;
    gsize n = 0;
    if (!path || !g_file_get_contents(path, &image, &n, NULL) || blocks(c) != all ||
        d->stats.cache_taken < all / 4) {
        die("the first file", NULL);
    }
    g_autofree uint8_t *bytes = g_malloc(n);
    int err_fd = dup(2);
    for (int64_t end = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
         g_get_monotonic_time() < end; runs++) {
        memcpy(bytes, image, n);
        size_t now = change(bytes, n);
        if (rnd(2)) {
            mend(bytes, now);
        }
        cache_fini(d);
        unlink(path);
        if (!g_file_set_contents_full(path, (char *)bytes, (gssize)now, G_FILE_SET_CONTENTS_NONE,
                                      0600, NULL)) {
            die(path, NULL);
        }
        if (freopen("/dev/null", "w", stderr)) {
            again(d);
        }
        uint64_t before = d->stats.cache_taken;
        if (blocks(c) != all) {
            die("blocks are missing", NULL);
        }
        n_in += d->stats.cache_taken != before;
    }
    dup2(err_fd, 2);
    cache_fini(d);
    unlink(path);
    rmdir(dir);
    printf("ok fuzz/cache: %u files, %u taken from, %u blocks each\n", runs, n_in, all);
    fflush(stdout);
    _exit(0);                           /* CPUs are threads */
}
