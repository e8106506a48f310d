/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_graphics.c -- graphics modes of the VGA's own registers as pixels: planar, CGA's packed ones,
 * 256 colours.
 *
 * One raster serves all of them.  The picture has as many dots as the monitor sees: a halved dot
 * clock and a doubled scan line show as equal pixels.  A character clock fetches one byte of each
 * plane and makes 8 dots of them.
 *
 * Spec: IBM VGA: CRTC (start address, offset, mode control, underline location, line compare,
 *       preset row scan), attribute controller (pel panning, plane enable), graphics controller
 *       mode.
 * Omits: blinking, 9 dots a character, overscan, the CRTC's count by 2 and by 4 and vertical
 *   counter at half speed.
 * Threads: with the machine lock.
 *
 *     full address   byte mode: MA   word mode: MA << 1   doubleword mode: MA << 2; bits 13, 14 may
 *                    be the row scan's 0, 1
 *     in a plane     that, without the bits that odd/even or chain-4 addressing turns into a choice
 *                    of plane
 */
#include "hw/display/vga.h"
#include <string.h>

enum { CLOCK_HALVED = 8, SCREEN_OFF = 0x20, VIDEO_ON = 0x20, CHAIN_4 = 8, GRAPHICS = 1 };
enum { ODD_EVEN = 0x10, INTERLEAVED = 0x20, COLORS_256 = 0x40 };     /* graphics controller: mode */
enum { KEEP_13 = 1, KEEP_14 = 2, WRAP_15 = 0x20, BYTE_MODE = 0x40, DOUBLEWORD = 0x40 };
enum { DOUBLE_SCAN = 0x80, PAN_TOP_ONLY = 0x20, PLANE_MASK = 0xffff, DOTS = 8 };

bool vga_blank(const Vga *s)
{
    return !(s->attr_index & VIDEO_ON) || (s->seq[SEQ_CLOCK] & SCREEN_OFF);
}

static unsigned addressing_shift(const Vga *s)
{
    return s->seq[SEQ_MEMORY] & CHAIN_4 ? 2 : s->gc[GC_MODE] & ODD_EVEN ? 1 : 0;
}

/* What the registers say; false: no graphics mode of theirs. */
bool vga_scan(const Vga *s, VgaScan *g)
{
    const uint8_t *c = s->crtc;
    bool vbe = s->vbe[VBE_ENABLE] & VBE_ON;
    memset(g, 0, sizeof(*g));
    g->pel_mask = s->pel_mask;
    if (vbe && s->vbe[VBE_BPP] == 4) {
        g->chars = s->vbe[VBE_XRES] / DOTS;
        g->lines = s->vbe[VBE_YRES];
        g->rows_each = g->scans_each = g->dot_width = 1;
        g->pitch = s->vbe[VBE_VIRT_WIDTH] / DOTS;
        g->start = s->vbe[VBE_Y_OFFSET] * g->pitch + s->vbe[VBE_X_OFFSET] / DOTS;
        g->pan = s->vbe[VBE_X_OFFSET] % DOTS;
        g->split = UINT32_MAX;
        g->byte_mode = g->keep_13 = g->keep_14 = true;
        g->plane_mask = UINT32_MAX;
        return g->chars && g->lines;
    }
    if (vbe || !(s->gc[GC_MISC] & GRAPHICS)) {
        return false;
    }
    g->chars = c[CRTC_HDISP] + 1u;
    g->lines = (c[CRTC_VDISP] | (c[CRTC_OVERFLOW] & 2 ? 0x100u : 0) |
                (c[CRTC_OVERFLOW] & 0x40 ? 0x200u : 0)) +
               1;
    g->scans_each = c[CRTC_CELL] & DOUBLE_SCAN ? 2 : 1;
    g->rows_each = (c[CRTC_CELL] & 0x1f) + 1u;
    g->dot_width = s->seq[SEQ_CLOCK] & CLOCK_HALVED ? 2 : 1;
    g->start =
        (uint32_t)(c[CRTC_START_HIGH] << 8 | c[CRTC_START_LOW]) + (c[CRTC_ROW_SCAN] >> 5 & 3);
    g->first_row = c[CRTC_ROW_SCAN] & 0x1f;
    g->pitch = c[CRTC_OFFSET] * 2u;
    g->split = c[CRTC_LINE_COMPARE] | (c[CRTC_OVERFLOW] & 0x10 ? 0x100u : 0) |
               (c[CRTC_CELL] & 0x40 ? 0x200u : 0);
    g->colors_256 = s->gc[GC_MODE] & COLORS_256;
    g->interleaved = s->gc[GC_MODE] & INTERLEAVED;
    g->pan = g->colors_256           ? s->attr[ATTR_PAN] & 6
             : s->attr[ATTR_PAN] & 8 ? 0
                                     : s->attr[ATTR_PAN] & 7;
    g->pan_top_only = s->attr[ATTR_MODE] & PAN_TOP_ONLY;
    g->doubleword = c[CRTC_UNDERLINE] & DOUBLEWORD;
    g->byte_mode = c[CRTC_MODE] & BYTE_MODE;
    g->wrap_15 = c[CRTC_MODE] & WRAP_15;
    g->keep_13 = c[CRTC_MODE] & KEEP_13;
    g->keep_14 = c[CRTC_MODE] & KEEP_14;
    g->shift = addressing_shift(s);
    g->plane_mask = PLANE_MASK;
    return true;
}

