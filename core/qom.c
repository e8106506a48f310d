/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qom.c -- the machine as a tree of objects with properties, as programs that know QOM walk it;
 * read from Field tables.
 *
 *   /machine                          the machine type, its properties
 *   /machine/peripheral/ID            devices that were given an id
 *   /machine/unattached/device[N]     the others, in order of creation
 *   /machine/unattached/cpu[N]        virtual CPUs
 *   /chardevs/ID                      character devices
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "qom".
 * Omits: paths relative to the root without a leading slash; objects inside devices; interfaces.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "accel/accel.h"
#include "core/chardev.h"
#include "core/vcpu.h"

typedef enum { Q_ROOT, Q_MACHINE, Q_PERIPHERAL, Q_ANON, Q_UNATTACHED, Q_CHARDEVS, Q_DEVICE, Q_CPU,
               Q_CHARDEV } QomKind;
typedef struct QomObject {
    QomKind      kind;
    Device      *dev;
    Chardev     *chr;
    const Field *fields;              /* properties, of obj; or NULL */
    const void  *obj;
    char         type[80];
} QomObject;

static const struct { const char *path; QomKind kind; const char *type; } fixed[] = {
    { "", Q_ROOT, "container" }, { "/machine", Q_MACHINE, "" },
    { "/machine/peripheral", Q_PERIPHERAL, "container" },
    { "/machine/peripheral-anon", Q_ANON, "container" },
    { "/machine/unattached", Q_UNATTACHED, "container" },
    { "/chardevs", Q_CHARDEVS, "container" },
};

static void of_device(QomObject *o, Device *d)
{
    *o = (QomObject){ .kind = Q_DEVICE, .dev = d, .fields = d->class->fields, .obj = d };
    g_strlcpy(o->type, d->class->name, sizeof(o->type));
}

static bool numbered(const char *path, const char *head, unsigned n, unsigned *out)
{
    char *end;

    if (!g_str_has_prefix(path, head)) {
        return false;
    }
    guint64 i = g_ascii_strtoull(path + strlen(head), &end, 10);
    *out = (unsigned)i;
    return end != path + strlen(head) && !strcmp(end, "]") && i < n;
}

static bool find_fixed(Machine *m, const char *path, QomObject *o)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        if (!strcmp(path, fixed[i].path)) {
            *o = (QomObject){ .kind = fixed[i].kind };
            g_strlcpy(o->type, fixed[i].type, sizeof(o->type));
            if (o->kind == Q_MACHINE) {
                g_snprintf(o->type, sizeof(o->type), "%s-machine", m->class->name);
                o->fields = m->class->fields;
                o->obj = m->machine_data;
            }
            return true;
        }
    }
    return false;
}

static bool find(Machine *m, const char *given, QomObject *o, GError **err)
{
    static const char peripheral[] = "/machine/peripheral/", chardevs[] = "/chardevs/";
    size_t            n = strlen(given);
    g_autofree char  *path = g_strndup(given, n && given[n - 1] == '/' ? n - 1 : n);
    unsigned          i;
    Device           *d;

    if (find_fixed(m, path, o)) {
        return true;
    }
    if (numbered(path, "/machine/unattached/device[", m->devices->len, &i)) {
        of_device(o, m->devices->pdata[i]);
        return true;
    }
    if (numbered(path, "/machine/unattached/cpu[", m->vcpus->len, &i)) {
        *o = (QomObject){ .kind = Q_CPU };
        g_snprintf(o->type, sizeof(o->type), "%s-cpu", ((Vcpu *)m->vcpus->pdata[i])->cpu_ops->name);
        return true;
    }
    if (g_str_has_prefix(path, peripheral) && (d = device_find(m, path + strlen(peripheral)))) {
        of_device(o, d);
        return true;
    }
    if (g_str_has_prefix(path, chardevs) && chr_find(m, path + strlen(chardevs))) {
        *o = (QomObject){ .kind = Q_CHARDEV, .chr = chr_find(m, path + strlen(chardevs)) };
        g_snprintf(o->type, sizeof(o->type), "chardev-%s", chr_kind(o->chr));
        return true;
    }
    if (*given != '/' && (d = device_find(m, given))) {
        of_device(o, d);
        return true;
    }
    return fail_not_found(err, "Device '%.200s' not found", given);
}

/* ---- values ---- */

static const char *type_name(const Field *f, char buf[60])
{
    static const char *const names[] = {
        [T_BOOL] = "bool", [T_U8] = "uint8", [T_U16] = "uint16",
        [T_U32] = "uint32", [T_U64] = "uint64", [T_I32] = "int32",
        [T_I64] = "int64", [T_STR] = "str", [T_ENUM] = "str",
    };

    if (f->type == T_LINK) {
        g_snprintf(buf, 60, "link<%.40s>", f->aux ? (const char *)f->aux : "device");
        return buf;
    }
    return f->type < G_N_ELEMENTS(names) && names[f->type] ? names[f->type] : "str";
}

