/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.c -- JSON text to values and back, for peers that may send anything: strict, and bounded in
 * depth.
 *
 * Spec: RFC 8259.
 * Omits: U+0000 in strings; integers beyond 64 bits signed become floating point.
 * Threads: pure functions.
 */
#include "core/json.h"
#include "core/field.h"
#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct Text {
    const char *p, *end;
    unsigned    depth;
} Text;

static GVariant *value(Text *t, GError **err);

static GVariant *bad(GError **err, const char *what)
{
    fail(err, "JSON: %s", what);
    return NULL;
}

static void blanks(Text *t)
{
    while (t->p < t->end && strchr(" \t\r\n", *t->p) && *t->p) {
        t->p++;
    }
}

static bool eat(Text *t, char c)
{
    blanks(t);
    if (t->p < t->end && *t->p == c) {
        t->p++;
        return true;
    }
    return false;
}

static bool hex4(Text *t, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, t->p++) {
        if (t->p == t->end || !g_ascii_isxdigit(*t->p)) {
            return false;
        }
        *out = *out << 4 | (unsigned)g_ascii_xdigit_value(*t->p);
    }
    return true;
}

/* After "\u"; a character beyond the first plane is two of them. */
static bool escaped_char(Text *t, GString *s)
{
    unsigned c, low;

    if (!hex4(t, &c) || !c || (c >= 0xdc00 && c < 0xe000)) {
        return false;
    }
    if (c >= 0xd800 && c < 0xdc00) {
        if (t->end - t->p < 6 || t->p[0] != '\\' || t->p[1] != 'u') {
            return false;
        }
        t->p += 2;
        if (!hex4(t, &low) || low < 0xdc00 || low >= 0xe000) {
            return false;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    g_string_append_unichar(s, c);
    return true;
}

/* After the opening quote. */
static char *string(Text *t, GError **err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    GString *s = g_string_new(NULL);
    bool     ok = true;

    while (ok && t->p < t->end && *t->p != '"') {
        char c = *t->p++;
        const char *e;
        if ((unsigned char)c < ' ') {
            ok = false;
        } else if (c != '\\') {
            g_string_append_c(s, c);
        } else if (t->p < t->end && *t->p == 'u') {
            t->p++;
            ok = escaped_char(t, s);
        } else if (t->p < t->end && *t->p && (e = strchr(from, *t->p))) {
            g_string_append_c(s, to[e - from]);
            t->p++;
        } else {
            ok = false;
        }
    }
    if (!ok || t->p == t->end || *t->p != '"' || !g_utf8_validate(s->str, (gssize)s->len, NULL)) {
        g_string_free(s, TRUE);
        bad(err, "a string is damaged");
        return NULL;
    }
    t->p++;
    return g_string_free(s, FALSE);
}

static GVariant *array(Text *t, GError **err)
{
    GVariantBuilder b;
    bool            first = true;

    g_variant_builder_init(&b, G_VARIANT_TYPE("av"));
    while (!eat(t, ']')) {
        GVariant *v = first || eat(t, ',') ? value(t, err) : bad(err, "a list lacks , or ]");
        if (!v) {
            g_variant_builder_clear(&b);
            return NULL;
        }
        g_variant_builder_add(&b, "v", v);
        g_variant_unref(v);
        first = false;
    }
    return g_variant_ref_sink(g_variant_builder_end(&b));
}

static bool member(Text *t, GVariantBuilder *b, GHashTable *seen, GError **err)
{
    char     *key;
    GVariant *v;

    if (!eat(t, '"')) {
        return bad(err, "an object lacks a name") != NULL;
    }
    key = string(t, err);
    if (!key) {
        return false;
    }
    if (!g_hash_table_add(seen, key)) {
        return fail(err, "JSON: \"%s\" is there twice", key);
    }
    v = eat(t, ':') ? value(t, err) : bad(err, "an object lacks :");
    if (!v) {
        return false;
    }
    g_variant_builder_add(b, "{sv}", key, v);
    g_variant_unref(v);
    return true;
}

static GVariant *object(Text *t, GError **err)
{
    GVariantBuilder b;
    GHashTable     *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bool            first = true, ok = true;

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    while (ok && !eat(t, '}')) {
        ok = first || eat(t, ',') ? member(t, &b, seen, err)
                                  : bad(err, "an object lacks , or }") != NULL;
        first = false;
    }
    g_hash_table_destroy(seen);
    if (!ok) {
        g_variant_builder_clear(&b);
        return NULL;
    }
    return g_variant_ref_sink(g_variant_builder_end(&b));
}

static GVariant *number(Text *t, GError **err)
{
    char        text[64], *end;
    size_t      n = 0;
    const char *p;
    bool        whole = true;
    double      d;

    while (t->p < t->end && n < sizeof(text) - 1 &&
           (g_ascii_isdigit(*t->p) || strchr("+-.eE", *t->p)) && *t->p) {
        whole &= !strchr(".eE", *t->p);
        text[n++] = *t->p++;
    }
    text[n] = 0;
    p = text + (text[0] == '-');
    if (!g_ascii_isdigit(*p) || (p[0] == '0' && g_ascii_isdigit(p[1]))) {
        return bad(err, "no value where one belongs");
    }
    errno = 0;
    gint64 i = g_ascii_strtoll(text, &end, 10);
    if (whole && !errno) {
        return *end ? bad(err, "a number is damaged") : g_variant_ref_sink(g_variant_new_int64(i));
    }
    d = g_ascii_strtod(text, &end);
    if (*end || !isfinite(d)) {
        return bad(err, "a number is damaged");
    }
    return g_variant_ref_sink(g_variant_new_double(d));
}

static bool word(Text *t, const char *is)
{
    size_t n = strlen(is);

    if ((size_t)(t->end - t->p) < n || memcmp(t->p, is, n)) {
        return false;
    }
    t->p += n;
    return true;
}

static GVariant *value(Text *t, GError **err)
{
    GVariant *v = NULL;
    char     *s;

    if (t->depth >= JSON_MAX_DEPTH) {
        return bad(err, "nested too deep");
    }
    t->depth++;
    if (eat(t, '{')) {
        v = object(t, err);
    } else if (eat(t, '[')) {
        v = array(t, err);
    } else if (eat(t, '"')) {
        s = string(t, err);
        v = s ? g_variant_ref_sink(g_variant_new_take_string(s)) : NULL;
    } else if (word(t, "true")) {
        v = g_variant_ref_sink(g_variant_new_boolean(TRUE));
    } else if (word(t, "false")) {
        v = g_variant_ref_sink(g_variant_new_boolean(FALSE));
    } else if (word(t, "null")) {
        v = g_variant_ref_sink(g_variant_new_tuple(NULL, 0));
    } else {
        v = number(t, err);
    }
    t->depth--;
    return v;
}

GVariant *json_parse(const char *text, gsize n, GError **err)
{
    Text      t = { text, text + n, 0 };
    GVariant *v = value(&t, err);

    blanks(&t);
    if (v && t.p != t.end) {
        g_variant_unref(v);
        return bad(err, "something follows the value");
    }
    return v;
}

/* ---- printing ---- */

static void print_string(GString *out, const char *s)
{
    g_string_append_c(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') {
            g_string_append_printf(out, "\\%c", *s);
        } else if (*s == '\n') {
            g_string_append(out, "\\n");
        } else if (*s == '\r') {
            g_string_append(out, "\\r");
        } else if ((unsigned char)*s < ' ' || *s == 0x7f) {
            g_string_append_printf(out, "\\u%04x", (unsigned char)*s);
        } else {
            g_string_append_c(out, *s);
        }
    }
    g_string_append_c(out, '"');
}

static void print_items(GString *out, GVariant *v)
{
    bool is_object = g_variant_type_is_subtype_of(g_variant_get_type(v), G_VARIANT_TYPE_DICTIONARY);

    g_string_append_c(out, is_object ? '{' : '[');
    for (gsize i = 0; i < g_variant_n_children(v); i++) {
        GVariant *item = g_variant_get_child_value(v, i);
        if (i) {
            g_string_append(out, ", ");
        }
        if (is_object) {
            GVariant *key = g_variant_get_child_value(item, 0),
                     *val = g_variant_get_child_value(item, 1);
            json_print(out, key);
            g_string_append(out, ": ");
            json_print(out, val);
            g_variant_unref(key);
            g_variant_unref(val);
        } else {
            json_print(out, item);
        }
        g_variant_unref(item);
    }
    g_string_append_c(out, is_object ? '}' : ']');
}

void json_print(GString *out, GVariant *v)
{
    char number_text[G_ASCII_DTOSTR_BUF_SIZE];

    if (g_variant_is_of_type(v, G_VARIANT_TYPE_VARIANT)) {
        GVariant *inner = g_variant_get_variant(v);
        json_print(out, inner);
        g_variant_unref(inner);
    } else if (g_variant_is_of_type(v, G_VARIANT_TYPE_STRING)) {
        print_string(out, g_variant_get_string(v, NULL));
    } else if (g_variant_is_of_type(v, G_VARIANT_TYPE_BOOLEAN)) {
        g_string_append(out, g_variant_get_boolean(v) ? "true" : "false");
    } else if (g_variant_is_of_type(v, G_VARIANT_TYPE_UINT64)) {
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, g_variant_get_uint64(v));
    } else if (g_variant_is_of_type(v, G_VARIANT_TYPE_INT64)) {
        g_string_append_printf(out, "%" G_GINT64_FORMAT, g_variant_get_int64(v));
    } else if (g_variant_is_of_type(v, G_VARIANT_TYPE_DOUBLE)) {
        g_string_append(out,
                        g_ascii_dtostr(number_text, sizeof(number_text), g_variant_get_double(v)));
    } else if (g_variant_is_of_type(v, G_VARIANT_TYPE_ARRAY)) {
        print_items(out, v);
    } else {
        g_string_append(out, "null");
    }
}

/* ---- a stream of values ---- */

JsonStep json_scan(JsonScan *s, char c)
{
    if (!s->in_value) {
        if (strchr(" \t\r\n", c) && c) {
            return JSON_MORE;
        }
        if (c != '{' && c != '[') {
            return JSON_BAD;
        }
        *s = (JsonScan){ .depth = 1, .in_value = true };
        return JSON_MORE;
    }
    if (s->in_string) {
        s->in_string = s->escaped || c != '"';
        s->escaped = !s->escaped && c == '\\';
        return JSON_MORE;
    }
    s->in_string = c == '"';
    s->depth += c == '{' || c == '[';
    if (c == '}' || c == ']') {
        s->depth--;
        s->in_value = s->depth != 0;
    }
    return !s->in_value ? JSON_END : s->depth > JSON_MAX_DEPTH ? JSON_BAD : JSON_MORE;
}
