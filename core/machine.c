/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.c -- the machine's lock, its main loop, what asks it to stop, reset or end, and exclusive
 * sections.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: MachineSync.mutex guards who is in the guest, who is parked and who excludes the
 *          others.  It is innermost: nothing is called with it held.  The order is machine lock,
 *          then mutex.  pthread's mutexes, here and in clock.c and mem.c, because ThreadSanitizer
 *          does not see glib's.
 */
#include "core/machine.h"
#include "core/options.h"
#include "accel/accel.h"
#include "core/chardev.h"
#include "core/debug.h"
#include "core/display.h"
#include "core/fds.h"
#include "core/gdbstub.h"
#include "core/job.h"
#include "core/log.h"
#include "core/mem_view.h"
#include "core/sendkey.h"
#include "core/object.h"
#include "core/snapshot.h"
#include "core/vcpu.h"
#include "core/trace.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ACCEL(dir) extern const AccelOps accel_##dir;
#include "accel/accels.def"
#undef ACCEL
#define ACCEL(dir) &accel_##dir,
const AccelOps *const accels[] = {
#include "accel/accels.def"
    NULL
};

#define MACHINE(file) extern const MachineClass file##_machine;
#include "hw/machines.def"
#undef MACHINE
#define MACHINE(file) &file##_machine,
const MachineClass *const machine_classes[] = {
#include "hw/machines.def"
    NULL
};

enum { REQ_RESET = 1, REQ_SHUTDOWN = 2, REQ_EXIT = 4, REQ_STOP = 8, REQ_EJECT = 16 };
enum { OUT_EXCLUSIVE = 1, OUT_PAUSED = 2 };     /* bits of Machine.want_out */

struct MachineSync {
    void    *owner;                   /* thread that holds the machine lock, as SELF; atomic */
    unsigned depth;
    /* threads other than vCPUs that wait for the machine lock; atomic */
    unsigned waiting;
    pthread_mutex_t mutex;
    pthread_cond_t  cond;
    pthread_cond_t  none_waiting;     /* `waiting` has become 0 */
    void    *exclusive;               /* thread that excludes the vCPUs, as SELF */
    unsigned exclusive_depth;
    bool     exclusive_outside;       /* what it was before */
    unsigned requests;                /* REQ_*; atomic */
    bool     quit;
};

static __thread char self_mark;
#define SELF ((void *)&self_mark)     /* this thread */

/* ---- lock ---- */

static void want_out(Machine *m, uint32_t bit, bool on)
{
    if (on) {
        __atomic_or_fetch(&m->want_out, bit, __ATOMIC_SEQ_CST);
    } else {
        __atomic_and_fetch(&m->want_out, ~bit, __ATOMIC_SEQ_CST);
    }
}

bool machine_locked(const Machine *m)
{
    return __atomic_load_n(&m->sync->owner, __ATOMIC_RELAXED) == SELF;
}

static void lock_taken(struct MachineSync *s, unsigned depth)
{
    __atomic_store_n(&s->owner, SELF, __ATOMIC_RELAXED);
    s->depth = depth;
}

/*
 * A mutex goes to whoever runs when it is let go, and that is a vCPU in a loop of port I/O each
 * time: so threads that are no vCPUs say that they wait, and vCPUs stand back until these have had
 * the lock.
 */
static void lock_before_guests(Machine *m)
{
    struct MachineSync *s = m->sync;

    if (g_rec_mutex_trylock(&m->lock)) {
        return;
    }
    __atomic_add_fetch(&s->waiting, 1, __ATOMIC_RELAXED);
    g_rec_mutex_lock(&m->lock);
    pthread_mutex_lock(&s->mutex);
    if (!__atomic_sub_fetch(&s->waiting, 1, __ATOMIC_RELAXED)) {
        pthread_cond_broadcast(&s->none_waiting);
    }
    pthread_mutex_unlock(&s->mutex);
}

/*
 * A vCPU that has to wait counts as stopped meanwhile, and comes back only when no exclusive
 * section runs.
 */
