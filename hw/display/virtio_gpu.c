/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_gpu.c -- the virtio GPU's commands, and virtio-gpu-pci.
 *
 * Spec: VIRTIO 1.2, chapter 5.7 (GPU device).
 * Omits: 3D, blob resources, several screens, UUIDs; resizing the screen from the host.
 * Threads: with the machine lock.
 *
 *     request    0 type   4 flags (1 fence)   8 fence   16 context   20 ring   24 the command's own
 *     controlq   what makes, fills and shows resources    cursorq   the cursor
 */
#include "hw/display/virtio_gpu.h"
#include "hw/display/edid.h"
#include <string.h>

enum { HEADER_BYTES = 24, FLAG_FENCE = 1, QUEUE = 64, CURSOR_QUEUE = 16, BURST = 64, PAGE = 4096,
       CONFIG_SCANOUTS = 8 };
#define F_EDID (UINT64_C(1) << 1)
enum {                                /* 5.7.6.7 */
    GET_DISPLAY_INFO = 0x100, RESOURCE_CREATE_2D, RESOURCE_UNREF, SET_SCANOUT, RESOURCE_FLUSH,
        TRANSFER_TO_HOST_2D,
    ATTACH_BACKING, DETACH_BACKING, GET_CAPSET_INFO, GET_CAPSET, GET_EDID, UPDATE_CURSOR = 0x300,
        MOVE_CURSOR,
    OK_NODATA = 0x1100, OK_DISPLAY_INFO, OK_EDID = 0x1104, ERR_UNSPEC = 0x1200, ERR_OUT_OF_MEMORY,
        ERR_SCANOUT, ERR_RESOURCE,
    ERR_CONTEXT, ERR_PARAMETER,
};
enum { INFO_SCANOUTS = 16, INFO_BYTES = 24, REPLY_MAX = HEADER_BYTES + 8 + 1024, ENTRY_BYTES = 16 };

typedef struct Rect {
    uint32_t x, y, width, height;
} Rect;

typedef struct Request {
    uint32_t type, w[12];             /* the words behind the header */
    const VirtChain *chain;
    uint8_t  reply[REPLY_MAX];
    size_t   reply_bytes;
} Request;

static Rect rect_at(const Request *q, unsigned word)
{
    return (Rect){ q->w[word], q->w[word + 1], q->w[word + 2], q->w[word + 3] };
}

static bool inside(const Rect *r, uint32_t width, uint32_t height)
{
    return r->x <= width && r->y <= height && r->width <= width - r->x &&
        r->height <= height - r->y;
}

