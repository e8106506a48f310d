/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c -- fuzzer of the CPU and what it reaches: a pc whose CPUs start again and again from a
 * random state, in random code, with random descriptor and page tables, while a device writes to
 * that code.
 *
 * Some CPUs begin as hypervisors, with a random VMCB.
 *
 * Usage: guest [-e native|interp] [-t SECONDS] [-s SEED] [-c CPUS].  The guest may do to itself
 *   what it likes.  What must hold:
 * the process does not crash (build it with MODE=asan or ubsan as well), and whatever the guest
 * does every CPU stops when it is asked to.
 *
 * Spec: Intel SDM vol. 3 ch. 2 to 6 for what a plausible state is; restored() has to refuse the
 *   others.
 * Omits: the state after a step is not compared with anything: tests/cpu does that.
 * Threads: all is done in the main loop, CPUs parked; a watchdog thread ends a process that hangs.
 */
#include "cpu/x86/apicif.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "accel/accel.h"
#include "core/chardev.h"
#include "cpu/x86/apicif.h"
#include "cpu/x86/cpu.h"
#include "tests/args.h"
#include "tests/machine.h"

enum {
    CODE = 0x10000,
    CODE_BYTES = 0x4000,
    PML4 = 0x20000,
    PDPT = 0x21000,
    PD = 0x22000,
    PT = 0x23000,
    PD32 = 0x24000,
    PT32 = 0x25000,
    PDPAE = 0x26000,
    IDT = 0x30000,
    GDT = 0x31000,
    TSS = 0x32000,
    DATA = 0x40000,
    STACK = 0x4f000,
    VMCB = 0x33000
};
enum { STEP_MS = 4, HANG_S = 60 };
typedef enum { M_REAL, M_VM86, M_PROT16, M_PROT32, M_PAE, M_COMPAT, M_LONG, N_MODES } Mode;

typedef struct Fuzz {
    Machine *m;
    X86Cpu  *other;                     /* where the state of a hypervisor's guest is made up */
    uint64_t seed, state;
    uint64_t steps, refused, resets;
    int64_t  end_us;
    unsigned beat;                      /* atomic: the watchdog looks at it */
    Mode     mode;                      /* that the code is made for */
} Fuzz;

/* ---- random values ---- */

