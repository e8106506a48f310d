/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timers.c -- what ends a halt, with two CPUs: each timer in each mode, wires, IPIs, NMI, INIT and
 * SIPI, MONITOR; and clocks against each other.
 *
 * Each wait has one source: if that is lost the guest stands there, and if it comes early or twice
 * a count is wrong.  How late it comes is the host's affair and is not looked at.  migrate.c moves
 * this guest from machine to machine meanwhile, and says at MORE how often it still will.
 */
#include "tests/guest/mp.h"

#define MORE (*(volatile u32 *)0x500)
enum { APIC_LVT_TIMER = 0x320 / 4, APIC_TMICT = 0x380 / 4, APIC_TDCR = 0x3e0 / 4 };
enum { TSC_DEADLINE = 0x6e0, LVT_PERIODIC = 1 << 17, LVT_DEADLINE = 2 << 17, LVT_MASKED = 1 << 16 };
enum { V_TIMER = 0x22, V_IPI, V_SELF, V_PIT, V_RTC, V_HPET0, V_HPET1, V_HPET2, V_PIC = 0x38 };
enum { EOI = 0x20, PIC1 = 0x20, PIC2 = 0xa0, PIT0 = 0x40, PIT_CONTROL = 0x43, CMOS = 0x70 };
enum { PIN_PIT = 2, PIN_RTC = 8, PIN_HPET0 = 20, PIN_HPET1, PIN_HPET2 };
enum { RTE_LEVEL = 1 << 15, RTE_MASKED = 1 << 16 };
enum { N_LAPIC = 40 * ROUNDS, N_CHIP = 20 * ROUNDS, N_IPI = 200 * ROUNDS };
enum { N_START = 20 * ROUNDS, N_NMI = 20 * ROUNDS, N_CLOCK = 300 * ROUNDS };
static volatile u32 *const ioapic = (u32 *)0xfec00000;
static volatile u64 *const hpet = (u64 *)0xfed00000;
enum { HPET_CONFIG = 0x10 / 8, HPET_STATUS = 0x20 / 8, HPET_COUNTER = 0xf0 / 8 };
enum { HPET_TIMER = 0x100 / 8 };        /* two words each, four apart */
enum { HT_LEVEL = 2, HT_ENABLE = 4, HT_PERIODIC = 8, HT_SET = 0x40, HPET_NS = 10, N_AGAIN = 3 };

typedef struct Cpu {                    /* what each has counted and found */
    volatile u32 timer, ipi, self, nmi;
    u32 random, early, twice, lost;
} Cpu;
static Cpu cpus[2];
static volatile u32 pit_hits, pic_hits, rtc_hits, hpet_hits[3], hpet_again;

static inline Cpu *me(void) { return &cpus[apic[APIC_ID] >> 24 == ap_id]; }
static inline u64 rdtsc(void)
{
    u32 a, d;
    asm volatile("lfence; rdtsc" : "=a"(a), "=d"(d)::"memory");
    return a | (u64)d << 32;
}
static inline void cli(void) { asm volatile("cli" ::: "memory"); }
static inline void sti(void) { asm volatile("sti; nop" ::: "memory"); }
static u32 pick(Cpu *c, u32 from, u32 to)
{
    c->random = c->random * 1664525 + 1013904223;
    return from + (c->random >> 8) % (to - from);
}

static void spin(u64 ns)
{
    for (u64 t = rdtsc(); rdtsc() - t < ns;) {
        relax();
    }
}

/* Halted until *hits is `until`; the window between the look and HLT is STI's shadow. */
static void wait(const volatile u32 *hits, u32 until)
{
    for (;;) {
        cli();
        if ((int)(*hits - until) >= 0) {
            break;
        }
        asm volatile("sti; hlt" ::: "memory");
    }
    sti();
}

/* ---- handlers ---- */
#define APIC_HANDLER(name, what) \
    HANDLER(name); __attribute__((used)) void name(void) { what; apic[APIC_EOI] = 0; }
