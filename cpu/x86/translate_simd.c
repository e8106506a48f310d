/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_simd.c -- MMX and SSE instructions to IR: a check for the memory operand, then one vop.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7 (exception classes); vol. 1, ch. 9.6 (what MMX
 *   instructions do to the x87).
 * Omits: VEX forms, see translate_vex.c; EVEX forms.
 * Threads: the vCPU's own.
 */
#include "cpu/x86/now3d.h"
#include "cpu/x86/simd.h"

/* Rows whose REX.W twin stands in the line before them. */
static const uint16_t twins[] = {
    XV_cvtsi2ss, XV_cvtsi2sd, XV_cvttss2si, XV_cvttsd2si, XV_cvtss2si, XV_cvtsd2si,
    XV_movd_p,   XV_movd,     XV_movd_ps,   XV_movd_s,    XV_pextrd,   XV_pinsrd,
};

static bool has_twin(unsigned sub)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(twins); k++) {
        if (twins[k] == sub)
            return true;
    }
    return false;
}

static inline bool is_mmx_operand(unsigned letter) { return letter == OPD_P || letter == OPD_Q; }
static inline bool is_rm(unsigned letter)
{
    return letter == OPD_W || letter == OPD_Q || letter == OPD_E;
}

/* An operand that is a register. */
static IrRef reg_operand(unsigned letter, const X86Insn *i)
{
    switch (letter) {
    case OPD_V: return ir_vec(i->reg);
    case OPD_W: return ir_vec(i->rm);
    case OPD_P: return ir_vec(64 + (i->reg & 7));
    case OPD_Q: return ir_vec(64 + (i->rm & 7));
    case OPD_G: return ir_guest(i->reg);
    case OPD_E: return ir_guest(i->rm);
    default: return ir_none();
    }
}

static IrInsn *emit_helper(IrBlock *b, unsigned helper, IrRef p, IrRef q, IrRef r)
{
    IrInsn *o = ir_emit(b, IR_helper, IR_I64, ir_none(), p, q);
    o->sub = (uint16_t)helper;
    o->c = r;
    return o;
}

/* Has this block already entered MMX, with nothing since that could leave it? */
static bool in_mmx(const IrBlock *b)
{
    for (unsigned k = b->n_insns; k-- > 0; ) {
        if (b->insns[k].op == IR_helper)
            return b->insns[k].sub == XH_mmx_enter;
    }
    return false;
}

/* Offset of the memory operand for a helper. */
static IrRef offset_operand(IrBlock *b, const IrMem *m)
{
    IrInsn *o = ir_emit(b, IR_lea,
                        m->offset_bits == 64   ? IR_I64
                        : m->offset_bits == 32 ? IR_I32
                                               : IR_I16,
                        ir_temp(7), ir_none(), ir_none());
    o->mem = ir_mem(b, m);
    return ir_temp(7);
}

static void emit_check(IrBlock *b, const IrMem *m, unsigned access, unsigned bytes, unsigned align)
{
    IrMem mem = *m;
    mem.access = (uint8_t)access;
    mem.span = bytes;
    mem.align = (uint8_t)align;
    IrInsn *o = ir_emit(b, IR_chk, IR_I64, ir_host(0), ir_none(), ir_none());
    o->mem = ir_mem(b, &mem);
}

/* PCMPxSTRx, MASKMOVx: C code does all. */
static void translate_helper(IrBlock *b, const X86Insn *i, const IrMem *m)
{
    uint64_t a = i->reg | (uint64_t)(i->mod == 3 ? i->rm : 0xff) << 8 | (i->imm & 0xff) << 16 |
                 (uint64_t)(i->rex >> 3 & 1) << 24;
    IrRef offset = ir_imm(b, 0);
    if (i->mod != 3)
        offset = offset_operand(b, m);
    else if (i->row->sub == XH_maskmovq || i->row->sub == XH_maskmovdqu)
        offset = ir_guest(R_RDI);
    emit_helper(b, i->row->sub, ir_imm(b, a), offset,
                ir_imm(b, i->seg | (uint64_t)i->asize * 8 << 8));
}

