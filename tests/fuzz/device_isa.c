/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_isa.c -- fuzzes VGA, the Cirrus chip, the keyboard controller and the floppy controller
 * with its DMA.
 */
#include "tests/fuzz/device.h"
#include "core/display.h"
#include "hw/floppy/fdc.h"
#include "hw/misc/dma.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* ---- VGA: register sets of real modes, some of it turned ---- */

enum { LFB = 0xe0000000u, VGA_REGS = 0xe4000000u, WINDOW = 0xa0000 };

/* misc, SR1-4, CRTC 0-18, attribute 10 and 13, GR5 and 6: text, EGA 640x350, VGA 640x480, 13h. */
typedef struct VgaMode {
    uint8_t misc, seq[4], crtc[25], attr_mode, pan, gc5, gc6;
} VgaMode;
static const VgaMode modes[] = {
    { 0x67, { 0, 3, 0, 2 }, { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 0xd, 0xe, 0,
                              0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28,
      0x1f, 0x96, 0xb9, 0xa3, 0xff }, 0x0c, 8, 0x10, 0x0e },
    { 0xa3, { 1, 15, 0, 6 }, { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x40, 0, 0, 0, 0,
                               0, 0, 0x83, 0x85, 0x5d, 0x28,
      0x0f, 0x63, 0xba, 0xe3, 0xff }, 1, 0, 0, 5 },
    { 0xe3, { 1, 15, 0, 6 }, { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0,
                               0, 0, 0xea, 0x8c, 0xdf, 0x28,
      0, 0xe7, 0x04, 0xe3, 0xff }, 1, 0, 0, 5 },
    { 0x63, { 1, 15, 0, 14 }, { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0,
                                0, 0, 0x9c, 0x8e, 0x8f, 0x28,
      0x40, 0x96, 0xb9, 0xa3, 0xff }, 0x41, 0, 0x40, 5 },
};

static void index_data(unsigned at, unsigned i, unsigned v)
{
    port(at, (i & 0xff) | (v & 0xff) << 8, 2);
}

static void attribute(unsigned i, unsigned v)
{
    port_in(0x3da, 1);
    port(0x3c0, i, 1);
    port(0x3c0, v, 1);
    port(0x3c0, 0x20, 1);
}

static void set_mode(void)
{
    const VgaMode *m = &modes[rnd() % G_N_ELEMENTS(modes)];

    port(0x3c2, rather(m->misc) & 0xff, 1);
    for (unsigned i = 0; i < 4; i++) {
        index_data(0x3c4, i + 1, rather(m->seq[i]));
    }
    index_data(0x3d4, 0x11, 0);
    for (unsigned i = 0; i < 25; i++) {
        index_data(0x3d4, i, rather(m->crtc[i]));
    }
    index_data(0x3ce, 5, rather(m->gc5));
    index_data(0x3ce, 6, rather(m->gc6));
    attribute(0x10, rather(m->attr_mode));
    attribute(0x13, rather(m->pan));
}

static void touch(uint32_t bytes)
{
    static const uint8_t sizes[] = { 1, 1, 2, 4, 8 };
    unsigned size = sizes[rnd() % 5];
    uint64_t at = one_in(2) ? WINDOW + rnd() % 0x20000 : LFB + rnd() % bytes, v = rnd();

    at = one_in(20) ? WINDOW + 0x20000 - rnd() % 8 : at;
    one_in(3) ? as_read(rig.m->as_memory, at, &v, size) : as_write(rig.m->as_memory, at, &v, size);
}

static void vbe(unsigned i, unsigned v)
{
    port(0x1ce, i, 2);
    port(0x1cf, v, 2);
}

static void set_vbe(void)
{
    vbe(4, 0);
    vbe(1, rather(PICK(320, 640, 800, 1024, 1600)));
    vbe(2, rather(PICK(200, 480, 600, 768, 1200)));
    vbe(3, rather(PICK(4, 8, 15, 16, 24, 32)));
    vbe(4, rather(PICK(1, 0x41, 0x61, 0xc1)));
    vbe(5, rather(rnd() % 256));
    vbe(6, rather(PICK(640, 1024, 2048)));
    vbe(8, rather(rnd() % 100));
    vbe(9, rather(rnd() % 100));
}

