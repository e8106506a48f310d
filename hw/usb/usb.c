/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.c -- endpoint 0 and the standard requests; plugging devices into ports.
 *
 * Spec: USB 2.0, chapters 8.5.3 (control transfers) and 9 (device framework).
 * Omits: see usb.h; TEST_MODE; more than one configuration.
 * Threads: with the machine lock.
 */
#include "hw/usb/usb.h"
#include "core/machine.h"
#include "core/trace.h"
#include <stdlib.h>
#include <string.h>

/* UsbDevice.stage: what the data stage is, or how it went */
enum { STAGE_IDLE, STAGE_IN, STAGE_OUT, STAGE_STALLED };
enum { FEATURE_HALT = 0, FEATURE_REMOTE_WAKEUP = 1 };           /* table 9-6 */
enum { CONFIG_SELF_POWERED = 0x40 };

const char *const usb_speed_names[USB_SPEEDS] = { "1.5", "12", "480", "5000" };

static UsbSetup setup_of(const uint8_t *p)
{
    return (UsbSetup){ p[0], p[1], (uint16_t)(p[2] | p[3] << 8), (uint16_t)(p[4] | p[5] << 8),
                       (uint16_t)(p[6] | p[7] << 8) };
}

/* ---- standard requests ---- */

static const UsbInterfaceDesc *find_interface(const UsbDevice *d, unsigned number,
                                              unsigned alternate)
{
    const UsbConfigDesc *c = d->ops->desc->config[d->speed];

    for (unsigned i = 0; i < c->n_interfaces; i++) {
        if (c->interfaces[i].number == number && c->interfaces[i].alternate == alternate) {
            return &c->interfaces[i];
        }
    }
    return NULL;
}

static bool has_endpoint(const UsbDevice *d, uint8_t address)
{
    const UsbConfigDesc *c = d->ops->desc->config[d->speed];

    for (unsigned i = 0; i < c->n_interfaces; i++) {
        for (unsigned e = 0; e < c->interfaces[i].n_endpoints; e++) {
            if (c->interfaces[i].endpoints[e].address == address) {
                return true;
            }
        }
    }
    return (address & 0x7f) == 0;
}

static int to_device(UsbDevice *d, const UsbSetup *s, uint8_t *data)
{
    switch (s->request | (s->type & USB_DIR_IN) << 8) {
    case USB_GET_STATUS | USB_DIR_IN << 8:
        data[0] = (d->ops->desc->config[d->speed]->attributes & CONFIG_SELF_POWERED ? 1 : 0) |
                  (d->remote_wakeup ? 2 : 0);
        data[1] = 0;
        return 2;
    case USB_CLEAR_FEATURE:
    case USB_SET_FEATURE:
        if (s->value != FEATURE_REMOTE_WAKEUP) {
            return -1;
        }
        d->remote_wakeup = s->request == USB_SET_FEATURE;
        return 0;
    case USB_SET_ADDRESS:
        return s->value < 128 ? 0 : -1;         /* counts from the status stage on */
    case USB_GET_DESCRIPTOR | USB_DIR_IN << 8:
        return usb_descriptor(d, (uint8_t)(s->value >> 8), (uint8_t)s->value, data);
    case USB_GET_CONFIGURATION | USB_DIR_IN << 8:
        data[0] = d->config;
        return 1;
    case USB_SET_CONFIGURATION:
        if (s->value > 1) {
            return -1;
        }
        d->config = (uint8_t)s->value;
        memset(d->halted, 0, sizeof(d->halted));
        memset(d->alternate, 0, sizeof(d->alternate));
        if (d->ops->configured) {
            d->ops->configured(d);
        }
        return 0;
    default:
        return -1;
    }
}

