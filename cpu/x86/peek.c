/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peek.c -- what the front end answers without translating: features by name, flags that a successor overwrites, whether
 * a non-canonical address was the stack's.
 *
 * Spec: Intel SDM (325383) vol. 2, CPUID; AMD APM vol. 3 (24594) appendix D.
 * Threads: pure functions, but for x86_at_stack(): the vCPU's own.
 */
#include "cpu/x86/translate.h"

bool x86_has_feature(const X86Cpu *c, X86Feature f)
{
    static const struct { uint8_t word, bit; } where[F_N] = {
        [F_TSC] = { FEAT_1_EDX, 4 }, [F_MSR] = { FEAT_1_EDX, 5 }, [F_CMPXCHG8B] = { FEAT_1_EDX, 8 }, [F_SYSENTER] = { FEAT_1_EDX, 11 },
        [F_CMOV] = { FEAT_1_EDX, 15 }, [F_CLFLUSH] = { FEAT_1_EDX, 19 }, [F_MMX] = { FEAT_1_EDX, 23 }, [F_FXSR] = { FEAT_1_EDX, 24 },
        [F_SSE] = { FEAT_1_EDX, 25 }, [F_SSE2] = { FEAT_1_EDX, 26 },
        [F_SSE3] = { FEAT_1_ECX, 0 }, [F_PCLMUL] = { FEAT_1_ECX, 1 }, [F_MONITOR] = { FEAT_1_ECX, 3 }, [F_SSSE3] = { FEAT_1_ECX, 9 },
        [F_CX16] = { FEAT_1_ECX, 13 }, [F_SSE41] = { FEAT_1_ECX, 19 }, [F_SSE42] = { FEAT_1_ECX, 20 }, [F_MOVBE] = { FEAT_1_ECX, 22 },
        [F_POPCNT] = { FEAT_1_ECX, 23 }, [F_AES] = { FEAT_1_ECX, 25 }, [F_XSAVE] = { FEAT_1_ECX, 26 }, [F_AVX] = { FEAT_1_ECX, 28 },
        [F_RDRAND] = { FEAT_1_ECX, 30 },
        [F_FSGSBASE] = { FEAT_7_EBX, 0 }, [F_BMI1] = { FEAT_7_EBX, 3 }, [F_BMI2] = { FEAT_7_EBX, 8 }, [F_INVPCID] = { FEAT_7_EBX, 10 },
        [F_RDSEED] = { FEAT_7_EBX, 18 }, [F_ADX] = { FEAT_7_EBX, 19 }, [F_SMAP] = { FEAT_7_EBX, 20 }, [F_CLFLUSHOPT] = { FEAT_7_EBX, 23 },
        [F_CLWB] = { FEAT_7_EBX, 24 }, [F_SHA] = { FEAT_7_EBX, 29 },
        [F_PKU] = { FEAT_7_ECX, 3 }, [F_GFNI] = { FEAT_7_ECX, 8 }, [F_RDPID] = { FEAT_7_ECX, 22 },
        [F_SYSCALL] = { FEAT_81_EDX, 11 }, [F_RDTSCP] = { FEAT_81_EDX, 27 },
        [F_LAHF] = { FEAT_81_ECX, 0 }, [F_LZCNT] = { FEAT_81_ECX, 5 }, [F_SSE4A] = { FEAT_81_ECX, 6 }, [F_PREFETCHW] = { FEAT_81_ECX, 8 },
        [F_XSAVEOPT] = { FEAT_D1_EAX, 0 }, [F_XSAVEC] = { FEAT_D1_EAX, 1 }, [F_XSAVES] = { FEAT_D1_EAX, 3 },
        [F_FMA] = { FEAT_1_ECX, 12 }, [F_F16C] = { FEAT_1_ECX, 29 }, [F_AVX2] = { FEAT_7_EBX, 5 },
        [F_VAES] = { FEAT_7_ECX, 9 }, [F_VPCLMUL] = { FEAT_7_ECX, 10 },
    };
    return f == F_NONE || (c->feat[where[f].word] >> where[f].bit & 1);
}

/* Does the instruction work on registers alone, so that it can neither fault nor leave? */
static bool is_register_only(const X86Insn *i)
{
    return (i->row->props & PURE) && !i->row->feature && (!i->row->has_modrm || i->mod == 3 || i->row->tr == x86_tr_LEA ||
                                                          i->row->tr == x86_tr_NOP);
}

bool x86_flags_dead(uint64_t mode, const uint8_t *code, unsigned n)
{
    unsigned at = 0;
    for (unsigned k = 0; k < 6; k++) {
        X86Insn i;
        if (x86_decode(&i, code + at, n - at, mode) != DEC_OK || !is_register_only(&i) || (i.row->props & RFLAGS))
            return false;
        if (i.row->props & WFLAGS)
            return true;
        at += i.length;
    }
    return false;
}

/* PUSH to RET: what uses the stack without naming it. */
static bool is_stack_row(const X86Row *r)
{
    static const char *const names[] = { "PUSH", "POP", "CALL", "RET", "LEAVE", "ENTER", "INT", "IRET" };
    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        if (g_str_has_prefix(r->name, names[k]))
            return true;
    }
    return false;
}

bool x86_at_stack(X86Cpu *c)
{
    uint8_t code[32] = { 0 };
    uint64_t mode = c->dbt.ctx->key.mode;
    unsigned n = MIN(15u, DBT_PAGE - (unsigned)(c->dbt.pc & (DBT_PAGE - 1)));
    X86Insn i;
    dbt_load_bytes(&c->dbt, c->dbt.pc, code, n);
    if (x86_decode(&i, code, n, mode) == DEC_MORE) {
        dbt_load_bytes(&c->dbt, c->dbt.pc + n, code + n, 15 - n);
        x86_decode(&i, code, 15, mode);
    }
    if (!i.row)
        return false;
    uint64_t sp = c->dbt.gpr[i.row->tr == x86_tr_LEAVE ? R_RBP : R_RSP];
    return (i.row->has_modrm && i.mod != 3 && i.seg == S_SS) ||
           (is_stack_row(i.row) && (int64_t)(sp << 16) >> 16 != (int64_t)sp);
}
