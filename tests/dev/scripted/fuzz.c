/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz.c -- random accesses to all ports and windows of the PC's own devices, with time passing, wires moving and snapshots
 * in which bits were turned.  Nothing is expected but that it ends; the sanitizers do the rest.
 */
#include "tests/dev/scripted/rig.h"
#include <string.h>

enum { ROUNDS = 60000 };

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static void up(void)
{
    rig_up();
    rig_pc(RIG_CPUS);
    for (const char *const *n = (const char *const[]){ "isa-serial", "port92", "i8257", "pc-testdev", "pvpanic", NULL };
         *n; n++) {
        ck_assert(device_realize(device_new(rig.m, rig.isa, *n, NULL, NULL), NULL));
    }
    rig_reset();
}

static void access_port(void)
{
    static const uint16_t base[] = { 0x20, 0xa0, 0x4d0, 0x40, 0x61, 0x70, 0x60, 0x64, 0x3f8, 0x92, 0, 0x80, 0xc0, 0xe0,
                                     0x2000, 0x505 };
    static const uint8_t size[] = { 2, 2, 2, 4, 1, 2, 1, 1, 8, 1, 16, 16, 32, 12, 24, 1 };
    unsigned i = rnd() % G_N_ELEMENTS(base), n = 1u << rnd() % 3;
    hwaddr at = base[i] + rnd() % size[i];
    MemResult res;

    if (rnd() & 1) {
        io_write(rig.m->as_io, at, rnd(), n);
    } else {
        io_read(rig.m->as_io, at, n, &res);
    }
}

static void access_memory(void)
{
    static const uint32_t base[] = { 0xfec00000, 0xfed00000, 0xfee00000, 0xff000000 };
    static const uint32_t size[] = { 0x50, 0x400, 0x400, 0x10000 };
    unsigned i = rnd() % G_N_ELEMENTS(base), n = 1u << rnd() % 4, cpu = rnd() % RIG_CPUS;
    hwaddr at = base[i] + rnd() % size[i];
    MemResult res;

    if (i < 3 && rnd() % 4) {
        at &= ~15ull;
        n = 4;
    }
    if (rnd() & 1) {
        io_write(rig.cpu[cpu].v.as, at, (uint64_t)rnd() << 32 | rnd(), n);
    } else {
        io_read(rig.cpu[cpu].v.as, at, n, &res);
    }
}

static void cpu_side(void)
{
    RigCpu *c = &rig.cpu[rnd() % RIG_CPUS];
    uint64_t v;

    switch (rnd() % 6) {
    case 0: c->ops->ack(c->apic); break;
    case 1: c->ops->set_tpr(c->apic, (uint8_t)rnd()); break;
    case 2: c->ops->msr_write(c->apic, 0x800 + rnd() % 0x40, rnd() & 1 ? rnd() : rnd() & 0xff); break;
    case 3: c->ops->msr_read(c->apic, 0x800 + rnd() % 0x100, &v); break;
    case 4: c->ops->msr_write(c->apic, MSR_TSC_DEADLINE, rig_time() * 2 + rnd() % 100000); break;
    default:
        if (rnd() % 64 == 0) {
            c->ops->set_base(c->apic, 0xfee00000 | (rnd() & 0xd00));
        }
        break;
    }
}

static void outside(void)
{
    switch (rnd() % 5) {
    case 0: gsi_irq(rig.gsi, rnd() % 30, rnd() & 1); break;
    case 1: i8042_key(rig.kbc, rnd() % 140, rnd() & 1); break;
    case 2: i8042_pointer(rig.kbc, (int)rnd(), (int)rnd(), (int)rnd(), rnd()); break;
    case 3: apicbus_nmi(rig.apicbus, 0, rnd() & 1); break;
    default: rig_run_ns(rnd() % 300000); break;
    }
}

static void some_rounds(unsigned n)
{
    while (n--) {
        switch (rnd() % 8) {
        case 0: case 1: case 2: access_port(); break;
        case 3: case 4: case 5: access_memory(); break;
        case 6: cpu_side(); break;
        default: outside(); break;
        }
    }
}

START_TEST(accesses)
{
    some_rounds(ROUNDS);
    rig_round_trip();
    rig_reset();
    some_rounds(ROUNDS / 10);
}
END_TEST

/* Turn bits in what a device saved.  What loads must also be safe to use. */
static unsigned hostile_load(Device *d)
{
    GByteArray *out = g_byte_array_new();
    GBytes *bytes;
    bool ok;

    state_save(out, d->path, d->class->fields, d->class->regs, d);
    for (unsigned i = 0; out->len && i < 1 + rnd() % 16; i++) {
        out->data[rnd() % out->len] = (uint8_t)rnd();
    }
    bytes = g_bytes_new(out->data, out->len);
    ok = state_load(bytes, d->path, d->class->fields, d->class->regs, d, NULL) &&
         (!d->class->restored || d->class->restored(d, NULL));
    g_bytes_unref(bytes);
    g_byte_array_unref(out);
    return ok;
}

START_TEST(snapshots)
{
    unsigned loaded = 0;

    for (unsigned i = 0; i < 400; i++) {
        some_rounds(50);
        loaded += hostile_load(g_ptr_array_index(rig.m->devices, rnd() % rig.m->devices->len));
    }
    ck_assert_uint_gt(loaded, 20);
}
END_TEST

Suite *suite_fuzz(void)
{
    Suite *fuzz_suite = suite_create("fuzz");

    RIG_TEST(fuzz, accesses);
    RIG_TEST(fuzz, snapshots);
    return fuzz_suite;
}
