/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alu.c -- integer operations that are one host instruction of two operands: arithmetic, logic,
 * shifts, moves, selects.
 *
 * Spec: accel/dbt/ir.def; Intel SDM (325383) vol. 2.
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

static bool is_reg(Opnd o, unsigned reg) { return o.kind == O_REG && o.reg == reg; }

/*
 * Is the destination memory that the host may modify in place?  (A guest register in the struct of
 * type I32 must be extended.)
 */
static bool in_place(const Em *e, IrRef dst, IrType type)
{
    return dst.kind == IR_HOST || dst.kind == IR_CTX ||
           (dst.kind == IR_GUEST && e->gpr[dst.id] == NO_REG && type != IR_I32);
}

/* The same for one that sits in a register: narrow operations keep the other bits. */
static bool in_reg(const Em *e, IrRef dst)
{
    return dst.kind == IR_GUEST && !dst.high_byte && e->gpr[dst.id] != NO_REG;
}

static void alu_mem(Em *e, unsigned digit, IrType type, Rm m, IrRef b)
{
    Opnd o = src(e, b, type);

    if (o.kind == O_IMM && imm_fits(o.imm, type)) {
        if (e->n->locked) {
            e8(e, 0xf0);
        }
        e_alu_imm(e, digit, type, m, o.imm);
        return;
    }
    unsigned r = o.kind == O_REG ? o.reg : src_reg(e, b, type);
    if (e->n->locked) {
        e8(e, 0xf0);
    }
    e_typed(e, digit << 3 | 1, type, r, m);
}

static void alu_to(Em *e, unsigned digit, IrType type, unsigned to, Opnd b)
{
    if (b.kind == O_IMM) {
        if (imm_fits(b.imm, type)) {
            e_alu_imm(e, digit, type, rm_reg(to), b.imm);
            return;
        }
        unsigned s = take(e);
        e_mov_imm(e, s, b.imm);
        b = (Opnd){ .kind = O_REG, .reg = (uint8_t)s };
    }
    e_alu_rr(e, digit, type, to, rm_of(b));
}

static void em_compare(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    Opnd a = src(e, n->a, type), b = src(e, n->b, type);
    bool is_test = n->op == IR_test;

    if (is_test && (a.kind == O_IMM || (b.kind == O_MEM && a.kind == O_REG))) {
        Opnd t = a;
        a = b;
        b = t;
    }
    if (a.kind == O_IMM || (a.kind == O_MEM && b.kind == O_MEM)) {
        unsigned s = take(e);
        if (a.kind == O_IMM) {
            e_mov_imm(e, s, a.imm);
        } else {
            e_movzx(e, s, rm_of(a), type);
        }
        a = (Opnd){ .kind = O_REG, .reg = (uint8_t)s };
    }
    if (b.kind == O_IMM && !imm_fits(b.imm, type)) {
        unsigned s = take(e);
        e_mov_imm(e, s, b.imm);
        b = (Opnd){ .kind = O_REG, .reg = (uint8_t)s };
    }
    if (is_test) {
        if (b.kind == O_IMM) {
            e_op(e, type == IR_I8 ? 0xf6 : 0xf7, type_flags(type) & ~(unsigned)E_R8, 0, rm_of(a));
            e_imm_typed(e, type, b.imm);
        } else if (b.kind == O_MEM) {
            e_typed(e, 0x85, type, a.reg, rm_of(b));
        } else {
            e_typed(e, 0x85, type, b.reg, rm_of(a));
        }
    } else if (b.kind == O_IMM) {
        e_alu_imm(e, 7, type, rm_of(a), b.imm);
    } else if (b.kind == O_REG && a.kind == O_MEM) {
        e_typed(e, 0x39, type, b.reg, rm_of(a));
    } else {
        e_alu_rr(e, 7, type, a.reg, rm_of(b));
    }
}

