/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h -- the run time's own state: one per machine.
 *
 * Threads: `lock` guards blocks, code pages and regions; it is never held while waiting for other
 *   vCPUs, and nothing is locked under it.  Look-ups in DbtContext need none.
 */
#ifndef ACCEL_DBT_INTERNAL_H
#define ACCEL_DBT_INTERNAL_H
#include "accel/accel.h"
#include "accel/dbt/dbt.h"
#include "core/log.h"
#include <inttypes.h>
#include <stdio.h>

/*
 * What is known of one page of RAM or ROM that code was translated from.  `granules`: one bit for
 * each 64 bytes that some block covers.  While `guarded`, no vCPU has the page writable in a TLB:
 * every store asks code_written().
 */
enum { CODE_OCTETS = 8 };    /* words of CodePage.octets: a bit for each 8 bytes of a page */
typedef struct CodePage {
    uint64_t granules;
    /* inside granules: the same for each 8 bytes, as data often lies right beside code */
    uint64_t octets[CODE_OCTETS];
    /*
     * of them, those of dead blocks that another vCPU may still be in: its stores there are to be
     * seen
     */
    uint64_t stale;
    unsigned stale_stores;              /* to no others, since somebody looked whether one is */
    GPtrArray *blocks;                  /* Block */
    bool     guarded;
    unsigned making;    /* translations in progress: every store counts as one to code */
    /* blocks by stores, so far: code that is rewritten often is remembered (past.c) */
    unsigned killed;
    unsigned traces;                    /* made of it, and of other pages; atomic */
    /* let through to the guarded page; enough of them without code lift the guard */
    unsigned clean_stores;
} CodePage;

typedef struct StalePage { struct DbtRegion *region; uint64_t index; } StalePage;

typedef struct DbtRegion {              /* a Region with host memory that code was run from */
    Region   *region;
    uint8_t  *host;
    uint64_t  n_pages;
    CodePage **pages;
    /*
     * Of each page: the slots + 1, in a TLB of DBT_TLB_MAX, in which TLBs may hold it writable: one
     * in each half, as most pages of a process are in two (its own and the kernel's); WRITABLE_MANY
     */
    uint32_t *writable;
} DbtRegion;
#define WRITABLE_MANY UINT32_MAX

enum { DBT_GENERATIONS = 8, DBT_HASH_BITS = 18, DBT_MAX_REGIONS = 64 };

typedef struct DbtCache DbtCache;
typedef struct DbtFar DbtFar;
typedef struct DbtFarCpu DbtFarCpu;
/*
 * A trace: the code of a path through several blocks, which stands in for the block at its start.
 * What it was made of in one page; the first is the one that the path starts in.
 */
enum { TRACE_PAGES = 8 };
typedef struct TracePage {
    uint8_t   *host;
    DbtRegion *region;
    int64_t    delta;                   /* of linear addresses, from the first page */
    uint64_t   granules;
} TracePage;

typedef struct Trace {
    Block     *block;
    /* guard: number plus 1 of what says that the other pages are where they were; 0: one page */
    unsigned   n_pages, guard;
    unsigned   refused;                 /* times they were not; atomic */
    bool       restless;                /* a loop that was seen to leave soon */
    uint16_t   stays;    /* inline caches that it may have for what stays in a page */
    TracePage  pages[TRACE_PAGES];
} Trace;


typedef struct DbtStats {               /* "info jit" */
    uint64_t blocks, guest_insns, guest_bytes, code_bytes, ir_insns;
    uint64_t lookups, refills, steps, exits, flushes, page_flushes, switches, contexts,
             invalidated, moves, apart, reclaims, reclaimed, full, revived, victims, grown, beside,
             across, links, unmerged, ic_hot, ic_given_up, ic_remade, far_pairs, far_checks,
             far_refused, traces, trace_insns, trace_loops, trace_hoists, trace_checks,
             trace_refused, traces_lost, traces_not, trace_us, trace_looks, trace_records,
             traces_beside, trace_beside_us;
    uint64_t cache_taken, cache_insns, cache_new, cache_differ;
    /* refills refused, by why */
    uint64_t no_crossing, no_slow_mode, no_fault, no_ram, no_code;
} DbtStats;

