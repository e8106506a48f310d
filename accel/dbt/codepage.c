/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codepage.c -- pages of RAM that blocks come from: their guard, and stores to them.
 *
 * A page that code was translated from is guarded: it is writable in no TLB, and each store to it
 * asks whether its 64-byte granule is clean, or at least its 8 bytes are.
 *
 * What one CPU does to code that another runs.  The manual promises of cross-modifying code only
 * that a CPU which has seen the store, or anything stored after it, and then serializes runs the
 * new code; without that it may run either.  Two things more are relied upon: what one aligned
 * store swaps is old or new, never half of each (a JIT compiler does so to its calls, a kernel to
 * the first byte of what it patches, before it interrupts the other CPUs for the rest); and no CPU
 * that has run the new code runs the old again.  Here there are several readings of the same bytes:
 * blocks and traces, made of them some time ago; tier 0, and loads, which take them from RAM.  So:
 *
 * - A store to code kills what was made of the bytes and only then stores, both with
 *   DbtMachine.lock held (code_store()).  Blocks are made and come back (past.c), and traces are
 *   compared and installed, with that lock.  So whoever has seen the new bytes, by tier 0 or by a
 *   load, finds no block of the old ones, then or later, and needs no lock to read them.
 * - While a page's code is made (`making`), every store to it is one to code.  What a trace is made
 *   of by another thread (tracework.c) are copies, compared before it counts.
 * - A CPU in a block that is killed goes on to the next exit.  It has not decided on anything new
 *   since, as a branch is an exit, or ends the block; and CPUID ends its block, helpers that
 *   serialize end their trace.
 * - Tier 0 reads 8 aligned bytes at a time (dbt.c).
 *
 * Spec: Intel SDM vol. 3, 9.1.1 (aligned accesses), 9.1.3 (self- and cross-modifying code), 9.3
 * (serializing instructions), 12.6 (self-modifying code).
 * Omits: DMA stores first and kills then: who polls what a device stores may run the old code once
 * more before the device says that it is done.
 * Threads: any vCPU; DbtMachine.lock.
 */
#include "accel/dbt/internal.h"
#include "core/trace.h"

enum { LIFT_AFTER = 64, STALE_STORES = 32 };

DbtRegion *code_region(DbtMachine *d, Region *r)
{
    unsigned n = __atomic_load_n(&d->n_regions, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < n; i++) {
        if (d->regions[i]->region == r) {
            return d->regions[i];
        }
    }
    DbtRegion *dr = NULL;
    g_mutex_lock(&d->lock);
    for (unsigned i = n; i < d->n_regions && !dr; i++) {
        dr = d->regions[i]->region == r ? d->regions[i] : NULL;
    }
    if (!dr && d->n_regions < DBT_MAX_REGIONS) {
        dr = g_new0(DbtRegion, 1);
        *dr = (DbtRegion){ .region = r, .host = r->host,
                           .n_pages = (r->size + DBT_PAGE - 1) / DBT_PAGE };
        dr->pages = g_new0(CodePage *, dr->n_pages);
        dr->writable = g_new0(uint32_t, dr->n_pages);
        d->regions[d->n_regions] = dr;
        __atomic_store_n(&d->n_regions, d->n_regions + 1, __ATOMIC_RELEASE);
    }
    g_mutex_unlock(&d->lock);
    return dr;
}

CodePage *code_page(const DbtRegion *dr, uint64_t offset)
{
    return __atomic_load_n(&dr->pages[offset >> DBT_PAGE_BITS], __ATOMIC_ACQUIRE);
}

uint64_t code_granule_mask(uint64_t from, uint64_t to)    /* bytes [from, to) of a page */
{
    unsigned first = (unsigned)(from >> 6), last = (unsigned)((to - 1) >> 6);

    return (~UINT64_C(0) >> (63 - (last - first))) << first;
}

/* ---- which bytes hold code ---- */

static void octets_add(uint64_t *octets, unsigned from, unsigned to)
{
    for (unsigned first = from / 8, last = (to - 1) / 8; first <= last; first = (first | 63) + 1) {
        unsigned n = MIN(last, first | 63) - first;
        octets[first / 64] |= (~UINT64_C(0) >> (63 - n)) << (first & 63);
    }
}

