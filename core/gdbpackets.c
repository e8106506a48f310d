/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdbpackets.c -- the debugger's server: what each packet asks for.
 *
 * Spec: Debugging with GDB, appendix E, Packets and General Query Packets; the qemu.* queries are
 *   QEMU's (docs/system/gdb).
 * Threads: the main context with the machine lock.
 */
#include "core/gdbstub_int.h"
#include "core/commands.h"
#include "accel/accel.h"
#include <string.h>

enum { REG_MAX_BYTES = 64, REGS_MAX = 512 };

/* ---- parts of a packet ---- */

bool gdb_number(const char **p, uint64_t *v)
{
    unsigned digits = 0;

    for (*v = 0; g_ascii_isxdigit(**p) && digits < 16; (*p)++, digits++) {
        *v = *v << 4 | (unsigned)g_ascii_xdigit_value(**p);
    }
    return digits && !g_ascii_isxdigit(**p);
}

bool gdb_symbol(const char **p, char c)
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

int gdb_thread(GdbStub *g, const char **p)
{
    uint64_t v;

    if (g_str_has_prefix(*p, "-1")) {
        *p += 2;
        return -1;
    }
    if (!gdb_number(p, &v) || v > g->machine->vcpus->len) {
        return -2;
    }
    return (int)v - 1;
}

static void hex(GString *s, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(s, "%02x", from[i]);
    }
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
    Vcpu    *v = gdb_vcpu(g, g->thread);
    GString *s = g_string_new(NULL);
    uint8_t  buf[REG_MAX_BYTES];
    unsigned n;

    fetch_regs(v, false);
    for (unsigned i = 0;
         i < REGS_MAX && (n = v->cpu_ops->gdb_read(v, i, buf)) && s->len + 2 * n <= PACKET_MAX;
         i++) {
        hex(s, buf, n);
    }
    gdb_reply_string(g, s);
}

static void write_regs(GdbStub *g, const char *p)
{
    Vcpu    *v = gdb_vcpu(g, g->thread);
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
    gdb_reply(g, n > 0 ? "OK" : "E22");
}

static void read_reg(GdbStub *g, const char *p)
{
    Vcpu    *v = gdb_vcpu(g, g->thread);
    uint8_t  buf[REG_MAX_BYTES];
    uint64_t reg;
    unsigned n = 0;

    if (gdb_number(&p, &reg) && !*p && reg < REGS_MAX) {
        fetch_regs(v, false);
        n = v->cpu_ops->gdb_read(v, (unsigned)reg, buf);
    }
    GString *s = g_string_new(n ? NULL : "E14");
    hex(s, buf, n);
    gdb_reply_string(g, s);
}

static void write_reg(GdbStub *g, const char *p)
{
    Vcpu    *v = gdb_vcpu(g, g->thread);
    uint8_t  buf[REG_MAX_BYTES];
    uint64_t reg;
    int      n = -1;

    if (gdb_number(&p, &reg) && reg < REGS_MAX && gdb_symbol(&p, '=')) {
        n = bytes(p, buf, sizeof(buf));
    }
    fetch_regs(v, false);
    bool ok = n > 0 && v->cpu_ops->gdb_write(v, (unsigned)reg, buf, (size_t)n);
    fetch_regs(v, true);
    gdb_reply(g, ok ? "OK" : "E14");
}

static bool memory(GdbStub *g, uint64_t at, uint8_t *buf, size_t n, bool write)
{
    Vcpu *v = gdb_vcpu(g, g->thread);

    fetch_regs(v, false);
    return g->physical ? debug_memory(v->as, at, buf, n, write)
                       : v->cpu_ops->gdb_memory(v, at, buf, n, write);
}

static void read_memory(GdbStub *g, const char *p)
{
    uint64_t at, n;

    if (!gdb_number(&p, &at) || !gdb_symbol(&p, ',') || !gdb_number(&p, &n) || *p) {
        gdb_reply(g, "E22");
        return;
    }
    n = MIN(n, DATA_MAX);               /* fewer is allowed */
    uint8_t *buf = g_malloc(DATA_MAX);
    if (memory(g, at, buf, n, false)) {
        GString *s = g_string_new(NULL);
        hex(s, buf, n);
        gdb_reply_string(g, s);
    } else {
        gdb_reply(g, "E14");
    }
    g_free(buf);
}

