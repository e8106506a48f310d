/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_ref.c -- what integer instructions with EVEX do, in the words of the manual's Operation
 * sections, one element and often one bit at a time.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name.
 * Threads: one.
 */
#include <string.h>
#include "tests/cpu/evex.h"

static uint64_t el(const X86Vec *v, unsigned bytes, unsigned i)
{
    uint64_t x = 0;
    memcpy(&x, v->u8 + i * bytes, bytes);
    return x;
}
static int64_t sel(const X86Vec *v, unsigned bytes, unsigned i)
{
    uint64_t x = el(v, bytes, i), top = UINT64_C(1) << (8 * bytes - 1);
    return (int64_t)((x ^ top) - top);
}
static void put(RefOp *o, unsigned i, uint64_t v) { memcpy(o->r.u8 + i * o->to, &v, o->to); }
static bool bit(uint64_t v, unsigned k) { return v >> k & 1; }

#define A el(&o->a, o->to, i)
#define B el(&o->b, o->to, i)
#define D el(&o->d, o->to, i)
#define SA sel(&o->a, o->to, i)
#define SB sel(&o->b, o->to, i)
#define W (8 * o->to)
#define EACH(name, expr) static void ref_##name(RefOp *o) { for (unsigned i = 0; i < o->n; i++) put(o, i, (uint64_t)(expr)); }

static void ref_copy(RefOp *o) { o->r = o->a; }
static void ref_copy_b(RefOp *o) { o->r = o->b; }
EACH(absq, SA < 0 ? -(uint64_t)SA : (uint64_t)SA)
EACH(mins, SA < SB ? SA : SB)
EACH(maxs, SA < SB ? SB : SA)
EACH(minu, A < B ? A : B)
EACH(maxu, A < B ? B : A)
EACH(mullq, A * B)
EACH(testm, (A & B) != 0 ? -1 : 0)
EACH(testnm, (A & B) == 0 ? -1 : 0)

/* Bit by bit: dst[k] = src[k - count], src[k + count] or the sign. */
static uint64_t shifted(uint64_t v, unsigned width, uint64_t count, char how)
{
    uint64_t r = 0;
    for (unsigned k = 0; k < width; k++) {
        uint64_t from = how == 'l' ? k - count : k + count;
        bool inside = how == 'l' ? count <= k : count < width && k + count < width;
        if (inside ? bit(v, (unsigned)from) : how == 'a' && bit(v, width - 1))
            r |= UINT64_C(1) << k;
    }
    return r;
}
EACH(sll, shifted(A, W, o->b.u64[0], 'l'))
EACH(srl, shifted(A, W, o->b.u64[0], 'r'))
EACH(sra, shifted(A, W, o->b.u64[0], 'a'))
EACH(sll_i, shifted(A, W, o->imm, 'l'))
EACH(srl_i, shifted(A, W, o->imm, 'r'))
EACH(sra_i, shifted(A, W, o->imm, 'a'))
EACH(sllv, shifted(A, W, B, 'l'))
EACH(srlv, shifted(A, W, B, 'r'))
EACH(srav, shifted(A, W, B, 'a'))

static uint64_t turned(uint64_t v, unsigned width, uint64_t left)
{
    uint64_t r = 0;
    for (unsigned k = 0; k < width; k++)
        r |= (uint64_t)bit(v, k) << (k + left) % width;
    return r;
}
EACH(rol_i, turned(A, W, o->imm % W))
EACH(ror_i, turned(A, W, W - o->imm % W))
EACH(rolv, turned(A, W, B % W))
EACH(rorv, turned(A, W, W - B % W))

/* Bits of two words in a row. */
static uint64_t window(uint64_t hi, uint64_t lo, unsigned width, unsigned from)
{
    uint64_t r = 0;
    for (unsigned k = 0; k < width; k++)
        r |= (uint64_t)(k + from < width ? bit(lo, k + from) : bit(hi, k + from - width)) << k;
    return r;
}
EACH(shld_i, window(A, B, W, W - o->imm % W))
EACH(shrd_i, window(B, A, W, o->imm % W))
EACH(shldv, window(D, A, W, (unsigned)(W - B % W)))
EACH(shrdv, window(A, D, W, (unsigned)(B % W)))

