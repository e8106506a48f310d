/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x64.h -- what the files of the x86-64 back end share: register assignment, the arena, and the state of one emission.
 *
 * Host registers while translated code runs:
 *   rsp  host stack, 16-byte aligned                     rbp  the CPU struct plus BIAS, so that hot members have disp8
 *   rax, r10, r11  scratch: temporaries, host addresses, flags on their way to and from cpu->fl (LAHF needs AH)
 *   r9, rcx, rdx, rbx, rsi, rdi, r15, r14, r8, r12, r13  guest rax, rcx, rdx, rbx, rsi, rdi, rsp, rbp, r8, r12, r13
 *   xmm0-15 or ymm0-15, MXCSR  the guest's while cpu->vec_live is set; a block that uses them loads them at its start if they are not,
 *                   and stubs that call C put them back into the struct if they are: code without vectors pays nothing
 * The other guest registers stay in cpu->gpr[].  Never a C callee sees guest registers but through the struct.
 *
 * Flags: the six arithmetic flags are in the host's flags (Em.host), in cpu->fl (Em.mem), or can be computed again from
 * operands that are still there (Em.recipe), which only a check that fails does.  At block edges they are in cpu->fl, or
 * the number of a recipe is (X64.lazy).
 *
 * Threads: emission under DbtMachine.lock; the arena's code is run by all vCPUs.
 */
#ifndef ACCEL_DBT_X86_64_X64_H
#define ACCEL_DBT_X86_64_X64_H
#include <string.h>
#include "accel/dbt/internal.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NO_REG = 0xff };
enum { BLOCK_ALIGN = 8 };               /* for x64_kill() and align_rel32() */
enum { BIAS = offsetof(DbtCpu, vcpu.attention) + 128 };
#define CPU(member) ((int32_t)offsetof(DbtCpu, member) - BIAS)
enum { N_GPR = 16, N_VALS = IR_TEMPS + IR_HOSTS, JMP_SHIFT = 4,
       BODY_TEST = 10, BODY_COUNT = 12 };       /* bytes before Block.body: of the exit check, and of the counter behind it */
enum { FAR_BYTES = 29, FAR_WORD_BACK = 22 };    /* of a link to another page up to its rel32; that far before it: the disp32 of its word */
#define LINK_BACK (UINT32_C(1) << 31)   /* in BlockLink.stub, an offset in the arena: a back edge */
extern const uint8_t x64_gpr[N_GPR];    /* host register of a guest register, or NO_REG */

/* Everything a slow path needs to know of its place in the guest's code and named by number from stubs. */
enum { RECIPE_NONE, RECIPE_OPERANDS, RECIPE_RESULT_B, RECIPE_RESULT, RECIPE_PRODUCT };
typedef struct LeaveRec {
    int32_t  pc;                        /* offset of the guest instruction from the page base */
    uint16_t span;                      /* of the check; own_*: of the first access, where others were merged into it */
    uint8_t  own_at, own_span;
    uint8_t  access;                    /* IR_* | own IR_* << 4 */
    uint8_t  how, mask;                 /* RECIPE_*; flags (FL_*) to compute */
    uint8_t  op, type : 4, exact : 1;   /* exact: a page fault of the check's (own) access is what its instruction raises */
    uint8_t  has_ic : 1;                /* it has an inline cache that can be given up */
    uint8_t  a : 4, r : 4, b;           /* guest registers */
    uint8_t  merged;
    int32_t  imm;                       /* second operand if b is 0xff */
    uint32_t swaps : 20, ic : 12;       /* Em.swaps; number of its inline cache */
    const void *unmerged;               /* where it goes on if the merged check fails; atomic, NULL: not known yet */
} LeaveRec;

enum { IC_WRITE = 128, IC_NONE = -1,
       IC_CODE = 27 };                  /* bytes of the check from its first instruction, which is patched, to where its stub comes back */
