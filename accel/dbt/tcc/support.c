/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support.c -- what rendered C calls: operations too long to be said in line, and the ways out to
 * the run time.
 *
 * Spec: accel/dbt/ir.h.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "accel/dbt/meaning.h"
#include "accel/dbt/tcc/tcc.h"

static const uint64_t masks[4] = { UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX };

/* desc: IrOp | IrType << 8 | sets << 16 */
static void put_flags(DbtCpu *c, unsigned flags, unsigned sets)
{
    unsigned f = (dbt_fl_flags(c->fl) & ~sets) | (flags & sets);
    c->fl = (f & FL_C ? 0x100 : 0) | (f & FL_P ? 0x400 : 0) | (f & FL_A ? 0x1000 : 0) |
            (f & FL_Z ? 0x4000 : 0) | (f & FL_S ? 0x8000 : 0) | (f & FL_O ? 1 : 0) | 0x200;
}

static void flags(DbtCpu *c, unsigned desc, uint64_t a, uint64_t b, uint64_t n, uint64_t v,
                  uint64_t high)
{
    put_flags(c,
              ir_flags((IrOp)(desc & 0xff), (IrType)(desc >> 8 & 3), a, b, n, v, high,
                       dbt_fl_flags(c->fl)),
              desc >> 16);
}

static int step(DbtCpu *c)
{
    dbt_step(c);
    return __atomic_load_n(&c->vcpu.attention, __ATOMIC_RELAXED) != 0;
}

/*
 * A check that the TLB did not answer; as check_slow() of interp.c.  NULL: dbt_step() must run the
 * instruction.
 */
static void *refill(DbtCpu *c, uint64_t linear, const IrMem *m)
{
    if (!m->merged)
        return dbt_refill(c, linear, m->span, m->access);
    dbt_refill(c, linear + m->own_at, m->own_span, m->own_access);
    const TlbEntry *e = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    uint64_t at = linear ^ (m->access & IR_WRITE ? e->write : e->read);
    return at <= DBT_PAGE - m->span ? (uint8_t *)(uintptr_t)e->page + at : NULL;
}

static uint64_t eval(unsigned op, unsigned type, uint64_t a, uint64_t b, uint64_t n, int carry)
{
    return ir_eval((IrOp)op, (IrType)type, a, b, n, carry);
}

static uint64_t stored(IrOp op, IrType type, uint64_t old, uint64_t b, uint64_t n, bool carry)
{
    switch (op) {
    case IR_xchg:    return b & masks[type];
    case IR_xadd:    return (old + b) & masks[type];
    case IR_cmpxchg: return old == n ? b : old;
    default:         return ir_eval(op, type, old, b, n, carry);
    }
}

/*
 * An atomic read-modify-write at p, which a host instruction can do (the check saw to it); the old
 * value.
 */
static uint64_t locked(unsigned desc, void *p, uint64_t b, uint64_t n, int carry, uint64_t *now)
{
    IrOp op = (IrOp)(desc & 0xff);
    IrType type = (IrType)(desc >> 8 & 3);
#define LOOP(T) {                                                                                                 \
        T old = __atomic_load_n((T *)p, __ATOMIC_SEQ_CST);                                                        \
        do {                                                                                                      \
            *now = stored(op, type, old, b, n, carry);                                                            \
        } while (!__atomic_compare_exchange_n((T *)p, &old, (T)*now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)); \
        return old;                                                                                               \
    }
    switch (type) {
    case IR_I8:  LOOP(uint8_t)
    case IR_I16: LOOP(uint16_t)
    case IR_I32: LOOP(uint32_t)
    default:     LOOP(uint64_t)
    }
#undef LOOP
}

static uint64_t multiply(unsigned op, unsigned type, uint64_t a, uint64_t b, uint64_t *high)
{
    unsigned bits = 8u << type;
    if (op == IR_mulu2)
        *high = (uint64_t)((unsigned __int128)a * b >> bits);
    else
        *high = (uint64_t)((__int128)(int64_t)sign_extend(a, (IrType)type) *
                               (int64_t)sign_extend(b, (IrType)type) >>
                           bits);
    *high &= masks[type];
    return a * b & masks[type];
}

/* n:a / b; 0: it traps. */
static int divide(unsigned op, unsigned type, uint64_t a, uint64_t b, uint64_t high,
                  uint64_t *quotient, uint64_t *rest)
{
    unsigned bits = 8u << type;
    unsigned __int128 n = (unsigned __int128)high << bits | a;
    bool n_minus = op == IR_divs && (n >> (2 * bits - 1) & 1),
         b_minus = op == IR_divs && (b >> (bits - 1) & 1);
    if (n_minus)
        n = -n & (type == IR_I64 ? ~(unsigned __int128)0 : ((unsigned __int128)1 << 2 * bits) - 1);
    if (b_minus)
        b = -b & masks[type];
    if (b == 0 || n / b > masks[type])
        return 0;
    uint64_t q = (uint64_t)(n / b), r = (uint64_t)(n % b);
    if (op == IR_divs && q > (masks[type] >> 1) + (n_minus != b_minus))
        return 0;
    *quotient = (n_minus != b_minus ? -q : q) & masks[type];
    *rest = (n_minus ? -r : r) & masks[type];
    return 1;
}