static void byte_shift(RefOp *o, bool left)
{
    unsigned count = o->imm > 15 ? 16 : o->imm;
    for (unsigned i = 0; i < o->vl; i++) {
        unsigned k = i % 16, from = left ? k - count : k + count;
        o->r.u8[i] = (left ? k >= count : from < 16) ? o->a.u8[i - k + from] : 0;
    }
}
static void ref_slldq(RefOp *o) { byte_shift(o, true); }
static void ref_srldq(RefOp *o) { byte_shift(o, false); }

static bool holds(unsigned how, bool eq, bool lt)
{
    const bool t[8] = { eq, lt, eq || lt, false, !eq, !lt, !(eq || lt), true };
    return t[how & 7];
}
EACH(cmpu, holds(o->imm, A == B, A < B) ? -1 : 0)
EACH(cmps, holds(o->imm, A == B, SA < SB) ? -1 : 0)

static uint64_t ternary(uint64_t d, uint64_t a, uint64_t b, unsigned table)
{
    uint64_t r = 0;
    for (unsigned k = 0; k < 64; k++)
        r |= (uint64_t)bit(table, (unsigned)(bit(d, k) << 2 | bit(a, k) << 1 | bit(b, k))) << k;
    return r;
}
EACH(ternlog, ternary(D, A, B, o->imm))

static unsigned count_ones(uint64_t v)
{
    unsigned n = 0;
    for (unsigned k = 0; k < 64; k++)
        n += bit(v, k);
    return n;
}
static unsigned leading(uint64_t v, unsigned width)
{
    unsigned n = 0;
    while (n < width && !bit(v, width - 1 - n))
        n++;
    return n;
}
EACH(popcnt, count_ones(A))
EACH(lzcnt, leading(A, W))

static void ref_conflict(RefOp *o)
{
    for (unsigned i = 0; i < o->n; i++) {
        uint64_t r = 0;
        for (unsigned j = 0; j < i; j++) {
            if (!memcmp(o->a.u8 + i * o->to, o->a.u8 + j * o->to, o->to))
                r += UINT64_C(1) << j;
        }
        put(o, i, r);
    }
}

static void ref_shufbit(RefOp *o)
{
    for (unsigned i = 0; i < o->vl / 8; i++) {
        for (unsigned j = 0; j < 8; j++)
            put(o, i * 8 + j, bit(o->a.u64[i], o->b.u8[8 * i + j] & 63) ? 0xff : 0);
    }
}
static void ref_multishift(RefOp *o)
{
    for (unsigned i = 0; i < o->vl / 8; i++) {
        for (unsigned j = 0; j < 8; j++) {
            unsigned ctrl = o->a.u8[8 * i + j] & 63, v = 0;
            for (unsigned k = 0; k < 8; k++)
                v |= (unsigned)bit(o->b.u64[i], (ctrl + k) & 63) << k;
            put(o, i * 8 + j, v);
        }
    }
}

static uint64_t madd52(uint64_t d, uint64_t a, uint64_t b, bool hi)
{
    /* by halves of 26 bits */
    uint64_t m = (1u << 26) - 1, al = a & m, ah = a >> 26 & m, bl = b & m, bh = b >> 26 & m;
    uint64_t mid = (al * bl >> 26) + (ah * bl & m) + (al * bh & m);
    uint64_t lo = (al * bl & m) | (mid & m) << 26;
    uint64_t top = ah * bh + (ah * bl >> 26) + (al * bh >> 26) + (mid >> 26);
    return d + (hi ? top : lo);
}
EACH(madd52l, madd52(D, A, B, false))
EACH(madd52h, madd52(D, A, B, true))

