/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compare.c -- are two results the same but for what the manual leaves undefined (undefined.def)?
 * And how a case is printed.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include "tests/cpu/proof/proof.h"

typedef enum { V_ALWAYS, V_FAULTS, V_XM, V_AC, V_OPSIZE64, V_NOT64, V_DIFFER, V_SEGMENTS, V_REXW,
               V_REP, V_MM, V_PROBES, V_PARTS, V_CANONICAL, V_CPU_LIMIT } VendorWhen;
enum { CR2 = 1, KIND = 3, VECTORS = 4, REGISTERS = 8, MXCSR_PE = 16, MXCSR = 48, BASES = 64,
       ALL = 0x100, KIND_ALL = ALL };
enum { COMPARED = EF_ARITH | EF_DF | EF_AC | EF_ID | EF_NT | EF_IF | EF_IOPL };
typedef struct Vendor { const char *name; VendorWhen when; unsigned what; } Vendor;
static const Vendor vendors[] = {
#define VENDOR(row, when, what, reason) { #row, V_##when, what },
#include "tests/cpu/proof/vendor.def"
#undef VENDOR
};

/* With 16 bits the rest of the register is what it was. */
static bool is_cpu_limit(uint64_t want, uint64_t got, unsigned bytes)
{
    return bytes == 2 ? (want & 0xffff) < 4096 && !(got & 0xffff) && want >> 16 == got >> 16
                      : want < 4096 && !got;
}

static bool vendor_holds(VendorWhen w, const ProofCode *c, const ProofState *in,
                         const ProofState *want, const ProofState *got)
{
    bool faults = want->vector >= 0 && got->vector >= 0;

    switch (w) {
    case V_ALWAYS: return true;
    case V_FAULTS: return faults;
    case V_XM: return want->vector == EXC_XM && got->vector == EXC_XM;
    case V_AC: return in->rflags & EF_AC;
    case V_OPSIZE64: return c->mode == PM_64 && c->insn.opsize;
    case V_NOT64: return c->mode != PM_64;
    case V_DIFFER: return (want->vector < 0) != (got->vector < 0);
    case V_SEGMENTS:
        return (want->vector == EXC_GP || want->vector == EXC_SS) &&
               (got->vector == EXC_GP || got->vector == EXC_SS) && want->vector != got->vector;
    case V_MM: return want->vector < 0 && got->vector == EXC_GP && want->x[FX_MXCSR + 2] & 2;
    case V_PARTS:
        return (want->vector == EXC_PF || want->vector == EXC_AC) &&
               (got->vector == EXC_GP || got->vector == EXC_SS);
    case V_CANONICAL:
        return c->mode == PM_64 && (want->vector == EXC_GP || want->vector == EXC_SS) &&
               got->vector == EXC_PF && got->cr2 >> 47;
    case V_CPU_LIMIT:
        return is_cpu_limit(want->gpr[c->insn.reg], got->gpr[c->insn.reg], c->insn.osize) &&
               want->rflags & EF_ZF;
    case V_PROBES:
        return got->vector < 0 &&
               ((want->vector == EXC_PF && !(want->error & 2)) ||
                (c->mode >= PM_L32 && (want->vector == EXC_GP || want->vector == EXC_SS)));
    case V_REP: return c->insn.rep;
    default: return c->insn.rex & 8;    /* V_REXW */
    }
}

static unsigned vendor(const ProofCode *c, const ProofState *in, const ProofState *want,
                       const ProofState *got)
{
    unsigned what = 0;

    for (unsigned k = 0; k < G_N_ELEMENTS(vendors); k++) {
        const Vendor *v = &vendors[k];
        bool any = !strcmp(v->name, "ANY");
        if ((any || (c->valid && !c->sequence && !strcmp(v->name, c->insn.row->name))) &&
            vendor_holds(v->when, c, in, want, got)) {
            what |= v->what;
        }
    }
    return what;
}

/*
 * A branch leaves the flags alone.  Where they have changed it went into the middle of its own
 * code, and what ran there is unknown here.
 */
