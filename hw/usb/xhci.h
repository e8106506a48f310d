/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xhci.h -- what the parts of the xHCI controller share: xhci.c (registers, ports), xhci_event.c
 * (event rings, interrupts), xhci_cmd.c (commands, slots), xhci_xfer.c (transfers).
 *
 * Spec: eXtensible Host Controller Interface for Universal Serial Bus 1.2 (May 2019).
 * Omits: streams, virtual functions, debug capability, hubs behind root ports (route strings),
 *   interrupt moderation, isochronous timing (such a TD is run when it is found), scratchpad
 *   buffers (none are asked for), save and restore of state.
 * Threads: with the machine lock.
 */
#ifndef HW_USB_XHCI_H
#define HW_USB_XHCI_H
#include "core/clock.h"
#include "hw/pci/msi.h"
#include "hw/usb/usb.h"

/* PORTS: of each kind */
enum { XHCI_SLOTS = 64, XHCI_INTRS = 16, XHCI_PORTS = 15, XHCI_DCIS = 32 };

enum {                                /* TRB types, table 6-91 */
    TRB_NORMAL = 1, TRB_SETUP = 2, TRB_DATA = 3, TRB_STATUS = 4, TRB_ISOCH = 5, TRB_LINK = 6,
    TRB_EVENT_DATA = 7, TRB_NOOP = 8,
    CMD_ENABLE_SLOT = 9, CMD_DISABLE_SLOT = 10, CMD_ADDRESS_DEVICE = 11, CMD_CONFIGURE_EP = 12,
    CMD_EVALUATE = 13,
    CMD_RESET_EP = 14, CMD_STOP_EP = 15, CMD_SET_DEQUEUE = 16, CMD_RESET_DEVICE = 17,
    CMD_NOOP = 23, CMD_NEC_FIRMWARE = 49,
    EV_TRANSFER = 32, EV_COMMAND = 33, EV_PORT = 34, EV_HOST = 37,
};
enum {                                /* completion codes, table 6-90 */
    CC_SUCCESS = 1, CC_BABBLE = 3, CC_TRANSACTION = 4, CC_TRB = 5, CC_STALL = 6, CC_NO_SLOTS = 9,
    CC_SLOT_DISABLED = 11,
    CC_EP_DISABLED = 12, CC_SHORT = 13, CC_PARAMETER = 17, CC_CONTEXT_STATE = 19,
    CC_EVENT_RING_FULL = 21,
    CC_COMMAND_RING_STOPPED = 24, CC_STOPPED = 26,
};
enum { TRB_CYCLE = 1, TRB_TOGGLE = 2, TRB_ISP = 4, TRB_CHAIN = 0x10, TRB_IOC = 0x20,
       TRB_IDT = 0x40, TRB_BEI = 0x200,
       TRB_DIR_IN = 0x10000, TRB_TYPE_AT = 10, TRB_BYTES = 16 };
/* 6.2.3 */
enum { EP_DISABLED = 0, EP_RUNNING = 1, EP_HALTED = 2, EP_STOPPED = 3, EP_ERROR = 4 };
enum { EPT_CONTROL = 4, EPT_IN = 4 };           /* of EP type: 4 control, 5 to 7 IN, 1 to 3 OUT */
enum { SLOT_DEFAULT = 1, SLOT_ADDRESSED = 2, SLOT_CONFIGURED = 3 };     /* 6.2.2 */

typedef struct Trb {
    uint64_t param;
    uint32_t status, control;
} Trb;

typedef struct XhciIntr {             /* 5.5.2, and where the producer stands */
    uint32_t iman, imod, erstsz;
    uint64_t erstba, erdp;
    uint32_t segment, index;
    /* pending: something to interrupt for, once the handler is not busy */
    bool     cycle, pending;
} XhciIntr;

typedef struct XhciXfer XhciXfer;
typedef struct XhciSlot {
    bool     enabled;
    uint8_t  port;                    /* root hub port from 1; 0: none yet */
    uint8_t  state;
    uint64_t context;                 /* the device context in memory */
    uint64_t dequeue[XHCI_DCIS];      /* pointer | cycle state */
    uint8_t  ep_state[XHCI_DCIS], ep_type[XHCI_DCIS];
    uint32_t again;                   /* endpoints that had more to do than one turn takes */
    XhciXfer *xfer[XHCI_DCIS];        /* that its device has kept */
} XhciSlot;

typedef struct Xhci {
    PciDevice pci;
    uint32_t  p2, p3, n_slots, n_intrs;
    bool      has_msi, has_msix;
    Region    bar, bank;
    PciMsix   msix;
    uint32_t  usbcmd, usbsts, dnctrl, slots_on;    /* slots_on: CONFIG */
    uint64_t  crcr, dcbaap;           /* crcr: pointer | cycle state, of the command ring */
    bool      command_running;
    XhciIntr  intr[XHCI_INTRS];
    uint32_t  portsc[2 * XHCI_PORTS];
    XhciSlot  slot[XHCI_SLOTS + 1];   /* from 1 */
    Timer     timer;                  /* goes on with what was left */
    UsbBus    bus;
    UsbPort   port[XHCI_PORTS], *port_list[XHCI_PORTS];
} Xhci;

enum { XHCI_CMD_RS = 1, XHCI_CMD_RESET = 2, XHCI_CMD_INTE = 4, XHCI_CMD_SAVE = 0x100,
       XHCI_CMD_RESTORE = 0x200 };
enum { XHCI_STS_HALTED = 1, XHCI_STS_HSE = 4, XHCI_STS_EINT = 8, XHCI_STS_PCD = 0x10,
       XHCI_STS_SRE = 0x400, XHCI_STS_HCE = 0x1000 };
enum { IMAN_IP = 1, IMAN_IE = 2, ERDP_BUSY = 8, ERDP_FLAGS = 15 };

/* xhci_event.c */
void xhci_event(Xhci *s, unsigned intr, Trb ev, bool quiet);  /* quiet: no interrupt for it (BEI) */
void xhci_update_irq(Xhci *s);
void xhci_erdp_written(Xhci *s, XhciIntr *in, uint64_t val);
void xhci_intr_restart(XhciIntr *in);           /* ERSTBA has been written */
void xhci_dead(Xhci *s, uint32_t why);          /* stops with this bit of USBSTS */
/* xhci_cmd.c */
void xhci_commands(Xhci *s);
void xhci_slot_disable(Xhci *s, unsigned slot);
UsbDevice *xhci_device(Xhci *s, unsigned slot);
/* xhci_xfer.c */
void xhci_ep_run(Xhci *s, unsigned slot, unsigned dci);
/* drop what is under way; to this state */
void xhci_ep_stop(Xhci *s, unsigned slot, unsigned dci, unsigned state);
/* state and dequeue pointer to memory */
void xhci_ep_write_context(Xhci *s, unsigned slot, unsigned dci);
bool xhci_ep_has_work(Xhci *s, unsigned slot, unsigned dci, uint64_t *at, Trb *trb);
/* the next TRB that is no link; false: none */
bool xhci_ring_next(Xhci *s, uint64_t *pos, Trb *out, uint64_t *at);
void xhci_later(Xhci *s);
#endif