/* add as lea, which keeps the flags and needs no copy */
static bool add_as_lea(Em *e, Opnd a, Opnd b)
{
    const IrInsn *n = e->n;
    bool sub = n->op == IR_sub;

    if (n->type < IR_I32 || (n->sets & needed_after(e)) || in_place(e, n->dst, n->type) ||
        a.kind != O_REG || (sub && b.kind != O_IMM) || b.kind == O_MEM ||
        !imm_fits(b.imm, n->type)) {
        return false;
    }
    int64_t d = b.kind == O_IMM ? imm_signed(b.imm, n->type) : 0;
    if (sub && d == INT32_MIN) {
        return false;
    }
    unsigned to = dst_reg(e, n->dst, n->type, 0);
    if (to == a.reg && !((needed_before(e) & e->host) & ~e->mem)) {
        return false;                   /* no copy, no flags to keep: add is shorter */
    }
    Rm m = rm_mem(a.reg, (int32_t)(sub ? -d : d));
    if (b.kind == O_REG) {
        m.index = b.reg;
    }
    e_op(e, 0x8d, type_flags(n->type), to, m);
    dst_done(e, n->dst, n->type, to);
    e->mem &= ~n->sets;
    e->host &= ~n->sets;
    return true;
}

/*
 * Operands that need no other instruction: host registers, constants, and memory whose host address
 * is in a register.
 */
typedef struct Plain {
    unsigned a, b;                      /* registers, or where the address is; b of a constant: 0 */
    bool     a_mem, b_mem, imm;
    uint64_t v;                         /* the constant */
} Plain;

static inline bool plain_operands(const Em *e, const IrInsn *n, Plain *p)
{
    p->a_mem = n->a.kind == IR_HOST;
    p->b_mem = n->b.kind == IR_HOST;
    p->imm = n->b.kind == IR_IMM;
    p->v = 0;
    p->a = p->a_mem ? e->at[val_of(n->a)] : reg_of(e, n->a);
    if (p->imm) {
        p->v = e->ir->imms[n->b.id] & (UINT64_MAX >> (64 - (8u << n->type)));
        p->b = imm_fits(p->v, n->type) ? 0 : NO_REG;
    } else {
        p->b = p->b_mem ? e->at[val_of(n->b)] : reg_of(e, n->b);
    }
    return p->a < 16 && p->b < 16 && !(p->a_mem && p->b_mem);
}

/* The instruction: its operation's digit; test is no such. */
static inline void put_plain(Em *e, const IrInsn *n, unsigned digit, const Plain *p)
{
    Rm rm = p->a_mem ? rm_mem(p->a, n->disp) : rm_reg(p->a);
    unsigned reg = p->b;
    uint32_t opc = digit << 3 | 1;

    if (p->imm) {
        if (n->op == IR_test) {
            e_op(e, n->type == IR_I8 ? 0xf6 : 0xf7, type_flags(n->type) & ~(unsigned)E_R8, 0, rm);
            e_imm_typed(e, n->type, p->v);
        } else {
            e_alu_imm(e, digit, n->type, rm, p->v);
        }
        return;
    }
    if (n->op == IR_test) {
        opc = 0x85;
    } else if (!p->a_mem) {             /* the form that loads */
        opc = digit << 3 | 3;
        reg = p->a;
        rm = p->b_mem ? rm_mem(p->b, n->disp) : rm_reg(p->b);
    }
    e_typed(e, opc, n->type, reg, rm);
}

/* Most of what there is: one host instruction on operands as they stand. */
static inline bool alu_plain(Em *e, unsigned digit)
{
    const IrInsn *n = e->n;
    bool compares = n->op == IR_cmp || n->op == IR_test, all = n->sets == FL_ALL;
    Plain p;

    if ((!compares && !same_ref(n->dst, n->a)) || n->op == IR_adc || n->op == IR_sbb ||
        !plain_operands(e, n, &p) ||
        /* else flags may want the register that the address is in */
        (p.b_mem && n->op == IR_test) || (!all && (p.a_mem || p.b_mem))) {
        return false;
    }
    if ((n->op == IR_add || n->op == IR_sub) && n->type >= IR_I32 && !p.a_mem &&
        !(n->sets & needed_after(e)) && (needed_before(e) & e->host & ~e->mem)) {
        return false;                   /* there are flags to keep: lea */
    }
    all ? flags_all_begin(e) : n->sets ? flags_begin(e, FL_ALL) : flags_none(e);
    if (n->locked) {
        e8(e, 0xf0);
    }
    put_plain(e, n, digit, &p);
    if (n->sets) {
        all ? flags_all_end(e) : flags_end(e, FL_ALL);
    }
    return true;
}

