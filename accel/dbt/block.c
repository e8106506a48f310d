/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c -- translated blocks: finding, making, linking and dropping them.
 *
 * A block is keyed by the host address of its guest bytes and by its mode, so one translation
 * serves every process and every alias.
 *
 * Threads: any vCPU; DbtMachine.lock.  Chains in the hash are read without it: a block is freed
 *   only while all vCPUs are
 * stopped, and none of them in a helper that will return to it (reclaim.c).
 */
#include <string.h>
#include "accel/dbt/cache.h"
#include "core/compiler.h"
#include "core/debug.h"
#include "core/trace.h"

enum { RETIRED = -1, HOT_MAX = 16, REMEMBER_AFTER = 4, PEEK_MAX = 256,
       /* of a block that is made again when it is hot; of others */
       COLD_EXITS = 2, LASTING_EXITS = 4 };

/* ---- dropping blocks ---- */

/*
 * Neighbours in a page are neighbours in the hash: what is made or looked for one behind the other
 * meets few lines of the host's cache.
 */
static unsigned hash_of(const uint8_t *at, uint32_t mode)
{
    uint64_t h = ((uintptr_t)at >> DBT_PAGE_BITS ^ ((uint64_t)mode << 32)) *
                 UINT64_C(0x9e3779b97f4a7c15);

    return (unsigned)(h >> (64 - DBT_HASH_BITS)) ^ ((unsigned)(uintptr_t)at >> 4 & 255);
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

static void link_make(DbtMachine *d, BlockLink *l, Block *to)
{
    l->to = to;
    l->next_in = to->incoming;
    to->incoming = (uint32_t)(l - d->links) + 1;
    d->backend->link(d, l, to);
}

void block_unhook(DbtMachine *d, Block *b)
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
}

void block_kill(DbtMachine *d, Block *b)
{
    block_unhook(d, b);
    if (d->backend) {
        d->backend->kill(d, b);
    }
    d->stats.invalidated++;
}

/* Not to come back by its bytes: the next one is to be other code. */
void block_retire(DbtMachine *d, Block *b)
{
    block_kill(d, b);
    __atomic_store_n(&b->mode, (uint32_t)RETIRED, __ATOMIC_RELAXED);
}

