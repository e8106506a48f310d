/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * contents.h -- what block/saved.c and block/contents.c share: a drive's contents in a snapshot
 * file, as runs of sectors.
 *
 * Threads: with the machine lock, the machine stopped; block_is_zero() and block_run_read(): any.
 */
#ifndef BLOCK_CONTENTS_H
#define BLOCK_CONTENTS_H
#include "block/drive.h"

enum { RUN_MOST = 1 << 20, SECTOR = 512 };

/* A run of sectors and where its bytes are; at 0: they are zeros. */
typedef struct Run {
    uint64_t from, n, at;
    uint32_t crc;
} Run;

/* waits; 0 or -errno */
int  block_do_now(BlockNode *n, BlockOp op, uint64_t at, void *buf, uint64_t bytes);
bool block_is_zero(const uint8_t *p, size_t n);        /* n 0: yes */
bool block_run_put(GVariantBuilder *runs, uint64_t from, uint64_t n, const uint8_t *buf, int fd,
                   uint64_t *at);
/* its bounds are checked */
bool block_run_get(GVariant *runs, gsize i, uint64_t disk_bytes, uint64_t file_bytes, Run *out);
bool block_run_read(const Run *r, int fd, uint8_t *buf);       /* its checksum is */

/*
 * An image that is written to directly.  identity: its size and modification time, and through *id
 * a name for what it holds now, under which a change is noticed later, here or in another process.
 */
typedef struct Contents Contents;
void      contents_name(BlockNode *n, uint64_t *file_bytes, uint64_t *id);
void      contents_identity(const BlockNode *n, uint64_t *file_bytes, uint64_t *mtime_ns);
bool      contents_save(const Drive *d, GVariantBuilder *runs, int fd, uint64_t *at, GError **err);
/*
 * Checks all that will be read; then apply changes the image; then finish keeps that, or puts it
 * back as it was.
 */
Contents *contents_prepare(Drive *d, GVariant *runs, int fd, uint64_t file_bytes, uint64_t id,
                           GError **err);
bool      contents_apply(Contents *c, GError **err);
void      contents_finish(Contents *c, bool keep);
/* an image is not left half put back */
bool      contents_whole(const char *image, bool loading, GError **err);
#endif
