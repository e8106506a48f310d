/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * functions.c -- exponential, logarithm and trigonometric functions of the x87, by series in 128
 * bits.
 *
 * The sums are exact to about 2^-120 of their value, so that the rounded result is off by at most
 * half a unit and a little; which of two neighbours a processor picks is its own.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 8.3.6-8.3.11 (argument ranges; pi has 66 bits in the
 *       reduction); vol. 2, F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FSINCOS, FPTAN (tables of
 *       special values).
 * Omits: F2XM1 beyond [-1, 1] and FYL2XP1 beyond 1 - sqrt(1/2) either side of 0, where the manual
 *        leaves the result undefined: the former returns its operand, the latter the function's
 *        value, or invalid below -1.
 * Threads: pure functions.
 */
#include "cpu/softfloat/wide.h"

static const Wide ln2 = WIDE(-1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af);
static const Wide log2_e = WIDE(0, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88);
static const Wide half_pi = WIDE(0, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1);
static const Wide one = WIDE(0, 0x8000000000000000, 0);
enum { DROP_BITS = 126 };               /* terms so far below the sum are left out */

static bool is_small(const Wide *term, const Wide *sum)
{
    return !term->sig || term->exp < sum->exp - DROP_BITS;
}

/* Rounded as a result that is not exact; reduced precision does not touch these functions. */
static FpParts rounded(FpEnv *e, Wide w)
{
    if (!w.sig)
        return fp_special(FP_IS_ZERO, w.sign);
    return fp_round(e, FP_F80, 64, w.sign, w.exp, w.sig | 1);
}

static bool equals(const FpParts *p, int32_t exp)
{
    return p->cls == FP_IS_FINITE && p->exp == exp && p->sig == UINT64_C(1) << 63;
}

/* ---- F2XM1 ---- */
static FpParts exp2_less_1(FpEnv *e, FpParts x)
{
    FpParts r;
    if (fp_nan1(e, &x, &r))
        return r;
    fp_see_denormals(e, &x, &x);
    if (x.cls == FP_IS_INF)
        return x.sign ? (FpParts){ .cls = FP_IS_FINITE, .sign = true,
                                   .sig = UINT64_C(1) << 63 } : x;
    if (x.cls == FP_IS_ZERO)
        return x;
    if (x.exp >= 0) {
        if (!equals(&x, 0))
            e->flags |= FP_PE;
        else if (x.sign)
            x.exp = -1;                                 /* 2^-1 - 1 */
        return x;
    }
    Wide t = wide_mul(wide_of(&x), ln2), term = t, sum = t;
    for (unsigned n = 2; !is_small(&term, &sum); n++) {
        term = wide_div_int(wide_mul(term, t), n);
        sum = wide_add(sum, term);
    }
    return rounded(e, sum);
}
Fp80 fp80_2xm1(FpEnv *e, Fp80 a) { return fp80_pack(exp2_less_1(e, fp80_unpack(a))); }

/* ---- FYL2X, FYL2XP1 ---- */
/* ln((1 + s) / (1 - s)) = 2 (s + s^3 / 3 + s^5 / 5 ...), as a logarithm to the base 2. */
static Wide log2_by_ratio(Wide s)
{
    Wide square = wide_mul(s, s), power = s, sum = s, term = s;
    for (unsigned k = 3; !is_small(&term, &sum); k += 2) {
        power = wide_mul(power, square);
        term = wide_div_int(power, k);
        sum = wide_add(sum, term);
    }
    sum = wide_mul(sum, log2_e);
    sum.exp++;
    return sum;
}

static Wide log2_of(FpParts x)                          /* x > 0 */
{
    int32_t k = x.exp;
    x.exp = 0;
    if (x.sig > UINT64_C(0xb504f333f9de6484)) {
        /* sqrt(2): keep the ratio small, and nothing to cancel below 1 */
        x.exp = -1;
        k++;
    }
    Wide m = wide_of(&x), s = wide_div(wide_add(m, wide_negated(one)), wide_add(m, one));
    Wide r = s.sig ? log2_by_ratio(s) : s, whole = wide_int((unsigned)(k < 0 ? -k : k));
    whole.sign = k < 0;
    return k ? wide_add(whole, r) : r;
}

/* y * log, whose sign and class are known; where the logarithm is 0 or infinite. */
static FpParts times_special(FpEnv *e, const FpParts *y, FpClass log, bool sign)
{
    bool s = y->sign != sign;
    if (log == FP_IS_ZERO)
        return y->cls == FP_IS_INF ? fp_invalid(e) : fp_special(FP_IS_ZERO, s);
    return y->cls == FP_IS_ZERO ? fp_invalid(e) : fp_special(FP_IS_INF, s);
}

static FpParts times_log(FpEnv *e, FpParts y, Wide log, bool exact)
{
    if (y.cls != FP_IS_FINITE)
        return fp_special(y.cls, y.sign != log.sign);
    Wide r = wide_mul(wide_of(&y), log);
    if (!exact)
        return rounded(e, r);
    FpParts p = fp_round(e, FP_F80, 64, r.sign, r.exp, r.sig);
    e->flags |= FP_PE;                                  /* processors raise it all the same */
    return p;
}

