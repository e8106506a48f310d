/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prot.c -- 32-bit guest: exceptions and their error codes, segments, gates, privilege levels.
 *
 * Spec: Intel SDM vol. 3 ch. 3, 5, 6.
 */
#include "tests/guest/prot.h"

static void test_basic(void)
{
    RAISES("xorl %%edx, %%edx; xorl %%ecx, %%ecx; movl $1, %%eax; .globl l_de; l_de: divl %%ecx");
    expect("#DE", 0, 0);
    check("#DE ip", seen.ip, AT(l_de));
    check("#DE RF in the frame", seen.flags & 0x10000, 0x10000);
    RAISES("int3; .globl l_bp; l_bp: nop");
    expect("#BP", 3, 0);
    check("#BP ip", seen.ip, AT(l_bp));
    check("#BP no RF", seen.flags & 0x10000, 0);
    RAISES("movb $0x7f, %%al; addb $1, %%al; into; .globl l_of; l_of: nop");
    expect("#OF", 4, 0);
    check("#OF ip", seen.ip, AT(l_of));
    RAISES("subl $8, %%esp; movl $1, (%%esp); movl $5, 4(%%esp); movl $6, %%eax; bound %%eax, "
           "(%%esp)");
    asm volatile("addl $8, %%esp" ::: "memory");
    expect("#BR", 5, 0);
    RAISES("ud2");
    expect("#UD", 6, 0);
    RAISES(".byte 0xf0, 0x01, 0xc0");
    expect("#UD lock on a register", 6, 0);
    RAISES("movl %%cr0, %%eax; orl $8, %%eax; movl %%eax, %%cr0; fnop");
    expect("#NM", 7, 0);
    asm volatile("clts");
    RAISES("int $0x30; .globl l_int; l_int: nop");
    expect("int n", 0x30, 0);
    check("int n ip", seen.ip, AT(l_int));
    RAISES("int $0x50");
    expect("#GP int beyond the IDT", 13, 0x50 * 8 + 2);
    idt[0x31] = gate(CS0, stubs[0x31], 0x0e, 0);
    RAISES("int $0x31");
    expect("#NP gate not present", 11, 0x31 * 8 + 2);
    idt[0x31] = gate(SEL_RO, stubs[0x31], 0x8e, 0);
    RAISES("int $0x31");
    expect("#GP gate to data", 13, SEL_RO);
    idt[0x31] = gate(0, stubs[0x31], 0x8e, 0);
    RAISES("int $0x31");
    expect("#GP gate to null", 13, 0);
    idt[6] = gate(SEL_RO, stubs[6], 0x8e, 0);
    RAISES("ud2");
    expect("#GP on the way to #UD: EXT", 13, SEL_RO + 1);
    idt[6] = gate(CS0, stubs[6], 0x8e, 0);
    idt[13] = gate(CS0, stubs[13], 0x0e, 0);
    RAISES("int $0x50");
    expect("#DF from #GP and #NP", 8, 0);
    idt[13] = gate(CS0, stubs[13], 0x8e, 0);
    RAISES("movl %%cr0, %%eax; andl $~1, %%eax; orl $0x80000000, %%eax; movl %%eax, %%cr0");
    expect("#GP CR0.PG without PE", 13, 0);
    RAISES("movl $0x80000000, %%eax; movl %%eax, %%cr4");
    expect("#GP CR4 reserved", 13, 0);
}

