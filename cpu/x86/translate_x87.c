/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_x87.c -- x87 instructions to IR: operations on known registers where that is possible,
 * else a helper.
 *
 * TOP, the tags and the control word are what they are when a block is translated; compiled code
 * comes to one place with one stack depth, so a guard before the first x87 operation of a run
 * hardly ever fails (it then leaves to tier 0).
 * With the control word of FNINIT (all exceptions masked, nearest, 64 bits) and registers that are
 * full or empty as the instruction needs them, it becomes a vop on physical registers, and a store
 * of TOP and tags where they change.
 * All else goes through x86_h_x87(); what then is not known any more ends the block, so that the
 * next one is translated with the new state.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 8; vol. 2, appendix A.5.
 * What vops do not leave behind, FIP, FDP and FOP, is made up for where the same block asks for it:
 * what they would be is known here but for the offset of an operand, which is then put down where
 * the operand was used.
 *
 * Omits: a block that ends leaves FIP, FDP and FOP as they were before its vops, so that code that
 * asks in another block gets those of an older instruction.  (With all exceptions masked nobody but
 * tests does.)
 * Threads: the vCPU's own.
 */
#include "cpu/x86/translate.h"
#include "cpu/x86/x87.h"

G_STATIC_ASSERT(offsetof(X86Cpu, fpu_top) == offsetof(X86Cpu, fpu_cw) + 2 &&
                offsetof(X86Cpu, fpu_valid) == offsetof(X86Cpu, fpu_cw) + 3);

static inline bool is_full(const X86Tr *t, unsigned i)
{
    return t->fpu_valid >> ((t->fpu_top + i) & 7) & 1;
}
static inline IrRef st(const X86Tr *t, unsigned i) { return ir_vec(64 + ((t->fpu_top + i) & 7)); }

/* What is known still holds?  MMX instructions and restored state are not followed. */
static bool still_known(X86Tr *t, bool *guarded)
{
    for (unsigned k = t->b->n_insns; k-- > t->fpu_guard; ) {
        const IrInsn *n = &t->b->insns[k];
        if (n->op != IR_helper)
            continue;
        *guarded = false;
        if (n->sub == XH_mmx_enter || n->sub == XH_emms || n->sub == XH_fxrstor ||
            n->sub == XH_xrstor)
            return false;
    }
    return true;
}

static void guard(X86Tr *t)
{
    bool guarded = t->fpu_guard != 0;
    still_known(t, &guarded);
    if (guarded)
        return;
    emit(t, IR_guard, IR_I32, NONE, CTX(fpu_cw),
         tr_imm(t, CW_RESET | (unsigned)t->fpu_top << 16 | (unsigned)t->fpu_valid << 24));
    t->fpu_guard = t->b->n_insns;
}

/*
 * pops: how many registers this instruction leaves empty, ST0 and then ST1, which a back end need
 * not keep.
 */
static IrInsn *vop(X86Tr *t, unsigned sub, IrRef dst, IrRef a, unsigned pops)
{
    IrInsn *n = emit(t, IR_vop, IR_I32, dst, a, NONE);
    n->sub = (uint16_t)sub;
    n->imm8 = (uint8_t)pops;
    if (x86_vecs[sub].props & V_FLAGS)
        n->sets = FL_ALL;
    return n;
}

/*
 * FDP = the offset of an operand, at a place behind its use, where its registers are what they
 * were.
 */
static void insert_dp(X86Tr *t)
{
    IrBlock *b = t->b;
    unsigned at = t->fpu_late.place, n = b->n_insns;
    IrMem m = b->mems[t->fpu_late.mem];
    IrRef d = ir_temp(IR_TEMPS - 1);

    emit(t, IR_lea, tr_type(m.offset_bits / 8u), d, NONE, NONE)->mem = (uint16_t)t->fpu_late.mem;
    emit(t, IR_mov, IR_I64, CTX(fpu_dp), d, NONE);
    IrInsn two[2] = { b->insns[n], b->insns[n + 1] };
    two[0].guest = two[1].guest = b->insns[at - 1].guest;
    memmove(&b->insns[at + 2], &b->insns[at], (n - at) * sizeof(IrInsn));
    memcpy(&b->insns[at], two, sizeof two);
    t->fpu_guard += t->fpu_guard > at ? 2 : 0;
}

