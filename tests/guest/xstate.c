/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xstate.c -- 64-bit guest: every register of the x87, SSE, AVX, AVX-512 and protection keys, as
 * far as the CPU has them, and MSRs keep what they hold, time and again.  migrate.c moves it
 * meanwhile, and says at MORE how often it still will.
 *
 * Spec: Intel SDM vol. 1 ch. 13, vol. 4 ch. 2; AMD APM vol. 2 appendix A.
 */
#include "tests/guest/long.h"

#define MORE (*(volatile u32 *)0x500)
enum { ROUNDS_A_LAP = 200, CR4_OSXSAVE = 1 << 18, XSAVE = 1 << 26, OURS = 0x2e7 };
enum { HEADER = 512, AREA = 4096, FXSAVE_ST = 32, FXSAVE_XMM = 160, FXSAVE_END = 416 };
static u8  in[AREA] __attribute__((aligned(64))), out[AREA] __attribute__((aligned(64)));
static u32 where[16], bytes[16];
static u64 random = 0x9e3779b97f4a7c15;

static u64 next(void)
{
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
}

static void zero(void *at, u64 n)
{
    asm volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(0) : "memory");
}

static void cpuid(u32 leaf, u32 sub, u32 r[4])
{
    asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}

/* The components that there are, switched on; 0: FXSAVE alone. */
static u32 switch_on(void)
{
    u32 r[4], mask;

    cpuid(1, 0, r);
    if (!(r[2] & XSAVE)) {
        return 0;
    }
    wr4(rd4() | CR4_OSXSAVE);
    cpuid(0xd, 0, r);
    mask = r[0] & OURS;
    asm volatile("xsetbv" :: "a"(mask), "d"(0), "c"(0));
    for (u32 i = 2; i < 16; i++) {
        if (mask >> i & 1) {
            cpuid(0xd, i, r);
            bytes[i] = r[0];
            where[i] = r[1];
            check("it lies in the area", r[1] >= HEADER + 64 && r[0] + r[1] <= AREA, 1);
        }
    }
    return mask;
}

/* The x87's registers hold numbers, no exception waits, and all are masked. */
static void fill(u32 mask)
{
    for (u32 i = 0; i < AREA; i += 8) {
        u64 v = next();
        __builtin_memcpy(in + i, &v, 8);
    }
    *(u16 *)in = (u16)(0x037f | (next() & 0xc00));
    *(u16 *)(in + 2) = (u16)(next() & 0x3800);
    zero(in + 4, 20);
    in[4] = 0xff;
    *(u32 *)(in + 24) = 0x1f80 | (next() & 0xe03f);
    *(u32 *)(in + 28) = 0;
    for (u32 i = 0; i < 8; i++) {
        in[FXSAVE_ST + i * 16 + 7] |= 0x80;
        in[FXSAVE_ST + i * 16 + 9] = (in[FXSAVE_ST + i * 16 + 9] & 0x80) | 0x3f;
    }
    zero(in + HEADER, 64);
    *(u32 *)(in + HEADER) = mask;
    if (bytes[9]) {
        zero(in + where[9] + 4, bytes[9] - 4);
    }
    zero(out, AREA);
}

static u32 differ(u32 at, u32 n)
{
    u32 d = 0;

    for (u32 i = 0; i < n; i++) {
        d += in[at + i] != out[at + i];
    }
    return d;
}

/* Loaded, left alone for a while, and stored: how many bytes are not what they were. */
static u32 round(u32 mask)
{
    u32 n = (u32)next() & 0x3fff, d;

    fill(mask);
    if (mask) {
        asm volatile("xrstor64 (%2); 1: pause; decl %%ecx; jns 1b;"
                     "movl %4, %%eax; xorl %%edx, %%edx; xsave64 (%3)"
                     : "+c"(n) : "a"(mask), "r"(in), "r"(out), "r"(mask), "d"(0) : "memory");
    } else {
        asm volatile("fxrstor64 (%1); 1: pause; decl %%ecx; jns 1b; fxsave64 (%2)"
                     : "+c"(n) : "r"(in), "r"(out) : "memory");
    }
    d = differ(0, 5) + differ(24, 4) + differ(FXSAVE_XMM, FXSAVE_END - FXSAVE_XMM);
    for (u32 i = 0; i < 8; i++) {
        d += differ(FXSAVE_ST + i * 16, 10);
    }
    for (u32 i = 2; i < 16; i++) {
        d += mask >> i & 1 ? differ(where[i], bytes[i]) : 0;
    }
    return d;
}