static int to_interface(UsbDevice *d, const UsbSetup *s, uint8_t *data)
{
    unsigned n = s->index & 0xff;

    if (n >= USB_INTERFACES_MAX || !find_interface(d, n, 0)) {
        return -1;
    }
    switch (s->request | (s->type & USB_DIR_IN) << 8) {
    case USB_GET_STATUS | USB_DIR_IN << 8:
        data[0] = data[1] = 0;
        return 2;
    case USB_GET_INTERFACE | USB_DIR_IN << 8:
        data[0] = d->alternate[n];
        return 1;
    case USB_SET_INTERFACE:
        if (!find_interface(d, n, s->value)) {
            return -1;
        }
        d->alternate[n] = (uint8_t)s->value;
        return 0;
    default:
        return d->ops->control ? d->ops->control(d, s, data) : -1;      /* a class's descriptors */
    }
}

static int to_endpoint(UsbDevice *d, const UsbSetup *s, uint8_t *data)
{
    unsigned in = s->index >> 7 & 1, bit = 1u << (s->index & 15);

    if (!has_endpoint(d, (uint8_t)s->index)) {
        return -1;
    }
    switch (s->request | (s->type & USB_DIR_IN) << 8) {
    case USB_GET_STATUS | USB_DIR_IN << 8:
        data[0] = (d->halted[in] & bit) != 0;
        data[1] = 0;
        return 2;
    case USB_CLEAR_FEATURE:
    case USB_SET_FEATURE:
        if (s->value != FEATURE_HALT) {
            return -1;
        }
        d->halted[in] =
            (uint16_t)(s->request == USB_SET_FEATURE && (bit & ~1u) ? d->halted[in] | bit
                                                                    : d->halted[in] & ~bit);
        return 0;
    default:
        return -1;
    }
}

static int request(UsbDevice *d, const UsbSetup *s, uint8_t *data)
{
    if ((s->type & USB_TYPE_MASK) != USB_TYPE_STANDARD) {
        return d->ops->control ? d->ops->control(d, s, data) : -1;
    }
    switch (s->type & USB_TO_MASK) {
    case USB_TO_DEVICE:    return to_device(d, s, data);
    case USB_TO_INTERFACE: return to_interface(d, s, data);
    case USB_TO_ENDPOINT:  return to_endpoint(d, s, data);
    default:               return -1;
    }
}

/* ---- control transfers (8.5.3) ---- */

static void finish(UsbPacket *p, UsbStatus status, uint32_t actual)
{
    p->status = status;
    p->actual = actual;
}

/* A device reads as much as it has been told, or as there is room for: what is longer stalls. */
static void setup_stage(UsbDevice *d, UsbPacket *p)
{
    UsbSetup s;

    if (p->size != 8) {
        d->stage = STAGE_STALLED;
        finish(p, USB_STALL, 0);
        return;
    }
    memcpy(d->setup, p->data, 8);
    s = setup_of(d->setup);
    d->at = d->length = 0;
    finish(p, USB_OK, 8);
    if (s.length > USB_CONTROL_MAX) {
        d->stage = STAGE_STALLED;
    } else if (s.type & USB_DIR_IN) {
        memset(d->buffer, 0, sizeof(d->buffer));
        int n = request(d, &s, d->buffer);
        d->length = n < 0 ? 0 : MIN((uint32_t)n, s.length);
        d->stage = n < 0 ? STAGE_STALLED : STAGE_IN;
    } else {
        d->length = s.length;
        d->stage = STAGE_OUT;
    }
}

static void control_in(UsbDevice *d, UsbPacket *p)
{
    UsbSetup s = setup_of(d->setup);

    if (d->stage == STAGE_IN) {
        uint32_t n = MIN(p->size, d->length - d->at);
        if (n) {
            memcpy(p->data, d->buffer + d->at, n);
        }
        d->at += n;
        finish(p, USB_OK, n);
    } else if (d->stage == STAGE_OUT) {               /* the status stage: now it is done */
        d->stage = STAGE_IDLE;
        if (d->at < d->length || request(d, &s, d->buffer) < 0) {
            d->stage = STAGE_STALLED;
            finish(p, USB_STALL, 0);
            return;
        }
        if (s.type == 0 && s.request == USB_SET_ADDRESS) {
            d->address = s.value & 0x7f;
        }
        finish(p, USB_OK, 0);
    } else {
        finish(p, USB_STALL, 0);
    }
}

