/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.c -- addresses, memory checks and atomic operations.
 *
 * A check computes the linear address in X and looks it up in the data TLB (dbt.h) with one more
 * register, Y:
 *
 *     lea  X, [base + index * scale + disp]        mov  Yd, Xd
 *     shr  Yd, 7                                   and  Yd, [cpu.tlb_mask]
 *     add  Y, [cpu.tlb]                            xor  X, [Y + read or write]
 *     cmp  X, 4096 - span                          ja   stub
 *     add  X, [Y + page]
 *
 * The stub undoes the xor and asks dbt_refill(); it comes back with the host address in X, or
 * leaves.
 *
 * What is off the stack pointer asks one page first: stack.c.  In hot user code other checks ask an
 * inline cache of their own first (dbt.h, DbtIc), and need no Y; its stub looks in the TLB:
 *
 *     lea  X, [base + index * scale + disp]        xor  X, [cpu.ic[k].key]
 *     cmp  X, [cpu.ic[k].limit]                    jae  stub
 *     add  X, [cpu.ic[k].value]
 *
 * One that misses too often is given up for good: a jump to the TLB's check, out of line, takes the
 * place of its first instruction.
 *
 * Spec: accel/dbt/dbt.h, TlbEntry; Intel SDM (325462) vol. 1, 3.3.7 and 3.7.5 (addresses), vol. 3,
 *   5.3 (limits).
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

enum { CACHE_LINE = 64 };
G_STATIC_ASSERT(sizeof(TlbEntry) == 1 << DBT_TLB_SHIFT);

/*
 * Register with an address operand, loaded to `into` (NO_REG: a new scratch register) where it is
 * in memory.
 */
static unsigned addr_reg(Em *e, IrRef r, unsigned into)
{
    Opnd o = place(e, r);

    if (o.kind == O_REG && !o.high) {
        return o.reg;
    }
    if (into == NO_REG) {
        into = take(e);
    }
    load_to(e, into, r, IR_I64);
    return into;
}

void em_address(Em *e, const IrMem *m, unsigned x, bool low)
{
    unsigned size = m->offset_bits == 64 && !low ? E_W : 0;
    bool has_base = m->base.kind != IR_NONE, has_index = m->index.kind != IR_NONE;

    if (m->pc_relative) {
        e_op(e, 0x8b, size, x, rm_cpu(CPU(pc_base)));
        if (m->disp) {
            e_op(e, 0x8d, size, x, rm_mem(x, m->disp));
        }
    } else if (!has_base && !has_index) {
        e_mov_imm(e, x, size ? (uint64_t)(int64_t)m->disp : (uint32_t)m->disp);
    } else if (has_base && !has_index && !m->disp) {
        unsigned b = addr_reg(e, m->base, x);
        if (b != x || !size) {
            e_op(e, 0x8b, size, x, rm_reg(b));
        }
    } else {
        unsigned b = has_base ? addr_reg(e, m->base, x) : (unsigned)NO_REG;
        unsigned i = has_index ? addr_reg(e, m->index, b == x ? (unsigned)NO_REG : x)
                               : (unsigned)NO_REG;
        if (!has_base) {                /* no base: index << scale, then the displacement */
            if (m->scale == 1 && !m->disp) {
                e_op(e, 0x8d, size, x, (Rm){ .reg = (uint8_t)i, .index = (uint8_t)i, .mem = true });
            } else if (m->scale) {
                e_op(e, 0x8d, size, x, (Rm){ .reg = NO_REG, .index = (uint8_t)i, .scale = m->scale,
                                             .mem = true, .disp = m->disp });
            } else {
                e_op(e, 0x8d, size, x, rm_mem(i, m->disp));
            }
        } else {
            e_op(e, 0x8d, size, x, (Rm){ .reg = (uint8_t)b, .index = (uint8_t)i, .scale = m->scale,
                                         .mem = true, .disp = m->disp });
            if (i != NO_REG && i != x && e->owner[i] == HELD) {
                give(e, i);
            }
        }
    }
    if (m->offset_bits == 16) {
        e_movzx(e, x, rm_reg(x), IR_I16);
    }
    release(e, m->base);
    release(e, m->index);
}

