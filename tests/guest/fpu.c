/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu.c -- 64-bit guest: what the x87 tells of its last instruction (FIP, FOP, FDP, C1), asked for
 * in the middle of a block.
 *
 * Spec: Intel SDM vol. 1 8.1.3.2 (C1), 8.1.8 (pointers), 8.1.9 (opcode), 8.1.10 (environment),
 *   10.5.1 (FXSAVE); AMD APM vol. 2
 * 11.4.4: without a pending exception FXSAVE may leave the pointers out.
 */
#include "tests/guest/long.h"

static u32 env[7];
static double one = 1.0, three = 3.0, seven = 7.0;
static u8 area[512] __attribute__((aligned(64)));
enum { FILL = 0x5a, C1 = 0x200 };

static u64 at(u32 i) { u64 v; __builtin_memcpy(&v, area + i, 8); return v; }

static void expect_env(const char *name, word ip, u32 op, const void *operand)
{
    put(name);
    put(":\n");
    check("FIP", env[3], (u32)ip);
    check("FOP", env[4] >> 16 & 0x7ff, op);
    check("FDP", env[5], (u32)(word)operand);
}

/* The registers that an address is made of have changed by the time that it is asked for. */
static void test_pointers(void)
{
    word base, index, at_three;

    for (u32 i = 0; i < 12; i++) {      /* also as hot code */
        base = (word)&one - 16;
        index = 2;
        asm volatile("fninit; fldl (%0,%1,8); l_add: fadd %%st(0), %%st; xorl %k0, %k0; movl $1000, %k1; fnstenv %2"
                     : "+&r"(base), "+&r"(index), "=m"(env) :: "memory");
        expect_env("FNSTENV", AT(l_add), 0x0c0, &one);
        at_three = (word)&three;
        asm volatile("fninit; fldl %2; l_mul: fmull (%1); addq $64, %1; nop; fnstenv %0" : "=m"(env), "+c"(at_three) : "m"(one) : "memory");
        expect_env("an operand in memory", AT(l_mul), 0x409, &three);
        asm volatile("fninit; fldl %1; l_sin: fsin; fstp %%st(0); fnop; fincstp; fnstsw %%ax; fnstenv %0" : "=m"(env) : "m"(seven) : "rax", "memory");
        expect_env("control instructions do not count", AT(l_sin) + 2, 0x5d8, &seven);
        __builtin_memset(area, FILL, sizeof area);
        asm volatile("fninit; l_ld: fldl %1; fxsave64 %0" : "=m"(area) : "m"(one) : "memory");
        check("FXSAVE64: FIP", at(8) == AT(l_ld) || at(8) == 0 || (u8)at(8) == FILL, 1);
        check("FXSAVE64: FDP", at(16) == (word)&one || at(16) == 0 || (u8)at(16) == FILL, 1);
    }
}

static u32 quotient(const double *a, const double *b, int load)
{
    u32 sw;

    if (load) {
        asm volatile("fninit; fldl %1; fdivl %2; fldz; fnstsw %%ax" : "=a"(sw) : "m"(*a), "m"(*b));
    } else {
        asm volatile("fninit; fldl %1; fldl %2; fdivrp; fnstsw %%ax" : "=a"(sw) : "m"(*a), "m"(*b));
    }
    return sw;
}

static void test_c1(void)
{
    float f;
    u32 sw;

    for (u32 i = 0; i < 12; i++) {
        check("1 / 3 is rounded up", quotient(&one, &three, 0) & (C1 | 0x20), C1 | 0x20);
        check("1 / 7 is rounded down", quotient(&one, &seven, 0) & (C1 | 0x20), 0x20);
        check("a load clears C1", quotient(&one, &three, 1) & (C1 | 0x20), 0x20);
        asm volatile("fninit; fldl %2; fdivl %3; fstps %1; fnstsw %%ax" : "=a"(sw), "=m"(f) : "m"(one), "m"(three));
        check("a store is rounded up", sw & C1, C1);
        asm volatile("fninit; fldl %1; fdivl %2; fchs; fxam; fnstsw %%ax" : "=a"(sw) : "m"(one), "m"(three));
        check("FXAM's sign", sw & C1, C1);
        asm volatile("fninit; fldl %1; fdivl %2; fxch %%st(0); fnstsw %%ax" : "=a"(sw) : "m"(one), "m"(three));
        check("FXCH clears it", sw & C1, 0);
    }
}

__attribute__((used)) int main(void)
{
    setup();
    asm volatile("movq %%cr0, %%rax; andl $~0xc, %%eax; movq %%rax, %%cr0" ::: "rax");
    test_pointers();
    test_c1();
    finish();
}
