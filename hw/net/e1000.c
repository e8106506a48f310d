/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000.c -- Intel 82540EM gigabit Ethernet: registers, interrupts, PCI.
 *
 * Spec: SDM chapters 4 (PCI), 13 (registers); 3.2.7 and 3.4.3 (interrupt moderation).
 * Omits: flash, wake-up, management (MANC holds what is written), MSI and power management
 *   capabilities, the old register addresses of the 82542; statistics of errors that cannot happen
 *   here read 0.
 * Threads: with the machine lock.
 */
#include "hw/net/e1000.h"
#include "core/machine.h"
#include "hw/net/nic.h"
#include "core/trace.h"
#include <string.h>

enum { MMIO_BYTES = 0x20000, IO_BYTES = 64, ICS_AT = 0xc8, IMC_AT = 0xd8, RA_AT = 0x5400,
       MTA_AT = 0x5200, VFTA_AT = 0x5600 };
enum { IO_ADDR = 0, IO_DATA = 4 };
#define ITR_UNIT_NS   256
#define RAH_VALID     (1u << 31)

/* ---- counters ---- */

void e1000_count(uint32_t *counter)
{
    *counter += *counter != UINT32_MAX;
}

void e1000_count64(uint32_t *low, uint32_t *high, uint32_t bytes)
{
    uint64_t v = (uint64_t)*high << 32 | *low;

    v = v + bytes < v ? UINT64_MAX : v + bytes;
    *low = (uint32_t)v;
    *high = (uint32_t)(v >> 32);
}

void e1000_count_size(uint32_t *first, size_t bytes)
{
    static const uint16_t top[] = { 64, 127, 255, 511, 1023 };
    unsigned              i = 0;

    while (i < G_N_ELEMENTS(top) && bytes > top[i]) {
        i++;
    }
    e1000_count(first + i);
}

/* ---- interrupts ---- */

void e1000_update_irq(E1000 *s)
{
    bool     want = s->icr & s->ims;
    uint64_t now;

    if (want && !s->pci.irq_level && (s->itr & 0xffff)) {
        now = time_now(s->pci.dev.machine, TIME_GUEST);
        if (now < s->itr_after_ns) {
            timer_arm(&s->itr_timer, s->itr_after_ns);
            return;
        }
        s->itr_after_ns = now + (s->itr & 0xffff) * ITR_UNIT_NS;
    }
    trace_e1000_irq(s->icr, s->ims);
    pci_irq(&s->pci, want);
}

void e1000_cause(E1000 *s, uint32_t causes)
{
    s->icr |= causes & ICR_ALL;
    e1000_update_irq(s);
}

static void itr_expired(void *dev)
{
    e1000_update_irq(dev);
}

static uint64_t icr_read(void *dev, uint64_t val)
{
    E1000 *s = dev;

    s->icr = 0;
    e1000_update_irq(s);
    return val;
}

static void icr_written(void *dev, uint64_t old, uint64_t val)
{
    E1000 *s = dev;

    s->icr = (uint32_t)old & ~(uint32_t)val;
    e1000_update_irq(s);
}

static void ims_written(void *dev, uint64_t old, uint64_t val)
{
    E1000 *s = dev;

    s->ims = ((uint32_t)old | (uint32_t)val) & ICR_ALL;
    e1000_update_irq(s);
}

void e1000_link(E1000 *s, bool up)
{
    bool was = s->status & STATUS_LU;

    s->status = (s->status & ~(uint32_t)STATUS_LU) | (up ? STATUS_LU : 0);
    if (was != up) {
        e1000_cause(s, ICR_LSC);
    }
    if (up) {
        net_ready(&s->nic);
    }
}

/* ---- registers with effects ---- */

/* 14.3 and table 13-?: registers to their first values; the PCI header, address and EEPROM stay. */
static void chip_reset(E1000 *s);

static void ctrl_written(void *dev, uint64_t old, uint64_t val)
{
    E1000 *s = dev;

    if (val & CTRL_RST) {
        chip_reset(s);
    } else if (val & CTRL_PHY_RST) {
        e1000_phy_reset(s);
    }
}

