/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * miss.c -- the shared code that checks and indirect jumps come to when what they ask first does
 * not know the page.
 *
 * A check's stub pushes the number of its LeaveRec and calls one of these: refill[] (the TLB has
 * missed), refill_undo[] (the same, and the address is to be had back first), ic[] (an inline cache
 * has).  They keep all registers but the one with the address, which becomes the host's.  refill[]
 * asks in turn: a page crossing that is known, a store beside code, what had to make room in the
 * TLB, dbt_refill().  A store beside code that has an inline cache comes to C, which gives the
 * cache up.
 *
 * Spec: accel/dbt/dbt.h, TlbEntry, DbtIc, DbtBeside; System V ABI, AMD64 supplement, 3.2.
 * Threads: made once; run by all vCPUs.
 */
#include "accel/dbt/x86_64/emit.h"
#include "core/compiler.h"

/* ---- in C ---- */

/* The store has gone beside code: no inline cache holds such a page, as no TLB has it writable. */
static bool is_beside_code(const DbtCpu *c, const void *host)
{
    uint64_t page = (uintptr_t)host & -(uint64_t)DBT_PAGE;
    const struct DbtBeside *b = &c->beside[dbt_beside_slot(page)];
    const CodePage *p = b->code;

    return host && b->page == page && __atomic_load_n(&p->granules, __ATOMIC_RELAXED);
}

/*
 * from: where the call of ic[] in the check's stub returns to: a jump back behind the check, then
 * the check without the cache.
 */
static void ic_give_up(const X64 *x, const uint8_t *from)
{
    int32_t rel;
    uint64_t code;

    memcpy(&rel, from + 1, 4);
    const uint8_t *site = from + 5 + rel - IC_CODE;
    uint8_t *at = x->rw + (site - x->rx);
    if (*site == 0xe9) {
        return;                         /* it has been: this is the check without */
    }
    g_assert((uintptr_t)at % 8 <= 3);
    uint64_t *word = (uint64_t *)((uintptr_t)at & -(uintptr_t)8);
    memcpy(&code, word, 8);
    rel = (int32_t)(from + 5 - (site + 5));
    ((uint8_t *)&code)[(uintptr_t)at % 8] = 0xe9;
    memcpy((uint8_t *)&code + (uintptr_t)at % 8 + 1, &rel, 4);
    __atomic_store_n(word, code, __ATOMIC_RELEASE);
}

/* from: where the stub goes on. */
static void *refill_c(DbtCpu *c, uint64_t linear, uint32_t rec, const uint8_t *from)
{
    const LeaveRec *r = &x64_of(c->dbt)->recs[rec];
    order_arrive(c->dbt);
    unsigned access = r->access & 15;

    c->miss_rec = 0;
    if (c->ic_budget < 0 && r->has_ic && ic_look(c, r->pc, from)) {
        ic_give_up(x64_of(c->dbt), from);
    }
    if (!r->merged) {
        void *host = dbt_refill(c, linear, r->span,
                                access == IR_READ ? IR_READ | DBT_BOUNCE : access);
        c->miss_rec = c->miss_rec ? rec + 1 : 0;
        if (r->has_ic && (access & IR_WRITE) && is_beside_code(c, host)) {
            ic_give_up(x64_of(c->dbt), from);
        }
        return host;
    }
    if ((linear & (DBT_PAGE - 1)) + r->span > DBT_PAGE) {
        return NULL;                    /* crosses: unmerged code does not */
    }
    uint64_t own = linear + r->own_at;
    if (!(c->ctx->key.mode & c->guest->mode_wide)) {
        own = (uint32_t)own;
    }
    if (!dbt_refill(c, own, r->own_span, r->access >> 4)) {
        c->miss_rec = c->miss_rec ? rec + 1 : 0;
        return NULL;
    }
    const TlbEntry *t = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
    uint64_t in_page = linear ^ (access & IR_WRITE ? t->write : t->read);
    return in_page <= DBT_PAGE - (uint64_t)r->span ? (void *)(uintptr_t)(t->page + in_page) : NULL;
}

/* ---- its callers ---- */

/* as they are pushed: two by crossing(), the others as they are wanted */
static const uint8_t kept[5] = { RAX, RCX, RDX, RSI, RDI };

/*
 * What had to make room in the TLB (DbtContext.victim): if it is the page wanted the two change
 * places and it returns to the block; else it goes on.  rax = the LeaveRec; on the stack: rcx, the
 * linear address if that was in rax, and as for crossing().
 */
