/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8254.c -- programmable interval timer: three counters on a 1.193182 MHz clock.
 *
 * Spec: Intel 8254 (231164-005).
 * Omits: the clock pulse between writing a count and loading it.  The one-tick low pulses of modes
 *   2 and 4 are wired as a fall and a rise at the same moment (OUT itself, as read back, has their
 *   length).
 * Threads: with the machine lock.
 *
 * An accelerator may have the timer (core/irqchip.h), unless somebody listens to its speaker: then
 * this is what a snapshot sees of it.
 * A counter holds no moving parts: its value and OUT are computed from the tick at which it was
 * loaded.
 */
#include "core/device.h"
#include "core/irqchip.h"
#include "hw/misc/isa.h"
#include "hw/timer/timer.h"
#include "core/trace.h"

#define NS_PER_S        1000000000ull
/* OUT0 does not change oftener: keeps a hostile count from drowning the host */
#define MIN_GAP_NS      20000
/* ticks the host was late for are made up, unless it was later than this */
#define LATE_NS         100000000

enum { N_COUNTERS = 3, PIT_PORT = 0x40, CONTROL = 3, READ_BACK = 3 };
enum { RW_LATCH, RW_LSB, RW_MSB, RW_BOTH };

typedef struct Counter {
    uint8_t  mode, rw, bcd;           /* control word: M2-M0 (6, 7 are 2, 3), RW1-RW0, BCD */
    bool     gate;
    bool     loaded;                  /* a count has been written since the control word */
    bool     triggered;               /* modes 1, 5: GATE has risen since then */
    bool     read_msb, write_msb;     /* RW_BOTH: the next byte is the second */
    bool     status_latched;
    uint8_t  latched_status;
    uint8_t  latched_bytes;           /* of latched_count still to be read: 2, 1, 0 */
    uint8_t  write_lsb;
    uint16_t latched_count;
    uint32_t count;                   /* N: 1..65536 */
    uint32_t next_count;              /* modes 2, 3: takes over at the end of the period; 0: none */
    /* when the count was loaded; while GATE is low in modes 0, 4: ticks already run */
    uint64_t load_tick;
} Counter;

typedef struct Pit {
    Device   dev;
    Counter  counter[N_COUNTERS];
    Irq      irq;
    Timer    timer;
    uint64_t event_tick;              /* of counter 0: the change of OUT that the timer waits for */
    uint32_t iobase;
    uint32_t lost_ticks;              /* of lost_policies */
    void   (*before)(void *dev);      /* who listens to counter 2 */
    void    *listener;
    /* the accelerator has it; what it cannot know of the other's wires: */
    bool     is_outside;
    bool     speaker, cut;
} Pit;

enum { DISCARD, DELAY };
static const char *const lost_policies[] = { "discard", "delay", NULL };

static uint64_t now_tick(const Pit *s)
{
    return muldiv64(time_now(s->dev.machine, TIME_GUEST), PIT_HZ, NS_PER_S);
}

static uint64_t tick_ns(uint64_t tick)
{
    return muldiv64(tick, NS_PER_S, PIT_HZ) + 1;
}

static uint16_t to_bcd(unsigned v)
{
    return v % 10 | (v / 10 % 10) << 4 | (v / 100 % 10) << 8 | (v / 1000 % 10) << 12;
}

/* Digits above 9 count as what they are worth: the result is bounded either way. */
static unsigned from_bcd(uint16_t v)
{
    return (v & 15) + 10 * (v >> 4 & 15) + 100 * (v >> 8 & 15) + 1000 * (v >> 12);
}