enum { IC_USER, IC_ALL, IC_OFF };      /* which code has inline caches */
enum { IC_HASH_BITS = 16, IC_HEAT_BITS = 12, TRACE_TRY_BITS = 14 };
enum { TIER2_OFF, TIER2_USER, TIER2_ALL };             /* which code has traces */
enum { TIER2_THREAD_AUTO, TIER2_THREAD_ON, TIER2_THREAD_OFF };         /* who makes them */
enum { ENGINE_NATIVE, ENGINE_INTERP, ENGINE_TCC };

struct DbtMachine {
    /* -accel dbt,... : accel_fields in dbt.c */
    uint32_t  engine;                   /* ENGINE_* */
    uint64_t  tb_mib;                   /* size of the code arena */
    bool      one_insn;                 /* blocks of one guest instruction: for debugging */
    bool      no_opt;                   /* IR as the front end made it */
    bool      no_merge;                 /* one check for each access */
    bool      no_far;                   /* jumps to other pages by the jump cache alone */
    bool      perfmap;
    char     *cache_dir;                /* translated blocks on disk; NULL: none */
    uint64_t  cache_mib;
    bool      cache_check;              /* translate what is found there as well, and compare */
    uint32_t  ic;                       /* IC_* */
    uint32_t  tier2;                    /* TIER2_* */
    uint32_t  tier2_hot;                /* entries of a block until a trace is made from there */
    uint32_t  tier2_thread;             /* TIER2_THREAD_* */
    bool      tlb_restless;             /* another size of TLB at every chance: for tests */
    uint32_t  tcc_hot;                  /* engine tcc: runs after which a block is compiled */
    bool      tcc_wait;                 /* and the vCPU waits for it */
    /* the rest */
    FILE     *perfmap_file;
    Machine  *machine;
    const DbtGuest *guest;
    const DbtBackend *backend;          /* NULL: interpreter */
    void     *backend_data;
    struct TccEngine *tcc;              /* NULL: another engine */
    GMutex    lock;
    DbtRegion *regions[DBT_MAX_REGIONS];    /* append only */
    unsigned  n_regions;
    Block   **hash;
    BlockLink *links;    /* of all blocks, each block's together: the back end's memory */
    /* all of them, dead ones too, by the part of the arena that they are in */
    GPtrArray *blocks[DBT_GENERATIONS];
    unsigned   generation;    /* that new ones go to; the parts follow each other in a ring */
    Block     *free_blocks;             /* by hash_next */
    GPtrArray *slabs;                   /* BLOCKS_IN_SLAB Blocks each */
    unsigned   n_slabs, n_in_slab;      /* used, and of the last of them */
    struct DbtPast *past;               /* past.c */
    struct DbtFar *far;                 /* far.c */
    struct DbtCache *cache;             /* cache.c; NULL: none */
    /* blocks, by their start, hashed, that shall have inline caches; with the lock */
    uint8_t   ic_hot[(1 << IC_HASH_BITS) / 8];
    /* guest instructions, hashed, that are better without; atomic */
    uint8_t   ic_bad[(1 << IC_HASH_BITS) / 8];
    /* those seen in the same page, in others; atomic */
    uint8_t   ic_stays[(1 << IC_HASH_BITS) / 8], ic_roams[(1 << IC_HASH_BITS) / 8];
    uint8_t   ic_heat[1 << IC_HEAT_BITS]; /* how often a block was met, hashed; atomic, not exact */
    uint32_t  ic_samples;
    GPtrArray *traces;                  /* Trace; with the lock */
    struct TraceWorker *trace_worker;   /* tracework.c; NULL: none */
    /* memory may have moved, blocks may have been dropped since; with the lock */
    uint64_t  trace_epoch;
    unsigned  n_counters;
    uint8_t   guards[DBT_GUARDS];       /* in use */
    /* traces begun, by a hash of where; with the lock */
    uint8_t   trace_tries[1 << TRACE_TRY_BITS];
    bool      full;                     /* block_reclaim() is wanted; atomic */
    bool      stale_wanted;             /* code_stale_clear() is; atomic */
    GArray   *stale_pages;              /* StalePage; with the lock */
    bool      drop_all;                 /* of all generations; atomic */
    GPtrArray *cpus;                    /* DbtCpu */
    DbtStats  stats;
};

