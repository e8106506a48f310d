/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loops.c -- 64-bit guest on two CPUs: loops over memory whose pages go, move, become read-only,
 * hold code of the other CPU or are no RAM
 * meanwhile.  What a loop has done when it meets that is exact, and nothing is done behind a page's
 * back once the other CPU has acknowledged.
 *
 * Spec: Intel SDM vol. 3, 4.10.5 (shootdown), 9.1.3 (cross-modifying code).
 */
#include "tests/guest/mp.h"

enum { WINDOW = 0x40000000, FRAMES = 0x500000, OTHERS = 0x520000, CODE = FRAMES + 0x7ff,
       NOWHERE = 0xd0000000u, PAGES = 16, CELLS = PAGES * 512, ROUND = 30 * ROUNDS };
static u64 pt[512] __attribute__((aligned(4096))), pd2[512] __attribute__((aligned(4096)));
#define PTE ((volatile u64 *)pt)
volatile u64 turns, last;
volatile u32 stop_work;
static volatile u64 shoot_seq, shoot_ack;

__attribute__((used)) void shoot(void)
{
    wr3((u64)pml4);
    apic[APIC_EOI] = 0;
    shoot_ack = shoot_seq;
}
HANDLER(shoot);

static void shootdown(void)
{
    shoot_seq = shoot_seq + 1;
    mfence();
    ipi(0x403f);
    while (shoot_ack != shoot_seq) {
        relax();
    }
    wr3((u64)pml4);
}

static void map(u64 frames, u64 flags)
{
    for (unsigned i = 0; i < PAGES; i++) {
        PTE[i] = (frames + 4096 * i) | flags;
    }
}

static volatile u64 *cell(u64 frames, unsigned i) { return (volatile u64 *)(frames + 8ull * i); }

static u64 sum(u64 frames)
{
    u64 v = 0;
    for (unsigned i = 0; i < CELLS; i++) {
        v += *cell(frames, i);
    }
    return v;
}

static void clear(void)
{
    for (unsigned i = 0; i < CELLS; i++) {
        *cell(FRAMES, i) = *cell(OTHERS, i) = 0;
    }
}

/* ---- what the second CPU does until it is told, or faults ---- */
static void walk(void)
{
    asm volatile("movq $9f, resume; 1: movl $0x40000000, %%esi; movl $8192, %%ecx; 2: incq (%%rsi); addq $8, %%rsi; decl %%ecx; jnz 2b;"
                 "incq turns; cmpl $0, stop_work; je 1b; 9: movq $0, resume" ::: CLOBBER);
}

static void walk_back(void)             /* 64 bytes at a time, and a word that stays */
{
    asm volatile("movq $9f, resume; movl $0x40000000, %%edi; 1: movl $0x4000ffc0, %%esi; 2: movq (%%rsi), %%rax; addq $1, 8(%%rdi); adcq $1, 16(%%rsi);"
                 "leaq -64(%%rsi), %%rsi; cmpq %%rdi, %%rsi; jae 2b; incq turns; cmpl $0, stop_work; je 1b; 9: movq $0, resume" ::: CLOBBER);
}

static void stay(void)
{
    asm volatile("movq $9f, resume; 1: incq 0x40001008; incq turns; cmpl $0, stop_work; je 1b; 9: movq $0, resume" ::: CLOBBER);
}

static void rewrite(void)               /* the number that the other CPU's function returns */
{
    asm volatile("movl $0x40000000, %%edi; xorl %%ecx, %%ecx; 1: movl %%ecx, 0x800(%%rdi); movl %%ecx, last; incl %%ecx; incq turns; cmpl $0, stop_work; je 1b" ::: CLOBBER);
}

static void wait_turns(u64 n)
{
    u64 from = turns;
    while (turns - from < n) {
        relax();
    }
}

/* ---- what the first does meanwhile ---- */
static u64 moved_late, not_moved;
static void move(void)
{
    u64 now = FRAMES, was = OTHERS;
    for (unsigned i = 0; i < ROUND; i++) {
        wait_turns(3);
        u64 t = now;
        now = was;
        was = t;
        map(now, 3);
        shootdown();
        u64 a = sum(was), b = sum(now);
        wait_turns(2);
        moved_late += sum(was) != a;
        not_moved += sum(now) == b;
    }
    stop_work = 1;
}

static void take(u64 pte)               /* one page, for good: the loop faults there */
{
    wait_turns(3);
    PTE[5] = pte;
    shootdown();
}
static void take_away(void) { take(0); }
static void take_writes(void) { take((FRAMES + 5 * 4096) | 1); }

