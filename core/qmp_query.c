/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_query.c -- what programs ask about the machine: CPUs, drives, devices of input and output,
 * options, machine types.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol: names of members.
 * Omits: members whose feature is not there (throttling, encryption, statistics).
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "accel/accel.h"
#include "core/chardev.h"
#include "core/display.h"
#include "core/options.h"
#include "core/vcpu.h"

bool cmd_query_uuid(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *uuid = m->uuid ? m->uuid : m->options->uuid;

    say(reply, "UUID", uuid ? uuid : "00000000-0000-0000-0000-000000000000");
    return true;
}

bool cmd_query_cpus_fast(Machine *m, void *args, Reply *reply, GError **err)
{
    const struct Options *o = m->options;
    unsigned        threads = MAX(o->threads, 1), cores = MAX(o->cores, 1);
    GVariantBuilder list, one, props;

    list_start(&list);
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        const Vcpu *v = m->vcpus->pdata[i];
        char       *path = g_strdup_printf("/machine/unattached/cpu[%u]", i);
        object_start(&one);
        say_int(&one, "cpu-index", v->index);
        say(&one, "qom-path", path);
        say_int(&one, "thread-id", v->tid);
        say(&one, "target", "x86_64");
        object_start(&props);
        say_int(&props, "socket-id", v->index / (threads * cores));
        say_int(&props, "core-id", v->index / threads % cores);
        say_int(&props, "thread-id", v->index % threads);
        say_value(&one, "props", g_variant_builder_end(&props));
        list_object(&list, &one);
        g_free(path);
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_query_kvm(Machine *m, void *args, Reply *reply, GError **err)
{
    bool present = false;

    for (const AccelOps *const *a = accels; *a; a++) {
        present |= !strcmp((*a)->name, "kvm");
    }
    say_bool(reply, "enabled", m->accel && !strcmp(m->accel->name, "kvm"));
    say_bool(reply, "present", present);
    return true;
}

bool cmd_query_target(Machine *m, void *args, Reply *reply, GError **err)
{
    say(reply, "arch", "x86_64");
    return true;
}

bool cmd_query_memory_size(Machine *m, void *args, Reply *reply, GError **err)
{
    say_int(reply, "base-memory", (int64_t)m->ram_bytes);
    say_int(reply, "plugged-memory", 0);
    return true;
}

bool cmd_query_machines(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (const MachineClass *const *c = machine_classes; *c; c++) {
        object_start(&one);
        say(&one, "name", (*c)->name);
        if ((*c)->alias) {
            say(&one, "alias", (*c)->alias);
        }
        if (c == machine_classes) {
            say_bool(&one, "is-default", true);
        }
        say_int(&one, "cpu-max", (*c)->max_cpus);
        say_bool(&one, "hotpluggable-cpus", false);
        say_bool(&one, "numa-mem-supported", false);
        say_bool(&one, "deprecated", false);
        say_bool(&one, "acpi", true);
        say(&one, "default-ram-id", "pc.ram");
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

static const char *option_type(const Field *f)
{
    return f->type == T_BOOL                     ? "boolean"
           : f->type >= T_U8 && f->type <= T_I64 ? f->flags & F_MIB ? "size" : "number"
                                                 : "string";
}

static void add_option(GVariantBuilder *list, const Entry *e)
{
    GVariantBuilder one, params, p;

    list_start(&params);
    for (const Field *f = e->fields && !(e->fields->flags & F_WHOLE) ? e->fields : NULL;
         f && f->name; f++) {
        if ((f->flags & F_CONFIG) && !(f->flags & F_REST)) {
            object_start(&p);
            say(&p, "name", f->name);
            say(&p, "type", option_type(f));
            if (f->help) {
                say(&p, "help", f->help);
            }
            list_object(&params, &p);
        }
    }
    object_start(&one);
    say(&one, "option", e->name);
    say_list(&one, "parameters", &params);
    list_object(list, &one);
}

bool cmd_query_command_line_options(Machine *m, void *args, Reply *reply, GError **err)
{
    const char     *only = ((OptionArgs *)args)->option;
    GVariantBuilder list;

    if (only && !entry_find(options, only)) {
        return fail(err, "query-command-line-options: there is no option -%s", only);
    }
    list_start(&list);
    for (const Entry *e = options; e->name; e++) {
        if (!only || !strcmp(e->name, only)) {
            add_option(&list, e);
        }
    }
    say_list(reply, "return", &list);
    return true;
}
const Field option_args[] = {
    CONFIG(OptionArgs, option, .help = "This option alone."),
    FIELD_END
};

bool cmd_query_mice(Machine *m, void *args, Reply *reply, GError **err)
{
    bool            absolute = console_is_absolute(m->console);
    GVariantBuilder list, one;

    list_start(&list);
    object_start(&one);
    say(&one, "name", absolute ? "tablet" : "mouse");
    say_int(&one, "index", 0);
    say_bool(&one, "current", true);
    say_bool(&one, "absolute", absolute);
    list_object(&list, &one);
    say_list(reply, "return", &list);
    return true;
}

bool cmd_query_chardev(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (unsigned i = 0; i < chr_count(m); i++) {
        const Chardev *c = chr_at(m, i);
        char          *where = chr_describe(c);
        object_start(&one);
        say(&one, "label", chr_label(c));
        say(&one, "filename", where);
        say_bool(&one, "frontend-open", chr_has_user(c));
        list_object(&list, &one);
        g_free(where);
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_query_chardev_backends(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;
    const char     *name;

    list_start(&list);
    for (unsigned i = 0; (name = chr_backend_name(i)); i++) {
        object_start(&one);
        say(&one, "name", name);
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

static bool whole(Reply *reply, GVariant *(*ask)(Machine *m), Machine *m)
{
    GVariantBuilder empty;

    if (ask) {
        say_value(reply, "return", ask(m));
    } else {
        list_start(&empty);
        say_list(reply, "return", &empty);
    }
    return true;
}

bool cmd_query_block(Machine *m, void *args, Reply *reply, GError **err)
{
    return whole(reply, m->hooks.query_block, m);
}

bool cmd_query_blockstats(Machine *m, void *args, Reply *reply, GError **err)
{
    return whole(
        reply,
        ((StatsArgs *)args)->query_nodes ? m->hooks.query_nodestats : m->hooks.query_blockstats, m);
}

bool cmd_query_nodes(Machine *m, void *args, Reply *reply, GError **err)
{
    return whole(reply, m->hooks.query_nodes, m);
}
const Field query_nodes_args[] = {
    CONFIG(NodesArgs, flat, .help = "Without what is below them; it never is there."),
    FIELD_END
};

bool cmd_query_pci(Machine *m, void *args, Reply *reply, GError **err)
{
    return whole(reply, m->hooks.query_pci, m);
}

bool cmd_query_audiodevs(Machine *m, void *args, Reply *reply, GError **err)
{
    return whole(reply, m->hooks.query_audiodevs, m);
}

bool cmd_query_iothreads(Machine *m, void *args, Reply *reply, GError **err)
{
    return whole(reply, NULL, m);
}

static void say_auth(GVariantBuilder *b, const char *auth, const char *vencrypt)
{
    say(b, "auth", auth);
    if (vencrypt) {
        say(b, "vencrypt", vencrypt);
    }
}

bool cmd_query_vnc_servers(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const place[] = { "host", "service", "family" };
    const char              *auth = "none", *vencrypt = NULL;
    g_autoptr(GVariant) about = NULL;
    GVariant           *found = console_viewer_about(m->console, "vnc");
    GVariantBuilder     list, one, servers, server;

    list_start(&list);
    if (found) {
        about = g_variant_ref_sink(found);
        g_variant_lookup(about, "auth", "&s", &auth);
        auth = g_str_has_prefix(auth, "vencrypt") ? "vencrypt" : auth;
        g_variant_lookup(about, "vencrypt", "&s", &vencrypt);
        object_start(&server);
        for (size_t i = 0; i < G_N_ELEMENTS(place); i++) {
            say_value(&server, place[i], g_variant_lookup_value(about, place[i], NULL));
        }
        say_bool(&server, "websocket", m->options->vnc_opts.websocket);
        say_auth(&server, auth, vencrypt);
        list_start(&servers);
        list_object(&servers, &server);
        object_start(&one);
        say(&one, "id", "default");
        say_list(&one, "server", &servers);
        say_value(&one, "clients", g_variant_lookup_value(about, "clients", NULL));
        say_auth(&one, auth, vencrypt);
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_query_vnc(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariant *about = console_viewer_about(m->console, "vnc");

    if (about) {
        GVariantDict d;
        g_variant_dict_init(&d, about);
        g_variant_dict_remove(&d, "vencrypt");              /* that is query-vnc-servers' */
        say_value(reply, "return", g_variant_dict_end(&d));
        g_variant_unref(g_variant_ref_sink(about));
    } else {
        say_bool(reply, "enabled", false);
    }
    return true;
}
