/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.c -- hardware task switches.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 7 (7.3 and table 7-1: checks; 7.2.1, 7.6: layout of the TSS).
 * Threads: the vCPU's own.
 *
 * All that the outgoing task can be blamed for is checked before anything changes; from the new EIP
 * on, faults belong to the incoming task.
 */
#include "cpu/x86/sys.h"

enum { CR3_AT = 28, DR6_BT = 0x8000 };

typedef struct TssLayout {
    uint8_t bytes, ip, flags, regs, segs, n_segs, ldt;
    uint32_t min_limit;
} TssLayout;
static const TssLayout tss32 = { 4, 32, 36, 40, 72, 6, 96, 103 };
static const TssLayout tss16 = { 2, 14, 16, 18, 34, 4, 42, 43 };

typedef struct TssImage {
    uint32_t cr3, ip, flags, reg[8];
    uint16_t seg[6], ldt, trap;
} TssImage;

static void tss_read(X86Cpu *c, uint64_t base, const TssLayout *l, TssImage *t)
{
    memset(t, 0, sizeof *t);
    t->cr3 = l->bytes == 4 ? (uint32_t)x86_sys_ld(c, base + CR3_AT, 4) : 0;
    t->ip = (uint32_t)x86_sys_ld(c, base + l->ip, l->bytes);
    t->flags = (uint32_t)x86_sys_ld(c, base + l->flags, l->bytes);
    for (unsigned i = 0; i < 8; i++) {
        t->reg[i] = (uint32_t)x86_sys_ld(c, base + l->regs + i * l->bytes, l->bytes);
    }
    for (unsigned i = 0; i < l->n_segs; i++) {
        t->seg[i] = (uint16_t)x86_sys_ld(c, base + l->segs + i * l->bytes, 2);
    }
    t->ldt = (uint16_t)x86_sys_ld(c, base + l->ldt, 2);
    t->trap = l->bytes == 4 ? (uint16_t)x86_sys_ld(c, base + 100, 2) : 0;
}

/* The dynamic fields of the outgoing task. */
static void tss_write(X86Cpu *c, uint64_t base, const TssLayout *l, uint32_t ip, uint32_t flags)
{
    x86_sys_st(c, base + l->ip, ip, l->bytes);
    x86_sys_st(c, base + l->flags, flags, l->bytes);
    for (unsigned i = 0; i < 8; i++) {
        x86_sys_st(c, base + l->regs + i * l->bytes, c->dbt.gpr[i], l->bytes);
    }
    for (unsigned i = 0; i < l->n_segs; i++) {
        x86_sys_st(c, base + l->segs + i * l->bytes, c->seg[i].selector, 2);
    }
}

static void set_busy(X86Cpu *c, unsigned selector, bool busy)
{
    uint64_t at = c->gdt_base + (selector & 0xfff8) + 5;
    uint64_t type = x86_sys_ld(c, at, 1);

    x86_sys_st(c, at, busy ? type | 2 : type & ~2ull, 1);
}

static void new_ldt(X86Cpu *c, unsigned selector)
{
    uint64_t desc;

    if (!(selector & 0xfffc)) {
        return;
    }
    if (selector & 4 || !x86_desc_fetch(c, selector, &desc) || desc_s(desc) ||
        desc_type(desc) != DT_LDT || !desc_p(desc)) {
        x86_raise_sel(c, EXC_TS, selector);
    }
    x86_seg_set(c, S_LDTR, selector, desc);
}

static void new_cs(X86Cpu *c, unsigned selector)
{
    unsigned rpl = selector & 3;
    uint64_t desc;

    if (!(selector & 0xfffc)) {
        x86_raise_sel(c, EXC_TS, selector);
    }
    desc = x86_desc_need(c, selector, EXC_TS);
    if (!desc_is_code(desc) ||
        (desc_conforming(desc) ? desc_dpl(desc) > rpl : desc_dpl(desc) != rpl)) {
        x86_raise_sel(c, EXC_TS, selector);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, selector);
    }
    x86_desc_accessed(c, selector, &desc);
    x86_seg_set(c, S_CS, selector, desc);
}

static void new_data(X86Cpu *c, unsigned s, unsigned selector)
{
    unsigned rpl = selector & 3, type, dpl;
    bool bad;
    uint64_t desc;

    if (!(selector & 0xfffc)) {
        if (s == S_SS) {
            x86_raise_sel(c, EXC_TS, selector);
        }
        return;
    }
    desc = x86_desc_need(c, selector, EXC_TS);
    type = desc_type(desc);
    dpl = desc_dpl(desc);
    if (s == S_SS) {
        bad = type & TYPE_CODE || !(type & TYPE_RW) || dpl != c->cpl || rpl != c->cpl;
    } else {
        bad = (type & (TYPE_CODE | TYPE_RW)) == TYPE_CODE ||
              ((type & (TYPE_CODE | TYPE_CE)) != (TYPE_CODE | TYPE_CE) &&
               (rpl > dpl || c->cpl > dpl));
    }
    if (!desc_s(desc) || bad) {
        x86_raise_sel(c, EXC_TS, selector);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, s == S_SS ? EXC_SS : EXC_NP, selector);
    }
    x86_desc_accessed(c, selector, &desc);
    x86_seg_set(c, s, selector, desc);
}

