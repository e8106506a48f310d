/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_io.c -- accesses through an AddressSpace: CPU port and memory-mapped I/O, DMA, pinning, dirty
 * logs.
 *
 * Spec: none.  Reads of nothing give all ones, writes to nothing and to ROM are dropped.
 * Omits: Region.pin and Region.translate; a write narrower than a device's least size is widened
 *   with zeros.
 * Threads: any; a device's callback runs with the machine lock.
 */
#include "accel/accel.h"
#include "core/log.h"
#include "core/mem_view.h"
#include "core/vcpu.h"
#include "core/trace.h"
#include <inttypes.h>
#include <string.h>

#define DIRTY_PAGE_BITS 12
#define LONG_BITS       (8 * sizeof(unsigned long))

/* ---- one device, one access ---- */

static bool device_enter(MemState *ms, AddressSpace *as, const Region *r)
{
    void *who = r->dev;

    if (who) {
        if (as->owner == who) {
            return false;
        }
        for (unsigned i = 0; i < ms->n_active; i++) {
            if (ms->active[i] == who) {
                return false;
            }
        }
    }
    if (ms->n_active == MEM_DEPTH) {
        return false;
    }
    ms->active[ms->n_active++] = who;
    return true;
}

static uint64_t swap(uint64_t v, unsigned size)
{
    return __builtin_bswap64(v) >> (64 - 8 * size);
}

static uint64_t low(uint64_t v, unsigned size)
{
    return size == 8 ? v : v & ((1ull << (8 * size)) - 1);
}

/*
 * The next step of an access to [off, off + n): a size the device has, aligned.  It may start
 * before off.
 */
static unsigned next_size(const MmioOps *io, hwaddr off, unsigned n)
{
    unsigned min = MAX(io->min, 1), max = io->max ? io->max : 8, s = 8;

    while (s > 1 && (s > n || s > max || off % s)) {
        s /= 2;
    }
    return MAX(s, min);
}

/* Nearly all accesses: one that the device takes as it is. */
static bool is_whole(const MmioOps *io, hwaddr off, unsigned n)
{
    return n >= io->min && n <= (io->max ? io->max : 8) && !(n & (n - 1)) && !(off & (n - 1)) &&
           !io->big_endian;
}

static uint64_t ops_read(const Region *r, hwaddr off, unsigned n)
{
    const MmioOps *io = r->io;
    uint64_t       out = 0;

    if (io->read && is_whole(io, off, n)) {
        return low(io->read(r->dev, off, n), n);
    }
    for (unsigned i = 0; i < n;) {
        unsigned s = next_size(io, off + i, n - i);
        hwaddr   at = (off + i) & ~(hwaddr)(s - 1);
        unsigned skip = (unsigned)(off + i - at), take = MIN(n - i, s - skip);
        uint64_t v = io->read ? low(io->read(r->dev, at, s), s) : low(UINT64_MAX, s);

        if (io->big_endian) {
            v = swap(v, s);
        }
        out |= low(v >> (8 * skip), take) << (8 * i);
        i += take;
    }
    return out;
}

static void ops_write(const Region *r, hwaddr off, uint64_t val, unsigned n)
{
    const MmioOps *io = r->io;

    if (io->write && is_whole(io, off, n)) {
        io->write(r->dev, off, low(val, n), n);
        return;
    }
    for (unsigned i = 0; i < n;) {
        unsigned s = next_size(io, off + i, n - i);
        hwaddr   at = (off + i) & ~(hwaddr)(s - 1);
        unsigned skip = (unsigned)(off + i - at), take = MIN(n - i, s - skip);
        uint64_t v = low(val >> (8 * i), take) << (8 * skip);

        if (io->write) {
            io->write(r->dev, at, io->big_endian ? swap(v, s) : v, s);
        }
        i += take;
    }
}

static MemResult device_read(AddressSpace *as, const Region *r, hwaddr off, unsigned n,
                             uint64_t *val)
{
    Machine  *m = as->machine;
    MemState *ms = m->mem;
    MemResult res = MEM_OK;

    machine_lock(m);
    if (device_enter(ms, as, r)) {
        *val = r->regs ? regs_read(r->regs, r->dev, off, n) : ops_read(r, off, n);
        ms->n_active--;
    } else {
        *val = low(UINT64_MAX, n);
        res = MEM_REFUSED;
    }
    machine_unlock(m);
    trace_region_read(r->name, off, n, *val);
    if (log_on(LOG_IO) || (res != MEM_OK && log_on(LOG_GUEST_ERRORS))) {
        log_write("%s: read %s+0x%" PRIx64 " size %u -> 0x%" PRIx64 "%s\n", as->name, r->name, off,
                  n, *val,
                  res == MEM_OK ? "" : " (refused: the device is busy with an access of its own)");
    }
    return res;
}

