/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h -- what has been read from and written to a drive or a named node, and how long it took.
 *
 * Threads: with the machine lock.
 */
#ifndef BLOCK_STATS_H
#define BLOCK_STATS_H
#include "block/block.h"

/* zeros count as written */
typedef enum { STAT_READ, STAT_WRITE, STAT_FLUSH, STAT_UNMAP, STAT_KINDS } BlockStatKind;
typedef struct BlockStats {
    struct BlockStat {
        /* bytes, operations: those that succeeded; invalid: outside of the image */
        uint64_t bytes, operations, failed, invalid;
        /* from block_submit() until it was finished, of all but the invalid ones */
        int64_t  time_ns;
    } of[STAT_KINDS];
    uint64_t highest;                 /* bytes: where the last of what was written ends */
    int64_t  last_ns;                 /* host clock: the last one finished; 0: none yet */
} BlockStats;

/* block/node.c: it is submitted, and is finished, or was refused */
void      stats_start(BlockReq *req);
void      stats_done(const BlockReq *req, bool refused);
GVariant *stats_of(const BlockStats *s);        /* as BlockDeviceStats */
GVariant *stats_of_drives(Machine *m);          /* query-blockstats */
GVariant *stats_of_nodes(Machine *m);           /* the same with query-nodes; block/nodes.c */
#endif
