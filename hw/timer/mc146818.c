/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mc146818.c -- real-time clock with 128 bytes of CMOS memory.
 *
 * Spec: Motorola MC146818A (ADI856R2); 128 bytes, index port and century byte 32h as on every PC
 *   since: PIIX4 (290562-001).
 * Omits: SQW pin, daylight saving (DSE is kept), the NMI mask in bit 7 of port 70, years before
 *   1970; the first update after a divider reset comes when the second would have ended, not after
 *   500 ms.
 * Threads: with the machine lock.
 *
 * Nothing ticks: the time registers are computed when read, the flags of register C when somebody
 * looks or an enabled interrupt is due.
 */
#include "core/clock.h"
#include "hw/misc/isa.h"
#include "hw/timer/timer.h"
#include "core/trace.h"
#include <string.h>

enum { RTC_PORT = 0x70, RTC_IRQ = 8, CMOS_BYTES = 128 };
enum { /* address map: figure 7 */
       RTC_SECONDS,
       RTC_SECONDS_ALARM,
       RTC_MINUTES,
       RTC_MINUTES_ALARM,
       RTC_HOURS,
       RTC_HOURS_ALARM,
       RTC_DAY_OF_WEEK,
       RTC_DAY,
       RTC_MONTH,
       RTC_YEAR,
       REG_A,
       REG_B,
       REG_C,
       REG_D,
       RTC_CENTURY = 0x32,
};
enum { A_UIP = 0x80, A_DV = 0x70, A_DV_RUN = 0x20, A_RS = 0x0f };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_SQWE = 0x08, B_DM = 0x04,
       B_24H = 0x02 };
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10 };
enum { D_VRT = 0x80, HOUR_PM = 0x80, ANY = 0xc0 };

#define NS_PER_S        1000000000ull
#define CRYSTAL_HZ      32768ull
#define UIP_NS          244141u       /* UIP rises this long before the update: table 6 */
#define SLEW_NS         200000u      /* a lost interrupt comes this long after the last was taken */
#define MAX_LOST        8192u
#define DAY_S           86400
#define MAX_YEAR        9999
#define LAST_SECOND     253402300799ll          /* 9999-12-31 23:59:59 */

typedef struct Rtc {
    Device   dev;
    /* the time registers in it are valid while the clock is halted */
    uint8_t  cmos[CMOS_BYTES];
    uint8_t  index;
    uint8_t  dow_shift;             /* the guest's idea of the day of the week, less the true one */
    bool     halted;                  /* SET, or the divider held in reset */
    /* periodic interrupts that a guest was too slow for come later */
    bool     slew;
    uint32_t lost;                    /* of them */
    /* what the guest has changed, in all: for programs, not state */
    int64_t  told_s;
    int64_t  base_s;                  /* time of day when the clock showed base_ns */
    uint64_t base_ns, seen_ns;        /* flags in C are complete up to seen_ns */
    Timer    timer;
    TimeBase time_base;
    Irq      irq;
    uint32_t iobase;
} Rtc;

typedef struct Date {
    int64_t  year;
    unsigned month, day, hour, minute, second, weekday;     /* 1-12, 1-31, ..., 0 is Sunday */
} Date;

/*
 * --- the calendar: days since 1970 in the proleptic Gregorian calendar, counted in years that
 * begin in March
 */