enum { LEAVE_IC_AT = offsetof(LeaveRec, imm) + 4, LEAVE_IC_SHIFT = 20 };     /* the word with LeaveRec.ic in its upper bits */

typedef struct Recipe {
    uint8_t  how, op, type, a, b, r, sets;
    int32_t  imm;
    uint16_t regs;                      /* guest registers it depends on */
} Recipe;

/*
 * Flags that the code at a direct exit's target needs only if it leaves: the exit stores the number of a recipe in cpu->fl
 * instead, with bit 9 clear, which LAHF always sets.  C code called by stubs computes them: flags_settle().
 */
enum { LAZY_BITS = 15, LAZY_MAX = 1 << LAZY_BITS, LAZY_HASH = 1 << 12, FL_REAL = 1 << 9 };

/* Bytes of a memory check behind its address, with room to be copied in one piece; from: its rel32. */
typedef struct CheckForm { uint8_t code[40], n, from; } CheckForm;

typedef struct X64 {
    const DbtGuest *guest;
    uint8_t  *rw, *rx;                  /* two views of one memory */
    size_t    size, first;              /* first: where blocks start, after the thunks */
    LeaveRec *recs;
    uint32_t  max_recs, max_links;
    unsigned  generation;               /* which has an equal part of the arena, of recs and of links */
    size_t    used, end;                /* what the current one has used, and where its part ends */
    uint32_t  n_recs, end_recs, n_links, end_links;
    uint32_t  recs_used[DBT_GENERATIONS];       /* of the others: where what they have used ends */
    uint32_t  rooms[2];                 /* recs and links for which memory is there */
    size_t    populated;                /* of the arena: memory is there */
    size_t    dropped;                  /* rw was unmapped up to here, for the time being */
    Recipe    lazy[LAZY_MAX];           /* 0: none */
    uint32_t  n_lazy;
    uint8_t   lazy_of[LAZY_MAX];        /* generations that name it */
    uint32_t  n_ic;                     /* inline caches given out so far; each is of several places in the end, which have one kind: */
    uint8_t   ic_kind[DBT_IC_DATA];     /* bytes of the access, IC_WRITE */
    uint16_t  ic_last[256];             /* of each kind, that given out last */
    uint8_t   ic_jump_of[DBT_IC_JUMPS]; /* generation that has it, plus 1 */
    uint16_t  lazy_hash[LAZY_HASH];
    /* By scratch_number() of the registers; to be written; a span that last[] does not have: form.c. */
    CheckForm stack_form[3], tlb_form[3][3][2][2];
    /* thunks, as offsets in the arena: stubs.c */
    uint32_t  enter, leave, link, second, second_from, miss, miss_unmerged, exit_at, exit_pc, spill, spill_at, reload;
    uint32_t  vec_load, vec_load_ymm, vec_spill, refill[3], refill_by_c[3], ic[3][2], hot, check, far, stack[3], refill_undo[3][3][2],
              ic_jump;                  /* the last of them: pack.c */
} X64;

typedef struct Opnd {                   /* where a source or destination is, in the host's terms */
    enum { O_NONE, O_REG, O_MEM, O_IMM } kind;
    uint8_t  reg;                       /* register, or base of the memory operand */
    bool     high;                      /* bits 15:8 of reg */
    int32_t  disp;
    uint64_t imm;
} Opnd;

typedef enum {
    STUB_CHECK, STUB_REFILL, STUB_IC, STUB_LEAVE, STUB_EXIT, STUB_JUMP, STUB_GUESS, STUB_VEC, STUB_FAR, STUB_GATE
} StubKind;
typedef struct Stub {                   /* out of line: emitted after the block */
    StubKind  kind;
    uint8_t  *from;                     /* rel32 to fill in (its four bytes) */
    uint8_t  *back;
    uint8_t   x, y;                     /* STUB_REFILL, STUB_IC: address and entry registers; STUB_GUESS: where it goes, in x */
    uint16_t  span;                     /* STUB_IC: bytes of the access */
    uint16_t  borrowed;                 /* STUB_LEAVE, STUB_GUESS: registers to restore first */
    uint8_t   x87_n, x87[8], x87_c1;    /* the host's x87 at the branch: x87.c */
    bool      write, save;              /* save: STUB_EXIT stores the host's flags first */
    uint32_t  rec, thunk;               /* STUB_FAR: number of the pair; STUB_GATE: of the operation; STUB_CHECK: where it goes */
    int32_t   target, pc;               /* STUB_EXIT, STUB_FAR: offset from the page base; of the guest instruction that exits, or is at a gate */
} Stub;

