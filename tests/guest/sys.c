/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys.c -- 32-bit guest: virtual interrupts (VME, PVI), breakpoints on ports, NMI, 16-bit gates and
 * tasks, LDT corners, SYSENTER, x87 errors by IRQ 13.
 *
 * Spec: Intel SDM vol. 3 ch. 5, 6.7, 7.6, 18.2, 20.3, 20.4; vol. 1 appendix D.
 */
#include "tests/guest/prot.h"

enum { VIF = 0x80000, VIP = 0x100000, SEL_C16 = 0xa0, SEL_TSS16 = 0xa8, SEL_LDT2 = 0xb0,
       SE_CS = 0xc0, BASE = 0x100000 };
static volatile u16 *const vm_stack = (u16 *)0x30000;
static void ivt(u32 n, u32 far) { ((volatile u32 *)0)[n] = far; }

/* ---- VME ---- */
static void test_vme(void)
{
    volatile u8 *redirect = tss_space.map;

    tss_main.map = (104 + 32) << 16;
    *(volatile u64 *)&gdt[TR_MAIN / 8] = desc((u32)&tss_main, 104 + 32 + 16, 0x89, 0);
    asm volatile("ltr %w0" :: "r"(TR_MAIN) : "memory");
    redirect[0x30 / 8] |= 1;
    VM86(VIF, "\xfa\x0f\x0b");
    expect("#GP cli without VME", 13, 0);
    CR4_SET(1);
    VM86(VIF, "\xfa\x0f\x0b");
    expect("cli by VIF", 6, 0);
    check("VIF clear", seen.flags & (VIF | 0x200), 0);
    VM86(0, "\xfb\x0f\x0b");
    expect("sti by VIF", 6, 0);
    check("VIF set", seen.flags & (VIF | 0x200), VIF);
    VM86(VIP, "\xfb\x0f\x0b");
    expect("#GP sti with VIP", 13, 0);
    VM86(VIF, "\x9c\x0f\x0b");
    expect("pushf", 6, 0);
    check("its image: IOPL 3, VIF as IF", vm_stack[0xffee / 2] & 0x3200, 0x3200);
    VM86(0, "\x9c\x0f\x0b");
    check("IF clear", vm_stack[0xffee / 2] & 0x3200, 0x3000);
    VM86(VIF, "\x66\x9c\x0f\x0b");
    expect("#GP pushfd", 13, 0);
    VM86(0, "\x68\x00\x02\x9d\x0f\x0b");
    expect("popf", 6, 0);
    check("IF is VIF, IOPL stays", seen.flags & (VIF | 0x3200), VIF);
    VM86(0, "\x68\x00\x01\x9d\x0f\x0b");
    expect("#GP popf with TF", 13, 0);
    VM86(VIP, "\x68\x00\x02\x9d\x0f\x0b");
    expect("#GP popf of IF with VIP", 13, 0);
    VM86(0, "\x68\x00\x02\x68\x00\x20\x68\x20\x00\xcf\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
            "\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x0f\x0b");
    expect("iret", 6, 0);
    check("to its IP with VIF", seen.ip << 20 | (seen.flags & (VIF | 0x200)), 0x20 << 20 | VIF);
    VM86(VIF, "\xcd\x30");
    expect("#GP int that is not redirected", 13, 0);
    VM86(0x3000, "\xcd\x30");
    expect("the same with IOPL 3", 0x30, 0);
    ivt(0x40, 0x20000040);
    put_code("\x0f\x0b", 3);
    ((volatile u8 *)0x20040)[0] = 0x0f;
    ((volatile u8 *)0x20040)[1] = 0x0b;
    VM86(VIF, "\xcd\x40");
    expect("int by the program's vector", 6, 0);
    check("CS:IP", seen.cs << 16 | seen.ip, 0x20000040);
    check("VIF clear there", seen.flags & VIF, 0);
    check("frame",
          (u64)vm_stack[0xffee / 2] << 32 | (u32)vm_stack[0xffec / 2] << 16 | vm_stack[0xffea / 2],
          0x320220000002ull);
    VM86(0x3200, "\xcd\x40");
    check("with IOPL 3: IF", seen.flags & 0x200, 0);
    check("and in the frame", vm_stack[0xffee / 2] & 0x3200, 0x3200);
    CR4_CLEAR(1);
}

