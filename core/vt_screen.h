/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt_screen.h -- private to core/vt*.c: a terminal's cells and its cursor, which the control
 * functions move.
 *
 * Threads: as vt.h.
 */
#ifndef CORE_VT_SCREEN_H
#define CORE_VT_SCREEN_H
#include "core/vt.h"

enum { VT_PARAMS = 16 };
typedef enum { GROUND, ESCAPE, ESCAPE_MORE, CSI, STRING, STRING_ESCAPE } VtState;

typedef struct VtPen {
    uint32_t fg, bg, attr;
    unsigned x, y;
    bool     lines[2];                /* G0, G1 are the line-drawing set */
    uint8_t  shift;                   /* which of them */
    bool     origin;
} VtPen;

struct Vt {
    unsigned cols, rows, top, bottom; /* scrolling region, both inclusive */
    VtCell  *cells, *other;           /* the alternate screen, or the main one while that shows */
    bool     alternate;
    VtCell  *history;                 /* VT_HISTORY lines, a ring */
    unsigned history_next, history_n, back;
    VtPen      pen, saved;
    bool     wrap_next, autowrap, insert, cursor, newline, app_cursor, reverse, latin;
    uint8_t *tabs;
    VtState    state;
    unsigned param[VT_PARAMS], n_params;
    char     private, between;
    uint32_t rune, rune_min;          /* a UTF-8 sequence under way */
    unsigned rune_left;
    uint8_t  rune_bytes[4], rune_n;
    uint32_t last;                    /* character, for REP */
    VtReply *reply;
    void    *opaque;
};

VtCell  vt_blank(const Vt *t);        /* in the pen's colours */
void    vt_fill(VtCell *c, size_t n, VtCell with);
VtCell *vt_row(const Vt *t, unsigned y);
void    vt_reset(Vt *t);
/* lines from..bottom: up by n, or down if n is negative */
void    vt_scroll(Vt *t, unsigned from, int n);
void    vt_line_feed(Vt *t);
void    vt_reverse_line_feed(Vt *t);
void    vt_place(Vt *t, int64_t x, int64_t y);
void    vt_erase(Vt *t, unsigned what, bool display);           /* ED, EL */
void    vt_shift_line(Vt *t, unsigned n, bool in);              /* ICH, DCH */
void    vt_region(Vt *t, unsigned top, unsigned bottom);        /* DECSTBM */
/* the cursor, without leaving a scrolling region that it is in */
void    vt_vertical(Vt *t, int n);
#endif
