/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * be_native_gen.c -- random blocks of IR, as a front end might make them: what is read is defined,
 * no check follows what its guest instruction has written.
 */
#include <string.h>
#include "tests/cpu/be_native.h"

static IrBlock *ir;
static unsigned temps, hosts;           /* defined in this guest instruction, a bit each */
static unsigned type_of_hosts;
static unsigned written;                /* in this guest instruction: it checks no more */
static unsigned undef;                  /* FL_* that are not to be read */

/* ---- operands ---- */

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
        bool again = any_src(type, false, true).kind == IR_HOST;
        return again ? ir_host((unsigned)__builtin_ctz(hosts)) : ir_guest(pick(16));
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

/* A condition that reads no undefined flag, or NO_CC. */
enum { NO_CC = 16 };
static unsigned good_cc(void)
{
    for (unsigned k = 0; k < 64; k++) {
        unsigned cc = pick(16);
        if (!(cc_reads(cc) & undef)) {
            return cc;
        }
    }
    return NO_CC;
}

static int32_t exit_target(void) { return (int32_t)(pick(3) ? pick(4096) : 4096 + pick(8000)); }

/* ---- operations with a shape of their own; each may refuse by returning ---- */

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
    hosts = 1u << h;
}

static void gen_branch(unsigned op, unsigned type)
{
    unsigned cc = good_cc();

    if (cc == NO_CC) {
        return;
    }
    IrRef a = op == IR_br ? ir_none() : any_src(type, false, false);
    IrInsn *n = ir_emit(ir, op, type, ir_none(), a, ir_none());
    n->cond = (uint8_t)cc;
    n->imm = exit_target();
    n->live = FL_ALL;
}

static void gen_select(unsigned op, unsigned type)
{
    unsigned cc = good_cc();

    if (cc == NO_CC) {
        return;
    }
    if (op == IR_setcc) {
        type = hosts ? type : IR_I8;
    }
    IrRef a = any_src(type, true, true);
    IrRef b = any_src(type, true, a.kind != IR_HOST);
    if (op == IR_setcc) {
        a = b = ir_none();
    }
    IrRef d = any_dst(type, false);
    ir_emit(ir, op, type, d, a, b)->cond = (uint8_t)cc;
    written = 1;
}

/* A part of an address: not of the CPU struct. */
static IrRef any_part(void)
{
    IrRef r = any_src(IR_I64, false, false);

    return r.kind == IR_CTX ? ir_none() : r;
}

static void gen_lea(void)
{
    IrMem m = { .segment = SEG_NONE, .offset_bits = (uint8_t[]){ 16, 32, 64 }[pick(3)],
                .linear_bits = 64, .disp = (int32_t)value() };
    unsigned type = m.offset_bits == 64 ? IR_I64 : m.offset_bits == 32 ? IR_I32 : IR_I16;

    if (pick(4)) {
        m.base = any_part();
    }
    if (pick(2)) {
        m.index = any_part();
        m.scale = (uint8_t)pick(4);
    }
    if (!m.base.kind && !m.index.kind && pick(2)) {
        m.pc_relative = true;
        m.offset_bits = 64;
        type = IR_I64;
    }
    IrInsn *n = ir_emit(ir, IR_lea, type, any_dst(type, false), ir_none(), ir_none());
    n->mem = ir_mem(ir, &m);
    written = 1;
}

static void gen_helper(unsigned type)
{
    if (undef) {
        return;
    }
    IrRef a = any_src(type, true, false);
    IrRef b = any_src(type, true, false);
    IrInsn *n = ir_emit(ir, IR_helper, type, ir_none(), a, b);
    n->c = any_src(type, true, false);
    n->dst = any_dst(type, false);
    n->sub = (uint16_t)pick(N_HELPERS);
    if (written) {
        n->sub = 0;                     /* the other one reads the state */
    }
    hosts = 0;
    written = 1;
}