/* ---- PVI ---- */
static void user_cli(void) { asm volatile("cli; int $0x30"); }
static void user_sti(void) { asm volatile("sti; int $0x30"); }
static void test_pvi(void)
{
    CR4_SET(2);
    run_user(user_cli, VIF | 2);
    expect("cli with PVI", 0x30, 0);
    check("VIF clear", seen.flags & VIF, 0);
    run_user(user_sti, 2);
    expect("sti with PVI", 0x30, 0);
    check("VIF set, not IF", seen.flags & (VIF | 0x200), VIF);
    run_user(user_sti, VIP | 2);
    expect("#GP sti with VIP", 13, 0);
    CR4_CLEAR(2);
    run_user(user_cli, VIF | 2);
    expect("#GP cli without PVI", 13, 0);
}

/* ---- breakpoints on ports, TSD, PCE ---- */
static void user_tsc(void) { asm volatile("rdtsc; int $0x30" ::: "eax", "edx"); }
static void user_pmc(void) { asm volatile("xorl %%ecx, %%ecx; rdpmc; int $0x30" ::: "eax", "ecx", "edx"); }
static void test_cr4(void)
{
    u32 v;

    asm volatile("movl %%dr6, %%eax; movl %%dr4, %0" : "=r"(v) :: "eax");
    check("DR4 is DR6", v & 0xffff0ff0, 0xffff0ff0);
    CR4_SET(8);
    RAISES("movl %%dr4, %%eax");
    expect("#UD DR4 with DE", 6, 0);
    if (skips_on_kvm("breakpoints on a port")) {
        return;
    }
    seen.count = 0;
    asm volatile("movl $0x80, %%eax; movl %%eax, %%dr0; movl %0, %%eax; movl %%eax, %%dr7; outb %%al, $0x81; outb %%al, $0x80; .globl l_io; l_io: inb $0x80, %%al;"
                 "movl $0x400, %%eax; movl %%eax, %%dr7" :: "i"(0x400 | 1 | 2 << 16) : "eax", "memory");
    check("breakpoints on a port", seen.count, 2);
    check("DR6", seen.dr6 & 0xe00f, 1);
    seen.count = 0;
    asm volatile("movl %0, %%eax; movl %%eax, %%dr7; outb %%al, $0x80; .globl l_io2; l_io2: nop; movl $0x400, %%eax; movl %%eax, %%dr7"
                 :: "i"(0x400 | 1 | 2 << 16) : "eax", "memory");
    check("after the instruction", seen.ip, AT(l_io2));
    CR4_CLEAR(8);
    run_user(user_tsc, 2);
    expect("rdtsc in user code", 0x30, 0);
    CR4_SET(4);
    run_user(user_tsc, 2);
    expect("#GP with TSD", 13, 0);
    CR4_CLEAR(4);
    run_user(user_pmc, 2);
    expect("#GP rdpmc in user code", 13, 0);
    CR4_SET(0x100);
    run_user(user_pmc, 2);
    expect("rdpmc with PCE", 0x30, 0);
    CR4_CLEAR(0x100);
}

/* ---- NMI: blocked from its delivery to the next IRET ---- */
volatile u32 nmis, nmi_inside;
asm("nmi_handler: pushl %eax; pushl %ecx; incl nmis; cmpl $1, nmis; jne 2f; movl $0x40400, 0xfee00300; movl $5000, %ecx; 1: loop 1b;"
    "movl nmis, %eax; movl %eax, nmi_inside; 2: popl %ecx; popl %eax; iret");
extern char nmi_handler[];
static void test_nmi(void)
{
    idt[2] = gate(CS0, (u32)nmi_handler, 0x8e, 0);
    *(volatile u32 *)0xfee000f0 = 0x1ff;
    *(volatile u32 *)0xfee00300 = 0x40400;
    for (volatile u32 i = 0; i < 20000 && nmis < 2; i++) {
    }
    check("an NMI in the handler waits", nmi_inside, 1);
    check("for IRET", nmis, 2);
}

/* ---- 16-bit gates and tasks: in a segment with base 1 MiB ---- */
struct { u16 link, stack[6], ip, flags, r[8], es, cs, ss, ds, ldt; } tss16;
volatile u32 frame16, task16_runs, task16_flags;
asm("code16: movl %esp, %eax; int $0x32; subl frame16, %eax; movl %eax, frame16; lret; handler16: movl %esp, frame16; .byte 0x66; iret;"
    "task16: incl task16_runs; pushfl; popl task16_flags; iret; jmp task16;"
    "ts_task: popl ts_error; movw $0xa0, tss16 + 36; iret; jmp ts_task");
