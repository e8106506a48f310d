/* SPDX-License-Identifier: GPL-2.0-or-later */
/* prot.h -- tables, exceptions and privilege changes of the 32-bit guests. */
#ifndef TESTS_GUEST_PROT_H
#define TESTS_GUEST_PROT_H
#include "tests/guest/lib.h"

asm(".section .text.start,\"ax\"; .globl start; start: movl $0x90000, %esp; call main; .text");

typedef struct __attribute__((packed)) { u16 limit; u32 base; } Table;
typedef struct {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, r[8], seg[6], ldt, map;
} Tss;
static u64 gdt[48] __attribute__((aligned(16)));
static u64 idt[64] __attribute__((aligned(16)));
struct { Tss t; u8 map[32]; } tss_space;             /* with room for a piece of I/O bit map */
#define tss_main tss_space.t
static u8 stack0[4096] __attribute__((aligned(16))), stack3[4096] __attribute__((aligned(16)));
enum { CS0 = 8, DS0 = 16, CS3 = 0x1b, DS3 = 0x23, TR_MAIN = 0x28, TR_OTHER = 0x30, TR_GATE = 0x38,
       SEL_NP = 0x40, SEL_RO = 0x48, SEL_XO = 0x50, SEL_SMALL = 0x58, SEL_DOWN = 0x60,
       SEL_CONF = 0x68, SEL_GATE = 0x70,
       SEL_GATE3 = 0x78, SEL_TASKGATE = 0x80, SEL_LDT = 0x88, SEL_NPGATE = 0x90, SEL_SYS = 0x98 };

static u64 desc(u32 base, u32 limit, u32 access, u32 flags)   /* access: byte 5; flags: G D L AVL */
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 |
           (u64)((limit >> 16) & 15) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;
}
static u64 gate(u32 sel, u32 offset, u32 access, u32 params)
{
    return (offset & 0xffff) | (u64)sel << 16 | (u64)params << 32 | (u64)access << 40 |
           (u64)(offset >> 16) << 48;
}

volatile word resume;                   /* where an expected exception goes on */
word kernel_sp;                         /* of run_user(), when an exception ends it */
typedef struct {
    u32 gs, fs, es, ds, edi, esi, ebp, esp_, ebx, edx, ecx, eax, vector, error, eip, cs, eflags,
        esp, ss;
} Frame;

__attribute__((used)) void exception(Frame *f)
{
    seen.vector = f->vector;
    seen.error = f->error;
    seen.ip = f->eip;
    seen.cs = f->cs;
    seen.flags = f->eflags;
    seen.count++;
    asm volatile("movl %%cr2, %0" : "=r"(seen.cr2));
    if (f->cs & 3 || f->eflags & 0x20000) {
        seen.sp = f->esp;
        seen.ss = f->ss;
        seen.frame_end = (word)(&f->ss + 1);
        asm volatile("movl %0, %%esp; movw $16, %%ax; movw %%ax, %%ds; movw %%ax, %%es; popl %%ebp; popl %%edi; popl %%esi;"
                     "popl %%ebx; ret" :: "r"(kernel_sp));
    }
    seen.sp = (u32)&f->esp;
    if (f->vector == 1) {               /* debug exceptions go on */
        asm volatile("movl %%dr6, %0; movl %1, %%dr6" : "=&r"(seen.dr6) : "r"(0));
        f->eflags |= 0x10000;
        return;
    }
    if (!resume) {
        unexpected();
    }
    f->eip = resume;
    f->eflags &= ~0x100u;
}
asm("common: pusha; pushl %ds; pushl %es; pushl %fs; pushl %gs; movw $16, %ax; movw %ax, %ds; movw %ax, %es; cld; pushl %esp;"
    "call exception; popl %eax; popl %gs; popl %fs; popl %es; popl %ds; popa; addl $8, %esp; iret;"
    STUBS("pushl", ".long"));
extern u32 stubs[64];

/* Run code that must raise: afterwards `seen` tells what came. */
#define RAISES(...) do { seen.vector = 0xff; seen.error = 0; \
        asm volatile("movl $1f, resume\n" __VA_ARGS__ "\n1: movl $0, resume" ::: "eax", "ecx", "edx", "memory", "cc"); } while (0)

