/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.c -- UHCI and xHCI as a driver sees them: enumeration, a tablet and a keyboard, hot-plug,
 * hostile schedules and rings.
 */
#include "core/display.h"
#include "core/options.h"
#include "tests/dev/scripted/rig.h"
#include <linux/input-event-codes.h>
#include <string.h>

enum { RAM_BYTES = 4 << 20, IO = 0xc000, MMIO = 0xe0000000, SLOT = 3, MS = 1000000 };
static void *hc;

static void w32(hwaddr at, uint32_t v) { as_write(rig.m->as_memory, at, &v, 4); }
static void w64(hwaddr at, uint64_t v) { as_write(rig.m->as_memory, at, &v, 8); }
static uint32_t r32(hwaddr at) { uint32_t v = 0; as_read(rig.m->as_memory, at, &v, 4); return v; }
static uint64_t r64(hwaddr at) { uint64_t v = 0; as_read(rig.m->as_memory, at, &v, 8); return v; }
static void out16(uint16_t off, uint16_t v) { io_write(rig.m->as_io, IO + off, v, 2); }
static uint16_t in16(uint16_t off) { return (uint16_t)io_read(rig.m->as_io, IO + off, 2, NULL); }
static void x_write(uint32_t off, uint32_t v) { io_write(rig.m->as_memory, MMIO + off, v, 4); }
static uint32_t x_read(uint32_t off)
{
    return (uint32_t)io_read(rig.m->as_memory, MMIO + off, 4, NULL);
}

static void *plug(const char *driver, const char *id)
{
    OptDevice o = { .driver = (char *)driver, .id = (char *)id };
    GError *err = NULL;
    void *d = device_add(rig.m, &o, &err);
    ck_assert_msg(d != NULL, "%s", err ? err->message : "");
    return d;
}

static void machine_up(const char *driver)
{
    rig_up();
    rig_pc(1);
    rig_ram(RAM_BYTES);
    rig_pci();
    hc = rig_pci_add(driver, SLOT, NULL);
    rig.m->started = true;
}

static void down(void)
{
    for (unsigned i = rig.m->devices->len; i-- > 0;) {
        Device *d = g_ptr_array_index(rig.m->devices, i);
        if (d->class->bus && !strcmp(d->class->bus, "usb")) {
            device_free(d);
        }
    }
    rig_down();
}

#define USB_TEST(up_, fn) RIG_TEST_IN(s, "usb", up_, down, fn)

/* ---- UHCI ---- */

enum { LIST = 0x10000, QH = 0x20000, TDS = 0x21000, BUF = 0x22000 };
enum { ACTIVE = 1 << 23, STALLED = 1 << 22, NAKED = 1 << 19, TIMEOUT = 1 << 18 };
enum { PID_IN = 0x69, PID_OUT = 0xe1, PID_SETUP = 0x2d };

static void uhci_up(void)
{
    machine_up("piix3-usb-uhci");
    pci_config_write(&rig.host->bus, SLOT << 3, 0x20, IO, 4);
    pci_config_write(&rig.host->bus, SLOT << 3, 0x04, 5, 2);
    for (unsigned i = 0; i < 1024; i++) {
        w32(LIST + 4 * i, QH | 2);
    }
    w32(QH, 1);
    w32(QH + 4, 1);
    io_write(rig.m->as_io, IO + 8, LIST, 4);
    out16(4, 0xf);
    out16(0, 1);
}

static void port_up(unsigned n)
{
    out16((uint16_t)(0x10 + 2 * n), 0x200);
    rig_run_ns(50 * MS);
    out16((uint16_t)(0x10 + 2 * n), 0);
    out16((uint16_t)(0x10 + 2 * n), 0x0e);      /* enable; changes cleared */
    ck_assert_uint_eq(in16((uint16_t)(0x10 + 2 * n)) & 0x0f, 5);
}

static void td(unsigned n, uint8_t pid, unsigned address, unsigned ep, unsigned bytes, uint32_t buf,
               bool last)
{
    uint32_t at = TDS + 32 * n;
    w32(at, last ? 1 : (at + 32) | 4);
    w32(at + 4, ACTIVE | 3u << 27 | (last ? 1u << 24 : 0));
    w32(at + 8, pid | address << 8 | ep << 15 | ((bytes - 1) & 0x7ff) << 21);
    w32(at + 12, buf);
}

