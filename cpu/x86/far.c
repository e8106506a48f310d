/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * far.c -- far jumps and calls, call gates, far returns, and the stack accesses that they share
 * with interrupt delivery.
 *
 * Spec: Intel SDM (325462) vol. 2 (JMP, CALL, RET), vol. 3 5.8 (control transfers between privilege
 *   levels).
 * Threads: the vCPU's own.
 */
#include "cpu/x86/sys.h"

/* ---- stacks ---- */
void x86_stack_current(X86Cpu *c, X86Stack *s)
{
    s->c = c;
    s->seg = c->seg[S_SS];
    s->flat64 = x86_code64(c);
    s->mask = s->flat64 ? UINT64_MAX : s->seg.attr & ATTR_DB ? 0xffffffff : 0xffff;
    s->sp = c->dbt.gpr[R_RSP];
    s->error = c->ext;
}

/* A stack not yet loaded: its segment's derived members come from a trial load. */
void x86_stack_new(X86Cpu *c, X86Stack *s, unsigned selector, uint64_t desc, uint64_t sp)
{
    bool big = desc_d(desc), down = desc_type(desc) & TYPE_CE;
    uint32_t limit = desc_limit(desc);

    s->c = c;
    s->flat64 = false;
    s->seg = (X86Seg){ .base = desc_base(desc), .limit = limit, .selector = (uint16_t)selector,
                       .attr = desc_attr(desc) };
    s->seg.lo = down ? (int64_t)limit + 1 : 0;
    s->seg.hi_read = s->seg.hi_write = down ? (big ? 0xffffffff : 0xffff) : limit;
    s->mask = big ? 0xffffffff : 0xffff;
    s->sp = sp;
    s->error = (selector & 0xfffc) | c->ext;
}

static uint64_t stack_linear(X86Stack *s, uint64_t sp, unsigned bytes, bool write)
{
    if (s->flat64) {
        if (G_UNLIKELY(!x86_canonical(sp) || !x86_canonical(sp + bytes - 1))) {
            x86_raise(s->c, EXC_SS, s->error);
        }
        return sp;
    }
    if (G_UNLIKELY((int64_t)sp < s->seg.lo ||
                   (int64_t)(sp + bytes - 1) > (write ? s->seg.hi_write : s->seg.hi_read))) {
        x86_raise(s->c, EXC_SS, s->error);
    }
    return (uint32_t)(s->seg.base + sp);
}

void x86_push(X86Stack *s, uint64_t value, unsigned bytes)
{
    uint64_t sp = (s->sp - bytes) & s->mask;

    dbt_store(&s->c->dbt, stack_linear(s, sp, bytes, true), value, bytes);
    s->sp = (s->sp & ~s->mask) | sp;
}

uint64_t x86_peek(X86Stack *s, uint64_t skip, unsigned bytes)
{
    return dbt_load(&s->c->dbt, stack_linear(s, (s->sp + skip) & s->mask, bytes, false), bytes);
}

uint64_t x86_pop(X86Stack *s, unsigned bytes)
{
    uint64_t v = x86_peek(s, 0, bytes);

    s->sp = (s->sp & ~s->mask) | ((s->sp + bytes) & s->mask);
    return v;
}

void x86_stack_commit(X86Cpu *c, const X86Stack *s)
{
    uint64_t old = c->dbt.gpr[R_RSP];

    c->dbt.gpr[R_RSP] = s->mask == 0xffff ? (old & ~0xffffull) | (s->sp & 0xffff) : s->sp & s->mask;
}

void x86_tss_stack(X86Cpu *c, unsigned dpl, uint16_t *ss, uint64_t *sp)
{
    const X86Seg *tr = &c->seg[S_TR];
    bool tss32 = tr->attr & 8;
    uint32_t at = tss32 ? 4 + dpl * 8 : 2 + dpl * 4, n = tss32 ? 4 : 2;

    if (at + n + 1 > tr->limit) {
        x86_raise_sel(c, EXC_TS, tr->selector);
    }
    *sp = x86_sys_ld(c, tr->base + at, n);
    *ss = (uint16_t)x86_sys_ld(c, tr->base + at + n, 2);
}

