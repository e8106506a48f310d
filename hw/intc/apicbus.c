/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apicbus.c -- the bus between local APICs, IOAPICs and MSI senders: addresses interrupt messages
 * and carries EOIs back.
 *
 * Spec: Intel SDM vol. 3A, 11.6 (IPIs, destinations), 11.7 (system bus), 11.11 (MSI).
 * Omits: focus processor; the arbitration protocol of the serial APIC bus.  A redirection hint
 *   counts in logical mode only.
 * Threads: delivering: any; listeners run with the machine lock.
 */
#include "hw/intc/lapic.h"

#define MSI_WINDOW      0xfee00000u
#define MSI_WINDOW_SIZE 0x100000u

typedef struct EoiListener {
    void (*eoi)(void *dev, uint8_t vector);
    void  *dev;
} EoiListener;

static bool try_deliver(Lapic *s, const ApicMessage *msg, bool addressed)
{
    bool ok;

    g_mutex_lock(&s->lock);
    ok = (s->base & APIC_BASE_EN) && (addressed || lapic_matches_locked(s, msg));
    if (ok) {
        lapic_deliver_locked(s, msg->mode, msg->vector, msg->level);
    }
    g_mutex_unlock(&s->lock);
    return ok;
}

/* Lowest priority: among those addressed, the one with the lowest PPR; they take turns if equal. */
static void deliver_lowest(ApicBus *bus, const ApicMessage *msg)
{
    unsigned n = bus->apics->len, best_ppr = UINT_MAX;
    uint32_t first = __atomic_fetch_add(&bus->turn, 1, __ATOMIC_RELAXED);
    Lapic *best = NULL;

    for (unsigned i = 0; i < n; i++) {
        Lapic *s = g_ptr_array_index(bus->apics, (first + i) % n);
        unsigned ppr = UINT_MAX;

        g_mutex_lock(&s->lock);
        if ((s->base & APIC_BASE_EN) && (s->svr & SVR_ENABLE) && lapic_matches_locked(s, msg)) {
            ppr = lapic_ppr_locked(s) >> 4;
        }
        g_mutex_unlock(&s->lock);
        if (ppr < best_ppr) {
            best_ppr = ppr;
            best = s;
        }
    }
    if (best) {
        try_deliver(best, msg, true);
    }
}

void apicbus_deliver(ApicBus *bus, const ApicMessage *msg, Lapic *from, Shorthand to)
{
    if (msg->mode == DM_INIT && msg->level && !msg->assert) {
        return;                       /* INIT level de-assert only synchronised arbitration ids */
    }
    if (to == TO_SELF && from) {
        try_deliver(from, msg, true);
        return;
    }
    if (!bus) {
        return;
    }
    if (to == TO_DEST && msg->mode == DM_LOWEST) {
        deliver_lowest(bus, msg);
        return;
    }
    if (to == TO_DEST && !msg->logical && !msg->everybody && msg->dest < bus->apics->len &&
        try_deliver(g_ptr_array_index(bus->apics, msg->dest), msg, false)) {
        return;                       /* the common case: ids are indices */
    }
    for (unsigned i = 0; i < bus->apics->len; i++) {
        Lapic *s = g_ptr_array_index(bus->apics, i);

        if (to != TO_OTHERS || s != from) {
            try_deliver(s, msg, to != TO_DEST);
        }
    }
}

void apicbus_eoi(ApicBus *bus, uint8_t vector)
{
    Machine *m;

    if (!bus || bus->listeners->len == 0) {
        return;
    }
    m = bus->dev.machine;
    machine_lock(m);
    for (unsigned i = 0; i < bus->listeners->len; i++) {
        EoiListener *l = &g_array_index(bus->listeners, EoiListener, i);
        l->eoi(l->dev, vector);
    }
    machine_unlock(m);
}

void apicbus_on_eoi(void *bus, void (*eoi)(void *dev, uint8_t vector), void *dev)
{
    EoiListener l = { eoi, dev };

    g_array_append_val(((ApicBus *)bus)->listeners, l);
}

/*
 * Address: FEE | destination 19:12 | RH 3 | DM 2.  Data: trigger 15 | level 14 | delivery mode 10:8
 *   | vector 7:0.
 */
void apicbus_send(void *bus, const Msi *msi)
{
    Machine *m = ((ApicBus *)bus)->dev.machine;
    bool hint = msi->address & 8;
    ApicMessage msg = {
        .dest = (msi->address >> 12) & 0xff,
        .logical = msi->address & 4,
        .vector = msi->data & 0xff,
        .mode = (msi->data >> 8) & 7,
        .assert = msi->data & (1 << 14),
        .level = msi->data & (1 << 15),
    };

    if (m->irqchip) {
        m->irqchip->message(m, msi);
        return;
    }
    msg.everybody = msg.dest == 0xff;
    if (hint && msg.logical && msg.mode == DM_FIXED) {
        msg.mode = DM_LOWEST;
    }
    apicbus_deliver(bus, &msg, NULL, TO_DEST);
}

static void set_pins(ApicBus *bus, unsigned pin, bool level)
{
    for (unsigned i = 0; i < bus->apics->len; i++) {
        lapic_set_pin(g_ptr_array_index(bus->apics, i), pin, level);
    }
}

void apicbus_intr(void *bus, unsigned n, bool level)
{
    set_pins(bus, 0, level);
}

void apicbus_nmi(void *bus, unsigned n, bool level)
{
    set_pins(bus, 1, level);
}

static uint64_t window_read(void *dev, hwaddr off, unsigned size)
{
    return 0xffffffff;                /* nobody answers */
}

static void window_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Msi msi = { .address = MSI_WINDOW + off, .data = val };

    apicbus_send(dev, &msi);
}

static const MmioOps window_ops = { .read = window_read, .write = window_write, .min = 4,
                                    .max = 4 };

static bool apicbus_realize(void *dev, GError **err)
{
    ApicBus *s = dev;

    s->apics = g_ptr_array_new();
    s->listeners = g_array_new(FALSE, FALSE, sizeof(EoiListener));
    return true;
}

static void apicbus_unrealize(void *dev)
{
    ApicBus *s = dev;

    g_ptr_array_free(s->apics, TRUE);
    g_array_free(s->listeners, TRUE);
}

static void eoi_outside(void *dev, uint8_t vector)
{
    apicbus_eoi(dev, vector);
}

void *apicbus_create(Machine *m, Region *memory, void *pic, GError **err)
{
    ApicBus *s = device_new(m, bus_find(m, "sys"), "apic-bus", NULL, err);

    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    s->pic = pic;
    if (m->irqchip) {
        m->irqchip->eoi = eoi_outside;
        m->irqchip->eoi_dev = s;
    }
    if (pic) {
        i8259_connect(pic, apicbus_intr, s, 0);
    }
    region_map(memory, &s->dev.bank, MSI_WINDOW);
    return s;
}

static const Field apicbus_fields[] = {
    STATE(ApicBus, turn),
    FIELD_END
};

static void apicbus_reset(void *dev)
{
    ((ApicBus *)dev)->turn = 0;
}

const DeviceClass apicbus_class = {
    .name = "apic-bus",
    .desc = "bus between APICs, and MSI window",
    .spec = "Intel SDM volume 3A (325384), 11.6, 11.7 and 11.11",
    .bus = "sys",
    .size = sizeof(ApicBus),
    .fields = apicbus_fields,
    .io = &window_ops,
    .bank_size = MSI_WINDOW_SIZE,
    .realize = apicbus_realize,
    .unrealize = apicbus_unrealize,
    .reset = apicbus_reset,
};
