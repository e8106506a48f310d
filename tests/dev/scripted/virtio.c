/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio.c -- virtio devices against a driver that is the test: negotiation, rings, interrupts,
   input, GPU; hostile and random rings. */
#include "core/display.h"
#include "tests/dev/scripted/rig.h"
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

enum { RAM_BYTES = 4 << 20, BAR = 0x20000000, MSIX_BAR = 0x20010000, DEVFN = 3 << 3, ISR = 0x1000,
       CONFIG = 0x2000, NOTIFY = 0x3000 };
enum { DESC = 0x1000, AVAIL = 0x2000, USED = 0x3000, QUEUE_STEP = 0x10000, TABLE = 0x8000,
       DATA = 0x100000, SIZE = 8 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4, NEEDS_RESET = 0x40 };
#define INDIRECT_BIT (UINT64_C(1) << 28)
#define EVENT_IDX    (UINT64_C(1) << 29)
#define VERSION_1    (UINT64_C(1) << 32)

static uint16_t added[4];

static uint32_t rd(uint32_t at, unsigned size)
{
    MemResult res;
    return (uint32_t)io_read(rig.m->as_memory, BAR + at, size, &res);
}

static void wr(uint32_t at, uint32_t val, unsigned size)
{
    io_write(rig.m->as_memory, BAR + at, val, size);
}

static uint8_t *ram(uint32_t at)
{
    return rig.m->ram.host + at;
}

static void put(uint32_t at, uint64_t val, unsigned size)
{
    memcpy(ram(at), &val, size);
}

static uint32_t get(uint32_t at, unsigned size)
{
    uint32_t v = 0;
    memcpy(&v, ram(at), size);
    return v;
}

static void up(void)
{
    rig_up();
    rig_pc(1);
    rig_ram(RAM_BYTES);
    rig_pci();
    memset(added, 0, sizeof(added));
}

static Device *plug_with(const char *class_name, const char *key, const char *val)
{
    Device *d = rig_pci_add(class_name, 3, key, val, NULL);
    pci_config_write(&rig.host->bus, DEVFN, 0x20, BAR, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x14, MSIX_BAR, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x04, 6, 2);
    rig.m->state = RUN_RUNNING;
    return d;
}

static Device *plug(const char *class_name)
{
    return plug_with(class_name, NULL, NULL);
}

static uint64_t offered(void)
{
    wr(0, 0, 4);
    uint64_t low = rd(4, 4);
    wr(0, 1, 4);
    return low | (uint64_t)rd(4, 4) << 32;
}

static bool negotiate(uint64_t features)
{
    wr(0x14, 0, 1);
    wr(0x14, 3, 1);
    wr(8, 0, 4);
    wr(12, (uint32_t)features, 4);
    wr(8, 1, 4);
    wr(12, (uint32_t)(features >> 32), 4);
    wr(0x14, 0xb, 1);
    return rd(0x14, 1) & 8;
}

static void queue_up(unsigned n, unsigned vector)
{
    uint32_t at = n * QUEUE_STEP;
    wr(0x16, n, 2);
    wr(0x18, SIZE, 2);
    wr(0x1a, vector, 2);
    wr(0x20, DESC + at, 4);
    wr(0x24, 0, 4);
    wr(0x28, AVAIL + at, 4);
    wr(0x2c, 0, 4);
    wr(0x30, USED + at, 4);
    wr(0x34, 0, 4);
    wr(0x1c, 1, 2);
    ck_assert_uint_eq(rd(0x1c, 2), 1);
    memset(ram(DESC + at), 0, 0x3000);
    added[n] = 0;
}

static void start(uint64_t features, unsigned queues)
{
    ck_assert(negotiate(features | VERSION_1));
    for (unsigned i = 0; i < queues; i++) {
        queue_up(i, 0xffff);
    }
    wr(0x14, 0xf, 1);
    ck_assert_uint_eq(rd(0x14, 1), 0xf);
}

static void desc_at(uint32_t table, unsigned i, uint64_t at, uint32_t bytes, unsigned flags,
                    unsigned next)
{
    put(table + i * 16, at, 8);
    put(table + i * 16 + 8, bytes, 4);
    put(table + i * 16 + 12, flags, 2);
    put(table + i * 16 + 14, next, 2);
}

