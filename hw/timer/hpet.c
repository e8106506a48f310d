/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hpet.c -- high precision event timer: a 100 MHz counter with three comparators.
 *
 * Spec: Intel IA-PC HPET 1.0a.
 * Omits: FSB (MSI) delivery, said so in the capabilities; status bits of timers whose interrupt is
 *   disabled.
 * Threads: with the machine lock.
 *
 * The counter is computed from guest time.  Each timer remembers up to which count it has looked
 * for matches (`seen`).
 */
#include "core/clock.h"
#include "core/device.h"
#include "hw/intc/intc.h"
#include "hw/timer/timer.h"

enum { N_TIMERS = 3, HPET_BASE = 0xfed00000u, BANK_BYTES = 0x400 };
enum { GCAP_ID = 0x000, GEN_CONF = 0x010, GINTR_STA = 0x020, MAIN_CNT = 0x0f0, TIMERS = 0x100,
       TIMER_STRIDE = 0x20 };
enum { TN_CONF = 0x00, TN_COMPARATOR = 0x08 };
enum { CONF_ENABLE = 1, CONF_LEGACY = 2 };
enum {                                /* 2.3.8 */
    TN_LEVEL = 1 << 1, TN_ENABLE = 1 << 2, TN_PERIODIC = 1 << 3, TN_PERIODIC_CAP = 1 << 4,
    TN_SIZE_CAP = 1 << 5,
    TN_VAL_SET = 1 << 6, TN_32MODE = 1 << 8, TN_ROUTE_SHIFT = 9, TN_ROUTE = 0x1f << TN_ROUTE_SHIFT,
    TN_WRITABLE = TN_LEVEL | TN_ENABLE | TN_PERIODIC | TN_VAL_SET | TN_32MODE | TN_ROUTE,
};

#define TICK_NS         10u           /* 100 MHz */
#define PERIOD_FS       10000000ull
#define VENDOR          0x8086ull
/* Period 63:32 | vendor 31:16 | legacy 15 | 64 bits 13 | timers - 1 12:8 | revision 7:0. */
#define CAPABILITIES    (PERIOD_FS << 32 | VENDOR << 16 | 1 << 15 | 1 << 13 | (N_TIMERS - 1) << 8 | 1)
#define ROUTES          0x00ff0004ull /* GSI 2 and 16..23 */
#define LATE_TICKS      10000000u     /* periods missed for up to 100 ms are made up */
#define MIN_GAP_NS      20000u

typedef struct Comparator {
    uint32_t config;
    uint64_t match, period, seen;
} Comparator;

typedef struct Hpet {
    Device     dev;
    uint32_t   config, status;
    uint64_t   counter;               /* while halted; else its value at start_ns */
    uint64_t   start_ns;
    Comparator tn[N_TIMERS];
    Irq        routed[N_TIMERS];      /* where INT_ROUTE says */
    /* to IRQ 0 and 8: the PIT's and RTC's wires, or timers 0 and 1 */
    Irq        legacy[2];
    bool       legacy_in[2];
    Timer      timer;
    void      *gsi;
    void     (*cut)(void *dev, bool cut);
    void      *cut_dev;
} Hpet;

static uint64_t counter_now(const Hpet *s)
{
    uint64_t now;

    if (!(s->config & CONF_ENABLE)) {
        return s->counter;
    }
    now = time_now(s->dev.machine, TIME_GUEST);
    return s->counter + (now > s->start_ns ? (now - s->start_ns) / TICK_NS : 0);
}

static uint64_t count_mask(const Comparator *t)
{
    return t->config & TN_32MODE ? UINT32_MAX : UINT64_MAX;
}

/* Ticks from `seen` to the next match: 1 up to a whole turn of the counter. */
static uint64_t to_match(const Comparator *t)
{
    uint64_t diff = (t->match - t->seen) & count_mask(t);

    return diff ? diff : t->config & TN_32MODE ? 1ull << 32 : UINT64_MAX;
}

