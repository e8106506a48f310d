/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tlb.c -- filling translation tables with RAM, and memory access through them.
 *
 * Omits: nothing is shared between vCPUs; a large page is entered 4 KiB at a time.
 * Threads: a vCPU's own.
 */
#include <string.h>
#include "accel/dbt/internal.h"
#include "core/debug.h"
#include "core/trace.h"

static uint32_t with_slot(uint32_t slots, uint32_t slot)
{
    if ((slots & UINT16_MAX) == slot || slots >> 16 == slot || slots == WRITABLE_MANY) {
        return slots;
    }
    return !slots ? slot : !(slots >> 16) ? slots | slot << 16 : WRITABLE_MANY;
}

/* Remember for tlb_unwrite() where a page becomes writable; before it does. */
static void note_writable(const struct RamHit *h, uint64_t offset, unsigned slot)
{
    uint32_t *w = &h->code->writable[offset >> DBT_PAGE_BITS];
    uint32_t old = __atomic_load_n(w, __ATOMIC_SEQ_CST), new;

    do {
        new = with_slot(old, slot + 1);
    } while (new != old && !__atomic_compare_exchange_n(w, &old, new, false, __ATOMIC_SEQ_CST,
                                                        __ATOMIC_SEQ_CST));
}

void dbt_space_changed(DbtCpu *c)
{
    c->map_flushes++;
    memset(c->ram_hit, 0, sizeof(c->ram_hit));
    memset(c->beside, 0, sizeof(c->beside));
    c->guest->map_changed(c);
}

void tlb_map_changed(DbtCpu *c)
{
    dbt_flush_all(c);
    dbt_space_changed(c);
}

static uint8_t *line_host(const MemRange *mr, uint64_t phys)
{
    return mr->region->host + mr->from + (phys - mr->at);
}

/*
 * The map's lines are apart for reads and writes: one where both show the same memory is what the
 * fast path can use.
 */
static bool ram_line(DbtCpu *c, uint64_t phys, bool write, struct RamHit *h)
{
    MemRange mr, other;

    if (!as_lookup(c->vcpu.as, phys, write, &mr) || !mr.region->host ||
        (write && mr.region->readonly)) {
        return false;
    }
    *h = (struct RamHit){ .at = mr.at, .size = mr.size, .host = mr.region->host + mr.from,
                          .region = mr.region, .code = code_region(c->dbt, mr.region),
                          .seen = write ? SEEN_WRITE : SEEN_READ };
    if (!mr.region->readonly && as_lookup(c->vcpu.as, phys, !write, &other) &&
        other.region == mr.region && line_host(&other, phys) == line_host(&mr, phys)) {
        uint64_t at = MAX(mr.at, other.at), end = MIN(mr.at + mr.size, other.at + other.size);
        h->host += at - mr.at;
        h->at = at;
        h->size = end - at;
        h->seen = SEEN_READ | SEEN_WRITE;
    }
    return true;
}

/* RAM or ROM that shows at phys for this access; NULL: neither. */
static const struct RamHit *ram_find(DbtCpu *c, uint64_t phys, bool write)
{
    unsigned way = write ? SEEN_WRITE : SEEN_READ;

    for (unsigned i = 0; i < G_N_ELEMENTS(c->ram_hit); i++) {
        const struct RamHit *h = &c->ram_hit[i];
        if (phys - h->at < h->size && (h->seen & way)) {
            return h;
        }
    }
    struct RamHit *h = &c->ram_hit[c->ram_next++ % G_N_ELEMENTS(c->ram_hit)];
    return ram_line(c, phys, write, h) ? h : (memset(h, 0, sizeof(*h)), NULL);
}

static uint64_t region_offset(const struct RamHit *h, uint64_t phys)
{
    return (uint64_t)(h->host - h->region->host) + (phys - h->at);
}

/* ---- watchpoints: their pages are in no TLB ---- */

static bool page_is_watched(const DbtCpu *c, uint64_t linear)
{
    return G_UNLIKELY(c->debug != NULL) && debug_watch_at(c->debug, linear & -(uint64_t)DBT_PAGE,
                                                          DBT_PAGE, DEBUG_READ | DEBUG_WRITE);
}

