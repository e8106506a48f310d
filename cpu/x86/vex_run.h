/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex_run.h -- one VEX-coded instruction by the host's own, on registers in a frame: for the
 * instructions with EVEX that have such a sibling.
 *
 * Threads: any; only the frame is touched.
 */
#ifndef CPU_X86_VEX_RUN_H
#define CPU_X86_VEX_RUN_H
#include "cpu/x86/decode.h"

typedef struct VexFrame {               /* offsets are known to the code in vex_run.c */
    /* 0, 32, 64, 96: the operands, by the field that names them */
    uint64_t reg[4], vvvv[4], rm[4], fourth[4];
    uint64_t rax;                                       /* 128: a general register in reg */
    void    *rdi;                                     /* 136: where a memory operand is: `memory` */
    uint64_t eflags;                                    /* 144 */
    const char *piece;
    uint32_t mxcsr;                                     /* 160 */
    uint8_t  memory[32] __attribute__((aligned(32)));   /* rm for rows that may have it in memory */
} VexFrame;

/* Run row vx; all exceptions are masked; the flags raised. */
unsigned x86_vex_frame(VexFrame *f, unsigned vx, unsigned imm, unsigned vl, uint32_t mxcsr);
#endif
