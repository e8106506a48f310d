/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h -- a conventional PCI bus and what every function on it shares: configuration space, BARs,
 * INTx, bus mastering.
 *
 * A function's struct starts with PciDevice.  Its Field table starts with PCI_FIELDS(S), its class
 * has .bus = "pci", .reset = pci_reset and .restored = pci_restored (or hooks that call them).
 * realize() calls pci_init(), then adds BARs, capabilities and a ROM; the bus then gives it a slot
 * and maps what the guest enables.
 *
 * Spec: PCI Local Bus 3.0, chapters 2.2.6, 3.2.2, 6.
 * Omits: bridges, VPD, parity and master/target aborts in the status register.  Messages are in
 *   msi.h.
 * Threads: with the machine lock.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H
#include "core/device.h"

enum {                                /* type 0 header, table 6-1 */
    PCI_VENDOR_ID = 0x00, PCI_DEVICE_ID = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS_PROG = 0x09, PCI_CACHE_LINE = 0x0c, PCI_LATENCY = 0x0d, PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c, PCI_SUBSYSTEM = 0x2e, PCI_ROM_BAR = 0x30, PCI_CAP_POINTER = 0x34,
    PCI_INTERRUPT_LINE = 0x3c, PCI_INTERRUPT_PIN = 0x3d,
};
enum { PCI_CMD_IO = 1, PCI_CMD_MEM = 2, PCI_CMD_MASTER = 4, PCI_CMD_INTX_OFF = 0x400 };
enum { PCI_STATUS_INTX = 8, PCI_STATUS_CAPS = 0x10 };

typedef enum { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM, PCI_BAR_MEM64, PCI_BAR_ROM } PciBarKind;
enum { PCI_N_BARS = 7, PCI_BAR_IS_ROM = 6 };

typedef struct PciIdent {
    uint16_t vendor, device;
    uint32_t class_code;              /* base class, sub-class, interface: 24 bits, appendix D */
    uint8_t  revision;
    uint8_t  pin;                     /* 1: INTA#; 0: no interrupt */
    uint16_t subsystem_vendor, subsystem;
} PciIdent;

typedef struct PciBar {
    PciBarKind kind;
    bool       prefetchable;
    Region    *region;                /* its size is the BAR's: a power of two */
    Mapping    map;
} PciBar;

/* One register of a function's own part of configuration space, 1, 2 or 4 bytes at .at. */
#define PCI_REG(at_, size_, name_, ...) { .at = at_, .size = size_, .name = name_, \
    .field = offsetof(PciDevice, config) + (at_), __VA_ARGS__ }

typedef struct PciDevice PciDevice;
typedef struct PciBus {               /* embedded in the bridge that provides it */
    Bus       *base;
    PciDevice *at[256];               /* by devfn */
    struct PciHotplug *hotplug;       /* hw/acpi/pcihp.h, or NULL */
    /* the four wires behind the slots' swizzle: connect .out to a router */
    IrqGate    pirq[4];
} PciBus;

struct PciDevice {
    Device     dev;
    char      *addr;                  /* "SLOT[.FN]" in hex; NULL: the first free slot */
    bool       multifunction, rombar;
    char      *romfile;
    uint8_t    devfn;                 /* slot << 3 | function */
    PciBus    *bus;
    PciIdent   ident;
    const Reg *regs;                  /* the function's own registers */
    uint8_t    config[256];
    uint8_t    config_reset[256], config_wr[256], config_w1c[256];   /* derived from the tables */
    PciBar     bar[PCI_N_BARS];
    /* I/O or memory decoders outside the BARs: their enable bits are writable */
    bool       barless_decode;
    Region     rom;
    Region     master_root;           /* what the function reaches while bus mastering is enabled */
    Mapping    master_map;
    AddressSpace *dma;
    Irq        intx;                  /* level as the bus sees it */
    bool       irq_level;             /* level as the function drives it */
    uint8_t    cap_last;              /* end of the capability list; 0: none yet */
    uint16_t   cap_free;              /* next free byte in configuration space */
    uint8_t    msi_at;                /* MSI capability; 0: none */
    struct PciMsix *msix;             /* or NULL; msi.h */
    void     (*mapped)(void *dev);    /* optional: command or a BAR changed */
};

