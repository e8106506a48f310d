/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapcodec.c -- how a snapshot's parts are packed; what does not get smaller is stored as it is.
 *
 * Spec: RFC 1950 (zlib), RFC 8878 (zstd).
 * Omits: streams: each piece is packed by itself.
 * Threads: any.
 */
#include "core/snapcodec.h"
#include "core/machine.h"
#include <string.h>
#include <zlib.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

const char *const snap_codecs[] = { "none", "zlib", "zstd", NULL };

SnapCodec snap_pack(SnapCodec codec, const uint8_t *p, size_t n, GByteArray *out)
{
    uLongf got = compressBound(n);

#ifdef CONFIG_ZSTD
    if (codec == SNAP_ZSTD) {
        g_byte_array_set_size(out, (guint)ZSTD_compressBound(n));
        size_t z = ZSTD_compress(out->data, out->len, p, n, 3);
        if (!ZSTD_isError(z) && z < n) {
            g_byte_array_set_size(out, (guint)z);
            return SNAP_ZSTD;
        }
    }
#endif
    if (codec == SNAP_ZLIB) {
        g_byte_array_set_size(out, (guint)got);
        if (compress2(out->data, &got, p, n, 6) == Z_OK && got < n) {
            g_byte_array_set_size(out, (guint)got);
            return SNAP_ZLIB;
        }
    }
    g_byte_array_set_size(out, 0);
    g_byte_array_append(out, p, (guint)n);
    return SNAP_PLAIN;
}

bool snap_unpack(uint32_t codec, const uint8_t *p, size_t n, uint8_t *out, size_t want)
{
    uLongf got = want;

    switch (codec) {
    case SNAP_PLAIN:
        if (n == want) {
            memcpy(out, p, n);
        }
        return n == want;
    case SNAP_ZLIB:
        return uncompress(out, &got, p, n) == Z_OK && got == want;
#ifdef CONFIG_ZSTD
    case SNAP_ZSTD:
        return ZSTD_decompress(out, want, p, n) == want;
#endif
    default:
        return false;
    }
}

bool snap_codec_there(uint32_t codec, GError **err)
{
#ifndef CONFIG_ZSTD
    if (codec == SNAP_ZSTD) {
        return fail(err, "compressed with zstd, which this build lacks; build it with libzstd-dev");
    }
#endif
    return codec <= SNAP_ZSTD || fail(err, "compressed in a way that this version does not know");
}
