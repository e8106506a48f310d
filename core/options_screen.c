/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_screen.c -- options of the screen: which card, who shows it.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: nothing.
 * Threads: the main thread, before any other.
 */
#include "core/options_int.h"
#include "core/display.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const shares[] = { "allow-exclusive", "force-shared", "ignore", NULL };
static const char *const grab_mods[] = { "lctrl-lalt", "lshift-lctrl-lalt", "rctrl", NULL };

/* of an OptVnc at S.m */
#define VNC_FIELDS(S, m)                                                                          \
    CONFIG_AS(S, m password, "password",                                                          \
              .help = "Viewers need the password that the monitor sets; nobody gets in before."), \
    CONFIG_AS(S, m websocket, "websocket",                                                        \
              .help = "Browsers too: the port serves a console page, and WebSockets."),           \
    CONFIG_AS(S, m reverse, "reverse", .help = "Connect to a viewer that listens at HOST:PORT."), \
    CONFIG_AS(S, m tls_creds, "tls-creds",                                                        \
              .help = "TLS with this -object tls-creds-...: VeNCrypt, and https for browsers."),  \
    { .name = "share", .type = T_ENUM, .flags = F_CONFIG, .offset = offsetof(S, m share),         \
      .count = 1, .aux = shares, .def = SHARE_ALLOW_EXCLUSIVE,                                    \
      .help = "A viewer that wants the screen to itself: gets it, is turned away, or gets in "    \
              "beside." },                                                                        \
    CONFIG_AS(S, m to, "to", .max = 59635,                                                        \
              .help = "The first free display from HOST:DISPLAY to this one."),                   \
    CONFIG_AS(S, m connections, "connections", .def = 16, .min = 1, .max = 16,                    \
              .help = "So many viewers at once."),                                                \
    CONFIG_AS(S, m lossy, "lossy", .help = "Viewers that ask for JPEG get it."),                  \
    CONFIG_AS(S, m non_adaptive, "non-adaptive",                                                  \
              .help = "Accepted: encodings are never changed behind a viewer's back."),           \
    CONFIG_AS(S, m power_control, "power-control",                                                \
              .help = "A viewer may press the power button and reset the machine.")

const Field vnc_args[] = {
    CONFIG(OptVnc, address, .help = "HOST:DISPLAY, unix:PATH or none."),
    VNC_FIELDS(OptVnc, ),
    FIELD_END
};

const Field display_args[] = {
    CONFIG(DisplayArgs, type,
           .help = "none, sdl, curses, vnc=ADDRESS; \"help\" lists what there is."),
    CONFIG_AS(DisplayArgs, full_screen, "full-screen", .help = "sdl: the whole screen."),
    CONFIG_AS(DisplayArgs, window_close, "window-close", .def = 1,
              .help = "sdl: closing the window shuts the guest down; off: does nothing."),
    CONFIG_AS(DisplayArgs, show_cursor, "show-cursor",
              .help = "sdl: the host's pointer stays visible over the guest's."),
    CONFIG_AS(DisplayArgs, gl, "gl", .help = "Only off is there."),
    { .name = "grab-mod", .type = T_ENUM, .flags = F_CONFIG,
      .offset = offsetof(DisplayArgs, grab_mod), .count = 1, .aux = grab_mods, .def = GRAB_CTRL_ALT,
      .help = "sdl: what is held with the window's own keys." },
    CONFIG(DisplayArgs, charset, .help = "curses: only CP437 is there."),
    CONFIG_AS(DisplayArgs, vnc.address, "vnc", .help = "As -vnc."),
    VNC_FIELDS(DisplayArgs, vnc.),
    FIELD_END
};

static const ViewerOps *viewer_find(const char *name)
{
    for (const ViewerOps *const *v = viewer_ops; *v; v++) {
        if (!strcmp((*v)->name, name)) {
            return *v;
        }
    }
    return NULL;
}

