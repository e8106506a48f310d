/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_int.c -- the integer instructions as IR.
 *
 * Operand order is Intel's: k = 0 is the destination.  Every check comes before the first write;
 * see accel/dbt/ir.h.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name.
 * Threads: the vCPU that translates.
 */
#include "cpu/x86/translate.h"

enum { FL_LOGIC_UNDEF = FL_A, FL_MUL_UNDEF = FL_S | FL_Z | FL_A | FL_P };

/* ---- arithmetic and logic ---- */
static void alu(X86Tr *t, const X86Insn *i, IrOp op, unsigned undef)
{
    bool compare = op == IR_cmp || op == IR_test;
    IrRef d, s;
    IrType type = tr_operands(t, i, compare ? IR_READ : IR_READ | IR_WRITE, &d, &s);
    emit_flags(t, op, type, compare ? NONE : d, d, s, FL_ALL, undef)->locked = i->lock;
}
void x86_tr_ADD(X86Tr *t, const X86Insn *i) { alu(t, i, IR_add, 0); }
void x86_tr_OR(X86Tr *t, const X86Insn *i) { alu(t, i, IR_or, FL_LOGIC_UNDEF); }
void x86_tr_ADC(X86Tr *t, const X86Insn *i) { alu(t, i, IR_adc, 0); }
void x86_tr_SBB(X86Tr *t, const X86Insn *i) { alu(t, i, IR_sbb, 0); }
void x86_tr_AND(X86Tr *t, const X86Insn *i) { alu(t, i, IR_and, FL_LOGIC_UNDEF); }
void x86_tr_SUB(X86Tr *t, const X86Insn *i) { alu(t, i, IR_sub, 0); }
void x86_tr_XOR(X86Tr *t, const X86Insn *i) { alu(t, i, IR_xor, FL_LOGIC_UNDEF); }
void x86_tr_CMP(X86Tr *t, const X86Insn *i) { alu(t, i, IR_cmp, 0); }
void x86_tr_TEST(X86Tr *t, const X86Insn *i) { alu(t, i, IR_test, FL_LOGIC_UNDEF); }

static void unary(X86Tr *t, const X86Insn *i, IrOp op, unsigned sets)
{
    IrRef d = tr_operand(t, i, 0, IR_READ | IR_WRITE);
    emit_flags(t, op, tr_operand_type(i, 0), d, d, NONE, sets, 0)->locked = i->lock;
}
void x86_tr_INC(X86Tr *t, const X86Insn *i) { unary(t, i, IR_inc, FL_ALL & ~FL_C); }
void x86_tr_DEC(X86Tr *t, const X86Insn *i) { unary(t, i, IR_dec, FL_ALL & ~FL_C); }
void x86_tr_NEG(X86Tr *t, const X86Insn *i) { unary(t, i, IR_neg, FL_ALL); }
void x86_tr_NOT(X86Tr *t, const X86Insn *i) { unary(t, i, IR_not, 0); }

/* The pair that widening MUL and DIV work on: AH:AL or rDX:rAX. */
static IrRef upper_half(IrType type)
{
    return type == IR_I8 ? ir_guest_high(R_RAX) : ir_guest(R_RDX);
}

static void multiply(X86Tr *t, const X86Insn *i, IrOp op)
{
    IrType type = tr_operand_type(i, 0);
    IrRef s = tr_operand(t, i, 0, IR_READ), lo = ir_guest(R_RAX);
    emit_flags(t, op, type, lo, lo, s, FL_ALL, FL_MUL_UNDEF)->dst2 = upper_half(type);
}
void x86_tr_MUL(X86Tr *t, const X86Insn *i) { multiply(t, i, IR_mulu2); }
void x86_tr_IMUL(X86Tr *t, const X86Insn *i) { multiply(t, i, IR_muls2); }

/* IMUL with two or three operands. */
void x86_tr_IMUL3(X86Tr *t, const X86Insn *i)
{
    IrRef d = tr_operand(t, i, 0, IR_WRITE), s = tr_operand(t, i, 1, IR_READ);
    IrRef by = i->row->ops[2] ? tr_operand(t, i, 2, IR_READ) : d;
    emit_flags(t, IR_mul, tr_operand_type(i, 0), d, s, by, FL_ALL, FL_MUL_UNDEF);
}