static uint8_t *vector(DbtCpu *c, unsigned id)
{
    const DbtGuest *g = c->guest;
    return (uint8_t *)c + (id < 64 ? g->vec_offset + id * g->vec_stride
                                   : g->mmx_offset + (id - 64) * g->mmx_stride);
}

/*
 * A store to what was checked before this vCPU may have waited for a lock: the page may hold code
 * by now.
 */
static void store(DbtCpu *c, uint64_t linear, uint64_t v, unsigned bytes)
{
    DbtAccessDesc d;
    dbt_access(c, linear, bytes, IR_WRITE, &d);
    dbt_desc_store(c, &d, 0, v, bytes);
}

/*
 * A vector operation; memory operands go through copies.  g: values of general registers,
 * destination (in and out) and source.
 */
static void vop(DbtCpu *c, const IrInsn *i, void *hd, const void *hs, uint64_t linear,
                uint32_t waits, uint64_t g[2])
{
    enum { MOST = 64 };
    const IrVecDesc *d = &c->guest->vecs[i->sub];
    unsigned bytes = MIN(d->mem_bytes, MOST);
    _Alignas(64) uint8_t to[MOST] = { 0 }, from[MOST] = { 0 };
    uint8_t *dp = i->dst.kind == IR_VEC ? vector(c, i->dst.id) : to;
    const uint8_t *sp = i->a.kind == IR_VEC ? vector(c, i->a.id) : from;
    if (i->dst.kind == IR_HOST && (d->props & V_DST_READ))
        memcpy(to, hd, bytes);
    else if (i->dst.kind != IR_HOST)
        memcpy(to, &g[0], 8);
    if (i->a.kind == IR_HOST)
        memcpy(from, hs, bytes);
    else
        memcpy(from, &g[1], 8);
    uint64_t eflags = d->fn(c, dp, sp, i->imm8);
    if (d->props & V_FLAGS)
        put_flags(c, ir_flags(IR_setfl, IR_I64, eflags, 0, 0, 0, 0, dbt_fl_flags(c->fl)), i->sets);
    if (i->dst.kind == IR_HOST && waits != c->waits) {
        DbtAccessDesc desc;
        dbt_access(c, linear, bytes, IR_WRITE, &desc);
        dbt_desc_copy(c, &desc, 0, to, bytes, true);
    } else if (i->dst.kind == IR_HOST) {
        memcpy(hd, to, bytes);
    } else {
        memcpy(&g[0], to, 8);
    }
}

static void target(char *cpu, uint64_t to, uint64_t from)
{
    DbtCpu *c = (DbtCpu *)cpu;

    if (dbt_is_bad_target(c, to)) {
        c->pc = from;
        c->guest->bad_target(c);
    }
}

static void fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static uint64_t rotl(uint64_t a, unsigned bits, unsigned n) { return rotate_left(a, bits, n); }
static uint64_t bswap(uint64_t a) { return __builtin_bswap64(a); }
static int ctz(uint64_t a) { return __builtin_ctzll(a); }
static int clz(uint64_t a) { return __builtin_clzll(a); }
static int popcount(uint64_t a) { return __builtin_popcountll(a); }

const TccSymbol tcc_symbols[] = {
    { "x_flags", "void x_flags(char *, unsigned, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)",
      flags },
    { "x_step", "int x_step(char *)", step },
    { "x_refill", "char *x_refill(char *, uint64_t, char *)", refill },
    { "x_eval", "uint64_t x_eval(unsigned, unsigned, uint64_t, uint64_t, uint64_t, int)", eval },
    { "x_locked", "uint64_t x_locked(unsigned, char *, uint64_t, uint64_t, int, uint64_t *)",
      locked },
    { "x_multiply", "uint64_t x_multiply(unsigned, unsigned, uint64_t, uint64_t, uint64_t *)",
      multiply },
    { "x_divide",
      "int x_divide(unsigned, unsigned, uint64_t, uint64_t, uint64_t, uint64_t *, uint64_t *)",
      divide },
    { "x_vop", "void x_vop(char *, char *, char *, char *, uint64_t, unsigned, uint64_t *)", vop },
    { "x_store", "void x_store(char *, uint64_t, uint64_t, unsigned)", store },
    { "x_fence", "void x_fence(void)", fence },
    { "x_target", "void x_target(char *, uint64_t, uint64_t)", target },
    { "x_rotl", "uint64_t x_rotl(uint64_t, unsigned, unsigned)", rotl },
    { "x_bswap", "uint64_t x_bswap(uint64_t)", bswap },
    { "x_ctz", "int x_ctz(uint64_t)", ctz },
    { "x_clz", "int x_clz(uint64_t)", clz },
    { "x_popcount", "int x_popcount(uint64_t)", popcount },
    { NULL, NULL, NULL }
};
