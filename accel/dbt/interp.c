/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interp.c -- tier 0: runs a block's operations one by one, exactly, on any host.
 *
 * Spec: accel/dbt/ir.h and ir.def, whose expressions are expanded here (meaning.h).
 *
 * A block of one guest instruction is run to the letter: what is not plain RAM goes by access
 * descriptors, and what the guest's manual lets raise raises.  In a longer block a check that finds
 * no plain RAM hands its guest instruction to dbt_step(), like native code, since that instruction
 * may change the mode, the map or this very block.
 *
 * Flags live in a local as FL_* bits; cpu->fl follows at each change, so that anything may leave at
 * any time.
 *
 * Omits: big-endian hosts (guest RAM and narrow registers are accessed as they lie).
 * Threads: the vCPU's own.  The block must stay allocated until the call returns, even if it is
 *   invalidated meanwhile.
 */
#include <string.h>
#include "accel/dbt/dbt.h"
#include "accel/dbt/meaning.h"

enum { CACHE_LINE = 64, MAX_HOST = 64 };

typedef struct HostRef {                /* what IR_HOST stands for here */
    uint8_t *host;                      /* plain RAM; NULL: by desc */
    uint32_t waits;                     /* DbtCpu.waits when it was checked */
    uint64_t linear;
    const IrMem *mem;
    DbtAccessDesc desc;
} HostRef;

typedef struct Run {
    DbtCpu *c;
    const IrBlock *b;
    /* of the operand kinds that lie in memory: base + (id << shift) */
    const uint8_t *base[IR_IMM + 1];
    unsigned fl;                        /* FL_* */
    uint64_t temp[8];
    HostRef host[IR_HOSTS];
} Run;

static const uint8_t ref_shift[IR_IMM + 1] = { [IR_GUEST] = 3, [IR_TEMP] = 3, [IR_IMM] = 3 };
static const uint64_t masks[4] = { UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX };

/* ---- flags as tables: FL_* to the form of cpu->fl, and to the set of conditions that hold ---- */
#define IF(f, m, v) (((f) & (m)) ? (v) : 0)
#define FL_WORD(f)                                                                         \
    (IF(f, FL_C, 0x100) | IF(f, FL_P, 0x400) | IF(f, FL_A, 0x1000) | IF(f, FL_Z, 0x4000) | \
                    IF(f, FL_S, 0x8000) | IF(f, FL_O, 1) | 0x200)
#define PAIR(cc, holds) ((holds) ? 1u << (cc) : 2u << (cc))
#define LESS(f) (!!((f) & FL_S) != !!((f) & FL_O))
#define CONDS(f) (PAIR(CC_O, (f) & FL_O) | PAIR(CC_B, (f) & FL_C) | PAIR(CC_E, (f) & FL_Z) |           \
                  PAIR(CC_BE, (f) & (FL_C | FL_Z)) | PAIR(CC_S, (f) & FL_S) | PAIR(CC_P, (f) & FL_P) | \
                  PAIR(CC_L, LESS(f)) | PAIR(CC_LE, LESS(f) || ((f) & FL_Z)))
#define ROW4(m, f) m(f), m((f) + 1), m((f) + 2), m((f) + 3)
#define ROW16(m, f) ROW4(m, f), ROW4(m, (f) + 4), ROW4(m, (f) + 8), ROW4(m, (f) + 12)
#define ROW64(m) ROW16(m, 0), ROW16(m, 16), ROW16(m, 32), ROW16(m, 48)
static const uint16_t fl_words[64] = { ROW64(FL_WORD) };
static const uint16_t conds[64] = { ROW64(CONDS) };

static inline bool holds(const Run *r, const IrInsn *i)
{
    return conds[r->fl] >> i->cond & 1;
}

static inline void put_flags(Run *r, const IrInsn *i, unsigned flags)
{
    r->fl = (r->fl & ~i->sets) | (flags & i->sets);
    r->c->fl = fl_words[r->fl];
}