static uint32_t go(unsigned ms)
{
    out16(2, 0xffff);
    w32(QH + 4, TDS);
    rig_run_ns((uint64_t)ms * MS);
    return r32(QH + 4);
}

/* A control transfer; IN data of at most 8 bytes a piece to BUF + 0x100.  true: it went through. */
static bool uhci_control(unsigned address, uint64_t setup, bool in)
{
    unsigned n = 0, left = (unsigned)(setup >> 48);
    w64(BUF, setup);
    td(n++, PID_SETUP, address, 0, 8, BUF, false);
    for (unsigned at = 0; in && left; at += 8) {
        unsigned take = MIN(left, 8u);
        td(n++, PID_IN, address, 0, take, BUF + 0x100 + at, false);
        left -= take;
    }
    td(n++, in ? PID_OUT : PID_IN, address, 0, 0, 0, true);
    return go(40) & 1;
}

START_TEST(uhci_enumerate)
{
    plug("usb-tablet", "t");
    ck_assert_uint_eq(in16(0x10) & 3, 3);       /* connected, changed */
    port_up(0);
    ck_assert(uhci_control(0, 0x0012000001000680, true));
    ck_assert_uint_eq(r32(BUF + 0x100), 0x02000112);
    ck_assert_uint_eq(r32(BUF + 0x108), 0x00010627);
    ck_assert(uhci_control(0, 0x0000000000070500, false));
    ck_assert(uhci_control(7, 0x0022000002000680, true));
    ck_assert_uint_eq(r32(BUF + 0x100), 0x00220209);
    ck_assert_uint_eq(r32(TDS + 4) & (ACTIVE | STALLED), 0);
    ck_assert(!uhci_control(0, 0x0012000001000680, true));      /* nobody has address 0 any more */
    ck_assert_uint_eq(r32(TDS + 4) & (ACTIVE | STALLED | TIMEOUT), STALLED | TIMEOUT);
    ck_assert_uint_eq(in16(2) & 2, 2);
    ck_assert(!uhci_control(7, 0x0002000099000680, true));      /* no such descriptor */
    ck_assert_uint_eq(r32(TDS + 32 + 4) & (ACTIVE | STALLED), STALLED);
    rig_round_trip();
}
END_TEST

static void uhci_ready(const char *driver)
{
    plug(driver, "d");
    port_up(0);
    ck_assert(uhci_control(0, 0x0000000000070500, false));
    ck_assert(uhci_control(7, 0x0000000000010900, false));
}

START_TEST(uhci_tablet)
{
    uhci_ready("usb-tablet");
    ck_assert(!console_is_absolute(rig.m->console));
    td(0, PID_IN, 7, 1, 8, BUF, true);
    ck_assert_uint_eq(go(30) & 1, 0);           /* nothing yet: stays, and says NAK */
    ck_assert_uint_eq(r32(TDS + 4) & (ACTIVE | NAKED), ACTIVE | NAKED);
    ck_assert(console_is_absolute(rig.m->console));
    console_absolute(rig.m->console, 0x1234, 0x4321, 0, 1);
    rig_run_ns(3 * MS);
    ck_assert_uint_eq(r32(TDS + 4) & 0xff07ff, 0x000005);       /* 6 bytes, inactive */
    ck_assert_uint_eq(r32(BUF), 0x21123401);
    ck_assert_uint_eq(r32(BUF + 4) & 0xffff, 0x0043);
    ck_assert_uint_eq(in16(2) & 1, 1);
    device_del(rig.m, "d", NULL);
    ck_assert_uint_eq(in16(0x10) & 0x0f, 0x0a); /* gone: both changes */
    ck_assert(!console_is_absolute(rig.m->console));
    plug("usb-mouse", "d2");
    ck_assert_uint_eq(in16(0x10) & 3, 3);
}
END_TEST

START_TEST(uhci_keyboard)
{
    uhci_ready("usb-kbd");
    ck_assert(uhci_control(7, 0x0000000000000a21, false));      /* SET_IDLE 0 */
    ck_assert(uhci_control(7, 0x00010000000002a1, true));        /* GET_IDLE */
    ck_assert_uint_eq(r32(BUF + 0x100) & 0xff, 0);
    td(0, PID_IN, 7, 1, 8, BUF, false);
    td(1, PID_IN, 7, 1, 8, BUF + 8, false);
    td(2, PID_IN, 7, 1, 8, BUF + 16, true);
    go(10);
    console_key(rig.m->console, KEY_LEFTSHIFT, true);
    console_key(rig.m->console, KEY_A, true);
    console_key(rig.m->console, KEY_A, false);
    rig_run_ns(20 * MS);
    ck_assert_uint_eq(r64(BUF), 0x02);
    ck_assert_uint_eq(r64(BUF + 8), 0x040002);
    ck_assert_uint_eq(r64(BUF + 16), 0x02);
    for (unsigned i = 0; i < 64; i++) {         /* more than the queue holds */
        console_key(rig.m->console, KEY_B, i % 2 == 0);
    }
    rig_round_trip();
}
END_TEST

