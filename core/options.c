/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.c -- the command line: one function for each option, called through core/options.def.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: configuration files.
 * Threads: the main thread, before any other.
 */
#include "core/gdbstub.h"
#include "core/options_int.h"
#include "accel/accel.h"
#include "core/display.h"
#include "core/log.h"
#include "core/schema.h"
#include "core/snapshot.h"
#include "core/version.h"
#include "core/vcpu.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REST(S, m) { .name = #m, .type = T_LIST, .flags = F_CONFIG | F_REST, .offset = offsetof(S, m), .count = 1 }
#define TEXT(S, m, ...) { .name = #m, .type = T_STR, .flags = F_CONFIG | F_WHOLE | F_REQUIRED, .offset = offsetof(S, m), \
    .count = 1, __VA_ARGS__ }

typedef struct NoArgs {
    char unused;
} NoArgs;

typedef struct TextArgs {
    char *value;
} TextArgs;
static const Field text_args[] = { TEXT(TextArgs, value), FIELD_END };

typedef struct MachineArgs {
    char      *type, *accel;
    GPtrArray *rest;
} MachineArgs;
static const Field machine_args[] = {
    CONFIG(MachineArgs, type, .help = "Machine type."),
    CONFIG(MachineArgs, accel, .help = "Accelerators to try, separated by colons."),
    REST(MachineArgs, rest),
    FIELD_END
};

typedef struct AccelArgs {
    char      *accel;
    GPtrArray *rest;
} AccelArgs;
static const Field accel_args[] = {
    CONFIG(AccelArgs, accel, .help = "Which."),
    REST(AccelArgs, rest),
    FIELD_END
};

typedef struct MemArgs {
    uint64_t size;
} MemArgs;
static const Field mem_args[] = {
    { .name = "size", .type = T_U64, .flags = F_CONFIG | F_MIB, .offset = 0, .count = 1, .min = 1, .max = 1ull << 46,
      .help = "How much." },
    FIELD_END
};

typedef struct SmpArgs {
    uint32_t cpus, sockets, dies, cores, threads, maxcpus;
} SmpArgs;
static const Field smp_args[] = {
    CONFIG(SmpArgs, cpus, .min = 1, .max = 4096, .help = "How many."),
    CONFIG(SmpArgs, sockets, .min = 1, .max = 4096, .help = "Packages."),
    CONFIG(SmpArgs, dies, .min = 1, .max = 1, .help = "Dies in a package: one."),
    CONFIG(SmpArgs, cores, .min = 1, .max = 4096, .help = "Cores in a package."),
    CONFIG(SmpArgs, threads, .min = 1, .max = 4096, .help = "Threads in a core."),
    CONFIG(SmpArgs, maxcpus, .min = 1, .max = 4096, .help = "With those that could be added later: as many as cpus."),
    FIELD_END
};

static const char *const on_off[] = { "off", "on", NULL };

typedef struct NameArgs {
    char    *guest;
    uint32_t threads;
} NameArgs;
static const Field name_args[] = {
    CONFIG(NameArgs, guest, .help = "The name."),
    { .name = "debug-threads", .type = T_ENUM, .flags = F_CONFIG, .offset = offsetof(NameArgs, threads), .count = 1,
      .aux = on_off, .help = "Accepted: threads always have names." },
    FIELD_END
};

typedef struct BootArgs {
    char    *order, *once;
    bool     menu, strict;
    uint32_t splash_time;
    int32_t  reboot_timeout;
} BootArgs;
static const Field boot_args[] = {
    CONFIG(BootArgs, order, .help = "Letters, in the order they are tried."),
    CONFIG(BootArgs, once, .help = "The same for the first boot only."),
    CONFIG(BootArgs, menu, .help = "The firmware offers a menu."),
    CONFIG(BootArgs, strict, .help = "Try nothing that order does not name."),
    CONFIG_AS(BootArgs, splash_time, "splash-time", .max = 65535, .help = "How long the menu waits, in ms."),
    CONFIG_AS(BootArgs, reboot_timeout, "reboot-timeout", .def = (uint64_t)-2, .min = (uint64_t)-2, .max = 65535,
              .help = "Try again after this many ms when nothing starts; -1: never."),
    FIELD_END
};

