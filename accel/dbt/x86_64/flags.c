/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flags.c -- where the guest's arithmetic flags are: the host's flags, cpu->fl, or a recipe.
 *
 * Every flag that something later needs is all in the host's flags (Em.host) or all in cpu->fl (Em.mem).  A check clobbers
 * the host's; what is read later is then saved first, and what only a failing check itself would need is saved only if it
 * cannot be computed again from operands that stay as they are until the last such check: the recipe, which goes into the
 * check's LeaveRec.
 *
 * Spec: Intel SDM (325462) vol. 1, 3.4.3; LAHF, SAHF, SETcc in vol. 2.
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

enum { RECIPE_REACH = 48,               /* operations looked ahead */
       LAZY_TRIES = 16 };               /* looked at for a number that nobody has */

/* A count of zero leaves the flags as they are. */
static bool is_shift(const IrInsn *n)
{
    G_STATIC_ASSERT(IR_shrd - IR_shl == 8);     /* ir.def */
    return n->op >= IR_shl && n->op <= IR_shrd;
}

static unsigned shift_imm(const Em *e, const IrInsn *n)        /* count, or 0 where it is zero or not known */
{
    IrRef c = n->op == IR_shld || n->op == IR_shrd ? n->c : n->b;
    return c.kind == IR_IMM ? (unsigned)e->ir->imms[c.id] & (n->type == IR_I64 ? 63 : 31) : 0;
}

/* Flags that n surely overwrites. */
unsigned kills(const Em *e, const IrInsn *n)
{
    if (n->op == IR_vop) {
        return e->g->vecs[n->sub].props & V_FLAGS ? FL_ALL : 0;
    }
    return is_shift(n) && !shift_imm(e, n) ? 0 : n->sets;
}

/* ---- moving them ---- */

void flags_store(Em *e)
{
    e8(e, 0x9f);                                        /* lahf */
    e_op(e, 0x190, E_M8, 0, rm_reg(RAX));               /* seto al */
    e_op(e, 0x89, E_16, RAX, rm_cpu(CPU(fl)));          /* two bytes: what is above in rax does not matter */
}

void flags_save(Em *e)
{
    if (e->host & ~e->mem) {
        take_rax(e);
        flags_store(e);
        give(e, RAX);
        e->mem = e->host;
    }
}

void flags_want(Em *e, unsigned mask)
{
    if (mask & ~e->host) {
        take_rax(e);
        e_movzx(e, RAX, rm_cpu(CPU(fl)), IR_I16);
        e8(e, 0x04);                                    /* add al, 0x7f: OF from bit 0 */
        e8(e, 0x7f);
        e8(e, 0x9e);                                    /* sahf */
        give(e, RAX);
        e->host = e->mem;
    }
}

static bool writes_any(const Em *e, const IrInsn *n, unsigned regs)
{
    if (n->op == IR_helper && (e->g->helpers[n->sub].props & H_WRITES)) {
        return true;
    }
    return (n->dst.kind == IR_GUEST && (regs >> n->dst.id & 1)) || (n->dst2.kind == IR_GUEST && (regs >> n->dst2.id & 1));
}

/* Do the recipe's operands stay until nothing that may leave needs `missing` any more? */
static bool recipe_holds(const Em *e, unsigned missing)
{
    if (!e->recipe.how || (missing & ~e->recipe.sets)) {
        return false;
    }
    for (unsigned i = e->i; i < e->ir->n_insns && i < e->i + RECIPE_REACH; i++) {
        const IrInsn *n = &e->ir->insns[i];
        if (!(n[-1].after.fault & missing)) {
            return true;
        }
        bool exits = n->op == IR_jmp || n->op == IR_br || n->op == IR_brz || n->op == IR_brnz;
        if (exits && (n->live_fault & missing)) {       /* before what follows it, which may want none of them */
            return false;
        }
        if (!((n->after.flags | n->after.fault) & missing)) {
            return true;
        }
        if ((n->after.flags & missing) || n->sets || kills(e, n) || writes_any(e, n, e->recipe.regs)) {
            return false;
        }
    }
    return false;
}

/* flags_clobber(), where some are in the host's only. */
void flags_lose(Em *e)
{
    unsigned lost = e->host & ~e->mem;
    const IrLive *live = live_before(e);

    if ((lost & live->flags) || ((lost & live->fault) && !recipe_holds(e, lost & live->fault))) {
        flags_save(e);
    }
}

/* ---- operations that set flags ---- */

