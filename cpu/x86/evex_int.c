/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_int.c -- what integer instructions of AVX-512 do to each element, where no instruction with
 * VEX does the same.
 *
 * Loops run over all 64 bytes whatever the vector length, so that the compiler unrolls them;
 * evex_run.c takes what counts.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name.
 * Threads: pure functions on the operation.
 */
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/evex.h"

#define N_OF(lane) (64 / sizeof ((X86Vec *)0)->lane[0])
/* For each lane: a and b of the sources, d the old destination, give expr. */
#define LANES(o, lane, expr)                                                                         \
    for (unsigned i = 0; i < N_OF(lane); i++) {                                                      \
        __typeof__((o)->d.lane[0]) a = (o)->s[0].lane[i], b = (o)->s[1].lane[i], d = (o)->d.lane[i]; \
        (void)a; (void)b; (void)d;                                                                   \
        (o)->d.lane[i] = (__typeof__(a))(expr);                                                      \
    }
#define BITS(x) (8 * sizeof(x))
/* One function for all four, or the upper three, sizes of an element: t is u or s. */
#define BY_SIZE(name, t, expr) \
    void evex_##name(EvexOp *o) \
    { \
        switch (o->row->to) { \
        case 1: LANES(o, t##8, expr) break; \
        case 2: LANES(o, t##16, expr) break; \
        case 4: LANES(o, t##32, expr) break; \
        default: LANES(o, t##64, expr) break; \
        } \
    }

void evex_copy(EvexOp *o) { o->d = o->s[0]; }
void evex_second(EvexOp *o) { o->d = o->s[1]; }
void evex_scalar_copy(EvexOp *o) { o->d = o->s[1]; }    /* the rest is the engine's */

BY_SIZE(absq, s, a < 0 ? 0 - (uint64_t)a : (uint64_t)a)
BY_SIZE(minsq, s, a < b ? a : b)
BY_SIZE(maxsq, s, a > b ? a : b)
BY_SIZE(minuq, u, a < b ? a : b)
BY_SIZE(maxuq, u, a > b ? a : b)
BY_SIZE(mullq, u, a * b)
BY_SIZE(testm, s, a & b ? -1 : 0)
BY_SIZE(testnm, s, a & b ? 0 : -1)

/* ---- shifts: by an immediate, by the low quadword of the second source, element by element */
#define SHIFT_LEFT(a, n) ((n) < BITS(a) ? (uint64_t)(a) << (n) : 0)
#define SHIFT_RIGHT(a, n) ((n) < BITS(a) ? (uint64_t)(a) >> (n) : 0)
#define SHIFT_ARITHMETIC(a, n) ((a) >> MIN((n), BITS(a) - 1))
#define BY_COUNT(name, t, expr, ...) \
    void evex_##name(EvexOp *o) \
    { \
        uint64_t n = __VA_ARGS__; \
        switch (o->row->to) { \
        case 2: LANES(o, t##16, expr) break; \
        case 4: LANES(o, t##32, expr) break; \
        default: LANES(o, t##64, expr) break; \
        } \
    }
BY_COUNT(sll_i, u, SHIFT_LEFT(a, n), o->imm)
BY_COUNT(srl_i, u, SHIFT_RIGHT(a, n), o->imm)
BY_COUNT(sra_i, s, SHIFT_ARITHMETIC(a, n), o->imm)
BY_COUNT(sll, u, SHIFT_LEFT(a, n), o->s[1].u64[0])
BY_COUNT(srl, u, SHIFT_RIGHT(a, n), o->s[1].u64[0])
BY_COUNT(sra, s, SHIFT_ARITHMETIC(a, n), o->s[1].u64[0])
BY_SIZE(sllv, u, SHIFT_LEFT(a, b))
BY_SIZE(srlv, u, SHIFT_RIGHT(a, b))
BY_SIZE(srav, s, SHIFT_ARITHMETIC(a, (uint64_t)b << (64 - BITS(b)) >> (64 - BITS(b))))

#define ROTATE(a, n) ((n) % BITS(a) ? (uint64_t)(a) << ((n) % BITS(a)) | (uint64_t)(a) >> (BITS(a) - (n) % BITS(a)) : (a))
BY_COUNT(rol_i, u, ROTATE(a, n), o->imm)
BY_COUNT(ror_i, u, ROTATE(a, n), 0 - (uint64_t)o->imm)
BY_SIZE(rolv, u, ROTATE(a, (uint64_t)b))
BY_SIZE(rorv, u, ROTATE(a, 0 - (uint64_t)b))

static void byte_shift(EvexOp *o, bool left)
{
    unsigned n = MIN(o->imm, 16u);
    memset(&o->d, 0, sizeof o->d);
    for (unsigned at = 0; at < 64; at += 16)
        memcpy(&o->d.u8[at + (left ? n : 0)], &o->s[0].u8[at + (left ? 0 : n)], 16 - n);
}
void evex_slldq_i(EvexOp *o) { byte_shift(o, true); }
void evex_srldq_i(EvexOp *o) { byte_shift(o, false); }

/* Two words side by side, shifted: the upper one first. */
#define SHLD(hi, lo, n)                                     \
    ((n) % BITS(hi) ? (uint64_t)(hi) << ((n) % BITS(hi)) | (uint64_t)(lo) >> (BITS(hi) - (n) % BITS(hi)) : (hi))
#define SHRD(hi, lo, n)                                     \
    ((n) % BITS(hi) ? (uint64_t)(lo) >> ((n) % BITS(hi)) | (uint64_t)(hi) << (BITS(hi) - (n) % BITS(hi)) : (lo))
BY_COUNT(shld_i, u, SHLD(a, b, n), o->imm)
BY_COUNT(shrd_i, u, SHRD(b, a, n), o->imm)
BY_SIZE(shldv, u, SHLD(d, a, (uint64_t)b))
BY_SIZE(shrdv, u, SHRD(a, d, (uint64_t)b))

/* ---- comparisons with an immediate: EQ LT LE FALSE NE GE GT TRUE ---- */
#define COMPARE(o, lane) \
    switch ((o)->imm & 7) { \
    case 0: LANES(o, lane, a == b ? -1 : 0) break; \
    case 1: LANES(o, lane, a < b ? -1 : 0) break; \
    case 2: LANES(o, lane, a <= b ? -1 : 0) break; \
    case 3: LANES(o, lane, 0) break; \
    case 4: LANES(o, lane, a != b ? -1 : 0) break; \
    case 5: LANES(o, lane, a >= b ? -1 : 0) break; \
    case 6: LANES(o, lane, a > b ? -1 : 0) break; \
    default: LANES(o, lane, -1) break; \
    }
#define COMPARES(name, t) \
    void evex_##name(EvexOp *o) \
    { \
        switch (o->row->to) { \
        case 1: COMPARE(o, t##8) break; \
        case 2: COMPARE(o, t##16) break; \
        case 4: COMPARE(o, t##32) break; \
        default: COMPARE(o, t##64) break; \
        } \
    }
COMPARES(cmpu, u)
COMPARES(cmps, s)

/* Bit number d a b of the immediate, for each bit: by d, then a, then b. */
void evex_ternlog(EvexOp *o)
{
    uint64_t m[8];
    for (unsigned k = 0; k < 8; k++)
        m[k] = 0 - (uint64_t)(o->imm >> k & 1);
#define BY_B(k) ((b & m[(k) + 1]) | (~b & m[k]))
#define BY_A(k) ((a & BY_B((k) + 2)) | (~a & BY_B(k)))
    LANES(o, u64, (d & BY_A(4)) | (~d & BY_A(0)))
}

/* ---- bits ---- */
void evex_popcnt(EvexOp *o)
{
    for (unsigned i = 0; i < o->n; i++)
        evex_set(&o->d, o->row->to, i,
                 (uint64_t)__builtin_popcountll(evex_get(&o->s[0], o->row->to, i)));
}

void evex_lzcnt(EvexOp *o)
{
    unsigned bits = 8u * o->row->to;
    for (unsigned i = 0; i < o->n; i++) {
        uint64_t v = evex_get(&o->s[0], o->row->to, i);
        evex_set(&o->d, o->row->to, i, v ? (unsigned)__builtin_clzll(v) - (64 - bits) : bits);
    }
}

void evex_conflict(EvexOp *o)           /* which elements below are equal */
{
    for (unsigned i = 0; i < o->n; i++) {
        uint64_t same = 0;
        for (unsigned k = 0; k < i; k++)
            same |=
                (uint64_t)(evex_get(&o->s[0], o->row->to, k) == evex_get(&o->s[0], o->row->to, i))
                << k;
        evex_set(&o->d, o->row->to, i, same);
    }
}

void evex_shufbit(EvexOp *o)            /* bit b[i] of the quadword of a */
{
    for (unsigned i = 0; i < 64; i++)
        o->d.s8[i] = o->s[0].u64[i / 8] >> (o->s[1].u8[i] & 63) & 1 ? -1 : 0;
}

void evex_multishift(EvexOp *o)         /* eight bits of b from bit a[i] on, around the quadword */
{
    for (unsigned i = 0; i < 64; i++) {
        uint64_t v = o->s[1].u64[i / 8];
        o->d.u8[i] = (uint8_t)ROTATE(v, 64u - (o->s[0].u8[i] & 63));
    }
}

/* ---- multiply and add ---- */
static uint64_t product52(uint64_t a, uint64_t b, bool high)
{
    unsigned __int128 p =
        (unsigned __int128)(a & ((UINT64_C(1) << 52) - 1)) * (b & ((UINT64_C(1) << 52) - 1));
    return high ? (uint64_t)(p >> 52) : (uint64_t)p & ((UINT64_C(1) << 52) - 1);
}
void evex_madd52lo(EvexOp *o) { LANES(o, u64, d + product52(a, b, false)) }
void evex_madd52hi(EvexOp *o) { LANES(o, u64, d + product52(a, b, true)) }

static int32_t saturate(int64_t v)
{
    return (int32_t)(v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : v);
}

static void dot(EvexOp *o, bool words, bool saturates)
{
    for (unsigned i = 0; i < 16; i++) {
        int64_t sum = o->d.s32[i];
        for (unsigned k = 0; k < (words ? 2 : 4); k++)
            sum += words ? o->s[0].s16[2 * i + k] * o->s[1].s16[2 * i + k]
                         : o->s[0].u8[4 * i + k] * o->s[1].s8[4 * i + k];
        o->d.s32[i] = saturates ? saturate(sum) : (int32_t)(uint32_t)(uint64_t)sum;
    }
}
void evex_dpbusd(EvexOp *o) { dot(o, false, false); }
void evex_dpbusds(EvexOp *o) { dot(o, false, true); }
void evex_dpwssd(EvexOp *o) { dot(o, true, false); }
void evex_dpwssds(EvexOp *o) { dot(o, true, true); }

/*
 * Sums of absolute differences: two for each doubleword of a, against doublewords of b that the
 * immediate has picked.
 */
void evex_dbpsadbw(EvexOp *o)
{
    for (unsigned lane = 0; lane < 64; lane += 16) {
        uint8_t t[16 + 4] = { 0 };
        for (unsigned k = 0; k < 4; k++)
            memcpy(t + 4 * k, &o->s[1].u8[lane + 4 * (o->imm >> 2 * k & 3)], 4);
        for (unsigned w = 0; w < 8; w++) {
            unsigned from = w / 4 * 8 + w % 4, sum = 0;                 /* in t */
            const uint8_t *a = &o->s[0].u8[lane + w / 2 * 4];
            for (unsigned k = 0; k < 4; k++)
                sum += (unsigned)abs(a[k] - t[from + k]);
            o->d.u16[lane / 2 + w] = (uint16_t)sum;
        }
    }
}

/* ---- narrowing ---- */
static int64_t element_signed(const X86Vec *v, unsigned bytes, unsigned i)
{
    unsigned shift = 64 - 8 * bytes;
    return (int64_t)(evex_get(v, bytes, i) << shift) >> shift;
}

void evex_trunc(EvexOp *o)
{
    for (unsigned i = 0; i < o->n; i++)
        evex_set(&o->d, o->row->to, i, evex_get(&o->s[0], o->row->from, i));
}

void evex_trunc_s(EvexOp *o)
{
    int64_t max = (INT64_C(1) << (8 * o->row->to - 1)) - 1;
    for (unsigned i = 0; i < o->n; i++) {
        int64_t v = element_signed(&o->s[0], o->row->from, i);
        evex_set(&o->d, o->row->to, i, (uint64_t)(v > max ? max : v < -max - 1 ? -max - 1 : v));
    }
}

void evex_trunc_us(EvexOp *o)
{
    uint64_t max = (UINT64_C(1) << 8 * o->row->to) - 1;
    for (unsigned i = 0; i < o->n; i++)
        evex_set(&o->d, o->row->to, i, MIN(evex_get(&o->s[0], o->row->from, i), max));
}
