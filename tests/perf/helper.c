/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * helper.c -- is a helper that libtcc specialises to the machine's configuration faster than the
 * general one that the C compiler has optimised?  The page walk, which asks most of the
 * configuration: x86_walk(), and the same for 4-level paging with NX, WP and nothing nested, as
 * the C compiler makes it and as libtcc does.
 *
 * Usage: helper [ROUNDS]
 * Spec: Intel SDM (325462) vol. 3, 4.5.
 * Omits: faults, A and D to be set, and tables outside of one piece of RAM: all entries are
 *   present and accessed here.
 * Threads: one; the machine is built and not started.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "accel/dbt/tcc/tcc.h"
#include "cpu/x86/sys.h"
#include "tests/machine.h"

enum { ROOT = 0x100000, TABLES = 0x200000, PAGES = 4096, TURNS = 2000000 };

typedef struct Walk {                   /* what is fixed at start-up, and what is found */
    unsigned long long root, ram_bytes, phys, page_bytes;
    unsigned char *ram;
    int global, writable;
} Walk;

/* Once as text and once as code. */
#define SPECIAL(NAME)                                                                              \
    int NAME(Walk *w, unsigned long long linear, int kind, int user)                               \
    {                                                                                              \
        unsigned long long rights = 6, nx = 0, table = w->root, e, at, size;                       \
        int shift;                                                                                 \
        if ((linear + (1ull << 47)) >> 48) {                                                       \
            return 0;                                                                              \
        }                                                                                          \
        for (shift = 39;; shift -= 9) {                                                            \
            at = table + ((linear >> shift) & 511) * 8;                                            \
            if (at >= w->ram_bytes) {                                                              \
                return 0;                                                                          \
            }                                                                                      \
            e = *(volatile unsigned long long *)(w->ram + at);                                     \
            if (!(e & 1) || e & 0x7ff0000000000000ull) {                                           \
                return 0;                                                                          \
            }                                                                                      \
            rights &= e;                                                                           \
            nx |= e;                                                                               \
            if (shift == 12 || e & 0x80) {                                                         \
                break;                                                                             \
            }                                                                                      \
            if (!(e & 0x20)) {                                                                     \
                return 0;                                                                          \
            }                                                                                      \
            table = e & 0xffffffffff000ull;                                                        \
        }                                                                                          \
        if ((user && !(rights & 4)) || (kind == 1 && !(rights & 2)) || (kind == 2 && nx >> 63)) {  \
            return 0;                                                                              \
        }                                                                                          \
        if (!(e & 0x20) || (kind == 1 && !(e & 0x40))) {                                           \
            return 0;                                                                              \
        }                                                                                          \
        size = 1ull << shift;                                                                      \
        w->phys = (e & 0xffffffffff000ull & ~(size - 1)) | (linear & (size - 1));                  \
        w->page_bytes = size;                                                                      \
        w->global = (e & 0x100) != 0;                                                              \
        w->writable = e & 0x40 && rights & 2;                                                      \
        return 1;                                                                                  \
    }
#define TEXT(...) #__VA_ARGS__
#define SPECIAL_TEXT(NAME) TEXT2(SPECIAL(NAME))
#define TEXT2(...) TEXT(__VA_ARGS__)

static SPECIAL(special)

static const char text[] =
    "typedef struct Walk { unsigned long long root, ram_bytes, phys, page_bytes; "
    "unsigned char *ram; int global, writable; } Walk;\n" SPECIAL_TEXT(walk);

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const GError *err)
{
    printf("helper: %s: %s\n", what, err ? err->message : "failed");
    exit(1);
}

/* 4 KiB pages from linear 0 on, to physical addresses that are the same times 2. */
static void tables_make(uint8_t *ram)
{
    uint64_t *root = (uint64_t *)(ram + ROOT), *pd = root + 1024, *pt = (uint64_t *)(ram + TABLES);

    root[0] = (ROOT + 4096) | 0x27;
    root[512] = (ROOT + 8192) | 0x27;
    for (unsigned i = 0; i < PAGES / 512; i++) {
        pd[i] = (TABLES + i * 4096) | 0x27;
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        pt[i] = i * 8192 | 0x67;
    }
}

typedef struct Sum { uint64_t phys; double ns; } Sum;

#define MEASURE(OUT, CALL, PHYS)                            \
    do {                                                    \
        double start = now();                               \
        uint64_t linear = 0;                                \
        (OUT).phys = 0;                                     \
        for (unsigned i = 0; i < TURNS; i++) {              \
            linear = linear * 5 + 4099;                     \
            uint64_t at = linear % (PAGES * 4096ull);       \
            (OUT).phys += (CALL) ? (PHYS) : 1;              \
        }                                                   \
        (OUT).ns = (now() - start) / TURNS * 1e9;           \
    } while (0)

int main(int argc, char **argv)
{
    const char *args[] = { "ryokan", "-m", "64", "-nodefaults", "-display", "none", "-vga", "none",
                           "-accel", "dbt,engine=interp", NULL };
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 5;
    GError *err = NULL;
    Machine *m = machine_new();
    double from = now();
    TccUnit *u = tcc_compile(text, &err);
    double compiled = (now() - from) * 1e6;
    int (*walk)(Walk *, unsigned long long, int, int);
    TccCode *code;
    MemRange r;

    if (!u || !machine_from(m, args, &err)) {
        die("start", err);
    }
    code = tcc_find(u, "walk");
    memcpy(&walk, &code, sizeof(walk));
    X86Cpu *c = (X86Cpu *)m->vcpus->pdata[0];
    if (!as_lookup(m->as_memory, TABLES, false, &r)) {
        die("RAM", NULL);
    }
    uint8_t *ram = r.region->host + r.from - r.at;
    tables_make(ram);
    Walk w = { .root = ROOT, .ram_bytes = 64 << 20, .ram = ram };
    c->efer = EFER_LME | EFER_LMA | EFER_NXE;
    c->cr4 = CR4_PAE;
    c->cr0 = CR0_PE | CR0_PG | CR0_WP;
    c->cr3 = ROOT;
    c->a20_mask = UINT64_MAX;
    x86_cr_changed(c);
    printf("compiled by libtcc in %.0f us\n", compiled);
    for (unsigned k = 0; k < rounds; k++) {
        Sum general, optimised, tcc;
        DbtWalk out;
        MEASURE(general, x86_walk(&c->dbt, at, ACCESS_WRITE | ACCESS_SYSTEM, &out), out.phys);
        MEASURE(optimised, special(&w, at, 1, 0), w.phys);
        MEASURE(tcc, walk(&w, at, 1, 0), w.phys);
        if (general.phys != optimised.phys || general.phys != tcc.phys) {
            die("the walks differ", NULL);
        }
        printf("a walk, ns: general %.1f, special by the C compiler %.1f, by libtcc %.1f\n",
               general.ns, optimised.ns, tcc.ns);
    }
    tcc_unit_free(u);
    return 0;
}
