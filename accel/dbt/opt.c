/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt.c -- what is done to a block between translation and emission: one pass forward, one backward, and merged checks.
 *
 * Forward, inside each guest instruction: copies of registers and constants held in temporaries are read from where they
 * came from, and operations on constants fold.  Backward: which flags are read later (`live`) or seen by an exception
 * only (`live_fault`), and dead temporaries, comparisons and moves go.
 * ir_merge_checks() lets one memory check serve several accesses near to one base register.
 *
 * Nothing here removes a write to a guest register, memory or the CPU struct.
 *
 * Threads: a list belongs to the thread that builds it.
 */
#include "accel/dbt/ir.h"

enum { GONE = IR_N_OPS };                /* in IrInsn.op between the passes */

/* ---- forward: copies and constants ---- */
typedef struct Copies {
    unsigned known;                     /* temporaries of which something is */
    IrRef    of[IR_TEMPS];
    IrType   type[IR_TEMPS];            /* the temporary holds the low bits of so many */
} Copies;

/* Which operand type an operation reads `a` in. */
static IrType source_type(const IrInsn *i)
{
    switch (i->op) {
    case IR_zext8: case IR_sext8:   return IR_I8;
    case IR_zext16: case IR_sext16: return IR_I16;
    case IR_zext32: case IR_sext32: case IR_crc32: return IR_I32;
    case IR_jind: case IR_jguess:   return IR_I64;
    default:                        return i->type;
    }
}

static void replace(const Copies *k, IrRef *ref, IrType type)
{
    if (ref->kind == IR_TEMP && (k->known >> ref->id & 1) && (k->of[ref->id].kind == IR_IMM || type <= k->type[ref->id])) {
        *ref = k->of[ref->id];
    }
}

/* A base or index is read in 64 bits but only so many of them count. */
static void replace_address(IrBlock *b, const Copies *k, IrInsn *i)
{
    IrMem m = b->mems[i->mem];
    IrType type = m.offset_bits == 64 ? IR_I64 : m.offset_bits == 32 ? IR_I32 : IR_I16;
    IrRef *refs[2] = { &m.base, &m.index };
    bool changed = false;
    for (unsigned r = 0; r < 2; r++) {
        unsigned t = refs[r]->id;
        /* What lies above a narrower copy would be added in. */
        if (refs[r]->kind == IR_TEMP && (k->known >> t & 1) && k->of[t].kind == IR_GUEST && k->type[t] >= type && !k->of[t].high_byte) {
            *refs[r] = k->of[t];
            changed = true;
        }
    }
    if (changed && b->n_mems < IR_MAX_MEMS) {
        i->mem = ir_mem(b, &m);         /* its own: another operation may mean the old one */
    }
}

static void forget(Copies *k, IrRef dst)
{
    if (dst.kind == IR_TEMP) {
        k->known &= ~(1u << dst.id);
    } else if (dst.kind == IR_GUEST) {
        for (unsigned t = 0; k->known && t < IR_TEMPS; t++) {
            if (k->of[t].kind == IR_GUEST && k->of[t].id == dst.id) {
                k->known &= ~(1u << t);
            }
        }
    }
}

static bool is_constant(IrRef r)
{
    return r.kind == IR_IMM || r.kind == IR_NONE;
}

/* The value of an operand: cut to what the operation reads. */
static uint64_t constant(const IrBlock *b, IrRef r, IrType type)
{
    return r.kind == IR_IMM ? b->imms[r.id] & UINT64_MAX >> (64 - (8u << type)) : 0;
}

/* Rows whose value follows from a, b, c alone. */
static bool is_pure(IrOp op)
{
    switch (op) {
    case IR_lea: case IR_getfl: case IR_setfl: case IR_mulu2: case IR_muls2: case IR_cmc:
        return false;
    default:
        return !(ir_op_props[op] & (READS_FLAGS | EFFECT | LEAVES | ENDS | NO_RESULT));
    }
}

