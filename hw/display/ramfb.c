/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ramfb.c -- a screen in the guest's own memory: firmware writes its address and shape to the
 * fw_cfg file etc/ramfb.
 *
 * Spec: QEMU docs/specs/fw_cfg and the etc/ramfb structure as OVMF's QemuRamfbDxe and the vgabios
 *       for it write it; formats are
 *       DRM's four-character codes.
 * Omits: formats other than XR24, AR24, RG24 and RG16.
 * Threads: with the machine lock.
 *
 *     big-endian:  0 address   8 format   12 flags   16 width   20 height
 *     24 bytes a line, 0: no gap
 */
#include "core/display.h"
#include "hw/firmware/firmware.h"
#include "hw/firmware/fw_cfg.h"
#include <string.h>

enum { CONFIG_BYTES = 28, MAX_SIDE = 16000 };
#define FOURCC(a, b, c, d) \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

typedef struct Ramfb {
    Device   dev;
    uint8_t  config[CONFIG_BYTES];    /* as the guest wrote it */
    bool     on, redraw;
} Ramfb;

typedef struct Shape {
    uint64_t at, pitch;
    uint32_t format, width, height, bytes;
} Shape;

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* false: no picture. */
static bool shape(const Ramfb *s, Shape *f)
{
    const uint8_t *c = s->config;
    f->at = (uint64_t)be32(c) << 32 | be32(c + 4);
    f->format = be32(c + 8);
    f->width = be32(c + 16);
    f->height = be32(c + 20);
    f->bytes = f->format == FOURCC('X', 'R', '2', '4') || f->format == FOURCC('A', 'R', '2', '4') ?
        4 :
               f->format == FOURCC('R', 'G', '2', '4') ? 3 :
                   f->format == FOURCC('R', 'G', '1', '6') ? 2 : 0;
    f->pitch = be32(c + 24) ? be32(c + 24) : (uint64_t)f->width * f->bytes;
    return f->bytes && f->width && f->width <= MAX_SIDE && f->height && f->height <= MAX_SIDE &&
           f->pitch >= (uint64_t)f->width * f->bytes && f->at + f->pitch * f->height > f->at;
}

static void convert(const Shape *f, const uint8_t *from, uint32_t *to)
{
    for (uint32_t x = 0; x < f->width; x++, from += f->bytes) {
        unsigned v = from[0] | (unsigned)from[1] << 8;
        to[x] = f->bytes == 2 ? (v >> 11 & 31) << 19 | (v >> 5 & 63) << 10 | (v & 31) << 3 : v |
            (uint32_t)from[2] << 16;
    }
}

/* The guest's memory has no log of writes for us: each line is read and compared. */
static void refresh(void *dev, Console *con)
{
    Ramfb *s = dev;
    Shape f;
    if (!shape(s, &f)) {
        return;
    }
    pixman_image_t *surface = console_resize(con, (int)f.width, (int)f.height);
    uint32_t *px = pixman_image_get_data(surface);
    size_t stride = (size_t)pixman_image_get_stride(surface) / 4;
    g_autofree uint8_t *line = g_malloc((size_t)f.width * f.bytes);
    g_autofree uint32_t *now = g_new(uint32_t, f.width);
    for (uint32_t y = 0; y < f.height; y++) {
        if (as_read(s->dev.machine->as_memory, f.at + y * f.pitch, line,
                    (size_t)f.width * f.bytes) != MEM_OK) {
            break;
        }
        convert(&f, line, now);
        if (s->redraw || memcmp(px + y * stride, now, (size_t)f.width * 4)) {
            memcpy(px + y * stride, now, (size_t)f.width * 4);
            console_damage(con, 0, (int)y, (int)f.width, 1);
        }
    }
    s->redraw = false;
}

static void invalidate(void *dev)
{
    ((Ramfb *)dev)->redraw = true;
}

static const AdapterOps adapter = { .refresh = refresh, .invalidate = invalidate };

static void show(Ramfb *s)
{
    Shape f;
    bool on = shape(s, &f);
    if (on != s->on && s->dev.machine->console) {
        s->on = on;
        console_adapter(s->dev.machine->console, on ? &adapter : NULL, s);
    }
}

static void fill(void *arg, uint8_t *data, size_t n)
{
    memcpy(data, ((Ramfb *)arg)->config, MIN(n, CONFIG_BYTES));
}

static void written(void *arg, const uint8_t *data, size_t n)
{
    Ramfb *s = arg;
    memcpy(s->config, data, MIN(n, CONFIG_BYTES));
    show(s);
}

static bool ramfb_realize(void *dev, GError **err)
{
    Ramfb *s = dev;
    void *fw = fw_cfg_find(s->dev.machine);
    if (!fw) {
        return fail(
            err,
            "device ramfb: this machine has no fw_cfg to tell it by; use -device bochs-display");
    }
    GBytes *rom = firmware_load(s->dev.machine, "vgabios-ramfb.bin", 256 << 10, err);
    if (!rom || !fw_cfg_file(fw, "vgaroms/vgabios-ramfb.bin", rom, err) ||
        !fw_cfg_file_live(fw, "etc/ramfb", CONFIG_BYTES, fill, s, err)) {
        return false;
    }
    fw_cfg_file_written(fw, "etc/ramfb", written);
    return true;
}

static void ramfb_unrealize(void *dev)
{
    Ramfb *s = dev;
    if (s->dev.machine->console) {
        console_adapter(s->dev.machine->console, NULL, s);
    }
}

static void ramfb_reset(void *dev)
{
    Ramfb *s = dev;
    memset(s->config, 0, sizeof(s->config));
    show(s);
}

static bool ramfb_restored(void *dev, GError **err)
{
    (void)err;
    show(dev);
    return true;
}

static const Field ramfb_fields[] = { STATE_ARRAY(Ramfb, config), FIELD_END };

const DeviceClass ramfb_class = {
    .name = "ramfb",
    .desc = "a screen in the guest's memory, set up by firmware",
    .spec = "QEMU fw_cfg etc/ramfb",
    .bus = "isa",
    .size = sizeof(Ramfb),
    .fields = ramfb_fields,
    .realize = ramfb_realize,
    .unrealize = ramfb_unrealize,
    .reset = ramfb_reset,
    .restored = ramfb_restored,
};
