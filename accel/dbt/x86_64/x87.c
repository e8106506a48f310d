/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.c -- x87 operations of the guest on the host's x87: load the operands, one instruction, store the result.
 *
 * The registers stay in the CPU struct between operations.  The front end has seen to it that the control word is the
 * host's own (37FH) and that all exceptions are masked; their flags pile up in the host's status word.
 *
 * Spec: accel/dbt/ir.h, V87_*; Intel SDM (325462) vol. 1, ch. 8.
 * Omits: C1 of arithmetic operations.
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

enum { STATUS_KEPT = 0xb8ff, STATUS_TAKEN = 0x473f, STATUS_FLAGS = 0x3f };      /* condition codes C0-C3 are 4700H */

static Rm fpr(const Em *e, IrRef r)
{
    return rm_cpu((int32_t)(e->g->mmx_offset + (r.id - 64u) * e->g->mmx_stride) - BIAS);
}
static void fld80(Em *e, IrRef r) { e_op(e, 0xdb, 0, 5, fpr(e, r)); }
static void fstp80(Em *e, IrRef r) { e_op(e, 0xdb, 0, 7, fpr(e, r)); }

/* The host's condition codes (or flags alone) go to the guest's status word. */
static void take_status(Em *e, bool codes)
{
    Rm sw = rm_cpu((int32_t)e->g->x87_sw_offset - BIAS);

    e8(e, 0xdf);                        /* fnstsw ax */
    e8(e, 0xe0);
    e_alu_imm(e, 4, IR_I32, rm_reg(RAX), codes ? STATUS_TAKEN : STATUS_FLAGS);
    if (codes) {
        e_alu_imm(e, 4, IR_I16, sw, STATUS_KEPT);
    }
    e_typed(e, 0x09, IR_I16, RAX, sw);  /* or */
    e->host = 0;
}

void em_x87(Em *e, const IrVecDesc *d)
{
    const IrInsn *n = e->n;
    unsigned form = d->enc >> 28, opcode = d->enc >> 16 & 0xff, second = d->enc & 0xff, digit = d->enc >> 24 & 7;
    bool codes = form == V87_COM || form == V87_COM_MEM;

    if (codes || form == V87_SYNC) {
        flags_clobber(e);
        take_rax(e);
    }
    switch (form) {
    case V87_LOAD:
        e_op(e, opcode, 0, digit, rm_of(src_rm(e, n->a, IR_I64)));
        fstp80(e, n->dst);
        break;
    case V87_STORE:
        fld80(e, n->a);
        e_op(e, opcode, 0, digit, rm_of(place(e, n->dst)));
        break;
    case V87_ARITH:
        fld80(e, n->dst);
        fld80(e, n->a);
        e8(e, opcode);
        e8(e, second);
        fstp80(e, n->dst);
        break;
    case V87_ARITH_MEM:
        fld80(e, n->dst);
        e_op(e, opcode, 0, digit, rm_of(src_rm(e, n->a, IR_I64)));
        fstp80(e, n->dst);
        break;
    case V87_COM_MEM:
        fld80(e, n->dst);
        e_op(e, opcode, 0, digit, rm_of(src_rm(e, n->a, IR_I64)));
        break;
    case V87_COM:
    case V87_COMI:
        fld80(e, n->a);
        fld80(e, n->dst);
        e8(e, opcode);
        e8(e, second);
        if (form == V87_COMI) {
            e8(e, 0xdd);                /* fstp st0 */
            e8(e, 0xd8);
            e->host = FL_ALL;
            e->mem = 0;
            e->recipe.how = RECIPE_NONE;
        }
        break;
    case V87_UNARY:
        fld80(e, n->dst);
        /* fall through */
    case V87_CONST:
        e8(e, opcode);
        e8(e, second);
        fstp80(e, n->dst);
        break;
    case V87_COPY:
        fld80(e, n->a);
        fstp80(e, n->dst);
        break;
    case V87_SWAP:
        fld80(e, n->a);
        fld80(e, n->dst);
        fstp80(e, n->a);
        fstp80(e, n->dst);
        break;
    }
    if (codes || form == V87_SYNC) {
        take_status(e, codes);
    }
}
