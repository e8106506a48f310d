/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xhci_xfer.c -- transfer rings: a transfer descriptor is gathered, becomes one packet, and its
 * events are written.
 *
 * Spec: xHCI 1.2, chapters 3.2.9 to 3.2.11, 4.9 to 4.11, 6.4.1.
 * Omits: see xhci.h.
 * Threads: with the machine lock.
 *
 * An endpoint whose device answers NAK does nothing until the device has news (usb_wakeup).
 */
#include "core/machine.h"
#include "hw/usb/xhci.h"
#include <string.h>

enum { TD_TRBS = 1024, TD_BYTES = 4 << 20, LINKS = 8, TDS_AT_ONCE = 64, MICROFRAME_NS = 125000 };

struct XhciXfer {
    UsbPacket packet;
    Xhci     *hc;
    unsigned  slot, dci, n;
    uint64_t  after;                  /* dequeue pointer behind it */
    Trb      *trb;
    uint64_t *at;                     /* of each TRB */
    uint8_t  *data;
};

static unsigned type_of(const Trb *t)
{
    return t->control >> TRB_TYPE_AT & 63;
}

static uint32_t length_of(const Trb *t)
{
    unsigned type = type_of(t);
    return type == TRB_NORMAL || type == TRB_DATA || type == TRB_ISOCH ? t->status & 0x1ffff
           : type == TRB_SETUP                                         ? 8
                                                                       : 0;
}

/*
 * pos: pointer | cycle state.  Nothing that is ours there: false, and pos stands behind the links
 * at most.
 */
bool xhci_ring_next(Xhci *s, uint64_t *pos, Trb *out, uint64_t *at)
{
    for (unsigned links = 0; links <= LINKS; links++) {
        *at = *pos & ~(uint64_t)15;
        if (as_read(s->pci.dma, *at, out, sizeof(*out)) != MEM_OK) {
            guest_error(s, "nothing to read at %#lx in a ring", (unsigned long)*at);
            return false;
        }
        if ((out->control ^ (uint32_t)*pos) & TRB_CYCLE) {
            return false;
        }
        if (type_of(out) != TRB_LINK) {
            *pos += TRB_BYTES;
            return true;
        }
        *pos = (out->param & ~(uint64_t)15) | ((*pos ^ (out->control & TRB_TOGGLE ? 1 : 0)) & 1);
    }
    guest_error(s, "a ring has nothing but links at %#lx", (unsigned long)*at);
    return false;
}

void xhci_ep_write_context(Xhci *s, unsigned slot, unsigned dci)
{
    const XhciSlot *sl = &s->slot[slot];
    uint64_t at = sl->context + 32 * dci;
    uint32_t state;

    if (as_read(s->pci.dma, at, &state, 4) == MEM_OK) {
        state = (state & ~7u) | sl->ep_state[dci];
        as_write(s->pci.dma, at, &state, 4);
        as_write(s->pci.dma, at + 8, &sl->dequeue[dci], 8);
    }
}

bool xhci_ep_has_work(Xhci *s, unsigned slot, unsigned dci, uint64_t *at, Trb *trb)
{
    uint64_t pos = s->slot[slot].dequeue[dci];

    return xhci_ring_next(s, &pos, trb, at);
}

static void xfer_free(XhciXfer *x)
{
    g_free(x->trb);
    g_free(x->at);
    g_free(x->data);
    g_free(x);
}

void xhci_ep_stop(Xhci *s, unsigned slot, unsigned dci, unsigned state)
{
    XhciSlot *sl = &s->slot[slot];
    XhciXfer *x = sl->xfer[dci];

    sl->xfer[dci] = NULL;
    sl->ep_state[dci] = (uint8_t)state;
    sl->again &= ~(1u << dci);
    if (x) {
        usb_cancel(&x->packet);
        xfer_free(x);
    }
}

void xhci_later(Xhci *s)
{
    timer_arm(&s->timer, time_now(s->pci.dev.machine, TIME_GUEST) + MICROFRAME_NS);
}

/* ---- from memory ---- */

/*
 * A whole TD behind the dequeue pointer, or NULL: not there yet.  *bad: what is there cannot be
 * one.
 */