static uint64_t dot(const RefOp *o, unsigned i, bool words, bool sat)
{
    __int128 sum = (int32_t)o->d.u32[i];
    if (words) {
        sum += (int)o->a.s16[2 * i] * (__int128)o->b.s16[2 * i];
        sum += (int)o->a.s16[2 * i + 1] * (__int128)o->b.s16[2 * i + 1];
    } else {
        for (unsigned k = 4 * i; k < 4 * i + 4; k++)
            sum += (int)o->a.u8[k] * (int)o->b.s8[k];
    }
    if (sat && sum > INT32_MAX)
        sum = INT32_MAX;
    if (sat && sum < INT32_MIN)
        sum = INT32_MIN;
    return (uint64_t)sum;
}
EACH(dpbusd, dot(o, i, false, false))
EACH(dpbusds, dot(o, i, false, true))
EACH(dpwssd, dot(o, i, true, false))
EACH(dpwssds, dot(o, i, true, true))

static unsigned sad4(const uint8_t *p, const uint8_t *q)
{
    unsigned s = 0;
    for (unsigned k = 0; k < 4; k++)
        s += p[k] > q[k] ? p[k] - q[k] : q[k] - p[k];
    return s;
}
static void ref_dbpsadbw(RefOp *o)
{
    uint8_t t[64];
    for (unsigned lane = 0; lane < o->vl; lane += 16) {
        for (unsigned k = 0; k < 4; k++)
            memcpy(t + lane + 4 * k, o->b.u8 + lane + 4 * (o->imm >> 2 * k & 3), 4);
    }
    for (unsigned q = 0; q < o->vl; q += 8) {           /* one quadword of results */
        put(o, q / 2 + 0, sad4(o->a.u8 + q, t + q));
        put(o, q / 2 + 1, sad4(o->a.u8 + q, t + q + 1));
        put(o, q / 2 + 2, sad4(o->a.u8 + q + 4, t + q + 2));
        put(o, q / 2 + 3, sad4(o->a.u8 + q + 4, t + q + 3));
    }
}

/* ---- narrowing: an element of `from` bytes to one of `to` ---- */
EACH(trunc, el(&o->a, o->from, i))
static void ref_trunc_s(RefOp *o)
{
    for (unsigned i = 0; i < o->n; i++) {
        int64_t v = sel(&o->a, o->from, i),
                max = o->to == 1   ? INT8_MAX
                      : o->to == 2 ? INT16_MAX
                                   : INT32_MAX,
                min = -max - 1;
        put(o, i, (uint64_t)(v > max ? max : v < min ? min : v));
    }
}
static void ref_trunc_us(RefOp *o)
{
    for (unsigned i = 0; i < o->n; i++) {
        uint64_t v = el(&o->a, o->from, i), max = o->to == 1   ? UINT8_MAX
                                                  : o->to == 2 ? UINT16_MAX
                                                               : UINT32_MAX;
        put(o, i, v > max ? max : v);
    }
}

/* ---- moving elements ---- */
EACH(perm, el(&o->b, o->to, A % o->n))
static uint64_t of_two(const RefOp *o, const X86Vec *lo, const X86Vec *hi, uint64_t index)
{
    index %= 2 * o->n;
    return index < o->n ? el(lo, o->to, (unsigned)index) : el(hi, o->to, (unsigned)index - o->n);
}
EACH(permi2, of_two(o, &o->a, &o->b, D))
EACH(permt2, of_two(o, &o->d, &o->b, A))
EACH(align, of_two(o, &o->b, &o->a, i + o->imm % o->n))
static void ref_permq_i(RefOp *o)
{
    for (unsigned i = 0; i < o->n; i++)
        put(o, i, el(&o->a, 8, i / 4 * 4 + (o->imm >> 2 * (i % 4) & 3)));
}
static void ref_shuf128(RefOp *o)
{
    for (unsigned lane = 0; lane < o->vl / 16; lane++) {
        unsigned c = o->vl == 32 ? o->imm >> lane & 1 : o->imm >> 2 * lane & 3;
        memcpy(o->r.u8 + 16 * lane, (lane < o->vl / 32 ? &o->a : &o->b)->u8 + 16 * c, 16);
    }
}
static void part(RefOp *o, unsigned bytes, bool insert)
{
    unsigned at = bytes * (o->imm % (o->vl / bytes));
    if (insert) {
        o->r = o->a;
        memcpy(o->r.u8 + at, o->b.u8, bytes);
    } else {
        memcpy(o->r.u8, o->a.u8 + at, bytes);
    }
}
static void ref_insert128(RefOp *o) { part(o, 16, true); }
static void ref_insert256(RefOp *o) { part(o, 32, true); }
static void ref_extract128(RefOp *o) { part(o, 16, false); }
static void ref_extract256(RefOp *o) { part(o, 32, false); }

