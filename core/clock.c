/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c -- the guest's clock, and timers on it and on the host's.
 *
 * Spec: none.  One timerfd wakes the main context at the earliest deadline of all, to the ns.
 * Omits: counting mode (time by instructions run).
 * Threads: any may read and arm, under Clock.lock or the sequence counter; timers fire in the main
 *   context.
 */
#include "core/clock.h"
#include "core/machine.h"
#include "core/trace.h"
#include <errno.h>
#include <pthread.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define N_BASES  3

typedef struct ClockSource {
    GSource       source;
    struct Clock *clock;
    gpointer      tag;
} ClockSource;

struct Clock {
    Machine   *machine;
    pthread_mutex_t lock;
    GPtrArray *heap[N_BASES];         /* binary heaps of Timer, earliest first */
    GSource   *source;
    int        fd;
    /* of CLOCK_MONOTONIC, what the timerfd waits for; UINT64_MAX: nothing */
    uint64_t   programmed_ns;
    /* the source will program the timerfd when it has run what is due */
    bool       firing;

    uint32_t   seq;                   /* odd while the next two change; readers try again */
    uint32_t   running;
    /* held: the time.  Running: to be added to CLOCK_MONOTONIC, modulo 2^64 */
    uint64_t   guest_ns;
};

static uint64_t host_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static bool guest_read(const struct Clock *c, uint64_t *ns)
{
    uint32_t seq, running;

    do {
        seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE);
        running = __atomic_load_n(&c->running, __ATOMIC_ACQUIRE);
        *ns = __atomic_load_n(&c->guest_ns, __ATOMIC_ACQUIRE);
    } while ((seq & 1) || seq != __atomic_load_n(&c->seq, __ATOMIC_RELAXED));
    return running;
}

static uint64_t guest_now(const struct Clock *c)
{
    uint64_t ns;

    return guest_read(c, &ns) ? host_ns(CLOCK_MONOTONIC) + ns : ns;
}

uint64_t time_lag(Machine *m)
{
    uint64_t ns;

    return guest_read(m->clock, &ns) ? -ns : host_ns(CLOCK_MONOTONIC) - ns;
}

uint64_t time_now(Machine *m, TimeBase base)
{
    switch (base) {
    case TIME_HOST: return host_ns(CLOCK_MONOTONIC);
    case TIME_WALL: return host_ns(CLOCK_REALTIME);
    default:        return guest_now(m->clock);
    }
}

/* ---- the queues; with Clock.lock ---- */

static uint64_t key(const GPtrArray *h, unsigned i)
{
    return ((Timer *)h->pdata[i])->deadline_ns;
}

static void heap_put(GPtrArray *h, unsigned i, Timer *t)
{
    h->pdata[i] = t;
    t->slot = i + 1;
}

static void heap_up(GPtrArray *h, unsigned i)
{
    Timer *t = h->pdata[i];

    for (; i && key(h, (i - 1) / 2) > t->deadline_ns; i = (i - 1) / 2) {
        heap_put(h, i, h->pdata[(i - 1) / 2]);
    }
    heap_put(h, i, t);
}

static void heap_down(GPtrArray *h, unsigned i)
{
    Timer *t = h->pdata[i];

    for (;;) {
        unsigned c = 2 * i + 1;
        if (c + 1 < h->len && key(h, c + 1) < key(h, c)) {
            c++;
        }
        if (c >= h->len || key(h, c) >= t->deadline_ns) {
            break;
        }
        heap_put(h, i, h->pdata[c]);
        i = c;
    }
    heap_put(h, i, t);
}

static void heap_remove(GPtrArray *h, Timer *t)
{
    unsigned i = t->slot - 1;
    Timer   *last = h->pdata[h->len - 1];

    t->slot = 0;
    g_ptr_array_set_size(h, (int)h->len - 1);
    if (last != t) {
        heap_put(h, i, last);
        heap_up(h, i);
        heap_down(h, last->slot - 1);
    }
}

/* The deadline on CLOCK_MONOTONIC; UINT64_MAX where it never comes. */
static uint64_t on_host(const struct Clock *c, TimeBase base, uint64_t ns)
{
    uint64_t now, host;

    if (ns == UINT64_MAX || base == TIME_HOST) {
        return ns;
    }
    if (base == TIME_GUEST && !c->running) {
        return UINT64_MAX;
    }
    now = time_now(c->machine, base);
    host = host_ns(CLOCK_MONOTONIC);
    if (ns <= now) {
        return host;
    }
    return ns - now > UINT64_MAX - 1 - host ? UINT64_MAX - 1 : host + (ns - now);
}

