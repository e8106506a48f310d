/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smp.c -- 64-bit guest on two CPUs: INIT and SIPI, IPIs, LOCK across cache lines and pages,
 * ordering, accessed and dirty bits set by one while the other changes the entry, TLB shootdowns,
 * code that the other rewrites, the memory map changed.
 *
 * Spec: Intel SDM vol. 3 ch. 8 (multiple processors), 4.8, 4.10.4, 8.1.3 (cross-modifying code),
 * ch. 10 (APIC).
 * ROUNDS scales all of it (make GUEST_ROUNDS=...).
 */
#include "tests/guest/mp.h"

static u64 pt[512] __attribute__((aligned(4096))), pd2[512] __attribute__((aligned(4096)));
/* ---- LOCK ---- */
static u8 arena[3 * 4096] __attribute__((aligned(4096)));
static volatile u32 spin;
static volatile u64 guarded, wide[2] __attribute__((aligned(16)));
enum { N_LOCK = 20000 * ROUNDS };
static void add_locked(void)
{
    for (u32 i = 0; i < N_LOCK; i++) {
        asm volatile("lock; incq %0" : "+m"(*(u64 *)(arena + 8)));
        asm volatile("lock; addq %1, %0" : "+m"(*(u64 *)(arena + 128)) : "r"(1ull));
    }
}
static void add_split(void)
{
    for (u32 i = 0; i < N_LOCK / 20; i++) {
        asm volatile("lock; incq %0" : "+m"(*(u64 *)(arena + 61)));     /* across cache lines */
        asm volatile("lock; incq %0" : "+m"(*(u64 *)(arena + 4093)));   /* across pages */
    }
}
static void add_cmpxchg(void)
{
    for (u32 i = 0; i < N_LOCK; i++) {
        u64 lo = wide[0], hi = wide[1];
        u8 ok;
        do {
            asm volatile("lock; cmpxchg16b %1; setz %0" : "=q"(ok), "+m"(wide), "+a"(lo), "+d"(hi) : "b"(lo + 1), "c"(hi - 1) : "cc");
        } while (!ok);
        while (__sync_lock_test_and_set(&spin, 1)) {
            relax();
        }
        guarded = guarded + 1;
        __sync_lock_release(&spin);
    }
}
static void test_lock(void)
{
    both(add_locked, add_locked);
    check("lock inc", *(u64 *)(arena + 8), 2 * N_LOCK);
    check("lock add", *(u64 *)(arena + 128), 2 * N_LOCK);
    both(add_split, add_split);
    check("lock across cache lines", *(u64 *)(arena + 61), 2 * (N_LOCK / 20));
    check("lock across pages", *(u64 *)(arena + 4093), 2 * (N_LOCK / 20));
    both(add_cmpxchg, add_cmpxchg);
    check("cmpxchg16b", wide[0] == 2 * N_LOCK && wide[1] == 0 - 2ull * N_LOCK, 1);
    check("spin lock", guarded, 2 * N_LOCK);
}

/* Store buffering: with a fence, both CPUs cannot miss the other's store. */
static volatile u32 sx, sy, rx, ry, at_a, at_b;
enum { N_FENCE = 5000 * ROUNDS };
static u32 both_missed;
static void meet(volatile u32 *mine, volatile u32 *other)
{
    u32 n = *mine + 1;
    mfence();
    *mine = n;
    while ((int)(*other - n) < 0) {
        relax();
    }
}
static void fence_a(void)
{
    for (u32 i = 1; i <= N_FENCE; i++) {
        meet(&at_a, &at_b);
        sx = i;
        mfence();
        rx = sy;
        meet(&at_a, &at_b);
        both_missed += rx != i && ry != i;
    }
}
static void fence_b(void)
{
    for (u32 i = 1; i <= N_FENCE; i++) {
        meet(&at_b, &at_a);
        sy = i;
        mfence();
        ry = sx;
        meet(&at_b, &at_a);
    }
}

/* ---- page tables ---- */
#define PTE ((volatile u64 *)pt)
static volatile u32 stop_work;
static volatile u64 shoot_seq, shoot_ack;
static u32 lost_dirty, wrong_data;
__attribute__((used)) void shoot(void)
{
    asm volatile("invlpg 0x40000000" ::: "memory");
    apic[APIC_EOI] = 0;
    shoot_ack = shoot_seq;
}
HANDLER(shoot);

