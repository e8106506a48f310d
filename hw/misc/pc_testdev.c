/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc_testdev.c -- what CPU test suites for virtual PCs expect: a latch in I/O space, one in memory,
 * and interrupt lines.
 *
 * Spec: QEMU pc-testdev, as kvm-unit-tests use it: ports E0-E3 a 32-bit latch, E4-E7 takes the
 *   address of a page whose mapping is to be dropped, E8-EB the latch in bytes, 2000-2017 levels of
 *   GSI 0-23; 64 KiB of scratch at FF000000.
 * Omits: dropping a page's mapping changes nothing that a guest can see here, so E4 takes and
 *   forgets it.
 * Threads: with the machine lock.
 */
#include "hw/intc/intc.h"
#include "hw/misc/isa.h"

enum { N_LINES = 24, SCRATCH_BYTES = 0x10000 };
#define SCRATCH_AT      0xff000000u

typedef struct Testdev {
    Device   dev;
    uint32_t latch;
    uint8_t  scratch[SCRATCH_BYTES];
    Irq      line[N_LINES];
    Region   io, flush, bytes, irqs, mem;
} Testdev;

static uint64_t low_bits(uint64_t val, unsigned size)
{
    return size >= 8 ? val : val & ((1ull << 8 * size) - 1);
}

/* Sizes and offsets count: a word at E1 is bits 23:8. */
static uint64_t latch_read(void *dev, hwaddr off, unsigned size)
{
    return low_bits(((Testdev *)dev)->latch >> (8 * (off & 3)), size);
}

static void latch_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Testdev *s = dev;
    unsigned shift = 8 * (off & 3);
    uint32_t mask = (uint32_t)(low_bits(UINT64_MAX, size) << shift);

    s->latch = (s->latch & ~mask) | ((uint32_t)(val << shift) & mask);
}

static void flush_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
}

static void irqs_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    irq_set(&((Testdev *)dev)->line[off % N_LINES], val != 0);
}

static uint64_t zero_read(void *dev, hwaddr off, unsigned size)
{
    return 0;
}

static uint64_t scratch_read(void *dev, hwaddr off, unsigned size)
{
    Testdev *s = dev;
    uint64_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        val |= (uint64_t)s->scratch[(off + i) % SCRATCH_BYTES] << 8 * i;
    }
    return val;
}

static void scratch_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Testdev *s = dev;

    for (unsigned i = 0; i < size; i++) {
        s->scratch[(off + i) % SCRATCH_BYTES] = val >> 8 * i;
    }
}

static const MmioOps latch_ops = { .read = latch_read, .write = latch_write, .min = 1, .max = 4 };
static const MmioOps byte_ops = { .read = latch_read, .write = latch_write, .min = 1, .max = 1 };
static const MmioOps flush_ops = { .read = zero_read, .write = flush_write, .min = 1, .max = 4 };
static const MmioOps irqs_ops = { .read = zero_read, .write = irqs_write, .min = 1, .max = 1 };
static const MmioOps scratch_ops = { .read = scratch_read, .write = scratch_write, .min = 1,
                                     .max = 8 };

static bool testdev_realize(void *dev, GError **err)
{
    Testdev *s = dev;
    Bus *bus = s->dev.bus;

    region_init_io(&s->io, "testdev-latch", &latch_ops, s, 4);
    region_init_io(&s->flush, "testdev-flush", &flush_ops, s, 4);
    region_init_io(&s->bytes, "testdev-bytes", &byte_ops, s, 4);
    region_init_io(&s->irqs, "testdev-irqs", &irqs_ops, s, N_LINES);
    region_init_io(&s->mem, "testdev-scratch", &scratch_ops, s, SCRATCH_BYTES);
    for (unsigned n = 0; bus && bus->owner && n < N_LINES; n++) {
        irq_connect(&s->line[n], gsi_irq, bus->owner, n);
    }
    if (bus && bus->mem) {
        region_map(bus->mem, &s->mem, SCRATCH_AT);
    }
    return isa_map(s, &s->io, 0xe0, err) && isa_map(s, &s->flush, 0xe4, err) &&
           isa_map(s, &s->bytes, 0xe8, err) && isa_map(s, &s->irqs, 0x2000, err);
}

static void testdev_reset(void *dev)
{
    Testdev *s = dev;

    s->latch = 0;
    for (unsigned n = 0; n < N_LINES; n++) {
        irq_set(&s->line[n], false);
    }
}

static const Field testdev_fields[] = {
    STATE(Testdev, latch),
    STATE_ARRAY(Testdev, scratch),
    STATE_IRQS(Testdev, line),
    FIELD_END
};

const DeviceClass pc_testdev_class = {
    .name = "pc-testdev",
    .desc = "latches and interrupt lines for CPU test suites",
    .spec = "QEMU pc-testdev",
    .bus = "isa",
    .size = sizeof(Testdev),
    .fields = testdev_fields,
    .realize = testdev_realize,
    .reset = testdev_reset,
};
