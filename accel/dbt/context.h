/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * context.h -- what context.c, flush.c and jumpcache.c share: parts of a DbtContext.
 *
 * Threads: as flush.c.
 */
#ifndef ACCEL_DBT_CONTEXT_H
#define ACCEL_DBT_CONTEXT_H
#include "accel/dbt/internal.h"

/* flush.c */
void context_flush(DbtCpu *c, DbtContext *x);
void context_flush_local(DbtCpu *c, DbtContext *x);     /* all but what stems from global pages */

/* jumpcache.c; list 0: targets of which something is not in a global page; 1: the others */
void jmp_init(DbtContext *x);
void jmp_inherit(DbtContext *x, const DbtContext *from);        /* an empty one: what is global */
void jmp_clear(DbtContext *x, unsigned list);
/* Targets with at - (pc & mask) <= reach; lists: 1: list 0; 2: both. */
void jmp_clear_part(DbtContext *x, uint64_t mask, uint64_t at, uint64_t reach, unsigned lists);
/* Targets in a page, and in the one before, whose last instruction may reach into it. */
void jmp_clear_page(DbtContext *x, uint64_t page, bool near_global);
#endif
