/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work.c -- a 64-bit guest that computes: the project's own benchmark set, one function a workload.
 *
 * Prints "begin NAME" and "end NAME SUM" on the debug port around each; tests/perf/run takes the
 * emulator's CPU time at these.  The same file built with -DNATIVE is a program that prints the
 * sums as the host finds them.
 */
#ifdef NATIVE
#include <stdio.h>
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
#else
#include "tests/guest/long.h"
#endif

static u64 seed;
static u32 any(void)                    /* xorshift */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (u32)seed;
}

static u8 bytes[1 << 20] __attribute__((aligned(4096))),
    other[1 << 20] __attribute__((aligned(4096)));
static u32 words[1 << 16];
static double ma[64][64], mb[64][64], mc[64][64];

static __attribute__((noinline)) u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static u64 calls(void) { return fib(35); }

static void sort_part(u32 *a, long lo, long hi)
{
    while (lo < hi) {
        u32 pivot = a[(lo + hi) / 2];
        long i = lo, j = hi;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                u32 t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort_part(a, lo, j);
        lo = i;
    }
}
static u64 sort(void)
{
    u64 sum = 0;
    for (u32 round = 0; round < 60; round++) {
        for (u32 i = 0; i < 1 << 16; i++)
            words[i] = any();
        sort_part(words, 0, (1 << 16) - 1);
        sum += words[round * 1000];
    }
    return sum;
}

/* A byte-code machine: load, add, multiply, shift, test and jump, end. */
static u64 interpret(void)
{
    static const u8 code[] = { 0, 7, 1, 3, 2, 5, 3, 1, 1, 9, 4, 2, 5 };
    u64 acc = 1, left = 12000000;
    for (const u8 *pc = code;;) {
        switch (*pc) {
        case 0: acc ^= pc[1]; pc += 2; break;
        case 1: acc += pc[1]; pc += 2; break;
        case 2: acc *= pc[1]; pc += 2; break;
        case 3: acc = acc << pc[1] | acc >> (64 - pc[1]); pc += 2; break;
        case 4: pc = --left ? code + pc[1] : pc + 2; break;
        default: return acc;
        }
    }
}

static u64 hash(void)
{
    u64 found = 0;
    for (u32 i = 0; i < 1 << 16; i++)
        words[i] = 0;
    for (u32 i = 0; i < 20000000; i++) {
        u32 key = any() % 40000 + 1, at = key * 2654435761u >> 16;
        while (words[at] && words[at] != key)
            at = (at + 1) & 0xffff;
        found += words[at] == key;
        words[at] = key;
    }
    return found;
}

static u64 crc(void)
{
    u32 table[256], c = ~0u;
    for (u32 i = 0; i < 256; i++) {
        u32 v = i;
        for (int k = 0; k < 8; k++)
            v = v >> 1 ^ (v & 1 ? 0xedb88320 : 0);
        table[i] = v;
    }
    for (u32 i = 0; i < sizeof bytes; i++)
        bytes[i] = (u8)any();
    for (u32 round = 0; round < 60; round++)
        for (u32 i = 0; i < sizeof bytes; i++)
            c = table[(c ^ bytes[i]) & 255] ^ c >> 8;
    return c;
}

static u64 product(void)                /* of numbers of 64 words */
{
    u64 a[64], b[64], r[128], sum = 0;
    for (u32 round = 0; round < 12000; round++) {
        for (u32 i = 0; i < 64; i++) {
            a[i] = (u64)any() << 32 | any();
            b[i] = (u64)any() << 32 | any();
        }
        for (u32 i = 0; i < 128; i++)
            r[i] = 0;
        for (u32 i = 0; i < 64; i++) {
            u64 carry = 0;
            for (u32 j = 0; j < 64; j++) {
                unsigned __int128 v = (unsigned __int128)a[i] * b[j] + r[i + j] + carry;
                r[i + j] = (u64)v;
                carry = (u64)(v >> 64);
            }
            r[i + 64] = carry;
        }
        sum ^= r[round & 127];
    }
    return sum;
}

