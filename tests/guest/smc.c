/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smc.c -- 64-bit guest: code that is rewritten: with what it was before, with something new, by
 * itself, by instructions that C code does, beside data, through another address, across pages, and
 * under an access that crosses a page; and loops through two pages of which one becomes another.
 *
 * Spec: Intel SDM vol. 3, 12.6 and 9.1.3.
 */
#include "tests/guest/long.h"

enum { ROUNDS = 300, CODE = 0x600000, ALIAS = 0x40000000 };
typedef u32 Fn(u64 a);

static u64 pt[512] __attribute__((aligned(4096))), pd2[512] __attribute__((aligned(4096)));
static u8 data[8192] __attribute__((aligned(4096)));

static void put_bytes(u64 at, const u8 *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        *(volatile u8 *)(at + i) = from[i];
    }
}

/* mov eax, v; ret */
static void put_const(u64 at, u32 v)
{
    const u8 code[6] = { 0xb8, (u8)v, (u8)(v >> 8), (u8)(v >> 16), (u8)(v >> 24), 0xc3 };

    put_bytes(at, code, 6);
}

static u32 call(u64 at, u64 a)
{
    asm volatile("" ::: "memory");
    return ((Fn *)at)(a);
}

/* Versions that come back, and new ones, in turns. */
static unsigned versions(u64 at, unsigned n)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        u32 v = i % 7 == 3 ? 0x1000 + i : i % n;
        put_const(at, v);
        bad += call(at, 0) != v;
        bad += call(at, 0) != v;
    }
    return bad;
}

static void test_versions(void)
{
    check("two versions", versions(CODE, 2), 0);
    check("many versions", versions(CODE + 0x100, 60), 0);
    check("at the end of a page", versions(CODE + 0x2ffa, 3), 0);
    check("across pages", versions(CODE + 0x3ffd, 3), 0);
    check("one byte before a page", versions(CODE + 0x4fff, 2), 0);
}

/* A byte of the immediate alone, and the opcode alone. */
static void test_bytes(void)
{
    unsigned bad = 0;

    put_const(CODE + 0x200, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        *(volatile u8 *)(CODE + 0x202) = (u8)(i & 3);
        bad += call(CODE + 0x200, 0) != (i & 3) << 8;
    }
    check("a byte of an immediate", bad, 0);
    static const u8 add[7] = { 0x8d, 0x87, 1, 0, 0, 0, 0xc3 };         /* lea eax, [rdi + 1]; ret */
    put_bytes(CODE + 0x280, add, 7);
    for (unsigned i = bad = 0; i < ROUNDS; i++) {
        *(volatile u8 *)(CODE + 0x281) = i & 1 ? 0x87 : 0x86;           /* rdi, rsi */
        u32 r;
        asm volatile("call *%3" : "=a"(r) : "D"(10ul), "S"(20ul), "r"((u64)(CODE + 0x280)) : "memory");
        bad += r != (i & 1 ? 11u : 21u);
    }
    check("an operand", bad, 0);
    /* test edi, edi; jz; ... */
    static u8 jcc[] = { 0x85, 0xff, 0x74, 0x06, 0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 2, 0, 0, 0, 0xc3 };
    put_bytes(CODE + 0x300, jcc, sizeof jcc);
    for (unsigned i = bad = 0; i < ROUNDS; i++) {
        *(volatile u8 *)(CODE + 0x302) = i & 1 ? 0x75 : 0x74;
        bad += call(CODE + 0x300, 0) != (i & 1 ? 1u : 2u);
        bad += call(CODE + 0x300, 1) != (i & 1 ? 2u : 1u);
    }
    check("a condition", bad, 0);
}

/*
 * Code that changes what stands behind it in the same block, and a loop that changes its own step.
 */
static void test_self(void)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        /* mov [rip + 1], dil; mov eax, 0; ret */
        static const u8 code[] = { 0x40, 0x88, 0x3d, 1, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3 };
        if (i % 50 == 0) {
            put_bytes(CODE + 0x400, code, sizeof code);
        }
        bad += call(CODE + 0x400, i & 3) != (i & 3);
    }
    check("the next instruction", bad, 0);
    static const u8 loop[] = {
        0x31, 0xc0, 0xb9, 8, 0, 0, 0,                   /* xor eax, eax; mov ecx, 8 */
        0x05, 1, 0, 0, 0,                               /* 1: add eax, 1 */
        0xfe, 0x05, 0xf6, 0xff, 0xff, 0xff,             /* inc byte [that 1] */
        0xff, 0xc9, 0x75, 0xf1, 0xc3,                   /* dec ecx; jnz 1; ret */
    };
    for (unsigned i = bad = 0; i < ROUNDS; i++) {
        put_bytes(CODE + 0x480, loop, sizeof loop);
        bad += call(CODE + 0x480, 0) != 36;
    }
    check("a loop's own step", bad, 0);
}

/*
 * What C code of an emulator may store, over the instruction that is next: at `at` the store to
 * [rdi], then eax = 1, then `end`; the store makes that eax = 2.
 */
