/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex_soft.h -- a row of vex.def in C, where no host instruction serves.
 *
 * Threads: any; only the frame is touched.
 */
#ifndef CPU_X86_VEX_SOFT_H
#define CPU_X86_VEX_SOFT_H
#include "cpu/x86/vex_run.h"

/*
 * Run row vx on f under f->mxcsr (all exceptions masked), which collects its flags; f->piece does
 * not count.
 */
void x86_vex_soft(VexFrame *f, unsigned vx, unsigned imm, unsigned vl);
#endif