START_TEST(uhci_hostile)
{
    plug("usb-tablet", "t");
    port_up(0);
    w32(QH, QH | 2);                            /* goes round for ever */
    w32(QH + 4, 1);
    rig_run_ns(100 * MS);
    ck_assert_uint_eq(in16(2) & 0x20, 0);
    w32(QH + 4, TDS);
    td(0, PID_IN, 99, 1, 8, BUF, false);
    /* a TD that links to itself, with nobody to answer it */
    w32(TDS, TDS | 4);
    rig_run_ns(100 * MS);
    td(0, PID_OUT, 0, 0, 1280, 0xfffffc00, true);       /* data across the end of 32 bits */
    go(20);
    td(0, PID_IN, 0, 0, 1280, 0x80000000, true);        /* ... and outside memory */
    go(20);
    ck_assert_uint_eq(in16(2) & 0x20, 0);
    /* longer than a packet can be: halted, process error */
    td(0, PID_IN, 0, 0, 0x700, BUF, true);
    go(20);
    ck_assert_uint_eq(in16(2) & 0x30, 0x30);
    out16(0, 2);
    ck_assert_uint_eq(in16(2), 0x20);
    io_write(rig.m->as_io, IO + 8, 0xfffff000, 4);      /* a frame list in nothing */
    out16(0, 1);
    rig_run_ns(20 * MS);
    ck_assert_uint_eq(in16(2) & 0x28, 0x28);
}
END_TEST

START_TEST(uhci_frames)
{
    uint16_t a = in16(6);
    rig_run_ns(100 * MS);
    ck_assert_uint_eq((in16(6) - a) & 0x7ff, 100);
    out16(0, 0);
    ck_assert_uint_eq(in16(2) & 0x20, 0x20);
    a = in16(6);
    rig_run_ns(100 * MS);
    ck_assert_uint_eq(in16(6), a);
}
END_TEST

/* ---- xHCI ---- */

enum { DCBAA = 0x30000, CMDS = 0x31000, EVENTS = 0x32000, ERST = 0x33000, INPUT = 0x34000,
       OUTPUT = 0x35000, RING0 = 0x36000,
       RING3 = 0x37000, DATA = 0x38000, PORT1 = 0x440, MSI_AT = 0xfee00000 };
static unsigned n_cmd, n_event;

static void xhci_start(unsigned events)
{
    pci_config_write(&rig.host->bus, SLOT << 3, 0x10, MMIO, 4);
    pci_config_write(&rig.host->bus, SLOT << 3, 0x14, 0, 4);
    pci_config_write(&rig.host->bus, SLOT << 3, 0x04, 6, 2);
    n_cmd = n_event = 0;
    w64(ERST, EVENTS);
    w32(ERST + 8, events);
    x_write(0x78, 8);                           /* CONFIG: 8 slots */
    x_write(0x70, DCBAA);
    x_write(0x58, CMDS | 1);
    x_write(0x5c, 0);
    x_write(0x1028, 1);
    x_write(0x1038, EVENTS);
    x_write(0x103c, 0);
    x_write(0x1030, ERST);
    x_write(0x1034, 0);
    x_write(0x1020, 2);
    x_write(0x40, 5);                           /* run, interrupts */
    ck_assert_uint_eq(x_read(0x44) & 1, 0);
}

static void xhci_up(void)
{
    machine_up("qemu-xhci");
    xhci_start(256);
}

static void trb(hwaddr at, uint64_t param, uint32_t status, uint32_t control)
{
    w64(at, param);
    w32(at + 8, status);
    w32(at + 12, control);
}

