/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c -- translated blocks: finding, making, linking and dropping them, and the pages of RAM they come from.
 *
 * A block is keyed by the host address of its guest bytes and by its mode, so one translation serves every process and
 * every alias.  A page that code was translated from is guarded: it is writable in no TLB, and each store to it asks
 * whether its 64-byte granule is clean.
 *
 * Omits: knowing which blocks of the oldest part of the arena are in use when it is given back.
 * Threads: any vCPU; DbtMachine.lock.  Chains in the hash are read without it: a block is freed only while all vCPUs are
 * stopped, and none of them in a helper that will return to it.  While the arena is full tier 0 goes on.
 */
#include <string.h>
#include "accel/dbt/cache.h"
#include "accel/dbt/tcc/tcc.h"
#include "core/compiler.h"
#include "core/debug.h"
#include "core/trace.h"

enum { RETIRED = -1, HOT_MAX = 16, LIFT_AFTER = 64, REMEMBER_AFTER = 4, PEEK_MAX = 256, BLOCKS_IN_SLAB = 32768 };

DbtRegion *code_region(DbtMachine *d, Region *r)
{
    unsigned n = __atomic_load_n(&d->n_regions, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < n; i++) {
        if (d->regions[i]->region == r) {
            return d->regions[i];
        }
    }
    DbtRegion *dr = NULL;
    g_mutex_lock(&d->lock);
    for (unsigned i = n; i < d->n_regions && !dr; i++) {
        dr = d->regions[i]->region == r ? d->regions[i] : NULL;
    }
    if (!dr && d->n_regions < DBT_MAX_REGIONS) {
        dr = g_new0(DbtRegion, 1);
        *dr = (DbtRegion){ .region = r, .host = r->host, .n_pages = (r->size + DBT_PAGE - 1) / DBT_PAGE };
        dr->pages = g_new0(CodePage *, dr->n_pages);
        dr->writable = g_new0(uint16_t, dr->n_pages);
        d->regions[d->n_regions] = dr;
        __atomic_store_n(&d->n_regions, d->n_regions + 1, __ATOMIC_RELEASE);
    }
    g_mutex_unlock(&d->lock);
    return dr;
}

CodePage *code_page(const DbtRegion *dr, uint64_t offset)
{
    return __atomic_load_n(&dr->pages[offset >> DBT_PAGE_BITS], __ATOMIC_ACQUIRE);
}

uint64_t block_granule_mask(uint64_t from, uint64_t to)    /* bytes [from, to) of a page */
{
    unsigned first = (unsigned)(from >> 6), last = (unsigned)((to - 1) >> 6);

    return (~UINT64_C(0) >> (63 - (last - first))) << first;
}

/* ---- guarding pages ---- */

typedef struct Guard {
    DbtMachine *d;
    const uint8_t *host_page;
    uint16_t *writable;
} Guard;

static void guard_stopped(void *arg)
{
    Guard *g = arg;
    unsigned slots = __atomic_exchange_n(g->writable, 0, __ATOMIC_SEQ_CST);

    for (unsigned i = 0; slots && i < g->d->cpus->len; i++) {
        tlb_unwrite(g->d->cpus->pdata[i], g->host_page, slots);
    }
}

/*
 * Before the page's bytes are read.  After this, until page_made(), no store to the page goes unasked and each is one to code:
 * it waits for the lock, then finds the block.  Without the lock: other vCPUs must come to an exit check.  A store that is let
 * through counts itself before it looks at `making`, and `making` is set before the count is looked at: one of the two sees
 * the other.
 */
CodePage *block_page_guard(DbtMachine *d, DbtRegion *dr, uint8_t *host_page)
{
    uint64_t index = (uint64_t)(host_page - dr->host) >> DBT_PAGE_BITS;
    CodePage *p;

    g_mutex_lock(&d->lock);
    p = dr->pages[index];
    if (!p) {
        p = g_new0(CodePage, 1);
        p->blocks = g_ptr_array_new();
        __atomic_store_n(&dr->pages[index], p, __ATOMIC_RELEASE);
    }
    __atomic_add_fetch(&p->making, 1, __ATOMIC_SEQ_CST);
    uint32_t let_through = __atomic_exchange_n(&p->clean_stores, 0, __ATOMIC_SEQ_CST);
    bool wait = !p->guarded || (let_through && d->cpus->len > 1);   /* the latter: one let through may be in flight */
    __atomic_store_n(&p->guarded, true, __ATOMIC_SEQ_CST);
    g_mutex_unlock(&d->lock);
    if (wait) {
        Guard g = { d, host_page, &dr->writable[index] };
        if (d->cpus->len > 1) {
            machine_exclusive(d->machine, guard_stopped, &g);
        } else {
            guard_stopped(&g);
        }
    }
    return p;
}

