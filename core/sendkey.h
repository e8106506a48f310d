/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sendkey.h -- keys by name, pressed together and let go in turn: send-key and sendkey.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_SENDKEY_H
#define CORE_SENDKEY_H
#include "core/machine.h"
#define SENDKEY_MAX 16                /* keys pressed together */
unsigned key_from_name(const char *name);      /* evdev code; 0: no such key */
bool     sendkey(Machine *m, const unsigned *codes, unsigned n, unsigned hold_ms, GError **err);
void     sendkey_free(struct KeyQueue *q);
#endif
