/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dbt.h -- the binary translator's run time: what translated code, the interpreter and the guest's
 * C code share.
 *
 * A guest CPU struct (X86Cpu) starts with DbtCpu, which starts with Vcpu.  Translated code holds a
 * pointer to it in one host register.  PC is always *linear* here (x86: CS base + EIP).
 *
 * Contexts: a DbtContext is one set of tables (data TLB and jump cache) for one key: the address
 * space and everything of the mode that translation or code depends on.  Switching context is one
 * store to cpu->ctx.
 *
 * Threads: all of DbtCpu belongs to its vCPU's thread.  Blocks are shared between vCPUs.
 */
#ifndef ACCEL_DBT_DBT_H
#define ACCEL_DBT_DBT_H
#include <setjmp.h>
#include <string.h>
#include "core/vcpu.h"
#include "accel/dbt/ir.h"

enum { DBT_PAGE_BITS = 12, DBT_PAGE = 4096, DBT_TLB_N = 1 << 10, DBT_TLB_MAX = 1 << 14,
       DBT_TLB_SHIFT = 5,
       DBT_JMP_BITS = 13, DBT_JMP_N = 1 << DBT_JMP_BITS, DBT_JMP_VICTIM = 4, DBT_CONTEXTS = 16,
       DBT_FETCH_N = 64, DBT_LARGE = 6,
       /* bytes of a store that asks for two granules at most */
       DBT_BESIDE_N = 16, DBT_BESIDE_MAX = 64 };

/*
 * One entry of the data TLB.  An access of n bytes at linear address v (64-bit arithmetic; v < 2^32
 * in 32-bit modes) hits if (v ^ tag) <= 4096 - n, unsigned: one compare catches a miss and a page
 * crossing.  v ^ tag is then the offset in the page, so host = page + (v ^ tag): native code needs
 * no copy of v.  A read-modify-write tests `write` alone: it is only set where reads see the same
 * memory.
 * Slot of v: tlb_slot().  An empty tag is a page of the *neighbour slot*, which never looks here.
 */
typedef struct TlbEntry {
    /* tags; write is empty as well while the page is clean (D = 0) or holds code */
    uint64_t read, write;
    uint64_t page;                      /* host address of the page */
    uint64_t phys;                      /* page | TLBF_* */
} TlbEntry;
enum { TLBF_FILLED = 1, TLBF_GLOBAL = 2, TLBF_LARGE = 4,
       TLBF_GUARDED = 8 };              /* write would be set, were there no code in the page */
static inline uint64_t tlb_empty(unsigned slot) { return (uint64_t)(slot ^ 1) << DBT_PAGE_BITS; }

/*
 * Jump cache: linear PC -> where to go.  A pc is in its slot, or in the slot's neighbour (slot ^
 * 1), where it goes when another takes its place.  Inline code tries the first only.  An empty pc
 * is one of another pair, so that no jump finds it, canonical or not.
 */
typedef struct JmpEntry {
    uint64_t    pc;
    const void *code;                   /* native: Block.entry; interpreter: the Block */
} JmpEntry;
static inline unsigned dbt_jmp_slot(uint64_t pc)
{
    return (pc ^ (pc >> DBT_JMP_BITS)) & (DBT_JMP_N - 1);
}
static inline uint64_t dbt_jmp_empty(unsigned slot) { return slot ^ 2; }

/*
 * An inline cache: what one place in native code has found last, for the context DbtCpu.ic_ctx.  A
 * check of n bytes at x hits if (x ^ key) < limit, where limit is 4097 - n; the host address is
 * value + (x ^ key): as in a TLB entry, but without the way to it, which a load that another
 * depends on would wait for.  A direct jump to another page hits if the target is key, and goes to
 * value.  Empty: limit is 0, and key nothing that a direct jump can lead to.
 */
typedef struct DbtIc {
    uint64_t key, limit, value;
} DbtIc;
enum { DBT_IC_DATA = 4000, DBT_IC_JUMPS = 512, DBT_IC_N = DBT_IC_DATA + DBT_IC_JUMPS,
       /* numbers of jumps follow */
       DBT_IC_BUDGET = 256,
       /*
        * behind them: for each trace of several pages the page base it has been checked for;
        * counters of block entries
        */
       DBT_GUARDS = 1024, DBT_HOT_N = 2048, DBT_GUARD_AT = DBT_IC_N * sizeof(DbtIc),
       DBT_HOT_AT = DBT_GUARD_AT + DBT_GUARDS * 8,
       /* words of pairs of pages: far.c */
       DBT_FAR_N = 16384, DBT_FAR_AT = DBT_HOT_AT + DBT_HOT_N * 4,
       DBT_IC_BYTES = DBT_FAR_AT + DBT_FAR_N * 8 };
