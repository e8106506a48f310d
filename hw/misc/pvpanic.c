/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvpanic.c -- a port by which a guest says that it has panicked.
 *
 * Spec: QEMU docs/specs/pvpanic: a read gives the events supported, a write announces one; bit 0
 *   panicked, bit 1 a crash kernel has been loaded and takes over.
 * Omits: orderly shutdown requests (bit 2).
 * Threads: with the machine lock.
 */
#include "core/actions.h"
#include "core/log.h"
#include "hw/misc/isa.h"

enum { PANICKED = 1, CRASH_LOADED = 2, EVENTS = 3 };

typedef struct Pvpanic {
    Device   dev;
    Region   port;
    uint32_t ioport, events;
} Pvpanic;

static uint64_t pvpanic_read(void *dev, hwaddr off, unsigned size)
{
    return ((Pvpanic *)dev)->events;
}

static void tell(Pvpanic *s, const char *event, const char *action)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&b, "{sv}", "action", g_variant_new_string(action));
    machine_event(s->dev.machine, event, g_variant_builder_end(&b));
}

static void pvpanic_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Pvpanic *s = dev;

    if (val & s->events & PANICKED) {
        machine_guest_panicked(s->dev.machine, NULL);
    } else if (val & s->events & CRASH_LOADED) {
        tell(s, "GUEST_CRASHLOADED", "run");
        guest_error(s, "the guest has crashed, its crash kernel takes over");
    } else {
        guest_error(s, "unknown event 0x%02x", (unsigned)val);
    }
}

static const MmioOps pvpanic_ops = { .read = pvpanic_read, .write = pvpanic_write, .min = 1,
                                     .max = 1 };

static bool pvpanic_realize(void *dev, GError **err)
{
    Pvpanic *s = dev;

    region_init_io(&s->port, "pvpanic", &pvpanic_ops, s, 1);
    return isa_map(s, &s->port, s->ioport, err);
}

static const Field pvpanic_fields[] = {
    CONFIG(Pvpanic, ioport, .def = 0x505, .max = 0xffff, .help = "I/O port."),
    CONFIG(Pvpanic, events, .def = EVENTS, .max = EVENTS,
           .help = "Events offered: 1 panicked, 2 crash kernel loaded."),
    FIELD_END
};

const DeviceClass pvpanic_class = {
    .name = "pvpanic",
    .desc = "guest panic notification port",
    .spec = "QEMU docs/specs/pvpanic",
    .bus = "isa",
    .size = sizeof(Pvpanic),
    .fields = pvpanic_fields,
    .realize = pvpanic_realize,
};
