/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.h -- what the files of accel/kvm share.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst.
 * Threads: KvmMachine.lock guards the slots; a KvmCpu is its vCPU's own, and anybody's while that
 *   one is parked.
 */
#ifndef ACCEL_KVM_KVM_H
#define ACCEL_KVM_KVM_H
#include "accel/accel.h"
#include "core/irqchip.h"
#include "cpu/x86/sys.h"
#include <linux/kvm.h>
#include <linux/kvm_para.h>

enum { IRQCHIP_OFF, IRQCHIP_SPLIT, IRQCHIP_ON };        /* kernel-irqchip= */
enum { NOTIFY_RUN, NOTIFY_ERROR, NOTIFY_DISABLE };      /* notify-vmexit= */
enum { KVM_SLOTS_MOST = 256, KVM_PAGE = 4096, KVM_ZONES_MOST = 16 };

typedef struct KvmSlot {
    uint32_t id;
    uint32_t flags;                     /* KVM_MEM_* */
    unsigned space;                     /* of Vcpu.spaces; KVM's address space */
    hwaddr   at;
    uint64_t size, from;                /* 0: free */
    Region  *region;
} KvmSlot;

typedef struct KvmZone {                /* whose writes KVM collects */
    hwaddr   at;
    uint64_t size;
    bool     ports;
} KvmZone;

typedef struct KvmBell {                /* a doorbell where the guest sees it */
    Doorbell *bell;
    hwaddr    at;
    uint64_t  val;
    uint8_t   size;
    bool      by_value, ports;
    int       fd;
} KvmBell;

typedef struct KvmMachine {             /* Machine.accel_data: -accel kvm,... */
    uint32_t irqchip, notify;           /* T_ENUM */
    uint32_t ring_entries;              /* dirty-ring-size=; 0: bitmaps */
    bool     cpu_pm;                    /* the guest halts the host's processor itself */
    uint32_t halt_poll_ns;              /* UINT32_MAX: not said */
    uint32_t notify_window;
    uint64_t shadow_bytes;              /* of KVM's shadow page tables; 0: not said */
    Machine *machine;
    int      fd, vm;                    /* /dev/kvm, the VM */
    int      run_bytes;                 /* of struct kvm_run's mapping */
    GMutex   lock;
    KvmSlot  slots[KVM_SLOTS_MOST];
    uint32_t slots_most;
    bool     slots_stale;               /* atomic */
    bool     has_readonly, has_tsc_scale, has_smm, has_blockirq;
    struct kvm_cpuid2 *cpuid, *hv;      /* what KVM can give, and of Hyper-V's leaves (or NULL) */
    uint32_t xsave_at[32];    /* offset of component i in the standard form; 0: not there */
    GPtrArray *cpus;                    /* KvmCpu */
    bool     has_late_ports;
    unsigned coalesced_at;              /* page of kvm_run's mapping; 0: KVM does not collect */
    struct kvm_coalesced_mmio_ring *writes;
    bool     draining;
    unsigned n_zones;
    KvmZone  zones[KVM_ZONES_MOST];
    bool     has_bells, has_any_size;
    GArray  *bells;                     /* KvmBell that KVM has */
    IrqChip  chip;
    GMutex   irq_lock;
    bool     has_irq_lock;
    uint32_t wires;                     /* levels of global system interrupts */
    bool     rewire;                    /* KVM does not know them; atomic */
    bool     has_clock;                 /* KVM's clocks have been set, */
    int64_t  clock_lag;    /* and run by the guest's time and this much of the host's */
    bool     has_pit;                   /* KVM has the 8254 */
    int64_t  pit_lag;                   /* host's time less the guest's, by which its counts run */
    uint32_t route_on;    /* split: level-triggered pins of the IO-APIC, and what they send */
    Msi      route[IRQCHIP_PINS];
} KvmMachine;

typedef struct KvmCpu {
    X86Cpu  *c;
    KvmMachine *kvm;
    int      fd;
    int      tid;                       /* of its thread; 0: has not run yet; atomic */
    struct kvm_run *run;
    bool     io_pending;                /* KVM completes the access when it is entered next */
    uint64_t tsc_khz;
    struct kvm_dirty_gfn *ring;         /* or NULL */
    uint32_t ring_next;
    bool     debug_stale, debug_on;     /* KVM has not been told; it stops for something */
    bool     debug_over;                /* over the breakpoint that has stopped it, by one step */
    bool     nmi_pin;                   /* an edge on LINT1; atomic */
} KvmCpu;

