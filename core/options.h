/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h -- the command line after parsing: what the machine types build from.
 *
 * Everything in it has been checked as far as can be without a machine: files are there and
 * readable, numbers are in range, names are known.  Strings live as long as the Machine.
 *
 * Threads: written before the vCPUs start, read by any.
 */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H
#include "core/chardev.h"
#include "core/daemon.h"
#include "core/machine.h"

#define MAX_SERIAL   4
#define MAX_PARALLEL 3
#define MAX_MONITORS 4

typedef enum { DRIVE_NONE, DRIVE_IDE, DRIVE_FLOPPY, DRIVE_SCSI, DRIVE_VIRTIO,
               DRIVE_PFLASH } DriveIf;
enum { PFLASH_DRIVES = 2,             /* -drive if=pflash,unit=0, 1: code and variables */
       FLOPPY_DRIVES = 2 };           /* -drive if=floppy: A and B */
typedef enum { CACHE_WRITEBACK, CACHE_NONE, CACHE_WRITETHROUGH, CACHE_UNSAFE,
               CACHE_DIRECTSYNC } DriveCache;
typedef enum { MEDIA_DISK, MEDIA_CDROM } DriveMedia;
typedef enum { VGA_NONE, VGA_STD, VGA_CIRRUS, VGA_VIRTIO } VgaKind;

typedef struct OptDrive {
    char    *file;                    /* NULL: an empty drive (-cdrom's default) */
    char    *id;                      /* "-drive id="; never NULL: made up where not given */
    char    *format;                  /* "raw", ..., or NULL: probe */
    uint32_t iface;                   /* DriveIf */
    uint32_t media;                   /* DriveMedia */
    uint32_t cache;                   /* DriveCache */
    int32_t  index;                   /* IDE: channel * 2 + unit; resolved, -1 for DRIVE_NONE */
    int32_t  bus, unit;
    /* snapshot: writes go to a scratch file (-snapshot sets it on all) */
    bool     readonly, snapshot;
    char    *serial;                  /* disk serial number, or NULL */
    bool     used;                    /* a device took it (drive=ID, or the machine's own) */
} OptDrive;

typedef struct OptBlockdev {
    char      *driver, *node_name;
    GPtrArray *rest;                  /* OptPair: what the driver takes */
} OptBlockdev;

typedef struct OptDevice {
    char      *driver, *id, *bus;
    GPtrArray *rest;                  /* OptPair: properties, in order */
} OptDevice;

typedef struct OptNetdev {
    char      *type, *id;
    GPtrArray *rest;                  /* OptPair: properties of the back end */
} OptNetdev;

typedef struct OptNic {
    char      *model;                 /* device, or NULL: the machine's usual card */
    char      *mac, *addr, *id;       /* its properties, or NULL */
    char      *netdev;                /* id of the back end, or NULL: nothing plugged in */
    GPtrArray *rest;                  /* OptPair; only while the line is read */
} OptNic;

typedef enum { SHARE_ALLOW_EXCLUSIVE, SHARE_FORCE_SHARED, SHARE_IGNORE } VncShare;
typedef struct OptVnc {
    char    *address, *tls_creds;
    bool     password, websocket, reverse, lossy, non_adaptive, power_control;
    uint32_t share;                   /* VncShare */
    uint32_t to;                      /* the last display to try, or 0 */
    uint32_t connections;
} OptVnc;
typedef enum { GRAB_CTRL_ALT, GRAB_SHIFT_CTRL_ALT, GRAB_RCTRL } GrabMod;

typedef struct OptChardev {
    char *spec;                       /* as chr_new() takes it */
} OptChardev;

typedef struct OptFwCfg {
    char *name, *file, *string;
} OptFwCfg;

struct Options {
    /* -accel, -machine, -cpu */
    const AccelOps *accel;
    GPtrArray *accel_props;           /* OptPair */
    const MachineClass *machine;
    GPtrArray *machine_props;         /* OptPair */
    char      *cpu_model;             /* NULL: the one guests run fastest on */
    /* OptPair: "+sse3" is {"sse3", "on"}, "-sse3" {"sse3", "off"} */
    GPtrArray *cpu_props;
    bool       no_core;               /* RAM stays out of core dumps */
    char      *memory_backend;        /* id of an object that is RAM, or NULL */
    struct Numa *numa;                /* core/numa.h, or NULL */
    bool       mem_lock;              /* -overcommit mem-lock=on */
    /* cpus is Machine.n_cpus; sockets*cores*threads == max_cpus */
    unsigned   sockets, cores, threads, max_cpus;