void block_page_made(CodePage *p)
{
    if (p) {
        __atomic_sub_fetch(&p->making, 1, __ATOMIC_SEQ_CST);
    }
}

bool code_store_is_clean(DbtMachine *d, DbtRegion *dr, uint64_t offset, unsigned n)
{
    CodePage *p = code_page(dr, offset);
    uint64_t in_page = offset & (DBT_PAGE - 1);

    if (!p || !__atomic_load_n(&p->guarded, __ATOMIC_SEQ_CST)) {
        return true;
    }
    unsigned let_through = __atomic_add_fetch(&p->clean_stores, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&p->making, __ATOMIC_SEQ_CST) ||
        (__atomic_load_n(&p->granules, __ATOMIC_SEQ_CST) & block_granule_mask(in_page, in_page + n))) {
        return false;
    }
    if (let_through >= LIFT_AFTER) {
        g_mutex_lock(&d->lock);
        if (!p->granules && !p->making) {
            __atomic_store_n(&p->guarded, false, __ATOMIC_SEQ_CST);
        }
        g_mutex_unlock(&d->lock);
    }
    return true;
}

/* ---- dropping blocks ---- */

static unsigned hash_of(const uint8_t *at, uint32_t mode)
{
    uint64_t h = ((uintptr_t)at ^ ((uint64_t)mode << 40)) * UINT64_C(0x9e3779b97f4a7c15);

    return (unsigned)(h >> (64 - DBT_HASH_BITS));
}

Block *block_at(DbtMachine *d, const uint8_t *at, uint32_t mode)
{
    Block *b = d->hash[hash_of(at, mode)];

    while (b && !(b->at == at && b->mode == mode)) {
        b = b->hash_next;
    }
    return b;
}

static void link_drop(DbtMachine *d, BlockLink *l)
{
    if (l->to) {
        for (uint32_t *next = &l->to->incoming; *next; next = &d->links[*next - 1].next_in) {
            if (&d->links[*next - 1] == l) {
                *next = l->next_in;
                break;
            }
        }
        l->to = NULL;
        d->backend->unlink(d, l);
    }
}

/* Not to be found any more, nor led to by another block. */
static void block_unhook_locked(DbtMachine *d, Block *b)
{
    for (Block **pp = &d->hash[hash_of(b->at, b->mode)]; *pp; pp = &(*pp)->hash_next) {
        if (*pp == b) {
            __atomic_store_n(pp, b->hash_next, __ATOMIC_RELEASE);
            break;
        }
    }
    __atomic_store_n(&b->dead, true, __ATOMIC_RELEASE);
    if (d->backend) {
        while (b->incoming) {
            link_drop(d, &d->links[b->incoming - 1]);
        }
        for (unsigned i = 0; i < b->n_links; i++) {
            link_drop(d, &d->links[b->links + i]);
        }
    }
    __atomic_add_fetch(&d->kills, 1, __ATOMIC_RELAXED);
}

static void block_kill_locked(DbtMachine *d, Block *b)
{
    block_unhook_locked(d, b);
    if (d->backend) {
        d->backend->kill(d, b);
    }
    d->stats.invalidated++;
}

static uint64_t block_granules(const DbtMachine *d, const DbtRegion *dr, uint64_t page_index, const Block *b)
{
    const uint8_t *page = dr->host + (page_index << DBT_PAGE_BITS);
    uint64_t mask = 0;

    if (d->backend && b->trace) {
        return trace_granules(d, b, page);
    }
    if ((uint64_t)(b->at - page) < DBT_PAGE) {
        mask |= block_granule_mask(b->from, b->to);
    }
    if (b->at2 == page) {               /* the same page twice is possible */
        mask |= block_granule_mask(0, b->length - (DBT_PAGE - ((uintptr_t)b->at & (DBT_PAGE - 1))));
    }
    return mask;
}

