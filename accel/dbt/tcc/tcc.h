/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcc.h -- the portable back end: hot regions rendered as C and compiled by libtcc, above tier 0.
 *
 * A region is a hot block and those of its page that it reaches by direct jumps, as one C function
 * that does what interp_run() does for one block: it returns with exact state, true if the run loop
 * must poll.  A block that dies is seen at its start in the region, like in the run loop of tier 0.
 *
 * Threads: named at each function.
 */
#ifndef ACCEL_DBT_TCC_TCC_H
#define ACCEL_DBT_TCC_TCC_H
#include "accel/dbt/dbt.h"

typedef int TccCode(DbtCpu *c);         /* entered like interp_run() */
typedef struct TccPart {                /* a block of a region; the first one is entered */
    const IrBlock *ir;
    int32_t     offset;                 /* of its first byte, from the page base */
    const bool *dead;                   /* Block.dead; NULL: it cannot die */
} TccPart;
enum { TCC_MAX_PARTS = 16 };

/* ---- render.c: pure ---- */
void     tcc_prelude(GString *out);     /* declarations for all functions of a text */
/* false: cannot be said in C */
bool tcc_render(GString *out, const DbtGuest *g, const char *name, const TccPart *parts,
                unsigned n);

/* ---- compile.c: any thread ---- */
typedef struct TccUnit TccUnit;         /* compiled code */
bool     tcc_built_in(void);
TccUnit *tcc_compile(const char *text, GError **err);
TccCode *tcc_find(TccUnit *u, const char *name);
void     tcc_unit_free(TccUnit *u);

/* ---- support.c: what rendered code calls; the vCPU's own thread ---- */
typedef struct TccSymbol { const char *name, *declaration; const void *address; } TccSymbol;
extern const TccSymbol tcc_symbols[];   /* ends with a NULL name */

/* ---- engine.c ---- */
bool     tcc_engine_init(DbtMachine *d, GError **err);  /* starts the compiling thread */
void     tcc_engine_fini(DbtMachine *d);                /* before blocks are freed */
void     tcc_engine_hot(DbtMachine *d, Block *b);    /* the vCPU: b is hot; compiles it some time */
/* vCPUs stopped, DbtMachine.lock not held: before blocks go */
void     tcc_engine_forget(DbtMachine *d);
void     tcc_engine_info(DbtMachine *d, GString *out);
#endif
