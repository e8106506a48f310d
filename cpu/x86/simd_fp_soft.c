/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_fp_soft.c -- the meaning of SSE floating point in integer arithmetic, for hosts that are not
 * x86-64.
 *
 * Built with -DPORTABLE_FP (./configure --enable-portable-fp) it takes the place of simd_fp.c on an
 * x86 host as well.
 * RCPPS and RSQRTPS are within 1.5 * 2^-12 of the true value, as the manual asks: the quotient and
 * the root rounded to 12 bits.  Processors differ in the bits below, and so do they from this.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 3-5; vol. 1, ch. 10.2.3 (MXCSR), 11.5; tables 4-7, 4-10.
 * Omits: the host's own values of RCPPS and RSQRTPS.
 * Threads: the vCPU's own.
 */
#include "cpu/x86/simd_soft.h"
#if !X86_HOST_FP
#define SOFT(name) uint64_t simd_##name(void *cpu, void *d, const void *s, unsigned imm8)

/* ---- lane by lane ---- */
typedef uint64_t Op2(FpEnv *e, FpType t, uint64_t a, uint64_t b);
static uint64_t lanes2(void *cpu, void *d, const void *s, FpType t, unsigned n, Op2 *op)
{
    FpEnv e = x86_sse_env(cpu);
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(d, t, i, op(&e, t, x86_lane(d, t, i), x86_lane(s, t, i)));
    return x86_sse_done(cpu, &e);
}
#define OP2(name) \
    SOFT(name##ps) { return lanes2(cpu, d, s, FP_F32, 4, fp_##name); } \
    SOFT(name##pd) { return lanes2(cpu, d, s, FP_F64, 2, fp_##name); } \
    SOFT(name##ss) { return lanes2(cpu, d, s, FP_F32, 1, fp_##name); } \
    SOFT(name##sd) { return lanes2(cpu, d, s, FP_F64, 1, fp_##name); }
OP2(add)
OP2(sub)
OP2(mul)
OP2(div)
OP2(min)
OP2(max)

/* name(e, t, b, imm8) on each lane of the source. */
typedef uint64_t Op1(FpEnv *e, FpType t, uint64_t b, unsigned imm8);
static uint64_t lanes1(void *cpu, void *d, const void *s, unsigned imm8, FpType t, unsigned n,
                       Op1 *op)
{
    FpEnv e = x86_sse_env(cpu);
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(d, t, i, op(&e, t, x86_lane(s, t, i), imm8));
    return x86_sse_done(cpu, &e);
}
#define OP1(name, fn) \
    SOFT(name##ps) { return lanes1(cpu, d, s, imm8, FP_F32, 4, fn); } \
    SOFT(name##pd) { return lanes1(cpu, d, s, imm8, FP_F64, 2, fn); } \
    SOFT(name##ss) { return lanes1(cpu, d, s, imm8, FP_F32, 1, fn); } \
    SOFT(name##sd) { return lanes1(cpu, d, s, imm8, FP_F64, 1, fn); }
static uint64_t square_root(FpEnv *e, FpType t, uint64_t b, unsigned imm8)
{
    return fp_sqrt(e, t, b);
}
static uint64_t round_int(FpEnv *e, FpType t, uint64_t b, unsigned imm8)
{
    FpEnv own = *e;
    own.rounding = imm8 & 4 ? own.rounding : imm8 & 3;
    uint64_t r = fp_round_int(&own, t, b, imm8 & 8);
    e->flags |= own.flags;
    return r;
}
OP1(sqrt, square_root)
OP1(round, round_int)

/* ---- approximations: no flags, MXCSR does not count; denormals are zeroes, tiny results too */
static uint64_t approximate(uint64_t b, bool root)
{
    FpEnv e = { .daz = true, .ftz = true };
    uint64_t one = 0x3f800000;
    uint32_t sign = (uint32_t)b & 0x80000000, m = (uint32_t)b & 0x7fffffff;
    if (m > 0x7f800000)
        return b | 0x00400000;
    if (m < 0x00800000)
        return sign | 0x7f800000;
    if (root && sign)
        return 0xffc00000;
    uint32_t r = (uint32_t)fp_div(&e, FP_F32, one, root ? fp_sqrt(&e, FP_F32, m) : m);
    if (r < 0x7f800000)
        r = (r + 0x400) & ~0x7ffu;                      /* 12 bits with the leading one */
    return sign | r;
}
static uint64_t reciprocal(FpEnv *e, FpType t, uint64_t b, unsigned imm8)
{
    return approximate(b, false);
}
static uint64_t reciprocal_root(FpEnv *e, FpType t, uint64_t b, unsigned imm8)
{
    return approximate(b, true);
}
SOFT(rcpps) { return lanes1(cpu, d, s, 0, FP_F32, 4, reciprocal); }
SOFT(rcpss) { return lanes1(cpu, d, s, 0, FP_F32, 1, reciprocal); }
SOFT(rsqrtps) { return lanes1(cpu, d, s, 0, FP_F32, 4, reciprocal_root); }
SOFT(rsqrtss) { return lanes1(cpu, d, s, 0, FP_F32, 1, reciprocal_root); }

/* ---- horizontal, and alternating ---- */
static uint64_t horizontal(void *cpu, void *d, const void *s, FpType t, unsigned n, Op2 *op)
{
    FpEnv e = x86_sse_env(cpu);
    X86Vec r;
    for (unsigned i = 0; i < n; i++) {
        const void *from = i < n / 2 ? d : s;
        unsigned k = 2 * i % n;
        x86_put_lane(&r, t, i, op(&e, t, x86_lane(from, t, k), x86_lane(from, t, k + 1)));
    }
    memcpy(d, &r, 16);
    return x86_sse_done(cpu, &e);
}
SOFT(haddps) { return horizontal(cpu, d, s, FP_F32, 4, fp_add); }
SOFT(haddpd) { return horizontal(cpu, d, s, FP_F64, 2, fp_add); }
SOFT(hsubps) { return horizontal(cpu, d, s, FP_F32, 4, fp_sub); }
SOFT(hsubpd) { return horizontal(cpu, d, s, FP_F64, 2, fp_sub); }

static uint64_t alternating(void *cpu, void *d, const void *s, FpType t, unsigned n)
{
    FpEnv e = x86_sse_env(cpu);
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(d, t, i,
                     (i & 1 ? fp_add : fp_sub)(&e, t, x86_lane(d, t, i), x86_lane(s, t, i)));
    return x86_sse_done(cpu, &e);
}
SOFT(addsubps) { return alternating(cpu, d, s, FP_F32, 4); }
SOFT(addsubpd) { return alternating(cpu, d, s, FP_F64, 2); }

/* Products of the lanes that imm8 keeps (the others are zeroes), sums of pairs, and their sum. */
static uint64_t dot(void *cpu, void *d, const void *s, unsigned imm8, FpType t, unsigned n)
{
    FpEnv e = x86_sse_env(cpu);
    uint64_t p[4] = { 0 };
    for (unsigned i = 0; i < n; i++) {
        if (imm8 >> (4 + i) & 1)
            p[i] = fp_mul(&e, t, x86_lane(d, t, i), x86_lane(s, t, i));
    }
    uint64_t sum = fp_add(&e, t, p[0], p[1]);
    if (n == 4)
        sum = fp_add(&e, t, sum, fp_add(&e, t, p[2], p[3]));
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(d, t, i, imm8 >> i & 1 ? sum : 0);
    return x86_sse_done(cpu, &e);
}
SOFT(dpps) { return dot(cpu, d, s, imm8, FP_F32, 4); }
SOFT(dppd) { return dot(cpu, d, s, imm8, FP_F64, 2); }

/* ---- compares ---- */
static uint64_t compare(void *cpu, void *d, const void *s, unsigned imm8, FpType t, unsigned n)
{
    FpEnv e = x86_sse_env(cpu);
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(
            d, t, i,
            x86_fp_predicate(&e, t, x86_lane(d, t, i), x86_lane(s, t, i), imm8) ? UINT64_MAX : 0);
    return x86_sse_done(cpu, &e);
}
SOFT(cmpps) { return compare(cpu, d, s, imm8 & 7, FP_F32, 4); }
SOFT(cmppd) { return compare(cpu, d, s, imm8 & 7, FP_F64, 2); }
SOFT(cmpss) { return compare(cpu, d, s, imm8 & 7, FP_F32, 1); }
SOFT(cmpsd) { return compare(cpu, d, s, imm8 & 7, FP_F64, 1); }

static uint64_t to_flags(void *cpu, const void *d, const void *s, FpType t, bool signals)
{
    static const uint8_t flags[] = { [FP_LESS] = EF_CF,
                                     [FP_EQUAL] = EF_ZF,
                                     [FP_GREATER] = 0,
                                     [FP_UNORDERED] = EF_ZF | EF_PF | EF_CF };
    FpEnv e = x86_sse_env(cpu);
    FpRelation r = fp_compare(&e, t, x86_lane(d, t, 0), x86_lane(s, t, 0), signals);
    x86_sse_done(cpu, &e);
    return flags[r];
}
SOFT(comiss) { return to_flags(cpu, d, s, FP_F32, true); }
SOFT(comisd) { return to_flags(cpu, d, s, FP_F64, true); }
SOFT(ucomiss) { return to_flags(cpu, d, s, FP_F32, false); }
SOFT(ucomisd) { return to_flags(cpu, d, s, FP_F64, false); }

/* ---- conversions: n lanes; the rest of the 16 bytes is cleared where `clears` ---- */
static uint64_t convert(void *cpu, void *d, const void *s, FpType from, FpType to, unsigned n,
                        bool clears)
{
    FpEnv e = x86_sse_env(cpu);
    X86Vec r = { 0 };
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(&r, to, i, fp_convert(&e, from, to, x86_lane(s, from, i)));
    memcpy(d, &r, clears ? 16 : to == FP_F64 ? 8 : 4);
    return x86_sse_done(cpu, &e);
}
SOFT(cvtps2pd) { return convert(cpu, d, s, FP_F32, FP_F64, 2, true); }
SOFT(cvtpd2ps) { return convert(cpu, d, s, FP_F64, FP_F32, 2, true); }
SOFT(cvtss2sd) { return convert(cpu, d, s, FP_F32, FP_F64, 1, false); }
SOFT(cvtsd2ss) { return convert(cpu, d, s, FP_F64, FP_F32, 1, false); }

static uint64_t from_ints(void *cpu, void *d, const void *s, FpType t, unsigned n, unsigned bytes)
{
    FpEnv e = x86_sse_env(cpu);
    X86Vec r = { 0 };
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(&r, t, i, fp_from_int(&e, t, (int32_t)x86_lane(s, FP_F32, i)));
    memcpy(d, &r, bytes);
    return x86_sse_done(cpu, &e);
}
SOFT(cvtdq2ps) { return from_ints(cpu, d, s, FP_F32, 4, 16); }
SOFT(cvtdq2pd) { return from_ints(cpu, d, s, FP_F64, 2, 16); }
SOFT(cvtpi2ps) { return from_ints(cpu, d, s, FP_F32, 2, 8); }
SOFT(cvtpi2pd) { return from_ints(cpu, d, s, FP_F64, 2, 16); }

static uint64_t to_ints(void *cpu, void *d, const void *s, FpType t, unsigned n, unsigned bytes,
                        bool truncate)
{
    FpEnv e = x86_sse_env(cpu);
    X86Vec r = { 0 };
    e.rounding = truncate ? FP_TRUNCATE : e.rounding;
    for (unsigned i = 0; i < n; i++)
        r.u32[i] = (uint32_t)fp_to_int(&e, t, x86_lane(s, t, i), 32, true);
    memcpy(d, &r, bytes);
    return x86_sse_done(cpu, &e);
}
SOFT(cvtps2dq)  { return to_ints(cpu, d, s, FP_F32, 4, 16, false); }
SOFT(cvttps2dq) { return to_ints(cpu, d, s, FP_F32, 4, 16, true); }
SOFT(cvtpd2dq)  { return to_ints(cpu, d, s, FP_F64, 2, 16, false); }
SOFT(cvttpd2dq) { return to_ints(cpu, d, s, FP_F64, 2, 16, true); }
SOFT(cvtps2pi)  { return to_ints(cpu, d, s, FP_F32, 2, 8, false); }
SOFT(cvttps2pi) { return to_ints(cpu, d, s, FP_F32, 2, 8, true); }
SOFT(cvtpd2pi)  { return to_ints(cpu, d, s, FP_F64, 2, 8, false); }
SOFT(cvttpd2pi) { return to_ints(cpu, d, s, FP_F64, 2, 8, true); }

static uint64_t from_gpr(void *cpu, void *d, const void *s, FpType t, bool wide)
{
    FpEnv e = x86_sse_env(cpu);
    int64_t v = wide ? (int64_t)x86_lane(s, FP_F64, 0) : (int32_t)x86_lane(s, FP_F32, 0);
    x86_put_lane(d, t, 0, fp_from_int(&e, t, v));
    return x86_sse_done(cpu, &e);
}
SOFT(cvtsi2ss)   { return from_gpr(cpu, d, s, FP_F32, false); }
SOFT(cvtsi2ss_w) { return from_gpr(cpu, d, s, FP_F32, true); }
SOFT(cvtsi2sd)   { return from_gpr(cpu, d, s, FP_F64, false); }
SOFT(cvtsi2sd_w) { return from_gpr(cpu, d, s, FP_F64, true); }

static uint64_t to_gpr(void *cpu, void *d, const void *s, FpType t, unsigned bits, bool truncate)
{
    FpEnv e = x86_sse_env(cpu);
    e.rounding = truncate ? FP_TRUNCATE : e.rounding;
    *(uint64_t *)d = fp_to_int(&e, t, x86_lane(s, t, 0), bits, true);
    return x86_sse_done(cpu, &e);
}
SOFT(cvtss2si)    { return to_gpr(cpu, d, s, FP_F32, 32, false); }
SOFT(cvtss2si_w)  { return to_gpr(cpu, d, s, FP_F32, 64, false); }
SOFT(cvttss2si)   { return to_gpr(cpu, d, s, FP_F32, 32, true); }
SOFT(cvttss2si_w) { return to_gpr(cpu, d, s, FP_F32, 64, true); }
SOFT(cvtsd2si)    { return to_gpr(cpu, d, s, FP_F64, 32, false); }
SOFT(cvtsd2si_w)  { return to_gpr(cpu, d, s, FP_F64, 64, false); }
SOFT(cvttsd2si)   { return to_gpr(cpu, d, s, FP_F64, 32, true); }
SOFT(cvttsd2si_w) { return to_gpr(cpu, d, s, FP_F64, 64, true); }
#endif
