/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ic.c -- inline caches of native code: whose they are, when they are emptied, and which places are
 * better without.
 *
 * What is in one is in the TLB or the jump cache of its context as well, or was until something
 * pushed it out: so it goes when a flush takes that.  Caches are the current context's; in user
 * code they stay over a system call, as the kernel's has none.
 *
 * Which code has them: what is worth it.  Each has a line of the host's cache to itself, so a large
 * program would lose by having them everywhere.  Interrupts fall where time is spent: what they
 * meet twice is made again with caches, and the blocks it leads to.
 *
 * A place that goes from page to page loses by its cache: each miss is a branch that was not
 * foreseen.  Misses count down a budget; if it did not last, whoever used it up goes on without.
 * That is drawing lots in proportion to misses.
 *
 * Threads: a vCPU's own, except ic_flush() and ic_unwrite(), also called for stopped vCPUs.
 */
#include <string.h>
#include "accel/dbt/internal.h"
#include "core/compiler.h"

/* fewer on average: too many */
enum { HOT = 2, FORGET_AFTER = 2048, NS_A_MISS = 200, TEST_BUDGET = 2 };
static const uint64_t no_jump = UINT64_C(1) << 62;      /* no sum of a canonical page and 32 bits */

static DbtIc *ic_at(const DbtCpu *c, unsigned k)
{
    return (DbtIc *)((char *)c + c->guest->ic_offset) + k;
}
static void ic_empty(DbtIc *i) { *i = (DbtIc){ .key = no_jump }; }

void ic_fini(DbtCpu *c)
{
    g_free(c->ic_used);
}

void ic_init(DbtCpu *c)
{
    for (unsigned k = DBT_IC_DATA; c->guest->ic_offset && k < DBT_IC_N; k++) {
        ic_empty(ic_at(c, k));
    }
    c->ic_used = g_new0(DbtIc *, DBT_IC_N);
    c->ic_budget = trace_is_test(c->dbt) ? TEST_BUDGET : DBT_IC_BUDGET;
}

bool ic_wanted(const DbtMachine *d, const DbtGuest *g, uint64_t mode)
{
    if ((mode & g->mode_slow) || !g->ic_offset) {
        return false;                   /* nothing is entered in the TLB, or no room */
    }
    return d->ic == IC_ALL ||
           (d->ic == IC_USER && g->mode_user && (mode & g->mode_user) == g->mode_user);
}

static void ic_clear(DbtCpu *c)
{
    for (unsigned k = 0; k < c->n_ic_used; k++) {
        ic_empty(c->ic_used[k]);
    }
    c->n_ic_used = 0;
    c->ic_targets = 0;
}

void ic_context(DbtCpu *c)
{
    if (c->ctx != c->ic_ctx && ic_wanted(c->dbt, c->guest, c->ctx->key.mode)) {
        ic_clear(c);
        c->ic_ctx = c->ctx;
    }
}

void ic_flush(DbtCpu *c, const DbtContext *x)
{
    if (x == c->ic_ctx) {
        ic_clear(c);
    }
}

static void ic_clear_if(DbtCpu *c, bool (*is)(const DbtCpu *c, const DbtIc *i, uint64_t arg),
                        uint64_t arg)
{
    unsigned kept = 0;

    for (unsigned k = 0; k < c->n_ic_used; k++) {
        DbtIc *i = c->ic_used[k];
        if (is(c, i, arg)) {
            ic_empty(i);
        } else {
            c->ic_used[kept++] = i;
        }
    }
    c->n_ic_used = kept;
}

static bool is_of_page(const DbtCpu *c, const DbtIc *i, uint64_t page)
{
    (void)c;
    return page - (i->key & -(uint64_t)DBT_PAGE) <= DBT_PAGE;
}

void ic_flush_page(DbtCpu *c, const DbtContext *x, uint64_t page)
{
    if (x == c->ic_ctx) {
        ic_clear_if(c, is_of_page, page);
    }
}

static bool has_value(const DbtCpu *c, const DbtIc *i, uint64_t host_page)
{
    (void)c;
    return i->value == host_page;
}

void ic_unwrite(DbtCpu *c, const uint8_t *host_page)
{
    ic_clear_if(c, has_value, (uintptr_t)host_page);
}

static bool is_jump_to(const DbtCpu *c, const DbtIc *i, uint64_t pc)
{
    return i >= ic_at(c, DBT_IC_DATA) && i->key == pc;
}

void ic_flush_dead(DbtCpu *c)
{
    if (c->ic_targets & dbt_ic_target(c->pc)) {
        ic_clear_if(c, is_jump_to, c->pc);
    }
}

/* ---- who has them, and who is better without ---- */

