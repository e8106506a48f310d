/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * undefined.c -- what an instruction leaves undefined, by undefined.def, and an engine that has it
 * filled with chosen values: what then differs between two runs depends on it.
 *
 * Threads: one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "tests/cpu/proof/proof.h"

typedef enum { ALWAYS, SHIFTED, SHIFTED_FAR, SHIFTED_OUT, BEYOND, WORD, ZERO } When;
typedef struct Undefined { const char *name; uint32_t flags; When when; bool dst; } Undefined;

static const Undefined table[] = {
#define UNDEFINED(row, flags, when, manual) { #row, flags, when, false },
#define UNDEFINED_DST(row, when, manual) { #row, 0, when, true },
#include "tests/cpu/proof/undefined.def"
#undef UNDEFINED
#undef UNDEFINED_DST
};

static unsigned operand_bits(const X86Insn *i)
{
    unsigned k = i->row->ops[0];
    return k == OPD_Eb || k == OPD_Gb ? 8 : i->osize * 8u;
}

static unsigned count_of(const X86Insn *i, uint64_t rcx)
{
    unsigned mask = i->osize == 8 ? 63 : 31;
    for (unsigned k = 1; k < 3; k++) {
        switch (i->row->ops[k]) {
        case OPD_Ib: return i->imm & mask;
        case OPD_ONE: return 1;
        case OPD_CL: return rcx & mask;
        default: break;
        }
    }
    return 0;
}

static bool holds(When w, const X86Insn *i, uint64_t rcx, uint64_t after)
{
    unsigned count = w >= SHIFTED && w <= BEYOND ? count_of(i, rcx) : 0;

    switch (w) {
    case ALWAYS: return true;
    case SHIFTED: return count != 0;
    case SHIFTED_FAR: return count > 1;
    case SHIFTED_OUT: return count >= operand_bits(i);
    case BEYOND: return count > operand_bits(i);
    case WORD: return i->osize == 2;
    default: return after & EF_ZF;
    }
}

static unsigned destination(const X86Insn *i)
{
    switch (i->row->ops[0]) {
    case OPD_Ev: case OPD_Ew: case OPD_Ey: return i->mod == 3 ? i->rm : 17;
    case OPD_Gv: case OPD_Gy: return i->reg;
    case OPD_Zv: return (i->opcode & 7) | (i->rex & 1) << 3;
    default: return 16;
    }
}

uint32_t proof_undefined(const X86Insn *i, uint64_t rcx, uint64_t after, unsigned *dst)
{
    uint32_t flags = 0;

    *dst = 16;
    for (unsigned k = 0; k < G_N_ELEMENTS(table); k++) {
        const Undefined *u = &table[k];
        if (!strcmp(u->name, i->row->name) && holds(u->when, i, rcx, after)) {
            flags |= u->flags;
            *dst = u->dst ? destination(i) : *dst;
        }
    }
    return flags;
}

/* ---- filling ---- */
typedef struct Filling {                /* one engine at a time */
    const DbtGuest *own;                /* what the engine has */
    DbtGuest guest;                     /* the same, but for two members */
    UndefinedFill fill;
    unsigned every;                     /* one in so many is filled */
    Rng      rng;
    bool     own_single, known;         /* of the instruction that runs: */
    X86Insn  insn;
    uint64_t rcx, source;               /* before it; source: the register of ModRM.reg */
} Filling;
static Filling filling;

/*
 * Code that has been fetched and may run from the TLB alone by now: these programs run where linear
 * is physical.
 */
static unsigned fetch(X86Cpu *c, uint64_t pc, uint8_t *to, unsigned n)
{
    DbtWalk w;
    bool there = n && c->dbt.guest->walk(&c->dbt, pc, ACCESS_FETCH | ACCESS_PROBE, &w);

    return n && as_read(c->dbt.vcpu.as, there ? w.phys : pc, to, n) == MEM_OK ? n : 0;
}

static void tell(const X86Cpu *c)
{
    printf("%#" PRIx64 " flags %#" PRIx64, c->dbt.pc, x86_rflags(c));
    for (unsigned i = 0; i < 16 && (i < 8 || c->dbt.ctx->key.mode & X86_MODE_CODE64); i++) {
        printf(" %" PRIx64, c->dbt.gpr[i]);
    }
    printf("\n");
}