static uint64_t resource_bytes(const GpuResource *r)
{
    return ((uint64_t)r->width * r->height * 4 + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static void put32(uint8_t *p, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, 4);
}

/* ---- the pools: the first gap that is large enough ---- */
typedef struct Span {
    uint64_t at, n;
} Span;

static int by_place(const void *a, const void *b)
{
    const Span *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static bool find_gap(VirtioGpu *g, bool pixels, uint64_t n, uint64_t total, uint64_t *at)
{
    Span used[GPU_RESOURCES];
    unsigned count = 0;
    for (unsigned i = 0; i < GPU_RESOURCES; i++) {
        const GpuResource *r = &g->resource[i];
        Span s = pixels ? (Span){ r->at, resource_bytes(r) } : (Span){ r->backing, r->n_backing };
        if (r->id && s.n) {
            used[count++] = s;
        }
    }
    qsort(used, count, sizeof(used[0]), by_place);
    *at = 0;
    for (unsigned i = 0; i < count && *at + n > used[i].at; i++) {
        *at = used[i].at + used[i].n;
    }
    return n <= total && *at <= total - n;
}

/* ---- commands: each returns the type of its reply ---- */
static uint32_t display_info(VirtioGpu *g, Request *q)
{
    uint8_t *p = q->reply + HEADER_BYTES;
    put32(p + 8, g->xres);
    put32(p + 12, g->yres);
    put32(p + 16, 1);
    q->reply_bytes = HEADER_BYTES + INFO_SCANOUTS * INFO_BYTES;
    return OK_DISPLAY_INFO;
}

static uint32_t get_edid(VirtioGpu *g, Request *q)
{
    if (q->w[0] || !g->edid) {
        return g->edid ? ERR_SCANOUT : ERR_UNSPEC;
    }
    put32(q->reply + HEADER_BYTES, EDID_BYTES);
    edid_make(q->reply + HEADER_BYTES + 8, g->xres, g->yres);
    q->reply_bytes = HEADER_BYTES + 8 + 1024;
    return OK_EDID;
}

static bool known_format(uint32_t f)
{
    static const uint8_t known[] = { 1, 2, 3, 4, 67, 68, 121, 134 };
    return f < 256 && memchr(known, (int)f, sizeof(known));
}

static uint32_t create(VirtioGpu *g, Request *q)
{
    GpuResource r = { .id = q->w[0], .format = q->w[1], .width = q->w[2], .height = q->w[3] },
        *slot = NULL;
    if (!r.id || gpu_resource(g, r.id)) {
        return ERR_RESOURCE;
    }
    if (!known_format(r.format) || !r.width || !r.height || r.width > GPU_MAX_SIDE ||
        r.height > GPU_MAX_SIDE) {
        return ERR_PARAMETER;
    }
    for (unsigned i = 0; i < GPU_RESOURCES && !slot; i++) {
        slot = g->resource[i].id ? NULL : &g->resource[i];
    }
    if (!slot || !find_gap(g, true, resource_bytes(&r), g->pixels.size, &r.at)) {
        guest_error(g->v.pci, "no room for a picture of %ux%u; raise max_hostmem=", r.width,
                    r.height);
        return ERR_OUT_OF_MEMORY;
    }
    memset(g->pixels.host + r.at, 0, resource_bytes(&r));
    *slot = r;
    return OK_NODATA;
}

static void hide(VirtioGpu *g)
{
    g->scanout = 0;
    g->scan_x = g->scan_y = g->scan_width = g->scan_height = 0;
    gpu_show(g);
}

static uint32_t unref(VirtioGpu *g, Request *q)
{
    GpuResource *r = gpu_resource(g, q->w[0]);
    if (!r) {
        return ERR_RESOURCE;
    }
    if (g->scanout == r->id) {
        hide(g);
    }
    *r = (GpuResource){ 0 };
    return OK_NODATA;
}

static uint32_t set_scanout(VirtioGpu *g, Request *q)
{
    Rect s = rect_at(q, 0);
    const GpuResource *r = gpu_resource(g, q->w[5]);
    if (q->w[4]) {
        return ERR_SCANOUT;
    }
    if (!q->w[5]) {
        hide(g);
        return OK_NODATA;
    }
    if (!r) {
        return ERR_RESOURCE;
    }
    if (!s.width || !s.height || !inside(&s, r->width, r->height)) {
        return ERR_PARAMETER;
    }
    g->scanout = r->id;
    g->scan_x = s.x;
    g->scan_y = s.y;
    g->scan_width = s.width;
    g->scan_height = s.height;
    gpu_show(g);
    return OK_NODATA;
}

static uint32_t flush(VirtioGpu *g, Request *q)
{
    Rect s = rect_at(q, 0);
    const GpuResource *r = gpu_resource(g, q->w[4]);
    if (!r || !inside(&s, r->width, r->height)) {
        return r ? ERR_PARAMETER : ERR_RESOURCE;
    }
    if (r->id == g->scanout) {
        gpu_dirty(g, s.x, s.y, s.width, s.height);
    }
    return OK_NODATA;
}

typedef struct Pages {                /* walks a resource's backing forwards */
    const VirtioGpu *g;
    uint32_t entry, end;
    uint64_t before;                  /* bytes in the entries before this one */
} Pages;

static bool pages_read(Pages *p, uint64_t from, uint8_t *to, uint64_t n)
{
    const GpuBacking *list = (const void *)p->g->backings.host;
    while (n && p->entry < p->end) {
        const GpuBacking *b = &list[p->entry];
        if (from - p->before >= b->bytes) {
            p->before += b->bytes;
            p->entry++;
            continue;
        }
        uint64_t in = from - p->before, now = MIN(n, b->bytes - in);
        if (as_read(p->g->v.pci->dma, b->at + in, to, now) != MEM_OK) {
            return false;
        }
        from += now;
        to += now;
        n -= now;
    }
    return !n;
}

static uint32_t transfer(VirtioGpu *g, Request *q)
{
    Rect s = rect_at(q, 0);
    uint64_t from = q->w[4] | (uint64_t)q->w[5] << 32, row, n;
    const GpuResource *r = gpu_resource(g, q->w[6]);
    if (!r || !inside(&s, r->width, r->height)) {
        return r ? ERR_PARAMETER : ERR_RESOURCE;
    }
    row = (uint64_t)r->width * 4;
    n = (uint64_t)s.width * 4;
    if (from > row * r->height) {
        return ERR_PARAMETER;
    }
    Pages p = { .g = g, .entry = r->backing, .end = r->backing + r->n_backing };
    uint8_t *to = g->pixels.host + r->at + s.y * row + (uint64_t)s.x * 4;
    if (n == row) {                   /* whole rows are one piece */
        n *= s.height;
        s.height = n ? 1 : 0;
    }
    for (uint32_t y = 0; y < s.height; y++) {
        if (!pages_read(&p, from + y * row, to + y * row, n)) {
            return ERR_UNSPEC;        /* less backing than the picture needs */
        }
    }
    return OK_NODATA;
}

static uint32_t attach(VirtioGpu *g, Request *q)
{
    GpuResource *r = gpu_resource(g, q->w[0]);
    uint32_t n = q->w[1];
    uint64_t at;
    if (!r) {
        return ERR_RESOURCE;
    }
    if (r->n_backing || !n || n > GPU_BACKINGS ||
        q->chain->out_bytes < HEADER_BYTES + 8 + (uint64_t)n * ENTRY_BYTES) {
        return ERR_UNSPEC;
    }
    if (!find_gap(g, false, n, GPU_BACKINGS, &at)) {
        return ERR_OUT_OF_MEMORY;
    }
    GpuBacking *list = (GpuBacking *)(void *)g->backings.host + at;
    if (virtio_read(&g->v, q->chain, HEADER_BYTES + 8, list,
                    (size_t)n * ENTRY_BYTES) != (size_t)n * ENTRY_BYTES) {
        return ERR_UNSPEC;
    }
    for (uint32_t i = 0; i < n; i++) {
        list[i].at = GUINT64_FROM_LE(list[i].at);
        list[i].bytes = GUINT32_FROM_LE(list[i].bytes);
    }
    r->backing = (uint32_t)at;
    r->n_backing = n;
    return OK_NODATA;
}

static uint32_t detach(VirtioGpu *g, Request *q)
{
    GpuResource *r = gpu_resource(g, q->w[0]);
    if (!r || !r->n_backing) {
        return r ? ERR_UNSPEC : ERR_RESOURCE;
    }
    r->backing = r->n_backing = 0;
    return OK_NODATA;
}

/* 5.7.6.10: { scanout, x, y, - } resource, hot x, hot y. */
static uint32_t cursor(VirtioGpu *g, Request *q)
{
    if (q->w[0]) {
        return ERR_SCANOUT;
    }
    if (q->type == UPDATE_CURSOR) {
        const GpuResource *r = gpu_resource(g, q->w[4]);
        if (q->w[4] && !r) {
            return ERR_RESOURCE;
        }
        gpu_cursor_set(g, r);
        g->hot_x = MIN(q->w[5], GPU_CURSOR);
        g->hot_y = MIN(q->w[6], GPU_CURSOR);
        gpu_cursor_move(g, q->w[1], q->w[2], r != NULL);
    } else {
        gpu_cursor_move(g, q->w[1], q->w[2], g->cursor_shown);
    }
    return OK_NODATA;
}

static const struct {
    uint32_t type;
    uint8_t  words;                   /* behind the header, at least */
    uint32_t (*run)(VirtioGpu *g, Request *q);
} commands[] = {
    { GET_DISPLAY_INFO, 0, display_info }, { RESOURCE_CREATE_2D, 4, create },
        { RESOURCE_UNREF, 2, unref },
    { SET_SCANOUT, 6, set_scanout }, { RESOURCE_FLUSH, 6, flush },
        { TRANSFER_TO_HOST_2D, 8, transfer },
    { ATTACH_BACKING, 2, attach }, { DETACH_BACKING, 2, detach }, { GET_EDID, 2, get_edid },
    { UPDATE_CURSOR, 8, cursor }, { MOVE_CURSOR, 8, cursor },
};

static uint32_t run(VirtioGpu *g, Request *q, size_t words)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].type == q->type) {
            return words >= commands[i].words ? commands[i].run(g, q) : ERR_PARAMETER;
        }
    }
    return ERR_UNSPEC;
}

