/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdbstub.c -- a debugger's way in: gdb's remote serial protocol, all-stop, one thread a vCPU.
 *
 * Spec: Debugging with GDB, appendix E (Remote Protocol).
 * Omits: non-stop mode, several processes, tracing, reverse execution.  Where two vCPUs stop at the
 *        same moment one is reported; the other's breakpoint stops it again, its watchpoint does
 *        not.
 * Threads: the main context with the machine lock.
 */
#include "core/gdbstub.h"
#include "core/debug.h"
#include "core/commands.h"
#include "accel/accel.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACKET_MAX = 0x4000, DATA_MAX = PACKET_MAX / 2 - 8, REG_MAX_BYTES = 64, REGS_MAX = 512 };
enum { SIG_INT = 2, SIG_TRAP = 5 };
enum { STEP_ENABLE = 1, STEP_NO_IRQ = 2 };

typedef enum { AT_START, IN_PACKET, IN_SUM1, IN_SUM2 } ParseState;

typedef struct GdbStub {
    Machine   *machine;
    Chardev   *chr;
    ParseState state;
    uint8_t    in[PACKET_MAX + 1];
    size_t     n;
    bool       too_long, no_ack, off;
    uint8_t    sum, sum_given;
    GString   *last;                  /* as sent, for a peer that wants it again */
    bool       running;               /* the peer waits for a stop reply */
    bool       swbreak, hwbreak, physical;
    unsigned   thread;                /* the vCPU that g, m and p are about */
    unsigned   step_flags;
} GdbStub;

/* ---- out ---- */

static void put(GdbStub *g, const char *data, size_t n)
{
    uint8_t sum = 0;

    g_string_assign(g->last, "$");
    for (size_t i = 0; i < n; i++) {
        char c = data[i];
        if (c == '#' || c == '$' || c == '}' || c == '*') {
            g_string_append_c(g->last, '}');
            c ^= 0x20;
        }
        g_string_append_c(g->last, c);
    }
    for (size_t i = 1; i < g->last->len; i++) {
        sum = (uint8_t)(sum + (uint8_t)g->last->str[i]);
    }
    g_string_append_printf(g->last, "#%02x", sum);
    chr_write(g->chr, g->last->str, g->last->len);
}

static void reply(GdbStub *g, const char *text)
{
    put(g, text, strlen(text));
}

static void hex(GString *s, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(s, "%02x", from[i]);
    }
}

static void reply_string(GdbStub *g, GString *s)
{
    put(g, s->str, s->len);
    g_string_free(s, TRUE);
}

/* ---- in: each moves *p on, or fails ---- */

static bool number(const char **p, uint64_t *v)
{
    unsigned digits = 0;

    for (*v = 0; g_ascii_isxdigit(**p) && digits < 16; (*p)++, digits++) {
        *v = *v << 4 | (unsigned)g_ascii_xdigit_value(**p);
    }
    return digits && !g_ascii_isxdigit(**p);
}

static bool symbol(const char **p, char c)
{
    return **p == c && ((*p)++, true);
}

/* Bytes in hex; how many, or -1. */
static int bytes(const char *p, uint8_t *to, size_t room)
{
    size_t n = strspn(p, "0123456789abcdefABCDEF");

    if (n % 2 || n / 2 > room) {
        return -1;
    }
    for (size_t i = 0; i < n; i += 2) {
        to[i / 2] = (uint8_t)(g_ascii_xdigit_value(p[i]) << 4 | g_ascii_xdigit_value(p[i + 1]));
    }
    return (int)(n / 2);
}

/* A thread: its vCPU, -1 for all or any, -2 for nonsense. */
static int thread_id(GdbStub *g, const char **p)
{
    uint64_t v;

    if (g_str_has_prefix(*p, "-1")) {
        *p += 2;
        return -1;
    }
    if (!number(p, &v) || v > g->machine->vcpus->len) {
        return -2;
    }
    return (int)v - 1;
}

static Vcpu *vcpu(GdbStub *g, unsigned i)
{
    return g->machine->vcpus->pdata[i];
}

/* ---- stopping and going ---- */

