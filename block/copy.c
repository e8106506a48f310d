/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy.c -- a disk copied while the guest uses it: a backup holds what the disk held when it began,
 * a mirror follows it until it is told to take its place.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "block-core": blockdev-backup,
 *   blockdev-mirror, drive-backup, drive-mirror.
 * Omits: sync= other than full and top (which are the same without backing files), dirty bitmaps,
 *   compression, error policies other than report, write-blocking mirrors, filter nodes.
 * Threads: the machine lock; before() in any thread, all else in the main context.
 *
 * One piece is under way at a time: read from the source, then written to the target.  A write of
 * the guest's to what a backup has not copied yet is held until that is done, before all else.
 */
#include "block/contents.h"
#include "block/copy.h"
#include "core/commands.h"
#include "core/job.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PART = 64 << 10, PIECE = 1 << 20, RETRY_US = 1000 };

typedef struct Copy {
    BlockTap   tap;                   /* on the source */
    Job       *job;
    Machine   *machine;
    Drive     *drive;                 /* that has the source, or NULL: it was opened for this */
    BlockNode *src, *dst;
    bool       is_mirror, pivot, completing, ending;
    uint64_t   bytes, n_todo, at;     /* parts that are to be copied; where to look next */
    uint8_t   *todo;                  /* a bit each */
    GSource   *soon;
    BlockReq   req;                   /* the piece under way: */
    struct iovec iov;
    uint8_t   *buf;
    bool       busy;
    uint64_t   from, n;               /* its parts */
    GQueue     held;                  /* BlockReq */
    uint64_t   paced_speed, paced_bytes;
    int64_t    paced_us;
} Copy;

typedef struct Soon {
    GSource base;
    Copy   *copy;
} Soon;

/* ---- parts ---- */

static bool is_todo(const Copy *c, uint64_t part)
{
    return c->todo[part / 8] >> (part % 8) & 1;
}

/* Parts [from, from + n) are, or are not, to be copied. */
static void set_parts(Copy *c, uint64_t from, uint64_t n, bool on)
{
    for (uint64_t p = from; p < from + n; p++) {
        if (is_todo(c, p) != on) {
            c->todo[p / 8] ^= (uint8_t)(1 << (p % 8));
            c->n_todo += on ? 1 : UINT64_MAX;
        }
    }
}

static uint64_t n_parts(const Copy *c)
{
    return (c->bytes + PART - 1) / PART;
}

static void progress(Copy *c)
{
    c->job->total = MAX(c->job->total, c->job->done + c->n_todo * PART);
    if (c->is_mirror) {
        c->job->total = c->job->done + c->n_todo * PART;
    }
}

/* ---- one piece ---- */

static bool serve_held(Copy *c);

static void soon(Copy *c, int64_t delay_us)
{
    g_source_set_ready_time(c->soon, delay_us ? g_get_monotonic_time() + delay_us : 0);
}

/* Held writes that need wait no longer go on. */
static void release(Copy *c)
{
    for (GList *l = c->held.head, *next; l; l = next) {
        BlockReq *r = l->data;
        uint64_t  p = r->offset / PART, end = (r->offset + r->length - 1) / PART;
        next = l->next;
        while (p <= end && !is_todo(c, p)) {
            p++;
        }
        if (p > end || c->ending) {
            g_queue_delete_link(&c->held, l);
            c->src->drv->submit(c->src, r);
        }
    }
}

static void piece_over(Copy *c, const char *what, int result)
{
    GVariantBuilder b;

    c->busy = false;
    if (result && !c->ending) {
        object_start(&b);
        say(&b, "device", c->job->id);
        say(&b, "operation", what);
        say(&b, "action", "report");
        machine_event(c->machine, "BLOCK_JOB_ERROR", g_variant_builder_end(&b));
        c->ending = true;
        c->job->error = g_strdup(g_strerror(-result));
    }
    if (!result) {
        if (!c->is_mirror) {
            set_parts(c, c->from, c->n, false);
        }
        c->job->done += c->iov.iov_len;
        progress(c);
    }
    release(c);
    if (!serve_held(c)) {
        soon(c, 0);                     /* what ends a job waits for requests: not from here */
    }
}

