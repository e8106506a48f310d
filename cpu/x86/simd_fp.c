/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_fp.c -- the meaning of SSE floating point, on x86 hosts: the instruction itself, under the
 * guest's MXCSR.
 *
 * Rounding, NaN rules, DAZ, FTZ and sticky flags are then the hardware's.  All exceptions are
 * masked around the instruction; unmasked ones are the business of x86_h_vop_fp().
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 3-5; vol. 1, ch. 10.2.3 (MXCSR).
 * Omits: hosts without SSE4.1 (x86-64-v2 is the least); other architectures, see simd_fp_soft.c.
 * Threads: the vCPU's own.
 */
#include "cpu/x86/simd_fn.h"
#if X86_HOST_FP

typedef struct Bytes16 { uint8_t b[16]; } Bytes16;
typedef struct Bytes8 { uint8_t b[8]; } Bytes8;
typedef struct Bytes4 { uint8_t b[4]; } Bytes4;

/*
 * Run `code` with the guest's MXCSR; one asm statement, since the compiler knows nothing of what
 * MXCSR governs.
 */
#define UNDER_GUEST_MXCSR(before, code, after, outputs, ...) do {                                                                \
        X86Cpu *c_ = cpu;                                                                                                        \
        uint32_t guest = c_->mxcsr | X86_MXCSR_MASKS, host;                                                                      \
        __asm__ volatile("stmxcsr %[host]\n\t" before "ldmxcsr %[guest]\n\t" code "stmxcsr %[guest]\n\t" after "ldmxcsr %[host]" \
                         : outputs, [guest] "+m"(guest), [host] "=m"(host) : __VA_ARGS__ : "xmm0", "xmm1", "memory");            \
        c_->mxcsr |= guest & X86_MXCSR_FLAGS;                                                                                    \
    } while (0)
#define XMM_D [d] "+m"(*(Bytes16 *)d)
#define SRC(type) [s] "m"(*(const type *)s)
#define LOAD_Bytes16 "movups %[s], %%xmm1\n\t"
#define LOAD_Bytes8 "movsd %[s], %%xmm1\n\t"
#define LOAD_Bytes4 "movss %[s], %%xmm1\n\t"

/* xmm0 (the destination) op xmm1 (the source). */
#define OP(insn, type)                                                                  \
    UNDER_GUEST_MXCSR("movups %[d], %%xmm0\n\t" LOAD_##type, insn "%%xmm1, %%xmm0\n\t", \
                      "movups %%xmm0, %[d]\n\t", XMM_D, SRC(type))
#define FP_OP(name, type) FN(name) { OP(#name " ", type); return 0; }
#define FP_OP4(name) FP_OP(name##ps, Bytes16) FP_OP(name##pd, Bytes16) FP_OP(name##ss, Bytes4) FP_OP(name##sd, Bytes8)

FP_OP4(add)
FP_OP4(sub)
FP_OP4(mul)
FP_OP4(div)
FP_OP4(min)
FP_OP4(max)
FP_OP4(sqrt)
FP_OP(rcpps, Bytes16)
FP_OP(rcpss, Bytes4)
FP_OP(rsqrtps, Bytes16)
FP_OP(rsqrtss, Bytes4)
FP_OP(haddps, Bytes16)
FP_OP(haddpd, Bytes16)
FP_OP(hsubps, Bytes16)
FP_OP(hsubpd, Bytes16)
FP_OP(addsubps, Bytes16)
FP_OP(addsubpd, Bytes16)
FP_OP(cvtps2pd, Bytes8)
FP_OP(cvtpd2ps, Bytes16)
FP_OP(cvtss2sd, Bytes4)
FP_OP(cvtsd2ss, Bytes8)
FP_OP(cvtdq2ps, Bytes16)
FP_OP(cvtps2dq, Bytes16)
FP_OP(cvttps2dq, Bytes16)
FP_OP(cvtdq2pd, Bytes8)
FP_OP(cvtpd2dq, Bytes16)
FP_OP(cvttpd2dq, Bytes16)

