/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.c -- what -d asks for, to standard error or to -D FILE.
 *
 * Spec: none; the item names are those of -d in common use.
 * Omits: per-range filters.
 * Threads: log_setup() before threads start; log_write() from any.
 */
#include "core/log.h"
#include "core/field.h"
#include "core/trace.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t     log_mask;
static FILE *log_file;                /* NULL: standard error */

static const struct {
    const char *name;
    uint32_t    item;
    const char *help;
} items[] = {
    { "int",          LOG_INT,          "interrupts and exceptions as they are delivered" },
    { "exec",         LOG_EXEC,         "each translated block as it is entered" },
    { "in_asm",       LOG_IN_ASM,       "guest instructions as they are translated" },
    { "ir",           LOG_IR,           "the translator's intermediate form" },
    { "op",           LOG_IR,           "the same" },
    { "opt",          LOG_OPT,          "the intermediate form after optimisation" },
    { "op_opt",       LOG_OPT,          "the same" },
    { "out_asm",      LOG_OUT_ASM,      "host instructions as they are generated" },
    { "cpu_reset",    LOG_CPU_RESET,    "CPU state at reset" },
    { "guest_errors", LOG_GUEST_ERRORS, "what the guest does wrong" },
    { "unimp",        LOG_UNIMP,        "what the guest uses and is not there" },
    { "pcall",        LOG_PCALL,        "far calls, gates and returns" },
    { "mmu",          LOG_MMU,          "page walks and TLB maintenance" },
    { "cpu",          LOG_CPU,          "CPU state before each block" },
    { "io",           LOG_IO,           "each device access" },
    { "all",          UINT32_MAX,       "everything" },
};

static void log_help(void)
{
    printf("Log items (-d item,item,...):\n");
    for (size_t i = 0; i < G_N_ELEMENTS(items); i++) {
        printf("  %-14s %s\n", items[i].name, items[i].help);
    }
    printf("  %-14s %s\n", "trace:PATTERN", "trace events; \"-trace help\" lists them");
}

/* items NULL: none.  "help" prints the list and leaves log_mask alone; the caller ends. */
bool log_setup(const char *names, const char *file, GError **err)
{
    char   **list;
    uint32_t mask = 0;
    bool     ok = true;

    if (names && !strcmp(names, "help")) {
        log_help();
        return true;
    }
    list = g_strsplit(names ? names : "", ",", -1);
    for (char **p = list; *p && ok; p++) {
        uint32_t item = 0;
        if (g_str_has_prefix(*p, "trace:")) {
            ok = trace_switch(*p + strlen("trace:"), true, err);
            continue;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(items); i++) {
            if (!strcmp(items[i].name, *p)) {
                item = items[i].item;
            }
        }
        mask |= item;
        if (!item && **p) {
            ok = fail(err, "-d %s: no such log item; \"-d help\" lists them", *p);
        }
    }
    g_strfreev(list);
    if (ok && file) {
        log_file = fopen(file, "w");
        if (!log_file) {
            return fail(err, "-D %s: cannot write it: %s", file, g_strerror(errno));
        }
        setvbuf(log_file, NULL, _IOLBF, 0);
    }
    if (ok) {
        log_mask = mask;
    }
    return ok;
}

/* ---- messages to people: what g_printerr() prints ---- */

static bool  message_timed, message_middle;     /* in the middle of a line */
static char *message_guest;

static void print_message(const char *text)
{
    if (!message_middle && message_timed) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char     *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
        fprintf(stderr, "%s.%06dZ ", time, g_date_time_get_microsecond(now));
    }
    if (!message_middle && message_guest) {
        fprintf(stderr, "%s ", message_guest);
    }
    message_middle = *text && text[strlen(text) - 1] != '\n';
    fputs(text, stderr);
}

void message_setup(int timestamp, const char *guest)
{
    message_timed = timestamp < 0 ? message_timed : timestamp;
    if (guest) {
        g_free(message_guest);
        message_guest = g_strdup(guest);
    }
    g_set_printerr_handler(print_message);
}

void log_write(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(log_file ? log_file : stderr, fmt, ap);
    va_end(ap);
}
