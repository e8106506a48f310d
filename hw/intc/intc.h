/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intc.h -- the PC's interrupt controllers, and how a machine wires them.
 *
 *   device wire -> gsi -> i8259 pair -> INTR -> LINT0 of every local APIC -> CPU (virtual wire,
 *                     ExtINT) \-> ioapic -> message -> apicbus -> local APIC -> CPU
 *   PCI MSI    -> write to FEExxxxx -> apicbus (its bank is the MSI window) -> local APIC
 *
 * A machine builds them in this order:
 *     void *pic    = i8259_create(m, &m->io, err);
 *     void *bus    = apicbus_create(m, &m->memory, pic, err);
 *     for each vCPU v, in index order:  lapic_create(m, bus, v, cpu_view, err);
 *     void *ioapic = ioapic_create(m, &m->memory, 0xfec00000, bus, err);
 *     void *gsi    = gsi_create(m, pic, ioapic, err);
 * and connects each source with irq_connect(&wire, gsi_irq, gsi, n) or, for ISA devices, through
 * the bus (hw/misc/isa.h).
 * A machine without APICs connects i8259_connect() to its CPU's INTR pin and leaves the rest out.
 *
 * Threads: all with the machine lock, except apicbus_send() and the LAPIC's ApicOps: any thread.
 */
#ifndef HW_INTC_H
#define HW_INTC_H
#include "core/vcpu.h"

/* isa-i8259: both chips as one device, ports 20-21, a0-a1, 4d0-4d1. */
void *i8259_create(Machine *m, Region *io, GError **err);
void  i8259_irq(void *pic, unsigned n, bool level);         /* sink: IRQ 0..15 (2 is the cascade) */
/* master's INT */
void i8259_connect(void *pic, void (*sink)(void *dev, unsigned n, bool level), void *dev,
                   unsigned n);
/* INTA cycles: the vector; spurious ones included */
int   i8259_ack(void *pic);

/*
 * apic-bus: knows all local APICs; carries interrupt messages; its bank is the MSI window
 * FEE00000-FEEFFFFF.
 */
void *apicbus_create(Machine *m, Region *memory, void *pic, GError **err);
/* sink: the 8259's INT, LINT0 of all (connected by create) */
void  apicbus_intr(void *bus, unsigned n, bool level);
/* sink: LINT1 of all (NMI button, parity) */
void  apicbus_nmi(void *bus, unsigned n, bool level);
void  apicbus_send(void *bus, const Msi *msi);             /* an interrupt message, in MSI format */
/* an IOAPIC listens; machine lock */
void  apicbus_on_eoi(void *bus, void (*eoi)(void *dev, uint8_t vector), void *dev);

/*
 * apic: one per vCPU.  cpu_view is the root container of v->as: the APIC maps its page there and
 * moves it itself.
 */
void *lapic_create(Machine *m, void *bus, Vcpu *v, Region *cpu_view, GError **err);

/* ioapic: 24 inputs, 4 KiB at `at`. */
void *ioapic_create(Machine *m, Region *memory, hwaddr at, void *bus, GError **err);
void  ioapic_irq(void *ioapic, unsigned n, bool level);     /* sink: pin 0..23 */

/*
 * gsi: global system interrupts 0..23.  Several drivers may share an input (it counts).  0..15 go
 * to the 8259 and the IOAPIC,
 * 16..23 to the IOAPIC only; GSI 0 (the PIT) is IOAPIC pin 2, as the MADT must say (ISA 0 -> GSI
 * 2).
 */
void *gsi_create(Machine *m, void *pic, void *ioapic, GError **err);
void  gsi_irq(void *gsi, unsigned n, bool level);           /* sink: ISA IRQ 0..15 or GSI 16..23 */
#endif