uint64_t x86_check_inner_ss(X86Cpu *c, unsigned ss, unsigned dpl)
{
    uint64_t desc;

    if (!(ss & 0xfffc)) {
        x86_raise(c, EXC_TS, c->ext);
    }
    desc = x86_desc_need(c, ss, EXC_TS);
    if ((ss & 3) != dpl || desc_dpl(desc) != dpl || !desc_s(desc) || desc_type(desc) & TYPE_CODE ||
        !(desc_type(desc) & TYPE_RW)) {
        x86_raise_sel(c, EXC_TS, ss);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_SS, ss);
    }
    return desc;
}

/* ---- targets ---- */
static uint64_t operand_mask(unsigned bytes)
{
    return bytes == 2 ? 0xffff : bytes == 4 ? 0xffffffff : UINT64_MAX;
}

static bool target_long(X86Cpu *c, uint64_t desc)
{
    return x86_lma(c) && desc_l(desc);
}

/* The checks of a code segment named directly. */
static void check_code(X86Cpu *c, unsigned selector, uint64_t desc)
{
    unsigned dpl = desc_dpl(desc);

    if ((x86_lma(c) && desc_l(desc) && desc_d(desc)) ||
        (desc_conforming(desc) ? dpl > c->cpl : (selector & 3) > c->cpl || dpl != c->cpl)) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, selector);
    }
}

static void check_rip(X86Cpu *c, uint64_t desc, uint64_t rip)
{
    if (target_long(c, desc) ? !x86_canonical(rip) : rip > desc_limit(desc)) {
        x86_raise_gp(c, c->ext);
    }
}

static void load_cs(X86Cpu *c, unsigned selector, uint64_t desc, unsigned cpl, uint64_t rip)
{
    x86_desc_accessed(c, selector, &desc);
    x86_set_cpl(c, cpl);
    x86_seg_set(c, S_CS, (selector & 0xfffc) | cpl, desc);
    x86_set_pc(c, rip);
}

/* ---- call gates ---- */
typedef struct Gate {
    unsigned selector, params, bytes;   /* of the target; parameters to copy; operand size */
    uint64_t rip, desc;                 /* desc: the target's */
} Gate;

static void read_gate(X86Cpu *c, unsigned selector, uint64_t desc, bool call, Gate *g)
{
    unsigned type = desc_type(desc), dpl;

    if (desc_dpl(desc) < c->cpl || desc_dpl(desc) < (selector & 3)) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, selector);
    }
    g->selector = (desc >> 16) & 0xffff;
    g->params = (desc >> 32) & 0x1f;
    g->bytes = type == DT_CALL16 ? 2 : 4;
    g->rip = (desc & 0xffff) | (type == DT_CALL16 ? 0 : (desc >> 32) & 0xffff0000);
    if (x86_lma(c)) {
        uint64_t upper;
        uint32_t at = (selector & 0xfff8) + 8;
        bool ldt = selector & 4;
        if (at + 7 > (ldt ? c->seg[S_LDTR].limit : c->gdt_limit)) {
            x86_raise_sel(c, EXC_GP, selector);
        }
        upper = x86_sys_ld(c, (ldt ? c->seg[S_LDTR].base : c->gdt_base) + at, 8);
        if ((upper >> 40) & 0x1f) {
            x86_raise_sel(c, EXC_GP, selector);
        }
        g->rip |= upper << 32;
        g->bytes = 8;
        g->params = 0;
    }
    if (!(g->selector & 0xfffc)) {
        x86_raise_gp(c, 0);
    }
    g->desc = x86_desc_need(c, g->selector, EXC_GP);
    dpl = desc_dpl(g->desc);
    if (!desc_is_code(g->desc) || dpl > c->cpl ||
        (!call && !desc_conforming(g->desc) && dpl != c->cpl) ||
        (x86_lma(c) && (!desc_l(g->desc) || desc_d(g->desc)))) {
        x86_raise_sel(c, EXC_GP, g->selector);
    }
    if (!desc_p(g->desc)) {
        x86_raise_sel(c, EXC_NP, g->selector);
    }
}

/*
 * CALL through a gate to a more privileged level: a new stack, with the parameters of the old one.
 */