static MemResult device_write(AddressSpace *as, const Region *r, hwaddr off, uint64_t val,
                              unsigned n)
{
    Machine  *m = as->machine;
    MemState *ms = m->mem;
    MemResult res = MEM_OK;

    machine_lock(m);
    trace_region_write(r->name, off, n, low(val, n));
    if (log_on(LOG_IO)) {
        log_write("%s: write %s+0x%" PRIx64 " size %u <- 0x%" PRIx64 "\n", as->name, r->name, off,
                  n, low(val, n));
    }
    if (device_enter(ms, as, r)) {
        const Doorbell *b = r->bells ? region_doorbell_at(r, off, low(val, n), n) : NULL;
        if (b) {
            b->ring(b->dev, b->n);
        } else if (r->regs) {
            regs_write(r->regs, r->dev, off, low(val, n), n);
        } else {
            ops_write(r, off, val, n);
        }
        ms->n_active--;
    } else {
        res = MEM_REFUSED;
    }
    machine_unlock(m);
    if (res != MEM_OK && log_on(LOG_GUEST_ERRORS)) {
        log_write("%s: write %s+0x%" PRIx64
                  " refused: the device is busy with an access of its own\n",
                  as->name, r->name, off);
    }
    return res;
}

/* By its descriptor: as if the write had come now. */
void doorbell_ring(Doorbell *b)
{
    Machine *m = b->region->machine;

    machine_lock(m);
    if (device_enter(m->mem, m->as_memory, b->region)) {
        b->ring(b->dev, b->n);
        m->mem->n_active--;
    }
    machine_unlock(m);
}

/* ---- memory: aligned accesses of 1 to 8 bytes are one host access ---- */

static void ram_load(void *dst, const uint8_t *src, size_t n)
{
    if (n <= 8 && (n & (n - 1)) == 0 && ((uintptr_t)src & (n - 1)) == 0) {
        uint64_t v;
        switch (n) {
        case 1: *(uint8_t *)dst = __atomic_load_n(src, __ATOMIC_RELAXED); return;
        case 2: v = __atomic_load_n((const uint16_t *)(const void *)src, __ATOMIC_RELAXED); break;
        case 4: v = __atomic_load_n((const uint32_t *)(const void *)src, __ATOMIC_RELAXED); break;
        case 8: v = __atomic_load_n((const uint64_t *)(const void *)src, __ATOMIC_RELAXED); break;
        default: return;
        }
        memcpy(dst, &v, n);         /* little-endian host */
        return;
    }
    memcpy(dst, src, n);
}

static void ram_store(uint8_t *dst, const void *src, size_t n)
{
    if (n <= 8 && (n & (n - 1)) == 0 && ((uintptr_t)dst & (n - 1)) == 0) {
        uint64_t v = 0;
        memcpy(&v, src, n);
        switch (n) {
        case 1: __atomic_store_n(dst, (uint8_t)v, __ATOMIC_RELAXED); break;
        case 2: __atomic_store_n((uint16_t *)(void *)dst, (uint16_t)v, __ATOMIC_RELAXED); break;
        case 4: __atomic_store_n((uint32_t *)(void *)dst, (uint32_t)v, __ATOMIC_RELAXED); break;
        case 8: __atomic_store_n((uint64_t *)(void *)dst, v, __ATOMIC_RELAXED); break;
        }
        return;
    }
    memcpy(dst, src, n);
}

static void ram_written(Machine *m, Region *r, uint64_t from, uint64_t n)
{
    region_set_dirty(r, from, n);
    if (m->accel && m->accel->code_written) {
        m->accel->code_written(r, from, n);
    }
}

static MemResult unassigned(AddressSpace *as, hwaddr at, bool write, unsigned n)
{
    if (log_on(LOG_UNIMP) && machine_error_count(as->machine) <= ERRORS_PER_SECOND) {
        log_write("%s: %s of %u bytes at 0x%" PRIx64 ", where nothing is\n", as->name,
                  write ? "write" : "read", n, at);
    }
    return MEM_UNMAPPED;
}

/* How much of [at, at + n) the line, or the hole, has. */
static uint64_t in_line(const MemRange *l, hwaddr at, uint64_t n)
{
    return MIN(n, l->size - (at - l->at));
}

