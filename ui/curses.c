/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * curses.c -- text screens in the terminal that the emulator was started from.
 *
 * Spec: X/Open Curses, Issue 7; ncurses' extended key names; the keys for consoles are those in
 *   common use.
 * Omits: pictures of graphics modes (a line says which mode it is); the mouse; keys held down.
 * Threads: the main context with the machine lock: a source reads the terminal, a timer draws.
 *
 * Alt and 1 to 9 show the guest's screen or a text console; every other key is the guest's, Ctrl-C
 * included.
 */
#ifdef CONFIG_CURSES /* configure: libncurses-dev is there and not --disable-curses */
#define NCURSES_WIDECHAR 1
#include "core/chardev.h"
#include "core/display.h"
#include "core/options.h"
#include "core/sendkey.h"
#include "core/vt.h"
#include "ui/keymap.h"
#include <glib-unix.h>
#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* linux/input-event-codes.h and curses.h have the same names for different things. */
enum { EVDEV_LEFTCTRL = 29, EVDEV_LEFTSHIFT = 42, EVDEV_LEFTALT = 56, EVDEV_RIGHTALT = 100 };
enum { FRAME_MS = 50, HOLD_MS = 10, ESCAPE_MS = 25, ESC = 27, KEYS_A_TIME = 64 };
extern const ViewerOps curses_viewer;

typedef struct CursesViewer {
    Viewer   viewer;
    Machine *machine;
    GSource *timer, *keyboard;
    Keymap  *keys;
    SCREEN  *screen;
    short    colours;                 /* 8, 16, or 0: there are none */
    bool     again;                   /* clear first */
    unsigned left, top;               /* what of a larger screen is in the corner of the terminal */
} CursesViewer;

/* ---- the picture ---- */

/* Of the first n colours of the terminal the nearest. */
static short nearest(uint32_t rgb, short n)
{
    short best = 0;
    int   least = 3 * 256 * 256;

    for (short i = 0; i < n; i++) {
        uint32_t c = vt_rgb((uint32_t)i);
        int r = (int)(c >> 16 & 255) - (int)(rgb >> 16 & 255),
            g = (int)(c >> 8 & 255) - (int)(rgb >> 8 & 255), b = (int)(c & 255) - (int)(rgb & 255),
            d = r * r + g * g + b * b;
        if (d < least) {
            least = d;
            best = i;
        }
    }
    return best;
}

static void colours(CursesViewer *s)
{
    s->colours = 0;
    if (!has_colors() || start_color() == ERR || COLORS < 8) {
        return;
    }
    s->colours = COLORS >= 16 && COLOR_PAIRS > 256 ? 16 : 8;
    for (short i = 0; i < s->colours * s->colours; i++) {
        init_pair((short)(i + 1), (short)(i / s->colours), (short)(i % s->colours));
    }
}

static void put(const CursesViewer *s, int x, int y, const TextCell *c)
{
    wchar_t text[2] = { (wchar_t)(c->ch ? c->ch : ' '), 0 };
    attr_t  attr = 0;
    short   fg = nearest(c->fg, 16), bg, pair = 0;
    cchar_t out;

    if (s->colours) {
        bg = nearest(c->bg, s->colours);
        attr = s->colours == 8 && fg >= 8 ? A_BOLD : 0;
        pair = (short)((s->colours == 8 ? fg & 7 : fg) * s->colours + bg + 1);
    } else {
        attr = (fg >= 8 ? A_BOLD : 0) | (nearest(c->bg, 16) & 7 ? A_REVERSE : 0);
    }
    if (setcchar(&out, text, attr, pair, NULL) == OK && mvadd_wch(y, x, &out) == ERR &&
        c->ch >= 0x80) {
        text[0] = '?';                  /* this terminal's character set has it not */
        setcchar(&out, text, attr, pair, NULL);
        mvadd_wch(y, x, &out);
    }
}

static void draw_graphics(CursesViewer *s)
{
    pixman_image_t  *p = console_surface(s->viewer.con);
    g_autofree char *text = p ? g_strdup_printf("%d x %d Graphic mode", pixman_image_get_width(p),
                                                pixman_image_get_height(p))
                              : g_strdup("no display");

    erase();
    mvaddstr(LINES / 2, MAX((COLS - (int)strlen(text)) / 2, 0), text);
    curs_set(0);
}

/* Text that the terminal is too small for is shown around the cursor. */
static unsigned pan(int cursor, unsigned size, unsigned room, unsigned now)
{
    if (size <= room) {
        return 0;
    }
    now = MIN(now, size - room);
    if (cursor < 0) {
        return now;
    }
    return (unsigned)cursor < now           ? (unsigned)cursor
           : (unsigned)cursor >= now + room ? (unsigned)cursor - room + 1
                                            : now;
}

