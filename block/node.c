/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node.c -- block nodes: opening a graph, checking requests, threads for blocking work, completions
 * in the main context.
 *
 * Spec: none.
 * Omits: throttling, fault injection.
 * Threads: BlockState.mutex guards the list of finished requests; all else with the machine lock.
 */
#include "block/stats.h"
#include "core/options.h"
#include "core/trace.h"
#include <errno.h>
#include <string.h>

enum { POOL_THREADS = 8, HEAD_BYTES = 4096 };

#define BLOCK(file) extern const BlockDriver file##_driver;
#include "block/drivers.def"
#undef BLOCK
#define BLOCK(file) &file##_driver,
const BlockDriver *const block_drivers[] = {
#include "block/drivers.def"
    NULL
};

typedef struct Finisher {           /* a GSource whose ready time says that requests are finished */
    GSource base;
    struct BlockState *bs;
} Finisher;

typedef struct BlockState {
    Machine     *machine;
    GThreadPool *pool;
    GSource     *source;
    GMutex       mutex;
    BlockReq    *first, **last;       /* finished, not yet told */
    unsigned     in_flight;           /* submitted, done() not yet called */
    unsigned     draining;            /* callers of block_drain() */
} BlockState;

typedef struct Work {
    BlockNode *node;
    BlockReq  *req;
    int      (*run)(BlockNode *n, BlockReq *req);
} Work;