typedef struct FwCfgArgs {
    char *name, *file, *string;
} FwCfgArgs;
static const Field fw_cfg_args[] = {
    CONFIG(FwCfgArgs, name, .help = "As the guest sees it, for instance opt/org.example/x."),
    CONFIG(FwCfgArgs, file, .help = "Contents: of this file."),
    CONFIG(FwCfgArgs, string, .help = "Contents: this text."),
    FIELD_END
};

static const char *const drive_ifs[] = { "none", "ide", "floppy", "scsi", "virtio", "pflash", NULL };
static const char *const drive_media[] = { "disk", "cdrom", NULL };
static const char *const drive_caches[] = { "writeback", "none", "writethrough", "unsafe", "directsync", NULL };
static const Field drive_args[] = {
    CONFIG(OptDrive, file, .help = "The image."),
    CONFIG(OptDrive, id, .help = "Name for drive=ID."),
    CONFIG(OptDrive, format, .help = "Its format; found out where not given."),
    { .name = "if", .type = T_ENUM, .flags = F_CONFIG, .offset = offsetof(OptDrive, iface), .count = 1, .aux = drive_ifs,
      .def = DRIVE_IDE, .help = "What it hangs on; none: a -device takes it." },
    CONFIG_ENUM(OptDrive, media, drive_media, .help = "Disk or CD-ROM."),
    CONFIG_ENUM(OptDrive, cache, drive_caches, .help = "How the host's cache is used."),
    CONFIG(OptDrive, index, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = 255, .help = "Place, counted over all buses."),
    CONFIG(OptDrive, bus, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = 255, .help = "Bus it is on."),
    CONFIG(OptDrive, unit, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = 255, .help = "Place on the bus."),
    CONFIG(OptDrive, readonly, .help = "The guest cannot write it."),
    CONFIG_AS(OptDrive, readonly, "read-only", .help = "The same."),
    CONFIG(OptDrive, snapshot, .help = "Writes go to a scratch file."),
    CONFIG(OptDrive, serial, .help = "The disk's serial number."),
    FIELD_END
};

const Field device_args[] = {
    CONFIG(OptDevice, driver, .help = "Which device."),
    CONFIG(OptDevice, id, .help = "Name for others to refer to."),
    CONFIG(OptDevice, bus, .help = "Bus to plug it into; else the first that fits."),
    REST(OptDevice, rest),
    FIELD_END
};

typedef struct MonArgs {
    char *chardev, *mode;
    bool  pretty;
} MonArgs;
static const Field mon_args[] = {
    CONFIG(MonArgs, chardev, .help = "Id of a -chardev."),
    CONFIG(MonArgs, mode, .help = "readline: for people; control: QMP, for programs."),
    CONFIG(MonArgs, pretty, .help = "Only off is there."),
    FIELD_END
};

typedef struct VncArgs {
    char *address;
    bool  password, websocket, reverse;
} VncArgs;
static const Field vnc_args[] = {
    CONFIG(VncArgs, address, .help = "HOST:DISPLAY, unix:PATH or none."),
    CONFIG(VncArgs, password, .help = "Viewers need the password that the monitor sets; nobody gets in before."),
    CONFIG(VncArgs, websocket, .help = "Browsers too: the port serves a console page, and WebSockets."),
    CONFIG(VncArgs, reverse, .help = "Connect to a viewer that listens at HOST:PORT."),
    FIELD_END
};

static const char *const rtc_clocks[] = { "host", "rt", "vm", NULL };
static const char *const rtc_fixes[] = { "none", "slew", NULL };
typedef struct RtcArgs {
    char    *base;
    uint32_t clock, driftfix;
} RtcArgs;
static const Field rtc_args[] = {
    CONFIG(RtcArgs, base, .help = "utc, localtime, or a date: 2006-06-17T16:01:21."),
    CONFIG_ENUM(RtcArgs, clock, rtc_clocks, .help = "Counts on the host's wall clock, its steady clock, or the guest's time."),
    CONFIG_ENUM(RtcArgs, driftfix, rtc_fixes, .help = "Deliver ticks the guest missed later."),
    FIELD_END
};

