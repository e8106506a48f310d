/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accel.h -- who runs guest instructions: dbt, kvm (and nothing else knows). */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H
#include "core/machine.h"

typedef struct VcpuExit {
    enum { EXIT_KICKED, EXIT_HALT, EXIT_MMIO, EXIT_PIO, EXIT_DEBUG, EXIT_RESET, EXIT_FATAL } why;
    struct { hwaddr at; uint64_t val; uint8_t size; bool write; } io;
} VcpuExit;
struct AccelOps {
    const char *name, *desc;
    bool     (*probe)(GError **err);                    /* usable on this host? */
    const Field *fields;                                /* options, "-accel NAME,key=val", of a struct of `size` bytes */
    size_t     size;                                    /* m->accel_data is allocated so, and filled, before init */
    bool     (*init)(Machine *m, GError **err);         /* once, before the first vcpu_init */
    void     (*fini)(Machine *m);                       /* optional; all vCPUs have ended */
    void     (*cpu_can)(Machine *m, uint32_t *feat);    /* optional: clears features (cpu/ knows which) that it cannot give */
    bool     (*vcpu_init)(Vcpu *v, GError **err);
    void     (*vcpu_fini)(Vcpu *v);                     /* optional; before the CPU's own fini */
    VcpuExit (*run)(Vcpu *v);                           /* until something needs us */
    void     (*kick)(Vcpu *v);                          /* any thread, async-signal-safe */
    void     (*get_regs)(Vcpu *v), (*set_regs)(Vcpu *v);/* to and from the one state in cpu/, which snapshots hold */
    void     (*map_changed)(AddressSpace *as, const MemRange *gone, unsigned n_gone,
                            const MemRange *come, unsigned n_come);
    void     (*dirty_log)(Region *ram, bool on);
    void     (*dirty_sync)(Region *ram);                /* returns when stores before it are in the bitmap */
    void     (*code_written)(Region *ram, uint64_t from, uint64_t n);    /* by DMA */
    void     (*debug_changed)(Machine *m);              /* Machine.debug's lists; all vCPUs parked; NULL: no debugging */
    bool     (*debug_fits)(Machine *m);                 /* optional: does it have room for what the lists hold now? */
    void     (*info)(Machine *m, GString *out);         /* optional: "info jit" */
    /* optional; where missing, the core waits on the descriptor itself */
    bool     (*irq_fd)(Irq *irq, int fd, int resample_fd);
    bool     (*msi_fd)(const Msi *msi, int fd);
    bool     (*io_fd)(const MemRange *at, uint64_t val, unsigned size, int fd);
};
extern const AccelOps *const accels[];                  /* from accel/accels.def, best first, NULL-terminated */
#endif
