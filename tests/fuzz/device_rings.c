/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_rings.c -- fuzzes devices that walk structures in memory: virtio-gpu, UHCI, xHCI with
 * devices plugged in and out.
 */
#include "tests/fuzz/device.h"
#include "core/display.h"
#include "core/options.h"
#include <string.h>

/* ---- virtio-gpu ---- */

enum { GPU_BAR = 0x20000000, STATUS = 0x14, NOTIFY = 0x3000 };
enum { DESC = 0x1000, AVAIL = 0x2000, USED = 0x3000, Q_STEP = 0x10000, TABLE = 0x8000,
       COMMAND = 0x100000, ANSWER = 0x110000, ENTRIES = 64,
       PIXELS = 0x200000, Q_SIZE = 16, D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };
static uint16_t gpu_added[2];

static void g(uint32_t at, uint32_t v, unsigned size)
{
    mem(GPU_BAR + at, v, size);
}

void fuzz_gpu_up(void)
{
    fuzz_machine();
    rig_pci_add("virtio-gpu-pci", FUZZ_SLOT, NULL);
    config(0x20, GPU_BAR, 4);
    config(0x14, 0x20010000, 4);
    config(0x04, 6, 2);
}

static void gpu_start(void)
{
    const uint32_t features[2] = { rnd() & 0x30000002, 1 };

    g(STATUS, 0, 1);
    g(STATUS, 3, 1);
    for (unsigned i = 0; i < 2; i++) {
        g(8, i, 4);
        g(12, features[i], 4);
    }
    g(STATUS, 0xb, 1);
    for (unsigned q = 0; q < 2; q++) {
        g(0x16, q, 2);
        g(0x18, rather(Q_SIZE), 2);
        g(0x1a, 0xffff, 2);
        g(0x20, rather(DESC + q * Q_STEP), 4);
        g(0x28, rather(AVAIL + q * Q_STEP), 4);
        g(0x30, rather(USED + q * Q_STEP), 4);
        g(0x1c, 1, 2);
        for (unsigned i = 0; i < 0x3000; i += 8) {
            put(DESC + q * Q_STEP + i, 0, 8);
        }
        gpu_added[q] = 0;
    }
    g(STATUS, 0xf, 1);
}

/* A command's bytes at COMMAND; how many. */
static unsigned gpu_command(unsigned q)
{
    uint32_t type = q ? PICK(0x300, 0x301)
                      : PICK(0x100, 0x101, 0x101, 0x102, 0x103, 0x104, 0x104, 0x105, 0x105, 0x106,
                             0x106, 0x107, 0x10a);
    uint32_t id = 1 + rnd() % 4, w = PICK(64, 64, 100, 640), h = PICK(64, 64, 48, 480),
             x = one_in(3) ? rnd() % 64 : 0, n = 0;
    uint32_t b[2 + 4 * ENTRIES] = { 0 };

    switch (type) {
    case 0x101:
        memcpy(b, (uint32_t[]){ id, PICK(1, 2, 3, 4, 67, 68, 121, 134), w, h }, 16);
        n = 4;
        break;
    case 0x103: memcpy(b, (uint32_t[]){ x, 0, w, h, 0, id }, 24); n = 6; break;
    case 0x104: memcpy(b, (uint32_t[]){ x, x, w, h, id, 0 }, 24); n = 6; break;
    case 0x105: memcpy(b, (uint32_t[]){ x, x, w, h, x * 4, 0, id, 0 }, 32); n = 8; break;
    case 0x106: {
        unsigned entries = 1 + rnd() % 8;
        b[0] = id;
        b[1] = entries;
        for (unsigned i = 0; i < entries; i++) {
            b[2 + 4 * i] = PIXELS + rnd() % 0x100000;
            b[4 + 4 * i] = PICK(4096, 65536, 100, 1);
        }
        n = 2 + 4 * entries;
        break;
    }
    case 0x10a: n = 2; break;
    case 0x300:
    case 0x301:
        memcpy(b, (uint32_t[]){ 0, rnd() % 700, rnd() % 500, 0, id, rnd() % 64, rnd() % 64, 0 },
               32);
        n = 8;
        break;
    default: b[0] = id; n = 2; break;
    }
    put(COMMAND, type, 4);
    put(COMMAND + 4, rnd() & 1, 4);
    put(COMMAND + 8, rnd(), 8);
    put(COMMAND + 16, 0, 8);
    for (unsigned i = 0; i < n; i++) {
        put(COMMAND + 24 + 4 * i, rather(b[i]), 4);
    }
    if (one_in(6)) {
        spoil(COMMAND, 24 + 4 * n, 3);
    }
    return 24 + 4 * n;
}

