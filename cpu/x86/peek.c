/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peek.c -- what the front end answers without translating: features by name, flags that a
 * successor overwrites.
 *
 * Spec: Intel SDM (325383) vol. 2, CPUID; AMD APM vol. 3 (24594) appendix D.
 * Threads: pure functions.
 */
#include "cpu/x86/translate.h"

enum { LOOK_AHEAD = 16 };               /* instructions of vectors, or half as many of others */

bool x86_has_feature(const X86Cpu *c, X86Feature f)
{
    static const struct { uint8_t word, bit; } where[F_N] = {
        [F_TSC] = { FEAT_1_EDX, 4 }, [F_MSR] = { FEAT_1_EDX, 5 }, [F_CMPXCHG8B] = { FEAT_1_EDX, 8 },
        [F_SYSENTER] = { FEAT_1_EDX, 11 }, [F_CMOV] = { FEAT_1_EDX, 15 },
        [F_CLFLUSH] = { FEAT_1_EDX, 19 }, [F_MMX] = { FEAT_1_EDX, 23 },
        [F_FXSR] = { FEAT_1_EDX, 24 }, [F_SSE] = { FEAT_1_EDX, 25 }, [F_SSE2] = { FEAT_1_EDX, 26 },
        [F_SSE3] = { FEAT_1_ECX, 0 }, [F_PCLMUL] = { FEAT_1_ECX, 1 },
        [F_MONITOR] = { FEAT_1_ECX, 3 }, [F_SSSE3] = { FEAT_1_ECX, 9 },
        [F_CX16] = { FEAT_1_ECX, 13 }, [F_SSE41] = { FEAT_1_ECX, 19 },
        [F_SSE42] = { FEAT_1_ECX, 20 }, [F_MOVBE] = { FEAT_1_ECX, 22 },
        [F_POPCNT] = { FEAT_1_ECX, 23 }, [F_AES] = { FEAT_1_ECX, 25 },
        [F_XSAVE] = { FEAT_1_ECX, 26 }, [F_AVX] = { FEAT_1_ECX, 28 },
        [F_RDRAND] = { FEAT_1_ECX, 30 }, [F_FSGSBASE] = { FEAT_7_EBX, 0 },
        [F_BMI1] = { FEAT_7_EBX, 3 }, [F_BMI2] = { FEAT_7_EBX, 8 },
        [F_INVPCID] = { FEAT_7_EBX, 10 }, [F_RDSEED] = { FEAT_7_EBX, 18 },
        [F_ADX] = { FEAT_7_EBX, 19 }, [F_SMAP] = { FEAT_7_EBX, 20 },
        [F_CLFLUSHOPT] = { FEAT_7_EBX, 23 }, [F_CLWB] = { FEAT_7_EBX, 24 },
        [F_SHA] = { FEAT_7_EBX, 29 }, [F_PKU] = { FEAT_7_ECX, 3 }, [F_GFNI] = { FEAT_7_ECX, 8 },
        [F_RDPID] = { FEAT_7_ECX, 22 }, [F_WAITPKG] = { FEAT_7_ECX, 5 },
        [F_MOVDIRI] = { FEAT_7_ECX, 27 }, [F_MOVDIR64B] = { FEAT_7_ECX, 28 },
        [F_SERIALIZE] = { FEAT_7_EDX, 14 }, [F_CLZERO] = { FEAT_88_EBX, 0 },
        [F_SYSCALL] = { FEAT_81_EDX, 11 }, [F_RDTSCP] = { FEAT_81_EDX, 27 },
        [F_3DNOWEXT] = { FEAT_81_EDX, 30 }, [F_3DNOW] = { FEAT_81_EDX, 31 },
        [F_MMXEXT] = { FEAT_81_EDX, 22 }, [F_LAHF] = { FEAT_81_ECX, 0 },
        [F_LZCNT] = { FEAT_81_ECX, 5 }, [F_SSE4A] = { FEAT_81_ECX, 6 },
        [F_PREFETCHW] = { FEAT_81_ECX, 8 }, [F_SVM] = { FEAT_81_ECX, 2 },
        [F_XSAVEOPT] = { FEAT_D1_EAX, 0 }, [F_XSAVEC] = { FEAT_D1_EAX, 1 },
        [F_XSAVES] = { FEAT_D1_EAX, 3 }, [F_FMA] = { FEAT_1_ECX, 12 },
        [F_F16C] = { FEAT_1_ECX, 29 }, [F_AVX2] = { FEAT_7_EBX, 5 }, [F_VAES] = { FEAT_7_ECX, 9 },
        [F_VPCLMUL] = { FEAT_7_ECX, 10 }, [F_AVX512F] = { FEAT_7_EBX, 16 },
        [F_AVX512DQ] = { FEAT_7_EBX, 17 }, [F_AVX512IFMA] = { FEAT_7_EBX, 21 },
        [F_AVX512CD] = { FEAT_7_EBX, 28 }, [F_AVX512BW] = { FEAT_7_EBX, 30 },
        [F_AVX512VL] = { FEAT_7_EBX, 31 }, [F_AVX512VBMI] = { FEAT_7_ECX, 1 },
        [F_AVX512VBMI2] = { FEAT_7_ECX, 6 }, [F_AVX512VNNI] = { FEAT_7_ECX, 11 },
        [F_AVX512BITALG] = { FEAT_7_ECX, 12 }, [F_AVX512VPOPCNT] = { FEAT_7_ECX, 14 },
    };
    return f == F_NONE || (f == F_MMXEXT && x86_has_feature(c, F_SSE)) ||
           (c->feat[where[f].word] >> where[f].bit & 1);
}

