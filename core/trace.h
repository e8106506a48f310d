/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.h -- events with names that can be watched: trace_ide_command(...) and its like, one for
 * each row of trace.def.
 *
 * An event that is off costs a load of a byte and a branch that the processor predicts; its
 * arguments should be plain ones. -trace, -d trace:, "trace-event" and trace-event-set-state switch
 * them, by pattern.
 *
 * Threads: events from any; switching from the main context, or before threads start.
 */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H
#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum TraceEvent {
#define TRACE(name, params, args, format) TRACE_##name,
#include "core/trace.def"
#undef TRACE
    N_TRACES
} TraceEvent;

/* With log_mask the one process-wide setting: a byte an event. */
extern uint8_t trace_is_on[N_TRACES];
void trace_write(TraceEvent e, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define TRACE_ARGS_(...) , __VA_ARGS__
#define TRACE(name, params, args, format)                                                         \
    static inline void trace_##name params                                                        \
    {                                                                                             \
        if (__builtin_expect(__atomic_load_n(&trace_is_on[TRACE_##name], __ATOMIC_RELAXED), 0)) { \
            trace_write(TRACE_##name, format TRACE_ARGS_ args);                                   \
        }                                                                                         \
    }
#include "core/trace.def"
#undef TRACE
#undef TRACE_ARGS_

/* PATTERN, with * and ?; "-PATTERN" switches off.  No such event: false. */
bool trace_switch(const char *pattern, bool on, GError **err);
bool trace_read_file(const char *path, GError **err);   /* a pattern a line; # begins a comment */
void trace_print_help(void);
#endif