static u64 matrix(void)
{
    for (u32 i = 0; i < 64; i++)
        for (u32 j = 0; j < 64; j++) {
            ma[i][j] = (double)(any() % 1000) / 7;
            mb[i][j] = (double)(any() % 1000) / 11;
        }
    for (u32 round = 0; round < 600; round++)
        for (u32 i = 0; i < 64; i++)
            for (u32 j = 0; j < 64; j++) {
                double s = 0;
                for (u32 k = 0; k < 64; k++)
                    s += ma[i][k] * mb[k][j];
                mc[i][j] = s;
            }
    return (u64)mc[13][31];
}

static u64 copy(void)
{
    u64 sum = 0;
    for (u32 round = 0; round < 100000; round++) {
        u32 from = any() % (sizeof bytes - 8192), to = any() % (sizeof bytes - 8192),
            n = any() % 8192;
        u8 *s = bytes + from, *d = other + to;
        __asm__ volatile("rep movsb" : "+S"(s), "+D"(d), "+c"(n) :: "memory");
        sum += other[to];
    }
    return sum;
}

static u64 list(void)                   /* a walk in random order */
{
    u32 at = 0;
    for (u32 i = 0; i < 1 << 16; i++)
        words[i] = i;
    for (u32 i = (1 << 16) - 1; i; i--) {
        u32 k = any() % i, t = words[i];
        words[i] = words[k];
        words[k] = t;
    }
    for (u32 i = 0; i < 20000000; i++)
        at = words[at];
    return at;
}

/* Pixels of two pictures weighted, with saturation: MMX, in 16-bit lanes. */
static u64 mmx(void)
{
    static const u64 weight[2] __attribute__((aligned(16))) = { 0x004d004d004d004d,
                                                                0x00b300b300b300b3 };
    u64 sum = 0;
    for (u32 i = 0; i < 1 << 16; i++) {
        bytes[i] = (u8)any();
        other[i] = (u8)any();
    }
    for (u32 round = 0; round < 400; round++) {
        u8 *p = bytes, *q = other;
        u64 n = 65536 / 8;
        __asm__ volatile("pxor %%mm7, %%mm7; movq (%3), %%mm6; movq 8(%3), %%mm5; 1: movq (%0), "
                         "%%mm0; movq (%1), %%mm2; movq %%mm0, %%mm1;"
                         "movq %%mm2, %%mm3; punpcklbw %%mm7, %%mm0; punpckhbw %%mm7, %%mm1; "
                         "punpcklbw %%mm7, %%mm2; punpckhbw %%mm7, %%mm3;"
                         "pmullw %%mm6, %%mm0; pmullw %%mm6, %%mm1; pmullw %%mm5, %%mm2; pmullw "
                         "%%mm5, %%mm3; paddusw %%mm2, %%mm0;"
                         "paddusw %%mm3, %%mm1; psrlw $8, %%mm0; psrlw $8, %%mm1; packuswb %%mm1, "
                         "%%mm0; movq %%mm0, (%0); add $8, %0; add $8, %1;"
                         "dec %2; jnz 1b; emms"
                         : "+r"(p), "+r"(q), "+r"(n)
                         : "r"(weight)
                         : "memory", "cc", "mm0", "mm1", "mm2", "mm3", "mm5", "mm6", "mm7");
        sum = sum * 31 + bytes[round * 7];
    }
    return sum;
}

static const struct { const char *name; u64 (*run)(void); } set[] = {
    { "calls", calls }, { "sort", sort }, { "interpret", interpret }, { "hash", hash },
    { "crc", crc }, { "product", product },
    { "matrix", matrix }, { "copy", copy }, { "list", list },
    { "mmx", mmx },
};
enum { N_SET = sizeof set / sizeof *set };

#ifdef NATIVE
int main(void)
{
    for (u32 i = 0; i < N_SET; i++) {
        seed = 88172645463325252ull;
        printf("%s %llx\n", set[i].name, set[i].run());
    }
    return 0;
}
#else
__attribute__((used)) int main(void)
{
    for (u32 i = 0; i < N_SET; i++) {
        seed = 88172645463325252ull;
        put("begin ");
        put(set[i].name);
        put("\n");
        u64 sum = set[i].run();
        put("end ");
        put(set[i].name);
        put(" ");
        put_hex(sum);
        put("\n");
    }
    finish();
}
#endif
