/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_perm.c -- instructions of AVX-512 that move elements about, and those of GFNI.
 *
 * Spec: Intel SDM (325383) vol. 2, VPERMB to VPERMT2W, VALIGND, VSHUFF32X4, VEXPANDPS, VCOMPRESSPS,
 * VBROADCAST, VINSERTF128, GF2P8MULB and the like.
 * Threads: pure functions on the operation; the helpers: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/evex.h"
#include "cpu/x86/simd.h"

void evex_perm(EvexOp *o)               /* b[a[i]] */
{
    unsigned bytes = o->row->to;
    for (unsigned i = 0; i < o->n; i++)
        evex_set(&o->d, bytes, i,
                 evex_get(&o->s[1], bytes, evex_get(&o->s[0], bytes, i) & (o->n - 1)));
}

/* Of a table of two vectors: lo and hi by the next bit of the index. */
static void permute2(EvexOp *o, const X86Vec *index, const X86Vec *lo, const X86Vec *hi)
{
    unsigned bytes = o->row->to;
    X86Vec r = { 0 };
    for (unsigned i = 0; i < o->n; i++) {
        uint64_t k = evex_get(index, bytes, i);
        evex_set(&r, bytes, i, evex_get(k & o->n ? hi : lo, bytes, k & (o->n - 1)));
    }
    o->d = r;
}
void evex_permi2(EvexOp *o) { permute2(o, &o->d, &o->s[0], &o->s[1]); }
void evex_permt2(EvexOp *o) { permute2(o, &o->s[0], &o->d, &o->s[1]); }

void evex_align(EvexOp *o)              /* a above b, shifted right by elements */
{
    unsigned bytes = o->row->to, by = o->imm & (o->n - 1);
    for (unsigned i = 0; i < o->n; i++)
        evex_set(&o->d, bytes, i,
                 i + by < o->n ? evex_get(&o->s[1], bytes, i + by)
                               : evex_get(&o->s[0], bytes, i + by - o->n));
}

/* 128 bits each: the lower half of the result from a, the upper from b */
void evex_shuf128(EvexOp *o)
{
    unsigned lanes = o->vl / 16, bits = lanes == 4 ? 2 : 1;
    for (unsigned k = 0; k < lanes; k++) {
        const X86Vec *from = &o->s[k >= lanes / 2];
        memcpy(&o->d.u8[16 * k], &from->u8[16 * (o->imm >> k * bits & (lanes - 1))], 16);
    }
}

/* offset of the part that the immediate names */
static unsigned part_of(const EvexOp *o)
{
    unsigned bytes = x86_evex_tuple_bytes(o->row, o->vl);
    return bytes * (o->imm & (o->vl / bytes - 1));
}

void evex_insert(EvexOp *o)
{
    o->d = o->s[0];
    memcpy(&o->d.u8[part_of(o)], &o->s[1], x86_evex_tuple_bytes(o->row, o->vl));
}

void evex_extract(EvexOp *o)
{
    unsigned bytes = x86_evex_tuple_bytes(o->row, o->vl);
    memset(&o->d, 0, sizeof o->d);
    memcpy(&o->d, &o->s[0].u8[part_of(o)], bytes);
}

void evex_broadcast(EvexOp *o)
{
    unsigned bytes = MAX(x86_evex_tuple_bytes(o->row, o->vl), o->row->to);
    for (unsigned k = 0; k < 64; k += bytes)
        memcpy(&o->d.u8[k], &o->s[0], bytes);
}

void evex_expand(EvexOp *o)
{
    for (unsigned i = 0, k = 0; i < o->n; i++) {
        if (o->mask >> i & 1)
            evex_set(&o->d, o->row->to, i, evex_get(&o->s[0], o->row->to, k++));
    }
}

/*
 * To a register: what is not filled stays or is zeroed, so the mask becomes that of the elements
 * filled.
 */