/*
 * One instruction, from registers to a register; or, as calls have it, a place in the code to a
 * temporary.
 */
static bool lea_plain(Em *e, const IrMem *m)
{
    const IrInsn *n = e->n;
    unsigned wide = m->offset_bits == 64 && n->type == IR_I64 ? E_W : 0;

    if (n->type < IR_I32 || m->offset_bits == 16) {
        return false;
    }
    if (n->dst.kind == IR_TEMP && m->pc_relative) {
        if (e->owner[R10] != FREE || (e->held >> R10 & 1) || e->at[n->dst.id] < 16) {
            return false;
        }
        e_op(e, 0x8b, wide, R10, rm_cpu(CPU(pc_base)));
        if (m->disp) {
            e_op(e, 0x8d, wide, R10, rm_mem(R10, m->disp));
        }
        e->owner[R10] = (uint8_t)n->dst.id;
        e->at[n->dst.id] = R10;
        return true;
    }
    unsigned to = reg_of(e, n->dst), base = reg_of(e, m->base), index = reg_of(e, m->index);
    if (to == NO_REG || base == NO_REG || (index == NO_REG && (m->index.kind || !m->disp))) {
        return false;
    }
    e_op(e, 0x8d, wide, to, (Rm){ .reg = (uint8_t)base, .index = (uint8_t)index, .scale = m->scale,
                                  .mem = true, .disp = m->disp });
    return true;
}

void em_lea(Em *e)
{
    const IrInsn *n = e->n;
    const IrMem *m = &e->ir->mems[n->mem];
    unsigned avoid = 0;

    if (lea_plain(e, m)) {
        return;
    }
    if (m->base.kind == IR_GUEST && e->gpr[m->base.id] != NO_REG) {
        avoid |= 1u << e->gpr[m->base.id];
    }
    if (m->index.kind == IR_GUEST && e->gpr[m->index.id] != NO_REG) {
        avoid |= 1u << e->gpr[m->index.id];
    }
    /* One lea reads before it writes; em_address() needs a free register otherwise. */
    bool simple = !m->pc_relative && m->base.kind == IR_GUEST && e->gpr[m->base.id] != NO_REG &&
                  m->offset_bits != 16 &&
                  (m->index.kind == IR_NONE ||
                   (m->index.kind == IR_GUEST && e->gpr[m->index.id] != NO_REG));
    if (n->dst.kind == IR_TEMP && e->at[n->dst.id] < 16) {
        avoid |= 1u << e->at[n->dst.id];
    }
    unsigned to = dst_reg(e, n->dst, n->type, simple ? 0 : avoid);
    em_address(e, m, to, n->type <= IR_I32);
    dst_done(e, n->dst, n->type, to);
}

static int32_t seg_disp(const Em *e, const IrMem *m, size_t member)
{
    return (int32_t)(e->g->seg_offset + m->segment * e->g->seg_stride + member) - BIAS;
}

Rm em_seg_base(const Em *e, const IrMem *m) { return rm_cpu(seg_disp(e, m, e->g->seg_base)); }

static void limit_check(Em *e, const IrMem *m, unsigned x, unsigned y, uint32_t rec)
{
    e_op(e, 0x3b, E_W, x, rm_cpu(seg_disp(e, m, e->g->seg_lo)));
    leave_if(e, CC_L, rec);
    e_op(e, 0x8d, E_W, y, rm_mem(x, (int32_t)m->span - 1));
    e_op(e, 0x3b, E_W, y,
         rm_cpu(seg_disp(e, m, m->access & IR_WRITE ? e->g->seg_hi_write : e->g->seg_hi_read)));
    leave_if(e, CC_G, rec);
}

