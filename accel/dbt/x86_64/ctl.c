/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl.c -- block exits, calls of helpers, and what is emitted out of line after a block.
 *
 * A direct exit within the page is a jump whose rel32 first leads to its stub and is patched to the target's body later;
 * backwards it enters through the exit check before the body.  Every other exit looks its target up in the context's jump
 * cache, inline.  Exit checks stand at block entries, so that one compare serves all indirect and backward jumps.
 *
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

static Stub *next_stub(Em *e)
{
    if (e->n_stubs >= MAX_STUBS) {
        e->full = true;
        e->n_stubs = 0;
    }
    return &e->stubs[e->n_stubs++];
}

Stub *new_stub(Em *e, StubKind kind)
{
    Stub *s = next_stub(e);
    *s = (Stub){ .kind = kind, .from = e->p - 4, .x87_n = e->x87_n, .x87_c1 = e->x87_c1 };
    memcpy(s->x87, e->x87, sizeof s->x87);
    return s;
}

Stub *check_stub(Em *e, uint32_t rec, uint32_t thunk)
{
    Stub *s = next_stub(e);

    s->kind = STUB_CHECK;
    s->from = e->p - 4;
    s->rec = rec;
    s->thunk = thunk;
    if ((s->x87_n = e->x87_n) | (s->x87_c1 = e->x87_c1)) {
        memcpy(s->x87, e->x87, sizeof s->x87);
    }
    return s;
}

void leave_if(Em *e, unsigned cc, uint32_t rec)
{
    e_jcc(e, cc);
    Stub *s = new_stub(e, STUB_LEAVE);
    s->rec = rec;
    s->borrowed = e->borrowed;
}

void em_load_pc(Em *e, unsigned reg, int32_t offset)
{
    unsigned w = e->wide ? E_W : 0;

    e_op(e, 0x8b, w, reg, rm_cpu(CPU(pc_base)));
    if (offset) {
        e_alu_imm(e, 0, e->wide ? IR_I64 : IR_I32, rm_reg(reg), (uint32_t)offset);
    }
}

static uint8_t *jmp_cache(Em *e)        /* returns the rel32 of a jump for what it does not find */
{
    G_STATIC_ASSERT(sizeof(JmpEntry) == 1 << JMP_SHIFT);
    e_rorx(e, RAX, R10, DBT_JMP_BITS, false);
    e_alu_rr(e, 6, IR_I32, RAX, rm_reg(R10));
    e8(e, 0x25);                        /* and eax */
    e32(e, DBT_JMP_N - 1);
    e_shift_imm(e, 4, IR_I32, RAX, JMP_SHIFT);
    e_op(e, 0x03, E_W, RAX, rm_cpu(CPU(ctx)));
    e_op(e, 0x3b, E_W, R10, rm_mem(RAX, offsetof(DbtContext, jmp) + offsetof(JmpEntry, pc)));
    uint8_t *missed = e_jcc(e, CC_NE);
    e_op(e, 0xff, 0, 4, rm_mem(RAX, offsetof(DbtContext, jmp) + offsetof(JmpEntry, code)));
    return missed;
}

void em_jmp_cache(Em *e)
{
    patch_thunk(e, jmp_cache(e), e->x->second);
}

/* Not across an 8-byte boundary, so that the store is atomic. */
void align_patch(Em *e, unsigned skip, unsigned bytes)
{
    static const uint8_t nops[8][7] = { { 0 }, { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0 }, { 0x0f, 0x1f, 0x40, 0 }, { 0x0f, 0x1f, 0x44, 0, 0 },
                                        { 0x66, 0x0f, 0x1f, 0x44, 0, 0 }, { 0x0f, 0x1f, 0x80, 0, 0, 0, 0 } };
    unsigned at = ((uintptr_t)e->p + skip) % 8, pad = at + bytes > 8 ? 8 - at : 0;

    memcpy(e->p, nops[pad], pad);
    e->p += pad;
}

/*
 * The rel32 of the jump that follows is patched later.  Prefixes that mean nothing in 64-bit code (CS) fill up: a no-operation
 * would stand between a comparison and its jump, which are one operation of the host's together.
 */
