/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stitch.c -- tier 2: from a path through several blocks to one list of operations, and what is
 * made better in it.
 *
 * What branches off becomes an exit, direct jumps and calls vanish, and a return is compared with
 * where its call came from (`jguess`).
 *
 * Omits: instructions across two pages, the x87, and paths on into returns whose call is not part
 *   of the path: the trace ends there.
 * Threads: any one that nobody takes the bytes from; all that it changes is handed to it.  Of the
 *   CPU the front end reads its
 * configuration.
 */
#include <string.h>
#include "accel/dbt/stitch.h"

enum { PEEK = 64, FAR = TRACE_FAR };

static TracePage *page_of(TraceCode *t, int64_t offset)
{
    for (unsigned k = 0; k < t->n_pages; k++) {
        if ((uint64_t)(offset - t->pages[k].delta) < DBT_PAGE) {
            return &t->pages[k];
        }
    }
    return NULL;
}

/* ---- from a path to one list of operations ---- */

static bool room_for(const IrBlock *to, const IrBlock *s)
{
    return to->n_insns + s->n_insns + IR_RESERVE <= IR_MAX_INSNS &&
           to->n_guest + s->n_guest + IR_RESERVE / 4 <= IR_MAX_GUEST &&
           to->n_imms + s->n_imms + IR_RESERVE <= IR_MAX_IMMS &&
           to->n_mems + s->n_mems + IR_RESERVE <= IR_MAX_MEMS;
}

static bool is_exit(unsigned op) { return op == IR_br || op == IR_brz || op == IR_brnz; }

static bool has_offset(unsigned op)
{
    return is_exit(op) || op == IR_jguess || op == IR_chkcs || op == IR_jmp || op == IR_bulk ||
           op == IR_exit_next;
}

static void move_ref(IrRef *r, unsigned imms)
{
    if (r->kind == IR_IMM) {
        r->id = (uint16_t)(r->id + imms);
    }
}

/*
 * Operations [0, n) of s, whose page is delta from to's; those of guest instructions [0, guests).
 */
static void append(IrBlock *to, const IrBlock *s, unsigned n, unsigned guests, int32_t delta)
{
    for (unsigned i = 0; i < n; i++) {
        IrInsn *o = &to->insns[to->n_insns + i];
        *o = s->insns[i];
        o->guest = (uint16_t)(o->guest + to->n_guest);
        o->imm += has_offset(o->op) ? delta : 0;
        to->n_checks += o->op == IR_chk;
        if (o->op == IR_chk || o->op == IR_lea) {
            o->mem = (uint16_t)(o->mem + to->n_mems);
        }
        move_ref(&o->a, to->n_imms);
        move_ref(&o->b, to->n_imms);
        move_ref(&o->c, to->n_imms);
    }
    for (unsigned i = 0; i < s->n_mems; i++) {
        to->mems[to->n_mems + i] = s->mems[i];
        to->mems[to->n_mems + i].disp += s->mems[i].pc_relative ? delta : 0;
    }
    for (unsigned i = 0; i < guests; i++) {
        to->guest[to->n_guest + i] = (IrGuest){ s->guest[i].offset + delta, s->guest[i].length,
                                                s->guest[i].calls };
        to->length += s->guest[i].length;
    }
    to->folds |= s->folds;
    to->locks |= s->locks;
    memcpy(to->imms + to->n_imms, s->imms, s->n_imms * sizeof(*s->imms));
    to->n_insns += n;
    to->n_guest += guests;
    to->now = (uint16_t)(to->n_guest - 1);
    to->n_imms += s->n_imms;
    to->n_mems += s->n_mems;
}

/* What the limit of CS is compared with: no more bytes than these instructions'. */
static void limit_chkcs(IrBlock *s, unsigned guests)
{
    if (s->insns[0].op == IR_chkcs) {
        s->insns[0].imm = s->guest[guests - 1].offset + s->guest[guests - 1].length - 1;
    }
}

static bool is_return(const DbtGuest *g, const IrBlock *s, unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++) {
        const IrInsn *n = &s->insns[i];
        if (n->op == IR_add && n->dst.kind == IR_GUEST && n->dst.id == g->stack_reg) {
            return true;
        }
    }
    return false;
}

static bool knows_return(const TraceCode *t, uint64_t to)
{
    for (unsigned k = 0; k < t->n_returns; k++) {
        if (t->returns[k] == to) {
            return true;
        }
    }
    return false;
}

/* It goes there where it did not go, and the other way round. */
static void reverse(IrInsn *exit, int32_t to)
{
    exit->imm = to;
    exit->cond ^= exit->op == IR_br;
    exit->op = exit->op == IR_br ? IR_br : exit->op == IR_brz ? IR_brnz : IR_brz;
}

/* of the path's next instruction: go on behind it, end before it, with it */
typedef enum { KEEP, CUT, END } Fate;

