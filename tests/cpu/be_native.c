/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * be_native.c -- the native back end against the meaning of the IR: random blocks, run by host code
 * and by ir_eval().
 *
 * A block is a random list of operations on guest registers, temporaries, checked memory, flags and
 * helpers.  The model below runs it operation by operation; registers, flags (but for those the
 * manual leaves undefined), memory and the place where the block ends must agree.  Checks fail at
 * random, so that the flag recipes are tested as well.
 *
 * Usage: be_native [blocks [seed]].  Omits: vector operations, code that changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "accel/dbt/internal.h"

enum { MEM_BYTES = 64 * 1024, PAGE0 = 0x10000 };
static uint64_t rng;
static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng * UINT64_C(0x2545f4914f6cdd1d);
}
static unsigned pick(unsigned n) { return (unsigned)((rnd() >> 33) % n); }
static uint64_t value(void)
{
    static const uint64_t odd[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
                                    0x80000000, 0xffffffff,
                                    INT64_MAX, UINT64_C(1) << 63, UINT64_MAX, 0x100000000 };
    return pick(3) ? rnd() : odd[pick(G_N_ELEMENTS(odd))];
}

typedef struct TestCpu {
    DbtCpu dbt;
    uint64_t ctx_words[8];
    struct { uint64_t base; int64_t lo, hi_read, hi_write; } seg[8];
    uint64_t cs_base;
    uint32_t cs_limit;
    uint32_t mxcsr;
    uint8_t vec[32][64] __attribute__((aligned(64)));
} TestCpu;

static TestCpu *cpu;
static uint8_t *ram;
static DbtContext *ctx;
static bool left;                       /* ended by a check that failed */
static int fail_refills;                /* percent */

bool fail(GError **err, const char *fmt, ...)
{
    (void)err;
    fprintf(stderr, "%s\n", fmt);
    return false;
}
void *dbt_refill(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned access)
{
    uint64_t at = linear - PAGE0;
    if (at >= MEM_BYTES || at + bytes > MEM_BYTES || (at & 4095) + bytes > 4096 ||
        ((at >> 12) & 3) == 3) {
        return NULL;
    }
    if (pick(2)) {
        TlbEntry *t = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
        t->read = t->write = linear & -4096LL;
        t->page = (uintptr_t)ram + (at & -4096LL);
    }
    return ram + at;
}
const void *dbt_lookup(DbtCpu *c) { (void)c; return NULL; }
const void *dbt_link_lookup(DbtCpu *c, BlockLink *l, unsigned word)
{
    (void)c;
    (void)l;
    (void)word;
    return NULL;
}
const void *dbt_slow(DbtCpu *c) { (void)c; left = true; return NULL; }
const void *dbt_go_on(DbtCpu *c) { return dbt_slow(c); }
#include "tests/cpu/no_blocks.h"
const void *dbt_unmerged(DbtCpu *c) { (void)c; return NULL; }

/* ---- the model ---- */
typedef struct State {
    uint64_t gpr[16], t[8], h[8], ctx[8];
    unsigned flags, undef;
    uint64_t pc;
    bool left;
    uint8_t mem[MEM_BYTES];
} State;
static State model;

static unsigned from_fl(uint32_t fl)
{
    return (fl >> 8 & 1) * FL_C | (fl >> 10 & 1) * FL_P | (fl >> 12 & 1) * FL_A |
           (fl >> 14 & 1) * FL_Z | (fl >> 15 & 1) * FL_S | (fl & 1) * FL_O;
}
static uint32_t to_fl(unsigned f)
{
    return (f & FL_C ? 0x100 : 0) | 0x200 | (f & FL_P ? 0x400 : 0) | (f & FL_A ? 0x1000 : 0) |
           (f & FL_Z ? 0x4000 : 0) | (f & FL_S ? 0x8000 : 0) | (f & FL_O ? 1 : 0);
}
static uint64_t mask_of(unsigned type) { return UINT64_MAX >> (64 - (8u << type)); }

