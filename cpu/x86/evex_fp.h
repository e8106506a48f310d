/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_fp.h -- binary32 and binary64 by integer arithmetic: the parts that no instruction of the
 * host does.
 *
 * Spec: IEEE 754-2008; Intel SDM (325462) vol. 1, ch. 4.8 and 11.5 (MXCSR, default NaN, flushing).
 */
#ifndef CPU_X86_EVEX_FP_H
#define CPU_X86_EVEX_FP_H
#include "cpu/x86/evex.h"

enum { FX_IE = 1, FX_DE = 2, FX_ZE = 4, FX_OE = 8, FX_UE = 0x10, FX_PE = 0x20, FX_DAZ = 0x40,
       FX_FTZ = 0x8000 };
enum { FX_NEAREST, FX_DOWN, FX_UP, FX_ZERO };

/* max: the exponent of all ones */
typedef struct EvfFormat { unsigned bytes, frac_bits, bias, max; } EvfFormat;
static inline EvfFormat evf_format(unsigned bytes)
{
    return bytes == 4 ? (EvfFormat){ 4, 23, 127, 0xff } : (EvfFormat){ 8, 52, 1023, 0x7ff };
}

typedef enum { EVF_ZERO, EVF_DENORMAL, EVF_NORMAL, EVF_INF, EVF_QNAN, EVF_SNAN } EvfClass;
/* value: (-1)^sign * mant * 2^exp, mant without leading zeroes lost */
typedef struct Evf {
    EvfClass  class;
    bool     sign;
    int      exp;
    uint64_t mant, bits;
} Evf;

static inline unsigned evf_rc(const EvexOp *o) { return o->mxcsr >> 13 & 3; }
static inline uint64_t evf_sign_bit(EvfFormat f) { return UINT64_C(1) << (8 * f.bytes - 1); }
static inline uint64_t evf_quiet_bit(EvfFormat f) { return UINT64_C(1) << (f.frac_bits - 1); }
static inline uint64_t evf_inf(EvfFormat f, bool sign)
{
    return (uint64_t)f.max << f.frac_bits | (sign ? evf_sign_bit(f) : 0);
}
static inline uint64_t evf_zero(EvfFormat f, bool sign) { return sign ? evf_sign_bit(f) : 0; }
static inline uint64_t evf_one(EvfFormat f, bool sign)
{
    return (uint64_t)f.bias << f.frac_bits | (sign ? evf_sign_bit(f) : 0);
}
static inline uint64_t evf_default_nan(EvfFormat f) { return evf_inf(f, true) | evf_quiet_bit(f); }
static inline bool evf_is_nan(const Evf *a) { return a->class >= EVF_QNAN; }

Evf       evf_unpack(EvfFormat f, uint64_t bits, bool daz);
/* The NaN that an operation on NaN a gives; IE if it signals. */
uint64_t evf_quiet(EvexOp *o, EvfFormat f, const Evf *a);
/*
 * mant * 2^exp, rounded to the format under o->mxcsr with rounding rc; a low bit of mant that is
 * set may stand for more.
 */
uint64_t evf_round(EvexOp *o, EvfFormat f, unsigned rc, bool sign, int exp, uint64_t mant);
/*
 * mant * 2^exp to an integer, whose size must be below 2^64 (else *big); *inexact where it was
 * none.
 */
uint64_t evf_to_integer(unsigned rc, bool sign, int exp, uint64_t mant, bool *inexact, bool *big);
#endif