/* What may leave or raise here does so as this guest instruction. */
static inline void here(const Run *r, const IrInsn *i)
{
    r->c->pc = r->c->pc_base + (uint64_t)(int64_t)ir_offset(r->b, i);
}

/* ---- guest RAM: single host accesses, so that aligned ones do not tear ---- */
static uint64_t ram_load(const uint8_t *p, IrType type)
{
    switch (type) {
    case IR_I8:  return *p;
    case IR_I16: { uint16_t v; memcpy(&v, p, 2); return v; }
    case IR_I32: { uint32_t v; memcpy(&v, p, 4); return v; }
    default:     { uint64_t v; memcpy(&v, p, 8); return v; }
    }
}

static void ram_store(uint8_t *p, IrType type, uint64_t v)
{
    switch (type) {
    case IR_I8:  *p = (uint8_t)v; break;
    case IR_I16: { uint16_t x = (uint16_t)v; memcpy(p, &x, 2); break; }
    case IR_I32: { uint32_t x = (uint32_t)v; memcpy(p, &x, 4); break; }
    default:     memcpy(p, &v, 8);
    }
}

/* If *p is *old, make it `now`; else *old is what it is. */
static bool ram_swap(uint8_t *p, IrType type, uint64_t *old, uint64_t now)
{
#define SWAP(T)                                                                                             \
    { T o = (T)*old; bool ok = __atomic_compare_exchange_n((T *)(void *)p, &o, (T)now, false,               \
                                                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
                  *old = o; return ok; }
    switch (type) {
    case IR_I8:  SWAP(uint8_t)
    case IR_I16: SWAP(uint16_t)
    case IR_I32: SWAP(uint32_t)
    default:     SWAP(uint64_t)
    }
#undef SWAP
}

/* ---- operands ---- */
static uint64_t host_load(Run *r, IrRef ref, IrType type, int32_t disp)
{
    const HostRef *h = &r->host[ref.id];
    return h->host ? ram_load(h->host + disp, type)
                   : dbt_desc_load(r->c, &h->desc, (unsigned)disp, 1u << type);
}

static void host_store(Run *r, const IrInsn *i, IrRef ref, IrType type, uint64_t v)
{
    HostRef *h = &r->host[ref.id];
    int32_t disp = i->disp;
    if (h->host && h->waits != r->c->waits) {   /* the page may hold code by now */
        here(r, i);
        dbt_access(r->c, h->linear, h->mem->span, h->mem->access, &h->desc);
        h->host = NULL;
    }
    if (h->host) {
        ram_store(h->host + disp, type, v);
    } else {
        dbt_desc_store(r->c, &h->desc, (unsigned)disp, v, 1u << type);
    }
}

static inline uint64_t get(Run *r, const IrInsn *i, IrRef ref, IrType type)
{
    if (ref.kind <= IR_IMM) {
        uint64_t v;
        memcpy(&v, r->base[ref.kind] + ((size_t)ref.id << ref_shift[ref.kind]), 8);
        return v >> (ref.high_byte * 8) & masks[type];
    }
    return ref.kind == IR_CTX ? ram_load((const uint8_t *)r->c + ref.id, type)
                              : host_load(r, ref, type, i->disp);
}

static inline void put(Run *r, const IrInsn *i, IrRef ref, IrType type, uint64_t v)
{
    switch (ref.kind) {
    case IR_GUEST:
        if (type >= IR_I32) {
            r->c->gpr[ref.id] = v;
        } else {
            ram_store((uint8_t *)&r->c->gpr[ref.id] + ref.high_byte, type, v);
        }
        break;
    case IR_TEMP:
        r->temp[ref.id] = v;
        break;
    case IR_CTX:
        ram_store((uint8_t *)r->c + ref.id, type, v);
        break;
    case IR_HOST:
        host_store(r, i, ref, type, v);
        break;
    }
}

/* ---- memory checks ---- */
static inline uint64_t mem_offset(Run *r, const IrMem *m)
{
    uint64_t o = (uint64_t)(int64_t)m->disp;
    if (m->base.kind) {
        o += get(r, NULL, m->base, IR_I64);
    }
    if (m->index.kind) {
        o += get(r, NULL, m->index, IR_I64) << m->scale;
    }
    if (m->pc_relative) {
        o += r->c->pc_base;
    }
    return o & UINT64_MAX >> (64 - m->offset_bits);
}

static const uint8_t *segment(const Run *r, const IrMem *m)
{
    const DbtGuest *g = r->c->guest;
    return (const uint8_t *)r->c + g->seg_offset + m->segment * g->seg_stride;
}

static void check_limit(const Run *r, const IrMem *m, uint64_t offset)
{
    const DbtGuest *g = r->c->guest;
    const uint8_t *s = segment(r, m);
    int64_t lo, hi;
    memcpy(&lo, s + g->seg_lo, 8);
    memcpy(&hi, s + (m->access & IR_WRITE ? g->seg_hi_write : g->seg_hi_read), 8);
    if ((int64_t)offset < lo || (int64_t)(offset + m->span - 1) > hi) {
        g->trap(r->c, TRAP_SEGMENT, m->segment);
    }
}

static inline uint8_t *tlb_hit(const DbtCpu *c, uint64_t linear, unsigned span, unsigned access)
{
    const TlbEntry *e = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    uint64_t tag = access & IR_WRITE ? e->write : e->read;
    return (linear ^ tag) <= DBT_PAGE - span ? (uint8_t *)(uintptr_t)(e->page + (linear ^ tag))
                                             : NULL;
}

static bool is_canonical(const DbtCpu *c, const IrMem *m, uint64_t linear, unsigned span)
{
    unsigned up = 64 - c->guest->canonical_bits;
    uint64_t last = linear + span - 1;
    return m->linear_bits < 64 || up >= 64 ||
           ((uint64_t)((int64_t)(linear << up) >> up) == linear &&
            (uint64_t)((int64_t)(last << up) >> up) == last);
}

/* A flat segment needs no look at its limit but where an operand would wrap at 4 GiB. */
static bool passes_limit(const IrMem *m, uint64_t linear)
{
    return m->linear_bits == 32 && !m->limit && linear + m->span > UINT64_C(1) << 32;
}

/* The TLB did not have it.  False: dbt_step() must run this guest instruction. */
static bool check_slow(Run *r, const IrMem *m, HostRef *h)
{
    DbtCpu *c = r->c;
    if (m->merged) {
        if (m->align && (h->linear & (m->align - 1u))) {
            return false;
        }
        dbt_refill(c, h->linear + m->own_at, m->own_span, m->own_access);
        h->host = tlb_hit(c, h->linear, m->span, m->access);
        return h->host;
    }
    if (!is_canonical(c, m, h->linear, m->span) || passes_limit(m, h->linear)) {
        c->guest->trap(c, TRAP_SEGMENT, m->segment);
    }
    if (m->align && (h->linear & (m->align - 1u))) {
        c->guest->trap(c, TRAP_ALIGN, m->segment);
    }
    if (r->b->n_guest > 1) {
        h->host = dbt_refill(c, h->linear, m->span, m->access);
        return h->host;
    }
    dbt_access(c, h->linear, m->span, m->access, &h->desc);
    h->host = h->desc.host && !h->desc.code && h->desc.n1 == m->span ? h->desc.host : NULL;
    return true;
}

static inline bool check(Run *r, const IrInsn *i)
{
    const IrMem *m = &r->b->mems[i->mem];
    HostRef *h = &r->host[i->dst.id];
    uint64_t offset = mem_offset(r, m), linear = offset;

    h->mem = m;
    if (m->segment != SEG_NONE) {
        uint64_t base;
        memcpy(&base, segment(r, m) + r->c->guest->seg_base, 8);
        linear += base;
        if (m->limit) {
            check_limit(r, m, offset);
        }
    }
    if (m->linear_bits == 32) {
        linear = (uint32_t)linear;
    }
    h->linear = linear;
    h->waits = r->c->waits;
    if (G_UNLIKELY(r->c->seen.wanted) && r->c->seen.n < G_N_ELEMENTS(r->c->seen.linear)) {
        r->c->seen.write[r->c->seen.n] = m->access & IR_WRITE;
        r->c->seen.linear[r->c->seen.n++] = linear;
    }
    if (m->narrow) {                    /* are they neighbours that it was merged of? */
        uint32_t v = (uint32_t)get(r, NULL, m->narrow == 1 ? m->base : m->index, IR_I64);
        if (v - m->narrow_lo > m->narrow_hi - m->narrow_lo) {
            return false;
        }
    }
    h->host = tlb_hit(r->c, linear, m->span, m->access);
    if (!h->host || (m->align && (linear & (m->align - 1u)))) {
        return check_slow(r, m, h);
    }
    /* A locked access that no host instruction makes atomic is for dbt_step(). */
    return !m->locked || r->b->n_guest == 1 || (linear & (CACHE_LINE - 1)) + m->span <= CACHE_LINE;
}

/* ---- read-modify-write ---- */
static bool is_host_atomic(const uint8_t *p, unsigned bytes)
{
#if defined(__x86_64__) || defined(__i386__)
    return ((uintptr_t)p & (CACHE_LINE - 1)) + bytes <= CACHE_LINE;
#else
    return ((uintptr_t)p & (bytes - 1)) == 0;
#endif
}

static uint64_t stored_value(IrOp op, IrType type, uint64_t old, uint64_t b, uint64_t c, bool carry)
{
    switch (op) {
    case IR_xchg:    return b;
    case IR_xadd:    return (old + b) & masks[type];
    case IR_cmpxchg: return old == c ? b : old;
    default:         return ir_eval(op, type, old, b, c, carry);
    }
}

/* A read-modify-write that nothing else may come between; the old value. */
static uint64_t rmw_locked(Run *r, const IrInsn *i, uint64_t b, uint64_t c)
{
    IrType type = i->type;
    HostRef *h = &r->host[i->a.id];
    bool carry = r->fl & FL_C;
    uint64_t old;

    if (h->host && is_host_atomic(h->host + i->disp, 1u << type)) {
        uint8_t *p = h->host + i->disp;
        old = ram_load(p, type);
        while (!ram_swap(p, type, &old, stored_value(i->op, type, old, b, c, carry))) {
        }
        return old;
    }
    here(r, i);
    dbt_exclusive_begin(r->c);
    /* the map may have changed in the wait */
    dbt_access(r->c, h->linear, h->mem->span, h->mem->access, &h->desc);
    old = dbt_desc_load(r->c, &h->desc, (unsigned)i->disp, 1u << type);
    dbt_desc_store(r->c, &h->desc, (unsigned)i->disp, stored_value(i->op, type, old, b, c, carry),
                   1u << type);
    dbt_exclusive_end(r->c);
    return old;
}

/*
 * Any operation that reads and writes the same IR_HOST, and xchg, xadd, cmpxchg, whose dst gets the
 * old value.
 */
static void rmw(Run *r, const IrInsn *i)
{
    IrType type = i->type;
    uint64_t b = get(r, i, i->b, type), c = get(r, i, i->c, type), old, now;
    bool carry = r->fl & FL_C;

    if (i->locked || i->op == IR_xchg) {
        old = rmw_locked(r, i, b, c);
        now = stored_value(i->op, type, old, b, c, carry);
    } else {
        old = host_load(r, i->a, type, i->disp);
        now = stored_value(i->op, type, old, b, c, carry);
        host_store(r, i, i->a, type, now);
    }
    if (i->sets) {
        put_flags(r, i, ir_flags(i->op, type, old, b, c, now, 0, r->fl));
    }
    if (i->dst.kind != IR_HOST) {
        put(r, i, i->dst, type, old);
    }
}

/* ---- the larger operations ---- */
static void multiply(Run *r, const IrInsn *i)
{
    IrType type = i->type;
    unsigned bits = 8u << type;
    uint64_t a = get(r, i, i->a, type), b = get(r, i, i->b, type), high;
    if (i->op == IR_mulu2) {
        high = (uint64_t)((unsigned __int128)a * b >> bits);
    } else {
        high = (uint64_t)((__int128)(int64_t)sign_extend(a, type) * (int64_t)sign_extend(b, type) >>
                          bits);
    }
    high &= masks[type];
    uint64_t low = a * b & masks[type];
    put_flags(r, i, ir_flags(i->op, type, a, b, 0, low, high, r->fl));
    put(r, i, i->dst, type, low);
    put(r, i, i->dst2, type, high);
}

/* c:a / b in twice the width; on magnitudes, so that nothing overflows here. */
static void divide(Run *r, const IrInsn *i)
{
    IrType type = i->type;
    unsigned bits = 8u << type;
    uint64_t b = get(r, i, i->b, type), q, rem;
    unsigned __int128 n = (unsigned __int128)get(r, i, i->c, type) << bits | get(r, i, i->a, type);
    bool n_minus = false, b_minus = false;

    if (i->op == IR_divs) {
        n_minus = n >> (2 * bits - 1) & 1;
        b_minus = b >> (bits - 1) & 1;
        if (n_minus) {
            n = -n &
                (type == IR_I64 ? ~(unsigned __int128)0 : ((unsigned __int128)1 << 2 * bits) - 1);
        }
        b = b_minus ? -b & masks[type] : b;
    }
    if (b == 0 || n / b > masks[type]) {
        r->c->guest->trap(r->c, TRAP_DIVIDE, SEG_NONE);
    }
    q = (uint64_t)(n / b);
    rem = (uint64_t)(n % b);
    if (i->op == IR_divs) {
        uint64_t most = (masks[type] >> 1) + (n_minus != b_minus);    /* 2^(bits-1), or one less */
        if (q > most) {
            r->c->guest->trap(r->c, TRAP_DIVIDE, SEG_NONE);
        }
        q = (n_minus != b_minus ? -q : q) & masks[type];
        rem = (n_minus ? -rem : rem) & masks[type];
    }
    put(r, i, i->dst, type, q);
    put(r, i, i->dst2, type, rem);
}

static void call_helper(Run *r, const IrInsn *i)
{
    const IrHelperDesc *d = &r->c->guest->helpers[i->sub];
    IrType type = i->type;
    uint64_t v = d->fn(r->c, get(r, i, i->a, type), get(r, i, i->b, type), get(r, i, i->c, type));
    if (d->props & H_FLAGS_OUT) {
        r->fl = dbt_fl_flags(r->c->fl);
    }
    put(r, i, i->dst, type, v & masks[type]);
}

static uint8_t *vector(const Run *r, unsigned id)
{
    const DbtGuest *g = r->c->guest;
    return (uint8_t *)r->c + (id < 64 ? g->vec_offset + id * g->vec_stride
                                      : g->mmx_offset + (id - 64) * g->mmx_stride);
}

/* A memory operand of up to 64 bytes, to or from a copy. */
static void host_copy(Run *r, IrRef ref, int32_t disp, uint8_t *buf, unsigned bytes, bool store)
{
    HostRef *h = &r->host[ref.id];
    if (store && h->host && h->waits != r->c->waits) {
        dbt_access(r->c, h->linear, h->mem->span, h->mem->access, &h->desc);
        h->host = NULL;
    }
    if (!h->host) {
        dbt_desc_copy(r->c, &h->desc, (unsigned)disp, buf, bytes, store);
        return;
    }
    for (unsigned n, at = 0; at < bytes; at += n) {
        unsigned left = bytes - at;
        IrType type = left >= 8 ? IR_I64 : left >= 4 ? IR_I32 : left >= 2 ? IR_I16 : IR_I8;
        n = 1u << type;
        if (store) {
            uint64_t v = 0;
            memcpy(&v, buf + at, n);
            ram_store(h->host + disp + at, type, v);
        } else {
            uint64_t v = ram_load(h->host + disp + at, type);
            memcpy(buf + at, &v, n);
        }
    }
}

/* Where a source of a vop is: in the struct, or copied to buf. */
static void *vector_source(Run *r, const IrInsn *i, IrRef ref, uint8_t *buf, unsigned bytes)
{
    if (ref.kind == IR_VEC) {
        return vector(r, ref.id);
    }
    if (ref.kind == IR_HOST) {
        host_copy(r, ref, i->disp, buf, bytes, false);
    } else if (ref.kind != IR_NONE) {
        uint64_t v = get(r, i, ref, i->type);
        memcpy(buf, &v, 8);
    }
    return buf;
}

static void vector_op(Run *r, const IrInsn *i)
{
    const IrVecDesc *d = &r->c->guest->vecs[i->sub];
    unsigned bytes = MIN(i->vl & 1 ? d->mem_bytes_256 : d->mem_bytes, MAX_HOST);
    _Alignas(64) uint8_t to[MAX_HOST] = { 0 }, from[MAX_HOST] = { 0 };
    uint8_t *dp = to;
    uint64_t v, flags;

    if (i->dst.kind != IR_HOST || d->props & V_DST_READ) {
        dp = vector_source(r, i, i->dst, to, bytes);
    }
    void *sp = vector_source(r, i, i->a, from, bytes);
    if (d->props & V_VEX) {             /* of a and b, one at most is no vector */
        void *sp2 = i->b.kind ? vector_source(r, i, i->b, from, bytes) : NULL;
        flags = r->c->guest->vex(r->c, i->sub, dp, i->a.kind ? sp : NULL, sp2,
                                 i->c.kind ? vector(r, i->c.id) : NULL, i->imm8, i->vl);
    } else {
        flags = d->fn(r->c, dp, sp, i->imm8);
    }
    if (d->props & V_FLAGS) {
        put_flags(r, i, ir_flags(IR_setfl, IR_I64, flags, 0, 0, 0, 0, r->fl));
    }
    if (i->dst.kind == IR_HOST) {
        host_copy(r, i->dst, i->disp, to, bytes, true);
    } else if (i->dst.kind != IR_VEC && i->dst.kind != IR_NONE) {
        memcpy(&v, to, 8);
        put(r, i, i->dst, i->type, v & masks[i->type]);
    }
}

/*
 * Is the whole block within the code segment?  False: some instruction is not; dbt_step() finds
 * which.
 */
static bool check_code_limit(const Run *r, const IrInsn *i)
{
    const DbtGuest *g = r->c->guest;
    uint64_t base;
    uint32_t limit;
    memcpy(&base, (const uint8_t *)r->c + g->cs_base, 8);
    memcpy(&limit, (const uint8_t *)r->c + g->cs_limit, 4);
    if ((uint32_t)(r->c->pc_base + (uint64_t)(int64_t)i->imm - base) > limit) {
        if (r->b->n_guest == 1) {
            g->trap(r->c, TRAP_CODE_LIMIT, SEG_NONE);
        }
        return false;
    }
    return true;
}

/* Hand the current guest instruction to dbt_step().  The block may be gone after this. */
static bool step(DbtCpu *c)
{
    dbt_step(c);
    return __atomic_load_n(&c->vcpu.attention, __ATOMIC_RELAXED);
}

static uint64_t flags_as_eflags(unsigned f)
{
    uint32_t w = fl_words[f];
    return (w >> 8 & 0xd5) | (w & 1) << 11;
}

static void run_init(Run *r, DbtCpu *c, const IrBlock *b)
{
    static const uint64_t zero;
    r->c = c;
    r->b = b;
    r->base[IR_NONE] = (const uint8_t *)&zero;
    r->base[IR_GUEST] = (const uint8_t *)c->gpr;
    r->base[IR_TEMP] = (const uint8_t *)r->temp;
    r->base[IR_IMM] = (const uint8_t *)b->imms;
    r->fl = dbt_fl_flags(c->fl);
}

/* Leave for page base + offset. */
static bool go(Run *r, int32_t offset)
{
    r->c->pc = r->c->pc_base + (uint64_t)(int64_t)offset;
    return __atomic_load_n(&r->c->vcpu.attention, __ATOMIC_RELAXED);
}

/* Operands, the row's own expression, flags where they are wanted, result. */
#define A get(&r, i, i->a, type)
#define B get(&r, i, i->b, type)
#define C get(&r, i, i->c, type)
#define EVAL(name, cc) ir_eval_##name(type, a, b, c, cc) & masks[type]
#define WANTED(flags) if (i->live | i->live_fault) { put_flags(&r, i, flags); }
#define RMW if (i->dst.kind == IR_HOST && i->a.kind == IR_HOST) { rmw(&r, i); NEXT; }
#define UNARY(name, from_type) \
    op_##name: { const uint64_t a = get(&r, i, i->a, from_type), b = 0, c = 0; \
        put(&r, i, i->dst, type, EVAL(name, false)); NEXT; }
