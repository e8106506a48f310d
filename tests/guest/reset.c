/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reset.c -- 64-bit guest on two CPUs that resets the machine while both are busy, in turn by a
 * triple fault, port CF9, the keyboard controller and port 92; a byte of CMOS memory counts.
 *
 * Spec: Intel SDM vol. 3 6.15 (#DF); 82371SB 2.5.5 (RC, port 92); 8042 command FE.
 */
#include "tests/guest/mp.h"

enum { N_RESETS = 12 * ROUNDS > 250 ? 250 : 12 * ROUNDS, CMOS_COUNT = 0x5f };
static u8 cmos(void) { outb(0x70, CMOS_COUNT); return inb(0x71); }
static void cmos_set(u8 v) { outb(0x70, CMOS_COUNT); outb(0x71, v); }
static volatile u64 busy_n;
static u8 *const busy_code = (u8 *)0x600000;

/* until the reset: locks, code that changes, devices, sleep */
static void busy(void)
{
    for (u32 i = 0;; i++) {
        asm volatile("lock; incq %0" : "+m"(*(u64 *)0x500ffc));
        *(volatile u32 *)(busy_code + 1) = i;
        busy_n += ((u32 (*)(void))busy_code)();
        asm volatile("invlpg 0x500000; pushfq; popq %%rax" ::: "rax", "memory");
        if (i % 16 == 0) {
            busy_n += apic[APIC_ID] + inb(0x61);
        }
    }
}

static void reset_by(u32 how)
{
    Table none = { 0, 0 };

    switch (how) {
    case 0: asm volatile("lidt %0; int3" :: "m"(none)); break;
    case 1: outb(0xcf9, 2); outb(0xcf9, 6); break;
    case 2: outb(0x64, 0xfe); break;
    case 3: outb(0x92, inb(0x92) & ~1); outb(0x92, inb(0x92) | 1); break;
    }
    for (u32 i = 0; i < 100000000; i++) {
        relax();                        /* still here: it takes a moment */
    }
    check("the reset came", 0, how + 1);
    finish();
}

__attribute__((used)) int main(void)
{
    u8 n = cmos();

    ap_ready = job = job_done = 0;      /* memory outlives a reset */
    setup();
    pdp[3] = 0xc0000083;
    busy_code[0] = 0xb8;
    busy_code[5] = 0xc3;
    start_ap();
    if (n == N_RESETS) {
        check("resets under load", n, N_RESETS);
        finish();
    }
    cmos_set(n + 1);
    work = busy;
    mfence();
    job = 1;
    for (u32 i = 0; i < 200u << n % 5; i++) {
        relax();
    }
    reset_by(n & 3);
    return 0;
}
