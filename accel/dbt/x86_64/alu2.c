/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alu2.c -- integer operations with registers or flags of their own: multiplication, division,
 * bits, flags as values.
 *
 * Spec: accel/dbt/ir.def; Intel SDM (325383) vol. 2.
 * Omits: a division leaves to tier 0 unless its quotient surely fits: unsigned, the high half is
 *   below the divisor; signed,
 * the high half is the low half's sign and the divisor is neither 0 nor -1.
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

void em_mul(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    IrRef ra = n->a, rb = n->b;

    flags_begin(e, FL_ALL);
    if (type == IR_I8) {
        take_rax(e);
        Opnd b = src_rm(e, rb, type);
        load_to(e, RAX, ra, type);
        e_op(e, 0xf6, E_M8, 5, rm_of(b));
        dst_done(e, n->dst, type, RAX);
        flags_end(e, FL_ALL);
        return;
    }
    if (ra.kind == IR_IMM ||
        (same_ref(n->dst, rb) && !same_ref(n->dst, ra) && rb.kind == IR_GUEST)) {
        IrRef t = ra;
        ra = rb;
        rb = t;
    }
    Opnd b = src(e, rb, type);
    if (b.kind == O_IMM && imm_fits(b.imm, type)) {
        Opnd a = src_rm(e, ra, type);
        unsigned to = dst_reg(e, n->dst, type, 0);
        int64_t s = imm_signed(b.imm, type);
        e_op(e, s == (int8_t)s ? 0x6b : 0x69, type_flags(type), to, rm_of(a));
        if (s == (int8_t)s) {
            e8(e, (unsigned)b.imm);
        } else {
            e_imm_typed(e, type, b.imm);
        }
        dst_done(e, n->dst, type, to);
        flags_end(e, FL_ALL);
        return;
    }
    b = src_rm(e, rb, type);
    bool same = same_ref(n->dst, ra);
    unsigned to = dst_reg(e, n->dst, type, !same && b.kind == O_REG ? 1u << b.reg : 0);
    load_to(e, to, ra, type);
    e_op(e, 0x1af, type_flags(type), to, rm_of(b));
    dst_done(e, n->dst, type, to);
    flags_end(e, FL_ALL);
}

static bool is_rdx(IrRef r) { return r.kind == IR_GUEST && r.id == 2 && !r.high_byte; }

/* rdx:rax hold a result whose halves go to dst2 and dst; keep: s has the guest's rdx. */
static void store_pair(Em *e, bool keep, unsigned s)
{
    const IrInsn *n = e->n;

    if (!keep) {
        if (n->dst.kind != IR_NONE) {
            dst_done(e, n->dst, n->type, RAX);
        }
        return;
    }
    e_op(e, 0x87, E_W, s, rm_reg(RDX)); /* xchg: the guest's rdx is back, s has the upper half */
    if (n->dst.kind != IR_NONE) {
        dst_done(e, n->dst, n->type, RAX);
    }
    if (n->dst2.kind != IR_NONE) {
        dst_done(e, n->dst2, n->type, s);
    }
}

void em_mul2(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    unsigned digit = n->op == IR_mulu2 ? 4 : 5, s = 0;

    flags_begin(e, FL_ALL);
    take_rax(e);
    Opnd b = src_rm(e, n->b, type);
    load_to(e, RAX, n->a, type);
    bool keep = !(is_rdx(n->dst2) && !is_rdx(n->dst)) && type != IR_I8;
    if (keep) {
        s = take(e);
        e_mov_rr(e, s, RDX);
    }
    e_op(e, type == IR_I8 ? 0xf6 : 0xf7, type_flags(type) & ~(unsigned)E_R8, digit, rm_of(b));
    if (type == IR_I8) {
        s = take(e);
        e_rorx(e, s, RAX, 8, false);
        dst_done(e, n->dst, type, RAX);
        if (n->dst2.kind != IR_NONE) {
            dst_done(e, n->dst2, type, s);
        }
    } else {
        store_pair(e, keep, s);
    }
    flags_end(e, FL_ALL);
}

/* Divisor in a register other than rax and rdx. */
static unsigned divisor(Em *e, IrType type)
{
    unsigned s = take(e);

    load_to(e, s, e->n->b, type);
    if (type < IR_I32) {
        if (e->n->op == IR_divs) {
            e_op(e, type == IR_I8 ? 0x1be : 0x1bf, type == IR_I8 ? E_M8 : 0, s, rm_reg(s));
        } else {
            e_movzx(e, s, rm_reg(s), type);
        }
    }
    if (!same_ref(e->n->b, e->n->a) && !same_ref(e->n->b, e->n->c)) {
        release(e, e->n->b);            /* checks must not run out of scratch registers */
    }
    return s;
}

