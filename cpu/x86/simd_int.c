/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_int.c -- the meaning of MMX and SSE integer arithmetic, compares, shifts and sums.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 4-5.
 * Threads: pure functions on the operands.
 */
#include "cpu/x86/simd_fn.h"

/* ---- logic, addition, subtraction ---- */
LANES_PX(pand,    u64, a & b)
LANES_PX(pandn,   u64, ~a & b)
LANES_PX(por,     u64, a | b)
LANES_PX(pxor,    u64, a ^ b)
LANES_PX(paddb,   u8,  a + b)
LANES_PX(paddw,   u16, a + b)
LANES_PX(paddd,   u32, a + b)
LANES_PX(paddq,   u64, a + b)
LANES_PX(psubb,   u8,  a - b)
LANES_PX(psubw,   u16, a - b)
LANES_PX(psubd,   u32, a - b)
LANES_PX(psubq,   u64, a - b)
LANES_PX(paddsb,  s8,  sat_s8(a + b))
LANES_PX(paddsw,  s16, sat_s16(a + b))
LANES_PX(paddusb, u8,  sat_u8(a + b))
LANES_PX(paddusw, u16, sat_u16(a + b))
LANES_PX(psubsb,  s8,  sat_s8(a - b))
LANES_PX(psubsw,  s16, sat_s16(a - b))
LANES_PX(psubusb, u8,  sat_u8(a - b))
LANES_PX(psubusw, u16, sat_u16(a - b))
LANES_PX(pavgb,   u8,  (a + b + 1) >> 1)
LANES_PX(pavgw,   u16, (a + b + 1) >> 1)

/* ---- compares, minimum, maximum, sign ---- */
LANES_PX(pcmpeqb, u8,  a == b ? -1 : 0)
LANES_PX(pcmpeqw, u16, a == b ? -1 : 0)
LANES_PX(pcmpeqd, u32, a == b ? -1 : 0)
LANES(pcmpeqq,    u64, a == b ? -1 : 0)
LANES_PX(pcmpgtb, s8,  a > b ? -1 : 0)
LANES_PX(pcmpgtw, s16, a > b ? -1 : 0)
LANES_PX(pcmpgtd, s32, a > b ? -1 : 0)
LANES(pcmpgtq,    s64, a > b ? -1 : 0)
LANES_PX(pminub,  u8,  MIN(a, b))
LANES_PX(pmaxub,  u8,  MAX(a, b))
LANES_PX(pminsw,  s16, MIN(a, b))
LANES_PX(pmaxsw,  s16, MAX(a, b))
LANES(pminsb,     s8,  MIN(a, b))
LANES(pminsd,     s32, MIN(a, b))
LANES(pminuw,     u16, MIN(a, b))
LANES(pminud,     u32, MIN(a, b))
LANES(pmaxsb,     s8,  MAX(a, b))
LANES(pmaxsd,     s32, MAX(a, b))
LANES(pmaxuw,     u16, MAX(a, b))
LANES(pmaxud,     u32, MAX(a, b))
LANES_PX(pabsb,   s8,  b < 0 ? -b : b)
LANES_PX(pabsw,   s16, b < 0 ? -b : b)
LANES_PX(pabsd,   s32, b < 0 ? 0u - (uint32_t)b : (uint32_t)b)
LANES_PX(psignb,  s8,  b < 0 ? -a : b ? a : 0)
LANES_PX(psignw,  s16, b < 0 ? -a : b ? a : 0)
LANES_PX(psignd,  s32, b < 0 ? 0u - (uint32_t)a : b ? (uint32_t)a : 0)

/* ---- multiplication ---- */
LANES_PX(pmullw,  s16, a * b)
LANES_PX(pmulhw,  s16, (a * b) >> 16)
LANES_PX(pmulhuw, u16, ((uint32_t)a * b) >> 16)
LANES_PX(pmulhrsw, s16, (((a * b) >> 14) + 1) >> 1)
LANES(pmulld,     u32, a * b)
LANES_PX(pmuludq, u64, (uint64_t)(uint32_t)a * (uint32_t)b)
LANES(pmuldq,     s64, (int64_t)(int32_t)a * (int32_t)b)

/*
 * name: n results of `to`, each from the pair of lanes 2i, 2i+1 of operands viewed by macros A(k),
 * B(k).
 */
#define PAIRS_N(name, to, n, from_d, from_s, expr)                                                                      \
    FN(name)                                                                                                            \
    {                                                                                                                   \
        X86Lanes *D = d, r;                                                                                             \
        const X86Lanes *S = s;                                                                                          \
        for (unsigned i = 0; i < (n); i++) {                                                                            \
            int64_t a0 = D->from_d[2 * i], a1 = D->from_d[2 * i + 1], b0 = S->from_s[2 * i], b1 = S->from_s[2 * i + 1]; \
            r.to[i] = (__typeof__(r.to[0]))(expr);                                                                      \
        }                                                                                                               \
        memcpy(d, &r, (n) * sizeof r.to[0]);                                                                            \
        return 0;                                                                                                       \
    }
