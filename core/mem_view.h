/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_view.h -- private to mem.c and mem_io.c: the flat view and the state of physical memory.
 *
 * Threads: a view never changes once published.  It is replaced under the machine lock, and
 * searched by that lock's holder, by a vCPU that names it in Vcpu.hazard, or under view_lock.
 */
#ifndef CORE_MEM_VIEW_H
#define CORE_MEM_VIEW_H
#include "core/mem.h"
#include <pthread.h>

enum { VIEW_READ, VIEW_WRITE };

typedef struct FlatView {
    unsigned  n[2];
    MemRange *line[2];                /* sorted, disjoint */
    unsigned  hint[2];                /* last hit; a guess, so relaxed atomics do */
    unsigned  refs;                   /* address spaces that show it; machine lock */
} FlatView;

struct AddressSpace {
    Machine  *machine;
    char     *name;
    Region   *root;
    FlatView *view;                   /* atomic */
    void     *owner;                  /* device whose DMA this is, or NULL */
};

#define MEM_DEPTH 8                   /* devices entered from within each other */

typedef struct MemState {
    unsigned   depth;                 /* map_begin nesting */
    GPtrArray *spaces;                /* AddressSpace */
    GPtrArray *retired;               /* FlatView that may still be searched */
    GPtrArray *bells;                 /* Doorbell that has a descriptor */
    /* look-ups by threads that are no vCPU and do not hold the machine lock */
    pthread_mutex_t view_lock;
    void      *active[MEM_DEPTH];     /* devices being accessed, innermost last; machine lock */
    unsigned   n_active;
} MemState;

MemState *mem_state_new(void);
void      mem_state_free(MemState *ms);
#endif
