/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prompt.c -- the monitor for people: a line with history, editing and completion, turned into a
 * command of the table.
 *
 * Spec: the keys are those of Emacs and ECMA-48's cursor keys, as in every shell.
 * Omits: searching the history; lines that are wider than the terminal are redrawn as one.
 * Threads: the main context with the machine lock.
 */
#include "core/monitor.h"
#include "core/commands.h"
#include "core/json.h"
#include "core/version.h"
#include "core/trace.h"
#include <string.h>

#define LINE_MAX_BYTES 1024
#define ESC            0x1b
#define CTRL(c)        ((c) & 0x1f)
#define PROMPT         "(ryokan) "

struct Monitor {
    Machine *machine;
    Chardev *chr;
    GString *line;
    size_t   at;                      /* cursor, in line */
    GPtrArray *history;               /* char *, oldest first */
    unsigned back;                    /* lines gone back in it; 0: the one being written */
    char     escape;                  /* of a cursor key: 0, ESC, [, or a digit */
    bool     greeted;
};
enum { HISTORY_MAX = 100 };

/* ---- the prompt ---- */

static void print(Monitor *mon, const char *text)
{
    if (!strcmp(chr_kind(mon->chr), "vc")) {
        /* no terminal driver is in between that would return the carriage */
        g_auto(GStrv)    lines = g_strsplit(text, "\n", -1);
        g_autofree char *all = g_strjoinv("\r\n", lines);
        chr_write(mon->chr, all, strlen(all));
        return;
    }
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
        if (e->where != CMD_QMP && n > best_n && !strncmp(line, e->name, n) &&
            (!line[n] || line[n] == ' ' ||
             (line[n] == '/' && (e->size == sizeof(XArgs) || e->size == sizeof(PortArgs))))) {
            best = e;
            best_n = n;
        }
    }
    *rest = line + best_n + strspn(line + best_n, " ");
    return best;
}

/* "FILE -f png" to "FILE,format=png": a letter is the last property that begins with it; and "5 -3"
 * to "5,dy=-3": further words are the next properties. */
