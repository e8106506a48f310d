/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.c -- the VGA adapter: register files, the window's addressing and write modes, the text
 * screen, VBE.
 */
#include "core/display.h"
#include "tests/dev/scripted/rig.h"
#include <string.h>


static void out(uint16_t port, uint32_t val, unsigned size)
{
    io_write(rig.m->as_io, port, val, size);
}

static uint32_t in(uint16_t port, unsigned size)
{
    MemResult res;
    return (uint32_t)io_read(rig.m->as_io, port, size, &res);
}

static void reg(uint16_t port, unsigned index, unsigned val)
{
    out(port, index | val << 8, 2);
}

static void poke(hwaddr at, uint8_t b)
{
    as_write(rig.m->as_memory, at, &b, 1);
}

static uint8_t peek(hwaddr at)
{
    uint8_t b = 0;
    as_read(rig.m->as_memory, at, &b, 1);
    return b;
}

static void up(void)
{
    rig_up();
    rig_pci();
    rig_pci_add("VGA", 2, "rombar", "off", NULL);
    pci_config_write(&rig.host->bus, 2 << 3, 0x10, 0xe0000000, 4);
    pci_config_write(&rig.host->bus, 2 << 3, 0x18, 0xe1000000, 4);
    pci_config_write(&rig.host->bus, 2 << 3, 0x04, 3, 2);
    out(0x3c2, 0x67, 1);
}

/*
 * Mode 3 as a BIOS sets it, as far as it matters here: 80 by 25 cells of 16 lines, window at B8000.
 */
