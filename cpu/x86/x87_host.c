/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_host.c -- x87 arithmetic on x86 hosts: the host's own instruction on 80-bit values, under the
 * guest's control word.
 *
 * Results, flags and condition codes are then the hardware's, transcendental functions included.
 * Pre-computation exceptions are masked (the caller stores nothing where the guest has them
 * unmasked); overflow, underflow and precision are as the guest has them, so that a result with a
 * wrapped exponent is the hardware's too.  FNCLEX ends each sequence before any instruction that
 * would report a pending exception to the host.
 *
 * Between calls the host's x87 has an empty stack, no flags, and control word 37FH, as the ABI has
 * it.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 8; vol. 2, FADD and the like.
 * Omits: other hosts, see x87_soft.c.
 * Threads: pure functions.
 */
#include "cpu/x86/x87.h"
#if X86_HOST_FP

typedef struct Real10 { uint8_t b[10]; } Real10;

#define X87_CLOBBERS "st", "st(1)", "st(2)", "st(3)", "memory"
#define DONE "fnstsw %%ax\n\tfnclex\n\t"                /* status to AX, nothing pending */

static inline void set_cw(uint16_t cw) { __asm__ volatile("fldcw %0" : : "m"(cw)); }
static inline uint16_t begin(uint16_t cw)
{
    cw |= SW_PRE;
    if (G_UNLIKELY(cw != CW_RESET))
        set_cw(cw);
    return cw;
}
static inline unsigned end(uint16_t cw, uint16_t sw)
{
    if (G_UNLIKELY(cw != CW_RESET))
        set_cw(CW_RESET);
    return sw;
}

#define RUN(code, ...) do { \
        cw = begin(cw); \
        __asm__ volatile(code : "=a"(sw) : __VA_ARGS__ : X87_CLOBBERS); \
        end(cw, sw); \
    } while (0)
#define R [r] "m"(*(Real10 *)r)
#define R2 [r2] "m"(*(Real10 *)r2)
#define A [a] "m"(*(const Real10 *)a)
#define B [b] "m"(*(const Real10 *)b)
#define M(n) [b] "m"(*(const uint8_t (*)[n])b)

/* ---- two operands ---- */
#define ARITH_ST(name, insn)                                                                                    \
    static unsigned name##_st(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b)                           \
    {                                                                                                           \
        uint16_t sw;                                                                                            \
        RUN("fldt %[b]\n\tfldt %[a]\n\t" insn " %%st(1), %%st\n\t" DONE "fstpt %[r]\n\tfstp %%st(0)", R, A, B); \
        return sw;                                                                                              \
    }
#define ARITH_M(name, insn, n) \
    static unsigned name(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b) \
    { \
        uint16_t sw; \
        RUN("fldt %[a]\n\t" insn " %[b]\n\t" DONE "fstpt %[r]", R, A, M(n)); \
        return sw; \
    }
