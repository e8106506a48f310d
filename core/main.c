/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c -- from the command line to a running machine, and out again.  The only place that calls
 * exit().
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: the main thread; signals arrive through a descriptor in its main loop.
 */
#include "accel/accel.h"
#include "core/daemon.h"
#include "core/display.h"
#include "core/gdbstub.h"
#include "core/log.h"
#include "core/monitor.h"
#include "core/options.h"
#include "core/qmp.h"
#include "core/snapshot.h"
#include "core/vcpu.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* ---- signals ---- */

typedef struct SignalSource {
    GSource  source;
    Machine *machine;
    int      fd;
    gpointer tag;
} SignalSource;

static gboolean signal_ready(GSource *source)
{
    return g_source_query_unix_fd(source, ((SignalSource *)source)->tag) != 0;
}

static gboolean signal_dispatch(GSource *source, GSourceFunc f, gpointer data)
{
    SignalSource           *s = (SignalSource *)source;
    struct signalfd_siginfo info;

    (void)f;
    (void)data;
    if (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
        g_printerr("ryokan: ended by signal %u (%s)\n", info.ssi_signo,
                   strsignal((int)info.ssi_signo));
        s->machine->shutdown_cause = "host-signal";
        machine_exit_request(s->machine, 0);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs signal_funcs = { .check = signal_ready, .dispatch = signal_dispatch };

/* Before any thread starts, so that all of them leave these signals to the main loop. */
static GSource *signals_init(Machine *m)
{
    SignalSource *s = (SignalSource *)g_source_new(&signal_funcs, sizeof(SignalSource));
    sigset_t      set;

    signal(SIGPIPE, SIG_IGN);
    /* a file that may not grow is an error of whoever writes it */
    signal(SIGXFSZ, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    s->machine = m;
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->tag = g_source_add_unix_fd(&s->source, s->fd, G_IO_IN);
    g_source_attach(&s->source, m->context);
    return &s->source;
}

/* ---- building ---- */

static bool open_viewers(Machine *m, GError **err)
{
    Viewer *v;
    bool    ok = true;

    machine_lock(m);
    if (m->options->viewer) {
        ok = m->options->viewer->open(m, m->console, &v, err);
    }
    for (const ViewerOps *const *o = viewer_ops; *o && ok && m->options->vnc; o++) {
        ok = strcmp((*o)->name, "vnc") || (*o)->open(m, m->console, &v, err);
    }
    machine_unlock(m);
    return ok;
}

static bool drop_privileges(const struct Options *o, GError **err)
{
    return ((!o->runas && !o->chroot) || daemon_drop(o->runas, o->chroot, err)) &&
           (!o->sandbox.enable || daemon_sandbox(&o->sandbox, err));
}

static int die(GError *err)
{
    g_printerr("ryokan: %s\n", err ? err->message : "failed");
    return 1;
}

int main(int argc, char **argv)
{
    Machine        *m = machine_new();
    struct Options *o;
    GSource        *signals;
    Monitor        *monitors[MAX_MONITORS] = { NULL };
    Qmp            *qmps[MAX_MONITORS] = { NULL };
    GError         *err = NULL;
    bool            exit_now = false;
    int             status = 1, daemon_fd = 0;

    if (!options_parse(m, argc, argv, &exit_now, &err)) {
        return die(err);
    }
    if (exit_now) {
        return 0;
    }
    o = m->options;
    if (o->daemonize) {
        daemon_fd = daemon_fork(&status);
        if (daemon_fd <= 0) {
            return daemon_fd
                       ? die(g_error_new(RYOKAN_ERROR, 1, "-daemonize: %s", g_strerror(errno)))
                       : status;
        }
    }
    signals = signals_init(m);
    if (!machine_build(m, &err)) {
        return die(err);
    }
    for (unsigned i = 0; i < o->n_monitors; i++) {
        if (o->monitor_qmp[i]) {
            qmps[i] = qmp_new(m, o->monitor_on[i]);
        } else {
            monitors[i] = monitor_new(m, o->monitor_on[i]);
        }
    }
    if (chr_open_all(m, &err) && open_viewers(m, &err) &&
        (!o->pidfile || daemon_pidfile(o->pidfile, &err)) && drop_privileges(o, &err) &&
        machine_start(m, &err) && snapshot_start(m, &err)) {
        if (daemon_fd) {
            daemon_ready(daemon_fd);
        }
        if (!o->start_paused) {
            machine_cont(m);
        }
        status = machine_run(m);
        if (o->pidfile) {
            unlink(o->pidfile);
        }
    } else {
        status = 1;
    }
    gdbstub_free(m);
    g_source_destroy(signals);
    g_source_unref(signals);
    machine_free(m);
    for (unsigned i = 0; i < o->n_monitors; i++) {
        g_clear_pointer(&monitors[i], monitor_free);
        g_clear_pointer(&qmps[i], qmp_free);
    }
    options_free(o);
    if (err) {                          /* last: a viewer may have had the terminal */
        die(err);
    }
    return status;
}
