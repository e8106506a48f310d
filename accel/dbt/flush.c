/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flush.c -- what contexts forget: all, what is not of global pages, a page, a right to write.
 *
 * Threads: a vCPU's own, except tlb_unwrite() and dbt_flush_all(), also called for stopped vCPUs.
 */
#include "accel/dbt/context.h"

static void fetch_clear(DbtContext *x, uint64_t which)
{
    which &= x->fetch_used;
    x->fetch_used &= ~which;
    x->fetch_global &= ~which;
    x->fetch_large &= ~which;
    for (; which; which &= which - 1) {
        x->fetch[__builtin_ctzll(which)].tag = 0;
    }
}

static void entry_clear(DbtContext *x, unsigned slot)
{
    x->tlb[slot] = (TlbEntry){ .read = tlb_empty(slot), .write = tlb_empty(slot) };
    x->victim[slot].phys = 0;
}

void tlb_entry_flush_page(TlbEntry *e, unsigned slot, uint64_t page, bool globals_only)
{
    if ((e->phys & TLBF_FILLED) && (e->read == page || e->write == page) &&
        (!globals_only || (e->phys & TLBF_GLOBAL))) {
        e->read = e->write = tlb_empty(slot);
    }
}

void context_flush(DbtCpu *c, DbtContext *x)
{
    shortcut_flush(c, x, true);
    for (unsigned i = 0; i < x->n_filled; i++) {
        entry_clear(x, x->filled[i]);
    }
    x->n_filled = 0;
    tlb_no_local(x);
    x->n_large = 0;
    jmp_clear(x, 0);
    jmp_clear(x, 1);
    fetch_clear(x, UINT64_MAX);
    c->keys[x->index].global_lo = UINT64_MAX;
    c->keys[x->index].global_hi = 0;
}

/* What is not of global pages goes from a slot of the TLB; is something left? */
static bool slot_flush_local(DbtContext *x, unsigned slot)
{
    TlbEntry *e = &x->tlb[slot], *v = &x->victim[slot];

    if (!(v->phys & TLBF_GLOBAL)) {
        v->phys = 0;
    }
    if (!(e->phys & TLBF_GLOBAL)) {
        if (!v->phys) {
            *e = (TlbEntry){ .read = tlb_empty(slot), .write = tlb_empty(slot),
                             .phys = TLBF_FILLED };     /* it stays in filled[] */
            return false;
        }
        *e = *v;
        v->phys = 0;
    }
    return true;
}

/* A kernel's TLB holds little that is its space's own: only that is looked at. */
static void tlb_flush_local(DbtContext *x)
{
    bool few = x->n_local < x->n_filled / 2;
    unsigned kept = 0;

    for (unsigned k = 0; k < G_N_ELEMENTS(x->local_words); k++) {
        for (; x->local_words[k]; x->local_words[k] &= x->local_words[k] - 1) {
            unsigned w = k * 64 + (unsigned)__builtin_ctzll(x->local_words[k]);
            for (; few && x->local[w]; x->local[w] &= x->local[w] - 1) {
                slot_flush_local(x, w * 64 + (unsigned)__builtin_ctzll(x->local[w]));
            }
            x->local[w] = 0;
        }
    }
    x->n_local = 0;
    if (few) {
        return;
    }
    for (unsigned i = 0; i < x->n_filled; i++) {
        unsigned slot = x->filled[i];
        if (slot_flush_local(x, slot)) {
            x->filled[kept++] = (uint16_t)slot;
        } else {
            x->tlb[slot].phys = 0;
        }
    }
    x->n_filled = (uint16_t)kept;
}

void context_flush_local(DbtCpu *c, DbtContext *x)
{
    shortcut_flush(c, x, false);
    tlb_flush_local(x);
    jmp_clear(x, 0);
    fetch_clear(x, ~x->fetch_global);
}

void dbt_flush_all(DbtCpu *c)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        if (c->keys[i].made) {
            context_flush(c, &c->contexts[i]);
        }
    }
    c->stats->flushes++;
}

void dbt_flush_space(DbtCpu *c, uint64_t mask, uint64_t space, bool keep_global)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        DbtContext *x = &c->contexts[i];
        if (c->keys[i].used && (c->keys[i].space & mask) == space) {
            if (keep_global) {
                context_flush_local(c, x);
            } else {
                context_flush(c, x);
            }
        }
    }
    c->stats->flushes++;
}

static void note_large(DbtContext *x, uint64_t linear)
{
    for (unsigned i = 0; i < MIN(x->n_large, DBT_LARGE); i++) {
        if (x->large[i] == linear >> 30) {
            return;
        }
    }
    if (x->n_large < DBT_LARGE) {
        x->large[x->n_large] = linear >> 30;
    }
    if (x->n_large <= DBT_LARGE) {
        x->n_large++;
    }
}