static void descriptor(uint32_t table, unsigned i, uint64_t at, uint32_t bytes, unsigned flags,
                       unsigned next)
{
    put(table + 16 * i, at, 8);
    put(table + 16 * i + 8, bytes, 4);
    put(table + 16 * i + 12, flags | next << 16, 4);
}

void fuzz_gpu(void)
{
    unsigned q = one_in(4), table = DESC + q * Q_STEP, n = 0, bytes,
             answer = one_in(8) ? rnd() % 64 : 1100;

    if (one_in(60) || (mem_in(GPU_BAR + STATUS, 1) & 0x4f) != 0xf) {
        gpu_start();
    }
    bool indirect = one_in(4);
    bytes = gpu_command(q);
    uint32_t list = indirect ? TABLE : table;
    for (unsigned done = 0; done < bytes && n < 10;) {          /* in pieces of any size */
        unsigned now = one_in(2) ? bytes - done : 1 + rnd() % (bytes - done);
        now = n == 9 ? bytes - done : now;
        descriptor(list, n, COMMAND + done, rather(now), D_NEXT, rather(n + 1));
        done += now;
        n++;
    }
    descriptor(list, n, ANSWER, answer, D_WRITE, 0);
    if (indirect) {
        descriptor(table, 0, TABLE, rather(16 * (n + 1)), D_INDIRECT, 0);
    }
    if (one_in(30)) {
        spoil(table, 16 * Q_SIZE, 4);
    }
    put(AVAIL + q * Q_STEP + 4 + 2 * (gpu_added[q] % Q_SIZE), rather(0), 2);
    gpu_added[q] = (uint16_t)(gpu_added[q] + (one_in(40) ? rnd() % 20 : 1));
    put(AVAIL + q * Q_STEP + 2, gpu_added[q], 2);
    g(NOTIFY + 4 * q, q, 2);
    if (one_in(6)) {
        people();
        console_refresh(rig.m->console);
    }
    if (one_in(30)) {
        mem(GPU_BAR + rnd() % 0x4000, odd(), PICK(1, 2, 4));
    }
    rig_run_ns(rnd() % FUZZ_MS);
}

/* ---- what both USB controllers have: devices that come and go ---- */

static Device *plugged;

static void usb_change(void)
{
    if (plugged) {
        device_free(plugged);
        plugged = NULL;
    } else {
        OptDevice o = { .driver = (char *)(uintptr_t)(one_in(3)   ? "usb-tablet"
                                                      : one_in(2) ? "usb-kbd"
                                                                  : "usb-mouse"),
                        .id = (char *)"d" };
        plugged = device_add(rig.m, &o, NULL);
    }
}

/* GET_DESCRIPTOR and the like: what a driver asks. */
static uint64_t setup_packet(void)
{
    static const uint64_t usual[] = { 0x0012000001000680, 0x0040000002000680, 0x0004000003000680,
                                      0x0000000000010900, 0x0000000000020500, 0x0000000000000500,
                                      0x000000000000210a, 0x0000000000000b21, 0x0040000022000681,
                                      0x0008000000000121, 0x0001000002000921, 0x0002000000000080,
                                      0x0000000000810102, 0x0000000000000b01, 0x0001000000000880 };
    uint64_t v = usual[rnd() % G_N_ELEMENTS(usual)];

    return one_in(12) ? v ^ UINT64_C(1) << rnd() % 64 : v;
}

