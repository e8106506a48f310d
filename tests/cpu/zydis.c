/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zydis.c -- the x86 decoder against libzydis: what is an instruction, and how long it is, for
 * random and systematic byte strings in 16-, 32- and 64-bit code.
 *
 * usage: zydis [seed [count]]; the same seed gives the same bytes.  Systematic: every opcode of
 * each map with every ModRM byte, after each of some prefixes.
 *
 * Spec: Intel SDM (325383) vol. 2; rows of `differ` are decided by it.
 * Omits: EVEX, XOP, 3DNow!; what libzydis knows and no CPU model here has.
 * Threads: one.
 */
#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/decode.h"

typedef struct Run {
    ZydisDecoder z;
    uint64_t mode;
    const char *name;
    unsigned compared, refused, apart, bad;
} Run;

static uint64_t state;
static uint8_t random_byte(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint8_t)(state >> 24);
}

/*
 * Where the two read bytes differently, by libzydis' mnemonic (or by our row where it refuses), and
 * why the manual is with us.
 */
/* lengths differ; they alone accept; we alone accept */
typedef enum { LENGTH = 1, THEIRS = 2, OURS = 4 } What;
static const struct { const char *name; unsigned what; const char *why; } differ[] = {
#define DIFFER(name, what, why) { name, what, why },
#include "tests/cpu/zydis_differ.def"
#undef DIFFER
};

static bool is_known(const char *name, unsigned what)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(differ); k++) {
        size_t n = strlen(differ[k].name);
        bool star = n && differ[k].name[n - 1] == '*';
        if (differ[k].what & what && (star ? !g_ascii_strncasecmp(name, differ[k].name, n - 1)
                                           : !g_ascii_strcasecmp(name, differ[k].name))) {
            return true;
        }
    }
    return false;
}

static void report(Run *r, const uint8_t *p, const char *what, const char *theirs, unsigned n,
                   const X86Insn *i)
{
    r->bad++;
    if (r->bad > (getenv("ALL") ? 1000000u : 40u)) {
        return;
    }
    printf("%s: %s: libzydis %s (%u), here %s (%u):", r->name, what, theirs, n,
           i->row ? i->row->name : "-", i->length);
    for (unsigned k = 0; k < 15; k++) {
        printf(" %02x", p[k]);
    }
    printf("\n");
}

static void compare(Run *r, const uint8_t *p)
{
    ZydisDecodedInstruction z;
    X86Insn i;
    bool theirs = ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&r->z, NULL, p, 15, &z));
    bool ours = x86_decode(&i, p, 32, r->mode) == DEC_OK;
    const char *name = theirs ? ZydisMnemonicGetString(z.mnemonic) : "-";

    if (i.vex && !ours) {
        r->apart++;                     /* EVEX, and VEX rows that are not there */
    } else if (!theirs && !ours) {
        r->refused++;
    } else if (theirs && ours) {
        if (z.length == i.length) {
            r->compared++;
        } else if (is_known(name, LENGTH)) {
            r->apart++;
        } else {
            report(r, p, "length", name, z.length, &i);
        }
    } else if (is_known(theirs ? name : i.row->name, theirs ? THEIRS : OURS)) {
        r->apart++;
    } else {
        report(r, p, theirs ? "refused here" : "accepted here only", name, theirs ? z.length : 0,
               &i);
    }
}

static void random_code(uint8_t *p, unsigned n)
{
    static const uint8_t likely[] = { 0x0f, 0x0f, 0x66, 0xf2, 0xf3, 0x48, 0x41, 0x67, 0x65, 0xf0,
                                      0x2e, 0x4c, 0xc4, 0xc5 };
    unsigned at = 0;

    while (at < 3 && random_byte() < 100) {
        p[at++] = likely[random_byte() % sizeof likely];
    }
    if (at && p[at - 1] == 0x0f && random_byte() < 60) {
        p[at++] = random_byte() & 1 ? 0x38 : 0x3a;
    }
    while (at < n) {
        p[at++] = random_byte();
    }
}

static void systematic(Run *r)
{
    static const struct {
        uint8_t n, b[2];
    } before[] = { { 0, { 0 } },    { 1, { 0x66 } }, { 1, { 0xf2 } },       { 1, { 0xf3 } },
                   { 1, { 0x67 } }, { 1, { 0x48 } }, { 2, { 0x66, 0x48 } }, { 2, { 0xf3, 0x48 } } };
    static const struct {
        uint8_t n, b[2];
    } maps[] = { { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } } };

    for (unsigned k = 0; k < G_N_ELEMENTS(before); k++) {
        for (unsigned m = 0; m < G_N_ELEMENTS(maps); m++) {
            for (unsigned x = 0; x < 65536; x++) {
                uint8_t p[32] = { 0 };
                unsigned n = 0;
                memcpy(p, before[k].b, before[k].n);
                n += before[k].n;
                memcpy(p + n, maps[m].b, maps[m].n);
                n += maps[m].n;
                p[n++] = (uint8_t)(x >> 8);
                p[n++] = (uint8_t)x;
                compare(r, p);
            }
        }
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 100000, bad = 0;
    static const struct {
        ZydisMachineMode z;
        ZydisStackWidth w;
        uint64_t mode;
        const char *name;
    } modes[3] = {
        { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, X86_MODE_CODE64 | X86_MODE_PE, "64" },
        { ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32, X86_MODE_CODE32 | X86_MODE_PE,
          "32" },
        { ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16, X86_MODE_CODE16 | X86_MODE_PE,
          "16" },
    };

    state = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) * 0x9e3779b97f4a7c15u;
    for (unsigned m = 0; m < 3; m++) {
        Run r = { .mode = modes[m].mode, .name = modes[m].name };
        ZydisDecoderInit(&r.z, modes[m].z, modes[m].w);
        systematic(&r);
        for (unsigned k = 0; k < count; k++) {
            uint8_t p[32];
            random_code(p, sizeof p);
            compare(&r, p);
        }
        printf("%s zydis: %s-bit code: %u instructions agree, %u refused by both, %u known to "
               "differ or not modelled, %u differ\n",
               r.bad ? "not ok" : "ok", r.name, r.compared, r.refused, r.apart, r.bad);
        bad += r.bad;
    }
    return bad != 0;
}
