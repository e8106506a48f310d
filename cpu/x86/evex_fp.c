/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_fp.c -- arithmetic of evex_fp.h, and conversions between floating point and integers that
 * only AVX-512 has.
 *
 * Spec: IEEE 754-2008; Intel SDM (325462) vol. 1, ch. 4.8 and 11.5; vol. 2, VCVTPS2UDQ and the
 *   like.
 * Threads: pure functions on the operation.
 */
#include "cpu/x86/evex_fp.h"

Evf evf_unpack(EvfFormat f, uint64_t bits, bool daz)
{
    uint64_t frac = bits & ((UINT64_C(1) << f.frac_bits) - 1);
    unsigned exp = (unsigned)(bits >> f.frac_bits) & f.max;
    Evf r = { .sign = bits & evf_sign_bit(f), .bits = bits, .mant = frac,
              .exp = 1 - (int)(f.bias + f.frac_bits) };
    if (exp == f.max) {
        r.class = !frac ? EVF_INF : frac & evf_quiet_bit(f) ? EVF_QNAN : EVF_SNAN;
    } else if (exp) {
        r.class = EVF_NORMAL;
        r.mant |= UINT64_C(1) << f.frac_bits;
        r.exp += (int)exp - 1;
    } else if (frac && !daz) {
        r.class = EVF_DENORMAL;
    } else {
        r.class = EVF_ZERO;
        r.mant = 0;
        r.bits = evf_zero(f, r.sign);
    }
    return r;
}

uint64_t evf_quiet(EvexOp *o, EvfFormat f, const Evf *a)
{
    if (a->class == EVF_SNAN)
        o->flags |= FX_IE;
    return a->bits | evf_quiet_bit(f);
}

/*
 * Is the magnitude to be rounded up, whose last kept bit is odd, with the rest r of 2^(n-1) half?
 */
static bool rounds_up(unsigned rc, bool sign, bool odd, uint64_t rest, uint64_t half)
{
    switch (rc) {
    case FX_NEAREST: return rest > half || (rest == half && odd);
    case FX_DOWN: return sign && rest;
    case FX_UP: return !sign && rest;
    default: return false;
    }
}

static uint64_t shift_jam(uint64_t v, unsigned n)      /* right, with the lost bits in the lowest */
{
    return n == 0 ? v : n > 63 ? v != 0 : v >> n | (v << (64 - n) != 0);
}

/* mant has bit 63 set: its first `keep` bits, rounded; *rest: there were others. */
static uint64_t keep_bits(unsigned rc, bool sign, uint64_t mant, unsigned keep, bool *inexact)
{
    unsigned drop = 64 - keep;
    uint64_t rest = mant & ((UINT64_C(1) << drop) - 1), kept = mant >> drop;
    *inexact = rest;
    return kept + rounds_up(rc, sign, kept & 1, rest, UINT64_C(1) << (drop - 1));
}

static uint64_t overflow(EvexOp *o, EvfFormat f, unsigned rc, bool sign)
{
    bool to_inf = rc == FX_NEAREST || rc == (sign ? FX_DOWN : FX_UP);
    o->flags |= FX_OE | FX_PE;
    return evf_inf(f, sign) - !to_inf;
}

uint64_t evf_round(EvexOp *o, EvfFormat f, unsigned rc, bool sign, int exp, uint64_t mant)
{
    bool inexact, tiny = false;
    if (!mant)
        return evf_zero(f, sign);
    unsigned shift = (unsigned)__builtin_clzll(mant);
    mant <<= shift;
    int e = exp - (int)shift + 63 + (int)f.bias;        /* biased exponent of mant's first bit */
    uint64_t kept = keep_bits(rc, sign, mant, f.frac_bits + 1, &inexact);
    if (e >= (int)f.max)
        return overflow(o, f, rc, sign);
    if (e < 1) {
        /* after rounding as if the exponent had no end */
        tiny = e < 0 || !(kept >> (f.frac_bits + 1));
        kept = keep_bits(rc, sign, shift_jam(mant, (unsigned)MIN(1 - e, 100)), f.frac_bits + 1,
                         &inexact);
        e = 1;
        if (tiny && (o->mxcsr & FX_FTZ)) {
            o->flags |= FX_UE | FX_PE;
            return evf_zero(f, sign);
        }
        if (tiny && inexact)
            o->flags |= FX_UE;
    }
    if (inexact)
        o->flags |= FX_PE;
    /* the implicit bit and a carry add to the exponent */
    uint64_t bits = ((uint64_t)(e - 1) << f.frac_bits) + kept;
    if (bits >= evf_inf(f, false))
        return overflow(o, f, rc, sign);
    return bits | evf_zero(f, sign);
}

