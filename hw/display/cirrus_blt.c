/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus_blt.c -- the CL-GD5446's blitter: copies, patterns, colour expansion, fills, with the 16
 * raster operations.
 *
 * A blit is done when it is started, or line by line as the CPU brings the source.  A large one is
 * done in pieces, busy in between, so that a guest holds the machine lock for some milliseconds at
 * most; its registers count anew for each piece.
 *
 * Spec: CL-GD5446 Technical Reference Manual, chapters 9.21-9.40 (GR20-GR39) and appendix D8
 *       (BitBLT engine).
 * Omits: time: the engine is seen busy only while it waits for the CPU or in a large blit;
 *        screen-to-CPU blits, which the 5446 has not; the
 *        video overlay.
 * Threads: with the machine lock.
 */
#include "hw/display/cirrus.h"
#include <string.h>

/* GR30 */
enum { MODE_BACKWARDS = 0x01, MODE_FROM_CPU = 0x04, MODE_TRANSPARENT = 0x08, MODE_PATTERN = 0x40,
       MODE_EXPAND = 0x80 };
/* GR33 */
enum { EXT_DWORDS = 0x01, EXT_INVERT = 0x02, EXT_SOLID = 0x04 };
enum { PATTERN_ROWS = 8, PIECE_BYTES = 256 << 10, PIECE_NS = 1000 };

typedef struct Blt {
    Cirrus  *c;
    uint8_t  mode, ext, rop;
    uint32_t bytes, rows, pixel;      /* of a line, lines, of a pixel */
    uint32_t dst, src, dst_pitch, src_pitch, mask;
    uint32_t skip;                    /* pixels at the left that stay */
    uint32_t fg, bg;
    const uint8_t *host;              /* the CPU's bytes; NULL: video memory */
} Blt;

static uint32_t get(const Cirrus *c, unsigned at, unsigned n)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        v |= (uint32_t)c->gr[at + i] << (8 * i);
    }
    return v;
}

uint32_t cirrus_color(const Cirrus *c, bool foreground)
{
    unsigned f = foreground;
    return c->gr[f] | (uint32_t)c->gr[0x10 + f] << 8 | (uint32_t)c->gr[0x12 + f] << 16 |
        (uint32_t)c->gr[0x14 + f] << 24;
}

/* 9.33: the codes of GR32. */
static uint8_t combine(uint8_t rop, uint8_t s, uint8_t d)
{
    switch (rop) {
    case 0x00: return 0;
    case 0x05: return s & d;
    case 0x06: return d;
    case 0x09: return (uint8_t)(s & ~d);
    case 0x0b: return (uint8_t)~d;
    case 0x0d: return s;
    case 0x0e: return 0xff;
    case 0x50: return (uint8_t)(~s & d);
    case 0x59: return s ^ d;
    case 0x6d: return s | d;
    case 0x90: return (uint8_t)~(s | d);
    case 0x95: return (uint8_t)~(s ^ d);
    case 0xad: return (uint8_t)(s | ~d);
    case 0xd0: return (uint8_t)~s;
    case 0xd6: return (uint8_t)(~s | d);
    case 0xda: return (uint8_t)~(s & d);
    default:   return d;
    }
}

static Blt blt_of(Cirrus *c)
{
    Blt b = { .c = c, .mode = c->gr[GR_MODE], .ext = c->gr[GR_MODE_EXT], .rop = c->gr[GR_ROP],
              .bytes = (get(c, GR_WIDTH, 2) & 0x1fff) + 1,
                  .rows = (get(c, GR_HEIGHT, 2) & 0x7ff) + 1,
              .dst = get(c, GR_DST, 3) & 0x3fffff, .src = get(c, GR_SRC, 3) & 0x3fffff,
              .dst_pitch = get(c, GR_DST_PITCH, 2) & 0x1fff,
                  .src_pitch = get(c, GR_SRC_PITCH, 2) & 0x1fff,
              .mask = (uint32_t)c->vga.vram.size - 1, .fg = cirrus_color(c, true),
                  .bg = cirrus_color(c, false) };
    b.pixel = (b.mode >> 4 & 3) + 1u;
    if (b.mode & (MODE_PATTERN | MODE_EXPAND)) {
        b.skip = b.pixel == 3 ? (c->gr[GR_SKIP] & 0x1f) / 3 : c->gr[GR_SKIP] & 7;
    }
    return b;
}