static const DebugWatch *watch_hit(const DbtCpu *c, uint64_t linear, unsigned bytes, bool read,
                                   bool write)
{
    return G_UNLIKELY(c->debug != NULL)
               ? debug_watch_at(c->debug, linear, bytes,
                                (read ? DEBUG_READ : 0) | (write ? DEBUG_WRITE : 0))
               : NULL;
}

/*
 * An access that is watched.  In a block the instruction is begun again, by itself: state is as
 * exact here as a fault needs it.  What the CPU does of its own accord while it delivers an event
 * is only noted.
 */
static void watched(DbtCpu *c, const DebugWatch *w, bool can_leave)
{
    VcpuDebug *v = &c->vcpu.debug;

    if (can_leave && !v->stepped) {
        v->exact = true;
        dbt_leave(c);
    }
    v->why = DEBUG_WATCH;
    v->at = w->at;
    v->ways = w->ways;
    vcpu_kick(&c->vcpu);
}

/* Enter one page.  host is the address of `linear` itself. */
static void fill(DbtCpu *c, uint64_t linear, const DbtWalk *w, const struct RamHit *h,
                 bool write_ok)
{
    DbtContext *x = c->ctx;
    unsigned slot = tlb_slot(x, linear), in_page = linear & (DBT_PAGE - 1);
    TlbEntry *e = &x->tlb[slot];
    uint64_t page = linear - in_page, phys = w->phys - in_page;

    if (phys < h->at || phys + DBT_PAGE > h->at + h->size || (x->key.mode & c->guest->mode_slow) ||
        page_is_watched(c, linear)) {
        return;    /* shares its page with something else, or is watched: one access at a time */
    }
    if (!(e->phys & TLBF_FILLED)) {
        x->filled[x->n_filled++] = (uint16_t)slot;
    } else if (e->read != page && e->write != page &&
               (e->read != tlb_empty(slot) || e->write != tlb_empty(slot))) {
        x->victim[slot] = *e;
        x->pushed_out++;
    }
    tlb_entry_flush_page(&x->victim[slot], slot, page, false);
    if (!w->global) {
        tlb_note_local(x, slot);
    }
    bool guarded = w->writable && !write_ok && h->seen == (SEEN_READ | SEEN_WRITE);
    e->phys = phys | TLBF_FILLED | (guarded ? TLBF_GUARDED : 0) | (w->global ? TLBF_GLOBAL : 0) |
              (w->page_bytes > DBT_PAGE ? TLBF_LARGE : 0);
    e->read = (h->seen & SEEN_READ) ? page : tlb_empty(slot);
    e->write = write_ok && (h->seen & SEEN_READ) ? page : tlb_empty(slot);
    if (e->write == page && h->code) {
        note_writable(h, region_offset(h, phys), (linear >> DBT_PAGE_BITS) & (DBT_TLB_MAX - 1));
    }
    e->page = (uintptr_t)(h->host + (phys - h->at));
    tlb_entered(c, linear, w);
}

/* May stores to this page go without asking?  Not while code or a dirty log watches it. */
static bool page_is_free(const struct RamHit *h, uint64_t offset)
{
    if (__atomic_load_n(&h->region->dirty_on, __ATOMIC_RELAXED)) {
        return false;
    }
    CodePage *p = h->code ? code_page(h->code, offset) : NULL;

    return !p || !__atomic_load_n(&p->guarded, __ATOMIC_SEQ_CST);
}

/*
 * May a store go straight to a page with code?  One to code itself kills the blocks there first, if
 * they cannot be made again of the old bytes before it is done, and what runs is not in that page:
 * its rest might be what is written.  (A trace may be of any.)
 */
