/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * field.c -- members of structs by name: from text, to text, defaults, checks.
 *
 * Spec: the key=value,key=value syntax of the PC emulators' command lines; ",," stands for a comma.
 * Omits: T_LINK is resolved by device_set(), not here.
 * Threads: any; touches only the object it is given.
 */
#include "core/field.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

bool fail(GError **err, const char *fmt, ...)
{
    if (err && !*err) {
        va_list ap;
        va_start(ap, fmt);
        *err = g_error_new_valist(RYOKAN_ERROR, 1, fmt, ap);
        va_end(ap);
    }
    return false;
}

const Field *field_find(const Field *tab, const char *key)
{
    for (const Field *f = tab; f && f->name; f++) {
        if (!strcmp(f->name, key) && !(f->flags & F_REST)) {
            return f;
        }
    }
    return NULL;
}

bool parse_size(const char *text, uint64_t unit, uint64_t *out, GError **err)
{
    static const char suffixes[] = "bkmgtpe";
    const char *s, *digits = text;
    char       *end;
    uint64_t    n;
    double      frac = 0;

    if (!g_ascii_isdigit(*text)) {
        return fail(err, "\"%s\" is no number", text);
    }
    errno = 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        n = g_ascii_strtoull(digits, &end, 16);
    } else {
        n = g_ascii_strtoull(digits, &end, 10);
        if (*end == '.') {
            frac = g_ascii_strtod(end, &end);
        }
    }
    if (errno) {
        return fail(err, "\"%s\" is too large a number", text);
    }
    if (*end) {
        s = strchr(suffixes, g_ascii_tolower(*end));
        if (!s || end[1]) {
            return fail(err, "\"%s\" is no number; a number may end in k, M, G or T", text);
        }
        unit = 1ull << (10 * (s - suffixes));
    } else if (frac != 0 && unit == 1) {
        return fail(err, "\"%s\" is no whole number", text);
    }
    if (unit && n > UINT64_MAX / unit) {
        return fail(err, "\"%s\" is too large a number", text);
    }
    *out = n * unit + (uint64_t)(frac * (double)unit);
    return true;
}

static bool parse_bool(const char *val, bool *out)
{
    static const char *const yes[] = { "on", "yes", "true", "y", "1" };
    static const char *const no[] = { "off", "no", "false", "n", "0" };

    for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
        if (!strcmp(val, yes[i])) {
            *out = true;
            return true;
        }
        if (!strcmp(val, no[i])) {
            *out = false;
            return true;
        }
    }
    return false;
}

static const struct {
    uint64_t max;
    int      bytes;
    bool     is_signed;
} ints[] = {
    [T_U8] = { UINT8_MAX, 1, false }, [T_U16] = { UINT16_MAX, 2, false },
    [T_U32] = { UINT32_MAX, 4, false },
    [T_U64] = { UINT64_MAX, 8, false },
    [T_I32] = { INT32_MAX, 4, true }, [T_I64] = { INT64_MAX, 8, true },
};

static bool is_int(const Field *f)
{
    return (f->type >= T_U8 && f->type <= T_I64);
}

void field_set_int(const Field *f, void *p, uint64_t v)
{
    switch (f->type) {
    case T_BOOL: *(bool *)p = v != 0; break;
    case T_U8:   *(uint8_t *)p = (uint8_t)v; break;
    case T_U16:  *(uint16_t *)p = (uint16_t)v; break;
    case T_U32: case T_I32: case T_ENUM: *(uint32_t *)p = (uint32_t)v; break;
    case T_U64: case T_I64: *(uint64_t *)p = v; break;
    default: break;
    }
}

uint64_t field_int(const Field *f, const void *p)
{
    switch (f->type) {
    case T_BOOL: return *(const bool *)p;
    case T_U8:   return *(const uint8_t *)p;
    case T_U16:  return *(const uint16_t *)p;
    case T_U32: case T_ENUM: return *(const uint32_t *)p;
    case T_I32:  return (uint64_t)(int64_t)*(const int32_t *)p;
    case T_U64: case T_I64: return *(const uint64_t *)p;
    default: return 0;
    }
}

static bool in_range(const Field *f, uint64_t v)
{
    if (ints[f->type].is_signed) {
        int64_t s = (int64_t)v, lo = (int64_t)f->min,
                hi = f->max ? (int64_t)f->max : (int64_t)ints[f->type].max;
        if (!f->max && !f->min) {
            lo = -hi - 1;
        }
        return s >= lo && s <= hi;
    }
    return v >= f->min && v <= (f->max ? f->max : ints[f->type].max);
}