/* ---- helpers ---- */

bool file_readable(const char *option, const char *path, bool write, GError **err)
{
    if (access(path, write ? R_OK | W_OK : R_OK)) {
        return fail(err, "%s %s: cannot open it: %s", option, path, g_strerror(errno));
    }
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        return fail(err, "%s %s: is a folder, not a file", option, path);
    }
    return true;
}

static void take(char **to, char **from)
{
    g_free(*to);
    *to = g_steal_pointer(from);
}

static char *text_of(void *args)
{
    return ((TextArgs *)args)->value;
}

static OptRaw *raw(Machine *m)
{
    return m->options->raw;
}

typedef GVariantBuilder Reply;

/* ---- help and version ---- */

static bool opt_help(Machine *m, void *args, Reply *reply, GError **err)
{
    options_print_help();
    raw(m)->exit_now = true;
    return true;
}

static bool opt_version(Machine *m, void *args, Reply *reply, GError **err)
{
    printf("Ryokan version %s\n", RYOKAN_VERSION);
    raw(m)->exit_now = true;
    return true;
}

static bool opt_schema(Machine *m, void *args, Reply *reply, GError **err)
{
    raw(m)->exit_now = true;
    return schema_print(text_of(args)) || fail(err, "-schema %s: must be json, md or man", text_of(args));
}

static bool opt_accepted(Machine *m, void *args, Reply *reply, GError **err)
{
    return true;
}

/* ---- machine, CPU, memory ---- */

static void add_accel(Machine *m, const char *name, GPtrArray *rest)
{
    OptAccel *a = g_new0(OptAccel, 1);

    a->name = g_strdup(name);
    a->rest = rest;
    g_ptr_array_add(raw(m)->accels, a);
}

static bool opt_machine(Machine *m, void *args, Reply *reply, GError **err)
{
    MachineArgs *a = args;

    if (a->type && !strcmp(a->type, "help")) {
        printf("Machines:\n");
        for (const MachineClass *const *c = machine_classes; *c; c++) {
            printf("  %-16s %s%s\n", (*c)->name, (*c)->desc, c == machine_classes ? " (default)" : "");
        }
        raw(m)->exit_now = true;
        return true;
    }
    if (a->type) {
        take(&raw(m)->machine_type, &a->type);
    }
    if (a->accel) {
        char **list = g_strsplit(a->accel, ":", -1);
        for (char **p = list; *p; p++) {
            add_accel(m, *p, NULL);
        }
        g_strfreev(list);
    }
    if (a->rest) {
        if (!m->options->machine_props) {
            m->options->machine_props = g_steal_pointer(&a->rest);
        } else {
            g_ptr_array_extend_and_steal(m->options->machine_props, g_steal_pointer(&a->rest));
        }
    }
    return true;
}

static bool opt_enable_kvm(Machine *m, void *args, Reply *reply, GError **err)
{
    add_accel(m, "kvm", NULL);
    return true;
}

static bool opt_accel(Machine *m, void *args, Reply *reply, GError **err)
{
    AccelArgs *a = args;

    if (!a->accel) {
        return fail(err, "-accel: say which, for instance -accel dbt");
    }
    if (!strcmp(a->accel, "help")) {
        printf("Accelerators:\n");
        for (const AccelOps *const *c = accels; *c; c++) {
            printf("  %-8s %s\n", (*c)->name, (*c)->desc);
        }
        raw(m)->exit_now = true;
        return true;
    }
    add_accel(m, a->accel, g_steal_pointer(&a->rest));
    return true;
}

static bool opt_cpu(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&raw(m)->cpu, &((TextArgs *)args)->value);
    return true;
}