static bool is_legacy(const Hpet *s, unsigned n)
{
    return n < 2 && (s->config & CONF_LEGACY);
}

/* All wires, from status and configuration. */
static void update_wires(Hpet *s)
{
    for (unsigned n = 0; n < N_TIMERS; n++) {
        Comparator *t = &s->tn[n];
        bool level = (s->status & (1u << n)) && (t->config & TN_ENABLE) && (t->config & TN_LEVEL);

        irq_set(&s->routed[n], level && !is_legacy(s, n));
        if (n < 2) {
            irq_set(&s->legacy[n], is_legacy(s, n) ? level : s->legacy_in[n]);
        }
    }
    if (s->cut) {
        s->cut(s->cut_dev, is_legacy(s, 0));
    }
}

void hpet_watch(void *hpet, void (*cut)(void *dev, bool cut), void *dev)
{
    Hpet *s = hpet;

    s->cut = cut;
    s->cut_dev = dev;
}

static void interrupt(Hpet *s, unsigned n)
{
    Irq *wire = is_legacy(s, n) ? &s->legacy[n] : &s->routed[n];

    if (s->tn[n].config & TN_LEVEL) {
        s->status |= 1u << n;
        update_wires(s);
    } else {
        irq_set(wire, false);
        irq_set(wire, true);
        irq_set(wire, false);
    }
}

/*
 * Look for a match up to `now`.  At most one is taken, so that periods the host was late for come
 * one by one, unless they are too many or too fast, or `skip` says that nobody wants them.
 */
static bool take_match(Comparator *t, uint64_t now, bool skip)
{
    uint64_t gone = now - t->seen, first = to_match(t), late, k = 1;

    if (gone < first) {
        return false;
    }
    late = gone - first;
    if (!(t->config & TN_PERIODIC) || t->period == 0) {
        t->seen = now;
        return true;
    }
    if (skip || late > LATE_TICKS || t->period < MIN_GAP_NS / TICK_NS) {
        k += late / t->period;
    }
    t->seen += first + (k - 1) * t->period;
    t->match = (t->match + k * t->period) & count_mask(t);
    return true;
}

static void arm(Hpet *s)
{
    uint64_t now = time_now(s->dev.machine, TIME_GUEST), counter = counter_now(s),
             best = UINT64_MAX;

    for (unsigned n = 0; n < N_TIMERS && (s->config & CONF_ENABLE); n++) {
        Comparator *t = &s->tn[n];

        if (t->config & TN_ENABLE) {
            uint64_t gone = counter - t->seen, ticks = to_match(t);
            best = MIN(best, ticks > gone ? ticks - gone : 0);
        }
    }
    if (best > (UINT64_MAX - now) / TICK_NS) {
        timer_stop(&s->timer);
    } else {
        timer_arm(&s->timer, now + (best ? best * TICK_NS : MIN_GAP_NS));
    }
}

static void hpet_fire(void *dev)
{
    Hpet *s = dev;
    uint64_t now = counter_now(s);

    for (unsigned n = 0; n < N_TIMERS && (s->config & CONF_ENABLE); n++) {
        if ((s->tn[n].config & TN_ENABLE) && take_match(&s->tn[n], now, false)) {
            interrupt(s, n);
        }
    }
    arm(s);
}

void hpet_legacy(void *hpet, unsigned n, bool level)
{
    Hpet *s = hpet;

    s->legacy_in[n ? 1 : 0] = level;
    update_wires(s);
}

/* --- registers -------------------------------------------------------------------------------- */

static uint64_t timer_read(Hpet *s, Comparator *t, unsigned off)
{
    switch (off) {
    case TN_CONF:
        return ROUTES << 32 | TN_PERIODIC_CAP | TN_SIZE_CAP | t->config;
    case TN_COMPARATOR:
        if (!(t->config & TN_ENABLE)) {
            take_match(t, counter_now(s), true);
        }
        return t->match;
    default:
        return 0;
    }
}

