/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.c -- running an Entry from text or JSON values, and printing all of them as a manual.
 *
 * Spec: none.
 * Omits: events.
 * Threads: the main thread.
 */
#include "core/schema.h"
#include "accel/accel.h"
#include "core/device.h"
#include "core/machine.h"
#include "core/version.h"
#include <stdio.h>
#include <string.h>

const Entry *entry_find(const Entry *tab, const char *name)
{
    for (const Entry *e = tab; e->name; e++) {
        if (!strcmp(e->name, name)) {
            return e;
        }
    }
    return NULL;
}

static bool run(const Entry *e, Machine *m, void *args, bool ok, GVariantBuilder *reply,
                GError **err)
{
    ok = ok && (!e->fields || fields_check(e->fields, args, err)) && e->run(m, args, reply, err);
    if (e->fields) {
        fields_clear(e->fields, args);
    }
    g_free(args);
    return ok;
}

bool entry_run_text(const Entry *e, Machine *m, const char *text, GVariantBuilder *reply,
                    GError **err)
{
    void *args = g_malloc0(MAX(e->size, 1));
    bool  ok = true;

    if (e->fields) {
        fields_defaults(e->fields, args);
        ok = fields_parse_text(e->fields, args, text ? text : "", err);
    } else if (text && *text) {
        ok = fail(err, "%s takes no argument", e->name);
    }
    return run(e, m, args, ok, reply, err);
}

/* ---- from JSON ---- */

/* What JSON calls the kind of value that belongs there; NULL: any. */
static const char *json_kind(const Field *f)
{
    switch (f->type) {
    case T_BOOL:   return "boolean";
    case T_STR:    return f->aux ? NULL : "string";
    case T_LINK:
    case T_ENUM:   return "string";
    case T_STRUCT: return "object";
    case T_LIST:   return "array";
    default:       return "integer";
    }
}

static bool is_kind(GVariant *v, const char *kind)
{
    static const struct { const char *kind, *type; } kinds[] = {
        { "boolean", "b" }, { "string", "s" }, { "integer", "x" },
        { "object", "a{sv}" }, { "array", "av" },
    };

    for (size_t i = 0; kind && i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kind, kinds[i].kind)) {
            return !strcmp(g_variant_get_type_string(v), kinds[i].type);
        }
    }
    return !kind;
}

static char *variant_text(GVariant *v)
{
    if (g_variant_is_of_type(v, G_VARIANT_TYPE_STRING)) {
        return g_variant_dup_string(v, NULL);
    }
    if (g_variant_is_of_type(v, G_VARIANT_TYPE_BOOLEAN)) {
        return g_strdup(g_variant_get_boolean(v) ? "on" : "off");
    }
    return g_variant_print(v, FALSE);
}

static bool set_members(const Field *tab, void *obj, GVariant *values, GError **err);

/* A list of objects. */
static bool set_list(const Field *f, GPtrArray **list, GVariant *values, GError **err)
{
    bool ok = true;

    if (*list) {
        return fail(err, "Parameter '%s' is there twice", f->name);
    }
    *list = g_ptr_array_new();
    for (gsize i = 0; ok && i < g_variant_n_children(values); i++) {
        GVariant *boxed = g_variant_get_child_value(values, i),
                 *item = g_variant_get_variant(boxed);
        void     *obj = g_malloc0(f->stride);
        g_ptr_array_add(*list, obj);
        fields_defaults(f->aux, obj);
        ok = is_kind(item, "object")
                 ? set_members(f->aux, obj, item, err) && fields_check(f->aux, obj, err)
                 : fail(err, "Invalid parameter type for '%s', expected: object", f->name);
        g_variant_unref(item);
        g_variant_unref(boxed);
    }
    return ok;
}

static bool set_strings(const Field *f, const Field *tab, void *obj, GVariant *values, GError **err)
{
    bool ok = true;

    for (gsize i = 0; ok && i < g_variant_n_children(values); i++) {
        GVariant *boxed = g_variant_get_child_value(values, i),
                 *item = g_variant_get_variant(boxed);
        ok = is_kind(item, "string")
                 ? field_parse(tab, obj, f->name, g_variant_get_string(item, NULL), err)
                 : fail(err, "Invalid parameter type for '%s[%u]', expected: string", f->name,
                        (unsigned)i);
        g_variant_unref(item);
        g_variant_unref(boxed);
    }
    return ok;
}

static bool is_choice(const Field *f, const char *text)
{
    const char *const *names = f->aux;

    while (*names && strcmp(*names, text)) {
        names++;
    }
    return *names && strcmp(text, "-");
}

