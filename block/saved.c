/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * saved.c -- disks in a snapshot: which images it belongs to, what -snapshot's overlays hold, and,
 * for savevm, the contents of images that are written to directly (contents.c).
 *
 * Spec: core/snapfile.h, DiskOps.
 * Omits: a block device of the host that is written to directly has no time of change: after
 *   migrate nobody notices one.
 * Threads: with the machine lock, the machine stopped; the main context's sources run meanwhile.
 */
#include "block/contents.h"
#include "core/snapfile.h"
#include <string.h>

/*
 * IMAGE: it is to be found as it was left, by its time; CONTENTS: all of it is here; OVERLAY: what
 * was written over it is.
 */
typedef enum { SAVED_EMPTY, SAVED_IMAGE, SAVED_OVERLAY, SAVED_CONTENTS } SavedKind;

typedef struct PreparedDrive {
    BlockNode *overlay;               /* that takes the drive's place, or NULL */
    Contents  *contents;              /* that go back into the image, or NULL */
    /* the name of what the image holds; 0: it is read only, or not written to */
    uint64_t   id;
} PreparedDrive;

typedef struct Prepared {
    guint         n;
    PreparedDrive drive[];
} Prepared;

/* ---- kinds ---- */

static bool is_overlay(const BlockNode *n)
{
    return n && !strcmp(n->drv->name, "overlay");
}

static bool is_direct(const BlockNode *n)     /* the guest's writes go to the image */
{
    return n && !n->readonly && block_is_raw(n);
}

/* ---- saving ---- */

static bool save_overlay(const Drive *d, GVariantBuilder *runs, int fd, uint64_t *at, GError **err)
{
    g_autofree uint8_t *buf = g_malloc(RUN_MOST);
    uint64_t            from = 0, n;

    while ((n = overlay_next(d->node, &from, RUN_MOST / SECTOR)) != 0) {
        if (block_do_now(d->node->child, BLK_READ, from * SECTOR, buf, n * SECTOR)) {
            return fail(err, "snapshot: cannot read what drive %s has written", d->id);
        }
        if (!block_run_put(runs, from, n, buf, fd, at)) {
            return fail(err, "snapshot: cannot write what drive %s holds: is the disk full?",
                        d->id);
        }
        from += n;
    }
    return true;
}

static bool save_image(const Drive *d, bool contents, GVariantBuilder *runs, uint64_t *bytes,
                       uint64_t *id, int fd, uint64_t *at, GError **err)
{
    if (block_do_now(d->node, BLK_FLUSH, 0, NULL, 0)) {
        return fail(err, "snapshot: drive %s: cannot flush %s", d->id, d->node->name);
    }
    contents_name(d->node, bytes, id);
    if (contents && !contents_save(d, runs, fd, at, err)) {
        return false;
    }
    raw_set_id(d->node, *id);
    return true;
}

