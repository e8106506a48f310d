/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * values.c -- states to run code with: corner values and random ones, address registers solved so
 * that operands lie where it is interesting (across pages, beside what is not there, aligned or
 * not), reals of every class.
 */
#include <string.h>
#include "cpu/x86/x87.h"
#include "tests/cpu/proof/proof.h"

void rng_seed(Rng *r, uint64_t seed)
{
    for (unsigned k = 0; k < 2; k++) {  /* SplitMix64 */
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        r->s[k] = z ^ (z >> 31);
    }
}

static uint64_t integer(Rng *r)
{
    static const uint64_t corners[] = { 0,
                                        1,
                                        0x7f,
                                        0x80,
                                        0xff,
                                        0x7fff,
                                        0x8000,
                                        0xffff,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff,
                                        INT64_MAX,
                                        UINT64_C(1) << 63,
                                        UINT64_MAX,
                                        0xff80,
                                        0xffffffffffffff80 };
    uint64_t v = rng(r);

    switch (v & 7) {
    case 0: return corners[v >> 8 & 15];
    case 1: return UINT64_C(1) << (v >> 8 & 63);
    case 2: return (UINT64_C(1) << (v >> 8 & 63)) - (v >> 16 & 3) + 1;
    case 3: return (uint64_t)(int64_t)(int8_t)(v >> 8);
    case 4: return v >> 8 & 0xff;
    default: return rng(r);
    }
}

/* ---- reals ---- */
static uint32_t real32(Rng *r)
{
    static const uint32_t special[] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                                        0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001,
        0xff812345, 1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000, 0x4effffff,
        0x33800000, 0x3fc00000, 0x40200000, 0x20000000, 0x1f800000, 0x477ff000, 0x38800000, 0x33000000, 0x4b000000, 0x4b7fffff, 0x3effffff };
    uint64_t v = rng(r);
    return v & 3 ? (v & 4 ? (uint32_t)(v >> 32) : 0x3f000000 + (uint32_t)(v >> 38))
                 : special[v >> 8 & 31];
}

static uint64_t real64(Rng *r)
{
    static const uint64_t special[] = { 0, UINT64_C(1) << 63, 0x3ff0000000000000,
                                        0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000,
        0x7ff8000000000000, 0xfff8000000000001, 0x7ff0000000000001, 1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
        0x41e0000000000000, 0xc1e0000000000000, 0x41dfffffffc00000, 0x43e0000000000000, 0xc3e0000000000000, 0x47f0000000000000, 0x3690000000000000,
        0x3ff8000000000000, 0x4004000000000000, 0x2000000000000000, 0x3810000000000000, 0x380fffffffffffff, 0x47efffffe0000000, 0x4330000000000000,
        0x3fdfffffffffffff, 0x43dfffffffffffff, 0x36a0000000000000, 0x3fe0000000000000, 0xbfe0000000000000 };
    uint64_t v = rng(r);
    return v & 3 ? (v & 4 ? rng(r) : UINT64_C(0x3fe0000000000000) + (rng(r) >> 9))
                 : special[v >> 8 & 31];
}

static void real80(Rng *r, uint8_t *to)
{
    static const uint16_t exps[] = { 0x3fff, 0x3ffe, 0x4000, 0x4001, 0x0001, 0x7ffe, 0x401e,
                                     0x403e, 0x3f80, 0x4080, 0x3bff, 0x43ff, 0x4005, 0x4010,
                                         0x3ff0, 0x3fbf };
    uint64_t v = rng(r), mant = rng(r), top = UINT64_C(1) << 63;
    uint16_t e;

    switch (v & 15) {
    case 0: mant = 0, e = 0; break;
    case 1: mant = top, e = 0x7fff; break;
    case 2: mant |= top | top >> 1, e = 0x7fff; break;
    case 3: mant = (mant | top | 1) & ~(top >> 1), e = 0x7fff; break;
    case 4: mant &= ~top, e = 0; break;
    case 5: mant |= top, e = 0; break;
    case 6: e = (uint16_t)(v >> 16 & 0x7fff); break;
    case 7: mant = top, e = 0x3fff; break;
    case 8: mant = (mant | top) & UINT64_MAX << 40, e = exps[v >> 8 & 15]; break;
    case 9: mant = top | (mant & 0xff) << 53, e = (uint16_t)(0x3ffb + (v >> 8 & 15)); break;
    default: mant |= top, e = exps[v >> 8 & 15]; break;
    }
    e |= (uint16_t)(v >> 40 & 0x8000);
    memcpy(to, &mant, 8);
    memcpy(to + 8, &e, 2);
}

