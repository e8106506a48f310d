/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex_soft.c -- VEX-coded vector instructions in C, for hosts that are not x86-64 (and with
 * -DPORTABLE_FP).
 *
 * A row with a namesake in simd.def runs that meaning on each 128 bits; the others have their own
 * below.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 14; vol. 2, the instructions by name.
 * Omits: VMASKMOV and gathers, which vex_run.c does element by element.
 * Threads: any; only the frame is touched.
 */
#include "cpu/x86/simd_soft.h"
#include "cpu/x86/vex_soft.h"
#if !X86_HOST_FP

typedef struct VexOp {                  /* operands of a row's own meaning: whole vectors */
    VexFrame *f;
    const X86VexRow *row;
    unsigned opcode, imm, n;            /* n: bytes of a vector */
    X86Vec   d, h, w;                   /* d: the destination as it was, then the result */
    X86Cpu  *cpu;                       /* has no member but mxcsr, and vec[0] for blends */
} VexOp;
typedef void OwnFn(VexOp *o);

#define FMA_KIND(X, digits)                                                                      \
    X(fmaddsub##digits##ps, fused) X(fmaddsub##digits##pd, fused) X(fmsubadd##digits##ps, fused) \
    X(fmsubadd##digits##pd, fused)                                                               \
    X(fmadd##digits##ps, fused) X(fmadd##digits##pd, fused) X(fmadd##digits##ss, fused)          \
    X(fmadd##digits##sd, fused)                                                                  \
    X(fmsub##digits##ps, fused) X(fmsub##digits##pd, fused) X(fmsub##digits##ss, fused)          \
    X(fmsub##digits##sd, fused)                                                                  \
    X(fnmadd##digits##ps, fused) X(fnmadd##digits##pd, fused) X(fnmadd##digits##ss, fused)       \
    X(fnmadd##digits##sd, fused)                                                                 \
    X(fnmsub##digits##ps, fused) X(fnmsub##digits##pd, fused) X(fnmsub##digits##ss, fused)       \
    X(fnmsub##digits##sd, fused)
/* Rows without a namesake, and their meanings; no meaning: vex_run.c does them. */
#define OWN_ROWS(X)                                                                             \
    X(permilps, permil) X(permilpd, permil) X(permilps_i, permil_i) X(permilpd_i, permil_i)     \
    X(testps, test) X(testpd, test)                                                             \
    X(permps, perm8) X(permd, perm8) X(permq, perm4) X(permpd, perm4) X(perm2f128, perm2)       \
    X(perm2i128, perm2)                                                                         \
    X(insertf128, insert) X(inserti128, insert) X(extractf128, extract) X(extracti128, extract) \
    X(pblendd, blend)                                                                           \
    X(broadcastss, broadcast4) X(broadcastss_r, broadcast4) X(broadcastsd, broadcast8)          \
    X(broadcastsd_r, broadcast8)                                                                \
    X(broadcastf128, broadcast16) X(broadcasti128, broadcast16) X(pbroadcastb, broadcast1)      \
    X(pbroadcastw, broadcast2)                                                                  \
    X(pbroadcastd, broadcast4) X(pbroadcastq, broadcast8) X(psrlvd, shift4) X(psllvd, shift4)   \
    X(psravd, shift4)                                                                           \
    X(psrlvq, shift8) X(psllvq, shift8) X(cvtph2ps, widen_half) X(cvtps2ph, narrow_half)        \
    FMA_KIND(X, 132) FMA_KIND(X, 213) FMA_KIND(X, 231)                                          \
    X(maskmovps, none) X(maskmovpd, none) X(maskmovps_s, none) X(maskmovpd_s, none)             \
    X(pmaskmovd, none) X(pmaskmovq, none)                                                       \
    X(pmaskmovd_s, none) X(pmaskmovq_s, none) X(pgatherdd, none) X(pgatherdq, none)             \
    X(pgatherqd, none) X(pgatherqq, none)                                                       \
    X(gatherdps, none) X(gatherdpd, none) X(gatherqps, none) X(gatherqpd, none)
enum {
    OWN_LAST = XV_N - 1,
#define OWN(name, fn) XV_##name,
    OWN_ROWS(OWN)
#undef OWN
};
static const struct { uint16_t xv; uint8_t opcode; } meanings[VX_N] = {
#define VEX(nm, pfx, map, op, ...) [VX_##nm] = { XV_##nm, op },
#include "cpu/x86/vex.def"
#undef VEX
};

/* ---- permutations ---- */
static void none(VexOp *o) { }
static void permil(VexOp *o)
{
    if (o->opcode & 1) {
        for (unsigned i = 0; i < o->n / 8; i++)
            o->d.u64[i] = o->h.u64[(i & ~1u) | (o->w.u64[i] >> 1 & 1)];
    } else {
        for (unsigned i = 0; i < o->n / 4; i++)
            o->d.u32[i] = o->h.u32[(i & ~3u) | (o->w.u32[i] & 3)];
    }
}
static void permil_i(VexOp *o)
{
    if (o->opcode & 1) {
        for (unsigned i = 0; i < o->n / 8; i++)
            o->d.u64[i] = o->w.u64[(i & ~1u) | (o->imm >> i & 1)];
    } else {
        for (unsigned i = 0; i < o->n / 4; i++)
            o->d.u32[i] = o->w.u32[(i & ~3u) | (o->imm >> 2 * (i & 3) & 3)];
    }
}
static void perm8(VexOp *o)
{
    for (unsigned i = 0; i < 8; i++)
        o->d.u32[i] = o->w.u32[o->h.u32[i] & 7];
}
static void perm4(VexOp *o)
{
    for (unsigned i = 0; i < 4; i++)
        o->d.u64[i] = o->w.u64[o->imm >> 2 * i & 3];
}
static void perm2(VexOp *o)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned how = o->imm >> 4 * i & 15;
        const X86Vec *from = how & 2 ? &o->w : &o->h;
        for (unsigned k = 0; k < 2; k++)
            o->d.u64[2 * i + k] = how & 8 ? 0 : from->u64[2 * (how & 1) + k];
    }
}
static void insert(VexOp *o)
{
    o->d = o->h;
    memcpy(&o->d.u64[2 * (o->imm & 1)], &o->w, 16);
}
static void extract(VexOp *o) { memcpy(o->f->memory, &o->f->reg[2 * (o->imm & 1)], 16); }
static void blend(VexOp *o)
{
    for (unsigned i = 0; i < o->n / 4; i++)
        o->d.u32[i] = o->imm >> i & 1 ? o->w.u32[i] : o->h.u32[i];
}

static void repeat(VexOp *o, unsigned bytes)
{
    for (unsigned i = 0; i < o->n; i += bytes)
        memcpy(&o->d.u8[i], &o->w, bytes);
}
static void broadcast1(VexOp *o) { repeat(o, 1); }
static void broadcast2(VexOp *o) { repeat(o, 2); }
static void broadcast4(VexOp *o) { repeat(o, 4); }
static void broadcast8(VexOp *o) { repeat(o, 8); }
static void broadcast16(VexOp *o) { repeat(o, 16); }

/* ---- shifts, tests ---- */
static void shift4(VexOp *o)
{
    for (unsigned i = 0; i < o->n / 4; i++) {
        uint32_t v = o->h.u32[i], by = o->w.u32[i];
        switch (o->opcode) {
        case 0x46: o->d.s32[i] = o->h.s32[i] >> MIN(by, 31); break;
        case 0x45: o->d.u32[i] = by > 31 ? 0 : v >> by; break;
        default:   o->d.u32[i] = by > 31 ? 0 : v << by; break;
        }
    }
}
static void shift8(VexOp *o)
{
    for (unsigned i = 0; i < o->n / 8; i++) {
        uint64_t v = o->h.u64[i], by = o->w.u64[i];
        o->d.u64[i] = by > 63 ? 0 : o->opcode == 0x45 ? v >> by : v << by;
    }
}
static void test(VexOp *o)
{
    uint64_t sign = o->opcode & 1 ? UINT64_C(1) << 63 : UINT64_C(0x8000000080000000), both = 0,
             rest = 0;
    for (unsigned i = 0; i < o->n / 8; i++) {
        both |= o->f->reg[i] & o->w.u64[i] & sign;
        rest |= ~o->f->reg[i] & o->w.u64[i] & sign;
    }
    o->f->eflags = (both ? 0 : EF_ZF) | (rest ? 0 : EF_CF);
}

/* ---- floating point ---- */
static void widen_half(VexOp *o)
{
    FpEnv e = x86_sse_env(o->cpu);
    for (unsigned i = 0; i < o->n / 4; i++)
        o->d.u32[i] = (uint32_t)fp_convert(&e, FP_F16, FP_F32, o->w.u16[i]);
    x86_sse_done(o->cpu, &e);
}
static void narrow_half(VexOp *o)
{
    FpEnv e = x86_sse_env(o->cpu);
    e.rounding = o->imm & 4 ? e.rounding : o->imm & 3;
    for (unsigned i = 0; i < o->n / 4; i++) {
        uint16_t r = (uint16_t)fp_convert(&e, FP_F32, FP_F16, x86_lane(o->f->reg, FP_F32, i));
        memcpy(o->f->memory + 2 * i, &r, 2);
    }
    x86_sse_done(o->cpu, &e);
}

/*
 * 132: dst * w + h; 213: h * dst + w; 231: h * w + dst.  The low digit of the opcode: what is added
 * and negated.
 */
static void fused(VexOp *o)
{
    FpEnv e = x86_sse_env(o->cpu);
    FpType t = o->row->wide ? FP_F64 : FP_F32;
    unsigned low = o->opcode & 15, bytes = t == FP_F64 ? 8 : 4,
             n = low >= 8 && (low & 1) ? 1 : o->n / bytes;
    for (unsigned i = 0; i < n; i++) {
        uint64_t d = x86_lane(&o->d, t, i), h = x86_lane(&o->h, t, i), w = x86_lane(&o->w, t, i), r;
        unsigned negate =
            low < 8 ? ((i ^ low) & 1 ? 0 : FP_NEGATE_ADDEND)
                    : (low & 4 ? FP_NEGATE_PRODUCT : 0) | (low & 2 ? FP_NEGATE_ADDEND : 0);
        switch (o->opcode >> 4) {
        case 9:  r = fp_fma(&e, t, d, w, h, negate); break;
        case 10: r = fp_fma(&e, t, h, d, w, negate); break;
        default: r = fp_fma(&e, t, h, w, d, negate); break;
        }
        x86_put_lane(&o->d, t, i, r);
    }
    x86_sse_done(o->cpu, &e);
}

static OwnFn *const own_meanings[] = {
#define OWN(name, fn) [XV_##name - XV_N] = fn,
    OWN_ROWS(OWN)
#undef OWN
};

/* ---- rows with a namesake ---- */
static bool is_compare(unsigned vx)
{
    return vx == VX_cmpps || vx == VX_cmppd || vx == VX_cmpss || vx == VX_cmpsd;
}
static void compare(VexOp *o, unsigned vx, unsigned lanes)             /* 32 predicates */
{
    FpEnv e = x86_sse_env(o->cpu);
    FpType t = vx == VX_cmppd || vx == VX_cmpsd ? FP_F64 : FP_F32;
    unsigned n = vx == VX_cmpss || vx == VX_cmpsd ? 1 : lanes * (t == FP_F64 ? 2 : 4);
    o->d = o->h;
    for (unsigned i = 0; i < n; i++)
        x86_put_lane(
            &o->d, t, i,
            x86_fp_predicate(&e, t, x86_lane(&o->h, t, i), x86_lane(&o->w, t, i), o->imm & 31)
                ? UINT64_MAX
                : 0);
    x86_sse_done(o->cpu, &e);
}

static unsigned imm_of_lane(unsigned vx, unsigned imm, unsigned lane)
{
    switch (vx) {
    case VX_mpsadbw: return imm >> 3 * lane & 7;
    case VX_blendps: return imm >> 4 * lane;
    case VX_blendpd: case VX_shufpd: return imm >> 2 * lane;
    default: return imm;
    }
}

static unsigned mask_bits(unsigned vx)
{
    return vx == VX_pmovmskb ? 16 : vx == VX_movmskps ? 4 : 2;
}
static bool is_narrowing(unsigned vx)
{
    return vx == VX_cvtpd2ps || vx == VX_cvtpd2dq || vx == VX_cvttpd2dq;
}

/* 128 bits of the row: d is the first source and the result. */
static void by_namesake(VexOp *o, unsigned vx, unsigned lanes)
{
    const X86VexRow *r = o->row;
    bool shift = r->ops[1] == OPD_H && r->bytes[0] == 16 && r->bytes[1] == 16,
         to_rm = r->ops[0] == OPD_W || r->ops[0] == OPD_E;
    unsigned step = shift ? 0 : r->bytes[1] && lanes > 1 ? r->bytes[1] / 2 : 16;
    uint64_t flags = EF_ZF | EF_CF, bits = 0;
    X86Vec out = { 0 };
    for (unsigned i = 0; i < lanes; i++) {
        uint8_t d[16] __attribute__((aligned(16))) = { 0 }, s[16] __attribute__((aligned(16)));
        uint64_t g = 0;
        bool from_reg = to_rm && r->ops[1] == OPD_V;
        memcpy(d,
               r->ops[1] == OPD_H   ? &o->h.u8[16 * i]
               : r->ops[0] == OPD_H ? &o->w.u8[16 * i]
                                    : (uint8_t *)o->f->reg + 16 * i,
               16);
        memcpy(s,
               from_reg || (to_rm && r->ops[2] == OPD_V) ? (uint8_t *)o->f->reg + 16 * i
                                                         : &o->w.u8[step * i],
               16);
        if (r->imm == 2)
            memcpy(&o->cpu->vec[0], (uint8_t *)o->f->fourth + 16 * i, 16);
        if (from_reg)
            memset(d, 0, 16);
        uint64_t f = x86_vecs[meanings[vx].xv].fn(o->cpu, r->ops[0] == OPD_G ? (void *)&g : d, s,
                                                  imm_of_lane(vx, o->imm, i));
        flags = vx == VX_ptest ? flags & f : f;
        bits |= g << (i ? mask_bits(vx) : 0);
        memcpy(&out.u8[(is_narrowing(vx) ? 8 : 16) * i], d, 16);
    }
    if (r->props & V_FLAGS)
        o->f->eflags = flags;
    o->d = out;
    o->f->rax = bits;
}

/* one, where VEX.L is ignored */
static unsigned lanes_of(const X86VexRow *r, unsigned vl)
{
    bool scalar = (r->bytes[0] && r->bytes[0] == r->bytes[1] && r->bytes[0] < 16) ||
                  (r->reg_only && r->ops[1] == OPD_H);
    return vl && !scalar ? 2 : 1;
}

void x86_vex_soft(VexFrame *f, unsigned vx, unsigned imm, unsigned vl)
{
    const X86VexRow *r = &x86_vex_rows[vx];
    /* meanings want MXCSR, and blends vec[0]; the rest is not looked at */
    X86Cpu cpu;
    VexOp o = { .f = f, .row = r, .opcode = meanings[vx].opcode, .imm = imm, .n = vl ? 32 : 16,
                .cpu = &cpu };
    bool to_rm = r->ops[0] == OPD_W || r->ops[0] == OPD_E;
    cpu.mxcsr = f->mxcsr;
    memcpy(&o.d, f->reg, 32);
    memcpy(&o.h, f->vvvv, 32);
    memcpy(&o.w, r->reg_only ? (const void *)f->rm : f->memory, 32);
    if (meanings[vx].xv >= XV_N)
        own_meanings[meanings[vx].xv - XV_N](&o);
    else if (is_compare(vx))
        compare(&o, vx, vl ? 2 : 1);
    else
        by_namesake(&o, vx, lanes_of(r, vl));
    f->mxcsr = cpu.mxcsr;
    if (r->props & V_FLAGS || r->ops[0] == OPD_G)
        return;
    if (to_rm) {
        if (meanings[vx].xv < XV_N)
            memcpy(r->reg_only ? (void *)f->rm : f->memory, &o.d, 32);
        return;
    }
    memcpy(f->reg, &o.d, 32);
    bool own = meanings[vx].xv >= XV_N,
         spreads = own && own_meanings[meanings[vx].xv - XV_N] != fused;
    if (!vl || (lanes_of(r, vl) == 1 && !spreads))
        memset(&f->reg[2], 0, 16);
}
#endif