static bool save_drive(const Drive *d, bool to_return, GVariantBuilder *all, int fd, uint64_t *at,
                       GError **err)
{
    SavedKind       kind = !d->node ? SAVED_EMPTY : is_overlay(d->node) ? SAVED_OVERLAY :
                           to_return && is_direct(d->node) ? SAVED_CONTENTS : SAVED_IMAGE;
    uint64_t        bytes = 0, mtime = 0;
    GVariantBuilder runs;
    bool            ok = true;

    g_variant_builder_init(&runs, G_VARIANT_TYPE("a(tttu)"));
    if (is_direct(d->node)) {
        ok = save_image(d, kind == SAVED_CONTENTS, &runs, &bytes, &mtime, fd, at, err);
    } else if (d->node) {
        contents_identity(d->node, &bytes, &mtime);
        ok = kind != SAVED_OVERLAY || save_overlay(d, &runs, fd, at, err);
    }
    if (!ok) {
        g_variant_builder_clear(&runs);
        return false;
    }
    g_variant_builder_add(all, "(syttxa(tttu))", d->id, kind, d->node ? d->node->bytes : 0, bytes,
                          (gint64)mtime, &runs);
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

static void disks_finish(Machine *m, void *prepared, bool take);

static void fresh_free(BlockNode *n)
{
    if (n) {
        n->backing = NULL;              /* lent */
        block_close(n);
    }
}

static bool load_run(BlockNode *to, GVariant *runs, gsize i, int fd, uint64_t file_bytes,
                     uint8_t *buf)
{
    Run r;

    return block_run_get(runs, i, to->bytes, file_bytes, &r) && block_run_read(&r, fd, buf) &&
           !block_do_now(to, r.at ? BLK_WRITE : BLK_ZERO, r.from * SECTOR, r.at ? buf : NULL,
                         r.n * SECTOR);
}

static BlockNode *load_overlay(Drive *d, bool all, GVariant *runs, int fd, uint64_t file_bytes,
                               GError **err)
{
    BlockOpen           how = { .file = d->node->name };
    g_autofree uint8_t *buf = g_malloc(RUN_MOST);
    BlockNode          *n = block_node_new(d->node->machine, "overlay", d->node->name, &how, err);
    bool                ok;

    n->backing = d->node->backing;
    n->bytes = d->node->bytes;
    ok = overlay_start(n, err);
    if (ok && all) {
        overlay_hold_all(n);
    }
    for (gsize i = 0; ok && i < g_variant_n_children(runs); i++) {
        ok = load_run(n, runs, i, fd, file_bytes, buf) ||
             fail(err, "snapshot: contents of drive %s are damaged", d->id);
    }
    if (!ok) {
        fresh_free(n);
        return NULL;
    }
    return n;
}

static bool check_drive(const Drive *d, const char *id, unsigned kind, uint64_t bytes,
                        uint64_t file_bytes, uint64_t mtime, GError **err)
{
    uint64_t now_bytes = 0, now_mtime = 0;

    if (d->node && d->node->tap) {
        return fail(err, "snapshot: drive %s is being copied; end that job first", d->id);
    }
    if (strcmp(id, d->id)) {
        return fail(err,
                    "snapshot: it has a drive %.80s where this machine has %s; start with the "
                    "options it was saved with",
                    id, d->id);
    }
    if (kind > SAVED_CONTENTS || (kind == SAVED_EMPTY) != !d->node) {
        return fail(err, "snapshot: drive %s %s a medium when it was saved", d->id,
                    d->node ? "did not have" : "had");
    }
    if (kind == SAVED_OVERLAY && !is_overlay(d->node)) {
        return fail(err, "snapshot: drive %s was saved with snapshot=on; start it so", d->id);
    }
    if (kind == SAVED_CONTENTS && !is_overlay(d->node) && !is_direct(d->node)) {
        return fail(err,
                    "snapshot: drive %s was saved with its contents, and %s cannot be written to",
                    d->id, d->node->name);
    }
    if (!d->node) {
        return true;
    }
    contents_identity(d->node, &now_bytes, &now_mtime);
    if (bytes != d->node->bytes || now_bytes != file_bytes) {
        return fail(err, "snapshot: drive %s: %s is another image, of another size", d->id,
                    d->node->name);
    }
    if (kind != SAVED_CONTENTS &&
        ((now_mtime && now_mtime != mtime) ||
         (is_direct(d->node) && raw_has_id(d->node, mtime) && !raw_same_as(d->node)))) {
        return fail(
            err,
            "snapshot: drive %s: %s has changed since; its contents no longer belong to this state",
            d->id, d->node->name);
    }
    return true;
}

static bool prepare_drive(Drive *d, PreparedDrive *p, GVariant *one, int fd, uint64_t file_bytes,
                          GError **err)
{
    GVariant   *runs;
    const char *id;
    guchar      kind;
    uint64_t    bytes, image_bytes;
    gint64      mtime;
    bool        ok;

    g_variant_get(one, "(&syttx@a(tttu))", &id, &kind, &bytes, &image_bytes, &mtime, &runs);
    ok = check_drive(d, id, kind, bytes, image_bytes, (uint64_t)mtime, err);
    if (ok && is_overlay(d->node)) {
        p->overlay = load_overlay(d, kind == SAVED_CONTENTS, runs, fd, file_bytes, err);
        ok = p->overlay != NULL;
    } else if (ok && kind == SAVED_CONTENTS) {
        p->contents = contents_prepare(d, runs, fd, file_bytes, (uint64_t)mtime, err);
        ok = p->contents != NULL;
    } else if (is_direct(d->node)) {
        p->id = (uint64_t)mtime;
    }
    g_variant_unref(runs);
    return ok;
}

static void *disks_prepare(Machine *m, GVariant *saved, int fd, uint64_t file_bytes, GError **err)
{
    guint     n = m->drives->len;
    Prepared *p = g_malloc0(sizeof(Prepared) + n * sizeof(PreparedDrive));
    bool ok =
        g_variant_n_children(saved) == n ||
        fail(err,
             "snapshot: it was saved with other disks; start with the options it was saved with");

    p->n = n;
    for (guint i = 0; ok && i < n; i++) {
        GVariant *one = g_variant_get_child_value(saved, i);
        ok = prepare_drive(m->drives->pdata[i], &p->drive[i], one, fd, file_bytes, err);
        g_variant_unref(one);
    }
    if (!ok) {
        disks_finish(m, p, false);
        return NULL;
    }
    return p;
}

static bool disks_apply(Machine *m, void *prepared, GError **err)
{
    Prepared *p = prepared;

    for (guint i = 0; i < p->n; i++) {
        if (p->drive[i].contents && !contents_apply(p->drive[i].contents, err)) {
            return false;
        }
    }
    return true;
}

/* Whoever holds the drive's node keeps it: what is below changes places. */
static void swap_overlays(BlockNode *a, BlockNode *b)
{
    BlockNode *child = a->child;
    void      *state = a->state;

    a->child = b->child;
    a->state = b->state;
    b->child = child;
    b->state = state;
}

static void disks_finish(Machine *m, void *prepared, bool take)
{
    Prepared *p = prepared;

    for (guint i = 0; i < p->n; i++) {
        BlockNode *node = ((Drive *)m->drives->pdata[i])->node;
        if (take && p->drive[i].overlay) {
            swap_overlays(node, p->drive[i].overlay);
        } else if (take && p->drive[i].id && is_direct(node)) {
            raw_set_id(node, p->drive[i].id);
        }
        fresh_free(p->drive[i].overlay);
        contents_finish(p->drive[i].contents, take);
    }
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

const DiskOps block_disk_ops = {
    .save = disks_save,
    .prepare = disks_prepare,
    .apply = disks_apply,
    .finish = disks_finish,
    .folder = disks_folder,
};
