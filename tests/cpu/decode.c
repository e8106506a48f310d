/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.c -- the x86 decoder against libcapstone: lengths and names of random instructions in all
 * three modes.
 *
 * usage: decode [seed [count]]; the same seed gives the same bytes.
 *
 * Spec: Intel SDM (325383) vol. 2.
 * Omits: operands; what libcapstone is known to get wrong (see `known`).
 * Threads: one.
 */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/decode.h"

typedef struct Run {
    csh cs;
    uint64_t mode;
    const char *name;
    unsigned compared, refused, bad;
} Run;

static uint64_t state;
static uint8_t random_byte(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint8_t)(state >> 24);
}

/* Bytes that look like code more often than chance: prefixes and escapes are likelier. */
static void random_code(uint8_t *p, unsigned n)
{
    static const uint8_t likely[] = { 0x0f, 0x0f, 0x66, 0xf2, 0xf3, 0x48, 0x41, 0x67, 0x65, 0xf0,
                                      0x2e, 0x4c };
    unsigned at = 0;
    while (at < 3 && random_byte() < 100)
        p[at++] = likely[random_byte() % sizeof likely];
    if (at && p[at - 1] == 0x0f && random_byte() < 60)
        p[at++] = random_byte() & 1 ? 0x38 : 0x3a;
    while (at < n)
        p[at++] = random_byte();
}