static void lock_from_guest(Machine *m, Vcpu *v)
{
    struct MachineSync *s = m->sync;

    if (!__atomic_load_n(&s->waiting, __ATOMIC_RELAXED) && g_rec_mutex_trylock(&m->lock)) {
        return;
    }
    machine_leave_guest(v);
    pthread_mutex_lock(&s->mutex);
    while (__atomic_load_n(&s->waiting, __ATOMIC_RELAXED)) {
        pthread_cond_wait(&s->none_waiting, &s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    for (;;) {
        bool entered;
        g_rec_mutex_lock(&m->lock);
        pthread_mutex_lock(&s->mutex);
        entered = !s->exclusive || s->exclusive == SELF;
        if (entered) {
            v->outside = false;
        }
        pthread_mutex_unlock(&s->mutex);
        if (entered) {
            return;
        }
        g_rec_mutex_unlock(&m->lock);
        pthread_mutex_lock(&s->mutex);
        while (s->exclusive) {
            pthread_cond_wait(&s->cond, &s->mutex);
        }
        pthread_mutex_unlock(&s->mutex);
    }
}

void machine_lock(Machine *m)
{
    struct MachineSync *s = m->sync;
    Vcpu               *v = vcpu_current;

    if (machine_locked(m)) {
        s->depth++;
        return;
    }
    if (v && v->machine == m && !v->outside) {
        lock_from_guest(m, v);
    } else {
        lock_before_guests(m);
    }
    lock_taken(s, 1);
}

void machine_unlock(Machine *m)
{
    struct MachineSync *s = m->sync;

    g_assert(machine_locked(m));
    if (--s->depth == 0) {
        __atomic_store_n(&s->owner, NULL, __ATOMIC_RELAXED);
        g_rec_mutex_unlock(&m->lock);
    }
}

/* ---- in and out of the guest ---- */

void machine_enter_guest(Vcpu *v)
{
    struct MachineSync *s = v->machine->sync;

    pthread_mutex_lock(&s->mutex);
    while (s->exclusive) {
        pthread_cond_wait(&s->cond, &s->mutex);
    }
    v->outside = false;
    pthread_mutex_unlock(&s->mutex);
}

void machine_leave_guest(Vcpu *v)
{
    struct MachineSync *s = v->machine->sync;

    pthread_mutex_lock(&s->mutex);
    v->outside = true;
    if (s->exclusive) {
        pthread_cond_broadcast(&s->cond);
    }
    pthread_mutex_unlock(&s->mutex);
}

static bool all_outside(Machine *m, const Vcpu *but)
{
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        const Vcpu *v = m->vcpus->pdata[i];
        if (v != but && !v->outside) {
            return false;
        }
    }
    return true;
}

void machine_exclusive_begin(Machine *m)
{
    struct MachineSync *s = m->sync;
    Vcpu               *self = vcpu_current && vcpu_current->machine == m ? vcpu_current : NULL;
    bool                outside = self && self->outside;

    pthread_mutex_lock(&s->mutex);
    if (s->exclusive == SELF) {         /* within a section of our own */
        s->exclusive_depth++;
        pthread_mutex_unlock(&s->mutex);
        return;
    }
    if (self) {
        self->outside = true;
        pthread_cond_broadcast(&s->cond);
    }
    while (s->exclusive) {
        pthread_cond_wait(&s->cond, &s->mutex);
    }
    __atomic_store_n(&s->exclusive, SELF, __ATOMIC_RELAXED);
    s->exclusive_depth = 1;
    s->exclusive_outside = outside;
    want_out(m, OUT_EXCLUSIVE, true);
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        if (v != self && !v->outside) {
            vcpu_kick(v);
        }
    }
    while (!all_outside(m, self)) {
        pthread_cond_wait(&s->cond, &s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
}

void machine_exclusive_end(Machine *m)
{
    struct MachineSync *s = m->sync;
    Vcpu               *self = vcpu_current && vcpu_current->machine == m ? vcpu_current : NULL;

    pthread_mutex_lock(&s->mutex);
    g_assert(s->exclusive == SELF);
    if (--s->exclusive_depth == 0) {
        __atomic_store_n(&s->exclusive, NULL, __ATOMIC_RELAXED);
        want_out(m, OUT_EXCLUSIVE, false);
        if (self) {
            self->outside = s->exclusive_outside;
        }
        pthread_cond_broadcast(&s->cond);
    }
    pthread_mutex_unlock(&s->mutex);
}

bool machine_exclusive_held(const Machine *m)
{
    return __atomic_load_n(&m->sync->exclusive, __ATOMIC_RELAXED) == SELF;
}

void machine_exclusive(Machine *m, void (*fn)(void *arg), void *arg)
{
    trace_machine_exclusive(vcpu_current ? (int)vcpu_current->index : -1);
    machine_exclusive_begin(m);
    fn(arg);
    machine_exclusive_end(m);
}

/* ---- stop and go ---- */

bool machine_paused(Machine *m)
{
    return (__atomic_load_n(&m->want_out, __ATOMIC_SEQ_CST) & OUT_PAUSED) != 0;
}

/*
 * The calling vCPU's state is complete: wait here until the machine runs, or the thread is to end.
 */
void machine_park(Vcpu *v)
{
    struct MachineSync *s = v->machine->sync;

    pthread_mutex_lock(&s->mutex);
    v->parked = true;
    pthread_cond_broadcast(&s->cond);
    while ((machine_paused(v->machine) || v->debug.held) &&
           !__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE)) {
        pthread_cond_wait(&s->cond, &s->mutex);
    }
    v->parked = false;
    pthread_mutex_unlock(&s->mutex);
}

void machine_wake(Machine *m)
{
    pthread_mutex_lock(&m->sync->mutex);
    pthread_cond_broadcast(&m->sync->cond);
    pthread_mutex_unlock(&m->sync->mutex);
}

static void kick_all(Machine *m)
{
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        vcpu_kick(m->vcpus->pdata[i]);
    }
}