static bool range_error(const Field *f, const char *val, GError **err)
{
    if (ints[f->type].is_signed) {
        return fail(err, "%s=%s: must be %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, f->name, val,
                    (int64_t)f->min, (int64_t)(f->max ? f->max : ints[f->type].max));
    }
    return fail(err, "%s=%s: must be %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, f->name, val,
                f->min, f->max ? f->max : ints[f->type].max);
}

static bool parse_enum(const Field *f, void *p, const char *val, GError **err)
{
    const char *const *names = f->aux;
    GString           *all;

    for (uint32_t i = 0; names[i]; i++) {
        if (!strcmp(names[i], val) && strcmp(val, "-")) {
            *(uint32_t *)p = i;
            return true;
        }
    }
    all = g_string_new(NULL);
    for (uint32_t i = 0; names[i]; i++) {           /* "-" stands for what was not given */
        if (!strcmp(names[i], "-")) {
            continue;
        }
        g_string_append_printf(all, "%s%s", all->len ? ", " : "", names[i]);
    }
    fail(err, "%s=%s: must be one of %s", f->name, val, all->str);
    g_string_free(all, TRUE);
    return false;
}

static bool parse_int(const Field *f, void *p, const char *val, GError **err)
{
    bool     neg = ints[f->type].is_signed && val[0] == '-';
    GError  *why = NULL;
    uint64_t v;

    if (!parse_size(val + neg, f->flags & F_MIB ? 1 << 20 : 1, &v, &why)) {
        fail(err, "%s=%s: %s", f->name, val, why->message);
        g_error_free(why);
        return false;
    }
    if (neg) {
        v = -v;
    } else if (ints[f->type].is_signed && v > INT64_MAX) {
        return range_error(f, val, err);
    }
    if (!in_range(f, v)) {
        return range_error(f, val, err);
    }
    field_set_int(f, p, v);
    return true;
}

static bool parse_value(const Field *f, void *p, const char *val, GError **err)
{
    switch (f->type) {
    case T_BOOL:
        return parse_bool(val, p) || fail(err, "%s=%s: must be on or off", f->name, val);
    case T_STR:
        g_free(*(char **)p);
        *(char **)p = g_strdup(val);
        return true;
    case T_ENUM:
        return parse_enum(f, p, val, err);
    case T_LIST:
        if (!(f->flags & F_MANY)) {
            return fail(err, "%s: cannot be set from text", f->name);
        }
        if (!*(GPtrArray **)p) {
            *(GPtrArray **)p = g_ptr_array_new_with_free_func(g_free);
        }
        g_ptr_array_add(*(GPtrArray **)p, g_strdup(val));
        return true;
    default:
        if (is_int(f)) {
            return parse_int(f, p, val, err);
        }
        return fail(err, "%s: cannot be set from text", f->name);
    }
}

static bool take_rest(const Field *tab, void *obj, const char *key, const char *val)
{
    for (const Field *f = tab; f && f->name; f++) {
        if (f->flags & F_REST) {
            GPtrArray **list = (GPtrArray **)(void *)((char *)obj + f->offset);
            OptPair    *pair = g_new(OptPair, 1);
            if (!*list) {
                *list = g_ptr_array_new();
            }
            pair->key = g_strdup(key);
            pair->val = g_strdup(val);
            g_ptr_array_add(*list, pair);
            return true;
        }
    }
    return false;
}

bool field_parse(const Field *tab, void *obj, const char *key, const char *val, GError **err)
{
    const Field *f = field_find(tab, key);
    const char  *dot;

    if (f && (f->flags & F_CONFIG)) {
        return parse_value(f, (char *)obj + f->offset, val, err);
    }
    if ((dot = strchr(key, '.'))) {
        char *head = g_strndup(key, (gsize)(dot - key));
        f = field_find(tab, head);
        g_free(head);
        if (f && (f->flags & F_CONFIG) && f->type == T_STRUCT) {
            return field_parse(f->aux, (char *)obj + f->offset, dot + 1, val, err);
        }
    }
    return take_rest(tab, obj, key, val) || fail(err, "there is no property \"%s\"", key);
}

bool fields_check(const Field *tab, const void *obj, GError **err)
{
    for (const Field *f = tab; f && f->name; f++) {
        const char *p = (const char *)obj + f->offset;
        if (!(f->flags & F_CONFIG) || f->count != 1) {
            continue;
        }
        if ((f->flags & F_REQUIRED) && (f->type == T_STR || f->type == T_LINK) &&
            !*(void *const *)(const void *)p) {
            return fail(err, "%s= is missing%s%s", f->name, f->help ? ": " : "",
                        f->help ? f->help : "");
        }
        if (is_int(f) && !in_range(f, field_int(f, p)) && field_int(f, p) != f->def) {
            char *text = field_print(f, obj);
            range_error(f, text, err);
            g_free(text);
            return false;
        }
    }
    return true;
}