static uint8_t source(const Blt *b, uint32_t at)
{
    return b->host ? at < BLT_LINE_MAX ? b->host[at] : 0 : b->c->vga.vram.host[at & b->mask];
}

/* One pixel; transparency compares what would be written. */
static void put(const Blt *b, uint32_t at, uint32_t color)
{
    uint8_t *vram = b->c->vga.vram.host, out[4] = { 0 };
    for (unsigned i = 0; i < b->pixel; i++) {
        out[i] = combine(b->rop, (uint8_t)(color >> (8 * i)), vram[(at + i) & b->mask]);
    }
    if ((b->mode & MODE_TRANSPARENT) && !(b->mode & MODE_EXPAND) && b->pixel <= 2) {
        uint32_t key = get(b->c, GR_TRANSPARENT, 2), ignore = get(b->c, GR_TRANSPARENT_MASK, 2);
        uint32_t v = out[0] | (b->pixel == 2 ? (uint32_t)out[1] << 8 : 0);
        if (!((v ^ key) & ~ignore & (b->pixel == 2 ? 0xffff : 0xff))) {
            return;
        }
    }
    for (unsigned i = 0; i < b->pixel; i++) {
        vram[(at + i) & b->mask] = out[i];
    }
}

/* Bits, the left one highest, as foreground and background colour; a transparent background stays.
   */
static void expand_pixel(const Blt *b, uint32_t at, bool bit)
{
    bit ^= (b->ext & EXT_INVERT) != 0;
    if (bit || !(b->mode & MODE_TRANSPARENT)) {
        put(b, at, bit ? b->fg : b->bg);
    }
}

static uint32_t pattern_pitch(const Blt *b)
{
    return b->mode & MODE_EXPAND ? 1 : b->pixel == 1 ? 8 : b->pixel == 2 ? 16 : 32;
}

static void pattern_line(const Blt *b, uint32_t dst, uint32_t y)
{
    uint32_t row = (y + (b->src & 7)) & 7, base = (b->host ? 0 :
                                                   b->src & ~7u) + row * pattern_pitch(b);
    for (uint32_t x = b->skip, n = b->bytes / b->pixel; x < n; x++) {
        uint32_t at = dst + x * b->pixel, color = 0;
        if (b->mode & MODE_EXPAND) {
            expand_pixel(b, at, (b->ext & EXT_SOLID) || (source(b, base) >> (7 - (x & 7)) & 1));
            continue;
        }
        for (unsigned i = 0; i < b->pixel; i++) {
            color |= (uint32_t)source(b, base + (x & 7) * b->pixel + i) << (8 * i);
        }
        put(b, at, color);
    }
}

static void expand_line(const Blt *b, uint32_t dst, uint32_t src)
{
    for (uint32_t x = b->skip, n = b->bytes / b->pixel; x < n; x++) {
        expand_pixel(b, dst + x * b->pixel, source(b, src + x / 8) >> (7 - (x & 7)) & 1);
    }
}

/* Backwards, addresses are those of the last byte. */
static void copy_line(const Blt *b, uint32_t dst, uint32_t src)
{
    bool back = b->mode & MODE_BACKWARDS;
    for (uint32_t x = 0; x + b->pixel <= b->bytes; x += b->pixel) {
        uint32_t color = 0, from = back ? src - x - b->pixel + 1 : src + x, to = back ?
            dst - x - b->pixel + 1 : dst + x;
        for (unsigned i = 0; i < b->pixel; i++) {
            color |= (uint32_t)source(b, from + i) << (8 * i);
        }
        put(b, to, color);
    }
}

static void touched(const Blt *b, uint32_t dst)
{
    uint32_t from = (b->mode & MODE_BACKWARDS ? dst - b->bytes + 1 : dst) & b->mask;
    uint64_t size = b->c->vga.vram.size, first = MIN(b->bytes, size - from);
    region_set_dirty(&b->c->vga.vram, from, first);
    if (first < b->bytes) {
        region_set_dirty(&b->c->vga.vram, 0, b->bytes - first);
    }
}