void fuzz_vga_up(void)
{
    fuzz_machine();
    rig_pci_add("VGA", FUZZ_SLOT, "rombar", "off", NULL);
    config(0x10, LFB, 4);
    config(0x18, VGA_REGS, 4);
    config(0x04, 3, 2);
}

static void registers(void)
{
    for (unsigned n = rnd() % 8; n; n--) {
        index_data(PICK(0x3c4, 0x3ce, 0x3d4), rnd() % 48, rnd());
    }
    if (one_in(4)) {
        attribute(rnd() % 32, rnd());
    }
    if (one_in(4)) {
        one_in(2) ? port(0x3b0 + rnd() % 0x30, rnd(), 1 + rnd() % 2)
                  : port_in(0x3b0 + rnd() % 0x30, 1 + rnd() % 2);
    }
}

static void look(void)
{
    g_autoptr(GString) text = g_string_new(NULL);

    console_refresh(rig.m->console);
    console_text(rig.m->console, text);
    rig_run_ns(rnd() % (300 * (uint64_t)FUZZ_MS));
}

void fuzz_vga(void)
{
    if (one_in(4)) {
        set_mode();
    } else if (one_in(8)) {
        set_vbe();
    }
    registers();
    for (unsigned n = rnd() % 64; n; n--) {
        touch(16 << 20);
    }
    if (one_in(8)) {
        mem(VGA_REGS + rnd() % 0x600, rnd(), PICK(1, 2, 4));
        mem_in(VGA_REGS + rnd() % 0x600, PICK(1, 2, 4));
    }
    if (one_in(4)) {
        look();
    }
}

/* ---- Cirrus: blits as drivers set them up ---- */

void fuzz_cirrus_up(void)
{
    fuzz_machine();
    rig_pci_add("cirrus-vga", FUZZ_SLOT, "rombar", "off", NULL);
    config(0x10, LFB, 4);
    config(0x14, VGA_REGS, 4);
    config(0x04, 3, 2);
    port(0x3c2, 0x67, 1);
}

static void cirrus_mode(void)
{
    set_mode();
    index_data(0x3c4, 6, 0x12);
    index_data(0x3c4, 7, rather(PICK(0, 1, 7, 5, 9)));
    index_data(0x3c4, 1, rather(1));
    index_data(0x3d4, 0x1b, rather(0x22));
    index_data(0x3d4, 0x13, rather(PICK(80, 160, 0xf0)));
    for (unsigned i = 0; i < 4; i++) {
        port_in(0x3c6, 1);
    }
    port(0x3c6, PICK(0, 0xc0, 0xc1, 0xc5), 1);
    for (unsigned i = 0x10; i < 0x14; i++) {
        index_data(0x3c4, i | rnd() % 8 << 5, rather(rnd()));
    }
}

static void blit_reg(unsigned i, unsigned v)
{
    index_data(0x3ce, i, v);
}

static void blit(void)
{
    bool     large = one_in(200);
    unsigned w = large ? 8191 : rnd() % 300, h = large ? 2047 : rnd() % 40;
    uint32_t at[2] = { rnd() & 0x3fffff, rnd() & 0x3fffff };
    const uint32_t v[] = { w, h, rather(640), rather(640) };

    for (unsigned i = 0; i < 4; i++) {
        blit_reg(0x20 + i * 2, v[i]);
        blit_reg(0x21 + i * 2, v[i] >> 8);
    }
    for (unsigned i = 0; i < 3; i++) {
        blit_reg(0x28 + i, at[0] >> 8 * i);
        blit_reg(0x2c + i, at[1] >> 8 * i);
    }
    blit_reg(0x2f, rnd() % 8);
    blit_reg(0x30,
             one_in(4) ? rnd() : PICK(0, 1, 4, 8, 0x40, 0x80, 0x84, 0xc0, 0x90, 0xa4, 0xc4, 0x44));
    blit_reg(0x32, PICK(0, 5, 6, 9, 0xb, 0xd, 0xe, 0x50, 0x59, 0x6d, 0x90, 0x95, 0xad, 0xd0, 0xd6,
                        0xda, rnd() & 0xff));
    blit_reg(0x33, rnd() % 8);
    blit_reg(0x31, one_in(10) ? rnd() : 2);
    for (unsigned n = rnd() % 400; n; n--) {    /* what the CPU brings, if it waits for it */
        uint64_t val = rnd();
        as_write(rig.m->as_memory, LFB + rnd() % 0x400000, &val, PICK(1, 2, 4, 8));
    }
    if (one_in(3)) {
        blit_reg(0x31, 4);
        blit_reg(0x31, 0);
    }
    if (one_in(4)) {
        rig_run_ns(rnd() % (20 * FUZZ_MS));
    }
}