static bool periodic(const Counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* GATE low stops a count that goes on later (modes 0 and 4). */
static bool paused(const Counter *c)
{
    return !c->gate && (c->mode == 0 || c->mode == 4);
}

static bool running(const Counter *c)
{
    if (!c->loaded) {
        return false;
    }
    return periodic(c) ? c->gate : c->mode == 1 || c->mode == 5 ? c->triggered : true;
}

/* Ticks since the count was loaded. */
static uint64_t elapsed(const Counter *c, uint64_t now)
{
    if (paused(c)) {
        return c->load_tick;
    }
    return now > c->load_tick ? now - c->load_tick : 0;
}

/* A new count of modes 2 and 3 takes over where the old period (half period) ends. */
static void sync_count(Counter *c, uint64_t now)
{
    uint64_t gone, step, shift;

    if (c->next_count == 0 || !running(c)) {
        return;
    }
    gone = elapsed(c, now);
    step = c->mode == 3 ? (c->count + 1) / 2 : c->count;
    if (gone >= step) {
        if (c->mode == 3 && gone < c->count) {
            /* the low half begins: where its high half would have */
            shift = (c->next_count + 1) / 2;
            c->load_tick = c->load_tick + step > shift ? c->load_tick + step - shift : 0;
        } else {
            c->load_tick += gone - gone % c->count;
        }
        c->count = c->next_count;
        c->next_count = 0;
    }
}

static bool counter_out(const Counter *c, uint64_t now)
{
    uint64_t gone = elapsed(c, now);

    if (!running(c)) {
        return c->mode != 0;        /* mode 0 goes low with the control word; all others are high */
    }
    switch (c->mode) {
    case 0: case 1:
        return gone >= c->count;
    case 2:
        return gone % c->count != c->count - 1;
    case 3:
        return gone % c->count < (c->count + 1) / 2;
    default:
        return gone != c->count;
    }
}

/* How long OUT was high in the first `gone` (fine ticks) after the count was loaded. */
static uint64_t high_since_load(const Counter *c, uint64_t gone)
{
    uint64_t n = (uint64_t)c->count * PIT_FINE, rest = gone % n;

    switch (c->mode) {
    case 0: case 1:
        return gone > n ? gone - n : 0;
    case 2:                           /* low in the last tick */
        return gone / n * (n - PIT_FINE) + MIN(rest, n - PIT_FINE);
    case 3:
        return gone / n * ((c->count + 1) / 2 * PIT_FINE) +
               MIN(rest, (c->count + 1) / 2 * (uint64_t)PIT_FINE);
    default:                          /* low in the tick after */
        return gone <= n ? gone : gone - MIN(gone - n, PIT_FINE);
    }
}

/* While nothing changes. */
static uint64_t high_between(const Counter *c, uint64_t from, uint64_t to)
{
    uint64_t load = c->load_tick * PIT_FINE;

    if (!running(c) || paused(c)) {
        return counter_out(c, from / PIT_FINE) ? to - from : 0;
    }
    return high_since_load(c, MAX(to, load) - load) - high_since_load(c, MAX(from, load) - load);
}

/* The counting element as a program reads it. */
static uint16_t counter_value(const Counter *c, uint64_t now)
{
    uint64_t gone = running(c) ? elapsed(c, now) : 0, modulus = c->bcd ? 10000 : 65536, v, half;

    switch (c->mode) {
    case 2:
        v = c->count - gone % c->count;
        break;
    case 3:                           /* counts by two, twice a period */
        gone %= c->count;
        half = (c->count + 1) / 2;
        gone = gone >= half ? gone - half : gone;
        v = (c->count & ~1u) - 2 * gone;
        break;
    default:                          /* runs on below zero */
        v = c->count + modulus - gone % modulus;
        break;
    }
    v %= modulus;
    return c->bcd ? to_bcd(v) : v;
}

/* The first change of OUT after `tick` that is worth a wire; UINT64_MAX: none to come. */
static uint64_t next_change(const Counter *c, uint64_t tick)
{
    uint64_t gone, half = (c->count + 1) / 2, phase;

    if (!running(c) || paused(c)) {
        return UINT64_MAX;
    }
    gone = elapsed(c, tick);
    phase = gone % c->count;
    switch (c->mode) {
    case 2:
        return tick < c->load_tick ? c->load_tick + c->count : tick + c->count - phase;
    case 3:
        return tick < c->load_tick ? c->load_tick + half
                                   : tick + (phase < half ? half : c->count) - phase;
    case 0: case 1:
        return gone < c->count ? c->load_tick + c->count : UINT64_MAX;
    default:                          /* 4, 5: the pulse is over one tick after it began */
        return gone <= c->count ? c->load_tick + c->count + 1 : UINT64_MAX;
    }
}

static void arm(Pit *s, uint64_t after_tick)
{
    Counter *c = &s->counter[0];
    uint64_t now = time_now(s->dev.machine, TIME_GUEST), at, deadline;

    s->event_tick = next_change(c, after_tick);
    if (s->event_tick == UINT64_MAX) {
        timer_stop(&s->timer);
        return;
    }
    at = tick_ns(s->event_tick);
    if (at + (s->lost_ticks == DISCARD ? 0 : LATE_NS) < now) {      /* give up on what was missed */
        s->event_tick = next_change(c, now_tick(s));
        at = s->event_tick == UINT64_MAX ? now : tick_ns(s->event_tick);
    }
    deadline = MAX(at, now + MIN_GAP_NS);
    timer_arm(&s->timer, c->count < 32 ? deadline : MAX(at, now + 1));
}

static void pit_fire(void *dev)
{
    Pit *s = dev;
    Counter *c = &s->counter[0];
    uint64_t tick = s->event_tick;

    if (tick > now_tick(s)) {         /* the count changed while this call was on its way */
        arm(s, now_tick(s));
        return;
    }
    sync_count(c, now_tick(s));
    if (c->mode == 2 || c->mode >= 4) {
        irq_set(&s->irq, false);
        irq_set(&s->irq, true);
    } else if (running(c)) {
        irq_set(&s->irq, counter_out(c, MAX(tick, c->load_tick)));
    }
    if (c->count < 32 && c->loaded) {
        tick = MAX(tick, now_tick(s));          /* too fast to be made up */
    }
    arm(s, tick);
}

/* ---- where the accelerator has the timer ---- */

static const IrqChip *outside(const Pit *s)
{
    return s->is_outside ? s->dev.machine->irqchip : NULL;
}

/* Its channel 0 has no phase that could be kept: a period begins anew. */
static void store(Pit *s)
{
    uint64_t now = now_tick(s);
    PitState p = { .speaker = s->speaker, .cut = s->cut, .makes_up = s->lost_ticks == DELAY };

    for (unsigned n = 0; n < N_COUNTERS; n++) {
        const Counter *c = &s->counter[n];
        p.channel[n] = (PitChannel){
            .count = c->next_count ? c->next_count : c->count,
            .loaded_ns = tick_ns(now - MIN(now, elapsed(c, now))),
            .mode = c->mode, .rw = c->rw, .bcd = c->bcd, .gate = c->gate,
            .read_msb = c->read_msb, .write_msb = c->write_msb, .write_lsb = c->write_lsb,
            .status_latched = c->status_latched, .latched_status = c->latched_status,
            .latched_bytes = c->latched_bytes, .latched_count = c->latched_count,
        };
    }
    timer_stop(&s->timer);
    irq_set(&s->irq, false);          /* the other one's wire is its own */
    outside(s)->pit_store(s->dev.machine, &p);
}

static void pit_refresh(void *dev)
{
    Pit *s = dev;
    uint64_t now = now_tick(s), tick;
    PitState p;

    if (!outside(s)) {
        return;
    }
    outside(s)->pit_fetch(s->dev.machine, &p);
    for (unsigned n = 0; n < N_COUNTERS; n++) {
        const PitChannel *q = &p.channel[n];
        Counter *c = &s->counter[n];
        *c = (Counter){
            .mode = MIN(q->mode, 5), .rw = CLAMP(q->rw, RW_LSB, RW_BOTH),
            .bcd = q->bcd & 1, .gate = q->gate, .triggered = true,
            .loaded = !(q->mode == 0 && q->write_msb),
            .read_msb = q->read_msb, .write_msb = q->write_msb,
            .status_latched = q->status_latched, .latched_status = q->latched_status,
            .latched_bytes = MIN(q->latched_bytes, 2),
            .write_lsb = q->write_lsb, .latched_count = q->latched_count,
            .count = CLAMP(q->count, 1, 65536),
        };
        tick = MIN(muldiv64(q->loaded_ns, PIT_HZ, NS_PER_S), now);
        c->load_tick = paused(c) ? now - tick : tick;
    }
    s->speaker = p.speaker;
    s->event_tick = UINT64_MAX;       /* as if no change was to come: restored() looks */
}

bool pit_speaker(void *pit, bool *gate, bool *on)
{
    Pit *s = pit;

    pit_refresh(s);
    *gate = s->counter[2].gate;
    *on = s->speaker;
    return outside(s) != NULL;
}

/* What the accelerator's own cannot know by itself. */
static void tell_outside(Pit *s, bool *what, bool on)
{
    if (*what != on) {
        pit_refresh(s);
        *what = on;
        if (outside(s)) {
            store(s);
        }
    }
}

void pit_set_speaker(void *pit, bool on)
{
    tell_outside(pit, &((Pit *)pit)->speaker, on);
}

void pit_cut(void *pit, bool cut)
{
    tell_outside(pit, &((Pit *)pit)->cut, cut);
}

/* After any change to a counter: counter 0 drives a wire. */
static void changed(Pit *s, unsigned n)
{
    uint64_t now = now_tick(s);

    if (outside(s)) {
        store(s);
    } else if (n == 0) {
        irq_set(&s->irq, counter_out(&s->counter[0], now));
        arm(s, now);
    }
}

static void load(Pit *s, Counter *c, uint16_t val)
{
    uint32_t count = c->bcd ? from_bcd(val) : val;
    uint64_t now = now_tick(s);

    if (count == 0) {
        count = c->bcd ? 10000 : 65536;
    }
    trace_pit_load((unsigned)(c - s->counter), c->mode, count);
    if (periodic(c) && running(c)) {
        sync_count(c, now);
        c->next_count = count;
        return;
    }
    c->count = count;
    c->next_count = 0;
    c->loaded = true;
    if (c->mode != 1 && c->mode != 5) {         /* those wait for a trigger */
        c->load_tick = paused(c) ? 0 : now;
    }
}

static uint8_t status_byte(const Counter *c, uint64_t now)
{
    bool null_count = !c->loaded || c->next_count != 0;

    return counter_out(c, now) << 7 | null_count << 6 | c->rw << 4 | c->mode << 1 | c->bcd;
}

static void latch_count(Counter *c, uint64_t now)
{
    if (c->latched_bytes == 0) {      /* a second latch is ignored until the first is read */
        c->latched_count = counter_value(c, now);
        c->latched_bytes = c->rw == RW_BOTH ? 2 : 1;
    }
}

static void read_back(Pit *s, uint8_t val)
{
    uint64_t now = now_tick(s);

    for (unsigned n = 0; n < N_COUNTERS; n++) {
        Counter *c = &s->counter[n];

        if (!(val & (2u << n))) {
            continue;
        }
        sync_count(c, now);
        if (!(val & 0x10) && !c->status_latched) {
            c->latched_status = status_byte(c, now);
            c->status_latched = true;
        }
        if (!(val & 0x20)) {
            latch_count(c, now);
        }
    }
}

/* Control word: SC 7:6 | RW 5:4 | M 3:1 | BCD 0. */
static void write_control(Pit *s, uint8_t val)
{
    unsigned n = val >> 6, rw = (val >> 4) & 3;
    Counter *c;

    if (n == READ_BACK) {
        read_back(s, val);
        return;
    }
    c = &s->counter[n];
    if (rw == RW_LATCH) {
        sync_count(c, now_tick(s));
        latch_count(c, now_tick(s));
        return;
    }
    c->rw = rw;
    c->mode = (val >> 1) & 7;
    if (c->mode > 5) {
        c->mode -= 4;
    }
    c->bcd = val & 1;
    c->loaded = c->triggered = c->read_msb = c->write_msb = c->status_latched = false;
    c->latched_bytes = 0;
    c->next_count = 0;
    changed(s, n);
}

static void write_counter(Pit *s, unsigned n, uint8_t val)
{
    Counter *c = &s->counter[n];

    switch (c->rw) {
    case RW_LSB:
        load(s, c, val);
        break;
    case RW_MSB:
        load(s, c, val << 8);
        break;
    default:
        if (!c->write_msb) {
            c->write_lsb = val;
            c->write_msb = true;
            if (c->mode == 0) {       /* the first byte stops the count, OUT low */
                c->loaded = false;
                break;
            }
            return;
        }
        c->write_msb = false;
        load(s, c, c->write_lsb | val << 8);
        break;
    }
    changed(s, n);
}

static uint8_t read_counter(Pit *s, unsigned n)
{
    Counter *c = &s->counter[n];
    uint64_t now = now_tick(s);
    uint16_t v;
    bool msb;

    sync_count(c, now);
    if (c->status_latched) {
        c->status_latched = false;
        return c->latched_status;
    }
    v = c->latched_bytes ? c->latched_count : counter_value(c, now);
    if (c->rw == RW_BOTH) {
        msb = c->read_msb;
        c->read_msb = !msb;
    } else {
        msb = c->rw == RW_MSB;
    }
    if (c->latched_bytes) {
        c->latched_bytes--;
    }
    return msb ? v >> 8 : v;
}

static void tell(Pit *s)
{
    if (s->before) {
        s->before(s->listener);
    }
}

static uint64_t pit_read(void *dev, hwaddr off, unsigned size)
{
    tell(dev);
    return off < N_COUNTERS ? read_counter(dev, off) : 0;      /* the control word cannot be read */
}

static void pit_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    tell(dev);
    if (off == CONTROL) {
        write_control(dev, val);
    } else if (off < N_COUNTERS) {
        write_counter(dev, off, val);
    }
}

