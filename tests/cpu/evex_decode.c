/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_decode.c -- EVEX decoding against libzydis: all fields of the prefix at random, and every
 * map, opcode, prefix, W, length, form and digit in order.
 *
 * usage: evex_decode [seed [count]]; the same seed gives the same bytes.
 *
 * Both must take the same encodings; where they do, lengths, names, registers, opmask, zeroing,
 * broadcast, rounding and the scaled displacement must agree.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7.
 * Omits: what libzydis knows and no CPU model here has: AVX512ER, PF, 4VNNIW, 4FMAPS, BF16,
 *   VP2INTERSECT, FP16.
 * Threads: one.
 */
#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/evex.h"

typedef struct Run {
    ZydisDecoder z;
    const char *name;
    uint64_t mode;
    unsigned agree, refused, apart, bad;
} Run;
static unsigned reached[EX_N];

static uint64_t state;
static uint64_t random64(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool is_unmodelled(const ZydisDecodedInstruction *z)
{
    const char *set = ZydisISASetGetString(z->meta.isa_set);
    static const char *const sets[] = { "AVX512ER", "AVX512PF", "AVX512_4", "AVX512_BF16",
                                        "AVX512_VP2", "AVX512_FP16", "AVX512FP16", "KNC" };
    for (unsigned k = 0; k < G_N_ELEMENTS(sets); k++) {
        if (!strncmp(set, sets[k], strlen(sets[k])))
            return true;
    }
    return false;
}

/* Ours without what tells rows of one mnemonic apart. */
static bool same_name(const char *ours, const char *theirs)
{
    static const char *const other[][2] = { { "vmovd_w", "vmovq" }, { "vmovd_s_w", "vmovq" },
                                            { "vpextrd_w", "vpextrq" },
                                                { "vpinsrd_w", "vpinsrq" } };
    char cut[40];
    for (unsigned k = 0; k < G_N_ELEMENTS(other); k++) {
        if (!strcmp(ours, other[k][0]))
            return !strcmp(theirs, other[k][1]);
    }
    g_strlcpy(cut, ours, sizeof cut);
    if (strchr(cut, '_'))
        *strchr(cut, '_') = 0;
    return !strcmp(cut, theirs);
}

/* The register of our operand with this letter, or -1. */
static int register_of(const X86Insn *i, unsigned letter)
{
    switch (letter) {
    case OPD_V: case OPD_K: case OPD_G: return i->reg;
    case OPD_H: return i->vvvv;
    case OPD_W: case OPD_E: return i->mod == 3 ? i->rm : -1;
    case OPD_KR: return i->rm & 7;
    default: return -1;
    }
}

/*
 * Registers in the order of the row, without the opmask that governs: theirs are visible operands.
 */
static bool same_operands(const X86Insn *i, const ZydisDecodedInstruction *z,
                          const ZydisDecodedOperand *o)
{
    const X86EvexRow *r = &x86_evex_rows[i->row->sub];
    unsigned at = 0;
    for (unsigned k = 0; k < 3; k++) {
        if (r->ops[k] == OPD_N0)
            continue;
        while (at < z->operand_count_visible && o[at].encoding == ZYDIS_OPERAND_ENCODING_MASK)
            at++;
        if (at >= z->operand_count_visible)
            return false;
        int ours = register_of(i, r->ops[k]);
        if (o[at].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetId(o[at].reg.value) != ours)
            return false;
        if (o[at].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (i->mod == 3 || (int32_t)o[at].mem.disp.value != i->disp))
            return false;
        at++;
    }
    return true;
}

static const char *difference(const X86Insn *i, const ZydisDecodedInstruction *z,
                              const ZydisDecodedOperand *o)
{
    unsigned mask =
        z->avx.mask.reg == ZYDIS_REGISTER_NONE ? 0 : (unsigned)ZydisRegisterGetId(z->avx.mask.reg);
    if (z->length != i->length)
        return "length";
    if (!same_name(i->row->name, ZydisMnemonicGetString(z->mnemonic)))
        return "name";
    if (mask != (i->evex & 7u) || (z->avx.mask.mode == ZYDIS_MASK_MODE_ZEROING &&
                                   !(i->evex & 0x80) && x86_evex_rows[i->row->sub].ops[0] != OPD_K))
        return "mask";
    if (z->avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID && !z->avx.broadcast.is_static &&
        !(i->evex & 0x10))
        return "broadcast";
    return same_operands(i, z, o) ? NULL : "operands";
}

static void complain(Run *r, const uint8_t *p, const char *what, const X86Insn *i,
                     const ZydisDecodedInstruction *z)
{
    if (r->bad++ >= 25)
        return;
    printf("evex_decode: %s-bit:", r->name);
    for (unsigned k = 0; k < 12; k++)
        printf(" %02x", p[k]);
    printf(" %s: here %s (%u, displacement %d), libzydis %s (%u)\n", what,
           i->row ? i->row->name : "-", i->length, i->disp,
           z ? ZydisMnemonicGetString(z->mnemonic) : "-", z ? z->length : 0);
}

static void one(Run *r, const uint8_t *p)
{
    X86Insn i;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    bool code64 = r->mode & X86_MODE_CODE64;
    bool here = x86_decode(&i, p, 32, r->mode) == DEC_OK && i.row && (i.row->props & ISEVEX) &&
                x86_evex_is_valid(&i, code64);
    bool there = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&r->z, p, 15, &z, o)) &&
                 z.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
    if (here)
        reached[i.row->sub]++;
    if (there && is_unmodelled(&z)) {
        r->apart++;
    } else if (here && there) {
        const char *what = difference(&i, &z, o);
        r->agree++;
        if (what)
            complain(r, p, what, &i, &z);
    } else if (here != there) {
        complain(r, p, here ? "accepted here only" : "refused here", &i, there ? &z : NULL);
    } else {
        r->refused++;
    }
}