static u64 went_back;
static void call(void)
{
    u64 was = 0;
    for (unsigned i = 0; i < 2000 * ROUNDS; i++) {
        u64 v = ((u32(*)(void))(u64)CODE)();
        went_back += v < was;
        was = v;
    }
    wait_turns(3);
    stop_work = 1;
}

static void run(void (*ap)(void), void (*bsp)(void))
{
    map(FRAMES, 3);
    wr3((u64)pml4);
    stop_work = 0;
    seen.vector = 0xff;
    both(ap, bsp);
}

static void test_moved(void (*ap)(void), const char *name)
{
    moved_late = not_moved = 0;
    clear();
    run(ap, move);
    put(name);
    put("\n");
    check("nothing goes to pages that were there before", moved_late, 0);
    check("it goes to those that are", not_moved, 0);
}

/* walk() has been stopped in page 5. */
static void test_exact(void (*bsp)(void), const char *name, u32 error)
{
    u64 bad = 0;
    clear();
    run(walk, bsp);
    u64 n = *cell(FRAMES, 0), at = (seen.cr2 - WINDOW) / 8;
    for (unsigned i = 0; i < CELLS; i++) {
        bad += *cell(FRAMES, i) != n - (i >= at);
    }
    expect(name, 14, error);
    check("at", seen.cr2 & ~0xff8ull, WINDOW + 5 * 4096);
    check("what it has done till then", bad, 0);
}

/* A loop that walks to where nothing is: flags there are those of the comparison before. */
static void test_flags(void)
{
    u64 bad = 0, end = WINDOW + 9 * 4096 + 0x800, none = 0;
    map(FRAMES, 3);
    PTE[7] = 0;
    wr3((u64)pml4);
    for (unsigned i = 0; i < 40; i++) {
        u64 at = WINDOW + 8 * i, rest = 0x8d5, want;
        seen.vector = 0xff;
        asm volatile("movq $9f, resume; 1: movq (%%rsi), %%rax; movq %%rsi, %%rbx; andq $-8, %%rbx; testq %%rax, %%rax;"
                     "movq (%%rbx), %%rcx; sete %%cl; leaq 8(%%rsi), %%rsi; cmpq %%rdi, %%rsi; jne 1b;"
                     "incq %1; 9: movq $0, resume" : "+S"(at), "+m"(none) : "D"(end) : "rax", "rbx", "rcx", "memory", "cc");
        asm volatile("cmpq %1, %2; pushfq; popq %0" : "=r"(want) : "D"(end), "S"(seen.cr2) : "cc");
        bad += seen.vector != 14 || seen.cr2 != WINDOW + 7 * 4096 || ((seen.flags ^ want) & rest);
    }
    check("flags where a loop faults", bad + none, 0);
}

static void test_code(void)
{
    *(volatile u8 *)CODE = 0xb8;
    *(volatile u32 *)(CODE + 1) = 0;
    *(volatile u8 *)(CODE + 5) = 0xc3;
    run(rewrite, call);
    u32 a = 0, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) :: "memory");
    check("code never gets older", went_back, 0);
    check("nor stays behind", ((u32(*)(void))(u64)CODE)(), last);
}

/* One page of the window is no RAM. */
static void test_nowhere(void)
{
    u64 bad = 0;
    map(FRAMES, 3);
    for (unsigned i = 0; i < CELLS; i++) {
        *cell(FRAMES, i) = i;
    }
    for (unsigned round = 0; round < 40; round++) {
        u64 got = 0, want = 0;
        unsigned out = round % PAGES;
        PTE[out] = NOWHERE | 0x13;
        wr3((u64)pml4);
        for (unsigned i = 0; i < CELLS; i++) {
            want += i / 512 == out ? ~0ull : i;
        }
        u64 at = WINDOW, n = CELLS;
        asm volatile("1: addq (%%rsi), %%rax; addq $8, %%rsi; decl %%ecx; jnz 1b" : "+a"(got), "+S"(at), "+c"(n) :: "memory", "cc");
        bad += got != want;
        PTE[out] = (FRAMES + 4096 * out) | 3;
    }
    check("a page without RAM", bad, 0);
}

__attribute__((used)) int main(void)
{
    setup();
    pdp[1] = (u64)pd2 | 3;
    pd2[0] = (u64)pt | 3;
    pdp[3] = 0xc0000083;
    set_gate(0x40 - 1, (u64)shoot_entry, CS0, 0x8e, 0);
    start_ap();
    test_moved(walk, "# through all pages");
    test_moved(walk_back, "# back");
    test_moved(stay, "# in one place");
    for (unsigned i = 0; i < 4; i++) {
        test_exact(take_away, "a page goes", 2);
        test_exact(take_writes, "a page becomes read-only", 3);
    }
    test_flags();
    test_code();
    test_nowhere();
    finish();
}
