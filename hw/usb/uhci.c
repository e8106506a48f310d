/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uhci.c -- Intel's Universal Host Controller Interface: a frame list of queues in memory, and a
 * root hub of two ports.
 *
 * Spec: Intel Universal Host Controller Interface (UHCI) Design Guide 1.1; Intel 290550-002
 *   (PIIX3), chapter 2.7.
 * Omits: trapping of port 60h and 64h (LEGSUP holds what is written; the trap bits never set),
 *   SOFMOD's adjustment of the frame, over-current, data toggles; a packet that a device keeps
 *   asynchronously counts as not acknowledged until it is done.
 * Threads: with the machine lock.
 *
 * A frame takes a millisecond.  While nothing but NAKs happens the timer fires every IDLE_FRAMES
 * frames, and whatever frames have passed since are run then; a device that has news brings it
 * forward.  FRNUM is always what the clock says.
 */
#include "hw/pci/pci.h"
#include "core/clock.h"
#include "core/machine.h"
#include "hw/usb/usb.h"
#include <string.h>

enum { USBCMD = 0x00, USBSTS = 0x02, USBINTR = 0x04, FRNUM = 0x06, FRBASEADD = 0x08, SOFMOD = 0x0c,
       PORTSC = 0x10, BANK = 0x20 };
/* 2.1.1 */
enum { CMD_RS = 1, CMD_HCRESET = 2, CMD_GRESET = 4, CMD_EGSM = 8, CMD_FGR = 0x10, CMD_SWDBG = 0x20,
       CMD_ALL = 0xff };
/* 2.1.2 */
enum { STS_INT = 1, STS_ERROR = 2, STS_RESUME = 4, STS_HSE = 8, STS_HCPE = 0x10,
       STS_HALTED = 0x20 };
/* 2.1.3 */
enum { INTR_CRC = 1, INTR_RESUME = 2, INTR_IOC = 4, INTR_SHORT = 8 };
enum { PORT_CONNECT = 1, PORT_CONNECT_CHANGE = 2, PORT_ENABLE = 4, PORT_ENABLE_CHANGE = 8,
       PORT_LINE = 0x30, PORT_RESUME = 0x40,
       /* 2.1.7 */
       PORT_ONE = 0x80, PORT_LOW = 0x100, PORT_RESET = 0x200, PORT_SUSPEND = 0x1000 };
/* 3.1 to 3.3 */
enum { LINK_END = 1, LINK_QUEUE = 2, LINK_DEPTH = 4 };
enum { TD_ACTIVE = 1 << 23, TD_STALLED = 1 << 22, TD_BABBLE = 1 << 20, TD_NAK = 1 << 19,
       TD_TIMEOUT = 1 << 18,
       /* 3.2.2 */
       TD_IOC = 1 << 24, TD_SPD = 1 << 29, TD_ERRORS = 0x7e0000, TD_LEN = 0x7ff, TD_CERR_AT = 27 };
enum { LEGSUP = 0xc0, LEGSUP_IRQ = 0x2000, SBRN = 0x60 };
enum {
    PORTS = 2,
    FRAME_NS = 1000000,
    FRAMES = 1024,
    IDLE_FRAMES = 8,
    CATCH_UP = 32,
    BUSY_FRAMES = 10,
    WALK_MAX = 512,
    QUEUES_MAX = 64,
    FRAME_BYTES = 1280,
    PACKET_MAX = 1280,
    PENDING_MAX = 8,
    PENDING_FRAMES = 64
};

typedef struct Uhci Uhci;
typedef struct Pending {              /* a packet that its device has kept */
    UsbPacket packet;
    Uhci     *hc;
    uint32_t  td, token, seen;        /* seen: frame in which its TD was last met */
    bool      used, ready;
    uint8_t   buffer[PACKET_MAX];
} Pending;

struct Uhci {
    PciDevice pci;
    Region    ports_bank;
    uint16_t  cmd, sts, intr;
    uint32_t  base;
    uint8_t   sofmod;
    uint16_t  portsc[PORTS];
    bool      ioc, is_short;          /* what USBSTS.USBINT is for */
    uint64_t  frame;                  /* frames run so far; FRNUM is its low bits */
    uint64_t  frame_at_ns;            /* when that one ended */
    uint32_t  busy;                   /* frames that the timer goes on firing each millisecond */
    Timer     timer;
    UsbBus    bus;
    UsbPort   port[PORTS], *port_list[PORTS];
    Pending   pending[PENDING_MAX];
};

