/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hid.h -- what USB keyboards, mice and tablets have in common: the class's requests, idle rate,
 * and when input is theirs.
 *
 * A device gets the console's input from the first time that the guest asks its interrupt endpoint
 * until it is reset or deconfigured; before and after, whoever had the input has it (the PS/2
 * port).
 *
 * Spec: USB Device Class Definition for Human Interface Devices 1.11.
 * Omits: physical descriptors, report ids, feature reports.
 * Threads: with the machine lock.
 */
#ifndef HW_USB_HID_H
#define HW_USB_HID_H
#include "core/clock.h"
#include "core/display.h"
#include "hw/usb/usb.h"

enum { HID_BOOT = 0, HID_REPORT = 1 };                          /* 7.2.5 */
enum { HID_REPORT_MAX = 8, HID_QUEUE = 16, HID_USAGES = 256 };

typedef struct Hid Hid;
typedef struct HidKind {
    const InputOps *input;
    const uint8_t  *report_desc;
    uint16_t        n_report_desc;
    uint8_t         idle;                         /* after a reset, in 4 ms; 0: only what is new */
    /* the state now, without consuming anything: bytes */
    unsigned (*report)(Hid *h, uint8_t *out);
    /* take the next event into the state; false: there is none */
    bool     (*advance)(Hid *h);
    bool     (*output)(Hid *h, const uint8_t *data, unsigned n);        /* SET_REPORT; NULL: none */
} HidKind;

/* a key: code, bit 8: up.  A pointer: movement or place, wheel, buttons from then on */
typedef struct HidEvent {
    uint32_t code;
    int32_t  x, y, z;
} HidEvent;

struct Hid {
    UsbDevice usb;
    const HidKind *kind;
    uint8_t  protocol, idle, leds;
    bool     active;                  /* the console's input comes here */
    bool     due;                     /* the idle period is over: report even if nothing is new */
    Timer    idle_timer;
    HidEvent queue[HID_QUEUE];
    uint8_t  first, count;
    uint8_t  down[HID_USAGES / 8];    /* keys, by usage */
    uint32_t buttons;
    int32_t  x, y, z;                 /* of the report that is sent next */
};

extern const Field hid_fields[];
extern const Field hid_event_fields[];
/* HID_ENDPOINT is endpoint 1 IN; desc's interface 0 is the HID one. */
void hid_init(Hid *h, const HidKind *kind, const UsbOps *ops);
HidEvent *hid_put(Hid *h);            /* room for one event more, or NULL; then hid_news() */
bool hid_take(Hid *h, HidEvent *out);
void hid_news(Hid *h);
/* For UsbOps and DeviceClass. */
int  hid_control(void *dev, const UsbSetup *s, uint8_t *data);
void hid_data(void *dev, UsbPacket *p);
void hid_reset(void *dev);            /* UsbOps.reset */
void hid_configured(void *dev);
bool hid_restored(void *dev, GError **err);
void hid_unrealize(void *dev);

/* 6.2.1 */
#define HID_DESCRIPTOR(report) { 9, 0x21, 0x11, 0x01, 0, 1, 0x22, sizeof(report) & 0xff, sizeof(report) >> 8 }
#endif
