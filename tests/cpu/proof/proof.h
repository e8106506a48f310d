/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof.h -- what the files of the proof of the CPU share: a case (code and state), the host's
 * processor, an engine.
 *
 * One layout of linear addresses serves the host's process and the guest:
 *
 *     CODE  2 pages  r-x   filled with INT3 but for the code of the batch
 *     EXIT  1 page   r-x   where code ends, beyond the limits of CODE: the host's way back; an INT3 for the guest
 *     DATA  2 pages  rw-   nothing around it
 *     CONST 1 page   r--   nothing behind it
 *
 * A batch is one piece of code with many states.
 */
#ifndef TESTS_CPU_PROOF_H
#define TESTS_CPU_PROOF_H
#include "cpu/x86/decode.h"

enum { P_CODE = 0x20000000, P_EXIT = 0x2000c000, P_EXIT32 = P_EXIT + 0x100, P_DATA = 0x20010000,
       P_CONST = 0x20014000, P_PAGE = 4096,
       P_CODE_BYTES = 2 * P_PAGE, P_DATA_BYTES = 2 * P_PAGE, P_MEMORY = P_DATA_BYTES + P_PAGE };
enum { P_CS32 = 0x23, P_DS = 0x2b, P_CS64 = 0x33 };     /* Linux's */
/* Its local descriptors: */
enum { P_LDT_CS32 = 0x07, P_LDT_CS16 = 0x0f, P_LDT_DATA = 0x17, P_LDT_DOWN = 0x1f,
       P_LDT_STACK16 = 0x27, P_LDT_READ = 0x2f, P_LDT_N = 6 };

typedef enum { PM_64, PM_32, PM_L32, PM_L16, PM_N } ProofMode;

enum { PROOF_TIMEOUT = 0x100, PROOF_NO_END };   /* vectors that are none: the host's, an engine's */
enum { FX_SW = 2, FX_TAG = 4, FX_OP = 6, FX_IP = 8, FX_DP = 16, FX_MXCSR = 24, FX_ST = 32,
       FX_XMM = 160, XS_BV = 512, XS_YMM = 576, XS_SIZE = 832 };
typedef struct ProofState {
    uint64_t gpr[16];                   /* 0 */
    uint64_t rip, rflags;               /* 128, 136 */
    uint64_t fs_base, gs_base;          /* 144, 152 */
    uint16_t ds, es, fs, gs, ss, cs;    /* 160 .. 170 */
    uint32_t pad;
    int64_t  vector;                   /* 176: of the exception, or -1: the code has reached EXIT */
    uint64_t error, cr2;
    uint8_t  x[XS_SIZE] __attribute__((aligned(64)));   /* 256: XSAVE's standard format */
} __attribute__((aligned(64))) ProofState;

typedef struct ProofCode {
    uint8_t  bytes[256];
    unsigned n;                         /* of the code under test; what ends it follows */
    unsigned total;
    uint32_t at;                        /* linear */
    ProofMode mode;
    unsigned row;                       /* that was aimed at */
    bool     sequence;
    bool     valid;                     /* decodes: */
    X86Insn  insn;
} ProofCode;

/* ---- random numbers ---- */
typedef struct Rng { uint64_t s[2]; } Rng;
static inline uint64_t rng(Rng *r)      /* xoroshiro128+ */
{
    uint64_t a = r->s[0], b = r->s[1], sum = a + b;
    b ^= a;
    r->s[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
    r->s[1] = b << 37 | b >> 27;
    return sum;
}
void rng_seed(Rng *r, uint64_t seed);
static inline unsigned rng_below(Rng *r, unsigned n)
{
    return (unsigned)((rng(r) >> 32) * n >> 32);
}
static inline bool one_in(Rng *r, unsigned n) { return rng_below(r, n) == 0; }

/* ---- code.c, sequence.c: what is run ---- */
/* false: the row has no form there */
bool     proof_code(ProofCode *c, Rng *r, unsigned row, ProofMode mode);
void     proof_finish(ProofCode *c, Rng *r);              /* where it lies, and what ends it */
void     proof_sequence(ProofCode *c, Rng *r, ProofMode mode, bool x87s);
/* may user code run it, with a result that can be compared? */
bool     proof_runs_here(const X86Row *row, const char **why);
unsigned proof_code_mode(ProofMode m);                  /* X86_MODE_* for the decoder */
const X86Row *proof_rows(unsigned *n);

/* ---- values.c: what it is run with ---- */
void proof_state(ProofState *s, Rng *r, const ProofCode *c, uint8_t *memory, uint32_t *from,
                 uint32_t *n);
void     proof_values_open(Rng *r);
void     proof_memory(uint8_t *memory, Rng *r);         /* P_MEMORY bytes */

/* ---- host.c: by the host's processor ---- */
bool     host_open(void);
void     host_code(const ProofCode *c);
uint8_t *host_memory(void);                             /* P_MEMORY bytes */
/* set each second of CPU time: an engine that does not end is stopped */
extern uint32_t *proof_attention;
extern volatile unsigned proof_alarms;
void     host_run(const ProofState *in, ProofState *out);

/* ---- engine.c: by an engine ---- */
typedef struct Engine Engine;
/* a machine, its CPU as reset leaves it */
Engine  *engine_blank(const char *name, const char *bios);
bool     engine_go(Engine *e);        /* until it halts; false: it has not within a second or two */
Machine *engine_machine(Engine *e);
Engine  *engine_open(const char *name, const char *bios);
void     engine_close(Engine *e);
const char *engine_name(const Engine *e);
void     engine_code(Engine *e, const ProofCode *c);
uint8_t *engine_memory(Engine *e);
void     engine_run(Engine *e, const ProofCode *c, const ProofState *in, ProofState *out);
X86Cpu  *engine_cpu(Engine *e);
extern const uint64_t proof_ldt[P_LDT_N];

/* ---- undefined.c ---- */
/*
 * Flags that the instruction leaves undefined, and *dst: the general register, 17: memory, 16:
 * none.  rcx: before it; after: RFLAGS.
 */
uint32_t proof_undefined(const X86Insn *i, uint64_t rcx, uint64_t after, unsigned *dst);
/*
 * From here on the interpreter runs one instruction at a time, and fills what each leaves
 * undefined; or leaves that as it is, and perhaps forgets all translations each time, or tells of
 * each with the registers before it.  FILL_SOURCE: what processors are known to leave there, which
 * matters where the result is an address: of SHLD and SHRD, the source rotated.
 */
typedef enum {
    FILL_ZEROS, FILL_ONES, FILL_SOURCE, FILL_RANDOM, FILL_NOTHING, FILL_NO_TLB, FILL_TELL,
} UndefinedFill;
void     undefined_fill_begin(X86Cpu *c, UndefinedFill fill, uint64_t seed);
void     undefined_fill_end(X86Cpu *c);

/* ---- compare.c ---- */
bool proof_same(const ProofCode *c, const ProofState *in, const ProofState *want,
                const ProofState *got, GString *why);
bool proof_memory_counts(const ProofCode *c, const ProofState *in, const ProofState *want,
                         const ProofState *got);
void proof_print(const ProofCode *c, const ProofState *in, const ProofState *want,
                 const ProofState *got, GString *out);
#endif