#define DBT_GUARD_NONE UINT64_C(1)      /* no page base */

enum { DBT_IC_TARGET_SHIFT = 4 };
static inline uint64_t dbt_ic_target(uint64_t pc)
{
    return UINT64_C(1) << (pc >> DBT_IC_TARGET_SHIFT & 63);
}

/*
 * The page that the stack pointer was in last, if it may be written: an access of at most
 * DBT_STACK_SPAN(k) bytes at x off the stack pointer hits if (x ^ key) < limit[k]; the host address
 * is page + (x ^ key).  Empty: no limit lets anything through.  Of a context, and emptied where
 * inline caches are (shortcut.c).
 */
enum { DBT_STACK_LIMITS = 4 };
#define DBT_STACK_SPAN(k) (8u << (k))
typedef struct DbtStack {
    uint64_t key, page, limit[DBT_STACK_LIMITS];
} DbtStack;

typedef struct DbtKey {                 /* all that translation and code depend on */
    /* address space; x86: CR3 page base | PCID, 0 without paging */
    uint64_t space;
    /* low 32 bits: Block.mode; high 32 bits: what only the MMU depends on */
    uint64_t mode;
} DbtKey;

typedef struct DbtContext {
    /* first, and aligned as the struct is: translated code needs no displacement */
    JmpEntry jmp[DBT_JMP_N];
    /*
     * the same but for one right of data accesses, which code changes often: dbt_twins(); or NULL
     */
    struct DbtContext *twin;
    /*
     * where the instruction that enters the kernel, or leaves it, leads to from here: dbt_gate();
     * or NULL
     */
    struct DbtContext *gate;
    uint64_t tlb_mask;                  /* DbtCpu.tlb_mask while it is current */
    TlbEntry *tlb, *victim;             /* tlb_n each, one behind the other; victim: what tlb[] held before, for refills; unused while
                                           TLBF_FILLED is clear */
    uint32_t tlb_n;                   /* DBT_TLB_N to DBT_TLB_MAX, by how it is used: tlb_adapt() */
    uint32_t pushed_out, exchanged;     /* entries that made room; that came back: since */
    int64_t  adapted;                   /* this time, in microseconds */
    uint16_t *filled;                   /* slots; n_filled of them */
    /* a bit for each slot that something not global may be in, or behind: n_local of them */
    uint64_t local[DBT_TLB_MAX / 64];
    uint64_t local_words[DBT_TLB_MAX / 64 / 64];        /* a bit for each word there that is not 0 */
    unsigned n_local;
    DbtStack stack;                     /* while it is not the current one */
    DbtKey   key;
    unsigned index;                     /* in DbtCpu.contexts and keys */
    uint16_t n_filled;                  /* so that a flush costs what was filled */
    /* the same of jmp: targets in pages of this space, and in global ones */
    uint16_t n_jmp[2];
    uint64_t code_pages[2];            /* hash bits of the pages that targets of each list lie in */
    uint8_t  n_large;                   /* > DBT_LARGE: anything may stem from a large page */
    uint16_t jmp_filled[2][DBT_JMP_N];
    /* bit k: in jmp_filled[k]; DBT_JMP_VICTIM: its jmp_victim[] may hold something */
    uint8_t  jmp_in[DBT_JMP_N];
    JmpEntry jmp_victim[DBT_JMP_N];     /* what had to make room in jmp[]; a miss exchanges the two */
    /* linear >> 30 of large pages that something was entered from */
    uint64_t large[DBT_LARGE];
    uint64_t fetch_used, fetch_global, fetch_large;         /* bits of fetch[] */
    /* tag: linear page | 1; 0: empty */
    struct { uint64_t tag; uint8_t *host; struct DbtRegion *region; } fetch[DBT_FETCH_N];
    TlbEntry first_tlb[2 * DBT_TLB_N];  /* tlb and victim while there are no more */
    uint16_t first_filled[DBT_TLB_N];
} __attribute__((aligned(64))) DbtContext;    /* so that a neighbour's address differs in one bit */

