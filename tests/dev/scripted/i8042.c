/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i8042.c -- keyboard controller, keyboard, mouse, port 92. */
#include "tests/dev/scripted/rig.h"

enum { DATA = 0x60, CMD = 0x64 };

static void up(void)
{
    rig_up();
    rig_pc(1);
    device_realize(device_new(rig.m, rig.isa, "port92", NULL, NULL), NULL);
    outb(0x20, 0x11); outb(0x21, 0x30); outb(0x21, 4); outb(0x21, 1); outb(0x21, 0);
    outb(0xa0, 0x11); outb(0xa1, 0x38); outb(0xa1, 2); outb(0xa1, 1); outb(0xa1, 0);
    rig_requests();
}

static int next(void)
{
    return inb(CMD) & 1 ? inb(DATA) : -1;
}

#define EXPECT(...) do {                                            \
        static const int want_[] = { __VA_ARGS__ };                 \
        for (unsigned i_ = 0; i_ < G_N_ELEMENTS(want_); i_++) {     \
            ck_assert_int_eq(next(), want_[i_]);                    \
        }                                                           \
        ck_assert_int_eq(next(), -1);                               \
    } while (0)

static void to_mouse(uint8_t byte)
{
    outb(CMD, 0xd4);
    outb(DATA, byte);
}

static void mode(uint8_t val)
{
    outb(CMD, 0x60);
    outb(DATA, val);
}

START_TEST(controller)
{
    outb(CMD, 0xaa); EXPECT(0x55);
    ck_assert_uint_eq(inb(CMD) & 4, 4);
    outb(CMD, 0xab); EXPECT(0);
    outb(CMD, 0xa9); EXPECT(0);
    mode(0x47);
    outb(CMD, 0x20); EXPECT(0x47);
    outb(CMD, 0xd3); outb(DATA, 0x5a);
    ck_assert_uint_eq(inb(CMD) & 0x21, 0x21);
    EXPECT(0x5a);
    outb(CMD, 0xd1); outb(DATA, 0xdd);
    ck_assert(!rig_a20());
    ck_assert_uint_eq(inb(0x92) & 2, 0);
    outb(0x92, 2);
    ck_assert(rig_a20());
    outb(CMD, 0xd0); EXPECT(3);
    outb(CMD, 0xfe);
    ck_assert_uint_eq(rig_requests(), 1);
    outb(0x92, 3);
    ck_assert_uint_eq(rig_requests(), 1);
    rig_round_trip();
}
END_TEST

