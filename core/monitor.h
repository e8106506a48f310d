/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.h -- the prompt for people: commands of core/commands.def over a character device.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_MONITOR_H
#define CORE_MONITOR_H
#include "core/chardev.h"
typedef struct Monitor Monitor;
Monitor *monitor_new(Machine *m, Chardev *c);
void     monitor_free(Monitor *mon);
#endif
