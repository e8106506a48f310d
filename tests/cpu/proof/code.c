/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * code.c -- one instruction made from a row of the opcode tables: prefixes (needed, useful,
 * redundant), REX or VEX, opcode, ModRM and SIB in every address form, immediate; and what user
 * code cannot be asked, with the reason.
 *
 * Spec: Intel SDM (325383) vol. 2 ch. 2.
 * Omits: EVEX rows: hosts that have them are for later.
 */
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif
#include "tests/cpu/proof/proof.h"

enum { VEX_MAPS = 4 };

const X86Row *proof_rows(unsigned *n) { return x86_rows(n); }

unsigned proof_code_mode(ProofMode m)
{
    static const unsigned mode[PM_N] = { X86_MODE_CODE64, X86_MODE_CODE32, X86_MODE_CODE32,
                                         X86_MODE_CODE16 };
    return mode[m] | X86_MODE_PE;
}

/*
 * What the host does in another way than hardware would tell us, or with what no one can foresee;
 * and who tests it.
 */
static const struct { const char *name, *why; } not_here[] = {
    { "CPUID", "each CPU model says its own: tests/cpu/cpuid" },
    { "RDTSC", "time" }, { "RDTSCP", "time" }, { "RDRAND", "random" }, { "RDSEED", "random" }, { "RDPID", "the host's CPU number" },
    { "SYSCALL", "would enter Linux: tests/guest/long" }, { "SYSENTER", "would enter Linux: tests/guest/prot" },
    { "VMX_SVM", "would leave for the hypervisor" }, { "MONITOR", "the hypervisor's choice" }, { "MWAIT", "the hypervisor's choice" },
    { "SGDT", "emulated by Linux (UMIP): tests/guest/prot" }, { "SIDT", "emulated by Linux (UMIP): tests/guest/prot" },
    { "SLDT", "emulated by Linux (UMIP): tests/guest/prot" }, { "STR", "emulated by Linux (UMIP): tests/guest/prot" },
    { "SMSW", "emulated by Linux (UMIP): tests/guest/prot" }, { "XGETBV", "XINUSE is the host's own: tests/guest/long" },
    { "RDPKRU", "protection keys are Linux's choice" }, { "WRPKRU", "protection keys are Linux's choice" },
    { "TPAUSE", "time: tests/guest/sys64" }, { "UMWAIT", "time: tests/guest/sys64" }, { "UMONITOR", "time: tests/guest/sys64" },
    { "MOVDIRI", "few hosts have it: tests/guest/sys64" }, { "MOVDIR64B", "few hosts have it: tests/guest/sys64" },
    { "SERIALIZE", "few hosts have it: tests/guest/sys64" },
    { "INT1", "the hypervisor's #DB: tests/guest/prot" }, { "RSM", "only in system management mode: tests/guest" },
};

static bool runs_here(const X86Row *row, const char **why)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(not_here); k++) {
        if (row->name && !strcmp(row->name, not_here[k].name)) {
            *why = not_here[k].why;
            return false;
        }
    }
    static const struct { uint8_t feature, is_edx, bit; } newer[] = {           /* CPUID.7 */
        { F_WAITPKG, 0, 5 }, { F_MOVDIRI, 0, 27 }, { F_MOVDIR64B, 0, 28 }, { F_SERIALIZE, 1, 14 },
    };
    unsigned a = 0, b = 0, c = 0, d = 0;
#ifdef __x86_64__
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
#endif
    for (unsigned k = 0; k < G_N_ELEMENTS(newer); k++) {
        if (row->feature == newer[k].feature && !((newer[k].is_edx ? d : c) >> newer[k].bit & 1)) {
            *why = "this host has not got it";
            return false;
        }
    }
    if (row->map != 0xff && row->map >= 2 * VEX_MAPS) {
        *why = "EVEX: this host has none";
        return false;
    }
    return row->name != NULL;
}

