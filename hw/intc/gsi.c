/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gsi.c -- global system interrupts: fans each interrupt line of the PC out to the 8259 pair and
 * the IOAPIC.
 *
 * Spec: MultiProcessor Specification 1.4, 3.6.2 (symmetric I/O mode); ACPI 6.4, 5.2.12.5 (ISA 0 is
 *   GSI 2).
 * Omits: -
 * Threads: with the machine lock.
 *
 * Several drivers may share a line; it is high while one of them is.
 */
#include "hw/intc/intc.h"
#include "core/irqchip.h"
#include "core/trace.h"

enum { N_GSI = 24, N_ISA = 16, PIT_PIN = 2 };

typedef struct Line {
    uint32_t drivers;                 /* that hold it high */
} Line;

typedef struct Gsi {
    Device dev;
    void  *pic, *ioapic;
    Line   line[N_GSI];
} Gsi;

void gsi_irq(void *gsi, unsigned n, bool level)
{
    Gsi *s = gsi;
    Line *l;

    if (!s || n >= N_GSI) {
        return;
    }
    l = &s->line[n];
    if (level ? l->drivers++ != 0 : l->drivers == 0 || --l->drivers != 0) {
        return;                       /* others hold it already, or still */
    }
    trace_gsi_set(n, level);
    if (s->dev.machine->irqchip && s->dev.machine->irqchip->full) {
        s->dev.machine->irqchip->wire(s->dev.machine, n, level);
        return;
    }
    if (s->pic && n < N_ISA) {
        i8259_irq(s->pic, n, level);
    }
    if (s->ioapic) {
        ioapic_irq(s->ioapic, n == 0 ? PIT_PIN : n, level);
    }
}

static bool gsi_restored(void *dev, GError **err)
{
    Gsi *s = dev;
    const IrqChip *chip = s->dev.machine->irqchip;

    for (unsigned n = 0; chip && chip->full && n < N_GSI; n++) {
        chip->wire(s->dev.machine, n, s->line[n].drivers != 0);
    }
    return true;
}

void *gsi_create(Machine *m, void *pic, void *ioapic, GError **err)
{
    Gsi *s = device_new(m, bus_find(m, "sys"), "gsi", NULL, err);

    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    s->pic = pic;
    s->ioapic = ioapic;
    return s;
}

static const Field line_fields[] = {
    STATE(Line, drivers),
    FIELD_END
};

static const Field gsi_fields[] = {
    STATE_STRUCT(Gsi, line, Line, line_fields),
    FIELD_END
};

const DeviceClass gsi_class = {
    .name = "gsi",
    .desc = "interrupt lines to 8259 and IOAPIC",
    .spec = "MultiProcessor Specification 1.4, 3.6.2",
    .bus = "sys",
    .size = sizeof(Gsi),
    .fields = gsi_fields,
    .restored = gsi_restored,
};