/* every store is either before a shootdown or has set D again */
static void touch_page(void)
{
    u64 n = 0;
    while (!stop_work) {
        u64 before = shoot_ack, after, pte;
        *(volatile u64 *)0x40000000 = ++n;
        pte = PTE[0];
        mfence();
        after = shoot_seq;
        if (before == after && !(pte & 0x40)) {
            lost_dirty++;
        }
        if (*(volatile u64 *)0x40000000 != n) {
            wrong_data++;
        }
        asm volatile("invlpg 0x40001000; movb 0x40001000, %%al; movb %%al, 0x40001000" ::: "rax", "memory");
    }
}
enum { N_SHOOT = 60 * ROUNDS, N_COUNT = 20000 * ROUNDS };
static void shoot_pages(void)
{
    for (u32 i = 0; i < N_SHOOT; i++) {
        shoot_seq = shoot_seq + 1;
        mfence();
        asm volatile("lock; andq %1, %0" : "+m"(PTE[0]) : "r"(~0x60ull));
        ipi(0x403f);
        while (shoot_ack != shoot_seq) {
            relax();
        }
    }
    /*
     * a counter in the ignored bits of an entry whose A and D the other CPU's walks set all the
     * time
     */
    u64 n = 0, bad = 0;
    for (u32 i = 0; i < N_COUNT; i++) {
        u64 was = __sync_fetch_and_add(&PTE[1], 1ull << 52);
        bad += (was >> 52 & 0x3ff) != (n & 0x3ff);
        n++;
        if ((n & 0x3ff) == 0) {
            __sync_fetch_and_and(&PTE[1], ~(0x7ffull << 52));
        }
        __sync_fetch_and_and(&PTE[1], ~0x60ull);
    }
    stop_work = 1;
    check("no update of an entry is lost", bad, 0);
    check("address in the entry", PTE[1] & 0xffffffffff000ull, 0x501000);
}

/* ---- code ---- */
static u8 *const code = (u8 *)0x600000;
static volatile u32 code_seq, code_ack, code_bad;
enum { N_CODE = 2000 * ROUNDS };
typedef u32 (*CodeFn)(void);
static void run_code(void)
{
    for (u32 i = 1; i <= N_CODE; i++) {
        while (code_seq < i) {
            relax();
        }
        u32 a = 0;
        asm volatile("cpuid" : "+a"(a) : : "rbx", "rcx", "rdx", "memory");
        code_bad += ((CodeFn)code)() != i;
        mfence();
        code_ack = i;
    }
}
static void write_code(void)
{
    for (u32 i = 1; i <= N_CODE; i++) {
        *(volatile u32 *)(code + 1) = i;
        mfence();
        code_seq = i;
        while (code_ack < i) {
            relax();
        }
    }
}
/* no handshake: never older than before, and the last one in the end */
static void run_code_free(void)
{
    u32 last = 0;
    while (last < 3 * N_CODE) {
        u32 v = ((CodeFn)code)();
        code_bad += v < last || v > 3 * N_CODE;
        last = v;
    }
}
static void write_code_free(void)
{
    for (u32 i = N_CODE; i <= 3 * N_CODE; i++) {
        *(volatile u32 *)(code + 1) = i;
    }
}

/* ---- the map ---- */
static volatile u64 cells[512] __attribute__((aligned(4096)));
static u32 cell_bad;
static void use_memory(void)
{
    u64 n = 0;
    while (!stop_work) {
        n++;
        for (u32 i = 0; i < 512; i += 8) {
            cells[i] = n;
            *(volatile u64 *)(0x700000ull + i * 4096 % 0x100000) = n;
        }
        for (u32 i = 0; i < 512; i += 8) {
            cell_bad += cells[i] != n || *(volatile u64 *)(0x700000ull + i * 4096 % 0x100000) != n;
        }
    }
}
static void outl(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }
enum { N_MAP = 100 * ROUNDS };
static void change_map(void)
{
    for (u32 i = 0; i < N_MAP; i++) {
        outl(0xcf8, 0x80000058);        /* PAM1..: C0000-DFFFF as RAM, then as it was */
        outb(0xcfe, i & 1 ? 0x33 : 0);
            }
    stop_work = 1;
}

__attribute__((used)) int main(void)
{
    setup();
    pdp[1] = (u64)pd2 | 3;
    pd2[0] = (u64)pt | 3;
    pdp[3] = 0xc0000083;
    PTE[0] = 0x500003;
    PTE[1] = 0x501003;
    set_gate(0x40 - 1, (u64)shoot_entry, CS0, 0x8e, 0);
    start_ap();
    test_lock();
    both(fence_b, fence_a);
    check("store buffering", both_missed, 0);
    both(touch_page, shoot_pages);
    check("no dirty bit is lost", lost_dirty, 0);
    check("no store is lost", wrong_data, 0);
    code[0] = 0xb8;                     /* mov $imm, %eax; ret */
    code[5] = 0xc3;
    both(run_code, write_code);
    check("cross-modifying code", code_bad, 0);
    both(run_code_free, write_code_free);
    check("code modified while it runs", code_bad, 0);
    stop_work = 0;
    both(use_memory, change_map);
    check("the map changes", cell_bad, 0);
    finish();
}