static void test_segments(void)
{
    u32 v, ok;

    gdt[SEL_NP / 8] = desc(0, 0xfffff, 0x13, 12);
    gdt[SEL_RO / 8] = desc(0, 0xfffff, 0x91, 12);
    gdt[SEL_XO / 8] = desc(0, 0xfffff, 0x99, 12);
    gdt[SEL_SMALL / 8] = desc(0x100000, 0xf, 0x92, 4);
    gdt[SEL_DOWN / 8] = desc(0x100000, 0xf, 0x96, 4);
    gdt[SEL_CONF / 8] = desc(0, 0xfffff, 0x9f, 12);
    gdt[SEL_LDT / 8] = desc((u32)gdt, 0x2f, 0x82, 0);
    gdt[SEL_SYS / 8] = desc(0, 0, 0x80, 0);
    RAISES("movw $0x40, %%ax; movw %%ax, %%fs");
    expect("#NP segment", 11, SEL_NP);
    RAISES("movw $0x40, %%ax; movw %%ax, %%ss");
    expect("#SS stack segment not present", 12, SEL_NP);
    RAISES("movw $0x1000, %%ax; movw %%ax, %%fs");
    expect("#GP beyond the GDT", 13, 0x1000);
    RAISES("movw $0, %%ax; movw %%ax, %%ss");
    expect("#GP null SS", 13, 0);
    RAISES("movw $0x48, %%ax; movw %%ax, %%ss");
    expect("#GP read-only SS", 13, SEL_RO);
    RAISES("movw $0x50, %%ax; movw %%ax, %%fs");
    expect("#GP execute-only FS", 13, SEL_XO);
    RAISES("movw $0x2b, %%ax; movw %%ax, %%fs");
    expect("#GP system segment in FS", 13, TR_MAIN);
    RAISES("movw $0, %%ax; movw %%ax, %%fs; movl %%fs:0, %%eax");
    expect("#GP access by null", 13, 0);
    RAISES("movw $0x48, %%ax; movw %%ax, %%fs; movl %%eax, %%fs:0x200000");
    expect("#GP write to read-only", 13, 0);
    RAISES("movl %%eax, %%cs:0x200000");
    expect("#GP write to code", 13, 0);
    RAISES("movw $0x58, %%ax; movw %%ax, %%fs; movl %%fs:12, %%eax; .globl l_lim; l_lim: movl "
           "%%fs:13, %%eax");
    expect("#GP limit", 13, 0);
    check("limit ip", seen.ip, AT(l_lim));
    check("accessed bit", (gdt[SEL_SMALL / 8] >> 40) & 0xff, 0x93);
    RAISES("movw $0x60, %%ax; movw %%ax, %%fs; movl %%fs:0x10, %%eax; .globl l_down; l_down: movl "
           "%%fs:0xf, %%eax");
    expect("#GP expand-down", 13, 0);
    check("expand-down ip", seen.ip, AT(l_down));
    asm volatile("lar %2, %0; setz %%cl; movzbl %%cl, %%ecx" : "=&r"(v), "=c"(ok) : "r"(SEL_SMALL) : "cc");
    check("lar", ok ? v : ~0u, 0x409300);
    asm volatile("lsl %2, %0; setz %%cl; movzbl %%cl, %%ecx" : "=&r"(v), "=c"(ok) : "r"(CS0) : "cc");
    check("lsl", ok ? v : 0, 0xffffffff);
    asm volatile("lsl %1, %%eax; setz %%cl; movzbl %%cl, %0" : "=c"(ok) : "r"(SEL_SYS) : "cc", "eax");
    check("lsl of a bad type", ok, 0);
    asm volatile("verw %w1; setz %%cl; movzbl %%cl, %0" : "=c"(ok) : "r"(SEL_RO) : "cc");
    check("verw read-only", ok, 0);
    asm volatile("verr %w1; setz %%cl; movzbl %%cl, %0" : "=c"(ok) : "r"(SEL_RO) : "cc");
    check("verr read-only", ok, 1);
    v = 0x11;
    asm volatile("arpl %w2, %w0; setz %%cl; movzbl %%cl, %1" : "+r"(v), "=&c"(ok) : "r"(3) : "cc");
    check("arpl", v << 4 | ok, 0x131);
    asm volatile("lldt %w1; movw $0x14, %%ax; movw %%ax, %%fs; movl $0x5a5a, %%fs:0x200000; movl %%fs:0x200000, %0; movw %w2, %%fs; lldt %w2"
                 : "=&d"(v) : "r"(SEL_LDT), "r"(0) : "eax", "memory");
    check("segment from the LDT", v, 0x5a5a);
    RAISES("movw $0x14, %%ax; movw %%ax, %%fs");
    expect("#GP no LDT", 13, 0x14);
    RAISES("movw $0x28, %%ax; ltr %%ax");
    expect("#GP ltr of a busy TSS", 13, TR_MAIN);
    RAISES("ljmp $0x48, $0");
    expect("#GP jmp to data", 13, SEL_RO);
    RAISES("ljmp $0, $0");
    expect("#GP jmp to null", 13, 0);
    v = 0;
    asm volatile("lcall $8, $1f; .globl l_farret; l_farret: shll $8, %0; jmp 2f; 1: incl %0; movl (%%esp), %%eax; cmpl $l_farret, %%eax; jne 3f;"
                 "cmpl $8, 4(%%esp); jne 3f; incl %0; 3: lret; 2:" : "+d"(v) :: "eax", "memory", "cc");
    check("far call and return", v, 0x200);
    asm volatile("ljmp $0x68, $1f; 1: movl %%cs, %0; ljmp $8, $2f; 2:" : "=r"(v));
    check("conforming code", v, SEL_CONF);
}

