/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * far.c -- direct jumps to other pages as links: pairs of pages, and guards that say that both are
 * where they were.
 *
 * A pair is a page that code was translated from, a distance in linear addresses, and the host page
 * that is fetched from there.  Each vCPU has a word for each pair: while it is the base of the page
 * that code runs in, the pair's other page is fetched at that distance in the current context; so a
 * compare with it stands before the link.  Who finds another value there goes by the jump cache,
 * and now and then looks again.
 *
 * Pairs of one page have words of their own, next to each other; pages may share words, as the base
 * says which page's it is now.
 *
 * A user mode's words are of one context, and go when another one runs.  A kernel mode's are set
 * for global pages alone, and hold in all contexts.  What a flush takes is looked for in the list
 * of those that are set.
 *
 * Omits: kernels without global pages; a pair whose other page has moved for good is given up, and
 *   its jumps with it until they are translated again.
 * Threads: pairs with DbtMachine.lock; words are a vCPU's own, except far_flush(), also called for
 *   stopped vCPUs.
 */
#include "accel/dbt/internal.h"

enum { HASH_BITS = 13, RECENT_BITS = 10, PAIRS = 32768, BUDGET = 12, BUDGET_NEW = 48,
       BUDGET_TAKEN = 1024, REFUSED_MAX = 32 };

typedef struct FarPair {
    const uint8_t *page, *to;           /* host pages; page NULL: free; to NULL: not known yet */
    int32_t  delta;
    uint32_t mode;                      /* Block.mode of the code */
    uint16_t next;                      /* number plus 1: in the hash, or free */
    uint16_t word;                      /* of DBT_FAR_N */
    uint8_t  generations;               /* of code that names it */
    uint8_t  refused;                   /* times `to` was somewhere else */
} FarPair;

struct DbtFar {
    FarPair  pair[PAIRS];
    uint16_t hash[1 << HASH_BITS];      /* by the page: number plus 1 */
    /* by page and distance: the pair last wanted there, if it still is that one */
    uint16_t recent[1 << RECENT_BITS];
    unsigned used, free;                /* free: number plus 1 */
};

enum { LOCAL, GLOBAL };
struct DbtFarCpu {
    const DbtContext *ctx;              /* whose the local words are */
    uint64_t kind;                      /* of contexts, that the global ones are for */
    unsigned n[2];
    uint64_t pages[2];                  /* hash bits of the pages that they lead from and to */
    uint64_t page[2][DBT_FAR_N];        /* of those that are set: where they lead to, */
    uint16_t word[2][DBT_FAR_N];
};