static void text_mode(void)
{
    static const uint8_t seq[][2] = { { 0, 3 }, { 1, 0 }, { 2, 3 }, { 3, 0 }, { 4, 2 } };
    static const uint8_t gc[][2] = { { 4, 0 }, { 5, 0x10 }, { 6, 0x0e }, { 7, 0 }, { 8, 0xff } };
    static const uint8_t crtc[][2] = {
        { 0x11, 0x0e }, { 1, 0x4f }, { 7, 0x1f }, { 9, 0x4f }, { 0xa, 0x0d },  { 0xb, 0x0e },
        { 0xc, 0 },     { 0xd, 0 },  { 0xe, 0 },  { 0xf, 0 },  { 0x12, 0x8f }, { 0x13, 0x28 }
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(seq); i++) {
        reg(0x3c4, seq[i][0], seq[i][1]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(gc); i++) {
        reg(0x3ce, gc[i][0], gc[i][1]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(crtc); i++) {
        reg(0x3d4, crtc[i][0], crtc[i][1]);
    }
    in(0x3da, 1);
    for (unsigned i = 0; i < 16; i++) {
        out(0x3c0, i, 1);
        out(0x3c0, i, 1);
    }
    out(0x3c0, 0x20, 1);
    out(0x3c8, 0, 1);
    for (unsigned i = 0; i < 16 * 3; i++) {
        out(0x3c9, i, 1);
    }
}

START_TEST(text)
{
    text_mode();
    const char *s = "Hello, world";
    for (unsigned i = 0; s[i]; i++) {
        poke(0xb8000 + 160 + 2 * i, (uint8_t)s[i]);
        poke(0xb8001 + 160 + 2 * i, 0x17);
    }
    poke(0xb8000 + 24 * 160, 0xc9);
    g_autoptr(GString) screen = g_string_new(NULL);
    console_text(rig.m->console, screen);
    g_auto(GStrv) lines = g_strsplit(screen->str, "\n", -1);
    ck_assert_uint_eq(g_strv_length(lines), 26);
    ck_assert_str_eq(lines[1], "Hello, world");
    ck_assert_str_eq(lines[24], "\xe2\x95\x94");
    ck_assert_uint_eq(peek(0xb8000 + 160), 'H');
    ck_assert_uint_eq(peek(0xa0000), 0xff);     /* not in this window */
    reg(0x3d4, 0xd, 80);                        /* scrolled by a line */
    g_string_truncate(screen, 0);
    console_text(rig.m->console, screen);
    ck_assert(g_str_has_prefix(screen->str, "Hello"));
    console_refresh(rig.m->console);
    pixman_image_t *p = console_surface(rig.m->console);
    ck_assert_int_eq(pixman_image_get_width(p), 720);
    ck_assert_int_eq(pixman_image_get_height(p), 400);
    /* background, colour 1 */
    ck_assert_uint_eq(pixman_image_get_data(p)[5 * 720] & 0xffffff, 3u << 18 | 4 << 10 | 5 << 2);
    rig_round_trip();
}
END_TEST

/*
 * Row r of the screen has 'A' + r in its first cell, whose glyph has the character's code on line 0
 * and nothing below.
 */
static uint32_t dot(unsigned x, unsigned y)
{
    console_refresh(rig.m->console);
    pixman_image_t *p = console_surface(rig.m->console);
    return pixman_image_get_data(p)[y * (unsigned)pixman_image_get_width(p) + x] & 0xffffff;
}

START_TEST(text_scrolled)
{
    text_mode();
    reg(0x3d4, 0xa, 0x20);                      /* no cursor */
    reg(0x3d4, 0x18, 0xff);
    reg(0x3d4, 0x14, 0x1f);
    for (unsigned i = 0; i < 25; i++) {
        poke(0xb8000 + 160 * i, (uint8_t)('A' + i));
        poke(0xb8001 + 160 * i, 0x07);
    }
    reg(0x3c4, 2, 4);                           /* a font: the window on plane 2 */
    reg(0x3c4, 4, 6);
    reg(0x3ce, 5, 0);
    reg(0x3ce, 6, 4);
    for (unsigned i = 0; i < 25; i++) {
        poke(0xa0000 + ('A' + i) * 32, 0xc0);
    }
    reg(0x3ce, 6, 0x0e);
    uint32_t on = dot(0, 0);
    ck_assert_uint_ne(on, dot(0, 1));
    ck_assert_uint_eq(dot(0, 16), on);
    ck_assert_uint_ne(dot(2, 16), on);
    reg(0x3d4, 8, 3);                           /* up by three lines */
    ck_assert_uint_eq(dot(0, 13), on);
    ck_assert_uint_ne(dot(0, 16), on);
    reg(0x3d4, 8, 0);
    in(0x3da, 1);
    out(0x3c0, 0x33, 1);                        /* left by one dot */
    out(0x3c0, 0, 1);
    ck_assert_uint_eq(dot(0, 16), on);
    ck_assert_uint_ne(dot(1, 16), on);
    out(0x3c0, 0x33, 1);
    out(0x3c0, 8, 1);
    ck_assert_uint_eq(dot(1, 16), on);
    /* the second row first; from line 100 on cell 0 again */
    reg(0x3d4, 0xd, 80);
    reg(0x3d4, 7, 0x0f);
    reg(0x3d4, 9, 0x0f);
    reg(0x3d4, 0x18, 99);
    reg(0x3c4, 4, 2);
    ck_assert_uint_eq(dot(0, 100), on);
    ck_assert_uint_eq(dot(0, 116), on);
    ck_assert_uint_ne(dot(0, 112), on);
    reg(0x3d4, 0x14, 5);                        /* underline: attribute 1 */
    reg(0x3c4, 2, 3);
    reg(0x3ce, 5, 0x10);
    poke(0xb8001, 0x01);
    ck_assert_uint_eq(dot(7, 105), dot(0, 100));
    ck_assert_uint_ne(dot(7, 104), dot(0, 100));
}
END_TEST

START_TEST(registers)
{
    out(0x3c4, 2, 1);
    out(0x3c5, 0xff, 1);
    ck_assert_uint_eq(in(0x3c5, 1), 0x0f);
    ck_assert_uint_eq(in(0x3b5, 1), 0xff);      /* colour: 3Dx */
    reg(0x3d4, 0x11, 0x80);                     /* CRTC 0 to 7 are protected */
    reg(0x3d4, 1, 0x12);
    out(0x3d4, 1, 1);
    ck_assert_uint_eq(in(0x3d5, 1), 0);
    out(0x3c8, 255, 1);
    for (unsigned i = 0; i < 6; i++) {
        out(0x3c9, i + 1, 1);                   /* the last colour, then the first */
    }
    out(0x3c7, 0, 1);
    ck_assert_uint_eq(in(0x3c9, 1), 4);
    uint8_t a = (uint8_t)in(0x3da, 1), seen = 0;
    for (unsigned i = 0; i < 2000; i++) {
        rig_run_ns(10000);
        seen |= a ^ (uint8_t)in(0x3da, 1);
    }
    ck_assert_uint_eq(seen & 9, 9);             /* both retraces come by */
}
END_TEST

START_TEST(planar)
{
    reg(0x3ce, 6, 5);                           /* graphics, A0000 */
    reg(0x3c4, 4, 6);                           /* planar */
    reg(0x3c4, 2, 0x0f);
    reg(0x3ce, 8, 0xff);
    reg(0x3ce, 5, 2);                           /* write mode 2: a colour */
    poke(0xa0010, 0x0a);
    for (unsigned p = 0; p < 4; p++) {
        reg(0x3ce, 4, p);
        ck_assert_uint_eq(peek(0xa0010), 0x0a >> p & 1 ? 0xff : 0);
    }
    ck_assert_uint_eq(peek(0xe0000040 + 1), 0xff);      /* plane 1 in the linear view */
    reg(0x3ce, 5, 1);                           /* write mode 1: copy by the latches */
    peek(0xa0010);
    poke(0xa0011, 0);
    reg(0x3ce, 4, 3);
    ck_assert_uint_eq(peek(0xa0011), 0xff);
    reg(0x3ce, 5, 8);                           /* read mode 1: compare */
    reg(0x3ce, 2, 0x0a);
    reg(0x3ce, 7, 0x0f);
    ck_assert_uint_eq(peek(0xa0011), 0xff);
    ck_assert_uint_eq(peek(0xa0012), 0);
    reg(0x3ce, 5, 0);
    reg(0x3ce, 8, 0x0f);                        /* bit mask and XOR */
    reg(0x3ce, 3, 0x18);
    reg(0x3ce, 4, 1);
    peek(0xa0010);
    poke(0xa0010, 0xff);
    ck_assert_uint_eq(peek(0xa0010), 0xf0);
}
END_TEST

static void vbe(unsigned index, unsigned val)
{
    out(0x1ce, index, 2);
    out(0x1cf, val, 2);
}

static unsigned vbe_get(unsigned index)
{
    out(0x1ce, index, 2);
    return in(0x1cf, 2);
}

START_TEST(linear)
{
    MemResult res;
    ck_assert_uint_eq(vbe_get(0), 0xb0c5);
    ck_assert_uint_eq(vbe_get(0xa), 256);
    vbe(1, 640);
    vbe(2, 480);
    vbe(3, 32);
    vbe(4, 0x41);
    ck_assert_uint_eq(vbe_get(4), 0x41);
    ck_assert_uint_eq(io_read(rig.m->as_memory, 0xe1000502, 2, &res), 640);
    uint32_t px = 0x00123456;
    as_write(rig.m->as_memory, 0xe0000000 + (100 * 640 + 7) * 4, &px, 4);
    console_refresh(rig.m->console);
    pixman_image_t *p = console_surface(rig.m->console);
    ck_assert_int_eq(pixman_image_get_width(p), 640);
    ck_assert_uint_eq(pixman_image_get_data(p)[100 * 640 + 7], px);
    px = 0x00abcdef;
    as_write(rig.m->as_memory, 0xe0000000, &px, 4);
    console_refresh(rig.m->console);            /* by the dirty log */
    ck_assert_uint_eq(pixman_image_get_data(console_surface(rig.m->console))[0], px);
    vbe(5, 0xffff);                             /* a bank beyond memory */
    ck_assert_uint_eq(vbe_get(5), 0);
    /* hostile: a huge virtual screen, offsets beyond it */
    vbe(6, 0xffff);
    vbe(8, 0xffff);
    vbe(9, 0xffff);
    console_refresh(rig.m->console);
    vbe(4, 0);
    vbe(1, 16000);
    vbe(2, 12000);
    vbe(4, 0x41);
    console_refresh(rig.m->console);
    rig_round_trip();
}
END_TEST

/* ---- graphics modes, as the VGA BIOS sets them ---- */

typedef struct Mode {
    uint8_t  misc, seq[4], crtc[25], attr_mode, attr_planes, gc[9];
    int      width, height, dot_w, dot_h;       /* of the picture, and of a pixel in it */
    unsigned (*pixel)(unsigned x, unsigned y);
    void     (*draw)(const struct Mode *m);
} Mode;

static unsigned sum_15(unsigned x, unsigned y) { return (x + 3 * y) & 15; }
static unsigned sum_255(unsigned x, unsigned y) { return (3 * x + y) & 255; }
static unsigned sum_3(unsigned x, unsigned y) { return (x + y) & 3; }
static unsigned sum_1(unsigned x, unsigned y) { return (x ^ y >> 1) & 1; }

static void draw_planar(const Mode *m)
{
    unsigned w = (unsigned)(m->width / m->dot_w), h = (unsigned)(m->height / m->dot_h);
    for (unsigned p = 0; p < 4; p++) {
        reg(0x3c4, 2, 1u << p);
        for (unsigned i = 0; i < w / 8 * h; i++) {
            unsigned b = 0;
            for (unsigned x = 0; x < 8; x++) {
                b = b << 1 | (m->pixel(i % (w / 8) * 8 + x, i / (w / 8)) >> p & 1);
            }
            poke(0xa0000 + i, (uint8_t)b);
        }
    }
}

static void draw_chained(const Mode *m)
{
    for (unsigned i = 0; i < 320 * 200; i++) {
        poke(0xa0000 + i, (uint8_t)m->pixel(i % 320, i / 320));
    }
}

static void draw_unchained(const Mode *m)
{
    for (unsigned p = 0; p < 4; p++) {
        reg(0x3c4, 2, 1u << p);
        for (unsigned i = 0; i < 80 * 200; i++) {
            poke(0xa0000 + i, (uint8_t)m->pixel(i % 80 * 4 + p, i / 80));
        }
    }
}

/* CGA: even lines, then odd ones 8 KiB further. */
static void draw_cga(const Mode *m)
{
    unsigned each = m->pixel == sum_3 ? 4 : 8;
    for (unsigned y = 0; y < 200; y++) {
        for (unsigned i = 0; i < 80; i++) {
            unsigned b = 0;
            for (unsigned x = 0; x < each; x++) {
                b = b << (8 / each) | m->pixel(i * each + x, y);
            }
            poke(0xb8000 + (y & 1) * 0x2000 + (y >> 1) * 80 + i, (uint8_t)b);
        }
    }
}

enum { MODE_4, MODE_6, MODE_D, MODE_10, MODE_12, MODE_13, MODE_X };
static const Mode modes[] = {
    [MODE_4] = { 0x63, { 0x09, 0x03, 0x00, 0x02 },
                 { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0,
                   0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96, 0xb9, 0xa2, 0xff }, 0x01, 0x03,
                 { 0, 0, 0, 0, 0, 0x30, 0x0f, 0x0f, 0xff }, 640, 400, 2, 2, sum_3, draw_cga },
    [MODE_6] = { 0x63, { 0x01, 0x01, 0x00, 0x06 },
                 { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0,
                   0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0, 0x96, 0xb9, 0xc2, 0xff }, 0x01, 0x01,
                 { 0, 0, 0, 0, 0, 0x00, 0x0d, 0x0f, 0xff }, 640, 400, 1, 2, sum_1, draw_cga },
    [MODE_D] = { 0x63, { 0x09, 0x0f, 0x00, 0x06 },
                 { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc0, 0, 0, 0,
                   0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96, 0xb9, 0xe3, 0xff }, 0x01, 0x0f,
                 { 0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff }, 640, 400, 2, 2, sum_15, draw_planar },
    [MODE_10] = { 0xa3, { 0x01, 0x0f, 0x00, 0x06 },
                  { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x40, 0, 0, 0,
                    0, 0, 0, 0x83, 0x85, 0x5d, 0x28, 0x0f, 0x63, 0xba, 0xe3, 0xff }, 0x01, 0x0f,
                  { 0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff }, 640, 350, 1, 1, sum_15, draw_planar },
    [MODE_12] = { 0xe3, { 0x01, 0x0f, 0x00, 0x06 },
                  { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0,
                    0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0, 0xe7, 0x04, 0xe3, 0xff }, 0x01, 0x0f,
                  { 0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff }, 640, 480, 1, 1, sum_15, draw_planar },
    [MODE_13] = { 0x63, { 0x01, 0x0f, 0x00, 0x0e },
                  { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0,
                    0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff }, 0x41, 0x0f,
                  { 0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff }, 640, 400, 2, 2, sum_255,
                  draw_chained },
    [MODE_X] = { 0x63, { 0x01, 0x0f, 0x00, 0x06 },
                 { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0,
                   0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x00, 0x96, 0xb9, 0xe3, 0xff }, 0x41, 0x0f,
                 { 0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff }, 640, 400, 2, 2, sum_255,
                 draw_unchained },
};

static void attr(unsigned index, unsigned val)
{
    in(0x3da, 1);
    out(0x3c0, index, 1);
    out(0x3c0, val, 1);
    out(0x3c0, 0x20, 1);
}

static void set_mode(const Mode *m)
{
    out(0x3c2, m->misc, 1);
    for (unsigned i = 0; i < 4; i++) {
        reg(0x3c4, i + 1, m->seq[i]);
    }
    reg(0x3d4, 0x11, 0);
    for (unsigned i = 0; i < 25; i++) {
        reg(0x3d4, i, m->crtc[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        reg(0x3ce, i, m->gc[i]);
    }
    for (unsigned i = 0; i < 16; i++) {
        attr(i, i);
    }
    attr(0x10, m->attr_mode);
    attr(0x12, m->attr_planes);
    attr(0x13, 0);
    attr(0x14, 0);
    out(0x3c8, 0, 1);
    for (unsigned i = 0; i < 256; i++) {
        out(0x3c9, i & 63, 1);
        out(0x3c9, i >> 2, 1);
        out(0x3c9, i * 7 & 63, 1);
    }
    m->draw(m);
}

static uint32_t six(unsigned v)
{
    return (v & 63) << 2 | (v & 63) >> 4;
}

static uint32_t color(unsigned i)
{
    return six(i) << 16 | six(i >> 2) << 8 | six(i * 7);
}

/* What the screen shows at a place; refreshed. */
static uint32_t shown(int x, int y)
{
    pixman_image_t *p = console_surface(rig.m->console);
    return pixman_image_get_data(p)[y * (pixman_image_get_stride(p) / 4) + x] & 0xffffff;
}

static void check_mode(const Mode *m)
{
    console_refresh(rig.m->console);
    pixman_image_t *p = console_surface(rig.m->console);
    ck_assert_int_eq(pixman_image_get_width(p), m->width);
    ck_assert_int_eq(pixman_image_get_height(p), m->height);
    for (int y = 0; y < m->height; y++) {
        for (int x = 0; x < m->width; x++) {
            unsigned v = m->pixel((unsigned)(x / m->dot_w), (unsigned)(y / m->dot_h));
            if (shown(x, y) != color(v)) {
                ck_abort_msg("mode %d: at %d,%d is %06x, not %06x", (int)(m - modes), x, y,
                             shown(x, y), color(v));
            }
        }
    }
}

#define MODE_TEST(name, mode)                                                                      \
    START_TEST(name)                                                                               \
    {                                                                                              \
        set_mode(&modes[mode]);                                                                    \
        check_mode(&modes[mode]);                                                                  \
    }                                                                                              \
    END_TEST
MODE_TEST(cga_4, MODE_4)
MODE_TEST(cga_2, MODE_6)
MODE_TEST(planar_200, MODE_D)
MODE_TEST(planar_350, MODE_10)
MODE_TEST(unchained, MODE_X)

START_TEST(chained)
{
    set_mode(&modes[MODE_13]);
    check_mode(&modes[MODE_13]);
    poke(0xa0000 + 10 * 320 + 5, 77);           /* by the dirty log */
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(11, 21), color(77));
    out(0x3c6, 0x3f, 1);
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(11, 21), color(77 & 0x3f));
    rig_round_trip();
}
END_TEST

START_TEST(scrolled)
{
    set_mode(&modes[MODE_12]);
    reg(0x3d4, 0x0d, 80);                       /* a line further */
    attr(0x13, 3);                              /* three pixels to the left */
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(0, 0), color(sum_15(3, 1)));
    ck_assert_uint_eq(shown(639, 7), color(sum_15(2, 9)));
    reg(0x3d4, 0x18, 0xef);                     /* split below line 239 */
    reg(0x3d4, 0x07, 0x2e);
    reg(0x3d4, 0x09, 0x00);
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(5, 239), color(sum_15(8, 240)));
    ck_assert_uint_eq(shown(5, 240), color(sum_15(8, 0)));
    attr(0x10, 0x21);                           /* panning for the upper part alone */
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(5, 240), color(sum_15(5, 0)));
    attr(0x12, 3);                              /* two planes */
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(5, 240), color(sum_15(5, 0) & 3));
    in(0x3da, 1);
    out(0x3c0, 0, 1);                           /* the palette is the CPU's: black */
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(5, 240), 0);
    in(0x3da, 1);
    out(0x3c0, 0x20, 1);
    vbe(4, 0x20);                               /* 8 bits a colour */
    out(0x3c8, sum_15(5, 0) & 3, 1);
    for (unsigned i = 0; i < 3; i++) {
        out(0x3c9, 0x91 + i, 1);
    }
    console_refresh(rig.m->console);
    ck_assert_uint_eq(shown(5, 240), 0x919293);
}
END_TEST