/* The incoming task's registers; its segments are still nothing but selectors. */
static void enter_task(X86Cpu *c, const TssImage *t, const TssLayout *l, bool nested)
{
    static const uint8_t order[6] = { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS };
    uint64_t flags = t->flags | 2;

    if (l->bytes == 2) {
        flags |= x86_rflags(c) & 0xffff0000 & ~(uint64_t)EF_VM;
    }
    if (nested) {
        flags |= EF_NT;
    }
    for (unsigned i = 0; i < 8; i++) {
        c->dbt.gpr[i] = l->bytes == 4 ? t->reg[i] : (c->dbt.gpr[i] & 0xffff0000) | t->reg[i];
    }
    c->rflags &= ~(uint64_t)EF_VM;
    c->cpl = flags & EF_VM ? 3 : t->seg[1] & 3;
    for (unsigned i = 0; i < 6; i++) {
        c->seg[order[i]] = (X86Seg){ .selector = t->seg[i], .hi_read = -1, .hi_write = -1 };
    }
    c->seg[S_CS].limit = 0xffffffff;
    c->seg[S_LDTR] = (X86Seg){ .selector = t->ldt, .hi_read = -1, .hi_write = -1 };
    c->cr0 |= CR0_TS;
    c->dr[7] &= ~0x155ull;              /* local breakpoints end with the task */
    x86_set_rflags(c, flags, UINT64_MAX);
    c->dbt.pc = t->ip;
    x86_cr_changed(c);
}

static void load_task_segs(X86Cpu *c, const TssImage *t)
{
    static const uint8_t order[6] = { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS };

    new_ldt(c, t->ldt);
    if (x86_vm(c)) {
        for (unsigned i = 0; i < 6; i++) {
            x86_seg_vm86(c, order[i], t->seg[i]);
        }
    } else {
        new_cs(c, t->seg[1]);
        new_data(c, S_SS, t->seg[2]);
        for (unsigned i = 0; i < 6; i++) {
            if (order[i] != S_CS && order[i] != S_SS) {
                new_data(c, order[i], t->seg[i]);
            }
        }
    }
    x86_set_pc(c, t->ip);
    dbt_mode_changed(&c->dbt);
}

void x86_task_switch(X86Cpu *c, unsigned selector, uint64_t desc, X86TaskCause why,
                     uint64_t next_rip, bool has_error, uint32_t error)
{
    const TssLayout *l = desc_type(desc) & 8 ? &tss32 : &tss16,
                    *ol = c->seg[S_TR].attr & 8 ? &tss32 : &tss16;
    uint64_t base = desc_base(desc), old_base = c->seg[S_TR].base;
    unsigned old_tr = c->seg[S_TR].selector;
    uint32_t flags = (uint32_t)x86_rflags(c);
    bool nested = why == TASK_CALL || why == TASK_INT;
    TssImage t;

    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, selector);
    }
    if (desc_limit(desc) < l->min_limit) {
        x86_raise_sel(c, EXC_TS, selector);
    }
    x86_svm_task(c, selector, why, has_error, error);
    tss_read(c, base, l, &t);
    dbt_check_system(&c->dbt, old_base, ol->min_limit + 1, ACCESS_WRITE);
    if (nested) {
        dbt_check_system(&c->dbt, base, 2, ACCESS_WRITE);
    }
    if (why == TASK_IRET) {
        flags &= ~(uint32_t)EF_NT;
    }
    if (why == TASK_JMP || why == TASK_IRET) {
        set_busy(c, old_tr, false);
    }
    tss_write(c, old_base, ol, (uint32_t)next_rip, flags);
    if (nested) {
        x86_sys_st(c, base, old_tr, 2);
    }
    if (why != TASK_IRET) {
        set_busy(c, selector, true);
    }
    x86_seg_set(c, S_TR, selector, desc | 2ull << 40);
    if (l->bytes == 4 && c->cr0 & CR0_PG) {
        if (c->cr4 & CR4_PAE && !x86_load_pdptes(c, t.cr3)) {
            x86_raise_gp(c, 0);
        }
        x86_load_cr3_unchecked(c, t.cr3);
    }
    enter_task(c, &t, l, nested);
    load_task_segs(c, &t);
    if (has_error) {
        X86Stack s;
        x86_stack_current(c, &s);
        x86_push(&s, error, l->bytes);
        x86_stack_commit(c, &s);
    }
    if (t.trap & 1) {
        c->ext = 0;
        c->delivering = -1;
        x86_raise_db(c, DR6_BT);
    }
}

void x86_task_gate(X86Cpu *c, unsigned selector, X86TaskCause why, uint64_t next_rip,
                   bool has_error, uint32_t error)
{
    unsigned vector = why == TASK_IRET ? EXC_TS : EXC_GP, type;
    uint64_t desc;

    if (selector & 4 || !(selector & 0xfffc)) {
        x86_raise_sel(c, vector, selector);
    }
    desc = x86_desc_need(c, selector, vector);
    type = desc_type(desc);
    if (desc_s(desc) || (why == TASK_IRET ? type != DT_TSS32_BUSY && type != DT_TSS16_BUSY
                                          : type != DT_TSS32 && type != DT_TSS16)) {
        x86_raise_sel(c, vector, selector);
    }
    x86_task_switch(c, selector, desc, why, next_rip, has_error, error);
}
