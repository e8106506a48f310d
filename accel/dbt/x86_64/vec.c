/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vec.c -- vector operations: the guest's own instruction on the same registers, or a call of its C
 * function.
 *
 * Spec: accel/dbt/ir.h, IrVecDesc; Intel SDM (325383) vol. 2.
 * A VEX form is emitted as it is: all of the guest's vector registers are the host's of the same
 * number.
 *
 * MMX operations run on the host's MM0: guest registers stay in the struct, since all that calls C
 * would have to empty the host's, which are its x87 registers.  EMMS follows the last of a row of
 * them.
 *
 * Omits: those that read or write XMM registers as well call C.
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

enum { SLOT_SRC = 30, SLOT_DST = 31, HOST_XMM = 16 };   /* of cpu->gpr[], which x86 does not use */

static bool is_native(const IrInsn *n, const IrVecDesc *d)
{
    return d->enc && !(d->props & V_MMX) && !(n->dst.kind == IR_VEC && n->dst.id >= HOST_XMM) &&
           !(n->a.kind == IR_VEC && n->a.id >= HOST_XMM) && n->b.kind == IR_NONE && !n->vl;
}

/* By the host's MM0. */
static bool is_mmx(const IrInsn *n, const IrVecDesc *d)
{
    return d->enc && (d->props & V_MMX) && !(d->props & (V_FP | V_IMPLICIT0)) &&
           !(n->dst.kind == IR_VEC && n->dst.id < 64) && !(n->a.kind == IR_VEC && n->a.id < 64) &&
           n->b.kind == IR_NONE && !n->vl;
}

bool em_vop_is_native(const Em *e, const IrInsn *n)
{
    const IrVecDesc *d = &e->g->vecs[n->sub];

    return !is_x87(d) && ((d->props & V_VEX) || is_native(n, d) || is_mmx(n, d));
}

static bool has_imm(uint32_t enc)
{
    unsigned map = enc >> 8 & 0xff, op = enc & 0xff;
    return map == 3 ||
           (map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6)));
}

/* Is the destination the operand in ModRM.rm? */
static bool dst_in_rm(const IrInsn *n, uint32_t enc)
{
    unsigned map = enc >> 8 & 0xff, op = enc & 0xff, prefix = enc >> 16 & 0xff;

    if (n->dst.kind == IR_HOST || enc >> 24) {
        return true;
    }
    if (map == 3) {
        return op >= 0x14 && op <= 0x17;
    }
    if (map != 1 || n->a.kind == IR_HOST) {
        return false;
    }
    return op == 0x11 || op == 0x13 || op == 0x17 || op == 0x29 || op == 0x7f || op == 0xd6 ||
           (op == 0x7e && prefix != 0xf3);
}

static void vop_native(Em *e, const IrVecDesc *d)
{
    const IrInsn *n = e->n;
    IrType type = n->type == IR_I64 ? IR_I64 : IR_I32;
    uint32_t enc = d->enc & 0xffffff;
    bool to_rm = dst_in_rm(n, d->enc);
    unsigned w = type == IR_I64 && (d->props & (V_GPR_DST | V_GPR_SRC)) ? E_W : 0, to = NO_REG, reg;
    Rm dst = rm_reg(0), a = rm_reg(0);

    if (n->a.kind == IR_VEC) {
        a = rm_reg(n->a.id);
    } else if (n->a.kind != IR_NONE) {
        a = rm_of(src_rm(e, n->a, type));
    }
    if (n->dst.kind == IR_VEC) {
        dst = rm_reg(n->dst.id);
    } else if (n->dst.kind == IR_HOST) {
        dst = rm_of(place(e, n->dst));
    } else {
        to = dst_reg(e, n->dst, type, 0);
        dst = rm_reg(to);
    }
    reg = d->enc >> 24 ? (d->enc >> 24) - 1 : to_rm ? a.reg : dst.reg;
    e_op(e, enc, w, reg, to_rm ? dst : a);
    if (has_imm(enc)) {
        e8(e, n->imm8);
    }
    if (to != NO_REG) {
        dst_done(e, n->dst, type, to);
    }
}

/* ---- MMX ---- */

static Rm mmx_at(const Em *e, IrRef r)
{
    return rm_cpu((int32_t)(e->g->mmx_offset + (r.id - 64u) * e->g->mmx_stride) - BIAS);
}

enum { MOVQ_LOAD = 0x16f, MOVQ_STORE = 0x17f };

/* Does another follow, with nothing in between that may call C? */
static bool mmx_goes_on(const Em *e)
{
    for (unsigned i = e->i + 1; i < e->ir->n_insns; i++) {
        const IrInsn *n = &e->ir->insns[i];
        if (n->op == IR_vop) {
            return is_mmx(n, &e->g->vecs[n->sub]);
        }
        if (n->op != IR_gone && !(n->op == IR_mov && n->dst.kind == IR_CTX)) {
            return false;
        }
    }
    return false;
}