static uint64_t get(State *s, const IrBlock *b, const IrInsn *n, IrRef r, unsigned type)
{
    uint64_t v = 0;
    switch (r.kind) {
    case IR_GUEST: v = s->gpr[r.id] >> (r.high_byte ? 8 : 0); break;
    case IR_TEMP: v = s->t[r.id]; break;
    case IR_IMM: v = b->imms[r.id]; break;
    case IR_CTX: v = s->ctx[(r.id - offsetof(TestCpu, ctx_words)) / 8]; break;
    case IR_HOST:
        memcpy(&v, s->mem + (s->h[r.id] + (uint64_t)(int64_t)n->disp - PAGE0), 1u << type);
        break;
    }
    return v & mask_of(type);
}
static void put(State *s, const IrInsn *n, IrRef r, unsigned type, uint64_t v)
{
    uint64_t m = mask_of(type);
    v &= m;
    switch (r.kind) {
    case IR_GUEST:
        if (r.high_byte) {
            s->gpr[r.id] = (s->gpr[r.id] & ~UINT64_C(0xff00)) | v << 8;
        } else {
            s->gpr[r.id] = type >= IR_I32 ? v : (s->gpr[r.id] & ~m) | v;
        }
        break;
    case IR_TEMP: s->t[r.id] = v; break;
    case IR_CTX: {
        uint64_t *p = &s->ctx[(r.id - offsetof(TestCpu, ctx_words)) / 8];
        *p = (*p & ~m) | v;
        break;
    }
    case IR_HOST:
        memcpy(s->mem + (s->h[r.id] + (uint64_t)(int64_t)n->disp - PAGE0), &v, 1u << type);
        break;
    }
}
static uint64_t help(uint64_t a, uint64_t b, uint64_t c) { return a * 3 + b * 5 + c * 7 + 1; }
static uint64_t h_pure(void *c, uint64_t a, uint64_t b, uint64_t x)
{
    (void)c;
    return help(a, b, x);
}
static bool bad_helper;
static uint64_t h_state(void *v, uint64_t a, uint64_t b, uint64_t x)
{
    DbtCpu *c = v;
    c->gpr[3] ^= c->gpr[10] + a;
    c->fl ^= 0x4100;
    c->gpr[11] += c->pc & 0xfff;
    return help(a, b, x);
}
static const IrHelperDesc helpers[] = { { "pure", h_pure, 0 }, { "state", h_state, H_STATE } };

static uint64_t addr(State *s, const IrBlock *b, const IrInsn *n, const IrMem *m)
{
    uint64_t v = (uint64_t)(int64_t)m->disp;
    if (m->pc_relative) {
        v += 0x400000;
    }
    if (m->base.kind) {
        v += get(s, b, n, m->base, IR_I64);
    }
    if (m->index.kind) {
        v += get(s, b, n, m->index, IR_I64) << m->scale;
    }
    v = m->offset_bits == 16 ? (uint16_t)v : m->offset_bits == 32 ? (uint32_t)v : v;
    return v;
}
static uint64_t linear(State *s, const IrBlock *b, const IrInsn *n, const IrMem *m)
{
    uint64_t v = addr(s, b, n, m);
    if (m->segment != SEG_NONE) {
        v += cpu->seg[m->segment].base;
    }
    return m->linear_bits == 32 ? (uint32_t)v : v;
}

