/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8259.c -- the PC's pair of programmable interrupt controllers, with the edge/level registers of
 * the PCI bridges.
 *
 * Spec: Intel 8259A (231468-003); ELCR and fixed trigger modes: 82371SB (PIIX3, 290550-002) section
 *   2.5, 5.
 * Omits: MCS-80/85 mode, buffered mode (bits are kept, pins are not there), LTIM (PIIX3 replaces it
 *   by ELCR).
 *   An edge whose line falls before INTA stays latched (the chip would answer with the default IRQ
 *   7); level requests that vanish, and requests masked in the meantime, do give the spurious IRQ 7
 *   or 15.
 * Threads: with the machine lock.
 */
#include "hw/intc/intc.h"
#include "core/irqchip.h"
#include "core/trace.h"

enum { MASTER, SLAVE };
enum { CASCADE = 2, SPURIOUS = 7 };

enum {                                /* ICW1, ICW4: tables 1-2 of the data sheet */
    ICW1_IC4 = 0x01, ICW1_SNGL = 0x02, ICW1_SELECT = 0x10,
    ICW4_UPM = 0x01, ICW4_AEOI = 0x02, ICW4_SFNM = 0x10,
    OCW_IS_3 = 0x08,
    OCW3_RIS = 0x01, OCW3_RR = 0x02, OCW3_POLL = 0x04, OCW3_SMM = 0x20, OCW3_ESMM = 0x40,
};

/* INT is low until READY */
typedef enum { READY, WANT_ICW2, WANT_ICW3, WANT_ICW4, POWER_ON, N_STEPS } InitStep;

typedef struct Chip {
    uint8_t lines;                    /* IR pins */
    uint8_t latch;                    /* edges seen and not yet acknowledged */
    uint8_t elcr;                     /* 1: level triggered */
    uint8_t imr, isr;
    uint8_t icw1, icw3, icw4;
    uint8_t vector;                   /* ICW2, T7-T3 */
    uint8_t top;                      /* IR with the highest priority (rotation) */
    uint8_t step;                     /* InitStep */
    bool    read_isr, poll, special_mask, rotate_aeoi;
} Chip;

typedef struct I8259 {
    Device dev;
    Chip   chip[2];
    Irq    intr;                      /* master's INT */
    Region port[2], elcr_port;
} I8259;

/* IRQ 0, 1, 2, 8, 13 are always edge: PIIX3 2.5.6 */
static const uint8_t elcr_writable[2] = { 0xf8, 0xde };

/*
 * Pins that act as level inputs.  The cascade does: INT of a slave with more requests has no new
 * edge.
 */
static uint8_t level_mask(const I8259 *s, unsigned which)
{
    const Chip *c = &s->chip[which];

    return c->elcr | (which == MASTER && !(c->icw1 & ICW1_SNGL) ? 1u << CASCADE : 0);
}

static uint8_t chip_irr(const I8259 *s, unsigned which)
{
    const Chip *c = &s->chip[which];
    uint8_t level = level_mask(s, which);

    return (c->latch & ~level) | (c->lines & level);
}

/* Rank of the best of some requests, 0 the highest, 8 if there is none. */
static unsigned best_rank(const Chip *c, uint8_t bits)
{
    unsigned rank = 0;

    while (rank < 8 && !(bits & (1u << ((c->top + rank) & 7)))) {
        rank++;
    }
    return rank;
}

/*
 * The IR that INT stands for, or -1: "fully nested", "special mask" and "special fully nested" of
 * the data sheet.
 */
static int chip_pending(const I8259 *s, unsigned which)
{
    const Chip *c = &s->chip[which];
    unsigned rank = best_rank(c, chip_irr(s, which) & ~c->imr);
    uint8_t in_service = c->isr;
    unsigned blocked;

    if (rank == 8 || c->step != READY) {
        return -1;
    }
    if (c->special_mask) {
        in_service &= ~c->imr;        /* a masked level in service inhibits nothing but itself */
    }
    if (which == MASTER && (c->icw4 & ICW4_SFNM) && !(c->icw1 & ICW1_SNGL)) {
        in_service &= ~(1u << CASCADE);         /* the slave's own better requests come through */
    }
    blocked = best_rank(c, in_service);
    return rank < blocked ? (int)((c->top + rank) & 7) : -1;
}

