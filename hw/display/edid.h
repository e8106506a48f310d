/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edid.h -- what a monitor says about itself: 128 bytes with its name and the resolution it likes
 * best.
 *
 * Threads: any.
 */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H
#include <stdint.h>

enum { EDID_BYTES = 128, EDID_DEFAULT_XRES = 1280, EDID_DEFAULT_YRES = 800, EDID_MAX_RES = 4095 };

void edid_make(uint8_t out[EDID_BYTES], unsigned xres, unsigned yres);          /* 0: the default */
#endif
