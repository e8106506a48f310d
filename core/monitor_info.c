/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor_info.c -- "info" for people, of what programs ask with query-*: the same answers as lines
 * of text, in the layout that QEMU's monitor has.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/json.h"
#include <inttypes.h>

/* ---- reading an answer ---- */

/* A member of it, or NULL.  The caller drops it. */
static GVariant *member(GVariant *v, const char *key)
{
    return g_variant_lookup_value(v, key, NULL);
}

static int64_t num(GVariant *v, const char *key)
{
    int64_t n = 0;

    g_variant_lookup(v, key, "x", &n);
    return n;
}

static bool yes(GVariant *v, const char *key)
{
    gboolean b = FALSE;

    g_variant_lookup(v, key, "b", &b);
    return b;
}

/* Valid as long as v; "" where there is none. */
static const char *str(GVariant *v, const char *key)
{
    const char *s = "";

    g_variant_lookup(v, key, "&s", &s);
    return s;
}

typedef void Writer(GString *s, GVariant *one);

static void each(GString *s, GVariant *list, Writer *write)
{
    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        GVariant *boxed = g_variant_get_child_value(list, i), *one = g_variant_get_variant(boxed);
        write(s, one);
        g_variant_unref(one);
        g_variant_unref(boxed);
    }
}

static void each_of(GString *s, GVariant *v, const char *key, Writer *write)
{
    GVariant *list = member(v, key);

    each(s, list, write);
    g_clear_pointer(&list, g_variant_unref);
}

/* What a query answers, by write: once, or once for each of a list. */
static bool from_query(Machine *m, const char *query, Writer *write, const char *none, Reply *reply,
                       GError **err)
{
    GVariantBuilder b;
    GString        *s = g_string_new(NULL);

    object_start(&b);
    bool      ok = entry_run_json(entry_find(commands, query), m, NULL, &b, err);
    GVariant *v = g_variant_ref_sink(g_variant_builder_end(&b)), *list = member(v, "return");
    if (list && g_variant_is_of_type(list, G_VARIANT_TYPE("av"))) {
        each(s, list, write);
    } else {
        write(s, list ? list : v);
    }
    if (!s->len) {
        g_string_append(s, none);
    }
    g_clear_pointer(&list, g_variant_unref);
    g_variant_unref(v);
    say_text(reply, s);
    return ok;
}

/* ---- any answer: a member a line, what is below it indented ---- */

static void tree(GString *s, GVariant *v, unsigned depth)
{
    GVariantIter it;
    const char  *key;
    GVariant    *val;

    g_variant_iter_init(&it, v);
    while (g_variant_iter_next(&it, "{&sv}", &key, &val)) {
        g_string_append_printf(s, "%*s%s:", (int)(2 * depth), "", key);
        if (g_variant_is_of_type(val, G_VARIANT_TYPE_VARDICT)) {
            g_string_append_c(s, '\n');
            tree(s, val, depth + 1);
        } else if (g_variant_is_of_type(val, G_VARIANT_TYPE_STRING)) {
            g_string_append_printf(s, " %s\n", g_variant_get_string(val, NULL));
        } else {
            char *text = g_variant_is_of_type(val, G_VARIANT_TYPE("av"))
                             ? NULL
                             : g_variant_print(val, FALSE);
            GString *list = g_string_new(NULL);
            if (!text) {
                json_print(list, val);
            }
            g_string_append_printf(s, " %s\n", text ? text : list->str);
            g_string_free(list, TRUE);
            g_free(text);
        }
        g_variant_unref(val);
    }
}

static void any(GString *s, GVariant *one)
{
    tree(s, one, 0);
    g_string_append_c(s, '\n');
}

/* ---- disks ---- */

static void block_image(GString *s, GVariant *in)
{
    g_string_append_printf(s, ": %s (%s%s)\n", str(in, "file"), str(in, "drv"),
                           yes(in, "ro") ? ", read-only" : "");
}

