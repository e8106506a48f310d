/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_vex.c -- VEX-coded instructions, and ADCX and ADOX, as IR.
 *
 * Vector instructions are a check for the memory operand and one vop of a VEX form; masked moves,
 * gathers, and all where an exception may be unmasked are a helper each.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.3, 2.7 (exception classes); the instructions by name.
 * Threads: the vCPU that translates.
 */
#include "cpu/x86/translate.h"
#include "cpu/x86/simd.h"
#include "cpu/x86/bmi.h"

/* ---- BMI1, BMI2, ADX ---- */
/* zero-extended to 64 bits, in a temporary */
static IrRef wide_value(X86Tr *t, const X86Insn *i, unsigned k)
{
    IrType type = tr_operand_type(i, k);
    IrRef s = tr_operand(t, i, k, IR_READ), d = tr_temp(t);
    emit(t, IR_mov, type, d, s, NONE);
    return d;
}

static void by_helper(X86Tr *t, const X86Insn *i, unsigned op, unsigned dst, unsigned a, unsigned b)
{
    IrRef second = wide_value(t, i, b), first = a == b ? second : wide_value(t, i, a);
    tr_helper(t, XH_bmi, tr_operand(t, i, dst, IR_WRITE), first, second,
              tr_imm(t, op | 8u << tr_operand_type(i, dst) << 8));
}

/*
 * dst = op(a, b): OF cleared, SF and ZF by the result, CF as it is unless `carry` says it is
 * cleared.
 */
static void logic(X86Tr *t, const X86Insn *i, IrOp op, IrRef a, IrRef b, bool carry)
{
    IrType type = tr_operand_type(i, 0);
    emit_flags(t, op, type, tr_operand(t, i, 0, IR_WRITE), a, b, carry ? FL_ALL : FL_ALL & ~FL_C,
               FL_P | FL_A);
}

void x86_tr_ANDN(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    IrRef b = wide_value(t, i, 2), a = wide_value(t, i, 1);
    emit(t, IR_not, type, a, a, NONE);
    logic(t, i, IR_and, a, b, true);
}

/* BLSR, BLSMSK: CF = source is 0, as of a comparison with 1; BLSI: its contrary, as of NEG. */
void x86_tr_BLS(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    IrRef a = wide_value(t, i, 1), b = tr_temp(t);
    unsigned which = i->modrm >> 3 & 7;                 /* 1 BLSR, 2 BLSMSK, 3 BLSI */
    if (which == 3) {
        emit_flags(t, IR_neg, type, b, a, NONE, FL_C, 0);
    } else {
        emit_flags(t, IR_sub, type, b, a, tr_imm(t, 1), FL_C, 0);
    }
    logic(t, i, which == 2 ? IR_xor : IR_and, a, b, false);
}

void x86_tr_BZHI(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    IrRef count = wide_value(t, i, 2), a = wide_value(t, i, 1), mask = tr_temp(t), all = tr_temp(t);
    emit(t, IR_zext8, type, count, count, NONE);
    emit(t, IR_mov, type, mask, tr_imm(t, 1), NONE);
    emit(t, IR_shl, type, mask, mask, count);
    emit(t, IR_sub, type, mask, mask, tr_imm(t, 1));
    emit(t, IR_mov, type, all, tr_imm_of(t, type, UINT64_MAX), NONE);
    emit_flags(t, IR_cmp, type, NONE, tr_imm(t, (8u << type) - 1), count, FL_C, 0);
    emit(t, IR_sel, type, mask, all, mask)->cond = CC_B;
    logic(t, i, IR_and, a, mask, false);
}
void x86_tr_BEXTR(X86Tr *t, const X86Insn *i) { by_helper(t, i, BMI_BEXTR, 0, 1, 2); }
void x86_tr_ADX(X86Tr *t, const X86Insn *i)
{
    by_helper(t, i, i->mandatory == P_66 ? BMI_ADCX : BMI_ADOX, 0, 0, 1);
}

static void deposit(X86Tr *t, const X86Insn *i, unsigned helper)
{
    IrRef mask = wide_value(t, i, 2), value = wide_value(t, i, 1);
    tr_helper(t, helper, ir_guest(i->reg), value, mask, NONE);
}
void x86_tr_PEXT(X86Tr *t, const X86Insn *i) { deposit(t, i, XH_pext); }
void x86_tr_PDEP(X86Tr *t, const X86Insn *i) { deposit(t, i, XH_pdep); }

/* No flags are read or written. */
static void plain_shift(X86Tr *t, const X86Insn *i, IrOp op)
{
    IrType type = tr_operand_type(i, 0);
    IrRef v = wide_value(t, i, 1), count = tr_temp(t);
    if (op == IR_ror)
        count = tr_imm(t, i->imm & (type == IR_I64 ? 63 : 31));
    else
        emit(t, IR_mov, type, count, ir_guest(i->vvvv), NONE);
    emit(t, op, type, v, v, count);
    emit(t, IR_mov, type, ir_guest(i->reg), v, NONE);
}
void x86_tr_SHLX(X86Tr *t, const X86Insn *i) { plain_shift(t, i, IR_shl); }
void x86_tr_SHRX(X86Tr *t, const X86Insn *i) { plain_shift(t, i, IR_shr); }
void x86_tr_SARX(X86Tr *t, const X86Insn *i) { plain_shift(t, i, IR_sar); }
void x86_tr_RORX(X86Tr *t, const X86Insn *i) { plain_shift(t, i, IR_ror); }

void x86_tr_MULX(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_operand_type(i, 0);
    IrRef s = wide_value(t, i, 2), lo = tr_temp(t), hi = tr_temp(t);
    emit(t, IR_mov, type, lo, ir_guest(R_RDX), NONE);
    emit(t, IR_mulu2, type, lo, lo, s)->dst2 = hi;
    emit(t, IR_mov, type, ir_guest(i->vvvv), lo, NONE);
    emit(t, IR_mov, type, ir_guest(i->reg), hi, NONE);
}

