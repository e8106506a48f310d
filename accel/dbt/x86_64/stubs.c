/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stubs.c -- the code at the start of the arena that all blocks share: entering, leaving, look-ups (checks that miss: miss.c).
 *
 * Registers at each are described where it is made.  The frame: enter pushes what C wants kept and leaves rsp aligned to
 * 16, so that blocks and thunks may call C; a siglongjmp out of C just abandons it.
 *
 * Spec: System V ABI, AMD64 supplement, 3.2.
 * Threads: made once; run by all vCPUs.
 */
#include "accel/dbt/x86_64/emit.h"
#include "core/compiler.h"

enum { FRAME = 24, MXCSR_DEFAULT = 0x1f80, MXCSR_STICKY = 0x3f, MXCSR_CONTROL = 0xe040 };

/* ---- slow paths in C ---- */

static uint32_t fl_of_flags(unsigned f)
{
    return (f & FL_C ? 0x100u : 0) | 0x200 | (f & FL_P ? 0x400u : 0) | (f & FL_A ? 0x1000u : 0) | (f & FL_Z ? 0x4000u : 0) |
           (f & FL_S ? 0x8000u : 0) | (f & FL_O ? 1u : 0);
}

/* Flags (FL_*) that the recipe gives; old: flags before. */
static unsigned recipe_flags(const DbtCpu *c, const Recipe *r, unsigned old)
{
    uint64_t mask = UINT64_MAX >> (64 - (8u << r->type)), a = 0, b, result, high = 0;

    b = r->b == 0xff ? (uint64_t)(int64_t)r->imm : c->gpr[r->b];
    switch (r->how) {
    case RECIPE_OPERANDS:
        a = c->gpr[r->a];
        result = r->op == IR_cmp ? a - b : a & b;
        break;
    case RECIPE_RESULT_B:
        result = c->gpr[r->r];
        a = r->op == IR_add ? result - b : r->op == IR_sub ? result + b : r->op == IR_inc ? result - 1 :
            r->op == IR_dec ? result + 1 : 0 - result;
        break;
    case RECIPE_PRODUCT:
        result = c->gpr[r->r];
        high = c->gpr[r->a] & mask;
        break;
    default:                            /* logic: only the result counts */
        result = c->gpr[r->r];
        b = 0;
    }
    return ir_flags(r->op, r->type, a & mask, b & mask, 0, result & mask, high, old);
}

/* cpu->fl with what the recipe gives. */
static uint32_t leave_flags(const DbtCpu *c, const LeaveRec *r)
{
    Recipe recipe = { .how = r->how, .op = r->op, .type = r->type, .a = r->a, .b = r->b, .r = r->r, .imm = r->imm };
    unsigned old = dbt_fl_flags(c->fl);

    return fl_of_flags((recipe_flags(c, &recipe, old) & r->mask) | (old & ~(unsigned)r->mask));
}

void flags_settle(DbtCpu *c)
{
    if (!(c->fl & FL_REAL)) {
        c->fl = fl_of_flags(recipe_flags(c, &x64_of(c->dbt)->lazy[(c->fl & 0x1ff) | (c->fl >> 10 & 0x3f) << 9], 0));
    }
}

/* Where a merged check that failed goes on; kept in its record.  (The arena is not emptied while this CPU is in code.) */
static const void *unmerged(DbtCpu *c, LeaveRec *r)
{
    const void *to = __atomic_load_n(&r->unmerged, __ATOMIC_ACQUIRE);

    if (!to && (to = dbt_unmerged(c))) {
        __atomic_store_n(&r->unmerged, to, __ATOMIC_RELEASE);
    }
    return to;
}