/* The next event of this type; its completion code, slot in *slot. */
static unsigned event(unsigned type, unsigned *slot, uint32_t *length)
{
    for (; n_event < 250 && (r32(EVENTS + 16 * n_event + 12) & 1);) {
        hwaddr at = EVENTS + 16 * n_event++;
        if ((r32(at + 12) >> 10 & 63) == type) {
            if (slot) {
                *slot = r32(at + 12) >> 24;
            }
            if (length) {
                *length = r32(at + 8) & 0xffffff;
            }
            return r32(at + 8) >> 24;
        }
    }
    return 0;
}

static unsigned xcmd(unsigned type, uint64_t param, uint32_t flags, unsigned *slot)
{
    trb(CMDS + 16 * n_cmd++, param, 0, type << 10 | flags | 1);
    x_write(0x2000, 0);
    return event(33, slot, NULL);
}

static unsigned address_port1(const char *driver)
{
    unsigned slot = 0;
    plug(driver, "d");
    ck_assert_uint_eq(event(34, NULL, NULL), 1);
    ck_assert_uint_eq(x_read(PORT1) & 0x20003, 0x20001);
    x_write(PORT1, 0x20210);                    /* reset */
    ck_assert_uint_eq(x_read(PORT1) & 0x2001ff, 0x200003);
    ck_assert_uint_eq(xcmd(9, 0, 0, &slot), 1);
    ck_assert_uint_eq(slot, 1);
    w64(DCBAA + 8, OUTPUT);
    w32(INPUT + 4, 3);
    w32(INPUT + 0x20, 1u << 27 | 1 << 20);
    w32(INPUT + 0x24, 1 << 16);
    w32(INPUT + 0x44, 4 << 3 | 8u << 16);
    w64(INPUT + 0x48, RING0 | 1);
    ck_assert_uint_eq(xcmd(11, INPUT, 1u << 24, &slot), 1);
    ck_assert_uint_eq(r32(OUTPUT + 12), 2u << 27 | 1);          /* addressed, as 1 */
    ck_assert_uint_eq(r32(OUTPUT + 32) & 7, 1);
    return slot;
}

/* On RING0 from TRB *n: setup, data, status. */
static unsigned xcontrol(unsigned *n, uint64_t setup, bool in)
{
    unsigned len = (unsigned)(setup >> 48);
    trb(RING0 + 16 * (*n)++, setup, 8, 2 << 10 | 0x40 | 1);
    if (len) {
        trb(RING0 + 16 * (*n)++, DATA, len, 3 << 10 | (in ? 0x10000 : 0) | 4 | 1);
    }
    trb(RING0 + 16 * (*n)++, 0, 0, 4 << 10 | (in && len ? 0 : 0x10000) | 0x20 | 1);
    x_write(0x2004, 1);
    unsigned code = 0;
    for (unsigned c; (c = event(32, NULL, NULL));) {            /* what was not a success counts */
        code = code > 1 ? code : c;
    }
    return code;
}

static void configure_ep3(void)
{
    unsigned n = 0;
    ck_assert_uint_eq(xcontrol(&n, 0x0000000000010900, false), 1);
    memset(rig.m->ram.host + INPUT, 0, 0x400);
    w32(INPUT + 4, 1 | 1 << 3);
    w32(INPUT + 0x20, 3u << 27);
    w32(INPUT + 0x84, 7 << 3 | 8u << 16);
    w64(INPUT + 0x88, RING3 | 1);
    ck_assert_uint_eq(xcmd(12, INPUT, 1u << 24, NULL), 1);
    ck_assert_uint_eq(r32(OUTPUT + 12) >> 27, 3);
}

START_TEST(xhci_enumerate)
{
    unsigned n = 0;
    address_port1("usb-kbd");
    ck_assert_uint_eq(xcontrol(&n, 0x0012000001000680, true), 1);
    ck_assert_uint_eq(r32(DATA), 0x02000112);
    ck_assert_uint_eq(xcontrol(&n, 0x0040000001000680, true), 13);      /* 18 of 64 bytes: short */
    ck_assert_uint_eq(xcontrol(&n, 0x0012000099000680, true), 6);       /* stall */
    ck_assert_uint_eq(r32(OUTPUT + 32) & 7, 2);
    ck_assert_uint_eq(xcmd(14, 0, 1u << 24 | 1 << 16, NULL), 1);
    ck_assert_uint_eq(xcmd(16, (RING0 + 16 * n) | 1, 1u << 24 | 1 << 16, NULL), 1);
    ck_assert_uint_eq(xcontrol(&n, 0x0012000001000680, true), 1);
    ck_assert_uint_eq(xcmd(23, 0, 0, NULL), 1);
    ck_assert_uint_eq(xcmd(10, 0, 5u << 24, NULL), 11);         /* slot not enabled */
    ck_assert_uint_eq(xcmd(10, 0, 1u << 24, NULL), 1);
    ck_assert_uint_eq(xcmd(62, 0, 0, NULL), 5);
    rig_round_trip();
}
END_TEST

