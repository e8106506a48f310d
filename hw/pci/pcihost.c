/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcihost.c -- a PCI host bridge's way into configuration space: ports CF8 (address) and CFC
 * (data).
 *
 * Spec: PCI Local Bus 3.0, 3.2.2.3.2 (software generation of configuration transactions).
 * Omits: special cycles.
 * Threads: with the machine lock.
 *
 *     31 30      24 23     16 15    11 10  8 7       2 1 0
 *    +--+----------+---------+--------+-----+---------+---+
 *    |en| reserved |   bus   | device | fn  | register|0 0|
 *    +--+----------+---------+--------+-----+---------+---+
 */
#include "core/machine.h"
#include "hw/pci/pcihost.h"

#define CONFADD_WRITABLE 0x80fffffc

static bool decode(const PciHost *h, hwaddr off, unsigned *devfn, unsigned *at)
{
    uint32_t a = h->confadd;
    *devfn = (a >> 8) & 0xff;
    *at = (a & 0xfc) + (unsigned)(off & 3);
    return (a >> 31) && ((a >> 16) & 0xff) == 0;
}

static uint64_t pcihost_read(void *dev, hwaddr off, unsigned size)
{
    PciHost *h = dev;
    unsigned devfn, at;
    if (off >= 4) {
        return decode(h, off, &devfn, &at) ? pci_config_read(&h->bus, devfn, at, size)
                                           : UINT32_MAX >> (32 - 8 * size);
    }
    if (size == 4) {
        return h->confadd;
    }
    return h->byte_ports ? h->byte_ports->io->read(h->byte_ports->dev, off, size)
                         : UINT32_MAX >> (32 - 8 * size);
}

static void pcihost_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    PciHost *h = dev;
    unsigned devfn, at;
    if (off >= 4) {
        if (decode(h, off, &devfn, &at)) {
            pci_config_write(&h->bus, devfn, at, (uint32_t)val, size);
        }
    } else if (size == 4) {
        h->confadd = (uint32_t)val & CONFADD_WRITABLE;
    } else if (h->byte_ports) {
        h->byte_ports->io->write(h->byte_ports->dev, off, val, size);
    }
}

static const MmioOps pcihost_io = { .read = pcihost_read, .write = pcihost_write, .min = 1,
                                    .max = 4 };

static void pcihost_reset(void *dev)
{
    PciHost *h = dev;
    h->confadd = 0;
}

static const Field pcihost_fields[] = {
    STATE(PciHost, confadd),
    PCI_BUS_FIELDS(PciHost, bus),
    FIELD_END
};

const DeviceClass pcihost_class = {
    .name = "i440FX-pcihost",
    .desc = "PCI host bridge, configuration mechanism 1",
    .spec = "PCI Local Bus 3.0, 3.2.2.3.2",
    .bus = "sys",
    .size = sizeof(PciHost),
    .fields = pcihost_fields,
    .io = &pcihost_io,
    .bank_size = 8,
    .reset = pcihost_reset,
};

PciHost *pcihost_create(Machine *m, Region *mem, GError **err)
{
    PciHost *h = device_new(m, NULL, pcihost_class.name, NULL, err);
    if (!h || !device_realize(h, err)) {
        return NULL;
    }
    pci_bus_init(&h->bus, m, "pci.0", mem, &m->io);
    map_begin(m);
    region_map(&m->io, &h->dev.bank, 0xcf8);
    map_commit(m);
    return h;
}
