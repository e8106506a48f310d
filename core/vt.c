/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt.c -- a text terminal: the escape sequences that programs send to a VT100, a Linux console or an xterm.
 *
 * Spec: ECMA-48 5th edition (control functions), VT100 User Guide chapter 3 (DEC private modes, character sets), "XTerm Control
 *   Sequences" (256 and direct colours, alternate screen), Unicode 15 chapter 3.9 (UTF-8).
 * Omits: double-size lines, blinking, smooth scrolling, national sets other than line drawing, mouse reports, sixels.  A byte that
 *   is no UTF-8 is taken as Latin-1.
 * Threads: none of its own.
 */
#include "core/vt.h"
#include "core/display.h"
#include <stdio.h>
#include <string.h>

enum { PARAMS = 16, PARAM_MAX = 65535 };
typedef enum { GROUND, ESCAPE, ESCAPE_MORE, CSI, STRING, STRING_ESCAPE } State;

typedef struct Pen {
    uint32_t fg, bg, attr;
    unsigned x, y;
    bool     lines[2];                /* G0, G1 are the line-drawing set */
    uint8_t  shift;                   /* which of them */
    bool     origin;
} Pen;

struct Vt {
    unsigned cols, rows, top, bottom; /* scrolling region, both inclusive */
    VtCell  *cells, *other;           /* the alternate screen, or the main one while that shows */
    bool     alternate;
    VtCell  *history;                 /* VT_HISTORY lines, a ring */
    unsigned history_next, history_n, back;
    Pen      pen, saved;
    bool     wrap_next, autowrap, insert, cursor, newline, app_cursor, reverse, latin;
    uint8_t *tabs;
    State    state;
    unsigned param[PARAMS], n_params;
    char     private, between;
    uint32_t rune, rune_min;          /* a UTF-8 sequence under way */
    unsigned rune_left;
    uint8_t  rune_bytes[4], rune_n;
    uint32_t last;                    /* character, for REP */
    VtReply *reply;
    void    *opaque;
};

static VtCell blank(const Vt *t)
{
    return (VtCell){ .ch = ' ', .fg = t->pen.fg, .bg = t->pen.bg };
}

static void fill(VtCell *c, size_t n, VtCell with)
{
    while (n--) {
        *c++ = with;
    }
}

static VtCell *row(const Vt *t, unsigned y)
{
    return t->cells + (size_t)y * t->cols;
}

static void reset(Vt *t)
{
    t->pen = (Pen){ .fg = VT_FG, .bg = VT_BG };
    t->saved = t->pen;
    t->top = 0;
    t->bottom = t->rows - 1;
    t->autowrap = t->cursor = true;
    t->wrap_next = t->insert = t->newline = t->app_cursor = t->reverse = t->latin = false;
    t->state = GROUND;
    t->rune_left = t->rune_n = 0;
    if (t->alternate) {
        VtCell *c = t->cells;
        t->cells = t->other;
        t->other = c;
        t->alternate = false;
    }
    for (unsigned x = 0; x < t->cols; x++) {
        t->tabs[x] = x % 8 == 0;
    }
    fill(t->cells, (size_t)t->cols * t->rows, blank(t));
    fill(t->other, (size_t)t->cols * t->rows, blank(t));
}

Vt *vt_new(unsigned cols, unsigned rows, VtReply *reply, void *opaque)
{
    Vt *t = g_new0(Vt, 1);

    t->cols = CLAMP(cols, VT_COLS_MIN, VT_COLS_MAX);
    t->rows = CLAMP(rows, VT_ROWS_MIN, VT_ROWS_MAX);
    t->cells = g_new0(VtCell, (size_t)t->cols * t->rows);
    t->other = g_new0(VtCell, (size_t)t->cols * t->rows);
    t->history = g_new0(VtCell, (size_t)t->cols * VT_HISTORY);
    t->tabs = g_new0(uint8_t, t->cols);
    t->reply = reply;
    t->opaque = opaque;
    reset(t);
    return t;
}

void vt_free(Vt *t)
{
    g_free(t->cells);
    g_free(t->other);
    g_free(t->history);
    g_free(t->tabs);
    g_free(t);
}

/* ---- moving lines ---- */

