/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_mask.c -- instructions on opmask registers K0 to K7.
 *
 * Spec: Intel SDM (325383) vol. 2, KADDW to KXORW; 2.8 (exception classes K20 and K21).
 * Threads: the vCPU's own.
 */
#include "cpu/x86/evex_mask.h"
#include "cpu/x86/sys.h"

/* The four sizes of an opcode: word NP W0, byte 66 W0, quadword NP W1, doubleword 66 W1. */
#define FOUR(map, opcode, op, n)                                                                     \
    { map, opcode, P_NP, 0, op, 2, n, 0, op == KOP_ADD || op == KOP_TEST ? F_AVX512DQ : F_AVX512F }, \
    { map, opcode, P_66, 0, op, 1, n, 0, F_AVX512DQ },                                               \
    { map, opcode, P_NP, 1, op, 8, n, 0, F_AVX512BW },                                               \
    { map, opcode, P_66, 1, op, 4, n, 0, F_AVX512BW }
#define KMOV(opcode, op, memory)                            \
    { 1, opcode, P_NP, 0, op, 2, 2, memory, F_AVX512F },    \
    { 1, opcode, P_66, 0, op, 1, 2, memory, F_AVX512DQ },   \
    { 1, opcode, P_NP, 1, op, 8, 2, memory, F_AVX512BW },   \
    { 1, opcode, P_66, 1, op, 4, 2, memory, F_AVX512BW }
#define KMOV_GPR(opcode, op)                                \
    { 1, opcode, P_NP, 0, op, 2, 2, 0, F_AVX512F },         \
    { 1, opcode, P_66, 0, op, 1, 2, 0, F_AVX512DQ },        \
    { 1, opcode, P_F2, 0, op, 4, 2, 0, F_AVX512BW }, { 1, opcode, P_F2, 1, op, 8, 2, 0, F_AVX512BW }
/* Shifts: 66 W1 word (F), 66 W0 byte (DQ), and at the next opcode quadword and doubleword. */
#define SHIFTS(opcode, op)                                  \
    { 3, opcode, P_66, 1, op, 2, 2, 0, F_AVX512F },         \
    { 3, opcode, P_66, 0, op, 1, 2, 0, F_AVX512DQ },        \
    { 3, opcode + 1, P_66, 1, op, 8, 2, 0, F_AVX512BW },    \
    { 3, opcode + 1, P_66, 0, op, 4, 2, 0, F_AVX512BW }
static const KOp kops[] = {
    FOUR(1, 0x41, KOP_AND, 3), FOUR(1, 0x42, KOP_ANDN, 3),
    FOUR(1, 0x44, KOP_NOT, 2), FOUR(1, 0x45, KOP_OR, 3),
    FOUR(1, 0x46, KOP_XNOR, 3), FOUR(1, 0x47, KOP_XOR, 3), FOUR(1, 0x4a, KOP_ADD, 3),
    { 1, 0x4b, P_66, 0, KOP_UNPCK, 1, 3, 0, F_AVX512F },
    { 1, 0x4b, P_NP, 0, KOP_UNPCK, 2, 3, 0, F_AVX512BW },
    { 1, 0x4b, P_NP, 1, KOP_UNPCK, 4, 3, 0, F_AVX512BW },
    KMOV(0x90, KOP_MOV, 0), KMOV(0x90, KOP_LOAD, 1), KMOV(0x91, KOP_STORE, 1),
    KMOV_GPR(0x92, KOP_FROM_GPR), KMOV_GPR(0x93, KOP_TO_GPR),
    FOUR(1, 0x98, KOP_ORTEST, 2), FOUR(1, 0x99, KOP_TEST, 2),
    SHIFTS(0x30, KOP_SHR), SHIFTS(0x32, KOP_SHL),
};

const KOp *x86_kop_find(unsigned map, unsigned opcode, unsigned prefix, bool wide, bool memory)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kops); k++) {
        const KOp *o = &kops[k];
        if (o->map == map && o->opcode == opcode && o->prefix == prefix && o->wide == wide &&
            o->memory == memory)
            return o;
    }
    return NULL;
}

bool x86_kop_has_gpr(unsigned opcode) { return opcode == 0x92 || opcode == 0x93; }

void x86_avx512_check(X86Cpu *c)
{
    if (!(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & (XCR0_AVX512 | 6)) != (XCR0_AVX512 | 6))
        x86_raise_ud(c);
    if (c->cr0 & CR0_TS)
        x86_raise(c, EXC_NM, 0);
}

static uint64_t k_result(unsigned op, uint64_t a, uint64_t b, unsigned bytes, unsigned imm)
{
    switch (op) {
    case KOP_AND: return a & b;
    case KOP_ANDN: return ~a & b;
    case KOP_NOT: return ~b;
    case KOP_OR: return a | b;
    case KOP_XNOR: return ~(a ^ b);
    case KOP_XOR: return a ^ b;
    case KOP_ADD: return a + b;
    case KOP_UNPCK: return a << bytes * 8 | b;
    case KOP_SHR: return imm < bytes * 8 ? b >> imm : 0;
    case KOP_SHL: return imm < bytes * 8 ? b << imm : 0;
    default: return b;                  /* moves */
    }
}

/* a KOpCode | bytes << 8 | reg << 16 | rm << 24 | vvvv << 32 | imm << 40, b offset, arg segment */
uint64_t x86_h_kop(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    unsigned op = a & 0xff, bytes = a >> 8 & 0xff, reg = a >> 16 & 15, rm = a >> 24 & 15,
             imm = a >> 40 & 0xff;
    uint64_t all = bytes == 8 ? ~UINT64_C(0) : (UINT64_C(1) << bytes * 8) - 1, first, second;
    x86_avx512_check(c);
    if (op == KOP_STORE) {
        dbt_store(&c->dbt, x86_seg_linear(c, (unsigned)arg, b, bytes, true),
                  c->opmask[reg & 7] & all, bytes);
        return 0;
    }
    first = c->opmask[a >> 32 & 7] & all;
    second = op == KOP_FROM_GPR ? c->dbt.gpr[rm]
             : op == KOP_LOAD
                 ? dbt_load(&c->dbt, x86_seg_linear(c, (unsigned)arg, b, bytes, false), bytes)
                 : c->opmask[rm & 7];
    second &= all;
    if (op == KOP_TO_GPR) {
        c->dbt.gpr[reg] = second;
    } else if (op == KOP_ORTEST || op == KOP_TEST) {
        first = c->opmask[reg & 7] & all;
        uint64_t z = op == KOP_ORTEST ? first | second : first & second;
        uint64_t cy = op == KOP_ORTEST ? (first | second) ^ all : ~first & second;
        c->dbt.fl = x86_eflags_to_fl((z ? 0 : EF_ZF) | (cy ? 0 : EF_CF));
    } else {
        if (op == KOP_UNPCK)
            all = bytes == 4 ? ~UINT64_C(0) : (UINT64_C(1) << bytes * 16) - 1;
        c->opmask[reg & 7] = k_result(op, first, second, bytes, imm) & all;
    }
    return 0;
}