static bool store_may_go(DbtCpu *c, const struct RamHit *h, uint64_t phys, unsigned bytes)
{
    uint64_t offset = region_offset(h, phys);
    unsigned slot = (c->pc_base >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);

    if (code_store_is_clean(c->dbt, h->code, offset, bytes)) {
        const CodePage *p = code_page(h->code, offset);
        if (p) {                        /* the next one asks in generated code */
            uint64_t page = (uintptr_t)(h->host + (phys - h->at)) & -(uint64_t)DBT_PAGE;
            c->beside[dbt_beside_slot(page)] = (struct DbtBeside){ page, p };
        }
        return true;
    }
    if (c->dbt->cpus->len > 1 || !c->in_code || c->ctx->fetch[slot].tag != (c->pc_base | 1) ||
        c->ctx->fetch[slot].host == h->host + (phys - h->at) - (phys & (DBT_PAGE - 1))) {
        return false;
    }
    const CodePage *p = code_page(h->code, offset);
    if (p && (__atomic_load_n(&p->traces, __ATOMIC_SEQ_CST) ||
              __atomic_load_n(&p->making, __ATOMIC_SEQ_CST))) {
        return false;                   /* a trace is there, or is being made by another thread */
    }
    code_written(c->dbt, h->code, offset, bytes);
    return true;
}

/* A store beside code in a page that is known: its host address, if the granule is clean. */
static void *store_beside_code(DbtCpu *c, uint64_t linear, unsigned bytes)
{
    const TlbEntry *e = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    unsigned in_page = linear & (DBT_PAGE - 1);

    if (e->read != linear - in_page || !(e->phys & TLBF_GUARDED)) {
        return NULL;
    }
    uint64_t phys = (e->phys & -(uint64_t)DBT_PAGE) | in_page;
    const struct RamHit *h = ram_find(c, phys, true);
    if (!h || !h->code || __atomic_load_n(&h->region->dirty_on, __ATOMIC_RELAXED) ||
        page_is_free(h, region_offset(h, phys)) || !store_may_go(c, h, phys, bytes)) {
        return NULL;
    }
    return (void *)(uintptr_t)(e->page + in_page);
}

/* Where linear is read, if all of its page is RAM. */
static const uint8_t *host_of(DbtCpu *c, uint64_t linear)
{
    const TlbEntry *e = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    uint64_t in_page = linear & (DBT_PAGE - 1);

    if (e->read != linear - in_page &&
        (!dbt_refill(c, linear, 1, IR_READ) || e->read != linear - in_page)) {
        return NULL;
    }
    return (const uint8_t *)(uintptr_t)(e->page + in_page);
}

/*
 * A copy of bytes in two pages of RAM, at an address that is aligned as theirs is, to 64 bytes:
 * code tests the host's address (VMOVAPS).  NULL: tier 0 sees what is wrong with them; an operand
 * that wraps at 4 GiB leaves a flat segment, which is looked at there alone.
 */
static void *read_across(DbtCpu *c, uint64_t linear, unsigned bytes)
{
    unsigned first = DBT_PAGE - (unsigned)(linear & (DBT_PAGE - 1));
    uint64_t next = linear + first;
    uint8_t *to = c->bounce[c->bounce_next++ % G_N_ELEMENTS(c->bounce)] + (linear & 63);

    bool wraps = !(c->ctx->key.mode & c->guest->mode_wide) && next >> 32;
    const uint8_t *low = bytes <= 64 && !wraps && !c->debug ? host_of(c, linear) : NULL;
    const uint8_t *high = low ? host_of(c, next) : NULL;
    if (!high) {
        c->miss_rec = 0;
        return NULL;
    }
    memcpy(to, low, first);
    memcpy(to + first, high, bytes - first);
    c->stats->across++;
    return to;
}

static void *refused(uint64_t *why)
{
    ++*why;
    return NULL;
}

/* linear's page stood in its slot before: exchange the two. */
static bool victim_take(DbtContext *x, uint64_t linear, unsigned ir_access)
{
    unsigned slot = tlb_slot(x, linear);
    TlbEntry *v = &x->victim[slot], was = x->tlb[slot];
    uint64_t page = linear & -(uint64_t)DBT_PAGE;

    if (!(v->phys & TLBF_FILLED) || ((ir_access & IR_WRITE) && v->write != page) ||
        ((ir_access & IR_READ) && v->read != page)) {
        return false;
    }
    x->tlb[slot] = *v;
    *v = was;
    x->exchanged++;
    return true;
}

