/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fds.h -- descriptors that a program has passed to this one: by name (getfd), or in sets that
 * /dev/fdset/N opens (add-fd).
 *
 * Threads: with the machine lock.
 */
#ifndef CORE_FDS_H
#define CORE_FDS_H
#include "core/machine.h"
#include <stdbool.h>
/*
 * By the name of getfd, or a number this process was started with; the caller has it from now on.
 * -1: err says why.
 */
int   fds_take(Machine *m, const char *name, GError **err);
/* -add-fd */
bool  fds_add_option(Machine *m, int fd, int64_t set, const char *opaque, GError **err);
/* open(2), where /dev/fdset/N is one of the set whose mode fits. */
int   fds_open(Machine *m, const char *path, int flags, unsigned mode);
struct FdState *fds_new(void);
void  fds_free(struct FdState *s);
/* What the peer of the monitor that is being served has passed: -1, nothing. */
typedef struct Chardev Chardev;
void  fds_serving(Machine *m, Chardev *c);      /* NULL: no longer */
#endif
