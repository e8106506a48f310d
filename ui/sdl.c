/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sdl.c -- the desktop window: shows the console, types into it.
 *
 * Spec: SDL 2 API.
 * Omits: nothing.
 * Threads: main context with the machine lock; a timer of the loop polls SDL and pulls the picture
 *   30 times a second.
 *
 * With Ctrl and Alt held (or what grab-mod says): G gives the mouse to the guest and back, F full
 * screen, U the guest's own size, S whole multiples of it or any size (smooth), V types the host's
 * clipboard, C copies the text screen there, 1 to 9 show the guest's screen or a text console.
 * Closing the window presses the power button; closing it again ends.
 */
#ifdef CONFIG_SDL                        /* configure: libsdl2-dev is there and not --disable-sdl */
#include "core/display.h"
#include "core/options.h"
#include "ui/keys.h"
#include "ui/paste.h"
#include "ui/sdl_lib.h"
#include <linux/input-event-codes.h>
#include <string.h>

enum { FRAME_MS = 33 };
extern const ViewerOps sdl_viewer;

typedef struct SdlViewer {
    Viewer        viewer;
    Machine      *machine;
    SDL_Window   *window;
    SDL_Renderer *renderer;
    SDL_Texture  *texture;
    int           width, height;
    GSource      *timer;
    /* whole: only whole multiples of the guest's pixels */
    bool          grabbed, dirty, full, whole, closing;
    Paste         paste;
    Keymap       *keys;
    unsigned      buttons;
    bool          down[256];            /* evdev codes held, so that a lost focus releases them */
} SdlViewer;

static bool own_keys(const SdlViewer *s, Uint16 mod)
{
    switch (s->machine->options->grab_mod) {
    case GRAB_RCTRL:
        return mod & KMOD_RCTRL;
    case GRAB_SHIFT_CTRL_ALT:
        return (mod & KMOD_SHIFT) && (mod & KMOD_CTRL) && (mod & KMOD_ALT);
    default:
        return (mod & KMOD_CTRL) && (mod & KMOD_ALT);
    }
}

static const char *own_keys_name(const SdlViewer *s)
{
    static const char *const names[] = { [GRAB_CTRL_ALT] = "Ctrl+Alt",
                                         [GRAB_SHIFT_CTRL_ALT] = "Shift+Ctrl+Alt",
                                         [GRAB_RCTRL] = "Right Ctrl" };

    return names[s->machine->options->grab_mod];
}

/* The guest draws a pointer of its own where it has an absolute one. */
static void cursor(SdlViewer *s)
{
    SDL_ShowCursor(!s->machine->options->show_cursor && console_is_absolute(s->viewer.con)
                       ? SDL_DISABLE
                       : SDL_ENABLE);
}

static void title(SdlViewer *s)
{
    const char *name = s->machine->name ? s->machine->name : "Ryokan",
               *label = console_label(s->viewer.con), *keys = own_keys_name(s);
    g_autofree char *t =
        label        ? g_strdup_printf("%s (%s) - %s+1 shows the guest's screen", name, label, keys)
        : s->closing ? g_strdup_printf("%s - shutting down; close again to end at once", name)
        : s->grabbed ? g_strdup_printf("%s - %s+G gives the mouse back", name, keys)
        : console_is_absolute(s->viewer.con)
            ? g_strdup_printf("%s - %s+F: full screen", name, keys)
            : g_strdup_printf("%s - click to give the mouse to the guest", name);

    SDL_SetWindowTitle(s->window, t);
    cursor(s);
}

static void grab(SdlViewer *s, bool on)
{
    s->grabbed = on;
    SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
    title(s);
}

static void release_keys(SdlViewer *s)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(s->down); i++) {
        if (s->down[i]) {
            console_key(s->viewer.con, i, false);
            s->down[i] = false;
        }
    }
}

static void own_size(SdlViewer *s)
{
    if (!s->full && s->width) {
        SDL_SetWindowSize(s->window, s->width, s->height);
    }
}

static void paste(SdlViewer *s)
{
    char *text = SDL_GetClipboardText();

    if (text) {
        paste_start(&s->paste, text);
    }
    SDL_free(text);
}

static void copy(SdlViewer *s)
{
    g_autofree char *text = paste_screen(s->viewer.con);

    if (text) {
        SDL_SetClipboardText(text);
    }
}

