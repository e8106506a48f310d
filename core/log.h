/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h -- -d items, -D file.  log_on() is one load and a test, so a log line costs nothing while
 * off.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
enum {                                /* -d names in log.c */
    LOG_INT = 1u << 0, LOG_EXEC = 1u << 1, LOG_IN_ASM = 1u << 2, LOG_IR = 1u << 3,
    LOG_OPT = 1u << 4,
    LOG_OUT_ASM = 1u << 5, LOG_CPU_RESET = 1u << 6, LOG_GUEST_ERRORS = 1u << 7, LOG_UNIMP = 1u << 8,
    LOG_PCALL = 1u << 9, LOG_MMU = 1u << 10, LOG_CPU = 1u << 11, LOG_IO = 1u << 12,
};
extern uint32_t log_mask;           /* the one process-wide setting, written before threads start */
static inline bool log_on(uint32_t item) { return __builtin_expect((log_mask & item) != 0, 0); }
void log_write(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* how g_printerr()'s lines begin; -1, NULL: as it is */
void message_setup(int timestamp, const char *guest);
bool log_setup(const char *items, const char *file, GError **err);
#endif