static uint64_t rnd(Fuzz *f)            /* SplitMix64 */
{
    uint64_t z = f->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned below(Fuzz *f, unsigned n) { return (unsigned)(rnd(f) % n); }
static bool one_in(Fuzz *f, unsigned n) { return below(f, n) == 0; }

static uint64_t value(Fuzz *f)
{
    switch (below(f, 10)) {
    case 0: return below(f, 256);
    case 1: return CODE + below(f, CODE_BYTES);
    /* about to leave a page */
    case 2: return 0x1000ull * below(f, 0x50) + 0xff0 + below(f, 16);
    case 3: return 0xfee00000 + 16 * below(f, 64);
    case 4: return one_in(f, 2) ? 0xfec00000 : 0xfed00000;
    case 5: return 0xa0000 + below(f, 0x60000);
    case 6: return rnd(f);
    case 7: return 0 - (uint64_t)below(f, 32);
    default: return DATA + below(f, 0x10000);
    }
}

/* ---- code ---- */

static const struct Template { uint8_t n, code[9];
} templates[] = {
    /* mov cr */
    { 3, { 0x0f, 0x20, 0xc0 } },
    { 3, { 0x0f, 0x22, 0xc0 } },
    { 3, { 0x0f, 0x22, 0xd8 } },
    { 3, { 0x0f, 0x22, 0xe0 } },
    { 3, { 0x0f, 0x23, 0xc0 } },
    { 3, { 0x0f, 0x23, 0xf8 } },
    { 2, { 0x0f, 0x30 } },
    { 2, { 0x0f, 0x32 } },
    { 2, { 0x0f, 0xa2 } },
    { 2, { 0xcd, 0x80 } },
    { 1, { 0xcc } },
    { 1, { 0xcf } },
    { 2, { 0x48, 0xcf } },
    { 2, { 0x0f, 0x05 } },
    { 3, { 0x48, 0x0f, 0x07 } },
    { 2, { 0x0f, 0x34 } },
    { 2, { 0x0f, 0x35 } },
    { 1, { 0x9d } },
    { 1, { 0x9c } },
    { 1, { 0xfb } },
    { 1, { 0xfa } },
    { 1, { 0xf4 } },
    { 3, { 0xf0, 0xff, 0x07 } },
    { 4, { 0xf0, 0x0f, 0xc7, 0x0f } },
    { 5, { 0xf0, 0x48, 0x0f, 0xc7, 0x0e } },
    { 4, { 0xf0, 0x0f, 0xb1, 0x0e } },
    { 2, { 0xf3, 0xa4 } },
    { 3, { 0xf3, 0x48, 0xa5 } },
    { 2, { 0xf3, 0xaa } },
    { 2, { 0xf3, 0xab } },
    { 2, { 0xf2, 0xae } },
    { 2, { 0xf3, 0xa6 } },
    { 2, { 0xf3, 0x6c } },
    { 2, { 0xf3, 0x6e } },
    { 2, { 0x8e, 0xd8 } },
    { 2, { 0x8e, 0xd0 } },
    { 1, { 0x17 } },
    { 2, { 0x0f, 0xa1 } },
    { 3, { 0x0f, 0x00, 0xd8 } },
    { 3, { 0x0f, 0x00, 0xd0 } },
    { 3, { 0x0f, 0x01, 0x17 } },
    { 3, { 0x0f, 0x01, 0x1f } },
    { 3, { 0x0f, 0x01, 0x3f } },
    { 3, { 0x0f, 0x01, 0xf8 } },
    { 3, { 0x0f, 0x01, 0xca } },
    { 3, { 0x0f, 0x01, 0xcb } },
    { 4, { 0x66, 0x0f, 0x38, 0x82 } },
    { 2, { 0x0f, 0xaa } },
    { 3, { 0x0f, 0x01, 0xc8 } },
    { 3, { 0x0f, 0x01, 0xc9 } },
    { 4, { 0x66, 0x0f, 0xae, 0xf1 } },
    { 4, { 0xf2, 0x0f, 0xae, 0xf1 } },
    { 4, { 0xf3, 0x0f, 0xae, 0xf7 } },
    { 3, { 0x0f, 0x01, 0xef } },
    { 5, { 0x66, 0x0f, 0x38, 0xf8, 0x07 } },
    { 3, { 0x0f, 0x01, 0xfc } },
    { 3, { 0x0f, 0x01, 0xe8 } },
    { 3, { 0x0f, 0xc7, 0x2f } },
    { 3, { 0x0f, 0xc7, 0x1f } },
    { 2, { 0xe6, 0xb2 } },
    { 1, { 0x9b } },
    { 2, { 0xd8, 0xf1 } },
    { 2, { 0x88, 0x07 } },
    { 2, { 0x89, 0x0e } },
    { 3, { 0x48, 0x89, 0x17 } },
    { 2, { 0xc6, 0x06 } },
    { 2, { 0x87, 0x0f } },
    { 2, { 0x00, 0x06 } },
    { 3, { 0x0f, 0xae, 0x07 } },
    { 3, { 0x0f, 0xae, 0x0f } },
    { 3, { 0x0f, 0xae, 0x16 } },
    { 3, { 0x0f, 0xae, 0x27 } },
    { 3, { 0x0f, 0xae, 0x2f } },
    { 2, { 0xdd, 0x07 } },
    { 2, { 0xdd, 0x27 } },
    { 2, { 0xdf, 0x3e } },
    { 2, { 0xdb, 0xe3 } },
    { 3, { 0x0f, 0x6f, 0x07 } },
    { 3, { 0x0f, 0x28, 0x06 } },
    { 2, { 0xeb, 0xfe } },
    { 2, { 0xeb, 0xf0 } },
    { 2, { 0x74, 0xe8 } },
    { 2, { 0xe2, 0xf0 } },
    { 1, { 0xc3 } },
    { 1, { 0xcb } },
    { 1, { 0xc9 } },
    { 4, { 0xc8, 0x20, 0x00, 0x03 } },
    { 2, { 0xff, 0xd0 } },
    { 2, { 0xff, 0x27 } },
    { 2, { 0xff, 0x2f } },
    { 2, { 0xff, 0x1e } },
    { 1, { 0xee } },
    { 1, { 0xef } },
    { 1, { 0xec } },
    { 1, { 0xed } },
    { 2, { 0xe6, 0x92 } },
    { 2, { 0xe6, 0x20 } },
    { 1, { 0x60 } },
    { 1, { 0x61 } },
    { 1, { 0x50 } },
    { 1, { 0x5c } },
    { 1, { 0x54 } },
    { 2, { 0x62, 0x07 } },
    { 2, { 0x63, 0x07 } },
    { 3, { 0x0f, 0x02, 0xc1 } },
    { 2, { 0x0f, 0x0b } },
    { 3, { 0x0f, 0x01, 0xd8 } },
    { 3, { 0x0f, 0x01, 0xd9 } },
    { 3, { 0x0f, 0x01, 0xda } },
    { 3, { 0x0f, 0x01, 0xdb } },
    { 3, { 0x0f, 0x01, 0xdc } },
    { 3, { 0x0f, 0x01, 0xdd } },
    { 3, { 0x0f, 0x01, 0xdf } },
    { 2, { 0x0f, 0x06 } },
    { 2, { 0x0f, 0x09 } },
    { 2, { 0xf3, 0x90 } },
    { 3, { 0x0f, 0xc3, 0x0f } },
    { 2, { 0xf7, 0xf1 } },
    { 2, { 0xf7, 0x3f } },
};

/* ---- code that knows the system's structures: MSRs, selectors, tables that change ---- */

static unsigned put(uint8_t *p, unsigned n, uint64_t v, unsigned bytes)
{
    memcpy(p + n, &v, bytes);
    return n + bytes;
}

static bool is_16(const Fuzz *f) { return f->mode <= M_PROT16; }

static unsigned load32(const Fuzz *f, uint8_t *p, unsigned n, unsigned reg,
                       uint32_t v) /* mov r32, imm32 */
{
    if (is_16(f)) {
        p[n++] = 0x66;
    }
    p[n++] = (uint8_t)(0xb8 | reg);
    return put(p, n, v, 4);
}

/* An instruction with opcode and ModRM.reg on [at]. */
static unsigned absolute(const Fuzz *f, uint8_t *p, unsigned n, unsigned opcode, unsigned reg,
                         uint32_t at)
{
    if (is_16(f)) {
        p[n++] = 0x66;
        p[n++] = 0x67;
    }
    n = put(p, n, opcode, opcode > 0xff ? 2 : 1);
    p[n++] = (uint8_t)(reg << 3 | (f->mode == M_LONG ? 4 : 5));
    if (f->mode == M_LONG) {
        p[n++] = 0x25;
    }
    return put(p, n, at, 4);
}

static uint32_t few_bits(Fuzz *f) { return (uint32_t)(rnd(f) & rnd(f) & rnd(f)); }

static unsigned msr(Fuzz *f, uint8_t *p)
{
    static const struct { uint32_t first, n; } ranges[] = {
        { 0x10, 3 }, { 0x17, 1 }, { 0x1b, 1 }, { 0x2a, 1 }, { 0x3a, 2 }, { 0x48, 2 }, { 0x79, 1 },
        { 0x8b, 1 }, { 0xc1, 8 }, { 0xe1, 1 },
        { 0x10a, 1 }, { 0x174, 3 }, { 0x179, 3 }, { 0x186, 4 }, { 0x198, 2 }, { 0x1a0, 1 },
        { 0x1d9, 6 }, { 0x200, 16 }, { 0x250, 32 },
        { 0x277, 1 }, { 0x2ff, 1 }, { 0x400, 48 }, { 0x6e0, 1 }, { 0x800, 0x40 }, { 0xda0, 1 },
        { 0x4b564d00, 8 }, { 0xc0000080, 5 },
        { 0xc0000100, 4 }, { 0xc0010000, 32 }, { 0xc0010055, 1 }, { 0xc0010110, 9 },
        { 0xc0010140, 2 }, { 0xc0010200, 12 },
    };
    unsigned k = below(f, G_N_ELEMENTS(ranges)), n;
    uint32_t which = one_in(f, 16) ? (uint32_t)rnd(f) : ranges[k].first + below(f, ranges[k].n);
    uint64_t v;

    switch (below(f, 5)) {
    case 0: v = rnd(f); break;
    case 1: v = few_bits(f) | (uint64_t)few_bits(f) << 32; break;
    case 2: v = 1ull << below(f, 64); break;
    case 3: v = 0xfee00000 | below(f, 0x1000); break;
    default: v = value(f);
    }
    n = load32(f, p, 0, 1, which);
    n = load32(f, p, n, 0, (uint32_t)v);
    n = load32(f, p, n, 2, one_in(f, 2) ? 0 : (uint32_t)(v >> 32));
    return put(p, n, one_in(f, 3) ? 0x320f : 0x300f, 2);
}

static unsigned selector(Fuzz *f, uint8_t *p)   /* loaded, or asked about */
{
    static const uint32_t uses[] = { 0xd88e, 0xc08e, 0xd08e, 0xe08e, 0xe88e, 0xd0000f, 0xd8000f,
                                     0xe0000f, 0xe8000f, 0xc8020f, 0xc8030f, 0xc863 };
    unsigned sel = one_in(f, 8) ? below(f, 0x10000) : 8 * below(f, 32) + below(f, 8), n;
    uint32_t use = uses[below(f, G_N_ELEMENTS(uses))], to = CODE + below(f, CODE_BYTES);

    if (one_in(f, 3) && f->mode != M_LONG) {            /* a far call or jump */
        p[0] = one_in(f, 2) ? 0x9a : 0xea;
        n = put(p, 1, is_16(f) ? to & 0xffff : to, is_16(f) ? 2 : 4);
        return put(p, n, sel, 2);
    }
    if (one_in(f, 3)) {                                 /* the same by a pointer in memory */
        n = load32(f, p, 0, 0, to);
        n = absolute(f, p, n, 0x89, 0, DATA);
        n = load32(f, p, n, 0, sel);
        n = absolute(f, p, n, 0x89, 0, DATA + 4);
        return absolute(f, p, n, 0xff, one_in(f, 2) ? 3 : 5, DATA);
    }
    n = load32(f, p, 0, 0, sel);
    return put(p, n, use, use > 0xffff ? 3 : 2);
}

static unsigned
table_store(Fuzz *f,
            uint8_t *p) /* half a descriptor, gate, TSS field or page-table entry changes */
{
    static const struct { uint32_t at, bytes; } tables[] = {
        { GDT, 0x100 }, { GDT, 0x100 }, { IDT, 0x1000 }, { TSS, 0x100 }, { PML4, 0x40 },
        { PDPT, 0x40 }, { PD, 0x40 }, { PT, 0x280 },
        { PD32, 0x40 }, { PT32, 0x140 }, { PDPAE, 32 }, { VMCB, 0x700 },
    };
    unsigned k = below(f, G_N_ELEMENTS(tables)), n;
    uint32_t v;

    switch (below(f, 4)) {
    case 0: v = (uint32_t)rnd(f); break;
    case 1: v = 1u << below(f, 32); break;
    case 2: v = (uint32_t)value(f); break;
    default: v = 0x1000 * below(f, 0x50) | 7 | (rnd(f) & 0x1e0);
    }
    n = load32(f, p, 0, 0, v);
    /* xor, mov */
    n = absolute(f, p, n, one_in(f, 3) ? 0x31 : 0x89, 0,
                 tables[k].at + (below(f, tables[k].bytes) & ~3u));
    switch (below(f, 4)) {
    case 0: return put(p, n, 0xd8220fd8200f, 6);        /* mov rax, cr3; mov cr3, rax */
    case 1: return absolute(f, p, n, 0x010f, 7, 0x1000 * below(f, 0x50));       /* invlpg */
    /* lgdt, lidt of anything */
    case 2: return absolute(f, p, n, 0x010f, 2 + below(f, 2), DATA + below(f, 64));
    default: return n;
    }
}

static unsigned insn(Fuzz *f, uint8_t *p)
{
    static const uint8_t prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65, 0x48,
                                        0x41, 0x4f, 0x44 };
    unsigned n = 0;

    switch (below(f, 24)) {
    case 0: return msr(f, p);
    case 1: return selector(f, p);
    case 2: return table_store(f, p);
    default: break;
    }
    if (one_in(f, 3)) {
        const struct Template *t = &templates[below(f, G_N_ELEMENTS(templates))];
        memcpy(p, t->code, t->n);
        return t->n;
    }
    while (n < 4 && one_in(f, 3)) {
        p[n++] = prefixes[below(f, sizeof prefixes)];
    }
    if (one_in(f, 3)) {
        p[n++] = 0x0f;
        if (one_in(f, 8)) {
            p[n++] = one_in(f, 2) ? 0x38 : 0x3a;
        }
    }
    for (unsigned more = 1 + below(f, 4); more; more--) {
        p[n++] = (uint8_t)rnd(f);
    }
    return n;
}

