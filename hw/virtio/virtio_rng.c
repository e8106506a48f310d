/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_rng.c -- virtio-rng-pci: the host's random numbers for the guest.
 *
 * Spec: VIRTIO 1.2, chapter 5.4 (entropy device).
 * Omits: a rate limit; a request gets at most 4 KiB.
 * Threads: with the machine lock.
 */
#include "hw/virtio/virtio.h"
#include "core/object.h"

enum { CHUNK = 256, MOST = 4096, QUEUE = 8 };

typedef struct VirtioRng {
    PciDevice pci;
    Virtio    v;
    Object   *rng;                    /* NULL: the host's getrandom() */
} VirtioRng;

static uint32_t fill(VirtioRng *s, const VirtChain *c)
{
    uint32_t done = 0, want = (uint32_t)MIN(c->in_bytes, MOST);
    while (done < want) {
        uint8_t bytes[CHUNK];
        size_t now = MIN(want - done, CHUNK);
        if (!rng_read(s->rng, bytes, now) || virtio_write(&s->v, c, done, bytes,
                now) != now) {
            break;
        }
        done += (uint32_t)now;
    }
    return done;
}

static void queue(void *dev, unsigned n)
{
    VirtioRng *s = dev;
    VirtChain *c = NULL;
    unsigned i;
    for (i = 0; i < QUEUE && (c = virtio_pop(&s->v, n)); i++) {
        virtio_push(&s->v, n, c, fill(s, c));
    }
    if (i == QUEUE) {
        virtio_again(&s->v, n);
    }
    virtio_notify(&s->v, n);
}

static const VirtioOps rng_ops = { .id = VIRTIO_ID_RNG, .queue = queue };

static bool virtio_rng_realize(void *dev, GError **err)
{
    static const uint16_t sizes[] = { QUEUE, 0 };
    VirtioRng *s = dev;
    (void)err;
    pci_init(&s->pci, &(PciIdent){ .vendor = VIRTIO_PCI_VENDOR,
                                   .device = VIRTIO_PCI_DEVICE + VIRTIO_ID_RNG, .revision = 1,
                                   .class_code = 0x00ff00, .pin = 1,
                                       .subsystem_vendor = VIRTIO_PCI_VENDOR,
                                   .subsystem = VIRTIO_PCI_SUBSYSTEM }, virtio_regs);
    virtio_init(&s->v, &s->pci, &rng_ops, sizes, 4, 1);
    if (s->rng) {
        s->rng->users++;
    }
    return true;
}

static void virtio_rng_unrealize(void *dev)
{
    VirtioRng *s = dev;

    virtio_free(&s->v);
    if (s->rng) {
        s->rng->users--;
    }
    pci_unrealize(dev);
}

static void virtio_rng_reset(void *dev)
{
    pci_reset(dev);
    virtio_reset(&((VirtioRng *)dev)->v);
}

static bool virtio_rng_restored(void *dev, GError **err)
{
    return virtio_restored(&((VirtioRng *)dev)->v, err) && pci_restored(dev, err);
}

static const Field virtio_rng_fields[] = { PCI_FIELDS(VirtioRng), VIRTIO_FIELDS(VirtioRng, v),
                                           CONFIG_LINK(VirtioRng, rng, "rng", "rng",
                                                       .help = "Id of an -object rng-...; without "
                                                               "it the host's kernel."),
                                           FIELD_END };

const DeviceClass virtio_rng_class = {
    .name = "virtio-rng-pci",
    .desc = "entropy device",
    .spec = "VIRTIO 1.2, 5.4",
    .bus = "pci",
    .size = sizeof(VirtioRng),
    .hotplug = true,
    .fields = virtio_rng_fields,
    .realize = virtio_rng_realize,
    .unrealize = virtio_rng_unrealize,
    .reset = virtio_rng_reset,
    .restored = virtio_rng_restored,
};