START_TEST(xhci_input)
{
    uint32_t left = 0;
    address_port1("usb-tablet");
    configure_ep3();
    trb(RING3, DATA, 8, 1 << 10 | 0x24 | 1);
    trb(RING3 + 16, DATA + 16, 8, 1 << 10 | 0x24 | 1);
    x_write(0x2004, 3);
    ck_assert_uint_eq(event(32, NULL, NULL), 0);
    ck_assert(console_is_absolute(rig.m->console));
    console_absolute(rig.m->console, 0x1234, 0x4321, 0, 2);
    ck_assert_uint_eq(event(32, NULL, &left), 13);
    ck_assert_uint_eq(left, 2);
    ck_assert_uint_eq(r32(DATA), 0x21123402);
    rig_round_trip();
    ck_assert_uint_eq(xcmd(15, 0, 1u << 24 | 3 << 16, NULL), 1);        /* stop */
    ck_assert_uint_eq(r32(OUTPUT + 0x60) & 7, 3);
    ck_assert_uint_eq(r64(OUTPUT + 0x68), (RING3 + 16) | 1);
    console_absolute(rig.m->console, 1, 1, 0, 0);
    ck_assert_uint_eq(r32(DATA + 16), 0);
    x_write(0x2004, 3);                         /* goes on */
    ck_assert_uint_eq(r32(DATA + 16), 0x01000100);
    ck_assert(device_del(rig.m, "d", NULL));
    ck_assert_uint_eq(event(34, NULL, NULL), 1);
    ck_assert_uint_eq(x_read(PORT1) & 0x20003, 0x20000);
}
END_TEST

START_TEST(xhci_messages)
{
    unsigned slot;
    pci_config_write(&rig.host->bus, SLOT << 3, 0x04, 6, 2);
    unsigned cap = pci_config_read(&rig.host->bus, SLOT << 3, 0x34, 1);
    while (cap && pci_config_read(&rig.host->bus, SLOT << 3, cap, 1) != 0x11) {
        cap = pci_config_read(&rig.host->bus, SLOT << 3, cap + 1, 1);
    }
    ck_assert_uint_ne(cap, 0);
    ck_assert_uint_eq(pci_config_read(&rig.host->bus, SLOT << 3, cap + 2, 2), 15);
    ck_assert_uint_eq(x_read(0x300c), 1);       /* masked */
    x_write(0x3000, DATA);                      /* memory takes the message as well */
    x_write(0x3008, 0x4e5);
    pci_config_write(&rig.host->bus, SLOT << 3, cap + 2, 0x8000, 2);
    ck_assert_uint_eq(xcmd(9, 0, 0, &slot), 1);
    ck_assert_uint_eq(r32(DATA), 0);
    ck_assert_uint_eq(x_read(0x3800), 1);       /* pending */
    x_write(0x300c, 0);
    ck_assert_uint_eq(r32(DATA), 0x4e5);
    ck_assert_uint_eq(x_read(0x3800), 0);
    w32(DATA, 0);
    x_write(0x1038, (EVENTS + 16 * n_event) | 8);
    ck_assert_uint_eq(xcmd(23, 0, 0, NULL), 1);
    ck_assert_uint_eq(r32(DATA), 0x4e5);
    x_write(0x3000, MMIO + 0x3000);             /* at its own table: refused */
    x_write(0x1038, (EVENTS + 16 * n_event) | 8);
    ck_assert_uint_eq(xcmd(23, 0, 0, NULL), 1);
    ck_assert_uint_eq(x_read(0x3000), MMIO + 0x3000);
    rig_round_trip();
}
END_TEST

