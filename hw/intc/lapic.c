/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.c -- the local APIC of one vCPU: priorities, delivery, interrupt acknowledge, life cycle.
 *
 * Spec: Intel SDM vol. 3A (325384), chapter 11.  Registers: lapic_regs.c; timer: lapic_timer.c;
 *   messages: apicbus.c.
 * Omits: CMCI, performance-counter and thermal sources (their LVTs are there and nothing raises
 *   them); delivery status always reads idle; focus processor checking.
 *   Where the accelerator has the local APICs (core/irqchip.h), the 8259 interrupts the boot CPU
 *   alone.
 * Threads: ApicOps from the vCPU's thread without the machine lock; delivery from any thread; the
 *   rest with the machine lock.
 *
 * The boot CPU comes out of reset with LINT0 as unmasked ExtINT, as firmware on a PC would leave
 * it, so that a guest without firmware has its 8259.
 */
#include "hw/intc/lapic.h"
#include "core/trace.h"

#define PAGE_BYTES      0x1000u
#define BASE_RESET      0xfee00000u
#define BASE_PAGE       (~(uint64_t)(PAGE_BYTES - 1))
#define PAGE_PRIORITY   10            /* above RAM and the MSI window in the CPU's view */

static void set_intr_locked(Lapic *s, bool level)
{
    if (s->intr != level) {
        s->intr = level;
        if (s->cpu && !lapic_is_outside(s)) {
            x86_set_intr(s->cpu, level);
        }
    }
}

int lapic_highest(const uint32_t *bits)
{
    for (int i = 7; i >= 0; i--) {
        if (bits[i]) {
            return i * 32 + 31 - __builtin_clz(bits[i]);
        }
    }
    return -1;
}

static void set_bit(uint32_t *bits, unsigned vector, bool val)
{
    uint32_t bit = 1u << (vector & 31);

    bits[vector >> 5] = val ? bits[vector >> 5] | bit : bits[vector >> 5] & ~bit;
}

static bool get_bit(const uint32_t *bits, unsigned vector)
{
    return bits[vector >> 5] & (1u << (vector & 31));
}

/* 11.8.3.1 */
unsigned lapic_ppr_locked(const Lapic *s)
{
    int isr = lapic_highest(s->isr);
    unsigned isr_class = isr < 0 ? 0 : isr & 0xf0;

    return (s->tpr & 0xf0) >= isr_class ? s->tpr : isr_class;
}

/* The vector that may interrupt now, or -1. */
static int ready_vector(const Lapic *s)
{
    int irr = lapic_highest(s->irr);

    return irr >= 0 && (irr & 0xf0) > (int)(lapic_ppr_locked(s) & 0xf0) ? irr : -1;
}

static bool extint_ready(const Lapic *s)
{
    uint32_t lvt = s->lvt[LVT_LINT0];

    if (!(s->base & APIC_BASE_EN)) {
        return s->pins & 1;           /* 11.4.3: LINT0 is the INTR pin */
    }
    return s->extint || ((s->pins & 1) && !(lvt & LVT_MASK) && ((lvt >> 8) & 7) == DM_EXTINT);
}

void lapic_update_locked(Lapic *s)
{
    set_intr_locked(s, ((s->base & APIC_BASE_EN) && ready_vector(s) >= 0) || extint_ready(s));
}

static void init_locked(Lapic *s);

void lapic_error_locked(Lapic *s, uint32_t bits)
{
    s->esr_seen |= bits;
    lapic_local_locked(s, LVT_ERROR);
}

static void accept_locked(Lapic *s, uint8_t vector, bool level)
{
    if (!(s->svr & SVR_ENABLE)) {
        return;
    }
    if (vector < 16) {
        /* An illegal vector in the error LVT itself must not come here again. */
        s->esr_seen |= ESR_RECV_ILLEGAL;
        vector = s->lvt[LVT_ERROR] & LVT_VECTOR;
        level = false;
        if (vector < 16 || (s->lvt[LVT_ERROR] & LVT_MASK)) {
            return;
        }
    }
    set_bit(s->irr, vector, true);
    set_bit(s->tmr, vector, level);
    lapic_update_locked(s);
}

