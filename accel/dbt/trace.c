/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.c -- tier 2: which hot paths through several blocks are translated as one, each when, and
 * how long that holds.
 *
 * Blocks of user code that interrupts have met (ic.c) count how often they are entered from behind
 * or from elsewhere.  When a counter is used up, tier 0 runs what comes next, one instruction at a
 * time, and notes where it goes, until it meets itself or there is enough.  That path is translated
 * as one list of operations (stitch.c), so that merged checks, dead flags and registers of a loop
 * reach across what were blocks, and nothing is looked up on the way.  The trace takes the place of
 * the block at its start.
 *
 * A path that is taken only now and then is none: some entries later tier 0 runs from there again,
 * and what it does otherwise is the end of the path.  It also sees which pages instructions access:
 * where it is the same page each time, an inline cache is worth a try (ic.c).  A loop is followed
 * for a few turns each time: if these are others more often than not, guest registers do not change
 * places in it, which would cost more than so few turns give back.
 *
 * A trace goes through several pages.  That the others are where they were is looked at when it is
 * entered: `guard` is the number of a word of the CPU's, which says for which page base that has
 * been found; these words are those of one context, put aside while another's user code runs, and
 * go with what it flushes.  A store to code that any page's part was made of kills the trace as it
 * does a block.
 *
 * Omits: what tracework.c and stitch.c do with the path.
 * Threads: recording is a vCPU's own; Trace structs are made and read with DbtMachine.lock.
 */
#include <string.h>
#include <time.h>
#include "accel/dbt/stitch.h"

enum { TRIES = 4, TEST_TRIES = 16, REFUSED_MAX = 64, SHARE = 20, BESIDE_SHARE = 5,
       /*
        * what is not spent is not kept for long: many short programs would each have their traces
        */
       CREDIT_US = 5000,
       /* more looks at a path before it is made a trace, and entries between them */
       LOOKS = 2, LOOK_AFTER = 41,
       PATHS = 64, TURNS = 3, MET_BITS = 12 };

typedef struct Candidate {              /* a path that is looked at */
    unsigned counter, looks, n;         /* counter: number plus 1 */
    unsigned restless;    /* times that it was a loop and went another way in the next turns */
    uint64_t pc[TRACE_INSNS + 1];
} Candidate;

typedef struct Guards {                 /* of a context that does not run: those that are set */
    unsigned n;
    uint64_t pages;
    struct { uint64_t value; uint16_t at; } set[DBT_GUARDS];
} Guards;

typedef struct DbtTracer {
    TracePath path;
    TraceCode code;
    Candidate paths[PATHS];             /* by counter */
    /* which page an instruction was seen to access last, hashed */
    struct { uint32_t place, page; } met[1 << MET_BITS];
    Guards  *aside[DBT_CONTEXTS];       /* by DbtContext.index; NULL: has never had any */
    const DbtContext *ctx;              /* whose guards those of the CPU are */
    uint64_t pages;                     /* hash bits of the pages that they speak of */
    unsigned n_used;
    uint16_t used[DBT_GUARDS];          /* those that are set */
    /*
     * microseconds of its thread; that it may spend: SHARE of them for each, BESIDE_SHARE for each
     * of the thread beside
     */
    int64_t  last, credit;
} DbtTracer;

