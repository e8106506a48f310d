/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_gpu_draw.c -- what the virtio GPU shows: the scanned-out part of a resource, and the
 * cursor over it.
 *
 * Spec: VIRTIO 1.2, chapter 5.7.6.8 (formats, scanout, flush, cursor).
 * Omits: alpha of the scanned-out resource.
 * Threads: with the machine lock.
 */
#include "hw/display/virtio_gpu.h"
#include <string.h>

enum { B8G8R8A8 = 1, B8G8R8X8 = 2, A8R8G8B8 = 3, X8R8G8B8 = 4, R8G8B8A8 = 67, X8B8G8R8 = 68,
       A8B8G8R8 = 121, R8G8B8X8 = 134 };

GpuResource *gpu_resource(VirtioGpu *g, uint32_t id)
{
    for (unsigned i = 0; id && i < GPU_RESOURCES; i++) {
        if (g->resource[i].id == id) {
            return &g->resource[i];
        }
    }
    return NULL;
}

/* The format's names give the bytes in memory, first byte first. */
static uint32_t argb(uint32_t format, const uint8_t *p)
{
    switch (format) {
    case A8R8G8B8: case X8R8G8B8: return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
        (uint32_t)p[2] << 8 | p[3];
    case R8G8B8A8: case R8G8B8X8: return (uint32_t)p[3] << 24 | (uint32_t)p[0] << 16 |
        (uint32_t)p[1] << 8 | p[2];
    case X8B8G8R8: case A8B8G8R8: return (uint32_t)p[0] << 24 | (uint32_t)p[3] << 16 |
        (uint32_t)p[2] << 8 | p[1];
    default:                      return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
        (uint32_t)p[1] << 8 | p[0];
    }
}

static void mark(VirtioGpu *g, int x, int y, unsigned width, unsigned height)
{
    pixman_region32_union_rect(&g->dirty, &g->dirty, x, y, width, height);
}

void gpu_dirty(VirtioGpu *g, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    mark(g, (int)x - (int)g->scan_x, (int)y - (int)g->scan_y, width, height);
}

static void mark_cursor(VirtioGpu *g)
{
    mark(g, (int)g->cursor_x - (int)g->hot_x, (int)g->cursor_y - (int)g->hot_y, GPU_CURSOR,
         GPU_CURSOR);
}

void gpu_cursor_set(VirtioGpu *g, const GpuResource *r)
{
    mark_cursor(g);
    memset(g->cursor, 0, sizeof(g->cursor));
    for (unsigned y = 0; r && y < MIN(r->height, GPU_CURSOR); y++) {
        for (unsigned x = 0; x < MIN(r->width, GPU_CURSOR); x++) {
            g->cursor[y * GPU_CURSOR + x] =
                argb(r->format, g->pixels.host + r->at + ((uint64_t)y * r->width + x) * 4);
        }
    }
}

void gpu_cursor_move(VirtioGpu *g, uint32_t x, uint32_t y, bool shown)
{
    mark_cursor(g);
    g->cursor_x = MIN(x, GPU_MAX_SIDE);
    g->cursor_y = MIN(y, GPU_MAX_SIDE);
    g->cursor_shown = shown;
    mark_cursor(g);
}

static void draw_cursor(VirtioGpu *g, pixman_image_t *surface, const pixman_box32_t *b)
{
    uint32_t *px = pixman_image_get_data(surface);
    size_t stride = (size_t)pixman_image_get_stride(surface) / 4;
    int left = (int)g->cursor_x - (int)g->hot_x, top = (int)g->cursor_y - (int)g->hot_y;
    for (int y = MAX(b->y1, top); y < MIN(b->y2, top + GPU_CURSOR); y++) {
        for (int x = MAX(b->x1, left); x < MIN(b->x2, left + GPU_CURSOR); x++) {
            uint32_t c = g->cursor[(y - top) * GPU_CURSOR + x - left], a = c >> 24, out = 0;
            uint32_t *p = &px[(size_t)y * stride + (size_t)x];
            for (unsigned i = 0; i < 24; i += 8) {
                uint32_t v = (c >> i & 0xff) + (*p >> i & 0xff) * (255 - a) / 255;
                out |= MIN(v, 255u) << i;
            }
            *p = out;
        }
    }
}

static void draw_box(VirtioGpu *g, const GpuResource *r, pixman_image_t *surface,
                     const pixman_box32_t *b)
{
    uint32_t *px = pixman_image_get_data(surface);
    size_t stride = (size_t)pixman_image_get_stride(surface) / 4;
    for (int y = b->y1; y < b->y2; y++) {
        const uint8_t *from =
            g->pixels.host + r->at +
            (((uint64_t)g->scan_y + (unsigned)y) * r->width + g->scan_x + (unsigned)b->x1) * 4;
        uint32_t *to = px + (size_t)y * stride + b->x1;
        for (int x = b->x1; x < b->x2; x++, from += 4) {
            *to++ = argb(r->format, from) & 0xffffff;
        }
    }
}

static void refresh(void *dev, Console *con)
{
    VirtioGpu *g = dev;
    const GpuResource *r = gpu_resource(g, g->scanout);
    int n;
    if (!r) {
        return;
    }
    pixman_image_t *surface = console_resize(con, (int)g->scan_width, (int)g->scan_height);
    pixman_region32_intersect_rect(&g->dirty, &g->dirty, 0, 0, g->scan_width, g->scan_height);
    const pixman_box32_t *b = pixman_region32_rectangles(&g->dirty, &n);
    for (int i = 0; i < n; i++) {
        draw_box(g, r, surface, &b[i]);
        if (g->cursor_shown) {
            draw_cursor(g, surface, &b[i]);
        }
        console_damage(con, b[i].x1, b[i].y1, b[i].x2 - b[i].x1, b[i].y2 - b[i].y1);
    }
    pixman_region32_clear(&g->dirty);
}

static void invalidate(void *dev)
{
    VirtioGpu *g = dev;
    mark(g, 0, 0, g->scan_width, g->scan_height);
}

static const AdapterOps gpu_adapter = { .refresh = refresh, .invalidate = invalidate };

void gpu_show(VirtioGpu *g)
{
    Console *con = g->v.pci->dev.machine->console;
    if (con) {
        console_adapter(con, g->scanout ? &gpu_adapter : NULL, g);
    }
}
