/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_fp2.c -- floating-point instructions that only AVX-512 has: VGETEXP, VGETMANT, VRNDSCALE,
 * VREDUCE, VRANGE, VSCALEF, VFIXUPIMM, VFPCLASS, VRCP14, VRSQRT14.
 *
 * VRCP14 and VRSQRT14 give the exact value rounded to 14 bits of fraction, which is within 2^-15;
 * Intel's own processors have a table and are within 2^-14, so that last bits differ.  Powers of 2,
 * zeroes, infinities and NaNs are the same.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name.
 * Omits: the last bits of Intel's VRCP14 and VRSQRT14.
 * Threads: pure functions on the operation.
 */
#include "cpu/x86/evex_fp.h"

/* fn for each wanted element of the source. */
typedef uint64_t UnaryFn(EvexOp *o, EvfFormat f, Evf a);
static void each(EvexOp *o, UnaryFn *fn)
{
    EvfFormat f = evf_format(o->row->to);
    const X86Vec *s = evex_source(o);
    for (unsigned i = 0; i < o->n; i++) {
        if (o->mask >> i & 1)
            evex_set(&o->d, f.bytes, i,
                     fn(o, f, evf_unpack(f, evex_get(s, f.bytes, i), o->mxcsr & FX_DAZ)));
    }
}
typedef uint64_t BinaryFn(EvexOp *o, EvfFormat f, Evf a, Evf b);
static void each2(EvexOp *o, BinaryFn *fn)
{
    EvfFormat f = evf_format(o->row->to);
    bool daz = o->mxcsr & FX_DAZ;
    for (unsigned i = 0; i < o->n; i++) {
        if (o->mask >> i & 1)
            evex_set(&o->d, f.bytes, i, fn(o, f, evf_unpack(f, evex_get(&o->s[0], f.bytes, i), daz),
                                           evf_unpack(f, evex_get(&o->s[1], f.bytes, i), daz)));
    }
}

/* The first bit of the mantissa: a is 2^evf_log2 * [1, 2). */
static int evf_log2(const Evf *a) { return a->exp + 63 - __builtin_clzll(a->mant); }

static uint64_t from_int(EvexOp *o, EvfFormat f, int v)
{
    return evf_round(o, f, FX_NEAREST, v < 0, 0, (uint64_t)ABS(v));
}

/* ---- parts of a number ---- */
static uint64_t getexp(EvexOp *o, EvfFormat f, Evf a)
{
    if (evf_is_nan(&a))
        return evf_quiet(o, f, &a);
    if (a.class == EVF_INF || a.class == EVF_ZERO)
        return evf_inf(f, a.class == EVF_ZERO);
    if (a.class == EVF_DENORMAL)
        o->flags |= FX_DE;
    return from_int(o, f, evf_log2(&a));
}
void evex_getexp(EvexOp *o) { each(o, getexp); }

static uint64_t getmant(EvexOp *o, EvfFormat f, Evf a)
{
    unsigned interval = o->imm & 3;
    bool sign = a.sign && !(o->imm & 4);
    if (evf_is_nan(&a))
        return evf_quiet(o, f, &a);
    if (a.class == EVF_ZERO || (a.class == EVF_INF && !a.sign))
        return evf_one(f, sign);
    if (a.sign && o->imm & 8) {
        o->flags |= FX_IE;
        return evf_default_nan(f);
    }
    if (a.class == EVF_INF)
        return evf_one(f, sign);
    if (a.class == EVF_DENORMAL)
        o->flags |= FX_DE;
    int e = evf_log2(&a);
    uint64_t frac =
        a.mant << (f.frac_bits - (unsigned)(e - a.exp)) & ((UINT64_C(1) << f.frac_bits) - 1);
    bool half = interval == 1 ? e & 1 : interval == 2 || (interval == 3 && frac & evf_quiet_bit(f));
    return (uint64_t)(f.bias - half) << f.frac_bits | frac | evf_zero(f, sign);
}
void evex_getmant(EvexOp *o) { each(o, getmant); }

/* ---- rounding to 2^-M ---- */
static unsigned imm_rc(const EvexOp *o) { return o->imm & 4 ? evf_rc(o) : o->imm & 3; }

/*
 * a, finite, rounded to a multiple of 2^-m, as an integer of such; a that has none of the bits is
 * 0.
 */
static uint64_t in_units(EvexOp *o, const Evf *a, bool *inexact)
{
    int m = (int)(o->imm >> 4);
    bool big;
    *inexact = false;
    if (a->exp + m >= 0)
        return 0;                                       /* a multiple already: not to be asked */
    return evf_to_integer(imm_rc(o), a->sign, a->exp + m, a->mant, inexact, &big);
}

