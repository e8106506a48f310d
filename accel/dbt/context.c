/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * context.c -- contexts: which translation tables are current, how they are made, and where code
 * goes over from one to another.  What they forget is flush.c's, the jump cache jumpcache.c's.
 *
 * Threads: a vCPU's own.
 */
#include <stdlib.h>
#include <string.h>
#include "accel/dbt/context.h"

/* A context's tables are touched when it is first used: most of a short run's never are. */
static void context_make(DbtCpu *c, unsigned i)
{
    DbtContext *x = &c->contexts[i];

    x->index = i;
    c->keys[i].made = true;
    c->keys[i].global_lo = UINT64_MAX;
    dbt_context_empty(x);
    jmp_init(x);
}

void tlb_init(DbtCpu *c)
{
    c->contexts = dbt_huge_new(DBT_CONTEXTS * sizeof(DbtContext));
    context_make(c, 0);
    dbt_use(c, &c->contexts[0]);
    dbt_constants(c);
    c->user_ctx = c->contexts + DBT_CONTEXTS;   /* none: no context has this, or NULL, for its gate */
    ic_init(c);
}

static bool has_key(const DbtCpu *c, unsigned i, const DbtKey *key)
{
    const DbtContextKey *k = &c->keys[i];

    return k->key.space == key->space && k->key.mode == key->mode && k->used;
}

/*
 * A kernel's contexts are for all spaces: what is global in them stays when another space comes,
 * so that a new process finds the kernel's code and data at once.  What is not global, mostly what
 * is copied from and to user code, is of one space: DbtContextKey.space, for all such contexts of a
 * domain that of the code that runs there.  Where it is much (kernels whose own pages are not
 * global), a context is for one space, as user code's are.
 */
static uint64_t any_space(const DbtCpu *c, uint64_t space)
{
    return space | ~c->guest->space_domain;
}