static bool is_property(const Field *f)
{
    return (f->flags & F_CONFIG) && !(f->flags & F_REST) && f->count <= 1;
}

static GVariant *value_of(const Field *f, const void *obj)
{
    const void *p = (const char *)obj + f->offset;
    char       *text;
    GVariant   *v;

    if (f->type == T_BOOL) {
        return g_variant_new_boolean(field_int(f, p) != 0);
    }
    if (f->type >= T_U8 && f->type <= T_I64) {
        return g_variant_new_int64((int64_t)field_int(f, p));
    }
    text = field_print(f, obj);
    v = g_variant_new_string(text ? text : "");
    g_free(text);
    return v;
}

static void add_property(GVariantBuilder *list, const char *name, const char *type,
                         const char *help)
{
    GVariantBuilder one;

    object_start(&one);
    say(&one, "name", name);
    say(&one, "type", type);
    if (help) {
        say(&one, "description", help);
    }
    list_object(list, &one);
}

static void add_fields(GVariantBuilder *list, const Field *tab, bool with_help)
{
    char buf[60];

    for (const Field *f = tab; f && f->name; f++) {
        if (is_property(f)) {
            add_property(list, f->name, type_name(f, buf), with_help ? f->help : NULL);
        }
    }
}

static void add_child(GVariantBuilder *list, const char *name, const char *type)
{
    g_autofree char *child = g_strdup_printf("child<%s>", type);

    add_property(list, name, child, NULL);
}

static void add_devices(Machine *m, GVariantBuilder *list, bool with_id)
{
    for (unsigned i = 0; i < m->devices->len; i++) {
        const Device    *d = m->devices->pdata[i];
        g_autofree char *name = with_id ? g_strdup(d->id) : g_strdup_printf("device[%u]", i);
        if (with_id == (d->id != NULL)) {
            add_child(list, name, d->class->name);
        }
    }
}

static void add_cpus(Machine *m, GVariantBuilder *list)
{
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        g_autofree char *name = g_strdup_printf("cpu[%u]", i);
        g_autofree char *type =
            g_strdup_printf("%s-cpu", ((Vcpu *)m->vcpus->pdata[i])->cpu_ops->name);
        add_child(list, name, type);
    }
}

static void add_chardevs(Machine *m, GVariantBuilder *list)
{
    for (unsigned i = 0; i < chr_count(m); i++) {
        const Chardev   *c = chr_at(m, i);
        g_autofree char *type = g_strdup_printf("chardev-%s", chr_kind(c));
        if (chr_has_id(c)) {
            add_child(list, chr_label(c), type);
        }
    }
}

bool cmd_qom_list(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list;
    QomObject       o;

    if (!find(m, ((QomArgs *)args)->path, &o, err)) {
        return false;
    }
    list_start(&list);
    add_property(&list, "type", "string", NULL);
    switch (o.kind) {
    case Q_ROOT:
        add_child(&list, "machine", m->class->name);
        add_child(&list, "chardevs", "container");
        break;
    case Q_MACHINE:
        add_child(&list, "peripheral", "container");
        add_child(&list, "peripheral-anon", "container");
        add_child(&list, "unattached", "container");
        break;
    case Q_PERIPHERAL: add_devices(m, &list, true); break;
    case Q_UNATTACHED: add_devices(m, &list, false); add_cpus(m, &list); break;
    case Q_CHARDEVS:   add_chardevs(m, &list); break;
    case Q_DEVICE:     add_property(&list, "realized", "bool", NULL); break;
    default:           break;
    }
    add_fields(&list, o.fields, false);
    say_list(reply, "return", &list);
    return true;
}

bool cmd_qom_get(Machine *m, void *args, Reply *reply, GError **err)
{
    const QomArgs *a = args;
    const Field   *f;
    GVariant      *v;
    QomObject      o;

    if (!find(m, a->path, &o, err)) {
        return false;
    }
    f = field_find(o.fields, a->property);
    if (!strcmp(a->property, "type")) {
        say(reply, "return", o.type);
    } else if (o.dev && !strcmp(a->property, "realized")) {
        say_bool(reply, "return", o.dev->realized);
    } else if (f && is_property(f) && o.obj) {
        say_value(reply, "return", value_of(f, o.obj));
    } else if (o.dev && o.dev->class->get && (v = o.dev->class->get(o.dev, a->property))) {
        say_value(reply, "return", v);
    } else {
        return fail(err, "Property '%s.%.200s' not found", o.type, a->property);
    }
    return true;
}