#define PAIRS_PX(name, to, from_d, from_s, expr)               \
    PAIRS_N(name##_p, to, COUNT(to) / 2, from_d, from_s, expr) \
    PAIRS_N(name, to, COUNT(to), from_d, from_s, expr)

PAIRS_PX(pmaddwd,   u32, s16, s16, a0 * b0 + a1 * b1)
PAIRS_PX(pmaddubsw, s16, u8,  s8,  sat_s16((int)(a0 * b0 + a1 * b1)))

/* Horizontal: the lower half of the result from pairs of d, the upper from pairs of s. */
#define HORIZONTAL_N(name, lane, n, expr) \
    FN(name) \
    { \
        X86Vec r; \
        const X86Lanes *D = d, *S = s; \
        for (unsigned i = 0; i < (n) / 2; i++) { \
            int64_t a = D->lane[2 * i], b = D->lane[2 * i + 1]; \
            r.lane[i] = (__typeof__(r.lane[0]))(expr); \
            a = S->lane[2 * i], b = S->lane[2 * i + 1]; \
            r.lane[(n) / 2 + i] = (__typeof__(r.lane[0]))(expr); \
        } \
        memcpy(d, &r, (n) * sizeof r.lane[0]); \
        return 0; \
    }
#define HORIZONTAL_PX(name, lane, expr) \
    HORIZONTAL_N(name##_p, lane, COUNT(lane) / 2, expr) HORIZONTAL_N(name, lane, COUNT(lane), expr)

HORIZONTAL_PX(phaddw,  s16, a + b)
HORIZONTAL_PX(phaddd,  s32, a + b)
HORIZONTAL_PX(phaddsw, s16, sat_s16((int)(a + b)))
HORIZONTAL_PX(phsubw,  s16, a - b)
HORIZONTAL_PX(phsubd,  s32, a - b)
HORIZONTAL_PX(phsubsw, s16, sat_s16((int)(a - b)))

/* ---- sums of absolute differences, horizontal minimum ---- */
static void sad(void *d, const void *s, unsigned halves)
{
    X86Lanes *D = d;
    const X86Lanes *S = s;
    for (unsigned h = 0; h < halves; h++) {
        unsigned sum = 0;
        for (unsigned i = 8 * h; i < 8 * h + 8; i++)
            sum += (unsigned)abs(D->u8[i] - S->u8[i]);
        D->u64[h] = sum;
    }
}
FN(psadbw_p) { sad(d, s, 1); return 0; }
FN(psadbw) { sad(d, s, 2); return 0; }

FN(mpsadbw)
{
    X86Lanes *D = d, r;
    const X86Lanes *S = s;
    unsigned to = (imm8 >> 2 & 1) * 4, from = (imm8 & 3) * 4;
    for (unsigned i = 0; i < 8; i++) {
        unsigned sum = 0;
        for (unsigned k = 0; k < 4; k++)
            sum += (unsigned)abs(D->u8[to + i + k] - S->u8[from + k]);
        r.u16[i] = (uint16_t)sum;
    }
    memcpy(d, &r, 16);
    return 0;
}

FN(phminposuw)
{
    const X86Lanes *S = s;
    unsigned at = 0;
    for (unsigned i = 1; i < 8; i++) {
        if (S->u16[i] < S->u16[at])
            at = i;
    }
    uint64_t r = S->u16[at] | (uint64_t)at << 16;
    ((X86Lanes *)d)->u64[0] = r;
    ((X86Lanes *)d)->u64[1] = 0;
    return 0;
}

FN(ptest)
{
    const X86Lanes *D = d, *S = s;
    uint64_t both = (D->u64[0] & S->u64[0]) | (D->u64[1] & S->u64[1]);
    uint64_t rest = (~D->u64[0] & S->u64[0]) | (~D->u64[1] & S->u64[1]);
    return (both ? 0 : EF_ZF) | (rest ? 0 : EF_CF);
}

/* ---- shifts: by the low 64 bits of the source, and by an immediate ---- */
#define SHIFT_N(name, lane, n, count, expr) \
    FN(name) \
    { \
        X86Lanes *D = d; \
        uint64_t c = (count); \
        for (unsigned i = 0; i < (n); i++) { \
            __typeof__(D->lane[0]) a = D->lane[i]; \
            D->lane[i] = (__typeof__(a))(expr); \
        } \
        return 0; \
    }
#define SHIFT(name, lane, expr) \
    SHIFT_N(name##_p, lane, COUNT(lane) / 2, ((const X86Lanes *)s)->u64[0], expr) \
    SHIFT_N(name, lane, COUNT(lane), ((const X86Lanes *)s)->u64[0], expr) \
    SHIFT_N(name##_pi, lane, COUNT(lane) / 2, imm8, expr) \
    SHIFT_N(name##_i, lane, COUNT(lane), imm8, expr)

SHIFT(psrlw, u16, c > 15 ? 0 : a >> c)
SHIFT(psrld, u32, c > 31 ? 0 : a >> c)
SHIFT(psrlq, u64, c > 63 ? 0 : a >> c)
SHIFT(psraw, s16, a >> MIN(c, 15))
SHIFT(psrad, s32, a >> MIN(c, 31))
SHIFT(psllw, u16, c > 15 ? 0 : a << c)
SHIFT(pslld, u32, c > 31 ? 0 : a << c)
SHIFT(psllq, u64, c > 63 ? 0 : a << c)

FN(psrldq_i)
{
    uint8_t t[32] = { 0 };
    memcpy(t, d, 16);
    memcpy(d, t + MIN(imm8, 16), 16);
    return 0;
}

FN(pslldq_i)
{
    uint8_t t[32] = { 0 };
    memcpy(t + 16, d, 16);
    memcpy(d, t + 16 - MIN(imm8, 16), 16);
    return 0;
}
