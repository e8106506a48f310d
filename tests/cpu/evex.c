/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex.c -- every row of evex.def on both engines: in all lengths, from registers and memory,
 * broadcast, with and without a mask, merged and zeroed, under every rounding, with memory that may
 * not be touched and with exceptions unmasked.
 *
 * usage: evex [seed [cases of each form]]; the same seed gives the same run.
 *
 * What a row computes is asked of the processor, where it has an instruction with VEX of that name
 * (evex_sibling.c), else of evex_ref*.c; masks, broadcast, roundings, faults are worked out here.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7.
 * Omits: 32-bit code; underflow unmasked.
 * Threads: one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/cpu/evex_sibling.h"

typedef struct State {
    X86Vec   z[32];
    uint64_t k[8], gpr[3], rflags;
    uint32_t mxcsr, pad[7];
    uint8_t  memory[2048];
} State;
enum { MEMORY = 1024 };                                 /* where rdi points in it */

typedef struct Enc { const char *name; uint8_t pp, map, opcode, form, digit, wide; } Enc;
enum { FORM_ANY, FORM_MEM, FORM_REG };
#define PP_P_NP 0
#define PP_P_66 1
#define PP_P_F3 2
#define PP_P_F2 3
#define F_MR FORM_ANY, 0
#define F_MEM FORM_MEM, 0
#undef F_REG
#define F_REG FORM_REG, 0
#define F_D(n) FORM_ANY, 1 + (n)
static const Enc encs[] = {
#define EVEX(nm, pfx, m, op, mr, w, ...) [EX_##nm] = { #nm, PP_##pfx, m, op, F_##mr, w == W_1 },
#include "cpu/x86/evex.def"
#undef EVEX
};

typedef struct Case {
    unsigned ex, l, reg, rm, v, k, imm, index, scale;
    bool     mem, z, b;
    int      disp;
    unsigned allowed;                   /* so many elements of memory may be touched */
} Case;

static unsigned done[EX_N], bad, bad_row;
static const X86EvexRow *row_of(const Case *c) { return &x86_evex_rows[c->ex]; }
static bool has(const X86EvexRow *r, unsigned letter)
{
    return r->ops[0] == letter || r->ops[1] == letter || r->ops[2] == letter;
}
static uint64_t low(unsigned n) { return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1; }
static bool rounds(const Case *c) { return c->b && !c->mem; }
static unsigned vl_of(const Case *c)
{
    const X86EvexRow *r = row_of(c);
    return r->lengths == L_X || r->lengths == L_IG ? 16 : rounds(c) ? 64 : 16u << c->l;
}

/* ---- the instruction ---- */
static unsigned mem_bytes(const Case *c)                /* without broadcast */
{
    const X86EvexRow *r = row_of(c);
    unsigned vl = vl_of(c);
    switch (r->tuple) {
    case T_FV: case T_FVM: return vl;
    case T_HV: case T_HVM: return vl / 2;
    case T_QVM: return vl / 4;
    case T_OVM: return vl / 8;
    case T_M128: return 16;
    case T_DUP: return vl == 16 ? 8 : vl;
    case T_NONE: return 0;
    default: return r->from << (r->tuple - T_T1S);
    }
}
static uint8_t *address(const Case *c, State *s)
{
    return s->memory + MEMORY + c->disp * (int)(c->b && c->mem ? row_of(c)->from : mem_bytes(c));
}