static void page_written_locked(DbtMachine *d, DbtRegion *dr, uint64_t index, uint64_t mask)
{
    CodePage *p = dr->pages[index];
    uint64_t left = 0;
    unsigned traces = 0;

    if (!p || !(p->granules & mask)) {
        return;
    }
    for (unsigned i = 0; i < p->blocks->len;) {
        Block *b = p->blocks->pdata[i];
        uint64_t g = b->dead ? 0 : block_granules(d, dr, index, b);
        if (g & mask) {
            block_kill_locked(d, b);
            p->killed++;
            g = 0;
        }
        if (g) {
            left |= g;
            traces += d->backend && b->trace;
            i++;
        } else {
            g_ptr_array_remove_index_fast(p->blocks, i);
        }
    }
    __atomic_store_n(&p->granules, left, __ATOMIC_SEQ_CST);
    __atomic_store_n(&p->traces, traces, __ATOMIC_SEQ_CST);
}

void code_written(DbtMachine *d, DbtRegion *dr, uint64_t offset, uint64_t n)
{
    trace_dbt_code_written(offset, n);
    g_mutex_lock(&d->lock);
    while (n) {
        uint64_t in_page = offset & (DBT_PAGE - 1), part = MIN(n, DBT_PAGE - in_page);
        page_written_locked(d, dr, offset >> DBT_PAGE_BITS, block_granule_mask(in_page, in_page + part));
        offset += part;
        n -= part;
    }
    g_mutex_unlock(&d->lock);
}

/* Not to come back by its bytes: the next one is to be other code. */
void block_retire(DbtMachine *d, Block *b)
{
    block_kill_locked(d, b);
    b->mode = (uint32_t)RETIRED;
}

/* What runs often is to be made again, with inline caches: that block and where it goes by links, as far as loops reach. */
void block_heat(DbtMachine *d, const uint8_t *at, uint32_t mode)
{
    Block *hot[HOT_MAX];
    unsigned n = 0;

    g_mutex_lock(&d->lock);
    Block *b = block_at(d, at, mode);
    if (b && !b->trace && ic_make_hot(d, b->at)) {
        hot[n++] = b;
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < hot[i]->n_links && n < HOT_MAX; k++) {
            Block *to = d->links[hot[i]->links + k].to;
            if (to && !to->trace && ic_make_hot(d, to->at)) {
                hot[n++] = to;
            }
        }
    }
    for (unsigned i = 0; i < n; i++) {
        block_retire(d, hot[i]);
    }
    d->stats.ic_hot += n;
    g_mutex_unlock(&d->lock);
}

void block_renew(DbtMachine *d, DbtRegion *dr, uint64_t offset)
{
    uint64_t index = offset >> DBT_PAGE_BITS, in_page = offset & (DBT_PAGE - 1), mask = block_granule_mask(in_page, in_page + 1);

    g_mutex_lock(&d->lock);
    const CodePage *p = dr->pages[index];
    for (unsigned i = 0; p && i < p->blocks->len; i++) {        /* dead ones stay for the next store to sort out */
        Block *b = p->blocks->pdata[i];
        if (!b->dead && (block_granules(d, dr, index, b) & mask)) {
            block_retire(d, b);
        }
    }
    g_mutex_unlock(&d->lock);
}

void block_free(DbtMachine *d, Block *b)
{
    if (!d->backend) {
        g_free(b->ir);
    } else if (b->trace) {
        trace_free(d, b->trace - 1u);
    }
    b->hash_next = d->free_blocks;
    d->free_blocks = b;
}

/* ---- generations ---- */

/*
 * The arena is a ring of parts.  One is being filled; the one behind it is emptied before it is needed, whatever is still in use in it:
 * that is found again by its bytes, or translated again.  So at least six eighths of the arena hold code, the newest.
 */
static unsigned next_generation(const DbtMachine *d) { return (d->generation + 1) % DBT_GENERATIONS; }

bool block_any(const DbtMachine *d)
{
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        if (d->blocks[g]->len) {
            return true;
        }
    }
    return false;
}

/* Blocks without an address go. */
static void page_sweep_locked(const DbtMachine *d, const DbtRegion *dr, uint64_t index)
{
    CodePage *p = dr->pages[index];
    uint64_t left = 0;
    unsigned kept = 0, traces = 0;

    for (unsigned i = 0; i < p->blocks->len; i++) {
        Block *b = p->blocks->pdata[i];
        if (b->at && !b->dead) {
            left |= block_granules(d, dr, index, b);
            traces += d->backend && b->trace;
            p->blocks->pdata[kept++] = b;
        }
    }
    g_ptr_array_set_size(p->blocks, (gint)kept);
    __atomic_store_n(&p->granules, left, __ATOMIC_SEQ_CST);
    __atomic_store_n(&p->traces, traces, __ATOMIC_SEQ_CST);
}

