/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_int.h -- private to options*.c: the options' arguments, and what is noted until the end
 * of the line.
 */
#ifndef CORE_OPTIONS_INT_H
#define CORE_OPTIONS_INT_H
#include "core/actions.h"
#include "core/daemon.h"
#include "core/object.h"
#include "core/options.h"

typedef struct OptAccel {
    char      *name;
    GPtrArray *rest;
} OptAccel;

typedef struct OptRaw {
    char      *machine_type;
    GPtrArray *accels;                /* OptAccel */
    GPtrArray *serial, *parallel, *monitor, *qmp;       /* char *, specs */
    char      *debugcon;
    char      *log_items, *log_file;
    char      *cpu, *mem_path;
    bool       mem_prealloc;
    uint64_t   ram_bytes;             /* 0: the machine type's default */
    uint32_t   cpus, sockets, cores, threads, max_cpus;     /* 0: not given */
    OptNic    *net_nic;               /* -net nic, joined to */
    char      *net_netdev;            /* -net user and the like */
    bool       nic_set, vga_set, display_set, viewer_set, msg_name, exit_now;
} OptRaw;

typedef struct NetdevArgs {
    char      *type;
    GPtrArray *rest;
} NetdevArgs;
extern const Field netdev_args[];

/* ---- arguments of the options, each an Entry's struct with its table ---- */

#define REST(S, m) { .name = #m, .type = T_LIST, .flags = F_CONFIG | F_REST, .offset = offsetof(S, m), .count = 1 }
#define TEXT(S, m, ...) { .name = #m, .type = T_STR, \
    .flags = F_CONFIG | F_WHOLE | F_REQUIRED, .offset = offsetof(S, m), \
    .count = 1, __VA_ARGS__ }

typedef struct NoArgs {
    char unused;
} NoArgs;
typedef struct TextArgs {
    char *value;
} TextArgs;
typedef struct MachineArgs {
    char      *type, *accel, *memory_backend;
    bool       dump_guest_core;
    GPtrArray *rest;
} MachineArgs;
typedef struct AccelArgs {
    char      *accel;
    GPtrArray *rest;
} AccelArgs;
typedef struct NumaArgs {
    char      *type;
    GPtrArray *rest;
} NumaArgs;
typedef struct OvercommitArgs {
    bool mem_lock, cpu_pm;
} OvercommitArgs;
typedef struct MemArgs {
    uint64_t size;
} MemArgs;
typedef struct SmpArgs {
    uint32_t cpus, sockets, dies, cores, threads, maxcpus;
} SmpArgs;
typedef struct NameArgs {
    char    *guest, *process;
    uint32_t threads;
} NameArgs;
typedef struct BootArgs {
    char    *order, *once;
    bool     menu, strict;
    uint32_t splash_time;
    int32_t  reboot_timeout;
} BootArgs;
typedef struct FwCfgArgs {
    char *name, *file, *string;
} FwCfgArgs;
typedef struct MonArgs {
    char *chardev, *mode, *id;
    bool  pretty;
} MonArgs;
typedef struct DisplayArgs {
    char    *type, *charset;
    bool     full_screen, window_close, show_cursor, gl;
    uint32_t grab_mod;
    OptVnc   vnc;                     /* -display vnc=... */
} DisplayArgs;
typedef struct MsgArgs {
    bool timestamp, guest_name;
} MsgArgs;
typedef struct AddFdArgs {
    int64_t fd, set;
    char   *opaque;
} AddFdArgs;
typedef struct TraceOpt {
    char *enable, *events, *file;
} TraceOpt;
typedef struct RtcArgs {
    char    *base;
    uint32_t clock, driftfix;
} RtcArgs;
extern const Field trace_opt[], text_args[], machine_args[], accel_args[], mem_args[], smp_args[],
    name_args[], msg_args[], sandbox_args[], option_add_fd_args[], numa_args[], overcommit_args[],
    boot_args[], fw_cfg_args[], drive_args[], mon_args[], display_args[], vnc_args[], rtc_args[];
#define OPT(name, S, tab, fn, help) bool fn(Machine *m, void *args, GVariantBuilder *reply, GError **err);
#include "core/options.def"
#undef OPT

/* ---- shared by options*.c ---- */

typedef GVariantBuilder Reply;

static inline char *option_text(void *args)     /* of a TextArgs */
{
    return ((TextArgs *)args)->value;
}

static inline void option_take(char **to, char **from)
{
    g_free(*to);
    *to = g_steal_pointer(from);
}

bool options_settle_memory(Machine *m, GError **err);
bool options_settle_nets(Machine *m, GError **err);
bool options_settle_chardevs(Machine *m, GError **err);
void options_free_nets(struct Options *o);
void options_free_pairs(GPtrArray *list);

/* err names the option */
bool options_run(Machine *m, const char *option, const char *value, GError **err);
bool options_read_file(Machine *m, const char *path, GError **err);
bool options_settle(Machine *m, GError **err);
void options_print_help(void);
bool options_device_help(const OptDevice *d, GError **err);
bool file_readable(const char *option, const char *path, bool write, GError **err);
#endif
