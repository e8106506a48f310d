/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mp.h -- the second CPU of the 64-bit guests that have two: its start, what it is to do, IPIs.
 * ROUNDS scales the tests.
 */
#ifndef TESTS_GUEST_MP_H
#define TESTS_GUEST_MP_H
#include "tests/guest/long.h"
#ifndef ROUNDS
#define ROUNDS 1
#endif

u8 ap_stack[8192] __attribute__((aligned(16)));
static volatile u32 *const apic = (u32 *)0xfee00000;
enum { APIC_ID = 0x20 / 4, APIC_EOI = 0xb0 / 4, APIC_SVR = 0xf0 / 4, APIC_ICR = 0x300 / 4,
       APIC_ICR2 = 0x310 / 4 };

/* ---- the second CPU ---- */
asm(".text; .code16; trampoline: cli; xorw %ax, %ax; movw %ax, %ds; lgdtl 0x8000 + tr_gdt - trampoline; movl %cr0, %eax; orl $1, %eax;"
    "movl %eax, %cr0; ljmpl $8, $0x8000 + tr32 - trampoline; .code32; tr32: movw $16, %ax; movw %ax, %ds; movw %ax, %ss;"
    "movl $0x6a0, %eax; movl %eax, %cr4; movl $pml4, %eax; movl %eax, %cr3; movl $0xc0000080, %ecx; rdmsr; orl $0x901, %eax; wrmsr;"
    "movl $0x80010033, %eax; movl %eax, %cr0; lgdt gdt_ptr; ljmp $8, $tr64;"
    ".balign 8; tr_flat: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff; tr_gdt: .word 23; .long 0x8000 + tr_flat - trampoline; tr_end:"
    ".code64; tr64: movw $16, %ax; movw %ax, %ds; movw %ax, %es; movw %ax, %ss; movq $ap_stack + 8192 - 64, %rsp; call ap_main");
extern char trampoline[], tr_end[];

/* job: what the second CPU is to do; n + 1 when it is done */
static volatile u32 ap_id, ap_ready, job, job_done;
static void (*volatile work)(void);
static inline void relax(void) { asm volatile("pause" ::: "memory"); }
static inline void mfence(void) { asm volatile("mfence" ::: "memory"); }

__attribute__((used)) void ap_main(void)
{
    Table t = { sizeof idt - 1, (u64)idt };
    asm volatile("lidt %0" :: "m"(t));
    apic[APIC_SVR] = 0x1ff;
    ap_id = apic[APIC_ID] >> 24;
    mfence();
    ap_ready = 1;
    for (u32 n = 0;;) {
        asm volatile("sti" ::: "memory");
        while (job == n) {
            relax();
        }
        n = job;
        work();
        mfence();
        job_done = n;
    }
}

__attribute__((unused)) static void both(void (*ap)(void), void (*bsp)(void))
{
    work = ap;
    mfence();
    job++;
    bsp();
    while (job_done != job) {
        relax();
    }
}

__attribute__((unused)) static void ipi(u32 icr)
{
    apic[APIC_ICR2] = ap_id << 24;
    apic[APIC_ICR] = icr;
    while (apic[APIC_ICR] & 0x1000) {
        relax();
    }
}

__attribute__((unused)) static void start_ap(void)
{
    for (char *p = trampoline, *q = (char *)0x8000; p < tr_end; p++, q++) {
        *(volatile char *)q = *p;
    }
    apic[APIC_SVR] = 0x1ff;
    apic[APIC_ICR2] = 0;
    apic[APIC_ICR] = 0xc4500;           /* INIT, SIPI, SIPI to all but self */
    for (u32 i = 0; i < 100000; i++) {
        relax();
    }
    apic[APIC_ICR] = 0xc4608;
    for (u32 i = 0; i < 100000 && !ap_ready; i++) {
        relax();
    }
    apic[APIC_ICR] = 0xc4608;
    while (!ap_ready) {
        relax();
    }
    check("INIT and SIPI", ap_ready, 1);
    check("APIC ids differ", ap_id != apic[APIC_ID] >> 24, 1);
}

/* An interrupt handler in C: name_entry is its gate. */
#define HANDLER(name) extern char name##_entry[]; \
    asm(".text; " #name "_entry: pushq %rax; pushq %rcx; pushq %rdx; pushq %rsi; pushq %rdi; pushq %r8; pushq %r9; pushq %r10;" \
        "pushq %r11; pushq %rbx; cld; movq %rsp, %rbx; andq $~15, %rsp; call " #name "; movq %rbx, %rsp; popq %rbx; popq %r11;" \
        "popq %r10; popq %r9; popq %r8; popq %rdi; popq %rsi; popq %rdx; popq %rcx; popq %rax; iretq")
#endif
