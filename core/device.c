/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.c -- device classes, buses, and the life of a device.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: with the machine lock.
 */
#include "core/device.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/options.h"
#include "core/trace.h"
#include <stdarg.h>
#include <string.h>

#define DEVICE(dir, file)     extern const DeviceClass file##_class;
#define ALSO(dir, file, name) extern const DeviceClass name##_class;
#include "hw/devices.def"
#undef DEVICE
#undef ALSO
#define DEVICE(dir, file)     &file##_class,
#define ALSO(dir, file, name) &name##_class,
const DeviceClass *const device_classes[] = {
#include "hw/devices.def"
    NULL
};


const Field irq_gate_fields[] = {
    STATE(IrqGate, high),
    STATE_IRQ(IrqGate, out),
    FIELD_END
};

const DeviceClass *device_class_by_alias(const char *alias)
{
    for (const DeviceClass *const *c = device_classes; *c; c++) {
        if ((*c)->alias && !strcmp((*c)->alias, alias)) {
            return *c;
        }
    }
    return NULL;
}

const DeviceClass *device_class_find(const char *name)
{
    for (const DeviceClass *const *c = device_classes; *c; c++) {
        if (!strcmp((*c)->name, name)) {
            return *c;
        }
    }
    return NULL;
}

Device *device_find(Machine *m, const char *id)
{
    for (unsigned i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        if (d->id && !strcmp(d->id, id)) {
            return d;
        }
    }
    return NULL;
}

void device_link_kind(Machine *m, const char *kind, void *(*find)(Machine *m, const char *id))
{
    g_hash_table_insert(m->link_kinds, (void *)kind, (void *)find);
}

/*
 * bus/class, and .1, .2, ... from the second of a kind on: stable as long as the command line is.
 */
static char *make_path(Machine *m, const Bus *bus, const DeviceClass *class, const char *id)
{
    char *base = id ? g_strdup_printf("%s/%s:%s", bus ? bus->name : "", class->name, id)
                    : g_strdup_printf("%s/%s", bus ? bus->name : "", class->name);
    char *path = g_strdup(base);

    for (unsigned n = 1, i = 0; i < m->devices->len; i++) {
        if (!strcmp(((Device *)m->devices->pdata[i])->path, path)) {
            g_free(path);
            path = g_strdup_printf("%s.%u", base, n++);
            i = UINT_MAX;             /* from the start again */
        }
    }
    g_free(base);
    return path;
}

static bool is_for(const OptPair *p, const char *name)
{
    return name && !strncmp(p->key, name, strlen(name)) && p->key[strlen(name)] == '.';
}

/* "-global class.property=value" */
static bool set_globals(Device *d, GError **err)
{
    const GPtrArray *list = d->machine->options ? d->machine->options->globals : NULL;

    for (unsigned i = 0; list && i < list->len; i++) {
        const OptPair *p = list->pdata[i];
        if ((is_for(p, d->class->name) || is_for(p, d->class->alias)) &&
            !device_set(d, strchr(p->key, '.') + 1, p->val, err)) {
            return false;
        }
    }
    return true;
}

void *device_new(Machine *m, Bus *bus, const char *class_name, const char *id, GError **err)
{
    const DeviceClass *class = device_class_find(class_name);
    Device            *d;

    if (!class) {
        fail(err, "device \"%s\" does not exist; \"-device help\" lists what does", class_name);
        return NULL;
    }
    if (id && device_find(m, id)) {
        fail(err, "device id \"%s\" is taken; give each device its own", id);
        return NULL;
    }
    if (!bus && class->bus) {
        bus = bus_find(m, class->bus);
        if (!bus) {
            fail(err, "device \"%s\" needs a bus of type %s, which this machine does not have",
                 class_name, class->bus);
            return NULL;
        }
    }
    if (bus && class->bus && strcmp(bus->type, class->bus)) {
        fail(err, "device \"%s\" plugs into a bus of type %s; \"%s\" is of type %s", class_name,
             class->bus, bus->name, bus->type);
        return NULL;
    }
    d = g_malloc0(MAX(class->size, sizeof(Device)));
    d->class = class;
    d->machine = m;
    d->bus = bus;
    d->id = g_strdup(id);
    d->path = make_path(m, bus, class, id);
    fields_defaults(class->fields, d);
    g_ptr_array_add(m->devices, d);
    if (!set_globals(d, err)) {
        device_free(d);
        return NULL;
    }
    return d;
}

