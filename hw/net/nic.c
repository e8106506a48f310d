/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.c -- the cards that -nic and -net ask for, and the one that a PC has when nobody says a word.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: main thread, before the machine runs.
 */
#include "hw/net/nic.h"
#include "core/machine.h"
#include "core/options.h"
#include "net/net.h"
#include <string.h>

static bool is_nic(const DeviceClass *c)
{
    const Field *f = field_find(c->fields, "netdev");

    return f && (f->flags & F_CONFIG) && !strcmp(c->bus, "pci");
}

static bool known_model(const char *model, GError **err)
{
    const DeviceClass *c = device_class_find(model);
    GString           *names;

    if (c && is_nic(c)) {
        return true;
    }
    names = g_string_new(NULL);
    for (const DeviceClass *const *p = device_classes; *p; p++) {
        if (is_nic(*p)) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", (*p)->name);
        }
    }
    fail(err, "-nic model=%s: there is no such network card; there are: %s", model, names->str);
    g_string_free(names, TRUE);
    return false;
}

static bool create(Machine *m, Bus *bus, const char *model, const OptNic *n, GError **err)
{
    const struct { const char *key, *val; } props[] = {
        { "netdev", n->netdev }, { "mac", n->mac }, { "addr", n->addr },
    };
    void *d;

    if (!known_model(model, err)) {
        return false;
    }
    d = device_new(m, bus, model, n->id, err);
    for (unsigned i = 0; d && i < G_N_ELEMENTS(props); i++) {
        if (props[i].val && !device_set(d, props[i].key, props[i].val, err)) {
            return false;
        }
    }
    return d && device_realize(d, err);
}

bool nics_create(Machine *m, Bus *bus, const char *usual, GError **err)
{
    const struct Options *o = m->options;

    if (o->default_nic && net_find(m, "#default")) {
        return create(m, bus, usual, &(OptNic){ .netdev = (char *)"#default" }, err);
    }
    for (guint i = 0; i < o->nics->len; i++) {
        const OptNic *n = o->nics->pdata[i];
        if (!create(m, bus, n->model ? n->model : usual, n, err)) {
            return false;
        }
    }
    return true;
}

/* "efi-NAME.rom", which holds code for BIOS and UEFI, as iPXE's packages have it. */
bool nic_rom(PciDevice *d, const char *name, GError **err)
{
    g_autofree char *file = g_strdup_printf("efi-%s.rom", name);
    g_autofree char *path = d->romfile ? NULL : options_find_file(d->dev.machine, file, NULL);

    return pci_rom(d, path, err);
}