/* Registers that say anything: only bounds are at stake. */
START_TEST(hostile)
{
    uint32_t r = 1;
    for (unsigned n = 0; n < 60; n++) {
        for (unsigned i = 0; i < 25; i++) {
            r = r * 1664525 + 1013904223;
            reg(0x3d4, 0x11, 0);
            reg(0x3d4, i, r >> 24);
            reg(0x3ce, i % 9, r >> 16 & 0xff);
            reg(0x3c4, 1 + i % 4, r >> 8 & 0xff);
        }
        reg(0x3ce, 6, 5);
        attr(0x10, r >> 12 & 0xff);
        console_refresh(rig.m->console);
    }
    rig_round_trip();
}
END_TEST

/* Input status 1 as a program polls it: frames and lines a second. */
static void beam_is(double frames, unsigned lines_shown)
{
    unsigned rises = 0, shown = 0;
    uint8_t  was = in(0x3da, 1);

    for (unsigned i = 0; i < 250000; i++) {     /* half a second */
        rig_run_ns(2000);
        uint8_t now = in(0x3da, 1);
        rises += (now & 8) && !(was & 8);
        shown += !(now & 1) && (was & 1);
        was = now;
    }
    ck_assert_int_le(abs((int)rises - (int)(frames / 2)), 1);
    ck_assert_int_le(abs((int)shown - (int)(frames / 2 * lines_shown)), (int)lines_shown + 5);
}