void tlb_entered(DbtCpu *c, uint64_t linear, const DbtWalk *w)
{
    if (w->page_bytes > DBT_PAGE) {
        note_large(c->ctx, linear);
    }
    if (w->global) {                    /* INVLPG may name any address of the page */
        DbtContextKey *k = &c->keys[c->ctx->index];
        k->global_lo = MIN(k->global_lo, linear & -w->page_bytes);
        k->global_hi = MAX(k->global_hi, linear | (w->page_bytes - 1));
    }
}

/* Was anything near to linear entered from a large page? */
static bool near_large(const DbtContext *x, uint64_t linear)
{
    for (unsigned i = 0; i < MIN(x->n_large, DBT_LARGE); i++) {
        if (x->large[i] == linear >> 30) {
            return true;
        }
    }
    return x->n_large > DBT_LARGE;
}

/* A large page has many entries: all from the same GiB go. */
static void context_flush_large(DbtCpu *c, DbtContext *x, uint64_t linear)
{
    uint64_t mask = -(UINT64_C(1) << 30), at = linear & mask, fetches = 0;

    shortcut_flush(c, x, true);
    for (unsigned i = 0; i < x->n_filled; i++) {
        unsigned slot = x->filled[i];
        for (TlbEntry *e = &x->tlb[slot];; e = &x->victim[slot]) {
            if ((e->phys & TLBF_LARGE) && ((e->read & mask) == at || (e->write & mask) == at)) {
                e->read = e->write = tlb_empty(slot);   /* stays in filled[] */
            }
            if (e == &x->victim[slot]) {
                break;
            }
        }
    }
    for (uint64_t which = x->fetch_used & x->fetch_large; which; which &= which - 1) {
        if ((x->fetch[__builtin_ctzll(which)].tag & mask) == at) {
            fetches |= which & -which;
        }
    }
    fetch_clear(x, fetches);
    jmp_clear_part(x, mask, at, 0, 2);
    jmp_clear_part(x, -(uint64_t)DBT_PAGE, at - DBT_PAGE, 0, 2);        /* reaches into it */
}

/* near_global: pages of global entries may be this one or next to it. */
static void context_flush_page(DbtCpu *c, DbtContext *x, uint64_t linear, bool globals_only,
                               bool near_global)
{
    unsigned slot = tlb_slot(x, linear), f = (linear >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);
    uint64_t page = linear & ~(uint64_t)(DBT_PAGE - 1);

    tlb_entry_flush_page(&x->tlb[slot], slot, page, globals_only);          /* stays in filled[] */
    tlb_entry_flush_page(&x->victim[slot], slot, page, globals_only);
    if (x->fetch[f].tag == (page | 1)) {
        fetch_clear(x, UINT64_C(1) << f);
    }
    if (page) {
        jmp_clear_page(x, page, near_global);
        shortcut_flush_page(c, x, page, near_global);
    } else {                            /* 4 GiB may be the same to 32-bit code */
        jmp_clear(x, 0);
        jmp_clear(x, 1);
        fetch_clear(x, UINT64_MAX);
        shortcut_flush(c, x, true);
    }
    if (near_large(x, linear)) {
        context_flush_large(c, x, linear);
    }
}

void dbt_flush_page(DbtCpu *c, uint64_t linear, uint64_t mask, uint64_t space)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        const DbtContextKey *k = &c->keys[i];
        bool globals_only = (k->space & mask) != space;
        bool near_global = linear >= k->global_lo - MIN(k->global_lo, DBT_PAGE) &&
                           linear <= k->global_hi + MIN(~k->global_hi, DBT_PAGE);
        if (k->used && (!globals_only || near_global)) {
            context_flush_page(c, &c->contexts[i], linear, globals_only, near_global);
        }
    }
    c->stats->page_flushes++;
}

static void unwrite_slot(DbtContext *x, unsigned slot, const uint8_t *host_page)
{
    if (x->tlb[slot].page == (uintptr_t)host_page) {
        x->tlb[slot].write = tlb_empty(slot);
    }
    if (x->victim[slot].page == (uintptr_t)host_page) {
        x->victim[slot].write = tlb_empty(slot);
    }
}

void tlb_unwrite(DbtCpu *c, const uint8_t *host_page, uint32_t slots)
{
    shortcut_unwrite(c, host_page);
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        DbtContext *x = &c->contexts[i];
        if (!c->keys[i].made) {
            continue;
        }
        if (slots != WRITABLE_MANY) {
            for (uint32_t left = slots; left; left >>= 16) {
                unwrite_slot(x, ((left & UINT16_MAX) - 1) & (x->tlb_n - 1), host_page);
            }
            continue;
        }
        for (unsigned k = 0; k < x->n_filled; k++) {
            unwrite_slot(x, x->filled[k], host_page);
        }
    }
}