static void update_irq(Uhci *s)
{
    bool level = (s->ioc && (s->intr & INTR_IOC)) || (s->is_short && (s->intr & INTR_SHORT)) ||
                 ((s->sts & STS_ERROR) && (s->intr & INTR_CRC)) ||
                 ((s->sts & STS_RESUME) && (s->intr & INTR_RESUME)) ||
                 (s->sts & (STS_HSE | STS_HCPE));
    pci_irq(&s->pci, level && (pci_get(&s->pci, LEGSUP, 2) & LEGSUP_IRQ));
}

/* ---- time ---- */

static bool running(const Uhci *s)
{
    return (s->cmd & CMD_RS) && !(s->sts & STS_HALTED);
}

static uint64_t now(Uhci *s)
{
    return time_now(s->pci.dev.machine, TIME_GUEST);
}

/* Frames that have ended by now and have not been run. */
static uint64_t frames_due(Uhci *s)
{
    uint64_t t = now(s);
    return running(s) && t > s->frame_at_ns ? (t - s->frame_at_ns) / FRAME_NS : 0;
}

static void schedule(Uhci *s)
{
    if (running(s)) {
        timer_arm(&s->timer, s->frame_at_ns + (uint64_t)FRAME_NS * (s->busy ? 1 : IDLE_FRAMES));
    } else {
        timer_stop(&s->timer);
    }
}

static void wake(Uhci *s)
{
    if (running(s)) {
        s->busy = BUSY_FRAMES;
        timer_arm(&s->timer, MAX(s->frame_at_ns + FRAME_NS, now(s)));
    }
}

/* ---- packets ---- */

static UsbDevice *find_device(Uhci *s, uint8_t address)
{
    for (unsigned i = 0; i < PORTS; i++) {
        UsbDevice *d = s->port[i].dev;
        if (d && (s->portsc[i] & PORT_ENABLE) && !(s->portsc[i] & PORT_SUSPEND) &&
            d->address == address) {
            return d;
        }
    }
    return NULL;
}

static void packet_done(UsbPacket *p)
{
    Pending *w = p->owner;
    w->ready = true;
    wake(w->hc);
}

static void forget(Pending *w)
{
    if (w->used && !w->ready) {
        usb_cancel(&w->packet);
    }
    w->used = w->ready = false;
}

static Pending *find_pending(Uhci *s, uint32_t td, uint32_t token)
{
    Pending *slot = NULL;
    for (unsigned i = 0; i < PENDING_MAX; i++) {
        Pending *w = &s->pending[i];
        if (w->used && w->td == td && w->token == token) {
            return w;
        }
        slot = slot || w->used ? slot : w;
    }
    return slot;
}

static void forget_pending(Uhci *s, const UsbDevice *of, bool old_only)
{
    for (unsigned i = 0; i < PENDING_MAX; i++) {
        Pending *w = &s->pending[i];
        if (w->used && (!of || w->packet.dev == of) &&
            (!old_only || (uint32_t)s->frame - w->seen > PENDING_FRAMES)) {
            forget(w);
        }
    }
}

typedef struct Td {
    uint32_t link, ctrl, token, buffer;
} Td;
typedef enum { TD_NEXT, TD_STAYS, TD_FATAL } TdResult;

/*
 * Starts a TD's packet, or takes up the one that is under way.  USB_NAK for one that is not done.
 */
static UsbStatus transact(Uhci *s, const Td *td, uint32_t at, uint32_t size, Pending **out)
{
    uint8_t    pid = (uint8_t)td->token;
    UsbDevice *d = find_device(s, td->token >> 8 & 0x7f);
    Pending   *w = find_pending(s, at, td->token);

    *out = w;
    if (!d) {
        return USB_NOBODY;
    }
    if (!w) {
        return USB_NAK;
    }
    if (!w->used) {
        w->packet = (UsbPacket){ .pid = pid, .ep = td->token >> 15 & 15, .data = w->buffer,
                                 .size = size, .done = packet_done,
                                 .owner = w };
        w->hc = s;
        w->td = at;
        w->token = td->token;
        if (pid != USB_PID_IN && size &&
            as_read(s->pci.dma, td->buffer, w->buffer, size) != MEM_OK) {
            memset(w->buffer, 0, size);
        }
        usb_packet(d, &w->packet);
        w->used = w->packet.status == USB_ASYNC;
        w->ready = false;
    }
    w->seen = (uint32_t)s->frame;
    if (w->used && !w->ready) {
        return USB_NAK;
    }
    w->used = w->ready = false;
    return w->packet.status;
}