static void store_selector(X86Tr *t, IrRef to, unsigned seg)
{
    IrRef v = tr_temp(t);
    emit(t, IR_mov, IR_I16, v,
         ir_ctx(offsetof(X86Cpu, seg) + seg * sizeof(X86Seg) + offsetof(X86Seg, selector)), NONE);
    emit(t, IR_mov, IR_I16, to, v, NONE);
}

void x86_tr_x87_settle(X86Tr *t)
{
    if (t->fpu_late.place) {
        insert_dp(t);
        store_selector(t, CTX(fpu_ds), t->fpu_late.seg);
        t->fpu_late.place = 0;
    }
    if (t->fpu_late.at >= 0) {
        emit(t, IR_mov, IR_I64, CTX(fpu_ip), tr_eip(t, t->fpu_late.at), NONE);
        emit(t, IR_mov, IR_I16, CTX(fpu_op), tr_imm(t, t->fpu_late.op), NONE);
        store_selector(t, CTX(fpu_cs), S_CS);
        t->fpu_late.at = -1;
    }
}

static void store_state(X86Tr *t)
{
    emit(t, IR_mov, IR_I16, CTX(fpu_top), tr_imm(t, t->fpu_top | (unsigned)t->fpu_valid << 8),
         NONE);
}

static void change(X86Tr *t, int by, unsigned set, unsigned clear)      /* TOP += by, then tags */
{
    t->fpu_top = (t->fpu_top + (unsigned)by) & 7;
    t->fpu_valid = (uint8_t)((t->fpu_valid | set) & ~clear);
    store_state(t);
}

static inline unsigned bit(const X86Tr *t, unsigned i) { return 1u << ((t->fpu_top + i) & 7); }
static void push(X86Tr *t) { change(t, -1, bit(t, 7), 0); }
static void pop(X86Tr *t, unsigned n)
{
    unsigned gone = bit(t, 0) | (n == 2 ? bit(t, 1) : 0);
    if (n)
        change(t, (int)n, 0, gone);
}