static uint32_t answer(VirtioGpu *g, const VirtChain *c)
{
    uint32_t head[HEADER_BYTES / 4];
    Request q = { .chain = c, .reply_bytes = HEADER_BYTES };
    if (virtio_read(&g->v, c, 0, head, sizeof(head)) != sizeof(head)) {
        virtio_error(&g->v, "a GPU command without a header");
        return 0;
    }
    size_t words = virtio_read(&g->v, c, HEADER_BYTES, q.w, sizeof(q.w)) / 4;
    for (unsigned i = 0; i < G_N_ELEMENTS(q.w); i++) {
        q.w[i] = GUINT32_FROM_LE(q.w[i]);
    }
    q.type = GUINT32_FROM_LE(head[0]);
    put32(q.reply, run(g, &q, words));
    if (GUINT32_FROM_LE(head[1]) & FLAG_FENCE) {
        memcpy(q.reply + 4, head + 1, HEADER_BYTES - 4);
        put32(q.reply + 4, FLAG_FENCE);
    }
    return (uint32_t)virtio_write(&g->v, c, 0, q.reply, MIN(q.reply_bytes, c->in_bytes));
}

void gpu_queue(void *gpu, unsigned n)
{
    VirtioGpu *g = gpu;
    VirtChain *c = NULL;
    unsigned i;
    for (i = 0; i < BURST && (c = virtio_pop(&g->v, n)); i++) {
        uint32_t written = answer(g, c);
        virtio_push(&g->v, n, c, written);
    }
    if (i == BURST) {
        virtio_again(&g->v, n);
    }
    virtio_notify(&g->v, n);
}

