/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy.h -- backups and mirrors of disks, as jobs.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef BLOCK_COPY_H
#define BLOCK_COPY_H
#include "block/block.h"

struct CopyArgs;
struct Job;
/* In two steps, so that several can begin at once, with nothing in flight. */
struct Job *copy_prepare(Machine *m, const struct CopyArgs *a, GError **err);
void copy_start(struct Job *j);
#endif