static inline void tlb_note_local(DbtContext *x, unsigned slot)
{
    uint64_t bit = UINT64_C(1) << (slot % 64);

    if (!(x->local[slot / 64] & bit)) {
        x->local[slot / 64] |= bit;
        x->local_words[slot / 64 / 64] |= UINT64_C(1) << (slot / 64 % 64);
        x->n_local++;
    }
}
static inline void tlb_no_local(DbtContext *x)
{
    memset(x->local, 0, sizeof(x->local));
    memset(x->local_words, 0, sizeof(x->local_words));
    x->n_local = 0;
}
static inline unsigned dbt_beside_slot(uint64_t host_page)
{
    return (host_page >> DBT_PAGE_BITS) & (DBT_BESIDE_N - 1);
}
static inline unsigned tlb_slot(const DbtContext *x, uint64_t v)
{
    return (v >> DBT_PAGE_BITS) & (x->tlb_n - 1);
}

typedef struct DbtContextKey {          /* what is looked at of all contexts, side by side */
    DbtKey   key;                       /* space: of a domain, all other bits set: for all in it */
    uint64_t space;                     /* of what is not global in it */
    bool     used, made;                /* made: its tables have been set up */
    uint8_t  much;                      /* for all: moves that it has lost much in, lately */
    uint64_t last_used;
    uint64_t global_lo, global_hi;      /* linear pages of global entries lie between */
} DbtContextKey;

typedef struct Block Block;
typedef struct DbtMachine DbtMachine;

typedef enum { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH, ACCESS_KIND = 3,
    /* or-ed in: as supervisor whatever the CPL (descriptor tables, TSS, interrupt frames) */
    ACCESS_SYSTEM = 4,
    ACCESS_PROBE = 8,                   /* or-ed in: set no A and D bits */
} DbtAccess;

typedef struct DbtWalk {                /* result of a page-table walk */
    uint64_t phys;                      /* of the access itself */
    uint64_t page_bytes;                /* 4096, 2 MiB, 4 MiB, 1 GiB */
    /* may be writable in the TLB: the right is there and D is set */
    bool     writable;
    bool     global;
    uint32_t error;                     /* the guest's own error code, where the walk failed */
} DbtWalk;

enum { DBT_LAST_N = 3 };
static inline unsigned dbt_last_span(unsigned k) { return k ? 1u << (k + 1) : 1; }     /* 1, 4, 8 */

typedef struct DbtCpu {
    /* vcpu.attention is tested at back edges and indirect targets */
    Vcpu         vcpu;
    /* ---- hot: translated code reaches these with short displacements ---- */
    DbtContext  *ctx;                   /* current tables: dbt_use() */
    TlbEntry    *tlb;                   /* theirs */
    uint64_t     tlb_mask;              /* of the offset of an entry in it */
    /* linear; exact whenever C code that may raise runs, in tier 0, in the run loop */
    uint64_t     pc;
    uint64_t     pc_base;             /* linear base of the page that the running block starts in */
    uint32_t     fl;                    /* arithmetic flags as LAHF and SETO leave them in AX: bit 0 OF, bits 15:8 SF ZF 0 AF 0 PF 1 CF.
                                           Bit 9 clear, in native code only: the back end knows how to compute them */
    uint32_t     vec_live;              /* native engine: 1: bits 127:0 of the vector registers and MXCSR are in the host's, not in the
                                           struct; 2: bits 255:0 */
    DbtStack     stack;                 /* the current context's */
    /*
     * last offset in a page for an access of dbt_last_span(): constants, shorter to name than to
     * say
     */
    uint64_t     last[DBT_LAST_N];
    uint64_t     gpr[32];               /* guest general registers (x86 uses 16) */
    uint64_t     spill[16];             /* temporaries that found no host register */
    struct DbtHoist {                   /* of the loop that runs: x86_64/loop.c */
        /*
         * host address of each hoisted check, or its distance from the linear one; as many as
         * IR_HOISTED
         */
        uint64_t host[12];
        /* turns left for all of them; the counter's value when they are over */
        uint64_t turns, stop;
        uint32_t wait;                  /* turns until it is looked whether they are good */
    } hoist;
    /* ---- run time ---- */
    const struct DbtGuest *guest;
    DbtMachine  *dbt;
    sigjmp_buf   leave;                 /* dbt_leave() returns to the run loop here */
    DbtContext  *contexts;              /* DBT_CONTEXTS of them */
    IrBlock     *ir;                    /* scratch for translation */
    DbtContextKey keys[DBT_CONTEXTS];
    uint64_t     space;                 /* that dbt_mode_changed() saw last */
    uint64_t     apart;                 /* kernels, hashed, with contexts for one space each */
    uint8_t      guess[64];             /* by a hash of the key: which context it had last */
    uint64_t     tick;                  /* for last_used */
    /* the last one of user code: whom inline caches, far words and traces are told of */
    DbtContext  *user_ctx;
    bool         in_code;               /* looks for a block or runs one: its code must stay */
    struct DbtStats *stats;
    struct DbtCpuPrivate *steps;        /* dbt.c */
    /* tlb.c: lines of the map found last, good until it changes */
    struct RamHit {
        uint64_t at, size;
        uint8_t *host;                  /* of `at` */
        struct Region *region;
        struct DbtRegion *code;
        uint8_t  seen;
    } ram_hit[4];
    unsigned     ram_next;
    /*
     * Pages with code that this vCPU may store to beside the code: host address, and the granules
     * with code.  As a page that is writable in a TLB it is a right: before code is made of such a
     * page, all vCPUs lose it (block_page_guard()).
     */
    struct DbtBeside {
        uint64_t page;                  /* 0: none */
        const void *code;               /* CodePage */
    } beside[DBT_BESIDE_N];
    /* times this vCPU may have waited for a lock: what was checked before is to be checked again */
    uint32_t     waits;
    uint64_t     map_flushes;
    const struct Debug *debug;          /* core/debug.h; NULL: no break- or watchpoint */
    DbtWalk      miss;                  /* dbt_refill(): the walk that has failed, */
    uint64_t     miss_linear;           /* of this address; */
    /* not 0: it has just failed; the back end then puts down whose it is */
    uint32_t     miss_rec;
    unsigned     bounce_next;
    /* copies of what lies across two pages, for DBT_BOUNCE */
    uint8_t      bounce[4][128] __attribute__((aligned(64)));
    /* ---- inline caches: ic.c ---- */
    DbtContext  *ic_ctx;                /* whose they are, or NULL */
    uint32_t     n_ic_used;
    /* misses of what is not empty until somebody looks at how often they come */
    int32_t      ic_budget;
    uint64_t     ic_tick;               /* time of the last look, in microseconds */
    uint64_t     ic_targets;           /* of jumps: dbt_ic_target() of each that has been entered */
    struct DbtTracer *tracer;           /* trace.c */
    struct DbtFarCpu *far;              /* far.c */
    /* jumps to other pages that find another word, until one of them looks */
    int32_t      far_budget;
    struct DbtSeen {                    /* what tier 0 has accessed, for whoever sets `wanted` */
        bool     wanted, write[4];
        unsigned n;
        uint64_t linear[4];
    } seen;
    /*
     * [DBT_IC_N]: those that are not empty; all are behind the guest's struct: DbtGuest.ic_offset
     */
    DbtIc      **ic_used;
} DbtCpu;

