/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_fastcall.c -- SYSCALL and SYSRET as IR: from 64-bit code to 64-bit code as a gate,
 * which does in place what the helper (fastcall.c) would; else the helper alone.
 *
 * Spec: Intel SDM (325383) vol. 2, SYSCALL, SYSRET; vol. 3, 5.8.8.
 * Threads: the vCPU that translates.
 */
#include "cpu/x86/sys.h"
#include "cpu/x86/translate.h"

static bool has_gate(const X86Tr *t)
{
    return tr_code64(t) && t->mode & X86_MODE_LMA &&
           !(t->mode & (X86_MODE_SINGLE | X86_MODE_AC | X86_MODE_WATCH | X86_MODE_IOPL));
}

static void gate(X86Tr *t, unsigned helper, IrRef not, unsigned how, bool to_user)
{
    IrInsn *n = emit(t, IR_gate, IR_I64, NONE, not, tr_imm(t, how));
    n->sub = (uint16_t)helper;
    n->imm8 = to_user;
}

/* Not 0 if SYSCALL and SYSRET are off. */
static IrRef no_sce(X86Tr *t)
{
    IrRef v = tr_temp(t);
    emit(t, IR_and, IR_I64, v, CTX(efer), tr_imm(t, EFER_SCE));
    emit(t, IR_xor, IR_I64, v, v, tr_imm(t, EFER_SCE));
    return v;
}

static IrRef flags_image(X86Tr *t)
{
    IrRef v = tr_temp(t), df = tr_temp(t);              /* -1 or 1: bit 10 is DF */
    emit(t, IR_getfl, IR_I64, v, NONE, NONE);
    emit(t, IR_or, IR_I64, v, v, CTX(rflags));
    emit(t, IR_and, IR_I64, df, CTX(df), tr_imm(t, EF_DF));
    emit(t, IR_or, IR_I64, v, v, df);
    return v;
}

/* v: all of EFLAGS. */
static void set_flags(X86Tr *t, IrRef v)
{
    IrRef w = tr_temp(t), one = tr_temp(t);
    emit_flags(t, IR_setfl, IR_I32, NONE, v, NONE, FL_ALL, 0);
    emit(t, IR_and, IR_I64, w, v, tr_imm(t, EF_KNOWN & ~EF_DF));
    emit(t, IR_or, IR_I64, CTX(rflags), w, tr_imm(t, 2));
    emit(t, IR_shr, IR_I64, w, v, tr_imm(t, 9));
    emit(t, IR_and, IR_I64, w, w, tr_imm(t, EF_DF >> 9));
    emit(t, IR_mov, IR_I64, one, tr_imm(t, 1), NONE);
    emit(t, IR_sub, IR_I64, CTX(df), one, w);
}

/* sel: a selector in bits 47:32; plus what is added to it, with or_in in its RPL. */
static void flat_segment(X86Tr *t, unsigned s, IrRef sel, unsigned add, unsigned cpl, unsigned attr,
                         bool data)
{
    size_t at = offsetof(X86Cpu, seg) + s * sizeof(X86Seg);
    IrRef v = tr_temp(t), limit = tr_temp(t);

    _Static_assert(offsetof(X86Seg, selector) == offsetof(X86Seg, limit) + 4 &&
                       offsetof(X86Seg, attr) == offsetof(X86Seg, limit) + 6,
                   "limit, selector and attributes as one word");
    emit(t, IR_add, IR_I64, v, sel, tr_imm(t, (uint64_t)add << 32));
    emit(t, IR_and, IR_I64, v, v, tr_imm(t, UINT64_C(0xffff) << 32));
    emit(t, IR_or, IR_I64, v, v,
         tr_imm(t,
                0xffffffff | (uint64_t)cpl << 32 | (uint64_t)(attr | cpl << ATTR_DPL_SHIFT) << 48));
    emit(t, IR_mov, IR_I64, ir_ctx(at + offsetof(X86Seg, limit)), v, NONE);
    emit(t, IR_mov, IR_I64, limit, tr_imm(t, 0xffffffff), NONE);
    emit(t, IR_mov, IR_I64, ir_ctx(at + offsetof(X86Seg, base)), tr_imm(t, 0), NONE);
    emit(t, IR_mov, IR_I64, ir_ctx(at + offsetof(X86Seg, lo)), tr_imm(t, 0), NONE);
    emit(t, IR_mov, IR_I64, ir_ctx(at + offsetof(X86Seg, hi_read)), limit, NONE);
    emit(t, IR_mov, IR_I64, ir_ctx(at + offsetof(X86Seg, hi_write)),
         data ? limit : tr_imm(t, UINT64_MAX), NONE);
}