static void put_code(Fuzz *f, uint64_t at, unsigned bytes)
{
    uint8_t buf[CODE_BYTES + 64];
    unsigned n = 0;

    while (n < bytes) {
        n += insn(f, buf + n);
    }
    as_write(f->m->as_memory, at, buf, bytes);
}

/* ---- tables ---- */

static uint64_t entry(Fuzz *f, uint64_t to)
{
    uint64_t e = to | 7 | (rnd(f) & 0x160);

    switch (below(f, 64)) {
    case 0: return rnd(f);
    case 1: return e ^ 1ull << below(f, 64);
    case 2: return e ^ 1ull << below(f, 9);
    case 3: return (value(f) & ~0xfffull) | 7;
    case 4: return PML4 + 0x1000ull * below(f, 4) + 7;          /* the tables themselves */
    default: return e;
    }
}

static void put_pages(Fuzz *f)
{
    uint64_t t[4][512] = { 0 }, pae[4] = { entry(f, PD) & ~6ull, PD | 1, 0, entry(f, PD) };
    uint32_t p32[2][1024] = { 0 };

    t[0][0] = entry(f, PDPT);
    t[0][511] = entry(f, PDPT);
    t[1][0] = entry(f, PD);
    t[1][3] = one_in(f, 2) ? entry(f, PD) : 0xc0000087;
    t[2][0] = entry(f, PT);
    t[2][1] = entry(f, one_in(f, 2) ? PT : 0x80);
    p32[0][0] = (uint32_t)entry(f, PT32);
    p32[0][1023] = (uint32_t)entry(f, 0xfec00080);
    for (unsigned i = 0; i < 512; i++) {
        t[3][i] = entry(f, 0x1000ull * (i % 0x100));
        p32[1][i] = (uint32_t)entry(f, 0x1000ull * (i % 0x100));
        t[2][i] |= one_in(f, 8) ? rnd(f) & 0x87 : 0;
    }
    as_write(f->m->as_memory, PML4, t, sizeof t);
    as_write(f->m->as_memory, PD32, p32, sizeof p32);
    as_write(f->m->as_memory, PDPAE, pae, sizeof pae);
}

