/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_act.c -- commands that change the machine from outside: media, cables, balloons, character
 * devices, interrupts, passwords.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/chardev.h"
#include "core/display.h"
#include "core/options.h"

bool cmd_wakeup(Machine *m, void *args, Reply *reply, GError **err)
{
    return fail(err, "Unable to wake up: guest is not in suspended state");
}

bool cmd_inject_nmi(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!m->hooks.nmi) {
        return fail(err, "inject-nmi: machine type %s has no such button", m->class->name);
    }
    m->hooks.nmi(m);
    return true;
}

bool cmd_expire_password(Machine *m, void *args, Reply *reply, GError **err)
{
    const ExpireArgs *a = args;
    char             *end;
    int64_t           at = 0;

    if (strcmp(a->protocol, "vnc")) {
        return fail(err, "expire_password: protocol %s: there is vnc", a->protocol);
    }
    if (!strcmp(a->time, "never")) {
        at = -1;
    } else if (strcmp(a->time, "now")) {
        at = (int64_t)g_ascii_strtoull(a->time + (*a->time == '+'), &end, 10);
        if (*end || !g_ascii_isdigit(end[-1]) || at > INT32_MAX * INT64_C(4)) {
            return fail(
                err,
                "expire_password: time=%s: there are now, never, +SECONDS and seconds since 1970",
                a->time);
        }
        at += *a->time == '+' ? g_get_real_time() / G_USEC_PER_SEC : 0;
    }
    return console_expire_password(m->console, "vnc", at, err);
}

/* ---- media ---- */

static bool medium(Machine *m, const MediumArgs *a, unsigned what, GError **err)
{
    MediumChange c = { .device = a->id ? a->id : a->device, .what = what, .force = a->force,
                       .file = a->filename,
                       .format = a->format, .node = a->node, .read_only = a->read_only };

    if (!c.device) {
        return fail(err, "say which drive: device= or id=");
    }
    if (!m->hooks.medium) {
        return fail_not_found(err, "Device '%.200s' not found", c.device);
    }
    return m->hooks.medium(m, &c, err);
}

bool cmd_eject(Machine *m, void *args, Reply *reply, GError **err)
{
    return medium(m, args, MEDIUM_OPEN | MEDIUM_REMOVE, err);
}

bool cmd_change_medium(Machine *m, void *args, Reply *reply, GError **err)
{
    return medium(m, args, MEDIUM_OPEN | MEDIUM_REMOVE | MEDIUM_INSERT | MEDIUM_CLOSE, err);
}

bool cmd_open_tray(Machine *m, void *args, Reply *reply, GError **err)
{
    return medium(m, args, MEDIUM_OPEN, err);
}

bool cmd_close_tray(Machine *m, void *args, Reply *reply, GError **err)
{
    return medium(m, args, MEDIUM_CLOSE, err);
}

bool cmd_remove_medium(Machine *m, void *args, Reply *reply, GError **err)
{
    return medium(m, args, MEDIUM_REMOVE, err);
}

bool cmd_insert_medium(Machine *m, void *args, Reply *reply, GError **err)
{
    return medium(m, args, MEDIUM_INSERT, err);
}

bool cmd_blockdev_add(Machine *m, void *args, Reply *reply, GError **err)
{
    return m->hooks.blockdev_add ? m->hooks.blockdev_add(m, args, err)
                                 : fail(err, "blockdev-add: this machine has no disks");
}

bool cmd_blockdev_del(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *name = ((const NodeNameArgs *)args)->node_name;

    return m->hooks.blockdev_del ? m->hooks.blockdev_del(m, name, err)
                                 : fail(err, "Failed to find node with node-name='%.200s'", name);
}

bool cmd_block_resize(Machine *m, void *args, Reply *reply, GError **err)
{
    const ResizeArgs *a = args;

    if (!a->device == !a->node_name) {
        return fail(err, "Need exactly one of 'device' and 'node-name'");
    }
    if (!a->size || a->size > INT64_MAX || a->size % 512) {
        return fail(err, "Parameter 'size' expects a >0 size, a multiple of 512");
    }
    return m->hooks.resize ? m->hooks.resize(m, a->device, a->node_name, a->size, err)
                           : fail(err, "block_resize: this machine has no disks");
}
const Field resize_args[] = {
    CONFIG(ResizeArgs, device, .help = "The drive."),
    FIELD_(ResizeArgs, size, F_CONFIG | F_REQUIRED | F_MIB, 1,
           .help = "What it is to have from now on; at the prompt in MiB."),
    CONFIG_AS(ResizeArgs, node_name, "node-name", .help = "The node, instead."),
    FIELD_END
};

const Field stats_args[] = {
    CONFIG_AS(StatsArgs, query_nodes, "query-nodes", .help = "Of named nodes instead of drives."),
    FIELD_END
};
const Field blockdev_del_args[] = {
    { .name = "node-name", .type = T_STR, .flags = F_CONFIG | F_REQUIRED, .count = 1,
      .offset = offsetof(NodeNameArgs, node_name), .help = "The node." },
    FIELD_END
};
const Field remove_medium_args[] = {
    FIELD_(MediumArgs, id, F_CONFIG | F_REQUIRED, 1, .help = "The device, by its id."),
    FIELD_END
};
const Field insert_medium_args[] = {
    FIELD_(MediumArgs, id, F_CONFIG | F_REQUIRED, 1, .help = "The device, by its id."),
    { .name = "node-name", .type = T_STR, .flags = F_CONFIG | F_REQUIRED, .count = 1,
      .offset = offsetof(MediumArgs, node), .help = "The node." },
    FIELD_END
};

