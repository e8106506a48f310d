/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rig.h -- a machine without CPUs, for scripted device tests: guest time stands still unless a test
 * moves it, and what an APIC tells a CPU is recorded.
 *
 * The linker's --wrap replaces time_now, the timers and the x86_* pins by the rig's (tests/dev.mk).
 */
#ifndef TESTS_DEV_RIG_H
#define TESTS_DEV_RIG_H
#include "core/chardev.h"
#include "core/clock.h"
#include "core/machine.h"
#include "core/state.h"
#include "core/vcpu.h"
#include "cpu/x86/apicif.h"
#include "hw/char/char.h"
#include "hw/input/input.h"
#include "hw/intc/intc.h"
#include "hw/misc/isa.h"
#include "hw/pci/pcihost.h"
#include "hw/timer/timer.h"
#include <check.h>
#undef fail                           /* its old name for ck_abort_msg; ours is in core/field.h */

enum { RIG_CPUS = 4 };

typedef struct RigCpu {
    Vcpu           v;
    Region         view;
    const ApicOps *ops;
    void          *apic;
    bool           intr;
    unsigned       nmi, smi, init, sipi;
    uint8_t        sipi_vector;
} RigCpu;

typedef struct Rig {
    Machine *m;
    RigCpu   cpu[RIG_CPUS];
    void    *pic, *apicbus, *ioapic, *gsi, *pit, *spk, *rtc, *hpet, *kbc;
    Bus     *isa;
    PciHost *host;
    Region   pci_memory;
    Mapping  pci_map;
} Rig;

extern Rig rig;                       /* of the test that runs; Check gives each its own process */

void rig_up(void);                    /* an empty machine; every fixture begins with it */
void rig_down(void);
void rig_pc(unsigned cpus);           /* and all interrupt controllers and timers of a PC */
void rig_ram(uint64_t bytes);         /* from address 0 */
void rig_pci(void);                   /* a PCI host; its memory lies behind everything else */
/*
 * A device in that slot, rig.host->bus's; properties: name, value, ..., NULL.  The machine is
 * reset.
 */
void *rig_pci_add(const char *driver, unsigned slot, ...) G_GNUC_NULL_TERMINATED;
void rig_reset(void);
void rig_run_ns(uint64_t ns);         /* guest time passes, timers fire in order */
void rig_run_to(uint64_t ns);
uint64_t rig_time(void);
bool rig_a20(void);
unsigned rig_requests(void);          /* resets and power-offs asked for since the last call */

uint8_t  inb(uint16_t port);
void     outb(uint16_t port, uint8_t val);
uint32_t mem_read(hwaddr at);         /* as CPU 0 sees it */
void     mem_write(hwaddr at, uint32_t val);
uint32_t apic_read(unsigned cpu, unsigned off);
void     apic_write(unsigned cpu, unsigned off, uint32_t val);
int      apic_ack(unsigned cpu);

typedef struct Wire { bool level; unsigned rises; } Wire;
void     wire_sink(void *wire, unsigned n, bool level);

/* A test case of its own for each test: its name is what the runner prints. */
#define RIG_TEST_IN(suite, name, up, down, fn)                                                     \
    do {                                                                                           \
        TCase *t_ = tcase_create(name "/" #fn);                                                    \
        tcase_add_checked_fixture(t_, up, down);                                                   \
        tcase_add_test(t_, fn);                                                                    \
        suite_add_tcase(suite, t_);                                                                \
    } while (0)
#define RIG_TEST(suite, fn) RIG_TEST_IN(suite##_suite, #suite, up, rig_down, fn)

/* Save, load, save: the bytes of both saves must agree. */
void     rig_round_trip(void);

/* One line a suite: suite_NAME() in NAME.c. */
#define SUITE(name) Suite *suite_##name(void);
#include "tests/dev/scripted/suites.def"
#undef SUITE
#endif