static void div_check(Em *e, unsigned b, IrType type, uint32_t rec)
{
    const IrInsn *n = e->n;
    IrType wide = type < IR_I32 ? IR_I32 : type;

    if (n->op == IR_divu) {
        Opnd c = src_rm(e, n->c, type);
        unsigned h = c.kind == O_REG ? c.reg : take(e);
        if (c.kind == O_MEM) {
            e_movzx(e, h, rm_of(c), type);
        }
        e_typed(e, 0x3b, type, h, rm_reg(b));
        leave_if(e, CC_AE, rec);
        if (c.kind == O_MEM) {
            give(e, h);
        }
        return;
    }
    unsigned s = take(e);
    load_to(e, s, n->a, type);          /* the sign of the low half, as wide as the type */
    e_shift_imm(e, 7, type, s, (8u << type) - 1);
    Opnd c = n->c.kind == IR_IMM && !imm_fits(e->ir->imms[n->c.id], type) ? src_rm(e, n->c, type)
                                                                          : src(e, n->c, type);
    if (c.kind == O_IMM) {
        e_alu_imm(e, 7, type, rm_reg(s), c.imm);
    } else {
        e_alu_rr(e, 7, type, s, rm_of(c));
    }
    leave_if(e, CC_NE, rec);
    e_op(e, 0x8d, type_flags(wide), s, rm_mem(b, 1));
    e_alu_imm(e, 7, wide, rm_reg(s), 1);
    leave_if(e, CC_BE, rec);
    give(e, s);
}

void em_div(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type, wide = type < IR_I32 ? IR_I32 : type;
    bool sign = n->op == IR_divs;

    flags_clobber(e);
    uint32_t rec = leave_rec(e, NULL);
    take_rax(e);
    unsigned b = divisor(e, type);
    e->owner[RAX] = FREE;               /* lent to the checks */
    e->held &= (uint16_t)~(1u << RAX);
    div_check(e, b, type, rec);
    take_rax(e);
    /* Dividend: narrow ones as 32 bits. */
    if (type < IR_I32) {
        load_to(e, RAX, n->a, type);
        if (sign) {
            e_op(e, type == IR_I8 ? 0x1be : 0x1bf, type == IR_I8 ? E_M8 : 0, RAX, rm_reg(RAX));
        } else {
            unsigned h = take(e);
            e_movzx(e, RAX, rm_reg(RAX), type);
            load_to(e, h, n->c, type);
            e_movzx(e, h, rm_reg(h), type);
            e_shift_imm(e, 4, IR_I32, h, 8u << type);
            e_alu_rr(e, 1, IR_I32, RAX, rm_reg(h));
            give(e, h);
        }
    } else {
        load_to(e, RAX, n->a, type);
    }
    bool keep = !(is_rdx(n->dst2) && !is_rdx(n->dst) && type >= IR_I32);
    unsigned s = 0;
    if (keep) {
        s = take(e);
        e_mov_rr(e, s, RDX);
    }
    if (sign) {
        if (wide == IR_I64) {
            e8(e, 0x48);
        }
        e8(e, 0x99);                    /* cdq, cqo */
    } else if (type < IR_I32) {
        e_mov_imm(e, RDX, 0);
    } else if (!is_rdx(n->c)) {
        load_to(e, RDX, n->c, type);
    }
    e_op(e, 0xf7, type_flags(wide), sign ? 7 : 6, rm_reg(b));
    store_pair(e, keep, s);
    e->host = 0;
}

/* ---- bits ---- */

static void bt_op(Em *e, unsigned digit, IrType type, Rm m, Opnd b)
{
    if (b.kind == O_IMM) {
        e_op(e, 0x1ba, type_flags(type), digit, m);
        e8(e, (unsigned)b.imm & ((8u << type) - 1));
    } else {
        e_op(e, 0x183 | digit << 3, type_flags(type), b.reg, m);        /* A3, AB, B3, BB */
    }
}

void em_bt(Em *e)
{
    const IrInsn *n = e->n;
    unsigned digit = 4 + (n->op == IR_bt ? 0 : n->op == IR_bts ? 1 : n->op == IR_btr ? 2 : 3);
    IrType type = n->type;
    bool mem = n->a.kind == IR_HOST, by_reg = n->b.kind != IR_IMM;
    /* A register that numbers a bit of memory must be masked first, which costs the other flags. */
    unsigned hw = mem && by_reg && n->locked ? FL_ALL : FL_C;

    flags_begin(e, hw);
    Opnd b = src(e, n->b, type);
    if (b.kind == O_MEM) {
        b = (Opnd){ .kind = O_REG, .reg = (uint8_t)src_reg(e, n->b, type) };
    }
    if (mem && by_reg && n->locked) {
        unsigned s = take(e);
        e_mov32(e, s, b.reg);
        e_alu_imm(e, 4, IR_I32, rm_reg(s), (8u << type) - 1);
        b.reg = (uint8_t)s;
    }
    if (mem && same_ref(n->dst, n->a) && (n->locked || !by_reg)) {
        Rm m = rm_of(place(e, n->a));
        if (n->locked) {
            e8(e, 0xf0);
        }
        bt_op(e, digit, type, m, b);
    } else if (n->op == IR_bt) {
        Opnd a = src_rm(e, n->a, type);
        if (a.kind == O_MEM && (by_reg || type == IR_I8)) {
            a = (Opnd){ .kind = O_REG, .reg = (uint8_t)src_reg(e, n->a, type) };
        }
        bt_op(e, digit, type, rm_of(a), b);
    } else {
        unsigned avoid = b.kind == O_REG && !same_ref(n->dst, n->a) ? 1u << b.reg : 0;
        unsigned to = dst_reg(e, n->dst, type, avoid);
        load_to(e, to, n->a, type);
        bt_op(e, digit, type, rm_reg(to), b);
        dst_done(e, n->dst, type, to);
    }
    flags_end(e, hw);
}

