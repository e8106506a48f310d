/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.c -- loops of traces whose checks hold for many turns (accel/dbt/hoist.c).
 *
 *     entry:  the first turn, each check as anywhere
 *     look:   each hoisted check's address in the data TLB, none of which may fail;
 *             its host address, or its distance from the linear one, to DbtCpu.hoist; the counter's
 *             value when one of them has left its page
 *     loop:   the exit check; is the counter there? then to `look`
 *             the other turns: mov X, [host]
 *                          or  lea X, [base + index * scale + disp]; add X, [distance]
 *
 * A checked address is good until this vCPU's next exit check lets something in or it waits for a
 * lock: the exit check leaves the loop, and what has no exit and no helper waits for none.  Where
 * `look` fails the loop is begun again, and left alone for WAIT turns.
 *
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

enum { LOOK_ROOM = 256,                 /* bytes of one check's look */
       WAIT = 16,
       RECIPROCAL = 22 };    /* 4096 * 512 < 1 << it: division by multiplication is exact */
G_STATIC_ASSERT(G_N_ELEMENTS(((DbtCpu *)NULL)->hoist.host) >= IR_HOISTED);

static Rm slot(unsigned k) { return rm_cpu(CPU(hoist.host) + 8 * (int32_t)k); }

/*
 * The first branch back, if there is one: what is behind it is done where the loop has been left.
 */
bool loop_hoists(Em *e)
{
    const IrBlock *ir = e->ir;
    unsigned last = 0;

    while (last < ir->n_insns &&
           !((ir->insns[last].op == IR_br || ir->insns[last].op == IR_brz ||
              ir->insns[last].op == IR_brnz || ir->insns[last].op == IR_jmp) &&
             ir->insns[last].imm == (int32_t)(ir->pc & (DBT_PAGE - 1)))) {
        last++;
    }
    return last < ir->n_insns && !(ir->mode & e->g->mode_slow) && ir_hoist(ir, last, &e->hoist);
}

static void fail_if(Em *e, unsigned cc)
{
    e->loop_fails[e->n_loop_fails++] = e_jcc(e, cc);
}

/* y = how many more turns the offset in x stays in the page; x is lost. */
static void turns(Em *e, const IrHoisted *o, unsigned x, unsigned y)
{
    unsigned step = o->step < 0 ? 0u - (unsigned)o->step : (unsigned)o->step;

    if (o->step > 0) {
        e_mov_imm(e, y, DBT_PAGE - o->at.span);
        e_alu_rr(e, 5, IR_I32, y, rm_reg(x));
    } else {
        e_mov32(e, y, x);
    }
    if (step & (step - 1)) {
        e_op(e, 0x69, E_W, y, rm_reg(y));       /* imul */
        e32(e, ((1u << RECIPROCAL) + step - 1) / step);
        e_shift_imm(e, 5, IR_I64, y, RECIPROCAL);
    } else if (step > 1) {
        e_shift_imm(e, 5, IR_I32, y, (unsigned)__builtin_ctz(step));
    }
}

/* Is the register between lo and hi? */
static void in_range(Em *e, IrRef r, int32_t lo, int32_t hi)
{
    unsigned x = take(e);

    load_to(e, x, r, IR_I64);
    if (lo) {
        e_alu_imm(e, 5, IR_I64, rm_reg(x), (uint32_t)lo);
    }
    e_alu_imm(e, 7, IR_I64, rm_reg(x), (uint32_t)(hi - lo));
    fail_if(e, CC_A);
    give(e, x);
}

/* One check's place.  first: of those that move. */
static void look(Em *e, unsigned k, bool first)
{
    const IrHoisted *o = &e->hoist.of[k];
    const IrMem *m = &o->at;

    for (unsigned r = 0; r < 2; r++) {
        if (o->narrow >> r & 1) {
            in_range(e, r ? m->index : m->base, o->lo[r], o->hi[r]);
        }
    }
    unsigned x = take(e);
    em_address(e, m, x, false);
    if (m->segment != SEG_NONE) {
        e_op(e, 0x03, m->linear_bits == 64 ? E_W : 0, x, em_seg_base(e, m));
    }
    unsigned y = take(e), z = take(e);
    e_mov_rr(e, z, x);
    tlb_entry(e, y, x);
    e_op(e, 0x33, E_W, x,
         rm_mem(y, m->access & IR_WRITE ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read)));
    e_alu_imm(e, 7, IR_I64, rm_reg(x), DBT_PAGE - m->span);
    fail_if(e, CC_A);
    if (m->align > 1) {
        e_op(e, 0xf6, 0, 0, rm_reg(x));         /* test */
        e8(e, m->align - 1u);
        fail_if(e, CC_NE);
    }
    if (!o->step) {
        e_op(e, 0x03, E_W, x, rm_mem(y, offsetof(TlbEntry, page)));
        e_store(e, x, slot(k));
    } else {
        e_op(e, 0xf7, E_W, 3, rm_reg(z));       /* neg */
        e_alu_rr(e, 0, IR_I64, z, rm_reg(x));
        e_op(e, 0x03, E_W, z, rm_mem(y, offsetof(TlbEntry, page)));
        e_store(e, z, slot(k));
        turns(e, o, x, y);
        if (!first) {
            e_op(e, 0x3b, E_W, y, rm_cpu(CPU(hoist.turns)));
            e_op(e, 0x147, E_W, y, rm_cpu(CPU(hoist.turns)));   /* cmova */
        }
        e_store(e, y, rm_cpu(CPU(hoist.turns)));
    }
    regs_end_insn(e);
}

