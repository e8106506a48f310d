/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ir.h -- the translator's language: a linear list of machine-like operations.
 *
 * Operands are guest registers (pinned to host registers or kept in the CPU struct), temporaries,
 * immediates, CPU struct members and checked host memory.  It is not SSA and not a generic RISC:
 * `add eax, [rbx+rcx*8+16]` is two operations,
 *
 *     chk   h0, read 4, [rbx + rcx*8 + 16]     the memory check, host address in h0
 *     add   eax, eax, (h0)    sets OSZAPC      of which the liveness pass keeps what is read
 *
 * and `lock add [rdi], eax` is   chk h0, read|write 4, [rdi];   add locked (h0), (h0), eax.
 * One pass over the list emits host code close to one-to-one.
 *
 * Rules for front ends
 *  - Each guest instruction starts with ir_insn() (its offset from the base of the 4 KiB page the
 *  block starts in); its operations are those that name it in `guest`, and it may have none.
 *  - All checks of a guest instruction, and rows marked LEAVES, come before its first side effect
 *    (a write to guest registers, flags, CPU struct or memory): one that fails leaves, and tier 0
 *    (the interpreter) then runs the instruction again from its start.  Only temporaries may have
 *    been written before.
 *  - A temporary lives inside one guest instruction and is written before it is read; t0..t7.  Host
 *    addresses h0..h3 live inside one guest instruction as well (the merge pass may share them
 *    afterwards).
 *  - An operation reads all its sources before it writes dst, then dst2.  A write of IR_I8/IR_I16
 *    to a guest register keeps the other bits (high_byte: bits 15:8); IR_I32 clears bits 63:32;
 *    temporaries always get the zero-extended
 *    value.  A narrow read takes the low bits (or bits 15:8).
 *  - At most one of a, b, c is IR_HOST; dst may be that same IR_HOST (read-modify-write), or an
 *    IR_HOST alone (store). `mov` with dst IR_HOST stores, with a IR_HOST loads; zext8/16/32 and
 *    sext8/16/32 load too (access of the source width).
 *    With dst IR_HOST there is no second IR_HOST but itself.
 *  - Flags not in `sets` stay as they are.  A flag that the guest's manual calls undefined is in
 *  `sets` and in `undef`.
 *
 * Checks: the merge pass widens a check over displacements that follow off the same unmodified
 * base, while they span less than a page.  A check that fails in native code goes to a stub, which
 * refills for the first access alone and tests again; what still fails (MMIO, page crossing,
 * watchpoint, code) leaves: the side table gives the guest PC and the flag recipe, tier 0 runs that
 * guest instruction exactly, and the next PC is looked up.
 * In tier 0 a host address is a descriptor (RAM, two pages, MMIO) that every IR_HOST operand knows
 * how to use.
 *
 * Threads: a list belongs to the thread that builds it.
 */
#ifndef ACCEL_DBT_IR_H
#define ACCEL_DBT_IR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <glib.h>
#include <string.h>

typedef enum { IR_I8, IR_I16, IR_I32, IR_I64 } IrType;      /* width in bytes: 1 << type */
enum {                                  /* properties of a row of ir.def */
    COMMUTES = 1, SETS_FLAGS = 2, READS_FLAGS = 4, EFFECT = 8, NO_RESULT = 16,
    /* may leave to tier 0 before any effect of its guest instruction */
    LEAVES = 32,
    ENDS = 64,                          /* last operation of a block */
};
/* Flag masks for sets, live and undef. */
enum { FL_C = 1, FL_P = 2, FL_A = 4, FL_Z = 8, FL_S = 16, FL_O = 32, FL_ALL = 63 };
/* Conditions, in the order of x86's cc field (SDM vol. 2, B.1.4.7). */
enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE,
       CC_LE, CC_G };