/* All vCPUs are stopped, outside of code, and their jump caches are empty. */
static void reclaim_locked(DbtMachine *d, unsigned generation)
{
    GPtrArray *blocks = d->blocks[generation];

    if (!blocks->len) {
        return;
    }
    for (unsigned i = 0; i < blocks->len; i++) {
        Block *b = blocks->pdata[i];
        if (!b->dead) {
            block_unhook_locked(d, b);
        }
        b->at = NULL;
    }
    for (unsigned i = 0; i < d->n_regions; i++) {
        for (uint64_t k = 0; k < d->regions[i]->n_pages; k++) {
            if (d->regions[i]->pages[k]) {
                page_sweep_locked(d, d->regions[i], k);
            }
        }
    }
    for (unsigned i = 0; i < blocks->len; i++) {
        block_free(d, blocks->pdata[i]);
    }
    if (d->backend) {
        d->backend->reclaim(d, generation);
    }
    d->stats.reclaims++;
    d->stats.reclaimed += blocks->len;
    g_ptr_array_set_size(blocks, 0);
}

static void reclaim_stopped(void *arg)
{
    DbtMachine *d = arg;

    for (unsigned i = 0; i < d->cpus->len; i++) {
        if (((DbtCpu *)d->cpus->pdata[i])->in_code) {
            return;                     /* waits for a lock in a helper: it will see its attention set when that is over */
        }
    }
    if (!__atomic_load_n(&d->full, __ATOMIC_RELAXED)) {
        return;
    }
    bool all = __atomic_exchange_n(&d->drop_all, false, __ATOMIC_SEQ_CST);
    if (all) {
        tcc_engine_forget(d);
    }
    g_mutex_lock(&d->lock);
    for (unsigned i = 0; i < d->cpus->len; i++) {
        dbt_flush_all(d->cpus->pdata[i]);
    }
    past_clear(d);
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        if (all || g == next_generation(d)) {
            reclaim_locked(d, g);
        }
    }
    if (all && d->backend) {
        d->backend->begin(d, d->generation);
    }
    g_mutex_unlock(&d->lock);
    __atomic_store_n(&d->full, false, __ATOMIC_SEQ_CST);
}

/* The part being filled is full: go on in the next, if that is empty, and have the one behind it emptied meanwhile. */
static bool generation_advance_locked(DbtCpu *c)
{
    DbtMachine *d = c->dbt;

    if (d->blocks[next_generation(d)]->len) {
        d->stats.full++;
        return false;
    }
    d->generation = next_generation(d);
    d->backend->begin(d, d->generation);
    if (d->blocks[next_generation(d)]->len) {
        __atomic_store_n(&d->full, true, __ATOMIC_SEQ_CST);
        vcpu_kick(&c->vcpu);
    }
    return true;
}

/* With all vCPUs parked: none of them is to return into a block. */
void block_drop_all(DbtMachine *d)
{
    trace_dbt_drop_all(d->cpus->len);
    __atomic_store_n(&d->drop_all, true, __ATOMIC_SEQ_CST);
    __atomic_store_n(&d->full, true, __ATOMIC_SEQ_CST);
    machine_exclusive(d->machine, reclaim_stopped, d);
}

void block_reclaim_soon(DbtMachine *d)
{
    __atomic_store_n(&d->drop_all, true, __ATOMIC_SEQ_CST);
    __atomic_store_n(&d->full, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < d->cpus->len; i++) {
        vcpu_kick(d->cpus->pdata[i]);
    }
}

void block_reclaim(DbtMachine *d)
{
    for (unsigned i = 0; i < d->cpus->len; i++) {
        vcpu_kick(d->cpus->pdata[i]);
    }
    machine_exclusive(d->machine, reclaim_stopped, d);
}

void block_free_all(DbtMachine *d)
{
    past_free(d);
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        for (unsigned i = 0; i < d->blocks[g]->len; i++) {
            block_free(d, d->blocks[g]->pdata[i]);
        }
        g_ptr_array_free(d->blocks[g], TRUE);
    }
    for (unsigned i = 0; i < d->n_regions; i++) {
        for (uint64_t k = 0; k < d->regions[i]->n_pages; k++) {
            CodePage *p = d->regions[i]->pages[k];
            if (p) {
                g_ptr_array_free(p->blocks, TRUE);
                g_free(p);
            }
        }
        g_free(d->regions[i]->pages);
        g_free(d->regions[i]->writable);
        g_free(d->regions[i]);
    }
    dbt_huge_free(d->hash, sizeof(Block *) << DBT_HASH_BITS);
    for (unsigned i = 0; i < d->slabs->len; i++) {
        dbt_huge_free(d->slabs->pdata[i], BLOCKS_IN_SLAB * sizeof(Block));
    }
    g_ptr_array_free(d->slabs, TRUE);
}

