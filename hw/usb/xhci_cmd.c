/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xhci_cmd.c -- the command ring: slots, addresses, endpoint contexts.
 *
 * Spec: xHCI 1.2, chapters 4.5 (slots), 4.6 (commands), 4.9.3, 6.2 (contexts), 6.4.3.
 * Omits: see xhci.h; negotiating bandwidth, latency tolerance, port bandwidth, force event and
 *   header commands (TRB error).
 * Threads: with the machine lock.
 */
#include "core/machine.h"
#include "hw/usb/xhci.h"
#include <string.h>

enum { CONTEXT_WORDS = 8, CONTEXT_BYTES = 32, COMMANDS_AT_ONCE = 64 };
enum { BSR = 0x200, DECONFIGURE = 0x200 };                      /* bit 9 of the command */
enum { NEC_FIRMWARE = 0x3020 };

typedef uint32_t Context[CONTEXT_WORDS];

static bool read_context(Xhci *s, uint64_t base, unsigned n, Context c)
{
    return as_read(s->pci.dma, base + (uint64_t)CONTEXT_BYTES * n, c, CONTEXT_BYTES) == MEM_OK;
}

static bool write_context(Xhci *s, uint64_t base, unsigned n, const Context c)
{
    return as_write(s->pci.dma, base + (uint64_t)CONTEXT_BYTES * n, c, CONTEXT_BYTES) == MEM_OK;
}

/*
 * A root hub port to the device on it: USB 2 ports come first, then those of the same sockets for
 * USB 3.
 */
UsbDevice *xhci_device(Xhci *s, unsigned slot)
{
    unsigned   port = s->slot[slot].port, n = port > s->p2 ? port - s->p2 : port;
    UsbDevice *d;

    if (!port || port > s->p2 + s->p3) {
        return NULL;
    }
    d = s->port[n - 1].dev;
    return d && (d->speed == USB_SUPER) == (port > s->p2) ? d : NULL;
}

void xhci_slot_disable(Xhci *s, unsigned slot)
{
    XhciSlot *sl = &s->slot[slot];

    for (unsigned dci = 1; dci < XHCI_DCIS; dci++) {
        xhci_ep_stop(s, slot, dci, EP_DISABLED);
    }
    memset(sl, 0, sizeof(*sl));
}

static unsigned enable_slot(Xhci *s, unsigned *slot)
{
    unsigned limit = MIN(s->slots_on & 0xff, s->n_slots);

    for (unsigned i = 1; i <= limit; i++) {
        if (!s->slot[i].enabled) {
            memset(&s->slot[i], 0, sizeof(s->slot[i]));
            s->slot[i].enabled = true;
            *slot = i;
            return CC_SUCCESS;
        }
    }
    return CC_NO_SLOTS;
}

/* ---- contexts ---- */

/* An endpoint of the input context becomes the slot's. */
static unsigned add_endpoint(Xhci *s, unsigned slot, unsigned dci, uint64_t input)
{
    XhciSlot *sl = &s->slot[slot];
    Context   c;

    if (!read_context(s, input, dci + 1, c)) {
        return CC_TRB;
    }
    if (!(c[1] >> 3 & 7) || (dci == 1) != ((c[1] >> 3 & 7) == EPT_CONTROL)) {
        return CC_PARAMETER;
    }
    if (c[0] >> 10 & 31) {
        guest_error(s, "slot %u, endpoint %u: streams are not offered", slot, dci);
        return CC_PARAMETER;
    }
    xhci_ep_stop(s, slot, dci, EP_DISABLED);
    sl->ep_type[dci] = c[1] >> 3 & 7;
    sl->ep_state[dci] = EP_RUNNING;
    sl->dequeue[dci] = ((uint64_t)c[3] << 32 | c[2]) & ~(uint64_t)14;
    c[0] = (c[0] & ~7u) | EP_RUNNING;
    return write_context(s, sl->context, dci, c) ? CC_SUCCESS : CC_TRB;
}

static void set_slot_state(Xhci *s, unsigned slot, unsigned state, unsigned address)
{
    XhciSlot *sl = &s->slot[slot];
    Context   c;

    sl->state = (uint8_t)state;
    if (read_context(s, sl->context, 0, c)) {
        c[3] = (c[3] & 0x07ffff00) | address | state << 27;
        write_context(s, sl->context, 0, c);
    }
}

static unsigned slot_address(const XhciSlot *sl, unsigned slot)
{
    return sl->state >= SLOT_ADDRESSED ? slot : 0;
}

static void send_set_address(UsbDevice *d, unsigned address)
{
    uint8_t   setup[8] = { 0, USB_SET_ADDRESS, (uint8_t)address, 0, 0, 0, 0, 0 };
    UsbPacket p = { .pid = USB_PID_SETUP, .data = setup, .size = 8 };

    usb_packet(d, &p);
    p = (UsbPacket){ .pid = USB_PID_IN, .data = setup };
    usb_packet(d, &p);
}

