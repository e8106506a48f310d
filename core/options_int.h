/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options_int.h -- private to options*.c: what is noted while the line is read, and settled at its end. */
#ifndef CORE_OPTIONS_INT_H
#define CORE_OPTIONS_INT_H
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
    char      *cpu;
    uint64_t   ram_bytes;             /* 0: the machine type's default */
    uint32_t   cpus, sockets, cores, threads, max_cpus;     /* 0: not given */
    OptNic    *net_nic;               /* -net nic, joined to */
    char      *net_netdev;            /* -net user and the like */
    bool       nic_set, vga_set, display_set, viewer_set, exit_now;
} OptRaw;

typedef struct NetdevArgs {
    char      *type;
    GPtrArray *rest;
} NetdevArgs;
extern const Field netdev_args[];
bool opt_netdev(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool opt_nic(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool opt_net(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool options_settle_nets(Machine *m, GError **err);
void options_free_nets(struct Options *o);
void options_free_pairs(GPtrArray *list);

bool options_settle(Machine *m, GError **err);
void options_print_help(void);
bool options_device_help(const OptDevice *d, GError **err);
bool file_readable(const char *option, const char *path, bool write, GError **err);
#endif