static u64 put_store(u64 at, const u8 *store, unsigned n, u32 end)
{
    u64 next = 0xb8 | (u64)1 << 8 | (u64)end << 40;

    put_bytes(at, store, n);
    put_bytes(at + n, (const u8 *)&next, 8);
    *(volatile u8 *)(at + n + 8) = 0xc3;
    return next + 0x100;                /* that it is to be */
}

enum { NOPS = 0x001f0f, BACK = 0xfc8748 };      /* xchg rsp, rdi */

static u32 by_cmpxchg8b(u64 at)
{
    static const u8 store[] = { 0x0f, 0xc7, 0x0f };
    u64 now = put_store(at, store, 3, NOPS), old = now - 0x100;
    u32 a = (u32)old, d = (u32)(old >> 32);

    asm volatile("call *%[at]" : "+a"(a), "+d"(d)
                 : "b"((u32)now), "c"((u32)(now >> 32)), "D"(at + 3), [at] "r"(at) : "memory");
    return a;
}

static u32 by_fistp(u64 at)             /* with a control word of its own */
{
    static const u8 store[] = { 0xdf, 0x3f };
    u64 now = put_store(at, store, 2, NOPS);
    const u16 cw = 0x27f;
    u32 a;

    asm volatile("fninit; fldcw %[cw]; fildq %[now]; call *%[at]; fninit"
                 : "=a"(a) : [cw] "m"(cw), [now] "m"(now), "D"(at + 2), [at] "r"(at) : "memory");
    return a;
}

static u32 by_maskmovdqu(u64 at)
{
    static const u8 store[] = { 0x66, 0x0f, 0xf7, 0xc1 };
    u64 now = put_store(at, store, 4, NOPS), mask = ~0ul;
    u32 a;

    asm volatile("movq %[now], %%xmm0; movq %[mask], %%xmm1; call *%[at]"
                 : "=a"(a) : [now] "m"(now), [mask] "m"(mask), "D"(at + 4), [at] "r"(at)
                 : "memory");
    return a;
}

static u32 by_enter(u64 at)
{
    static const u8 store[] = { 0x48, 0x87, 0xfc, 0xc8, 0, 0, 0 };     /* xchg rsp, rdi; enter */
    u64 now = put_store(at, store, 7, BACK), stack = at + 7 + 8;
    u32 a;

    asm volatile("push %%rbp; mov %[now], %%rbp; call *%[at]; pop %%rbp"
                 : "=a"(a), "+D"(stack) : [now] "r"(now), [at] "r"(at) : "memory");
    return a;
}

static void test_stored_by_c(void)
{
    static u32 (*const by[])(u64) = { by_cmpxchg8b, by_fistp, by_maskmovdqu, by_enter };
    static const char *const names[] = { "cmpxchg8b over the next instruction",
                                         "fistp over the next instruction",
                                         "maskmovdqu over the next instruction",
                                         "enter over the next instruction" };

    for (unsigned k = 0; k < sizeof by / sizeof *by; k++) {
        unsigned bad = 0;
        for (unsigned i = 0; i < ROUNDS; i++) {
            bad += by[k](CODE + 0xb000 + 0x100 * k) != 2;
        }
        check(names[k], bad, 0);
    }
}

static void test_beside(void)
{
    volatile u32 *beside = (u32 *)(CODE + 0x1800), sum = 0;
    unsigned bad = 0;

    put_const(CODE + 0x1000, 5);
    for (unsigned i = 0; i < 4 * ROUNDS; i++) {
        bad += call(CODE + 0x1000, 0) != 5;
        beside[i & 63] = i;
        sum += beside[i & 63] - i;
    }
    check("data beside code", bad + sum, 0);
}

static void test_alias(void)
{
    unsigned bad = 0;

    pdp[1] = (u64)pd2 | 7;
    pd2[0] = (u64)pt | 7;
    pt[0] = CODE | 7;
    for (unsigned i = 0; i < ROUNDS; i++) {
        put_const(ALIAS + 0x500, i & 3);
        bad += call(CODE + 0x500, 0) != (i & 3);
        put_const(CODE + 0x500, i & 1);
        bad += call(ALIAS + 0x500, 0) != (i & 1);
    }
    check("through another address", bad, 0);
    for (unsigned i = bad = 0; i < ROUNDS; i++) {       /* the page behind an address changes */
        put_const(CODE + 0x7600, 7);
        pt[0] = (i & 1 ? CODE + 0x7000 : CODE) | 7;
        asm volatile("invlpg (%0)" :: "r"((u64)ALIAS) : "memory");
        put_const(CODE + 0x600, i & 3);
        bad += call(ALIAS + 0x600, 0) != (i & 1 ? 7 : (i & 3));
    }
    check("another page behind it", bad, 0);
}

static u32 result;

/*
 * At +0: ecx = 64; at +5: jump to the page `to` behind it.  There: eax = v, ecx down, back to +5,
 * at last the result and out.
 */