/* ---- completions ---- */
static gboolean finisher_dispatch(GSource *source, GSourceFunc fn, gpointer arg)
{
    BlockState *bs = ((Finisher *)source)->bs;
    machine_lock(bs->machine);
    g_source_set_ready_time(source, -1);
    g_mutex_lock(&bs->mutex);
    BlockReq *r = bs->first;
    bs->first = NULL;
    bs->last = &bs->first;
    g_mutex_unlock(&bs->mutex);
    while (r) {
        BlockReq *next = r->next;
        bs->in_flight--;
        stats_done(r, false);
        if (r->tap) {
            r->tap->after(r->tap, r);
        }
        trace_block_done(r->node->name, r->op, r->offset, r->result);
        r->done(r, r->result);
        r = next;
    }
    machine_unlock(bs->machine);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs finisher_funcs = { .dispatch = finisher_dispatch };

static void pool_run(gpointer data, gpointer arg)
{
    Work w = *(Work *)data;
    g_free(data);
    block_finish(w.req, w.run(w.node, w.req));
}

static BlockState *state_of(Machine *m)
{
    BlockState *bs = m->block;
    if (!bs) {
        bs = g_new0(BlockState, 1);
        bs->machine = m;
        bs->last = &bs->first;
        g_mutex_init(&bs->mutex);
        bs->pool = g_thread_pool_new(pool_run, bs, POOL_THREADS, FALSE, NULL);
        bs->source = g_source_new(&finisher_funcs, sizeof(Finisher));
        ((Finisher *)bs->source)->bs = bs;
        g_source_set_static_name(bs->source, "block");
        g_source_attach(bs->source, m->context);
        m->block = bs;
        m->drain = block_drain;
    }
    return bs;
}

void block_finish(BlockReq *req, int result)
{
    BlockState *bs = req->node->machine->block;
    req->result = result;
    req->next = NULL;
    g_mutex_lock(&bs->mutex);
    bool first = !bs->first;
    *bs->last = req;
    bs->last = &req->next;
    g_mutex_unlock(&bs->mutex);
    if (first) {
        g_source_set_ready_time(bs->source, 0);
    }
}

void block_work(BlockNode *n, BlockReq *req, int (*run)(BlockNode *n, BlockReq *req))
{
    Work *w = g_new(Work, 1);
    *w = (Work){ n, req, run };
    g_thread_pool_push(state_of(n->machine)->pool, w, NULL);
}

/* ---- requests ---- */
static int check(const BlockNode *n, const BlockReq *r)
{
    if (r->op == BLK_FLUSH) {
        return 0;
    }
    if (r->offset > n->bytes || r->length > n->bytes - r->offset || (r->offset | r->length) % 512) {
        return -EINVAL;
    }
    return r->op != BLK_READ && n->readonly ? -EROFS : 0;
}

void block_submit(BlockNode *n, BlockReq *req)
{
    trace_block_submit(n->name, req->op, req->offset, req->length);
    BlockState *bs = state_of(n->machine);
    int bad = check(n, req);
    req->node = n;
    stats_start(req);
    bs->in_flight++;
    req->tap = req->op != BLK_READ && req->op != BLK_FLUSH && !bad ? n->tap : NULL;
    if (req->tap && req->tap->before(req->tap, req)) {
        return;
    }
    if (bad) {
        stats_done(req, true);
        memset(req->stats, 0, sizeof(req->stats));
        block_finish(req, bad);
    } else {
        n->drv->submit(n, req);
    }
}

bool block_in_flight(Machine *m)
{
    return m->block && ((BlockState *)m->block)->in_flight;
}

void block_drain(Machine *m)
{
    BlockState *bs = m->block;

    if (bs) {
        bs->draining++;
        while (block_in_flight(m)) {
            g_main_context_iteration(m->context, TRUE);
        }
        bs->draining--;
    }
}

bool block_is_draining(Machine *m)
{
    return m->block && ((BlockState *)m->block)->draining;
}

/* At the end of the machine: nothing is in flight any more. */
void block_state_free(Machine *m)
{
    BlockState *bs = m->block;
    if (bs) {
        block_drain(m);
        g_thread_pool_free(bs->pool, FALSE, TRUE);
        g_source_destroy(bs->source);
        g_source_unref(bs->source);
        g_mutex_clear(&bs->mutex);
        g_free(bs);
        m->block = NULL;
        m->drain = NULL;
    }
}

/* ---- graphs ---- */
static const BlockDriver *driver_find(const char *name)
{
    for (const BlockDriver *const *d = block_drivers; *d; d++) {
        if (!strcmp((*d)->name, name)) {
            return *d;
        }
    }
    return NULL;
}

BlockNode *block_node_new(Machine *m, const char *driver, const char *name, const BlockOpen *how,
                          GError **err)
{
    BlockNode *n = g_new0(BlockNode, 1);
    n->drv = driver_find(driver);
    n->machine = m;
    n->name = g_strdup(name);
    n->readonly = how->readonly;
    n->state = g_malloc0(MAX(n->drv->size, 1));
    if (n->drv->open && !n->drv->open(n, how, err)) {
        g_free(n->state);
        g_free(n->name);
        g_free(n);
        return NULL;
    }
    return n;
}

static void node_free(BlockNode *n)
{
    if (!n) {
        return;
    }
    if (n->named) {
        node_unuse(n->named);
    }
    if (n->drv->close) {
        n->drv->close(n);
    }
    node_free(n->child);
    node_free(n->backing);
    g_free(n->state);
    g_free(n->name);
    g_free(n);
}

void block_close(BlockNode *n)
{
    if (n) {
        block_drain(n->machine);
        node_free(n);
    }
}

bool block_resize(BlockNode *n, uint64_t bytes, GError **err)
{
    if (n->readonly) {
        return fail(err, "Cannot resize '%s': it is read-only", n->name);
    }
    if (!block_is_raw(n)) {
        return fail(err, "Cannot resize '%s': with snapshot=on its size is that of the image",
                    n->name);
    }
    block_drain(n->machine);
    if (!block_file_resize(n->child, bytes, err)) {
        return false;
    }
    raw_resized(n, bytes);
    return true;
}

/* Formats that must not be mistaken for raw: first bytes, and where. */
static const struct {
    const char *format, *magic;
    unsigned    at;
} foreign[] = {
    { "qcow2", "QFI\xfb", 0 }, { "qed", "QED", 0 }, { "vmdk", "KDMV", 0 }, { "vmdk", "COWD", 0 },
    { "vmdk", "# Disk DescriptorFile", 0 }, { "vhdx", "vhdxfile", 0 }, { "vpc", "conectix", 0 },
    { "vdi", "\x7f\x10\xda\xbe", 0x40 }, { "parallels", "WithoutFreeSpace", 0 },
    { "parallels", "WithouFreSpacExt", 0 },
};

static void head_done(BlockReq *req, int result)
{
    *(int *)(void *)(req + 1) = result;
}

/* Blocks: only while the machine is being built. */
static bool read_head(BlockNode *n, uint8_t *buf, GError **err)
{
    struct {
        BlockReq req;
        int      result;
    } r = { .result = 1 };
    struct iovec iov = { buf, MIN(HEAD_BYTES, n->bytes) };
    r.req = (BlockReq){ .op = BLK_READ, .length = iov.iov_len, .iov = &iov, .n_iov = 1,
                        .done = head_done };
    if (!iov.iov_len) {
        return true;
    }
    block_submit(n, &r.req);
    block_drain(n->machine);
    return !r.result ||
           fail(err, "drive file %s: cannot read it: %s", n->name, g_strerror(-r.result));
}

static bool check_format(BlockNode *file, const BlockOpen *how, GError **err)
{
    uint8_t head[HEAD_BYTES] = { 0 };
    if (how->format) {
        if (strcmp(how->format, "raw")) {
            return fail(err, "drive file %s: format=%s is not supported; convert the image to raw",
                        how->file, how->format);
        }
        return true;
    }
    if (!read_head(file, head, err)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(foreign); i++) {
        if (!memcmp(head + foreign[i].at, foreign[i].magic, strlen(foreign[i].magic))) {
            return fail(err,
                        "drive file %s: a %s image, which is not supported; convert it to raw, or "
                        "give format=raw to use "
                        "it as it is",
                        how->file, foreign[i].format);
        }
    }
    return true;
}

BlockNode *block_open(Machine *m, const BlockOpen *how, GError **err)
{
    BlockOpen base = *how;
    base.readonly |= how->snapshot;
    BlockNode *file = block_node_new(m, "file", how->file, &base, err);
    if (!file || !check_format(file, how, err)) {
        node_free(file);
        return NULL;
    }
    BlockNode *top = block_node_new(m, "raw", how->file, &base, err);
    top->child = file;
    top->bytes = file->bytes;
    if (how->snapshot && !how->readonly) {
        BlockNode *overlay = block_node_new(m, "overlay", how->file, how, err);
        overlay->backing = top;
        overlay->bytes = top->bytes;
        top = overlay;
        if (!overlay_start(overlay, err)) {
            node_free(overlay);
            return NULL;
        }
    }
    return top;
}
