/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.h -- the Universal Serial Bus: devices with endpoints, ports to plug them into, and packets
 * between the two.
 *
 * A host controller owns a UsbBus with UsbPorts.  It gives a device a UsbPacket; the device fills
 * in its status at once, or says USB_ASYNC and calls usb_complete() later.  A device that has
 * answered USB_NAK calls usb_wakeup() when it has news, so that a controller need not ask again and
 * again.  Endpoint 0 belongs to the core: it answers the standard requests from const tables and
 * calls the device for the others.
 *
 * Spec: USB 2.0, chapters 5, 8 and 9.
 * Omits: data toggles (nothing is lost between host and device here), hubs, isochronous timing.
 * Threads: with the machine lock.
 */
#ifndef HW_USB_USB_H
#define HW_USB_USB_H
#include "core/device.h"

typedef enum { USB_LOW, USB_FULL, USB_HIGH, USB_SUPER, USB_SPEEDS } UsbSpeed;
enum { USB_PID_OUT = 0xe1, USB_PID_IN = 0x69, USB_PID_SETUP = 0x2d };   /* table 8-1 */
typedef enum { USB_OK, USB_NAK, USB_STALL, USB_BABBLE, USB_NOBODY, USB_ASYNC } UsbStatus;

enum { USB_DIR_IN = 0x80, USB_TYPE_MASK = 0x60, USB_TYPE_STANDARD = 0, USB_TYPE_CLASS = 0x20,
       USB_TYPE_VENDOR = 0x40,
       /* table 9-2 */
       USB_TO_MASK = 0x1f, USB_TO_DEVICE = 0, USB_TO_INTERFACE = 1, USB_TO_ENDPOINT = 2 };
enum { USB_GET_STATUS = 0, USB_CLEAR_FEATURE = 1, USB_SET_FEATURE = 3, USB_SET_ADDRESS = 5,
       USB_GET_DESCRIPTOR = 6,
       USB_SET_DESCRIPTOR = 7, USB_GET_CONFIGURATION = 8, USB_SET_CONFIGURATION = 9,
       USB_GET_INTERFACE = 10,
       /* table 9-4 */
       USB_SET_INTERFACE = 11 };
enum { USB_DT_DEVICE = 1, USB_DT_CONFIG = 2, USB_DT_STRING = 3, USB_DT_INTERFACE = 4,
       USB_DT_ENDPOINT = 5,
       /* table 9-5 */
       USB_DT_QUALIFIER = 6, USB_DT_OTHER_SPEED = 7 };
enum { USB_EP_CONTROL = 0, USB_EP_ISOCHRONOUS = 1, USB_EP_BULK = 2, USB_EP_INTERRUPT = 3 };
enum { USB_CONTROL_MAX = 4096, USB_INTERFACES_MAX = 16, USB_DESCRIPTOR_MAX = 1024 };

typedef struct UsbDevice UsbDevice;
typedef struct UsbPort UsbPort;

typedef struct UsbPacket {
    uint8_t    pid, ep;               /* ep: number without direction */
    uint8_t   *data;                  /* the controller's own copy, never guest memory */
    uint32_t   size, actual;          /* actual: bytes moved */
    UsbStatus  status;
    UsbDevice *dev;                   /* while USB_ASYNC */
    void     (*done)(struct UsbPacket *p);        /* of an asynchronous packet */
    void      *owner;                 /* whose done() it is */
} UsbPacket;

typedef struct UsbSetup {             /* table 9-2 */
    uint8_t  type, request;
    uint16_t value, index, length;
} UsbSetup;

/* ---- descriptors, as tables; usb_desc.c writes them out ---- */

typedef struct UsbEndpointDesc {      /* 9.6.6 */
    uint8_t  address, type;
    uint16_t max_packet;
    uint8_t  interval;
} UsbEndpointDesc;
typedef struct UsbInterfaceDesc {     /* 9.6.5 */
    uint8_t  number, alternate, class, subclass, protocol, string;
    const uint8_t *extra;             /* class descriptors, between interface and endpoints */
    uint8_t  n_extra, n_endpoints;
    const UsbEndpointDesc *endpoints;
} UsbInterfaceDesc;
typedef struct UsbConfigDesc {        /* 9.6.3; one configuration, number 1 */
    uint8_t  attributes, max_power_2ma, string, n_interfaces;   /* with alternate settings */
    const UsbInterfaceDesc *interfaces;
} UsbConfigDesc;
typedef struct UsbDesc {              /* 9.6.1 */
    uint16_t usb, vendor, product, release;
    uint8_t  class, subclass, protocol, max_packet0;
    uint8_t  manufacturer, name, serial;          /* indices in strings */
    const char *const *strings;       /* [0] unused; NULL-terminated */
    const UsbConfigDesc *config[USB_SPEEDS];      /* NULL: not at this speed */
} UsbDesc;
/* The descriptor that a request names, in at most USB_DESCRIPTOR_MAX bytes; -1: there is none. */
int usb_descriptor(const UsbDevice *d, uint8_t type, uint8_t index, uint8_t *out);

/* ---- devices ---- */

