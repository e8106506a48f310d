/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nest.c -- 64-bit guest that is a hypervisor whose own guest computes for a while, again and
 * again, with its page tables and with nested ones: what a move from machine to machine in the
 * midst of it must carry.
 *
 * Spec: AMD APM vol. 2 ch. 15.
 */
#include "tests/guest/svm.h"

enum { TURNS = 1500000, ROUNDS_OF_EACH = 12 };
/* RBX: the sum over RCX of RCX xor RDX; RDX, RSI, RDI, RBP are to stay. */
CODE_OF(g_sum,
        "xorl %ebx, %ebx; 1: movq %rcx, %rax; xorq %rdx, %rax; addq %rax, %rbx; decq %rcx; jnz 1b");

static u64 sum(u64 with)
{
    u64 s = 0;

    for (u64 i = TURNS; i; i--) {
        s += i ^ with;
    }
    return s;
}

static void turn(u64 with, int paging)
{
    u64 cr3, cr4;

    asm volatile("movq %%cr3, %0" : "=r"(cr3));
    cr4 = rd4();
    if (paging) {
        nested((word)g_sum);
    } else {
        fresh((word)g_sum);
    }
    AT64(S_CR4) = cr4 | 4;              /* TSD: not the host's */
    AT64(S_PAT) = 0x0007040600070401;
    greg[1] = TURNS;
    greg[2] = with;
    greg[3] = with + 1;
    greg[5] = with + 2;
    u64 code = run();
    check(paging ? "sum under nested paging" : "sum", greg[0], sum(with));
    check("how it ended", code << 8 | (AT64(S_RIP) == (word)l_g_sum), X_VMMCALL << 8 | 1);
    check("registers", greg[2] ^ greg[3] ^ greg[5], with ^ (with + 1) ^ (with + 2));
    check("the guest's CR4 and EFER", AT64(S_CR4) << 16 | AT64(S_EFER),
          (cr4 | 4) << 16 | rdmsr(0xc0000080));
    u64 now;
    asm volatile("movq %%cr3, %0" : "=r"(now));
    check("the host's CR3 and CR4", now ^ rd4() << 32, cr3 ^ cr4 << 32);
    check("the host's PAT", rdmsr(0x277), 0x0007040600070406);
}

__attribute__((used)) int main(void)
{
    setup();
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x1000);
    wrmsr(0xc0010117, (u64)hsave);
    for (u64 i = 0; i < ROUNDS_OF_EACH; i++) {
        turn(i * 0x123456789, 0);
        turn(i * 0x987654321, 1);
    }
    check("VM_HSAVE_PA", rdmsr(0xc0010117), (u64)hsave);
    finish();
}
