/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer.c -- 8254, port 61, RTC and HPET, scripted from their data sheets. */
#include "core/irqchip.h"
#include "tests/dev/scripted/rig.h"

#define HZ 1193182ull

static Wire wire;

static void up(void)
{
    rig_up();
    rig_pc(1);
    wire = (Wire){ .level = false };
}

static uint64_t ticks(uint64_t n)
{
    return muldiv64(n, 1000000000, HZ) + 1;
}

static unsigned read16(uint16_t port)
{
    unsigned low = inb(port);

    return low | inb(port) << 8;
}

static unsigned latched(unsigned channel)
{
    outb(0x43, channel << 6);
    return read16(0x40 + channel);
}

static void load(unsigned channel, unsigned mode, unsigned count)
{
    outb(0x43, channel << 6 | 0x30 | mode << 1);
    outb(0x40 + channel, count & 0xff);
    outb(0x40 + channel, count >> 8);
}

START_TEST(pit_rate)
{
    pit_connect(rig.pit, wire_sink, &wire, 0);
    load(0, 2, 1193);
    wire.rises = 0;
    rig_run_ns(1000000000);
    ck_assert_uint_ge(wire.rises, 999);
    ck_assert_uint_le(wire.rises, 1001);
    load(0, 3, 11932);
    wire.rises = 0;
    rig_run_ns(1000000000);
    ck_assert_uint_ge(wire.rises, 99);
    ck_assert_uint_le(wire.rises, 101);
    load(0, 2, 2);                              /* hostile */
    wire.rises = 0;
    rig_run_ns(10000000);
    ck_assert_uint_le(wire.rises, 501);
    ck_assert_uint_ge(wire.rises, 100);
    rig_round_trip();
}
END_TEST

START_TEST(pit_counts)
{
    load(0, 2, 1000);
    rig_run_ns(ticks(300));
    ck_assert_uint_eq(latched(0), 700);
    outb(0x43, 0xd2);                           /* latch count of counter 0 */
    rig_run_ns(ticks(100));
    ck_assert_uint_eq(read16(0x40), 700);
    ck_assert_uint_eq(read16(0x40) / 10, 60);   /* live again */
    outb(0x43, 0x00);
    outb(0x43, 0xe2);                           /* status first, then the count */
    ck_assert_uint_eq(inb(0x40), 0x80 | 0x34);
    ck_assert_uint_eq(read16(0x40) / 10, 60);
    outb(0x43, 0x35);                           /* BCD */
    outb(0x40, 0x00); outb(0x40, 0x10);
    rig_run_ns(ticks(250));
    ck_assert_uint_eq(latched(0), 0x0750);
    ck_assert_uint_eq(inb(0x43), 0);
    outb(0x43, 0x18);                           /* low byte only, mode 4 */
    outb(0x40, 100);
    rig_run_ns(ticks(40));
    ck_assert_uint_eq(inb(0x40), 60);
    rig_run_ns(ticks(100));
    ck_assert_uint_eq(inb(0x40), (uint8_t)-40);
}
END_TEST

START_TEST(pit_one_shot)
{
    pit_connect(rig.pit, wire_sink, &wire, 0);
    load(0, 0, 1000);
    ck_assert(!wire.level);
    rig_run_ns(ticks(998));
    ck_assert(!wire.level);
    rig_run_ns(ticks(4));
    ck_assert(wire.level);
    load(0, 4, 500);
    wire.rises = 0;
    rig_run_ns(ticks(498));
    ck_assert_uint_eq(wire.rises, 0);
    rig_run_ns(ticks(10000));
    ck_assert_uint_eq(wire.rises, 1);
}
END_TEST

START_TEST(pit_gate)
{
    load(2, 0, 1000);
    ck_assert_uint_eq(inb(0x61) & 0x21, 0);
    rig_run_ns(ticks(2000));
    ck_assert_uint_eq(latched(2), 1000);        /* gate low: it waits */
    outb(0x61, 1);
    rig_run_ns(ticks(600));
    outb(0x61, 0);
    rig_run_ns(ticks(5000));
    ck_assert_uint_eq(inb(0x61) & 0x20, 0);
    outb(0x61, 1);
    rig_run_ns(ticks(390));
    ck_assert_uint_eq(inb(0x61) & 0x20, 0);
    rig_run_ns(ticks(20));
    ck_assert_uint_eq(inb(0x61) & 0x21, 0x21);
    outb(0x61, 0);
    load(2, 1, 100);                            /* a trigger each time the gate rises */
    outb(0x61, 1);
    ck_assert_uint_eq(inb(0x61) & 0x20, 0);
    rig_run_ns(ticks(101));
    ck_assert_uint_eq(inb(0x61) & 0x20, 0x20);
    rig_run_ns(5000000);
    ck_assert_uint_eq(inb(0x61) & 0x10, (rig_time() / 15085 & 1) << 4);
    rig_round_trip();
}
END_TEST

