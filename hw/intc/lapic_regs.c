/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic_regs.c -- the local APIC's registers, as the memory page (xAPIC) and as MSRs 800h-8FFh
 * (x2APIC).
 *
 * Spec: Intel SDM vol. 3A, tables 11-1 and 11-6, figures 11-8 to 11-18; x2APIC: 11.12.
 * Omits: CMCI LVT (the version register says so); remote read (obsolete).
 * Threads: any; takes the APIC's lock.
 */
#include "hw/intc/lapic.h"

/* Version 14h, highest LVT entry 5, suppression of EOI broadcasts. */
#define VERSION         (0x14u | (N_LVT - 1) << 16 | 1u << 24)

/* vector, mode, logical, level 14, trigger 15, shorthand 19:18; not status 12 */
#define ICR_WRITABLE    0x000ccfffu
#define ICR_RESERVED_X2 0xfff32000u
#define SVR_WRITABLE    0x000011ffu

static const uint32_t lvt_writable[N_LVT] = {
    [LVT_TIMER] = 0x000700ff, [LVT_THERMAL] = 0x000107ff, [LVT_PERF] = 0x000107ff,
    [LVT_LINT0] = 0x0001a7ff, [LVT_LINT1] = 0x0001a7ff, [LVT_ERROR] = 0x000100ff,
};

static bool vector_mode(unsigned mode)
{
    return mode == DM_FIXED || mode == DM_LOWEST;
}

/* --- interrupt command ------------------------------------------------------------------------ */

static void send_ipi(Lapic *s, uint64_t icr, bool x2)
{
    unsigned vector = icr & 0xff, mode = (icr >> 8) & 7;
    ApicMessage msg = {
        .dest = x2 ? icr >> 32 : icr >> 56,
        .logical = icr & (1 << 11),
        .assert = icr & (1 << 14),
        .level = icr & (1 << 15),
        .vector = vector,
        .mode = mode,
    };

    msg.everybody = msg.dest == (x2 ? 0xffffffffu : 0xffu);
    if (vector_mode(mode) && vector < 16) {
        g_mutex_lock(&s->lock);
        lapic_error_locked(s, ESR_SEND_ILLEGAL);
        g_mutex_unlock(&s->lock);
        return;
    }
    if (mode == DM_RESERVED || mode == DM_EXTINT) {
        return;                       /* 11.6.1: not to be sent */
    }
    if (mode != DM_INIT) {
        msg.level = false;            /* level is for INIT de-assert only: IPIs are edges */
    }
    apicbus_deliver(s->bus, &msg, s, (icr >> 18) & 3);
}

static void write_icr(Lapic *s, uint64_t icr)
{
    bool x2;

    g_mutex_lock(&s->lock);
    s->icr = icr;
    x2 = lapic_is_x2(s);
    g_mutex_unlock(&s->lock);
    send_ipi(s, icr, x2);
}

/* --- registers that both faces share ---------------------------------------------------------- */

static uint32_t read_locked(Lapic *s, uint32_t off, bool *known)
{
    int irr, isr;

    switch (off) {
    case APIC_ID:
        return lapic_is_x2(s) ? s->initial_id : s->id << 24;
    case APIC_VERSION:
        return VERSION;
    case APIC_TPR:
        return s->tpr;
    case APIC_APR:                    /* the best of what waits, what runs and the task */
        irr = lapic_highest(s->irr);
        isr = lapic_highest(s->isr);
        irr = MAX(irr, 0) & 0xf0;
        isr = MAX(isr, 0) & 0xf0;
        return (int)(s->tpr & 0xf0) >= MAX(irr, isr) ? s->tpr : (uint32_t)MAX(irr, isr);
    case APIC_PPR:
        return lapic_ppr_locked(s);
    case APIC_EOI: case APIC_RRD:
        return 0;
    case APIC_LDR:
        return s->ldr;
    case APIC_DFR:
        return s->dfr;
    case APIC_SVR:
        return s->svr;
    case APIC_ISR ... APIC_ISR + 0x70:
        return s->isr[(off - APIC_ISR) >> 4];
    case APIC_TMR ... APIC_TMR + 0x70:
        return s->tmr[(off - APIC_TMR) >> 4];
    case APIC_IRR ... APIC_IRR + 0x70:
        return s->irr[(off - APIC_IRR) >> 4];
    case APIC_ESR:
        return s->esr;
    case APIC_ICR:
        return s->icr;
    case APIC_ICR_HIGH:
        return s->icr >> 32;
    case APIC_LVT ... APIC_LVT + (N_LVT - 1) * 0x10:
        return s->lvt[(off - APIC_LVT) >> 4];
    case APIC_TMICT:
        return s->initial_count;
    case APIC_TMCCT:
        return lapic_timer_count_locked(s);
    case APIC_TDCR:
        return s->divide;
    default:
        *known = false;
        return 0;
    }
}

