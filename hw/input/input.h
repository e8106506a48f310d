/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input.h -- keyboard and mouse of a PC.
 *
 * i8042 (isa, ports 60 and 64, IRQ 1 and 12) has a PS/2 keyboard and a wheel mouse plugged in.
 * Threads: with the machine lock.
 */
#ifndef HW_INPUT_H
#define HW_INPUT_H
#include "core/machine.h"

enum { POINTER_LEFT = 1, POINTER_RIGHT = 2, POINTER_MIDDLE = 4, POINTER_SIDE = 8,
       POINTER_EXTRA = 16 };

void *i8042_create(Machine *m, Bus *isa, GError **err);
/* a Linux input event code (KEY_A is 30) */
void  i8042_key(void *kbc, unsigned evdev, bool down);
/* relative; dy grows down, dz towards the user */
void  i8042_pointer(void *kbc, int dx, int dy, int dz, unsigned buttons);
unsigned i8042_leds(void *kbc);                             /* bit 0 scroll, 1 num, 2 caps */
#endif