static void gen_exchange(unsigned op, unsigned type)
{
    if (!hosts) {
        return;
    }
    IrRef h = ir_host((unsigned)__builtin_ctz(hosts));
    IrRef b = any_src(type, op != IR_xadd, false);
    IrRef c = op == IR_cmpxchg ? any_src(type, true, false) : ir_none();
    IrRef d = any_dst(type, false);
    IrInsn *n = ir_emit(ir, op, type, d, h, b);
    n->c = c;
    n->locked = pick(2) && op != IR_xchg;
    if (op != IR_xchg) {
        n->sets = FL_ALL;
        undef = 0;
    }
    written = 1;
}

static void gen_setfl(void)
{
    IrRef a = any_src(IR_I32, true, false);
    IrInsn *n = ir_emit(ir, IR_setfl, IR_I32, ir_none(), a, ir_none());

    n->sets = (uint8_t)(pick(3) ? FL_ALL : pick(2) ? FL_C : FL_ALL & ~FL_O);
    undef &= ~(unsigned)n->sets;
    written = 1;
}

static void gen_cmc(void)
{
    if (!(undef & FL_C)) {
        ir_emit(ir, IR_cmc, IR_I32, ir_none(), ir_none(), ir_none())->sets = FL_C;
        written = 1;
    }
}

/* The second result, in another place than the first. */
static void second_result(IrInsn *n, unsigned type, unsigned usual, unsigned usual8, unsigned often)
{
    do {
        n->dst2 = pick(often) ? ir_guest(type ? usual : usual8) : any_dst(type, false);
    } while (n->dst2.kind == n->dst.kind && n->dst2.id == n->dst.id);
}

static void gen_divide(unsigned op, unsigned type)
{
    if (written || hosts) {
        return;
    }
    IrInsn *n = ir_emit(ir, op, type, ir_none(), any_src(type, true, false),
                        any_src(type, true, true));
    if (n->b.kind == IR_IMM) {
        n->b = ir_guest(pick(16));
    }
    n->c = pick(3) ? any_src(type, true, false) : ir_imm(ir, 0);
    n->dst = pick(4) ? ir_guest(0) : any_dst(type, false);
    second_result(n, type, 2, 1, 4);
    written = 1;
}

static void gen_extend(unsigned op)
{
    unsigned from = (unsigned[]){ IR_I8, IR_I16, IR_I32, IR_I8, IR_I16, IR_I32 }[op - IR_zext8];

    if (hosts && from > type_of_hosts) {
        return;
    }
    unsigned type = MAX(from + (from < IR_I64), 2 + pick(2));
    IrRef a = any_src(from, false, hosts && from <= type_of_hosts);
    ir_emit(ir, op, type, any_dst(type, false), a, ir_none());
    written = 1;
}

/* ---- the common shape: one or two sources, a destination, flags ---- */

static bool is_among(unsigned op, const uint8_t *ops, unsigned n)
{
    return memchr(ops, (int)op, n) != NULL;
}
#define IS_AMONG(op, ...) is_among(op, (const uint8_t[]){ __VA_ARGS__ }, \
                                   sizeof((const uint8_t[]){ __VA_ARGS__ }))

static bool is_bit_op(unsigned op) { return IS_AMONG(op, IR_bt, IR_bts, IR_btr, IR_btc); }
static bool is_double_shift(unsigned op) { return op == IR_shld || op == IR_shrd; }
static bool is_shift(unsigned op) { return op >= IR_shl && op <= IR_rcr; }

static bool has_no_i8(unsigned op)
{
    return is_bit_op(op) || is_double_shift(op) ||
           IS_AMONG(op, IR_bswap, IR_bsf, IR_bsr, IR_tzcnt, IR_lzcnt, IR_popcnt);
}

static bool has_one_source(unsigned op)
{
    return IS_AMONG(op, IR_neg, IR_not, IR_inc, IR_dec, IR_bswap, IR_mov, IR_tzcnt, IR_lzcnt,
                    IR_popcnt, IR_bsf, IR_bsr);
}

static bool is_lockable(unsigned op)
{
    return IS_AMONG(op, IR_add, IR_sub, IR_and, IR_or, IR_xor, IR_adc, IR_sbb, IR_inc, IR_dec,
                    IR_neg, IR_not, IR_bts, IR_btr, IR_btc);
}

static IrRef any_count(void)
{
    return pick(2) ? ir_imm(ir, pick(70)) : pick(2) ? ir_guest(1) : any_src(IR_I8, false, false);
}