void flags_begin(Em *e, unsigned hw)
{
    const IrInsn *n = e->n;
    unsigned need = needed_after(e), keep = need & ~kills(e, n);

    e->merge = false;
    if (!(n->sets & need)) {
        if (keep & e->host & ~e->mem) {
            flags_clobber(e);
        }
        e->host = 0;                    /* what this operation reads of them it has asked for already */
        return;
    }
    if (!keep || !(keep & ~e->mem & ~e->host)) {
        bool maybe = kills(e, n) != n->sets;            /* a shift whose count may be zero */
        if (keep && !(keep & hw & ~(maybe ? n->sets : 0u))) {
            flags_want(e, keep);
        } else if (keep) {
            flags_save(e);
            e->merge = true;
        }
        return;
    }
    /* Some can only come from a recipe, which operations that set flags do not outlive: recipe_holds() */
    g_assert_not_reached();
}

static bool recipe_reg(Recipe *r, IrRef ref, uint8_t *out)
{
    if (ref.kind != IR_GUEST || ref.high_byte) {
        return false;
    }
    *out = (uint8_t)ref.id;
    r->regs |= (uint16_t)(1u << ref.id);
    return true;
}

static bool recipe_b(const Em *e, Recipe *r, IrRef ref)
{
    if (ref.kind == IR_IMM) {
        int64_t v = (int64_t)e->ir->imms[ref.id];
        r->b = 0xff;
        r->imm = (int32_t)v;
        return imm_fits((uint64_t)v, (IrType)r->type);
    }
    return recipe_reg(r, ref, &r->b);
}

/* How to have the flags of e->n again from guest registers after it. */
static Recipe recipe_make(const Em *e)
{
    const IrInsn *n = e->n;
    Recipe r = { .op = n->op, .type = n->type, .sets = n->sets, .b = 0xff };
    bool ok = false;

    switch (n->op) {
    case IR_cmp: case IR_test:
        r.how = RECIPE_OPERANDS;
        ok = recipe_reg(&r, n->a, &r.a) && recipe_b(e, &r, n->b);
        break;
    case IR_and: case IR_or: case IR_xor:
        r.how = RECIPE_RESULT;
        ok = recipe_reg(&r, n->dst, &r.r);
        break;
    case IR_add: case IR_sub:
        r.how = RECIPE_RESULT_B;
        ok = recipe_reg(&r, n->dst, &r.r) && recipe_b(e, &r, n->b) &&
             !(n->b.kind == IR_GUEST && n->b.id == n->dst.id);
        break;
    case IR_inc: case IR_dec: case IR_neg:
        r.how = RECIPE_RESULT_B;
        ok = recipe_reg(&r, n->dst, &r.r);
        break;
    case IR_mulu2: case IR_muls2:
        r.how = RECIPE_PRODUCT;
        ok = recipe_reg(&r, n->dst, &r.r) && recipe_reg(&r, n->dst2, &r.a);
        break;
    }
    if (!ok) {
        r.how = RECIPE_NONE;
    }
    return r;
}

/* Where nothing that may leave wants them there is no need of one. */
static void recipe_note(Em *e)
{
    if (e->n->after.fault & e->n->sets) {
        e->recipe = recipe_make(e);
        e->recipe_at = e->i;
    } else {
        e->recipe.how = RECIPE_NONE;
    }
}

void flags_end(Em *e, unsigned hw)
{
    const IrInsn *n = e->n;
    unsigned need = needed_after(e);

    if (!(n->sets & need)) {
        e->host &= ~hw;
        e->mem &= ~n->sets;
        if (n->sets) {
            e->recipe.how = RECIPE_NONE;
        }
        return;
    }
    if (e->merge) {
        static const uint8_t at[6] = { 8, 10, 12, 14, 15, 0 };          /* FL_* by bit number: its place in cpu->fl */
        unsigned mask = 0;
        for (unsigned k = 0; k < 6; k++) {
            mask |= (n->sets >> k & 1u) << at[k];
        }
        operands_done(e);
        take_rax(e);
        unsigned s = take(e);
        e8(e, 0x9f);
        e_op(e, 0x190, E_M8, 0, rm_reg(RAX));
        e_movzx(e, s, rm_cpu(CPU(fl)), IR_I16);
        e_alu_imm(e, 4, IR_I32, rm_reg(RAX), mask);
        e_alu_imm(e, 4, IR_I32, rm_reg(s), ~mask);
        e_alu_rr(e, 1, IR_I32, RAX, rm_reg(s));
        e_op(e, 0x89, E_16, RAX, rm_cpu(CPU(fl)));
        give(e, s);
        give(e, RAX);
        e->mem |= n->sets;
        e->host = 0;
        e->recipe.how = RECIPE_NONE;
        return;
    }
    bool maybe = kills(e, n) != n->sets;
    e->host = (uint8_t)(maybe ? e->host & ~(hw & ~n->sets) : (e->host & ~hw) | n->sets);
    e->mem &= ~n->sets;
    recipe_note(e);
}

