/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modes.h -- a case of `modes`: a program with the memory and tables that it starts with.
 *
 * Linear is physical at first, under each mode's own tables.
 */
#ifndef TESTS_CPU_MODES_H
#define TESTS_CPU_MODES_H
#include <stdbool.h>
#include <stdint.h>

enum {
    LOW = 0x10000,
    CODE = 0x10000,
    CODE_BYTES = 0x4000,
    HANDLERS = 0x14000,
    PML4 = 0x20000,
    PDPT = 0x21000,
    PD = 0x22000,
    PT = 0x23000,
    PD32 = 0x24000,
    PT32 = 0x25000,
    PDPAE = 0x26000,
    IDT = 0x30000,
    GDT = 0x31000,
    TSS = 0x32000,
    DATA = 0x40000,
    STACK = 0x4f000,
    HIGH = 0x50000
};
typedef enum { M_REAL, M_VM86, M_PROT16, M_PROT32, M_PAE, M_COMPAT, M_LONG, N_MODES } Mode;

typedef struct Case {
    uint8_t memory[HIGH - LOW];
    Mode mode;
    uint32_t at;
    unsigned n;                         /* bytes of code */
    unsigned most;                      /* pieces that it may have */
    uint64_t seed;
} Case;

static inline bool is_16(Mode m) { return m <= M_PROT16; }
static inline bool is_wide(Mode m) { return m == M_COMPAT || m == M_LONG; }

/* modes_case.c: it follows from these two; k->most is set. */
void case_make(Case *k, uint64_t seed, uint64_t number);
#endif
