/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_run.c -- the engine of EVEX-coded instructions: operands in, the row's meaning, masks,
 * results out.
 *
 * Elements that the mask leaves out touch no memory and raise nothing: memory is accessed in runs
 * of wanted elements, and before the host's instruction runs on whole vectors, the left-out
 * elements of floating-point sources become 1.0, with which no instruction raises anything.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7 (masking, broadcast, rounding), 2.8 (exception classes:
 *   fault suppression).
 * Omits: beside an unmasked overflow or underflow, PE is set as the masked response would set it;
 *   alignment checks (#AC).
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/evex.h"
#include "cpu/x86/evex_mask.h"
#include "cpu/x86/simd.h"
#include "cpu/x86/sys.h"
#include "cpu/x86/vex_run.h"
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

typedef struct EvexInsn {               /* the fields of the instruction: arguments of the helper */
    const X86EvexRow *row;
    unsigned reg, rm, vvvv, imm, k, l, seg, addr_bits, scale, index;
    bool     mem, b, z, vex;
    uint64_t offset;
} EvexInsn;

static EvexInsn unpack(uint64_t a, uint64_t b, uint64_t arg)
{
    EvexInsn v = { .row = &x86_evex_rows[a & 0xffff], .reg = a >> 16 & 31, .rm = a >> 24 & 31,
                   .vvvv = a >> 32 & 31, .imm = a >> 40 & 0xff, .k = a >> 48 & 7, .l = a >> 53 & 3,
                   .mem = (a >> 24 & 0xff) == 0xff, .b = a >> 52 & 1, .z = a >> 55 & 1,
                   .vex = a >> 56 & EVEX_IS_VEX, .offset = b, .seg = arg & 0xff,
                   .addr_bits = arg >> 8 & 0xff, .scale = arg >> 16 & 3, .index = arg >> 24 & 31 };
    return v;
}

static inline uint64_t low_bits(unsigned n)
{
    return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}
static inline bool is_rounding(const EvexInsn *v) { return v->b && !v->mem; }
static inline bool is_scalar(const X86EvexRow *r) { return r->lengths == L_IG; }

static void begin(EvexOp *o, X86Cpu *c, const EvexInsn *v)
{
    const X86EvexRow *r = v->row;
    o->cpu = c;
    o->row = r;
    o->imm = v->imm;
    o->vl = r->lengths & (L_IG | L_X) && r->lengths != L_V ? 16 : is_rounding(v) ? 64 : 16u << v->l;
    o->n = is_scalar(r) || r->ops[0] == OPD_G || r->ops[0] == OPD_E ? 1
           : r->flags & E_PART || (r->lengths == L_X && v->mem && r->ops[0] == OPD_W) ?
             x86_evex_tuple_bytes(r, o->vl) / r->to
           : x86_evex_converts(r)                ? o->vl / MAX(r->from, r->to)
                                                 : o->vl / r->to;
    o->mask = (v->k ? c->opmask[v->k] : ~UINT64_C(0)) & low_bits(o->n);
    o->mxcsr = c->mxcsr;
    if (is_rounding(v) && r->flags & E_ER)
        o->mxcsr = (o->mxcsr & ~0x6000u) | v->l << 13;
    o->flags = 0;
}

/* ---- memory ---- */
static uint64_t linear_at(X86Cpu *c, const EvexInsn *v, uint64_t at, unsigned bytes, bool write)
{
    at += v->offset;
    if (v->addr_bits != 64)
        at &= low_bits(v->addr_bits);
    return x86_seg_linear(c, v->seg, at, bytes, write);
}

static void load(X86Cpu *c, const EvexInsn *v, unsigned at, unsigned bytes, void *to)
{
    dbt_load_bytes(&c->dbt, linear_at(c, v, at, bytes, false), to, bytes);
}

static void check_aligned(X86Cpu *c, const EvexInsn *v, unsigned bytes, bool write)
{
    if (v->row->flags & E_ALIGN && linear_at(c, v, 0, bytes, write) & (bytes - 1))
        x86_raise_gp(c, 0);
}

/* The next run of set bits of mask from *at on: its length, and where it starts in *at. */
static unsigned next_run(uint64_t mask, unsigned *at)
{
    if (*at >= 64 || !(mask >> *at))
        return 0;
    *at += (unsigned)__builtin_ctzll(mask >> *at);
    uint64_t rest = ~(mask >> *at);
    return rest ? (unsigned)__builtin_ctzll(rest) : 64 - *at;
}

static void broadcast(X86Vec *s, unsigned bytes, unsigned total)
{
    for (unsigned k = bytes; k < total; k += bytes)
        memcpy(&s->u8[k], s->u8, bytes);
}

/*
 * Elements of memory that some wanted element needs: those are used again and again where memory
 * has fewer.
 */
static uint64_t wanted_of(const EvexOp *o, unsigned n)
{
    uint64_t want = 0;
    if (n >= o->n)
        return o->mask;
    for (unsigned k = 0; k < o->n; k += n)
        want |= o->mask >> k & low_bits(n);
    return want;
}

static void load_source(EvexOp *o, const EvexInsn *v, X86Vec *s)
{
    const X86EvexRow *r = v->row;
    unsigned bytes = x86_evex_tuple_bytes(r, o->vl);
    memset(s, 0, sizeof *s);
    if (v->b) {
        if (o->mask || r->flags & E_NF)
            load(o->cpu, v, 0, r->from, s);
        broadcast(s, r->from, bytes);
        return;
    }
    check_aligned(o->cpu, v, bytes, false);
    if (r->flags & E_EXPAND)
        bytes = (unsigned)__builtin_popcountll(o->mask) * r->from;
    uint64_t want = r->flags & E_EXPAND ? low_bits(bytes / r->from) : wanted_of(o, bytes / r->from);
    if (r->flags & (E_NF | E_NOMASK) || want == low_bits(bytes / r->from)) {
        if (bytes)
            load(o->cpu, v, 0, bytes, s);
        return;
    }
    for (unsigned at = 0, n; (n = next_run(want, &at)); at += n)
        load(o->cpu, v, at * r->from, n * r->from, &s->u8[at * r->from]);
}

/* Elements `want` of d, each in its place: all are checked before any is stored. */
static void check_store(EvexOp *o, const EvexInsn *v, uint64_t want)
{
    unsigned bytes = o->row->to;
    check_aligned(o->cpu, v, o->n * bytes, true);
    for (unsigned at = 0, n; (n = next_run(want, &at)); at += n)
        dbt_check(&o->cpu->dbt, linear_at(o->cpu, v, at * bytes, n * bytes, true), n * bytes,
                  ACCESS_WRITE);
}

static void store(EvexOp *o, const EvexInsn *v, uint64_t want)
{
    unsigned bytes = o->row->to;
    for (unsigned at = 0, n; (n = next_run(want, &at)); at += n)
        dbt_store_bytes(&o->cpu->dbt, linear_at(o->cpu, v, at * bytes, n * bytes, true),
                        &o->d.u8[at * bytes], n * bytes);
}

/* ---- operands ---- */
static void fetch(EvexOp *o, const EvexInsn *v, unsigned letter, X86Vec *s)
{
    X86Cpu *c = o->cpu;
    switch (letter) {
    case OPD_V: *s = c->vec[v->reg]; break;
    case OPD_H: *s = c->vec[v->vvvv]; break;
    case OPD_KR: o->opmask = c->opmask[v->rm & 7]; break;
    case OPD_W:
    case OPD_E:
        if (v->mem) {
            load_source(o, v, s);
        } else if (letter == OPD_W) {
            *s = c->vec[v->rm];
        } else {
            memset(s, 0, sizeof *s);
            s->u64[0] = c->dbt.gpr[v->rm & 15];
        }
        break;
    }
}

static X86Vec *destination(X86Cpu *c, const EvexInsn *v)
{
    unsigned letter = v->row->ops[0];
    return &c->vec[letter == OPD_V ? v->reg : letter == OPD_H ? v->vvvv : v->rm];
}

/* Left-out elements of floating-point operands become 1.0. */
static void neutralise(EvexOp *o)
{
    static const uint64_t one[9] = { [2] = 0x3c00, [4] = 0x3f800000, [8] = 0x3ff0000000000000 };
    unsigned from = o->row->from, to = o->row->to;
    for (unsigned k = 0; k < o->n; k++) {
        if (o->mask >> k & 1)
            continue;
        /* there the rest of s[0] goes to the result */
        if (!(is_scalar(o->row) && from > to))
            evex_set(&o->s[0], from, k, one[from]);
        evex_set(&o->s[1], from, k, one[from]);
        if (to > 1)
            evex_set(&o->d, to, k, one[to]);
    }
}

/* ---- the host's instruction, on each 256 bits ---- */
static void put_operand(VexFrame *f, unsigned letter, const void *from)
{
    switch (letter) {
    case OPD_V: memcpy(f->reg, from, 32); break;
    case OPD_H: memcpy(f->vvvv, from, 32); break;
    case OPD_W:
    case OPD_E:
        memcpy(f->memory, from, 32);
        memcpy(f->rm, from, 32);
        break;
    }
}

static void run_host(EvexOp *o)
{
    const X86EvexRow *r = o->row;
    const X86VexRow *w = &x86_vex_rows[r->host];
    unsigned chunk = o->vl == 16 || r->flags & E_CHUNK16 ? 16 : 32, from = chunk, to = chunk,
             imm = o->imm;
    if (x86_evex_converts(r) && !is_scalar(r)) {
        from = chunk / MAX(r->from, r->to) * r->from;
        to = chunk / MAX(r->from, r->to) * r->to;
    }
    for (unsigned k = 0; k < o->vl / chunk; k++) {
        /* what the instruction does not read or write does not count */
        VexFrame f;
        if (w->ops[0] == OPD_W || w->ops[0] == OPD_E)
            memset(f.memory, 0, sizeof f.memory);
        f.rax = 0;
        put_operand(&f, OPD_V, &o->d.u8[k * to]);
        put_operand(&f, w->ops[1], &o->s[0].u8[k * from]);
        put_operand(&f, w->ops[2], &o->s[1].u8[k * from]);
        o->flags |= x86_vex_frame(&f, r->host, r->flags & E_IMM4 && k ? imm >> 4 : imm, chunk == 32,
                                  o->mxcsr);
        const void *result = w->ops[0] == OPD_G   ? (void *)&f.rax
                             : w->ops[0] == OPD_V ? (void *)f.reg
                             : w->reg_only        ? (void *)f.rm
                                                  : (void *)f.memory;
        memcpy(&o->d.u8[k * to], result, to);
        o->eflags = f.eflags;
    }
}

static void run_once(EvexOp *o)
{
    if (o->row->host == EVEX_NO_HOST)
        o->row->fn(o);
    else
        run_host(o);
}

/* As x86_h_vex() has it: which flags are set with exceptions unmasked, and whether it raises. */
static void run_exact(EvexOp *o)
{
    enum { MX_UE = 0x10, MX_PRE = 7, MX_UM = 0x800, MX_FTZ = 0x8000, MX_MASK_SHIFT = 7 };
    X86Cpu *c = o->cpu;
    bool tiny = !(o->mxcsr & MX_UM);
    EvexOp trial;
    if (tiny) {
        o->mxcsr &= ~(uint32_t)MX_FTZ;
        trial = *o;
        trial.mxcsr |= MX_FTZ;
    }
    run_once(o);
    if (tiny) {
        run_once(&trial);
        o->flags |= trial.flags & MX_UE;
    }
    unsigned unmasked = o->flags & ~(c->mxcsr >> MX_MASK_SHIFT) & X86_MXCSR_FLAGS;
    if (unmasked & MX_PRE)
        o->flags &= MX_PRE;
    c->mxcsr |= o->flags;
    if (unmasked && !(c->cr4 & CR4_OSXMMEXCPT))
        x86_raise_ud(c);
    if (unmasked)
        x86_raise(c, EXC_XM, 0);
}

/* ---- results ---- */
/* The top bit of each element. */
static uint64_t top_bits(const X86Vec *d, unsigned bytes, unsigned n)
{
    uint64_t r = 0;
#if defined(__x86_64__)
    if (bytes == 1) {
        for (unsigned k = 0; k < n / 16; k++)
            r |= (uint64_t)_mm_movemask_epi8(_mm_loadu_si128((const void *)&d->u8[16 * k]))
                 << 16 * k;
        return r;
    }
#endif
    for (unsigned k = 0; k < n; k++)
        r |= (uint64_t)(d->u8[k * bytes + bytes - 1] >> 7) << k;
    return r;
}

static void merge(EvexOp *o, const EvexInsn *v)
{
    const X86EvexRow *r = o->row;
    X86Vec *to = destination(o->cpu, v);
    unsigned bytes = r->to, used = r->lengths == L_X ? 16 : o->n * bytes;
    const X86Vec *other = r->flags & E_BLEND ? &o->s[0] : to;
    if (o->mask != low_bits(o->n)) {
        for (unsigned k = 0; k < o->n; k++) {
            if (!(o->mask >> k & 1))
                evex_set(&o->d, bytes, k, v->z ? 0 : evex_get(other, bytes, k));
        }
    }
    if (is_scalar(r) && r->ops[2] != OPD_N0) {          /* the rest comes from the first source */
        memcpy(&o->d.u8[bytes], &o->s[0].u8[bytes], 16 - bytes);
        used = 16;
    }
    memset(&o->d.u8[used], 0, sizeof o->d - used);
    *to = o->d;
}

static void put_result(EvexOp *o, const EvexInsn *v)
{
    X86Cpu *c = o->cpu;
    const X86EvexRow *r = o->row;
    if (r->host != EVEX_NO_HOST && x86_vex_rows[r->host].props & V_FLAGS) {
        c->dbt.fl = x86_eflags_to_fl(o->eflags & (EF_ZF | EF_PF | EF_CF));
        return;
    }
    switch (r->ops[0]) {
    case OPD_K:
        c->opmask[v->reg & 7] = top_bits(&o->d, r->to, o->n) & o->mask;
        break;
    case OPD_G:
        c->dbt.gpr[v->reg & 15] = r->to == 8 ? o->d.u64[0] : o->d.u32[0];
        break;
    case OPD_E:
        if (!v->mem)
            c->dbt.gpr[v->rm & 15] = evex_get(&o->d, r->to, 0);
        else
            store(o, v, 1);
        break;
    case OPD_W:
        if (v->mem)
            store(o, v,
                  r->flags & E_COMPRESS ? low_bits((unsigned)__builtin_popcountll(o->mask))
                                        : o->mask);
        else
            merge(o, v);
        break;
    default:
        merge(o, v);
        break;
    }
}

/* ---- gathers and scatters: element by element; the mask says what remains if one faults ---- */
static void gather_scatter(X86Cpu *c, const EvexInsn *v, unsigned index_bytes, bool is_scatter)
{
    unsigned bytes = v->row->to, n = (16u << v->l) / MAX(bytes, index_bytes);
    X86Vec *reg = &c->vec[v->reg];
    const X86Vec *index = &c->vec[v->index];
    for (unsigned k = 0; k < n; k++) {
        if (!(c->opmask[v->k] >> k & 1))
            continue;
        uint64_t i = index_bytes == 8 ? index->u64[k] : (uint64_t)(int64_t)index->s32[k];
        uint64_t linear = linear_at(c, v, i << v->scale, bytes, is_scatter);
        if (is_scatter)
            dbt_store_bytes(&c->dbt, linear, &reg->u8[k * bytes], bytes);
        else
            dbt_load_bytes(&c->dbt, linear, &reg->u8[k * bytes], bytes);
        c->opmask[v->k] &= ~(UINT64_C(1) << k);
    }
    c->opmask[v->k] = 0;
    if (!is_scatter)
        memset(&reg->u8[n * bytes], 0, sizeof *reg - n * bytes);
}

uint64_t x86_h_evex(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    EvexInsn v = unpack(a, b, arg);
    const X86EvexRow *r = v.row;
    EvexOp o;
    if (!v.vex)
        x86_avx512_check(c);
    if (r->flags & E_VSIB) {
        gather_scatter(c, &v, r->fn == evex_vsib4 ? 4 : 8, r->ops[0] == OPD_W);
        return 0;
    }
    begin(&o, c, &v);
    bool stores = v.mem && (r->ops[0] == OPD_W || r->ops[0] == OPD_E);
    if (stores || r->ops[0] == OPD_K || r->ops[0] == OPD_G || r->ops[0] == OPD_E)
        memset(&o.d, 0, sizeof o.d);
    else
        o.d = *destination(c, &v);
    fetch(&o, &v, r->ops[1], &o.s[0]);
    fetch(&o, &v, r->ops[2], &o.s[1]);
    if (stores)
        check_store(&o, &v,
                    r->flags & E_COMPRESS ? low_bits((unsigned)__builtin_popcountll(o.mask))
                                          : o.mask);
    if (!(r->flags & E_FP)) {
        run_once(&o);
    } else {
        if (o.mask != low_bits(o.n) && r->host != EVEX_NO_HOST)
            neutralise(&o);
        if (is_rounding(&v))
            run_once(&o);
        else
            run_exact(&o);
    }
    put_result(&o, &v);
    return 0;
}