static void write_lvt_locked(Lapic *s, unsigned n, uint32_t val)
{
    uint32_t old = s->lvt[n];

    /* kept while level triggered */
    s->lvt[n] = (val & lvt_writable[n]) | (old & LVT_REMOTE_IRR & (val >> 1));
    if (!(s->svr & SVR_ENABLE)) {
        s->lvt[n] |= LVT_MASK;        /* 11.4.7.2 */
    }
    if (n == LVT_TIMER) {
        lapic_timer_lvt_locked(s, old);
    } else if (n == LVT_LINT0 && (s->lvt[n] & LVT_LEVEL) && (s->pins & 1)) {
        lapic_local_locked(s, n);     /* a level that was there already */
    }
}

static void write_svr_locked(Lapic *s, uint32_t val)
{
    s->svr = val & SVR_WRITABLE;
    if (!(s->svr & SVR_ENABLE)) {
        for (unsigned i = 0; i < N_LVT; i++) {
            s->lvt[i] |= LVT_MASK;
        }
    }
}

static void write_locked(Lapic *s, uint32_t off, uint32_t val, bool *known)
{
    switch (off) {
    case APIC_ID:
        s->id = val >> 24;
        break;
    case APIC_TPR:
        s->tpr = val & 0xff;
        break;
    case APIC_LDR:
        s->ldr = val & 0xff000000;
        break;
    case APIC_DFR:
        s->dfr = val | 0x0fffffff;
        break;
    case APIC_SVR:
        write_svr_locked(s, val);
        break;
    case APIC_ESR:                    /* 11.5.3: a write takes in what was collected */
        s->esr = s->esr_seen;
        s->esr_seen = 0;
        break;
    case APIC_ICR_HIGH:
        s->icr = (s->icr & 0xffffffff) | (uint64_t)(val & 0xff000000) << 32;
        break;
    case APIC_LVT ... APIC_LVT + (N_LVT - 1) * 0x10:
        write_lvt_locked(s, (off - APIC_LVT) >> 4, val);
        break;
    case APIC_TMICT:
        lapic_timer_start_locked(s, val);
        break;
    case APIC_TDCR:
        lapic_timer_divide_locked(s, val);
        break;
    case APIC_VERSION: case APIC_APR: case APIC_PPR: case APIC_RRD: case APIC_TMCCT:
    case APIC_ISR ... APIC_ISR + 0x70:
    case APIC_TMR ... APIC_TMR + 0x70:
    case APIC_IRR ... APIC_IRR + 0x70:
        return;                       /* read-only */
    default:
        *known = false;
        return;
    }
    lapic_update_locked(s);
}

/* --- xAPIC: a 32-bit register every 16 bytes -------------------------------------------------- */

uint32_t lapic_read(Lapic *s, uint32_t off)
{
    bool known = true;
    uint32_t val;

    if (off & 0xf) {
        return 0;
    }
    g_mutex_lock(&s->lock);
    val = read_locked(s, off, &known);
    if (!known) {
        lapic_error_locked(s, ESR_ILLEGAL_REGISTER);
    }
    g_mutex_unlock(&s->lock);
    return val;
}

