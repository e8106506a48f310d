/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firmware.c -- reads firmware images and maps a PC's BIOS.
 *
 * Spec: 82371SB (PIIX3) 2.5: the BIOS ROM decodes at the top of 4 GiB and, its last 128 KiB, at
 *   E0000-FFFFF.
 * Omits: flash (pflash.c).
 * Threads: main thread, before the machine runs.
 */
#include "hw/firmware/firmware.h"
#include "core/options.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define BIOS_MAX (16u << 20)
#define LOW_BIOS (128u << 10)

GBytes *firmware_read(const char *path, const char *what, uint64_t max, GError **err)
{
    struct stat st;
    g_autoptr(GError) why = NULL;
    if (stat(path, &st)) {
        fail(err, "%s %s: %s", what, path, g_strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        fail(err, "%s %s: not a regular file", what, path);
        return NULL;
    }
    if (st.st_size == 0 || (uint64_t)st.st_size > max) {
        fail(err, "%s %s: %s", what, path,
             st.st_size ? "the file is too large" : "the file is empty");
        return NULL;
    }
    GMappedFile *map = g_mapped_file_new(path, FALSE, &why);
    if (!map) {
        fail(err, "%s %s: cannot read it; check its permissions", what, path);
        return NULL;
    }
    GBytes *bytes = g_mapped_file_get_bytes(map);
    g_mapped_file_unref(map);
    return bytes;
}

GBytes *firmware_load(Machine *m, const char *name, uint64_t max, GError **err)
{
    g_autofree char *path = options_find_file(m, name, err);
    return path ? firmware_read(path, "firmware", max, err) : NULL;
}

Region *bios_map(Machine *m, const char *name, Region *low, GError **err)
{
    const char *file = name ? name : "bios-256k.bin";
    g_autoptr(GBytes) image = firmware_load(m, file, BIOS_MAX, err);
    if (!image) {
        return NULL;
    }
    gsize n;
    const void *data = g_bytes_get_data(image, &n);
    if (n % 65536) {
        fail(err, "firmware %s: its size, %zu bytes, is no multiple of 64 KiB; it is no BIOS image",
             file, n);
        return NULL;
    }
    Region *rom = g_new0(Region, 1);
    region_init_rom(rom, "bios", n);
    memcpy(rom->host, data, n);
    map_begin(m);
    region_map(&m->memory, rom, (UINT64_C(1) << 32) - n);
    uint64_t seen = MIN(n, LOW_BIOS);
    Mapping *alias = region_map(low, rom, 0x100000 - seen);
    alias->from = n - seen;
    alias->size = seen;
    map_commit(m);
    return rom;
}