/* "none", "HOST:DISPLAY" or "unix:PATH"; whether the place can be had is seen when it is opened. */
bool opt_vnc(Machine *m, void *args, Reply *reply, GError **err)
{
    OptVnc         *a = args;
    struct Options *o = m->options;
    const char     *colon = a->address ? strrchr(a->address, ':') : NULL;
    bool none = a->address && !strcmp(a->address, "none"),
         is_unix = a->address && g_str_has_prefix(a->address, "unix:");

    if (!none && !viewer_find("vnc")) {
        return fail(err, "-vnc: this program was built without libvncserver");
    }
    if (!none && (!colon || !colon[1] ||
                  (!is_unix && strspn(colon + 1, "0123456789") != strlen(colon + 1)))) {
        return fail(err,
                    "-vnc %s: give HOST:DISPLAY (5900 is added to make a port), unix:PATH or none",
                    a->address ? a->address : "");
    }
    if (a->reverse && (none || is_unix)) {
        return fail(err, "-vnc %s,reverse=on: needs HOST:PORT of a viewer that listens",
                    a->address);
    }
    if (a->to && (none || is_unix || a->reverse || a->to < strtoul(colon + 1, NULL, 10))) {
        return fail(err, "-vnc %s,to=%u: goes with HOST:DISPLAY, and is not before it", a->address,
                    a->to);
    }
    g_clear_pointer(&o->vnc, g_free);
    g_free(o->vnc_opts.tls_creds);
    o->vnc_opts = *a;
    o->vnc_opts.address = a->tls_creds = NULL;
    if (!none) {
        option_take(&o->vnc, &a->address);
        o->raw->display_set = true;
    }
    return true;
}

bool opt_nographic(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->nographic = m->options->raw->display_set = true;
    m->options->viewer = NULL;
    return true;
}

static bool display_sdl(struct Options *o, const DisplayArgs *a)
{
    o->window_close = a->window_close;
    o->show_cursor = a->show_cursor;
    o->full_screen |= a->full_screen;
    o->grab_mod = a->grab_mod;
    return true;
}

bool opt_display(Machine *m, void *args, Reply *reply, GError **err)
{
    DisplayArgs    *a = args;
    struct Options *o = m->options;
    const char     *name = a->type ? a->type : "";
    bool            is_sdl = !strcmp(name, "sdl");

    if (a->vnc.address && !a->type) {
        o->viewer = NULL;
        return opt_vnc(m, &a->vnc, reply, err);
    }
    if (!strcmp(name, "help")) {
        printf("Available display backend types:\nnone\n");
        for (const ViewerOps *const *v = viewer_ops; *v; v++) {
            printf("%s\n", (*v)->name);
        }
        o->raw->exit_now = true;
        return true;
    }
    if (!strcmp(name, "vnc")) {
        return fail(err, "-display vnc: say where, as in -display vnc=127.0.0.1:0");
    }
    if (strcmp(name, "none") && !viewer_find(name)) {
        return fail(err,
                    "-display %s: there is no such display here; -display help lists them, "
                    "-nographic uses this terminal",
                    name);
    }
    if (a->gl) {
        return fail(err, "-display %s,gl=on: there is no OpenGL here; leave it out", name);
    }
    if (!is_sdl &&
        (a->full_screen || !a->window_close || a->show_cursor || a->grab_mod != GRAB_CTRL_ALT)) {
        return fail(
            err,
            "-display %s: full-screen, window-close, show-cursor and grab-mod are those of sdl",
            name);
    }
    if (a->charset && (strcmp(name, "curses") || g_ascii_strcasecmp(a->charset, "CP437"))) {
        return fail(err,
                    "-display %s,charset=%s: there is curses,charset=CP437, which is the default",
                    name, a->charset);
    }
    o->raw->display_set = o->raw->viewer_set = true;
    o->viewer = viewer_find(name);
    return !is_sdl || display_sdl(o, a);
}

bool opt_full_screen(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->full_screen = true;
    return true;
}

bool opt_k(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *language = option_text(args);

    if (!strcmp(language, "help")) {
        keymap_print_help();
        m->options->raw->exit_now = true;
        return true;
    }
    if (!keymap_check(language, err)) {
        return false;
    }
    g_free(m->options->keyboard);
    m->options->keyboard = g_strdup(language);
    return true;
}

bool opt_vga(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const kinds[] = {
        [VGA_NONE] = "none", [VGA_STD] = "std", [VGA_CIRRUS] = "cirrus", [VGA_VIRTIO] = "virtio"
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(option_text(args), kinds[i])) {
            m->options->vga = i;
            m->options->raw->vga_set = true;
            return true;
        }
    }
    return fail(err, "-vga %s: there is no such graphics card; use std, cirrus, virtio or none",
                option_text(args));
}
