/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw.c -- the raw format: a disk's bytes as they are; it notes which parts have changed since its
 * contents had a name.
 *
 * Spec: none.
 * Omits: offset= and size=.
 * Threads: with the machine lock.
 */
#include "block/block.h"
#include <string.h>

enum { SECTOR = 512 };

typedef struct Raw {
    /* what the contents are but for the changed parts; 0: nobody knows */
    uint64_t id;
    uint8_t *changed;                 /* one bit for RAW_PART bytes; NULL: nobody has asked */
} Raw;

static int raw_probe(const uint8_t *head, size_t n)
{
    return 1;
}

static void raw_submit(BlockNode *n, BlockReq *req)
{
    Raw *s = n->state;

    if (s->changed && req->length &&
        (req->op == BLK_WRITE || req->op == BLK_ZERO || req->op == BLK_DISCARD)) {
        for (uint64_t i = req->offset / RAW_PART; i <= (req->offset + req->length - 1) / RAW_PART;
             i++) {
            s->changed[i / 8] |= (uint8_t)(1 << (i % 8));
        }
    }
    n->child->drv->submit(n->child, req);
}

static void raw_close(BlockNode *n)
{
    g_free(((Raw *)n->state)->changed);
}

bool block_is_raw(const BlockNode *n)
{
    return !strcmp(n->drv->name, "raw");
}

void raw_set_id(BlockNode *n, uint64_t id)
{
    Raw   *s = n->state;
    size_t bytes = n->bytes / RAW_PART / 8 + 1;

    s->changed = s->changed ? s->changed : g_try_malloc(bytes);
    s->id = s->changed ? id : 0;
    if (s->changed) {
        memset(s->changed, 0, bytes);
    }
}

void raw_resized(BlockNode *n, uint64_t bytes)
{
    Raw *s = n->state;

    n->bytes = bytes;
    s->id = 0;
    g_clear_pointer(&s->changed, g_free);
}

bool raw_has_id(const BlockNode *n, uint64_t id)
{
    return id && ((const Raw *)n->state)->id == id;
}

uint64_t raw_same_as(const BlockNode *n)
{
    uint64_t at = 0, id = ((const Raw *)n->state)->id;

    return id && !raw_next_change(n, id, &at, UINT64_MAX) ? id : 0;
}

uint64_t raw_next_change(const BlockNode *n, uint64_t id, uint64_t *from, uint64_t end)
{
    const Raw *s = n->state;
    uint64_t   at = *from, to, most = MIN(end, n->bytes / SECTOR);
    const uint64_t part = RAW_PART / SECTOR;

    if (!s->id || s->id != id) {
        return at < most ? most - at : 0;
    }
    while (at < most && !(s->changed[at / part / 8] >> (at / part % 8) & 1)) {
        at = (at / part + 1) * part;
    }
    for (to = at; to < most && (s->changed[to / part / 8] >> (to / part % 8) & 1);) {
        to = (to / part + 1) * part;
    }
    *from = at;
    return at < most ? MIN(to, most) - at : 0;
}

const BlockDriver raw_driver = {
    .name = "raw", .desc = "a disk's bytes as they are",
    .spec = "none", .size = sizeof(Raw), .probe = raw_probe,
    .submit = raw_submit, .close = raw_close,
};