/* ---- configuration: 0 events, 4 events to clear, 8 screens, 12 capability sets ---- */
uint64_t gpu_features(void *gpu)
{
    return ((const VirtioGpu *)gpu)->edid ? F_EDID : 0;
}

void gpu_config(void *gpu, uint8_t *image)
{
    put32(image, ((const VirtioGpu *)gpu)->events);
    put32(image + CONFIG_SCANOUTS, 1);
}

void gpu_config_write(void *gpu, unsigned at, uint8_t val)
{
    VirtioGpu *g = gpu;

    if (at >= 4 && at < 8) {
        g->events &= ~((uint32_t)val << (8 * (at - 4)));
    }
}

/* ---- life ---- */
void gpu_driver_reset(void *gpu)
{
    VirtioGpu *g = gpu;

    memset(g->resource, 0, sizeof(g->resource));
    memset(g->cursor, 0, sizeof(g->cursor));
    g->cursor_shown = g->cursor_x = g->cursor_y = g->hot_x = g->hot_y = 0;
    g->events = 0;
    region_clear(&g->pixels);
    region_clear(&g->backings);
    hide(g);
}

void gpu_init(VirtioGpu *g, PciDevice *pci, const VirtioOps *ops, unsigned bar, unsigned msix_bar)
{
    static const uint16_t sizes[] = { QUEUE, CURSOR_QUEUE, 0 };
    virtio_init(&g->v, pci, ops, sizes, bar, msix_bar);
    region_init_ram(&g->pixels, "gpu pictures", g->max_hostmem & ~(uint64_t)(PAGE - 1));
    region_init_ram(&g->backings, "gpu backing lists", GPU_BACKINGS * sizeof(GpuBacking));
    pixman_region32_init(&g->dirty);
    g->has_dirty = true;
}

void gpu_free(VirtioGpu *g)
{
    if (g->has_dirty) {
        Console *con = g->v.pci->dev.machine->console;
        if (con) {
            console_adapter(con, NULL, g);
        }
        pixman_region32_fini(&g->dirty);
        region_destroy(&g->pixels);
        region_destroy(&g->backings);
        g->has_dirty = false;
    }
    virtio_free(&g->v);
}

static bool apart(const VirtioGpu *g, unsigned i)
{
    const GpuResource *r = &g->resource[i];
    uint64_t n = resource_bytes(r);
    if (!known_format(r->format) || !r->width || !r->height || r->width > GPU_MAX_SIDE ||
        r->height > GPU_MAX_SIDE ||
        n > g->pixels.size || r->at > g->pixels.size - n || r->n_backing > GPU_BACKINGS ||
            r->backing > GPU_BACKINGS - r->n_backing) {
        return false;
    }
    for (unsigned k = 0; k < i; k++) {
        const GpuResource *o = &g->resource[k];
        if (o->id && (o->id == r->id || (r->at < o->at + resource_bytes(o) && o->at < r->at + n))) {
            return false;
        }
    }
    return true;
}