static uint64_t apart_bit(const DbtCpu *c, const DbtKey *key)
{
    uint64_t mode = key->mode & ~c->guest->mode_data;
    uint64_t kind = (key->space & c->guest->space_domain) ^ mode << 8;

    return UINT64_C(1) << (kind * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

/* Of the context that code with this key runs in. */
static DbtKey context_key(const DbtCpu *c, DbtKey key)
{
    uint64_t user = c->guest->mode_user;

    if ((key.mode & c->guest->mode_global) && (key.mode & user) != user &&
        !(c->apart & apart_bit(c, &key))) {
        key.space = any_space(c, key.space);
    }
    return key;
}

/* Are global pages of context i the same to code that runs with this key? */
static bool shares_globals(const DbtCpu *c, unsigned i, const DbtKey *key)
{
    const DbtContextKey *k = &c->keys[i];

    return k->used && k->key.mode == key->mode &&
           !((k->key.space ^ key->space) & c->guest->space_domain);
}

/* An entry of slot `from` in another table, where there is room. */
static void entry_copy(DbtContext *x, const TlbEntry *e, unsigned from)
{
    uint64_t page = e->read != tlb_empty(from) ? e->read : e->write;
    unsigned slot = tlb_slot(x, page);
    TlbEntry *to = x->tlb[slot].phys & TLBF_FILLED ? &x->victim[slot] : &x->tlb[slot];

    if (page == tlb_empty(from) || !(e->phys & TLBF_FILLED) || (to->phys & TLBF_FILLED)) {
        return;
    }
    *to = *e;
    to->read = e->read == page ? page : tlb_empty(slot);
    to->write = e->write == page ? page : tlb_empty(slot);
    if (to == &x->tlb[slot]) {
        x->filled[x->n_filled++] = (uint16_t)slot;
    }
    if (!(e->phys & TLBF_GLOBAL)) {
        tlb_note_local(x, slot);
    }
}

static void tables_free(DbtContext *x)
{
    if (x->tlb && x->tlb != x->first_tlb) {
        free(x->tlb);
    }
}

/* n entries in place of as many as there are.  Nobody holds the address of one. */
static void context_resize(DbtCpu *c, DbtContext *x, unsigned n)
{
    DbtContext old = { .tlb = x->tlb, .victim = x->victim, .filled = x->filled,
                       .n_filled = x->n_filled };
    size_t tables = 2 * sizeof(TlbEntry) * n, bytes = tables + sizeof(uint16_t) * n;
    size_t whole = (bytes + DBT_PAGE - 1) & -(size_t)DBT_PAGE;
    TlbEntry *tlb = n > DBT_TLB_N ? aligned_alloc(DBT_PAGE, whole) : x->first_tlb;

    if (!tlb) {
        return;                         /* it does as it is */
    }
    if (n > DBT_TLB_N) {
        x->tlb = tlb;
        x->victim = tlb + n;
        x->filled = (uint16_t *)(tlb + 2 * n);
        x->tlb_n = n;
        x->n_filled = 0;
        tlb_no_local(x);
        memset(x->victim, 0, tables / 2);
        for (unsigned s = 0; s < n; s++) {
            x->tlb[s] = (TlbEntry){ .read = tlb_empty(s), .write = tlb_empty(s) };
        }
    } else {
        dbt_context_empty(x);
    }
    for (unsigned i = 0; i < old.n_filled; i++) {
        entry_copy(x, &old.tlb[old.filled[i]], old.filled[i]);
    }
    for (unsigned i = 0; i < old.n_filled; i++) {
        entry_copy(x, &old.victim[old.filled[i]], old.filled[i]);
    }
    if (old.tlb != x->first_tlb) {
        free(old.tlb);
    }
    x->pushed_out = x->exchanged = 0;
    if (c->ctx == x) {
        dbt_use(c, x);
    }
}

/*
 * A walk is ten times the cost of finding the entry that had to make room behind its slot.  What
 * comes so often that it takes one per cent or two of the time is worth a larger table; a context
 * that begins anew begins with a small one.
 */
enum { ADAPT_PUSHED = 1024, ADAPT_US = 20000 };

void tlb_adapt(DbtCpu *c)
{
    DbtContext *x = c->ctx;

    if (G_UNLIKELY(c->dbt->tlb_restless)) {
        context_resize(c, x, x->tlb_n < DBT_TLB_MAX ? x->tlb_n * 4 : DBT_TLB_N);
    }
    if (x->pushed_out + x->exchanged / 8 < ADAPT_PUSHED) {
        return;
    }
    int64_t now = g_get_monotonic_time();
    bool often = now - x->adapted < ADAPT_US;
    x->adapted = now;
    x->pushed_out = x->exchanged = 0;
    if (often && x->tlb_n < DBT_TLB_MAX) {
        context_resize(c, x, x->tlb_n * 4);
        c->stats->grown++;
    }
}

void tlb_fini(DbtCpu *c)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        tables_free(&c->contexts[i]);
    }
}

/* Begins anew, for another space or mode. */
static void context_shrink(DbtCpu *c, DbtContext *x)
{
    if (x->tlb_n > DBT_TLB_N && x->n_filled < DBT_TLB_N / 2) {
        context_resize(c, x, DBT_TLB_N);
    }
    x->pushed_out = x->exchanged = 0;
}

/*
 * Global pages look the same in every space: begin with what the context of this mode that ran last
 * knows of them.
 */
static void context_inherit(DbtCpu *c, unsigned to)
{
    DbtContext *x = &c->contexts[to];
    int best = -1;

    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        if (i != to && shares_globals(c, i, &x->key) &&
            (best < 0 || c->keys[i].last_used > c->keys[best].last_used)) {
            best = (int)i;
        }
    }
    if (best < 0) {
        return;
    }
    const DbtContext *from = &c->contexts[best];
    for (unsigned i = 0; i < from->n_filled; i++) {
        if (from->tlb[from->filled[i]].phys & TLBF_GLOBAL) {
            entry_copy(x, &from->tlb[from->filled[i]], from->filled[i]);
        }
    }
    jmp_inherit(x, from);
    x->fetch_used = x->fetch_global = from->fetch_used & from->fetch_global;
    x->fetch_large = from->fetch_large & x->fetch_used;
    for (uint64_t left = x->fetch_used; left; left &= left - 1) {
        x->fetch[__builtin_ctzll(left)] = from->fetch[__builtin_ctzll(left)];
    }
    x->n_large = from->n_large;
    memcpy(x->large, from->large, sizeof(x->large));
    c->keys[to].global_lo = c->keys[best].global_lo;
    c->keys[to].global_hi = c->keys[best].global_hi;
}

