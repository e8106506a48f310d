/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sequence.c -- random programs of several instructions: flags that are read later, forward
 * branches, registers that feed each other, operands across pages and beside what is not there,
 * pushes and pops, stores to the code that follows (which faults: the page is read-only) and
 * single-stepping by POPF.
 *
 * Registers: rBX, rSI, rDI, rBP and rSP point into DATA at the start; what an instruction leaves
 * undefined is not used: only rows without a line in undefined.def are taken, and shifts by 1.
 *
 * Spec: Intel SDM (325383) vol. 2.
 * Omits: backward branches (a program must end); other modes than the host's user code has:
 *   tests/guest.
 */
#include <string.h>
#include "tests/cpu/proof/proof.h"

typedef struct Seq { uint8_t *p; unsigned n; Rng *r; ProofMode mode; } Seq;

static void put(Seq *s, unsigned byte) { s->p[s->n++] = (uint8_t)byte; }
static void put_n(Seq *s, uint64_t v, unsigned n) { memcpy(s->p + s->n, &v, n); s->n += n; }

/* 66 or REX.W at times; REX.R at random: the registers beside the pointers. */
static void size_prefix(Seq *s)
{
    if (one_in(s->r, 4)) {
        put(s, 0x66);
    }
    if (s->mode == PM_64 && one_in(s->r, 2)) {
        put(s, 0x40 | (rng_below(s->r, 4) << 2));
    }
}

static void modrm_memory(Seq *s, unsigned reg)
{
    static const uint8_t pointers[] = { 3, 6, 7, 5 };   /* rBX rSI rDI rBP */

    if (s->mode == PM_L16) {                            /* [si] [di] [bx], with 8 bits */
        put(s, 0x40 | reg << 3 | (4 + rng_below(s->r, 2)));
    } else {
        put(s, 0x40 | reg << 3 | pointers[rng_below(s->r, 4)]);
    }
    put(s, (unsigned)rng(s->r));
}

static void modrm(Seq *s, unsigned reg, bool allow_memory)
{
    if (!allow_memory || one_in(s->r, 3)) {
        put(s, 0xc0 | reg << 3 | rng_below(s->r, 3));
    } else {
        modrm_memory(s, reg);
    }
}

/* rAX rCX rDX, or R8 to R10 by REX */
static unsigned data_register(Seq *s) { return rng_below(s->r, 3); }

static void arithmetic(Seq *s)          /* not AND, OR, XOR: they leave AF undefined */
{
    static const uint8_t ops[] = { 0x00, 0x10, 0x18, 0x28, 0x38 };
    size_prefix(s);
    put(s, ops[rng_below(s->r, 5)] | rng_below(s->r, 4));
    modrm(s, data_register(s), true);
}

static void logic(Seq *s)               /* and one that defines all flags again */
{
    static const uint8_t ops[] = { 0x08, 0x20, 0x30 };
    size_prefix(s);
    put(s, ops[rng_below(s->r, 3)] | rng_below(s->r, 4));
    modrm(s, data_register(s), true);
    put(s, 0x3c);                                       /* cmp al, imm8 */
    put(s, (unsigned)rng(s->r));
}

static void move(Seq *s)
{
    size_prefix(s);
    put(s, 0x88 | rng_below(s->r, 4));
    modrm(s, data_register(s), true);
}

static void flag_reader(Seq *s)
{
    unsigned cc = rng_below(s->r, 16);
    switch (rng_below(s->r, 4)) {
    case 0: put(s, 0x0f); put(s, 0x90 | cc); modrm(s, 0, true); break;
    case 1:
        size_prefix(s);
        put(s, 0x0f);
        put(s, 0x40 | cc);
        modrm(s, data_register(s), true);
        break;
    case 2: put(s, 0x9f); break;                        /* lahf */
    default: put(s, 0xf5); break;                       /* cmc */
    }
}

static void increment(Seq *s)
{
    size_prefix(s);
    put(s, 0xfe | rng_below(s->r, 2));
    modrm(s, rng_below(s->r, 2), true);
}

static void extend(Seq *s)
{
    static const uint8_t ops[] = { 0xb6, 0xb7, 0xbe, 0xbf };
    size_prefix(s);
    put(s, 0x0f);
    put(s, ops[rng_below(s->r, 4)]);
    modrm(s, data_register(s), true);
}

static void stack(Seq *s)
{
    switch (rng_below(s->r, 6)) {
    case 0: put(s, 0x50 | rng_below(s->r, 8)); break;
    case 1: put(s, 0x58 | data_register(s)); break;
    case 2: put(s, 0x9c); break;
    case 3: put(s, 0x6a); put(s, (unsigned)rng(s->r)); break;
    case 4: put(s, 0xff); modrm(s, 6, true); break;
    default: put(s, 0x9c); put(s, 0x9d); break;         /* pushf, popf */
    }
}

