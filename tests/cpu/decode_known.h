/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode_known.h -- where libcapstone 4 and this decoder read bytes differently, and why.
 *
 * Spec: Intel SDM (325383) vol. 2.
 */
/* Features that no CPU model here has, by the beginning of their names. */
static bool is_unmodelled(const char *name)
{
    static const char *const names[] = {
        "v",        "getsec",   "sha",       "inve",    "invv",    "invlpga",  "xabort",
        "xbegin",   "xend",     "xtest",     "ad",      "encl",    "skinit",   "clgi",
        "stgi",     "extrq",    "insertq",   "movntss", "movntsd", "k",        "and",
        "b",        "xstore",   "xcrypt",    "xsha",    "montmul", "monitorx", "mwaitx",
        "clzero",   "rdpkru",   "wrpkru",    "ptwrite", "gf2",     "pcommit",  "clac",
        "wbnoinvd", "rdssp",    "incssp",    "llwpcb",  "slwpcb",  "lwp",      "t1mskc",
        "tzmsk",    "fxsave64", "fxrstor64", "lfence",  "mfence",  "sfence",   "cmpxchg16b",
        "smsw",     "str",      "xsave",     "xrstor",  "pinsr",   "pextr",    "ptwrite",
        "rdrand",   "rdseed",   "movd",      "movq",    "movmskp", "pmovmskb", "maskmov",
        "fcmov",    "arpl",     "aesimc",    "punpck",
    };
    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        if (starts(name, names[k]))
            return true;
    }
    return false;
}

static bool known(const Run *r, const X86Insn *i, const cs_insn *c)
{
    unsigned op = i->map << 8 | i->opcode;
    bool code64 = r->mode & X86_MODE_CODE64;
    /* measured only; libcapstone takes LOCK nearly everywhere */
    if (i->vex || i->lock)
        return true;
    /* reserved prefixes, on which the two differ */
    if (i->map && (i->rep || i->opsize) && (!i->row || !c))
        return true;
    if (code64 && i->opsize && (op == 0xe8 || op == 0xe9 || (op >= 0x180 && op <= 0x18f)))
        return true;                                    /* AMD's 16-bit displacement */
    if (op == 0x1b9 || op == 0x1ff)                     /* UD1, UD0 have a ModRM byte */
        return true;
    if ((i->rex & 8) && (op == 0xc2 || op == 0xe8 || op == 0xe9 || (op >= 0x180 && op <= 0x18f)))
        return true;                                    /* REX.W does not widen these */
    if (i->map == 0 && i->rep && (i->opsize || (code64 && op >= 0xa0 && op <= 0xa3)))
        /* a repeat prefix beside 66 hides it from libcapstone */
        return true;
    /* operands are looked at later: x87, segment numbers, hints */
    if (!c)
        return op == 0x2f8 || op == 0x2f9 || /* MOVDIR64B, MOVDIRI */
               (op >= 0xd8 && op <= 0xdf) || op == 0x8c || op == 0x8e || i->map == 1 ||
               op == 0xd6 || op == 0xf1 || op == 0x82;
    if (starts(c->mnemonic, "xacquire") || starts(c->mnemonic, "xrelease"))
        return true;
    if (i->map >= 2 && !i->row && (i->rex & 8) && i->mandatory == P_NP)
        /* REX.W makes libcapstone forget that 66 is needed */
        return true;
    if (starts(c->mnemonic, "swapgs") && !code64)
        return true;
    return !i->row && is_unmodelled(c->mnemonic);
}
