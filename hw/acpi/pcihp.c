/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcihp.c -- registers by which a guest's ACPI code learns that PCI devices have come or are to go,
 * and lets go of them.
 *
 * Spec: QEMU's ACPI PCI hotplug interface (docs/specs/acpi_pci_hotplug): ports AE00H to AE13H, GPE
 *   block at AFE0H, event 1; ACPI 6.5, 4.8.4 (general-purpose events), 6.3.3 (_EJ0).
 * Omits: slots behind bridges, and the bus selector with them (it holds 0).
 * Threads: with the machine lock; devices go in the main context, with all vCPUs parked.
 *
 *     AE00  slots that have come; a read clears them
 *     AE04  slots that are to go
 *     AE08  write: eject these slots; read: features, none
 *     AE0C  slots whose devices can be pulled out
 *     AE10  bus selector
 *     AFE0  status, AFE2 enable: 16 events, bit 1 is ours
 */
#include "hw/acpi/pcihp.h"
#include "core/machine.h"
#include "core/trace.h"

enum { SLOTS = 32, FUNCTIONS = 8 };

bool pcihp_is_fixed(const PciBus *bus, unsigned slot)
{
    for (unsigned fn = 0; fn < FUNCTIONS; fn++) {
        const PciDevice *d = bus->at[slot << 3 | fn];
        if (d && !d->dev.class->hotplug) {
            return true;
        }
    }
    return false;
}

static uint32_t removable(const PciBus *bus)
{
    uint32_t bits = 0;

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        bits |= (uint32_t)!pcihp_is_fixed(bus, slot) << slot;
    }
    return bits;
}

static void tell_guest(PciHotplug *h)
{
    h->gpe_status |= 1 << GPE_PCI_HOTPLUG;
    h->changed(h->dev);
}

/* ---- registers ---- */
static uint64_t slots_read(void *dev, hwaddr off, unsigned size)
{
    PciHotplug *h = dev;
    uint32_t    val = 0;

    switch (off) {
    case PCIHP_UP:
        val = h->up;
        h->up = 0;
        break;
    case PCIHP_DOWN:      val = h->down; break;
    case PCIHP_REMOVABLE: val = removable(h->bus); break;
    case PCIHP_BUS:       val = h->selected; break;
    default:              break;      /* features: none */
    }
    return val;
}

static void slots_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    PciHotplug *h = dev;

    if (off == PCIHP_EJECT && val) {
        trace_pci_hotplug_eject((uint32_t)val);
        h->eject |= (uint32_t)val;
        machine_eject_request(h->machine);
    }
}

static uint64_t gpe_read(void *dev, hwaddr off, unsigned size)
{
    PciHotplug *h = dev;

    return (off < 2 ? h->gpe_status : h->gpe_enable) >> (8 * (off & 1));
}

static void gpe_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    PciHotplug *h = dev;
    unsigned    shift = 8 * (off & 1);

    if (off < 2) {
        h->gpe_status &= (uint16_t)~(val << shift);
    } else {
        h->gpe_enable = (uint16_t)((h->gpe_enable & ~(0xff << shift)) | val << shift);
    }
    h->changed(h->dev);
}

static const MmioOps slots_ops = { .read = slots_read, .write = slots_write, .min = 4, .max = 4 };
static const MmioOps gpe_ops = { .read = gpe_read, .write = gpe_write, .min = 1, .max = 1 };

bool pcihp_sci(const PciHotplug *h)
{
    return h->gpe_status & h->gpe_enable;
}

/* ---- devices ---- */

/* The guest finds all functions of a slot when function 0 is there. */
static void plugged(Bus *base, Device *dev)
{
    PciBus          *bus = base->owner;
    const PciDevice *d = (const PciDevice *)dev;
    PciHotplug      *h = bus->hotplug;

    trace_pci_hotplug_plug(dev->path, d->devfn >> 3);
    if (!(d->devfn & 7)) {
        h->up |= 1u << (d->devfn >> 3);
        tell_guest(h);
    }
}

static bool unplug(Bus *base, Device *dev, GError **err)
{
    PciBus          *bus = base->owner;
    const PciDevice *d = (const PciDevice *)dev;
    PciHotplug      *h = bus->hotplug;
    unsigned         slot = d->devfn >> 3;

    if (pcihp_is_fixed(bus, slot)) {
        return fail(err, "device_del %s: slot %u has functions that cannot be pulled out", dev->id,
                    slot);
    }
    trace_pci_hotplug_unplug_request(dev->path, slot);
    h->down |= 1u << slot;
    tell_guest(h);
    return true;
}

static void eject_slot(PciHotplug *h, unsigned slot)
{
    h->up &= ~(1u << slot);
    h->down &= ~(1u << slot);
    for (unsigned fn = FUNCTIONS; fn-- > 0;) {
        PciDevice *d = h->bus->at[slot << 3 | fn];
        if (d && d->dev.class->hotplug) {
            device_remove(d);
        }
    }
}

/* All vCPUs are parked.  A reset gives what is to go no more time. */
static void act(void *dev, bool is_reset)
{
    PciHotplug *h = dev;
    uint32_t    gone = h->eject | (is_reset ? h->down : 0);

    h->eject = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (gone >> slot & 1) {
            eject_slot(h, slot);
        }
    }
}

/* ---- life ---- */
void pcihp_init(PciHotplug *h, PciBus *bus, void (*changed)(void *dev), void *dev)
{
    Machine *m = bus->base->machine;

    h->bus = bus;
    h->machine = m;
    h->changed = changed;
    h->dev = dev;
    bus->hotplug = h;
    bus->base->hotplug = true;
    bus->base->plugged = plugged;
    bus->base->unplug = unplug;
    m->eject = act;
    m->eject_dev = h;
    region_init_io(&h->slots, "acpi-pci-hotplug", &slots_ops, h, PCIHP_BYTES);
    region_init_io(&h->gpe, "acpi-gpe0", &gpe_ops, h, GPE0_BYTES);
    h->slots_map = (Mapping){ .region = &h->slots, .size = PCIHP_BYTES, .at = PCIHP_PORT,
                              .seen = SEEN_READ | SEEN_WRITE, .on = true };
    h->gpe_map = (Mapping){ .region = &h->gpe, .size = GPE0_BYTES, .at = GPE0_PORT,
                            .seen = SEEN_READ | SEEN_WRITE, .on = true };
    map_begin(m);
    region_add(bus->base->io, &h->slots_map);
    region_add(bus->base->io, &h->gpe_map);
    map_commit(m);
}

void pcihp_free(PciHotplug *h)
{
    if (h->machine->eject_dev == h) {
        h->machine->eject = NULL;
    }
    h->bus->hotplug = NULL;
    h->bus->base->hotplug = false;
    h->bus->base->plugged = NULL;
    h->bus->base->unplug = NULL;
    pci_unmap(h->bus->base->io, &h->slots_map, 1);
    pci_unmap(h->bus->base->io, &h->gpe_map, 1);
}

void pcihp_reset(PciHotplug *h)
{
    h->up = h->down = h->eject = h->selected = 0;
    h->gpe_status = h->gpe_enable = 0;
}

void pcihp_restored(PciHotplug *h)
{
    if (h->eject) {
        machine_eject_request(h->machine);
    }
}
