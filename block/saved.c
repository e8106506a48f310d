/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * saved.c -- disks in a snapshot: which images it belongs to, and what -snapshot's overlays hold.
 *
 * Spec: core/snapfile.h, DiskOps.
 * Omits: an image that is written to directly cannot be brought back: savevm refuses it (migrate does not: the image itself
 *        goes along, and must be found as it was left).
 * Threads: with the machine lock, the machine stopped; the main context's sources run meanwhile.
 */
#include "block/drive.h"
#include "core/snapfile.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { RUN_MOST = 1 << 20, SECTOR = 512 };
typedef enum { SAVED_EMPTY, SAVED_IMAGE, SAVED_OVERLAY } SavedKind;

typedef struct Prepared {
    GPtrArray *fresh;                 /* BlockNode: an overlay for each drive, or NULL */
} Prepared;

/* ---- requests that are waited for ---- */

typedef struct Wait {
    BlockReq req;
    int      result;
} Wait;

static void wait_done(BlockReq *req, int result)
{
    ((Wait *)req)->result = result;
}

static int do_now(BlockNode *n, BlockOp op, uint64_t at, void *buf, uint64_t bytes)
{
    struct iovec iov = { buf, bytes };
    Wait         w = { .req = { .op = op, .offset = at, .length = bytes, .iov = &iov, .n_iov = bytes != 0, .done = wait_done } };

    block_submit(n, &w.req);
    block_drain(n->machine);
    return w.result;
}

/* ---- identity ---- */

static bool is_overlay(const BlockNode *n)
{
    return n && !strcmp(n->drv->name, "overlay");
}