static void flat_code64(X86Tr *t, IrRef cs, unsigned add, IrRef ss, unsigned ss_add, unsigned cpl)
{
    flat_segment(t, S_CS, cs, add, cpl, X86_FLAT_CODE | ATTR_L, false);
    flat_segment(t, S_SS, ss, ss_add, cpl, X86_FLAT_DATA, true);
    emit(t, IR_mov, IR_I8, CTX(cpl), tr_imm(t, cpl), NONE);
}

void x86_tr_SYSCALL(X86Tr *t, const X86Insn *i)
{
    if (!has_gate(t) || tr_cpl(t) != 3) {
        tr_helper(t, XH_syscall, NONE, tr_imm(t, 0), NONE, tr_imm(t, i->length));
        tr_end_pc(t);
        return;
    }
    IrRef not = no_sce(t), v = tr_temp(t);
    emit(t, IR_and, IR_I64, v, CTX(rflags), tr_imm(t, X86_GATE_FLAGS));
    emit(t, IR_or, IR_I64, not, not, v);
    gate(t, XH_syscall, not, i->length, false);
    v = flags_image(t);
    emit(t, IR_mov, IR_I64, ir_guest(R_R11), v, NONE);
    emit(t, IR_mov, IR_I64, ir_guest(R_RCX), tr_eip(t, t->next), NONE);
    IrRef mask = tr_temp(t);
    emit(t, IR_not, IR_I64, mask, CTX(sfmask), NONE);
    emit(t, IR_and, IR_I64, mask, mask, ir_guest(R_R11));
    set_flags(t, mask);
    IrRef sel = tr_temp(t);
    emit(t, IR_and, IR_I64, sel, CTX(star), tr_imm(t, UINT64_C(0xfffc) << 32));
    flat_code64(t, sel, 0, sel, 8, 0);
    IrRef to = tr_temp(t);
    emit(t, IR_mov, IR_I64, to, CTX(lstar), NONE);
    emit(t, IR_mov, IR_I64, CTX(dbt.pc), to, NONE);
    tr_end_pc(t);
}

/* An interrupt that it lets in and an address that is not canonical are the helper's. */
void x86_tr_SYSRET(X86Tr *t, const X86Insn *i)
{
    unsigned how = i->length | i->osize << 8;

    if (!has_gate(t) || tr_cpl(t) || i->osize != 8) {
        tr_helper(t, XH_sysret, NONE, tr_imm(t, 0), NONE, tr_imm(t, how));
        tr_end_pc(t);
        return;
    }
    IrRef not = no_sce(t), v = tr_temp(t);
    emit(t, IR_and, IR_I64, v, ir_guest(R_R11), tr_imm(t, X86_GATE_FLAGS & ~EF_RF));
    emit(t, IR_or, IR_I64, not, not, v);
    emit(t, IR_and, IR_I64, v, CTX(rflags), tr_imm(t, EF_RF));
    emit(t, IR_or, IR_I64, not, not, v);
    emit(t, IR_shr, IR_I64, v, ir_guest(R_RCX), tr_imm(t, 47));
    emit(t, IR_or, IR_I64, not, not, v);
    emit(t, IR_zext32, IR_I64, v, CTX(events), NONE);
    emit(t, IR_or, IR_I64, not, not, v);
    gate(t, XH_sysret, not, how, true);
    IrRef image = tr_temp(t);
    emit(t, IR_and, IR_I64, image, ir_guest(R_R11), tr_imm(t, X86_SYSRET_FLAGS));
    set_flags(t, image);
    IrRef sel = tr_temp(t);
    emit(t, IR_shr, IR_I64, sel, CTX(star), tr_imm(t, 16));
    emit(t, IR_and, IR_I64, sel, sel, tr_imm(t, UINT64_C(0xfffc) << 32));
    flat_code64(t, sel, 16, sel, 8, 3);
    emit(t, IR_mov, IR_I64, CTX(dbt.pc), ir_guest(R_RCX), NONE);
    tr_end_pc(t);
}
