/* SPDX-License-Identifier: GPL-2.0-or-later */
/* long.h -- the way to long mode, tables, exceptions and privilege changes of the 64-bit guests. */
#ifndef TESTS_GUEST_LONG_H
#define TESTS_GUEST_LONG_H
#include "tests/guest/lib.h"

/* From 32-bit protected mode: identity map of 1 GiB by 2 MiB pages, then long mode. */
asm(".section .text.start,\"ax\"; .code32; .globl start; start: movl $0x90000, %esp;"
    "movl $pml4, %edi; movl $pdp, %eax; orl $7, %eax; movl %eax, (%edi);"
    "movl $pdp, %edi; movl $pdir, %eax; orl $7, %eax; movl %eax, (%edi);"
    "movl $pdir, %edi; movl $0x83, %eax; movl $32, %ecx; 1: movl %eax, (%edi); addl $8, %edi; addl $0x200000, %eax; loop 1b;"
    "movl %cr4, %eax; orl $0x6a0, %eax; movl %eax, %cr4; movl $pml4, %eax; movl %eax, %cr3;"
    "movl $0xc0000080, %ecx; rdmsr; orl $0x901, %eax; wrmsr;"
    "movl %cr0, %eax; orl $0x80010022, %eax; andl $~4, %eax; movl %eax, %cr0; lgdt gdt_ptr; ljmp $8, $1f; .code64; 1:"
    "movw $16, %ax; movw %ax, %ds; movw %ax, %es; movw %ax, %ss; call main; .text");

typedef struct __attribute__((packed)) { u16 limit; u64 base; } Table;
typedef struct __attribute__((packed)) { u32 r0; u64 rsp[3]; u64 r1, ist[7], r2; u16 r3, map; } Tss;
u64 pml4[512] __attribute__((aligned(4096))), pdp[512] __attribute__((aligned(4096))),
    pdir[512] __attribute__((aligned(4096)));
enum { CS0 = 8, DS0 = 16, CS32 = 0x1b, DS3 = 0x23, CS3 = 0x2b, TR = 0x30, SEL_LD = 0x40,
       SEL_GATE = 0x50 };
u64 gdt[16] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff,
                0x00affb000000ffff, 0, 0,
                0x00ef9b000000ffff };
Table gdt_ptr = { sizeof gdt - 1, (u64)gdt };
static u64 idt[64][2];
static Tss tss;
static u8 stack0[4096] __attribute__((aligned(16))), stack3[4096] __attribute__((aligned(16))),
    ist_stack[4096] __attribute__((aligned(16)));

volatile word resume;
word kernel_sp;
typedef struct { u64 r[15], vector, error, rip, cs, rflags, rsp, ss; } Frame;

__attribute__((used)) void exception(Frame *f)
{
    seen.vector = f->vector;
    seen.error = f->error;
    seen.ip = f->rip;
    seen.cs = f->cs;
    seen.flags = f->rflags;
    seen.sp = f->rsp;
    seen.ss = f->ss;
    seen.count++;
    asm volatile("movq %%cr2, %0" : "=r"(seen.cr2));
    if (f->vector == 0x21) {            /* an address of the frame, for tests of the stack */
        seen.cr2 = (u64)&f->rip;
    }
    if (f->cs & 3) {
        asm volatile("movq %0, %%rsp; popq %%rbp; popq %%r15; popq %%r14; popq %%r13; popq %%r12; popq %%rbx; ret" :: "r"(kernel_sp));
    }
    if (f->vector == 0x21) {
        return;
    }
    if (!resume) {
        unexpected();
    }
    f->rip = resume;
    f->rflags &= ~0x40000ull;
}
asm("common: pushq %rax; pushq %rcx; pushq %rdx; pushq %rbx; pushq %rbp; pushq %rsi; pushq %rdi; pushq %r8; pushq %r9; pushq %r10; pushq %r11;"
    "pushq %r12; pushq %r13; pushq %r14; pushq %r15; cld; movq %rsp, %rdi; movq %rsp, %rbx; andq $~15, %rsp; call exception; movq %rbx, %rsp;"
    "popq %r15; popq %r14; popq %r13; popq %r12; popq %r11; popq %r10; popq %r9; popq %r8; popq %rdi; popq %rsi; popq %rbp; popq %rbx;"
    "popq %rdx; popq %rcx; popq %rax; addq $16, %rsp; iretq;"
    STUBS("pushq", ".quad"));
extern u64 stubs[64];

#define CLOBBER "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc"
#define RAISES(...) do { seen.vector = 0xff; seen.error = 0; \
        asm volatile("movq $1f, resume\n" __VA_ARGS__ "\n1: movq $0, resume" ::: CLOBBER); } while (0)

static inline void set_gate(unsigned n, u64 at, u32 sel, u32 access, u32 ist)
{
    idt[n][0] = (at & 0xffff) | (u64)sel << 16 | (u64)ist << 32 | (u64)access << 40 |
                ((at >> 16) & 0xffff) << 48;
    idt[n][1] = at >> 32;
}

static u64 user_at;                     /* added to addresses of user code and its stack */
/*
 * fn at privilege 3 with 64-bit (CS3) or 32-bit (CS32) code; returns when something raises there.
 */
__attribute__((noinline, unused)) static void run_user(void (*fn)(void), u64 cs, u64 flags)
{
    u64 frame[5] = { (u64)fn + user_at, cs, flags, (u64)stack3 + sizeof stack3 - 64 + user_at,
                     DS3 };
    seen.vector = 0xff;
    asm volatile("pushq $9f; pushq %%rbx; pushq %%r12; pushq %%r13; pushq %%r14; pushq %%r15; pushq %%rbp; movq %%rsp, kernel_sp;"
                 "pushq 32(%%rax); pushq 24(%%rax); pushq 16(%%rax); pushq 8(%%rax); pushq (%%rax); iretq; 9:" : : "a"(frame) : "rcx", "rdx",
                 "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static inline void wrmsr(u32 msr, u64 v) { asm volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))); }
static inline u64 rdmsr(u32 msr) { u32 a, d; asm volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(msr)); return a | (u64)d << 32; }
static inline u64 rd4(void) { u64 v; asm volatile("movq %%cr4, %0" : "=r"(v)); return v; }
static inline void wr4(u64 v) { asm volatile("movq %0, %%cr4" :: "r"(v) : "memory"); }
static inline void wr3(u64 v) { asm volatile("movq %0, %%cr3" :: "r"(v) : "memory"); }

static void setup(void)
{
    Table t = { sizeof idt - 1, (u64)idt };
    u64 b = (u64)&tss;

    for (unsigned i = 0; i < 64; i++) {
        set_gate(i, stubs[i], CS0, i == 0x30 || i == 0x21 ? 0xee : 0x8e, 0);
    }
    asm volatile("lidt %0" :: "m"(t));
    gdt[6] = (sizeof tss - 1) | (b & 0xffffff) << 16 | 0x89ull << 40 | (b >> 24 & 0xff) << 56;
    gdt[7] = b >> 32;
    tss.rsp[0] = (u64)stack0 + sizeof stack0 - 8;       /* not aligned: the CPU aligns it */
    tss.ist[2] = (u64)ist_stack + sizeof ist_stack;
    tss.map = sizeof tss;
    asm volatile("ltr %w0" :: "r"(TR));
    for (unsigned i = 0; i < 32; i++) {
        pdir[i] |= 4;
    }
    wr3((u64)pml4);
}
#endif