void fields_defaults(const Field *tab, void *obj)
{
    for (const Field *f = tab; f && f->name; f++) {
        char *p = (char *)obj + f->offset;
        if (!(f->flags & F_CONFIG) || (f->flags & F_REST)) {
            continue;
        }
        if (f->type == T_STRUCT) {
            for (uint32_t i = 0; i < f->count; i++) {
                fields_defaults(f->aux, p + (size_t)i * f->stride);
            }
        } else if (f->type != T_STR && f->type != T_LINK && f->type != T_LIST && f->count == 1) {
            field_set_int(f, p, f->def);
        }
    }
}

static void pair_free(void *p)
{
    OptPair *pair = p;
    g_free(pair->key);
    g_free(pair->val);
    g_free(pair);
}

void fields_clear(const Field *tab, void *obj)
{
    for (const Field *f = tab; f && f->name; f++) {
        char *p = (char *)obj + f->offset;
        if (f->type == T_STR && f->count == 1) {
            g_free(*(char **)(void *)p);
            *(char **)(void *)p = NULL;
        } else if (f->type == T_LIST && f->aux) {
            GPtrArray *list = *(GPtrArray **)(void *)p;
            for (unsigned i = 0; list && i < list->len; i++) {
                fields_clear(f->aux, list->pdata[i]);
                g_free(list->pdata[i]);
            }
            if (list) {
                g_ptr_array_free(list, TRUE);
            }
            *(GPtrArray **)(void *)p = NULL;
        } else if (f->flags & (F_REST | F_MANY)) {
            GPtrArray *list = *(GPtrArray **)(void *)p;
            if (list) {
                g_ptr_array_set_free_func(list, f->flags & F_REST ? pair_free : g_free);
                g_ptr_array_free(list, TRUE);
            }
            *(GPtrArray **)(void *)p = NULL;
        } else if (f->type == T_STRUCT) {
            for (uint32_t i = 0; i < f->count; i++) {
                fields_clear(f->aux, p + (size_t)i * f->stride);
            }
        }
    }
}

char *field_print(const Field *f, const void *obj)
{
    const char *p = (const char *)obj + f->offset;

    switch (f->type) {
    case T_BOOL: return g_strdup(*(const bool *)(const void *)p ? "on" : "off");
    case T_STR:  return g_strdup(*(char *const *)(const void *)p);
    case T_ENUM: return g_strdup(((const char *const *)f->aux)[*(const uint32_t *)(const void *)p]);
    case T_I32: case T_I64: return g_strdup_printf("%" G_GINT64_FORMAT, (int64_t)field_int(f, p));
    default:
        return is_int(f) ? g_strdup_printf("%" G_GUINT64_FORMAT, field_int(f, p)) : NULL;
    }
}

/* The text up to a single comma, with ",," made one; *at moves past it. */
static char *next_item(const char **at)
{
    GString *s = g_string_new(NULL);

    for (; **at; (*at)++) {
        if (**at == ',') {
            if ((*at)[1] != ',') {
                (*at)++;
                break;
            }
            (*at)++;
        }
        g_string_append_c(s, **at);
    }
    return g_string_free(s, FALSE);
}

/*
 * A word alone: the first field's value if it comes first, else a flag: "server" is server=on,
 * "nowait" wait=off.
 */
static bool parse_word(const Field *tab, void *obj, const char *word, bool first, GError **err)
{
    const Field *f = field_find(tab, word);

    if (first && !(f && f->type == T_BOOL) && (tab->flags & F_CONFIG) && !(tab->flags & F_REST)) {
        return field_parse(tab, obj, tab->name, word, err);
    }
    if (f && f->type == T_BOOL) {
        return field_parse(tab, obj, word, "on", err);
    }
    if (g_str_has_prefix(word, "no") && (f = field_find(tab, word + 2)) && f->type == T_BOOL) {
        return field_parse(tab, obj, word + 2, "off", err);
    }
    if (f) {
        return fail(err, "%s= needs a value", word);
    }
    return take_rest(tab, obj, word, "on") || fail(err, "there is no property \"%s\"", word);
}

bool fields_parse_text(const Field *tab, void *obj, const char *text, GError **err)
{
    bool first = true, ok = true;

    if (tab->flags & F_WHOLE) {
        return field_parse(tab, obj, tab->name, text, err);
    }
    while (*text && ok) {
        char *item = next_item(&text), *eq = strchr(item, '=');
        if (eq && eq != item) {
            *eq = 0;
            ok = field_parse(tab, obj, item, eq + 1, err);
        } else {
            ok = parse_word(tab, obj, item, first, err);
        }
        first = false;
        g_free(item);
    }
    return ok && fields_check(tab, obj, err);
}
