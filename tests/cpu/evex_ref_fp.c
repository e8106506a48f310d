/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_ref_fp.c -- what floating-point instructions that only AVX-512 has do, by the host's x87 (64
 * bits of precision, a larger exponent) and the manual's tables.
 *
 * Spec: Intel SDM (325383) vol. 2, VCVTPS2UQQ, VFIXUPIMMPS, VFPCLASSPS, VGETEXPPS, VGETMANTPS,
 * VRANGEPS, VRCP14PS, VREDUCEPS, VRNDSCALEPS, VRSQRT14PS, VSCALEFPS and the like.
 * Omits: the last bits of VRCP14 and VRSQRT14, which are taken if they are near enough.
 * Threads: one.
 */
#include <fenv.h>
#include <math.h>
#include <string.h>
#include "tests/cpu/evex.h"

enum { IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32, DAZ = 0x40, FTZ = 0x8000 };

typedef struct Num {
    bool single, sign, nan, snan, inf, zero, denormal;  /* after DAZ */
    uint64_t bits;
    long double v;
} Num;

static uint64_t get(const X86Vec *v, unsigned bytes, unsigned i)
{
    uint64_t x = 0;
    memcpy(&x, v->u8 + i * bytes, bytes);
    return x;
}

static Num num(const RefOp *o, uint64_t bits, unsigned bytes)
{
    Num n = { .single = bytes == 4 };
    unsigned frac_bits = n.single ? 23 : 52, exp_max = n.single ? 255 : 2047;
    uint64_t frac = bits & ((UINT64_C(1) << frac_bits) - 1), exp = bits >> frac_bits & exp_max;
    n.sign = bits >> (8 * bytes - 1);
    n.nan = exp == exp_max && frac;
    n.snan = n.nan && !(frac >> (frac_bits - 1));
    n.inf = exp == exp_max && !frac;
    n.denormal = !exp && frac;
    if (n.denormal && (o->mxcsr & DAZ)) {
        n.denormal = false;
        bits = n.sign ? UINT64_C(1) << (8 * bytes - 1) : 0;
        frac = 0;
    }
    n.zero = !exp && !frac;
    n.bits = bits;
    if (n.single) {
        uint32_t w = (uint32_t)bits;
        float f;
        memcpy(&f, &w, 4);
        n.v = n.nan ? 0 : f;
    } else {
        double d;
        memcpy(&d, &bits, 8);
        n.v = n.nan ? 0 : d;
    }
    return n;
}

static const int modes[4] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };
static unsigned rc_of(const RefOp *o) { return o->mxcsr >> 13 & 3; }

/* A value of the x87 to the format, by the x87: bits and flags. */
static uint64_t narrow(RefOp *o, bool single, long double value, unsigned rc, bool with_underflow)
{
    volatile long double v = value;
    uint64_t bits = 0;
    fesetround(modes[rc]);
    feclearexcept(FE_ALL_EXCEPT);
    if (single) {
        volatile float f = (float)v;
        memcpy(&bits, (const void *)&f, 4);
    } else {
        volatile double d = (double)v;
        memcpy(&bits, (const void *)&d, 8);
    }
    int e = fetestexcept(FE_ALL_EXCEPT);
    fesetround(FE_TONEAREST);
    uint64_t top = single ? 1u << 31 : UINT64_C(1) << 63,
             least = single ? 0x00800000 : UINT64_C(1) << 52;
    bool tiny = fabsl(v) != 0 && ((bits & ~top) < least || (e & FE_UNDERFLOW));
    if (tiny && with_underflow && (o->mxcsr & FTZ)) {
        o->flags |= UE | PE;
        return signbit(v) ? top : 0;
    }
    o->flags |= (e & FE_INEXACT ? PE : 0) | (e & FE_OVERFLOW ? OE | PE : 0) |
                (with_underflow && (e & FE_UNDERFLOW) ? UE : 0);
    return bits;
}

static uint64_t quiet(RefOp *o, Num a)
{
    if (a.snan)
        o->flags |= IE;
    return a.bits | (a.single ? 1u << 22 : UINT64_C(1) << 51);
}
static uint64_t indefinite(RefOp *o, bool single)
{
    o->flags |= IE;
    return single ? 0xffc00000u : UINT64_C(0xfff8) << 48;
}
static uint64_t sign_of(bool single, bool sign)
{
    return sign ? single ? 1u << 31 : UINT64_C(1) << 63 : 0;
}
static uint64_t inf_of(bool single, bool sign)
{
    return sign_of(single, sign) | (single ? 0x7f800000 : UINT64_C(0x7ff) << 52);
}
static uint64_t one_of(bool single, bool sign)
{
    return sign_of(single, sign) | (single ? 0x3f800000 : UINT64_C(0x3ff) << 52);
}

