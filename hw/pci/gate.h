/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.h -- a wire shared by several drivers: it is high while at least one of them drives it high.
 *
 * Spec: PCI Local Bus 3.0, 2.2.6 (INTx are shared, level-sensitive wires).
 * Omits: nothing.
 * Threads: with the machine lock, like every Irq.
 */
#ifndef HW_PCI_GATE_H
#define HW_PCI_GATE_H
#include "core/device.h"

typedef struct IrqGate {
    Irq      out;
    uint16_t drivers;                 /* how many inputs are high; a driver calls only when its own level changes */
} IrqGate;

static inline void irq_gate_sink(void *gate, unsigned n, bool level)
{
    IrqGate *g = gate;
    (void)n;
    if (level) {
        g->drivers++;
    } else if (g->drivers) {
        g->drivers--;
    }
    irq_set(&g->out, g->drivers != 0);
}

static inline void irq_gate_connect(Irq *wire, IrqGate *gate)
{
    irq_connect(wire, irq_gate_sink, gate, 0);
}

/* Both belong in the owner's Field table; the inputs' levels are the drivers' own state. */
#define IRQ_GATE_FIELDS(S, m)                                                                      \
    { .name = #m ".out", .type = T_IRQ, .flags = F_STATE, .offset = offsetof(S, m.out), .count = 1 }, \
    { .name = #m ".drivers", .type = T_U16, .flags = F_STATE, .offset = offsetof(S, m.drivers), .count = 1 }
#endif