static void program(struct Clock *c, uint64_t at)
{
    struct itimerspec t = { .it_value = { 0, 0 } };

    c->programmed_ns = at;
    if (at != UINT64_MAX) {
        t.it_value.tv_sec = (time_t)MIN(at / NS_PER_S, (uint64_t)INT32_MAX);
        t.it_value.tv_nsec = (long)MAX(at % NS_PER_S, 1);
    }
    timerfd_settime(c->fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void program_next(struct Clock *c)
{
    uint64_t at = UINT64_MAX;

    for (int b = 0; b < N_BASES; b++) {
        if (c->heap[b]->len) {
            at = MIN(at, on_host(c, (TimeBase)b, key(c->heap[b], 0)));
        }
    }
    if (at != c->programmed_ns) {
        program(c, at);
    }
}

void timer_init(Timer *t, Machine *m, TimeBase base, void (*fire)(void *dev), void *dev)
{
    *t = (Timer){ .machine = m, .base = base, .deadline_ns = UINT64_MAX, .fire = fire, .dev = dev };
}

/* A later deadline leaves the timerfd alone: it wakes once for nothing and is programmed then. */
void timer_arm(Timer *t, uint64_t deadline_ns)
{
    struct Clock *c = t->machine->clock;
    GPtrArray    *h = c->heap[t->base];
    uint64_t      at;

    trace_timer_arm(t, t->base, deadline_ns);
    pthread_mutex_lock(&c->lock);
    t->deadline_ns = deadline_ns;
    if (deadline_ns == UINT64_MAX) {
        if (t->slot) {
            heap_remove(h, t);
        }
    } else {
        if (t->slot) {
            heap_up(h, t->slot - 1);
            heap_down(h, t->slot - 1);
        } else {
            g_ptr_array_add(h, t);
            heap_up(h, h->len - 1);
        }
        if (!c->firing && t->slot == 1) {
            at = on_host(c, t->base, deadline_ns);
            if (at < c->programmed_ns) {
                program(c, at);
            }
        }
    }
    pthread_mutex_unlock(&c->lock);
}

void timer_stop(Timer *t)
{
    if (t->machine) {
        timer_arm(t, UINT64_MAX);
    }
}

/* ---- firing ---- */

static Timer *take_due(struct Clock *c)
{
    for (int b = 0; b < N_BASES; b++) {
        GPtrArray *h = c->heap[b];
        if (!h->len || (b == TIME_GUEST && !c->running)) {
            continue;
        }
        if (key(h, 0) <= time_now(c->machine, (TimeBase)b)) {
            Timer *t = h->pdata[0];
            heap_remove(h, t);
            t->deadline_ns = UINT64_MAX;
            return t;
        }
    }
    return NULL;
}

static gboolean clock_dispatch(GSource *source, GSourceFunc f, gpointer data)
{
    struct Clock *c = ((ClockSource *)source)->clock;
    uint64_t      n;
    Timer        *t;

    (void)f;
    (void)data;
    if (read(c->fd, &n, sizeof(n)) < 0 && errno != EAGAIN) {
        return G_SOURCE_REMOVE;
    }
    machine_lock(c->machine);
    pthread_mutex_lock(&c->lock);
    c->firing = true;
    c->programmed_ns = UINT64_MAX;
    for (unsigned budget = 64; budget && (t = take_due(c)); budget--) {
        /* then let the other sources in */
        pthread_mutex_unlock(&c->lock);
        trace_timer_fire(t, t->base);
        t->fire(t->dev);
        pthread_mutex_lock(&c->lock);
    }
    c->firing = false;
    program_next(c);
    pthread_mutex_unlock(&c->lock);
    machine_unlock(c->machine);
    return G_SOURCE_CONTINUE;
}

static gboolean clock_check(GSource *source)
{
    return g_source_query_unix_fd(source, ((ClockSource *)source)->tag) != 0;
}

static GSourceFuncs clock_funcs = { .check = clock_check, .dispatch = clock_dispatch };

struct Clock *clock_new(Machine *m)
{
    struct Clock *c = g_new0(struct Clock, 1);

    c->machine = m;
    c->programmed_ns = UINT64_MAX;
    pthread_mutex_init(&c->lock, NULL);
    for (int b = 0; b < N_BASES; b++) {
        c->heap[b] = g_ptr_array_new();
    }
    c->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    c->source = g_source_new(&clock_funcs, sizeof(ClockSource));
    ((ClockSource *)c->source)->clock = c;
    ((ClockSource *)c->source)->tag = g_source_add_unix_fd(c->source, c->fd, G_IO_IN);
    g_source_set_priority(c->source, G_PRIORITY_HIGH);
    g_source_attach(c->source, m->context);
    return c;
}

void clock_free(struct Clock *c)
{
    g_source_destroy(c->source);
    g_source_unref(c->source);
    close(c->fd);
    for (int b = 0; b < N_BASES; b++) {
        g_ptr_array_free(c->heap[b], TRUE);
    }
    pthread_mutex_destroy(&c->lock);
    g_free(c);
}

static void guest_set(struct Clock *c, bool run, uint64_t ns)
{
    __atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&c->guest_ns, run ? ns - host_ns(CLOCK_MONOTONIC) : ns, __ATOMIC_RELEASE);
    __atomic_store_n(&c->running, run, __ATOMIC_RELEASE);
    __atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELEASE);
}

void clock_run(Machine *m, bool run)
{
    struct Clock *c = m->clock;

    pthread_mutex_lock(&c->lock);
    if (run != (c->running != 0)) {
        guest_set(c, run, guest_now(c));
        program_next(c);
    }
    pthread_mutex_unlock(&c->lock);
}

void clock_set_guest(Machine *m, uint64_t ns)
{
    struct Clock *c = m->clock;

    pthread_mutex_lock(&c->lock);
    guest_set(c, c->running, ns);
    program_next(c);
    pthread_mutex_unlock(&c->lock);
}