/* Checks come before all effects of their instruction, in the order of its accesses: the first walk that fails is its fault. */
static bool raise_miss(DbtCpu *c, const LeaveRec *r, uint32_t rec)
{
    unsigned shift = 64 - c->guest->canonical_bits;
    unsigned access = r->merged ? r->access >> 4 : r->access & 15;
    bool canonical = (uint64_t)((int64_t)(c->miss_linear << shift) >> shift) == c->miss_linear;

    if (c->miss_rec == rec + 1 && r->exact && (canonical || !(c->ctx->key.mode & c->guest->mode_wide))) {
        c->miss_rec = 0;
        c->guest->fault_enter(c, c->miss_linear, access & IR_WRITE ? ACCESS_WRITE : ACCESS_READ, &c->miss);
        return true;
    }
    c->miss_rec = 0;
    return false;
}

static const void *leave_c(DbtCpu *c, uint32_t rec)
{
    LeaveRec *r = &x64_of(c->dbt)->recs[rec];
    const void *to;

    order_arrive(c->dbt);
    c->pc = c->pc_base + r->pc;
    regs_unswap_c(c->gpr, r->swaps);
    flags_settle(c);
    if (r->how) {
        c->fl = leave_flags(c, r);
    }
    if (raise_miss(c, r, rec)) {
        return dbt_go_on(c);
    }
    if (r->merged && (to = unmerged(c, r))) {
        return to;                      /* tests for an exit request itself */
    }
    return dbt_slow(c);
}

/* From the compare that stands before the link: em_far(). */
static unsigned word_of_link(const DbtCpu *c, const BlockLink *l)
{
    int32_t disp;

    memcpy(&disp, x64_of(c->dbt)->rx + l->patch - FAR_WORD_BACK, sizeof(disp));
    return (unsigned)(disp - (int32_t)(c->guest->ic_offset + DBT_FAR_AT) + BIAS) / 8;
}

static const void *link_c(DbtCpu *c, BlockLink *l)
{
    order_arrive(c->dbt);
    c->pc = c->pc_base + (uint64_t)l->target;
    flags_settle(c);
    return dbt_link_lookup(c, l, l->pair ? word_of_link(c, l) : 0);
}

/* from: odd: by an indirect branch at page base + (from >> 1); FROM_DEAD: to a block that is no more; 0: else. */
enum { FROM_DEAD = 2 };
static const void *lookup_c(DbtCpu *c, int32_t from)
{
    order_arrive(c->dbt);
    flags_settle(c);
    if (G_UNLIKELY((from & 1) && dbt_is_bad_target(c, c->pc))) {
        c->pc = c->pc_base + (uint64_t)(int64_t)(from >> 1);
        c->guest->bad_target(c);
    }
    if (from == FROM_DEAD) {
        ic_flush_dead(c);
    }
    return dbt_lookup(c);
}

/* Unmerged code that is no more, entered from a record that still names it. */
static const void *lookup_unmerged_c(DbtCpu *c)
{
    order_arrive(c->dbt);
    flags_settle(c);
    const void *to = dbt_unmerged(c);
    return to ? to : dbt_slow(c);
}

static const void *hot_c(DbtCpu *c, uint32_t counter)
{
    order_arrive(c->dbt);
    flags_settle(c);
    return trace_hot(c, counter);
}

static const void *far_c(DbtCpu *c, uint32_t pair)
{
    order_arrive(c->dbt);
    flags_settle(c);
    far_check(c, pair);
    return dbt_lookup(c);
}

static const void *check_c(DbtCpu *c, uint32_t trace)
{
    order_arrive(c->dbt);
    flags_settle(c);
    return trace_check(c, trace);
}

/* ---- their callers ---- */

uint32_t thunk_here(Em *e)
{
    while ((uintptr_t)e->p % 16) {
        e8(e, 0xcc);
    }
    return arena_off(e->x, e->p);
}

static void gprs(Em *e, bool store)
{
    for (unsigned g = 0; g < N_GPR; g++) {
        if (x64_gpr[g] != NO_REG) {
            e_op(e, store ? 0x89 : 0x8b, E_W, x64_gpr[g], rm_cpu(CPU(gpr) + 8 * (int32_t)g));
        }
    }
}

