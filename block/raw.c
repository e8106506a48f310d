/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw.c -- the raw format: a disk's bytes as they are.
 *
 * Spec: none.
 * Omits: offset= and size=.
 * Threads: with the machine lock.
 */
#include "block/block.h"

static int raw_probe(const uint8_t *head, size_t n)
{
    return 1;
}

static void raw_submit(BlockNode *n, BlockReq *req)
{
    n->child->drv->submit(n->child, req);
}

const BlockDriver raw_driver = {
    .name = "raw", .desc = "a disk's bytes as they are", .spec = "none", .probe = raw_probe, .submit = raw_submit,
};
