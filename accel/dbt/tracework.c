/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tracework.c -- tier 2: a path that trace.c has found becomes a trace, on the vCPU that asks or on
 * a thread beside it.
 *
 * Where the host has more CPUs, of those that the process may run on, than the machine, a thread
 * makes the traces, one at a time.  The vCPU guards the path's pages and gives it copies of their
 * bytes.  The thread works on these, then takes DbtMachine.lock and compares them with what is in
 * the pages: `making` (codepage.c) has stores to them wait for the lock since, as with a block that
 * a vCPU makes.  What has changed is dropped; so is all that was asked for before memory has moved
 * or blocks have been dropped (DbtMachine.trace_epoch).  If the thread had to wait for a CPU, the
 * vCPU makes the next ones itself.
 *
 * Threads: trace_make() any vCPU's; blocks and pages with DbtMachine.lock; Worker.lock is for
 * `busy`, `ready` and `stop`, and nothing is locked under it.
 */
#include <sched.h>
#include <string.h>
#include "accel/dbt/stitch.h"

enum { KILLED_MAX = 64, CROWDED_US = 1000, CROWDED_FOR = 64,
       /* of a program in use: one that has more gets none for what stays in a page */
       IC_STAYS_MAX = 2500 };

typedef struct TraceWorker {
    DbtMachine *d;
    GThread   *thread;
    GMutex     lock;
    GCond      more;
    /* busy: from when a vCPU takes it, atomic; ready: the order is complete */
    bool       busy, ready, stop;
    unsigned   host_cpus;               /* that it may run on; atomic */
    unsigned   crowded;                 /* orders to be made by vCPUs; atomic, not exact */
    int64_t    spent_us;                /* of its CPU time, not yet asked for; atomic */
    /* the order: of the vCPU that has set busy, then the thread's */
    TracePath  path;
    CodePage  *pages[TRACE_PAGES];
    uint64_t   epoch;
    int64_t    asked_us;
    DbtCpu    *front;                   /* what the front end reads of a CPU */
    uint8_t    bytes[TRACE_PAGES][DBT_PAGE];
    TraceCode  code;
} TraceWorker;

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
    const uint8_t *at = memchr(d->guards, 0, DBT_GUARDS);

    return at ? (unsigned)(at - d->guards) + 1 : 0;
}

/* ---- making it, with the lock held and the pages guarded ---- */

static void log_trace(const TraceCode *t)
{
    if (log_on(LOG_OPT)) {
        g_autoptr(GString) s = g_string_new(NULL);
        g_string_printf(s, "trace at %#" PRIx64 " mode %#" PRIx64 ", %u pages\n", t->ir->pc,
                        t->ir->mode, t->n_pages);
        ir_print(t->ir, s);
        log_write("%s", s->str);
    }
}

/* What is not of the path's pages is led to alone. */
static void publish(DbtMachine *d, const Trace *tr, Block *b, const TracePath *path,
                    CodePage **pages)
{
    Block *old = block_at(d, b->at, b->mode);

    if (old) {
        block_retire(d, old);
    }
    g_ptr_array_add(d->blocks[d->generation], b);
    for (unsigned k = 0; k < tr->n_pages; k++) {
        for (unsigned i = 0; i < path->n_pages; i++) {
            if (path->pages[i].delta == tr->pages[k].delta) {
                code_page_cover_granules(pages[i], tr->pages[k].granules);
                g_ptr_array_add(pages[i]->blocks, b);
                __atomic_add_fetch(&pages[i]->traces, 1, __ATOMIC_SEQ_CST);
            }
        }
    }
    block_publish(d, b);
}

/* Its Trace, kept. */
static Trace *keep_code(DbtMachine *d, const TracePath *path, const TraceCode *t, Block *b)
{
    Trace *tr = g_new0(Trace, 1);

    tr->block = b;
    tr->n_pages = t->n_pages;
    memcpy(tr->pages, t->pages, sizeof(tr->pages));
    tr->guard = t->n_pages > 1 ? guard_find(d) : 0;
    tr->restless = path->restless;
    tr->stays = path->n_ic < IC_STAYS_MAX ? (uint16_t)(IC_STAYS_MAX - path->n_ic) : 0;
    if (tr->guard) {
        d->guards[tr->guard - 1] = true;
    }
    b->trace = (keep(d, tr) + 1) & 0x7fffffff;
    return tr;
}