/* ---- memory forms ---- */
enum { NOT = 0, LD, ST, STP, AR, CM, CMP, STCW, STSW };
typedef struct MemRow { uint8_t what; uint16_t sub; } MemRow;
#define ARITH_ROWS(suffix)                                                                                     \
    { { AR, XV_fadd_##suffix }, { AR, XV_fmul_##suffix }, { CM, XV_fcom_##suffix }, { CMP, XV_fcom_##suffix }, \
      { AR, XV_fsub_##suffix }, { AR, XV_fsubr_##suffix }, { AR, XV_fdiv_##suffix }, { AR, XV_fdivr_##suffix } }
static const MemRow mem_rows[8][8] = {
    [0] = ARITH_ROWS(f32),
    [1] = { { LD, XV_fld_f32 },
            { 0 },
            { ST, XV_fst_f32 },
            { STP, XV_fst_f32 },
            { 0 },
            { 0 },
            { 0 },
            { STCW, 0 } },
    [2] = ARITH_ROWS(i32),
    [3] = { { LD, XV_fild_i32 },
            { STP, XV_fistt_i32 },
            { ST, XV_fist_i32 },
            { STP, XV_fist_i32 },
            { 0 },
            { LD, XV_fld_f80 },
            { 0 },
            { STP, XV_fst_f80 } },
    [4] = ARITH_ROWS(f64),
    [5] = { { LD, XV_fld_f64 },
            { STP, XV_fistt_i64 },
            { ST, XV_fst_f64 },
            { STP, XV_fst_f64 },
            { 0 },
            { 0 },
            { 0 },
            { STSW, 0 } },
    [6] = ARITH_ROWS(i16),
    [7] = { { LD, XV_fild_i16 },
            { STP, XV_fistt_i16 },
            { ST, XV_fist_i16 },
            { STP, XV_fist_i16 },
            { 0 },
            { LD, XV_fild_i64 },
            { 0 },
            { STP, XV_fist_i64 } },
};

/* The status word into a temporary. */
static IrRef status(X86Tr *t)
{
    IrRef v = tr_temp(t);
    vop(t, XV_fsync, NONE, NONE, 0);
    emit(t, IR_mov, IR_I16, v, CTX(fpu_sw), NONE);
    emit(t, IR_or, IR_I16, v, v, tr_imm(t, (unsigned)t->fpu_top << 11));
    return v;
}

static bool memory_form(X86Tr *t, const X86Insn *i)
{
    const MemRow *r = &mem_rows[i->opcode & 7][i->modrm >> 3 & 7];
    unsigned bytes = r->what < STCW ? x86_vecs[r->sub].mem_bytes : 2;
    bool stores = r->what == ST || r->what == STP || r->what >= STCW;
    if (r->what == NOT || (r->what == LD && is_full(t, 7)) ||
        (r->what != LD && r->what < STCW && !is_full(t, 0)))
        return false;
    guard(t);                           /* a pending exception comes before those of the operand */
    IrRef h = tr_check(t, i, bytes, stores ? IR_WRITE : IR_READ);
    switch (r->what) {
    case LD:
        vop(t, r->sub, st(t, 7), h, 0);
        push(t);
        break;
    case ST: case STP:
        vop(t, r->sub, h, st(t, 0), r->what == STP);
        pop(t, r->what == STP);
        break;
    case STCW:
        emit(t, IR_mov, IR_I16, h, tr_imm(t, CW_RESET), NONE);
        break;
    case STSW:
        emit(t, IR_mov, IR_I16, h, status(t), NONE);
        break;
    default:
        vop(t, r->sub, st(t, 0), h, r->what == CMP);
        pop(t, r->what == CMP);
        break;
    }
    return true;
}

/* ---- register forms ---- */
static const uint16_t arith[8] = { XV_fadd, XV_fmul, 0, 0, XV_fsub, XV_fsubr, XV_fdiv, XV_fdivr };

static bool compare(X86Tr *t, unsigned sub, unsigned i, unsigned pops)
{
    if (!is_full(t, 0) || !is_full(t, i))
        return false;
    guard(t);
    vop(t, sub, st(t, 0), st(t, i), pops);
    pop(t, pops);
    return true;
}

/* ST(to) = ST(to) op ST(from) */
static bool arithmetic(X86Tr *t, unsigned op, unsigned to, unsigned from, unsigned pops)
{
    if (!is_full(t, to) || !is_full(t, from))
        return false;
    guard(t);
    vop(t, arith[op], st(t, to), st(t, from), pops);
    pop(t, pops);
    return true;
}

static bool store_sti(X86Tr *t, unsigned i, unsigned pops)
{
    if (!is_full(t, 0))
        return false;
    guard(t);
    if (i || pops)
        vop(t, XV_fcopy, st(t, i), st(t, 0), pops);
    if (i && !is_full(t, i))
        change(t, 0, bit(t, i), 0);
    pop(t, pops);
    return true;
}

static bool exchange(X86Tr *t, unsigned i)
{
    if (!is_full(t, 0) || !is_full(t, i))
        return false;
    guard(t);
    if (i)
        vop(t, XV_fxchg, st(t, 0), st(t, i), 0);
    return true;
}

static bool load(X86Tr *t, unsigned sub, IrRef from)
{
    if (is_full(t, 7))
        return false;
    guard(t);
    vop(t, sub, st(t, 7), from, 0);
    push(t);
    return true;
}

static bool unary(X86Tr *t, unsigned sub)
{
    if (!is_full(t, 0))
        return false;
    guard(t);
    vop(t, sub, st(t, 0), NONE, 0);
    return true;
}

static bool d9_form(X86Tr *t, unsigned modrm)
{
    switch (modrm) {
    case 0xd0: guard(t); return true;                   /* FNOP */
    case 0xe8: case 0xe9: case 0xea: case 0xeb: case 0xec: case 0xed: case 0xee:
        return load(t, XV_fld1 + modrm - 0xe8, NONE);
    case 0xf6: case 0xf7:                               /* FDECSTP, FINCSTP */
        guard(t);
        change(t, modrm == 0xf6 ? -1 : 1, 0, 0);
        return true;
    case 0xe0: return unary(t, XV_fchs);
    case 0xe1: return unary(t, XV_fabs);
    case 0xfa: return unary(t, XV_fsqrt);
    case 0xfc: return unary(t, XV_frndint);
    default:
        return false;
    }
}

static bool register_form(X86Tr *t, const X86Insn *x)
{
    unsigned op = x->opcode & 7, r = x->modrm >> 3 & 7, i = x->modrm & 7;
    switch (op << 3 | r) {
    case 0 << 3 | 2: case 4 << 3 | 2: return compare(t, XV_fcom, i, 0);
    case 0 << 3 | 3: case 4 << 3 | 3: case 6 << 3 | 2: return compare(t, XV_fcom, i, 1);
    case 6 << 3 | 3: return i == 1 && compare(t, XV_fcom, 1, 2);
    case 2 << 3 | 5: return i == 1 && compare(t, XV_fucom, 1, 2);
    case 5 << 3 | 4: return compare(t, XV_fucom, i, 0);
    case 5 << 3 | 5: return compare(t, XV_fucom, i, 1);
    case 3 << 3 | 5: return compare(t, XV_fucomi, i, 0);
    case 3 << 3 | 6: return compare(t, XV_fcomi, i, 0);
    case 7 << 3 | 5: return compare(t, XV_fucomi, i, 1);
    case 7 << 3 | 6: return compare(t, XV_fcomi, i, 1);
    case 1 << 3 | 0: return is_full(t, i) && load(t, XV_fcopy, st(t, i));
    case 1 << 3 | 1: case 5 << 3 | 1: case 7 << 3 | 1: return exchange(t, i);
    case 5 << 3 | 2: return store_sti(t, i, 0);
    case 5 << 3 | 3: case 7 << 3 | 2: case 7 << 3 | 3: return store_sti(t, i, 1);
    case 5 << 3 | 0:                                    /* FFREE */
        guard(t);
        change(t, 0, 0, bit(t, i));
        return true;
    case 7 << 3 | 4:                                    /* FNSTSW AX */
        if (i)
            return false;
        guard(t);
        emit(t, IR_mov, IR_I16, ir_guest(R_RAX), status(t), NONE);
        return true;
    default:
        if (op == 0)
            return arithmetic(t, r, 0, i, 0);
        if (op == 4 || op == 6)                         /* SUB and SUBR, DIV and DIVR are swapped */
            return arithmetic(t, r >= X87_SUB ? r ^ 1 : r, i, 0, op == 6);
        return op == 1 && d9_form(t, x->modrm);
    }
}

/* ---- helpers ---- */
/* What a helper leaves of the stack; false: not known here. */
static bool follow(X86Tr *t, const X86Insn *i)
{
    unsigned op = i->opcode & 7;
    if (i->mod != 3 || !is_full(t, 0))
        return false;
    if ((op == 2 || op == 3) && i->modrm < 0xe0)        /* FCMOVcc */
        return is_full(t, i->modrm & 7);
    if (op != 1)
        return false;
    switch (i->modrm) {
    case 0xe4: case 0xe5: case 0xf0: case 0xfe: case 0xff: return true;
    case 0xf5: case 0xf8: case 0xfd: return is_full(t, 1);
    case 0xf1: case 0xf3: case 0xf9:
        if (!is_full(t, 1))
            return false;
        t->fpu_valid &= (uint8_t)~bit(t, 0);
        t->fpu_top = (t->fpu_top + 1) & 7;
        return true;
    default: return false;
    }
}

/* FLDENV, FLDCW, FNSTENV (masks all), FRSTOR, FNSAVE, FNINIT */
static bool is_load_of_state(const X86Insn *i)
{
    unsigned op = i->opcode & 7, r = i->modrm >> 3 & 7;
    if (i->mod == 3)
        return op == 3 && i->modrm == 0xe3;
    return (op == 1 && r >= 4 && r <= 6) || (op == 5 && (r == 4 || r == 6));
}

/* Is the state at this place known, and such that vops may be used? */
static bool is_known(X86Tr *t)
{
    bool guarded = true;
    if (!t->fpu_seen) {
        t->fpu_seen = true;
        t->fpu_top = t->cpu->fpu_top;
        t->fpu_valid = t->cpu->fpu_valid;
        t->fpu_known = t->cpu->fpu_cw == CW_RESET && (t->mode & X86_MODE_FPU);
    }
    t->fpu_known = t->fpu_known && still_known(t, &guarded);
    return t->fpu_known;
}

/* FCMOVcc and F(U)COMI(P) came with CMOV, FISTTP with SSE3 (SDM vol. 2, each one's #UD). */
static bool lacks_x87(const X86Tr *t, const X86Insn *i)
{
    unsigned digit = i->modrm >> 3 & 7;
    if (i->mod != 3)
        return digit == 1 && i->opcode >= 0xdb && (i->opcode & 1) &&
               !x86_has_feature(t->cpu, F_SSE3);
    bool fcmov = (i->opcode == 0xda || i->opcode == 0xdb) && digit < 4;
    bool fcomi = (i->opcode == 0xdb || i->opcode == 0xdf) && (digit == 5 || digit == 6);
    return (fcmov || fcomi) && !x86_has_feature(t->cpu, F_CMOV);
}

/* FNOP, FDECSTP, FINCSTP, FFREE, FNSTCW, FNSTSW: not what FIP and FOP tell of. */
static bool is_control(const X86Insn *i)
{
    unsigned op = i->opcode & 7, r = i->modrm >> 3 & 7;
    if (i->mod != 3)
        return (op == 1 || op == 5) && r >= 4;
    return (op == 1 && (i->modrm == 0xd0 || i->modrm == 0xf6 || i->modrm == 0xf7)) ||
           (op == 5 && r == 0) || (op == 7 && r == 4);
}

/* Done by vops: what they have left undone. */
static void leave_undone(X86Tr *t, const X86Insn *i)
{
    unsigned op = i->opcode & 7, r = i->modrm >> 3 & 7;
    /* and FFREE */
    bool rotates = (op == 1 && (i->modrm == 0xf6 || i->modrm == 0xf7)) || (op == 5 && r == 0);
    /* FXCH, FST: no vop */
    bool itself =
        !(i->modrm & 7) && ((r == 1 && (op == 1 || op == 5 || op == 7)) || (r == 2 && op == 5));
    if (i->mod == 3 && (rotates || itself))
        vop(t, XV_fclear_c1, NONE, NONE, 0);
    if (is_control(i))
        return;
    t->fpu_late.at = t->offset;
    t->fpu_late.op = (uint16_t)((i->opcode & 7) << 8 | i->modrm);
    if (i->mod != 3) {
        t->fpu_late.mem = tr_offset_mem(t, i);
        t->fpu_late.place = t->b->n_insns;
        t->fpu_late.seg = i->seg;
    }
}

void x86_tr_X87(X86Tr *t, const X86Insn *i)
{
    if (lacks_x87(t, i)) {
        tr_ud(t);
        return;
    }
    bool known = is_known(t);
    if (known && (i->mod == 3 ? register_form(t, i) : memory_form(t, i))) {
        leave_undone(t, i);
        return;
    }
    x86_tr_x87_settle(t);
    IrRef offset = i->mod == 3 ? NONE : tr_offset(t, i);
    tr_helper(t, XH_x87, NONE, tr_imm(t, (unsigned)i->opcode << 8 | i->modrm), offset,
              tr_imm(t, i->seg | (unsigned)i->osize << 8 | (unsigned)i->length << 16));
    if (is_load_of_state(i) || (known && !follow(t, i))) {
        emit(t, IR_jmp, IR_I64, NONE, NONE, NONE)->imm = t->next;
        t->done = true;
    }
}

void x86_tr_FWAIT(X86Tr *t, const X86Insn *i)
{
    if (is_known(t))
        guard(t);                                       /* nothing can be pending */
    else
        tr_helper(t, XH_fwait, NONE, NONE, NONE, NONE);
}
