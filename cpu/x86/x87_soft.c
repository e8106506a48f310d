/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_soft.c -- x87 arithmetic in integers, for hosts that are not x86-64, and with -DPORTABLE_FP
 * on those that are.
 *
 * It fills in what x87.h says of x87_host.c: the status word of each operation under the guest's
 * control word, with invalid, denormal and zero-divide masked and the others as the guest has them.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 8; vol. 2, FADD and the like.
 * Threads: pure functions.
 */
#include <string.h>
#include "cpu/softfloat/parts.h"
#include "cpu/x86/x87.h"
#if !X86_HOST_FP

static FpEnv env_of(uint16_t cw)
{
    static const uint8_t precision[4] = { 24, 64, 53, 64 };             /* 1 is reserved */
    return (FpEnv){ .rounding = cw >> 10 & 3, .x87 = true, .precision = precision[cw >> 8 & 3],
                    .unmasked = ~cw & (FP_OE | FP_UE) };
}
/* for what precision control does not touch */
static FpEnv exact_env(uint16_t cw)
{
    FpEnv e = env_of(cw);
    e.precision = 64;
    return e;
}
static Fp80 get(const X86Fpr *v) { return (Fp80){ v->mant, v->exp }; }
static void put(X86Fpr *r, Fp80 v)
{
    r->mant = v.sig;
    r->exp = v.se;
}
static uint64_t bits(const void *m, unsigned n)
{
    uint64_t v = 0;
    memcpy(&v, m, n);
    return v;
}

/* A source operand in any of its forms. */
static FpParts source(const FpEnv *e, X87Operand kind, const void *b)
{
    int64_t v;
    switch (kind) {
    case X87_F32: return fp_unpack(e, FP_F32, bits(b, 4));
    case X87_F64: return fp_unpack(e, FP_F64, bits(b, 8));
    case X87_I16: v = (int16_t)bits(b, 2); break;
    case X87_I32: v = (int32_t)bits(b, 4); break;
    default: return fp80_unpack(get(b));
    }
    return fp80_unpack(fp80_from_int(v));
}
static FpParts negated(FpParts p)
{
    p.sign ^= !fp_is_nan(&p);
    return p;
}

static unsigned arith(X87Arith op, X87Operand kind, uint16_t cw, X86Fpr *r, const X86Fpr *va,
                      const void *vb)
{
    FpEnv e = env_of(cw);
    FpParts a = fp80_unpack(get(va)), b = source(&e, kind, vb), v;
    switch (op) {
    case X87_ADD:  v = fp_parts_add(&e, FP_F80, a, b); break;
    case X87_MUL:  v = fp_parts_mul(&e, FP_F80, a, b); break;
    case X87_SUB:  v = fp_parts_add(&e, FP_F80, a, negated(b)); break;
    case X87_SUBR: v = fp_parts_add(&e, FP_F80, b, negated(a)); break;
    case X87_DIV:  v = fp_parts_div(&e, FP_F80, a, b); break;
    default:       v = fp_parts_div(&e, FP_F80, b, a); break;
    }
    put(r, fp80_pack(v));
    return e.flags;
}

static unsigned compare(X87Operand kind, const X86Fpr *va, const void *vb, bool signals)
{
    static const uint16_t codes[] = { [FP_LESS] = SW_C0,
                                      [FP_EQUAL] = SW_C3,
                                      [FP_GREATER] = 0,
                                      [FP_UNORDERED] = SW_C0 | SW_C2 | SW_C3 };
    FpEnv e = { .x87 = true };
    FpParts a = fp80_unpack(get(va)), b = source(&e, kind, vb);
    FpRelation r = fp_parts_compare(&e, &a, &b, signals);
    return e.flags | codes[r];
}

#define FORM(op, number, kind, suffix)                      \
    static unsigned op##suffix(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b) { return arith(number, kind, cw, r, a, b); }
#define ARITH(op, number)                                                                         \
    FORM(op, number, X87_ST, _st) FORM(op, number, X87_F32, _f32) FORM(op, number, X87_F64, _f64) \
    FORM(op, number, X87_I16, _i16)                                                               \
    FORM(op, number, X87_I32, _i32)
ARITH(add, X87_ADD)
ARITH(mul, X87_MUL)
ARITH(sub, X87_SUB)
ARITH(subr, X87_SUBR)
ARITH(div, X87_DIV)
ARITH(divr, X87_DIVR)
#define COM(kind, suffix)                                   \
    static unsigned com##suffix(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b) { return compare(kind, a, b, true); }
COM(X87_ST, _st)
COM(X87_F32, _f32)
COM(X87_F64, _f64)
COM(X87_I16, _i16)
COM(X87_I32, _i32)
unsigned x87_ucom(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b)
{
    return compare(X87_ST, a, b, false);
}

#define OPERANDS(op) { op##_st, op##_f32, op##_f64, op##_i16, op##_i32 }
X87ArithFn *const x87_arith[8][X87_I32 + 1] = {
    [X87_ADD] = OPERANDS(add), [X87_MUL] = OPERANDS(mul),
    [X87_COM] = OPERANDS(com), [X87_COMP] = OPERANDS(com),
    [X87_SUB] = OPERANDS(sub), [X87_SUBR] = OPERANDS(subr),
    [X87_DIV] = OPERANDS(div), [X87_DIVR] = OPERANDS(divr),
};

unsigned x87_comi(uint16_t cw, const X86Fpr *a, const X86Fpr *b, bool unordered, unsigned *eflags)
{
    unsigned sw = compare(X87_ST, a, b, !unordered);
    *eflags = (sw & SW_C3 ? EF_ZF : 0) | (sw & SW_C2 ? EF_PF : 0) | (sw & SW_C0 ? EF_CF : 0);
    return sw & SW_EXC;
}