/* Returns false where the block ends. */
static bool step(State *s, const IrBlock *b, const IrInsn *n, uint64_t insn_pc)
{
    unsigned type = n->type;
    uint64_t x, y, z, r, hi = 0;
    unsigned old = s->flags, before_undef = s->undef;
    switch (n->op) {
    case IR_chk: {
        const IrMem *m = &b->mems[n->mem];
        uint64_t v = linear(s, b, n, m), at = v - PAGE0;
        if (m->limit) {
            uint64_t o = addr(s, b, n, m);
            if ((int64_t)o < cpu->seg[m->segment].lo ||
                (int64_t)(o + m->span - 1) > (m->access & IR_WRITE
                                                  ? cpu->seg[m->segment].hi_write
                                                  : cpu->seg[m->segment].hi_read)) {
                s->pc = insn_pc; s->left = true; return false;
            }
        }
        if (at >= MEM_BYTES || at + m->span > MEM_BYTES || (at & 4095) + m->span > 4096 ||
            ((at >> 12) & 3) == 3 || (m->align && v % m->align) ||
            (m->locked && (v & 63) + m->span > 64)) {
            s->pc = insn_pc;
            s->left = true;
            return false;
        }
        s->h[n->dst.id] = v;
        return true;
    }
    case IR_lea:
        put(s, n, n->dst, type, addr(s, b, n, &b->mems[n->mem]));
        return true;
    case IR_br:
        if (ir_cond(n->cond, s->flags)) { s->pc = 0x400000 + (uint64_t)n->imm; return false; }
        return true;
    case IR_brz: case IR_brnz:
        if ((get(s, b, n, n->a, type) == 0) == (n->op == IR_brz)) {
            s->pc = 0x400000 + (uint64_t)n->imm;
            return false;
        }
        return true;
    case IR_jmp: case IR_exit_next:
        s->pc = 0x400000 + (uint64_t)n->imm;
        return false;
    case IR_jind:
        s->pc = get(s, b, n, n->a, type);
        return false;
    case IR_helper: {
        x = get(s, b, n, n->a, type); y = get(s, b, n, n->b, type); z = get(s, b, n, n->c, type);
        if (n->sub == 1) {
            s->gpr[3] ^= s->gpr[10] + x;
            s->flags ^= FL_C | FL_Z;
            s->gpr[11] += insn_pc & 0xfff;
        }
        put(s, n, n->dst, type, help(x, y, z));
        return true;
    }
    case IR_getfl:
        put(s, n, n->dst, type,
            (s->flags & FL_C ? 1 : 0) | (s->flags & FL_P ? 4 : 0) | (s->flags & FL_A ? 16 : 0) |
                (s->flags & FL_Z ? 64 : 0) | (s->flags & FL_S ? 128 : 0) |
                (s->flags & FL_O ? 0x800 : 0));
        return true;
    case IR_fence: case IR_prefetch:
        return true;
    }
    x = get(s, b, n, n->a,
            n->op == IR_crc32 ? IR_I32
            : n->op >= IR_zext8 && n->op <= IR_sext32
                ? (unsigned[]){ 0, 1, 2, 0, 1, 2 }[n->op - IR_zext8]
                : type);
    y = get(s, b, n, n->b, n->op >= IR_shl && n->op <= IR_rcr ? IR_I8 : type);
    z = get(s, b, n, n->c, n->op == IR_shld || n->op == IR_shrd ? IR_I8 : type);
    if (n->op == IR_divu || n->op == IR_divs) {
        unsigned bits = 8u << type;
        bool ok = n->op == IR_divu ? z < y : false;
        uint64_t q = 0, rem = 0;
        if (n->op == IR_divu && ok) {
            unsigned __int128 d = (unsigned __int128)z << bits | x;
            q = (uint64_t)(d / y); rem = (uint64_t)(d % y);
        } else if (n->op == IR_divs) {
            int64_t sx = (int64_t)(x << (64 - bits)) >> (64 - bits),
                    sy = (int64_t)(y << (64 - bits)) >> (64 - bits);
            ok = z == ((uint64_t)(sx >> 63) & mask_of(type)) && sy != 0 && sy != -1;
            if (ok) { q = (uint64_t)(sx / sy); rem = (uint64_t)(sx % sy); }
        }
        if (!ok) { s->pc = insn_pc; s->left = true; return false; }
        put(s, n, n->dst, type, q);
        put(s, n, n->dst2, type, rem);
        return true;
    }
    if (n->op == IR_mulu2 || n->op == IR_muls2) {
        unsigned bits = 8u << type;
        unsigned __int128 p =
            n->op == IR_mulu2
                ? (unsigned __int128)x * y
                : (unsigned __int128)((__int128)((int64_t)(x << (64 - bits)) >> (64 - bits)) *
                                      ((int64_t)(y << (64 - bits)) >> (64 - bits)));
        r = (uint64_t)p & mask_of(type);
        hi = (uint64_t)(p >> bits) & mask_of(type);
    } else {
        bool cc = n->op == IR_sel || n->op == IR_setcc ? ir_cond(n->cond, s->flags)
                                                       : (s->flags & FL_C) != 0;
        r = ir_eval(n->op, type, x, y, z, cc);
    }
    if (n->sets) {
        unsigned f =
            ir_flags(n->op, type, x, y, z, n->op == IR_xadd ? (x + y) & mask_of(type) : r, hi, old);
        s->flags = (old & ~(unsigned)n->sets) | (f & n->sets);
        s->undef = (before_undef & ~(unsigned)n->sets) | n->undef;
    }
    switch (n->op) {
    case IR_cmp: case IR_test: case IR_bt: case IR_setfl: case IR_cmc:
        break;
    case IR_xchg:
        put(s, n, n->a, type, y);
        put(s, n, n->dst, type, x);
        break;
    case IR_xadd:
        put(s, n, n->a, type, x + y);
        put(s, n, n->dst, type, x);
        break;
    case IR_cmpxchg:
        if (x == z) {
            put(s, n, n->a, type, y);
        }
        put(s, n, n->dst, type, x);
        break;
    default:
        put(s, n, n->dst, n->op == IR_crc32 ? IR_I32 : type, r);
        if (n->dst2.kind) {
            put(s, n, n->dst2, type, hi);
        }
    }
    return true;
}

/* ---- random blocks ---- */
static IrBlock *ir;
/* defined in this guest instruction; wrote: no more checks; flags not to be read */
static unsigned temps, hosts, written, undef;

static IrRef any_src(unsigned type, bool imm, bool host)
{
    unsigned k = pick(12);
    if (k < 2 && imm) {
        return ir_imm(ir,
                      type == IR_I64 && pick(2) ? value() : (uint64_t)(int64_t)(int32_t)value());
    }
    if (k < 4 && temps) {
        unsigned t;
        do { t = pick(8); } while (!(temps >> t & 1));
        return ir_temp(t);
    }
    if (k < 6 && host && hosts) {
        unsigned h;
        do { h = pick(8); } while (!(hosts >> h & 1));
        return ir_host(h);
    }
    if (k == 6) {
        return ir_ctx(offsetof(TestCpu, ctx_words) + 8 * pick(8));
    }
    if (type == IR_I8 && pick(4) == 0) {
        return ir_guest_high(pick(4));
    }
    return ir_guest(pick(16));
}
static IrRef any_dst(unsigned type, bool host)
{
    unsigned k = pick(10);
    if (k < 3) {
        return ir_temp(pick(8));
    }
    if (k < 5 && host && hosts) {
        return any_src(type, false, true).kind == IR_HOST ? ir_host((unsigned)__builtin_ctz(hosts))
                                                          : ir_guest(pick(16));
    }
    if (k == 5) {
        return ir_ctx(offsetof(TestCpu, ctx_words) + 8 * pick(8));
    }
    if (type == IR_I8 && pick(4) == 0) {
        return ir_guest_high(pick(4));
    }
    return ir_guest(pick(16));
}
static unsigned cc_reads(unsigned cc)
{
    static const uint8_t reads[8] = { FL_O, FL_C, FL_Z, FL_C | FL_Z, FL_S, FL_P, FL_S | FL_O,
                                      FL_S | FL_O | FL_Z };
    return reads[cc >> 1];
}
static unsigned good_cc(void)
{
    for (unsigned k = 0; k < 64; k++) {
        unsigned cc = pick(16);
        if (!(cc_reads(cc) & undef)) {
            return cc;
        }
    }
    return 16;
}
static int32_t exit_target(void) { return (int32_t)(pick(3) ? pick(4096) : 4096 + pick(8000)); }