typedef enum {
#define IR(name, props, meaning) IR_##name,
#include "accel/dbt/ir.def"
#undef IR
    IR_N_OPS
} IrOp;
extern const char *const ir_op_names[IR_N_OPS];
extern const uint8_t ir_op_props[IR_N_OPS];

typedef enum {                          /* one bit each: ir_kinds() */
    IR_NONE = 0,
    IR_GUEST = 1,                       /* id: guest register */
    IR_TEMP = 2,                        /* id: 0..7 */
    IR_IMM = 4,                         /* id: index in the block's immediates */
    IR_HOST = 8,                        /* id: 0..3: memory at that host address + insn->disp */
    /* id: byte offset in the CPU struct, accessed in the operation's type */
    IR_CTX = 16,
    IR_VEC = 32,                        /* id: vector register (vop only) */
    IR_KINDS_END
} IrKind;
enum { IR_TEMPS = 8, IR_HOSTS = 8,
       /* temporaries; host addresses: front ends use 0..3, the merge pass 4..7 */
       IR_SHARED_HOSTS = 4 };

typedef struct IrRef {                  /* where a value lives */
    uint8_t  kind;                      /* IrKind */
    uint8_t  high_byte;                 /* of a guest register: ah, ch, dh, bh */
    uint16_t id;
} IrRef;

enum { IR_READ = 1, IR_WRITE = 2 };     /* both: read-modify-write */
/* otherwise the guest's own index; x86: ES CS SS DS FS GS = 0..5 */
enum { SEG_NONE = 0xff };

typedef struct IrMem {                  /* an addressing mode, kept whole */
    IrRef    base, index;               /* guest registers, temporaries or none */
    uint8_t  scale;                     /* 0..3: index << scale */
    /* whose base to add and, where `limit` is set, whose limit and rights to compare */
    uint8_t  segment;
    uint8_t  offset_bits;               /* 16, 32, 64: the offset wraps so; */
    uint8_t  linear_bits;               /* 32, 64: then its sum with the segment base wraps so */
    bool     limit;
    /* the linear page base of the block is added to disp; no base, no index */
    bool     pc_relative;
    uint8_t  access;                    /* IR_READ | IR_WRITE */
    /* 0, or 16: leave (to raise) where the linear address is not aligned so */
    uint8_t  align;
    /* of a locked operation: leave where it crosses a cache line */
    bool     locked;
    int32_t  disp;
    uint32_t span;                      /* bytes accessed from disp on */
    /* accesses beyond its own that the merge pass let this check serve; then */
    uint16_t merged;
    uint16_t own_at, own_span;          /* the access it stood for: from disp + own_at */
    uint8_t  own_access;
    /* 1 base, 2 index: leave unless that, as 32 bits, is between these; 0: none.  Merged checks' */
    uint8_t  narrow;
    uint32_t narrow_lo, narrow_hi;
} IrMem;

typedef struct IrLive {                 /* at a place in the list: */
    /* FL_* read later; wanted only if something leaves before the next writer */
    uint8_t  flags, fault;
    /* bits: temporaries, from bit 8 on host addresses, read later */
    uint16_t values;
} IrLive;

/* a helper that changes nothing unless it raises: checks may follow it */
enum { IR_ONLY_RAISES = 1 };
typedef struct IrInsn {
    /* IrOp; IrType of the result (of the access, for chk: informative) */
    uint8_t  op, type;
    uint8_t  cond;                      /* CC_* */
    uint8_t  locked;                    /* read-modify-write on IR_HOST is atomic */
    uint8_t  sets, undef;               /* flags produced; of those, undefined in the manual */
    uint8_t  live;                      /* of `sets`: read later in the block or live at an exit.  Of jmp, br, brz, brnz: the flags wanted at
                                           the target, filled in by the run time before ir_optimise() */
    uint8_t  live_fault;                /* of `sets`, not in live: needed only if something leaves before the next writer.  Of the exits
                                           above: what the target wants only so; `sub` then has a bit for each of guest registers
                                           0 to 15 that it may write before the last such place */
    uint16_t guest;                     /* index in the block's table of guest instructions */
    uint16_t sub;                       /* helper or vop number */
    uint16_t mem;                       /* index of an IrMem: chk, lea */
    uint8_t  imm8;                    /* immediate byte of a vop; of a helper IR_ONLY_RAISES or 0 */
    /* VEX vop: 1: 256 bits; | VL_CLEAR: there are bits 511:256 to clear in the destination */
    uint8_t  vl;
    IrRef    dst, dst2, a, b, c;
    int32_t  disp;                     /* added to the host address of every IR_HOST operand here */
    /* chkcs, jmp, br*, exit_next: offset from the page base */
    int32_t  imm;
    /* from ir_optimise() on; before the first operation: that of insns[-1] */
    IrLive   after;
} IrInsn;

