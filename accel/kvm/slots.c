/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slots.c -- guest physical memory for KVM: slots made of the flat view of the vCPUs, and their
 * dirty logs.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.35 (KVM_SET_USER_MEMORY_REGION), 4.8
 *   (KVM_GET_DIRTY_LOG).
 * Omits: the A20 gate.
 * Threads: slots change while no vCPU is in the guest; logs are read from any thread, under
 *   KvmMachine.lock.
 *
 * All vCPUs' views differ in their local APIC's page alone, which is no memory: the first one's
 * two, outside and inside system management mode, serve all.  What is read from memory and written
 * elsewhere (ROM, PAM's RAM behind ROM) is a slot that may only be read: a store leaves the guest
 * and goes through io_write().  What does not fill whole pages is reached by exits.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include "core/trace.h"
#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>

static bool slot_put(KvmMachine *k, const KvmSlot *s, uint64_t size)
{
    struct kvm_userspace_memory_region r = {
        .slot = s->id | s->space << 16, .flags = size ? s->flags : 0,
        .guest_phys_addr = s->at, .memory_size = size,
        .userspace_addr = (uintptr_t)(s->region->host + s->from),
    };

    trace_kvm_slot(r.slot, r.guest_phys_addr, r.memory_size, r.flags);
    if (ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &r) < 0) {
        g_printerr("ryokan: kvm: cannot %s 0x%" PRIx64 " bytes of %s at 0x%" PRIx64 ": %s\n",
                   size ? "map" : "unmap", s->size, s->region->name, s->at, g_strerror(errno));
        return false;
    }
    return true;
}

/* KVM's bits of the slot into the region's logs. */
static void slot_sync(KvmMachine *k, const KvmSlot *s)
{
    if (k->ring_entries) {
        kvm_ring_collect_locked(k);
        return;
    }
    uint64_t pages = s->size / KVM_PAGE;
    g_autofree unsigned long *map = g_new0(unsigned long, pages / 64 + 1);
    struct kvm_dirty_log log = { .slot = s->id | s->space << 16, .dirty_bitmap = map };

    if (ioctl(k->vm, KVM_GET_DIRTY_LOG, &log) < 0) {
        region_set_dirty(s->region, s->from, s->size);
        return;
    }
    for (uint64_t i = 0; i <= pages / 64; i++) {
        for (unsigned long w = map[i]; w; w &= w - 1) {
            region_set_dirty(s->region, s->from + (i * 64 + (unsigned)__builtin_ctzl(w)) * KVM_PAGE,
                             KVM_PAGE);
        }
    }
}

static void want(GArray *list, hwaddr at, hwaddr end, const MemRange *r, bool readonly, bool log)
{
    uint64_t from = r->from + (at - r->at), cut = -at & (KVM_PAGE - 1);
    KvmSlot  s = { .region = r->region,
                   .flags = readonly ? KVM_MEM_READONLY : log ? KVM_MEM_LOG_DIRTY_PAGES : 0 };

    if (end - at <= cut) {
        return;
    }
    s.at = at + cut;
    s.from = from + cut;
    s.size = (end - s.at) & -(uint64_t)KVM_PAGE;
    if (s.size && !((uintptr_t)(s.region->host + s.from) & (KVM_PAGE - 1))) {
        g_array_append_val(list, s);
    }
}

static void slots_wanted(KvmMachine *k, GArray *list, AddressSpace *as, unsigned space)
{
    unsigned first = list->len;
    MemRange r, w;
    hwaddr   end;

    for (hwaddr at = 0; at < k->machine->memory.size; at = end) {
        bool reads = as_lookup(as, at, false, &r), writes = as_lookup(as, at, true, &w);
        end = MIN(r.at + r.size, w.at + w.size);
        if (end <= at) {
            break;
        }
        if (!reads || !r.region->host) {
            continue;
        }
        bool same = writes && w.region == r.region && w.from - w.at == r.from - r.at &&
                    !r.region->readonly;
        if (same || k->has_readonly) {
            want(list, at, end, &r, !same, __atomic_load_n(&r.region->dirty_on, __ATOMIC_ACQUIRE));
        }
    }
    for (unsigned i = first; i < list->len; i++) {
        g_array_index(list, KvmSlot, i).space = space;
    }
}