/* ---- making blocks ---- */

/* Flags wanted at direct exits: where the code there is in sight and overwrites them all first, none, or only by what leaves before. */
static void exits_peek(DbtMachine *d, IrBlock *ir, Block *b, const uint8_t *page)
{
    unsigned from = b->from, to = b->to;

    for (unsigned i = 0; i < ir->n_insns; i++) {
        IrInsn *n = &ir->insns[i];
        if (n->op != IR_jmp && n->op != IR_br && n->op != IR_brz && n->op != IR_brnz) {
            continue;
        }
        n->live = FL_ALL;
        if (b->at2 || n->imm < 0 || n->imm >= DBT_PAGE) {
            continue;
        }
        unsigned lo = MIN(from, (unsigned)n->imm), hi = MAX(to, MIN((unsigned)n->imm + 64, DBT_PAGE));
        if (hi - lo > (unsigned)(b->to - b->from) + PEEK_MAX) {
            continue;
        }
        DbtFlagsFate fate = d->guest->flags_fate(ir->mode, page + n->imm, MIN(64, DBT_PAGE - (unsigned)n->imm), &n->sub);
        if (fate != FATE_WANTED) {
            n->live = 0;
            n->live_fault = fate == FATE_FAULT ? FL_ALL : 0;
            from = lo;
            to = hi;
        }
    }
    b->from = (uint16_t)from;
    b->to = (uint16_t)to;
}

/* In the cache line it starts in is all that a look-up needs. */
Block *block_new(DbtMachine *d)
{
    Block *b = d->free_blocks;

    if (b) {
        d->free_blocks = b->hash_next;
        return b;
    }
    if (!d->n_slabs || d->n_in_slab == BLOCKS_IN_SLAB) {
        if (d->n_slabs == d->slabs->len) {
            g_ptr_array_add(d->slabs, dbt_huge_new(BLOCKS_IN_SLAB * sizeof(Block)));
        }
        d->n_slabs++;
        d->n_in_slab = 0;
    }
    return (Block *)d->slabs->pdata[d->n_slabs - 1] + d->n_in_slab++;
}

void block_publish(DbtMachine *d, Block *b)
{
    unsigned h = hash_of(b->at, b->mode);

    order_publish(d);                   /* its code may be jumped to from now on */
    b->hash_next = d->hash[h];
    __atomic_store_n(&d->hash[h], b, __ATOMIC_RELEASE);
}

static void block_add_locked(DbtMachine *d, Block *b, CodePage *p, CodePage *p2)
{
    __atomic_or_fetch(&p->granules, block_granule_mask(b->from, b->to), __ATOMIC_SEQ_CST);
    if (p2) {
        __atomic_or_fetch(&p2->granules, block_granule_mask(0, b->length - (DBT_PAGE - ((uintptr_t)b->at & (DBT_PAGE - 1)))),
                          __ATOMIC_SEQ_CST);
    }
    block_publish(d, b);
    g_ptr_array_add(p->blocks, b);
    if (p2) {
        g_ptr_array_add(p2->blocks, b);
    }
}

static void log_block(DbtMachine *d, const IrBlock *ir, uint32_t item, const char *what)
{
    if (log_on(item)) {
        g_autoptr(GString) s = g_string_new(NULL);
        g_string_printf(s, "%s at %#" PRIx64 " mode %#" PRIx64 "\n", what, ir->pc, ir->mode);
        ir_print(ir, s);
        log_write("%s", s->str);
    }
}

/* -d in_asm: the guest's instructions; of the last one the bytes in its first page. */
static void log_guest_code(DbtCpu *c, const IrBlock *ir, const uint8_t *page)
{
    const CpuInspect *in = c->vcpu.cpu_ops->inspect;

    if (!log_on(LOG_IN_ASM)) {
        return;
    }
    g_autoptr(GString) s = g_string_new(NULL);
    g_string_printf(s, "guest code at %#" PRIx64 "\n", ir->pc);
    for (unsigned i = 0; i < ir->n_guest; i++) {
        unsigned from = (unsigned)ir->guest[i].offset & (DBT_PAGE - 1), n = MIN(ir->guest[i].length, DBT_PAGE - from);
        uint64_t pc = (ir->pc & -(uint64_t)DBT_PAGE) + from;
        g_string_append_printf(s, "  %#" PRIx64 ": ", pc);
        for (unsigned k = 0; k < n; k++) {
            g_string_append_printf(s, "%02x", page[from + k]);
        }
        g_string_append_c(s, ' ');
        if (in && in->disassemble && n == ir->guest[i].length) {
            in->disassemble(&c->vcpu, pc, page + from, n, s);
        }
        g_string_append_c(s, '\n');
    }
    log_write("%s", s->str);
}