void *dbt_refill(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned ir_access)
{
    bool write = ir_access & IR_WRITE;
    DbtStats *stats = c->stats;
    DbtWalk w;

    trace_dbt_refill(c->pc, linear, bytes);
    if ((linear & (DBT_PAGE - 1)) + bytes > DBT_PAGE) {
        void *copy = ir_access == (IR_READ | DBT_BOUNCE) ? read_across(c, linear, bytes) : NULL;
        return copy ? copy : refused(&stats->no_crossing);
    }
    if (victim_take(c->ctx, linear, ir_access)) {
        stats->victims++;
        return (void *)(uintptr_t)(c->ctx->tlb[tlb_slot(c->ctx, linear)].page +
                                   (linear & (DBT_PAGE - 1)));
    }
    void *beside = write ? store_beside_code(c, linear, bytes) : NULL;
    if (beside) {
        stats->beside++;
        return beside;
    }
    if (c->ctx->key.mode & c->guest->mode_slow ||
        watch_hit(c, linear, bytes, ir_access & IR_READ, write)) {
        return refused(&stats->no_slow_mode);
    }
    if (!c->guest->walk(c, linear, write ? ACCESS_WRITE : ACCESS_READ, &w)) {
        c->miss = w;
        c->miss_linear = linear;
        c->miss_rec = UINT32_MAX;
        return refused(&stats->no_fault);
    }
    const struct RamHit *h = ram_find(c, w.phys, write);
    if (!h || ((ir_access & IR_READ) && !(h->seen & SEEN_READ)) ||
        w.phys + bytes > h->at + h->size) {
        return refused(&stats->no_ram);
    }
    uint64_t offset = region_offset(h, w.phys);
    bool is_free = (h->seen & SEEN_WRITE) && page_is_free(h, offset);
    stats->refills++;
    fill(c, linear, &w, h, w.writable && is_free);
    if (write && !is_free) {
        if (h->code && !store_may_go(c, h, w.phys, bytes)) {
            return refused(&stats->no_code);
        }
        if (h->region->dirty_on) {
            region_set_dirty(h->region, offset, bytes);
        }
    }
    return h->host + (w.phys - h->at);
}

/* ---- access by C code ---- */

static void desc_part(DbtCpu *c, uint64_t linear, unsigned n, bool write, unsigned access,
                      uint8_t **host, uint64_t *phys, bool *code)
{
    DbtWalk w;

    if (!c->guest->walk(c, linear, access, &w)) {
        c->guest->fault(c, linear, access, &w);
    }
    *phys = w.phys;
    *host = NULL;
    *code = false;
    const struct RamHit *h = ram_find(c, w.phys, write);
    /*
     * By AddressSpace: what is not RAM, straddles two ranges in one page, or is written here and
     * read elsewhere (PAM).
     */
    if (!h || w.phys + n > h->at + h->size || (write && !(h->seen & SEEN_READ))) {
        return;
    }
    *host = h->host + (w.phys - h->at);
    bool is_free = (h->seen & SEEN_WRITE) && page_is_free(h, region_offset(h, w.phys));
    *code = write && !is_free;
    if (!(access & ACCESS_SYSTEM)) {
        fill(c, linear, &w, h, w.writable && is_free);
    }
}

static void access_slow(DbtCpu *c, uint64_t linear, unsigned bytes, bool read, bool write,
                        unsigned system, DbtAccessDesc *out)
{
    unsigned access = (write ? ACCESS_WRITE : ACCESS_READ) | system;
    unsigned room = DBT_PAGE - (unsigned)(linear & (DBT_PAGE - 1));

    /* a misaligned access does not get as far as a page fault */
    if (!system && (c->ctx->key.mode & c->guest->mode_slow)) {
        c->guest->accessed(c, linear, bytes, write);
    }
    const DebugWatch *watch = watch_hit(c, linear, bytes, read, write);
    if (watch) {
        watched(c, watch, !system);
    }
    out->n = bytes;
    out->waits = c->waits;
    out->n1 = MIN(bytes, room);
    out->host2 = NULL;
    out->code2 = false;
    out->phys2 = 0;
    if (bytes > room) {
        uint64_t second = linear + room;
        if (!system && !(c->ctx->key.mode & c->guest->mode_wide)) {
            second = (uint32_t)second;
        }
        DbtWalk w;                      /* a fault in the first page comes first */
        if (!c->guest->walk(c, linear, access, &w)) {
            c->guest->fault(c, linear, access, &w);
        }
        desc_part(c, second, bytes - room, write, access, &out->host2, &out->phys2, &out->code2);
    }
    desc_part(c, linear, out->n1, write, access, &out->host, &out->phys, &out->code);
}

