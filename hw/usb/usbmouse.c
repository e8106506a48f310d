/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usbmouse.c -- a USB wheel mouse, which tells movements, and a USB tablet, which tells places.
 *
 * Spec: HID 1.11, appendices B.2 and E.10 (boot mouse); HID Usage Tables 1.12, pages 01 and 09.
 * Omits: tilting wheels.
 * Threads: with the machine lock.
 */
#include "hw/usb/hid.h"
#include <string.h>

enum { BUTTONS = 0x1f, FAR = 1 << 20 };

/* buttons 1 to 5 | x | y | wheel, a byte each */
static const uint8_t mouse_report[] = {
    /* Generic Desktop, Mouse, application collection */
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01,
    0x09, 0x01, 0xa1, 0x00,                                     /* Pointer, physical collection */
    0x05, 0x09, 0x19, 0x01, 0x29, 0x05, 0x15, 0x00, 0x25, 0x01, /* Buttons 1 to 5, 0 to 1 */
    /* 5 of 1 bit: data, variable, absolute */
    0x95, 0x05, 0x75, 0x01, 0x81, 0x02,
    0x95, 0x01, 0x75, 0x03, 0x81, 0x01,                         /* 3 bits constant */
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x09, 0x38,             /* Generic Desktop: X, Y, Wheel */
    /* -127 to 127, 3 of 8 bits: relative */
    0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x03, 0x81, 0x06,
    0xc0, 0xc0,
};
/* buttons 1 to 5 | x, two bytes | y, two bytes | wheel */
static const uint8_t tablet_report[] = {
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01,
    0x09, 0x01, 0xa1, 0x00,
    0x05, 0x09, 0x19, 0x01, 0x29, 0x05, 0x15, 0x00, 0x25, 0x01,
    0x95, 0x05, 0x75, 0x01, 0x81, 0x02,
    0x95, 0x01, 0x75, 0x03, 0x81, 0x01,
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31,                         /* X, Y */
    0x15, 0x00, 0x26, 0xff, 0x7f, 0x35, 0x00, 0x46, 0xff, 0x7f, /* 0 to 32767, as a length too */
    0x75, 0x10, 0x95, 0x02, 0x81, 0x02,                         /* 2 of 16 bits: absolute */
    0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x35, 0x00, 0x45, 0x00, /* Wheel, -127 to 127 */
    0x75, 0x08, 0x95, 0x01, 0x81, 0x06,
    0xc0, 0xc0,
};

static const uint8_t mouse_hid[] = HID_DESCRIPTOR(mouse_report);
static const uint8_t tablet_hid[] = HID_DESCRIPTOR(tablet_report);
static const UsbEndpointDesc mouse_ep = { .address = 0x81, .type = USB_EP_INTERRUPT,
                                          .max_packet = 4, .interval = 10 };
static const UsbEndpointDesc tablet_ep = { .address = 0x81, .type = USB_EP_INTERRUPT,
                                           .max_packet = 8, .interval = 10 };
static const UsbInterfaceDesc mouse_if = { .class = 3, .subclass = 1, .protocol = 2,
                                           .extra = mouse_hid, .n_extra = sizeof(mouse_hid),
                                           .n_endpoints = 1, .endpoints = &mouse_ep };
static const UsbInterfaceDesc tablet_if = { .class = 3, .extra = tablet_hid,
                                            .n_extra = sizeof(tablet_hid), .n_endpoints = 1,
                                            .endpoints = &tablet_ep };
static const UsbConfigDesc mouse_config = { .attributes = 0x20, .max_power_2ma = 50,
                                            .n_interfaces = 1, .interfaces = &mouse_if };
static const UsbConfigDesc tablet_config = { .attributes = 0x20, .max_power_2ma = 50,
                                             .n_interfaces = 1, .interfaces = &tablet_if };
static const char *const mouse_strings[] = { "", "Ryokan", "Ryokan USB Mouse", "89126", NULL };
static const char *const tablet_strings[] = { "", "Ryokan", "Ryokan USB Tablet", "28754", NULL };
static const UsbDesc mouse_desc = { .usb = 0x0200, .vendor = 0x0627, .product = 0x0001,
                                    .max_packet0 = 8, .manufacturer = 1, .name = 2, .serial = 3,
                                    .strings = mouse_strings,
                                    .config = { [USB_FULL] = &mouse_config } };
static const UsbDesc tablet_desc = { .usb = 0x0200, .vendor = 0x0627, .product = 0x0001,
                                     .max_packet0 = 8, .manufacturer = 1, .name = 2, .serial = 3,
                                     .strings = tablet_strings,
                                     .config = { [USB_FULL] = &tablet_config } };

/*
 * The event that waits last, if it has the same buttons and has not begun; else a new one.  Full:
 * the last one takes it.
 */
static HidEvent *event_for(Hid *h, unsigned buttons, bool *is_new)
{
    HidEvent *last = h->count ? &h->queue[(h->first + h->count - 1) % HID_QUEUE] : NULL, *e = NULL;

    *is_new = false;
    if (last && last->code == (buttons & BUTTONS)) {
        return last;
    }
    e = hid_put(h);
    *is_new = e != NULL;
    e = e ? e : last;
    if (*is_new) {
        *e = (HidEvent){ 0 };
    }
    e->code = buttons & BUTTONS;
    return e;
}