bool x86_simd_translate(X86Cpu *c, IrBlock *b, const X86Insn *i, const IrMem *m)
{
    const X86Row *row = i->row;
    unsigned dst = row->ops[0], src = row->ops[1], sub = row->sub, bytes = row->mem_bytes;
    bool mem = i->mod != 3, wide = false;
    bool mmx = is_mmx_operand(dst) || is_mmx_operand(src);
    bool sse = !mmx || dst == OPD_V || src == OPD_W;    /* CVTPI2PS and the like need both */
    if ((sse && !(b->mode & X86_MODE_SSE)) || (mmx && !(b->mode & X86_MODE_FPU))) {
        emit_helper(b, XH_no_simd, ir_imm(b, sse), ir_none(), ir_none());
        ir_emit(b, IR_exit_pc, IR_I64, ir_none(), ir_none(), ir_none());
        return true;
    }
    if (row->props & ISHELPER) {
        if (row->sub == XH_now3d && !x86_now3d_has(c, i->imm & 0xff)) {
            emit_helper(b, XH_raise, ir_imm(b, EXC_UD), ir_imm(b, 0), ir_none());
            ir_emit(b, IR_exit_pc, IR_I64, ir_none(), ir_none(), ir_none());
            return true;
        }
        if (mmx)
            emit_helper(b, XH_mmx_enter, ir_none(), ir_none(), ir_none());
        translate_helper(b, i, m);
        return false;
    }
    if ((i->rex & 8) && has_twin(sub)) {
        wide = true;
        bytes = x86_vecs[--sub].mem_bytes;
    }
    const IrVecDesc *v = &x86_vecs[sub];
    bool store = mem && is_rm(dst);
    bool enters = mmx && !(mem && (sub == XV_cvtpi2pd || sub == XV_cvtpi2ps)) && !in_mmx(b);
    if (enters && mem)
        emit_helper(b, XH_mmx_check, ir_none(), ir_none(), ir_none())->imm8 = IR_ONLY_RAISES;
    if (mem)
        emit_check(b, m, store ? IR_WRITE : IR_READ, bytes, row->align);
    if (enters)
        emit_helper(b, XH_mmx_enter, ir_none(), ir_none(), ir_none());
    IrRef d = mem && is_rm(dst) ? ir_host(0) : reg_operand(dst, i);
    IrRef s = src == OPD_N0 ? ir_none() : mem && is_rm(src) ? ir_host(0) : reg_operand(src, i);
    if ((v->props & V_FP) && (b->mode & X86_MODE_XMEXC)) {
        uint64_t where =
            (unsigned)(dst == OPD_G ? d.id : d.id & 63) | (uint64_t)(mem ? 0xff : s.id & 63) << 8;
        IrRef offset = mem ? offset_operand(b, m) : ir_imm(b, 0);
        emit_helper(
            b, XH_vop_fp,
            ir_imm(b, sub | (i->imm & 0xff) << 16 | (uint64_t)dst << 24 | (uint64_t)src << 32),
            ir_imm(b, where | (uint64_t)(mem ? i->seg : 0) << 16), offset);
    } else {
        IrInsn *o = ir_emit(b, IR_vop, wide ? IR_I64 : IR_I32, d, s, ir_none());
        o->sub = (uint16_t)sub;
        o->imm8 = (uint8_t)i->imm;
        if (v->props & V_FLAGS)
            o->sets = FL_ALL;
        if (v->props & V_GPR1)
            o->dst2 = ir_guest(R_RCX);
    }
    if (is_mmx_operand(dst) && !store) {
        /* a written MMX register has an exponent of all ones */
        size_t at = offsetof(X86Cpu, fpr) + (d.id - 64u) * sizeof(X86Fpr) + offsetof(X86Fpr, exp);
        ir_emit(b, IR_mov, IR_I16, ir_ctx(at), ir_imm(b, 0xffff), ir_none());
    }
    return false;
}