static uint64_t descriptor(Fuzz *f, bool is_code, unsigned dpl, Mode mode)
{
    unsigned access = (is_code ? 0x9b : 0x93) | dpl << 5, flags = 0xc;

    if (one_in(f, 8)) {
        access = below(f, 256);
        flags = below(f, 16);
    } else if (is_code && mode == M_LONG) {
        flags = 0xa;
    } else if (mode == M_PROT16) {
        flags = 0;
    }
    return 0xffff | (uint64_t)(one_in(f, 4) ? value(f) & 0xffffff : 0) << 16 |
           (uint64_t)access << 40 | (uint64_t)(0xf | flags << 4) << 48;
}

static void put_tables(Fuzz *f, Mode mode)
{
    uint64_t gdt[32], idt[512];
    uint8_t tss[256];
    bool wide = mode == M_COMPAT || mode == M_LONG;

    for (unsigned i = 0; i < G_N_ELEMENTS(gdt); i++) {
        gdt[i] = descriptor(f, i & 1, i % 8 > 2 ? 3 : 0, mode);
        if (i > 9 && one_in(f, 4)) {    /* an LDT, a TSS, a gate; in long mode half of one */
            uint64_t at = one_in(f, 2) ? TSS : one_in(f, 2) ? GDT : CODE + below(f, CODE_BYTES);
            gdt[i] = (one_in(f, 2) ? 0xff : at & 0xffff) |
                     (one_in(f, 2) ? 8ull : at & 0xffffff) << 16 | ((rnd(f) & 0x6f) | 0x80) << 40 |
                     (at >> 16 & 0xffff) << 48;
        }
    }
    gdt[8] = 0x67 | (uint64_t)TSS << 16 | (one_in(f, 4) ? 0x85ull : 0x89ull) << 40;
    gdt[9] = one_in(f, 4) ? rnd(f) : 0;
    for (unsigned i = 0; i < 256; i++) {
        static const uint8_t kinds[] = { 0xe, 0xf, 0xe, 0xf, 0xe, 5, 6, 0xc };
        uint64_t to = CODE + below(f, CODE_BYTES), sel = one_in(f, 8) ? below(f, 256) : 8;
        uint64_t access = 0x80u | kinds[below(f, sizeof kinds)] | (one_in(f, 2) ? 0x60u : 0);
        uint64_t g = (to & 0xffff) | sel << 16 | (one_in(f, 16) ? below(f, 8) : 0ull) << 32 |
                     access << 40 | (to >> 16) << 48;
        idt[wide ? 2 * i : i] = one_in(f, 32) ? rnd(f) : g;
        if (wide) {
            idt[2 * i + 1] = 0;
        } else {
            idt[256 + i] = rnd(f);
        }
    }
    if (mode == M_REAL) {               /* segment and offset */
        for (unsigned i = 0; i < 128; i++) {
            idt[i] = (uint64_t)(CODE >> 4) << 48 | (uint64_t)below(f, CODE_BYTES) << 32 |
                     (uint64_t)(CODE >> 4) << 16 | below(f, CODE_BYTES);
        }
    }
    for (unsigned i = 0; i < sizeof tss; i += 8) {
        uint64_t v = one_in(f, 4) ? value(f) : STACK;
        memcpy(tss + i, &v, 8);
    }
    as_write(f->m->as_memory, GDT, gdt, sizeof gdt);
    as_write(f->m->as_memory, IDT, idt, sizeof idt);
    as_write(f->m->as_memory, TSS, tss, sizeof tss);
}