/* May it store to the rest of the trace without leaving? */
static bool stores_by_helper(const DbtGuest *g, const IrBlock *s, unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++) {
        if (s->insns[i].op == IR_helper && (g->helpers[s->insns[i].sub].props & H_MEM)) {
            return true;
        }
    }
    return false;
}

/*
 * The last instruction of a piece of the path, operations [from, *end) of s: make them go to `to`,
 * offsets from s's page.
 */
static Fate turn(const DbtGuest *g, TraceCode *t, IrBlock *s, unsigned from, unsigned *end,
                 int64_t to, int32_t seq, bool last, bool loop)
{
    IrInsn *z = &s->insns[*end - 1];
    unsigned exits = 0;
    uint64_t page = s->pc & -(uint64_t)DBT_PAGE;

    if (from == *end) {                 /* it does nothing */
        return to == seq ? KEEP : CUT;
    }
    for (unsigned i = from; i < *end; i++) {
        if (s->insns[i].op == IR_guard) {
            return CUT;
        }
        exits += is_exit(s->insns[i].op);
    }
    if (z->op == IR_jmp) {
        if (z->imm != to) {
            if (exits != 1 || !is_exit(z[-1].op) || z[-1].imm != to) {
                return CUT;
            }
            reverse(z - 1, z->imm);
        } else if (to != seq && t->n_returns < TRACE_RETURNS) {
            t->returns[t->n_returns++] = page + (uint64_t)(int64_t)seq;
        }
        --*end;
        return KEEP;
    }
    if (z->op == IR_jind) {
        if (to < -FAR || to > FAR || (last && !loop) ||
            (is_return(g, s, from, *end) && !knows_return(t, page + (uint64_t)to))) {
            return END;
        }
        if (t->n_returns < TRACE_RETURNS) {
            t->returns[t->n_returns++] = page + (uint64_t)(int64_t)seq;
        }
        z->op = IR_jguess;
        z->imm = (int32_t)to;           /* from s's page, as yet */
        return KEEP;
    }
    if (ir_op_props[z->op] & ENDS) {
        return END;
    }
    if (to == seq) {
        return KEEP;
    }
    if (!is_exit(z->op) || z->imm != to) {
        return CUT;
    }
    reverse(z, seq);
    return KEEP;
}

static unsigned ops_of(const IrBlock *s, unsigned guests)    /* of its first so many instructions */
{
    unsigned n = 0;

    while (n < s->n_insns && s->insns[n].guest < guests) {
        n++;
    }
    return n;
}

static bool has_x87(const IrBlock *s)
{
    for (unsigned i = 0; i < s->n_insns; i++) {
        if (s->insns[i].op == IR_guard) {
            return true;
        }
    }
    return false;
}

/*
 * One piece of the path, from its instruction i on.  Returns how many of its instructions are in;
 * *ended: the trace is.
 */
static unsigned piece(const TracePath *path, TraceCode *t, unsigned i, bool *ended)
{
    const DbtGuest *g = path->cpu->guest;
    IrBlock *s = t->piece, *to = t->ir;
    uint64_t base = to->pc & -(uint64_t)DBT_PAGE, page = path->pc[i] & -(uint64_t)DBT_PAGE;
    int32_t delta = (int32_t)(page - base);
    unsigned in_page = (unsigned)(path->pc[i] - page), m = 1;
    TracePage *p = page_of(t, delta);

    *ended = true;
    if (!p) {
        return 0;
    }
    ir_begin(s, path->pc[i], to->mode);
    g->translate(path->cpu, s, path->bytes[p - t->pages] + in_page, DBT_PAGE - in_page, NULL,
                 path->n - i);
    if (!s->n_guest || !room_for(to, s) || has_x87(s)) {
        return 0;
    }
    while (m < s->n_guest && i + m < path->n &&
           page + (uint64_t)(int64_t)s->guest[m].offset == path->pc[i + m]) {
        m++;
    }
    for (unsigned k = 1; k < m; k++) {
        if (stores_by_helper(g, s, ops_of(s, k - 1), ops_of(s, k))) {
            m = k;
        }
    }
    unsigned from = m > 1 ? ops_of(s, m - 1) : 0, end = ops_of(s, m);
    int32_t seq = s->guest[m - 1].offset + s->guest[m - 1].length;
    Fate fate = turn(g, t, s, from, &end, (int64_t)(path->pc[i + m] - page), seq, i + m == path->n,
                     path->pc[path->n] == path->pc[0]);
    if (fate == CUT) {
        m--;
        end = from;
    }
    if (m) {
        limit_chkcs(s, m);
        append(to, s, end, m, delta);
        p->granules |= code_granule_mask(in_page, (unsigned)(s->guest[m - 1].offset +
                                                             s->guest[m - 1].length));
    }
    *ended = fate != KEEP || stores_by_helper(g, s, from, end);
    return m;
}

