/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * build.c -- a machine from its options: memory, accelerator, the board's devices and those of
 * -device.
 *
 * Spec: none.
 * Omits: what is outside the machine: monitors, viewers, privileges (main.c).
 * Threads: before any vCPU's.
 */
#include "accel/accel.h"
#include "core/device.h"
#include "core/numa.h"
#include "core/objects/memory.h"
#include "core/options.h"
#include <errno.h>
#include <sys/mman.h>

static bool add_devices(Machine *m, GError **err)
{
    for (unsigned i = 0; i < m->options->devices->len; i++) {
        if (!device_add(m, m->options->devices->pdata[i], err)) {
            return false;
        }
    }
    return true;
}

bool machine_build(Machine *m, GError **err)
{
    bool ok;

    if (!m->options->accel) {
        return fail(err, "this program was built without an accelerator");
    }
    if (!region_try_ram(&m->ram, "ram", m->ram_bytes, err) ||
        (m->options->memory_backend &&
         !memory_backend_map(m, m->options->memory_backend, &m->ram, err)) ||
        !numa_map(m, err) ||
        !machine_set_accel(m, m->options->accel, m->options->accel_props, err)) {
        return false;
    }
    if (m->options->mem_lock && mlockall(MCL_CURRENT | MCL_FUTURE)) {
        return fail(err, "-overcommit mem-lock=on: %s; raise the limit (ulimit -l)",
                    g_strerror(errno));
    }
    if (m->options->no_core) {
        madvise(m->ram.host, m->ram.size, MADV_DONTDUMP);
    }
    map_begin(m);
    ok = m->class->build(m, err) && add_devices(m, err);
    map_commit(m);
    return ok;
}
