/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h -- disks.  A node is a format or protocol over zero or more children.
 * submit() never blocks; done() runs in the node's GMainContext, exactly once.
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H
#include "core/field.h"
#include <sys/uio.h>
typedef struct BlockNode BlockNode;
typedef struct BlockReq {
    enum { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZERO } op;
    uint64_t offset, length;
    const struct iovec *iov; unsigned n_iov;
    void (*done)(struct BlockReq *req, int result);   /* 0 or -errno */
} BlockReq;
typedef struct BlockDriver {
    const char *name, *desc, *spec;
    size_t size; const Field *fields;
    int  (*probe)(const uint8_t *head, size_t n);     /* confidence 0..100 */
    bool (*open)(BlockNode *n, GError **err);
    void (*submit)(BlockNode *n, BlockReq *req);
    void (*close)(BlockNode *n);
    bool (*create)(BlockNode *n, uint64_t bytes, GError **err);
    bool (*check)(BlockNode *n, GString *report, GError **err);
} BlockDriver;
struct BlockNode { const BlockDriver *drv; uint64_t bytes; bool readonly; BlockNode *child, *backing; };
#endif