/* ---- CPUs ---- */

static void put_segs(Fuzz *f, X86Cpu *c, Mode mode)
{
    bool flat = mode != M_REAL && mode != M_VM86;
    unsigned size = mode == M_LONG              ? ATTR_L | ATTR_G
                    : mode == M_PROT16 || !flat ? 0
                                                : ATTR_DB | ATTR_G;

    for (unsigned i = 0; i < 6; i++) {
        X86Seg *s = &c->seg[i];
        *s = (X86Seg){ .selector =
                           (uint16_t)(flat ? (i == S_CS ? 8 : 16) + c->cpl * 17 : CODE >> 4) };
        s->base = flat ? 0 : (uint64_t)s->selector << 4;
        s->limit = size & ATTR_G ? UINT32_MAX : 0xffff;
        s->attr = (uint16_t)((i == S_CS ? 0x9b : 0x93) | c->cpl << ATTR_DPL_SHIFT |
                             (i == S_CS ? size : size & (ATTR_G | ATTR_DB)));
        if (flat && one_in(f, 8)) {
            s->base = value(f);
            s->limit = (uint32_t)value(f);
            s->attr ^= 1u << below(f, 12);
        }
    }
    c->seg[S_TR] = (X86Seg){ .selector = 0x40, .base = TSS,
                             .limit = one_in(f, 4) ? below(f, 256) : 0x67, .attr = 0x8b };
    c->seg[S_LDTR] = (X86Seg){ .selector = 0x48, .base = GDT, .limit = 0xff, .attr = 0x82 };
}

