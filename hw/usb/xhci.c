/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xhci.c -- the registers and root hub ports of an xHCI controller, as qemu-xhci and as NEC's.
 *
 * Spec: xHCI 1.2, chapters 4.2 (initialisation), 4.19 (root hub), 5 (registers), 7.2 (supported
 *   protocol).
 * Omits: see xhci.h; link power management, over-current.
 * Threads: with the machine lock.
 *
 *     0 capabilities   20 supported protocols   40 operational   440 ports   1000 run time
 *     2000 doorbells   3000 MSI-X
 */
#include "hw/usb/xhci.h"
#include "core/machine.h"
#include <string.h>

enum { OPER = 0x40, PORTS_AT = 0x440, RUNTIME = 0x1000, INTR_AT = 0x1020, DOORBELLS = 0x2000,
       MSIX_AT = 0x3000, PBA_AT = 0x3800,
       BAR_BYTES = 0x4000, PROTOCOLS = 0x20 };
/* 5.4 */
enum { USBCMD = 0x00, USBSTS = 0x04, PAGESIZE = 0x08, DNCTRL = 0x14, CRCR = 0x18, DCBAAP = 0x30,
       CONFIG = 0x38 };
enum { CRCR_CYCLE = 1, CRCR_STOP = 2, CRCR_ABORT = 4, CRCR_RUNNING = 8 };
enum { CMD_STORED = 0xd0d, STS_W1C = XHCI_STS_HSE | XHCI_STS_EINT | XHCI_STS_PCD | XHCI_STS_SRE };
/* 5.5.2 */
enum { IMAN = 0x00, IMOD = 0x04, ERSTSZ = 0x08, ERSTBA = 0x10, ERDP = 0x18 };
enum { MFINDEX_NS = 125000 };

enum {                                /* PORTSC, 5.4.8 */
    P_CCS = 1, P_PED = 2, P_RESET = 0x10, P_PLS_AT = 5, P_PLS = 0x1e0, P_POWER = 0x200,
    P_SPEED_AT = 10, P_PIC = 0xc000,
    P_LWS = 0x10000, P_CSC = 1 << 17, P_PEC = 1 << 18, P_WRC = 1 << 19, P_PRC = 1 << 21,
    P_PLC = 1 << 22, P_CEC = 1 << 23,
    P_WAKES = 0xe000000,
};
#define P_WARM_RESET 0x80000000u
#define P_CHANGES    ((uint32_t)(P_CSC | P_PEC | P_WRC | P_PRC | P_PLC | P_CEC | 1 << 20))
enum { PLS_U0 = 0, PLS_U3 = 3, PLS_RX_DETECT = 5, PLS_POLLING = 7, PLS_RESUME = 15 };

/* ---- ports; n from 1 ---- */

static uint32_t *portsc(Xhci *s, unsigned n)
{
    return &s->portsc[n - 1];
}

static UsbDevice *on_port(Xhci *s, unsigned n)
{
    UsbDevice *d = s->port[(n > s->p2 ? n - s->p2 : n) - 1].dev;
    return d && (d->speed == USB_SUPER) == (n > s->p2) ? d : NULL;
}

static unsigned root_port(Xhci *s, const UsbPort *p)
{
    return p->index + 1 + (p->dev->speed == USB_SUPER ? s->p2 : 0);
}

static void set_link(Xhci *s, unsigned n, unsigned state)
{
    *portsc(s, n) = (*portsc(s, n) & ~(uint32_t)P_PLS) | state << P_PLS_AT;
}

/* 4.19.2: a change bit that goes up is told. */
static void port_changed(Xhci *s, unsigned n, uint32_t bits)
{
    bool is_new = bits & ~*portsc(s, n);

    *portsc(s, n) |= bits;
    if (is_new && (s->usbcmd & XHCI_CMD_RS)) {
        s->usbsts |= XHCI_STS_PCD;
        xhci_event(s, 0,
                   (Trb){ (uint64_t)n << 24, (uint32_t)CC_SUCCESS << 24, EV_PORT << TRB_TYPE_AT },
                   false);
    }
}