void lapic_deliver_locked(Lapic *s, unsigned mode, uint8_t vector, bool level)
{
    trace_apic_deliver(s->initial_id, mode, vector, level);
    switch (mode) {
    case DM_FIXED: case DM_LOWEST:
        accept_locked(s, vector, level);
        break;
    case DM_EXTINT:
        s->extint = true;
        lapic_update_locked(s);
        break;
    case DM_SMI:
        if (s->cpu) {
            x86_smi(s->cpu);
        }
        break;
    case DM_NMI:
        if (s->cpu) {
            x86_nmi(s->cpu);
        }
        break;
    case DM_INIT:
        init_locked(s);
        if (s->cpu) {
            x86_init_signal(s->cpu);
        }
        break;
    case DM_SIPI:
        if (s->cpu) {
            x86_sipi(s->cpu, vector);
        }
        break;
    default:                          /* reserved: nobody takes it */
        break;
    }
}

void lapic_local_locked(Lapic *s, unsigned n)
{
    uint32_t lvt = s->lvt[n];
    unsigned mode = n == LVT_TIMER || n == LVT_ERROR ? DM_FIXED : (lvt >> 8) & 7;
    bool level = n == LVT_LINT0 && mode == DM_FIXED && (lvt & LVT_LEVEL);

    if ((lvt & LVT_MASK) || !(s->base & APIC_BASE_EN) || mode == DM_EXTINT) {
        return;                       /* ExtINT follows the pin: extint_ready() */
    }
    if (level) {
        if (lvt & LVT_REMOTE_IRR) {
            return;
        }
        s->lvt[n] |= LVT_REMOTE_IRR;
    }
    lapic_deliver_locked(s, mode, lvt & LVT_VECTOR, level);
}

/*
 * What the accelerator does not see by itself: the boot CPU's 8259, where that is ours, and the NMI
 * button.
 */
static void pin_outside(Lapic *s, unsigned pin, bool rising)
{
    IrqChip *chip = s->dev.machine->irqchip;

    if (pin == 0 && !chip->full && s->initial_id == 0) {
        x86_set_intr(s->cpu, s->pins & 1);
    } else if (pin == 1 && rising) {
        chip->nmi_pin(s->cpu);
    }
}

void lapic_set_pin(Lapic *s, unsigned pin, bool level)
{
    uint8_t bit = 1u << (pin & 1);
    bool rising;

    g_mutex_lock(&s->lock);
    rising = level && !(s->pins & bit);
    s->pins = level ? s->pins | bit : s->pins & ~bit;
    if (lapic_is_outside(s)) {
        pin_outside(s, pin & 1, rising);
    } else if (rising && !(s->base & APIC_BASE_EN) && bit == 2 && s->cpu) {
        x86_nmi(s->cpu);              /* 11.4.3: LINT1 is the NMI pin */
    } else if (rising) {
        lapic_local_locked(s, LVT_LINT0 + (pin & 1));
    }
    lapic_update_locked(s);
    g_mutex_unlock(&s->lock);
}

bool lapic_matches_locked(const Lapic *s, const ApicMessage *msg)
{
    uint32_t mine = s->ldr >> 24, dest = msg->dest & 0xff;

    if (msg->everybody) {
        return true;
    }
    if (!msg->logical) {
        return msg->dest == (lapic_is_x2(s) ? s->initial_id : s->id);
    }
    if (lapic_is_x2(s)) {
        return msg->dest >> 16 == s->ldr >> 16 && (msg->dest & s->ldr & 0xffff);
    }
    if (s->dfr >> 28 == 0xf) {        /* flat */
        return mine & dest;
    }
    return s->dfr >> 28 == 0 && mine >> 4 == dest >> 4 && (mine & dest & 0xf);
}