static void call_inner(X86Cpu *c, const Gate *g, uint64_t next_rip)
{
    unsigned dpl = desc_dpl(g->desc), n = g->bytes;
    uint16_t old_ss = c->seg[S_SS].selector, old_cs = c->seg[S_CS].selector, ss;
    uint64_t old_sp = c->dbt.gpr[R_RSP], sp, ss_desc = 0;
    uint32_t params[32];
    X86Stack from, to;

    x86_stack_current(c, &from);
    from.error = 0;
    if (n == 8) {
        uint32_t at = 4 + dpl * 8;
        if (at + 7 > c->seg[S_TR].limit) {
            x86_raise_sel(c, EXC_TS, c->seg[S_TR].selector);
        }
        sp = x86_sys_ld(c, c->seg[S_TR].base + at, 8);
        ss = (uint16_t)dpl;
        to = (X86Stack){ .c = c, .sp = sp, .mask = UINT64_MAX, .flat64 = true };
    } else {
        x86_tss_stack(c, dpl, &ss, &sp);
        ss_desc = x86_check_inner_ss(c, ss, dpl);
        x86_stack_new(c, &to, ss, ss_desc, sp);
    }
    check_rip(c, g->desc, g->rip);
    for (unsigned i = 0; i < g->params; i++) {
        params[i] = (uint32_t)x86_peek(&from, i * n, n);
    }
    x86_system_begin(c);
    x86_push(&to, old_ss, n);
    x86_push(&to, old_sp, n);
    for (unsigned i = g->params; i-- > 0;) {
        x86_push(&to, params[i], n);
    }
    x86_push(&to, old_cs, n);
    x86_push(&to, next_rip, n);
    if (n != 8) {
        x86_desc_accessed(c, ss, &ss_desc);
    }
    load_cs(c, g->selector, g->desc, dpl, g->rip);
    if (n == 8) {
        x86_seg_null(c, S_SS, ss);
    } else {
        x86_seg_set(c, S_SS, ss, ss_desc);
    }
    x86_stack_commit(c, &to);
    x86_system_end(c, dpl);
}

static void far_gate(X86Cpu *c, unsigned selector, uint64_t desc, bool call, uint64_t next_rip)
{
    Gate g;
    X86Stack s;

    read_gate(c, selector, desc, call, &g);
    if (call && !desc_conforming(g.desc) && desc_dpl(g.desc) < c->cpl) {
        call_inner(c, &g, next_rip);
        return;
    }
    check_rip(c, g.desc, g.rip);
    if (call) {
        x86_stack_current(c, &s);
        if (g.bytes == 8) {
            s.flat64 = true;
            s.mask = UINT64_MAX;
        }
        x86_push(&s, c->seg[S_CS].selector, g.bytes);
        x86_push(&s, next_rip, g.bytes);
    }
    load_cs(c, g.selector, g.desc, c->cpl, g.rip);
    if (call) {
        x86_stack_commit(c, &s);
    }
}

/* ---- JMP and CALL ---- */
static void far_system(X86Cpu *c, unsigned selector, uint64_t desc, bool call, uint64_t next_rip)
{
    X86TaskCause why = call ? TASK_CALL : TASK_JMP;

    switch (desc_type(desc)) {
    case DT_CALL16:
        if (x86_lma(c)) {
            break;
        }
        far_gate(c, selector, desc, call, next_rip);
        return;
    case DT_CALL32:
        far_gate(c, selector, desc, call, next_rip);
        return;
    case DT_TASK:
    case DT_TSS16:
    case DT_TSS32:
        if (x86_lma(c) || desc_dpl(desc) < c->cpl || desc_dpl(desc) < (selector & 3)) {
            break;
        }
        if (!desc_p(desc)) {
            x86_raise_sel(c, EXC_NP, selector);
        }
        if (desc_type(desc) == DT_TASK) {
            x86_task_gate(c, (desc >> 16) & 0xffff, why, next_rip, false, 0);
        } else if (selector & 4) {
            break;
        } else {
            x86_task_switch(c, selector, desc, why, next_rip, false, 0);
        }
        return;
    }
    x86_raise_sel(c, EXC_GP, selector);
}

