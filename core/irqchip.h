/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irqchip.h -- interrupt controllers that the accelerator has, and the machine's devices only stand
 * for.
 *
 * An accelerator that models local APICs itself, alone or with the 8259 pair and the IO-APIC, sets
 * Machine.irqchip in init(). hw/intc then passes wires and messages on instead of acting on them,
 * and keeps its Field tables as what snapshots hold: what is behind them is fetched before they are
 * read (DeviceClass.refresh) and stored after they were written (reset, restored).
 * Local APICs go with their CPU: ApicOps.put_page and get_page, cpu/x86/apicif.h.
 * It may have the 8254 and port 61h too (pit_make): hw/timer then keeps its tables in the same way.
 *
 * Threads: with the machine lock, `wire` and `message` from any; fetch and store while all vCPUs
 *   are parked.
 */
#ifndef CORE_IRQCHIP_H
#define CORE_IRQCHIP_H
#include "core/irq.h"
#include "core/machine.h"

/* of the IO-APIC; global system interrupts are its pins, but 0 is pin 2 */
enum { IRQCHIP_PINS = 24 };

typedef struct PicState {             /* one 8259A; bits as in its registers */
    uint8_t lines, irr, imr, isr, elcr, elcr_writable;
    uint8_t vector, top;              /* ICW2; the request with the highest priority */
    uint8_t step;                     /* 0: initialised; 1 to 3: waits for ICW2 to ICW4 */
    bool    icw4_comes, auto_eoi, nested_special, special_mask, rotate_aeoi, read_isr, poll;
} PicState;

typedef struct IoapicState {
    uint32_t select, id;              /* id in bits 27:24 */
    uint64_t rte[IRQCHIP_PINS];
} IoapicState;

typedef struct PitChannel {           /* one counter of the 8254 */
    uint32_t count;                   /* 1 to 65536 */
    uint64_t loaded_ns;               /* guest time at which it began; of channel 0 not kept */
    uint16_t latched_count;
    uint8_t  mode, rw, bcd;           /* control word */
    uint8_t  latched_bytes, latched_status, write_lsb;
    bool     gate, read_msb, write_msb, status_latched;
} PitChannel;

typedef struct PitState {
    PitChannel channel[3];
    bool speaker;                     /* bit 1 of port 61h */
    bool cut;                         /* the HPET has IRQ 0 */
    bool makes_up;                    /* for ticks that were late */
} PitState;

typedef struct IrqChip {
    bool   full;                      /* 8259 pair and IO-APIC too; else local APICs only */
    void (*message)(Machine *m, const Msi *msi);
    void (*nmi_pin)(Vcpu *v);         /* an edge on LINT1 */
    /* full */
    void (*wire)(Machine *m, unsigned gsi, bool level);
    void (*pic_fetch)(Machine *m, PicState s[2]);
    void (*pic_store)(Machine *m, const PicState s[2]);
    void (*ioapic_fetch)(Machine *m, IoapicState *s);
    uint32_t (*pins)(Machine *m);     /* levels of the IO-APIC's inputs */
    void (*ioapic_store)(Machine *m, const IoapicState *s);
    bool (*pit_make)(Machine *m);     /* NULL: it has none.  false: it cannot.  Once is enough */
    void (*pit_fetch)(Machine *m, PitState *s);
    void (*pit_store)(Machine *m, const PitState *s);
    /*
     * not full: what pin n of the IO-APIC will send, NULL for nothing, so that the local APICs know
     * whose EOI it wants
     */
    void (*route)(Machine *m, unsigned pin, const Msi *msi);
    void (*eoi)(void *dev, uint8_t vector);     /* set by hw/intc: an EOI of a level interrupt */
    void  *eoi_dev;
} IrqChip;
#endif
