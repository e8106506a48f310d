/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * contents.c -- savevm and loadvm over an image that is written to directly: all that is not zero
 * goes into the snapshot's file, and loading writes back what has changed since.
 *
 * Spec: core/snapfile.h, DiskOps.
 * Omits: sharing blocks between snapshots, or with the image where the host's file system could
 *   (reflinks).
 * Threads: with the machine lock, the machine stopped; the main context's sources run meanwhile.
 *
 * What an image holds has a name: a modification time that no clock gives by itself
 * (contents_name).  While it has it, nothing has been written; in this process raw.c knows besides
 * which parts were.  Loading first puts what it overwrites into a scratch file, so that it can go
 * back; IMAGE.restoring is there while the image is neither old nor new, for the case that the
 * process ends just then.
 */
#include "block/contents.h"
#include "core/newfile.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { STEP = RUN_MOST / SECTOR };

typedef struct Undo {
    /* sectors, and where in the scratch file; UINT64_MAX: zeros */
    uint64_t from, n, at;
} Undo;

struct Contents {
    Drive    *drive;
    int       fd, scratch;            /* the snapshot's; -1: not yet made */
    uint64_t  id, scratch_at;
    GArray   *runs;                   /* Run, ascending */
    GArray   *undo;
    uint8_t  *want, *have;            /* RUN_MOST each */
    bool      applied;
};

/* ---- shared with saved.c ---- */

typedef struct Wait {
    BlockReq req;
    int      result;
} Wait;

static void wait_done(BlockReq *req, int result)
{
    ((Wait *)req)->result = result;
}

int block_do_now(BlockNode *n, BlockOp op, uint64_t at, void *buf, uint64_t bytes)
{
    struct iovec iov = { buf, bytes };
    Wait w = { .req = { .op = op,
                        .offset = at,
                        .length = bytes,
                        .iov = &iov,
                        .n_iov = buf != NULL,
                        .done = wait_done } };

    block_submit(n, &w.req);
    block_drain(n->machine);
    return w.result;
}

bool block_is_zero(const uint8_t *p, size_t n)
{
    return !n || (!*p && !memcmp(p, p + 1, n - 1));
}