/* Bytes for an operand: of one kind throughout, as code would have it. */
static void fill(Rng *r, uint8_t *to, unsigned n)
{
    unsigned kind = rng_below(r, 8);

    for (unsigned k = 0; k < n; k += 8) {
        uint64_t v;
        switch (kind) {
        case 0: v = real64(r); break;
        case 1: v = real32(r) | (uint64_t)real32(r) << 32; break;
        case 2: v = rng(r) & rng(r) & rng(r); break;
        case 3: v = (rng(r) & 0x8080808080808080) | (rng(r) & 0x0f0f0f0f0f0f0f0f); break;
        case 4: v = rng(r) % 40; break;
        case 5: v = integer(r); break;
        case 6: v = k == 0 ? real64(r) : rng(r); break;
        default: v = rng(r); break;
        }
        memcpy(to + k, &v, MIN(8, n - k));
    }
}

void proof_memory(uint8_t *m, Rng *r)
{
    for (unsigned k = 0; k < P_MEMORY; k += 64) {
        fill(r, m + k, 64);
    }
}

/* ---- floating-point state ---- */
static void put(uint8_t *to, uint64_t v, unsigned n) { memcpy(to, &v, n); }

static void x87_state(Rng *r, uint8_t *x)
{
    unsigned cw = 0x7f | (one_in(r, 3) ? rng_below(r, 4) << 8 : 0x300) | (rng_below(r, 4) << 10),
             sw = 0, tags = 0xff;

    if (one_in(r, 2)) {
        cw = 0x37f;
    } else if (one_in(r, 3)) {
        cw &= ~((unsigned)rng(r) & 0x3f);
    }
    if (one_in(r, 4)) {
        sw |= (unsigned)rng(r) & 0x3f & (one_in(r, 4) ? ~0u : cw);
    }
    sw |= ((unsigned)rng(r) & 0x4700) | rng_below(r, 8) << 11 |
          ((sw & 1) && one_in(r, 2) ? SW_SF : 0);
    if (sw & ~cw & 0x3f) {
        sw |= SW_ES | SW_B;
    }
    if (one_in(r, 2)) {
        tags = (unsigned)rng(r) & 0xff;
    }
    put(x, cw, 2);
    put(x + FX_SW, sw, 2);
    put(x + FX_TAG, tags, 2);
    for (unsigned k = 0; k < 8; k++) {
        real80(r, x + FX_ST + 16 * k);
    }
}

static uint32_t mxcsr(Rng *r)
{
    uint32_t v = 0x1f80 | ((uint32_t)rng(r) & (uint32_t)rng(r) & 0x3f);

    if (one_in(r, 2)) {
        v |= (uint32_t)rng(r) & 0xe040;
    }
    return one_in(r, 6) ? v & ~((uint32_t)rng(r) & 0x1f80) : v;
}

static bool touches_x87(const X86Insn *i)
{
    const X86Row *row = i->row;

    if (row->map == 0) {
        return row->opcode >= 0xd8 && row->opcode <= 0xdf;
    }
    for (unsigned k = 0; k < 3; k++) {
        if (row->ops[k] == OPD_P || row->ops[k] == OPD_Q) {
            return true;
        }
    }
    return row->map == 1 && (row->opcode == 0xae || row->opcode == 0xc7 || row->opcode == 0x77);
}

static bool touches_vectors(const X86Insn *i)
{
    return i->row->props & (ISVOP | ISHELPER | ISVEX) || i->row->map >= 4 ||
           (i->row->map == 1 && (i->row->opcode == 0xae || i->row->opcode == 0xc7));
}