static uint64_t bank_read(Hpet *s, unsigned off)
{
    switch (off) {
    case GCAP_ID:
        return CAPABILITIES;
    case GEN_CONF:
        return s->config;
    case GINTR_STA:
        return s->status;
    case MAIN_CNT:
        return counter_now(s);
    default:
        if (off >= TIMERS && (off - TIMERS) / TIMER_STRIDE < N_TIMERS) {
            return timer_read(s, &s->tn[(off - TIMERS) / TIMER_STRIDE], off % TIMER_STRIDE);
        }
        return 0;
    }
}

static void set_config(Hpet *s, uint32_t val)
{
    uint64_t counter = counter_now(s);

    if ((val ^ s->config) & CONF_ENABLE) {
        s->counter = counter;
        s->start_ns = time_now(s->dev.machine, TIME_GUEST);
    }
    s->config = val & (CONF_ENABLE | CONF_LEGACY);
    update_wires(s);
}

static void set_counter(Hpet *s, uint64_t val)
{
    s->counter = val;
    s->start_ns = time_now(s->dev.machine, TIME_GUEST);
    for (unsigned n = 0; n < N_TIMERS; n++) {
        s->tn[n].seen = val;
    }
}

static void route(Hpet *s, unsigned n)
{
    unsigned to = (s->tn[n].config & TN_ROUTE) >> TN_ROUTE_SHIFT;

    if (s->gsi && (ROUTES >> to & 1)) {
        irq_connect(&s->routed[n], gsi_irq, s->gsi, to);
    } else {
        irq_connect(&s->routed[n], NULL, NULL, 0);      /* a route that is not there */
    }
}

static void set_timer_config(Hpet *s, unsigned n, uint32_t val)
{
    Comparator *t = &s->tn[n];
    uint32_t old = t->config;

    val &= TN_WRITABLE;
    if (!(val & TN_PERIODIC)) {
        val &= ~TN_VAL_SET;
    }
    if (!(old & TN_ENABLE)) {
        take_match(t, counter_now(s), true);    /* what happened before is over */
        t->seen = counter_now(s);
    }
    if ((old ^ val) & (TN_ROUTE | TN_LEVEL)) {
        irq_set(&s->routed[n], false);
    }
    t->config = val;
    t->match &= count_mask(t);
    t->period &= count_mask(t);
    if (!(val & TN_LEVEL)) {
        s->status &= ~(1u << n);
    }
    route(s, n);
    update_wires(s);
}

/* 2.3.9.2.2: periodic, a plain write sets the period; with VAL_SET the accumulator as well. */
static void set_comparator(Hpet *s, Comparator *t, uint64_t val, uint64_t written)
{
    uint64_t mask = count_mask(t);

    t->seen = counter_now(s);
    if (!(t->config & TN_PERIODIC) || (t->config & TN_VAL_SET)) {
        t->match = ((t->match & ~written) | (val & written)) & mask;
    }
    if (t->config & TN_PERIODIC) {
        t->period = ((t->period & ~written) | (val & written)) & mask;
    }
    t->config &= ~TN_VAL_SET;
}

/* `written`: the bits of the 64-bit register that this access covers. */
static void bank_write(Hpet *s, unsigned off, uint64_t val, uint64_t written)
{
    unsigned n = off >= TIMERS ? (off - TIMERS) / TIMER_STRIDE : N_TIMERS;

    switch (off) {
    case GEN_CONF:
        if (written & 1) {
            set_config(s, val);
        }
        break;
    case GINTR_STA:
        s->status &= ~(val & written);
        update_wires(s);
        break;
    case MAIN_CNT:
        set_counter(s, (counter_now(s) & ~written) | (val & written));
        break;
    default:
        if (n >= N_TIMERS) {
            return;
        }
        if (off % TIMER_STRIDE == TN_CONF && (written & 1)) {
            set_timer_config(s, n, val);
        } else if (off % TIMER_STRIDE == TN_COMPARATOR) {
            set_comparator(s, &s->tn[n], val, written);
        }
        break;
    }
    arm(s);
}