static bool write_all(int fd, const uint8_t *p, size_t n, uint64_t at)
{
    while (n) {
        ssize_t done = pwrite(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return true;
}

bool block_run_put(GVariantBuilder *runs, uint64_t from, uint64_t n, const uint8_t *buf, int fd,
                   uint64_t *at)
{
    bool zero = block_is_zero(buf, n * SECTOR);

    if (!zero && !write_all(fd, buf, n * SECTOR, *at)) {
        return false;
    }
    g_variant_builder_add(runs, "(tttu)", from, n, zero ? 0 : *at,
                          zero ? 0 : (guint32)crc32_z(0, buf, n * SECTOR));
    *at += zero ? 0 : n * SECTOR;
    return true;
}

bool block_run_get(GVariant *runs, gsize i, uint64_t disk_bytes, uint64_t file_bytes, Run *r)
{
    GVariant *v = g_variant_get_child_value(runs, i);

    g_variant_get(v, "(tttu)", &r->from, &r->n, &r->at, &r->crc);
    g_variant_unref(v);
    return r->n && r->n <= RUN_MOST / SECTOR && r->from <= disk_bytes / SECTOR &&
           r->n <= disk_bytes / SECTOR - r->from && r->at <= file_bytes &&
           r->n * SECTOR <= file_bytes - r->at;
}

bool block_run_read(const Run *r, int fd, uint8_t *buf)
{
    if (!r->at) {
        memset(buf, 0, r->n * SECTOR);
        return true;
    }
    return pread(fd, buf, r->n * SECTOR, (off_t)r->at) == (ssize_t)(r->n * SECTOR) &&
           (uint32_t)crc32_z(0, buf, r->n * SECTOR) == r->crc;
}

/* ---- names ---- */

static const BlockNode *bottom(const BlockNode *n)
{
    while (n->child || n->backing) {
        n = n->backing ? n->backing : n->child;
    }
    return n;
}

static uint64_t mtime_of(const struct stat *st)
{
    return S_ISREG(st->st_mode)
               ? (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec
               : 0;
}

void contents_identity(const BlockNode *n, uint64_t *file_bytes, uint64_t *mtime_ns)
{
    struct stat st = { 0 };
    bool        there = block_file_stat(bottom(n), &st);

    *file_bytes = there ? (uint64_t)st.st_size : 0;
    *mtime_ns = there ? mtime_of(&st) : 0;
}

static bool set_mtime(const BlockNode *n, uint64_t ns)
{
    struct timespec t[2] = {
        { .tv_nsec = UTIME_OMIT },
        { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) },
    };
    int             fd = block_file_fd(bottom(n));

    return fd >= 0 && !futimens(fd, t);
}

/* The clock that stamps writes has a grain of milliseconds: a time off that grain is no write's. */
void contents_name(BlockNode *n, uint64_t *file_bytes, uint64_t *id)
{
    uint64_t mtime, same = raw_same_as(n);

    contents_identity(n, file_bytes, id);
    if (same && (same == *id || !*id)) {        /* it still has the name that it got */
        *id = same;
        return;
    }
    if (*id && set_mtime(n, *id - *id % 1000000000 + 1 + g_random_int_range(0, 999999998))) {
        contents_identity(n, file_bytes, id);
    }
    mtime = *id;
    /* a device of the host's, which tells nothing: a name for this process alone */
    if (!mtime) {
        *id = (uint64_t)g_random_int() << 31 | g_random_int() | UINT64_C(1) << 62;
    }
}

/* ---- saving ---- */

/* Runs of parts that are not all zeros. */
static bool put_parts(GVariantBuilder *runs, uint64_t from, uint64_t n, const uint8_t *buf, int fd,
                      uint64_t *at)
{
    const uint64_t part = RAW_PART / SECTOR;
    bool           ok = true;

    for (uint64_t i = 0, to; ok && i < n; i = MAX(to, i + part)) {
        for (to = i; to < n && !block_is_zero(buf + to * SECTOR, MIN(part, n - to) * SECTOR);) {
            to = MIN(to + part, n);
        }
        ok = to == i || block_run_put(runs, from + i, to - i, buf + i * SECTOR, fd, at);
    }
    return ok;
}

bool contents_save(const Drive *d, GVariantBuilder *runs, int fd, uint64_t *at, GError **err)
{
    g_autofree uint8_t *buf = g_malloc(RUN_MOST);
    uint64_t            sectors = d->node->bytes / SECTOR, from = 0;
    int                 image = block_file_fd(bottom(d->node));

    while (from < sectors) {
        off_t    data = image < 0 ? -1 : lseek(image, (off_t)(from * SECTOR), SEEK_DATA);
        uint64_t n;
        if (data < 0 && errno == ENXIO && image >= 0) {
            break;                      /* a hole up to its end */
        }
        from = data < 0 ? from : MAX(from, (uint64_t)data / SECTOR / STEP * STEP);
        n = MIN(STEP, sectors - from);
        if (block_do_now(d->node, BLK_READ, from * SECTOR, buf, n * SECTOR)) {
            return fail(err, "snapshot: cannot read drive %s", d->id);
        }
        if (!put_parts(runs, from, n, buf, fd, at)) {
            return fail(err, "snapshot: cannot write what drive %s holds: is the disk full?",
                        d->id);
        }
        from += n;
    }
    return true;
}

/* ---- loading ---- */

static bool damaged(const Contents *c, GError **err)
{
    return fail(err, "snapshot: contents of drive %s are damaged", c->drive->id);
}

static bool keep_old(Contents *c, uint64_t from, uint64_t n, GError **err)
{
    Undo u = { from, n, c->scratch_at };

    if (block_is_zero(c->have, n * SECTOR)) {
        u.at = UINT64_MAX;
    } else if (!write_all(c->scratch, c->have, n * SECTOR, c->scratch_at)) {
        return fail(
            err,
            "snapshot: cannot put aside what drive %s holds: %s; set TMPDIR to a folder with room",
            c->drive->id, g_strerror(errno));
    } else {
        c->scratch_at += n * SECTOR;
    }
    g_array_append_val(c->undo, u);
    return true;
}

/* Sectors [from, from + n), at most RUN_MOST bytes, become want. */
static bool put_back(Contents *c, uint64_t from, uint64_t n, const uint8_t *want, GError **err)
{
    BlockNode *to = c->drive->node;
    int        rc = block_do_now(to, BLK_READ, from * SECTOR, c->have, n * SECTOR);

    if (!rc && !memcmp(c->have, want, n * SECTOR)) {
        return true;
    }
    if (!rc && !keep_old(c, from, n, err)) {
        return false;
    }
    if (!rc && block_is_zero(want, n * SECTOR)) {
        rc = block_do_now(to, BLK_ZERO, from * SECTOR, NULL, n * SECTOR);
    } else if (!rc) {
        rc = block_do_now(to, BLK_WRITE, from * SECTOR, (uint8_t *)want, n * SECTOR);
    }
    return !rc ||
           fail(err, "snapshot: cannot put drive %s back: %s", c->drive->id, g_strerror(-rc));
}

/*
 * Each part of [from, end) that is not what it was; r: the run that says what it was, NULL:
 * zeros.  dry: only check the run.
 */
static bool walk(Contents *c, uint64_t from, uint64_t end, const Run *r, bool dry, GError **err)
{
    bool     read = false;
    uint64_t n;

    while ((n = raw_next_change(c->drive->node, c->id, &from, end)) != 0) {
        n = MIN(n, STEP);
        if (r && !read && !(read = block_run_read(r, c->fd, c->want))) {
            return damaged(c, err);
        }
        if (r && dry) {
            return true;
        }
        if (!r && !dry) {
            memset(c->want, 0, n * SECTOR);
        }
        if (!dry && !put_back(c, from, n, r ? c->want + (from - r->from) * SECTOR : c->want, err)) {
            return false;
        }
        from += n;
    }
    return true;
}

static bool walk_all(Contents *c, bool dry, GError **err)
{
    uint64_t at = 0, file, mtime;

    contents_identity(c->drive->node, &file, &mtime);
    /* nobody has written since */
    if (mtime && mtime == c->id && !raw_has_id(c->drive->node, c->id)) {
        return true;
    }
    for (guint i = 0; i < c->runs->len; i++) {
        const Run *r = &g_array_index(c->runs, Run, i);
        if (!(dry || walk(c, at, r->from, NULL, dry, err)) ||
            !walk(c, r->from, r->from + r->n, r, dry, err)) {
            return false;
        }
        at = r->from + r->n;
    }
    return dry || walk(c, at, c->drive->node->bytes / SECTOR, NULL, dry, err);
}

Contents *contents_prepare(Drive *d, GVariant *runs, int fd, uint64_t file_bytes, uint64_t id,
                           GError **err)
{
    Contents *c = g_new0(Contents, 1);
    uint64_t  end = 0;
    bool      ok = true;

    *c = (Contents){ .drive = d, .fd = fd, .scratch = -1, .id = id };
    c->runs = g_array_new(FALSE, FALSE, sizeof(Run));
    c->undo = g_array_new(FALSE, FALSE, sizeof(Undo));
    c->want = g_malloc(RUN_MOST);
    c->have = g_malloc(RUN_MOST);
    for (gsize i = 0; ok && i < g_variant_n_children(runs); i++) {
        Run r;
        ok = (block_run_get(runs, i, d->node->bytes, file_bytes, &r) && r.from >= end) ||
             damaged(c, err);
        end = r.from + r.n;
        g_array_append_val(c->runs, r);
    }
    if (!ok || !walk_all(c, true, err)) {
        contents_finish(c, false);
        return NULL;
    }
    return c;
}

static char *marker(const char *image)
{
    return g_strconcat(image, ".restoring", NULL);
}

static bool mark(const Contents *c, GError **err)
{
    g_autofree char *path = marker(c->drive->node->name);
    int              fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || fsync(fd)) {
        fail(err, "snapshot: cannot make %s: %s", path, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    close(fd);
    return true;
}

bool contents_apply(Contents *c, GError **err)
{
    block_drain(c->drive->node->machine);       /* what a reset has flushed */
    c->scratch = scratch_open("snapshot", NULL, err);
    c->applied = c->scratch >= 0 && mark(c, err);
    return c->applied && walk_all(c, false, err);
}

static bool undo_one(Contents *c, const Undo *u)
{
    size_t n = u->n * SECTOR;

    if (u->at == UINT64_MAX) {
        return !block_do_now(c->drive->node, BLK_ZERO, u->from * SECTOR, NULL, n);
    }
    return pread(c->scratch, c->have, n, (off_t)u->at) == (ssize_t)n &&
           !block_do_now(c->drive->node, BLK_WRITE, u->from * SECTOR, c->have, n);
}

void contents_finish(Contents *c, bool keep)
{
    g_autofree char *path = NULL;
    bool             whole = true;

    if (!c) {
        return;
    }
    for (guint i = c->undo->len; c->applied && !keep && i-- > 0;) {
        whole = undo_one(c, &g_array_index(c->undo, Undo, i)) && whole;
    }
    if (c->applied && !block_do_now(c->drive->node, BLK_FLUSH, 0, NULL, 0) && whole) {
        path = marker(c->drive->node->name);
        unlink(path);
    } else if (c->applied) {
        g_critical("snapshot: drive %s: %s is neither as it was nor as it was saved", c->drive->id,
                   c->drive->node->name);
    }
    if (c->applied && keep) {
        raw_set_id(c->drive->node, c->id);
        if (c->id >> 62 == 0) {
            set_mtime(c->drive->node, c->id);
        }
    }
    if (c->scratch >= 0) {
        close(c->scratch);
    }
    g_array_unref(c->runs);
    g_array_unref(c->undo);
    g_free(c->want);
    g_free(c->have);
    g_free(c);
}

bool contents_whole(const char *image, bool loading, GError **err)
{
    g_autofree char *path = marker(image);

    return loading || access(path, F_OK) ||
           fail(err,
                "drive file %s: the program ended while loadvm was putting its contents back; "
                "start with -loadvm and "
                "that snapshot, or put a copy in its place and remove %s",
                image, path);
}
