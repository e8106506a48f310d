/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci_testdev.c -- a PCI function that describes and counts accesses to itself, for bus and speed
 * tests.
 *
 * Spec: QEMU docs/specs/pci-testdev.
 * Omits: nothing.
 * Threads: with the machine lock.
 *
 * Each BAR begins with the description of the selected test: test 0 | width 1 | offset 4 | data 8 |
 * count 12 | name 16..
 */
#include "hw/pci/pci.h"
#include <string.h>

enum { N_BARS = 2, N_TESTS = 3, MEM_BYTES = 4096, IO_BYTES = 256 };
enum { TEST = 0, COUNT = 12, NAME = 16, NAME_END = 48 };
enum { WIDTH = 1, DATA = 0xfa };

static const char *const test_names[N_BARS][N_TESTS] = {
    { "mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd" },
    { "portio-no-eventfd", "portio-wildcard-eventfd", "portio-datamatch-eventfd" },
};

typedef struct PciTestdev {
    PciDevice pci;
    Region    bank[N_BARS];
    Doorbell  bell[N_BARS][N_TESTS];  /* of tests 1 and 2 */
    uint8_t   test[N_BARS];
    uint32_t  count[N_BARS];
} PciTestdev;

/* Where a guest is to write; behind the description. */
static uint32_t target(unsigned bar, unsigned test)
{
    return (bar ? 0x80 : 0x800) + 4 * test;
}

static uint32_t description(const PciTestdev *s, unsigned bar, unsigned off)
{
    unsigned test = s->test[bar];

    if (test >= N_TESTS) {
        return 0;                     /* width 0 ends the list */
    }
    switch (off) {
    case 0:     return test;
    case 1:     return WIDTH;
    case 4 ... 7:   return (uint8_t)(target(bar, test) >> 8 * (off - 4));
    case 8:     return DATA;
    case 12 ... 15: return (uint8_t)(s->count[bar] >> 8 * (off - COUNT));
    default:
        if (off >= NAME && off < NAME_END) {
            const char *name = test_names[bar][test];
            return off - NAME < strlen(name) ? (uint8_t)name[off - NAME] : 0;
        }
        return 0;
    }
}

static uint64_t testdev_read(PciTestdev *s, unsigned bar, hwaddr off, unsigned size)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        val |= (uint64_t)description(s, bar, off + i) << 8 * i;
    }
    return val;
}

static void testdev_write(PciTestdev *s, unsigned bar, hwaddr off, uint64_t val, unsigned size)
{
    unsigned test = s->test[bar];

    if (off == TEST) {
        s->test[bar] = val;
        s->count[bar] = 0;
    } else if (off == COUNT && size == 4) {
        s->count[bar] = val;
    } else if (test < N_TESTS && off == target(bar, test) && size == WIDTH &&
               (test != 2 || val == DATA)) {
        s->count[bar]++;
    }
}

/* n: bar * N_TESTS + test. */
static void testdev_ring(void *dev, unsigned n)
{
    PciTestdev *s = dev;

    if (s->test[n / N_TESTS] == n % N_TESTS) {
        s->count[n / N_TESTS]++;
    }
}

static uint64_t mem_read(void *dev, hwaddr off, unsigned size)
{
    return testdev_read(dev, 0, off, size);
}

static void mem_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    testdev_write(dev, 0, off, val, size);
}

static uint64_t io_bar_read(void *dev, hwaddr off, unsigned size)
{
    return testdev_read(dev, 1, off, size);
}

static void io_bar_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    testdev_write(dev, 1, off, val, size);
}

static const MmioOps bar_ops[N_BARS] = {
    { .read = mem_read, .write = mem_write, .min = 1, .max = 4 },
    { .read = io_bar_read, .write = io_bar_write, .min = 1, .max = 4 },
};

static bool pci_testdev_realize(void *dev, GError **err)
{
    PciTestdev *s = dev;

    pci_init(&s->pci, &(PciIdent){ .vendor = 0x1b36, .device = 0x0005, .class_code = 0x00ff00,
                                   .subsystem_vendor = 0x1af4, .subsystem = 0x1100 }, NULL);
    region_init_io(&s->bank[0], "pci-testdev-mmio", &bar_ops[0], s, MEM_BYTES);
    region_init_io(&s->bank[1], "pci-testdev-portio", &bar_ops[1], s, IO_BYTES);
    for (unsigned bar = 0; bar < N_BARS; bar++) {
        for (unsigned test = 1; test < N_TESTS; test++) {
            Doorbell *b = &s->bell[bar][test];
            *b = (Doorbell){ .at = target(bar, test), .size = WIDTH, .by_value = test == 2,
                             .val = DATA, .ring = testdev_ring,
                             .dev = s, .n = bar * N_TESTS + test };
            region_doorbell(&s->bank[bar], b);
        }
    }
    pci_bar(&s->pci, 0, PCI_BAR_MEM, false, &s->bank[0]);
    pci_bar(&s->pci, 1, PCI_BAR_IO, false, &s->bank[1]);
    return true;
}

static void pci_testdev_unrealize(void *dev)
{
    PciTestdev *s = dev;

    for (unsigned bar = 0; bar < N_BARS; bar++) {
        region_doorbells_free(&s->bank[bar]);
    }
    pci_unrealize(dev);
}

static void pci_testdev_reset(void *dev)
{
    PciTestdev *s = dev;

    pci_reset(dev);
    for (unsigned n = 0; n < N_BARS; n++) {
        s->test[n] = 0;
        s->count[n] = 0;
    }
}

static const Field pci_testdev_fields[] = {
    PCI_FIELDS(PciTestdev),
    STATE_ARRAY(PciTestdev, test),
    STATE_ARRAY(PciTestdev, count),
    FIELD_END
};

const DeviceClass pci_testdev_class = {
    .name = "pci-testdev",
    .desc = "counts accesses to its BARs",
    .spec = "QEMU docs/specs/pci-testdev",
    .bus = "pci",
    .size = sizeof(PciTestdev),
    .hotplug = true,
    .fields = pci_testdev_fields,
    .realize = pci_testdev_realize,
    .unrealize = pci_testdev_unrealize,
    .reset = pci_testdev_reset,
    .restored = pci_restored,
};