/* The operation with its operands; NULL: not these. */
static IrInsn *gen_operands(unsigned op, unsigned type)
{
    IrRef a = any_src(type, op != IR_bsf && op != IR_bsr && op != IR_bt, op != IR_crc32);
    IrRef b = is_shift(op) ? any_count() : any_src(type, true, a.kind != IR_HOST);
    bool rmw = false;

    if (op == IR_crc32 && b.kind == IR_IMM) {
        b = ir_guest(5);
    }
    if (IS_AMONG(op, IR_rcl, IR_rcr, IR_adc, IR_sbb) && (undef & FL_C)) {
        return NULL;
    }
    IrRef d = any_dst(type, a.kind != IR_HOST && b.kind != IR_HOST && op != IR_crc32);
    if (pick(2) && a.kind != IR_IMM && a.kind != IR_NONE) {
        d = a;
        if (d.kind == IR_HOST) {
            rmw = true;
            if (b.kind == IR_HOST) {
                b = ir_guest(4);
            }
        }
    }
    if (IS_AMONG(op, IR_cmp, IR_test, IR_bt)) {
        d = ir_none();
        rmw = false;
    }
    if (op == IR_crc32 && (d.kind == IR_HOST || a.kind == IR_HOST || d.kind == IR_CTX ||
                           (d.kind == IR_GUEST && d.high_byte) || a.high_byte)) {
        return NULL;
    }
    IrInsn *n = ir_emit(ir, op, type, d, a, b);
    if (has_one_source(op)) {
        n->b = ir_none();
    }
    if (op == IR_bsf || op == IR_bsr) {
        n->c = any_src(type, false, false);
    }
    if (op == IR_mulu2 || op == IR_muls2) {
        if (n->dst.kind == IR_HOST) {
            n->dst = ir_guest(0);
        }
        second_result(n, type, 2, 3, 3);
        if (n->b.kind == IR_IMM) {
            n->b = ir_guest(pick(16));
        }
    }
    if (is_bit_op(op) && n->b.kind == IR_HOST) {
        n->b = ir_guest(pick(16));
    }
    n->locked = rmw && is_lockable(op) && pick(2);
    return n;
}

enum { ANY_COUNT = 99 };

/* How far it shifts; ANY_COUNT: not known, or no shift. */
static unsigned count_of(IrInsn *n)
{
    unsigned bits = 8u << n->type, count = ANY_COUNT;

    if (is_shift(n->op) && n->b.kind == IR_IMM) {
        return (unsigned)ir->imms[n->b.id] & (n->type == IR_I64 ? 63 : 31);
    }
    if (is_double_shift(n->op)) {
        count = 1 + pick(bits == 16 ? 15 : bits - 1);
        n->c = pick(2) ? ir_imm(ir, count) : ir_guest(1);
        if (n->c.kind == IR_GUEST && bits == 16) {
            n->c = ir_imm(ir, count);
        }
        if (n->c.kind == IR_GUEST) {
            count = ANY_COUNT;
        }
        if (n->b.kind == IR_HOST) {
            n->b = ir_guest(7);
        }
    }
    return count;
}

/* Chooses what it sets, and returns what the manual leaves undefined of that. */
static unsigned choose_flags(IrInsn *n, unsigned count)
{
    unsigned overflow = count == 1 ? 0 : FL_O;

    switch (n->op) {
    case IR_and: case IR_or: case IR_xor: case IR_test:
        return FL_A;
    case IR_shl: case IR_shr: case IR_sar:
        return FL_A | overflow | (count == ANY_COUNT || count >= 8u << n->type ? FL_C : 0);
    case IR_shld: case IR_shrd:
        return FL_A | overflow | (count == ANY_COUNT ? FL_C : 0);
    case IR_rol: case IR_ror: case IR_rcl: case IR_rcr:
        n->sets = FL_C | FL_O;
        return overflow;
    case IR_mul: case IR_mulu2: case IR_muls2:
        return FL_S | FL_Z | FL_A | FL_P;
    case IR_inc: case IR_dec:
        n->sets = FL_ALL & ~FL_C;
        return 0;
    case IR_bt: case IR_bts: case IR_btr: case IR_btc:
        if (pick(2)) {
            n->sets = FL_C;
            return 0;
        }
        n->sets = FL_ALL & ~FL_Z;
        return FL_O | FL_S | FL_A | FL_P;
    case IR_bsf: case IR_bsr:
        if (pick(2)) {
            n->sets = FL_Z;
            return 0;
        }
        return FL_ALL & ~FL_Z;
    case IR_tzcnt: case IR_lzcnt:
        return FL_O | FL_S | FL_A | FL_P;
    default:
        return 0;
    }
}

