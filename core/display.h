/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * display.h -- pictures out, input in.  A display adapter offers a Console; any number of viewers
 * (ui/) look at it.
 *
 * A viewer pulls: console_refresh() lets the adapter draw what has changed into the surface and
 * mark the damage, which every viewer then hears of.  Input goes the other way, to whichever device
 * asked for it last.  Of several adapters the one that came last shows: a second one comes when it
 * has a picture and goes when it has none.
 *
 * Beside the guest's own console a machine may have text consoles (core/chardev/vc.c); each viewer
 * shows one of them all.
 *
 * Threads: all calls in the main context with the machine lock.
 */
#ifndef CORE_DISPLAY_H
#define CORE_DISPLAY_H
#include <pixman.h>
#include "core/machine.h"

typedef struct Console Console;
typedef struct TextCell {
    /* Unicode, 0xrrggbb; ch 0: the right half of a wide character */
    uint32_t ch, fg, bg;
} TextCell;
typedef struct TextMode {
    unsigned cols, rows;
    int      x, y;                    /* the cursor; x < 0: it does not show */
} TextMode;
typedef struct AdapterOps {
    /* scan out: console_resize(), draw, console_damage() */
    void (*refresh)(void *dev, Console *con);
    void (*invalidate)(void *dev);                      /* draw everything at the next refresh */
    /* the text screen as text, a line each; nothing in graphics modes */
    void (*text)(void *dev, GString *out);
    bool (*text_mode)(void *dev, TextMode *out);        /* optional; false: a graphics mode */
    void (*cell)(void *dev, unsigned x, unsigned y, TextCell *out);         /* of a text mode */
} AdapterOps;

enum { POINTER_MAX = 0x7fff };
enum { MOD_SHIFT = 1, MOD_CTRL = 2, MOD_ALT = 4 };
/* as a PS/2 keyboard is told them; USB and evdev: num, caps, scroll */
enum { LED_SCROLL = 1, LED_NUM = 2, LED_CAPS = 4 };
typedef struct InputOps {
    void (*key)(void *dev, unsigned evdev_code, bool down);
    /* relative; buttons: 1 left, 2 right, 4 middle */
    void (*pointer)(void *dev, int dx, int dy, int dz, unsigned buttons);
    /* 0..POINTER_MAX over the screen */
    void (*absolute)(void *dev, unsigned x, unsigned y, int dz, unsigned buttons);
    /* a text console's keyboard: X11 keysyms, pressed */
    void (*symbol)(void *dev, uint32_t keysym, unsigned mods);
} InputOps;

typedef struct Viewer Viewer;
typedef struct ViewerOps {              /* ui/viewers.def */
    const char *name, *desc;
    bool (*open)(Machine *m, Console *con, Viewer **out, GError **err);
    void (*resized)(Viewer *v, pixman_image_t *surface);        /* the surface is a new one */
    void (*damaged)(Viewer *v, const pixman_box16_t *box);
    /* optional: the guest set its keyboard's lights */
    void (*leds)(Viewer *v, unsigned leds);
    bool (*set_password)(Viewer *v, const char *password, GError **err);        /* optional */
    bool (*expire_password)(Viewer *v, int64_t at_s, GError **err);             /* optional */
    GVariant *(*about)(Viewer *v);                              /* optional: for programs */
    void (*close)(Viewer *v);
} ViewerOps;
struct Viewer {                         /* first member of a viewer's own struct */
    const ViewerOps *ops;
    Console *con;
};
extern const ViewerOps *const viewer_ops[];             /* NULL-terminated */
bool keymap_check(const char *language, GError **err);  /* -k; ui/keymap.c */
void keymap_print_help(void);

Console *console_new(Machine *m);       /* machine.c: one a machine, without an adapter at first */
void     console_free(Console *con);    /* and those added to it */
void     console_close_viewers(Console *con);           /* of them all */
Console *console_add(Machine *m, const char *label);          /* one more, behind those there are */
/* 0: the guest's; NULL: there are no so many */
Console *console_nth(Machine *m, unsigned i);
const char *console_label(const Console *con);                  /* NULL: the guest's screen */
/* it shows that one from now on; false: there is none */
bool     viewer_show(Viewer *v, unsigned i);
/* its keyboard wants symbols, not keys */
bool     console_is_text(const Console *con);
void     console_symbol(Console *con, uint32_t keysym, unsigned mods);
bool     console_text_mode(Console *con, TextMode *out);        /* false: a graphics mode */
void     console_cell(Console *con, unsigned x, unsigned y, TextCell *out);
/* ignored unless dev has the keyboard */
void     console_set_leds(Console *con, const void *dev, unsigned leds);
unsigned console_leds(Console *con);
/* NULL: dev's is taken away */
void     console_adapter(Console *con, const AdapterOps *ops, void *dev);
/*
 * who gets keys or pointer: members that are not NULL; ops NULL: dev's no more, and who asked
 * before gets them again
 */
void     console_input(Console *con, const InputOps *ops, void *dev);
void     console_viewer(Console *con, Viewer *v);       /* from now on it hears of damage */

void     console_refresh(Console *con);
void     console_invalidate(Console *con);
void     console_text(Console *con, GString *out);
/* a{sv}, or NULL: not active */
GVariant *console_viewer_about(Console *con, const char *viewer);
/* -1: never; a time gone by: now */
bool     console_expire_password(Console *con, const char *viewer, int64_t at_s, GError **err);
bool     console_set_password(Console *con, const char *viewer, const char *password, GError **err);
/* x8r8g8b8, or NULL before the first console_resize() */
pixman_image_t *console_surface(Console *con);
/* 1..16384 each; the same one if the size is */
pixman_image_t *console_resize(Console *con, int width, int height);
void     console_damage(Console *con, int x, int y, int width, int height);
void     console_key(Console *con, unsigned evdev_code, bool down);
/*
 * A movement, or a place in pixels or in 0..POINTER_MAX: each becomes what the guest's device has,
 * relative or absolute.
 */
void     console_pointer(Console *con, int dx, int dy, int dz, unsigned buttons);
void     console_point(Console *con, int x, int y, int dz, unsigned buttons);
/* -1: where it is */
void     console_absolute(Console *con, int x, int y, int dz, unsigned buttons);
bool     console_is_absolute(Console *con);             /* a viewer need not grab the mouse */
unsigned console_buttons(Console *con);                 /* as they were last told */
#endif
