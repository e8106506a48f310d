/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * media.c -- what the monitor asks of drives: which there are, and another medium in one of them.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "block": members of query-block,
 *   DEVICE_TRAY_MOVED.
 * Omits: backing chains in the answer.
 * Threads: the main context with the machine lock.
 */
#include "block/copy.h"
#include "block/drive.h"
#include "core/commands.h"
#include "core/trace.h"

void media_say_node(GVariantBuilder *b, const char *file, const char *driver, uint64_t bytes,
                    bool ro, bool direct, bool no_flush)
{
    GVariantBuilder img, cache;

    object_start(&img);
    say(&img, "filename", file);
    say(&img, "format", driver);
    say_int(&img, "virtual-size", (int64_t)bytes);
    object_start(&cache);
    say_bool(&cache, "writeback", true);
    say_bool(&cache, "direct", direct);
    say_bool(&cache, "no-flush", no_flush);
    say(b, "file", file);
    say_bool(b, "ro", ro);
    say(b, "drv", driver);
    say_bool(b, "encrypted", false);
    say_int(b, "backing_file_depth", 0);
    say_value(b, "image", g_variant_builder_end(&img));
    say_value(b, "cache", g_variant_builder_end(&cache));
}

/* The member "inserted". */
static GVariant *image(const BlockNode *n)
{
    GVariantBuilder b;

    object_start(&b);
    if (node_name(n)) {
        say(&b, "node-name", node_name(n));
    }
    media_say_node(&b, n->name ? n->name : "", n->drv->name, n->bytes, n->readonly, false, false);
    return g_variant_builder_end(&b);
}

static GVariant *query(Machine *m)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (guint i = 0; m->drives && i < m->drives->len; i++) {
        const Drive *d = m->drives->pdata[i];
        object_start(&one);
        drive_say_names(&one, d);
        say(&one, "type", "unknown");
        say_bool(&one, "removable", d->on_change != NULL);
        say_bool(&one, "locked", d->locked);
        if (d->on_change) {
            say_bool(&one, "tray_open", d->tray_open);
        }
        if (d->node) {
            say_value(&one, "inserted", image(d->node));
        }
        list_object(&list, &one);
    }
    return g_variant_builder_end(&list);
}

static Drive *find(Machine *m, const char *name, GError **err)
{
    Drive *d = drive_find(m, name);

    for (guint i = 0; !d && m->drives && i < m->drives->len; i++) {
        Drive        *of = m->drives->pdata[i];
        const Device *dev = of->user;
        if (dev && (!g_strcmp0(dev->id, name) || !strcmp(dev->path, name))) {
            d = of;
        }
    }
    if (!d) {
        fail_not_found(err, "Device '%.200s' not found", name);
    }
    return d;
}

void drive_tray(Drive *d, Machine *m, bool open)
{
    const Device   *dev = d->user;
    GVariantBuilder b;

    if (d->tray_open == open) {
        return;
    }
    d->tray_open = open;
    object_start(&b);
    say(&b, "device", d->anonymous ? "" : d->id);
    say(&b, "id", dev ? dev->id ? dev->id : dev->path : "");
    say_bool(&b, "tray-open", open);
    machine_event(m, "DEVICE_TRAY_MOVED", g_variant_builder_end(&b));
}

static void tell(Drive *d)
{
    d->changed = true;
    d->on_change(d->user);
}

