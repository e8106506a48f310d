/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doorbell.c -- writes to a Region that only ring: by a call where the vCPU's write comes here, by
 *   a descriptor where an accelerator takes it without leaving the guest.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: with the machine lock; a descriptor that was written to rings in the main context.
 *
 * An accelerator asks doorbell_fd() for what its kernel is to write to.  Such a bell may ring late,
 * and once for many writes: whoever has one looks at what there is to do, not at how often it
 * rang.  When the machine stops, what is on its way rings first, so that a snapshot never misses
 * one.
 */
#include "core/mem.h"
#include "core/machine.h"
#include "core/mem_view.h"
#include <errno.h>
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

void region_doorbell(Region *r, Doorbell *b)
{
    if (!r->bells) {
        r->bells = g_ptr_array_new();
    }
    b->region = r;
    b->fd = -1;
    b->source = NULL;
    g_ptr_array_add(r->bells, b);
}

static void silence(Doorbell *b)
{
    if (b->fd < 0) {
        return;
    }
    g_ptr_array_remove(b->region->machine->mem->bells, b);
    g_source_destroy(b->source);
    g_source_unref(b->source);
    close(b->fd);
    b->fd = -1;
}

void region_doorbells_free(Region *r)
{
    for (unsigned i = 0; r->bells && i < r->bells->len; i++) {
        silence(r->bells->pdata[i]);
    }
    g_clear_pointer(&r->bells, g_ptr_array_unref);
}

Doorbell *region_doorbell_at(const Region *r, uint64_t at, uint64_t val, unsigned size)
{
    for (unsigned i = 0; r->bells && i < r->bells->len; i++) {
        Doorbell *b = r->bells->pdata[i];
        if (b->at == at && (!b->size || b->size == size) && (!b->by_value || b->val == val)) {
            return b;
        }
    }
    return NULL;
}

static bool take(const Doorbell *b)
{
    uint64_t times;

    return read(b->fd, &times, sizeof times) == sizeof times;
}

static gboolean rung(int fd, GIOCondition what, void *bell)
{
    Doorbell *b = bell;
    Machine  *m = b->region->machine;

    (void)fd;
    (void)what;
    machine_lock(m);
    if (take(b)) {
        doorbell_ring(b);
    }
    machine_unlock(m);
    return G_SOURCE_CONTINUE;
}

int doorbell_fd(Doorbell *b)
{
    Machine *m = b->region->machine;

    if (b->fd < 0 && m && (b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0) {
        b->source = g_unix_fd_source_new(b->fd, G_IO_IN);
        g_source_set_callback(b->source, (GSourceFunc)(void (*)(void))rung, b, NULL);
        g_source_attach(b->source, m->context);
        g_ptr_array_add(m->mem->bells, b);
    }
    return b->fd;
}

/* No vCPU is in the guest. */
void doorbells_flush(Machine *m)
{
    for (unsigned i = 0; i < m->mem->bells->len; i++) {
        Doorbell *b = m->mem->bells->pdata[i];
        if (take(b)) {
            doorbell_ring(b);
        }
    }
}
