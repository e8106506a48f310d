/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.c -- a debugger's breakpoints, watchpoints and single steps under KVM: the processor's
 * debug registers and trap flag.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.87 (KVM_SET_GUEST_DEBUG); Intel SDM vol. 3, 18.2
 *   (DR6, DR7).
 * Omits: breakpoints written into the guest's code.  What does not fit in four registers runs by
 *   single steps if it is a breakpoint (slow, and exact), and is refused if it is a watchpoint.  A
 *   watchpoint for reading stops at writing too: x86 has no other.  While a debugger has something
 *   set the guest's own debug registers do nothing.
 * Threads: the vCPU's own; kvm_debug_changed() while all are parked.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include "core/debug.h"
#include <inttypes.h>
#include <sys/ioctl.h>

enum { N_DR = 4, DR7_LEN_SHIFT = 18, DR7_WHAT_SHIFT = 16, DR6_STEP = 1 << 14, DR7_FIXED = 0x400 };
enum { WHAT_EXEC = 0, WHAT_WRITE = 1, WHAT_ACCESS = 3 };

typedef struct Registers {
    unsigned n;
    uint64_t at[N_DR], dr7;
    uint8_t  watch[N_DR];               /* number of the watchpoint + 1; 0: a breakpoint */
    bool     by_steps;                  /* breakpoints are left over */
} Registers;

static bool put(Registers *r, uint64_t at, unsigned bytes, unsigned what, unsigned watch)
{
    static const uint8_t len[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };

    if (r->n == N_DR) {
        return false;
    }
    r->at[r->n] = at;
    r->watch[r->n] = (uint8_t)watch;
    r->dr7 |= 2u << (r->n * 2) | (uint64_t)(what | len[bytes] << 2) << (DR7_WHAT_SHIFT + r->n * 4);
    r->n++;
    return true;
}

/*
 * false: a watchpoint is left over.  Pieces are aligned, of 1, 2, 4 or 8 bytes.  over: not that
 * breakpoint, or NULL.
 */
static bool fill(const Debug *d, const uint64_t *over, Registers *r)
{
    *r = (Registers){ .dr7 = DR7_FIXED };
    for (unsigned i = 0; d && i < d->n_watches; i++) {
        const DebugWatch *w = &d->watches[i];
        for (uint64_t at = w->at, left = w->bytes, n; left; at += n, left -= n) {
            for (n = 8; n > left || at & (n - 1); n /= 2) {
            }
            if (!put(r, at, (unsigned)n, w->ways == DEBUG_WRITE ? WHAT_WRITE : WHAT_ACCESS,
                     i + 1)) {
                return false;
            }
        }
    }
    for (unsigned i = 0; d && i < d->n_breaks; i++) {
        r->by_steps |= (!over || *over != d->breaks[i].at) &&
                       !put(r, d->breaks[i].at, 1, WHAT_EXEC, 0);
    }
    return true;
}

bool kvm_debug_fits(Machine *m)
{
    Registers r;

    return fill(m->debug, NULL, &r);
}

void kvm_debug_changed(Machine *m)
{
    KvmMachine *k = kvm_of(m);

    for (unsigned i = 0; i < k->cpus->len; i++) {
        ((KvmCpu *)k->cpus->pdata[i])->debug_stale = true;
    }
}

static bool passed_here(const KvmCpu *k)
{
    const VcpuDebug *v = &k->c->dbt.vcpu.debug;

    return v->passed && v->passed_at == k->c->dbt.pc;
}

/* Before the guest is entered from the run loop's beginning: what KVM is to stop for. */
void kvm_debug_set(KvmCpu *k)
{
    Machine  *m = k->kvm->machine;
    VcpuDebug *v = &k->c->dbt.vcpu.debug;
    struct kvm_guest_debug g = { 0 };
    Registers r;

    k->debug_over = m->debug && passed_here(k);
    fill(m->debug, k->debug_over ? &v->passed_at : NULL, &r);
    bool step = v->single || k->debug_over || r.by_steps;
    if (!k->debug_stale && !k->debug_on && !step) {
        return;
    }
    if (step) {
        g.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
                    (v->single && k->kvm->has_blockirq ? KVM_GUESTDBG_BLOCKIRQ : 0);
    }
    if (r.n) {
        g.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        memcpy(g.arch.debugreg, r.at, sizeof r.at);
        g.arch.debugreg[7] = r.dr7;
    }
    k->debug_stale = false;
    k->debug_on = g.control != 0;
    ioctl(k->fd, KVM_SET_GUEST_DEBUG, &g);
}

static bool stop(KvmCpu *k, DebugWhy why, uint64_t at, unsigned ways)
{
    VcpuDebug *v = &k->c->dbt.vcpu.debug;

    v->why = why;
    v->at = at;
    v->ways = ways;
    v->passed = debug_break_at(k->kvm->machine->debug, k->c->dbt.pc) != NULL;
    v->passed_at = k->c->dbt.pc;
    v->single = v->exact = false;
    return true;
}

/* KVM_EXIT_DEBUG.  false: nothing that the debugger is to see; go on. */
bool kvm_debug_exit(KvmCpu *k)
{
    Machine  *m = k->kvm->machine;
    VcpuDebug *v = &k->c->dbt.vcpu.debug;
    uint64_t   pc = k->run->debug.arch.pc, dr6 = k->run->debug.arch.dr6;
    Registers  r;

    kvm_get_regs(&k->c->dbt.vcpu);
    if (!m->debug) {
        return false;
    }
    fill(m->debug, k->debug_over ? &v->passed_at : NULL, &r);
    for (unsigned i = 0; i < r.n; i++) {
        const DebugWatch *w = r.watch[i] ? &m->debug->watches[r.watch[i] - 1] : NULL;
        if (dr6 >> i & 1 && w) {
            return stop(k, DEBUG_WATCH, r.at[i], w->ways);
        }
    }
    if (v->single && dr6 & DR6_STEP) {
        return stop(k, DEBUG_STEP, pc, 0);
    }
    if (debug_break_at(m->debug, pc) && !(k->debug_over && v->passed_at == pc)) {
        return stop(k, DEBUG_BREAK, pc, 0);
    }
    v->passed = false;
    return false;
}
#endif