/* Not what a debugger cuts short, nor what somebody wants to read the translation of. */
static bool cache_wanted(const DbtCpu *c)
{
    return c->dbt->cache && !c->debug && !log_on(LOG_IN_ASM) && !log_on(LOG_IR) && !log_on(LOG_OPT) && !log_on(LOG_OUT_ASM);
}

static CacheKey cache_key(DbtCpu *c, const uint8_t *at, uint32_t mode)
{
    const DbtMachine *d = c->dbt;
    CacheKey k = { .mode = mode, .in_page = (uint32_t)((uintptr_t)at & (DBT_PAGE - 1)) };
    unsigned options = (d->cpus->len == 1) | d->one_insn << 1 | d->no_opt << 2 | d->no_merge << 3 | d->tier2 << 4;

    k.config = d->guest->cache_key(c, k.place) * 64 + options;
    return k;
}

static void perfmap(const DbtMachine *d, const Block *b, uint64_t pc)
{
    if (d->backend && d->perfmap_file) {
        fprintf(d->perfmap_file, "%" PRIxPTR " %x g%" PRIx64 "_%x\n", (uintptr_t)b->entry, b->code_bytes, pc, b->mode);
    }
}

/* The same with a block from the cache on disk; at2: of two pages. */
static Block *block_take_locked(DbtCpu *c, uint8_t *at, uint32_t mode, CodePage *p, uint8_t *at2, CodePage *p2, bool *full)
{
    DbtMachine *d = c->dbt;
    CacheRecord r;

    *full = false;
    if (!cache_wanted(c) || d->cache_check || ic_is_hot(d, at)) {
        return NULL;
    }
    CacheKey k = cache_key(c, at, mode);
    if (!cache_find(d->cache, &k, at, at2, &r)) {
        return NULL;
    }
    Block *b = block_new(d);
    *b = (Block){ .at = at, .at2 = at2, .mode = mode, .length = r.length, .from = r.from, .to = r.to };
    if (!d->backend->unpack(d, d->guest, r.native, r.n, b, full)) {
        block_free(d, b);
        if (*full) {
            block_page_made(p);
            block_page_made(p2);
        }
        return NULL;
    }
    perfmap(d, b, c->pc);
    g_ptr_array_add(d->blocks[d->generation], b);
    block_add_locked(d, b, p, at2 ? p2 : NULL);
    if (p->killed >= REMEMBER_AFTER) {
        past_remember(d, b);
    }
    d->stats.cache_taken++;
    d->stats.cache_insns += r.n_guest;
    block_page_made(p);
    block_page_made(p2);
    return b;
}

/* What has just been emitted: kept for the next run, or compared with what is. */
static void block_keep_locked(DbtCpu *c, const Block *b, const IrBlock *ir)
{
    DbtMachine *d = c->dbt;
    CacheRecord r;

    if (!cache_wanted(c)) {
        return;
    }
    CacheKey k = cache_key(c, b->at, b->mode);
    if (!d->cache_check || !cache_find(d->cache, &k, b->at, b->at2, &r)) {
        cache_put(d, b, ir, &k);
    } else if (!ic_is_hot(d, b->at)) {
        d->stats.cache_taken++;
        d->stats.cache_insns += r.n_guest;
        d->stats.cache_differ += cache_differs(d, b, ir, &k, &r);
    }
}

