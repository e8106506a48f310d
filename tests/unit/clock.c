/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c -- timers fire in order and in time, from any thread; the guest's clock stops with the
 * machine.
 */
#include "tests/unit/unit.h"

static Machine *m;
static int      order[16], n_fired;
static uint64_t fired_at[16];

typedef struct T {
    Timer t;
    int   id;
} T;

static void fire(void *dev)
{
    T *t = dev;

    ck_assert(machine_locked(m));
    order[n_fired] = t->id;
    fired_at[n_fired++] = time_now(m, t->t.base);
}

/* Until so many have fired (the host may be slow), and a little longer in case there are more. */
static void run_until(int n)
{
    uint64_t end = time_now(m, TIME_HOST) + 2000000000;

    while (n_fired < n && time_now(m, TIME_HOST) < end) {
        g_main_context_iteration(m->context, FALSE);
    }
    for (int i = 0; i < 5; i++) {
        g_usleep(1000);
        g_main_context_iteration(m->context, FALSE);
    }
}

START_TEST(clock_order)
{
    T        t[4];
    uint64_t now;

    m = machine_new();
    clock_run(m, true);
    now = time_now(m, TIME_GUEST);
    for (int i = 0; i < 4; i++) {
        t[i].id = i;
        timer_init(&t[i].t, m, TIME_GUEST, fire, &t[i]);
    }
    timer_arm(&t[0].t, now + 8000000);
    timer_arm(&t[1].t, now + 2000000);
    timer_arm(&t[2].t, now + 5000000);
    timer_arm(&t[3].t, now + 4000000);
    timer_arm(&t[1].t, now + 6000000);
    timer_stop(&t[3].t);
    run_until(3);
    ck_assert_int_eq(n_fired, 3);
    ck_assert(order[0] == 2 && order[1] == 1 && order[2] == 0);
    ck_assert(fired_at[0] >= now + 5000000 && fired_at[2] >= now + 8000000);
    ck_assert(t[0].t.deadline_ns == UINT64_MAX);
    machine_free(m);
}
END_TEST

static void *arm_it(void *p)
{
    T *t = p;

    g_usleep(5000);
    timer_arm(&t->t, time_now(m, TIME_GUEST) + 1000000);
    return NULL;
}

/* The main loop sleeps in poll(); a timer armed by another thread wakes it. */
START_TEST(clock_from_thread)
{
    T        t = { .id = 1 };
    GThread *th;
    uint64_t begin;

    m = machine_new();
    clock_run(m, true);
    timer_init(&t.t, m, TIME_GUEST, fire, &t);
    begin = time_now(m, TIME_HOST);
    th = g_thread_new("arm", arm_it, &t);
    while (!n_fired) {
        g_main_context_iteration(m->context, TRUE);
    }
    ck_assert(time_now(m, TIME_HOST) - begin < 500000000);
    g_thread_join(th);
    machine_free(m);
}
END_TEST

START_TEST(clock_stops)
{
    T        t = { .id = 1 };
    uint64_t a, lag;

    m = machine_new();
    ck_assert_uint_eq(time_now(m, TIME_GUEST), 0);
    clock_set_guest(m, 5000);
    ck_assert_uint_eq(time_now(m, TIME_GUEST), 5000);
    timer_init(&t.t, m, TIME_GUEST, fire, &t);
    timer_arm(&t.t, 1000000);
    run_until(0);
    ck_assert_int_eq(n_fired, 0);
    clock_run(m, true);
    run_until(1);
    ck_assert_int_eq(n_fired, 1);
    lag = time_lag(m);
    g_usleep(2000);
    ck_assert_uint_eq(time_lag(m), lag);        /* to the ns */
    clock_run(m, false);
    a = time_now(m, TIME_GUEST);
    ck_assert(a > 1000000);
    g_usleep(2000);
    ck_assert_uint_eq(time_now(m, TIME_GUEST), a);
    ck_assert_uint_ge(time_lag(m), lag + 2000000);
    clock_run(m, true);
    ck_assert_uint_ge(time_lag(m), lag + 2000000);
    ck_assert(time_now(m, TIME_GUEST) - a < 1000000000);
    machine_free(m);
}
END_TEST

Suite *suite_clock(void)
{
    Suite *s = suite_create("clock");

    ADD(s, clock_order);
    ADD(s, clock_from_thread);
    ADD(s, clock_stops);
    return s;
}
