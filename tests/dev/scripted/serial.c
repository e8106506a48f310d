/* SPDX-License-Identifier: GPL-2.0-or-later */
/* serial.c -- 16550A, debug port, scripted from the data sheet. */
#include "tests/dev/scripted/rig.h"
#include <string.h>

enum { COM1 = 0x3f8 };

/* The far end of the line, in place of core/chardev.c: see --wrap in tests/dev.mk. */
static struct {
    ChrUser  user;
    char     out[4096];
    size_t   n_out, room;
    unsigned accepts;
} line;

void __wrap_chr_attach(Chardev *c, const ChrUser *user);
size_t __wrap_chr_write(Chardev *c, const void *buf, size_t n);
void __wrap_chr_accept(Chardev *c);

void __wrap_chr_attach(Chardev *c, const ChrUser *user)
{
    line.user = *user;
}

size_t __wrap_chr_write(Chardev *c, const void *buf, size_t n)
{
    n = MIN(n, line.room);
    memcpy(line.out + line.n_out, buf, n);
    line.n_out += n;
    line.room -= n;
    return n;
}

void __wrap_chr_accept(Chardev *c)
{
    line.accepts++;
}

static void up(void)
{
    rig_up();
    rig_pc(1);
    memset(&line, 0, sizeof(line));
    line.room = sizeof(line.out);
    ck_assert(serial_create(rig.m, rig.isa, 0, (Chardev *)&line, NULL));
    rig_reset();
    outb(0x20, 0x11); outb(0x21, 0x30); outb(0x21, 4); outb(0x21, 1); outb(0x21, 0);
}

static bool irq4(void)
{
    outb(0x20, 0x0a);
    return inb(0x20) & 0x10;
}

static void feed(const char *s)
{
    size_t n = MIN(strlen(s), line.user.can_receive(line.user.dev));

    line.user.receive(line.user.dev, (const uint8_t *)s, n);
}

START_TEST(registers)
{
    ck_assert_uint_eq(inb(COM1 + 2), 0x01);
    ck_assert_uint_eq(inb(COM1 + 5), 0x60);
    ck_assert_uint_eq(inb(COM1 + 6), 0xb0);
    outb(COM1 + 7, 0x5a);
    ck_assert_uint_eq(inb(COM1 + 7), 0x5a);
    outb(COM1 + 1, 0xff);
    ck_assert_uint_eq(inb(COM1 + 1), 0x0f);
    outb(COM1 + 3, 0x83);
    outb(COM1, 0); outb(COM1 + 1, 0);           /* divisor 0 */
    ck_assert_uint_eq(inb(COM1), 0);
    outb(COM1 + 3, 0x03);
    feed("x");
    ck_assert_uint_eq(inb(COM1), 'x');
    outb(COM1 + 2, 1);
    ck_assert_uint_eq(inb(COM1 + 2) & 0xc0, 0xc0);
    ck_assert_uint_eq(inb(0x2f8 + 5), 0xff);    /* no second port */
    rig_round_trip();
}
END_TEST

START_TEST(output)
{
    outb(COM1 + 3, 3); outb(COM1 + 2, 1);
    for (const char *p = "hello"; *p; p++) {
        ck_assert_uint_eq(inb(COM1 + 5) & 0x60, 0x60);
        outb(COM1, (uint8_t)*p);
    }
    ck_assert_str_eq(line.out, "hello");
    outb(COM1 + 1, 2);                          /* empty: at once */
    ck_assert(irq4());
    ck_assert_uint_eq(inb(COM1 + 2) & 0x0f, 2);
    ck_assert_uint_eq(inb(COM1 + 2) & 0x0f, 1); /* reading acknowledges */
    outb(COM1 + 1, 0); outb(COM1 + 1, 2);
    ck_assert_uint_eq(inb(COM1 + 2) & 0x0f, 2);
    line.room = 2;                              /* the host is slow */
    for (unsigned i = 0; i < 10; i++) {
        outb(COM1, (uint8_t)('0' + i));
    }
    ck_assert_uint_eq(inb(COM1 + 5) & 0x60, 0);
    ck_assert_uint_eq(inb(COM1 + 2) & 0x0f, 1);
    rig_round_trip();
    line.room = 100;
    line.user.writable(line.user.dev);
    ck_assert_str_eq(line.out, "hello0123456789");
    ck_assert_uint_eq(inb(COM1 + 5) & 0x60, 0x60);
    rig_run_ns(1000000);
    ck_assert_uint_eq(inb(COM1 + 2) & 0x0f, 2);
    /* a handler that never stops has to, at some time */
    for (unsigned n = 0; n < 200; n++) {
        for (unsigned i = 0; i < 16; i++) {
            line.room = 100;
            line.n_out = 0;
            outb(COM1, 'x');
        }
    }
    for (unsigned n = 0;; n++) {
        ck_assert_uint_lt(n, 300);
        if ((inb(COM1 + 2) & 0x0f) == 1) {
            break;
        }
        for (unsigned i = 0; i < 16; i++) {
            line.room = 100;
            line.n_out = 0;
            outb(COM1, 'x');
        }
    }
    rig_run_ns(100000);
    ck_assert_uint_eq(inb(COM1 + 2) & 0x0f, 2);
}
END_TEST

