/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c -- pictures in every class of VGA mode, one after the other, for tests/cli/screens to look
 * at.
 */
#include "tests/guest/screens/lib.h"

enum { COM1 = 0x3f8, LSR = 5, RECEIVED = 1, EMPTY = 0x20 };
unsigned stride, page;

static void put(char c)
{
    while (!(inb(COM1 + LSR) & EMPTY)) {
    }
    outb(COM1, (uint8_t)c);
}

static char get(void)
{
    while (!(inb(COM1 + LSR) & RECEIVED)) {
    }
    return (char)inb(COM1);
}

void show(const char *name)
{
    while (*name) {
        put(*name++);
    }
    put('\n');
    get();
}

void attr(unsigned i, unsigned v)
{
    inb(0x3da);
    inb(0x3ba);
    outb(0x3c0, i);
    outb(0x3c0, v);
    outb(0x3c0, 0x20);
}

void dac(unsigned i, unsigned r, unsigned g, unsigned b)
{
    outb(0x3c8, i);
    outb(0x3c9, r);
    outb(0x3c9, g);
    outb(0x3c9, b);
}

uint16_t bios(unsigned ax, unsigned bx, unsigned cx, unsigned dx)
{
    Regs r = { .eax = ax, .ebx = bx, .ecx = cx, .edx = dx, .es = SEGMENT };

    int10(&r);
    flat();
    return (uint16_t)r.eax;
}

/*
 * Debian's BIOS knows the attribute controller only by the colour ports, so these are set before.
 */
void mode(unsigned m)
{
    outb(0x3c2, inb(0x3cc) | 1);
    inb(0x3da);
    bios(m, 0, 0, 0);
    if (m <= 3) {
        bios(0x0100, 0, 0x2000, 0);
    }
}

void retrace(void)
{
    while (inb(0x3da) & 8) {
    }
    while (!(inb(0x3da) & 8)) {
    }
}

uint32_t random32(uint32_t *state)
{
    return *state = *state * 1664525 + 1013904223;
}

void rainbow(void)
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned h = i % 64;
        dac(i,
            i < 64    ? h
            : i < 128 ? 63 - h
            : i < 192 ? 0
                      : h,
            i < 64    ? 0
            : i < 128 ? h
            : i < 192 ? 63 - h
                      : h,
            i < 128 ? 63 - h / 2 : h);
    }
}

void start_address(unsigned at)
{
    crtc(0xc, at >> 8);
    crtc(0xd, at & 0xff);
}

void line_compare(unsigned line)
{
    crtc_change(0x07, ~0x10u, line & 0x100 ? 0x10 : 0);
    crtc_change(0x09, ~0x40u, line & 0x200 ? 0x40 : 0);
    crtc(0x18, line & 0xff);
}

/*
 * Two frames, a dot from the edge apart; a grid of 16; left a ramp of all colours, right diagonal
 * lines; a circle.
 */
void pattern(Dot *dot, unsigned width, unsigned height, uint32_t colors)
{
    unsigned r = height / 4, cx = width * 3 / 4, cy = height / 2;

    for (unsigned y = 0; y < height; y++) {
        for (unsigned x = 0; x < width; x++) {
            uint32_t c;
            unsigned dx = x > cx ? x - cx : cx - x, dy = y > cy ? y - cy : cy - y,
                     d = dx * dx + dy * dy;
            if (x == 0 || y == 0 || x == width - 1 || y == height - 1) {
                c = colors - 1;
            } else if (x == 2 || y == 2 || x == width - 3 || y == height - 3) {
                c = colors / 2;
            } else if (d < r * r && d > (r - 4) * (r - 4)) {
                c = 1;
            } else if (x < width / 2) {
                c = x % 16 == 0 || y % 16 == 0 ? 0 : (x / 8 + y / 8 * 5) % colors;
            } else {
                c = (x + y) % 32 < 2 ? colors - 1 : (x + height - y) % 32 < 2 ? colors / 3 : 0;
            }
            dot(x, y, c);
        }
    }
}

void main(void);
void main(void)
{
    flat();
    outb(COM1 + 3, 0x83);             /* 115200, 8 bits */
    outb(COM1, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 4, 3);
    get();                            /* the host listens */
#ifdef CIRRUS
    cirruses();
#else
    texts();
    planars();
    packeds();
    effects();
#endif
    show("end");
}