APIC_HANDLER(on_timer, me()->timer++)
APIC_HANDLER(on_ipi, me()->ipi++)
APIC_HANDLER(on_self, me()->self++)
APIC_HANDLER(on_pit, pit_hits++)
APIC_HANDLER(on_rtc, outb(CMOS, 0xc); if (inb(CMOS + 1) & 0x80) rtc_hits++)
APIC_HANDLER(on_hpet0, hpet_hits[0]++)
APIC_HANDLER(on_hpet1, hpet_hits[1]++)
/* The level stays for so many more turns. */
APIC_HANDLER(on_hpet2, if (hpet_again) hpet_again--; else hpet[HPET_STATUS] = 4; hpet_hits[2]++)
HANDLER(on_pic);
__attribute__((used)) void on_pic(void) { pic_hits++; outb(PIC1, EOI); }
HANDLER(on_nmi);
static volatile u32 nmi_inside, nmi_more;   /* the handler waits for another, pending then */
__attribute__((used)) void on_nmi(void)
{
    me()->nmi++;
    nmi_inside = 1;
    while (nmi_more) {
        relax();
    }
}

static void set_pin(u32 pin, u32 low, u32 id)
{
    ioapic[0] = 0x11 + 2 * pin;
    ioapic[4] = id << 24;
    ioapic[0] = 0x10 + 2 * pin;
    ioapic[4] = low;
}

/* ---- the local APIC's timer, on both CPUs at once ---- */
static void lapic_start(Cpu *c, u32 mode, u64 *ends)
{
    u32 code = pick(c, 0, 8), ns = pick(c, 1000, 400000), count;

    apic[APIC_LVT_TIMER] = V_TIMER | mode;
    if (mode == LVT_DEADLINE) {
        mfence();
        *ends = rdtsc() + ns;
        wrmsr(TSC_DEADLINE, *ends);
        return;
    }
    apic[APIC_TDCR] = (code & 3) | (code & 4) << 1;
    count = ns >> ((code + 1) & 7);
    *ends = rdtsc() + ((u64)count << ((code + 1) & 7));
    apic[APIC_TMICT] = count;
}

static u32 leaf_1_ecx(void)
{
    u32 a = 1, c = 0, d;
    asm("cpuid" : "+a"(a), "+c"(c), "=d"(d) :: "rbx");
    return c;
}

static void lapic_timers(void)
{
    static const u32 modes[] = { 0, LVT_PERIODIC, LVT_DEADLINE };
    u32 n_modes = leaf_1_ecx() >> 24 & 1 ? 3 : 2;
    Cpu *c = me();

    for (u32 i = 0; i < N_LAPIC; i++) {
        u32 mode = modes[i % n_modes], before = c->timer;
        u64 ends;
        if (i & 8) { /* it comes while interrupts are off, and waits in the IRR */
            cli();
        }
        lapic_start(c, mode, &ends);
        if (i & 8) {
            spin(pick(c, 1, 500000));
        }
        wait(&c->timer, before + (mode == LVT_PERIODIC ? 3 : 1));
        c->early += rdtsc() < ends;
        apic[APIC_TMICT] = 0;
        apic[APIC_LVT_TIMER] = V_TIMER | LVT_MASKED;
        sti();
        c->twice += mode != LVT_PERIODIC && c->timer != before + 1;
    }
}

/* What has come waits in the IRR for most of this. */
static void pending(void)
{
    Cpu *c = me();

    for (u32 i = 0; i < N_LAPIC; i++) {
        u32 timer = c->timer, self = c->self;
        cli();
        apic[APIC_LVT_TIMER] = V_TIMER;
        apic[APIC_TDCR] = 0xb;
        apic[APIC_TMICT] = 1000;
        apic[APIC_ICR] = 0x40000 | V_SELF;
        spin(300000);
        c->early += c->self != self || c->timer != timer;
        wait(&c->timer, timer + 1);
        c->lost += c->self != self + 1 || c->timer != timer + 1;
        apic[APIC_LVT_TIMER] = V_TIMER | LVT_MASKED;
    }
}

