/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_schema.c -- query-qmp-schema: commands, their arguments and answers, and events, from the
 * tables that run them.
 *
 * An argument's type is that of its Field.  An answer's is its shape, in commands.def:
 *
 *   str int bool any                    [TYPE] a list
 *   (one|two) an enumeration            {name:TYPE,?name:TYPE} an object; ?: may be missing
 *
 * Spec: QAPI's introspection (docs/devel/qapi-code-gen, "Client JSON Protocol introspection").
 * Omits: variants but those of object-add: other objects whose members depend on another list all
 *   of them as optional; features.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/qmp.h"

typedef struct Schema {
    GVariantBuilder list;
    unsigned        next;             /* number of the next type without a name of its own */
    GHashTable     *known;            /* a shape, or an array's element: the name of its type */
    const char     *p;                /* what is being read of a shape */
} Schema;

static const struct { const char *name, *json; } builtins[] = {
    { "str", "string" }, { "int", "int" }, { "bool", "boolean" }, { "any", "value" },
};

static void entry_start(GVariantBuilder *b, const char *name, const char *meta)
{
    object_start(b);
    say(b, "name", name);
    say(b, "meta-type", meta);
}

static char *new_name(Schema *s)
{
    return g_strdup_printf("%u", s->next++);
}

static void member(GVariantBuilder *members, const char *name, const char *type, bool optional)
{
    GVariantBuilder b;

    object_start(&b);
    say(&b, "name", name);
    say(&b, "type", type);
    if (optional) {
        say_value(&b, "default", g_variant_new_tuple(NULL, 0));
    }
    list_object(members, &b);
}

static char *object_type(Schema *s, GVariantBuilder *members)
{
    GVariantBuilder b;
    char           *name = new_name(s);

    entry_start(&b, name, "object");
    say_list(&b, "members", members);
    list_object(&s->list, &b);
    return name;
}

/* Takes element. */
static char *array_type(Schema *s, char *element)
{
    GVariantBuilder b;
    char           *name = g_strdup_printf("[%s]", element);

    if (g_hash_table_add(s->known, g_strdup(name))) {
        entry_start(&b, name, "array");
        say(&b, "element-type", element);
        list_object(&s->list, &b);
    }
    g_free(element);
    return name;
}

static char *enum_type(Schema *s, char **names)
{
    GVariantBuilder b, values, members, one;
    char           *name = new_name(s);

    list_start(&values);
    list_start(&members);
    for (char **n = names; *n; n++) {
        if (!strcmp(*n, "-")) {         /* not given */
            continue;
        }
        g_variant_builder_add(&values, "v", g_variant_new_string(*n));
        object_start(&one);
        say(&one, "name", *n);
        list_object(&members, &one);
    }
    entry_start(&b, name, "enum");
    say_list(&b, "values", &values);
    say_list(&b, "members", &members);
    list_object(&s->list, &b);
    return name;
}

/* ---- shapes ---- */

static char *shape_type(Schema *s);

