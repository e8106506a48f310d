/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa.c -- the ISA bus.
 *
 * Spec: 82371SB (PIIX3, 290550-002) chapter 2.6: positive decode of I/O, 16 interrupt lines.
 * Omits: DMA channels, aliasing of ports above 10 bits.
 * Threads: with the machine lock.
 */
#include "hw/misc/isa.h"
#include "hw/intc/intc.h"

enum { N_LINES = 16, IO_SPACE = 0x10000 };

/* Devices unrelated to a bus (in tests of a single class) have open pins. */
bool isa_irq(void *dev, Irq *wire, unsigned n, GError **err)
{
    Device *d = dev;

    if (n >= N_LINES) {
        return fail(err, "device \"%s\": irq=%u; an ISA bus has lines 0 to 15", d->class->name, n);
    }
    if (d->bus && d->bus->irq) {
        d->bus->irq(d->bus, d, wire, n);
    }
    return true;
}

bool isa_map(void *dev, Region *r, uint64_t port, GError **err)
{
    Device *d = dev;

    if (port >= IO_SPACE || r->size > IO_SPACE - port) {
        return fail(err, "device \"%s\": I/O port 0x%x with %u bytes is beyond 0xffff",
                    d->class->name, (unsigned)port, (unsigned)r->size);
    }
    if (d->bus && d->bus->io) {
        region_map(d->bus->io, r, port);
    }
    return true;
}

static bool isa_connect(Bus *bus, Device *dev, Irq *wire, unsigned n)
{
    irq_connect(wire, gsi_irq, bus->owner, n);
    return true;
}

static uint64_t field_value(const Field *f, const void *obj)
{
    const char *at = (const char *)obj + f->offset;

    switch (f->type) {
    case T_U16: return *(const uint16_t *)(const void *)at;
    case T_U32: return *(const uint32_t *)(const void *)at;
    default:    return UINT64_MAX;
    }
}

static bool isa_attach(Bus *bus, Device *dev, GError **err)
{
    const Field *f = field_find(dev->class->fields, "iobase");

    return !f || dev->bank.size == 0 || isa_map(dev, &dev->bank, field_value(f, dev), err);
}

/*
 * A device's regions are part of it.  Others' may be gone already: their pointers are not followed.
 */
static void unmap_all(Region *container, const Device *dev)
{
    uintptr_t from = (uintptr_t)dev, to = from + dev->class->size;

    for (unsigned i = container && container->parts ? container->parts->len : 0; i-- > 0;) {
        Mapping *p = g_ptr_array_index(container->parts, i);

        if ((uintptr_t)p->region >= from && (uintptr_t)p->region < to) {
            region_remove(container, p);
        }
    }
}

static void isa_detach(Bus *bus, Device *dev)
{
    unmap_all(bus->io, dev);
    unmap_all(bus->mem, dev);
}

/* bus->owner is the gsi: what provides the lines. */
Bus *isa_bus_new(Machine *m, const char *name, void *gsi, Region *io, Region *mem)
{
    Bus *bus = bus_new(m, "isa", name, gsi);

    bus->io = io;
    bus->mem = mem;
    bus->attach = isa_attach;
    bus->detach = isa_detach;
    bus->irq = isa_connect;
    return bus;
}
