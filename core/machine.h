/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h -- the thing that everything hangs from.  No global mutable state: two machines fit in
 * one process.
 *
 * Threads: one machine lock.  Device hooks, timers, block and net completions run with it held, in
 * the main context.
 * A vCPU thread runs guest code without it and takes it around MMIO, port I/O and interrupt
 * acknowledge.
 */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H
#include "core/device.h"
#include "core/clock.h"

typedef struct Vcpu Vcpu;
typedef struct Debug Debug;
struct MachineClass;
struct MediumChange;
struct CopyArgs;
struct Job;
struct OptNetdev;
struct OptBlockdev;
typedef struct AccelOps AccelOps;

typedef enum { RUN_PAUSED, RUN_RUNNING, RUN_SHUTDOWN, RUN_FATAL, RUN_INMIGRATE,
               RUN_POSTMIGRATE } RunState;

/*
 * What commands ask of layers that stand on core; each is set by the one that has it, or NULL.
 * Values are a{sv} or av.
 */
typedef struct MachineHooks {
    GVariant *(*query_block)(Machine *m);
    GVariant *(*query_blockstats)(Machine *m), *(*query_nodestats)(Machine *m);
    bool     (*medium)(Machine *m, const struct MediumChange *c, GError **err);
    bool     (*blockdev_add)(Machine *m, const struct OptBlockdev *o, GError **err);
    bool     (*blockdev_del)(Machine *m, const char *node_name, GError **err);
    GVariant *(*query_nodes)(Machine *m);
    /* names: of nodes or drives, all of those that are written to and no others; "vmstate" too */
    bool (*snapshot_disks)(Machine *m, const char *vmstate, const GPtrArray *names, GError **err);
    struct Job *(*copy_prepare)(Machine *m, const struct CopyArgs *a, GError **err);
    void     (*copy_start)(struct Job *j);
    bool (*resize)(Machine *m, const char *device, const char *node, uint64_t bytes, GError **err);
    bool     (*set_link)(Machine *m, const char *name, bool up, GError **err);
    char    *(*net_info)(Machine *m);
    bool     (*netdev_add)(Machine *m, const struct OptNetdev *o, GError **err);
    bool     (*netdev_del)(Machine *m, const char *id, GError **err);
    GVariant *(*query_pci)(Machine *m);
    void     (*nmi)(Machine *m);
    GVariant *(*query_audiodevs)(Machine *m);
} MachineHooks;
/* the device that takes memory from the guest, if there is one */
typedef struct Ballooning {
    void      *dev;
    void     (*ask)(void *dev, uint64_t bytes);        /* the guest is to keep so much */
    uint64_t (*has)(void *dev);
} Ballooning;
typedef enum { MEDIUM_OPEN = 1, MEDIUM_REMOVE = 2, MEDIUM_INSERT = 4, MEDIUM_CLOSE = 8 } MediumDo;
typedef struct MediumChange {         /* in this order */
    const char *device;               /* of the drive: its id, or that of the device that has it */
    unsigned    what;                 /* MediumDo */
    bool        force;                /* though the guest has locked the tray */
    const char *file, *format;        /* MEDIUM_INSERT; format NULL: look at the contents */
    const char *node;                 /* MEDIUM_INSERT of a named node instead */
    uint32_t    read_only;            /* retain, read-only, read-write */
} MediumChange;

struct Machine {
    GRecMutex      lock;              /* the machine lock */
    GMainContext  *context;           /* main loop: timers, completions, chardevs, monitor */
    RunState       state;
    const char    *name, *uuid;       /* -name, -uuid */
    uint64_t       ram_bytes;         /* -m */
    unsigned       n_cpus;            /* -smp */
    Region         memory;          /* container: guest physical memory as devices and RAM map it */
    Region         io;                /* container: 64 KiB of I/O ports */
    Region         ram;               /* all of RAM, one region; mapped in pieces */
    AddressSpace  *as_memory, *as_io; /* what a system bus master sees */
    GPtrArray     *devices;           /* Device, in order of creation: reset, save and load order */
    GPtrArray     *buses;
    GPtrArray     *vcpus;             /* Vcpu */
    const AccelOps *accel;
    struct IrqChip *irqchip;        /* interrupt controllers that it has, or NULL: core/irqchip.h */
    void          *accel_data;        /* owned by the accelerator */
    struct Clock  *clock;             /* private to clock.c */
    struct MemState *mem;             /* private to mem.c */
    struct Options *options;          /* parsed command line: core/options.c */
    /* not 0: run() has to return (stop, request, exclusive section); atomic */
    uint32_t       want_out;
    int            exit_status;
    bool           no_reboot, no_shutdown;
    uint32_t       on_panic, on_watchdog;       /* core/actions.h */
    /* why RUN_PAUSED, as query-status says it: "prelaunch", ...; NULL: "paused" */
    const char    *paused_as;
    const char    *pause_cause;       /* the same of a pause that was asked for */
    /* machine_start() has been: what comes now is plugged into a machine with power */
    bool           started;
    /* private to machine.c: requests, exclusive sections, lock owner */
    struct MachineSync *sync;
    struct Console *console;          /* core/display.h */
    struct ChrState *chardevs;        /* private to chardev.c */
    void          *block;             /* private to block/node.c */
    GPtrArray     *drives;            /* Drive: block/drive.h */
    struct FdState *fds;              /* private to fds.c */
    GPtrArray     *nodes;             /* NamedNode: block/nodes.c */
    unsigned       n_nodes;           /* names made up so far */
    GPtrArray     *objects;           /* Object: core/object.h */
    GPtrArray     *nets;              /* NetEnd: net/net.h */
    GPtrArray     *audiodevs;         /* AudioDev: core/audio.h */
    unsigned       n_nics;            /* cards so far: their default addresses count up */
    /* waits until no disk request is in flight; set by block/, or NULL */
    void         (*drain)(Machine *m);
    /* what a snapshot holds of disks: set by block/, or NULL; core/snapfile.h */
    const struct DiskOps *disks;
    struct Snapshots *snapshots;      /* private to snapshot.c */
    GPtrArray     *jobs;              /* Job: core/job.h */
    const struct MachineClass *class;
    /* of class->size bytes: options of the machine type, and what it owns */
    void          *machine_data;
    /* system_powerdown: set by the device that has the button */
    void         (*power_button)(void *dev);
    void          *power_button_dev;
    /* what machine_eject_request() asks for, and each reset; or NULL */
    void         (*eject)(void *dev, bool is_reset);
    void          *eject_dev;
    GPtrArray     *event_sinks;       /* Qmp */
    /* who on the host asked, as the events say; NULL: the guest */
    const char    *shutdown_cause, *reset_cause;
    Debug         *debug;             /* core/debug.h; NULL: there never was a debugger */
    struct GdbStub *gdb;              /* private to gdbstub.c */
    unsigned       dump_state;        /* of dump-guest-memory: monitor_memory.c */
    uint64_t       dump_bytes;
    struct KeyQueue *keys;            /* private to sendkey.c */
    int64_t        errors_since_us;   /* guest_error()'s rate limit */
    unsigned       n_errors;
    GHashTable    *link_kinds;        /* device_link_kind() */
    MachineHooks   hooks;
    Ballooning     balloon;
};

