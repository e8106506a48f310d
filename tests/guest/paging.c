/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paging.c -- 32-bit guest: paging with and without PAE, its faults and error codes, accessed and
 * dirty bits, large pages.
 *
 * Spec: Intel SDM vol. 3 ch. 4.
 */
#include "tests/guest/prot.h"

static u32 pd[1024] __attribute__((aligned(4096))), pt[1024] __attribute__((aligned(4096)));
static u64 pdpt[4] __attribute__((aligned(4096))), pd64[4][512] __attribute__((aligned(4096))),
    pt64[512] __attribute__((aligned(4096)));
static volatile u32 *const probe = (u32 *)0x40000000;   /* first page of a table of its own */
static void user_read(void) { asm volatile("movl 0x40000000, %%eax; int $0x30" ::: "eax"); }
static void user_write(void) { asm volatile("movl %%eax, 0x40000000; int $0x30" ::: "memory"); }
static void user_exec(void) { asm volatile("movl $0x40000000, %%eax; jmp *%%eax" ::: "eax"); }
static void invlpg(void) { asm volatile("invlpg 0x40000000" ::: "memory"); }
static void set_pte(u32 v) { *(volatile u32 *)pt = v; invlpg(); }
#define PTE (*(volatile u32 *)pt)
#define READ_PROBE "movl 0x40000000, %%eax"
#define WRITE_PROBE "movl %%eax, 0x40000000"

static void test_paging(void)
{
    CR4_SET(0x10);
    for (u32 i = 0; i < 16; i++) {
        pd[i] = i << 22 | 0x87;
    }
    pd[0x100] = (u32)pt | 7;
    load_cr3(pd);
    CR0_SET(0x80010000);
    RAISES(READ_PROBE);
    expect("#PF read not present", 14, 0);
    check("CR2", seen.cr2, 0x40000000);
    RAISES(WRITE_PROBE);
    expect("#PF write not present", 14, 2);
    run_user(user_read, 2);
    expect("#PF user read not present", 14, 4);
    set_pte(0x200001);
    run_user(user_read, 2);
    expect("#PF user read of supervisor page", 14, 5);
    run_user(user_write, 2);
    expect("#PF user write of supervisor page", 14, 7);
    run_user(user_exec, 2);
    expect("#PF user fetch of supervisor page", 14, 5);
    RAISES(WRITE_PROBE);
    expect("#PF write with WP", 14, 3);
    check("not dirty", PTE & 0x40, 0);
    (void)*probe;
    check("accessed", PTE & 0x60, 0x20);
    CR0_CLEAR(0x10000);
    *probe = 1;
    check("dirty, without WP", PTE & 0x60, 0x60);
    CR0_SET(0x10000);
    RAISES(WRITE_PROBE);
    expect("#PF write with WP again", 14, 3);
    set_pte(0x200007);
    (void)*probe;
    check("clean after a read", PTE & 0x60, 0x20);
    *probe = 0x1234;
    check("dirty after a write", PTE & 0x60, 0x60);
    check("the page", *(volatile u32 *)0x200000, 0x1234);
    PTE = 0x200027;
    invlpg();
    RAISES("lock; incl 0x40000000");
    check("read-modify-write: dirty", PTE & 0x60, 0x60);
    set_pte(0x200005);
    run_user(user_write, 2);
    expect("#PF user write read-only", 14, 7);
    RAISES("lock; cmpxchgl %%ecx, 0x40000000");
    expect("#PF cmpxchg read-only: a write", 14, 3);
    run_user(user_read, 2);
    expect("user read", 0x30, 0);
    /* without invlpg the old translation may live on; after CR3 it may not */
    PTE = 0;
    load_cr3(pd);
    RAISES(READ_PROBE);
    expect("#PF after CR3", 14, 0);
    set_pte(0x200007);
    RAISES("movl $0x40000ffe, %%ecx; movl (%%ecx), %%eax");
    expect("#PF across pages", 14, 0);
    check("CR2 is in the second page", seen.cr2, 0x40001000);
    *(volatile u32 *)0x200ffc = 0xaaaaaaaa;
    RAISES("movl $0x40000ffe, %%ecx; movl %%eax, (%%ecx)");
    expect("#PF write across pages", 14, 2);
    check("nothing was written", *(volatile u32 *)0x200ffc, 0xaaaaaaaa);
    pd[0x101] = 0x800087 | 1 << 21;
    RAISES("movl 0x40400000, %%eax");
    expect("#PF reserved bit of a 4 MiB page", 14, 9);
    pd[0x101] = 0x800087;
    asm volatile("invlpg 0x40400000" ::: "memory");
    *(volatile u32 *)0x40400010 = 77;
    check("4 MiB page", *(volatile u32 *)0x800010, 77);
    check("4 MiB page A and D", ((volatile u32 *)pd)[0x101] & 0x60, 0x60);
    CR0_CLEAR(0x80000000);
    check("paging off again", *(volatile u32 *)0x800010, 77);
}