START_TEST(beam)
{
    static const uint8_t text400[][2] = { { 0, 0x5f }, { 1, 0x4f }, { 6, 0xbf }, { 7, 0x1f },
                                          { 0x10, 0x9c }, { 0x12, 0x8f }, { 0x11, 0x8e } };
    static const uint8_t vga480[][2] = { { 0x11, 0 }, { 6, 0x0b }, { 7, 0x3e }, { 0x10, 0xea },
                                         { 0x12, 0xdf }, { 0x11, 0x8c } };
    text_mode();
    for (unsigned i = 0; i < G_N_ELEMENTS(text400); i++) {
        reg(0x3d4, text400[i][0], text400[i][1]);
    }
    beam_is(70.09, 400);                        /* 28.322 MHz, 900 dots, 449 lines */
    for (unsigned i = 0; i < G_N_ELEMENTS(vga480); i++) {
        reg(0x3d4, vga480[i][0], vga480[i][1]);
    }
    reg(0x3c4, 1, 1);                           /* 8 dots, 25.175 MHz */
    out(0x3c2, 0xe3, 1);
    beam_is(59.94, 480);
    reg(0x3d4, 0x11, 0);
    /* what no monitor shows: some frames all the same */
    reg(0x3d4, 0, 0);
    beam_is(59.94, 480);
}
END_TEST