static void td_write(Uhci *s, uint32_t at, const Td *td)
{
    as_write(s->pci.dma, at + 4, &td->ctrl, 4);
}

/*
 * Nobody answered: one of the attempts that C_ERR counts; none left: stalled (0 from the start: for
 * ever).
 */
static void td_error(Uhci *s, Td *td, uint32_t error)
{
    uint32_t left = td->ctrl >> TD_CERR_AT & 3;

    td->ctrl |= error;
    if (left) {
        td->ctrl = (td->ctrl & ~(3u << TD_CERR_AT)) | (left - 1) << TD_CERR_AT;
        if (left == 1) {
            td->ctrl = (td->ctrl & ~(uint32_t)TD_ACTIVE) | TD_STALLED;
            s->sts |= STS_ERROR;
        }
    }
}

static TdResult td_done(Uhci *s, Td *td, const Pending *w, uint32_t size)
{
    uint32_t actual = w->packet.actual;

    if (actual && w->packet.pid == USB_PID_IN) {
        as_write(s->pci.dma, td->buffer, w->buffer, actual);
    }
    td->ctrl = (td->ctrl & ~(uint32_t)(TD_ACTIVE | TD_ERRORS | TD_LEN)) | ((actual - 1) & TD_LEN);
    if (w->packet.pid == USB_PID_IN && actual < size && (td->ctrl & TD_SPD)) {
        s->is_short = true;
        s->sts |= STS_INT;
        return TD_STAYS;
    }
    return TD_NEXT;
}

/* 3.2, and 3.4.2 for what each result does to the queue. */
static TdResult td_run(Uhci *s, uint32_t at, Td *td, uint32_t *bytes)
{
    uint32_t old = td->ctrl, size = ((td->token >> 21) + 1) & TD_LEN;
    uint8_t  pid = (uint8_t)td->token;
    TdResult res = TD_STAYS;
    Pending *w;

    if (!(td->ctrl & TD_ACTIVE)) {
        return TD_STAYS;
    }
    if (size > PACKET_MAX || (pid != USB_PID_IN && pid != USB_PID_OUT && pid != USB_PID_SETUP)) {
        guest_error(s, "transfer descriptor at %#x: PID %#x with %u bytes", at, pid, size);
        s->sts |= STS_HCPE | STS_HALTED;
        s->cmd &= (uint16_t)~CMD_RS;
        return TD_FATAL;
    }
    switch (transact(s, td, at, size, &w)) {
    case USB_NAK:
        td->ctrl |= TD_NAK;
        break;
    case USB_OK:
        res = td_done(s, td, w, size);
        *bytes += w->packet.actual;
        break;
    case USB_BABBLE:
        td->ctrl = (td->ctrl & ~(uint32_t)TD_ACTIVE) | TD_STALLED | TD_BABBLE;
        s->sts |= STS_ERROR;
        break;
    case USB_STALL:
        td->ctrl = (td->ctrl & ~(uint32_t)(TD_ACTIVE | TD_NAK)) | TD_STALLED;
        s->sts |= STS_ERROR;
        break;
    default:
        td_error(s, td, TD_TIMEOUT);
        s->busy = BUSY_FRAMES;
    }
    if (td->ctrl != old) {
        td_write(s, at, td);
    }
    if (!(td->ctrl & TD_ACTIVE)) {
        s->busy = BUSY_FRAMES;
        if (td->ctrl & TD_IOC) {
            s->ioc = true;
            s->sts |= STS_INT;
        }
    }
    return res;
}

/* ---- the schedule (3.4) ---- */

/* queues met in this frame, and how much had been done by then */
typedef struct Seen {
    uint32_t at[QUEUES_MAX], done[QUEUES_MAX];
    unsigned n;
} Seen;

/* A queue that is met again, with nothing done since, ends the frame: the list goes round. */
static bool goes_round(Seen *seen, uint32_t at, uint32_t done)
{
    for (unsigned i = 0; i < seen->n; i++) {
        if (seen->at[i] == at) {
            bool same = seen->done[i] == done;
            seen->done[i] = done;
            return same;
        }
    }
    if (seen->n == QUEUES_MAX) {
        return false;                 /* WALK_MAX ends it */
    }
    seen->at[seen->n] = at;
    seen->done[seen->n++] = done;
    return false;
}

