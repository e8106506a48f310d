/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus.c -- the CL-GD5446's own: packed modes by its BIOS, banks, the blitter, the hardware
 * cursor.
 */
#include "tests/guest/screens/lib.h"

static uint32_t lfb;
static unsigned bytes;
static uint8_t info[512] __attribute__((aligned(16)));

static uint16_t vbe(unsigned ax, unsigned bx, unsigned cx)
{
    Regs r = { .eax = ax, .ebx = bx, .ecx = cx, .edi = (uintptr_t)info, .es = SEGMENT };

    int10(&r);
    flat();
    return (uint16_t)r.eax;
}

static unsigned find(unsigned width, unsigned height, unsigned bpp)
{
    for (unsigned m = 0x100; m < 0x1a0; m++) {
        if (vbe(0x4f01, 0, m) == 0x004f && (info[0] & 1) &&
            (info[18] | info[19] << 8) == (int)width && (info[20] | info[21] << 8) == (int)height &&
            info[25] == bpp) {
            lfb = info[40] | info[41] << 8 | (uint32_t)info[42] << 16 | (uint32_t)info[43] << 24;
            stride = info[16] | info[17] << 8;
            return m;
        }
    }
    return 0;
}

static void dot_lfb(unsigned x, unsigned y, uint32_t c)
{
    c = bytes == 1 ? c : c * 0x10f3;
    for (unsigned i = 0; i < bytes; i++) {
        MEM8(lfb + y * stride + x * bytes + i) = (uint8_t)(c >> 8 * i);
    }
}

/* GR20-2F, then GR31 starts it and says when it is done. */
static void blit(unsigned how, unsigned rop, unsigned w, unsigned h, uint32_t to, uint32_t from)
{
    const uint32_t v[] = { w - 1, h - 1, stride, stride };

    for (unsigned i = 0; i < 4; i++) {
        gc(0x20 + i * 2, v[i] & 0xff);
        gc(0x21 + i * 2, v[i] >> 8);
    }
    for (unsigned i = 0; i < 3; i++) {
        gc(0x28 + i, to >> 8 * i & 0xff);
        gc(0x2c + i, from >> 8 * i & 0xff);
    }
    gc(0x30, how);
    gc(0x32, rop);
    gc(0x31, 2);
    do {
        outb(0x3ce, 0x31);
    } while (inb(0x3cf) & 1);
}

static void cursor(void)
{
    uint32_t at = lfb + (4 << 20) - 16384;

    for (unsigned y = 0; y < 64; y++) {        /* an arrow: both planes, its edge only the second */
        for (unsigned x = 0; x < 8; x++) {
            unsigned full = y < x * 8 ? 0 : y < x * 8 + 8 ? 0xff00 >> (y - x * 8) & 0xff : 0xff;
            MEM8(at + y * 16 + x) = (uint8_t)(y > 40 ? 0 : full);
            MEM8(at + y * 16 + 8 + x) = (uint8_t)(y > 36 ? 0 : full);
        }
    }
    seq(0x12, 0x07);                            /* 64 by 64, its colours */
    dac(0, 0, 0, 63);
    dac(15, 63, 63, 0);
    seq(0x12, 0x05);
    seq(0x13, 0);
    outw(0x3c4, 0x10 | 5 << 5 | 20 << 8);       /* 20 * 8 + 5, 15 * 8 + 3 */
    outw(0x3c4, 0x11 | 3 << 5 | 15 << 8);
}

void cirruses(void)
{
    static const struct {
        uint16_t w, h;
        uint8_t  bpp;
        const char *name;
    } modes[] = { { 640, 480, 8, "cirrus-640x480x8" },   { 640, 480, 15, "cirrus-640x480x15" },
                  { 640, 480, 16, "cirrus-640x480x16" }, { 640, 480, 24, "cirrus-640x480x24" },
                  { 800, 600, 8, "cirrus-800x600x8" },   { 1024, 768, 8, "cirrus-1024x768x8" } };

    mode(3);
    for (unsigned i = 0; i < 2000; i++) {
        MEM16(COLOR + i * 2) = (uint16_t)((i & 0x7f) << 8 | (0x20 + i % 95));
    }
    show("cirrus-text");
    mode(0x13);
    stride = 320;
    pattern(dot_linear, 320, 200, 256);
    show("cirrus-chain4");
    mode(0x12);
    stride = 80;
    gc(1, 15);
    pattern(dot_planar, 640, 480, 16);
    gc(1, 0);
    show("cirrus-planar");
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        unsigned m = find(modes[i].w, modes[i].h, modes[i].bpp);
        bytes = (modes[i].bpp + 7) / 8;
        if (!m || vbe(0x4f02, 0x4000 | m, 0) != 0x004f) {
            show("no-such-cirrus-mode");
            continue;
        }
        if (bytes == 1) {
            rainbow();
        }
        pattern(dot_lfb, modes[i].w, modes[i].h, 256);
        show(modes[i].name);
    }
    vbe(0x4f02, 0x4000 | find(640, 480, 8), 0);
    bytes = 1;
    rainbow();
    pattern(dot_lfb, 640, 480, 256);
    blit(0, 0x0d, 200, 150, 640 * 300 + 400, 640 * 40 + 20);    /* copied */
    blit(0, 0x59, 200, 150, 640 * 20 + 30, 640 * 100 + 300);    /* exclusive or */
    blit(1, 0x0d, 300, 200, 640 * 250 + 330, 640 * 240 + 320);  /* backwards, overlapping */
    gc(0x01, 0xc8);
    gc(0x33, 4);                                                 /* solid */
    blit(0xc0, 0x0d, 50, 50, 640 * 200 + 500, 0);
    gc(0x33, 0);
    show("cirrus-blits");
    cursor();
    show("cirrus-cursor");
}