/* Does the instruction work on registers alone, so that it can neither fault nor leave? */
static bool is_register_only(const X86Insn *i)
{
    return (i->row->props & PURE) && (!i->row->has_modrm || i->mod == 3 ||
                                      i->row->tr == x86_tr_LEA || i->row->tr == x86_tr_NOP);
}

/* It writes its first operand and no flags, whether another is memory or not. */
static bool is_plain_move(const X86Insn *i)
{
    X86TrFn *tr = i->row->tr;
    return tr == x86_tr_MOV || tr == x86_tr_MOVZX || tr == x86_tr_MOVSX || tr == x86_tr_MOVSXD ||
           tr == x86_tr_MOVBE || tr == x86_tr_SHLX || tr == x86_tr_SHRX || tr == x86_tr_SARX ||
           tr == x86_tr_RORX;
}

/*
 * A load, store, push or pop, or an operation on memory that writes all flags: it leaves, if it
 * does, before it writes anything.
 */
static bool is_plain_access(const X86Insn *i)
{
    X86TrFn *tr = i->row->tr;
    if (i->lock)
        return false;
    return is_plain_move(i) || tr == x86_tr_PUSH ||
           (tr == x86_tr_POP && (!i->row->has_modrm || i->mod == 3)) ||
           ((i->row->props & PURE) && (i->row->props & WFLAGS));
}

/* A register operation that writes its first operand and no flags. */
static bool is_plain_register(const X86Insn *i)
{
    return is_plain_move(i) || i->row->tr == x86_tr_LEA || i->row->tr == x86_tr_NOP;
}

/* The general registers that a plain one writes; ah to bh count as both readings. */
static unsigned written(const X86Insn *i)
{
    unsigned r;
    if (i->row->tr == x86_tr_NOP)       /* 90H with REX.B exchanges */
        return !i->map && i->opcode == 0x90 && (i->rex & 1) ? 1u << R_RAX | 1u << 8 : 0;
    switch (i->row->ops[0]) {
    case OPD_Gb: case OPD_Gw: case OPD_Gd: case OPD_Gv: case OPD_Gy: case OPD_G:
        r = i->reg;
        break;
    case OPD_Zb: case OPD_Zv:
        r = (i->opcode & 7u) | (i->rex & 1u) << 3;
        break;
    case OPD_AL: case OPD_rAX: case OPD_eAX:
        r = R_RAX;
        break;
    default:
        r = i->mod == 3 ? i->rm : 0;
    }
    if (i->row->tr == x86_tr_PUSH)
        return 1u << R_RSP;
    return 1u << r | 1u << (r & 3) | (i->row->tr == x86_tr_POP ? 1u << R_RSP : 0);
}

/*
 * One operation on vectors, as IR, that can raise nothing but for its operand in memory; *props:
 * V_FLAGS and the like.
 */
static bool is_vector(const X86Cpu *c, uint64_t mode, const X86Insn *i, unsigned *props)
{
    const X86Row *row = i->row;
    if (i->lock || !(row->props & (ISVOP | ISVEX)) || !row->tr)
        return false;
    if (row->tr == x86_tr_vex) {
        const X86VexRow *v = &x86_vex_rows[row->sub];
        *props = v->props & V_FLAGS;
        return (mode & X86_MODE_AVX) && !(mode & X86_MODE_XMEXC) &&
               !(v->props & (VX_MASK4 | VX_MASK8 | VX_GATHER)) && v->feature[i->vl] != F_N &&
               x86_has_feature(c, F_AVX) && x86_has_feature(c, v->feature[i->vl]);
    }
    *props = x86_vecs[row->sub].props;
    return (row->props & ISVOP) && (mode & X86_MODE_SSE) && !(*props & V_MMX) &&
           !((*props & V_FP) && (mode & X86_MODE_XMEXC));
}