static bool fetch(Uhci *s, uint32_t at, void *buf, unsigned n)
{
    if (as_read(s->pci.dma, at, buf, n) == MEM_OK) {
        return true;
    }
    guest_error(s, "nothing to read at %#x in the schedule", at);
    s->sts |= STS_HSE | STS_HALTED;
    s->cmd &= (uint16_t)~CMD_RS;
    return false;
}

static void run_frame(Uhci *s)
{
    Seen     seen = { .n = 0 };
    uint32_t link, bytes = 0, done = 0, queue = 0, qh[2] = { LINK_END, LINK_END };
    bool     in_queue = false;

    if (!fetch(s, (s->base & 0xfffff000) + 4 * (uint32_t)(s->frame % FRAMES), &link, 4)) {
        return;
    }
    for (unsigned i = 0; i < WALK_MAX && !(link & LINK_END) && bytes < FRAME_BYTES; i++) {
        uint32_t at = link & 0xfffffff0;
        Td       td;
        if (link & LINK_QUEUE) {
            if (goes_round(&seen, at, done) || !fetch(s, at, qh, 8)) {
                return;
            }
            queue = at;
            in_queue = !(qh[1] & (LINK_END | LINK_QUEUE));
            link = qh[1] & LINK_END ? qh[0] : qh[1];
            continue;
        }
        if (!fetch(s, at, &td, sizeof(td))) {
            return;
        }
        TdResult res = td_run(s, at, &td, &bytes);
        if (res == TD_FATAL) {
            return;
        }
        if (!in_queue) {
            link = td.link;           /* straight in the frame: isochronous */
            continue;
        }
        if (res == TD_NEXT) {
            done++;
            qh[1] = td.link;
            as_write(s->pci.dma, queue + 4, &qh[1], 4);
        }
        if (res == TD_NEXT && (td.link & LINK_DEPTH) && !(td.link & (LINK_END | LINK_QUEUE))) {
            link = td.link;
        } else {
            link = qh[0];
            in_queue = false;
        }
    }
}

static void timer_fired(void *dev)
{
    Uhci    *s = dev;
    uint64_t n = frames_due(s);

    if (n > CATCH_UP) {               /* the host was late: those are lost */
        s->frame += n - CATCH_UP;
        s->frame_at_ns += (n - CATCH_UP) * FRAME_NS;
        n = CATCH_UP;
    }
    for (; n && running(s); n--) {
        s->busy -= s->busy != 0;
        run_frame(s);
        s->frame++;
        s->frame_at_ns += FRAME_NS;
        if (s->sts & (STS_INT | STS_ERROR)) {
            update_irq(s);
        }
    }
    forget_pending(s, NULL, true);
    update_irq(s);
    schedule(s);
}

/* ---- ports ---- */

static void port_attach(UsbPort *p)
{
    Uhci *s = p->hc;
    uint16_t *sc = &s->portsc[p->index];
    *sc = (uint16_t)((*sc & PORT_SUSPEND) | PORT_ONE | PORT_CONNECT | PORT_CONNECT_CHANGE |
                     (p->dev->speed == USB_LOW ? PORT_LOW | 0x20 : 0x10));
    if (s->cmd & CMD_EGSM) {
        s->sts |= STS_RESUME;
    }
    update_irq(s);
}

static void port_detach(UsbPort *p)
{
    Uhci *s = p->hc;
    uint16_t *sc = &s->portsc[p->index];
    forget_pending(s, p->dev, false);
    *sc = (uint16_t)(PORT_ONE | PORT_CONNECT_CHANGE |
                     (*sc & PORT_ENABLE ? PORT_ENABLE_CHANGE : *sc & PORT_ENABLE_CHANGE));
    if (s->cmd & CMD_EGSM) {
        s->sts |= STS_RESUME;
    }
    update_irq(s);
}

static void port_wakeup(UsbPort *p, uint8_t ep)
{
    wake(p->hc);
}

static void port_resume(UsbPort *p)
{
    Uhci *s = p->hc;
    uint16_t *sc = &s->portsc[p->index];
    if ((*sc & PORT_SUSPEND) && !(*sc & PORT_RESUME)) {
        *sc |= PORT_RESUME;
        s->sts |= STS_RESUME;
    } else if (s->cmd & CMD_EGSM) {
        s->sts |= STS_RESUME;
    }
    update_irq(s);
}

static const UsbPortOps port_ops = { .attach = port_attach, .detach = port_detach,
                                     .wakeup = port_wakeup, .resume = port_resume };