static void desc(unsigned q, unsigned i, uint64_t at, uint32_t bytes, unsigned flags, unsigned next)
{
    desc_at(DESC + q * QUEUE_STEP, i, at, bytes, flags, next);
}

static void offer(unsigned q, unsigned head)
{
    put(AVAIL + q * QUEUE_STEP + 4 + 2 * (added[q] % SIZE), head, 2);
    put(AVAIL + q * QUEUE_STEP + 2, ++added[q], 2);
}

static void kick(unsigned q)
{
    wr(NOTIFY + 4 * q, q, 2);
}

static unsigned used(unsigned q)
{
    return get(USED + q * QUEUE_STEP + 2, 2);
}

static uint32_t used_bytes(unsigned q, unsigned i)
{
    return get(USED + q * QUEUE_STEP + 8 + 8 * (i % SIZE), 4);
}

static bool pin(void)
{
    return pci_config_read(&rig.host->bus, DEVFN, 0x06, 2) & 8;
}

#define V_TEST(fn) RIG_TEST_IN(s, "virtio", up, rig_down, fn)

START_TEST(negotiation)
{
    plug("virtio-rng-pci");
    ck_assert_uint_eq(pci_config_read(&rig.host->bus, DEVFN, 0, 4), 0x10441af4);
    ck_assert(offered() & VERSION_1);
    ck_assert(!negotiate(0));                   /* a legacy driver */
    ck_assert(!negotiate(VERSION_1 | UINT64_C(1) << 40));
    ck_assert(negotiate(VERSION_1));
    wr(12, 0, 4);                               /* too late */
    ck_assert_uint_eq(rd(0x14, 1), 0xb);
    ck_assert_uint_eq(rd(0x12, 2), 1);          /* queues */
    wr(0x16, 0, 2);
    wr(0x20, DESC + 4, 4);                      /* not aligned */
    wr(0x1c, 1, 2);
    ck_assert_uint_eq(rd(0x1c, 2), 0);
    wr(0x16, 5, 2);
    ck_assert_uint_eq(rd(0x18, 2), 0);
    wr(0x16, 0, 2);
    wr(0x1a, 7, 2);                             /* no such vector */
    ck_assert_uint_eq(rd(0x1a, 2), 0xffff);
    wr(0x14, 0, 1);
    ck_assert_uint_eq(rd(0x14, 1), 0);
    /* the window in configuration space */
    pci_config_write(&rig.host->bus, DEVFN, 0x44, 4, 1);
    pci_config_write(&rig.host->bus, DEVFN, 0x48, 0x12, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x4c, 2, 4);
    ck_assert_uint_eq(pci_config_read(&rig.host->bus, DEVFN, 0x50, 2), 1);
    pci_config_write(&rig.host->bus, DEVFN, 0x48, 0x14, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x4c, 1, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x50, 3, 1);
    ck_assert_uint_eq(rd(0x14, 1), 3);
    pci_config_write(&rig.host->bus, DEVFN, 0x48, 0xfffffffe, 4);
    pci_config_read(&rig.host->bus, DEVFN, 0x50, 1);
}
END_TEST

START_TEST(rings)
{
    plug("virtio-rng-pci");
    start(INDIRECT_BIT, 1);
    desc(0, 0, DATA, 64, WRITE | NEXT, 1);
    desc(0, 1, DATA + 256, 32, WRITE, 0);
    offer(0, 0);
    ck_assert(!pin());
    kick(0);
    ck_assert_uint_eq(used(0), 1);
    ck_assert_uint_eq(used_bytes(0, 0), 96);
    ck_assert(pin());
    ck_assert_uint_eq(rd(ISR, 1), 1);
    ck_assert(!pin());
    unsigned zeros = 0;
    for (unsigned i = 0; i < 64; i++) {
        zeros += !*ram(DATA + i);
    }
    ck_assert_uint_lt(zeros, 32);
    ck_assert_uint_eq(get(DATA + 64, 4), 0);    /* not beyond */
    desc_at(TABLE, 0, DATA + 0x1000, 16, WRITE | NEXT, 1);
    desc_at(TABLE, 1, DATA + 0x1010, 16, WRITE, 0);
    desc(0, 3, TABLE, 32, INDIRECT, 0);
    put(AVAIL, 1, 2);                           /* no interrupt, please */
    offer(0, 3);
    kick(0);
    ck_assert_uint_eq(used_bytes(0, 1), 32);
    ck_assert(!pin());
    rig_round_trip();
    for (unsigned i = 0; i < 3 * SIZE; i++) {   /* round and round */
        offer(0, 0);
        kick(0);
    }
    ck_assert_uint_eq(used(0), 2 + 3 * SIZE);
}
END_TEST

