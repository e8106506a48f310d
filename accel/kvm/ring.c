/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring.c -- what KVM collects for later: writes to devices that may come late (coalesced MMIO and
 * ports), and pages that were written
 *   to (the dirty ring, -accel kvm,dirty-ring-size=).
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.116 (KVM_REGISTER_COALESCED_MMIO), 8.29
 *   (KVM_CAP_DIRTY_LOG_RING).
 * Omits: nothing.
 * Threads: the ring of writes is drained with the machine lock; those of pages while no vCPU is in
 *   the guest.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* ---- writes that may come late ---- */

static void zone_do(KvmMachine *k, unsigned long what, const KvmZone *z)
{
    struct kvm_coalesced_mmio_zone kz = {
        .addr = z->at, .size = (uint32_t)z->size, .pio = z->ports,
    };

    ioctl(k->vm, what, &kz);
}

/*
 * What nobody answers below 1 MiB does nothing, so it may come late too: Linux clears a text screen
 * at B8000H by 1,000 stores without a look whether there is one.  Above, KVM's own devices may lie
 * where the view has nothing; ports are written for the delay.
 */
static bool zone_of(AddressSpace *as, bool ports, hwaddr at, MemRange *w, uint64_t *size)
{
    enum { LOW_END = 0x100000 };

    if (!as_lookup(as, at, true, w)) {
        *size = !ports && w->at < LOW_END ? MIN(w->size, LOW_END - w->at) : 0;
    } else {
        *size = w->region->late > w->from ? MIN(w->size, w->region->late - w->from) : 0;
    }
    return *size && *size <= UINT32_MAX;
}

static unsigned zones_find(AddressSpace *as, bool ports, hwaddr end, KvmZone *now, unsigned n)
{
    MemRange w;
    uint64_t size;

    for (hwaddr at = 0; at < end && n < KVM_ZONES_MOST; at = w.at + w.size) {
        if (zone_of(as, ports, at, &w, &size)) {
            now[n++] = (KvmZone){ .at = w.at, .size = size, .ports = ports };
        }
        if (w.at + w.size <= at) {
            break;
        }
    }
    return n;
}

/* The machine's view has changed; no vCPU is in the guest. */
void kvm_zones_update(KvmMachine *k, AddressSpace *as)
{
    KvmZone  now[KVM_ZONES_MOST];
    unsigned n = 0;

    if (!k->coalesced_at) {
        return;
    }
    memset(now, 0, sizeof now);         /* they are compared */
    n = zones_find(as, false, k->machine->memory.size, now, n);
    if (k->has_late_ports) {
        n = zones_find(k->machine->as_io, true, k->machine->io.size, now, n);
    }
    if (n == k->n_zones && !memcmp(now, k->zones, n * sizeof now[0])) {
        return;
    }
    for (unsigned i = 0; i < k->n_zones; i++) {
        zone_do(k, KVM_UNREGISTER_COALESCED_MMIO, &k->zones[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        zone_do(k, KVM_REGISTER_COALESCED_MMIO, &now[i]);
        k->zones[i] = now[i];
    }
    k->n_zones = n;
}

/* In the order in which they were written, before anything that came after them is looked at. */
void kvm_writes_drain(KvmMachine *k)
{
    struct kvm_coalesced_mmio_ring *r = k->writes;
    const uint32_t most = (KVM_PAGE - sizeof *r) / sizeof r->coalesced_mmio[0];
    Vcpu *v = k->machine->vcpus->len ? k->machine->vcpus->pdata[0] : NULL;

    if (!r || !v ||
        __atomic_load_n(&r->first, __ATOMIC_ACQUIRE) ==
            __atomic_load_n(&r->last, __ATOMIC_ACQUIRE)) {
        return;
    }
    machine_lock(k->machine);
    while (!k->draining && r->first != __atomic_load_n(&r->last, __ATOMIC_ACQUIRE)) {
        const struct kvm_coalesced_mmio e = r->coalesced_mmio[r->first % most];
        uint64_t val = 0;
        uint32_t len = MIN(e.len, 8u);
        memcpy(&val, e.data, len);
        __atomic_store_n(&r->first, (r->first + 1) % most, __ATOMIC_RELEASE);
        k->draining = true;
        io_write(e.pio ? k->machine->as_io : v->spaces[0], e.phys_addr, val, len);
        k->draining = false;
    }
    machine_unlock(k->machine);
}

/* ---- pages that were written to ---- */

bool kvm_ring_init(KvmMachine *k, GError **err)
{
    struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING };
    int most = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING);

    if (!k->ring_entries) {
        return true;
    }
    if (most <= 0) {
        return fail(
            err, "-accel kvm,dirty-ring-size=%u: this host's KVM has no dirty ring; leave it out",
            k->ring_entries);
    }
    if (k->ring_entries & (k->ring_entries - 1) ||
        k->ring_entries * sizeof(struct kvm_dirty_gfn) > (unsigned)most) {
        return fail(err, "-accel kvm,dirty-ring-size=%u: a power of two up to %zu is needed",
                    k->ring_entries, most / sizeof(struct kvm_dirty_gfn));
    }
    cap.args[0] = k->ring_entries * sizeof(struct kvm_dirty_gfn);
    return ioctl(k->vm, KVM_ENABLE_CAP, &cap) == 0 ||
           fail(err,
                "-accel kvm,dirty-ring-size=%u: KVM refuses it: %s; some hosts want 1024 "
                "or more",
                k->ring_entries, g_strerror(errno));
}