typedef struct IrGuest {                /* one guest instruction of the block */
    int32_t  offset;                    /* from the page base */
    uint8_t  length;
    bool     calls;                     /* it has a helper: its checks stay its own */
} IrGuest;

enum { IR_MAX_INSNS = 1024, IR_MAX_GUEST = 128, IR_MAX_IMMS = 512, IR_MAX_MEMS = 512,
       /* no guest instruction needs more of any array: a front end stops when less is left */
       IR_RESERVE = 64 };

typedef struct IrEnds {
    unsigned exits;                     /* behind so many conditional jumps, but for those that lead to a place in it, */
    bool   (*begun)(const struct IrEnds *e, const uint8_t *code, uint64_t mode);        /* and where there is a block already: */
    const uint64_t *octets;             /* a bit for each 8 bytes of the page: there may be one */
} IrEnds;

typedef struct IrBlock {
    /* linear address of the first byte: only its low 12 bits may reach the code */
    uint64_t pc;
    uint64_t mode;                      /* all that the code depends on; x86: X86_MODE_* */
    uint32_t length;                    /* guest bytes consumed */
    bool     two_pages;                 /* the last instruction reaches into the next page */
    const struct IrEnds *ends;          /* where the front end is to end it, if it comes so far; NULL: at IR_MAX_GUEST instructions */
    unsigned n_insns, n_guest, n_imms, n_mems;
    unsigned n_direct;                  /* how many jmp, br, brz and brnz ir_emit() has made */
    unsigned n_checks;                  /* how many chk */
    uint16_t now;                       /* guest instruction that operations are made for */
    bool     locks;                     /* some chk is of a locked operation */
    bool     folds;                     /* it has made operations that have copies or constants to pass on */
    /* from ir_optimise() on: operations that may go directly somewhere else; vops */
    unsigned n_exits, n_vops;
    bool     loops;                     /* the same: an exit goes to the block's own start */
    /* IR_MAX_* of each after ir_new(), just enough after ir_copy() */
    IrInsn  *insns;
    IrGuest *guest;
    uint64_t *imms;
    IrMem   *mems;
} IrBlock;

/* A helper: C code of the guest architecture, called from a block.  Arguments and result are in the
 * operation's type (zero-extended); unused arguments are 0. */
typedef uint64_t (*IrHelper)(void *cpu, uint64_t a, uint64_t b, uint64_t c);
enum {
    H_READS = 1, H_WRITES = 2,          /* guest registers */
    H_FLAGS_IN = 4, H_FLAGS_OUT = 8,    /* arithmetic flags, in cpu->fl */
    H_RAISES = 16,                      /* may raise an exception (dbt_leave) with cpu->pc = this instruction; implies that registers and
                                           flags are in the struct.  It raises before its first side effect, or its partial effects are
                                           architectural (rep) */
    /* reads or writes vector or x87 registers, or computes in floating point */
    H_VEC = 32,
    H_MEM = 64,                         /* accesses guest memory */
    H_JUMPS = 128,                      /* sets cpu->pc itself; exit_pc follows */
    /* may change mode or translation: exit_pc or exit_next follows */
    H_MODE = 256,
    /*
     * stores to guest memory, or does if the instruction has an operand there: the block ends, as
     * its rest may be what is stored
     */
    H_STORES = 512, H_STORES_OPERAND = 1024,
    /* the cautious choice */
    H_STATE = H_READS | H_WRITES | H_FLAGS_IN | H_FLAGS_OUT | H_RAISES | H_MEM,
};
typedef struct IrHelperDesc {
    const char *name;
    IrHelper    fn;
    uint16_t    props;
} IrHelperDesc;

