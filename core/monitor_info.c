/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor_info.c -- "info" for people, of what programs ask with query-*: the same answers as lines of text.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/json.h"

/* The answer of a query, a line for each object of it. */
static bool from_query(Machine *m, const char *query, const char *none, Reply *reply, GError **err)
{
    const Entry    *e = entry_find(commands, query);
    GVariantBuilder b;
    GVariant       *v, *list;
    GString        *s = g_string_new(NULL);
    bool            ok;

    object_start(&b);
    ok = entry_run_json(e, m, NULL, &b, err);
    v = g_variant_ref_sink(g_variant_builder_end(&b));
    list = g_variant_lookup_value(v, "return", NULL);
    if (list && g_variant_is_of_type(list, G_VARIANT_TYPE("av"))) {
        for (gsize i = 0; i < g_variant_n_children(list); i++) {
            GVariant *boxed = g_variant_get_child_value(list, i), *one = g_variant_get_variant(boxed);
            json_print(s, one);
            g_string_append_c(s, '\n');
            g_variant_unref(one);
            g_variant_unref(boxed);
        }
    } else {
        json_print(s, list ? list : v);
        g_string_append_c(s, '\n');
    }
    if (!s->len) {
        g_string_append(s, none);
    }
    g_clear_pointer(&list, g_variant_unref);
    g_variant_unref(v);
    say_text(reply, s);
    return ok;
}

bool cmd_info_block(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-block", "There are no drives\n", reply, err);
}

bool cmd_info_chardev(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-chardev", "There are no character devices\n", reply, err);
}

bool cmd_info_vnc(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-vnc-servers", "There is no VNC server: start with -vnc\n", reply, err);
}

bool cmd_info_mice(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-mice", "There is no mouse\n", reply, err);
}

bool cmd_info_kvm(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-kvm", "", reply, err);
}

bool cmd_info_uuid(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-uuid", "", reply, err);
}

bool cmd_info_pci(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-pci", "There is no PCI bus\n", reply, err);
}

bool cmd_info_memdev(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-memdev", "There are no objects that are memory\n", reply, err);
}

bool cmd_info_memory_size(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-memory-size-summary", "", reply, err);
}

bool cmd_info_hotpluggable_cpus(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-hotpluggable-cpus", "", reply, err);
}

bool cmd_info_iothreads(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-iothreads", "There are no threads for disks with names\n", reply, err);
}

bool cmd_info_dump(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-dump", "", reply, err);
}

bool cmd_info_nodes(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-named-block-nodes", "There are no nodes with names\n", reply, err);
}

bool cmd_info_fdsets(Machine *m, void *args, Reply *reply, GError **err)
{
    return from_query(m, "query-fdsets", "There are no sets of descriptors\n", reply, err);
}

bool cmd_info_network(Machine *m, void *args, Reply *reply, GError **err)
{
    char *text = m->hooks.net_info ? m->hooks.net_info(m) : NULL;

    say(reply, "text", text && *text ? text : "There is no network\n");
    g_free(text);
    return true;
}

/* The registers of every interrupt controller: whatever stands in its Field table. */
bool cmd_info_pic(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < m->devices->len; i++) {
        const Device *d = m->devices->pdata[i];
        if (!strstr(d->class->name, "pic") && !strstr(d->class->name, "8259")) {
            continue;
        }
        g_string_append_printf(s, "%s:", d->path);
        for (const Field *f = d->class->fields; f && f->name; f++) {
            if ((f->flags & F_STATE) && f->count == 1 && f->type >= T_BOOL && f->type <= T_I64) {
                g_string_append_printf(s, " %s=%" G_GINT64_MODIFIER "x", f->name, field_int(f, (const char *)d + f->offset));
            }
        }
        g_string_append_c(s, '\n');
    }
    say_text(reply, s);
    return true;
}
