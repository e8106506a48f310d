/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_check.c -- what can be settled only when the whole command line has been read: defaults,
 * ranges, what goes where.
 *
 * Spec: none; defaults are those of the PC emulators that users know.
 * Omits: nothing.
 * Threads: the main thread, before any other.
 */
#include "accel/accel.h"
#include "core/numa.h"
#include "core/log.h"
#include "core/display.h"
#include "core/options_int.h"
#include "core/schema.h"
#include "core/vcpu.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IDE_DRIVES 4

/* ---- help ---- */

void options_print_help(void)
{
    printf("usage: ryokan [option ...] [disk image]\n\n");
    for (const Entry *e = options; e->name; e++) {
        printf("  -%-16s %s\n", e->name, e->help);
        for (const Field *f = e->fields; f && f->name && !(e->fields->flags & F_WHOLE); f++) {
            if (f->help) {
                printf("      %-13s  %s\n", f->name, f->help);
            }
        }
    }
}

bool options_device_help(const OptDevice *d, GError **err)
{
    const DeviceClass *c;

    if (!strcmp(d->driver, "help")) {
        printf("Devices:\n");
        for (const DeviceClass *const *p = device_classes; *p; p++) {
            printf("  %-20s bus %-4s %s\n", (*p)->name, (*p)->bus ? (*p)->bus : "-", (*p)->desc);
        }
        return true;
    }
    c = device_class_find(d->driver);
    if (!c) {
        return fail(err,
                    "-device %s: there is no such device; \"-device help\" lists what there is",
                    d->driver);
    }
    printf("%s: %s\nImplements: %s\nProperties:\n", c->name, c->desc, c->spec ? c->spec : "");
    for (const Field *f = c->fields; f && f->name; f++) {
        if (f->flags & F_CONFIG) {
            printf("  %-16s %s\n", f->name, f->help ? f->help : "");
        }
    }
    return true;
}

/* ---- devices ---- */

/*
 * Properties are tried on a scratch instance, so that a wrong one is found before anything is made.
 */
bool options_check_device(Machine *m, const OptDevice *d, GError **err)
{
    const DeviceClass *c = d->driver ? device_class_find(d->driver) : NULL;
    GError            *why = NULL;
    void              *scratch;
    bool               ok = true;

    if (!c) {
        return fail(err,
                    "-device %s: there is no such device; \"-device help\" lists what there is",
                    d->driver ? d->driver : "");
    }
    scratch = g_malloc0(MAX(c->size, sizeof(Device)));
    fields_defaults(c->fields, scratch);
    for (unsigned i = 0; d->rest && i < d->rest->len && ok; i++) {
        const OptPair *p = d->rest->pdata[i];
        const Field   *f = field_find(c->fields, p->key);
        if (!f || f->type != T_LINK) {
            ok = field_parse(c->fields, scratch, p->key, p->val, &why);
        }
    }
    if (!ok) {
        fail(err, "-device %s: %s; \"-device %s,help\" lists its properties", c->name, why->message,
             c->name);
        g_error_free(why);
    }
    fields_clear(c->fields, scratch);
    g_free(scratch);
    return ok;
}

/* ---- machine ---- */

/* -machine takes an accelerator's properties too (kernel-irqchip); which one it is comes later. */
static bool is_accel_key(const char *key)
{
    for (const AccelOps *const *a = accels; *a; a++) {
        if ((*a)->fields && field_find((*a)->fields, key)) {
            return true;
        }
    }
    return false;
}