/*
 * A vector operation of the guest: `vop`.  dst and a are IR_VEC, IR_GUEST or IR_HOST (checked
 * memory; span and alignment are the check's business; `b` IR_VEC is a second source of a VEX
 * form); imm8 goes with it.  `type` is IR_I64 with REX.W, else IR_I32.  fn is the meaning, used by
 * tier 0 and by back ends without the row: d and s point to the operands in the CPU struct or to a
 * copy of the memory operand (little-endian); for IR_GUEST operands d and s point to a uint64_t.
 * It returns EFLAGS arithmetic bits for rows with V_FLAGS.  It must not raise: where an unmasked
 * SIMD floating-point exception is possible (X86_MODE_XMEXC) the front end emits a helper instead.
 *
 * VEX forms (V_VEX) have up to two sources, a and b, and a fourth operand c; where each stands in
 * the code is in `places`.
 * DbtGuest.vex is their meaning.  They clear the destination above their length; other forms keep
 * it.
 */
enum { VL_CLEAR = 0x80 };
typedef uint64_t (*IrVecFn)(void *cpu, void *d, const void *s, unsigned imm8);
enum {
    V_DST_READ = 1,                     /* the destination is a source too */
    V_FLAGS = 2,                        /* produces ZF PF CF, clears OF SF AF: comis, ptest */
    /* rounding and exceptions by the guest's FP control register */
    V_FP = 4,
    V_GPR_DST = 8, V_GPR_SRC = 16, V_MEM_DST = 32,
    V_MMX = 64,                         /* operands are MMX registers: IR_VEC ids 64..71 */
    V_IMPLICIT0 = 128,                  /* reads xmm0 as well */
    V_VEX = 256,
    /* fn writes guest register 1, which is dst2: pcmpistri; the vector dst is a source only */
    V_GPR1 = 512,
};
/*
 * map V87: operations on an x87 of the host; form << 28 | /digit << 24 | opcode << 16 | V87 << 8 |
 * ModRM
 */
enum {
    V87 = 8,
    V87_LOAD = 1, V87_STORE, V87_ARITH, V87_ARITH_MEM, V87_COM, V87_COM_MEM, V87_COMI, V87_CONST,
    V87_UNARY, V87_COPY, V87_SWAP,
    V87_SYNC, V87_CLEAR_C1,
    /*
     * imm8 of such a vop: how many registers the guest pops with it, first (of) STORE, ARITH, COPY:
     * a; COM, COMI: dst, then a.
     */
};
enum { VEX_REG = 1, VEX_VVVV = 2, VEX_RM = 3,
       /* IrVecDesc.places: of dst, of a << 2, of b << 4 */
       VEX_IMM = 64, VEX_W = 128 };
typedef struct IrVecDesc {
    const char *name;
    IrVecFn     fn;
    uint32_t    enc;                    /* for a back end on the same architecture: mandatory prefix << 16 | map << 8 | opcode; 0: none.
                                           maps: 1 = 0F, 2 = 0F38, 3 = 0F3A; 31:24: 0, or 1 + /digit (dst is rm) */
    uint8_t     mem_bytes;              /* of a memory operand */
    uint16_t    props;
    uint8_t     mem_bytes_256, places;  /* V_VEX: with 256 bits; VEX_* */
} IrVecDesc;