static unsigned assemble(const Case *c, uint8_t *p)
{
    const Enc *e = &encs[c->ex];
    bool vsib = row_of(c)->flags & E_VSIB;
    unsigned n = 0, rm = c->mem ? vsib ? 4 : R_RDI : c->rm,
             x = c->mem ? (vsib ? c->index >> 3 & 1 : 0) : rm >> 4 & 1;
    unsigned high = vsib ? c->index >> 4 : c->v >> 4;
    unsigned reg = e->digit ? e->digit - 1u : c->reg;
    p[n++] = 0x62;
    p[n++] = (uint8_t)(((reg >> 3 & 1) << 7 | x << 6 | (c->mem ? 0 : rm >> 3 & 1) << 5 |
                        (reg >> 4 & 1) << 4) ^
                       0xf0) |
             e->map;
    p[n++] = (uint8_t)(e->wide << 7 | (~c->v & 15) << 3 | 4 | e->pp);
    p[n++] = (uint8_t)(c->z << 7 | c->l << 5 | c->b << 4 | (~high & 1) << 3 | c->k);
    p[n++] = e->opcode;
    p[n++] = (uint8_t)((c->mem ? 0x40 : 0xc0) | (reg & 7) << 3 | (rm & 7));
    if (c->mem && vsib)
        p[n++] = (uint8_t)(c->scale << 6 | (c->index & 7) << 3 | R_RDI);
    if (c->mem)
        p[n++] = (uint8_t)c->disp;
    if (row_of(c)->imm)
        p[n++] = (uint8_t)c->imm;
    return n;
}

/* ---- what is to come out: 0, or the vector raised + 1; s becomes the state after it ---- */
static uint64_t forbidden_from(const Case *c, State *s)
{
    return (uintptr_t)address(c, s) +
           (uint64_t)c->allowed * (row_of(c)->ops[0] == OPD_W || row_of(c)->ops[0] == OPD_E
                                       ? row_of(c)->to
                                       : row_of(c)->from);
}

/* Elements of memory that are accessed. */
static uint64_t touched(const Case *c, const RefOp *o)
{
    const X86EvexRow *r = row_of(c);
    bool store = r->ops[0] == OPD_W || r->ops[0] == OPD_E;
    unsigned m = store ? o->n : mem_bytes(c) / r->from;
    uint64_t t = 0;
    if (r->flags & (E_EXPAND | E_COMPRESS))
        return low((unsigned)__builtin_popcountll(o->mask));
    if (c->b)
        return o->mask || r->flags & E_NF ? 1 : 0;
    if (r->flags & (E_NF | E_NOMASK))
        return low(m);
    for (unsigned i = 0; i < o->n; i++)
        t |= (o->mask >> i & 1) << i % m;
    return t;
}

static void operand(const Case *c, State *s, RefOp *o, unsigned letter, X86Vec *v)
{
    memset(v, 0, sizeof *v);
    switch (letter) {
    case OPD_V: *v = s->z[c->reg]; break;
    case OPD_H: *v = s->z[c->v]; break;
    case OPD_KR: o->opmask = s->k[c->rm & 7]; break;
    case OPD_W: case OPD_E:
        if (!c->mem && letter == OPD_E) {
            v->u64[0] = s->gpr[c->rm];
        } else if (!c->mem) {
            *v = s->z[c->rm];
        } else if (c->b) {
            for (unsigned k = 0; k < mem_bytes(c); k += row_of(c)->from)
                memcpy(v->u8 + k, address(c, s), row_of(c)->from);
        } else {
            memcpy(v, address(c, s), row_of(c)->flags & E_EXPAND ? 64 : mem_bytes(c));
        }
        break;
    }
}

static int expect_vsib(const Case *c, State *s)
{
    const X86EvexRow *r = row_of(c);
    bool scatter = r->ops[0] == OPD_W, quad = strchr(encs[c->ex].name, 'r')[1] == 'q' ||
                                              strstr(encs[c->ex].name, "scatterq") != NULL;
    unsigned bytes = r->to, n = (16u << c->l) / (quad || bytes == 8 ? 8 : 4);
    X86Vec index = s->z[c->index];
    for (unsigned i = 0; i < n; i++) {
        int64_t k = quad ? index.s64[i] : index.s32[i];
        uint8_t *at = s->memory + MEMORY + c->disp * (int)bytes + k * (1 << c->scale);
        if (!(s->k[c->k] >> i & 1))
            continue;
        if ((uintptr_t)at + bytes > (uintptr_t)s->memory + MEMORY + c->allowed)
            return EXC_PF + 1;
        if (scatter)
            memcpy(at, &s->z[c->reg].u8[i * bytes], bytes);
        else
            memcpy(&s->z[c->reg].u8[i * bytes], at, bytes);
        s->k[c->k] &= ~(UINT64_C(1) << i);
    }
    s->k[c->k] = 0;
    if (!scatter)
        memset(&s->z[c->reg].u8[n * bytes], 0, 64 - n * bytes);
    return 0;
}