static void written(BlockReq *req, int result)
{
    piece_over((Copy *)(void *)((char *)req - offsetof(Copy, req)), "write", result);
}

static void was_read(BlockReq *req, int result)
{
    Copy *c = (Copy *)(void *)((char *)req - offsetof(Copy, req));

    if (result) {
        piece_over(c, "read", result);
        return;
    }
    c->req = (BlockReq){ .op = block_is_zero(c->buf, c->iov.iov_len) ? BLK_ZERO : BLK_WRITE,
                         .offset = c->from * PART, .length = c->iov.iov_len, .iov = &c->iov,
                         .n_iov = 1, .done = written };
    block_submit(c->dst, &c->req);
}

/*
 * Of the parts from `at` on and before `end` the next that are to be copied; false: there are none.
 */
static bool next_piece(Copy *c, uint64_t at, uint64_t end)
{
    while (at < end && !is_todo(c, at)) {
        at += at % 8 == 0 && !c->todo[at / 8] ? 8 : 1;
    }
    if (at >= end) {
        return false;
    }
    for (c->from = at, c->n = 0; at < end && c->n < PIECE / PART && is_todo(c, at); at++) {
        c->n++;
    }
    return true;
}

static void copy_piece(Copy *c)
{
    c->busy = true;
    c->at = c->from + c->n;
    if (c->is_mirror) {
        set_parts(c, c->from, c->n, false);     /* writes from now on set them again */
    }
    c->iov = (struct iovec){ c->buf, MIN(c->n * PART, c->bytes - c->from * PART) };
    c->req = (BlockReq){ .op = BLK_READ, .offset = c->from * PART, .length = c->iov.iov_len,
                         .iov = &c->iov, .n_iov = 1, .done = was_read };
    block_submit(c->src, &c->req);
}

static bool serve_held(Copy *c)
{
    const BlockReq *r = g_queue_peek_head(&c->held);

    if (!r || c->ending ||
        !next_piece(c, r->offset / PART, (r->offset + r->length - 1) / PART + 1)) {
        return false;
    }
    copy_piece(c);
    return true;
}

/* ---- what the guest writes ---- */

static bool before(BlockTap *tap, BlockReq *req)
{
    Copy *c = (Copy *)tap;

    if (!req->length || c->ending) {
        return false;
    }
    uint64_t p = req->offset / PART, end = (req->offset + req->length - 1) / PART;
    if (c->is_mirror) {
        set_parts(c, p, end - p + 1, true);
        return false;
    }
    for (; p <= end; p++) {
        if (is_todo(c, p)) {
            g_queue_push_tail(&c->held, req);
            if (!c->busy) {
                serve_held(c);
            }
            return true;
        }
    }
    return false;
}

/* What was read meanwhile may be older than it. */
static void after(BlockTap *tap, const BlockReq *req)
{
    Copy *c = (Copy *)tap;

    if (c->is_mirror && req->length && !c->ending) {
        before(tap, (BlockReq *)req);
        progress(c);
        soon(c, 0);
    }
}

/* ---- the job ---- */

static void untap(Copy *c)
{
    c->src->tap = NULL;
    c->ending = true;
    release(c);
}

/* The job is over; what the guest writes from now on is no more its concern. */
static void end(Copy *c, const char *error)
{
    untap(c);
    job_end(c->job, error);
}

/* Microseconds to wait, by the job's speed. */
static int64_t pace(Copy *c)
{
    const Job *j = c->job;
    int64_t    now = g_get_monotonic_time();

    if (j->speed != c->paced_speed || !j->speed) {
        c->paced_speed = j->speed;
        c->paced_us = now;
        c->paced_bytes = j->done;
    }
    return j->speed ? (int64_t)((double)(j->done - c->paced_bytes) * 1e6 / (double)j->speed) -
                          (now - c->paced_us)
                    : 0;
}