typedef enum { RELOC_SKIP, RELOC_THUNK, RELOC_CALL, RELOC_REC, RELOC_LINK, RELOC_RECIPE } RelocKind;
typedef struct Reloc {
    uint32_t  at;                       /* from the block's start */
    RelocKind kind;
} Reloc;

enum { MAX_RELOCS = 4096, MAX_STUBS = 2048, MAX_LINKS = IR_MAX_GUEST * 2 + 16, FREE = 0xff, HELD = 0xfe, IN_SLOT = 0xfd, NOWHERE = 0xfc };

typedef struct Em {
    uint8_t  *p, *start, *end;          /* in the writable view */
    DbtMachine *d;
    X64      *x;
    const DbtGuest *g;
    IrBlock  *ir;                       /* the back end may work its liveness out again */
    const IrInsn *n;                    /* being emitted, */
    unsigned  i;                        /* its index */
    bool      wide, ymm, full;
    bool      ics, ic_all;              /* this code has inline caches; for more than addresses that hardly change, and jumps */
    bool      loops;                    /* its own jumps back to its start go to Block.loop; */
    enum { TURN_ALL, TURN_FIRST, TURN_REST } turn;      /* if there are hoisted checks: loop.c */
    bool      at_end;                   /* of the rest of turns: the only such jump then */
    bool      quiet;                    /* nothing in the rest of turns wants flags of the turn before; */
    uint16_t  loop_fl;                  /* so that a recipe for those, not 0, is stored where the rest is left */
    IrHoist   hoist;
    uint8_t  *loop_fails[4 * IR_HOISTED], *loop_waits, *loop_first;       /* rel32s */
    uint8_t  *look;
    unsigned  n_loop_fails;
    const Trace *trace;                 /* NULL: a block */
    unsigned  stays;                    /* inline caches that it may still have: Trace.stays */
    bool      keeps;                    /* the block may be packed: relocs[] are all that depends on its place */
    bool      merge;                    /* flags of this operation are merged into cpu->fl after it */
    int32_t   guest_pc;                 /* offset of the guest instruction */
    unsigned  stack_reg;                /* guest register whose accesses ask the stack's page; else what is none */
    unsigned  counter;                  /* number of Block.counted's */
    /* scratch registers: owner[] by host register: FREE, HELD by the operation, or a value: 0-7 temporaries, 8-15 host addresses */
    uint8_t   owner[16];
    uint8_t   at[32];                   /* by value: host register, IN_SLOT, NOWHERE */
    uint16_t  held;                     /* registers the operation at hand uses */
    uint16_t  borrowed;                 /* guest registers put aside for it */
    /* guest registers: regs_swap() */
    uint8_t   gpr[N_GPR], slot[N_GPR];  /* host register or NO_REG; whose place in cpu->gpr[] it has */
    uint32_t  swaps;                    /* pairs that have changed places, 4 bits each: in SWAP_* order the partner plus 1, or 0 */
    uint8_t  *loop_attention;           /* of the exit check at Block.loop */
    uint8_t  *loop_hot, *hot, *check;   /* of the counters there and at the entry, and of the trace's check; or NULL */
    /* flags */
    uint8_t   host, mem;                /* FL_* that are valid there */
    Recipe    recipe;
    unsigned  recipe_at;                /* the operation it is of */
    uint8_t   vec_sure;                 /* vectors are loaded at this point */
    uint8_t   x87_n, x87[8], x87_c1;    /* guest registers on the host's x87 stack, where C1 is: x87.c */
    unsigned  n_stubs, n_relocs;
    unsigned  n_links;                  /* that it may have */
    uint32_t  first_rec;
    Block    *b;
    Stub      stubs[MAX_STUBS];
    Reloc     relocs[MAX_RELOCS];
} Em;

