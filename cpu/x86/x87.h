/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.h -- what the x87 files share: the arithmetic of a host, and the register stack.
 *
 * Threads: the vCPU's own.
 */
#ifndef CPU_X86_X87_H
#define CPU_X86_X87_H
#include "cpu/x86/simd.h"

enum { SW_IE = 1, SW_DE = 2, SW_ZE = 4, SW_OE = 8, SW_UE = 0x10, SW_PE = 0x20, SW_SF = 0x40,
       SW_ES = 0x80,
       SW_C0 = 0x100, SW_C1 = 0x200, SW_C2 = 0x400, SW_C3 = 0x4000, SW_B = 0x8000,
       SW_CC = SW_C0 | SW_C1 | SW_C2 | SW_C3, SW_EXC = 0x3f,
       /* found before a result exists: unmasked, nothing is stored */
       SW_PRE = SW_IE | SW_DE | SW_ZE };
enum { CW_RESET = 0x37f, CW_FIXED = 0x40, CW_WRITABLE = 0x1f3f };

static inline unsigned x87_reg(const X86Cpu *c, unsigned i) { return (c->fpu_top + i) & 7; }
static inline X86Fpr *x87_st(X86Cpu *c, unsigned i) { return &c->fpr[x87_reg(c, i)]; }
static inline bool x87_empty(const X86Cpu *c, unsigned i)
{
    return !(c->fpu_valid >> x87_reg(c, i) & 1);
}
static inline uint16_t x87_status(const X86Cpu *c)
{
    return (uint16_t)(c->fpu_sw | c->fpu_top << 11);
}
/*
 * Native blocks leave exception flags in the host's status word, and C1 in DbtX87; all C code that
 * looks at the guest's takes them first.
 */
static inline void x87_sync(X86Cpu *c)
{
    if (!(c->host_x87.c1 & DBT_X87_NONE))
        c->fpu_sw = (uint16_t)((c->fpu_sw & ~SW_C1) | (c->host_x87.c1 & SW_C1));
    c->host_x87.c1 = DBT_X87_NONE;
#if defined(__x86_64__)
    uint16_t sw;
    __asm__ volatile("fnstsw %0" : "=a"(sw));
    if (sw & SW_EXC) {
        c->fpu_sw |= sw & SW_EXC;
        __asm__ volatile("fnclex");
    }
#endif
}
void     x87_update_es(X86Cpu *c);      /* after a change of flags or masks */
void     x87_load_status(X86Cpu *c, uint16_t sw);
unsigned x87_tag_word(const X86Cpu *c); /* full: two bits a physical register */
void     x87_load_tag_word(X86Cpu *c, unsigned tw);

/* ---- arithmetic (x87_host.c) ----
 * Each computes under the guest's rounding and precision control, with invalid, denormal and
 * zero-divide masked and the other exceptions as cw has them, and returns the status word that the
 * instruction leaves (flags and condition codes).
 */
/* ModRM.reg */
typedef enum { X87_ADD, X87_MUL, X87_COM, X87_COMP, X87_SUB, X87_SUBR, X87_DIV, X87_DIVR } X87Arith;
typedef enum { X87_ST, X87_F32, X87_F64, X87_I16, X87_I32, X87_I64, X87_F80, X87_BCD,
               X87_OPERANDS } X87Operand;
/* r = a op b; COM: r unused */
typedef unsigned X87ArithFn(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b);
extern X87ArithFn *const x87_arith[8][X87_I32 + 1];
X87ArithFn x87_ucom;
unsigned x87_comi(uint16_t cw, const X86Fpr *a, const X86Fpr *b, bool unordered, unsigned *eflags);
/* Loads do not depend on cw.  Stores: X87_F32 to X87_I64, X87_BCD; truncate: FISTTP. */
unsigned x87_load(X87Operand kind, X86Fpr *r, const void *m);
unsigned x87_store(uint16_t cw, X87Operand kind, void *m, const X86Fpr *a, bool truncate);
/*
 * By the low byte of D9 E0..FF: one operand (r), two (a ST0, b ST1: r the result). r2: what is
 * pushed.
 */
typedef unsigned X87UnaryFn(uint16_t cw, X86Fpr *r, X86Fpr *r2, const X86Fpr *a, const X86Fpr *b);
X87UnaryFn x87_f2xm1, x87_fyl2x, x87_fptan, x87_fpatan, x87_fxtract, x87_fprem1, x87_fprem,
    x87_fyl2xp1, x87_fsqrt, x87_fsincos, x87_frndint, x87_fscale, x87_fsin, x87_fcos, x87_ftst;
/* 0..6: 1, log2 10, log2 e, pi, log10 2, ln 2, 0 */
void x87_constant(uint16_t cw, X86Fpr *r, unsigned which);
#endif
