/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lapic.c -- the local APIC, scripted from chapter 11 of the SDM. */
#include "tests/dev/scripted/rig.h"

static void up(void)
{
    rig_up();
    rig_pc(RIG_CPUS);
    for (unsigned i = 0; i < RIG_CPUS; i++) {
        apic_write(i, 0xf0, 0x1ff);
    }
}

static void ipi(unsigned from, uint32_t dest, uint32_t low)
{
    apic_write(from, 0x310, dest << 24);
    apic_write(from, 0x300, low);
}

static uint64_t msr(unsigned cpu, uint32_t n)
{
    uint64_t v = 0;

    ck_assert(rig.cpu[cpu].ops->msr_read(rig.cpu[cpu].apic, n, &v));
    return v;
}

static bool set_msr(unsigned cpu, uint32_t n, uint64_t v)
{
    return rig.cpu[cpu].ops->msr_write(rig.cpu[cpu].apic, n, v);
}

static bool set_base(unsigned cpu, uint64_t v)
{
    return rig.cpu[cpu].ops->set_base(rig.cpu[cpu].apic, v);
}

START_TEST(registers)
{
    ck_assert_uint_eq(apic_read(2, 0x20), 2u << 24);
    ck_assert_uint_eq(apic_read(0, 0x30), 0x01050014);
    ck_assert_uint_eq(mem_read(0xfee00030), 0x01050014);        /* the page in the CPU's view */
    apic_write(0, 0x80, 0x12345678);
    ck_assert_uint_eq(apic_read(0, 0x80), 0x78);
    apic_write(0, 0xe0, 0);
    ck_assert_uint_eq(apic_read(0, 0xe0), 0x0fffffff);
    /* disabled: all LVTs masked, and stay so */
    apic_write(0, 0xf0, 0);
    apic_write(0, 0x320, 0x20);
    ck_assert_uint_eq(apic_read(0, 0x320), 0x10020);
    apic_write(0, 0x3e0, 0xff);
    ck_assert_uint_eq(apic_read(0, 0x3e0), 0xb);
    rig_round_trip();
}
END_TEST

START_TEST(priorities)
{
    ipi(1, 0, 0x4031); ipi(1, 0, 0x4055); ipi(1, 0, 0x4052);
    ck_assert(rig.cpu[0].intr);
    ck_assert_uint_eq(apic_read(0, 0x220), 1u << 0x15 | 1u << 0x12);
    ck_assert_uint_eq(apic_read(0, 0x200 + 0x10), 1u << 0x11);  /* IRR 31h */
    apic_write(0, 0x80, 0x50);                                  /* class 5 waits */
    ck_assert(!rig.cpu[0].intr);
    ck_assert_int_eq(apic_ack(0), -1);
    apic_write(0, 0x80, 0x4f);
    ck_assert(rig.cpu[0].intr);
    ck_assert_int_eq(apic_ack(0), 0x55);
    ck_assert_uint_eq(apic_read(0, 0xa0), 0x50);
    ck_assert(!rig.cpu[0].intr);                                /* 52h is of the same class */
    apic_write(0, 0xb0, 0);
    ck_assert_int_eq(apic_ack(0), 0x52);
    apic_write(0, 0xb0, 0);
    ck_assert(!rig.cpu[0].intr);                                /* 31h below TPR */
    rig.cpu[0].ops->set_tpr(rig.cpu[0].apic, 0x20);
    ck_assert_uint_eq(rig.cpu[0].ops->get_tpr(rig.cpu[0].apic), 0x20);
    ck_assert_int_eq(apic_ack(0), 0x31);
    rig_round_trip();
}
END_TEST

START_TEST(shorthands)
{
    ipi(1, 0, 0x44040);                         /* self */
    ck_assert(rig.cpu[1].intr && !rig.cpu[0].intr);
    ipi(1, 0, 0xc4041);                         /* all but self */
    ck_assert(rig.cpu[0].intr && rig.cpu[2].intr && rig.cpu[3].intr);
    ck_assert_int_eq(apic_ack(1), 0x40);
    ck_assert(!rig.cpu[1].intr);
    ipi(2, 0, 0x84042);                         /* all */
    for (unsigned i = 0; i < RIG_CPUS; i++) {
        if (i != 1) {
            ck_assert_int_eq(apic_ack(i), i == 2 ? 0x42 : 0x42);
        }
    }
}
END_TEST

START_TEST(logical)
{
    for (unsigned i = 0; i < RIG_CPUS; i++) {
        apic_write(i, 0xd0, 1u << (24 + i));
    }
    ipi(0, 0x0a, 0x4860);
    ck_assert(!rig.cpu[0].intr && rig.cpu[1].intr && !rig.cpu[2].intr && rig.cpu[3].intr);
    for (unsigned i = 0; i < RIG_CPUS; i++) {   /* two clusters of two */
        apic_write(i, 0xe0, 0x0fffffff);
        apic_write(i, 0xd0, (i / 2) << 28 | 1u << (24 + i % 2));
    }
    ipi(0, 0x11, 0x4861);
    ck_assert(rig.cpu[2].intr);
    ck_assert_int_eq(apic_ack(3), 0x60);        /* only from before */
    ipi(0, 0x13, 0x4862);
    ck_assert_int_eq(apic_ack(2), 0x62);
    apic_write(3, 0xb0, 0);
    ck_assert_int_eq(apic_ack(3), 0x62);
}
END_TEST