static uint64_t rndscale(EvexOp *o, EvfFormat f, Evf a)
{
    int m = (int)(o->imm >> 4);
    bool inexact;
    if (evf_is_nan(&a))
        return evf_quiet(o, f, &a);
    if (a.class == EVF_INF || a.class == EVF_ZERO || a.exp + m >= 0)
        return a.bits;
    uint64_t v = in_units(o, &a, &inexact);
    if (inexact && !(o->imm & 8))
        o->flags |= FX_PE;
    return evf_round(o, f, FX_NEAREST, a.sign, -m, v);   /* exact */
}
void evex_rndscale(EvexOp *o) { each(o, rndscale); }

/* a - v * 2^-m where v > 0 has a's sign. */
static uint64_t difference(EvexOp *o, EvfFormat f, const Evf *a, uint64_t v, int m)
{
    unsigned rc = imm_rc(o), shift = (unsigned)(-m - a->exp), more = 0;
    if (shift > 120)                                    /* v is 1, and a far below its last bit */
        return evf_round(o, f, rc, !a->sign, -m - 62, (UINT64_C(1) << 62) - 1);
    /* v << shift is at most about a, or 1 << shift */
    unsigned __int128 unit = (unsigned __int128)v << shift;
    bool negative = unit > a->mant;
    unsigned __int128 mant = negative ? unit - a->mant : a->mant - unit;
    if (!mant)
        return evf_zero(f, rc == FX_DOWN);
    for (; mant >> 64; more++)
        mant = mant >> 1 | (mant & 1);
    return evf_round(o, f, rc, a->sign != negative, a->exp + (int)more, (uint64_t)mant);
}

static uint64_t reduce(EvexOp *o, EvfFormat f, Evf a)
{
    int m = (int)(o->imm >> 4);
    unsigned before = o->flags;
    bool inexact = false;
    uint64_t r;
    if (evf_is_nan(&a))
        return evf_quiet(o, f, &a);
    if (a.class == EVF_INF)
        return 0;
    if (a.class == EVF_ZERO || a.exp + m >= 0)
        return evf_zero(f, imm_rc(o) == FX_DOWN);
    uint64_t v = in_units(o, &a, &inexact);
    r = v ? difference(o, f, &a, v, m) : a.bits;
    o->flags |= inexact ? FX_PE : 0;
    if (o->imm & 8)                                     /* no precision exception */
        o->flags = (o->flags & ~(unsigned)FX_PE) | (before & FX_PE);
    /* differences are exact where they are tiny */
    o->flags &= ~(unsigned)FX_UE | before;
    return r;
}
void evex_reduce(EvexOp *o) { each(o, reduce); }

/* ---- VSCALEF: a * 2^floor(b) ---- */
static int floor_of(const Evf *b)        /* limited to what makes a difference */
{
    enum { FAR = 1 << 16 };
    bool inexact, big;
    if (b->class == EVF_ZERO)
        return 0;
    uint64_t v = evf_to_integer(FX_DOWN, b->sign, b->exp, b->mant, &inexact, &big);
    int n = big || v > FAR ? FAR : (int)v;
    return b->sign ? -n : n;
}

static uint64_t scale_nan(EvexOp *o, EvfFormat f, const Evf *a, const Evf *b)
{
    if (b->class == EVF_SNAN)
        o->flags |= FX_IE;
    if (a->class == EVF_QNAN && b->class == EVF_INF)
        return b->sign ? 0 : evf_inf(f, false);
    return evf_is_nan(a) ? evf_quiet(o, f, a) : evf_quiet(o, f, b);
}

static uint64_t scalef(EvexOp *o, EvfFormat f, Evf a, Evf b)
{
    if (evf_is_nan(&a) || evf_is_nan(&b))
        return scale_nan(o, f, &a, &b);
    if ((a.class == EVF_INF && b.class == EVF_INF && b.sign) ||
        (a.class == EVF_ZERO && b.class == EVF_INF && !b.sign)) {
        o->flags |= FX_IE;
        return evf_default_nan(f);
    }
    if (a.class == EVF_DENORMAL)
        o->flags |= FX_DE;
    if (b.class == EVF_INF)
        return b.sign ? evf_zero(f, a.sign) : evf_inf(f, a.sign);
    if (a.class == EVF_INF || a.class == EVF_ZERO)
        return a.bits;
    return evf_round(o, f, evf_rc(o), a.sign, a.exp + floor_of(&b), a.mant);
}
void evex_scalef(EvexOp *o) { each2(o, scalef); }