static void xmms(Em *e, bool store)
{
    const DbtGuest *g = e->x->guest;

    for (unsigned i = 0; i < 16; i++) {
        e_op(e, store ? 0x129 : 0x128, 0, i, rm_cpu((int32_t)(g->vec_offset + i * g->vec_stride) - BIAS));      /* movaps */
    }
}

static void ymms(Em *e, bool store)
{
    const DbtGuest *g = e->x->guest;

    for (unsigned i = 0; i < 16; i++) {                 /* vmovaps */
        e8(e, 0xc5);
        e8(e, (i & 8 ? 0 : 0x80) | 0x7c);
        e8(e, store ? 0x29 : 0x28);
        e_modrm(e, i, rm_cpu((int32_t)(g->vec_offset + i * g->vec_stride) - BIAS));
    }
    if (store) {                                        /* vzeroupper: C code may be SSE, not on top of these */
        e8(e, 0xc5);
        e8(e, 0xf8);
        e8(e, 0x77);
    }
}

static void make_vec_load(Em *e, bool wide)
{
    Rm tmp = rm_mem(RSP, -16), fpcr = rm_cpu((int32_t)e->x->guest->fpcr_offset - BIAS);

    if (wide) {
        ymms(e, false);
    } else {
        xmms(e, false);
    }
    push(e, RAX);
    e_op(e, 0x8b, 0, RAX, fpcr);
    e_alu_imm(e, 4, IR_I32, rm_reg(RAX), MXCSR_CONTROL);
    e_alu_imm(e, 1, IR_I32, rm_reg(RAX), MXCSR_DEFAULT);
    e_op(e, 0x89, 0, RAX, tmp);
    e_op(e, 0x1ae, 0, 2, tmp);          /* ldmxcsr */
    e_op(e, 0xc7, 0, 0, vec_live());
    e32(e, wide ? 2 : 1);
    pop(e, RAX);
    ret(e);
}

/* vec_load, vec_load_ymm (bits 127:0 may be loaded already), vec_spill: keep all general registers. */
static void make_vec(Em *e)
{
    X64 *x = e->x;
    Rm tmp = rm_mem(RSP, -16), fpcr = rm_cpu((int32_t)x->guest->fpcr_offset - BIAS);

    x->vec_load = thunk_here(e);
    make_vec_load(e, false);

    x->vec_spill = thunk_here(e);
    e_alu_imm(e, 7, IR_I32, vec_live(), 2);
    uint8_t *wide = e_jcc(e, CC_E);
    xmms(e, true);
    uint8_t *control = e->p;
    push(e, RAX);
    e_op(e, 0x1ae, 0, 3, tmp);          /* stmxcsr */
    e_op(e, 0x8b, 0, RAX, tmp);
    e_alu_imm(e, 4, IR_I32, rm_reg(RAX), MXCSR_STICKY);
    e_op(e, 0x09, 0, RAX, fpcr);
    e_op(e, 0xc7, 0, 0, tmp);
    e32(e, MXCSR_DEFAULT);
    e_op(e, 0x1ae, 0, 2, tmp);
    e_op(e, 0xc7, 0, 0, vec_live());
    e32(e, 0);
    pop(e, RAX);
    ret(e);
    patch_to(wide, e->p);
    ymms(e, true);
    patch_to(e_jmp(e), control);

    x->vec_load_ymm = thunk_here(e);
    e_alu_imm(e, 7, IR_I32, vec_live(), 0);
    uint8_t *none = e_jcc8(e, CC_E);
    e_call_thunk(e, x->vec_spill);
    patch8(e, none);
    make_vec_load(e, true);
}

/* spill: all guest registers to the struct; rdi = cpu; keeps rax, r10, r11.  spill_at: pc = page base + eax as well.
 * reload: keeps rax, r10, r11. */
