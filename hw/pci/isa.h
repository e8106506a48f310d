/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa.h -- the ISA bus behind the south bridge: port and memory space of the machine, and 16 shared interrupt lines.
 *
 * An ISA device maps its banks itself, region_map(dev->bus->io, &dev->bank, iobase), and connects its wire with
 * dev->bus->irq(dev->bus, dev, &wire, line).  Each line meets in a gate (PCI interrupts are routed to ISA lines), whose
 * output the machine fans out to the 8259 pair and the IO-APIC.
 *
 * Spec: IEEE P996 draft; Intel 82371SB (PIIX3) datasheet 290550.
 * Omits: 8237 DMA lines, IOCHK#.
 * Threads: with the machine lock.
 */
#ifndef HW_PCI_ISA_H
#define HW_PCI_ISA_H
#include "hw/pci/gate.h"

enum { ISA_LINES = 16 };
typedef struct IsaBus {
    Bus    *bus;
    IrqGate line[ISA_LINES];
} IsaBus;
IsaBus *isa_bus_new(Machine *m, const char *name, Region *mem, Region *io);
extern const Field isa_bus_fields[];            /* saved by the bridge that owns the bus */
#endif
