/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt_screen.c -- a terminal's cells: lines that move, what is erased, the lines that have gone, and
 * what is seen of it all.
 *
 * Spec: ECMA-48 5th edition 8.3 (ED, EL, ICH, DCH), VT100 User Guide chapter 3 (scrolling regions,
 * origin mode). Omits: see vt.c. Threads: none of its own.
 */
#include "core/vt_screen.h"
#include <string.h>

VtCell vt_blank(const Vt *t)
{
    return (VtCell){ .ch = ' ', .fg = t->pen.fg, .bg = t->pen.bg };
}

void vt_fill(VtCell *c, size_t n, VtCell with)
{
    while (n--) {
        *c++ = with;
    }
}

VtCell *vt_row(const Vt *t, unsigned y)
{
    return t->cells + (size_t)y * t->cols;
}

void vt_reset(Vt *t)
{
    t->pen = (VtPen){ .fg = VT_FG, .bg = VT_BG };
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
    vt_fill(t->cells, (size_t)t->cols * t->rows, vt_blank(t));
    vt_fill(t->other, (size_t)t->cols * t->rows, vt_blank(t));
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
    vt_reset(t);
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

/* What comes in is blank. */
void vt_scroll(Vt *t, unsigned from, int n)
{
    unsigned height = t->bottom - from + 1, by = (unsigned)ABS(n);

    by = MIN(by, height);
    for (unsigned i = 0; n > 0 && from == 0 && !t->alternate && i < by; i++) {
        keep_line(t, vt_row(t, i));
    }
    if (n > 0) {
        memmove(vt_row(t, from), vt_row(t, from + by),
                (size_t)(height - by) * t->cols * sizeof(VtCell));
        vt_fill(vt_row(t, t->bottom + 1 - by), (size_t)by * t->cols, vt_blank(t));
    } else {
        memmove(vt_row(t, from + by), vt_row(t, from),
                (size_t)(height - by) * t->cols * sizeof(VtCell));
        vt_fill(vt_row(t, from), (size_t)by * t->cols, vt_blank(t));
    }
}

void vt_line_feed(Vt *t)
{
    t->wrap_next = false;
    if (t->pen.y == t->bottom) {
        vt_scroll(t, t->top, 1);
    } else if (t->pen.y < t->rows - 1) {
        t->pen.y++;
    }
}

void vt_reverse_line_feed(Vt *t)
{
    t->wrap_next = false;
    if (t->pen.y == t->top) {
        vt_scroll(t, t->top, -1);
    } else if (t->pen.y) {
        t->pen.y--;
    }
}

void vt_place(Vt *t, int64_t x, int64_t y)
{
    int64_t first = t->pen.origin ? t->top : 0, last = t->pen.origin ? t->bottom : t->rows - 1;

    t->pen.x = (unsigned)CLAMP(x, 0, (int64_t)t->cols - 1);
    t->pen.y = (unsigned)CLAMP(y, first, last);
    t->wrap_next = false;
}

void vt_erase(Vt *t, unsigned what, bool display)
{
    VtCell *start = display ? t->cells : vt_row(t, t->pen.y), *at = vt_row(t, t->pen.y) + t->pen.x;
    VtCell *end = display ? t->cells + (size_t)t->cols * t->rows : start + t->cols;

    t->wrap_next = false;
    if (what == 0) {
        vt_fill(at, (size_t)(end - at), vt_blank(t));
    } else if (what == 1) {
        vt_fill(start, (size_t)(at - start) + 1, vt_blank(t));
    } else if (what == 2) {
        vt_fill(start, (size_t)(end - start), vt_blank(t));
    } else if (what == 3 && display) {
        t->history_n = t->back = 0;
    }
}

/* Characters of the line from the cursor: in (n > 0) or out. */
void vt_shift_line(Vt *t, unsigned n, bool in)
{
    VtCell *c = vt_row(t, t->pen.y) + t->pen.x;
    size_t  left = t->cols - t->pen.x;

    n = MIN(n, (unsigned)left);
    memmove(in ? c + n : c, in ? c : c + n, (left - n) * sizeof(*c));
    vt_fill(in ? c : c + left - n, n, vt_blank(t));
    t->wrap_next = false;
}

void vt_region(Vt *t, unsigned top, unsigned bottom)
{
    bottom = bottom ? MIN(bottom, t->rows) : t->rows;
    top = MAX(top, 1);
    if (top < bottom) {
        t->top = top - 1;
        t->bottom = bottom - 1;
        vt_place(t, 0, t->pen.origin ? t->top : 0);
    }
}

void vt_vertical(Vt *t, int n)
{
    bool    in = t->pen.y >= t->top && t->pen.y <= t->bottom;
    int64_t y = (int64_t)t->pen.y + n, first = in ? t->top : 0, last = in ? t->bottom : t->rows - 1;

    t->pen.y = (unsigned)CLAMP(y, first, last);
    t->wrap_next = false;
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
    c = vt_row(t, y)[x];
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
        uint32_t low = c & 8 ? 0x555555 : 0,
                 rgb = (c & 1 ? 0xaa0000 : 0) | (c & 2 ? 0x00aa00 : 0) | (c & 4 ? 0x0000aa : 0);
        return c == 3 ? 0xaa5500 : rgb + low;
    }
    if (c < 232) {
        c -= 16;
        return (uint32_t)level[c / 36] << 16 | (uint32_t)level[c / 6 % 6] << 8 | level[c % 6];
    }
    return (8 + 10 * (c - 232)) * 0x010101u;
}
