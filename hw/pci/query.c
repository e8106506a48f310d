/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query.c -- query-pci and "info pci": the functions on the machine's PCI buses, and what their
 * BARs decode.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "pci"; PCI Local Bus 3.0, chapter 6.2.
 * Omits: bridges: there are none.
 * Threads: with the machine lock.
 */
#include "core/commands.h"
#include "hw/pci/pci.h"

static void regions(GVariantBuilder *list, const PciDevice *d)
{
    for (unsigned i = 0; i < PCI_N_BARS; i++) {
        const PciBar   *b = &d->bar[i];
        GVariantBuilder one;
        if (b->kind == PCI_BAR_NONE) {
            continue;
        }
        object_start(&one);
        say_int(&one, "bar", i);
        say(&one, "type", b->kind == PCI_BAR_IO ? "io" : "memory");
        say_int(&one, "address", b->map.on ? (int64_t)b->map.at : -1);
        say_int(&one, "size", (int64_t)b->region->size);
        if (b->kind != PCI_BAR_IO) {
            say_bool(&one, "prefetch", b->prefetchable);
            say_bool(&one, "mem_type_64", b->kind == PCI_BAR_MEM64);
        }
        list_object(list, &one);
    }
}

static void function(GVariantBuilder *list, const PciDevice *d)
{
    GVariantBuilder one, class, id, bars;
    uint32_t        irq = pci_get(d, PCI_INTERRUPT_LINE, 1);

    object_start(&class);
    say_int(&class, "class", d->ident.class_code >> 8);
    say(&class, "desc", d->dev.class->desc);
    object_start(&id);
    say_int(&id, "device", d->ident.device);
    say_int(&id, "vendor", d->ident.vendor);
    say_int(&id, "subsystem", d->ident.subsystem);
    say_int(&id, "subsystem-vendor", d->ident.subsystem_vendor);
    list_start(&bars);
    regions(&bars, d);
    object_start(&one);
    say_int(&one, "bus", 0);
    say_int(&one, "slot", d->devfn >> 3);
    say_int(&one, "function", d->devfn & 7);
    say_value(&one, "class_info", g_variant_builder_end(&class));
    say_value(&one, "id", g_variant_builder_end(&id));
    if (d->ident.pin) {
        say_int(&one, "irq", irq);
    }
    say_int(&one, "irq_pin", d->ident.pin);
    say(&one, "qdev_id", d->dev.id ? d->dev.id : "");
    say_list(&one, "regions", &bars);
    list_object(list, &one);
}

GVariant *pci_query(Machine *m)
{
    GVariantBuilder list, one, devices;
    int64_t         n = 0;

    list_start(&list);
    for (unsigned i = 0; i < m->buses->len; i++) {
        const Bus    *base = m->buses->pdata[i];
        const PciBus *b = base->owner;
        if (strcmp(base->type, "pci")) {
            continue;
        }
        list_start(&devices);
        for (unsigned j = 0; j < G_N_ELEMENTS(b->at); j++) {
            if (b->at[j]) {
                function(&devices, b->at[j]);
            }
        }
        object_start(&one);
        say_int(&one, "bus", n++);
        say_list(&one, "devices", &devices);
        list_object(&list, &one);
    }
    return g_variant_builder_end(&list);
}