static uint8_t cmos(uint8_t at)
{
    outb(0x70, at);
    return inb(0x71);
}

static void set_cmos(uint8_t at, uint8_t val)
{
    outb(0x70, at);
    outb(0x71, val);
}

#define LEAP_DAY 1709251199             /* 2024-02-29 23:59:59, a Thursday */

START_TEST(rtc_time)
{
    rtc_set_time(rig.rtc, LEAP_DAY, TIME_GUEST);
    ck_assert_uint_eq(cmos(0), 0x59);
    ck_assert_uint_eq(cmos(2), 0x59);
    ck_assert_uint_eq(cmos(4), 0x23);
    ck_assert_uint_eq(cmos(6), 5);
    ck_assert_uint_eq(cmos(7), 0x29);
    ck_assert_uint_eq(cmos(8), 2);
    ck_assert_uint_eq(cmos(9), 0x24);
    ck_assert_uint_eq(cmos(0x32), 0x20);
    ck_assert_uint_eq(cmos(10), 0x26);
    rig_run_ns(999900000);
    ck_assert_uint_eq(cmos(10), 0xa6);          /* update in progress */
    rig_run_ns(100000);
    ck_assert_uint_eq(cmos(10), 0x26);
    ck_assert_uint_eq(cmos(0), 0); ck_assert_uint_eq(cmos(7), 1); ck_assert_uint_eq(cmos(8), 3);
    set_cmos(11, 0x84);                         /* SET, binary, 12 hours */
    set_cmos(4, 0x80 | 11); set_cmos(2, 30); set_cmos(0, 0); set_cmos(9, 99); set_cmos(0x32, 19);
    rig_run_ns(5000000000);
    ck_assert_uint_eq(cmos(0), 0);              /* frozen */
    set_cmos(11, 0x06);
    rig_run_ns(2000000000);
    ck_assert_uint_eq(cmos(0), 2); ck_assert_uint_eq(cmos(4), 23); ck_assert_uint_eq(cmos(2), 30);
    ck_assert_uint_eq(cmos(9), 99); ck_assert_uint_eq(cmos(0x32), 19);
    /* nonsense */
    set_cmos(4, 0xff); set_cmos(7, 0xff); set_cmos(8, 0xff); set_cmos(0x32, 0xff);
    rig_run_ns(3000000000);
    ck_assert_uint_le(cmos(4), 23);
    rig_round_trip();
}
END_TEST

START_TEST(rtc_interrupts)
{
    rtc_connect(rig.rtc, wire_sink, &wire, 0);
    rtc_set_time(rig.rtc, LEAP_DAY - 10, TIME_GUEST);
    cmos(12);
    set_cmos(11, 0x42);                         /* periodic, 1024 Hz */
    for (unsigned i = 0; i < 10; i++) {
        rig_run_ns(976563);
        ck_assert(wire.level);
        ck_assert_uint_eq(cmos(12) & 0xc0, 0xc0);
        ck_assert(!wire.level);
    }
    set_cmos(11, 0x12);                         /* update ended */
    rig_run_ns(1000000000);
    ck_assert(wire.level);
    ck_assert_uint_eq(cmos(12) & 0x90, 0x90);
    set_cmos(1, 0xc0); set_cmos(3, 0xff); set_cmos(5, 0x00);    /* any second of hour 0 */
    set_cmos(11, 0x22);
    rig_run_ns(8000000000);
    ck_assert(!wire.level);
    rig_run_ns(3000000000);
    ck_assert(wire.level);
    ck_assert_uint_eq(cmos(12) & 0xa0, 0xa0);
    set_cmos(11, 0x02);
    rig_run_ns(2000000000);
    ck_assert(!wire.level);
    ck_assert_uint_eq(cmos(12) & 0x50, 0x50);   /* flags without interrupts */
    rtc_cmos_set(rig.rtc, 0x40, 0x5a);
    rig_reset();
    ck_assert_uint_eq(cmos(0x40), 0x5a);
    ck_assert_uint_eq(cmos(13), 0x80);
}
END_TEST

