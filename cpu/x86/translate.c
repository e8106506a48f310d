/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate.c -- from x86 code to blocks of IR: the block loop, control transfers, and where blocks
 * end.
 *
 * A block runs straight on through conditional branches and ends at jumps, calls, returns, what may
 * change the mode, and the page's end.  Targets are offsets from the page base, so that the code
 * holds no absolute PC.
 *
 * Spec: Intel SDM (325383) vol. 2; vol. 1, ch. 6 (calls), vol. 3, 6.8.3 (interrupt shadows).
 * Omits: a direct jump whose EIP wraps, passes the limit of CS or is not canonical is computed at
 * run time if it does so where the block is first translated; the same code elsewhere then faults
 * at the target.
 * Threads: the vCPU that translates.
 */
#include "core/debug.h"
#include <string.h>
#include "cpu/x86/sys.h"
#include "cpu/x86/translate.h"
#include "cpu/x86/simd.h"

/* ---- leaving ---- */
void tr_helper(X86Tr *t, unsigned number, IrRef dst, IrRef a, IrRef b, IrRef c)
{
    IrInsn *n = emit(t, IR_helper, IR_I64, dst, a, b);
    n->sub = (uint16_t)number;
    n->c = c;
}

void tr_end_pc(X86Tr *t)
{
    emit(t, IR_exit_pc, IR_I64, NONE, NONE, NONE);
    t->done = true;
}

void tr_end_next(X86Tr *t)
{
    emit(t, IR_exit_next, IR_I64, NONE, NONE, NONE)->imm = t->next;
    t->done = true;
}

void tr_raise(X86Tr *t, unsigned vector)
{
    tr_helper(t, XH_raise, NONE, tr_imm(t, vector), tr_imm(t, 0), NONE);
    tr_end_pc(t);
}

void tr_ud(X86Tr *t) { tr_raise(t, EXC_UD); }

/* Linear address of page base + offset. */
static IrRef linear_of(X86Tr *t, int32_t offset)
{
    uint16_t mem = ir_mem_new(t->b);
    t->b->mems[mem] = (IrMem){ .segment = SEG_NONE, .pc_relative = true, .disp = offset,
                               .linear_bits = 64, .offset_bits = tr_code64(t) ? 64 : 32 };
    IrRef d = tr_temp(t);
    emit(t, IR_lea, tr_code64(t) ? IR_I64 : IR_I32, d, NONE, NONE)->mem = mem;
    return d;
}

void tr_end_lookup(X86Tr *t)
{
    emit(t, IR_mov, IR_I64, CTX(dbt.pc), linear_of(t, t->next), NONE);
    tr_end_pc(t);
}

/* ---- jumps ---- */
IrRef tr_eip(X86Tr *t, int32_t offset)
{
    IrRef d = linear_of(t, offset);
    if (!(t->mode & X86_MODE_FLAT_CS))
        emit(t, IR_sub, IR_I32, d, d, CTX(seg[S_CS].base));
    return d;
}

/* To the EIP or RIP in a register or temporary, cut to the operand size. */
void tr_jump_to(X86Tr *t, IrRef eip, unsigned osize)
{
    IrRef d = tr_temp(t);
    emit(t, osize == 2 ? IR_zext16 : IR_mov, osize == 8 ? IR_I64 : IR_I32, d, eip, NONE);
    if (!(t->mode & X86_MODE_FLAT_CS))
        emit(t, IR_add, IR_I32, d, d, CTX(seg[S_CS].base));
    emit(t, IR_jind, IR_I64, NONE, d, NONE);
    t->done = true;
}

/*
 * A branch beyond the limit of CS faults itself, before its push or pop is done.  (A flat CS has no
 * limit to leave.)  One to an address that is not canonical is seen where it finds no block, and
 * what it did is taken back (guest.c): not CALL's push.
 */
static void check_target(X86Tr *t, IrRef eip, unsigned osize)
{
    /* its limit is 64 KiB */
    bool is_real = !(t->mode & X86_MODE_PE) || (t->mode & X86_MODE_VM);
    if (t->mode & X86_MODE_FLAT_CS || (osize == 2 && is_real))
        return;
    tr_helper(t, XH_check_eip, NONE, eip, tr_imm(t, osize), NONE);
    t->b->insns[t->b->n_insns - 1].imm8 = IR_ONLY_RAISES;
}

/*
 * Is the target a plain offset from the page base?  Not where EIP wraps, nor in the far ends of the
 * address space.
 */
