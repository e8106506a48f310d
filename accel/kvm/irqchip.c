/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irqchip.c -- KVM's own interrupt controllers behind core/irqchip.h: wires, messages, their state
 * to and from the devices'.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.24 to 4.27 (irqchip), 4.52 (routing), 4.57 (local
 *   APIC), 4.71 (MSI), 7.5 (split).
 * Omits: an IO-APIC pin in ExtINT mode.  irqfd: all
 *   interrupts come from threads of this process, and KVM_SIGNAL_MSI costs any of them less than a
 *   descriptor (tests/kvm/signals.c).
 * Threads: KvmMachine.irq_lock guards wires and routes, and is innermost; state moves while the
 *   vCPUs are parked.
 *
 * kernel-irqchip=on: the 8259 pair, the IO-APIC and the local APICs are KVM's; split: the local
 * APICs alone; off: none.  Storing a chip loses the levels of its inputs, so they are given again
 * when a vCPU runs next.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include <errno.h>
#include <sys/ioctl.h>

enum { MSR_DEADLINE = 0x6e0, N_ISA = 16, CASCADE = 2, PIT_PIN = 2 };

static unsigned pin_of(unsigned gsi) { return gsi == 0 ? PIT_PIN : gsi; }

/* ---- routes ---- */

static void route_add(struct kvm_irq_routing *t, struct kvm_irq_routing_entry e)
{
    t->entries[t->nr++] = e;
}

static void route_chip(struct kvm_irq_routing *t, unsigned gsi, unsigned chip, unsigned pin)
{
    route_add(t, (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
                                                 .u.irqchip = { chip, pin } });
}

static void route_msi(struct kvm_irq_routing *t, unsigned gsi, const Msi *msi)
{
    route_add(t, (struct kvm_irq_routing_entry){
                     .gsi = gsi,
                     .type = KVM_IRQ_ROUTING_MSI,
                     .u.msi = { .address_lo = (uint32_t)msi->address,
                                .address_hi = (uint32_t)(msi->address >> 32),
                                .data = msi->data } });
}

/* All of them at once: KVM knows no other way.  irq_lock held. */
static bool routes_set_locked(KvmMachine *k)
{
    g_autofree struct kvm_irq_routing *t = g_malloc0(sizeof *t +
                                                     2 * IRQCHIP_PINS * sizeof t->entries[0]);

    for (unsigned n = 0; n < IRQCHIP_PINS; n++) {
        if (k->chip.full && n != CASCADE) {
            if (n < N_ISA) {
                route_chip(t, n, n < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, n & 7);
            }
            route_chip(t, n, KVM_IRQCHIP_IOAPIC, pin_of(n));
        } else if (!k->chip.full && k->route_on >> n & 1) {
            route_msi(t, n, &k->route[n]);
        }
    }
    return ioctl(k->vm, KVM_SET_GSI_ROUTING, t) == 0;
}

static void kvm_route(Machine *m, unsigned pin, const Msi *msi)
{
    KvmMachine *k = kvm_of(m);
    uint32_t    bit = 1u << pin, on = msi ? bit : 0;

    g_mutex_lock(&k->irq_lock);
    bool same = (k->route_on & bit) == on && (!msi || (k->route[pin].address == msi->address &&
                                                       k->route[pin].data == msi->data));
    if (!same) {
        k->route_on = (k->route_on & ~bit) | on;
        k->route[pin] = msi ? *msi : (Msi){ 0 };
        if (!routes_set_locked(k)) {
            g_printerr("ryokan: kvm: cannot route IO-APIC pin %u: %s\n", pin, g_strerror(errno));
        }
    }
    g_mutex_unlock(&k->irq_lock);
}

/* ---- wires and messages ---- */

static void line_set(KvmMachine *k, unsigned gsi, bool level)
{
    struct kvm_irq_level l = { .irq = gsi, .level = level };

    ioctl(k->vm, KVM_IRQ_LINE, &l);
}

static void kvm_wire(Machine *m, unsigned gsi, bool level)
{
    KvmMachine *k = kvm_of(m);

    g_mutex_lock(&k->irq_lock);
    k->wires = level ? k->wires | 1u << gsi : k->wires & ~(1u << gsi);
    if (!k->rewire) {
        line_set(k, gsi, level);
    }
    g_mutex_unlock(&k->irq_lock);
}

/* Before the guest runs after its chips were stored. */
void kvm_irqchip_rewire(KvmMachine *k)
{
    g_mutex_lock(&k->irq_lock);
    for (unsigned n = 0; k->rewire && n < IRQCHIP_PINS; n++) {
        line_set(k, n, k->wires >> n & 1);
    }
    __atomic_store_n(&k->rewire, false, __ATOMIC_SEQ_CST);
    g_mutex_unlock(&k->irq_lock);
}

static uint32_t kvm_pins(Machine *m)
{
    uint32_t w = kvm_of(m)->wires;

    return (w & ~5u) | (w & 1) << PIT_PIN;
}

