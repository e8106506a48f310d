/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cirrus.c -- the CL-GD5446: extension registers, packed modes, banks, cursor, blits; random blits.
   */
#include "core/display.h"
#include "tests/dev/scripted/rig.h"
#include <string.h>

enum { DEVFN = 2 << 3, LFB = 0xe0000000, REGS = 0xe4000000, VRAM = 4 << 20 };
enum { BACKWARDS = 1, FROM_CPU = 4, TRANSPARENT = 8, PATTERN = 0x40, EXPAND = 0x80 };


static void reg(uint16_t port, unsigned index, unsigned val)
{
    io_write(rig.m->as_io, port, index | val << 8, 2);
}

static void poke(hwaddr at, uint64_t val, unsigned size)
{
    as_write(rig.m->as_memory, at, &val, size);
}

static uint32_t peek(uint32_t at, unsigned size)
{
    uint32_t v = 0;
    as_read(rig.m->as_memory, LFB + at, &v, size);
    return v;
}

static void up(void)
{
    rig_up();
    rig_pci();
    rig_pci_add("cirrus-vga", 2, "rombar", "off", NULL);
    pci_config_write(&rig.host->bus, DEVFN, 0x10, LFB, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x14, REGS, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x04, 3, 2);
    outb(0x3c2, 0x67);
}

/* 64 by 16, packed. */
static void mode(unsigned depth_bits, unsigned hidden)
{
    reg(0x3c4, 1, 0x01);
    reg(0x3c4, 7, depth_bits << 1 | 1);
    reg(0x3ce, 6, 5);
    reg(0x3d4, 0x11, 0);
    reg(0x3d4, 1, 7);
    reg(0x3d4, 7, 0);
    reg(0x3d4, 9, 0);
    reg(0x3d4, 0x12, 15);
    reg(0x3d4, 0x13, 32);                       /* 256 bytes a line */
    inb(0x3da);
    outb(0x3c0, 0x20);
    for (unsigned i = 0; i < 4; i++) {
        inb(0x3c6);
    }
    outb(0x3c6, (uint8_t)hidden);
}

static uint32_t shown(unsigned x, unsigned y)
{
    console_refresh(rig.m->console);
    pixman_image_t *p = console_surface(rig.m->console);
    ck_assert_int_eq(pixman_image_get_width(p), 64);
    ck_assert_int_eq(pixman_image_get_height(p), 16);
    return pixman_image_get_data(p)[y * 64 + x] & 0xffffff;
}

START_TEST(modes)
{
    reg(0x3c4, 6, 0x12);
    outb(0x3c4, 6);
    ck_assert_uint_eq(inb(0x3c5), 0x12);
    outb(0x3c5, 0);
    ck_assert_uint_eq(inb(0x3c5), 0x0f);
    outb(0x3d4, 0x27);
    ck_assert_uint_eq(inb(0x3d5), 0xb8);
    mode(4, 0xc5);
    poke(LFB + 256 * 3 + 4 * 5, 0x123456, 4);
    ck_assert_uint_eq(shown(5, 3), 0x123456);
    mode(2, 0xc5);
    poke(LFB + 256 * 2 + 3 * 7, 0x654321, 3);
    ck_assert_uint_eq(shown(7, 2), 0x654321);
    mode(3, 0xc1);
    poke(LFB + 2 * 9, 0xf800, 2);
    ck_assert_uint_eq(shown(9, 0), 0xff0000);
    mode(0, 0);
    outb(0x3c8, 3);
    for (unsigned i = 1; i < 4; i++) {
        outb(0x3c9, (uint8_t)i);
    }
    poke(LFB + 256, 3, 1);
    ck_assert_uint_eq(shown(0, 1), 0x04080c);
    reg(0x3d4, 0xd, 64);                        /* start address counts doublewords: a line down */
    ck_assert_uint_eq(shown(0, 0), 0x04080c);
    rig_round_trip();
}
END_TEST

START_TEST(banks)
{
    mode(0, 0);
    reg(0x3ce, 0x0b, 0x21);                     /* two banks of 16 KiB units */
    reg(0x3ce, 9, 1);
    reg(0x3ce, 0xa, 255);
    poke(0xa0005, 0x77, 1);
    poke(0xa8005, 0x88, 1);
    ck_assert_uint_eq(peek(0x4005, 1), 0x77);
    ck_assert_uint_eq(peek(255 * 0x4000 % VRAM + 5, 1), 0x88);
    reg(0x3ce, 0x0b, 0x06);                     /* write mode 5: eight pixels from a byte */
    reg(0x3ce, 9, 0);
    reg(0x3ce, 5, 5);
    reg(0x3ce, 0, 0x11);
    reg(0x3ce, 1, 0x22);
    poke(0xa0001, 0xa0, 1);
    ck_assert_uint_eq(peek(8, 4), 0x11221122);
}
END_TEST

