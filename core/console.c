/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c -- one screen with its keyboard and mouse, between a display adapter and its viewers.
 *
 * Omits: several screens of the guest.
 * Threads: main context with the machine lock.
 */
#include "core/display.h"
#include "core/trace.h"
#include <string.h>

typedef struct Asker {
    const void *ops;
    void *dev;
} Asker;

struct Console {
    Machine *machine;
    char *label;
    GPtrArray *all;                   /* of the first one: itself and those added */
    GArray *adapters, *inputs;        /* Asker; the last one serves */
    int x, y;                         /* the pointer, as far as it is known, in 0..POINTER_MAX */
    unsigned buttons, leds;
    pixman_image_t *surface;
    GPtrArray *viewers;
};

Console *console_new(Machine *m)
{
    Console *con = g_new0(Console, 1);

    con->machine = m;
    con->viewers = g_ptr_array_new();
    con->adapters = g_array_new(FALSE, FALSE, sizeof(Asker));
    con->inputs = g_array_new(FALSE, FALSE, sizeof(Asker));
    return con;
}

Console *console_add(Machine *m, const char *label)
{
    Console *con;

    for (unsigned i = 1; (con = console_nth(m, i)); i++) {
        if (!con->adapters->len && !strcmp(con->label, label)) {
            return con;                 /* its device went, and comes again */
        }
    }
    con = console_new(m);
    con->label = g_strdup(label);
    if (!m->console->all) {
        m->console->all = g_ptr_array_new();
        g_ptr_array_add(m->console->all, m->console);
    }
    g_ptr_array_add(m->console->all, con);
    return con;
}

Console *console_nth(Machine *m, unsigned i)
{
    const GPtrArray *all = m->console->all;

    return all ? (i < all->len ? all->pdata[i] : NULL) : i ? NULL : m->console;
}

const char *console_label(const Console *con)
{
    return con->label;
}

void console_close_viewers(Console *con)
{
    for (unsigned n = 0; con && (n == 0 || (con->all && n < con->all->len)); n++) {
        GPtrArray *viewers = con->all ? ((Console *)con->all->pdata[n])->viewers : con->viewers;
        while (viewers->len) {
            Viewer *v = g_ptr_array_steal_index(viewers, viewers->len - 1);
            v->ops->close(v);
        }
    }
}

void console_free(Console *con)
{
    if (!con) {
        return;
    }
    console_close_viewers(con);
    for (unsigned i = 1; con->all && i < con->all->len; i++) {
        console_free(con->all->pdata[i]);
    }
    if (con->all) {
        g_ptr_array_free(con->all, TRUE);
    }
    g_free(con->label);
    g_ptr_array_free(con->viewers, TRUE);
    g_array_free(con->adapters, TRUE);
    g_array_free(con->inputs, TRUE);
    if (con->surface) {
        pixman_image_unref(con->surface);
    }
    g_free(con);
}

/* ops of dev to the end of the list, or out of it. */
static void ask(GArray *list, const void *ops, void *dev)
{
    for (unsigned i = 0; i < list->len; i++) {
        if (g_array_index(list, Asker, i).dev == dev) {
            g_array_remove_index(list, i);
            break;
        }
    }
    if (ops) {
        Asker a = { ops, dev };
        g_array_append_val(list, a);
    }
}

void console_adapter(Console *con, const AdapterOps *ops, void *dev)
{
    ask(con->adapters, ops, dev);
    console_invalidate(con);
}

void console_input(Console *con, const InputOps *ops, void *dev)
{
    ask(con->inputs, ops, dev);
}

static const AdapterOps *adapter(const Console *con, void **dev)
{
    const Asker *a =
        con->adapters->len ? &g_array_index(con->adapters, Asker, con->adapters->len - 1) : NULL;
    *dev = a ? a->dev : NULL;
    return a ? a->ops : NULL;
}

/* Who gets keys, or what the pointer does. */
static const InputOps *input(const Console *con, bool keys, void **dev)
{
    for (unsigned i = con->inputs->len; i-- > 0;) {
        const Asker *a = &g_array_index(con->inputs, Asker, i);
        const InputOps *ops = a->ops;
        if (keys ? ops->key != NULL : ops->pointer || ops->absolute) {
            *dev = a->dev;
            return ops;
        }
    }
    return NULL;
}