static const MmioOps pit_ops = { .read = pit_read, .write = pit_write, .min = 1, .max = 1 };

void pit_listen(void *pit, void (*before)(void *dev), void *dev)
{
    ((Pit *)pit)->before = before;
    ((Pit *)pit)->listener = dev;
}

uint64_t pit_fine_time(uint64_t ns)
{
    return muldiv64(ns, PIT_HZ * PIT_FINE, NS_PER_S);
}

uint64_t pit_high(void *pit, unsigned channel, uint64_t from, uint64_t to)
{
    Counter *c = &((Pit *)pit)->counter[channel];
    uint64_t high = 0;

    sync_count(c, from / PIT_FINE);
    if (c->next_count && running(c)) {
        /* a new count takes over at the end of the (half) period */
        uint64_t step = c->mode == 3 ? (c->count + 1) / 2 : c->count,
                 gone = elapsed(c, from / PIT_FINE);
        uint64_t until = (c->load_tick + (gone < step ? step : c->count)) * PIT_FINE;
        if (until > from && until < to) {
            high = high_between(c, from, until);
            from = until;
            sync_count(c, from / PIT_FINE);
        }
    }
    return high + high_between(c, from, to);
}

bool pit_get_out(void *pit, unsigned channel)
{
    Pit *s = pit;
    uint64_t now = now_tick(s);

    if (channel >= N_COUNTERS) {
        return false;
    }
    sync_count(&s->counter[channel], now);
    return counter_out(&s->counter[channel], now);
}