static void octets_add_granules(uint64_t *octets, uint64_t granules)
{
    for (; granules; granules &= granules - 1) {
        unsigned g = (unsigned)__builtin_ctzll(granules);
        octets[g / 8] |= UINT64_C(0xff) << (g % 8 * 8);
    }
}

/* Bytes of the page that the block depends on, but for traces, of which granules are known. */
static void octets_add_block(uint64_t *octets, const DbtMachine *d, const Block *b,
                             const uint8_t *page)
{
    if (d->backend && b->trace) {
        octets_add_granules(octets, trace_granules(d, b, page));
        return;
    }
    if ((uint64_t)(b->at - page) < DBT_PAGE) {
        octets_add(octets, b->from, b->to);
    }
    if (b->at2 == page) {               /* the same page twice is possible */
        octets_add(octets, 0,
                   b->length - (unsigned)(DBT_PAGE - ((uintptr_t)b->at & (DBT_PAGE - 1))));
    }
}

/* Does it depend on any of bytes [from, to) of the page?  A trace is said to. */
static bool block_has(const DbtMachine *d, const Block *b, const uint8_t *page, unsigned from,
                      unsigned to)
{
    return (d->backend && b->trace) ||
           ((uint64_t)(b->at - page) < DBT_PAGE && b->from < to && from < b->to) ||
           (b->at2 == page && from < b->length - (DBT_PAGE - ((uintptr_t)b->at & (DBT_PAGE - 1))));
}

static bool octets_hit(const uint64_t *octets, unsigned from, unsigned to)
{
    uint64_t of[CODE_OCTETS] = { 0 };

    octets_add(of, from, to);
    for (unsigned k = from / 512; k <= (to - 1) / 512; k++) {
        if (__atomic_load_n(&octets[k], __ATOMIC_SEQ_CST) & of[k]) {
            return true;
        }
    }
    return false;
}

void code_page_cover_granules(CodePage *p, uint64_t granules)
{
    uint64_t of[CODE_OCTETS] = { 0 };

    octets_add_granules(of, granules);
    for (unsigned k = 0; k < CODE_OCTETS; k++) {
        __atomic_or_fetch(&p->octets[k], of[k], __ATOMIC_SEQ_CST);
    }
    __atomic_or_fetch(&p->granules, granules, __ATOMIC_SEQ_CST);
}

void code_page_cover(CodePage *p, unsigned from, unsigned to)
{
    uint64_t of[CODE_OCTETS] = { 0 };

    octets_add(of, from, to);
    for (unsigned k = from / 512; k <= (to - 1) / 512; k++) {
        __atomic_or_fetch(&p->octets[k], of[k], __ATOMIC_SEQ_CST);
    }
    __atomic_or_fetch(&p->granules, code_granule_mask(from, to), __ATOMIC_SEQ_CST);
}

