/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_exc.c -- MXCSR, and SSE instructions that cannot simply run: not available, or with
 * exceptions unmasked.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 10.2.3 and 11.5 (SIMD floating-point exceptions); vol. 3,
 *   ch. 13.1.
 * Omits: beside an unmasked overflow or underflow, PE is set as the masked response would set it;
 *        the products and sums of DPPS and DPPD are not looked at one after the other.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/simd.h"

enum { MX_IE = 1, MX_DE = 2, MX_ZE = 4, MX_UE = 0x10, MX_PRE = MX_IE | MX_DE | MX_ZE,
       MX_UM = 0x800, MX_FTZ = 0x8000,
       MX_MASK_SHIFT = 7 };

void x86_set_mxcsr(X86Cpu *c, uint32_t value)
{
    bool was = (c->mxcsr & X86_MXCSR_MASKS) == X86_MXCSR_MASKS,
         is = (value & X86_MXCSR_MASKS) == X86_MXCSR_MASKS;
    c->mxcsr = value;
    if (was != is)
        x86_mode_changed(c);
}

uint64_t x86_h_ldmxcsr(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    if ((uint32_t)a & ~(uint32_t)X86_MXCSR_MASK)
        x86_raise_gp(c, 0);
    x86_set_mxcsr(c, (uint32_t)a);
    return 0;
}

uint64_t x86_h_no_simd(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    if ((c->cr0 & CR0_EM) || (a && !(c->cr4 & CR4_OSFXSR)))
        x86_raise_ud(c);
    x86_raise(c, EXC_NM, 0);
}

/* The flags that fn raises under mxcsr, all masked; d is changed. */
static unsigned flags_of(X86Cpu *c, const IrVecDesc *v, uint32_t mxcsr, void *d, const void *s,
                         unsigned imm8, uint64_t *eflags)
{
    uint32_t saved = c->mxcsr;
    c->mxcsr = (mxcsr | X86_MXCSR_MASKS) & ~(uint32_t)X86_MXCSR_FLAGS;
    *eflags = v->fn(c, d, s, imm8);
    unsigned flags = c->mxcsr & X86_MXCSR_FLAGS;
    c->mxcsr = saved;
    return flags;
}

static void *operand(X86Cpu *c, unsigned letter, unsigned n)
{
    switch (letter) {
    case OPD_V: case OPD_W: return &c->vec[n & 31];
    case OPD_P: case OPD_Q: return &c->fpr[n & 7].mant;
    default: return &c->dbt.gpr[n & 15];
    }
}

static unsigned operand_bytes(unsigned letter)
{
    return letter == OPD_V || letter == OPD_W ? 16 : 8;
}

/*
 * Pre-computation exceptions (invalid, denormal, zero-divide) that are unmasked leave only such
 * flags; else, where any is unmasked, all flags are set.  In both cases the destination stays.
 */
uint64_t x86_h_vop_fp(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    unsigned sub = a & 0xffff, imm8 = a >> 16 & 0xff, dst = a >> 24 & 0xff, src = a >> 32 & 0xff;
    const IrVecDesc *v = &x86_vecs[sub];
    X86Vec d = { 0 }, s = { 0 }, trial;
    uint64_t eflags;
    void *to = operand(c, dst, b & 0xff);
    if ((b >> 8 & 0xff) == 0xff)
        dbt_load_bytes(&c->dbt, x86_seg_linear(c, b >> 16 & 0xff, arg, v->mem_bytes, false), &s,
                       v->mem_bytes);
    else
        memcpy(&s, operand(c, src, b >> 8 & 0xff), operand_bytes(src));
    memcpy(&d, to, operand_bytes(dst));
    trial = d;
    uint32_t mxcsr = c->mxcsr;
    if (!(mxcsr & MX_UM))
        mxcsr &= ~(uint32_t)MX_FTZ;                    /* flushing is part of the masked response */
    unsigned flags = flags_of(c, v, mxcsr, &d, &s, imm8, &eflags);
    if (!(mxcsr & MX_UM)) {
        /* unmasked, a tiny result counts even if it is exact: FTZ shows it */
        uint64_t ignored;
        flags |= flags_of(c, v, mxcsr | MX_FTZ, &trial, &s, imm8, &ignored) & MX_UE;
    }
    unsigned unmasked = flags & ~(c->mxcsr >> MX_MASK_SHIFT);
    if (unmasked & MX_PRE)
        flags &= MX_PRE;
    c->mxcsr |= flags;
    if (unmasked) {
        if (c->cr4 & CR4_OSXMMEXCPT)
            x86_raise(c, EXC_XM, 0);
        x86_raise_ud(c);
    }
    if (v->props & V_FLAGS)
        c->dbt.fl = x86_eflags_to_fl(eflags);
    else
        memcpy(to, &d, operand_bytes(dst));
    return 0;
}
