/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.h -- physical address spaces.
 *
 * A Region is what a device offers; a Mapping is a piece of one, seen
 * somewhere; an AddressSpace is what one initiator sees: each vCPU has its own
 * (local APIC page, SMRAM in SMM), and so has each PCI function (bus
 * mastering, IOMMU, MSI window).  A device never learns its base address.
 *
 * Changes between map_begin() and map_commit() are published as one immutable
 * FlatView, so lookups take no lock.  A change counts when every vCPU has
 * dropped what it had cached; one that is halted, or waits for a lock or for
 * the others, has (else two vCPUs in a device deadlock).  An old
 * view is freed when its last reader, a DMA thread too, has left.  Moving one
 * window (bank switching does so thousands of times a second) costs
 * microseconds.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H
#include "core/field.h"

typedef uint64_t hwaddr;
typedef enum { MEM_OK, MEM_UNMAPPED, MEM_REFUSED } MemResult;
typedef struct Machine Machine;
typedef struct AddressSpace AddressSpace;

typedef struct Reg {                  /* one guest-visible register */
    uint16_t    at;                   /* byte offset in the bank */
    uint8_t     size;                 /* 1, 2, 4 or 8 */
    const char *name;
    uint32_t    field;                /* offsetof the backing member */
    uint64_t    reset;                /* power-on value */
    uint64_t    wr, w1c, rc;          /* bits: writable, write-1-to-clear, read-to-clear */
    uint64_t  (*on_read)(void *dev, uint64_t val);
    /* after the store; val: as the guest wrote it */
    void      (*on_write)(void *dev, uint64_t old, uint64_t val);
} Reg;
#define REG(S, at_, m, ...) { .at = at_, .size = sizeof(((S *)0)->m), \
    .name = #m, .field = offsetof(S, m), __VA_ARGS__ }

typedef struct MmioOps {              /* for the banks a Reg table cannot express */
    uint64_t (*read)(void *dev, hwaddr off, unsigned size);
    void     (*write)(void *dev, hwaddr off, uint64_t val, unsigned size);
    /*
     * Up to n reads of off, one behind the other, at once: how many were done, and 0 where they are
     * to be done singly; or NULL.
     */
    unsigned (*read_many)(void *dev, hwaddr off, void *to, unsigned size, unsigned n);
    /*
     * sizes implemented (0: 1 and 8); core splits and merges, and aligns: a device only ever sees
     * off as a multiple of size
     */
    uint8_t  min, max;
    bool     big_endian;
} MmioOps;

typedef struct PinOps {
    void *(*pin)(void *dev, uint64_t from, uint64_t *n, bool write);
    void  (*unpin)(void *dev, void *host, uint64_t n);
} PinOps;

/* a write that only rings: it may come late, and once for many; core/doorbell.c */
typedef struct Doorbell {
    uint64_t       at;                /* in its region */
    uint8_t        size;              /* of the write; 0: any */
    bool           by_value;        /* only a write of `val`; others go to the region's callbacks */
    uint64_t       val;
    void         (*ring)(void *dev, unsigned n);      /* with the machine lock */
    void          *dev;
    unsigned       n;
    struct Region *region;            /* from here on doorbell.c's */
    int            fd;
    GSource       *source;
} Doorbell;

typedef struct Region {
    const char    *name;
    uint64_t       size;
    uint8_t       *host;              /* RAM or ROM when set */
    bool           readonly;
    /*
     * an accelerator may collect writes to so many first bytes, and bring them late, in their order
     */
    uint64_t       late;
    const Reg     *regs;              /* else a register bank when set */
    const MmioOps *io;                /* else callbacks */
    /* else memory mapped piece by piece: Xen grants, foreign pages */
    const PinOps  *pin;
    bool (*translate)(void *dev, hwaddr at, bool write, AddressSpace **as, hwaddr *to, uint64_t *n);
    /* else an IOMMU; else a container of Mappings */
    void          *dev;               /* passed to the callbacks */
    GPtrArray     *bells;             /* Doorbell, or NULL */
    GPtrArray     *parts;             /* Mapping, of a container */
    /* those of them that region_map() made; freed with the container */
    GPtrArray     *owned;
    Machine       *machine;           /* that shows it somewhere; set by mem.c */
    /* one bit a page and reader, private to mem.c; kept while the region lives */
    unsigned long *dirty[2];
    uint32_t       dirty_on;          /* readers that log, one bit each; atomic */
} Region;