static void vop_mmx(Em *e, const IrVecDesc *d)
{
    const IrInsn *n = e->n;
    IrType type = n->type == IR_I64 ? IR_I64 : IR_I32;
    uint32_t enc = d->enc & 0xffffff;
    bool digit = d->enc >> 24, to_mmx = n->dst.kind == IR_VEC, from_mmx = n->a.kind == IR_VEC;
    bool store = n->dst.kind == IR_HOST || (!to_mmx && dst_in_rm(n, d->enc));
    unsigned w = type == IR_I64 && (d->props & (V_GPR_DST | V_GPR_SRC)) ? E_W : 0, to = NO_REG,
             reg = 0;
    Rm rm = rm_reg(0);

    /* MOVQ to a register by the form that stores */
    if (to_mmx && from_mmx && (enc & 0xff) == 0x7f) {
        enc = MOVQ_LOAD;
    }
    if (to_mmx && (d->props & V_DST_READ)) {
        e_op(e, MOVQ_LOAD, 0, 0, mmx_at(e, n->dst));
    }
    if (!to_mmx) {                      /* its source is a register */
        e_op(e, MOVQ_LOAD, 0, 0, mmx_at(e, n->a));
    } else if (from_mmx) {
        rm = mmx_at(e, n->a);
    } else if (n->a.kind != IR_NONE) {
        rm = rm_of(src_rm(e, n->a, type));
    }
    if (n->dst.kind == IR_HOST) {
        rm = rm_of(place(e, n->dst));
    } else if (!to_mmx) {
        to = dst_reg(e, n->dst, type, 0);
        if (store) {
            rm = rm_reg(to);
        } else {
            reg = to;
        }
    }
    if (digit) {
        reg = (d->enc >> 24) - 1;
    }
    e_op(e, enc, w, reg, rm);
    if (has_imm(enc)) {
        e8(e, n->imm8);
    }
    if (to_mmx) {
        e_op(e, MOVQ_STORE, 0, 0, mmx_at(e, n->dst));
    }
    if (!mmx_goes_on(e)) {
        e8(e, 0x0f);
        e8(e, 0x77);
    }
    if (to != NO_REG) {
        dst_done(e, n->dst, type, to);
    }
}

/* ---- VEX forms ---- */

static void e_vex(Em *e, const IrVecDesc *d, unsigned length, unsigned reg, unsigned vvvv, Rm rm)
{
    unsigned prefix = d->enc >> 16 & 0xff,
             pp = prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;

    e8(e, 0xc4);
    e8(e, (reg & 8 ? 0 : 0x80) | 0x40 | (rm.reg & 8 ? 0 : 0x20) | (d->enc >> 8 & 0xff));
    e8(e, (d->places & VEX_W ? 0x80 : 0) | (~vvvv & 15) << 3 | length << 2 | pp);
    e8(e, d->enc);
    e_modrm(e, reg, rm);
}

static void clear_above_256(Em *e, unsigned v)
{
    for (unsigned at = 32; at < 64; at += 8) {
        e_op(e, 0xc7, E_W, 0,
             rm_cpu((int32_t)(e->g->vec_offset + v * e->g->vec_stride + at) - BIAS));
        e32(e, 0);
    }
}

static void vop_vex(Em *e, const IrVecDesc *d)
{
    const IrInsn *n = e->n;
    const IrRef *refs[3] = { &n->dst, &n->a, &n->b };
    unsigned reg = d->enc >> 24 ? (d->enc >> 24) - 1 : 0, vvvv = 0, to = NO_REG;
    IrType type = d->places & VEX_W ? IR_I64 : IR_I32;
    Rm rm = rm_reg(0);

    if ((d->enc & 0xffff) == 0x177) {                   /* vzeroupper */
        e8(e, 0xc5);
        e8(e, 0xf8);
        e8(e, 0x77);
        return;
    }
    for (unsigned k = 0; k < 3; k++) {
        IrRef r = *refs[k];
        Rm m = rm_reg(r.id);
        if (r.kind == IR_HOST) {
            m = rm_of(place(e, r));
        } else if (r.kind != IR_VEC && k == 0 && r.kind != IR_NONE) {
            to = dst_reg(e, r, IR_I64, 0);
            m = rm_reg(to);
        } else if (r.kind != IR_VEC && r.kind != IR_NONE) {
            m = rm_of(src_rm(e, r, type));
        }
        switch (d->places >> 2 * k & 3) {
        case VEX_REG:
            reg = m.reg;
            break;
        case VEX_VVVV:
            vvvv = m.reg;
            break;
        case VEX_RM:
            rm = m;
            break;
        }
    }
    e_vex(e, d, n->vl & 1, reg, vvvv, rm);
    if (d->places & VEX_IMM) {
        e8(e, n->c.kind == IR_VEC ? n->c.id << 4 : n->imm8);
    }
    if (n->vl & VL_CLEAR && n->dst.kind == IR_VEC && !(d->props & V_FLAGS)) {
        clear_above_256(e, n->dst.id);
    }
    if (to != NO_REG) {
        dst_done(e, n->dst, IR_I64, to);
    }
}