START_TEST(cursor)
{
    mode(4, 0xc5);
    reg(0x3c4, 0x12, 3);                        /* on, its colours */
    outb(0x3c8, 15);
    for (unsigned i = 0; i < 3; i++) {
        outb(0x3c9, 0x3f);
    }
    reg(0x3c4, 0x12, 1);
    poke(LFB + VRAM - 16384, 0xc0, 1);          /* planes: both, then only the first */
    poke(LFB + VRAM - 16384 + 128, 0x80, 1);
    reg(0x3c4, 0x10 | 2 << 5, 1);               /* 1 * 8 + 2 */
    reg(0x3c4, 0x11, 0);
    ck_assert_uint_eq(shown(10, 0), 0xffffff);
    ck_assert_uint_eq(shown(11, 0), 0xffffff);  /* inverted black */
    ck_assert_uint_eq(shown(12, 0), 0);
    poke(LFB + 4 * 11, 0x00ff00, 4);
    ck_assert_uint_eq(shown(11, 0), 0xff00ff);
}
END_TEST

static void blt(unsigned at, uint32_t val, unsigned size)
{
    io_write(rig.m->as_memory, REGS + 0x100 + at, val, size);
}

static void blit(unsigned how, unsigned ext, unsigned rop, unsigned width, unsigned height,
                 uint32_t dst, unsigned dst_pitch,
                 uint32_t src, unsigned src_pitch)
{
    blt(0x08, width - 1, 2);
    blt(0x0a, height - 1, 2);
    blt(0x0c, dst_pitch, 2);
    blt(0x0e, src_pitch, 2);
    blt(0x10, dst & 0xffff, 2);
    blt(0x12, dst >> 16, 1);
    blt(0x14, src & 0xffff, 2);
    blt(0x16, src >> 16, 1);
    blt(0x17, 0, 1);
    blt(0x18, how, 1);
    blt(0x1a, rop, 1);
    blt(0x1b, ext, 1);
    blt(0x40, 2, 1);
}

static bool busy(void)
{
    MemResult r;
    return io_read(rig.m->as_memory, REGS + 0x140, 1, &r) & 1;
}

START_TEST(blits)
{
    blt(0x04, 0xa5, 1);                         /* foreground */
    blit(PATTERN | EXPAND, 4, 0x0d, 10, 3, 0x1000, 256, 0, 0);
    ck_assert_uint_eq(peek(0x1000, 4), 0xa5a5a5a5);
    ck_assert_uint_eq(peek(0x1200 + 9, 2), 0x00a5);
    ck_assert_uint_eq(peek(0x1300, 1), 0);
    poke(LFB, 0x0807060504030201, 8);
    blit(0, 0, 0x0d, 8, 1, 0x2000, 256, 0, 256);          /* copied */
    ck_assert_uint_eq(peek(0x2004, 4), 0x08070605);
    blit(0, 0, 0x59, 8, 1, 0x2000, 256, 0, 256);          /* exclusive or itself */
    ck_assert_uint_eq(peek(0x2000, 4), 0);
    blit(BACKWARDS, 0, 0x0d, 8, 1, 9, 256, 7, 256);       /* overlapping, to the right by two */
    ck_assert_uint_eq(peek(2, 4), 0x04030201);
    ck_assert_uint_eq(peek(6, 4), 0x08070605);
    poke(LFB + 0x3000, 0x81, 1);
    blt(0x00, 0x5a, 1);
    blit(EXPAND, 0, 0x0d, 8, 1, 0x4000, 256, 0x3000, 0);
    ck_assert_uint_eq(peek(0x4000, 4), 0x5a5a5aa5);
    ck_assert_uint_eq(peek(0x4004, 4), 0xa55a5a5a);
    blit(EXPAND | TRANSPARENT, 0, 0x0d, 8, 1, 0x4100, 256, 0x3000, 0);
    ck_assert_uint_eq(peek(0x4100, 4), 0x000000a5);
    for (unsigned i = 0; i < 64; i++) {
        poke(LFB + 0x5000 + i, i, 1);
    }
    blit(PATTERN, 0, 0x0d, 16, 9, 0x6000, 256, 0x5000, 0);
    ck_assert_uint_eq(peek(0x6000 + 256 + 9, 1), 9);
    ck_assert_uint_eq(peek(0x6000 + 8 * 256 + 3, 1), 3);
    /* over the end: on at the start */
    blit(0, 0, 0x0d, 256, 2, VRAM - 128, 256, 0x5000, 64);
    ck_assert_uint_eq(peek(VRAM - 128 + 5, 1), 5);
    blit(FROM_CPU | EXPAND, 0, 0x0d, 16, 2, 0x7000, 256, 0, 0);
    ck_assert(busy());
    poke(LFB + 0x123, 0xc0, 1);
    poke(LFB, 0x01, 1);
    poke(LFB, 0x0180, 2);
    ck_assert(!busy());
    ck_assert_uint_eq(peek(0x7000, 4), 0x5a5aa5a5);
    ck_assert_uint_eq(peek(0x700c, 4), 0xa55a5a5a);
    ck_assert_uint_eq(peek(0x7100, 4), 0x5a5a5aa5);
    poke(LFB + 0x123, 0xc0, 1);                           /* memory again */
    ck_assert_uint_eq(peek(0x123, 1), 0xc0);
    blit(FROM_CPU, 0, 0x0d, 3, 1, 0x8000, 256, 0, 0);
    poke(LFB, 0x44332211, 4);
    ck_assert(!busy());
    ck_assert_uint_eq(peek(0x8000, 4), 0x00332211);
    rig_round_trip();
}
END_TEST