/* Global pages survive CR3 and go with INVLPG or CR4.PGE. */
static void test_global(void)
{
    CR4_SET(0x80);
    CR0_SET(0x80000000);
    set_pte(0x200107);
    *(volatile u32 *)0x200000 = 1;
    *(volatile u32 *)0x300000 = 2;
    check("global page", *probe, 1);
    PTE = 0x300107;
    CR4_CLEAR(0x80);
    check("CR4.PGE flushes", *probe, 2);
    PTE = 0x200107;
    invlpg();
    check("invlpg flushes", *probe, 1);
    CR0_CLEAR(0x80000000);
}

static void test_pae(void)
{
    CR4_SET(0x20);
    for (u32 i = 0; i < 4; i++) {
        pdpt[i] = (u32)pd64[i] | 1;
    }
    for (u32 i = 0; i < 16; i++) {
        pd64[0][i] = i << 21 | 0x87;
    }
    pd64[1][0] = (u32)pt64 | 7;
    pdpt[2] |= 0x20;
    load_cr3(pdpt);
    RAISES("movl %%cr0, %%eax; orl $0x80000000, %%eax; movl %%eax, %%cr0");
    expect("#GP reserved bit of a PDPTE", 13, 0);
    pdpt[2] &= ~0x20ull;
    asm volatile("movl $0xc0000080, %%ecx; rdmsr; orl $0x800, %%eax; wrmsr" ::: "eax", "ecx", "edx");
    CR0_SET(0x80000000);
    RAISES(READ_PROBE);
    expect("PAE #PF not present", 14, 0);
    pt64[0] = 0x200007ull | 1ull << 63;
    *(volatile u32 *)0x200000 = 0x300b0f90;     /* nop; ud2 */
    run_user(user_exec, 2);
    expect("PAE #PF no-execute", 14, 0x15);
    pt64[0] = 0x200007;
    invlpg();
    run_user(user_exec, 2);
    expect("PAE executes", 6, 0);
    check("PAE fetch ip", seen.ip, 0x40000001);
    pt64[0] = 0x200007ull | 1ull << 52;
    invlpg();
    RAISES(READ_PROBE);
    expect("PAE #PF reserved bit", 14, 9);
    pd64[1][1] = 0x602087;
    RAISES("movl 0x40200000, %%eax");
    expect("PAE #PF reserved bit of a 2 MiB page", 14, 9);
    pd64[1][1] = 0x600087;
    asm volatile("invlpg 0x40200000" ::: "memory");
    *(volatile u32 *)0x40200008 = 99;
    check("2 MiB page", *(volatile u32 *)0x600008, 99);
    pdpt[1] = 0;                        /* the registers keep it */
    check("PDPTE registers", *(volatile u32 *)0x40200008, 99);
    load_cr3(pdpt);
    RAISES("movl 0x40200000, %%eax");
    expect("PAE #PF without a PDPTE", 14, 0);
    CR0_CLEAR(0x80000000);
    CR4_CLEAR(0x20);
}

__attribute__((used)) int main(void)
{
    setup();
    test_paging();
    test_global();
    test_pae();
    finish();
}