typedef struct UsbOps {
    const UsbDesc *desc;
    /*
     * A request that is not the core's: data holds length bytes from the host, or takes as many;
     * -1: stall.
     */
    int  (*control)(void *dev, const UsbSetup *s, uint8_t *data);
    void (*data)(void *dev, UsbPacket *p);        /* every endpoint but 0 */
    void (*cancel)(void *dev, UsbPacket *p);     /* an asynchronous packet will not be waited for */
    void (*reset)(void *dev);                     /* signalled by the port, or the machine's */
    void (*configured)(void *dev);                /* d->config has changed */
} UsbOps;

struct UsbDevice {
    Device   dev;
    char    *port_name;               /* "port=" */
    const UsbOps *ops;                /* set by realize(), before usb_device_init() */
    UsbSpeed speed;
    UsbPort *port;
    uint8_t  address, config;
    bool     remote_wakeup;
    uint16_t halted[2];               /* endpoints, OUT and IN */
    uint8_t  alternate[USB_INTERFACES_MAX];
    uint8_t  stage;                   /* of the control transfer: usb.c */
    uint8_t  setup[8];
    uint32_t at, length;              /* bytes of its data stage so far, and in all */
    uint8_t  buffer[USB_CONTROL_MAX];
};

#define USB_FIELDS(S)                                                                            \
    { .name = "port", .type = T_STR, .flags = F_CONFIG, .offset = offsetof(S, usb.port_name),    \
      .count = 1, .help = "Port of the bus, counted from 1; default is the first free one." },   \
    { .name = "address", .type = T_U8, .flags = F_STATE, .offset = offsetof(S, usb.address),     \
      .count = 1, .max = 127 },                                                                  \
    { .name = "config", .type = T_U8, .flags = F_STATE, .offset = offsetof(S, usb.config),       \
      .count = 1, .max = 1 },                                                                    \
    { .name = "remote_wakeup", .type = T_BOOL, .flags = F_STATE,                                 \
      .offset = offsetof(S, usb.remote_wakeup), .count = 1 },                                    \
    { .name = "halted", .type = T_U16, .flags = F_STATE, .offset = offsetof(S, usb.halted),      \
      .count = 2 },                                                                              \
    { .name = "alternate", .type = T_U8, .flags = F_STATE, .offset = offsetof(S, usb.alternate), \
      .count = USB_INTERFACES_MAX },                                                             \
    { .name = "stage", .type = T_U8, .flags = F_STATE, .offset = offsetof(S, usb.stage),         \
      .count = 1, .max = 3 },                                                                    \
    { .name = "setup", .type = T_U8, .flags = F_STATE, .offset = offsetof(S, usb.setup),         \
      .count = 8 },                                                                              \
    { .name = "at", .type = T_U32, .flags = F_STATE, .offset = offsetof(S, usb.at), .count = 1,  \
      .max = USB_CONTROL_MAX },                                                                  \
    { .name = "length", .type = T_U32, .flags = F_STATE, .offset = offsetof(S, usb.length),      \
      .count = 1, .max = USB_CONTROL_MAX },                                                      \
    { .name = "buffer", .type = T_U8, .flags = F_STATE, .offset = offsetof(S, usb.buffer),       \
      .count = USB_CONTROL_MAX }

void usb_device_init(UsbDevice *d, const UsbOps *ops, UsbSpeed speed);      /* in realize() */
void usb_device_reset(void *dev);     /* a class's .reset, or called by it; also what a port does */
bool usb_device_restored(void *dev, GError **err);
/* an endpoint that had nothing has something; resumes the bus if it may */
void usb_wakeup(UsbDevice *d, uint8_t ep);
/* an asynchronous packet is done: status and actual are set */
void usb_complete(UsbPacket *p);

/* ---- ports; for host controllers ---- */

typedef struct UsbPortOps {
    void (*attach)(UsbPort *port);    /* a device is there / is about to go */
    void (*detach)(UsbPort *port);
    void (*wakeup)(UsbPort *port, uint8_t ep);      /* usb_wakeup(); ep 0..15 */
    void (*resume)(UsbPort *port);  /* the device signals resume: it may, the host has allowed it */
} UsbPortOps;

struct UsbPort {
    const UsbPortOps *ops;
    void      *hc;
    unsigned   index;                 /* in the controller */
    char       name[8];               /* "1", "2", ... */
    uint32_t   speeds;                /* 1 << UsbSpeed of what may be plugged in */
    UsbDevice *dev;
    const char *bus_name;
};

typedef struct UsbBus {
    Bus      *base;
    UsbPort **ports;
    unsigned  n_ports;
} UsbBus;

/*
 * In a controller's realize().  ports: n of them, filled in but for names; the array is the
 * controller's.
 */
void usb_bus_init(UsbBus *b, Device *controller, UsbPort **ports, unsigned n);
void usb_bus_free(UsbBus *b);         /* in its unrealize() */
void usb_packet(UsbDevice *d, UsbPacket *p);      /* to this device; p->status says how it went */
void usb_cancel(UsbPacket *p);        /* one that is USB_ASYNC */
extern const char *const usb_speed_names[USB_SPEEDS];
#endif
