/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * object.c -- the list of objects, and the commands that make and end them.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "qom".
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/object.h"
#include "core/commands.h"
#include "core/trace.h"

#define OBJECT(name) extern const ObjectClass name##_object;
#include "core/objects/objects.def"
#undef OBJECT
#define OBJECT(name) &name##_object,
const ObjectClass *const object_classes[] = {
#include "core/objects/objects.def"
    NULL
};

const ObjectClass *object_class_find(const char *name)
{
    for (const ObjectClass *const *c = object_classes; *c; c++) {
        if (!strcmp((*c)->name, name)) {
            return *c;
        }
    }
    return NULL;
}

static void free_object(Object *o)
{
    if (o->class->destroy) {
        o->class->destroy(o);
    }
    fields_clear(o->class->fields, o);
    g_free(o->id);
    g_free(o);
}

static bool set_up(Object *o, const GPtrArray *props, GError **err)
{
    GError *why = NULL;
    bool    ok = true;

    fields_defaults(o->class->fields, o);
    for (unsigned i = 0; ok && props && i < props->len; i++) {
        const OptPair *p = props->pdata[i];
        ok = field_parse(o->class->fields, o, p->key, p->val, &why);
    }
    ok = ok && fields_check(o->class->fields, o, &why) &&
         (!o->class->create || o->class->create(o, &why));
    if (!ok) {
        fail(err, "object %s \"%s\": %s", o->class->name, o->id, why->message);
        g_error_free(why);
    }
    return ok;
}

Object *object_new(Machine *m, const char *type, const char *id, const GPtrArray *props,
                   GError **err)
{
    const ObjectClass *class = object_class_find(type);
    Object            *o;

    if (!class) {
        fail(err,
             "Invalid parameter '%.200s': there is no such kind of object; \"-object help\" lists "
             "those there are",
             type);
        return NULL;
    }
    if (object_find(m, NULL, id)) {
        fail(err, "attempt to add duplicate property '%.200s' to object: this id is taken", id);
        return NULL;
    }
    o = g_malloc0(class->size);
    o->class = class;
    o->id = g_strdup(id);
    o->machine = m;
    if (!set_up(o, props, err)) {
        free_object(o);
        return NULL;
    }
    trace_object_new(type, id);
    g_ptr_array_add(m->objects, o);
    return o;
}

void *object_find(Machine *m, const char *kind, const char *id)
{
    for (unsigned i = 0; i < m->objects->len; i++) {
        Object *o = m->objects->pdata[i];
        if (!strcmp(o->id, id) && (!kind || !strcmp(o->class->kind, kind))) {
            return o;
        }
    }
    return NULL;
}

bool object_del(Machine *m, const char *id, GError **err)
{
    Object *o = object_find(m, NULL, id);

    if (!o) {
        return fail(err, "object '%.200s' not found", id);
    }
    if (o->users) {
        return fail(err, "object '%.200s' is in use, can not be deleted", id);
    }
    trace_object_del(id);
    g_ptr_array_remove(m->objects, o);
    free_object(o);
    return true;
}

static void *find_rng(Machine *m, const char *id)
{
    return object_find(m, "rng", id);
}

void objects_init(Machine *m)
{
    m->objects = g_ptr_array_new();
    device_link_kind(m, "rng", find_rng);
}

void objects_free(Machine *m)
{
    while (m->objects->len) {
        free_object(g_ptr_array_steal_index(m->objects, m->objects->len - 1));
    }
    g_ptr_array_free(m->objects, TRUE);
}

/* ---- commands ---- */

bool cmd_object_add(Machine *m, void *args, Reply *reply, GError **err)
{
    const ObjectArgs *a = args;

    return (a->id || fail(err, "Parameter 'id' is missing")) &&
           object_new(m, a->type, a->id, a->rest, err) != NULL;
}

bool cmd_object_del(Machine *m, void *args, Reply *reply, GError **err)
{
    return object_del(m, ((IdArgs *)args)->id, err);
}

const Field object_add_args[] = {
    { .name = "qom-type", .type = T_STR, .flags = F_CONFIG | F_REQUIRED, .count = 1,
      .offset = offsetof(ObjectArgs, type), .help = "What kind of object." },
    CONFIG(ObjectArgs, id, .help = "Its name."),
    FIELD_AS_(ObjectArgs, rest, T_LIST, F_CONFIG | F_REST, 1, .help = "Properties."),
    FIELD_END
};
