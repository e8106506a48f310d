/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packed.c -- 256 colours, chained and not, tweaked sizes; VBE modes by the BIOS and by the DISPI
 * registers, banks and frame buffer.
 */
#include "tests/guest/screens/lib.h"

enum { DISPI = 0x1ce, ID = 0, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET,
       Y_OFFSET };

static uint32_t lfb;
static unsigned bytes;

void dot_linear(unsigned x, unsigned y, uint32_t c)
{
    MEM8(WINDOW + y * stride + x) = (uint8_t)c;
}

void dot_unchained(unsigned x, unsigned y, uint32_t c)
{
    seq(2, 1u << (x & 3));
    MEM8(WINDOW + page + y * stride + x / 4) = (uint8_t)c;
}

void unchain(void)
{
    seq(4, 6);
    crtc(0x14, 0);
    crtc(0x17, 0xe3);
    seq(2, 15);
    for (unsigned i = 0; i < 0x10000; i += 4) {
        MEM32(WINDOW + i) = 0;
    }
}

/* 320x240: the timing of 480 lines, each row twice. */
void mode_x(void)
{
    static const uint8_t regs[][2] = { { 0x06, 0x0d }, { 0x07, 0x3e }, { 0x09, 0x41 },
                                       { 0x10, 0xea }, { 0x11, 0xac }, { 0x12, 0xdf },
                                       { 0x15, 0xe7 }, { 0x16, 0x06 } };
    mode(0x13);
    unchain();
    seq(0, 1);
    outb(0x3c2, 0xe3);
    seq(0, 3);
    crtc_change(0x11, 0x7f, 0);
    for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        crtc(regs[i][0], regs[i][1]);
    }
    stride = 80;
    page = 0;
}

/* 360x480: 720 dots of the 28 MHz clock, 480 lines. */
void mode_360x480(void)
{
    static const uint8_t regs[][2] = { { 0x00, 0x6b }, { 0x01, 0x59 }, { 0x02, 0x5a },
                                       { 0x03, 0x8e }, { 0x04, 0x5e }, { 0x05, 0x8a },
                                       { 0x06, 0x0d }, { 0x07, 0x3e }, { 0x09, 0x40 },
                                       { 0x10, 0xea }, { 0x11, 0xac }, { 0x12, 0xdf },
                                       { 0x13, 0x2d }, { 0x15, 0xe7 }, { 0x16, 0x06 } };
    mode(0x13);
    unchain();
    seq(0, 1);
    outb(0x3c2, 0xe7);
    seq(0, 3);
    crtc_change(0x11, 0x7f, 0);
    for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        crtc(regs[i][0], regs[i][1]);
    }
    stride = 90;
    page = 0;
}

static void chained(void)
{
    mode(0x13);
    stride = 320;
    pattern(dot_linear, 320, 200, 256);
    show("chain4-320x200");
    rainbow();
    show("chain4-palette");
    attr(0x13, 2);                    /* half a character clock: one dot */
    show("chain4-pan");
    attr(0x13, 0);
    outb(0x3c6, 0x3f);
    show("chain4-pel-mask");
    outb(0x3c6, 0xff);
    crtc_change(0x11, 0x7f, 0);
    line_compare(199);
    show("chain4-split");
}

static void unchained(void)
{
    mode_x();
    rainbow();
    pattern(dot_unchained, 320, 240, 256);
    show("x-320x240");
    page = 80 * 240;
    pattern(dot_unchained, 320, 240, 100);
    show("x-page-0");
    retrace();
    start_address(80 * 240);
    show("x-page-1");
    retrace();
    start_address(80 * 120 + 10);
    attr(0x13, 6);
    show("x-scrolled");
    line_compare(2 * 180 - 1);
    show("x-split");
    attr(0x10, 0x61);
    show("x-split-still");
    mode(0x13);
    unchain();                        /* 320x400 */
    crtc_change(0x09, ~0x1fu, 0);
    stride = 80;
    page = 0;
    rainbow();
    pattern(dot_unchained, 320, 400, 256);
    show("x-320x400");
    mode_360x480();
    rainbow();
    pattern(dot_unchained, 360, 480, 256);
    show("x-360x480");
}

/* ---- VBE ---- */

static uint8_t info[512] __attribute__((aligned(16)));

static uint16_t vbe(unsigned ax, unsigned bx, unsigned cx, unsigned dx)
{
    Regs r = { .eax = ax, .ebx = bx, .ecx = cx, .edx = dx, .edi = (uintptr_t)info, .es = SEGMENT };

    int10(&r);
    flat();
    return (uint16_t)r.eax;
}

/* The mode of that size, looked up in the BIOS's list; 0: there is none. */
static unsigned find(unsigned width, unsigned height, unsigned bpp)
{
    for (unsigned m = 0x100; m < 0x1a0; m++) {
        if (vbe(0x4f01, 0, m, 0) == 0x004f && (info[0] & 1) &&
            (info[18] | info[19] << 8) == (int)width && (info[20] | info[21] << 8) == (int)height &&
            info[25] == bpp) {
            lfb = info[40] | info[41] << 8 | (uint32_t)info[42] << 16 | (uint32_t)info[43] << 24;
            stride = info[16] | info[17] << 8;
            return m;
        }
    }
    return 0;
}