static void align_rel32(Em *e, unsigned opcode_bytes)
{
    unsigned at = ((uintptr_t)e->p + opcode_bytes) % 8;

    for (; at > 4 && at < 8; at++) {
        e8(e, 0x2e);
    }
}

static bool same_page(int32_t target) { return target >= 0 && target < DBT_PAGE; }

/* Flags wanted at a target that are in the host's flags only. */
static bool unsaved(const Em *e, unsigned wanted) { return (wanted & e->host & ~e->mem) != 0; }

/* The block's own jump back to its start, where guest registers may have changed places. */
static bool is_loop(const Em *e, int32_t target)
{
    return e->loops && (e->turn == TURN_ALL || e->at_end) && target == (int32_t)(e->ir->pc & (DBT_PAGE - 1));
}

static void link_here(Em *e, int32_t target, int32_t page);

/* A conditional exit: the jump, with its stub. */
static void exit_if(Em *e, unsigned cc, int32_t target, unsigned wanted)
{
    unsigned fault = e->n->live_fault;
    bool save = unsaved(e, wanted | fault);

    bool round = e->turn != TURN_ALL && e->i == e->hoist.last;
    if (round && e->quiet && save && !wanted && (e->turn == TURN_FIRST || e->loop_fl)) {
        unsigned fl = flags_recipe(e, fault, e->n->sub);
        e->loop_fl = e->turn == TURN_FIRST ? (uint16_t)fl : e->loop_fl;
        save = !fl || fl != e->loop_fl;
    }
    if (save && !wanted && flags_leave_recipe(e, fault, e->n->sub)) {
        save = false;
    }
    if (round && save) {
        flags_save(e);
        save = false;
    }
    if (round && e->turn == TURN_FIRST) {
        e->loop_first = e_jcc(e, cc);
        return;
    }
    e->at_end = round;
    if (!save && same_page(target) && (!e->swaps || is_loop(e, target))) {
        align_rel32(e, 2);
        e_jcc(e, cc);
        link_here(e, target, 0);
        e->at_end = false;
        return;
    }
    e_jcc(e, cc);
    Stub *s = new_stub(e, STUB_EXIT);
    s->target = target;
    s->save = save;
    s->pc = e->guest_pc;
}

/*
 * Is an exit check wanted on the way to that offset from the page base?  Without one all go to a block that starts behind this one, so that
 * nothing goes round.  A trace may exit before where it starts, from whatever place.
 */
static bool is_back(const Em *e, int32_t target)
{
    int32_t from = e->trace ? (int32_t)(e->ir->pc & (DBT_PAGE - 1)) : e->guest_pc;

    return target <= from || (!e->wide && !same_page(target));
}

/* The rel32 just emitted is a link; page: target is an offset in another page so far away, whose base pc_base has been made. */
static void link_here(Em *e, int32_t target, int32_t page)
{
    if (e->b->n_links >= e->n_links) {
        e->full = true;
        return;
    }
    unsigned k = e->b->n_links++;
    e->d->links[e->b->links + k] = (BlockLink){ .target = (int16_t)target, .patch = arena_off(e->x, e->p - 4), .from = e->b,
                                                .loop = !page && is_loop(e, target), .far = page != 0,
                                                .stub = is_back(e, page + target) ? LINK_BACK : 0 };
}

static void link_stubs(Em *e)
{
    for (unsigned k = 0; k < e->b->n_links; k++) {
        BlockLink *l = &e->d->links[e->b->links + k];
        l->stub |= arena_off(e->x, e->p);
        patch_to(e->x->rw + l->patch, e->p);
        if (l->loop) {
            regs_swap(e);
        }
        e_mov_imm(e, RAX, e->b->links + k);     /* always imm32 */
        e_note(e, e->p - 4, RELOC_LINK);
        e_jmp_thunk(e, e->x->link);
    }
}

static bool trace_knows(const Trace *t, int64_t delta)
{
    for (unsigned k = 0; k < t->n_pages; k++) {
        if (t->pages[k].delta == delta) {
            return true;
        }
    }
    return false;
}

