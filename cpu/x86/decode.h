/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.h -- the x86 instruction decoder: bytes to a row of an opcode table plus the fields of the
 * encoding.
 *
 * The tables map1.def (one byte), map2.def (0F), map3.def (0F 38), map4.def (0F 3A) hold
 *
 *     X86(opcode, prefix, modrm, NAME, (operands), properties, "spec")
 *
 * opcode: PLUSR rows (low three bits are a register) are listed once per value.  prefix: which
 * mandatory prefixes select the row: P_ANY, P_NP, P_66, P_F3, P_F2, P_NF (neither F2 nor F3).
 * modrm: NOM no ModRM byte; MR any; MEM, REG by mod; D(n) /n; DM(n), DR(n) /n with a memory or
 * register operand; X(b) exactly byte b (mod 3).  Operands: letters of SDM vol. 2, appendix A.2.
 * NAME: the translator's function x86_tr_NAME.  Rows of one opcode stand together; the last that
 *   matches wins.
 *
 * simd.def (MMX to SSE4.2) holds, looked up where no row of the maps matches,
 *
 *     SIMD(name, prefix, map, opcode, modrm, dst, src, imm, mem_bytes, align, feature, props, fn)
 *     SIMDH(name, prefix, map, opcode, modrm, dst, src, imm, mem_bytes, align, feature, helper)
 *
 * name: unique, the mnemonic with a suffix _load, _store, _mmx ... where there are several forms
 * (XV_<name> is its number as a vop); prefix P_NP, P_66, P_F3 or P_F2 (exactly one, no
 * parentheses); map: 1 = 0F, 2 = 0F38, 3 = 0F3A; modrm as above; dst, src: one of V (xmm in reg), W
 * (xmm or memory in rm), P (mmx in reg), Q (mmx or memory in rm), G (general register in reg), E
 * (general register or memory in rm), N0 (none: emit only dst); imm 1: an immediate byte follows;
 * align: 16 where the memory operand must be aligned, else 0; feature F_*; props V_* (V_MMX: both
 * vector operands that are MMX; see also V_MEM_DST).
 * Where several rows share prefix, map and opcode (by modrm), they stand together.  The rows
 * without H become the table x86_vecs[] of IrVecDesc, whose enc is prefix byte << 16 | map << 8 |
 * opcode, with (digit + 1) << 24 for rows with /digit (shifts by immediate: dst W or Q, the operand
 * is rm, register only).
 * SIMDH: for what is no vop (pcmpestri, maskmovdqu): calls XH_<helper> with a = reg | rm << 8
 * (0xff: memory) | imm << 16 | REX.W << 24, b = offset of the memory operand (maskmov: rDI), c =
 * segment | address bits << 8.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2 and appendix A.
 * VEX-coded instructions: vex.def (vectors) and vexint.def (general registers) say how their rows
 * look.
 *
 * EVEX-coded instructions: evex.def; on opmask registers: vexint.def.
 *
 * Omits: XOP encodings; what EVEX instructions forbid beyond the fields of the prefix is in
 *   translate_evex.c.
 * Threads: pure functions over const tables.
 */
#ifndef CPU_X86_DECODE_H
#define CPU_X86_DECODE_H
#include "cpu/x86/cpu.h"

enum { P_NP = 1, P_66 = 2, P_F3 = 4, P_F2 = 8, P_NF = 3, P_ANY = 15 };

/*
 * Operand letters.  Width suffix: b w d q, v by operand size, z 16/32, y 32/64, p far pointer, bs
 * signed byte.
 */
typedef enum X86Operand {
    OPD_NONE, OPD_ = OPD_NONE,
    OPD_Eb, OPD_Ew, OPD_Ed, OPD_Ev, OPD_Ey, OPD_Eq,     /* register or memory by rm */
    OPD_Gb, OPD_Gw, OPD_Gd, OPD_Gv, OPD_Gy,             /* register by reg */
    OPD_By,                                             /* register by vvvv */
    OPD_Mb, OPD_Mw, OPD_Md, OPD_Mq, OPD_Mv, OPD_My, OPD_Mp, OPD_Ms, OPD_M,      /* memory by rm */
    OPD_Rv, OPD_Ry, OPD_Rd,                             /* register by rm */
    OPD_Zb, OPD_Zv,                                     /* register by the opcode's low bits */
    OPD_AL, OPD_rAX, OPD_eAX, OPD_CL, OPD_DX, OPD_ONE,  /* fixed */
    OPD_Sw, OPD_Cy, OPD_Dy,                            /* segment, control, debug register by reg */
    OPD_ES, OPD_CS, OPD_SS, OPD_DS, OPD_FS, OPD_GS,
    OPD_Xb, OPD_Xv, OPD_Xz, OPD_Yb, OPD_Yv, OPD_Yz,     /* string operands */
    OPD_V, OPD_W, OPD_P, OPD_Q, OPD_G, OPD_E, OPD_N0, OPD_H, /* SIMD rows; H: vector by vvvv */
    OPD_K, OPD_KR,                                      /* opmask by reg, by rm */
    OPD_IMM,                                            /* from here on: bytes of the instruction */
    OPD_Ib = OPD_IMM, OPD_Ibs, OPD_Iw, OPD_Iz, OPD_Iv, OPD_Jb, OPD_Jz, OPD_Ap, OPD_Ob, OPD_Ov, OPD_N
} X86Operand;