static void write_memory(GdbStub *g, const char *p, bool binary)
{
    uint64_t at, n;
    uint8_t *buf = g_malloc(PACKET_MAX);
    bool     ok = gdb_number(&p, &at) && gdb_symbol(&p, ',') && gdb_number(&p, &n) &&
                  gdb_symbol(&p, ':');

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
    gdb_reply(g, !ok ? "E22" : memory(g, at, buf, n, true) ? "OK" : "E14");
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

    if (!gdb_number(&p, &kind) || !gdb_symbol(&p, ',') || !gdb_number(&p, &at) ||
        !gdb_symbol(&p, ',') || !gdb_number(&p, &n)) {
        gdb_reply(g, "E22");
        return;
    }
    if (kind > 4 || (*p && *p != ';') || !debug_can(m)) {
        gdb_reply(g, "");
        return;
    }
    if (kind < 2) {
        ok = add ? debug_break_add(m, at, kind == 1) : debug_break_del(m, at, kind == 1);
    } else {
        ok = add ? debug_watch_add(m, at, n, ways[kind]) : debug_watch_del(m, at, n, ways[kind]);
    }
    gdb_reply(g, ok ? "OK" : "E22");
}

/* ---- questions ---- */

static void q_supported(GdbStub *g, const char *p)
{
    g->swbreak = strstr(p, "swbreak+") != NULL;
    g->hwbreak = strstr(p, "hwbreak+") != NULL;
    g_autofree char *s = g_strdup_printf("PacketSize=%x;qXfer:features:read+;vContSupported+;"
                                         "QStartNoAckMode+;multiprocess-;swbreak+;hwbreak+",
                                         PACKET_MAX);
    gdb_reply(g, s);
}

/* qXfer:features:read:ANNEX:OFFSET,LENGTH */
static void q_features(GdbStub *g, const char *p)
{
    Vcpu    *v = gdb_vcpu(g, g->thread);
    const char *colon = strchr(p, ':'), *q = colon ? colon + 1 : p;
    uint64_t at, n;

    if (!colon || !gdb_number(&q, &at) || !gdb_symbol(&q, ',') || !gdb_number(&q, &n) || *q) {
        gdb_reply(g, "E00");
        return;
    }
    g_autofree char *annex = g_strndup(p, (gsize)(colon - p));
    g_autofree char *xml = v->cpu_ops->gdb_xml(v, annex);
    size_t size = xml ? strlen(xml) : 0;
    if (!xml || at > size) {
        gdb_reply(g, "E00");
        return;
    }
    n = MIN(n, DATA_MAX);
    GString *s = g_string_new(size - at > n ? "m" : "l");
    g_string_append_len(s, xml + at, (gssize)MIN(n, size - at));
    gdb_reply_string(g, s);
}

static void q_threads(GdbStub *g, const char *p)
{
    GString *s = g_string_new("m");

    for (unsigned i = 0; i < g->machine->vcpus->len; i++) {
        g_string_append_printf(s, "%s%x", i ? "," : "", i + 1);
    }
    gdb_reply_string(g, s);
}

static void q_no_more(GdbStub *g, const char *p) { gdb_reply(g, "l"); }
static void q_attached(GdbStub *g, const char *p) { gdb_reply(g, "1"); }

static void q_thread(GdbStub *g, const char *p)
{
    g_autofree char *s = g_strdup_printf("QC%x", g->thread + 1);
    gdb_reply(g, s);
}

static void q_extra(GdbStub *g, const char *p)
{
    int t = gdb_thread(g, &p);

    if (t < 0) {
        gdb_reply(g, "E22");
        return;
    }
    g_autofree char *text =
        g_strdup_printf("CPU#%d [%s]", t, gdb_vcpu(g, (unsigned)t)->halted ? "halted" : "running");
    GString *s = g_string_new(NULL);
    hex(s, (uint8_t *)text, strlen(text));
    gdb_reply_string(g, s);
}

/* A line for the monitor; its answer in pieces that fit. */
static void q_monitor(GdbStub *g, const char *p)
{
    enum { PIECE = DATA_MAX / 2 };
    char *line = g_malloc0(PACKET_MAX / 2 + 1);
    int   n = bytes(p, (uint8_t *)line, PACKET_MAX / 2);

    if (n < 0) {
        gdb_reply(g, "E22");
    } else {
        GString *out = g_string_new(NULL);
        prompt_run(g->machine, line, out);
        for (size_t at = 0; at < out->len; at += PIECE) {
            GString *s = g_string_new("O");
            hex(s, (uint8_t *)out->str + at, MIN(PIECE, out->len - at));
            gdb_reply_string(g, s);
        }
        g_string_free(out, TRUE);
        gdb_reply(g, "OK");
    }
    g_free(line);
}

static void q_no_ack(GdbStub *g, const char *p)
{
    g->no_ack = true;
    gdb_reply(g, "OK");
}

static void q_step_bits(GdbStub *g, const char *p) { gdb_reply(g, "ENABLE=1,NOIRQ=2"); }

static void q_step(GdbStub *g, const char *p)
{
    g_autofree char *s = g_strdup_printf("0x%x", g->step_flags);
    gdb_reply(g, s);
}