/* ---- addresses ---- */
static uint64_t target(Rng *r, unsigned align, ProofMode m)
{
    uint64_t base = P_DATA, at;

    switch (rng_below(r, 32)) {
    case 0: at = base - 8 + rng_below(r, 16); break;
    case 1: at = base + P_DATA_BYTES - 72 + rng_below(r, 80); break;
    case 2: at = P_CONST + rng_below(r, P_PAGE); break;
    case 3: at = P_CONST + P_PAGE - 64 + rng_below(r, 70); break;
    case 4:
        at = one_in(r, 4)   ? rng(r)
             : one_in(r, 2) ? rng_below(r, 0x2000)
                            : UINT64_C(0x7ffffffff000) + rng_below(r, 0x2000) - 0x1000;
        break;
    case 5: at = P_CODE + rng_below(r, P_CODE_BYTES); break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        at = base + P_PAGE - 64 + rng_below(r, 128);
        break;
    default: at = base + rng_below(r, P_DATA_BYTES - 128); break;
    }
    if (one_in(r, 8)) {
        return at;
    }
    return at & ~(uint64_t)((align > 1 ? align : one_in(r, 2) ? 8 : 1) - 1);
}

static uint64_t segment_base(const ProofState *s, const X86Insn *i, ProofMode m)
{
    if (m == PM_64) {
        return i->seg == S_FS ? s->fs_base : i->seg == S_GS ? s->gs_base : 0;
    }
    return m == PM_32 ? 0 : i->seg == S_CS ? P_CODE : P_DATA;
}

static void aim(ProofState *s, Rng *r, const ProofCode *c, uint64_t to)
{
    const X86Insn *i = &c->insn;
    uint64_t index = 0, base;

    if (i->pc_relative || i->base == X86_NO_REG) {
        if (i->index != X86_NO_REG && !i->pc_relative) {
            s->gpr[i->index] = (to - segment_base(s, i, c->mode) - (uint64_t)i->disp) >> i->scale;
        }
        return;
    }
    if (i->index != X86_NO_REG && i->index != i->base &&
        !(i->row->props & ISVEX && x86_vex_rows[i->row->sub].props & VX_GATHER)) {
        index = one_in(r, 2) ? s->gpr[i->index] : rng_below(r, 256);
        s->gpr[i->index] = index;
    }
    base = to - segment_base(s, i, c->mode) - (uint64_t)i->disp - (index << i->scale);
    if (i->index == i->base) {
        base = i->scale ? base / ((1u << i->scale) + 1) : base / 2;
    }
    if (i->asize == 8) {
        s->gpr[i->base] = base;
    } else if (i->asize == 4) {
        s->gpr[i->base] = (uint32_t)base | (one_in(r, 2) && c->mode == PM_64 ? rng(r) << 32 : 0);
    } else {
        s->gpr[i->base] = (base & 0xffff) | (rng(r) & 0xffff0000);
    }
}

static unsigned alignment(const X86Insn *i)
{
    const X86Row *row = i->row;
    if (row->align) {
        return row->align;
    }
    if (row->map == 1 && (row->opcode == 0xae || row->opcode == 0xc7)) {
        return 64;
    }
    return (row->props & ISVEX) && x86_vex_rows[row->sub].aligned ? 32 : 1;
}