static void store(uint32_t at, uint32_t c)
{
    for (unsigned i = 0; i < bytes; i++) {
        MEM8(at + i) = (uint8_t)(c >> 8 * i);
    }
}

static void dot_lfb(unsigned x, unsigned y, uint32_t c)
{
    store(lfb + y * stride + x * bytes, bytes == 1 ? c : c * 0x10f3);
}

static unsigned bank;

static void dot_bank(unsigned x, unsigned y, uint32_t c)
{
    c = bytes == 1 ? c : c * 0x10f3;
    for (unsigned i = 0; i < bytes; i++) {
        uint32_t at = y * stride + x * bytes + i;
        if (at >> 16 != bank) {
            bank = at >> 16;
            vbe(0x4f05, 0, 0, bank);
        }
        MEM8(WINDOW + (at & 0xffff)) = (uint8_t)(c >> 8 * i);
    }
}

static void bios_modes(void)
{
    static const struct {
        uint16_t w, h;
        uint8_t  bpp;
        const char *linear, *banked;
    } modes[] = {
        { 640, 480, 8, "vbe-640x480x8", "vbe-640x480x8-banks" },
        { 800, 600, 15, "vbe-800x600x15", "vbe-800x600x15-banks" },
        { 640, 480, 16, "vbe-640x480x16", "vbe-640x480x16-banks" },
        { 640, 480, 24, "vbe-640x480x24", "vbe-640x480x24-banks" },
        { 640, 480, 32, "vbe-640x480x32", 0 }, { 800, 600, 4, "vbe-800x600x4", 0 },
        { 1024, 768, 16, "vbe-1024x768x16", 0 },
    };
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        unsigned m = find(modes[i].w, modes[i].h, modes[i].bpp);
        bytes = (modes[i].bpp + 7) / 8;
        if (!m || vbe(0x4f02, modes[i].bpp == 4 ? m : 0x4000 | m, 0, 0) != 0x004f) {
            show("no-such-vbe-mode");
            continue;
        }
        if (modes[i].bpp == 4) {
            page = 0;
            gc(1, 15);
            pattern(dot_planar, modes[i].w, modes[i].h, 16);
            gc(1, 0);
        } else {
            pattern(dot_lfb, modes[i].w, modes[i].h, 256);
        }
        show(modes[i].linear);
        if (modes[i].banked && vbe(0x4f02, m, 0, 0) == 0x004f) {
            bank = ~0u;
            pattern(dot_bank, modes[i].w, modes[i].h, 256);
            show(modes[i].banked);
        }
    }
}

static void bios_calls(void)
{
    unsigned m = find(640, 480, 8);

    vbe(0x4f02, 0x4000 | m, 0, 0);
    bytes = 1;
    vbe(0x4f06, 0, 1024, 0);          /* a logical line of 1024 */
    stride = 1024;
    pattern(dot_lfb, 1024, 700, 256);
    vbe(0x4f07, 0, 100, 60);          /* display start */
    show("vbe-start");
    rainbow();
    show("vbe-palette");
    vbe(0x4f08, 0x0800, 0, 0);        /* 8-bit DAC */
    for (unsigned i = 0; i < 256; i++) {
        dac(i, i, 255 - i, i ^ 0x55);
    }
    show("vbe-dac-8");
}

static void dispi(unsigned index, unsigned v)
{
    outw(DISPI, index);
    outw(DISPI + 1, v);
}

/* 4K: a line of the picture is one byte pattern, so that it does not take all day. */
static void large(void)
{
    unsigned m = find(640, 480, 32);

    vbe(0x4f02, 0x4000 | m, 0, 0);    /* for the frame buffer's address */
    dispi(ENABLE, 0);
    dispi(XRES, 3840);
    dispi(YRES, 2160);
    dispi(BPP, 32);
    dispi(ENABLE, 0x41);
    for (uint32_t y = 0; y < 2160; y++) {
        for (uint32_t x = 0; x < 3840; x++) {
            MEM32(lfb + (y * 3840 + x) * 4) = (x * x + y * y) >> 6 ^ (x << 12 & 0xff0000);
        }
    }
    show("dispi-3840x2160x32");
    dispi(ENABLE, 0);
    dispi(XRES, 1000);
    dispi(YRES, 700);
    dispi(BPP, 16);
    dispi(ENABLE, 0x41);
    dispi(VIRT_WIDTH, 1200);
    dispi(X_OFFSET, 37);
    dispi(Y_OFFSET, 11);
    stride = 2400;
    bytes = 2;
    pattern(dot_lfb, 1200, 800, 200);
    show("dispi-1000x700x16-virtual");
    dispi(ENABLE, 0);
    mode(3);
    for (unsigned i = 0; i < 2000; i++) {
        MEM16(COLOR + i * 2) = (uint16_t)(0x1e00 | (0x20 + i % 95));
    }
    show("text-after-vbe");
}

void packeds(void)
{
    chained();
    unchained();
    bios_modes();
    bios_calls();
    large();
}