extern char code16[], handler16[], task16[], ts_task[];
static Tss tss_ts;
static u8 stack_ts[512] __attribute__((aligned(16)));
volatile u32 ts_error;
static void test_16(void)
{
    static struct __attribute__((packed)) { u32 ip; u16 cs; } far;

    gdt[SEL_C16 / 8] = desc(BASE, 0xffff, 0x9b, 4);
    idt[0x32] = gate(SEL_C16, (u32)handler16 - BASE, 0x86, 0);
    far.ip = (u32)code16 - BASE;
    far.cs = SEL_C16;
    asm volatile("lcall *%0" :: "m"(far) : "eax", "memory");
    check("frame of a 16-bit gate", frame16, 6);
    if (skips_on_kvm("16-bit tasks")) {
        return;
    }
    tss16.ip = (u16)((u32)task16 - BASE);
    tss16.flags = 2;
    tss16.r[4] = 0x7000;
    tss16.cs = SEL_C16;
    tss16.es = tss16.ss = tss16.ds = DS0;
    gdt[SEL_TSS16 / 8] = desc((u32)&tss16, sizeof tss16 - 1, 0x81, 0);
    asm volatile("lcall $0xa8, $0; clts" ::: "memory");
    check("16-bit task", task16_runs, 1);
    check("NT in it", task16_flags & 0x4000, 0x4000);
    check("its back link", tss16.link, TR_MAIN);
    gdt[SEL_TSS16 / 8] = desc((u32)&tss16, 42, 0x81, 0);
    RAISES("lcall $0xa8, $0");
    expect("#TS limit", 10, SEL_TSS16);
    gdt[SEL_TSS16 / 8] = desc((u32)&tss16, sizeof tss16 - 1, 0x81, 0);
    tss16.cs = DS0;                     /* the new task faults, and a task mends it */
    tss16.ip = (u16)((u32)task16 - BASE);
    tss_ts.eip = (u32)ts_task;
    tss_ts.eflags = 2;
    tss_ts.r[4] = (u32)stack_ts + sizeof stack_ts;
    tss_ts.seg[1] = CS0;
    tss_ts.seg[0] = tss_ts.seg[2] = tss_ts.seg[3] = DS0;
    gdt[TR_OTHER / 8] = desc((u32)&tss_ts, sizeof tss_ts - 1, 0x89, 0);
    idt[10] = gate(TR_OTHER, 0, 0x85, 0);
    asm volatile("lcall $0xa8, $0; clts" ::: "memory");
    idt[10] = gate(CS0, stubs[10], 0x8e, 0);
    check("#TS belongs to the new task", ts_error << 16 | (u16)tss_ts.link, DS0 << 16 | SEL_TSS16);
    check("which goes on when mended", task16_runs, 2);
}

/* ---- LDT ---- */
static void test_ldt(void)
{
    u32 v = 0;

    gdt[SEL_LDT2 / 8] = desc((u32)gdt, 0x17, 0x82, 0);  /* entries 0 to 2 */
    RAISES("movl $0xb4, %%eax; lldt %%ax");
    expect("#GP lldt of a selector in the LDT", 13, 0xb4);
    RAISES("movl $0x10, %%eax; lldt %%ax");
    expect("#GP lldt of data", 13, DS0);
    gdt[SEL_NP / 8] = desc((u32)gdt, 0x17, 0x02, 0);
    RAISES("movl $0x40, %%eax; lldt %%ax");
    expect("#NP lldt", 11, SEL_NP);
    asm volatile("lldt %w0" :: "r"(SEL_LDT2) : "memory");
    asm volatile("sldt %w0" : "+r"(v));
    check("sldt", v, SEL_LDT2);
    RAISES("movl $0x1c, %%eax; movw %%ax, %%fs");
    expect("#GP beyond the LDT", 13, 0x1c);
    RAISES("movl $4, %%eax; movw %%ax, %%fs; movl %%fs:0, %%eax");
    expect("#GP entry 0 of the LDT is no null selector", 13, 4);
    asm volatile("ljmp $0x0c, $1f; 1: movl %%cs, %0; ljmp $8, $2f; 2:" : "=r"(v));
    check("code in the LDT", v, 0xc);
    asm volatile("lldt %w0" :: "r"(0) : "memory");
    RAISES("movl $0x14, %%eax; movw %%ax, %%fs");
    expect("#GP null LDT", 13, 0x14);
}

/* ---- SYSENTER ---- */
static void wr(u32 msr, u32 v) { asm volatile("wrmsr" :: "c"(msr), "a"(v), "d"(0)); }
volatile u32 enter_cs, enter_ss, enter_esp, enter_fl;
asm("enter: movl %cs, %eax; movl %eax, enter_cs; movl %ss, %eax; movl %eax, enter_ss; movl %esp, enter_esp; pushfl; popl enter_fl; movl $after_enter, %edx; movl %ebp, %ecx; sysexit;"
    "user_enter: movl %esp, %ebp; sysenter; after_enter: cmpl %esp, %ebp; jne 1f; int $0x30; 1: hlt; user_exit: sysexit");