static void fold(IrBlock *b, IrInsn *i)
{
    if (i->sets || i->op == IR_mov || i->a.kind != IR_IMM || !is_constant(i->b) || !is_constant(i->c) ||
        i->dst.kind == IR_HOST || !is_pure(i->op) || b->n_imms == IR_MAX_IMMS) {
        return;
    }
    uint64_t v = ir_eval(i->op, i->type, constant(b, i->a, source_type(i)), constant(b, i->b, i->type),
                         constant(b, i->c, i->type), false);
    if (i->op == IR_crc32) {
        i->type = IR_I32;
    }
    i->op = IR_mov;
    i->a = ir_imm(b, v);
    i->b = i->c = ir_none();
}

static void forward(IrBlock *b)
{
    Copies copies = { 0 };
    for (unsigned n = 0; n < b->n_insns; n++) {
        IrInsn *i = &b->insns[n];
        if (i->op == IR_insn || i->op == IR_helper || i->op == IR_vop) {
            if (i->op != IR_insn && copies.known) {
                for (IrRef *r = &i->a; r <= &i->c; r++) {
                    replace(&copies, r, i->op == IR_vop ? IR_I64 : i->type);
                }
            }
            copies.known = 0;
            continue;
        }
        if (copies.known) {
            if (i->op == IR_chk || i->op == IR_lea) {
                replace_address(b, &copies, i);
            }
            replace(&copies, &i->a, source_type(i));
            replace(&copies, &i->b, i->type);
            replace(&copies, &i->c, i->type);
        }
        fold(b, i);
        forget(&copies, i->dst);
        forget(&copies, i->dst2);
        if (i->op == IR_mov && i->dst.kind == IR_TEMP && (i->a.kind == IR_GUEST || (i->a.kind == IR_IMM && b->n_imms < IR_MAX_IMMS))) {
            unsigned t = i->dst.id;
            copies.type[t] = i->type;
            copies.of[t] = i->a.kind == IR_IMM ? ir_imm(b, constant(b, i->a, i->type)) : i->a;
            copies.known |= 1u << t;
        }
    }
}

/* ---- backward: flags and what is dead ---- */
static bool is_shift(IrOp op)
{
    return op == IR_shl || op == IR_shr || op == IR_sar || op == IR_rol || op == IR_ror || op == IR_rcl ||
           op == IR_rcr || op == IR_shld || op == IR_shrd;
}

/* A shift whose count may be zero leaves flags as they were. */
static bool always_sets(const IrBlock *b, const IrInsn *i)
{
    if (!is_shift(i->op)) {
        return true;
    }
    IrRef count = i->op == IR_shld || i->op == IR_shrd ? i->c : i->b;
    return count.kind == IR_IMM && (b->imms[count.id] & (i->type == IR_I64 ? 63 : 31));
}

static unsigned flags_read(const IrInsn *i)
{
    switch (i->op) {
    case IR_sel: case IR_setcc: case IR_br:
        return ir_cond_flags(i->cond);
    case IR_adc: case IR_sbb: case IR_rcl: case IR_rcr: case IR_cmc:
        return FL_C;
    case IR_getfl: case IR_jguess:
        return FL_ALL;
    case IR_helper:                     /* nearly all raise or read them; the table belongs to the guest */
        return FL_ALL;
    default:
        return 0;
    }
}

static unsigned temp_bit(IrRef r)
{
    return r.kind == IR_TEMP ? 1u << r.id : 0;
}

/* May it go, if nobody wants its results?  (A load from checked memory may.) */
static bool is_removable(const IrInsn *i, unsigned temps)
{
    if (ir_op_props[i->op] & (EFFECT | LEAVES | ENDS)) {
        return false;
    }
    if (i->op == IR_mov && i->type == IR_I64 && i->dst.kind == IR_GUEST && i->a.kind == IR_GUEST && i->dst.id == i->a.id) {
        return true;
    }
    bool wanted = (i->dst.kind != IR_NONE && (i->dst.kind != IR_TEMP || temps & temp_bit(i->dst))) ||
                  (i->dst2.kind != IR_NONE && (i->dst2.kind != IR_TEMP || temps & temp_bit(i->dst2)));
    return !wanted;
}

