/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drive.c -- opens what -drive, -hda..-hdd and -cdrom name.
 *
 * Spec: none.
 * Omits: nothing; media.c changes media while the machine runs.
 * Threads: main thread; look-ups with the machine lock.
 */
#include "block/contents.h"
#include "core/commands.h"
#include "core/options.h"
#include "core/snapfile.h"
#include <string.h>

static void drive_free(Drive *d)
{
    block_close(d->node);
    g_free(d->id);
    g_free(d->serial);
    g_free(d);
}

void drive_put(Drive *d, BlockNode *n)
{
    d->node = n;
    if (n) {
        n->stats[0] = &d->stats;
    }
}

Drive *drive_find(Machine *m, const char *id)
{
    for (guint i = 0; m->drives && i < m->drives->len; i++) {
        Drive *d = m->drives->pdata[i];
        if (!strcmp(d->id, id)) {
            return d;
        }
    }
    return NULL;
}

/* A -drive; or a -blockdev, for which there is a drive from now on. */
static void *find_link(Machine *m, const char *id)
{
    Drive     *d = drive_find(m, id);
    BlockNode *node;
    bool       ro;

    if (!d && (node = node_use(m, id, &ro, NULL))) {
        d = g_new0(Drive, 1);
        d->id = g_strdup(id);
        drive_put(d, node);
        d->readonly = ro;
        d->anonymous = true;
        g_ptr_array_add(m->drives, d);
    }
    return d;
}

const char *drive_user_name(const Drive *d)
{
    const Device *dev = d->user;

    return dev->id ? dev->id : dev->path;
}

void drive_say_names(GVariantBuilder *b, const Drive *d)
{
    say(b, "device", d->anonymous ? "" : d->id);
    if (d->user) {
        say(b, "qdev", drive_user_name(d));
    }
}

bool drive_claim(Drive *d, void *dev, GError **err)
{
    if (d->user && d->user != dev) {
        return fail(err,
                    "drive %s is already used by another device; give each device its own -drive",
                    d->id);
    }
    d->user = dev;
    return true;
}

static Drive *open_one(Machine *m, const OptDrive *o, GError **err)
{
    static const BlockCache caches[] = {
        [CACHE_WRITEBACK] = BLK_CACHE_WRITEBACK, [CACHE_NONE] = BLK_CACHE_NONE,
        [CACHE_WRITETHROUGH] = BLK_CACHE_WRITETHROUGH,
        [CACHE_UNSAFE] = BLK_CACHE_UNSAFE, [CACHE_DIRECTSYNC] = BLK_CACHE_DIRECTSYNC,
    };
    Drive *d = g_new0(Drive, 1);
    d->id = g_strdup(o->id);
    d->serial = g_strdup(o->serial);
    d->is_cdrom = o->media == MEDIA_CDROM;
    d->readonly = o->readonly || d->is_cdrom;
    if (o->file) {
        BlockOpen how = { .file = o->file, .format = o->format, .cache = caches[o->cache],
                          .readonly = d->readonly,
                          .snapshot = o->snapshot };
        drive_put(d, contents_whole(o->file, m->options->loadvm || m->options->incoming, err)
                         ? block_open(m, &how, err)
                         : NULL);
        if (!d->node) {
            drive_free(d);
            return NULL;
        }
    }
    return d;
}

bool drives_open(Machine *m, GError **err)
{
    const struct Options *o = m->options;
    m->drives = g_ptr_array_new();
    m->disks = &block_disk_ops;
    device_link_kind(m, "drive", find_link);
    media_hooks(m);
    for (guint i = 0; o->drives && i < o->drives->len; i++) {
        Drive *d = open_one(m, o->drives->pdata[i], err);
        if (!d) {
            return false;
        }
        g_ptr_array_add(m->drives, d);
    }
    return nodes_open(m, err);
}

void drives_close(Machine *m)
{
    for (guint i = 0; m->drives && i < m->drives->len; i++) {
        drive_free(m->drives->pdata[i]);
    }
    nodes_close(m);
    m->disks = NULL;
    g_clear_pointer(&m->drives, g_ptr_array_unref);
    block_state_free(m);
}
