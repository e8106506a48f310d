/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_aes.c -- the meaning of the AES instructions and of PCLMULQDQ.
 *
 * The S-box is worked out from its definition (inverse in GF(2^8), then an affine map), which also
 * serves decryption; native back ends use the host's instructions.
 *
 * Spec: FIPS 197 ch. 4-5; Intel SDM (325383) vol. 2, AESENC and the like, PCLMULQDQ.
 * Threads: pure functions on the operands.
 */
#include "cpu/x86/simd_fn.h"

static uint8_t gf_mul(uint8_t a, uint8_t b)             /* modulo x^8 + x^4 + x^3 + x + 1 */
{
    uint8_t r = 0;
    for (; b; b >>= 1) {
        if (b & 1)
            r ^= a;
        a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0));
    }
    return r;
}

static uint8_t gf_inverse(uint8_t a)                    /* a^254; 0 gives 0 */
{
    uint8_t r = 1, p = a;
    for (unsigned e = 254; e; e >>= 1) {
        if (e & 1)
            r = gf_mul(r, p);
        p = gf_mul(p, p);
    }
    return r;
}

static inline uint8_t rol8(uint8_t v, unsigned n) { return (uint8_t)(v << n | v >> (8 - n)); }

static uint8_t sub(uint8_t a)
{
    uint8_t v = gf_inverse(a);
    return v ^ rol8(v, 1) ^ rol8(v, 2) ^ rol8(v, 3) ^ rol8(v, 4) ^ 0x63;
}

static uint8_t inv_sub(uint8_t a)
{
    return gf_inverse(rol8(a, 1) ^ rol8(a, 3) ^ rol8(a, 6) ^ 0x05);
}

/*
 * ShiftRows (by +1) or its inverse (-1), with the byte substitution; the state's column c is bytes
 * 4c .. 4c + 3.
 */
static void shift_and_substitute(uint8_t to[16], const uint8_t from[16], bool inverse)
{
    for (unsigned c = 0; c < 4; c++) {
        for (unsigned r = 0; r < 4; r++) {
            uint8_t v = from[4 * ((c + (inverse ? 4 - r : r)) & 3) + r];
            to[4 * c + r] = inverse ? inv_sub(v) : sub(v);
        }
    }
}

static void mix_columns(uint8_t s[16], const uint8_t row[4])
{
    for (unsigned c = 0; c < 4; c++) {
        uint8_t v[4];
        memcpy(v, s + 4 * c, 4);
        for (unsigned r = 0; r < 4; r++)
            s[4 * c + r] = gf_mul(v[0], row[(4 - r) & 3]) ^ gf_mul(v[1], row[(5 - r) & 3]) ^
                           gf_mul(v[2], row[(6 - r) & 3]) ^ gf_mul(v[3], row[(7 - r) & 3]);
    }
}
static const uint8_t mix[4] = { 2, 3, 1, 1 }, inv_mix[4] = { 14, 11, 13, 9 };

static void aes_round(X86Lanes *d, const X86Lanes *key, bool inverse, bool last)
{
    X86Vec t, k;
    memcpy(&k, key, 16);
    shift_and_substitute(t.u8, d->u8, inverse);
    if (!last)
        mix_columns(t.u8, inverse ? inv_mix : mix);
    d->u64[0] = t.u64[0] ^ k.u64[0];
    d->u64[1] = t.u64[1] ^ k.u64[1];
}

FN(aesenc)     { aes_round(d, s, false, false); return 0; }
FN(aesenclast) { aes_round(d, s, false, true); return 0; }
FN(aesdec)     { aes_round(d, s, true, false); return 0; }
FN(aesdeclast) { aes_round(d, s, true, true); return 0; }
FN(aesimc)     { memmove(d, s, 16); mix_columns(d, inv_mix); return 0; }

FN(aeskeygenassist)
{
    X86Vec r;
    const X86Lanes *S = s;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t x = S->u32[2 * i + 1];
        uint32_t w = sub((uint8_t)x) | (uint32_t)sub((uint8_t)(x >> 8)) << 8 |
                     (uint32_t)sub((uint8_t)(x >> 16)) << 16 |
                     (uint32_t)sub((uint8_t)(x >> 24)) << 24;
        r.u32[2 * i] = w;
        r.u32[2 * i + 1] = (w >> 8 | w << 24) ^ imm8;
    }
    memcpy(d, &r, 16);
    return 0;
}

FN(pclmulqdq)
{
    uint64_t a = ((const X86Lanes *)d)->u64[imm8 & 1],
             b = ((const X86Lanes *)s)->u64[imm8 >> 4 & 1], low = 0, high = 0;
    for (unsigned i = 0; i < 64; i++) {
        if (b >> i & 1) {
            low ^= a << i;
            high ^= i ? a >> (64 - i) : 0;
        }
    }
    ((X86Lanes *)d)->u64[0] = low;
    ((X86Lanes *)d)->u64[1] = high;
    return 0;
}