/* What instructions use beside their ModRM operand. */
static void implicit(ProofState *s, Rng *r, const ProofCode *c)
{
    const X86Insn *i = &c->insn;
    unsigned op = i->row->map == 0 ? i->row->opcode : 0,
             op2 = i->row->map == 1 ? i->row->opcode : 0;
    bool segmented = c->mode >= PM_L32;
    uint64_t off = segmented ? P_DATA : 0;

    s->gpr[R_RSP] = (target(r, 1, c->mode) & ~(one_in(r, 4) ? 0ull : 7ull)) - off;
    if (op == 0xc8 || op == 0xc9) {
        s->gpr[R_RBP] = target(r, 8, c->mode) - off;
    }
    if ((op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf) || (op >= 0x6c && op <= 0x6f)) {
        s->gpr[R_RSI] = target(r, 1, c->mode) - off;
        s->gpr[R_RDI] =
            (one_in(r, 6) ? s->gpr[R_RSI] + off + rng_below(r, 64) - 32 : target(r, 1, c->mode)) -
            off;
        if (i->rep) {
            s->gpr[R_RCX] = one_in(r, 16) ? rng_below(r, 2000) : rng_below(r, 40);
        }
    }
    if (op == 0xd7) {
        s->gpr[R_RBX] = target(r, 1, c->mode) - off - (s->gpr[R_RAX] & 0xff);
    }
    if (!strcmp(i->row->name, "CLZERO")) {
        s->gpr[R_RAX] = target(r, 1, c->mode) - off;
    }
    if (i->row->props & ISHELPER || (op2 == 0xf7)) {
        s->gpr[R_RDI] = target(r, 1, c->mode) - off;
    }
    if ((op2 == 0xa3 || op2 == 0xab || op2 == 0xb3 || op2 == 0xbb) && i->mod != 3 &&
        !one_in(r, 8)) {
        s->gpr[i->reg] = (uint64_t)((int64_t)rng(r) >> 51);
    }
    if (op >= 0xe0 && op <= 0xe3 && one_in(r, 2)) {
        s->gpr[R_RCX] = rng_below(r, 3);
    }
    if ((i->row->map == 3) && (i->row->opcode == 0x60 || i->row->opcode == 0x61)) {
        s->gpr[R_RAX] = (uint64_t)(rng_below(r, 40) - 20ll),
        s->gpr[R_RDX] = (uint64_t)(rng_below(r, 40) - 20ll);
    }
}

/* Control transfers by register or memory go to code that is there, mostly. */
static uint64_t code_target(Rng *r, const ProofCode *c)
{
    uint64_t off = c->mode >= PM_L32 ? P_CODE : 0;
    return one_in(r, 10) ? rng(r) : P_CODE + rng_below(r, P_CODE_BYTES) - off;
}

static bool is_transfer(const X86Row *row)
{
    return row->map == 0 && ((row->opcode >= 0xc2 && row->opcode <= 0xc3) ||
                             (row->opcode >= 0xca && row->opcode <= 0xcb) || row->opcode == 0xcf ||
                             row->opcode == 0xff);
}

static uint64_t selector(Rng *r, const ProofCode *c)
{
    static const uint16_t any[] = { P_CS32, P_CS64, P_DS, P_LDT_CS32, P_LDT_CS16, P_LDT_DATA,
                                    P_LDT_DOWN, P_LDT_STACK16, P_LDT_READ, 0, 3, 8, 0x10,
                                    0x18, 0x28, 0x37, 0x67, 0x90, 0x16, 0x42 };
    return any[rng_below(r, G_N_ELEMENTS(any))];
}

static bool wants_selector(const X86Row *row)
{
    return (row->map == 0 && (row->opcode == 0x8e || row->opcode == 0x63 || row->opcode == 0x07 ||
                              row->opcode == 0x17 || row->opcode == 0x1f || row->opcode == 0xc4 ||
                              row->opcode == 0xc5)) ||
           (row->map == 1 && (row->opcode < 4 || row->opcode == 0xa1 || row->opcode == 0xa9 ||
                              row->opcode == 0xb2 || row->opcode == 0xb4 || row->opcode == 0xb5));
}

