/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_device.c -- options of disks and devices, and of where serial ports and monitors go.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: nothing.
 * Threads: the main thread, before any other.
 */
#include "core/options_int.h"
#include "core/object.h"
#include <stdio.h>
#include <string.h>

static const char *const drive_ifs[] = { "none", "ide", "floppy", "scsi", "virtio", "pflash",
                                         NULL };
static const char *const drive_media[] = { "disk", "cdrom", NULL };
static const char *const drive_caches[] = { "writeback", "none", "writethrough", "unsafe",
                                            "directsync", NULL };
const Field drive_args[] = {
    CONFIG(OptDrive, file, .help = "The image."),
    CONFIG(OptDrive, id, .help = "Name for drive=ID."),
    CONFIG(OptDrive, format, .help = "Its format; found out where not given."),
    { .name = "if", .type = T_ENUM, .flags = F_CONFIG, .offset = offsetof(OptDrive, iface),
      .count = 1, .aux = drive_ifs, .def = DRIVE_IDE,
      .help = "What it hangs on; none: a -device takes it." },
    CONFIG_ENUM(OptDrive, media, drive_media, .help = "Disk or CD-ROM."),
    CONFIG_ENUM(OptDrive, cache, drive_caches, .help = "How the host's cache is used."),
    CONFIG(OptDrive, index, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = 255,
           .help = "Place, counted over all buses."),
    CONFIG(OptDrive, bus, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = 255,
           .help = "Bus it is on."),
    CONFIG(OptDrive, unit, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = 255,
           .help = "Place on the bus."),
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
const Field mon_args[] = {
    CONFIG(MonArgs, chardev, .help = "Id of a -chardev."),
    CONFIG(MonArgs, id, .help = "A name, for people."),
    CONFIG(MonArgs, mode, .help = "readline: for people; control: QMP, for programs."),
    CONFIG(MonArgs, pretty, .help = "Only off is there."),
    FIELD_END
};

/* ---- disks ---- */

bool opt_drive(Machine *m, void *args, Reply *reply, GError **err)
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

bool opt_fda(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 0, MEDIA_DISK, DRIVE_FLOPPY);
}

bool opt_fdb(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 1, MEDIA_DISK, DRIVE_FLOPPY);
}

bool opt_hda(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 0, MEDIA_DISK, DRIVE_IDE);
}

bool opt_hdb(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 1, MEDIA_DISK, DRIVE_IDE);
}

bool opt_hdc(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 2, MEDIA_DISK, DRIVE_IDE);
}

bool opt_hdd(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 3, MEDIA_DISK, DRIVE_IDE);
}

bool opt_cdrom(Machine *m, void *args, Reply *reply, GError **err)
{
    return short_drive(m, args, 2, MEDIA_CDROM, DRIVE_IDE);
}

bool opt_snapshot(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->snapshot = true;
    return true;
}

/* ---- devices ---- */

const Field blockdev_args[] = {
    FIELD_(OptBlockdev, driver, F_CONFIG | F_REQUIRED, 1, .help = "file, host_device or raw."),
    CONFIG_AS(OptBlockdev, node_name, "node-name", .help = "Its name."),
    FIELD_AS_(OptBlockdev, rest, T_LIST, F_CONFIG | F_REST, 1,
              .help = "What the driver takes: filename=, file=, read-only=, ..."),
    FIELD_END
};

bool opt_blockdev(Machine *m, void *args, Reply *reply, GError **err)
{
    OptBlockdev *o = g_memdup2(args, sizeof(*o));

    *(OptBlockdev *)args = (OptBlockdev){ 0 };
    m->options->blockdevs = m->options->blockdevs ? m->options->blockdevs : g_ptr_array_new();
    g_ptr_array_add(m->options->blockdevs, o);
    return true;
}

bool opt_device(Machine *m, void *args, Reply *reply, GError **err)
{
    OptDevice *a = args, *d;
    bool       help = a->driver && !strcmp(a->driver, "help");

    for (unsigned i = 0; a->rest && i < a->rest->len; i++) {
        help |= !strcmp(((OptPair *)a->rest->pdata[i])->key, "help");
    }
    if (help) {
        m->options->raw->exit_now = true;
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

bool opt_usb(Machine *m, void *args, Reply *reply, GError **err)
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

bool opt_usbdevice(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const kinds[][2] = { { "tablet", "usb-tablet" }, { "mouse", "usb-mouse" },
                                            { "keyboard", "usb-kbd" } };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(option_text(args), kinds[i][0])) {
            OptDevice *d = g_new0(OptDevice, 1);
            d->driver = g_strdup(kinds[i][1]);
            g_ptr_array_add(m->options->devices, d);
            return opt_usb(m, NULL, reply, err);
        }
    }
    return fail(err, "-usbdevice %s: there are tablet, mouse and keyboard; -device has the others",
                option_text(args));
}

