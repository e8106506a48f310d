/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.c -- the events of trace.def: which are on, by pattern, and the commands that say and
 * change it.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol: trace-event-get-state and trace-event-set-state.
 * Omits: events of one vCPU alone; a binary trace file.
 * Threads: trace_write() from any; the rest in the main context.
 */
#include "core/trace.h"
#include "core/commands.h"
#include "core/log.h"
#include <stdarg.h>
#include <stdio.h>

uint8_t trace_is_on[N_TRACES];

static const char *const names[] = {
#define TRACE(name, params, args, format) #name,
#include "core/trace.def"
#undef TRACE
};

/* One line goes out by one call, so that threads do not mix theirs. */
void trace_write(TraceEvent e, const char *format, ...)
{
    char    text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    log_write("%s %s\n", names[e], text);
}

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

static bool matches(const char *pattern, unsigned e)
{
    return g_pattern_match_simple(pattern, names[e]);
}

static void set(unsigned e, bool on)
{
    __atomic_store_n(&trace_is_on[e], on, __ATOMIC_RELAXED);
}

bool trace_switch(const char *pattern, bool on, GError **err)
{
    unsigned found = 0;

    if (*pattern == '-') {
        pattern++;
        on = false;
    }
    for (unsigned e = 0; e < N_TRACES; e++) {
        if (matches(pattern, e)) {
            set(e, on);
            found++;
        }
    }
    return found ||
           fail(err, "there is no trace event \"%.100s\"; \"-trace help\" lists them", pattern);
}

bool trace_read_file(const char *path, GError **err)
{
    g_autofree char *text = NULL;
    g_auto(GStrv)    lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, err)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        g_strstrip(*l);
        if (**l && **l != '#' && !trace_switch(*l, true, err)) {
            g_prefix_error(err, "%s: ", path);
            return false;
        }
    }
    return true;
}

void trace_print_help(void)
{
    for (unsigned e = 0; e < N_TRACES; e++) {
        printf("%s\n", names[e]);
    }
}

/* ---- commands ---- */

bool cmd_info_traces(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *pattern = ((const TraceArgs *)args)->name;
    GString    *s = g_string_new(NULL);

    for (unsigned e = 0; e < N_TRACES; e++) {
        if (!pattern || matches(pattern, e)) {
            g_string_append_printf(s, "%s : state %u\n", names[e], trace_is_on[e]);
        }
    }
    if (!s->len) {
        g_string_free(s, TRUE);
        return fail(err, "there is no trace event \"%.100s\"", pattern);
    }
    say_text(reply, s);
    return true;
}

static bool known(const char *name, GError **err)
{
    for (unsigned e = 0; e < N_TRACES; e++) {
        if (matches(name, e)) {
            return true;
        }
    }
    return fail(err, "unknown event \"%.200s\"", name);
}

bool cmd_trace_event(Machine *m, void *args, Reply *reply, GError **err)
{
    const TraceArgs *a = args;

    return known(a->name, err) && trace_switch(a->name, a->on, err);
}

bool cmd_trace_get(Machine *m, void *args, Reply *reply, GError **err)
{
    const char     *pattern = ((const TraceArgs *)args)->name;
    GVariantBuilder list, one;

    if (!is_pattern(pattern) && !known(pattern, err)) {
        return false;
    }
    list_start(&list);
    for (unsigned e = 0; e < N_TRACES; e++) {
        if (matches(pattern, e)) {
            object_start(&one);
            say(&one, "name", names[e]);
            say(&one, "state", trace_is_on[e] ? "enabled" : "disabled");
            say_bool(&one, "vcpu", false);
            list_object(&list, &one);
        }
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_trace_set(Machine *m, void *args, Reply *reply, GError **err)
{
    const TraceArgs *a = args;

    if (!is_pattern(a->name) && !known(a->name, err)) {
        return false;
    }
    for (unsigned e = 0; e < N_TRACES; e++) {
        if (matches(a->name, e)) {
            set(e, a->on);
        }
    }
    return true;
}

const char *trace_name(unsigned e)
{
    return e < N_TRACES ? names[e] : NULL;
}

const Field info_trace_args[] = {
    CONFIG(TraceArgs, name, .help = "A name or a pattern; without it: all."),
    FIELD_END
};
const Field trace_event_args[] = {
    FIELD_(TraceArgs, name, F_CONFIG | F_REQUIRED, 1, .help = "A name, or a pattern with * and ?."),
    FIELD_(TraceArgs, on, F_CONFIG | F_REQUIRED, 1, .help = "Watch it, or not."),
    FIELD_END
};
const Field trace_get_args[] = {
    FIELD_(TraceArgs, name, F_CONFIG | F_REQUIRED, 1, .help = "A name, or a pattern with * and ?."),
    FIELD_END
};
const Field trace_set_args[] = {
    FIELD_(TraceArgs, name, F_CONFIG | F_REQUIRED, 1, .help = "A name, or a pattern with * and ?."),
    { .name = "enable", .type = T_BOOL, .flags = F_CONFIG | F_REQUIRED,
      .offset = offsetof(TraceArgs, on), .count = 1, .help = "Watch it, or not." },
    CONFIG_AS(TraceArgs, ignore_unavailable, "ignore-unavailable",
              .help = "Events that cannot be watched are no error; all can."),
    FIELD_END
};
