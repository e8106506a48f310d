/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * null.c -- takes everything, says nothing.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/backend.h"

static bool null_open(Chardev *c, GError **err)
{
    (void)c;
    (void)err;
    return true;
}

const ChrBackend null_chardev = { .name = "null", .help = "takes everything, says nothing",
                                  .open = null_open };