static void keep(const Case *c, State *s, const RefOp *o)
{
    const X86EvexRow *r = row_of(c);
    bool store = c->mem && (r->ops[0] == OPD_W || r->ops[0] == OPD_E), scalar = r->lengths == L_IG;
    X86Vec *to = &s->z[r->ops[0] == OPD_V ? c->reg : r->ops[0] == OPD_H ? c->v : c->rm], v = { 0 };
    uint8_t *at = c->mem ? address(c, s) : NULL;
    if (r->flags & E_COMPRESS) {
        unsigned k = 0;
        X86Vec old = *to;
        for (unsigned i = 0; i < o->n; i++) {
            if (o->mask >> i & 1)
                memcpy((store ? at : v.u8) + r->to * k++, o->a.u8 + i * r->to, r->to);
        }
        if (store)
            return;
        if (!c->z)
            memcpy(v.u8 + k * r->to, old.u8 + k * r->to, (o->n - k) * r->to);
        *to = v;
        return;
    }
    for (unsigned i = 0; i < o->n; i++) {
        const uint8_t *other = r->flags & E_BLEND ? o->a.u8 : o->d.u8, *p = o->r.u8 + i * r->to;
        if (!(o->mask >> i & 1)) {
            if (store)
                continue;
            p = c->z ? (const uint8_t *)"\0\0\0\0\0\0\0" : other + i * r->to;
        }
        memcpy((store ? at : v.u8) + i * r->to, p, r->to);
    }
    if (store)
        return;
    if (scalar && r->ops[2] != OPD_N0)
        memcpy(v.u8 + r->to, o->a.u8 + r->to, 16 - r->to);
    *to = v;
}

static RefOp begin(const Case *c, State *s)
{
    const X86EvexRow *r = row_of(c);
    RefOp o = { .vl = vl_of(c), .from = r->from, .to = r->to, .imm = c->imm,
                .one_source = r->ops[2] == OPD_N0, .mxcsr = s->mxcsr };
    o.n = o.vl / r->to;
    if (o.one_source && r->from != r->to)
        o.n = o.vl / MAX(r->from, r->to);
    if (r->lengths == L_IG || r->ops[0] == OPD_G || r->ops[0] == OPD_E)
        o.n = 1;
    if (r->flags & E_PART || (r->ops[0] == OPD_W && c->mem && r->lengths == L_X))
        o.n = mem_bytes(c) / r->to;
    o.mask = low(o.n) & (c->k ? s->k[c->k] : ~UINT64_C(0));
    if (rounds(c) && r->flags & E_ER)
        o.mxcsr = (o.mxcsr & ~0x6000u) | c->l << 13;
    return o;
}

/* MXCSR after flags, and whether it raises: vol. 1, ch. 11.5.3. */
static bool raises(State *s, unsigned flags)
{
    unsigned unmasked = flags & ~(s->mxcsr >> 7) & 0x3f;
    if (unmasked & 7)
        flags &= 7;
    s->mxcsr |= flags;
    return unmasked;
}

