/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_sibling.h -- the processor's own instruction with VEX as the oracle of one with EVEX.
 */
#ifndef TESTS_CPU_EVEX_SIBLING_H
#define TESTS_CPU_EVEX_SIBLING_H
#include "tests/cpu/evex.h"

struct Vex;
const struct Vex *sibling_find(const char *name);       /* NULL: there is none */
/* into o->r and o->flags */
void sibling_run(const struct Vex *x, RefOp *o, const X86EvexRow *row, uint64_t *rflags);
#endif