void flags_all_begin(Em *e)
{
    e->merge = false;
    if (!needed_after(e)) {
        e->host = 0;
    }
}

void flags_all_end(Em *e)
{
    e->mem = 0;
    if (!needed_after(e)) {
        e->host = 0;
        e->recipe.how = RECIPE_NONE;
    } else {
        e->host = FL_ALL;
        recipe_note(e);
    }
}

/* ---- recipes that outlive the block ---- */

static bool same_recipe(const Recipe *p, const Recipe *q)
{
    return p->how == q->how && p->op == q->op && p->type == q->type && p->a == q->a && p->b == q->b && p->r == q->r && p->imm == q->imm;
}

unsigned lazy_number(X64 *x, const Recipe *r)
{
    uint32_t h = (uint32_t)r->imm * 0x9e3779b1u ^ (uint32_t)(r->op << 20 | r->type << 18 | r->a << 12 | r->b << 6 | r->r) * 0x85ebca6bu;
    uint16_t *slot = &x->lazy_hash[h >> 20];

    uint8_t mine = (uint8_t)(1u << x->generation);
    G_STATIC_ASSERT(DBT_GENERATIONS <= 8);
    if (*slot && same_recipe(&x->lazy[*slot], r)) {
        x->lazy_of[*slot] |= mine;
        return *slot;
    }
    for (unsigned tries = 0; tries < LAZY_TRIES; tries++) {
        x->n_lazy = x->n_lazy % (LAZY_MAX - 1) + 1;
        if (!x->lazy_of[x->n_lazy]) {
            x->lazy[x->n_lazy] = *r;
            x->lazy_of[x->n_lazy] = mine;
            return *slot = (uint16_t)x->n_lazy;
        }
    }
    return 0;
}

unsigned flags_recipe(Em *e, unsigned fault, unsigned written)
{
    if (e->mem & fault || e->recipe.how == RECIPE_NONE || e->recipe.sets != FL_ALL || (e->host & fault) != fault ||
        (e->recipe.regs & written)) {
        return 0;
    }
    unsigned k = lazy_number(e->x, &e->recipe);
    return (k & 0x1ff) | (k >> 9) << 10;                /* bit 9 clear, its number in the others */
}

void flags_put_recipe(Em *e, unsigned fl)
{
    e_op(e, 0xc7, E_16, 0, rm_cpu(CPU(fl)));            /* mov word */
    e8(e, fl);
    e8(e, fl >> 8);
    e_note(e, e->p - 2, RELOC_RECIPE);
}

bool flags_leave_recipe(Em *e, unsigned fault, unsigned written)
{
    unsigned fl = flags_recipe(e, fault, written);

    if (fl) {
        flags_put_recipe(e, fl);
    }
    return fl;
}

/* ---- for slow paths ---- */

uint32_t leave_rec(Em *e, const IrMem *m)
{
    X64 *x = e->x;
    unsigned lost = live_before(e)->fault & ~e->mem & ~e->host;

    if (x->n_recs >= x->end_recs) {
        e->full = true;
        return 0;
    }
    LeaveRec *r = &x->recs[x->n_recs];
    *r = (LeaveRec){ .pc = e->guest_pc, .swaps = e->swaps, .span = m ? (uint16_t)m->span : 0, .access = m ? m->access : 0,
                     .exact = m && !m->align };         /* else misalignment comes first */
    if (lost && e->recipe.how) {
        const Recipe *q = &e->recipe;
        r->how = q->how;
        r->mask = (uint8_t)lost;
        r->op = q->op;
        r->type = q->type;
        r->imm = q->imm;
        r->a = q->a & 15;
        r->b = q->b;
        r->r = q->r & 15;
    }
    if (m && m->merged) {
        r->merged = 1;
        r->own_at = (uint8_t)m->own_at;
        r->own_span = (uint8_t)m->own_span;
        r->access |= (uint8_t)(m->own_access << 4);
    }
    return x->n_recs++;
}