MemResult as_read(AddressSpace *as, hwaddr at, void *buf, size_t n)
{
    uint8_t  *p = buf;
    MemResult res = MEM_OK;

    while (n) {
        MemRange l;
        uint64_t k = 1;
        if (at + (n - 1) < at) {                /* no wrap-around */
            memset(p, 0xff, n);
            return MEM_REFUSED;
        }
        if (!as_lookup(as, at, false, &l)) {
            /* as a whole: what appears there meanwhile must not tear the access */
            k = in_line(&l, at, n);
            memset(p, 0xff, k);
            res = unassigned(as, at, false, (unsigned)MIN(k, UINT32_MAX));
        } else if (l.region->host) {
            k = in_line(&l, at, n);
            ram_load(p, l.region->host + l.from + (at - l.at), k);
        } else {
            uint64_t  v;
            MemResult r;
            k = in_line(&l, at, MIN(n, 8));
            r = device_read(as, l.region, l.from + (at - l.at), (unsigned)k, &v);
            res = r == MEM_OK ? res : r;
            memcpy(p, &v, k);
        }
        at += k;
        p += k;
        n -= k;
    }
    return res;
}

MemResult as_write(AddressSpace *as, hwaddr at, const void *buf, size_t n)
{
    const uint8_t *p = buf;
    MemResult      res = MEM_OK;

    while (n) {
        MemRange l;
        uint64_t k = 1;
        if (at + (n - 1) < at) {
            return MEM_REFUSED;
        }
        if (!as_lookup(as, at, true, &l)) {
            k = in_line(&l, at, n);
            res = unassigned(as, at, true, (unsigned)MIN(k, UINT32_MAX));
        } else if (l.region->host) {
            k = in_line(&l, at, n);
            if (!l.region->readonly) {
                uint64_t from = l.from + (at - l.at);
                ram_store(l.region->host + from, p, k);
                ram_written(as->machine, l.region, from, k);
            }
        } else {
            uint64_t  v = 0;
            MemResult r;
            k = in_line(&l, at, MIN(n, 8));
            memcpy(&v, p, k);
            r = device_write(as, l.region, l.from + (at - l.at), v, (unsigned)k);
            res = r == MEM_OK ? res : r;
        }
        at += k;
        p += k;
        n -= k;
    }
    return res;
}

uint64_t io_read(AddressSpace *as, hwaddr at, unsigned size, MemResult *res)
{
    MemRange  l;
    MemResult r;
    uint64_t  v = 0;

    if (as_lookup(as, at, false, &l) && in_line(&l, at, size) == size && !l.region->host) {
        r = device_read(as, l.region, l.from + (at - l.at), size, &v);
    } else {
        r = as_read(as, at, &v, MIN(size, 8));
    }
    if (res) {
        *res = r;
    }
    return v;
}

unsigned io_read_many(AddressSpace *as, hwaddr at, void *to, unsigned size, unsigned n)
{
    Machine *m = as->machine;
    MemRange l;
    unsigned done = 0;

    if (!as_lookup(as, at, false, &l) || in_line(&l, at, size) != size || l.region->host ||
        !l.region->io || !l.region->io->read_many ||
        !is_whole(l.region->io, l.from + (at - l.at), size) || log_on(LOG_IO)) {
        return 0;
    }
    const Region *r = l.region;
    machine_lock(m);
    if (device_enter(m->mem, as, r)) {
        done = r->io->read_many(r->dev, l.from + (at - l.at), to, size, n);
        m->mem->n_active--;
    }
    machine_unlock(m);
    return done;
}

MemResult io_write(AddressSpace *as, hwaddr at, uint64_t val, unsigned size)
{
    MemRange l;

    if (as_lookup(as, at, true, &l) && in_line(&l, at, size) == size && !l.region->host) {
        return device_write(as, l.region, l.from + (at - l.at), val, size);
    }
    return as_write(as, at, &val, MIN(size, 8));
}

/* ---- pinning ---- */

void *as_pin(AddressSpace *as, hwaddr at, uint64_t *n, bool write)
{
    MemRange l;

    if (!*n || !as_lookup(as, at, write, &l) || !l.region->host || (write && l.region->readonly)) {
        return NULL;
    }
    *n = in_line(&l, at, *n);
    return l.region->host + l.from + (at - l.at);
}

