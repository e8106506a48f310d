/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * convert.c -- between formats, to and from integers and packed decimals, and to integral values.
 *
 * Spec: IEEE 754-2008 ch. 5.4.1-5.4.2, 5.9; Intel SDM (325462) vol. 1, ch. 4.7 (packed BCD), table
 *       4-4 (indefinite values); vol. 2, CVTPS2PD and the like, FBSTP, FRNDINT, ROUNDPS, VCVTPS2PH.
 * Threads: pure functions.
 */
#include "cpu/softfloat/parts.h"
#include <string.h>

/* ---- integral values ---- */
FpParts fp_parts_round_int(FpEnv *e, FpParts a, bool exact)
{
    FpParts r;
    bool inexact, up;
    if (fp_nan1(e, &a, &r))
        return r;
    if (a.cls != FP_IS_FINITE || a.exp >= 63)
        return a;
    FpU128 q = fp_integer(e, &a, &inexact, &up);
    if (inexact && !exact)
        e->flags |= FP_PE | (e->x87 && up ? FP_UPWARD : 0);
    if (!q)
        return fp_special(FP_IS_ZERO, a.sign);
    unsigned n = fp_clz128(q);
    return (FpParts){ .cls = FP_IS_FINITE, .sign = a.sign, .exp = 127 - (int32_t)n,
                      .sig = (uint64_t)(q << n >> 64) };
}

uint64_t fp_round_int(FpEnv *e, FpType t, uint64_t a, bool exact)
{
    return fp_pack(t, fp_parts_round_int(e, fp_unpack(e, t, a), exact));
}

Fp80 fp80_round_int(FpEnv *e, Fp80 v)
{
    FpParts a = fp80_unpack(v);
    if (!fp_is_nan(&a))
        fp_see_denormals(e, &a, &a);
    return fp80_pack(fp_parts_round_int(e, a, false));
}

/* ---- integers ---- */
uint64_t fp_parts_to_int(FpEnv *e, const FpParts *a, unsigned bits, bool is_signed)
{
    uint64_t indefinite = is_signed ? UINT64_C(1) << (bits - 1) : UINT64_MAX >> (64 - bits);
    bool inexact = false, up = false;
    FpU128 q = 0;
    if (a->cls == FP_IS_ZERO)
        return 0;
    if (a->cls != FP_IS_FINITE || a->exp >= 64) {
        e->flags |= FP_IE;
        return indefinite;
    }
    q = fp_integer(e, a, &inexact, &up);
    FpU128 limit = !is_signed ? (a->sign ? 0 : (FpU128)(UINT64_MAX >> (64 - bits)))
                              : ((FpU128)1 << (bits - 1)) - !a->sign;
    if (q > limit) {
        e->flags |= FP_IE;
        return indefinite;
    }
    if (inexact)
        e->flags |= FP_PE | (e->x87 && up ? FP_UPWARD : 0);
    uint64_t v = (uint64_t)q;
    return (a->sign ? 0 - v : v) & (UINT64_MAX >> (64 - bits));
}

uint64_t fp_to_int(FpEnv *e, FpType t, uint64_t v, unsigned bits, bool is_signed)
{
    FpParts a = fp_unpack(e, t, v);
    return fp_parts_to_int(e, &a, bits, is_signed);
}

uint64_t fp80_to_int(FpEnv *e, Fp80 v, unsigned bits)
{
    FpParts a = fp80_unpack(v);
    return fp_parts_to_int(e, &a, bits, true);
}

static FpParts from_magnitude(FpEnv *e, FpType t, bool sign, uint64_t m)
{
    return fp_round_wide(e, t, fp_formats[t].precision, sign, 63, (FpU128)m << 64);
}
uint64_t fp_from_uint(FpEnv *e, FpType t, uint64_t v)
{
    return fp_pack(t, from_magnitude(e, t, false, v));
}
uint64_t fp_from_int(FpEnv *e, FpType t, int64_t v)
{
    return fp_pack(t, from_magnitude(e, t, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v));
}
Fp80 fp80_from_int(int64_t v)
{
    FpEnv e = { .precision = 64 };
    return fp80_pack(from_magnitude(&e, FP_F80, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v));
}

/* ---- formats ---- */
static FpParts narrowed(FpEnv *e, FpType to, FpParts a)
{
    FpParts r;
    if (fp_nan1(e, &a, &r))
        return r;
    fp_see_denormals(e, &a, &a);
    if (a.cls != FP_IS_FINITE)
        return a;
    return fp_round(e, to, fp_formats[to].precision, a.sign, a.exp, (FpU128)a.sig << 64);
}

/* Half precision knows neither DAZ nor the denormal-operand exception, nor FTZ. */
uint64_t fp_convert(FpEnv *e, FpType from, FpType to, uint64_t v)
{
    FpEnv own = *e;
    own.daz &= from != FP_F16;
    own.ftz &= to != FP_F16;
    FpParts a = fp_unpack(&own, from, v);
    if (from == FP_F16)
        a.denormal = false;
    uint64_t r = fp_pack(to, narrowed(&own, to, a));
    e->flags |= own.flags;
    return r;
}

Fp80 fp80_from(FpEnv *e, FpType t, uint64_t v)
{
    FpParts a = fp_unpack(e, t, v), r;
    if (fp_nan1(e, &a, &r))
        return fp80_pack(r);
    fp_see_denormals(e, &a, &a);
    return fp80_pack(a);
}

uint64_t fp80_to(FpEnv *e, FpType t, Fp80 v)
{
    FpParts a = fp80_unpack(v);
    a.denormal = false;                                 /* a store sees no denormal operand */
    return fp_pack(t, narrowed(e, t, a));
}

/* ---- packed decimals: 18 digits, and the sign in bit 79 ---- */
void fp80_to_bcd(FpEnv *e, Fp80 v, uint8_t bcd[10])
{
    static const uint8_t indefinite[10] = { [7] = 0xc0, [8] = 0xff, [9] = 0xff };
    FpParts a = fp80_unpack(v);
    FpEnv own = *e;
    own.flags = 0;
    uint64_t m = fp_parts_to_int(&own, &a, 64, true);
    if (a.sign)
        m = 0 - m;
    if (own.flags & FP_IE || m > UINT64_C(999999999999999999)) {
        e->flags |= FP_IE;
        memcpy(bcd, indefinite, 10);
        return;
    }
    e->flags |= own.flags;
    for (unsigned i = 0; i < 9; i++, m /= 100)
        bcd[i] = (uint8_t)(m % 10 | m / 10 % 10 << 4);
    bcd[9] = a.sign ? 0x80 : 0;
}

Fp80 fp80_from_bcd(const uint8_t bcd[10])
{
    uint64_t m = 0;
    for (unsigned i = 9; i-- > 0; )
        m = m * 100 + (bcd[i] >> 4) * 10u + (bcd[i] & 15u);
    Fp80 r = fp80_from_int((int64_t)m);
    r.se |= (uint16_t)((bcd[9] & 0x80) << 8);
    return r;
}