/* What is left of it. */
static void page_set_code(CodePage *p, uint64_t granules, const uint64_t *octets)
{
    for (unsigned k = 0; k < CODE_OCTETS; k++) {
        __atomic_store_n(&p->octets[k], octets[k], __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&p->granules, granules, __ATOMIC_SEQ_CST);
}

/* ---- guarding pages ---- */

typedef struct Guard {
    DbtMachine *d;
    CodePage *p;
    const uint8_t *host_page;
    uint32_t *writable;
} Guard;

/* All vCPUs are stopped: rights of theirs to the page end here, and are counted anew. */
static void guard_stopped(void *arg)
{
    Guard *g = arg;
    uint32_t slots = __atomic_exchange_n(g->writable, 0, __ATOMIC_SEQ_CST);

    __atomic_store_n(&g->p->guarded, true, __ATOMIC_SEQ_CST);
    __atomic_store_n(&g->p->clean_stores, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < g->d->cpus->len; i++) {
        if (slots) {
            tlb_unwrite(g->d->cpus->pdata[i], g->host_page, slots);
        } else {
            beside_forget(g->d->cpus->pdata[i], g->host_page);
        }
    }
}

/*
 * Before the page's bytes are read.  After this, until page_made(), no store to the page goes
 * unasked and each is one to code: it waits for the lock, then finds the block.  Without the lock:
 * other vCPUs must come to an exit check.  A store that is let through counts itself before it
 * looks at `making`, and `making` is set before the count is looked at: one of the two sees the
 * other.  Guard and count change while all are stopped, so that who comes second does not believe
 * what the first only intends.
 */
CodePage *code_page_guard(DbtMachine *d, DbtRegion *dr, uint8_t *host_page)
{
    uint64_t index = (uint64_t)(host_page - dr->host) >> DBT_PAGE_BITS;
    CodePage *p;

    g_mutex_lock(&d->lock);
    p = dr->pages[index];
    if (!p) {
        p = g_new0(CodePage, 1);
        p->blocks = g_ptr_array_new();
        __atomic_store_n(&dr->pages[index], p, __ATOMIC_RELEASE);
    }
    __atomic_add_fetch(&p->making, 1, __ATOMIC_SEQ_CST);
    uint32_t let_through = __atomic_load_n(&p->clean_stores, __ATOMIC_SEQ_CST);
    /* the latter: one let through may be in flight */
    bool wait = !p->guarded || (let_through && d->cpus->len > 1);
    if (!wait) {
        __atomic_store_n(&p->clean_stores, 0, __ATOMIC_SEQ_CST);
    }
    g_mutex_unlock(&d->lock);
    if (wait) {
        Guard g = { d, p, host_page, &dr->writable[index] };
        if (d->cpus->len > 1) {
            machine_exclusive(d->machine, guard_stopped, &g);
        } else {
            guard_stopped(&g);
        }
    }
    return p;
}

void code_page_made(CodePage *p)
{
    if (p) {
        __atomic_sub_fetch(&p->making, 1, __ATOMIC_SEQ_CST);
    }
}

bool code_store_is_clean(DbtMachine *d, DbtRegion *dr, uint64_t offset, unsigned n)
{
    CodePage *p = code_page(dr, offset);
    uint64_t in_page = offset & (DBT_PAGE - 1);

    if (!p || !__atomic_load_n(&p->guarded, __ATOMIC_SEQ_CST)) {
        return true;
    }
    unsigned let_through = __atomic_add_fetch(&p->clean_stores, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&p->making, __ATOMIC_SEQ_CST) ||
        ((__atomic_load_n(&p->granules, __ATOMIC_SEQ_CST) &
          code_granule_mask(in_page, in_page + n)) &&
         octets_hit(p->octets, (unsigned)in_page, (unsigned)in_page + n))) {
        __atomic_sub_fetch(&p->clean_stores, 1, __ATOMIC_SEQ_CST);
        return false;
    }
    if (let_through >= LIFT_AFTER) {
        g_mutex_lock(&d->lock);
        if (!p->granules && !p->making) {
            __atomic_store_n(&p->guarded, false, __ATOMIC_SEQ_CST);
        }
        g_mutex_unlock(&d->lock);
    }
    return true;
}

uint64_t code_granules(const DbtMachine *d, const DbtRegion *dr, uint64_t page_index,
                       const Block *b)
{
    const uint8_t *page = dr->host + (page_index << DBT_PAGE_BITS);
    uint64_t mask = 0;

    if (d->backend && b->trace) {
        return trace_granules(d, b, page);
    }
    if ((uint64_t)(b->at - page) < DBT_PAGE) {
        mask |= code_granule_mask(b->from, b->to);
    }
    if (b->at2 == page) {               /* the same page twice is possible */
        mask |= code_granule_mask(0, b->length - (DBT_PAGE - ((uintptr_t)b->at & (DBT_PAGE - 1))));
    }
    return mask;
}

/*
 * With several vCPUs the granules of a block that one of them has killed stay marked: another may
 * be in that block, and if it writes to what it is about to execute, it must leave.  Enough stores
 * to granules of which nothing else is left have the vCPUs stopped once; none is in a dead block
 * then.
 */
static void stale_locked(DbtMachine *d, DbtRegion *dr, uint64_t index, uint64_t killed)
{
    CodePage *p = dr->pages[index];

    if (killed && d->cpus->len > 1) {
        if (!p->stale) {
            StalePage s = { dr, index };
            g_array_append_val(d->stale_pages, s);
        }
        p->stale |= killed;
    } else if (!killed && p->stale && ++p->stale_stores == STALE_STORES) {
        p->stale_stores = 0;
        __atomic_store_n(&d->stale_wanted, true, __ATOMIC_SEQ_CST);
        for (unsigned i = 0; i < d->cpus->len; i++) {
            vcpu_kick(d->cpus->pdata[i]);
        }
    }
}

