/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * round.c -- taking values apart, rounding, and putting them together again.
 *
 * Spec: IEEE 754-2008 ch. 3.4, 4.3, 7.4, 7.5; Intel SDM (325462) vol. 1, ch. 4.8.3 (NaNs), 4.9.1.4,
 *       4.9.1.5 (overflow, underflow), 8.5.4, 8.5.5 (wrapped exponents), 10.2.3.3 (flush-to-zero),
 *       table 8-3 (unsupported 80-bit encodings).
 * Threads: pure functions.
 */
#include "cpu/softfloat/parts.h"

const FpFormat fp_formats[] = {
    [FP_F16] = { 16, 10, 11, 15 }, [FP_F32] = { 32, 23, 24, 127 },
    [FP_F64] = { 64, 52, 53, 1023 }, [FP_F80] = { 80, 63, 64, 16383 },
};
enum { X87_WRAP = 24576, EXP80 = 0x7fff };
static const uint64_t TOP = UINT64_C(1) << 63, QUIET = UINT64_C(1) << 62;

FpParts fp_unpack(const FpEnv *e, FpType t, uint64_t v)
{
    const FpFormat *f = &fp_formats[t];
    unsigned shift = 63u - f->frac_bits, exp_max = 2u * (unsigned)f->bias + 1;
    uint64_t frac = v & ((UINT64_C(1) << f->frac_bits) - 1);
    unsigned ex = (unsigned)(v >> f->frac_bits) & exp_max;
    FpParts p = { .cls = FP_IS_ZERO, .sign = v >> (f->bits - 1) & 1 };
    if (ex == exp_max) {
        p.sig = frac << shift;
        p.cls = !frac ? FP_IS_INF : p.sig & QUIET ? FP_IS_QNAN : FP_IS_SNAN;
    } else if (ex) {
        p.cls = FP_IS_FINITE;
        p.exp = (int32_t)ex - f->bias;
        p.sig = TOP | frac << shift;
    } else if (frac && !e->daz) {
        unsigned n = (unsigned)__builtin_clzll(frac);
        p.cls = FP_IS_FINITE;
        p.denormal = true;
        p.sig = frac << n;
        p.exp = 1 - f->bias + (int32_t)shift - (int32_t)n;
    }
    return p;
}

uint64_t fp_pack(FpType t, FpParts p)
{
    const FpFormat *f = &fp_formats[t];
    unsigned shift = 63u - f->frac_bits;
    uint64_t exp_max = 2u * (unsigned)f->bias + 1, sign = (uint64_t)p.sign << (f->bits - 1),
             frac = (UINT64_C(1) << f->frac_bits) - 1;
    switch (p.cls) {
    case FP_IS_ZERO:
        return sign;
    case FP_IS_FINITE:
        return sign | (p.sig & TOP ? (uint64_t)(p.exp + f->bias) << f->frac_bits : 0) |
               (p.sig >> shift & frac);
    case FP_IS_INF:
        return sign | exp_max << f->frac_bits;
    default:
        return sign | exp_max << f->frac_bits | ((p.sig | QUIET) >> shift & frac);
    }
}

FpParts fp80_unpack(Fp80 v)
{
    unsigned ex = v.se & EXP80;
    FpParts p = { .cls = FP_IS_FINITE, .sign = v.se >> 15, .sig = v.sig,
                  .exp = (int32_t)ex - 16383 };
    if (ex == 0) {
        p.denormal = v.sig != 0;
        p.exp = -16382;
        if (!v.sig)
            p.cls = FP_IS_ZERO;
        else if (!(v.sig & TOP)) {                      /* with it set: a pseudo-denormal */
            unsigned n = (unsigned)__builtin_clzll(v.sig);
            p.sig <<= n;
            p.exp -= (int32_t)n;
        }
    } else if (!(v.sig & TOP)) {
        p.cls = FP_IS_BAD;
    } else if (ex == EXP80) {
        p.cls = !(v.sig << 1) ? FP_IS_INF : v.sig & QUIET ? FP_IS_QNAN : FP_IS_SNAN;
    }
    return p;
}

Fp80 fp80_pack(FpParts p)
{
    uint16_t sign = (uint16_t)(p.sign << 15);
    switch (p.cls) {
    case FP_IS_ZERO:
        return (Fp80){ 0, sign };
    case FP_IS_FINITE:
        return (Fp80){ p.sig, (uint16_t)(sign | (p.sig & TOP ? p.exp + 16383 : 0)) };
    case FP_IS_INF:
        return (Fp80){ TOP, (uint16_t)(sign | EXP80) };
    default:
        return (Fp80){ p.sig | TOP | QUIET, (uint16_t)(sign | EXP80) };
    }
}

/* ---- rounding ---- */
static bool is_up(unsigned mode, bool sign, bool odd, FpU128 rest, FpU128 half)
{
    switch (mode) {
    case FP_NEAREST: return rest > half || (rest == half && odd);
    case FP_DOWN:    return sign && rest;
    case FP_UP:      return !sign && rest;
    default:         return false;
    }
}