static bool change(Machine *m, const MediumChange *c, GError **err)
{
    Drive     *d = find(m, c->device, err);
    BlockNode *new = NULL;

    if (!d) {
        return false;
    }
    if (!d->on_change) {
        return fail(err, "Device '%s' is not removable", d->id);
    }
    if (d->node && d->node->tap && (c->what & MEDIUM_REMOVE)) {
        return fail(err, "Device '%s' is busy: its medium is being copied", d->id);
    }
    if (!(c->what & MEDIUM_OPEN) && (c->what & (MEDIUM_REMOVE | MEDIUM_INSERT)) && !d->tray_open) {
        return fail(err, "Tray of device '%s' is not open", c->device);
    }
    if ((c->what & MEDIUM_OPEN) && d->locked && !c->force) {
        return fail(
            err, "Device '%s' is locked by the guest; force=true takes the medium out all the same",
            d->id);
    }
    if (c->what & MEDIUM_INSERT) {
        bool      ro = d->is_cdrom || c->read_only == 1 || (c->read_only == 0 && d->readonly);
        BlockOpen how = { .file = c->file, .format = c->format, .readonly = ro };
        if (!(c->what & MEDIUM_REMOVE) && d->node) {
            return fail(err, "There already is a medium in device '%s'", c->device);
        }
        if (!(new = c->node ? node_use(m, c->node, &ro, err) : block_open(m, &how, err))) {
            return false;
        }
        d->readonly = ro;
    }
    trace_block_medium(d->id, c->node ? c->node : c->what & MEDIUM_INSERT ? c->file : "");
    if (c->what & MEDIUM_OPEN) {
        drive_tray(d, m, true);
    }
    if (c->what & MEDIUM_REMOVE) {
        BlockNode *old = d->node;
        block_drain(m);               /* requests of the guest's that use it */
        drive_put(d, NULL);
        tell(d);
        block_close(old);
    }
    if (new) {
        drive_put(d, new);
    }
    if (c->what & MEDIUM_CLOSE) {
        drive_tray(d, m, false);
    }
    tell(d);
    return true;
}

/* By a node's name, or by that of a drive or its device. */
Drive *media_find(Machine *m, const char *name)
{
    Drive *d = NULL;

    return node_find(m, name, &d) ? d : find(m, name, NULL);
}

static bool resize(Machine *m, const char *device, const char *node, uint64_t bytes, GError **err)
{
    Drive *d = NULL;

    if (node) {
        if (!node_find(m, node, &d)) {
            return fail(err, "Cannot find device='' nor node-name='%.200s'", node);
        }
        if (!d) {
            return node_resize_unused(m, node, bytes, err);
        }
    } else if (!(d = find(m, device, NULL))) {
        return fail(err, "Cannot find device='%.200s' nor node-name=''", device);
    }
    if (!d->node) {
        return fail(err, "Device '%s' has no medium", d->id);
    }
    if (d->node->tap) {
        return fail(err, "Device '%s' is busy: its medium is being copied", d->id);
    }
    if (d->user && !d->on_resize) {
        return fail(err, "Cannot resize '%s': its device takes no other size", d->node->name);
    }
    if (!block_resize(d->node, bytes, err)) {
        return false;
    }
    node_resized(d->node);
    if (d->user) {
        d->on_resize(d->user);
    }
    return true;
}

static bool names_drive(Machine *m, const GPtrArray *names, const Drive *d)
{
    for (guint i = 0; names && i < names->len; i++) {
        if (media_find(m, names->pdata[i]) == d) {
            return true;
        }
    }
    return false;
}

static bool snapshot_disks(Machine *m, const char *vmstate, const GPtrArray *names, GError **err)
{
    for (guint i = 0; names && i < names->len; i++) {
        const Drive *d = media_find(m, names->pdata[i]);
        if (!d || !d->node) {
            return fail(err, "No block device node '%.200s'", (const char *)names->pdata[i]);
        }
        if (d->node->readonly) {
            return fail(err, "Device '%.200s' is read-only: nothing of it is in a snapshot",
                        (const char *)names->pdata[i]);
        }
    }
    for (guint i = 0; i < m->drives->len; i++) {
        const Drive *d = m->drives->pdata[i];
        if (d->node && !d->node->readonly && !names_drive(m, names, d)) {
            return fail(err, "Device '%s' is written to, and has to be among devices", d->id);
        }
    }
    return !vmstate || media_find(m, vmstate) ||
           fail(err, "vmstate block device '%.200s' does not exist", vmstate);
}

void media_hooks(Machine *m)
{
    m->hooks.resize = resize;
    m->hooks.copy_prepare = copy_prepare;
    m->hooks.copy_start = copy_start;
    m->hooks.snapshot_disks = snapshot_disks;
    m->hooks.query_block = query;
    m->hooks.query_blockstats = stats_of_drives;
    m->hooks.medium = change;
}
