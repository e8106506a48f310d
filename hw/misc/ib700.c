/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ib700.c -- the watchdog of iBASE's single-board computers: a port that starts it anew, and one
 * that stops it.
 *
 * Spec: iBASE IB700 user's manual, chapter on the watchdog timer: port 443H takes the time, F (0 s)
 *   to 0 (30 s) in steps of 2 s; any write to 441H stops it.
 * Omits: nothing.
 * Threads: with the machine lock.
 */
#include "core/actions.h"
#include "core/clock.h"
#include "hw/misc/isa.h"

enum { STOP_PORT = 0x441, START_PORT = 0x443 };
#define LONGEST_NS (30 * UINT64_C(1000000000))
#define STEP_NS    (2 * UINT64_C(1000000000))

typedef struct Ib700 {
    Device dev;
    Region stop, start;
    Timer  timer;
} Ib700;

static void stop_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    timer_stop(&((Ib700 *)dev)->timer);
}

static void start_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Ib700 *s = dev;

    timer_arm(&s->timer, time_now(s->dev.machine, TIME_GUEST) + LONGEST_NS - STEP_NS * (val & 0xf));
}

static uint64_t no_read(void *dev, hwaddr off, unsigned size)
{
    return 0xff;
}

static void fire(void *dev)
{
    machine_watchdog(((Ib700 *)dev)->dev.machine);
}

static const MmioOps stop_ops = { .read = no_read, .write = stop_write, .min = 1, .max = 1 };
static const MmioOps start_ops = { .read = no_read, .write = start_write, .min = 1, .max = 1 };

static bool ib700_realize(void *dev, GError **err)
{
    Ib700 *s = dev;

    timer_init(&s->timer, s->dev.machine, TIME_GUEST, fire, s);
    region_init_io(&s->stop, "ib700-stop", &stop_ops, s, 1);
    region_init_io(&s->start, "ib700-start", &start_ops, s, 1);
    return isa_map(s, &s->stop, STOP_PORT, err) && isa_map(s, &s->start, START_PORT, err);
}

static void ib700_unrealize(void *dev)
{
    timer_stop(&((Ib700 *)dev)->timer);
}

static void ib700_reset(void *dev)
{
    timer_stop(&((Ib700 *)dev)->timer);
}

static const Field ib700_fields[] = { STATE_TIMER(Ib700, timer), FIELD_END };

const DeviceClass ib700_class = {
    .name = "ib700",
    .desc = "iBASE IB700 watchdog",
    .spec = "iBASE IB700 user's manual, watchdog timer",
    .bus = "isa",
    .size = sizeof(Ib700),
    .fields = ib700_fields,
    .realize = ib700_realize,
    .unrealize = ib700_unrealize,
    .reset = ib700_reset,
};