START_TEST(event_index)
{
    plug("virtio-rng-pci");
    start(EVENT_IDX, 1);
    desc(0, 0, DATA, 16, WRITE, 0);
    put(AVAIL + 4 + 2 * SIZE, 1, 2);            /* tell me when used passes 1: at the second */
    offer(0, 0);
    kick(0);
    rd(ISR, 1);
    ck_assert_uint_eq(get(USED + 4 + 8 * SIZE, 2), 1);    /* the device waits for the next */
    put(AVAIL + 4 + 2 * SIZE, 2, 2);
    offer(0, 0);
    kick(0);
    ck_assert(!pin());
    offer(0, 0);
    kick(0);
    ck_assert(pin());
}
END_TEST

/* MSI-X messages are writes: into RAM, here. */
START_TEST(messages)
{
    plug("virtio-rng-pci");
    Machine *m = rig.m;
    unsigned cap = 0x34;
    for (unsigned i = 0; i < 16 && (cap = pci_config_read(&rig.host->bus, DEVFN, cap == 0x34 ? cap :
                                                          cap + 1, 1)); i++) {
        if (pci_config_read(&rig.host->bus, DEVFN, cap, 1) == 0x11) {
            break;
        }
    }
    ck_assert_uint_ne(cap, 0);
    io_write(m->as_memory, MSIX_BAR + 16, 0x7000, 4);
    io_write(m->as_memory, MSIX_BAR + 20, 0, 4);
    io_write(m->as_memory, MSIX_BAR + 24, 0x1234, 4);
    io_write(m->as_memory, MSIX_BAR + 28, 0, 4);
    pci_config_write(&rig.host->bus, DEVFN, cap + 2, 0x8000, 2);
    ck_assert(negotiate(VERSION_1));
    queue_up(0, 1);
    wr(0x14, 0xf, 1);
    desc(0, 0, DATA, 16, WRITE, 0);
    offer(0, 0);
    kick(0);
    ck_assert_uint_eq(get(0x7000, 4), 0x1234);
    ck_assert(!pin());
}
END_TEST

static void broken(void)
{
    kick(0);
    ck_assert_uint_eq(rd(0x14, 1) & NEEDS_RESET, NEEDS_RESET);
    ck_assert_uint_eq(used(0), 0);
    start(INDIRECT_BIT, 1);                     /* and a reset mends it */
    ck_assert_uint_eq(rd(0x14, 1), 0xf);
}

START_TEST(hostile)
{
    plug("virtio-rng-pci");
    start(INDIRECT_BIT, 1);
    desc(0, 0, DATA, 16, WRITE | NEXT, 0);      /* a loop */
    offer(0, 0);
    broken();
    offer(0, SIZE);                             /* a head outside */
    broken();
    desc(0, 0, DATA, 16, WRITE | NEXT, SIZE);   /* a next outside */
    offer(0, 0);
    broken();
    put(AVAIL + 2, SIZE + 1, 2);                /* more than the ring holds */
    broken();
    desc(0, 0, DATA, 16, WRITE | NEXT, 1);      /* to read behind to write */
    desc(0, 1, DATA, 16, 0, 0);
    offer(0, 0);
    broken();
    desc(0, 0, TABLE, 24, INDIRECT, 0);         /* half an entry */
    offer(0, 0);
    broken();
    desc(0, 0, TABLE, 16, INDIRECT, 0);         /* indirect in indirect */
    desc_at(TABLE, 0, TABLE, 16, INDIRECT, 0);
    offer(0, 0);
    broken();
    desc(0, 0, TABLE, 16, INDIRECT | NEXT, 1);
    offer(0, 0);
    broken();
    desc(0, 0, UINT64_MAX - 4, 16, WRITE, 0);   /* wraps */
    offer(0, 0);
    broken();
    desc(0, 0, TABLE, 0x7ffffff0, INDIRECT, 0);   /* a table of millions, chained through */
    for (unsigned i = 0; i < 2000; i++) {
        desc_at(TABLE, i, DATA, 1, WRITE | NEXT, i + 1);
    }
    offer(0, 0);
    broken();
    desc(0, 0, 0xf0000000, 16, WRITE, 0);       /* where nothing is: used, with nothing in it */
    offer(0, 0);
    kick(0);
    ck_assert_uint_eq(used(0), 1);
    ck_assert_uint_eq(used_bytes(0, 0), 0);
    pci_config_write(&rig.host->bus, DEVFN, 0x04, 2, 2);      /* no bus mastering */
    offer(0, 0);
    kick(0);
    ck_assert_uint_eq(rd(0x14, 1) & NEEDS_RESET, NEEDS_RESET);
}
END_TEST