void fuzz_cirrus(void)
{
    if (one_in(6)) {
        cirrus_mode();
    }
    if (one_in(3)) {
        registers();
    }
    blit();
    for (unsigned n = rnd() % 16; n; n--) {
        touch(32 << 20);
    }
    if (one_in(6)) {
        mem(VGA_REGS + rnd() % 0x200, rnd(), PICK(1, 2, 4));
        mem_in(VGA_REGS + rnd() % 0x200, PICK(1, 2, 4));
    }
    if (one_in(12)) {
        look();
    }
}

/* ---- keyboard controller ---- */

void fuzz_i8042_up(void)
{
    fuzz_machine();
    rig_reset();
}

/* A command for the keyboard or the mouse, and its parameter. */
static void to_device(bool mouse)
{
    if (mouse) {
        port(0x64, 0xd4, 1);
    }
    port(0x60,
         one_in(8) ? rnd()
         : mouse   ? PICK(0xff, 0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf0, 0xee, 0xec, 0xeb, 0xea, 0xe9,
                          0xe8, 0xe7, 0xe6)
                   : PICK(0xff, 0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf0, 0xee, 0xed, 0xfe, 0xfa, 0xfb,
                          0xfc, 0xfd),
         1);
    if (mouse) {
        port(0x64, 0xd4, 1);
    }
    port(0x60, one_in(2) ? PICK(0, 1, 2, 3, 10, 40, 60, 80, 100, 200) : rnd(), 1);
}

void fuzz_i8042(void)
{
    switch (rnd() % 8) {
    case 0: case 1: to_device(one_in(2)); break;
    case 2:
        port(0x64,
             PICK(0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xc0, 0xd0, 0xd1, 0xd2,
                  0xd3, 0xe0, 0xf0, 0xfe),
             1);
        port(0x60, rnd(), 1);
        break;
    case 3: port(0x64, rnd(), 1); break;
    case 4:
        for (unsigned n = rnd() % 40; n; n--) {
            people();
        }
        break;
    case 5:
        port(0x64, 0x60, 1);
        port(0x60, PICK(0x47, 0x07, 0x03, 0x65, rnd() & 0xff), 1);
        break;
    default:
        for (unsigned n = rnd() % 20; n; n--) {
            port_in(0x64, 1);
            port_in(0x60, 1);
        }
        break;
    }
    if (one_in(2)) {
        rig_run_ns(rnd() % (5 * FUZZ_MS));
    }
}

/* ---- floppy ---- */

static char *image;

static void remove_image(void)
{
    g_unlink(image);
}

void fuzz_fdc_up(void)
{
    Drive  *drives[FDC_DRIVES];
    Machine *m = rig.m;
    GError *err = NULL;
    int     fd = g_file_open_tmp("ryokan-fuzz-XXXXXX", &image, NULL);

    atexit(remove_image);
    fuzz_machine();
    if (ftruncate(fd, 1440 << 10)) {
        _exit(2);
    }
    close(fd);
    m->drives = g_ptr_array_new();
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        drives[i] = g_new0(Drive, 1);
        drives[i]->id = g_strdup_printf("f%u", i);
        g_ptr_array_add(m->drives, drives[i]);
    }
    drives[0]->node = block_open(m, &(BlockOpen){ .file = image, .format = "raw" }, &err);
    map_begin(m);
    void *dma = dma_create(m, rig.isa, &err);
    if (!drives[0]->node || !dma || !fdc_create(m, rig.isa, dma, drives, &err)) {
        _exit(2);
    }
    map_commit(m);
    rig_reset();
}