static bool opt_m(Machine *m, void *args, Reply *reply, GError **err)
{
    raw(m)->ram_bytes = ((MemArgs *)args)->size;
    return true;
}

static bool opt_smp(Machine *m, void *args, Reply *reply, GError **err)
{
    SmpArgs *a = args;
    OptRaw  *r = raw(m);

    r->cpus = a->cpus;
    r->sockets = a->sockets;
    r->cores = a->cores;
    r->threads = a->threads;
    r->max_cpus = a->maxcpus;
    return true;
}

static bool opt_name(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&m->options->name, &((NameArgs *)args)->guest);
    return true;
}

static bool opt_uuid(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!g_uuid_string_is_valid(text_of(args))) {
        return fail(err, "-uuid %s: is no UUID; write it as 8-4-4-4-12 hexadecimal digits", text_of(args));
    }
    take(&m->options->uuid, &((TextArgs *)args)->value);
    return true;
}

/* ---- firmware and kernel ---- */

static bool opt_bios(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&m->options->bios, &((TextArgs *)args)->value);
    return true;
}

static bool opt_L(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!g_file_test(text_of(args), G_FILE_TEST_IS_DIR)) {
        return fail(err, "-L %s: there is no such folder", text_of(args));
    }
    g_ptr_array_add(m->options->firmware_dirs, g_strdup(text_of(args)));
    return true;
}

static bool opt_kernel(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!file_readable("-kernel", text_of(args), false, err)) {
        return false;
    }
    take(&m->options->kernel, &((TextArgs *)args)->value);
    return true;
}

static bool opt_initrd(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&m->options->initrd, &((TextArgs *)args)->value);
    return true;
}

static bool opt_append(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&m->options->append, &((TextArgs *)args)->value);
    return true;
}

static bool boot_letters(const char *key, const char *letters, GError **err)
{
    for (const char *p = letters; p && *p; p++) {
        if (*p < 'a' || *p > 'p') {
            return fail(err, "-boot %s=%s: \"%c\" is no boot device; there are a, c, d and n", key, letters, *p);
        }
        if (strchr(p + 1, *p)) {
            return fail(err, "-boot %s=%s: \"%c\" is there twice", key, letters, *p);
        }
    }
    return true;
}

static bool opt_boot(Machine *m, void *args, Reply *reply, GError **err)
{
    struct Options *o = m->options;
    BootArgs       *a = args;

    if (!boot_letters("order", a->order, err) || !boot_letters("once", a->once, err)) {
        return false;
    }
    if (a->order) {
        take(&o->boot_order, &a->order);
    }
    if (a->once) {
        take(&o->boot_once, &a->once);
    }
    o->boot_menu |= a->menu;
    o->boot_strict |= a->strict;
    if (a->splash_time) {
        o->boot_splash_ms = a->splash_time;
    }
    if (a->reboot_timeout != -2) {
        o->boot_fail_set = true;
        o->boot_fail_ms = (uint32_t)a->reboot_timeout;
    }
    return true;
}

static bool opt_fw_cfg(Machine *m, void *args, Reply *reply, GError **err)
{
    FwCfgArgs *a = args;
    OptFwCfg  *f;

    if (!a->name || !a->file == !a->string) {
        return fail(err, "-fw_cfg: needs name=, and one of file= and string=");
    }
    if (strlen(a->name) > 55) {
        return fail(err, "-fw_cfg name=%s: longer than 55 bytes", a->name);
    }
    if (a->file && !file_readable("-fw_cfg", a->file, false, err)) {
        return false;
    }
    f = g_new0(OptFwCfg, 1);
    f->name = g_steal_pointer(&a->name);
    f->file = g_steal_pointer(&a->file);
    f->string = g_steal_pointer(&a->string);
    g_ptr_array_add(m->options->fw_cfg, f);
    return true;
}

/* ---- disks ---- */

