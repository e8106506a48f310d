/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planar.c -- CGA's and EGA's graphics modes, and all that the graphics controller does to a byte
 * on its way.
 */
#include "tests/guest/screens/lib.h"

static void dot_cga4(unsigned x, unsigned y, uint32_t c)
{
    unsigned at = COLOR + (y & 1) * 0x2000 + y / 2 * 80 + x / 4, shift = 6 - x % 4 * 2;

    MEM8(at) = (uint8_t)((MEM8(at) & ~(3 << shift)) | (c & 3) << shift);
}

static void dot_cga2(unsigned x, unsigned y, uint32_t c)
{
    unsigned at = COLOR + (y & 1) * 0x2000 + y / 2 * 80 + x / 8, bit = 0x80 >> (x % 8);

    MEM8(at) = (uint8_t)(c ? MEM8(at) | bit : MEM8(at) & ~bit);
}

static void dot_mono(unsigned x, unsigned y, uint32_t c)
{
    unsigned at = WINDOW + y * 80 + x / 8, bit = 0x80 >> (x % 8);

    MEM8(at) = (uint8_t)(c ? MEM8(at) | bit : MEM8(at) & ~bit);
}

void dot_planar(unsigned x, unsigned y, uint32_t c)
{
    unsigned at = WINDOW + page + y * stride + x / 8;

    gc(0, c);
    gc(8, 0x80 >> (x % 8));
    (void)MEM8(at);
    MEM8(at) = 0;
}

static void planar(unsigned m, unsigned width, unsigned height, const char *name)
{
    mode(m);
    stride = width / 8;
    page = 0;
    gc(1, 15);
    pattern(dot_planar, width, height, 16);
    gc(1, 0);
    gc(8, 0xff);
    show(name);
}

static void cga(void)
{
    mode(4);
    pattern(dot_cga4, 320, 200, 4);
    show("cga-320x200");
    bios(0x0b00, 0x0100, 0, 0);       /* palette 0, */
    show("cga-palette-0");
    bios(0x0b00, 0x0005, 0, 0);       /* magenta behind */
    show("cga-background");
    mode(5);
    pattern(dot_cga4, 320, 200, 4);
    show("cga-mode-5");
    mode(6);
    pattern(dot_cga2, 640, 200, 2);
    show("cga-640x200");
}

static void data_path(void)
{
    mode(0x12);
    for (unsigned i = 0; i < 80 * 480; i++) {   /* stripes of all planes */
        seq(2, 1u << (i / 80 / 8 % 4));
        MEM8(WINDOW + i) = (uint8_t)(0x0f << (i & 3));
    }
    seq(2, 15);
    for (unsigned fn = 0; fn < 4; fn++) {
        /* write mode 0 with set/reset and each function, rotated */
        gc(3, fn << 3 | fn);
        gc(0, 5 + fn);
        gc(1, 3);
        gc(8, 0x7e);
        for (unsigned y = 0; y < 80; y++) {
            for (unsigned x = 0; x < 10; x++) {
                unsigned at = WINDOW + (y + 10) * 80 + 4 + fn * 18 + x;
                (void)MEM8(at);
                MEM8(at) = (uint8_t)(y * 3 + x);
            }
        }
    }
    gc(1, 0);
    gc(3, 0);
    gc(8, 0xff);
    gc(5, 1);                                   /* write mode 1: latches, a block moved */
    for (unsigned y = 0; y < 80; y++) {
        for (unsigned x = 0; x < 72; x++) {
            (void)MEM8(WINDOW + (y + 10) * 80 + 4 + x);
            MEM8(WINDOW + (y + 110) * 80 + 2 + x) = 0x55;
        }
    }
    gc(5, 2);                                   /* write mode 2: a colour under a mask */
    for (unsigned y = 0; y < 80; y++) {
        gc(8, 0xff >> (y & 7));
        for (unsigned x = 0; x < 64; x++) {
            (void)MEM8(WINDOW + (y + 210) * 80 + 8 + x);
            MEM8(WINDOW + (y + 210) * 80 + 8 + x) = (uint8_t)(x / 4);
        }
    }
    gc(8, 0x3c);
    gc(5, 3);                                   /* write mode 3: the byte is a mask, too */
    gc(3, 2);
    for (unsigned y = 0; y < 80; y++) {
        gc(0, y / 5);
        for (unsigned x = 0; x < 64; x++) {
            (void)MEM8(WINDOW + (y + 310) * 80 + 8 + x);
            MEM8(WINDOW + (y + 310) * 80 + 8 + x) = (uint8_t)(x * 3 + y);
        }
    }
    gc(3, 0);
    gc(8, 0xff);
    /* read mode 1: where colour 6 is, in white on the last lines */
    gc(5, 8);
    gc(2, 6);
    gc(7, 7);
    for (unsigned i = 0; i < 80 * 60; i++) {
        uint8_t same = MEM8(WINDOW + 210 * 80 + i);
        MEM8(WINDOW + 410 * 80 + i) = same;
    }
    gc(5, 0);
    gc(2, 0);
    gc(7, 15);
    show("planar-data-path");
}

static void moves(void)
{
    planar(0x0d, 320, 200, "ega-320x200");
    gc(1, 15);
    page = 0x2000;
    pattern(dot_planar, 320, 200, 7);
    gc(1, 0);
    gc(8, 0xff);
    show("ega-page-0");
    bios(0x0501, 0, 0, 0);
    show("ega-page-1");
    start_address(0x1f00);
    show("ega-between");
    for (unsigned i = 1; i < 8; i += 3) {
        static const char *const names[] = { "ega-pan-1", "ega-pan-4", "ega-pan-7" };
        attr(0x13, i);
        show(names[i / 3]);
    }
    attr(0x13, 0);
    planar(0x12, 640, 480, "vga-640x480");
    crtc_change(0x11, 0x7f, 0);
    line_compare(299);
    start_address(80 * 100);
    attr(0x13, 3);
    show("vga-split");
    attr(0x10, 0x21);
    show("vga-split-still");
    attr(0x12, 5);                              /* two planes only */
    show("vga-plane-enable");
    line_compare(0x3ff);
    attr(0x12, 15);
    start_address(0);
    attr(0x13, 0);
    crtc(0x13, 0x20);                           /* 64 bytes a line: askew */
    show("vga-offset");
    crtc(0x13, 0x28);
    crtc(0x9, crtc_in(9) | 1);                  /* each line twice */
    show("vga-double");
    for (unsigned i = 0; i < 16; i++) {
        dac(i < 8 ? i == 6 ? 20 : i : 48 + i, i * 4, 63 - i * 4, (i * 13) & 63);
    }
    show("vga-dac");
}

void planars(void)
{
    cga();
    planar(0x0e, 640, 200, "ega-640x200");
    planar(0x10, 640, 350, "ega-640x350");
    mode(0x0f);
    stride = 80;
    page = 0;
    gc(1, 15);
    pattern(dot_planar, 640, 350, 16);
    gc(1, 0);
    show("ega-mono");
    mode(0x11);
    pattern(dot_mono, 640, 480, 2);
    show("vga-mono");
    moves();
    data_path();
}
