/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_cpu.c -- what programs ask about CPU models: which there are, and what each is made of.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "machine-target": CpuDefinitionInfo,
 *   query-cpu-model-expansion.
 * Omits: query-cpu-model-comparison and -baseline, which QEMU has for s390x alone.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/vcpu.h"

static void add_cpu_definition(GVariantBuilder *list, const char *name, const char *alias_of,
                               const CpuDefinition *d)
{
    g_auto(GStrv) missing = g_strsplit(d->missing, " ", 0);
    g_autofree char *type = g_strdup_printf("%s-x86_64-cpu", name);
    GVariantBuilder one, names;

    g_variant_builder_init(&names, G_VARIANT_TYPE("av"));
    for (unsigned i = 0; missing[i]; i++) {
        g_variant_builder_add(&names, "v", g_variant_new_string(missing[i]));
    }
    g_variant_builder_init(&one, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&one, "{sv}", "name", g_variant_new_string(name));
    g_variant_builder_add(&one, "{sv}", "typename", g_variant_new_string(type));
    g_variant_builder_add(&one, "{sv}", "static", g_variant_new_boolean(FALSE));
    g_variant_builder_add(&one, "{sv}", "deprecated", g_variant_new_boolean(FALSE));
    g_variant_builder_add(&one, "{sv}", "migration-safe", g_variant_new_boolean(d->version != 0));
    g_variant_builder_add(&one, "{sv}", "unavailable-features", g_variant_builder_end(&names));
    if (alias_of) {
        g_variant_builder_add(&one, "{sv}", "alias-of", g_variant_new_string(alias_of));
    }
    g_variant_builder_add(list, "v", g_variant_builder_end(&one));
}

bool cmd_query_cpu_definitions(Machine *m, void *args, Reply *reply, GError **err)
{
    const struct CpuOps *ops = m->class ? m->class->cpu : NULL;
    GVariantBuilder list;
    CpuDefinition d;

    g_variant_builder_init(&list, G_VARIANT_TYPE("av"));
    for (unsigned i = 0; ops && ops->definition && ops->definition(i, &d); i++) {
        g_autofree char *numbered = g_strdup_printf("%s-v%u", d.name, d.version);
        if (d.version <= 1) {
            add_cpu_definition(&list, d.name, d.version ? numbered : NULL, &d);
        } else if (d.alias) {
            add_cpu_definition(&list, d.alias, numbered, &d);
        }
        if (d.version) {
            add_cpu_definition(&list, numbered, NULL, &d);
        }
    }
    g_variant_builder_add(reply, "{sv}", "return", g_variant_builder_end(&list));
    return true;
}

/* ---- expansion ---- */


static const char *const expansions[] = { "static", "full", NULL };
static const Field props_fields[] = {
    FIELD_AS_(CpuModel, props, T_LIST, F_CONFIG | F_REST, 1, .help = "Properties."),
    FIELD_END
};
static const Field model_fields[] = {
    FIELD_(CpuModel, name, F_CONFIG | F_REQUIRED, 1, .help = "Its name, as -cpu takes it."),
    { .name = "props", .type = T_STRUCT, .flags = F_CONFIG, .count = 1, .stride = sizeof(CpuModel),
      .aux = props_fields, .help = "Properties that it is to have besides." },
    FIELD_END
};
const Field expansion_args[] = {
    FIELD_AS_(ExpansionArgs, type, T_ENUM, F_CONFIG | F_REQUIRED, 1, .aux = expansions,
              .help = "static: as model base with properties; full: with all that can be said."),
    FIELD_AS_(ExpansionArgs, model, T_STRUCT, F_CONFIG | F_REQUIRED, 1, .stride = sizeof(CpuModel),
              .aux = model_fields, .help = "The model."),
    FIELD_END
};

bool cmd_query_cpu_model_expansion(Machine *m, void *args, Reply *reply, GError **err)
{
    const ExpansionArgs *a = args;
    const struct CpuOps *ops = m->class ? m->class->cpu : NULL;
    bool                 full = a->type == 1;
    GVariantBuilder      model;
    GVariant            *props;

    if (!ops || !ops->expand) {
        return fail(err, "query-cpu-model-expansion: this machine has no CPU models");
    }
    if (!(props = ops->expand(m, a->model.name, a->model.props, full, err))) {
        return false;
    }
    object_start(&model);
    say(&model, "name", full ? a->model.name : "base");
    say_value(&model, "props", props);
    say_value(reply, "model", g_variant_builder_end(&model));
    return true;
}