/* The part of an access that lies in one page, if the TLB has it or had it last. */
static inline bool part_at_hand(DbtCpu *c, uint64_t linear, unsigned ir_access, uint8_t **host,
                                uint64_t *phys)
{
    const TlbEntry *e = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    uint64_t in_page = linear & (DBT_PAGE - 1), page = linear - in_page;
    bool missing = ((ir_access & IR_WRITE) && e->write != page) ||
                   ((ir_access & IR_READ) && e->read != page);

    if (missing && !victim_take(c->ctx, linear, ir_access)) {
        return false;
    }
    *host = (uint8_t *)(uintptr_t)(e->page + in_page);
    *phys = (e->phys & -(uint64_t)DBT_PAGE) | in_page;
    return true;
}

void dbt_access(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned ir_access, DbtAccessDesc *out)
{
    unsigned room = DBT_PAGE - (unsigned)(linear & (DBT_PAGE - 1));
    uint64_t second = linear + room;

    if (!(c->ctx->key.mode & c->guest->mode_wide)) {
        second = (uint32_t)second;
    }
    *out = (DbtAccessDesc){ .n1 = MIN(bytes, room), .n = bytes, .waits = c->waits };
    if (!part_at_hand(c, linear, ir_access, &out->host, &out->phys) ||
        (bytes > room && !part_at_hand(c, second, ir_access, &out->host2, &out->phys2))) {
        access_slow(c, linear, bytes, ir_access & IR_READ, ir_access & IR_WRITE, 0, out);
    }
}

static inline uint64_t host_get(const uint8_t *host, unsigned bytes)
{
    switch (bytes) {
    case 1: return *host;
    case 2: { uint16_t v; __builtin_memcpy(&v, host, 2); return v; }
    case 4: { uint32_t v; __builtin_memcpy(&v, host, 4); return v; }
    case 8: { uint64_t v; __builtin_memcpy(&v, host, 8); return v; }
    /* little-endian hosts; see docs/PORTING */
    default: { uint64_t v = 0; memcpy(&v, host, bytes); return v; }
    }
}

static uint64_t load_part(DbtCpu *c, const uint8_t *host, uint64_t phys, unsigned bytes)
{
    if (!host) {
        MemResult res;
        c->waits++;
        if ((bytes & (bytes - 1)) == 0) {
            return io_read(c->vcpu.as, phys, bytes, &res);
        }
        uint64_t v = 0;
        for (unsigned i = 0; i < bytes; i++) {
            v |= (io_read(c->vcpu.as, phys + i, 1, &res) & 0xff) << (8 * i);
        }
        return v;
    }
    return host_get(host, bytes);
}

/* To RAM that holds code, or may by now: see the head of codepage.c. */
static void store_asking(DbtCpu *c, uint8_t *host, uint64_t phys, uint64_t v, unsigned bytes)
{
    const struct RamHit *h = ram_find(c, phys, true);
    uint64_t offset = h ? region_offset(h, phys) : 0;

    if (h && h->code && !code_store_is_clean(c->dbt, h->code, offset, bytes)) {
        code_store(c->dbt, h->code, offset, host, v, bytes);
    } else {
        host_put(host, v, bytes);
    }
    if (h && __atomic_load_n(&h->region->dirty_on, __ATOMIC_RELAXED)) {
        region_set_dirty(h->region, offset, bytes);
    }
}