void lapic_write(Lapic *s, uint32_t off, uint32_t val)
{
    bool known = true;
    uint64_t icr;

    if (off & 0xf) {
        return;
    }
    if (off == APIC_EOI) {
        lapic_eoi(s);
        return;
    }
    if (off == APIC_ICR) {
        g_mutex_lock(&s->lock);
        icr = (s->icr & 0xffffffff00000000) | (val & ICR_WRITABLE);
        g_mutex_unlock(&s->lock);
        write_icr(s, icr);
        return;
    }
    g_mutex_lock(&s->lock);
    write_locked(s, off, val, &known);
    if (!known) {
        lapic_error_locked(s, ESR_ILLEGAL_REGISTER);
    }
    g_mutex_unlock(&s->lock);
}

/* --- x2APIC: MSR 800h + offset / 16 ----------------------------------------------------------- */

/* Bits that may be set in a write; 0 for registers that do not take one.  Table 11-6. */
static uint32_t x2_writable(uint32_t off)
{
    switch (off) {
    case APIC_TPR:                    return 0xff;
    case APIC_SVR:                    return SVR_WRITABLE | 1 << 9;
    case APIC_TMICT:                  return 0xffffffff;
    case APIC_TDCR:                   return 0xb;
    case APIC_LVT ... APIC_LVT + (N_LVT - 1) * 0x10:
        return lvt_writable[(off - APIC_LVT) >> 4] | 1 << 12 | LVT_REMOTE_IRR;
    default:                          return 0;
    }
}

static bool x2_write(Lapic *s, uint32_t off, uint64_t val)
{
    bool known = true;

    switch (off) {
    case APIC_EOI:
        if (val != 0) {
            return false;
        }
        lapic_eoi(s);
        return true;
    case APIC_ICR:
        if (val & ICR_RESERVED_X2) {
            return false;
        }
        write_icr(s, val & ~(uint64_t)(1 << 12));
        return true;
    case APIC_SELF_IPI:
        if (val > 0xff) {
            return false;
        }
        send_ipi(s, val | 1 << 14 | TO_SELF << 18, true);
        return true;
    case APIC_ESR:
        if (val != 0) {
            return false;
        }
        break;
    default:
        if (x2_writable(off) == 0 || (val & ~(uint64_t)x2_writable(off))) {
            return false;
        }
    }
    g_mutex_lock(&s->lock);
    write_locked(s, off, val, &known);
    g_mutex_unlock(&s->lock);
    return known;
}

static bool x2_read(Lapic *s, uint32_t off, uint64_t *val)
{
    bool known = true;

    switch (off) {
    case APIC_APR:
    case APIC_RRD:
    case APIC_DFR:
    case APIC_EOI:
    case APIC_ICR_HIGH:
    case APIC_SELF_IPI:
        return false;                 /* not there, or write-only */
    default:
        break;
    }
    g_mutex_lock(&s->lock);
    *val = off == APIC_ICR ? s->icr : read_locked(s, off, &known);
    g_mutex_unlock(&s->lock);
    return known;
}

static bool in_x2_mode(Lapic *s)
{
    bool x2;

    g_mutex_lock(&s->lock);
    x2 = lapic_is_x2(s);
    g_mutex_unlock(&s->lock);
    return x2;
}

bool lapic_msr_read(void *apic, uint32_t msr, uint64_t *val)
{
    Lapic *s = apic;

    if (msr == MSR_TSC_DEADLINE) {
        g_mutex_lock(&s->lock);
        *val = s->deadline_tsc;
        g_mutex_unlock(&s->lock);
        return true;
    }
    if (msr < MSR_X2APIC_FIRST || msr > MSR_X2APIC_LAST || !in_x2_mode(s)) {
        return false;
    }
    return x2_read(s, (msr - MSR_X2APIC_FIRST) << 4, val);
}

bool lapic_msr_write(void *apic, uint32_t msr, uint64_t val)
{
    Lapic *s = apic;

    if (msr == MSR_TSC_DEADLINE) {
        g_mutex_lock(&s->lock);
        lapic_timer_deadline_locked(s, val);
        g_mutex_unlock(&s->lock);
        return true;
    }
    if (msr < MSR_X2APIC_FIRST || msr > MSR_X2APIC_LAST || !in_x2_mode(s)) {
        return false;
    }
    return x2_write(s, (msr - MSR_X2APIC_FIRST) << 4, val);
}
