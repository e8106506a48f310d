/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edid.c -- an EDID block for adapters without a real monitor.
 *
 * Spec: VESA E-EDID Standard, release A, revision 2 (EDID 1.4), chapter 3; timings as CVT's reduced
 *       blanking makes them.
 * Omits: extension blocks (no resolution beyond 4095 pixels a side, no CEA or DisplayID data).
 * Threads: any.
 *
 *     00 header   08 identity   12 version   14 display   19 chromaticity   23 timings
 *     36 four descriptors   7e extensions, sum
 */
#include "hw/display/edid.h"
#include <glib.h>
#include <string.h>

enum { DESCRIPTOR_AT = 0x36, DESCRIPTOR_BYTES = 18, TAG_NAME = 0xfc, TAG_RANGE = 0xfd,
       TAG_NONE = 0x10, TEXT_BYTES = 13 };
enum { HBLANK = 160, HFRONT = 48, HSYNC = 32, VFRONT = 3, VSYNC = 6, MIN_VBLANK_US = 460,
       REFRESH_HZ = 60, DPI = 96 };

static unsigned millimetres(unsigned pixels)
{
    return pixels * 254 / (DPI * 10);
}

/* 3.10.2: detailed timing. Frame time less vertical blanking, shared by the lines, is a line's
   time. */
static void timing(uint8_t *d, unsigned x, unsigned y)
{
    unsigned line_ns = (1000000000u / REFRESH_HZ - MIN_VBLANK_US * 1000) / y;
    unsigned vblank = MAX(MIN_VBLANK_US * 1000 / line_ns + 1, VFRONT + VSYNC + 6u),
        htotal = x + HBLANK;
    /* 10 kHz */
    unsigned clock = MIN((unsigned)((uint64_t)htotal * (y + vblank) * REFRESH_HZ / 10000), 0xffffu);
    unsigned w = MIN(millimetres(x), 4095u), h = MIN(millimetres(y), 4095u);
    d[0] = clock & 0xff;
    d[1] = clock >> 8;
    d[2] = x & 0xff;
    d[3] = HBLANK;
    d[4] = (uint8_t)(x >> 8 << 4);
    d[5] = y & 0xff;
    d[6] = vblank & 0xff;
    d[7] = (uint8_t)(y >> 8 << 4 | vblank >> 8);
    d[8] = HFRONT;
    d[9] = HSYNC;
    d[10] = VFRONT << 4 | VSYNC;
    d[12] = w & 0xff;
    d[13] = h & 0xff;
    d[14] = (uint8_t)(w >> 8 << 4 | h >> 8);
    /* digital separate sync, horizontal positive, vertical negative */
    d[17] = 0x1a;
}

static void text(uint8_t *d, uint8_t tag, const char *s)
{
    d[3] = tag;
    for (unsigned i = 0; i < TEXT_BYTES; i++) {
        size_t n = strlen(s);
        d[5 + i] = i < n ? (uint8_t)s[i] : i == n ? '\n' : ' ';
    }
}

/* 3.9: standard timings: width / 8 - 31, aspect ratio, rate - 60. */
static void standard(uint8_t *e)
{
    static const struct {
        uint16_t x;
        uint8_t  aspect;              /* 0 16:10, 1 4:3, 2 5:4, 3 16:9 */
    } modes[8] = { { 2048, 3 }, { 1920, 3 }, { 1920, 0 }, { 1600, 1 }, { 1280, 2 }, { 1280, 3 },
                   { 1440, 0 }, { 1152, 1 } };
    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        e[0x26 + 2 * i] = (uint8_t)(modes[i].x / 8 - 31);
        e[0x27 + 2 * i] = (uint8_t)(modes[i].aspect << 6);
    }
}

void edid_make(uint8_t out[EDID_BYTES], unsigned xres, unsigned yres)
{
    static const uint8_t head[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };
    /* chromaticity of sRGB */
    static const uint8_t srgb[] = { 0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54 };
    unsigned x = CLAMP(xres ? xres : EDID_DEFAULT_XRES, 320u, (unsigned)EDID_MAX_RES);
    unsigned y = CLAMP(yres ? yres : EDID_DEFAULT_YRES, 200u, (unsigned)EDID_MAX_RES);
    uint8_t *d = out + DESCRIPTOR_AT, sum = 0;
    memset(out, 0, EDID_BYTES);
    memcpy(out, head, sizeof(head));
    out[0x08] = ('R' - '@') << 2 | ('Y' - '@') >> 3;          /* maker "RYO", five bits a letter */
    out[0x09] = (uint8_t)(('Y' - '@') << 5 | ('O' - '@'));
    out[0x0a] = 1;                    /* product */
    out[0x10] = 1;                    /* week */
    out[0x11] = 2026 - 1990;
    out[0x12] = 1;
    out[0x13] = 4;
    out[0x14] = 0xa5;                 /* digital, 8 bits a colour, DisplayPort */
    out[0x15] = (uint8_t)MIN(millimetres(x) / 10, 255u);
    out[0x16] = (uint8_t)MIN(millimetres(y) / 10, 255u);
    out[0x17] = 120;                  /* gamma 2.2 */
    out[0x18] = 0x06;                 /* sRGB, the first timing is the best */
    memcpy(out + 0x19, srgb, sizeof(srgb));
    out[0x23] = 0x21;                 /* 640x480 and 800x600 at 60 Hz, */
    out[0x24] = 0x08;                 /* 1024x768 at 60 Hz */
    standard(out);
    timing(d, x, y);
    d += DESCRIPTOR_BYTES;
    d[3] = TAG_RANGE;                 /* 3.10.3.3.1: 50-125 Hz, 30-160 kHz, 650 MHz */
    memcpy(d + 5, (const uint8_t[]){ 50, 125, 30, 160, 65, 1, '\n', ' ', ' ', ' ', ' ', ' ', ' ' },
           TEXT_BYTES);
    text(d + DESCRIPTOR_BYTES, TAG_NAME, "Ryokan");
    d[2 * DESCRIPTOR_BYTES + 3] = TAG_NONE;
    for (unsigned i = 0; i < EDID_BYTES - 1; i++) {
        sum = (uint8_t)(sum + out[i]);
    }
    out[EDID_BYTES - 1] = (uint8_t)-sum;
}