extern char enter[], user_enter[], user_exit[];
static void test_sysenter(void)
{
    gdt[SE_CS / 8] = desc(0, 0xfffff, 0x9b, 12);
    gdt[SE_CS / 8 + 1] = desc(0, 0xfffff, 0x93, 12);
    gdt[SE_CS / 8 + 2] = desc(0, 0xfffff, 0xfb, 12);
    gdt[SE_CS / 8 + 3] = desc(0, 0xfffff, 0xf3, 12);
    wr(0x174, 0);
    run_user((void (*)(void))user_enter, 2);
    expect("#GP sysenter without a CS", 13, 0);
    wr(0x174, SE_CS);
    wr(0x175, (u32)stack0 + 1024);
    wr(0x176, (u32)enter);
    run_user((void (*)(void))user_enter, 0x202);
    expect("sysenter and sysexit", 0x30, 0);
    check("CS and SS inside", enter_cs << 16 | enter_ss, SE_CS << 16 | (SE_CS + 8));
    check("ESP", enter_esp, (u32)stack0 + 1024);
    check("IF", enter_fl & 0x200, 0);
    check("CS and SS outside", seen.cs << 16 | seen.ss, (SE_CS + 19) << 16 | (SE_CS + 27));
    run_user((void (*)(void))user_exit, 2);
    expect("#GP sysexit in user code", 13, 0);
}

/* ---- x87 errors by IRQ 13 ---- */
volatile u32 irqs, irq_sw, irq_ip, irq_ignne;
asm("irq13: pushl %eax; incl irqs; movl 4(%esp), %eax; movl %eax, irq_ip; fnstsw %ax; movw %ax, irq_sw; outb %al, $0xf0; cmpl $0, irq_ignne; jne 1f; fnclex;"
    "1: movb $0x20, %al; outb %al, $0xa0; outb %al, $0x20; popl %eax; iret");
extern char irq13[];
static void pic(void)
{
    static const u8 m[] = { 0x11, 0x20, 4, 1, 0xfb }, s[] = { 0x11, 0x28, 2, 1, 0xdf };
    for (u32 i = 0; i < 5; i++) {
        outb(i ? 0x21 : 0x20, m[i]);
        outb(i ? 0xa1 : 0xa0, s[i]);
    }
}
static void test_ferr(void)
{
    u16 cw = 0x37b, sw;                 /* zero-divide is not masked */

    if (skips_on_kvm("FERR# and IRQ 13")) {
        return;
    }
    idt[0x2d] = gate(CS0, (u32)irq13, 0x8e, 0);
    pic();
    CR0_CLEAR(0x2c);                    /* NE, TS, EM */
    asm volatile("fninit; fldcw %1; cli; fld1; fldz; fdivrp; fnstsw %0; .globl l_err; sti; l_err: fwait; cli" : "=m"(sw) : "m"(cw) : "memory");
    check("the error is pending", sw & 0x84, 0x84);
    check("IRQ 13", irqs, 1);
    check("its status word", irq_sw & 0x84, 0x84);
    check("at or before the waiting instruction", irq_ip == AT(l_err), 1);
    asm volatile("fnstsw %0" : "=m"(sw));
    check("cleared", sw & 0x80, 0);
    irq_ignne = 1;
    asm volatile("fninit; fldcw %1; fld1; fldz; fdivrp; sti; fwait; fld1; fld1; cli; fnstsw %0" : "=m"(sw) : "m"(cw) : "memory");
    check("IGNNE#: one interrupt, then it goes on", irqs, 2);
    check("with the error still there", sw & 0x80, 0x80);
    asm volatile("fnclex; sti; fninit; fldcw %0; fld1; fldz; fdivrp; fwait; nop; cli; fnclex; fninit" :: "m"(cw) : "memory");
    check("and the next error interrupts again", irqs, 3);
    CR0_SET(0x20);
    RAISES("subl $4, %%esp; movl $0x37b, (%%esp); fldcw (%%esp); addl $4, %%esp; fld1; fldz; "
           "fdivrp; .globl l_mf; l_mf: fwait");
    expect("#MF with CR0.NE", 16, 0);
    check("its ip", seen.ip, AT(l_mf));
    asm volatile("fninit");
    check("no IRQ", irqs, 3);
}

__attribute__((used)) int main(void)
{
    setup();
    test_vme();
    test_pvi();
    test_cr4();
    test_nmi();
    test_16();
    test_ldt();
    test_sysenter();
    test_ferr();
    finish();
}
