/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firmware.h -- firmware images of the host's packages: where they are, and how a PC sees its BIOS.
 *
 * Spec: none; the directories are those of Debian, Fedora, Arch and Alpine.
 * Omits: flash (pflash.c).
 * Threads: main thread, before the machine runs.
 */
#ifndef HW_FIRMWARE_FIRMWARE_H
#define HW_FIRMWARE_FIRMWARE_H
#include "core/machine.h"

/* Found by options_find_file(); larger than max bytes, or empty: refused. */
GBytes *firmware_load(Machine *m, const char *name, uint64_t max, GError **err);
GBytes *firmware_read(const char *path, const char *what, uint64_t max, GError **err);

/* The BIOS image at the top of 4 GiB, and its last 128 KiB again below 1 MiB.  name: -bios, or
 * NULL.
 * The caller frees it. */
Region *bios_map(Machine *m, const char *name, Region *low, GError **err);
#endif
