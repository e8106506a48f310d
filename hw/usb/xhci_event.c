/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xhci_event.c -- the controller's side of event rings, and when they interrupt.
 *
 * Spec: xHCI 1.2, chapters 4.9.4 (event rings), 4.17 (interrupters), 5.5.2, 6.5 (segment table).
 * Omits: see xhci.h.
 * Threads: with the machine lock.
 */
#include "core/machine.h"
#include "hw/usb/xhci.h"

enum { SEGMENTS = 16, SEGMENT_TRBS_MIN = 16, SEGMENT_TRBS_MAX = 4096 };

typedef struct Place {                /* in the ring */
    uint32_t segment, index;
    uint64_t at;
    bool     wrapped;
} Place;

void xhci_dead(Xhci *s, uint32_t why)
{
    s->usbsts |= why | XHCI_STS_HALTED;
    s->usbcmd &= ~(uint32_t)XHCI_CMD_RS;
    s->command_running = false;
}

static bool segment(Xhci *s, const XhciIntr *in, uint32_t n, uint64_t *base, uint32_t *trbs)
{
    struct { uint64_t base; uint32_t size, reserved; } e;

    if (as_read(s->pci.dma, (in->erstba & ~(uint64_t)63) + 16 * n, &e, sizeof(e)) != MEM_OK) {
        return false;
    }
    *base = e.base & ~(uint64_t)63;
    *trbs = e.size & 0xffff;
    return *trbs >= SEGMENT_TRBS_MIN && *trbs <= SEGMENT_TRBS_MAX;
}

static bool locate(Xhci *s, const XhciIntr *in, Place *p)
{
    uint64_t base;
    uint32_t trbs;

    if (!segment(s, in, p->segment, &base, &trbs)) {
        return false;
    }
    if (p->index >= trbs) {
        p->index = 0;
        p->segment++;
        if (p->segment >= MIN(in->erstsz & 0xffff, SEGMENTS)) {
            p->segment = 0;
            p->wrapped = true;
        }
        if (!segment(s, in, p->segment, &base, &trbs)) {
            return false;
        }
    }
    p->at = base + (uint64_t)TRB_BYTES * p->index;
    return true;
}

static bool after(Xhci *s, const XhciIntr *in, const Place *from, Place *to)
{
    *to = (Place){ from->segment, from->index + 1, 0, from->wrapped };
    return locate(s, in, to);
}

/* ---- interrupts ---- */

void xhci_update_irq(Xhci *s)
{
    bool level = false;

    for (unsigned i = 0; i < s->n_intrs; i++) {
        level |= (s->intr[i].iman & (IMAN_IP | IMAN_IE)) == (IMAN_IP | IMAN_IE);
    }
    pci_irq(&s->pci, level && (s->usbcmd & XHCI_CMD_INTE));
}

/* 4.17.5: IP goes up when something is pending and the handler has not said that it is busy. */
static void try_interrupt(Xhci *s, XhciIntr *in)
{
    unsigned n = (unsigned)(in - s->intr);

    if (!in->pending || (in->erdp & ERDP_BUSY)) {
        return;
    }
    in->pending = false;
    in->erdp |= ERDP_BUSY;
    in->iman |= IMAN_IP;
    s->usbsts |= XHCI_STS_EINT;
    if ((in->iman & IMAN_IE) && (s->usbcmd & XHCI_CMD_INTE) && pci_notify(&s->pci, n)) {
        in->iman &= ~(uint32_t)IMAN_IP;         /* a message clears it */
    }
    xhci_update_irq(s);
}

/* ---- the ring ---- */

static void write_trb(Xhci *s, XhciIntr *in, const Place *p, Trb ev)
{
    ev.control = (ev.control & ~(uint32_t)TRB_CYCLE) | (in->cycle ? TRB_CYCLE : 0);
    as_write(s->pci.dma, p->at, &ev, 12);
    as_write(s->pci.dma, p->at + 12, &ev.control, 4);           /* the cycle bit last */
}

/* The last free place but one says that the ring is full; what comes then is lost (4.9.4). */
void xhci_event(Xhci *s, unsigned n, Trb ev, bool quiet)
{
    XhciIntr *in = &s->intr[n < s->n_intrs ? n : 0];
    Place     here = { in->segment, in->index, 0, false }, next, beyond;
    uint64_t  dequeue = in->erdp & ~(uint64_t)ERDP_FLAGS;

    if (!(s->usbcmd & XHCI_CMD_RS)) {
        return;
    }
    if (!(in->erstsz & 0xffff) || !locate(s, in, &here) || !after(s, in, &here, &next) ||
        !after(s, in, &next, &beyond)) {
        guest_error(s, "event ring %u has no memory, or a segment of a wrong size", n);
        xhci_dead(s, XHCI_STS_HCE);
        return;
    }
    if (next.at == dequeue) {
        guest_error(s, "event ring %u is full", n);
        return;
    }
    if (beyond.at == dequeue) {
        ev = (Trb){ 0, (uint32_t)CC_EVENT_RING_FULL << 24, EV_HOST << TRB_TYPE_AT };
    }
    if (here.wrapped) {
        in->cycle = !in->cycle;
    }
    write_trb(s, in, &here, ev);
    in->segment = here.segment;
    in->index = here.index + 1;       /* may stand behind the segment: the next event moves on */
    if (!quiet) {
        in->pending = true;
        try_interrupt(s, in);
    }
}

void xhci_erdp_written(Xhci *s, XhciIntr *in, uint64_t val)
{
    bool  busy = (in->erdp & ERDP_BUSY) && !(val & ERDP_BUSY);
    Place here = { in->segment, in->index, 0, false };

    in->erdp = (val & ~(uint64_t)ERDP_BUSY) | (busy ? ERDP_BUSY : 0);
    if (!busy && (s->usbcmd & XHCI_CMD_RS) && (in->erstsz & 0xffff) && locate(s, in, &here) &&
        here.at != (in->erdp & ~(uint64_t)ERDP_FLAGS)) {
        in->pending = true;           /* there is more than the handler has seen */
        try_interrupt(s, in);
    }
}

void xhci_intr_restart(XhciIntr *in)
{
    in->segment = in->index = 0;
    in->cycle = true;
    in->pending = false;
}