/*
 * What was merged are neighbours only if a register of 32 bits does not pass 0 or 2^32 between
 * them.
 */
static void narrow_check(Em *e, const IrMem *m, uint32_t rec)
{
    IrRef r = m->narrow == 1 ? m->base : m->index;

    if (m->narrow_lo) {
        unsigned x = take(e);
        load_to(e, x, r, IR_I32);
        e_alu_imm(e, 5, IR_I32, rm_reg(x), m->narrow_lo);
        e_alu_imm(e, 7, IR_I32, rm_reg(x), m->narrow_hi - m->narrow_lo);
        give(e, x);
    } else {
        e_alu_imm(e, 7, IR_I32, rm_of(place(e, r)), m->narrow_hi);
    }
    leave_if(e, CC_A, rec);
}

/*
 * An inline cache for such an access, which no place with another kind has: what one finds the
 * others believe.
 */
static int ic_take(X64 *x, unsigned kind)
{
    if (x->n_ic < DBT_IC_DATA) {
        x->ic_kind[x->n_ic] = (uint8_t)kind;
        return (int)x->n_ic++;
    }
    unsigned from = x->ic_last[kind] + 1u;
    const uint8_t *at = memchr(x->ic_kind + from, (int)kind, DBT_IC_DATA - from);
    at = at ? at : memchr(x->ic_kind, (int)kind, from);
    if (!at) {
        return IC_NONE;
    }
    return x->ic_last[kind] = (uint16_t)(at - x->ic_kind);
}

/* Is it the same page nearly always: the stack's, or where only the program is loaded decides? */
static bool is_steady(const Em *e, const IrMem *m)
{
    return m->index.kind == IR_NONE &&
           (m->base.kind == IR_NONE || (m->base.kind == IR_GUEST && m->base.id == e->g->stack_reg));
}

/*
 * Is an inline cache worth trying?  In blocks and loops where nothing speaks against it; elsewhere
 * where something speaks for it, and while the program has not too many (IC_STAYS_MAX): all of them
 * would fill the host's L1 cache.
 */
static bool ic_promises(Em *e, const IrMem *m)
{
    const uint8_t *at = trace_host(e->trace, e->b, e->guest_pc);
    bool write = (m->merged ? m->own_access : m->access) & IR_WRITE;

    if (ic_is_bad(e->d, at)) {
        return false;
    }
    if (is_steady(e, m)) {
        return true;
    }
    if (e->ic_all) {
        return !ic_roams(e->d, at, write);
    }
    if (e->stays && ic_stays(e->d, at, write)) {
        e->stays--;
        return true;
    }
    return false;
}

/*
 * The inline cache of this check.  IC_NONE where it needs a second register anyway, or host state
 * would have to be put aside.
 */
static int ic_of(Em *e, const IrMem *m)
{
    if (!e->ics || e->x87_n || m->limit || m->locked || m->span >= IC_WRITE || !ic_promises(e, m)) {
        return IC_NONE;
    }
    return ic_take(e->x, m->span | (m->access & IR_WRITE ? IC_WRITE : 0u));
}

/* y: a free register, or NO_REG. */
static void ic_check(Em *e, const IrMem *m, unsigned x, unsigned y, uint32_t rec, unsigned k)
{
    LeaveRec *r = &e->x->recs[rec];

    r->ic = k & 0xfff;
    r->has_ic = !e->x87_c1;             /* else there is more in its stub */
    align_patch(e, 0, 5);
    const uint8_t *site = e->p;
    e_op(e, 0x33, E_W, x, rm_ic(e, k, offsetof(DbtIc, key)));
    e_op(e, 0x3b, E_W, x, rm_ic(e, k, offsetof(DbtIc, limit)));
    e_jcc(e, CC_AE);
    Stub *s = new_stub(e, STUB_IC);
    s->x = (uint8_t)x;
    s->y = (uint8_t)y;
    s->span = (uint16_t)m->span;
    s->write = m->access & IR_WRITE;
    s->rec = rec;
    e_op(e, 0x03, E_W, x, rm_ic(e, k, offsetof(DbtIc, value)));
    s->back = e->p;
    g_assert(e->p - site == IC_CODE);
}

