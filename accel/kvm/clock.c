/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c -- KVM's clocks as the guest's: TSC and kvmclock run on while the machine is stopped, and
 * are set back before it goes on.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.29 (KVM_SET_CLOCK), 4.112 (KVM_KVMCLOCK_CTRL);
 *   devices/vcpu.rst, 4.1 (TSC offset).
 * Omits: kernels before 5.16 have no offset to set, and take a TSC written less than a second away
 *   from what they expect for an attempt to keep CPUs together: there the TSC runs on through such
 *   a stop.
 * Threads: while no vCPU is in the guest.
 *
 * clock_lag is what the host's time is ahead of the guest's by KVM's clocks: what the machine's has
 * grown by since is a stop.  All CPUs are set back by the same, the first one last: KVM keeps those
 * that are set next beside the one that was set last.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include <sys/ioctl.h>

enum { MSR_TSC = 0x10, A_STOP_NS = 1000000 };

static int64_t stopped_ns(const KvmMachine *k)
{
    return k->has_clock ? (int64_t)time_lag(k->machine) - k->clock_lag : 0;
}

static int64_t cycles(const KvmCpu *k, int64_t ns)
{
    return ns / 1000 * (int64_t)k->tsc_khz / 1000;
}

static uint64_t tsc_read(KvmCpu *k)
{
    uint64_t tsc = 0;

    kvm_msr_do(k, KVM_GET_MSRS, MSR_TSC, &tsc);
    return tsc;
}

static bool offset_do(KvmCpu *k, unsigned long what, uint64_t *offset)
{
    struct kvm_device_attr a = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
                                 .addr = (uintptr_t)offset };

    return ioctl(k->fd, what, &a) == 0;
}

static bool tsc_move(KvmCpu *k, int64_t by)
{
    uint64_t offset;

    if (!offset_do(k, KVM_GET_DEVICE_ATTR, &offset)) {
        return false;
    }
    offset += (uint64_t)by;
    return offset_do(k, KVM_SET_DEVICE_ATTR, &offset);
}

static void kvmclock_set(KvmMachine *k)
{
    struct kvm_clock_data d = { .clock = time_now(k->machine, TIME_GUEST) };

    ioctl(k->vm, KVM_SET_CLOCK, &d);
}

/* Takes the stop so far out of all clocks. */
static void settle(void *kvm)
{
    KvmMachine *k = kvm;
    int64_t     stopped = stopped_ns(k);

    if (stopped <= A_STOP_NS) {
        return;
    }
    for (unsigned i = k->cpus->len; i-- > 0;) {
        KvmCpu  *c = k->cpus->pdata[i];
        if (!tsc_move(c, -cycles(c, stopped))) {
            uint64_t tsc = tsc_read(c) - (uint64_t)cycles(c, stopped);
            kvm_msr_do(c, KVM_SET_MSRS, MSR_TSC, &tsc);
        }
        /* its watchdogs are told; refused where it has no such clock */
        ioctl(c->fd, KVM_KVMCLOCK_CTRL, 0);
    }
    kvmclock_set(k);
    k->clock_lag += stopped;
}

void kvm_clock_resume(KvmMachine *k)
{
    if (stopped_ns(k) > A_STOP_NS) {
        machine_exclusive(k->machine, settle, k);
    }
}

/* What the guest would have read when it was left. */
uint64_t kvm_tsc(KvmCpu *k)
{
    return tsc_read(k) - (uint64_t)cycles(k, MAX(stopped_ns(k->kvm), 0));
}

/* The first CPU's is set to the cycle where KVM can, the others' beside it. */
void kvm_tsc_set(KvmCpu *k, uint64_t tsc)
{
    KvmMachine *m = k->kvm;
    uint64_t    val = tsc;

    settle(m);
    kvm_msr_do(k, KVM_SET_MSRS, MSR_TSC, &val);
    if (k->c->dbt.vcpu.index == 0) {
        int64_t off = (int64_t)(tsc - tsc_read(k));
        if (ABS(off) > cycles(k, A_STOP_NS)) {
            tsc_move(k, off);
        }
        kvmclock_set(m);
        m->clock_lag = (int64_t)time_lag(m->machine);
        m->has_clock = true;
    }
    ioctl(k->fd, KVM_KVMCLOCK_CTRL, 0);
}
#endif