static void divide(X86Tr *t, const X86Insn *i, IrOp op)
{
    IrType type = tr_operand_type(i, 0);
    IrRef s = tr_operand(t, i, 0, IR_READ), lo = ir_guest(R_RAX);
    IrInsn *n = emit(t, op, type, lo, lo, s);
    n->c = n->dst2 = upper_half(type);
}
void x86_tr_DIV(X86Tr *t, const X86Insn *i) { divide(t, i, IR_divu); }
void x86_tr_IDIV(X86Tr *t, const X86Insn *i) { divide(t, i, IR_divs); }

/* ---- shifts ---- */
/* A count of zero leaves the flags alone; for an immediate it is known here. */
static void shift(X86Tr *t, const X86Insn *i, IrOp op, bool rotate)
{
    IrType type = tr_operand_type(i, 0);
    IrRef d = tr_operand(t, i, 0, IR_READ | IR_WRITE);
    unsigned sets = rotate ? FL_C | FL_O : FL_ALL, undef = rotate ? FL_O : FL_A | FL_O;
    IrRef count;
    if (i->row->ops[1] == OPD_CL) {
        count = ir_guest(R_RCX);
    } else {
        unsigned by = i->row->ops[1] == OPD_ONE ? 1 : i->imm & (type == IR_I64 ? 63 : 31);
        if (by == 0) {
            if (d.kind == IR_GUEST && type == IR_I32)
                emit(t, IR_mov, type, d, d, NONE);      /* still clears the upper half */
            return;
        }
        if (by == 1)
            undef &= ~FL_O;
        count = tr_imm(t, by);
    }
    emit_flags(t, op, type, d, d, count, sets, undef);
}
void x86_tr_ROL(X86Tr *t, const X86Insn *i) { shift(t, i, IR_rol, true); }
void x86_tr_ROR(X86Tr *t, const X86Insn *i) { shift(t, i, IR_ror, true); }
void x86_tr_RCL(X86Tr *t, const X86Insn *i) { shift(t, i, IR_rcl, true); }
void x86_tr_RCR(X86Tr *t, const X86Insn *i) { shift(t, i, IR_rcr, true); }
void x86_tr_SHL(X86Tr *t, const X86Insn *i) { shift(t, i, IR_shl, false); }
void x86_tr_SHR(X86Tr *t, const X86Insn *i) { shift(t, i, IR_shr, false); }
void x86_tr_SAR(X86Tr *t, const X86Insn *i) { shift(t, i, IR_sar, false); }

static void double_shift(X86Tr *t, const X86Insn *i, IrOp op)
{
    IrType type = tr_operand_type(i, 0);
    IrRef d = tr_operand(t, i, 0, IR_READ | IR_WRITE), s = tr_operand(t, i, 1, IR_READ);
    IrRef count = ir_guest(R_RCX);
    if (i->row->ops[2] != OPD_CL) {
        unsigned by = i->imm & (type == IR_I64 ? 63 : 31);
        if (by == 0) {
            if (d.kind == IR_GUEST && type == IR_I32)
                emit(t, IR_mov, type, d, d, NONE);
            return;
        }
        count = tr_imm(t, by);
    }
    emit_flags(t, op, type, d, d, s, FL_ALL, FL_A | FL_O)->c = count;
}
void x86_tr_SHLD(X86Tr *t, const X86Insn *i) { double_shift(t, i, IR_shld); }
void x86_tr_SHRD(X86Tr *t, const X86Insn *i) { double_shift(t, i, IR_shrd); }

/* ---- bits ---- */
/*
 * With a register index and memory, the index reaches beyond the operand: signed index / width
 * operands on.
 */
static IrRef bit_string(X86Tr *t, const X86Insn *i, IrType type, unsigned access)
{
    IrRef at = tr_temp(t), index = ir_guest(i->reg);
    IrMem m = { .offset_bits = i->asize * 8, .locked = i->lock, .scale = type };
    if (type == IR_I64)
        emit(t, IR_sar, IR_I64, at, index, tr_imm(t, 6));
    else {
        emit(t, type == IR_I16 ? IR_sext16 : IR_sext32, IR_I64, at, index, NONE);
        emit(t, IR_sar, IR_I64, at, at, tr_imm(t, 3u + type));
    }
    m.base = tr_offset(t, i);
    m.index = at;
    tr_segment(t, &m, i->seg);
    return tr_check_mem(t, &m, 1u << type, access);
}