static void kvm_message(Machine *m, const Msi *msi)
{
    struct kvm_msi msg = { .address_lo = (uint32_t)msi->address,
                           .address_hi = (uint32_t)(msi->address >> 32), .data = msi->data };

    ioctl(kvm_of(m)->vm, KVM_SIGNAL_MSI, &msg);
}

/* Whether it is an NMI the vCPU's own thread looks up: its APIC cannot be read while it runs. */
static void kvm_nmi_pin(Vcpu *v)
{
    KvmCpu *k = kvm_cpu(v);

    if (k) {
        __atomic_store_n(&k->nmi_pin, true, __ATOMIC_SEQ_CST);
        vcpu_kick(v);
    }
}

void kvm_irqchip_nmi(KvmCpu *k)
{
    enum { LVT1 = 0x360, MASKED = 0x10000, MODE = 0x700, NMI = 0x400 };
    struct kvm_lapic_state a;
    uint32_t lvt;

    if (__atomic_load_n(&k->nmi_pin, __ATOMIC_ACQUIRE) &&
        __atomic_exchange_n(&k->nmi_pin, false, __ATOMIC_SEQ_CST) &&
        ioctl(k->fd, KVM_GET_LAPIC, &a) == 0) {
        memcpy(&lvt, a.regs + LVT1, 4);
        if (!(lvt & MASKED) && (lvt & MODE) == NMI) {
            ioctl(k->fd, KVM_NMI, 0);
        }
    }
}

/* ---- state of the 8259 pair and the IO-APIC ---- */

static void pic_in(PicState *p, const struct kvm_pic_state *s)
{
    *p = (PicState){
        .lines = s->last_irr, .irr = s->irr, .imr = s->imr,
        .isr = s->isr, .elcr = s->elcr, .elcr_writable = s->elcr_mask,
        .vector = s->irq_base, .top = s->priority_add, .step = s->init_state,
        .icw4_comes = s->init4, .auto_eoi = s->auto_eoi,
        .nested_special = s->special_fully_nested_mode,
        .special_mask = s->special_mask, .rotate_aeoi = s->rotate_on_auto_eoi,
        .read_isr = s->read_reg_select, .poll = s->poll,
    };
}

static void pic_out(struct kvm_pic_state *s, const PicState *p)
{
    *s = (struct kvm_pic_state){
        .last_irr = p->lines, .irr = p->irr, .imr = p->imr,
        .isr = p->isr, .elcr = p->elcr, .elcr_mask = p->elcr_writable,
        .irq_base = p->vector, .priority_add = p->top, .init_state = p->step,
        .init4 = p->icw4_comes, .auto_eoi = p->auto_eoi,
        .special_fully_nested_mode = p->nested_special,
        .special_mask = p->special_mask, .rotate_on_auto_eoi = p->rotate_aeoi,
        .read_reg_select = p->read_isr, .poll = p->poll,
    };
}

static bool chip_do(Machine *m, unsigned long what, struct kvm_irqchip *c)
{
    if (ioctl(kvm_of(m)->vm, what, c) < 0) {
        g_printerr("ryokan: kvm: cannot move the state of interrupt controller %u: %s\n",
                   c->chip_id, g_strerror(errno));
        return false;
    }
    return true;
}

static void kvm_pic_fetch(Machine *m, PicState s[2])
{
    for (unsigned i = 0; i < 2; i++) {
        struct kvm_irqchip c = { .chip_id = i ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER };
        s[i] = (PicState){ 0 };
        if (chip_do(m, KVM_GET_IRQCHIP, &c)) {
            pic_in(&s[i], &c.chip.pic);
        }
    }
}

static void stored(KvmMachine *k)
{
    g_mutex_lock(&k->irq_lock);
    __atomic_store_n(&k->rewire, true, __ATOMIC_SEQ_CST);
    g_mutex_unlock(&k->irq_lock);
}

static void kvm_pic_store(Machine *m, const PicState s[2])
{
    stored(kvm_of(m));
    for (unsigned i = 0; i < 2; i++) {
        struct kvm_irqchip c = { .chip_id = i ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER };
        pic_out(&c.chip.pic, &s[i]);
        chip_do(m, KVM_SET_IRQCHIP, &c);
    }
}

static void kvm_ioapic_fetch(Machine *m, IoapicState *s)
{
    struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };

    *s = (IoapicState){ 0 };
    if (chip_do(m, KVM_GET_IRQCHIP, &c)) {
        s->select = c.chip.ioapic.ioregsel;
        s->id = (c.chip.ioapic.id & 15) << 24;
        for (unsigned n = 0; n < IRQCHIP_PINS; n++) {
            s->rte[n] = c.chip.ioapic.redirtbl[n].bits;
        }
    }
}

static void kvm_ioapic_store(Machine *m, const IoapicState *s)
{
    enum { IOAPIC_AT = 0xfec00000 };
    struct kvm_irqchip c = {
        .chip_id = KVM_IRQCHIP_IOAPIC,
        .chip.ioapic = { .base_address = IOAPIC_AT, .ioregsel = s->select, .id = s->id >> 24 },
    };

    stored(kvm_of(m));
    for (unsigned n = 0; n < IRQCHIP_PINS; n++) {
        c.chip.ioapic.redirtbl[n].bits = s->rte[n];
    }
    chip_do(m, KVM_SET_IRQCHIP, &c);
}

