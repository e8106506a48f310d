/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_move.c -- the meaning of MMX and SSE moves, shuffles, packs, insertions and extractions.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 4-5.
 * Threads: pure functions on the operands.
 */
#include "cpu/x86/simd_fn.h"

/* ---- moves of n bytes: the rest of the destination stays, or (z) becomes zero up to 16 bytes */
FN(mov4)    { memcpy(d, s, 4); return 0; }
FN(mov8)    { memmove(d, s, 8); return 0; }
FN(mov16)   { memmove(d, s, 16); return 0; }
FN(get4)    { memcpy(d, s, 4); return 0; }
FN(mov4z_p) { uint32_t v; memcpy(&v, s, 4); *(uint64_t *)d = v; return 0; }

FN(mov4z)
{
    uint32_t v;
    memcpy(&v, s, 4);
    ((X86Lanes *)d)->u64[0] = v;
    ((X86Lanes *)d)->u64[1] = 0;
    return 0;
}

FN(mov8z)
{
    uint64_t v;
    memcpy(&v, s, 8);
    ((X86Lanes *)d)->u64[0] = v;
    ((X86Lanes *)d)->u64[1] = 0;
    return 0;
}

FN(movhi)   { memcpy(d, (const uint8_t *)s + 8, 8); return 0; }             /* MOVHPS to memory */
FN(movhlps) { memmove(d, (const uint8_t *)s + 8, 8); return 0; }
FN(movlhps) { memmove((uint8_t *)d + 8, s, 8); return 0; }

/* ---- shuffles: lane i of the result is a lane of the operands ---- */
#define SHUFFLE(name, lane, n, pick) \
    FN(name) \
    { \
        X86Vec r; \
        const X86Lanes *D = d, *S = s; \
        (void)D; \
        for (unsigned i = 0; i < (n); i++) \
            r.lane[i] = (pick); \
        memcpy(d, &r, (n) * sizeof r.lane[0]); \
        return 0; \
    }