static void set_stop(Em *e)
{
    const IrHoist *h = &e->hoist;
    unsigned y = take(e), z = src_reg(e, ir_guest(h->counter), IR_I64);

    e_op(e, 0x69, E_W, y, rm_cpu(CPU(hoist.turns)));            /* imul */
    e32(e, (uint32_t)h->counter_step);
    e_op(e, 0x8d, E_W, y, (Rm){ .reg = (uint8_t)y, .index = (uint8_t)z, .mem = true,
                                .disp = h->counter_step });
    e_store(e, y, rm_cpu(CPU(hoist.stop)));
    regs_end_insn(e);
}

void loop_check(Em *e)
{
    bool first = true;

    if (e->p + (e->hoist.n + 1) * LOOK_ROOM > e->end) {
        e->full = true;
        return;
    }
    if (e->loop_first) {
        patch_to(e->loop_first, e->p);
    }
    if (e->loop_fl) {
        flags_put_recipe(e, e->loop_fl);
    }
    e_alu_imm(e, 5, IR_I32, rm_cpu(CPU(hoist.wait)), 1);
    e->loop_waits = e_jcc(e, CC_AE);
    e->look = e->p;
    if (e->loop_fl && e->hoist.n_moving) {
        flags_put_recipe(e, e->loop_fl);        /* of another turn */
    }
    for (unsigned k = 0; k < e->hoist.n; k++) {
        look(e, k, first);
        first &= !e->hoist.of[k].step;
    }
    if (e->hoist.n_moving) {
        set_stop(e);
    }
    e_op(e, 0xc7, 0, 0, rm_cpu(CPU(hoist.wait)));               /* mov */
    e32(e, 0);
}

void loop_head(Em *e)
{
    const IrHoist *h = &e->hoist;

    e_alu_imm(e, 7, IR_I32, rm_cpu(CPU(vcpu.attention)), 0);
    e->loop_attention = e_jcc(e, CC_NE);
    if (h->n_moving) {
        unsigned r = src_reg(e, ir_guest(h->counter), (IrType)h->counter_type);
        e_typed(e, 0x3b, (IrType)h->counter_type, r, rm_cpu(CPU(hoist.stop)));
        patch_to(e_jcc(e, CC_E), e->look);
        regs_end_insn(e);
    }
}

bool loop_chk(Em *e)
{
    int k = e->turn == TURN_REST ? ir_hoisted(&e->hoist, e->i) : -1;

    if (k < 0) {
        return false;
    }
    const IrMem *m = &e->ir->mems[e->n->mem];
    unsigned h = val_of(e->n->dst), step = (unsigned)e->hoist.of[k].step,
             base = m->base.kind == IR_GUEST ? e->gpr[m->base.id] : (unsigned)NO_REG;
    bool by_lea = m->index.kind == IR_NONE && base != NO_REG && m->segment == SEG_NONE &&
                  m->offset_bits == 64;
    if (step && !by_lea) {
        flags_clobber(e);
    }
    drop_host(e, h);
    unsigned x = take_host(e);
    if (!step) {
        e_load(e, x, slot((unsigned)k));
    } else if (by_lea) {
        e_load(e, x, slot((unsigned)k));
        e_op(e, 0x8d, E_W, x, (Rm){ .reg = (uint8_t)x, .index = (uint8_t)base, .mem = true,
                                    .disp = m->disp });
    } else {
        em_address(e, m, x, false);
        if (m->segment != SEG_NONE) {
            e_op(e, 0x03, m->linear_bits == 64 ? E_W : 0, x, em_seg_base(e, m));
        }
        e_op(e, 0x03, E_W, x, slot((unsigned)k));
        e->host = 0;
    }
    release(e, m->base);
    release(e, m->index);
    set_val(e, h, x);
    return true;
}

void loop_fail(Em *e)
{
    for (unsigned k = 0; k < e->n_loop_fails; k++) {
        patch_to(e->loop_fails[k], e->p);
    }
    e_op(e, 0xc7, 0, 0, rm_cpu(CPU(hoist.wait)));               /* mov */
    e32(e, WAIT);
    patch_to(e->loop_waits, e->p);
    em_exit_to(e, (int32_t)(e->ir->pc & (DBT_PAGE - 1)));
}