/* The four planes' bytes at a memory address, plane 0 lowest. */
static uint32_t fetch(const Vga *s, const VgaScan *g, uint32_t ma, unsigned row)
{
    uint32_t full = ma;
    if (g->doubleword) {
        full = ma << 2 | (ma >> 14 & 3);
    } else if (!g->byte_mode) {
        full = ma << 1 | (ma >> (g->wrap_15 ? 15 : 13) & 1);
    }
    full = g->keep_13 ? full : (full & ~0x2000u) | (row & 1) << 13;
    full = g->keep_14 ? full : (full & ~0x4000u) | (row >> 1 & 1) << 14;
    uint64_t at = (uint64_t)(full >> g->shift & g->plane_mask) * 4;
    if (at + 4 > s->vram.size) {
        return 0;
    }
    const uint8_t *p = s->vram.host + at;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* 8 dots of one fetch. */
static void dots(const VgaScan *g, const uint32_t *color, uint32_t planes, uint32_t *out)
{
    for (unsigned i = 0; i < DOTS; i++) {
        unsigned v;
        if (g->colors_256) {
            v = planes >> (i / 2 * 8) & 0xff;
        } else if (g->interleaved) {
            /* pairs of bits: plane 0 then 1, with 2 and 3 above them */
            unsigned shift = i / 4 * 8 + 6 - i % 4 * 2;
            v = (planes >> shift & 3) | (planes >> (shift + 16) & 3) << 2;
        } else {
            unsigned bit = 7 - i;
            v = (planes >> bit & 1) | (planes >> (bit + 8) & 1) << 1 |
                (planes >> (bit + 16) & 1) << 2 | (planes >> (bit + 24) & 1) << 3;
        }
        out[i] = color[v];
    }
}

static void draw_line(const Vga *s, const VgaScan *g, const uint32_t *color, unsigned y,
                      uint32_t *out)
{
    bool below = y > g->split;
    unsigned line = (below ? y - g->split - 1 : y) / g->scans_each + (below ? 0 : g->first_row),
             row = line % g->rows_each;
    uint32_t ma = (below ? 0 : g->start) + line / g->rows_each * g->pitch;
    unsigned pan = below && g->pan_top_only ? 0 : g->pan, n = g->chars * DOTS;
    uint32_t cell[DOTS];
    dots(g, color, fetch(s, g, ma++, row), cell);
    for (unsigned x = 0, i = pan; x < n; x++, i++) {
        if (i == DOTS) {
            dots(g, color, fetch(s, g, ma++, row), cell);
            i = 0;
        }
        for (unsigned k = 0; k < g->dot_width; k++) {
            *out++ = cell[i];
        }
    }
}

/* A line is drawn aside and compared: only what looks different is damage. */
void vga_refresh_scan(Vga *s, Console *con, const VgaScan *g)
{
    unsigned width = g->chars * DOTS * g->dot_width;
    pixman_image_t *surface = console_resize(con, (int)width, (int)g->lines);
    uint32_t *px = pixman_image_get_data(surface), color[256];
    size_t stride = (size_t)pixman_image_get_stride(surface) / 4;
    bool touched = vga_touched(s);
    if (!touched && !s->redraw && !memcmp(g, &s->drawn_scan, sizeof(*g))) {
        return;
    }
    for (unsigned i = 0; i < 256; i++) {
        color[i] = g->colors_256 ? vga_palette_color(s, i)
                                 : vga_attr_color(s, i & s->attr[ATTR_PLANES] & 15);
    }
    g_autofree uint32_t *line = g_new(uint32_t, width);
    for (unsigned y = 0; y < g->lines; y++) {
        draw_line(s, g, color, y, line);
        if (memcmp(px + y * stride, line, width * sizeof(*line))) {
            memcpy(px + y * stride, line, width * sizeof(*line));
            console_damage(con, 0, (int)y, (int)width, 1);
        }
    }
    s->drawn_scan = *g;
    s->redraw = false;
}