static void rctl_written(void *dev, uint64_t old, uint64_t val)
{
    net_ready(&((E1000 *)dev)->nic);
}

static void tail_written(void *dev, uint64_t old, uint64_t val)
{
    e1000_transmit(dev);
}

/* 13.4.29: writing FPD asks for the waiting interrupt now. */
static void rdtr_written(void *dev, uint64_t old, uint64_t val)
{
    E1000 *s = dev;

    s->rdtr = (uint32_t)val & 0xffff;
    if ((val & 1u << 31) && s->rx_timer.deadline_ns != UINT64_MAX) {
        timer_stop(&s->rx_timer);
        e1000_rx_expired(s);
    }
}

static void tidv_written(void *dev, uint64_t old, uint64_t val)
{
    E1000 *s = dev;

    s->tidv = (uint32_t)val & 0xffff;
    if ((val & 1u << 31) && s->tx_timer.deadline_ns != UINT64_MAX) {
        timer_stop(&s->tx_timer);
        e1000_tx_expired(s);
    }
}

/* 13.7: a 64-bit counter is cleared when its upper half is read; both rows clear what they read. */
#define COUNTER(at, m)  REG(E1000, at, stats.m, .rc = UINT32_MAX)
#define WHOLE(at, m)    REG(E1000, at, m, .wr = UINT32_MAX)