static uint64_t *guards(const DbtCpu *c)
{
    return (uint64_t *)((char *)c + c->guest->ic_offset + DBT_GUARD_AT);
}
static uint32_t *counters(const DbtCpu *c)
{
    return (uint32_t *)((char *)c + c->guest->ic_offset + DBT_HOT_AT);
}
static uint64_t page_bit(uint64_t page)
{
    return UINT64_C(1) << ((page >> DBT_PAGE_BITS) * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

void trace_init(DbtCpu *c)
{
    c->tracer = g_new0(DbtTracer, 1);

    for (unsigned k = 0; c->guest->ic_offset && k < DBT_GUARDS; k++) {
        guards(c)[k] = DBT_GUARD_NONE;
    }
    for (unsigned k = 0; c->guest->ic_offset && k < DBT_HOT_N; k++) {
        counters(c)[k] = c->dbt->tier2_hot;
    }
}

void trace_fini(DbtCpu *c)
{
    if (c->tracer) {
        g_free(c->tracer->code.ir);
        g_free(c->tracer->code.piece);
        for (unsigned k = 0; k < DBT_CONTEXTS; k++) {
            g_free(c->tracer->aside[k]);
        }
    }
    g_free(c->tracer);
}

/* ---- which code ---- */

static bool wanted(const DbtMachine *d, const DbtGuest *g, uint64_t mode)
{
    return d->tier2 != TIER2_OFF && d->backend && g->ic_offset && !(mode & g->mode_slow) &&
           !(mode & DBT_MODE_UNMERGED) && !d->no_opt && !d->one_insn &&
           (d->tier2 == TIER2_ALL || (g->mode_user && (mode & g->mode_user) == g->mode_user));
}

static uint8_t *tries(DbtMachine *d, const uint8_t *at)
{
    return &d->trace_tries[((uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - TRACE_TRY_BITS)];
}

bool trace_counts(const DbtMachine *d, const DbtGuest *g, const uint8_t *at, uint32_t mode)
{
    return wanted(d, g, mode) &&
           *tries((DbtMachine *)d, at) < (trace_is_test(d) ? TEST_TRIES : TRIES);
}

unsigned trace_counter(DbtMachine *d)
{
    return d->n_counters++ % DBT_HOT_N;
}

/* ---- guards ---- */

static void forget(DbtCpu *c)
{
    DbtTracer *t = c->tracer;

    for (unsigned k = 0; k < t->n_used; k++) {
        guards(c)[t->used[k]] = DBT_GUARD_NONE;
    }
    t->n_used = 0;
    t->pages = 0;
}

/* Two programs that take turns are not to look at all of their traces' pages each time. */
static void put_aside(DbtCpu *c, DbtTracer *t)
{
    Guards **g = &t->aside[t->ctx->index];

    if (!*g) {
        *g = g_new(Guards, 1);
    }
    (*g)->n = t->n_used;
    (*g)->pages = t->pages;
    for (unsigned k = 0; k < t->n_used; k++) {
        (*g)->set[k].at = t->used[k];
        (*g)->set[k].value = guards(c)[t->used[k]];
    }
}

static void take_back(DbtCpu *c, DbtTracer *t)
{
    Guards *g = t->aside[t->ctx->index];

    for (unsigned k = 0; g && k < g->n; k++) {
        guards(c)[g->set[k].at] = g->set[k].value;
        t->used[k] = g->set[k].at;
    }
    t->n_used = g ? g->n : 0;
    t->pages = g ? g->pages : 0;
}

void trace_context(DbtCpu *c)
{
    DbtTracer *t = c->tracer;

    if (t && c->ctx != t->ctx && wanted(c->dbt, c->guest, (uint32_t)c->ctx->key.mode)) {
        if (t->ctx && (t->n_used || t->aside[t->ctx->index])) {
            put_aside(c, t);
        }
        forget(c);
        t->ctx = c->ctx;
        take_back(c, t);
    }
}

void trace_flush(DbtCpu *c, const DbtContext *x)
{
    if (!c->tracer) {
        return;
    }
    if (x == c->tracer->ctx) {
        forget(c);
    } else if (c->tracer->aside[x->index]) {
        c->tracer->aside[x->index]->n = 0;
    }
}

void trace_flush_page(DbtCpu *c, const DbtContext *x, uint64_t page)
{
    DbtTracer *t = c->tracer;
    uint64_t pages = !t ? 0 : x == t->ctx ? t->pages
                   : t->aside[x->index] ? t->aside[x->index]->pages : 0;

    if (pages & page_bit(page)) {
        trace_flush(c, x);
    }
}

/* Linear address of a trace's page, if there is such an address. */
static bool page_at(const DbtCpu *c, uint64_t base, int64_t delta, uint64_t *linear)
{
    *linear = base + (uint64_t)delta;
    return c->ctx->key.mode & c->guest->mode_wide ? dbt_canonical(c->guest, *linear)
                                                  : *linear >> 32 == 0;
}

const void *trace_check(DbtCpu *c, unsigned number)
{
    DbtMachine *d = c->dbt;
    DbtTracer *tracer = c->tracer;
    uint64_t base = c->pc & -(uint64_t)DBT_PAGE, bits = 0, linear;
    DbtRegion *dr;

    g_mutex_lock(&d->lock);
    Trace *t = d->traces->pdata[number];        /* stays: this vCPU is in code */
    g_mutex_unlock(&d->lock);
    bool same = tracer->ctx == c->ctx;
    c->stats->trace_checks++;
    for (unsigned k = 0; k < t->n_pages && same; k++) {
        same = page_at(c, base, t->pages[k].delta, &linear) &&
               tlb_fetch_quiet(c, linear, &dr) == t->pages[k].host;
        bits |= page_bit(linear);
    }
    if (same) {
        uint64_t *g = &guards(c)[t->guard - 1];
        if (*g == DBT_GUARD_NONE) {
            tracer->used[tracer->n_used++] = (uint16_t)(t->guard - 1);
        }
        *g = base;
        tracer->pages |= bits;
        return dbt_lookup(c);
    }
    c->stats->trace_refused++;
    if (__atomic_add_fetch(&t->refused, 1, __ATOMIC_RELAXED) < REFUSED_MAX) {
        const void *code = dbt_unmerged(c);
        return code ? code : dbt_slow(c);
    }
    g_mutex_lock(&d->lock);
    if (!t->block->dead) {
        *tries(d, t->block->at) = TRIES;
        block_retire(d, t->block);
        d->stats.traces_lost++;
    }
    g_mutex_unlock(&d->lock);
    return dbt_lookup(c);
}

uint64_t trace_granules(const DbtMachine *d, const Block *b, const uint8_t *page)
{
    const Trace *t = d->traces->pdata[b->trace - 1];
    uint64_t mask = 0;

    for (unsigned k = 0; k < t->n_pages; k++) {
        mask |= t->pages[k].host == page ? t->pages[k].granules : 0;
    }
    return mask;
}

/* ---- recording ---- */

/* The instruction at pc has accessed linear. */
static void note(DbtCpu *c, DbtTracer *t, uint64_t pc, uint64_t linear, bool write)
{
    unsigned f = (pc >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);

    if (c->ctx->fetch[f].tag != ((pc & -(uint64_t)DBT_PAGE) | 1)) {
        return;
    }
    const uint8_t *at = c->ctx->fetch[f].host + (pc & (DBT_PAGE - 1));
    uint64_t h = ((uintptr_t)at ^ write) * UINT64_C(0x9e3779b97f4a7c15);
    unsigned k = (unsigned)(h >> (64 - MET_BITS));
    uint32_t page = (uint32_t)(linear >> DBT_PAGE_BITS), place = (uint32_t)h;
    if (t->met[k].place == place) {
        ic_seen(c->dbt, at, write, t->met[k].page == page);
    }
    t->met[k].place = place;
    t->met[k].page = page;
}

/* One instruction of tier 0, whose accesses are looked at. */
static bool step(DbtCpu *c, DbtTracer *t)
{
    uint64_t pc = c->pc;
    const DbtContext *x = c->ctx;

    c->seen.n = 0;
    c->seen.wanted = true;
    bool done = dbt_step_alone(c);
    c->seen.wanted = false;
    for (unsigned k = 0; k < c->seen.n && c->ctx == x; k++) {
        note(c, t, pc, c->seen.linear[k], c->seen.write[k]);
    }
    return done;
}

/* The path is a loop.  Is it the same in the next turns? */
static bool is_restless(DbtCpu *c, DbtTracer *tracer, const Candidate *t)
{
    const DbtContext *x = c->ctx;
    const unsigned n = t->n;

    for (unsigned i = 0;
         i < TURNS * n && i < 2 * TRACE_INSNS && c->ctx == x && !block_must_leave(c); i++) {
        if (c->pc != t->pc[i % n]) {
            return true;
        }
        if (!step(c, tracer)) {
            break;
        }
    }
    return false;
}

/*
 * Run on from c->pc.  False: something else is to be done first.  (What raises does not come back.)
 */
static bool record(DbtCpu *c, DbtTracer *tracer, Candidate *t)
{
    const DbtContext *x = c->ctx;

    t->n = 0;
    t->restless = 0;
    while (t->n < TRACE_INSNS && c->ctx == x) {
        for (unsigned k = 0; k < t->n; k++) {
            if (t->pc[k] == c->pc) {    /* up to there; 0: it is a loop */
                t->n = k ? k : t->n;
                t->pc[t->n] = c->pc;
                t->restless = !k && is_restless(c, tracer, t);
                return true;
            }
        }
        if (block_must_leave(c)) {
            return false;
        }
        t->pc[t->n] = c->pc;
        if (!step(c, tracer)) {
            return t->n;
        }
        t->n++;
    }
    t->pc[t->n] = c->pc;
    return true;
}

/* Run on from the path's start: it ends where that does not lead along it. */
static void look(DbtCpu *c, DbtTracer *tracer, Candidate *t)
{
    const DbtContext *x = c->ctx;
    bool loop = t->pc[t->n] == t->pc[0];

    for (unsigned i = 0; i < t->n && c->ctx == x && !block_must_leave(c) && step(c, tracer); i++) {
        if (c->pc != t->pc[i + 1]) {
            t->n = i + 1;
            return;
        }
    }
    if (loop && c->pc == t->pc[0]) {
        t->restless += is_restless(c, tracer, t);
    }
}

/* The pages of the path, as far as there is room for them. */
static void find_pages(DbtCpu *c, TracePath *t)
{
    uint64_t base = t->pc[0] & -(uint64_t)DBT_PAGE, linear;

    t->n_pages = 0;
    for (unsigned i = 0; i < t->n; i++) {
        int64_t delta = (int64_t)((t->pc[i] & -(uint64_t)DBT_PAGE) - base);
        bool known = false;
        for (unsigned k = 0; k < t->n_pages && !known; k++) {
            known = t->pages[k].delta == delta;
        }
        if (known) {
            continue;
        }
        TracePage p = { .delta = delta };
        if (t->n_pages == TRACE_PAGES || delta < -TRACE_FAR || delta > TRACE_FAR ||
            !page_at(c, base, delta, &linear) ||
            !(p.host = tlb_fetch_quiet(c, linear, &p.region)) || !p.region ||
            ((uintptr_t)p.host & (DBT_PAGE - 1))) {
            t->pc[t->n = i] = t->pc[i];
            return;
        }
        t->pages[t->n_pages++] = p;
    }
}

/* ---- what becomes of it ---- */

/* At a block that counts: a trace, or none.  Too often, and it is made again without a counter. */
void trace_tried_locked(DbtMachine *d, const uint8_t *at, uint32_t mode, bool made)
{
    uint8_t *tried = tries(d, at), most = trace_is_test(d) ? TEST_TRIES : TRIES;

    d->stats.traces_not += !made;
    if (made && trace_is_test(d)) {
        *tried = 0;
        return;
    }
    *tried += *tried < most;
    Block *b = block_at(d, at, mode);
    if (!made && *tried == most && b && b->counted) {
        block_retire(d, b);
    }
}

/* There is no path from pc on; times: how often that has to be seen less. */
static void give_up(DbtCpu *c, uint64_t pc, unsigned times)
{
    DbtMachine *d = c->dbt;
    DbtRegion *dr;
    const uint8_t *page = tlb_fetch_quiet(c, pc, &dr);

    if (page && dr) {
        g_mutex_lock(&d->lock);
        while (times--) {
            trace_tried_locked(d, page + (pc & (DBT_PAGE - 1)), (uint32_t)c->ctx->key.mode, false);
        }
        g_mutex_unlock(&d->lock);
    }
}

/* The page that the path goes on to, to be linked to, if it is at hand. */
static void find_after(const DbtCpu *c, TracePath *p)
{
    uint64_t page = p->pc[p->n] & -(uint64_t)DBT_PAGE;
    unsigned f = (page >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);

    p->after.host = NULL;
    if (c->ctx->fetch[f].tag == (page | 1) && c->ctx->fetch[f].region) {
        p->after = (TracePage){ .host = c->ctx->fetch[f].host, .region = c->ctx->fetch[f].region,
                                .delta = (int64_t)(page - (p->pc[0] & -(uint64_t)DBT_PAGE)) };
    }
}

/* The path is in t->path.  False: later. */
static bool order(DbtCpu *c, DbtTracer *t)
{
    TracePath *p = &t->path;

    find_pages(c, p);
    if (!p->n_pages) {
        give_up(c, p->pc[0], 1);
        return true;
    }
    find_after(c, p);
    p->cpu = c;
    p->mode = (uint32_t)c->ctx->key.mode;
    p->one_cpu = c->dbt->cpus->len == 1;
    p->n_ic = c->n_ic_used;
    for (unsigned k = 0; k < p->n_pages; k++) {
        p->bytes[k] = p->pages[k].host;
    }
    return trace_make(c, p, &t->code);
}

int64_t trace_thread_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/*
 * What is saved is mostly jumps from page to page, returns among them, and what a loop does each
 * turn: direct jumps inside a page cost blocks little, and a second copy of their code costs more.
 */
static bool is_worth_it(const Candidate *p)
{
    bool far = false;

    for (unsigned k = 0; k < p->n; k++) {
        far |= (p->pc[k] ^ p->pc[k + 1]) >> DBT_PAGE_BITS != 0;
    }
    return far || p->pc[p->n] == p->pc[0];
}

/* The path from c->pc on: recorded, looked at again, or made a trace. */
static void attend(DbtCpu *c, DbtTracer *t, unsigned counter)
{
    const DbtContext *x = c->ctx;
    Candidate *p = &t->paths[counter % PATHS];
    bool known = p->counter == counter + 1 && p->pc[0] == c->pc, good = true;

    if (!known) {
        c->stats->trace_records++;
        p->counter = 0;
        p->looks = 0;
        good = record(c, t, p) && c->ctx == x;
        p->counter = good ? counter + 1 : 0;
    } else {
        c->stats->trace_looks++;
        p->counter = 0;                 /* what raises does not come back */
        look(c, t, p);
        good = c->ctx == x;
        p->counter = counter + 1;
        p->looks++;
    }
    if (!good) {
        p->counter = 0;
    } else if (p->n < TRACE_LEAST) {
        p->counter = 0;
        give_up(c, p->pc[0], 1);
    } else if (!trace_is_test(c->dbt) && p->looks && !is_worth_it(p)) {
        p->counter = 0;
        give_up(c, p->pc[0], TRIES);
    } else if (p->looks < LOOKS && !trace_is_test(c->dbt)) {
        counters(c)[counter] = LOOK_AFTER;
    } else {
        memcpy(t->path.pc, p->pc, (p->n + 1) * sizeof(*p->pc));
        t->path.n = p->n;
        /* A loop of 30 turns is seen to end now and then. */
        t->path.restless = 2 * p->restless > p->looks + 1;
        if (order(c, t)) {
            p->counter = 0;             /* the next to have it is another block's, as like as not */
        } else {
            p->looks = LOOKS - 1;
            counters(c)[counter] = LOOK_AFTER;
        }
    }
}

const void *trace_hot(DbtCpu *c, unsigned counter)
{
    DbtTracer *t = c->tracer;
    int64_t now = trace_thread_us();

    counters(c)[counter] = c->dbt->tier2_hot + 1;   /* more than 1: the block is to get somewhere */
    t->credit = MIN(t->credit + now - t->last, CREDIT_US * SHARE) -
                trace_beside_us(c->dbt) * BESIDE_SHARE;
    t->last = now;
    if (c->debug || c->ctx != t->ctx || trace_is_busy(c->dbt) ||
        (!trace_is_test(c->dbt) && t->credit < 0)) {
        return dbt_lookup(c);
    }
    attend(c, t, counter);
    int64_t took = trace_thread_us() - now;
    t->credit -= took * SHARE;
    c->stats->trace_us += (uint64_t)took;
    return dbt_lookup(c);
}