static Region *region_of_host(Machine *m, const uint8_t *host)
{
    Region *found = NULL;

    if (host >= m->ram.host && host < m->ram.host + m->ram.size) {
        return &m->ram;
    }
    machine_lock(m);
    for (unsigned i = 0; i < m->mem->spaces->len && !found; i++) {
        const AddressSpace *as = m->mem->spaces->pdata[i];
        for (unsigned j = 0; j < as->view->n[VIEW_WRITE] && !found; j++) {
            Region *r = as->view->line[VIEW_WRITE][j].region;
            if (r->host && host >= r->host && host < r->host + r->size) {
                found = r;
            }
        }
    }
    machine_unlock(m);
    return found;
}

void as_unpin(AddressSpace *as, void *host, uint64_t n, uint64_t written)
{
    Region *r;

    if (written && (r = region_of_host(as->machine, host))) {
        ram_written(as->machine, r, (uint64_t)((uint8_t *)host - r->host), MIN(written, n));
    }
}

/* ---- dirty logs ---- */

void region_dirty_log(Region *ram, unsigned reader, bool on)
{
    uint32_t bit = 1u << reader;

    if (on) {
        if (!ram->dirty[reader]) {
            uint64_t       pages = (ram->size >> DIRTY_PAGE_BITS) + 1;
            unsigned long *map = g_new0(unsigned long, pages / LONG_BITS + 1);
            __atomic_store_n(&ram->dirty[reader], map, __ATOMIC_RELEASE);
        }
        __atomic_or_fetch(&ram->dirty_on, bit, __ATOMIC_SEQ_CST);
    } else {
        __atomic_and_fetch(&ram->dirty_on, ~bit, __ATOMIC_SEQ_CST);
    }
    if (ram->machine && ram->machine->accel && ram->machine->accel->dirty_log) {
        ram->machine->accel->dirty_log(ram, ram->dirty_on != 0);
    }
}

void region_set_dirty(Region *ram, uint64_t from, uint64_t n)
{
    uint32_t on = __atomic_load_n(&ram->dirty_on, __ATOMIC_ACQUIRE);

    if (!on || !n || from >= ram->size) {
        return;
    }
    n = MIN(n, ram->size - from);
    for (unsigned reader = 0; reader < 2; reader++) {
        unsigned long *map = __atomic_load_n(&ram->dirty[reader], __ATOMIC_ACQUIRE);
        if (!(on & 1u << reader) || !map) {
            continue;
        }
        for (uint64_t p = from >> DIRTY_PAGE_BITS; p <= (from + n - 1) >> DIRTY_PAGE_BITS; p++) {
            unsigned long bit = 1ul << (p % LONG_BITS), *w = &map[p / LONG_BITS];
            if (!(__atomic_load_n(w, __ATOMIC_RELAXED) & bit)) {
                __atomic_or_fetch(w, bit, __ATOMIC_SEQ_CST);
            }
        }
    }
}

/*
 * Bits of the pages from `from` on, the first page in bit 0 of bitmap[0].  They are cleared before
 * the caller looks at the memory, and a store marks its page anew: one that comes in between is
 * seen now, or next time.
 */
void region_dirty_take(Region *ram, unsigned reader, uint64_t from, uint64_t n,
                       unsigned long *bitmap)
{
    uint64_t       first = from >> DIRTY_PAGE_BITS, pages, i;
    unsigned long *map = __atomic_load_n(&ram->dirty[reader], __ATOMIC_ACQUIRE);

    if (ram->machine && ram->machine->accel && ram->machine->accel->dirty_sync) {
        /* what it has logged on its own so far; it goes on logging */
        ram->machine->accel->dirty_sync(ram);
    }
    n = from < ram->size ? MIN(n, ram->size - from) : 0;
    pages = n ? ((from + n - 1) >> DIRTY_PAGE_BITS) - first + 1 : 0;
    memset(bitmap, 0, (pages + LONG_BITS - 1) / LONG_BITS * sizeof(long));
    for (i = 0; map && i < pages;) {
        uint64_t      p = first + i, bit = p % LONG_BITS, k = MIN(pages - i, LONG_BITS - bit);
        unsigned long mask = (k == LONG_BITS ? ~0ul : ((1ul << k) - 1)) << bit, got = 0;

        if (__atomic_load_n(&map[p / LONG_BITS], __ATOMIC_RELAXED) & mask) {
            got = __atomic_fetch_and(&map[p / LONG_BITS], ~mask, __ATOMIC_SEQ_CST) & mask;
        }
        for (got >>= bit; got; got &= got - 1) {
            uint64_t j = i + (unsigned)__builtin_ctzl(got);
            bitmap[j / LONG_BITS] |= 1ul << (j % LONG_BITS);
        }
        i += k;
    }
}
