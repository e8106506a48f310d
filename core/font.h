/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * font.h -- the letters of text consoles, 8 by 16 dots.
 *
 * Threads: pure functions.
 */
#ifndef CORE_FONT_H
#define CORE_FONT_H
#include <stdint.h>
enum { FONT_W = 8, FONT_H = 16 };
/* bit 7 is the left dot; a character it has not: a box */
void font_glyph(uint32_t ch, uint8_t rows[FONT_H]);
#endif
