/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * now3d.c -- 3DNow! and AMD's extensions against values worked out by hand from the manual, on both
 * engines.
 *
 * usage: now3d     prints "ok NAME" or "not ok NAME: why" a case; ends with 1 if any failed.
 *
 * Spec: AMD 21928, AMD 22466.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "fphost.h"

#define F(high, low) (UINT64_C(0x##high) << 32 | UINT64_C(0x##low))
static const struct {
    const char *name;
    uint8_t suffix;
    uint64_t d, s, want;
} cases[] = {
    /*
     * 1.0 = 3f800000, 2.0 = 40000000, 3.0 = 40400000, 0.5 = 3f000000, 6.0 = 40c00000, 1.5 =
     * 3fc00000
     */
    { "pfadd", 0x9e, F(3f800000, 40000000), F(40000000, 3f800000), F(40400000, 40400000) },
    { "pfadd of a denormal", 0x9e, F(00000001, 3f800000), F(40000000, 007fffff),
      F(40000000, 3f800000) },
    { "pfadd beyond the largest", 0x9e, F(7f7fffff, ff7fffff), F(7f7fffff, ff7fffff),
      F(7f7fffff, ff7fffff) },
    { "pfadd to the nearest", 0x9e, F(3f800000, 3f800000), F(33800000, 33800001),
      F(3f800000, 3f800001) },
    { "pfsub", 0x9a, F(40400000, 3f800000), F(3f800000, 40000000), F(40000000, bf800000) },
    { "pfsub to a tiny one", 0x9a, F(00800001, 3f800000), F(00800000, 3f800000),
      F(00000000, 00000000) },
    { "pfsubr", 0xaa, F(40400000, 3f800000), F(3f800000, 40000000), F(c0000000, 3f800000) },
    { "pfmul", 0xb4, F(40000000, bf000000), F(40400000, 40400000), F(40c00000, bfc00000) },
    { "pfacc", 0xae, F(3f800000, 40000000), F(40400000, 40400000), F(40c00000, 40400000) },
    { "pfnacc", 0x8a, F(3f800000, 40400000), F(40000000, 40400000), F(3f800000, 40000000) },
    { "pfpnacc", 0x8e, F(3f800000, 40400000), F(40400000, 40400000), F(40c00000, 40000000) },
    { "pfmax", 0xa4, F(3f800000, bf800000), F(40000000, c0000000), F(40000000, bf800000) },
    { "pfmax of zeroes", 0xa4, F(80000000, bf800000), F(80000000, 00000000),
      F(00000000, 00000000) },
    { "pfmin", 0x94, F(3f800000, bf800000), F(40000000, c0000000), F(3f800000, c0000000) },
    { "pfcmpeq", 0xb0, F(3f800000, 80000000), F(3f800001, 00000000), F(00000000, ffffffff) },
    { "pfcmpgt", 0xa0, F(40000000, 3f800000), F(3f800000, 3f800000), F(ffffffff, 00000000) },
    { "pfcmpge", 0x90, F(3f800000, bf800000), F(3f800000, 3f800000), F(ffffffff, 00000000) },
    { "pi2fd", 0x0d, 0, F(00000003, ffffffff), F(40400000, bf800000) },
    { "pi2fd truncates", 0x0d, 0, F(01ffffff, fe000001), F(4bffffff, cbffffff) },
    { "pi2fw", 0x0c, 0, F(12340003, 0001ffff), F(40400000, bf800000) },
    { "pf2id", 0x1d, 0, F(3fc00000, bfc00000), F(00000001, ffffffff) },
    { "pf2id saturates", 0x1d, 0, F(4f000000, cf800000), F(7fffffff, 80000000) },
    { "pf2iw", 0x1c, 0, F(3fc00000, bfc00000), F(00000001, ffffffff) },
    { "pf2iw saturates", 0x1c, 0, F(47800000, c7800000), F(00007fff, ffff8000) },
    { "pfrcp", 0x96, 0, F(3f800000, 40000000), F(3f000000, 3f000000) },
    { "pfrcp of zero", 0x96, 0, F(3f800000, 80000000), F(ff7fffff, ff7fffff) },
    { "pfrsqrt", 0x97, 0, F(3f800000, 40800000), F(3f000000, 3f000000) },
    { "pfrsqrt keeps the sign", 0x97, 0, F(3f800000, c0800000), F(bf000000, bf000000) },
    { "pfrcpit1", 0xa6, F(40000000, 40000000), F(3f000000, 3f000000), F(3f800000, 3f800000) },
    { "pfrsqit1", 0xa7, F(40800000, 40800000), F(3e800000, 3e800000), F(3f800000, 3f800000) },
    { "pfrcpit2", 0xb6, F(3f800000, 3f800000), F(3f000000, 40000000), F(3f000000, 40000000) },
    { "pavgusb", 0xbf, F(00ff0102, 10203040), F(01ff0203, 10213142), F(01ff0203, 10213141) },
    { "pmulhrw", 0xb7, F(40008000, 00017fff), F(00028000, 7fff7fff), F(00014000, 00003fff) },
    { "pswapd", 0xbb, 0, F(12345678, 9abcdef0), F(9abcdef0, 12345678) },
};

static X86Cpu *cpu;
static bool run(unsigned suffix, uint64_t d, uint64_t s, bool memory, bool native, uint64_t *result)
{
    uint64_t m = s;
    /* mm1, [rdi] or mm2 */
    uint8_t code[4] = { 0x0f, 0x0f, memory ? 0x0f : 0xca, (uint8_t)suffix };
    cpu->fpr[1].mant = d;
    cpu->fpr[2].mant = s;
    cpu->fpr[1].exp = 0;
    cpu->fpu_top = 3;
    cpu->fpu_valid = 0;
    cpu->dbt.gpr[R_RDI] = (uintptr_t)&m;
    if (setjmp(guest_raised))
        return false;
    guest_translated(cpu, code, 4, X86_MODE_FPU | X86_MODE_SSE, native);
    *result = cpu->fpr[1].mant;
    return cpu->fpr[1].exp == 0xffff && cpu->fpu_top == 0 && cpu->fpu_valid == 0xff;
}

int main(void)
{
    unsigned bad = 0;
    uint64_t r = 0;
    host_init();
    cpu = guest_new();
    for (unsigned k = 0; k < G_N_ELEMENTS(cases); k++) {
        bool ok = true;
        for (unsigned way = 0; way < 4 && ok; way++)
            ok = run(cases[k].suffix, cases[k].d, cases[k].s, way & 1, way & 2, &r) &&
                 r == cases[k].want;
        if (ok)
            printf("ok now3d %s\n", cases[k].name);
        else
            printf("not ok now3d %s: %016" PRIx64 ", not %016" PRIx64 "\n", cases[k].name, r,
                   cases[k].want);
        bad += !ok;
    }
    bool raises = !run(0x00, 0, 0, false, false, &r) && cpu->fpu_top == 3;
    printf("%s now3d: a suffix that is none is #UD\n", raises ? "ok" : "not ok");
    return bad || !raises;
}
