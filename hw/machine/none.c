/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * none.c -- no machine: no CPU, no device.  Programs start it to ask by QMP what there is.
 *
 * Spec: none.
 * Omits: everything.
 * Threads: the main thread.
 */
#include "core/machine.h"
#include "core/vcpu.h"
#include "cpu/x86/cpu.h"

static bool none_build(Machine *m, GError **err)
{
    return true;
}

static const Field none_fields[] = { FIELD_END };

const MachineClass none_machine = {
    .name = "none",
    .desc = "No CPU and no device, for programs that ask what there is",
    .max_cpus = 1,
    .max_ram = 1ull << 40,
    .default_ram = 4096,
    .fields = none_fields,
    .cpu = &x86_cpu_ops,
    .build = none_build,
};