START_TEST(lowest)
{
    apic_write(0, 0x80, 0x40); apic_write(1, 0x80, 0x40); apic_write(3, 0x80, 0x40);
    ipi(0, 0xff, 0x4170);
    ck_assert(!rig.cpu[0].intr && !rig.cpu[1].intr && rig.cpu[2].intr && !rig.cpu[3].intr);
}
END_TEST

START_TEST(startup)
{
    ipi(0, 1, 0xc500);                          /* INIT, assert */
    ipi(0, 1, 0x8500);                          /* de-assert */
    ipi(0, 1, 0x4608);                          /* start-up at 8000h */
    ck_assert_uint_eq(rig.cpu[1].init, 1);
    ck_assert_uint_eq(rig.cpu[1].sipi, 1);
    ck_assert_uint_eq(rig.cpu[1].sipi_vector, 8);
    ck_assert_uint_eq(apic_read(1, 0xf0), 0xff);
    ipi(0, 2, 0x4400);
    ck_assert_uint_eq(rig.cpu[2].nmi, 1);
    ipi(0, 2, 0x4200);
    ck_assert_uint_eq(rig.cpu[2].smi, 1);
}
END_TEST

START_TEST(errors)
{
    apic_write(0, 0x370, 0xfe);
    ipi(0, 1, 0x4005);                          /* vector 5 */
    ck_assert_uint_eq(apic_read(0, 0x280), 0);
    apic_write(0, 0x280, 0);
    ck_assert_uint_eq(apic_read(0, 0x280), 0x20);
    ck_assert_int_eq(apic_ack(0), 0xfe);
    apic_write(0, 0xb0, 0);
    apic_read(0, 0x040);
    apic_write(0, 0x280, 0);
    ck_assert_uint_eq(apic_read(0, 0x280), 0x80);
}
END_TEST

START_TEST(timer)
{
    uint64_t t0 = rig_time();

    apic_write(0, 0x3e0, 3);                    /* by 16 */
    apic_write(0, 0x320, 0x30);
    apic_write(0, 0x380, 1000);
    ck_assert_uint_eq(apic_read(0, 0x390), 1000);
    rig_run_ns(8000);
    ck_assert_uint_eq(apic_read(0, 0x390), 500);
    ck_assert(!rig.cpu[0].intr);
    rig_run_to(t0 + 16000);
    ck_assert_int_eq(apic_ack(0), 0x30);
    apic_write(0, 0xb0, 0);
    ck_assert_uint_eq(apic_read(0, 0x390), 0);
    rig_run_ns(100000);
    ck_assert(!rig.cpu[0].intr);
    apic_write(0, 0x3e0, 0xb);                  /* by 1, periodic */
    apic_write(0, 0x320, 0x20031);
    apic_write(0, 0x380, 100000);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(!rig.cpu[0].intr);
        rig_run_ns(100000);
        ck_assert_int_eq(apic_ack(0), 0x31);
        apic_write(0, 0xb0, 0);
    }
    rig_run_ns(25000);
    ck_assert_uint_eq(apic_read(0, 0x390), 75000);
    rig_round_trip();
    apic_write(0, 0x380, 1);                    /* hostile: must not fire for ever */
    rig_run_ns(1000000);
    apic_write(0, 0x380, 0);
    apic_ack(0); apic_write(0, 0xb0, 0);
    rig_run_ns(1000000);
    ck_assert(!rig.cpu[0].intr);
}
END_TEST

START_TEST(deadline)
{
    uint64_t tsc = rig_time() * 2;

    apic_write(0, 0x320, 0x40033);
    apic_write(0, 0x380, 1000);                 /* has no effect */
    ck_assert(set_msr(0, MSR_TSC_DEADLINE, tsc + 20000));
    ck_assert_uint_eq(msr(0, MSR_TSC_DEADLINE), tsc + 20000);
    rig_run_ns(9000);
    ck_assert(!rig.cpu[0].intr);
    rig_round_trip();
    rig_run_ns(1100);
    ck_assert_int_eq(apic_ack(0), 0x33);
    apic_write(0, 0xb0, 0);
    ck_assert_uint_eq(msr(0, MSR_TSC_DEADLINE), 0);
    ck_assert(set_msr(0, MSR_TSC_DEADLINE, 1)); /* past */
    ck_assert_int_eq(apic_ack(0), 0x33);
    apic_write(0, 0xb0, 0);
    ck_assert(set_msr(0, MSR_TSC_DEADLINE, UINT64_MAX));
    rig_run_ns(1000000);
    ck_assert(!rig.cpu[0].intr);
    apic_write(0, 0x320, 0x33);                 /* leaving the mode disarms */
    ck_assert_uint_eq(msr(0, MSR_TSC_DEADLINE), 0);
}
END_TEST

