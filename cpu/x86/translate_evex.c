/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_evex.c -- EVEX-coded instructions, those on opmask registers, and GFNI: what is #UD,
 * then one helper each.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7.11 (#UD of EVEX), 2.8 (exception classes); KADDW and the
 *   like; GF2P8MULB.
 * Omits: native code for them.
 * Threads: the vCPU that translates.
 */
#include "cpu/x86/translate.h"
#include "cpu/x86/evex.h"
#include "cpu/x86/evex_mask.h"

enum { P2_Z = 0x80, P2_B = 0x10, P2_V = 8, P2_AAA = 7 };

static unsigned length_of(const X86Insn *i) { return i->evex >> 5 & 3; }        /* L'L */

/* EVEX.b: broadcast from memory, or rounding control and no exceptions; else it is reserved. */
static bool is_b_fine(const X86EvexRow *r, const X86Insn *i)
{
    if (!(i->evex & P2_B))
        return true;
    if (i->mod != 3)
        return r->tuple == T_FV || r->tuple == T_HV;
    return r->flags & (E_ER | E_SAE);
}

static bool is_mask_fine(const X86EvexRow *r, const X86Insn *i)
{
    unsigned k = i->evex & P2_AAA;
    bool no_zeroing =
        r->ops[0] == OPD_K || (r->ops[0] == OPD_W && i->mod != 3) || (r->flags & E_VSIB) || !k;
    if ((r->flags & E_NOMASK) && k)
        return false;
    if ((r->flags & E_VSIB) && !k)
        return false;
    return !(i->evex & P2_Z) || !(no_zeroing || (r->flags & E_NOMASK));
}

/* The vector length in effect, as its bit in X86EvexRow.lengths; 0: none. */
static unsigned length_bit(const X86EvexRow *r, const X86Insn *i)
{
    bool rounding = i->mod == 3 && (i->evex & P2_B);
    unsigned l = rounding ? 2 : length_of(i);
    if (l == 3)
        return 0;
    return r->lengths == L_IG ? L_IG : r->lengths & 1u << l;
}

static bool is_vsib_fine(const X86EvexRow *r, const X86Insn *i, unsigned index)
{
    if (!(r->flags & E_VSIB))
        return true;
    return (i->modrm & 7) == 4 && i->asize != 2 && !(r->ops[0] == OPD_V && i->reg == index);
}

static unsigned vsib_index(const X86Insn *i, bool code64)
{
    unsigned index = i->index == X86_NO_REG ? 4 : i->index;
    return !(i->evex & P2_V) && code64 ? index + 16 : index;
}

bool x86_evex_is_valid(const X86Insn *i, bool code64)
{
    const X86EvexRow *r = &x86_evex_rows[i->row->sub];
    return length_bit(r, i) && is_b_fine(r, i) && is_mask_fine(r, i) &&
           is_vsib_fine(r, i, vsib_index(i, code64)) && !(r->ops[0] == OPD_K && i->reg > 7) &&
           !(r->ops[0] == OPD_G && i->reg > 15);
}

static bool has_features(const X86Cpu *c, const X86EvexRow *r, unsigned length)
{
    bool vl = (length == 1 || length == 2) && r->lengths != L_X;
    return x86_has_feature(c, F_AVX512F) && x86_has_feature(c, r->feature) &&
           (!vl || x86_has_feature(c, F_AVX512VL));
}

static void emit_evex(X86Tr *t, const X86Insn *i, unsigned sub, unsigned p2, unsigned flags,
                      unsigned index)
{
    X86Insn at = *i;
    if (x86_evex_rows[sub].flags & E_VSIB)
        at.index = X86_NO_REG;
    IrRef offset = i->mod != 3 ? tr_offset(t, &at) : tr_imm(t, 0);
    uint64_t a = sub | (uint64_t)i->reg << 16 | (uint64_t)(i->mod == 3 ? i->rm : 0xff) << 24 |
                 (uint64_t)i->vvvv << 32 | (i->imm & 0xff) << 40 | (uint64_t)p2 << 48 |
                 (uint64_t)flags << 56;
    tr_helper(t, XH_evex, NONE, tr_imm(t, a), offset,
              tr_imm(t, i->seg | (uint64_t)i->asize * 8 << 8 | (uint64_t)i->scale << 16 |
                            (uint64_t)index << 24));
}

void x86_tr_evex(X86Tr *t, const X86Insn *i)
{
    const X86EvexRow *r = &x86_evex_rows[i->row->sub];
    if (!x86_evex_is_valid(i, tr_code64(t)) || !has_features(t->cpu, r, length_bit(r, i))) {
        tr_ud(t);
        return;
    }
    emit_evex(t, i, i->row->sub, i->evex, 0, vsib_index(i, tr_code64(t)));
}

/* ---- opmask registers ---- */
void x86_tr_KOP(X86Tr *t, const X86Insn *i)
{
    const KOp *k =
        x86_kop_find(i->map, i->opcode, i->mandatory,
                     i->wide && (tr_code64(t) || !x86_kop_has_gpr(i->opcode)), i->mod != 3);
    bool three = k && k->operands == 3;
    if (!k || i->vl != three || !x86_has_feature(t->cpu, F_AVX512F) ||
        !x86_has_feature(t->cpu, k->feature) || (!three && i->vvvv) || i->vvvv > 7 ||
        (k->op != KOP_TO_GPR && i->reg > 7)) {
        tr_ud(t);
        return;
    }
    IrRef offset = i->mod != 3 ? tr_offset(t, i) : tr_imm(t, 0);
    uint64_t a = k->op | (uint64_t)k->bytes << 8 | (uint64_t)i->reg << 16 | (uint64_t)i->rm << 24 |
                 (uint64_t)i->vvvv << 32 | (i->imm & 0xff) << 40;
    tr_helper(t, XH_kop, NONE, tr_imm(t, a), offset, tr_imm(t, i->seg));
}

/* ---- GFNI with VEX: the EVEX rows without a mask ---- */
void x86_tr_VGF(X86Tr *t, const X86Insn *i)
{
    unsigned sub = i->map == 2         ? EX_gf2p8mulb
                   : i->opcode == 0xce ? EX_gf2p8affineqb
                                       : EX_gf2p8affineinvqb;
    if (i->wide != (i->map == 3) || !x86_has_feature(t->cpu, F_AVX) ||
        !x86_has_feature(t->cpu, F_GFNI)) {
        tr_ud(t);
        return;
    }
    if (!(t->mode & X86_MODE_AVX)) {
        tr_helper(t, XH_no_avx, NONE, NONE, NONE, NONE);
        tr_end_pc(t);
        return;
    }
    emit_evex(t, i, sub, (unsigned)i->vl << 5, EVEX_IS_VEX, 0);
}
