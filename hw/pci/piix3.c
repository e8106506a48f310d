/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3.c -- 82371SB function 0: PCI interrupts to ISA lines, and the reset control register.
 *
 * Spec: Intel 82371FB/82371SB (PIIX/PIIX3), order 290550-002, chapter 2.2 and 2.5.2 (RC, port CF9).
 * Omits: the ISA bus itself, 8237, 8254 and 8259 (devices of their own); decode enables and SMI
 *   sources hold what is written and act on nothing.
 * Threads: with the machine lock.
 */
#include "core/machine.h"
#include "hw/pci/pcihost.h"

enum { PIRQRC = 0x60, PIRQ_OFF = 0x80 };
enum { RC_SYSTEM = 2, RC_CPU = 4 };

typedef struct Piix3 {
    PciDevice pci;
    Irq       line[4];               /* each PIRQ's own wire to the ISA line that it is routed to */
    bool      pirq[4];                /* levels of the PCI bus's wires */
    uint8_t   rc;
    Region    rc_ports;
    void    (*sink)(void *dev, unsigned n, bool level);
    void     *gsi;
} Piix3;

/* PIRQRC: 7 off, 3:0 the IRQ; 0, 1, 2, 8 and 13 are reserved. */
static bool routed(uint8_t route)
{
    return !(route & PIRQ_OFF) && ((0xdef8u >> (route & 15)) & 1);
}

static void pirq_update(Piix3 *s, unsigned n)
{
    uint8_t route = s->pci.config[PIRQRC + n];
    irq_set(&s->line[n], s->pirq[n] && routed(route));
}

static void pirq_in(void *dev, unsigned n, bool level)
{
    Piix3 *s = dev;
    s->pirq[n] = level;
    pirq_update(s, n);
}

static void route_pirq(Piix3 *s, unsigned n)
{
    uint8_t route = s->pci.config[PIRQRC + n];
    irq_connect(&s->line[n], s->sink, s->gsi, route & 15);
}

static void pirqrc_written(Piix3 *s, unsigned n)
{
    irq_set(&s->line[n], false);
    route_pirq(s, n);
    pirq_update(s, n);
}

static void pirqa_written(void *dev, uint64_t old, uint64_t val) { pirqrc_written(dev, 0); }
static void pirqb_written(void *dev, uint64_t old, uint64_t val) { pirqrc_written(dev, 1); }
static void pirqc_written(void *dev, uint64_t old, uint64_t val) { pirqrc_written(dev, 2); }
static void pirqd_written(void *dev, uint64_t old, uint64_t val) { pirqrc_written(dev, 3); }

static const Reg piix3_regs[] = {
    PCI_REG(PCI_COMMAND, 2, "PCICMD", .reset = 0x0007, .wr = 0x0108),
    PCI_REG(PCI_STATUS, 2, "PCISTS", .reset = 0x0200, .w1c = 0xf800),
    PCI_REG(0x4c, 1, "IORT", .reset = 0x4d, .wr = 0xff),
    PCI_REG(0x4e, 2, "XBCS", .reset = 0x0003, .wr = 0x01ff),
    PCI_REG(0x60, 1, "PIRQRCA", .reset = 0x80, .wr = 0x8f, .on_write = pirqa_written),
    PCI_REG(0x61, 1, "PIRQRCB", .reset = 0x80, .wr = 0x8f, .on_write = pirqb_written),
    PCI_REG(0x62, 1, "PIRQRCC", .reset = 0x80, .wr = 0x8f, .on_write = pirqc_written),
    PCI_REG(0x63, 1, "PIRQRCD", .reset = 0x80, .wr = 0x8f, .on_write = pirqd_written),
    PCI_REG(0x69, 1, "TOM", .reset = 0x02, .wr = 0xfe),
    PCI_REG(0x6a, 2, "MSTAT", .wr = 0x8080),
    PCI_REG(0x70, 1, "MBIRQ0", .reset = 0x80, .wr = 0xef),
    PCI_REG(0x76, 1, "MBDMA0", .reset = 0x0c, .wr = 0x8f),
    PCI_REG(0x77, 1, "MBDMA1", .reset = 0x0c, .wr = 0x8f),
    PCI_REG(0x78, 2, "PCSC", .reset = 0x0002, .wr = 0xffff),
    PCI_REG(0x80, 1, "APICBASE", .wr = 0x7f),
    PCI_REG(0x82, 1, "DLC", .wr = 0x0f),
    PCI_REG(0xa0, 1, "SMICNTL", .reset = 0x08, .wr = 0x1f),
    PCI_REG(0xa2, 2, "SMIEN", .wr = 0x00ff),
    PCI_REG(0xa4, 4, "SEE", .wr = 0xe000ffff),
    PCI_REG(0xa8, 1, "FTMR", .reset = 0x0f, .wr = 0xff),
    PCI_REG(0xaa, 2, "SMIREQ", .wr = 0x00ff),
    PCI_REG(0xac, 1, "CTLTMR", .wr = 0xff),
    PCI_REG(0xae, 1, "CTHTMR", .wr = 0xff),
    { .size = 0 }
};

