/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pflash.h -- flash as a machine wires it: where it is seen, and its array for a read-only alias.
 *
 * Threads: main thread, before the machine runs.
 */
#ifndef HW_FIRMWARE_PFLASH_H
#define HW_FIRMWARE_PFLASH_H
#include "block/drive.h"

typedef struct Pflash Pflash;
Pflash *pflash_create(Machine *m, Drive *drive, GError **err);
Region *pflash_region(Pflash *s);       /* to be mapped: reads, commands and writes */
Region *pflash_array(Pflash *s);        /* its contents, as ROM */
#endif
