/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * actions.h -- what happens when the guest reboots, switches itself off, panics, or lets its
 * watchdog run out (-action).
 *
 * Threads: with the machine lock.
 */
#ifndef CORE_ACTIONS_H
#define CORE_ACTIONS_H
#include "core/machine.h"
typedef enum { REBOOT_RESET, REBOOT_SHUTDOWN } RebootAction;
typedef enum { SHUTDOWN_POWEROFF, SHUTDOWN_PAUSE } ShutdownAction;
typedef enum { PANIC_SHUTDOWN, PANIC_PAUSE, PANIC_EXIT_FAILURE, PANIC_NONE } PanicAction;
typedef enum { WATCHDOG_RESET, WATCHDOG_SHUTDOWN, WATCHDOG_POWEROFF, WATCHDOG_INJECT_NMI,
               WATCHDOG_PAUSE, WATCHDOG_DEBUG, WATCHDOG_NONE } WatchdogAction;
typedef struct ActionArgs {    /* of -action and set-action: 0, or one more than the action */
    uint32_t reboot, shutdown, panic, watchdog;
} ActionArgs;
extern const Field action_args[], watchdog_action_args[];
void machine_set_actions(Machine *m, const ActionArgs *a);
void machine_guest_panicked(Machine *m, GVariant *info);  /* what it says of it, or NULL; taken */
void machine_watchdog(Machine *m);    /* it has run out */
#endif