/* Has it been idle for so long that most of the contexts ran since? */
static bool is_idle(const DbtCpu *c, unsigned i)
{
    unsigned later = 0;

    for (unsigned k = 0; k < DBT_CONTEXTS; k++) {
        later += c->keys[k].used && c->keys[k].last_used > c->keys[i].last_used;
    }
    return later >= DBT_CONTEXTS * 3 / 4;
}

static void twin_drop(DbtContext *x)
{
    if (x->twin) {
        x->twin->twin = NULL;
        x->twin = NULL;
    }
}

static void gate_drop(DbtCpu *c, DbtContext *x)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        if (c->keys[i].made && c->contexts[i].gate == x) {
            c->contexts[i].gate = NULL;
        }
    }
    x->gate = NULL;
}

void dbt_gates_drop(DbtCpu *c)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        if (c->keys[i].made) {
            c->contexts[i].gate = NULL;
        }
    }
}

/*
 * May code go over to another context by itself?  Not where caches are of each context of a kernel
 * as well: they would have to be told.
 */
static bool goes_over(const DbtCpu *c)
{
    return c->dbt->ic != IC_ALL && c->dbt->tier2 != TIER2_ALL;
}

void dbt_gate(DbtCpu *c, DbtContext *from, DbtContext *to)
{
    if (from != to && goes_over(c)) {
        from->gate = to;
    }
}

void dbt_twins(DbtCpu *c, DbtContext *one, DbtContext *other)
{
    if (goes_over(c)) {
        twin_drop(one);
        twin_drop(other);
        one->twin = other;
        other->twin = one;
    }
}

/*
 * A context that was idle in the same mode keeps what it knows of global pages; else the oldest
 * begins with what another knows.
 */
static unsigned context_find(DbtCpu *c, const DbtKey *key)
{
    unsigned oldest = 0, victim;
    int alike = -1;

    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        const DbtContextKey *k = &c->keys[i];
        if (has_key(c, i, key)) {
            return i;
        }
        if (c->keys[oldest].used && (!k->used || k->last_used < c->keys[oldest].last_used)) {
            oldest = i;
        }
        if (shares_globals(c, i, key) && (alike < 0 || k->last_used < c->keys[alike].last_used)) {
            alike = (int)i;
        }
    }
    c->stats->contexts++;
    if (alike >= 0 && is_idle(c, (unsigned)alike)) {
        victim = (unsigned)alike;
        twin_drop(&c->contexts[victim]);
        gate_drop(c, &c->contexts[victim]);
        context_flush_local(c, &c->contexts[victim]);
        context_shrink(c, &c->contexts[victim]);
        c->keys[victim].key = c->contexts[victim].key = *key;
        c->keys[victim].space = c->space;
        return victim;
    }
    victim = oldest;
    if (c->keys[victim].made) {
        twin_drop(&c->contexts[victim]);
        gate_drop(c, &c->contexts[victim]);
        context_flush(c, &c->contexts[victim]);
        context_shrink(c, &c->contexts[victim]);
    } else {
        context_make(c, victim);
    }
    c->keys[victim].used = true;
    c->keys[victim].key = c->contexts[victim].key = *key;
    c->keys[victim].space = c->space;
    context_inherit(c, victim);
    return victim;
}

static void ran(DbtCpu *c, const DbtContext *x)
{
    c->keys[x->index].last_used = c->tick;
    if (x->twin) {
        c->keys[x->twin->index].last_used = c->tick;
    }
}