static void gen_chk(void)
{
    unsigned type = pick(4), h = pick(4);
    IrMem m = { .segment = SEG_NONE, .offset_bits = 64, .linear_bits = 64,
                .access = (uint8_t)(1 + pick(3)), .span = 1u << type };
    m.base = ir_guest(12 + pick(3) % 3);        /* r12, r13, r14 point into memory */
    m.disp = (int32_t)pick(300) - 100;
    if (pick(4) == 0) {
        m.index = ir_guest(1);                  /* rcx: usually small */
        m.scale = (uint8_t)pick(4);
    }
    if (pick(6) == 0 && temps) {
        m.base = ir_none();
        m.index = any_src(IR_I64, false, false);
        m.scale = (uint8_t)pick(4);
    }
    if (pick(5) == 0) {
        m.offset_bits = 32; m.linear_bits = 32; m.segment = (uint8_t)pick(6);
        m.limit = pick(2);
    }
    if (pick(40) == 0) {
        m.locked = true;
    }
    if (pick(40) == 0) {
        m.align = 16;
    }
    IrInsn *n = ir_emit(ir, IR_chk, type, ir_host(h), ir_none(), ir_none());
    n->mem = ir_mem(ir, &m);
    m.access |= 0;
    hosts = 0;
    hosts |= 1u << h;
}
static int type_of_hosts;