enum {                                                  /* properties */
    /* takes the LOCK prefix where the destination is memory */
    LOCK = 1 << 0,
    RMW = 1 << 1,                                       /* reads and writes its first operand */
    ONLY64 = 1 << 2, NO64 = 1 << 3,
    /* operand size 64 by default in 64-bit mode, no 32 */
    D64 = 1 << 4,
    /* operand size 64 in 64-bit mode whatever the prefixes */
    F64 = 1 << 5,
    CPL0 = 1 << 6,                                      /* privileged: the helper checks */
    END = 1 << 7,                                       /* ends the block */
    PROT = 1 << 8,                                      /* #UD in real and virtual-8086 mode */
    /* cannot fault or leave while its operands are registers */
    PURE = 1 << 9,
    RFLAGS = 1 << 10,                                   /* reads arithmetic flags */
    WFLAGS = 1 << 11,                                   /* writes all six whatever the operands */
    ISVOP = 1 << 12, ISHELPER = 1 << 13,                /* rows of simd.def */
    ISVEX = 1 << 14,                                    /* rows of vex.def */
    ISEVEX = 1 << 15,                                   /* rows of evex.def */
    /* rows of vexint.def whose translator looks at VEX.L and W */
    ANY_L = 1 << 16,
};
/* what the CPU model must have, else #UD; F_NONE: always there */
typedef enum X86Feature {
    F_NONE,
    F_SSE,
    F_SSE2,
    F_SSE3,
    F_SSSE3,
    F_SSE41,
    F_SSE42,
    F_MMX,
    F_POPCNT,
    F_CX16,
    F_MOVBE,
    F_AES,
    F_PCLMUL,
    F_RDTSCP,
    F_FSGSBASE,
    F_XSAVE,
    F_XSAVEOPT,
    F_XSAVEC,
    F_XSAVES,
    F_INVPCID,
    F_CLFLUSHOPT,
    F_CLWB,
    F_SMAP,
    F_RDRAND,
    F_RDSEED,
    F_RDPID,
    F_LZCNT,
    F_BMI1,
    F_BMI2,
    F_ADX,
    F_LAHF,
    F_MONITOR,
    F_PKU,
    F_CMPXCHG8B,
    F_CMOV,
    F_SYSCALL,
    F_SYSENTER,
    F_FXSR,
    F_PREFETCHW,
    F_SHA,
    F_GFNI,
    F_AVX,
    F_SSE4A,
    F_TSC,
    F_MSR,
    F_CLFLUSH,
    /* MMXEXT: SSE, or what AMD had of it on MMX registers */
    F_MMXEXT,
    F_3DNOW,
    F_3DNOWEXT,
    F_WAITPKG,
    F_SERIALIZE,
    F_MOVDIRI,
    F_MOVDIR64B,
    F_CLZERO,
    F_AVX2,
    F_FMA,
    F_F16C,
    F_VAES,
    F_VPCLMUL,
    F_SVM,
    F_AVX512F,
    F_AVX512DQ,
    F_AVX512IFMA,
    F_AVX512CD,
    F_AVX512BW,
    F_AVX512VL,
    F_AVX512VBMI,
    F_AVX512VBMI2,
    F_AVX512VNNI,
    F_AVX512BITALG,
    F_AVX512VPOPCNT,
    F_N
} X86Feature;

typedef struct X86Insn X86Insn;
typedef struct X86Tr X86Tr;
typedef void X86TrFn(X86Tr *t, const X86Insn *i);

/* The two operands of most rows: memory or register and register, of one width. */
enum { SHAPE_OTHER, SHAPE_EG, SHAPE_GE, SHAPE_II };      /* II: two immediates */