static void stop_reply(GdbStub *g)
{
    Machine    *m = g->machine;
    const Vcpu *why = NULL;
    GString    *s = g_string_new(NULL);

    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = vcpu(g, i);
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
    reply_string(g, s);
}

static void machine_has_stopped(void *who)
{
    GdbStub *g = who;

    if (g->running) {
        g->running = false;
        stop_reply(g);
    }
}

static void halt(GdbStub *g)
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
        machine_has_stopped(g);
    } else if (!was_running) {
        machine_event(m, "RESUME", NULL);
    }
}

static void let_all_go(GdbStub *g)
{
    for (unsigned i = 0; i < g->machine->vcpus->len; i++) {
        Vcpu *v = vcpu(g, i);
        v->debug.held = v->debug.single = false;
    }
}

static void detach(GdbStub *g, bool run)
{
    halt(g);
    debug_clear(g->machine);
    g->physical = false;
    if (run) {
        go(g);
    }
    g->running = false;
}

/* c, s, C and S, with an address where to go on. */
static void resume(GdbStub *g, const char *p, bool step, bool signal)
{
    Vcpu    *v = vcpu(g, g->thread);
    uint64_t at;

    if (signal && (!number(&p, &at) || (*p && !symbol(&p, ';')))) {
        reply(g, "E22");
        return;
    }
    if (*p) {
        reply(g, "E22");                /* gdb writes the PC itself */
        return;
    }
    if (step && !debug_can(g->machine)) {
        reply(g, "E01");
        return;
    }
    let_all_go(g);
    for (unsigned i = 0; step && i < g->machine->vcpus->len; i++) {
        vcpu(g, i)->debug.held = i != g->thread;
    }
    v->debug.single = step;
    go(g);
}