/* ---- what changes, and what an idle screen costs ---- */

/* No split, no panning: with 9 dots that is 8. */
static void plain_text(void)
{
    text_mode();
    reg(0x3d4, 0x18, 0xff);
    in(0x3da, 1);
    out(0x3c0, 0x13, 1);
    out(0x3c0, 8, 1);
    out(0x3c0, 0x20, 1);
}

static struct {
    unsigned calls;
    int      x1, y1, x2, y2;
} damage;

static bool eye_open(Machine *m, Console *con, Viewer **to, GError **err)
{
    return true;
}

static void eye_resized(Viewer *v, pixman_image_t *surface)
{
}

static void eye_damaged(Viewer *v, const pixman_box16_t *box)
{
    damage.calls++;
    damage.x1 = MIN(damage.x1, box->x1);
    damage.y1 = MIN(damage.y1, box->y1);
    damage.x2 = MAX(damage.x2, box->x2);
    damage.y2 = MAX(damage.y2, box->y2);
}

static void eye_close(Viewer *v)
{
}

static const ViewerOps eye_ops = { .name = "eye", .desc = "", .open = eye_open,
                                   .resized = eye_resized, .damaged = eye_damaged,
                                   .close = eye_close };
static Viewer eye = { .ops = &eye_ops };

static unsigned look(void)
{
    memset(&damage, 0, sizeof(damage));
    damage.x1 = damage.y1 = INT16_MAX;
    console_refresh(rig.m->console);
    return damage.calls;
}

