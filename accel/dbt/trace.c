/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.c -- tier 2: hot paths through several blocks, each translated as one.
 *
 * Blocks of user code that interrupts have met (ic.c) count how often they are entered from behind or from elsewhere.  When a counter is used up, tier 0 runs what
 * comes next, one instruction at a time, and notes where it goes, until it meets itself or there is enough.  That path is
 * translated as one list of operations: what branches off becomes an exit, direct jumps and calls vanish, and a return is
 * compared with where its call came from (`jguess`).  So merged checks, dead flags and registers of a loop reach across what
 * were blocks, and nothing is looked up on the way.  The trace takes the place of the block at its start.
 *
 * Some entries before that, tier 0 runs a little from there only to see which pages its instructions access: where it is the same
 * page each time, an inline cache is worth a try (ic.c).  A loop goes on for a few turns behind its path: if these are others, guest
 * registers do not change places in it, which would cost more than so few turns give back.
 *
 * A trace goes through several pages.  That the others are where they were is looked at when it is entered: `guard` is the number of a word
 * of the CPU's, which says for which page base that has been found; these words are those of one context and go with what
 * it flushes.  A store to code that any page's part was made of kills the trace as it does a block.
 *
 * Omits: instructions across two pages, the x87, and paths on into returns whose call is not part of the path: the trace ends there.
 * Threads: recording is a vCPU's own; Trace structs are made and read with DbtMachine.lock.
 */
#include <string.h>
#include <time.h>
#include "accel/dbt/internal.h"

enum { TRACE_INSNS = 96, TRACE_LEAST = 3, TRIES = 4, RETURNS = 32, PEEK = 64, KILLED_MAX = 64, REFUSED_MAX = 64, SHARE = 20,
       FAR = 1 << 28, CREDIT_US = 5000, /* what is not spent is not kept for long: many short programs would each have their traces */
       WATCHES = 1, WATCH_INSNS = 64, WATCH_AFTER = 41,   /* looks at a block before its trace is made, and entries between them */
       TURNS = 3, MET_BITS = 12 };

typedef struct DbtTracer {
    uint64_t pc[TRACE_INSNS + 1];       /* of the path's instructions, and where it goes on */
    unsigned n;
    bool     restless;                  /* it is a loop, which went another way in the next few turns */
    uint8_t  watches[DBT_HOT_N];        /* by counter: looks so far */
    struct { uint32_t place, page; } met[1 << MET_BITS];       /* which page an instruction was seen to access last, hashed */
    uint64_t returns[RETURNS];          /* where calls of the path return to */
    unsigned n_returns;
    IrBlock *ir;
    const DbtContext *ctx;              /* whose guards they are */
    uint64_t pages;                     /* hash bits of the pages that they speak of */
    unsigned n_used;
    uint16_t used[DBT_GUARDS];          /* those that are set */
    int64_t  last, credit;              /* microseconds of its thread; that it may spend, SHARE of them for each */
} DbtTracer;

static uint64_t *guards(const DbtCpu *c) { return (uint64_t *)((char *)c + c->guest->ic_offset + DBT_GUARD_AT); }
static uint32_t *counters(const DbtCpu *c) { return (uint32_t *)((char *)c + c->guest->ic_offset + DBT_HOT_AT); }
static uint64_t page_bit(uint64_t page) { return UINT64_C(1) << ((page >> DBT_PAGE_BITS) * UINT64_C(0x9e3779b97f4a7c15) >> 58); }

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
        g_free(c->tracer->ir);
    }
    g_free(c->tracer);
}

void trace_free(DbtMachine *d, unsigned number)
{
    Trace *t = d->traces->pdata[number];

    if (t->guard) {
        d->guards[t->guard - 1] = false;
    }
    g_free(t);
    d->traces->pdata[number] = NULL;
}

/* Its number; the first that none has. */
static unsigned keep(DbtMachine *d, Trace *t)
{
    for (unsigned k = 0; k < d->traces->len; k++) {
        if (!d->traces->pdata[k]) {
            d->traces->pdata[k] = t;
            return k;
        }
    }
    g_ptr_array_add(d->traces, t);
    return d->traces->len - 1;
}

/* A free guard's number plus 1, or 0. */
static unsigned guard_find(const DbtMachine *d)
{
    const uint8_t *at = memchr(d->guards, false, DBT_GUARDS);

    return at ? (unsigned)(at - d->guards) + 1 : 0;
}