/* ---- input ---- */
static void event_buffers(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        desc(0, i, DATA + 8 * i, 8, WRITE, 0);
        offer(0, i);
    }
}

static void expect_event(unsigned i, unsigned type, unsigned code, uint32_t value)
{
    ck_assert_uint_eq(get(DATA + 8 * i, 2), type);
    ck_assert_uint_eq(get(DATA + 8 * i + 2, 2), code);
    ck_assert_uint_eq(get(DATA + 8 * i + 4, 4), value);
}

START_TEST(keyboard)
{
    plug("virtio-keyboard-pci");
    wr(CONFIG, 0x11, 1);
    wr(CONFIG + 1, EV_KEY, 1);
    ck_assert_uint_gt(rd(CONFIG + 2, 1), 10);
    ck_assert_uint_eq(rd(CONFIG + 8 + KEY_A / 8, 1) >> KEY_A % 8 & 1, 1);
    wr(CONFIG, 1, 1);
    wr(CONFIG + 1, 0, 1);
    ck_assert_uint_eq(rd(CONFIG + 2, 1), strlen("Ryokan Virtio Keyboard"));
    console_key(rig.m->console, KEY_A, true);   /* not its own yet */
    start(0, 2);
    event_buffers(5);
    console_key(rig.m->console, KEY_A, true);
    console_key(rig.m->console, KEY_A, false);
    ck_assert_uint_eq(used(0), 4);
    expect_event(0, EV_KEY, KEY_A, 1);
    expect_event(1, EV_SYN, SYN_REPORT, 0);
    expect_event(2, EV_KEY, KEY_A, 0);
    console_key(rig.m->console, KEY_B, true);   /* no room for all of it: lost, not halved */
    ck_assert_uint_eq(used(0), 4);
    ck_assert_uint_eq(rd(0x14, 1), 0xf);
    wr(0x14, 0, 1);
    console_key(rig.m->console, KEY_B, true);
}
END_TEST

START_TEST(tablet)
{
    plug("virtio-tablet-pci");
    ck_assert(!console_is_absolute(rig.m->console));
    start(0, 2);
    ck_assert(console_is_absolute(rig.m->console));
    event_buffers(8);
    console_absolute(rig.m->console, 100, 200, 0, 1);
    ck_assert_uint_eq(used(0), 4);
    expect_event(0, EV_ABS, ABS_X, 100);
    expect_event(1, EV_ABS, ABS_Y, 200);
    expect_event(2, EV_KEY, BTN_LEFT, 1);
    console_absolute(rig.m->console, -1, -1, 1, 1);
    expect_event(4, EV_REL, REL_WHEEL, (uint32_t)-1);
    rig_round_trip();
}
END_TEST

START_TEST(mouse)
{
    plug("virtio-mouse-pci");
    start(0, 2);
    event_buffers(8);
    console_pointer(rig.m->console, 5, -3, 0, 0);
    expect_event(0, EV_REL, REL_X, 5);
    expect_event(1, EV_REL, REL_Y, (uint32_t)-3);
    console_absolute(rig.m->console, POINTER_MAX, 0, 0, 0);     /* becomes a movement */
    ck_assert_uint_eq(get(DATA + 8 * 3, 2), EV_REL);
}
END_TEST