/* What a realized device has been built from stays as it is. */
bool cmd_qom_set(Machine *m, void *args, Reply *reply, GError **err)
{
    const QomArgs *a = args;
    const Field   *f;
    QomObject      o;

    if (!find(m, a->path, &o, err)) {
        return false;
    }
    f = field_find(o.fields, a->property);
    if (!f || !is_property(f)) {
        return fail(err, "Property '%s.%.200s' not found", o.type, a->property);
    }
    if (!(f->flags & F_LIVE)) {
        return fail(err,
                    "qom-set %s: property \"%s\" of %s can be set only before it is made, with "
                    "-device or -machine",
                    a->path, f->name, o.type);
    }
    if (!field_parse(o.fields, (void *)o.obj, f->name, a->value, err)) {
        return false;
    }
    if (o.dev && o.dev->class->changed) {
        o.dev->class->changed(o.dev);
    }
    return true;
}

/* ---- types ---- */

static void add_type(GVariantBuilder *list, const char *name, const char *parent,
                     const TypesArgs *a)
{
    GVariantBuilder one;

    if (a->implements && strcmp(a->implements, parent) && strcmp(a->implements, name) &&
        strcmp(a->implements, "object")) {
        return;
    }
    object_start(&one);
    say(&one, "name", name);
    say(&one, "parent", parent);
    list_object(list, &one);
}

bool cmd_qom_list_types(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list;

    list_start(&list);
    for (const DeviceClass *const *c = device_classes; *c; c++) {
        add_type(&list, (*c)->name, "device", args);
    }
    for (const MachineClass *const *c = machine_classes; *c; c++) {
        g_autofree char *name = g_strdup_printf("%s-machine", (*c)->name);
        add_type(&list, name, "machine", args);
    }
    for (const AccelOps *const *c = accels; *c; c++) {
        g_autofree char *name = g_strdup_printf("%s-accel", (*c)->name);
        add_type(&list, name, "accel", args);
        if (!strcmp((*c)->name, "dbt")) {
            /* the name that -accel takes as well */
            add_type(&list, "tcg-accel", "accel", args);
        }
    }
    for (const ObjectClass *const *c = object_classes; *c; c++) {
        add_type(&list, (*c)->name, (*c)->kind, args);
    }
    say_list(reply, "return", &list);
    return true;
}

static bool list_properties(const char *type, bool machines, Reply *reply, GError **err)
{
    const DeviceClass *c = device_class_find(type);
    const Field       *tab = c ? c->fields : NULL;
    bool               found = c != NULL;
    GVariantBuilder    list;

    for (const MachineClass *const *k = machine_classes; machines && !found && *k; k++) {
        g_autofree char *name = g_strdup_printf("%s-machine", (*k)->name);
        found = !strcmp(name, type);
        tab = found ? (*k)->fields : NULL;
    }
    if (!found && machines && object_class_find(type)) {
        found = true;
        tab = object_class_find(type)->fields;
    }
    if (!found) {
        return fail_not_found(err, "Device '%.200s' not found", type);
    }
    list_start(&list);
    add_fields(&list, tab, true);
    say_list(reply, "return", &list);
    return true;
}

bool cmd_qom_list_properties(Machine *m, void *args, Reply *reply, GError **err)
{
    return list_properties(((QomArgs *)args)->path, true, reply, err);
}

bool cmd_device_list_properties(Machine *m, void *args, Reply *reply, GError **err)
{
    return list_properties(((QomArgs *)args)->path, false, reply, err);
}

const Field qom_list_args[] = {
    FIELD_(QomArgs, path, F_CONFIG | F_REQUIRED, 1,
           .help = "The object: /machine, /machine/peripheral/ID ..."),
    FIELD_END
};
const Field typename_args[] = {
    { .name = "typename", .type = T_STR, .flags = F_CONFIG | F_REQUIRED, .count = 1,
      .offset = offsetof(QomArgs, path), .help = "Device or machine type." },
    FIELD_END
};
const Field qom_get_args[] = {
    FIELD_(QomArgs, path, F_CONFIG | F_REQUIRED, 1, .help = "The object."),
    FIELD_(QomArgs, property, F_CONFIG | F_REQUIRED, 1, .help = "Its property."),
    FIELD_END
};
const Field qom_set_args[] = {
    FIELD_(QomArgs, path, F_CONFIG | F_REQUIRED, 1, .help = "The object."),
    FIELD_(QomArgs, property, F_CONFIG | F_REQUIRED, 1, .help = "Its property."),
    FIELD_(QomArgs, value, F_CONFIG | F_REQUIRED, 1, .aux = "any", .help = "What it is to be."),
    FIELD_END
};
const Field types_args[] = {
    CONFIG(TypesArgs, implements, .help = "Only types of this kind: device or machine."),
    CONFIG(TypesArgs, abstract, .help = "Abstract types as well; there are none."),
    FIELD_END
};
