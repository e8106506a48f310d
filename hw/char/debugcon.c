/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debugcon.c -- a port that firmware and test kernels write messages to, byte by byte.
 *
 * Spec: Bochs and QEMU debug port: a write is a character, a read gives the port's own number
 *   (0xe9) to say it is there.
 * Omits: input.  Bytes that the host side does not take at once are lost.
 * Threads: with the machine lock.
 */
#include "core/chardev.h"
#include "core/device.h"
#include "hw/char/char.h"
#include "hw/misc/isa.h"

typedef struct Debugcon {
    Device   dev;
    Chardev *chr;
    uint32_t iobase, readback;
} Debugcon;

static uint64_t debugcon_read(void *dev, hwaddr off, unsigned size)
{
    return ((Debugcon *)dev)->readback;
}

static void debugcon_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Debugcon *s = dev;
    uint8_t byte = val;

    if (s->chr) {
        chr_write(s->chr, &byte, 1);
    }
}

static const MmioOps debugcon_ops = { .read = debugcon_read, .write = debugcon_write, .min = 1,
                                      .max = 1 };

void *debugcon_create(Machine *m, Bus *isa, unsigned iobase, Chardev *chr, GError **err)
{
    Debugcon *s = device_new(m, isa, "isa-debugcon", NULL, err);

    if (!s) {
        return NULL;
    }
    s->iobase = iobase;
    s->chr = chr;
    return device_realize(s, err) ? s : NULL;
}

static const Field debugcon_fields[] = {
    CONFIG(Debugcon, iobase, .def = 0xe9, .max = 0xffff, .help = "I/O port."),
    CONFIG(Debugcon, readback, .def = 0xe9, .max = 0xff, .help = "What a read of the port gives."),
    CONFIG_LINK(Debugcon, chr, "chardev", "chardev",
                .help = "Character device that gets the bytes."),
    FIELD_END
};

const DeviceClass debugcon_class = {
    .name = "isa-debugcon",
    .desc = "debug message port",
    .spec = "Bochs/QEMU port e9",
    .bus = "isa",
    .size = sizeof(Debugcon),
    .fields = debugcon_fields,
    .io = &debugcon_ops,
    .bank_size = 1,
};