/* A frame for RET, RETF, IRET: offset, selector, flags, stack. */
static unsigned put_operand(Rng *r, const ProofCode *c, uint8_t *to)
{
    const X86Row *row = c->insn.row;
    unsigned n = c->insn.osize;

    if (is_transfer(row)) {
        uint64_t cs = one_in(r, 4) ? selector(r, c) : (uint64_t[]){ P_CS64, P_CS32, P_LDT_CS32,
                                                                    P_LDT_CS16 }[c->mode];
        put(to, code_target(r, c), n);
        put(to + n, cs, n);
        put(to + 2 * n, 0x202 | (rng(r) & (one_in(r, 2) ? 0x8d5 : 0x40cd5)), n);
        put(to + 3 * n, target(r, 8, c->mode) - (c->mode >= PM_L32 ? P_DATA : 0), n);
        put(to + 4 * n,
            one_in(r, 4)        ? selector(r, c)
            : c->mode < PM_L32  ? P_DS
            : c->mode == PM_L32 ? P_LDT_DATA
                                : P_LDT_STACK16,
            n);
        return 5 * n;
    }
    if (wants_selector(row)) {
        put(to, one_in(r, 2) ? selector(r, c) : rng(r), 8);
        put(to + n, selector(r, c), 2);
        if (row->map == 0 ? row->opcode != 0xc4 && row->opcode != 0xc5 : row->opcode < 0xb0) {
            put(to, selector(r, c), 2);
        }
        return 16;
    }
    if (row->map == 0 && row->opcode >= 0xd8 && row->opcode <= 0xdf && one_in(r, 2)) {
        real80(r, to);
        if (one_in(r, 4)) {             /* decimal digits */
            for (unsigned k = 0; k < 10; k++) {
                to[k] = (uint8_t)(rng_below(r, 10) << 4 | rng_below(r, 10));
            }
        }
        return 10;
    }
    if (!strcmp(row->name, "XRSTOR") && !one_in(r, 4)) {
        /* an area that can be loaded, mostly: its header */
        for (unsigned k = 0; k < 512; k += 64) {
            fill(r, to + k, 64);
        }
        put(to + FX_MXCSR, mxcsr(r), 8);
        memset(to + XS_BV, 0, 64);
        to[XS_BV] = (uint8_t)(rng_below(r, 8) | (one_in(r, 20) ? rng_below(r, 256) : 0));
        return XS_BV + 64;
    }
    fill(r, to, 64);
    if ((row->map & 3) == 1 && (row->opcode == 0xae || row->opcode == 0xc7)) {
        /* MXCSR.MM is AMD's alone (APM1 4.2.2) */
        to[2] &= 0xfd;
        to[26] &= 0xfd;
    }
    return 64;
}

/* ---- all of it ---- */
static void put_flags(ProofState *s, Rng *r)
{
    s->rflags = 0x202 | (rng(r) & EF_ARITH) | (one_in(r, 4) ? EF_DF : 0) |
                (one_in(r, 40) ? EF_AC : 0) | (one_in(r, 16) ? EF_ID : 0);
}

static void put_segments(ProofState *s, Rng *r, const ProofCode *c)
{
    static const uint16_t of[PM_N][6] = {
        [PM_64] = { P_DS, P_DS, 0, 0, P_DS, P_CS64 }, [PM_32] = { P_DS, P_DS, 0, 0, P_DS, P_CS32 },
        [PM_L32] = { P_LDT_DATA, P_LDT_DOWN, P_LDT_READ, P_LDT_STACK16, P_LDT_DATA, P_LDT_CS32 },
        [PM_L16] = { P_LDT_DATA, P_LDT_DATA, P_LDT_READ, P_LDT_DOWN, P_LDT_STACK16, P_LDT_CS16 },
    };
    s->ds = of[c->mode][0], s->es = of[c->mode][1], s->fs = of[c->mode][2], s->gs = of[c->mode][3],
    s->ss = of[c->mode][4], s->cs = of[c->mode][5];
    s->rip = c->at - (c->mode >= PM_L32 ? P_CODE : 0);
    s->fs_base = c->mode == PM_64 ? P_DATA + 8 * rng_below(r, 256) : 0;
    s->gs_base =
        c->mode == PM_64 ? (one_in(r, 16) ? rng(r) >> 17 : P_DATA + 8 * rng_below(r, 256)) : 0;
}

/* Vectors are drawn from a store that is made once: making them would be most of a case's time. */
enum { STORE_VECTORS = 16384 };
static uint8_t (*store)[16];

void proof_values_open(Rng *r)
{
    store = g_malloc(STORE_VECTORS * sizeof *store);
    for (unsigned k = 0; k < STORE_VECTORS; k++) {
        fill(r, store[k], 16);
    }
}