static void systematic(Run *r)
{
    for (unsigned k = 0; k < 3 * 256 * 4 * 2 * 4 * 2 * 2; k++) {
        unsigned mem = k & 1, b = k >> 1 & 1, w = k >> 2 & 1, pp = k >> 3 & 3, op = k >> 5 & 255,
                 l = k >> 13 & 3, map = 1 + (k >> 15);
        for (unsigned digit = 0; digit < 8; digit++) {
            uint8_t p[32] = { 0x62,
                              (uint8_t)(0xf0 | map),
                              (uint8_t)(w << 7 | 0x7c | pp),
                              (uint8_t)(l << 5 | b << 4 | 8),
                              (uint8_t)op,
                              (uint8_t)((mem ? 0x44 : 0xc2) | digit << 3),
                              (uint8_t)(mem ? 0x2c : 0),
                              1 };
            one(r, p);
            p[3] |= 1;                                  /* with a mask */
            one(r, p);
        }
    }
}

/* Fields that are mostly what they must be, so that what is left matters. */
static void random_code(uint8_t *p, bool code64)
{
    for (unsigned k = 0; k < 32; k += 8) {
        uint64_t v = random64();
        memcpy(p + k, &v, 8);
    }
    uint64_t v = random64();
    p[0] = 0x62;
    p[1] = (uint8_t)((p[1] & 0xf0) | (v % 16 == 0 ? p[1] & 15 : 1 + v / 16 % 3));
    if (!code64)
        p[1] |= 0xc0;
    p[2] |= (v >> 12) % 16 ? 4 : 0;
    if ((v >> 16) % 3)
        p[2] |= 0x78, p[3] |= 8;                        /* no vvvv */
    if ((v >> 20) % 2)
        p[3] &= 0x7f;
    if ((v >> 24) % 2)
        p[3] &= 0xef;
    if ((v >> 28) % 4 == 0)
        p[3] &= 0xf8;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 300000, bad = 0;
    static const struct {
        ZydisMachineMode z;
        ZydisStackWidth w;
        uint64_t mode;
        const char *name;
    } modes[2] = {
        { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, X86_MODE_CODE64 | X86_MODE_PE, "64" },
        { ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32, X86_MODE_CODE32 | X86_MODE_PE,
          "32" },
    };
    state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    for (unsigned m = 0; m < 2; m++) {
        Run r = { .name = modes[m].name, .mode = modes[m].mode };
        ZydisDecoderInit(&r.z, modes[m].z, modes[m].w);
        systematic(&r);
        for (unsigned k = 0; k < count; k++) {
            uint8_t p[32];
            random_code(p, r.mode & X86_MODE_CODE64);
            one(&r, p);
        }
        printf("%sok evex_decode: %s-bit code: %u agree, %u refused by both, %u not modelled, %u "
               "differ\n",
               r.bad ? "not " : "", r.name, r.agree, r.refused, r.apart, r.bad);
        bad += r.bad;
    }
    for (unsigned k = 0; k < EX_N; k++)
        bad += !reached[k];
    return bad != 0;
}