/* A step is always one without interrupts here. */
static void set_step(GdbStub *g, const char *p)
{
    uint64_t v;

    p += g_str_has_prefix(p, "0x") ? 2 : 0;
    gdb_reply(g, gdb_number(&p, &v) && !*p && v == (STEP_ENABLE | STEP_NO_IRQ) ? "OK" : "E22");
}

static void q_physical(GdbStub *g, const char *p) { gdb_reply(g, g->physical ? "1" : "0"); }

static void set_physical(GdbStub *g, const char *p)
{
    bool ok = (*p == '0' || *p == '1') && !p[1];

    g->physical = ok ? *p == '1' : g->physical;
    gdb_reply(g, ok ? "OK" : "E22");
}

static void leave(GdbStub *g, const char *p)
{
    gdb_reply(g, "OK");
    gdb_detach(g, true);
}

static void kill_machine(GdbStub *g, const char *p)
{
    if (g->in[0] == 'v') {
        gdb_reply(g, "OK");
    }
    g->machine->shutdown_cause = "host-qmp-quit";
    machine_exit_request(g->machine, 0);
}

static void set_thread(GdbStub *g, const char *p)
{
    bool ok = *p == 'g' || *p == 'c';
    int  t;

    p += ok;
    t = ok ? gdb_thread(g, &p) : -2;
    if (t >= 0 && g->in[1] == 'g') {
        g->thread = (unsigned)t;
    }
    gdb_reply(g, t == -2 || *p ? "E22" : "OK");
}

static void is_alive(GdbStub *g, const char *p)
{
    int t = gdb_thread(g, &p);

    gdb_reply(g, t >= 0 && !*p ? "OK" : "E22");
}

static void why_stopped(GdbStub *g, const char *p)
{
    GString *s = g_string_new(NULL);

    debug_clear(g->machine);            /* a new debugger: what the last one left is not its */
    g_string_printf(s, "T%02xthread:%x;", SIG_TRAP, g->thread + 1);
    gdb_reply_string(g, s);
}

static void do_c(GdbStub *g, const char *p) { gdb_resume(g, p, false, false); }
static void do_s(GdbStub *g, const char *p) { gdb_resume(g, p, true, false); }
static void do_C(GdbStub *g, const char *p) { gdb_resume(g, p, false, true); }
static void do_S(GdbStub *g, const char *p) { gdb_resume(g, p, true, true); }
static void do_M(GdbStub *g, const char *p) { write_memory(g, p, false); }
static void do_X(GdbStub *g, const char *p) { write_memory(g, p, true); }
static void do_Z(GdbStub *g, const char *p) { points(g, p, true); }
static void do_z(GdbStub *g, const char *p) { points(g, p, false); }
static void q_vcont(GdbStub *g, const char *p) { gdb_reply(g, "vCont;c;C;s;S;t"); }

static const struct {
    const char *name;
    void      (*run)(GdbStub *g, const char *rest);
    bool        whole;                /* nothing may follow */
} packets[] = {                       /* the first that fits */
    { "?", why_stopped, true }, { "g", read_regs, true }, { "G", write_regs, false },
    { "p", read_reg, false }, { "P", write_reg, false }, { "m", read_memory, false },
    { "M", do_M, false }, { "X", do_X, false }, { "Z", do_Z, false }, { "z", do_z, false },
    { "H", set_thread, false }, { "T", is_alive, false }, { "vCont?", q_vcont, true },
    { "vCont", gdb_vcont, false }, { "vKill;", kill_machine, false }, { "k", kill_machine, true },
    { "c", do_c, false }, { "s", do_s, false }, { "C", do_C, false }, { "S", do_S, false },
    { "D", leave, true }, { "qSupported", q_supported, false },
    { "qXfer:features:read:", q_features, false }, { "qfThreadInfo", q_threads, true },
    { "qsThreadInfo", q_no_more, true }, { "qC", q_thread, true },
    { "qThreadExtraInfo,", q_extra, false }, { "qAttached", q_attached, false },
    { "qRcmd,", q_monitor, false }, { "QStartNoAckMode", q_no_ack, true },
    { "qqemu.sstepbits", q_step_bits, true }, { "qqemu.sstep", q_step, true },
    { "Qqemu.sstep=", set_step, false }, { "qqemu.PhyMemMode", q_physical, true },
    { "Qqemu.PhyMemMode:", set_physical, false },
};

void gdb_packet(GdbStub *g)
{
    const char *text = (const char *)g->in;

    gdb_halt(g);                            /* who speaks to it wants it to listen */
    g->running = false;
    for (size_t i = 0; i < G_N_ELEMENTS(packets); i++) {
        size_t n = strlen(packets[i].name);
        if (!strncmp(text, packets[i].name, n) && (!packets[i].whole || g->n == n)) {
            packets[i].run(g, text + n);
            return;
        }
    }
    gdb_reply(g, "");
}