static uint64_t *words(const DbtCpu *c)
{
    return (uint64_t *)((char *)c + c->guest->ic_offset + DBT_FAR_AT);
}
static uint64_t page_bit(uint64_t page)
{
    return UINT64_C(1) << ((page >> DBT_PAGE_BITS) * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}
static bool is_user(const DbtCpu *c, uint64_t mode)
{
    return (mode & c->guest->mode_user) == c->guest->mode_user;
}

/* Contexts of one kind fetch global pages alike. */
static uint64_t kind_of(const DbtCpu *c, const DbtContext *x)
{
    return (x->key.space & c->guest->space_domain) ^ ((x->key.mode & ~c->guest->mode_data) >> 32);
}

/* ---- pairs ---- */

void far_init(DbtMachine *d)
{
    d->far = g_new0(DbtFar, 1);
}

void far_fini(DbtMachine *d)
{
    g_free(d->far);
}

static unsigned hash_of(const uint8_t *page)
{
    return (unsigned)(((uintptr_t)page * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - HASH_BITS));
}
static unsigned first_word(const uint8_t *page)
{
    return (unsigned)(((uintptr_t)page * UINT64_C(0xd6e8feb86659fd93)) >> 40) & (DBT_FAR_N - 1);
}

static bool pair_is(const FarPair *p, const uint8_t *page, uint32_t mode, int64_t delta)
{
    return p->page == page && p->mode == mode && p->delta == delta && p->refused < REFUSED_MAX;
}

static uint16_t *recent(DbtFar *f, const uint8_t *page, int64_t delta)
{
    uint64_t h = ((uintptr_t)page + (uint64_t)delta * 3) * UINT64_C(0x9e3779b97f4a7c15);
    return &f->recent[h >> (64 - RECENT_BITS)];
}

/* Number plus 1 of the page's pair, or 0; then *word is one that no pair of the page has. */
static unsigned pair_find(const DbtFar *f, const uint8_t *page, uint32_t mode, int64_t delta,
                          unsigned *word)
{
    unsigned n = 0;

    for (unsigned k = f->hash[hash_of(page)]; k; k = f->pair[k - 1].next) {
        const FarPair *p = &f->pair[k - 1];
        if (p->page != page) {
            continue;
        }
        if (pair_is(p, page, mode, delta)) {
            return k;
        }
        n = MAX(n, ((p->word - first_word(page)) & (DBT_FAR_N - 1)) + 1);
    }
    *word = (first_word(page) + n) & (DBT_FAR_N - 1);
    return 0;
}

static unsigned pair_new(DbtFar *f)
{
    if (f->free) {
        unsigned k = f->free - 1;
        f->free = f->pair[k].next;
        return k + 1;
    }
    return f->used < PAIRS ? ++f->used : 0;
}

static const uint8_t *page_of(const Block *b)
{
    return (const uint8_t *)((uintptr_t)b->at & -(uintptr_t)DBT_PAGE);
}
static uint32_t mode_of(const Block *b) { return b->mode & ~(uint32_t)DBT_MODE_UNMERGED; }

unsigned far_pair(DbtMachine *d, const DbtGuest *g, const Block *b, int64_t delta, unsigned *word)
{
    const uint8_t *page = page_of(b);
    DbtFar *f = d->far;

    if (!g->ic_offset || !g->mode_user || d->no_far || d->cache || delta != (int32_t)delta) {
        return 0;
    }
    uint16_t *last = recent(f, page, delta);
    unsigned k = *last;
    if (!k || !pair_is(&f->pair[k - 1], page, mode_of(b), delta)) {
        k = pair_find(f, page, mode_of(b), delta, word);
    }
    if (!k) {
        k = pair_new(f);
        if (!k) {
            return 0;
        }
        uint16_t *slot = &f->hash[hash_of(page)];
        f->pair[k - 1] = (FarPair){ .page = page, .delta = (int32_t)delta, .mode = mode_of(b),
                                    .next = *slot, .word = (uint16_t)*word };
        *slot = (uint16_t)k;
        d->stats.far_pairs++;
    }
    *last = (uint16_t)k;
    *word = f->pair[k - 1].word;
    f->pair[k - 1].generations |= (uint8_t)(1u << d->generation);
    return k;
}

const uint8_t *far_page(const DbtMachine *d, const Block *b, unsigned word)
{
    const DbtFar *f = d->far;

    for (unsigned k = f->hash[hash_of(page_of(b))]; k; k = f->pair[k - 1].next) {
        if (f->pair[k - 1].page == page_of(b) && f->pair[k - 1].word == word) {
            return f->pair[k - 1].to;
        }
    }
    return NULL;
}

static void pair_free(DbtFar *f, unsigned k)
{
    FarPair *p = &f->pair[k];
    uint16_t *slot = &f->hash[hash_of(p->page)];

    while (*slot != k + 1) {
        slot = &f->pair[*slot - 1].next;
    }
    *slot = p->next;
    *p = (FarPair){ .next = (uint16_t)f->free };
    f->free = k + 1;
}

void far_reclaim(DbtMachine *d, unsigned generation)
{
    DbtFar *f = d->far;

    for (unsigned k = 0; k < f->used; k++) {
        FarPair *p = &f->pair[k];
        p->generations &= (uint8_t)~(1u << generation);
        if (p->page && !p->generations) {
            pair_free(f, k);
        }
    }
}

/* ---- a vCPU's words ---- */

void far_cpu_init(DbtCpu *c)
{
    for (unsigned k = 0; c->guest->ic_offset && k < DBT_FAR_N; k++) {
        words(c)[k] = DBT_GUARD_NONE;
    }
    c->far = g_new0(DbtFarCpu, 1);
    c->far_budget = BUDGET;
}

void far_cpu_fini(DbtCpu *c)
{
    g_free(c->far);
}

static void forget(DbtCpu *c, unsigned set)
{
    DbtFarCpu *f = c->far;

    for (unsigned i = 0; i < f->n[set]; i++) {
        words(c)[f->word[set][i]] = DBT_GUARD_NONE;
    }
    f->n[set] = 0;
    f->pages[set] = 0;
}

void far_context(DbtCpu *c)
{
    DbtFarCpu *f = c->far;

    if (is_user(c, c->ctx->key.mode)) {
        if (c->ctx != f->ctx) {
            forget(c, LOCAL);
            f->ctx = c->ctx;
            c->far_budget = BUDGET_NEW;         /* it may not stay for long */
        }
    } else if (kind_of(c, c->ctx) != f->kind) {
        forget(c, GLOBAL);
        f->kind = kind_of(c, c->ctx);
        dbt_gates_drop(c);              /* they would not tell us */
    }
}

void far_flush(DbtCpu *c, const DbtContext *x, bool globals)
{
    if (!c->far) {
        return;
    }
    if (x == c->far->ctx) {
        forget(c, LOCAL);
    }
    if (globals) {
        forget(c, GLOBAL);
    }
}

static void forget_page(DbtCpu *c, unsigned set, uint64_t page)
{
    DbtFarCpu *f = c->far;
    unsigned kept = 0;

    if (!(f->pages[set] & page_bit(page))) {
        return;
    }
    for (unsigned i = 0; i < f->n[set]; i++) {
        uint64_t *w = &words(c)[f->word[set][i]];
        if (f->page[set][i] == page || *w == page) {
            *w = DBT_GUARD_NONE;
        } else {
            f->page[set][kept] = f->page[set][i];
            f->word[set][kept++] = f->word[set][i];
        }
    }
    f->n[set] = kept;
}

void far_flush_page(DbtCpu *c, const DbtContext *x, uint64_t page, bool near_global)
{
    if (x == c->far->ctx) {
        forget_page(c, LOCAL, page);
    }
    if (near_global) {
        forget_page(c, GLOBAL, page);
    }
}

static bool is_global(const DbtContext *x, uint64_t page)
{
    unsigned slot = (page >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);

    return x->fetch[slot].tag == (page | 1) && (x->fetch_global >> slot & 1);
}

void far_check(DbtCpu *c, unsigned k)
{
    DbtMachine *d = c->dbt;
    DbtFarCpu *f = c->far;
    FarPair *p = &d->far->pair[k];      /* stays: this vCPU is in code that names it */
    unsigned set = is_user(c, p->mode) ? LOCAL : GLOBAL;
    uint64_t page = c->pc & -(uint64_t)DBT_PAGE;
    DbtRegion *dr;

    c->far_budget = BUDGET;
    c->stats->far_checks++;
    if (set == LOCAL ? c->ctx != f->ctx : kind_of(c, c->ctx) != f->kind) {
        return;                         /* not told yet of a context that was made anew */
    }
    const uint8_t *to = tlb_fetch_quiet(c, page, &dr);
    if (!to || !dr) {
        return;
    }
    if (set == GLOBAL && !is_global(c->ctx, page)) {
        c->far_budget = BUDGET_TAKEN;   /* as of all of this kernel's pages, as like as not */
        return;
    }
    g_mutex_lock(&d->lock);
    if (!p->to) {
        p->to = to;
    }
    bool same = p->to == to;
    p->refused = (uint8_t)(same ? 0 : MIN(p->refused + 1, REFUSED_MAX));
    g_mutex_unlock(&d->lock);
    if (!same) {
        c->stats->far_refused++;
        return;
    }
    if (f->n[set] == DBT_FAR_N) {
        forget(c, set);
    }
    f->page[set][f->n[set]] = page;
    f->word[set][f->n[set]++] = p->word;
    f->pages[set] |= page_bit(page) | page_bit(c->pc_base);
    uint64_t *w = &words(c)[p->word];
    if (*w != DBT_GUARD_NONE && *w != c->pc_base) {
        c->far_budget = BUDGET_TAKEN;   /* it is another page's as well: not in turns */
    }
    *w = c->pc_base;
}
