/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.c -- the lists of breakpoints and watchpoints that an accelerator obeys.
 *
 * Spec: none.
 * Omits: conditions; they are the debugger's.
 * Threads: see debug.h.
 */
#include "core/debug.h"
#include "accel/accel.h"
#include <string.h>

const DebugBreak *debug_break_at(const Debug *d, uint64_t pc)
{
    for (unsigned i = 0; i < d->n_breaks; i++) {
        if (d->breaks[i].at == pc) {
            return &d->breaks[i];
        }
    }
    return NULL;
}

const DebugWatch *debug_watch_at(const Debug *d, uint64_t at, uint64_t bytes, unsigned ways)
{
    for (unsigned i = 0; i < d->n_watches; i++) {
        const DebugWatch *w = &d->watches[i];
        if ((w->ways & ways) && (at - w->at < w->bytes || w->at - at < bytes)) {
            return w;
        }
    }
    return NULL;
}

Debug *debug_of(Machine *m)
{
    if (!m->debug) {
        m->debug = g_new0(Debug, 1);
    }
    return m->debug;
}

bool debug_can(const Machine *m)
{
    return m->accel && m->accel->debug_changed;
}

static void changed(Machine *m)
{
    Debug *d = m->debug;

    memset(d->low, 0, sizeof(d->low));
    for (unsigned i = 0; i < d->n_breaks; i++) {
        uint64_t at = d->breaks[i].at & (DEBUG_PAGE - 1);
        d->low[at / 64] |= UINT64_C(1) << (at & 63);
    }
    if (debug_can(m)) {
        m->accel->debug_changed(m);
    }
}

bool debug_break_add(Machine *m, uint64_t at, bool hard)
{
    Debug *d = debug_of(m);

    for (unsigned i = 0; i < d->n_breaks; i++) {
        if (d->breaks[i].at == at && d->breaks[i].hard == hard) {
            return true;
        }
    }
    if (!debug_can(m) || d->n_breaks == DEBUG_MAX) {
        return false;
    }
    d->breaks[d->n_breaks++] = (DebugBreak){ at, hard };
    changed(m);
    return true;
}

bool debug_break_del(Machine *m, uint64_t at, bool hard)
{
    Debug *d = debug_of(m);

    for (unsigned i = 0; i < d->n_breaks; i++) {
        if (d->breaks[i].at == at && d->breaks[i].hard == hard) {
            d->breaks[i] = d->breaks[--d->n_breaks];
            changed(m);
            return true;
        }
    }
    return false;
}

bool debug_watch_add(Machine *m, uint64_t at, uint64_t bytes, unsigned ways)
{
    Debug *d = debug_of(m);

    if (!debug_can(m) || !bytes || at + bytes - 1 < at || d->n_watches == DEBUG_MAX) {
        return false;
    }
    d->watches[d->n_watches++] = (DebugWatch){ at, bytes, ways };
    if (m->accel->debug_fits && !m->accel->debug_fits(m)) {
        d->n_watches--;
        return false;
    }
    changed(m);
    return true;
}

bool debug_watch_del(Machine *m, uint64_t at, uint64_t bytes, unsigned ways)
{
    Debug *d = debug_of(m);

    for (unsigned i = 0; i < d->n_watches; i++) {
        const DebugWatch *w = &d->watches[i];
        if (w->at == at && w->bytes == bytes && w->ways == ways) {
            d->watches[i] = d->watches[--d->n_watches];
            changed(m);
            return true;
        }
    }
    return false;
}

void debug_clear(Machine *m)
{
    Debug *d = debug_of(m);
    bool   some = d->n_breaks || d->n_watches;

    d->n_breaks = d->n_watches = 0;
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        ((Vcpu *)m->vcpus->pdata[i])->debug = (VcpuDebug){ .why = DEBUG_NONE };
    }
    if (some) {
        changed(m);
    }
}

bool debug_memory(AddressSpace *as, hwaddr at, uint8_t *buf, size_t n, bool write)
{
    while (n) {
        MemRange l;
        if (!as_lookup(as, at, write, &l) || !l.region->host || (write && l.region->readonly)) {
            return false;
        }
        size_t part = MIN(n, l.at + l.size - at);
        if (write) {
            as_write(as, at, buf, part);
        } else {
            as_read(as, at, buf, part);
        }
        at += part;
        buf += part;
        n -= part;
    }
    return true;
}

void debug_stopped(Machine *m)
{
    if (m->debug && m->debug->stopped) {
        m->debug->stopped(m->debug->who);
    }
}
