/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.h -- keyboards of hosts to evdev codes (linux/input-event-codes.h), which is what
 * core/display.h speaks.
 *
 * Threads: pure functions.
 */
#ifndef UI_KEYS_H
#define UI_KEYS_H
#include <stdbool.h>
#include <stdint.h>
/* USB HID keyboard page usage (SDL scancodes); 0: no such key */
unsigned key_from_hid(unsigned usage);
/* X11 keysym, by the US layout; 0: no such key */
unsigned key_from_keysym(uint32_t keysym, bool *needs_shift);
/* evdev code to X11 keysym, of keys that print nothing; 0: it prints, or is unknown */
uint32_t key_symbol(unsigned code);
/* scan code set 1, E0-prefixed ones with bit 7 set; 0: no such key */
unsigned key_from_xt(unsigned code);
#endif
