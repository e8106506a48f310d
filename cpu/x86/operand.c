/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operand.c -- operands of x86 instructions as IR: registers, immediates, checked memory, the
 * stack.
 *
 * Spec: Intel SDM vol. 1, 3.7 (operand addressing), vol. 2, ch. 2; vol. 1, 6.2 (stack).
 * Threads: the vCPU that translates.
 */
#include "cpu/x86/translate.h"

const uint8_t x86_width_class[OPD_N] = {
    [OPD_Eb] = BYTE, [OPD_Gb] = BYTE, [OPD_Mb] = BYTE, [OPD_Zb] = BYTE, [OPD_AL] = BYTE,
    [OPD_CL] = BYTE, [OPD_Ib] = BYTE, [OPD_Ob] = BYTE, [OPD_Xb] = BYTE, [OPD_Yb] = BYTE,
    [OPD_ONE] = BYTE, [OPD_Ew] = WORD, [OPD_Gw] = WORD, [OPD_Mw] = WORD, [OPD_Sw] = WORD,
    [OPD_DX] = WORD, [OPD_Iw] = WORD, [OPD_Ed] = DWORD, [OPD_Gd] = DWORD, [OPD_Md] = DWORD,
    [OPD_Rd] = DWORD, [OPD_Eq] = QWORD, [OPD_Mq] = QWORD, [OPD_Ey] = WIDE, [OPD_Gy] = WIDE,
    [OPD_My] = WIDE, [OPD_By] = WIDE, [OPD_Ry] = WIDE, [OPD_Cy] = WIDE, [OPD_Dy] = WIDE,
    [OPD_eAX] = Z, [OPD_Xz] = Z, [OPD_Yz] = Z,
};

const uint8_t x86_width_types[Z + 1][3] = {             /* by operand size: 2, 4, 8 */
    [BY_SIZE] = { IR_I16, IR_I32, IR_I64 },
    [BYTE] = { IR_I8, IR_I8, IR_I8 }, [WORD] = { IR_I16, IR_I16, IR_I16 },
    [DWORD] = { IR_I32, IR_I32, IR_I32 },
    [QWORD] = { IR_I64, IR_I64, IR_I64 }, [WIDE] = { IR_I32, IR_I32, IR_I64 },
    [Z] = { IR_I16, IR_I32, IR_I32 },
};

/* Which base to add and whether to compare the limit. */
void tr_segment(X86Tr *t, IrMem *m, unsigned seg)
{
    static const uint32_t flat[4] = { X86_MODE_FLAT_ES, X86_MODE_FLAT_CS, X86_MODE_FLAT_SS,
                                      X86_MODE_FLAT_DS };
    m->linear_bits = tr_code64(t) ? 64 : 32;
    if (tr_code64(t)) {
        m->segment = seg >= S_FS ? (uint8_t)seg : SEG_NONE;
        return;
    }
    /* CS is flat as code, yet not writable: stores through it need the check. */
    bool is_flat = seg < S_FS && (t->mode & flat[seg]) && seg != S_CS;
    m->segment = is_flat ? SEG_NONE : (uint8_t)seg;
    m->limit = !is_flat;
}

static void address_parts(X86Tr *t, const X86Insn *i, IrMem *m)
{
    if (i->base != X86_NO_REG)
        m->base = ir_guest(i->base);
    if (i->index != X86_NO_REG) {
        m->index = ir_guest(i->index);
        m->scale = i->scale;
    }
    m->offset_bits = i->asize * 8;
    m->disp = i->disp;
    if (i->pc_relative) {
        m->pc_relative = true;
        m->disp += t->next;
    }
}

void tr_address(X86Tr *t, const X86Insn *i, IrMem *m)
{
    *m = (IrMem){ .segment = SEG_NONE };
    address_parts(t, i, m);
    tr_segment(t, m, i->seg);
    m->locked = i->lock;
}

/* Of the block's address `mem`. */
static inline IrRef check(X86Tr *t, uint16_t mem, unsigned span, unsigned access)
{
    IrRef h = tr_host(t);
    IrMem *m = &t->b->mems[mem];
    t->b->locks |= m->locked;
    m->span = span;
    m->access = (uint8_t)access;
    IrInsn *n = emit(t, IR_chk, tr_type(span > 8 || (span & (span - 1)) ? 8 : span), h, NONE, NONE);
    n->mem = mem;
    return h;
}

IrRef tr_check_mem(X86Tr *t, IrMem *m, unsigned span, unsigned access)
{
    return check(t, ir_mem(t->b, m), span, access);
}

G_GNUC_NO_INLINE IrRef tr_check(X86Tr *t, const X86Insn *i, unsigned span, unsigned access)
{
    uint16_t mem = ir_mem_new(t->b);
    tr_address(t, i, &t->b->mems[mem]);
    return check(t, mem, span, access);
}

