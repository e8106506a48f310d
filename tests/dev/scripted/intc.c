/* SPDX-License-Identifier: GPL-2.0-or-later */
/* intc.c -- 8259 pair and IOAPIC, scripted from their data sheets. */
#include "tests/dev/scripted/rig.h"

enum { M = 0x20, S = 0xa0 };

static void up(void)
{
    rig_up();
    rig_pc(2);
}

/* As every PC firmware does: vectors 30h and 38h, everything open. */
static void init_pics(uint8_t icw4)
{
    outb(M, 0x11); outb(M + 1, 0x30); outb(M + 1, 4); outb(M + 1, icw4); outb(M + 1, 0);
    outb(S, 0x11); outb(S + 1, 0x38); outb(S + 1, 2); outb(S + 1, icw4); outb(S + 1, 0);
}

static void pulse(unsigned n)
{
    i8259_irq(rig.pic, n, true);
    i8259_irq(rig.pic, n, false);
}

START_TEST(priorities)
{
    init_pics(1);
    pulse(4); pulse(3); pulse(9);
    ck_assert(rig.cpu[0].intr);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x39);         /* the slave's lines come at IR2 */
    ck_assert(!rig.cpu[0].intr);
    outb(S, 0x20);
    ck_assert(!rig.cpu[0].intr);      /* the master still serves IR2 */
    outb(M, 0x20);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x33);
    pulse(1);                         /* better than 3: nests */
    ck_assert_int_eq(i8259_ack(rig.pic), 0x31);
    outb(M, 0x0b);                    /* read ISR */
    ck_assert_uint_eq(inb(M), 0x0a);
    outb(M, 0x20);
    ck_assert_uint_eq(inb(M), 0x08);  /* non-specific EOI took the better one */
    outb(M, 0x60 | 3);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x34);
    outb(M, 0x0a);
    ck_assert_uint_eq(inb(M), 0);
}
END_TEST

START_TEST(spurious)
{
    init_pics(1);
    outb(0x4d0, 0x20);                /* IRQ 5 by level */
    i8259_irq(rig.pic, 5, true);
    ck_assert(rig.cpu[0].intr);
    i8259_irq(rig.pic, 5, false);
    ck_assert(!rig.cpu[0].intr);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x37);
    outb(M, 0x0b);
    ck_assert_uint_eq(inb(M), 0);     /* nothing is in service */
    pulse(10);
    outb(S + 1, 0xff);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x37);
}
END_TEST

START_TEST(levels)
{
    init_pics(1);
    outb(0x4d0, 0xff);
    outb(0x4d1, 0xff);
    ck_assert_uint_eq(inb(0x4d0), 0xf8);        /* 0, 1, 2, 8, 13 stay edge */
    ck_assert_uint_eq(inb(0x4d1), 0xde);
    i8259_irq(rig.pic, 11, true);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x3b);
    outb(S, 0x20); outb(M, 0x20);
    ck_assert(rig.cpu[0].intr);       /* still there */
    ck_assert_int_eq(i8259_ack(rig.pic), 0x3b);
    i8259_irq(rig.pic, 11, false);
    outb(S, 0x20); outb(M, 0x20);
    ck_assert(!rig.cpu[0].intr);
}
END_TEST

START_TEST(modes)
{
    init_pics(3);                     /* automatic EOI */
    pulse(6);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x36);
    outb(M, 0x0b);
    ck_assert_uint_eq(inb(M), 0);
    init_pics(1);
    outb(M, 0xc3);                    /* IR3 lowest, IR4 highest */
    pulse(0); pulse(4);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x34);
    outb(M, 0xa0);                    /* rotate on non-specific EOI: 4 becomes lowest */
    pulse(4); pulse(5);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x35);
    init_pics(1);
    pulse(3);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x33);
    /* special mask: mask what is served, lower ones come through */
    outb(M + 1, 0x08);
    outb(M, 0x68);
    pulse(5);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x35);
    init_pics(0x11);                  /* special fully nested */
    pulse(12);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x3c);
    pulse(9);
    ck_assert_int_eq(i8259_ack(rig.pic), 0x39);
}
END_TEST

START_TEST(poll)
{
    init_pics(1);
    outb(M, 0x0c);
    ck_assert_uint_eq(inb(M), 0);
    pulse(6);
    outb(M, 0x0c);
    ck_assert_uint_eq(inb(M), 0x86);
    outb(M, 0x0b);
    ck_assert_uint_eq(inb(M), 0x40);
}
END_TEST

static uint32_t ioapic_get(unsigned reg)
{
    mem_write(0xfec00000, reg);
    return mem_read(0xfec00010);
}

static void ioapic_set(unsigned reg, uint32_t val)
{
    mem_write(0xfec00000, reg);
    mem_write(0xfec00010, val);
}