static uint64_t far_transfer(X86Cpu *c, unsigned selector, uint64_t offset, unsigned len,
                             unsigned bytes, bool call)
{
    uint64_t next_rip = (x86_rip(c) + len) & (x86_code64(c) ? UINT64_MAX : 0xffffffff), desc;
    X86Stack s;

    offset &= operand_mask(bytes);
    if (!x86_protected(c)) {
        if (offset > c->seg[S_CS].limit) {
            x86_raise_gp(c, 0);
        }
        if (call) {
            x86_stack_current(c, &s);
            x86_push(&s, c->seg[S_CS].selector, bytes);
            x86_push(&s, next_rip, bytes);
            x86_stack_commit(c, &s);
        }
        (x86_vm(c) ? x86_seg_vm86 : x86_seg_real)(c, S_CS, selector);
        x86_set_pc(c, offset);
        dbt_mode_changed(&c->dbt);
        return 0;
    }
    if (!(selector & 0xfffc)) {
        x86_raise_gp(c, 0);
    }
    desc = x86_desc_need(c, selector, EXC_GP);
    if (!desc_s(desc)) {
        far_system(c, selector, desc, call, next_rip);
    } else {
        if (!desc_is_code(desc)) {
            x86_raise_sel(c, EXC_GP, selector);
        }
        check_code(c, selector, desc);
        check_rip(c, desc, offset);
        if (call) {
            x86_stack_current(c, &s);
            x86_push(&s, c->seg[S_CS].selector, bytes);
            x86_push(&s, next_rip, bytes);
        }
        load_cs(c, selector, desc, c->cpl, offset);
        if (call) {
            x86_stack_commit(c, &s);
        }
    }
    dbt_mode_changed(&c->dbt);
    return 0;
}

uint64_t x86_h_far_jmp(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    return far_transfer(cpu, (uint16_t)a, b, d & 0xff, (d >> 8) & 0xff, false);
}

uint64_t x86_h_far_call(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    return far_transfer(cpu, (uint16_t)a, b, d & 0xff, (d >> 8) & 0xff, true);
}

/* ---- returns (shared by RET and IRET) ---- */
/* Segments that the outer level may not hold any more become null; their bases stay. */
static void drop_inner_segs(X86Cpu *c)
{
    static const uint8_t list[] = { S_ES, S_DS, S_FS, S_GS };

    for (unsigned i = 0; i < G_N_ELEMENTS(list); i++) {
        X86Seg *g = &c->seg[list[i]];
        unsigned dpl = (g->attr & ATTR_DPL) >> ATTR_DPL_SHIFT;
        if (g->attr & ATTR_P && dpl < c->cpl &&
            (g->attr & (TYPE_CODE | TYPE_CE)) != (TYPE_CODE | TYPE_CE)) {
            g->selector = 0;
            g->attr = 0;
            x86_seg_update(c, list[i]);
        }
    }
}

/* The code segment to return to (RPL >= CPL has been seen to). */
static uint64_t check_return_cs(X86Cpu *c, unsigned cs)
{
    unsigned rpl = cs & 3;
    uint64_t desc;

    if (!(cs & 0xfffc)) {
        x86_raise_gp(c, 0);
    }
    desc = x86_desc_need(c, cs, EXC_GP);
    if (!desc_is_code(desc) || rpl < c->cpl ||
        (desc_conforming(desc) ? desc_dpl(desc) > rpl : desc_dpl(desc) != rpl) ||
        (x86_lma(c) && desc_l(desc) && desc_d(desc))) {
        x86_raise_sel(c, EXC_GP, cs);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, cs);
    }
    return desc;
}

/*
 * The stack segment to return to; its descriptor, or 0 for a null one (64-bit code below privilege
 * 3).
 */
static uint64_t check_return_ss(X86Cpu *c, unsigned ss, unsigned rpl, bool to_long)
{
    uint64_t desc;

    if (!(ss & 0xfffc)) {
        if (!to_long || rpl == 3 || (ss & 3) != rpl) {
            x86_raise_gp(c, 0);
        }
        return 0;
    }
    desc = x86_desc_need(c, ss, EXC_GP);
    if ((ss & 3) != rpl || !desc_s(desc) || desc_type(desc) & TYPE_CODE ||
        !(desc_type(desc) & TYPE_RW) || desc_dpl(desc) != rpl) {
        x86_raise_sel(c, EXC_GP, ss);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_SS, ss);
    }
    return desc;
}