/* ---- MSRs: those that take these bits, where the CPU has them; and those that never change */
typedef struct Gate {
    u32 leaf, sub, reg, bit;
} Gate;
#define ANY     { 0, 0, 0, 0 }
static struct {
    u32  msr;
    u64  bits, fixed;
    Gate gate;
} msrs[] = {
    { 0x174, 0xffff, 0, ANY },
    { 0x175, 0x7fffffff, 0, ANY },                      /* AMD's processors have 32 bits of it */
    { 0x176, 0x7fffffff, 0, ANY },                      { 0xc0000081, ~0ull, 0, ANY },
    { 0xc0000082, 0x7fffffffffff, 0, ANY },             { 0xc0000083, 0x7fffffffffff, 0, ANY },
    { 0xc0000084, 0xffffffff, 0, ANY },                 { 0xc0000102, 0x7fffffffffff, 0, ANY },
    { 0xc0000103, 0xffffffff, 0, { 0x80000001, 0, 3, 27 } },
    { 0x277, 0x0101010101010101, 0x0606040400000406, ANY },
    { 0x200, 0xfff00000, 6, { 1, 0, 3, 12 } },          { 0x201, 0xfff00000, 0, { 1, 0, 3, 12 } },
    { 0x20e, 0xfff00000, 4, { 1, 0, 3, 12 } },
    { 0x250, 0x0404040404040404, 0, { 1, 0, 3, 12 } },
    { 0x26f, 0x0404040404040404, 0, { 1, 0, 3, 12 } },  { 0x2ff, 0x400, 6, { 1, 0, 3, 12 } },
    { 0x3b, 0x3fffffff, 0, { 7, 0, 1, 1 } },            { 0x48, 1, 0, { 7, 0, 3, 26 } },
    { 0xc001011f, 4, 0, { 0x80000008, 0, 1, 25 } },
};
static const u32 constant[] = { 0x179, 0xfe, 0x8b, 0xce, 0x198, 0x35, 0x140, 0xc0010015,
                                0xc0011029, 0xc001001f };
static u64 constants[sizeof constant / 4], held[sizeof msrs / sizeof *msrs];

static int has(const Gate *g)
{
    u32 r[4], first[4];

    if (!g->leaf) {
        return 1;
    }
    cpuid(g->leaf & 0x80000000, 0, first);
    if (first[0] < g->leaf) {
        return 0;
    }
    cpuid(g->leaf, g->sub, r);
    return r[g->reg] >> g->bit & 1;
}

/* One that faults reads as all ones. */
static u64 look(u32 msr)
{
    u32 a = 0xffffffff, d = 0xffffffff;

    asm volatile("movq $1f, resume; rdmsr; 1: movq $0, resume"
                 : "+a"(a), "+d"(d) : "c"(msr) : "memory");
    return a | (u64)d << 32;
}

static void msr_set(u32 i)
{
    held[i] = (next() & msrs[i].bits) | msrs[i].fixed;
    wrmsr(msrs[i].msr, held[i]);
}

static void msrs_start(void)
{
    for (u32 i = 0; i < sizeof msrs / sizeof *msrs; i++) {
        if (!has(&msrs[i].gate)) {
            msrs[i].msr = 0;
        } else {
            msr_set(i);
        }
    }
    for (u32 i = 0; i < sizeof constant / 4; i++) {
        constants[i] = look(constant[i]);
    }
}

static u32 msrs_lost(void)
{
    u32 lost = 0;

    for (u32 i = 0; i < sizeof msrs / sizeof *msrs && !lost; i++) {
        if (msrs[i].msr && rdmsr(msrs[i].msr) != held[i]) {
            check("an MSR", msrs[i].msr, 0);
            check("it", rdmsr(msrs[i].msr), held[i]);
            lost = msrs[i].msr;
        }
    }
    for (u32 i = 0; i < sizeof constant / 4 && !lost; i++) {
        if (look(constant[i]) != constants[i]) {
            check("an MSR that never changes", constant[i], 0);
            check("it", look(constant[i]), constants[i]);
            lost = constant[i];
        }
    }
    for (u32 i = next() % (sizeof msrs / sizeof *msrs), n = 0; n < 2 && msrs[i].msr; n++) {
        msr_set(i);
    }
    return lost;
}

__attribute__((used)) int main(void)
{
    u32 mask, lost = 0, msr = 0;

    setup();
    asm volatile("movq %%cr0, %%rax; andl $~0xc, %%eax; movq %%rax, %%cr0;"
                 "movq %%cr4, %%rax; orl $0x200, %%eax; movq %%rax, %%cr4" ::: "rax");
    mask = switch_on();
    put("# components ");
    put_hex(mask);
    put("\n");
    msrs_start();
    do {
        for (u32 i = 0; i < ROUNDS_A_LAP && !lost && !msr; i++) {
            lost = round(mask);
            msr = msrs_lost();
        }
    } while (MORE && !lost && !msr);
    check("bytes that changed", lost, 0);
    check("the MSR that changed", msr, 0);
    finish();
}