/*
 * Wait until all vCPUs are parked.  They may need the machine lock to get there: it is let go
 * meanwhile.
 */
static void park_all(Machine *m)
{
    struct MachineSync *s = m->sync;
    unsigned            depth = machine_locked(m) ? s->depth : 0;

    want_out(m, OUT_PAUSED, true);
    kick_all(m);
    if (depth) {
        __atomic_store_n(&s->owner, NULL, __ATOMIC_RELAXED);
        g_rec_mutex_unlock(&m->lock);
    }
    pthread_mutex_lock(&s->mutex);
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        while (v->thread && !v->parked) {
            pthread_cond_wait(&s->cond, &s->mutex);
        }
    }
    pthread_mutex_unlock(&s->mutex);
    if (depth) {
        g_rec_mutex_lock(&m->lock);
        lock_taken(s, depth);
    }
}

static void request(Machine *m, unsigned what)
{
    __atomic_or_fetch(&m->sync->requests, what, __ATOMIC_SEQ_CST);
    want_out(m, OUT_PAUSED, true);
    kick_all(m);
    g_main_context_wakeup(m->context);
}

void machine_reset_request(Machine *m, const char *why)
{
    trace_machine_reset(why);
    if (log_on(LOG_CPU_RESET)) {
        log_write("reset asked for by %s\n", why);
    }
    request(m, REQ_RESET);
}

void machine_shutdown_request(Machine *m, const char *why)
{
    trace_machine_shutdown(why);
    if (log_on(LOG_CPU_RESET)) {
        log_write("power-off asked for by %s\n", why);
    }
    request(m, REQ_SHUTDOWN);
}

bool machine_powerdown(Machine *m)
{
    if (!m->power_button) {
        return false;
    }
    m->power_button(m->power_button_dev);
    machine_event(m, "POWERDOWN", NULL);
    return true;
}

void machine_pause_request(Machine *m, const char *why)
{
    m->pause_cause = why;
    request(m, REQ_STOP);
}

void machine_eject_request(Machine *m)
{
    request(m, REQ_EJECT);
}

void machine_exit_request(Machine *m, int status)
{
    m->exit_status = status;
    request(m, REQ_EXIT);
}

void machine_stop(Machine *m)
{
    if (vcpu_current && vcpu_current->machine == m) {
        request(m, REQ_STOP);
        return;
    }
    machine_lock(m);
    if (m->state == RUN_RUNNING) {
        m->state = RUN_PAUSED;
        trace_machine_stop(m);
    }
    park_all(m);
    doorbells_flush(m);
    if (m->drain) {
        m->drain(m);
    }
    clock_run(m, false);
    machine_unlock(m);
}

bool machine_requested(const Machine *m)
{
    return __atomic_load_n(&m->sync->requests, __ATOMIC_SEQ_CST) != 0;
}

void machine_cont(Machine *m)
{
    machine_lock(m);
    if (m->state == RUN_PAUSED || m->state == RUN_RUNNING) {
        for (unsigned i = 0; m->state == RUN_PAUSED && i < m->vcpus->len; i++) {
            ((Vcpu *)m->vcpus->pdata[i])->debug.why = DEBUG_NONE;
        }
        trace_machine_cont(m);
        m->state = RUN_RUNNING;
        m->paused_as = NULL;
        clock_run(m, true);
        want_out(m, OUT_PAUSED, false);
        if (__atomic_load_n(&m->sync->requests, __ATOMIC_SEQ_CST)) {
            want_out(m, OUT_PAUSED, true);      /* came in between; the main loop acts on it */
            g_main_context_wakeup(m->context);
        }
        machine_wake(m);
    }
    machine_unlock(m);
}

