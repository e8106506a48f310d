/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.c -- what has been read from and written to a drive or a named node, and how long it took.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "block-core": query-blockstats,
 *   BlockDeviceStats.
 * Omits: histograms of latency and statistics of intervals (both have to be switched on there);
 *   merged requests: there are none.
 * Threads: with the machine lock.
 */
#include "block/drive.h"
#include "core/commands.h"

static int64_t now_ns(void)
{
    return g_get_monotonic_time() * 1000;
}

void stats_start(BlockReq *req)
{
    if (req->node->stats[0] || req->node->stats[1]) {
        req->start_ns = now_ns();
    }
    memcpy(req->stats, req->node->stats, sizeof(req->stats));
}

void stats_done(const BlockReq *req, bool refused)
{
    static const BlockStatKind kinds[] = {
        [BLK_READ] = STAT_READ, [BLK_WRITE] = STAT_WRITE,
        [BLK_ZERO] = STAT_WRITE, [BLK_FLUSH] = STAT_FLUSH,
        [BLK_DISCARD] = STAT_UNMAP,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(req->stats); i++) {
        BlockStats *s = req->stats[i];
        if (!s) {
            continue;
        }
        struct BlockStat *k = &s->of[kinds[req->op]];
        if (refused) {
            k->invalid++;
            continue;
        }
        s->last_ns = now_ns();
        k->time_ns += s->last_ns - req->start_ns;
        if (req->result) {
            k->failed++;
            continue;
        }
        k->operations++;
        if (req->op != BLK_FLUSH) {
            k->bytes += req->length;
        }
        if (kinds[req->op] == STAT_WRITE) {
            s->highest = MAX(s->highest, req->offset + req->length);
        }
    }
}

GVariant *stats_of(const BlockStats *s)
{
    static const char *const names[] = {
        [STAT_READ] = "rd", [STAT_WRITE] = "wr", [STAT_FLUSH] = "flush", [STAT_UNMAP] = "unmap"
    };
    GVariantBuilder b, none;

    object_start(&b);
    for (unsigned i = 0; i < STAT_KINDS; i++) {
        const struct BlockStat *k = &s->of[i];
        const struct { const char *form; uint64_t val; } rows[] = {
            { "%s_bytes", k->bytes }, { "%s_merged", 0 },     /* a flush has neither */
            { "%s_operations", k->operations }, { "%s_total_time_ns", (uint64_t)k->time_ns },
            { "failed_%s_operations", k->failed }, { "invalid_%s_operations", k->invalid },
        };
        for (unsigned r = i == STAT_FLUSH ? 2 : 0; r < G_N_ELEMENTS(rows); r++) {
            char *name = g_strdup_printf(rows[r].form, names[i]);
            say_int(&b, name, (int64_t)rows[r].val);
            g_free(name);
        }
    }
    say_int(&b, "wr_highest_offset", (int64_t)s->highest);
    if (s->last_ns) {
        say_int(&b, "idle_time_ns", now_ns() - s->last_ns);
    }
    say_bool(&b, "account_invalid", true);
    say_bool(&b, "account_failed", true);
    list_start(&none);
    say_list(&b, "timed_stats", &none);
    return g_variant_builder_end(&b);
}

GVariant *stats_of_drives(Machine *m)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (guint i = 0; m->drives && i < m->drives->len; i++) {
        const Drive *d = m->drives->pdata[i];
        object_start(&one);
        drive_say_names(&one, d);
        if (d->node && node_name(d->node)) {
            say(&one, "node-name", node_name(d->node));
        }
        say_value(&one, "stats", stats_of(&d->stats));
        list_object(&list, &one);
    }
    return g_variant_builder_end(&list);
}
