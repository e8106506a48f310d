/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gen.c -- random blocks that keep the rules of ir.h, shaped like what front ends emit.
 *
 * r4, r5, r6 and r3 hold addresses and are mostly moved by constants; the rest holds anything.
 * Flags that the manual leaves undefined are overwritten at once (setfl), so that every engine must
 * agree on all of the state.
 */
#include <string.h>
#include "tests/cpu/gen.h"

uint64_t gen_random(Gen *g)             /* xorshift64* */
{
    g->rng ^= g->rng >> 12;
    g->rng ^= g->rng << 25;
    g->rng ^= g->rng >> 27;
    return g->rng * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned pick(Gen *g, unsigned n)
{
    return (unsigned)(gen_random(g) >> 33) % n;
}

static uint64_t value(Gen *g)
{
    uint64_t r = gen_random(g);
    switch (r & 7) {
    case 0: return (r >> 8) % 5;
    case 1: return (uint64_t)0 - (r >> 8) % 5;
    case 2: return (UINT64_C(1) << (r >> 8 & 63)) + (r >> 16) % 3 - 1;
    case 3: return (uint64_t)(int64_t)(int8_t)(r >> 8);
    case 4: return (uint32_t)(r >> 8);
    default: return gen_random(g);
    }
}

static bool is_pointer(unsigned r)
{
    return r >= 3 && r <= 6;
}

/* ---- operands ---- */
static IrType any_type(Gen *g)
{
    return (IrType)pick(g, 4);
}

static IrRef source_reg(Gen *g, IrType t)
{
    unsigned r = pick(g, 16);
    return t == IR_I8 && r < 4 && pick(g, 2) ? ir_guest_high(r) : ir_guest(r);
}

static IrRef dst_reg(Gen *g, IrType t)
{
    unsigned r = pick(g, 16);
    while (is_pointer(r) && pick(g, 50)) {
        r = pick(g, 16);
    }
    return t == IR_I8 && r < 3 && pick(g, 2) ? ir_guest_high(r) : ir_guest(r);
}

static IrRef source(Gen *g, IrType t)
{
    switch (pick(g, 8)) {
    case 0: case 1: return ir_imm(g->b, value(g));
    case 2: return ir_ctx(offsetof(FakeCpu, ctx) + 8 * pick(g, FAKE_CTX));
    default: return source_reg(g, t);
    }
}

static IrInsn *emit(Gen *g, IrOp op, IrType t, IrRef dst, IrRef a, IrRef b)
{
    return ir_emit(g->b, op, t, dst, a, b);
}

/* What the manual leaves open gets a value at once. */
static void settle_flags(Gen *g, unsigned undef)
{
    if (undef) {
        emit(g, IR_setfl, IR_I64, ir_none(), ir_imm(g->b, gen_random(g) & 0x8d5), ir_none())->sets =
            (uint8_t)undef;
    }
}

static void sets(Gen *g, IrInsn *i, unsigned all, unsigned undef)
{
    i->sets = (uint8_t)all;
    i->undef = (uint8_t)undef;
    settle_flags(g, undef);
}

/* ---- memory ---- */
static void random_address(Gen *g, IrMem *m, unsigned span)
{
    static const int8_t near[] = { 0, 8, 16, 24, -8, -16, 4, 12, 1, 40 };
    m->base = ir_guest(3 + pick(g, 4));
    m->disp = near[pick(g, sizeof near)];
    m->offset_bits = m->linear_bits = 64;
    m->segment = SEG_NONE;
    if (pick(g, 8) == 0) {
        m->index = ir_guest(7);
        m->scale = (uint8_t)pick(g, 4);
    }
    switch (pick(g, 16)) {
    case 0:                             /* 32-bit segment with a base */
    case 1:
        m->segment = (uint8_t)pick(g, 2);
        m->offset_bits = m->linear_bits = 32;
        m->limit = m->segment == 1;
        m->disp -= m->segment ? FAKE_BASE : 0;
        break;
    case 2:                             /* 16-bit addresses */
        m->segment = 2;
        m->offset_bits = 16;
        m->linear_bits = 32;
        m->limit = pick(g, 2);
        break;
    case 3:                             /* 64-bit with a base */
        m->segment = 3;
        break;
    case 4:
        m->base = ir_none();
        m->index = ir_none();
        m->pc_relative = true;
        m->disp += FAKE_BASE - FAKE_PC + (int32_t)pick(g, FAKE_PAGES * DBT_PAGE);
        break;
    }
    m->span = span;
}

/* A check of a random address into h. */
static void check(Gen *g, unsigned h, unsigned span, unsigned access)
{
    IrMem m = { .access = (uint8_t)access };
    random_address(g, &m, span);
    if (pick(g, 6) == 0) {              /* the base by way of a temporary */
        IrType t = m.linear_bits == 64 ? IR_I64 : IR_I32;
        if (m.base.kind && m.offset_bits != 16) {
            emit(g, IR_mov, t, ir_temp(7), m.base, ir_none());
            m.base = ir_temp(7);
        }
    }
    emit(g, IR_chk, IR_I64, ir_host(h), ir_none(), ir_none())->mem = ir_mem(g->b, &m);
}

/* ---- guest instructions ---- */
static const struct Alu { uint8_t op, sets, undef; } alu[] = {
    { IR_add, FL_ALL, 0 }, { IR_adc, FL_ALL, 0 }, { IR_sub, FL_ALL, 0 }, { IR_sbb, FL_ALL, 0 },
    { IR_and, FL_ALL, FL_A }, { IR_or, FL_ALL, FL_A }, { IR_xor, FL_ALL, FL_A },
    { IR_cmp, FL_ALL, 0 }, { IR_test, FL_ALL, FL_A }, { IR_cmp, FL_ALL, 0 }, { IR_add, 0, 0 }, { IR_sub, 0, 0 },
};

static void gen_alu_reg(Gen *g)
{
    const struct Alu *x = &alu[pick(g, G_N_ELEMENTS(alu))];
    IrType t = any_type(g);
    IrRef d = dst_reg(g, t);
    IrRef a = pick(g, 4) ? d : source_reg(g, t);
    bool no_result = ir_op_props[x->op] & NO_RESULT;
    sets(g, emit(g, x->op, t, no_result ? ir_none() : d, a, source(g, t)), x->sets, x->undef);
}

static void gen_alu_load(Gen *g)
{
    const struct Alu *x = &alu[pick(g, G_N_ELEMENTS(alu))];
    IrType t = any_type(g);
    bool no_result = ir_op_props[x->op] & NO_RESULT;
    check(g, 0, 1u << t, IR_READ);
    IrRef d = dst_reg(g, t);
    if (no_result && pick(g, 2)) {
        sets(g, emit(g, x->op, t, ir_none(), ir_host(0), source(g, t)), x->sets, x->undef);
    } else {
        sets(g, emit(g, x->op, t, no_result ? ir_none() : d, d, ir_host(0)), x->sets, x->undef);
    }
}

static void gen_alu_store(Gen *g)
{
    unsigned k = pick(g, 10);
    IrType t = any_type(g);
    check(g, 0, 1u << t, IR_READ | IR_WRITE);
    bool locked = pick(g, 3) == 0;
    if (locked) {
        g->b->mems[g->b->n_mems - 1].locked = true;
    }
    IrInsn *i;
    if (k < 7) {
        i = emit(g, alu[k].op, t, ir_host(0), ir_host(0), source(g, t));
        i->locked = locked;
        sets(g, i, alu[k].sets, alu[k].undef);
    } else {
        static const uint8_t ops[3] = { IR_inc, IR_dec, IR_neg };
        i = emit(g, ops[k - 7], t, ir_host(0), ir_host(0), ir_none());
        i->locked = locked;
        sets(g, i, k == 9 ? FL_ALL : FL_ALL & ~FL_C, 0);
    }
}

static void gen_move(Gen *g)
{
    IrType t = any_type(g);
    switch (pick(g, 5)) {
    case 0:
        check(g, 0, 1u << t, IR_READ);
        emit(g, IR_mov, t, dst_reg(g, t), ir_host(0), ir_none());
        break;
    case 1:
        check(g, 0, 1u << t, IR_WRITE);
        emit(g, IR_mov, t, ir_host(0), source(g, t), ir_none());
        break;
    case 2:
        emit(g, IR_mov, t, dst_reg(g, t), source(g, t), ir_none());
        break;
    case 3: {
        static const uint8_t ops[] = { IR_zext8, IR_zext16, IR_zext32, IR_sext8, IR_sext16,
                                       IR_sext32 };
        unsigned k = pick(g, 6), from = k % 3;
        t = (IrType)MIN(from + 1 + pick(g, 3 - from), IR_I64);
        if (pick(g, 2)) {
            check(g, 1, 1u << from, IR_READ);
            emit(g, ops[k], t, dst_reg(g, t), ir_host(1), ir_none());
        } else {
            emit(g, ops[k], t, dst_reg(g, t), source_reg(g, from == 0 ? IR_I8 : IR_I64), ir_none());
        }
        break;
    }
    default:
        emit(g, IR_mov, t, ir_ctx(offsetof(FakeCpu, ctx) + 8 * pick(g, FAKE_CTX)), source_reg(g, t),
             ir_none());
    }
}

/* push, pop, and pointers moved by constants: what the merge pass follows. */
static void gen_stack(Gen *g)
{
    IrMem m = { .base = ir_guest(4), .offset_bits = 64, .linear_bits = 64, .segment = SEG_NONE,
                .span = 8 };
    unsigned r = 3 + pick(g, 4);
    switch (pick(g, 6)) {
    case 0: case 1:                     /* push */
        m.disp = -8;
        m.access = IR_WRITE;
        if (pick(g, 2)) {
            m.disp = 0;
            m.base = ir_temp(0);
            emit(g, IR_sub, IR_I64, ir_temp(0), ir_guest(4), ir_imm(g->b, 8));
        }
        emit(g, IR_chk, IR_I64, ir_host(0), ir_none(), ir_none())->mem = ir_mem(g->b, &m);
        emit(g, IR_mov, IR_I64, ir_host(0), source_reg(g, IR_I64), ir_none());
        emit(g, IR_sub, IR_I64, ir_guest(4), ir_guest(4), ir_imm(g->b, 8));
        break;
    case 2:                             /* pop */
        m.access = IR_READ;
        emit(g, IR_chk, IR_I64, ir_host(0), ir_none(), ir_none())->mem = ir_mem(g->b, &m);
        emit(g, IR_mov, IR_I64, ir_temp(0), ir_host(0), ir_none());
        emit(g, IR_add, IR_I64, ir_guest(4), ir_guest(4), ir_imm(g->b, 8));
        emit(g, IR_mov, IR_I64, dst_reg(g, IR_I64), ir_temp(0), ir_none());
        break;
    case 3:
        sets(g,
             emit(g, pick(g, 2) ? IR_add : IR_sub, IR_I64, ir_guest(r), ir_guest(r),
                  ir_imm(g->b, 8 * pick(g, 6))),
             FL_ALL, 0);
        break;
    case 4:
        emit(g, IR_mov, pick(g, 20) ? IR_I64 : IR_I32, ir_guest(r), ir_guest(3 + pick(g, 4)),
             ir_none());
        break;
    default:
        m.base = ir_guest(3 + pick(g, 4));
        m.disp = (int32_t)pick(g, 64) - 32;
        emit(g, IR_lea, IR_I64, ir_guest(r), ir_none(), ir_none())->mem = ir_mem(g->b, &m);
    }
}

/* A load indexed by 32 bits of r7 and a constant: neighbours while they do not pass 0 or 2^32. */
static void gen_narrow(Gen *g)
{
    IrType t = pick(g, 3);
    IrMem index = { .base = ir_guest(7), .disp = (int32_t)pick(g, 16) - 4, .offset_bits = 64,
                    .linear_bits = 64, .segment = SEG_NONE };
    IrMem m = index;

    if (pick(g, 6)) {
        emit(g, IR_lea, IR_I32, ir_temp(2), ir_none(), ir_none())->mem = ir_mem(g->b, &index);
    } else {
        emit(g, IR_mov, IR_I32, ir_temp(2), ir_guest(7), ir_none());
    }
    if (pick(g, 8) == 0) {              /* the sum may pass 2^32 now */
        emit(g, IR_add, IR_I64, ir_temp(2), ir_temp(2), ir_imm(g->b, pick(g, 8)));
    }
    m.base = pick(g, 4) ? ir_guest(pick(g, 2) ? 5 : 3) : ir_temp(2);
    m.index = m.base.kind == IR_TEMP ? ir_guest(3) : ir_temp(2);
    m.scale = m.base.kind == IR_TEMP || pick(g, 3) ? 0 : (uint8_t)pick(g, 3);
    m.disp = pick(g, 2) ? 0 : (int32_t)pick(g, 8);
    m.span = 1u << t;
    m.access = IR_READ;
    emit(g, IR_chk, IR_I64, ir_host(0), ir_none(), ir_none())->mem = ir_mem(g->b, &m);
    emit(g, IR_mov, t, dst_reg(g, t), ir_host(0), ir_none());
}

static void gen_shift(Gen *g)
{
    static const uint8_t ops[] = { IR_shl, IR_shr, IR_sar, IR_rol, IR_ror, IR_rcl, IR_rcr, IR_shld,
                                   IR_shrd };
    unsigned k = pick(g, 9);
    IrType t = k >= 7 ? IR_I16 + pick(g, 3) : any_type(g);
    unsigned bits = 8u << t, all = k >= 3 && k < 7 ? FL_C | FL_O : FL_ALL, n = pick(g, bits);
    IrRef d = dst_reg(g, t), count = ir_imm(g->b, n);
    if (pick(g, 3) == 0) {              /* by register, in range */
        emit(g, IR_and, IR_I8, ir_temp(1), ir_guest(1), ir_imm(g->b, bits - 1));
        count = ir_temp(1);
    }
    IrInsn *i =
        emit(g, ops[k], t, d, pick(g, 4) ? d : source_reg(g, t), k >= 7 ? source_reg(g, t) : count);
    if (k >= 7) {
        i->c = count;
    }
    if (count.kind == IR_IMM && n == 0) {
        i->sets = (uint8_t)all;
        return;
    }
    /* A count of zero keeps what others call undefined: then settle all that may be. */
    unsigned undef = count.kind == IR_IMM && n == 1 ? 0 : FL_O;
    sets(g, i, all, undef | (all == FL_ALL ? FL_A : 0));
}

static void gen_wide(Gen *g)
{
    IrType t = any_type(g);
    unsigned undef = FL_S | FL_Z | FL_A | FL_P;
    IrRef low = ir_guest(0), high = t == IR_I8 ? ir_guest_high(0) : ir_guest(2);
    IrInsn *i;
    switch (pick(g, 4)) {
    case 0:
        i = emit(g, pick(g, 2) ? IR_mulu2 : IR_muls2, t, low, low, source_reg(g, t));
        i->dst2 = high;
        sets(g, i, FL_ALL, undef);
        break;
    case 1:
        sets(g,
             emit(g, IR_mul, MAX(t, IR_I16), dst_reg(g, IR_I64), source_reg(g, IR_I64),
                  source(g, IR_I64)),
             FL_ALL, undef);
        break;
    /* often within range: the high half is a remainder or a sign */
    default:
        emit(g, IR_mov, t, ir_temp(2), source_reg(g, t), ir_none());
        if (pick(g, 4)) {
            emit(g, IR_shr, t, ir_temp(3), ir_temp(2), ir_imm(g->b, 1 + pick(g, 7)));
        } else {
            emit(g, IR_mov, t, ir_temp(3), high, ir_none());
        }
        i = emit(g, pick(g, 2) ? IR_divu : IR_divs, t, low, low, ir_temp(2));
        i->c = ir_temp(3);
        i->dst2 = high;
    }
}

static void gen_bits(Gen *g)
{
    static const uint8_t scans[] = { IR_bsf, IR_bsr, IR_tzcnt, IR_lzcnt, IR_popcnt };
    static const uint8_t bits[] = { IR_bt, IR_bts, IR_btr, IR_btc };
    IrType t = IR_I16 + pick(g, 3);
    unsigned k = pick(g, 5), rest = FL_O | FL_S | FL_A | FL_P;
    IrRef d = dst_reg(g, t);
    if (pick(g, 2)) {
        IrInsn *i = emit(g, scans[k], t, d, source_reg(g, t), ir_none());
        if (k < 2) {
            i->c = d;
            sets(g, i, FL_ALL, rest | FL_C);
        } else {
            sets(g, i, FL_ALL, k == 4 ? 0 : rest);
        }
    } else {
        k &= 3;
        sets(g,
             emit(g, bits[k], t, k ? d : ir_none(), d,
                  pick(g, 2) ? ir_imm(g->b, pick(g, 64)) : source_reg(g, t)),
             FL_C, 0);
    }
}

static void gen_cond(Gen *g)
{
    IrType t = IR_I16 + pick(g, 3);
    IrRef d;
    switch (pick(g, 5)) {
    case 0:
        emit(g, IR_setcc, IR_I8, dst_reg(g, IR_I8), ir_none(), ir_none())->cond =
            (uint8_t)pick(g, 16);
        break;
    case 1:
        d = dst_reg(g, t);
        emit(g, IR_sel, t, d, source_reg(g, t), d)->cond = (uint8_t)pick(g, 16);
        break;
    case 2:
        emit(g, IR_getfl, IR_I32, dst_reg(g, IR_I32), ir_none(), ir_none());
        break;
    case 3:
        emit(g, IR_setfl, IR_I32, ir_none(), source_reg(g, IR_I32), ir_none())->sets =
            (uint8_t)pick(g, 64);
        break;
    default:
        emit(g, IR_cmc, IR_I8, ir_none(), ir_none(), ir_none())->sets = FL_C;
    }
}

static void gen_exchange(Gen *g)
{
    IrType t = any_type(g);
    IrRef d = dst_reg(g, t), s = source_reg(g, t);
    check(g, 2, 1u << t, IR_READ | IR_WRITE);
    bool locked = pick(g, 2);
    g->b->mems[g->b->n_mems - 1].locked = locked;
    IrInsn *i;
    switch (pick(g, 3)) {
    case 0:
        g->b->mems[g->b->n_mems - 1].locked = true;
        emit(g, IR_xchg, t, d, ir_host(2), d)->locked = true;
        break;
    case 1:
        i = emit(g, IR_xadd, t, ir_temp(4), ir_host(2), s);
        i->locked = locked;
        sets(g, i, FL_ALL, 0);
        emit(g, IR_mov, t, d, ir_temp(4), ir_none());
        break;
    default:
        i = emit(g, IR_cmpxchg, t, ir_temp(4), ir_host(2), s);
        i->c = ir_guest(0);
        i->locked = locked;
        sets(g, i, FL_ALL, 0);
        emit(g, IR_mov, t, ir_guest(0), ir_temp(4), ir_none());
    }
}

static void gen_odd(Gen *g)
{
    IrType t = any_type(g);
    switch (pick(g, 6)) {
    case 0: {
        static const uint8_t ops[] = { IR_inc, IR_dec, IR_neg, IR_not };
        unsigned k = pick(g, 4);
        IrRef d = dst_reg(g, t);
        emit(g, ops[k], t, d, d, ir_none())->sets = k == 3 ? 0 : k == 2 ? FL_ALL : FL_ALL & ~FL_C;
        break;
    }
    case 1:
        emit(g, IR_bswap, pick(g, 2) ? IR_I64 : IR_I32, dst_reg(g, IR_I64), source_reg(g, IR_I64),
             ir_none());
        break;
    case 2:
        emit(g, IR_crc32, t, dst_reg(g, IR_I32), source_reg(g, IR_I64), source(g, t));
        break;
    case 3: {
        IrMem m = { 0 };
        random_address(g, &m, 1);
        m.segment = SEG_NONE;
        m.limit = false;
        t = MAX(t, IR_I16);
        emit(g, IR_lea, t, dst_reg(g, t), ir_none(), ir_none())->mem = ir_mem(g->b, &m);
        break;
    }
    default: {
        IrInsn *i = emit(g, IR_helper, IR_I64, pick(g, 3) ? dst_reg(g, IR_I64) : ir_none(),
                         source(g, IR_I64), source(g, IR_I64));
        i->c = source_reg(g, IR_I64);
        i->sub = (uint16_t)pick(g, FAKE_HELPERS);
    }
    }
}

static void gen_branch(Gen *g)
{
    IrOp op = pick(g, 3) ? IR_br : pick(g, 2) ? IR_brz : IR_brnz;
    IrInsn *i = emit(g, op, any_type(g), ir_none(), op == IR_br ? ir_none() : source_reg(g, IR_I64),
                     ir_none());
    i->cond = (uint8_t)pick(g, 16);
    i->imm = 0xc00 + (int32_t)pick(g, 16) * 16;
    i->live = FL_ALL;
}

static void gen_end(Gen *g)
{
    int32_t to = 0xe00 + (int32_t)pick(g, 16) * 16;
    switch (pick(g, 4)) {
    case 0:
        emit(g, IR_jind, IR_I64, ir_none(),
             pick(g, 2) ? ir_guest(8) : ir_imm(g->b, FAKE_PC + 0x5000), ir_none());
        break;
    case 1:
        emit(g, IR_exit_next, IR_I64, ir_none(), ir_none(), ir_none())->imm = to;
        break;
    default: {
        IrInsn *i = emit(g, IR_jmp, IR_I64, ir_none(), ir_none(), ir_none());
        i->imm = pick(g, 2) ? to : to + 0x3000;
        i->live = FL_ALL;
    }
    }
}

void gen_block(Gen *g)
{
    static void (*const kinds[])(Gen *) = {
        gen_alu_reg, gen_alu_reg, gen_alu_load, gen_alu_load, gen_alu_store, gen_move,   gen_move,
        gen_narrow,  gen_narrow,  gen_narrow,
        gen_move,    gen_stack,   gen_stack,    gen_stack,    gen_stack,     gen_shift,  gen_wide,
        gen_bits,    gen_cond,    gen_cond,     gen_exchange, gen_odd,       gen_branch,
    };
    unsigned n = 1 + pick(g, g->n_instructions);
    int32_t offset = FAKE_PC & (DBT_PAGE - 1);
    ir_begin(g->b, FAKE_PC, 1);
    for (unsigned k = 0; k <= n; k++) {
        ir_insn(g->b, offset)->length = 4;
        offset += 4;
        if (k < n) {
            kinds[pick(g, G_N_ELEMENTS(kinds))](g);
        } else {
            gen_end(g);
        }
    }
    g->b->length = (uint32_t)(offset - (FAKE_PC & (DBT_PAGE - 1)));
}

void gen_state(Gen *g, FakeState *s)
{
    memset(s, 0, sizeof *s);
    for (unsigned r = 0; r < 16; r++) {
        s->gpr[r] = value(g);
    }
    for (unsigned r = 3; r <= 6; r++) {
        static const uint8_t likely[] = { 0, 0, 1, 2, 3, PAGE_READONLY, PAGE_MISSING, PAGE_DEVICE,
                                          PAGE_CODE };
        unsigned page = pick(g, 6) ? pick(g, 4) : likely[pick(g, sizeof likely)];
        unsigned in_page = pick(g, 8) ? 64 + pick(g, 3900) / 8 * 8 : 4096 - pick(g, 40);
        s->gpr[r] = FAKE_BASE + page * DBT_PAGE + in_page;
    }
    s->gpr[7] = pick(g, 4) ? pick(g, pick(g, 3) ? 200 : 8) : value(g);
    if (pick(g, 8) == 0) {              /* what is added to it may pass 2^32 */
        s->gpr[7] = UINT32_MAX - pick(g, 12);
        s->gpr[5] -= UINT32_MAX - 64;
    }
    s->gpr[8] = FAKE_PC + 0x5000 + pick(g, 4096);
    for (unsigned k = 0; k < FAKE_CTX; k++) {
        s->ctx[k] = value(g);
    }
    s->pc = FAKE_PC;
    s->fl = (uint32_t)(gen_random(g) & 0xd501) | 0x200;
    for (unsigned k = 0; k < sizeof s->ram; k += 8) {
        uint64_t v = k & 64 ? value(g) : (uint64_t)k * 0x0101010101010101;
        memcpy((uint8_t *)s->ram + k, &v, 8);
    }
    for (unsigned k = 0; k < sizeof s->vec; k += 8) {
        uint64_t v = gen_random(g);
        memcpy((uint8_t *)s->vec + k, &v, 8);
    }
}