/* ---- vectors ---- */
static bool has_zmm(const X86Cpu *c) { return c->feat[FEAT_7_EBX] >> 16 & 1; }         /* AVX512F */

static bool avx_runs(X86Tr *t)
{
    if (t->mode & X86_MODE_AVX)
        return true;
    tr_helper(t, XH_no_avx, NONE, NONE, NONE, NONE);
    tr_end_pc(t);
    return false;
}

bool x86_vex_gate(X86Tr *t, const X86Insn *i)
{
    return i->row->feature != F_AVX || avx_runs(t);
}

void x86_tr_VZERO(X86Tr *t, const X86Insn *i)
{
    if (!i->vl && tr_code64(t) && !has_zmm(t->cpu))
        emit(t, IR_vop, IR_I32, NONE, NONE, NONE)->sub = XV_VZEROUPPER;
    else
        tr_helper(t, XH_vzero, NONE, tr_imm(t, i->vl), NONE, NONE);
}

/* PCMPxSTRx and MASKMOVDQU: the helpers of the SSE forms. */
static void as_sse(X86Tr *t, const X86Insn *i, unsigned helper)
{
    X86Row row = *i->row;
    X86Insn sse = *i;
    IrMem m = { .segment = SEG_NONE };
    row.props = ISHELPER;
    row.sub = (uint16_t)helper;
    sse.row = &row;
    if (i->mod != 3)
        tr_address(t, i, &m);
    t->done = x86_simd_translate(t->cpu, t->b, &sse, &m);
}
void x86_tr_VMASKMOV(X86Tr *t, const X86Insn *i) { as_sse(t, i, XH_maskmovdqu); }
void x86_tr_VPCMPSTR(X86Tr *t, const X86Insn *i)
{
    static const uint16_t helpers[4] = { XH_pcmpestrm, XH_pcmpestri, XH_pcmpistrm, XH_pcmpistri };
    as_sse(t, i, helpers[i->opcode & 3]);
    if (!t->done && !(i->opcode & 1))
        tr_helper(t, XH_vzero, NONE, tr_imm(t, 2), NONE, NONE);
}

static IrRef vex_operand(const X86Insn *i, unsigned letter, IrRef memory)
{
    switch (letter) {
    case OPD_V: return ir_vec(i->reg);
    case OPD_H: return ir_vec(i->vvvv);
    case OPD_G: return ir_guest(i->reg);
    case OPD_W: return memory.kind ? memory : ir_vec(i->rm);
    case OPD_E: return memory.kind ? memory : ir_guest(i->rm);
    default: return NONE;
    }
}

/* As a check and a vop, where it cannot raise but for its operand. */
static bool by_vop(X86Tr *t, const X86Insn *i, const X86VexRow *v)
{
    IrRef memory = NONE;
    if ((v->props & (VX_MASK4 | VX_MASK8 | VX_GATHER)) || t->mode & X86_MODE_XMEXC)
        return false;
    if (i->mod != 3) {
        IrMem m;
        tr_address(t, i, &m);
        m.align = v->aligned ? v->bytes[i->vl] : 0;
        memory = tr_check_mem(t, &m, v->bytes[i->vl],
                              v->ops[0] == OPD_W || v->ops[0] == OPD_E ? IR_WRITE : IR_READ);
    }
    IrInsn *n = emit(t, IR_vop, IR_I64, vex_operand(i, v->ops[0], memory),
                     vex_operand(i, v->ops[1], memory), vex_operand(i, v->ops[2], memory));
    if (v->imm == 2)
        n->c = ir_vec(i->imm >> 4 & (tr_code64(t) ? 15 : 7));
    n->sub = (uint16_t)(XV_N + i->row->sub);
    n->imm8 = (uint8_t)i->imm;
    n->vl = (uint8_t)(i->vl | (has_zmm(t->cpu) ? VL_CLEAR : 0));
    if (v->props & V_FLAGS)                             /* comparisons: dst is a source */
        n->sets = FL_ALL;
    return true;
}

void x86_tr_vex(X86Tr *t, const X86Insn *i)
{
    const X86VexRow *v = &x86_vex_rows[i->row->sub];
    unsigned feature = v->feature[i->vl];
    bool gather = v->props & VX_GATHER;
    X86Insn at = *i;
    if (feature == F_N || !x86_has_feature(t->cpu, F_AVX) || !x86_has_feature(t->cpu, feature)) {
        tr_ud(t);
        return;
    }
    if (gather) {
        unsigned index = i->index == X86_NO_REG ? 4 : i->index;
        if ((i->modrm & 7) != 4 || i->asize == 2 || i->reg == i->vvvv || i->reg == index ||
            i->vvvv == index) {
            tr_ud(t);
            return;
        }
        at.index = X86_NO_REG;
    }
    if (!avx_runs(t) || by_vop(t, i, v))
        return;
    IrRef offset = i->mod != 3 ? tr_offset(t, &at) : tr_imm(t, 0);
    uint64_t index = i->index == X86_NO_REG ? 4 : i->index;
    uint64_t a = i->row->sub | (uint64_t)i->reg << 16 |
                 (uint64_t)(i->mod == 3 ? i->rm : 0xff) << 24 | (uint64_t)i->vvvv << 32 |
                 (i->imm & 0xff) << 40 | (uint64_t)i->vl << 48;
    tr_helper(
        t, XH_vex, NONE, tr_imm(t, a), offset,
        tr_imm(t, i->seg | (uint64_t)i->asize * 8 << 8 | (uint64_t)i->scale << 16 | index << 24));
}