static bool settle_machine(Machine *m, GError **err)
{
    struct Options *o = m->options;
    const char     *want = o->raw->machine_type;
    GError         *why = NULL;

    for (const MachineClass *const *c = machine_classes; *c && !o->machine; c++) {
        if (!want || !strcmp((*c)->name, want) || !g_strcmp0((*c)->alias, want)) {
            o->machine = *c;
        }
    }
    if (!o->machine) {
        return fail(err,
                    "-machine %s: there is no such machine; \"-machine help\" lists what there is",
                    want ? want : "");
    }
    m->class = o->machine;
    m->machine_data = g_malloc0(MAX(m->class->size, 1));
    fields_defaults(m->class->fields, m->machine_data);
    for (unsigned i = 0; o->machine_props && i < o->machine_props->len; i++) {
        const OptPair *p = o->machine_props->pdata[i];
        if (!field_find(m->class->fields, p->key) && is_accel_key(p->key)) {
            continue;
        }
        if (!field_parse(m->class->fields, m->machine_data, p->key, p->val, &why)) {
            fail(err, "-machine %s: %s", m->class->name, why->message);
            g_error_free(why);
            return false;
        }
    }
    return true;
}

static const AccelOps *accel_find(const char *name)
{
    for (const AccelOps *const *a = accels; *a; a++) {
        if (!strcmp((*a)->name, strcmp(name, "tcg") ? name : "dbt")) {
            return *a;
        }
    }
    return NULL;
}

/*
 * The -accel that was taken gets what -machine said for it; what it says itself comes after, and
 * counts.
 */
static bool accel_keys(Machine *m, GError **err)
{
    struct Options *o = m->options;
    unsigned at = 0;

    for (unsigned i = 0; o->machine_props && i < o->machine_props->len; i++) {
        const OptPair *p = o->machine_props->pdata[i];
        if (field_find(m->class->fields, p->key)) {
            continue;
        }
        if (!o->accel->fields || !field_find(o->accel->fields, p->key)) {
            return fail(err, "-machine %s=%s: -accel %s has no such property", p->key, p->val,
                        o->accel->name);
        }
        OptPair *copy = g_new0(OptPair, 1);
        copy->key = g_strdup(p->key);
        copy->val = g_strdup(p->val);
        g_ptr_array_insert(o->accel_props, (int)at++, copy);
    }
    return true;
}

static bool settle_accel(Machine *m, GError **err)
{
    struct Options *o = m->options;
    GPtrArray      *list = o->raw->accels;

    if (!list->len) {
        OptAccel *a = g_new0(OptAccel, 1);
        a->name = g_strdup(accels[0] ? accels[0]->name : "dbt");
        g_ptr_array_add(list, a);
    }
    for (unsigned i = 0; i < list->len && !o->accel; i++) {
        OptAccel       *a = list->pdata[i];
        const AccelOps *found = accel_find(a->name);
        GError         *why = NULL;
        if (found && (!found->probe || found->probe(&why))) {
            o->accel = found;
            a->rest = a->rest ? a->rest : g_ptr_array_new();
            o->accel_props = a->rest;
        } else if (i + 1 < list->len) {
            g_printerr("ryokan: note: %s; going on with the next accelerator\n",
                       why ? why->message : "an unknown accelerator is passed over");
            g_clear_error(&why);
        } else if (why) {
            g_propagate_error(err, why);
            return false;
        }
    }
    if (!o->accel) {
        return fail(err,
                    "-accel %s: there is no such accelerator; \"-accel help\" lists what there is",
                    ((OptAccel *)list->pdata[list->len - 1])->name);
    }
    return accel_keys(m, err);
}

static bool settle_ram(Machine *m, GError **err)
{
    const MachineClass *c = m->class;
    uint64_t n = m->options->raw->ram_bytes ? m->options->raw->ram_bytes : c->default_ram;

    if (n < c->min_ram || n > c->max_ram) {
        return fail(err,
                    "-m %" G_GUINT64_FORMAT "M: machine %s takes %" G_GUINT64_FORMAT
                    "M to %" G_GUINT64_FORMAT "M",
                    n >> 20, c->name, c->min_ram >> 20, c->max_ram >> 20);
    }
    m->ram_bytes = (n + 4095) & ~(uint64_t)4095;
    return true;
}

/*
 * What is not given follows from the rest, sockets last; without any, each CPU is a socket of its
 * own.
 */