static XhciXfer *gather(Xhci *s, unsigned slot, unsigned dci, bool *bad)
{
    uint64_t  pos = s->slot[slot].dequeue[dci], at, total = 0;
    GArray *trbs = g_array_new(FALSE, FALSE, sizeof(Trb)),
           *ats = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    XhciXfer *x = NULL;
    Trb       t;
    bool      whole = false;

    while (!whole && xhci_ring_next(s, &pos, &t, &at)) {
        g_array_append_val(trbs, t);
        g_array_append_val(ats, at);
        total += length_of(&t);
        whole = !(t.control & TRB_CHAIN);
        if (trbs->len == TD_TRBS || total > TD_BYTES) {
            guest_error(s, "slot %u, endpoint %u: a transfer of more than %u TRBs or %u bytes",
                        slot, dci, TD_TRBS, TD_BYTES);
            *bad = true;
            break;
        }
    }
    if (whole && !*bad) {
        x = g_new0(XhciXfer, 1);
        *x = (XhciXfer){ .hc = s, .slot = slot, .dci = dci, .n = trbs->len, .after = pos };
        x->data = g_malloc0(MAX(total, 1));
        x->packet = (UsbPacket){ .ep = (uint8_t)(dci >> 1), .data = x->data,
                                 .size = (uint32_t)total, .owner = x };
    }
    if (x) {
        x->trb = (Trb *)(void *)g_array_free(trbs, FALSE);
        x->at = (uint64_t *)(void *)g_array_free(ats, FALSE);
    } else {
        g_array_free(trbs, TRUE);
        g_array_free(ats, TRUE);
    }
    return x;
}

/* What goes out: from memory, or from the TRB itself. */
static bool fetch_data(XhciXfer *x)
{
    uint8_t *p = x->data;

    for (unsigned i = 0; i < x->n; i++) {
        const Trb *t = &x->trb[i];
        uint32_t   n = length_of(t);
        if ((t->control & TRB_IDT) || type_of(t) == TRB_SETUP) {
            if (n > 8) {
                return false;
            }
            memcpy(p, &t->param, n);
        } else if (n && as_read(x->hc->pci.dma, t->param, p, n) != MEM_OK) {
            return false;
        }
        p += n;
    }
    return true;
}

/* The packet's kind; false: no TD of this endpoint. */
static bool set_pid(XhciXfer *x, unsigned ep_type)
{
    unsigned type = type_of(&x->trb[0]);
    bool     in = x->trb[0].control & TRB_DIR_IN;

    if (ep_type == EPT_CONTROL) {
        x->packet.pid = type == TRB_SETUP ? USB_PID_SETUP : in ? USB_PID_IN : USB_PID_OUT;
        return type == TRB_STATUS || type == TRB_DATA || (type == TRB_SETUP && x->n == 1);
    }
    x->packet.pid = ep_type > EPT_IN ? USB_PID_IN : USB_PID_OUT;
    return type == TRB_NORMAL || type == TRB_ISOCH || type == TRB_EVENT_DATA;
}

/* ---- to memory, and events ---- */

static void event(XhciXfer *x, const Trb *t, uint64_t pointer, unsigned code, uint32_t length,
                  bool data)
{
    xhci_event(x->hc, t->status >> 22,
               (Trb){ pointer, code << 24 | (length & 0xffffff),
                      EV_TRANSFER << TRB_TYPE_AT | (data ? 4u : 0) | x->dci << 16 | x->slot << 24 },
               t->control & TRB_BEI);
}

/*
 * 4.10.1: each TRB that asks for it has an event; the first that is not filled, if it asks for
 * either.
 */
static void store(XhciXfer *x)
{
    uint32_t left = x->packet.actual, sum = 0;
    bool     in = x->packet.pid == USB_PID_IN, is_short = false, told = false;
    const uint8_t *p = x->data;

    for (unsigned i = 0; i < x->n; i++) {
        const Trb *t = &x->trb[i];
        uint32_t   n = length_of(t), here = MIN(n, left);
        bool       ioc = t->control & TRB_IOC;
        if (type_of(t) == TRB_EVENT_DATA) {
            if (ioc) {
                event(x, t, t->param, is_short ? CC_SHORT : CC_SUCCESS, sum, true);
                told = true;
            }
            sum = 0;
            continue;
        }
        if (in && here) {
            as_write(x->hc->pci.dma, t->param, p, here);
        }
        p += n;
        left -= here;
        sum += here;
        if (here < n && !is_short) {
            is_short = true;
            told = ioc || (t->control & TRB_ISP);
            if (told) {
                event(x, t, x->at[i], CC_SHORT, n - here, false);
            }
        } else if (ioc && (!is_short || !told)) {
            event(x, t, x->at[i], is_short ? CC_SHORT : CC_SUCCESS, n - here, false);
        }
    }
}

