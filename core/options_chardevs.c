/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_chardevs.c -- where characters go: the character devices of serial and parallel ports,
 * monitors and the debug console, with their defaults.
 *
 * Threads: the main thread.
 */
#include "core/chardev.h"
#include "core/gdbstub.h"
#include "core/options_int.h"
#include <string.h>

/* The nth of its option; a text console has its name from there, as programs and users know it. */
static Chardev *make_chardev(Machine *m, const char *option, unsigned n, const char *spec,
                             GError **err)
{
    g_autofree char *id =
        g_strdup_printf("%s%u", *option == 'm' || *option == 'q' ? "compat_monitor" : option, n);
    GError  *why = NULL;
    Chardev *c;

    if (!strcmp(spec, "none")) {
        return NULL;
    }
    c = chr_new(m, spec, chr_find(m, id) ? NULL : id, &why);
    if (!c) {
        fail(err, "-%s %s: %s", option, spec, why->message);
        g_error_free(why);
    }
    return c;
}

static bool has_consoles(const struct Options *o)
{
    return !o->nographic && (o->viewer || o->vnc);
}

/*
 * Defaults: with -nographic the first serial port and the monitor share the terminal, or have it
 * each alone if the other was given; else there are a monitor, a serial and a parallel port, on
 * text consoles where there is a viewer to show them, nowhere where there is none.
 */
static void default_chardevs(const struct Options *o)
{
    OptRaw     *r = o->raw;
    bool        no_serial = !r->serial->len && !o->nodefaults,
                no_monitor = !r->monitor->len && !o->nodefaults;
    bool        stdio_used = false;
    const char *nowhere = has_consoles(o) ? "vc:80Cx24C" : "null";

    for (unsigned i = 0; i < r->serial->len; i++) {
        stdio_used |= strstr(r->serial->pdata[i], "stdio") != NULL;
    }
    if (!r->parallel->len && !o->nodefaults) {
        g_ptr_array_add(r->parallel, g_strdup(nowhere));
    }
    if (o->nographic && no_serial) {
        g_ptr_array_add(r->serial, g_strdup(no_monitor ? "mon:stdio" : "stdio"));
    } else if (no_serial) {
        g_ptr_array_add(r->serial, g_strdup(nowhere));
    } else if (o->nographic && no_monitor && !stdio_used) {
        g_ptr_array_add(r->monitor, g_strdup("stdio"));
    }
    if (has_consoles(o) && no_monitor && !r->qmp->len) {
        g_ptr_array_add(r->monitor, g_strdup(nowhere));
    }
}

static bool add_monitor(struct Options *o, const char *option, const char *spec, Chardev *c,
                        GError **err)
{
    if (o->n_monitors == MAX_MONITORS) {
        return fail(err, "-%s %s: there can be %d monitors", option, spec, MAX_MONITORS);
    }
    o->monitor_qmp[o->n_monitors] = !strcmp(option, "qmp");
    o->monitor_on[o->n_monitors++] = c;
    return true;
}

static bool make_monitors(Machine *m, const GPtrArray *specs, const char *option, GError **err)
{
    struct Options *o = m->options;

    for (unsigned i = 0; i < specs->len; i++) {
        const char *spec = specs->pdata[i];
        Chardev    *c = make_chardev(m, option, o->n_monitors, spec, err);
        if (c ? !add_monitor(o, option, spec, c, err) : strcmp(spec, "none") != 0) {
            return false;
        }
    }
    return true;
}

/* In the order of their consoles: Ctrl-Alt-2 is the monitor. */
bool options_settle_chardevs(Machine *m, GError **err)
{
    struct Options *o = m->options;
    OptRaw         *r = o->raw;
    bool            ok;

    default_chardevs(o);
    ok = make_monitors(m, r->monitor, "monitor", err);
    for (unsigned i = 0; i < r->serial->len && ok; i++) {
        const char *spec = r->serial->pdata[i];
        o->serial[i] = make_chardev(m, "serial", i, spec, err);
        ok = o->serial[i] || !strcmp(spec, "none");
        if (ok && g_str_has_prefix(spec, "mon:")) {
            ok = add_monitor(o, "serial", spec, o->serial[i], err);
        }
    }
    for (unsigned i = 0; i < r->parallel->len && ok; i++) {
        o->parallel[i] = make_chardev(m, "parallel", i, r->parallel->pdata[i], err);
        ok = o->parallel[i] || !strcmp(r->parallel->pdata[i], "none");
    }
    ok = ok && make_monitors(m, r->qmp, "qmp", err);
    if (ok && r->debugcon) {
        o->debugcon = make_chardev(m, "debugcon", 0, r->debugcon, err);
        ok = o->debugcon || !strcmp(r->debugcon, "none");
    }
    for (unsigned i = 0; ok && o->daemonize && i < chr_count(m); i++) {
        ok = strcmp(chr_kind(chr_at(m, i)), "stdio") ||
             fail(err, "-daemonize: in the background there is no terminal for %s",
                  chr_label(chr_at(m, i)));
    }
    return ok && (!o->gdb || gdbstub_open(m, o->gdb, err));
}
