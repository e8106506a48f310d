/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdbrun.c -- the debugger's server: stopping the machine, telling why, and letting it go on.
 *
 * Spec: Debugging with GDB, appendix E, Packets (c, s, vCont) and Stop Reply Packets.
 * Threads: the main context with the machine lock.
 */
#include "core/gdbstub_int.h"
#include <inttypes.h>
#include <string.h>

Vcpu *gdb_vcpu(GdbStub *g, unsigned i)
{
    return g->machine->vcpus->pdata[i];
}

static void stop_reply(GdbStub *g)
{
    Machine    *m = g->machine;
    const Vcpu *why = NULL;
    GString    *s = g_string_new(NULL);

    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = gdb_vcpu(g, i);
        if (!why && v->debug.why != DEBUG_NONE) {
            why = v;
            g->thread = i;
        } else if (v->debug.why == DEBUG_BREAK) {
            v->debug.passed = false;    /* it is stopped there again */
        }
    }
    g_string_printf(s, "T%02xthread:%x;", why ? SIG_TRAP : SIG_INT, g->thread + 1);
    if (why && why->debug.why == DEBUG_WATCH) {
        static const char *const names[] = {
            [DEBUG_READ] = "rwatch", [DEBUG_WRITE] = "watch", [DEBUG_READ | DEBUG_WRITE] = "awatch"
        };
        g_string_append_printf(s, "%s:%" PRIx64 ";", names[why->debug.ways], why->debug.at);
    } else if (why && why->debug.why == DEBUG_BREAK) {
        const DebugBreak *b = debug_break_at(m->debug, why->debug.at);
        bool hard = b && b->hard;
        if (hard ? g->hwbreak : g->swbreak) {
            g_string_append(s, hard ? "hwbreak:;" : "swbreak:;");
        }
    }
    gdb_reply_string(g, s);
}

void gdb_has_stopped(void *who)
{
    GdbStub *g = who;

    if (g->running) {
        g->running = false;
        stop_reply(g);
    }
}

void gdb_halt(GdbStub *g)
{
    Machine *m = g->machine;

    if (m->state == RUN_RUNNING) {
        machine_stop(m);
        machine_event(m, "STOP", NULL);
    }
}

static void go(GdbStub *g)
{
    Machine *m = g->machine;
    bool     was_running = m->state == RUN_RUNNING;

    g->running = true;
    machine_cont(m);
    if (m->state != RUN_RUNNING) {      /* powered off: it will not */
        gdb_has_stopped(g);
    } else if (!was_running) {
        machine_event(m, "RESUME", NULL);
    }
}

static void let_all_go(GdbStub *g)
{
    for (unsigned i = 0; i < g->machine->vcpus->len; i++) {
        Vcpu *v = gdb_vcpu(g, i);
        v->debug.held = v->debug.single = false;
    }
}

void gdb_detach(GdbStub *g, bool run)
{
    gdb_halt(g);
    debug_clear(g->machine);
    g->physical = false;
    if (run) {
        go(g);
    }
    g->running = false;
}

void gdb_resume(GdbStub *g, const char *p, bool step, bool signal)
{
    Vcpu    *v = gdb_vcpu(g, g->thread);
    uint64_t at;

    if (signal && (!gdb_number(&p, &at) || (*p && !gdb_symbol(&p, ';')))) {
        gdb_reply(g, "E22");
        return;
    }
    if (*p) {
        gdb_reply(g, "E22");                /* gdb writes the PC itself */
        return;
    }
    if (step && !debug_can(g->machine)) {
        gdb_reply(g, "E01");
        return;
    }
    let_all_go(g);
    for (unsigned i = 0; step && i < g->machine->vcpus->len; i++) {
        gdb_vcpu(g, i)->debug.held = i != g->thread;
    }
    v->debug.single = step;
    go(g);
}

void gdb_vcont(GdbStub *g, const char *p)
{
    unsigned n = g->machine->vcpus->len, some = 0;
    char    *what = g_malloc0(n + 1);
    bool     ok = true;

    while (ok && *p) {
        uint64_t sig;
        char     c = 0;
        int      t = -1;
        ok = gdb_symbol(&p, ';') && strchr("cCsSt", c = *p) && c;
        p += ok;
        ok = ok && ((c != 'C' && c != 'S') || gdb_number(&p, &sig));
        if (ok && gdb_symbol(&p, ':')) {
            t = gdb_thread(g, &p);
        }
        ok = ok && t != -2 && (!*p || *p == ';');
        for (unsigned i = 0; ok && i < n; i++) {
            if (!what[i] && (t < 0 || (unsigned)t == i)) {      /* the first that fits counts */
                what[i] = g_ascii_tolower(c);
                some += what[i] != 't';
            }
        }
    }
    if (!ok || !some || (!debug_can(g->machine) && memchr(what, 's', n))) {
        gdb_reply(g, "E22");
        g_free(what);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        Vcpu *v = gdb_vcpu(g, i);
        v->debug.held = !what[i] || what[i] == 't';
        v->debug.single = what[i] == 's';
    }
    g_free(what);
    go(g);
}
