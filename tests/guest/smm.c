/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smm.c -- 64-bit guest with two CPUs: SMIs by the APM port and by IPI, the save area, RSM, SMRAM,
 * what waits meanwhile.
 *
 * Spec: AMD APM vol. 2 ch. 10; Intel SDM vol. 3 ch. 31; 82441FX 3.2.27 (SMRAM).
 */
#include "tests/guest/mp.h"
#include "tests/guest/smm.h"

static u32 restarts;

static void test_entry(void)
{
    u64 cr3, rsp;

    RAISES(".byte 0x0f, 0xaa");
    expect("#UD rsm outside", 6, 0);
    asm volatile("movq %%cr3, %0; movq %%rsp, %1" : "=r"(cr3), "=r"(rsp));
    asm volatile("pushfq; orl $0x40, (%%rsp); popfq; movabsq $0x1122334455667788, %%r8; movq %%r8, %%r15; notq %%r15; movb $0x77, %%al; outb %%al, $0xb2;"
                 ".globl l_smi; l_smi: movq %%r8, got; movq %%r15, got + 8; pushfq; popq got + 16" ::: "rax", "r8", "r15", "memory", "cc");
    extern volatile u64 got[3];
    check("one SMI", mail->count, 1);
    check("CR0 of the handler", mail->cr0 & 0x8000000d, 0);
    check("CR4", mail->cr4, 0);
    check("EFLAGS", mail->flags & ~0x44u, 2);
    check("DR7", mail->dr7, 0x400);
    check("CS", mail->cs, 0x3000);
    check("SMBASE", saved(0xff00, 4), 0x30000);
    check("RIP", saved(0xff78, 8), AT(l_smi));
    check("R8", saved(0xffb8, 8), 0x1122334455667788);
    check("R15", saved(0xff80, 8), ~0x1122334455667788ull);
    check("AL", saved(0xfff8, 1), 0x77);
    check("CR3", saved(0xff50, 8), cr3);
    check("CR0", saved(0xff58, 8) & 0x80000001, 0x80000001);
    check("CR4 saved", saved(0xff48, 8), rd4());
    check("EFER", saved(0xfed0, 8), rdmsr(0xc0000080));
    check("RFLAGS", saved(0xff70, 8) & 0x40, 0x40);
    check("CS and its attributes", saved(0xfe10, 4), 0xa09b0008);
    check("SS limit", saved(0xfe24, 4), 0xffffffff);
    check("GDT", saved(0xfe68, 8), (u64)gdt);
    check("IDT limit", saved(0xfe84, 2), sizeof idt - 1);
    check("TR", saved(0xfe90, 2), TR);
    if (!skips_on_kvm("the restart of an I/O instruction by SMM's handler, and revision 30064, "
                      "which tells of it")) {
        check("revision", saved(0xfefc, 4), 0x30064);
        check("I/O trap", saved(0xfec0, 4), APM << 16 | 0x12);
        check("I/O RIP", saved(0xfea0, 8), AT(l_smi) - 2);
        restarts = 1;
    }
    check("registers come back", got[0] == 0x1122334455667788 && got[1] == ~got[0], 1);
    check("flags come back", got[2] & 0x40, 0x40);
}
volatile u64 got[3];

static void test_changes(void)
{
    u32 n = mail->count, v;

    poke(0xfff0, 0xabcd);               /* RCX */
    asm volatile("movl $1, %%ecx; outb %%al, $0xb2; movl %%ecx, %0" : "=r"(v) :: "rcx", "memory");
    check("RSM loads what the handler left", v, 0xabcd);
    if (restarts) {
        poke(0xfec8, 0xff);             /* restart the OUT */
        outb(APM, 2);
        check("I/O restart", mail->count - n, 3);
    }
    n = mail->count;
    mail->icr = 0x40200;                /* SMI to itself */
    outb(APM, 2);
    check("an SMI in the handler waits for RSM", mail->count - n, 2);
}

/* ---- NMI ---- */
HANDLER(nmi);
__attribute__((used)) void nmi(void) { mail->n_nmi++; }

static void test_nmi(void)
{
    set_gate(2, (u64)nmi_entry, CS0, 0x8e, 0);
    mail->icr = 0x40400;
    outb(APM, 3);
    check("NMI is blocked in SMM", mail->nmis, 0);
    for (u32 i = 0; i < 1000; i++) {
        relax();
    }
    check("and comes after RSM", mail->n_nmi, 1);
}

/* ---- privilege ---- */
asm("user_smi: movl $0x1234, %ebx; outb %al, $0xb2; int $0x30");
extern char user_smi[];
static void test_user(void)
{
    u32 n = mail->count;

    run_user((void (*)(void))user_smi, CS3, 0x3002);
    expect("SMI at privilege 3", 0x30, 0);
    check("privilege comes back", mail->count - n == 1 ? seen.cs << 16 | seen.ss : 0,
          CS3 << 16 | DS3);
    run_user((void (*)(void))user_smi, CS32, 0x3002);
    expect("SMI in compatibility mode", 0x30, 0);
    check("it comes back", seen.cs << 16 | seen.ss, CS32 << 16 | DS3);
}

/* ---- the other CPU ---- */
static volatile u32 awake, halted, spun;
static void halt_once(void)
{
    halted = 1;
    asm volatile("cli; hlt" ::: "memory");
    awake = 1;
}
static void spin(void)
{
    for (spun = 0; !halted; spun++) {
    }
}
static void wait_a_little(void)
{
    for (u32 i = 0; i < 3000; i++) {
        relax();
    }
}
static void smi_to_ap(void)
{
    u32 n = mail->count;
    ipi(0x4200);
    while (mail->count == n) {
        relax();
    }
    wait_a_little();
}
static void wake_it(void)
{
    while (!halted) {
        relax();
    }
    wait_a_little();
    smi_to_ap();
    if (skips_on_kvm("the return to HLT by RSM")) {
        return;
    }
    check("auto-halt flag", saved(0xfec9, 1), 1);
    check("back to the halt after RSM", awake, 0);
    poke(0xfec8, 0);
    smi_to_ap();
    for (u32 i = 0; !awake && i < 20000000; i++) {
        /* it has still to return, and may wait for a host's CPU */
        relax();
    }
    check("or on, if the handler says so", awake, 1);
}
static void disturb(void)
{
    for (u32 i = 0; i < 20; i++) {
        smi_to_ap();
    }
    check("20 SMIs of a running CPU", spun != 0, 1);
    halted = 1;
}

static void test_ap(void)
{
    both(halt_once, wake_it);
    halted = 0;
    both(spin, disturb);
}

__attribute__((used)) int main(void)
{
    setup();
    pdp[3] = 0xc0000083;                /* the APIC */
    apic[APIC_SVR] = 0x1ff;
    smm_setup();
    test_entry();
    test_changes();
    test_nmi();
    test_user();
    start_ap();
    test_ap();
    test_smram(0xff00);
    finish();
}