/* ---- which code ---- */

static bool wanted(const DbtMachine *d, const DbtGuest *g, uint64_t mode)
{
    return d->tier2 != TIER2_OFF && d->backend && g->ic_offset && !(mode & g->mode_slow) && !(mode & DBT_MODE_UNMERGED) && !d->no_opt &&
           !d->one_insn && (d->tier2 == TIER2_ALL || (g->mode_user && (mode & g->mode_user) == g->mode_user));
}

static uint8_t *tries(DbtMachine *d, const uint8_t *at)
{
    return &d->trace_tries[((uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - TRACE_TRY_BITS)];
}

bool trace_counts(const DbtMachine *d, const DbtGuest *g, const uint8_t *at, uint32_t mode)
{
    return wanted(d, g, mode) && (trace_is_test(d) || *tries((DbtMachine *)d, at) < TRIES);
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

void trace_context(DbtCpu *c)
{
    DbtTracer *t = c->tracer;

    if (t && c->ctx != t->ctx && wanted(c->dbt, c->guest, (uint32_t)c->ctx->key.mode)) {
        forget(c);
        t->ctx = c->ctx;
    }
}

void trace_flush(DbtCpu *c, const DbtContext *x)
{
    if (c->tracer && x == c->tracer->ctx) {
        forget(c);
    }
}

void trace_flush_page(DbtCpu *c, const DbtContext *x, uint64_t page)
{
    if (c->tracer && x == c->tracer->ctx && (c->tracer->pages & page_bit(page))) {
        forget(c);
    }
}

/* Linear address of a trace's page, if there is such an address. */
static bool page_at(const DbtCpu *c, uint64_t base, int64_t delta, uint64_t *linear)
{
    *linear = base + (uint64_t)delta;
    return c->ctx->key.mode & c->guest->mode_wide ? dbt_canonical(c->guest, *linear) : *linear >> 32 == 0;
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
        same = page_at(c, base, t->pages[k].delta, &linear) && tlb_fetch_quiet(c, linear, &dr) == t->pages[k].host;
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

/* Run on for a while, only to see which pages are accessed. */
static void watch(DbtCpu *c, DbtTracer *t)
{
    const DbtContext *x = c->ctx;
    unsigned left = WATCH_INSNS;

    while (left-- && c->ctx == x && !block_must_leave(c) && step(c, t)) {
    }
}

/* The path is a loop.  Is it the same in the next turns? */
static bool is_restless(DbtCpu *c, DbtTracer *t)
{
    const DbtContext *x = c->ctx;
    const unsigned n = t->n;

    for (unsigned i = 0; i < TURNS * n && i < 2 * TRACE_INSNS && c->ctx == x && !block_must_leave(c); i++) {
        if (c->pc != t->pc[i % n]) {
            return true;
        }
        if (!step(c, t)) {
            break;
        }
    }
    return false;
}

/* Run on from c->pc.  False: something else is to be done first.  (What raises does not come back.) */
static bool record(DbtCpu *c, DbtTracer *t)
{
    const DbtContext *x = c->ctx;

    t->n = 0;
    t->restless = false;
    while (t->n < TRACE_INSNS && c->ctx == x) {
        for (unsigned k = 0; k < t->n; k++) {
            if (t->pc[k] == c->pc) {    /* up to there; 0: it is a loop */
                t->n = k ? k : t->n;
                t->pc[t->n] = c->pc;
                t->restless = !k && is_restless(c, t);
                return true;
            }
        }
        if (block_must_leave(c)) {
            return false;
        }
        t->pc[t->n] = c->pc;
        if (!step(c, t)) {
            return t->n;
        }
        t->n++;
    }
    t->pc[t->n] = c->pc;
    return true;
}

/* The pages of the path, as far as there is room for them. */
static void find_pages(DbtCpu *c, DbtTracer *t, Trace *tr)
{
    uint64_t base = t->pc[0] & -(uint64_t)DBT_PAGE, linear;

    tr->n_pages = 0;
    for (unsigned i = 0; i < t->n; i++) {
        int64_t delta = (int64_t)((t->pc[i] & -(uint64_t)DBT_PAGE) - base);
        bool known = false;
        for (unsigned k = 0; k < tr->n_pages && !known; k++) {
            known = tr->pages[k].delta == delta;
        }
        if (known) {
            continue;
        }
        TracePage p = { .delta = delta };
        if (tr->n_pages == TRACE_PAGES || delta < -FAR || delta > FAR || !page_at(c, base, delta, &linear) ||
            !(p.host = tlb_fetch_quiet(c, linear, &p.region)) || !p.region || ((uintptr_t)p.host & (DBT_PAGE - 1))) {
            t->pc[t->n = i] = t->pc[i];
            return;
        }
        tr->pages[tr->n_pages++] = p;
    }
}

static TracePage *page_of(Trace *tr, int64_t offset)
{
    for (unsigned k = 0; k < tr->n_pages; k++) {
        if ((uint64_t)(offset - tr->pages[k].delta) < DBT_PAGE) {
            return &tr->pages[k];
        }
    }
    return NULL;
}

/* ---- from a path to one list of operations ---- */

static bool room_for(const IrBlock *to, const IrBlock *s)
{
    return to->n_insns + s->n_insns + IR_RESERVE <= IR_MAX_INSNS && to->n_guest + s->n_guest + IR_RESERVE / 4 <= IR_MAX_GUEST &&
           to->n_imms + s->n_imms + IR_RESERVE <= IR_MAX_IMMS && to->n_mems + s->n_mems + IR_RESERVE <= IR_MAX_MEMS;
}

static bool is_exit(unsigned op) { return op == IR_br || op == IR_brz || op == IR_brnz; }

static bool has_offset(unsigned op)
{
    return is_exit(op) || op == IR_jguess || op == IR_insn || op == IR_chkcs || op == IR_jmp || op == IR_bulk || op == IR_exit_next;
}

static void move_ref(IrRef *r, unsigned imms)
{
    if (r->kind == IR_IMM) {
        r->id = (uint16_t)(r->id + imms);
    }
}

/* Operations [0, n) of s, whose page is delta from to's; those of guest instructions [0, guests). */
static void append(IrBlock *to, const IrBlock *s, unsigned n, unsigned guests, int32_t delta)
{
    for (unsigned i = 0; i < n; i++) {
        IrInsn *o = &to->insns[to->n_insns + i];
        *o = s->insns[i];
        o->guest = (uint16_t)(o->guest + to->n_guest);
        o->imm += has_offset(o->op) ? delta : 0;
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
        to->guest[to->n_guest + i] = (IrGuest){ s->guest[i].offset + delta, s->guest[i].length };
        to->length += s->guest[i].length;
    }
    memcpy(to->imms + to->n_imms, s->imms, s->n_imms * sizeof(*s->imms));
    to->n_insns += n;
    to->n_guest += guests;
    to->n_imms += s->n_imms;
    to->n_mems += s->n_mems;
}

/* What the limit of CS is compared with: leaves for the instruction that has begun, so one must have; and for no more bytes than these. */
static void begin_before_chkcs(IrBlock *s, unsigned guests)
{
    if (s->n_insns > 1 && s->insns[0].op == IR_chkcs && s->insns[1].op == IR_insn) {
        IrInsn chkcs = s->insns[0];
        s->insns[0] = s->insns[1];
        chkcs.imm = s->guest[guests - 1].offset + s->guest[guests - 1].length - 1;
        s->insns[1] = chkcs;
    }
}

static bool is_return(const DbtCpu *c, const IrBlock *s, unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++) {
        const IrInsn *n = &s->insns[i];
        if (n->op == IR_add && n->dst.kind == IR_GUEST && n->dst.id == c->guest->stack_reg) {
            return true;
        }
    }
    return false;
}

static bool knows_return(const DbtTracer *t, uint64_t to)
{
    for (unsigned k = 0; k < t->n_returns; k++) {
        if (t->returns[k] == to) {
            return true;
        }
    }
    return false;
}

typedef enum { KEEP, CUT, END } Fate;   /* of the path's next instruction: go on behind it, end before it, with it */

/* May it store to the rest of the trace without leaving? */
static bool stores_by_helper(const DbtCpu *c, const IrBlock *s, unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++) {
        if (s->insns[i].op == IR_helper && (c->guest->helpers[s->insns[i].sub].props & H_MEM)) {
            return true;
        }
    }
    return false;
}

/* The last instruction of a piece of the path, operations [from, *end) of s: make them go to `to`, offsets from s's page. */
static Fate turn(DbtCpu *c, DbtTracer *t, IrBlock *s, unsigned from, unsigned *end, int64_t to, int32_t seq, bool last, bool loop)
{
    IrInsn *z = &s->insns[*end - 1];
    unsigned exits = 0;
    uint64_t page = s->pc & -(uint64_t)DBT_PAGE;

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
            z--;
            z->imm = z[1].imm;
            z->cond ^= z->op == IR_br;
            z->op = z->op == IR_br ? IR_br : z->op == IR_brz ? IR_brnz : IR_brz;
        } else if (to != seq && t->n_returns < RETURNS) {
            t->returns[t->n_returns++] = page + (uint64_t)(int64_t)seq;
        }
        --*end;
        return KEEP;
    }
    if (z->op == IR_jind) {
        if (to < -FAR || to > FAR || (last && !loop) ||
            (is_return(c, s, from, *end) && !knows_return(t, page + (uint64_t)to))) {
            return END;
        }
        if (t->n_returns < RETURNS) {
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
    z->imm = seq;
    z->cond ^= z->op == IR_br;
    z->op = z->op == IR_br ? IR_br : z->op == IR_brz ? IR_brnz : IR_brz;
    return KEEP;
}

static unsigned ops_of(const IrBlock *s, unsigned guests)      /* of its first so many instructions */
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

/* One piece of the path, from its instruction i on.  Returns how many of its instructions are in; *ended: the trace is. */
static unsigned piece(DbtCpu *c, DbtTracer *t, Trace *tr, unsigned i, bool *ended)
{
    IrBlock *s = c->ir, *to = t->ir;
    uint64_t base = to->pc & -(uint64_t)DBT_PAGE, page = t->pc[i] & -(uint64_t)DBT_PAGE;
    int32_t delta = (int32_t)(page - base);
    unsigned in_page = (unsigned)(t->pc[i] - page), m = 1;
    TracePage *p = page_of(tr, delta);

    *ended = true;
    if (!p) {
        return 0;
    }
    ir_begin(s, t->pc[i], to->mode);
    c->guest->translate(c, s, p->host + in_page, DBT_PAGE - in_page, NULL, t->n - i);
    if (!s->n_guest || !room_for(to, s) || has_x87(s)) {
        return 0;
    }
    while (m < s->n_guest && i + m < t->n && page + (uint64_t)(int64_t)s->guest[m].offset == t->pc[i + m]) {
        m++;
    }
    for (unsigned k = 1; k < m; k++) {
        if (stores_by_helper(c, s, ops_of(s, k - 1), ops_of(s, k))) {
            m = k;
        }
    }
    unsigned from = m > 1 ? ops_of(s, m - 1) : 0, end = ops_of(s, m);
    int32_t seq = s->guest[m - 1].offset + s->guest[m - 1].length;
    Fate fate = turn(c, t, s, from, &end, (int64_t)(t->pc[i + m] - page), seq, i + m == t->n, t->pc[t->n] == t->pc[0]);
    if (fate == CUT) {
        m--;
        end = from;
    }
    if (m) {
        begin_before_chkcs(s, m);
        append(to, s, end, m, delta);
        p->granules |= code_granule_mask(in_page, (unsigned)(s->guest[m - 1].offset + s->guest[m - 1].length));
    }
    *ended = fate != KEEP || stores_by_helper(c, s, from, end);
    return m;
}

/* Flags wanted where it is left: where the code there is of the trace's pages, look at it. */
static void peek(DbtMachine *d, IrBlock *ir, Trace *tr)
{
    for (unsigned i = 0; i < ir->n_insns; i++) {
        IrInsn *n = &ir->insns[i];
        if (n->op != IR_jmp && !is_exit(n->op)) {
            continue;
        }
        n->live = FL_ALL;
        TracePage *p = page_of(tr, n->imm);
        if (p) {
            unsigned at = (unsigned)(n->imm - p->delta), bytes = MIN(PEEK, DBT_PAGE - at);
            DbtFlagsFate fate = d->guest->flags_fate(ir->mode, p->host + at, bytes, &n->sub);
            if (fate != FATE_WANTED) {
                n->live = 0;
                n->live_fault = fate == FATE_FAULT ? FL_ALL : 0;
                p->granules |= code_granule_mask(at, at + bytes);
            }
        }
    }
}

/* The page that its last jump leads to, to be linked to, if it is at hand. */
static void add_last_page(DbtCpu *c, const DbtTracer *t, Trace *tr, unsigned i)
{
    const IrInsn *last = &t->ir->insns[t->ir->n_insns - 1];
    uint64_t page = t->pc[i] & -(uint64_t)DBT_PAGE;
    unsigned f = (page >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);

    if (last->op == IR_jmp && !page_of(tr, last->imm) && tr->n_pages < TRACE_PAGES && guard_find(c->dbt) &&
        c->ctx->fetch[f].tag == (page | 1) && c->ctx->fetch[f].region) {
        tr->pages[tr->n_pages++] = (TracePage){ .host = c->ctx->fetch[f].host, .region = c->ctx->fetch[f].region,
                                                .delta = (int64_t)last->imm & -(int64_t)DBT_PAGE };
    }
}

/* Returns how many of the path's instructions the list is of; 0: it is not worth it. */
static unsigned stitch(DbtCpu *c, DbtTracer *t, Trace *tr)
{
    DbtMachine *d = c->dbt;
    IrBlock *ir = t->ir;
    unsigned i = 0, k;
    bool ended = false;

    ir_begin(ir, t->pc[0], (uint32_t)c->ctx->key.mode);
    t->n_returns = 0;
    while (i < t->n && !ended) {
        k = piece(c, t, tr, i, &ended);
        i += k;
    }
    if (i < TRACE_LEAST || !ir->n_insns) {
        return 0;
    }
    if (!(ir_op_props[ir->insns[ir->n_insns - 1].op] & ENDS)) {
        int64_t to = (int64_t)(t->pc[i] - (t->pc[0] & -(uint64_t)DBT_PAGE));
        if (to < -2 * FAR || to > 2 * FAR) {
            return 0;
        }
        IrInsn *n = ir_emit(ir, IR_jmp, IR_I64, ir_none(), ir_none(), ir_none());
        n->imm = (int32_t)to;
    }
    peek(d, ir, tr);
    add_last_page(c, t, tr, i);
    if (d->cpus->len == 1) {
        ir_unlock(ir);
    }
    ir_merge_checks(ir, d->no_merge ? 0 : IR_SHARED_HOSTS);
    ir_optimise(ir, FL_ALL);
    return i;
}

/* ---- making it ---- */

static void log_trace(const IrBlock *ir, const Trace *tr)
{
    if (log_on(LOG_OPT)) {
        g_autoptr(GString) s = g_string_new(NULL);
        g_string_printf(s, "trace at %#" PRIx64 " mode %#" PRIx64 ", %u pages\n", ir->pc, ir->mode, tr->n_pages);
        ir_print(ir, s);
        log_write("%s", s->str);
    }
}

static void publish(DbtMachine *d, Trace *tr, Block *b, CodePage **pages)
{
    Block *old = block_at(d, b->at, b->mode);

    if (old) {
        block_retire(d, old);
    }
    g_ptr_array_add(d->blocks[d->generation], b);
    for (unsigned k = 0; k < tr->n_pages; k++) {
        if (!pages[k]) {                /* nothing of it is in the trace */
            continue;
        }
        __atomic_or_fetch(&pages[k]->granules, tr->pages[k].granules, __ATOMIC_SEQ_CST);
        g_ptr_array_add(pages[k]->blocks, b);
        __atomic_add_fetch(&pages[k]->traces, 1, __ATOMIC_SEQ_CST);
    }
    block_publish(d, b);
}

/* With the lock held and the pages guarded. */
static bool make_locked(DbtCpu *c, DbtTracer *t, Trace *tr, CodePage **pages)
{
    DbtMachine *d = c->dbt;
    unsigned n_pages = tr->n_pages;
    uint32_t mode = (uint32_t)c->ctx->key.mode;
    uint8_t *at = tr->pages[0].host + (t->pc[0] & (DBT_PAGE - 1));
    const Block *old = block_at(d, at, mode);

    for (unsigned k = 0; k < tr->n_pages; k++) {
        if (pages[k]->killed > KILLED_MAX && !trace_is_test(d)) {
            return false;
        }
    }
    if ((old && old->trace) || (tr->n_pages > 1 && !guard_find(d))) {
        return false;
    }
    unsigned n = stitch(c, t, tr);
    if (!n) {
        return false;
    }
    unsigned used = 0;                  /* without those that the path has left */
    CodePage *of[TRACE_PAGES];
    for (unsigned k = 0; k < tr->n_pages; k++) {
        if (tr->pages[k].granules || k >= n_pages) {
            of[used] = k < n_pages ? pages[k] : NULL;
            tr->pages[used++] = tr->pages[k];
        }
    }
    tr->n_pages = used;
    tr->guard = used > 1 ? guard_find(d) : 0;
    tr->restless = t->restless;
    unsigned in_page = (unsigned)((uintptr_t)at & (DBT_PAGE - 1));
    Block *b = tr->block = block_new(d);
    *b = (Block){ .at = at, .mode = mode, .length = (uint16_t)t->ir->length, .from = (uint16_t)in_page, .to = (uint16_t)(in_page + 1) };
    Trace *kept = g_memdup2(tr, sizeof(*tr));
    if (tr->guard) {
        d->guards[tr->guard - 1] = true;
    }
    b->trace = (keep(d, kept) + 1) & 0x7fffffff;
    log_trace(t->ir, tr);
    if (!d->backend->emit(d, d->guest, t->ir, b)) {
        block_free(d, b);               /* the next block sees to the arena */
        return false;
    }
    publish(d, kept, b, of);
    if (d->perfmap_file) {
        fprintf(d->perfmap_file, "%" PRIxPTR " %x t%" PRIx64 "_%x\n", (uintptr_t)b->entry, b->code_bytes, t->pc[0], mode);
    }
    if (log_on(LOG_OUT_ASM)) {
        g_autoptr(GString) s = g_string_new(NULL);
        if (d->backend->print(b, s)) {
            log_write("code for %#" PRIx64 " (trace)\n%s", t->pc[0], s->str);
        }
    }
    d->stats.traces++;
    d->stats.trace_insns += n;
    d->stats.trace_loops += t->pc[n] == t->pc[0];
    d->stats.code_bytes += b->code_bytes;
    return true;
}

static void make(DbtCpu *c, DbtTracer *t)
{
    DbtMachine *d = c->dbt;
    CodePage *pages[TRACE_PAGES];
    Trace tr = { 0 };
    uint64_t flushes = c->map_flushes;

    find_pages(c, t, &tr);
    if (!tr.n_pages) {
        return;
    }
    unsigned n_pages = tr.n_pages;
    for (unsigned k = 0; k < n_pages; k++) {
        pages[k] = code_page_guard(d, tr.pages[k].region, tr.pages[k].host);
    }
    g_mutex_lock(&d->lock);
    uint8_t *at = tr.pages[0].host + (t->pc[0] & (DBT_PAGE - 1)), *tried = tries(d, at);
    *tried += *tried < TRIES;
    if (flushes != c->map_flushes || !make_locked(c, t, &tr, pages)) {
        d->stats.traces_not++;
        Block *b = block_at(d, at, (uint32_t)c->ctx->key.mode);
        if (*tried == TRIES && b && b->counted && !trace_is_test(d)) {
            block_retire(d, b);         /* to be made again without a counter */
        }
    }
    for (unsigned k = 0; k < n_pages; k++) {
        code_page_made(pages[k]);
    }
    g_mutex_unlock(&d->lock);
}

/* CPU time of this thread, in microseconds: a busy host is not to make traces dearer. */
static int64_t thread_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

const void *trace_hot(DbtCpu *c, unsigned counter)
{
    DbtTracer *t = c->tracer;
    int64_t now = thread_us();

    counters(c)[counter] = c->dbt->tier2_hot + 1;       /* more than 1: the block is to get somewhere */
    t->credit = MIN(t->credit + now - t->last, CREDIT_US * SHARE);
    t->last = now;
    if (c->debug || c->ctx != t->ctx || (!trace_is_test(c->dbt) && t->credit < 0)) {
        return dbt_lookup(c);
    }
    if (!t->ir) {
        t->ir = ir_new();
    }
    const DbtContext *x = c->ctx;
    if (!trace_is_test(c->dbt) && t->watches[counter] < WATCHES) {
        t->watches[counter]++;
        counters(c)[counter] = WATCH_AFTER;
        c->stats->trace_looks++;
        watch(c, t);
    } else {
        c->stats->trace_records++;
        bool whole = record(c, t);
        if (whole && c->ctx == x && t->n >= TRACE_LEAST) {
            t->watches[counter] = 0;    /* the next to have it is another block's, as like as not */
            make(c, t);
        }
    }
    int64_t took = thread_us() - now;
    t->credit -= took * SHARE;
    c->stats->trace_us += (uint64_t)took;
    return dbt_lookup(c);
}
