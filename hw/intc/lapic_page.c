/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic_page.c -- the state of a local APIC as its page shows it, to and from an accelerator that
 * models it.
 *
 * Spec: Intel SDM vol. 3A, table 11-1; core/irqchip.h.
 * Omits: errors that were collected and not yet read (no page shows them).
 * Threads: the vCPU is parked, or this is its own thread.
 */
#include "hw/intc/lapic.h"

static uint32_t *at(ApicPage *p, unsigned off) { return &p->reg[off >> 4]; }
static uint32_t val(const ApicPage *p, unsigned off) { return p->reg[off >> 4]; }

void lapic_get_page(void *apic, ApicPage *p)
{
    Lapic *s = apic;

    g_mutex_lock(&s->lock);
    *p = (ApicPage){ .base = s->base, .deadline_tsc = s->deadline_tsc };
    *at(p, APIC_ID) = (lapic_is_x2(s) ? s->initial_id : s->id) << 24;
    *at(p, APIC_TPR) = s->tpr;
    *at(p, APIC_LDR) = s->ldr;
    *at(p, APIC_DFR) = s->dfr;
    *at(p, APIC_SVR) = s->svr;
    for (unsigned i = 0; i < 8; i++) {
        *at(p, APIC_ISR + i * 16) = s->isr[i];
        *at(p, APIC_TMR + i * 16) = s->tmr[i];
        *at(p, APIC_IRR + i * 16) = s->irr[i];
    }
    *at(p, APIC_ESR) = s->esr;
    *at(p, APIC_ICR) = (uint32_t)s->icr;
    *at(p, APIC_ICR_HIGH) = (uint32_t)(s->icr >> 32);
    for (unsigned i = 0; i < N_LVT; i++) {
        *at(p, APIC_LVT + i * 16) = s->lvt[i];
    }
    *at(p, APIC_TMICT) = s->initial_count;
    *at(p, APIC_TMCCT) = lapic_timer_count_locked(s);
    *at(p, APIC_TDCR) = s->divide;
    g_mutex_unlock(&s->lock);
}

/* The timer is what a snapshot needs; here it never fires. */
void lapic_put_page(void *apic, const ApicPage *p)
{
    Lapic *s = apic;

    g_mutex_lock(&s->lock);
    s->base = p->base;
    s->id = lapic_is_x2(s) ? s->initial_id & 0xff : val(p, APIC_ID) >> 24;
    s->tpr = val(p, APIC_TPR) & 0xff;
    s->ldr = val(p, APIC_LDR);
    s->dfr = val(p, APIC_DFR);
    s->svr = val(p, APIC_SVR);
    for (unsigned i = 0; i < 8; i++) {
        s->isr[i] = val(p, APIC_ISR + i * 16);
        s->tmr[i] = val(p, APIC_TMR + i * 16);
        s->irr[i] = val(p, APIC_IRR + i * 16);
    }
    s->esr = val(p, APIC_ESR);
    s->icr = val(p, APIC_ICR) | (uint64_t)val(p, APIC_ICR_HIGH) << 32;
    for (unsigned i = 0; i < N_LVT; i++) {
        s->lvt[i] = val(p, APIC_LVT + i * 16);
    }
    s->divide = val(p, APIC_TDCR) & 0xb;
    s->deadline_tsc = p->deadline_tsc;
    lapic_timer_set_locked(s, val(p, APIC_TMICT), val(p, APIC_TMCCT));
    s->intr = false;
    g_mutex_unlock(&s->lock);
}
