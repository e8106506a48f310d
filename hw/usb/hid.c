/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hid.c -- the requests of the HID class, the interrupt endpoint, and a queue of events.
 *
 * Spec: HID 1.11, chapters 6.2 (descriptors), 7 (requests), appendix F (boot protocol).
 * Omits: see hid.h.
 * Threads: with the machine lock.
 */
#include "hw/usb/hid.h"
#include "core/machine.h"
#include <string.h>

/* 7.2 */
enum { GET_REPORT = 1, GET_IDLE = 2, GET_PROTOCOL = 3, SET_REPORT = 9, SET_IDLE = 10,
       SET_PROTOCOL = 11 };
enum { DT_HID = 0x21, DT_REPORT = 0x22 };                       /* 7.1 */
enum { REPORT_INPUT = 1, REPORT_OUTPUT = 2 };
enum { HID_ENDPOINT = 1, IDLE_UNIT_NS = 4000000 };

static void idle_arm(Hid *h)
{
    Machine *m = h->usb.dev.machine;

    if (h->idle && h->active) {
        timer_arm(&h->idle_timer, time_now(m, TIME_GUEST) + (uint64_t)h->idle * IDLE_UNIT_NS);
    } else {
        timer_stop(&h->idle_timer);
    }
}

static void idle_over(void *dev)
{
    Hid *h = dev;

    h->due = true;
    usb_wakeup(&h->usb, HID_ENDPOINT);
}

/* ---- requests ---- */

static int descriptor(const Hid *h, const UsbSetup *s, uint8_t *data)
{
    const UsbInterfaceDesc *i = h->usb.ops->desc->config[h->usb.speed]->interfaces;

    if (s->value == DT_REPORT << 8) {
        memcpy(data, h->kind->report_desc, h->kind->n_report_desc);
        return h->kind->n_report_desc;
    }
    if (s->value == DT_HID << 8) {
        memcpy(data, i->extra, i->n_extra);
        return i->n_extra;
    }
    return -1;
}

int hid_control(void *dev, const UsbSetup *s, uint8_t *data)
{
    Hid *h = dev;

    if (s->type == (USB_DIR_IN | USB_TO_INTERFACE) && s->request == USB_GET_DESCRIPTOR) {
        return descriptor(h, s, data);
    }
    if ((s->type & 0x7f) != (USB_TYPE_CLASS | USB_TO_INTERFACE) || s->index != 0) {
        return -1;
    }
    switch (s->request | (s->type & USB_DIR_IN) << 8) {
    case GET_REPORT | USB_DIR_IN << 8:
        return s->value >> 8 == REPORT_INPUT ? (int)h->kind->report(h, data) : -1;
    case SET_REPORT:
        return s->value >> 8 == REPORT_OUTPUT && h->kind->output &&
                       h->kind->output(h, data, s->length)
                   ? 0
                   : -1;
    case GET_IDLE | USB_DIR_IN << 8:
        data[0] = h->idle;
        return 1;
    case SET_IDLE:
        h->idle = (uint8_t)(s->value >> 8);
        idle_arm(h);
        return 0;
    case GET_PROTOCOL | USB_DIR_IN << 8:
        data[0] = h->protocol;
        return 1;
    case SET_PROTOCOL:
        if (s->value > HID_REPORT) {
            return -1;
        }
        h->protocol = (uint8_t)s->value;
        return 0;
    default:
        return -1;
    }
}

/* ---- reports ---- */

static void listen(Hid *h, bool on)
{
    h->active = on;
    console_input(h->usb.dev.machine->console, on ? h->kind->input : NULL, h);
}

void hid_data(void *dev, UsbPacket *p)
{
    Hid     *h = dev;
    uint8_t  report[HID_REPORT_MAX];
    unsigned n;

    if (p->pid != USB_PID_IN || p->ep != HID_ENDPOINT) {
        p->status = USB_STALL;
        return;
    }
    if (!h->active) {
        listen(h, true);
        idle_arm(h);
    }
    if (!h->kind->advance(h) && !h->due) {
        p->status = USB_NAK;
        return;
    }
    h->due = false;
    idle_arm(h);
    n = h->kind->report(h, report);
    p->actual = MIN(n, p->size);
    if (p->actual) {
        memcpy(p->data, report, p->actual);
    }
    p->status = n > p->size ? USB_BABBLE : USB_OK;
}

/* ---- events ---- */

HidEvent *hid_put(Hid *h)
{
    if (h->count == HID_QUEUE) {
        return NULL;
    }
    return &h->queue[(h->first + h->count++) % HID_QUEUE];
}

bool hid_take(Hid *h, HidEvent *out)
{
    if (!h->count) {
        return false;
    }
    *out = h->queue[h->first];
    h->first = (h->first + 1) % HID_QUEUE;
    h->count--;
    return true;
}

void hid_news(Hid *h)
{
    usb_wakeup(&h->usb, HID_ENDPOINT);
}

/* ---- life ---- */

void hid_reset(void *dev)
{
    Hid *h = dev;

    listen(h, false);
    timer_stop(&h->idle_timer);
    h->protocol = HID_REPORT;
    h->idle = h->kind->idle;
    h->leds = h->first = h->count = 0;
    h->due = false;
    memset(h->queue, 0, sizeof(h->queue));
    memset(h->down, 0, sizeof(h->down));
    h->buttons = 0;
    h->x = h->y = h->z = 0;
}

void hid_configured(void *dev)
{
    Hid *h = dev;

    if (!h->usb.config) {
        listen(h, false);
        timer_stop(&h->idle_timer);
    }
}

bool hid_restored(void *dev, GError **err)
{
    Hid *h = dev;

    listen(h, h->active);
    return usb_device_restored(dev, err);
}

void hid_init(Hid *h, const HidKind *kind, const UsbOps *ops)
{
    h->kind = kind;
    usb_device_init(&h->usb, ops, USB_FULL);
    timer_init(&h->idle_timer, h->usb.dev.machine, TIME_GUEST, idle_over, h);
    hid_reset(h);
}

void hid_unrealize(void *dev)
{
    Hid *h = dev;

    listen(h, false);
    timer_stop(&h->idle_timer);
}

const Field hid_event_fields[] = {
    STATE(HidEvent, code),
    STATE(HidEvent, x),
    STATE(HidEvent, y),
    STATE(HidEvent, z),
    FIELD_END
};

const Field hid_fields[] = {
    USB_FIELDS(Hid),
    STATE(Hid, protocol, .max = HID_REPORT),
    STATE(Hid, idle),
    STATE(Hid, leds),
    STATE(Hid, active),
    STATE(Hid, due),
    STATE_TIMER(Hid, idle_timer),
    STATE_STRUCT(Hid, queue, HidEvent, hid_event_fields),
    STATE(Hid, first, .max = HID_QUEUE - 1),
    STATE(Hid, count, .max = HID_QUEUE),
    STATE_ARRAY(Hid, down),
    STATE(Hid, buttons),
    STATE(Hid, x),
    STATE(Hid, y),
    STATE(Hid, z),
    FIELD_END
};
