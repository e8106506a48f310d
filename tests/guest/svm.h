/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svm.h -- a hypervisor of a few lines: one VMCB, one guest that shares the host's page tables
 * unless a test says otherwise.
 */
#ifndef TESTS_GUEST_SVM_H
#define TESTS_GUEST_SVM_H
#include "tests/guest/long.h"

static u8 vmcb[4096] __attribute__((aligned(4096))), hsave[4096] __attribute__((aligned(4096)));
static u8 iopm[12288] __attribute__((aligned(4096))), msrpm[8192] __attribute__((aligned(4096)));
static u8 guest_stack[4096] __attribute__((aligned(16)));
static u64 gidt[64][2];

#define AT32(o) (*(volatile u32 *)(vmcb + (o)))
#define AT64(o) (*(volatile u64 *)(vmcb + (o)))
enum { ASID = 0x58, TLB = 0x5c, INT_CTL = 0x60, SHADOW = 0x68, CODE = 0x70, INFO1 = 0x78,
       INFO2 = 0x80, INTINFO = 0x88, NP = 0x90,
       INJECT = 0xa8, NCR3 = 0xb0, VIRT = 0xb8, CLEAN = 0xc0, NRIP = 0xc8, FETCHED = 0xd0,
       S_CPL = 0x4cb, S_EFER = 0x4d0, S_CR4 = 0x548, S_CR3 = 0x550, S_CR0 = 0x558, S_DR7 = 0x560,
       S_DR6 = 0x568, S_RFLAGS = 0x570,
       S_RIP = 0x578, S_RSP = 0x5d8, S_RAX = 0x5f8, S_CR2 = 0x640, S_PAT = 0x668 };
enum { X_INTR = 0x60, X_NMI, X_VINTR = 0x64, X_IOIO = 0x7b, X_MSR, X_TASK, X_SHUTDOWN = 0x7f,
       X_VMRUN, X_VMMCALL, X_NPF = 0x400 };

static u64 greg[6];                     /* the guest's RBX RCX RDX RSI RDI RBP */
asm("vm_enter: pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15; movq greg, %rbx; movq greg + 8, %rcx;"
    "movq greg + 16, %rdx; movq greg + 24, %rsi; movq greg + 32, %rdi; movq greg + 40, %rbp; leaq vmcb, %rax;"
    ".globl l_vmrun; l_vmrun: vmrun %rax; movq %rbx, greg; movq %rcx, greg + 8; movq %rdx, greg + 16; movq %rsi, greg + 24;"
    "movq %rdi, greg + 32; movq %rbp, greg + 40; popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx; ret");
void vm_enter(void);

/* Runs it; GIF is set again after. */
static u64 run(void)
{
    asm volatile("clgi");
    vm_enter();
    asm volatile("stgi" ::: "memory");
    return AT64(CODE);
}

static void want(unsigned code) { AT32(code / 32 * 4) |= 1u << code % 32; }
__attribute__((unused)) static void unwant(unsigned code)
{
    AT32(code / 32 * 4) &= ~(1u << code % 32);
}

static void seg(unsigned o, u32 sel, u32 attr, u32 limit, u64 base)
{
    *(u16 *)(vmcb + o) = sel;
    *(u16 *)(vmcb + o + 2) = attr;
    AT32(o + 4) = limit;
    AT64(o + 8) = base;
}

static void guest_gate(unsigned n, word at, u32 access)
{
    gidt[n][0] = (at & 0xffff) | CS0 << 16 | (u64)access << 40 | ((u64)at >> 16 & 0xffff) << 48;
    gidt[n][1] = 0;
}

/*
 * 64-bit code at privilege 0 from rip on; VMMCALL ends it, and so does each of its exceptions, by a
 * gate to VMMCALL.
 */
static void fresh(word rip)
{
    u64 v;
    extern char guest_vector[];

    for (unsigned i = 0; i < sizeof vmcb; i++) {
        vmcb[i] = 0;
    }
    for (unsigned i = 0; i < 64; i++) {
        guest_gate(i, (word)guest_vector + i * 8, 0x8e);
    }
    want(X_VMRUN);
    want(X_VMMCALL);
    want(X_SHUTDOWN);
    AT32(ASID) = 1;
    AT32(TLB) = 1;
    seg(0x400, DS0, 0xc93, 0xffffffff, 0);
    seg(0x410, CS0, 0xa9b, 0xffffffff, 0);
    seg(0x420, DS0, 0xc93, 0xffffffff, 0);
    seg(0x430, DS0, 0xc93, 0xffffffff, 0);
    seg(0x460, 0, 0, sizeof gdt - 1, (u64)gdt);
    seg(0x480, 0, 0, sizeof gidt - 1, (u64)gidt);
    AT64(0x48) = (u64)msrpm;
    AT64(0x40) = (u64)iopm;
    AT64(S_EFER) = rdmsr(0xc0000080);
    AT64(S_CR4) = rd4();
    AT64(S_CR3) = (u64)pml4;
    asm volatile("movq %%cr0, %0" : "=r"(v));
    AT64(S_CR0) = v;
    AT64(S_DR7) = 0x400;
    AT64(S_DR6) = 0xffff0ff0;
    AT64(S_RFLAGS) = 2;
    AT64(S_RIP) = rip;
    AT64(S_RSP) = (u64)guest_stack + sizeof guest_stack - 64;
    AT64(S_PAT) = 0x0007040600070406;
}

static u64 n4[512] __attribute__((aligned(4096))), n3[512] __attribute__((aligned(4096))),
    n2[512] __attribute__((aligned(4096)));
enum { RWU = 7 };

/* Guest-physical: the first 64 MiB as they are. */
__attribute__((unused)) static void nested(word rip)
{
    for (unsigned i = 0; i < 32; i++) {
        n2[i] = i * 0x200000ull | 0x80 | RWU;
    }
    n4[0] = (u64)n3 | RWU;
    n3[0] = (u64)n2 | RWU;
    n3[1] = 0;
    n2[100] = 0;
    fresh(rip);
    AT64(NP) = 1;
    AT64(NCR3) = (u64)n4;
}

/* Handlers: AL is the vector. */
asm(".balign 8; guest_vector: .set n, 0; .rept 64; .balign 8; movb $n, %al; vmmcall; .set n, n + 1; .endr");

__attribute__((unused)) static int vector_of_guest(void)
{
    return AT64(CODE) == X_VMMCALL ? (int)(AT64(S_RAX) & 0xff) : -1;
}
#define CODE_OF(name, text) asm(#name ": " text "; l_" #name ": vmmcall; hlt"); extern char name[], l_##name[]
#endif
