/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jit.c -- what code that is written beside running code costs: a program for a Linux guest, one
 * thread and two.
 *
 * Build it with `cc -O2 -static -pthread`, run it in the guest. For each kind it prints ns a turn
 * for each thread, by the guest's clock: a constant is patched and the code called, code is
 * appended, data beside code is stored to, data in the code's own 64 bytes is; with the threads'
 * code in pages of their own and in one page.
 *
 * Omits: threads that run what another has written (tests/guest/recode2 does).
 * Threads: as said.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { PATCH, APPEND, BESIDE, MIXED, KINDS, AREA = 1 << 20, OWN = 65536, SHARED = 2048, STEP = 64 };
static const char *const names[KINDS] = { "patch", "append", "beside", "mixed" };
static const unsigned turns[KINDS] = { 20000, 20000, 200000, 50000 };

typedef uint32_t Code(void);
typedef struct Work {
    pthread_t thread;
    uint8_t  *at;
    unsigned  kind, slots;              /* slots: that code is appended to, one behind the other */
    double    ns;
} Work;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void put(uint8_t *p, uint32_t value)     /* mov eax, value; ret */
{
    p[0] = 0xb8;
    memcpy(p + 1, &value, 4);
    p[5] = 0xc3;
}

static void call(const uint8_t *p, uint32_t want)
{
    if (((Code *)(uintptr_t)p)() != want) {
        printf("not ok: old code has run\n");
        exit(1);
    }
}

static void turn(const Work *w, uint32_t i)
{
    uint8_t *p = w->at;

    switch (w->kind) {
    case PATCH:
        memcpy(p + 1, &i, 4);
        call(p, i);
        break;
    case APPEND:
        p += i % w->slots * STEP;
        put(p, i);
        call(p, i);
        break;
    case BESIDE:
        *(volatile uint64_t *)(p + 512 + i % 64 * 8) = i;
        call(p, 7);
        break;
    case MIXED:
        *(volatile uint64_t *)(p + 32) = i;
        call(p, 7);
        break;
    }
}

static void *run(void *arg)
{
    Work *w = arg;

    put(w->at, 7);
    double start = now_ns();
    for (uint32_t i = 0; i < turns[w->kind]; i++) {
        turn(w, i);
    }
    w->ns = (now_ns() - start) / turns[w->kind];
    return NULL;
}

int main(void)
{
    uint8_t *area =
        mmap(NULL, AREA, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED) {
        perror("jit: mmap");
        return 1;
    }
    for (unsigned k = 0; k < 2 * 2 * KINDS; k++) {
        unsigned n = 1 + k / (2 * KINDS), kind = k / 2 % KINDS, shared = k % 2;
        Work w[2];
        memset(area, 0xcc, AREA);
        for (unsigned t = 0; t < n; t++) {
            w[t] = (Work){ .at = area + t * (shared ? SHARED : OWN), .kind = kind,
                           .slots = shared ? 16 : 512 };
            pthread_create(&w[t].thread, NULL, run, &w[t]);
        }
        for (unsigned t = 0; t < n; t++) {
            pthread_join(w[t].thread, NULL);
            printf("%s, %s, thread %u of %u: %.0f ns\n", names[kind],
                   shared ? "one page" : "own pages", t + 1, n, w[t].ns);
        }
    }
    return 0;
}
