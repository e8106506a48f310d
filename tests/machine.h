/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine.h -- a whole machine in a test's own process, from a command line. */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H
#include "core/machine.h"
#include "core/options.h"

/* args: the program's name, options, NULL. */
static inline bool machine_from(Machine *m, const char *const *args, GError **err)
{
    bool exit_now = false;
    int  n = 0;

    while (args[n]) {
        n++;
    }
    return options_parse(m, n, (char **)(uintptr_t)args, &exit_now, err) && machine_build(m, err);
}
/* With what it was made from. */
static inline void machine_done(Machine *m)
{
    struct Options *o = m->options;

    machine_free(m);
    options_free(o);
}
#endif
