/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_fn.h -- how the meanings of vector operations are written: one function a row of simd.def,
 * on plain memory.
 *
 * d and s may be the same register.  Names end in _p where the operands are MMX registers (8
 * bytes).
 */
#ifndef CPU_X86_SIMD_FN_H
#define CPU_X86_SIMD_FN_H
#include <string.h>
#include "cpu/x86/simd.h"

#define SIMD(name, prefix, map, opcode, modrm, dst, src, imm, bytes, align, feature, props, fn) \
    uint64_t simd_##fn(void *cpu, void *d, const void *s, unsigned imm8);
#define SIMDH(...)
#include "cpu/x86/simd.def"
#undef SIMD
#undef SIMDH

#define FN(name) uint64_t simd_##name(void *cpu, void *d, const void *s, unsigned imm8)

/*
 * name: for each lane, the destination's a and the source's b give expr; n lanes of `lane` (a
 * member of X86Vec).
 */
#define LANES_N(name, lane, n, expr) \
    FN(name) \
    { \
        X86Lanes *D = d; \
        const X86Lanes *S = s; \
        for (unsigned i = 0; i < (n); i++) { \
            __typeof__(D->lane[0]) a = D->lane[i], b = S->lane[i]; \
            (void)a; \
            D->lane[i] = (__typeof__(a))(expr); \
        } \
        return 0; \
    }
#define COUNT(lane) (16 / sizeof ((X86Lanes *)0)->lane[0])
#define LANES(name, lane, expr) LANES_N(name, lane, COUNT(lane), expr)
#define LANES_PX(name, lane, expr) \
    LANES_N(name##_p, lane, COUNT(lane) / 2, expr) LANES_N(name, lane, COUNT(lane), expr)

static inline int8_t   sat_s8(int v) { return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v); }
static inline uint8_t  sat_u8(int v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }
static inline int16_t sat_s16(int v)
{
    return (int16_t)(v < -32768 ? -32768 : v > 32767 ? 32767 : v);
}
static inline uint16_t sat_u16(int v) { return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v); }
#endif