#define SAVE "pushl %%ebx; pushl %%esi; pushl %%edi; pushl %%ebp; call 8f; jmp 9f; 8: popl %%ecx; popl %%ebp; popl %%edi; popl %%esi;" \
             "popl %%ebx; pushl %%ecx; pushl %%ebx; pushl %%esi; pushl %%edi; pushl %%ebp; movl %%esp, kernel_sp;"

/* Call fn at privilege 3; returns when something raises there. */
__attribute__((noinline)) static void run_user(void (*fn)(void), u32 flags)
{
    u32 frame[5] = { (u32)fn, CS3, flags, (u32)stack3 + sizeof stack3 - 64, DS3 };
    seen.vector = 0xff;
    asm volatile(SAVE "movw $0x23, %%cx; movw %%cx, %%ds; movw %%cx, %%es; pushl %%ss:16(%%eax); pushl %%ss:12(%%eax); pushl %%ss:8(%%eax);"
                 "pushl %%ss:4(%%eax); pushl %%ss:(%%eax); iret; 9:" : : "a"(frame) : "ecx", "edx", "memory", "cc");
}

/* Code at 2000:0 in virtual-8086 mode, its stack at 3000:FFF0; until something raises. */
__attribute__((unused)) static void put_code(const char *code, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        ((volatile u8 *)0x20000)[i] = (u8)code[i];
    }
}

__attribute__((noinline, unused)) static void run_vm86(u32 flags)
{
    static u32 frame[9];
    u32 f[9] = { 0, 0x2000, flags | 0x20002, 0xfff0, 0x3000, 0x1111, 0x2222, 0x3333, 0x4444 };
    for (u32 i = 0; i < 9; i++) {
        frame[i] = f[i];
    }
    seen.vector = 0xff;
    asm volatile(SAVE "movl $9, %%ecx; 1: pushl -4(%%eax,%%ecx,4); loop 1b; iret; 9:" : : "a"(frame) : "ecx", "edx", "memory", "cc");
}
#define VM86(flags, code) do { put_code(code, sizeof code); run_vm86(flags); } while (0)

static void setup(void)
{
    Table t;

    gdt[1] = desc(0, 0xfffff, 0x9b, 12);
    gdt[2] = desc(0, 0xfffff, 0x93, 12);
    gdt[3] = desc(0, 0xfffff, 0xfb, 12);
    gdt[4] = desc(0, 0xfffff, 0xf3, 12);
    gdt[TR_MAIN / 8] = desc((u32)&tss_main, sizeof tss_main - 1, 0x89, 0);
    t = (Table){ sizeof gdt - 1, (u32)gdt };
    asm volatile("lgdt %0; ljmp $8, $1f; 1: movw %w1, %%ds; movw %w1, %%es; movw %w1, %%ss; movw %w2, %%fs; movw %w2, %%gs"
                 :: "m"(t), "r"(16), "r"(0) : "memory");
    for (unsigned i = 0; i < 64; i++) {
        idt[i] = gate(CS0, stubs[i], i == 3 || i == 4 || i == 5 || i == 0x30 ? 0xee : 0x8e, 0);
    }
    t = (Table){ sizeof idt - 1, (u32)idt };
    asm volatile("lidt %0" :: "m"(t) : "memory");
    tss_main.esp0 = (u32)stack0 + sizeof stack0;
    tss_main.ss0 = DS0;
    tss_main.map = 104 << 16;
    asm volatile("ltr %w0" :: "r"(TR_MAIN) : "memory");
}

#define CR0_SET(bits) asm volatile("movl %%cr0, %%eax; orl %0, %%eax; movl %%eax, %%cr0" :: "i"(bits) : "eax", "memory")
#define CR0_CLEAR(bits) asm volatile("movl %%cr0, %%eax; andl %0, %%eax; movl %%eax, %%cr0" :: "i"(~(bits)) : "eax", "memory")
#define CR4_SET(bits) asm volatile("movl %%cr4, %%eax; orl %0, %%eax; movl %%eax, %%cr4" :: "i"(bits) : "eax", "memory")
#define CR4_CLEAR(bits) asm volatile("movl %%cr4, %%eax; andl %0, %%eax; movl %%eax, %%cr4" :: "i"(~(bits)) : "eax", "memory")
static inline void load_cr3(const void *p) { asm volatile("movl %0, %%cr3" :: "r"(p) : "memory"); }
#endif
