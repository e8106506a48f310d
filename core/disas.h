/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disas.h -- machine code as text, by libcapstone.
 *
 * Threads: any.
 */
#ifndef CORE_DISAS_H
#define CORE_DISAS_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

bool     disas_available(void);
/*
 * One x86 instruction of 16-, 32- or 64-bit code, appended to out: its bytes; 0: not one, or nobody
 * to say so.
 */
unsigned disas_x86(unsigned bits, uint64_t pc, const uint8_t *code, size_t n, GString *out);
#endif
