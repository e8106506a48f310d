/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arith.c -- sum, product, quotient, root, fused product and sum, comparison: exact in 128 bits,
 * then rounded once.
 *
 * Spec: IEEE 754-2008 ch. 5.4, 5.11, 6.3 (the sign of zero), 7; Intel SDM (325462) vol. 1, ch.
 *   4.9.2 (order of exceptions).
 * Threads: pure functions.
 */
#include "cpu/softfloat/parts.h"

/*
 * The exact sum of two finite numbers, leading bits at 126, so that a carry has room.  The smaller
 * one is shifted with what falls out kept as a sticky bit: if bits fall out at all, no more than
 * one leading bit cancels.
 */
static FpParts sum(FpEnv *e, FpType t, bool sa, int32_t ea, FpU128 a, bool sb, int32_t eb, FpU128 b)
{
    if (eb > ea || (eb == ea && b > a)) {
        FpU128 v = a; a = b; b = v;
        int32_t x = ea; ea = eb; eb = x;
        bool s = sa; sa = sb; sb = s;
    }
    int32_t by = ea - eb;
    b = fp_jam(b, by > 200 ? 200 : (unsigned)by);
    FpU128 r = sa == sb ? a + b : a - b;
    if (!r)
        return fp_special(FP_IS_ZERO, sa == sb ? sa : e->rounding == FP_DOWN);
    return fp_round_wide(e, t, fp_result_bits(e, t), sa, ea + 1, r);
}

FpParts fp_parts_add(FpEnv *e, FpType t, FpParts a, FpParts b)
{
    FpParts r;
    if (fp_nan2(e, &a, &b, &r))
        return r;
    if (a.cls == FP_IS_INF && b.cls == FP_IS_INF && a.sign != b.sign)
        return fp_invalid(e);
    fp_see_denormals(e, &a, &b);
    if (a.cls == FP_IS_INF || b.cls == FP_IS_INF)
        return a.cls == FP_IS_INF ? a : b;
    if (a.cls == FP_IS_ZERO && b.cls == FP_IS_ZERO)
        return fp_special(FP_IS_ZERO, a.sign == b.sign ? a.sign : e->rounding == FP_DOWN);
    if (a.cls == FP_IS_ZERO || b.cls == FP_IS_ZERO) {
        r = a.cls == FP_IS_ZERO ? b : a;
        return fp_round(e, t, fp_result_bits(e, t), r.sign, r.exp, (FpU128)r.sig << 64);
    }
    return sum(e, t, a.sign, a.exp, (FpU128)a.sig << 63, b.sign, b.exp, (FpU128)b.sig << 63);
}

FpParts fp_parts_mul(FpEnv *e, FpType t, FpParts a, FpParts b)
{
    FpParts r;
    bool sign = a.sign != b.sign;
    if (fp_nan2(e, &a, &b, &r))
        return r;
    if ((a.cls == FP_IS_INF && b.cls == FP_IS_ZERO) || (a.cls == FP_IS_ZERO && b.cls == FP_IS_INF))
        return fp_invalid(e);
    fp_see_denormals(e, &a, &b);
    if (a.cls == FP_IS_INF || b.cls == FP_IS_INF)
        return fp_special(FP_IS_INF, sign);
    if (a.cls == FP_IS_ZERO || b.cls == FP_IS_ZERO)
        return fp_special(FP_IS_ZERO, sign);
    return fp_round_wide(e, t, fp_result_bits(e, t), sign, a.exp + b.exp + 1,
                         (FpU128)a.sig * b.sig);
}

FpParts fp_parts_div(FpEnv *e, FpType t, FpParts a, FpParts b)
{
    FpParts r;
    bool sign = a.sign != b.sign;
    if (fp_nan2(e, &a, &b, &r))
        return r;
    if (a.cls == b.cls && (a.cls == FP_IS_INF || a.cls == FP_IS_ZERO))
        return fp_invalid(e);
    if (b.cls == FP_IS_ZERO && a.cls == FP_IS_FINITE) {
        e->flags |= FP_ZE;
        return fp_special(FP_IS_INF, sign);
    }
    fp_see_denormals(e, &a, &b);
    if (a.cls == FP_IS_INF || b.cls == FP_IS_ZERO)
        return fp_special(FP_IS_INF, sign);
    if (a.cls == FP_IS_ZERO || b.cls == FP_IS_INF)
        return fp_special(FP_IS_ZERO, sign);
    /* two digits to the base 2^64, below 2 * 2^64 */
    FpU128 n = (FpU128)a.sig << 63;
    FpU128 high = n / b.sig, rest = n % b.sig << 64, low = rest / b.sig;
    bool sticky = rest % b.sig;
    return fp_round_wide(e, t, fp_result_bits(e, t), sign, a.exp - b.exp,
                         (high << 64 | low | sticky));
}