/*
 * CS:RIP and SS:RSP at the privilege of cs's RPL; release: bytes that RET n takes off that stack,
 * too.
 */
static void return_outer(X86Cpu *c, unsigned cs, uint64_t cs_desc, uint64_t rip, unsigned ss,
                         uint64_t sp, unsigned release)
{
    unsigned rpl = cs & 3, old = c->cpl;
    bool to_long = target_long(c, cs_desc);
    uint64_t ss_desc = check_return_ss(c, ss, rpl, to_long), mask;

    check_rip(c, cs_desc, rip);
    x86_desc_accessed(c, cs, &cs_desc);
    if (ss_desc) {
        x86_desc_accessed(c, ss, &ss_desc);
    }
    load_cs(c, cs, cs_desc, rpl, rip);
    if (ss_desc) {
        x86_seg_set(c, S_SS, ss, ss_desc);
    } else {
        x86_seg_null(c, S_SS, ss);
    }
    mask = to_long ? UINT64_MAX : desc_d(ss_desc) ? 0xffffffff : 0xffff;
    sp += release;
    c->dbt.gpr[R_RSP] =
        mask == 0xffff ? (c->dbt.gpr[R_RSP] & ~0xffffull) | (sp & 0xffff) : sp & mask;
    if (rpl != old) {
        drop_inner_segs(c);
    }
}

uint64_t x86_h_far_ret(void *cpu, uint64_t release, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    unsigned n = (d >> 8) & 0xff, cs;
    uint64_t rip, desc;
    X86Stack s;

    x86_stack_current(c, &s);
    rip = x86_pop(&s, n);
    cs = (uint16_t)x86_pop(&s, n);
    if (!x86_protected(c)) {
        if (rip > c->seg[S_CS].limit) {
            x86_raise_gp(c, 0);
        }
        (x86_vm(c) ? x86_seg_vm86 : x86_seg_real)(c, S_CS, cs);
        x86_set_pc(c, rip);
    } else {
        desc = check_return_cs(c, cs);
        if ((cs & 3) > c->cpl) {
            uint64_t sp = x86_peek(&s, release, n);
            unsigned ss = (uint16_t)x86_peek(&s, release + n, n);
            return_outer(c, cs, desc, rip, ss, sp, (unsigned)release);
            dbt_mode_changed(&c->dbt);
            return 0;
        }
        check_rip(c, desc, rip);
        load_cs(c, cs, desc, c->cpl, rip);
    }
    s.sp += release;
    x86_stack_commit(c, &s);
    dbt_mode_changed(&c->dbt);
    return 0;
}

/* ---- IRET ---- */
static void iret_flags(X86Cpu *c, uint64_t image, uint64_t mask)
{
    /*
     * RF counts only while instruction breakpoints are on: else it would outlive the instruction it
     * is for
     */
    if (!(c->mode_cr & X86_MODE_SINGLE)) {
        image &= ~(uint64_t)EF_RF;
    }
    x86_put_rflags(c, image, mask);             /* every way out of IRET tells dbt_mode_changed() */
}

static void iret_real(X86Cpu *c, unsigned n)
{
    uint64_t mask = EF_ARITH | EF_TF | EF_IF | EF_DF | EF_NT | (x86_vm(c) ? 0 : EF_IOPL), rip,
             image;
    bool virtual_if = x86_vm(c) && x86_iopl(c) < 3;
    unsigned cs;
    X86Stack s;

    if (virtual_if && (n != 2 || !(c->cr4 & CR4_VME))) {
        x86_raise_gp(c, 0);
    }
    x86_stack_current(c, &s);
    rip = x86_pop(&s, n);
    cs = (uint16_t)x86_pop(&s, n);
    image = x86_pop(&s, n);
    if (rip > c->seg[S_CS].limit) {
        x86_raise_gp(c, 0);
    }
    if (virtual_if) {
        mask = x86_vm_popf(c, &image, n);
    } else if (n == 4) {
        mask |= EF_RF | EF_AC | EF_ID;
    }
    (x86_vm(c) ? x86_seg_vm86 : x86_seg_real)(c, S_CS, cs);
    x86_stack_commit(c, &s);
    x86_set_pc(c, rip);
    iret_flags(c, image, mask);
}