START_TEST(rtc_slew)
{
    unsigned n = 0;

    rtc_connect(rig.rtc, wire_sink, &wire, 0);
    rtc_set_slew(rig.rtc, true);
    set_cmos(10, 0x29);                         /* 128 Hz */
    cmos(12);
    set_cmos(11, 0x42);
    /* a second in which the guest looks only every 25 ms, */
    for (unsigned i = 0; i < 100; i++) {
        rig_run_ns(i < 40 ? 25000000 : 1000000);
        for (unsigned again = 0; i >= 40 && wire.level && again < 20; again++) {
            n += (cmos(12) & 0x40) != 0;        /* then catches up */
            rig_run_ns(300000);
        }
        if (wire.level) {
            n += (cmos(12) & 0x40) != 0;
        }
    }
    ck_assert_uint_ge(n, 128);
    ck_assert_uint_le(n, 150);
}
END_TEST

enum { HPET = 0xfed00000u };

static uint32_t hpet(unsigned off)
{
    return mem_read(HPET + off);
}

static void set_hpet(unsigned off, uint32_t val)
{
    mem_write(HPET + off, val);
}

static void pics(void)
{
    outb(0x20, 0x11); outb(0x21, 0x30); outb(0x21, 4); outb(0x21, 1); outb(0x21, 0);
    outb(0xa0, 0x11); outb(0xa1, 0x38); outb(0xa1, 2); outb(0xa1, 1); outb(0xa1, 0);
}

START_TEST(hpet_counter)
{
    ck_assert_uint_eq(hpet(0), 0x8086a201);
    ck_assert_uint_eq(hpet(4), 10000000);
    rig_run_ns(1000);
    ck_assert_uint_eq(hpet(0xf0), 0);
    set_hpet(0x10, 1);
    rig_run_ns(1000);
    ck_assert_uint_eq(hpet(0xf0), 100);
    set_hpet(0x10, 0);
    rig_run_ns(1000);
    ck_assert_uint_eq(hpet(0xf0), 100);
    set_hpet(0xf4, 7);
    ck_assert_uint_eq(hpet(0xf4), 7);
    ck_assert_uint_eq(hpet(0xf0), 100);
    ck_assert_uint_eq(hpet(0x100) & 0x30, 0x30);
    ck_assert_uint_eq(hpet(0x108), 0xffffffff);
    rig_round_trip();
}
END_TEST

START_TEST(hpet_legacy_routes)
{
    pics();
    apic_write(0, 0xf0, 0x1ff);
    apic_write(0, 0x350, 0x700);
    set_hpet(0x10, 3);
    rig_run_ns(100000000);                      /* the PIT at 18 Hz does not come through */
    ck_assert(!rig.cpu[0].intr);
    set_hpet(0x100, 0x4);                       /* one-shot, edge */
    set_hpet(0x10c, 0);
    set_hpet(0x108, hpet(0xf0) + 1000);
    rig_run_ns(9990);
    ck_assert(!rig.cpu[0].intr);
    rig_run_ns(20);
    ck_assert_int_eq(apic_ack(0), 0x30);
    outb(0x20, 0x20);
    rig_run_ns(100000000);
    ck_assert(!rig.cpu[0].intr);
    set_hpet(0x100, 0x4c);                      /* periodic: accumulator, then period */
    set_hpet(0x108, hpet(0xf0) + 5000);
    set_hpet(0x108, 100000);
    rig_run_ns(51000);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(apic_ack(0), 0x30);
        outb(0x20, 0x20);
        ck_assert(!rig.cpu[0].intr);
        rig_run_ns(1000000);
    }
    rig_round_trip();
    set_hpet(0x10, 0);                          /* the PIT is back */
    apic_ack(0);
    outb(0x20, 0x20);
    rig_run_ns(100000000);
    ck_assert(rig.cpu[0].intr);
}
END_TEST

START_TEST(hpet_level)
{
    apic_write(0, 0xf0, 0x1ff);
    mem_write(0xfec00000, 0x10 + 2 * 20);
    mem_write(0xfec00010, 0x8066);              /* GSI 20, by level */
    set_hpet(0x10, 1);
    set_hpet(0x120, 20 << 9 | 0x106);           /* timer 1: level, enabled, 32 bits */
    set_hpet(0x128, 1000);
    ck_assert_uint_eq(hpet(0x12c), 0);
    rig_run_ns(10010);
    ck_assert_int_eq(apic_ack(0), 0x66);
    ck_assert_uint_eq(hpet(0x20), 2);
    set_hpet(0x20, 2);
    apic_write(0, 0xb0, 0);
    ck_assert(!rig.cpu[0].intr);
    rig_run_ns(42949672960ull + 20);            /* 32 bits: again after a turn */
    ck_assert_int_eq(apic_ack(0), 0x66);
}
END_TEST