static void block_cache(GString *s, GVariant *in)
{
    GVariant *cache = member(in, "cache");

    g_string_append_printf(
        s, "    Cache mode:       %s%s%s\n", yes(cache, "writeback") ? "writeback" : "writethrough",
        yes(cache, "direct") ? ", direct" : "", yes(cache, "no-flush") ? ", ignore flushes" : "");
    g_variant_unref(cache);
}

static void block_line(GString *s, GVariant *one)
{
    GVariant *in = member(one, "inserted");

    g_string_append_printf(s, "%s%s", s->len ? "\n" : "", str(one, "device"));
    if (in) {
        const char *node = str(in, "node-name");
        if (*node) {
            g_string_append_printf(s, " (%s)", node);
        }
        block_image(s, in);
    } else {
        g_string_append(s, ": [not inserted]\n");
    }
    if (*str(one, "qdev")) {
        g_string_append_printf(s, "    Attached to:      %s\n", str(one, "qdev"));
    }
    if (yes(one, "removable")) {
        g_string_append_printf(s, "    Removable device: %slocked, tray %s\n",
                               yes(one, "locked") ? "" : "not ",
                               yes(one, "tray_open") ? "open" : "closed");
    }
    if (in) {
        block_cache(s, in);
        g_variant_unref(in);
    }
}

bool cmd_info_block(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-block", block_line, "There are no drives\n", reply, err);
}

static void node_line(GString *s, GVariant *one)
{
    g_string_append_printf(s, "%s%s", s->len ? "\n" : "", str(one, "node-name"));
    block_image(s, one);
    block_cache(s, one);
}

bool cmd_info_nodes(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-named-block-nodes", node_line, "There are no nodes with names\n",
                      reply, err);
}

static void stats_line(GString *s, GVariant *one)
{
    static const char *const counts[] = {
        "rd_bytes",
        "wr_bytes",
        "unmap_bytes",
        "rd_operations",
        "wr_operations",
        "flush_operations",
        "unmap_operations",
        "wr_total_time_ns",
        "rd_total_time_ns",
        "flush_total_time_ns",
        "unmap_total_time_ns",
        "rd_merged",
        "wr_merged",
        "unmap_merged",
        "failed_rd_operations",
        "failed_wr_operations",
        "failed_flush_operations",
        "idle_time_ns",
    };
    GVariant *stats = member(one, "stats");

    g_string_append_printf(s, "%s:", *str(one, "device") ? str(one, "device") : str(one, "qdev"));
    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_string_append_printf(s, " %s=%" PRId64, counts[i], num(stats, counts[i]));
    }
    g_string_append_c(s, '\n');
    g_variant_unref(stats);
}

bool cmd_info_blockstats(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-blockstats", stats_line, "There are no drives\n", reply, err);
}

/* ---- PCI ---- */

static void pci_region(GString *s, GVariant *r)
{
    bool    io = !strcmp(str(r, "type"), "io");
    int64_t at = num(r, "address"), size = num(r, "size");

    g_string_append_printf(s, "      BAR%d: ", (int)num(r, "bar"));
    if (io) {
        g_string_append(s, "I/O");
    } else {
        g_string_append_printf(s, "%d bit %smemory", yes(r, "mem_type_64") ? 64 : 32,
                               yes(r, "prefetch") ? "prefetchable " : "");
    }
    if (at < 0) {
        g_string_append_printf(s, ", 0x%" PRIx64 " bytes, not mapped\n", size);
    } else {
        g_string_append_printf(s,
                               io ? " at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n"
                                  : " at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n",
                               at, at + size - 1);
    }
}

