/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port92.c -- system control port A: A20 and fast reset.
 *
 * Spec: 82371SB (PIIX3, 290550-002) 2.5.5.3, port 92.
 * Omits: the CPU-only reset is a reset of the machine.  A20 follows whoever moved it last, this
 *   port or the keyboard controller (the chipset ORs them; programs that use one and leave the
 *   other alone agree with both).
 * Threads: with the machine lock.
 */
#include "cpu/x86/apicif.h"
#include "hw/misc/isa.h"

enum { FAST_INIT = 1, FAST_A20 = 2 };

typedef struct Port92 {
    Device   dev;
    uint32_t iobase;
    uint8_t  control;
} Port92;

static uint64_t port92_read(void *dev, hwaddr off, unsigned size)
{
    Port92 *s = dev;

    return (s->control & ~FAST_A20) | (x86_get_a20(s->dev.machine) ? FAST_A20 : 0);
}

static void port92_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Port92 *s = dev;
    bool reset = (val & FAST_INIT) && !(s->control & FAST_INIT);

    s->control = val;
    x86_set_a20(s->dev.machine, val & FAST_A20);
    if (reset) {
        machine_request(s, MACHINE_RESET);
    }
}

static const MmioOps port92_ops = { .read = port92_read, .write = port92_write, .min = 1,
                                    .max = 1 };

static void port92_reset(void *dev)
{
    /* A20 itself is reset by the CPU's side: firmware starts with it on */
    ((Port92 *)dev)->control = 0;
}

static const Field port92_fields[] = {
    CONFIG(Port92, iobase, .def = 0x92, .max = 0xffff, .help = "I/O port."),
    STATE(Port92, control),
    FIELD_END
};

const DeviceClass port92_class = {
    .name = "port92",
    .desc = "A20 and fast reset",
    .spec = "82371SB (290550-002) 2.5.5.3",
    .bus = "isa",
    .size = sizeof(Port92),
    .fields = port92_fields,
    .io = &port92_ops,
    .bank_size = 1,
    .reset = port92_reset,
};
