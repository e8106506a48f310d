/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c -- runs all scripted device tests. */
#include "tests/dev/scripted/rig.h"
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    SRunner *r = srunner_create(NULL);
    TestResult **all;
    int n, failed = 0;

#define SUITE(name) srunner_add_suite(r, suite_##name());
#include "tests/dev/scripted/suites.def"
#undef SUITE
    srunner_run_all(r, CK_SILENT);
    n = srunner_ntests_run(r);
    all = srunner_results(r);
    for (int i = 0; i < n; i++) {
        if (tr_rtype(all[i]) == CK_PASS) {
            printf("ok dev/%s\n", tr_tcname(all[i]));
        } else {
            printf("not ok dev/%s: %s:%d: %s\n", tr_tcname(all[i]), tr_lfile(all[i]),
                   tr_lno(all[i]), tr_msg(all[i]));
            failed++;
        }
    }
    free(all);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