void tlb_entry(Em *e, unsigned y, unsigned x)
{
    e_rorx(e, y, x, DBT_PAGE_BITS - DBT_TLB_SHIFT, false);
    e_op(e, 0x23, 0, y, rm_cpu(CPU(tlb_mask)));
    e_op(e, 0x03, E_W, y, rm_cpu(CPU(tlb)));
}

void tlb_check(Em *e, const IrMem *m, unsigned x, unsigned y, uint32_t rec)
{
    bool write = m->access & IR_WRITE;

    tlb_entry(e, y, x);
    e_op(e, 0x33, E_W, x, rm_mem(y, write ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read)));
    unsigned k = 0;
    while (k < DBT_LAST_N && dbt_last_span(k) != m->span) {
        k++;
    }
    if (k < DBT_LAST_N) {
        e_op(e, 0x3b, E_W, x, rm_cpu(CPU(last) + 8 * (int32_t)k));
    } else {
        e_alu_imm(e, 7, IR_I64, rm_reg(x), DBT_PAGE - m->span);
    }
    e_jcc(e, CC_A);
    Stub *s;
    if (y == RAX || y == R10 || y == R11) {
        s = check_stub(e, rec, e->x->refill_undo[scratch_number(x)][scratch_number(y)][write]);
    } else {
        s = new_stub(e, STUB_REFILL);
        s->x = (uint8_t)x;
        s->y = (uint8_t)y;
        s->write = write;
        s->rec = rec;
    }
    e_op(e, 0x03, E_W, x, rm_mem(y, offsetof(TlbEntry, page)));
    s->back = e->p;
}

static G_GNUC_NO_INLINE void chk_other(Em *e)
{
    const IrInsn *n = e->n;
    const IrMem *m = &e->ir->mems[n->mem];
    bool wide = m->linear_bits == 64;

    unsigned stack = stack_limit(e, m);
    int ic = stack < DBT_STACK_LIMITS ? IC_NONE : ic_of(e, m);
    unsigned h = val_of(n->dst);

    flags_clobber(e);
    drop_host(e, h);
    uint32_t rec = leave_rec(e, m);
    if (m->narrow) {
        narrow_check(e, m, rec);
    }
    unsigned x = take_host(e);
    em_address(e, m, x, false);
    unsigned y = ic != IC_NONE || stack < DBT_STACK_LIMITS ? (unsigned)NO_REG : take(e);
    if (m->limit) {
        limit_check(e, m, x, y, rec);
    }
    if (m->segment != SEG_NONE) {
        e_op(e, 0x03, wide ? E_W : 0, x, em_seg_base(e, m));
    }
    if (m->locked && m->span > 1) {
        e_mov32(e, y, x);
        e_alu_imm(e, 4, IR_I32, rm_reg(y), CACHE_LINE - 1);
        e_alu_imm(e, 7, IR_I32, rm_reg(y), CACHE_LINE - m->span);
        leave_if(e, CC_A, rec);
    }
    if (stack < DBT_STACK_LIMITS) {
        stack_check(e, x, rec, stack);
    } else if (ic != IC_NONE) {
        ic_check(e, m, x, free_scratch(e), rec, (unsigned)ic);
    } else {
        tlb_check(e, m, x, y, rec);
    }
    if (m->align > 1) {
        e_op(e, 0xf6, 0, 0, rm_reg(x));         /* test x, align - 1: pages are aligned alike */
        e8(e, m->align - 1u);
        leave_if(e, CC_NE, rec);
    }
    set_val(e, h, x);
    e->host = 0;
}

void em_chk(Em *e)
{
    if (!(e->turn == TURN_REST && loop_chk(e)) && !chk_by_form(e)) {
        chk_other(e);
    }
}

