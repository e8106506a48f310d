/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * overlay.c -- -snapshot: writes go to a scratch file, which has no name and is gone with the
 * process; one bit a sector says where a sector's newest contents are.
 *
 * Spec: none.
 * Omits: giving space back (discard does nothing).
 * Threads: with the machine lock.
 */
#include "block/block.h"
#include "core/newfile.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512 };

typedef struct Overlay {
    /* one bit a sector; the host gives pages of it as they are touched */
    uint8_t *written;
    uint64_t sectors;
} Overlay;

typedef struct Split {                /* a guest's request while its parts are under way */
    BlockReq *req;
    BlockNode *node;
    unsigned  open;                   /* parts, and one while they are still being made */
    int       result;
} Split;

typedef struct Part {
    BlockReq      req;
    Split        *split;
    struct iovec *iov;
} Part;

static bool is_written(const Overlay *o, uint64_t sector)
{
    return o->written[sector / 8] >> (sector % 8) & 1;
}

static void mark_written(Overlay *o, uint64_t from, uint64_t n)
{
    for (; n; from++, n--) {
        o->written[from / 8] |= (uint8_t)(1 << (from % 8));
    }
}

static void split_end(Split *s)
{
    if (--s->open) {
        return;
    }
    BlockReq *r = s->req;
    if (!s->result && (r->op == BLK_WRITE || r->op == BLK_ZERO)) {
        mark_written(s->node->state, r->offset / SECTOR, r->length / SECTOR);
    }
    r->node = s->node;
    block_finish(r, s->result);
    g_free(s);
}

static void part_done(BlockReq *req, int result)
{
    Part *p = (Part *)req;
    if (result && !p->split->result) {
        p->split->result = result;
    }
    split_end(p->split);
    g_free(p->iov);
    g_free(p);
}

/* The piece [skip, skip + n) of a vector. */
static struct iovec *slice(const struct iovec *iov, unsigned count, uint64_t skip, uint64_t n,
                           unsigned *n_out)
{
    struct iovec *out = g_new(struct iovec, MAX(count, 1));
    unsigned k = 0;
    for (unsigned i = 0; i < count && n; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        size_t take = (size_t)MIN(iov[i].iov_len - skip, n);
        out[k++] = (struct iovec){ (uint8_t *)iov[i].iov_base + skip, take };
        skip = 0;
        n -= take;
    }
    *n_out = k;
    return out;
}

static void add_part(Split *s, BlockNode *to, uint64_t offset, uint64_t n)
{
    Part *p = g_new0(Part, 1);
    const BlockReq *r = s->req;
    p->split = s;
    p->req = (BlockReq){ .op = r->op, .offset = offset, .length = n, .done = part_done };
    p->iov = slice(r->iov, r->n_iov, offset - r->offset, n, &p->req.n_iov);
    p->req.iov = p->iov;
    s->open++;
    block_submit(to, &p->req);
}

static void overlay_submit(BlockNode *n, BlockReq *req)
{
    Overlay *o = n->state;
    uint64_t at = req->offset / SECTOR, end = at + req->length / SECTOR;
    req->node = n;
    if (req->op == BLK_FLUSH || req->op == BLK_DISCARD || !o->written) {
        block_finish(req, req->op == BLK_FLUSH || req->op == BLK_DISCARD ? 0 : -ENOMEM);
        return;
    }
    Split *s = g_new(Split, 1);
    *s = (Split){ .req = req, .node = n, .open = 1 };
    if (req->op != BLK_READ) {
        add_part(s, n->child, req->offset, req->length);
        at = end;
    }
    while (at < end) {
        bool here = is_written(o, at);
        uint64_t to = at + 1;
        while (to < end && is_written(o, to) == here) {
            to++;
        }
        add_part(s, here ? n->child : n->backing, at * SECTOR, (to - at) * SECTOR);
        at = to;
    }
    split_end(s);
}

bool overlay_start(BlockNode *n, GError **err)
{
    Overlay *o = n->state;
    g_autofree char *path = NULL;
    int fd = scratch_open("snapshot", &path, err);
    if (fd < 0) {
        return false;
    }
    close(fd);
    if (truncate(path, (off_t)n->backing->bytes)) {
        fail(err,
             "snapshot: the scratch file %s cannot be as large as %s: %s; set TMPDIR to another "
             "folder",
             path, n->name, g_strerror(errno));
        unlink(path);
        return false;
    }
    n->child = block_node_new(n->machine, "file", path,
                              &(BlockOpen){ .file = path, .cache = BLK_CACHE_UNSAFE }, err);
    unlink(path);
    o->sectors = n->bytes / SECTOR;
    o->written = g_try_malloc0(o->sectors / 8 + 1);
    return n->child && (o->written || fail(err, "snapshot: out of memory for %s", n->name));
}

uint64_t overlay_next(const BlockNode *n, uint64_t *from, uint64_t most)
{
    const Overlay *o = n->state;
    uint64_t       at = *from, end;

    while (at < o->sectors && !is_written(o, at)) {
        at += at % 8 == 0 && !o->written[at / 8] ? 8 : 1;
    }
    for (end = at; end < o->sectors && end - at < most && is_written(o, end);) {
        end++;
    }
    *from = at;
    return at < o->sectors ? end - at : 0;
}

void overlay_hold_all(BlockNode *n)
{
    Overlay *o = n->state;

    memset(o->written, 0xff, o->sectors / 8 + 1);
}

static void overlay_close(BlockNode *n)
{
    g_free(((Overlay *)n->state)->written);
}

const BlockDriver overlay_driver = {
    .name = "overlay",
    .desc = "scratch copy of what is written",
    .spec = "none",
    .size = sizeof(Overlay),
    .submit = overlay_submit,
    .close = overlay_close,
};
