/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_add.c -- devices by name: those of the command line, and those that come and go while the machine runs.
 *
 * Spec: none; the words are those of -device and device_add.
 * Omits: asking the guest before a device goes: only buses whose devices can be pulled out.
 * Threads: with the machine lock.
 */
#include "core/commands.h"
#include "core/machine.h"
#include "core/options.h"
#include <string.h>

static bool check_bus(const Device *d, const char *what, GError **err)
{
    if (d->class->bus && !strcmp(d->class->bus, "sys")) {
        return fail(err, "%s %s: is wired by the machine itself; it cannot be added", what, d->class->name);
    }
    if (d->machine->started && !(d->bus && d->bus->hotplug)) {
        return fail(err, "%s %s: bus \"%s\" takes no devices while the machine runs", what, d->class->name,
                    d->bus ? d->bus->name : "");
    }
    return true;
}

void *device_add(Machine *m, const OptDevice *o, GError **err)
{
    Bus    *bus = o->bus ? bus_find(m, o->bus) : NULL;
    bool    late = m->started, ok;
    const char *what = late ? "device_add" : "-device";
    Device *d;

    if (!o->driver) {
        fail(err, "%s: say which device", what);
        return NULL;
    }
    if (o->bus && !bus) {
        fail(err, "%s %s: there is no bus \"%s\"", what, o->driver, o->bus);
        return NULL;
    }
    d = device_new(m, bus, o->driver, o->id, err);
    if (!d) {
        return NULL;
    }
    ok = check_bus(d, what, err);
    for (unsigned j = 0; ok && o->rest && j < o->rest->len; j++) {
        const OptPair *p = o->rest->pdata[j];
        ok = device_set(d, p->key, p->val, err);
    }
    if (!ok || !device_realize(d, err)) {
        device_free(d);
        return NULL;
    }
    if (late && d->class->reset) {
        d->class->reset(d);
    }
    return d;
}

bool device_del(Machine *m, const char *id, GError **err)
{
    Device         *d = device_find(m, id);
    GVariantBuilder data;

    if (!d) {
        return fail_not_found(err, "Device '%.200s' not found", id);
    }
    if (!d->bus || !d->bus->hotplug) {
        return fail(err, "device_del %s: bus \"%s\" lets no devices go while the machine runs", id, d->bus ? d->bus->name : "");
    }
    g_variant_builder_init(&data, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&data, "{sv}", "device", g_variant_new_string(id));
    g_variant_builder_add(&data, "{sv}", "path", g_variant_new_string(d->path));
    device_free(d);
    machine_event(m, "DEVICE_DELETED", g_variant_builder_end(&data));
    return true;
}
