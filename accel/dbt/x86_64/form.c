/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * form.c -- most memory checks, copied from forms instead of encoded.
 *
 * Behind its address a check of the stack's page or of the TLB (stack.c, mem.c) is always the same
 * bytes for the same scratch registers, but for how long the access is and where its stub is.  So
 * each is encoded once, by the functions that encode the others, and copied.  em_chk() has what is
 * left: segments, limits, alignment, temporaries, inline caches.
 *
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

G_STATIC_ASSERT(CPU(last) >= -128 && CPU(last) + 8 * DBT_LAST_N <= 128);
/* from the rel32: the disp8, or the imm32, of the comparison before the jump */
enum { LIMIT_BACK = 3, IMM_BACK = 6 };

static const uint8_t scratch[3] = { RAX, R10, R11 };

static void form_end(Em *e, CheckForm *f, const uint8_t *start)
{
    f->n = (uint8_t)(e->p - start);
    f->from = (uint8_t)(e->stubs[0].from - start);
    g_assert(f->n <= sizeof(f->code));
    memcpy(f->code, start, f->n);
    e->n_stubs = 0;
}

void forms_make(Em *e)
{
    X64 *x = e->x;
    uint8_t code[64], *p = e->p;

    e->n_stubs = 0;
    for (unsigned a = 0; a < 3; a++) {
        e->p = code;
        stack_check(e, scratch[a], 0, 0);
        form_end(e, &x->stack_form[a], code);
        for (unsigned k = 0; k < 3 * 2 * 2; k++) {
            unsigned b = k / 4;
            IrMem m = { .span = k & 1 ? DBT_PAGE / 2 : dbt_last_span(0),
                        .access = k & 2 ? IR_WRITE : IR_READ };
            if (b != a) {
                e->p = code;
                tlb_check(e, &m, scratch[a], scratch[b], 0);
                form_end(e, &x->tlb_form[a][b][k >> 1 & 1][k & 1], code);
            }
        }
    }
    e->p = p;
}

/*
 * The address of such an access in register x, from registers base and index, or NO_REG: as
 * em_address() has it.
 */
static inline void plain_address(Em *e, const IrMem *m, unsigned x, unsigned base, unsigned index)
{
    unsigned size = m->offset_bits == 64 ? E_W : 0;

    if (m->pc_relative) {
        e_op(e, 0x8b, size, x, rm_cpu(CPU(pc_base)));
        if (m->disp) {
            e_op(e, 0x8d, size, x, rm_mem(x, m->disp));
        }
    } else if (index == NO_REG && !m->disp) {
        e_op(e, 0x8b, size, x, rm_reg(base));
    } else {
        e_op(e, 0x8d, size, x, (Rm){ .reg = (uint8_t)base, .index = (uint8_t)index,
                                     .scale = m->scale, .mem = true, .disp = m->disp });
    }
}

static void put_form(Em *e, const CheckForm *f, uint32_t rec, uint32_t thunk)
{
    uint8_t *p = e->p;

    memcpy(p, f->code, sizeof(f->code));
    e->p = p + f->from + 4;
    check_stub(e, rec, thunk)->back = p + f->n;
    e->p = p + f->n;
}

static void put_stack(Em *e, unsigned x, uint32_t rec, unsigned limit)
{
    unsigned a = scratch_number(x);
    const CheckForm *f = &e->x->stack_form[a];
    uint8_t *at = e->p + f->from - LIMIT_BACK;

    put_form(e, f, rec, e->x->stack[a]);
    *at = (uint8_t)(*at + 8 * limit);
}

static void put_tlb(Em *e, const IrMem *m, unsigned x, unsigned y, uint32_t rec)
{
    unsigned a = scratch_number(x), b = scratch_number(y), write = (m->access & IR_WRITE) != 0;
    unsigned k = m->span == 8 ? 2 : m->span == 4 ? 1 : m->span == 1 ? 0 : DBT_LAST_N;
    const CheckForm *f = &e->x->tlb_form[a][b][write][k == DBT_LAST_N];
    uint8_t *from = e->p + f->from;

    put_form(e, f, rec, e->x->refill_undo[a][b][write]);
    if (k < DBT_LAST_N) {
        from[-LIMIT_BACK] = (uint8_t)(from[-LIMIT_BACK] + 8 * k);
    } else {
        put_imm32(from - IMM_BACK, DBT_PAGE - m->span);
    }
}

bool chk_by_form(Em *e)
{
    const IrInsn *n = e->n;
    const IrMem *m = &e->ir->mems[n->mem];

    unsigned base = reg_of(e, m->base), index = reg_of(e, m->index);
    if (!ir_is_plain(m) || (e->x87_n | e->x87_c1) || (base == NO_REG && !m->pc_relative) ||
        (index == NO_REG && m->index.kind)) {
        return false;
    }
    unsigned stack = stack_limit(e, m), h = val_of(n->dst), x, y = NO_REG;
    if (stack == DBT_STACK_LIMITS && e->ics) {
        return false;
    }
    flags_clobber(e);
    drop_host(e, h);
    x = free_host(e);
    if (stack == DBT_STACK_LIMITS) {
        y = e->owner[RAX] == FREE ? RAX : R10;
    }
    if (x == NO_REG || x == y || (y != NO_REG && e->owner[y] != FREE)) {
        return false;
    }
    plain_address(e, m, x, base, index);
    uint32_t rec = leave_rec(e, m);
    if (y == NO_REG) {
        put_stack(e, x, rec, stack);
    } else {
        put_tlb(e, m, x, y, rec);
    }
    e->owner[x] = (uint8_t)h;
    e->at[h] = (uint8_t)x;
    return true;
}