/* With the lock held and the pages guarded.  NULL: nothing translated; *full: no room in the arena. */
static Block *block_make_locked(DbtCpu *c, uint8_t *at, uint32_t mode, CodePage *p, uint8_t *at2, CodePage *p2, bool *full)
{
    DbtMachine *d = c->dbt;
    IrBlock *ir = c->ir;
    unsigned in_page = (unsigned)((uintptr_t)at & (DBT_PAGE - 1)), n = DBT_PAGE - in_page;

    *full = false;
    ir_begin(ir, c->pc, (uint32_t)c->ctx->key.mode);
    d->guest->translate(c, ir, at, n, at2, d->one_insn ? 1 : at2 ? 1 : IR_MAX_GUEST);
    Block *b = NULL;
    if (ir->n_guest) {
        b = block_new(d);
        trace_dbt_block(c->pc, ir->length);
        *b = (Block){ .at = at, .at2 = ir->two_pages ? at2 : NULL, .mode = mode, .length = (uint16_t)ir->length,
                      .from = (uint16_t)in_page, .to = (uint16_t)MIN(in_page + ir->length, DBT_PAGE) };
        b->counted = d->backend && !b->at2 && trace_counts(d, d->guest, at, mode);
        log_guest_code(c, ir, at - in_page);
        log_block(d, ir, LOG_IR, "IR");
        exits_peek(d, ir, b, at - in_page);
        if (!d->no_opt) {
            if (d->cpus->len == 1) {
                ir_unlock(ir);
            }
            ir_merge_checks(ir, d->no_merge || (mode & DBT_MODE_UNMERGED) ? 0 : IR_SHARED_HOSTS);
            ir_optimise(ir, FL_ALL);
        } else {
            ir_plain(ir);
        }
        log_block(d, ir, LOG_OPT, "optimised");
        if (!d->backend) {
            b->ir = ir_copy(ir);
        } else if (!d->backend->emit(d, d->guest, ir, b)) {
            *full = true;
            block_free(d, b);
            b = NULL;
        }
    }
    if (b) {
        perfmap(d, b, c->pc);
        block_keep_locked(c, b, ir);
        g_ptr_array_add(d->blocks[d->generation], b);
        block_add_locked(d, b, p, b->at2 ? p2 : NULL);
        if (p->killed >= REMEMBER_AFTER) {
            past_remember(d, b);
        }
        d->stats.blocks++;
        d->stats.guest_insns += ir->n_guest;
        d->stats.guest_bytes += ir->length;
        d->stats.code_bytes += b->code_bytes;
        d->stats.ir_insns += ir->n_insns;
    }
    block_page_made(p);
    block_page_made(p2);
    return b;
}

/* The bytes there are what a dead block was made of. */
static Block *block_revive_locked(DbtMachine *d, uint8_t *at, uint32_t mode, CodePage *p)
{
    Block *b = p->killed >= REMEMBER_AFTER ? past_find(d, at, mode) : NULL;

    if (b) {
        __atomic_store_n(&b->dead, false, __ATOMIC_RELEASE);
        if (d->backend) {
            d->backend->revive(d, b);
        }
        block_add_locked(d, b, p, NULL);
        d->stats.revived++;
        block_page_made(p);
    }
    return b;
}

static Block *block_make(DbtCpu *c, DbtRegion *dr, uint8_t *at, uint32_t mode)
{
    DbtMachine *d = c->dbt;
    uint8_t *page = (uint8_t *)((uintptr_t)at & -(uintptr_t)DBT_PAGE), *at2 = NULL;
    DbtRegion *dr2 = NULL;

    for (unsigned tries = 0; tries < 2; tries++) {
        CodePage *p = block_page_guard(d, dr, page), *p2 = at2 ? block_page_guard(d, dr2, at2) : NULL;
        bool full = false;
        g_mutex_lock(&d->lock);
        Block *b = at2 ? NULL : block_revive_locked(d, at, mode, p);
        if (!b) {
            b = block_take_locked(c, at, mode, p, at2, p2, &full);
        }
        if (!b && !full) {
            b = block_make_locked(c, at, mode, p, at2, p2, &full);
        }
        if (b && d->backend && log_on(LOG_OUT_ASM)) {
            g_autoptr(GString) s = g_string_new(NULL);
            if (d->backend->print(b, s)) {
                log_write("code for %#" PRIx64 "\n%s", c->pc, s->str);
            }
        }
        bool more = full && generation_advance_locked(c);
        g_mutex_unlock(&d->lock);
        if (b) {
            return b;
        }
        if (more) {
            tries--;
            continue;
        }
        if (full) {
            __atomic_store_n(&d->full, true, __ATOMIC_SEQ_CST);
            vcpu_kick(&c->vcpu);        /* back to the run loop, which sees to it; tier 0 until then */
            return NULL;
        }
        if (!at2 && DBT_PAGE - ((uintptr_t)at & (DBT_PAGE - 1)) < 15) {
            at2 = tlb_fetch(c, (c->pc & -(uint64_t)DBT_PAGE) + DBT_PAGE, &dr2);     /* may raise: the instruction needs it */
            if (!at2 || !dr2) {
                return NULL;
            }
        } else {
            return NULL;
        }
    }
    return NULL;
}

