/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * softfloat.h -- floating point in integer arithmetic: binary16, binary32, binary64 and the x87's
 * 80-bit format, with results, flags and NaNs as x86 processors make them.
 *
 * Values of 16, 32 and 64 bits travel zero-extended in a uint64_t.  The environment says how to
 * round and which of the two sets of NaN rules holds, and collects flags at the places that MXCSR
 * and the x87 status word have for them.
 *
 * Spec: IEEE 754-2008 ch. 4-7; Intel SDM (325462) vol. 1, ch. 4.8 (formats, NaNs), 4.9 (exceptions,
 *       tininess is detected after rounding), 8.5 (x87), 11.5 (SSE).
 * Omits: decimal formats; binary128.
 * Threads: pure functions.
 */
#ifndef CPU_SOFTFLOAT_SOFTFLOAT_H
#define CPU_SOFTFLOAT_SOFTFLOAT_H
#include <stdbool.h>
#include <stdint.h>

/* as the RC fields number them */
typedef enum FpRounding { FP_NEAREST, FP_DOWN, FP_UP, FP_TRUNCATE } FpRounding;
/* UPWARD: the x87's C1 */
enum { FP_IE = 1, FP_DE = 2, FP_ZE = 4, FP_OE = 8, FP_UE = 0x10, FP_PE = 0x20, FP_UPWARD = 0x200 };

typedef struct FpEnv {
    uint8_t  rounding;                  /* FpRounding */
    /* SSE: denormal operands are zeroes; tiny results become zero */
    bool     daz, ftz;
    bool     x87;                       /* NaN rules of the x87; flags C1 */
    uint8_t  precision;                 /* x87: bits of a result, 24, 53 or 64 */
    /* x87: FP_OE, FP_UE: then the result has its exponent wrapped */
    uint8_t  unmasked;
    uint16_t flags;                     /* raised; only ever set */
} FpEnv;
/* se: sign and exponent */
typedef struct Fp80 { uint64_t sig; uint16_t se; } Fp80;
/* F80 not as a uint64_t */
typedef enum FpType { FP_F16, FP_F32, FP_F64, FP_F80 } FpType;
typedef enum FpRelation { FP_LESS, FP_EQUAL, FP_GREATER, FP_UNORDERED } FpRelation;

/* ---- binary16, 32, 64 ---- */
uint64_t fp_add(FpEnv *e, FpType t, uint64_t a, uint64_t b);
uint64_t fp_sub(FpEnv *e, FpType t, uint64_t a, uint64_t b);
uint64_t fp_mul(FpEnv *e, FpType t, uint64_t a, uint64_t b);
uint64_t fp_div(FpEnv *e, FpType t, uint64_t a, uint64_t b);
uint64_t fp_sqrt(FpEnv *e, FpType t, uint64_t a);
/* a * b + c, rounded once; a NaN is looked for in this order.  negate: of the product, of c. */
enum { FP_NEGATE_PRODUCT = 1, FP_NEGATE_ADDEND = 2 };
uint64_t fp_fma(FpEnv *e, FpType t, uint64_t a, uint64_t b, uint64_t c, unsigned negate);
/* MINSS: b, if unordered or both zero */
uint64_t fp_min(FpEnv *e, FpType t, uint64_t a, uint64_t b);
uint64_t fp_max(FpEnv *e, FpType t, uint64_t a, uint64_t b);
/* signals: invalid for QNaNs too */
FpRelation fp_compare(FpEnv *e, FpType t, uint64_t a, uint64_t b, bool signals);
/* exact: never inexact */
uint64_t fp_round_int(FpEnv *e, FpType t, uint64_t a, bool exact);
uint64_t fp_convert(FpEnv *e, FpType from, FpType to, uint64_t a);
/* bits 8..64; the indefinite integer */
uint64_t fp_to_int(FpEnv *e, FpType t, uint64_t a, unsigned bits, bool is_signed);
uint64_t fp_from_int(FpEnv *e, FpType t, int64_t v);
uint64_t fp_from_uint(FpEnv *e, FpType t, uint64_t v);

/* ---- 80 bits ---- */
Fp80     fp80_add(FpEnv *e, Fp80 a, Fp80 b);
Fp80     fp80_sub(FpEnv *e, Fp80 a, Fp80 b);
Fp80     fp80_mul(FpEnv *e, Fp80 a, Fp80 b);
Fp80     fp80_div(FpEnv *e, Fp80 a, Fp80 b);
Fp80     fp80_sqrt(FpEnv *e, Fp80 a);
FpRelation fp80_compare(FpEnv *e, Fp80 a, Fp80 b, bool signals);
Fp80     fp80_round_int(FpEnv *e, Fp80 a);
Fp80     fp80_from(FpEnv *e, FpType t, uint64_t a);
uint64_t fp80_to(FpEnv *e, FpType t, Fp80 a);
uint64_t fp80_to_int(FpEnv *e, Fp80 a, unsigned bits);
Fp80     fp80_from_int(int64_t v);
void     fp80_to_bcd(FpEnv *e, Fp80 a, uint8_t bcd[10]);
Fp80     fp80_from_bcd(const uint8_t bcd[10]);
/*
 * The rest of a / b; nearest: FPREM1.  Low bits of the quotient in *quotient, or FP_PARTIAL and a
 * value to go on with.
 */
enum { FP_PARTIAL = 8 };
Fp80     fp80_rem(FpEnv *e, Fp80 a, Fp80 b, bool nearest, unsigned *quotient);
Fp80     fp80_scale(FpEnv *e, Fp80 a, Fp80 b);
/* the significand */
Fp80     fp80_extract(FpEnv *e, Fp80 a, Fp80 *exponent);
/*
 * Within one unit in the last place.  The trigonometric ones return false, and leave alone *r, for
 * |a| >= 2^63.
 */
Fp80     fp80_2xm1(FpEnv *e, Fp80 a);
Fp80     fp80_yl2x(FpEnv *e, Fp80 x, Fp80 y);
Fp80     fp80_yl2xp1(FpEnv *e, Fp80 x, Fp80 y);
/* the angle of (x, y) */
Fp80     fp80_patan(FpEnv *e, Fp80 x, Fp80 y);
/* either may be NULL */
bool     fp80_sincos(FpEnv *e, Fp80 a, Fp80 *sine, Fp80 *cosine);
bool     fp80_tan(FpEnv *e, Fp80 a, Fp80 *r);
/* FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ. */
Fp80     fp80_constant(const FpEnv *e, unsigned which);
#endif
