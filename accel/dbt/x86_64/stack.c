/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.c -- checks of memory off the stack pointer: against the one page where the stack was last
 * (dbt.h, DbtStack).
 *
 *     lea  X, [rsp + disp]                         xor  X, [cpu.stack.key]
 *     cmp  X, [cpu.stack.limit[k]]                 jae  stub
 *     add  X, [cpu.stack.page]
 *
 * That is two in five of all checks, at half the bytes and the operations of one that looks in the
 * TLB, and needs no second register.  Its stub does look there, and remembers the page if it may be
 * written.
 *
 * Threads: emission, see x64.h; the routines are made once and run by all vCPUs.
 */
#include "accel/dbt/x86_64/emit.h"

G_STATIC_ASSERT(CPU(stack.key) >= -128 && CPU(stack.limit) + 8 * DBT_STACK_LIMITS <= 128);

unsigned stack_limit(const Em *e, const IrMem *m)
{
    unsigned k = 0;

    if (m->base.kind != IR_GUEST || m->base.id != e->stack_reg || m->index.kind != IR_NONE ||
        m->limit || m->locked) {
        return DBT_STACK_LIMITS;
    }
    while (k < DBT_STACK_LIMITS && DBT_STACK_SPAN(k) < m->span) {
        k++;
    }
    return k;
}

void stack_check(Em *e, unsigned x, uint32_t rec, unsigned limit)
{
    e_op(e, 0x33, E_W, x, rm_cpu(CPU(stack.key)));
    e_op(e, 0x3b, E_W, x, rm_cpu(CPU(stack.limit) + 8 * (int32_t)limit));
    e_jcc(e, CC_AE);
    Stub *s = check_stub(e, rec, e->x->stack[scratch_number(x)]);
    e_op(e, 0x03, E_W, x, rm_cpu(CPU(stack.page)));
    s->back = e->p;
}

/*
 * stack[k]: linear address ^ key in reg, which becomes the host address; else as refill[k], which
 * does what the TLB does not have.
 */
static void make(Em *e, unsigned k, unsigned reg)
{
    static const uint8_t saved[3] = { RCX, RDX, RDI };
    X64 *x = e->x;
    Rm read = rm_mem(RDX, offsetof(TlbEntry, read)), write = rm_mem(RDX, offsetof(TlbEntry, write));

    x->stack[k] = thunk_here(e);
    e_op(e, 0x33, E_W, reg, rm_cpu(CPU(stack.key)));
    pushes(e, saved, 3);
    e_op(e, 0x8b, 0, RCX, rm_mem(RSP, 32));
    e_shift_imm(e, 4, IR_I64, RCX, 5);
    e_mov_imm(e, RDX, (uintptr_t)x->recs);
    e_alu_rr(e, 0, IR_I64, RCX, rm_reg(RDX));
    e_mov_rr(e, RDI, reg);
    tlb_entry(e, RDX, RDI);
    e_op(e, 0x33, E_W, RDI, write);
    e_alu_imm(e, 7, IR_I64, rm_reg(RDI), DBT_PAGE - 1);
    uint8_t *no_write = e_jcc8(e, CC_A);
    push(e, RCX);
    e_load(e, RCX, write);
    e_store(e, RCX, rm_cpu(CPU(stack.key)));
    e_load(e, RCX, rm_mem(RDX, offsetof(TlbEntry, page)));
    e_store(e, RCX, rm_cpu(CPU(stack.page)));
    for (unsigned l = 0; l < DBT_STACK_LIMITS; l++) {
        e_op(e, 0xc7, E_W, 0, rm_cpu(CPU(stack.limit) + 8 * (int32_t)l));
        e32(e, DBT_PAGE + 1 - DBT_STACK_SPAN(l));
    }
    pop(e, RCX);
    uint8_t *both = e_jmp8(e);
    patch8(e, no_write);
    e_op(e, 0xf6, 0, 0, rm_mem(RCX, offsetof(LeaveRec, access)));       /* test */
    e8(e, IR_WRITE);
    uint8_t *to_write = e_jcc8(e, CC_NE);
    e_mov_rr(e, RDI, reg);
    e_op(e, 0x33, E_W, RDI, read);
    e_alu_imm(e, 7, IR_I64, rm_reg(RDI), DBT_PAGE - 1);
    uint8_t *miss = e_jcc8(e, CC_A);
    patch8(e, both);
    e_movzx(e, RCX, rm_mem(RCX, offsetof(LeaveRec, span)), IR_I16);
    e_alu_rr(e, 0, IR_I32, RCX, rm_reg(RDI));
    e_alu_imm(e, 7, IR_I32, rm_reg(RCX), DBT_PAGE);
    uint8_t *crosses = e_jcc8(e, CC_A);
    e_load(e, reg, rm_mem(RDX, offsetof(TlbEntry, page)));
    e_alu_rr(e, 0, IR_I64, reg, rm_reg(RDI));
    pops_ret(e, saved, 3);
    patch8(e, to_write);
    patch8(e, miss);
    patch8(e, crosses);
    pops(e, saved, 3);
    e_jmp_thunk(e, x->refill[k]);
}

void stack_make(Em *e)
{
    make(e, 0, RAX);
    make(e, 1, R10);
    make(e, 2, R11);
}