static void frames(unsigned n)
{
    rig_run_ns(n * UINT64_C(14268000));         /* of 70 Hz */
}

START_TEST(blinks)
{
    static const uint8_t timing[][2] = { { 0, 0x5f }, { 6, 0xbf }, { 0x10, 0x9c } };
    plain_text();
    reg(0x3d4, 0x11, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(timing); i++) {
        reg(0x3d4, timing[i][0], timing[i][1]);
    }
    reg(0x3d4, 0x0a, 0x20);                     /* no cursor */
    in(0x3da, 1);
    out(0x3c0, 0x10, 1);
    out(0x3c0, 0x0c, 1);
    out(0x3c0, 0x20, 1);
    poke(0xb8000 + 2 * 81, 'X');
    poke(0xb8000 + 2 * 81 + 1, 0x87);           /* blinks */
    poke(0xb8000 + 2 * 83, 'X');
    poke(0xb8000 + 2 * 83 + 1, 0x07);           /* does not */
    console_viewer(rig.m->console, &eye);
    look();
    unsigned turns = 0;
    for (unsigned i = 0; i < 64; i++) {
        frames(1);
        if (look()) {
            turns++;
            ck_assert_int_eq(damage.x1, 9);     /* only that cell */
            ck_assert_int_eq(damage.x2, 18);
            ck_assert_int_eq(damage.y1, 16);
        }
    }
    ck_assert_uint_eq(turns, 4);                /* on and off every 32 frames */
    reg(0x3d4, 0x0a, 0x0d);
    reg(0x3d4, 0x0f, 0);
    look();
    for (unsigned i = turns = 0; i < 64; i++) {
        frames(1);
        look();
        turns += damage.calls && damage.y1 == 0;
    }
    ck_assert_uint_eq(turns, 8);                /* the cursor: every 16 */
}
END_TEST