/* The upper n bits (1..64) of sig as an integer, rounded: up to 2^n. */
static FpU128 upper_bits(unsigned mode, bool sign, FpU128 sig, unsigned n, bool *inexact, bool *up)
{
    unsigned drop = 128 - n;
    FpU128 q = sig >> drop, rest = sig & (((FpU128)1 << drop) - 1);
    *inexact = rest != 0;
    *up = is_up(mode, sign, q & 1, rest, (FpU128)1 << (drop - 1));
    return q + *up;
}

static void raise_inexact(FpEnv *e, bool inexact, bool up)
{
    if (inexact)
        e->flags |= FP_PE | (e->x87 && up ? FP_UPWARD : 0);
}

static FpParts overflowed(FpEnv *e, FpType t, unsigned precision, bool sign)
{
    bool inf = e->rounding == FP_NEAREST || e->rounding == (sign ? FP_DOWN : FP_UP);
    FpParts r = { .cls = inf ? FP_IS_INF : FP_IS_FINITE, .sign = sign, .exp = fp_formats[t].bias,
                  .sig = UINT64_MAX << (64 - precision) };
    e->flags |= FP_OE;
    raise_inexact(e, true, inf);
    return r;
}

static FpParts tiny(FpEnv *e, unsigned precision, bool sign, int32_t exp, int32_t emin, FpU128 sig)
{
    bool inexact, up;
    if (e->ftz) {
        e->flags |= FP_UE | FP_PE;
        return fp_special(FP_IS_ZERO, sign);
    }
    FpU128 q = upper_bits(e->rounding, sign, fp_jam(sig, (unsigned)(emin - exp)), precision,
                          &inexact, &up);
    if (inexact)
        e->flags |= FP_UE;
    raise_inexact(e, inexact, up);
    if (!q)
        return fp_special(FP_IS_ZERO, sign);
    return (FpParts){ .cls = FP_IS_FINITE, .sign = sign, .exp = emin,
                      .sig = (uint64_t)q << (64 - precision) };
}

FpParts fp_round(FpEnv *e, FpType t, unsigned precision, bool sign, int32_t exp, FpU128 sig)
{
    int32_t emax = fp_formats[t].bias, emin = 1 - emax, rounded = exp;
    bool inexact, up;
    FpU128 q = upper_bits(e->rounding, sign, sig, precision, &inexact, &up);
    if (q >> precision) {
        q >>= 1;
        rounded++;
    }
    if (rounded > emax) {
        if (!(e->unmasked & FP_OE))
            return overflowed(e, t, precision, sign);
        e->flags |= FP_OE;
        rounded -= X87_WRAP;
    } else if (rounded < emin) {
        if (!(e->unmasked & FP_UE))
            return tiny(e, precision, sign, exp, emin, sig);
        e->flags |= FP_UE;
        rounded += X87_WRAP;
    }
    raise_inexact(e, inexact, up);
    return (FpParts){ .cls = FP_IS_FINITE, .sign = sign, .exp = rounded,
                      .sig = (uint64_t)q << (64 - precision) };
}

FpParts fp_round_wide(FpEnv *e, FpType t, unsigned precision, bool sign, int32_t exp, FpU128 sig)
{
    if (!sig)
        return fp_special(FP_IS_ZERO, sign);
    unsigned n = fp_clz128(sig);
    return fp_round(e, t, precision, sign, exp - (int32_t)n, sig << n);
}

FpU128 fp_integer(FpEnv *e, const FpParts *p, bool *inexact, bool *up)
{
    FpU128 sig = (FpU128)p->sig << 64;
    if (p->exp >= 0)
        return upper_bits(e->rounding, p->sign, sig, (unsigned)p->exp + 1, inexact, up);
    return upper_bits(e->rounding, p->sign, fp_jam(sig, (unsigned)-p->exp), 1, inexact, up);
}

/* ---- NaNs ---- */
FpParts fp_invalid(FpEnv *e)
{
    e->flags |= FP_IE;
    return (FpParts){ .cls = FP_IS_QNAN, .sign = true, .sig = QUIET };
}

/*
 * SDM vol. 1, table 4-7: the x87 prefers a QNaN to an SNaN, else the larger significand; equal
 * ones: the positive.
 */
static const FpParts *x87_choice(const FpParts *a, const FpParts *b)
{
    if (!fp_is_nan(b))
        return a;
    if (!fp_is_nan(a))
        return b;
    if (a->cls != b->cls)
        return a->cls == FP_IS_QNAN ? a : b;
    uint64_t sa = a->sig << 1, sb = b->sig << 1;
    if (sa != sb)
        return sa > sb ? a : b;
    return a->sign ? b : a;
}

bool fp_nan2(FpEnv *e, const FpParts *a, const FpParts *b, FpParts *r)
{
    if (!fp_is_nan(a) && !fp_is_nan(b))
        return false;
    if (a->cls == FP_IS_BAD || b->cls == FP_IS_BAD) {
        *r = fp_invalid(e);
        return true;
    }
    if (a->cls == FP_IS_SNAN || b->cls == FP_IS_SNAN)
        e->flags |= FP_IE;
    *r = e->x87 ? *x87_choice(a, b) : fp_is_nan(a) ? *a : *b;
    r->cls = FP_IS_QNAN;
    return true;
}
