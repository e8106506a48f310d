/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd.h -- what the files about x87, MMX and SSE offer the rest of cpu/x86.
 *
 * Threads: translation and state belong to the vCPU's own thread.
 */
#ifndef CPU_X86_SIMD_H
#define CPU_X86_SIMD_H
#include "cpu/x86/decode.h"

/*
 * Do floating point and the rows of vex.def run on the host's own instructions?  Else (another
 * host, or -DPORTABLE_FP) in integers.
 */
#if defined(__x86_64__) && !defined(PORTABLE_FP)
#define X86_HOST_FP 1
#else
#define X86_HOST_FP 0
#endif

enum { X86_MXCSR_MASK = 0xffff, X86_MXCSR_FLAGS = 0x3f, X86_MXCSR_MASKS = 0x1f80,
       X86_MXCSR_RESET = 0x1f80 };

/*
 * Translate a row of simd.def: all of the instruction after its `insn`.  m: its memory operand, if
 * i->mod != 3, with all set but access, align and span; for MASKMOVQ and MASKMOVDQU, which have
 * none in ModRM, i->seg and i->asize count.
 * Returns true if the block has been ended: the instruction can only raise in this mode.
 */
bool x86_simd_translate(X86Cpu *c, IrBlock *b, const X86Insn *i, const IrMem *m);

/* Features of CPUID.1:ECX that this host's instructions cannot do for the guest. */
uint32_t x86_simd_missing(void);
bool x86_sha_runs(void);
bool x86_vex_runs(void);                /* can this host do AVX2, FMA, F16C, VAES and VPCLMULQDQ? */

/* For the C code of this folder that needs the meaning of FP state. */
/* what a waiting x87 or an MMX instruction does first: #NM, #MF or FERR# */
void x86_fpu_check(X86Cpu *c);
/* DbtGuest.stopped: exception flags in the host's x87 come to fpu_sw */
void x86_fpu_stopped(DbtCpu *c);
void x86_fpu_init(X86Cpu *c);           /* FNINIT */
/* a valid value; tells the run time if the mode changes */
void x86_set_mxcsr(X86Cpu *c, uint32_t value);
void x86_ferr(X86Cpu *c, bool level);   /* FERR#: an unmasked x87 error while CR0.NE = 0 */
/* a waiting instruction meets such an error: returns if IGNNE# is active, else waits */
void x86_ferr_wait(X86Cpu *c);

/*
 * The XSAVE area: its size for components `comp`; size and standard place of one, false: it is in
 * the first 512 bytes.
 */
unsigned x86_xsave_bytes(uint64_t comp, bool compact);
bool x86_xsave_part(unsigned comp, uint32_t *bytes, uint32_t *offset);
/* 4096 bytes; component i at at[i], 0: not there */
void x86_xsave_out(X86Cpu *c, void *area, const uint32_t at[32]);
void x86_xsave_in(X86Cpu *c, const void *area, const uint32_t at[32]);

/* DbtGuest.vex: by the host's own instruction, like x86_h_vex(). */
uint64_t x86_vex_op(void *cpu, unsigned sub, void *d, const void *a, const void *b,
                    const void *fourth, unsigned imm8, unsigned vl);

/* An operand: a register, or guest memory, which may lie anywhere. */
typedef X86Vec X86Lanes __attribute__((aligned(1)));
#endif