enum { BLOCKS_IN_SLAB = 32768 };

void      *dbt_huge_new(size_t size);   /* huge.c */
void       dbt_huge_free(void *p, size_t size);

/* block.c */
/* for c->pc, translated if need be; raises fetch faults; NULL: tier 0 must run it */
Block     *block_find(DbtCpu *c);
/* with the lock; NULL: there is none */
Block     *block_at(DbtMachine *d, const uint8_t *at, uint32_t mode);
bool       block_must_leave(DbtCpu *c);         /* the run loop is wanted */
/* it is to be made again, as hot code, and those that it leads to */
void       block_heat(DbtMachine *d, const uint8_t *at, uint32_t mode);
/* The rest with the lock. */
Block     *block_new(DbtMachine *d);
void       block_free(DbtMachine *d, Block *b);         /* nobody knows it */
void       block_publish(DbtMachine *d, Block *b);      /* its pages are marked: look-ups find it */
/* not to be found any more, nor led to by another block */
void       block_unhook(DbtMachine *d, Block *b);
void       block_kill(DbtMachine *d, Block *b);         /* and whoever is in it leaves */
/* and it does not come back by its bytes: the next one is to be other code */
void       block_retire(DbtMachine *d, Block *b);

/* codepage.c */
DbtRegion *code_region(DbtMachine *d, Region *r);
CodePage  *code_page(const DbtRegion *dr, uint64_t offset);     /* or NULL */
/*
 * May a store of n bytes at offset (in one page) go straight to RAM?  Counts towards lifting the
 * guard.
 */
bool       code_store_is_clean(DbtMachine *d, DbtRegion *dr, uint64_t offset, unsigned n);
/* What was made of these bytes goes. */
void       code_written(DbtMachine *d, DbtRegion *dr, uint64_t offset, uint64_t n);
/* The same, and then a store of n bytes in one page, at `host` for this vCPU: one step for all. */
void       code_store(DbtMachine *d, DbtRegion *dr, uint64_t offset, uint8_t *host,
                      uint64_t value, unsigned n);
CodePage  *code_page_guard(DbtMachine *d, DbtRegion *dr, uint8_t *host_page);
void       code_page_made(CodePage *p);        /* with the lock; NULL: nothing */
/* With the lock: code depends on bytes [from, to) of the page, or on these granules. */
void       code_page_cover(CodePage *p, unsigned from, unsigned to);
void       code_page_cover_granules(CodePage *p, uint64_t granules);
/* from the run loop: stores to granules without code are clean again, if no vCPU is in any */
void       code_stale_clear(DbtMachine *d);
/* With the lock, no vCPU is in a block: those without an address, and dead ones, go. */
void       code_page_sweep(const DbtMachine *d, const DbtRegion *dr, uint64_t index);
uint64_t   code_granule_mask(uint64_t from, uint64_t to);      /* bytes [from, to) of a page */
uint64_t code_granules(const DbtMachine *d, const DbtRegion *dr, uint64_t page_index,
                       const Block *b);

/* reclaim.c */
/*
 * All vCPUs are stopped: is one of them to return into a block, since it waits in a helper?  Then
 * it will see its attention set when that is over.
 */
bool       block_in_use(const DbtMachine *d);
bool       block_any(const DbtMachine *d);      /* have any been made? */
/*
 * With the lock: the part being filled is full.  Go on in the next, if that is empty, and have the
 * one behind it emptied meanwhile.
 */
bool       block_generation_advance(DbtCpu *c);
/* with all vCPUs parked: none of them is to return into a block */
void       block_drop_all(DbtMachine *d);
void       block_reclaim_soon(DbtMachine *d);   /* let the vCPUs' run loops do that */
/* from the run loop: give back what is oldest unless some vCPU is still to return into code */
void       block_reclaim(DbtMachine *d);
/* with the pages and regions they are of; no vCPU is left */
void       block_free_all(DbtMachine *d);

/* far.c */
void       far_init(DbtMachine *d);
void       far_fini(DbtMachine *d);
/*
 * With the lock: number plus 1 and word of the pair for b's jumps to the page at that distance; 0:
 * there is none.
 */
