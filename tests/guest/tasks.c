/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tasks.c -- 32-bit guest: hardware task switches, virtual-8086 mode, single-stepping, breakpoints.
 *
 * Spec: Intel SDM vol. 3 ch. 7, 18, 20.
 */
#include "tests/guest/prot.h"

static Tss tss_other, tss_gate;
static u8 stack_task[4096] __attribute__((aligned(16))),
    stack_gate[4096] __attribute__((aligned(16)));

/* ---- tasks ---- */
volatile u32 task_runs, task_nt, task_error, gate_runs;
asm("task_code: pushfl; popl %eax; andl $0x4000, %eax; movl %eax, task_nt; incl task_runs; iret; jmp task_code");
asm("gate_task: popl task_error; incl gate_runs; movl resume, %eax; movl %eax, tss_space + 32; iret; jmp gate_task");
extern char gate_task[], task_code[];

static void init_task(Tss *t, const void *code, u8 *stack)
{
    t->eip = (u32)code;
    t->eflags = 2;
    t->r[4] = (u32)stack + 4096 - 64;
    t->seg[1] = CS0;
    t->seg[0] = t->seg[2] = t->seg[3] = DS0;
    t->seg[4] = t->seg[5] = 0;
    t->map = 104 << 16;
}

static u32 busy(u32 sel) { return (*(volatile u64 *)&gdt[sel / 8] >> 40) & 0xff; }

static void test_tasks(void)
{
    u32 cr0;

    gdt[TR_OTHER / 8] = desc((u32)&tss_other, sizeof tss_other - 1, 0x89, 0);
    gdt[TR_GATE / 8] = desc((u32)&tss_gate, sizeof tss_gate - 1, 0x89, 0);
    init_task(&tss_other, task_code, stack_task);
    asm volatile("lcall $0x30, $0" ::: "memory");
    check("call to a TSS and iret", task_runs, 1);
    check("NT in the called task", task_nt, 0x4000);
    check("back link", (u16)tss_other.link, TR_MAIN);
    asm volatile("movl %%cr0, %0" : "=r"(cr0));
    check("CR0.TS", cr0 & 8, 8);
    asm volatile("clts");
    check("busy bits", busy(TR_MAIN) << 8 | busy(TR_OTHER), 0x8b89);
    asm volatile("lcall $0x30, $0" ::: "memory");
    check("the task goes on where it was", task_runs, 2);
    RAISES("lcall $0x28, $0");
    expect("#GP call to the busy TSS", 13, TR_MAIN);
    gdt[SEL_TASKGATE / 8] = gate(TR_OTHER, 0, 0x85, 0);
    asm volatile("lcall $0x80, $0" ::: "memory");
    check("call through a task gate", task_runs, 3);
    init_task(&tss_gate, gate_task, stack_gate);
    idt[13] = gate(TR_GATE, 0, 0x85, 0);
    task_error = 0xffff;
    RAISES("movl $0x1008, %%eax; movw %%ax, %%fs");
    idt[13] = gate(CS0, stubs[13], 0x8e, 0);
    check("exception through a task gate", gate_runs, 1);
    check("its error code", task_error, 0x1008);
    gdt[TR_OTHER / 8] = desc((u32)&tss_other, 102, 0x89, 0);
    RAISES("lcall $0x30, $0");
    expect("#TS limit", 10, TR_OTHER);
    gdt[TR_OTHER / 8] = desc((u32)&tss_other, 103, 0x09, 0);
    RAISES("lcall $0x30, $0");
    expect("#NP TSS", 11, TR_OTHER);
    gdt[TR_OTHER / 8] = desc((u32)&tss_other, 103, 0x89, 0);
    asm volatile("clts");
}

/* ---- virtual-8086 mode ---- */
static void test_vm86(void)
{
    VM86(0, "\xcd\x30");
    expect("#GP int in VM86 with IOPL 0", 13, 0);
    check("ip", seen.ip, 0);
    check("VM in the frame", seen.flags & 0x20000, 0x20000);
    check("stack in the frame", seen.ss << 16 | seen.sp, 0x3000fff0);
    check("frame ends where the TSS says", seen.frame_end + 16, tss_main.esp0);
    VM86(0x3000, "\xcd\x30");
    expect("int in VM86 with IOPL 3", 0x30, 0);
    check("cs:ip", seen.cs << 16 | seen.ip, 0x20000002);
    VM86(0, "\xcc");
    expect("int3 in VM86", 3, 0);
    VM86(0, "\xfa");
    expect("#GP cli in VM86", 13, 0);
    VM86(0, "\x9c");
    expect("#GP pushf in VM86", 13, 0);
    VM86(0x3000, "\x9c\xfa\x9d\xcd\x30");
    expect("pushf, cli, popf with IOPL 3", 0x30, 0);
    VM86(0x3000, "\xb8\x34\x12\x8e\xd8\xc6\x06\x00\x00\x5a\xcd\x30");    /* ds = 1234h; [0] = 5ah */
    expect("load of DS", 0x30, 0);
    check("address is segment * 16", *(volatile u8 *)0x12340, 0x5a);
    /* mov al, [ebx] beyond 64 KiB */
    VM86(0x3000, "\x66\xbb\x00\x00\x01\x00\x67\x8a\x03");
    expect("#GP limit in VM86", 13, 0);
    VM86(0x3000, "\xf4");
    expect("#GP hlt in VM86", 13, 0);
    VM86(0x3000, "\x0f\x00\xc0");
    expect("#UD sldt in VM86", 6, 0);
    VM86(0x3000, "\x9a\x10\x00\x00\x20\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\xcd\x30");
    check("far call in VM86", seen.cs << 16 | seen.ip, 0x20000012);
}

