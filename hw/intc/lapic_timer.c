/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic_timer.c -- the local APIC's timer: one-shot, periodic, TSC-deadline.
 *
 * Spec: Intel SDM vol. 3A, 11.5.4.
 * Omits: the timer runs on in deep sleep states (ARAT): there are none here.
 * Threads: the APIC's lock; fire() in the main context with the machine lock.
 *
 * The bus clock is 1 GHz, so one undivided tick is a nanosecond of guest time.
 */
#include "hw/intc/lapic.h"

#define NS_PER_S        1000000000ull
/* a periodic timer faster than this loses ticks instead of drowning the host */
#define MIN_PERIOD_NS   20000u
#define FAR_FUTURE_S    (100ull * 365 * 86400)

static unsigned timer_mode(const Lapic *s)
{
    return (s->lvt[LVT_TIMER] >> 17) & 3;
}

/* Divide configuration: bits 3, 1, 0; 111 is 1, 000 is 2, 110 is 128. */
static unsigned divisor(const Lapic *s)
{
    unsigned code = (s->divide & 3) | ((s->divide >> 1) & 4);

    return 1u << ((code + 1) & 7);
}

static uint64_t period_ns(const Lapic *s)
{
    return (uint64_t)s->initial_count * divisor(s);
}

uint32_t lapic_timer_count_locked(Lapic *s)
{
    uint64_t now, ticks;

    if (timer_mode(s) >= TIMER_DEADLINE || s->initial_count == 0) {
        return 0;
    }
    now = time_now(s->dev.machine, TIME_GUEST);
    ticks = now > s->start_ns ? (now - s->start_ns) / divisor(s) : 0;
    if (timer_mode(s) == TIMER_PERIODIC) {
        return s->initial_count - ticks % s->initial_count;
    }
    return ticks < s->initial_count ? s->initial_count - ticks : 0;
}

void lapic_timer_stop_locked(Lapic *s)
{
    s->initial_count = 0;
    s->deadline_tsc = 0;
    timer_stop(&s->timer);
}

void lapic_timer_start_locked(Lapic *s, uint32_t count)
{
    if (timer_mode(s) >= TIMER_DEADLINE) {
        return;                       /* writes to the initial count are ignored in this mode */
    }
    s->initial_count = count;
    if (count == 0) {
        timer_stop(&s->timer);
        return;
    }
    s->start_ns = time_now(s->dev.machine, TIME_GUEST);
    timer_arm(&s->timer, s->start_ns + period_ns(s));
}

/* The next end of a period that lies far enough ahead. */
static void arm_next_period(Lapic *s, uint64_t now)
{
    uint64_t period = period_ns(s), ahead = period < MIN_PERIOD_NS ? now + MIN_PERIOD_NS : now;
    uint64_t n = ahead > s->start_ns ? (ahead - s->start_ns) / period + 1 : 1;

    timer_arm(&s->timer, s->start_ns + n * period);
}

/* The count goes on from where it is, at the new rate. */
void lapic_timer_divide_locked(Lapic *s, uint32_t val)
{
    uint64_t now = time_now(s->dev.machine, TIME_GUEST), gone;
    uint32_t count = lapic_timer_count_locked(s);

    s->divide = val & 0xb;
    if (count != 0) {
        gone = (uint64_t)(s->initial_count - count) * divisor(s);
        s->start_ns = now > gone ? now - gone : 0;
        arm_next_period(s, now);
    }
}

void lapic_timer_rearm_locked(Lapic *s)
{
    uint64_t tsc, ticks, hz, now;

    if (timer_mode(s) != TIMER_DEADLINE || s->deadline_tsc == 0 || !s->cpu) {
        return;
    }
    now = time_now(s->dev.machine, TIME_GUEST);
    tsc = x86_tsc_now(s->cpu);
    hz = x86_tsc_hz(s->dev.machine);
    if (s->deadline_tsc <= tsc) {
        timer_stop(&s->timer);
        s->deadline_tsc = 0;
        lapic_local_locked(s, LVT_TIMER);
        return;
    }
    ticks = s->deadline_tsc - tsc;
    if (hz == 0 || ticks / hz > FAR_FUTURE_S) {
        timer_stop(&s->timer);        /* not in this machine's life */
        return;
    }
    timer_arm(&s->timer, now + muldiv64(ticks, NS_PER_S, hz) + 1);
}

void lapic_timer_deadline_locked(Lapic *s, uint64_t tsc)
{
    if (timer_mode(s) != TIMER_DEADLINE) {
        return;
    }
    s->deadline_tsc = tsc;
    if (tsc == 0) {
        timer_stop(&s->timer);
    } else {
        lapic_timer_rearm_locked(s);
    }
}

/*
 * 11.5.4.1: a change to or from TSC-deadline mode disarms.  Between the others the count goes on.
 */
void lapic_timer_lvt_locked(Lapic *s, uint32_t old)
{
    unsigned was = (old >> 17) & 3, is = timer_mode(s);

    if (was == is) {
        return;
    }
    if (was >= TIMER_DEADLINE || is >= TIMER_DEADLINE) {
        lapic_timer_stop_locked(s);
    } else if (is == TIMER_PERIODIC && s->initial_count != 0) {
        arm_next_period(s, time_now(s->dev.machine, TIME_GUEST));
    }
}

void lapic_timer_set_locked(Lapic *s, uint32_t initial, uint32_t count)
{
    uint64_t now = time_now(s->dev.machine, TIME_GUEST), gone;

    s->initial_count = initial;
    timer_stop(&s->timer);
    if (timer_mode(s) == TIMER_DEADLINE) {
        s->initial_count = 0;
        lapic_timer_rearm_locked(s);
        return;
    }
    gone = (uint64_t)(initial - MIN(count, initial)) * divisor(s);
    s->start_ns = now > gone ? now - gone : 0;
    if (initial && (count || timer_mode(s) == TIMER_PERIODIC)) {
        arm_next_period(s, now);
    } else if (initial) {
        /* over: was it told?  The accelerator does not say.  Once too often harms nobody */
        timer_arm(&s->timer, now);
    }
}

void lapic_timer_fire(void *dev)
{
    Lapic *s = dev;
    uint64_t now = time_now(s->dev.machine, TIME_GUEST);

    if (lapic_is_outside(s)) {
        return;                       /* the accelerator's fires */
    }
    g_mutex_lock(&s->lock);
    if (timer_mode(s) == TIMER_DEADLINE) {
        lapic_timer_rearm_locked(s);  /* delivers if it is time */
    } else if (s->initial_count != 0 && now < s->start_ns + period_ns(s)) {
        /* re-loaded while this call was on its way */
        timer_arm(&s->timer, s->start_ns + period_ns(s));
    } else if (s->initial_count != 0) {
        if (timer_mode(s) == TIMER_PERIODIC) {
            arm_next_period(s, now);
        }
        lapic_local_locked(s, LVT_TIMER);
    }
    g_mutex_unlock(&s->lock);
}