/* ---- VRANGE ---- */
static uint64_t magnitude(EvfFormat f, const Evf *a) { return a->bits & ~evf_sign_bit(f); }

/* Is a the one to take for a minimum? */
static bool is_less(EvfFormat f, const Evf *a, const Evf *b, bool absolute)
{
    uint64_t p = magnitude(f, a), q = magnitude(f, b);
    if (absolute && p != q)
        return p < q;
    if (a->sign != b->sign)
        /* as well of +0 and -0, and of equal magnitudes */
        return a->sign;
    return absolute || (a->sign ? p >= q : p <= q);
}

static uint64_t range(EvexOp *o, EvfFormat f, Evf a, Evf b)
{
    const Evf *pick = &a;
    if (a.class == EVF_SNAN || b.class == EVF_SNAN)
        return evf_quiet(o, f, a.class == EVF_SNAN ? &a : &b);
    if ((a.class == EVF_DENORMAL && b.class != EVF_QNAN) ||
        (b.class == EVF_DENORMAL && a.class != EVF_QNAN))
        o->flags |= FX_DE;
    if (b.class == EVF_QNAN)
        pick = &a;
    else if (a.class == EVF_QNAN)
        pick = &b;
    else
        pick = is_less(f, &a, &b, o->imm & 2) != (o->imm & 1) ? &a : &b;
    uint64_t sign = pick->bits & evf_sign_bit(f);
    switch (o->imm >> 2 & 3) {
    case 0: sign = evf_zero(f, a.sign); break;
    case 1: break;
    case 2: sign = 0; break;
    default: sign = evf_sign_bit(f); break;
    }
    return magnitude(f, pick) | sign;
}
void evex_range(EvexOp *o) { each2(o, range); }

/* ---- VFIXUPIMM: by the class of a, a response out of the table in b ---- */
enum { TOKEN_QNAN, TOKEN_SNAN, TOKEN_ZERO, TOKEN_ONE, TOKEN_NEG_INF, TOKEN_POS_INF, TOKEN_NEGATIVE,
       TOKEN_POSITIVE };
static unsigned token_of(EvfFormat f, const Evf *a)
{
    switch (a->class) {
    case EVF_QNAN: return TOKEN_QNAN;
    case EVF_SNAN: return TOKEN_SNAN;
    case EVF_ZERO: return TOKEN_ZERO;
    case EVF_INF: return a->sign ? TOKEN_NEG_INF : TOKEN_POS_INF;
    default:
        return a->bits == evf_one(f, false) ? TOKEN_ONE : a->sign ? TOKEN_NEGATIVE : TOKEN_POSITIVE;
    }
}

static uint64_t response(EvfFormat f, unsigned what, uint64_t old, const Evf *a)
{
    bool single = f.bytes == 4;
    switch (what) {
    case 0: return old;
    case 1: return a->bits;
    case 2: return a->bits | evf_quiet_bit(f);
    case 3: return evf_default_nan(f);
    case 4: return evf_inf(f, true);
    case 5: return evf_inf(f, false);
    case 6: return evf_inf(f, a->sign);
    case 7: return evf_zero(f, true);
    case 8: return 0;
    case 9: return evf_one(f, true);
    case 10: return evf_one(f, false);
    case 11: return single ? 0x3f000000 : 0x3fe0000000000000;
    case 12: return single ? 0x42b40000 : 0x4056800000000000;           /* 90 */
    case 13: return single ? 0x3fc90fdb : 0x3ff921fb54442d18;           /* pi / 2 */
    case 14: return evf_inf(f, false) - 1;
    default: return evf_inf(f, true) - 1;
    }
}

void evex_fixupimm(EvexOp *o)
{
    static const struct { uint8_t token, flag; } faults[8] = {          /* bit of the immediate */
        { TOKEN_ZERO, FX_ZE }, { TOKEN_ZERO, FX_IE }, { TOKEN_ONE, FX_ZE }, { TOKEN_ONE, FX_IE },
        { TOKEN_SNAN, FX_IE }, { TOKEN_NEG_INF, FX_IE },
        { TOKEN_NEGATIVE, FX_IE }, { TOKEN_POS_INF, FX_IE },
    };
    EvfFormat f = evf_format(o->row->to);
    for (unsigned i = 0; i < o->n; i++) {
        if (!(o->mask >> i & 1))
            continue;
        uint64_t bits = evex_get(&o->s[0], f.bytes, i), table = evex_get(&o->s[1], f.bytes, i);
        Evf a = evf_unpack(f, bits, o->mxcsr & FX_DAZ);
        if (a.class == EVF_ZERO && a.bits != bits) {     /* a denormal that DAZ makes +0 */
            a.bits = 0;
            a.sign = false;
        }
        unsigned token = token_of(f, &a);
        evex_set(&o->d, f.bytes, i,
                 response(f, table >> 4 * token & 15, evex_get(&o->d, f.bytes, i), &a));
        for (unsigned k = 0; k < 8; k++) {
            if (o->imm >> k & 1 && faults[k].token == token)
                o->flags |= faults[k].flag;
        }
    }
}