#define PCI_FIELDS(S)                                                                          \
    { .name = "addr", .type = T_STR, .flags = F_CONFIG, .offset = offsetof(S, pci.addr),       \
      .count = 1,                                                                              \
      .help = "Slot and function on the bus, in hex: SLOT[.FN]; default is the first free "    \
              "slot." },                                                                       \
    { .name = "multifunction", .type = T_BOOL, .flags = F_CONFIG,                              \
      .offset = offsetof(S, pci.multifunction), .count = 1,                                    \
      .help = "Function 0 of a device with more functions." },                                 \
    { .name = "romfile", .type = T_STR, .flags = F_CONFIG, .offset = offsetof(S, pci.romfile), \
      .count = 1, .help = "Option ROM image; an empty name means none." },                     \
    { .name = "rombar", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(S, pci.rombar),  \
      .count = 1, .def = 1, .help = "Offer the option ROM to the guest in a BAR." },           \
    { .name = "config", .type = T_U8, .flags = F_STATE, .offset = offsetof(S, pci.config),     \
      .count = 256 },                                                                          \
    { .name = "irq_level", .type = T_BOOL, .flags = F_STATE,                                   \
      .offset = offsetof(S, pci.irq_level), .count = 1 },                                      \
    { .name = "intx", .type = T_IRQ, .flags = F_STATE, .offset = offsetof(S, pci.intx),        \
      .count = 1 }

/* Saved by the bridge that has the bus as member m. */
#define PCI_BUS_FIELDS(S, m)                                                             \
    { .name = "pirq", .type = T_STRUCT, .flags = F_STATE, .offset = offsetof(S, m.pirq), \
    .count = 4, .stride = sizeof(IrqGate), .aux = irq_gate_fields }

/*
 * In realize(): first pci_init (regs may be NULL), then BARs and capabilities.  A 64-bit BAR takes
 * n and n + 1.
 */
void pci_init(PciDevice *d, const PciIdent *ident, const Reg *regs);
void pci_bar(PciDevice *d, unsigned n, PciBarKind kind, bool prefetchable, Region *region);
/* BAR 6 from romfile= or the default; NULL: none */
bool pci_rom(PciDevice *d, const char *default_file, GError **err);
/* offset of len bytes whose header is filled in */
uint8_t pci_capability(PciDevice *d, uint8_t id, uint8_t len);
/* of a capability's body */
void pci_writable(PciDevice *d, unsigned at, unsigned size, uint32_t mask);
/* a reset value, read-only unless made writable */
void pci_fixed(PciDevice *d, unsigned at, unsigned size, uint32_t val);

void pci_irq(PciDevice *d, bool level);         /* drive the INTx pin */
/* RST#: configuration space to reset values, pin low, nothing mapped */
void pci_reset(void *dev);
bool pci_restored(void *dev, GError **err);
void pci_unrealize(void *dev);                  /* every class's, or called by it */
void pci_unmap(Region *container, Mapping *parts, unsigned n);
uint32_t pci_get(const PciDevice *d, unsigned at, unsigned size);
/* from the device's side: no masks, no hooks */
void pci_put(PciDevice *d, unsigned at, unsigned size, uint32_t val);

/* The bus: used by host bridges and the machine. */
void pci_bus_init(PciBus *b, Machine *m, const char *name, Region *mem, Region *io);
GVariant *pci_query(Machine *m);       /* all buses, for the monitor; query.c */
/* all ones where nobody answers */
uint32_t pci_config_read(PciBus *b, unsigned devfn, unsigned at, unsigned size);
void pci_config_write(PciBus *b, unsigned devfn, unsigned at, uint32_t val, unsigned size);
#endif