static void draw_text(CursesViewer *s, const TextMode *t)
{
    unsigned w = (unsigned)MAX(COLS, 1), h = (unsigned)MAX(LINES, 1);

    s->left = pan(t->x, t->cols, w, s->left);
    s->top = pan(t->x < 0 ? -1 : t->y, t->rows, h, s->top);
    erase();
    for (unsigned y = 0; y < MIN(h, t->rows); y++) {
        for (unsigned x = 0; x < MIN(w, t->cols); x++) {
            TextCell c;
            console_cell(s->viewer.con, s->left + x, s->top + y, &c);
            if (c.ch) {
                put(s, (int)x, (int)y, &c);
            }
        }
    }
    curs_set(t->x >= 0);
    if (t->x >= 0) {
        move(t->y - (int)s->top, t->x - (int)s->left);
    }
}

static gboolean draw(void *opaque)
{
    CursesViewer *s = opaque;
    TextMode      t;

    machine_lock(s->machine);
    console_refresh(s->viewer.con);
    if (console_text_mode(s->viewer.con, &t)) {
        draw_text(s, &t);
    } else {
        draw_graphics(s);
    }
    machine_unlock(s->machine);
    if (s->again) {
        clearok(stdscr, TRUE);
        s->again = false;
    }
    refresh();
    return G_SOURCE_CONTINUE;
}

/* ---- keys ---- */

typedef struct Key {
    uint32_t sym;
    unsigned mods;
} Key;

/* "kUP5" and the like: the number is xterm's, 1 + Shift + 2 Alt + 4 Ctrl. */
static Key extended(int code)
{
    static const struct {
        const char *name;
        uint16_t    sym;
    } names[] = {
        { "kUP", 0xff52 }, { "kDN", 0xff54 }, { "kLFT", 0xff51 },
        { "kRIT", 0xff53 }, { "kHOM", 0xff50 }, { "kEND", 0xff57 },
        { "kIC", 0xff63 }, { "kDC", 0xffff }, { "kPRV", 0xff55 }, { "kNXT", 0xff56 },
    };
    const char *name = keyname(code);

    for (size_t i = 0; name && i < G_N_ELEMENTS(names); i++) {
        size_t n = strlen(names[i].name);
        if (!strncmp(name, names[i].name, n)) {
            unsigned m = name[n] >= '2' && name[n] <= '8' ? (unsigned)(name[n] - '1') : 1;
            return (Key){ names[i].sym, (m & 1 ? MOD_SHIFT : 0) | (m & 2 ? MOD_ALT : 0) |
                                            (m & 4 ? MOD_CTRL : 0) };
        }
    }
    return (Key){ 0, 0 };
}

static Key named(int code)
{
    static const struct {
        int      code;
        uint16_t sym;
        uint8_t  mods;
    } names[] = {
        { KEY_UP, 0xff52, 0 }, { KEY_DOWN, 0xff54, 0 }, { KEY_LEFT, 0xff51, 0 },
        { KEY_RIGHT, 0xff53, 0 }, { KEY_HOME, 0xff50, 0 }, { KEY_END, 0xff57, 0 },
        { KEY_IC, 0xff63, 0 }, { KEY_DC, 0xffff, 0 }, { KEY_PPAGE, 0xff55, 0 },
        { KEY_NPAGE, 0xff56, 0 }, { KEY_BACKSPACE, 0xff08, 0 }, { KEY_ENTER, 0xff0d, 0 },
        { KEY_BTAB, 0xff09, MOD_SHIFT }, { KEY_B2, 0xff9d, 0 }, { KEY_A1, 0xff50, 0 },
        { KEY_A3, 0xff55, 0 }, { KEY_C1, 0xff57, 0 }, { KEY_C3, 0xff56, 0 },
        { KEY_SLEFT, 0xff51, MOD_SHIFT }, { KEY_SRIGHT, 0xff53, MOD_SHIFT },
        { KEY_SR, 0xff52, MOD_SHIFT }, { KEY_SF, 0xff54, MOD_SHIFT },
        { KEY_SHOME, 0xff50, MOD_SHIFT }, { KEY_SEND, 0xff57, MOD_SHIFT },
        { KEY_SIC, 0xff63, MOD_SHIFT }, { KEY_SDC, 0xffff, MOD_SHIFT },
        { KEY_SPREVIOUS, 0xff55, MOD_SHIFT }, { KEY_SNEXT, 0xff56, MOD_SHIFT },
    };
    int f = code - KEY_F(1);

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].code == code) {
            return (Key){ names[i].sym, names[i].mods };
        }
    }
    if (f >= 0 && f < 48) {             /* F13 to F24 are those with Shift, then Ctrl, then both */
        return (Key){ 0xffbe + (uint32_t)f % 12,
                      (f / 12 & 1 ? MOD_SHIFT : 0) | (f / 12 & 2 ? MOD_CTRL : 0) };
    }
    return extended(code);
}