static void put_from(u64 at, u32 to)
{
    u32 rel = to - 10;
    const u8 code[10] = { 0xb9, 64, 0, 0, 0, 0xe9, (u8)rel, (u8)(rel >> 8), (u8)(rel >> 16),
                          (u8)(rel >> 24) };

    put_bytes(at, code, sizeof code);
}

static void put_to(u64 at, u32 from, u32 v, u32 user)
{
    u32 rel = 5 - (from + 13), r = (u32)(u64)&result;
    const u8 code[22] = { 0xb8, (u8)v, 0, 0, 0, 0xff, 0xc9, 0x0f, 0x85, (u8)rel, (u8)(rel >> 8),
                          (u8)(rel >> 16), (u8)(rel >> 24),
                          0x89, 0x04, 0x25, (u8)r, (u8)(r >> 8), (u8)(r >> 16), (u8)(r >> 24), user ? 0xcd : 0xc3, 0x30 };

    put_bytes(at, code, sizeof code);
}

static void flush_tlb(u64 page, u32 user, unsigned how)
{
    if (how == 0) {
        asm volatile("invlpg (%0)" :: "r"(page) : "memory");
    } else if (user) {
        wr3((u64)pml4);
    } else {
        wr4(rd4() & ~0x80ull);
        wr4(rd4() | 0x80);
    }
}

static u32 run_far(u32 user)
{
    result = 0;
    if (user) {
        run_user((void (*)(void))ALIAS, CS3, 2);
    } else {
        call(ALIAS, 0);
    }
    return result;
}

static void test_far(u32 user)
{
    u64 bits = user ? 7 : 0x107;        /* the kernel's pages are global */
    unsigned bad = 0;

    wr4(rd4() | 0x80);
    put_from(CODE + 0xc000, 0x1000);
    put_from(CODE + 0xd000, 0x2000);
    put_to(CODE + 0xe000, 0x1000, 1, user);
    put_to(CODE + 0xf000, 0x1000, 2, user);
    put_to(CODE + 0x10000, 0x2000, 3, user);
    pt[0] = (CODE + 0xc000) | bits;
    pt[2] = (CODE + 0x10000) | bits;
    asm volatile("invlpg (%0)" :: "r"((u64)ALIAS) : "memory");
    asm volatile("invlpg (%0)" :: "r"((u64)ALIAS + 0x2000) : "memory");
    for (unsigned i = 0; i < 40; i++) {
        pt[1] = (CODE + (i & 1 ? 0xf000 : 0xe000)) | bits;
        flush_tlb(ALIAS + 0x1000, user, i & 2);
        bad += run_far(user) != (i & 1 ? 2u : 1u);
        bad += run_far(user) != (i & 1 ? 2u : 1u);
    }
    check(user ? "user: the page jumped to" : "the page jumped to", bad, 0);
    pt[1] = (CODE + 0xe000) | bits;
    flush_tlb(ALIAS + 0x1000, user, 0);
    for (unsigned i = bad = 0; i < 40; i++) {
        pt[0] = (CODE + (i & 1 ? 0xd000 : 0xc000)) | bits;
        flush_tlb(ALIAS, user, i & 2);
        bad += run_far(user) != (i & 1 ? 3u : 1u);
        bad += run_far(user) != (i & 1 ? 3u : 1u);
    }
    check(user ? "user: the page jumped from" : "the page jumped from", bad, 0);
}

/* Two loads off one register, of which one crosses a page; rewritten now and then. */
static void test_crossing(void)
{
    /* mov eax, [rdi]; add eax, [rdi + 8]; add eax, 0 */
    static const u8 code[] = { 0x8b, 0x07, 0x03, 0x47, 0x08, 0x05, 0, 0, 0, 0, 0xc3 };
    unsigned bad = 0;

    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = (u8)i;
    }
    put_bytes(CODE + 0x700, code, sizeof code);
    for (unsigned i = 0; i < ROUNDS; i++) {
        u64 at = (u64)data + 4096 - 12 + (i & 15);
        u32 want = *(volatile u32 *)at + *(volatile u32 *)(at + 8) + (i / 4 & 3);
        *(volatile u8 *)(CODE + 0x706) = i / 4 & 3;
        bad += call(CODE + 0x700, at) != want;
    }
    check("an access across pages", bad, 0);
}

/* Written by the string instructions, and a whole page by another's contents. */
static void test_bulk(void)
{
    unsigned bad = 0;

    put_const(CODE + 0x8100, 1);
    put_const(CODE + 0x9100, 2);
    for (unsigned i = 0; i < ROUNDS; i++) {
        u64 from = CODE + (i & 1 ? 0x8000 : 0x9000), to = CODE + 0xa000, n = 512;
        asm volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(n) :: "memory");
        bad += call(CODE + 0xa100, 0) != (i & 1 ? 1u : 2u);
    }
    check("a page by rep movs", bad, 0);
}

__attribute__((used)) int main(void)
{
    setup();
    test_versions();
    test_bytes();
    test_self();
    test_stored_by_c();
    test_beside();
    test_alias();
    test_crossing();
    test_bulk();
    test_far(0);
    test_far(1);
    finish();
}