bool kvm_ring_map(KvmCpu *c, GError **err)
{
    KvmMachine *k = c->kvm;
    void *p;

    if (!k->ring_entries) {
        return true;
    }
    p = mmap(NULL, k->ring_entries * sizeof(struct kvm_dirty_gfn), PROT_READ | PROT_WRITE,
             MAP_SHARED, c->fd, KVM_DIRTY_LOG_PAGE_OFFSET * KVM_PAGE);
    if (p == MAP_FAILED) {
        return fail(err, "-accel kvm: CPU %u: its dirty ring cannot be mapped: %s",
                    c->c->dbt.vcpu.index, g_strerror(errno));
    }
    c->ring = p;
    return true;
}

void kvm_ring_unmap(KvmCpu *c)
{
    if (c->ring) {
        munmap(c->ring, c->kvm->ring_entries * sizeof(struct kvm_dirty_gfn));
    }
}

static void collect_cpu(KvmMachine *k, KvmCpu *c)
{
    for (uint32_t n = 0; n < k->ring_entries; n++) {
        struct kvm_dirty_gfn *g = &c->ring[c->ring_next & (k->ring_entries - 1)];
        if (!(__atomic_load_n(&g->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY)) {
            return;
        }
        const KvmSlot *s = (g->slot & 0xffff) < KVM_SLOTS_MOST ? &k->slots[g->slot & 0xffff] : NULL;
        if (s && s->size && g->offset < s->size / KVM_PAGE) {
            region_set_dirty(s->region, s->from + g->offset * KVM_PAGE, KVM_PAGE);
        }
        __atomic_store_n(&g->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
        c->ring_next++;
    }
}

/* KvmMachine.lock held; exact if no vCPU is in the guest. */
void kvm_ring_collect_locked(KvmMachine *k)
{
    for (unsigned i = 0; i < k->cpus->len; i++) {
        collect_cpu(k, k->cpus->pdata[i]);
    }
    ioctl(k->vm, KVM_RESET_DIRTY_RINGS, 0);
}

void kvm_ring_collect(void *kvm)
{
    KvmMachine *k = kvm;

    g_mutex_lock(&k->lock);
    kvm_ring_collect_locked(k);
    g_mutex_unlock(&k->lock);
}
#endif
