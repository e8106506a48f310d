/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic.c -- I/O APIC: 24 interrupt inputs, each turned into a message to local APICs.
 *
 * Spec: Intel 82093AA (290566-001); EOI register of version 20h: Intel ICH9 (316972) 13.5.6.
 * Omits: delivery status always reads idle; the arbitration register is storage without a serial
 *   bus.
 * Threads: with the machine lock.
 */
#include "hw/intc/intc.h"
#include "core/irqchip.h"
#include "core/trace.h"
#include <string.h>

enum { N_PINS = 24, VERSION = 0x20, BANK_BYTES = 0x1000 };
enum { IOREGSEL = 0x00, IOWIN = 0x10, IOEOI = 0x40 };           /* in the memory window */
enum { IOAPICID = 0, IOAPICVER = 1, IOAPICARB = 2, IOREDTBL = 0x10 };   /* behind IOWIN */

/*
 * Redirection entry: dest 63:56 | mask 16 | trigger 15 | remote IRR 14 | polarity 13 | status 12 |
 * logical 11 | mode 10:8 | vector 7:0.
 */
#define RTE_VECTOR      0xffull
#define RTE_LOGICAL     (1ull << 11)
#define RTE_STATUS      (1ull << 12)
#define RTE_ACTIVE_LOW  (1ull << 13)
#define RTE_REMOTE_IRR  (1ull << 14)
#define RTE_LEVEL       (1ull << 15)
#define RTE_MASK        (1ull << 16)
#define RTE_READONLY    (RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_BITS        0xff0000000001ffffull

enum { MODE_FIXED = 0, MODE_LOWEST = 1, MODE_NMI = 4, MODE_EXTINT = 7 };

typedef struct Ioapic {
    Device   dev;
    void    *bus;
    uint32_t select, id;
    /* inputs, as asserted: the drivers' wires mean "active", whatever the polarity */
    uint32_t lines;
    uint64_t rte[N_PINS];
} Ioapic;

static Msi message_of(uint64_t rte)
{
    return (Msi){
        .address = 0xfee00000 | (rte >> 56) << 12 | (rte & RTE_LOGICAL ? 4 : 0),
        .data = (rte & (RTE_VECTOR | 0x700)) | 1 << 14 | (rte & RTE_LEVEL),
    };
}

static void send_message(Ioapic *s, unsigned n)
{
    Msi msi = message_of(s->rte[n]);

    trace_ioapic_send(n, msi.address, msi.data);
    if (s->bus) {
        apicbus_send(s->bus, &msi);
    }
}

/* Send what pin n has to say, if it may. */
static void service(Ioapic *s, unsigned n, bool edge)
{
    uint32_t bit = 1u << n;
    uint64_t rte = s->rte[n];
    unsigned mode = (rte >> 8) & 7;

    if (rte & RTE_MASK) {
        return;
    }
    if ((rte & RTE_LEVEL) && mode <= MODE_LOWEST) {
        if ((s->lines & bit) && !(rte & RTE_REMOTE_IRR)) {
            s->rte[n] |= RTE_REMOTE_IRR;        /* before sending: the EOI may be quick */
            send_message(s, n);
        }
    } else if (edge) {
        send_message(s, n);
    }
}

void ioapic_irq(void *ioapic, unsigned n, bool level)
{
    Ioapic *s = ioapic;
    uint32_t bit;
    bool edge;

    if (n >= N_PINS) {
        return;
    }
    trace_ioapic_set_irq(n, level);
    bit = 1u << n;
    edge = level && !(s->lines & bit);
    s->lines = level ? s->lines | bit : s->lines & ~bit;
    if (level) {
        service(s, n, edge);          /* 3.2.4: an edge on a masked pin is lost */
    }
}

/*
 * An accelerator with the local APICs alone wants to know whose EOI matters; one with the IO-APIC
 * too, all of it.
 */
static void tell_route(Ioapic *s, unsigned n)
{
    const IrqChip *chip = s->dev.machine->irqchip;
    Msi msi = message_of(s->rte[n]);

    if (chip && !chip->full) {
        chip->route(s->dev.machine, n,
                    s->rte[n] & RTE_MASK || !(s->rte[n] & RTE_LEVEL) ? NULL : &msi);
    }
}

static void tell_all(Ioapic *s)
{
    const IrqChip *chip = s->dev.machine->irqchip;
    IoapicState all = { .select = s->select, .id = s->id };

    memcpy(all.rte, s->rte, sizeof(all.rte));
    if (chip && chip->full) {
        chip->ioapic_store(s->dev.machine, &all);
    }
    for (unsigned n = 0; n < N_PINS; n++) {
        tell_route(s, n);
    }
}

/*
 * An EOI message or a write to the EOI register: remote IRR falls, and a level that is still there
 * comes again.
 */