static int64_t days_from_date(const Date *d)
{
    int64_t y = d->year - (d->month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = y - era * 400,
             doy = (153 * (d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static Date date_from_seconds(int64_t t)
{
    int64_t days = t / DAY_S, rest = t % DAY_S, z = days + 719468, era = z / 146097;
    unsigned doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    Date d = { .day = doy - (153 * mp + 2) / 5 + 1, .month = mp < 10 ? mp + 3 : mp - 9,
               .hour = rest / 3600,
               .minute = rest / 60 % 60, .second = rest % 60, .weekday = (days + 4) % 7 };

    d.year = (int64_t)yoe + era * 400 + (d.month <= 2);
    return d;
}

/* --- registers to numbers and back ------------------------------------------------------------ */

static unsigned decode(const Rtc *s, uint8_t v)
{
    return s->cmos[REG_B] & B_DM ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode(const Rtc *s, unsigned v)
{
    return s->cmos[REG_B] & B_DM ? v : v / 10 << 4 | v % 10;
}

static unsigned decode_hour(const Rtc *s, uint8_t v)
{
    unsigned h;

    if (s->cmos[REG_B] & B_24H) {
        return decode(s, v);
    }
    h = decode(s, v & ~HOUR_PM) % 12;
    return v & HOUR_PM ? h + 12 : h;
}

static uint8_t encode_hour(const Rtc *s, unsigned h)
{
    if (s->cmos[REG_B] & B_24H) {
        return encode(s, h);
    }
    return encode(s, h % 12 ? h % 12 : 12) | (h >= 12 ? HOUR_PM : 0);
}

static uint64_t rtc_now(const Rtc *s)
{
    return time_now(s->dev.machine, s->time_base);
}

static int64_t seconds_at(const Rtc *s, uint64_t ns)
{
    int64_t t = s->base_s + (ns > s->base_ns ? (int64_t)((ns - s->base_ns) / NS_PER_S) : 0);

    return CLAMP(t, 0, LAST_SECOND);
}

/* The moment at which second t begins. */
static uint64_t ns_at(const Rtc *s, int64_t t)
{
    return t > s->base_s ? s->base_ns + (uint64_t)(t - s->base_s) * NS_PER_S : s->base_ns;
}

static void time_to_cmos(Rtc *s)
{
    Date d = date_from_seconds(seconds_at(s, rtc_now(s)));

    s->cmos[RTC_SECONDS] = encode(s, d.second);
    s->cmos[RTC_MINUTES] = encode(s, d.minute);
    s->cmos[RTC_HOURS] = encode_hour(s, d.hour);
    s->cmos[RTC_DAY_OF_WEEK] = encode(s, (d.weekday + s->dow_shift) % 7 + 1);
    s->cmos[RTC_DAY] = encode(s, d.day);
    s->cmos[RTC_MONTH] = encode(s, d.month);
    s->cmos[RTC_YEAR] = encode(s, d.year % 100);
    s->cmos[RTC_CENTURY] = encode(s, d.year / 100 % 100);
}

/* A guest that sets its clock writes register after register: programs hear of what differs. */
static void tell_change(Rtc *s, int64_t by_s)
{
    GVariantBuilder b;

    if (!by_s) {
        return;
    }
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    s->told_s += by_s;
    g_variant_builder_add(&b, "{sv}", "offset", g_variant_new_int64(s->told_s));
    g_variant_builder_add(&b, "{sv}", "qom-path", g_variant_new_string(s->dev.path));
    machine_event(s->dev.machine, "RTC_CHANGE", g_variant_builder_end(&b));
}

/* What a guest wrote may be nonsense: it becomes some valid time. */
static void time_from_cmos(Rtc *s)
{
    uint64_t now = rtc_now(s), phase = now > s->base_ns ? (now - s->base_ns) % NS_PER_S : 0;
    Date d = {
        .year = MIN(decode(s, s->cmos[RTC_CENTURY]) * 100 + decode(s, s->cmos[RTC_YEAR]), MAX_YEAR),
        .month = CLAMP(decode(s, s->cmos[RTC_MONTH]), 1, 12),
        .day = CLAMP(decode(s, s->cmos[RTC_DAY]), 1, 31),
    };
    int64_t t, wanted = (int64_t)decode(s, s->cmos[RTC_DAY_OF_WEEK]) - 1;

    t = days_from_date(&d) * DAY_S + MIN(decode_hour(s, s->cmos[RTC_HOURS]), 23) * 3600 +
        MIN(decode(s, s->cmos[RTC_MINUTES]), 59) * 60 + MIN(decode(s, s->cmos[RTC_SECONDS]), 59);
    int64_t shown = seconds_at(s, now);
    s->base_s = CLAMP(t, 0, LAST_SECOND);
    s->base_ns = now - phase;
    tell_change(s, s->base_s - shown);
    s->dow_shift = (CLAMP(wanted, 0, 6) + 7 - date_from_seconds(s->base_s).weekday) % 7;
}

/* --- flags and interrupts --------------------------------------------------------------------- */

/* Crystal periods between periodic interrupts, 0: none.  Table 5, for a 32.768 kHz time base. */
static unsigned periodic_ticks(const Rtc *s)
{
    unsigned rs = s->cmos[REG_A] & A_RS;

    if (rs == 0 || (s->cmos[REG_A] & A_DV) != A_DV_RUN) {
        return 0;
    }
    return 1u << (rs <= 2 ? rs + 6 : rs - 1);
}

static bool alarm_part(const Rtc *s, uint8_t alarm, unsigned have, bool hour)
{
    return (alarm & ANY) == ANY || (hour ? decode_hour(s, alarm) : decode(s, alarm)) == have;
}

/* The first second after t that matches the alarm, or -1. */
static int64_t next_alarm(const Rtc *s, int64_t t)
{
    int64_t end = t + DAY_S;

    for (t++; t <= end;) {
        unsigned of_day = t % DAY_S;

        if (!alarm_part(s, s->cmos[RTC_HOURS_ALARM], of_day / 3600, true)) {
            t += 3600 - of_day % 3600;
        } else if (!alarm_part(s, s->cmos[RTC_MINUTES_ALARM], of_day / 60 % 60, false)) {
            t += 60 - of_day % 60;
        } else if (!alarm_part(s, s->cmos[RTC_SECONDS_ALARM], of_day % 60, false)) {
            t++;
        } else {
            return t;
        }
    }
    return -1;
}

static void update_irq(Rtc *s)
{
    bool irq = s->cmos[REG_B] & s->cmos[REG_C] & (C_PF | C_AF | C_UF);

    s->cmos[REG_C] = irq ? s->cmos[REG_C] | C_IRQF : s->cmos[REG_C] & ~C_IRQF;
    irq_set(&s->irq, irq);
}

/*
 * Periodic interrupts between seen_ns and now.  Those that find PF still set would be lost: slewing
 * keeps count of them.
 */
static void periodic(Rtc *s, uint64_t now)
{
    unsigned ticks = periodic_ticks(s);
    uint64_t n = 0;

    if (ticks) {
        n = muldiv64(now, CRYSTAL_HZ, NS_PER_S) / ticks -
            muldiv64(s->seen_ns, CRYSTAL_HZ, NS_PER_S) / ticks;
    }
    if (n && s->slew && (s->cmos[REG_B] & B_PIE)) {
        n -= s->cmos[REG_C] & C_PF ? 0 : 1;
        s->lost = MIN(s->lost + n, MAX_LOST);
        s->cmos[REG_C] |= C_PF;
    } else if (n) {
        s->cmos[REG_C] |= C_PF;
    }
}

/* Everything that happened since seen_ns goes into register C. */
static void catch_up(Rtc *s)
{
    uint64_t now = rtc_now(s);
    int64_t before, t, alarm;

    if (now <= s->seen_ns) {
        s->seen_ns = now;             /* a host clock may be set back */
        return;
    }
    periodic(s, now);
    before = seconds_at(s, s->seen_ns);
    t = seconds_at(s, now);
    if (!s->halted && t != before) {
        s->cmos[REG_C] |= C_UF;
        alarm = next_alarm(s, before);
        if (alarm >= 0 && alarm <= t) {
            s->cmos[REG_C] |= C_AF;
        }
    }
    s->seen_ns = now;
    update_irq(s);
}

/* Wake up for the next enabled interrupt. */
static void arm(Rtc *s)
{
    uint64_t now = s->seen_ns, at = UINT64_MAX, tick;
    unsigned ticks = periodic_ticks(s);
    int64_t t = seconds_at(s, now), alarm;

    if ((s->cmos[REG_B] & B_PIE) && ticks) {
        tick = (muldiv64(now, CRYSTAL_HZ, NS_PER_S) / ticks + 1) * ticks;
        at = muldiv64(tick, NS_PER_S, CRYSTAL_HZ) + 1;
        if (s->lost && !(s->cmos[REG_C] & C_PF)) {
            at = MIN(at, now + SLEW_NS);
        }
    }
    if (!s->halted && (s->cmos[REG_B] & B_UIE)) {
        at = MIN(at, ns_at(s, t + 1));
    }
    if (!s->halted && (s->cmos[REG_B] & B_AIE)) {
        alarm = next_alarm(s, t);
        at = alarm >= 0 ? MIN(at, ns_at(s, alarm)) : at;
    }
    if (at == UINT64_MAX) {
        timer_stop(&s->timer);
    } else {
        timer_arm(&s->timer, MAX(at, now + 1));
    }
}

static void rtc_fire(void *dev)
{
    Rtc *s = dev;

    catch_up(s);
    if (s->lost && !(s->cmos[REG_C] & C_PF) && (s->cmos[REG_B] & B_PIE)) {
        s->lost--;
        s->cmos[REG_C] |= C_PF;
        update_irq(s);
    }
    arm(s);
}

/* --- access ----------------------------------------------------------------------------------- */

static bool is_time(unsigned index)
{
    return index == RTC_CENTURY || (index <= RTC_YEAR && index != RTC_SECONDS_ALARM &&
                                    index != RTC_MINUTES_ALARM && index != RTC_HOURS_ALARM);
}

/* SET or the divider changed: freeze the registers, or go on from what is in them. */
static void set_halted(Rtc *s)
{
    /* DV 11x: divider in reset */
    bool halted = (s->cmos[REG_B] & B_SET) || (s->cmos[REG_A] & 0x60) == 0x60;

    if (halted && !s->halted) {
        time_to_cmos(s);
    } else if (!halted && s->halted) {
        time_from_cmos(s);
    }
    s->halted = halted;
}

static uint8_t cmos_read(Rtc *s, unsigned index)
{
    uint64_t now = rtc_now(s), phase = now > s->base_ns ? (now - s->base_ns) % NS_PER_S : 0;
    uint8_t val;

    if (is_time(index) && !s->halted) {
        time_to_cmos(s);
    }
    switch (index) {
    case REG_A:
        return s->cmos[REG_A] | (!s->halted && phase >= NS_PER_S - UIP_NS ? A_UIP : 0);
    case REG_C:                       /* reading clears all */
        catch_up(s);
        val = s->cmos[REG_C];
        s->cmos[REG_C] = 0;
        irq_set(&s->irq, false);
        arm(s);
        return val;
    default:
        return s->cmos[index];
    }
}

static void cmos_write(Rtc *s, unsigned index, uint8_t val)
{
    trace_rtc_write(index, val);
    if (index == REG_C || index == REG_D) {
        return;                       /* read-only */
    }
    catch_up(s);
    if (is_time(index) && !s->halted) {
        time_to_cmos(s);
        s->cmos[index] = val;
        time_from_cmos(s);
    } else if (index == REG_A) {
        s->cmos[REG_A] = val & ~A_UIP;
        s->lost = 0;
        set_halted(s);
    } else if (index == REG_B) {
        if (!s->halted && (val & B_SET)) {
            time_to_cmos(s);          /* in the old format */
            s->halted = true;
        }
        s->cmos[REG_B] = val & B_SET ? val & ~B_UIE : val;    /* SET clears UIE */
        s->lost = val & B_PIE ? s->lost : 0;
        set_halted(s);
        update_irq(s);
    } else {
        s->cmos[index] = val;
    }
    arm(s);
}

static uint64_t rtc_read(void *dev, hwaddr off, unsigned size)
{
    Rtc *s = dev;

    return off & 1 ? cmos_read(s, s->index) : 0xff;   /* the index cannot be read */
}

static void rtc_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Rtc *s = dev;

    if (off & 1) {
        cmos_write(s, s->index, val);
    } else {
        s->index = val & (CMOS_BYTES - 1);
    }
}

static const MmioOps rtc_ops = { .read = rtc_read, .write = rtc_write, .min = 1, .max = 1 };

/* --- life ------------------------------------------------------------------------------------- */

void rtc_set_time(void *rtc, int64_t seconds, TimeBase base)
{
    Rtc *s = rtc;

    timer_stop(&s->timer);
    s->time_base = base;
    timer_init(&s->timer, s->dev.machine, base, rtc_fire, s);
    s->base_s = CLAMP(seconds, 0, LAST_SECOND);
    s->base_ns = s->seen_ns = rtc_now(s);
    s->dow_shift = 0;
    time_to_cmos(s);
    arm(s);
}

void rtc_set_slew(void *rtc, bool on)
{
    ((Rtc *)rtc)->slew = on;
}

void rtc_cmos_set(void *rtc, unsigned index, uint8_t val)
{
    Rtc *s = rtc;

    g_assert(index > REG_D && index < CMOS_BYTES && index != RTC_CENTURY);
    s->cmos[index] = val;
}

static void rtc_reset(void *dev)
{
    Rtc *s = dev;

    /* RESET pin: the clock itself goes on */
    s->cmos[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    s->cmos[REG_C] = 0;
    s->index = 0;
    s->lost = 0;
    irq_set(&s->irq, false);
    arm(s);
}

static bool rtc_restored(void *dev, GError **err)
{
    Rtc *s = dev;
    uint64_t now = rtc_now(s);

    s->seen_ns = MIN(s->seen_ns, now);
    s->base_ns = MIN(s->base_ns, now);
    return true;
}

static bool rtc_realize(void *dev, GError **err)
{
    Rtc *s = dev;

    s->cmos[REG_A] = A_DV_RUN | 6;    /* what every PC's firmware leaves: 1.024 kHz, 24 hours */
    s->cmos[REG_B] = B_24H;
    s->cmos[REG_D] = D_VRT;
    timer_init(&s->timer, s->dev.machine, TIME_GUEST, rtc_fire, s);
    rtc_set_time(s, g_get_real_time() / G_USEC_PER_SEC, TIME_GUEST);
    s->dev.bank.late = 1;             /* the index */
    return isa_irq(s, &s->irq, RTC_IRQ, err);
}

static void rtc_unrealize(void *dev)
{
    timer_stop(&((Rtc *)dev)->timer);
}

void *rtc_create(Machine *m, Bus *isa, GError **err)
{
    Rtc *s = device_new(m, isa, "mc146818rtc", NULL, err);

    return s && device_realize(s, err) ? s : NULL;
}

void rtc_connect(void *rtc, TimerSink *sink, void *dev, unsigned n)
{
    irq_connect(&((Rtc *)rtc)->irq, sink, dev, n);
}

static const Field rtc_fields[] = {
    CONFIG(Rtc, iobase, .def = RTC_PORT, .max = 0xfffe, .help = "First of its two I/O ports."),
    STATE_ARRAY(Rtc, cmos),
    STATE(Rtc, index, .max = CMOS_BYTES - 1),
    STATE(Rtc, dow_shift, .max = 6),
    STATE(Rtc, halted),
    STATE(Rtc, lost, .max = MAX_LOST),
    STATE(Rtc, base_s, .max = LAST_SECOND),
    STATE(Rtc, base_ns),
    STATE(Rtc, seen_ns),
    STATE_TIMER(Rtc, timer),
    STATE_IRQ(Rtc, irq),
    FIELD_END
};

const DeviceClass mc146818_class = {
    .name = "mc146818rtc",
    .desc = "real-time clock and CMOS memory",
    .spec = "Motorola MC146818A (ADI856R2)",
    .bus = "isa",
    .size = sizeof(Rtc),
    .fields = rtc_fields,
    .io = &rtc_ops,
    .bank_size = 2,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
    .restored = rtc_restored,
};