/* ---- loads and stores ---- */
unsigned x87_load(X87Operand kind, X86Fpr *r, const void *m)
{
    FpEnv e = { .x87 = true, .precision = 64 };
    switch (kind) {
    case X87_F32: put(r, fp80_from(&e, FP_F32, bits(m, 4))); break;
    case X87_F64: put(r, fp80_from(&e, FP_F64, bits(m, 8))); break;
    case X87_I16: put(r, fp80_from_int((int16_t)bits(m, 2))); break;
    case X87_I32: put(r, fp80_from_int((int32_t)bits(m, 4))); break;
    case X87_I64: put(r, fp80_from_int((int64_t)bits(m, 8))); break;
    case X87_BCD: put(r, fp80_from_bcd(m)); break;
    default: break;
    }
    return e.flags;
}

unsigned x87_store(uint16_t cw, X87Operand kind, void *m, const X86Fpr *a, bool truncate)
{
    FpEnv e = exact_env(cw);
    uint64_t v = 0;
    e.rounding = truncate ? FP_TRUNCATE : e.rounding;
    switch (kind) {
    case X87_F32: v = fp80_to(&e, FP_F32, get(a)); memcpy(m, &v, 4); break;
    case X87_F64: v = fp80_to(&e, FP_F64, get(a)); memcpy(m, &v, 8); break;
    case X87_I16: v = fp80_to_int(&e, get(a), 16); memcpy(m, &v, 2); break;
    case X87_I32: v = fp80_to_int(&e, get(a), 32); memcpy(m, &v, 4); break;
    case X87_I64: v = fp80_to_int(&e, get(a), 64); memcpy(m, &v, 8); break;
    case X87_BCD: fp80_to_bcd(&e, get(a), m); break;
    default: break;
    }
    /* nothing is stored, nothing was rounded */
    return e.flags & e.unmasked ? e.flags & ~(unsigned)FP_UPWARD : e.flags;
}

/* ---- D9 E4..FF ---- */
#define FUNCTION(name) \
    unsigned x87_##name(uint16_t cw, X86Fpr *r, X86Fpr *r2, const X86Fpr *a, const X86Fpr *b)
#define SIMPLE(name, environment, expr) \
    FUNCTION(name) { FpEnv e = environment(cw); put(r, expr); return e.flags; }
SIMPLE(f2xm1,   exact_env, fp80_2xm1(&e, get(a)))
SIMPLE(fsqrt,   env_of,    fp80_sqrt(&e, get(a)))
SIMPLE(frndint, exact_env, fp80_round_int(&e, get(a)))
SIMPLE(fyl2x,   exact_env, fp80_yl2x(&e, get(a), get(b)))
SIMPLE(fyl2xp1, exact_env, fp80_yl2xp1(&e, get(a), get(b)))
SIMPLE(fpatan,  exact_env, fp80_patan(&e, get(a), get(b)))
SIMPLE(fscale,  exact_env, fp80_scale(&e, get(a), get(b)))

FUNCTION(ftst)
{
    X86Fpr zero = { 0 };
    return compare(X87_ST, a, &zero, true);
}

static unsigned trigonometric(uint16_t cw, X86Fpr *r, const X86Fpr *a, bool cosine)
{
    FpEnv e = exact_env(cw);
    Fp80 v = get(a);
    unsigned c2 = fp80_sincos(&e, v, cosine ? NULL : &v, cosine ? &v : NULL) ? 0 : SW_C2;
    put(r, v);
    return e.flags | c2;
}
FUNCTION(fsin) { return trigonometric(cw, r, a, false); }
FUNCTION(fcos) { return trigonometric(cw, r, a, true); }

FUNCTION(fsincos)
{
    FpEnv e = exact_env(cw);
    Fp80 s = get(a), c = { 0, 0 };
    unsigned c2 = fp80_sincos(&e, s, &s, &c) ? 0 : SW_C2;
    put(r, s);
    put(r2, c);
    return e.flags | c2;
}

FUNCTION(fptan)                                         /* pushes 1, or what a NaN makes of it */
{
    FpEnv e = exact_env(cw);
    Fp80 v = get(a);
    unsigned c2 = fp80_tan(&e, v, &v) ? 0 : SW_C2;
    put(r, v);
    put(r2, (v.se & 0x7fff) == 0x7fff && v.sig << 1 ? v : (Fp80){ UINT64_C(1) << 63, 0x3fff });
    return e.flags | c2;
}

/* r: the exponent, r2: the significand, which is pushed */
FUNCTION(fxtract)
{
    FpEnv e = exact_env(cw);
    Fp80 exponent;
    put(r2, fp80_extract(&e, get(a), &exponent));
    put(r, exponent);
    return e.flags;
}

static unsigned rem(uint16_t cw, X86Fpr *r, const X86Fpr *a, const X86Fpr *b, bool nearest)
{
    FpEnv e = exact_env(cw);
    unsigned q;
    put(r, fp80_rem(&e, get(a), get(b), nearest, &q));
    return e.flags |
           (q & FP_PARTIAL ? SW_C2
                           : (q & 4 ? SW_C0 : 0) | (q & 2 ? SW_C3 : 0) | (q & 1 ? SW_C1 : 0));
}
FUNCTION(fprem) { return rem(cw, r, a, b, false); }
FUNCTION(fprem1) { return rem(cw, r, a, b, true); }

void x87_constant(uint16_t cw, X86Fpr *r, unsigned which)
{
    FpEnv e = exact_env(cw);
    put(r, fp80_constant(&e, which));
}
#endif