static void keep_line(Vt *t, const VtCell *line)
{
    memcpy(t->history + (size_t)t->history_next * t->cols, line, t->cols * sizeof(*line));
    t->history_next = (t->history_next + 1) % VT_HISTORY;
    t->history_n = MIN(t->history_n + 1, VT_HISTORY);
    if (t->back && t->back < t->history_n) {
        t->back++;                    /* who looks back goes on seeing the same */
    }
}

/* Lines from..bottom of the region: up by n, or down if n is negative; what comes in is blank. */
static void scroll(Vt *t, unsigned from, int n)
{
    unsigned height = t->bottom - from + 1, by = (unsigned)ABS(n);

    by = MIN(by, height);
    for (unsigned i = 0; n > 0 && from == 0 && !t->alternate && i < by; i++) {
        keep_line(t, row(t, i));
    }
    if (n > 0) {
        memmove(row(t, from), row(t, from + by), (size_t)(height - by) * t->cols * sizeof(VtCell));
        fill(row(t, t->bottom + 1 - by), (size_t)by * t->cols, blank(t));
    } else {
        memmove(row(t, from + by), row(t, from), (size_t)(height - by) * t->cols * sizeof(VtCell));
        fill(row(t, from), (size_t)by * t->cols, blank(t));
    }
}

static void line_feed(Vt *t)
{
    t->wrap_next = false;
    if (t->pen.y == t->bottom) {
        scroll(t, t->top, 1);
    } else if (t->pen.y < t->rows - 1) {
        t->pen.y++;
    }
}

static void reverse_line_feed(Vt *t)
{
    t->wrap_next = false;
    if (t->pen.y == t->top) {
        scroll(t, t->top, -1);
    } else if (t->pen.y) {
        t->pen.y--;
    }
}

static void place(Vt *t, int64_t x, int64_t y)
{
    int64_t first = t->pen.origin ? t->top : 0, last = t->pen.origin ? t->bottom : t->rows - 1;

    t->pen.x = (unsigned)CLAMP(x, 0, (int64_t)t->cols - 1);
    t->pen.y = (unsigned)CLAMP(y, first, last);
    t->wrap_next = false;
}

/* ---- characters ---- */

/* VT100 User Guide, table 3-9: the codes 0x60 to 0x7e of the line-drawing set. */
static const uint16_t line_set[] = {
    0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b, 0x2518, 0x2510, 0x250c, 0x2514, 0x253c, 0x23ba,
    0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524, 0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7,
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
            line_feed(t);
        } else if (width == 2) {
            return;
        }
        t->wrap_next = false;
    }
    c = row(t, t->pen.y) + t->pen.x;
    if (t->insert) {
        memmove(c + width, c, (t->cols - t->pen.x - width) * sizeof(*c));
    }
    *c = (VtCell){ .ch = ch, .fg = t->pen.fg, .bg = t->pen.bg, .attr = t->pen.attr | (width == 2 ? VT_WIDE : 0) };
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
        line_feed(t);
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
            fill(t->cells, (size_t)t->cols * t->rows, (VtCell){ .ch = 'E', .fg = VT_FG, .bg = VT_BG });
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
        line_feed(t);
        break;
    case 'E':
        t->pen.x = 0;
        line_feed(t);
        break;
    case 'M':
        reverse_line_feed(t);
        break;
    case 'H':
        t->tabs[t->pen.x] = 1;
        break;
    case 'Z':
        say(t, "\033[?1;2c", 0, 0);
        break;
    case 'c':
        reset(t);
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
    static const uint8_t set[10] = { [1] = VT_BOLD, [2] = VT_DIM, [4] = VT_UNDERLINE, [7] = VT_REVERSE, [8] = VT_HIDDEN, [9] = VT_STRIKE };

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
            fill(t->cells, (size_t)t->cols * t->rows, blank(t));
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
        place(t, 0, on ? t->top : 0);
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

static void erase(Vt *t, unsigned what, bool display)
{
    VtCell *start = display ? t->cells : row(t, t->pen.y), *at = row(t, t->pen.y) + t->pen.x;
    VtCell *end = display ? t->cells + (size_t)t->cols * t->rows : start + t->cols;

    t->wrap_next = false;
    if (what == 0) {
        fill(at, (size_t)(end - at), blank(t));
    } else if (what == 1) {
        fill(start, (size_t)(at - start) + 1, blank(t));
    } else if (what == 2) {
        fill(start, (size_t)(end - start), blank(t));
    } else if (what == 3 && display) {
        t->history_n = t->back = 0;
    }
}