/* A screen in which nothing changes is not drawn; one dot of it is a line. */
START_TEST(idle)
{
    plain_text();
    reg(0x3d4, 0x0a, 0x20);
    console_viewer(rig.m->console, &eye);
    look();
    for (unsigned i = 0; i < 50; i++) {
        frames(3);
        ck_assert_uint_eq(look(), 0);
    }
    poke(0xb8000 + 2 * 40, 'a');
    ck_assert_uint_eq(look(), 1);
    ck_assert_int_eq(damage.x1, 40 * 9);
    out(0x1ce, 1, 2);                           /* VBE, 640 by 480 by 32 */
    out(0x1cf, 640, 2);
    out(0x1ce, 2, 2);
    out(0x1cf, 480, 2);
    out(0x1ce, 3, 2);
    out(0x1cf, 32, 2);
    out(0x1ce, 4, 2);
    out(0x1cf, 0x41, 2);
    look();
    for (unsigned i = 0; i < 50; i++) {
        frames(3);
        ck_assert_uint_eq(look(), 0);
    }
    poke(0xe0000000 + (640 * 300 + 5) * 4, 0x55);
    ck_assert_uint_ge(look(), 1);
    ck_assert_int_ge(damage.y1, 298);           /* its page: lines 299 and 300 */
    ck_assert_int_le(damage.y2, 302);
    ck_assert_uint_eq(look(), 0);
}
END_TEST

Suite *suite_vga(void)
{
    Suite *vga_suite = suite_create("vga");
    RIG_TEST(vga, text);
    RIG_TEST(vga, text_scrolled);
    RIG_TEST(vga, registers);
    RIG_TEST(vga, planar);
    RIG_TEST(vga, linear);
    RIG_TEST(vga, cga_4);
    RIG_TEST(vga, cga_2);
    RIG_TEST(vga, planar_200);
    RIG_TEST(vga, planar_350);
    RIG_TEST(vga, unchained);
    RIG_TEST(vga, chained);
    RIG_TEST(vga, scrolled);
    RIG_TEST(vga, hostile);
    RIG_TEST(vga, beam);
    RIG_TEST(vga, blinks);
    RIG_TEST(vga, idle);
    return vga_suite;
}
