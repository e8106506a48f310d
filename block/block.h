/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h -- disks.  A node is a format or protocol over zero or more children.
 *
 * block_submit() never blocks; done() runs in the machine's main context with the machine lock,
 * exactly once, and never from within block_submit().
 *
 * Threads: submit and close with the machine lock; a driver may work in the pool's threads and
 *   calls block_finish() there.
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H
#include "core/machine.h"
#include <sys/uio.h>

typedef struct BlockNode BlockNode;
struct BlockStats;
typedef enum { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZERO } BlockOp;

struct BlockReq;
typedef struct BlockTap {             /* who wants to know what is written to a node: copy.c */
    /* true: it is held, and goes on by the driver's submit */
    bool (*before)(struct BlockTap *t, struct BlockReq *req);
    void (*after)(struct BlockTap *t, const struct BlockReq *req);
} BlockTap;

typedef struct BlockReq {
    BlockOp op;
    uint64_t offset, length;          /* bytes: multiples of 512 inside of the node */
    const struct iovec *iov;          /* stays until done(); adds up to length */
    unsigned n_iov;
    void (*done)(struct BlockReq *req, int result);   /* 0 or -errno */
    BlockNode *node;                  /* private, from here on: where it was submitted */
    struct BlockReq *next;
    BlockTap *tap;                    /* of the node that it was submitted to, if it writes */
    int result;
    struct BlockStats *stats[2];      /* those of the node that it was submitted to */
    int64_t start_ns;
} BlockReq;

typedef enum { BLK_CACHE_WRITEBACK, BLK_CACHE_NONE, BLK_CACHE_WRITETHROUGH, BLK_CACHE_UNSAFE,
               BLK_CACHE_DIRECTSYNC } BlockCache;

typedef struct BlockOpen {            /* how to open an image */
    const char *file, *format;        /* format NULL: look at the contents */
    BlockCache cache;
    /* snapshot: writes go to a scratch file that is gone afterwards */
    bool readonly, snapshot;
} BlockOpen;

typedef struct BlockDriver {
    const char *name, *desc, *spec;
    size_t size;                      /* of its state, n->state */
    int  (*probe)(const uint8_t *head, size_t n);     /* confidence 0..100 */
    bool (*open)(BlockNode *n, const BlockOpen *how, GError **err);   /* sets n->bytes */
    void (*submit)(BlockNode *n, BlockReq *req);
    void (*close)(BlockNode *n);
} BlockDriver;

struct BlockNode {
    const BlockDriver *drv;
    Machine   *machine;
    void      *state;                 /* of the driver */
    char      *name;                  /* for messages: the file */
    uint64_t   bytes;
    bool       readonly;
    BlockNode *child, *backing;       /* owned */
    BlockTap  *tap;                 /* or NULL */
    struct NamedNode *named;        /* whose description it was opened by: block/nodes.c; or NULL */
    /* of the drive that it is in, and of the named node: each NULL where there is none */
    struct BlockStats *stats[2];
};

extern const BlockDriver *const block_drivers[];       /* from block/drivers.def, NULL-terminated */

/* the whole graph for an image */
BlockNode *block_open(Machine *m, const BlockOpen *how, GError **err);
void       block_close(BlockNode *n);         /* waits for what is in flight */
void       block_submit(BlockNode *n, BlockReq *req);
void       block_finish(BlockReq *req, int result);     /* drivers: any thread */
void       block_state_free(Machine *m);
bool       block_in_flight(Machine *m);
bool       block_is_draining(Machine *m);     /* who copies in the background is to wait */
/* runs the main context's completions until nothing is in flight */
void       block_drain(Machine *m);

/* Waits for what is in flight; whoever has the node is to be told. */
bool       block_resize(BlockNode *n, uint64_t bytes, GError **err);

/*
 * block/nodes.c: the graph that a named node describes, opened; whoever closes it lets go of the
 * name.
 */
BlockNode *node_use(Machine *m, const char *name, bool *readonly, GError **err);
void       node_unuse(struct NamedNode *n);
const char *node_name(const BlockNode *n);    /* NULL: it was not opened by name */
/* The drive that has the node or what stands on it, or NULL; false: there is no such node. */
struct Drive;
bool       node_find(Machine *m, const char *name, struct Drive **drive);
void       node_resized(const BlockNode *n);            /* its description is to say so */
bool       node_resize_unused(Machine *m, const char *name, uint64_t bytes, GError **err);
bool       nodes_open(Machine *m, GError **err);        /* all of -blockdev */
void       nodes_close(Machine *m);

/* For drivers: a node of one driver; and blocking work done by a thread of the pool. */
BlockNode *block_node_new(Machine *m, const char *driver, const char *name, const BlockOpen *how,
                          GError **err);
/*
 * For block/saved.c: the next run of at most `most` sectors that the overlay holds, from *from on;
 * 0: there is none.
 */
uint64_t   overlay_next(const BlockNode *n, uint64_t *from, uint64_t most);
/* of the image below nothing is seen any more: zeros where nothing was written */
void       overlay_hold_all(BlockNode *n);
struct stat;
/* false: not a node of file.c */
bool       block_file_stat(const BlockNode *n, struct stat *st);
bool       block_file_resize(BlockNode *n, uint64_t bytes, GError **err);
void       raw_resized(BlockNode *n, uint64_t bytes);   /* nobody knows any more what it holds */
int        block_file_fd(const BlockNode *n);          /* -1: likewise */
/* For block/contents.c: the image's contents have a name from now on; sectors that changed since
 * they had the name id, from *from on and before end (all, where the name is another); 0: none. */
enum { RAW_PART = 64 << 10 };
bool       block_is_raw(const BlockNode *n);
void       raw_set_id(BlockNode *n, uint64_t id);
bool       raw_has_id(const BlockNode *n, uint64_t id);        /* changed since or not */
/* the name, if nothing has changed since; or 0 */
uint64_t   raw_same_as(const BlockNode *n);
uint64_t   raw_next_change(const BlockNode *n, uint64_t id, uint64_t *from, uint64_t end);
struct DiskOps;
extern const struct DiskOps block_disk_ops;            /* block/saved.c */
/* its scratch file; after backing is set */
bool       overlay_start(BlockNode *n, GError **err);
void       block_work(BlockNode *n, BlockReq *req, int (*work)(BlockNode *n, BlockReq *req));
#endif
