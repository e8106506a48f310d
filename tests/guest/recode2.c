/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recode2.c -- 64-bit guest on two CPUs: random code that both rewrite at random in the same pages,
 * each its own functions, and exchange after each turn; recode.h says how.
 */
#include "tests/guest/recode.h"

static void other(void)
{
    serialize();
    steps(&cpus[1]);
}

static void mine(void)
{
    serialize();
    steps(&cpus[0]);
}

__attribute__((used)) int main(void)
{
    begin();
    start_ap();
    for (unsigned t = 0; t < TURNS; t++) {
        cpus[0].mine = t & 1;
        cpus[1].mine = ~t & 1;
        both(other, mine);
    }
    result("code rewritten at random by two CPUs");
    finish();
}
