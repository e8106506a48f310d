/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * actions.c -- what happens when the guest reboots, switches itself off, panics, or lets its
 * watchdog run out (-action).
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "run-state".
 * Omits: nothing.
 * Threads: with the machine lock.
 */
#include "core/actions.h"
#include "core/commands.h"
#include "core/trace.h"

static const char *const reboots[] = { "-", "reset", "shutdown", NULL };
static const char *const shutdowns[] = { "-", "poweroff", "pause", NULL };
static const char *const panics[] = { "-", "shutdown", "pause", "exit-failure", "none", NULL };
static const char *const watchdogs[] = { "-", "reset", "shutdown", "poweroff", "inject-nmi",
                                         "pause", "debug", "none", NULL };

const Field action_args[] = {
    CONFIG_ENUM(ActionArgs, reboot, reboots, .help = "When the guest reboots."),
    CONFIG_ENUM(ActionArgs, shutdown, shutdowns, .help = "When it switches itself off."),
    CONFIG_ENUM(ActionArgs, panic, panics, .help = "When it panics."),
    CONFIG_ENUM(ActionArgs, watchdog, watchdogs, .help = "When its watchdog runs out."),
    FIELD_END
};
const Field watchdog_action_args[] = {
    { .name = "action", .type = T_ENUM, .flags = F_CONFIG | F_REQUIRED,
      .offset = offsetof(ActionArgs, watchdog), .count = 1, .aux = watchdogs,
      .help = "When the guest's watchdog runs out." },
    FIELD_END
};

void machine_set_actions(Machine *m, const ActionArgs *a)
{
    if (a->reboot) {
        m->no_reboot = a->reboot - 1 == REBOOT_SHUTDOWN;
    }
    if (a->shutdown) {
        m->no_shutdown = a->shutdown - 1 == SHUTDOWN_PAUSE;
    }
    if (a->panic) {
        m->on_panic = a->panic - 1;
    }
    if (a->watchdog) {
        m->on_watchdog = a->watchdog - 1;
    }
}

static void tell(Machine *m, const char *event, const char *action, GVariant *info)
{
    GVariantBuilder b;

    object_start(&b);
    say(&b, "action", action);
    if (info) {
        say_value(&b, "info", info);
    }
    machine_event(m, event, g_variant_builder_end(&b));
}

void machine_guest_panicked(Machine *m, GVariant *info)
{
    if (m->on_panic == PANIC_PAUSE || (m->on_panic == PANIC_SHUTDOWN && m->no_shutdown)) {
        tell(m, "GUEST_PANICKED", "pause", info);
        machine_pause_request(m, "guest-panicked");
    } else if (m->on_panic == PANIC_NONE) {
        tell(m, "GUEST_PANICKED", "run", info);
    } else {
        tell(m, "GUEST_PANICKED", "poweroff", info);
        m->shutdown_cause = "guest-panic";
        m->exit_status = m->on_panic == PANIC_EXIT_FAILURE ? 1 : m->exit_status;
        machine_shutdown_request(m, "guest-panic");
    }
}

void machine_watchdog(Machine *m)
{
    trace_watchdog_expired(watchdogs[m->on_watchdog + 1]);
    tell(m, "WATCHDOG", watchdogs[m->on_watchdog + 1], NULL);
    switch (m->on_watchdog) {
    case WATCHDOG_RESET:    machine_reset_request(m, "the watchdog"); break;
    case WATCHDOG_SHUTDOWN: machine_powerdown(m); break;
    case WATCHDOG_POWEROFF: machine_exit_request(m, 0); break;
    case WATCHDOG_PAUSE:    machine_pause_request(m, "watchdog"); break;
    case WATCHDOG_DEBUG:    g_printerr("ryokan: watchdog: timer fired\n"); break;
    case WATCHDOG_INJECT_NMI:
        if (m->hooks.nmi) {
            m->hooks.nmi(m);
        }
        break;
    default:
        break;
    }
}

bool cmd_set_action(Machine *m, void *args, Reply *reply, GError **err)
{
    machine_set_actions(m, args);
    return true;
}

bool cmd_watchdog_action(Machine *m, void *args, Reply *reply, GError **err)
{
    const ActionArgs *a = args;

    if (!a->watchdog) {
        return fail(err, "watchdog-set-action: action= is missing");
    }
    machine_set_actions(m, &(ActionArgs){ .watchdog = a->watchdog });
    return true;
}