static void stale_stopped(void *arg)
{
    DbtMachine *d = arg;

    if (block_in_use(d)) {
        return;
    }
    g_mutex_lock(&d->lock);
    for (unsigned i = 0; i < d->stale_pages->len; i++) {
        const StalePage *s = &g_array_index(d->stale_pages, StalePage, i);
        code_page_sweep(d, s->region, s->index);
    }
    g_array_set_size(d->stale_pages, 0);
    g_mutex_unlock(&d->lock);
}

void code_stale_clear(DbtMachine *d)
{
    if (__atomic_exchange_n(&d->stale_wanted, false, __ATOMIC_SEQ_CST)) {
        machine_exclusive(d->machine, stale_stopped, d);
    }
}

/* Bytes [from, to) of the page. */
static void page_written_locked(DbtMachine *d, DbtRegion *dr, uint64_t index, unsigned from,
                                unsigned to)
{
    CodePage *p = dr->pages[index];
    uint64_t mask = code_granule_mask(from, to), left = 0, killed = 0, octets[CODE_OCTETS] = { 0 };
    const uint8_t *page = dr->host + (index << DBT_PAGE_BITS);
    unsigned traces = 0;

    if (!p || !(p->granules & mask)) {
        return;
    }
    for (unsigned i = 0; i < p->blocks->len;) {
        Block *b = p->blocks->pdata[i];
        uint64_t g = b->dead ? 0 : code_granules(d, dr, index, b);
        if ((g & mask) && block_has(d, b, page, from, to)) {
            block_kill(d, b);
            p->killed++;
            killed |= g;
            g = 0;
        }
        if (g) {
            left |= g;
            octets_add_block(octets, d, b, page);
            traces += d->backend && b->trace;
            i++;
        } else {
            g_ptr_array_remove_index_fast(p->blocks, i);
        }
    }
    stale_locked(d, dr, index, killed);
    octets_add_granules(octets, p->stale);
    page_set_code(p, left | p->stale, octets);
    __atomic_store_n(&p->traces, traces, __ATOMIC_SEQ_CST);
}

void code_written(DbtMachine *d, DbtRegion *dr, uint64_t offset, uint64_t n)
{
    trace_dbt_code_written(offset, n);
    g_mutex_lock(&d->lock);
    while (n) {
        uint64_t in_page = offset & (DBT_PAGE - 1), part = MIN(n, DBT_PAGE - in_page);
        page_written_locked(d, dr, offset >> DBT_PAGE_BITS, (unsigned)in_page,
                            (unsigned)(in_page + part));
        offset += part;
        n -= part;
    }
    g_mutex_unlock(&d->lock);
}

void code_store(DbtMachine *d, DbtRegion *dr, uint64_t offset, uint8_t *host, uint64_t value,
                unsigned n)
{
    unsigned in_page = (unsigned)(offset & (DBT_PAGE - 1));

    trace_dbt_code_written(offset, n);
    g_mutex_lock(&d->lock);
    page_written_locked(d, dr, offset >> DBT_PAGE_BITS, in_page, in_page + n);
    host_put(host, value, n);
    g_mutex_unlock(&d->lock);
}

void code_page_sweep(const DbtMachine *d, const DbtRegion *dr, uint64_t index)
{
    CodePage *p = dr->pages[index];
    uint64_t left = 0, octets[CODE_OCTETS] = { 0 };
    unsigned kept = 0, traces = 0;

    for (unsigned i = 0; i < p->blocks->len; i++) {
        Block *b = p->blocks->pdata[i];
        if (b->at && !b->dead) {
            left |= code_granules(d, dr, index, b);
            octets_add_block(octets, d, b, dr->host + (index << DBT_PAGE_BITS));
            traces += d->backend && b->trace;
            p->blocks->pdata[kept++] = b;
        }
    }
    g_ptr_array_set_size(p->blocks, (gint)kept);
    p->stale = 0;
    page_set_code(p, left, octets);
    __atomic_store_n(&p->traces, traces, __ATOMIC_SEQ_CST);
}
