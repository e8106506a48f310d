/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc_input.c -- what viewers type and point at, to the guest or to a text console.
 *
 * Spec: RFC 6143, 7.5.4 and 7.5.5; "QEMU Extended Key Event", "QEMU Pointer Motion Change", "xvp"
 *   of the RFB community specification.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 *
 * With Ctrl and Alt held: 1 to 9 show the guest's screen or a text console, V types the viewers'
 * clipboard, C gives them the text of a text screen.
 */
#ifdef CONFIG_VNC
#include "ui/keys.h"
#include "ui/vnc_int.h"
#include <string.h>

static void press(Vnc *s, unsigned code, bool down)
{
    if (code && code < KEY_CNT) {
        s->down[code] = down;
        console_key(s->viewer.con, code, down);
    }
}

/* Shift and AltGr as the stroke needs them, or (stroke NULL) as the viewer holds them again. */
static void hold(Vnc *s, unsigned code, bool want)
{
    bool left = code == KEY_LEFTSHIFT, has = s->down[code] || (left && s->down[KEY_RIGHTSHIFT]);

    if (want && !has) {
        console_key(s->viewer.con, code, true);
    } else if (!want && has) {
        console_key(s->viewer.con, code, false);
        if (left && s->down[KEY_RIGHTSHIFT]) {
            console_key(s->viewer.con, KEY_RIGHTSHIFT, false);
        }
    }
}

static void hold_again(Vnc *s, unsigned code, bool want)
{
    bool left = code == KEY_LEFTSHIFT, has = s->down[code] || (left && s->down[KEY_RIGHTSHIFT]);

    if (want && !has) {
        console_key(s->viewer.con, code, false);
    } else if (!want && has) {
        if (s->down[code]) {
            console_key(s->viewer.con, code, true);
        }
        if (left && s->down[KEY_RIGHTSHIFT]) {
            console_key(s->viewer.con, KEY_RIGHTSHIFT, true);
        }
    }
}

/* A character is typed as the keyboard of -k has it, whatever keyboard the viewer has. */
static void type_key(Vnc *s, const KeyStroke *k, uint32_t keysym, bool down)
{
    bool letter = g_unichar_isalpha(keysym < 0x100 ? keysym : keysym & 0xffffff);
    bool any_shift = !k->prints || k->any_shift || (letter && s->caps) || s->down[KEY_LEFTCTRL] ||
                     s->down[KEY_RIGHTCTRL] || s->down[KEY_LEFTALT];
    bool has_altgr = s->down[KEY_RIGHTALT];

    if (k->code == KEY_CAPSLOCK && down) {
        s->caps = !s->caps;
    }
    if (!down) {
        if (s->down[k->code]) {
            press(s, k->code, false);
        }
        return;
    }
    if (!any_shift) {
        hold(s, KEY_LEFTSHIFT, k->shift);
    }
    if (k->prints && k->altgr && !has_altgr) {
        hold(s, KEY_RIGHTALT, true);
    }
    press(s, k->code, true);
    if (k->prints && k->altgr && !has_altgr) {
        hold_again(s, KEY_RIGHTALT, true);
    }
    if (!any_shift) {
        hold_again(s, KEY_LEFTSHIFT, k->shift);
    }
}

static unsigned mods(const Vnc *s)
{
    return (s->down[KEY_LEFTSHIFT] || s->down[KEY_RIGHTSHIFT] ? MOD_SHIFT : 0) |
           (s->down[KEY_LEFTCTRL] || s->down[KEY_RIGHTCTRL] ? MOD_CTRL : 0) |
           (s->down[KEY_LEFTALT] ? MOD_ALT : 0);
}

/* The guest is not left with keys held that it does not see let go. */
static void let_go(Vnc *s)
{
    for (unsigned k = 0; k < KEY_CNT; k++) {
        if (s->down[k]) {
            console_key(s->viewer.con, k, false);
        }
    }
}

static bool copy(Vnc *s)
{
    char *text = paste_screen(s->viewer.con);

    if (!text) {
        return false;
    }
    g_mutex_lock(&s->lock);
    g_free(s->cut_out);
    s->cut_out = text;
    g_mutex_unlock(&s->lock);
    vnc_wake(s);
    return true;
}