/* To the other page of pair k, if that is where it was. */
static void em_far(Em *e, unsigned k, unsigned word, int32_t target)
{
    int32_t page = target & -DBT_PAGE;

    align_patch(e, FAR_BYTES, 4);
    uint8_t *p = e->p;
    put_imm32(p, 0x558b4c | (uint32_t)(uint8_t)CPU(pc_base) << 24);             /* mov r10, [pc_base] */
    p[4] = 0x4c;                                                                /* cmp r10, [word] */
    p[5] = 0x3b;
    p[6] = 0x95;
    put_imm32(p + 7, (uint32_t)((int32_t)(e->g->ic_offset + DBT_FAR_AT + 8 * word) - BIAS));
    p[11] = 0x0f;                                                               /* jne */
    p[12] = 0x85;
    e->p = p + 17;
    Stub *s = new_stub(e, STUB_FAR);
    s->rec = k;
    s->target = target;
    p[17] = e->wide ? 0x4d : 0x45;                                              /* lea r10, [r10 + page] */
    p[18] = 0x8d;
    p[19] = 0x92;
    put_imm32(p + 20, (uint32_t)page);
    put_imm32(p + 24, 0x55894c | (uint32_t)(uint8_t)CPU(pc_base) << 24);        /* mov [pc_base], r10 */
    p[28] = 0xe9;                                                               /* jmp */
    G_STATIC_ASSERT(FAR_BYTES == 29 && CPU(pc_base) >= -128 && CPU(pc_base) < 128);
    e->p = put_imm32(p + FAR_BYTES, 0);
    link_here(e, target & (DBT_PAGE - 1), page);
    if (!e->full) {
        e->d->links[e->b->links + e->b->n_links - 1].pair = true;
    }
}

void em_exit_to(Em *e, int32_t target)
{
    if (!is_loop(e, target)) {
        regs_swap(e);
    }
    if (same_page(target)) {
        align_rel32(e, 1);
        e_jmp(e);
        link_here(e, target, 0);
        return;
    }
    int64_t page = (int64_t)target & -(int64_t)DBT_PAGE;
    if (e->trace && trace_knows(e->trace, page)) {
        e_load(e, R10, rm_cpu(CPU(pc_base)));
        e_op(e, 0x8d, E_W, R10, rm_mem(R10, (int32_t)page));
        e_store(e, R10, rm_cpu(CPU(pc_base)));
        align_rel32(e, 1);
        e_jmp(e);
        link_here(e, target & (DBT_PAGE - 1), (int32_t)page);
        return;
    }
    unsigned word, pair = far_pair(e->d, e->g, e->b, page, &word);
    if (pair) {
        em_far(e, pair - 1, word, target);
        return;
    }
    em_load_pc(e, R10, target);
    X64 *x = e->x;
    const uint8_t *none = e->ics && e->ic_all ? memchr(x->ic_jump_of, 0, DBT_IC_JUMPS) : NULL;
    if (!none) {
        em_jmp_cache(e);
        return;
    }
    x->ic_jump_of[none - x->ic_jump_of] = (uint8_t)(x->generation + 1);
    unsigned k = DBT_IC_DATA + (unsigned)(none - x->ic_jump_of);
    e_op(e, 0x3b, E_W, R10, rm_ic(e, k, offsetof(DbtIc, key)));
    uint8_t *miss = e_jcc8(e, CC_NE);
    e_op(e, 0xff, 0, 4, rm_ic(e, k, offsetof(DbtIc, value)));
    patch8(e, miss);
    e_mov_imm(e, R11, k);
    e_jmp_thunk(e, e->x->ic_jump);
}

void em_jmp(Em *e)
{
    unsigned wanted = e->n->live, fault = e->n->live_fault;

    if (unsaved(e, wanted | fault) && (wanted || !flags_leave_recipe(e, fault, e->n->sub))) {
        flags_save(e);
    }
    if (e->turn != TURN_FIRST || e->i != e->hoist.last) {       /* else loop_check() is next */
        e->at_end = e->turn != TURN_ALL && e->i == e->hoist.last;
        em_exit_to(e, e->n->imm);
        e->at_end = false;
    }
}

void em_br(Em *e)
{
    flags_want(e, ir_cond_flags(e->n->cond));
    exit_if(e, e->n->cond, e->n->imm, e->n->live);
}