static void pci_function(GString *s, GVariant *f)
{
    GVariant *class = member(f, "class_info"), *id = member(f, "id");

    g_string_append_printf(s, "  Bus %2d, device %3d, function %d:\n    %s: PCI device %04x:%04x\n",
                           (int)num(f, "bus"), (int)num(f, "slot"), (int)num(f, "function"),
                           str(class, "desc"), (unsigned)num(id, "vendor"),
                           (unsigned)num(id, "device"));
    if (num(id, "subsystem-vendor")) {
        g_string_append_printf(s, "      PCI subsystem %04x:%04x\n",
                               (unsigned)num(id, "subsystem-vendor"),
                               (unsigned)num(id, "subsystem"));
    }
    if (num(f, "irq_pin")) {
        g_string_append_printf(s, "      IRQ %d, pin %c\n", (int)num(f, "irq"),
                               (int)('A' + num(f, "irq_pin") - 1));
    }
    each_of(s, f, "regions", pci_region);
    g_string_append_printf(s, "      id \"%s\"\n", str(f, "qdev_id"));
    g_variant_unref(class);
    g_variant_unref(id);
}

static void pci_bus(GString *s, GVariant *bus)
{
    each_of(s, bus, "devices", pci_function);
}

bool cmd_info_pci(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-pci", pci_bus, "There is no PCI bus\n", reply, err);
}

/* ---- what one line each is enough for ---- */

static void chardev_line(GString *s, GVariant *one)
{
    g_string_append_printf(s, "%s: filename=%s\n", str(one, "label"), str(one, "filename"));
}

bool cmd_info_chardev(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-chardev", chardev_line, "There are no character devices\n", reply,
                      err);
}

static void vnc_address(GString *s, const char *indent, const char *what, GVariant *v)
{
    g_string_append_printf(s, "%s%s: %s:%s (%s%s)\n", indent, what, str(v, "host"),
                           str(v, "service"), str(v, "family"),
                           yes(v, "websocket") ? ", websocket" : "");
}

static void vnc_server_line(GString *s, GVariant *v)
{
    vnc_address(s, "  ", "Server", v);
    g_string_append_printf(s, "    Auth: %s (Sub: %s)\n", str(v, "auth"),
                           *str(v, "vencrypt") ? str(v, "vencrypt") : "none");
}

static void vnc_client_line(GString *s, GVariant *v)
{
    vnc_address(s, "  ", "Client", v);
}

static void vnc_server(GString *s, GVariant *one)
{
    g_string_append_printf(s, "%s:\n", str(one, "id"));
    each_of(s, one, "server", vnc_server_line);
    each_of(s, one, "clients", vnc_client_line);
}

bool cmd_info_vnc(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-vnc-servers", vnc_server,
                      "There is no VNC server: start with -vnc\n", reply, err);
}

static void mouse_line(GString *s, GVariant *one)
{
    g_string_append_printf(s, "%c Mouse #%d: %s%s\n", yes(one, "current") ? '*' : ' ',
                           (int)num(one, "index"), str(one, "name"),
                           yes(one, "absolute") ? " (absolute)" : "");
}

bool cmd_info_mice(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-mice", mouse_line, "There is no mouse\n", reply, err);
}

static void kvm_line(GString *s, GVariant *v)
{
    g_string_append_printf(s, "kvm support: %s\n", yes(v, "enabled") ? "enabled" : "disabled");
}

bool cmd_info_kvm(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-kvm", kvm_line, "", reply, err);
}

static void uuid_line(GString *s, GVariant *v)
{
    g_string_append_printf(s, "%s\n", str(v, "UUID"));
}

bool cmd_info_uuid(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-uuid", uuid_line, "", reply, err);
}

static void memory_lines(GString *s, GVariant *v)
{
    g_string_append_printf(s, "base memory: %" PRId64 "\nplugged memory: %" PRId64 "\n",
                           num(v, "base-memory"), num(v, "plugged-memory"));
}

bool cmd_info_memory_size(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-memory-size-summary", memory_lines, "", reply, err);
}

static void iothread_line(GString *s, GVariant *one)
{
    g_string_append_printf(s, "%s: thread_id=%d\n", str(one, "id"), (int)num(one, "thread-id"));
}