static void put_controls(Fuzz *f, X86Cpu *c, Mode mode)
{
    static const uint32_t cr3s[N_MODES] = { 0, PD32, PD32, PD32, PDPAE, PML4, PML4 };
    bool wide = mode == M_COMPAT || mode == M_LONG,
         paging = wide || (mode != M_REAL && one_in(f, 2));

    c->cpl = mode == M_VM86                   ? 3
             : mode == M_REAL || one_in(f, 2) ? 0
             : one_in(f, 8)                   ? below(f, 4)
                                              : 3;
    c->cr0 = CR0_ET | CR0_NE | (mode != M_REAL ? CR0_PE : 0) | (paging ? CR0_PG : 0) |
             (one_in(f, 2) ? CR0_WP : 0) | (one_in(f, 4) ? CR0_AM : 0) |
             (one_in(f, 16) ? CR0_TS : 0) | (one_in(f, 16) ? CR0_EM : 0);
    c->cr4 = CR4_OSFXSR |
             (rnd(f) & (CR4_PSE | CR4_PGE | CR4_TSD | CR4_DE | CR4_VME | CR4_PVI | CR4_OSXMMEXCPT |
                        CR4_UMIP | CR4_FSGSBASE)) |
             (one_in(f, 8) ? CR4_SMEP | CR4_SMAP : 0) | (wide || mode == M_PAE ? CR4_PAE : 0) |
             (wide && one_in(f, 4) ? CR4_PCIDE : 0) | (wide && one_in(f, 4) ? CR4_PKE : 0);
    c->pkru = one_in(f, 2) ? 0 : (uint32_t)rnd(f);
    c->in_smm = one_in(f, 8);
    /* its handler is somewhere in the code */
    c->smbase = CODE - 0x8000 + 16 * below(f, CODE_BYTES / 16);
    c->cr3 = one_in(f, 32) ? value(f) & 0xffffffff : cr3s[mode];
    c->efer = EFER_SCE | (one_in(f, 2) ? EFER_SVME : 0) | (one_in(f, 2) ? EFER_NXE : 0) |
              (wide ? EFER_LME | EFER_LMA : 0);
    for (unsigned i = 0; i < 4; i++) {
        c->pdpte[i] = one_in(f, 8) ? rnd(f) : PD | 1;
        c->dr[i] = value(f);
    }
    c->dr[7] = one_in(f, 16) ? (rnd(f) & 0xffff23ff) | 0x400 : 0x400;
    c->rflags = 2 | (rnd(f) & EF_IF) | (one_in(f, 16) ? EF_TF : 0) | (one_in(f, 8) ? EF_AC : 0) |
                (one_in(f, 16) ? EF_NT : 0) | (rnd(f) & EF_IOPL) | (mode == M_VM86 ? EF_VM : 0);
}

/*
 * A guest in a mode of its own, for a host in this one: plausible but for a bit or two (APM vol. 2
 * appendix B).
 */