typedef uint64_t OneFn(RefOp *o, Num a);
static void one(RefOp *o, OneFn *fn)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (!(o->mask >> i & 1))
            continue;
        uint64_t r = fn(o, num(o, get(o->one_source ? &o->a : &o->b, o->from, i), o->from));
        memcpy(o->r.u8 + i * o->to, &r, o->to);
    }
}
typedef uint64_t TwoFn(RefOp *o, Num a, Num b);
static void two(RefOp *o, TwoFn *fn)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (!(o->mask >> i & 1))
            continue;
        uint64_t r =
            fn(o, num(o, get(&o->a, o->to, i), o->to), num(o, get(&o->b, o->to, i), o->to));
        memcpy(o->r.u8 + i * o->to, &r, o->to);
    }
}

/* ---- conversions ---- */
static void from_int(RefOp *o, bool is_signed)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (!(o->mask >> i & 1))
            continue;
        uint64_t v = get(o->one_source ? &o->a : &o->b, o->from, i);
        long double x = is_signed ? (long double)(int64_t)v : (long double)(v >> 1) * 2 + (v & 1);
        uint64_t r = narrow(o, o->to == 4, x, rc_of(o), true);
        memcpy(o->r.u8 + i * o->to, &r, o->to);
    }
}
static void ref_from_s(RefOp *o) { from_int(o, true); }
static void ref_from_u(RefOp *o) { from_int(o, false); }

static uint64_t to_int(RefOp *o, Num a, bool is_signed, unsigned rc)
{
    unsigned bits = 8 * o->to;
    fesetround(modes[rc]);
    volatile long double in = a.v, v = rintl(in);
    long double lo = is_signed ? -ldexpl(1, (int)bits - 1) : 0,
                hi = ldexpl(1, (int)bits - is_signed);
    fesetround(FE_TONEAREST);
    if (a.nan || a.inf || v < lo || v >= hi) {
        o->flags |= IE;
        return is_signed ? UINT64_C(1) << (bits - 1) : ~UINT64_C(0);
    }
    if (v != a.v)
        o->flags |= PE;
    return v < 0 ? (uint64_t)(int64_t)v : (uint64_t)v;
}
static uint64_t to_u(RefOp *o, Num a) { return to_int(o, a, false, rc_of(o)); }
static uint64_t to_ut(RefOp *o, Num a) { return to_int(o, a, false, 3); }
static uint64_t to_s(RefOp *o, Num a) { return to_int(o, a, true, rc_of(o)); }
static uint64_t to_st(RefOp *o, Num a) { return to_int(o, a, true, 3); }

/* ---- parts ---- */
static uint64_t getexp(RefOp *o, Num a)
{
    int e;
    if (a.nan)
        return quiet(o, a);
    if (a.inf || a.zero)
        return inf_of(a.single, a.zero);
    if (a.denormal)
        o->flags |= DE;
    frexpl(a.v, &e);
    return narrow(o, a.single, e - 1, 0, false);
}

static uint64_t getmant(RefOp *o, Num a)
{
    bool sign = o->imm & 4 ? false : a.sign;
    int e;
    if (a.nan)
        return quiet(o, a);
    if (a.zero)
        return one_of(a.single, sign);
    if (a.sign && (o->imm & 8))
        return indefinite(o, a.single);
    if (a.inf)
        return one_of(a.single, sign);
    if (a.denormal)
        o->flags |= DE;
    long double m = frexpl(fabsl(a.v), &e) * 2;         /* in [1, 2), times 2^(e - 1) */
    switch (o->imm & 3) {
    case 1: m = (e - 1) % 2 ? m / 2 : m; break;
    case 2: m /= 2; break;
    case 3: m = m >= 1.5L ? m / 2 : m; break;
    }
    return narrow(o, a.single, sign ? -m : m, 0, false);
}

/* ---- rounding to a fraction ---- */
static unsigned imm_rc(const RefOp *o) { return o->imm & 4 ? rc_of(o) : o->imm & 3; }
static long double scaled(const RefOp *o, long double v)
{
    fesetround(modes[imm_rc(o)]);
    volatile long double in = ldexpl(v, (int)(o->imm >> 4)), r = rintl(in);
    fesetround(FE_TONEAREST);
    return ldexpl(r, -(int)(o->imm >> 4));
}

static uint64_t rndscale(RefOp *o, Num a)
{
    if (a.nan)
        return quiet(o, a);
    if (a.inf || a.zero)
        return a.bits;
    long double r = scaled(o, a.v);
    if (r != a.v && !(o->imm & 8))
        o->flags |= PE;
    unsigned before = o->flags;
    uint64_t bits = narrow(o, a.single, copysignl(r, a.v), 0, false);
    o->flags = before;
    return bits;
}

