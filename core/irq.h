/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq.h -- a wire.  The driver owns the Irq, the controller owns the sink.
 * Levels only: an edge is a level change, seen by the sink.  A controller's
 * reset keeps the levels of its inputs: they are other devices' outputs.
 * Wires shared by several drivers (PCI INTx) meet in a gate that counts.
 *
 * Threads: with the machine lock.
 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H
#include "core/field.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct Irq {
    void   (*sink)(void *dev, unsigned n, bool level);
    void    *dev;
    unsigned n;
    bool     level;
} Irq;

/* A message is no wire: it is a write into the sender's AddressSpace, from any thread.
 * It has a name so that an accelerator can bind it to a descriptor. */
typedef struct Msi {
    uint64_t address;
    uint32_t data, requester;
} Msi;

static inline void irq_connect(Irq *q, void (*sink)(void *dev, unsigned n, bool level), void *dev,
                               unsigned n)
{
    q->sink = sink;
    q->dev = dev;
    q->n = n;
}

static inline void irq_set(Irq *q, bool level)
{
    if (q->level != level) {
        q->level = level;
        if (q->sink) {
            q->sink(q->dev, q->n, level);
        }
    }
}

/* Several drivers on one wire: connect each to irq_gate_sink(gate).  The output is high while any
 * of them is.
 * Save `high` with the owner's state (STATE_STRUCT with irq_gate_fields). */
typedef struct IrqGate {
    Irq      out;
    uint32_t high;                    /* drivers that are high */
} IrqGate;

static inline void irq_gate_sink(void *gate, unsigned n, bool level)
{
    IrqGate *g = gate;
    (void)n;
    if (level) {
        g->high++;
    } else if (g->high) {
        g->high--;
    }
    irq_set(&g->out, g->high != 0);
}
extern const Field irq_gate_fields[];
#endif
