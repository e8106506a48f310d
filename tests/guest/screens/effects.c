/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * effects.c -- what DOS programs did with it: fire, plasma, a scroller with a still line, colours
 * in a circle, a starfield.
 */
#include "tests/guest/screens/lib.h"

/* Fire in mode 13h: each point is the mean of those beneath, a little cooler. */
static void fire(void)
{
    enum { W = 320, H = 80, TOP = 120 };
    static uint8_t f[H + 2][W];
    uint32_t seed = 1;

    mode(0x13);
    for (unsigned i = 0; i < 256; i++) {
        dac(i, i < 64 ? i : 63,
            i < 64    ? 0
            : i < 128 ? i - 64
                      : 63,
            i < 128   ? 0
            : i < 192 ? i - 128
                      : 63);
    }
    for (unsigned frame = 0; frame < 100; frame++) {
        for (unsigned x = 0; x < W; x++) {
            f[H][x] = f[H + 1][x] = random32(&seed) >> 24 > 110 ? 200 : 0;
        }
        for (unsigned y = 0; y < H; y++) {
            for (unsigned x = 0; x < W; x++) {
                unsigned v = f[y + 1][x ? x - 1 : W - 1] + f[y + 1][x] +
                             f[y + 1][x + 1 < W ? x + 1 : 0] + f[y + 2][x];
                f[y][x] = (uint8_t)(v / 4 > 2 ? v / 4 - 2 : 0);
            }
        }
        if (frame % 20 == 0 || frame == 99) {
            retrace();
            for (unsigned y = 0; y < H; y++) {
                for (unsigned x = 0; x < W; x++) {
                    MEM8(WINDOW + (TOP + y) * W + x) = f[y][x];
                }
            }
        }
    }
    show("effect-fire");
}

/* Colours in a circle: the picture stays, the palette turns, at each retrace one step. */
static void cycling(void)
{
    mode(0x13);
    for (unsigned y = 0; y < 200; y++) {
        for (unsigned x = 0; x < 320; x++) {
            unsigned dx = x > 160 ? x - 160 : 160 - x, dy = y > 100 ? y - 100 : 100 - y;
            MEM8(WINDOW + y * 320 + x) = (uint8_t)((dx * dx + dy * dy) / 64 + x / 8);
        }
    }
    for (unsigned turn = 0; turn < 30; turn++) {
        retrace();
        outb(0x3c8, 0);
        for (unsigned i = 0; i < 256; i++) {
            unsigned v = (i + turn * 4) & 0xff, h = v & 63;
            outb(0x3c9, v < 64 ? h : v < 128 ? 63 - h : 0);
            outb(0x3c9, v >= 64 && v < 128 ? h : v >= 128 && v < 192 ? 63 - h : 0);
            outb(0x3c9, v >= 128 && v < 192 ? h : v >= 192 ? 63 - h : 0);
        }
    }
    show("effect-cycling");
}

/* A world of 640x240 in mode X moves dot by dot beneath a still line at the bottom. */
static void scroller(void)
{
    mode_x();
    rainbow();
    crtc(0x13, 80);                   /* 640 dots a line */
    stride = 160;
    page = 160 * 40;
    for (unsigned y = 0; y < 200; y++) {
        for (unsigned x = 0; x < 640; x++) {
            dot_unchained(x, y, (x ^ y) + (x * y >> 6));
        }
    }
    page = 0;
    for (unsigned y = 0; y < 40; y++) {
        for (unsigned x = 0; x < 640; x++) {
            dot_unchained(x, y, y < 2 || y > 37 ? 255 : (x / 8 + y / 8) & 1 ? 20 : 140);
        }
    }
    line_compare(2 * 200 - 1);
    attr(0x10, 0x61);
    for (unsigned x = 0; x <= 101; x++) {
        retrace();
        start_address(160 * 40 + x / 4);
        attr(0x13, x % 4 * 2);
    }
    show("effect-scroller");
}

/* Bars of copper: the 480 rows of the tweaked mode, a colour for each, and stars before them. */
static void copper(void)
{
    uint32_t seed = 7;

    mode_360x480();
    for (unsigned i = 0; i < 64; i++) {
        unsigned h = i & 31, v = h < 16 ? h * 4 : (31 - h) * 4;
        dac(i, v, i < 32 ? v / 2 : v, i < 32 ? 0 : v / 3);
    }
    dac(255, 63, 63, 63);
    seq(2, 15);
    for (unsigned y = 0; y < 480; y++) {
        for (unsigned x = 0; x < 90; x++) {
            MEM8(WINDOW + y * 90 + x) = (uint8_t)((y / 3 + (y > 240 ? 32 : 0)) & 63);
        }
    }
    for (unsigned i = 0; i < 500; i++) {
        uint32_t r = random32(&seed) >> 8;
        dot_unchained(r % 360, r / 360 % 480, 255);
    }
    show("effect-copper");
}

/* Two pages of mode X: what is drawn does not show; the last flip does. */
static void flips(void)
{
    mode_x();
    rainbow();
    for (unsigned frame = 0; frame < 9; frame++) {
        page = frame & 1 ? 80 * 240 : 0;
        seq(2, 15);
        for (unsigned i = 0; i < 80 * 240; i += 4) {
            MEM32(WINDOW + page + i) = 0;
        }
        for (unsigned k = 0; k < 64; k++) {
            for (unsigned j = 0; j < 64; j++) {
                dot_unchained(20 + frame * 20 + j, 20 + frame * 15 + k, (j * k >> 4) + frame * 16);
            }
        }
        start_address(page);
        retrace();
    }
    show("effect-flips");
}

void effects(void)
{
    fire();
    cycling();
    scroller();
    copper();
    flips();
}