/* The current context has run, and what code goes over to from there by itself. */
static void note_ran(DbtCpu *c)
{
    const DbtContext *x = c->ctx;

    ++c->tick;
    ran(c, x);
    if (x->gate) {
        ran(c, x->gate);
    }
    if (x->twin && x->twin->gate) {
        ran(c, x->twin->gate);
    }
}

/* Where the way out of the kernel leads to in this space: what it led to in another, there. */
static DbtContext *gate_in(DbtCpu *c, const DbtContext *gate, uint64_t space)
{
    DbtKey key = { space, gate ? gate->key.mode : 0 };

    for (unsigned i = 0; gate && i < DBT_CONTEXTS; i++) {
        if (has_key(c, i, &key)) {
            return &c->contexts[i];
        }
    }
    return NULL;
}

enum { MUCH_DATA = 64, MUCH_CODE = 4,   /* pages, targets */
       MUCH = 3, APART_AFTER = 24,      /* a move with that counts for three without */
       LONG_AGO = 8192 };               /* changes of context by C */

/* Kernels like this one have contexts for one space each from now on. */
static void stay_apart(DbtCpu *c, uint64_t bit)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        DbtContextKey *k = &c->keys[i];
        if (k->used && k->key.space == any_space(c, k->space) && apart_bit(c, &k->key) == bit) {
            twin_drop(&c->contexts[i]);
            k->key.space = c->contexts[i].key.space = k->space;
        }
    }
    dbt_gates_drop(c);                  /* of all spaces, to what is for this one */
    c->apart |= bit;
    c->stats->apart++;
}

/* A context for all spaces is to be of this one now. */
static void context_move(DbtCpu *c, unsigned i, uint64_t space)
{
    DbtContextKey *k = &c->keys[i];
    DbtContext *x = &c->contexts[i];
    bool much = x->n_local > MUCH_DATA || x->n_jmp[0] > MUCH_CODE;
    bool any = x->n_local || x->n_jmp[0] || x->fetch_used & ~x->fetch_global;

    if (any || !goes_over(c)) {         /* else no shortcut is of a page that is not global */
        context_flush_local(c, x);
        c->stats->moves++;
    }
    if (!any && c->tick - k->last_used > LONG_AGO) {    /* a mode that is over, as like as not */
        twin_drop(x);
        gate_drop(c, x);
        context_flush(c, x);
        k->used = false;
        return;
    }
    k->space = space;
    x->gate = gate_in(c, x->gate, space);
    k->much = (uint8_t)(much ? k->much + MUCH : k->much - (k->much > 0));
    if (k->much >= APART_AFTER) {
        k->much = 0;
        stay_apart(c, apart_bit(c, &k->key));
    }
}

/* Code of another space runs: who goes over to a kernel from there without C is to find it so. */
static void space_changed(DbtCpu *c, uint64_t space)
{
    bool noted = false;

    c->space = space;
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        const DbtContextKey *k = &c->keys[i];
        if (k->used && k->key.space == any_space(c, space) && k->space != space) {
            if (!noted) {
                note_ran(c);            /* before its gate leads elsewhere */
                noted = true;
            }
            context_move(c, i, space);
        }
    }
}

void dbt_mode_changed(DbtCpu *c)
{
    DbtKey real = c->guest->key(c);
    unsigned now = c->ctx->index;

    if (real.space != c->space) {
        space_changed(c, real.space);
    }
    DbtKey key = context_key(c, real);
    if (has_key(c, now, &key)) {
        return;
    }
    note_ran(c);
    uint64_t hash = (key.space ^ key.mode ^ key.mode >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    uint8_t *guess = &c->guess[hash >> 58];
    if (!has_key(c, *guess, &key)) {
        *guess = (uint8_t)context_find(c, &key);
    }
    dbt_use(c, &c->contexts[*guess]);
    shortcut_context(c);
    if ((c->ctx->key.mode & c->guest->mode_user) == c->guest->mode_user) {
        c->user_ctx = c->ctx;
    }
    c->stats->switches++;
}
