/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fxsave.c -- FXSAVE, FXRSTOR and the XSAVE family: images against the host's, round trips, and
 * what must fault.
 *
 * usage: fxsave [rounds [seed]]     prints "ok NAME" or "not ok NAME: why"; ends with 1 if any differs.
 *
 * FIP, FDP and FOP are not compared (models differ).
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 10.5 and 13.
 * Omits: on hosts other than x86-64 the comparison with the host.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/x87.h"
#include "fphost.h"

enum { AREA = 4096, XS_OPT = 0x10, XS_C = 0x20 };
static X86Cpu *cpu;
static uint8_t image[112], host[AREA] __attribute__((aligned(64))),
    ours[AREA] __attribute__((aligned(64)));
static unsigned bad;

static void report(const char *name, bool ok)
{
    printf("%s fxsave %s\n", ok ? "ok" : "not ok", name);
    bad += !ok;
}

static void random_state_into(void)
{
    for (unsigned i = 0; i < sizeof image; i += 8)
        memcpy(image + i, &(uint64_t){ random64() }, 8);
    uint16_t cw = 0x37f, sw = (uint16_t)(random64() & 0x7f7f);
    memcpy(image, &cw, 2);
    memcpy(image + 4, &sw, 2);
    memset(image + 12, 0, 16);
    x86_h_x87(cpu, 0xdd27, (uintptr_t)image, S_DS | 4 << 8);
    for (unsigned i = 0; i < 16; i++) {
        cpu->vec[i].u64[0] = random64();
        cpu->vec[i].u64[1] = random64();
    }
    cpu->mxcsr = 0x1f80 | (random64() & 0x603f);
}

/* The last vector that fn raised with these arguments, or -1. */
static int raised(IrHelper fn, uint64_t a, uint64_t c)
{
    int v = setjmp(guest_raised);
    if (v)
        return v - 1;
    fn(cpu, a, S_DS, c);
    return -1;
}

static void forget(void)
{
    x86_fpu_init(cpu);
    memset(cpu->fpr, 0, sizeof cpu->fpr);
    memset(cpu->vec, 0, sizeof cpu->vec);
    cpu->mxcsr = 0x1f80;
}

static bool same_state(const X86Cpu *a, const X86Cpu *b)
{
    bool same = a->fpu_cw == b->fpu_cw && a->fpu_sw == b->fpu_sw && a->fpu_top == b->fpu_top &&
                a->fpu_valid == b->fpu_valid && a->mxcsr == b->mxcsr &&
                !memcmp(a->fpr, b->fpr, sizeof a->fpr);
    for (unsigned i = 0; i < 16; i++)
        same &= a->vec[i].u64[0] == b->vec[i].u64[0] && a->vec[i].u64[1] == b->vec[i].u64[1];
    return same;
}

#if defined(__x86_64__)
enum { DO_FXSAVE, DO_XSAVE, DO_XSAVEC, DO_N };
static void host_save(unsigned what)
{
    uint32_t saved_csr, csr = cpu->mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(saved_csr));
#define SAVE(insn) \
    __asm__ volatile("frstor %[image]\n\tldmxcsr %[csr]\n\tmovups %[x0], %%xmm0\n\tmovups %[x15], %%xmm15\n\t" insn " %[m]\n\t" \
                     "ldmxcsr %[saved]\n\tfninit" \
                     : [m] "+m"(host) : [image] "m"(image), [csr] "m"(csr), [saved] "m"(saved_csr), [x0] "m"(cpu->vec[0]), \
                       [x15] "m"(cpu->vec[15]), "a"(3), "d"(0) : "xmm0", "xmm15", "st")
    switch (what) {
    case DO_FXSAVE: SAVE("fxsave64"); break;
    case DO_XSAVE: SAVE("xsave64"); break;
    default: SAVE("xsavec64"); break;
    }
}

static void clear_pointers(uint8_t *m)
{
    memset(m + 5, 0, 3);                                /* reserved, FOP */
    memset(m + 8, 0, 16);
    m[30] &= (uint8_t)~2;                               /* MXCSR_MASK: AMD has misaligned SSE */
    for (unsigned i = 0; i < 8; i++)
        memset(m + 32 + 16 * i + 10, 0, 6);
}

static bool same_image(unsigned what)
{
    memset(host, 0, sizeof host);
    memset(ours, 0, sizeof ours);
    host_save(what);
    if (what == DO_FXSAVE)
        x86_h_fxsave(cpu, (uintptr_t)ours, S_DS, 1);
    else
        x86_h_xsave(cpu, (uintptr_t)ours, S_DS, 1 | (what == DO_XSAVEC ? XS_C : 0));
    clear_pointers(host);
    clear_pointers(ours);
    return !memcmp(host, ours, 160) && !memcmp(host + 160, ours + 160, 16) &&
           !memcmp(host + 400, ours + 400, 16) && !memcmp(host + 512, ours + 512, 64);
}
#endif

