/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c -- one screen with its keyboard and mouse, between a display adapter and its viewers.
 *
 * Omits: several screens; absolute pointing.
 * Threads: main context with the machine lock.
 */
#include "core/display.h"
#include <string.h>

struct Console {
    Machine *machine;
    const AdapterOps *adapter;
    void *adapter_dev;
    const InputOps *key_ops, *pointer_ops;
    void *key_dev, *pointer_dev;
    pixman_image_t *surface;
    GPtrArray *viewers;
};

Console *console_new(Machine *m)
{
    Console *con = g_new0(Console, 1);

    con->machine = m;
    con->viewers = g_ptr_array_new();
    return con;
}

void console_free(Console *con)
{
    if (!con) {
        return;
    }
    for (unsigned i = 0; i < con->viewers->len; i++) {
        Viewer *v = con->viewers->pdata[i];
        v->ops->close(v);
    }
    g_ptr_array_free(con->viewers, TRUE);
    if (con->surface) {
        pixman_image_unref(con->surface);
    }
    g_free(con);
}

void console_adapter(Console *con, const AdapterOps *ops, void *dev)
{
    con->adapter = ops;
    con->adapter_dev = dev;
}

void console_input(Console *con, const InputOps *ops, void *dev)
{
    if (ops->key) {
        con->key_ops = ops;
        con->key_dev = dev;
    }
    if (ops->pointer) {
        con->pointer_ops = ops;
        con->pointer_dev = dev;
    }
}

void console_viewer(Console *con, Viewer *v)
{
    v->con = con;
    g_ptr_array_add(con->viewers, v);
    if (con->surface) {
        v->ops->resized(v, con->surface);
    }
}

bool console_set_password(Console *con, const char *viewer, const char *password, GError **err)
{
    for (unsigned i = 0; i < con->viewers->len; i++) {
        Viewer *v = con->viewers->pdata[i];
        if (!strcmp(v->ops->name, viewer) && v->ops->set_password) {
            return v->ops->set_password(v, password, err);
        }
    }
    return fail(err, "%s is not active: start with -%s", viewer, viewer);
}

void console_refresh(Console *con)
{
    if (con->adapter) {
        con->adapter->refresh(con->adapter_dev, con);
    }
}

void console_invalidate(Console *con)
{
    if (con->adapter && con->adapter->invalidate) {
        con->adapter->invalidate(con->adapter_dev);
    }
}

void console_text(Console *con, GString *out)
{
    if (con->adapter && con->adapter->text) {
        con->adapter->text(con->adapter_dev, out);
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
    if (con->surface && pixman_image_get_width(con->surface) == width && pixman_image_get_height(con->surface) == height) {
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
    if (con->key_ops) {
        con->key_ops->key(con->key_dev, evdev_code, down);
    }
}

void console_pointer(Console *con, int dx, int dy, int dz, unsigned buttons)
{
    if (con->pointer_ops) {
        con->pointer_ops->pointer(con->pointer_dev, dx, dy, dz, buttons);
    }
}
