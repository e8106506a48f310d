/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bmi.c -- BMI1, BMI2 and ADX instructions in C.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name.  Flags that it calls undefined stay,
 *       but for AF and PF, which are cleared.
 * Threads: pure but for the flags.
 */
#include "cpu/x86/cpu.h"
#include "cpu/x86/bmi.h"

static uint64_t low_bits(uint64_t v, unsigned n)
{
    return n >= 64 ? v : v & ((UINT64_C(1) << n) - 1);
}

static uint64_t add_with(X86Cpu *c, uint64_t a, uint64_t b, unsigned bits, unsigned flag)
{
    uint64_t ef = x86_fl_to_eflags(c->dbt.fl), r = low_bits(a + b + !!(ef & flag), bits);
    bool carry = ef & flag ? r <= a : r < a;
    c->dbt.fl = x86_eflags_to_fl((ef & ~(uint64_t)flag) | (carry ? flag : 0));
    return r;
}

uint64_t x86_h_bmi(void *cpu, uint64_t a, uint64_t b, uint64_t how)
{
    X86Cpu *c = cpu;
    unsigned bits = how >> 8 & 0xff, start, n;
    uint64_t r = 0;
    bool carry = false;
    switch (how & 0xff) {
    case BMI_ADCX: return add_with(c, a, b, bits, EF_CF);
    case BMI_ADOX: return add_with(c, a, b, bits, EF_OF);
    case BMI_ANDN: r = ~a & b; break;
    case BMI_BLSR: r = a & (a - 1); carry = !a; break;
    case BMI_BLSMSK: r = low_bits(a ^ (a - 1), bits); carry = !a; break;
    case BMI_BLSI: r = a & -a; carry = a; break;
    case BMI_BZHI:
        n = b & 0xff;
        carry = n >= bits;
        r = carry ? a : low_bits(a, n);
        break;
    case BMI_BEXTR:
        start = b & 0xff;
        r = start >= bits ? 0 : low_bits(a >> start, b >> 8 & 0xff);
        break;
    }
    bool sign = r >> (bits - 1) & 1;
    if ((how & 0xff) == BMI_BEXTR)
        sign = false;
    c->dbt.fl = x86_eflags_to_fl((carry ? EF_CF : 0) | (r ? 0 : EF_ZF) | (sign ? EF_SF : 0));
    return r;
}

uint64_t x86_h_pext(void *cpu, uint64_t value, uint64_t mask, uint64_t c)
{
    uint64_t r = 0;
    for (uint64_t to = 1; mask; mask &= mask - 1, to <<= 1) {
        if (value & mask & -mask)
            r |= to;
    }
    return r;
}

uint64_t x86_h_pdep(void *cpu, uint64_t value, uint64_t mask, uint64_t c)
{
    uint64_t r = 0;
    for (; mask; mask &= mask - 1, value >>= 1) {
        if (value & 1)
            r |= mask & -mask;
    }
    return r;
}
