/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paste.h -- text from the host's clipboard, typed into what a viewer shows; and the text that it
 * shows, for the clipboard.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef UI_PASTE_H
#define UI_PASTE_H
#include "core/display.h"
#include "ui/keymap.h"

typedef struct Paste {
    char       *text;                 /* what is left starts at `at`; NULL: nothing */
    const char *at;
} Paste;

/* in place of what was under way; bytes that are no UTF-8 end it */
void  paste_start(Paste *p, const char *utf8);
/* as much as goes now */
void  paste_tick(Paste *p, Machine *m, Console *con, const Keymap *keys);
void  paste_end(Paste *p);
char *paste_screen(Console *con);     /* the text that it shows, or NULL in graphics modes */
#endif