/* Root and rest of n >= 2^126, two bits at a time. */
static uint64_t root(FpU128 n, FpU128 *rest)
{
    FpU128 r = 0, left = 0;
    for (unsigned k = 0; k < 64; k++) {
        left = left << 2 | n >> 126;
        n <<= 2;
        FpU128 trial = r << 2 | 1;
        r <<= 1;
        if (left >= trial) {
            left -= trial;
            r |= 1;
        }
    }
    *rest = left;
    return (uint64_t)r;
}

FpParts fp_parts_sqrt(FpEnv *e, FpType t, FpParts a)
{
    FpParts r;
    FpU128 rest;
    if (fp_nan1(e, &a, &r))
        return r;
    if (a.sign && a.cls != FP_IS_ZERO)
        return fp_invalid(e);
    fp_see_denormals(e, &a, &a);
    if (a.cls != FP_IS_FINITE)
        return a;
    bool odd = a.exp & 1;
    uint64_t q = root((FpU128)a.sig << (odd ? 64 : 63), &rest);
    FpU128 sig = (FpU128)q << 64 | (FpU128)(rest > q) << 63 | (rest != 0);
    return fp_round(e, t, fp_result_bits(e, t), false, (a.exp - odd) / 2, sig);
}

/* The order of the values behind the classes; both finite, zero or infinite. */
static FpRelation order(const FpParts *a, const FpParts *b)
{
    bool za = a->cls == FP_IS_ZERO, zb = b->cls == FP_IS_ZERO;
    if (za && zb)
        return FP_EQUAL;
    if (za || (!zb && a->sign != b->sign))
        return (za ? !b->sign : a->sign) ? FP_LESS : FP_GREATER;
    if (zb)
        return a->sign ? FP_LESS : FP_GREATER;
    bool bigger = a->cls != b->cls   ? a->cls == FP_IS_INF
                  : a->exp != b->exp ? a->exp > b->exp
                                     : a->sig > b->sig;
    bool same = a->cls == b->cls && (a->cls == FP_IS_INF || (a->exp == b->exp && a->sig == b->sig));
    return same ? FP_EQUAL : bigger != a->sign ? FP_GREATER : FP_LESS;
}

FpRelation fp_parts_compare(FpEnv *e, const FpParts *a, const FpParts *b, bool signals)
{
    if (fp_is_nan(a) || fp_is_nan(b)) {
        if (signals || a->cls > FP_IS_QNAN || b->cls > FP_IS_QNAN)
            e->flags |= FP_IE;
        return FP_UNORDERED;
    }
    fp_see_denormals(e, a, b);
    return order(a, b);
}

/* ---- binary16, 32, 64 ---- */
#define BINARY(name, expr) \
    uint64_t fp_##name(FpEnv *e, FpType t, uint64_t va, uint64_t vb) \
    { \
        FpParts a = fp_unpack(e, t, va), b = fp_unpack(e, t, vb); \
        return fp_pack(t, expr); \
    }
static FpParts negated(FpParts p)                       /* not a NaN's sign */
{
    p.sign ^= !fp_is_nan(&p);
    return p;
}
BINARY(add, fp_parts_add(e, t, a, b))
BINARY(sub, fp_parts_add(e, t, a, negated(b)))
BINARY(mul, fp_parts_mul(e, t, a, b))
BINARY(div, fp_parts_div(e, t, a, b))
uint64_t fp_sqrt(FpEnv *e, FpType t, uint64_t a)
{
    return fp_pack(t, fp_parts_sqrt(e, t, fp_unpack(e, t, a)));
}

FpRelation fp_compare(FpEnv *e, FpType t, uint64_t va, uint64_t vb, bool signals)
{
    FpParts a = fp_unpack(e, t, va), b = fp_unpack(e, t, vb);
    return fp_parts_compare(e, &a, &b, signals);
}

/* An operand as DAZ leaves it. */
static uint64_t operand(const FpParts *p, FpType t, uint64_t v)
{
    return p->cls == FP_IS_ZERO ? (uint64_t)p->sign << (fp_formats[t].bits - 1) : v;
}