/* "Gate pin operations summary" of the data sheet. */
void pit_set_gate(void *pit, unsigned channel, bool level)
{
    Pit *s = pit;
    uint64_t now = now_tick(s);
    Counter *c;

    pit_refresh(s);
    if (channel >= N_COUNTERS || s->counter[channel].gate == level) {
        return;
    }
    c = &s->counter[channel];
    sync_count(c, now);
    switch (c->mode) {
    case 0: case 4:                 /* stop or go on; load_tick changes its meaning with the gate */
        c->load_tick = now > c->load_tick ? now - c->load_tick : 0;
        break;
    case 1: case 5:
        if (level) {
            c->load_tick = now;
            c->triggered = true;
        }
        break;
    default:
        if (level) {
            c->load_tick = now;
            c->count = c->next_count ? c->next_count : c->count;
            c->next_count = 0;
        }
        break;
    }
    c->gate = level;
    changed(s, channel);
}

static void pit_reset(void *dev)
{
    Pit *s = dev;
    uint64_t now = now_tick(s);
    const IrqChip *chip = s->dev.machine->irqchip;

    s->is_outside = chip && chip->pit_make && !s->before && s->iobase == PIT_PORT &&
                    chip->pit_make(s->dev.machine);
    for (unsigned n = 0; n < N_COUNTERS; n++) {
        s->counter[n] = (Counter){ .mode = 3, .rw = RW_BOTH, .gate = n != 2, .loaded = true,
                                   .count = 65536,
                                   .load_tick = now };
    }
    changed(s, 0);
}