static void port_write(Uhci *s, unsigned n, uint16_t val)
{
    uint16_t  old = s->portsc[n], sc = old;
    UsbDevice *d = s->port[n].dev;

    if (d && (old & PORT_RESET) && !(val & PORT_RESET)) {
        usb_device_reset(d);
    }
    sc &= (uint16_t)~(val & (PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE));
    sc = (uint16_t)((sc & ~(PORT_ENABLE | PORT_RESUME | PORT_RESET | PORT_SUSPEND)) |
                    (val & (PORT_RESUME | PORT_RESET | PORT_SUSPEND | PORT_ENABLE)));
    if (!d || (sc & PORT_RESET)) {
        sc &= (uint16_t)~PORT_ENABLE;
    }
    if ((old & PORT_RESUME) && !(val & PORT_RESUME)) {          /* the host ends it: both bits go */
        sc &= (uint16_t)~PORT_SUSPEND;
    }
    s->portsc[n] = sc;
    wake(s);
}

/* ---- registers (2.1) ---- */

static void bus_reset(Uhci *s)
{
    for (unsigned i = 0; i < PORTS; i++) {
        if (s->port[i].dev) {
            usb_device_reset(s->port[i].dev);
        }
    }
}

static void hc_reset(Uhci *s)
{
    forget_pending(s, NULL, false);
    timer_stop(&s->timer);
    s->cmd = s->intr = 0;
    s->sts = STS_HALTED;
    s->base = 0;
    s->sofmod = 0x40;
    s->ioc = s->is_short = false;
    s->frame = s->busy = 0;
    s->frame_at_ns = 0;
    for (unsigned i = 0; i < PORTS; i++) {
        s->portsc[i] = PORT_ONE;
        if (s->port[i].dev) {
            port_attach(&s->port[i]);
        }
    }
    update_irq(s);
}

static void command(Uhci *s, uint16_t val)
{
    bool was = running(s);

    if (val & CMD_HCRESET) {
        hc_reset(s);
        return;
    }
    if ((s->cmd & CMD_GRESET) && !(val & CMD_GRESET)) {
        bus_reset(s);
        hc_reset(s);
    }
    if (!was && (val & CMD_RS)) {
        s->sts &= (uint16_t)~STS_HALTED;
        s->frame_at_ns = now(s);
        s->busy = BUSY_FRAMES;
    } else if (was && !(val & CMD_RS)) {
        timer_fired(s);               /* what is due first */
        s->sts |= STS_HALTED;
    }
    s->cmd = val & CMD_ALL & ~CMD_HCRESET;
    schedule(s);
}

static uint16_t frame_number(Uhci *s)
{
    return (uint16_t)((s->frame + frames_due(s)) & 0x7ff);
}

static uint64_t uhci_read(void *dev, hwaddr off, unsigned size)
{
    Uhci *s = dev;

    switch (off) {
    case USBCMD:            return s->cmd;
    case USBSTS:            return s->sts;
    case USBINTR:           return s->intr;
    case FRNUM:             return frame_number(s);
    case FRBASEADD:         return s->base & 0xffff;
    case FRBASEADD + 2:     return s->base >> 16;
    case SOFMOD:            return s->sofmod;
    case PORTSC:            return s->portsc[0];
    case PORTSC + 2:        return s->portsc[1];
    /* no third port: bit 7 is not one */
    default:                return off > PORTSC + 2 ? 0xff7f : 0;
    }
}

static void uhci_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Uhci *s = dev;

    switch (off) {
    case USBCMD:
        command(s, (uint16_t)val);
        break;
    case USBSTS:
        s->sts &= (uint16_t)~(val & (STS_INT | STS_ERROR | STS_RESUME | STS_HSE | STS_HCPE));
        if (val & STS_INT) {
            s->ioc = s->is_short = false;
        }
        break;
    case USBINTR:
        s->intr = val & 0xf;
        break;
    case FRNUM:
        if (!running(s)) {
            s->frame = val & 0x7ff;
        }
        break;
    case FRBASEADD:
        s->base = (s->base & 0xffff0000) | (val & 0xf000);
        break;
    case FRBASEADD + 2:
        s->base = (s->base & 0xffff) | (uint32_t)val << 16;
        break;
    case SOFMOD:
        s->sofmod = val & 0x7f;
        break;
    case PORTSC:
    case PORTSC + 2:
        port_write(s, (unsigned)(off - PORTSC) / 2, (uint16_t)val);
        break;
    }
    update_irq(s);
}