/* x ^ x or x - x whose flags nobody wants. */
static bool is_zeroing(const IrInsn *i)
{
    return (i->op == IR_xor || i->op == IR_sub) && !(i->live | i->live_fault) && i->a.kind == IR_GUEST &&
           i->b.kind == IR_GUEST && i->a.id == i->b.id && i->a.high_byte == i->b.high_byte && i->dst.kind != IR_HOST;
}

static bool is_step(const IrInsn *i);

/* Returns how many steps there are: r += constant. */
static unsigned backward(IrBlock *b, unsigned flags_live_out)
{
    unsigned steps = 0;
    unsigned live = flags_live_out, fault = 0, temps = 0;
    IrRef zero = b->n_imms < IR_MAX_IMMS ? ir_imm(b, 0) : ir_none();
    for (unsigned n = b->n_insns; n-- > 0;) {
        IrInsn *i = &b->insns[n];
        unsigned props = ir_op_props[i->op];
        bool exits = i->op == IR_jmp || i->op == IR_br || i->op == IR_brz || i->op == IR_brnz;

        if (exits) {                    /* `live` says what the target wants */
            live = (i->op == IR_jmp ? 0 : live) | i->live;
            fault = (i->op == IR_jmp ? 0 : fault) | i->live_fault;
        } else {
            i->live = i->sets & live;
            i->live_fault = i->sets & fault & ~live;
            if (!(i->live | i->live_fault) && is_removable(i, temps)) {
                i->op = GONE;
                continue;
            }
            if (always_sets(b, i)) {
                live &= ~i->sets;
                fault &= ~i->sets;
            }
        }
        live |= flags_read(i);
        if (props & LEAVES) {
            fault = FL_ALL;
        }
        temps &= ~(temp_bit(i->dst) | temp_bit(i->dst2));
        temps |= temp_bit(i->a) | temp_bit(i->b) | temp_bit(i->c);
        if (i->op == IR_vop) {
            temps |= temp_bit(i->dst);  /* may be a source too */
        }
        if (i->op == IR_chk || i->op == IR_lea) {
            temps |= temp_bit(b->mems[i->mem].base) | temp_bit(b->mems[i->mem].index);
        }
        if (i->op == IR_insn) {
            temps = 0;
        }
        if (zero.kind && is_zeroing(i)) {
            i->op = IR_mov;
            i->sets = i->undef = 0;
            i->a = zero;
            i->b = ir_none();
        }
        steps += is_step(i);
    }
    return steps;
}

/* ---- constants added to a register more than once: push push push ---- */
static bool reads_guest(const IrBlock *b, const IrInsn *i, unsigned r)
{
    const IrRef *refs[5] = { &i->a, &i->b, &i->c, &i->dst, &i->dst2 };     /* a narrow write keeps other bits */
    for (unsigned k = 0; k < 5; k++) {
        if (refs[k]->kind == IR_GUEST && refs[k]->id == r) {
            return true;
        }
    }
    if (i->op == IR_lea) {
        const IrMem *m = &b->mems[i->mem];
        return (m->base.kind == IR_GUEST && m->base.id == r) || (m->index.kind == IR_GUEST && m->index.id == r);
    }
    return false;
}

static bool is_barrier(const IrInsn *i)
{
    return (ir_op_props[i->op] & (LEAVES | ENDS)) || i->op == IR_br || i->op == IR_brz || i->op == IR_brnz ||
           i->op == IR_jguess || i->op == IR_bulk || i->op == IR_helper || i->op == IR_vop;
}

