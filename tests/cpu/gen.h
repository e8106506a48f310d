/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gen.h -- random blocks and random states for them. */
#ifndef TESTS_CPU_GEN_H
#define TESTS_CPU_GEN_H
#include "tests/cpu/fake.h"

typedef struct Gen {
    uint64_t rng;
    IrBlock *b;
    unsigned n_instructions;            /* at most so many */
    bool     vectors;
} Gen;

uint64_t gen_random(Gen *g);
void     gen_block(Gen *g);             /* into g->b; pc FAKE_PC */
void     gen_state(Gen *g, FakeState *s);
#endif