static void i8259_set_line(I8259 *s, unsigned which, unsigned n, bool level)
{
    Chip *c = &s->chip[which];
    uint8_t bit = 1u << n;

    if (level) {
        if (!(c->lines & bit)) {
            c->latch |= bit;
        }
        c->lines |= bit;
    } else {
        c->lines &= ~bit;
    }
}

static void i8259_update(I8259 *s)
{
    i8259_set_line(s, MASTER, CASCADE, chip_pending(s, SLAVE) >= 0);
    irq_set(&s->intr, chip_pending(s, MASTER) >= 0);
}

void i8259_irq(void *pic, unsigned n, bool level)
{
    I8259 *s = pic;

    if (n < 16 && n != CASCADE) {
        trace_pic_set_irq(n, level);
        i8259_set_line(s, n >> 3, n & 7, level);
        i8259_update(s);
    }
}

/* The first INTA pulse: freeze and put in service. */
static unsigned chip_acknowledge(I8259 *s, unsigned which)
{
    Chip *c = &s->chip[which];
    int n = chip_pending(s, which);

    if (n < 0) {
        return SPURIOUS;
    }
    c->latch &= ~(1u << n);
    if (!(c->icw4 & ICW4_AEOI)) {
        c->isr |= 1u << n;
    } else if (c->rotate_aeoi) {
        c->top = (n + 1) & 7;
    }
    return n;
}

int i8259_ack(void *pic)
{
    I8259 *s = pic;
    Chip *m = &s->chip[MASTER], *sl = &s->chip[SLAVE];
    bool cascade = !(m->icw1 & ICW1_SNGL) && chip_pending(s, MASTER) == CASCADE;
    unsigned n = chip_acknowledge(s, MASTER);
    int vector = m->vector + n;

    if (cascade) {
        vector = sl->vector + chip_acknowledge(s, SLAVE);
    }
    trace_pic_ack(vector);
    irq_set(&s->intr, false);         /* INT falls with INTA, then follows what is left */
    i8259_update(s);
    return vector;
}

/* ICW1: figure 6 and "Initialization Command Words". */
static void chip_icw1(I8259 *s, unsigned which, uint8_t val)
{
    Chip *c = &s->chip[which];

    c->icw1 = val;
    c->latch = c->imr = c->isr = c->top = 0;
    c->icw4 = val & ICW1_IC4 ? c->icw4 : 0;
    c->read_isr = c->poll = c->special_mask = c->rotate_aeoi = false;
    c->step = WANT_ICW2;
}

/* OCW2: R, SL, EOI in bits 7-5. */
static void chip_ocw2(Chip *c, uint8_t val)
{
    unsigned n = val & 7, rank;
    bool rotate = val & 0x80;

    switch (val >> 5) {
    case 0: case 4:                   /* rotate in automatic EOI mode: clear, set */
        c->rotate_aeoi = rotate;
        break;
    case 1: case 5:                  /* non-specific EOI; masked levels stay in special mask mode */
        rank = best_rank(c, c->special_mask ? c->isr & ~c->imr : c->isr);
        if (rank < 8) {
            n = (c->top + rank) & 7;
            c->isr &= ~(1u << n);
            if (rotate) {
                c->top = (n + 1) & 7;
            }
        }
        break;
    case 3: case 7:                   /* specific EOI */
        c->isr &= ~(1u << n);
        if (rotate) {
            c->top = (n + 1) & 7;
        }
        break;
    case 6:                           /* set priority: n becomes the lowest */
        c->top = (n + 1) & 7;
        break;
    default:                          /* no operation */
        break;
    }
}

static void chip_ocw3(Chip *c, uint8_t val)
{
    if (val & OCW3_POLL) {
        c->poll = true;
    } else if (val & OCW3_RR) {
        c->read_isr = val & OCW3_RIS;
    }
    if (val & OCW3_ESMM) {
        c->special_mask = val & OCW3_SMM;
    }
}