#define ARITH(op) \
    ARITH_ST(op, "f" #op) ARITH_M(op##_f32, "f" #op "s", 4) ARITH_M(op##_f64, "f" #op "l", 8) \
    ARITH_M(op##_i16, "fi" #op "s", 2) ARITH_M(op##_i32, "fi" #op "l", 4)
ARITH(add)
ARITH(mul)
ARITH(sub)
ARITH(subr)
ARITH(div)
ARITH(divr)

#define COM_M(name, insn, n) \
    static unsigned name(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b) \
    { \
        uint16_t sw; \
        RUN("fldt %[a]\n\t" insn " %[b]\n\t" DONE "fstp %%st(0)", A, M(n)); \
        return sw; \
    }
#define COM_ST(name, insn)                                                                               \
    unsigned name(uint16_t cw, X86Fpr *r, const X86Fpr *a, const void *b)                                \
    {                                                                                                    \
        uint16_t sw;                                                                                     \
        RUN("fldt %[b]\n\tfldt %[a]\n\t" insn " %%st(1)\n\t" DONE "fstp %%st(0)\n\tfstp %%st(0)", A, B); \
        return sw;                                                                                       \
    }
static COM_ST(com_st, "fcom")
COM_ST(x87_ucom, "fucom")
COM_M(com_f32, "fcoms", 4)
COM_M(com_f64, "fcoml", 8)
COM_M(com_i16, "ficoms", 2)
COM_M(com_i32, "ficoml", 4)

#define OPERANDS(op) { op##_st, op##_f32, op##_f64, op##_i16, op##_i32 }
X87ArithFn *const x87_arith[8][X87_I32 + 1] = {
    [X87_ADD] = OPERANDS(add), [X87_MUL] = OPERANDS(mul),
    [X87_COM] = OPERANDS(com), [X87_COMP] = OPERANDS(com),
    [X87_SUB] = OPERANDS(sub), [X87_SUBR] = OPERANDS(subr),
    [X87_DIV] = OPERANDS(div), [X87_DIVR] = OPERANDS(divr),
};

/* FCOMI and FUCOMI: the flags that LAHF shows, ZF PF CF. */
unsigned x87_comi(uint16_t cw, const X86Fpr *a, const X86Fpr *b, bool unordered, unsigned *eflags)
{
    uint32_t ax;
    uint16_t sw;
    cw = begin(cw);
    if (unordered) {
        __asm__ volatile(
            "fldt %[b]\n\tfldt %[a]\n\tfucomi %%st(1), %%st\n\tlahf\n\tfnstsw %[sw]\n\tfnclex\n\t"
            "fstp %%st(0)\n\tfstp %%st(0)"
            : "=a"(ax), [sw] "=m"(sw)
            : A, B
            : X87_CLOBBERS, "cc");
    } else {
        __asm__ volatile(
            "fldt %[b]\n\tfldt %[a]\n\tfcomi %%st(1), %%st\n\tlahf\n\tfnstsw %[sw]\n\tfnclex\n\t"
            "fstp %%st(0)\n\tfstp %%st(0)"
            : "=a"(ax), [sw] "=m"(sw)
            : A, B
            : X87_CLOBBERS, "cc");
    }
    *eflags = ax >> 8 & (EF_ZF | EF_PF | EF_CF);
    return end(cw, sw);
}

/* ---- loads and stores ---- */
#define LOAD(insn, n)                                       \
    __asm__ volatile(insn " %[m]\n\t" DONE "fstpt %[r]" : "=a"(sw) : R, [m] "m"(*(const uint8_t (*)[n])m) : X87_CLOBBERS); break
unsigned x87_load(X87Operand kind, X86Fpr *r, const void *m)
{
    uint16_t sw = 0;
    switch (kind) {
    case X87_F32: LOAD("flds", 4);
    case X87_F64: LOAD("fldl", 8);
    case X87_I16: LOAD("filds", 2);
    case X87_I32: LOAD("fildl", 4);
    case X87_I64: LOAD("fildll", 8);
    case X87_BCD: LOAD("fbld", 10);
    default: break;
    }
    return sw;
}

/*
 * FST does not pop, so that nothing is lost where it stores nothing; the others only know invalid
 * and precision.
 */
#define STORE(insn, n) \
    __asm__ volatile("fldt %[a]\n\t" insn " %[m]\n\t" DONE "fstp %%st(0)" \
                     : "=a"(sw) : A, [m] "m"(*(uint8_t (*)[n])m) : X87_CLOBBERS); break
#define STORE_POP(insn, n)                                  \
    __asm__ volatile("fldt %[a]\n\t" insn " %[m]\n\t" DONE : "=a"(sw) : A, [m] "m"(*(uint8_t (*)[n])m) : X87_CLOBBERS); break
unsigned x87_store(uint16_t cw, X87Operand kind, void *m, const X86Fpr *a, bool truncate)
{
    uint16_t sw = 0;
    cw = begin(cw);
    switch (kind + (truncate ? X87_OPERANDS : 0)) {
    case X87_F32: STORE("fsts", 4);
    case X87_F64: STORE("fstl", 8);
    case X87_I16: STORE_POP("fistps", 2);
    case X87_I32: STORE_POP("fistpl", 4);
    case X87_I64: STORE_POP("fistpll", 8);
    case X87_BCD: STORE_POP("fbstp", 10);
    case X87_I16 + X87_OPERANDS: STORE_POP("fisttps", 2);
    case X87_I32 + X87_OPERANDS: STORE_POP("fisttpl", 4);
    case X87_I64 + X87_OPERANDS: STORE_POP("fisttpll", 8);
    default: break;
    }
    return end(cw, sw);
}

/* ---- D9 E4..FF ---- */
#define UNARY(name) \
    unsigned x87_##name(uint16_t cw, X86Fpr *r, X86Fpr *r2, const X86Fpr *a, const X86Fpr *b) \
    { \
        uint16_t sw; \
        RUN("fldt %[a]\n\t" #name "\n\t" DONE "fstpt %[r]", R, A); \
        return sw; \
    }
#define UNARY_PUSH(name)                                                                                                  \
    unsigned x87_##name(uint16_t cw, X86Fpr *r, X86Fpr *r2, const X86Fpr *a, const X86Fpr *b)                             \
    {                                                                                                                     \
        uint16_t sw;                                                                                                      \
        cw = begin(cw);                                                                                                   \
        __asm__ volatile("fldt %[a]\n\t" #name "\n\t" DONE "testl $0x400, %%eax\n\tjnz 1f\n\tfstpt %[r2]\n1:\tfstpt %[r]" \
                         : "=a"(sw) : R, R2, A : X87_CLOBBERS, "cc");                                                     \
        end(cw, sw);                                                                                                      \
        return sw;                                                                                                        \
    }
#define BINARY(name, keeps_two) \
    unsigned x87_##name(uint16_t cw, X86Fpr *r, X86Fpr *r2, const X86Fpr *a, const X86Fpr *b) \
    { \
        uint16_t sw; \
        RUN("fldt %[b]\n\tfldt %[a]\n\t" #name "\n\t" DONE "fstpt %[r]" keeps_two, R, A, B); \
        return sw; \
    }
#define DROP "\n\tfstp %%st(0)"
UNARY(f2xm1)
UNARY(fsqrt)
UNARY(frndint)
UNARY(fsin)
UNARY(fcos)
UNARY(ftst)
UNARY_PUSH(fptan)                                       /* C2: out of range, nothing is pushed */
UNARY_PUSH(fsincos)
BINARY(fyl2x, "")
BINARY(fyl2xp1, "")
BINARY(fpatan, "")
BINARY(fprem, DROP)
BINARY(fprem1, DROP)
BINARY(fscale, DROP)

unsigned x87_fxtract(uint16_t cw, X86Fpr *r, X86Fpr *r2, const X86Fpr *a, const X86Fpr *b)
{
    uint16_t sw;
    RUN("fldt %[a]\n\tfxtract\n\t" DONE "fstpt %[r2]\n\tfstpt %[r]", R, R2, A);
    return sw;
}

#define CONSTANT(insn) __asm__ volatile(insn "\n\tfstpt %[r]" : : R : X87_CLOBBERS); break
void x87_constant(uint16_t cw, X86Fpr *r, unsigned which)
{
    cw = begin(cw);
    switch (which) {
    case 0: CONSTANT("fld1");
    case 1: CONSTANT("fldl2t");
    case 2: CONSTANT("fldl2e");
    case 3: CONSTANT("fldpi");
    case 4: CONSTANT("fldlg2");
    case 5: CONSTANT("fldln2");
    default: CONSTANT("fldz");
    }
    end(cw, 0);
}
#endif
