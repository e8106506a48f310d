/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spaces.c -- 64-bit guest: a kernel whose pages are global, and what is not global in it, in three
 * address spaces in turns: data and code at one address, with STAC and CLAC, through SYSCALL and
 * SYSRET, by INVLPG, CR4.PGE, SMEP and NX, with and without PCID.
 *
 * Spec: Intel SDM vol. 3 4.10 (what the TLB may keep, and what takes it out), 4.6 (SMAP, SMEP).
 */
#include <stdbool.h>
#include "tests/guest/long.h"

enum { EFER = 0xc0000080, STAR = 0xc0000081, LSTAR = 0xc0000082, SFMASK = 0xc0000084,
       SMAP = 1 << 21, SMEP = 1 << 20, PCIDE = 1 << 17, PGE = 1 << 7,
       SPACES = 3, TURNS = 60, USER_AT = 0x40200000, MANY = 200,
       AT = 0x40000000,                 /* the space's own; as pages of it: */
       DATA = 0, CODE, USER, GLOBAL, USER_CODE, LOTS = 16 };
#define PHYS(space, page) (0x1000000ull + (space) * 0x100000 + (page) * 0x1000)
#define LINEAR(page) (AT + (page) * 0x1000ull)
#define READ(page) (*(volatile u64 *)LINEAR(page))
#define STAC ".byte 0x0f, 0x01, 0xcb;"
#define CLAC ".byte 0x0f, 0x01, 0xca;"

static u64 tables[SPACES][4][512] __attribute__((aligned(4096)));
static u8 kernel_stack[4096] __attribute__((aligned(4096), used));
__attribute__((used)) u64 user_sp;
static u64 wrong, calls;
static u64 cr3[SPACES];                 /* as it is loaded */
static bool with_stac, lots;
static u64 lots_from;                   /* this many calls */

/* The user's page says which space it is; the kernel, who called. */
asm("user_loop: movl $60, %r12d; xorl %r13d, %r13d; 1: movq 0x40002000, %rdi; syscall; addq %rax, %r13;"
    "movl $0x40004000, %ebx; call *%rbx; subq 0x40002000, %rax; orq %rax, %r14; decl %r12d; jnz 1b;"
    "movq %r14, %rax; int $0x30;"
    "entry: movq %rsp, user_sp; movq $kernel_stack + 4096, %rsp; pushq %rcx; pushq %r11; pushq %rbx; cld; call on_syscall;"
    "popq %rbx; popq %r11; popq %rcx; movq user_sp, %rsp; sysretq");
extern char user_loop[], entry[];

static u64 read_user(void)
{
    u64 v;

    if (with_stac) {
        asm volatile(STAC "movq (%1), %0;" CLAC : "=r"(v) : "r"(LINEAR(USER)) : "memory");
        return v;
    }
    return READ(USER);
}

/* Everything that is this space's own says so. */
static void look(u64 space)
{
    wrong += READ(DATA) != space + 0x10;
    wrong += read_user() != space + 0x20;
    wrong += ((u64 (*)(void))LINEAR(CODE))() != space + 0x30;
    for (unsigned k = 0; lots && k < MANY; k++) {
        wrong += READ(LOTS + k) != (space << 8 | (k & 0xff));
    }
}

static void go_to(u64 space) { wr3(cr3[space]); }

/* Comes from the space that the user's page names, and leads to the next. */
__attribute__((used)) u64 on_syscall(u64 space)
{
    u64 next = (space - 0x20 + 1) % SPACES;

    lots |= lots_from && calls >= lots_from;
    look(space - 0x20);
    go_to(next);
    look(next);
    calls++;
    return 1;
}

static void *page(u64 space, u64 n) { return (void *)PHYS(space, n); }