/* A property that F_REST takes: an object's members get dotted names. */
static bool set_rest(const Field *tab, void *obj, const char *key, GVariant *v, GError **err)
{
    GVariantIter it;
    const char  *name;
    GVariant    *item;
    bool         ok = true;

    if (!is_kind(v, "object")) {
        g_autofree char *text = variant_text(v);
        return !is_kind(v, "array")
                   ? field_parse(tab, obj, key, text, err)
                   : fail(err, "Invalid parameter type for '%s', expected: a plain value", key);
    }
    g_variant_iter_init(&it, v);
    while (ok && g_variant_iter_next(&it, "{&sv}", &name, &item)) {
        g_autofree char *full = g_strdup_printf("%s.%s", key, name);
        ok = set_rest(tab, obj, full, item, err);
        g_variant_unref(item);
    }
    return ok;
}

static bool takes_rest(const Field *tab)
{
    for (; tab->name; tab++) {
        if (tab->flags & F_REST) {
            return true;
        }
    }
    return false;
}

static bool set_member(const Field *tab, void *obj, const char *key, GVariant *v, GError **err)
{
    const Field     *f = field_find(tab, key);
    g_autofree char *text = NULL;

    if (!f || !(f->flags & F_CONFIG) || (f->flags & F_REST)) {
        return takes_rest(tab) ? set_rest(tab, obj, key, v, err)
                               : fail(err, "Parameter '%.200s' is unexpected", key);
    }
    if (!is_kind(v, json_kind(f))) {
        return fail(err, "Invalid parameter type for '%s', expected: %s", key, json_kind(f));
    }
    if (f->type == T_LIST && f->aux) {
        return set_list(f, (GPtrArray **)(void *)((char *)obj + f->offset), v, err);
    }
    if (f->type == T_LIST) {
        return set_strings(f, tab, obj, v, err);
    }
    if (f->type == T_STRUCT) {
        return set_members(f->aux, (char *)obj + f->offset, v, err);
    }
    if (g_variant_is_container(v)) {
        return fail(err, "Invalid parameter type for '%s', expected: a plain value", key);
    }
    text = variant_text(v);
    if (f->type == T_ENUM && !is_choice(f, text)) {
        return fail(err, "Parameter '%s' does not accept value '%.200s'", key, text);
    }
    if (f->flags & F_MIB) {             /* a number of bytes, here */
        field_set_int(f, (char *)obj + f->offset, (uint64_t)g_variant_get_int64(v));
        return true;
    }
    return field_parse(tab, obj, key, text, err);
}

static bool set_members(const Field *tab, void *obj, GVariant *values, GError **err)
{
    GVariantIter it;
    const char  *key;
    GVariant    *v;
    bool         ok = true;

    for (const Field *f = tab; f->name; f++) {
        v = f->flags & F_REQUIRED ? g_variant_lookup_value(values, f->name, NULL) : NULL;
        if ((f->flags & F_REQUIRED) && !v) {
            return fail(err, "Parameter '%s' is missing", f->name);
        }
        g_clear_pointer(&v, g_variant_unref);
    }
    g_variant_iter_init(&it, values);
    while (ok && g_variant_iter_next(&it, "{&sv}", &key, &v)) {
        ok = set_member(tab, obj, key, v, err);
        g_variant_unref(v);
    }
    return ok;
}

bool entry_run_json(const Entry *e, Machine *m, GVariant *values, GVariantBuilder *reply,
                    GError **err)
{
    static const Field nothing[] = { FIELD_END };
    void     *args = g_malloc0(MAX(e->size, 1));
    GVariant *given =
        values ? g_variant_ref(values)
               : g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    bool      ok;

    if (e->fields) {
        fields_defaults(e->fields, args);
    }
    ok = set_members(e->fields ? e->fields : nothing, args, given, err);
    g_variant_unref(given);
    return run(e, m, args, ok, reply, err);
}

/* ---- the printed forms ---- */

static char *range_text(const Field *f)
{
    GString *s = g_string_new(NULL);

    if (f->type == T_ENUM) {
        const char *const *names = f->aux;
        for (unsigned i = 0; names[i]; i++) {
            if (strcmp(names[i], "-")) {
                g_string_append_printf(s, "%s%s", s->len ? "|" : "", names[i]);
            }
        }
    } else if (f->type == T_BOOL) {
        g_string_append(s, "on|off");
    } else if (f->type == T_STR || f->type == T_LIST) {
        g_string_append(s, "TEXT");
    } else if (f->type == T_LINK) {
        g_string_append_printf(s, "%s id", f->aux ? (const char *)f->aux : "device");
    } else if (f->max) {
        g_string_append_printf(s, "%" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT, f->min, f->max);
    } else {
        g_string_append(s, "NUMBER");
    }
    return g_string_free(s, FALSE);
}

static void md_fields(const Field *tab)
{
    for (const Field *f = tab; f && f->name; f++) {
        char *range;
        if (!(f->flags & F_CONFIG) || (f->flags & F_REST)) {
            continue;
        }
        range = range_text(f);
        printf("    - `%s=`%s %s\n", f->name, range, f->help ? f->help : "");
        g_free(range);
    }
}