static void chip_write_data(Chip *c, uint8_t val)
{
    switch ((InitStep)c->step) {
    case WANT_ICW2:
        c->vector = val & 0xf8;
        c->step = !(c->icw1 & ICW1_SNGL) ? WANT_ICW3 : c->icw1 & ICW1_IC4 ? WANT_ICW4 : READY;
        break;
    case WANT_ICW3:
        c->icw3 = val;
        c->step = c->icw1 & ICW1_IC4 ? WANT_ICW4 : READY;
        break;
    case WANT_ICW4:
        c->icw4 = val;
        c->step = READY;
        break;
    default:
        c->imr = val;
        break;
    }
}

static void i8259_write(I8259 *s, unsigned which, hwaddr off, uint8_t val)
{
    Chip *c = &s->chip[which];

    if (off & 1) {
        chip_write_data(c, val);
    } else if (val & ICW1_SELECT) {
        chip_icw1(s, which, val);
    } else if (val & OCW_IS_3) {
        chip_ocw3(c, val);
    } else {
        chip_ocw2(c, val);
    }
    i8259_update(s);
}

static uint64_t i8259_read(I8259 *s, unsigned which, hwaddr off)
{
    Chip *c = &s->chip[which];
    int n;

    if (c->poll) {                    /* this read is the INTA: "Poll Command" */
        c->poll = false;
        n = chip_pending(s, which);
        if (n < 0) {
            return 0;
        }
        chip_acknowledge(s, which);
        i8259_update(s);
        return 0x80 | (unsigned)n;
    }
    if (off & 1) {
        return c->imr;
    }
    return c->read_isr ? c->isr : chip_irr(s, which);
}

static uint64_t master_read(void *dev, hwaddr off, unsigned size)
{
    return i8259_read(dev, MASTER, off);
}

static void master_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    i8259_write(dev, MASTER, off, val);
}

static uint64_t slave_read(void *dev, hwaddr off, unsigned size)
{
    return i8259_read(dev, SLAVE, off);
}

static void slave_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    i8259_write(dev, SLAVE, off, val);
}

static uint64_t elcr_read(void *dev, hwaddr off, unsigned size)
{
    I8259 *s = dev;

    return s->chip[off & 1].elcr;
}

static void elcr_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    I8259 *s = dev;

    s->chip[off & 1].elcr = val & elcr_writable[off & 1];
    i8259_update(s);
}

static const MmioOps master_ops = { .read = master_read, .write = master_write, .min = 1,
                                    .max = 1 };
static const MmioOps slave_ops = { .read = slave_read, .write = slave_write, .min = 1, .max = 1 };
static const MmioOps elcr_ops = { .read = elcr_read, .write = elcr_write, .min = 1, .max = 1 };

/* ---- where the accelerator has the chips: core/irqchip.h ---- */

static const IrqChip *outside(const I8259 *s)
{
    const IrqChip *chip = s->dev.machine->irqchip;

    return chip && chip->full ? chip : NULL;
}

/*
 * POWER_ON is not among an accelerator's states: everything masked does the same until ICW1 comes.
 */
static void i8259_store(I8259 *s)
{
    PicState p[2];

    if (!outside(s)) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        const Chip *c = &s->chip[i];
        p[i] = (PicState){
            .lines = c->lines, .irr = chip_irr(s, i),
            .imr = c->step == POWER_ON ? 0xff : c->imr, .isr = c->isr, .elcr = c->elcr,
            .elcr_writable = elcr_writable[i], .vector = c->vector,
            .top = c->top, .step = c->step == POWER_ON ? 0 : c->step,
            .icw4_comes = c->icw1 & ICW1_IC4, .auto_eoi = c->icw4 & ICW4_AEOI,
            .nested_special = c->icw4 & ICW4_SFNM,
            .special_mask = c->special_mask, .rotate_aeoi = c->rotate_aeoi,
            .read_isr = c->read_isr, .poll = c->poll,
        };
    }
    outside(s)->pic_store(s->dev.machine, p);
}

