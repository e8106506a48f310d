/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ringbuf.h -- what ringbuf-read and ringbuf-write do to a ring buffer.
 *
 * Threads: with the machine lock.
 */
#ifndef CORE_CHARDEV_RINGBUF_H
#define CORE_CHARDEV_RINGBUF_H
#include "core/chardev/backend.h"
bool   chr_is_ringbuf(const Chardev *c);
void   ringbuf_write(Chardev *c, const void *buf, size_t n);    /* the oldest bytes make room */
size_t ringbuf_read(Chardev *c, void *buf, size_t n);           /* the oldest come out first */
#endif