static Block *find_once(DbtCpu *c, uint32_t mode)
{
    DbtRegion *dr, *dr2;
    uint8_t *page = tlb_fetch(c, c->pc, &dr);

    if (!page || !dr || (uintptr_t)page & (DBT_PAGE - 1)) {
        return NULL;
    }
    uint8_t *at = page + (c->pc & (DBT_PAGE - 1));
    Block *b = __atomic_load_n(&c->dbt->hash[hash_of(at, mode)], __ATOMIC_ACQUIRE);
    for (; b; b = __atomic_load_n(&b->hash_next, __ATOMIC_ACQUIRE)) {
        if (b->at == at && b->mode == mode &&
            (!b->at2 || b->at2 == tlb_fetch(c, (c->pc & -(uint64_t)DBT_PAGE) + DBT_PAGE, &dr2))) {
            return b;
        }
    }
    return block_make(c, dr, at, mode);
}

/* The map may have changed while a new block's page was guarded: what pc is fetched from then is not what was translated. */
static Block *find(DbtCpu *c, uint32_t mode)
{
    uint64_t flushes;
    Block *b;

    if (G_UNLIKELY(c->debug != NULL) && debug_low(c->debug, c->pc)) {
        return NULL;                    /* there may be a breakpoint: the run loop looks before tier 0 runs it */
    }
    do {
        flushes = c->map_flushes;
        b = find_once(c, mode);
    } while (b && flushes != c->map_flushes);
    return b;
}

Block *block_find(DbtCpu *c)
{
    return find(c, (uint32_t)c->ctx->key.mode);
}

/* ---- for the native stubs ---- */

bool block_must_leave(DbtCpu *c)
{
    return __atomic_load_n(&c->vcpu.attention, __ATOMIC_RELAXED) || c->guest->single(c) || c->guest->idle(c);
}

static Block *lookup_block(DbtCpu *c)
{
    if (block_must_leave(c)) {
        return NULL;
    }
    c->stats->lookups++;
    return block_find(c);
}

static const void *jump_to(DbtCpu *c, const Block *b)
{
    if (!b) {
        return NULL;
    }
    tlb_jmp_put(c, c->pc, b->entry, b->at2);
    return b->entry;
}

const void *dbt_lookup(DbtCpu *c)
{
    const void *code = block_must_leave(c) ? NULL : tlb_jmp_victim(c);

    if (code) {
        return code;
    }
    return jump_to(c, lookup_block(c));
}

const void *dbt_link_lookup(DbtCpu *c, BlockLink *l)
{
    DbtMachine *d = c->dbt;
    const Block *b = lookup_block(c);

    c->stats->links++;
    if (!b) {
        return NULL;
    }
    g_mutex_lock(&d->lock);
    bool same_page = l->far ? trace_has_page(d->traces->pdata[l->from->trace - 1], (uint8_t *)((uintptr_t)b->at & -(uintptr_t)DBT_PAGE)) :
                              ((uintptr_t)b->at ^ (uintptr_t)l->from->at) < DBT_PAGE;
    if (b->at2) {                   /* depends on how the next page is mapped now */
        if (!l->from->dead) {
            d->backend->link(d, l, NULL);
        }
    } else if (same_page && b->mode == (l->from->mode & ~DBT_MODE_UNMERGED) && !b->dead && !l->from->dead && !l->to) {
        l->to = l->loop ? l->from : (Block *)b;
        l->next_in = l->to->incoming;
        l->to->incoming = (uint32_t)(l - d->links) + 1;
        d->backend->link(d, l, l->to);
    }
    g_mutex_unlock(&d->lock);
    return jump_to(c, b);
}

const void *dbt_unmerged(DbtCpu *c)
{
    const Block *b = find(c, (uint32_t)c->ctx->key.mode | DBT_MODE_UNMERGED);

    trace_dbt_unmerged(c->pc);
    c->stats->unmerged++;
    return b ? b->entry : NULL;         /* not in the jump cache: the next one to come here tries the short way */
}

const void *dbt_slow(DbtCpu *c)
{
    const JmpEntry *j;

    trace_dbt_slow(c->pc);
    dbt_step(c);
    j = &c->ctx->jmp[dbt_jmp_slot(c->pc)];
    return j->pc == c->pc && !block_must_leave(c) ? j->code : dbt_lookup(c);
}
