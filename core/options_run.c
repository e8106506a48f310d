/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_run.c -- options of the machine's life: clock, start, snapshots, debugger, log, process.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: nothing.
 * Threads: the main thread, before any other.
 */
#include "core/gdbstub.h"
#include "core/options_int.h"
#include "core/log.h"
#include "core/snapshot.h"
#include <string.h>

static const char *const rtc_clocks[] = { "host", "rt", "vm", NULL };
static const char *const rtc_fixes[] = { "none", "slew", NULL };
const Field rtc_args[] = {
    CONFIG(RtcArgs, base, .help = "utc, localtime, or a date: 2006-06-17T16:01:21."),
    CONFIG_ENUM(RtcArgs, clock, rtc_clocks, .help = "Counts on the host's wall clock, its steady clock, or the guest's time."),
    CONFIG_ENUM(RtcArgs, driftfix, rtc_fixes, .help = "Deliver ticks the guest missed later."),
    FIELD_END
};

/* ---- time, life and log ---- */

static bool rtc_date(struct Options *o, const char *text)
{
    GTimeZone *utc = g_time_zone_new_utc();
    char      *full = strchr(text, 'T') ? g_strdup(text) : g_strconcat(text, "T00:00:00", NULL);
    GDateTime *d = g_date_time_new_from_iso8601(full, utc);

    g_free(full);
    g_time_zone_unref(utc);
    if (!d) {
        return false;
    }
    o->rtc_base_set = true;
    o->rtc_base_s = g_date_time_to_unix(d);
    g_date_time_unref(d);
    return true;
}

bool opt_rtc(Machine *m, void *args, Reply *reply, GError **err)
{
    static const TimeBase clocks[] = { TIME_WALL, TIME_HOST, TIME_GUEST };
    struct Options *o = m->options;
    RtcArgs        *a = args;

    o->rtc_clock = clocks[a->clock];
    o->rtc_slew = a->driftfix == 1;
    o->rtc_localtime = a->base && !strcmp(a->base, "localtime");
    if (a->base && strcmp(a->base, "utc") && !o->rtc_localtime && !rtc_date(o, a->base)) {
        return fail(err, "-rtc base=%s: must be utc, localtime or a date like 2006-06-17T16:01:21", a->base);
    }
    return true;
}

bool opt_no_reboot(Machine *m, void *args, Reply *reply, GError **err)
{
    m->no_reboot = true;
    return true;
}

bool opt_no_shutdown(Machine *m, void *args, Reply *reply, GError **err)
{
    m->no_shutdown = true;
    return true;
}

bool opt_S(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->start_paused = true;
    return true;
}

bool opt_loadvm(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->loadvm, &((TextArgs *)args)->value);
    return true;
}

bool opt_incoming(Machine *m, void *args, Reply *reply, GError **err)
{
    if (strcmp(option_text(args), "defer") && !snapshot_check_address("-incoming", option_text(args), err)) {
        return false;
    }
    option_take(&m->options->incoming, &((TextArgs *)args)->value);
    return true;
}

bool opt_gdb(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->gdb, &((TextArgs *)args)->value);
    return true;
}

bool opt_s(Machine *m, void *args, Reply *reply, GError **err)
{
    g_free(m->options->gdb);
    m->options->gdb = g_strdup(GDB_DEFAULT);
    return true;
}

bool opt_d(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->raw->exit_now |= !strcmp(option_text(args), "help");
    option_take(&m->options->raw->log_items, &((TextArgs *)args)->value);
    return !m->options->raw->exit_now || log_setup("help", NULL, err);
}

bool opt_D(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->raw->log_file, &((TextArgs *)args)->value);
    return true;
}

bool opt_pidfile(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->pidfile, &((TextArgs *)args)->value);
    return true;
}