static void gen_op(void)
{
    static const uint8_t ops[] = {
        IR_mov,      IR_mov,    IR_mov,   IR_zext8, IR_zext16, IR_zext32, IR_sext8,   IR_sext16,
        IR_sext32,   IR_bswap,  IR_sel,   IR_sel,   IR_setcc,  IR_setcc,  IR_lea,     IR_lea,
        IR_add,      IR_add,    IR_adc,   IR_sub,   IR_sub,    IR_sbb,    IR_and,     IR_or,
        IR_xor,      IR_cmp,    IR_cmp,   IR_test,  IR_test,   IR_neg,    IR_not,     IR_inc,
        IR_dec,      IR_mul,    IR_mulu2, IR_muls2, IR_divu,   IR_divs,   IR_shl,     IR_shr,
        IR_sar,      IR_rol,    IR_ror,   IR_rcl,   IR_rcr,    IR_shld,   IR_shrd,    IR_bt,
        IR_bts,      IR_btr,    IR_btc,   IR_bsf,   IR_bsr,    IR_tzcnt,  IR_lzcnt,   IR_popcnt,
        IR_crc32,    IR_getfl,  IR_setfl, IR_cmc,   IR_xchg,   IR_xadd,   IR_cmpxchg, IR_fence,
        IR_prefetch, IR_helper, IR_br,    IR_br,    IR_brz,    IR_brnz
    };
    unsigned op = ops[pick(G_N_ELEMENTS(ops))], type = hosts ? (unsigned)type_of_hosts : pick(4);
    IrInsn *n;
    IrRef a, b;
    switch (op) {
    case IR_br: case IR_brz: case IR_brnz: {
        unsigned cc = good_cc();
        if (cc == 16) { return; }
        a = op == IR_br ? ir_none() : any_src(type, false, false);
        n = ir_emit(ir, op, type, ir_none(), a, ir_none());
        n->cond = (uint8_t)cc;
        n->imm = exit_target();
        n->live = FL_ALL;
        return;
    }
    case IR_sel: case IR_setcc: {
        unsigned cc = good_cc();
        if (cc == 16) { return; }
        if (op == IR_setcc) { type = hosts ? type : 0; }
        a = any_src(type, true, true);
        b = any_src(type, true, a.kind != IR_HOST);
        if (op == IR_setcc) { a = b = ir_none(); }
        IrRef d = any_dst(type, false);
        n = ir_emit(ir, op, type, d, a, b);
        n->cond = (uint8_t)cc;
        written = 1;
        return;
    }
    case IR_lea: {
        IrMem m = { .segment = SEG_NONE, .offset_bits = (uint8_t[]){ 16, 32, 64 }[pick(3)],
                    .linear_bits = 64, .disp = (int32_t)value() };
        type = m.offset_bits == 64 ? IR_I64 : m.offset_bits == 32 ? IR_I32 : IR_I16;
        if (pick(4)) {
            m.base = any_src(IR_I64, false, false);
            if (m.base.kind == IR_CTX) {
                m.base = ir_none();
            }
        }
        if (pick(2)) {
            m.index = any_src(IR_I64, false, false);
            if (m.index.kind == IR_CTX) {
                m.index = ir_none();
            }
            m.scale = (uint8_t)pick(4);
        }
        if (!m.base.kind && !m.index.kind && pick(2)) {
            m.pc_relative = true;
            m.offset_bits = 64;
            type = IR_I64;
        }
        n = ir_emit(ir, op, type, any_dst(type, false), ir_none(), ir_none());
        n->mem = ir_mem(ir, &m);
        written = 1;
        return;
    }
    case IR_helper:
        if (undef) { return; }
        a = any_src(type, true, false);
        b = any_src(type, true, false);
        n = ir_emit(ir, op, type, ir_none(), a, b);
        n->c = any_src(type, true, false);
        n->dst = any_dst(type, false);
        n->sub = (uint16_t)pick(2);
        if (n->sub == 1 && written) { n->sub = 0; }
        hosts = 0;
        written = 1;
        return;
    case IR_xchg: case IR_xadd: case IR_cmpxchg: {
        if (!hosts) { return; }
        IrRef h = ir_host((unsigned)__builtin_ctz(hosts));
        b = any_src(type, op != IR_xadd, false);
        IrRef c = op == IR_cmpxchg ? any_src(type, true, false) : ir_none();
        IrRef d = any_dst(type, false);
        n = ir_emit(ir, op, type, d, h, b);
        n->c = c;
        n->locked = pick(2) && op != IR_xchg;
        if (op != IR_xchg) { n->sets = FL_ALL; undef = 0; }
        written = 1;
        return;
    }
    case IR_prefetch:
        if (undef) { return; }
        ir_emit(ir, op, IR_I64, ir_none(), any_src(IR_I64, false, false), ir_none());
        return;
    case IR_fence:
        ir_emit(ir, op, IR_I64, ir_none(), ir_none(), ir_none());
        return;
    case IR_getfl:
        if (undef) { return; }
        ir_emit(ir, op, IR_I32, any_dst(IR_I32, false), ir_none(), ir_none());
        return;
    case IR_setfl:
        n = ir_emit(ir, op, IR_I32, ir_none(), any_src(IR_I32, true, false), ir_none());
        n->sets = (uint8_t)(pick(3) ? FL_ALL : pick(2) ? FL_C : FL_ALL & ~FL_O);
        undef &= ~(unsigned)n->sets;
        written = 1;
        return;
    case IR_cmc:
        if (undef & FL_C) { return; }
        n = ir_emit(ir, op, IR_I32, ir_none(), ir_none(), ir_none());
        n->sets = FL_C;
        written = 1;
        return;
    case IR_divu: case IR_divs: {
        if (written || hosts) { return; }
        n = ir_emit(ir, op, type, ir_none(), any_src(type, true, false), any_src(type, true, true));
        if (n->b.kind == IR_IMM) { n->b = ir_guest(pick(16)); }
        n->c = pick(3) ? any_src(type, true, false) : ir_imm(ir, 0);
        n->dst = pick(4) ? ir_guest(0) : any_dst(type, false);
        do {
            n->dst2 = pick(4) ? ir_guest(type ? 2 : 1) : any_dst(type, false);
        } while (n->dst2.kind == n->dst.kind && n->dst2.id == n->dst.id);
        written = 1;
        return;
    }
    }
    /* the common shape */
    if (op == IR_zext16 || op == IR_sext16) { if (!hosts && type < IR_I32) { type = IR_I32; } }
    bool ext = op >= IR_zext8 && op <= IR_sext32;
    if (ext) {
        unsigned from = (unsigned[]){ 0, 1, 2, 0, 1, 2 }[op - IR_zext8];
        if (hosts && from > (unsigned)type_of_hosts) { return; }
        type = MAX(from + (from < 3), 2 + pick(2));
        a = any_src(from, false, hosts && from <= (unsigned)type_of_hosts);
        ir_emit(ir, op, type, any_dst(type, false), a, ir_none());
        written = 1;
        return;
    }
    if ((op == IR_bswap || op == IR_bt || op == IR_bts || op == IR_btr || op == IR_btc ||
         op == IR_bsf || op == IR_bsr || op == IR_tzcnt || op == IR_lzcnt || op == IR_popcnt ||
         op == IR_shld || op == IR_shrd) &&
        type == IR_I8) {
        if (hosts) {
            return;
        }
        type = IR_I32;
    }
    bool shift = op >= IR_shl && op <= IR_rcr, dbl = op == IR_shld || op == IR_shrd;
    a = any_src(type, op != IR_bsf && op != IR_bsr && op != IR_bt, op != IR_crc32);
    b = shift ? (pick(2)   ? ir_imm(ir, pick(70))
                 : pick(2) ? ir_guest(1)
                           : any_src(IR_I8, false, false))
              : any_src(type, true, a.kind != IR_HOST);
    if (op == IR_crc32 && b.kind == IR_IMM) { b = ir_guest(5); }
    if ((op == IR_rcl || op == IR_rcr || op == IR_adc || op == IR_sbb) && (undef & FL_C)) {
        return;
    }
    IrRef d = any_dst(type, a.kind != IR_HOST && b.kind != IR_HOST && op != IR_crc32);
    bool rmw = false;
    if (pick(2) && a.kind != IR_IMM && a.kind != IR_NONE) {
        d = a;
        if (d.kind == IR_HOST) {
            rmw = true;
            if (b.kind == IR_HOST) {
                b = ir_guest(4);
            }
        }
    }
    if (op == IR_cmp || op == IR_test || op == IR_bt) { d = ir_none(); rmw = false; }
    if (op == IR_crc32 && (d.kind == IR_HOST || a.kind == IR_HOST || d.kind == IR_CTX ||
                           (d.kind == IR_GUEST && d.high_byte))) {
        return;
    }
    if (op == IR_crc32) { if (a.high_byte) { return; } }
    n = ir_emit(ir, op, type, d, a, b);
    if (op == IR_neg || op == IR_not || op == IR_inc || op == IR_dec || op == IR_bswap ||
        op == IR_mov || op == IR_tzcnt || op == IR_lzcnt || op == IR_popcnt || op == IR_bsf ||
        op == IR_bsr) {
        n->b = ir_none();
    }
    if (op == IR_bsf || op == IR_bsr) { n->c = any_src(type, false, false); }
    if (op == IR_mulu2 || op == IR_muls2) {
        if (n->dst.kind == IR_HOST) { n->dst = ir_guest(0); }
        do {
            n->dst2 = pick(3) ? ir_guest(type ? 2 : 3) : any_dst(type, false);
        } while (n->dst2.kind == n->dst.kind && n->dst2.id == n->dst.id);
        if (n->b.kind == IR_IMM) { n->b = ir_guest(pick(16)); }
    }
    if (op == IR_bt || op == IR_bts || op == IR_btr || op == IR_btc) {
        if (n->b.kind == IR_HOST) {
            n->b = ir_guest(pick(16));
        }
    }
    bool lockable = op == IR_add || op == IR_sub || op == IR_and || op == IR_or || op == IR_xor ||
                    op == IR_adc || op == IR_sbb || op == IR_inc || op == IR_dec || op == IR_neg ||
                    op == IR_not || op == IR_bts || op == IR_btr || op == IR_btc;
    n->locked = rmw && lockable && pick(2);
    unsigned u = 0, bits = 8u << type;
    unsigned cnt =
        shift && b.kind == IR_IMM ? (unsigned)ir->imms[b.id] & (type == 3 ? 63 : 31) : 99;
    if (dbl) {
        cnt = 1 + pick(bits == 16 ? 15 : bits - 1);
        n->c = pick(2) ? ir_imm(ir, cnt) : ir_guest(1);
        if (n->c.kind == IR_GUEST && bits == 16) { n->c = ir_imm(ir, cnt); }
        if (n->c.kind == IR_GUEST) { cnt = 99; }
        if (n->b.kind == IR_HOST) { n->b = ir_guest(7); }
    }
    if (ir_op_props[op] & SETS_FLAGS) { n->sets = FL_ALL; }
    switch (op) {
    case IR_and: case IR_or: case IR_xor: case IR_test: u = FL_A; break;
    case IR_shl:
    case IR_shr:
    case IR_sar:
        u = FL_A | (cnt == 1 ? 0 : FL_O) | (cnt == 99 || cnt >= bits ? FL_C : 0);
        break;
    case IR_shld: case IR_shrd: u = FL_A | (cnt == 1 ? 0 : FL_O) | (cnt == 99 ? FL_C : 0); break;
    case IR_rol:
    case IR_ror:
    case IR_rcl:
    case IR_rcr:
        n->sets = FL_C | FL_O;
        u = cnt == 1 ? 0 : FL_O;
        break;
    case IR_mul: case IR_mulu2: case IR_muls2: u = FL_S | FL_Z | FL_A | FL_P; break;
    case IR_inc: case IR_dec: n->sets = FL_ALL & ~FL_C; break;
    case IR_bt:
    case IR_bts:
    case IR_btr:
    case IR_btc:
        if (pick(2)) {
            n->sets = FL_C;
        } else {
            u = FL_O | FL_S | FL_A | FL_P;
            n->sets = FL_ALL & ~FL_Z;
        }
        break;
    case IR_bsf: case IR_bsr: u = FL_ALL & ~FL_Z; if (pick(2)) { n->sets = FL_Z; u = 0; } break;
    case IR_tzcnt: case IR_lzcnt: u = FL_O | FL_S | FL_A | FL_P; break;
    }
    bool keeps = (shift || dbl) && (cnt == 99 || cnt == 0);
    if ((op == IR_add || op == IR_sub || op == IR_mulu2) && pick(4) == 0 &&
        n->dst.kind != IR_HOST) {
        n->sets = 0;
        u = 0;
    }
    if (keeps && cnt == 99 && undef) { /* may or may not keep */ }
    n->undef = (uint8_t)(n->sets & (u | (keeps ? undef : 0)));
    undef = (undef & ~(unsigned)n->sets) | n->undef;
    if (ir_op_props[op] & SETS_FLAGS || n->dst.kind != IR_TEMP) { written = 1; }
}