static const Reg e1000_regs[] = {
    REG(E1000, 0x00c0, icr, .on_read = icr_read, .on_write = icr_written),
    REG(E1000, 0x3818, tx.tail, .wr = 0xffff, .on_write = tail_written),
    REG(E1000, 0x2818, rx.tail, .wr = 0xffff, .on_write = rctl_written),
    REG(E1000, 0x00d0, ims, .on_write = ims_written),
    REG(E1000, 0x0000, ctrl, .reset = 0x00140240 | CTRL_SLU,
        .wr = 0xfbfffffb & ~(CTRL_RST | CTRL_PHY_RST), .on_write = ctrl_written),
    REG(E1000, 0x0008, status, .reset = 0x0080 | STATUS_FD),
    REG(E1000, 0x0010, eecd, .reset = 0x0100, .wr = 0x77, .on_read = e1000_eecd_read,
        .on_write = e1000_eecd_written),
    REG(E1000, 0x0014, eerd, .on_write = e1000_eerd_written),
    WHOLE(0x0018, ctrl_ext),
    WHOLE(0x001c, fla),
    REG(E1000, 0x0020, mdic, .reset = 1 << 28, .on_write = e1000_mdic_written),
    REG(E1000, 0x0028, fcal, .reset = 0x00c28001, .wr = UINT32_MAX),
    REG(E1000, 0x002c, fcah, .reset = 0x0100, .wr = 0xffff),
    REG(E1000, 0x0030, fct, .reset = 0x8808, .wr = 0xffff),
    REG(E1000, 0x0038, vet, .reset = 0x8100, .wr = 0xffff),
    REG(E1000, 0x00c4, itr, .wr = 0xffff),
    REG(E1000, 0x0100, rctl, .wr = 0x07fffffe, .on_write = rctl_written),
    REG(E1000, 0x0170, fcttv, .wr = 0xffff),
    WHOLE(0x0178, txcw),
    WHOLE(0x0180, rxcw),
    REG(E1000, 0x0400, tctl, .wr = 0x01fffffa, .on_write = tail_written),
    WHOLE(0x0410, tipg),
    REG(E1000, 0x0458, ait, .wr = 0xffff),
    REG(E1000, 0x0e00, ledctl, .reset = 0x07068302, .wr = UINT32_MAX),
    REG(E1000, 0x1000, pba, .reset = 0x00100030, .wr = 0xffff),
    REG(E1000, 0x2800, rx.bal, .wr = 0xfffffff0),
    WHOLE(0x2804, rx.bah),
    REG(E1000, 0x2808, rx.len, .wr = 0xfff80),
    REG(E1000, 0x2810, rx.head, .wr = 0xffff),
    REG(E1000, 0x2820, rdtr, .on_write = rdtr_written),
    WHOLE(0x2828, rxdctl),
    REG(E1000, 0x282c, radv, .wr = 0xffff),
    REG(E1000, 0x2c00, rsrpd, .wr = 0xfff),
    REG(E1000, 0x3800, tx.bal, .wr = 0xfffffff0),
    WHOLE(0x3804, tx.bah),
    REG(E1000, 0x3808, tx.len, .wr = 0xfff80),
    REG(E1000, 0x3810, tx.head, .wr = 0xffff),
    REG(E1000, 0x3820, tidv, .on_write = tidv_written),
    WHOLE(0x3828, txdctl),
    REG(E1000, 0x382c, tadv, .wr = 0xffff),
    REG(E1000, 0x3830, tspmt, .reset = 0x01000400, .wr = UINT32_MAX),
    REG(E1000, 0x5000, rxcsum, .wr = 0x3ff),
    REG(E1000, 0x5800, wuc, .wr = 0xf),
    REG(E1000, 0x5808, wufc, .wr = 0xf00ff),
    REG(E1000, 0x5810, wus, .w1c = 0xf00ff),
    REG(E1000, 0x5838, ipav, .wr = 0x1000f),
    WHOLE(0x5820, manc),
    COUNTER(0x4010, mpc),
    COUNTER(0x405c, prc64),
    COUNTER(0x4060, prc127),
    COUNTER(0x4064, prc255),
    COUNTER(0x4068, prc511),
    COUNTER(0x406c, prc1023),
    COUNTER(0x4070, prc1522),
    COUNTER(0x4074, gprc),
    COUNTER(0x4078, bprc),
    COUNTER(0x407c, mprc),
    COUNTER(0x4080, gptc),
    COUNTER(0x4088, gorcl),
    COUNTER(0x408c, gorch),
    COUNTER(0x4090, gotcl),
    COUNTER(0x4094, gotch),
    COUNTER(0x40a0, rnbc),
    COUNTER(0x40a4, ruc),
    COUNTER(0x40ac, roc),
    COUNTER(0x40b0, rjc),
    COUNTER(0x40c0, torl),
    COUNTER(0x40c4, torh),
    COUNTER(0x40c8, totl),
    COUNTER(0x40cc, toth),
    COUNTER(0x40d0, tpr),
    COUNTER(0x40d4, tpt),
    COUNTER(0x40d8, ptc64),
    COUNTER(0x40dc, ptc127),
    COUNTER(0x40e0, ptc255),
    COUNTER(0x40e4, ptc511),
    COUNTER(0x40e8, ptc1023),
    COUNTER(0x40ec, ptc1522),
    COUNTER(0x40f0, mptc),
    COUNTER(0x40f4, bptc),
    COUNTER(0x40f8, tsctc),
    { .size = 0 }
};

/* ---- access ---- */

/* Tables of registers, which rows cannot say; NULL: none of them.  RA alternates low and high. */
static uint32_t *array_reg(E1000 *s, hwaddr off)
{
    if (off >= MTA_AT && off < MTA_AT + 4 * E1000_MTA) {
        return &s->mta[(off - MTA_AT) / 4];
    }
    if (off >= RA_AT && off < RA_AT + 8 * E1000_ADDRESSES) {
        return &(off & 4 ? s->rah : s->ral)[(off - RA_AT) / 8];
    }
    if (off >= VFTA_AT && off < VFTA_AT + 4 * E1000_VFTA) {
        return &s->vfta[(off - VFTA_AT) / 4];
    }
    return NULL;
}

static uint64_t mmio_read(void *dev, hwaddr off, unsigned size)
{
    uint32_t *a = array_reg(dev, off);

    return a ? *a : regs_read(e1000_regs, dev, off, size);
}

