/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio.h -- what every virtio device has: virtqueues, feature negotiation, status, and its
 * registers on PCI.
 *
 * A device's struct holds a PciDevice first (or something that starts with one) and a Virtio
 * somewhere; its Field table has VIRTIO_FIELDS. realize() calls pci_init() with virtio_regs, then
 * virtio_init(); reset() calls virtio_reset(), restored() virtio_restored(), unrealize()
 * virtio_free() before pci_unrealize().
 *
 * A descriptor chain is copied and checked once, by virtio_pop(); what the guest writes into its
 * tables later changes nothing. Its data are read and written through the function's own
 * AddressSpace. A ring that makes no sense stops the device until the driver resets it
 * (DEVICE_NEEDS_RESET, 2.1.2).
 *
 * Spec: VIRTIO 1.2, chapters 2 (basic facilities), 4.1 (over PCI), 6 (reserved feature bits).
 * Omits: see virtio.c and virtio_pci.c.
 * Threads: with the machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H
#include "core/clock.h"
#include "hw/pci/msi.h"

enum { VIRTIO_QUEUES = 16, VIRTIO_QUEUE_MAX = 1024, VIRTIO_SEGS = 1024, VIRTIO_CONFIG_MAX = 1024 };
enum { VIRTIO_ACKNOWLEDGE = 1, VIRTIO_DRIVER = 2, VIRTIO_DRIVER_OK = 4, VIRTIO_FEATURES_OK = 8,
       VIRTIO_NEEDS_RESET = 0x40,
       VIRTIO_FAILED = 0x80 };        /* 2.1 */
enum { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4,
       VIRTIO_ID_BALLOON = 5,
       /* 5 */
       VIRTIO_ID_SCSI = 8, VIRTIO_ID_9P = 9, VIRTIO_ID_GPU = 16, VIRTIO_ID_INPUT = 18 };
#define VIRTIO_F_INDIRECT  (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)
enum { VIRTIO_PCI_VENDOR = 0x1af4, VIRTIO_PCI_DEVICE = 0x1040, VIRTIO_PCI_SUBSYSTEM = 0x1100 };
enum { VIRTIO_NO_VECTOR = 0xffff, VIRTIO_BAR_BYTES = 0x4000 };

typedef struct VirtSeg {              /* a piece of guest memory */
    hwaddr   at;
    uint32_t bytes;
} VirtSeg;

typedef struct VirtChain {            /* a descriptor chain, copied */
    uint16_t head;
    /* seg[0..n_out) the device reads, seg[n_out..n_out + n_in) it writes */
    unsigned n_out, n_in;
    uint64_t out_bytes, in_bytes;
    VirtSeg  seg[];
} VirtChain;

typedef struct VirtQueue {
    uint16_t max;                     /* by the device; 0: there is no such queue */
    uint16_t size, vector;
    bool     enabled;
    uint64_t desc, avail, used;       /* 2.7: descriptor table, driver area, device area */
    uint16_t next_avail, next_used;
    uint16_t told_used;               /* next_used when the driver was last told */
    bool     told;                    /* it was, ever */
} VirtQueue;

typedef struct VirtioOps {
    uint16_t id;                      /* 5: device type */
    uint16_t config_bytes;
    uint64_t features;                /* the type's own; the core adds the rings' */
    size_t   part;                   /* hooks get this offset in the device; 0: the device itself */
    /* fill in the type's configuration space */
    void   (*config)(void *dev, uint8_t *bytes);
    void   (*config_write)(void *dev, unsigned at, uint8_t val);        /* optional */
    uint64_t (*features_of)(void *dev);                       /* optional: instead of .features */
    /* the driver has put something there */
    void   (*queue)(void *dev, unsigned n);
    void   (*status)(void *dev, bool running);                /* optional: DRIVER_OK came or went */
    /* optional: the driver's reset; rings are off by then */
    void   (*reset)(void *dev);
} VirtioOps;

typedef struct Virtio {
    PciDevice       *pci;
    const VirtioOps *ops;
    unsigned         n_queues;
    Region           bar;
    PciMsix          msix;
    Doorbell         bell[VIRTIO_QUEUES];
    bool             ioeventfd;       /* notifications may ring by a descriptor */

    uint32_t  device_select, driver_select;       /* which half of the feature bits */
    uint64_t  driver_features;
    uint8_t   status, generation, isr;
    uint16_t  config_vector, queue_select;
    VirtQueue queue[VIRTIO_QUEUES];
    /* for the queues of again: a bounded piece of work at a time */
    Timer     later;
    uint32_t  again;
    /* the last value that went through the configuration window */
    uint32_t  cfg_read;
} Virtio;

static inline void *virtio_part(const Virtio *v)
{
    return (char *)v->pci + v->ops->part;
}

extern const Field virtio_fields[];
#define VIRTIO_FIELDS(S, m)                                                                       \
    { .name = "ioeventfd", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(S, m.ioeventfd), \
      .count = 1, .def = 1,                                                                       \
      .help = "A hardware accelerator may take the driver's notifications without leaving the "   \
              "guest." },                                                                         \
    { .name = "virtio", .type = T_STRUCT, .flags = F_STATE, .offset = offsetof(S, m), .count = 1, \
      .stride = sizeof(Virtio), .aux = virtio_fields },                                           \
    PCI_MSIX_FIELDS(S, m.msix)

/* virtio_pci.c */
/* for pci_init(): the configuration access window, the first capability */
extern const Reg virtio_regs[];
/* sizes: of each queue, ends with 0. The registers are in BAR bar and the next (64 bits), the MSI-X
   table in msix_bar. */
void virtio_init(Virtio *v, PciDevice *pci, const VirtioOps *ops, const uint16_t *sizes,
                 unsigned bar, unsigned msix_bar);
void virtio_free(Virtio *v);
void virtio_irq(Virtio *v, uint16_t vector, uint8_t isr);       /* the core's */

/* virtio.c */
void virtio_later(void *v);           /* the timer's */
void virtio_reset(Virtio *v);         /* the machine's; calls ops->reset */
bool virtio_restored(Virtio *v, GError **err);
bool virtio_running(const Virtio *v);
bool virtio_has(const Virtio *v, uint64_t feature);             /* negotiated */
uint64_t virtio_offered(const Virtio *v);
void virtio_set_status(Virtio *v, uint8_t val);
bool virtio_queue_enable(Virtio *v, VirtQueue *q);
void virtio_kick(Virtio *v, unsigned n);
void virtio_config_changed(Virtio *v);
/* the guest broke a rule: stop until reset */
void virtio_error(Virtio *v, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* ops->queue stopped early: call it soon */
void virtio_again(Virtio *v, unsigned n);

/* the next chain, or NULL: none, or the ring is broken */
VirtChain *virtio_pop(Virtio *v, unsigned n);
/* not now: the last one popped goes back */
void virtio_unpop(Virtio *v, unsigned n, VirtChain *c);
void virtio_push(Virtio *v, unsigned n, VirtChain *c, uint32_t written);  /* used; frees it */
/* after pushes: interrupt if the driver wants one */
void virtio_notify(Virtio *v, unsigned n);
/* Bytes copied: less at the end, or where there is no memory. */
size_t virtio_read(Virtio *v, const VirtChain *c, uint64_t from, void *buf, size_t n);
size_t virtio_write(Virtio *v, const VirtChain *c, uint64_t from, const void *buf, size_t n);
#endif
