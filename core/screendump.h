/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screendump.h -- the screen to a picture file.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_SCREENDUMP_H
#define CORE_SCREENDUMP_H
#include "core/display.h"
typedef enum { PICTURE_PPM, PICTURE_PNG } PictureFormat;
bool screendump(Console *con, const char *path, PictureFormat format, GError **err);
#endif