static bool has_run_more(const ProofCode *c, const ProofState *in, const ProofState *want)
{
    const char *name = c->insn.row->name;
    return (!strcmp(name, "JMP") || !strcmp(name, "CALL") || !strcmp(name, "RET")) &&
           (in->rflags ^ want->rflags) & EF_ARITH;
}

static uint32_t undefined(const ProofCode *c, const ProofState *in, const ProofState *want,
                          unsigned *dst)
{
    *dst = 16;
    if (c->valid && !c->sequence && has_run_more(c, in, want)) {
        return EF_ARITH;
    }
    return c->valid && !c->sequence ? proof_undefined(&c->insn, in->gpr[R_RCX], want->rflags, dst)
                                    : 0;
}

/*
 * Memory that the instruction leaves undefined, or that this run need not agree about: the caller
 * makes it the same.
 */
bool proof_memory_counts(const ProofCode *c, const ProofState *in, const ProofState *want,
                         const ProofState *got)
{
    unsigned dst, what = vendor(c, in, want, got);

    undefined(c, in, want, &dst);
    return !(what & ALL) && dst != 17;
}

/*
 * Linux says of its own half of the addresses that a page was there (arch/x86/mm/fault.c,
 * set_signal_archinfo).
 */
static uint64_t error_of(const ProofState *s)
{
    return s->vector == EXC_PF && s->cr2 >= UINT64_C(0x7ffffffff000) ? s->error | 1 : s->error;
}

/* Leaving a signal's handler by IRET makes null selectors 0 (SDM vol. 2, IRET). */
static unsigned selector(unsigned s) { return s < 4 ? 0 : s; }

static bool differs(GString *why, const char *what, bool is)
{
    if (is) {
        g_string_append_printf(why, "%s%s", why->len ? ", " : "", what);
    }
    return is;
}

/*
 * A branch that went to an F1 in the middle of its code: INT1 is what proof_runs_here() says of it.
 */
static bool is_int1(const ProofCode *c, const ProofState *want, uint64_t linear)
{
    uint64_t at = linear - c->at;
    return want->vector == EXC_DB && ((at < c->total && c->bytes[at] == 0xf1) ||
                                      (at - 1 < c->total && c->bytes[at - 1] == 0xf1));
}

/*
 * A branch that went into the middle of its own code, and there faults: what runs is no row that
 * was aimed at, its vendor rows are not looked at.
 */
static bool is_inside(const ProofCode *c, const ProofState *want, const ProofState *got,
                      uint64_t linear)
{
    uint64_t at = linear - c->at;
    return !c->sequence && want->vector >= 0 && got->vector >= 0 && want->rip == got->rip && at &&
           at != c->n && at < c->total;
}

/*
 * The host found memory where the guest has none: a gather's or a string's address fell into this
 * process's own stack or libraries.
 */
static bool is_hosts_own(const ProofState *want, const ProofState *got)
{
    unsigned char in_core;

#ifdef __SANITIZE_ADDRESS__
    if (got->vector == EXC_PF && got->cr2 >= 0x7fff8000 && got->cr2 < 0x100000000) {
        return true;                    /* the sanitizer's shadow begins there */
    }
#endif
    return want->vector < 0 && got->vector == EXC_PF && got->cr2 >> 32 &&
           !mincore((void *)(uintptr_t)(got->cr2 & -(uint64_t)P_PAGE), 1, &in_core);
}

