/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keymap.h -- which key, with which others held, makes a character on the guest's keyboard: -k.
 *
 * Threads: a Keymap is made once and only read then.
 */
#ifndef UI_KEYMAP_H
#define UI_KEYMAP_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Keymap Keymap;
typedef struct KeyStroke {
    uint16_t code;                    /* evdev */
    bool     shift, altgr;            /* held with it */
    bool     prints;                  /* else Shift and AltGr are as the user holds them */
    bool     any_shift;               /* the same character with Shift and without */
} KeyStroke;

Keymap *keymap_new(const char *language, GError **err);         /* NULL: US English */
void    keymap_free(Keymap *k);
/* X11 keysym; false: no key makes it */
bool    keymap_find(const Keymap *k, uint32_t keysym, KeyStroke *out);
#endif