static void halt(XhciXfer *x, unsigned code)
{
    XhciSlot *sl = &x->hc->slot[x->slot];
    uint32_t  left = x->packet.actual;
    unsigned  i = 0;

    while (i + 1 < x->n && left >= length_of(&x->trb[i])) {     /* the TRB at which it ended */
        left -= length_of(&x->trb[i++]);
    }
    sl->ep_state[x->dci] = EP_HALTED;
    xhci_ep_write_context(x->hc, x->slot, x->dci);
    event(x, &x->trb[i], x->at[i], code, length_of(&x->trb[i]) - MIN(left, length_of(&x->trb[i])),
          false);
}

static void finish(XhciXfer *x)
{
    XhciSlot *sl = &x->hc->slot[x->slot];

    switch (x->packet.status) {
    case USB_OK:
        sl->dequeue[x->dci] = x->after;
        store(x);
        break;
    case USB_STALL:
        halt(x, CC_STALL);
        break;
    case USB_BABBLE:
        halt(x, CC_BABBLE);
        break;
    default:
        halt(x, CC_TRANSACTION);
    }
    xfer_free(x);
}

static void packet_done(UsbPacket *p)
{
    XhciXfer *x = p->owner;
    Xhci     *s = x->hc;
    unsigned  slot = x->slot, dci = x->dci;

    s->slot[slot].xfer[dci] = NULL;
    if (p->status == USB_NAK) {
        xfer_free(x);
        return;
    }
    finish(x);
    xhci_ep_run(s, slot, dci);
}

/* ---- one TD ---- */

static void ring_error(Xhci *s, unsigned slot, unsigned dci)
{
    uint64_t at = s->slot[slot].dequeue[dci] & ~(uint64_t)15;

    s->slot[slot].ep_state[dci] = EP_ERROR;
    xhci_ep_write_context(s, slot, dci);
    xhci_event(s, 0, (Trb){ at, (uint32_t)CC_TRB << 24,
                            EV_TRANSFER << TRB_TYPE_AT | dci << 16 | slot << 24 }, false);
}

/* false: nothing more to do now. */
static bool run_one(Xhci *s, unsigned slot, unsigned dci)
{
    XhciSlot  *sl = &s->slot[slot];
    bool       bad = false;
    XhciXfer  *x = gather(s, slot, dci, &bad);
    UsbDevice *d = xhci_device(s, slot);

    if (bad) {
        ring_error(s, slot, dci);
    }
    if (!x) {
        return false;
    }
    if (type_of(&x->trb[0]) == TRB_NOOP) {
        x->packet.status = USB_OK;
        finish(x);
        return true;
    }
    if (!set_pid(x, sl->ep_type[dci]) || (x->packet.pid != USB_PID_IN && !fetch_data(x))) {
        guest_error(s, "slot %u, endpoint %u: TRB %u does not belong here, or its data is nowhere",
                    slot, dci, type_of(&x->trb[0]));
        xfer_free(x);
        ring_error(s, slot, dci);
        return false;
    }
    x->packet.done = packet_done;
    x->packet.status = USB_NOBODY;
    if (d) {
        usb_packet(d, &x->packet);
    }
    if (x->packet.status == USB_ASYNC) {
        sl->xfer[dci] = x;
        return false;
    }
    if (x->packet.status == USB_NAK) {
        xfer_free(x);
        return false;
    }
    finish(x);
    return true;
}

void xhci_ep_run(Xhci *s, unsigned slot, unsigned dci)
{
    XhciSlot *sl = &s->slot[slot];

    for (unsigned i = 0;
         (s->usbcmd & XHCI_CMD_RS) && sl->ep_state[dci] == EP_RUNNING && !sl->xfer[dci]; i++) {
        if (i == TDS_AT_ONCE) {
            sl->again |= 1u << dci;
            xhci_later(s);
            return;
        }
        if (!run_one(s, slot, dci)) {
            return;
        }
    }
}