/* ---- the 8254, by the IO-APIC and by the 8259 ---- */
/* *hits from before the count was there: with it the first may come at once. */
static u32 pit_program(u32 mode, u32 count, const volatile u32 *hits)
{
    u32 before;

    outb(PIT_CONTROL, (u8)(0x30 | mode << 1));
    sti();                              /* OUT may have risen: that is none of ours */
    relax();
    before = *hits;
    outb(PIT0, (u8)count);
    outb(PIT0, (u8)(count >> 8));
    return before;
}

static void pit(int by_pic)
{
    static const u8 modes[] = { 0, 2, 3, 4 };
    const volatile u32 *hits = by_pic ? &pic_hits : &pit_hits;
    u32 bsp = apic[APIC_ID] >> 24;
    Cpu *c = me();

    for (u32 i = 0; i < N_CHIP; i++) {
        u32 mode = modes[i & 3], count = pick(c, 100, 900), before;
        set_pin(PIN_PIT, V_PIT | (by_pic ? RTE_MASKED : 0), bsp);
        outb(PIC1 + 1, by_pic ? 0xfe : 0xff);
        outb(PIT_CONTROL, 0x30);
        sti();
        before = pit_program(mode, count, hits);
        wait(hits, before + (mode == 2 || mode == 3 ? 3 : 1));
    }
    outb(PIT_CONTROL, 0x30);
    outb(PIC1 + 1, 0xff);
    set_pin(PIN_PIT, V_PIT | RTE_MASKED, bsp);
    sti();
}

static void pit_by_ioapic(void) { pit(0); }
static void pit_by_pic(void) { pit(1); }

/* ---- the HPET: three comparators at once; edges, periods, a level that stays ---- */
/*
 * The counter must not be there yet when it is set: else the match would be a turn of the counter
 * away.  Another try begins with nothing under way, and aims twice as far: where each access leaves
 * the guest, four of them may take longer than `ticks`.  *before: the hits until then.
 */
static u64 hpet_set(u32 n, u32 config, u32 ticks, u32 *before)
{
    volatile u64 *t = hpet + HPET_TIMER + 4 * n;
    u64 at;

    for (;; ticks *= 2) {
        t[0] = config & HT_PERIODIC;
        sti();
        *before = hpet_hits[n];
        hpet_again = config & HT_LEVEL ? N_AGAIN : hpet_again;
        at = hpet[HPET_COUNTER] + ticks;
        t[0] = config | (config & HT_PERIODIC ? HT_SET : 0);
        t[1] = at;
        if (config & HT_PERIODIC) {
            t[1] = ticks;
        }
        if ((long long)(hpet[HPET_COUNTER] - at) < 0) {
            return at;
        }
    }
}

static void hpet_timers(void)
{
    u32 bsp = apic[APIC_ID] >> 24;
    Cpu *c = me();

    set_pin(PIN_HPET0, V_HPET0, bsp);
    set_pin(PIN_HPET1, V_HPET1, bsp);
    set_pin(PIN_HPET2, V_HPET2 | RTE_LEVEL, bsp);
    for (u32 i = 0; i < N_CHIP; i++) {
        u32 before[3];
        u64 at = hpet_set(0, HT_ENABLE | PIN_HPET0 << 9, pick(c, 500, 30000), &before[0]);
        hpet_set(1, HT_ENABLE | HT_PERIODIC | PIN_HPET1 << 9, pick(c, 5000, 30000), &before[1]);
        hpet_set(2, HT_ENABLE | HT_LEVEL | PIN_HPET2 << 9, pick(c, 500, 30000), &before[2]);
        wait(&hpet_hits[0], before[0] + 1);
        c->early += hpet[HPET_COUNTER] < at;
        wait(&hpet_hits[1], before[1] + 3);
        wait(&hpet_hits[2], before[2] + 1 + N_AGAIN);
        for (u32 n = 0; n < 3; n++) {
            hpet[HPET_TIMER + 4 * n] = 0;
        }
        sti();
        c->twice += hpet_hits[0] != before[0] + 1 || hpet_hits[2] != before[2] + 1 + N_AGAIN;
    }
    for (u32 pin = PIN_HPET0; pin <= PIN_HPET2; pin++) {
        set_pin(pin, RTE_MASKED, 0);
    }
}