static bool settle_smp(Machine *m, GError **err)
{
    struct Options *o = m->options;
    OptRaw         *r = o->raw;
    uint64_t threads = MAX(r->threads, 1), cores = MAX(r->cores, 1), sockets = r->sockets, cpus;

    cpus = r->cpus ? r->cpus : r->max_cpus ? r->max_cpus : MAX(sockets, 1) * cores * threads;
    if (!sockets) {
        sockets = MAX(cpus / (cores * threads), 1);
    } else if (!r->cores && r->cpus) {
        cores = MAX(cpus / (sockets * threads), 1);
    }
    if (cpus > m->class->max_cpus) {
        return fail(err, "-smp %" G_GUINT64_FORMAT ": machine %s takes 1 to %u CPUs", cpus,
                    m->class->name, m->class->max_cpus);
    }
    if (r->max_cpus && r->max_cpus != cpus) {
        return fail(err,
                    "-smp maxcpus=%u: CPUs cannot be added later; leave it out or make it "
                    "%" G_GUINT64_FORMAT,
                    r->max_cpus, cpus);
    }
    if (sockets * cores * threads != cpus) {
        return fail(err,
                    "-smp %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT
                    " sockets of %" G_GUINT64_FORMAT " cores of %" G_GUINT64_FORMAT
                    " threads make another number",
                    cpus, sockets, cores, threads);
    }
    m->n_cpus = o->max_cpus = (unsigned)cpus;
    o->sockets = (unsigned)sockets;
    o->cores = (unsigned)cores;
    o->threads = (unsigned)threads;
    return true;
}

static void add_pair(GPtrArray *list, const char *key, const char *val)
{
    OptPair *p = g_new(OptPair, 1);

    p->key = g_strdup(key);
    p->val = g_strdup(val);
    g_ptr_array_add(list, p);
}

static bool settle_cpu(Machine *m, GError **err)
{
    struct Options *o = m->options;
    char          **words;

    o->cpu_props = g_ptr_array_new();
    if (o->raw->cpu) {
        if (!strcmp(o->raw->cpu, "help") && m->class->cpu && m->class->cpu->help) {
            m->class->cpu->help();
            o->raw->exit_now = true;
            return true;
        }
        words = g_strsplit(o->raw->cpu, ",", -1);
        o->cpu_model = g_strdup(words[0]);
        for (char **p = words + 1; words[0] && *p; p++) {
            char *eq = strchr(*p, '=');
            if (**p == '+' || **p == '-') {
                add_pair(o->cpu_props, *p + 1, **p == '+' ? "on" : "off");
            } else if (eq) {
                *eq = 0;
                add_pair(o->cpu_props, *p, eq + 1);
            } else {
                add_pair(o->cpu_props, *p, "on");
            }
        }
        g_strfreev(words);
    }
    return !m->class->cpu || !m->class->cpu->check || m->class->cpu->check(m, err);
}

/* ---- files ---- */

static bool settle_files(Machine *m, GError **err)
{
    struct Options *o = m->options;
    char           *path;

    if ((o->initrd || o->append) && !o->kernel) {
        return fail(err, "-%s: goes with a -kernel, and there is none",
                    o->initrd ? "initrd" : "append");
    }
    if (o->initrd) {                    /* Multiboot: "file args,file args"; each has to be there */
        if (access(o->initrd, F_OK) == 0 || !strchr(o->initrd, ',')) {
            if (!strpbrk(o->initrd, " ,") && !file_readable("-initrd", o->initrd, false, err)) {
                return false;
            }
        }
    }
    if (o->bios) {
        path = options_find_file(m, o->bios, err);
        if (!path) {
            return false;
        }
        g_free(path);
    }
    return true;
}