static void ioapic_eoi(void *dev, uint8_t vector)
{
    Ioapic *s = dev;

    trace_ioapic_eoi(vector);
    for (unsigned n = 0; n < N_PINS; n++) {
        if ((s->rte[n] & RTE_REMOTE_IRR) && (s->rte[n] & RTE_LEVEL) &&
            (s->rte[n] & RTE_VECTOR) == vector) {
            s->rte[n] &= ~RTE_REMOTE_IRR;
            service(s, n, false);
        }
    }
}

static void write_rte(Ioapic *s, unsigned n, bool high, uint32_t val)
{
    uint64_t old = s->rte[n], rte;

    rte = high ? (old & 0xffffffff) | (uint64_t)val << 32 : (old & ~0xffffffffull) | val;
    rte = (rte & RTE_BITS & ~RTE_READONLY) | (old & RTE_READONLY);
    if (!(rte & RTE_LEVEL)) {
        /* meaningless for edges; software clears a stuck one this way */
        rte &= ~RTE_REMOTE_IRR;
    }
    s->rte[n] = rte;
    tell_route(s, n);
    service(s, n, false);
}

static uint32_t window_read(Ioapic *s)
{
    unsigned n = (s->select - IOREDTBL) >> 1;

    switch (s->select) {
    case IOAPICID: case IOAPICARB:
        return s->id;
    case IOAPICVER:
        return VERSION | (N_PINS - 1) << 16;
    default:
        if (s->select < IOREDTBL || n >= N_PINS) {
            return 0;
        }
        return s->select & 1 ? s->rte[n] >> 32 : s->rte[n];
    }
}

static void window_write(Ioapic *s, uint32_t val)
{
    unsigned n = (s->select - IOREDTBL) >> 1;

    if (s->select == IOAPICID) {
        s->id = val & 0x0f000000;
    } else if (s->select >= IOREDTBL && n < N_PINS) {
        write_rte(s, n, s->select & 1, val);
    }
}

static uint64_t ioapic_read(void *dev, hwaddr off, unsigned size)
{
    Ioapic *s = dev;

    switch (off) {
    case IOREGSEL:
        return s->select;
    case IOWIN:
        return window_read(s);
    default:
        return 0;
    }
}

static void ioapic_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Ioapic *s = dev;

    switch (off) {
    case IOREGSEL:
        s->select = val & 0xff;
        break;
    case IOWIN:
        window_write(s, val);
        break;
    case IOEOI:
        ioapic_eoi(s, val);
        break;
    default:
        break;
    }
}

static const MmioOps ioapic_ops = { .read = ioapic_read, .write = ioapic_write, .min = 4,
                                    .max = 4 };

static void ioapic_reset(void *dev)
{
    Ioapic *s = dev;

    s->select = s->id = 0;
    for (unsigned n = 0; n < N_PINS; n++) {
        s->rte[n] = RTE_MASK;
    }
    tell_all(s);
}

static bool ioapic_restored(void *dev, GError **err)
{
    Ioapic *s = dev;

    for (unsigned n = 0; n < N_PINS; n++) {
        s->rte[n] &= RTE_BITS;
    }
    tell_all(s);
    return true;
}

static void ioapic_refresh(void *dev)
{
    Ioapic *s = dev;
    const IrqChip *chip = s->dev.machine->irqchip;
    IoapicState all;

    if (chip && chip->full) {
        chip->ioapic_fetch(s->dev.machine, &all);
        s->select = all.select & 0xff;
        s->id = all.id & 0x0f000000;
        s->lines = chip->pins(s->dev.machine);
        for (unsigned n = 0; n < N_PINS; n++) {
            s->rte[n] = all.rte[n] & RTE_BITS;
        }
    }
}

void *ioapic_create(Machine *m, Region *memory, hwaddr at, void *bus, GError **err)
{
    Ioapic *s = device_new(m, bus_find(m, "sys"), "ioapic", NULL, err);

    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    s->bus = bus;
    apicbus_on_eoi(bus, ioapic_eoi, s);
    region_map(memory, &s->dev.bank, at);
    return s;
}

static const Field ioapic_fields[] = {
    STATE(Ioapic, select, .max = 0xff),
    STATE(Ioapic, id),
    STATE(Ioapic, lines, .max = (1u << N_PINS) - 1),
    STATE_ARRAY(Ioapic, rte),
    FIELD_END
};

const DeviceClass ioapic_class = {
    .name = "ioapic",
    .desc = "I/O APIC with 24 inputs",
    .spec = "Intel 82093AA (290566-001)",
    .bus = "sys",
    .size = sizeof(Ioapic),
    .fields = ioapic_fields,
    .io = &ioapic_ops,
    .bank_size = BANK_BYTES,
    .reset = ioapic_reset,
    .restored = ioapic_restored,
    .refresh = ioapic_refresh,
};