/* r += constant, of which no flag is wanted. */
static bool is_step(const IrInsn *i)
{
    return (i->op == IR_add || i->op == IR_sub) && i->type == IR_I64 && !(i->live | i->live_fault) && i->dst.kind == IR_GUEST &&
           i->a.kind == IR_GUEST && i->a.id == i->dst.id && i->b.kind == IR_IMM;
}

static int64_t step_of(const IrBlock *b, const IrInsn *i)
{
    int64_t v = (int64_t)b->imms[i->b.id];
    return i->op == IR_add ? v : (int64_t)(0 - (uint64_t)v);
}

/* Let the next step of the same register do this one as well, if nothing in between sees it. */
static bool join_next(IrBlock *b, unsigned n)
{
    const IrInsn *i = &b->insns[n];
    int64_t add = step_of(b, i);
    for (unsigned k = n + 1; k < b->n_insns && b->n_imms < IR_MAX_IMMS; k++) {
        IrInsn *j = &b->insns[k];
        if (j->op == GONE) {
            continue;
        }
        if (is_step(j) && j->dst.id == i->dst.id) {
            int64_t sum = add + step_of(b, j);
            if (add < -(1 << 24) || add > 1 << 24 || sum < -(1 << 25) || sum > 1 << 25) {
                return false;
            }
            j->op = sum < 0 ? IR_sub : IR_add;
            j->b = ir_imm(b, (uint64_t)(sum < 0 ? -sum : sum));
            return true;
        }
        if (is_barrier(j) || reads_guest(b, j, i->dst.id)) {
            return false;
        }
    }
    return false;
}

static void join_steps(IrBlock *b)
{
    for (unsigned n = 0; n < b->n_insns; n++) {
        if (is_step(&b->insns[n]) && join_next(b, n)) {
            b->insns[n].op = GONE;
        }
    }
}

/* Last, when the passes' stores have long left the host's store buffer: a copy of what was just written waits for them. */
static void close_gaps(IrBlock *b)
{
    unsigned kept = 0;
    for (unsigned n = 0; n < b->n_insns; n++) {
        if (b->insns[n].op != GONE) {
            if (kept != n) {
                b->insns[kept] = b->insns[n];
            }
            kept++;
        }
    }
    b->n_insns = kept;
}

void ir_optimise(IrBlock *b, unsigned flags_live_out)
{
    forward(b);
    if (backward(b, flags_live_out) > 1) {
        join_steps(b);
    }
    close_gaps(b);
}

/* Does this locked operation change nothing?  Then it is there as a barrier. */
static bool is_barrier_idiom(const IrBlock *b, const IrInsn *i)
{
    return (i->op == IR_add || i->op == IR_or || i->op == IR_sub || i->op == IR_xor) && i->b.kind == IR_IMM && !b->imms[i->b.id];
}

void ir_unlock(IrBlock *b)
{
    bool any = false;
    for (unsigned k = 0; k < b->n_mems; k++) {
        any |= b->mems[k].locked;
    }
    unsigned check = 0;                 /* of this guest instruction, plus 1 */
    for (unsigned n = 0; any && n < b->n_insns; n++) {
        IrInsn *i = &b->insns[n];
        if (i->op == IR_insn) {
            check = 0;
        } else if (i->op == IR_chk && b->mems[i->mem].locked) {
            check = n + 1;
        } else if (i->locked && i->op != IR_xchg && check && !is_barrier_idiom(b, i)) {
            i->locked = 0;
            b->mems[b->insns[check - 1].mem].locked = false;
        }
    }
}

void ir_plain(IrBlock *b)
{
    for (unsigned n = 0; n < b->n_insns; n++) {
        IrInsn *i = &b->insns[n];
        bool exits = i->op == IR_jmp || i->op == IR_br || i->op == IR_brz || i->op == IR_brnz;
        i->live = exits ? FL_ALL : i->sets;
    }
}
