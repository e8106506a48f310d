/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accel.h -- who runs guest instructions: dbt, kvm (and nothing else knows). */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H
#include "core/device.h"
typedef struct Vcpu Vcpu;
typedef struct VcpuExit {
    enum { EXIT_KICKED, EXIT_HALT, EXIT_MMIO, EXIT_PIO, EXIT_DEBUG, EXIT_RESET, EXIT_FATAL } why;
    struct { hwaddr at; uint64_t val; uint8_t size; bool write; } io;
} VcpuExit;
typedef struct AccelOps {
    const char *name, *desc;
    bool     (*probe)(GError **err);                    /* usable on this host? */
    bool     (*vcpu_init)(Vcpu *v, GError **err);
    VcpuExit (*run)(Vcpu *v);                           /* until something needs us */
    void     (*kick)(Vcpu *v);                          /* any thread, async-signal-safe */
    void     (*get_regs)(Vcpu *v), (*set_regs)(Vcpu *v);/* to and from the one state in cpu/, which snapshots hold */
    void     (*map_changed)(AddressSpace *as, const MemRange *gone, unsigned n_gone,
                            const MemRange *come, unsigned n_come);
    void     (*dirty_log)(Region *ram, bool on);
    void     (*dirty_sync)(Region *ram);                /* returns when stores before it are in the bitmap */
    void     (*code_written)(Region *ram, uint64_t from, uint64_t n);    /* by DMA */
    /* optional; where missing, the core waits on the descriptor itself */
    bool     (*irq_fd)(Irq *irq, int fd, int resample_fd);
    bool     (*msi_fd)(const Msi *msi, int fd);
    bool     (*io_fd)(const MemRange *at, uint64_t val, unsigned size, int fd);
} AccelOps;
#endif
