/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_desc.c -- a device's const tables to the descriptors that a host reads.
 *
 * Spec: USB 2.0, chapter 9.6; USB 3.2, 9.6.7 (SuperSpeed endpoint companion).
 * Omits: the binary device object store, interface associations, languages other than US English.
 * Threads: pure functions.
 */
#include "hw/usb/usb.h"
#include <string.h>

enum { DEVICE_BYTES = 18, QUALIFIER_BYTES = 10, CONFIG_BYTES = 9, INTERFACE_BYTES = 9,
       ENDPOINT_BYTES = 7 };
enum { US_ENGLISH = 0x0409 };

typedef struct Writer {
    uint8_t *out;
    unsigned n;
} Writer;

static void put(Writer *w, unsigned val, unsigned bytes)
{
    for (unsigned i = 0; i < bytes && w->n < USB_DESCRIPTOR_MAX; i++) {
        w->out[w->n++] = (uint8_t)(val >> 8 * i);
    }
}

static void put_all(Writer *w, const uint8_t *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        put(w, from[i], 1);
    }
}

static void device(Writer *w, const UsbDesc *t)
{
    put(w, DEVICE_BYTES | USB_DT_DEVICE << 8, 2);
    put(w, t->usb, 2);
    put(w, t->class | t->subclass << 8 | t->protocol << 16 | (unsigned)t->max_packet0 << 24, 4);
    put(w, t->vendor, 2);
    put(w, t->product, 2);
    put(w, t->release, 2);
    put(w, t->manufacturer | t->name << 8 | t->serial << 16 | 1u << 24, 4);
}

static void qualifier(Writer *w, const UsbDesc *t)
{
    put(w, QUALIFIER_BYTES | USB_DT_QUALIFIER << 8, 2);
    put(w, t->usb, 2);
    put(w, t->class | t->subclass << 8 | t->protocol << 16 | (unsigned)t->max_packet0 << 24, 4);
    put(w, 1, 2);
}

static void interface(Writer *w, const UsbInterfaceDesc *i)
{
    put(w, INTERFACE_BYTES | USB_DT_INTERFACE << 8, 2);
    put(w, i->number | i->alternate << 8 | i->n_endpoints << 16, 3);
    put(w, i->class | i->subclass << 8 | i->protocol << 16 | (unsigned)i->string << 24, 4);
    put_all(w, i->extra, i->n_extra);
    for (unsigned e = 0; e < i->n_endpoints; e++) {
        const UsbEndpointDesc *ep = &i->endpoints[e];
        put(w, ENDPOINT_BYTES | USB_DT_ENDPOINT << 8, 2);
        put(w, ep->address | ep->type << 8, 2);
        put(w, ep->max_packet, 2);
        put(w, ep->interval, 1);
    }
}

static void config(Writer *w, const UsbConfigDesc *c, uint8_t type)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->n_interfaces; i++) {
        n += c->interfaces[i].alternate == 0;
    }
    put(w, CONFIG_BYTES | type << 8, 2);
    put(w, 0, 2);                       /* wTotalLength: below */
    put(w, n | 1 << 8 | c->string << 16, 3);
    put(w, 0x80 | c->attributes, 1);    /* bit 7 is reserved and one */
    put(w, c->max_power_2ma, 1);
    for (unsigned i = 0; i < c->n_interfaces; i++) {
        interface(w, &c->interfaces[i]);
    }
    w->out[2] = (uint8_t)w->n;
    w->out[3] = (uint8_t)(w->n >> 8);
}

static bool string(Writer *w, const UsbDesc *t, uint8_t index)
{
    const char *s = "";

    if (index == 0) {
        put(w, 4 | USB_DT_STRING << 8 | (unsigned)US_ENGLISH << 16, 4);
        return true;
    }
    for (unsigned i = 1; i <= index; i++) {
        s = t->strings[i];
        if (!s) {
            return false;
        }
    }
    put(w, (2 + 2 * (unsigned)strlen(s)) | USB_DT_STRING << 8, 2);
    for (; *s; s++) {
        put(w, (uint8_t)*s, 2);
    }
    return true;
}

int usb_descriptor(const UsbDevice *d, uint8_t type, uint8_t index, uint8_t *out)
{
    const UsbDesc *t = d->ops->desc;
    UsbSpeed       other = d->speed == USB_HIGH ? USB_FULL : USB_HIGH;
    bool           both = t->config[USB_FULL] && t->config[USB_HIGH] && d->speed != USB_SUPER;
    Writer         w = { out, 0 };

    switch (type) {
    case USB_DT_DEVICE:
        device(&w, t);
        break;
    case USB_DT_CONFIG:
        if (index) {
            return -1;
        }
        config(&w, t->config[d->speed], USB_DT_CONFIG);
        break;
    case USB_DT_STRING:
        return string(&w, t, index) ? (int)w.n : -1;
    case USB_DT_QUALIFIER:
        if (!both) {
            return -1;
        }
        qualifier(&w, t);
        break;
    case USB_DT_OTHER_SPEED:
        if (!both || index) {
            return -1;
        }
        config(&w, t->config[other], USB_DT_OTHER_SPEED);
        break;
    default:
        return -1;
    }
    return (int)w.n;
}
