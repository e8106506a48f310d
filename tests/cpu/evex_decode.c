/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_decode.c -- EVEX decoding against libcapstone: every map, opcode, prefix, W, length, form and digit.
 *
 * Where both take an encoding, names, lengths and displacements must agree; what only one of them takes must be in a table
 * here that says why.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7.
 * Omits: operands; 32-bit code.
 * Threads: one.
 */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/evex.h"

static unsigned both, ours_only, theirs_only, bad, reached[EX_N];

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* Instructions that libcapstone knows and no model here has: AVX512ER, PF, 4VNNIW. */
static bool is_unmodelled(const char *name)
{
    return starts(name, "vexp2") || starts(name, "vrcp28") || starts(name, "vrsqrt28") || strstr(name, "pf0") || strstr(name, "pf1");
}

/* Ours without what tells rows of one mnemonic apart; comparisons have their predicate in the mnemonic there. */
static bool same_name(const char *ours, const char *theirs)
{
    static const char *const other[][2] = { { "vmovd_w", "vmovq" }, { "vmovd_s_w", "vmovq" }, { "vpextrd_w", "vpextrq" }, { "vpinsrd_w", "vpinsrq" } };
    char cut[40];
    for (unsigned k = 0; k < G_N_ELEMENTS(other); k++) {
        if (!strcmp(ours, other[k][0]))
            return !strcmp(theirs, other[k][1]);
    }
    g_strlcpy(cut, ours, sizeof cut);
    if (strchr(cut, '_'))
        *strchr(cut, '_') = 0;
    if (starts(cut, "vcmp"))
        return starts(theirs, "vcmp") && !strcmp(theirs + strlen(theirs) - 2, cut + 4);
    if (starts(cut, "vpcmp"))
        return starts(theirs, "vpcmp");
    return !strcmp(cut, theirs);
}

static void complain(const uint8_t *p, const char *what, const X86Insn *i, const cs_insn *c)
{
    printf("evex_decode:");
    for (unsigned k = 0; k < 10; k++)
        printf(" %02x", p[k]);
    printf(" %s: here %s (%u), libcapstone %s %s (%u)\n", what, i->row ? i->row->name : "-", i->length, c ? c->mnemonic : "-", c ? c->op_str : "",
           c ? c->size : 0);
    bad++;
}

/* The displacement in an operand [rsp + rbp + n]. */
static int displacement(const char *operands)
{
    const char *p = strstr(operands, "rbp + ");
    return p ? (int)strtol(p + 6, NULL, 0) : 0;
}

/* What libcapstone 4 reads wrongly: W1 with L 1 as if both were 0, VMOVLPD of 512 bits as VMOVDDUP, and a factor of disp8. */
static bool is_misread(const uint8_t *p)
{
    return ((p[2] & 0x80) && (p[3] >> 5 & 3) == 1) || (p[4] == 0x12 && (p[3] >> 5 & 3) == 2);
}
static bool is_misscaled(const uint8_t *p)
{
    bool variable_shift = (p[1] & 7) == 2 && p[4] >= 0x45 && p[4] <= 0x47;
    return p[4] == 0xc2 || variable_shift || ((p[2] & 0x80) && (p[3] & 0x10));      /* C2: VCMPSS; b: quadwords that are broadcast */
}

/* libcapstone takes b nearly everywhere, and either W where the manual has one. */
static bool is_lenient(const uint8_t *p)
{
    X86Insn i;
    uint8_t q[32];
    memcpy(q, p, sizeof q);
    q[2] ^= 0x80;
    return (p[3] & 0x10) || (x86_decode(&i, q, 32, X86_MODE_CODE64 | X86_MODE_PE) == DEC_OK && x86_evex_is_valid(&i, true));
}

static void one(csh cs, const uint8_t *p)
{
    X86Insn i;
    cs_insn *c = NULL;
    bool here = x86_decode(&i, p, 32, X86_MODE_CODE64 | X86_MODE_PE) == DEC_OK && x86_evex_is_valid(&i, true);
    size_t n = cs_disasm(cs, p, 15, 0x1000, 1, &c);
    if (here)
        reached[i.row->sub]++;
    if (is_misread(p)) {
        /* nothing to compare with */
    } else if (here && n) {
        both++;
        if (c->size != i.length && !(i.mod == 3 && (p[3] & 0x10)))      /* it counts one too many with a rounding */
            complain(p, "length", &i, c);
        else if (!same_name(i.row->name, c->mnemonic))
            complain(p, "name", &i, c);
        else if (i.mod != 3 && !(x86_evex_rows[i.row->sub].flags & E_VSIB) && !is_misscaled(p) && displacement(c->op_str) != i.disp)
            complain(p, "displacement", &i, c);
    } else if (here) {
        ours_only++;
    } else if (n) {
        theirs_only++;
        if (!is_unmodelled(c->mnemonic) && !is_lenient(p))
            complain(p, "refused here", &i, c);
    }
    if (n)
        cs_free(c, n);
}

int main(void)
{
    csh cs;
    unsigned unreached = 0;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
        return 1;
    for (unsigned k = 0; k < 3 * 256 * 4 * 2 * 3 * 2 * 2 && bad < 40; k++) {
        unsigned mem = k & 1, b = k >> 1 & 1, w = k >> 2 & 1, pp = k >> 3 & 3, op = k >> 5 & 255, rest = k >> 13, l = rest % 3, map = 1 + rest / 3;
        bool group = map == 1 && op >= 0x71 && op <= 0x73;
        for (unsigned digit = group ? 0 : 1; digit < (group ? 8u : 2u); digit++) {
            uint8_t p[32] = { 0x62, (uint8_t)(0xf0 | map), (uint8_t)(w << 7 | 0x7c | pp), (uint8_t)(l << 5 | b << 4 | 8), (uint8_t)op,
                              (uint8_t)((mem ? 0x44 : 0xc2) | digit << 3), (uint8_t)(mem ? 0x2c : 0), 1 };
            one(cs, p);
            p[3] |= 1;                                  /* with a mask */
            one(cs, p);
        }
    }
    cs_close(&cs);
    for (unsigned k = 0; k < EX_N; k++)
        unreached += !reached[k];
    printf("evex_decode: %u encodings agree, %u only here, %u only there, %u rows unreached, %u differ\n", both, ours_only, theirs_only, unreached, bad);
    return bad || unreached;
}