static void control_out(UsbDevice *d, UsbPacket *p)
{
    if (d->stage == STAGE_OUT && p->size <= d->length - d->at) {
        if (p->size) {
            memcpy(d->buffer + d->at, p->data, p->size);
        }
        d->at += p->size;
        finish(p, USB_OK, p->size);
    } else if (d->stage == STAGE_IN) {                /* the status stage */
        d->stage = STAGE_IDLE;
        finish(p, USB_OK, 0);
    } else {
        d->stage = STAGE_STALLED;
        finish(p, USB_STALL, 0);
    }
}

static void control(UsbDevice *d, UsbPacket *p)
{
    if (p->pid == USB_PID_SETUP) {
        setup_stage(d, p);
    } else if (p->pid == USB_PID_IN) {
        control_in(d, p);
    } else {
        control_out(d, p);
    }
}

void usb_packet(UsbDevice *d, UsbPacket *p)
{
    unsigned in = p->pid == USB_PID_IN;

    trace_usb_packet(d->dev.path, p->pid, p->ep & 15, p->size);
    p->actual = 0;
    p->ep &= 15;
    if (p->ep == 0) {
        control(d, p);
    } else if (!d->config || p->pid == USB_PID_SETUP ||
               !has_endpoint(d, (uint8_t)(p->ep | in << 7)) || (d->halted[in] >> p->ep & 1)) {
        p->status = USB_STALL;
    } else {
        p->status = USB_STALL;
        d->ops->data(d, p);
        if (p->status == USB_ASYNC) {
            p->dev = d;
        } else if (p->status == USB_STALL) {
            d->halted[in] |= (uint16_t)(1u << p->ep);
        }
    }
    p->actual = MIN(p->actual, p->size);
    if (p->status != USB_ASYNC) {
        trace_usb_packet_done(d->dev.path, p->ep, p->status, p->actual);
    }
}

void usb_complete(UsbPacket *p)
{
    g_assert(p->dev && p->status != USB_ASYNC);
    if (p->status == USB_STALL) {
        p->dev->halted[p->pid == USB_PID_IN] |= (uint16_t)(1u << p->ep);
    }
    trace_usb_packet_done(p->dev->dev.path, p->ep, p->status, p->actual);
    p->dev = NULL;
    p->actual = MIN(p->actual, p->size);
    p->done(p);
}

void usb_cancel(UsbPacket *p)
{
    UsbDevice *d = p->dev;

    p->dev = NULL;
    if (d && d->ops->cancel) {
        d->ops->cancel(d, p);
    }
}

void usb_wakeup(UsbDevice *d, uint8_t ep)
{
    trace_usb_wakeup(d->dev.path, ep);
    if (!d->port) {
        return;
    }
    if (d->remote_wakeup && d->port->ops->resume) {
        d->port->ops->resume(d->port);
    }
    d->port->ops->wakeup(d->port, ep);
}

/* ---- life ---- */

void usb_device_init(UsbDevice *d, const UsbOps *ops, UsbSpeed speed)
{
    d->ops = ops;
    d->speed = speed;
    g_assert(ops->desc->config[speed]);
}

void usb_device_reset(void *dev)
{
    UsbDevice *d = dev;

    d->address = d->config = d->stage = 0;
    d->remote_wakeup = false;
    d->at = d->length = 0;
    memset(d->halted, 0, sizeof(d->halted));
    memset(d->alternate, 0, sizeof(d->alternate));
    memset(d->setup, 0, sizeof(d->setup));
    memset(d->buffer, 0, sizeof(d->buffer));
    if (d->ops->reset) {
        d->ops->reset(d);
    }
}

bool usb_device_restored(void *dev, GError **err)
{
    UsbDevice *d = dev;

    return d->at <= d->length || fail(err, "%s: a control transfer stands at byte %u of %u",
                                      d->dev.path, d->at, d->length);
}

