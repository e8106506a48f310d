/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt.h -- a text terminal without a screen: bytes in, cells out; what programs written for a VT100
 * or xterm expect.
 *
 * Threads: none of its own; one thread at a time.
 */
#ifndef CORE_VT_H
#define CORE_VT_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { VT_COLS_MIN = 8, VT_COLS_MAX = 512, VT_ROWS_MIN = 2, VT_ROWS_MAX = 256, VT_HISTORY = 1000 };
enum { VT_BOLD = 1, VT_DIM = 2, VT_UNDERLINE = 4, VT_REVERSE = 8, VT_HIDDEN = 16, VT_STRIKE = 32,
       VT_WIDE = 64, VT_CURSOR = 128 };
/* a colour is an index of the 256, or VT_RGB | red << 16 | green << 8 | blue */
#define VT_RGB 0x1000000u
enum { VT_FG = 7, VT_BG = 0 };        /* colours at first */

typedef struct VtCell {
    uint32_t ch, fg, bg;              /* ch 0: the right half of a wide character */
    uint32_t attr;
} VtCell;

typedef struct Vt Vt;
/* what the terminal is asked to answer */
typedef void VtReply(void *opaque, const char *text, size_t n);

Vt      *vt_new(unsigned cols, unsigned rows, VtReply *reply, void *opaque);
void     vt_free(Vt *t);
void     vt_write(Vt *t, const uint8_t *p, size_t n);
unsigned vt_cols(const Vt *t), vt_rows(const Vt *t);
/* as it is seen: scrolled back, with the cursor */
VtCell   vt_cell(const Vt *t, unsigned x, unsigned y);
/* > 0: to older ones; kept within what there is */
void     vt_scroll_back(Vt *t, int lines);
void     vt_scroll_end(Vt *t);
uint32_t vt_rgb(uint32_t colour);                               /* 0xrrggbb */

/*
 * What a key sends, by its X11 keysym; modifiers as in core/display.h.  Returns the length; 0:
 * nothing.
 */
size_t   vt_key(const Vt *t, uint32_t keysym, unsigned mods, char out[16]);
#endif