static uint64_t pick(FpEnv *e, FpType t, uint64_t va, uint64_t vb, FpRelation wins)
{
    FpParts a = fp_unpack(e, t, va), b = fp_unpack(e, t, vb);
    return fp_parts_compare(e, &a, &b, true) == wins ? operand(&a, t, va) : operand(&b, t, vb);
}
uint64_t fp_min(FpEnv *e, FpType t, uint64_t a, uint64_t b) { return pick(e, t, a, b, FP_LESS); }
uint64_t fp_max(FpEnv *e, FpType t, uint64_t a, uint64_t b) { return pick(e, t, a, b, FP_GREATER); }

static bool is_inf_times_zero(const FpParts *a, const FpParts *b)
{
    return (a->cls == FP_IS_INF && b->cls == FP_IS_ZERO) ||
           (a->cls == FP_IS_ZERO && b->cls == FP_IS_INF);
}

static FpParts fused(FpEnv *e, FpType t, FpParts a, FpParts b, FpParts c, unsigned negate)
{
    FpParts r;
    bool sign = (a.sign != b.sign) != (negate & FP_NEGATE_PRODUCT);
    if (fp_is_nan(&a) || fp_is_nan(&b) || fp_is_nan(&c)) {
        FpParts first = fp_is_nan(&a) ? a : b;
        if (a.cls == FP_IS_SNAN || b.cls == FP_IS_SNAN || c.cls == FP_IS_SNAN)
            e->flags |= FP_IE;
        fp_nan2(e, &first, &c, &r);
        return r;
    }
    if (negate & FP_NEGATE_ADDEND)
        c.sign = !c.sign;
    bool inf = a.cls == FP_IS_INF || b.cls == FP_IS_INF;
    if (is_inf_times_zero(&a, &b) || (inf && c.cls == FP_IS_INF && c.sign != sign))
        return fp_invalid(e);
    fp_see_denormals(e, &a, &b);
    fp_see_denormals(e, &c, &c);
    if (inf)
        return fp_special(FP_IS_INF, sign);
    if (c.cls == FP_IS_INF)
        return c;
    if (a.cls == FP_IS_ZERO || b.cls == FP_IS_ZERO) {
        if (c.cls == FP_IS_ZERO)
            return fp_special(FP_IS_ZERO, sign == c.sign ? sign : e->rounding == FP_DOWN);
        return fp_round(e, t, fp_result_bits(e, t), c.sign, c.exp, (FpU128)c.sig << 64);
    }
    /* its lowest 22 bits are zero: precision is 53 at most */
    FpU128 p = (FpU128)a.sig * b.sig;
    int32_t exp = a.exp + b.exp;
    if (p >> 127) {
        p >>= 1;
        exp++;
    }
    if (c.cls == FP_IS_ZERO)
        return fp_round_wide(e, t, fp_result_bits(e, t), sign, exp + 1, p);
    return sum(e, t, sign, exp, p, c.sign, c.exp, (FpU128)c.sig << 63);
}

uint64_t fp_fma(FpEnv *e, FpType t, uint64_t a, uint64_t b, uint64_t c, unsigned negate)
{
    return fp_pack(t,
                   fused(e, t, fp_unpack(e, t, a), fp_unpack(e, t, b), fp_unpack(e, t, c), negate));
}

/* ---- 80 bits ---- */
Fp80 fp80_add(FpEnv *e, Fp80 a, Fp80 b)
{
    return fp80_pack(fp_parts_add(e, FP_F80, fp80_unpack(a), fp80_unpack(b)));
}
Fp80 fp80_sub(FpEnv *e, Fp80 a, Fp80 b)
{
    return fp80_pack(fp_parts_add(e, FP_F80, fp80_unpack(a), negated(fp80_unpack(b))));
}
Fp80 fp80_mul(FpEnv *e, Fp80 a, Fp80 b)
{
    return fp80_pack(fp_parts_mul(e, FP_F80, fp80_unpack(a), fp80_unpack(b)));
}
Fp80 fp80_div(FpEnv *e, Fp80 a, Fp80 b)
{
    return fp80_pack(fp_parts_div(e, FP_F80, fp80_unpack(a), fp80_unpack(b)));
}
Fp80 fp80_sqrt(FpEnv *e, Fp80 a) { return fp80_pack(fp_parts_sqrt(e, FP_F80, fp80_unpack(a))); }
FpRelation fp80_compare(FpEnv *e, Fp80 va, Fp80 vb, bool signals)
{
    FpParts a = fp80_unpack(va), b = fp80_unpack(vb);
    return fp_parts_compare(e, &a, &b, signals);
}