static bool opt_drive(Machine *m, void *args, Reply *reply, GError **err)
{
    OptDrive *a = args, *d;

    if (a->id && options_drive(m, a->id)) {
        return fail(err, "-drive id=%s: is taken; give each drive its own", a->id);
    }
    d = g_new0(OptDrive, 1);
    *d = *a;
    memset(a, 0, sizeof(*a));           /* its strings have moved */
    g_ptr_array_add(m->options->drives, d);
    return true;
}

static bool short_drive(Machine *m, void *args, int index, DriveMedia media, DriveIf iface)
{
    OptDrive *d = g_new0(OptDrive, 1);

    d->file = g_steal_pointer(&((TextArgs *)args)->value);
    d->iface = iface;
    d->media = media;
    d->index = index;
    d->bus = d->unit = -1;
    g_ptr_array_add(m->options->drives, d);
    return true;
}

static bool opt_fda(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 0, MEDIA_DISK, DRIVE_FLOPPY);
}

static bool opt_fdb(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 1, MEDIA_DISK, DRIVE_FLOPPY);
}

static bool opt_hda(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 0, MEDIA_DISK, DRIVE_IDE);
}

static bool opt_hdb(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 1, MEDIA_DISK, DRIVE_IDE);
}

static bool opt_hdc(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 2, MEDIA_DISK, DRIVE_IDE);
}

static bool opt_hdd(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 3, MEDIA_DISK, DRIVE_IDE);
}

static bool opt_cdrom(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 2, MEDIA_CDROM, DRIVE_IDE);
}

static bool opt_snapshot(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->snapshot = true;
    return true;
}

/* ---- devices ---- */

static bool opt_device(Machine *m, void *args, Reply *reply, GError **err)
{
    OptDevice *a = args, *d;
    bool       help = a->driver && !strcmp(a->driver, "help");

    for (unsigned i = 0; a->rest && i < a->rest->len; i++) {
        help |= !strcmp(((OptPair *)a->rest->pdata[i])->key, "help");
    }
    if (help) {
        raw(m)->exit_now = true;
        return options_device_help(a, err);
    }
    if (!options_check_device(m, a, err)) {
        return false;
    }
    d = g_new0(OptDevice, 1);
    *d = *a;
    memset(a, 0, sizeof(*a));
    g_ptr_array_add(m->options->devices, d);
    return true;
}

static bool opt_usb(Machine *m, void *args, Reply *reply, GError **err)
{
    OptPair *p = g_new0(OptPair, 1);

    p->key = g_strdup("usb");
    p->val = g_strdup("on");
    if (!m->options->machine_props) {
        m->options->machine_props = g_ptr_array_new();
    }
    g_ptr_array_add(m->options->machine_props, p);
    return true;
}

static bool opt_usbdevice(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const kinds[][2] = { { "tablet", "usb-tablet" }, { "mouse", "usb-mouse" }, { "keyboard", "usb-kbd" } };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(text_of(args), kinds[i][0])) {
            OptDevice *d = g_new0(OptDevice, 1);
            d->driver = g_strdup(kinds[i][1]);
            g_ptr_array_add(m->options->devices, d);
            return opt_usb(m, NULL, reply, err);
        }
    }
    return fail(err, "-usbdevice %s: there are tablet, mouse and keyboard; -device has the others", text_of(args));
}

static bool opt_global(Machine *m, void *args, Reply *reply, GError **err)
{
    char    *eq = strchr(text_of(args), '='), *dot;
    OptPair *p;

    if (!eq || !(dot = memchr(text_of(args), '.', (size_t)(eq - text_of(args))))) {
        return fail(err, "-global %s: write it as DEVICE.PROPERTY=VALUE", text_of(args));
    }
    *dot = 0;
    if (!device_class_find(text_of(args))) {
        return fail(err, "-global: device \"%s\" does not exist; \"-device help\" lists what does", text_of(args));
    }
    *dot = '.';
    p = g_new0(OptPair, 1);
    p->key = g_strndup(text_of(args), (gsize)(eq - text_of(args)));
    p->val = g_strdup(eq + 1);
    g_ptr_array_add(m->options->globals, p);
    return true;
}