void evex_fpclass(EvexOp *o)
{
    EvfFormat f = evf_format(o->row->to);
    for (unsigned i = 0; i < o->n; i++) {
        Evf a = evf_unpack(f, evex_get(&o->s[0], f.bytes, i), o->mxcsr & FX_DAZ);
        bool finite = a.class == EVF_NORMAL || a.class == EVF_DENORMAL;
        unsigned is = (a.class == EVF_QNAN) | (a.class == EVF_ZERO && !a.sign) << 1 |
                      (a.class == EVF_ZERO && a.sign) << 2 | (a.class == EVF_INF && !a.sign) << 3 |
                      (a.class == EVF_INF && a.sign) << 4 | (a.class == EVF_DENORMAL) << 5 |
                      (finite && a.sign) << 6 | (a.class == EVF_SNAN) << 7;
        evex_set(&o->d, f.bytes, i, is & o->imm ? ~UINT64_C(0) : 0);
    }
}

/* ---- approximations: no exceptions ---- */
enum { APPROX_BITS = 15 };              /* with the implicit one */

/* A value of APPROX_BITS bits, already rounded; tiny results that FTZ flushes. */
static uint64_t approximate(EvexOp *o, EvfFormat f, bool sign, int exp, uint64_t mant)
{
    unsigned flags = o->flags;
    uint64_t r = evf_round(o, f, FX_NEAREST, sign, exp, mant);
    o->flags = flags;
    return r;
}

static uint64_t quiet_of(EvfFormat f, const Evf *a) { return a->bits | evf_quiet_bit(f); }

static uint64_t rcp14(EvexOp *o, EvfFormat f, Evf a)
{
    if (evf_is_nan(&a))
        return quiet_of(f, &a);
    if (a.class == EVF_ZERO || a.class == EVF_INF)
        return a.class == EVF_ZERO ? evf_inf(f, a.sign) : evf_zero(f, a.sign);
    int e = evf_log2(&a);
    uint64_t m = a.mant << (63 - (e - a.exp)) >> 10;    /* [1, 2) as 54 bits */
    /* 1 / m is in (1/2, 1]: 2^(53 + 15) / m, rounded, is its value in units of 2^-15 */
    uint64_t q = (uint64_t)((((unsigned __int128)1 << (53 + APPROX_BITS)) + m / 2) / m);
    if (e == -(int)f.bias - 1 && m != UINT64_C(1) << 53 && q == 1u << APPROX_BITS)
        /* above 2^-128 (2^-1024) the result is finite */
        q--;
    return approximate(o, f, a.sign, -e - APPROX_BITS, q);
}
void evex_rcp14(EvexOp *o) { each(o, rcp14); }

/* The largest r with r^2 * x <= 2^n, for r below 2^17. */
static uint64_t inverse_root(uint64_t x, unsigned n)
{
    uint64_t r = 0;
    for (int k = 17; k >= 0; k--) {
        uint64_t t = r | UINT64_C(1) << k;
        if ((unsigned __int128)(t * t) * x <= (unsigned __int128)1 << n)
            r = t;
    }
    return r;
}

static uint64_t rsqrt14(EvexOp *o, EvfFormat f, Evf a)
{
    if (evf_is_nan(&a))
        return quiet_of(f, &a);
    if (a.class == EVF_ZERO)
        return evf_inf(f, a.sign);
    if (a.sign)
        return evf_default_nan(f);
    if (a.class == EVF_INF)
        return 0;
    int e = evf_log2(&a), half = e >> 1;
    uint64_t m = a.mant << (63 - (e - a.exp)) >> (e & 1 ? 10 : 11);   /* [1, 4) in units of 2^-52 */
    /*
     * 1 / sqrt(m) is in (1/2, 1]: r in units of 2^-16, r^2 * m <= 2^(32 + 52); then rounded to
     * 2^-15
     */
    uint64_t r = inverse_root(m, 32 + 52);
    return approximate(o, f, false, -half - APPROX_BITS, (r + 1) / 2);
}
void evex_rsqrt14(EvexOp *o) { each(o, rsqrt14); }
