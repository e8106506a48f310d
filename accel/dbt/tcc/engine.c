/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c -- hot blocks become regions of C, compiled on a thread of their own while tier 0 goes
 * on.
 *
 * A vCPU that has run a block often enough puts it in a queue.  The thread takes a few at a time,
 * adds to each the blocks that it reaches by direct jumps in its page, and hangs the compiled
 * function on the first block (Block.tcc).
 *
 * Omits: taking code back before the machine ends; regions beyond a page.
 * Threads: `lock` guards the queue and the units; DbtMachine.lock is taken alone.
 */
#include "accel/dbt/internal.h"
#include "accel/dbt/tcc/tcc.h"

enum { BATCH = 8 };

typedef struct TccEngine {
    DbtMachine *d;
    GThread  *thread;
    GMutex    lock;
    GCond     more, done;
    GQueue    queue;                    /* Block */
    unsigned  busy;                     /* taken from it and not compiled yet */
    bool      stop;
    GPtrArray *units;                   /* TccUnit */
    uint64_t  regions, blocks, refused, failed, text_bytes;
    int64_t   compile_us;
} TccEngine;

/* The blocks of b's page that it reaches by jumps, itself first. */
static unsigned form(DbtMachine *d, Block *b, TccPart parts[TCC_MAX_PARTS])
{
    const uint8_t *page = (const uint8_t *)((uintptr_t)b->at & -(uintptr_t)DBT_PAGE);
    unsigned n = 1;
    parts[0] = (TccPart){ b->ir, (int32_t)(b->at - page), &b->dead };
    g_mutex_lock(&d->lock);
    for (unsigned k = 0; k < n; k++) {
        const IrBlock *ir = parts[k].ir;
        for (unsigned i = 0; i < ir->n_insns && n < TCC_MAX_PARTS; i++) {
            const IrInsn *o = &ir->insns[i];
            bool known = o->op != IR_jmp && o->op != IR_br && o->op != IR_brz && o->op != IR_brnz;
            for (unsigned p = 0; p < n && !known; p++)
                known = parts[p].offset == o->imm;
            if (known || o->imm < 0 || o->imm >= DBT_PAGE)
                continue;
            const Block *to = block_at(d, page + o->imm, b->mode);
            if (to && !to->at2 && to->ir && !to->dead)
                parts[n++] = (TccPart){ to->ir, o->imm, &to->dead };
        }
    }
    g_mutex_unlock(&d->lock);
    return n;
}

static void compile(TccEngine *t, Block **blocks, unsigned n)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) err = NULL;
    bool rendered[BATCH];
    uint64_t regions = 0, parts_in = 0, refused = 0;
    int64_t start = g_get_monotonic_time();
    tcc_prelude(text);
    for (unsigned k = 0; k < n; k++) {
        TccPart parts[TCC_MAX_PARTS];
        char name[16];
        unsigned n_parts = form(t->d, blocks[k], parts);
        size_t before = text->len;
        g_snprintf(name, sizeof name, "r%u", k);
        rendered[k] = tcc_render(text, t->d->guest, name, parts, n_parts);
        if (!rendered[k]) {                             /* something in a neighbour, perhaps */
            g_string_truncate(text, before);
            n_parts = 1;
            rendered[k] = tcc_render(text, t->d->guest, name, parts, n_parts);
        }
        if (!rendered[k])
            g_string_truncate(text, before);
        regions += rendered[k];
        parts_in += rendered[k] ? n_parts : 0;
        refused += !rendered[k];
    }
    TccUnit *u = tcc_compile(text->str, &err);
    for (unsigned k = 0; u && k < n; k++) {
        char name[16];
        g_snprintf(name, sizeof name, "r%u", k);
        if (rendered[k])
            __atomic_store_n(&blocks[k]->tcc, tcc_find(u, name), __ATOMIC_RELEASE);
    }
    if (!u)
        log_write("engine tcc: %s\n", err->message);
    g_mutex_lock(&t->lock);
    if (u)
        g_ptr_array_add(t->units, u);
    t->regions += u ? regions : 0;
    t->blocks += u ? parts_in : 0;
    t->refused += refused;
    t->failed += !u;
    t->text_bytes += text->len;
    t->compile_us += g_get_monotonic_time() - start;
    g_mutex_unlock(&t->lock);
}