static uint64_t reduce(RefOp *o, Num a)
{
    unsigned before = o->flags, rc = imm_rc(o);
    if (a.nan)
        return quiet(o, a);
    if (a.inf)
        return 0;
    long double r = scaled(o, a.v);
    fesetround(modes[rc]);
    /* exact, or the same direction twice, or far from a half */
    volatile long double p = a.v, q = r, d = p - q;
    fesetround(FE_TONEAREST);
    uint64_t bits = d == 0 ? sign_of(a.single, rc == 1) : narrow(o, a.single, d, rc, false);
    o->flags = before;
    if (r != a.v && !(o->imm & 8))
        o->flags |= PE;
    return bits;
}

/* ---- two sources ---- */
static uint64_t scalef(RefOp *o, Num a, Num b)
{
    if (a.snan || b.snan)
        o->flags |= IE;
    if (a.nan && !a.snan && b.inf)
        return b.sign ? 0 : inf_of(a.single, false);
    if (a.nan || b.nan)
        return quiet(o, a.nan ? a : b);
    if ((a.inf && b.inf && b.sign) || (a.zero && b.inf && !b.sign))
        return indefinite(o, a.single);
    if (a.denormal)
        o->flags |= DE;
    if (b.inf)
        return b.sign ? sign_of(a.single, a.sign) : inf_of(a.single, a.sign);
    if (a.inf || a.zero)
        return a.bits;
    long double f = floorl(b.v);
    return narrow(o, a.single,
                  ldexpl(a.v, f > 9000    ? 9000
                              : f < -9000 ? -9000
                                          : (int)f),
                  rc_of(o), true);
}

static uint64_t range(RefOp *o, Num a, Num b)
{
    Num t;
    if (a.snan || b.snan)
        return quiet(o, a.snan ? a : b);
    if ((a.denormal && !b.nan) || (b.denormal && !a.nan))
        o->flags |= DE;
    if (b.nan) {
        t = a;
    } else if (a.nan) {
        t = b;
    } else {
        long double p = a.v, q = b.v;
        bool max = o->imm & 1;
        if ((o->imm & 2) || (a.zero && b.zero)) {
            p = fabsl(p);
            q = fabsl(q);
        }
        /* tables 5-16, 5-17: the negative one is the smaller */
        if (p == q && a.sign != b.sign)
            t = a.sign != max ? a : b;
        else
            t = (p <= q) != max ? a : b;
    }
    uint64_t top = sign_of(a.single, true), rest = t.bits & ~top;
    switch (o->imm >> 2 & 3) {
    case 0: return rest | sign_of(a.single, a.sign);
    case 1: return t.bits;
    case 2: return rest;
    default: return rest | top;
    }
}

static void ref_fixupimm(RefOp *o)
{
    bool single = o->to == 4;
    for (unsigned i = 0; i < o->n; i++) {
        if (!(o->mask >> i & 1))
            continue;
        uint64_t bits = get(&o->a, o->to, i), table = get(&o->b, o->to, i),
                 old = get(&o->d, o->to, i), r;
        Num a = num(o, bits, o->to);
        if (a.zero && a.bits != bits)
            a.bits = 0, a.sign = false;
        unsigned token = a.snan     ? 1
                         : a.nan    ? 0
                         : a.zero   ? 2
                         : a.inf    ? (a.sign ? 4 : 5)
                         : a.v == 1 ? 3
                         : a.sign   ? 6
                                    : 7;
        const uint64_t s[16] = { old, a.bits, a.bits | 1u << 22, 0xffc00000, 0xff800000,
                                 0x7f800000, inf_of(true, a.sign), 0x80000000, 0,
                                 0xbf800000, 0x3f800000, 0x3f000000, 0x42b40000, 0x3fc90fdb, 0x7f7fffff, 0xff7fffff };
        const uint64_t d[16] = { old,
                                 a.bits,
                                 a.bits | UINT64_C(1) << 51,
                                 UINT64_C(0xfff8) << 48,
                                 UINT64_C(0xfff) << 52,
                                 UINT64_C(0x7ff) << 52,
                                 inf_of(false, a.sign),
                                 UINT64_C(1) << 63,
                                 0,
                                 UINT64_C(0xbff) << 52,
                                 UINT64_C(0x3ff) << 52,
                                 UINT64_C(0x3fe) << 52,
                                 0x4056800000000000,
                                 0x3ff921fb54442d18,
                                 0x7fefffffffffffff,
                                 0xffefffffffffffff };
        r = (single ? s : d)[table >> 4 * token & 15];
        memcpy(o->r.u8 + i * o->to, &r, o->to);
        unsigned m = o->imm;
        if ((token == 2 && (m & 1)) || (token == 3 && (m & 4)))
            o->flags |= ZE;
        if ((token == 2 && (m & 2)) || (token == 3 && (m & 8)) || (token == 1 && (m & 16)) ||
            (token == 4 && (m & 32)) || (token == 6 && (m & 64)) || (token == 5 && (m & 128)))
            o->flags |= IE;
    }
}