static void operand_pointer(Em *e, unsigned reg, IrRef r, bool is_dst, IrType type)
{
    const DbtGuest *g = e->g;
    int32_t at = 0;

    switch (r.kind) {
    case IR_VEC:
        at = r.id < 64 ? (int32_t)(g->vec_offset + r.id * g->vec_stride)
                       : (int32_t)(g->mmx_offset + (r.id - 64u) * g->mmx_stride);
        e_op(e, 0x8d, E_W, reg, rm_cpu(at - BIAS));
        return;
    case IR_HOST: {
        Opnd o = place(e, r);
        e_op(e, 0x8d, E_W, reg, rm_of(o));
        return;
    }
    case IR_NONE:
        e_mov_imm(e, reg, 0);
        return;
    }
    at = CPU(gpr) + 8 * (is_dst ? SLOT_DST : SLOT_SRC);
    if (!is_dst) {
        if (r.kind == IR_GUEST) {
            e_movzx(e, reg, rm_cpu(CPU(gpr) + 8 * (int32_t)r.id), type);
        } else {
            load_to(e, reg, r, type);
        }
        e_store(e, reg, rm_cpu(at));
    }
    e_op(e, 0x8d, E_W, reg, rm_cpu(at));
}

static void result_flags(Em *e)         /* EFLAGS bits in eax */
{
    e_mov32(e, RDX, RAX);
    e_shift_imm(e, 5, IR_I32, RDX, 11);
    e_alu_imm(e, 4, IR_I32, rm_reg(RDX), 1);
    e_alu_imm(e, 4, IR_I32, rm_reg(RAX), 0xd5);
    e_alu_imm(e, 1, IR_I32, rm_reg(RAX), 2);
    e_shift_imm(e, 4, IR_I32, RAX, 8);
    e_alu_rr(e, 1, IR_I32, RAX, rm_reg(RDX));
    e_op(e, 0x89, E_16, RAX, rm_cpu(CPU(fl)));
    e->mem = FL_ALL;
    e->recipe.how = RECIPE_NONE;
}

static void vop_call(Em *e, const IrVecDesc *d)
{
    const IrInsn *n = e->n;
    IrType type = n->type == IR_I64 ? IR_I64 : IR_I32;
    uint16_t after = e->n->after.values;
    bool to_gpr = n->dst.kind == IR_GUEST || n->dst.kind == IR_TEMP;

    flags_clobber(e);
    if (n->dst.kind == IR_HOST) {
        place(e, n->dst);               /* into a register before the call */
    }
    if (n->a.kind == IR_HOST) {
        place(e, n->a);
    }
    /* what is live after goes to its slot, and stays in its register until the call */
    for (unsigned v = 0; v < N_VALS; v++) {
        if ((after >> v & 1) && e->at[v] < 16) {
            e_store(e, e->at[v], rm_cpu(CPU(spill) + 8 * (int32_t)v));
        }
    }
    e_call_thunk(e, e->x->spill);
    operand_pointer(e, RSI, n->dst, true, type);
    operand_pointer(e, RDX, n->a, false, type);
    e_mov_imm(e, RCX, n->imm8);
    em_call(e, (const void *)d->fn);
    if (d->props & V_FLAGS) {
        result_flags(e);
    }
    e_call_thunk(e, e->x->reload);
    for (unsigned v = 0; v < N_VALS; v++) {
        if ((after >> v & 1) && e->at[v] < 16) {
            e->at[v] = IN_SLOT;
        }
    }
    forget_scratch(e);
    e->host = 0;
    e->vec_sure = false;
    if (to_gpr) {
        unsigned to = dst_reg(e, n->dst, type, 0);
        e_movzx(e, to, rm_cpu(CPU(gpr) + 8 * SLOT_DST), type);
        dst_done(e, n->dst, type, to);
    }
}

void em_vop(Em *e)
{
    const IrInsn *n = e->n;
    const IrVecDesc *d = &e->g->vecs[n->sub];

    if (is_x87(d)) {
        em_x87(e, d);
        return;
    }
    if (is_mmx(n, d)) {
        x87_flush(e);
        vop_mmx(e, d);
        return;
    }
    if (!(d->props & V_VEX) && !is_native(n, d)) {
        x87_flush(e);
        vop_call(e, d);
        return;
    }
    if (!e->vec_sure) {
        flags_clobber(e);
        em_vec_check(e);
    }
    if (d->props & V_VEX) {
        vop_vex(e, d);
    } else {
        vop_native(e, d);
    }
    if (d->props & V_FLAGS) {
        e->host = FL_ALL;
        e->mem = 0;
        e->recipe.how = RECIPE_NONE;
    }
}
