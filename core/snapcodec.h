/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapcodec.h -- how a snapshot's parts are packed.
 *
 * Threads: any.
 */
#ifndef CORE_SNAPCODEC_H
#define CORE_SNAPCODEC_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* plain: RAM is mapped from the file, page by page as needed */
typedef enum { SNAP_PLAIN, SNAP_ZLIB, SNAP_ZSTD } SnapCodec;
extern const char *const snap_codecs[];         /* their names, for a Field */

/* Into out, which it empties first; the codec that it is packed with. */
SnapCodec snap_pack(SnapCodec codec, const uint8_t *p, size_t n, GByteArray *out);
bool      snap_unpack(uint32_t codec, const uint8_t *p, size_t n, uint8_t *out, size_t want);
bool      snap_codec_there(uint32_t codec, GError **err);       /* known, and in this build */
#endif
