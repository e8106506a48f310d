/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp.h -- the JSON protocol for programs: commands of core/commands.def and events, over a
 * character device.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_QMP_H
#define CORE_QMP_H
#include "core/chardev.h"
#include "core/schema.h"
typedef struct Qmp Qmp;
Qmp *qmp_new(Machine *m, Chardev *c);
void qmp_free(Qmp *q);
bool qmp_allows_oob(const Entry *e);   /* exec-oob takes it */
GVariant *qmp_version(void);         /* as the greeting and query-version tell it */
#endif