static FpParts y_log2_x(FpEnv *e, FpParts x, FpParts y)
{
    FpParts r;
    if (fp_nan2(e, &x, &y, &r))
        return r;
    if (x.sign && x.cls != FP_IS_ZERO)
        return fp_invalid(e);
    if (x.cls == FP_IS_ZERO && y.cls == FP_IS_FINITE) {
        e->flags |= FP_ZE;
        return fp_special(FP_IS_INF, !y.sign);
    }
    if (x.cls == FP_IS_ZERO || x.cls == FP_IS_INF || equals(&x, 0)) {
        bool one_ = x.cls == FP_IS_FINITE;
        if (!(one_ ? y.cls == FP_IS_INF : y.cls == FP_IS_ZERO))
            fp_see_denormals(e, &x, &y);
        return times_special(e, &y, one_ ? FP_IS_ZERO : FP_IS_INF, x.cls == FP_IS_ZERO);
    }
    fp_see_denormals(e, &x, &y);
    return times_log(e, y, log2_of(x), x.sig == UINT64_C(1) << 63);
}
Fp80 fp80_yl2x(FpEnv *e, Fp80 x, Fp80 y)
{
    return fp80_pack(y_log2_x(e, fp80_unpack(x), fp80_unpack(y)));
}

static FpParts y_log2_xp1(FpEnv *e, FpParts x, FpParts y)
{
    FpParts r;
    if (fp_nan2(e, &x, &y, &r))
        return r;
    if (x.sign && (x.cls == FP_IS_INF || (x.cls == FP_IS_FINITE && x.exp >= 0)))
        return fp_invalid(e);
    if (x.cls == FP_IS_ZERO || x.cls == FP_IS_INF) {
        if (!(x.cls == FP_IS_ZERO ? y.cls == FP_IS_INF : y.cls == FP_IS_ZERO))
            fp_see_denormals(e, &x, &y);
        return times_special(e, &y, (FpClass)x.cls, x.sign);
    }
    fp_see_denormals(e, &x, &y);
    Wide w = wide_of(&x);
    if (x.exp >= -1) {                                  /* 1 + x exactly enough: 128 bits */
        Wide z = wide_add(w, one);
        int32_t k = z.exp;
        z.exp = 0;
        Wide log = log2_by_ratio(wide_div(wide_add(z, wide_negated(one)), wide_add(z, one))),
             whole = wide_int((unsigned)(k < 0 ? -k : k));
        whole.sign = k < 0;
        return times_log(e, y, k ? wide_add(whole, log) : log, false);
    }
    return times_log(e, y, log2_by_ratio(wide_div(w, wide_add(w, wide_int(2)))), false);
}
Fp80 fp80_yl2xp1(FpEnv *e, Fp80 x, Fp80 y)
{
    return fp80_pack(y_log2_xp1(e, fp80_unpack(x), fp80_unpack(y)));
}

/* ---- FPATAN ---- */
/* Euler: atan t = t / (1 + t^2) * (1 + 2/3 z + 2/3 4/5 z^2 ...), z = t^2 / (1 + t^2) <= 1/2. */
static Wide arctan(Wide t)                              /* 0 < t <= 1 */
{
    Wide square = wide_mul(t, t), d = wide_add(one, square), z = wide_div(square, d),
         term = wide_div(t, d), sum = term;
    for (unsigned n = 1; !is_small(&term, &sum); n++) {
        term = wide_div_int(wide_mul(wide_mul(term, z), wide_int(2 * n)), 2 * n + 1);
        sum = wide_add(sum, term);
    }
    return sum;
}

static Wide times_pi(unsigned quarters, bool sign)      /* quarters / 4 of pi */
{
    Wide w = wide_mul(half_pi, wide_int(quarters));
    w.exp -= 1;
    w.sign = sign;
    return w;
}

static FpParts angle(FpEnv *e, FpParts x, FpParts y)
{
    FpParts r;
    if (fp_nan2(e, &x, &y, &r))
        return r;
    fp_see_denormals(e, &x, &y);
    if (x.cls == FP_IS_INF && y.cls == FP_IS_INF)
        return rounded(e, times_pi(x.sign ? 3 : 1, y.sign));
    if (y.cls == FP_IS_ZERO || x.cls == FP_IS_INF)
        return x.sign ? rounded(e, times_pi(4, y.sign)) : fp_special(FP_IS_ZERO, y.sign);
    if (x.cls == FP_IS_ZERO || y.cls == FP_IS_INF)
        return rounded(e, times_pi(2, y.sign));
    Wide wx = wide_of(&x), wy = wide_of(&y);
    wx.sign = wy.sign = false;
    bool steep = wy.exp > wx.exp || (wy.exp == wx.exp && wy.sig > wx.sig);
    Wide t = steep ? wide_div(wx, wy) : wide_div(wy, wx);
    Wide a = arctan(t);
    if (steep) {
        a.sign = !x.sign;
        a = wide_add(half_pi, a);
    } else if (x.sign) {
        a.sign = true;
        a = wide_add(times_pi(4, false), a);
    }
    a.sign = y.sign;
    return rounded(e, a);
}
Fp80 fp80_patan(FpEnv *e, Fp80 x, Fp80 y)
{
    return fp80_pack(angle(e, fp80_unpack(x), fp80_unpack(y)));
}