/* ---- the RTC ---- */
static void cmos(u8 reg, u8 v)
{
    outb(CMOS, reg);
    outb(CMOS + 1, v);
}

static void rtc(void)
{
    set_pin(PIN_RTC, V_RTC, apic[APIC_ID] >> 24);
    for (u32 rate = 3; rate < 8; rate++) {
        u32 before = rtc_hits;
        cli();
        cmos(0xa, (u8)(0x20 | rate));
        cmos(0xb, 0x42);                /* periodic */
        sti();
        wait(&rtc_hits, before + 4);
        cli();
        cmos(0xb, 2);
        outb(CMOS, 0xc);
        inb(CMOS + 1);
        sti();
    }
    set_pin(PIN_RTC, RTE_MASKED, 0);
}

/* ---- between the CPUs ---- */
static u32 bsp_id;
static void send(u32 id, u32 icr)
{
    apic[APIC_ICR2] = id << 24;
    apic[APIC_ICR] = icr;
}

static void answer(void)
{
    for (u32 i = 1; i <= N_IPI; i++) {
        wait(&cpus[1].ipi, i);
        send(bsp_id, V_IPI);
    }
}

static void ask(void)
{
    for (u32 i = 1; i <= N_IPI; i++) {
        send(ap_id, V_IPI | (i & 1 ? 0 : 0x100));       /* fixed, lowest priority */
        wait(&cpus[0].ipi, i);
    }
}

/* Two for each round: the second is pending while the first one's handler runs. */
static volatile u32 nmis_taken, go_on;
static void take_nmis(void)
{
    cli();
    for (u32 i = 1; i <= N_NMI; i++) {
        while (cpus[1].nmi < 2 * i) {
            relax();
        }
        nmis_taken = i;
    }
    sti();
}

static void send_nmis(void)
{
    for (u32 i = 1; i <= N_NMI; i++) {
        nmi_more = 1;
        nmi_inside = 0;
        send(ap_id, 0x400);
        while (!nmi_inside) {
            relax();
        }
        send(ap_id, 0x400);
        spin(200000);
        nmi_more = 0;
        while (nmis_taken != i) {
            relax();
        }
    }
}

/* NMIs end a HLT with interrupts off: the look before it races with them, so they come until it is
 * over. */
static void halt_for_nmis(void)
{
    cli();
    for (u32 i = 0; i < N_START; i++) {
        asm volatile("hlt" ::: "memory");
        go_on = i + 1;
    }
    sti();
}

static void end_halts(void)
{
    for (u32 i = 0; i < N_START; i++) {
        while (go_on == i) {
            send(ap_id, 0x400);
            spin(20000);
        }
    }
}

static void nothing(void) { }
static void start_again(void)
{
    both(nothing, nothing);             /* what it finds to do when it comes back */
    for (u32 i = 0; i < N_START; i++) {
        ap_ready = 0;
        mfence();
        send(ap_id, 0x4500);
        if (i & 1) {
            spin(pick(&cpus[0], 1, 100000));
        }
        send(ap_id, 0x4608);
        while (!ap_ready) {
            relax();
        }
    }
}

static volatile u32 line[64] __attribute__((aligned(64))), line_seen;
static void watch(void)
{
    for (u32 i = 1; i <= N_IPI; i++) {
        while (line[0] < i) {
            asm volatile("monitor" :: "a"(line), "c"(0), "d"(0));
            if (line[0] < i) {
                asm volatile("mwait" :: "a"(0), "c"(0) : "memory");
            }
        }
        line_seen = i;
    }
}

static void write_line(void)
{
    for (u32 i = 1; i <= N_IPI; i++) {
        line[0] = i;
        while (line_seen != i) {
            relax();
        }
    }
}

/* ---- clocks ---- */
static volatile u32 tsc_lock;
static volatile u64 tsc_last;
static volatile u32 tsc_back;
static void watch_tsc(void)
{
    for (u32 i = 0; i < 10 * N_CLOCK; i++) {
        u64 t;
        while (__atomic_exchange_n(&tsc_lock, 1, __ATOMIC_SEQ_CST)) {
            relax();
        }
        t = rdtsc();
        tsc_back += t < tsc_last;
        tsc_last = t;
        __atomic_store_n(&tsc_lock, 0, __ATOMIC_SEQ_CST);
    }
}