/* Asked for every batch, while CPUID may be an exit to a hypervisor. */
bool proof_runs_here(const X86Row *row, const char **why)
{
    static struct { bool asked, runs; const char *why; } *known;
    unsigned n, k = (unsigned)(row - x86_rows(&n));

    known = known ? known : g_malloc0_n(n, sizeof *known);
    if (!known[k].asked) {
        known[k].runs = runs_here(row, &known[k].why);
        known[k].asked = true;
    }
    *why = known[k].why;
    return known[k].runs;
}

typedef struct Out { uint8_t *p; unsigned n; } Out;
static void put(Out *o, unsigned byte) { o->p[o->n++] = (uint8_t)byte; }
static void put_n(Out *o, uint64_t v, unsigned n) { memcpy(o->p + o->n, &v, n); o->n += n; }

/* ---- prefixes ---- */
static unsigned pick_mandatory(Rng *r, unsigned set)
{
    static const uint8_t of[4] = { P_NP, P_66, P_F3, P_F2 };
    unsigned p;

    if (set == P_ANY && !one_in(r, 4)) {
        return P_NP;
    }
    do {
        p = of[rng_below(r, 4)];
    } while (!(p & set));
    return p;
}

static void put_prefixes(Out *o, Rng *r, const X86Row *row, ProofMode m, bool vex)
{
    static const uint8_t segs[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    static const uint8_t bytes[9] = { [P_66] = 0x66, [P_F3] = 0xf3, [P_F2] = 0xf2 };
    unsigned p = vex ? P_NP : pick_mandatory(r, row->prefix);

    if (one_in(r, 12)) {
        put(o, segs[rng_below(r, 6)]);
    }
    if (one_in(r, m == PM_L16 ? 2 : 10)) {
        put(o, 0x67);
    }
    if (m == PM_64 && one_in(r, 24)) {
        /* a REX that does not stand before the opcode */
        put(o, 0x40 | rng_below(r, 16));
    }
    /* LOCK MOV CR0 is CR8 on AMD processors (APM3 MOV CRn) */
    bool is_mov_cr = row->map == 1 && (row->opcode & 0xfc) == 0x20;
    /* LOCK VERW looks at its operand first on an EPYC: microcode */
    bool is_verw = row->map == 1 && row->opcode == 0;
    if ((row->props & LOCK) ? one_in(r, 6) : !is_mov_cr && !is_verw && one_in(r, 400)) {
        put(o, 0xf0);
    }
    if (bytes[p]) {
        put(o, bytes[p]);
        if (one_in(r, 16)) {
            put(o, bytes[p]);
        }
    }
    if (p != P_66 && (row->prefix == P_ANY || row->prefix == P_NF || (p & (P_F2 | P_F3))) && !vex &&
        one_in(r, m == PM_L16 ? 3 : 8)) {
        put(o, 0x66);
    }
    if (one_in(r, 24)) {
        put(o, segs[rng_below(r, 6)]);
    }
}

/* ---- ModRM, SIB, displacement ---- */
static void put_disp(Out *o, Rng *r, unsigned n)
{
    uint64_t v = rng(r);
    put_n(o, one_in(r, 3) ? (uint64_t)((int64_t)(v << 57) >> 57) : v, n);
}

static unsigned pick_modrm(Rng *r, const X86Row *row)
{
    unsigned mask = row->modrm_mask, value = row->modrm_value, mod;

    if (mask & 0x40) {
        mod = value & 0x40 ? 3 : rng_below(r, 3);
    } else {
        mod = one_in(r, 2) ? 3 : rng_below(r, 3);
    }
    return mod << 6 | ((unsigned)rng(r) & 0x3f & ~mask) | (value & mask & 0x3f);
}

static void put_modrm(Out *o, Rng *r, const X86Row *row, unsigned asize, bool gather)
{
    unsigned m = pick_modrm(r, row), mod = m >> 6;

    if (gather) {
        m = (m & ~7u) | 4;
    }
    put(o, m);
    if (mod == 3) {
        return;
    }
    if (asize == 2) {
        if (mod == 1) {
            put_disp(o, r, 1);
        } else if (mod == 2 || (m & 7) == 6) {
            put_disp(o, r, 2);
        }
        return;
    }
    unsigned base = m & 7;
    if (base == 4) {
        unsigned sib = (unsigned)rng(r) & 0xff;
        put(o, sib);
        base = sib & 7;
    }
    if (mod == 1) {
        put_disp(o, r, 1);
    } else if (mod == 2 || base == 5) {
        put_disp(o, r, 4);
    }
}

/* ---- immediates ---- */
static uint64_t immediate(Rng *r, unsigned bytes)
{
    static const uint64_t corners[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
                                        0x7fffffff, 0x80000000, 0xffffffff, UINT64_MAX, 31, 32,
                                            63 };
    return one_in(r, 2)   ? corners[rng_below(r, G_N_ELEMENTS(corners))]
           : one_in(r, 2) ? rng_below(r, 70)
                          : rng(r);
}

static void put_immediate(Out *o, Rng *r, const X86Row *row, ProofMode m, bool ends_at_exit)
{
    X86Insn i;
    uint8_t probe[32] = { 0 };

    memcpy(probe, o->p, o->n);
    if (x86_decode(&i, probe, sizeof probe, proof_code_mode(m)) != DEC_OK) {
        /* sizes only; what it says of bytes that are to #UD is right too */
        memset(&i, 0, sizeof i);
        i.osize = 4;
        i.asize = m == PM_64 ? 8 : m == PM_L16 ? 2 : 4;
    }
    switch (row->imm) {
    case 0: break;
    case OPD_Ib: case OPD_Ibs: put_n(o, immediate(r, 1), 1); break;
    case OPD_Jb: put_n(o, rng_below(r, 0x40) + 16, 1); break;
    case OPD_Iw:
        put_n(o,
              !strcmp(row->name, "ENTER") ? rng_below(r, 0x80)
              : rng_below(r, 3)           ? rng_below(r, 0x40) * 4
                                          : immediate(r, 2),
              2);
        if (!strcmp(row->name, "ENTER")) {
            put_n(o, one_in(r, 4) ? rng(r) : rng_below(r, 5), 1);
        }
        break;
    case OPD_Iz: put_n(o, immediate(r, 4), i.osize == 2 ? 2 : 4); break;
    case OPD_Iv: put_n(o, immediate(r, 8), i.osize); break;
    case OPD_Jz: put_n(o, rng_below(r, 0x80) + 16, i.osize == 2 ? 2 : 4); break;
    case OPD_Ob:
    case OPD_Ov:
        put_n(o, (m >= PM_L32 ? 0 : P_DATA) + rng_below(r, P_DATA_BYTES), i.asize);
        break;
    case OPD_Ap:
        put_n(o, m >= PM_L32 ? rng_below(r, 0x2000) : P_CODE + rng_below(r, 0x2000), i.osize);
        put_n(o, one_in(r, 3) ? (uint64_t[]){ P_CS32, P_LDT_CS32, P_LDT_CS16, P_LDT_DATA, P_CS64,
                                              0, 8, 0x57 }[rng_below(r, 8)] :
              m == PM_32 ? P_CS32 : m == PM_L32 ? P_LDT_CS32 : P_LDT_CS16, 2);
        break;
    default: break;
    }
}

/* ---- VEX ---- */
static void put_vex(Out *o, Rng *r, const X86Row *row, ProofMode m)
{
    static const uint8_t pps[9] = { [P_NP] = 0, [P_66] = 1, [P_F3] = 2, [P_F2] = 3 };
    unsigned map = row->map - VEX_MAPS,
             w = row->w == W_1   ? 1
                 : row->w == W_0 ? 0
                                 : rng_below(r, 2),
             l = rng_below(r, 2), pp = pps[row->prefix & 15];
    unsigned rxb = m == PM_64 ? (unsigned)rng(r) & 7 : 7, vvvv = (unsigned)rng(r) & 15;
    bool has_vvvv = false;

    for (unsigned k = 0; k < 3; k++) {
        has_vvvv |= row->ops[k] == OPD_H || row->ops[k] == OPD_By;
    }
    if (!has_vvvv && !one_in(r, 50)) {
        vvvv = 15;
    }
    if (!(row->props & ISVEX) && row->has_modrm && !one_in(r, 30)) {
        l = 0;
    }
    if (m != PM_64 && one_in(r, 2)) {
        vvvv |= 8;                                      /* ignored there */
    }
    if (map == 1 && !w && (rxb & 3) == 3 && one_in(r, 2)) {
        put(o, 0xc5);
        put(o, (rxb & 4) << 5 | vvvv << 3 | l << 2 | pp);
        return;
    }
    put(o, 0xc4);
    put(o, rxb << 5 | map);
    put(o, w << 7 | vvvv << 3 | l << 2 | pp);
}

static void put_end(ProofCode *c)
{
    Out o = { c->bytes, c->n };
    uint32_t after = c->at + c->n + 5;

    switch (c->mode) {
    case PM_64: case PM_32:
        put(&o, 0xe9);
        put_n(&o, (c->mode == PM_64 ? P_EXIT : P_EXIT32) - after, 4);
        break;
    default:
        if (c->mode == PM_L16) {
            put(&o, 0x66);
        }
        put(&o, 0xea);
        put_n(&o, P_EXIT, 4);
        put_n(&o, P_CS64, 2);
    }
    c->total = o.n;
}

void proof_finish(ProofCode *c, Rng *r)
{
    unsigned space = P_CODE_BYTES - 300;

    c->at =
        P_CODE + (one_in(r, 8) ? P_PAGE - 1 - rng_below(r, c->n + 8) : rng_below(r, space) & ~15u);
    put_end(c);
}

static unsigned address_size(const Out *o, ProofMode m)
{
    bool over = memchr(o->p, 0x67, o->n) != NULL;
    return m == PM_64 ? (over ? 4 : 8) : (m == PM_L16) != over ? 2 : 4;
}

bool proof_code(ProofCode *c, Rng *r, unsigned k, ProofMode mode)
{
    unsigned n;
    const X86Row *row = &x86_rows(&n)[k];
    bool vex = row->map >= VEX_MAPS;
    const char *why;
    Out o = { c->bytes, 0 };

    if (!proof_runs_here(row, &why) || (mode == PM_64 ? row->props & NO64 : row->props & ONLY64)) {
        return false;
    }
    memset(c, 0, sizeof *c);
    c->mode = mode;
    c->row = k;
    put_prefixes(&o, r, row, mode, vex);
    unsigned asize = address_size(&o, mode);
    if (vex) {
        put_vex(&o, r, row, mode);
    } else {
        bool wide = g_str_has_suffix(row->name, "_w");  /* the decoder knows these by REX.W */
        if (wide && mode != PM_64) {
            return false;
        }
        if (mode == PM_64 && (wide || one_in(r, 2))) {
            put(&o, 0x40 | rng_below(r, 16) | (wide ? 8 : 0));
        }
        if (row->map) {
            put(&o, 0x0f);
        }
        if (row->map > 1) {
            put(&o, row->map == 2 ? 0x38 : 0x3a);
        }
    }
    put(&o, row->opcode);
    if (row->has_modrm) {
        put_modrm(&o, r, row, asize,
                  vex && row->props & ISVEX && x86_vex_rows[row->sub].props & VX_GATHER);
    }
    put_immediate(&o, r, row, mode, false);
    if (row->map == 0 && row->opcode == 0xcd && o.p[o.n - 1] == 0x80) {
        o.p[o.n - 1] = 0x81;                            /* not Linux's */
    }
    c->n = o.n;
    proof_finish(c, r);
    X86DecodeResult res = x86_decode(&c->insn, c->bytes, 32, proof_code_mode(mode));
    c->valid = res == DEC_OK;
    if (c->valid && c->insn.row && c->insn.row != row && !proof_runs_here(c->insn.row, &why)) {
        return false;
    }
    return c->n <= 15 && (!c->valid || c->insn.length == c->n);
}