static bool starts(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

/* Names differ where one row serves several mnemonics; their common part is enough. */
static bool same_name(const X86Insn *i, const char *theirs)
{
    static const char *const other[][2] = {
        { "JCC", "j" }, { "JRCXZ", "j" }, { "CMOV", "cmov" }, { "SETCC", "set" },
        { "IMUL3", "imul" }, { "CBW", "c" }, { "CWD", "c" }, { "MOV_", "mov" }, { "MOV", "movabs" },
        { "MOV", "movnti" }, { "MOVSXD", "mov" }, { "SHL", "sal" }, { "UD", "ud" },
        { "CALLF", "lcall" }, { "CALLF", "call" }, { "JMPF", "ljmp" }, { "JMPF", "jmp" },
        { "RETF", "ret" }, { "PUSH_SEG", "push" }, { "POP_SEG", "pop" }, { "PUSHA", "pusha" },
        { "POPA", "popa" }, { "RDFSGS", "rd" }, { "WRFSGS", "wr" }, { "LOOP", "loop" },
        { "CMPXCHG8B", "cmpxchg" }, { "VMX_SVM", "vm" }, { "FWAIT", "wait" }, { "X87", "" },
        { "NOP", "" }, { "PREFETCH", "" }, { "CLFLUSH", "cl" }, { "MFENCE", "sfence" },
        { "TZCNT", "bsf" }, { "XCHG", "nop" }, { "CLFLUSH", "sfence" }, { "CLFLUSH", "xsaveopt" },
        { "IN", "in" }, { "INT", "int" }, { "PAUSE", "xchg" }, { "PAUSE", "nop" },
        { "LZCNT", "bsr" }, { "CRC32", "movbe" }, { "UD", "" }, { "ADX", "adcx" },
        { "ADX", "adox" }, { "VMX_SVM", "stgi" }, { "VMX_SVM", "clgi" }, { "VMX_SVM", "skinit" },
        { "VMX_SVM", "invlpga" },
    };
    const char *ours = i->row->name;
    if (i->row->props & (ISVOP | ISHELPER))
        return true;
    if (strncmp(theirs, "rep", 3) == 0 || strncmp(theirs, "lock ", 5) == 0 ||
        strncmp(theirs, "bnd ", 4) == 0)
        theirs = strchr(theirs, ' ') ? strchr(theirs, ' ') + 1 : theirs;
    if (starts(theirs, ours))
        return true;
    for (unsigned k = 0; k < G_N_ELEMENTS(other); k++) {
        if (starts(ours, other[k][0]) && starts(theirs, other[k][1]))
            return true;
    }
    return false;
}

static bool report(Run *r, const uint8_t *p, const char *what, const char *theirs,
                   unsigned their_length, const X86Insn *i)
{
    printf("%s:", r->name);
    for (unsigned k = 0; k < 15; k++)
        printf(" %02x", p[k]);
    printf("\n    %s: libcapstone %s (%u), here %s (%u)\n", what, theirs, their_length,
           i->row ? i->row->name : "-", i->length);
    r->bad++;
    return false;
}

/*
 * Does libcapstone read these bytes in another way than processors do, or know more than is
 * modelled here?
 */
static bool known(const Run *r, const X86Insn *i, const cs_insn *c);
#include "tests/cpu/decode_known.h"

static bool compare(Run *r, const uint8_t *p)
{
    X86Insn i;
    cs_insn *c = NULL;
    X86DecodeResult res = x86_decode(&i, p, 32, r->mode);
    size_t n = cs_disasm(r->cs, p, 15, 0x1000, 1, &c);
    bool good = true;
    if (known(r, &i, n ? c : NULL)) {
        r->refused++;
    } else if (!n) {
        r->refused++;
        if (res == DEC_OK)
            good = report(r, p, "accepted here only", "-", 0, &i);
    } else if (res != DEC_OK) {
        good = report(r, p, "refused here", c->mnemonic, c->size, &i);
    } else if (c->size != i.length) {
        good = report(r, p, "length", c->mnemonic, c->size, &i);
    } else if (!same_name(&i, c->mnemonic)) {
        good = report(r, p, "name", c->mnemonic, c->size, &i);
    } else {
        r->compared++;
    }
    if (n)
        cs_free(c, n);
    return good;
}

/* What chance hardly meets: the length limit, LOCK, encodings that modes share. */
static unsigned picked(void)
{
    enum { M64 = X86_MODE_CODE64 | X86_MODE_PE, M32 = X86_MODE_CODE32 | X86_MODE_PE,
           M16 = X86_MODE_CODE16 };
    static const struct {
        unsigned mode, have;
        uint8_t code[16];
        X86DecodeResult want;
        uint8_t length;
    } rows[] = {
        { M64,
          16,
          { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
            0x90 },
          DEC_OK,
          15 },
        { M64,
          16,
          { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
            0x66, 0x90 },
          DEC_GP,
          15 },
        { M64,
          14,
          { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66 },
          DEC_MORE,
          0 },
        { M64, 4, { 0xe9, 0, 0, 0 }, DEC_MORE, 0 },
        { M64, 5, { 0xe9, 0, 0, 0, 0 }, DEC_OK, 5 },
        { M64, 1, { 0x0f }, DEC_MORE, 0 },
        { M64, 2, { 0x8b, 0x04 }, DEC_MORE, 0 },
        { M64, 16, { 0xf0, 0x01, 0x00 }, DEC_OK, 3 },
        { M64, 16, { 0xf0, 0x01, 0xc0 }, DEC_UD, 3 },
        { M64, 16, { 0xf0, 0x03, 0x00 }, DEC_UD, 3 },
        { M64, 16, { 0xf0, 0x39, 0x00 }, DEC_UD, 3 },
        { M64, 16, { 0xf0, 0x90 }, DEC_UD, 2 },
        { M64, 16, { 0x06 }, DEC_UD, 1 },
        { M32, 16, { 0x06 }, DEC_OK, 1 },
        { M64, 16, { 0x48, 0xb8 }, DEC_OK, 10 },
        { M64, 16, { 0x48, 0x66, 0xb8 }, DEC_OK, 5 },
        { M16, 16, { 0xb8 }, DEC_OK, 3 },
        { M16, 16, { 0x66, 0xb8 }, DEC_OK, 6 },
        { M32, 16, { 0xc5, 0x00 }, DEC_OK, 2 },
        { M32, 16, { 0xc5, 0xf8, 0x77 }, DEC_OK, 3 },
        { M16, 16, { 0xc5, 0xc0 }, DEC_UD, 2 },
        { M16, 16, { 0x63, 0xc0 }, DEC_UD, 2 },
        { M32, 16, { 0x63, 0xc0 }, DEC_OK, 2 },
        { M64, 16, { 0x0f, 0x0b }, DEC_OK, 2 },
        { M64, 16, { 0x0f, 0x22, 0x18 }, DEC_OK, 3 },
        { M64, 16, { 0xc8, 1, 2, 3 }, DEC_OK, 4 },
        { M32, 16, { 0x9a }, DEC_OK, 7 },
        { M16, 16, { 0x9a }, DEC_OK, 5 },
        { M64, 16, { 0xf6, 0x00 }, DEC_OK, 3 },
        { M64, 16, { 0xf6, 0x10 }, DEC_OK, 2 },
        { M64, 16, { 0xa1 }, DEC_OK, 9 },
        { M64, 16, { 0x67, 0xa1 }, DEC_OK, 6 },
        { M64, 16, { 0x66, 0xe8 }, DEC_OK, 6 },
    };
    unsigned bad = 0;
    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++) {
        X86Insn i;
        X86DecodeResult r = x86_decode(&i, rows[k].code, rows[k].have, rows[k].mode);
        if (r != rows[k].want || (r != DEC_MORE && i.length != rows[k].length)) {
            printf("decode: picked row %u: result %u, length %u\n", k, r, i.length);
            bad++;
        }
    }
    return bad;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 100000, bad = picked();
    Run runs[3] = {
        { .mode = X86_MODE_CODE64 | X86_MODE_PE, .name = "64" },
        { .mode = X86_MODE_CODE32 | X86_MODE_PE, .name = "32" },
        { .mode = X86_MODE_CODE16 | X86_MODE_PE, .name = "16" },
    };
    static const cs_mode modes[3] = { CS_MODE_64, CS_MODE_32, CS_MODE_16 };
    state = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) * 0x9e3779b97f4a7c15u;
    for (unsigned m = 0; m < 3; m++) {
        Run *r = &runs[m];
        if (cs_open(CS_ARCH_X86, modes[m], &r->cs) != CS_ERR_OK)
            return 1;
        for (unsigned k = 0; k < count && r->bad < 40; k++) {
            uint8_t p[32];
            random_code(p, sizeof p);
            compare(r, p);
        }
        cs_close(&r->cs);
        printf("decode: %s-bit code: %u instructions agree, %u refused or known to differ, %u "
               "differ\n",
               r->name, r->compared, r->refused, r->bad);
        bad += r->bad;
    }
    return bad != 0;
}