static void full_screen(SdlViewer *s, bool on)
{
    s->full = on;
    SDL_SetWindowFullscreen(s->window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    own_size(s);
}

/* The window's own keys; false: it is the guest's. */
static bool command(SdlViewer *s, SDL_Keycode key)
{
    switch (key) {
    case SDLK_g:
        grab(s, !s->grabbed);
        break;
    case SDLK_f:
        full_screen(s, !s->full);
        break;
    case SDLK_u:
        own_size(s);
        break;
    case SDLK_s:
        s->whole = !s->whole;
        SDL_RenderSetIntegerScale(s->renderer, s->whole ? SDL_TRUE : SDL_FALSE);
        break;
    case SDLK_v:
        paste(s);
        break;
    case SDLK_c:
        copy(s);
        break;
    case SDLK_1 ... SDLK_9:
        release_keys(s);
        if (viewer_show(&s->viewer, (unsigned)(key - SDLK_1))) {
            grab(s, false);             /* and the title */
        }
        break;
    default:
        return false;
    }
    s->dirty = true;
    release_keys(s);
    return true;
}

/*
 * For a text console: letters come as text, which knows the host's layout and its dead keys, all
 * others from here.
 */
static void symbol(SdlViewer *s, const SDL_KeyboardEvent *e)
{
    unsigned mods = (e->keysym.mod & KMOD_SHIFT ? MOD_SHIFT : 0) |
                    (e->keysym.mod & KMOD_CTRL ? MOD_CTRL : 0) |
                    (e->keysym.mod & KMOD_LALT ? MOD_ALT : 0);
    uint32_t sym = key_symbol(key_from_hid((unsigned)e->keysym.scancode));

    if (!sym && mods & (MOD_CTRL | MOD_ALT) && e->keysym.sym > 0 && e->keysym.sym < 0x80) {
        sym = (uint32_t)e->keysym.sym;
    } else if (sym >= 0xffaa && sym <= 0xffb9 && sym != 0xffad && (e->keysym.mod & KMOD_NUM)) {
        sym = 0;                        /* the keypad's digits come as text too */
    }
    if (sym) {
        console_symbol(s->viewer.con, sym, mods);
    }
}

static void on_text(SdlViewer *s, const char *text)
{
    SDL_Keymod now = SDL_GetModState();

    for (; console_is_text(s->viewer.con) && !(now & (KMOD_CTRL | KMOD_LALT)) && *text;
         text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char_validated(text, -1);
        if ((gint32)c < 0) {
            return;
        }
        console_symbol(s->viewer.con, c < 0x100 ? c : 0x1000000 | c, 0);
    }
}

static void on_key(SdlViewer *s, const SDL_KeyboardEvent *e)
{
    bool down = e->type == SDL_KEYDOWN;
    unsigned code = key_from_hid((unsigned)e->keysym.scancode);

    if (down && own_keys(s, e->keysym.mod) && command(s, e->keysym.sym)) {
        return;
    }
    if (console_is_text(s->viewer.con)) {
        if (down) {
            symbol(s, e);
        }
        return;
    }
    if (code && code < G_N_ELEMENTS(s->down)) {
        s->down[code] = down;
        console_key(s->viewer.con, code, down);
    }
}

static void on_button(SdlViewer *s, const SDL_MouseButtonEvent *e)
{
    unsigned bit = e->button == SDL_BUTTON_LEFT     ? 1
                   : e->button == SDL_BUTTON_RIGHT  ? 2
                   : e->button == SDL_BUTTON_MIDDLE ? 4
                                                    : 0;

    if (!s->grabbed && !console_is_absolute(s->viewer.con)) {
        if (!console_is_text(s->viewer.con) && e->type == SDL_MOUSEBUTTONDOWN) {
            grab(s, true);
        }
        return;
    }
    s->buttons = e->type == SDL_MOUSEBUTTONDOWN ? s->buttons | bit : s->buttons & ~bit;
    console_pointer(s->viewer.con, 0, 0, 0, s->buttons);
}

/* The guest is asked first; the second time, or where it cannot hear, the machine ends. */
static void on_close(SdlViewer *s)
{
    if (!s->machine->options->window_close) {
        return;
    }
    if (!s->closing && s->machine->state == RUN_RUNNING && machine_powerdown(s->machine)) {
        s->closing = true;
        title(s);
        return;
    }
    s->machine->shutdown_cause = "host-ui";
    machine_shutdown_request(s->machine, "the window was closed");
}

static void on_event(SdlViewer *s, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_QUIT:
        on_close(s);
        break;
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(s, &e->key);
        break;
    case SDL_TEXTINPUT:
        on_text(s, e->text.text);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(s, &e->button);
        break;
    case SDL_MOUSEMOTION:
        if (s->grabbed) {
            console_pointer(s->viewer.con, e->motion.xrel, e->motion.yrel, 0, s->buttons);
        } else if (console_is_absolute(s->viewer.con)) {
            console_point(s->viewer.con, e->motion.x, e->motion.y, 0, s->buttons);
        }
        break;
    case SDL_MOUSEWHEEL:
        if (s->grabbed || console_is_absolute(s->viewer.con)) {
            console_pointer(s->viewer.con, 0, 0, -e->wheel.y, s->buttons);
        } else if (console_is_text(s->viewer.con) && e->wheel.y) {
            console_symbol(s->viewer.con, e->wheel.y > 0 ? 0xff55 : 0xff56, MOD_SHIFT);
        }
        break;
    case SDL_WINDOWEVENT:
        if (e->window.event == SDL_WINDOWEVENT_FOCUS_GAINED) {
            title(s);
        } else if (e->window.event == SDL_WINDOWEVENT_FOCUS_LOST) {
            release_keys(s);
            grab(s, false);
        }
        s->dirty = true;
        break;
    }
}