static void i8259_refresh(void *dev)
{
    I8259 *s = dev;
    PicState p[2];

    if (!outside(s)) {
        return;
    }
    outside(s)->pic_fetch(s->dev.machine, p);
    for (unsigned i = 0; i < 2; i++) {
        const PicState *q = &p[i];
        s->chip[i] = (Chip){
            .lines = q->lines, .latch = q->irr,
            .elcr = q->elcr & elcr_writable[i], .imr = q->imr, .isr = q->isr,
            .icw1 = ICW1_SELECT | (q->icw4_comes ? ICW1_IC4 : 0),
            .icw3 = i == MASTER ? 1 << CASCADE : CASCADE,
            .icw4 = ICW4_UPM | (q->auto_eoi ? ICW4_AEOI : 0) | (q->nested_special ? ICW4_SFNM : 0),
            .vector = q->vector & 0xf8,
            .top = q->top & 7, .step = q->step & 3, .read_isr = q->read_isr,
            .poll = q->poll, .special_mask = q->special_mask,
            .rotate_aeoi = q->rotate_aeoi,
        };
    }
    i8259_update(s);
}

static void i8259_reset(void *dev)
{
    I8259 *s = dev;

    for (unsigned i = 0; i < 2; i++) {
        /* inputs are others' outputs */
        s->chip[i] = (Chip){ .lines = s->chip[i].lines, .step = POWER_ON };
    }
    i8259_update(s);
    i8259_store(s);
}

static bool i8259_restored(void *dev, GError **err)
{
    I8259 *s = dev;

    for (unsigned i = 0; i < 2; i++) {
        s->chip[i].elcr &= elcr_writable[i];
    }
    i8259_store(s);
    return true;                      /* every index has its bound in the table */
}

static bool i8259_realize(void *dev, GError **err)
{
    I8259 *s = dev;

    region_init_io(&s->port[MASTER], "pic-master", &master_ops, s, 2);
    region_init_io(&s->port[SLAVE], "pic-slave", &slave_ops, s, 2);
    region_init_io(&s->elcr_port, "pic-elcr", &elcr_ops, s, 2);
    return true;
}

void *i8259_create(Machine *m, Region *io, GError **err)
{
    I8259 *s = device_new(m, bus_find(m, "sys"), "isa-i8259", NULL, err);

    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    region_map(io, &s->port[MASTER], 0x20);
    region_map(io, &s->port[SLAVE], 0xa0);
    region_map(io, &s->elcr_port, 0x4d0);
    return s;
}

void i8259_connect(void *pic, void (*sink)(void *dev, unsigned n, bool level), void *dev,
                   unsigned n)
{
    I8259 *s = pic;

    irq_connect(&s->intr, sink, dev, n);
}

static const Field chip_fields[] = {
    STATE(Chip, lines),
    STATE(Chip, latch),
    STATE(Chip, elcr),
    STATE(Chip, imr),
    STATE(Chip, isr),
    STATE(Chip, icw1),
    STATE(Chip, icw3),
    STATE(Chip, icw4),
    STATE(Chip, vector, .max = 0xf8),
    STATE(Chip, top, .max = 7),
    STATE(Chip, step, .max = N_STEPS - 1),
    STATE(Chip, read_isr),
    STATE(Chip, poll),
    STATE(Chip, special_mask),
    STATE(Chip, rotate_aeoi),
    FIELD_END
};

static const Field i8259_fields[] = {
    STATE_STRUCT(I8259, chip, Chip, chip_fields),
    STATE_IRQ(I8259, intr),
    FIELD_END
};

const DeviceClass i8259_class = {
    .name = "isa-i8259",
    .desc = "pair of programmable interrupt controllers",
    .spec = "Intel 8259A (231468-003), 82371SB (290550-002)",
    .bus = "sys",
    .size = sizeof(I8259),
    .fields = i8259_fields,
    .realize = i8259_realize,
    .reset = i8259_reset,
    .restored = i8259_restored,
    .refresh = i8259_refresh,
};