static int expect(const Case *c, State *s, RefOp *keep_op)
{
    const X86EvexRow *r = row_of(c);
    const struct Vex *x = sibling_find(encs[c->ex].name);
    RefFn *fn = ref_find(encs[c->ex].name);
    uint64_t rflags = 0, kd = 0;
    if (r->flags & E_VSIB)
        return expect_vsib(c, s);
    RefOp o = begin(c, s);
    if (c->mem && c->allowed < 64 && touched(c, &o) >> c->allowed)
        return EXC_PF + 1;
    o.d = s->z[r->ops[0] == OPD_V ? c->reg : r->ops[0] == OPD_H ? c->v : c->rm];
    operand(c, s, &o, r->ops[1], &o.a);
    operand(c, s, &o, r->ops[2], &o.b);
    if (x)
        sibling_run(x, &o, r, &rflags);
    else if (fn)
        fn(&o);
    else if (!(r->flags & E_COMPRESS))
        return -1;
    *keep_op = o;
    if (r->flags & E_FP && !rounds(c) && raises(s, o.flags))
        return EXC_XM + 1;
    switch (r->ops[0]) {
    case OPD_K:
        for (unsigned i = 0; i < o.n; i++)
            kd |= (uint64_t)(o.r.u8[(i + 1) * r->to - 1] >> 7) << i;
        s->k[c->reg] = kd & o.mask;
        break;
    case OPD_G:
        s->gpr[c->reg] = r->to == 8 ? o.r.u64[0] : o.r.u32[0];
        break;
    case OPD_E:
        if (!c->mem) {
            s->gpr[c->rm] = 0;
            memcpy(&s->gpr[c->rm], o.r.u8, r->to);
            break;
        }
        keep(c, s, &o);
        break;
    default:
        if (strstr(encs[c->ex].name, "comis"))
            s->rflags = (s->rflags & ~(uint64_t)EF_ARITH) | (rflags & (EF_ZF | EF_PF | EF_CF));
        else
            keep(c, s, &o);
    }
    return 0;
}

/* ---- what does come out ---- */
static int here(X86Cpu *c, State *s, const uint8_t *p, unsigned n, bool native)
{
    memcpy(c->vec, s->z, sizeof s->z);
    memcpy(c->opmask, s->k, sizeof s->k);
    memcpy(c->dbt.gpr, s->gpr, sizeof s->gpr);
    c->dbt.gpr[R_RDI] = (uintptr_t)&s->memory[MEMORY];
    c->dbt.fl = x86_eflags_to_fl(s->rflags);
    c->mxcsr = s->mxcsr;
    c->cr4 |= CR4_OSXSAVE;
    c->xcr0 = 0xe7;
    int v = setjmp(guest_raised);
    if (!v && !guest_translated(c, p, n, X86_MODE_FPU | X86_MODE_SSE | X86_MODE_AVX, native))
        return -2;
    memcpy(s->z, c->vec, sizeof s->z);
    memcpy(s->k, c->opmask, sizeof s->k);
    memcpy(s->gpr, c->dbt.gpr, sizeof s->gpr);
    s->rflags = (s->rflags & ~(uint64_t)EF_ARITH) | x86_fl_to_eflags(c->dbt.fl);
    s->mxcsr = c->mxcsr;
    return v;
}

static bool same(const Case *c, const State *want, const State *got, const RefOp *o)
{
    if (!o->loose)
        return !memcmp(want, got, sizeof *want);
    /* approximations: one vector may differ a little */
    State w = *want;
    for (unsigned i = 0; i < o->n; i++) {
        uint64_t g = 0;
        memcpy(&g, got->z[c->reg].u8 + i * o->to, o->to);
        if (o->mask >> i & 1 && !ref_close(o, i, g))
            return false;
        if (o->mask >> i & 1)
            memcpy(w.z[c->reg].u8 + i * o->to, got->z[c->reg].u8 + i * o->to, o->to);
    }
    return !memcmp(&w, got, sizeof w);
}

static void show(const char *what, const uint8_t *v)
{
    printf("      %-6s", what);
    for (int k = 7; k >= 0; k--) {
        uint64_t q;
        memcpy(&q, v + 8 * k, 8);
        printf(" %016lx", q);
    }
    printf("\n");
}