char *options_find_file(Machine *m, const char *name, GError **err)
{
    static const char *const dirs[] = {
        "/usr/local/share/ryokan", "/usr/share/ryokan",  "/usr/share/seabios",
        "/usr/share/qemu",         "/usr/share/vgabios", "/usr/share/qemu-firmware",
        "/usr/lib/ipxe/qemu",      "/usr/share/OVMF",    "/usr/share/edk2/ovmf",
    };
    const GPtrArray *own = m->options ? m->options->firmware_dirs : NULL;

    if (strchr(name, '/') || access(name, F_OK) == 0) {
        if (access(name, R_OK) == 0 && !g_file_test(name, G_FILE_TEST_IS_DIR)) {
            return g_strdup(name);
        }
        fail(err, "firmware %s: cannot open it: %s", name,
             errno ? g_strerror(errno) : "is a folder");
        return NULL;
    }
    for (unsigned i = 0; i < (own ? own->len : 0) + G_N_ELEMENTS(dirs); i++) {
        unsigned n = own ? own->len : 0;
        char    *path = g_build_filename(i < n ? own->pdata[i] : dirs[i - n], name, NULL);
        if (access(path, R_OK) == 0) {
            return path;
        }
        g_free(path);
    }
    fail(err,
         "firmware %s: not found; install the package seabios (and qemu-system-data), or say where "
         "it is with -L",
         name);
    return NULL;
}

/* ---- drives ---- */

OptDrive *options_drive(Machine *m, const char *id)
{
    for (unsigned i = 0; i < m->options->drives->len; i++) {
        OptDrive *d = m->options->drives->pdata[i];
        if (d->id && !strcmp(d->id, id)) {
            return d;
        }
    }
    return NULL;
}

static OptDrive *drive_at(Machine *m, uint32_t iface, int index, const OptDrive *but)
{
    for (unsigned i = 0; i < m->options->drives->len; i++) {
        OptDrive *d = m->options->drives->pdata[i];
        if (d->iface == iface && d->index == index && d != but) {
            return d;
        }
    }
    return NULL;
}

static bool settle_ide(Machine *m, OptDrive *d, GError **err)
{
    int index = d->index;

    if (index < 0 && d->bus < 0 && d->unit < 0) {
        return true;                    /* the second round finds it a place */
    }
    if (index < 0) {
        index = MAX(d->bus, 0) * 2 + MAX(d->unit, 0);
    }
    if (index >= IDE_DRIVES || d->unit > 1) {
        return fail(err, "-drive file=%s: place %d is beyond the %d IDE drives",
                    d->file ? d->file : "", index, IDE_DRIVES);
    }
    if (drive_at(m, DRIVE_IDE, index, d)) {
        return fail(err, "-drive file=%s: IDE place %d is taken; use another index=",
                    d->file ? d->file : "", index);
    }
    d->index = index;
    return true;
}

static bool settle_free_place(Machine *m, OptDrive *d, GError **err)
{
    int first = d->media == MEDIA_CDROM ? 2 : 0;

    for (int i = 0; i < IDE_DRIVES && d->index < 0; i++) {
        int index = (first + i) % IDE_DRIVES;
        if (!drive_at(m, DRIVE_IDE, index, d)) {
            d->index = index;
        }
    }
    return d->index >= 0 || fail(err, "-drive file=%s: all %d IDE drives are taken",
                                 d->file ? d->file : "", IDE_DRIVES);
}

/* Drives that are counted by units alone: the one that is named, or the first that is free. */
static bool settle_unit(Machine *m, OptDrive *d, const char *name, int units, const char *what,
                        GError **err)
{
    int unit = d->unit >= 0 ? d->unit : d->index;

    for (int i = 0; i < units && unit < 0; i++) {
        unit = drive_at(m, d->iface, i, d) ? -1 : i;
    }
    if (unit < 0 || unit >= units || drive_at(m, d->iface, unit, d)) {
        return fail(err, "-drive if=%s,file=%s: there are units 0 and 1 (%s), each once", name,
                    d->file ? d->file : "", what);
    }
    d->index = d->unit = unit;
    d->bus = 0;
    return true;
}