static bool opt_chardev(Machine *m, void *args, Reply *reply, GError **err)
{
    Chardev *c = chr_new(m, text_of(args), NULL, err);

    return c && (chr_has_id(c) || fail(err, "-chardev %s: id= is missing", text_of(args)));
}

static bool opt_serial(Machine *m, void *args, Reply *reply, GError **err)
{
    if (raw(m)->serial->len == MAX_SERIAL) {
        return fail(err, "-serial %s: the machine has %d serial ports", text_of(args), MAX_SERIAL);
    }
    g_ptr_array_add(raw(m)->serial, g_strdup(text_of(args)));
    return true;
}

static bool opt_parallel(Machine *m, void *args, Reply *reply, GError **err)
{
    if (raw(m)->parallel->len == MAX_PARALLEL) {
        return fail(err, "-parallel %s: the machine has %d parallel ports", text_of(args), MAX_PARALLEL);
    }
    g_ptr_array_add(raw(m)->parallel, g_strdup(text_of(args)));
    return true;
}

static bool opt_monitor(Machine *m, void *args, Reply *reply, GError **err)
{
    g_ptr_array_add(raw(m)->monitor, g_strdup(text_of(args)));
    return true;
}

static bool opt_qmp(Machine *m, void *args, Reply *reply, GError **err)
{
    g_ptr_array_add(raw(m)->qmp, g_strdup(text_of(args)));
    return true;
}

/* "none", "HOST:DISPLAY" or "unix:PATH"; whether the place can be had is seen when it is opened. */
static bool opt_vnc(Machine *m, void *args, Reply *reply, GError **err)
{
    VncArgs    *a = args;
    const char *colon = a->address ? strrchr(a->address, ':') : NULL;
    bool        none = a->address && !strcmp(a->address, "none"), there = false;

    for (const ViewerOps *const *v = viewer_ops; *v; v++) {
        there |= !strcmp((*v)->name, "vnc");
    }
    if (!none && !there) {
        return fail(err, "-vnc: this program was built without libvncserver");
    }
    if (!none && (!colon || !colon[1] || (!g_str_has_prefix(a->address, "unix:") && strspn(colon + 1, "0123456789") != strlen(colon + 1)))) {
        return fail(err, "-vnc %s: give HOST:DISPLAY (5900 is added to make a port), unix:PATH or none", a->address ? a->address : "");
    }
    if (a->reverse && (none || g_str_has_prefix(a->address, "unix:"))) {
        return fail(err, "-vnc %s,reverse=on: needs HOST:PORT of a viewer that listens", a->address);
    }
    g_clear_pointer(&m->options->vnc, g_free);
    if (!none) {
        take(&m->options->vnc, &a->address);
        raw(m)->display_set = true;
    }
    m->options->vnc_password = a->password;
    m->options->vnc_web = a->websocket;
    m->options->vnc_reverse = a->reverse;
    return true;
}

static bool opt_mon(Machine *m, void *args, Reply *reply, GError **err)
{
    MonArgs *a = args;

    if (!a->chardev) {
        return fail(err, "-mon: chardev= is missing");
    }
    bool control = a->mode && !strcmp(a->mode, "control");
    if (a->mode && !control && strcmp(a->mode, "readline")) {
        return fail(err, "-mon mode=%s: there are readline and control", a->mode);
    }
    if (a->pretty) {
        return fail(err, "-mon pretty=on: answers are a line each; leave it out");
    }
    g_ptr_array_add(control ? raw(m)->qmp : raw(m)->monitor, g_strconcat("chardev:", a->chardev, NULL));
    return true;
}

static bool opt_debugcon(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&raw(m)->debugcon, &((TextArgs *)args)->value);
    return true;
}

static bool opt_nographic(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->nographic = raw(m)->display_set = true;
    m->options->viewer = NULL;
    return true;
}