typedef struct X64Data {                /* DbtMachine.backend_data */
    X64 x;
    Em  em;
} X64Data;

/* regs.c */
void     regs_begin(Em *e);
unsigned last_loop(const Em *e);        /* the last operation that jumps to the block's own start, or 0 */
bool     regs_choose(Em *e, unsigned last);     /* for a block that loops, by its operation `last`: which guest registers had better change
                                           places; false: it must not loop by itself */
void     regs_swap_now(Em *e);
static inline void regs_swap(Em *e)     /* the code that makes them, or undoes it; by rax, keeps flags */
{
    if (e->swaps) {
        regs_swap_now(e);
    }
}
/* The host register of a guest register that has one, NO_REG for anything else. */
static inline unsigned reg_of(const Em *e, IrRef r)
{
    return r.kind == IR_GUEST && !r.high_byte ? e->gpr[r.id] : NO_REG;
}
static inline bool same_ref(IrRef a, IrRef b)
{
    return !memcmp(&a, &b, sizeof a);
}
void     regs_unswap_c(uint64_t *gpr, uint32_t swaps);          /* the same after all have been stored as if they had not */
void     regs_free_dead(Em *e);         /* regs_end_insn() */
unsigned free_scratch(const Em *e);     /* one that nobody holds, or NO_REG */
/* The same for a host address: not RAX, which is better kept for flags. */
static inline unsigned free_host(const Em *e)
{
    return e->owner[R11] == FREE && !(e->held >> R11 & 1) ? R11
         : e->owner[R10] == FREE && !(e->held >> R10 & 1) ? R10 : NO_REG;
}
unsigned take(Em *e);                   /* a scratch register, held until the operation ends; moves no flags */
void     take_rax(Em *e);               /* before operands are resolved */
unsigned take_host(Em *e);              /* take() for a host address */
void     give(Em *e, unsigned reg);
Opnd     src(Em *e, IrRef r, IrType type);      /* no high bytes: these are moved to a scratch register */
Opnd     src_rm(Em *e, IrRef r, IrType type);   /* register or memory */
unsigned src_reg(Em *e, IrRef r, IrType type);  /* register; bits above the type are undefined */
void     load_to(Em *e, unsigned reg, IrRef r, IrType type);   /* zero-extended, but for moves from registers of I8 and I16 */
unsigned dst_reg(Em *e, IrRef r, IrType type, unsigned avoid); /* register to compute the result in: the destination itself if that
                                           is whole and not in the mask `avoid` */