/*
 * Create an empty machine: lock, context, clock, address spaces, "sys" bus.  machine_free ends its
 * vCPUs first.
 */
Machine *machine_new(void);
void machine_free(Machine *m);
/* bits for thread, core and package, as -smp says */
unsigned machine_cpu_id(const Machine *m, unsigned index);
bool machine_build(Machine *m, GError **err);    /* from m->options: memory, accelerator, devices */
/* reset everything, start the vCPU threads; then machine_cont */
bool machine_start(Machine *m, GError **err);
int  machine_run(Machine *m);       /* the main loop, until an exit is asked for; the exit status */
void machine_reset(Machine *m);       /* now: vCPUs parked, lock held */
/* lines about a guest's errors that the log takes; a guest can make any number */
#define ERRORS_PER_SECOND 20
unsigned machine_error_count(Machine *m);
/* a vCPU must not enter the guest now: stopped, or a request waits */
bool machine_paused(Machine *m);

void machine_lock(Machine *m);        /* recursive */
void machine_unlock(Machine *m);
bool machine_locked(const Machine *m);      /* by this thread; for assertions */

/* Machine types: hw/machine/<name>.c, listed in hw/machines.def. */
typedef struct MachineClass {
    const char *name, *desc;
    const char *alias;                /* "pc" for "pc-i440fx" ... or NULL */
    unsigned    max_cpus;
    uint64_t    min_ram, max_ram, default_ram;
    /* the architecture, for "-cpu help" and to check -cpu; may be NULL */
    const struct CpuOps *cpu;
    /* "-machine pc,key=val": of a struct of `size` bytes, m->machine_data */
    const Field *fields;
    size_t      size;
    /* create and wire all devices and vCPUs; inside a map_begin */
    bool      (*build)(Machine *m, GError **err);
    /* devices and address spaces are gone: the rest, also after a failed build */
    void      (*unbuild)(Machine *m);
} MachineClass;
extern const MachineClass *const machine_classes[];     /* NULL-terminated */

/* machine_request(dev, what) in device.h; these act on the machine directly. */
void machine_reset_request(Machine *m, const char *why);
/* power off; ends the process unless -no-shutdown */
void machine_shutdown_request(Machine *m, const char *why);
/* press the power button: the guest shuts down if it wants to; false: there is none */
bool machine_powerdown(Machine *m);
/* from any thread; why: as query-status says it */
void machine_pause_request(Machine *m, const char *why);
/* devices go, with all vCPUs parked: nobody has a hand in them */
void machine_eject_request(Machine *m);
void machine_exit_request(Machine *m, int status);      /* isa-debug-exit: leave with this status */
void machine_stop(Machine *m);        /* vCPUs parked, guest clock stopped; idempotent */
void machine_cont(Machine *m);
/* a reset, power-off, exit or stop waits for the main loop */
bool machine_requested(const Machine *m);
/* to programs that listen; data: a{sv} or NULL; qmp.c */
void machine_event(Machine *m, const char *name, GVariant *data);

/*
 * A thread that runs guest code enters and leaves; a vCPU is "outside" in between.  For
 * core/vcpu.c.
 */
/* OptPair; before vcpu_new */
bool machine_set_accel(Machine *m, const AccelOps *a, const GPtrArray *props, GError **err);
void machine_park(Vcpu *v);
void machine_wake(Machine *m);        /* parked vCPUs look again */
void machine_enter_guest(Vcpu *v);    /* waits for an exclusive section to end */
void machine_leave_guest(Vcpu *v);

/*
 * Stop every vCPU but the caller's at an exit check, run fn, let them go on.  Caller: vCPU or main
 * thread, with or without the machine lock; fn may take the lock only if the caller holds it.  A
 * vCPU that is halted, waits for the machine lock or for another exclusive section counts as
 * stopped.
 */
void machine_exclusive(Machine *m, void (*fn)(void *arg), void *arg);
void machine_exclusive_begin(Machine *m);      /* the same in two halves; nests */
void machine_exclusive_end(Machine *m);
bool machine_exclusive_held(const Machine *m); /* by this thread */
#endif