static bool pit_restored(void *dev, GError **err)
{
    Pit *s = dev;
    uint64_t now = now_tick(s);

    for (unsigned n = 0; n < N_COUNTERS; n++) {
        s->counter[n].load_tick = MIN(s->counter[n].load_tick, now);
    }
    if (s->event_tick != UINT64_MAX) {        /* else no change is to come */
        s->event_tick = MIN(s->event_tick, now + 2 * 65536);
    }
    if (outside(s) || s->event_tick == UINT64_MAX) {
        /* another had it, or has it now, or nothing is to come */
        changed(s, 0);
    }
    return true;
}

static bool pit_realize(void *dev, GError **err)
{
    Pit *s = dev;

    timer_init(&s->timer, s->dev.machine, TIME_GUEST, pit_fire, s);
    for (unsigned n = 0; n < N_COUNTERS; n++) {
        s->counter[n].count = 65536;
    }
    return isa_irq(s, &s->irq, 0, err);
}

static void pit_unrealize(void *dev)
{
    timer_stop(&((Pit *)dev)->timer);
}

void *pit_create(Machine *m, Bus *isa, GError **err)
{
    Pit *s = device_new(m, isa, "isa-pit", NULL, err);

    return s && device_realize(s, err) ? s : NULL;
}

void pit_connect(void *pit, TimerSink *sink, void *dev, unsigned n)
{
    irq_connect(&((Pit *)pit)->irq, sink, dev, n);
}