static G_GNUC_NO_INLINE void alu_other(Em *e, unsigned digit)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    IrRef ra = n->a, rb = n->b;
    bool commutes = ir_op_props[n->op] & COMMUTES;

    if (n->op == IR_adc || n->op == IR_sbb) {
        flags_want(e, FL_C);
    }
    if ((n->op == IR_add || n->op == IR_sub) && !n->locked && !ra.high_byte && !rb.high_byte &&
        n->dst.kind != IR_HOST && ra.kind != IR_HOST && rb.kind != IR_HOST &&
        add_as_lea(e, src(e, ra, type), src(e, rb, type))) {
        return;
    }
    e->held = 0;                        /* operands are resolved anew: flags may want rax */
    bool imm_b = rb.kind == IR_IMM;
    if (n->op == IR_cmp || n->op == IR_test) {
        flags_begin(e, FL_ALL);
        em_compare(e);
        flags_end(e, FL_ALL);
        return;
    }
    flags_begin(e, FL_ALL);
    if (commutes && !imm_b && same_ref(n->dst, rb) && !same_ref(n->dst, ra)) {
        IrRef t = ra;
        ra = rb;
        rb = t;
    }
    if (same_ref(n->dst, ra) && in_place(e, n->dst, type)) {
        alu_mem(e, digit, type, rm_of(place(e, n->dst)), rb);
        flags_end(e, FL_ALL);
        return;
    }
    if (same_ref(n->dst, ra) && in_reg(e, n->dst)) {
        alu_to(e, digit, type, e->gpr[n->dst.id], src(e, rb, type));
        flags_end(e, FL_ALL);
        return;
    }
    Opnd b = src(e, rb, type);
    unsigned avoid = b.kind == O_REG ? 1u << b.reg : 0;
    unsigned to = same_ref(n->dst, ra) ? dst_reg(e, n->dst, type, 0)
                                       : dst_reg(e, n->dst, type, avoid);
    if (b.kind == O_REG && to == b.reg && !same_ref(ra, rb)) {
        unsigned s = take(e);
        e_mov_rr(e, s, b.reg);
        b.reg = (uint8_t)s;
    }
    load_to(e, to, ra, type);
    alu_to(e, digit, type, to, b);
    dst_done(e, n->dst, type, to);
    flags_end(e, FL_ALL);
}

void em_alu(Em *e)
{
    static const uint8_t digits[IR_N_OPS] = {
        [IR_add] = 0, [IR_or] = 1,  [IR_adc] = 2, [IR_sbb] = 3,
        [IR_and] = 4, [IR_sub] = 5, [IR_xor] = 6, [IR_cmp] = 7
    };
    unsigned digit = digits[e->n->op];

    if (!alu_plain(e, digit)) {
        alu_other(e, digit);
    }
}

void em_unary(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    uint32_t opc = n->op == IR_inc || n->op == IR_dec ? 0xff : 0xf7;
    unsigned digit = n->op == IR_inc ? 0 : n->op == IR_dec ? 1 : n->op == IR_not ? 2 : 3;
    unsigned hw = n->op == IR_not ? 0 : n->op == IR_neg ? FL_ALL : FL_ALL & ~FL_C;
    unsigned flags = type_flags(type) & ~(unsigned)E_R8;

    opc -= type == IR_I8;
    if (hw) {
        flags_begin(e, hw);
    }
    if (same_ref(n->dst, n->a) && (in_place(e, n->dst, type) || in_reg(e, n->dst))) {
        Opnd o = place(e, n->dst);
        if (n->locked) {
            e8(e, 0xf0);
        }
        e_op(e, opc, flags, digit, rm_of(o));
    } else {
        unsigned to = dst_reg(e, n->dst, type, 0);
        load_to(e, to, n->a, type);
        e_op(e, opc, flags, digit, rm_reg(to));
        dst_done(e, n->dst, type, to);
    }
    if (hw) {
        flags_end(e, hw);
    }
}

/* ---- shifts ---- */

/* Flags that the host's shift writes when its count is not zero. */
static unsigned shift_hw(unsigned op)
{
    return op >= IR_rol && op <= IR_rcr ? FL_C | FL_O : FL_ALL;
}

