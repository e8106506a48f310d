/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * be_native.h -- what the parts of be_native share: the struct that blocks run on, random numbers,
 * random blocks (be_native_gen.c), and what they are to do (be_native_model.c).
 */
#ifndef TESTS_CPU_BE_NATIVE_H
#define TESTS_CPU_BE_NATIVE_H
#include "accel/dbt/internal.h"

enum { MEM_BYTES = 64 * 1024, PAGE0 = 0x10000,  /* guest memory, and its first address */
       CODE = 0x400000 };                       /* blocks start in this page */

typedef struct TestCpu {
    DbtCpu dbt;
    uint64_t ctx_words[8];
    struct { uint64_t base; int64_t lo, hi_read, hi_write; } seg[8];
    uint64_t cs_base;
    uint32_t cs_limit;
    uint32_t mxcsr;
    uint8_t vec[32][64] __attribute__((aligned(64)));
} TestCpu;

/* be_native.c: the same for the same seed and block */
uint64_t rnd(void);
unsigned pick(unsigned n);              /* below n */
uint64_t value(void);                   /* often an odd one */

/* be_native_gen.c */
void gen_block(IrBlock *b, unsigned n_guest);

/* be_native_model.c */
typedef struct State {
    uint64_t gpr[16], t[8], h[8], ctx[8];
    unsigned flags, undef;              /* FL_* */
    uint64_t pc;
    bool left;                          /* a check failed */
    uint8_t mem[MEM_BYTES];
} State;
enum { N_HELPERS = 2 };
extern const IrHelperDesc model_helpers[N_HELPERS];
unsigned model_from_fl(uint32_t fl);    /* FL_* of DbtCpu.fl, and back */
uint32_t model_to_fl(unsigned flags);
/* Does one operation of the guest instruction at insn_pc; false where the block ends. */
bool model_step(State *s, const TestCpu *cpu, const IrBlock *b, const IrInsn *n, uint64_t insn_pc);
#endif