void em_bscan(Em *e)
{
    static const uint32_t opcodes[IR_N_OPS] = { [IR_bsf] = 0x1bc,
                                                [IR_bsr] = 0x1bd,
                                                [IR_tzcnt] = 0xf301bc,
                                                [IR_lzcnt] = 0xf301bd,
                                                [IR_popcnt] = 0xf301b8 };
    const IrInsn *n = e->n;
    IrType type = n->type;

    flags_begin(e, FL_ALL);
    Opnd a = src_rm(e, n->a, type);
    if (n->op == IR_bsf || n->op == IR_bsr) {
        unsigned s = take(e);
        if (n->c.kind != IR_NONE) {
            load_to(e, s, n->c, type);
        } else {
            e_mov_imm(e, s, 0);
        }
        e_op(e, opcodes[n->op], type_flags(type), s, rm_of(a));     /* of 0: s stays */
        if (type == IR_I32) {
            e_mov32(e, s, s);
        }
        dst_done(e, n->dst, type, s);
    } else {
        unsigned to = dst_reg(e, n->dst, type, 0);
        e_op(e, opcodes[n->op], type_flags(type), to, rm_of(a));
        dst_done(e, n->dst, type, to);
    }
    flags_end(e, FL_ALL);
}

void em_crc32(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    Opnd b = src_rm(e, n->b, type);
    unsigned s = take(e);

    load_to(e, s, n->a, IR_I32);
    e_op(e, type == IR_I8 ? 0xf202f0 : 0xf202f1, type_flags(type) & ~(unsigned)E_R8, s, rm_of(b));
    dst_done(e, n->dst, IR_I32, s);
}

/* ---- flags as a value ---- */

void em_getfl(Em *e)
{
    const IrInsn *n = e->n;

    flags_save(e);
    unsigned a = take(e), b = take(e);
    e_movzx(e, a, rm_cpu(CPU(fl) + 1), IR_I8);
    e_movzx(e, b, rm_cpu(CPU(fl)), IR_I8);
    e_alu_imm(e, 4, IR_I32, rm_reg(a), 0xd5);
    e_shift_imm(e, 4, IR_I32, b, 11);
    e_alu_rr(e, 1, IR_I32, a, rm_reg(b));
    e->host = 0;
    dst_done(e, n->dst, n->type, a);
}

void em_setfl(Em *e)
{
    /* FL_* by bit number */
    static const uint16_t in_fl[6] = { 0x100, 0x400, 0x1000, 0x4000, 0x8000, 1 };
    const IrInsn *n = e->n;
    unsigned need = needed_after(e), keep = need & ~(unsigned)n->sets, mask = 0;

    if (n->sets == FL_C && n->a.kind == IR_IMM) {
        flags_begin(e, FL_C);
        e8(e, e->ir->imms[n->a.id] & 1 ? 0xf9 : 0xf8);  /* stc, clc */
        flags_end(e, FL_C);
        return;
    }
    if (keep) {
        flags_save(e);
    }
    for (unsigned k = 0; k < 6; k++) {
        mask |= n->sets >> k & 1 ? in_fl[k] : 0;
    }
    unsigned s = take(e), t = take(e);
    load_to(e, s, n->a, IR_I32);
    e_mov32(e, t, s);
    e_shift_imm(e, 5, IR_I32, t, 11);
    e_alu_imm(e, 4, IR_I32, rm_reg(t), 1);
    e_alu_imm(e, 4, IR_I32, rm_reg(s), 0xd5);
    e_shift_imm(e, 4, IR_I32, s, 8);
    e_alu_rr(e, 1, IR_I32, s, rm_reg(t));
    if (n->sets != FL_ALL) {
        e_alu_imm(e, 4, IR_I32, rm_reg(s), mask);
        e_movzx(e, t, rm_cpu(CPU(fl)), IR_I16);
        e_alu_imm(e, 4, IR_I32, rm_reg(t), ~mask);
        e_alu_rr(e, 1, IR_I32, s, rm_reg(t));
    }
    e_alu_imm(e, 1, IR_I32, rm_reg(s), 0x200);
    e_op(e, 0x89, E_16, s, rm_cpu(CPU(fl)));
    e->host = 0;
    e->mem = (uint8_t)((keep ? e->mem : e->mem & need) | n->sets);
    e->recipe.how = RECIPE_NONE;
}

void em_cmc(Em *e)
{
    flags_want(e, FL_C);
    flags_begin(e, FL_C);
    e8(e, 0xf5);
    flags_end(e, FL_C);
}