static const MmioOps uhci_io = { .read = uhci_read, .write = uhci_write, .min = 2, .max = 2 };

static void legsup_written(void *dev, uint64_t old, uint64_t val)
{
    update_irq(dev);
}

static const Reg uhci_regs[] = { PCI_REG(SBRN, 1, "SBRN", .reset = 0x10),
                                 PCI_REG(LEGSUP, 2, "LEGSUP", .reset = LEGSUP_IRQ, .wr = 0x20bf,
                                         .w1c = 0x8f00, .on_write = legsup_written),
                                 { .size = 0 } };

/* ---- life ---- */

static bool uhci_realize(Uhci *s, uint16_t product, uint8_t pin, GError **err)
{
    pci_init(&s->pci, &(PciIdent){ .vendor = 0x8086, .device = product, .class_code = 0x0c0300,
                                   .revision = 1, .pin = pin,
                                   .subsystem_vendor = 0x1af4, .subsystem = 0x1100 }, uhci_regs);
    region_init_io(&s->ports_bank, "uhci", &uhci_io, s, BANK);
    pci_bar(&s->pci, 4, PCI_BAR_IO, false, &s->ports_bank);
    timer_init(&s->timer, s->pci.dev.machine, TIME_GUEST, timer_fired, s);
    for (unsigned i = 0; i < PORTS; i++) {
        s->port[i] = (UsbPort){ .ops = &port_ops, .hc = s, .index = i,
                                .speeds = 1 << USB_LOW | 1 << USB_FULL };
        s->port_list[i] = &s->port[i];
        s->portsc[i] = PORT_ONE;
    }
    usb_bus_init(&s->bus, &s->pci.dev, s->port_list, PORTS);
    return true;
}

static bool piix3_realize(void *dev, GError **err)
{
    return uhci_realize(dev, 0x7020, 4, err);
}

static bool ich9_1_realize(void *dev, GError **err)
{
    return uhci_realize(dev, 0x2934, 1, err);
}

static bool ich9_2_realize(void *dev, GError **err)
{
    return uhci_realize(dev, 0x2935, 2, err);
}

static bool ich9_3_realize(void *dev, GError **err)
{
    return uhci_realize(dev, 0x2936, 3, err);
}

static void uhci_unrealize(void *dev)
{
    Uhci *s = dev;

    forget_pending(s, NULL, false);
    timer_stop(&s->timer);
    usb_bus_free(&s->bus);
    pci_unrealize(dev);
}

static void uhci_reset(void *dev)
{
    pci_reset(dev);
    hc_reset(dev);
}

static bool uhci_restored(void *dev, GError **err)
{
    Uhci *s = dev;

    forget_pending(s, NULL, false);
    s->busy = BUSY_FRAMES;
    return pci_restored(dev, err);
}

static const Field uhci_fields[] = {
    PCI_FIELDS(Uhci),
    STATE(Uhci, cmd, .max = CMD_ALL),
    STATE(Uhci, sts, .max = 0x3f),
    STATE(Uhci, intr, .max = 0xf),
    STATE(Uhci, base),
    STATE(Uhci, sofmod, .max = 0x7f),
    STATE_ARRAY(Uhci, portsc),
    STATE(Uhci, ioc),
    STATE(Uhci, is_short),
    STATE(Uhci, frame),
    STATE(Uhci, frame_at_ns),
    STATE_TIMER(Uhci, timer),
    FIELD_END
};

#define UHCI_CLASS(file, name_, desc_, realize_)                                           \
    const DeviceClass file##_class = {                                                     \
        .name = name_, .desc = desc_, .spec = "Intel UHCI Design Guide 1.1", .bus = "pci", \
        .size = sizeof(Uhci), .fields = uhci_fields,                                       \
        .realize = realize_, .unrealize = uhci_unrealize,                                  \
        .reset = uhci_reset, .restored = uhci_restored,                                    \
    }
UHCI_CLASS(uhci, "piix3-usb-uhci", "USB 1.1 host controller of the 82371SB", piix3_realize);
UHCI_CLASS(ich9_uhci1, "ich9-usb-uhci1", "USB 1.1 host controller, first of the ICH9",
           ich9_1_realize);
UHCI_CLASS(ich9_uhci2, "ich9-usb-uhci2", "USB 1.1 host controller, second of the ICH9",
           ich9_2_realize);
UHCI_CLASS(ich9_uhci3, "ich9-usb-uhci3", "USB 1.1 host controller, third of the ICH9",
           ich9_3_realize);