/* Nothing is under way and nothing is left. */
static void all_copied(Copy *c)
{
    if (!c->is_mirror) {
        end(c, NULL);
        return;
    }
    job_ready(c->job);
    if (c->completing && c->job->state < JOB_WAITING) {
        job_end(c->job, NULL);
    }
}

static void step(Copy *c)
{
    int64_t wait;

    if (c->busy) {
        return;
    }
    release(c);
    if (serve_held(c)) {
        return;
    }
    if (c->ending) {
        g_autofree char *error = g_steal_pointer(&c->job->error);
        if (c->job->state < JOB_WAITING) {
            end(c, error);
        }
        return;
    }
    if (block_is_draining(c->machine)) {
        soon(c, RETRY_US);
    } else if (job_paused(c->job)) {
        return;
    } else if (!c->n_todo) {
        all_copied(c);
    } else if ((wait = pace(c)) > 0) {
        soon(c, MIN(wait, 100000));
    } else if (next_piece(c, c->at, n_parts(c)) || next_piece(c, 0, n_parts(c))) {
        copy_piece(c);
    }
}

static gboolean soon_dispatch(GSource *source, GSourceFunc fn, gpointer arg)
{
    Copy    *c = ((Soon *)(void *)source)->copy;
    Machine *m = c->machine;

    machine_lock(m);
    g_source_set_ready_time(source, -1);
    step(c);
    machine_unlock(m);
    return G_SOURCE_CONTINUE;
}
static GSourceFuncs soon_funcs = { .dispatch = soon_dispatch };

/* The guest stands: we have the lock, and wait for what it has under way. */
static bool copy_rest(Copy *c)
{
    block_drain(c->machine);
    while (next_piece(c, 0, n_parts(c))) {
        uint64_t n = MIN(c->n * PART, c->bytes - c->from * PART);
        int      rc = block_do_now(c->src, BLK_READ, c->from * PART, c->buf, n);
        rc = rc ? rc : block_do_now(c->dst, BLK_WRITE, c->from * PART, c->buf, n);
        if (rc) {
            c->job->error = g_strdup(g_strerror(-rc));
            return false;
        }
        set_parts(c, c->from, c->n, false);
    }
    return true;
}

static bool copy_finish(Job *j, bool ok)
{
    Copy *c = j->data;

    if (ok && c->is_mirror) {
        ok = copy_rest(c);
    }
    if (c->src->tap == &c->tap) {
        untap(c);
    }
    block_drain(c->machine);
    if (ok) {
        ok = !block_do_now(c->dst, BLK_FLUSH, 0, NULL, 0);
    }
    if (ok && c->pivot) {
        BlockNode *old = c->src;
        drive_put(c->drive, c->dst);
        block_close(old);
    } else {
        block_close(c->dst);
        if (!c->drive) {
            block_close(c->src);
        }
    }
    g_source_destroy(c->soon);
    g_source_unref(c->soon);
    g_free(c->buf);
    g_free(c->todo);
    g_free(c);
    j->data = NULL;
    return ok;
}

static void copy_resume(Job *j)
{
    soon(j->data, 0);
}

static void copy_cancel(Job *j, bool force)
{
    Copy *c = j->data;

    if (j->cancelled) {
        c->ending = true;
    } else {                            /* a mirror that is ready stays what it is */
        c->completing = true;
        c->pivot = false;
    }
    soon(c, 0);
}

static bool copy_complete(Job *j, GError **err)
{
    Copy *c = j->data;

    if (!c->drive) {
        return fail(err, "Job '%s' cannot be completed: no device has its source", j->id);
    }
    c->completing = c->pivot = true;
    soon(c, 0);
    return true;
}