static void gen(unsigned n_guest)
{
    ir_begin(ir, 0x400000 + pick(3000), 0);
    undef = 0;
    int32_t off = (int32_t)(ir->pc & 4095);
    for (unsigned g = 0; g < n_guest; g++) {
        ir_insn(ir, off);
        off += 3;
        temps = hosts = written = 0;
        if (pick(3) == 0) {
            gen_chk();
            type_of_hosts = ir->insns[ir->n_insns - 1].type;
        }
        for (unsigned k = 1 + pick(4); k; k--) {
            unsigned from = ir->n_insns;
            gen_op();
            for (; from < ir->n_insns; from++) {
                const IrInsn *n = &ir->insns[from];
                temps |= n->dst.kind == IR_TEMP ? 1u << n->dst.id : 0;
                temps |= n->dst2.kind == IR_TEMP ? 1u << n->dst2.id : 0;
            }
        }
    }
    IrInsn *n;
    switch (pick(3)) {
    case 0:
        n = ir_emit(ir, IR_jmp, IR_I64, ir_none(), ir_none(), ir_none());
        n->imm = exit_target();
        n->live = FL_ALL;
        break;
    case 1:
        ir_insn(ir, off);
        ir_emit(ir, IR_jind, IR_I64, ir_none(),
                any_src(IR_I64, false, false).kind == IR_GUEST ? ir_guest(pick(16)) : ir_guest(3),
                ir_none());
        break;
    default:
        n = ir_emit(ir, IR_exit_next, IR_I64, ir_none(), ir_none(), ir_none());
        n->imm = exit_target();
    }
}