static void put_vmcb(Fuzz *f, X86Cpu *g, Mode host)
{
    static const uint16_t segs[6] = { 0x400, 0x410, 0x420, 0x430, 0x440, 0x450 };
    uint64_t roots[N_MODES] = { PD32, PD32, PD32, PD32, PDPAE, PML4, PML4 }, b[512] = { 0 };
    uint32_t *words = (uint32_t *)b;
    Mode mode = below(f, N_MODES);

    put_controls(f, g, mode);
    put_segs(f, g, mode);
    for (unsigned i = 0; i < 6; i++) {
        words[i] = one_in(f, 2) ? 0 : few_bits(f);
        memcpy((uint8_t *)b + segs[i], &g->seg[i].selector, 2);
        memcpy((uint8_t *)b + segs[i] + 2, &g->seg[i].attr, 2);
        memcpy((uint8_t *)b + segs[i] + 4, &g->seg[i].limit, 4);
        memcpy((uint8_t *)b + segs[i] + 8, &g->seg[i].base, 8);
    }
    words[4] |= 1;
    words[3] |= 1u << 31;
    b[0x38 / 8] = rnd(f);
    b[0x40 / 8] = value(f) & 0xfff000;
    b[0x48 / 8] = value(f) & 0xfff000;
    b[0x50 / 8] = rnd(f);
    b[0x58 / 8] = (1 + below(f, 3)) | (uint64_t)(one_in(f, 4) ? below(f, 8) : 0) << 32;
    b[0x60 / 8] = one_in(f, 2) ? rnd(f) & 0xff030f0f0full : 0;
    b[0x68 / 8] = below(f, 2);
    b[0x90 / 8] = below(f, 2);
    b[0xa8 / 8] = one_in(f, 4) ? 0x80000000 | (rnd(f) & 0xffffffff00000b3f) : 0;
    b[0xb0 / 8] = roots[host];
    b[0xb8 / 8] = one_in(f, 4) ? 2 : 0;
    b[0xc8 / 8] = CODE + below(f, CODE_BYTES);
    b[0x460 / 8] = 0xffull << 32;
    b[0x468 / 8] = GDT;
    b[0x480 / 8] = 0xfffull << 32;
    b[0x488 / 8] = IDT;
    b[0x4c8 / 8] = (uint64_t)g->cpl << 24;
    b[0x4d0 / 8] = g->efer | EFER_SVME;
    b[0x548 / 8] = g->cr4;
    b[0x550 / 8] = g->cr3;
    b[0x558 / 8] = g->cr0;
    b[0x560 / 8] = g->dr[7];
    b[0x568 / 8] = 0xffff0ff0;
    b[0x570 / 8] = g->rflags;
    b[0x578 / 8] = (mode == M_REAL || mode == M_VM86 ? 0u : CODE) + below(f, CODE_BYTES);
    b[0x5d8 / 8] = STACK;
    b[0x5f8 / 8] = value(f);
    if (one_in(f, 4)) {
        b[below(f, 0x6c0 / 8)] ^= 1ull << below(f, 64);
    }
    as_write(f->m->as_memory, VMCB, b, sizeof b);
}

static void put_cpu(Fuzz *f, X86Cpu *c, Mode mode)
{
    Vcpu *v = &c->dbt.vcpu;
    GError *err = NULL;

    v->cpu_ops->reset(v);
    put_controls(f, c, mode);
    put_segs(f, c, mode);
    c->idt_base = mode == M_REAL && one_in(f, 2) ? 0 : IDT;
    c->idt_limit = one_in(f, 8) ? below(f, 0x1000) : 0xfff;
    c->gdt_base = GDT;
    c->gdt_limit = one_in(f, 8) ? below(f, 0x100) : 0xff;
    for (unsigned i = 0; i < 16; i++) {
        c->dbt.gpr[i] = value(f);
    }
    c->dbt.gpr[4] = mode == M_REAL || mode == M_VM86 ? below(f, 0x10000)
                    : one_in(f, 8)                   ? value(f)
                                                     : STACK;
    c->dbt.gpr[1] = one_in(f, 8) ? value(f) : below(f, 64);
    c->df = one_in(f, 4) ? -1 : 1;
    c->star = rnd(f);
    c->lstar = c->cstar = c->sysenter_eip = CODE + below(f, CODE_BYTES);
    c->sysenter_cs = 8;
    c->sysenter_esp = STACK;
    c->mxcsr = one_in(f, 4) ? (uint32_t)rnd(f) & 0xffff : 0x1f80;
    c->fpu_cw = one_in(f, 4) ? (uint16_t)rnd(f) : 0x37f;
    for (unsigned i = 0; i < 16; i++) {
        c->vec[i].u64[0] = rnd(f);
        c->vec[i].u64[1] = one_in(f, 2) ? value(f) : rnd(f);
    }
    c->activity = X86_RUN;
    c->dbt.pc =
        c->seg[S_CS].base + (mode == M_REAL || mode == M_VM86 ? 0u : CODE) + below(f, CODE_BYTES);
    /* a hypervisor's loop: VMRUN, STGI, again */
    if (c->efer & EFER_SVME && mode >= M_PROT16 && !one_in(f, 4)) {
        static const uint8_t loop[] = { 0x0f, 0x01, 0xd8, 0x0f, 0x01, 0xdc, 0xeb, 0xf8 };
        put_vmcb(f, f->other, mode);
        as_write(f->m->as_memory, CODE + 0x100, loop, sizeof loop);
        c->dbt.pc = c->seg[S_CS].base + CODE + 0x100;
        c->dbt.gpr[0] = VMCB;
        c->cpl = one_in(f, 16) ? 3 : 0;
        c->seg[S_CS].attr &= (uint16_t)~ATTR_DPL;
        c->seg[S_SS].attr &= (uint16_t)~ATTR_DPL;
    }
    if (!v->cpu_ops->restored(v, &err)) {
        g_clear_error(&err);
        f->refused++;
        v->cpu_ops->reset(v);
    }
}

/* ---- the loop ---- */