static const char *const access_modes[] = { "retain", "read-only", "read-write", NULL };
const Field eject_args[] = {
    CONFIG(MediumArgs, device, .help = "The drive, by its id."),
    CONFIG(MediumArgs, id, .help = "The device that has it, by its id."),
    CONFIG(MediumArgs, force, .help = "Even if the guest has locked the tray."),
    FIELD_END
};
const Field medium_args[] = {
    CONFIG(MediumArgs, device, .help = "The drive, by its id."),
    FIELD_(MediumArgs, filename, F_CONFIG | F_REQUIRED, 1, .help = "The image."),
    CONFIG(MediumArgs, format, .help = "Its format; without it: what it looks like."),
    CONFIG(MediumArgs, id, .help = "The device that has the drive, by its id."),
    CONFIG(MediumArgs, force, .help = "Even if the guest has locked the tray."),
    { .name = "read-only-mode", .type = T_ENUM, .flags = F_CONFIG, .count = 1,
      .offset = offsetof(MediumArgs, read_only), .aux = access_modes,
      .help = "Whether the guest may write to it." },
    FIELD_END
};

/* ---- cables, balloons ---- */

bool cmd_set_link(Machine *m, void *args, Reply *reply, GError **err)
{
    const LinkArgs *a = args;

    if (!m->hooks.set_link) {
        return fail_not_found(err, "Device '%.200s' not found", a->name);
    }
    return m->hooks.set_link(m, a->name, a->up, err);
}
const Field link_args[] = {
    FIELD_(LinkArgs, name, F_CONFIG | F_REQUIRED, 1, .help = "The -netdev, or the card."),
    FIELD_(LinkArgs, up, F_CONFIG | F_REQUIRED, 1, .help = "Plugged in."),
    FIELD_END
};

bool cmd_netdev_add(Machine *m, void *args, Reply *reply, GError **err)
{
    const OptNetdev *a = args;

    if (!m->hooks.netdev_add) {
        return fail(err, "netdev_add: this machine has no network");
    }
    for (unsigned i = 0; i < m->options->netdevs->len; i++) {
        if (!strcmp(((OptNetdev *)m->options->netdevs->pdata[i])->id, a->id)) {
            return fail(err, "Duplicate ID '%.200s' for netdev", a->id);
        }
    }
    return m->hooks.netdev_add(m, a, err);
}

bool cmd_netdev_del(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *id = ((IdArgs *)args)->id;

    return m->hooks.netdev_del ? m->hooks.netdev_del(m, id, err)
                               : fail_not_found(err, "Device '%.200s' not found", id);
}
const Field netdev_add_args[] = {
    FIELD_(OptNetdev, type, F_CONFIG | F_REQUIRED, 1, .help = "Back end."),
    FIELD_(OptNetdev, id, F_CONFIG | F_REQUIRED, 1, .help = "Its name."),
    FIELD_AS_(OptNetdev, rest, T_LIST, F_CONFIG | F_REST, 1, .help = "Properties."),
    FIELD_END
};

static bool no_balloon(GError **err)
{
    g_set_error(err, RYOKAN_ERROR, RYOKAN_NO_DEVICE, "No balloon device has been activated");
    return false;
}

bool cmd_balloon(Machine *m, void *args, Reply *reply, GError **err)
{
    const BalloonArgs *a = args;

    if (!m->balloon.dev) {
        return no_balloon(err);
    }
    if (!a->value) {
        return fail(err, "Parameter 'value' expects a size");
    }
    m->balloon.ask(m->balloon.dev, a->value);
    return true;
}

bool cmd_query_balloon(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!m->balloon.dev) {
        return no_balloon(err);
    }
    say_int(reply, "actual", (int64_t)m->balloon.has(m->balloon.dev));
    return true;
}

bool cmd_info_balloon(Machine *m, void *args, Reply *reply, GError **err)
{
    g_autofree char *text = NULL;

    if (!m->balloon.dev) {
        return no_balloon(err);
    }
    text = g_strdup_printf("balloon: actual=%" G_GUINT64_FORMAT "\n",
                           m->balloon.has(m->balloon.dev) >> 20);
    say(reply, "text", text);
    return true;
}
const Field balloon_args[] = {
    FIELD_(BalloonArgs, value, F_CONFIG | F_REQUIRED | F_MIB, 1,
           .help = "What the guest is to keep; at the prompt in MiB."),
    FIELD_END
};

const Field id_args[] = {
    FIELD_(IdArgs, id, F_CONFIG | F_REQUIRED, 1, .help = "Its id."),
    FIELD_END
};
const Field expire_args[] = {
    FIELD_(ExpireArgs, protocol, F_CONFIG | F_REQUIRED, 1, .help = "vnc."),
    FIELD_(ExpireArgs, time, F_CONFIG | F_REQUIRED, 1,
           .help = "now, never, +SECONDS, or seconds since 1970."),
    FIELD_END
};