static char *with_properties(const Entry *e, const char *text)
{
    char   **words = g_strsplit(text, " ", -1);
    GString *out = g_string_new(NULL);
    bool     formats = e->fields && field_find(e->fields, "fmt");
    /* x/8xb ADDRESS; elsewhere a path */
    char    *slash = *text == '/' && formats ? words[0] : NULL;
    const Field *next = e->fields;

    for (char **w = words + (slash != NULL); *w; w++) {
        const Field *of = NULL;
        if ((*w)[0] == '-' && g_ascii_isalpha((*w)[1]) && !(*w)[2] && w[1]) {
            for (const Field *f = e->fields; f->name; f++) {
                of = f->name[0] == (*w)[1] ? f : of;
            }
        }
        if (**w && !of && next->name) {
            g_string_append_printf(out, "%s%s%s%s", out->len ? "," : "",
                                   out->len && !strchr(*w, '=') ? next->name : "",
                                   out->len && !strchr(*w, '=') ? "=" : "", *w);
            next++;
        } else if (**w) {
            g_string_append_printf(out, "%s%s%s", out->len ? "," : "", of ? of->name : *w,
                                   of ? "=" : "");
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
    static const struct {
        const char *is, *means;
    } shorts[] = { { "q", "quit" }, { "c", "cont" }, { "s", "stop" }, { "?", "help" } };
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
    trace_monitor_command(e->name);
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
        if (e->where == CMD_QMP || strncmp(e->name, command ? command : "", n) ||
            (n && e->name[n] && e->name[n] != ' ')) {
            continue;
        }
        g_string_append_printf(s, "%-18s %s\n", e->name, e->help);
        for (const Field *f = n && e->fields && !(e->fields->flags & F_WHOLE) ? e->fields : NULL;
             f && f->name; f++) {
            if ((f->flags & F_CONFIG) && !(f->flags & F_REST)) {
                g_string_append_printf(s, "    %s%s  %s\n", f->name,
                                       f->flags & F_REQUIRED ? "" : " (optional)",
                                       f->help ? f->help : "");
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

/* ---- the line ---- */

static void redraw(Monitor *mon)
{
    GString *s = g_string_new("\r" PROMPT);

    g_string_append_printf(s, "%s\033[K", mon->line->str);
    if (mon->at < mon->line->len) {
        g_string_append_printf(s, "\033[%zuD", mon->line->len - mon->at);
    }
    print(mon, s->str);
    g_string_free(s, TRUE);
}

static void insert(Monitor *mon, const char *text)
{
    size_t n = MIN(strlen(text), LINE_MAX_BYTES - mon->line->len);

    g_string_insert_len(mon->line, (gssize)mon->at, text, (gssize)n);
    mon->at += n;
    if (mon->at < mon->line->len) {
        redraw(mon);
    } else {
        chr_write(mon->chr, text, n);
    }
}

static void erase(Monitor *mon, size_t from, size_t to)
{
    if (from < to && to <= mon->line->len) {
        g_string_erase(mon->line, (gssize)from, (gssize)(to - from));
        mon->at = from;
        redraw(mon);
    }
}

static void recall(Monitor *mon, int step)
{
    unsigned back = step > 0 ? mon->back + 1 : mon->back - 1;

    if ((step < 0 && !mon->back) || back > mon->history->len) {
        return;
    }
    mon->back = back;
    g_string_assign(mon->line, back ? mon->history->pdata[mon->history->len - back] : "");
    mon->at = mon->line->len;
    redraw(mon);
}

typedef struct Found {
    GString *names;
    char    *common;                  /* what all of them begin with */
    unsigned n;
} Found;

static void candidate(Found *f, const char *name, const char *word)
{
    if (!*name || strncmp(name, word, strlen(word))) {
        return;
    }
    g_string_append_printf(f->names, "%s\n", name);
    f->n++;
    f->common = f->common ? f->common : g_strdup(name);
    for (size_t i = 0; f->common[i]; i++) {
        if (f->common[i] != name[i]) {
            f->common[i] = 0;
            break;
        }
    }
}

/*
 * What all commands that begin with the line, or all that its last word may be, have in common;
 * nothing more: their names.
 */
static void complete(Monitor *mon)
{
    Found            f = { .names = g_string_new(NULL) };
    const char      *rest = "", *word = mon->line->str;
    const Entry     *e = find_command(word, &rest);
    WordAt *words =
        e && mon->line->len > strlen(e->name) && !strchr(rest, ' ') && !strchr(rest, ',')
            ? words_for(e->name)
            : NULL;
    const char      *name;

    if (words) {
        word = rest;
        for (unsigned i = 0; (name = words(mon->machine, i)); i++) {
            candidate(&f, name, word);
        }
    } else {
        for (e = commands; e->name; e++) {
            candidate(&f, e->where == CMD_QMP ? "" : e->name, word);
        }
    }
    mon->at = mon->line->len;
    if (f.common && strlen(f.common) > strlen(word)) {
        insert(mon, f.common + strlen(word));
    } else if (f.n > 1) {
        print(mon, "\n");
        print(mon, f.names->str);
        redraw(mon);
    }
    if (f.n == 1) {
        insert(mon, " ");
    }
    g_free(f.common);
    g_string_free(f.names, TRUE);
}

static void enter(Monitor *mon)
{
    char *line = g_strdup(mon->line->str);

    print(mon, "\n");
    g_string_truncate(mon->line, 0);
    mon->at = mon->back = 0;
    if (*line) {
        if (mon->history->len == HISTORY_MAX) {
            g_ptr_array_remove_index(mon->history, 0);
        }
        g_ptr_array_add(mon->history, g_strdup(line));
    }
    run_line(mon, line);
    g_free(line);
    print(mon, PROMPT);
}

/* ECMA-48: ESC [ A to D, H, F, and ESC [ 3 ~. */
static void cursor_key(Monitor *mon, char c)
{
    char before = mon->escape;

    mon->escape = 0;
    if (before == ESC) {
        mon->escape = c == '[' || c == 'O' ? '[' : 0;
        return;
    }
    if (g_ascii_isdigit(c)) {
        mon->escape = c;
        return;
    }
    switch (before == '[' ? c : before == '3' && c == '~' ? CTRL('d') : 0) {
    case 'A': recall(mon, 1); break;
    case 'B': recall(mon, -1); break;
    case 'C': mon->at += mon->at < mon->line->len; redraw(mon); break;
    case 'D': mon->at -= mon->at > 0; redraw(mon); break;
    case 'H': mon->at = 0; redraw(mon); break;
    case 'F': mon->at = mon->line->len; redraw(mon); break;
    case CTRL('d'): erase(mon, mon->at, mon->at + 1); break;
    default: break;
    }
}

static void monitor_key(Monitor *mon, char c)
{
    if (mon->escape) {
        cursor_key(mon, c);
        return;
    }
    switch (c) {
    case '\r': case '\n': enter(mon); break;
    case '\t':      complete(mon); break;
    case '\b': case 0x7f: erase(mon, mon->at - (mon->at > 0), mon->at); break;
    case ESC:       mon->escape = ESC; break;
    case CTRL('a'): mon->at = 0; redraw(mon); break;
    case CTRL('e'): mon->at = mon->line->len; redraw(mon); break;
    case CTRL('b'): mon->at -= mon->at > 0; redraw(mon); break;
    case CTRL('f'): mon->at += mon->at < mon->line->len; redraw(mon); break;
    case CTRL('d'): erase(mon, mon->at, mon->at + 1); break;
    case CTRL('k'): erase(mon, mon->at, mon->line->len); break;
    case CTRL('u'): erase(mon, 0, mon->line->len); break;
    case CTRL('p'): recall(mon, 1); break;
    case CTRL('n'): recall(mon, -1); break;
    default:
        if ((unsigned char)c >= ' ') {
            insert(mon, (char[]){ c, 0 });
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
    mon->history = g_ptr_array_new_with_free_func(g_free);
    chr_attach(c, &user);
    return mon;
}

void monitor_free(Monitor *mon)
{
    g_string_free(mon->line, TRUE);
    g_ptr_array_free(mon->history, TRUE);
    g_free(mon);
}