void console_viewer(Console *con, Viewer *v)
{
    v->con = con;
    g_ptr_array_add(con->viewers, v);
    if (con->surface) {
        v->ops->resized(v, con->surface);
    }
}

bool viewer_show(Viewer *v, unsigned n)
{
    Console *to = console_nth(v->con->machine, n);
    pixman_box16_t all;

    if (!to) {
        return false;
    }
    g_ptr_array_remove(v->con->viewers, v);
    v->con = to;
    g_ptr_array_add(to->viewers, v);
    if (!to->surface) {
        console_resize(to, 640, 480);   /* tells the viewer */
    } else {
        v->ops->resized(v, to->surface);
    }
    console_refresh(to);
    all = (pixman_box16_t){ 0, 0, (int16_t)pixman_image_get_width(to->surface),
                            (int16_t)pixman_image_get_height(to->surface) };
    v->ops->damaged(v, &all);
    return true;
}

/* It may show any of the consoles. */
static Viewer *viewer_find(const Console *con, const char *name)
{
    Console *c;

    for (unsigned n = 0; (c = console_nth(con->machine, n)); n++) {
        for (unsigned i = 0; i < c->viewers->len; i++) {
            Viewer *v = c->viewers->pdata[i];
            if (!strcmp(v->ops->name, name)) {
                return v;
            }
        }
    }
    return NULL;
}

bool console_set_password(Console *con, const char *viewer, const char *password, GError **err)
{
    Viewer *v = viewer_find(con, viewer);

    if (!v || !v->ops->set_password) {
        return fail(err, "%s is not active: start with -%s", viewer, viewer);
    }
    return v->ops->set_password(v, password, err);
}

bool console_expire_password(Console *con, const char *viewer, int64_t at_s, GError **err)
{
    Viewer *v = viewer_find(con, viewer);

    if (!v || !v->ops->expire_password) {
        return fail(err, "%s is not active: start with -%s", viewer, viewer);
    }
    return v->ops->expire_password(v, at_s, err);
}

GVariant *console_viewer_about(Console *con, const char *viewer)
{
    Viewer *v = viewer_find(con, viewer);

    return v && v->ops->about ? v->ops->about(v) : NULL;
}

void console_refresh(Console *con)
{
    void *dev;
    const AdapterOps *ops = adapter(con, &dev);
    if (ops) {
        ops->refresh(dev, con);
    }
}

void console_invalidate(Console *con)
{
    void *dev;
    const AdapterOps *ops = adapter(con, &dev);
    if (ops && ops->invalidate) {
        ops->invalidate(dev);
    }
}

void console_text(Console *con, GString *out)
{
    void *dev;
    const AdapterOps *ops = adapter(con, &dev);
    if (ops && ops->text) {
        ops->text(dev, out);
    }
}

bool console_text_mode(Console *con, TextMode *out)
{
    void *dev;
    const AdapterOps *ops = adapter(con, &dev);

    return ops && ops->text_mode && ops->text_mode(dev, out);
}

void console_cell(Console *con, unsigned x, unsigned y, TextCell *out)
{
    void *dev;
    const AdapterOps *ops = adapter(con, &dev);

    *out = (TextCell){ .ch = ' ' };
    if (ops && ops->cell) {
        ops->cell(dev, x, y, out);
    }
}

pixman_image_t *console_surface(Console *con)
{
    return con->surface;
}

pixman_image_t *console_resize(Console *con, int width, int height)
{
    width = CLAMP(width, 1, 16384);
    height = CLAMP(height, 1, 16384);
    if (con->surface && pixman_image_get_width(con->surface) == width &&
        pixman_image_get_height(con->surface) == height) {
        return con->surface;
    }
    if (con->surface) {
        pixman_image_unref(con->surface);
    }
    con->surface = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    for (unsigned i = 0; i < con->viewers->len; i++) {
        Viewer *v = con->viewers->pdata[i];
        v->ops->resized(v, con->surface);
    }
    console_invalidate(con);
    return con->surface;
}

void console_damage(Console *con, int x, int y, int width, int height)
{
    if (!con->surface) {
        return;
    }
    pixman_box16_t box = {
        .x1 = (int16_t)MAX(x, 0), .y1 = (int16_t)MAX(y, 0),
        .x2 = (int16_t)MIN(x + width, pixman_image_get_width(con->surface)),
        .y2 = (int16_t)MIN(y + height, pixman_image_get_height(con->surface)),
    };
    if (box.x1 >= box.x2 || box.y1 >= box.y2) {
        return;
    }
    for (unsigned i = 0; i < con->viewers->len; i++) {
        Viewer *v = con->viewers->pdata[i];
        v->ops->damaged(v, &box);
    }
}