#define ARITH(name, flags) \
    op_##name: { RMW const uint64_t a = A, b = B, c = 0, v = EVAL(name, r.fl & FL_C); \
        WANTED(flags) put(&r, i, i->dst, type, v); NEXT; }
#define ARITH3(name) \
    op_##name: { RMW const uint64_t a = A, b = B, c = C, v = EVAL(name, r.fl & FL_C); \
        WANTED(ir_flags(IR_##name, type, a, b, c, v, 0, r.fl)) put(&r, i, i->dst, type, v); NEXT; }
#define COMPARE(name, flags)                                                                           \
    op_##name: { const uint64_t a = A, b = B, c = 0, v = EVAL(name, false); (void)a; (void)b; (void)v; \
        put_flags(&r, i, flags); NEXT; }
/*
 * Each operation ends with a jump of its own to the next: predicted apart, where a common switch is
 * guessed badly.
 */
#define NEXT do { i++; type = i->type; goto *labels[i->op]; } while (0)
#define KEEP_C(flags) (((flags) & ~FL_C) | (r.fl & FL_C))

bool interp_run(DbtCpu *cpu, const IrBlock *block)
{
    Run r;
    run_init(&r, cpu, block);
    cpu->pc_base = cpu->pc & ~(uint64_t)(DBT_PAGE - 1);

    static const void *const labels[IR_N_OPS] = {
#define IR(name, props, meaning) [IR_##name] = &&op_##name,
#include "accel/dbt/ir.def"
#undef IR
    };
    const IrInsn *i = block->insns;
    IrType type = i->type;

    goto *labels[i->op];
    op_chk:
        here(&r, i);
        if (!check(&r, i)) {
            return step(cpu);
        }
        NEXT;
    op_mov:
        put(&r, i, i->dst, type, A);
        NEXT;
    op_lea:
        put(&r, i, i->dst, type, mem_offset(&r, &block->mems[i->mem]) & masks[type]);
        NEXT;
    UNARY(zext8, IR_I8) UNARY(zext16, IR_I16) UNARY(zext32, IR_I32)
    UNARY(sext8, IR_I8) UNARY(sext16, IR_I16) UNARY(sext32, IR_I32)
    UNARY(bswap, type)
    op_not: {
        RMW
        put(&r, i, i->dst, type, ~A & masks[type]);
        NEXT;
    }
    op_sel: {
        const uint64_t a = A, b = B;        /* both: a check has covered what either reads */
        put(&r, i, i->dst, type, holds(&r, i) ? a : b);
        NEXT;
    }
    op_setcc:
        put(&r, i, i->dst, type, holds(&r, i));
        NEXT;
    ARITH(add, add_flags(type, a, b, v))
    ARITH(adc, add_flags(type, a, b, v))
    ARITH(sub, sub_flags(type, a, b, v))
    ARITH(sbb, sub_flags(type, a, b, v))
    ARITH(and, result_flags(v, type))
    ARITH(or, result_flags(v, type))
    ARITH(xor, result_flags(v, type))
    ARITH(neg, sub_flags(type, 0, a, v))
    ARITH(inc, KEEP_C(add_flags(type, a, 1, v)))
    ARITH(dec, KEEP_C(sub_flags(type, a, 1, v)))
    COMPARE(cmp, sub_flags(type, a, b, v))
    COMPARE(test, result_flags(v, type))
    COMPARE(bt, (unsigned)(a >> (b & ((8u << type) - 1)) & 1))
    ARITH3(mul) ARITH3(shl) ARITH3(shr) ARITH3(sar) ARITH3(rol) ARITH3(ror) ARITH3(rcl) ARITH3(rcr)
    ARITH3(shld) ARITH3(shrd) ARITH3(bts) ARITH3(btr) ARITH3(btc)
    ARITH3(bsf) ARITH3(bsr) ARITH3(tzcnt) ARITH3(lzcnt) ARITH3(popcnt)
    op_crc32: {
        const uint64_t v = ir_eval(IR_crc32, type, get(&r, i, i->a, IR_I32), B, 0, false);
        put(&r, i, i->dst, IR_I32, v);
        NEXT;
    }
    op_mulu2:
    op_muls2:
        multiply(&r, i);
        NEXT;
    op_divu:
    op_divs:
        here(&r, i);
        divide(&r, i);
        NEXT;
    op_getfl:
        put(&r, i, i->dst, type, flags_as_eflags(r.fl) & masks[type]);
        NEXT;
    op_setfl:
        put_flags(&r, i, ir_flags(IR_setfl, type, A, 0, 0, 0, 0, r.fl));
        NEXT;
    op_cmc:
        put_flags(&r, i, r.fl ^ FL_C);
        NEXT;
    op_xchg:
    op_xadd:
    op_cmpxchg:
        rmw(&r, i);
        NEXT;
    op_fence:
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        NEXT;
    op_prefetch:
    op_gone:
        NEXT;
    op_chkcs:
        here(&r, i);
        if (!check_code_limit(&r, i)) {
            return step(cpu);
        }
        NEXT;
    op_chkpc:
        here(&r, i);
        if (G_UNLIKELY(!dbt_canonical(cpu->guest, A))) {
            if (block->n_guest == 1) {
                cpu->guest->trap(cpu, TRAP_CODE_LIMIT, SEG_NONE);
            }
            return step(cpu);
        }
        NEXT;
    op_guard:
        here(&r, i);
        if (A != B) {
            return step(cpu);
        }
        NEXT;
    op_br:
        if (holds(&r, i)) {
            return go(&r, i->imm);
        }
        NEXT;
    op_brz:
        if (A == 0) {
            return go(&r, i->imm);
        }
        NEXT;
    op_brnz:
        if (A != 0) {
            return go(&r, i->imm);
        }
        NEXT;
    op_jmp:
        return go(&r, i->imm);
    op_jind: {
        const uint64_t to = get(&r, i, i->a, IR_I64);
        here(&r, i);
        if (G_UNLIKELY((int64_t)to >> 32 && dbt_is_bad_target(cpu, to))) {
            cpu->guest->bad_target(cpu);
        }
        cpu->pc = to;
        return __atomic_load_n(&cpu->vcpu.attention, __ATOMIC_RELAXED);
    }
    op_jguess: {
        const uint64_t to = get(&r, i, i->a, IR_I64);
        if (to == cpu->pc_base + (uint64_t)(int64_t)i->imm) {
            NEXT;
        }
        here(&r, i);
        if (G_UNLIKELY((int64_t)to >> 32 && dbt_is_bad_target(cpu, to))) {
            cpu->guest->bad_target(cpu);
        }
        cpu->pc = to;
        return __atomic_load_n(&cpu->vcpu.attention, __ATOMIC_RELAXED);
    }
    op_exit_pc:
        return __atomic_load_n(&cpu->vcpu.attention, __ATOMIC_RELAXED);
    op_exit_next:
        go(&r, i->imm);
        return true;
    op_bulk:
        NEXT;
    op_helper:
        here(&r, i);
        call_helper(&r, i);
        NEXT;
    op_gate: {
        here(&r, i);
        cpu->guest->helpers[i->sub].fn(cpu, 0, 0, B);
        return __atomic_load_n(&cpu->vcpu.attention, __ATOMIC_RELAXED);
    }
    op_vop:
        here(&r, i);
        vector_op(&r, i);
        NEXT;
}