static void channel(void)
{
    const uint8_t w[][2] = { { 0xda, 0 },
                             { 0xd6, 0xc0 },
                             { 0xd4, 0 },
                             { 0x0a, 6 },
                             { 0x0c, 0 },
                             { 0x0b, (uint8_t)PICK(0x46, 0x4a, 0x42, 0x56, 0x5a, 0x66, 0x06,
                                                   rnd() & 0xff) },
                             { 4, (uint8_t)rnd() },
                             { 4, (uint8_t)rnd() },
                             { 0x81, (uint8_t)(rnd() % 0x42) },
                             { 5, (uint8_t)rnd() },
                             { 5, (uint8_t)(rnd() % 32) },
                             { 0x0a, 2 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(w); i++) {
        if (!one_in(40)) {
            port(w[i][0], w[i][1], 1);
        }
    }
}

/*
 * Read data, write data, deleted, verify, read track, format, ID, seek, specify, lock, ...; how
 * many bytes come after each.
 */
static void fdc_command(void)
{
    static const uint8_t commands[][2] = { { 0xe6, 8 }, { 0xc5, 8 }, { 0x46, 8 }, { 0x66, 8 },
                                           { 0x4c, 8 }, { 0x49, 8 }, { 0x56, 8 },
        { 0x42, 8 }, { 0x4d, 5 }, { 0x4a, 1 }, { 0x0f, 2 }, { 0x8f, 2 }, { 0xcf, 2 }, { 7, 1 },
        { 8, 0 }, { 4, 1 }, { 3, 2 }, { 0x10, 0 },
        { 0x12, 1 }, { 0x13, 3 }, { 0x14, 0 }, { 0x94, 0 }, { 0x0e, 0 }, { 0x18, 0 }, { 0x2e, 0 },
        { 0x4e, 17 }, { 0x33, 1 }, { 0x8e, 6 },
        { 0x51, 8 }, { 0x59, 8 }, { 0x5d, 8 } };
    const uint8_t *c = commands[rnd() % G_N_ELEMENTS(commands)];
    uint8_t        p[17] = { 0 };
    unsigned       head = rnd() % 2;

    for (unsigned i = 0; i < sizeof(p); i++) {
        p[i] = (uint8_t)odd();
    }
    p[0] = (uint8_t)rather(head << 2);
    if (c[1] == 8) {
        uint8_t usual[] = { (uint8_t)(rnd() % 80), (uint8_t)head, (uint8_t)(1 + rnd() % 18), 2, 18,
                            0x1b, 0xff };
        for (unsigned i = 0; i < sizeof(usual); i++) {
            p[i + 1] = (uint8_t)rather(usual[i]);
        }
    } else if (c[1] == 5) {
        p[1] = (uint8_t)rather(2);
        p[2] = (uint8_t)rather(18);
    }
    port(0x3f5, rather(c[0]), 1);
    for (unsigned i = 0; i < c[1] && !one_in(60); i++) {
        port(0x3f5, p[i], 1);
    }
}

void fuzz_fdc(void)
{
    if (one_in(12)) {
        port(0x3f2, PICK(0x1c, 0x0c, 0x14, 0x2d, 0, 4, rnd() & 0xff), 1);
    }
    if (one_in(20)) {
        port(PICK(0x3f4, 0x3f7, 0x3f3, 0x3f1), PICK(0, 0x80, 2, rnd() & 0xff), 1);
    }
    if (one_in(2)) {
        channel();
    }
    fdc_command();
    rig_run_ns(rnd() % (4 * FUZZ_MS));
    if (one_in(2)) {
        block_drain(rig.m);
    }
    for (unsigned n = rnd() % (one_in(8) ? 600 : 20); n; n--) {
        one_in(3) ? port(0x3f5, rnd(), 1) : port_in(PICK(0x3f4, 0x3f5, 0x3f5, 0x3f0, 0x3f7), 1);
    }
    if (one_in(3)) {
        block_drain(rig.m);
    }
}