static Key character(wint_t c)
{
    switch (c) {
    case '\t':
        return (Key){ 0xff09, 0 };
    case '\r':
        return (Key){ 0xff0d, 0 };
    case ESC:
        return (Key){ 0xff1b, 0 };
    case 0x7f:
        return (Key){ 0xff08, 0 };
    case 0:
        return (Key){ ' ', MOD_CTRL };
    default:
        return c < ' ' ? (Key){ c + (c < 27 ? 0x60 : 0x40), MOD_CTRL }
               : (Key){ c < 0x100 ? (uint32_t)c : 0x1000000 | (uint32_t)c, 0 };
    }
}

static void press(CursesViewer *s, Key k)
{
    KeyStroke stroke;
    unsigned  codes[5], n = 0;

    if (console_is_text(s->viewer.con)) {
        console_symbol(s->viewer.con, k.sym, k.mods);
        return;
    }
    if (!keymap_find(s->keys, k.sym, &stroke)) {
        return;
    }
    if (k.mods & MOD_CTRL) {
        codes[n++] = EVDEV_LEFTCTRL;
    }
    if (k.mods & MOD_ALT) {
        codes[n++] = EVDEV_LEFTALT;
    }
    if (stroke.shift || (k.mods & MOD_SHIFT)) {
        codes[n++] = EVDEV_LEFTSHIFT;
    }
    if (stroke.altgr) {
        codes[n++] = EVDEV_RIGHTALT;
    }
    codes[n++] = stroke.code;
    sendkey(s->machine, codes, n, HOLD_MS, NULL);
}

static void on_key(CursesViewer *s, wint_t c, bool is_code)
{
    Key k = is_code ? named((int)c) : character(c);

    if (k.sym == 0xff1b) {              /* Alt is an escape before the key */
        wint_t next;
        int    r = get_wch(&next);
        if (r != ERR) {
            k = r == KEY_CODE_YES ? named((int)next) : character(next);
            k.mods |= MOD_ALT;
        }
    }
    if (k.mods == MOD_ALT && k.sym >= '1' && k.sym <= '9') {
        viewer_show(&s->viewer, k.sym - '1');
        s->again = true;
    } else if (k.sym) {
        press(s, k);
    }
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    CursesViewer *s = opaque;
    wint_t        c;
    int           r;

    if (cond & (G_IO_HUP | G_IO_ERR)) {
        return G_SOURCE_REMOVE;         /* the terminal is gone; SIGHUP says the rest */
    }
    machine_lock(s->machine);
    for (unsigned i = 0; i < KEYS_A_TIME && (r = get_wch(&c)) != ERR; i++) {
        if (r == KEY_CODE_YES && c == KEY_RESIZE) {
            s->again = true;
        } else {
            on_key(s, c, r == KEY_CODE_YES);
        }
    }
    machine_unlock(s->machine);
    return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

static void curses_resized(Viewer *v, pixman_image_t *surface)
{
    ((CursesViewer *)v)->again = true;
}

static void curses_damaged(Viewer *v, const pixman_box16_t *box)
{
}

static void curses_close(Viewer *v)
{
    CursesViewer *s = (CursesViewer *)v;

    g_source_destroy(s->timer);
    g_source_unref(s->timer);
    g_source_destroy(s->keyboard);
    g_source_unref(s->keyboard);
    endwin();
    delscreen(s->screen);
    keymap_free(s->keys);
    g_free(s);
}

static bool curses_open(Machine *m, Console *con, Viewer **out, GError **err)
{
    CursesViewer *s;
    SCREEN       *screen;

    for (unsigned i = 0; i < chr_count(m); i++) {
        if (!strcmp(chr_kind(chr_at(m, i)), "stdio")) {
            return fail(err, "-display curses: this terminal is taken by stdio; put that elsewhere "
                             "(-serial vc, -monitor vc)");
        }
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return fail(err, "-display curses: standard input and output are no terminal; use "
                         "-nographic or -display none");
    }
    setlocale(LC_CTYPE, "");
    set_escdelay(ESCAPE_MS);
    screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        return fail(err, "-display curses: TERM=%s is no terminal that ncurses knows",
                    g_getenv("TERM") ? g_getenv("TERM") : "");
    }
    s = g_new0(CursesViewer, 1);
    s->viewer.ops = &curses_viewer;
    s->machine = m;
    s->screen = screen;
    s->keys = keymap_new(m->options->keyboard, NULL);
    s->again = true;
    raw();
    noecho();
    nonl();
    intrflush(stdscr, FALSE);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    colours(s);
    s->timer = g_timeout_source_new(FRAME_MS);
    g_source_set_callback(s->timer, draw, s, NULL);
    g_source_attach(s->timer, m->context);
    s->keyboard = g_unix_fd_source_new(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_source_set_callback(s->keyboard, G_SOURCE_FUNC(readable), s, NULL);
    g_source_attach(s->keyboard, m->context);
    *out = &s->viewer;
    console_viewer(con, &s->viewer);
    return true;
}

const ViewerOps curses_viewer = {
    .name = "curses", .desc = "text screens in this terminal",
    .open = curses_open, .resized = curses_resized,
    .damaged = curses_damaged, .close = curses_close,
};
#endif