/*
 * What runs often is to be made again, with inline caches: that block and where it goes by links,
 * as far as loops reach.
 */
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
            const BlockLink *l = &d->links[hot[i]->links + k];
            Block *to = l->to;
            if (to && !l->pair && !to->trace && ic_make_hot(d, to->at)) {
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

/* ---- making blocks ---- */

/*
 * Flags wanted at a direct exit: where the code there is in sight and overwrites them all first,
 * none, or only by what leaves before.
 */
static void exit_peek(DbtCpu *c, const IrBlock *ir, IrInsn *n, Block *b, const uint8_t *page)
{
    exit_set_fate(n, FATE_WANTED, 0);
    if (b->at2 || n->imm < 0 || n->imm >= DBT_PAGE) {
        return;
    }
    unsigned most = MIN(ir->length, DBT_PAGE - (ir->pc & (DBT_PAGE - 1))) + PEEK_MAX;
    DbtPeek p = { .page = page, .at = (unsigned)n->imm, .lo = b->to > most ? b->to - most : 0,
                  .hi = MIN(b->from + most, DBT_PAGE) };
    DbtFlagsFate fate = c->guest->flags_fate(c, ir->mode, &p);
    unsigned from = MIN(b->from, p.lo), to = MAX(b->to, p.hi);
    if (fate != FATE_WANTED && to - from <= most) {
        exit_set_fate(n, fate, p.regs);
        b->from = (uint16_t)from;
        b->to = (uint16_t)to;
    }
}

/* Of all of them, the first first; the block depends on what was looked at. */
static void exits_peek(DbtCpu *c, IrBlock *ir, Block *b, const uint8_t *page)
{
    uint16_t exits[IR_MAX_INSNS];
    unsigned n = 0;

    for (unsigned k = ir->n_insns; n < ir->n_direct && k-- > 0;) {      /* most stand at the end */
        if (ir_exits(ir->insns[k].op)) {
            exits[n++] = (uint16_t)k;
        }
    }
    while (n) {
        exit_peek(c, ir, &ir->insns[exits[--n]], b, page);
    }
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
    code_page_cover(p, b->from, b->to);
    if (p2) {
        code_page_cover(p2, 0, b->length - (DBT_PAGE - ((uintptr_t)b->at & (DBT_PAGE - 1))));
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
        unsigned from = (unsigned)ir->guest[i].offset & (DBT_PAGE - 1),
                 n = MIN(ir->guest[i].length, DBT_PAGE - from);
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
    return c->dbt->cache && !c->debug && !log_on(LOG_IN_ASM) && !log_on(LOG_IR) &&
           !log_on(LOG_OPT) && !log_on(LOG_OUT_ASM);
}

static CacheKey cache_key(DbtCpu *c, const uint8_t *at, uint32_t mode)
{
    const DbtMachine *d = c->dbt;
    CacheKey k = { .mode = mode, .in_page = (uint32_t)((uintptr_t)at & (DBT_PAGE - 1)) };
    unsigned options = (d->cpus->len == 1) | d->one_insn << 1 | d->no_opt << 2 | d->no_merge << 3 |
                       d->tier2 << 4;

    k.config = d->guest->cache_key(c, k.place) * 64 + options;
    return k;
}

static void perfmap(const DbtMachine *d, const Block *b, uint64_t pc)
{
    if (d->backend && d->perfmap_file) {
        fprintf(d->perfmap_file, "%" PRIxPTR " %x g%" PRIx64 "_%x\n", (uintptr_t)b->entry,
                b->code_bytes, pc, b->mode);
    }
}

/* The same with a block from the cache on disk; at2: of two pages. */
static Block *block_take_locked(DbtCpu *c, uint8_t *at, uint32_t mode, CodePage *p, uint8_t *at2,
                                CodePage *p2, bool *full)
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
    *b = (Block){
        .at = at, .at2 = at2, .mode = mode, .length = r.length, .from = r.from, .to = r.to,
    };
    if (!d->backend->unpack(d, d->guest, r.native, r.n, b, full)) {
        block_free(d, b);
        if (*full) {
            code_page_made(p);
            code_page_made(p2);
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
    code_page_made(p);
    code_page_made(p2);
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

typedef struct Ends { IrEnds ends; DbtMachine *d; } Ends;

static bool begun(const IrEnds *e, const uint8_t *code, uint64_t mode)
{
    const Block *b = block_at(((const Ends *)e)->d, code, (uint32_t)mode);

    return b && !b->trace;
}

/*
 * Half of what stands behind a block's second branch is never run, and a quarter of all is in
 * another block already: what is not known to be hot ends there.  Not where blocks are what
 * something else is made from.
 */
static const IrEnds *cold_ends(DbtMachine *d, const uint8_t *at, uint32_t mode, const CodePage *p,
                               Ends *e)
{
    if (!d->backend || ic_is_hot(d, at)) {
        return NULL;
    }
    *e = (Ends){ { ic_wanted(d, d->guest, mode) ? COLD_EXITS : LASTING_EXITS, begun, p->octets },
                 d };
    return &e->ends;
}

/* Its exits in the page to blocks that there are already: links from the start. */
static void link_known(DbtMachine *d, Block *b)
{
    const uint8_t *page = (const uint8_t *)((uintptr_t)b->at & -(uintptr_t)DBT_PAGE);

    for (unsigned k = 0; k < b->n_links; k++) {
        BlockLink *l = &d->links[b->links + k];
        bool near = !l->pair && !l->far && !l->loop;
        Block *to = near ? block_at(d, page + l->target, b->mode & ~DBT_MODE_UNMERGED) : NULL;
        if (to && !to->at2) {
            link_make(d, l, to);
        }
    }
}

/*
 * With the lock held and the pages guarded.  NULL: nothing translated; *full: no room in the arena.
 */
static Block *block_make_locked(DbtCpu *c, uint8_t *at, uint32_t mode, CodePage *p, uint8_t *at2,
                                CodePage *p2, bool *full)
{
    DbtMachine *d = c->dbt;
    IrBlock *ir = c->ir;
    unsigned in_page = (unsigned)((uintptr_t)at & (DBT_PAGE - 1)), n = DBT_PAGE - in_page;

    *full = false;
    Ends ends;
    ir_begin(ir, c->pc, (uint32_t)c->ctx->key.mode);
    ir->ends = cold_ends(d, at, mode, p, &ends);
    d->guest->translate(c, ir, at, n, at2, d->one_insn ? 1 : at2 ? 1 : IR_MAX_GUEST);
    Block *b = NULL;
    if (ir->n_guest) {
        b = block_new(d);
        trace_dbt_block(c->pc, ir->length);
        *b = (Block){ .at = at, .at2 = ir->two_pages ? at2 : NULL, .mode = mode,
                      .length = (uint16_t)ir->length, .from = (uint16_t)in_page,
                      .to = (uint16_t)MIN(in_page + ir->length, DBT_PAGE) };
        b->counted = d->backend && !b->at2 &&
                     (trace_is_test(d) || d->ic != IC_USER || ic_is_hot(d, at)) &&
                     trace_counts(d, d->guest, at, mode);
        log_guest_code(c, ir, at - in_page);
        log_block(d, ir, LOG_IR, "IR");
        exits_peek(c, ir, b, at - in_page);
        if (!d->no_opt) {
            if (d->cpus->len == 1) {
                ir_unlock(ir);
            }
            ir_merge_checks(ir, d->no_merge || (mode & DBT_MODE_UNMERGED) ? 0 : IR_SHARED_HOSTS);
            ir_optimise(ir, FL_ALL, d->guest->helpers);
        } else {
            ir_plain(ir);
            ir_liveness(ir, d->guest->helpers, NULL);
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
        if (d->backend && !c->debug) {  /* who has breakpoints looks at each */
            link_known(d, b);
        }
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
    code_page_made(p);
    code_page_made(p2);
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
        code_page_made(p);
    }
    return b;
}

static Block *block_make(DbtCpu *c, DbtRegion *dr, uint8_t *at, uint32_t mode)
{
    DbtMachine *d = c->dbt;
    uint8_t *page = (uint8_t *)((uintptr_t)at & -(uintptr_t)DBT_PAGE), *at2 = NULL;
    DbtRegion *dr2 = NULL;

    for (unsigned tries = 0; tries < 2; tries++) {
        CodePage *p = code_page_guard(d, dr, page), *p2 = at2 ? code_page_guard(d, dr2, at2) : NULL;
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
        bool more = full && block_generation_advance(c);
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
            vcpu_kick(&c->vcpu);    /* back to the run loop, which sees to it; tier 0 until then */
            return NULL;
        }
        if (!at2 && DBT_PAGE - ((uintptr_t)at & (DBT_PAGE - 1)) < 15) {
            /* may raise: the instruction needs it */
            at2 = tlb_fetch(c, (c->pc & -(uint64_t)DBT_PAGE) + DBT_PAGE, &dr2);
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
        if (b->at == at && __atomic_load_n(&b->mode, __ATOMIC_RELAXED) == mode &&
            (!b->at2 || b->at2 == tlb_fetch(c, (c->pc & -(uint64_t)DBT_PAGE) + DBT_PAGE, &dr2))) {
            return b;
        }
    }
    return block_make(c, dr, at, mode);
}

/*
 * The map may have changed while a new block's page was guarded: what pc is fetched from then is
 * not what was translated.
 */
static Block *find(DbtCpu *c, uint32_t mode)
{
    uint64_t flushes;
    Block *b;

    if (G_UNLIKELY(c->debug != NULL) && debug_low(c->debug, c->pc)) {
        return NULL;    /* there may be a breakpoint: the run loop looks before tier 0 runs it */
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
    return __atomic_load_n(&c->vcpu.attention, __ATOMIC_RELAXED) || c->guest->single(c) ||
           c->guest->idle(c);
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

const void *dbt_link_lookup(DbtCpu *c, BlockLink *l, unsigned word)
{
    DbtMachine *d = c->dbt;
    const Block *b = lookup_block(c);
    bool linked = false;

    c->stats->links++;
    if (!b) {
        return NULL;
    }
    g_mutex_lock(&d->lock);
    const uint8_t *b_page = (const uint8_t *)((uintptr_t)b->at & -(uintptr_t)DBT_PAGE);
    bool same_page = l->pair  ? b_page == far_page(d, l->from, word)
                     : l->far ? trace_has_page(d->traces->pdata[l->from->trace - 1], b_page)
                              : ((uintptr_t)b->at ^ (uintptr_t)l->from->at) < DBT_PAGE;
    if (b->at2) {                   /* depends on how the next page is mapped now */
        if (!l->from->dead) {
            d->backend->link(d, l, NULL);
        }
    } else if (same_page && b->mode == (l->from->mode & ~DBT_MODE_UNMERGED) && !b->dead &&
               !l->from->dead && !l->to) {
        link_make(d, l, l->loop ? l->from : (Block *)b);
        linked = !l->pair && !l->far;   /* whoever comes this way needs no jump cache */
    }
    g_mutex_unlock(&d->lock);
    return linked ? b->entry : jump_to(c, b);
}

const void *dbt_unmerged(DbtCpu *c)
{
    const Block *b = find(c, (uint32_t)c->ctx->key.mode | DBT_MODE_UNMERGED);

    trace_dbt_unmerged(c->pc);
    c->stats->unmerged++;
    /* not in the jump cache: the next one to come here tries the short way */
    return b ? b->entry : NULL;
}

const void *dbt_slow(DbtCpu *c)
{
    trace_dbt_slow(c->pc);
    dbt_step(c);
    return dbt_go_on(c);
}

const void *dbt_go_on(DbtCpu *c)
{
    const JmpEntry *j = &c->ctx->jmp[dbt_jmp_slot(c->pc)];

    return j->pc == c->pc && !block_must_leave(c) ? j->code : dbt_lookup(c);
}