bool gpu_restored(VirtioGpu *g, GError **err)
{
    const char *path = g->v.pci->dev.path;
    for (unsigned i = 0; i < GPU_RESOURCES; i++) {
        if (g->resource[i].id && !apart(g, i)) {
            return fail(err, "%s: a saved picture does not fit into max_hostmem=%" G_GUINT64_FORMAT,
                        path, g->max_hostmem);
        }
    }
    const GpuResource *r = gpu_resource(g, g->scanout);
    Rect s = { g->scan_x, g->scan_y, g->scan_width, g->scan_height };
    if (g->scanout && (!r || !s.width || !s.height || !inside(&s, r->width, r->height))) {
        return fail(err, "%s: the saved screen is not part of a picture", path);
    }
    gpu_show(g);
    return virtio_restored(&g->v, err);
}

static const Field resource_fields[] = {
    STATE(GpuResource, id), STATE(GpuResource, format), STATE(GpuResource, width),
        STATE(GpuResource, height), STATE(GpuResource, at),
    STATE(GpuResource, backing), STATE(GpuResource, n_backing), FIELD_END
};

const Field virtio_gpu_fields[] = {
    STATE_STRUCT(VirtioGpu, resource, GpuResource, resource_fields), STATE(VirtioGpu, scanout),
        STATE(VirtioGpu, scan_x),
    STATE(VirtioGpu, scan_y), STATE(VirtioGpu, scan_width), STATE(VirtioGpu, scan_height),
        STATE(VirtioGpu, cursor_shown, .max = 1),
    STATE(VirtioGpu, cursor_x, .max = GPU_MAX_SIDE),
        STATE(VirtioGpu, cursor_y, .max = GPU_MAX_SIDE),
    STATE(VirtioGpu, hot_x, .max = GPU_CURSOR), STATE(VirtioGpu, hot_y, .max = GPU_CURSOR),
        STATE_ARRAY(VirtioGpu, cursor),
    STATE(VirtioGpu, events), FIELD_END
};

/* ---- virtio-gpu-pci: nothing but that ---- */
typedef struct GpuPci {
    PciDevice pci;
    VirtioGpu g;
} GpuPci;

static const VirtioOps gpu_pci_ops = GPU_OPS(GpuPci, g);

static bool virtio_gpu_realize(void *dev, GError **err)
{
    GpuPci *s = dev;
    (void)err;
    pci_init(&s->pci, &(PciIdent){ .vendor = VIRTIO_PCI_VENDOR,
                                   .device = VIRTIO_PCI_DEVICE + VIRTIO_ID_GPU, .revision = 1,
                                   .class_code = 0x038000, .pin = 1,
                                       .subsystem_vendor = VIRTIO_PCI_VENDOR,
                                   .subsystem = VIRTIO_PCI_SUBSYSTEM }, virtio_regs);
    gpu_init(&s->g, &s->pci, &gpu_pci_ops, 4, 1);
    return true;
}

static void virtio_gpu_unrealize(void *dev)
{
    gpu_free(&((GpuPci *)dev)->g);
    pci_unrealize(dev);
}

static void virtio_gpu_reset(void *dev)
{
    pci_reset(dev);
    virtio_reset(&((GpuPci *)dev)->g.v);
}

static bool virtio_gpu_restored(void *dev, GError **err)
{
    return gpu_restored(&((GpuPci *)dev)->g, err) && pci_restored(dev, err);
}

static const Field virtio_gpu_pci_fields[] = { PCI_FIELDS(GpuPci), GPU_FIELDS(GpuPci, g),
                                               FIELD_END };

const DeviceClass virtio_gpu_class = {
    .name = "virtio-gpu-pci",
    .desc = "2D graphics on virtio",
    .spec = "VIRTIO 1.2, 5.7",
    .bus = "pci",
    .size = sizeof(GpuPci),
    .fields = virtio_gpu_pci_fields,
    .realize = virtio_gpu_realize,
    .unrealize = virtio_gpu_unrealize,
    .reset = virtio_gpu_reset,
    .restored = virtio_gpu_restored,
};