/* ---- comparing ---- */
static void report(const char *what, const State *in, const State *want, Block *blk)
{
    g_autoptr(GString) s = g_string_new(NULL);
    printf("%s\n", what);
#ifdef IR_PRINT
    ir_print(ir, s);
#endif
    for (unsigned i = 0; i < ir->n_insns; i++) {
        const IrInsn *n = &ir->insns[i];
        printf("%3u %-8s i%u sets %02x undef %02x", i, ir_op_names[n->op], 8u << n->type, n->sets,
               n->undef);
        const IrRef *r[5] = { &n->dst, &n->dst2, &n->a, &n->b, &n->c };
        for (unsigned k = 0; k < 5; k++) {
            if (r[k]->kind == IR_IMM) { printf(" #%#lx", (long)ir->imms[r[k]->id]);
            } else if (r[k]->kind) {
                printf(" %s%u%s", (const char *[]){ "", "r", "t", "", "ctx", "h", "v" }[r[k]->kind],
                       r[k]->id, r[k]->high_byte ? "h" : "");
            } else {
                printf(" -");
            }
        }
        if (n->op == IR_chk || n->op == IR_lea) {
            const IrMem *m = &ir->mems[n->mem];
            printf(" [%u:%u + %u:%u*%u + %#x] seg %u bits %u span %u acc %u", m->base.kind,
                   m->base.id, m->index.kind, m->index.id, 1 << m->scale, m->disp, m->segment,
                   m->offset_bits, m->span, m->access);
        }
        printf(" imm %#x cc %u lk %u\n", n->imm, n->cond, n->locked);
    }
    dbt_backend_x86_64.print(blk, s);
    printf("%s\n", s->str);
    for (unsigned i = 0; i < 16; i++) {
        printf("r%-2u in %016lx want %016lx got %016lx%s\n", i, in->gpr[i], want->gpr[i],
               cpu->dbt.gpr[i], want->gpr[i] != cpu->dbt.gpr[i] ? " <--" : "");
    }
    for (unsigned i = 0; i < 8; i++) {
        printf("ctx%u in %016lx want %016lx got %016lx%s\n", i, in->ctx[i], want->ctx[i],
               cpu->ctx_words[i], want->ctx[i] != cpu->ctx_words[i] ? " <--" : "");
    }
    printf("flags in %02x want %02x got %02x undef %02x; pc want %lx got %lx; left %d %d\n",
           in->flags, want->flags, from_fl(cpu->dbt.fl), want->undef, want->pc, cpu->dbt.pc,
           want->left, left);
    exit(1);
}