static void make_spill(Em *e)
{
    X64 *x = e->x;

    x->spill_at = thunk_here(e);
    e_op(e, 0x03, E_W, RAX, rm_cpu(CPU(pc_base)));
    e_store(e, RAX, rm_cpu(CPU(pc)));
    x->spill = arena_off(x, e->p);
    gprs(e, true);
    e_alu_imm(e, 7, IR_I32, vec_live(), 0);
    uint8_t *none = e_jcc8(e, CC_E);
    e_call_thunk(e, x->vec_spill);
    patch8(e, none);
    cpu_to_rdi(e);
    ret(e);

    x->reload = thunk_here(e);
    gprs(e, false);
    ret(e);
}

/* enter(cpu, code), a C function; go: rax = code to go on with, guest registers in the struct, or NULL; exit: back to C. */
static void make_enter(Em *e, uint32_t *go, uint32_t *exit)
{
    static const uint8_t saved[6] = { RBX, RBP, R12, R13, R14, R15 };
    X64 *x = e->x;

    *exit = thunk_here(e);
    rsp_add(e, FRAME);
    pops(e, saved, 6);
    ret(e);

    *go = thunk_here(e);
    e_op(e, 0x85, E_W, RAX, rm_reg(RAX));
    patch_to(e_jcc(e, CC_E), x->rw + *exit);
    uint8_t *run = e->p;
    gprs(e, false);
    e_load(e, R10, rm_cpu(CPU(pc)));
    e_op(e, 0xff, 0, 4, rm_reg(RAX));

    x->enter = thunk_here(e);
    pushes(e, saved, 6);
    rsp_add(e, -FRAME);
    e_op(e, 0x8d, E_W, RBP, rm_mem(RDI, BIAS));
    e_mov_rr(e, RAX, RSI);
    patch_to(e_jmp(e), run);
}

/*
 * r10 = linear pc, rax = the second place where it is not.  What had to leave the first place and
 * is wanted again changes places with what is there: both are of that slot and its lists.
 */
static void victim_exchange(Em *e)
{
    enum { JMP = offsetof(DbtContext, jmp), VICTIM = offsetof(DbtContext, jmp_victim),
           PC = offsetof(JmpEntry, pc), CODE = offsetof(JmpEntry, code) };

    e_alu_imm(e, 6, IR_I64, rm_reg(RAX), 1 << JMP_SHIFT);
    e_op(e, 0x3b, E_W, R10, rm_mem(RAX, VICTIM + PC));
    uint8_t *no = e_jcc8(e, CC_NE);
    e_load(e, R11, rm_mem(RAX, JMP + PC));
    e_store(e, R11, rm_mem(RAX, VICTIM + PC));
    e_store(e, R10, rm_mem(RAX, JMP + PC));
    e_load(e, R11, rm_mem(RAX, VICTIM + CODE));
    e_load(e, R10, rm_mem(RAX, JMP + CODE));
    e_store(e, R10, rm_mem(RAX, VICTIM + CODE));
    e_store(e, R11, rm_mem(RAX, JMP + CODE));
    e_load(e, R10, rm_mem(RAX, JMP + PC));
    e_op(e, 0xff, 0, 4, rm_reg(R11));
    patch8(e, no);
}

