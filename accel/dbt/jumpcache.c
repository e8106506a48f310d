/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jumpcache.c -- a context's jump cache: host code for the linear address that a jump leads to.
 *
 * A slot has a neighbour, and one place behind it (jmp_victim) for what has to make room.  What is
 * filled is listed twice: what stems from global pages (list 1), and the rest (list 0), which goes
 * with each change of the address space.
 *
 * Threads: a vCPU's own, or another while that is stopped.
 */
#include "accel/dbt/context.h"

static JmpEntry no_jump(unsigned slot) { return (JmpEntry){ dbt_jmp_empty(slot), NULL }; }

void jmp_init(DbtContext *x)
{
    for (unsigned s = 0; s < DBT_JMP_N; s++) {
        x->jmp[s] = x->jmp_victim[s] = no_jump(s);
    }
}

void jmp_clear(DbtContext *x, unsigned list)
{
    for (unsigned i = 0; i < x->n_jmp[list]; i++) {
        unsigned slot = x->jmp_filled[list][i];
        x->jmp[slot] = no_jump(slot);
        if (x->jmp_in[slot] & DBT_JMP_VICTIM) {
            x->jmp_victim[slot] = no_jump(slot);
        }
        x->jmp_in[slot] &= (uint8_t)~(1u << list | DBT_JMP_VICTIM);
    }
    x->n_jmp[list] = 0;
    x->code_pages[list] = 0;
}

static uint64_t page_bit(uint64_t linear)
{
    return UINT64_C(1) << ((linear >> DBT_PAGE_BITS) & 63);
}

static void jmp_clear_if(JmpEntry *j, unsigned slot, uint64_t mask, uint64_t at, uint64_t reach)
{
    if (at - (j->pc & mask) <= reach) {
        *j = no_jump(slot);
    }
}

void jmp_clear_part(DbtContext *x, uint64_t mask, uint64_t at, uint64_t reach,
                    unsigned lists)
{
    for (unsigned list = 0; list < lists; list++) {
        for (unsigned i = 0; i < x->n_jmp[list]; i++) {
            unsigned slot = x->jmp_filled[list][i];
            jmp_clear_if(&x->jmp[slot], slot, mask, at, reach);
            if (x->jmp_in[slot] & DBT_JMP_VICTIM) {
                jmp_clear_if(&x->jmp_victim[slot], slot, mask, at, reach);
            }
        }
    }
}

void jmp_clear_page(DbtContext *x, uint64_t page, bool near_global)
{
    uint64_t bits = page_bit(page) | page_bit(page - DBT_PAGE);

    if (bits & (x->code_pages[0] | (near_global ? x->code_pages[1] : 0))) {
        jmp_clear_part(x, -(uint64_t)DBT_PAGE, page, DBT_PAGE, near_global ? 2 : 1);
    }
}

static void jmp_note(DbtContext *x, unsigned slot, unsigned list)
{
    if (!(x->jmp_in[slot] >> list & 1)) {
        x->jmp_in[slot] |= (uint8_t)(1u << list);
        x->jmp_filled[list][x->n_jmp[list]++] = (uint16_t)slot;
    }
}

/* slot `to` holds what `from` held: it is cleared with the same lists. */
static void jmp_note_as(DbtContext *x, unsigned to, unsigned from)
{
    for (unsigned list = 0; list < 2; list++) {
        if (x->jmp_in[from] >> list & 1) {
            jmp_note(x, to, list);
        }
    }
}

void jmp_inherit(DbtContext *x, const DbtContext *from)
{
    for (unsigned i = 0; i < from->n_jmp[1]; i++) {
        unsigned slot = from->jmp_filled[1][i];
        if ((from->jmp_in[slot] & 3) == 2) {
            x->jmp[slot] = from->jmp[slot];
            if (from->jmp_in[slot] & DBT_JMP_VICTIM) {
                x->jmp_victim[slot] = from->jmp_victim[slot];
                x->jmp_in[slot] |= DBT_JMP_VICTIM;
            }
            jmp_note(x, slot, 1);
        }
    }
    x->code_pages[1] = from->code_pages[1];
}

static bool fetch_is_global(const DbtContext *x, uint64_t pc)
{
    unsigned f = (pc >> DBT_PAGE_BITS) & (DBT_FETCH_N - 1);

    return (x->fetch_global >> f & 1) && x->fetch[f].tag == ((pc & -(uint64_t)DBT_PAGE) | 1);
}

static void jmp_put(DbtContext *x, uint64_t pc, const void *code, bool global)
{
    unsigned slot = dbt_jmp_slot(pc), other = slot ^ 1;

    if (x->jmp[slot].code && x->jmp[slot].pc != pc) {   /* the neighbour keeps what was here */
        if (x->jmp[other].code && x->jmp[other].pc != pc) {
            unsigned home = dbt_jmp_slot(x->jmp[other].pc);
            jmp_note_as(x, home, other);
            x->jmp_victim[home] = x->jmp[other];
            x->jmp_in[home] |= DBT_JMP_VICTIM;
        }
        x->jmp[other] = x->jmp[slot];
        jmp_note_as(x, other, slot);
    }
    jmp_note(x, slot, global);
    x->code_pages[global] |= page_bit(pc);
    x->jmp[slot] = (JmpEntry){ pc, code };
}

void tlb_jmp_put(DbtCpu *c, uint64_t pc, const void *code, bool two_pages)
{
    const DbtContext *x = c->ctx;
    bool global = fetch_is_global(x, pc) && (!two_pages || fetch_is_global(x, pc + DBT_PAGE));

    jmp_put(c->ctx, pc, code, global);
}

const void *tlb_jmp_victim(DbtCpu *c)
{
    unsigned slot = dbt_jmp_slot(c->pc);
    bool global = (c->ctx->jmp_in[slot] & 3) == 2;      /* nothing else has been there */
    JmpEntry *v = &c->ctx->jmp_victim[slot], was;

    if (!(c->ctx->jmp_in[slot] & DBT_JMP_VICTIM)) {
        return NULL;                    /* a line of the host's cache less: so for a new process */
    }
    was = *v;
    if (was.pc != c->pc || !was.code) {
        return NULL;
    }
    *v = no_jump(slot);                /* if its code is dead, the next look-up goes all the way */
    jmp_put(c->ctx, was.pc, was.code, global);
    return was.code;
}