START_TEST(keyboard)
{
    mode(0);
    outb(DATA, 0xff); EXPECT(0xfa, 0xaa);
    outb(DATA, 0xf2); EXPECT(0xfa, 0xab, 0x83);
    outb(DATA, 0xee); EXPECT(0xee);
    outb(DATA, 0xfe); EXPECT(0xee);
    outb(DATA, 0xed); EXPECT(0xfa);
    outb(DATA, 0x02); EXPECT(0xfa);
    ck_assert_uint_eq(i8042_leds(rig.kbc), 2);
    outb(DATA, 0xf0); EXPECT(0xfa);
    outb(DATA, 0x00); EXPECT(0xfa, 0x02);
    outb(DATA, 0x42); EXPECT(0xfe);
    i8042_key(rig.kbc, 30, true); i8042_key(rig.kbc, 30, true); i8042_key(rig.kbc, 30, false);
    EXPECT(0x1c, 0xf0, 0x1c);
    i8042_key(rig.kbc, 103, true); i8042_key(rig.kbc, 103, false);
    EXPECT(0xe0, 0x75, 0xe0, 0xf0, 0x75);
    i8042_key(rig.kbc, 119, true); i8042_key(rig.kbc, 119, false);
    EXPECT(0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
    i8042_key(rig.kbc, 99, true); i8042_key(rig.kbc, 99, false);
    EXPECT(0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
    outb(DATA, 0xf5); EXPECT(0xfa);
    i8042_key(rig.kbc, 30, true); i8042_key(rig.kbc, 30, false);
    EXPECT(-1);
    i8042_key(rig.kbc, 5000, true);
    rig_round_trip();
}
END_TEST

START_TEST(translation)
{
    mode(0x41);
    i8042_key(rig.kbc, 30, true); i8042_key(rig.kbc, 30, false);
    EXPECT(0x1e, 0x9e);
    i8042_key(rig.kbc, 105, true); i8042_key(rig.kbc, 105, false);
    EXPECT(0xe0, 0x4b, 0xe0, 0xcb);
    i8042_key(rig.kbc, 65, true); i8042_key(rig.kbc, 65, false);
    EXPECT(0x41, 0xc1);
    outb(DATA, 0xf2); EXPECT(0xfa, 0xab, 0x41);
    for (unsigned k = 1; k <= 83; k++) {        /* set 1 is what evdev numbers come from */
        i8042_key(rig.kbc, k, true); i8042_key(rig.kbc, k, false);
        ck_assert_int_eq(next(), (int)k);
        ck_assert_int_eq(next(), (int)(k | 0x80));
    }
    EXPECT(-1);
    mode(0x01);
    outb(DATA, 0xf0); outb(DATA, 1); EXPECT(0xfa, 0xfa);
    i8042_key(rig.kbc, 111, true); i8042_key(rig.kbc, 111, false);
    EXPECT(0xe0, 0x53, 0xe0, 0xd3);
    outb(DATA, 0xf0); outb(DATA, 3); EXPECT(0xfa, 0xfa);
    i8042_key(rig.kbc, 111, true); i8042_key(rig.kbc, 111, false);
    EXPECT(0x64, 0xf0, 0x64);
}
END_TEST

START_TEST(typematic)
{
    unsigned n = 0;

    mode(0);
    i8042_key(rig.kbc, 16, true);
    EXPECT(0x15);
    rig_run_ns(490000000);
    EXPECT(-1);
    for (unsigned i = 0; i < 100; i++) {        /* a second at 10.9 a second */
        rig_run_ns(10000000);
        for (; next() == 0x15; n++) {
        }
    }
    ck_assert_uint_ge(n, 10);
    ck_assert_uint_le(n, 12);
    i8042_key(rig.kbc, 16, false);
    EXPECT(0xf0, 0x15);
    rig_run_ns(1000000000);
    EXPECT(-1);
    for (unsigned i = 0; i < 1000; i++) {       /* nobody reads: bounded, and says so */
        i8042_key(rig.kbc, 16, !(i & 1));
    }
    for (n = 0; next() >= 0; n++) {
    }
    ck_assert_uint_le(n, 260);
}
END_TEST

START_TEST(interrupts)
{
    mode(0x43);
    outb(0x20, 0x0a);
    i8042_key(rig.kbc, 30, true); i8042_key(rig.kbc, 30, false);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x31);
    ck_assert_int_eq(inb(DATA), 0x1e);
    outb(0x20, 0x20);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x31); /* each byte is an edge */
    ck_assert_int_eq(inb(DATA), 0x9e);
    outb(0x20, 0x20);
    to_mouse(0xf4);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x3c);
    EXPECT(0xfa);
}
END_TEST

START_TEST(mouse)
{
    mode(0);
    to_mouse(0xff); EXPECT(0xfa, 0xaa, 0);
    to_mouse(0xf2); EXPECT(0xfa, 0);
    to_mouse(0xe9); EXPECT(0xfa, 0, 2, 100);
    i8042_pointer(rig.kbc, 5, 5, 0, 0);         /* not reporting yet */
    to_mouse(0xf4); EXPECT(0xfa, 0x28, 5, 0xfb);
    i8042_pointer(rig.kbc, -3, 2, 0, POINTER_LEFT);
    EXPECT(0x39, 0xfd, 0xfe);
    i8042_pointer(rig.kbc, 300, 0, 0, 0);       /* in two packets */
    EXPECT(0x08, 255, 0, 0x08, 45, 0);
    to_mouse(0xf3); to_mouse(200); to_mouse(0xf3); to_mouse(100); to_mouse(0xf3); to_mouse(80);
    EXPECT(0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa);
    to_mouse(0xf2); EXPECT(0xfa, 3);
    i8042_pointer(rig.kbc, 0, 0, -1, 0);
    EXPECT(0x08, 0, 0, 0xff);
    to_mouse(0xf3); to_mouse(200); to_mouse(0xf3); to_mouse(200); to_mouse(0xf3); to_mouse(80);
    EXPECT(0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa);
    to_mouse(0xf2); EXPECT(0xfa, 4);
    i8042_pointer(rig.kbc, 0, 0, 0, POINTER_SIDE);
    EXPECT(0x08, 0, 0, 0x10);
    for (unsigned i = 0; i < 100000; i++) {
        i8042_pointer(rig.kbc, 1000, -1000, 100, i & 1);
    }
    rig_round_trip();
}
END_TEST

Suite *suite_i8042(void)
{
    Suite *i8042_suite = suite_create("keyboard controller");

    RIG_TEST(i8042, controller);
    RIG_TEST(i8042, keyboard);
    RIG_TEST(i8042, translation);
    RIG_TEST(i8042, typematic);
    RIG_TEST(i8042, interrupts);
    RIG_TEST(i8042, mouse);
    return i8042_suite;
}