/* ---- UHCI ---- */

enum { U_IO = 0xc000, U_LIST = 0x10000, U_QHS = 0x20000, U_TDS = 0x21000, U_BUF = 0x30000,
       U_MANY = 24 };

void fuzz_uhci_up(void)
{
    fuzz_machine();
    rig_pci_add("piix3-usb-uhci", FUZZ_SLOT, NULL);
    config(0x20, U_IO, 4);
    config(0x04, 5, 2);
    usb_change();
}

/* A link to a queue head, a descriptor, or nothing. */
static uint32_t some_link(void)
{
    return one_in(4)   ? 1
           : one_in(2) ? (U_QHS + 16 * (rnd() % U_MANY)) | 2
                       : (U_TDS + 32 * (rnd() % U_MANY)) | (rnd() & 4);
}

static void uhci_td(unsigned n, uint32_t next, unsigned pid, unsigned address, unsigned ep,
                    unsigned bytes, uint32_t buf)
{
    uint32_t at = U_TDS + 32 * n;

    put(at, rather(next), 4);
    put(at + 4, rather(1u << 23 | 3u << 27 | (rnd() & 0x27000000)), 4);
    put(at + 8,
        rather(pid | address << 8 | ep << 15 | (rnd() & 1) << 19 | ((bytes - 1) & 0x7ff) << 21), 4);
    put(at + 12, rather(buf), 4);
}

static void uhci_control(void)
{
    unsigned address = rnd() % 3, pieces = rnd() % 6, n = 0;
    uint64_t setup = setup_packet();

    put(U_BUF, setup, 8);
    uhci_td(n++, (U_TDS + 32) | 4, 0x2d, address, 0, 8, U_BUF);
    for (unsigned i = 0; i < pieces; i++, n++) {
        uhci_td(n, (U_TDS + 32 * (n + 1)) | 4, setup & 0x80 ? 0x69 : 0xe1, address, 0, 8,
                U_BUF + 64 + 8 * i);
    }
    uhci_td(n, 1, setup & 0x80 ? 0xe1 : 0x69, address, 0, 0, 0);
    put(U_QHS, 1, 4);
    put(U_QHS + 4, U_TDS, 4);
}

void fuzz_uhci(void)
{
    if (one_in(20)) {
        usb_change();
    }
    if (one_in(2)) {
        uhci_control();
    } else {                                    /* any graph of them */
        for (unsigned i = 0; i < U_MANY; i++) {
            put(U_QHS + 16 * i, some_link(), 4);
            put(U_QHS + 16 * i + 4, some_link(), 4);
            uhci_td(i, some_link(), PICK(0x69, 0x69, 0xe1, 0x2d), rnd() % 3, rnd() % 3,
                    PICK(0, 1, 8, 8, 64, 1280), U_BUF + rnd() % 0x10000);
        }
    }
    for (unsigned i = 0; i < 1024; i += 1 + rnd() % 64) {
        put(U_LIST + 4 * i, one_in(2) ? U_QHS | 2 : some_link(), 4);
    }
    if (one_in(10)) {
        spoil(U_QHS, 0x2000, 8);
    }
    port(U_IO + 8, rather(U_LIST), 4);
    port(U_IO + 4, rather(0xf), 2);
    port(U_IO, rather(PICK(1, 1, 1, 0x81, 0xc1)), 2);
    if (one_in(6)) {
        unsigned p = 0x10 + 2 * (rnd() % 2);
        port(U_IO + p, 0x200, 2);
        rig_run_ns(10 * FUZZ_MS);
        port(U_IO + p, 0, 2);
        port(U_IO + p, 0x0e, 2);
    }
    if (one_in(3)) {
        people();
    }
    rig_run_ns(rnd() % (12 * FUZZ_MS));
    port(U_IO + 2, port_in(U_IO + 2, 2), 2);
    if (one_in(12)) {
        port(U_IO + rnd() % 0x20, odd(), PICK(1, 2, 4));
    }
}