/* What is there after power or a reset of the controller. */
static void port_connect(Xhci *s, unsigned n)
{
    /* 7.2.2.1.1 */
    static const uint8_t ids[USB_SPEEDS] = {
        [USB_FULL] = 1, [USB_LOW] = 2, [USB_HIGH] = 3, [USB_SUPER] = 4
    };
    UsbDevice *d = on_port(s, n);
    uint32_t   keep = *portsc(s, n) & (P_CHANGES | P_WAKES | P_PIC);

    *portsc(s, n) = keep | P_POWER;
    if (d) {
        *portsc(s, n) |=
            P_CCS | (uint32_t)ids[d->speed] << P_SPEED_AT | (d->speed == USB_SUPER ? P_PED : 0);
        set_link(s, n, d->speed == USB_SUPER ? PLS_U0 : PLS_POLLING);
    } else {
        set_link(s, n, PLS_RX_DETECT);
    }
}

static void port_attach(UsbPort *p)
{
    Xhci    *s = p->hc;
    unsigned n = root_port(s, p);

    port_connect(s, n);
    port_changed(s, n, P_CSC);
}

static void port_detach(UsbPort *p)
{
    Xhci    *s = p->hc;
    unsigned n = root_port(s, p);
    bool     enabled = *portsc(s, n) & P_PED;

    for (unsigned i = 1; i <= s->n_slots; i++) {
        for (unsigned dci = 1; dci < XHCI_DCIS && s->slot[i].enabled && s->slot[i].port == n;
             dci++) {
            if (s->slot[i].xfer[dci]) {
                xhci_ep_stop(s, i, dci, s->slot[i].ep_state[dci]);
            }
        }
    }
    p->dev = NULL;
    port_connect(s, n);
    port_changed(s, n, P_CSC | (enabled && n <= s->p2 ? P_PEC : 0));
}

static void port_wakeup(UsbPort *p, uint8_t ep)
{
    Xhci *s = p->hc;

    for (unsigned i = 1; i <= s->n_slots && p->dev; i++) {
        if (s->slot[i].enabled && xhci_device(s, i) == p->dev) {
            for (unsigned in = 0; in < 2 && ep; in++) {
                xhci_ep_run(s, i, 2u * ep + in);
            }
        }
    }
}

static void port_resume(UsbPort *p)
{
    Xhci    *s = p->hc;
    unsigned n = root_port(s, p);

    if ((*portsc(s, n) & P_PLS) >> P_PLS_AT == PLS_U3) {
        set_link(s, n, PLS_RESUME);
        port_changed(s, n, P_PLC);
    }
}

static const UsbPortOps port_ops = { .attach = port_attach, .detach = port_detach,
                                     .wakeup = port_wakeup, .resume = port_resume };

static void port_reset(Xhci *s, unsigned n, bool warm)
{
    UsbDevice *d = on_port(s, n);

    if (d) {
        usb_device_reset(d);
        set_link(s, n, PLS_U0);
        *portsc(s, n) |= P_PED;
        port_changed(s, n, P_PRC | (warm ? P_WRC : 0));
    }
}

static void port_link(Xhci *s, unsigned n, unsigned to)
{
    unsigned from = (*portsc(s, n) & P_PLS) >> P_PLS_AT;

    if (to == PLS_U3 && from == PLS_U0) {
        set_link(s, n, PLS_U3);
    } else if (to == PLS_RESUME && from == PLS_U3 && n <= s->p2) {
        set_link(s, n, PLS_RESUME);
    } else if (to == PLS_U0 && (from == PLS_U3 || from == PLS_RESUME)) {
        set_link(s, n, PLS_U0);
        port_changed(s, n, P_PLC);
    }
}

static void port_write(Xhci *s, unsigned n, uint32_t val)
{
    uint32_t *sc = portsc(s, n);

    *sc &= ~(val & P_CHANGES);
    *sc = (*sc & ~(uint32_t)(P_WAKES | P_PIC)) | (val & (P_WAKES | P_PIC));
    if ((val & P_RESET) || ((val & P_WARM_RESET) && n > s->p2)) {
        port_reset(s, n, (val & P_WARM_RESET) != 0);
        return;
    }
    if (val & P_PED) {
        *sc &= ~(uint32_t)P_PED;      /* writing one disables */
    }
    if (!(val & P_POWER)) {
        *sc &= ~(uint32_t)P_POWER;
    } else if (!(*sc & P_POWER)) {
        port_connect(s, n);
    }
    if ((val & P_LWS) && (*sc & P_PED)) {
        port_link(s, n, (val & P_PLS) >> P_PLS_AT);
    }
}