static bool fill_single(DbtCpu *dc)
{
    Filling *f = &filling;
    X86Cpu *c = (X86Cpu *)dc;
    uint8_t code[32] = { 0 };
    unsigned n = MIN(15u, DBT_PAGE - (unsigned)(dc->pc & (DBT_PAGE - 1)));

    if (f->fill == FILL_NO_TLB) {       /* nor between the turns of a repeated one */
        dbt_flush_all(dc);
        __atomic_store_n(&dc->vcpu.attention, 1, __ATOMIC_RELAXED);
    }
    f->own_single = f->own->single(dc); /* may not come back */
    f->rcx = dc->gpr[R_RCX];
    if (f->fill == FILL_TELL) {
        tell(c);
    }
    unsigned have = fetch(c, dc->pc, code, n);
    have += have ? fetch(c, dc->pc + n, code + n, 15 - n) : 0;
    X86DecodeResult r = x86_decode(&f->insn, code, have, dc->ctx->key.mode);
    f->known = r != DEC_MORE && r != DEC_UD && f->insn.row;
    f->source = f->known ? dc->gpr[f->insn.reg & 15] : 0;
    dc->seen.n = 0;
    dc->seen.wanted = true;             /* where its destination is, if that is memory */
    return true;
}

static uint64_t rotated(uint16_t value, unsigned left)
{
    left &= 15;
    return (uint16_t)(value << left | value >> (16 - left));
}

static uint64_t chosen(Filling *f)
{
    return f->fill == FILL_ZEROS ? 0 : f->fill == FILL_ONES ? UINT64_MAX : rng(&f->rng);
}

/* The destination, of which 16 bits alone can be beyond a count. */
static uint64_t chosen_result(Filling *f)
{
    if (f->fill != FILL_SOURCE) {
        return chosen(f);
    }
    uint16_t source = (uint16_t)f->source;
    unsigned far = count_of(&f->insn, f->rcx) & 15;

    return f->insn.row->name[2] == 'L' ? rotated(source, far) : rotated(source, 16 - far);
}

/* What the instruction has just written, and so may write. */
static void fill_memory(DbtCpu *dc, uint64_t value, unsigned bytes)
{
    for (unsigned k = 0; k < dc->seen.n; k++) {
        if (dc->seen.write[k]) {
            dbt_store(dc, dc->seen.linear[k], value, bytes);
        }
    }
}

static bool is_double_shift(const X86Insn *i)
{
    return i->row && (!strcmp(i->row->name, "SHLD") || !strcmp(i->row->name, "SHRD"));
}

static void fill_done(DbtCpu *dc)
{
    Filling *f = &filling;
    X86Cpu *c = (X86Cpu *)dc;
    unsigned dst = 16;

    dc->seen.wanted = false;
    bool fills = f->known && f->fill < FILL_NOTHING && one_in(&f->rng, f->every);
    uint32_t flags = fills ? proof_undefined(&f->insn, f->rcx, x86_rflags(c), &dst) : 0;

    if (f->fill == FILL_SOURCE && !is_double_shift(&f->insn)) {
        dst = 16;
    }
    if (flags) {
        dc->fl = x86_eflags_to_fl((x86_fl_to_eflags(dc->fl) & ~flags) | (chosen(f) & flags));
    }
    if (dst < 16) {
        uint64_t mask = f->insn.osize == 2 ? 0xffff : f->insn.osize == 4 ? UINT32_MAX : UINT64_MAX;
        dc->gpr[dst] = (dc->gpr[dst] & ~mask) | (chosen_result(f) & mask);
    } else if (dst == 17) {
        fill_memory(dc, chosen_result(f), f->insn.osize);
    }
    if (f->own_single) {
        f->own->insn_done(dc);          /* may not come back */
    }
}

/* Random: all, some, or few, as what changes often may come to nothing that one change does not. */
void undefined_fill_begin(X86Cpu *c, UndefinedFill fill, uint64_t seed)
{
    static const uint16_t every[] = { 1, 16, 256 };
    Filling *f = &filling;

    *f = (Filling){ .own = c->dbt.guest, .guest = *c->dbt.guest, .fill = fill,
                    .every = fill == FILL_RANDOM ? every[seed % G_N_ELEMENTS(every)] : 1 };
    rng_seed(&f->rng, seed);
    f->guest.single = fill_single;
    f->guest.insn_done = fill_done;
    c->dbt.guest = &f->guest;
}

void undefined_fill_end(X86Cpu *c)
{
    c->dbt.guest = filling.own;
}