/* One that takes long is busy meanwhile, moves with the machine, and can be given up. */
START_TEST(large_blits)
{
    blt(0x04, 0x77, 1);
    blit(PATTERN | EXPAND, 4, 0x0d, 2048, 2048, 0, 2048, 0, 0);
    ck_assert(busy());
    ck_assert_uint_eq(peek(0, 4), 0x77777777);
    ck_assert_uint_eq(peek(2048 * 2047, 4), 0);
    blt(0x40, 2, 1);                            /* once more, unasked: nothing */
    rig_round_trip();
    rig_run_ns(1000000);
    ck_assert(!busy());
    ck_assert_uint_eq(peek(2048 * 2048 - 4, 4), 0x77777777);
    poke(LFB, 0x0807060504030201, 8);
    blit(0, 0, 0x0d, 2048, 1024, 2048 * 1024, 2048, 0, 2048);
    rig_run_ns(1000000);
    ck_assert_uint_eq(peek(2048 * 1024, 4), 0x04030201);
    blt(0x04, 0x11, 1);
    blit(PATTERN | EXPAND, 4, 0x0d, 2048, 2048, 0, 2048, 0, 0);
    ck_assert(busy());
    blt(0x40, 4, 1);
    ck_assert(!busy());
    rig_run_ns(1000000);
    ck_assert_uint_ne(peek(2048 * 2048 - 4, 4), 0x11111111);
}
END_TEST

START_TEST(random_blits)
{
    uint64_t seed = 0x2545f4914f6cdd1d;
    mode(0, 0);
    for (unsigned i = 0; i < 1500; i++) {
        for (unsigned k = 0; k < 6; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            uint32_t r = (uint32_t)(seed >> 20);
            if (r % 9000 == 0) {
                blt(0x08, r >> 8, 4);
            } else if (r % 5 == 0) {
                poke(LFB + (r >> 8) % VRAM, r, 4);
            } else if (r % 3) {
                unsigned at = r % 0x28;
                blt(at, at == 0x09 ? 0 : at == 0x0b ? 0 : r >> 8, 1);
            } else {
                unsigned i2 = r >> 5 & 0x3f;
                /* sizes: large ones take long */
                bool large = (r & 8) && (i2 == 0x21 || i2 == 0x23);
                reg(r & 8 ? 0x3ce : r & 16 ? 0x3c4 : 0x3d4, i2, large ? 0 : r >> 12 & 0xff);
            }
        }
        blt(0x40, i % 16 ? 2 : 4, 1);
        blt(0x40, 0, 1);
        if (i % 64 == 0) {
            console_refresh(rig.m->console);
        }
        if (i % 500 == 0) {
            rig_round_trip();
        }
    }
}
END_TEST

Suite *suite_cirrus(void)
{
    Suite *cirrus_suite = suite_create("cirrus");
    RIG_TEST(cirrus, modes);
    RIG_TEST(cirrus, banks);
    RIG_TEST(cirrus, cursor);
    RIG_TEST(cirrus, blits);
    RIG_TEST(cirrus, large_blits);
    RIG_TEST(cirrus, random_blits);
    return cirrus_suite;
}