static inline unsigned dbt_fl_flags(uint32_t fl)        /* DbtCpu.fl as FL_* */
{
    return (fl >> 8 & 1) * FL_C | (fl >> 10 & 1) * FL_P | (fl >> 12 & 1) * FL_A |
           (fl >> 14 & 1) * FL_Z | (fl >> 15 & 1) * FL_S | (fl & 1) * FL_O;
}

static inline void dbt_use(DbtCpu *c, DbtContext *x)
{
    if (c->ctx && c->ctx != x) {
        c->ctx->stack = c->stack;
        c->stack = x->stack;
    }
    c->ctx = x;
    c->tlb = x->tlb;
    c->tlb_mask = x->tlb_mask = (uint64_t)(x->tlb_n - 1) << DBT_TLB_SHIFT;
}
static inline void dbt_constants(DbtCpu *c)
{
    for (unsigned k = 0; k < DBT_LAST_N; k++) {
        c->last[k] = DBT_PAGE - dbt_last_span(k);
    }
}
/* Tables of no entry yet. */
static inline void dbt_context_empty(DbtContext *x)
{
    x->tlb = x->first_tlb;
    x->victim = x->tlb + DBT_TLB_N;
    x->tlb_n = DBT_TLB_N;
    x->filled = x->first_filled;
    x->n_filled = 0;
    tlb_no_local(x);
    for (unsigned s = 0; s < DBT_TLB_N; s++) {
        x->tlb[s] = (TlbEntry){ .read = tlb_empty(s), .write = tlb_empty(s) };
        x->victim[s].phys = 0;
    }
}

/* what an operation of the IR itself can raise, at c->pc, nothing changed yet */
typedef enum {
    TRAP_DIVIDE,                        /* divu, divs: x86 #DE */
    TRAP_ALIGN,                         /* IrMem.align: x86 #GP(0) */
    /* beyond a limit, missing right, non-canonical address: x86 #SS(0) for SS, else #GP(0) */
    TRAP_SEGMENT,
    TRAP_CODE_LIMIT,                    /* chkcs, chkpc: x86 #GP(0) */
} DbtTrap;