void machine_reset(Machine *m)
{
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        v->cpu_ops->reset(v);
    }
    map_begin(m);
    for (unsigned i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        regs_reset(d->class->regs, d);
    }
    for (unsigned i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        if (d->class->reset) {
            d->class->reset(d);
        }
    }
    map_commit(m);
    for (unsigned i = 0; m->accel && m->accel->set_regs && i < m->vcpus->len; i++) {
        m->accel->set_regs(m->vcpus->pdata[i]);         /* with what its local APIC is now */
    }
}

static void cause_event(Machine *m, const char *event, const char *host, const char *guest)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&b, "{sv}", "guest",
                          g_variant_new_boolean(!host || g_str_has_prefix(host, "guest-")));
    g_variant_builder_add(&b, "{sv}", "reason", g_variant_new_string(host ? host : guest));
    machine_event(m, event, g_variant_builder_end(&b));
}

/* What was asked for, with all vCPUs parked.  The strongest wins: exit, power-off, reset, stop. */
static void act_on_requests(Machine *m)
{
    unsigned what;
    bool     was_running;

    machine_lock(m);
    was_running = m->state == RUN_RUNNING;
    park_all(m);
    doorbells_flush(m);
    what = __atomic_exchange_n(&m->sync->requests, 0, __ATOMIC_SEQ_CST);
    if ((what & REQ_RESET) && m->no_reboot) {
        what |= REQ_SHUTDOWN;
    }
    if (what & REQ_EXIT) {
        m->sync->quit = true;
        cause_event(m, "SHUTDOWN", m->shutdown_cause, "guest-shutdown");
    } else if (what & REQ_SHUTDOWN) {
        clock_run(m, false);
        cause_event(m, "SHUTDOWN", m->shutdown_cause,
                    what & REQ_RESET ? "guest-reset" : "guest-shutdown");
        if (m->no_shutdown) {
            m->state = RUN_SHUTDOWN;
            machine_event(m, "STOP", NULL);
            debug_stopped(m);
        } else {
            m->sync->quit = true;
        }
    } else {
        if ((what & (REQ_EJECT | REQ_RESET)) && m->eject) {
            m->eject(m->eject_dev, what & REQ_RESET);
        }
        if (what & REQ_RESET) {
            machine_reset(m);
            cause_event(m, "RESET", m->reset_cause, "guest-reset");
            m->reset_cause = NULL;
            if (m->state == RUN_SHUTDOWN) {     /* system_reset from the monitor revives it */
                m->state = RUN_PAUSED;
            }
        }
        if (what & REQ_STOP) {
            m->state = RUN_PAUSED;
            m->paused_as = m->pause_cause;
            m->pause_cause = NULL;
            if (m->drain) {
                m->drain(m);
            }
            clock_run(m, false);
            machine_event(m, "STOP", NULL);
            debug_stopped(m);
        } else if (was_running) {
            machine_cont(m);
        }
    }
    machine_unlock(m);
}

int machine_run(Machine *m)
{
    m->sync->quit = false;              /* it may have run before */
    while (!m->sync->quit) {
        g_main_context_iteration(m->context, TRUE);
        if (__atomic_load_n(&m->sync->requests, __ATOMIC_SEQ_CST)) {
            act_on_requests(m);
        }
    }
    return m->exit_status;
}

/* ---- life ---- */

static unsigned bits_for(unsigned n)    /* how many bits number n things */
{
    unsigned bits = 0;

    while (1u << bits < n) {
        bits++;
    }
    return bits;
}

unsigned machine_cpu_id(const Machine *m, unsigned index)
{
    const struct Options *o = m->options;
    unsigned threads = o && o->threads ? o->threads : 1, cores = o && o->cores ? o->cores : 1;
    unsigned thread = index % threads, core = index / threads % cores,
             package = index / threads / cores;

    return thread | core << bits_for(threads) | package << (bits_for(threads) + bits_for(cores));
}