/* 4.6.5 */
static unsigned address_device(Xhci *s, unsigned slot, uint64_t input, bool block)
{
    XhciSlot *sl = &s->slot[slot];
    Context   control, c;
    uint64_t  context;

    if (!read_context(s, input, 0, control) || !read_context(s, input, 1, c) ||
        as_read(s->pci.dma, s->dcbaap + 8 * slot, &context, 8) != MEM_OK) {
        return CC_TRB;
    }
    if ((control[0] & ~0u) || (control[1] & 3) != 3 || (c[0] & 0xfffff)) {
        return CC_PARAMETER;
    }
    if (sl->state > SLOT_DEFAULT || (block && sl->state == SLOT_DEFAULT)) {
        return CC_CONTEXT_STATE;
    }
    sl->context = context & ~(uint64_t)63;
    sl->port = (uint8_t)(c[1] >> 16);
    UsbDevice *d = xhci_device(s, slot);
    if (!d) {
        sl->port = 0;
        return CC_TRANSACTION;
    }
    for (unsigned i = 1; i <= s->n_slots; i++) {
        if (i != slot && s->slot[i].enabled && s->slot[i].port == sl->port) {
            sl->port = 0;
            return CC_TRB;            /* the port is another slot's */
        }
    }
    unsigned code = write_context(s, sl->context, 0, c) ? add_endpoint(s, slot, 1, input) : CC_TRB;
    if (code != CC_SUCCESS) {
        return code;
    }
    if (!block) {
        send_set_address(d, slot);
    }
    set_slot_state(s, slot, block ? SLOT_DEFAULT : SLOT_ADDRESSED, block ? 0 : slot);
    return CC_SUCCESS;
}

static bool any_endpoint(const XhciSlot *sl)
{
    for (unsigned dci = 2; dci < XHCI_DCIS; dci++) {
        if (sl->ep_state[dci] != EP_DISABLED) {
            return true;
        }
    }
    return false;
}

static void drop_endpoint(Xhci *s, unsigned slot, unsigned dci)
{
    if (s->slot[slot].ep_state[dci] != EP_DISABLED) {
        xhci_ep_stop(s, slot, dci, EP_DISABLED);
        xhci_ep_write_context(s, slot, dci);
    }
}

/* 4.6.6 */
static unsigned configure(Xhci *s, unsigned slot, uint64_t input, bool away)
{
    XhciSlot *sl = &s->slot[slot];
    Context   control, c, out;
    unsigned  code = CC_SUCCESS;

    if (sl->state < SLOT_ADDRESSED) {
        return CC_CONTEXT_STATE;
    }
    if (away) {
        control[0] = ~3u;
        control[1] = 0;
    } else if (!read_context(s, input, 0, control)) {
        return CC_TRB;
    }
    if ((control[0] & 3) || (control[1] & 2)) {
        return CC_PARAMETER;
    }
    for (unsigned dci = 2; dci < XHCI_DCIS; dci++) {
        if (control[0] >> dci & 1) {
            drop_endpoint(s, slot, dci);
        }
        if ((control[1] >> dci & 1) && code == CC_SUCCESS) {
            code = add_endpoint(s, slot, dci, input);
        }
    }
    if (!away && read_context(s, input, 1, c) && read_context(s, sl->context, 0, out)) {
        out[0] = (out[0] & 0x07ffffff) | (c[0] & 0xf8000000);   /* context entries */
        write_context(s, sl->context, 0, out);
    }
    set_slot_state(s, slot, any_endpoint(sl) ? SLOT_CONFIGURED : SLOT_ADDRESSED,
                   slot_address(sl, slot));
    return code;
}

/* 4.6.7 */
static unsigned evaluate(Xhci *s, unsigned slot, uint64_t input)
{
    XhciSlot *sl = &s->slot[slot];
    Context   control, in, out;

    if (!sl->state) {
        return CC_CONTEXT_STATE;
    }
    if (!read_context(s, input, 0, control)) {
        return CC_TRB;
    }
    if ((control[1] & 1) && read_context(s, input, 1, in) && read_context(s, sl->context, 0, out)) {
        out[1] = (out[1] & 0xffff0000) | (in[1] & 0xffff);      /* max exit latency */
        out[2] = (out[2] & 0x003fffff) | (in[2] & 0xffc00000);  /* interrupter target */
        write_context(s, sl->context, 0, out);
    }
    if ((control[1] & 2) && read_context(s, input, 2, in) && read_context(s, sl->context, 1, out)) {
        out[1] = (out[1] & 0xffff) | (in[1] & 0xffff0000);      /* max packet size */
        write_context(s, sl->context, 1, out);
    }
    return CC_SUCCESS;
}

/* 4.6.11 */
static unsigned reset_device(Xhci *s, unsigned slot)
{
    if (s->slot[slot].state < SLOT_ADDRESSED) {
        return CC_CONTEXT_STATE;
    }
    for (unsigned dci = 2; dci < XHCI_DCIS; dci++) {
        drop_endpoint(s, slot, dci);
    }
    UsbDevice *d = xhci_device(s, slot);
    if (d) {
        usb_device_reset(d);
    }
    set_slot_state(s, slot, SLOT_DEFAULT, 0);
    return CC_SUCCESS;
}

