/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.c -- text: fonts, columns, attributes, blinking, the cursor, 9 dots, smooth scrolling, a
 * split screen, 512 characters.
 */
#include "tests/guest/screens/lib.h"

static void cell(unsigned at, unsigned ch, unsigned color)
{
    MEM16(COLOR + at * 2) = (uint16_t)(ch | color << 8);
}

static void string(unsigned at, const char *s, unsigned color)
{
    while (*s) {
        cell(at++, (uint8_t)*s++, color);
    }
}

/* All characters, all attributes, a frame of line characters. */
static void chart(unsigned columns, unsigned rows)
{
    for (unsigned i = 0; i < columns * rows; i++) {
        cell(i, ' ', 0x17);
    }
    for (unsigned i = 0; i < 256; i++) {
        cell((1 + i / 32) * columns + 2 + i % 32, i, 0x1f);
        cell((10 + i / 32) * columns + 2 + i % 32, 'A' + i % 26, i);
    }
    for (unsigned x = 0; x < columns; x++) {
        cell(x, 0xcd, 0x1e);
        cell((rows - 1) * columns + x, 0xc4, 0x1e);
    }
    string(19 * columns + 2, "The quick brown fox", 0x2f);
}

static void fonts(void)
{
    mode(3);
    chart(80, 25);
    bios(0x1003, 0, 0, 0);            /* intensity */
    show("text-80x25");
    bios(0x1003, 1, 0, 0);
    show("text-80x25-blink*");
    bios(0x1112, 0, 0, 0);            /* 8 by 8 */
    bios(0x0100, 0, 0x2000, 0);
    bios(0x1003, 0, 0, 0);
    chart(80, 50);
    show("text-80x50");
    mode(3);
    bios(0x1111, 0, 0, 0);            /* 8 by 14 */
    bios(0x0100, 0, 0x2000, 0);
    bios(0x1003, 0, 0, 0);
    chart(80, 28);
    show("text-80x28");
    mode(1);
    bios(0x1003, 0, 0, 0);
    chart(40, 25);
    show("text-40x25");
    /* which has the same CRTC: the BIOS sets it at the ports that mode 7 is to have */
    mode(3);
    mode(7);
    for (unsigned i = 0; i < 256; i++) {        /* underline, inverse */
        MEM16(MONO + 2 * ((i / 32) * 80 + i % 32)) = (uint16_t)(('a' + i % 26) | i << 8);
    }
    outw(0x3b4, 0x200a);              /* no cursor */
    attr(0x10, 0x06);
    show("text-mono");
}

static void cursors(void)
{
    static const struct {
        const char *name;
        uint16_t    shape;
    } cursor[] = { { "cursor-line*", 0x0d0e },
                   { "cursor-block*", 0x000f },
                   { "cursor-half*", 0x080f } };

    mode(3);
    bios(0x1003, 0, 0, 0);
    string(0, "cursor:", 0x0e);
    for (unsigned i = 0; i < 3; i++) {
        crtc(0xa, cursor[i].shape >> 8);
        crtc(0xb, cursor[i].shape & 0xff);
        bios(0x0200, 0, 0, i * 0x100 + 7);
        show(cursor[i].name);
    }
    crtc(0xa, 0x0e);                  /* start beyond end: nothing of it shows */
    crtc(0xb, 0x03);
    show("cursor-none");
}

static void dots(void)
{
    mode(3);
    bios(0x1003, 0, 0, 0);
    chart(80, 25);
    attr(0x10, 0x08);                 /* line characters do not reach into the ninth dot */
    show("text-9th-dot-blank*");
    attr(0x10, 0x04);
    seq(1, 1);                        /* 8 dots */
    show("text-8-dots");
}

static void scrolls(void)
{
    mode(3);
    bios(0x1003, 0, 0, 0);
    for (unsigned i = 0; i < 80 * 60; i++) {
        cell(i, '0' + i / 80 % 10, 1 + i % 7);
    }
    start_address(83);
    show("text-start");
    crtc(8, 5);                       /* preset row scan */
    show("text-rows");
    attr(0x13, 3);
    show("text-pan");
    line_compare(12 * 16 - 1);
    show("text-split");
    attr(0x10, 0x24);                 /* the lower part does not pan */
    show("text-split-still");
    line_compare(0x3ff);
    crtc(8, 0);
    attr(0x13, 8);
    crtc(0x13, 50);                   /* 100 cells a row */
    show("text-offset");
}

static void second_font(void)
{
    static uint8_t font[256 * 16];

    mode(3);
    bios(0x1003, 0, 0, 0);
    for (unsigned i = 0; i < sizeof(font); i++) {
        font[i] = (uint8_t)((i % 16 < 2 || i % 16 > 13) ? 0xff : 0x81 | (i / 16));
    }
    Regs r = { .eax = 0x1100, .ebx = 0x1001, .ecx = 256, .edx = 0, .ebp = (uintptr_t)font,
               .es = SEGMENT };
    int10(&r);
    flat();
    bios(0x1103, 0x04, 0, 0);         /* attribute bit 3: table 1 */
    for (unsigned i = 0; i < 256; i++) {
        cell(i / 32 * 80 + i % 32, i, 0x07);
        cell(i / 32 * 80 + i % 32 + 40, i, 0x0f);
    }
    show("text-512");
}

static void colors(void)
{
    mode(3);
    bios(0x1003, 0, 0, 0);
    chart(80, 25);
    for (unsigned i = 0; i < 16; i++) {
        attr(i, 15 - i);
    }
    show("text-palette");
    attr(0x14, 0x04);                 /* colour select: the next 64 */
    for (unsigned i = 64; i < 128; i++) {
        dac(i, i - 64, 63 - (i - 64), 20);
    }
    show("text-color-select");
    outb(0x3c6, 0x47);
    show("text-pel-mask");
    outb(0x3c6, 0xff);
    seq(1, seq_in(1) | 0x20);         /* screen off */
    show("text-off");
    seq(1, seq_in(1) & ~0x20u);
}

void texts(void)
{
    fonts();
    cursors();
    dots();
    scrolls();
    second_font();
    colors();
}