static void identity(const BlockNode *n, uint64_t *bytes, uint64_t *mtime_ns)
{
    struct stat st = { 0 };

    while (n->child || n->backing) {
        n = n->backing ? n->backing : n->child;
    }
    if (block_file_stat(n, &st)) {
        *bytes = (uint64_t)st.st_size;
        *mtime_ns = S_ISREG(st.st_mode) ? (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec : 0;
    } else {
        *bytes = *mtime_ns = 0;
    }
}

/* ---- saving ---- */

static bool write_all(int fd, const uint8_t *p, size_t n, uint64_t at)
{
    while (n) {
        ssize_t done = pwrite(fd, p, n, (off_t)at);
        if (done <= 0) {
            return false;
        }
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return true;
}

static bool save_overlay(const Drive *d, GVariantBuilder *runs, int fd, uint64_t *at, GError **err)
{
    g_autofree uint8_t *buf = g_malloc(RUN_MOST);
    uint64_t            from = 0, n;

    while ((n = overlay_next(d->node, &from, RUN_MOST / SECTOR)) != 0) {
        if (do_now(d->node->child, BLK_READ, from * SECTOR, buf, n * SECTOR)) {
            return fail(err, "snapshot: cannot read what drive %s has written", d->id);
        }
        if (!write_all(fd, buf, n * SECTOR, *at)) {
            return fail(err, "snapshot: cannot write what drive %s holds: is the disk full?", d->id);
        }
        g_variant_builder_add(runs, "(tttu)", from, n, *at, (guint32)crc32_z(0, buf, n * SECTOR));
        *at += n * SECTOR;
        from += n;
    }
    return true;
}

static bool save_drive(const Drive *d, bool to_return, GVariantBuilder *all, int fd, uint64_t *at, GError **err)
{
    bool             overlay = is_overlay(d->node);
    uint64_t         bytes = 0, mtime = 0;
    GVariantBuilder  runs;
    bool             ok = true;

    if (to_return && d->node && !overlay && !d->node->readonly) {
        return fail(err, "savevm: drive %s writes to %s itself, whose contents loadvm could not bring back; start with -snapshot, "
                         "or give the drive snapshot=on", d->id, d->node->name);
    }
    g_variant_builder_init(&runs, G_VARIANT_TYPE("a(tttu)"));
    if (d->node) {
        if (!overlay && !d->node->readonly && do_now(d->node, BLK_FLUSH, 0, NULL, 0)) {
            ok = fail(err, "snapshot: drive %s: cannot flush %s", d->id, d->node->name);
        }
        identity(d->node, &bytes, &mtime);
        ok = ok && (!overlay || save_overlay(d, &runs, fd, at, err));
    }
    if (!ok) {
        g_variant_builder_clear(&runs);
        return false;
    }
    g_variant_builder_add(all, "(syttxa(tttu))", d->id, !d->node ? SAVED_EMPTY : overlay ? SAVED_OVERLAY : SAVED_IMAGE,
                          d->node ? d->node->bytes : 0, bytes, (gint64)mtime, &runs);
    return true;
}

static GVariant *disks_save(Machine *m, bool to_return, int fd, uint64_t *at, GError **err)
{
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE(SNAP_DISKS_TYPE));
    for (guint i = 0; i < m->drives->len; i++) {
        if (!save_drive(m->drives->pdata[i], to_return, &all, fd, at, err)) {
            g_variant_builder_clear(&all);
            return NULL;
        }
    }
    return g_variant_ref_sink(g_variant_builder_end(&all));
}

/* ---- loading ---- */

static void fresh_free(void *node)
{
    BlockNode *n = node;

    if (n) {
        n->backing = NULL;              /* lent */
        block_close(n);
    }
}

static bool load_run(BlockNode *to, GVariant *run, int fd, uint64_t file_bytes, uint8_t *buf)
{
    uint64_t from, n, at;
    guint32  crc;

    g_variant_get(run, "(tttu)", &from, &n, &at, &crc);
    if (!n || n > RUN_MOST / SECTOR || from > to->bytes / SECTOR || n > to->bytes / SECTOR - from || at > file_bytes ||
        n * SECTOR > file_bytes - at) {
        return false;
    }
    return pread(fd, buf, n * SECTOR, (off_t)at) == (ssize_t)(n * SECTOR) && (guint32)crc32_z(0, buf, n * SECTOR) == crc &&
           !do_now(to, BLK_WRITE, from * SECTOR, buf, n * SECTOR);
}

static BlockNode *load_overlay(Drive *d, GVariant *runs, int fd, uint64_t file_bytes, GError **err)
{
    BlockOpen           how = { .file = d->node->name };
    g_autofree uint8_t *buf = g_malloc(RUN_MOST);
    BlockNode          *n = block_node_new(d->node->machine, "overlay", d->node->name, &how, err);
    bool                ok;

    n->backing = d->node->backing;
    n->bytes = d->node->bytes;
    ok = overlay_start(n, err);
    for (gsize i = 0; ok && i < g_variant_n_children(runs); i++) {
        GVariant *run = g_variant_get_child_value(runs, i);
        ok = load_run(n, run, fd, file_bytes, buf) || fail(err, "snapshot: contents of drive %s are damaged", d->id);
        g_variant_unref(run);
    }
    if (!ok) {
        fresh_free(n);
        return NULL;
    }
    return n;
}

static bool check_drive(const Drive *d, const char *id, unsigned kind, uint64_t bytes, uint64_t file_bytes, uint64_t mtime, GError **err)
{
    uint64_t now_bytes = 0, now_mtime = 0;

    if (strcmp(id, d->id)) {
        return fail(err, "snapshot: it has a drive %.80s where this machine has %s; start with the options it was saved with", id, d->id);
    }
    if (kind > SAVED_OVERLAY || (kind == SAVED_EMPTY) != !d->node) {
        return fail(err, "snapshot: drive %s %s a medium when it was saved", d->id, d->node ? "did not have" : "had");
    }
    if (kind == SAVED_OVERLAY && !is_overlay(d->node)) {
        return fail(err, "snapshot: drive %s was saved with snapshot=on; start it so", d->id);
    }
    if (!d->node) {
        return true;
    }
    identity(d->node, &now_bytes, &now_mtime);
    if (bytes != d->node->bytes || now_bytes != file_bytes) {
        return fail(err, "snapshot: drive %s: %s is another image, of another size", d->id, d->node->name);
    }
    if (now_mtime != mtime) {
        return fail(err, "snapshot: drive %s: %s has changed since; its contents no longer belong to this state", d->id, d->node->name);
    }
    return true;
}

static void *disks_prepare(Machine *m, GVariant *saved, int fd, uint64_t file_bytes, GError **err)
{
    Prepared *p = g_new0(Prepared, 1);
    bool      ok = g_variant_n_children(saved) == m->drives->len ||
                   fail(err, "snapshot: it was saved with other disks; start with the options it was saved with");

    p->fresh = g_ptr_array_new_with_free_func(fresh_free);
    for (guint i = 0; ok && i < m->drives->len; i++) {
        Drive       *d = m->drives->pdata[i];
        GVariant    *one = g_variant_get_child_value(saved, i), *runs;
        const char  *id;
        guchar       kind;
        uint64_t     bytes, image_bytes;
        gint64       mtime;
        BlockNode   *fresh = NULL;

        g_variant_get(one, "(&syttx@a(tttu))", &id, &kind, &bytes, &image_bytes, &mtime, &runs);
        ok = check_drive(d, id, kind, bytes, image_bytes, (uint64_t)mtime, err);
        if (ok && is_overlay(d->node)) {
            fresh = load_overlay(d, runs, fd, file_bytes, err);
            ok = fresh != NULL;
        }
        g_ptr_array_add(p->fresh, fresh);
        g_variant_unref(runs);
        g_variant_unref(one);
    }
    if (!ok) {
        g_ptr_array_unref(p->fresh);
        g_free(p);
        return NULL;
    }
    return p;
}

/* Whoever holds the drive's node keeps it: contents change places. */
static void disks_finish(Machine *m, void *prepared, bool take)
{
    Prepared *p = prepared;

    for (guint i = 0; take && i < p->fresh->len; i++) {
        BlockNode *new = p->fresh->pdata[i], *old = ((Drive *)m->drives->pdata[i])->node;
        if (new) {
            BlockNode *child = old->child;
            void      *state = old->state;
            old->child = new->child;
            old->state = new->state;
            new->child = child;
            new->state = state;
        }
    }
    g_ptr_array_unref(p->fresh);
    g_free(p);
}

static char *disks_folder(Machine *m)
{
    for (int want_writable = 1; want_writable >= 0; want_writable--) {
        for (guint i = 0; i < m->drives->len; i++) {
            const Drive *d = m->drives->pdata[i];
            if (d->node && !d->is_cdrom && (!want_writable || !d->node->readonly)) {
                return g_strconcat(d->node->name, ".snapshots", NULL);
            }
        }
    }
    return NULL;
}

const DiskOps block_disk_ops = { .save = disks_save, .prepare = disks_prepare, .finish = disks_finish, .folder = disks_folder };
