/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ferr.c -- x87 errors as a PC reports them: the processor's FERR# becomes IRQ 13, port F0 takes it
 * back and asserts IGNNE#.
 *
 * Spec: 82371SB (PIIX3, 290550-002) 2.5.5.4, coprocessor error register (port F0); Intel SDM vol. 1
 *   appendix D.2.
 * Omits: port F1 (the 80287's reset) does nothing, as in the PIIX3.  CPU 0 alone has the wires.
 * Threads: with the machine lock.
 *
 *     FERR#   ____/~~~~~~~~~~~~~~~~\____     an unmasked error, until it is cleared
 *     IRQ 13  ____/~~~~~~~\_____________     until port F0 is written
 *     IGNNE#  ____________/~~~~~~~~\____     from then to the end of FERR#
 */
#include "cpu/x86/apicif.h"
#include "hw/misc/isa.h"

enum { FERR_IRQ = 13 };

typedef struct Ferr {
    Device   dev;
    uint32_t iobase;
    Irq      irq;
    bool     ferr, ignne;
} Ferr;

static Vcpu *cpu_of(Ferr *s)
{
    Machine *m = s->dev.machine;
    return m->vcpus && m->vcpus->len ? m->vcpus->pdata[0] : NULL;
}

static void set_ignne(Ferr *s, bool on)
{
    s->ignne = on;
    if (cpu_of(s)) {
        x86_set_ignne(cpu_of(s), on);
    }
}

static void ferr_in(void *dev, unsigned n, bool level)
{
    Ferr *s = dev;

    if (level && !s->ferr) {
        irq_set(&s->irq, true);
    } else if (!level) {
        set_ignne(s, false);
    }
    s->ferr = level;
}

static uint64_t ferr_read(void *dev, hwaddr off, unsigned size)
{
    return 0xff;                      /* write-only */
}

static void ferr_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Ferr *s = dev;

    if (off) {
        return;
    }
    irq_set(&s->irq, false);
    if (s->ferr) {
        set_ignne(s, true);
    }
}

static const MmioOps ferr_ops = { .read = ferr_read, .write = ferr_write, .min = 1, .max = 1 };

static bool ferr_realize(void *dev, GError **err)
{
    Ferr *s = dev;

    if (cpu_of(s)) {
        x86_connect_ferr(cpu_of(s), ferr_in, s);
    }
    return isa_irq(s, &s->irq, FERR_IRQ, err);
}

static void ferr_reset(void *dev)
{
    Ferr *s = dev;

    s->ferr = false;
    irq_set(&s->irq, false);
    set_ignne(s, false);
}

static const Field ferr_fields[] = {
    CONFIG(Ferr, iobase, .def = 0xf0, .max = 0xffff, .help = "First I/O port."),
    STATE_IRQ(Ferr, irq), STATE(Ferr, ferr), STATE(Ferr, ignne),
    FIELD_END
};

const DeviceClass ferr_class = {
    .name = "ferr",
    .desc = "x87 error reporting by IRQ 13",
    .spec = "82371SB (290550-002) 2.5.5.4",
    .bus = "isa",
    .size = sizeof(Ferr),
    .fields = ferr_fields,
    .io = &ferr_ops,
    .bank_size = 2,
    .realize = ferr_realize,
    .reset = ferr_reset,
};