/* ---- life of the controller ---- */

static void hc_reset(Xhci *s)
{
    timer_stop(&s->timer);
    for (unsigned i = 1; i <= XHCI_SLOTS; i++) {
        xhci_slot_disable(s, i);
    }
    s->usbcmd = s->dnctrl = s->slots_on = 0;
    s->usbsts = XHCI_STS_HALTED;
    s->crcr = s->dcbaap = 0;
    s->command_running = false;
    memset(s->intr, 0, sizeof(s->intr));
    for (unsigned i = 0; i < s->n_intrs; i++) {
        s->intr[i].imod = 4000;
        xhci_intr_restart(&s->intr[i]);
    }
    for (unsigned n = 1; n <= s->p2 + s->p3; n++) {
        *portsc(s, n) = 0;
        port_connect(s, n);
        *portsc(s, n) |= *portsc(s, n) & P_CCS ? P_CSC : 0;
    }
    xhci_update_irq(s);
}

static void go_on(void *dev)
{
    Xhci *s = dev;

    xhci_commands(s);
    for (unsigned i = 1; i <= s->n_slots; i++) {
        uint32_t again = s->slot[i].again;
        s->slot[i].again = 0;
        for (unsigned dci = 1; dci < XHCI_DCIS && again; dci++) {
            if (again >> dci & 1) {
                xhci_ep_run(s, i, dci);
            }
        }
    }
}

static void doorbell(Xhci *s, unsigned slot, uint32_t val)
{
    unsigned dci = val & 0xff;

    if (!(s->usbcmd & XHCI_CMD_RS)) {
        return;
    }
    if (slot == 0) {
        if (dci == 0) {
            s->command_running = true;
            xhci_commands(s);
        }
        return;
    }
    if (slot > s->n_slots || !s->slot[slot].enabled || !dci || dci >= XHCI_DCIS) {
        guest_error(s, "doorbell of slot %u, endpoint %u, which is not there", slot, dci);
        return;
    }
    if (s->slot[slot].ep_state[dci] == EP_STOPPED) {
        s->slot[slot].ep_state[dci] = EP_RUNNING;
        xhci_ep_write_context(s, slot, dci);
    }
    xhci_ep_run(s, slot, dci);
}

/* ---- operational registers ---- */

static void command_written(Xhci *s, uint32_t val)
{
    if (val & XHCI_CMD_RESET) {
        hc_reset(s);
        return;
    }
    if (val & XHCI_CMD_RESTORE) {
        s->usbsts |= XHCI_STS_SRE;    /* nothing was kept: the driver starts anew */
    }
    s->usbcmd = val & CMD_STORED & ~(uint32_t)(XHCI_CMD_SAVE | XHCI_CMD_RESTORE);
    if ((val & XHCI_CMD_RS) && !(s->usbsts & XHCI_STS_HCE)) {
        s->usbsts &= ~(uint32_t)XHCI_STS_HALTED;
    } else {
        s->usbcmd &= ~(uint32_t)XHCI_CMD_RS;
        s->usbsts |= XHCI_STS_HALTED;
        s->command_running = false;
    }
    xhci_update_irq(s);
}

/* The pointer can be set while the ring stands; stopping it says so with an event (4.6.1.1). */
static void crcr_written(Xhci *s, uint32_t val)
{
    if (s->command_running && (val & (CRCR_STOP | CRCR_ABORT))) {
        uint64_t at = s->crcr & ~(uint64_t)15;
        s->command_running = false;
        xhci_event(s, 0, (Trb){ at, (uint32_t)CC_COMMAND_RING_STOPPED << 24,
                                EV_COMMAND << TRB_TYPE_AT }, false);
    } else if (!s->command_running) {
        s->crcr = (s->crcr & ~(uint64_t)UINT32_MAX) | (val & 0xffffffc1);
    }
}