Machine *machine_new(void)
{
    Machine *m = g_new0(Machine, 1);

    g_rec_mutex_init(&m->lock);
    m->sync = g_new0(struct MachineSync, 1);
    pthread_mutex_init(&m->sync->mutex, NULL);
    pthread_cond_init(&m->sync->cond, NULL);
    pthread_cond_init(&m->sync->none_waiting, NULL);
    m->context = g_main_context_new();
    m->console = console_new(m);
    m->want_out = OUT_PAUSED;
    m->paused_as = "prelaunch";
    m->n_cpus = 1;
    m->devices = g_ptr_array_new();
    m->buses = g_ptr_array_new();
    m->vcpus = g_ptr_array_new();
    m->event_sinks = g_ptr_array_new();
    m->link_kinds = g_hash_table_new(g_str_hash, g_str_equal);
    m->fds = fds_new();
    objects_init(m);
    m->mem = mem_state_new();
    m->clock = clock_new(m);
    m->chardevs = chr_state_new(m);
    region_init_container(&m->memory, "memory", 1ull << 52);
    region_init_container(&m->io, "io", 1u << 16);
    m->as_memory = as_new(m, "memory", &m->memory);
    m->as_io = as_new(m, "io", &m->io);
    bus_new(m, "sys", "sys", m)->mem = &m->memory;
    return m;
}

void machine_free(Machine *m)
{
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        vcpu_end(m->vcpus->pdata[i]);
    }
    console_close_viewers(m->console);  /* they have threads */
    machine_lock(m);
    map_begin(m);
    for (unsigned i = m->devices->len; i-- > 0;) {
        /* all of them before the first is freed: they point to each other */
        device_unrealize(m->devices->pdata[i]);
    }
    while (m->devices->len) {
        device_free(m->devices->pdata[m->devices->len - 1]);
    }
    while (m->vcpus->len) {
        vcpu_free(m->vcpus->pdata[m->vcpus->len - 1]);
    }
    m->mem->depth = 0;                  /* nobody looks any more: no last view */
    machine_unlock(m);
    if (m->accel && m->accel->fini) {
        m->accel->fini(m);
    }
    if (m->accel && m->accel->fields) {
        fields_clear(m->accel->fields, m->accel_data);
    }
    m->accel = NULL;
    machine_unlock(m);
    jobs_free(m);
    snapshot_free(m->snapshots);
    sendkey_free(m->keys);
    chr_state_free(m->chardevs);
    objects_free(m);
    fds_free(m->fds);
    gdbstub_destroy(m->gdb);
    while (m->mem->spaces->len) {
        as_free(m->mem->spaces->pdata[m->mem->spaces->len - 1]);
    }
    if (m->class && m->class->unbuild && m->machine_data) {
        m->class->unbuild(m);
    }
    for (unsigned i = 0; i < m->buses->len; i++) {
        g_ptr_array_free(((Bus *)m->buses->pdata[i])->children, TRUE);
        g_free(m->buses->pdata[i]);
    }
    region_destroy(&m->memory);
    region_destroy(&m->io);
    region_destroy(&m->ram);
    clock_free(m->clock);
    mem_state_free(m->mem);
    console_free(m->console);
    g_main_context_unref(m->context);
    g_ptr_array_free(m->devices, TRUE);
    g_ptr_array_free(m->buses, TRUE);
    g_ptr_array_free(m->vcpus, TRUE);
    g_ptr_array_free(m->event_sinks, TRUE);
    g_hash_table_destroy(m->link_kinds);
    pthread_mutex_destroy(&m->sync->mutex);
    pthread_cond_destroy(&m->sync->cond);
    pthread_cond_destroy(&m->sync->none_waiting);
    g_rec_mutex_clear(&m->lock);
    g_free(m->sync);
    g_free(m->debug);
    g_free(m->accel_data);
    g_free(m->machine_data);
    g_free(m);
}

bool machine_set_accel(Machine *m, const AccelOps *a, const GPtrArray *props, GError **err)
{
    GError *why = NULL;

    if (a->probe && !a->probe(err)) {
        return false;
    }
    m->accel = a;
    m->accel_data = g_malloc0(MAX(a->size, 1));
    fields_defaults(a->fields, m->accel_data);
    for (unsigned i = 0; props && i < props->len; i++) {
        const OptPair *p = props->pdata[i];
        if (!field_parse(a->fields, m->accel_data, p->key, p->val, &why)) {
            fail(err, "-accel %s: %s", a->name, why->message);
            g_error_free(why);
            return false;
        }
    }
    return !a->init || a->init(m, err);
}

bool machine_start(Machine *m, GError **err)
{
    machine_lock(m);
    machine_reset(m);
    m->started = true;
    machine_unlock(m);
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        if (!vcpu_start(m->vcpus->pdata[i], err)) {
            return false;
        }
    }
    return true;
}
