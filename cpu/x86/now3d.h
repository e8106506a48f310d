/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * now3d.h -- which opcodes of 3DNow! a CPU has.
 *
 * Threads: the vCPU's own.
 */
#ifndef CPU_X86_NOW3D_H
#define CPU_X86_NOW3D_H
#include "cpu/x86/simd.h"

bool x86_now3d_has(const X86Cpu *c, unsigned suffix);   /* the byte behind 0F 0F /r; else #UD */
#endif
