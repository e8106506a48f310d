/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prompt.c -- the monitor for people: a line with history, editing and completion, turned into a command of the table.
 *
 * Spec: the keys are those of Emacs and ECMA-48's cursor keys, as in every shell.
 * Omits: searching the history; lines that are wider than the terminal are redrawn as one.
 * Threads: the main context with the machine lock.
 */
#include "core/monitor.h"
#include "core/commands.h"
#include "core/json.h"
#include "core/version.h"
#include <string.h>

#define LINE_MAX_BYTES 1024
#define PROMPT         "(ryokan) "

struct Monitor {
    Machine *machine;
    Chardev *chr;
    GString *line;
    bool     greeted;
};

/* ---- the prompt ---- */

static void print(Monitor *mon, const char *text)
{
    chr_write(mon->chr, text, strlen(text));
}

static void reply_to_text(GString *out, GVariant *reply)
{
    GVariantIter it;
    const char  *key;
    GVariant    *v;

    g_variant_iter_init(&it, reply);
    while (g_variant_iter_next(&it, "{&sv}", &key, &v)) {
        if (strcmp(key, "text")) {
            g_string_append_printf(out, "%s: ", key);
        }
        if (g_variant_is_of_type(v, G_VARIANT_TYPE_STRING)) {
            g_string_append(out, g_variant_get_string(v, NULL));
        } else {
            json_print(out, v);
        }
        if (!out->len || out->str[out->len - 1] != '\n') {
            g_string_append_c(out, '\n');
        }
        g_variant_unref(v);
    }
}

/* The longest command name that the line starts with; *rest is what follows. */
static const Entry *find_command(const char *line, const char **rest)
{
    const Entry *best = NULL;
    size_t       best_n = 0;

    for (const Entry *e = commands; e->name; e++) {
        size_t n = strlen(e->name);
        if (e->where != CMD_QMP && n > best_n && !strncmp(line, e->name, n) && (!line[n] || line[n] == ' ' || (line[n] == '/' && e->size == sizeof(XArgs)))) {
            best = e;
            best_n = n;
        }
    }
    *rest = line + best_n + strspn(line + best_n, " ");
    return best;
}

/* "FILE -f png" to "FILE,format=png": a letter is the last property that begins with it; and "5 -3" to "5,dy=-3": further words are
 * the next properties. */
static char *with_properties(const Entry *e, const char *text)
{
    char   **words = g_strsplit(text, " ", -1);
    GString *out = g_string_new(NULL);
    char    *slash = *text == '/' ? words[0] : NULL;    /* x/8xb ADDRESS */
    const Field *next = e->fields;

    for (char **w = words + (slash != NULL); *w; w++) {
        const Field *of = NULL;
        if ((*w)[0] == '-' && g_ascii_isalpha((*w)[1]) && !(*w)[2] && w[1]) {
            for (const Field *f = e->fields; f->name; f++) {
                of = f->name[0] == (*w)[1] ? f : of;
            }
        }
        if (**w && !of && next->name) {
            g_string_append_printf(out, "%s%s%s%s", out->len ? "," : "", out->len && !strchr(*w, '=') ? next->name : "",
                                   out->len && !strchr(*w, '=') ? "=" : "", *w);
            next++;
        } else if (**w) {
            g_string_append_printf(out, "%s%s%s", out->len ? "," : "", of ? of->name : *w, of ? "=" : "");
        }
        if (of) {
            g_string_append(out, *++w);
        }
    }
    if (slash) {
        g_string_append_printf(out, ",fmt=%s", slash + 1);
    }
    g_strfreev(words);
    return g_string_free(out, FALSE);
}