/* ---- xHCI ---- */

enum { X_BAR = 0xe0000000u, X_DCBAA = 0x30000, X_CMDS = 0x31000, X_EVENTS = 0x32000,
       X_ERST = 0x33000, X_INPUT = 0x34000,
       X_OUTPUT = 0x40000, X_RINGS = 0x60000, X_DATA = 0x80000, X_SLOTS = 8, X_RING = 16 };
static unsigned x_cmd, x_at[X_SLOTS][4], x_cycle[X_SLOTS][4], x_cmd_cycle;

static void x(uint32_t at, uint32_t v)
{
    mem(X_BAR + at, v, 4);
}

static void xhci_start(void)
{
    x(0x40, 2);
    rig_run_ns(2 * FUZZ_MS);
    x_cmd = 0;
    x_cmd_cycle = 1;
    memset(x_at, 0, sizeof(x_at));
    for (unsigned s = 0; s < X_SLOTS; s++) {
        put(X_DCBAA + 8 * s, s ? rather(X_OUTPUT + 0x1000 * s) : 0, 8);
        for (unsigned i = 0; i < 4; i++) {
            x_cycle[s][i] = 1;
        }
    }
    for (unsigned i = 0; i < 0x20000; i += 8) {
        put(X_RINGS + i, 0, 8);
    }
    for (unsigned i = 0; i < 0x3000; i += 8) {
        put(X_CMDS + i, 0, 8);
    }
    put(X_ERST, X_EVENTS, 8);
    put(X_ERST + 8, rather(PICK(16, 64, 256)), 4);
    x(0x78, rather(X_SLOTS));
    x(0x70, rather(X_DCBAA));
    x(0x58, rather(X_CMDS | 1));
    x(0x5c, 0);
    x(0x1028, rather(1));
    x(0x1038, rather(X_EVENTS));
    x(0x103c, 0);
    x(0x1030, rather(X_ERST));
    x(0x1034, 0);
    x(0x1020, 2);
    x(0x40, 5);
}

static void trb(uint32_t at, uint64_t param, uint32_t status, uint32_t control)
{
    put(at, param, 8);
    put(at + 8, rather(status), 4);
    put(at + 12, rather(control), 4);
}

static void xhci_command(void)
{
    unsigned type = PICK(9, 9, 10, 11, 11, 12, 12, 13, 14, 15, 16, 17, 21, 23, rnd() % 64),
             slot = one_in(3) ? rnd() % X_SLOTS : 1, ep = 1 + rnd() % 8;
    uint64_t param = type == 16                 ? X_RINGS + 0x1000 * slot + (rnd() % 4) * 0x400 + 1
                     : type >= 11 && type <= 13 ? X_INPUT
                                                : 0;

    put(X_INPUT, one_in(10) ? rnd() : 0, 4);
    put(X_INPUT + 4, type == 11 ? 3 : PICK(1 | 1 << 3, 1 | 2 << 3, 1, rnd()), 4);
    put(X_INPUT + 0x20, rather(PICK(1u << 27, 3u << 27, 5u << 27) | PICK(1, 2, 3, 4) << 20), 4);
    put(X_INPUT + 0x24, rather((1 + rnd() % 8) << 16), 4);
    for (unsigned e = 1; e < 8; e++) {
        put(X_INPUT + 0x20 + 0x20 * e, 0, 4);
        put(X_INPUT + 0x24 + 0x20 * e, rather((e == 1 ? 4u : PICK(7, 3, 2, 6, 5)) << 3 | 8u << 16),
            4);
        put(X_INPUT + 0x28 + 0x20 * e, rather(X_RINGS + 0x1000 * slot + 0x400 * (e / 2) + 1), 8);
    }
    if (one_in(10)) {
        spoil(X_INPUT, 0x120, 4);
    }
    trb(X_CMDS + 16 * x_cmd, param, 0,
        type << 10 | slot << 24 | (type >= 14 && type <= 16 ? ep << 16 : 0) |
            (one_in(8) ? 0x200 : 0) | x_cmd_cycle);
    if (++x_cmd == X_RING - 1) {
        trb(X_CMDS + 16 * x_cmd, X_CMDS, 0, 6 << 10 | 2 | x_cmd_cycle);
        x_cmd = 0;
        x_cmd_cycle ^= 1;
    }
    x(0x2000, 0);
}