static UsbPort *choose_port(const UsbBus *b, const UsbDevice *d, GError **err)
{
    for (unsigned i = 0; i < b->n_ports; i++) {
        UsbPort *p = b->ports[i];
        if (d->port_name ? !strcmp(p->name, d->port_name)
                         : !p->dev && (p->speeds >> d->speed & 1)) {
            if (p->dev) {
                fail(err, "device %s: port %s of bus %s is taken by %s", d->dev.class->name,
                     p->name, b->base->name, p->dev->dev.class->name);
            } else if (!(p->speeds >> d->speed & 1)) {
                fail(err, "device %s: port %s of bus %s is not for %s Mb/s", d->dev.class->name,
                     p->name, b->base->name, usb_speed_names[d->speed]);
            } else {
                return p;
            }
            return NULL;
        }
    }
    if (d->port_name) {
        fail(err, "device %s: bus %s has no port %s; its ports are 1 to %u", d->dev.class->name,
             b->base->name, d->port_name, b->n_ports);
    } else {
        fail(err, "device %s: bus %s has no free port; add a controller", d->dev.class->name,
             b->base->name);
    }
    return NULL;
}

static bool usb_attach(Bus *base, Device *dev, GError **err)
{
    UsbBus    *b = base->owner;
    UsbDevice *d = (UsbDevice *)dev;
    UsbPort   *p = b ? choose_port(b, d, err) : NULL;

    if (!p) {
        return false;
    }
    p->dev = d;
    d->port = p;
    p->ops->attach(p);
    return true;
}

static void usb_detach(Bus *base, Device *dev)
{
    UsbDevice *d = (UsbDevice *)dev;
    UsbPort   *p = d->port;

    if (p) {
        p->ops->detach(p);
        p->dev = NULL;
        d->port = NULL;
    }
}

static bool usb_has_room(const Bus *base)
{
    const UsbBus *b = base->owner;

    for (unsigned i = 0; b && i < b->n_ports; i++) {
        if (!b->ports[i]->dev && (b->ports[i]->speeds >> USB_FULL & 1)) {
            return true;
        }
    }
    return false;
}

static char *usb_describe(const Bus *base, const Device *dev)
{
    const UsbDevice *d = (const UsbDevice *)dev;
    const UsbDesc   *t = d->ops->desc;

    return g_strdup_printf("Port %s, Device %u, Speed %s Mb/s, Product %s",
                           d->port ? d->port->name : "-", d->address, usb_speed_names[d->speed],
                           t->name ? t->strings[t->name] : dev->class->name);
}

/* "ID.0" of a controller with an id, else usb-bus.N. */
void usb_bus_init(UsbBus *b, Device *controller, UsbPort **ports, unsigned n)
{
    Machine *m = controller->machine;
    char    *name = NULL;

    if (controller->id) {
        name = g_strdup_printf("%s.0", controller->id);
    }
    for (unsigned i = 0; !name; i++) {
        name = g_strdup_printf("usb-bus.%u", i);
        for (unsigned j = 0; name && j < m->buses->len; j++) {
            if (!strcmp(((Bus *)m->buses->pdata[j])->name, name)) {
                g_clear_pointer(&name, g_free);
            }
        }
    }
    b->base = bus_new(m, "usb", name, b);
    b->base->device = controller;
    b->base->attach = usb_attach;
    b->base->detach = usb_detach;
    b->base->has_room = usb_has_room;
    b->base->describe = usb_describe;
    b->base->hotplug = true;
    b->ports = ports;
    b->n_ports = n;
    for (unsigned i = 0; i < n; i++) {
        g_snprintf(ports[i]->name, sizeof(ports[i]->name), "%u", i + 1);
        ports[i]->bus_name = b->base->name;
    }
    g_free(name);
}

void usb_bus_free(UsbBus *b)
{
    for (unsigned i = 0; i < b->n_ports; i++) {
        if (b->ports[i]->dev) {
            b->ports[i]->dev->port = NULL;
            b->ports[i]->dev = NULL;
        }
    }
    b->n_ports = 0;
    if (b->base) {
        b->base->owner = NULL;
    }
}