static void gen_common(unsigned op, unsigned type)
{
    if (type == IR_I8 && has_no_i8(op)) {
        if (hosts) {
            return;
        }
        type = IR_I32;
    }
    IrInsn *n = gen_operands(op, type);
    if (!n) {
        return;
    }
    unsigned count = count_of(n), not_told;
    bool keeps = (is_shift(op) || is_double_shift(op)) && (count == ANY_COUNT || count == 0);
    if (ir_op_props[op] & SETS_FLAGS) {
        n->sets = FL_ALL;
    }
    not_told = choose_flags(n, count);
    if (IS_AMONG(op, IR_add, IR_sub, IR_mulu2) && pick(4) == 0 && n->dst.kind != IR_HOST) {
        n->sets = 0;
        not_told = 0;
    }
    n->undef = (uint8_t)(n->sets & (not_told | (keeps ? undef : 0)));
    undef = (undef & ~(unsigned)n->sets) | n->undef;
    if (ir_op_props[op] & SETS_FLAGS || n->dst.kind != IR_TEMP) {
        written = 1;
    }
}

/* ---- any of them ---- */

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
    unsigned op = ops[pick(G_N_ELEMENTS(ops))], type = hosts ? type_of_hosts : pick(4);

    switch (op) {
    case IR_br: case IR_brz: case IR_brnz: gen_branch(op, type); break;
    case IR_sel: case IR_setcc: gen_select(op, type); break;
    case IR_lea: gen_lea(); break;
    case IR_helper: gen_helper(type); break;
    case IR_xchg: case IR_xadd: case IR_cmpxchg: gen_exchange(op, type); break;
    case IR_prefetch:
        if (!undef) {
            ir_emit(ir, op, IR_I64, ir_none(), any_src(IR_I64, false, false), ir_none());
        }
        break;
    case IR_fence: ir_emit(ir, op, IR_I64, ir_none(), ir_none(), ir_none()); break;
    case IR_getfl:
        if (!undef) {
            ir_emit(ir, op, IR_I32, any_dst(IR_I32, false), ir_none(), ir_none());
        }
        break;
    case IR_setfl: gen_setfl(); break;
    case IR_cmc: gen_cmc(); break;
    case IR_divu: case IR_divs: gen_divide(op, type); break;
    case IR_zext8: case IR_zext16: case IR_zext32:
    case IR_sext8: case IR_sext16: case IR_sext32: gen_extend(op); break;
    default: gen_common(op, type);
    }
}

static void gen_end(int32_t offset)
{
    IrInsn *n;

    switch (pick(3)) {
    case 0:
        n = ir_emit(ir, IR_jmp, IR_I64, ir_none(), ir_none(), ir_none());
        n->imm = exit_target();
        n->live = FL_ALL;
        break;
    case 1:
        ir_insn(ir, offset);
        ir_emit(ir, IR_jind, IR_I64, ir_none(),
                any_src(IR_I64, false, false).kind == IR_GUEST ? ir_guest(pick(16)) : ir_guest(3),
                ir_none());
        break;
    default:
        n = ir_emit(ir, IR_exit_next, IR_I64, ir_none(), ir_none(), ir_none());
        n->imm = exit_target();
    }
}

void gen_block(IrBlock *b, unsigned n_guest)
{
    ir = b;
    ir_begin(ir, CODE + pick(3000), 0);
    undef = 0;
    int32_t offset = (int32_t)(ir->pc & 4095);
    for (unsigned g = 0; g < n_guest; g++) {
        ir_insn(ir, offset);
        offset += 3;
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
    gen_end(offset);
}