static void make_spaces(void)
{
    static const u8 code[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

    for (u64 s = 0; s < SPACES; s++) {
        u64 *top = tables[s][0], *mid = tables[s][1], *dir = tables[s][2], *leaf = tables[s][3];
        for (unsigned i = 0; i < 512; i++) {
            leaf[i] = PHYS(s, i & 255) | 3;
        }
        *(u64 *)page(s, DATA) = s + 0x10;
        *(u64 *)page(s, USER) = s + 0x20;
        *(u64 *)page(s, GLOBAL) = s + 0x50;
        for (unsigned i = 0; i < sizeof code; i++) {
            ((u8 *)page(s, CODE))[i] = ((u8 *)page(s, USER_CODE))[i] = code[i];
        }
        ((u8 *)page(s, CODE))[1] = (u8)(s + 0x30);
        ((u8 *)page(s, USER_CODE))[1] = (u8)(s + 0x20);
        for (unsigned k = 0; k < MANY; k++) {
            *(u64 *)page(s, LOTS + k) = s << 8 | (k & 0xff);
        }
        leaf[USER] |= 4;
        leaf[USER_CODE] |= 4;
        top[0] = (u64)mid | 7;
        mid[0] = (u64)pdir | 7;
        mid[1] = (u64)dir | 7;
        dir[0] = (u64)leaf | 7;
        for (unsigned i = 1; i < 32; i++) {
            dir[i] = (i - 1) * 0x200000ull | 0x87;
        }
        cr3[s] = (u64)top;
    }
    user_at = USER_AT;
}

/* The kernel's own pages, which all spaces have. */
static void kernel_pages(u64 global)
{
    for (unsigned i = 0; i < 32; i++) {
        pdir[i] = i * 0x200000ull | 0x83 | global;
    }
    wr4(rd4() ^ PGE);
    wr4(rd4() ^ PGE);
}

static void rounds(const char *name)
{
    wrong = calls = 0;
    for (u64 turn = 0; turn < TURNS; turn++) {
        go_to(turn % SPACES);
        look(turn % SPACES);
        look(turn % SPACES);
    }
    check(name, wrong, 0);
    go_to(0);
    run_user((void (*)(void))user_loop, CS3, 2);
    check("with user code", seen.vector, 0x30);
    check("in its space", wrong, 0);
    check("its calls", calls, TURNS);
}

static void all_ways(void)
{
    u64 cr4 = rd4();

    rounds("spaces in turns");
    wr4(cr4 | SMAP);
    with_stac = true;
    rounds("with STAC");
    go_to(0);
    wr4(cr4 | SMAP | PCIDE);
    for (u64 s = 0; s < SPACES; s++) {
        cr3[s] |= s | 1ull << 63;
    }
    rounds("PCID, nothing flushed");
    for (u64 s = 0; s < SPACES; s++) {
        cr3[s] &= ~(1ull << 63);
    }
    rounds("PCID, flushed");
    for (u64 s = 0; s < SPACES; s++) {
        cr3[s] &= ~0xfffull;
    }
    wr3(cr3[0]);
    wr4(cr4);
    with_stac = false;
}

/* A page is another's in all spaces' tables: global, and so known in all, until it is flushed. */
static void set_page(u64 n, u64 entry)
{
    for (u64 s = 0; s < SPACES; s++) {
        tables[s][3][n] = entry;
    }
}

static u64 call(u64 n) { return ((u64 (*)(void))LINEAR(n))(); }

static void in_all(u64 n, u64 value, bool code)
{
    for (u64 s = 0; s < SPACES; s++) {
        go_to(s);
        wrong += (code ? call(n) : READ(n)) != value;
    }
}

static void flush_one(u64 n) { asm volatile("invlpg (%0)" :: "r"(LINEAR(n)) : "memory"); }

static void test_global(void)
{
    u64 cr4 = rd4();

    wrong = 0;
    for (u64 turn = 0; turn < TURNS; turn++) {
        u64 s = turn % SPACES;
        set_page(GLOBAL, PHYS(s, GLOBAL) | 0x103);
        set_page(CODE, PHYS(s, CODE) | 0x103);
        if (turn & 1) {                 /* in whatever space it is */
            flush_one(GLOBAL);
            flush_one(CODE);
        } else {
            wr4(cr4 ^ PGE);
            wr4(cr4);
        }
        in_all(GLOBAL, s + 0x50, false);
        in_all(CODE, s + 0x30, true);
    }
    check("global pages that change", wrong, 0);
    /* from global to the space's own */
    for (u64 s = 0; s < SPACES; s++) {
        tables[s][3][CODE] = PHYS(s, CODE) | 3;
        tables[s][3][GLOBAL] = PHYS(s, GLOBAL) | 3;
    }
    flush_one(CODE);
    flush_one(GLOBAL);
    wrong = 0;
    for (u64 turn = 0; turn < TURNS; turn++) {
        u64 s = turn % SPACES;
        go_to(s);
        wrong += call(CODE) != s + 0x30 || READ(GLOBAL) != s + 0x50;
    }
    check("the spaces' own again", wrong, 0);
}

/* Rights and places that change while code and data are known. */
static void test_rights(void)
{
    u64 cr4 = rd4();

    wrong = 0;
    for (u64 turn = 0; turn < TURNS; turn++) {
        u64 s = turn % SPACES;
        go_to(s);
        wrong += call(USER_CODE) != s + 0x20 || READ(USER) != s + 0x20;
        wr4(cr4 | SMEP | SMAP);
        RAISES("movl $0x40004000, %%eax; jmp *%%rax");
        wrong += seen.vector != 14 || seen.error != 0x11;
        RAISES("movq 0x40002000, %%rax");
        wrong += seen.vector != 14 || seen.error != 1;
        wr4(cr4);
        tables[s][3][CODE] |= 1ull << 63;
        flush_one(CODE);
        RAISES("movl $0x40001000, %%eax; jmp *%%rax");
        wrong += seen.vector != 14 || seen.error != 0x11;
        tables[s][3][DATA] = PHYS((s + 1) % SPACES, DATA) | 3;
        flush_one(DATA);
        wrong += READ(DATA) != (s + 1) % SPACES + 0x10;
        tables[s][3][DATA] = PHYS(s, DATA) | 3;
        flush_one(DATA);
        wrong += READ(DATA) != s + 0x10;
        tables[s][3][CODE] &= ~(1ull << 63);
        wrong += call(CODE) != s + 0x30;
    }
    check("SMEP, SMAP, NX and INVLPG", wrong, 0);
}

/* With user code and STAC under way, so much that contexts are better for one space each. */
static void test_lots(void)
{
    u64 cr4 = rd4();

    wr4(cr4 | SMAP);
    with_stac = true;
    for (unsigned turn = 0; turn < 2; turn++) {         /* another kernel, by its mode */
        lots_from = 30;
        rounds("much from some call on");
        lots_from = 0;
        lots = false;
        wr4(cr4 | SMAP | SMEP);
    }
    with_stac = false;
    wr4(cr4);
}

void main(void)
{
    setup();
    make_spaces();
    wrmsr(LSTAR, (u64)entry);
    wrmsr(STAR, (u64)CS0 << 32 | (u64)CS32 << 48);
    wrmsr(SFMASK, 0x700);
    wrmsr(EFER, rdmsr(EFER) | 0x801);
    kernel_pages(0x100);
    all_ways();
    test_global();
    test_rights();
    go_to(0);
    wr4(rd4() | PCIDE);
    for (u64 s = 0; s < SPACES; s++) {
        cr3[s] |= s | 1ull << 63;
    }
    test_rights();
    for (u64 s = 0; s < SPACES; s++) {
        cr3[s] &= ~(1ull << 63 | 0xfff);
    }
    go_to(0);
    wr4(rd4() & ~(u64)PCIDE);
    test_lots();
    lots = true;
    all_ways();
    lots = false;
    all_ways();
    test_global();
    kernel_pages(0);
    lots = true;
    all_ways();
    test_global();
    test_rights();
    finish();
}
