/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hoist.c -- which memory checks of a loop hold for more than one turn: those whose address stays,
 * or advances by a constant.
 *
 * Registers are followed as what they were at the loop's start plus a constant, once around.  What
 * comes back to itself advances by that constant each turn; an address made of such registers is
 * then known for all turns, and its page for as many as it takes to leave it.
 *
 *     loop: chk h0, r 8, [r1+r2*8]        r1 stays, r2 advances by 1: the check's address advances
 *           add r3, (h0)                  by 8, and the page it is in when the loop is begun is
 *           inc r2                        good for the rest of its (4096 - offset - 8) / 8 turns
 *           cmp r2, r4
 *           br ne loop
 *
 * In 64-bit code a counter may have 32 bits: `add ecx, 1` clears the upper half, `movsxd rdx, ecx`
 * fills it with the sign.  While the counter is between 0 and 2^31, and stays there for as long as
 * its page lasts, it is as if it had 64; the look at the pages asks that as well (IrHoisted.lo,
 * hi).
 *
 * Omits: such counters that go down, 16-bit addresses, segment limits, locked accesses.
 * Threads: a list belongs to the thread that builds it.
 */
#include <string.h>
#include "accel/dbt/ir.h"

enum { N_GUEST = 32, NO_VALUE = 64, FAR = 1 << 28, STEP_MAX = 512, SPAN_MAX = 64, UNKNOWN = 0xff };

typedef struct Value { /* what a register was at the loop's start, plus a constant, modulo 2^bits */
    uint8_t  symbol, bits;              /* symbol: the guest register, UNKNOWN */
    bool     mixed;                     /* added to with 64 bits after it was cut to 32 */
    int32_t  add;
} Value;

typedef struct Walk {
    const IrBlock *b;
    bool     seg_written;
    Value    value[N_GUEST + IR_TEMPS];
} Walk;

static unsigned index_of(IrRef r)
{
    return r.kind == IR_GUEST && r.id < N_GUEST ? r.id
           : r.kind == IR_TEMP                  ? N_GUEST + r.id
                                                : NO_VALUE;
}

static Value value_of(const Walk *w, IrRef r)
{
    unsigned k = index_of(r);

    return k == NO_VALUE || r.high_byte ? (Value){ .symbol = UNKNOWN } : w->value[k];
}

static Value plus(Value v, int64_t add, unsigned bits)
{
    add += v.add;
    if (v.symbol == UNKNOWN || add < -FAR || add > FAR) {
        return (Value){ .symbol = UNKNOWN };
    }
    return (Value){ .symbol = v.symbol, .bits = (uint8_t)MIN(v.bits, bits), .add = (int32_t)add,
                    .mixed = bits == 64 && v.bits < 64 && (v.mixed || add != v.add) };
}

/* What the operation leaves in dst. */
static Value result(const Walk *w, const IrInsn *i)
{
    unsigned bits = 8u << i->type;
    Value none = { .symbol = UNKNOWN };

    if (i->type < IR_I32) {
        return none;
    }
    switch (i->op) {
    case IR_mov:
        return plus(value_of(w, i->a), 0, bits);
    case IR_zext32:
    case IR_sext32:
        return plus(value_of(w, i->a), 0, 32);
    case IR_inc:
        return plus(value_of(w, i->a), 1, bits);
    case IR_dec:
        return plus(value_of(w, i->a), -1, bits);
    case IR_add:
    case IR_sub: {
        if (i->b.kind != IR_IMM) {
            return none;
        }
        int64_t add = (int64_t)w->b->imms[i->b.id];
        add = i->type == IR_I32 ? (int32_t)add : add;
        return add < -FAR || add > FAR
                   ? none
                   : plus(value_of(w, i->a), i->op == IR_add ? add : -add, bits);
    }
    case IR_lea: {
        const IrMem *m = &w->b->mems[i->mem];
        return m->index.kind || m->pc_relative || m->offset_bits < bits
                   ? none
                   : plus(value_of(w, m->base), m->disp, bits);
    }
    }
    return none;
}

static void wrote(Walk *w, const IrInsn *i)
{
    unsigned k = index_of(i->dst), k2 = index_of(i->dst2);
    Value v = i->dst.high_byte ? (Value){ .symbol = UNKNOWN } : result(w, i);

    if (k != NO_VALUE) {
        w->value[k] = v;
    }
    if (k2 != NO_VALUE) {
        w->value[k2].symbol = UNKNOWN;
    }
    w->seg_written |= i->dst.kind == IR_CTX || i->dst2.kind == IR_CTX;
}

/* Is it good for an address of so many bits, if only with what look_at() asks in addition? */
static bool serves(Value v, unsigned bits)
{
    return v.symbol != UNKNOWN && (v.bits >= bits || !v.mixed);
}

