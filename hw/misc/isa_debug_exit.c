/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa_debug_exit.c -- a port whose write ends the emulator, for test kernels.
 *
 * Spec: QEMU isa-debug-exit: the exit status is (value << 1) | 1.
 * Omits: -
 * Threads: with the machine lock.
 */
#include "hw/misc/isa.h"

typedef struct DebugExit {
    Device   dev;
    Region   port;
    uint32_t iobase, iosize;
} DebugExit;

static uint64_t debug_exit_read(void *dev, hwaddr off, unsigned size)
{
    return 0;
}

static void debug_exit_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    machine_exit_request(((Device *)dev)->machine, (int)((uint32_t)val << 1 | 1));
}

static const MmioOps debug_exit_ops = { .read = debug_exit_read, .write = debug_exit_write,
                                        .min = 1, .max = 4 };

static bool debug_exit_realize(void *dev, GError **err)
{
    DebugExit *s = dev;

    region_init_io(&s->port, "isa-debug-exit", &debug_exit_ops, s, s->iosize);
    return isa_map(s, &s->port, s->iobase, err);
}

static const Field debug_exit_fields[] = {
    CONFIG(DebugExit, iobase, .def = 0x501, .max = 0xffff, .help = "First I/O port."),
    CONFIG(DebugExit, iosize, .def = 2, .min = 1, .max = 256, .help = "Number of I/O ports."),
    FIELD_END
};

const DeviceClass isa_debug_exit_class = {
    .name = "isa-debug-exit",
    .desc = "a write ends the emulator",
    .spec = "QEMU isa-debug-exit",
    .bus = "isa",
    .size = sizeof(DebugExit),
    .fields = debug_exit_fields,
    .realize = debug_exit_realize,
};
