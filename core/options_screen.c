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
#include <string.h>

const Field vnc_args[] = {
    CONFIG(VncArgs, address, .help = "HOST:DISPLAY, unix:PATH or none."),
    CONFIG(VncArgs, password, .help = "Viewers need the password that the monitor sets; nobody gets in before."),
    CONFIG(VncArgs, websocket, .help = "Browsers too: the port serves a console page, and WebSockets."),
    CONFIG(VncArgs, reverse, .help = "Connect to a viewer that listens at HOST:PORT."),
    FIELD_END
};

/* "none", "HOST:DISPLAY" or "unix:PATH"; whether the place can be had is seen when it is opened. */
bool opt_vnc(Machine *m, void *args, Reply *reply, GError **err)
{
    VncArgs    *a = args;
    const char *colon = a->address ? strrchr(a->address, ':') : NULL;
    bool        none = a->address && !strcmp(a->address, "none"), there = false;

    for (const ViewerOps *const *v = viewer_ops; *v; v++) {
        there |= !strcmp((*v)->name, "vnc");
    }
    if (!none && !there) {
        return fail(err, "-vnc: this program was built without libvncserver");
    }
    if (!none && (!colon || !colon[1] || (!g_str_has_prefix(a->address, "unix:") && strspn(colon + 1, "0123456789") != strlen(colon + 1)))) {
        return fail(err, "-vnc %s: give HOST:DISPLAY (5900 is added to make a port), unix:PATH or none", a->address ? a->address : "");
    }
    if (a->reverse && (none || g_str_has_prefix(a->address, "unix:"))) {
        return fail(err, "-vnc %s,reverse=on: needs HOST:PORT of a viewer that listens", a->address);
    }
    g_clear_pointer(&m->options->vnc, g_free);
    if (!none) {
        option_take(&m->options->vnc, &a->address);
        m->options->raw->display_set = true;
    }
    m->options->vnc_password = a->password;
    m->options->vnc_web = a->websocket;
    m->options->vnc_reverse = a->reverse;
    return true;
}

bool opt_nographic(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->nographic = m->options->raw->display_set = true;
    m->options->viewer = NULL;
    return true;
}

bool opt_display(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *name = option_text(args);

    m->options->raw->display_set = true;
    m->options->viewer = NULL;
    if (!strcmp(name, "none")) {
        return true;
    }
    if (!strcmp(name, "vnc")) {
        return fail(err, "-display vnc: say where, as in -vnc 127.0.0.1:0");
    }
    if (!strcmp(name, "help")) {
        printf("none\n");
        for (const ViewerOps *const *v = viewer_ops; *v; v++) {
            printf("%s\n", (*v)->name);
        }
        m->options->raw->exit_now = true;
        return true;
    }
    for (const ViewerOps *const *v = viewer_ops; *v; v++) {
        if (!strcmp((*v)->name, name)) {
            m->options->viewer = *v;
            m->options->raw->viewer_set = true;
            return true;
        }
    }
    return fail(err, "-display %s: there is no such display here; -display help lists them, -nographic uses this terminal", name);
}

bool opt_vga(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const kinds[] = { [VGA_NONE] = "none", [VGA_STD] = "std", [VGA_CIRRUS] = "cirrus", [VGA_VIRTIO] = "virtio" };

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(option_text(args), kinds[i])) {
            m->options->vga = i;
            m->options->raw->vga_set = true;
            return true;
        }
    }
    return fail(err, "-vga %s: there is no such graphics card; use std, cirrus, virtio or none", option_text(args));
}