/* ---- endpoints ---- */

/* 4.6.9: a TD that had begun ends with an event of its own. */
static unsigned stop_endpoint(Xhci *s, unsigned slot, unsigned dci)
{
    uint64_t at;
    Trb      trb;

    if (s->slot[slot].ep_state[dci] != EP_RUNNING) {
        return CC_CONTEXT_STATE;
    }
    if (xhci_ep_has_work(s, slot, dci, &at, &trb)) {
        xhci_event(s, trb.status >> 22,
                   (Trb){ at, (trb.status & 0x1ffff) | (uint32_t)CC_STOPPED << 24,
                          EV_TRANSFER << TRB_TYPE_AT | dci << 16 | slot << 24 },
                   true);
    }
    xhci_ep_stop(s, slot, dci, EP_STOPPED);
    xhci_ep_write_context(s, slot, dci);
    return CC_SUCCESS;
}

static unsigned reset_endpoint(Xhci *s, unsigned slot, unsigned dci)
{
    if (s->slot[slot].ep_state[dci] != EP_HALTED) {
        return CC_CONTEXT_STATE;
    }
    xhci_ep_stop(s, slot, dci, EP_STOPPED);
    xhci_ep_write_context(s, slot, dci);
    return CC_SUCCESS;
}

static unsigned set_dequeue(Xhci *s, unsigned slot, unsigned dci, uint64_t pointer)
{
    XhciSlot *sl = &s->slot[slot];

    if (sl->ep_state[dci] != EP_STOPPED && sl->ep_state[dci] != EP_ERROR) {
        return CC_CONTEXT_STATE;
    }
    sl->dequeue[dci] = pointer & ~(uint64_t)14;
    sl->ep_state[dci] = EP_STOPPED;
    xhci_ep_write_context(s, slot, dci);
    return CC_SUCCESS;
}

static unsigned endpoint_command(Xhci *s, unsigned type, unsigned slot, unsigned dci,
                                 uint64_t param)
{
    if (!dci) {
        return CC_TRB;
    }
    if (s->slot[slot].ep_state[dci] == EP_DISABLED) {
        return CC_EP_DISABLED;
    }
    switch (type) {
    case CMD_RESET_EP: return reset_endpoint(s, slot, dci);
    case CMD_STOP_EP:  return stop_endpoint(s, slot, dci);
    default:           return set_dequeue(s, slot, dci, param);
    }
}

/* ---- the ring ---- */

static unsigned slot_command(Xhci *s, unsigned type, unsigned slot, const Trb *t)
{
    uint64_t input = t->param & ~(uint64_t)15;

    if (!slot || slot > s->n_slots) {
        return CC_TRB;
    }
    if (!s->slot[slot].enabled) {
        return CC_SLOT_DISABLED;
    }
    switch (type) {
    case CMD_DISABLE_SLOT:
        set_slot_state(s, slot, 0, 0);
        xhci_slot_disable(s, slot);
        return CC_SUCCESS;
    case CMD_ADDRESS_DEVICE: return address_device(s, slot, input, t->control & BSR);
    case CMD_CONFIGURE_EP:   return configure(s, slot, input, t->control & DECONFIGURE);
    case CMD_EVALUATE:       return evaluate(s, slot, input);
    case CMD_RESET_DEVICE:   return reset_device(s, slot);
    default:
        return endpoint_command(s, type, slot, t->control >> 16 & 31, t->param);
    }
}

static unsigned command(Xhci *s, const Trb *t, unsigned *slot, uint32_t *extra)
{
    unsigned type = t->control >> TRB_TYPE_AT & 63;

    *slot = t->control >> 24;
    switch (type) {
    case CMD_NOOP:
        return CC_SUCCESS;
    case CMD_ENABLE_SLOT:
        *slot = 0;
        return enable_slot(s, slot);
    case CMD_DISABLE_SLOT ... CMD_RESET_DEVICE:
        return slot_command(s, type, *slot, t);
    case CMD_NEC_FIRMWARE:
        *extra = NEC_FIRMWARE;
        return pci_get(&s->pci, PCI_VENDOR_ID, 2) == 0x1033 ? CC_SUCCESS : CC_TRB;
    default:
        guest_error(s, "unknown command %u", type);
        return CC_TRB;
    }
}

void xhci_commands(Xhci *s)
{
    Trb      t;
    uint64_t at;

    for (unsigned i = 0; s->command_running && (s->usbcmd & XHCI_CMD_RS); i++) {
        unsigned slot = 0;
        uint32_t extra = 0;
        if (i == COMMANDS_AT_ONCE) {
            xhci_later(s);
            return;
        }
        if (!xhci_ring_next(s, &s->crcr, &t, &at)) {
            return;
        }
        unsigned code = command(s, &t, &slot, &extra);
        xhci_event(s, 0, (Trb){ at, code << 24 | extra, EV_COMMAND << TRB_TYPE_AT | slot << 24 },
                   false);
    }
}
