/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_mask.h -- instructions on opmask registers: which there are.
 *
 * Spec: Intel SDM (325383) vol. 2, KADDW to KXORW.
 */
#ifndef CPU_X86_EVEX_MASK_H
#define CPU_X86_EVEX_MASK_H
#include "cpu/x86/decode.h"

enum { EVEX_IS_VEX = 1 };               /* in the first argument of helper evex, bits 63:56 */
typedef enum { KOP_AND, KOP_ANDN, KOP_NOT, KOP_OR, KOP_XNOR, KOP_XOR, KOP_ADD, KOP_UNPCK, KOP_MOV,
               KOP_LOAD, KOP_STORE,
               KOP_FROM_GPR, KOP_TO_GPR, KOP_ORTEST, KOP_TEST, KOP_SHR, KOP_SHL } KOpCode;
typedef struct KOp {
    uint8_t map, opcode, prefix, wide;
    uint8_t op, bytes, operands, memory, feature;
} KOp;
/* NULL: there is no such form */
const KOp *x86_kop_find(unsigned map, unsigned opcode, unsigned prefix, bool wide, bool memory);
bool x86_kop_has_gpr(unsigned opcode);  /* its W counts in 64-bit code alone */
void x86_avx512_check(X86Cpu *c);       /* #UD or #NM, as CR4, XCR0 and CR0 say */
#endif
