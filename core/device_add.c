/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_add.c -- devices by name: those of the command line, and those that come and go while the
 * machine runs.
 *
 * Spec: none; the words are those of -device and device_add.
 * Omits: taking back the wish that a device go (a guest that refuses has it asked again by another
 *   device_del).
 * Threads: with the machine lock.
 */
#include "core/commands.h"
#include "core/machine.h"
#include "core/options.h"
#include <string.h>

enum { UNPLUG_RETRY_S = 5 };          /* a guest that has not answered by then may be asked again */

static bool check_bus(const Device *d, const char *what, GError **err)
{
    if (d->class->bus && !strcmp(d->class->bus, "sys")) {
        return fail(err, "%s %s: is wired by the machine itself; it cannot be added", what,
                    d->class->name);
    }
    if (d->machine->started && !(d->bus && d->bus->hotplug)) {
        return fail(err, "Bus '%s' does not support hotplugging", d->bus ? d->bus->name : "");
    }
    if (d->machine->started && !d->class->hotplug) {
        return fail(err, "Device '%s' can not be hotplugged on this machine", d->class->name);
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
    if (late && d->bus->plugged) {
        d->bus->plugged(d->bus, d);
    }
    return d;
}

static void tell_deleted(Machine *m, const char *id)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    GVariantBuilder  data;

    object_start(&data);
    say(&data, "device", id);
    say(&data, "path", path);
    machine_event(m, "DEVICE_DELETED", g_variant_builder_end(&data));
}

static Bus *bus_of(const Device *d)
{
    for (unsigned i = 0; i < d->machine->buses->len; i++) {
        Bus *b = d->machine->buses->pdata[i];
        if (b->device == d) {
            return b;
        }
    }
    return NULL;
}

void device_remove(void *dev)
{
    Device          *d = dev;
    Machine         *m = d->machine;
    Bus             *bus = bus_of(d);
    g_autofree char *id = g_strdup(d->id);

    while (bus && bus->children->len) {
        device_remove(bus->children->pdata[bus->children->len - 1]);
    }
    device_free(d);
    if (bus) {
        bus_free(bus);
    }
    if (id) {
        tell_deleted(m, id);
    }
}

bool device_del(Machine *m, const char *id, GError **err)
{
    Device *d = device_find(m, id);
    int64_t now = g_get_monotonic_time();

    if (!d) {
        return fail_not_found(err, "Device '%.200s' not found", id);
    }
    if (!d->bus || !d->bus->hotplug) {
        return fail(err, "Bus '%s' does not support hotplugging", d->bus ? d->bus->name : "");
    }
    if (!d->class->hotplug) {
        return fail(err, "Device '%s' does not support hotplugging", id);
    }
    if (!d->bus->unplug) {
        device_remove(d);
        return true;
    }
    if (now < d->unplug_until_us) {
        return fail(err, "Device %s is already in the process of unplug", id);
    }
    d->unplug_until_us = now + UNPLUG_RETRY_S * G_USEC_PER_SEC;
    return d->bus->unplug(d->bus, d, err);
}