static void log_code(const DbtMachine *d, const Block *b, const TracePath *path)
{
    if (d->perfmap_file) {
        fprintf(d->perfmap_file, "%" PRIxPTR " %x t%" PRIx64 "_%x\n", (uintptr_t)b->entry,
                b->code_bytes, path->pc[0], (unsigned)path->mode);
    }
    if (log_on(LOG_OUT_ASM)) {
        g_autoptr(GString) s = g_string_new(NULL);
        if (d->backend->print(b, s)) {
            log_write("code for %#" PRIx64 " (trace)\n%s", path->pc[0], s->str);
        }
    }
}

static uint8_t *start_of(const TracePath *path)
{
    return path->pages[0].host + (path->pc[0] & (DBT_PAGE - 1));
}

static bool may_make(DbtMachine *d, const TracePath *path, CodePage **pages)
{
    const Block *old = block_at(d, start_of(path), (uint32_t)path->mode);

    for (unsigned k = 0; k < path->n_pages; k++) {
        if (pages[k]->killed > KILLED_MAX && !trace_is_test(d)) {
            return false;
        }
    }
    return !(old && old->trace) && (path->n_pages == 1 || guard_find(d));
}

/* What has been stitched. */
static bool install(DbtMachine *d, const TracePath *path, TraceCode *t, CodePage **pages)
{
    uint8_t *at = start_of(path);
    unsigned in_page = (unsigned)((uintptr_t)at & (DBT_PAGE - 1));

    if (t->n_pages > 1 && !guard_find(d)) {
        return false;
    }
    Block *b = block_new(d);
    *b = (Block){ .at = at, .mode = (uint32_t)path->mode, .length = (uint16_t)t->ir->length,
                  .from = (uint16_t)in_page, .to = (uint16_t)(in_page + 1) };
    const Trace *tr = keep_code(d, path, t, b);
    log_trace(t);
    if (!d->backend->emit(d, d->guest, t->ir, b)) {
        block_free(d, b);               /* the next block sees to the arena */
        return false;
    }
    publish(d, tr, b, path, pages);
    log_code(d, b, path);
    d->stats.traces++;
    d->stats.trace_insns += t->n;
    d->stats.trace_loops += path->pc[t->n] == path->pc[0];
    d->stats.code_bytes += b->code_bytes;
    return true;
}

static void finish(DbtMachine *d, const TracePath *path, CodePage **pages, bool made)
{
    trace_tried_locked(d, start_of(path), (uint32_t)path->mode, made);
    for (unsigned k = 0; k < path->n_pages; k++) {
        code_page_made(pages[k]);
    }
}

static void code_ready(TraceCode *t)
{
    if (!t->ir) {
        t->ir = ir_new();
        t->piece = ir_new();
    }
}

/* ---- the thread ---- */