/* General registers that an operation on vectors writes. */
static unsigned vector_written(const X86Insn *i, unsigned props)
{
    unsigned dst = i->row->tr == x86_tr_vex ? x86_vex_rows[i->row->sub].ops[0] : i->row->ops[0];
    unsigned w = props & V_GPR1 ? 1u << R_RCX : 0;
    return w | (dst == OPD_G ? 1u << i->reg : dst == OPD_E && i->mod == 3 ? 1u << i->rm : 0);
}

/* A shift by a constant that is not zero. */
static bool is_shift(const X86Insn *i)
{
    X86TrFn *tr = i->row->tr;
    return (tr == x86_tr_SHL || tr == x86_tr_SHR || tr == x86_tr_SAR) && i->row->ops[1] != OPD_CL &&
           (i->row->ops[1] == OPD_ONE || (i->imm & 31));
}

/* A direct jump whose target is known, and whose block cannot fault by being entered. */
static bool is_jump(const X86Insn *i, uint64_t mode)
{
    return i->row->tr == x86_tr_JMP && (i->row->ops[0] == OPD_Jb || i->row->ops[0] == OPD_Jz) &&
           i->osize != 2 && (mode & X86_MODE_FLAT_CS);
}

/*
 * What an instruction that begins so is, in 64-bit code, needs no decoding: a jump if a condition
 * holds, a return, a call, of which the former read flags and nothing is known behind the others.
 */
static bool is_no_plain(const uint8_t *code, uint64_t mode)
{
    return (mode & X86_MODE_CODE64) &&
           ((code[0] & 0xf0) == 0x70 || code[0] == 0xc3 || code[0] == 0xe8);
}

DbtFlagsFate x86_flags_fate(DbtCpu *cpu, uint64_t mode, DbtPeek *p)
{
    const X86Cpu *c = (X86Cpu *)cpu;
    unsigned lo = p->at, hi = p->at, wrote = 0, left = LOOK_AHEAD;
    int64_t at = p->at;
    bool partly = false;                /* some flag may have changed */
    /* the limit is checked where a block is entered */
    DbtFlagsFate fate = mode & X86_MODE_FLAT_CS ? FATE_DEAD : FATE_FAULT;
    p->regs = 0;
    while (left && at >= p->lo && at < p->hi) {
        X86Insn i;
        unsigned props = 0;
        /* What is there to be read is the page; what may be looked at ends at hi. */
        if (is_no_plain(p->page + at, mode) ||
            x86_decode(&i, p->page + at, DBT_PAGE - (unsigned)at, mode) != DEC_OK ||
            at + i.length > p->hi || !x86_has_feature(c, i.row->feature))
            return FATE_WANTED;
        lo = MIN(lo, (unsigned)at);
        at += i.length;
        hi = MAX(hi, (unsigned)at);
        if (is_plain_move(&i) && !i.lock) {     /* nearly half of all: the same as below */
            if (!is_register_only(&i)) {
                if (partly)
                    return FATE_WANTED;
                fate = FATE_FAULT;
                p->regs = (uint16_t)wrote;
            }
            wrote |= written(&i);
            left -= 2;
            continue;
        }
        bool vector = is_vector(c, mode, &i, &props), jump = is_jump(&i, mode),
             shift = is_shift(&i);
        bool pure = jump || (vector ? i.mod == 3 : is_register_only(&i));
        if ((i.row->props & RFLAGS) && !shift)
            return FATE_WANTED;
        if (!pure) {
            if (partly || !(vector || (shift && !i.lock) || is_plain_access(&i)))
                return FATE_WANTED;
            fate = FATE_FAULT;
            p->regs = (uint16_t)wrote;
        }
        if ((i.row->props & WFLAGS) || (props & V_FLAGS) || shift) {
            p->lo = lo;
            p->hi = hi;
            return fate;
        }
        if (jump) {
            at += (int64_t)i.imm;
        } else {
            partly |= pure && !vector && !is_plain_register(&i);
            wrote |= vector ? vector_written(&i, props) : written(&i);
        }
        left -= vector ? 1 : 2;         /* loops of vectors are longer */
    }
    return FATE_WANTED;
}