void em_brz(Em *e)
{
    const IrInsn *n = e->n;

    flags_clobber(e);
    Opnd o = src_rm(e, n->a, n->type);
    if (o.kind == O_MEM) {
        e_alu_imm(e, 7, n->type, rm_of(o), 0);
    } else {
        e_typed(e, 0x85, n->type, o.reg, rm_reg(o.reg));
    }
    e->host = 0;
    exit_if(e, n->op == IR_brz ? CC_E : CC_NE, n->imm, 0);
}

void em_jind(Em *e)
{
    flags_save(e);
    load_to(e, R10, e->n->a, e->n->type);
    regs_swap(e);
    uint8_t *missed = jmp_cache(e);
    Stub *s = new_stub(e, STUB_JUMP);
    s->from = missed;
    s->pc = e->guest_pc;
}

/* Flags are saved before they are compared away: nothing is known of where it goes instead. */
void em_jguess(Em *e)
{
    const IrInsn *n = e->n;

    flags_save(e);
    unsigned a = src_reg(e, n->a, IR_I64), s = take(e);
    e_op(e, 0x8d, E_W, s, rm_mem(a, -n->imm));
    e_op(e, 0x3b, E_W, s, rm_cpu(CPU(pc_base)));
    e_jcc(e, CC_NE);
    Stub *k = new_stub(e, STUB_GUESS);
    k->x = (uint8_t)a;
    k->borrowed = e->borrowed;
    k->pc = e->guest_pc;
    e->host = 0;
}

void em_exit_pc(Em *e)
{
    flags_save(e);
    regs_swap(e);
    e_load(e, R10, rm_cpu(CPU(pc)));
    em_jmp_cache(e);
}

void em_exit_next(Em *e)
{
    flags_save(e);
    regs_swap(e);
    em_load_pc(e, RAX, e->n->imm);
    e_jmp_thunk(e, e->x->exit_pc);
}

/* ---- calls ---- */

void em_call(Em *e, const void *fn)
{
    const uint8_t *at = e->x->rx + (e->p - e->x->rw);
    int64_t d = (const uint8_t *)fn - (at + 5);

    if (d == (int32_t)d) {
        e8(e, 0xe8);
        e32(e, (uint32_t)d);
        e_note(e, e->p - 4, RELOC_CALL);
    } else {
        e->keeps = false;
        e_mov_imm(e, RAX, (uintptr_t)fn);
        e8(e, 0xff);
        e8(e, 0xd0);
    }
}

/* After the spill: guest registers are read from the struct. */
static void arg(Em *e, unsigned reg, IrRef r, IrType type)
{
    switch (r.kind) {
    case IR_NONE:
        e_mov_imm(e, reg, 0);
        break;
    case IR_GUEST:
        e_movzx(e, reg, rm_cpu(CPU(gpr) + 8 * (int32_t)r.id + r.high_byte), type);
        break;
    case IR_TEMP:
        if (e->at[r.id] < 16) {
            e_movzx(e, reg, rm_reg(e->at[r.id]), type);
        } else {
            e_movzx(e, reg, rm_cpu(CPU(spill) + 8 * (int32_t)r.id), type);
        }
        break;
    default:
        load_to(e, reg, r, type);
    }
}

/* The helper would do nothing: the rel32 of a jump over its call. */
static uint8_t *skip_idle(Em *e, const DbtIdle *idle)
{
    uint8_t *call = NULL;

    if (idle->at) {
        e_op(e, 0x81, E_16, 7, rm_cpu((int32_t)idle->at - BIAS));       /* cmp word */
        e8(e, idle->is & 0xff);
        e8(e, idle->is >> 8);
        call = e_jcc8(e, CC_NE);
    }
    e_op(e, 0xf6, 0, 0, rm_cpu((int32_t)idle->clear_at - BIAS));        /* test byte */
    e8(e, idle->clear);
    uint8_t *skip = e_jcc(e, CC_E);
    if (call) {
        patch8(e, call);
    }
    return skip;
}