void evex_compress(EvexOp *o)
{
    unsigned k = 0;
    for (unsigned i = 0; i < o->n; i++) {
        if (o->mask >> i & 1)
            evex_set(&o->d, o->row->to, k++, evex_get(&o->s[0], o->row->to, i));
    }
    o->mask = k == 64 ? ~UINT64_C(0) : (UINT64_C(1) << k) - 1;
}

void evex_from_mask(EvexOp *o)
{
    for (unsigned i = 0; i < o->n; i++)
        evex_set(&o->d, o->row->to, i, 0 - (o->opmask >> i & 1));
}

void evex_mask_value(EvexOp *o)         /* VPBROADCASTMB2Q, VPBROADCASTMW2D */
{
    for (unsigned i = 0; i < o->n; i++)
        evex_set(&o->d, o->row->to, i, o->opmask & (o->row->to == 8 ? 0xff : 0xffff));
}

/* ---- GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 ---- */
static uint8_t gf_mul(uint8_t a, uint8_t b)
{
    uint8_t r = 0;
    for (unsigned k = 0; k < 8; k++) {
        r ^= (uint8_t)(a & -(b >> k & 1));
        a = (uint8_t)(a << 1 ^ (0x1b & -(a >> 7)));
    }
    return r;
}

static uint8_t gf_inverse(uint8_t a)    /* a^254 */
{
    uint8_t r = a;
    for (unsigned k = 0; k < 6; k++)
        r = gf_mul(gf_mul(r, r), a);
    return gf_mul(r, r);
}

/* Bit i of the result: parity of x and row 7 - i of the matrix, and bit i of the constant. */
static uint8_t affine(uint64_t matrix, uint8_t x, unsigned constant)
{
    uint8_t r = (uint8_t)constant;
    for (unsigned i = 0; i < 8; i++)
        r ^= (uint8_t)(__builtin_parity((matrix >> 8 * (7 - i) & 0xff) & x) << i);
    return r;
}

void evex_gf_mul(EvexOp *o)
{
    for (unsigned i = 0; i < o->vl; i++)
        o->d.u8[i] = gf_mul(o->s[0].u8[i], o->s[1].u8[i]);
}
void evex_gf_affine(EvexOp *o)
{
    for (unsigned i = 0; i < o->vl; i++)
        o->d.u8[i] = affine(o->s[1].u64[i / 8], o->s[0].u8[i], o->imm);
}
void evex_gf_affineinv(EvexOp *o)
{
    for (unsigned i = 0; i < o->vl; i++)
        o->d.u8[i] = affine(o->s[1].u64[i / 8], gf_inverse(o->s[0].u8[i]), o->imm);
}

/* The SSE forms: arguments as SIMDH in decode.h says. */
static uint64_t gf_sse(X86Cpu *c, EvexFn *fn, uint64_t a, uint64_t b, uint64_t arg)
{
    EvexOp o = { .vl = 16, .imm = a >> 16 & 0xff };
    X86Vec *d = &c->vec[a & 31];
    memcpy(&o.s[0], d, 16);
    if ((a >> 8 & 0xff) == 0xff) {
        uint64_t linear = x86_seg_linear(c, arg & 0xff, b, 16, false);
        if (linear & 15)
            x86_raise_gp(c, 0);
        dbt_load_bytes(&c->dbt, linear, &o.s[1], 16);
    } else {
        memcpy(&o.s[1], &c->vec[a >> 8 & 31], 16);
    }
    fn(&o);
    memcpy(d, &o.d, 16);
    return 0;
}
uint64_t x86_h_gf2p8mulb(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    return gf_sse(cpu, evex_gf_mul, a, b, c);
}
uint64_t x86_h_gf2p8affineqb(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    return gf_sse(cpu, evex_gf_affine, a, b, c);
}
uint64_t x86_h_gf2p8affineinvqb(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    return gf_sse(cpu, evex_gf_affineinv, a, b, c);
}
