/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parts.h -- what the files of cpu/softfloat share: a value taken apart, and rounding.
 *
 * Threads: pure functions.
 */
#ifndef CPU_SOFTFLOAT_PARTS_H
#define CPU_SOFTFLOAT_PARTS_H
#include "cpu/softfloat/softfloat.h"

typedef unsigned __int128 FpU128;       /* C has no wider integer */

/* BAD: no 80-bit value */
typedef enum { FP_IS_ZERO, FP_IS_FINITE, FP_IS_INF, FP_IS_QNAN, FP_IS_SNAN, FP_IS_BAD } FpClass;
typedef struct FpParts {
    uint8_t  cls;                       /* FpClass */
    bool     sign, denormal;
    int32_t  exp;
    /* finite: bit 63 set, the value is sig / 2^63 * 2^exp; NaN: payload, the quiet bit is 62 */
    uint64_t sig;
} FpParts;

typedef struct FpFormat {
    uint8_t bits, frac_bits;
    uint8_t precision;
    int16_t bias;                       /* and largest exponent; the smallest is 1 - bias */
} FpFormat;
extern const FpFormat fp_formats[];     /* by FpType */

static inline bool fp_is_nan(const FpParts *p) { return p->cls >= FP_IS_QNAN; }
static inline unsigned fp_clz128(FpU128 v)                              /* v != 0 */
{
    uint64_t high = (uint64_t)(v >> 64);
    return (unsigned)(high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)v));
}
/* shift right; what falls out leaves bit 0 set */
static inline FpU128 fp_jam(FpU128 v, unsigned by)
{
    if (by == 0)
        return v;
    if (by >= 128)
        return v != 0;
    return v >> by | ((v << (128 - by)) != 0);
}

FpParts  fp_unpack(const FpEnv *e, FpType t, uint64_t v);
/* p fits t; SNaNs become quiet */
uint64_t fp_pack(FpType t, FpParts p);
FpParts  fp80_unpack(Fp80 v);
Fp80     fp80_pack(FpParts p);
/* sig / 2^127 * 2^exp (bit 127 set) to `precision` bits in t's range. */
FpParts  fp_round(FpEnv *e, FpType t, unsigned precision, bool sign, int32_t exp, FpU128 sig);
/* sig may be small or 0 */
FpParts  fp_round_wide(FpEnv *e, FpType t, unsigned precision, bool sign, int32_t exp, FpU128 sig);
/* The integer nearest by the rounding mode; *inexact: there was more.  p finite, exp < 64. */
FpU128   fp_integer(FpEnv *e, const FpParts *p, bool *inexact, bool *up);
/* raises FP_IE: the default NaN */
FpParts  fp_invalid(FpEnv *e);
/* Where a or b is a NaN or no value: *r is the result. */
bool     fp_nan2(FpEnv *e, const FpParts *a, const FpParts *b, FpParts *r);
static inline bool fp_nan1(FpEnv *e, const FpParts *a, FpParts *r) { return fp_nan2(e, a, a, r); }
static inline FpParts fp_special(FpClass cls, bool sign)
{
    return (FpParts){ .cls = (uint8_t)cls, .sign = sign };
}
static inline void fp_see_denormals(FpEnv *e, const FpParts *a, const FpParts *b)
{
    if (a->denormal || b->denormal)
        e->flags |= FP_DE;
}

/* Operations on parts; the result is rounded for t. */
FpParts  fp_parts_add(FpEnv *e, FpType t, FpParts a, FpParts b);
FpParts  fp_parts_mul(FpEnv *e, FpType t, FpParts a, FpParts b);
FpParts  fp_parts_div(FpEnv *e, FpType t, FpParts a, FpParts b);
FpParts  fp_parts_sqrt(FpEnv *e, FpType t, FpParts a);
FpRelation fp_parts_compare(FpEnv *e, const FpParts *a, const FpParts *b, bool signals);
FpParts  fp_parts_round_int(FpEnv *e, FpParts a, bool exact);
uint64_t fp_parts_to_int(FpEnv *e, const FpParts *a, unsigned bits, bool is_signed);
static inline unsigned fp_result_bits(const FpEnv *e, FpType t)
{
    return t == FP_F80 ? e->precision : fp_formats[t].precision;
}
#endif