static bool opt_display(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *name = text_of(args);

    raw(m)->display_set = true;
    m->options->viewer = NULL;
    if (!strcmp(name, "none")) {
        return true;
    }
    if (!strcmp(name, "vnc")) {
        return fail(err, "-display vnc: say where, as in -vnc 127.0.0.1:0");
    }
    if (!strcmp(name, "help")) {
        printf("none\n");
        for (const ViewerOps *const *v = viewer_ops; *v; v++) {
            printf("%s\n", (*v)->name);
        }
        raw(m)->exit_now = true;
        return true;
    }
    for (const ViewerOps *const *v = viewer_ops; *v; v++) {
        if (!strcmp((*v)->name, name)) {
            m->options->viewer = *v;
            raw(m)->viewer_set = true;
            return true;
        }
    }
    return fail(err, "-display %s: there is no such display here; -display help lists them, -nographic uses this terminal", name);
}

static bool opt_vga(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const kinds[] = { [VGA_NONE] = "none", [VGA_STD] = "std", [VGA_CIRRUS] = "cirrus", [VGA_VIRTIO] = "virtio" };

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(text_of(args), kinds[i])) {
            m->options->vga = i;
            raw(m)->vga_set = true;
            return true;
        }
    }
    return fail(err, "-vga %s: there is no such graphics card; use std, cirrus, virtio or none", text_of(args));
}

static bool opt_nodefaults(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->nodefaults = true;
    return true;
}

/* ---- time, life and log ---- */

static bool rtc_date(struct Options *o, const char *text)
{
    GTimeZone *utc = g_time_zone_new_utc();
    char      *full = strchr(text, 'T') ? g_strdup(text) : g_strconcat(text, "T00:00:00", NULL);
    GDateTime *d = g_date_time_new_from_iso8601(full, utc);

    g_free(full);
    g_time_zone_unref(utc);
    if (!d) {
        return false;
    }
    o->rtc_base_set = true;
    o->rtc_base_s = g_date_time_to_unix(d);
    g_date_time_unref(d);
    return true;
}

static bool opt_rtc(Machine *m, void *args, Reply *reply, GError **err)
{
    static const TimeBase clocks[] = { TIME_WALL, TIME_HOST, TIME_GUEST };
    struct Options *o = m->options;
    RtcArgs        *a = args;

    o->rtc_clock = clocks[a->clock];
    o->rtc_slew = a->driftfix == 1;
    o->rtc_localtime = a->base && !strcmp(a->base, "localtime");
    if (a->base && strcmp(a->base, "utc") && !o->rtc_localtime && !rtc_date(o, a->base)) {
        return fail(err, "-rtc base=%s: must be utc, localtime or a date like 2006-06-17T16:01:21", a->base);
    }
    return true;
}

static bool opt_no_reboot(Machine *m, void *args, Reply *reply, GError **err)
{
    m->no_reboot = true;
    return true;
}

static bool opt_no_shutdown(Machine *m, void *args, Reply *reply, GError **err)
{
    m->no_shutdown = true;
    return true;
}

static bool opt_S(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->start_paused = true;
    return true;
}

static bool opt_loadvm(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&m->options->loadvm, &((TextArgs *)args)->value);
    return true;
}

static bool opt_incoming(Machine *m, void *args, Reply *reply, GError **err)
{
    if (strcmp(text_of(args), "defer") && !snapshot_check_address("-incoming", text_of(args), err)) {
        return false;
    }
    take(&m->options->incoming, &((TextArgs *)args)->value);
    return true;
}

static bool opt_gdb(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&m->options->gdb, &((TextArgs *)args)->value);
    return true;
}

static bool opt_s(Machine *m, void *args, Reply *reply, GError **err)
{
    g_free(m->options->gdb);
    m->options->gdb = g_strdup(GDB_DEFAULT);
    return true;
}

static bool opt_d(Machine *m, void *args, Reply *reply, GError **err)
{
    raw(m)->exit_now |= !strcmp(text_of(args), "help");
    take(&raw(m)->log_items, &((TextArgs *)args)->value);
    return !raw(m)->exit_now || log_setup("help", NULL, err);
}