static bool settle_drive(Machine *m, OptDrive *d, unsigned n, GError **err)
{
    d->snapshot |= m->options->snapshot;
    d->readonly |= d->media == MEDIA_CDROM;
    if (d->iface != DRIVE_IDE && d->iface != DRIVE_NONE && d->iface != DRIVE_PFLASH &&
        d->iface != DRIVE_FLOPPY) {
        return fail(
            err,
            "-drive file=%s: if= must be ide, floppy, pflash or none; the others do not exist yet",
            d->file ? d->file : "");
    }
    if (!d->file && d->media != MEDIA_CDROM && d->iface != DRIVE_FLOPPY) {
        return fail(err, "-drive: file= is missing");
    }
    if (d->file && !file_readable("-drive", d->file, !d->readonly && !d->snapshot, err)) {
        return false;
    }
    if (!d->id) {
        static const char *const names[] = { [DRIVE_NONE] = "none",
                                             [DRIVE_IDE] = "ide",
                                             [DRIVE_PFLASH] = "pflash",
                                             [DRIVE_FLOPPY] = "floppy" };
        d->id =
            g_strdup_printf("%s%u-%s", names[d->iface], n, d->media == MEDIA_CDROM ? "cd" : "hd");
    }
    if (d->iface == DRIVE_PFLASH) {
        return settle_unit(m, d, "pflash", PFLASH_DRIVES, "code and variables", err);
    }
    if (d->iface == DRIVE_FLOPPY) {
        return settle_unit(m, d, "floppy", FLOPPY_DRIVES, "A and B", err);
    }
    if (d->iface == DRIVE_NONE) {
        d->index = -1;
        return true;
    }
    return settle_ide(m, d, err);
}

/* What a PC has unless told otherwise, where nothing else is. */
static void empty_drive(Machine *m, DriveIf iface, int index, const char *id, DriveMedia media)
{
    OptDrive *d;

    if (drive_at(m, iface, index, NULL)) {
        return;
    }
    d = g_new0(OptDrive, 1);
    d->id = g_strdup(id);
    d->iface = iface;
    d->media = media;
    d->index = index;
    d->readonly = media == MEDIA_CDROM;
    g_ptr_array_add(m->options->drives, d);
}

static bool settle_drives(Machine *m, GError **err)
{
    struct Options *o = m->options;

    for (unsigned i = 0; i < o->drives->len; i++) {
        if (!settle_drive(m, o->drives->pdata[i], i, err)) {
            return false;
        }
    }
    for (unsigned i = 0; i < o->drives->len; i++) {
        OptDrive *d = o->drives->pdata[i];
        if (d->iface == DRIVE_IDE && d->index < 0 && !settle_free_place(m, d, err)) {
            return false;
        }
    }
    if (!o->nodefaults) {
        empty_drive(m, DRIVE_IDE, 2, "ide1-cd0", MEDIA_CDROM);
        empty_drive(m, DRIVE_FLOPPY, 0, "floppy0", MEDIA_DISK);
    }
    for (unsigned i = 0; i < o->drives->len; i++) {
        OptDrive *d = o->drives->pdata[i];
        if (d->iface != DRIVE_IDE && d->iface != DRIVE_NONE) {
            continue;
        }
        d->bus = d->index < 0 ? -1 : d->index / 2;
        d->unit = d->index < 0 ? -1 : d->index % 2;
    }
    return true;
}

/* ---- all of it ---- */

/* A -device with the legacy ports of a VGA takes the place of the default one. */
static bool has_vga_device(const struct Options *o)
{
    static const char *const legacy[] = { "VGA", "cirrus-vga", "virtio-vga" };

    for (unsigned i = 0; i < o->devices->len; i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(legacy); k++) {
            if (!strcmp(((const OptDevice *)o->devices->pdata[i])->driver, legacy[k])) {
                return true;
            }
        }
    }
    return false;
}