static void *work(void *arg)
{
    TccEngine *t = arg;
    g_mutex_lock(&t->lock);
    while (!t->stop) {
        Block *blocks[BATCH];
        unsigned n = 0;
        while (n < BATCH && !g_queue_is_empty(&t->queue))
            blocks[n++] = g_queue_pop_head(&t->queue);
        if (!n) {
            g_cond_broadcast(&t->done);
            g_cond_wait(&t->more, &t->lock);
            continue;
        }
        t->busy = n;
        g_mutex_unlock(&t->lock);
        compile(t, blocks, n);
        g_mutex_lock(&t->lock);
        t->busy = 0;
    }
    g_mutex_unlock(&t->lock);
    return NULL;
}

void tcc_engine_hot(DbtMachine *d, Block *b)
{
    TccEngine *t = d->tcc;
    g_mutex_lock(&t->lock);
    g_queue_push_tail(&t->queue, b);
    g_cond_signal(&t->more);
    while (d->tcc_wait && (!g_queue_is_empty(&t->queue) || t->busy))
        g_cond_wait(&t->done, &t->lock);
    g_mutex_unlock(&t->lock);
}

/* With the vCPUs stopped: the blocks go, and nothing of the thread's is to know them. */
void tcc_engine_forget(DbtMachine *d)
{
    TccEngine *t = d->tcc;
    if (!t)
        return;
    g_mutex_lock(&t->lock);
    g_queue_clear(&t->queue);
    while (t->busy)
        g_cond_wait(&t->done, &t->lock);
    g_mutex_unlock(&t->lock);
}

bool tcc_engine_init(DbtMachine *d, GError **err)
{
    if (!tcc_built_in())
        return fail(err, "accel dbt: engine=tcc: this program was built without libtcc; install it "
                         "(libtcc-dev), configure and build "
                         "again, or take engine=interp");
    TccEngine *t = d->tcc = g_new0(TccEngine, 1);
    t->d = d;
    t->units = g_ptr_array_new();
    g_mutex_init(&t->lock);
    g_cond_init(&t->more);
    g_cond_init(&t->done);
    g_queue_init(&t->queue);
    t->thread = g_thread_new("tcc", work, t);
    return true;
}

void tcc_engine_fini(DbtMachine *d)
{
    TccEngine *t = d->tcc;
    if (!t)
        return;
    g_mutex_lock(&t->lock);
    t->stop = true;
    g_cond_signal(&t->more);
    g_mutex_unlock(&t->lock);
    g_thread_join(t->thread);
    g_ptr_array_set_free_func(t->units, (GDestroyNotify)tcc_unit_free);
    g_ptr_array_free(t->units, TRUE);
    g_queue_clear(&t->queue);
    g_cond_clear(&t->done);
    g_cond_clear(&t->more);
    g_mutex_clear(&t->lock);
    g_free(t);
    d->tcc = NULL;
}

void tcc_engine_info(DbtMachine *d, GString *out)
{
    TccEngine *t = d->tcc;
    if (!t)
        return;
    g_mutex_lock(&t->lock);
    g_string_append_printf(out,
                           "%12" PRIu64 "  regions compiled by libtcc\n%12" PRIu64
                           "  blocks in them\n%12" PRIu64
                           "  blocks that cannot be said in C\n%12" PRIu64
                           "  compilations that failed\n%12" PRIu64 "  bytes of text\n%12" PRId64
                           "  ms of compiling\n",
                           t->regions, t->blocks, t->refused, t->failed, t->text_bytes,
                           t->compile_us / 1000);
    g_mutex_unlock(&t->lock);
}