static bool same_but_for_tables(const ProofCode *c, const ProofState *in, const ProofState *want,
                                const ProofState *got, GString *why)
{
    unsigned dst;
    uint32_t mask = COMPARED & ~undefined(c, in, want, &dst);

    unsigned what = vendor(c, in, want, got);

    uint64_t linear = want->rip + (want->cs == P_LDT_CS32 || want->cs == P_LDT_CS16 ? P_CODE : 0);

    /* to where host and guest have other code */
    bool strayed = want->vector >= 0 && linear >= P_EXIT && linear < P_EXIT + P_PAGE;
    if (what & ALL || strayed || is_int1(c, want, linear) || is_inside(c, want, got, linear) ||
        is_hosts_own(want, got)) {
        return true;
    }
    bool kind = (what & KIND) != KIND, vectors = !(what & VECTORS);
    uint16_t sw[2];
    uint32_t mx[2];
    memcpy(&sw[0], want->x + FX_SW, 2);
    memcpy(&sw[1], got->x + FX_SW, 2);
    memcpy(&mx[0], want->x + FX_MXCSR, 4);
    memcpy(&mx[1], got->x + FX_MXCSR, 4);
    differs(why, "exception",
            kind ? want->vector != got->vector : (want->vector < 0) != (got->vector < 0));
    differs(why, "RIP", want->rip != got->rip || want->cs != got->cs);
    differs(why, "error code", kind && error_of(want) != error_of(got));
    differs(why, "CR2", !(what & CR2) && want->cr2 != got->cr2);
    differs(why, "flags", (want->rflags ^ got->rflags) & mask);
    for (unsigned k = 0; k < 16 && !(what & REGISTERS); k++) {
        /* An interrupt's IRET to a 16- or 32-bit stack loses the rest (SDM2 IRET). */
        uint64_t bits = k != R_RSP                                  ? UINT64_MAX
                        : c->mode == PM_L16                         ? 0xffff
                        : want->cs != P_CS64 && want->cs == got->cs ? UINT32_MAX
                                                                    : UINT64_MAX;
        if (k != dst && differs(why, "registers", (want->gpr[k] ^ got->gpr[k]) & bits)) {
            break;
        }
    }
    differs(why, "segments",
            selector(want->ds) != selector(got->ds) || selector(want->es) != selector(got->es) ||
                selector(want->fs) != selector(got->fs) ||
                selector(want->gs) != selector(got->gs) || want->ss != got->ss);
    differs(why, "bases",
            !(what & BASES) && c->mode == PM_64 &&
                ((!want->fs && want->fs_base != got->fs_base) ||
                 (!want->gs && want->gs_base != got->gs_base)));
    differs(why, "MXCSR",
            (what & MXCSR) != MXCSR && (mx[0] ^ mx[1]) & (what & MXCSR_PE ? ~0x20u : ~0u));
    differs(why, "XMM", vectors && memcmp(want->x + FX_XMM, got->x + FX_XMM, 256));
    differs(why, "YMM", vectors && memcmp(want->x + XS_YMM, got->x + XS_YMM, 256));
    differs(why, "x87 control", memcmp(want->x, got->x, 2));
    differs(why, "x87 status", sw[0] != sw[1]);
    differs(why, "x87 tags", want->x[FX_TAG] != got->x[FX_TAG]);
    /*
     * A native block keeps no value of a register that it has emptied itself
     * (accel/dbt/x86_64/x87.c).
     */
    for (unsigned k = 0; k < 8; k++) {
        bool empty = !(want->x[FX_TAG] >> ((k + (sw[0] >> 11)) & 7) & 1);
        if (!(empty && c->sequence) &&
            differs(why, "x87 registers",
                    memcmp(want->x + FX_ST + 16 * k, got->x + FX_ST + 16 * k, 10))) {
            break;
        }
    }
    return why->len == 0;
}

/* Nearly always; the tables are looked at for the rest. */
static bool is_equal(const ProofCode *c, const ProofState *want, const ProofState *got)
{
    return !memcmp(want->gpr, got->gpr, sizeof want->gpr) && want->rip == got->rip &&
           want->vector == got->vector && want->cr2 == got->cr2 &&
           error_of(want) == error_of(got) && !((want->rflags ^ got->rflags) & COMPARED) &&
           want->ds == got->ds && want->es == got->es && want->fs == got->fs &&
           want->gs == got->gs && want->ss == got->ss && want->cs == got->cs &&
           (c->mode != PM_64 || (want->fs_base == got->fs_base && want->gs_base == got->gs_base)) &&
           !memcmp(want->x, got->x, 5) && !memcmp(want->x + FX_MXCSR, got->x + FX_MXCSR, 4) &&
           !memcmp(want->x + FX_ST, got->x + FX_ST, XS_BV - FX_ST - 96) &&
           !memcmp(want->x + XS_YMM, got->x + XS_YMM, XS_SIZE - XS_YMM);
}