typedef enum {
    FATE_WANTED,                        /* perhaps read */
    /* overwritten before they are read, but a check of memory may leave before */
    FATE_FAULT,
    FATE_DEAD,                          /* overwritten before anything reads them or leaves */
} DbtFlagsFate;
typedef struct DbtPeek {
    /* in: host address; where to begin, and offsets that may be looked at; */
    const uint8_t *page;
    unsigned at, lo, hi;                /* out: those that were */
    uint16_t regs;                      /* out, for FATE_FAULT: guest registers (bits 0 to 15) that may be written before the last place
                                           that may leave while the flags are wanted */
} DbtPeek;

/*
 * C1 of the x87 as native code leaves it, where the last operation sets it: host_x87 of the CPU
 * struct.
 */
enum { DBT_X87_NONE = 0x8000 };         /* nothing is left: it is in the guest's status word */
typedef struct DbtX87 {
    /* bits 15:0: a status word of the host, whose bit 15 is never set; DBT_X87_NONE */
    uint32_t c1;
    uint8_t  env[28];                   /* scratch, of native code */
} DbtX87;

/*
 * A helper need not be called where the 16 bits at `at` of the CPU struct are `is`, and of the byte
 * at `clear_at` none of `clear` is set.
 */
typedef struct DbtIdle {
    size_t   at, clear_at;              /* at 0: no such condition */
    uint16_t is;
    uint8_t  clear;
} DbtIdle;

typedef struct DbtGuest {               /* one per guest architecture; x86: cpu/x86/guest.c */
    const char *name;
    /*
     * Translate from c->pc in the current mode.  code: n bytes from pc to the end of its page;
     * next: the following page's bytes (4096) or NULL if they cannot be fetched: an instruction
     * that needs them is left out; if it is the first, emit nothing (n_guest 0) and tier 0 raises
     * the fault.  Ends each block with an ENDS operation.
     */
    void (*translate)(DbtCpu *c, IrBlock *b, const uint8_t *code, unsigned n, const uint8_t *next,
                      unsigned max_guest_insns);
    /* All of c that translate() reads, to a struct that nobody runs. */
    void (*front_state)(const DbtCpu *c, DbtCpu *to);
    /* what becomes of the arithmetic flags in this code */
    DbtFlagsFate (*flags_fate)(DbtCpu *c, uint64_t mode, DbtPeek *p);
    /* sets A and D; false: out->error */
    bool (*walk)(DbtCpu *c, uint64_t linear, DbtAccess access, DbtWalk *out);
    /* raise it */
    void (*fault)(DbtCpu *c, uint64_t linear, DbtAccess access,
                  const DbtWalk *walk) G_GNUC_NORETURN;
    /*
     * The same of native code, whose locals are in the struct: may come back when pc is the
     * handler's.
     */
    void (*fault_enter)(DbtCpu *c, uint64_t linear, DbtAccess access, const DbtWalk *walk);
    /* seg: IrMem.segment; SEG_NONE: the default one */
    void (*trap)(DbtCpu *c, DbtTrap what, unsigned seg) G_GNUC_NORETURN;
    /*
     * The indirect branch at c->pc is done but for its jump, to an address that is not canonical:
     * take back what it did, raise.
     */
    void (*bad_target)(DbtCpu *c) G_GNUC_NORETURN;
    DbtKey (*key)(DbtCpu *c);           /* of the current state */
    /* deliver one pending event that is allowed at this boundary; false: there was none */
    bool (*interrupt)(DbtCpu *c);
    /* tier 0 must run one instruction at a time now: TF, debug registers, interrupt shadow */
    bool (*single)(DbtCpu *c);
    /* after each instruction run so: clears shadows, raises traps (may dbt_leave) */
    void (*insn_done)(DbtCpu *c);
    bool (*idle)(DbtCpu *c);            /* halted, waiting for SIPI, shut down */
    /*
     * on the vCPU's thread, before others may look at its state: take what code left in host
     * registers
     */
    void (*stopped)(DbtCpu *c);
    void (*accessed)(DbtCpu *c, uint64_t linear, unsigned bytes, bool write);   /* before each access made in a mode with a bit
                                           of mode_slow (data breakpoints, alignment checks), where no TLB entry is made */
    /* the AddressSpace changed: forget host addresses; whenever the TLBs are emptied for that */
    void (*map_changed)(DbtCpu *c);
    /*
     * For the cache on disk: what translation depends on beside bytes, place in the page,
     * DbtKey.mode and guards.  A hash of what stays as it is while the machine runs (the CPU
     * model); place: all that depends on the linear address c->pc.
     */
    uint64_t (*cache_key)(DbtCpu *c, uint64_t place[2]);
    /* when it does nothing; NULL: not known, or never; may be NULL itself */
    const struct DbtIdle *(*idle_helper)(unsigned helper);
    uint64_t mode_slow;
    /* bits of DbtKey.space: global pages are the same where these are (x86: ASIDs of guests) */
    uint64_t space_domain;
    /* in the CPU struct's memory, DBT_IC_BYTES; 0: there are no inline caches and no traces */
    size_t   ic_offset;
    unsigned stack_reg;                 /* guest register that returns add to */
    /* bits of DbtKey.mode that fetches do not depend on, among the upper 32 */
    uint64_t mode_data;
    uint64_t mode_global;               /* bits of DbtKey.mode: pages can be global */
    /* bits of DbtKey.mode, all of them set in user code; 0: not told */
    uint64_t mode_user;
    /*
     * bits of DbtKey.mode: linear addresses have 64 bits (x86: 64-bit code); else they wrap at 4
     * GiB
     */
    uint64_t mode_wide;
    const IrHelperDesc *helpers;
    unsigned n_helpers;
    const IrVecDesc *vecs;
    unsigned n_vecs, n_gpr;
    size_t   vec_offset, vec_stride;    /* vector registers in the CPU struct */
    /*
     * The meaning of vop `sub`, a VEX form: d, a, b, c point to its operands (NULL: none) in the
     * struct or to a copy; flags as IrVecFn.
     */
    uint64_t (*vex)(void *cpu, unsigned sub, void *d, const void *a, const void *b, const void *c,
                    unsigned imm8, unsigned vl);
    /* bits of DbtKey.mode: vector registers have 256 bits to take care of */
    uint64_t mode_ymm;
    size_t   mmx_offset, mmx_stride;
    size_t   x87_sw_offset;             /* x87 status word, and a DbtX87, for V87 operations */
    size_t   x87_host_offset;
    size_t   fpcr_offset;               /* x86: MXCSR */
    size_t   seg_offset, seg_stride;    /* of IrMem.segment, then inside it: */
    size_t   seg_base, seg_lo, seg_hi_read, seg_hi_write;   /* see X86Seg */
    /* 64-bit linear addresses are sign-extended from so many (x86: 48) */
    unsigned canonical_bits;
    size_t   cs_base, cs_limit;         /* for chkcs: uint64_t base, uint32_t limit */
} DbtGuest;

