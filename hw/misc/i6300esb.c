/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i6300esb.c -- the watchdog timer of the 6300ESB I/O controller hub: two stages, the second of
 * which acts.
 *
 * Spec: Intel 6300ESB I/O Controller Hub datasheet, order 300641, chapter "Watchdog Timer (WDT)".
 * Omits: the first stage's interrupt (IRQ 10 of the hub's second IO-APIC, or SMI, neither of which
 *   this board has): its status is
 *   set.  The general purpose output.
 * Threads: with the machine lock.
 *
 *     configuration space: 60 WDT Configuration   4:3 -  5 output off  2 prescaler
 *                                                 1:0 interrupt type (3: none)
 *                          68 WDT Lock            2 free running  1 enable  0 lock
 *     memory, 16 bytes:    00 preload 1   04 preload 2   08 interrupt status
 *                          0C reload (8), timed out (9)
 */
#include "core/actions.h"
#include "core/clock.h"
#include "hw/pci/pci.h"

enum { CONFIG_AT = 0x60, LOCK_AT = 0x68, BANK_BYTES = 16 };
enum { CONFIG_NO_OUTPUT = 0x20, CONFIG_PRESCALE = 0x04, CONFIG_INT = 0x03, INT_NONE = 3 };
enum { LOCK_LOCKED = 1, LOCK_ENABLE = 2, LOCK_FREE_RUN = 4 };
enum { PRELOAD1 = 0x0, PRELOAD2 = 0x4, STATUS = 0x8, RELOAD = 0xc };
enum { RELOAD_NOW = 0x100, RELOAD_TIMEOUT = 0x200, UNLOCK1 = 0x80, UNLOCK2 = 0x86 };
enum { PRELOAD_MASK = 0xfffff, PCI_HZ = 33000000, SLOW_SHIFT = 15, FAST_SHIFT = 5 };

typedef struct I6300esb {
    PciDevice pci;
    Region    bank;
    Timer     timer;
    uint32_t  preload[2];
    uint8_t   stage;                  /* 0: stands; 1, 2 */
    uint8_t   unlocked;               /* writes of the key so far: 2: the next write counts */
    bool      int_active;
    bool      timed_out;              /* survives a reset: so the next start knows why */
} I6300esb;

static uint32_t config(const I6300esb *s)
{
    return pci_get(&s->pci, CONFIG_AT, 2);
}

static void start(I6300esb *s, unsigned stage)
{
    unsigned shift = config(s) & CONFIG_PRESCALE ? FAST_SHIFT : SLOW_SHIFT;
    uint64_t clocks = ((uint64_t)s->preload[stage - 1] + 1) << shift;

    s->stage = (uint8_t)stage;
    timer_arm(&s->timer,
              time_now(s->pci.dev.machine, TIME_GUEST) + clocks * 1000 / (PCI_HZ / 1000000));
}

static void stop(I6300esb *s)
{
    s->stage = 0;
    timer_stop(&s->timer);
}

static void fire(void *dev)
{
    I6300esb *s = dev;

    if (s->stage == 1) {
        s->int_active |= (config(s) & CONFIG_INT) != INT_NONE;
        start(s, 2);
        return;
    }
    s->timed_out = true;
    if (pci_get(&s->pci, LOCK_AT, 1) & LOCK_FREE_RUN) {
        start(s, 1);
    } else {
        stop(s);
    }
    if (!(config(s) & CONFIG_NO_OUTPUT)) {
        machine_watchdog(s->pci.dev.machine);
    }
}

/* Locked, only a reset changes it. */
static void lock_written(void *dev, uint64_t old, uint64_t val)
{
    I6300esb *s = dev;

    if (old & LOCK_LOCKED) {
        pci_put(&s->pci, LOCK_AT, 1, (uint32_t)old);
        return;
    }
    if (!(val & LOCK_ENABLE)) {
        stop(s);
    } else if (!s->stage) {
        start(s, 1);
    }
}