static char *shape_word(Schema *s)
{
    size_t n = strspn(s->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@");
    char  *word = g_strndup(s->p, n);

    s->p += n;
    return word;
}

static char *shape_object(Schema *s)
{
    GVariantBuilder members;

    list_start(&members);
    while (*s->p && *s->p != '}') {
        bool  optional = *s->p == '?';
        char *name, *type;
        s->p += optional;
        name = shape_word(s);
        g_assert(*s->p == ':');
        s->p++;
        type = shape_type(s);
        member(&members, name, type, optional);
        g_free(name);
        g_free(type);
        s->p += *s->p == ',';
    }
    s->p++;
    return object_type(s, &members);
}

static char *shape_enum(Schema *s)
{
    size_t n = strcspn(s->p, ")");
    char *text = g_strndup(s->p, n), **names = g_strsplit(text, "|", -1),
         *type = enum_type(s, names);

    s->p += n + 1;
    g_strfreev(names);
    g_free(text);
    return type;
}

static char *shape_type(Schema *s)
{
    char *t;

    switch (*s->p) {
    case '[':
        s->p++;
        t = array_type(s, shape_type(s));
        g_assert(*s->p == ']');
        s->p++;
        return t;
    case '{': s->p++; return shape_object(s);
    case '(': s->p++; return shape_enum(s);
    default:  return shape_word(s);
    }
}

/* ---- arguments ---- */

static char *fields_type(Schema *s, const Field *tab);

static char *field_type(Schema *s, const Field *f)
{
    switch (f->type) {
    case T_BOOL:   return g_strdup("bool");
    case T_STR:    return g_strdup(f->aux ? f->aux : "str");
    case T_LINK:   return g_strdup("str");
    case T_ENUM:   return enum_type(s, (char **)f->aux);
    case T_STRUCT:
        return ((const Field *)f->aux)->flags & F_REST ? g_strdup("any") : fields_type(s, f->aux);
    case T_LIST:   return array_type(s, f->aux ? fields_type(s, f->aux) : g_strdup("str"));
    default:       return g_strdup("int");
    }
}

static char *fields_type(Schema *s, const Field *tab)
{
    GVariantBuilder members;

    list_start(&members);
    for (const Field *f = tab; f && f->name; f++) {
        if ((f->flags & F_CONFIG) && !(f->flags & F_REST)) {
            char *type = field_type(s, f);
            member(&members, f->name, type, !(f->flags & F_REQUIRED));
            g_free(type);
        }
    }
    return object_type(s, &members);
}

/* An object whose further members depend on what its member qom-type says: a type for each kind. */
static char *object_add_type(Schema *s)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GVariantBuilder      b, members, variants, one;
    char                *name, *type;

    list_start(&members);
    list_start(&variants);
    for (const ObjectClass *const *c = object_classes; *c; c++) {
        g_ptr_array_add(names, (void *)(*c)->name);
        type = fields_type(s, (*c)->fields);
        object_start(&one);
        say(&one, "case", (*c)->name);
        say(&one, "type", type);
        list_object(&variants, &one);
        g_free(type);
    }
    g_ptr_array_add(names, NULL);
    type = enum_type(s, (char **)names->pdata);
    member(&members, "qom-type", type, false);
    member(&members, "id", "str", false);
    g_free(type);
    name = new_name(s);
    entry_start(&b, name, "object");
    say_list(&b, "members", &members);
    say(&b, "tag", "qom-type");
    say_list(&b, "variants", &variants);
    list_object(&s->list, &b);
    return name;
}

/* ---- all of it ---- */

static void add_command(Schema *s, const Entry *e)
{
    GVariantBuilder b;
    char *arg = e->fields == object_add_args ? object_add_type(s) : fields_type(s, e->fields), *ret;

    s->p = e->reply ? e->reply : "{}";
    ret = shape_type(s);
    entry_start(&b, e->name, "command");
    say(&b, "arg-type", arg);
    say(&b, "ret-type", ret);
    say_bool(&b, "allow-oob", qmp_allows_oob(e));
    list_object(&s->list, &b);
    g_free(arg);
    g_free(ret);
}

static void add_event(Schema *s, const EventEntry *e)
{
    GVariantBuilder b;
    char           *arg;

    s->p = e->shape;
    arg = shape_type(s);
    entry_start(&b, e->name, "event");
    say(&b, "arg-type", arg);
    list_object(&s->list, &b);
    g_free(arg);
}

#define EVENT(name_, shape_, help_) { .name = name_, .shape = shape_, .help = help_ },
const EventEntry events[] = {
#include "core/events.def"
    { .name = NULL }
};

static const Field capabilities_args[] = {
    { .name = "enable", .type = T_LIST, .flags = F_CONFIG | F_MANY, .count = 1 },
    FIELD_END
};

bool cmd_query_schema(Machine *m, void *args, Reply *reply, GError **err)
{
    static const Entry capabilities = { .name = "qmp_capabilities", .fields = capabilities_args };
    Schema             s = { .known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                            NULL) };
    GVariantBuilder    b;

    list_start(&s.list);
    for (unsigned i = 0; i < G_N_ELEMENTS(builtins); i++) {
        entry_start(&b, builtins[i].name, "builtin");
        say(&b, "json-type", builtins[i].json);
        list_object(&s.list, &b);
    }
    add_command(&s, &capabilities);
    for (const Entry *e = commands; e->name; e++) {
        if (e->where != CMD_PROMPT) {
            add_command(&s, e);
        }
    }
    for (const EventEntry *e = events; e->name; e++) {
        add_event(&s, e);
    }
    say_list(reply, "return", &s.list);
    g_hash_table_destroy(s.known);
    return true;
}

bool cmd_query_events(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (const EventEntry *e = events; e->name; e++) {
        object_start(&one);
        say(&one, "name", e->name);
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}
