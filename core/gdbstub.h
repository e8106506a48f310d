/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdbstub.h -- a debugger's way in: gdb's remote serial protocol over a character device.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_GDBSTUB_H
#define CORE_GDBSTUB_H
#include "core/chardev.h"
struct GdbStub;
/* This host only: anybody who gets there rules the guest and the monitor. */
#define GDB_DEFAULT "tcp:127.0.0.1:1234"
/* "none": the one there is takes nobody from now on */
bool gdbstub_open(Machine *m, const char *device, GError **err);
void gdbstub_free(Machine *m);        /* tells the debugger that the machine is gone */
void gdbstub_destroy(struct GdbStub *g);         /* its character device is gone */
#endif