static void victim(Em *e, unsigned reg)
{
    pushes(e, kept + 2, 2);
    if (reg == RAX) {
        e_load(e, RDX, rm_mem(RSP, 24));
    } else {
        e_mov_rr(e, RDX, reg);
    }
    tlb_entry(e, RCX, RDX);
    e_load(e, RSI, rm_cpu(CPU(tlb_mask)));
    e_op(e, 0x8d, E_W, RSI, (Rm){
        .reg = RCX, .index = RSI, .mem = true, .disp = sizeof(TlbEntry),
    });
    e_op(e, 0xf6, 0, 0, rm_mem(RAX, offsetof(LeaveRec, access)));       /* test */
    e8(e, IR_WRITE);
    uint8_t *write = e_jcc8(e, CC_NE);
    e_op(e, 0x33, E_W, RDX, rm_mem(RSI, offsetof(TlbEntry, read)));
    uint8_t *read = e_jmp8(e);
    patch8(e, write);
    e_op(e, 0x33, E_W, RDX, rm_mem(RSI, offsetof(TlbEntry, write)));
    patch8(e, read);
    e_alu_imm(e, 7, IR_I64, rm_reg(RDX), DBT_PAGE - 1);
    uint8_t *other = e_jcc(e, CC_A);
    e_op(e, 0xf6, 0, 0, rm_mem(RSI, offsetof(TlbEntry, phys)));
    e8(e, TLBF_FILLED);
    uint8_t *none = e_jcc(e, CC_E);
    e_movzx(e, RAX, rm_mem(RAX, offsetof(LeaveRec, span)), IR_I16);
    e_alu_rr(e, 0, IR_I32, RAX, rm_reg(RDX));
    e_alu_imm(e, 7, IR_I32, rm_reg(RAX), DBT_PAGE);
    uint8_t *crosses = e_jcc(e, CC_A);
    e_op(e, 0x03, E_W, RDX, rm_mem(RSI, offsetof(TlbEntry, page)));
    e_store(e, RDX, reg == RAX ? rm_mem(RSP, 24) : rm_reg(reg));
    for (int32_t k = 0; k < (int32_t)sizeof(TlbEntry); k += 8) {
        e_load(e, RAX, rm_mem(RCX, k));
        e_load(e, RDX, rm_mem(RSI, k));
        e_store(e, RAX, rm_mem(RSI, k));
        e_store(e, RDX, rm_mem(RCX, k));
    }
    e_load(e, RAX, rm_cpu(CPU(ctx)));
    e_op(e, 0xff, 0, 0, rm_mem(RAX, offsetof(DbtContext, exchanged)));  /* inc */
    e_load(e, RAX, rm_cpu(CPU(stats)));
    e_op(e, 0xff, E_W, 0, rm_mem(RAX, offsetof(DbtStats, victims)));
    pops_ret(e, kept, 4);
    patch_to(other, e->p);
    patch_to(none, e->p);
    patch_to(crosses, e->p);
    pops(e, kept + 2, 2);
}

/* at: the entry of DbtCpu.beside for host address rcx, by rdi. */
static void beside_entry(Em *e, Rm *at)
{
    *at = (Rm){ .reg = RBP, .index = RDI, .mem = true, .disp = CPU(beside) };
    e_mov_rr(e, RDI, RCX);
    e_shift_imm(e, 5, IR_I32, RDI, DBT_PAGE_BITS - 4);
    e_alu_imm(e, 4, IR_I32, rm_reg(RDI), (DBT_BESIDE_N - 1) << 4);
}

/*
 * A store beside code: DbtCpu.beside knows the page, and no code lies in the granules of its first
 * and last byte; or in their 8 bytes, which are all that a store of up to 9 touches.  If not it
 * goes on.  rax and the stack as for victim().
 */