void em_helper(Em *e)
{
    const IrInsn *n = e->n;
    const IrHelperDesc *h = &e->g->helpers[n->sub];
    bool pc = h->props & (H_RAISES | H_JUMPS);
    uint16_t after = e->n->after.values;

    flags_clobber(e);
    if (n->dst.kind == IR_TEMP) {
        after &= (uint16_t)~(1u << n->dst.id);
    }
    drop_scratch(e, after);
    const DbtIdle *idle = e->g->idle_helper ? e->g->idle_helper(n->sub) : NULL;
    uint8_t *skip = NULL;
    if (idle) {
        skip = skip_idle(e, idle);
    }
    if (pc) {
        take_rax(e);
        e_mov_imm(e, RAX, (uint64_t)(int64_t)e->guest_pc);
        give(e, RAX);
    }
    e_call_thunk(e, pc ? e->x->spill_at : e->x->spill);        /* keeps r10, r11; rdi = cpu */
    arg(e, RSI, n->a, n->type);
    arg(e, RDX, n->b, n->type);
    arg(e, RCX, n->c, n->type);
    em_call(e, (const void *)h->fn);
    e_call_thunk(e, e->x->reload);      /* keeps rax */
    if (skip) {
        patch_to(skip, e->p);
    }
    forget_scratch(e);
    if (h->props & (H_FLAGS_IN | H_FLAGS_OUT | H_RAISES)) {
        e->mem = FL_ALL;
        e->recipe.how = RECIPE_NONE;
    }
    if (n->dst.kind != IR_NONE) {
        take_rax(e);
        if (n->type == IR_I32) {
            e_mov32(e, RAX, RAX);
        }
        dst_done(e, n->dst, n->type, RAX);
    }
    e->vec_sure = false;
}

/* Vectors into the host's registers, unless they are there. */
void em_vec_check(Em *e)
{
    e_alu_imm(e, 7, IR_I32, rm_cpu(CPU(vec_live)), e->ymm ? 2 : 0);
    e_jcc(e, e->ymm ? CC_NE : CC_E);
    new_stub(e, STUB_VEC)->back = e->p;
    e->host = 0;
    e->vec_sure = true;
}

/* ---- out of line ---- */

static void stub_check(Em *e, const Stub *s)
{
    if (s->x87_n | s->x87_c1) {
        x87_stub_store(e, s);
        e_push_rec(e, s->rec);
        e_call_thunk(e, s->thunk);
        x87_stub_load(e, s);
        patch_to(e_jmp(e), s->back);
        return;
    }
    uint8_t *p = e->p;                  /* the same in one piece: push, call, jmp */
    p[0] = 0x68;
    put_imm32(p + 1, s->rec);
    p[5] = 0xe8;
    put_imm32(p + 6, (uint32_t)(e->x->rw + s->thunk - (p + 10)));
    p[10] = 0xe9;
    e->p = put_imm32(p + 11, (uint32_t)(s->back - (p + 15)));
    e_note(e, p + 1, RELOC_REC);
    e_note(e, p + 6, RELOC_THUNK);
}

/* y is a guest register that was put aside. */
static void stub_refill(Em *e, const Stub *s)
{
    e_op(e, 0x33, E_W, s->x, rm_mem(s->y, s->write ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read)));
    x87_stub_store(e, s);
    e_push_rec(e, s->rec);
    e_call_thunk(e, e->x->refill[scratch_number(s->x)]);
    x87_stub_load(e, s);
    patch_to(e_jmp(e), s->back);
}

