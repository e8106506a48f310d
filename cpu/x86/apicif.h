/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apicif.h -- the wires between an x86 CPU and its local APIC, and the few CPU pins that a chipset
 * drives.
 *
 * Spec: Intel SDM vol. 3A chapter 11 (APIC), sections 9.3-9.4 (INIT, SIPI); 82371SB (PIIX3) for
 *   A20M#.
 * Threads: two directions, two rules.
 *   CPU -> APIC (ApicOps): from that vCPU's own thread, with or without the machine lock.  Every
 *     APIC has a small lock of its own; it takes the machine lock itself where a call leaves it
 *     (EOI of a level interrupt, 8259 acknowledge, moving the APIC page).  So EOI, TPR, ICR and
 *   timer writes need no machine lock: call the ops without it.
 *   APIC -> CPU (x86_*): from any thread, with an APIC's lock and perhaps the machine lock held.
 *     They only set atomic flags and vcpu_kick(); they must not take locks or call ApicOps.
 */
#ifndef CPU_X86_APICIF_H
#define CPU_X86_APICIF_H
#include <stdbool.h>
#include <stdint.h>
#include "core/vcpu.h"

enum {
    MSR_APIC_BASE = 0x1b,             /* IA32_APIC_BASE: BSP 8, EXTD 10, EN 11, page 12.. */
    MSR_TSC_DEADLINE = 0x6e0,         /* IA32_TSC_DEADLINE */
    MSR_X2APIC_FIRST = 0x800, MSR_X2APIC_LAST = 0x8ff,
    APIC_BASE_BSP = 1u << 8, APIC_BASE_EXTD = 1u << 10, APIC_BASE_EN = 1u << 11,
};

/*
 * The registers of a local APIC as its page shows them, for an accelerator that models it instead
 * (core/irqchip.h).
 */
typedef struct ApicPage {
    uint64_t base;                    /* IA32_APIC_BASE */
    uint64_t deadline_tsc;
    uint32_t reg[64];                 /* one every 16 bytes: table 11-1 */
} ApicPage;

/* What a CPU calls on its APIC.  `apic` is what x86_attach_apic() was given. */
typedef struct ApicOps {
    /*
     * Interrupt acknowledge: the CPU takes an external interrupt now (INTR seen, IF set, no
     * shadow).  The vector, or -1 if there is none any more (go on without).  The INTR line is
     * recomputed before it returns.
     */
    int      (*ack)(void *apic);
    /* would ack() deliver one?  (INTR says so already; for checks) */
    bool     (*pending)(void *apic);
    uint8_t  (*get_tpr)(void *apic);                    /* the whole TPR; CR8 is bits 7:4 */
    void     (*set_tpr)(void *apic, uint8_t tpr);       /* MOV CR8 gives cr8 << 4 */
    /* IA32_APIC_BASE; EN also gates CPUID.1:EDX.APIC */
    uint64_t (*get_base)(void *apic);
    /*
     * Write IA32_APIC_BASE.  The CPU has refused reserved bits (MAXPHYADDR, EXTD without
     * CPUID.x2APIC) before; false: an illegal change of mode, #GP(0).
     */
    bool     (*set_base)(void *apic, uint64_t val);
    /* 0x800-0x8ff, 0x6e0; false: #GP(0) */
    bool     (*msr_read)(void *apic, uint32_t msr, uint64_t *val);
    bool     (*msr_write)(void *apic, uint32_t msr, uint64_t val);
    /*
     * The APIC page, for a CPU that decodes it before its AddressSpace (a physical access inside
     * get_base() & ~0xfff with EN set and EXTD clear).  The same registers are mapped in the vCPU's
     * AddressSpace; this way spares the flat view and the machine lock.  off is 0..0xfff, aligned
     * 32-bit accesses.
     */
    uint32_t (*page_read)(void *apic, uint32_t off);
    void     (*page_write)(void *apic, uint32_t off, uint32_t val);
    /* the guest wrote TSC or TSC_ADJUST: re-arm TSC-deadline */
    void     (*tsc_changed)(void *apic);
    /* all of its state, and back; the vCPU is parked */
    void     (*get_page)(void *apic, ApicPage *page);
    void     (*put_page)(void *apic, const ApicPage *page);
} ApicOps;

extern const CpuOps x86_cpu_ops;        /* what vcpu_new() takes */

/* What the APIC and the chipset call on a CPU: implemented in cpu/x86/. */
void     x86_attach_apic(Vcpu *v, const ApicOps *ops, void *apic);  /* once, before the first run */
/* a maskable interrupt above the PPR (or ExtINT) waits */
void     x86_set_intr(Vcpu *v, bool level);
void     x86_nmi(Vcpu *v);                      /* edge */
void     x86_smi(Vcpu *v);                      /* edge */
/* INIT: the CPU resets itself and, unless it is the BSP, waits for a SIPI */
void     x86_init_signal(Vcpu *v);
/* start at vector << 12 if waiting; else ignored by the CPU */
void     x86_sipi(Vcpu *v, uint8_t vector);
uint64_t x86_tsc_now(Vcpu *v);                  /* what RDTSC gives on v; any thread */
uint64_t x86_tsc_hz(Machine *m);
/* A20M# of all CPUs: off forces address bit 20 to 0; machine lock held */
void     x86_set_a20(Machine *m, bool on);
bool     x86_get_a20(Machine *m);
/* FERR#, called with the machine lock */
void     x86_connect_ferr(Vcpu *v, void (*sink)(void *dev, unsigned n, bool level), void *dev);
/* IGNNE#: x87 errors are passed over while CR0.NE = 0 */
void     x86_set_ignne(Vcpu *v, bool level);
#endif
