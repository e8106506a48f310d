/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unit.h -- one suite a file: Suite *suite_NAME(void), and a line SUITE(NAME) in suites.def. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H
#include "accel/accel.h"
#include "core/options.h"
#include "core/state.h"
#include "core/vcpu.h"
#include <check.h>
#include <string.h>

#define ADD(suite, fn)                                                                             \
    do {                                                                                           \
        TCase *t_ = tcase_create(#fn);                                                             \
        tcase_add_test(t_, fn);                                                                    \
        suite_add_tcase(suite, t_);                                                                \
    } while (0)
#define ck_ok(call)                                                                                \
    do {                                                                                           \
        GError *e_ = NULL;                                                                         \
        bool ok_ = (call);                                                                         \
        ck_assert_msg(ok_, "%s: %s", #call, e_ ? e_->message : "no message");                      \
    } while (0) /* the call uses &e_ */

/*
 * fake.c: a CPU and an accelerator whose "guest" is a C function, called again and again until
 * attention is set.
 */
typedef struct FakeCpu {
    Vcpu     v;
    void   (*guest)(struct FakeCpu *c);
    uint64_t rounds, value;
    uint32_t wants;                   /* has_work */
    bool     halt;                    /* the guest function asks for EXIT_HALT */
} FakeCpu;
extern const CpuOps   fake_cpu;
extern const AccelOps fake_accel;
extern unsigned       fake_code_written;      /* calls */
Machine *fake_machine(unsigned n_cpus, void (*guest)(FakeCpu *c));      /* started, running */
#endif