static void stub_ic(Em *e, const Stub *s)
{
    unsigned y = s->y == NO_REG ? RCX : s->y;
    Rm tag = rm_mem(y, s->write ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read));

    e_op(e, 0x33, E_W, s->x, rm_ic(e, e->x->recs[s->rec].ic, offsetof(DbtIc, key)));
    x87_stub_store(e, s);
    e_push_rec(e, s->rec);
    e_call_thunk(e, e->x->ic[scratch_number(s->x)][s->write]);
    x87_stub_load(e, s);
    patch_to(e_jmp(e), s->back);
    if (!e->x->recs[s->rec].has_ic) {
        return;
    }
    if (s->y == NO_REG) {               /* here it goes on when the cache has been given up: ic_give_up() */
        e8(e, 0x51);                    /* push rcx */
    }
    tlb_entry(e, y, s->x);
    e_op(e, 0x33, E_W, s->x, tag);
    e_alu_imm(e, 7, IR_I64, rm_reg(s->x), DBT_PAGE - s->span);
    uint8_t *miss = e_jcc8(e, CC_A);
    e_op(e, 0x03, E_W, s->x, rm_mem(y, offsetof(TlbEntry, page)));
    if (s->y == NO_REG) {
        e8(e, 0x59);                    /* pop rcx */
    }
    patch_to(e_jmp(e), s->back);
    patch8(e, miss);
    e_op(e, 0x33, E_W, s->x, tag);
    if (s->y == NO_REG) {
        e8(e, 0x59);
    }
    e_push_rec(e, s->rec);
    e_call_thunk(e, e->x->refill[scratch_number(s->x)]);
    patch_to(e_jmp(e), s->back);
}

/* The jump cache does not have where the indirect jump at offset pc goes. */
static void jump_missed(Em *e, int32_t pc)
{
    e_mov_imm(e, R11, (uint32_t)pc << 1 | 1);
    e_jmp_thunk(e, e->x->second_from);
}

static void stub_guess(Em *e, const Stub *s)
{
    if (s->x != R10) {
        e_mov_rr(e, R10, s->x);
    }
    restore_borrowed(e, s->borrowed);
    regs_swap(e);
    uint8_t *missed = jmp_cache(e);
    patch_to(missed, e->p);
    jump_missed(e, s->pc);
}

/* The helper of operation s->rec, as its block's end. */
static void stub_gate(Em *e, const Stub *s)
{
    const IrInsn *n = &e->ir->insns[s->rec];

    restore_borrowed(e, s->borrowed);
    e_mov_imm(e, RAX, (uint64_t)(int64_t)s->pc);
    e_call_thunk(e, e->x->spill_at);
    e_mov_imm(e, RSI, 0);
    e_mov_imm(e, RDX, 0);
    e_mov_imm(e, RCX, e->ir->imms[n->b.id]);
    em_call(e, (const void *)e->g->helpers[n->sub].fn);
    e_call_thunk(e, e->x->reload);
    e_load(e, R10, rm_cpu(CPU(pc)));
    em_jmp_cache(e);
}

void emit_stubs(Em *e)
{
    const uint8_t *gate = NULL;

    for (unsigned i = 0; i < e->n_stubs && !e->full; i++) {
        const Stub *s = &e->stubs[i];
        if (e->p + 256 > e->end) {
            e->full = true;
            return;
        }
        patch_to(s->from, e->p);
        switch (s->kind) {
        case STUB_CHECK:
            stub_check(e, s);
            break;
        case STUB_REFILL:
            stub_refill(e, s);
            break;
        case STUB_IC:
            stub_ic(e, s);
            break;
        case STUB_LEAVE:
            x87_stub_store(e, s);
            restore_borrowed(e, s->borrowed);
            e_push_rec(e, s->rec);
            e_jmp_thunk(e, e->x->leave);
            break;
        case STUB_EXIT:
            if (s->save) {
                flags_store(e);
            }
            e->guest_pc = s->pc;
            em_exit_to(e, s->target);
            break;
        case STUB_JUMP:
            jump_missed(e, s->pc);
            break;
        case STUB_GUESS:
            stub_guess(e, s);
            break;
        case STUB_FAR:
            e_alu_imm(e, 0, e->wide ? IR_I64 : IR_I32, rm_reg(R10), (uint32_t)s->target);
            e_mov_imm(e, R11, s->rec);
            e_jmp_thunk(e, e->x->far);
            break;
        case STUB_GATE:
            if (gate) {
                patch_to(s->from, gate);
            } else {
                gate = e->p;
                stub_gate(e, s);
            }
            break;
        case STUB_VEC:
            e_call_thunk(e, e->ymm ? e->x->vec_load_ymm : e->x->vec_load);
            patch_to(e_jmp(e), s->back);
            break;
        }
    }
    if (e->p + (size_t)e->b->n_links * 32 + 64 > e->end) {
        e->full = true;
        return;
    }
    link_stubs(e);
}