enum { SEEN_READ = 1, SEEN_WRITE = 2 };
/* BAR, PAM segment, VGA window, RAM above 4 GiB: aliases are just Mappings */
typedef struct Mapping {
    Region  *region;
    uint64_t from, size;              /* the piece of it */
    hwaddr   at;                      /* in its container */
    int      priority;                /* among its siblings */
    uint8_t  seen;                    /* reads and writes are resolved apart: PAM's four states */
    bool     on;
} Mapping;

typedef struct MemRange {             /* a line of a FlatView, as an accelerator sees it */
    hwaddr   at;
    uint64_t size, from;
    Region  *region;
    uint8_t  seen;
} MemRange;

void map_begin(Machine *m);           /* nests; Mappings change only in between */
void map_commit(Machine *m);
void region_add(Region *container, Mapping *part);
void region_remove(Region *container, Mapping *part);
/* whole of r, priority 0, on; owned by container */
Mapping *region_map(Region *container, Region *r, hwaddr at);
AddressSpace *as_new(Machine *m, const char *name, Region *root);
/* dev's own DMA: accesses to its own banks are refused */
void     as_set_owner(AddressSpace *as, void *dev);
void     as_free(AddressSpace *as);
Machine *as_machine(const AddressSpace *as);
/* the line of the FlatView, false: the hole from `at` on; no lock */
bool     as_lookup(AddressSpace *as, hwaddr at, bool write, MemRange *out);
/* MmioOps.read_many, if that is there */
unsigned io_read_many(AddressSpace *as, hwaddr at, void *to, unsigned size, unsigned n);
/* takes the machine lock if needed */
uint64_t io_read(AddressSpace *as, hwaddr at, unsigned size, MemResult *res);
MemResult io_write(AddressSpace *as, hwaddr at, uint64_t val, unsigned size);

/* aligned 1..8 bytes do not tear */
MemResult as_read(AddressSpace *as, hwaddr at, void *buf, size_t n);
MemResult as_write(AddressSpace *as, hwaddr at, const void *buf, size_t n);
/* for zero-copy; NULL: copy instead */
void     *as_pin(AddressSpace *as, hwaddr at, uint64_t *n, bool write);
/* dirty log, code */
void      as_unpin(AddressSpace *as, void *host, uint64_t n, uint64_t written);

/* b is the caller's, and lives until region_doorbells_free(); before r is mapped. */
void region_doorbell(Region *r, Doorbell *b);
void region_doorbells_free(Region *r);      /* before what they ring is freed */
/* that such a write rings */
Doorbell *region_doorbell_at(const Region *r, uint64_t at, uint64_t val, unsigned size);
/* for accelerators: an eventfd that rings it, the bell's own; -1: there is none */
int  doorbell_fd(Doorbell *b);
void doorbell_ring(Doorbell *b);
void doorbells_flush(Machine *m);     /* what was written to descriptors rings now */

enum { DIRTY_DISPLAY, DIRTY_MIGRATION };    /* readers, independent of each other */
void region_dirty_log(Region *ram, unsigned reader, bool on);
void region_dirty_take(Region *ram, unsigned reader, uint64_t from, uint64_t n,
                       unsigned long *bitmap);
/* fetch and clear: no store falls between two calls */

/* for accelerators; any thread, no lock */
void region_set_dirty(Region *ram, uint64_t from, uint64_t n);
void region_clear(Region *ram);       /* all zero again; costs nothing where it was never touched */
/*
 * the host may have these pages back: zeros, or as the file behind them has them; any thread;
 * false: it cannot
 */
bool region_discard(Region *ram, uint64_t from, uint64_t n);
void region_destroy(Region *r);       /* its memory and parts; it must be mapped nowhere */

void     regs_reset(const Reg *tab, void *dev);
uint64_t regs_read(const Reg *tab, void *dev, hwaddr off, unsigned size);
void     regs_write(const Reg *tab, void *dev, hwaddr off, uint64_t val, unsigned size);
#endif