void     dst_done(Em *e, IrRef r, IrType type, unsigned reg);   /* result is in reg: store, merge, extend as the rules say */
void     set_val(Em *e, unsigned v, unsigned reg);      /* value v now lives in held scratch register reg */
void     release(Em *e, IrRef r);       /* the operation at hand has read it for the last time */
Opnd     place(Em *e, IrRef r);         /* of a destination that may be memory; high bytes as they are */
void     drop_scratch(Em *e, uint16_t live);    /* before a C call: move live values to their slots */
void     rename_val(Em *e, unsigned from, unsigned to);  /* from dies, to has its value and register */
void     restore_borrowed(Em *e, unsigned mask);
void     operands_done(Em *e);          /* the result is stored: what is held may be had again */
void     forget_scratch(Em *e);         /* after a C call */
/* Bits by owner[] % 32: values that nobody reads behind the operation at hand, and HELD. */
static inline uint32_t regs_dead(const Em *e)
{
    G_STATIC_ASSERT(N_VALS <= HELD % 32 && HELD % 32 < FREE % 32);
    return (~e->n->after.values & ((1u << N_VALS) - 1)) | 1u << HELD % 32;
}
/* Frees what dies here. */
static inline void regs_end_insn(Em *e)
{
    unsigned a = e->owner[RAX], b = e->owner[R10], c = e->owner[R11];

    if ((a & b & c) != FREE || e->borrowed) {
        uint32_t dead = regs_dead(e);
        if (((dead >> a % 32 | dead >> b % 32 | dead >> c % 32) & 1) || e->borrowed) {
            regs_free_dead(e);
        }
    }
    e->held = 0;
}
/* A check is about to give value v, a host address, anew: what the name had goes. */
static inline void drop_host(Em *e, unsigned v)
{
    if (e->at[v] < 16) {
        e->owner[e->at[v]] = FREE;
    }
    e->at[v] = NOWHERE;
}
static inline unsigned val_of(IrRef r) { return r.kind == IR_HOST ? IR_TEMPS + r.id : r.id; }

/* Liveness around the operation at hand. */
static inline const IrLive *live_before(const Em *e) { return &e->n[-1].after; }
static inline unsigned needed_before(const Em *e) { return live_before(e)->flags | live_before(e)->fault; }
static inline unsigned needed_after(const Em *e) { return e->n->after.flags | e->n->after.fault; }

/* flags.c */
void     flags_want(Em *e, unsigned mask);      /* have these in the host's flags */
void     flags_save(Em *e);
void     flags_lose(Em *e);
void     flags_begin(Em *e, unsigned hw);       /* hw: flags that the host instruction writes */
void     flags_end(Em *e, unsigned hw);
void     flags_all_begin(Em *e);        /* the same for an operation that writes all six and no more */
void     flags_all_end(Em *e);
void     flags_store(Em *e);            /* lahf; seto; mov: nothing else */
bool     flags_leave_recipe(Em *e, unsigned fault, unsigned written);   /* store a recipe's number for such an exit, if that will do */
unsigned flags_recipe(Em *e, unsigned fault, unsigned written);         /* what it would store; 0: it will not do */
void     flags_put_recipe(Em *e, unsigned fl);
/* The host's flags are about to be lost. */
static inline void flags_clobber(Em *e)
{
    if (e->host & ~e->mem) {
        flags_lose(e);
    }
    e->host = 0;
}
/* flags_begin() and flags_end() of an operation that gives the guest none, though the host's writes all. */
static inline void flags_none(Em *e)
{
    if (needed_after(e) & e->host & ~e->mem) {
        flags_lose(e);
    }
    e->host = 0;
}
unsigned kills(const Em *e, const IrInsn *n);
uint32_t leave_rec(Em *e, const IrMem *m);

/* alu.c, alu2.c, mem.c, ctl.c, vec.c: one function per group of operations */
void     em_alu(Em *e), em_unary(Em *e), em_shift(Em *e), em_mov(Em *e), em_ext(Em *e), em_bswap(Em *e), em_sel(Em *e), em_setcc(Em *e);
void     em_mul(Em *e), em_mul2(Em *e), em_div(Em *e), em_shld(Em *e), em_bt(Em *e), em_bscan(Em *e), em_crc32(Em *e);
void     em_getfl(Em *e), em_setfl(Em *e), em_cmc(Em *e), em_lea(Em *e), em_chk(Em *e), em_atomic(Em *e), em_fence(Em *e), em_prefetch(Em *e);
void     em_chkcs(Em *e), em_chkpc(Em *e), em_guard(Em *e), em_jmp(Em *e), em_br(Em *e), em_brz(Em *e), em_jind(Em *e), em_jguess(Em *e);
void     em_exit_pc(Em *e), em_exit_next(Em *e);
void     em_helper(Em *e), em_vop(Em *e), em_bulk(Em *e), em_gate(Em *e);
void     em_x87(Em *e, const IrVecDesc *d);
void     x87_flush(Em *e), x87_stub_store(Em *e, const Stub *s), x87_stub_load(Em *e, const Stub *s);
static inline bool is_x87(const IrVecDesc *d) { return (d->enc >> 8 & 0xff) == V87; }
void     em_vec_check(Em *e);
bool     em_vop_is_native(const Em *e, const IrInsn *n);        /* code, no call and no x87 */
void     tlb_entry(Em *e, unsigned y, unsigned x);      /* y = the TLB's entry for linear address x; no flags are kept */
void     em_address(Em *e, const IrMem *m, unsigned x, bool low);       /* offset part into x, a held register that holds no operand of it;
                                           low: only its low 32 bits are wanted */