static uint32_t oper_read(Xhci *s, unsigned off)
{
    switch (off) {
    case USBCMD:     return s->usbcmd;
    case USBSTS:     return s->usbsts;
    case PAGESIZE:   return 1;        /* 4 KiB */
    case DNCTRL:     return s->dnctrl;
    case CRCR:       return s->command_running ? CRCR_RUNNING : 0;
    case DCBAAP:     return (uint32_t)s->dcbaap;
    case DCBAAP + 4: return (uint32_t)(s->dcbaap >> 32);
    case CONFIG:     return s->slots_on;
    default:         return 0;
    }
}

static void oper_write(Xhci *s, unsigned off, uint32_t val)
{
    switch (off) {
    case USBCMD:
        command_written(s, val);
        break;
    case USBSTS:
        s->usbsts &= ~(val & STS_W1C);
        break;
    case DNCTRL:
        s->dnctrl = val & 0xffff;
        break;
    case CRCR:
        crcr_written(s, val);
        break;
    case CRCR + 4:
        if (!s->command_running) {
            s->crcr = (s->crcr & UINT32_MAX) | (uint64_t)val << 32;
        }
        break;
    case DCBAAP:
        s->dcbaap = (s->dcbaap & ~(uint64_t)UINT32_MAX) | (val & ~63u);
        break;
    case DCBAAP + 4:
        s->dcbaap = (s->dcbaap & UINT32_MAX) | (uint64_t)val << 32;
        break;
    case CONFIG:
        s->slots_on = val & 0xff;
        break;
    }
}

/* ---- run time registers ---- */

static uint32_t intr_read(const XhciIntr *in, unsigned off)
{
    switch (off) {
    case IMAN:       return in->iman;
    case IMOD:       return in->imod;
    case ERSTSZ:     return in->erstsz;
    case ERSTBA:     return (uint32_t)in->erstba;
    case ERSTBA + 4: return (uint32_t)(in->erstba >> 32);
    case ERDP:       return (uint32_t)in->erdp;
    case ERDP + 4:   return (uint32_t)(in->erdp >> 32);
    default:         return 0;
    }
}

static void intr_write(Xhci *s, XhciIntr *in, unsigned off, uint32_t val)
{
    switch (off) {
    case IMAN:
        in->iman = (in->iman & IMAN_IP & ~val) | (val & IMAN_IE);
        xhci_update_irq(s);
        break;
    case IMOD:
        in->imod = val;
        break;
    case ERSTSZ:
        in->erstsz = val & 0xffff;
        break;
    case ERSTBA:
        in->erstba = (in->erstba & ~(uint64_t)UINT32_MAX) | (val & ~63u);
        xhci_intr_restart(in);
        break;
    case ERSTBA + 4:
        in->erstba = (in->erstba & UINT32_MAX) | (uint64_t)val << 32;
        xhci_intr_restart(in);
        break;
    case ERDP:
        xhci_erdp_written(s, in, (in->erdp & ~(uint64_t)UINT32_MAX) | val);
        break;
    case ERDP + 4:
        in->erdp = (in->erdp & UINT32_MAX) | (uint64_t)val << 32;
        break;
    }
}

/* ---- the bank ---- */

static uint32_t cap_read(const Xhci *s, unsigned off)
{
    switch (off) {
    /* CAPLENGTH, HCIVERSION */
    case 0x00: return OPER | 0x0100 << 16;
    case 0x04: return s->n_slots | s->n_intrs << 8 | (s->p2 + s->p3) << 24;     /* HCSPARAMS1 */
    /* HCSPARAMS2: 16 event ring segments */
    case 0x08: return 4 << 4;
    /* HCCPARAMS1: 64-bit addresses */
    case 0x10: return 1 | PROTOCOLS / 4 << 16;
    case 0x14: return DOORBELLS;
    case 0x18: return RUNTIME;
    /* USB 2.0, next one 16 bytes on */
    case PROTOCOLS + 0x00: return 0x02000002 | 4 << 8;
    /* USB 3.0, the last */
    case PROTOCOLS + 0x10: return 0x03000002;
    case PROTOCOLS + 0x04: case PROTOCOLS + 0x14: return 0x20425355;            /* "USB " */
    case PROTOCOLS + 0x08: return 1 | s->p2 << 8;
    case PROTOCOLS + 0x18: return (s->p2 + 1) | s->p3 << 8;
    default:   return 0;
    }
}