static void report(const Case *c, const uint8_t *p, unsigned n, const State *in, const State *want,
                   const State *got, int w, int g, const RefOp *o)
{
    printf("not ok evex v%s:", encs[c->ex].name);
    for (unsigned k = 0; k < n; k++)
        printf(" %02x", p[k]);
    printf("  mask %016lx mxcsr %x, expected %d, here %d\n", in->k[c->k], in->mxcsr, w, g);
    for (unsigned k = 0; k < 32; k++) {
        if (memcmp(&want->z[k], &got->z[k], 64)) {
            printf("    zmm%u\n", k);
            show("before", in->z[k].u8);
            show("a", o->a.u8);
            show("b", o->b.u8);
            show("want", want->z[k].u8);
            show("here", got->z[k].u8);
        }
    }
    for (unsigned k = 0; k < 8; k++) {
        if (want->k[k] != got->k[k])
            printf("    k%u: want %016lx, here %016lx\n", k, want->k[k], got->k[k]);
    }
    printf("    mxcsr %x %x, flags %lx %lx, gpr %s, memory %s\n", want->mxcsr, got->mxcsr,
           want->rflags, got->rflags,
           memcmp(want->gpr, got->gpr, sizeof want->gpr) ? "differ" : "same",
           memcmp(want->memory, got->memory, sizeof want->memory) ? "differs" : "same");
}

static void compare(X86Cpu *cpu, const Case *c, const State *in, bool native)
{
    static State want __attribute__((aligned(64))), got __attribute__((aligned(64)));
    uint8_t p[16];
    unsigned n = assemble(c, p);
    RefOp o = { 0 };
    want = got = *in;
    int w = expect(c, &want, &o);
    guest_forbidden = row_of(c)->flags & E_VSIB ? (uintptr_t)got.memory + MEMORY + c->allowed
                                                : forbidden_from(c, &got);
    if (!c->mem)
        guest_forbidden = 0;
    int g = here(cpu, &got, p, n, native);
    guest_forbidden = 0;
    done[c->ex]++;
    if (w != g || !same(c, &want, &got, &o)) {
        report(c, p, n, in, &want, &got, w, g, &o);
        bad++;
        bad_row++;
    }
}

/* ---- values ---- */
static void random_bytes(void *at, unsigned n)
{
    static const uint32_t f32[] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                    0x7fc00000, 0x7f800001, 1, 0x807fffff,
                                    0x7f7fffff, 0x4effffff, 0xcf000000, 0x3f000000, 0x7c01, 0x03ff, 0x4f800000, 0x5f800000, 0x00800000 };
    static const uint64_t f64[] = { 0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000,
                                    0x7ff0000000000000, 0xfff0000000000000,
                                    0x7ff8000000000000, 0x7ff0000000000001, 1, 0x800fffffffffffff, 0x7fefffffffffffff, 0x41dfffffffc00000,
                                    0x3690000000000000, 0x43f0000000000000, 0x41f0000000000000, 0x0010000000000000, 0x3fe8000000000000 };
    uint64_t style = random64() % 3;
    for (unsigned k = 0; k < n; k += 8) {
        uint64_t v = random64(), how = random64() % 6;
        if (how == 0)
            v = f64[v % G_N_ELEMENTS(f64)];
        else if (how == 1)
            v = f32[v % G_N_ELEMENTS(f32)] | (uint64_t)f32[(v >> 8) % G_N_ELEMENTS(f32)] << 32;
        else if (how == 2 || (how == 5 && style == 1))  /* of a moderate size */
            v = (v & 0x800fffffffffffff) | (uint64_t)(1000 + (v >> 52 & 63)) << 52;
        else if (how == 3 || (how == 5 && style == 2))
            v = (v & 0x807fffff807fffff) | (uint64_t)(110 + (v >> 24 & 31)) << 23 |
                (uint64_t)(110 + (v >> 56 & 31)) << 55;
        else if (how == 4)
            /* small numbers: shift counts, equal elements */
            v &= 0x00ff00010fff003f;
        memcpy((uint8_t *)at + k, &v, 8);
    }
}

static void fill(State *s)
{
    memset(s, 0, sizeof *s);
    random_bytes(s->z, sizeof s->z);
    random_bytes(s->memory, sizeof s->memory);
    random_bytes(s->gpr, sizeof s->gpr);
    for (unsigned k = 0; k < 8; k++)
        s->k[k] = random64() % 8 == 0 ? 0 : random64() % 8 == 0 ? ~UINT64_C(0) : random64();
    s->rflags = 0x202 | (random64() & EF_ARITH);
    s->mxcsr = 0x1f80 | (random64() & 0xe040);
}