static void shift_rm(Em *e, unsigned digit, IrType type, Rm m, int count, unsigned count_reg)
{
    unsigned flags = type_flags(type) & ~(unsigned)E_R8;

    if (count >= 0) {
        e_op(e, type == IR_I8 ? 0xc0 : 0xc1, flags, digit, m);
        e8(e, (unsigned)count);
        return;
    }
    if (count_reg != RCX) {
        e_op(e, 0x87, E_W, count_reg, rm_reg(RCX));             /* xchg: no flags */
        if (!m.mem && m.reg == RCX) {
            m.reg = (uint8_t)count_reg;
        }
    }
    e_op(e, type == IR_I8 ? 0xd2 : 0xd3, flags, digit, m);
    if (count_reg != RCX) {
        e_op(e, 0x87, E_W, count_reg, rm_reg(RCX));
    }
}

/* Register with the count: rcx itself or a scratch register. */
static unsigned count_in(Em *e, IrRef c)
{
    if (c.kind == IR_GUEST && c.id == 1 && !c.high_byte) {
        return RCX;
    }
    unsigned s = take(e);
    load_to(e, s, c, IR_I8);
    return s;
}

void em_shift(Em *e)
{
    static const uint8_t digits[IR_N_OPS] = {
        [IR_rol] = 0, [IR_ror] = 1, [IR_rcl] = 2, [IR_rcr] = 3,
        [IR_shl] = 4, [IR_shr] = 5, [IR_sar] = 7
    };
    const IrInsn *n = e->n;
    IrType type = n->type;
    unsigned digit = digits[n->op], hw = shift_hw(n->op), count_reg = RCX;
    int count = n->b.kind == IR_IMM ? (int)(e->ir->imms[n->b.id] & (type == IR_I64 ? 63 : 31)) : -1;

    if (n->op == IR_rcl || n->op == IR_rcr) {
        flags_want(e, FL_C);
    }
    if (count == 0) {
        /* no flags; the result is still written (extended) */
        unsigned to = dst_reg(e, n->dst, type, 0);
        load_to(e, to, n->a, type);
        if (type == IR_I32) {
            e_mov32(e, to, to);
        }
        dst_done(e, n->dst, type, to);
        return;
    }
    flags_begin(e, hw);
    if (count < 0) {
        count_reg = count_in(e, n->b);
    }
    bool same = same_ref(n->dst, n->a);
    if (same &&
        (in_place(e, n->dst, type) || (in_reg(e, n->dst) && (type != IR_I32 || count > 0)))) {
        shift_rm(e, digit, type, rm_of(place(e, n->dst)), count, count_reg);
    } else {
        unsigned to = dst_reg(e, n->dst, type, count < 0 && !same ? 1u << RCX : 0);
        load_to(e, to, n->a, type);
        shift_rm(e, digit, type, rm_reg(to), count, count_reg);
        if (type == IR_I32 && count < 0) {
            e_mov32(e, to, to);         /* a count of zero would leave bits 63:32 */
        }
        dst_done(e, n->dst, type, to);
    }
    flags_end(e, hw);
}

void em_shld(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    int count = n->c.kind == IR_IMM ? (int)(e->ir->imms[n->c.id] & (type == IR_I64 ? 63 : 31)) : -1;
    uint32_t opc = (n->op == IR_shld ? 0x1a4u : 0x1acu) + (count < 0);
    unsigned flags = type_flags(type);

    flags_begin(e, FL_ALL);
    unsigned count_reg = count < 0 ? count_in(e, n->c) : RCX;
    unsigned b = src_reg(e, n->b, type), to = 0;
    bool mem = same_ref(n->dst, n->a) && n->dst.kind == IR_HOST;
    Rm m;
    if (mem) {
        m = rm_of(place(e, n->dst));
    } else {
        unsigned avoid = 1u << b | (count < 0 ? 1u << RCX : 0);
        if (same_ref(n->dst, n->a) && !same_ref(n->a, n->b)) {
            avoid = 0;
        }
        to = dst_reg(e, n->dst, type, avoid);
        load_to(e, to, n->a, type);
        m = rm_reg(to);
    }
    if (count_reg != RCX) {
        e_op(e, 0x87, E_W, count_reg, rm_reg(RCX));
        b = b == RCX ? count_reg : b == count_reg ? RCX : b;
        if (!mem && to == RCX) {
            m.reg = (uint8_t)count_reg;
        }
    }
    e_op(e, opc, flags, b, m);
    if (count >= 0) {
        e8(e, (unsigned)count);
    }
    if (count_reg != RCX) {
        e_op(e, 0x87, E_W, count_reg, rm_reg(RCX));
    }
    if (!mem) {
        if (type == IR_I32) {
            e_mov32(e, to, to);
        }
        dst_done(e, n->dst, type, to);
    }
    flags_end(e, FL_ALL);
}