static bool plain_target(const X86Tr *t, const X86Insn *i, int32_t *offset)
{
    int64_t to = (int64_t)t->next + (int64_t)i->imm;
    uint64_t base = t->b->pc & ~(uint64_t)(DBT_PAGE - 1);
    if (to != (int32_t)to)
        return false;
    *offset = (int32_t)to;
    uint64_t linear = base + (uint64_t)to, mask = i->osize == 2 ? 0xffff : 0xffffffff;
    if (tr_code64(t))
        return x86_canonical(linear);
    if (t->mode & X86_MODE_FLAT_CS)
        return linear <= mask;
    const X86Seg *cs = &t->cpu->seg[S_CS];
    return linear >> 32 == 0 && linear >= cs->base && linear - cs->base <= MIN(mask, cs->limit);
}

/* Its EIP or RIP, checked. */
static IrRef computed_target(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_code64(t) ? IR_I64 : IR_I32;
    IrRef d = tr_eip(t, t->next);
    emit(t, IR_add, type, d, d, tr_imm_of(t, type, i->imm));
    check_target(t, d, i->osize);
    return d;
}

static void computed_jump(X86Tr *t, const X86Insn *i)
{
    bool counts = i->row->tr == x86_tr_LOOP && !(t->mode & X86_MODE_FLAT_CS);
    IrRef cx = ir_guest(R_RCX);
    if (counts)                         /* not if it faults */
        emit(t, IR_add, tr_type(i->asize), cx, cx, tr_imm(t, 1));
    IrRef d = computed_target(t, i);
    if (counts)
        emit(t, IR_sub, tr_type(i->asize), cx, cx, tr_imm(t, 1));
    tr_jump_to(t, d, i->osize);
}

void tr_jump(X86Tr *t, const X86Insn *i)
{
    int32_t to;
    if (plain_target(t, i, &to)) {
        emit(t, IR_jmp, IR_I64, NONE, NONE, NONE)->imm = to;
        t->done = true;
    } else {
        computed_jump(t, i);
    }
}

static void note_exit(X86Tr *t, int32_t to)
{
    if (to >= t->next && to < DBT_PAGE && t->n_ahead < G_N_ELEMENTS(t->ahead))
        t->ahead[t->n_ahead++] = to;
    else
        t->n_away++;
}

void tr_jump_if(X86Tr *t, const X86Insn *i, unsigned cc)
{
    int32_t to;
    bool plain = plain_target(t, i, &to);
    IrInsn *n = emit(t, IR_br, IR_I64, NONE, NONE, NONE);
    n->cond = plain ? cc : cc ^ 1;
    n->imm = plain ? to : t->next;
    if (plain)
        note_exit(t, to);
    else
        computed_jump(t, i);
}

void tr_jump_if_zero(X86Tr *t, const X86Insn *i, IrOp op, IrType type, IrRef value)
{
    int32_t to;
    bool plain = plain_target(t, i, &to);
    if (!plain)
        op = op == IR_brz ? IR_brnz : IR_brz;
    emit(t, op, type, NONE, value, NONE)->imm = plain ? to : t->next;
    if (plain)
        note_exit(t, to);
    else
        computed_jump(t, i);
}

void x86_tr_JMP(X86Tr *t, const X86Insn *i)
{
    if (i->row->ops[0] != OPD_Ev) {
        tr_jump(t, i);
        return;
    }
    IrRef d = tr_temp(t);
    emit(t, IR_mov, tr_type(i->osize), d, tr_operand(t, i, 0, IR_READ), NONE);
    check_target(t, d, i->osize);
    tr_jump_to(t, d, i->osize);
}

void x86_tr_JCC(X86Tr *t, const X86Insn *i) { tr_jump_if(t, i, i->opcode & 15); }

void x86_tr_CALL(X86Tr *t, const X86Insn *i)
{
    int32_t to;
    bool direct = i->row->ops[0] != OPD_Ev, plain = direct && plain_target(t, i, &to);
    IrRef d = NONE;
    if (!direct) {
        d = tr_temp(t);
        emit(t, IR_mov, tr_type(i->osize), d, tr_operand(t, i, 0, IR_READ), NONE);
        check_target(t, d, i->osize);
    } else if (!plain) {
        d = computed_target(t, i);
    }
    IrRef h = tr_check_push(t, i->osize);
    if (!plain && i->osize == 8)        /* its #GP comes after the push's #PF (Zen 3) */
        emit(t, IR_chkpc, IR_I64, NONE, d, NONE);
    emit(t, IR_mov, tr_type(i->osize), h, tr_eip(t, t->next), NONE);
    tr_move_sp(t, -(int32_t)i->osize);
    if (plain)
        tr_jump(t, i);
    else
        tr_jump_to(t, d, i->osize);
}