bool options_settle(Machine *m, GError **err)
{
    struct Options *o = m->options;

    if (o->vnc && !o->raw->viewer_set) {
        o->viewer = NULL;               /* no window of its own besides */
    }
    if (o->full_screen && (!o->viewer || strcmp(o->viewer->name, "sdl"))) {
        return fail(err, "-full-screen: there is no window; it goes with -display sdl");
    }
    if (o->daemonize && o->viewer && !strcmp(o->viewer->name, "curses")) {
        return fail(err, "-daemonize: in the background there is no terminal for -display curses");
    }
    if (!o->raw->vga_set && !o->nodefaults && !has_vga_device(o)) {
        o->vga = VGA_STD;
    }
    m->name = o->name;
    if (o->raw->msg_name) {
        message_setup(-1, o->name);
    }
    m->uuid = o->uuid;
    return settle_machine(m, err) && settle_cpu(m, err) &&
           (o->raw->exit_now ||
            (settle_accel(m, err) && settle_ram(m, err) && settle_smp(m, err) &&
             numa_settle(m, err) && options_settle_memory(m, err) && settle_files(m, err) &&
             settle_drives(m, err) && options_settle_nets(m, err) && options_settle_chardevs(m, err) &&
             log_setup(o->raw->log_items, o->raw->log_file, err)));
}

/* ---- the end ---- */

void options_free_pairs(GPtrArray *list)
{
    for (unsigned i = 0; list && i < list->len; i++) {
        OptPair *p = list->pdata[i];
        g_free(p->key);
        g_free(p->val);
        g_free(p);
    }
    if (list) {
        g_ptr_array_free(list, TRUE);
    }
}

static void free_texts(GPtrArray *list)
{
    for (unsigned i = 0; i < list->len; i++) {
        g_free(list->pdata[i]);
    }
    g_ptr_array_free(list, TRUE);
}

static void free_lists(struct Options *o)
{
    for (unsigned i = 0; i < o->drives->len; i++) {
        OptDrive *d = o->drives->pdata[i];
        g_free(d->file);
        g_free(d->id);
        g_free(d->format);
        g_free(d->serial);
    }
    free_texts(o->drives);
    for (unsigned i = 0; o->blockdevs && i < o->blockdevs->len; i++) {
        OptBlockdev *b = o->blockdevs->pdata[i];
        g_free(b->driver);
        g_free(b->node_name);
        options_free_pairs(b->rest);
    }
    if (o->blockdevs) {
        free_texts(o->blockdevs);
    }
    for (unsigned i = 0; i < o->devices->len; i++) {
        OptDevice *d = o->devices->pdata[i];
        g_free(d->driver);
        g_free(d->id);
        g_free(d->bus);
        options_free_pairs(d->rest);
    }
    free_texts(o->devices);
    for (unsigned i = 0; i < o->fw_cfg->len; i++) {
        OptFwCfg *f = o->fw_cfg->pdata[i];
        g_free(f->name);
        g_free(f->file);
        g_free(f->string);
    }
    free_texts(o->fw_cfg);
    for (unsigned i = 0; i < o->raw->accels->len; i++) {
        OptAccel *a = o->raw->accels->pdata[i];
        g_free(a->name);
        options_free_pairs(a->rest);
    }
    free_texts(o->raw->accels);
}

void options_free(struct Options *o)
{
    OptRaw *r;

    if (!o) {
        return;
    }
    r = o->raw;
    free_lists(o);
    numa_free(o->numa);
    options_free_nets(o);
    options_free_pairs(o->machine_props);
    options_free_pairs(o->cpu_props);
    options_free_pairs(o->globals);
    free_texts(o->firmware_dirs);
    free_texts(r->serial);
    free_texts(r->parallel);
    free_texts(r->monitor);
    free_texts(r->qmp);
    char *texts[] = { o->cpu_model,  o->bios,         o->kernel,
                      o->initrd,     o->append,       o->boot_order,
                      o->boot_once,  o->name,         o->uuid,
                      o->pidfile,    o->gdb,          o->loadvm,
                      o->incoming,   o->vnc,          o->vnc_opts.tls_creds,
                      o->keyboard,   r->machine_type, r->debugcon,
                      r->net_netdev, r->log_items,    r->log_file,
                      r->cpu,        r->mem_path,     o->memory_backend,
                      o->runas,      o->chroot };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_free(texts[i]);
    }
    g_free(r);
    g_free(o);
}
