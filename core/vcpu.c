/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu.c -- the thread of a virtual CPU: run, sleep while halted, park while the machine is
 * stopped.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: vcpu_thread() is the vCPU's own; vcpu_kick() may come from any, signal handlers too.
 */
#include "core/vcpu.h"
#include "accel/accel.h"
#include "core/log.h"
#include "core/trace.h"
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_LINE = 64, NAP_MOST_NS = 1000000, POLL_FIRST_NS = 10000, POLL_MOST_NS = 160000,
       POLL_TURNS = 32 };

__thread Vcpu *vcpu_current;

/* false: ns have gone by (0: without limit). */
static bool futex_wait(uint32_t *word, uint32_t while_is, uint64_t ns)
{
    struct timespec limit = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

    return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_is, ns ? &limit : NULL, NULL, 0) ==
               0 ||
           errno != ETIMEDOUT;
}

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/*
 * Whoever has something for the vCPU stores it first and kicks then; the vCPU looks in the other
 * order.
 */
void vcpu_kick(Vcpu *v)
{
    __atomic_store_n(&v->attention, 1, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&v->halted, 0, __ATOMIC_SEQ_CST)) {
        futex_wake(&v->halted);
    } else if (v->machine->accel && v->machine->accel->kick) {
        v->machine->accel->kick(v);
    }
}

static bool is_ending(const Vcpu *v)
{
    return __atomic_load_n(&v->stop, __ATOMIC_SEQ_CST);
}

static bool has_work(Vcpu *v)
{
    bool work;

    machine_lock(v->machine);
    work = v->cpu_ops->has_work(v);
    machine_unlock(v->machine);
    return work;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/*
 * Another vCPU often has work in a moment, and to be woken takes the host longer than that: look
 * out for a kick first, for as long as that has paid off of late.  Only where each vCPU can have a
 * processor of its own.
 */
static void poll_for_kick(Vcpu *v, uint64_t since)
{
    while (now_ns() - since < v->poll_ns) {
        for (unsigned i = 0; i < POLL_TURNS; i++) {
            if (__atomic_load_n(&v->attention, __ATOMIC_RELAXED)) {
                return;
            }
            relax();
        }
    }
}

/* It was halted for so long: was it, or would it have been, worth the while? */
static void poll_adjust(Vcpu *v, uint64_t ns)
{
    if (ns > POLL_MOST_NS) {
        v->poll_ns = v->poll_ns > POLL_FIRST_NS ? v->poll_ns / 2 : 0;
    } else if (ns > v->poll_ns) {
        v->poll_ns = CLAMP(v->poll_ns * 2, POLL_FIRST_NS, POLL_MOST_NS);
    }
}

/*
 * The guest halted.  That it did is part of the CPU's state: run() says so again after a stop or a
 * load.
 */
static void vcpu_halt(Vcpu *v)
{
    uint64_t nap = v->nap_ns, since = v->may_poll ? now_ns() : 0;

    trace_vcpu_halt(v->index);
    while (!is_ending(v) && !machine_paused(v->machine) && !has_work(v)) {
        if (v->poll_ns) {
            poll_for_kick(v, since);
        }
        __atomic_store_n(&v->halted, 1, __ATOMIC_SEQ_CST);
        if (__atomic_exchange_n(&v->attention, 0, __ATOMIC_SEQ_CST)) {
            __atomic_store_n(&v->halted, 0, __ATOMIC_SEQ_CST);
            continue;
        }
        while (__atomic_load_n(&v->halted, __ATOMIC_SEQ_CST)) {
            if (!futex_wait(&v->halted, 1, nap)) {
                /* naps get longer, so that a long wait costs little */
                __atomic_store_n(&v->halted, 0, __ATOMIC_SEQ_CST);
                nap = MIN(nap * 2, NAP_MOST_NS);
            }
        }
    }
    if (v->may_poll) {
        poll_adjust(v, now_ns() - since);
    }
}

static void vcpu_fatal(Vcpu *v)
{
    GString *text = g_string_new(NULL);

    if (v->cpu_ops->dump) {
        v->cpu_ops->dump(v, text);
    }
    g_printerr("ryokan: CPU %u cannot go on:\n%s", v->index, text->str);
    g_string_free(text, TRUE);
    machine_exit_request(v->machine, 1);
}

static void *vcpu_thread(void *arg)
{
    Vcpu    *v = arg;
    Machine *m = v->machine;
    VcpuExit x;

    vcpu_current = v;
    v->may_poll = m->vcpus->len > 1 && m->vcpus->len <= g_get_num_processors();
    __atomic_store_n(&v->tid, gettid(), __ATOMIC_RELAXED);
    while (!is_ending(v)) {
        if (machine_paused(m) || v->debug.held) {
            machine_park(v);
            continue;
        }
        machine_enter_guest(v);
        __atomic_store_n(&v->attention, 0, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&m->want_out, __ATOMIC_SEQ_CST) || is_ending(v)) {
            /* what its kick was for */
            machine_leave_guest(v);
            continue;
        }
        x = m->accel->run(v);
        machine_leave_guest(v);
        switch (x.why) {
        case EXIT_KICKED: break;
        case EXIT_HALT:   vcpu_halt(v); break;
        case EXIT_RESET:  machine_reset_request(m, "a triple fault"); break;
        case EXIT_DEBUG:  machine_stop(m); break;
        default:          vcpu_fatal(v); break;
        }
    }
    vcpu_current = NULL;
    return NULL;
}

Vcpu *vcpu_new(Machine *m, const CpuOps *ops, GError **err)
{
    size_t size = (MAX(ops->size, sizeof(Vcpu)) + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
    Vcpu *v = aligned_alloc(CACHE_LINE, size);      /* vector registers want it */

    if (!v) {
        fail(err, "CPU %u: out of memory", m->vcpus->len);
        return NULL;
    }
    memset(v, 0, size);

    v->machine = m;
    v->index = m->vcpus->len;
    v->apic_id = machine_cpu_id(m, v->index);
    v->cpu_ops = ops;
    v->as = v->spaces[0] = m->as_memory;
    v->outside = true;
    if (ops->init && !ops->init(v, err)) {
        free(v);
        return NULL;
    }
    if (m->accel && m->accel->vcpu_init && !m->accel->vcpu_init(v, err)) {
        if (ops->fini) {
            ops->fini(v);
        }
        free(v);
        return NULL;
    }
    g_ptr_array_add(m->vcpus, v);
    return v;
}

bool vcpu_start(Vcpu *v, GError **err)
{
    char name[16];

    snprintf(name, sizeof(name), "cpu %u", v->index);
    v->thread = g_thread_try_new(name, vcpu_thread, v, err);
    return v->thread != NULL;
}

void vcpu_end(Vcpu *v)
{
    if (v->thread) {
        __atomic_store_n(&v->stop, true, __ATOMIC_SEQ_CST);
        machine_wake(v->machine);
        vcpu_kick(v);
        g_thread_join(v->thread);
        v->thread = NULL;
    }
}

void vcpu_free(Vcpu *v)
{
    g_ptr_array_remove(v->machine->vcpus, v);
    if (v->machine->accel && v->machine->accel->vcpu_fini) {
        v->machine->accel->vcpu_fini(v);
    }
    if (v->cpu_ops->fini) {
        v->cpu_ops->fini(v);
    }
    free(v);
}
