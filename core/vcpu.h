/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu.h -- one virtual CPU as the rest of the program sees it: a thread, a kick, a halt.
 *
 * What the CPU is (registers, MMU) is cpu/<arch>, whose struct has Vcpu as its first member; who
 * runs it is accel/.
 *
 * Threads: `attention` and `halted` are atomics that any thread may touch through these functions;
 * the rest belongs to the vCPU's own thread.
 */
#ifndef CORE_VCPU_H
#define CORE_VCPU_H
#include "core/machine.h"

typedef enum { DEBUG_NONE, DEBUG_BREAK, DEBUG_WATCH, DEBUG_STEP } DebugWhy;
enum { DEBUG_READ = 1, DEBUG_WRITE = 2 };

typedef struct VcpuDebug {            /* core/debug.h */
    bool     held;                    /* stays where it is while the machine runs */
    /* stop after one instruction, without interrupts; cleared then */
    bool     single;
    /* the next instruction alone, noting what it touches of what is watched */
    bool     exact;
    bool     stepped;                 /* one has been run so, or was begun */
    /* the breakpoint at passed_at has stopped it: on over it next time */
    bool     passed;
    DebugWhy why;                     /* it stopped the machine */
    unsigned ways;                    /* DEBUG_WATCH: of the watchpoint, DEBUG_READ | DEBUG_WRITE */
    uint64_t at;                      /* and its address */
    uint64_t passed_at;
} VcpuDebug;

struct Vcpu {
    Machine      *machine;
    unsigned      index;              /* 0.. n_cpus-1 */
    unsigned      apic_id;            /* its place in the topology of -smp: machine_cpu_id() */
    GThread      *thread;
    int           tid;                /* of the host, for programs that pin it */
    /* guest physical memory as this CPU sees it (its APIC page, SMRAM): one of */
    AddressSpace *as;
    /* these; [1] is for a management mode that sees more, NULL where there is none */
    AddressSpace *spaces[2];
    const struct CpuOps *cpu_ops;     /* architecture */
    /* while halted, look for work so often at first, though nobody wakes it; 0: sleep */
    uint64_t      nap_ns;
    /* while halted, look out for a kick so long before it sleeps; core/vcpu.c */
    uint64_t      poll_ns;
    bool          may_poll;
    uint32_t      halted;             /* asleep until something wakes it (futex word) */
    bool          stop;               /* thread should end */
    /* runs no guest instruction; core/machine.c, with its `exclusive` mutex */
    bool          outside;
    /* in the loop of core/vcpu.c: state is complete and may be saved */
    bool          parked;
    VcpuDebug     debug;
    const void   *hazard;             /* FlatView this thread searches; core/mem.c, atomic */
    /*
     * not 0: leave translated code at the next exit check (the fused compare); last, as translated
     * code has short ways to what is near it
     */
    uint32_t      attention;
};

typedef struct CpuDefinition {        /* one CPU model */
    const char *name, *alias;         /* alias: usual name of this version, or NULL */
    /* NAME-v<version>; 1: also NAME alone; 0: NAME, which differs from host to host */
    unsigned    version;
    /* features that it has and that cannot be had, with blanks between */
    char        missing[600];
} CpuDefinition;

enum { PAGE_WRITE = 1, PAGE_USER = 2, PAGE_ACCESSED = 4, PAGE_DIRTY = 8, PAGE_GLOBAL = 16,
       PAGE_NX = 32 };
typedef struct GuestPage {
    uint64_t linear, phys, bytes;
    unsigned flags;
} GuestPage;
/* for people who look inside: nothing changes; the vCPU is parked */
typedef struct CpuInspect {
    bool     (*reg)(Vcpu *v, const char *name, uint64_t *val);
    bool     (*translate)(Vcpu *v, uint64_t linear, uint64_t *phys);
    /* in order; false: no paging */
    bool     (*pages)(Vcpu *v, bool (*fn)(void *arg, const GuestPage *p), void *arg);
    /* bytes; or NULL */
    unsigned (*disassemble)(Vcpu *v, uint64_t pc, const uint8_t *code, size_t n, GString *out);
} CpuInspect;

typedef struct CpuOps {               /* what core needs from an architecture */
    const char *name;
    size_t      size;                 /* of the struct that starts with Vcpu */
    bool      (*init)(Vcpu *v, GError **err);
    void      (*fini)(Vcpu *v);       /* optional */
    void      (*reset)(Vcpu *v);
    /* an interrupt or the like that ends a halt; any thread with the machine lock */
    bool      (*has_work)(Vcpu *v);
    const Field *fields;              /* the whole architectural state, for snapshots */
    bool      (*restored)(Vcpu *v, GError **err);
    /* its model, as far as a guest can tell; optional */
    void      (*identity)(Vcpu *v, GString *out);
    void      (*dump)(Vcpu *v, GString *out);   /* "info registers" */
    void      (*help)(void);                    /* "-cpu help" to standard output; optional */
    /* model i; false past the last; optional */
    bool      (*definition)(unsigned i, CpuDefinition *d);
    /*
     * What model `name` is with props (OptPair) more, as a{sv} of -cpu's properties: what tells it
     * from "base", or with full all that can be said.  NULL: there is no such thing.  Optional.
     */
    GVariant *(*expand)(Machine *m, const char *name, const GPtrArray *props, bool full,
                        GError **err);
    const CpuInspect *inspect;                  /* optional */
    /*
     * For core/gdbstub.c, with the vCPU parked; all or none.  Registers are numbered as in
     * target.xml.
     */
    /* a file of the target description, or NULL */
    char     *(*gdb_xml)(Vcpu *v, const char *annex);
    /* bytes, at most 64; 0: no such register */
    unsigned  (*gdb_read)(Vcpu *v, unsigned reg, uint8_t *to);
    /* bytes it has; 0: it takes no such value */
    unsigned  (*gdb_write)(Vcpu *v, unsigned reg, const uint8_t *from, size_t n);
    /* RAM, whatever its rights */
    bool      (*gdb_memory)(Vcpu *v, uint64_t linear, uint8_t *buf, size_t n, bool write);
    /* m->options->cpu_model and cpu_props exist; optional */
    bool      (*check)(Machine *m, GError **err);
} CpuOps;

/*
 * The protocol of attention.  Whoever has something for a vCPU (a pending interrupt, a flush)
 * stores it first, then calls vcpu_kick().  The vCPU clears attention first and looks at everything
 * a kick can mean then.  core clears it before each AccelOps.run(), so run() begins by looking.  At
 * an exit check that finds attention set, run() either returns EXIT_KICKED, or clears attention,
 * tests Machine.want_out (not 0: return EXIT_KICKED), handles the rest and goes on.
 * A CPU that is halted, or waits for a start-up message, makes run() return EXIT_HALT; core sleeps
 * until has_work().
 */
void vcpu_kick(Vcpu *v);              /* sets attention, wakes a halted vCPU; any thread */
Vcpu *vcpu_new(Machine *m, const CpuOps *ops, GError **err);
bool vcpu_start(Vcpu *v, GError **err);       /* its thread; the machine may be paused */
void vcpu_end(Vcpu *v);               /* ends and joins the thread; without the machine lock */
void vcpu_free(Vcpu *v);
extern __thread Vcpu *vcpu_current;   /* of this thread, or NULL */
#endif