bool thunks_make(X64 *x, Em *e)
{
    uint32_t go, out;

    e->x = x;
    e->p = x->rw;
    make_vec(e);
    make_spill(e);
    make_enter(e, &go, &out);

    x->leave = thunk_here(e);          /* pushed: number of the LeaveRec */
    pop(e, RAX);
    e_call_thunk(e, x->spill);
    e_mov32(e, RSI, RAX);
    em_call(e, (const void *)leave_c);
    e_jmp_thunk(e, go);

    x->link = thunk_here(e);           /* eax = number of the BlockLink */
    G_STATIC_ASSERT(sizeof(BlockLink) == 32);
    e_mov_imm(e, R10, (uintptr_t)e->d->links);
    e_shift_imm(e, 4, IR_I64, RAX, 5);
    e_alu_rr(e, 0, IR_I64, RAX, rm_reg(R10));
    e_op(e, 0x80, 0, 7, rm_mem(RAX, offsetof(BlockLink, cached)));
    e8(e, 0);
    uint8_t *cached = e_jcc(e, CC_NE);
    e_call_thunk(e, x->spill);
    e_mov_rr(e, RSI, RAX);
    em_call(e, (const void *)link_c);
    e_jmp_thunk(e, go);

    x->second = thunk_here(e);         /* r10 = linear pc, rax = its slot of the jump cache less the offset of jmp[] */
    e_mov_imm(e, R11, 0);
    x->second_from = arena_off(x, e->p);        /* the same; r11d: see lookup_c() */
    G_STATIC_ASSERT(offsetof(DbtContext, jmp) % 32 == 0);
    e_alu_imm(e, 6, IR_I64, rm_reg(RAX), 1 << JMP_SHIFT);
    e_op(e, 0x3b, E_W, R10, rm_mem(RAX, offsetof(DbtContext, jmp) + offsetof(JmpEntry, pc)));
    uint8_t *no = e_jcc8(e, CC_NE);
    e_op(e, 0xff, 0, 4, rm_mem(RAX, offsetof(DbtContext, jmp) + offsetof(JmpEntry, code)));
    patch8(e, no);
    victim_exchange(e);
    uint32_t look_up = arena_off(x, e->p);      /* r10 = linear pc */
    e_store(e, R10, rm_cpu(CPU(pc)));
    e_call_thunk(e, x->spill);
    e_mov32(e, RSI, R11);
    em_call(e, (const void *)lookup_c);
    e_jmp_thunk(e, go);

    x->miss = thunk_here(e);           /* r10 = linear pc of a block that is dead: who came by an inline cache shall not again */
    e_mov_imm(e, R11, FROM_DEAD);
    e_jmp_thunk(e, look_up);

    x->miss_unmerged = thunk_here(e);  /* r10 = linear pc */
    e_store(e, R10, rm_cpu(CPU(pc)));
    e_call_thunk(e, x->spill);
    em_call(e, (const void *)lookup_unmerged_c);
    e_jmp_thunk(e, go);

    patch_to(cached, e->p);
    e_movzx(e, R10, rm_mem(RAX, offsetof(BlockLink, target)), IR_I16);
    e_op(e, 0x03, E_W, R10, rm_cpu(CPU(pc_base)));
    em_jmp_cache(e);

    x->exit_at = thunk_here(e);        /* eax = offset from the page base */
    e_op(e, 0x03, E_W, RAX, rm_cpu(CPU(pc_base)));
    x->exit_pc = arena_off(x, e->p);    /* rax = linear pc */
    e_store(e, RAX, rm_cpu(CPU(pc)));
    e_call_thunk(e, x->spill);
    e_jmp_thunk(e, out);

    x->hot = thunk_here(e);            /* eax = offset of a block from the page base, r11d = number of its counter */
    e_call_thunk(e, x->spill_at);
    e_mov32(e, RSI, R11);
    em_call(e, (const void *)hot_c);
    e_jmp_thunk(e, go);

    x->check = thunk_here(e);          /* eax = offset of a trace from the page base, r11d = its number */
    e_call_thunk(e, x->spill_at);
    e_mov32(e, RSI, R11);
    em_call(e, (const void *)check_c);
    e_jmp_thunk(e, go);

    x->far = thunk_here(e);                  /* r10 = linear pc, r11d = number of a pair whose word is not this page */
    e_op(e, 0xff, 0, 1, rm_cpu(CPU(far_budget)));       /* dec */
    uint8_t *look = e_jcc8(e, CC_S);
    em_jmp_cache(e);
    patch8(e, look);
    e_store(e, R10, rm_cpu(CPU(pc)));
    e_call_thunk(e, x->spill);
    e_mov32(e, RSI, R11);
    em_call(e, (const void *)far_c);
    e_jmp_thunk(e, go);

    miss_make(e);
    stack_make(e);
    forms_make(e);
    x->first = x->used = thunk_here(e);
    return true;
}