/* ---- GPU ---- */
static uint32_t command(uint32_t type, const uint32_t *w, unsigned n)
{
    unsigned q = type >= 0x300, was = used(q);
    memset(ram(DATA), 0, 0x2000);
    put(DATA, type, 4);
    put(DATA + 4, 1, 4);
    put(DATA + 8, 0x1122334455667788, 8);
    memcpy(ram(DATA + 24), w, n * 4);
    desc(q, 0, DATA, 24 + n * 4, NEXT, 1);
    desc(q, 1, DATA + 0x1000, 0x600, WRITE, 0);
    offer(q, 0);
    kick(q);
    ck_assert_uint_eq(used(q), (was + 1) & 0xffff);
    ck_assert_uint_eq(get(DATA + 0x1004, 4), 1);        /* the fence comes back */
    ck_assert_uint_eq(get(DATA + 0x1008, 4), 0x55667788);
    return get(DATA + 0x1000, 4);
}
#define GPU(type, ...)                                                                             \
    command(type, (uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4)
enum { OK = 0x1100, ERR = 0x1200, PIXELS = 0x200000 };

START_TEST(gpu)
{
    plug("virtio-gpu-pci");
    start(2, 2);                                /* EDID */
    uint8_t sum = 0;
    ck_assert_uint_eq(GPU(0x10a, 0, 0), 0x1104);
    for (unsigned i = 0; i < 128; i++) {
        sum = (uint8_t)(sum + *ram(DATA + 0x1000 + 32 + i));
    }
    ck_assert_uint_eq(sum, 0);
    ck_assert_uint_eq(get(DATA + 0x1000 + 24, 4), 128);
    ck_assert_uint_eq(GPU(0x100, 0), 0x1101);
    ck_assert_uint_eq(get(DATA + 0x1000 + 24 + 8, 4), 1280);
    ck_assert_uint_eq(GPU(0x101, 1, 2, 64, 32), OK);
    ck_assert_uint_eq(GPU(0x101, 1, 2, 64, 32), ERR + 3);         /* there is one */
    ck_assert_uint_eq(GPU(0x101, 2, 99, 64, 32), ERR + 5);
    ck_assert_uint_eq(GPU(0x101, 2, 2, 0, 32), ERR + 5);
    ck_assert_uint_eq(GPU(0x101, 2, 2, 16384, 16384), ERR + 1);   /* a gigabyte */
    ck_assert_uint_eq(GPU(0x106, 1, 2, PIXELS, 0, 4096, 0, PIXELS + 8192, 0, 4096, 0), OK);
    for (unsigned i = 0; i < 1024; i++) {
        put(PIXELS + 4 * i, 0x010203 + i, 4);
        put(PIXELS + 8192 + 4 * i, 0x800000 + i, 4);
    }
    ck_assert_uint_eq(GPU(0x105, 0, 0, 64, 32, 4096, 0, 1, 0), ERR);      /* beyond the backing */
    ck_assert_uint_eq(GPU(0x105, 0, 0, 64, 32, 0, 0, 1, 0), OK);
    ck_assert_uint_eq(GPU(0x105, 0, 0, 65, 32, 0, 0, 1, 0), ERR + 5);
    ck_assert_uint_eq(GPU(0x105, 1, 1, UINT32_MAX, 1, 0, 0, 1, 0), ERR + 5);
    ck_assert_uint_eq(GPU(0x103, 0, 0, 64, 32, 1, 1), ERR + 2);
    ck_assert_uint_eq(GPU(0x103, 0, 0, 64, 33, 0, 1), ERR + 5);
    ck_assert_uint_eq(GPU(0x103, 0, 0, 64, 32, 0, 1), OK);
    ck_assert_uint_eq(GPU(0x104, 0, 0, 64, 32, 1, 0), OK);
    console_refresh(rig.m->console);
    pixman_image_t *p = console_surface(rig.m->console);
    ck_assert_int_eq(pixman_image_get_width(p), 64);
    ck_assert_uint_eq(pixman_image_get_data(p)[5], 0x010208);
    ck_assert_uint_eq(pixman_image_get_data(p)[64 * 16], 0x800000);
    rig_round_trip();
    /* a cursor: opaque white dot at 0, 0 */
    ck_assert_uint_eq(GPU(0x101, 7, 1, 64, 64), OK);
    ck_assert_uint_eq(GPU(0x106, 7, 1, PIXELS, 0, 16384, 0), OK);
    memset(ram(PIXELS), 0, 16384);
    put(PIXELS, UINT32_MAX, 4);
    ck_assert_uint_eq(GPU(0x105, 0, 0, 64, 64, 0, 0, 7, 0), OK);
    ck_assert_uint_eq(GPU(0x300, 0, 10, 3, 0, 7, 0, 0, 0), OK);
    console_refresh(rig.m->console);
    ck_assert_uint_eq(pixman_image_get_data(p)[64 * 3 + 10], 0xffffff);
    ck_assert_uint_eq(GPU(0x301, 0, 20, 3, 0, 0, 0, 0, 0), OK);
    console_refresh(rig.m->console);
    ck_assert_uint_eq(pixman_image_get_data(p)[64 * 3 + 10], 0x010203 + 64 * 3 + 10);
    ck_assert_uint_eq(pixman_image_get_data(p)[64 * 3 + 20], 0xffffff);
    ck_assert_uint_eq(GPU(0x102, 1, 0), OK);
    ck_assert_uint_eq(GPU(0x104, 0, 0, 64, 32, 1, 0), ERR + 3);
    ck_assert_uint_eq(GPU(0x999, 0), ERR);
    for (unsigned i = 0; i < 300; i++) {        /* as many pictures as there may be */
        GPU(0x101, 100 + i, 2, 8, 8);
    }
    ck_assert_uint_eq(GPU(0x101, 5000, 2, 8, 8), ERR + 1);
    rig_round_trip();
}
END_TEST

/* ---- random rings: nothing may break, and a reset always mends it ---- */
/* Pages of two sorts: DATA and on are lent and reported; the driver's lists lie before. */
enum { B_STATS = 2, B_REPORTING = 32, FULL = 0xa5, LIST = 0x9000 };

static bool page_is(uint32_t at, uint8_t val)
{
    for (unsigned i = 0; i < 4096; i++) {
        if (*ram(at + i) != val) {
            return false;
        }
    }
    return true;
}

START_TEST(balloon)
{
    static const uint32_t pfns[] = { 0x101, 0x102, 0x104, 0x103, 0x7ffffff, 0xffffffff, 0x400,
                                     0x110 };
    rig.m->ram_bytes = RAM_BYTES;
    plug_with("virtio-balloon-pci", "free-page-reporting", "on");
    ck_assert_uint_eq(offered() & 0x3f, B_STATS | B_REPORTING);
    start(B_STATS | B_REPORTING, 4);
    rig.m->balloon.ask(rig.m->balloon.dev, RAM_BYTES - 0x5000);
    ck_assert_uint_eq(rd(CONFIG, 4), 5);
    rig.m->balloon.ask(rig.m->balloon.dev, UINT64_MAX);
    ck_assert_uint_eq(rd(CONFIG, 4), 0);
    memset(ram(DATA), FULL, 0x20000);
    memcpy(ram(LIST), pfns, sizeof pfns);
    desc(0, 0, LIST, sizeof pfns + 3, 0, 0);    /* and no whole page number */
    offer(0, 0);
    kick(0);
    ck_assert_uint_eq(used(0), 1);
    for (unsigned p = 0x100; p < 0x112; p++) {
        bool lent = (p > 0x100 && p < 0x105) || p == 0x110;
        ck_assert_msg(page_is(p << 12, lent ? 0 : FULL), "page %x", p);
    }
    wr(CONFIG + 4, 5, 4);
    ck_assert_uint_eq(rd(CONFIG + 4, 4), 5);
    ck_assert_uint_eq(rig.m->balloon.has(rig.m->balloon.dev), RAM_BYTES - 0x5000);
    desc(1, 0, LIST, 8, 0, 0);
    offer(1, 0);
    kick(1);
    ck_assert_uint_eq(used(1), 1);
    desc(3, 0, DATA + 0x5800, 0x2000, WRITE | NEXT, 1);        /* one whole page */
    desc(3, 1, RAM_BYTES - 0x1000, 0xfffff000, WRITE, 0);
    memset(ram(RAM_BYTES - 0x2000), FULL, 0x2000);
    offer(3, 0);
    kick(3);
    ck_assert_uint_eq(used(3), 1);
    ck_assert(page_is(DATA + 0x6000, 0) && page_is(DATA + 0x7000, FULL) &&
              *ram(DATA + 0x5fff) == FULL);
    ck_assert(page_is(RAM_BYTES - 0x1000, 0) && page_is(RAM_BYTES - 0x2000, FULL));
    rig_round_trip();
}
END_TEST

START_TEST(balloon_stats)
{
    Device *d = plug("virtio-balloon-pci");
    g_autoptr(GVariant) none = NULL, all = NULL;
    uint64_t total = 0;
    start(B_STATS, 3);
    put(LIST, 5, 2);                            /* total memory */
    put(LIST + 2, 0x123456789a, 8);
    put(LIST + 10, 0xffff, 2);                  /* no such thing */
    put(LIST + 20, 1, 2);                       /* and one that is cut off */
    desc(2, 0, LIST, 25, 0, 0);
    offer(2, 0);
    kick(2);
    ck_assert_uint_eq(used(2), 0);              /* the device keeps it */
    rig_round_trip();
    ck_assert(!d->class->get(d, "frob"));
    all = g_variant_ref_sink(d->class->get(d, "guest-stats"));
    none = g_variant_lookup_value(all, "stats", NULL);
    ck_assert(none && g_variant_lookup(none, "stat-total-memory", "t", &total) &&
              total == 0x123456789a);
    ck_assert(g_variant_lookup(none, "stat-swap-out", "t", &total) && total == UINT64_MAX);
    d->class->changed(d);
    ck_assert_uint_eq(used(2), 1);
}
END_TEST

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static void random_descriptors(uint32_t table, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = rnd() % 8 ? DATA + rnd() % 0x4000 : rnd() % 2 ? rnd() : TABLE;
        uint32_t bytes = rnd() % 4 ? rnd() % 256 : rnd() % 2 ? 16 * (rnd() % 64) : rnd();
        desc_at(table, i, at, bytes, rnd() % 3 ? rnd() & 3 : rnd() & 7, rnd() % (SIZE + 1));
    }
}