static void md_entries(const char *title, const char *dash, const Entry *tab)
{
    printf("\n## %s\n\n", title);
    for (const Entry *e = tab; e->name; e++) {
        printf("- `%s%s` %s\n", dash, e->name, e->help);
        if (e->fields && !(e->fields->flags & F_WHOLE)) {
            md_fields(e->fields);
        }
    }
}

static void print_md(void)
{
    printf("# Ryokan %s: reference\n\nGenerated by `ryokan --schema=md` from the program's own "
           "tables.\n",
           RYOKAN_VERSION);
    md_entries("Options", "-", options);
    md_entries("Monitor commands", "", commands);
    printf("\n## Accelerators\n\n");
    for (const AccelOps *const *a = accels; *a; a++) {
        printf("- `%s` %s\n", (*a)->name, (*a)->desc);
        md_fields((*a)->fields);
    }
    printf("\n## Machines\n\n");
    for (const MachineClass *const *c = machine_classes; *c; c++) {
        printf("- `%s` %s\n", (*c)->name, (*c)->desc);
        md_fields((*c)->fields);
    }
    printf("\n## Devices\n\n");
    for (const DeviceClass *const *c = device_classes; *c; c++) {
        printf("- `%s` (bus %s) %s. Implements: %s.\n", (*c)->name, (*c)->bus ? (*c)->bus : "none",
               (*c)->desc, (*c)->spec);
        md_fields((*c)->fields);
    }
}

static void man_fields(const Field *tab)
{
    for (const Field *f = tab; f && f->name; f++) {
        char *range;
        if (!(f->flags & F_CONFIG) || (f->flags & F_REST)) {
            continue;
        }
        range = range_text(f);
        printf(".RS\n.TP\n.B %s=\\fI%s\\fR\n%s\n.RE\n", f->name, range, f->help ? f->help : "");
        g_free(range);
    }
}

static void print_man(void)
{
    printf(".TH RYOKAN 1 \"\" \"Ryokan %s\"\n.SH NAME\nryokan \\- a full-system emulator\n"
           ".SH SYNOPSIS\n.B ryokan\n[\\fIoption\\fR ...]\n.SH OPTIONS\n", RYOKAN_VERSION);
    for (const Entry *e = options; e->name; e++) {
        printf(".TP\n.B \\-%s%s\n%s\n", e->name, e->fields ? " \\fIvalue\\fR" : "", e->help);
        if (e->fields && !(e->fields->flags & F_WHOLE)) {
            man_fields(e->fields);
        }
    }
    printf(".SH MONITOR\n");
    for (const Entry *e = commands; e->name; e++) {
        printf(".TP\n.B %s\n%s\n", e->name, e->help);
    }
}

static void json_text(const char *s)
{
    putchar('"');
    for (; s && *s; s++) {
        if (*s == '"' || *s == '\\') {
            putchar('\\');
        }
        putchar(*s);
    }
    putchar('"');
}

static void json_fields(const Field *tab)
{
    bool first = true;

    printf("[");
    for (const Field *f = tab; f && f->name; f++) {
        char *range;
        if (!(f->flags & F_CONFIG) || (f->flags & F_REST)) {
            continue;
        }
        range = range_text(f);
        printf("%s{\"name\":", first ? "" : ",");
        json_text(f->name);
        printf(",\"values\":");
        json_text(range);
        printf(",\"help\":");
        json_text(f->help);
        printf("}");
        first = false;
        g_free(range);
    }
    printf("]");
}

static void json_item(bool first, const char *name, const char *help, const Field *tab)
{
    printf("%s\n  {\"name\":", first ? "" : ",");
    json_text(name);
    printf(",\"help\":");
    json_text(help);
    printf(",\"fields\":");
    json_fields(tab);
    printf("}");
}

static void print_json(void)
{
    printf("{\"version\":\"%s\",\n\"options\":[", RYOKAN_VERSION);
    for (const Entry *e = options; e->name; e++) {
        json_item(e == options, e->name, e->help, e->fields);
    }
    printf("],\n\"commands\":[");
    for (const Entry *e = commands; e->name; e++) {
        json_item(e == commands, e->name, e->help, e->fields);
    }
    printf("],\n\"devices\":[");
    for (const DeviceClass *const *c = device_classes; *c; c++) {
        json_item(c == device_classes, (*c)->name, (*c)->desc, (*c)->fields);
    }
    printf("]}\n");
}

bool schema_print(const char *format)
{
    if (!strcmp(format, "md")) {
        print_md();
    } else if (!strcmp(format, "man")) {
        print_man();
    } else if (!strcmp(format, "json")) {
        print_json();
    } else {
        return false;
    }
    return true;
}
