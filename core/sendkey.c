/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sendkey.c -- keys by name, pressed together and let go in turn; what is sent meanwhile waits
 * behind.
 *
 * Spec: the key names (QKeyCode) that QMP's send-key takes.
 * Omits: keys that a PC keyboard does not have.
 * Threads: main context with the machine lock.
 */
#include "core/sendkey.h"
#include "core/display.h"
#include <linux/input-event-codes.h>
#include <string.h>

enum { WAITING_MAX = 4096, BETWEEN_MS = 10 };

static const struct {
    const char *name;
    uint16_t    code;
} names[] = {
    { "shift", KEY_LEFTSHIFT }, { "shift_r", KEY_RIGHTSHIFT }, { "alt", KEY_LEFTALT },
    { "alt_r", KEY_RIGHTALT }, { "ctrl", KEY_LEFTCTRL }, { "ctrl_r", KEY_RIGHTCTRL },
    { "menu", KEY_COMPOSE }, { "compose", KEY_COMPOSE }, { "meta_l", KEY_LEFTMETA },
    { "meta_r", KEY_RIGHTMETA }, { "esc", KEY_ESC }, { "minus", KEY_MINUS }, { "equal", KEY_EQUAL },
    { "backspace", KEY_BACKSPACE }, { "tab", KEY_TAB }, { "bracket_left", KEY_LEFTBRACE },
    { "bracket_right", KEY_RIGHTBRACE }, { "ret", KEY_ENTER }, { "semicolon", KEY_SEMICOLON },
    { "apostrophe", KEY_APOSTROPHE }, { "grave_accent", KEY_GRAVE }, { "backslash", KEY_BACKSLASH },
    { "comma", KEY_COMMA }, { "dot", KEY_DOT }, { "slash", KEY_SLASH }, { "spc", KEY_SPACE },
    { "caps_lock", KEY_CAPSLOCK }, { "num_lock", KEY_NUMLOCK }, { "scroll_lock", KEY_SCROLLLOCK },
    { "kp_divide", KEY_KPSLASH }, { "kp_multiply", KEY_KPASTERISK }, { "asterisk", KEY_KPASTERISK },
    { "kp_subtract", KEY_KPMINUS }, { "kp_add", KEY_KPPLUS }, { "kp_enter", KEY_KPENTER },
    { "kp_decimal", KEY_KPDOT }, { "kp_0", KEY_KP0 }, { "kp_1", KEY_KP1 }, { "kp_2", KEY_KP2 },
    { "kp_3", KEY_KP3 }, { "kp_4", KEY_KP4 }, { "kp_5", KEY_KP5 }, { "kp_6", KEY_KP6 },
    { "kp_7", KEY_KP7 }, { "kp_8", KEY_KP8 }, { "kp_9", KEY_KP9 }, { "less", KEY_102ND },
    { "f1", KEY_F1 }, { "f2", KEY_F2 }, { "f3", KEY_F3 }, { "f4", KEY_F4 }, { "f5", KEY_F5 },
    { "f6", KEY_F6 }, { "f7", KEY_F7 }, { "f8", KEY_F8 }, { "f9", KEY_F9 }, { "f10", KEY_F10 },
    { "f11", KEY_F11 }, { "f12", KEY_F12 }, { "print", KEY_SYSRQ }, { "sysrq", KEY_SYSRQ },
    { "pause", KEY_PAUSE }, { "home", KEY_HOME }, { "pgup", KEY_PAGEUP }, { "pgdn", KEY_PAGEDOWN },
    { "end", KEY_END }, { "left", KEY_LEFT }, { "up", KEY_UP }, { "down", KEY_DOWN },
    { "right", KEY_RIGHT }, { "insert", KEY_INSERT }, { "delete", KEY_DELETE }, { "0", KEY_0 },
    { "1", KEY_1 }, { "2", KEY_2 }, { "3", KEY_3 }, { "4", KEY_4 }, { "5", KEY_5 }, { "6", KEY_6 },
    { "7", KEY_7 }, { "8", KEY_8 }, { "9", KEY_9 }, { "a", KEY_A }, { "b", KEY_B }, { "c", KEY_C },
    { "d", KEY_D }, { "e", KEY_E }, { "f", KEY_F }, { "g", KEY_G }, { "h", KEY_H }, { "i", KEY_I },
    { "j", KEY_J }, { "k", KEY_K }, { "l", KEY_L }, { "m", KEY_M }, { "n", KEY_N }, { "o", KEY_O },
    { "p", KEY_P }, { "q", KEY_Q }, { "r", KEY_R }, { "s", KEY_S }, { "t", KEY_T }, { "u", KEY_U },
    { "v", KEY_V }, { "w", KEY_W }, { "x", KEY_X }, { "y", KEY_Y }, { "z", KEY_Z },
};

typedef struct Step {
    uint16_t code;                    /* 0: only wait */
    bool     down;
    unsigned wait_ms;                 /* before the next one */
} Step;

struct KeyQueue {
    Machine *machine;
    GArray  *steps;                   /* Step, first one next */
    GSource *timer;                   /* waits for the next, or NULL */
};

unsigned key_from_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(names[i].name, name)) {
            return names[i].code;
        }
    }
    return 0;
}

static gboolean next(void *opaque)
{
    struct KeyQueue *q = opaque;
    Machine         *m = q->machine;
    unsigned         n = 0, wait = 0;

    machine_lock(m);
    g_clear_pointer(&q->timer, g_source_unref);
    while (n < q->steps->len && !wait) {
        const Step *s = &g_array_index(q->steps, Step, n++);
        console_key(m->console, s->code, s->down);
        wait = s->wait_ms;
    }
    g_array_remove_range(q->steps, 0, n);
    if (wait) {
        /* also after the last one: what is sent next keeps its distance */
        q->timer = g_timeout_source_new(wait);
        g_source_set_callback(q->timer, next, q, NULL);
        g_source_attach(q->timer, m->context);
    }
    machine_unlock(m);
    return G_SOURCE_REMOVE;
}

bool sendkey(Machine *m, const unsigned *codes, unsigned n, unsigned hold_ms, GError **err)
{
    struct KeyQueue *q = m->keys;

    if (!q) {
        q = m->keys = g_new0(struct KeyQueue, 1);
        q->machine = m;
        q->steps = g_array_new(FALSE, FALSE, sizeof(Step));
    }
    if (n > SENDKEY_MAX || q->steps->len + 2 * n > WAITING_MAX) {
        return fail(err, "send-key: too many keys at once");
    }
    for (unsigned i = 0; i < n; i++) {
        Step s = { (uint16_t)codes[i], true, i + 1 == n ? hold_ms : 0 };
        g_array_append_val(q->steps, s);
    }
    for (unsigned i = n; i-- > 0;) {
        Step s = { (uint16_t)codes[i], false, i ? 0 : BETWEEN_MS };
        g_array_append_val(q->steps, s);
    }
    if (!q->timer) {
        next(q);
    }
    return true;
}

void sendkey_free(struct KeyQueue *q)
{
    if (q) {
        if (q->timer) {
            g_source_destroy(q->timer);
            g_source_unref(q->timer);
        }
        g_array_free(q->steps, TRUE);
        g_free(q);
    }
}
