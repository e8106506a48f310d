/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stitch.h -- between the choice of a trace (trace.c) and its making (stitch.c): the path that was
 * taken, and what becomes of it.
 *
 * Threads: both structs belong to whoever makes the trace.
 */
#ifndef ACCEL_DBT_STITCH_H
#define ACCEL_DBT_STITCH_H
#include "accel/dbt/internal.h"

enum { TRACE_INSNS = 96, TRACE_LEAST = 3, TRACE_RETURNS = 32,
       TRACE_FAR = 1 << 28 };           /* no page of a trace is further from its first */

typedef struct TracePath {              /* in */
    DbtCpu  *cpu;                       /* for the front end, which reads configuration alone */
    uint64_t mode;
    uint64_t pc[TRACE_INSNS + 1];       /* of its instructions, and where it goes on */
    unsigned n;
    bool     restless;    /* it is a loop, which went another way in the next few turns */
    bool     one_cpu;                   /* the machine has one */
    unsigned n_ic;                      /* inline caches that the program uses already */
    unsigned n_pages;
    TracePage pages[TRACE_PAGES];       /* it leads through these, */
    const uint8_t *bytes[TRACE_PAGES];  /* what is in each, to be read in place of the page, */
    TracePage after;                    /* and on to this one, if host is set */
} TracePath;

typedef struct TraceCode {              /* out */
    IrBlock *ir;                        /* the list */
    unsigned n;                         /* of the path's instructions */
    unsigned n_pages;
    TracePage pages[TRACE_PAGES];   /* the path's, perhaps `after`; granules: what is in the list */
    /* work */
    IrBlock *piece;
    uint64_t returns[TRACE_RETURNS];    /* where calls of the path return to */
    unsigned n_returns;
} TraceCode;

bool trace_stitch(const TracePath *p, TraceCode *t);    /* false: it is not worth it */

/*
 * tracework.c: make it, now or by the thread beside; `own` is scratch.  False: it is to be asked
 * for later.
 */
bool trace_make(DbtCpu *c, TracePath *path, TraceCode *own);
/*
 * The thread may hold the lock for long.  Who has stored to code waits for it, and what tier 0
 * reads meanwhile is newer than what blocks are of.
 */
bool trace_is_busy(const DbtMachine *d);
int64_t trace_beside_us(DbtMachine *d); /* what that thread has spent since this was asked last */
/* trace.c */
/* CPU time of this thread, in microseconds: a busy host is not to make traces dearer */
int64_t trace_thread_us(void);
/* a trace has been made there, or not */
void trace_tried_locked(DbtMachine *d, const uint8_t *at, uint32_t mode, bool made);
#endif
