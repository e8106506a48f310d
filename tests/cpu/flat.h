/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat.h -- a run time in which guest memory is the host's.
 */
#ifndef TESTS_CPU_FLAT_H
#define TESTS_CPU_FLAT_H
#include <setjmp.h>
#include "cpu/x86/cpu.h"

/* gets 1 where an exception would be raised, 2 where tier 0 would step */
extern sigjmp_buf flat_trapped;
void flat_trap(DbtCpu *c, DbtTrap what, unsigned seg) G_GNUC_NORETURN;
#endif
