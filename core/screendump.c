/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screendump.c -- the screen to a picture file.
 *
 * Spec: Netpbm PPM (P6); PNG, second edition: IHDR, one IDAT, IEND, 8-bit RGB, filter 0.
 * Omits: alpha, metadata.
 * Threads: main context with the machine lock.
 */
#include "core/screendump.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { PNG_RGB = 2, PNG_BITS = 8 };

static void rgb_line(pixman_image_t *p, int y, uint8_t *out)
{
    const uint32_t *px =
        pixman_image_get_data(p) + (size_t)y * ((size_t)pixman_image_get_stride(p) / 4);

    for (int x = 0; x < pixman_image_get_width(p); x++) {
        *out++ = (uint8_t)(px[x] >> 16);
        *out++ = (uint8_t)(px[x] >> 8);
        *out++ = (uint8_t)px[x];
    }
}

static void ppm(GByteArray *out, pixman_image_t *p)
{
    int   width = pixman_image_get_width(p), height = pixman_image_get_height(p);
    char *head = g_strdup_printf("P6\n%d %d\n255\n", width, height);
    guint at;

    g_byte_array_append(out, (const uint8_t *)head, (guint)strlen(head));
    g_free(head);
    for (int y = 0; y < height; y++) {
        at = out->len;
        g_byte_array_set_size(out, at + (guint)width * 3);
        rgb_line(p, y, out->data + at);
    }
}

static void be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

/* A chunk: length, type, data, CRC of type and data. */
static void chunk(GByteArray *out, const char *type, const uint8_t *data, uint32_t n)
{
    uint8_t word[4];
    guint   at;

    be32(word, n);
    g_byte_array_append(out, word, 4);
    at = out->len;
    g_byte_array_append(out, (const uint8_t *)type, 4);
    if (n) {
        g_byte_array_append(out, data, n);
    }
    be32(word, (uint32_t)crc32(0, out->data + at, n + 4));
    g_byte_array_append(out, word, 4);
}

static bool png(GByteArray *out, pixman_image_t *p, GError **err)
{
    int      width = pixman_image_get_width(p), height = pixman_image_get_height(p);
    size_t   line = 1 + (size_t)width * 3, n = line * (size_t)height;
    uLongf   packed_bytes = compressBound(n);
    uint8_t *raw = g_try_malloc(n), *packed = g_try_malloc(packed_bytes), head[13];
    bool     ok = raw && packed;

    for (int y = 0; ok && y < height; y++) {
        raw[(size_t)y * line] = 0;
        rgb_line(p, y, raw + (size_t)y * line + 1);
    }
    ok = ok && compress2(packed, &packed_bytes, raw, n, Z_BEST_SPEED) == Z_OK;
    if (ok) {
        g_byte_array_append(out, (const uint8_t *)"\x89PNG\r\n\x1a\n", 8);
        be32(head, (uint32_t)width);
        be32(head + 4, (uint32_t)height);
        memcpy(head + 8, (uint8_t[]){ PNG_BITS, PNG_RGB, 0, 0, 0 }, 5);
        chunk(out, "IHDR", head, sizeof(head));
        chunk(out, "IDAT", packed, (uint32_t)packed_bytes);
        chunk(out, "IEND", NULL, 0);
    } else {
        fail(err, "screendump: no memory for a picture of %d by %d", width, height);
    }
    g_free(raw);
    g_free(packed);
    return ok;
}

/*
 * Not g_file_set_contents(): a picture may go into a pipe, and what was longer before must not
 * shine through.
 */
static bool write_file(const char *path, const GByteArray *data)
{
    FILE *f = fopen(path, "wb");
    bool  ok = f && fwrite(data->data, 1, data->len, f) == data->len;

    return f ? !fclose(f) && ok : false;
}

bool screendump(Console *con, const char *path, PictureFormat format, GError **err)
{
    GByteArray     *out;
    pixman_image_t *p;
    bool            ok;

    console_refresh(con);
    p = console_surface(con);
    if (!p) {
        return fail(err, "screendump: this machine has no screen");
    }
    out = g_byte_array_new();
    if (format == PICTURE_PNG) {
        ok = png(out, p, err);
    } else {
        ppm(out, p);
        ok = true;
    }
    if (ok && !write_file(path, out)) {
        ok = fail(err, "screendump %s: cannot write it: %s", path, g_strerror(errno));
    }
    g_byte_array_unref(out);
    return ok;
}