static void mmio_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    E1000    *s = dev;
    uint32_t *a = array_reg(s, off);

    if (a) {
        *a = (uint32_t)val &
             (a >= s->rah && a < s->rah + E1000_ADDRESSES ? RAH_VALID | 0x3ffff : UINT32_MAX);
    } else if (off == ICS_AT) {
        e1000_cause(s, (uint32_t)val);
    } else if (off == IMC_AT) {
        s->ims &= ~(uint32_t)val;
        e1000_update_irq(s);
    } else {
        regs_write(e1000_regs, s, off, val, size);
    }
}

static const MmioOps mmio_ops = { .read = mmio_read, .write = mmio_write, .min = 4, .max = 4 };

/* 13.3.1: an address register and a data register in I/O space. */
static uint64_t port_read(void *dev, hwaddr off, unsigned size)
{
    E1000 *s = dev;

    return off == IO_ADDR                              ? s->io_addr
           : off == IO_DATA && s->io_addr < MMIO_BYTES ? mmio_read(s, s->io_addr & ~3u, 4)
                                                       : 0;
}

static void port_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    E1000 *s = dev;

    if (off == IO_ADDR) {
        s->io_addr = (uint32_t)val;
    } else if (off == IO_DATA && s->io_addr < MMIO_BYTES) {
        mmio_write(s, s->io_addr & ~3u, val, 4);
    }
}

static const MmioOps port_ops = { .read = port_read, .write = port_write, .min = 4, .max = 4 };

/* ---- life ---- */

static void link_changed(NetEnd *nic, bool up)
{
    e1000_phy_link((E1000 *)(void *)((char *)nic - offsetof(E1000, nic)));
}

static const NetOps e1000_end = { .name = "e1000", .receive = e1000_receive, .link = link_changed };

static void chip_reset(E1000 *s)
{
    Timer *timers[] = { &s->autoneg, &s->itr_timer, &s->rx_timer, &s->tx_timer };

    for (unsigned i = 0; i < G_N_ELEMENTS(timers); i++) {
        timer_stop(timers[i]);
    }
    regs_reset(e1000_regs, s);
    s->itr_after_ns = s->rx_deadline_ns = s->tx_deadline_ns = 0;
    s->io_addr = 0;
    s->ee_shift = 1;
    s->ee_left = 0;
    s->ee_write_on = false;
    s->tx_bytes = s->tso_sent = 0;
    s->tx_tse = s->tx_vle = s->tx_skip = false;
    memset(s->mta, 0, sizeof(s->mta));
    memset(s->vfta, 0, sizeof(s->vfta));
    memset(s->ral, 0, sizeof(s->ral));
    memset(s->rah, 0, sizeof(s->rah));
    s->ral[0] = (uint32_t)(s->eeprom[0] | (uint32_t)s->eeprom[1] << 16);
    s->rah[0] = RAH_VALID | s->eeprom[2];
    e1000_phy_reset(s);
    s->icr = 0;
    e1000_update_irq(s);
}

static void e1000_reset(void *dev)
{
    E1000 *s = dev;

    pci_reset(dev);
    chip_reset(s);
}

static bool e1000_realize(void *dev, GError **err)
{
    E1000 *s = dev;

    if (!s->mac_text) {
        net_mac_next(s->pci.dev.machine, s->mac);
    } else if (!net_mac_parse(s->mac_text, s->mac, err)) {
        return false;
    }
    pci_init(&s->pci, &(PciIdent){ .vendor = 0x8086, .device = 0x100e, .class_code = 0x020000,
                                   .revision = 3, .pin = 1,
                                   .subsystem_vendor = 0x1af4, .subsystem = 0x1100 }, NULL);
    region_init_io(&s->mmio, "e1000-mmio", &mmio_ops, s, MMIO_BYTES);
    region_init_io(&s->io, "e1000-io", &port_ops, s, IO_BYTES);
    pci_bar(&s->pci, 0, PCI_BAR_MEM, false, &s->mmio);
    pci_bar(&s->pci, 1, PCI_BAR_IO, false, &s->io);
    if (!nic_rom(&s->pci, "e1000", err) ||
        !net_nic_open(&s->nic, &e1000_end, &s->pci.dev, s->netdev, err)) {
        return false;
    }
    timer_init(&s->autoneg, s->pci.dev.machine, TIME_GUEST, e1000_autoneg_done, s);
    timer_init(&s->itr_timer, s->pci.dev.machine, TIME_GUEST, itr_expired, s);
    timer_init(&s->rx_timer, s->pci.dev.machine, TIME_GUEST, e1000_rx_expired, s);
    timer_init(&s->tx_timer, s->pci.dev.machine, TIME_GUEST, e1000_tx_expired, s);
    e1000_eeprom_init(s);
    return true;
}