int main(int argc, char **argv)
{
    unsigned long blocks = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000,
                  one = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    static State in;
    DbtGuest guest = { .name = "test", .helpers = helpers, .n_helpers = 2, .n_gpr = 16, .canonical_bits = 48,
                       .mode_wide = 0, .vec_offset = offsetof(TestCpu, vec), .vec_stride = 64,
        .fpcr_offset = offsetof(TestCpu, mxcsr), .seg_offset = offsetof(TestCpu, seg), .seg_stride = 32, .seg_base = 0, .seg_lo = 8, .seg_hi_read = 16, .seg_hi_write = 24,
        .cs_base = offsetof(TestCpu, cs_base), .cs_limit = offsetof(TestCpu, cs_limit) };
    DbtMachine d = { .tb_mib = 16, .guest = &guest, .backend = &dbt_backend_x86_64 };
    (void)fail_refills; (void)bad_helper;

    cpu = g_malloc0(sizeof(*cpu) + 64);
    cpu = (TestCpu *)(((uintptr_t)cpu + 63) & ~(uintptr_t)63);
    cpu->mxcsr = 0x1f80;
    ram = aligned_alloc(4096, MEM_BYTES);
    ctx = aligned_alloc(_Alignof(DbtContext), sizeof(DbtContext));
    memset(ctx, 0, sizeof(DbtContext));
    cpu->dbt.ctx = ctx;
    cpu->dbt.dbt = &d;
    cpu->dbt.guest = &guest;
    for (unsigned i = 0; i < 8; i++) {
        cpu->seg[i].base = i * 0x100;
        cpu->seg[i].lo = i & 1 ? 0 : 0x100;
        cpu->seg[i].hi_read = i & 2 ? 0xffffffff : PAGE0 + 0x8000;
        cpu->seg[i].hi_write = i & 4 ? -1 : cpu->seg[i].hi_read;
    }
    ir = ir_new();
    if (!dbt_backend_x86_64.init(&d, NULL)) {
        return 77;
    }
    for (unsigned long k = one; k < (one ? one + 1 : blocks); k++) {
        rng = seed * UINT64_C(0x9e3779b97f4a7c15) + k * UINT64_C(0xd1342543de82ef95) + 1;
        rnd();
        gen(1 + pick(12));
        Block blk = { 0 };
        ir_liveness(ir, helpers, NULL);
        if (!dbt_backend_x86_64.emit(&d, &guest, ir, &blk)) {
            dbt_backend_x86_64.reclaim(&d, 0);
            dbt_backend_x86_64.begin(&d, 0);
            if (!dbt_backend_x86_64.emit(&d, &guest, ir, &blk)) {
                printf("block %lu does not fit\n", k);
                return 1;
            }
        }
        for (unsigned runs = 0; runs < 4; runs++) {
            for (unsigned i = 0; i < 16; i++) {
                in.gpr[i] = value();
            }
            in.gpr[1] = pick(3) ? pick(64) : value();
            for (unsigned i = 12; i < 15; i++) {
                in.gpr[i] = PAGE0 + pick(MEM_BYTES);
            }
            for (unsigned i = 0; i < 8; i++) {
                in.ctx[i] = value();
            }
            in.flags = pick(64);
            for (unsigned i = 0; i < MEM_BYTES; i += 8) {
                uint64_t v = rnd();
                if (runs == 0) { memcpy(in.mem + i, &v, 8); }
            }
            if (runs == 0) {
                dbt_context_empty(ctx);
                dbt_constants(&cpu->dbt);
                dbt_use(&cpu->dbt, ctx);
                for (unsigned i = 0; i < DBT_JMP_N; i++) {
                    ctx->jmp[i].pc = dbt_jmp_empty(i);
                }
            }
            memcpy(ram, in.mem, MEM_BYTES);
            memcpy(cpu->dbt.gpr, in.gpr, sizeof(in.gpr));
            memcpy(cpu->ctx_words, in.ctx, sizeof(in.ctx));
            cpu->dbt.fl = to_fl(in.flags);
            cpu->dbt.pc = ir->pc;
            model = in;
            model.undef = 0;
            model.left = left = false;
            uint64_t pc = ir->pc;
            for (unsigned i = 0; i < ir->n_insns; i++) {
                pc = 0x400000 + (uint64_t)ir_offset(ir, &ir->insns[i]);
                if (!step(&model, ir, &ir->insns[i], pc)) {
                    break;
                }
            }
            dbt_backend_x86_64.run(&cpu->dbt, blk.entry);
            const char *bad = NULL;
            if (left != model.left ||
                cpu->dbt.pc !=
                    (model.pc & (left || ir->insns[ir->n_insns - 1].op == IR_jind ? UINT64_MAX
                                                                                  : UINT64_MAX))) {
                bad = "place";
            } else if (memcmp(cpu->dbt.gpr, model.gpr, sizeof(model.gpr))) {
                bad = "registers";
            } else if (memcmp(cpu->ctx_words, model.ctx, sizeof(model.ctx))) {
                bad = "struct";
            } else if ((from_fl(cpu->dbt.fl) ^ model.flags) & ~model.undef) {
                bad = "flags";
            } else if (memcmp(ram, model.mem, MEM_BYTES)) {
                bad = "memory";
            }
            if (bad) {
                char what[80];
                snprintf(what, sizeof(what), "block %lu run %u: %s differ", k, runs, bad);
                report(what, &in, &model, &blk);
            }
        }
    }
    printf("%lu blocks agree\n", blocks);
    dbt_backend_x86_64.fini(&d);
    g_free(ir);
    return 0;
}