static void beside(Em *e, unsigned reg)
{
    G_STATIC_ASSERT(sizeof(struct DbtBeside) == 16 && offsetof(CodePage, granules) == 0);
    Rm at, octets = rm_mem(RDI, offsetof(CodePage, octets));
    uint8_t *none[7], *near[2];

    e_op(e, 0xf6, 0, 0, rm_mem(RAX, offsetof(LeaveRec, access)));       /* test */
    e8(e, IR_WRITE);
    uint8_t *read = e_jcc(e, CC_E);
    pushes(e, kept + 2, 3);
    if (reg == RAX) {
        e_load(e, RDX, rm_mem(RSP, 32));
    } else {
        e_mov_rr(e, RDX, reg);
    }
    tlb_entry(e, RCX, RDX);
    e_op(e, 0x33, E_W, RDX, rm_mem(RCX, offsetof(TlbEntry, read)));
    e_movzx(e, RSI, rm_mem(RAX, offsetof(LeaveRec, span)), IR_I16);
    e_alu_imm(e, 7, IR_I32, rm_reg(RSI), DBT_BESIDE_MAX);
    none[0] = e_jcc(e, CC_A);
    e_op(e, 0x8d, E_W, RSI, (Rm){ .reg = RDX, .index = RSI, .mem = true, .disp = -1 });
    e_alu_imm(e, 7, IR_I64, rm_reg(RSI), DBT_PAGE - 1);
    none[1] = e_jcc(e, CC_A);
    e_op(e, 0xf6, 0, 0, rm_mem(RCX, offsetof(TlbEntry, phys)));
    e8(e, TLBF_GUARDED);
    none[2] = e_jcc(e, CC_E);
    e_load(e, RCX, rm_mem(RCX, offsetof(TlbEntry, page)));
    beside_entry(e, &at);
    e_op(e, 0x3b, E_W, RCX, at);
    none[3] = e_jcc(e, CC_NE);
    at.disp += (int32_t)offsetof(struct DbtBeside, code);
    e_load(e, RDI, at);
    e_load(e, RDI, rm_mem(RDI, 0));
    e_alu_rr(e, 0, IR_I64, RCX, rm_reg(RDX));
    e_shift_imm(e, 5, IR_I32, RDX, 6);
    e_shift_imm(e, 5, IR_I32, RSI, 6);
    e_op(e, 0x1a3, E_W, RDX, rm_reg(RDI));      /* bt */
    near[0] = e_jcc(e, CC_B);
    e_op(e, 0x1a3, E_W, RSI, rm_reg(RDI));
    near[1] = e_jcc(e, CC_B);
    e_op(e, 0x85, E_W, RDI, rm_reg(RDI));       /* no code any more: the guard is to be lifted */
    uint8_t *free = e_jcc(e, CC_E), *go = e->p;
    e_store(e, RCX, reg == RAX ? rm_mem(RSP, 32) : rm_reg(reg));
    e_load(e, RAX, rm_cpu(CPU(stats)));
    e_op(e, 0xff, E_W, 0, rm_mem(RAX, offsetof(DbtStats, beside)));
    pops_ret(e, kept, 5);

    patch_to(near[0], e->p);
    patch_to(near[1], e->p);
    e_movzx(e, RSI, rm_mem(RAX, offsetof(LeaveRec, span)), IR_I16);
    e_alu_imm(e, 7, IR_I32, rm_reg(RSI), 9);
    none[4] = e_jcc(e, CC_A);
    e_mov32(e, RDX, RCX);
    e_alu_imm(e, 4, IR_I32, rm_reg(RDX), DBT_PAGE - 1);
    e_op(e, 0x8d, E_W, RSI, (Rm){ .reg = RDX, .index = RSI, .mem = true, .disp = -1 });
    e_shift_imm(e, 5, IR_I32, RDX, 3);
    e_shift_imm(e, 5, IR_I32, RSI, 3);
    beside_entry(e, &at);
    at.disp += (int32_t)offsetof(struct DbtBeside, code);
    e_load(e, RDI, at);
    e_op(e, 0x1a3, E_W, RDX, octets);           /* bt: of all the words */
    none[5] = e_jcc(e, CC_B);
    e_op(e, 0x1a3, E_W, RSI, octets);
    none[6] = e_jcc(e, CC_B);
    patch_to(e_jmp(e), go);
    for (unsigned i = 0; i < G_N_ELEMENTS(none); i++) {
        patch_to(none[i], e->p);
    }
    patch_to(free, e->p);
    pops(e, kept + 2, 3);
    patch_to(read, e->p);
}

/*
 * The page crossing of a merged check, which would fail each time it comes by: straight to the
 * unmerged code if that is known and the flags are where it wants them.  On the stack: the return
 * address, the number of the LeaveRec; linear address in reg.
 */