bool device_set(void *dev, const char *key, const char *val, GError **err)
{
    Device      *d = dev;
    const Field *f = field_find(d->class->fields, key);
    GError      *why = NULL;

    if (d->realized) {
        return fail(err, "device \"%s\": %s cannot change any more", d->class->name, key);
    }
    if (f && f->type == T_LINK && (f->flags & F_CONFIG)) {
        void *(*find)(Machine *, const char *) =
            (void *(*)(Machine *, const char *))g_hash_table_lookup(d->machine->link_kinds,
                                                                    f->aux ? f->aux : "device");
        void *to = find ? find(d->machine, val) : device_find(d->machine, val);
        if (!to) {
            return fail(err, "device \"%s\": %s=%s: there is no %s with this id", d->class->name,
                        key, val, f->aux ? (const char *)f->aux : "device");
        }
        *(void **)(void *)((char *)dev + f->offset) = to;
        return true;
    }
    if (!field_parse(d->class->fields, d, key, val, &why)) {
        fail(err, "device \"%s\": %s; \"-device %s,help\" lists its properties", d->class->name,
             why->message, d->class->name);
        g_error_free(why);
        return false;
    }
    return true;
}

static const MmioOps no_ops;

static bool realize(Device *d, GError **err)
{
    const DeviceClass *c = d->class;
    GError            *why = NULL;

    if (!fields_check(c->fields, d, &why)) {
        fail(err, "device \"%s\": %s", c->name, why->message);
        g_error_free(why);
        return false;
    }
    if (c->bank_size) {
        region_init_io(&d->bank, c->name, c->io ? c->io : &no_ops, d, c->bank_size);
        d->bank.regs = c->regs;
    }
    regs_reset(c->regs, d);
    if (c->realize && !c->realize(d, err)) {
        return false;
    }
    if (d->bus && d->bus->attach && !d->bus->attach(d->bus, d, err)) {
        if (c->unrealize) {
            c->unrealize(d);
        }
        return false;
    }
    return true;
}

bool device_realize(void *dev, GError **err)
{
    Device *d = dev;
    bool    ok;

    g_assert(!d->realized);
    trace_device_realize(d->path);
    map_begin(d->machine);
    ok = realize(d, err);
    if (ok) {
        d->realized = true;
        if (d->bus) {
            g_ptr_array_add(d->bus->children, d);
        }
    }
    map_commit(d->machine);
    return ok;
}

void device_unrealize(void *dev)
{
    Device *d = dev;

    if (d->realized) {
        d->realized = false;
        trace_device_unrealize(d->path);
        map_begin(d->machine);
        if (d->bus) {
            if (d->bus->detach) {
                d->bus->detach(d->bus, d);
            }
            g_ptr_array_remove(d->bus->children, d);
        }
        if (d->class->unrealize) {
            d->class->unrealize(d);
        }
        map_commit(d->machine);
    }
}

void device_free(void *dev)
{
    Device *d = dev;

    if (!d) {
        return;
    }
    device_unrealize(d);
    g_ptr_array_remove(d->machine->devices, d);
    fields_clear(d->class->fields, d);
    g_free(d->id);
    g_free(d->path);
    g_free(d);
}

Bus *bus_new(Machine *m, const char *type, const char *name, void *owner)
{
    Bus *b = g_new0(Bus, 1);

    b->type = g_intern_string(type);
    b->name = g_intern_string(name);
    b->machine = m;
    b->owner = owner;
    b->children = g_ptr_array_new();
    g_ptr_array_add(m->buses, b);
    return b;
}

void bus_free(Bus *b)
{
    g_ptr_array_remove(b->machine->buses, b);
    g_ptr_array_free(b->children, TRUE);
    g_free(b);
}

Bus *bus_find(Machine *m, const char *what)
{
    Bus *full = NULL;

    for (int by_name = 1; by_name >= 0; by_name--) {
        for (unsigned i = 0; i < m->buses->len; i++) {
            Bus *b = m->buses->pdata[i];
            if (!strcmp(by_name ? b->name : b->type, what)) {
                if (by_name || !b->has_room || b->has_room(b)) {
                    return b;
                }
                full = full ? full : b;
            }
        }
    }
    return full;
}

/* How many errors this second has had, with this one. */
unsigned machine_error_count(Machine *m)
{
    int64_t now = g_get_monotonic_time();

    if (now - __atomic_load_n(&m->errors_since_us, __ATOMIC_RELAXED) > G_USEC_PER_SEC) {
        __atomic_store_n(&m->errors_since_us, now, __ATOMIC_RELAXED);
        __atomic_store_n(&m->n_errors, 0, __ATOMIC_RELAXED);
    }
    return __atomic_add_fetch(&m->n_errors, 1, __ATOMIC_RELAXED);
}

/* A guest can ask for as many of these as it likes; the log takes some. */
void guest_error(void *dev, const char *fmt, ...)
{
    Device *d = dev;
    va_list ap;
    char   *text;
    unsigned n;

    if (!log_on(LOG_GUEST_ERRORS)) {
        return;
    }
    n = machine_error_count(d->machine);
    if (n > ERRORS_PER_SECOND) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_write("%s: %s%s\n", d->path, text,
              n == ERRORS_PER_SECOND ? " (more in this second are not shown)" : "");
    g_free(text);
}

void machine_request(void *dev, MachineRequest what)
{
    Device *d = dev;

    if (what == MACHINE_RESET) {
        machine_reset_request(d->machine, d->class->name);
    } else {
        machine_shutdown_request(d->machine, d->class->name);
    }
}