static uint64_t bank_read(void *dev, hwaddr off, unsigned size)
{
    const I6300esb *s = dev;

    switch (off) {
    case PRELOAD1: case PRELOAD2: return s->preload[off / 4];
    case STATUS:                  return s->int_active;
    case RELOAD:                  return s->timed_out ? RELOAD_TIMEOUT : 0;
    default:                      return 0;
    }
}

/* Every write to a preload or reload register needs the key before it. */
static void bank_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    I6300esb *s = dev;
    bool      may = s->unlocked == 2;

    if (off == STATUS) {
        s->int_active &= !(val & 1);
        return;
    }
    if (off == RELOAD && !may) {
        s->unlocked = val == UNLOCK1 ? 1 : val == UNLOCK2 && s->unlocked == 1 ? 2 : 0;
        return;
    }
    s->unlocked = 0;
    if (!may) {
        guest_error(s, "a write at 0x%x without the key", (unsigned)off);
    } else if (off == PRELOAD1 || off == PRELOAD2) {
        s->preload[off / 4] = val & PRELOAD_MASK;
    } else if (off == RELOAD) {
        s->timed_out &= !(val & RELOAD_TIMEOUT);
        if ((val & RELOAD_NOW) && s->stage) {
            start(s, 1);
        }
    }
}

static const MmioOps bank_ops = { .read = bank_read, .write = bank_write, .min = 1, .max = 4 };

static const Reg i6300esb_config[] = {
    PCI_REG(CONFIG_AT, 2, "WDT_CONFIG", .wr = CONFIG_NO_OUTPUT | CONFIG_PRESCALE | CONFIG_INT),
    PCI_REG(LOCK_AT, 1, "WDT_LOCK", .wr = LOCK_LOCKED | LOCK_ENABLE | LOCK_FREE_RUN,
            .on_write = lock_written),
    { .size = 0 }
};

static bool i6300esb_realize(void *dev, GError **err)
{
    I6300esb *s = dev;

    pci_init(&s->pci, &(PciIdent){ .vendor = 0x8086, .device = 0x25ab, .class_code = 0x088000,
                                   .subsystem_vendor = 0x1af4,
                                   .subsystem = 0x1100 }, i6300esb_config);
    timer_init(&s->timer, s->pci.dev.machine, TIME_GUEST, fire, s);
    region_init_io(&s->bank, "i6300esb", &bank_ops, s, BANK_BYTES);
    pci_bar(&s->pci, 0, PCI_BAR_MEM, false, &s->bank);
    return true;
}

static void i6300esb_unrealize(void *dev)
{
    timer_stop(&((I6300esb *)dev)->timer);
    pci_unrealize(dev);
}

static void i6300esb_reset(void *dev)
{
    I6300esb *s = dev;

    stop(s);
    s->preload[0] = s->preload[1] = PRELOAD_MASK;
    s->unlocked = 0;
    s->int_active = false;
    pci_reset(dev);
}

static const Field i6300esb_fields[] = {
    PCI_FIELDS(I6300esb),
    STATE_TIMER(I6300esb, timer),
    STATE_ARRAY(I6300esb, preload),
    STATE(I6300esb, stage, .max = 2),
    STATE(I6300esb, unlocked, .max = 2),
    STATE(I6300esb, int_active),
    STATE(I6300esb, timed_out),
    FIELD_END
};

static bool i6300esb_restored(void *dev, GError **err)
{
    I6300esb *s = dev;

    s->preload[0] &= PRELOAD_MASK;
    s->preload[1] &= PRELOAD_MASK;
    return pci_restored(dev, err);
}

const DeviceClass i6300esb_class = {
    .name = "i6300esb",
    .desc = "Intel 6300ESB watchdog timer",
    .spec = "Intel 300641",
    .bus = "pci",
    .size = sizeof(I6300esb),
    .hotplug = true,
    .fields = i6300esb_fields,
    .realize = i6300esb_realize,
    .unrealize = i6300esb_unrealize,
    .reset = i6300esb_reset,
    .restored = i6300esb_restored,
};