static inline bool dbt_canonical(const DbtGuest *g, uint64_t linear)
{
    unsigned shift = 64 - g->canonical_bits;
    return (uint64_t)((int64_t)(linear << shift) >> shift) == linear;
}
/* Is it for bad_target() that an indirect branch goes there? */
static inline bool dbt_is_bad_target(const DbtCpu *c, uint64_t to)
{
    const DbtGuest *g = c->guest;
    return g->bad_target && !dbt_canonical(g, to) && c->ctx->key.mode & g->mode_wide;
}

/* ---- for the guest's C code (cpu/x86) ---- */
/* abandon the current instruction: the state in the struct is what counts */
void     dbt_leave(DbtCpu *c) G_GNUC_NORETURN;
/* key() may differ now: switches context; cheap if it does not */
void     dbt_mode_changed(DbtCpu *c);
/*
 * mode_data alone has led from one to the other, and leads back: IR_bulk 2 and 3 do it without C
 * from now on.
 */
void     dbt_twins(DbtCpu *c, DbtContext *one, DbtContext *other);
/*
 * An instruction has led from one to the other, and does so each time that its IR_gate's condition
 * holds, until dbt_gates_drop().
 */
void     dbt_gate(DbtCpu *c, DbtContext *from, DbtContext *to);
void     dbt_gates_drop(DbtCpu *c);
void     dbt_space_changed(DbtCpu *c);  /* vcpu.as is another now; key() must tell the two apart */
void     dbt_flush_all(DbtCpu *c);      /* every context of this vCPU */
/* contexts of spaces with (space & mask) == space */
void     dbt_flush_space(DbtCpu *c, uint64_t mask, uint64_t space, bool keep_global);
/* INVLPG: those contexts; globals in all */
void     dbt_flush_page(DbtCpu *c, uint64_t linear, uint64_t mask, uint64_t space);
/*
 * Guest memory by linear address, with the current rights; raise the guest's fault.  Aligned
 * accesses do not tear.
 */