/* ---- bulk moves ---- */

/*
 * x, tmp: scratch.  Host address of [x, x + rcx * size) in x if that lies in one page that the TLB
 * has; else to *slow.
 */
static void bulk_page(Em *e, unsigned x, unsigned tmp, bool write, unsigned shift, uint8_t *slow[2])
{
    tlb_entry(e, RAX, x);
    e_op(e, 0x33, E_W, x,
         rm_mem(RAX, write ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read)));
    e_alu_imm(e, 7, IR_I64, rm_reg(x), DBT_PAGE - 1);
    slow[0] = e_jcc(e, CC_A);
    e_op(e, 0x8d, E_W, tmp, (Rm){ .reg = (uint8_t)x, .index = RCX, .scale = (uint8_t)shift,
                                  .mem = true });
    e_alu_imm(e, 7, IR_I64, rm_reg(tmp), DBT_PAGE);
    slow[1] = e_jcc(e, CC_A);
    e_op(e, 0x03, E_W, x, rm_mem(RAX, offsetof(TlbEntry, page)));
}

/*
 * From the context in rax, the current one, to that in r11, as dbt_use() does; clobbers rax and
 * r10.
 */
static void go_over(Em *e)
{
    e_store(e, R11, rm_cpu(CPU(ctx)));
    for (int32_t k = 0; k < (int32_t)sizeof(DbtStack); k += 8) {        /* each has its own */
        e_load(e, R10, rm_cpu(CPU(stack) + k));
        e_store(e, R10, rm_mem(RAX, (int32_t)offsetof(DbtContext, stack) + k));
        e_load(e, R10, rm_mem(R11, (int32_t)offsetof(DbtContext, stack) + k));
        e_store(e, R10, rm_cpu(CPU(stack) + k));
    }
    e_load(e, RAX, rm_mem(R11, offsetof(DbtContext, tlb)));
    e_store(e, RAX, rm_cpu(CPU(tlb)));
    e_load(e, RAX, rm_mem(R11, offsetof(DbtContext, tlb_mask)));
    e_store(e, RAX, rm_cpu(CPU(tlb_mask)));
}

static void gate_unless(Em *e, unsigned cc)
{
    e_jcc(e, cc);
    Stub *s = new_stub(e, STUB_GATE);
    s->rec = e->i;
    s->borrowed = e->borrowed;
    s->pc = e->guest_pc;
}

/*
 * What is known of user code, inline caches and the like, is of one context: no other is gone over
 * to.
 */
void em_gate(Em *e)
{
    const IrInsn *n = e->n;

    flags_save(e);
    if (n->a.kind != IR_NONE) {
        unsigned a = src_reg(e, n->a, IR_I64);
        e_op(e, 0x85, E_W, a, rm_reg(a));
        gate_unless(e, CC_NE);
    }
    drop_scratch(e, e->n->after.values);
    e_load(e, RAX, rm_cpu(CPU(ctx)));
    e_load(e, R11, rm_mem(RAX, offsetof(DbtContext, gate)));
    if (n->imm8) {
        e_op(e, 0x3b, E_W, R11, rm_cpu(CPU(user_ctx)));
        gate_unless(e, CC_NE);
    } else {
        e_op(e, 0x85, E_W, R11, rm_reg(R11));
        gate_unless(e, CC_E);
    }
    go_over(e);
    forget_scratch(e);
    e->host = 0;
}

/*
 * The current context's twin, if it is known and the bit changes (2 clears it, 3 sets it): on with
 * the next.
 */