void     em_call(Em *e, const void *fn);
void     em_load_pc(Em *e, unsigned reg, int32_t offset);       /* reg = page base + offset */
void     em_exit_to(Em *e, int32_t target);     /* go to page base + target: flags are in cpu->fl */
void     em_jmp_cache(Em *e);           /* go to the linear address in r10 */
void     align_patch(Em *e, unsigned skip, unsigned bytes);    /* so many bytes, behind `skip`, are to be replaced by one store */
Stub    *new_stub(Em *e, StubKind kind);        /* `from` is the rel32 just emitted */
Stub    *check_stub(Em *e, uint32_t rec, uint32_t thunk);       /* the same, STUB_CHECK; `back` is the caller's */
void     leave_if(Em *e, unsigned cc, uint32_t rec);
void     emit_stubs(Em *e);

unsigned lazy_number(X64 *x, const Recipe *r);          /* flags.c: number of this recipe among X64.lazy; 0: no room */

/* backend.c: room for a block of so much; false: the arena is full */
void     x64_ready(DbtMachine *d, const DbtGuest *g);
bool     x64_room(DbtMachine *d, size_t bytes, uint32_t recs, uint32_t links);
extern const uint8_t x64_head[7];       /* the first instruction of each block */
/* pack.c */
size_t   x64_pack(DbtMachine *d, const Block *b, uint8_t *to, size_t room);
bool     x64_unpack(DbtMachine *d, const DbtGuest *g, const uint8_t *from, size_t n, Block *b, bool *full);
bool     x64_host(uint32_t *words, unsigned n);

/* loop.c */
bool     loop_hoists(Em *e);            /* has the trace a loop with hoisted checks? */
void     loop_check(Em *e);             /* between the first turn and the rest */
void     loop_head(Em *e);              /* of each turn of the rest */
bool     loop_chk(Em *e);               /* the check at hand, if it is one of them */
void     loop_fail(Em *e);              /* out of line */

/* stack.c */
unsigned stack_limit(const Em *e, const IrMem *m);      /* which limit of DbtStack is this check's; DBT_STACK_LIMITS: none */
void     stack_check(Em *e, unsigned x, uint32_t rec, unsigned limit);
void     stack_make(Em *e);

/* mem.c; form.c */
void     tlb_check(Em *e, const IrMem *m, unsigned x, unsigned y, uint32_t rec);
bool     chk_by_form(Em *e);            /* em_chk(), for most; false: not for this one, but the host's flags are saved */
void     forms_make(Em *e);
static inline unsigned scratch_number(unsigned reg) { return reg == RAX ? 0 : reg - R10 + 1; }  /* of RAX, R10, R11 */

/* miss.c */
void     miss_make(Em *e);

/* stubs.c */
uint32_t thunk_here(Em *e);             /* aligned */
bool     thunks_make(X64 *x, Em *e);
void     flags_settle(DbtCpu *c);       /* registers in the struct are as they were when fl was stored */
static inline X64 *x64_of(const DbtMachine *d) { return &((X64Data *)d->backend_data)->x; }
static inline uint32_t arena_off(const X64 *x, const uint8_t *rw) { return (uint32_t)(rw - x->rw); }
#endif