void prompt_run(Machine *m, char *line, GString *out)
{
    static const struct { const char *is, *means; } shorts[] = { { "q", "quit" }, { "c", "cont" }, { "s", "stop" }, { "?", "help" } };
    GVariantBuilder reply;
    const Entry    *e;
    const char     *rest;
    char           *text;
    GError         *err = NULL;
    GVariant       *v;

    g_strstrip(line);
    if (!*line) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(shorts); i++) {
        if (!strcmp(line, shorts[i].is)) {
            line = (char *)shorts[i].means;
        }
    }
    e = find_command(line, &rest);
    if (!e) {
        g_string_append(out, "unknown command; \"help\" lists them\n");
        return;
    }
    g_variant_builder_init(&reply, G_VARIANT_TYPE_VARDICT);
    text = e->fields && !(e->fields->flags & F_WHOLE) ? with_properties(e, rest) : g_strdup(rest);
    if (!entry_run_text(e, m, text, &reply, &err)) {
        g_string_append_printf(out, "%s\n", err->message);
        g_clear_error(&err);
    }
    v = g_variant_ref_sink(g_variant_builder_end(&reply));
    reply_to_text(out, v);
    g_variant_unref(v);
    g_free(text);
}

/* All commands, or those that begin with the words, with their arguments. */
char *help_text(const char *command)
{
    GString *s = g_string_new(NULL);
    size_t   n = command ? strlen(command) : 0;

    for (const Entry *e = commands; e->name; e++) {
        if (e->where == CMD_QMP || strncmp(e->name, command ? command : "", n) || (n && e->name[n] && e->name[n] != ' ')) {
            continue;
        }
        g_string_append_printf(s, "%-18s %s\n", e->name, e->help);
        for (const Field *f = n && e->fields && !(e->fields->flags & F_WHOLE) ? e->fields : NULL; f && f->name; f++) {
            if ((f->flags & F_CONFIG) && !(f->flags & F_REST)) {
                g_string_append_printf(s, "    %s%s  %s\n", f->name, f->flags & F_REQUIRED ? "" : " (optional)", f->help ? f->help : "");
            }
        }
    }
    return g_string_free(s, s->len == 0);
}

static void run_line(Monitor *mon, char *line)
{
    GString *out = g_string_new(NULL);

    prompt_run(mon->machine, line, out);
    print(mon, out->str);
    g_string_free(out, TRUE);
}

static void greet(Monitor *mon)
{
    if (!mon->greeted) {
        print(mon, "Ryokan " RYOKAN_VERSION " monitor; \"help\" lists the commands\n");
        mon->greeted = true;
    }
    print(mon, PROMPT);
    print(mon, mon->line->str);
}

static void monitor_key(Monitor *mon, char c)
{
    switch (c) {
    case '\r':
    case '\n':
        print(mon, "\n");
        run_line(mon, mon->line->str);
        g_string_truncate(mon->line, 0);
        print(mon, PROMPT);
        break;
    case '\b':
    case 0x7f:
        if (mon->line->len) {
            g_string_truncate(mon->line, mon->line->len - 1);
            print(mon, "\b \b");
        }
        break;
    case 0x15:                          /* Ctrl-U */
        g_string_truncate(mon->line, 0);
        print(mon, "\r\033[K" PROMPT);
        break;
    default:
        if ((unsigned char)c >= ' ' && mon->line->len < LINE_MAX_BYTES) {
            g_string_append_c(mon->line, c);
            chr_write(mon->chr, &c, 1);
        }
    }
}

static void monitor_receive(void *dev, const uint8_t *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        monitor_key(dev, (char)buf[i]);
    }
}

static void monitor_event(void *dev, ChrEvent event)
{
    Monitor *mon = dev;

    if (event == CHR_FOCUS_IN || (event == CHR_OPENED && !chr_is_mux(mon->chr))) {
        greet(mon);
    }
}

Monitor *monitor_new(Machine *m, Chardev *c)
{
    Monitor *mon = g_new0(Monitor, 1);
    ChrUser  user = { .receive = monitor_receive, .event = monitor_event, .dev = mon };

    mon->machine = m;
    mon->chr = c;
    mon->line = g_string_new(NULL);
    chr_attach(c, &user);
    return mon;
}

void monitor_free(Monitor *mon)
{
    g_string_free(mon->line, TRUE);
    g_free(mon);
}