/* ---- building (ir.c) ---- */
IrBlock *ir_new(void);                  /* one allocation with room for the maxima; g_free() */
IrBlock *ir_copy(const IrBlock *b);     /* one allocation of just the size; g_free() */
void     ir_begin(IrBlock *b, uint64_t pc, uint64_t mode);
/* Does it go directly to page base + imm? */
static inline bool ir_exits(IrOp op)
{
    return op == IR_jmp || op == IR_br || op == IR_brz || op == IR_brnz;
}
/* Zeroed but for these and guest. */
static inline IrInsn *ir_emit(IrBlock *b, IrOp op, IrType type, IrRef dst, IrRef a, IrRef second)
{
    g_assert(b->n_insns < IR_MAX_INSNS);
    IrInsn *i = &b->insns[b->n_insns++];
    *i = (IrInsn){ .op = (uint8_t)op, .type = (uint8_t)type, .dst = dst, .a = a, .b = second,
                   .guest = b->now };
    if (op == IR_helper) {
        b->guest[i->guest].calls = true;
    } else if (op == IR_chk) {
        b->n_checks++;
    } else if (ir_exits(op)) {
        b->n_direct++;
    }
    b->folds |= op == IR_mov ? dst.kind == IR_TEMP && a.kind != IR_HOST : a.kind == IR_IMM;
    return i;
}
/* Takes an operation away; what is live behind it stays written down. */
static inline void ir_take_away(IrInsn *i)
{
    *i = (IrInsn){ .op = IR_gone, .guest = i->guest, .after = i->after };
}
/* Starts a guest instruction: its row of the table (set length). */
static inline IrGuest *ir_insn(IrBlock *b, int32_t offset)
{
    g_assert(b->n_guest < IR_MAX_GUEST);
    IrGuest *g = &b->guest[b->n_guest];
    b->now = (uint16_t)b->n_guest++;
    *g = (IrGuest){ .offset = offset };
    return g;
}
/* Of the guest instruction that an operation is of, from the page base. */
static inline int32_t ir_offset(const IrBlock *b, const IrInsn *i)
{
    return b->guest[i->guest].offset;
}
IrRef    ir_imm(IrBlock *b, uint64_t value);
uint16_t ir_mem(IrBlock *b, const IrMem *mem);
/* The same, to be filled in: mems[] of what is returned. */
static inline uint16_t ir_mem_new(IrBlock *b)
{
    g_assert(b->n_mems < IR_MAX_MEMS);
    return (uint16_t)b->n_mems++;
}
/* An address as most are: no segment's base, limit or alignment, no lock, no narrow parts, and
 * of 32 or 64 bits. */
static inline bool ir_is_plain(const IrMem *m)
{
    return !((m->segment ^ SEG_NONE) | m->limit | m->locked | m->narrow | (m->align & 0xfe) | (m->offset_bits & 16));
}
/* IrKind of all operands, or-ed (of a chk or lea: not of its address): two operands at a time. */
static inline unsigned ir_kinds(const IrInsn *i)
{
    uint64_t d, s;

    memcpy(&d, &i->dst, sizeof d);
    memcpy(&s, &i->a, sizeof s);
    d |= s;
    return ((unsigned)d | (unsigned)(d >> 32) | i->c.kind) & 0xff;
}
static inline IrRef ir_none(void) { return (IrRef){ IR_NONE, 0, 0 }; }
static inline IrRef ir_guest(unsigned r) { return (IrRef){ IR_GUEST, 0, (uint16_t)r }; }
static inline IrRef ir_guest_high(unsigned r) { return (IrRef){ IR_GUEST, 1, (uint16_t)r }; }
static inline IrRef ir_temp(unsigned t) { return (IrRef){ IR_TEMP, 0, (uint16_t)t }; }
static inline IrRef ir_host(unsigned h) { return (IrRef){ IR_HOST, 0, (uint16_t)h }; }
static inline IrRef ir_vec(unsigned v) { return (IrRef){ IR_VEC, 0, (uint16_t)v }; }
static inline IrRef ir_ctx(size_t offset) { return (IrRef){ IR_CTX, 0, (uint16_t)offset }; }