static unsigned hash_of(const uint8_t *at, unsigned bits)
{
    return (unsigned)(((uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - bits));
}

bool ic_is_bad(const DbtMachine *d, const uint8_t *at)
{
    unsigned h = hash_of(at, IC_HASH_BITS);

    return __atomic_load_n(&d->ic_bad[h / 8], __ATOMIC_RELAXED) >> (h & 7) & 1;
}

static bool bit_of(const uint8_t *bits, unsigned h)
{
    return __atomic_load_n(&bits[h / 8], __ATOMIC_RELAXED) >> (h & 7) & 1;
}
static unsigned place_of(const uint8_t *at, bool write)
{
    return hash_of(at, IC_HASH_BITS) ^ write;
}

void ic_seen(DbtMachine *d, const uint8_t *at, bool write, bool same)
{
    unsigned h = place_of(at, write);

    __atomic_or_fetch(&(same ? d->ic_stays : d->ic_roams)[h / 8], (uint8_t)(1u << (h & 7)),
                      __ATOMIC_RELAXED);
}

bool ic_roams(const DbtMachine *d, const uint8_t *at, bool write)
{
    return bit_of(d->ic_roams, place_of(at, write));
}

bool ic_stays(const DbtMachine *d, const uint8_t *at, bool write)
{
    return bit_of(d->ic_stays, place_of(at, write)) && !ic_roams(d, at, write);
}

bool ic_is_hot(const DbtMachine *d, const uint8_t *at)
{
    unsigned h = hash_of(at, IC_HASH_BITS);

    return d->ic == IC_ALL || (__atomic_load_n(&d->ic_hot[h / 8], __ATOMIC_RELAXED) >> (h & 7) & 1);
}

bool ic_make_hot(DbtMachine *d, const uint8_t *at)
{
    unsigned h = hash_of(at, IC_HASH_BITS);
    bool was = ic_is_hot(d, at);

    __atomic_or_fetch(&d->ic_hot[h / 8], (uint8_t)(1u << (h & 7)), __ATOMIC_RELAXED);
    return !was;
}

/* Host address of what is fetched at linear, if that is at hand. */
static const uint8_t *fetched(const DbtCpu *c, uint64_t linear, DbtRegion **dr)
{
    unsigned f = (linear >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);

    if (c->ctx->fetch[f].tag != ((linear & -(uint64_t)DBT_PAGE) | 1) || !c->ctx->fetch[f].region) {
        return NULL;
    }
    *dr = c->ctx->fetch[f].region;
    return c->ctx->fetch[f].host + (linear & (DBT_PAGE - 1));
}

void ic_sample(DbtCpu *c)
{
    DbtMachine *d = c->dbt;
    DbtRegion *dr;

    if (d->ic != IC_USER || !ic_wanted(d, c->guest, c->ctx->key.mode)) {
        return;
    }
    const uint8_t *at = fetched(c, c->pc, &dr);
    if (!at) {
        return;
    }
    if (__atomic_add_fetch(&d->ic_samples, 1, __ATOMIC_RELAXED) % FORGET_AFTER == 0) {
        memset(d->ic_heat, 0, sizeof(d->ic_heat));
    }
    uint8_t *heat = &d->ic_heat[hash_of(at, IC_HEAT_BITS)];
    if (__atomic_add_fetch(heat, 1, __ATOMIC_RELAXED) == HOT) {
        block_heat(d, at, (uint32_t)c->ctx->key.mode);
    }
}

/*
 * The block that this code is of is made again, without the cache that has been given up: that is a
 * jump out and one back.
 */
static void remake(DbtMachine *d, const DbtRegion *dr, const uint8_t *at, const uint8_t *code)
{
    g_mutex_lock(&d->lock);
    const CodePage *p = code_page(dr, (uint64_t)(at - dr->host));
    for (unsigned k = 0; p && k < p->blocks->len; k++) {
        Block *b = p->blocks->pdata[k];
        if (!b->dead && !b->trace && (uintptr_t)code - (uintptr_t)b->entry < b->code_bytes) {
            block_retire(d, b);
            d->stats.ic_remade++;
            break;
        }
    }
    g_mutex_unlock(&d->lock);
}

bool ic_look(DbtCpu *c, int32_t offset, const void *code)
{
    uint64_t now = (uint64_t)g_get_monotonic_time(), since = now - c->ic_tick;
    DbtRegion *dr;

    c->ic_tick = now;
    c->ic_budget = trace_is_test(c->dbt) ? TEST_BUDGET : DBT_IC_BUDGET;
    if (!trace_is_test(c->dbt) && since > DBT_IC_BUDGET * NS_A_MISS / 1000) {
        return false;
    }
    const uint8_t *at = fetched(c, c->pc_base + (uint64_t)(int64_t)offset, &dr);
    if (at) {
        unsigned h = hash_of(at, IC_HASH_BITS);
        __atomic_or_fetch(&c->dbt->ic_bad[h / 8], (uint8_t)(1u << (h & 7)), __ATOMIC_RELAXED);
        remake(c->dbt, dr, at, code);
    }
    c->stats->ic_given_up++;
    return true;
}