static void small_indices(State *s, const Case *c, bool quad)
{
    for (unsigned i = 0; i < 16; i++) {
        int v = (int)(random64() % 80) - 40;
        if (quad)
            s->z[c->index].s64[i / 2] = v;
        else
            s->z[c->index].s32[i] = v;
    }
}

/* Registers and masks at random, within what the row allows. */
static Case random_case(unsigned ex, unsigned l, bool mem, bool b)
{
    const X86EvexRow *r = &x86_evex_rows[ex];
    Case c = { .ex = ex, .l = l, .mem = mem, .b = b, .imm = random64() & 0xff, .allowed = 1000 };
    c.reg = random64() & (r->ops[0] == OPD_K ? 7 : 31);
    c.rm = random64() & (has(r, OPD_KR) ? 7 : 31);
    c.v = has(r, OPD_H) ? random64() & 31 : 0;
    c.disp = (int)(random64() % 5) - 2;
    c.scale = random64() & 3;
    if (has(r, OPD_G))
        c.reg %= 3;
    if (has(r, OPD_E))
        c.rm %= 3;
    do
        c.index = random64() & 31;
    while (c.index == c.reg);
    if (!(r->flags & E_NOMASK))
        c.k = random64() & 7;
    if (r->flags & E_VSIB)
        c.k = 1 + random64() % 7;
    if (c.k && !(r->flags & E_VSIB) && r->ops[0] != OPD_K && !(mem && r->ops[0] == OPD_W))
        c.z = random64() & 1;
    return c;
}

static void test_form(X86Cpu *cpu, unsigned ex, unsigned l, bool mem, bool b, unsigned count)
{
    static State in __attribute__((aligned(64)));
    const X86EvexRow *r = &x86_evex_rows[ex];
    for (unsigned k = 0; k < count && bad_row < 3; k++) {
        Case c = random_case(ex, l, mem, b);
        fill(&in);
        if (r->flags & E_VSIB) {
            small_indices(&in, &c,
                          strstr(encs[ex].name, "gatherq") || strstr(encs[ex].name, "scatterq"));
            c.allowed = k % 4 == 0 ? random64() % 256 : 1000;
        } else if (mem && k % 4 == 0) {
            c.allowed = random64() % (MAX(vl_of(&c) / r->to, 1u) + 1);
        }
        if (r->flags & E_FP && k % 8 == 1)
            /* all but underflow may be unmasked */
            in.mxcsr &= ~(unsigned)(random64() & 0x1780);
        compare(cpu, &c, &in, k & 1);
    }
}

static void test_row(X86Cpu *cpu, unsigned ex, unsigned count)
{
    const X86EvexRow *r = &x86_evex_rows[ex];
    bad_row = 0;
    for (unsigned l = 0; l < 4; l++) {
        bool length = r->lengths == L_IG ? l < 3 : l < 3 && r->lengths >> l & 1;
        for (unsigned mem = 0; mem < 2; mem++) {
            if (encs[ex].form == (mem ? FORM_REG : FORM_MEM))
                continue;
            if (length)
                test_form(cpu, ex, l, mem, false, count);
            if (mem ? length && (r->tuple == T_FV || r->tuple == T_HV)
                    : (r->flags & (E_ER | E_SAE)) != 0)
                test_form(cpu, ex, l, mem, true, count);
        }
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 16, cases = 0, unreached = 0;
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    if (!x86_vex_runs()) {
        printf("evex: this host has no AVX2; no CPU model offers AVX-512\n");
        return 0;
    }
    host_init();
    X86Cpu *cpu = guest_new();
    for (unsigned ex = 0; ex < EX_N; ex++)
        test_row(cpu, ex, count);
    for (unsigned ex = 0; ex < EX_N; ex++) {
        cases += done[ex];
        if (!done[ex]) {
            printf("not ok evex v%s: no case reached it\n", encs[ex].name);
            unreached++;
        }
    }
    printf("evex: %u rows, %u of them unreached, %u cases, %u differ\n", EX_N, unreached, cases,
           bad);
    return bad || unreached;
}