/* ---- moves ---- */

/*
 * Between registers, of constants, of what a host address that is in a register points to: most of
 * what there is.
 */
static bool mov_plain(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;
    unsigned to = reg_of(e, n->dst), from;

    if (to != NO_REG && type >= IR_I32) {
        if (n->a.kind == IR_HOST && (from = e->at[val_of(n->a)]) < 16) {
            e_op(e, 0x8b, type == IR_I64 ? E_W : 0, to, rm_mem(from, n->disp));
            return true;
        }
        if (n->a.kind == IR_IMM) {
            e_mov_imm(e, to,
                      type == IR_I64 ? e->ir->imms[n->a.id] : (uint32_t)e->ir->imms[n->a.id]);
            return true;
        }
        if (n->a.kind == IR_TEMP && (from = e->at[n->a.id]) < 16) {
            e_op(e, 0x8b, type == IR_I64 ? E_W : 0, to, rm_reg(from));
            return true;
        }
        if ((from = reg_of(e, n->a)) != NO_REG) {
            if (from != to || type == IR_I32) {
                e_op(e, 0x8b, type == IR_I64 ? E_W : 0, to, rm_reg(from));
            }
            return true;
        }
    } else if (n->dst.kind == IR_HOST && (to = e->at[val_of(n->dst)]) < 16) {
        from = n->a.kind == IR_TEMP ? e->at[n->a.id] : reg_of(e, n->a);
        if (from < 16) {
            e_typed(e, 0x89, type, from, rm_mem(to, n->disp));
            return true;
        }
        if (n->a.kind == IR_IMM && imm_fits(e->ir->imms[n->a.id], type)) {
            e_op(e, type == IR_I8 ? 0xc6 : 0xc7, type_flags(type) & ~(unsigned)E_R8, 0,
                 rm_mem(to, n->disp));
            e_imm_typed(e, type, e->ir->imms[n->a.id]);
            return true;
        }
    }
    return false;
}

static G_GNUC_NO_INLINE void mov_other(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;

    if (in_place(e, n->dst, type) || (n->dst.kind == IR_GUEST && e->gpr[n->dst.id] == NO_REG)) {
        Opnd o = src(e, n->a, type);
        if (o.kind == O_IMM && (type < IR_I64 ? true : imm_fits(o.imm, type))) {
            bool gpr = n->dst.kind == IR_GUEST; /* then I32 is extended: a store of 64 bits */
            Opnd d = place(e, n->dst);
            if (!(gpr && type == IR_I32 && (int32_t)o.imm < 0)) {
                IrType t = gpr && type == IR_I32 ? IR_I64 : type;
                e_op(e, t == IR_I8 ? 0xc6 : 0xc7, type_flags(t) & ~(unsigned)E_R8, 0, rm_of(d));
                e_imm_typed(e, t, o.imm);
                return;
            }
        }
    }
    if (in_reg(e, n->dst) && type < IR_I32) {
        Opnd o = src(e, n->a, type);
        unsigned to = e->gpr[n->dst.id];
        if (o.kind == O_IMM) {
            e_op(e, type == IR_I8 ? 0xc6 : 0xc7, type_flags(type) & ~(unsigned)E_R8, 0, rm_reg(to));
            e_imm_typed(e, type, o.imm);
        } else {
            e_typed(e, 0x8b, type, to, rm_of(o));
        }
        return;
    }
    if (n->dst.kind == IR_TEMP && n->a.kind == IR_TEMP && type == IR_I64 && n->dst.id != n->a.id &&
        e->at[n->a.id] < 16 && !(e->n->after.values >> n->a.id & 1)) {
        rename_val(e, n->a.id, n->dst.id);
        return;
    }
    if (n->dst.kind == IR_GUEST || n->dst.kind == IR_TEMP) {
        unsigned to = dst_reg(e, n->dst, type, 0);
        bool extend = type == IR_I32 && n->a.kind != IR_IMM;
        Opnd o = n->a.kind == IR_IMM ? (Opnd){ .kind = O_IMM } : place(e, n->a);
        load_to(e, to, n->a, type);
        if (extend && is_reg(o, to)) {
            e_mov32(e, to, to);
        }
        dst_done(e, n->dst, type, to);
        return;
    }
    dst_done(e, n->dst, type, src_reg(e, n->a, type));
}