/* ---- debug ---- */
volatile u32 watched;
static void set_dr7(u32 v) { asm volatile("movl %0, %%dr7" :: "r"(v)); }
static void test_debug(void)
{
    seen.count = 0;
    asm volatile("pushfl; orl $0x100, (%%esp); popfl; nop; .globl l_tf; l_tf: nop; pushfl; andl $~0x100, (%%esp); popfl" ::: "memory", "cc");
    check("single steps", seen.count, 5);
    check("DR6.BS", seen.dr6 & 0xe00f, 0x4000);
    seen.count = 0;
    asm volatile("pushfl; orl $0x100, (%%esp); popfl; movl %%ss, %%eax; movl %%eax, %%ss; nop; pushfl; andl $~0x100, (%%esp); popfl"
                 ::: "eax", "memory", "cc");
    check("mov ss holds a trap", seen.count, 5);
    seen.count = 0;
    asm volatile("movl %0, %%dr0; movl %1, %%dr7; .globl l_bpi; nop; l_bpi: nop; nop" :: "r"(AT(l_bpi)), "r"(0x401));
    set_dr7(0x400);
    check("instruction breakpoint", seen.count, 1);
    check("its ip", seen.ip, AT(l_bpi));
    check("its DR6", seen.dr6 & 0xe00f, 1);
    seen.count = 0;
    asm volatile("movl %0, %%dr1; movl %1, %%dr7" :: "r"(&watched), "r"(0x400 | 1 << 2 | 1 << 20 | 3 << 22));
    asm volatile("movl watched, %%eax; movb $1, watched + 3; .globl l_bpd; l_bpd: nop" ::: "eax", "memory");
    set_dr7(0x400);
    check("write breakpoint", seen.count, 1);
    check("after the instruction", seen.ip, AT(l_bpd));
    check("DR6 of the write", seen.dr6 & 0xe00f, 2);
    seen.count = 0;
    set_dr7(0x400 | 1 << 2 | 3 << 20 | 3 << 22);
    asm volatile("movl watched, %%eax" ::: "eax", "memory");
    set_dr7(0x400);
    check("access breakpoint", seen.count, 1);
    seen.count = 0;
    asm volatile("movl %0, %%dr0; movl %1, %%dr7; cld; movl $watched, %%esi; movl $watched + 8, %%edi; movl $3, %%ecx; .globl l_rep; l_rep: rep; movsb"
                 :: "r"(&watched), "r"(0x400 | 1 | 3 << 16) : "esi", "edi", "ecx", "memory");
    set_dr7(0x400);
    check("rep stops after the element", seen.count, 1);
    check("and goes on", seen.ip, AT(l_rep));
    seen.count = 0;
    set_dr7(0x2400);
    asm volatile(".globl l_gd; l_gd: movl %%dr0, %%eax" ::: "eax");
    check("general detect", seen.count, 1);
    check("DR6.BD", seen.dr6 & 0xe00f, 0x2000);
    seen.count = 0;
    asm volatile(".byte 0xf1; .globl l_int1; l_int1: nop");
    check("int1", (u64)seen.count << 32 | seen.ip, 1ull << 32 | AT(l_int1));
}

/* ---- alignment ---- */
static void user_align(void) { asm volatile("pushfl; orl $0x40000, (%%esp); popfl; movl watched + 1, %%eax; int $0x30" ::: "eax"); }
static void test_align(void)
{
    CR0_SET(0x40000);
    run_user(user_align, 2);
    expect("#AC", 17, 0);
    CR0_CLEAR(0x40000);
    run_user(user_align, 2);
    expect("no #AC without CR0.AM", 0x30, 0);
}

__attribute__((used)) int main(void)
{
    setup();
    test_tasks();
    test_vm86();
    test_debug();
    test_align();
    finish();
}