static const JobClass mirror_class = {
    .type = "mirror", .is_block = true, .resume = copy_resume, .complete = copy_complete,
    .cancel = copy_cancel, .finish = copy_finish,
};
static const JobClass backup_class = {
    .type = "backup", .is_block = true, .resume = copy_resume, .cancel = copy_cancel,
    .finish = copy_finish,
};

/* ---- starting one ---- */

static bool check(const CopyArgs *a, GError **err)
{
    if (a->sync > SYNC_TOP) {
        return fail(err, "sync=%s is not supported: there are full and top, which are the same "
                         "without backing files", copy_syncs[a->sync]);
    }
    return true;
}

/* Opens the source, which a drive has, or nobody. */
static bool find_source(Copy *c, const char *device, GError **err)
{
    bool readonly;

    c->drive = media_find(c->machine, device);
    if (c->drive) {
        c->src = c->drive->node;
        if (!c->src) {
            return fail(err, "Device '%.200s' has no medium", device);
        }
        return !c->src->tap || fail(err, "Node '%.200s' is busy: it is being copied", device);
    }
    c->src = node_use(c->machine, device, &readonly, err);
    return c->src != NULL;
}

static bool make_file(const char *name, uint64_t bytes, GError **err)
{
    int  fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && !ftruncate(fd, (off_t)bytes);

    if (!ok) {
        fail(err, "Could not create '%.200s': %s", name, g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool open_target(Copy *c, const CopyArgs *a, GError **err)
{
    BlockOpen how = { .file = a->target, .format = "raw" };
    bool      readonly = false;

    if (a->by_name) {
        c->dst = node_use(c->machine, a->target, &readonly, err);
    } else if (a->format && strcmp(a->format, "raw")) {
        return fail(err, "format=%.100s is not supported; there is raw", a->format);
    } else if (a->mode == COPY_NEW && !make_file(a->target, c->bytes, err)) {
        return false;
    } else {
        c->dst = block_open(c->machine, &how, err);
    }
    if (!c->dst) {
        return false;
    }
    if (readonly || c->dst->readonly) {
        return fail(err, "Target '%.200s' is read-only", a->target);
    }
    return c->dst->bytes == c->bytes ||
           fail(err, "Source and target image have different sizes");
}

static void drop(Copy *c)
{
    block_close(c->dst);
    if (c->src && !c->drive) {
        block_close(c->src);
    }
    g_free(c);
}

struct Job *copy_prepare(Machine *m, const CopyArgs *a, GError **err)
{
    Copy *c = g_new0(Copy, 1);
    bool  ok;

    c->machine = m;
    c->is_mirror = a->is_mirror;
    ok = check(a, err) && find_source(c, a->device, err);
    c->bytes = ok ? c->src->bytes : 0;
    ok = ok && open_target(c, a, err);
    c->job = ok ? job_new(m, a->is_mirror ? &mirror_class : &backup_class,
                          a->job_id ? a->job_id : a->device, c, err) : NULL;
    if (!c->job) {
        drop(c);
        return NULL;
    }
    c->job->auto_finalize = a->auto_finalize;
    c->job->auto_dismiss = a->auto_dismiss;
    c->job->speed = a->speed;
    c->tap = (BlockTap){ .before = before, .after = after };
    c->todo = g_malloc0(n_parts(c) / 8 + 1);
    c->buf = g_malloc(PIECE);
    c->soon = g_source_new(&soon_funcs, sizeof(Soon));
    ((Soon *)(void *)c->soon)->copy = c;
    g_source_attach(c->soon, m->context);
    g_source_set_ready_time(c->soon, -1);
    return c->job;
}

void copy_start(struct Job *j)
{
    Copy *c = j->data;

    set_parts(c, 0, n_parts(c), true);
    j->total = c->bytes;
    c->src->tap = &c->tap;
    job_run(j);
    soon(c, 0);
}