static void ring_add(unsigned slot, unsigned r, uint64_t param, uint32_t status, uint32_t control)
{
    uint32_t base = X_RINGS + 0x1000 * slot + 0x400 * r;

    trb(base + 16 * x_at[slot][r], param, status, control | x_cycle[slot][r]);
    if (++x_at[slot][r] == X_RING - 1) {
        trb(base + 16 * x_at[slot][r], rather(base), 0,
            6 << 10 | 2 | (one_in(4) ? 0x10 : 0) | x_cycle[slot][r]);
        x_at[slot][r] = 0;
        x_cycle[slot][r] ^= 1;
    }
}

static void xhci_transfer(void)
{
    unsigned slot = one_in(4) ? 1 + rnd() % (X_SLOTS - 1) : 1, r = one_in(2) ? 0 : rnd() % 4;

    if (r == 0) {
        uint64_t setup = setup_packet();
        unsigned bytes = (unsigned)(setup >> 48);
        bool     in = setup & 0x80;
        ring_add(slot, 0, setup, 8, 2 << 10 | 0x40 | (bytes ? in ? 3 << 16 : 2 << 16 : 0));
        for (unsigned i = 0; bytes && i <= rnd() % 3; i++) {
            ring_add(slot, 0, X_DATA + rnd() % 0x1000, rather(bytes),
                     (i ? 1 : 3) << 10 | (in ? 0x10000 : 0) | PICK(0, 4, 0x10, 0x20, 0x40));
        }
        ring_add(slot, 0, 0, 0, 4 << 10 | (in && bytes ? 0 : 0x10000) | 0x20);
    } else {
        for (unsigned i = 1 + rnd() % 3; i; i--) {
            ring_add(slot, r, X_DATA + rnd() % 0x10000, PICK(0, 1, 8, 64, 4096, 0x1ffff),
                     PICK(1, 1, 1, 5, 7, 8, rnd() % 64) << 10 | PICK(0x20, 0x24, 0x30, 0x60, 0x10));
        }
    }
    x(0x2000 + 4 * slot, rather(r == 0 ? 1 : r * 2 + rnd() % 2));
}

void fuzz_xhci_up(void)
{
    fuzz_machine();
    rig_pci_add("qemu-xhci", FUZZ_SLOT, NULL);
    config(0x10, X_BAR, 4);
    config(0x14, 0, 4);
    config(0x04, 6, 2);
    usb_change();
}

void fuzz_xhci(void)
{
    if (one_in(80) || (mem_in(X_BAR + 0x44, 4) & 1)) {          /* halted */
        xhci_start();
    }
    if (one_in(40)) {
        usb_change();
    }
    if (one_in(12)) {
        x(0x440 + 16 * (rnd() % 8), PICK(0x210, 0x20210, 0xfe0200, odd()));
    }
    one_in(2) ? xhci_command() : xhci_transfer();
    if (one_in(20)) {
        spoil(X_RINGS, 0x4000, 6);
    }
    if (one_in(40)) {
        spoil(X_OUTPUT + 0x1000, 0x400, 4);
    }
    if (one_in(2)) {
        x(0x1038, rather((X_EVENTS + 16 * (rnd() % 256)) | 8));
    }
    if (one_in(3)) {
        people();
    }
    if (one_in(20)) {
        x(PICK(rnd() % 0x100, 0x1000 + rnd() % 0x100, 0x2000 + rnd() % 0x100) & ~3u, odd());
    }
    rig_run_ns(rnd() % (3 * FUZZ_MS));
}
