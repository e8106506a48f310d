/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smm32.c -- 32-bit guest on a CPU without long mode: its save area, RSM to protected and
 * virtual-8086 mode.
 *
 * Spec: Intel SDM vol. 3 ch. 31, table 31-1.
 */
#include "tests/guest/prot.h"
#include "tests/guest/smm.h"

static void test_entry(void)
{
    u32 v;

    RAISES(".byte 0x0f, 0xaa");
    expect("#UD rsm outside", 6, 0);
    asm volatile("movl $0x11223344, %%ebx; movb $0x77, %%al; outb %%al, $0xb2; .globl l_smi; l_smi: movl %%ebx, %0" : "=d"(v)
                 :: "eax", "ebx", "memory");
    check("one SMI", mail->count, 1);
    check("CR0 of the handler", mail->cr0 & 0x8000000d, 0);
    check("EBX comes back", v, 0x11223344);
    check("revision", saved(0xfefc, 4), 0x30000);
    check("SMBASE", saved(0xfef8, 4), 0x30000);
    check("EIP", saved(0xfff0, 4), AT(l_smi));
    check("EBX", saved(0xffdc, 4), 0x11223344);
    check("CS", saved(0xffac, 4), CS0);
    check("TR", saved(0xffc4, 4), TR_MAIN);
    check("DR7", saved(0xffc8, 4), 0x400);
    poke(0xffd4, 0xabcd);
    asm volatile("movl $1, %%ecx; outb %%al, $0xb2; movl %%ecx, %0" : "=r"(v) :: "ecx", "memory");
    check("RSM loads what the handler left", v, 0xabcd);
}

static void user_smi(void) { asm volatile("outb %al, $0xb2; int $0x30"); }

static void test_modes(void)
{
    static u32 frame[9] = { 0, 0x2000, 0x23002, 0xfff0, 0x3000, 0x1111, 0x2222, 0x3333, 0x4444 };
    u32 n = mail->count;

    run_user(user_smi, 0x3002);
    expect("SMI at privilege 3", 0x30, 0);
    check("privilege comes back", seen.cs << 16 | seen.ss, CS3 << 16 | DS3);
    *(volatile u32 *)0x20000 = 0x30cdb2e6;              /* out 0b2h, al; int 30h */
    asm volatile(SAVE "movl $9, %%ecx; 1: pushl -4(%%eax,%%ecx,4); loop 1b; iret; 9:" : : "a"(frame) : "ecx", "edx", "memory", "cc");
    expect("SMI in virtual-8086 mode", 0x30, 0);
    check("it comes back", seen.cs << 16 | seen.ip, 0x20000004);
    check("VM", seen.flags & 0x20000, 0x20000);
    check("SMIs", mail->count - n, 2);
}

__attribute__((used)) int main(void)
{
    setup();
    ((u8 *)&tss_main)[104 + APM / 8] = 0;
    *(volatile u64 *)&gdt[TR_MAIN / 8] = desc((u32)&tss_main, 104 + APM / 8 + 1, 0x89, 0);
    asm volatile("ltr %w0" :: "r"(TR_MAIN) : "memory");
    smm_setup();
    test_entry();
    test_modes();
    test_smram(0xfef8);
    finish();
}
