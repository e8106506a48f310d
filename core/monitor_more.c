/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor_more.c -- further commands of the prompt: ports, the log, objects, lists of types; and
 * what Tab completes words with.
 *
 * Spec: none; command names are those in common use.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev.h"
#include "core/commands.h"
#include "core/log.h"
#include "core/numa.h"
#include "core/options.h"
#include <inttypes.h>

/* ---- ports ---- */

static unsigned port_size(const char *fmt)
{
    const char *sizes = "bhw", *at = fmt && *fmt ? strchr(sizes, fmt[strlen(fmt) - 1]) : sizes;

    return at && *at ? 1u << (at - sizes) : 1;
}

static bool port_args(const PortArgs *a, uint64_t *val, GError **err)
{
    if (a->fmt && (strlen(a->fmt) != 1 || !strchr("bhw", *a->fmt))) {
        return fail(err, "/%.20s: there are /b, /h and /w", a->fmt);
    }
    if (a->addr > 0xffff) {
        return fail(err, "0x%" PRIx64 " is no port: there are 0 to 0xffff", a->addr);
    }
    *val = a->val;
    return true;
}

bool cmd_port_in(Machine *m, void *args, Reply *reply, GError **err)
{
    const PortArgs *a = args;
    unsigned        size = port_size(a->fmt);
    uint64_t        val;
    GString        *s;

    if (!port_args(a, &val, err)) {
        return false;
    }
    s = g_string_new(NULL);
    val = io_read(m->as_io, a->addr, size, NULL);
    g_string_append_printf(s, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", "bh w"[size - 1],
                           (unsigned)a -> addr, (int)(2 * size), val);
    say_text(reply, s);
    return true;
}

bool cmd_port_out(Machine *m, void *args, Reply *reply, GError **err)
{
    const PortArgs *a = args;
    uint64_t        val;

    if (!port_args(a, &val, err)) {
        return false;
    }
    io_write(m->as_io, a->addr, val, port_size(a->fmt));
    return true;
}
const Field port_in_args[] = {
    FIELD_(PortArgs, addr, F_CONFIG | F_REQUIRED, 1, .help = "The port."),
    CONFIG(PortArgs, fmt, .help = "Size: b, h or w."),
    FIELD_END
};
const Field port_out_args[] = {
    FIELD_(PortArgs, addr, F_CONFIG | F_REQUIRED, 1, .help = "The port."),
    FIELD_(PortArgs, val, F_CONFIG | F_REQUIRED, 1, .help = "What to write."),
    CONFIG(PortArgs, fmt, .help = "Size: b, h or w."),
    FIELD_END
};

/* ---- the log ---- */

bool cmd_log(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *items = ((const TextArg *)args)->text;

    if (!items || !*items || !strcmp(items, "help")) {
        return fail(err, "log ITEM,... or none; \"-d help\" lists the items");
    }
    return log_setup(strcmp(items, "none") ? items : NULL, NULL, err);
}

/* ---- lists ---- */

bool cmd_info_qdm(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    for (const DeviceClass *const *c = device_classes; *c; c++) {
        if (strcmp((*c)->bus ? (*c)->bus : "", "sys")) {
            g_string_append_printf(s, "name \"%s\", bus %s, desc \"%s\"%s\n", (*c)->name,
                                   (*c)->bus ? (*c)->bus : "-", (*c)->desc,
                                   (*c)->hotplug ? ", hotplug" : "");
        }
    }
    say_text(reply, s);
    return true;
}

bool cmd_info_qom_tree(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    g_string_append_printf(s, "/machine (%s-machine)\n", m->class->name);
    for (unsigned i = 0; i < m->devices->len; i++) {
        const Device *d = m->devices->pdata[i];
        g_string_append_printf(s, d->id ? "  /peripheral/%s" : "  /unattached/device[", d->id);
        if (!d->id) {
            g_string_append_printf(s, "%u]", i);
        }
        g_string_append_printf(s, " (%s)\n", d->class->name);
    }
    for (unsigned i = 0; i < m->objects->len; i++) {
        const Object *o = m->objects->pdata[i];
        g_string_append_printf(s, "/objects/%s (%s)\n", o->id, o->class->name);
    }
    say_text(reply, s);
    return true;
}

bool cmd_info_numa(Machine *m, void *args, Reply *reply, GError **err)
{
    const Numa *n = m->options->numa;
    GString    *s = g_string_new(NULL);

    g_string_append_printf(s, "%u nodes\n", n ? n->n : 0);
    for (unsigned i = 0; n && i < n->n; i++) {
        g_string_append_printf(s, "node %u size: %" PRIu64 " MB\n", i, n->node[i].bytes >> 20);
    }
    say_text(reply, s);
    return true;
}

/* ---- what a word may be: for Tab ---- */

static const char *device_id(Machine *m, unsigned i)
{
    const Device *d = i < m->devices->len ? m->devices->pdata[i] : NULL;

    return d ? d->id ? d->id : "" : NULL;
}

static const char *class_name(Machine *m, unsigned i)
{
    return device_classes[i] ? !device_classes[i]->bus || strcmp(device_classes[i]->bus, "sys")
                                   ? device_classes[i]->name
                                   : ""
                             : NULL;
}

static const char *object_id(Machine *m, unsigned i)
{
    return i < m->objects->len ? ((const Object *)m->objects->pdata[i])->id : NULL;
}

static const char *drive_id(Machine *m, unsigned i)
{
    return i < m->options->drives->len ? ((const OptDrive *)m->options->drives->pdata[i])->id
                                       : NULL;
}

static const char *netdev_id(Machine *m, unsigned i)
{
    return i < m->options->netdevs->len ? ((const OptNetdev *)m->options->netdevs->pdata[i])->id
                                        : NULL;
}

static const char *chardev_id(Machine *m, unsigned i)
{
    return i < chr_count(m) ? chr_label(chr_at(m, i)) : NULL;
}

static const char *trace_event(Machine *m, unsigned i)
{
    return trace_name(i);
}

static const char *command_name(Machine *m, unsigned i)
{
    return commands[i].name && commands[i].where == CMD_QMP ? "" : commands[i].name;
}

WordAt *words_for(const char *command)
{
    static const struct { const char *command; WordAt *word; } kinds[] = {
        { "device_del", device_id }, { "device_add", class_name }, { "object_del", object_id },
        { "eject", drive_id }, { "change", drive_id }, { "set_link", netdev_id },
        { "netdev_del", netdev_id }, { "chardev-remove", chardev_id },
        { "chardev-change", chardev_id }, { "chardev-send-break", chardev_id },
        { "ringbuf_read", chardev_id }, { "ringbuf_write", chardev_id },
        { "trace-event", trace_event }, { "info trace-events", trace_event },
        { "help", command_name },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].command, command)) {
            return kinds[i].word;
        }
    }
    return NULL;
}