/* ---- with an immediate, which is part of the host's code as well ---- */
#define CASE(n, insn, type) case n: OP(insn " $" #n ", ", type); break;
#define CASES8(insn, type) \
    CASE(0, insn, type) CASE(1, insn, type) CASE(2, insn, type) CASE(3, insn, type) \
    CASE(4, insn, type) CASE(5, insn, type) CASE(6, insn, type) CASE(7, insn, type)
#define CASES16(insn, type) CASES8(insn, type) \
    CASE(8, insn, type) CASE(9, insn, type) CASE(10, insn, type) CASE(11, insn, type) \
    CASE(12, insn, type) CASE(13, insn, type) CASE(14, insn, type) CASE(15, insn, type)
#define FP_CMP(name, type) FN(name) { switch (imm8 & 7) { CASES8(#name, type) } return 0; }
#define FP_ROUND(name, type) FN(name) { switch (imm8 & 15) { CASES16(#name, type) } return 0; }

FP_CMP(cmpps, Bytes16)
FP_CMP(cmppd, Bytes16)
FP_CMP(cmpss, Bytes4)
FP_CMP(cmpsd, Bytes8)
FP_ROUND(roundps, Bytes16)
FP_ROUND(roundpd, Bytes16)
FP_ROUND(roundss, Bytes4)
FP_ROUND(roundsd, Bytes8)

/*
 * Dot products: lanes that the immediate leaves out are zero and cause nothing; then products, pair
 * sums, and their sum.
 */
FN(dpps)
{
    X86Vec a, b;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t keep = imm8 >> (4 + i) & 1 ? UINT32_MAX : 0;
        a.u32[i] = ((X86Lanes *)d)->u32[i] & keep;
        b.u32[i] = ((const X86Lanes *)s)->u32[i] & keep;
    }
    UNDER_GUEST_MXCSR("movups %[a], %%xmm0\n\tmovups %[s], %%xmm1\n\t",
                      "mulps %%xmm1, %%xmm0\n\thaddps %%xmm0, %%xmm0\n\thaddps %%xmm0, %%xmm0\n\t",
                      "movups %%xmm0, %[a]\n\t", [a] "+m"(*(Bytes16 *)&a), [s] "m"(*(Bytes16 *)&b));
    for (unsigned i = 0; i < 4; i++)
        ((X86Lanes *)d)->u32[i] = imm8 >> i & 1 ? a.u32[i] : 0;
    return 0;
}

FN(dppd)
{
    X86Vec a, b;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t keep = imm8 >> (4 + i) & 1 ? UINT64_MAX : 0;
        a.u64[i] = ((X86Lanes *)d)->u64[i] & keep;
        b.u64[i] = ((const X86Lanes *)s)->u64[i] & keep;
    }
    UNDER_GUEST_MXCSR("movups %[a], %%xmm0\n\tmovups %[s], %%xmm1\n\t",
                      "mulpd %%xmm1, %%xmm0\n\thaddpd %%xmm0, %%xmm0\n\t",
                      "movups %%xmm0, %[a]\n\t", [a] "+m"(*(Bytes16 *)&a), [s] "m"(*(Bytes16 *)&b));
    for (unsigned i = 0; i < 2; i++)
        ((X86Lanes *)d)->u64[i] = imm8 >> i & 1 ? a.u64[i] : 0;
    return 0;
}

/* ---- conversions from and to MMX registers: the SSE2 form, with zeroes in the upper lanes */
#define FROM_MMX(name, insn, store)                                                                                            \
    FN(name)                                                                                                                   \
    {                                                                                                                          \
        UNDER_GUEST_MXCSR("movq %[s], %%xmm1\n\t", insn " %%xmm1, %%xmm1\n\t", store " %%xmm1, %[d]\n\t", XMM_D, SRC(Bytes8)); \
        return 0;                                                                                                              \
    }
