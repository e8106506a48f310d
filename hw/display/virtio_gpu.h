/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_gpu.h -- the 2D virtio GPU: resources in the host's memory, one screen, a cursor.
 *
 * Embedded by virtio-gpu-pci and virtio-vga. Pixels and lists of backing pages lie in two pools of
 * fixed size, so what a guest can take is bounded and all of it is saved by table.
 *
 * Spec: VIRTIO 1.2, chapter 5.7 (GPU device).
 * Threads: with the machine lock.
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_H
#define HW_DISPLAY_VIRTIO_GPU_H
#include "core/display.h"
#include "hw/virtio/virtio.h"

enum { GPU_RESOURCES = 256, GPU_BACKINGS = 1 << 18, GPU_CURSOR = 64, GPU_MAX_SIDE = 16384 };

typedef struct GpuBacking {           /* guest pages of a resource; little-endian in the pool */
    uint64_t at;
    uint32_t bytes, unused;
} GpuBacking;

typedef struct GpuResource {
    uint32_t id;                      /* 0: free */
    uint32_t format, width, height;
    /* of its pixels in the pool, 32 bits each, rows without gaps */
    uint64_t at;
    uint32_t backing, n_backing;      /* entries of the other pool */
} GpuResource;

typedef struct VirtioGpu {
    Virtio      v;
    uint64_t    max_hostmem;
    uint32_t    xres, yres;
    bool        edid;
    Region      pixels, backings;     /* the pools */
    GpuResource resource[GPU_RESOURCES];
    uint32_t    scanout;              /* id of the resource shown; 0: none */
    uint32_t    scan_x, scan_y, scan_width, scan_height;
    uint32_t    cursor_shown, cursor_x, cursor_y, hot_x, hot_y;
    uint32_t    cursor[GPU_CURSOR * GPU_CURSOR];          /* a8r8g8b8, premultiplied */
    uint32_t    events;

    pixman_region32_t dirty;          /* of the screen, since the last refresh; not state */
    bool        has_dirty;
} VirtioGpu;

extern const Field virtio_gpu_fields[];
/* The pools are not nested: a struct's T_RAM fields stand in its own table. */
#define GPU_FIELDS(S, m)                                                                       \
    { .name = "max_hostmem", .type = T_U64, .flags = F_CONFIG,                                 \
      .offset = offsetof(S, m.max_hostmem), .count = 1, .def = 256u << 20, .min = 1u << 20,    \
      .max = 4ull << 30, .help = "Most memory, in bytes, for the guest's pictures." },         \
    { .name = "xres", .type = T_U32, .flags = F_CONFIG, .offset = offsetof(S, m.xres),         \
      .count = 1, .def = 1280, .min = 320, .max = 4095,                                        \
      .help = "Width that the monitor asks for." },                                            \
    { .name = "yres", .type = T_U32, .flags = F_CONFIG, .offset = offsetof(S, m.yres),         \
      .count = 1, .def = 800, .min = 200, .max = 4095,                                         \
      .help = "Height that the monitor asks for." },                                           \
    { .name = "edid", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(S, m.edid),        \
      .count = 1, .def = 1, .help = "The monitor describes itself." },                         \
    { .name = "gpu", .type = T_STRUCT, .flags = F_STATE, .offset = offsetof(S, m), .count = 1, \
      .stride = sizeof(VirtioGpu), .aux = virtio_gpu_fields },                                 \
    { .name = "pixels", .type = T_RAM, .flags = F_STATE, .offset = offsetof(S, m.pixels),      \
      .count = 1 },                                                                            \
    { .name = "backings", .type = T_RAM, .flags = F_STATE, .offset = offsetof(S, m.backings),  \
      .count = 1 },                                                                            \
    VIRTIO_FIELDS(S, m.v)

void gpu_init(VirtioGpu *g, PciDevice *pci, const VirtioOps *ops, unsigned bar, unsigned msix_bar);
void gpu_free(VirtioGpu *g);
bool gpu_restored(VirtioGpu *g, GError **err);
/* What virtio asks of the GPU, which is member m of a device S. */
enum { GPU_CONFIG_BYTES = 16 };
#define GPU_OPS(S, m)                                                                              \
    { .id = VIRTIO_ID_GPU, .part = offsetof(S, m), .config_bytes = GPU_CONFIG_BYTES,               \
      .features_of = gpu_features, .config = gpu_config, .config_write = gpu_config_write,         \
      .queue = gpu_queue, .reset = gpu_driver_reset }
uint64_t gpu_features(void *gpu);
void gpu_config(void *gpu, uint8_t *image);
void gpu_config_write(void *gpu, unsigned at, uint8_t val);
void gpu_queue(void *gpu, unsigned n);
void gpu_driver_reset(void *gpu);
/* virtio_gpu_draw.c */
GpuResource *gpu_resource(VirtioGpu *g, uint32_t id);
void gpu_show(VirtioGpu *g);          /* the scanout has changed */
/* of the resource shown */
void gpu_dirty(VirtioGpu *g, uint32_t x, uint32_t y, uint32_t width, uint32_t height);
void gpu_cursor_set(VirtioGpu *g, const GpuResource *r);
void gpu_cursor_move(VirtioGpu *g, uint32_t x, uint32_t y, bool shown);
#endif