void em_mov(Em *e)
{
    if (!mov_plain(e)) {
        mov_other(e);
    }
}

void em_ext(Em *e)
{
    static const uint8_t from[IR_N_OPS] = {
        [IR_zext8] = IR_I8, [IR_zext16] = IR_I16, [IR_zext32] = IR_I32,
        [IR_sext8] = IR_I8, [IR_sext16] = IR_I16, [IR_sext32] = IR_I32
    };
    const IrInsn *n = e->n;
    IrType t = from[n->op];
    Opnd o = src_rm(e, n->a, t);
    unsigned to = dst_reg(e, n->dst, n->type, 0);

    if (n->op <= IR_zext32) {
        e_movzx(e, to, rm_of(o), t);
    } else if (t == IR_I32) {
        e_op(e, 0x63, E_W, to, rm_of(o));
    } else {
        e_op(e, t == IR_I8 ? 0x1be : 0x1bf, (n->type == IR_I64 ? E_W : 0) | (t == IR_I8 ? E_M8 : 0),
             to, rm_of(o));
    }
    if (n->op == IR_sext32 && n->type == IR_I32) {
        e_mov32(e, to, to);
    }
    dst_done(e, n->dst, n->type, to);
}

void em_bswap(Em *e)
{
    const IrInsn *n = e->n;
    unsigned to = dst_reg(e, n->dst, n->type, 0);

    load_to(e, to, n->a, n->type);
    if (n->type == IR_I16) {
        e_movzx(e, to, rm_reg(to), IR_I16);
    }
    if (n->type != IR_I8) {
        unsigned w = n->type == IR_I64 ? 8 : 0;
        if (w || to & 8) {
            e8(e, 0x40 | w | to >> 3);
        }
        e8(e, 0x0f);
        e8(e, 0xc8 | (to & 7));
    }
    if (n->type == IR_I16) {
        e_rorx(e, to, to, 16, false);
    }
    dst_done(e, n->dst, n->type, to);
}

void em_setcc(Em *e)
{
    const IrInsn *n = e->n;

    flags_want(e, ir_cond_flags(n->cond));
    if (n->type == IR_I8 && (in_reg(e, n->dst) || n->dst.kind == IR_HOST)) {
        e_op(e, 0x190 | n->cond, E_M8, 0, rm_of(place(e, n->dst)));
        return;
    }
    unsigned s = take(e);
    e_op(e, 0x190 | n->cond, E_M8, 0, rm_reg(s));
    if (n->type != IR_I8) {
        e_movzx(e, s, rm_reg(s), IR_I8);
    }
    dst_done(e, n->dst, n->type, s);
}

void em_sel(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type, t = type == IR_I8 ? IR_I32 : type;   /* there is no byte form */
    unsigned cc = n->cond;
    IrRef yes = n->a, no = n->b;

    flags_want(e, ir_cond_flags(cc));
    if (same_ref(n->dst, yes) && !same_ref(n->dst, no)) {
        IrRef r = yes;
        yes = no;
        no = r;
        cc ^= 1;
    }
    Opnd o = src_rm(e, yes, type);
    if (o.kind == O_MEM && type == IR_I8) {
        unsigned s = take(e);
        e_movzx(e, s, rm_of(o), IR_I8);
        o = (Opnd){ .kind = O_REG, .reg = (uint8_t)s };
    }
    unsigned to = dst_reg(e, n->dst, type,
                          o.kind == O_REG && !same_ref(n->dst, no) ? 1u << o.reg : 0);
    load_to(e, to, no, type);
    e_op(e, 0x140 | cc, type_flags(t), to, rm_of(o));
    dst_done(e, n->dst, type, to);
}