static void bit(X86Tr *t, const X86Insn *i, IrOp op)
{
    IrType type = tr_operand_type(i, 0);
    unsigned access = op == IR_bt ? IR_READ : IR_READ | IR_WRITE;
    bool by_register = i->row->ops[1] != OPD_Ib;
    IrRef d =
        by_register && i->mod != 3 ? bit_string(t, i, type, access) : tr_operand(t, i, 0, access);
    IrRef index = by_register ? ir_guest(i->reg) : tr_imm(t, i->imm & ((8u << type) - 1));
    emit_flags(t, op, type, op == IR_bt ? NONE : d, d, index, FL_C, 0)->locked = i->lock;
}
void x86_tr_BT(X86Tr *t, const X86Insn *i) { bit(t, i, IR_bt); }
void x86_tr_BTS(X86Tr *t, const X86Insn *i) { bit(t, i, IR_bts); }
void x86_tr_BTR(X86Tr *t, const X86Insn *i) { bit(t, i, IR_btr); }
void x86_tr_BTC(X86Tr *t, const X86Insn *i) { bit(t, i, IR_btc); }

static IrInsn *scan(X86Tr *t, const X86Insn *i, IrOp op, unsigned undef)
{
    IrRef d = tr_operand(t, i, 0, IR_WRITE), s = tr_operand(t, i, 1, IR_READ);
    return emit_flags(t, op, tr_operand_type(i, 0), d, s, NONE, FL_ALL, undef);
}
/*
 * A source of zero leaves the destination alone (which the manual calls undefined, and every CPU
 * does).
 */
void x86_tr_BSF(X86Tr *t, const X86Insn *i)
{
    scan(t, i, IR_bsf, FL_ALL & ~FL_Z)->c = ir_guest(i->reg);
}
void x86_tr_BSR(X86Tr *t, const X86Insn *i)
{
    scan(t, i, IR_bsr, FL_ALL & ~FL_Z)->c = ir_guest(i->reg);
}
void x86_tr_POPCNT(X86Tr *t, const X86Insn *i) { scan(t, i, IR_popcnt, 0); }
/* CPUs without these ignore the prefix. */
void x86_tr_TZCNT(X86Tr *t, const X86Insn *i)
{
    if (x86_has_feature(t->cpu, F_BMI1))
        scan(t, i, IR_tzcnt, FL_ALL & ~(FL_Z | FL_C));
    else
        x86_tr_BSF(t, i);
}
void x86_tr_LZCNT(X86Tr *t, const X86Insn *i)
{
    if (x86_has_feature(t->cpu, F_LZCNT))
        scan(t, i, IR_lzcnt, FL_ALL & ~(FL_Z | FL_C));
    else
        x86_tr_BSR(t, i);
}

void x86_tr_CRC32(X86Tr *t, const X86Insn *i)
{
    IrRef s = tr_operand(t, i, 1, IR_READ), d = ir_guest(i->reg), r = tr_temp(t);
    emit(t, IR_crc32, tr_operand_type(i, 1), r, d, s);
    emit(t, IR_mov, IR_I32, d, r, NONE);
}

/* ---- moves ---- */
void x86_tr_MOV(X86Tr *t, const X86Insn *i)
{
    IrRef d, s;
    IrType type = tr_operands(t, i, IR_WRITE, &d, &s);
    emit(t, IR_mov, type, d, s, NONE);
}

static void extend(X86Tr *t, const X86Insn *i, IrOp from8, IrOp from16, IrOp from32)
{
    IrType from = tr_operand_type(i, 1), type = tr_operand_type(i, 0);
    IrRef d = tr_operand(t, i, 0, IR_WRITE), s = tr_operand(t, i, 1, IR_READ);
    IrOp op = from >= type ? IR_mov : from == IR_I8 ? from8 : from == IR_I16 ? from16 : from32;
    emit(t, op, type, d, s, NONE);
}
void x86_tr_MOVZX(X86Tr *t, const X86Insn *i) { extend(t, i, IR_zext8, IR_zext16, IR_zext32); }
void x86_tr_MOVSX(X86Tr *t, const X86Insn *i) { extend(t, i, IR_sext8, IR_sext16, IR_sext32); }
void x86_tr_MOVSXD(X86Tr *t, const X86Insn *i) { extend(t, i, IR_sext8, IR_sext16, IR_sext32); }