static void moved(void *dev, int dx, int dy, int dz, unsigned buttons)
{
    Hid      *h = dev;
    bool      is_new;
    HidEvent *e = event_for(h, buttons, &is_new);

    e->x = (int32_t)CLAMP((int64_t)e->x + dx, -FAR, FAR);
    e->y = (int32_t)CLAMP((int64_t)e->y + dy, -FAR, FAR);
    e->z = (int32_t)CLAMP((int64_t)e->z - dz, -FAR, FAR);       /* the wheel counts up as away */
    hid_news(h);
}

static void placed(void *dev, unsigned x, unsigned y, int dz, unsigned buttons)
{
    Hid      *h = dev;
    bool      is_new;
    HidEvent *e = event_for(h, buttons, &is_new);

    e->x = (int32_t)MIN(x, (unsigned)POINTER_MAX);
    e->y = (int32_t)MIN(y, (unsigned)POINTER_MAX);
    e->z = (int32_t)CLAMP((int64_t)e->z - dz, -FAR, FAR);
    hid_news(h);
}

/* As much of the first event as a report can say; what is left of it stays. */
static bool mouse_advance(Hid *h)
{
    HidEvent *e = &h->queue[h->first], gone;

    h->x = h->y = h->z = 0;
    if (!h->count) {
        return false;
    }
    h->buttons = e->code & BUTTONS;
    h->x = CLAMP(e->x, -127, 127);
    h->y = CLAMP(e->y, -127, 127);
    h->z = CLAMP(e->z, -127, 127);
    e->x -= h->x;
    e->y -= h->y;
    e->z -= h->z;
    return (e->x || e->y || e->z) || hid_take(h, &gone);
}

static bool tablet_advance(Hid *h)
{
    HidEvent *e = &h->queue[h->first], gone;

    h->z = 0;
    if (!h->count) {
        return false;
    }
    h->buttons = e->code & BUTTONS;
    h->x = e->x;
    h->y = e->y;
    h->z = CLAMP(e->z, -127, 127);
    e->z -= h->z;
    return e->z || hid_take(h, &gone);
}

static unsigned mouse_make(Hid *h, uint8_t *out)
{
    out[0] = (uint8_t)h->buttons;
    out[1] = (uint8_t)h->x;
    out[2] = (uint8_t)h->y;
    out[3] = (uint8_t)h->z;
    return h->protocol == HID_BOOT ? 3 : 4;
}

static unsigned tablet_make(Hid *h, uint8_t *out)
{
    out[0] = (uint8_t)h->buttons;
    out[1] = (uint8_t)h->x;
    out[2] = (uint8_t)(h->x >> 8);
    out[3] = (uint8_t)h->y;
    out[4] = (uint8_t)(h->y >> 8);
    out[5] = (uint8_t)h->z;
    return 6;
}

static const InputOps mouse_input = { .pointer = moved };
static const InputOps tablet_input = { .absolute = placed };
static const HidKind mouse_kind = { .input = &mouse_input, .report_desc = mouse_report,
                                    .n_report_desc = sizeof(mouse_report),
                                    .report = mouse_make, .advance = mouse_advance };
static const HidKind tablet_kind = { .input = &tablet_input, .report_desc = tablet_report,
                                     .n_report_desc = sizeof(tablet_report),
                                     .report = tablet_make, .advance = tablet_advance };
static const UsbOps mouse_ops = { .desc = &mouse_desc, .control = hid_control, .data = hid_data,
                                  .reset = hid_reset,
                                  .configured = hid_configured };
static const UsbOps tablet_ops = { .desc = &tablet_desc, .control = hid_control, .data = hid_data,
                                   .reset = hid_reset,
                                   .configured = hid_configured };

static bool mouse_realize(void *dev, GError **err)
{
    hid_init(dev, &mouse_kind, &mouse_ops);
    return true;
}

static bool tablet_realize(void *dev, GError **err)
{
    hid_init(dev, &tablet_kind, &tablet_ops);
    return true;
}

const DeviceClass usbmouse_class = {
    .name = "usb-mouse",
    .desc = "USB wheel mouse with five buttons",
    .spec = "USB HID 1.11",
    .bus = "usb",
    .size = sizeof(Hid),
    .hotplug = true,
    .fields = hid_fields,
    .realize = mouse_realize,
    .unrealize = hid_unrealize,
    .reset = usb_device_reset,
    .restored = hid_restored,
};

const DeviceClass usbtablet_class = {
    .name = "usb-tablet",
    .desc = "USB pointer that is where the viewer's is",
    .spec = "USB HID 1.11",
    .bus = "usb",
    .size = sizeof(Hid),
    .hotplug = true,
    .fields = hid_fields,
    .realize = tablet_realize,
    .unrealize = hid_unrealize,
    .reset = usb_device_reset,
    .restored = hid_restored,
};
