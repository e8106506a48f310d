/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wait.c -- MONITOR and MWAIT, and those of user code: UMONITOR, UMWAIT, TPAUSE.
 *
 * Spec: Intel SDM (325462) vol. 2, the instructions by name; vol. 3 9.10.4.
 * Omits: C-states (hints are ignored).  A store to the monitored line is noticed by the line's
 *   bytes, which a waiting CPU looks at now and then (Vcpu.nap_ns): one that changes nothing, or is
 *   undone meanwhile, goes unseen.
 * Threads: the vCPU's own; x86_wait_over() also with the machine lock, as x86_has_work().
 */
#include "cpu/x86/sys.h"
#include "core/machine.h"

enum { LINE = 64, NAP_NS = 20000, BREAK_ON_MASKED = 1 };
enum { NO_C02 = 1 };                   /* IA32_UMWAIT_CONTROL: bit 0, then the limit in TSC ticks */

/* ---- the line ---- */
static bool read_line(X86Cpu *c, uint64_t phys, void *to)
{
    MemRange r;

    return as_lookup(c->dbt.vcpu.as, phys, false, &r) && r.region->host &&
           as_read(c->dbt.vcpu.as, phys, to, LINE) == MEM_OK;
}

static void arm(X86Cpu *c, unsigned s, uint64_t offset)
{
    uint64_t linear = x86_seg_linear(c, s, offset, 1, false);
    DbtAccessDesc d;

    dbt_access(&c->dbt, linear, 1, IR_READ, &d);
    c->monitor.at = d.phys & -(uint64_t)LINE;
    c->monitor.armed = read_line(c, c->monitor.at, c->monitor.line);
}

static bool line_changed(X86Cpu *c)
{
    uint64_t now[LINE / 8];

    return !c->monitor.armed || !read_line(c, c->monitor.at, now) ||
           memcmp(now, c->monitor.line, LINE);
}

bool x86_wait_over(X86Cpu *c)
{
    return x86_halt_over(c) || (c->monitor.masked && x86_events(c) & X86_EV_INTR) ||
           (c->monitor.watch && line_changed(c)) ||
           (c->monitor.deadline && x86_tsc(c) >= c->monitor.deadline);
}

/* At the start of the run loop, while the activity is X86_MWAIT. */
void x86_wait_end(X86Cpu *c)
{
    if (x86_wait_over(c)) {
        if (c->monitor.os_limit && c->monitor.deadline && x86_tsc(c) >= c->monitor.deadline) {
            c->dbt.fl = x86_eflags_to_fl(EF_CF);
        }
        c->monitor.armed = false;
        c->activity = X86_RUN;
        c->dbt.vcpu.nap_ns = 0;
    }
}

static void wait(X86Cpu *c, bool watch, bool masked, uint64_t deadline, bool os_limit)
{
    c->monitor.watch = watch;
    c->monitor.masked = masked;
    c->monitor.deadline = deadline;
    c->monitor.os_limit = os_limit;
    if (!x86_wait_over(c)) {
        c->activity = X86_MWAIT;
        c->dbt.vcpu.nap_ns = NAP_NS;
        x86_poll_soon(c);
    }
}

/* ---- a offset, b segment, c 1: UMONITOR ---- */
uint64_t x86_h_monitor(void *cpu, uint64_t offset, uint64_t s, uint64_t user)
{
    X86Cpu *c = cpu;

    if (!user) {
        if (c->cpl) {
            x86_raise_ud(c);
        }
        x86_intercept(c, SVM_EXIT_MONITOR, 0);
        if ((uint32_t)c->dbt.gpr[R_RCX]) {
            x86_raise_gp(c, 0);
        }
    }
    arm(c, (unsigned)s, offset);
    return 0;
}

uint64_t x86_h_mwait(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    uint32_t how = (uint32_t)c->dbt.gpr[R_RCX];

    if (c->cpl) {
        x86_raise_ud(c);
    }
    if (c->monitor.armed) {
        x86_intercept(c, SVM_EXIT_MWAIT_ARMED, 0);
    }
    x86_intercept(c, SVM_EXIT_MWAIT, 0);
    if (how & ~(uint32_t)BREAK_ON_MASKED) {
        x86_raise_gp(c, 0);
    }
    if (c->monitor.armed) {
        wait(c, true, how & BREAK_ON_MASKED, 0, false);
    }
    return 0;
}

/*
 * UMWAIT (watch) and TPAUSE: until the TSC is EDX:EAX, at most as long as the operating system
 * allows.
 */
uint64_t x86_h_umwait(void *cpu, uint64_t how, uint64_t watch, uint64_t d)
{
    X86Cpu *c = cpu;
    uint64_t deadline = ((uint32_t)c->dbt.gpr[R_RAX] | c->dbt.gpr[R_RDX] << 32) - c->svm.tsc_offset,
             now = x86_tsc(c);
    uint64_t limit = c->umwait_control & ~3ull;
    bool os_limit = limit && deadline > now && deadline - now > limit;

    if ((c->cr4 & CR4_TSD && c->cpl) || (uint32_t)how & ~1u) {
        x86_raise_gp(c, 0);
    }
    c->dbt.fl = x86_eflags_to_fl(0);
    if (deadline > now && (!watch || c->monitor.armed)) {
        wait(c, watch, true, os_limit ? now + limit : deadline, os_limit);
    }
    return 0;
}
