/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq.c -- wires and shared wires. */
#include "tests/unit/unit.h"

static int  calls;
static bool level;

static void sink(void *dev, unsigned n, bool l)
{
    ck_assert_uint_eq(n, 7);
    calls++;
    level = l;
}

START_TEST(irq_gate)
{
    IrqGate g = { 0 };
    Irq     a = { 0 }, b = { 0 }, lone = { 0 };

    irq_set(&lone, true);               /* not connected: only the level */
    ck_assert(lone.level);
    irq_connect(&g.out, sink, NULL, 7);
    irq_connect(&a, irq_gate_sink, &g, 0);
    irq_connect(&b, irq_gate_sink, &g, 0);
    irq_set(&a, true);
    irq_set(&a, true);
    irq_set(&b, true);
    ck_assert(calls == 1 && level && g.high == 2);
    irq_set(&a, false);
    ck_assert(calls == 1 && level);
    irq_set(&b, false);
    ck_assert(calls == 2 && !level && g.high == 0);
    irq_gate_sink(&g, 0, false);        /* one too many */
    ck_assert(g.high == 0 && calls == 2);
}
END_TEST

Suite *suite_irq(void)
{
    Suite *s = suite_create("irq");

    ADD(s, irq_gate);
    return s;
}
