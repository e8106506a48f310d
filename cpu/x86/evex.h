/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex.h -- EVEX-coded instructions: the rows of evex.def, and one instruction on its way through
 * the engine.
 *
 * An instruction runs in three steps, of which the row's function is only the second: evex_run.c
 * fetches operands (broadcast, fault suppression), the function computes every element of `d` from
 * `s`, evex_run.c merges or zeroes by the mask and stores.  A function may write elements that the
 * mask leaves out; but one that can raise a floating-point exception must skip them.  For opmask
 * destinations it leaves the answer in the top bit of each element of d.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7.
 * Threads: the vCPU's own.
 */
#ifndef CPU_X86_EVEX_H
#define CPU_X86_EVEX_H
#include "cpu/x86/decode.h"

enum {                                  /* flags of a row */
    E_FP = 1 << 0, E_ER = 1 << 1, E_SAE = 1 << 2, E_NOMASK = 1 << 3, E_NF = 1 << 4,
    E_ALIGN = 1 << 5, E_VSIB = 1 << 6,
    /* memory holds the elements of set mask bits side by side */
    E_EXPAND = 1 << 7, E_COMPRESS = 1 << 8,
    E_BLEND = 1 << 9,                   /* where the mask is clear: the first source */
    E_PART = 1 << 10,                   /* the destination is as long as the tuple */
    E_IMM4 = 1 << 11,                   /* HOST: four bits of the immediate for each 256 bits */
    E_CHUNK16 = 1 << 12,                /* HOST: 128 bits at a time */
};
typedef enum { T_NONE, T_FV, T_HV, T_FVM, T_HVM, T_QVM, T_OVM, T_T1S, T_T2, T_T4, T_T8, T_M128,
               T_DUP } EvexTuple;
/* lengths: a bit for each of 128, 256, 512; scalar */
enum { L_X = 1, L_V = 7, L_YZ = 6, L_Z = 4, L_IG = 8 };
enum { EVEX_NO_HOST = 0xffff };

typedef struct EvexOp EvexOp;
typedef void EvexFn(EvexOp *o);
typedef struct X86EvexRow {
    uint8_t  ops[3];                    /* X86Operand: dst, s1, s2 */
    uint8_t  imm, tuple, from, to, lengths, feature;
    uint16_t flags;
    uint16_t host;                      /* VX_*, or EVEX_NO_HOST */
    EvexFn  *fn;
} X86EvexRow;
EvexFn evex_vsib4, evex_vsib8;
extern const X86EvexRow x86_evex_rows[];        /* EX_N of them, evex.c */
enum {
#define EVEX(name, ...) EX_##name,
#include "cpu/x86/evex.def"
#undef EVEX
    EX_N
};

struct EvexOp {
    X86Cpu  *cpu;
    const X86EvexRow *row;
    X86Vec   d, s[2];
    uint64_t mask;                      /* elements that are wanted, of n */
    uint64_t opmask;                    /* operand KR */
    unsigned vl, n, imm;                /* bytes of the vector; elements of the destination */
    uint32_t mxcsr;                     /* with embedded rounding; exception masks do not count */
    unsigned flags;                     /* MXCSR exception flags raised */
    uint64_t eflags;                    /* HOST rows with V_FLAGS */
};

/* the fields of the prefix agree with the row */
bool x86_evex_is_valid(const X86Insn *i, bool code64);
/* of the memory operand, without broadcast */
unsigned x86_evex_tuple_bytes(const X86EvexRow *r, unsigned vl);
/* the factor of an 8-bit displacement */
unsigned x86_evex_disp8(const X86EvexRow *r, uint8_t p2);
static inline bool x86_evex_converts(const X86EvexRow *r)
{
    return r->from != r->to && r->ops[2] == OPD_N0;
}
/* The source of functions that have one, which in scalar forms is the second. */
static inline const X86Vec *evex_source(const EvexOp *o) { return &o->s[o->row->ops[2] != OPD_N0]; }

/* An element by its size, zero-extended. */
static inline uint64_t evex_get(const X86Vec *v, unsigned bytes, unsigned i)
{
    return bytes == 1 ? v->u8[i] : bytes == 2 ? v->u16[i] : bytes == 4 ? v->u32[i] : v->u64[i];
}
static inline void evex_set(X86Vec *v, unsigned bytes, unsigned i, uint64_t value)
{
    switch (bytes) {
    case 1: v->u8[i] = (uint8_t)value; break;
    case 2: v->u16[i] = (uint16_t)value; break;
    case 4: v->u32[i] = (uint32_t)value; break;
    default: v->u64[i] = value; break;
    }
}
#endif