static bool slot_same(const KvmSlot *a, const KvmSlot *b)
{
    return a->space == b->space && a->at == b->at && a->size == b->size && a->from == b->from &&
           a->region == b->region && !((a->flags ^ b->flags) & KVM_MEM_READONLY);
}

static void slot_drop(KvmMachine *k, KvmSlot *s)
{
    if (s->flags & KVM_MEM_LOG_DIRTY_PAGES) {
        slot_sync(k, s);
    }
    slot_put(k, s, 0);
    s->size = 0;
}

static void slot_add(KvmMachine *k, const KvmSlot *w)
{
    for (unsigned i = 0; i < k->slots_most; i++) {
        KvmSlot *s = &k->slots[i];
        if (!s->size) {
            *s = *w;
            s->id = i;
            if (!slot_put(k, s, s->size)) {
                s->size = 0;
            }
            return;
        }
    }
    g_printerr("ryokan: kvm: out of memory slots: %s at 0x%" PRIx64 " is reached by exits\n",
               w->region->name, w->at);
}

/* First what goes, so that nothing overlaps, then what comes. */
void kvm_slots_update(void *machine)
{
    Machine    *m = machine;
    KvmMachine *k = kvm_of(m);
    Vcpu       *v = m->vcpus->len ? m->vcpus->pdata[0] : NULL;

    if (!v) {
        return;
    }
    g_mutex_lock(&k->lock);
    __atomic_store_n(&k->slots_stale, false, __ATOMIC_SEQ_CST);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(KvmSlot));
    for (unsigned i = 0; i < 2 && v->spaces[i]; i++) {
        slots_wanted(k, list, v->spaces[i], i);
    }
    for (unsigned i = 0; i < k->slots_most; i++) {
        KvmSlot *s = &k->slots[i];
        bool     stays = false;
        for (unsigned j = 0; s->size && j < list->len && !stays; j++) {
            KvmSlot *w = &g_array_index(list, KvmSlot, j);
            stays = slot_same(s, w);
            if (stays && s->flags != w->flags) {
                if (s->flags & KVM_MEM_LOG_DIRTY_PAGES) {
                    slot_sync(k, s);
                }
                s->flags = w->flags;
                slot_put(k, s, s->size);
            }
            w->size = stays ? 0 : w->size;
        }
        if (s->size && !stays) {
            slot_drop(k, s);
        }
    }
    for (unsigned j = 0; j < list->len; j++) {
        const KvmSlot *w = &g_array_index(list, KvmSlot, j);
        if (w->size) {
            slot_add(k, w);
        }
    }
    g_mutex_unlock(&k->lock);
    kvm_zones_update(k, v->spaces[0]);
    kvm_bells_update(k, v->spaces[0]);
}

static void update_soon(Machine *m)
{
    __atomic_store_n(&kvm_of(m)->slots_stale, true, __ATOMIC_SEQ_CST);
    if (m->started) {
        machine_exclusive(m, kvm_slots_update, m);
    }
}

void kvm_map_changed(AddressSpace *as, const MemRange *gone, unsigned n_gone, const MemRange *come,
                     unsigned n_come)
{
    Machine *m = as_machine(as);

    const Vcpu *v = m->vcpus->len ? m->vcpus->pdata[0] : NULL;

    if (v && (v->spaces[0] == as || v->spaces[1] == as || m->as_io == as)) {
        update_soon(m);
    }
}

void kvm_dirty_log(Region *ram, bool on)
{
    if (ram->machine && kvm_of(ram->machine)) {
        update_soon(ram->machine);
    }
}

void kvm_dirty_sync(Region *ram)
{
    KvmMachine *k = ram->machine ? kvm_of(ram->machine) : NULL;

    if (!k) {
        return;
    }
    kvm_writes_drain(k);
    if (k->ring_entries) {    /* a processor may keep some to itself until it leaves the guest */
        machine_exclusive(k->machine, kvm_ring_collect, k);
        return;
    }
    g_mutex_lock(&k->lock);
    for (unsigned i = 0; i < k->slots_most; i++) {
        if (k->slots[i].size && k->slots[i].region == ram &&
            k->slots[i].flags & KVM_MEM_LOG_DIRTY_PAGES) {
            slot_sync(k, &k->slots[i]);
        }
    }
    g_mutex_unlock(&k->lock);
}
#endif