    /* firmware and what it starts */
    /* as given, or NULL: the machine's default, found by options_find_file() */
    char      *bios;
    char      *kernel, *initrd, *append;
    char      *boot_order;            /* -boot order=, for instance "cad"; or NULL */
    char      *boot_once;
    bool       boot_menu, boot_strict;
    uint32_t   boot_splash_ms, boot_fail_ms;
    bool       boot_fail_set;
    GPtrArray *firmware_dirs;         /* char *: -L */
    GPtrArray *fw_cfg;                /* OptFwCfg: -fw_cfg name=,file=|string= */

    /* devices */
    GPtrArray *drives;                /* OptDrive, in order; IDE indices resolved */
    GPtrArray *blockdevs;             /* OptBlockdev, in order */
    /* OptDevice, in order; made by main after the machine type's own */
    GPtrArray *devices;
    GPtrArray *netdevs;               /* OptNetdev, in order */
    GPtrArray *audiodevs;             /* OptNetdev, in order */
    GPtrArray *nics;                  /* OptNic, in order; the machine type makes them */
    /* no word of a network, nor -nodefaults: what the machine usually has */
    bool       default_nic;
    GPtrArray *globals;               /* OptPair "driver.property" */
    Chardev   *serial[MAX_SERIAL];    /* NULL: none fitted */
    Chardev   *parallel[MAX_PARALLEL];
    Chardev   *monitor_on[MAX_MONITORS];
    bool       monitor_qmp[MAX_MONITORS];       /* for programs */
    unsigned   n_monitors;
    /* -debugcon: a byte port at 0xe9 that writes here; NULL: none */
    Chardev   *debugcon;
    uint32_t   vga;                   /* VgaKind */
    const struct ViewerOps *viewer;   /* -display: who shows the screen; NULL: nobody */
    char      *vnc;                   /* -vnc: where its server listens; or NULL */
    OptVnc     vnc_opts;              /* its other words; address is NULL */
    char      *keyboard;              /* -k, or NULL */
    uint32_t   grab_mod;              /* GrabMod: what is held with the window's own keys */
    bool       window_close, show_cursor, full_screen;      /* -display sdl,... */
    bool       nodefaults, nographic, snapshot, start_paused;

    /* -rtc */
    bool       rtc_localtime;
    bool       rtc_base_set;          /* else: now */
    int64_t    rtc_base_s;            /* seconds since the epoch, as the guest is to see them */
    /* what it counts on: host = TIME_WALL, rt = TIME_HOST, vm = TIME_GUEST */
    TimeBase   rtc_clock;
    bool       rtc_slew;              /* driftfix=slew */

    char      *name, *uuid;           /* uuid in the usual text form, or NULL */
    char      *pidfile, *runas, *chroot;
    bool       daemonize;
    SandboxArgs sandbox;
    char      *loadvm, *incoming;     /* a tag; file:PATH or defer */
    char      *gdb;                   /* -gdb; or NULL */
    struct OptRaw *raw;              /* private to options.c: what waits for the rest of the line */
};

void net_print_help(void);            /* the back ends there are; net/net.c */
void audio_print_help(void);          /* ui/audio.c */
/*
 * argv to options.  false: err is the one line to print.  *exit_now: something was printed (help),
 * end with status 0.
 */
bool options_parse(Machine *m, int argc, char **argv, bool *exit_now, GError **err);
void options_free(struct Options *o);
extern const Field blockdev_args[];  /* of an OptBlockdev */
extern const Field device_args[];    /* of an OptDevice */
bool options_check_device(Machine *m, const OptDevice *d, GError **err);
OptDrive *options_drive(Machine *m, const char *id);
/*
 * A firmware file by name: as a path if it is one, else in the -L folders, then where distributions
 * put it.
 */
char *options_find_file(Machine *m, const char *name, GError **err);
#endif
