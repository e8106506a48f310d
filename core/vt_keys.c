/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt_keys.c -- what a terminal's keys send.
 *
 * Spec: "XTerm Control Sequences", PC-Style Function Keys; X11 keysyms.
 * Omits: the keypad's application mode.
 * Threads: none of its own.
 */
#include "core/display.h"
#include "core/vt_screen.h"

static size_t sequence(char out[16], const char *format, unsigned a, unsigned b)
{
    return (size_t)g_snprintf(out, 16, format, a, b);
}

size_t vt_key(const Vt *t, uint32_t sym, unsigned mods, char out[16])
{
    /*
     * xterm's: letters are CSI or SS3 X, numbers are CSI n ~; with modifiers CSI 1;m X or CSI n;m ~
     */
    static const struct {
        uint16_t sym;
        uint8_t  final, number;
    } keys[] = {
        { 0xff52, 'A', 0 }, { 0xff54, 'B', 0 }, { 0xff53, 'C', 0 }, { 0xff51, 'D', 0 },
        { 0xff50, 'H', 0 }, { 0xff57, 'F', 0 }, { 0xff63, 0, 2 },   { 0xffff, 0, 3 },
        { 0xff55, 0, 5 },   { 0xff56, 0, 6 },   { 0xffbe, 'P', 1 }, { 0xffbf, 'Q', 1 },
        { 0xffc0, 'R', 1 }, { 0xffc1, 'S', 1 }, { 0xffc2, 0, 15 },  { 0xffc3, 0, 17 },
        { 0xffc4, 0, 18 },  { 0xffc5, 0, 19 },  { 0xffc6, 0, 20 },  { 0xffc7, 0, 21 },
        { 0xffc8, 0, 23 },  { 0xffc9, 0, 24 },
    };
    unsigned m =
        1 + (mods & MOD_SHIFT ? 1 : 0) + (mods & MOD_ALT ? 2 : 0) + (mods & MOD_CTRL ? 4 : 0);
    uint32_t ch = 0;
    size_t   n = 0;

    if (sym >= 0xff95 && sym <= 0xff9f) {                       /* the keypad without Num Lock */
        static const uint16_t pad[] = { 0xff50, 0xff51, 0xff52, 0xff53, 0xff54, 0xff55,
                                        0xff56, 0xff57, 0,      0xff63, 0xffff };
        sym = pad[sym - 0xff95];
    }
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (keys[i].sym == sym && keys[i].final) {
            return m > 1 ? sequence(out, "\033[1;%u%c", m, keys[i].final)
                         : sequence(out, keys[i].number || t->app_cursor ? "\033O%c" : "\033[%c",
                                    keys[i].final, 0);
        }
        if (keys[i].sym == sym) {
            return sequence(out, m > 1 ? "\033[%u;%u~" : "\033[%u~", keys[i].number, m);
        }
    }
    if (sym == 0xfe20) {                                        /* Shift and Tab */
        return sequence(out, "\033[Z", 0, 0);
    }
    ch = sym >= 0x20 && sym <= 0xff && (sym < 0x7f || sym >= 0xa0) ? sym
         : (sym & 0xff000000) == 0x01000000                        ? sym & 0xffffff
         : sym == 0xff08                                           ? 0x7f
         : sym == 0xff09                                           ? '\t'
         : sym == 0xff0d || sym == 0xff8d                          ? '\r'
         : sym == 0xff1b                                           ? 0x1b
         : sym >= 0xffaa && sym <= 0xffb9                          ? sym - 0xff80
                                                                   : 0;
    if (!ch || !g_unichar_validate(ch)) {
        return 0;
    }
    if ((mods & MOD_CTRL) && ((ch >= '@' && ch < 0x7f) || ch == ' ')) {
        ch &= 0x1f;
    }
    if (mods & MOD_ALT) {
        out[n++] = 0x1b;
    }
    return n + (size_t)(t->latin && ch < 0x100 ? (out[n] = (char)ch, 1)
                                               : g_unichar_to_utf8(ch, out + n));
}