/* Where the vCPU has waited for a lock since it checked, the page may hold code by now. */
static void store_part(DbtCpu *c, const DbtAccessDesc *d, uint8_t *host, bool code, uint64_t phys,
                       uint64_t v, unsigned bytes)
{
    if (!host) {
        c->waits++;
        if ((bytes & (bytes - 1)) == 0) {
            io_write(c->vcpu.as, phys, v, bytes);
        } else {
            for (unsigned i = 0; i < bytes; i++) {
                io_write(c->vcpu.as, phys + i, (v >> (8 * i)) & 0xff, 1);
            }
        }
    } else if (code || d->waits != c->waits) {
        store_asking(c, host, phys, v, bytes);
    } else {
        host_put(host, v, bytes);
    }
}

uint64_t dbt_desc_load(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, unsigned bytes)
{
    if (offset + bytes <= d->n1) {
        return load_part(c, d->host ? d->host + offset : NULL, d->phys + offset, bytes);
    }
    if (offset >= d->n1) {
        offset -= d->n1;
        return load_part(c, d->host2 ? d->host2 + offset : NULL, d->phys2 + offset, bytes);
    }
    unsigned low = d->n1 - offset;
    uint64_t v = load_part(c, d->host ? d->host + offset : NULL, d->phys + offset, low);
    return v | load_part(c, d->host2, d->phys2, bytes - low) << (8 * low);
}

void dbt_desc_store(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, uint64_t value,
                    unsigned bytes)
{
    if (offset + bytes <= d->n1) {
        store_part(c, d, d->host ? d->host + offset : NULL, d->code, d->phys + offset, value,
                   bytes);
    } else if (offset >= d->n1) {
        offset -= d->n1;
        store_part(c, d, d->host2 ? d->host2 + offset : NULL, d->code2, d->phys2 + offset, value,
                   bytes);
    } else {
        unsigned low = d->n1 - offset;
        store_part(c, d, d->host ? d->host + offset : NULL, d->code, d->phys + offset, value, low);
        store_part(c, d, d->host2, d->code2, d->phys2, value >> (8 * low), bytes - low);
    }
}

static inline void copy_part(uint8_t *host, uint8_t *p, unsigned n, bool store)
{
    if (n) {
        memcpy(store ? host : p, store ? p : host, n);
    }
}

void dbt_desc_copy(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, void *buf, unsigned bytes,
                   bool store)
{
    uint8_t *p = buf;

    bool ram = d->host && (d->n1 == d->n || d->host2);

    if (ram && !(store && (d->code || d->code2 || d->waits != c->waits)) && bytes > 16) {
        unsigned low = offset < d->n1 ? MIN(bytes, d->n1 - offset) : 0;
        copy_part(d->host + offset, p, low, store);
        copy_part(d->host2 + (offset + low - d->n1), p + low, bytes - low, store);
        return;
    }
    while (bytes) {
        unsigned n = bytes >= 8 ? 8 : bytes >= 4 ? 4 : bytes >= 2 ? 2 : 1;
        if (store) {
            uint64_t v = 0;
            memcpy(&v, p, n);
            dbt_desc_store(c, d, offset, v, n);
        } else {
            uint64_t v = dbt_desc_load(c, d, offset, n);
            memcpy(p, &v, n);
        }
        p += n;
        offset += n;
        bytes -= n;
    }
}

uint64_t dbt_load(DbtCpu *c, uint64_t linear, unsigned bytes)
{
    const uint8_t *host = dbt_at_hand(c, linear, bytes, false);
    DbtAccessDesc d;

    if (G_LIKELY(host != NULL)) {
        return host_get(host, bytes);
    }
    dbt_access(c, linear, bytes, IR_READ, &d);
    return dbt_desc_load(c, &d, 0, bytes);
}

void dbt_store(DbtCpu *c, uint64_t linear, uint64_t value, unsigned bytes)
{
    uint8_t *host = dbt_at_hand(c, linear, bytes, true);
    DbtAccessDesc d;

    if (G_LIKELY(host != NULL)) {
        host_put(host, value, bytes);
        return;
    }
    dbt_access(c, linear, bytes, IR_WRITE, &d);
    dbt_desc_store(c, &d, 0, value, bytes);
}

void dbt_load_bytes(DbtCpu *c, uint64_t linear, void *to, unsigned n)
{
    DbtAccessDesc d;

    dbt_access(c, linear, n, IR_READ, &d);
    dbt_desc_copy(c, &d, 0, to, n, false);
}