static void em_twin(Em *e)
{
    const IrInsn *n = e->n;
    bool set = n->sub == 3;
    uint32_t bit = (uint32_t)e->ir->imms[n->b.id];
    Rm flags = rm_cpu((int32_t)n->a.id - BIAS);
    uint8_t *slow[2];

    flags_save(e);
    e_load(e, RAX, rm_cpu(CPU(ctx)));
    e_load(e, R11, rm_mem(RAX, offsetof(DbtContext, twin)));
    e_op(e, 0x85, E_W, R11, rm_reg(R11));
    slow[0] = e_jcc(e, CC_E);
    e_op(e, 0xf7, 0, 0, flags);         /* test */
    e32(e, bit);
    slow[1] = e_jcc(e, set ? CC_NE : CC_E);
    e_alu_imm(e, set ? 1 : 4, IR_I32, flags, set ? bit : ~bit);
    go_over(e);
    em_exit_to(e, n->imm);
    patch_to(slow[0], e->p);
    patch_to(slow[1], e->p);
    e->host = 0;
}

/*
 * The host's own string instruction on the host's memory: rcx, rsi and rdi are the guest's.  All or
 * nothing, in one page of each side, so that there is no state in between; the helper that follows
 * does the rest.
 */
void em_bulk(Em *e)
{
    const IrInsn *n = e->n;
    bool movs = !n->sub;
    unsigned shift = n->type, wide = n->type == IR_I64 ? E_W : n->type == IR_I16 ? E_16 : 0;
    uint8_t *slow[6] = { NULL };

    if (n->sub >= 2) {
        em_twin(e);
        return;
    }
    g_assert(x64_gpr[1] == RCX && x64_gpr[6] == RSI && x64_gpr[7] == RDI && x64_gpr[0] == R9);
    flags_clobber(e);
    e_alu_imm(e, 7, IR_I64, rm_cpu((int32_t)n->a.id - BIAS), 1);
    slow[0] = e_jcc(e, CC_NE);
    e_alu_imm(e, 7, IR_I64, rm_reg(RCX), DBT_PAGE >> shift);
    slow[1] = e_jcc(e, CC_A);
    if (movs) {
        e_mov_rr(e, R11, RSI);
        bulk_page(e, R11, R10, false, shift, slow + 2);
        e_store(e, R11, rm_cpu(CPU(spill)));
    }
    e_mov_rr(e, R10, RDI);
    bulk_page(e, R10, R11, true, shift, slow + 4);
    if (movs) {
        e_load(e, R11, rm_cpu(CPU(spill)));
        e_op(e, 0x87, E_W, R11, rm_reg(RSI));
        e_mov_rr(e, RAX, RCX);
    } else {
        e_mov_rr(e, R11, RCX);
        e_mov_rr(e, RAX, R9);
    }
    e_op(e, 0x87, E_W, R10, rm_reg(RDI));
    if (wide & E_16) {
        e8(e, 0x66);
    }
    e8(e, 0xf3);
    if (wide & E_W) {
        e8(e, 0x48);
    }
    e8(e, (movs ? 0xa4u : 0xaau) | (n->type != IR_I8));
    unsigned count = movs ? RAX : R11;
    if (movs) {
        e_op(e, 0x8d, E_W, RSI, (Rm){ .reg = R11, .index = (uint8_t)count, .scale = (uint8_t)shift,
                                      .mem = true });
    }
    e_op(e, 0x8d, E_W, RDI, (Rm){ .reg = R10, .index = (uint8_t)count, .scale = (uint8_t)shift,
                                  .mem = true });
    em_exit_to(e, n->imm);
    for (unsigned k = 0; k < 6; k++) {
        if (slow[k]) {
            patch_to(slow[k], e->p);
        }
    }
    e->host = 0;
}

/* ---- atomic operations on (host) ---- */

static void em_cmpxchg(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;

    flags_begin(e, FL_ALL);
    take_rax(e);
    Rm m = rm_of(place(e, n->a));
    unsigned b = src_reg(e, n->b, type);
    load_to(e, RAX, n->c, type);
    if (n->locked) {
        e8(e, 0xf0);
    }
    e_typed(e, 0x1b1, type, b, m);
    if (type == IR_I32) {
        e_mov32(e, RAX, RAX);
    }
    if (n->dst.kind != IR_NONE) {
        dst_done(e, n->dst, type, RAX);
    }
    flags_end(e, FL_ALL);
}

