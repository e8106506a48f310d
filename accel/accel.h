/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accel.h -- who runs guest instructions: dbt, kvm (and nothing else knows).
 *
 * A hardware accelerator is a folder with one AccelOps.  Accesses to devices it hands to io_read()
 * and io_write() itself, and run() goes on.  If it models interrupt controllers, it sets
 * Machine.irqchip (core/irqchip.h); if it can take a write by a descriptor, it finds bells in the
 * Regions of the flat view and asks doorbell_fd() (core/mem.h); if it collects writes, it looks at
 * Region.late.
 * State goes to and from the struct in cpu/ alone: get_regs() and set_regs(), with vCPUs parked.
 *
 * Threads: as each line says; else with the machine lock.
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H
#include "core/machine.h"

typedef struct VcpuExit {
    enum { EXIT_KICKED, EXIT_HALT, EXIT_DEBUG, EXIT_RESET, EXIT_FATAL } why;
} VcpuExit;
struct AccelOps {
    const char *name, *desc;
    bool     (*probe)(GError **err);                    /* usable on this host? */
    /* options, "-accel NAME,key=val", of a struct of `size` bytes */
    const Field *fields;
    /* m->accel_data is allocated so, and filled, before init */
    size_t     size;
    bool     (*init)(Machine *m, GError **err);         /* once, before the first vcpu_init */
    void     (*fini)(Machine *m);                       /* optional; all vCPUs have ended */
    /* optional: clears features (cpu/ knows which) that it cannot give */
    void     (*cpu_can)(Machine *m, uint32_t *feat);
    bool     (*vcpu_init)(Vcpu *v, GError **err);
    void     (*vcpu_fini)(Vcpu *v);                     /* optional; before the CPU's own fini */
    VcpuExit (*run)(Vcpu *v);                           /* until something needs us */
    void     (*kick)(Vcpu *v);                          /* any thread, async-signal-safe */
    /* to and from the one state in cpu/, which snapshots hold */
    void     (*get_regs)(Vcpu *v), (*set_regs)(Vcpu *v);
    void     (*map_changed)(AddressSpace *as, const MemRange *gone, unsigned n_gone,
                            const MemRange *come, unsigned n_come);
    void     (*dirty_log)(Region *ram, bool on);
    /* returns when stores before it are in the bitmap */
    void     (*dirty_sync)(Region *ram);
    void     (*code_written)(Region *ram, uint64_t from, uint64_t n);    /* by DMA */
    /* Machine.debug's lists; all vCPUs parked; NULL: no debugging */
    void     (*debug_changed)(Machine *m);
    /* optional: does it have room for what the lists hold now? */
    bool     (*debug_fits)(Machine *m);
    void     (*info)(Machine *m, GString *out);         /* optional: "info jit" */
};
/* from accel/accels.def, best first, NULL-terminated */
extern const AccelOps *const accels[];
#endif