static uint64_t fpclass(RefOp *o, Num a)
{
    bool in[8] = { a.nan && !a.snan, a.zero && !a.sign, a.zero && a.sign, a.inf && !a.sign,
                   a.inf && a.sign, a.denormal,
                   !a.nan && !a.inf && !a.zero && a.sign, a.snan };
    for (unsigned k = 0; k < 8; k++) {
        if (in[k] && (o->imm >> k & 1))
            return ~UINT64_C(0);
    }
    return 0;
}

/* ---- approximations ---- */
static uint64_t rcp14(RefOp *o, Num a)
{
    o->loose = true;
    if (a.nan)
        return a.bits | (a.single ? 1u << 22 : UINT64_C(1) << 51);
    if (a.zero || a.inf)
        return a.zero ? inf_of(a.single, a.sign) : sign_of(a.single, a.sign);
    unsigned before = o->flags;
    uint64_t r = narrow(o, a.single, 1 / a.v, 0, true);
    o->flags = before;
    return r;
}
static uint64_t rsqrt14(RefOp *o, Num a)
{
    o->loose = true;
    if (a.nan)
        return a.bits | (a.single ? 1u << 22 : UINT64_C(1) << 51);
    if (a.zero)
        return inf_of(a.single, a.sign);
    if (a.sign)
        return a.single ? 0xffc00000u : UINT64_C(0xfff8) << 48;
    return a.inf ? 0 : narrow(&(RefOp){ 0 }, a.single, 1 / sqrtl(a.v), 0, true);
}

bool ref_close(const RefOp *o, unsigned i, uint64_t got)
{
    RefOp exact = { 0 };                                /* no DAZ */
    uint64_t want = get(&o->r, o->to, i);
    Num w = num(&exact, want, o->to), g = num(&exact, got, o->to);
    if (got == want)
        return true;
    if (w.nan || w.inf || g.nan || g.inf || w.zero || g.zero)
        return false;
    int e;
    /* powers of 2 are to be exact; not told from what rounds to one: near */
    bool power = frexpl(fabsl(w.v), &e) == 0.5L;
    return fabsl(w.v - g.v) < fabsl(w.v) / 16384 &&
           !(power && fabsl(w.v - g.v) > fabsl(w.v) / 32768);
}

#define ONE(name) static void ref_##name(RefOp *o) { one(o, name); }
#define TWO(name) static void ref_##name(RefOp *o) { two(o, name); }
ONE(to_u) ONE(to_ut) ONE(to_s) ONE(to_st) ONE(getexp) ONE(getmant) ONE(rndscale) ONE(reduce) ONE(fpclass) ONE(rcp14) ONE(rsqrt14)
TWO(scalef) TWO(range)

RefFn *ref_find_fp(const char *name)
{
    static const struct { const char *name; RefFn *fn; } refs[] = {
        { "cvtqq2", ref_from_s }, { "cvtuqq2", ref_from_u }, { "cvtudq2", ref_from_u }, { "cvtusi2", ref_from_u },
        { "cvttps2u", ref_to_ut }, { "cvttpd2u", ref_to_ut }, { "cvttss2usi", ref_to_ut }, { "cvttsd2usi", ref_to_ut },
        { "cvtps2u", ref_to_u }, { "cvtpd2u", ref_to_u }, { "cvtss2usi", ref_to_u }, { "cvtsd2usi", ref_to_u },
        { "cvttps2qq", ref_to_st }, { "cvttpd2qq", ref_to_st }, { "cvtps2qq", ref_to_s }, { "cvtpd2qq", ref_to_s },
        { "getexp", ref_getexp }, { "getmant", ref_getmant }, { "rndscale", ref_rndscale }, { "reduce", ref_reduce },
        { "scalef", ref_scalef }, { "range", ref_range }, { "fixupimm", ref_fixupimm }, { "fpclass", ref_fpclass },
        { "rcp14", ref_rcp14 }, { "rsqrt14", ref_rsqrt14 },
    };
    for (unsigned k = 0; k < G_N_ELEMENTS(refs); k++) {
        if (!strncmp(name, refs[k].name, strlen(refs[k].name)))
            return refs[k].fn;
    }
    return NULL;
}