/* Flags wanted where it is left: where the code there is of the trace's pages, look at it. */
static void peek(const TracePath *path, TraceCode *t)
{
    IrBlock *ir = t->ir;

    for (unsigned i = 0; i < ir->n_insns; i++) {
        IrInsn *n = &ir->insns[i];
        if (n->op != IR_jmp && !is_exit(n->op)) {
            continue;
        }
        exit_set_fate(n, FATE_WANTED, 0);
        TracePage *p = page_of(t, n->imm);
        if (p) {
            unsigned at = (unsigned)(n->imm - p->delta);
            DbtPeek k = { .page = path->bytes[p - t->pages], .at = at,
                          .lo = at > PEEK ? at - PEEK : 0, .hi = MIN(at + PEEK, DBT_PAGE) };
            DbtFlagsFate fate = path->cpu->guest->flags_fate(path->cpu, ir->mode, &k);
            if (fate != FATE_WANTED) {
                exit_set_fate(n, fate, k.regs);
                p->granules |= code_granule_mask(k.lo, k.hi);
            }
        }
    }
}

/* The same where it goes back to its own start: what the list itself does with them. */
static void peek_own(IrBlock *ir)
{
    unsigned fault, written, wanted = ir_flags_at_start(ir, &fault, &written);

    for (unsigned i = 0; i < ir->n_insns; i++) {
        IrInsn *n = &ir->insns[i];
        if ((n->op == IR_jmp || is_exit(n->op)) && n->imm == (int32_t)(ir->pc & (DBT_PAGE - 1))) {
            n->live = (uint8_t)wanted;
            n->live_fault = (uint8_t)(fault & ~wanted);
            n->sub = (uint16_t)written;
        }
    }
}

/*
 * What ends in "leave if ...; jump to the start" ends in one branch back each turn:
 * "to the start if not ...; leave".
 */
static void close_loop(IrBlock *ir)
{
    const int32_t start = (int32_t)(ir->pc & (DBT_PAGE - 1));
    IrInsn *jmp = &ir->insns[ir->n_insns - 1], *exit = jmp - 1;

    if (jmp->op != IR_jmp || jmp->imm != start || jmp == ir->insns) {
        return;
    }
    if (is_exit(exit->op) && exit->imm != start) {
        jmp->imm = exit->imm;
        reverse(exit, start);
    }
}

/* The page that its last jump leads to, to be linked to, if it is at hand. */
static void add_last_page(const TracePath *path, TraceCode *t)
{
    const IrInsn *last = &t->ir->insns[t->ir->n_insns - 1];

    if (last->op == IR_jmp && !page_of(t, last->imm) && t->n_pages < TRACE_PAGES &&
        path->after.host && ((int64_t)last->imm & -(int64_t)DBT_PAGE) == path->after.delta) {
        t->pages[t->n_pages++] = path->after;
    }
}

/* Pages that nothing is of go, but not one that has been added. */
static void keep_used_pages(TraceCode *t, unsigned n_pages)
{
    unsigned used = 0;

    for (unsigned k = 0; k < t->n_pages; k++) {
        if (t->pages[k].granules || k >= n_pages) {
            t->pages[used++] = t->pages[k];
        }
    }
    t->n_pages = used;
}

bool trace_stitch(const TracePath *path, TraceCode *t)
{
    const DbtMachine *d = path->cpu->dbt;
    IrBlock *ir = t->ir;
    unsigned i = 0;
    bool ended = false;

    ir_begin(ir, path->pc[0], path->mode);
    t->n_returns = 0;
    t->n_pages = path->n_pages;
    memcpy(t->pages, path->pages, sizeof(t->pages));
    while (i < path->n && !ended) {
        i += piece(path, t, i, &ended);
    }
    t->n = i;
    if (i < TRACE_LEAST || !ir->n_insns) {
        return false;
    }
    if (!(ir_op_props[ir->insns[ir->n_insns - 1].op] & ENDS)) {
        int64_t to = (int64_t)(path->pc[i] - (path->pc[0] & -(uint64_t)DBT_PAGE));
        if (to < -2 * FAR || to > 2 * FAR) {
            return false;
        }
        IrInsn *n = ir_emit(ir, IR_jmp, IR_I64, ir_none(), ir_none(), ir_none());
        n->imm = (int32_t)to;
    }
    close_loop(ir);
    peek(path, t);
    peek_own(ir);
    add_last_page(path, t);
    keep_used_pages(t, path->n_pages);
    if (path->one_cpu) {
        ir_unlock(ir);
    }
    ir_merge_checks(ir, d->no_merge ? 0 : IR_SHARED_HOSTS);
    ir_optimise(ir, FL_ALL, d->guest->helpers);
    return true;
}
