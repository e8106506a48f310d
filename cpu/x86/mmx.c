/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmx.c -- what MMX instructions do to the x87 state: its registers are the significands, TOP is 0
 * and all tags are valid, until EMMS.
 *
 * Spec: Intel SDM (325462) vol. 1, 9.6; vol. 3, 12.2 (table 12-3).
 * Threads: the vCPU's own.
 */
#include "cpu/x86/simd.h"
#include "cpu/x86/sys.h"

static void mmx_check(X86Cpu *c)
{
    if (c->cr0 & CR0_EM)
        x86_raise_ud(c);
    x86_fpu_check(c);
}

uint64_t x86_h_mmx_check(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    mmx_check(cpu);
    return 0;
}

uint64_t x86_h_mmx_enter(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    mmx_check(c);
    c->fpu_top = 0;
    c->fpu_valid = 0xff;
    return 0;
}

uint64_t x86_h_emms(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    mmx_check(c);
    c->fpu_valid = 0;
    c->fpu_top = 0;                     /* SDM vol. 3, table 12-3 */
    return 0;
}