bool cmd_info_iothreads(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-iothreads", iothread_line,
                      "There are no threads for disks with names\n", reply, err);
}

static void dump_line(GString *s, GVariant *v)
{
    g_string_append_printf(s, "Status: %s\n", str(v, "status"));
    if (num(v, "total")) {
        g_string_append_printf(s, "Finished: %.2f %%\n",
                               100.0 * (double)num(v, "completed") / (double)num(v, "total"));
    }
}

bool cmd_info_dump(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-dump", dump_line, "", reply, err);
}

bool cmd_info_migrate_params(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-migrate-parameters", any, "", reply, err);
}

static void capability_line(GString *s, GVariant *one)
{
    g_string_append_printf(s, "%s: %s\n", str(one, "capability"), yes(one, "state") ? "on" : "off");
}

bool cmd_info_migrate_caps(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-migrate-capabilities", capability_line, "", reply, err);
}

static void block_job_line(GString *s, GVariant *one)
{
    g_string_append_printf(s, "Type %s, device %s: Completed %" PRId64 " of %" PRId64
                              " bytes, speed limit %" PRId64 " bytes/s\n",
                           str(one, "type"), str(one, "device"), num(one, "offset"),
                           num(one, "len"), num(one, "speed"));
}

bool cmd_info_block_jobs(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-block-jobs", block_job_line, "No active jobs\n", reply, err);
}

bool cmd_info_memdev(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-memdev", any, "There are no objects that are memory\n", reply, err);
}

bool cmd_info_hotpluggable_cpus(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-hotpluggable-cpus", any, "", reply, err);
}

bool cmd_info_fdsets(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-fdsets", any, "There are no sets of descriptors\n", reply, err);
}

bool cmd_info_network(Machine *m, void *args, Reply *reply, GError **err)
{
    char *text = m->hooks.net_info ? m->hooks.net_info(m) : NULL;

    say(reply, "text", text && *text ? text : "There is no network\n");
    g_free(text);
    return true;
}

/* ---- interrupt controllers: whatever stands in their Field tables ---- */

static size_t width(FieldType type)
{
    switch (type) {
    case T_BOOL: return sizeof(bool);
    case T_U8:   return 1;
    case T_U16:  return 2;
    case T_U32: case T_I32: return 4;
    default:     return 8;
    }
}

static void state_text(GString *s, const Field *f, const char *obj)
{
    for (; f && f->name; f++) {
        const char *at = obj + f->offset;
        if (!(f->flags & F_STATE)) {
            continue;
        }
        if (f->type == T_STRUCT) {
            for (uint32_t i = 0; i < f->count; i++) {
                g_string_append_printf(s, "\n  %s %u:", f->name, i);
                state_text(s, f->aux, at + (size_t)i * f->stride);
            }
        } else if (f->type >= T_BOOL && f->type <= T_I64) {
            for (uint32_t i = 0; i < f->count; i++) {
                g_string_append_printf(s, "%s%s%s%" PRIx64, i ? "," : " ", i ? "" : f->name,
                                       i ? "" : "=",
                                       (uint64_t)field_int(f, at + i * width(f->type)));
            }
        }
    }
}

/* Parked, as what an accelerator keeps of them is fetched then. */
bool cmd_info_pic(Machine *m, void *args, Reply *reply, GError **err)
{
    bool     was_running = m->state == RUN_RUNNING;
    GString *s = g_string_new(NULL);

    machine_stop(m);
    for (unsigned i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        if (!strstr(d->class->name, "pic") && !strstr(d->class->name, "8259")) {
            continue;
        }
        if (d->class->refresh) {
            d->class->refresh(d);
        }
        g_string_append_printf(s, "%s:", d->path);
        state_text(s, d->class->fields, (const char *)d);
        g_string_append_c(s, '\n');
    }
    if (was_running) {
        machine_cont(m);
    }
    say_text(reply, s);
    return true;
}
