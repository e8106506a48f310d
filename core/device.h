/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h -- what a device is.
 *
 * Lifecycle: configure (fields) -> realize -> reset -> [run | save | restore]*
 * -> unrealize.  All hooks run with the machine lock held.  A machine reset
 * is two passes over all devices: registers, then reset(), which may drive
 * wires.  Saving stops vCPUs and drains disks first, so no request is in
 * flight.  Nothing a guest does may abort: guest_error() and carry on.
 */
#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H
#include "core/irq.h"
#include "core/mem.h"

typedef struct Bus Bus;
typedef struct DeviceClass DeviceClass;

typedef struct Device {
    const DeviceClass *class;
    char              *id;            /* "-device ...,id="; or NULL */
    /* unique, stable over runs: snapshot section, log prefix ("pci.0/01.1/ide") */
    char              *path;
    Machine           *machine;
    Bus               *bus;
    Region             bank;          /* built from class->regs or class->io */
    bool               realized;
    /* host time: the guest has been asked to let go, and not long ago; or 0 */
    int64_t            unplug_until_us;
} Device;

struct DeviceClass {
    const char    *name;              /* "-device NAME", snapshot section, trace prefix */
    const char    *alias;             /* another name that -global takes for it, or NULL */
    const char    *desc;              /* one line for "-device help" and the manual */
    const char    *spec;              /* the document implemented, with revision */
    const char    *bus;               /* "sys", "isa", "pci", "virtio", "usb", "i2c" */
    size_t         size;              /* of the instance; Device is its first member */
    /* may come and go while the machine runs, where its bus lets it */
    bool           hotplug;
    const Field   *fields;            /* configuration and hidden state */
    const Reg     *regs;              /* guest-visible state: reset, access, snapshot, docs */
    const MmioOps *io;
    uint64_t       bank_size;
    bool         (*realize)(void *dev, GError **err);
    void         (*unrealize)(void *dev);
    void         (*reset)(void *dev);                     /* after the Reg reset values */
    bool         (*restored)(void *dev, GError **err);    /* validate loaded state */
    /* optional: qom-get of what no field holds; NULL: no such */
    GVariant    *(*get)(void *dev, const char *property);
    /* optional: after a field with F_LIVE was set */
    void         (*changed)(void *dev);
    /* optional, before fields are saved: fetch what is kept elsewhere */
    void         (*refresh)(void *dev);
};

struct Bus {                          /* a place devices plug into */
    const char   *type, *name;
    Machine      *machine;
    /* the device or machine that provides it; handed to nobody else */
    void         *owner;
    Region       *mem, *io;           /* containers in which its devices decode */
    GPtrArray    *children;
    Device       *device;             /* that provides it, where it is one that may go; or NULL */
    bool          hotplug;            /* devices may come and go while the machine runs */
    /* optional: one has come meanwhile; the guest is told */
    void        (*plugged)(Bus *bus, Device *dev);
    /* optional: the guest is asked first, and acts later */
    bool        (*unplug)(Bus *bus, Device *dev, GError **err);
    /* optional: for one more; else bus_find() by type passes it over */
    bool        (*has_room)(const Bus *bus);
    /* optional: one line for people; freed by the caller */
    char       *(*describe)(const Bus *bus, const Device *dev);
    bool        (*attach)(Bus *bus, Device *dev, GError **err);
    void        (*detach)(Bus *bus, Device *dev);
    AddressSpace *(*dma)(Bus *bus, Device *dev);          /* what this device can reach */
    /* connect dev's output to line n */
    bool        (*irq)(Bus *bus, Device *dev, Irq *wire, unsigned n);
};

/*
 * device_new: allocate, defaults from class->fields.  device_set: one property from text, before
 * realize. device_realize: check fields, bank, class->realize, bus->attach.  A failure leaves
 * nothing behind.
 */
void *device_new(Machine *m, Bus *bus, const char *class_name, const char *id, GError **err);
bool  device_set(void *dev, const char *key, const char *val, GError **err);
bool  device_realize(void *dev, GError **err);
/* the first half of device_free(): gone from its bus, memory still there */
void  device_unrealize(void *dev);
void  device_free(void *dev);
/* device_add.c: -device and device_add; afterwards only where the bus lets devices come and go. */
struct OptDevice;
void *device_add(Machine *m, const struct OptDevice *o, GError **err);
bool  device_del(Machine *m, const char *id, GError **err);
/* and what is plugged into it; DEVICE_DELETED tells.  Where it has memory: all vCPUs parked */
void  device_remove(void *dev);
const DeviceClass *device_class_find(const char *name);
const DeviceClass *device_class_by_alias(const char *alias);
Device *device_find(Machine *m, const char *id);
/*
 * What a T_LINK property may name: .aux is the kind ("chardev", "drive", ...), find() turns an id
 * into the pointer.
 */
void  device_link_kind(Machine *m, const char *kind, void *(*find)(Machine *m, const char *id));
extern const DeviceClass *const device_classes[];       /* from hw/devices.def, NULL-terminated */
Bus  *bus_new(Machine *m, const char *type, const char *name, void *owner);
Bus  *bus_find(Machine *m, const char *type_or_name);
/* nothing is plugged in; only where its device goes before the machine does */
void  bus_free(Bus *bus);

/*
 * A further bank of a device that has several: set up in realize(), mapped by the machine or the
 * bus.
 */
void  region_init_io(Region *r, const char *name, const MmioOps *io, void *dev, uint64_t size);
/* host memory, zeroed, page aligned */
void  region_init_ram(Region *r, const char *name, uint64_t size);
/* for sizes the user chose */
bool  region_try_ram(Region *r, const char *name, uint64_t size, GError **err);
/* the same, readonly to the guest */
void  region_init_rom(Region *r, const char *name, uint64_t size);
void  region_init_container(Region *r, const char *name, uint64_t size);
void  guest_error(void *dev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
typedef enum { MACHINE_RESET = 1, MACHINE_POWEROFF } MachineRequest;
void  machine_request(void *dev, MachineRequest what);     /* the machine that dev is in */
#endif