static inline KvmMachine *kvm_of(const Machine *m) { return m->accel_data; }
KvmCpu *kvm_cpu(Vcpu *v);

/* slots.c */
void kvm_slots_update(void *machine);   /* nobody is in the guest */
void kvm_map_changed(AddressSpace *as, const MemRange *gone, unsigned n_gone, const MemRange *come,
                     unsigned n_come);
void kvm_dirty_log(Region *ram, bool on);
void kvm_dirty_sync(Region *ram);

/* vcpu.c */
bool     kvm_vcpu_init(Vcpu *v, GError **err);
void     kvm_vcpu_fini(Vcpu *v);
VcpuExit kvm_vcpu_run(Vcpu *v);
void     kvm_kick(Vcpu *v);

/* irqchip.c */
bool kvm_irqchip_init(KvmMachine *k, GError **err);
void kvm_irqchip_fini(KvmMachine *k);
void kvm_irqchip_rewire(KvmMachine *k);
void kvm_irqchip_nmi(KvmCpu *k);        /* its own thread */
void kvm_apic_settle(KvmCpu *k);
void kvm_apic_in(KvmCpu *k, uint64_t base);
void kvm_apic_out(KvmCpu *k);

/* pit.c */
void kvm_pit_init(KvmMachine *k);
void kvm_pit_resume(KvmMachine *k);     /* the guest goes on, perhaps after a stop */

/* ring.c */
void kvm_zones_update(KvmMachine *k, AddressSpace *as);
void kvm_writes_drain(KvmMachine *k);
bool kvm_ring_init(KvmMachine *k, GError **err);
bool kvm_ring_map(KvmCpu *c, GError **err);
void kvm_ring_unmap(KvmCpu *c);
void kvm_ring_collect(void *kvm);
void kvm_ring_collect_locked(KvmMachine *k);

/* bells.c */
void kvm_bells_init(KvmMachine *k);
void kvm_bells_fini(KvmMachine *k);
void kvm_bells_update(KvmMachine *k, AddressSpace *memory);

/* debug.c */
bool kvm_debug_fits(Machine *m);
void kvm_debug_changed(Machine *m);
void kvm_debug_set(KvmCpu *k);
bool kvm_debug_exit(KvmCpu *k);

/* nested.c */
bool kvm_nested_can(const KvmMachine *k);
void kvm_nested_in(KvmCpu *k);
void kvm_nested_leave(KvmCpu *k);
bool kvm_nested_out(KvmCpu *k);

/* pv.c */
enum {
    kvm_clock_bits = 1u << KVM_FEATURE_NOP_IO_DELAY | 1u << KVM_FEATURE_CLOCKSOURCE |
                     1u << KVM_FEATURE_CLOCKSOURCE2 | 1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT
};
void kvm_pv_init(KvmMachine *k);
uint32_t kvm_pv_hv_can(const KvmMachine *k);
uint32_t kvm_pv_leaves(KvmCpu *k, struct kvm_cpuid2 *t);    /* Hyper-V's; where KVM's own begin */
bool kvm_pv_vcpu_init(KvmCpu *k, GError **err);
void kvm_pv_msrs(KvmCpu *k, unsigned long what);
void kvm_pv_exit(KvmCpu *k);
void kvm_pv_crashed(KvmCpu *k);

/* x86.c */
bool kvm_msr_do(KvmCpu *k, unsigned long what, uint32_t msr, uint64_t *val);
bool kvm_x86_init(KvmMachine *k, GError **err);         /* what this host's KVM can give */
void kvm_x86_can(Machine *m, uint32_t *feat);           /* takes out what it cannot */
bool kvm_x86_cpuid(KvmCpu *k, GError **err);
void kvm_get_regs(Vcpu *v);
void kvm_set_regs(Vcpu *v);

/* clock.c */
uint64_t kvm_tsc(KvmCpu *k);
void kvm_tsc_set(KvmCpu *k, uint64_t tsc);
/* the guest goes on, perhaps after a stop that it is not to see */
void kvm_clock_resume(KvmMachine *k);
#endif