/*
 * Reset control: 2.5.2.  RCPU going from 0 to 1 resets; SRST says whether the whole system or the
 * CPU alone.
 */
static uint64_t rc_read(void *dev, hwaddr off, unsigned size)
{
    Piix3 *s = dev;
    return off == 1 && size == 1 ? s->rc : UINT32_MAX >> (32 - 8 * size);
}

static void rc_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Piix3 *s = dev;
    if (off != 1 || size != 1) {
        return;
    }
    bool go = (val & RC_CPU) && !(s->rc & RC_CPU);
    s->rc = val & RC_SYSTEM;
    if (go) {
        machine_request(s, MACHINE_RESET);
    }
}

static const MmioOps rc_io = { .read = rc_read, .write = rc_write, .min = 1, .max = 4 };

static bool piix3_realize(void *dev, GError **err)
{
    Piix3 *s = dev;
    (void)err;
    s->pci.multifunction = true;
    pci_init(&s->pci, &(PciIdent){ .vendor = 0x8086, .device = 0x7000, .class_code = 0x060100,
                                   .subsystem_vendor = 0x1af4, .subsystem = 0x1100 }, piix3_regs);
    region_init_io(&s->rc_ports, "reset control", &rc_io, s, 4);
    return true;
}

static void piix3_reset(void *dev)
{
    Piix3 *s = dev;
    for (unsigned n = 0; n < 4; n++) {
        irq_set(&s->line[n], false);
    }
    pci_reset(dev);
    s->rc = 0;
    for (unsigned n = 0; n < 4; n++) {
        route_pirq(s, n);
        pirq_update(s, n);
    }
}

static bool piix3_restored(void *dev, GError **err)
{
    Piix3 *s = dev;
    if (!pci_restored(dev, err)) {
        return false;
    }
    for (unsigned n = 0; n < 4; n++) {
        route_pirq(s, n);
    }
    return true;
}

static const Field piix3_fields[] = {
    PCI_FIELDS(Piix3),
    STATE_IRQS(Piix3, line),
    STATE_ARRAY(Piix3, pirq),
    STATE(Piix3, rc),
    FIELD_END
};

const DeviceClass piix3_class = {
    .name = "PIIX3",
    .desc = "Intel 82371SB ISA bridge: PCI interrupt routing, reset control",
    .spec = "Intel 290550-002",
    .bus = "pci",
    .size = sizeof(Piix3),
    .fields = piix3_fields,
    .realize = piix3_realize,
    .unrealize = pci_unrealize,
    .reset = piix3_reset,
    .restored = piix3_restored,
};

void *piix3_create(Machine *m, PciHost *host, void (*sink)(void *dev, unsigned n, bool level),
                   void *gsi, GError **err)
{
    Piix3 *s = device_new(m, host->bus.base, piix3_class.name, NULL, err);
    if (!s || !device_set(s, "addr", "1", err)) {
        return NULL;
    }
    s->sink = sink;
    s->gsi = gsi;
    if (!device_realize(s, err)) {
        return NULL;
    }
    for (unsigned n = 0; n < 4; n++) {
        route_pirq(s, n);
        irq_connect(&host->bus.pirq[n].out, pirq_in, s, n);
    }
    host->byte_ports = &s->rc_ports;
    return s;
}
