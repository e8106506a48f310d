/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa.h -- the ISA bus: I/O ports and 16 interrupt lines.
 *
 * A device on it has a configuration field `iobase` if its bank is to be mapped at a port (attach
 * does that), and connects its wire in realize() with isa_irq(dev, &wire, n).  Devices with several
 * ranges map the rest with isa_map().
 *
 * Threads: with the machine lock.
 */
#ifndef HW_MISC_ISA_H
#define HW_MISC_ISA_H
#include "core/machine.h"

/*
 * gsi: where the lines end (hw/intc/intc.h).  io and mem: containers, &m->io and &m->memory on a
 * PC.
 */
Bus  *isa_bus_new(Machine *m, const char *name, void *gsi, Region *io, Region *mem);
bool  isa_irq(void *dev, Irq *wire, unsigned n, GError **err);
/* refuses what is beyond the 64 KiB */
bool  isa_map(void *dev, Region *r, uint64_t port, GError **err);
#endif
