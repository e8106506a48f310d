/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt.c -- a text terminal: the escape sequences that programs send to a VT100, a Linux console or
 * an xterm.  Its cells are vt_screen.c's, its keys vt_keys.c's.
 *
 * Spec: ECMA-48 5th edition (control functions), VT100 User Guide chapter 3 (DEC private modes,
 *   character sets), "XTerm Control Sequences" (256 and direct colours, alternate screen), Unicode
 *   15 chapter 3.9 (UTF-8).
 * Omits: double-size lines, blinking, smooth scrolling, national sets other than line drawing,
 *   mouse reports, sixels.  A byte that is no UTF-8 is taken as Latin-1.
 * Threads: none of its own.
 */
#include "core/vt_screen.h"
#include <stdio.h>
#include <string.h>

enum { PARAM_MAX = 65535 };
/* ---- characters ---- */

/* VT100 User Guide, table 3-9: the codes 0x60 to 0x7e of the line-drawing set. */
static const uint16_t line_set[] = {
    0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b, 0x2518,
    0x2510, 0x250c, 0x2514, 0x253c, 0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524,
    0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7,
};

static void put(Vt *t, uint32_t ch)
{
    unsigned width = 1;
    VtCell  *c;

    if (t->pen.lines[t->pen.shift] && ch >= 0x60 && ch < 0x7f) {
        ch = line_set[ch - 0x60];
    }
    if (ch >= 0x300) {
        if (g_unichar_iszerowidth(ch)) {
            return;
        }
        width = g_unichar_iswide(ch) ? 2 : 1;
    }
    if (t->wrap_next || (width == 2 && t->pen.x == t->cols - 1)) {
        if (t->autowrap) {
            t->pen.x = 0;
            vt_line_feed(t);
        } else if (width == 2) {
            return;
        }
        t->wrap_next = false;
    }
    c = vt_row(t, t->pen.y) + t->pen.x;
    if (t->insert) {
        memmove(c + width, c, (t->cols - t->pen.x - width) * sizeof(*c));
    }
    *c = (VtCell){
        .ch = ch, .fg = t->pen.fg, .bg = t->pen.bg, .attr = t->pen.attr | (width == 2 ? VT_WIDE : 0)
    };
    if (width == 2) {
        c[1] = *c;
        c[1].ch = 0;
    }
    t->last = ch;
    if (t->pen.x + width >= t->cols) {
        t->pen.x = t->cols - 1;
        t->wrap_next = true;
    } else {
        t->pen.x += width;
    }
}

static void rune_broken(Vt *t)
{
    for (unsigned i = 0; i < t->rune_n; i++) {
        if (t->rune_bytes[i] >= 0xa0) {
            put(t, t->rune_bytes[i]);
        }
    }
    t->rune_left = t->rune_n = 0;
}

static void printable(Vt *t, uint8_t b)
{
    if (t->rune_left) {
        if ((b & 0xc0) != 0x80) {
            rune_broken(t);
            printable(t, b);
            return;
        }
        t->rune_bytes[t->rune_n++] = b;
        t->rune = t->rune << 6 | (b & 0x3f);
        if (--t->rune_left == 0) {
            if (t->rune < t->rune_min || !g_unichar_validate(t->rune)) {
                rune_broken(t);
            } else {
                t->rune_n = 0;
                if (t->rune >= 0xa0) {
                    put(t, t->rune);
                }
            }
        }
    } else if (b < 0x80) {
        put(t, b);
    } else if (t->latin || b < 0xc2 || b > 0xf4) {
        if (b >= 0xa0) {
            put(t, b);
        }
    } else {
        t->rune_left = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
        t->rune = b & (0x3f >> t->rune_left);
        t->rune_min = t->rune_left == 1 ? 0x80 : t->rune_left == 2 ? 0x800 : 0x10000;
        t->rune_bytes[0] = b;
        t->rune_n = 1;
    }
}

/* ---- control functions ---- */

static void tab(Vt *t, int n)
{
    for (; n > 0 && t->pen.x < t->cols - 1; n--) {
        do {
            t->pen.x++;
        } while (t->pen.x < t->cols - 1 && !t->tabs[t->pen.x]);
    }
    for (; n < 0 && t->pen.x; n++) {
        do {
            t->pen.x--;
        } while (t->pen.x && !t->tabs[t->pen.x]);
    }
    t->wrap_next = false;
}

static void control(Vt *t, uint8_t b)
{
    switch (b) {
    case '\b':
        t->pen.x -= t->pen.x != 0;
        t->wrap_next = false;
        break;
    case '\t':
        tab(t, 1);
        break;
    case '\n': case '\v': case '\f':
        if (t->newline) {
            t->pen.x = 0;
        }
        vt_line_feed(t);
        break;
    case '\r':
        t->pen.x = 0;
        t->wrap_next = false;
        break;
    case 0x0e: case 0x0f:
        t->pen.shift = b == 0x0e;
        break;
    case 0x18: case 0x1a:
        t->state = GROUND;
        break;
    case 0x1b:
        t->state = t->state == STRING ? STRING_ESCAPE : ESCAPE;
        t->between = 0;
        break;
    }
}