void em_atomic(Em *e)
{
    const IrInsn *n = e->n;
    IrType type = n->type;

    if (n->op == IR_cmpxchg) {
        em_cmpxchg(e);
        return;
    }
    bool xadd = n->op == IR_xadd;
    if (xadd) {
        flags_begin(e, FL_ALL);
    }
    Rm m = rm_of(place(e, n->a));
    bool direct = same_ref(n->dst, n->b) && n->dst.kind == IR_GUEST && !n->dst.high_byte &&
                  e->gpr[n->dst.id] != NO_REG;
    unsigned s = direct ? e->gpr[n->dst.id] : take(e);
    if (!direct) {
        load_to(e, s, n->b, type);
    }
    if (xadd && n->locked) {
        e8(e, 0xf0);
    }
    e_typed(e, xadd ? 0x1c1 : 0x87, type, s, m);        /* xchg with memory is always locked */
    if (!direct && n->dst.kind != IR_NONE) {
        dst_done(e, n->dst, type, s);
    }
    if (xadd) {
        flags_end(e, FL_ALL);
    }
}

void em_fence(Em *e)
{
    e8(e, 0x0f);
    e8(e, 0xae);
    e8(e, 0xf0);
}

/*
 * Where the TLB knows the page, the host's own hint; else nothing: a hint is not worth a walk, and
 * may not fault.
 */
void em_prefetch(Em *e)
{
    const IrInsn *n = e->n;

    flags_clobber(e);
    unsigned x = take(e), y = take(e);
    load_to(e, x, n->a, IR_I64);
    release(e, n->a);
    tlb_entry(e, y, x);
    e_op(e, 0x33, E_W, x, rm_mem(y, offsetof(TlbEntry, read)));
    e_alu_imm(e, 7, IR_I64, rm_reg(x), DBT_PAGE - 1);
    uint8_t *not_there = e_jcc8(e, CC_A);
    e_op(e, 0x03, E_W, x, rm_mem(y, offsetof(TlbEntry, page)));
    e_op(e, n->imm8 == 4 ? 0x10d : 0x118, 0, n->imm8 == 4 ? 1 : n->imm8, rm_mem(x, 0));
    patch8(e, not_there);
    e->host = 0;
}

void em_guard(Em *e)
{
    const IrInsn *n = e->n;

    flags_clobber(e);
    uint32_t rec = leave_rec(e, NULL);
    e_alu_imm(e, 7, n->type, rm_cpu((int32_t)n->a.id - BIAS), e->ir->imms[n->b.id]);
    leave_if(e, CC_NE, rec);
    e->host = 0;
}

void em_chkpc(Em *e)
{
    flags_clobber(e);
    uint32_t rec = leave_rec(e, NULL);
    unsigned s = take(e);
    load_to(e, s, e->n->a, IR_I64);
    e_shift_imm(e, 7, IR_I64, s, e->g->canonical_bits - 1);     /* 0 or -1 */
    e_alu_imm(e, 0, IR_I32, rm_reg(s), 1);
    e_alu_imm(e, 7, IR_I32, rm_reg(s), 1);
    leave_if(e, CC_A, rec);
    e->host = 0;
}

void em_chkcs(Em *e)
{
    const IrInsn *n = e->n;

    flags_clobber(e);
    uint32_t rec = leave_rec(e, NULL);
    unsigned s = take(e);
    e_op(e, 0x8b, 0, s, rm_cpu(CPU(pc_base)));
    e_alu_imm(e, 0, IR_I32, rm_reg(s), (uint32_t)n->imm);
    e_op(e, 0x2b, 0, s, rm_cpu((int32_t)e->g->cs_base - BIAS));
    e_op(e, 0x3b, 0, s, rm_cpu((int32_t)e->g->cs_limit - BIAS));
    leave_if(e, CC_A, rec);
    e->host = 0;
}