static void disturb(Fuzz *f)            /* as a device would, while the guest runs */
{
    uint8_t buf[64];
    unsigned n = 1 + below(f, sizeof buf);

    for (unsigned i = 0; i < n; i++) {
        buf[i] = (uint8_t)rnd(f);
    }
    as_write(f->m->as_memory, CODE + below(f, CODE_BYTES), buf, n);
    if (one_in(f, 4)) {
        x86_smi(f->m->vcpus->pdata[below(f, f->m->vcpus->len)]);
    }
}

static void scramble(Fuzz *f)
{
    Mode mode = below(f, N_MODES);

    f->mode = mode;
    put_code(f, CODE, CODE_BYTES);
    put_pages(f);
    put_tables(f, mode);
    for (unsigned i = 0; i < f->m->vcpus->len; i++) {
        put_cpu(f, f->m->vcpus->pdata[i], one_in(f, 8) ? below(f, N_MODES) : mode);
    }
}

static gboolean step(gpointer data)
{
    Fuzz *f = data;
    Machine *m = f->m;

    __atomic_add_fetch(&f->beat, 1, __ATOMIC_RELAXED);
    machine_lock(m);
    if (one_in(f, 2)) {
        disturb(f);
        machine_unlock(m);
        return G_SOURCE_CONTINUE;
    }
    machine_unlock(m);
    if (g_get_monotonic_time() > f->end_us) {
        machine_exit_request(m, 0);
        return G_SOURCE_REMOVE;
    }
    machine_stop(m);
    machine_lock(m);
    if (m->state == RUN_SHUTDOWN) {     /* the guest powered it off */
        m->state = RUN_PAUSED;
    }
    f->state = f->seed + f->steps++;
    if (one_in(f, 16)) {
        f->resets++;
        machine_reset(m);
    }
    scramble(f);
    machine_unlock(m);
    machine_cont(m);
    return G_SOURCE_CONTINUE;
}

static void *watchdog(void *data)
{
    Fuzz *f = data;
    unsigned last = 0, still = 0;

    for (;; sleep(1)) {
        unsigned now = __atomic_load_n(&f->beat, __ATOMIC_RELAXED);
        still = now == last ? still + 1 : 0;
        last = now;
        if (still == HANG_S) {
            printf("not ok fuzz guest: a CPU does not stop: -s %" PRIu64 " step %" PRIu64 "\n",
                   f->seed, f->steps);
            fflush(stdout);
            abort();
        }
    }
    return NULL;
}

static bool build(Machine *m, const char *engine, const char *cpus, const char *bios, GError **err)
{
    g_autofree char *accel = g_strdup_printf("dbt,engine=%s,tb-size=1", engine);
    const char *argv[] = { "fuzz", "-accel", accel, "-cpu", "max", "-m", "16", "-smp", cpus,
                           "-nodefaults", "-display", "none", "-no-shutdown", "-bios", bios, NULL };

    return machine_from(m, argv, err) && chr_open_all(m, err) && machine_start(m, err);
}

static char *bios_make(void)            /* nothing but HLT */
{
    char *path = NULL, image[65536];
    int fd = g_file_open_tmp("fuzz-XXXXXX", &path, NULL);

    memset(image, 0xf4, sizeof image);
    if (fd < 0 || write(fd, image, sizeof image) != sizeof image) {
        perror("fuzz");
        exit(1);
    }
    close(fd);
    return path;
}

int main(int argc, char **argv)
{
    Fuzz f = { .seed = (uint64_t)g_get_real_time() };
    const char *engine = "native", *cpus = "2";
    int seconds = 5;
    GError *err = NULL;
    const Arg args[] = { ARG('e', engine, "ENGINE"), ARG('t', seconds, "SECONDS"),
                         ARG('s', f.seed, "SEED"), ARG('c', cpus, "CPUS"), ARGS_END };

    if (!args_parse(argc, argv, args)) {
        return 2;
    }
    f.m = machine_new();
    f.other = aligned_alloc(64, sizeof *f.other);
    memset(f.other, 0, sizeof *f.other);
    f.state = f.seed;
    printf("seed %" PRIu64 "\n", f.seed);
    fflush(stdout);
    g_autofree char *bios = bios_make();
    bool built = build(f.m, engine, cpus, bios, &err);
    unlink(bios);
    if (!built) {
        printf("not ok fuzz guest: %s\n", err->message);
        return 1;
    }
    f.end_us = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    g_thread_unref(g_thread_new("watchdog", watchdog, &f));
    GSource *timer = g_timeout_source_new(STEP_MS / 2);
    g_source_set_callback(timer, step, &f, NULL);
    g_source_attach(timer, f.m->context);
    machine_cont(f.m);
    int status = machine_run(f.m);
    free(f.other);
    machine_done(f.m);
    printf("%s fuzz guest, %s, %s CPUs: %" PRIu64 " starts, %" PRIu64 " states refused, %" PRIu64
           " resets\n",
           status ? "not ok" : "ok", engine, cpus, f.steps, f.refused, f.resets);
    return status;
}