static bool paste(Vnc *s)
{
    g_mutex_lock(&s->lock);
    g_autofree char *text = g_strdup(s->cut_in);
    g_mutex_unlock(&s->lock);
    if (!text) {
        return false;
    }
    let_go(s);
    paste_start(&s->paste, text);
    return true;
}

/* true: it was ours. */
static bool command(Vnc *s, unsigned code)
{
    if ((mods(s) & (MOD_CTRL | MOD_ALT)) != (MOD_CTRL | MOD_ALT)) {
        return false;
    }
    if (code == KEY_V || code == KEY_C) {
        return code == KEY_V ? paste(s) : copy(s);
    }
    if (code < KEY_1 || code > KEY_9) {
        return false;
    }
    let_go(s);
    viewer_show(&s->viewer, code - KEY_1);
    return true;
}

static bool is_modifier(unsigned code)
{
    return code == KEY_LEFTSHIFT || code == KEY_RIGHTSHIFT || code == KEY_LEFTCTRL ||
           code == KEY_RIGHTCTRL || code == KEY_LEFTALT || code == KEY_RIGHTALT ||
           code == KEY_LEFTMETA || code == KEY_RIGHTMETA || code == KEY_CAPSLOCK ||
           code == KEY_NUMLOCK;
}

/* true: it was for a text console, or for us. */
static bool for_console(Vnc *s, unsigned code, uint32_t keysym, bool down)
{
    if (down && command(s, code)) {
        return true;
    }
    if (!console_is_text(s->viewer.con) || is_modifier(code)) {
        return false;
    }
    if (down) {
        console_symbol(s->viewer.con, keysym, mods(s));
    }
    return true;
}

static void type_symbol(Vnc *s, const Input *e)
{
    KeyStroke k;
    bool      there = keymap_find(s->keys, e->keysym, &k);

    if (!for_console(s, there ? k.code : 0, e->keysym, e->down) && there) {
        type_key(s, &k, e->keysym, e->down);
    }
}

static void type_code(Vnc *s, const Input *e)
{
    unsigned code = key_from_xt(e->code);

    if (!for_console(s, code, e->keysym, e->down)) {
        press(s, code, e->down);
    }
}

static void point(Vnc *s, const Input *in)
{
    unsigned buttons = (in->buttons & 1) | (in->buttons & 4) >> 1 | (in->buttons & 2) << 1;
    unsigned wheel = in->buttons & ~s->buttons;
    int      dz = wheel & 8 ? -1 : wheel & 16 ? 1 : 0;

    if (console_is_text(s->viewer.con)) {
        if (dz) {
            console_symbol(s->viewer.con, dz < 0 ? 0xff55 : 0xff56, MOD_SHIFT);
        }
    } else if (in->kind == INPUT_MOTION) {
        console_pointer(s->viewer.con, in->x, in->y, dz, buttons);
    } else {
        console_point(s->viewer.con, in->x, in->y, dz, buttons);
    }
    s->buttons = in->buttons;
}

static void power(Vnc *s, unsigned code)
{
    enum { XVP_SHUTDOWN = 2, XVP_REBOOT = 3, XVP_RESET = 4 };

    if (code == XVP_SHUTDOWN) {
        machine_powerdown(s->machine);
    } else if (code == XVP_REBOOT || code == XVP_RESET) {
        s->machine->reset_cause = "host-ui";
        machine_reset_request(s->machine, "a VNC viewer asked for it");
    }
}

void vnc_feed(Vnc *s)
{
    g_autoptr(GArray) in = NULL;

    g_mutex_lock(&s->lock);
    if (s->input->len) {
        in = s->input;
        s->input = g_array_new(FALSE, FALSE, sizeof(Input));
    }
    g_mutex_unlock(&s->lock);
    for (unsigned i = 0; in && i < in->len; i++) {
        const Input *e = &g_array_index(in, Input, i);
        switch (e->kind) {
        case INPUT_KEY:
            type_symbol(s, e);
            break;
        case INPUT_CODE:
            type_code(s, e);
            break;
        case INPUT_POINTER: case INPUT_MOTION:
            point(s, e);
            break;
        case INPUT_RELEASE:
            for (unsigned k = 0; k < KEY_CNT; k++) {
                if (s->down[k]) {
                    press(s, k, false);
                }
            }
            break;
        case INPUT_POWER:
            power(s, e->code);
            break;
        }
    }
    paste_tick(&s->paste, s->machine, s->viewer.con, s->keys);
}
#endif
