/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_features.c -- what programs ask about features: many answers are "there is none of these".
 *
 * Spec: QAPI schema of the QEMU Machine Protocol: names of members.
 * Omits: CPU hot-plug, TPMs, NUMA: their lists are empty because there are none.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/display.h"
#include "core/options.h"

bool cmd_query_nothing(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder empty;

    list_start(&empty);
    say_list(reply, "return", &empty);
    return true;
}

bool cmd_query_current_machine(Machine *m, void *args, Reply *reply, GError **err)
{
    say_bool(reply, "wakeup-suspend-support", false);
    return true;
}

bool cmd_query_hotpluggable_cpus(Machine *m, void *args, Reply *reply, GError **err)
{
    const struct Options *o = m->options;
    unsigned              threads = MAX(o->threads, 1), cores = MAX(o->cores, 1);
    g_autofree char *type = g_strdup_printf("%s-x86_64-cpu", o->cpu_model ? o->cpu_model : "max");
    GVariantBuilder       list, one, props;

    list_start(&list);
    for (unsigned i = m->vcpus->len; i-- > 0;) {
        g_autofree char *path = g_strdup_printf("/machine/unattached/cpu[%u]", i);
        object_start(&props);
        say_int(&props, "socket-id", i / (threads * cores));
        say_int(&props, "core-id", i / threads % cores);
        say_int(&props, "thread-id", i % threads);
        object_start(&one);
        say_value(&one, "props", g_variant_builder_end(&props));
        say_int(&one, "vcpus-count", 1);
        say(&one, "qom-path", path);
        say(&one, "type", type);
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_query_memdev(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (unsigned i = 0; i < m->objects->len; i++) {
        const Object *o = m->objects->pdata[i];
        if (strcmp(o->class->kind, "memory-backend")) {
            continue;
        }
        object_start(&one);
        say(&one, "id", o->id);
        for (const Field *f = o->class->fields; f->name; f++) {
            if (!strcmp(f->name, "size")) {
                say_int(&one, f->name, (int64_t)field_int(f, (const char *)o + f->offset));
            } else if (f->type == T_BOOL &&
                       (!strcmp(f->name, "merge") || !strcmp(f->name, "dump") ||
                        !strcmp(f->name, "prealloc") || !strcmp(f->name, "share"))) {
                say_bool(&one, f->name, field_int(f, (const char *)o + f->offset));
            }
        }
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_query_display_options(Machine *m, void *args, Reply *reply, GError **err)
{
    const struct Options *o = m->options;

    say(reply, "type", o->viewer ? o->viewer->name : "none");
    return true;
}

bool cmd_rtc_reset_reinjection(Machine *m, void *args, Reply *reply, GError **err)
{
    return true;                        /* ticks are not kept back: there are none to forget */
}