static uint64_t xhci_read(void *dev, hwaddr off, unsigned size)
{
    Xhci    *s = dev;
    unsigned at = (unsigned)off, n;

    if (at < OPER) {
        return cap_read(s, at);
    }
    if (at < PORTS_AT) {
        return oper_read(s, at - OPER);
    }
    if (at < RUNTIME) {
        n = (at - PORTS_AT) / 16 + 1;
        return n <= s->p2 + s->p3 && at % 16 == 0 ? *portsc(s, n) : 0;
    }
    if (at == RUNTIME) {
        return time_now(s->pci.dev.machine, TIME_GUEST) / MFINDEX_NS & 0x3fff;
    }
    if (at >= INTR_AT && at < DOORBELLS && (at - INTR_AT) / 32 < s->n_intrs) {
        return intr_read(&s->intr[(at - INTR_AT) / 32], at % 32);
    }
    return 0;
}

static void xhci_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Xhci    *s = dev;
    unsigned at = (unsigned)off, n;

    if (at >= DOORBELLS) {
        doorbell(s, (at - DOORBELLS) / 4, (uint32_t)val);
    } else if (at >= INTR_AT && (at - INTR_AT) / 32 < s->n_intrs) {
        intr_write(s, &s->intr[(at - INTR_AT) / 32], at % 32, (uint32_t)val);
    } else if (at >= PORTS_AT && at < RUNTIME) {
        n = (at - PORTS_AT) / 16 + 1;
        if (n <= s->p2 + s->p3 && at % 16 == 0) {
            port_write(s, n, (uint32_t)val);
        }
    } else if (at >= OPER && at < PORTS_AT) {
        oper_write(s, at - OPER, (uint32_t)val);
    }
}

static const MmioOps xhci_io = { .read = xhci_read, .write = xhci_write, .min = 4, .max = 4 };

/* ---- the function ---- */

static void add_ports(Xhci *s)
{
    unsigned n = MAX(s->p2, s->p3);

    for (unsigned i = 0; i < n; i++) {
        uint32_t speeds = (i < s->p2 ? 1 << USB_LOW | 1 << USB_FULL | 1 << USB_HIGH : 0) |
                          (i < s->p3 ? 1 << USB_SUPER : 0);
        s->port[i] = (UsbPort){ .ops = &port_ops, .hc = s, .index = i, .speeds = speeds };
        s->port_list[i] = &s->port[i];
    }
    usb_bus_init(&s->bus, &s->pci.dev, s->port_list, n);
}

static bool realize(Xhci *s, uint16_t vendor, uint16_t product, uint8_t revision)
{
    pci_init(&s->pci, &(PciIdent){ .vendor = vendor, .device = product, .class_code = 0x0c0330,
                                   .revision = revision, .pin = 1,
                                   .subsystem_vendor = 0x1af4, .subsystem = 0x1100 }, NULL);
    pci_fixed(&s->pci, 0x60, 1, 0x30);          /* SBRN: USB 3.0 */
    s->pci.cap_free = 0x70;
    region_init_container(&s->bar, "xhci", BAR_BYTES);
    region_init_io(&s->bank, "xhci registers", &xhci_io, s, MSIX_AT);
    region_map(&s->bar, &s->bank, 0);
    pci_bar(&s->pci, 0, PCI_BAR_MEM64, false, &s->bar);
    if (s->has_msi) {
        pci_msi(&s->pci, s->n_intrs);
    }
    if (s->has_msix) {
        pci_msix(&s->pci, &s->msix, s->n_intrs, 0, MSIX_AT, PBA_AT);
    }
    timer_init(&s->timer, s->pci.dev.machine, TIME_GUEST, go_on, s);
    add_ports(s);
    hc_reset(s);
    return true;
}

static bool xhci_realize(void *dev, GError **err)
{
    return realize(dev, 0x1b36, 0x000d, 1);
}

static bool nec_realize(void *dev, GError **err)
{
    return realize(dev, 0x1033, 0x0194, 3);
}

static void xhci_unrealize(void *dev)
{
    Xhci *s = dev;

    for (unsigned i = 1; i <= XHCI_SLOTS; i++) {
        xhci_slot_disable(s, i);
    }
    timer_stop(&s->timer);
    usb_bus_free(&s->bus);
    pci_msix_free(&s->pci);
    pci_unrealize(dev);
    if (s->bar.parts) {
        region_destroy(&s->bar);
    }
}