static gboolean tick(void *opaque)
{
    SdlViewer *s = opaque;
    SDL_Event e;

    machine_lock(s->machine);
    while (SDL_PollEvent(&e)) {
        on_event(s, &e);
    }
    paste_tick(&s->paste, s->machine, s->viewer.con, s->keys);
    console_refresh(s->viewer.con);
    if (s->dirty && s->texture) {
        s->dirty = false;
        SDL_RenderClear(s->renderer);
        SDL_RenderCopy(s->renderer, s->texture, NULL, NULL);
        SDL_RenderPresent(s->renderer);
    }
    machine_unlock(s->machine);
    return G_SOURCE_CONTINUE;
}

static void sdl_resized(Viewer *v, pixman_image_t *surface)
{
    SdlViewer *s = (SdlViewer *)v;

    s->width = pixman_image_get_width(surface);
    s->height = pixman_image_get_height(surface);
    if (s->texture) {
        SDL_DestroyTexture(s->texture);
    }
    s->texture = SDL_CreateTexture(s->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                   s->width, s->height);
    own_size(s);
    SDL_RenderSetLogicalSize(s->renderer, s->width, s->height);
    s->dirty = true;
}

static void sdl_damaged(Viewer *v, const pixman_box16_t *b)
{
    SdlViewer *s = (SdlViewer *)v;
    pixman_image_t *p = console_surface(v->con);
    int stride = pixman_image_get_stride(p);
    const uint8_t *data = (const uint8_t *)pixman_image_get_data(p);
    SDL_Rect r = { b->x1, b->y1, b->x2 - b->x1, b->y2 - b->y1 };

    if (s->texture) {
        SDL_UpdateTexture(s->texture, &r, data + (ptrdiff_t)b->y1 * stride + b->x1 * 4, stride);
        s->dirty = true;
    }
}

static void sdl_close(Viewer *v)
{
    SdlViewer *s = (SdlViewer *)v;

    g_source_destroy(s->timer);
    g_source_unref(s->timer);
    if (s->texture) {
        SDL_DestroyTexture(s->texture);
    }
    SDL_DestroyRenderer(s->renderer);
    SDL_DestroyWindow(s->window);
    SDL_QuitSubSystem(SDL_INIT_VIDEO);
    paste_end(&s->paste);
    keymap_free(s->keys);
    g_free(s);
}

static bool sdl_open(Machine *m, Console *con, Viewer **out, GError **err)
{
    SdlViewer *s;

    if (!sdl_load()) {
        return fail(err, "-display sdl: %s (install SDL 2, or use -display none)", dlerror());
    }
    SDL_SetMainReady();
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
    if (SDL_InitSubSystem(SDL_INIT_VIDEO)) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "-display sdl: %s (is DISPLAY right? -display none goes without)",
                    SDL_GetError());
        return false;
    }
    s = g_new0(SdlViewer, 1);
    s->machine = m;
    s->window = SDL_CreateWindow("Ryokan", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720,
                                 400, SDL_WINDOW_RESIZABLE);
    s->renderer = s->window ? SDL_CreateRenderer(s->window, -1, 0) : NULL;
    if (!s->renderer) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_FAILED, "-display sdl: %s", SDL_GetError());
        if (s->window) {
            SDL_DestroyWindow(s->window);
        }
        g_free(s);
        return false;
    }
    s->timer = g_timeout_source_new(FRAME_MS);
    g_source_set_callback(s->timer, tick, s, NULL);
    g_source_attach(s->timer, m->context);
    s->viewer.ops = &sdl_viewer;
    *out = &s->viewer;
    s->keys = keymap_new(m->options->keyboard, NULL);
    console_viewer(con, &s->viewer);
    title(s);
    if (m->options->full_screen) {
        full_screen(s, true);
    }
    return true;
}

const ViewerOps sdl_viewer = {
    .name = "sdl", .desc = "desktop window",
    .open = sdl_open, .resized = sdl_resized, .damaged = sdl_damaged, .close = sdl_close,
};
#endif