void lapic_eoi(Lapic *s)
{
    int vector;
    bool level = false;

    g_mutex_lock(&s->lock);
    vector = lapic_highest(s->isr);
    trace_apic_eoi(s->initial_id, vector);
    if (vector >= 0) {
        set_bit(s->isr, vector, false);
        level = get_bit(s->tmr, vector);
        if (level && (s->lvt[LVT_LINT0] & LVT_REMOTE_IRR) &&
            (s->lvt[LVT_LINT0] & LVT_VECTOR) == (uint32_t)vector) {
            s->lvt[LVT_LINT0] &= ~LVT_REMOTE_IRR;
            if (s->pins & 1) {
                lapic_local_locked(s, LVT_LINT0);
            }
        }
        level = level && !(s->svr & SVR_NO_EOI_BROADCAST);
        lapic_update_locked(s);
    }
    g_mutex_unlock(&s->lock);
    if (level) {
        apicbus_eoi(s->bus, vector);
    }
}

/* --- what the CPU calls ----------------------------------------------------------------------- */

static int lapic_ack(void *apic)
{
    Lapic *s = apic;
    Machine *m = s->dev.machine;
    int vector = -1;
    bool external;

    g_mutex_lock(&s->lock);
    if (s->base & APIC_BASE_EN && !lapic_is_outside(s)) {
        vector = ready_vector(s);
    }
    external = lapic_is_outside(s) ? s->pins & 1 : vector < 0 && extint_ready(s);
    if (vector >= 0) {
        set_bit(s->irr, vector, false);
        set_bit(s->isr, vector, true);
    }
    if (external) {
        s->extint = false;
    }
    lapic_update_locked(s);
    g_mutex_unlock(&s->lock);
    trace_apic_ack(s->initial_id, vector);
    if (external && s->bus && s->bus->pic) {
        machine_lock(m);              /* outside our own lock: the 8259 drives LINT0 */
        vector = i8259_ack(s->bus->pic);
        machine_unlock(m);
    }
    return vector;
}

static bool lapic_pending(void *apic)
{
    Lapic *s = apic;
    bool pending;

    g_mutex_lock(&s->lock);
    pending = s->intr;
    g_mutex_unlock(&s->lock);
    return pending;
}

static uint8_t lapic_get_tpr(void *apic)
{
    Lapic *s = apic;
    uint8_t tpr;

    g_mutex_lock(&s->lock);
    tpr = s->tpr;
    g_mutex_unlock(&s->lock);
    return tpr;
}

static void lapic_set_tpr(void *apic, uint8_t tpr)
{
    Lapic *s = apic;

    g_mutex_lock(&s->lock);
    s->tpr = tpr;
    lapic_update_locked(s);
    g_mutex_unlock(&s->lock);
}

static uint64_t lapic_get_base(void *apic)
{
    Lapic *s = apic;
    uint64_t base;

    g_mutex_lock(&s->lock);
    base = s->base;
    g_mutex_unlock(&s->lock);
    return base;
}

/*
 * Put the page where the CPU's view should have it.  Machine lock held, our own not: vCPUs may be
 * stopped for it.
 */
static void move_page(Lapic *s)
{
    bool on = (s->base & (APIC_BASE_EN | APIC_BASE_EXTD)) == APIC_BASE_EN;
    uint64_t at = s->base & BASE_PAGE;

    if (!s->mapped || (s->page.on == on && s->page.at == at)) {
        return;
    }
    map_begin(s->dev.machine);
    s->page.on = on;
    s->page.at = at;
    map_commit(s->dev.machine);
}

/* Figure 11-20: 00 -> 10 -> 11 -> 00, and 10 -> 00. */
static bool mode_change_legal(uint64_t old, uint64_t val)
{
    bool was_en = old & APIC_BASE_EN, was_x2 = old & APIC_BASE_EXTD;
    bool en = val & APIC_BASE_EN, x2 = val & APIC_BASE_EXTD;

    if (x2 && !en) {
        return false;
    }
    return !(was_x2 && en && !x2) && !(!was_en && x2);
}

