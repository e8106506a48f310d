/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wide.h -- numbers with 128 significant bits, for functions whose result is rounded to 64.
 *
 * Operations truncate; each loses less than two units in the last of 128 places.
 *
 * Threads: pure functions.
 */
#ifndef CPU_SOFTFLOAT_WIDE_H
#define CPU_SOFTFLOAT_WIDE_H
#include "cpu/softfloat/parts.h"

typedef struct Wide {
    bool    sign;
    int32_t exp;
    FpU128  sig;                        /* sig / 2^127 * 2^exp, bit 127 set; or zero */
} Wide;
#define WIDE(e, high, low) { .exp = (e), .sig = (FpU128)UINT64_C(high) << 64 | UINT64_C(low) }

static inline Wide wide_of(const FpParts *p)
{
    return (Wide){ p->sign, p->exp, p->cls == FP_IS_FINITE ? (FpU128)p->sig << 64 : 0 };
}
static inline Wide wide_int(unsigned n)
{
    unsigned z = n ? (unsigned)__builtin_clz(n) : 0;
    return (Wide){ .exp = 31 - (int32_t)z, .sig = (FpU128)(n << z) << 96 };
}
static inline Wide wide_negated(Wide a) { a.sign = !a.sign; return a; }
static inline Wide wide_normal(bool sign, int32_t exp, FpU128 sig)
{
    if (!sig)
        return (Wide){ .sign = sign };
    unsigned n = fp_clz128(sig);
    return (Wide){ sign, exp - (int32_t)n, sig << n };
}

Wide wide_add(Wide a, Wide b);
Wide wide_mul(Wide a, Wide b);
Wide wide_div(Wide a, Wide b);          /* b is not zero */
Wide wide_div_int(Wide a, uint32_t n);
#endif