#define SHUFFLE_PX(name, lane, pick_p, pick) \
    SHUFFLE(name##_p, lane, COUNT(lane) / 2, pick_p) SHUFFLE(name, lane, COUNT(lane), pick)
#define SEL2(i) (imm8 >> 2 * ((i) & 3) & 3) /* two bits of the immediate for lane i */

SHUFFLE(movsldup, u32, 4, S->u32[i & ~1u])
SHUFFLE(movshdup, u32, 4, S->u32[i | 1])
FN(movddup)
{
    uint64_t v;
    memcpy(&v, s, 8);
    ((X86Lanes *)d)->u64[0] = ((X86Lanes *)d)->u64[1] = v;
    return 0;
}
SHUFFLE(pshufw,  u16, 4, S->u16[SEL2(i)])
SHUFFLE(pshufd,  u32, 4, S->u32[SEL2(i)])
SHUFFLE(pshuflw, u16, 8, i < 4 ? S->u16[SEL2(i)] : S->u16[i])
SHUFFLE(pshufhw, u16, 8, i < 4 ? S->u16[i] : S->u16[4 + SEL2(i)])
SHUFFLE(shufps,  u32, 4, i < 2 ? D->u32[SEL2(i)] : S->u32[SEL2(i)])
SHUFFLE(shufpd,  u64, 2, i ? S->u64[imm8 >> 1 & 1] : D->u64[imm8 & 1])
SHUFFLE_PX(pshufb, u8, S->u8[i] & 0x80 ? 0 : D->u8[S->u8[i] & 7],
           S->u8[i] & 0x80 ? 0 : D->u8[S->u8[i] & 15])

/*
 * Interleave the lower or upper halves; of the MMX forms' memory operand (4 bytes) only the lower
 * half is read.
 */
#define UNPACK(l, h, lane)                                                          \
    SHUFFLE_PX(l, lane, (i & 1 ? S : D)->lane[i / 2], (i & 1 ? S : D)->lane[i / 2]) \
    SHUFFLE_PX(h, lane, (i & 1 ? S : D)->lane[i / 2 + COUNT(lane) / 4],             \
               (i & 1 ? S : D)->lane[i / 2 + COUNT(lane) / 2])
UNPACK(punpcklbw, punpckhbw, u8)
UNPACK(punpcklwd, punpckhwd, u16)
UNPACK(punpckldq, punpckhdq, u32)
SHUFFLE(punpcklqdq, u64, 2, i ? S->u64[0] : D->u64[0])
SHUFFLE(punpckhqdq, u64, 2, i ? S->u64[1] : D->u64[1])

/* Narrow with saturation: the lower half of the result from d, the upper from s. */
#define PACK_N(name, to, n, from, sat) \
    SHUFFLE(name, to, n, sat(i < (n) / 2 ? D->from[i] : S->from[i - (n) / 2]))
#define PACK_PX(name, to, from, sat) \
    PACK_N(name##_p, to, COUNT(to) / 2, from, sat) PACK_N(name, to, COUNT(to), from, sat)
PACK_PX(packsswb, s8,  s16, sat_s8)
PACK_PX(packuswb, u8,  s16, sat_u8)
PACK_PX(packssdw, s16, s32, sat_s16)
PACK_N(packusdw,  u16, COUNT(u16), s32, sat_u16)

/* Widen the low lanes. */
SHUFFLE(pmovsxbw, s16, 8, S->s8[i])
SHUFFLE(pmovsxbd, s32, 4, S->s8[i])
SHUFFLE(pmovsxbq, s64, 2, S->s8[i])
SHUFFLE(pmovsxwd, s32, 4, S->s16[i])
SHUFFLE(pmovsxwq, s64, 2, S->s16[i])
SHUFFLE(pmovsxdq, s64, 2, S->s32[i])
SHUFFLE(pmovzxbw, u16, 8, S->u8[i])
SHUFFLE(pmovzxbd, u32, 4, S->u8[i])
SHUFFLE(pmovzxbq, u64, 2, S->u8[i])
SHUFFLE(pmovzxwd, u32, 4, S->u16[i])
SHUFFLE(pmovzxwq, u64, 2, S->u16[i])
SHUFFLE(pmovzxdq, u64, 2, S->u32[i])

/* ---- blends: by immediate, or by the sign bits of xmm0 ---- */
#define XMM0 (&((const X86Cpu *)cpu)->vec[0])
SHUFFLE(blendps,  u32, 4, imm8 >> i & 1 ? S->u32[i] : D->u32[i])
SHUFFLE(blendpd,  u64, 2, imm8 >> i & 1 ? S->u64[i] : D->u64[i])
SHUFFLE(pblendw,  u16, 8, imm8 >> i & 1 ? S->u16[i] : D->u16[i])
SHUFFLE(pblendvb, u8, 16, XMM0->s8[i] < 0 ? S->u8[i] : D->u8[i])
SHUFFLE(blendvps, u32, 4, XMM0->s32[i] < 0 ? S->u32[i] : D->u32[i])
SHUFFLE(blendvpd, u64, 2, XMM0->s64[i] < 0 ? S->u64[i] : D->u64[i])

/* ---- PALIGNR: d:s shifted right by imm8 bytes ---- */
static void align(void *d, const void *s, unsigned n, unsigned by)
{
    uint8_t t[64] = { 0 };
    memcpy(t, s, n);
    memcpy(t + n, d, n);
    memcpy(d, t + MIN(by, 2 * n), n);
}
FN(palignr_p) { align(d, s, 8, imm8); return 0; }
FN(palignr) { align(d, s, 16, imm8); return 0; }

/* ---- general registers ---- */
#define SIGNS(name, lane, n) \
    FN(name) \
    { \
        const X86Lanes *S = s; \
        uint64_t r = 0; \
        for (unsigned i = 0; i < (n); i++) \
            r |= (uint64_t)(S->lane[i] < 0) << i; \
        *(uint64_t *)d = r; \
        return 0; \
    }
SIGNS(movmskps, s32, 4)
SIGNS(movmskpd, s64, 2)
SIGNS(pmovmskb_p, s8, 8)
SIGNS(pmovmskb, s8, 16)

FN(pinsrb)   { memcpy(&((X86Lanes *)d)->u8[imm8 & 15], s, 1); return 0; }
FN(pinsrw_p) { memcpy(&((X86Lanes *)d)->u16[imm8 & 3], s, 2); return 0; }
FN(pinsrw)   { memcpy(&((X86Lanes *)d)->u16[imm8 & 7], s, 2); return 0; }
FN(pinsrd)   { memcpy(&((X86Lanes *)d)->u32[imm8 & 3], s, 4); return 0; }
FN(pinsrd_w) { memcpy(&((X86Lanes *)d)->u64[imm8 & 1], s, 8); return 0; }
FN(pextrb)   { *(uint64_t *)d = ((const X86Lanes *)s)->u8[imm8 & 15]; return 0; }
FN(pextrb_s) { memcpy(d, &((const X86Lanes *)s)->u8[imm8 & 15], 1); return 0; }
FN(pextrw_p) { *(uint64_t *)d = ((const X86Lanes *)s)->u16[imm8 & 3]; return 0; }
FN(pextrw)   { *(uint64_t *)d = ((const X86Lanes *)s)->u16[imm8 & 7]; return 0; }
FN(pextrw_s) { memcpy(d, &((const X86Lanes *)s)->u16[imm8 & 7], 2); return 0; }
FN(pextrd)   { memcpy(d, &((const X86Lanes *)s)->u32[imm8 & 3], 4); return 0; }
FN(pextrd_w) { memcpy(d, &((const X86Lanes *)s)->u64[imm8 & 1], 8); return 0; }

static void insert_ps(X86Lanes *d, uint32_t v, unsigned imm8)
{
    d->u32[imm8 >> 4 & 3] = v;
    for (unsigned i = 0; i < 4; i++) {
        if (imm8 >> i & 1)
            d->u32[i] = 0;
    }
}
FN(insertps)   { insert_ps(d, ((const X86Lanes *)s)->u32[imm8 >> 6 & 3], imm8); return 0; }
FN(insertps_m) { uint32_t v; memcpy(&v, s, 4); insert_ps(d, v, imm8); return 0; }
