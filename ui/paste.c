/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paste.c -- text from the host's clipboard, typed key by key: guests need no agent for it.
 *
 * Omits: characters that the keyboard of -k cannot make are left out.
 * Threads: the main context with the machine lock.
 */
#include "ui/paste.h"
#include "core/sendkey.h"
#include <linux/input-event-codes.h>
#include <string.h>

enum { PASTE_MOST = 65536, HOLD_MS = 10, SYMBOLS_A_TICK = 64 };

void paste_start(Paste *p, const char *utf8)
{
    const char *end;

    paste_end(p);
    g_utf8_validate(utf8, (gssize)strnlen(utf8, PASTE_MOST), &end);
    if (end > utf8) {
        p->at = p->text = g_strndup(utf8, (gsize)(end - utf8));
    }
}

void paste_end(Paste *p)
{
    g_clear_pointer(&p->text, g_free);
}

static uint32_t symbol(gunichar c)
{
    return c == '\n' ? 0xff0d : c == '\t' ? 0xff09 : c < 0x20 ? 0 : c < 0x100 ? c : 0x1000000 | c;
}

/* false: the queue of keys is full. */
static bool type(Machine *m, const Keymap *keys, uint32_t sym)
{
    KeyStroke s;
    unsigned  codes[3], n = 0;

    if (!sym || !keymap_find(keys, sym, &s)) {
        return true;
    }
    if (s.shift) {
        codes[n++] = KEY_LEFTSHIFT;
    }
    if (s.altgr) {
        codes[n++] = KEY_RIGHTALT;
    }
    codes[n++] = s.code;
    return sendkey(m, codes, n, HOLD_MS, NULL);
}

void paste_tick(Paste *p, Machine *m, Console *con, const Keymap *keys)
{
    for (unsigned i = 0; p->text && *p->at; i++) {
        uint32_t sym = *p->at == '\r' && p->at[1] == '\n' ? 0 : symbol(g_utf8_get_char(p->at));
        if (console_is_text(con)) {
            if (i == SYMBOLS_A_TICK) {
                return;
            }
            console_symbol(con, sym, 0);
        } else if (!type(m, keys, sym)) {
            return;
        }
        p->at = g_utf8_next_char(p->at);
    }
    paste_end(p);
}

char *paste_screen(Console *con)
{
    GString *s = g_string_new(NULL);

    console_text(con, s);
    while (s->len && s->str[s->len - 1] == '\n') {
        g_string_truncate(s, s->len - 1);
    }
    if (!s->len || !g_utf8_validate(s->str, (gssize)s->len, NULL)) {
        g_string_free(s, TRUE);
        return NULL;
    }
    return g_string_free(s, FALSE);
}