typedef struct X86Row {
    const char *name;
    X86TrFn    *tr;
    uint8_t     map, opcode, prefix;
    uint8_t     modrm_mask, modrm_value;                /* see x86_modrm_key() */
    uint8_t     has_modrm;
    uint8_t     ops[3];                                 /* X86Operand */
    /* the one of them that stands in the code, or 0 */
    uint8_t     imm;
    uint8_t     feature;
    uint8_t     mem_bytes, align;                       /* SIMD rows */
    uint16_t    sub;                                   /* SIMD rows: XV_* or XH_*; VEX rows: VX_* */
    uint8_t     w;                                      /* VEX rows: W_* */
    uint8_t     shape;                                  /* SHAPE_* */
    bool        plain;                                  /* there without a prefix, in user's 64-bit code */
    uint32_t    props;
} X86Row;

enum { X86_NO_REG = 0xff };
struct X86Insn {
    const X86Row *row;
    uint8_t  length, opcode, map;
    /* raw byte; its mod field (3: register operand) */
    uint8_t  modrm, mod;
    uint8_t  reg, rm;                                   /* with REX.R, REX.B */
    uint8_t  rex;                                       /* 0 or 0x40..0x4f */
    uint8_t  rep;                                       /* 0, 0xf2, 0xf3: the last of them */
    uint8_t  mandatory;                                 /* P_NP, P_66, P_F3 or P_F2 */
    bool     lock, opsize;                              /* prefixes F0, 66 */
    /* of the memory operand, default or overridden: S_* */
    uint8_t  seg;
    uint8_t  seg_prefix;                                /* S_*, or SEG_NONE */
    /* operand and address size in bytes: 2, 4, 8 */
    uint8_t  osize, asize;
    uint8_t  base, index, scale;                        /* registers or X86_NO_REG */
    bool     pc_relative;
    bool     vex, wide;                                 /* VEX or EVEX; W */
    uint8_t  vvvv, vl;                                  /* VEX: its second source register, and L */
    /* third byte of the EVEX prefix (z L'L b V' aaa) as it stands */
    uint8_t  evex;
    int32_t  disp;
    /* sign-extended where the manual does so; imm2: selector of Ap, 2nd of ENTER */
    uint64_t imm, imm2;
};

/* MORE: needs more than n bytes */
typedef enum { DEC_OK, DEC_MORE, DEC_UD, DEC_GP } X86DecodeResult;

/* mode: X86_MODE_*.  DEC_UD: length is right as far as it is known. */
X86DecodeResult x86_decode(X86Insn *out, const uint8_t *code, unsigned n, uint64_t mode);
bool x86_has_feature(const X86Cpu *c, X86Feature f);
/* all rows of all tables, for tests; maps of VEX rows are 4 higher; [0] is none */
const X86Row *x86_rows(unsigned *n);
/* mod 3 as bit 6, reg 5:3, rm 2:0 */
static inline unsigned x86_modrm_key(unsigned modrm)
{
    return ((modrm >= 0xc0) << 6) | (modrm & 0x3f);
}

/* Numbers of the vector operations. */
enum {
#define SIMD(name, ...) XV_##name,
#define SIMDH(name, ...)
#include "cpu/x86/simd.def"
#undef SIMD
#undef SIMDH
#define X87V(name, ...) XV_##name,
#include "cpu/x86/x87.def"
#undef X87V
    XV_N
};
/* Rows of vex.def. */
enum { W_ANY, W_0, W_1 };
enum { VX_MASK4 = 0x100, VX_MASK8 = 0x200, VX_GATHER = 0x400 };         /* beside V_FLAGS */
enum {
#define VEX(name, ...) VX_##name,
#include "cpu/x86/vex.def"
#undef VEX
    VX_N
};
typedef struct X86VexRow {
    uint8_t  ops[3];                                    /* X86Operand: dst, s1, s2 */
    uint8_t  bytes[2], feature[2];                      /* by VEX.L */
    uint8_t  imm, aligned, reg_only, wide;              /* wide: VEX.W is 1 */
    uint16_t props;
} X86VexRow;
extern const X86VexRow x86_vex_rows[];                  /* VX_N of them, simd.c */
enum { XV_VZEROUPPER = XV_N + VX_N, XV_N_ALL };         /* vops: XV_*, XV_N + VX_*, and this */
extern const IrVecDesc x86_vecs[];                      /* XV_N_ALL of them, simd.c */
#endif
