/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.h -- what a debugger wants of the vCPUs: breakpoints, watchpoints, single steps, and what
 * it was stopped by.
 *
 * Threads: Machine.debug is written while all vCPUs are parked, with the machine lock; vCPUs read
 * it.  Vcpu.debug is the vCPU's own while it is not parked, the main thread's else.
 */
#ifndef CORE_DEBUG_H
#define CORE_DEBUG_H
#include "core/vcpu.h"

enum { DEBUG_PAGE = 4096, DEBUG_MAX = 256 };    /* the most breakpoints, and the most watchpoints */

typedef struct DebugBreak {
    uint64_t at;                      /* linear */
    bool     hard;                    /* as the peer called it; no other difference */
} DebugBreak;

typedef struct DebugWatch {
    uint64_t at, bytes;               /* linear; does not wrap */
    unsigned ways;                    /* DEBUG_READ | DEBUG_WRITE */
} DebugWatch;

struct Debug {
    unsigned   n_breaks, n_watches;
    DebugBreak breaks[DEBUG_MAX];
    DebugWatch watches[DEBUG_MAX];
    uint64_t   low[DEBUG_PAGE / 64];  /* a bit for each offset in a page that some breakpoint has */
    /* the machine has stopped, whoever asked; main thread, with the lock */
    void     (*stopped)(void *who);
    void      *who;
};

static inline bool debug_low(const Debug *d, uint64_t pc)
{
    return d->low[(pc & (DEBUG_PAGE - 1)) / 64] >> (pc & 63) & 1;
}

const DebugBreak *debug_break_at(const Debug *d, uint64_t pc);
/* the first that is touched */
const DebugWatch *debug_watch_at(const Debug *d, uint64_t at, uint64_t bytes, unsigned ways);

/*
 * All with the machine stopped and its lock held.  false: no room, no such thing, or the
 * accelerator cannot.
 */
Debug *debug_of(Machine *m);          /* made where there is none */
bool debug_can(const Machine *m);
bool debug_break_add(Machine *m, uint64_t at, bool hard);
bool debug_break_del(Machine *m, uint64_t at, bool hard);
bool debug_watch_add(Machine *m, uint64_t at, uint64_t bytes, unsigned ways);
bool debug_watch_del(Machine *m, uint64_t at, uint64_t bytes, unsigned ways);
void debug_clear(Machine *m);         /* no break, no watch, nobody held or stepping */
/*
 * RAM and ROM; no device is asked, for that would change it.  ROM is not written.  false: there is
 * none.
 */
bool debug_memory(AddressSpace *as, hwaddr at, uint8_t *buf, size_t n, bool write);
void debug_stopped(Machine *m);       /* tells who listens */
#endif