static long long offset_low = -(1ll << 62), offset_high = 1ll << 62;
static void compare_hpet(void)
{
    for (u32 i = 0; i < N_CLOCK; i++) {     /* TSC = HPET + offset, always the same one */
        long long t1 = (long long)rdtsc(), h = (long long)hpet[HPET_COUNTER] * HPET_NS,
                  t2 = (long long)rdtsc();
        offset_low = t1 - h - HPET_NS > offset_low ? t1 - h - HPET_NS : offset_low;
        offset_high = t2 - h < offset_high ? t2 - h : offset_high;
    }
}

/* ---- all of it ---- */
static u32 laps;
static void lap(void)
{
    compare_hpet();
    both(lapic_timers, lapic_timers);
    both(pending, pending);
    both(lapic_timers, pit_by_ioapic);
    both(lapic_timers, pit_by_pic);
    both(lapic_timers, hpet_timers);
    both(lapic_timers, rtc);
    cpus[0].ipi = cpus[1].ipi = 0;
    both(answer, ask);
    if (cpus[0].ipi != N_IPI || cpus[1].ipi != N_IPI) {
        check("IPIs", (u64)cpus[0].ipi << 32 | cpus[1].ipi, (u64)N_IPI << 32 | N_IPI);
    }
    cpus[1].nmi = nmis_taken = 0;
    both(take_nmis, send_nmis);
    if (cpus[1].nmi != 2 * N_NMI) {
        check("NMIs", cpus[1].nmi, 2 * N_NMI);
    }
    go_on = 0;
    both(halt_for_nmis, end_halts);
    start_again();
    line[0] = line_seen = 0;
    if (leaf_1_ecx() >> 3 & 1) {
        both(watch, write_line);
    }
    both(watch_tsc, watch_tsc);
    compare_hpet();
    laps++;
}

static void init_chips(void)
{
    static const u8 icw[][2] = {
        { PIC1, 0x11 }, { PIC1 + 1, V_PIC }, { PIC1 + 1, 4 }, { PIC1 + 1, 1 }, { PIC2, 0x11 },
        { PIC2 + 1, V_PIC }, { PIC2 + 1, 2 }, { PIC2 + 1, 1 },
        { PIC1 + 1, 0xff }, { PIC2 + 1, 0xff },
    };
    static const struct { u32 vector; char *entry; } gates[] = {
        { V_TIMER, on_timer_entry }, { V_IPI, on_ipi_entry }, { V_SELF, on_self_entry },
        { V_PIT, on_pit_entry },
        { V_RTC, on_rtc_entry }, { V_HPET0, on_hpet0_entry }, { V_HPET1, on_hpet1_entry },
        { V_HPET2, on_hpet2_entry }, { V_PIC, on_pic_entry }, { 2, on_nmi_entry },
    };

    for (u32 i = 0; i < sizeof gates / sizeof *gates; i++) {
        set_gate(gates[i].vector, (u64)gates[i].entry, CS0, 0x8e, 0);
    }
    for (u32 i = 0; i < sizeof icw / sizeof *icw; i++) {
        outb(icw[i][0], icw[i][1]);
    }
    apic[0x350 / 4] = 0x700;            /* LINT0: ExtINT */
    hpet[HPET_CONFIG] = 1;
}

__attribute__((used)) int main(void)
{
    setup();
    pdp[3] = 0xc0000083;
    start_ap();
    init_chips();
    bsp_id = apic[APIC_ID] >> 24;
    cpus[1].random = 77;
    sti();
    do {
        lap();
    } while (MORE && !n_failed);
    check("no timer early", cpus[0].early + cpus[1].early, 0);
    check("none lost or twice where they waited", cpus[0].lost + cpus[1].lost, 0);
    check("none twice", cpus[0].twice + cpus[1].twice, 0);
    check("the TSC never counts back", tsc_back, 0);
    check("TSC and HPET go together", offset_low <= offset_high, 1);
    check("laps", laps > 0, 1);
    finish();
}