/* The check's address in terms of what registers are at the loop's start. */
static bool at_start(const Walk *w, const IrMem *m, IrHoisted *o)
{
    int64_t disp = m->disp;
    IrMem *out = &o->at;

    *out = *m;
    o->narrow = 0;
    if (m->limit || m->locked || m->offset_bits < 32 || m->span > SPAN_MAX ||
        (m->pc_relative && m->base.kind)) {
        return false;
    }
    for (unsigned k = 0; k < 2; k++) {
        IrRef r = k ? m->index : m->base;
        if (r.kind == IR_NONE) {
            continue;
        }
        Value v = value_of(w, r);
        if (!serves(v, m->offset_bits)) {
            return false;
        }
        o->narrow |= (uint8_t)((v.bits < m->offset_bits || m->narrow == k + 1) << k);
        o->hi[k] = v.add;               /* until keep_steady() */
        *(k ? &out->index : &out->base) = ir_guest(v.symbol);
        disp += k ? (int64_t)v.add * (1 << m->scale) : v.add;
    }
    out->disp = (int32_t)disp;
    return disp > INT32_MIN / 2 && disp < INT32_MAX / 2;
}

/* By how much a register advances each turn; false: by something else. */
static bool step_of(const Walk *w, IrRef r, unsigned bits, int64_t *step)
{
    *step = 0;
    if (r.kind == IR_NONE) {
        return true;
    }
    Value v = w->value[r.id];
    *step = v.add;
    return v.symbol == r.id && serves(v, bits);
}

/*
 * One of the check's registers has, or had when it was used, 32 bits extended to more: between
 * which values at the loop's start it is as if it had more, for as many turns as the page lasts.
 * step: its own; all: the address's.
 */
static bool look_at(const Walk *w, IrHoisted *o, unsigned k, int64_t step, int64_t all)
{
    IrRef r = k ? o->at.index : o->at.base;

    if (r.kind != IR_NONE && w->value[r.id].bits < o->at.offset_bits) {
        o->narrow |= (uint8_t)(1u << k);
    }
    if (!(o->narrow >> k & 1)) {
        return true;
    }
    if (step < 0 || step > STEP_MAX || (step && !all)) {
        return false;
    }
    int64_t turns = step ? 4096 / (all < 0 ? -all : all) + 2 : 0, low = o->hi[k], high = low;
    if (o->at.narrow == k + 1) {
        low -= o->at.narrow_lo;
        high += UINT32_MAX - o->at.narrow_hi;
    }
    o->lo[k] = (int32_t)MAX(0, -low);
    o->hi[k] = (int32_t)(INT32_MAX - MAX(0, high) - step * (turns + 1));
    return o->lo[k] < o->hi[k];
}

/* The walk has come round: drop what does not advance by a constant. */
static void keep_steady(const Walk *w, IrHoist *h)
{
    unsigned n = 0;
    int64_t base, index;

    h->n_moving = 0;
    for (unsigned k = 0; k < h->n; k++) {
        IrHoisted o = h->of[k];
        const IrMem *m = &o.at;
        if (!step_of(w, m->base, m->offset_bits, &base) ||
            !step_of(w, m->index, m->offset_bits, &index) ||
            (m->segment != SEG_NONE && w->seg_written)) {
            continue;
        }
        int64_t step = base + index * (1 << m->scale);
        if (step < -STEP_MAX || step > STEP_MAX || (m->align && (step & (m->align - 1))) ||
            !look_at(w, &o, 0, base, step) || !look_at(w, &o, 1, index, step)) {
            continue;
        }
        o.step = (int16_t)step;
        if (step && !h->n_moving++) {
            IrRef r = base ? m->base : m->index;
            h->counter = (uint8_t)r.id;
            h->counter_step = (int32_t)(base ? base : index);
            h->counter_type = m->offset_bits == 64 ? IR_I64 : IR_I32;
        }
        h->of[n++] = o;
    }
    h->n = n;
}

bool ir_hoist(const IrBlock *b, unsigned last, IrHoist *h)
{
    Walk w = { .b = b };

    for (unsigned k = 0; k < N_GUEST; k++) {
        w.value[k] = (Value){ .symbol = (uint8_t)k, .bits = 64 };
    }
    h->n = 0;
    h->last = last;
    unsigned guest = UINT_MAX;
    for (unsigned n = 0; n < last; n++) {
        const IrInsn *i = &b->insns[n];
        if (i->guest != guest) {
            guest = i->guest;
            for (unsigned k = 0; k < IR_TEMPS; k++) {
                w.value[N_GUEST + k].symbol = UNKNOWN;
            }
        }
        if (i->op == IR_helper || i->op == IR_bulk || i->op == IR_guard) {
            return false;
        } else if (i->op != IR_chk) {
            wrote(&w, i);
        } else if (h->n < IR_HOISTED && at_start(&w, &b->mems[i->mem], &h->of[h->n])) {
            h->of[h->n++].insn = (uint16_t)n;
        }
    }
    keep_steady(&w, h);
    return h->n;
}