void x86_tr_RET(X86Tr *t, const X86Insn *i)
{
    IrRef h = tr_check_pop(t, i->osize), d = tr_temp(t);
    emit(t, IR_mov, tr_type(i->osize), d, h, NONE);
    check_target(t, d, i->osize);
    tr_move_sp(t, (int32_t)(i->osize + i->imm));
    tr_jump_to(t, d, i->osize);
}

void x86_tr_LOOP(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_type(i->asize);
    IrRef cx = ir_guest(R_RCX);
    emit(t, IR_sub, type, cx, cx, tr_imm(t, 1));
    if (i->opcode != 0xe2) {                            /* LOOPNE, LOOPE */
        emit(t, IR_brz, type, NONE, cx, NONE)->imm = t->next;
        tr_jump_if(t, i, i->opcode == 0xe0 ? CC_NE : CC_E);
    } else {
        tr_jump_if_zero(t, i, IR_brnz, type, cx);
    }
}

void x86_tr_JRCXZ(X86Tr *t, const X86Insn *i)
{
    tr_jump_if_zero(t, i, IR_brz, tr_type(i->asize), ir_guest(R_RCX));
}

/* ---- far transfers, interrupts, system calls: helpers that set the PC ---- */
static IrRef len_and_size(X86Tr *t, const X86Insn *i)
{
    return tr_imm(t, i->length | (unsigned)i->osize << 8);
}

static void far_transfer(X86Tr *t, const X86Insn *i, unsigned helper)
{
    IrRef selector, offset;
    if (i->row->ops[0] == OPD_Ap) {
        selector = tr_imm(t, i->imm2);
        offset = tr_imm(t, i->imm);
    } else {
        selector = tr_far_pointer(t, i, &offset);
    }
    tr_helper(t, helper, NONE, selector, offset, len_and_size(t, i));
    tr_end_pc(t);
}
void x86_tr_CALLF(X86Tr *t, const X86Insn *i) { far_transfer(t, i, XH_far_call); }
void x86_tr_JMPF(X86Tr *t, const X86Insn *i) { far_transfer(t, i, XH_far_jmp); }

static void leave_by(X86Tr *t, const X86Insn *i, unsigned helper, uint64_t a)
{
    tr_helper(t, helper, NONE, tr_imm(t, a), NONE, len_and_size(t, i));
    tr_end_pc(t);
}
static void leave_len(X86Tr *t, const X86Insn *i, unsigned helper, uint64_t a)
{
    tr_helper(t, helper, NONE, tr_imm(t, a), NONE, tr_imm(t, i->length));
    tr_end_pc(t);
}
void x86_tr_RETF(X86Tr *t, const X86Insn *i) { leave_by(t, i, XH_far_ret, i->imm); }
void x86_tr_IRET(X86Tr *t, const X86Insn *i) { leave_by(t, i, XH_iret, 0); }
void x86_tr_INT(X86Tr *t, const X86Insn *i) { leave_len(t, i, XH_int, i->imm); }
void x86_tr_INT3(X86Tr *t, const X86Insn *i) { leave_len(t, i, XH_int3, 0); }
void x86_tr_INT1(X86Tr *t, const X86Insn *i) { leave_len(t, i, XH_int1, 0); }
void x86_tr_INTO(X86Tr *t, const X86Insn *i) { leave_len(t, i, XH_into, 0); }
void x86_tr_SYSENTER(X86Tr *t, const X86Insn *i) { leave_by(t, i, XH_sysenter, 0); }
void x86_tr_SYSEXIT(X86Tr *t, const X86Insn *i) { leave_by(t, i, XH_sysexit, 0); }
void x86_tr_RSM(X86Tr *t, const X86Insn *i) { leave_len(t, i, XH_rsm, 0); }
void x86_tr_HLT(X86Tr *t, const X86Insn *i) { leave_len(t, i, XH_hlt, 0); }
void x86_tr_UD(X86Tr *t, const X86Insn *i) { tr_ud(t); }

/* ---- vector rows ---- */
void x86_tr_vop(X86Tr *t, const X86Insn *i)
{
    IrMem m = { .segment = SEG_NONE };
    if (i->mod != 3)
        tr_address(t, i, &m);
    if (x86_simd_translate(t->cpu, t->b, i, &m))
        t->done = true;
}
void x86_tr_vhelper(X86Tr *t, const X86Insn *i) { x86_tr_vop(t, i); }