/* Is what was stitched what is there? */
static bool is_same(const TraceWorker *w)
{
    for (unsigned k = 0; k < w->code.n_pages; k++) {
        const TracePage *p = &w->code.pages[k];
        for (unsigned i = 0; i < w->path.n_pages; i++) {
            for (unsigned g = 0; w->path.pages[i].delta == p->delta && g < 64; g++) {
                if ((p->granules >> g & 1) && memcmp(w->bytes[i] + 64 * g, p->host + 64 * g, 64)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static void carry_out(TraceWorker *w)
{
    DbtMachine *d = w->d;
    int64_t start = trace_thread_us();

    code_ready(&w->code);
    bool good = trace_stitch(&w->path, &w->code);
    g_mutex_lock(&d->lock);
    bool made = good && w->epoch == d->trace_epoch && may_make(d, &w->path, w->pages) &&
                is_same(w) && install(d, &w->path, &w->code, w->pages);
    int64_t took = trace_thread_us() - start;
    d->stats.traces_beside += made;
    d->stats.trace_beside_us += (uint64_t)took;
    finish(d, &w->path, w->pages, made);
    g_mutex_unlock(&d->lock);
    __atomic_add_fetch(&w->spent_us, took, __ATOMIC_RELAXED);
    if (g_get_monotonic_time() - w->asked_us > 2 * took + CROWDED_US) {
        __atomic_store_n(&w->crowded, CROWDED_FOR, __ATOMIC_RELAXED);
    }
}

static void *work(void *arg)
{
    TraceWorker *w = arg;
    cpu_set_t cpus;

    if (!sched_getaffinity(0, sizeof(cpus), &cpus)) {
        __atomic_store_n(&w->host_cpus, (unsigned)CPU_COUNT(&cpus), __ATOMIC_RELAXED);
    }
    g_mutex_lock(&w->lock);
    while (!w->stop) {
        if (!w->ready) {
            g_cond_wait(&w->more, &w->lock);
            continue;
        }
        g_mutex_unlock(&w->lock);
        carry_out(w);
        g_mutex_lock(&w->lock);
        w->ready = false;
        __atomic_store_n(&w->busy, false, __ATOMIC_RELEASE);
    }
    g_mutex_unlock(&w->lock);
    return NULL;
}

void trace_work_init(DbtMachine *d)
{
    if (d->tier2 == TIER2_OFF || d->tier2_thread == TIER2_THREAD_OFF || !d->backend) {
        return;
    }
    TraceWorker *w = d->trace_worker = g_new0(TraceWorker, 1);
    w->d = d;
    g_mutex_init(&w->lock);
    g_cond_init(&w->more);
    w->thread = g_thread_new("traces", work, w);
}

void trace_work_fini(DbtMachine *d)
{
    TraceWorker *w = d->trace_worker;

    if (!w) {
        return;
    }
    g_mutex_lock(&w->lock);
    w->stop = true;
    g_cond_signal(&w->more);
    g_mutex_unlock(&w->lock);
    g_thread_join(w->thread);
    g_cond_clear(&w->more);
    g_mutex_clear(&w->lock);
    g_free(w->code.ir);
    g_free(w->code.piece);
    g_free(w->front);
    g_free(w);
    d->trace_worker = NULL;
}

bool trace_is_busy(const DbtMachine *d)
{
    return d->trace_worker && __atomic_load_n(&d->trace_worker->busy, __ATOMIC_ACQUIRE);
}

int64_t trace_beside_us(DbtMachine *d)
{
    return d->trace_worker ? __atomic_exchange_n(&d->trace_worker->spent_us, 0, __ATOMIC_RELAXED)
                           : 0;
}

/* ---- from a vCPU ---- */

/* Is the thread to do it?  *later: it would, but is at another. */
static TraceWorker *worker_take(DbtMachine *d, bool *later)
{
    TraceWorker *w = d->trace_worker;
    bool always = d->tier2_thread == TIER2_THREAD_ON;

    *later = false;
    if (!w || (!always && __atomic_load_n(&w->host_cpus, __ATOMIC_RELAXED) <= d->cpus->len)) {
        return NULL;
    }
    unsigned crowded = __atomic_load_n(&w->crowded, __ATOMIC_RELAXED);
    if (crowded && !always) {
        __atomic_store_n(&w->crowded, crowded - 1, __ATOMIC_RELAXED);
        return NULL;
    }
    g_mutex_lock(&w->lock);
    *later = w->busy;
    __atomic_store_n(&w->busy, true, __ATOMIC_RELEASE);
    g_mutex_unlock(&w->lock);
    return *later ? NULL : w;
}

static void worker_leave(TraceWorker *w, bool ready)
{
    g_mutex_lock(&w->lock);
    w->ready = ready;
    __atomic_store_n(&w->busy, ready, __ATOMIC_RELEASE);
    g_cond_signal(&w->more);
    g_mutex_unlock(&w->lock);
}

/* The pages are guarded, and where they were: no map has changed since. */
static void fill_order(DbtCpu *c, TraceWorker *w, const TracePath *path, CodePage **pages)
{
    DbtMachine *d = c->dbt;

    if (!w->front) {
        w->front = g_malloc0(c->guest->ic_offset);
        w->front->guest = c->guest;
        w->front->dbt = d;
    }
    c->guest->front_state(c, w->front);
    w->path = *path;
    w->path.cpu = w->front;
    w->epoch = d->trace_epoch;
    w->asked_us = g_get_monotonic_time();
    for (unsigned k = 0; k < path->n_pages; k++) {
        w->pages[k] = pages[k];
        w->path.bytes[k] = w->bytes[k];
        /* stores ask whether it is `making` (code_page_guard() sees to other vCPUs) */
        beside_forget(c, path->pages[k].host);
        memcpy(w->bytes[k], path->pages[k].host, DBT_PAGE);
    }
}

bool trace_make(DbtCpu *c, TracePath *path, TraceCode *own)
{
    DbtMachine *d = c->dbt;
    CodePage *pages[TRACE_PAGES];
    uint64_t flushes = c->map_flushes;
    bool later;
    TraceWorker *w = worker_take(d, &later);

    if (later) {
        return false;
    }
    code_ready(own);
    for (unsigned k = 0; k < path->n_pages; k++) {
        pages[k] = code_page_guard(d, path->pages[k].region, path->pages[k].host);
    }
    g_mutex_lock(&d->lock);
    if (!guard_find(d)) {
        path->after.host = NULL;
    }
    bool good = flushes == c->map_flushes && may_make(d, path, pages);
    if (w && good) {
        fill_order(c, w, path, pages);
    } else {
        finish(d, path, pages, good && trace_stitch(path, own) && install(d, path, own, pages));
    }
    g_mutex_unlock(&d->lock);
    if (w) {
        worker_leave(w, good);
    }
    return true;
}
