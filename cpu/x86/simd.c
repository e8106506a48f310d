/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd.c -- the table of vector operations, made from simd.def, and the rows of vex.def.
 *
 * Spec: Intel SDM (325383) vol. 2.
 * Threads: const data.
 */
#include "cpu/x86/simd.h"

#define SIMD(name, prefix, map, opcode, modrm, dst, src, imm, bytes, align, feature, props, fn) \
    uint64_t simd_##fn(void *cpu, void *d, const void *s, unsigned imm8);
#define SIMDH(...)
#include "cpu/x86/simd.def"
#undef SIMD
#define X87V(name, form, opcode, second, digit, bytes, props, fn) \
    uint64_t x87v_##fn(void *cpu, void *d, const void *s, unsigned imm8);
#include "cpu/x86/x87.def"
#undef X87V

#define BYTE_P_NP 0
#define BYTE_P_66 0x66
#define BYTE_P_F3 0xf3
#define BYTE_P_F2 0xf2
#define REG_ONLY_MR 0
#define REG_ONLY_MEM 0
#define REG_ONLY_REG 1
#define REG_ONLY_DR(n) 1
const X86VexRow x86_vex_rows[] = {
#define VEX(nm, pfx, map, op, mr, wbit, dst, s1, s2, im, bytes0, bytes256, al, f, f256, vprops) \
    [VX_##nm] = { { OPD_##dst, OPD_##s1, OPD_##s2 }, { bytes0, bytes256 }, { f, f256 }, im, al, REG_ONLY_##mr, wbit == W_1, vprops },
#include "cpu/x86/vex.def"
#undef VEX
};

#undef REG                                      /* core/mem.h has another */
#define MR 0
#define MEM 0
#define REG 0
#define DR(n) ((n) + 1)
const IrVecDesc x86_vecs[] = {
#define SIMD(nm, prefix, map, opcode, modrm, dst, src, imm, bytes, align, feature, vprops, meaning) \
    [XV_##nm] = { #nm, simd_##meaning, BYTE_##prefix << 16 | (map) << 8 | (opcode) | (modrm) << 24, bytes, vprops },
#include "cpu/x86/simd.def"
#define X87V(nm, form, opcode, second, digit, bytes, vprops, meaning)                                                            \
    [XV_##nm] = { #nm, x87v_##meaning, (unsigned)V87_##form << 28 | (digit) << 24 | (opcode) << 16 | V87 << 8 | (second), bytes, \
                  (vprops) | V_MMX },
#include "cpu/x86/x87.def"
#define PLACE_V VEX_REG
#define PLACE_G VEX_REG
#define PLACE_H VEX_VVVV
#define PLACE_W VEX_RM
#define PLACE_E VEX_RM
#define PLACE_N0 0
#define VEX(nm, pfx, map, op, mr, wbit, dst, s1, s2, im, bytes0, bytes256, al, f, f256, vprops)                                            \
    [XV_N + VX_##nm] = { "v" #nm, NULL, BYTE_##pfx << 16 | (map) << 8 | (op) | (mr) << 24, bytes0, ((vprops) & V_FLAGS) | V_VEX, bytes256, \
                         PLACE_##dst | PLACE_##s1 << 2 | PLACE_##s2 << 4 | ((im) ? VEX_IMM : 0) | (wbit == W_1 ? VEX_W : 0) },
#include "cpu/x86/vex.def"
    [XV_VZEROUPPER] = { "vzeroupper", NULL, 0x177, 0, V_VEX, 0, 0 },
};

bool x86_vex_runs(void)
{
#if X86_HOST_FP
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
#else
    return true;
#endif
}

uint32_t x86_simd_missing(void)
{
    uint32_t bits = 0;
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("pclmul"))
        bits |= 1u << 1;
    if (!__builtin_cpu_supports("aes"))
        bits |= 1u << 25;
#endif
    return bits;
}