static void vcont(GdbStub *g, const char *p)
{
    unsigned n = g->machine->vcpus->len, some = 0;
    char    *what = g_malloc0(n + 1);
    bool     ok = true;

    while (ok && *p) {
        uint64_t sig;
        char     c = 0;
        int      t = -1;
        ok = symbol(&p, ';') && strchr("cCsSt", c = *p) && c;
        p += ok;
        ok = ok && ((c != 'C' && c != 'S') || number(&p, &sig));
        if (ok && symbol(&p, ':')) {
            t = thread_id(g, &p);
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
        reply(g, "E22");
        g_free(what);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        Vcpu *v = vcpu(g, i);
        v->debug.held = !what[i] || what[i] == 't';
        v->debug.single = what[i] == 's';
    }
    g_free(what);
    go(g);
}

/* ---- registers and memory ---- */

static void fetch_regs(Vcpu *v, bool back)
{
    const AccelOps *a = v->machine->accel;

    if (a && (back ? a->set_regs : a->get_regs)) {
        (back ? a->set_regs : a->get_regs)(v);
    }
}

static void read_regs(GdbStub *g, const char *p)
{
    Vcpu    *v = vcpu(g, g->thread);
    GString *s = g_string_new(NULL);
    uint8_t  buf[REG_MAX_BYTES];
    unsigned n;

    fetch_regs(v, false);
    for (unsigned i = 0;
         i < REGS_MAX && (n = v->cpu_ops->gdb_read(v, i, buf)) && s->len + 2 * n <= PACKET_MAX;
         i++) {
        hex(s, buf, n);
    }
    reply_string(g, s);
}

static void write_regs(GdbStub *g, const char *p)
{
    Vcpu    *v = vcpu(g, g->thread);
    uint8_t  buf[REG_MAX_BYTES];
    uint8_t *data = g_malloc(PACKET_MAX / 2);
    int      n = bytes(p, data, PACKET_MAX / 2), at = 0;
    unsigned size;

    fetch_regs(v, false);
    for (unsigned i = 0; n >= 0 && i < REGS_MAX && (size = v->cpu_ops->gdb_read(v, i, buf)); i++) {
        if ((unsigned)(n - at) < size) {
            break;
        }
        v->cpu_ops->gdb_write(v, i, data + at, size);   /* what cannot be changed stays */
        at += (int)size;
    }
    fetch_regs(v, true);
    g_free(data);
    reply(g, n > 0 ? "OK" : "E22");
}

static void read_reg(GdbStub *g, const char *p)
{
    Vcpu    *v = vcpu(g, g->thread);
    uint8_t  buf[REG_MAX_BYTES];
    uint64_t reg;
    unsigned n = 0;

    if (number(&p, &reg) && !*p && reg < REGS_MAX) {
        fetch_regs(v, false);
        n = v->cpu_ops->gdb_read(v, (unsigned)reg, buf);
    }
    GString *s = g_string_new(n ? NULL : "E14");
    hex(s, buf, n);
    reply_string(g, s);
}

static void write_reg(GdbStub *g, const char *p)
{
    Vcpu    *v = vcpu(g, g->thread);
    uint8_t  buf[REG_MAX_BYTES];
    uint64_t reg;
    int      n = -1;

    if (number(&p, &reg) && reg < REGS_MAX && symbol(&p, '=')) {
        n = bytes(p, buf, sizeof(buf));
    }
    fetch_regs(v, false);
    bool ok = n > 0 && v->cpu_ops->gdb_write(v, (unsigned)reg, buf, (size_t)n);
    fetch_regs(v, true);
    reply(g, ok ? "OK" : "E14");
}

static bool memory(GdbStub *g, uint64_t at, uint8_t *buf, size_t n, bool write)
{
    Vcpu *v = vcpu(g, g->thread);

    fetch_regs(v, false);
    return g->physical ? debug_memory(v->as, at, buf, n, write)
                       : v->cpu_ops->gdb_memory(v, at, buf, n, write);
}

static void read_memory(GdbStub *g, const char *p)
{
    uint64_t at, n;

    if (!number(&p, &at) || !symbol(&p, ',') || !number(&p, &n) || *p) {
        reply(g, "E22");
        return;
    }
    n = MIN(n, DATA_MAX);               /* fewer is allowed */
    uint8_t *buf = g_malloc(DATA_MAX);
    if (memory(g, at, buf, n, false)) {
        GString *s = g_string_new(NULL);
        hex(s, buf, n);
        reply_string(g, s);
    } else {
        reply(g, "E14");
    }
    g_free(buf);
}

static void write_memory(GdbStub *g, const char *p, bool binary)
{
    uint64_t at, n;
    uint8_t *buf = g_malloc(PACKET_MAX);
    bool     ok = number(&p, &at) && symbol(&p, ',') && number(&p, &n) && symbol(&p, ':');

    if (ok && binary) {
        size_t have = g->n - (size_t)(p - (const char *)g->in), got = 0;
        for (size_t i = 0; i < have; i++) {
            bool escaped = p[i] == '}' && i + 1 < have;
            i += escaped;
            buf[got++] = (uint8_t)(escaped ? p[i] ^ 0x20 : p[i]);
        }
        ok = got == n;
    } else if (ok) {
        int got = bytes(p, buf, PACKET_MAX);
        ok = got >= 0 && (uint64_t)got == n;
    }
    reply(g, !ok ? "E22" : memory(g, at, buf, n, true) ? "OK" : "E14");
    g_free(buf);
}

/* Z and z: kind 0 and 1 breakpoints, 2 to 4 watchpoints for writes, reads, both. */
static void points(GdbStub *g, const char *p, bool add)
{
    static const unsigned ways[] = {
        [2] = DEBUG_WRITE, [3] = DEBUG_READ, [4] = DEBUG_READ | DEBUG_WRITE
    };
    uint64_t kind, at, n;
    Machine *m = g->machine;
    bool     ok;

    if (!number(&p, &kind) || !symbol(&p, ',') || !number(&p, &at) || !symbol(&p, ',') ||
        !number(&p, &n)) {
        reply(g, "E22");
        return;
    }
    if (kind > 4 || (*p && *p != ';') || !debug_can(m)) {
        reply(g, "");
        return;
    }
    if (kind < 2) {
        ok = add ? debug_break_add(m, at, kind == 1) : debug_break_del(m, at, kind == 1);
    } else {
        ok = add ? debug_watch_add(m, at, n, ways[kind]) : debug_watch_del(m, at, n, ways[kind]);
    }
    reply(g, ok ? "OK" : "E22");
}

/* ---- questions ---- */

static void q_supported(GdbStub *g, const char *p)
{
    g->swbreak = strstr(p, "swbreak+") != NULL;
    g->hwbreak = strstr(p, "hwbreak+") != NULL;
    g_autofree char *s = g_strdup_printf("PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;multiprocess-;"
                                         "swbreak+;hwbreak+", PACKET_MAX);
    reply(g, s);
}

/* qXfer:features:read:ANNEX:OFFSET,LENGTH */
static void q_features(GdbStub *g, const char *p)
{
    Vcpu    *v = vcpu(g, g->thread);
    const char *colon = strchr(p, ':'), *q = colon ? colon + 1 : p;
    uint64_t at, n;

    if (!colon || !number(&q, &at) || !symbol(&q, ',') || !number(&q, &n) || *q) {
        reply(g, "E00");
        return;
    }
    g_autofree char *annex = g_strndup(p, (gsize)(colon - p));
    g_autofree char *xml = v->cpu_ops->gdb_xml(v, annex);
    size_t size = xml ? strlen(xml) : 0;
    if (!xml || at > size) {
        reply(g, "E00");
        return;
    }
    n = MIN(n, DATA_MAX);
    GString *s = g_string_new(size - at > n ? "m" : "l");
    g_string_append_len(s, xml + at, (gssize)MIN(n, size - at));
    reply_string(g, s);
}

static void q_threads(GdbStub *g, const char *p)
{
    GString *s = g_string_new("m");

    for (unsigned i = 0; i < g->machine->vcpus->len; i++) {
        g_string_append_printf(s, "%s%x", i ? "," : "", i + 1);
    }
    reply_string(g, s);
}

static void q_no_more(GdbStub *g, const char *p) { reply(g, "l"); }
static void q_attached(GdbStub *g, const char *p) { reply(g, "1"); }

static void q_thread(GdbStub *g, const char *p)
{
    g_autofree char *s = g_strdup_printf("QC%x", g->thread + 1);
    reply(g, s);
}

static void q_extra(GdbStub *g, const char *p)
{
    int t = thread_id(g, &p);

    if (t < 0) {
        reply(g, "E22");
        return;
    }
    g_autofree char *text =
        g_strdup_printf("CPU#%d [%s]", t, vcpu(g, (unsigned)t)->halted ? "halted" : "running");
    GString *s = g_string_new(NULL);
    hex(s, (uint8_t *)text, strlen(text));
    reply_string(g, s);
}

/* A line for the monitor; its answer in pieces that fit. */
static void q_monitor(GdbStub *g, const char *p)
{
    enum { PIECE = DATA_MAX / 2 };
    char *line = g_malloc0(PACKET_MAX / 2 + 1);
    int   n = bytes(p, (uint8_t *)line, PACKET_MAX / 2);

    if (n < 0) {
        reply(g, "E22");
    } else {
        GString *out = g_string_new(NULL);
        prompt_run(g->machine, line, out);
        for (size_t at = 0; at < out->len; at += PIECE) {
            GString *s = g_string_new("O");
            hex(s, (uint8_t *)out->str + at, MIN(PIECE, out->len - at));
            reply_string(g, s);
        }
        g_string_free(out, TRUE);
        reply(g, "OK");
    }
    g_free(line);
}

static void q_no_ack(GdbStub *g, const char *p)
{
    g->no_ack = true;
    reply(g, "OK");
}

static void q_step_bits(GdbStub *g, const char *p) { reply(g, "ENABLE=1,NOIRQ=2"); }

static void q_step(GdbStub *g, const char *p)
{
    g_autofree char *s = g_strdup_printf("0x%x", g->step_flags);
    reply(g, s);
}

/* A step is always one without interrupts here. */
static void set_step(GdbStub *g, const char *p)
{
    uint64_t v;

    p += g_str_has_prefix(p, "0x") ? 2 : 0;
    reply(g, number(&p, &v) && !*p && v == (STEP_ENABLE | STEP_NO_IRQ) ? "OK" : "E22");
}

static void q_physical(GdbStub *g, const char *p) { reply(g, g->physical ? "1" : "0"); }

static void set_physical(GdbStub *g, const char *p)
{
    bool ok = (*p == '0' || *p == '1') && !p[1];

    g->physical = ok ? *p == '1' : g->physical;
    reply(g, ok ? "OK" : "E22");
}

static void leave(GdbStub *g, const char *p)
{
    reply(g, "OK");
    detach(g, true);
}

static void kill_machine(GdbStub *g, const char *p)
{
    if (g->in[0] == 'v') {
        reply(g, "OK");
    }
    g->machine->shutdown_cause = "host-qmp-quit";
    machine_exit_request(g->machine, 0);
}

static void set_thread(GdbStub *g, const char *p)
{
    bool ok = *p == 'g' || *p == 'c';
    int  t;

    p += ok;
    t = ok ? thread_id(g, &p) : -2;
    if (t >= 0 && g->in[1] == 'g') {
        g->thread = (unsigned)t;
    }
    reply(g, t == -2 || *p ? "E22" : "OK");
}

static void is_alive(GdbStub *g, const char *p)
{
    int t = thread_id(g, &p);

    reply(g, t >= 0 && !*p ? "OK" : "E22");
}

static void why_stopped(GdbStub *g, const char *p)
{
    GString *s = g_string_new(NULL);

    debug_clear(g->machine);            /* a new debugger: what the last one left is not its */
    g_string_printf(s, "T%02xthread:%x;", SIG_TRAP, g->thread + 1);
    reply_string(g, s);
}

static void do_c(GdbStub *g, const char *p) { resume(g, p, false, false); }
static void do_s(GdbStub *g, const char *p) { resume(g, p, true, false); }
static void do_C(GdbStub *g, const char *p) { resume(g, p, false, true); }
static void do_S(GdbStub *g, const char *p) { resume(g, p, true, true); }
static void do_M(GdbStub *g, const char *p) { write_memory(g, p, false); }
static void do_X(GdbStub *g, const char *p) { write_memory(g, p, true); }
static void do_Z(GdbStub *g, const char *p) { points(g, p, true); }
static void do_z(GdbStub *g, const char *p) { points(g, p, false); }
static void q_vcont(GdbStub *g, const char *p) { reply(g, "vCont;c;C;s;S;t"); }

static const struct {
    const char *name;
    void      (*run)(GdbStub *g, const char *rest);
    bool        whole;                /* nothing may follow */
} packets[] = {                       /* the first that fits */
    { "?", why_stopped, true }, { "g", read_regs, true }, { "G", write_regs, false }, { "p", read_reg, false },
    { "P", write_reg, false }, { "m", read_memory, false }, { "M", do_M, false }, { "X", do_X, false },
    { "Z", do_Z, false }, { "z", do_z, false }, { "H", set_thread, false }, { "T", is_alive, false },
    { "vCont?", q_vcont, true }, { "vCont", vcont, false }, { "vKill;", kill_machine, false },
    { "k", kill_machine, true }, { "c", do_c, false }, { "s", do_s, false }, { "C", do_C, false },
    { "S", do_S, false }, { "D", leave, true }, { "qSupported", q_supported, false },
    { "qXfer:features:read:", q_features, false }, { "qfThreadInfo", q_threads, true },
    { "qsThreadInfo", q_no_more, true }, { "qC", q_thread, true }, { "qThreadExtraInfo,", q_extra, false },
    { "qAttached", q_attached, false }, { "qRcmd,", q_monitor, false }, { "QStartNoAckMode", q_no_ack, true },
    { "qqemu.sstepbits", q_step_bits, true }, { "qqemu.sstep", q_step, true }, { "Qqemu.sstep=", set_step, false },
    { "qqemu.PhyMemMode", q_physical, true }, { "Qqemu.PhyMemMode:", set_physical, false },
};

static void packet(GdbStub *g)
{
    const char *text = (const char *)g->in;

    halt(g);                            /* who speaks to it wants it to listen */
    g->running = false;
    for (size_t i = 0; i < G_N_ELEMENTS(packets); i++) {
        size_t n = strlen(packets[i].name);
        if (!strncmp(text, packets[i].name, n) && (!packets[i].whole || g->n == n)) {
            packets[i].run(g, text + n);
            return;
        }
    }
    reply(g, "");
}

/* ---- framing ---- */

static void end_of_packet(GdbStub *g)
{
    bool good = g->sum == g->sum_given;

    g->state = AT_START;
    if (!g->no_ack) {
        chr_write(g->chr, good ? "+" : "-", 1);
    }
    if (!good) {
        return;
    }
    if (g->too_long) {
        reply(g, "E22");
        return;
    }
    g->in[g->n] = 0;
    packet(g);
}

static void outside(GdbStub *g, uint8_t c)
{
    if (c == '$') {
        g->state = IN_PACKET;
        g->n = 0;
        g->sum = 0;
        g->too_long = false;
    } else if (c == 3) {
        if (g->running) {
            halt(g);
            machine_has_stopped(g);
        }
    } else if (c == '-' && !g->no_ack) {
        chr_write(g->chr, g->last->str, g->last->len);
    }
}

static void byte_in(GdbStub *g, uint8_t c)
{
    int digit = g_ascii_xdigit_value((char)c);

    switch (g->state) {
    case AT_START:
        outside(g, c);
        break;
    case IN_PACKET:
        if (c == '#') {
            g->state = IN_SUM1;
            break;
        }
        g->sum = (uint8_t)(g->sum + c);
        if (g->n < PACKET_MAX) {
            g->in[g->n++] = c;
        } else {
            g->too_long = true;
        }
        break;
    case IN_SUM1:
        g->sum_given = (uint8_t)(digit << 4);
        g->state = digit < 0 ? AT_START : IN_SUM2;
        break;
    case IN_SUM2:
        g->sum_given |= (uint8_t)digit;
        g->state = AT_START;
        if (digit >= 0) {
            end_of_packet(g);
        }
        break;
    }
}

static void receive(void *dev, const uint8_t *buf, size_t n)
{
    GdbStub *g = dev;

    for (size_t i = 0; i < n && !g->off; i++) {
        byte_in(g, buf[i]);
    }
}

/*
 * Whoever connects finds the machine stopped; whoever goes without a word leaves it running,
 * without traps.
 */
static void event(void *dev, ChrEvent e)
{
    GdbStub *g = dev;

    if (e == CHR_OPENED && !g->off && g->machine->started) {
        halt(g);
    }
    if (e == CHR_OPENED) {
        g->state = AT_START;
        g->no_ack = g->running = g->physical = false;
        g->thread = 0;
    } else if (e == CHR_CLOSED && !g->off && g->machine->started) {
        detach(g, g->machine->state == RUN_PAUSED);
    }
}

bool gdbstub_open(Machine *m, const char *device, GError **err)
{
    GdbStub *g = m->gdb;

    if (!strcmp(device, "none")) {
        if (g && !g->off) {
            detach(g, g->machine->state == RUN_PAUSED && g->running);
            g->off = true;
        }
        return true;
    }
    if (g) {
        return fail(err, "gdb %s: there is a debugger's server already", device);
    }
    bool socket = g_str_has_prefix(device, "tcp:") || g_str_has_prefix(device, "unix:");
    g_autofree char *spec = g_strconcat(
        device, socket && !strstr(device, ",server") ? ",server=on,wait=off" : "", NULL);
    GError  *why = NULL;
    Chardev *c = chr_new(m, spec, NULL, &why);
    if (!c) {
        fail(err, "gdb %s: %s", device, why->message);
        g_error_free(why);
        return false;
    }
    g = m->gdb = g_new0(GdbStub, 1);
    g->machine = m;
    g->chr = c;
    g->last = g_string_new(NULL);
    g->step_flags = STEP_ENABLE | STEP_NO_IRQ;
    debug_of(m)->stopped = machine_has_stopped;
    m->debug->who = g;
    ChrUser user = { .receive = receive, .event = event, .dev = g };
    chr_attach(c, &user);
    return true;
}

void gdbstub_free(Machine *m)
{
    GdbStub *g = m->gdb;

    if (g) {
        machine_lock(m);
        if (g->running) {
            reply(g, "W00");
            chr_flush(g->chr);
        }
        m->debug->stopped = NULL;
        g->off = true;
        machine_unlock(m);
    }
}

void gdbstub_destroy(struct GdbStub *g)
{
    if (g) {
        g_string_free(g->last, TRUE);
        g_free(g);
    }
}