static bool round_trip(void)
{
    static X86Cpu before;
    bool ok = true;
    for (unsigned how = 0; how < 4; how++) {
        random_state_into();
        before = *cpu;
        if (how == 0)
            x86_h_fxsave(cpu, (uintptr_t)ours, S_DS, 1);
        else {
            memset(ours + 512, 0, 64);
            x86_h_xsave(cpu, (uintptr_t)ours, S_DS, 1 | (how == 2 ? XS_OPT : how == 3 ? XS_C : 0));
        }
        forget();
        if (how == 0)
            x86_h_fxrstor(cpu, (uintptr_t)ours, S_DS, 1);
        else
            x86_h_xrstor(cpu, (uintptr_t)ours, S_DS, 1);
        ok &= same_state(&before, cpu);
    }
    return ok;
}

/* Components that XSTATE_BV leaves out are initialised, those not asked for stay. */
static bool init_and_skip(void)
{
    random_state_into();
    uint64_t x = cpu->vec[3].u64[0];
    memset(ours, 0, sizeof ours);
    uint32_t mxcsr = 0x1f80;
    memcpy(ours + 24, &mxcsr, 4);
    cpu->dbt.gpr[R_RAX] = 1;
    x86_h_xrstor(cpu, (uintptr_t)ours, S_DS, 1);
    bool ok = cpu->fpu_cw == 0x37f && cpu->fpu_valid == 0 && cpu->fpr[3].mant == 0 &&
              cpu->vec[3].u64[0] == x;
    cpu->dbt.gpr[R_RAX] = 3;
    x86_h_xrstor(cpu, (uintptr_t)ours, S_DS, 1);
    return ok && cpu->vec[3].u64[0] == 0 && cpu->mxcsr == 0x1f80;
}

/*
 * AVX-512: where the parts lie in both forms, what XSTATE_BV says, what comes back, in 64-bit and
 * other code.
 */
static bool wide_image(bool compact, bool code64, uint64_t want)
{
    static const struct { uint8_t comp; uint16_t offset, bytes, each; } parts[] = {
        { 2, 576, 256, 16 }, { 5, 1088, 64, 8 }, { 6, 1152, 512, 32 }, { 7, 1664, 1024, 64 },
    };
    unsigned packed = 576, regs = code64 ? 16 : 8;
    uint64_t bv, xcomp;
    X86Vec before[32];
    uint64_t k[8];
    bool ok = true;
    cpu->seg[S_CS].attr = code64 ? ATTR_L : ATTR_DB;
    for (unsigned i = 0; i < sizeof cpu->vec / 8; i++)
        cpu->vec[i / 8].u64[i % 8] = random64();
    for (unsigned i = 0; i < 8; i++)
        cpu->opmask[i] = random64();
    memcpy(before, cpu->vec, sizeof before);
    memcpy(k, cpu->opmask, sizeof k);
    memset(ours, 0, sizeof ours);
    cpu->dbt.gpr[R_RAX] = want;
    x86_h_xsave(cpu, (uintptr_t)ours, S_DS, compact ? XS_C : 0);
    memcpy(&bv, ours + 512, 8);
    memcpy(&xcomp, ours + 520, 8);
    ok &= (bv & 0xe6) == (want & 0xe6) && xcomp == (compact ? want | UINT64_C(1) << 63 : 0);
    for (unsigned p = 0; p < 4; p++) {
        unsigned at = compact ? packed : parts[p].offset, n = parts[p].comp == 7 ? (code64 ? 16 : 0)
                                                              : parts[p].comp == 5 ? 8
                                                                                   : regs;
        if (!(want >> parts[p].comp & 1))
            continue;
        for (unsigned i = 0; i < n; i++) {
            const uint8_t *reg = parts[p].comp == 2   ? &before[i].u8[16]
                                 : parts[p].comp == 5 ? (uint8_t *)&k[i]
                                 : parts[p].comp == 6 ? &before[i].u8[32]
                                                      : before[16 + i].u8;
            ok &= !memcmp(ours + at + i * parts[p].each, reg, parts[p].each);
        }
        packed += parts[p].bytes;
    }
    memset(cpu->vec, 0x5a, sizeof cpu->vec);
    memset(cpu->opmask, 0x5a, sizeof cpu->opmask);
    x86_h_xrstor(cpu, (uintptr_t)ours, S_DS, 0);
    for (unsigned i = 0; i < 32; i++) {
        bool there = i < regs, high = i >= 16 && code64;
        const uint8_t *v = before[i].u8;
        uint8_t old[64];
        memset(old, 0x5a, sizeof old);
        ok &=
            !memcmp(&cpu->vec[i], (i < 16 ? there && want & 2 : high && want & 0x80) ? v : old, 16);
        ok &= !memcmp(&cpu->vec[i].u8[16],
                      (i < 16 ? there && want & 4 : high && want & 0x80) ? v + 16 : old, 16);
        ok &= !memcmp(&cpu->vec[i].u8[32],
                      (i < 16 ? there && want & 0x40 : high && want & 0x80) ? v + 32 : old, 32);
    }
    ok &= (want & 0x20) ? !memcmp(cpu->opmask, k, sizeof k)
                        : cpu->opmask[3] == UINT64_C(0x5a5a5a5a5a5a5a5a);
    cpu->seg[S_CS].attr = ATTR_L;
    return ok;
}