static bool opt_D(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&raw(m)->log_file, &((TextArgs *)args)->value);
    return true;
}

static bool opt_pidfile(Machine *m, void *args, Reply *reply, GError **err)
{
    take(&m->options->pidfile, &((TextArgs *)args)->value);
    return true;
}

#define OPT(name_, S, tab, fn, help_) { .name = name_, .help = help_, .size = sizeof(S), .fields = tab, .run = fn },
const Entry options[] = {
#include "core/options.def"
    { .name = NULL }
};

/* Words of other emulators that mean something here too, one day. */
static const char *const not_yet[] = {
    "daemonize", "spice", "blockdev", "object", "audio",
    "audiodev", "soundhw", "smbios", "acpitable", "numa", "mem-path", "mem-prealloc", "icount", "sandbox",
    "chroot", "runas", "readconfig", "virtfs", "fsdev", "watchdog", "tpmdev", "dtb", "pflash", "mtdblock", "sd",
    "full-screen", "win2k-hack", "k", "set", "add-fd", "trace", "option-rom", "prom-env", "overcommit", "action", "msg", "cpu-throttle",
    NULL
};

static bool run_option(Machine *m, const char *word, const char *value, GError **err)
{
    const Entry *e = entry_find(options, word);
    GError      *why = NULL;

    if (!entry_run_text(e, m, value, NULL, &why)) {
        if (why && why->message[0] != '-') {
            fail(err, "-%s %s: %s", word, value ? value : "", why->message);
            g_error_free(why);
        } else {
            g_propagate_error(err, why);
        }
        return false;
    }
    return true;
}

bool options_parse(Machine *m, int argc, char **argv, bool *exit_now, GError **err)
{
    struct Options *o = m->options = g_new0(struct Options, 1);

    o->raw = g_new0(OptRaw, 1);
    o->raw->accels = g_ptr_array_new();
    o->raw->serial = g_ptr_array_new();
    o->raw->parallel = g_ptr_array_new();
    o->raw->monitor = g_ptr_array_new();
    o->raw->qmp = g_ptr_array_new();
    o->firmware_dirs = g_ptr_array_new();
    o->fw_cfg = g_ptr_array_new();
    o->drives = g_ptr_array_new();
    o->devices = g_ptr_array_new();
    o->globals = g_ptr_array_new();
    o->netdevs = g_ptr_array_new();
    o->nics = g_ptr_array_new();
    o->rtc_clock = TIME_WALL;
    if (viewer_ops[0] && strcmp(viewer_ops[0]->name, "vnc") && (g_getenv("DISPLAY") || g_getenv("WAYLAND_DISPLAY"))) {
        o->viewer = viewer_ops[0];              /* a window, unless -display or -nographic says otherwise */
    }
    for (int i = 1; i < argc && !o->raw->exit_now; i++) {
        const char  *word = argv[i], *value = NULL;
        char        *split = NULL;
        const Entry *e;
        bool         ok;

        if (word[0] != '-' || !word[1]) {       /* a bare word is a disk, as with -hda */
            if (!run_option(m, "hda", word, err)) {
                return false;
            }
            continue;
        }
        word += word[1] == '-' ? 2 : 1;
        if (g_str_has_prefix(word, "schema=")) {
            value = word + 7;
            word = split = g_strdup("schema");
        }
        e = entry_find(options, word);
        if (!e) {
            return fail(err, g_strv_contains(not_yet, word) ? "%s: this option is not supported yet"
                                                            : "%s: no such option; -help lists them", argv[i]);
        }
        if (e->fields && !value) {
            if (++i == argc) {
                return fail(err, "-%s: needs an argument: %s", word, e->help);
            }
            value = argv[i];
        }
        ok = run_option(m, word, value, err);
        g_free(split);
        if (!ok) {
            return false;
        }
    }
    if (!o->raw->exit_now && !options_settle(m, err)) {
        return false;
    }
    *exit_now = o->raw->exit_now;       /* -cpu help is known only after the machine type is */
    return true;
}