/* What the TLB has in its first place, as generated code would find it: host address, or NULL. */
static inline uint8_t *dbt_at_hand(const DbtCpu *c, uint64_t linear, unsigned bytes, bool write)
{
    const TlbEntry *e = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    uint64_t in_page = linear ^ (write ? e->write : e->read);

    return in_page <= DBT_PAGE - (uint64_t)bytes ? (uint8_t *)(uintptr_t)(e->page + in_page) : NULL;
}
uint64_t dbt_load(DbtCpu *c, uint64_t linear, unsigned bytes);
void     dbt_store(DbtCpu *c, uint64_t linear, uint64_t value, unsigned bytes);
/* n <= 4096 */
void     dbt_load_bytes(DbtCpu *c, uint64_t linear, void *to, unsigned n);
/* all of it is checked first */
void     dbt_store_bytes(DbtCpu *c, uint64_t linear, const void *from, unsigned n);
/* raise now what an access would raise */
void     dbt_check(DbtCpu *c, uint64_t linear, unsigned bytes, DbtAccess access);
/* The same as supervisor whatever the CPL (descriptor tables, TSS, interrupt frames). */
uint64_t dbt_load_system(DbtCpu *c, uint64_t linear, unsigned bytes);
void     dbt_store_system(DbtCpu *c, uint64_t linear, uint64_t value, unsigned bytes);
void     dbt_check_system(DbtCpu *c, uint64_t linear, unsigned bytes, DbtAccess access);
/* Host address of linear if it is plain RAM without code, good for *n bytes (to the page's end at
 * most); NULL if it is not; raises page faults.  For bulk rep; good until the helper returns. */
void    *dbt_host(DbtCpu *c, uint64_t linear, DbtAccess access, unsigned *n);
/*
 * For read-modify-writes that no host instruction can do (across pages, MMIO): no other vCPU runs
 * in between.
 */
void     dbt_exclusive_begin(DbtCpu *c);
void     dbt_exclusive_end(DbtCpu *c);

/* An access of up to 64 bytes that has been checked, for tier 0 and the functions above. */
typedef struct DbtAccessDesc {
    /* RAM of first and second page; NULL: not RAM (or no second page) */
    uint8_t *host, *host2;
    uint64_t phys, phys2;               /* of the first byte in each */
    unsigned n1, n;                     /* bytes in the first page, in all */
    uint32_t waits;                     /* DbtCpu.waits when it was checked */
    bool     code, code2;               /* RAM that holds code: stores ask (codepage.c) */
} DbtAccessDesc;
/* raises faults */
void dbt_access(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned ir_access, DbtAccessDesc *out);
/* bytes 1 2 4 8 */
uint64_t dbt_desc_load(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, unsigned bytes);
void dbt_desc_store(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, uint64_t value,
                    unsigned bytes);
/* vectors */
void dbt_desc_copy(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, void *buf, unsigned bytes,
                   bool store);
/*
 * The slow half of a check, for native stubs: the host address of linear if the access may go
 * straight to RAM (the TLB is filled where that makes the next one hit; a store to a clean granule
 * of a page with code passes without), else NULL: leave to tier 0.  Never raises.  Needs no guest
 * registers and no exact pc.  With DBT_BOUNCE the address is read from once, by the instruction at
 * hand: it may be of a copy.
 */
enum { DBT_BOUNCE = 4 };                /* with IR_READ alone */
void    *dbt_refill(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned ir_access);

/* ---- engines ---- */
/* Run a block's IR from its first operation to an exit: then pc, registers and flags in the CPU
 * struct are exact.
 * Returns true if the run loop must poll (exit_next, attention). */
bool     interp_run(DbtCpu *c, const IrBlock *b);
/* tier 0: translate and run exactly one guest instruction at c->pc; may raise */
void     dbt_step(DbtCpu *c);

/* a direct exit to the same page, or to another of the trace's */
typedef struct BlockLink {
    Block   *from, *to;                 /* to: linked to, or NULL */
    uint32_t next_in;                   /* number plus 1 of another link to the same block, or 0 */
    uint32_t stub;                     /* back end's: where the jump leads while it is not linked */
    uint32_t patch;                     /* back end's: what to patch */
    int16_t  target;                    /* offset from the page base */
    uint8_t  loop : 1;                  /* goes to from's loop entry, and nowhere else */
    /* to another page of the trace it is from, or: pc_base is that page's already */
    uint8_t  far : 1;
    uint8_t  pair : 1;                  /* to the other page of a pair: far.c */
    bool     cached;                    /* cannot be linked: by the jump cache; atomic */
} BlockLink;