unsigned far_pair(DbtMachine *d, const DbtGuest *g, const Block *b, int64_t delta, unsigned *word);
/* with the lock: host address of the page that it leads to; or NULL */
const uint8_t *far_page(const DbtMachine *d, const Block *b, unsigned word);
void       far_reclaim(DbtMachine *d, unsigned generation); /* with the lock, all words are empty */
void       far_cpu_init(DbtCpu *c);
void       far_cpu_fini(DbtCpu *c);
void       far_context(DbtCpu *c);              /* c->ctx has changed */
void       far_flush(DbtCpu *c, const DbtContext *x, bool globals);
void       far_flush_page(DbtCpu *c, const DbtContext *x, uint64_t page, bool near_global);
/* pair k: a jump from the page at pc_base to pc has found another word */
void       far_check(DbtCpu *c, unsigned k);

/* trace.c */
/* Tests want all that can be made, where blocks come and go. */
enum { TRACE_TEST_HOT = 100 };
static inline bool trace_is_test(const DbtMachine *d) { return d->tier2_hot < TRACE_TEST_HOT; }
void       trace_init(DbtCpu *c);
void       trace_fini(DbtCpu *c);
void       trace_work_init(DbtMachine *d);     /* tracework.c */
void       trace_work_fini(DbtMachine *d);
/* with the lock, or as the last: its block is free, and guards are empty */
void       trace_free(DbtMachine *d, unsigned number);
/* shall the block there count its entries? */
bool       trace_counts(const DbtMachine *d, const DbtGuest *g, const uint8_t *at, uint32_t mode);
unsigned   trace_counter(DbtMachine *d);        /* with the lock: number of a counter for a block */
/* it is used up at c->pc: code to go on with, as dbt_lookup() */
const void *trace_hot(DbtCpu *c, unsigned counter);
/* a trace of several pages is entered at c->pc: the same */
const void *trace_check(DbtCpu *c, unsigned number);
uint64_t   trace_granules(const DbtMachine *d, const Block *b, const uint8_t *page);
void       trace_context(DbtCpu *c);            /* c->ctx has changed */
void       trace_flush(DbtCpu *c, const DbtContext *x);
void       trace_flush_page(DbtCpu *c, const DbtContext *x, uint64_t page);
/* Is it a page of the trace: what has been found there when it was entered? */
static inline bool trace_has_page(const Trace *t, const uint8_t *host)
{
    for (unsigned k = 0; k < t->n_pages; k++) {
        if (t->pages[k].host == host) {
            return true;
        }
    }
    return false;
}
/* Host address of the guest instruction at that offset from the page base. */
static inline const uint8_t *trace_host(const Trace *t, const Block *b, int32_t offset)
{
    for (unsigned k = 0; t && k < t->n_pages; k++) {
        if ((uint64_t)(offset - t->pages[k].delta) < DBT_PAGE) {
            return t->pages[k].host + (offset - t->pages[k].delta);
        }
    }
    return (const uint8_t *)((uintptr_t)b->at & -(uintptr_t)DBT_PAGE) + offset;
}

/*
 * dbt.c: dbt_step(), but for an instruction that leaves behind what only its own block knows (x87);
 * false: that is next, not done
 */
bool       dbt_step_alone(DbtCpu *c);

/* past.c: with the lock */
void       past_init(DbtMachine *d);
void       past_clear(DbtMachine *d);   /* blocks are about to be freed */
void       past_free(DbtMachine *d);
/* as it is, for when it will have died; not one of two pages */
void       past_remember(DbtMachine *d, Block *b);
/* dead, of the bytes that are there now; or NULL */
Block     *past_find(DbtMachine *d, const uint8_t *at, uint32_t mode);

/* Look-ups by the back end's stubs are dbt_lookup(), dbt_link_lookup(), dbt_slow(): dbt.h. */

/* context.c */
void       tlb_init(DbtCpu *c);
void       tlb_fini(DbtCpu *c);
/* between runs: should the current context's TLB have more entries? */
void       tlb_adapt(DbtCpu *c);

/* flush.c */
/* Drop write tags of this page in all contexts; slots: of DbtRegion.writable. */
void       tlb_unwrite(DbtCpu *c, const uint8_t *host_page, uint32_t slots);
void       tlb_entry_flush_page(TlbEntry *e, unsigned slot, uint64_t page, bool globals_only);
/* linear was entered from this page */
void       tlb_entered(DbtCpu *c, uint64_t linear, const DbtWalk *w);