static void apics_on(void)
{
    for (unsigned i = 0; i < 2; i++) {
        apic_write(i, 0xf0, 0x1ff);
    }
}

START_TEST(ioapic_registers)
{
    ck_assert_uint_eq(ioapic_get(1), 0x00170020);
    ioapic_set(0, 0xffffffff);
    ck_assert_uint_eq(ioapic_get(0), 0x0f000000);
    ck_assert_uint_eq(ioapic_get(0x10), 0x10000);
    ioapic_set(0x3f, 0xffffffff);
    ck_assert_uint_eq(ioapic_get(0x3f), 0xff000000);
    ioapic_set(0x10 + 4, 0xffffffff);           /* status and remote IRR are read-only */
    ck_assert_uint_eq(ioapic_get(0x10 + 4), 0x1afff);
    ck_assert_uint_eq(ioapic_get(0x40), 0);
    rig_round_trip();
}
END_TEST

START_TEST(ioapic_edge)
{
    apics_on();
    outb(0x43, 0x30);                           /* the PIT lets go of its line */
    ioapic_set(0x10 + 2 * 2, 0x41);             /* the PIT's pin, to APIC 1 */
    ioapic_set(0x11 + 2 * 2, 1 << 24);
    gsi_irq(rig.gsi, 0, true);
    ck_assert(rig.cpu[1].intr && !rig.cpu[0].intr);
    ck_assert_int_eq(apic_ack(1), 0x41);
    apic_write(1, 0xb0, 0);
    ck_assert(!rig.cpu[1].intr);
    gsi_irq(rig.gsi, 0, false);
    ioapic_set(0x10 + 2 * 2, 0x10041);          /* an edge while masked is lost */
    gsi_irq(rig.gsi, 0, true);
    ioapic_set(0x10 + 2 * 2, 0x41);
    ck_assert(!rig.cpu[1].intr);
}
END_TEST

START_TEST(ioapic_level)
{
    apics_on();
    ioapic_set(0x10 + 2 * 18, 0x8050);
    gsi_irq(rig.gsi, 18, true);
    gsi_irq(rig.gsi, 18, true);                 /* a second driver of a shared line */
    ck_assert_uint_eq(ioapic_get(0x10 + 2 * 18), 0xc050);
    ck_assert_int_eq(apic_ack(0), 0x50);
    gsi_irq(rig.gsi, 18, false);
    apic_write(0, 0xb0, 0);
    ck_assert(rig.cpu[0].intr);                 /* still there: again */
    ck_assert_int_eq(apic_ack(0), 0x50);
    gsi_irq(rig.gsi, 18, false);
    apic_write(0, 0xb0, 0);
    ck_assert(!rig.cpu[0].intr);
    ck_assert_uint_eq(ioapic_get(0x10 + 2 * 18), 0x8050);
    gsi_irq(rig.gsi, 18, true);
    ck_assert_int_eq(apic_ack(0), 0x50);
    apic_write(0, 0xf0, 0x11ff);                /* EOIs stay local: the EOI register */
    apic_write(0, 0xb0, 0);
    ck_assert(!rig.cpu[0].intr);
    mem_write(0xfec00040, 0x50);
    ck_assert(rig.cpu[0].intr);
    rig_round_trip();
}
END_TEST

START_TEST(msi)
{
    uint32_t data = 0x4061;

    apics_on();
    ck_assert_int_eq(as_write(rig.m->as_memory, 0xfee01000, &data, 4), MEM_OK);
    ck_assert(rig.cpu[1].intr);
    ck_assert_int_eq(apic_ack(1), 0x61);
    apic_write(1, 0xb0, 0);
    apic_write(1, 0xd0, 0x02000000);            /* flat logical id */
    data = 0x62;
    as_write(rig.m->as_memory, 0xfee02004, &data, 4);
    ck_assert_int_eq(apic_ack(1), 0x62);
    data = 0x400;                               /* NMI */
    as_write(rig.m->as_memory, 0xfeeff000, &data, 4);
    ck_assert_uint_eq(rig.cpu[0].nmi, 1);
    ck_assert_uint_eq(rig.cpu[1].nmi, 1);
}
END_TEST

Suite *suite_intc(void)
{
    Suite *intc_suite = suite_create("interrupt controllers");

    RIG_TEST(intc, priorities);
    RIG_TEST(intc, spurious);
    RIG_TEST(intc, levels);
    RIG_TEST(intc, modes);
    RIG_TEST(intc, poll);
    RIG_TEST(intc, ioapic_registers);
    RIG_TEST(intc, ioapic_edge);
    RIG_TEST(intc, ioapic_level);
    RIG_TEST(intc, msi);
    return intc_suite;
}