static void crossing(Em *e, unsigned reg)
{
    G_STATIC_ASSERT(sizeof(LeaveRec) == 32);
    pushes(e, kept, 2);
    e_op(e, 0x8b, 0, RAX, rm_mem(RSP, 24));
    e_shift_imm(e, 4, IR_I64, RAX, 5);
    e_mov_imm(e, RCX, (uintptr_t)e->x->recs);
    e_alu_rr(e, 0, IR_I64, RAX, rm_reg(RCX));
    e_op(e, 0x80, 0, 7, rm_mem(RAX, offsetof(LeaveRec, merged)));
    e8(e, 0);
    uint8_t *plain = e_jcc8(e, CC_E);
    e_op(e, 0x8b, 0, RCX, reg == RAX ? rm_mem(RSP, 8) : rm_reg(reg));
    e_alu_imm(e, 4, IR_I32, rm_reg(RCX), DBT_PAGE - 1);
    e_op(e, 0x03, E_16, RCX, rm_mem(RAX, offsetof(LeaveRec, span)));
    e_alu_imm(e, 7, IR_I32, rm_reg(RCX), DBT_PAGE);
    uint8_t *inside = e_jcc8(e, CC_BE);
    e_op(e, 0x80, 0, 7, rm_mem(RAX, offsetof(LeaveRec, how)));
    e8(e, 0);
    uint8_t *flags = e_jcc8(e, CC_NE);
    e_op(e, 0xf7, 0, 0, rm_mem(RAX, LEAVE_IC_AT));      /* test: swaps */
    e32(e, (1u << LEAVE_IC_SHIFT) - 1);
    uint8_t *swapped = e_jcc8(e, CC_NE);
    e_load(e, RCX, rm_mem(RAX, offsetof(LeaveRec, unmerged)));
    e_op(e, 0x85, E_W, RCX, rm_reg(RCX));
    uint8_t *unknown = e_jcc8(e, CC_E);
    e_op(e, 0x63, E_W, R10, rm_mem(RAX, offsetof(LeaveRec, pc)));       /* movsxd */
    e_op(e, 0x03, E_W, R10, rm_cpu(CPU(pc_base)));
    e_mov_rr(e, RAX, RCX);
    pop(e, RCX);
    rsp_add(e, 24);
    e_op(e, 0xff, 0, 4, rm_reg(RAX));
    patch8(e, flags);
    patch8(e, swapped);
    patch8(e, unknown);
    pop(e, RCX);
    rsp_add(e, 16);
    e_jmp_thunk(e, e->x->leave);
    patch8(e, plain);
    patch8(e, inside);
    beside(e, reg);
    victim(e, reg);
    pops(e, kept, 2);
}

/*
 * refill[x]: pushed: number of the LeaveRec; linear address in x, which becomes the host address;
 * all else is kept.
 */
static void make_refill(Em *e, unsigned k, unsigned reg)
{
    static const uint8_t saved[9] = { RCX, RDX, RSI, RDI, R8, R9, RAX, R10, R11 };
    X64 *x = e->x;
    int slot = 0;

    x->refill[k] = thunk_here(e);
    crossing(e, reg);
    x->refill_by_c[k] = arena_off(x, e->p);
    pushes(e, saved, 9);
    for (unsigned i = 0; i < 9; i++) {
        /* from rsp after the last push and the padding */
        slot = saved[i] == reg ? 8 + 8 * (8 - (int)i) : slot;
    }
    rsp_add(e, -8);
    e_mov_rr(e, RSI, reg);
    e_op(e, 0x8b, 0, RDX, rm_mem(RSP, 8 + 9 * 8 + 8));
    e_load(e, RCX, rm_mem(RSP, 8 + 9 * 8));
    cpu_to_rdi(e);
    e_alu_imm(e, 7, IR_I32, vec_live(), 0);
    uint8_t *vectors = e_jcc8(e, CC_NE);
    em_call(e, (const void *)refill_c);
    uint8_t *join = e->p;
    e_op(e, 0x85, E_W, RAX, rm_reg(RAX));
    uint8_t *fail = e_jcc8(e, CC_E);
    e_store(e, RAX, rm_mem(RSP, slot));
    rsp_add(e, 8);
    pops_ret(e, saved, 9);
    patch8(e, fail);
    rsp_add(e, 8);
    pops(e, saved, 9);
    rsp_add(e, 8);
    e_jmp_thunk(e, x->leave);
    patch8(e, vectors);
    e_alu_imm(e, 7, IR_I32, vec_live(), 2);
    uint8_t *wide = e_jcc8(e, CC_E);
    e_call_thunk(e, x->vec_spill);
    em_call(e, (const void *)refill_c);
    e_call_thunk(e, x->vec_load);
    patch_to(e_jmp(e), join);
    patch8(e, wide);
    e_call_thunk(e, x->vec_spill);
    em_call(e, (const void *)refill_c);
    e_call_thunk(e, x->vec_load_ymm);
    patch_to(e_jmp(e), join);
}