START_TEST(xhci_hostile)
{
    unsigned n = 0;
    address_port1("usb-tablet");
    configure_ep3();
    trb(RING3, RING3, 0, 6 << 10 | 1);          /* a link to itself */
    x_write(0x2004, 3);
    ck_assert_uint_eq(event(32, NULL, NULL), 0);
    /* a chain of 128 KiB each, then back to the start: no end */
    for (unsigned i = 0; i < 200; i++) {
        trb(RING3 + 16 * i, DATA, 0x1ffff, 1 << 10 | 0x10 | 1);
    }
    trb(RING3 + 16 * 200, RING3, 0, 6 << 10 | 0x10 | 1);
    x_write(0x2004, 3);
    ck_assert_uint_eq(event(32, NULL, NULL), 5);
    ck_assert_uint_eq(r32(OUTPUT + 0x60) & 7, 4);
    n = 2;                                      /* behind configure_ep3's */
    trb(RING0 + 16 * n++, 0x0012000001000680, 8, 2 << 10 | 0x40 | 1);
    /* data to nowhere */
    trb(RING0 + 16 * n++, 0xffffffffff000000, 18, 3 << 10 | 0x10000 | 4 | 1);
    trb(RING0 + 16 * n++, 0, 0, 4 << 10 | 0x20 | 1);
    x_write(0x2004, 1);
    ck_assert_uint_eq(event(32, NULL, NULL), 1);
    ck_assert_uint_ne(xcmd(11, 0xfffffffffffff000, 1u << 24, NULL), 1);
    ck_assert_uint_ne(xcmd(12, 0xfffffffffffff000, 1u << 24, NULL), 1);
    ck_assert_uint_ne(xcmd(16, 0, 1u << 24, NULL), 1);
    ck_assert_uint_ne(xcmd(15, 0, 200u << 24 | 31 << 16, NULL), 1);
    x_write(0x2000 + 4 * 63, 0xff);             /* doorbells of nobody */
    x_write(0x2004, 31);
    trb(CMDS + 16 * n_cmd, CMDS + 16 * n_cmd, 0, 6 << 10 | 1);  /* the command ring, too */
    x_write(0x2000, 0);
    ck_assert_uint_eq(x_read(0x44) & 0x1004, 0);
    /* a segment too small: the controller gives up, and says so */
    w32(ERST + 8, 3);
    x_write(PORT1, 0x210);
    x_write(PORT1, 0x3e0210);
    x_write(PORT1, 0x210);
    ck_assert_uint_eq(x_read(0x44) & 0x1001, 0x1001);
    x_write(0x40, 2);
    ck_assert_uint_eq(x_read(0x44), 1);
    rig_round_trip();
}
END_TEST

START_TEST(xhci_ring_full)
{
    x_write(0x40, 2);
    memset(rig.m->ram.host + EVENTS, 0, 4096);
    memset(rig.m->ram.host + CMDS, 0, 4096);
    xhci_start(16);
    for (unsigned i = 0; i < 40; i++) {
        trb(CMDS + 16 * i, 0, 0, 23 << 10 | 1);
    }
    x_write(0x2000, 0);
    ck_assert_uint_eq(r32(EVENTS + 16 * 13 + 12) >> 10 & 63, 33);
    ck_assert_uint_eq(r32(EVENTS + 16 * 14 + 12) >> 10 & 63, 37);       /* full */
    ck_assert_uint_eq(r32(EVENTS + 16 * 14 + 8) >> 24, 21);
    ck_assert_uint_eq(r32(EVENTS + 16 * 15 + 12), 0);
    x_write(0x1038, (EVENTS + 16 * 10) | 8);    /* the handler has got to 10: there is room */
    trb(CMDS + 16 * 40, 0, 0, 23 << 10 | 1);
    trb(CMDS + 16 * 41, 0, 0, 23 << 10 | 1);
    x_write(0x2000, 0);
    ck_assert_uint_eq(r32(EVENTS + 16 * 15 + 12) & 1, 1);
    ck_assert_uint_eq(r32(EVENTS + 12) & 1, 0); /* the second round's cycle bit */
    ck_assert_uint_eq(r64(EVENTS), CMDS + 16 * 41);
}
END_TEST

Suite *suite_usb(void)
{
    Suite *s = suite_create("usb");
    USB_TEST(uhci_up, uhci_enumerate);
    USB_TEST(uhci_up, uhci_tablet);
    USB_TEST(uhci_up, uhci_keyboard);
    USB_TEST(uhci_up, uhci_hostile);
    USB_TEST(uhci_up, uhci_frames);
    USB_TEST(xhci_up, xhci_enumerate);
    USB_TEST(xhci_up, xhci_input);
    USB_TEST(xhci_up, xhci_messages);
    USB_TEST(xhci_up, xhci_hostile);
    USB_TEST(xhci_up, xhci_ring_full);
    return s;
}
