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
#include "core/gdbstub_int.h"
#include <string.h>

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

void gdb_reply(GdbStub *g, const char *text)
{
    put(g, text, strlen(text));
}

void gdb_reply_string(GdbStub *g, GString *s)
{
    put(g, s->str, s->len);
    g_string_free(s, TRUE);
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
        gdb_reply(g, "E22");
        return;
    }
    g->in[g->n] = 0;
    gdb_packet(g);
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
            gdb_halt(g);
            gdb_has_stopped(g);
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
        gdb_halt(g);
    }
    if (e == CHR_OPENED) {
        g->state = AT_START;
        g->no_ack = g->running = g->physical = false;
        g->thread = 0;
    } else if (e == CHR_CLOSED && !g->off && g->machine->started) {
        gdb_detach(g, g->machine->state == RUN_PAUSED);
    }
}

bool gdbstub_open(Machine *m, const char *device, GError **err)
{
    GdbStub *g = m->gdb;

    if (!strcmp(device, "none")) {
        if (g && !g->off) {
            gdb_detach(g, g->machine->state == RUN_PAUSED && g->running);
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
    debug_of(m)->stopped = gdb_has_stopped;
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
            gdb_reply(g, "W00");
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
