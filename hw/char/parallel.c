/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parallel.c -- parallel printer port on the ISA bus; what is printed goes to a character device.
 *
 * Spec: IEEE 1284-1994, compatibility mode; IBM PS/2 Hardware Interface Technical Reference,
 *   parallel port (bidirectional data).
 * Omits: EPP and ECP; the far end never sends data (reading it gives what was written last).
 * Threads: with the machine lock.
 *
 *     0 data   1 status: BUSY# 7, ACK# 6, PE 5, SELECT 4, ERROR# 3
 *     2 control: direction 5, IRQ 4, SELECT IN 3, INIT# 2, AUTO FEED 1, STROBE 0
 */
#include "core/chardev.h"
#include "hw/char/char.h"
#include "hw/misc/isa.h"

enum { DATA, STATUS, CONTROL, N_PORTS, N_PARALLEL = 3 };
enum { READY = 0x80, ACK_IDLE = 0x40, SELECTED = 0x10, NO_ERROR = 0x08, ALWAYS = 0x07 };
enum { STROBE = 1, IRQ_ON = 0x10, INPUT = 0x20, CONTROL_BITS = 0x3f, CONTROL_ONES = 0xc0 };

typedef struct Parallel {
    Device   dev;
    Irq      line;
    Chardev *chr;
    uint32_t iobase, irq, index;      /* UINT32_MAX: as usual for the index */
    uint8_t  data, control;
    bool     acked;                   /* an interrupt that reading the status ends */
    bool     held;                    /* the byte in `data` found no room yet: BUSY */
} Parallel;

static void update(Parallel *s)
{
    irq_set(&s->line, s->acked && (s->control & IRQ_ON));
}

static void printed(Parallel *s)
{
    s->held = s->chr && !chr_write(s->chr, &s->data, 1);
    if (!s->held) {
        s->acked = true;
        update(s);
    }
}

static uint64_t parallel_read(void *dev, hwaddr off, unsigned size)
{
    Parallel *s = dev;

    switch (off) {
    case DATA:
        return s->control & INPUT ? 0xff : s->data;
    case STATUS:
        s->acked = false;
        update(s);
        return (s->held ? 0 : READY) | ACK_IDLE | (s->chr ? SELECTED : 0) | NO_ERROR | ALWAYS;
    default:
        return s->control | CONTROL_ONES;
    }
}

static void parallel_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Parallel *s = dev;
    uint8_t   old = s->control;

    if (off == DATA) {
        s->data = (uint8_t)val;
    } else if (off == CONTROL) {
        s->control = val & CONTROL_BITS;
        if ((s->control & STROBE) && !(old & STROBE) && !s->held) {
            printed(s);
        }
        update(s);
    }
}

static const MmioOps parallel_ops = { .read = parallel_read, .write = parallel_write, .min = 1,
                                      .max = 1 };

static size_t takes_nothing(void *dev)
{
    return 0;
}

static void room(void *dev)
{
    Parallel *s = dev;

    if (s->held) {
        printed(s);
    }
}

static bool parallel_realize(void *dev, GError **err)
{
    static const uint16_t bases[N_PARALLEL] = { 0x378, 0x278, 0x3bc };
    static const uint8_t  lines[N_PARALLEL] = { 7, 5, 7 };
    Parallel             *s = dev;

    if (s->iobase == UINT32_MAX) {
        s->iobase = bases[s->index];
    }
    if (s->irq == UINT32_MAX) {
        s->irq = lines[s->index];
    }
    if (s->chr) {
        chr_attach(s->chr, &(ChrUser){ .can_receive = takes_nothing, .writable = room, .dev = s });
    }
    return isa_irq(s, &s->line, s->irq, err);
}

static void parallel_reset(void *dev)
{
    Parallel *s = dev;

    s->data = 0;
    s->control = 0x0c;
    s->acked = s->held = false;
    update(s);
}

void *parallel_create(Machine *m, Bus *isa, unsigned index, Chardev *chr, GError **err)
{
    Parallel *s = device_new(m, isa, "isa-parallel", NULL, err);

    if (!s) {
        return NULL;
    }
    s->index = index;
    s->chr = chr;
    return device_realize(s, err) ? s : NULL;
}

static const Field parallel_fields[] = {
    CONFIG(Parallel, index, .max = N_PARALLEL - 1, .help = "Which of the usual places: 0 is LPT1."),
    CONFIG(Parallel, iobase, .def = UINT32_MAX,
           .help = "I/O port; default as usual for the index."),
    CONFIG(Parallel, irq, .def = UINT32_MAX,
           .help = "Interrupt line; default as usual for the index."),
    CONFIG_LINK(Parallel, chr, "chardev", "chardev",
                .help = "Id of the -chardev that takes what is printed."),
    STATE(Parallel, data), STATE(Parallel, control, .max = CONTROL_BITS),
    STATE(Parallel, acked), STATE(Parallel, held),
    STATE_IRQ(Parallel, line),
    FIELD_END
};

const DeviceClass parallel_class = {
    .name = "isa-parallel",
    .desc = "parallel printer port",
    .spec = "IEEE 1284-1994, compatibility mode",
    .bus = "isa",
    .size = sizeof(Parallel),
    .fields = parallel_fields,
    .io = &parallel_ops,
    .bank_size = N_PORTS,
    .realize = parallel_realize,
    .reset = parallel_reset,
};
