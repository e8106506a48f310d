/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex.h -- what the parts of the test of EVEX-coded instructions share.
 */
#ifndef TESTS_CPU_EVEX_H
#define TESTS_CPU_EVEX_H
#include "tests/cpu/fphost.h"
#include "cpu/x86/evex.h"

/* One instruction as a reference function sees it, whole vectors; it fills `r`. */
typedef struct RefOp {
    /* bytes of the vector, elements of the destination, bytes of elements */
    unsigned vl, n, from, to, imm;
    X86Vec   d, a, b, r;                /* old destination, first and second source */
    uint64_t mask, opmask;              /* wanted elements; operand KR */
    uint32_t mxcsr;                     /* with the rounding in effect */
    unsigned flags;                     /* exception flags of wanted elements */
    bool     one_source;                /* a is it */
    bool     loose;                     /* compare as approximations */
} RefOp;
typedef void RefFn(RefOp *o);

/* By the name of a row: NULL if there is none. */
RefFn *ref_find(const char *name);
RefFn *ref_find_fp(const char *name);
bool   ref_close(const RefOp *o, unsigned i, uint64_t got);   /* is an approximation near enough? */
#endif