/* ---- FSIN, FCOS, FSINCOS, FPTAN ---- */
/* pi / 2 in units of 2^-67: 66 bits. */
static const FpU128 HALF_PI_66 = (FpU128)0xc << 64 | UINT64_C(0x90fdaa22168c234c);

/* x = quadrant * pi / 2 + rest, rest at most pi / 4 either side of 0. */
static Wide reduce(const FpParts *x, unsigned *quadrant)
{
    *quadrant = 0;
    if (x->exp < -1 || (x->exp == -1 && x->sig <= UINT64_C(0xc90fdaa22168c234)))
        return wide_of(x);
    FpU128 rest = x->sig;
    unsigned q = 0;
    for (int32_t k = 0; k < x->exp + 4; k++) {
        rest <<= 1;
        q <<= 1;
        if (rest >= HALF_PI_66) {
            rest -= HALF_PI_66;
            q |= 1;
        }
    }
    bool over = rest > HALF_PI_66 / 2;
    if (over) {
        rest = HALF_PI_66 - rest;
        q++;
    }
    *quadrant = (x->sign ? 0 - q : q) & 3;
    return wide_normal(over != x->sign, 127 - 67, rest);
}

/* x - x^3 / 3! + ..., or 1 - x^2 / 2! + ...  */
static Wide series(Wide x, bool cosine)
{
    Wide square = wide_negated(wide_mul(x, x)), term = cosine ? one : x, sum = term;
    for (unsigned n = cosine ? 1 : 2; !is_small(&term, &sum); n += 2) {
        term = wide_div_int(wide_mul(term, square), n * (n + 1));
        sum = wide_add(sum, term);
    }
    return sum;
}

static Wide sine(Wide rest, unsigned quadrant)          /* of quadrant + 1: the cosine */
{
    Wide r = series(rest, quadrant & 1);
    r.sign ^= quadrant >> 1 & 1;
    return r;
}

/* Arguments that have no sine or have it at once; true: *r is it, for sine and tangent. */
static bool trigonometric_special(FpEnv *e, const FpParts *x, FpParts *r)
{
    if (fp_nan1(e, x, r))
        return true;
    if (x->cls == FP_IS_INF) {
        *r = fp_invalid(e);
        return true;
    }
    fp_see_denormals(e, x, x);
    *r = *x;
    return x->cls == FP_IS_ZERO;
}

bool fp80_sincos(FpEnv *e, Fp80 a, Fp80 *s, Fp80 *c)
{
    FpParts x = fp80_unpack(a), r;
    unsigned quadrant;
    if (x.cls == FP_IS_FINITE && x.exp >= 63)
        return false;
    if (trigonometric_special(e, &x, &r)) {
        if (s)
            *s = fp80_pack(r);
        if (c)
            *c = r.cls == FP_IS_ZERO ? (Fp80){ UINT64_C(1) << 63, 0x3fff } : fp80_pack(r);
        return true;
    }
    Wide rest = reduce(&x, &quadrant);
    if (s)
        *s = fp80_pack(rounded(e, sine(rest, quadrant)));
    if (c)
        *c = fp80_pack(rounded(e, sine(rest, (quadrant + 1) & 3)));
    return true;
}

bool fp80_tan(FpEnv *e, Fp80 a, Fp80 *r)
{
    FpParts x = fp80_unpack(a), p;
    unsigned quadrant;
    if (x.cls == FP_IS_FINITE && x.exp >= 63)
        return false;
    if (!trigonometric_special(e, &x, &p)) {
        Wide rest = reduce(&x, &quadrant);
        p = rounded(e, wide_div(sine(rest, quadrant), sine(rest, (quadrant + 1) & 3)));
    }
    *r = fp80_pack(p);
    return true;
}

/* ---- constants: rounded as the control word says, without a flag ---- */
Fp80 fp80_constant(const FpEnv *e, unsigned which)
{
    static const Wide constants[7] = {
        WIDE(0, 0x8000000000000000, 0), WIDE(1, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c),
        WIDE(0, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88),
        WIDE(1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1),
        WIDE(-2, 0x9a209a84fbcff798, 0x8f8959ac0b7c9178),
        WIDE(-1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af), { .sig = 0 },
    };
    FpEnv own = *e;
    const Wide *w = &constants[which < 7 ? which : 6];
    if (!w->sig)
        return (Fp80){ 0, 0 };
    return fp80_pack(fp_round(&own, FP_F80, 64, false, w->exp, w->sig));
}
