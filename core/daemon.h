/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.h -- the process itself: in the background, its id in a file, less to lose.
 *
 * Threads: the main thread; daemon_fork() before there are others.
 */
#ifndef CORE_DAEMON_H
#define CORE_DAEMON_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
/*
 * In the child, the descriptor for daemon_ready(); 0 in the parent, with what it is to end with;
 * -1: errno.
 */
int  daemon_fork(int *status);
void daemon_ready(int fd);
bool daemon_pidfile(const char *path, GError **err);
/* -runas, -chroot; either may be NULL */
bool daemon_drop(const char *user, const char *root, GError **err);

enum { SANDBOX_ALLOW, SANDBOX_DENY, SANDBOX_CHILDREN };
typedef struct SandboxArgs {
    bool     enable;
    uint32_t obsolete;                /* 0 deny, 1 allow */
    uint32_t elevateprivileges, spawn, resourcecontrol;
} SandboxArgs;
bool daemon_sandbox(const SandboxArgs *a, GError **err);
#endif
