/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus.h -- private to cirrus.c and cirrus_blt.c: a Cirrus Logic CL-GD5446.
 *
 * Extension registers are kept as the bytes that the guest wrote: sr[], gr[] and cr[] by index.
 * Video memory is a power of two, and every address of the blitter is taken modulo its size.
 *
 * Spec: Cirrus Logic, CL-GD5446 Technical Reference Manual, November 1996.
 * Threads: with the machine lock.
 */
#ifndef HW_DISPLAY_CIRRUS_H
#define HW_DISPLAY_CIRRUS_H
#include "hw/display/vga.h"

/* chapter 9: graphics controller extensions; 20 to 39 are the blitter's */
enum {
    GR_BANK0 = 0x09, GR_BANK1 = 0x0a, GR_EXTEND = 0x0b, GR_WIDTH = 0x20, GR_HEIGHT = 0x22,
        GR_DST_PITCH = 0x24, GR_SRC_PITCH = 0x26,
    GR_DST = 0x28, GR_SRC = 0x2c, GR_SKIP = 0x2f, GR_MODE = 0x30, GR_START = 0x31, GR_ROP = 0x32,
        GR_MODE_EXT = 0x33,
    GR_TRANSPARENT = 0x34, GR_TRANSPARENT_MASK = 0x38, GR_N = 0x40,
};
/* GR31 */
enum { START_BUSY = 0x01, START_GO = 0x02, START_RESET = 0x04, START_BUFFERED = 0x10,
       START_AUTO = 0x80 };
enum { BLT_LINE_MAX = 8192 + 256, BLT_ROWS_MAX = 2048 };

typedef struct Cirrus {
    Vga      vga;
    /* BAR 0 and what the CPU sees there while it feeds the blitter; BAR 1 */
    Region   lfb, fifo, regs;
    Mapping  lfb_vram, lfb_fifo;
    uint8_t  sr_index, sr[0x20], gr[GR_N], cr[0x40];
    uint8_t  hidden_dac, dac_reads;
    uint8_t  cursor_palette[16 * 3];
    uint16_t cursor_x, cursor_y;
    bool     feeding;                 /* a blit takes its source from the CPU */
    uint8_t  line[BLT_LINE_MAX];
    uint32_t line_bytes, line_filled, row;
    /* a large blit goes on; not state: GR31 says that one is under way */
    Timer    more;
} Cirrus;

/* cirrus_blt.c */
void cirrus_blt_start(Cirrus *c);
void cirrus_blt_more(void *c);        /* the next lines of a large blit; the timer's */
bool cirrus_blt_is_under_way(const Cirrus *c);
void cirrus_blt_feed(Cirrus *c, uint8_t byte);
void cirrus_blt_stop(Cirrus *c);
uint32_t cirrus_color(const Cirrus *c, bool foreground);
void cirrus_feed_map(Cirrus *c);      /* cirrus.c: feeding has changed */
#endif