bool proof_same(const ProofCode *c, const ProofState *in, const ProofState *want,
                const ProofState *got, GString *why)
{
    g_string_truncate(why, 0);
    return is_equal(c, want, got) || same_but_for_tables(c, in, want, got, why);
}

/* ---- printing ---- */
static void print_hex(GString *o, const uint8_t *p, unsigned n)
{
    while (n--) {
        g_string_append_printf(o, "%02x", p[n]);
    }
}

static void line(GString *o, const char *name, unsigned number, const uint8_t *in,
                 const uint8_t *want, const uint8_t *got, unsigned n, bool always)
{
    if (!always && !memcmp(want, got, n)) {
        return;
    }
    g_string_append_printf(o, "    %s%-2u in ", name, number);
    print_hex(o, in, n);
    g_string_append(o, " host ");
    print_hex(o, want, n);
    g_string_append(o, " here ");
    print_hex(o, got, n);
    g_string_append_c(o, '\n');
}

void proof_print(const ProofCode *c, const ProofState *in, const ProofState *want,
                 const ProofState *got, GString *o)
{
    static const char *const modes[] = { "64", "32", "32, LDT", "16, LDT" };

    g_string_append_printf(o, "    %s at %#x, %s-bit:",
                           c->valid && !c->sequence ? c->insn.row->name
                           : c->sequence            ? "sequence"
                                                    : "(#UD)",
                           c->at, modes[c->mode]);
    for (unsigned k = 0; k < c->n; k++) {
        g_string_append_printf(o, " %02x", c->bytes[k]);
    }
    g_string_append_printf(o,
                           "\n    exception host %" PRId64 " here %" PRId64 ", error %" PRIx64
                           " %" PRIx64 ", CR2 %" PRIx64 " %" PRIx64 ", RIP %" PRIx64 " %" PRIx64
                           "\n    flags in %" PRIx64 " host %" PRIx64 " here %" PRIx64 "\n",
                           want->vector, got->vector, want->error, got->error, want->cr2, got->cr2,
                           want->rip, got->rip, in->rflags, want->rflags, got->rflags);
    g_string_append_printf(
        o,
        "    DS %x %x ES %x %x FS %x %x GS %x %x SS %x %x CS %x %x, FS base %" PRIx64
        " GS base %" PRIx64 "\n",
        want->ds, got->ds, want->es, got->es, want->fs, got->fs, want->gs, got->gs, want->ss,
        got->ss, want->cs, got->cs, in->fs_base, in->gs_base);
    for (unsigned k = 0; k < 16; k++) {
        line(o, "r", k, (const uint8_t *)&in->gpr[k], (const uint8_t *)&want->gpr[k],
             (const uint8_t *)&got->gpr[k], 8, k < 8);
    }
    line(o, "cw", 0, in->x, want->x, got->x, 2, false);
    line(o, "sw", 0, in->x + FX_SW, want->x + FX_SW, got->x + FX_SW, 2,
         c->valid && !c->sequence && c->insn.row->map == 0 && (c->insn.opcode & 0xf8) == 0xd8);
    line(o, "tag", 0, in->x + FX_TAG, want->x + FX_TAG, got->x + FX_TAG, 1, false);
    line(o, "mxcsr", 0, in->x + FX_MXCSR, want->x + FX_MXCSR, got->x + FX_MXCSR, 4, true);
    for (unsigned k = 0; k < 8; k++) {
        line(o, "st", k, in->x + FX_ST + 16 * k, want->x + FX_ST + 16 * k, got->x + FX_ST + 16 * k,
             10, false);
    }
    for (unsigned k = 0; k < 16; k++) {
        line(o, "xmm", k, in->x + FX_XMM + 16 * k, want->x + FX_XMM + 16 * k,
             got->x + FX_XMM + 16 * k, 16, false);
        line(o, "ymmh", k, in->x + XS_YMM + 16 * k, want->x + XS_YMM + 16 * k,
             got->x + XS_YMM + 16 * k, 16, false);
    }
}
