/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c -- runs the unit suites and prints one line for each test: "ok NAME" or "not ok NAME:
 * why".
 *
 * Omits: nothing.
 * Threads: each test is a process of its own.
 */
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>

#define SUITE(name) Suite *suite_##name(void);
#include "tests/unit/suites.def"
#undef SUITE
#define SUITE(name) srunner_add_suite(sr, suite_##name());

int main(void)
{
    SRunner     *sr = srunner_create(NULL);
    TestResult **all;
    int          n, failed = 0;

#include "tests/unit/suites.def"
    srunner_run_all(sr, CK_SILENT);
    n = srunner_ntests_run(sr);
    all = srunner_results(sr);
    for (int i = 0; i < n; i++) {
        if (tr_rtype(all[i]) == CK_PASS) {
            printf("ok unit/%s\n", tr_tcname(all[i]));
        } else {
            printf("not ok unit/%s: %s:%d: %s\n", tr_tcname(all[i]), tr_lfile(all[i]),
                   tr_lno(all[i]), tr_msg(all[i]));
            failed++;
        }
    }
    free(all);
    srunner_free(sr);
    return failed != 0;
}