/* jumpcache.c */
/* after tlb_fetch() of pc */
void       tlb_jmp_put(DbtCpu *c, uint64_t pc, const void *code, bool two_pages);
/* code for c->pc that had to leave the jump cache, put back; or NULL */
const void *tlb_jmp_victim(DbtCpu *c);

/* shortcut.c */
void       shortcut_context(DbtCpu *c);
void       shortcut_flush(DbtCpu *c, DbtContext *x, bool globals);
void       shortcut_flush_page(DbtCpu *c, DbtContext *x, uint64_t page, bool near_global);
void       shortcut_unwrite(DbtCpu *c, const uint8_t *host_page);
/* DbtCpu.beside; the vCPU is stopped */
void       beside_forget(DbtCpu *c, const uint8_t *host_page);

/* What a direct exit's target does with the flags; regs: DbtPeek.regs. */
static inline void exit_set_fate(IrInsn *n, DbtFlagsFate fate, uint16_t regs)
{
    n->live = fate == FATE_WANTED ? FL_ALL : 0;
    n->live_fault = fate == FATE_FAULT ? FL_ALL : 0;
    n->sub = fate == FATE_WANTED ? 0 : regs;
}

/* ic.c */
void       ic_init(DbtCpu *c);
void       ic_fini(DbtCpu *c);
/* does code of this mode have inline caches? */
bool       ic_wanted(const DbtMachine *d, const DbtGuest *g, uint64_t mode);
/* with the lock; at: host address of the block's first byte */
bool       ic_is_hot(const DbtMachine *d, const uint8_t *at);
bool       ic_make_hot(DbtMachine *d, const uint8_t *at);       /* with the lock; false: it was */
void       ic_sample(DbtCpu *c);        /* something interrupts code that is to go on at c->pc */
/* at: host address of a guest instruction */
bool       ic_is_bad(const DbtMachine *d, const uint8_t *at);
/*
 * Tier 0 has seen the instruction at that host address once more: was it in the same page as the
 * last time?
 */
void       ic_seen(DbtMachine *d, const uint8_t *at, bool write, bool same);
/* seen more than once, always in one page */
bool       ic_stays(const DbtMachine *d, const uint8_t *at, bool write);
bool       ic_roams(const DbtMachine *d, const uint8_t *at, bool write); /* seen in several pages */
void       ic_context(DbtCpu *c);       /* c->ctx has changed */
void       ic_flush(DbtCpu *c, const DbtContext *x);            /* if they are of x */
/* and the one before, whose last instruction may reach into it */
void       ic_flush_page(DbtCpu *c, const DbtContext *x, uint64_t page);
void       ic_unwrite(DbtCpu *c, const uint8_t *host_page);
/* c->pc's block has died: jumps to it, so that they look for another */
void       ic_flush_dead(DbtCpu *c);
/*
 * The budget of misses is used up; the last was of the instruction at pc_base + offset, in that
 * code: is that place better without?
 */
bool       ic_look(DbtCpu *c, int32_t offset, const void *code);

/* tlb.c */
/* To guest RAM; what is aligned does not tear. */
static inline void host_put(uint8_t *host, uint64_t v, unsigned bytes)
{
    switch (bytes) {
    case 1: *host = (uint8_t)v; break;
    case 2: { uint16_t x = (uint16_t)v; __builtin_memcpy(host, &x, 2); break; }
    case 4: { uint32_t x = (uint32_t)v; __builtin_memcpy(host, &x, 4); break; }
    case 8: __builtin_memcpy(host, &v, 8); break;
    default: __builtin_memcpy(host, &v, bytes);
    }
}
void       tlb_map_changed(DbtCpu *c);
/* Host page that c->pc's page (or `linear`'s) is fetched from; raises; NULL: not RAM or ROM. */
uint8_t   *tlb_fetch(DbtCpu *c, uint64_t linear, DbtRegion **dr);
/* the same; NULL where it would raise */
uint8_t   *tlb_fetch_quiet(DbtCpu *c, uint64_t linear, DbtRegion **dr);
static inline DbtMachine *dbt_of(Machine *m) { return m->accel_data; }
#endif