static void line(const Blt *b, uint32_t y, uint32_t src)
{
    uint32_t dst = b->mode & MODE_BACKWARDS ? b->dst - y * b->dst_pitch : b->dst + y * b->dst_pitch;
    if (b->mode & MODE_PATTERN) {
        pattern_line(b, dst, y);
    } else if (b->mode & MODE_EXPAND) {
        expand_line(b, dst, src);
    } else {
        copy_line(b, dst, src);
    }
    touched(b, dst);
}

/* What the CPU brings for a line: whole bytes or doublewords of bits, or pixels up to a doubleword;
   or all of a pattern. */
static uint32_t cpu_bytes(const Blt *b)
{
    uint32_t pixels = b->bytes / b->pixel;
    if (b->mode & MODE_PATTERN) {
        return pattern_pitch(b) * PATTERN_ROWS;
    }
    if (b->mode & MODE_EXPAND) {
        return b->ext & EXT_DWORDS ? (pixels + 31) / 32 * 4 : (pixels + 7) / 8;
    }
    return (b->bytes + 3) & ~3u;
}

void cirrus_blt_stop(Cirrus *c)
{
    c->gr[GR_START] &= (uint8_t)~(START_BUSY | START_GO | START_BUFFERED);
    c->line_filled = c->row = 0;
    timer_stop(&c->more);
    if (c->feeding) {
        c->feeding = false;
        cirrus_feed_map(c);
    }
}

bool cirrus_blt_is_under_way(const Cirrus *c)
{
    return (c->gr[GR_START] & START_BUSY) && !c->feeding;
}

/* Lines from c->row on, as many as a piece has. */
void cirrus_blt_more(void *dev)
{
    Cirrus *c = dev;
    Blt b = blt_of(c);
    uint32_t packed = (b.bytes / b.pixel + 7) / 8, rows = MAX(PIECE_BYTES / b.bytes, 1u);
    uint32_t step = b.mode & MODE_EXPAND      ? packed
                    : b.mode & MODE_BACKWARDS ? -b.src_pitch
                                              : b.src_pitch;
    if (b.mode & MODE_FROM_CPU) {
        /* only a pattern has lines left when the CPU has brought it all */
        b.host = c->line;
        b.mode &= (uint8_t)~MODE_BACKWARDS;
    }
    for (; c->row < b.rows && rows > 0; c->row++, rows--) {
        line(&b, c->row, b.host ? 0 : b.src + c->row * step);
    }
    if (c->row >= b.rows) {
        cirrus_blt_stop(c);
        return;
    }
    c->gr[GR_START] |= START_BUSY;
    timer_arm(&c->more, time_now(c->vga.pci.dev.machine, TIME_GUEST) + PIECE_NS);
}

void cirrus_blt_start(Cirrus *c)
{
    Blt b = blt_of(c);
    if (cirrus_blt_is_under_way(c)) {
        return;                       /* it has not asked whether it may */
    }
    if (b.mode & MODE_FROM_CPU) {
        c->line_bytes = MAX(cpu_bytes(&b), 1u);
        c->line_filled = c->row = 0;
        c->feeding = true;
        c->gr[GR_START] |= START_BUSY | START_BUFFERED;
        cirrus_feed_map(c);
        return;
    }
    c->row = 0;
    cirrus_blt_more(c);
}

void cirrus_blt_feed(Cirrus *c, uint8_t byte)
{
    c->line[c->line_filled++] = byte;
    if (c->line_filled < c->line_bytes) {
        return;
    }
    Blt b = blt_of(c);
    b.host = c->line;
    b.mode &= (uint8_t)~MODE_BACKWARDS;
    c->line_filled = 0;
    if (b.mode & MODE_PATTERN) {
        c->feeding = false;
        cirrus_feed_map(c);
        c->row = 0;
        cirrus_blt_more(c);
        return;
    }
    line(&b, c->row++, 0);
    if (c->row >= b.rows) {
        cirrus_blt_stop(c);
    }
}