static const Field counter_fields[] = {
    STATE(Counter, mode, .max = 5),
    STATE(Counter, rw, .min = RW_LSB, .max = RW_BOTH),
    STATE(Counter, bcd, .max = 1),
    STATE(Counter, gate),
    STATE(Counter, loaded),
    STATE(Counter, triggered),
    STATE(Counter, read_msb),
    STATE(Counter, write_msb),
    STATE(Counter, status_latched),
    STATE(Counter, latched_status),
    STATE(Counter, latched_bytes, .max = 2),
    STATE(Counter, write_lsb),
    STATE(Counter, latched_count),
    STATE(Counter, count, .min = 1, .max = 65536),
    STATE(Counter, next_count, .max = 65536),
    STATE(Counter, load_tick),
    FIELD_END
};

static const Field pit_fields[] = {
    CONFIG(Pit, iobase, .def = PIT_PORT, .max = 0xfffc, .help = "First of its four I/O ports."),
    { .name = "lost_tick_policy", .type = T_ENUM, .flags = F_CONFIG,
      .offset = offsetof(Pit, lost_ticks), .count = 1, .aux = lost_policies, .def = DELAY,
      .help = "Ticks that the host was late for: dropped, or made up as soon as it can." },
    STATE_STRUCT(Pit, counter, Counter, counter_fields),
    STATE(Pit, event_tick),
    STATE_IRQ(Pit, irq),
    STATE_TIMER(Pit, timer),
    FIELD_END
};

const DeviceClass i8254_class = {
    .name = "isa-pit",
    .alias = "kvm-pit",
    .desc = "programmable interval timer",
    .spec = "Intel 8254 (231164-005)",
    .bus = "isa",
    .size = sizeof(Pit),
    .fields = pit_fields,
    .io = &pit_ops,
    .bank_size = 4,
    .realize = pit_realize,
    .unrealize = pit_unrealize,
    .reset = pit_reset,
    .restored = pit_restored,
    .refresh = pit_refresh,
};