static bool lapic_set_base(void *apic, uint64_t val)
{
    Lapic *s = apic;
    uint64_t old;

    machine_lock(s->dev.machine);
    g_mutex_lock(&s->lock);
    old = s->base;
    if (!mode_change_legal(old, val)) {
        g_mutex_unlock(&s->lock);
        machine_unlock(s->dev.machine);
        return false;
    }
    s->base = val;
    if (!(val & APIC_BASE_EN) && (old & APIC_BASE_EN)) {
        init_locked(s);               /* 11.4.3: comes back as after a reset */
    }
    if (lapic_is_x2(s) && !(old & APIC_BASE_EXTD)) {
        s->ldr = (s->initial_id >> 4) << 16 | 1u << (s->initial_id & 15);
        s->icr &= 0xffffffff;
    }
    if (!(val & APIC_BASE_EXTD) && (old & APIC_BASE_EXTD)) {
        s->ldr = 0;
        s->id = s->initial_id & 0xff;
    }
    lapic_update_locked(s);
    g_mutex_unlock(&s->lock);
    move_page(s);
    machine_unlock(s->dev.machine);
    return true;
}

static uint32_t lapic_page_read(void *apic, uint32_t off)
{
    return lapic_read(apic, off & (PAGE_BYTES - 1));
}

static void lapic_page_write(void *apic, uint32_t off, uint32_t val)
{
    lapic_write(apic, off & (PAGE_BYTES - 1), val);
}

static void lapic_tsc_changed(void *apic)
{
    Lapic *s = apic;

    g_mutex_lock(&s->lock);
    lapic_timer_rearm_locked(s);
    g_mutex_unlock(&s->lock);
}

static const ApicOps lapic_ops = {
    .ack = lapic_ack, .pending = lapic_pending,
    .get_tpr = lapic_get_tpr, .set_tpr = lapic_set_tpr,
    .get_base = lapic_get_base, .set_base = lapic_set_base,
    .msr_read = lapic_msr_read, .msr_write = lapic_msr_write,
    .page_read = lapic_page_read, .page_write = lapic_page_write,
    .tsc_changed = lapic_tsc_changed,
    .get_page = lapic_get_page, .put_page = lapic_put_page,
};

/* --- life ------------------------------------------------------------------------------------- */

/* 11.4.7.1 and 11.4.7.3: everything but the id and IA32_APIC_BASE. */
static void init_locked(Lapic *s)
{
    s->tpr = 0;
    s->ldr = lapic_is_x2(s) ? s->ldr : 0;
    s->dfr = 0xffffffff;
    s->svr = 0xff;
    s->esr = s->esr_seen = 0;
    s->icr = 0;
    s->extint = false;
    s->divide = 0;
    for (unsigned i = 0; i < N_LVT; i++) {
        s->lvt[i] = LVT_MASK;
    }
    for (unsigned i = 0; i < 8; i++) {
        s->irr[i] = s->isr[i] = s->tmr[i] = 0;
    }
    lapic_timer_stop_locked(s);
    lapic_update_locked(s);
}

static void lapic_reset(void *dev)
{
    Lapic *s = dev;
    bool boot = s->initial_id == 0;

    g_mutex_lock(&s->lock);
    s->base = BASE_RESET | APIC_BASE_EN | (boot ? APIC_BASE_BSP : 0);
    s->id = s->initial_id & 0xff;
    s->ldr = 0;
    init_locked(s);
    if (boot) {
        s->lvt[LVT_LINT0] = DM_EXTINT << 8;
    }
    s->intr = true;
    set_intr_locked(s, false);        /* told in any case */
    lapic_update_locked(s);
    g_mutex_unlock(&s->lock);
    move_page(s);
}