/*
 * refill_undo[x][y][write]: the same with what the check has made of the address in x by the tag in
 * entry y.
 */
static void make_refill_undo(Em *e)
{
    static const uint8_t regs[3] = { RAX, R10, R11 };

    for (unsigned k = 0; k < 3 * 3 * 2; k++) {
        unsigned a = k / 6, b = k / 2 % 3;
        e->x->refill_undo[a][b][k % 2] = thunk_here(e);
        e_op(e, 0x33, E_W, regs[a],
             rm_mem(regs[b], k % 2 ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read)));
        e_jmp_thunk(e, e->x->refill[a]);
    }
}

/*
 * In the array of those that are used, if it was empty: the host's Z flag says so.  Else what it
 * held was of no use any more, which counts.  i: its address; keeps all but rcx.
 */
static void ic_note(Em *e, unsigned i)
{
    uint8_t *empty = e_jcc8(e, CC_E);
    e_op(e, 0xff, 0, 1, rm_cpu(CPU(ic_budget)));
    uint8_t *known = e_jmp8(e);
    patch8(e, empty);
    push(e, RAX);
    e_op(e, 0x8b, 0, RCX, rm_cpu(CPU(n_ic_used)));
    e_load(e, RAX, rm_cpu(CPU(ic_used)));
    e_store(e, i, (Rm){ .reg = RAX, .index = RCX, .scale = 3, .mem = true });
    pop(e, RAX);
    e_op(e, 0xff, 0, 0, rm_cpu(CPU(n_ic_used)));
    patch8(e, known);
}

/* i = address of the inline cache whose number is in it. */
static void ic_address(Em *e, unsigned i)
{
    G_STATIC_ASSERT(sizeof(DbtIc) == 24);
    e_op(e, 0x8d, E_W, i, (Rm){ .reg = (uint8_t)i, .index = (uint8_t)i, .scale = 1, .mem = true });
    e_op(e, 0x8d, E_W, i, (Rm){ .reg = RBP, .index = (uint8_t)i, .scale = 3, .mem = true,
                              .disp = (int32_t)e->x->guest->ic_offset - BIAS });
}

/*
 * ic[k][write]: the check's inline cache has missed; as refill[k], which does the rest where the
 * TLB does not have the page either.
 */