/* IRET to virtual-8086 mode: the frame goes on with ESP, SS, ES, DS, FS, GS. */
static void iret_to_vm86(X86Cpu *c, X86Stack *s, uint64_t rip, unsigned cs, uint64_t image)
{
    static const uint8_t order[] = { S_SS, S_ES, S_DS, S_FS, S_GS };
    uint16_t sel[G_N_ELEMENTS(order)];
    uint64_t sp = x86_pop(s, 4);

    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        sel[i] = (uint16_t)x86_pop(s, 4);
    }
    x86_set_cpl(c, 3);
    c->rflags |= EF_VM;
    x86_seg_vm86(c, S_CS, cs);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        x86_seg_vm86(c, order[i], sel[i]);
    }
    c->dbt.gpr[R_RSP] = (uint32_t)sp;
    x86_set_pc(c, rip & 0xffff);
    iret_flags(c, image,
               EF_ARITH | EF_TF | EF_IF | EF_DF | EF_IOPL | EF_NT | EF_RF | EF_VM | EF_AC | EF_VIF |
                   EF_VIP | EF_ID);
}

uint64_t x86_h_iret(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    unsigned n = (d >> 8) & 0xff, cs, old_cpl = c->cpl;
    uint64_t rip, image, desc, mask = EF_ARITH | EF_TF | EF_DF | EF_NT;
    uint64_t frame[5];                  /* RIP, CS, RFLAGS, RSP, SS */
    bool from64 = x86_code64(c);
    X86Stack s;

    x86_intercept(c, SVM_EXIT_IRET, 0);
    if (c->nmi_blocked) {
        c->nmi_blocked = false;
        x86_poll_soon(c);
    }
    if (!x86_protected(c)) {
        iret_real(c, n);
        dbt_mode_changed(&c->dbt);
        return 0;
    }
    if (c->rflags & EF_NT) {
        unsigned link;
        if (x86_lma(c)) {
            x86_raise_gp(c, 0);
        }
        link = (uint16_t)x86_sys_ld(c, c->seg[S_TR].base, 2);
        x86_task_gate(c, link, TASK_IRET, (uint32_t)(x86_rip(c) + (d & 0xff)), false, 0);
        return 0;
    }
    x86_stack_current(c, &s);
    const uint8_t *whole = n == 8 ? dbt_at_hand(&c->dbt, s.sp, sizeof(frame), false) : NULL;
    if (G_LIKELY(whole != NULL)) {
        memcpy(frame, whole, sizeof(frame));
        s.sp += 24;
    } else {
        for (unsigned i = 0; i < 3; i++) {
            frame[i] = x86_pop(&s, n);
        }
    }
    rip = frame[0];
    cs = (uint16_t)frame[1];
    image = frame[2];
    if (image & EF_VM && n == 4 && c->cpl == 0 && !x86_lma(c)) {
        iret_to_vm86(c, &s, rip, cs, image);
        dbt_mode_changed(&c->dbt);
        return 0;
    }
    desc = check_return_cs(c, cs);
    if (c->cpl <= x86_iopl(c)) {
        mask |= EF_IF;
    }
    if (n > 2) {
        mask |= EF_RF | EF_AC | EF_ID;
    }
    if (c->cpl == 0) {
        mask |= EF_IOPL | (n > 2 ? EF_VIF | EF_VIP : 0);
    }
    if (from64 || (cs & 3) > old_cpl) {
        uint64_t sp = whole ? frame[3] : x86_pop(&s, n);
        unsigned ss = (uint16_t)(whole ? frame[4] : x86_pop(&s, n));
        return_outer(c, cs, desc, rip, ss, sp, 0);
    } else {
        check_rip(c, desc, rip);
        load_cs(c, cs, desc, c->cpl, rip);
        x86_stack_commit(c, &s);
    }
    iret_flags(c, image, mask);
    dbt_mode_changed(&c->dbt);
    return 0;
}