static void e1000_unrealize(void *dev)
{
    E1000 *s = dev;

    timer_stop(&s->autoneg);
    timer_stop(&s->itr_timer);
    timer_stop(&s->rx_timer);
    timer_stop(&s->tx_timer);
    net_nic_close(&s->nic);
    pci_unrealize(dev);
}

static bool e1000_restored(void *dev, GError **err)
{
    E1000   *s = dev;
    uint32_t most = s->tx_tse ? s->ctx.hdrlen + (uint32_t)s->ctx.mss : E1000_FRAME_MAX;

    if (s->tx_bytes > most || s->ee_left > 17) {
        return fail(err, "e1000: a frame or an EEPROM word in the making has an impossible length");
    }
    return pci_restored(dev, err);
}

static const Field context_fields[] = {
    STATE(E1000Context, ipcss), STATE(E1000Context, ipcso),
    STATE(E1000Context, ipcse), STATE(E1000Context, tucss),
    STATE(E1000Context, tucso), STATE(E1000Context, tucse),
    STATE(E1000Context, paylen), STATE(E1000Context, tucmd),
    STATE(E1000Context, hdrlen), STATE(E1000Context, mss), FIELD_END
};

static const Field e1000_fields[] = {
    PCI_FIELDS(E1000),
    CONFIG_LINK(E1000, netdev, "netdev", "netdev", .help = "Id of the -netdev it is plugged into."),
    CONFIG_AS(E1000, mac_text, "mac", .help = "Its address; default 52:54:00:12:34:56 and on."),
    STATE(E1000, io_addr), STATE_ARRAY(E1000, ral), STATE_ARRAY(E1000, rah),
    STATE_ARRAY(E1000, mta), STATE_ARRAY(E1000, vfta), STATE_ARRAY(E1000, eeprom),
    STATE(E1000, ee_shift), STATE(E1000, ee_out), STATE(E1000, ee_left, .max = 17),
    STATE(E1000, ee_write_on), STATE_ARRAY(E1000, phy), STATE_TIMER(E1000, autoneg),
    STATE_STRUCT(E1000, ctx, E1000Context, context_fields), STATE_BYTES(E1000, tx_buf),
    STATE(E1000, tx_bytes), STATE(E1000, tso_sent), STATE(E1000, tx_popts),
    STATE(E1000, tx_special), STATE(E1000, tx_tse), STATE(E1000, tx_vle), STATE(E1000, tx_skip),
    STATE_TIMER(E1000, itr_timer), STATE_TIMER(E1000, rx_timer), STATE_TIMER(E1000, tx_timer),
    STATE(E1000, itr_after_ns),
    STATE(E1000, rx_deadline_ns), STATE(E1000, tx_deadline_ns),
    FIELD_END
};

const DeviceClass e1000_class = {
    .name = "e1000",
    .desc = "Intel 82540EM gigabit Ethernet",
    .spec = "Intel 317453 rev 4.0",
    .bus = "pci",
    .size = sizeof(E1000),
    .hotplug = true,
    .fields = e1000_fields,
    .regs = e1000_regs,
    .realize = e1000_realize,
    .unrealize = e1000_unrealize,
    .reset = e1000_reset,
    .restored = e1000_restored,
};