EACH(bcast1, el(&o->a, o->to, 0))
EACH(bcast2, el(&o->a, o->to, i % 2))
EACH(bcast4, el(&o->a, o->to, i % 4))
EACH(bcast8, el(&o->a, o->to, i % 8))
EACH(from_mask, bit(o->opmask, i) ? -1 : 0)
EACH(mask_b, o->opmask & 0xff)
EACH(mask_w, o->opmask & 0xffff)
static void ref_expand(RefOp *o)
{
    unsigned k = 0;
    for (unsigned i = 0; i < o->n; i++) {
        if (bit(o->mask, i))
            put(o, i, el(&o->a, o->to, k++));
    }
}

/* ---- GF(2^8) ---- */
static unsigned gf_product(unsigned a, unsigned b)
{
    unsigned p = 0;
    for (unsigned k = 0; k < 8; k++)
        p ^= bit(b, k) ? a << k : 0;
    for (unsigned k = 14; k >= 8; k--)
        p ^= bit(p, k) ? 0x11bu << (k - 8) : 0;
    return p;
}
static unsigned gf_inverse(unsigned a)
{
    for (unsigned b = 1; b < 256; b++) {
        if (gf_product(a, b) == 1)
            return b;
    }
    return 0;
}
static unsigned affine(uint64_t matrix, unsigned x, unsigned c)
{
    unsigned r = 0;
    for (unsigned i = 0; i < 8; i++)
        r |= ((count_ones((matrix >> 8 * (7 - i) & 0xff) & x) & 1) ^ bit(c, i)) << i;
    return r;
}
EACH(gf_mul, gf_product((unsigned)A, (unsigned)B))
EACH(gf_affine, affine(o->b.u64[i / 8], (unsigned)A, o->imm))
EACH(gf_affineinv, affine(o->b.u64[i / 8], gf_inverse((unsigned)A), o->imm))

