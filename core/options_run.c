/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_run.c -- options of the machine's life: clock, start, snapshots, debugger, log, process.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: nothing.
 * Threads: the main thread, before any other.
 */
#include "core/fds.h"
#include "core/gdbstub.h"
#include "core/options_int.h"
#include "core/log.h"
#include "core/snapshot.h"
#include "core/trace.h"
#include <string.h>

static const char *const rtc_clocks[] = { "host", "rt", "vm", NULL };
static const char *const rtc_fixes[] = { "none", "slew", NULL };
const Field rtc_args[] = {
    CONFIG(RtcArgs, base, .help = "utc, localtime, or a date: 2006-06-17T16:01:21."),
    CONFIG_ENUM(RtcArgs, clock, rtc_clocks,
                .help = "Counts on the host's wall clock, its steady clock, or the guest's time."),
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
        return fail(err, "-rtc base=%s: must be utc, localtime or a date like 2006-06-17T16:01:21",
                    a->base);
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
    if (strcmp(option_text(args), "defer") &&
        !snapshot_check_address("-incoming", option_text(args), err)) {
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

const Field trace_opt[] = {
    CONFIG(TraceOpt, enable, .help = "Events by name or pattern (* and ?); -PATTERN: not these."),
    CONFIG(TraceOpt, events, .help = "A file with a pattern a line."),
    CONFIG(TraceOpt, file, .help = "Where they are written, as -D."),
    FIELD_END
};

bool opt_trace(Machine *m, void *args, Reply *reply, GError **err)
{
    TraceOpt *a = args;

    if (a->enable && !strcmp(a->enable, "help")) {
        trace_print_help();
        m->options->raw->exit_now = true;
        return true;
    }
    if (a->file) {
        option_take(&m->options->raw->log_file, &a->file);
    }
    return (!a->enable || trace_switch(a->enable, true, err)) &&
           (!a->events || trace_read_file(a->events, err));
}

bool opt_pidfile(Machine *m, void *args, Reply *reply, GError **err)
{
    g_free(m->options->pidfile);
    m->options->pidfile = g_canonicalize_filename(option_text(args), NULL);
    return true;
}

/* ---- the process ---- */

bool opt_action(Machine *m, void *args, Reply *reply, GError **err)
{
    machine_set_actions(m, args);
    return true;
}

bool opt_watchdog_action(Machine *m, void *args, Reply *reply, GError **err)
{
    ActionArgs a = { 0 };
    bool       ok = field_parse(action_args, &a, "watchdog", option_text(args), err);

    machine_set_actions(m, &a);
    return ok;
}

bool opt_daemonize(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->daemonize = true;
    return true;
}

bool opt_runas(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->runas, &((TextArgs *)args)->value);
    return true;
}

bool opt_chroot(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->chroot, &((TextArgs *)args)->value);
    return true;
}

static const char *const deny_allow[] = { "deny", "allow", NULL };
static const char *const allow_deny[] = { "allow", "deny", NULL };
static const char *const allow_deny_children[] = { "allow", "deny", "children", NULL };
const Field sandbox_args[] = {
    CONFIG(SandboxArgs, enable, .help = "On, or off."),
    CONFIG_ENUM(SandboxArgs, obsolete, deny_allow, .help = "Calls that no program of today makes."),
    CONFIG_ENUM(SandboxArgs, elevateprivileges, allow_deny_children,
                .help = "Becoming somebody else."),
    CONFIG_ENUM(SandboxArgs, spawn, allow_deny, .help = "Starting programs."),
    CONFIG_ENUM(SandboxArgs, resourcecontrol, allow_deny, .help = "Affinities and priorities."),
    FIELD_END
};

bool opt_sandbox(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->sandbox = *(SandboxArgs *)args;
    return true;
}

const Field msg_args[] = {
    CONFIG(MsgArgs, timestamp, .help = "With the time before them."),
    CONFIG_AS(MsgArgs, guest_name, "guest-name", .help = "With the guest's name."),
    FIELD_END
};

bool opt_msg(Machine *m, void *args, Reply *reply, GError **err)
{
    const MsgArgs *a = args;

    m->options->raw->msg_name = a->guest_name;
    message_setup(a->timestamp, NULL);
    return true;
}

bool opt_readconfig(Machine *m, void *args, Reply *reply, GError **err)
{
    return options_read_file(m, option_text(args), err);
}

const Field option_add_fd_args[] = {
    CONFIG(AddFdArgs, fd, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = INT32_MAX,
           .help = "The descriptor."),
    CONFIG(AddFdArgs, set, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = INT64_MAX,
           .help = "Its set."),
    CONFIG(AddFdArgs, opaque, .help = "A note."),
    FIELD_END
};

bool opt_add_fd(Machine *m, void *args, Reply *reply, GError **err)
{
    const AddFdArgs *a = args;

    if (a->fd < 0 || a->set < 0) {
        return fail(err, "-add-fd: fd= and set= belong here");
    }
    return fds_add_option(m, (int)a->fd, a->set, a->opaque, err);
}