static void vector(Seq *s)
{
    static const uint8_t ops[] = { 0xfe, 0xd4, 0xef, 0x6f, 0x7f, 0x58, 0x59, 0x5c, 0xeb, 0xdb,
                                   0x6e, 0x7e };
    put(s, rng_below(s->r, 2) ? 0x66 : 0xf3);
    if (s->p[s->n - 1] == 0xf3) {
        put(s, 0x0f);
        put(s, (uint8_t[]){ 0x6f, 0x7f, 0x58, 0x59, 0x5c, 0x10, 0x11 }[rng_below(s->r, 7)]);
    } else {
        put(s, 0x0f);
        put(s, ops[rng_below(s->r, sizeof ops)]);
    }
    modrm(s, rng_below(s->r, 8), true);
}

static void string_op(Seq *s)          /* not CMPS: which operand faults first is open */
{
    static const uint8_t ops[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
    put(s, ops[rng_below(s->r, sizeof ops)]);
}

/* pushf; or [sp], TF; popf: #DB behind the next instruction */
static void step_flag(Seq *s)
{
    if (s->mode != PM_64 && s->mode != PM_32) {
        return;
    }
    put(s, 0x9c);
    put(s, 0x81);
    put(s, 0x0c);
    put(s, 0x24);
    put_n(s, EF_TF, 4);
    put(s, 0x9d);
}

static void store_to_code(Seq *s)       /* mov [rip + n], eax: read-only there */
{
    if (s->mode == PM_64) {
        put(s, 0x89);
        put(s, 0x05);
        put_n(s, rng_below(s->r, 64), 4);
    }
}

/*
 * Any of D8 to DF but for loads of state, and two that only move the stack; at times FNINIT, from
 * where native code may be had.
 */
static void x87(Seq *s)
{
    static const uint8_t loads[][2] = { { 0xd9, 0xe8 }, { 0xd9, 0xeb }, { 0xd9, 0xee },
                                        { 0xd9, 0xc0 } };
    unsigned k = rng_below(s->r, 16), op = rng_below(s->r, 8), digit = rng_below(s->r, 8);

    if (k == 0) {
        put_n(s, 0xe3db, 2);
        for (k = 1 + rng_below(s->r, 4); k--; ) {
            const uint8_t *l = loads[rng_below(s->r, 4)];
            put_n(s, l[0] | (unsigned)l[1] << 8, 2);
        }
    } else if (k < 6) {                                 /* memory */
        bool state = (op == 1 || op == 5) && digit >= 4;
        put(s, 0xd8 | op);
        modrm_memory(s, state ? 7 : digit);             /* FNSTCW, FNSTSW */
    } else if (k < 8) {
        put_n(s, 0xe0df, 2);                            /* fnstsw ax */
    } else if (k < 14) {                                /* arithmetic, compares, exchanges */
        put(s, (uint8_t[]){ 0xd8, 0xdc, 0xde, 0xda, 0xdb, 0xdd, 0xdf, 0xd9 }[op]);
        put(s, 0xc0 | digit << 3 | rng_below(s->r, 3));
        if (s->p[s->n - 2] == 0xdb && (s->p[s->n - 1] & 0xf8) == 0xe0) {
            s->p[s->n - 1] = 0xe8;                      /* FNINIT and its neighbours */
        }
    } else {
        const uint8_t *l = loads[rng_below(s->r, 4)];
        put_n(s, l[0] | (unsigned)l[1] << 8, 2);
    }
}

typedef void Maker(Seq *s);
static Maker *const makers[] = { arithmetic, arithmetic, arithmetic, logic, move, move,
                                 flag_reader, flag_reader, increment, extend, stack, vector,
                                     string_op };
static Maker *const x87_makers[] = { x87, x87, x87, x87, x87, x87, move, arithmetic, increment,
                                     flag_reader };

void proof_sequence(ProofCode *c, Rng *r, ProofMode mode, bool x87s)
{
    Seq s = { c->bytes, 0, r, mode };
    unsigned count = 3 + rng_below(r, 14), branch = 0, branch_left = 0;
    bool floats = x87s && one_in(r, 4);

    memset(c, 0, sizeof *c);
    c->mode = mode;
    c->sequence = true;
    while (count-- && s.n < 200) {
        if (!branch_left && one_in(r, 5)) {             /* a branch over some of the following */
            put(&s, 0x70 | rng_below(r, 16));
            branch = s.n;
            put(&s, 0);
            branch_left = 1 + rng_below(r, 4);
        } else if (one_in(r, 40)) {
            step_flag(&s);
        } else if (one_in(r, 60)) {
            store_to_code(&s);
        } else {
            (floats ? x87_makers[rng_below(r, G_N_ELEMENTS(x87_makers))]
                    : makers[rng_below(r, G_N_ELEMENTS(makers))])(&s);
        }
        if (branch_left && branch + 1 < s.n && --branch_left == 0) {
            c->bytes[branch] = (uint8_t)(s.n - branch - 1);
        }
    }
    if (branch_left) {
        c->bytes[branch] = (uint8_t)(s.n - branch - 1);
    }
    c->n = s.n;
    proof_finish(c, r);
}
