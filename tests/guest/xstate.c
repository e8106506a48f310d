/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xstate.c -- 64-bit guest: every register of the x87, SSE, AVX, AVX-512 and protection keys, as far as the CPU has them, keeps
 * what it holds, time and again.  migrate.c moves it meanwhile, and says at MORE how often it still will.
 *
 * Spec: Intel SDM vol. 1 ch. 13.
 */
#include "tests/guest/long.h"

#define MORE (*(volatile u32 *)0x500)
enum { ROUNDS_A_LAP = 200, CR4_OSXSAVE = 1 << 18, XSAVE = 1 << 26, OURS = 0x2e7, HEADER = 512, AREA = 4096 };
enum { FXSAVE_ST = 32, FXSAVE_XMM = 160, FXSAVE_END = 416 };
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
        asm volatile("xrstor64 (%2); 1: pause; decl %%ecx; jns 1b; movl %4, %%eax; xorl %%edx, %%edx; xsave64 (%3)"
                     : "+c"(n) : "a"(mask), "r"(in), "r"(out), "r"(mask), "d"(0) : "memory");
    } else {
        asm volatile("fxrstor64 (%1); 1: pause; decl %%ecx; jns 1b; fxsave64 (%2)" : "+c"(n) : "r"(in), "r"(out) : "memory");
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

__attribute__((used)) int main(void)
{
    u32 mask, lost = 0;

    setup();
    asm volatile("movq %%cr0, %%rax; andl $~0xc, %%eax; movq %%rax, %%cr0; movq %%cr4, %%rax; orl $0x200, %%eax; movq %%rax, %%cr4" ::: "rax");
    mask = switch_on();
    put("# components ");
    put_hex(mask);
    put("\n");
    do {
        for (u32 i = 0; i < ROUNDS_A_LAP && !lost; i++) {
            lost = round(mask);
        }
    } while (MORE && !lost);
    check("bytes that changed", lost, 0);
    finish();
}