void dbt_store_bytes(DbtCpu *c, uint64_t linear, const void *from, unsigned n)
{
    DbtAccessDesc d;

    dbt_access(c, linear, n, IR_WRITE, &d);
    dbt_desc_copy(c, &d, 0, (void *)from, n, true);
}

void dbt_check(DbtCpu *c, uint64_t linear, unsigned bytes, DbtAccess access)
{
    DbtAccessDesc d;

    dbt_access(c, linear, bytes, access == ACCESS_WRITE ? IR_WRITE : IR_READ, &d);
}

uint64_t dbt_load_system(DbtCpu *c, uint64_t linear, unsigned bytes)
{
    DbtAccessDesc d;

    access_slow(c, linear, bytes, true, false, ACCESS_SYSTEM, &d);
    return dbt_desc_load(c, &d, 0, bytes);
}

void dbt_store_system(DbtCpu *c, uint64_t linear, uint64_t value, unsigned bytes)
{
    DbtAccessDesc d;

    access_slow(c, linear, bytes, false, true, ACCESS_SYSTEM, &d);
    dbt_desc_store(c, &d, 0, value, bytes);
}

void dbt_check_system(DbtCpu *c, uint64_t linear, unsigned bytes, DbtAccess access)
{
    DbtAccessDesc d;

    access_slow(c, linear, bytes, false, (access & ACCESS_KIND) == ACCESS_WRITE, ACCESS_SYSTEM, &d);
}

void *dbt_host(DbtCpu *c, uint64_t linear, DbtAccess access, unsigned *n)
{
    bool write = access == ACCESS_WRITE;
    DbtAccessDesc d;

    *n = DBT_PAGE - (unsigned)(linear & (DBT_PAGE - 1));
    dbt_access(c, linear, 1, write ? IR_WRITE : IR_READ, &d);
    if (d.code) {
        return NULL;
    }
    if (d.host && (d.phys & -DBT_PAGE) != ((d.phys + *n - 1) & -DBT_PAGE)) {
        return NULL;
    }
    /* Only what was entered whole is known to be RAM to its end. */
    const TlbEntry *e = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    return d.host && (write ? e->write : e->read) == (linear & -DBT_PAGE) ? d.host : NULL;
}

static inline uint8_t *fetch(DbtCpu *c, uint64_t linear, DbtRegion **dr, bool quiet)
{
    DbtContext *x = c->ctx;
    uint64_t page = linear & -DBT_PAGE;
    unsigned slot = (linear >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);
    DbtWalk w;

    if (x->fetch[slot].tag == (page | 1)) {
        *dr = x->fetch[slot].region;
        return x->fetch[slot].host;
    }
    if (!c->guest->walk(c, linear, ACCESS_FETCH, &w)) {
        if (quiet) {
            return NULL;
        }
        c->guest->fault(c, linear, ACCESS_FETCH, &w);
    }
    uint64_t phys = w.phys & -(uint64_t)DBT_PAGE;
    const struct RamHit *h = ram_find(c, phys, false);
    if (!h || phys + DBT_PAGE > h->at + h->size) {
        return NULL;
    }
    uint8_t *host = h->host + (phys - h->at);
    *dr = h->code;
    uint64_t bit = UINT64_C(1) << slot;
    x->fetch[slot].tag = page | 1;
    x->fetch[slot].host = host;
    x->fetch[slot].region = *dr;
    x->fetch_used |= bit;
    x->fetch_global = w.global ? x->fetch_global | bit : x->fetch_global & ~bit;
    x->fetch_large = w.page_bytes > DBT_PAGE ? x->fetch_large | bit : x->fetch_large & ~bit;
    tlb_entered(c, linear, &w);
    return host;
}

uint8_t *tlb_fetch(DbtCpu *c, uint64_t linear, DbtRegion **dr)
{
    return fetch(c, linear, dr, false);
}

uint8_t *tlb_fetch_quiet(DbtCpu *c, uint64_t linear, DbtRegion **dr)
{
    return fetch(c, linear, dr, true);
}
