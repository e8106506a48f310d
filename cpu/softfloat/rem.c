/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rem.c -- exact remainders, scaling, and taking apart: FPREM, FPREM1, FSCALE, FXTRACT.
 *
 * Spec: Intel SDM (325462) vol. 2, FPREM, FPREM1 (tables of special values, partial reduction),
 *   FSCALE, FXTRACT.
 * Threads: pure functions.
 */
#include "cpu/softfloat/parts.h"

/*
 * rest of a / b after n + 1 steps of one bit, in units of b's last place; the quotient's low bits
 * in *q.
 */
static FpU128 divide(uint64_t a, uint64_t b, int32_t n, uint64_t *q)
{
    FpU128 rest = a;
    for (int32_t k = 0; k <= n; k++) {
        if (k)
            rest <<= 1;
        *q <<= 1;
        if (rest >= b) {
            rest -= b;
            *q |= 1;
        }
    }
    return rest;
}

static FpParts remainder_of(FpEnv *e, FpParts a, FpParts b, bool nearest, unsigned *quotient)
{
    uint64_t q = 0;
    int32_t d = a.exp - b.exp;
    bool sign = a.sign;
    if (d < (nearest ? -1 : 0))
        return fp_round(e, FP_F80, 64, sign, a.exp, (FpU128)a.sig << 64);
    if (d >= 64) {
        /* a multiple of b that takes 32 to 63 bits off the exponent */
        int32_t n = (d & 31) | 32;
        FpU128 rest = divide(a.sig, b.sig, n, &q);
        *quotient = FP_PARTIAL;
        return fp_round_wide(e, FP_F80, 64, sign, b.exp + d - n + 64, rest);
    }
    FpU128 rest = d < 0 ? a.sig : divide(a.sig, b.sig, d, &q), unit = b.sig;
    int32_t exp = b.exp;
    if (d < 0) {
        exp = a.exp;
        unit <<= 1;
    }
    if (nearest && (rest * 2 > unit || (rest * 2 == unit && (q & 1)))) {
        rest = unit - rest;
        sign = !sign;
        q++;
    }
    *quotient = q & 7;
    return rest ? fp_round_wide(e, FP_F80, 64, sign, exp + 64, rest)
                : fp_special(FP_IS_ZERO, a.sign);
}

Fp80 fp80_rem(FpEnv *e, Fp80 va, Fp80 vb, bool nearest, unsigned *quotient)
{
    FpParts a = fp80_unpack(va), b = fp80_unpack(vb), r;
    *quotient = 0;
    if (fp_nan2(e, &a, &b, &r))
        return fp80_pack(r);
    if (a.cls == FP_IS_INF || b.cls == FP_IS_ZERO)
        return fp80_pack(fp_invalid(e));
    fp_see_denormals(e, &a, &b);
    if (a.cls == FP_IS_ZERO)
        return va;
    if (b.cls == FP_IS_INF)
        return fp80_pack(fp_round(e, FP_F80, 64, a.sign, a.exp, (FpU128)a.sig << 64));
    return fp80_pack(remainder_of(e, a, b, nearest, quotient));
}

Fp80 fp80_scale(FpEnv *e, Fp80 va, Fp80 vb)
{
    enum { FAR = 0x10000, WRAP = 24576 };
    FpParts a = fp80_unpack(va), b = fp80_unpack(vb), r;
    bool inexact, up;
    if (fp_nan2(e, &a, &b, &r))
        return fp80_pack(r);
    if (b.cls == FP_IS_INF && a.cls == (b.sign ? FP_IS_INF : FP_IS_ZERO))
        return fp80_pack(fp_invalid(e));
    fp_see_denormals(e, &a, &b);
    if (b.cls == FP_IS_INF)
        return fp80_pack(fp_special(b.sign ? FP_IS_ZERO : FP_IS_INF, a.sign));
    if (a.cls != FP_IS_FINITE)
        return fp80_pack(a);
    FpEnv truncate = { .rounding = FP_TRUNCATE };
    int32_t by = 0;
    if (b.cls == FP_IS_FINITE)
        by = b.exp > 15 ? FAR : (int32_t)fp_integer(&truncate, &b, &inexact, &up);
    int32_t exp = a.exp + (b.sign ? -by : by);
    FpEnv own = *e;
    bool above = exp > 16383 + WRAP, below = exp < -16382 - WRAP;
    if ((above && (own.unmasked & FP_OE)) || (below && (own.unmasked & FP_UE)))
        /* too far for a wrapped exponent: infinity or zero */
        own.rounding = FP_NEAREST;
    if (above || below)
        own.unmasked = 0;
    r = fp_round(&own, FP_F80, 64, a.sign, exp, (FpU128)a.sig << 64);
    e->flags |= own.flags;
    return fp80_pack(r);
}

Fp80 fp80_extract(FpEnv *e, Fp80 va, Fp80 *exponent)
{
    FpParts a = fp80_unpack(va), r;
    if (fp_nan1(e, &a, &r)) {
        *exponent = fp80_pack(r);
        return *exponent;
    }
    fp_see_denormals(e, &a, &a);
    if (a.cls == FP_IS_ZERO) {
        e->flags |= FP_ZE;
        *exponent = fp80_pack(fp_special(FP_IS_INF, true));
        return va;
    }
    if (a.cls == FP_IS_INF) {
        *exponent = fp80_pack(fp_special(FP_IS_INF, false));
        return va;
    }
    *exponent = fp80_from_int(a.exp);
    a.exp = 0;
    return fp80_pack(a);
}