static bool lapic_restored(void *dev, GError **err)
{
    Lapic *s = dev;

    if ((s->base & APIC_BASE_EXTD) && !(s->base & APIC_BASE_EN)) {
        return fail(err, "%s: x2APIC mode without the APIC enabled; the snapshot is damaged",
                    s->dev.path);
    }
    g_mutex_lock(&s->lock);
    s->divide &= 0xb;
    s->start_ns = MIN(s->start_ns, time_now(s->dev.machine, TIME_GUEST));
    s->intr = true;
    set_intr_locked(s, false);        /* whatever the CPU believes, tell it */
    lapic_update_locked(s);
    if (lapic_is_outside(s)) {
        x86_set_intr(s->cpu, false);
        pin_outside(s, 0, false);
    }
    g_mutex_unlock(&s->lock);
    move_page(s);
    return true;
}

static bool lapic_realize(void *dev, GError **err)
{
    Lapic *s = dev;

    g_mutex_init(&s->lock);
    timer_init(&s->timer, s->dev.machine, TIME_GUEST, lapic_timer_fire, s);
    return true;
}

static void lapic_unrealize(void *dev)
{
    Lapic *s = dev;

    timer_stop(&s->timer);
    if (s->mapped) {
        map_begin(s->dev.machine);
        region_remove(s->view, &s->page);
        map_commit(s->dev.machine);
    }
    if (s->bus) {
        g_ptr_array_remove(s->bus->apics, s);
    }
    g_mutex_clear(&s->lock);
}

void *lapic_create(Machine *m, void *bus, Vcpu *v, Region *cpu_view, GError **err)
{
    Lapic *s = device_new(m, bus_find(m, "sys"), "apic", NULL, err);

    if (!s) {
        return NULL;
    }
    s->initial_id = v->apic_id;
    if (!device_realize(s, err)) {
        return NULL;
    }
    s->bus = bus;
    s->cpu = v;
    s->view = cpu_view;
    g_ptr_array_add(s->bus->apics, s);
    s->base = BASE_RESET | APIC_BASE_EN;
    s->page = (Mapping){ .region = &s->dev.bank, .size = PAGE_BYTES, .at = BASE_RESET,
                         .priority = PAGE_PRIORITY,
                         .seen = SEEN_READ | SEEN_WRITE, .on = true };
    map_begin(m);
    region_add(cpu_view, &s->page);
    map_commit(m);
    s->mapped = true;
    x86_attach_apic(v, &lapic_ops, s);
    return s;
}

static uint64_t bank_read(void *dev, hwaddr off, unsigned size)
{
    return lapic_read(dev, off);
}

static void bank_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    lapic_write(dev, off, val);
}

static const MmioOps bank_ops = { .read = bank_read, .write = bank_write, .min = 4, .max = 4 };

static const Field lapic_fields[] = {
    STATE(Lapic, base),
    STATE(Lapic, id, .max = 0xff),
    STATE(Lapic, tpr, .max = 0xff),
    STATE(Lapic, ldr),
    STATE(Lapic, dfr),
    STATE(Lapic, svr),
    STATE(Lapic, esr),
    STATE(Lapic, esr_seen),
    STATE(Lapic, icr),
    STATE_ARRAY(Lapic, lvt),
    STATE_ARRAY(Lapic, irr),
    STATE_ARRAY(Lapic, isr),
    STATE_ARRAY(Lapic, tmr),
    STATE(Lapic, pins, .max = 3),
    STATE(Lapic, extint),
    STATE(Lapic, divide, .max = 0xb),
    STATE(Lapic, initial_count),
    STATE(Lapic, start_ns),
    STATE(Lapic, deadline_tsc),
    STATE_TIMER(Lapic, timer),
    FIELD_END
};

const DeviceClass lapic_class = {
    .name = "apic",
    .desc = "local APIC of one CPU",
    .spec = "Intel SDM volume 3A (325384), chapter 11",
    .bus = "sys",
    .size = sizeof(Lapic),
    .fields = lapic_fields,
    .io = &bank_ops,
    .bank_size = PAGE_BYTES,
    .realize = lapic_realize,
    .unrealize = lapic_unrealize,
    .reset = lapic_reset,
    .restored = lapic_restored,
};
