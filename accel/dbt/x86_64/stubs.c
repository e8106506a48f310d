/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stubs.c -- the code at the start of the arena that all blocks share: entering, leaving, and every call of C.
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

static const X64 *x64_of(const DbtCpu *c) { return c->dbt->backend_data; }

void flags_settle(DbtCpu *c)
{
    if (!(c->fl & FL_REAL)) {
        c->fl = fl_of_flags(recipe_flags(c, &x64_of(c)->lazy[(c->fl & 0x1ff) | (c->fl >> 10 & 0x3f) << 9], 0));
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
static void raise_miss(DbtCpu *c, const LeaveRec *r, uint32_t rec)
{
    unsigned shift = 64 - c->guest->canonical_bits;
    unsigned access = r->merged ? r->access >> 4 : r->access & 15;
    bool canonical = (uint64_t)((int64_t)(c->miss_linear << shift) >> shift) == c->miss_linear;

    if (c->miss_rec == rec + 1 && r->exact && (canonical || !(c->ctx->key.mode & c->guest->mode_wide))) {
        c->miss_rec = 0;
        c->guest->fault(c, c->miss_linear, access & IR_WRITE ? ACCESS_WRITE : ACCESS_READ, &c->miss);
    }
    c->miss_rec = 0;
}

static const void *leave_c(DbtCpu *c, uint32_t rec)
{
    LeaveRec *r = &x64_of(c)->recs[rec];
    const void *to;

    order_arrive(c->dbt);
    c->pc = c->pc_base + r->pc;
    regs_unswap_c(c->gpr, r->swaps);
    flags_settle(c);
    if (r->how) {
        c->fl = leave_flags(c, r);
    }
    raise_miss(c, r, rec);
    if (r->merged && (to = unmerged(c, r))) {
        return to;                      /* tests for an exit request itself */
    }
    return dbt_slow(c);
}

/* From the compare that stands before the link: em_far(). */
static unsigned word_of_link(const DbtCpu *c, const BlockLink *l)
{
    int32_t disp;

    memcpy(&disp, x64_of(c)->rx + l->patch - FAR_WORD_BACK, sizeof(disp));
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

/* from: where the call of ic[] in the check's stub returns to: a jump back behind the check, then the check without the cache. */
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
    const LeaveRec *r = &x64_of(c)->recs[rec];
    order_arrive(c->dbt);
    unsigned access = r->access & 15;

    c->miss_rec = 0;
    if (c->ic_budget < 0 && r->has_ic && ic_look(c, r->pc)) {
        ic_give_up(x64_of(c), from);
    }
    if (!r->merged) {
        void *host = dbt_refill(c, linear, r->span, access == IR_READ ? IR_READ | DBT_BOUNCE : access);
        c->miss_rec = c->miss_rec ? rec + 1 : 0;
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

static void cpu_to_rdi(Em *e) { e_op(e, 0x8d, E_W, RDI, rm_mem(RBP, -BIAS)); }
static void rsp_add(Em *e, int n) { e_alu_imm(e, 0, IR_I64, rm_reg(RSP), (uint64_t)(int64_t)n); }

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

static Rm vec_live(void) { return rm_cpu(CPU(vec_live)); }

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
    e_alu_imm(e, 7, IR_I32, rm_cpu(CPU(vec_live)), 0);
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
    for (unsigned i = 6; i-- > 0;) {
        pop(e, saved[i]);
    }
    ret(e);

    *go = thunk_here(e);
    e_op(e, 0x85, E_W, RAX, rm_reg(RAX));
    patch_to(e_jcc(e, CC_E), x->rw + *exit);
    uint8_t *run = e->p;
    gprs(e, false);
    e_load(e, R10, rm_cpu(CPU(pc)));
    e_op(e, 0xff, 0, 4, rm_reg(RAX));

    x->enter = thunk_here(e);
    for (unsigned i = 0; i < 6; i++) {
        push(e, saved[i]);
    }
    rsp_add(e, -FRAME);
    e_op(e, 0x8d, E_W, RBP, rm_mem(RDI, BIAS));
    e_mov_rr(e, RAX, RSI);
    patch_to(e_jmp(e), run);
}

/*
 * What had to make room in the TLB (DbtContext.victim): if it is the page wanted the two change places and it returns to the
 * block; else it goes on.  rax = the LeaveRec; on the stack: rcx, the linear address if that was in rax, and as for crossing().
 */
static void victim(Em *e, unsigned reg)
{
    push(e, RDX);
    push(e, RSI);
    if (reg == RAX) {
        e_load(e, RDX, rm_mem(RSP, 24));
    } else {
        e_mov_rr(e, RDX, reg);
    }
    tlb_entry(e, RCX, RDX);
    e_load(e, RSI, rm_cpu(CPU(tlb_mask)));
    e_op(e, 0x8d, E_W, RSI, (Rm){ .reg = RCX, .index = RSI, .mem = true, .disp = sizeof(TlbEntry) });
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
    pop(e, RSI);
    pop(e, RDX);
    pop(e, RCX);
    pop(e, RAX);
    e8(e, 0xc2);                        /* ret 8 */
    e8(e, 8);
    e8(e, 0);
    patch_to(other, e->p);
    patch_to(none, e->p);
    patch_to(crosses, e->p);
    pop(e, RSI);
    pop(e, RDX);
}

/*
 * A store beside code: DbtCpu.beside knows the page, and no code lies in the granules of its first and last byte.  If not it goes on.
 * rax and the stack as for victim().
 */
static void beside(Em *e, unsigned reg)
{
    G_STATIC_ASSERT(sizeof(struct DbtBeside) == 16 && offsetof(CodePage, granules) == 0);
    Rm at = (Rm){ .reg = RBP, .index = RDI, .mem = true, .disp = CPU(beside) };
    uint8_t *none[6];

    e_op(e, 0xf6, 0, 0, rm_mem(RAX, offsetof(LeaveRec, access)));       /* test */
    e8(e, IR_WRITE);
    uint8_t *read = e_jcc(e, CC_E);
    push(e, RDX);
    push(e, RSI);
    push(e, RDI);
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
    e_mov_rr(e, RDI, RCX);
    e_shift_imm(e, 5, IR_I32, RDI, DBT_PAGE_BITS - 4);
    e_alu_imm(e, 4, IR_I32, rm_reg(RDI), (DBT_BESIDE_N - 1) << 4);
    e_op(e, 0x3b, E_W, RCX, at);
    none[3] = e_jcc(e, CC_NE);
    at.disp += (int32_t)offsetof(struct DbtBeside, granules);
    e_load(e, RDI, at);
    e_load(e, RDI, rm_mem(RDI, 0));
    e_alu_rr(e, 0, IR_I64, RCX, rm_reg(RDX));
    e_shift_imm(e, 5, IR_I32, RDX, 6);
    e_shift_imm(e, 5, IR_I32, RSI, 6);
    e_op(e, 0x1a3, E_W, RDX, rm_reg(RDI));      /* bt */
    none[4] = e_jcc(e, CC_B);
    e_op(e, 0x1a3, E_W, RSI, rm_reg(RDI));
    none[5] = e_jcc(e, CC_B);
    e_op(e, 0x85, E_W, RDI, rm_reg(RDI));       /* no code any more: the guard is to be lifted */
    uint8_t *free = e_jcc(e, CC_E);
    e_store(e, RCX, reg == RAX ? rm_mem(RSP, 32) : rm_reg(reg));
    e_load(e, RAX, rm_cpu(CPU(stats)));
    e_op(e, 0xff, E_W, 0, rm_mem(RAX, offsetof(DbtStats, beside)));
    pop(e, RDI);
    pop(e, RSI);
    pop(e, RDX);
    pop(e, RCX);
    pop(e, RAX);
    e8(e, 0xc2);                        /* ret 8 */
    e8(e, 8);
    e8(e, 0);
    for (unsigned i = 0; i < 6; i++) {
        patch_to(none[i], e->p);
    }
    patch_to(free, e->p);
    pop(e, RDI);
    pop(e, RSI);
    pop(e, RDX);
    patch_to(read, e->p);
}

/*
 * The page crossing of a merged check, which would fail each time it comes by: straight to the unmerged code if that is known
 * and the flags are where it wants them.  On the stack: the return address, the number of the LeaveRec; linear address in reg.
 */
static void crossing(Em *e, unsigned reg)
{
    G_STATIC_ASSERT(sizeof(LeaveRec) == 32);
    push(e, RAX);
    push(e, RCX);
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
    pop(e, RCX);
    pop(e, RAX);
}

/* refill[x]: pushed: number of the LeaveRec; linear address in x, which becomes the host address; all else is kept. */
static void make_refill(Em *e, unsigned k, unsigned reg)
{
    static const uint8_t saved[9] = { RCX, RDX, RSI, RDI, R8, R9, RAX, R10, R11 };
    X64 *x = e->x;
    int slot = 0;

    x->refill[k] = thunk_here(e);
    crossing(e, reg);
    for (unsigned i = 0; i < 9; i++) {
        push(e, saved[i]);
        if (saved[i] == reg) {
            slot = 8 + 8 * (8 - (int)i);        /* from rsp after the last push and the padding */
        }
    }
    rsp_add(e, -8);
    e_mov_rr(e, RSI, reg);
    e_op(e, 0x8b, 0, RDX, rm_mem(RSP, 8 + 9 * 8 + 8));
    e_load(e, RCX, rm_mem(RSP, 8 + 9 * 8));
    cpu_to_rdi(e);
    e_alu_imm(e, 7, IR_I32, rm_cpu(CPU(vec_live)), 0);
    uint8_t *vectors = e_jcc8(e, CC_NE);
    em_call(e, (const void *)refill_c);
    uint8_t *join = e->p;
    e_op(e, 0x85, E_W, RAX, rm_reg(RAX));
    uint8_t *fail = e_jcc8(e, CC_E);
    e_store(e, RAX, rm_mem(RSP, slot));
    rsp_add(e, 8);
    for (unsigned i = 9; i-- > 0;) {
        pop(e, saved[i]);
    }
    e8(e, 0xc2);                        /* ret 8 */
    e8(e, 8);
    e8(e, 0);
    patch8(e, fail);
    rsp_add(e, 8);
    for (unsigned i = 9; i-- > 0;) {
        pop(e, saved[i]);
    }
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

/* refill_undo[x][y][write]: the same with what the check has made of the address in x by the tag in entry y. */
static void make_refill_undo(Em *e)
{
    static const uint8_t regs[3] = { RAX, R10, R11 };

    for (unsigned k = 0; k < 3 * 3 * 2; k++) {
        unsigned a = k / 6, b = k / 2 % 3;
        e->x->refill_undo[a][b][k % 2] = thunk_here(e);
        e_op(e, 0x33, E_W, regs[a], rm_mem(regs[b], k % 2 ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read)));
        e_jmp_thunk(e, e->x->refill[a]);
    }
}

/*
 * In the array of those that are used, if it was empty: the host's Z flag says so.  Else what it held was of no use any more, which
 * counts.  i: its address; keeps all but rcx.
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
 * ic[k][write]: the check's inline cache has missed; as refill[k], which does the rest where the TLB does not have the page either.
 */
static void make_ic(Em *e, unsigned k, unsigned reg, bool write)
{
    X64 *x = e->x;
    Rm tag = rm_mem(RDX, write ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read));

    x->ic[k][write] = thunk_here(e);
    push(e, RCX);
    push(e, RDX);
    push(e, RDI);
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
    pop(e, RDI);
    pop(e, RDX);
    pop(e, RCX);
    e8(e, 0xc2);                        /* ret 8 */
    e8(e, 8);
    e8(e, 0);
    patch_to(miss, e->p);
    patch_to(crosses, e->p);
    e_op(e, 0x33, E_W, reg, tag);
    patch_to(slow, e->p);
    pop(e, RDI);
    pop(e, RDX);
    pop(e, RCX);
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

    make_refill(e, 0, RAX);
    make_refill(e, 1, R10);
    make_refill(e, 2, R11);
    for (unsigned w = 0; w < 2; w++) {
        make_ic(e, 0, RAX, w);
        make_ic(e, 1, R10, w);
        make_ic(e, 2, R11, w);
    }
    make_ic_jump(e);
    make_refill_undo(e);
    stack_make(e);
    x->first = x->used = thunk_here(e);
    return true;
}
