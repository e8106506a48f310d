/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sdl.c -- the desktop window: shows the console, types into it.
 *
 * Spec: SDL 2 API.
 * Omits: full screen, scaling choices, several consoles, clipboard.
 * Threads: main context with the machine lock; a timer of the loop polls SDL and pulls the picture 30 times a second.
 */
#ifdef CONFIG_SDL                         /* configure: libsdl2-dev is there and not --disable-sdl */
#include "core/display.h"
#include "ui/keys.h"
#include "ui/sdl_lib.h"

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
    bool          grabbed, dirty;
    unsigned      buttons;
    bool          down[256];            /* evdev codes held, so that a lost focus releases them */
} SdlViewer;

static void title(SdlViewer *s)
{
    g_autofree char *t = g_strdup_printf("%s - %s", s->machine->name ? s->machine->name : "Ryokan",
                                         s->grabbed ? "Ctrl+Alt+G gives the mouse back" : "click to give the mouse to the guest");
    SDL_SetWindowTitle(s->window, t);
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

static void on_key(SdlViewer *s, const SDL_KeyboardEvent *e)
{
    bool down = e->type == SDL_KEYDOWN;
    unsigned code = key_from_hid((unsigned)e->keysym.scancode);

    if (down && e->keysym.sym == SDLK_g && (e->keysym.mod & KMOD_CTRL) && (e->keysym.mod & KMOD_ALT)) {
        release_keys(s);
        grab(s, !s->grabbed);
    } else if (code && code < G_N_ELEMENTS(s->down)) {
        s->down[code] = down;
        console_key(s->viewer.con, code, down);
    }
}

static void on_button(SdlViewer *s, const SDL_MouseButtonEvent *e)
{
    unsigned bit = e->button == SDL_BUTTON_LEFT ? 1 : e->button == SDL_BUTTON_RIGHT ? 2 : e->button == SDL_BUTTON_MIDDLE ? 4 : 0;

    if (!s->grabbed && !console_is_absolute(s->viewer.con)) {
        if (e->type == SDL_MOUSEBUTTONDOWN) {
            grab(s, true);
        }
        return;
    }
    s->buttons = e->type == SDL_MOUSEBUTTONDOWN ? s->buttons | bit : s->buttons & ~bit;
    console_pointer(s->viewer.con, 0, 0, 0, s->buttons);
}

static void on_event(SdlViewer *s, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_QUIT:
        s->machine->shutdown_cause = "host-ui";
        machine_shutdown_request(s->machine, "the window was closed");
        break;
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(s, &e->key);
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
        }
        break;
    case SDL_WINDOWEVENT:
        if (e->window.event == SDL_WINDOWEVENT_FOCUS_LOST) {
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
    s->texture = SDL_CreateTexture(s->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING, s->width, s->height);
    SDL_SetWindowSize(s->window, s->width, s->height);
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
    if (SDL_InitSubSystem(SDL_INIT_VIDEO)) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_FAILED, "-display sdl: %s (is DISPLAY right? -display none goes without)",
                    SDL_GetError());
        return false;
    }
    s = g_new0(SdlViewer, 1);
    s->machine = m;
    s->window = SDL_CreateWindow("Ryokan", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720, 400, SDL_WINDOW_RESIZABLE);
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
    title(s);
    *out = &s->viewer;
    console_viewer(con, &s->viewer);
    return true;
}

const ViewerOps sdl_viewer = {
    .name = "sdl", .desc = "desktop window",
    .open = sdl_open, .resized = sdl_resized, .damaged = sdl_damaged, .close = sdl_close,
};
#endif
