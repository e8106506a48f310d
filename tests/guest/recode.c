/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recode.c -- 64-bit guest on one CPU: random code that is rewritten at random; recode.h says how.
 */
#include "tests/guest/recode.h"

__attribute__((used)) int main(void)
{
    begin();
    for (unsigned t = 0; t < TURNS; t++) {
        cpus[0].mine = t & 1;
        steps(&cpus[0]);
    }
    result("code rewritten at random");
    finish();
}