/* ---- the local APIC, and whether its CPU sleeps or waits for a start ---- */

/*
 * An INIT or a start that waits changes all registers when this is asked for: before they are read.
 */
void kvm_apic_settle(KvmCpu *k)
{
    struct kvm_mp_state mp;

    if (k->kvm->machine->irqchip) {
        ioctl(k->fd, KVM_GET_MP_STATE, &mp);
    }
}

void kvm_apic_in(KvmCpu *k, uint64_t base)
{
    struct kvm_lapic_state a;
    struct kvm_mp_state    mp = { 0 };
    X86Cpu  *c = k->c;
    ApicPage page = { .base = base };

    if (!k->kvm->machine->irqchip || !c->apic_ops || ioctl(k->fd, KVM_GET_LAPIC, &a) < 0 ||
        ioctl(k->fd, KVM_GET_MP_STATE, &mp) < 0) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(page.reg); i++) {
        memcpy(&page.reg[i], a.regs + i * 16, 4);
    }
    kvm_msr_do(k, KVM_GET_MSRS, MSR_DEADLINE, &page.deadline_tsc);
    c->apic_ops->put_page(c->apic, &page);
    if (c->activity != X86_SHUTDOWN) {
        c->activity = mp.mp_state == KVM_MP_STATE_HALTED ? X86_HLT
                      : mp.mp_state == KVM_MP_STATE_INIT_RECEIVED ||
                              mp.mp_state == KVM_MP_STATE_UNINITIALIZED
                          ? X86_WAIT_SIPI
                          : X86_RUN;
    }
}

/* After the TSC, which the deadline is measured by. */
void kvm_apic_out(KvmCpu *k)
{
    struct kvm_lapic_state a = { { 0 } };
    X86Cpu  *c = k->c;
    struct kvm_mp_state mp = { c->activity == X86_HLT || c->activity == X86_MWAIT
                                   ? KVM_MP_STATE_HALTED
                               : c->activity == X86_WAIT_SIPI ? KVM_MP_STATE_INIT_RECEIVED
                                                              : KVM_MP_STATE_RUNNABLE };
    ApicPage page;

    if (!k->kvm->machine->irqchip || !c->apic_ops) {
        return;
    }
    c->apic_ops->get_page(c->apic, &page);
    for (unsigned i = 0; i < G_N_ELEMENTS(page.reg); i++) {
        memcpy(a.regs + i * 16, &page.reg[i], 4);
    }
    if (ioctl(k->fd, KVM_SET_LAPIC, &a) < 0 || ioctl(k->fd, KVM_SET_MP_STATE, &mp) < 0) {
        g_printerr("ryokan: kvm: CPU %u: KVM refuses its local APIC: %s\n", c->dbt.vcpu.index,
                   g_strerror(errno));
    }
    kvm_msr_do(k, KVM_SET_MSRS, MSR_DEADLINE, &page.deadline_tsc);
}

/* ---- life ---- */

static bool create(KvmMachine *k, GError **err)
{
    struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = IRQCHIP_PINS };

    if (k->irqchip == IRQCHIP_ON) {
        return ioctl(k->vm, KVM_CREATE_IRQCHIP, 0) == 0 ||
               fail(err,
                    "-accel kvm: KVM makes no interrupt controllers: %s; "
                    "use kernel-irqchip=off",
                    g_strerror(errno));
    }
    return ioctl(k->vm, KVM_ENABLE_CAP, &split) == 0 ||
           fail(err,
                "-accel kvm: this host's KVM has no split interrupt controllers: %s; "
                "use kernel-irqchip=on or off",
                g_strerror(errno));
}

bool kvm_irqchip_init(KvmMachine *k, GError **err)
{
    g_mutex_init(&k->irq_lock);
    k->has_irq_lock = true;
    if (k->irqchip == IRQCHIP_OFF) {
        return true;
    }
    if (!create(k, err)) {
        return false;
    }
    k->chip = (IrqChip){
        .full = k->irqchip == IRQCHIP_ON, .message = kvm_message,
        .nmi_pin = kvm_nmi_pin, .wire = kvm_wire, .pins = kvm_pins,
        .pic_fetch = kvm_pic_fetch, .pic_store = kvm_pic_store,
        .ioapic_fetch = kvm_ioapic_fetch, .ioapic_store = kvm_ioapic_store,
        .route = kvm_route,
    };
    if (k->chip.full) {
        kvm_pit_init(k);
    }
    k->machine->irqchip = &k->chip;
    if (!routes_set_locked(k)) {
        return fail(err,
                    "-accel kvm: KVM takes no routes for interrupts: %s; use kernel-irqchip=off",
                    g_strerror(errno));
    }
    return true;
}

void kvm_irqchip_fini(KvmMachine *k)
{
    g_mutex_clear(&k->irq_lock);
    k->machine->irqchip = NULL;
}
#endif