enum { DBT_MODE_UNMERGED = 1 << 30 }; /* in Block.mode only: no merged checks; see dbt_unmerged() */

struct Block {                          /* one line of the cache */
    uint8_t    *at, *at2;               /* host address of its first guest byte; of the second page where it has one, else NULL.
                                           (A guest physical address may show ROM now and RAM later: PAM.) */
    Block      *hash_next;
    union {
        /*
         * native: from the jump cache: linear target PC in a register of the back end's; sets
         * pc_base
         */
        const void *entry;
        int       (*tcc)(DbtCpu *c);    /* engine tcc: its region, once compiled; atomic */
    };
    uint32_t    mode;                   /* low half of DbtKey.mode */
    uint16_t    length, n_links;
    /* bytes of its page that the code depends on: its own and what was peeked at exits */
    uint16_t    from, to;
    /* native, from entry on: where its own jumps back to its start go; 0: to body as all others */
    uint16_t    loop;
    /* native, from entry on: pc_base is right already (same-page links) */
    uint8_t     body;
    bool        dead;                   /* atomic; written with the lock */
    union {
        struct {                        /* native */
            uint32_t code_bytes;
            /* number of its first link; number plus 1 of the first link that leads here, or 0 */
            uint32_t links, incoming;
            uint32_t trace : 31;       /* number plus 1 of the trace that it is the code of, or 0 */
            uint32_t counted : 1;       /* counts its entries: trace_hot() */
        };
        struct {                        /* interpreter */
            uint32_t heat;              /* times run, while that counts; atomic, but not exact */
            IrBlock *ir;
        };
    };
} __attribute__((aligned(64)));

typedef struct DbtBackend {             /* accel/dbt/<host>/ */
    const char *name;
    bool  (*init)(DbtMachine *d, GError **err);
    void  (*fini)(DbtMachine *d);                       /* no vCPU and no block is left */
    /* fills the native part; false: arena full */
    bool  (*emit)(DbtMachine *d, const DbtGuest *g, IrBlock *ir, Block *b);
    /*
     * For the cache on disk.  pack: the block just emitted, without what depends on where it is;
     * bytes written, or 0: it cannot be
     * kept.  unpack: the same block elsewhere; false: nonsense, or *full.  host: words that name
     * what code depends on of the host's CPU.
     */
    size_t (*pack)(DbtMachine *d, const Block *b, uint8_t *to, size_t room);
    bool (*unpack)(DbtMachine *d, const DbtGuest *g, const uint8_t *from, size_t n, Block *b,
                   bool *full);
    bool  (*host)(uint32_t *words, unsigned n);
    /*
     * Patch l to jump to to's body; other vCPUs may be running it.  NULL: it cannot be linked, by
     * the jump cache from now on.
     */
    void  (*link)(DbtMachine *d, BlockLink *l, const Block *to);
    void  (*unlink)(DbtMachine *d, BlockLink *l);
    /* make b->entry go to dbt_lookup() instead: its links are gone already */
    void  (*kill)(DbtMachine *d, Block *b);
    void  (*revive)(DbtMachine *d, Block *b);           /* undo kill */
    void  (*begin)(DbtMachine *d, unsigned generation); /* new code goes there: nothing is in it */
    /* all vCPUs stopped; its blocks are dead, and nothing leads to them */
    void  (*reclaim)(DbtMachine *d, unsigned generation);
    /* enter code for c->pc; returns when the run loop is needed: state is exact */
    void  (*run)(DbtCpu *c, const void *entry);
    bool  (*print)(const Block *b, GString *out);       /* -d out_asm */
} DbtBackend;
extern const DbtBackend dbt_backend_x86_64;

/* Called by the back end's stubs, state exact in the struct: */
const void *dbt_lookup(DbtCpu *c);      /* code for c->pc in the current context, translating and filling the jump cache;
                                           NULL: back to the run loop (attention, single-stepping, idle) */
/*
 * The same for a direct exit, which it links where that is allowed.  word: of the pair, if it is of
 * one.
 */
const void *dbt_link_lookup(DbtCpu *c, BlockLink *l, unsigned word);
/* A merged check failed for the instruction at c->pc: the same code with a check for each access,
 * from there to its end; good for the block of that check as long as it exists.  NULL: dbt_slow().
 * */
const void *dbt_unmerged(DbtCpu *c);
const void *dbt_go_on(DbtCpu *c);       /* code for c->pc, which something else than code has set */
/* a check failed for the instruction at c->pc: dbt_step(), then dbt_lookup() */
const void *dbt_slow(DbtCpu *c);
#endif