uint64_t evf_to_integer(unsigned rc, bool sign, int exp, uint64_t mant, bool *inexact, bool *big)
{
    *inexact = *big = false;
    if (exp >= 0) {
        *big = mant && (exp > 63 || mant >> (63 - exp) >> 1);
        return *big ? 0 : mant << exp;
    }
    unsigned n = (unsigned)MIN(-exp, 64);
    uint64_t whole = n == 64 ? 0 : mant >> n,
             rest = n == 64 ? mant : mant & ((UINT64_C(1) << n) - 1);
    if (exp < -64)
        rest = rest != 0;                               /* far below a half */
    *inexact = rest;
    return whole + rounds_up(rc, sign, whole & 1, rest, UINT64_C(1) << (n - 1));
}

/* ---- from integers ---- */
static void from_integers(EvexOp *o, bool is_signed)
{
    EvfFormat f = evf_format(o->row->to);
    const X86Vec *s = evex_source(o);
    bool general = o->row->ops[2] == OPD_E;
    for (unsigned i = 0; i < o->n; i++) {
        if (!(o->mask >> i & 1))
            continue;
        uint64_t v = evex_get(s, o->row->from, general ? 0 : i);
        bool sign = is_signed && v >> 63;
        evex_set(&o->d, o->row->to, i, evf_round(o, f, evf_rc(o), sign, 0, sign ? 0 - v : v));
    }
}
void evex_int_to_fp(EvexOp *o) { from_integers(o, false); }
void evex_int_to_fp_s(EvexOp *o) { from_integers(o, true); }

/* ---- to integers: what does not fit gives the largest unsigned number, or the least signed one */
static void to_integers(EvexOp *o, bool is_signed, bool truncates)
{
    EvfFormat f = evf_format(o->row->from);
    unsigned bits = 8u * o->row->to, rc = truncates ? (unsigned)FX_ZERO : evf_rc(o);
    for (unsigned i = 0; i < o->n; i++) {
        if (!(o->mask >> i & 1))
            continue;
        Evf a = evf_unpack(f, evex_get(&o->s[0], f.bytes, i), o->mxcsr & FX_DAZ);
        bool inexact, big;
        uint64_t v = evf_to_integer(rc, a.sign, a.exp, a.mant, &inexact, &big);
        uint64_t limit = is_signed ? (UINT64_C(1) << (bits - 1)) - !a.sign
                         : a.sign  ? 0
                                   : ~UINT64_C(0) >> (64 - bits);
        if (a.class >= EVF_INF || big || v > limit) {
            o->flags |= FX_IE;
            v = is_signed ? UINT64_C(1) << (bits - 1) : ~UINT64_C(0);
        } else {
            o->flags |= inexact ? FX_PE : 0;
            v = a.sign ? 0 - v : v;
        }
        evex_set(&o->d, o->row->to, i, v);
    }
}
void evex_fp_to_uint(EvexOp *o) { to_integers(o, false, false); }
void evex_fp_to_uint_t(EvexOp *o) { to_integers(o, false, true); }
void evex_fp_to_int(EvexOp *o) { to_integers(o, true, false); }
void evex_fp_to_int_t(EvexOp *o) { to_integers(o, true, true); }
