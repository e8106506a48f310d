/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fxsave.c -- FXSAVE, FXRSTOR and the XSAVE family: images against the host's, round trips, and what must fault.
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

enum { AREA = 1024, XS_OPT = 0x10, XS_C = 0x20 };
static X86Cpu *cpu;
static uint8_t image[112], host[AREA] __attribute__((aligned(64))), ours[AREA] __attribute__((aligned(64)));
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
    bool same = a->fpu_cw == b->fpu_cw && a->fpu_sw == b->fpu_sw && a->fpu_top == b->fpu_top && a->fpu_valid == b->fpu_valid &&
                a->mxcsr == b->mxcsr && !memcmp(a->fpr, b->fpr, sizeof a->fpr);
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
    return !memcmp(host, ours, 160) && !memcmp(host + 160, ours + 160, 16) && !memcmp(host + 400, ours + 400, 16) &&
           !memcmp(host + 512, ours + 512, 64);
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
    bool ok = cpu->fpu_cw == 0x37f && cpu->fpu_valid == 0 && cpu->fpr[3].mant == 0 && cpu->vec[3].u64[0] == x;
    cpu->dbt.gpr[R_RAX] = 3;
    x86_h_xrstor(cpu, (uintptr_t)ours, S_DS, 1);
    return ok && cpu->vec[3].u64[0] == 0 && cpu->mxcsr == 0x1f80;
}

static void faults(void)
{
    uint64_t at = (uintptr_t)ours;
    forget();
    memset(ours, 0, sizeof ours);
    report("alignment", raised(x86_h_fxsave, at + 8, 0) == EXC_GP && raised(x86_h_fxrstor, at + 8, 0) == EXC_GP &&
           raised(x86_h_xsave, at + 16, 0) == EXC_GP && raised(x86_h_xrstor, at + 32, 0) == EXC_GP);
    ours[26] = 1;
    report("reserved MXCSR bits", raised(x86_h_fxrstor, at, 0) == EXC_GP && raised(x86_h_xrstor, at, 0) == EXC_GP &&
           raised(x86_h_ldmxcsr, 0x10000, 0) == EXC_GP && raised(x86_h_ldmxcsr, 0xffff, 0) == -1);
    ours[26] = 0;
    ours[512] = 8;
    bool bv = raised(x86_h_xrstor, at, 0) == EXC_GP;
    ours[512] = 0, ours[520] = 1;
    bool comp = raised(x86_h_xrstor, at, 0) == EXC_GP;
    ours[520] = 0, ours[528] = 1;
    bool reserved = raised(x86_h_xrstor, at, 0) == EXC_GP;
    ours[528] = 0, ours[536] = 1;                       /* the standard form looks at bytes 8..23 of the header only */
    bool fine = raised(x86_h_xrstor, at, 0) == -1;
    ours[527] = 0x80;
    bool compact = raised(x86_h_xrstor, at, 0) == EXC_GP;
    ours[536] = 0, ours[512] = 2;
    bool not_in = raised(x86_h_xrstor, at, 0) == EXC_GP;
    report("header", bv && comp && reserved && fine && compact && not_in);
    cpu->cr0 |= CR0_TS;
    bool nm = raised(x86_h_fxsave, at, 0) == EXC_NM && raised(x86_h_xsave, at, 0) == EXC_NM && raised(x86_h_fwait, 0, 0) == -1;
    cpu->cr0 |= CR0_MP;
    nm &= raised(x86_h_fwait, 0, 0) == EXC_NM;
    cpu->cr0 &= ~(uint64_t)(CR0_TS | CR0_MP);
    cpu->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    report("not available", nm && raised(x86_h_xsave, at, 0) == EXC_UD && raised(x86_h_xrstor, at, 0) == EXC_UD);
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
    faults();
    return bad != 0;
}
