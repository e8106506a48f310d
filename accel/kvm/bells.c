/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bells.c -- doorbells of regions as ioeventfds: a write that only rings does not leave the guest.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.59 (KVM_IOEVENTFD).
 * Omits: nothing.
 * Threads: while no vCPU is in the guest, as slots.c.
 *
 * A bell that KVM does not take is rung by io_write(), as under the translator.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool bell_do(KvmMachine *k, const KvmBell *b, uint32_t flag)
{
    struct kvm_ioeventfd e = {
        .datamatch = b->val,
        .addr = b->at,
        .len = b->size,
        .fd = b->fd,
        .flags = flag | (b->ports ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                 (b->by_value ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
    };

    return ioctl(k->vm, KVM_IOEVENTFD, &e) == 0;
}

static bool bell_same(const KvmBell *a, const KvmBell *b)
{
    return a->bell == b->bell && a->at == b->at && a->ports == b->ports && a->size == b->size &&
           a->by_value == b->by_value && a->val == b->val;
}

/* Where the guest's writes meet bells now. */
static void wanted(KvmMachine *k, AddressSpace *as, bool ports, GArray *list)
{
    hwaddr   end = ports ? k->machine->io.size : k->machine->memory.size;
    MemRange l;

    for (hwaddr at = 0; at < end; at = l.at + l.size) {
        bool there = as_lookup(as, at, true, &l);
        for (unsigned i = 0; there && l.region->bells && i < l.region->bells->len; i++) {
            Doorbell *d = l.region->bells->pdata[i];
            KvmBell   b = { .bell = d, .ports = ports, .size = d->size, .by_value = d->by_value,
                            .val = d->val, .fd = -1 };
            if (d->at >= l.from && d->at - l.from < l.size && (d->size || k->has_any_size)) {
                b.at = l.at + (d->at - l.from);
                g_array_append_val(list, b);
            }
        }
        if (l.at + l.size <= at) {
            break;
        }
    }
}

static bool find(GArray *list, const KvmBell *b)
{
    for (unsigned i = 0; i < list->len; i++) {
        if (bell_same(&g_array_index(list, KvmBell, i), b)) {
            return true;
        }
    }
    return false;
}

static void drop(KvmMachine *k, unsigned i)
{
    KvmBell *b = &g_array_index(k->bells, KvmBell, i);

    bell_do(k, b, KVM_IOEVENTFD_FLAG_DEASSIGN);
    close(b->fd);
    g_array_remove_index_fast(k->bells, i);
}

/* The descriptor is one of our own, since the device may be gone when its window is. */
static void add(KvmMachine *k, KvmBell b)
{
    int fd = doorbell_fd(b.bell);

    b.fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (b.fd >= 0 && bell_do(k, &b, 0)) {
        g_array_append_val(k->bells, b);
    } else if (b.fd >= 0) {
        close(b.fd);
    }
}

void kvm_bells_update(KvmMachine *k, AddressSpace *memory)
{
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(KvmBell));

    if (!k->has_bells) {
        return;
    }
    wanted(k, memory, false, list);
    wanted(k, k->machine->as_io, true, list);
    for (unsigned i = k->bells->len; i-- > 0;) {
        if (!find(list, &g_array_index(k->bells, KvmBell, i))) {
            drop(k, i);
        }
    }
    for (unsigned i = 0; i < list->len; i++) {
        if (!find(k->bells, &g_array_index(list, KvmBell, i))) {
            add(k, g_array_index(list, KvmBell, i));
        }
    }
}

void kvm_bells_init(KvmMachine *k)
{
    k->has_bells = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD) > 0;
    k->has_any_size = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
    k->bells = g_array_new(FALSE, TRUE, sizeof(KvmBell));
}

void kvm_bells_fini(KvmMachine *k)
{
    while (k->bells->len) {
        drop(k, k->bells->len - 1);
    }
    g_array_free(k->bells, TRUE);
}
#endif
