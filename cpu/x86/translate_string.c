/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_string.c -- ports and string instructions as IR: one element in place, repetitions and
 * ports by helpers.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name; vol. 1, 7.3.9.
 * Threads: the vCPU that translates.
 */
#include "cpu/x86/sys.h"
#include "cpu/x86/translate.h"

static IrRef port(X86Tr *t, const X86Insn *i, unsigned k)
{
    return i->row->ops[k] == OPD_DX ? tr_value(t, i, k) : tr_imm(t, i->imm & 0xff);
}

void x86_tr_IN(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    IrRef p = port(t, i, 1), v = tr_temp(t);
    tr_helper(t, XH_in, v, p, tr_imm(t, 1u << type), NONE);
    emit(t, IR_mov, type, ir_guest(R_RAX), v, NONE);
}

void x86_tr_OUT(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 1);
    IrRef p = port(t, i, 0), v = tr_value(t, i, 1);
    tr_helper(t, XH_out, NONE, p, tr_imm(t, 1u << type), v);
    tr_end_lookup(t);
}

/* By a helper, which also sets the PC: to this instruction where a repetition was interrupted. */
static void string_helper(X86Tr *t, const X86Insn *i, unsigned helper, IrType type)
{
    if (i->asize == 8 && i->rep && i->seg < S_FS && (helper == XH_movs || helper == XH_stos)) {
        IrInsn *n = emit(t, IR_bulk, type, NONE, CTX(df), NONE);
        n->sub = helper == XH_stos;
        n->imm = t->next;
    }
    uint64_t how =
        1u << type | (unsigned)i->asize * 8 << 8 | (unsigned)i->seg << 16 | (uint64_t)i->rep << 24;
    tr_helper(t, helper, NONE, tr_imm(t, how), tr_imm(t, i->length), NONE);
    tr_end_pc(t);
}

/* One element without a prefix: inline. */
static IrRef element(X86Tr *t, const X86Insn *i, unsigned reg, unsigned seg, IrType type,
                     unsigned access)
{
    IrMem m = { .base = ir_guest(reg), .offset_bits = i->asize * 8 };
    tr_segment(t, &m, seg);
    return tr_check_mem(t, &m, 1u << type, access);
}

static void advance(X86Tr *t, const X86Insn *i, IrType type, bool si, bool di)
{
    IrRef by = CTX(df);
    if (type != IR_I8) {
        by = tr_temp(t);
        emit(t, IR_shl, IR_I64, by, CTX(df), tr_imm(t, type));
    }
    if (si)
        emit(t, IR_add, tr_type(i->asize), ir_guest(R_RSI), ir_guest(R_RSI), by);
    if (di)
        emit(t, IR_add, tr_type(i->asize), ir_guest(R_RDI), ir_guest(R_RDI), by);
}

void x86_tr_MOVS(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    if (i->rep) {
        string_helper(t, i, XH_movs, type);
        return;
    }
    IrRef s = element(t, i, R_RSI, i->seg, type, IR_READ),
          d = element(t, i, R_RDI, S_ES, type, IR_WRITE), v = tr_temp(t);
    emit(t, IR_mov, type, v, s, NONE);
    emit(t, IR_mov, type, d, v, NONE);
    advance(t, i, type, true, true);
}

void x86_tr_STOS(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    if (i->rep) {
        string_helper(t, i, XH_stos, type);
        return;
    }
    IrRef d = element(t, i, R_RDI, S_ES, type, IR_WRITE);
    emit(t, IR_mov, type, d, ir_guest(R_RAX), NONE);
    advance(t, i, type, false, true);
}

void x86_tr_LODS(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    if (i->rep) {
        string_helper(t, i, XH_lods, type);
        return;
    }
    IrRef s = element(t, i, R_RSI, i->seg, type, IR_READ);
    emit(t, IR_mov, type, ir_guest(R_RAX), s, NONE);
    advance(t, i, type, true, false);
}

void x86_tr_SCAS(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    if (i->rep) {
        string_helper(t, i, XH_scas, type);
        return;
    }
    IrRef d = element(t, i, R_RDI, S_ES, type, IR_READ);
    emit_flags(t, IR_cmp, type, NONE, ir_guest(R_RAX), d, FL_ALL, 0);
    advance(t, i, type, false, true);
}

void x86_tr_CMPS(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    if (i->rep) {
        string_helper(t, i, XH_cmps, type);
        return;
    }
    IrRef s = element(t, i, R_RSI, i->seg, type, IR_READ),
          d = element(t, i, R_RDI, S_ES, type, IR_READ), v = tr_temp(t);
    emit(t, IR_mov, type, v, s, NONE);
    emit_flags(t, IR_cmp, type, NONE, v, d, FL_ALL, 0);
    advance(t, i, type, true, true);
}

void x86_tr_INS(X86Tr *t, const X86Insn *i) { string_helper(t, i, XH_ins, tr_operand_type(i, 0)); }
void x86_tr_OUTS(X86Tr *t, const X86Insn *i)
{
    string_helper(t, i, XH_outs, tr_operand_type(i, 1));
}