START_TEST(virtual_wire)
{
    outb(0x20, 0x11); outb(0x21, 0x30); outb(0x21, 4); outb(0x21, 1); outb(0x21, 0);
    gsi_irq(rig.gsi, 4, true);
    ck_assert(rig.cpu[0].intr && !rig.cpu[1].intr);
    ck_assert_int_eq(apic_ack(0), 0x34);
    outb(0x20, 0x20);
    ck_assert(!rig.cpu[0].intr);
    apic_write(0, 0x350, 0x10700);              /* masked: no way through */
    gsi_irq(rig.gsi, 3, true);
    ck_assert(!rig.cpu[0].intr);
    apic_write(0, 0x350, 0x700);
    ck_assert(rig.cpu[0].intr);
    ck_assert_int_eq(apic_ack(0), 0x33);
    outb(0x20, 0x20);
    ck_assert(set_base(0, 0xfee00100));         /* APIC off: LINT0 is INTR */
    gsi_irq(rig.gsi, 5, true);
    ck_assert(rig.cpu[0].intr);
    ck_assert_int_eq(apic_ack(0), 0x35);
    apicbus_nmi(rig.apicbus, 0, true);
    ck_assert_uint_eq(rig.cpu[0].nmi, 1);
    ck_assert_uint_eq(rig.cpu[1].nmi, 0);       /* masked there */
}
END_TEST

START_TEST(base)
{
    ck_assert_uint_eq(rig.cpu[0].ops->get_base(rig.cpu[0].apic), 0xfee00900);
    ck_assert_uint_eq(rig.cpu[1].ops->get_base(rig.cpu[1].apic), 0xfee00800);
    ck_assert(!set_base(0, 0xfee00500));        /* x2APIC without enable */
    ck_assert(set_base(0, 0xd0000900));
    ck_assert_uint_eq(mem_read(0xd0000030), 0x01050014);
    ck_assert_uint_eq(mem_read(0xfee00030), 0xffffffff);        /* the MSI window is behind it */
    ck_assert(set_base(0, 0xfee00100));
    ck_assert(!set_base(0, 0xfee00d00));        /* off to x2APIC: by way of xAPIC only */
    ck_assert(set_base(0, 0xfee00900));
    ck_assert_uint_eq(apic_read(0, 0xf0), 0xff);
    ck_assert(set_base(0, 0xfee00d00));
    ck_assert(!set_base(0, 0xfee00900));
    ck_assert_uint_eq(mem_read(0xfee00030), 0xffffffff);
    rig_round_trip();
}
END_TEST

START_TEST(x2apic)
{
    uint64_t v;

    for (unsigned i = 0; i < RIG_CPUS; i++) {
        ck_assert(set_base(i, 0xfee00c00 | (i ? 0 : 0x100)));
    }
    ck_assert_uint_eq(msr(3, 0x802), 3);
    ck_assert_uint_eq(msr(3, 0x80d), 8);
    ck_assert(!set_msr(0, 0x802, 1));
    ck_assert(!set_msr(0, 0x80b, 1));           /* EOI takes 0 only */
    ck_assert(!set_msr(0, 0x808, 0x100));
    ck_assert(!rig.cpu[0].ops->msr_read(rig.cpu[0].apic, 0x80e, &v));
    ck_assert(!rig.cpu[0].ops->msr_read(rig.cpu[0].apic, 0x831, &v));
    ck_assert(set_msr(0, 0x830, 2ull << 32 | 0x4050));
    ck_assert_uint_eq(msr(0, 0x830), 2ull << 32 | 0x4050);
    ck_assert_int_eq(apic_ack(2), 0x50);
    ck_assert(set_msr(2, 0x80b, 0));
    /* logical: CPUs 1 and 2 of cluster 0 */
    ck_assert(set_msr(0, 0x830, 6ull << 32 | 0x4851));
    ck_assert_int_eq(apic_ack(1), 0x51);
    ck_assert_int_eq(apic_ack(2), 0x51);
    ck_assert(set_msr(0, 0x83f, 0x77));
    ck_assert_int_eq(apic_ack(0), 0x77);
    ck_assert(set_msr(0, 0x830, 0xffffffffull << 32 | 0x4078));
    ck_assert_int_eq(apic_ack(3), 0x78);
    rig_round_trip();
}
END_TEST

Suite *suite_lapic(void)
{
    Suite *lapic_suite = suite_create("local APIC");

    RIG_TEST(lapic, registers);
    RIG_TEST(lapic, priorities);
    RIG_TEST(lapic, shorthands);
    RIG_TEST(lapic, logical);
    RIG_TEST(lapic, lowest);
    RIG_TEST(lapic, startup);
    RIG_TEST(lapic, errors);
    RIG_TEST(lapic, timer);
    RIG_TEST(lapic, deadline);
    RIG_TEST(lapic, virtual_wire);
    RIG_TEST(lapic, base);
    RIG_TEST(lapic, x2apic);
    return lapic_suite;
}