void x86_tr_LEA(X86Tr *t, const X86Insn *i)
{
    emit(t, IR_lea, tr_operand_type(i, 0), ir_guest(i->reg), NONE, NONE)->mem =
        (uint16_t)tr_offset_mem(t, i);
}

static void exchange(X86Tr *t, IrType type, IrRef a, IrRef b)
{
    IrRef old = tr_temp(t);
    emit(t, IR_mov, type, old, a, NONE);
    emit(t, IR_mov, type, a, b, NONE);
    emit(t, IR_mov, type, b, old, NONE);
}

void x86_tr_XCHG(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    if (i->row->has_modrm && i->mod != 3) {
        IrMem m;
        tr_address(t, i, &m);
        m.locked = true;
        IrRef h = tr_check_mem(t, &m, 1u << type, IR_READ | IR_WRITE), r = tr_operand(t, i, 1, 0);
        emit(t, IR_xchg, type, r, h, r)->locked = true;
    } else {
        exchange(t, type, tr_operand(t, i, 0, 0), tr_operand(t, i, 1, 0));
    }
}

void x86_tr_NOP(X86Tr *t, const X86Insn *i)
{
    if (i->map == 0 && (i->rex & 1))                    /* XCHG r8, rAX */
        exchange(t, tr_type(i->osize), ir_guest(R_R8), ir_guest(R_RAX));
}

void x86_tr_XADD(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    IrRef d = tr_operand(t, i, 0, IR_READ | IR_WRITE), s = tr_operand(t, i, 1, 0);
    if (d.kind == IR_HOST) {
        emit_flags(t, IR_xadd, type, s, d, s, FL_ALL, 0)->locked = i->lock;
        return;
    }
    IrRef sum = tr_temp(t);
    emit_flags(t, IR_add, type, sum, d, s, FL_ALL, 0);
    emit(t, IR_mov, type, s, d, NONE);
    emit(t, IR_mov, type, d, sum, NONE);
}

static void select_ref(X86Tr *t, IrType type, unsigned cc, IrRef d, IrRef a, IrRef b)
{
    emit(t, IR_sel, type, d, a, b)->cond = (uint8_t)cc;
}

void x86_tr_CMPXCHG(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    IrRef d = tr_operand(t, i, 0, IR_READ | IR_WRITE), s = tr_operand(t, i, 1, 0),
          acc = ir_guest(R_RAX), old = tr_temp(t);
    /* RAX's upper half stays where EAX was equal */
    bool keep = type == IR_I32 && tr_code64(t);
    if (d.kind == IR_HOST) {
        IrInsn *n = emit_flags(t, IR_cmpxchg, type, keep ? old : acc, d, s, FL_ALL, 0);
        n->c = acc;
        n->locked = i->lock;
        if (keep)
            select_ref(t, IR_I64, CC_E, acc, acc, old);
        return;
    }
    emit(t, IR_mov, type, old, d, NONE);
    emit_flags(t, IR_cmp, type, NONE, acc, old, FL_ALL, 0);
    if (keep) {
        /* nor is the destination written where it was not equal */
        IrRef wide = tr_temp(t);
        emit(t, IR_mov, IR_I32, wide, s, NONE);
        select_ref(t, IR_I64, CC_E, acc, acc, old);
        select_ref(t, IR_I64, CC_E, d, wide, d);
        return;
    }
    select_ref(t, type, CC_E, acc, acc, old);
    select_ref(t, type, CC_E, d, s, old);
}

void x86_tr_CMOV(X86Tr *t, const X86Insn *i)
{
    IrRef d = tr_operand(t, i, 0, 0), s = tr_operand(t, i, 1, IR_READ);
    select_ref(t, tr_operand_type(i, 0), i->opcode & 15, d, s, d);
}

void x86_tr_SETCC(X86Tr *t, const X86Insn *i)
{
    IrRef d = tr_operand(t, i, 0, IR_WRITE);
    emit(t, IR_setcc, IR_I8, d, NONE, NONE)->cond = i->opcode & 15;
}

static void swap_bytes(X86Tr *t, IrType type, IrRef d, IrRef s)
{
    if (type == IR_I16)
        emit(t, IR_rol, type, d, s, tr_imm(t, 8));
    else
        emit(t, IR_bswap, type, d, s, NONE);
}