/* Characters of the line from the cursor: in (n > 0) or out. */
static void shift_line(Vt *t, unsigned n, bool in)
{
    VtCell *c = row(t, t->pen.y) + t->pen.x;
    size_t  left = t->cols - t->pen.x;

    n = MIN(n, (unsigned)left);
    memmove(in ? c + n : c, in ? c : c + n, (left - n) * sizeof(*c));
    fill(in ? c : c + left - n, n, blank(t));
    t->wrap_next = false;
}

static void region(Vt *t, unsigned top, unsigned bottom)
{
    bottom = bottom ? MIN(bottom, t->rows) : t->rows;
    top = MAX(top, 1);
    if (top < bottom) {
        t->top = top - 1;
        t->bottom = bottom - 1;
        place(t, 0, t->pen.origin ? t->top : 0);
    }
}

/* The cursor moves n lines without leaving a scrolling region that it is in. */
static void vertical(Vt *t, int n)
{
    bool    in = t->pen.y >= t->top && t->pen.y <= t->bottom;
    int64_t y = (int64_t)t->pen.y + n, first = in ? t->top : 0, last = in ? t->bottom : t->rows - 1;

    t->pen.y = (unsigned)CLAMP(y, first, last);
    t->wrap_next = false;
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
        shift_line(t, n, b == '@');
        break;
    case 'L': case 'M':
        if (in) {
            scroll(t, t->pen.y, b == 'L' ? -(int)n : (int)n);
            t->pen.x = 0;
        }
        break;
    case 'S': case 'T':
        scroll(t, t->top, b == 'S' ? (int)n : -(int)n);
        break;
    case 'X':
        fill(row(t, t->pen.y) + t->pen.x, MIN(n, t->cols - t->pen.x), blank(t));
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
        vertical(t, -(int)n);
        t->pen.x = b == 'F' ? 0 : t->pen.x;
        break;
    case 'B': case 'e': case 'E':
        vertical(t, (int)n);
        t->pen.x = b == 'E' ? 0 : t->pen.x;
        break;
    case 'C': case 'a':
        place(t, (int64_t)t->pen.x + n, t->pen.y);
        break;
    case 'D':
        place(t, (int64_t)t->pen.x - n, t->pen.y);
        break;
    case 'G': case '`':
        place(t, (int64_t)n - 1, t->pen.y);
        break;
    case 'd':
        place(t, t->pen.x, (int64_t)n - 1 + first);
        break;
    case 'H': case 'f':
        place(t, (int64_t)MAX(t->param[1], 1) - 1, (int64_t)n - 1 + first);
        break;
    case 'I': case 'Z':
        tab(t, b == 'I' ? (int)n : -(int)n);
        break;
    case 'J': case 'K':
        erase(t, p, b == 'J');
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
        region(t, p, t->param[1]);
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
        t->n_params = MIN(MAX(t->n_params, 1) + 1, PARAMS);
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

/* ---- what is seen ---- */

unsigned vt_cols(const Vt *t)
{
    return t->cols;
}

unsigned vt_rows(const Vt *t)
{
    return t->rows;
}

VtCell vt_cell(const Vt *t, unsigned x, unsigned y)
{
    VtCell c;

    if (y < t->back) {
        unsigned line = (t->history_next + VT_HISTORY - t->back + y) % VT_HISTORY;
        return t->history[(size_t)line * t->cols + x];
    }
    y -= t->back;
    c = row(t, y)[x];
    if (t->reverse) {
        c.attr ^= VT_REVERSE;
    }
    if (t->cursor && x == t->pen.x && y == t->pen.y) {
        c.attr |= VT_CURSOR;
    }
    return c;
}

void vt_scroll_back(Vt *t, int lines)
{
    t->back = (unsigned)CLAMP((int64_t)t->back + lines, 0, (int64_t)t->history_n);
}

void vt_scroll_end(Vt *t)
{
    t->back = 0;
}

uint32_t vt_rgb(uint32_t c)
{
    static const uint8_t level[6] = { 0, 95, 135, 175, 215, 255 };

    if (c & VT_RGB) {
        return c & 0xffffff;
    }
    if (c < 16) {                     /* the eight by two of a VGA text screen, brown included */
        uint32_t low = c & 8 ? 0x555555 : 0, rgb = (c & 1 ? 0xaa0000 : 0) | (c & 2 ? 0x00aa00 : 0) | (c & 4 ? 0x0000aa : 0);
        return c == 3 ? 0xaa5500 : rgb + low;
    }
    if (c < 232) {
        c -= 16;
        return (uint32_t)level[c / 36] << 16 | (uint32_t)level[c / 6 % 6] << 8 | level[c % 6];
    }
    return (8 + 10 * (c - 232)) * 0x010101u;
}

/* ---- keys ---- */

static size_t sequence(char out[16], const char *format, unsigned a, unsigned b)
{
    return (size_t)g_snprintf(out, 16, format, a, b);
}

size_t vt_key(const Vt *t, uint32_t sym, unsigned mods, char out[16])
{
    /* xterm's: letters are CSI or SS3 X, numbers are CSI n ~; with modifiers CSI 1;m X or CSI n;m ~ */
    static const struct {
        uint16_t sym;
        uint8_t  final, number;
    } keys[] = {
        { 0xff52, 'A', 0 }, { 0xff54, 'B', 0 }, { 0xff53, 'C', 0 }, { 0xff51, 'D', 0 }, { 0xff50, 'H', 0 }, { 0xff57, 'F', 0 },
        { 0xff63, 0, 2 }, { 0xffff, 0, 3 }, { 0xff55, 0, 5 }, { 0xff56, 0, 6 }, { 0xffbe, 'P', 1 }, { 0xffbf, 'Q', 1 },
        { 0xffc0, 'R', 1 }, { 0xffc1, 'S', 1 }, { 0xffc2, 0, 15 }, { 0xffc3, 0, 17 }, { 0xffc4, 0, 18 }, { 0xffc5, 0, 19 },
        { 0xffc6, 0, 20 }, { 0xffc7, 0, 21 }, { 0xffc8, 0, 23 }, { 0xffc9, 0, 24 },
    };
    unsigned m = 1 + (mods & MOD_SHIFT ? 1 : 0) + (mods & MOD_ALT ? 2 : 0) + (mods & MOD_CTRL ? 4 : 0);
    uint32_t ch = 0;
    size_t   n = 0;

    if (sym >= 0xff95 && sym <= 0xff9f) {                       /* the keypad without Num Lock */
        static const uint16_t pad[] = { 0xff50, 0xff51, 0xff52, 0xff53, 0xff54, 0xff55, 0xff56, 0xff57, 0, 0xff63, 0xffff };
        sym = pad[sym - 0xff95];
    }
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (keys[i].sym == sym && keys[i].final) {
            return m > 1 ? sequence(out, "\033[1;%u%c", m, keys[i].final)
                         : sequence(out, keys[i].number || t->app_cursor ? "\033O%c" : "\033[%c", keys[i].final, 0);
        }
        if (keys[i].sym == sym) {
            return sequence(out, m > 1 ? "\033[%u;%u~" : "\033[%u~", keys[i].number, m);
        }
    }
    if (sym == 0xfe20) {                                        /* Shift and Tab */
        return sequence(out, "\033[Z", 0, 0);
    }
    ch = sym >= 0x20 && sym <= 0xff && (sym < 0x7f || sym >= 0xa0) ? sym : (sym & 0xff000000) == 0x01000000 ? sym & 0xffffff
         : sym == 0xff08 ? 0x7f : sym == 0xff09 ? '\t' : sym == 0xff0d || sym == 0xff8d ? '\r' : sym == 0xff1b ? 0x1b
         : sym >= 0xffaa && sym <= 0xffb9 ? sym - 0xff80 : 0;
    if (!ch || !g_unichar_validate(ch)) {
        return 0;
    }
    if ((mods & MOD_CTRL) && ((ch >= '@' && ch < 0x7f) || ch == ' ')) {
        ch &= 0x1f;
    }
    if (mods & MOD_ALT) {
        out[n++] = 0x1b;
    }
    return n + (size_t)(t->latin && ch < 0x100 ? (out[n] = (char)ch, 1) : g_unichar_to_utf8(ch, out + n));
}
