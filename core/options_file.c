/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_file.c -- -readconfig: options from a file.
 *
 *     [device "id"]             -device driver=e1000,id=id,netdev=n
 *       driver = "e1000"
 *       netdev = "n"
 *
 * Spec: none; the form is that in common use.
 * Omits: nothing.
 * Threads: the main thread, before any other.
 */
#include "core/options_int.h"
#include <stdio.h>
#include <string.h>

static const struct { const char *section, *option; } names[] = {
    { "boot-opts", "boot" }, { "memory", "m" }, { "smp-opts", "smp" }, { "sandbox", "sandbox" },
};

typedef struct Section {
    char    *option, *id;
    GString *text;
    char    *driver, *property, *value;         /* of [global] */
} Section;

static void add(GString *text, const char *key, const char *val)
{
    g_string_append_printf(text, "%s%s=", text->len ? "," : "", key);
    for (const char *p = val; *p; p++) {
        g_string_append(text, *p == ',' ? ",," : (char[]){ *p, 0 });
    }
}

static bool finish(Machine *m, Section *s, GError **err)
{
    bool ok = true;

    if (s->option && !strcmp(s->option, "global")) {
        ok = s->driver && s->property && s->value;
        if (!ok) {
            fail(err, "[global]: driver, property and value belong in it");
        } else {
            g_string_printf(s->text, "%s.%s=%s", s->driver, s->property, s->value);
        }
    }
    if (ok && s->option) {
        if (s->id) {
            add(s->text, "id", s->id);
        }
        ok = options_run(m, s->option, s->text->str, err);
    }
    g_clear_pointer(&s->option, g_free);
    g_clear_pointer(&s->id, g_free);
    g_clear_pointer(&s->driver, g_free);
    g_clear_pointer(&s->property, g_free);
    g_clear_pointer(&s->value, g_free);
    g_string_truncate(s->text, 0);
    return ok;
}

static bool begin(Section *s, const char *line, GError **err)
{
    char name[64], id[64], end = 0;

    if (sscanf(line, "[%63[a-z0-9-] \"%63[^\"]\" %c", name, id, &end) == 3 && end == ']') {
        s->id = g_strdup(id);
    } else if (sscanf(line, "[%63[a-z0-9-] %c", name, &end) != 2 || end != ']') {
        return fail(err, "a section is written [NAME] or [NAME \"ID\"]");
    }
    s->option = g_strdup(name);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(name, names[i].section)) {
            g_free(s->option);
            s->option = g_strdup(names[i].option);
        }
    }
    return true;
}

static bool pair(Section *s, const char *line, GError **err)
{
    char   key[64];
    char **to;
    int    n = 0;
    size_t len;

    if (sscanf(line, "%63[a-zA-Z0-9_.-] = \"%n", key, &n) != 1 || !n ||
        (len = strlen(line + n)) < 1 || line[n + len - 1] != '"') {
        return fail(err, "a line is written KEY = \"VALUE\"");
    }
    if (!s->option) {
        return fail(err, "no section has begun");
    }
    g_autofree char *val = g_strndup(line + n, len - 1);
    if (!strcmp(s->option, "global")) {
        to = !strcmp(key, "driver")     ? &s->driver
             : !strcmp(key, "property") ? &s->property
             : !strcmp(key, "value")    ? &s->value
                                        : NULL;
        if (!to) {
            return fail(err, "[global]: driver, property and value belong in it");
        }
        g_free(*to);
        *to = g_strdup(val);
        return true;
    }
    add(s->text, !strcmp(s->option, "device") && !strcmp(key, "driver") ? "driver" : key, val);
    return true;
}

bool options_read_file(Machine *m, const char *path, GError **err)
{
    g_autofree char *text = NULL;
    g_auto(GStrv)    lines = NULL;
    Section          s = { .text = g_string_new(NULL) };
    GError          *why = NULL;
    unsigned         i = 0;
    bool             ok = g_file_get_contents(path, &text, NULL, &why);

    lines = g_strsplit(text ? text : "", "\n", -1);
    for (; ok && lines[i]; i++) {
        char *line = g_strstrip(lines[i]);
        if (*line == '[') {
            ok = finish(m, &s, &why) && begin(&s, line, &why);
        } else if (*line && *line != '#') {
            ok = pair(&s, line, &why);
        }
    }
    ok = ok && finish(m, &s, &why);
    if (!ok) {
        fail(err, text ? "-readconfig %s: line %u: %s" : "-readconfig %s: %.0u%s", path, i,
             why->message);
        g_error_free(why);
    }
    g_free(s.option);
    g_free(s.id);
    g_string_free(s.text, TRUE);
    return ok;
}
