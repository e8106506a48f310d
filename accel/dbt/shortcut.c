/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shortcut.c -- what says in a word or two what a context's tables say: told here of all that takes
 * something out of those.
 *
 * There are five: guards of traces (trace.c), inline caches (ic.c), the page of the stack
 * (DbtStack, this file), words of jumps to other pages (far.c), and pages that may be stored to
 * beside code (DbtCpu.beside).  A sixth is one line in each function below; who flushes calls these
 * and knows of none.
 *
 * Threads: a vCPU's own, except shortcut_flush() and shortcut_unwrite(), also called for stopped
 *   vCPUs.
 */
#include "accel/dbt/internal.h"

static DbtStack *stack_of(DbtCpu *c, DbtContext *x) { return x == c->ctx ? &c->stack : &x->stack; }

static void stack_unwrite(DbtCpu *c, const uint8_t *host_page)
{
    for (unsigned i = 0; i < DBT_CONTEXTS; i++) {
        if (c->keys[i].made && stack_of(c, &c->contexts[i])->page == (uintptr_t)host_page) {
            *stack_of(c, &c->contexts[i]) = (DbtStack){ 0 };
        }
    }
}

void beside_forget(DbtCpu *c, const uint8_t *host_page)
{
    struct DbtBeside *s = &c->beside[dbt_beside_slot((uintptr_t)host_page)];

    if (s->page == (uintptr_t)host_page) {
        s->page = 0;
    }
}

/* c->ctx has changed.  (A context has its own page of the stack: dbt_use().) */
void shortcut_context(DbtCpu *c)
{
    trace_context(c);
    ic_context(c);
    far_context(c);
}

/* x has lost entries of this space; globals: of global pages as well. */
void shortcut_flush(DbtCpu *c, DbtContext *x, bool globals)
{
    trace_flush(c, x);
    ic_flush(c, x);
    *stack_of(c, x) = (DbtStack){ 0 };
    far_flush(c, x, globals);
}

/* Of one page, and code in the one before, whose last instruction may reach into it. */
void shortcut_flush_page(DbtCpu *c, DbtContext *x, uint64_t page, bool near_global)
{
    trace_flush_page(c, x, page);
    ic_flush_page(c, x, page);
    if (stack_of(c, x)->key == page) {
        *stack_of(c, x) = (DbtStack){ 0 };
    }
    far_flush_page(c, x, page, near_global);
}

/* The page may not be stored to any more without asking. */
void shortcut_unwrite(DbtCpu *c, const uint8_t *host_page)
{
    ic_unwrite(c, host_page);
    stack_unwrite(c, host_page);
    beside_forget(c, host_page);
}