IrRef tr_far_pointer(X86Tr *t, const X86Insn *i, IrRef *offset)
{
    IrMem m;
    IrRef selector = tr_temp(t), h;
    *offset = tr_temp(t);
    if (i->osize != 2 || !(t->mode & X86_MODE_AC)) {
        h = tr_check(t, i, i->osize + 2u, IR_READ);
        emit(t, IR_mov, tr_type(i->osize), *offset, h, NONE);
        emit(t, IR_mov, IR_I16, selector, h, NONE)->disp = i->osize;
        return selector;
    }
    for (unsigned k = 0; k < 2; k++) {
        /* 16:16 asks for 2 (SDM vol. 3 table 6-7): two accesses */
        tr_address(t, i, &m);
        m.disp += (int32_t)(k * i->osize);
        h = tr_check_mem(t, &m, 2, IR_READ);
        emit(t, IR_mov, IR_I16, k ? selector : *offset, h, NONE);
    }
    return selector;
}

unsigned tr_offset_mem(X86Tr *t, const X86Insn *i)
{
    IrMem m = { .segment = SEG_NONE, .linear_bits = 64 };
    address_parts(t, i, &m);
    return ir_mem(t->b, &m);
}

IrRef tr_offset(X86Tr *t, const X86Insn *i)
{
    IrRef d = tr_temp(t);
    emit(t, IR_lea, tr_type(i->asize), d, NONE, NONE)->mem = (uint16_t)tr_offset_mem(t, i);
    return d;
}

/* The offset of MOV's direct form stands in the instruction. */
static G_GNUC_NO_INLINE IrRef check_moffs(X86Tr *t, const X86Insn *i, unsigned span,
                                          unsigned access)
{
    IrMem m = { .segment = SEG_NONE, .offset_bits = i->asize * 8 };
    if (i->asize == 8 && (int64_t)i->imm != (int32_t)i->imm) {
        m.base = tr_temp(t);
        emit(t, IR_mov, IR_I64, m.base, tr_imm(t, i->imm), NONE);
    } else {
        m.disp = (int32_t)i->imm;
    }
    tr_segment(t, &m, i->seg);
    return tr_check_mem(t, &m, span, access);
}

IrRef tr_operand(X86Tr *t, const X86Insn *i, unsigned k, unsigned access)
{
    IrType type = tr_operand_type(i, k);
    switch (i->row->ops[k]) {
    case OPD_Eb: case OPD_Ew: case OPD_Ed: case OPD_Ev: case OPD_Ey: case OPD_Eq:
    case OPD_Mb: case OPD_Mw: case OPD_Md: case OPD_Mq: case OPD_Mv: case OPD_My:
        if (i->mod != 3)
            return tr_check(t, i, 1u << type, access);
        return tr_reg(i, type, i->rm);
    case OPD_Rv: case OPD_Ry: case OPD_Rd:
        return ir_guest(i->rm);
    case OPD_Gb: case OPD_Gw: case OPD_Gd: case OPD_Gv: case OPD_Gy:
        return tr_reg(i, type, i->reg);
    case OPD_By:
        return ir_guest(i->vvvv);
    case OPD_Zb: case OPD_Zv:
        return tr_reg(i, type, (i->opcode & 7) | (i->rex & 1) << 3);
    case OPD_AL: case OPD_rAX: case OPD_eAX: return ir_guest(R_RAX);
    case OPD_CL: return ir_guest(R_RCX);
    case OPD_DX: return ir_guest(R_RDX);
    case OPD_ONE: return tr_imm(t, 1);
    case OPD_Ob: case OPD_Ov: return check_moffs(t, i, 1u << type, access);
    case OPD_Ib: return tr_imm(t, i->imm & 0xff);
    default:                                            /* immediates of operand size */
        return tr_imm_of(t, tr_type(i->osize), i->imm);
    }
}

IrRef tr_value(X86Tr *t, const X86Insn *i, unsigned k)
{
    IrRef s = tr_operand(t, i, k, IR_READ);
    if (s.kind == IR_IMM)
        return s;
    IrRef d = tr_temp(t);
    emit(t, IR_mov, tr_operand_type(i, k), d, s, NONE);
    return d;
}

unsigned tr_stack_size(const X86Tr *t)
{
    return tr_code64(t) ? 8 : (t->mode & X86_MODE_SS32) ? 4 : 2;
}

static IrRef check_stack(X86Tr *t, int32_t disp, unsigned bytes, unsigned access)
{
    uint16_t mem = ir_mem_new(t->b);
    IrMem *m = &t->b->mems[mem];
    *m = (IrMem){ .base = ir_guest(R_RSP), .disp = disp, .offset_bits = tr_stack_size(t) * 8 };
    tr_segment(t, m, S_SS);
    return check(t, mem, bytes, access);
}

IrRef tr_check_push(X86Tr *t, unsigned bytes)
{
    return check_stack(t, -(int32_t)bytes, bytes, IR_WRITE);
}
IrRef tr_check_pop(X86Tr *t, unsigned bytes) { return check_stack(t, 0, bytes, IR_READ); }

void tr_move_sp(X86Tr *t, int32_t by)
{
    IrType type = tr_type(tr_stack_size(t));
    IrRef sp = ir_guest(R_RSP);
    emit(t, by < 0 ? IR_sub : IR_add, type, sp, sp, tr_imm(t, (uint64_t)(by < 0 ? -by : by)));
}

void tr_push(X86Tr *t, unsigned bytes, IrRef value)
{
    IrRef h = tr_check_push(t, bytes);
    emit(t, IR_mov, tr_type(bytes), h, value, NONE);
    tr_move_sp(t, -(int32_t)bytes);
}