/* ---- a timer that the accelerator has: state goes to it and comes from it, and a machine without one goes on */

static PitState there;
static unsigned stores;

static bool fake_make(Machine *m) { return true; }
static void fake_fetch(Machine *m, PitState *s) { *s = there; }
static void fake_store(Machine *m, const PitState *s)
{
    there = *s;
    stores++;
}

static void move_pit(Device *d, IrqChip *to)
{
    GByteArray *saved = g_byte_array_new();
    GBytes *bytes;

    if (d->class->refresh) {
        d->class->refresh(d);
    }
    state_save(saved, d->path, d->class->fields, d->class->regs, d);
    bytes = g_bytes_new(saved->data, saved->len);
    rig.m->irqchip = to;
    d->class->reset(d);
    ck_assert(state_load(bytes, d->path, d->class->fields, d->class->regs, d, NULL));
    ck_assert(d->class->restored(d, NULL));
    g_bytes_unref(bytes);
    g_byte_array_unref(saved);
}

START_TEST(pit_outside)
{
    IrqChip chip = { .pit_make = fake_make, .pit_fetch = fake_fetch, .pit_store = fake_store };
    bool gate, on;

    pit_connect(rig.pit, wire_sink, &wire, 0);
    load(0, 2, 2386);
    rig_run_ns(ticks(5000));
    outb(0x61, 3);
    load(2, 0, 50000);
    rig_run_ns(ticks(1000));
    ck_assert(wire.level && !pit_speaker(rig.pit, &gate, &on));
    stores = 0;
    move_pit(rig.pit, &chip);
    ck_assert(stores && !wire.level);           /* the wire is the other one's */
    ck_assert(there.channel[0].count == 2386 && there.channel[0].mode == 2 &&
              there.channel[0].rw == 3 && there.channel[0].gate);
    ck_assert(there.channel[2].count == 50000 && there.channel[2].mode == 0 &&
              there.channel[2].gate);
    ck_assert_uint_le(there.channel[2].loaded_ns, rig_time() - ticks(999));
    ck_assert_uint_ge(there.channel[2].loaded_ns, rig_time() - ticks(1001));
    ck_assert(there.speaker && there.makes_up && !there.cut);
    wire.rises = 0;
    rig_run_ns(100000000);
    ck_assert_uint_eq(wire.rises, 0);
    pit_cut(rig.pit, true);                     /* the HPET takes IRQ 0 */
    ck_assert(there.cut && there.channel[0].count == 2386);
    pit_cut(rig.pit, false);
    ck_assert(!there.cut && pit_speaker(rig.pit, &gate, &on) && gate && on);
    there.channel[0].count = 1193;              /* the guest programs it there */
    there.channel[1] = (PitChannel){ .count = 700, .mode = 2, .rw = 3, .gate = true,
                                     .read_msb = true,
                                     .latched_bytes = 1, .latched_count = 0x1234 };
    there.channel[2].gate = there.speaker = false;
    ck_assert(pit_speaker(rig.pit, &gate, &on) && !gate && !on);
    there.channel[0].count = 0;                 /* what nobody may believe */
    there.channel[0].mode = 0xff;
    ck_assert(pit_speaker(rig.pit, &gate, &on));
    there.channel[0].count = 1193;
    there.channel[0].mode = 2;
    move_pit(rig.pit, NULL);
    wire.rises = 0;
    rig_run_ns(1000000000);
    ck_assert_uint_ge(wire.rises, 999);
    ck_assert_uint_le(wire.rises, 1001);
    ck_assert_uint_eq(inb(0x41), 0x12);         /* the second byte of what was latched there */
}
END_TEST

Suite *suite_timer(void)
{
    Suite *timer_suite = suite_create("timers");

    RIG_TEST(timer, pit_rate);
    RIG_TEST(timer, pit_outside);
    RIG_TEST(timer, pit_counts);
    RIG_TEST(timer, pit_one_shot);
    RIG_TEST(timer, pit_gate);
    RIG_TEST(timer, rtc_time);
    RIG_TEST(timer, rtc_interrupts);
    RIG_TEST(timer, rtc_slew);
    RIG_TEST(timer, hpet_counter);
    RIG_TEST(timer, hpet_legacy_routes);
    RIG_TEST(timer, hpet_level);
    return timer_suite;
}