static void wide(unsigned rounds)
{
    bool ok = true;
    forget();
    cpu->xcr0 = 0xe7;
    cpu->dbt.gpr[R_RDX] = 0;
    for (unsigned i = 0; i < rounds; i++)
        ok &= wide_image(random64() & 1, random64() & 3, random64() & 0xe7);
    report("AVX-512 components", ok);
    memset(cpu->vec, 0, sizeof cpu->vec);
    memset(cpu->opmask, 0, sizeof cpu->opmask);
    cpu->opmask[1] = 1;
    cpu->dbt.gpr[R_RAX] = 0xe7;
    memset(ours, 0, sizeof ours);
    x86_h_xsave(cpu, (uintptr_t)ours, S_DS, XS_OPT);
    report("AVX-512 components in use",
           (ours[512] & 0xe6) == 0x20 && x86_xsave_bytes(0xe7, false) == 2688 &&
               x86_xsave_bytes(0xe7, true) == 576 + 256 + 64 + 512 + 1024 &&
               x86_xsave_bytes(3, false) == 576);
    cpu->xcr0 = 3;
    cpu->dbt.gpr[R_RAX] = 3;
    cpu->opmask[1] = 0;
}

static void faults(void)
{
    uint64_t at = (uintptr_t)ours;
    forget();
    memset(ours, 0, sizeof ours);
    report("alignment", raised(x86_h_fxsave, at + 8, 0) == EXC_GP &&
                            raised(x86_h_fxrstor, at + 8, 0) == EXC_GP &&
                            raised(x86_h_xsave, at + 16, 0) == EXC_GP &&
                            raised(x86_h_xrstor, at + 32, 0) == EXC_GP);
    ours[26] = 1;
    report("reserved MXCSR bits", raised(x86_h_fxrstor, at, 0) == EXC_GP &&
                                      raised(x86_h_xrstor, at, 0) == EXC_GP &&
                                      raised(x86_h_ldmxcsr, 0x10000, 0) == EXC_GP &&
                                      raised(x86_h_ldmxcsr, 0xffff, 0) == -1);
    ours[26] = 0;
    ours[512] = 8;
    bool bv = raised(x86_h_xrstor, at, 0) == EXC_GP;
    ours[512] = 0, ours[520] = 1;
    bool comp = raised(x86_h_xrstor, at, 0) == EXC_GP;
    ours[520] = 0, ours[528] = 1;
    bool reserved = raised(x86_h_xrstor, at, 0) == EXC_GP;
    /* the standard form looks at bytes 8..23 of the header only */
    ours[528] = 0, ours[536] = 1;
    bool fine = raised(x86_h_xrstor, at, 0) == -1;
    ours[527] = 0x80;
    bool compact = raised(x86_h_xrstor, at, 0) == EXC_GP;
    ours[536] = 0, ours[512] = 2;
    bool not_in = raised(x86_h_xrstor, at, 0) == EXC_GP;
    report("header", bv && comp && reserved && fine && compact && not_in);
    cpu->cr0 |= CR0_TS;
    bool nm = raised(x86_h_fxsave, at, 0) == EXC_NM && raised(x86_h_xsave, at, 0) == EXC_NM &&
              raised(x86_h_fwait, 0, 0) == -1;
    cpu->cr0 |= CR0_MP;
    nm &= raised(x86_h_fwait, 0, 0) == EXC_NM;
    cpu->cr0 &= ~(uint64_t)(CR0_TS | CR0_MP);
    cpu->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    report("not available",
           nm && raised(x86_h_xsave, at, 0) == EXC_UD && raised(x86_h_xrstor, at, 0) == EXC_UD);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 200;
    bool images = true, trips = true;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    cpu = guest_new();
    cpu->cr4 |= CR4_OSXSAVE;
    cpu->xcr0 = 3;
    cpu->dbt.gpr[R_RAX] = 3;
    for (unsigned i = 0; i < rounds; i++) {
#if defined(__x86_64__)
        for (unsigned what = 0; what < (__builtin_cpu_supports("avx") ? DO_N : DO_XSAVE); what++) {
            random_state_into();
            images &= same_image(what);
        }
#endif
        trips &= round_trip();
    }
    report("images", images);
    report("round trips", trips);
    report("initial and skipped components", init_and_skip());
    wide(rounds);
    faults();
    return bad != 0;
}