bool opt_global(Machine *m, void *args, Reply *reply, GError **err)
{
    char    *eq = strchr(option_text(args), '='), *dot;
    OptPair *p;

    if (!eq || !(dot = memchr(option_text(args), '.', (size_t)(eq - option_text(args))))) {
        return fail(err, "-global %s: write it as DEVICE.PROPERTY=VALUE", option_text(args));
    }
    *dot = 0;
    if (!device_class_find(option_text(args)) && !device_class_by_alias(option_text(args))) {
        return fail(err, "-global: device \"%s\" does not exist; \"-device help\" lists what does",
                    option_text(args));
    }
    *dot = '.';
    p = g_new0(OptPair, 1);
    p->key = g_strndup(option_text(args), (gsize)(eq - option_text(args)));
    p->val = g_strdup(eq + 1);
    g_ptr_array_add(m->options->globals, p);
    return true;
}

bool opt_chardev(Machine *m, void *args, Reply *reply, GError **err)
{
    Chardev *c = chr_new(m, option_text(args), NULL, err);

    return c && (chr_has_id(c) || fail(err, "-chardev %s: id= is missing", option_text(args)));
}

bool opt_serial(Machine *m, void *args, Reply *reply, GError **err)
{
    if (m->options->raw->serial->len == MAX_SERIAL) {
        return fail(err, "-serial %s: the machine has %d serial ports", option_text(args),
                    MAX_SERIAL);
    }
    g_ptr_array_add(m->options->raw->serial, g_strdup(option_text(args)));
    return true;
}

bool opt_parallel(Machine *m, void *args, Reply *reply, GError **err)
{
    if (m->options->raw->parallel->len == MAX_PARALLEL) {
        return fail(err, "-parallel %s: the machine has %d parallel ports", option_text(args),
                    MAX_PARALLEL);
    }
    g_ptr_array_add(m->options->raw->parallel, g_strdup(option_text(args)));
    return true;
}

bool opt_monitor(Machine *m, void *args, Reply *reply, GError **err)
{
    g_ptr_array_add(m->options->raw->monitor, g_strdup(option_text(args)));
    return true;
}

bool opt_qmp(Machine *m, void *args, Reply *reply, GError **err)
{
    g_ptr_array_add(m->options->raw->qmp, g_strdup(option_text(args)));
    return true;
}

bool opt_mon(Machine *m, void *args, Reply *reply, GError **err)
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
    g_ptr_array_add(control ? m->options->raw->qmp : m->options->raw->monitor,
                    g_strconcat("chardev:", a->chardev, NULL));
    return true;
}

bool opt_debugcon(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->raw->debugcon, &((TextArgs *)args)->value);
    return true;
}

bool opt_nodefaults(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->nodefaults = true;
    return true;
}

/* ---- objects ---- */

static bool object_help(const char *type, GError **err)
{
    const ObjectClass *c = object_class_find(type);

    if (!strcmp(type, "help")) {
        printf("Objects:\n");
        for (const ObjectClass *const *p = object_classes; *p; p++) {
            printf("  %-20s %s\n", (*p)->name, (*p)->desc);
        }
        return true;
    }
    if (!c) {
        return fail(
            err,
            "-object %s: there is no such kind of object; \"-object help\" lists what there is",
            type);
    }
    printf("%s: %s\nProperties:\n", c->name, c->desc);
    for (const Field *f = c->fields; f->name; f++) {
        printf("  %-16s %s\n", f->name, f->help);
    }
    return true;
}

bool opt_object(Machine *m, void *args, Reply *reply, GError **err)
{
    const ObjectArgs *a = args;
    bool              help = !strcmp(a->type, "help");

    for (unsigned i = 0; a->rest && i < a->rest->len; i++) {
        help |= !strcmp(((OptPair *)a->rest->pdata[i])->key, "help");
    }
    if (help) {
        m->options->raw->exit_now = true;
        return object_help(a->type, err);
    }
    return (a->id || fail(err, "-object %s: id= is missing", a->type)) &&
           object_new(m, a->type, a->id, a->rest, err);
}