static void make_ic(Em *e, unsigned k, unsigned reg, bool write)
{
    static const uint8_t saved[3] = { RCX, RDX, RDI };
    X64 *x = e->x;
    Rm tag = rm_mem(RDX, write ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read));

    x->ic[k][write] = thunk_here(e);
    pushes(e, saved, 3);
    e_alu_imm(e, 7, IR_I32, rm_cpu(CPU(ic_budget)), 0);
    uint8_t *slow = e_jcc(e, CC_L);
    e_op(e, 0x8b, 0, RCX, rm_mem(RSP, 32));
    e_shift_imm(e, 4, IR_I64, RCX, 5);
    e_mov_imm(e, RDX, (uintptr_t)x->recs);
    e_alu_rr(e, 0, IR_I64, RCX, rm_reg(RDX));
    tlb_entry(e, RDX, reg);
    e_op(e, 0x33, E_W, reg, tag);
    e_alu_imm(e, 7, IR_I64, rm_reg(reg), DBT_PAGE - 1);
    uint8_t *miss = e_jcc(e, CC_A);
    e_movzx(e, RDI, rm_mem(RCX, offsetof(LeaveRec, span)), IR_I16);
    e_alu_rr(e, 0, IR_I32, RDI, rm_reg(reg));
    e_alu_imm(e, 7, IR_I32, rm_reg(RDI), DBT_PAGE);
    uint8_t *crosses = e_jcc(e, CC_A);
    e_op(e, 0x8b, 0, RDI, rm_mem(RCX, LEAVE_IC_AT));
    e_shift_imm(e, 5, IR_I32, RDI, LEAVE_IC_SHIFT);
    ic_address(e, RDI);
    e_movzx(e, RCX, rm_mem(RCX, offsetof(LeaveRec, span)), IR_I16);
    e_op(e, 0xf7, E_W, 3, rm_reg(RCX));                         /* neg */
    e_op(e, 0x8d, E_W, RCX, rm_mem(RCX, DBT_PAGE + 1));
    e_alu_imm(e, 7, IR_I64, rm_mem(RDI, offsetof(DbtIc, limit)), 0);
    e_store(e, RCX, rm_mem(RDI, offsetof(DbtIc, limit)));
    e_load(e, RCX, tag);
    e_store(e, RCX, rm_mem(RDI, offsetof(DbtIc, key)));
    e_load(e, RCX, rm_mem(RDX, offsetof(TlbEntry, page)));
    e_store(e, RCX, rm_mem(RDI, offsetof(DbtIc, value)));
    e_op(e, 0x8d, E_W, reg, (Rm){ .reg = (uint8_t)reg, .index = RCX, .mem = true });
    ic_note(e, RDI);
    pops_ret(e, saved, 3);
    patch_to(miss, e->p);
    e_op(e, 0x33, E_W, reg, tag);
    uint8_t *plain;
    if (write) {    /* beside code?  C is to see that this check has no use for a cache */
        e_op(e, 0xf6, 0, 0, rm_mem(RDX, offsetof(TlbEntry, phys)));     /* test */
        e8(e, TLBF_GUARDED);
        plain = e_jcc8(e, CC_E);
        pops(e, saved, 3);
        e_jmp_thunk(e, x->refill_by_c[k]);
    } else {
        plain = e_jmp8(e);
    }
    patch_to(crosses, e->p);
    e_op(e, 0x33, E_W, reg, tag);
    patch8(e, plain);
    patch_to(slow, e->p);
    pops(e, saved, 3);
    e_jmp_thunk(e, x->refill[k]);
}

/* r10 = linear pc, r11 = number of the inline cache that does not have it */
static void make_ic_jump(Em *e)
{
    X64 *x = e->x;
    size_t at = offsetof(DbtContext, jmp);

    x->ic_jump = thunk_here(e);
    e_rorx(e, RAX, R10, DBT_JMP_BITS, false);
    e_alu_rr(e, 6, IR_I32, RAX, rm_reg(R10));
    e_alu_imm(e, 4, IR_I32, rm_reg(RAX), DBT_JMP_N - 1);
    e_shift_imm(e, 4, IR_I32, RAX, JMP_SHIFT);
    e_op(e, 0x03, E_W, RAX, rm_cpu(CPU(ctx)));
    e_op(e, 0x3b, E_W, R10, rm_mem(RAX, (int32_t)(at + offsetof(JmpEntry, pc))));
    patch_to(e_jcc(e, CC_NE), x->rw + x->second);
    ic_address(e, R11);
    e_load(e, RAX, rm_mem(RAX, (int32_t)(at + offsetof(JmpEntry, code))));
    e_alu_imm(e, 7, IR_I64, rm_mem(R11, offsetof(DbtIc, limit)), 0);
    e_store(e, R10, rm_mem(R11, offsetof(DbtIc, key)));
    e_store(e, RAX, rm_mem(R11, offsetof(DbtIc, value)));
    e_op(e, 0xc7, E_W, 0, rm_mem(R11, offsetof(DbtIc, limit)));
    e32(e, 1);
    push(e, RCX);
    ic_note(e, R11);
    e_mov_rr(e, RCX, R10);
    e_shift_imm(e, 5, IR_I32, RCX, DBT_IC_TARGET_SHIFT);
    e_alu_imm(e, 4, IR_I32, rm_reg(RCX), 63);
    e_op(e, 0x1ab, E_W, RCX, rm_cpu(CPU(ic_targets)));  /* bts */
    pop(e, RCX);
    e_op(e, 0xff, 0, 4, rm_reg(RAX));
}

void miss_make(Em *e)
{
    static const uint8_t regs[3] = { RAX, R10, R11 };

    for (unsigned k = 0; k < 3; k++) {
        make_refill(e, k, regs[k]);
    }
    for (unsigned k = 0; k < 3; k++) {
        make_ic(e, k, regs[k], false);
        make_ic(e, k, regs[k], true);
    }
    make_ic_jump(e);
    make_refill_undo(e);
}