/* The longest beginning of a name counts. */
static const struct { const char *name; RefFn *fn; } refs[] = {
    { "movss_r", ref_copy_b }, { "movsd_r", ref_copy_b }, { "movss_sr", ref_copy_b },
    { "movsd_sr", ref_copy_b }, { "movss", ref_copy }, { "movsd", ref_copy },
    { "movdqa", ref_copy }, { "movdqu", ref_copy }, { "movntdqa", ref_copy },
    { "pmovb2m", ref_copy }, { "pmovw2m", ref_copy }, { "pmovd2m", ref_copy },
    { "pmovq2m", ref_copy }, { "pabsq", ref_absq }, { "pminsq", ref_mins }, { "pmaxsq", ref_maxs },
    { "pminuq", ref_minu }, { "pmaxuq", ref_maxu }, { "pmullq", ref_mullq },
    { "ptestm", ref_testm }, { "ptestnm", ref_testnm }, { "psraq", ref_sra },
    { "psraq_i", ref_sra_i }, { "psravq", ref_srav }, { "psllvw", ref_sllv },
    { "psrlvw", ref_srlv }, { "psravw", ref_srav }, { "psrlw_i", ref_srl_i },
    { "psrld_i", ref_srl_i }, { "psrlq_i", ref_srl_i }, { "psraw_i", ref_sra_i },
    { "psrad_i", ref_sra_i }, { "psllw_i", ref_sll_i }, { "pslld_i", ref_sll_i },
    { "psllq_i", ref_sll_i }, { "pslldq_i", ref_slldq }, { "psrldq_i", ref_srldq },
    { "psrlw", ref_srl }, { "psrld", ref_srl }, { "psrlq", ref_srl }, { "psraw", ref_sra },
    { "psrad", ref_sra }, { "psllw", ref_sll }, { "pslld", ref_sll }, { "psllq", ref_sll },
    { "prold_i", ref_rol_i }, { "prolq_i", ref_rol_i }, { "prord_i", ref_ror_i },
    { "prorq_i", ref_ror_i }, { "prolv", ref_rolv }, { "prorv", ref_rorv }, { "pshldv", ref_shldv },
    { "pshrdv", ref_shrdv }, { "pshld", ref_shld_i }, { "pshrd", ref_shrd_i },
    { "pcmpu", ref_cmpu }, { "pcmpb", ref_cmps }, { "pcmpw", ref_cmps }, { "pcmpd", ref_cmps },
    { "pcmpq", ref_cmps }, { "pternlog", ref_ternlog }, { "popcnt", ref_popcnt },
    { "plzcnt", ref_lzcnt }, { "pconflict", ref_conflict }, { "pshufbitqmb", ref_shufbit },
    { "pmultishiftqb", ref_multishift }, { "pmadd52luq", ref_madd52l },
    { "pmadd52huq", ref_madd52h }, { "pdpbusd", ref_dpbusd }, { "pdpbusds", ref_dpbusds },
    { "pdpwssd", ref_dpwssd }, { "pdpwssds", ref_dpwssds }, { "dbpsadbw", ref_dbpsadbw },
    { "pmovus", ref_trunc_us }, { "pmovs", ref_trunc_s }, { "pmovwb", ref_trunc },
    { "pmovdb", ref_trunc }, { "pmovqb", ref_trunc }, { "pmovdw", ref_trunc },
    { "pmovqw", ref_trunc }, { "pmovqd", ref_trunc }, { "permb", ref_perm }, { "permw", ref_perm },
    { "permd", ref_perm }, { "permq", ref_perm }, { "permps", ref_perm }, { "permpd", ref_perm },
    { "permq_i", ref_permq_i }, { "permpd_i", ref_permq_i }, { "permi2", ref_permi2 },
    { "permt2", ref_permt2 }, { "align", ref_align }, { "shuff", ref_shuf128 },
    { "shufi", ref_shuf128 }, { "insertf32x4", ref_insert128 }, { "insertf64x2", ref_insert128 },
    { "insertf32x8", ref_insert256 }, { "insertf64x4", ref_insert256 },
    { "inserti32x4", ref_insert128 }, { "inserti64x2", ref_insert128 },
    { "inserti32x8", ref_insert256 }, { "inserti64x4", ref_insert256 },
    { "extractf32x4", ref_extract128 }, { "extractf64x2", ref_extract128 },
    { "extractf32x8", ref_extract256 }, { "extractf64x4", ref_extract256 },
    { "extracti32x4", ref_extract128 }, { "extracti64x2", ref_extract128 },
    { "extracti32x8", ref_extract256 }, { "extracti64x4", ref_extract256 },
    { "broadcastss", ref_bcast1 }, { "broadcastsd", ref_bcast1 }, { "pbroadcast", ref_bcast1 },
    { "broadcastf32x2", ref_bcast2 }, { "broadcasti32x2", ref_bcast2 },
    { "broadcastf64x2", ref_bcast2 }, { "broadcasti64x2", ref_bcast2 },
    { "broadcastf32x4", ref_bcast4 }, { "broadcasti32x4", ref_bcast4 },
    { "broadcastf64x4", ref_bcast4 }, { "broadcasti64x4", ref_bcast4 },
    { "broadcastf32x8", ref_bcast8 }, { "broadcasti32x8", ref_bcast8 }, { "pmovm2", ref_from_mask },
    { "pbroadcastmb2q", ref_mask_b }, { "pbroadcastmw2d", ref_mask_w }, { "pexpand", ref_expand },
    { "expandp", ref_expand }, { "pblendm", ref_copy_b }, { "blendm", ref_copy_b },
    { "gf2p8mulb", ref_gf_mul }, { "gf2p8affineqb", ref_gf_affine },
    { "gf2p8affineinvqb", ref_gf_affineinv },
};

RefFn *ref_find(const char *name)
{
    RefFn *best = NULL;
    size_t longest = 0;
    for (unsigned k = 0; k < G_N_ELEMENTS(refs); k++) {
        size_t n = strlen(refs[k].name);
        if (n > longest && !strncmp(name, refs[k].name, n)) {
            longest = n;
            best = refs[k].fn;
        }
    }
    return best ? best : ref_find_fp(name);
}