/* Half of the words make GPU commands and input events likely. */
static void random_data(void)
{
    for (unsigned i = 0; i < 0x4000; i += 4) {
        uint32_t r = rnd();
        put(DATA + i, r % 4 ? r % 9 : r % 3 ? 0x100 + r % 11 : r, 4);
    }
}

static void fuzz_class(const char *name, unsigned queues)
{
    const char *rounds = getenv("RING_ROUNDS");
    plug(name);
    for (unsigned i = 0, n = rounds ? (unsigned)atoi(rounds) : 150; i < n; i++) {
        start(rnd() % 2 ? INDIRECT_BIT | EVENT_IDX : rnd() % 2 ? INDIRECT_BIT : 0, queues);
        for (unsigned k = 0; k < 20; k++) {
            unsigned q = rnd() % queues;
            random_descriptors(DESC + q * QUEUE_STEP, SIZE);
            random_descriptors(TABLE, 64);
            random_data();
            for (unsigned c = rnd() % SIZE; c; c--) {
                offer(q, rnd() % (SIZE + (rnd() % 50 == 0)));
            }
            if (rnd() % 40 == 0) {
                put(AVAIL + q * QUEUE_STEP + 2, rnd(), 2);
            }
            kick(q);
            console_key(rig.m->console, rnd() % 300, rnd() & 1);
            console_pointer(rig.m->console, (int)(rnd() % 9) - 4, 1, 0, rnd() & 7);
            console_refresh(rig.m->console);
        }
        if (i % 50 == 0) {
            rig_round_trip();
        }
    }
}

START_TEST(fuzz_rng) { fuzz_class("virtio-rng-pci", 1); } END_TEST
START_TEST(fuzz_balloon) { fuzz_class("virtio-balloon-pci", 3); } END_TEST
START_TEST(fuzz_keyboard) { fuzz_class("virtio-keyboard-pci", 2); } END_TEST
START_TEST(fuzz_tablet) { fuzz_class("virtio-tablet-pci", 2); } END_TEST
START_TEST(fuzz_gpu) { fuzz_class("virtio-gpu-pci", 2); } END_TEST

Suite *suite_virtio(void)
{
    Suite *s = suite_create("virtio");
    V_TEST(negotiation);
    V_TEST(rings);
    V_TEST(event_index);
    V_TEST(messages);
    V_TEST(hostile);
    V_TEST(keyboard);
    V_TEST(tablet);
    V_TEST(mouse);
    V_TEST(gpu);
    V_TEST(balloon);
    V_TEST(balloon_stats);
    V_TEST(fuzz_balloon);
    V_TEST(fuzz_rng);
    V_TEST(fuzz_keyboard);
    V_TEST(fuzz_tablet);
    V_TEST(fuzz_gpu);
    return s;
}