START_TEST(input)
{
    outb(COM1 + 3, 3); outb(COM1 + 1, 1);
    ck_assert_uint_eq(line.user.can_receive(line.user.dev), 1);
    feed("a");
    ck_assert_uint_eq(line.user.can_receive(line.user.dev), 0);
    ck_assert(irq4());
    ck_assert_uint_eq(inb(COM1 + 2), 4);
    ck_assert_uint_eq(inb(COM1), 'a');
    ck_assert_uint_eq(inb(COM1 + 2), 1);
    ck_assert_uint_gt(line.accepts, 0);
    outb(COM1 + 2, 0x81);                       /* FIFO, 8 bytes */
    feed("1234567");
    ck_assert_uint_eq(inb(COM1 + 2), 0xc1);
    rig_run_ns(20000000);
    ck_assert_uint_eq(inb(COM1 + 2), 0xcc);     /* time-out */
    ck_assert_uint_eq(inb(COM1), '1');
    ck_assert_uint_eq(inb(COM1 + 2), 0xc1);
    feed("89");
    ck_assert_uint_eq(inb(COM1 + 2), 0xc4);
    feed("abcdefghijklmnop");                   /* takes what it can */
    ck_assert_uint_eq(line.user.can_receive(line.user.dev), 0);
    for (const char *p = "23456789abcdefgh"; *p; p++) {
        ck_assert_uint_eq(inb(COM1), *p);
    }
    ck_assert_uint_eq(inb(COM1 + 5), 0x60);
    outb(COM1 + 1, 4);
    line.user.event(line.user.dev, CHR_BREAK);
    ck_assert_uint_eq(inb(COM1 + 2), 0xc6);
    ck_assert_uint_eq(inb(COM1 + 5), 0xf1);     /* FIFO error, break, data */
    ck_assert_uint_eq(inb(COM1 + 5), 0x61);
    ck_assert_uint_eq(inb(COM1), 0);
    rig_round_trip();
}
END_TEST

START_TEST(loopback)
{
    outb(COM1 + 3, 3); outb(COM1 + 2, 1);
    outb(COM1 + 4, 0x1a);                       /* loop, OUT2, RTS */
    ck_assert_uint_eq(inb(COM1 + 6) & 0xf0, 0x90);
    outb(COM1, 'q');
    ck_assert_uint_eq(inb(COM1 + 5) & 1, 1);
    ck_assert_uint_eq(inb(COM1), 'q');
    ck_assert_uint_eq(line.n_out, 0);
    inb(COM1 + 6);
    outb(COM1 + 1, 8);
    outb(COM1 + 4, 0x1e);
    ck_assert_uint_eq(inb(COM1 + 2), 0xc1);     /* RI's leading edge says nothing */
    outb(COM1 + 4, 0x1a);
    ck_assert_uint_eq(inb(COM1 + 2), 0xc0);
    ck_assert_uint_eq(inb(COM1 + 6), 0x94);     /* its trailing edge does */
    ck_assert_uint_eq(inb(COM1 + 2), 0xc1);
    outb(COM1 + 3, 0);                          /* five bits */
    outb(COM1, 0xff);
    ck_assert_uint_eq(inb(COM1), 0x1f);
    for (unsigned i = 0; i < 40; i++) {
        outb(COM1, (uint8_t)i);
    }
    ck_assert_uint_eq(inb(COM1 + 5) & 2, 2);    /* overrun */
}
END_TEST

START_TEST(debug_port)
{
    ck_assert(debugcon_create(rig.m, rig.isa, 0xe9, (Chardev *)&line, NULL));
    ck_assert_uint_eq(inb(0xe9), 0xe9);
    outb(0xe9, '!');
    ck_assert_str_eq(line.out, "!");
}
END_TEST

START_TEST(properties)
{
    GError *err = NULL;
    void *d = device_new(rig.m, rig.isa, "isa-serial", NULL, NULL);

    ck_assert(device_realize(d, NULL));         /* the next free one */
    ck_assert_uint_eq(inb(0x2f8 + 5), 0x60);
    d = device_new(rig.m, rig.isa, "isa-serial", NULL, NULL);
    ck_assert(device_set(d, "index", "9", NULL));
    ck_assert(!device_realize(d, &err));
    ck_assert_ptr_nonnull(err);
    g_clear_error(&err);
    d = device_new(rig.m, rig.isa, "isa-serial", NULL, NULL);
    ck_assert(device_set(d, "iobase", "0xfffc", NULL));
    ck_assert(!device_realize(d, &err));
    g_clear_error(&err);
}
END_TEST

Suite *suite_serial(void)
{
    Suite *serial_suite = suite_create("serial");

    RIG_TEST(serial, registers);
    RIG_TEST(serial, output);
    RIG_TEST(serial, input);
    RIG_TEST(serial, loopback);
    RIG_TEST(serial, debug_port);
    RIG_TEST(serial, properties);
    return serial_suite;
}
