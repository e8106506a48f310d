/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.h -- private to hw/intc: the local APIC, its registers, its timer, and the bus between
 * APICs.
 *
 * Locks: `lock` of an APIC protects its registers, and is the innermost but for the clock's.
 * Machine lock before it, never after; never two APICs' locks at once.  Functions named _locked
 * want it held.
 */
#ifndef HW_INTC_LAPIC_H
#define HW_INTC_LAPIC_H
#include "hw/intc/intc.h"
#include "core/irqchip.h"
#include "cpu/x86/apicif.h"

enum {                                /* register offsets: SDM table 11-1 */
    APIC_ID = 0x20, APIC_VERSION = 0x30, APIC_TPR = 0x80, APIC_APR = 0x90, APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_RRD = 0xc0, APIC_LDR = 0xd0, APIC_DFR = 0xe0, APIC_SVR = 0xf0, APIC_ISR = 0x100,
    APIC_TMR = 0x180,
    APIC_IRR = 0x200, APIC_ESR = 0x280, APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310, APIC_LVT = 0x320,
    APIC_TMICT = 0x380,
    APIC_TMCCT = 0x390, APIC_TDCR = 0x3e0, APIC_SELF_IPI = 0x3f0,
};
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, N_LVT };
enum {                                /* SDM figure 11-8 */
    LVT_VECTOR = 0xff, LVT_REMOTE_IRR = 1 << 14, LVT_LEVEL = 1 << 15, LVT_MASK = 1 << 16,
    TIMER_ONESHOT = 0, TIMER_PERIODIC = 1, TIMER_DEADLINE = 2,      /* LVT timer bits 18:17 */
    SVR_ENABLE = 1 << 8, SVR_NO_EOI_BROADCAST = 1 << 12,
    ESR_SEND_ILLEGAL = 1 << 5, ESR_RECV_ILLEGAL = 1 << 6, ESR_ILLEGAL_REGISTER = 1 << 7,
};
typedef enum { DM_FIXED, DM_LOWEST, DM_SMI, DM_RESERVED, DM_NMI, DM_INIT, DM_SIPI,
               DM_EXTINT } DeliveryMode;

typedef struct ApicMessage {          /* what travels between APICs, whoever sent it */
    uint32_t dest;
    /* the sender's broadcast destination (FF, or FFFFFFFF from x2APIC) */
    bool     everybody;
    bool     logical, level, assert;
    uint8_t  vector, mode;            /* DeliveryMode */
} ApicMessage;

typedef struct ApicBus {
    Device     dev;                   /* its bank is the MSI window */
    void      *pic;
    GPtrArray *apics;                 /* Lapic, by vCPU index; fixed once the machine is built */
    GArray    *listeners;             /* EoiListener */
    uint32_t   turn;                  /* lowest priority: where the search begins next; atomic */
} ApicBus;

typedef struct Lapic {
    Device    dev;
    ApicBus  *bus;
    Vcpu     *cpu;                    /* NULL in a machine that only tests devices */
    Region   *view;                   /* root of cpu->as */
    Mapping   page;
    bool      mapped;
    GMutex    lock;
    uint64_t  base;                   /* IA32_APIC_BASE */
    uint32_t  initial_id;             /* the vCPU's index; the x2APIC id */
    uint32_t  id;                     /* xAPIC: 8 bits, writable */
    uint32_t  tpr, ldr, dfr, svr;
    uint32_t  esr, esr_seen;          /* as read; collected since the last write */
    uint64_t  icr;
    uint32_t  lvt[N_LVT];
    uint32_t  irr[8], isr[8], tmr[8];
    uint8_t   pins;                   /* bit 0 LINT0, 1 LINT1 */
    bool      extint;                 /* an ExtINT message (from an IOAPIC) waits */
    bool      intr;                   /* what the CPU's INTR was last told */
    uint32_t  divide, initial_count;
    uint64_t  start_ns;               /* when initial_count was loaded */
    uint64_t  deadline_tsc;
    Timer     timer;
} Lapic;

static inline bool lapic_is_x2(const Lapic *s)
{
    return (s->base & (APIC_BASE_EN | APIC_BASE_EXTD)) == (APIC_BASE_EN | APIC_BASE_EXTD);
}

static inline bool lapic_is_outside(const Lapic *s)     /* the accelerator has it: core/irqchip.h */
{
    return s->cpu && s->dev.machine->irqchip;
}

/* lapic.c */
void     lapic_update_locked(Lapic *s);                         /* INTR after any change */
void     lapic_deliver_locked(Lapic *s, unsigned mode, uint8_t vector, bool level);
void     lapic_error_locked(Lapic *s, uint32_t bits);
void     lapic_local_locked(Lapic *s, unsigned lvt);            /* a local source fires */
void     lapic_set_pin(Lapic *s, unsigned pin, bool level);
bool     lapic_matches_locked(const Lapic *s, const ApicMessage *msg);
unsigned lapic_ppr_locked(const Lapic *s);
void     lapic_eoi(Lapic *s);                                   /* takes the lock */
int      lapic_highest(const uint32_t *bits);                   /* vector, or -1 */

/* lapic_regs.c */
uint32_t lapic_read(Lapic *s, uint32_t off);                    /* xAPIC page */
void     lapic_write(Lapic *s, uint32_t off, uint32_t val);
bool     lapic_msr_read(void *apic, uint32_t msr, uint64_t *val);
bool     lapic_msr_write(void *apic, uint32_t msr, uint64_t val);

/* lapic_timer.c */
void     lapic_timer_fire(void *dev);
uint32_t lapic_timer_count_locked(Lapic *s);
void     lapic_timer_start_locked(Lapic *s, uint32_t count);
void     lapic_timer_divide_locked(Lapic *s, uint32_t val);
void     lapic_timer_lvt_locked(Lapic *s, uint32_t old);        /* LVT timer written */
void     lapic_timer_deadline_locked(Lapic *s, uint64_t tsc);
/* deadline again, after TSC changed */
void     lapic_timer_rearm_locked(Lapic *s);
void     lapic_timer_stop_locked(Lapic *s);
/* as if it had run until now */
void     lapic_timer_set_locked(Lapic *s, uint32_t initial, uint32_t count);

/* lapic_page.c */
void     lapic_get_page(void *apic, ApicPage *p);
void     lapic_put_page(void *apic, const ApicPage *p);

/* apicbus.c */
typedef enum { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS } Shorthand;
void     apicbus_deliver(ApicBus *bus, const ApicMessage *msg, Lapic *from, Shorthand to);
void     apicbus_eoi(ApicBus *bus, uint8_t vector);
#endif