static void say(Vt *t, const char *format, unsigned a, unsigned b)
{
    g_autofree char *s = g_strdup_printf(format, a, b);

    t->reply(t->opaque, s, strlen(s));
}

static void save(Vt *t, bool back)
{
    if (back) {
        t->pen = t->saved;
        t->wrap_next = false;
    } else {
        t->saved = t->pen;
    }
}

static void escape(Vt *t, uint8_t b)
{
    t->state = GROUND;
    if (t->between == '(' || t->between == ')') {
        t->pen.lines[t->between == ')'] = b == '0';
        return;
    }
    if (t->between == '%') {
        t->latin = b == '@';
        return;
    }
    if (t->between == '#') {
        if (b == '8') {               /* DECALN */
            vt_fill(t->cells, (size_t)t->cols * t->rows,
                    (VtCell){ .ch = 'E', .fg = VT_FG, .bg = VT_BG });
        }
        return;
    }
    switch (t->between ? 0 : b) {
    case '[':
        t->state = CSI;
        memset(t->param, 0, sizeof(t->param));
        t->n_params = 0;
        t->private = t->between = 0;
        break;
    case ']': case 'P': case '^': case '_': case 'X':
        t->state = STRING;
        break;
    case '7': case '8':
        save(t, b == '8');
        break;
    case 'D':
        vt_line_feed(t);
        break;
    case 'E':
        t->pen.x = 0;
        vt_line_feed(t);
        break;
    case 'M':
        vt_reverse_line_feed(t);
        break;
    case 'H':
        t->tabs[t->pen.x] = 1;
        break;
    case 'Z':
        say(t, "\033[?1;2c", 0, 0);
        break;
    case 'c':
        vt_reset(t);
        break;
    }
}

/* 38 or 48: ;5;INDEX or ;2;RED;GREEN;BLUE; returns how many parameters that is. */
static unsigned colour(const Vt *t, unsigned at, uint32_t *c)
{
    const unsigned *p = t->param + at;
    unsigned        left = t->n_params - at;

    if (left >= 3 && p[1] == 5) {
        *c = p[2] & 0xff;
        return 2;
    }
    if (left >= 5 && p[1] == 2) {
        *c = VT_RGB | (p[2] & 0xff) << 16 | (p[3] & 0xff) << 8 | (p[4] & 0xff);
        return 4;
    }
    return left;
}

static void rendition(Vt *t)
{
    static const uint8_t set[10] = { [1] = VT_BOLD,    [2] = VT_DIM,    [4] = VT_UNDERLINE,
                                     [7] = VT_REVERSE, [8] = VT_HIDDEN, [9] = VT_STRIKE };

    for (unsigned i = 0; i < MAX(t->n_params, 1); i++) {
        unsigned p = t->param[i];
        if (p == 0) {
            t->pen.attr = 0;
            t->pen.fg = VT_FG;
            t->pen.bg = VT_BG;
        } else if (p < 10) {
            t->pen.attr |= set[p];
        } else if (p == 22) {
            t->pen.attr &= ~(uint32_t)(VT_BOLD | VT_DIM);
        } else if (p > 22 && p < 30) {
            t->pen.attr &= ~(uint32_t)set[p - 20];
        } else if (p >= 30 && p < 38) {
            t->pen.fg = p - 30;
        } else if (p == 38) {
            i += colour(t, i, &t->pen.fg);
        } else if (p == 39) {
            t->pen.fg = VT_FG;
        } else if (p >= 40 && p < 48) {
            t->pen.bg = p - 40;
        } else if (p == 48) {
            i += colour(t, i, &t->pen.bg);
        } else if (p == 49) {
            t->pen.bg = VT_BG;
        } else if (p >= 90 && p < 98) {
            t->pen.fg = p - 90 + 8;
        } else if (p >= 100 && p < 108) {
            t->pen.bg = p - 100 + 8;
        }
    }
}

static void show_alternate(Vt *t, bool on)
{
    if (on != t->alternate) {
        VtCell *c = t->cells;
        t->cells = t->other;
        t->other = c;
        t->alternate = on;
        if (on) {
            vt_fill(t->cells, (size_t)t->cols * t->rows, vt_blank(t));
        }
    }
}

static void mode(Vt *t, unsigned n, bool on)
{
    if (!t->private) {
        if (n == 4) {
            t->insert = on;
        } else if (n == 20) {
            t->newline = on;
        }
        return;
    }
    switch (t->private == '?' ? n : 0) {
    case 1:
        t->app_cursor = on;
        break;
    case 5:
        t->reverse = on;
        break;
    case 6:
        t->pen.origin = on;
        vt_place(t, 0, on ? t->top : 0);
        break;
    case 7:
        t->autowrap = on;
        break;
    case 25:
        t->cursor = on;
        break;
    case 47: case 1047:
        show_alternate(t, on);
        break;
    case 1048:
        save(t, !on);
        break;
    case 1049:
        if (on) {
            save(t, false);
        }
        show_alternate(t, on);
        if (!on) {
            save(t, true);
        }
        break;
    }
}

