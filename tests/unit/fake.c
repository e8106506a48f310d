/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake.c -- a CPU and an accelerator for tests: the guest's program is a C function. */
#include "tests/unit/unit.h"

unsigned fake_code_written;

static bool fake_has_work(Vcpu *v)
{
    return __atomic_load_n(&((FakeCpu *)v)->wants, __ATOMIC_SEQ_CST) != 0;
}

static void fake_reset(Vcpu *v)
{
    ((FakeCpu *)v)->value = 0;
}

static const Field fake_fields[] = { STATE(FakeCpu, value), FIELD_END };

const CpuOps fake_cpu = {
    .name = "fake",
    .size = sizeof(FakeCpu),
    .reset = fake_reset,
    .has_work = fake_has_work,
    .fields = fake_fields,
};

static VcpuExit fake_run(Vcpu *v)
{
    FakeCpu *c = (FakeCpu *)v;

    while (!__atomic_load_n(&v->attention, __ATOMIC_SEQ_CST)) {
        c->halt = false;
        c->guest(c);
        __atomic_add_fetch(&c->rounds, 1, __ATOMIC_RELAXED);
        if (c->halt) {
            return (VcpuExit){ .why = EXIT_HALT };
        }
    }
    return (VcpuExit){ .why = EXIT_KICKED };
}

static void code_written(Region *ram, uint64_t from, uint64_t n)
{
    fake_code_written++;
}

const AccelOps fake_accel = { .name = "fake", .run = fake_run, .code_written = code_written };

Machine *fake_machine(unsigned n_cpus, void (*guest)(FakeCpu *c))
{
    Machine *m = machine_new();

    ck_ok(machine_set_accel(m, &fake_accel, NULL, &e_));
    region_init_ram(&m->ram, "ram", 1 << 20);
    m->ram_bytes = 1 << 20;
    map_begin(m);
    region_map(&m->memory, &m->ram, 0);
    map_commit(m);
    for (unsigned i = 0; i < n_cpus; i++) {
        FakeCpu *c = (FakeCpu *)vcpu_new(m, &fake_cpu, NULL);
        c->guest = guest;
    }
    ck_ok(machine_start(m, &e_));
    machine_cont(m);
    return m;
}