/* ---- the block ---- */
static inline bool room(const IrBlock *b)
{
    int insns = IR_MAX_INSNS - IR_RESERVE - (int)b->n_insns;
    int imms = IR_MAX_IMMS - IR_RESERVE - (int)b->n_imms;
    int mems = IR_MAX_MEMS - IR_RESERVE - (int)b->n_mems;
    return (insns | imms | mems) >= 0;
}

/* Decode at `at` bytes into the block, reaching into the next page where needed. */
static X86DecodeResult fetch(X86Insn *i, const uint8_t *code, unsigned n, const uint8_t *next,
                             unsigned at, uint64_t mode)
{
    if (n - at >= 15)
        return x86_decode(i, code + at, n - at, mode);
    uint8_t buf[64];
    unsigned have = n - at;
    memcpy(buf, code + at, have);
    if (next) {
        memcpy(buf + have, next, 32);
        have += 32;
    }
    return x86_decode(i, buf, have, mode);
}

static void translate_one(X86Tr *t, const X86Insn *i, X86DecodeResult r)
{
    t->n_temps = t->n_hosts = 0;
    if (r == DEC_GP)
        tr_raise(t, EXC_GP);
    else if (r == DEC_UD || (i->row->feature && !x86_has_feature(t->cpu, i->row->feature)))
        tr_ud(t);
    else if (!i->vex || x86_vex_gate(t, i))
        i->row->tr(t, i);
}

/* IrBlock.ends, before another instruction.  A jump that leads no further than here counts no more. */
static inline bool ends_here(X86Tr *t, int32_t at, const uint8_t *code)
{
    const IrEnds *e = t->b->ends;
    if (!e)
        return false;
    if (t->n_ahead) {
        unsigned n = 0;
        for (unsigned k = 0; k < t->n_ahead; k++) {
            if (t->ahead[k] > at)
                t->ahead[n++] = t->ahead[k];
        }
        t->n_ahead = n;
    }
    unsigned octet = (unsigned)at / 8 & (DBT_PAGE / 8 - 1);
    return t->n_ahead + t->n_away >= e->exits ||
           ((e->octets[octet / 64] >> (octet % 64) & 1) && e->begun(e, code, t->b->mode));
}

static const uint16_t helper_props[] = {
#define HELPER(name, props) props,
#include "cpu/x86/helpers.def"
#undef HELPER
};

/* Has one of the helpers called since operation `from` stored to memory? */
static bool stored(const X86Tr *t, const X86Insn *i, unsigned from)
{
    unsigned how = H_STORES | (i->mod != 3 ? H_STORES_OPERAND : 0);
    for (unsigned k = from; k < t->b->n_insns; k++) {
        const IrInsn *n = &t->b->insns[k];
        if (n->op == IR_helper && (helper_props[n->sub] & how))
            return true;
    }
    return false;
}

void x86_translate(DbtCpu *c, IrBlock *b, const uint8_t *code, unsigned n, const uint8_t *next,
                   unsigned max_guest_insns)
{
    X86Tr t = { .cpu = (X86Cpu *)c, .b = b, .mode = b->mode, .fpu_late.at = -1 };
    int32_t start = (int32_t)(b->pc & (DBT_PAGE - 1));
    IrInsn *limit = NULL;
    unsigned at = 0, most = MIN(max_guest_insns, IR_MAX_GUEST);
    bool debug = c->debug != NULL, ends = false;
    if (!(b->mode & X86_MODE_FLAT_CS))
        limit = ir_emit(b, IR_chkcs, IR_I32, NONE, NONE, NONE);
    do {
        X86Insn i;
        X86DecodeResult r = fetch(&i, code, n, next, at, b->mode);
        if (r == DEC_MORE)
            break;
        t.offset = start + (int32_t)at;
        t.next = t.offset + i.length;
        ir_insn(b, t.offset)->length = i.length;
        at += i.length;
        unsigned from = b->n_insns;
        translate_one(&t, &i, r);
        ends = b->guest[b->now].calls && stored(&t, &i, from);
    } while (!t.done && !ends && at < n && b->n_guest < most && room(b) &&
             !(debug && debug_low(c->debug, b->pc + at)) &&
             !ends_here(&t, start + (int32_t)at, code + at));
    b->length = at;
    b->two_pages = at > n;
    if (!b->n_guest) {
        b->n_insns = 0;
        return;
    }
    if (!t.done)
        emit(&t, IR_jmp, IR_I64, NONE, NONE, NONE)->imm = start + (int32_t)at;
    if (limit)
        limit->imm = start + (int32_t)at - 1;
}