static void xhci_reset(void *dev)
{
    pci_reset(dev);
    hc_reset(dev);
}

/* Waiting transfers are found again in their rings. */
static bool xhci_restored(void *dev, GError **err)
{
    Xhci *s = dev;

    for (unsigned i = 1; i <= XHCI_SLOTS; i++) {
        if (s->slot[i].enabled && (i > s->n_slots || s->slot[i].port > s->p2 + s->p3)) {
            return fail(err, "%s: slot %u has port %u; there are %u slots and %u ports",
                        s->pci.dev.path, i, s->slot[i].port, s->n_slots, s->p2 + s->p3);
        }
    }
    return pci_restored(dev, err);
}

static const Field intr_fields[] = {
    STATE(XhciIntr, iman, .max = 3),
    STATE(XhciIntr, imod),
    STATE(XhciIntr, erstsz, .max = 0xffff),
    STATE(XhciIntr, erstba),
    STATE(XhciIntr, erdp),
    STATE(XhciIntr, segment, .max = 15),
    STATE(XhciIntr, index, .max = 4096),
    STATE(XhciIntr, cycle),
    STATE(XhciIntr, pending),
    FIELD_END
};

static const Field slot_fields[] = {
    STATE(XhciSlot, enabled),
    STATE(XhciSlot, port, .max = 2 * XHCI_PORTS),
    STATE(XhciSlot, state, .max = SLOT_CONFIGURED),
    STATE(XhciSlot, context),
    STATE_ARRAY(XhciSlot, dequeue),
    STATE_ARRAY(XhciSlot, ep_state),
    STATE_ARRAY(XhciSlot, ep_type),
    STATE(XhciSlot, again),
    FIELD_END
};

static const Field xhci_fields[] = {
    PCI_FIELDS(Xhci),
    PCI_MSIX_FIELDS(Xhci, msix),
    CONFIG(Xhci, p2, .def = 4, .min = 1, .max = XHCI_PORTS, .help = "Ports for USB 2."),
    CONFIG(Xhci, p3, .def = 4, .min = 1, .max = XHCI_PORTS, .help = "Ports for USB 3."),
    CONFIG_AS(Xhci, n_slots, "slots", .def = XHCI_SLOTS, .min = 1, .max = XHCI_SLOTS,
              .help = "Devices it can have."),
    CONFIG_AS(Xhci, n_intrs, "intrs", .def = XHCI_INTRS, .min = 1, .max = XHCI_INTRS,
              .help = "Interrupters."),
    CONFIG_AS(Xhci, has_msi, "msi", .def = 1, .help = "Have the MSI capability."),
    CONFIG_AS(Xhci, has_msix, "msix", .def = 1, .help = "Have the MSI-X capability."),
    STATE(Xhci, usbcmd),
    STATE(Xhci, usbsts),
    STATE(Xhci, dnctrl),
    STATE(Xhci, slots_on, .max = 0xff),
    STATE(Xhci, crcr),
    STATE(Xhci, dcbaap),
    STATE(Xhci, command_running),
    STATE_STRUCT(Xhci, intr, XhciIntr, intr_fields),
    STATE_ARRAY(Xhci, portsc),
    STATE_STRUCT(Xhci, slot, XhciSlot, slot_fields),
    STATE_TIMER(Xhci, timer),
    FIELD_END
};

const DeviceClass xhci_class = {
    .name = "qemu-xhci",
    .desc = "USB 3 host controller",
    .spec = "xHCI 1.2",
    .bus = "pci",
    .size = sizeof(Xhci),
    .hotplug = true,
    .fields = xhci_fields,
    .realize = xhci_realize,
    .unrealize = xhci_unrealize,
    .reset = xhci_reset,
    .restored = xhci_restored,
};

const DeviceClass nec_xhci_class = {
    .name = "nec-usb-xhci",
    .desc = "USB 3 host controller with NEC's identity",
    .spec = "xHCI 1.2",
    .bus = "pci",
    .size = sizeof(Xhci),
    .hotplug = true,
    .fields = xhci_fields,
    .realize = nec_realize,
    .unrealize = xhci_unrealize,
    .reset = xhci_reset,
    .restored = xhci_restored,
};