/* ---- privilege levels ---- */
volatile u32 gate_args[3], gate_cs, gate_ss;
asm("gate_target: movl 8(%esp), %eax; movl %eax, gate_args; movl 12(%esp), %eax; movl %eax, gate_args + 4;"
    "movl %cs, %eax; movl %eax, gate_cs; movl %ss, %eax; movl %eax, gate_ss; lret $8");
extern char gate_target[];

static void user_cli(void) { asm volatile("cli; int $0x30"); }
static void user_hlt(void) { asm volatile("hlt"); }
static void user_int3(void) { asm volatile("int $0x30"); }
static void user_int_priv(void) { asm volatile("int $0x20"); }
static void user_io(void) { asm volatile("inb $0x80, %%al; int $0x30" ::: "eax"); }
static void user_cr(void) { asm volatile("movl %%cr0, %%eax" ::: "eax"); }
static void user_ds(void) { asm volatile("movw $0x10, %%ax; movw %%ax, %%ds" ::: "eax"); }
static void user_gate(void) { asm volatile("pushl $0x22; pushl $0x11; lcall $0x7b, $0; int $0x30" ::: "eax", "memory"); }
static void user_gate0(void) { asm volatile("lcall $0x73, $0"); }
static void user_iret(void) { asm volatile("pushl $0x10; pushl $0x1000; pushfl; pushl $8; pushl $0; iret"); }
static void user_popf(void) { asm volatile("pushl $0x3202; popfl; int $0x30" ::: "memory"); }

static void test_privilege(void)
{
    gdt[SEL_GATE / 8] = gate(CS0, (u32)gate_target, 0x8c, 2);
    gdt[SEL_GATE3 / 8] = gate(CS0, (u32)gate_target, 0xec, 2);
    run_user(user_int3, 2);
    expect("int from user", 0x30, 0);
    check("user CS in the frame", seen.cs, CS3);
    check("user SS in the frame", seen.ss, DS3);
    run_user(user_int_priv, 2);
    expect("#GP int to a privileged gate", 13, 0x20 * 8 + 2);
    run_user(user_cli, 2);
    expect("#GP cli", 13, 0);
    run_user(user_cli, 0x3002);
    expect("cli with IOPL 3", 0x30, 0);
    run_user(user_hlt, 2);
    expect("#GP hlt", 13, 0);
    run_user(user_io, 2);
    expect("#GP in", 13, 0);
    ((u8 *)&tss_main)[104 + 0x80 / 8] = 0;
    gdt[TR_MAIN / 8] = desc((u32)&tss_main, 104 + 0x80 / 8 + 1, 0x89, 0);
    asm volatile("ltr %w0" :: "r"(TR_MAIN));
    run_user(user_io, 2);
    expect("in by the bit map", 0x30, 0);
    run_user(user_cr, 2);
    expect("#GP mov from CR0", 13, 0);
    run_user(user_ds, 2);
    expect("#GP DPL 0 in DS", 13, DS0);
    run_user(user_gate, 2);
    expect("call gate and back", 0x30, 0);
    check("gate parameters", (u64)gate_args[0] << 32 | gate_args[1], 0x1100000022);
    check("gate CS:SS", gate_cs << 16 | gate_ss, CS0 << 16 | DS0);
    run_user(user_gate0, 2);
    expect("#GP gate DPL", 13, SEL_GATE);
    run_user(user_iret, 2);
    expect("#GP iret inwards", 13, CS0);
    run_user(user_popf, 2);
    check("popf changes neither IF nor IOPL", seen.vector << 16 | (seen.flags & 0x3200), 0x300000);
}

__attribute__((used)) int main(void)
{
    setup();
    test_segments();
    test_basic();
    test_privilege();
    finish();
}