void x86_tr_BSWAP(X86Tr *t, const X86Insn *i)
{
    IrRef d = tr_operand(t, i, 0, 0);
    if (i->osize == 2)                                  /* undefined; CPUs clear it */
        emit(t, IR_mov, IR_I16, d, tr_imm(t, 0), NONE);
    else
        swap_bytes(t, tr_type(i->osize), d, d);
}

void x86_tr_MOVBE(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_type(i->osize);
    IrRef d = tr_operand(t, i, 0, IR_WRITE), s = tr_operand(t, i, 1, IR_READ), v = tr_temp(t);
    emit(t, IR_mov, type, v, s, NONE);
    swap_bytes(t, type, v, v);
    emit(t, IR_mov, type, d, v, NONE);
}

void x86_tr_CBW(X86Tr *t, const X86Insn *i)
{
    IrRef ax = ir_guest(R_RAX);
    emit(t,
         i->osize == 2   ? IR_sext8
         : i->osize == 4 ? IR_sext16
                         : IR_sext32,
         tr_type(i->osize), ax, ax, NONE);
}

void x86_tr_CWD(X86Tr *t, const X86Insn *i)
{
    emit(t, IR_sar, tr_type(i->osize), ir_guest(R_RDX), ir_guest(R_RAX),
         tr_imm(t, i->osize * 8u - 1));
}

void x86_tr_XLAT(X86Tr *t, const X86Insn *i)
{
    IrMem m = { .base = ir_guest(R_RBX), .index = tr_temp(t), .offset_bits = i->asize * 8 };
    emit(t, IR_zext8, IR_I64, m.index, ir_guest(R_RAX), NONE);
    tr_segment(t, &m, i->seg);
    IrRef h = tr_check_mem(t, &m, 1, IR_READ);
    emit(t, IR_mov, IR_I8, ir_guest(R_RAX), h, NONE);
}

/* ---- flags ---- */
void x86_tr_CLC(X86Tr *t, const X86Insn *i)
{
    emit_flags(t, IR_setfl, IR_I32, NONE, tr_imm(t, 0), NONE, FL_C, 0);
}
void x86_tr_STC(X86Tr *t, const X86Insn *i)
{
    emit_flags(t, IR_setfl, IR_I32, NONE, tr_imm(t, EF_CF), NONE, FL_C, 0);
}
void x86_tr_CMC(X86Tr *t, const X86Insn *i)
{
    emit_flags(t, IR_cmc, IR_I32, NONE, NONE, NONE, FL_C, 0);
}

/* In 64-bit mode the first CPUs did not have these. */
static bool lacks_lahf(const X86Tr *t) { return tr_code64(t) && !x86_has_feature(t->cpu, F_LAHF); }

void x86_tr_LAHF(X86Tr *t, const X86Insn *i)
{
    if (lacks_lahf(t)) {
        tr_ud(t);
        return;
    }
    IrRef v = tr_temp(t);
    emit(t, IR_getfl, IR_I32, v, NONE, NONE);
    emit(t, IR_or, IR_I32, v, v, tr_imm(t, 2));
    emit(t, IR_mov, IR_I8, ir_guest_high(R_RAX), v, NONE);
}

void x86_tr_SAHF(X86Tr *t, const X86Insn *i)
{
    if (lacks_lahf(t)) {
        tr_ud(t);
        return;
    }
    IrRef v = tr_temp(t);
    emit(t, IR_zext8, IR_I32, v, ir_guest_high(R_RAX), NONE);
    emit_flags(t, IR_setfl, IR_I32, NONE, v, NONE, FL_ALL & ~FL_O, 0);
}

void x86_tr_SALC(X86Tr *t, const X86Insn *i)
{
    IrRef v = tr_temp(t);
    emit(t, IR_setcc, IR_I8, v, NONE, NONE)->cond = CC_B;
    emit(t, IR_neg, IR_I8, ir_guest(R_RAX), v, NONE);
}

/* DF is kept twice: in rflags, and as the step of string instructions. */
void x86_tr_CLD(X86Tr *t, const X86Insn *i)
{
    emit(t, IR_mov, IR_I64, CTX(df), tr_imm(t, 1), NONE);
}

void x86_tr_STD(X86Tr *t, const X86Insn *i)
{
    emit(t, IR_mov, IR_I64, CTX(df), tr_imm(t, UINT64_MAX), NONE);
}