FROM_MMX(cvtpi2ps, "cvtdq2ps", "movlps")
FROM_MMX(cvtpi2pd, "cvtdq2pd", "movups")

#define TO_MMX(name, insn, type, load)                                                                   \
    FN(name)                                                                                             \
    {                                                                                                    \
        UNDER_GUEST_MXCSR(load " %[s], %%xmm1\n\t", insn " %%xmm1, %%xmm1\n\t", "movq %%xmm1, %[d]\n\t", \
                          [d] "=m"(*(Bytes8 *)d), SRC(type));                                            \
        return 0;                                                                                        \
    }
TO_MMX(cvtps2pi, "cvtps2dq", Bytes8, "movq")
TO_MMX(cvttps2pi, "cvttps2dq", Bytes8, "movq")
TO_MMX(cvtpd2pi, "cvtpd2dq", Bytes16, "movups")
TO_MMX(cvttpd2pi, "cvttpd2dq", Bytes16, "movups")

/* ---- general registers ---- */
#define FROM_GPR(name, insn, type)                                                                                           \
    FN(name)                                                                                                                 \
    {                                                                                                                        \
        UNDER_GUEST_MXCSR("movups %[d], %%xmm0\n\t", insn " %[s], %%xmm0\n\t", "movups %%xmm0, %[d]\n\t", XMM_D, SRC(type)); \
        return 0;                                                                                                            \
    }
FROM_GPR(cvtsi2ss, "cvtsi2ssl", Bytes4)
FROM_GPR(cvtsi2ss_w, "cvtsi2ssq", Bytes8)
FROM_GPR(cvtsi2sd, "cvtsi2sdl", Bytes4)
FROM_GPR(cvtsi2sd_w, "cvtsi2sdq", Bytes8)

#define TO_GPR(name, insn, width, type)                                                                 \
    FN(name)                                                                                            \
    {                                                                                                   \
        uint64_t r;                                                                                     \
        UNDER_GUEST_MXCSR(LOAD_##type, insn " %%xmm1, %" width "[r]\n\t", "", [r] "=&r"(r), SRC(type)); \
        *(uint64_t *)d = r;                                                                             \
        return 0;                                                                                       \
    }
TO_GPR(cvtss2si, "cvtss2si", "k", Bytes4)
TO_GPR(cvtss2si_w, "cvtss2si", "q", Bytes4)
TO_GPR(cvttss2si, "cvttss2si", "k", Bytes4)
TO_GPR(cvttss2si_w, "cvttss2si", "q", Bytes4)
TO_GPR(cvtsd2si, "cvtsd2si", "k", Bytes8)
TO_GPR(cvtsd2si_w, "cvtsd2si", "q", Bytes8)
TO_GPR(cvttsd2si, "cvttsd2si", "k", Bytes8)
TO_GPR(cvttsd2si_w, "cvttsd2si", "q", Bytes8)

/* ---- compares to flags: LAHF leaves SF ZF AF PF CF in bits 15:8 of EAX ---- */
#define TO_FLAGS(name, type)                                                                              \
    FN(name)                                                                                              \
    {                                                                                                     \
        uint32_t fl;                                                                                      \
        UNDER_GUEST_MXCSR("movups %[d], %%xmm0\n\t" LOAD_##type, #name " %%xmm1, %%xmm0\n\tlahf\n\t", "", \
                          [fl] "=&a"(fl), [d] "m"(*(const Bytes16 *)d), SRC(type));                       \
        return fl >> 8 & (EF_ZF | EF_PF | EF_CF);                                                         \
    }
TO_FLAGS(comiss, Bytes4)
TO_FLAGS(comisd, Bytes8)
TO_FLAGS(ucomiss, Bytes4)
TO_FLAGS(ucomisd, Bytes8)
#endif