/* ---- meaning (ir.c): the reference ---- */
uint64_t ir_eval(IrOp op, IrType type, uint64_t a, uint64_t b, uint64_t c, bool carry_or_cond);
/*
 * All six flags (FL_*) after op; high: upper half of mulu2/muls2; old: flags before, for those that
 * op keeps.
 */
unsigned ir_flags(IrOp op, IrType type, uint64_t a, uint64_t b, uint64_t c, uint64_t result,
                  uint64_t high, unsigned old);
bool     ir_cond(unsigned cc, unsigned flags);
unsigned ir_cond_flags(unsigned cc);                    /* FL_* that the condition reads */

/* ---- passes (opt.c) ---- */
/*
 * Folding, dead flags and temporaries, live and live_fault, liveness.  helpers: what they do to
 * flags; NULL: anything.
 */
void     ir_optimise(IrBlock *b, unsigned flags_live_out, const IrHelperDesc *helpers);
/*
 * Liveness alone, for a back end, of a list that is to stay as it is.  hoist: checks that do not
 * leave; or NULL.
 */
struct IrHoist;
void     ir_liveness(IrBlock *b, const IrHelperDesc *helpers, const struct IrHoist *hoist);
/* For a block that goes back to its own start: flags read from there on; *fault: needed only if
 * something leaves; *written: guest registers 0 to 15 that may be written before the last such
 * place.  What its other exits want has been filled in. */
unsigned ir_flags_at_start(const IrBlock *b, unsigned *fault, unsigned *written);
/* Let checks of neighbouring addresses share one host address (merge.c): h4 .. h4 + n_hosts - 1, at
 * most IR_SHARED_HOSTS; 0: none.  A shared address lives from its check to its last use, across
 * guest instructions but not across helpers.  Call it before ir_optimise(). */
void     ir_merge_checks(IrBlock *b, unsigned n_hosts);
/* With one vCPU: read-modify-writes are whole as they are.  Those that are but barriers stay
 * locked, and xchg: devices' threads may look at guest memory meanwhile.  Before ir_merge_checks().
 * */
void     ir_unlock(IrBlock *b);
/*
 * Checks of a loop (operation `last` jumps to the list's own start) whose address advances by a
 * constant each turn, `step`, or stays: 0.  `at` is it in terms of what registers are at the
 * start.  If n_moving, register `counter` advances by counter_step in the type.  After all other
 * passes.
 */
enum { IR_HOISTED = 12 };
typedef struct IrHoisted {
    uint16_t insn;                      /* the check */
    int16_t  step;
    uint8_t  narrow;                    /* bits: base, index: that has 32 bits, and is to be */
    int32_t  lo[2], hi[2];              /* between these when the pages are looked up */
    IrMem    at;
} IrHoisted;
typedef struct IrHoist {
    unsigned  n, n_moving, last;
    uint8_t   counter, counter_type;
    int32_t   counter_step;
    IrHoisted of[IR_HOISTED];
} IrHoist;
bool     ir_hoist(const IrBlock *b, unsigned last, IrHoist *h);        /* false: there are none */
/* which of them is the check; -1: none */
static inline int ir_hoisted(const IrHoist *h, unsigned insn)
{
    for (unsigned k = 0; k < h->n; k++) {
        if (h->of[k].insn == insn) {
            return (int)k;
        }
    }
    return -1;
}
/* instead: every flag that is set is live, and all at exits */
void     ir_plain(IrBlock *b);
/* the rules above: on every block in debug builds and tests */
bool     ir_verify(const IrBlock *b, GString *why);
void     ir_print(const IrBlock *b, GString *out);      /* -d ir, opt */
#endif