static void tell_status(Vt *t, unsigned what)
{
    if (what == 5) {
        say(t, "\033[0n", 0, 0);
    } else if (what == 6) {
        say(t, "\033[%u;%uR", t->pen.y + 1 - (t->pen.origin ? t->top : 0), t->pen.x + 1);
    }
}

static void edit(Vt *t, uint8_t b, unsigned n)
{
    bool in = t->pen.y >= t->top && t->pen.y <= t->bottom;

    switch (b) {
    case '@': case 'P':
        vt_shift_line(t, n, b == '@');
        break;
    case 'L': case 'M':
        if (in) {
            vt_scroll(t, t->pen.y, b == 'L' ? -(int)n : (int)n);
            t->pen.x = 0;
        }
        break;
    case 'S': case 'T':
        vt_scroll(t, t->top, b == 'S' ? (int)n : -(int)n);
        break;
    case 'X':
        vt_fill(vt_row(t, t->pen.y) + t->pen.x, MIN(n, t->cols - t->pen.x), vt_blank(t));
        break;
    case 'b':
        for (n = MIN(n, t->cols * t->rows); n && t->last; n--) {
            put(t, t->last);
        }
        break;
    }
}

static void csi(Vt *t, uint8_t b)
{
    unsigned p = t->param[0], n = MAX(p, 1), first = t->pen.origin ? t->top : 0;

    t->state = GROUND;
    if (t->between || (t->private && !(t->private == '?' && strchr("hlJKn", b)))) {
        return;
    }
    switch (b) {
    case 'A': case 'F':
        vt_vertical(t, -(int)n);
        t->pen.x = b == 'F' ? 0 : t->pen.x;
        break;
    case 'B': case 'e': case 'E':
        vt_vertical(t, (int)n);
        t->pen.x = b == 'E' ? 0 : t->pen.x;
        break;
    case 'C': case 'a':
        vt_place(t, (int64_t)t->pen.x + n, t->pen.y);
        break;
    case 'D':
        vt_place(t, (int64_t)t->pen.x - n, t->pen.y);
        break;
    case 'G': case '`':
        vt_place(t, (int64_t)n - 1, t->pen.y);
        break;
    case 'd':
        vt_place(t, t->pen.x, (int64_t)n - 1 + first);
        break;
    case 'H': case 'f':
        vt_place(t, (int64_t)MAX(t->param[1], 1) - 1, (int64_t)n - 1 + first);
        break;
    case 'I': case 'Z':
        tab(t, b == 'I' ? (int)n : -(int)n);
        break;
    case 'J': case 'K':
        vt_erase(t, p, b == 'J');
        break;
    case 'c':
        say(t, "\033[?1;2c", 0, 0);
        break;
    case 'g':
        if (p == 0) {
            t->tabs[t->pen.x] = 0;
        } else if (p == 3) {
            memset(t->tabs, 0, t->cols);
        }
        break;
    case 'h': case 'l':
        for (unsigned i = 0; i < MAX(t->n_params, 1); i++) {
            mode(t, t->param[i], b == 'h');
        }
        break;
    case 'm':
        rendition(t);
        break;
    case 'n':
        tell_status(t, p);
        break;
    case 'r':
        vt_region(t, p, t->param[1]);
        break;
    case 's': case 'u':
        save(t, b == 'u');
        break;
    default:
        edit(t, b, n);
        break;
    }
}

static void csi_byte(Vt *t, uint8_t b)
{
    if (b >= '0' && b <= '9') {
        t->n_params = MAX(t->n_params, 1);
        unsigned *p = &t->param[t->n_params - 1];
        *p = MIN(*p * 10 + (b - '0'), PARAM_MAX);
    } else if (b == ';' || b == ':') {
        t->n_params = MIN(MAX(t->n_params, 1) + 1, VT_PARAMS);
        t->param[t->n_params - 1] = 0;
    } else if (b >= '<' && b <= '?') {
        t->private = (char)b;
    } else if (b >= 0x20 && b <= 0x2f) {
        t->between = (char)b;
    } else if (b >= 0x40 && b <= 0x7e) {
        csi(t, b);
    } else {
        t->state = GROUND;
    }
}

void vt_write(Vt *t, const uint8_t *p, size_t n)
{
    for (; n; n--, p++) {
        uint8_t b = *p;
        if (b < 0x20 && !(b == 7 && t->state == STRING)) {
            rune_broken(t);
            control(t, b);
        } else if (t->state == GROUND) {
            if (b != 0x7f) {
                printable(t, b);
            }
        } else if (t->state == ESCAPE || t->state == ESCAPE_MORE) {
            if (b <= 0x2f) {
                t->between = (char)b;
                t->state = ESCAPE_MORE;
            } else {
                escape(t, b);
            }
        } else if (t->state == CSI) {
            csi_byte(t, b);
        } else if (t->state == STRING_ESCAPE) {
            t->state = b == '\\' ? GROUND : ESCAPE;
            if (b != '\\') {
                escape(t, b);
            }
        } else if (b == 7) {          /* the end of a title */
            t->state = GROUND;
        }
    }
}
