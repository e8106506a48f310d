/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_vop.c -- the meaning of the x87 operations of x87.def, for tier 0 and for back ends without
 * the host's x87.
 *
 * They run where registers are known to be full or empty as needed and all exceptions are masked.
 * A back end on x86 leaves exception flags in the host's status word and C1 in DbtX87, where
 * x87_sync() finds them.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 8.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/x87.h"

#define FN(name) uint64_t x87v_##name(void *cpu, void *d, const void *s, unsigned imm8)
#define X87V(nm, form, opcode, second, digit, bytes, props, fn) FN(fn);
#include "cpu/x86/x87.def"
#undef X87V

static uint64_t done(X86Cpu *c, unsigned sw, unsigned codes)
{
    if (codes)
        c->host_x87.c1 = DBT_X87_NONE;
    c->fpu_sw = (uint16_t)((c->fpu_sw & ~codes) | (sw & (codes | SW_EXC)));
    return 0;
}

FN(sync) { x87_sync(cpu); return 0; }
FN(clear_c1) { return done(cpu, 0, SW_C1); }
FN(copy) { X86Fpr v; memcpy(&v, s, 10); memcpy(d, &v, 10); return done(cpu, 0, SW_C1); }

FN(swap)
{
    X86Fpr *a = d, *b = (X86Fpr *)(uintptr_t)s, v = *a;
    *a = *b;
    *b = v;
    return done(cpu, 0, SW_C1);
}

FN(ld_f80) { memcpy(d, s, 10); return done(cpu, 0, SW_C1); }
FN(st_f80) { memcpy(d, s, 10); return done(cpu, 0, SW_C1); }
#define LOAD(name, kind) \
    FN(name) { return done(cpu, x87_load(kind, d, s) & ~(unsigned)SW_C1, SW_C1); }
LOAD(ld_f32, X87_F32)
LOAD(ld_f64, X87_F64)
LOAD(ld_i16, X87_I16)
LOAD(ld_i32, X87_I32)
LOAD(ld_i64, X87_I64)
#define STORE(name, kind, truncate) \
    FN(name) { X86Cpu *c = cpu; return done(c, x87_store(c->fpu_cw, kind, d, s, truncate), SW_C1); }
STORE(st_f32, X87_F32, false)
STORE(st_f64, X87_F64, false)
STORE(st_i16, X87_I16, false)
STORE(st_i32, X87_I32, false)
STORE(st_i64, X87_I64, false)
STORE(stt_i16, X87_I16, true)
STORE(stt_i32, X87_I32, true)
STORE(stt_i64, X87_I64, true)

#define ARITH(name, op, kind, codes)                        \
    FN(name) { X86Cpu *c = cpu; X86Fpr a = *(X86Fpr *)d; return done(c, x87_arith[op][kind](c->fpu_cw, d, &a, s), codes); }
#define ARITH_ALL(suffix, kind)                                                         \
    ARITH(add##suffix, X87_ADD, kind, SW_C1) ARITH(mul##suffix, X87_MUL, kind, SW_C1)   \
    ARITH(sub##suffix, X87_SUB, kind, SW_C1)                                            \
    ARITH(subr##suffix, X87_SUBR, kind, SW_C1) ARITH(div##suffix, X87_DIV, kind, SW_C1) \
    ARITH(divr##suffix, X87_DIVR, kind, SW_C1)                                          \
    ARITH(com##suffix, X87_COM, kind, SW_CC)
ARITH_ALL(, X87_ST)
ARITH_ALL(_f32, X87_F32)
ARITH_ALL(_f64, X87_F64)
ARITH_ALL(_i16, X87_I16)
ARITH_ALL(_i32, X87_I32)
FN(ucom) { X86Cpu *c = cpu; return done(c, x87_ucom(c->fpu_cw, NULL, d, s), SW_CC); }

#define COMI(name, unordered) \
    FN(name) \
    { \
        X86Cpu *c = cpu; \
        unsigned eflags; \
        done(c, x87_comi(c->fpu_cw, d, s, unordered, &eflags), 0); \
        return eflags; \
    }
COMI(comi, false)
COMI(ucomi, true)

#define CONSTANT(n) \
    FN(c##n) { X86Cpu *c = cpu; x87_constant(c->fpu_cw, d, n); return done(c, 0, SW_C1); }
CONSTANT(0) CONSTANT(1) CONSTANT(2) CONSTANT(3) CONSTANT(4) CONSTANT(5) CONSTANT(6)

#define UNARY(name, fn) FN(name) { X86Cpu *c = cpu; X86Fpr a = *(X86Fpr *)d; return done(c, fn(c->fpu_cw, d, NULL, &a, NULL), SW_C1); }
FN(chs) { ((X86Fpr *)d)->exp ^= 0x8000; return done(cpu, 0, SW_C1); }
FN(abs) { ((X86Fpr *)d)->exp &= 0x7fff; return done(cpu, 0, SW_C1); }
UNARY(sqrt, x87_fsqrt)
UNARY(rndint, x87_frndint)
