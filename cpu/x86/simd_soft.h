/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_soft.h -- what portable meanings of vector floating point share: MXCSR as an environment,
 * lanes, predicates.
 *
 * Threads: the vCPU's own.
 */
#ifndef CPU_X86_SIMD_SOFT_H
#define CPU_X86_SIMD_SOFT_H
#include <string.h>
#include "cpu/softfloat/softfloat.h"
#include "cpu/x86/simd.h"

static inline FpEnv x86_sse_env(const X86Cpu *c)
{
    return (FpEnv){ .rounding = c->mxcsr >> 13 & 3, .daz = c->mxcsr >> 6 & 1,
                    .ftz = c->mxcsr >> 15 & 1 };
}
static inline uint64_t x86_sse_done(X86Cpu *c, const FpEnv *e)
{
    c->mxcsr |= e->flags & X86_MXCSR_FLAGS;
    return 0;
}

static inline uint64_t x86_lane(const void *v, FpType t, unsigned i)
{
    const X86Lanes *l = v;
    return t == FP_F64 ? l->u64[i] : t == FP_F32 ? l->u32[i] : l->u16[i];
}
static inline void x86_put_lane(void *v, FpType t, unsigned i, uint64_t value)
{
    X86Lanes *l = v;
    if (t == FP_F64)
        l->u64[i] = value;
    else if (t == FP_F32)
        l->u32[i] = (uint32_t)value;
    else
        l->u16[i] = (uint16_t)value;
}

/*
 * VCMPPS's 32 predicates (SDM vol. 2, table 3-1): EQ LT LE UNORD NEQ NLT NLE ORD, EQ_UQ NGE NGT
 * FALSE NEQ_OQ GE GT TRUE, and the same again with the other rule for QNaNs.
 */
static inline bool x86_fp_predicate(FpEnv *e, FpType t, uint64_t a, uint64_t b, unsigned predicate)
{
    enum { L = 1 << FP_LESS, E = 1 << FP_EQUAL, G = 1 << FP_GREATER, U = 1 << FP_UNORDERED };
    static const uint8_t holds[16] = { E, L, L | E, U, L | G | U, E | G | U, G | U, L | E | G,
                                       E | U, L | U, L | E | U, 0, L | G, G | E, G,
                                       L | E | G | U };
    static const uint16_t signals =
        1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14;
    bool is_signalling = (signals >> (predicate & 15) & 1) != (predicate >> 4 & 1);
    return holds[predicate & 15] >> fp_compare(e, t, a, b, is_signalling) & 1;
}
#endif
