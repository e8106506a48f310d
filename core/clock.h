/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h -- time, in ns.
 *
 * The guest's clock runs with the machine: stop, a snapshot or an overloaded host never make it
 * jump back.  TSC, local APIC timer, PIT, HPET and PM timer are all read from it, so they agree
 * (the RTC by -rtc clock=).  In counting mode it is the number of instructions run, and nothing
 * else in a device may tell the time.
 *
 * Threads: any arms and reads; fire() runs in the main context with the machine lock.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H
#include "core/mem.h"
typedef enum { TIME_GUEST, TIME_HOST, TIME_WALL } TimeBase;
typedef struct Timer {
    Machine *machine;
    TimeBase base;
    uint64_t deadline_ns;             /* UINT64_MAX: not armed */
    void   (*fire)(void *dev);
    void    *dev;
    uint32_t slot;                   /* private to clock.c: place in the queue + 1; 0: not queued */
} Timer;
void     timer_init(Timer *t, Machine *m, TimeBase base, void (*fire)(void *dev), void *dev);
uint64_t time_now(Machine *m, TimeBase base);
/* TIME_HOST less TIME_GUEST, modulo 2^64: exact, and the same while the machine runs */
uint64_t time_lag(Machine *m);
void     timer_arm(Timer *t, uint64_t deadline_ns);
void     timer_stop(Timer *t);
struct Clock *clock_new(Machine *m);
void     clock_free(struct Clock *c);
void     clock_run(Machine *m, bool run);          /* let the guest's clock run or hold it */
void     clock_set_guest(Machine *m, uint64_t ns); /* after a load, while held */

/* x * mul / div without overflow of the product: ticks of a device clock from ns and back. */
static inline uint64_t muldiv64(uint64_t x, uint64_t mul, uint64_t div)
{
    return (uint64_t)((unsigned __int128)x * mul / div);
}
#endif
