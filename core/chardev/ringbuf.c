/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ringbuf.c -- output into memory, where the monitor reads it; the oldest bytes make room for new
 * ones.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, ChardevRingbuf.
 * Omits: input: there is none.
 * Threads: with the machine lock.
 */
#include "core/chardev/ringbuf.h"

#define SIZE_MAX_BYTES (256u << 20)

typedef struct Ring {
    size_t  from, len, size;          /* size: a power of two */
    uint8_t data[];
} Ring;

static bool ringbuf_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    (void)m;
    return (cfg->size && cfg->size <= SIZE_MAX_BYTES && !(cfg->size & (cfg->size - 1))) ||
           fail(err,
                "-chardev ringbuf,size=%" G_GUINT64_FORMAT
                ": size of ringbuf chardev must be power of two, at most %u MiB",
                cfg->size, SIZE_MAX_BYTES >> 20);
}

static bool ringbuf_open(Chardev *c, GError **err)
{
    Ring *r = g_try_malloc0(sizeof(*r) + c->cfg.size);

    if (!r) {
        return fail(err, "ringbuf: no memory for %" G_GUINT64_FORMAT " bytes", c->cfg.size);
    }
    r->size = c->cfg.size;
    c->data = r;
    chr_connected(c);
    return true;
}

bool chr_is_ringbuf(const Chardev *c)
{
    return c->backend == &ringbuf_chardev && c->data;
}

void ringbuf_write(Chardev *c, const void *buf, size_t n)
{
    Ring          *r = c->data;
    const uint8_t *p = buf;

    for (size_t i = 0; i < n; i++) {
        r->data[(r->from + r->len) & (r->size - 1)] = p[i];
        if (r->len < r->size) {
            r->len++;
        } else {
            r->from = (r->from + 1) & (r->size - 1);
        }
    }
}

size_t ringbuf_read(Chardev *c, void *buf, size_t n)
{
    Ring    *r = c->data;
    uint8_t *p = buf;

    n = MIN(n, r->len);
    for (size_t i = 0; i < n; i++) {
        p[i] = r->data[(r->from + i) & (r->size - 1)];
    }
    r->from = (r->from + n) & (r->size - 1);
    r->len -= n;
    return n;
}

static size_t ringbuf_take(Chardev *c, const void *buf, size_t n)
{
    ringbuf_write(c, buf, n);
    return n;
}

static void ringbuf_close(Chardev *c)
{
    g_clear_pointer(&c->data, g_free);
}

const ChrBackend ringbuf_chardev = {
    .name = "ringbuf", .alias = "memory", .help = "memory, for the monitor to read",
    .keys = "size", .check = ringbuf_check,
    .open = ringbuf_open, .take = ringbuf_take, .close = ringbuf_close,
};