static uint64_t hpet_read(void *dev, hwaddr off, unsigned size)
{
    uint64_t val = bank_read(dev, off & ~7u);

    return size == 8 ? val : off & 4 ? val >> 32 : val & UINT32_MAX;
}

static void hpet_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    unsigned shift = off & 4 ? 32 : 0;

    bank_write(dev, off & ~7u, val << shift,
               size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift);
}

static const MmioOps hpet_ops = { .read = hpet_read, .write = hpet_write, .min = 4, .max = 8 };

/* --- life ------------------------------------------------------------------------------------- */

static void hpet_reset(void *dev)
{
    Hpet *s = dev;

    timer_stop(&s->timer);
    s->config = s->status = 0;
    s->counter = s->start_ns = 0;
    for (unsigned n = 0; n < N_TIMERS; n++) {
        irq_set(&s->routed[n], false);
        s->tn[n] = (Comparator){ .match = UINT64_MAX };
    }
    update_wires(s);
}

static bool hpet_restored(void *dev, GError **err)
{
    Hpet *s = dev;

    s->start_ns = MIN(s->start_ns, time_now(s->dev.machine, TIME_GUEST));
    for (unsigned n = 0; n < N_TIMERS; n++) {
        s->tn[n].config &= TN_WRITABLE;
        s->tn[n].match &= count_mask(&s->tn[n]);
        s->tn[n].period &= count_mask(&s->tn[n]);
        route(s, n);
    }
    if (s->cut) {
        s->cut(s->cut_dev, is_legacy(s, 0));
    }
    return true;
}

static bool hpet_realize(void *dev, GError **err)
{
    Hpet *s = dev;

    timer_init(&s->timer, s->dev.machine, TIME_GUEST, hpet_fire, s);
    return true;
}

static void hpet_unrealize(void *dev)
{
    timer_stop(&((Hpet *)dev)->timer);
}

void *hpet_create(Machine *m, Region *memory, void *gsi, GError **err)
{
    Hpet *s = device_new(m, bus_find(m, "sys"), "hpet", NULL, err);

    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    s->gsi = gsi;
    irq_connect(&s->legacy[0], gsi_irq, gsi, 0);
    irq_connect(&s->legacy[1], gsi_irq, gsi, 8);
    region_map(memory, &s->dev.bank, HPET_BASE);
    return s;
}

static const Field comparator_fields[] = {
    STATE(Comparator, config, .max = TN_WRITABLE),
    STATE(Comparator, match),
    STATE(Comparator, period),
    STATE(Comparator, seen),
    FIELD_END
};

static const Field hpet_fields[] = {
    STATE(Hpet, config, .max = CONF_ENABLE | CONF_LEGACY),
    STATE(Hpet, status, .max = (1 << N_TIMERS) - 1),
    STATE(Hpet, counter),
    STATE(Hpet, start_ns),
    STATE_STRUCT(Hpet, tn, Comparator, comparator_fields),
    STATE_IRQS(Hpet, routed),
    STATE_IRQS(Hpet, legacy),
    STATE_ARRAY(Hpet, legacy_in),
    STATE_TIMER(Hpet, timer),
    FIELD_END
};

const DeviceClass hpet_class = {
    .name = "hpet",
    .desc = "high precision event timer",
    .spec = "Intel IA-PC HPET 1.0a",
    .bus = "sys",
    .size = sizeof(Hpet),
    .fields = hpet_fields,
    .io = &hpet_ops,
    .bank_size = BANK_BYTES,
    .realize = hpet_realize,
    .unrealize = hpet_unrealize,
    .reset = hpet_reset,
    .restored = hpet_restored,
};