void console_key(Console *con, unsigned evdev_code, bool down)
{
    trace_input_key(evdev_code, down);
    void *dev;
    const InputOps *ops = input(con, true, &dev);
    if (ops) {
        ops->key(dev, evdev_code, down);
    }
}

bool console_is_text(const Console *con)
{
    const Asker *a =
        con->inputs->len ? &g_array_index(con->inputs, Asker, con->inputs->len - 1) : NULL;

    return a && ((const InputOps *)a->ops)->symbol;
}

void console_symbol(Console *con, uint32_t keysym, unsigned mods)
{
    const Asker *a =
        con->inputs->len ? &g_array_index(con->inputs, Asker, con->inputs->len - 1) : NULL;

    if (a && ((const InputOps *)a->ops)->symbol) {
        ((const InputOps *)a->ops)->symbol(a->dev, keysym, mods);
    }
}

void console_set_leds(Console *con, const void *dev, unsigned leds)
{
    Console *c;
    void *has;

    if (!input(con, true, &has) || has != dev || con->leds == leds) {
        return;
    }
    con->leds = leds;
    for (unsigned n = 0; (c = console_nth(con->machine, n)); n++) {
        for (unsigned i = 0; i < c->viewers->len; i++) {
            Viewer *v = c->viewers->pdata[i];
            if (v->ops->leds) {
                v->ops->leds(v, leds);
            }
        }
    }
}

unsigned console_leds(Console *con)
{
    return con->leds;
}

/* ---- the pointer ---- */
static int extent(const Console *con, bool vertical)
{
    int n = !con->surface ? 640
            : vertical    ? pixman_image_get_height(con->surface)
                          : pixman_image_get_width(con->surface);
    return MAX(n, 2);
}

static int to_pixels(const Console *con, int v, bool vertical)
{
    return (int)(((int64_t)v * (extent(con, vertical) - 1) + POINTER_MAX / 2) / POINTER_MAX);
}

static int from_pixels(const Console *con, int64_t pixels, bool vertical)
{
    return (int)(CLAMP(pixels, 0, extent(con, vertical) - 1) * POINTER_MAX /
                 (extent(con, vertical) - 1));
}

bool console_is_absolute(Console *con)
{
    void *dev;
    const InputOps *ops = input(con, false, &dev);
    return ops && ops->absolute;
}

unsigned console_buttons(Console *con)
{
    return con->buttons;
}

void console_absolute(Console *con, int x, int y, int dz, unsigned buttons)
{
    trace_input_pointer(x, y, dz, buttons);
    void *dev;
    const InputOps *ops = input(con, false, &dev);
    int nx = x < 0 ? con->x : MIN(x, POINTER_MAX), ny = y < 0 ? con->y : MIN(y, POINTER_MAX);
    int dx = to_pixels(con, nx, false) - to_pixels(con, con->x, false),
        dy = to_pixels(con, ny, true) - to_pixels(con, con->y, true);
    con->x = nx;
    con->y = ny;
    con->buttons = buttons;
    if (ops && ops->absolute) {
        ops->absolute(dev, (unsigned)nx, (unsigned)ny, dz, buttons);
    } else if (ops) {
        ops->pointer(dev, dx, dy, dz, buttons);
    }
}

void console_point(Console *con, int x, int y, int dz, unsigned buttons)
{
    console_absolute(con, from_pixels(con, x, false), from_pixels(con, y, true), dz, buttons);
}

void console_pointer(Console *con, int dx, int dy, int dz, unsigned buttons)
{
    trace_input_pointer(dx, dy, dz, buttons);
    void *dev;
    const InputOps *ops = input(con, false, &dev);
    con->buttons = buttons;
    if (ops && ops->absolute) {
        con->x = dx ? from_pixels(con, (int64_t)to_pixels(con, con->x, false) + dx, false) : con->x;
        con->y = dy ? from_pixels(con, (int64_t)to_pixels(con, con->y, true) + dy, true) : con->y;
        ops->absolute(dev, (unsigned)con->x, (unsigned)con->y, dz, buttons);
    } else if (ops) {
        ops->pointer(dev, dx, dy, dz, buttons);
    }
}