static void put_vectors(ProofState *s, Rng *r)
{
    for (unsigned k = 0; k < 16; k += 2) {
        uint64_t v = rng(r);
        memcpy(s->x + FX_XMM + 16 * k, store[v % STORE_VECTORS], 16);
        memcpy(s->x + XS_YMM + 16 * k, store[(v >> 16) % STORE_VECTORS], 16);
        memcpy(s->x + FX_XMM + 16 * k + 16, store[(v >> 32) % STORE_VECTORS], 16);
        memcpy(s->x + XS_YMM + 16 * k + 16, store[(v >> 48) % STORE_VECTORS], 16);
    }
    if (one_in(r, 8)) {
        memcpy(s->x + FX_XMM + 16, s->x + FX_XMM, 16);
    }
    put(s->x + FX_MXCSR, mxcsr(r), 4);
}

static void first_state(ProofState *s, Rng *r, const ProofCode *c)
{
    memset(s, 0, sizeof *s);
    put(s->x, 0x37f, 2);
    put(s->x + FX_MXCSR, 0x1f80, 4);
    put(s->x + XS_BV, 7, 8);
    x87_state(r, s->x);
    put_vectors(s, r);
}

static void put_gprs(ProofState *s, Rng *r, const ProofCode *c)
{
    for (unsigned k = 0; k < 16; k++) {
        s->gpr[k] = integer(r);
    }
    if (one_in(r, 8)) {
        s->gpr[rng_below(r, 16)] = s->gpr[rng_below(r, 16)];
    }
    if (c->valid && c->insn.row->name[0] == 'D' && c->insn.row->name[1] == 'I' && !one_in(r, 4)) {
        /* DIV: without overflow */
        s->gpr[R_RDX] = one_in(r, 2) ? 0 : rng_below(r, 64);
    }
    if (wants_selector(c->insn.row ? c->insn.row : x86_rows(&(unsigned){ 0 })) &&
        c->insn.mod == 3) {
        s->gpr[c->insn.rm] = (rng(r) & ~0xffffull) | selector(r, c);
        s->gpr[c->insn.reg] = (rng(r) & ~0xffffull) | selector(r, c);
    }
    if (c->valid && is_transfer(c->insn.row) && c->insn.mod == 3) {
        s->gpr[c->insn.rm] = code_target(r, c);
    }
}

void proof_state(ProofState *s, Rng *r, const ProofCode *c, uint8_t *memory, uint32_t *from,
                 uint32_t *n)
{
    uint8_t operand[XS_BV + 64];
    uint64_t to = 0;

    if (!s->rip) {
        first_state(s, r, c);
    }
    *n = 0;
    put_flags(s, r);
    put_segments(s, r, c);
    put_gprs(s, r, c);
    if (c->sequence || (c->valid && touches_vectors(&c->insn))) {
        put_vectors(s, r);
    }
    if (c->sequence || (c->valid && touches_x87(&c->insn))) {
        x87_state(r, s->x);
    }
    if (c->valid && !c->sequence) {
        implicit(s, r, c);
        if (c->insn.row->has_modrm && c->insn.mod != 3) {
            to = target(r, alignment(&c->insn), c->mode);
            aim(s, r, c, to);
        } else if (is_transfer(c->insn.row) || wants_selector(c->insn.row)) {
            to = s->gpr[R_RSP] + (c->mode >= PM_L32 ? P_DATA : 0);
        }
    }
    for (unsigned k = R_RBX; k <= R_RDI && c->sequence; k++) {
        s->gpr[k] = (target(r, 8, c->mode) & ~UINT64_C(1)) - (c->mode >= PM_L32 ? P_DATA : 0);
    }
    if (c->mode != PM_64) {
        for (unsigned k = 0; k < 16; k++) {
            s->gpr[k] = k < 8 ? (uint32_t)s->gpr[k] : 0;
        }
    }
    if (c->valid && !c->sequence && to >= P_DATA && to < P_DATA + P_DATA_BYTES - sizeof operand) {
        *n = put_operand(r, c, operand);
        *from = (uint32_t)(to - P_DATA);
        memcpy(memory + *from, operand, *n);
    }
}
