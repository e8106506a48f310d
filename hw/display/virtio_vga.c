/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_vga.c -- virtio-vga: a virtio GPU that is a standard VGA until its driver shows a picture
 * of its own.
 *
 * Spec: VIRTIO 1.2, chapter 5.7; IBM VGA and Bochs VBE as in vga.c.
 * Omits: what virtio_gpu.c and vga.c omit.
 * Threads: with the machine lock.
 *
 *     BAR 0: video memory     BAR 2: VGA registers     BAR 3: MSI-X     BAR 4: virtio
 *     ROM: the VGA BIOS
 */
#include "hw/display/vga.h"
#include "hw/display/virtio_gpu.h"

typedef struct VirtioVga {
    Vga       vga;
    VirtioGpu g;
} VirtioVga;

static const VirtioOps virtio_vga_ops = GPU_OPS(VirtioVga, g);

static bool virtio_vga_realize(void *dev, GError **err)
{
    VirtioVga *s = dev;
    s->vga.edid = s->g.edid;
    s->vga.xres = s->g.xres;
    s->vga.yres = s->g.yres;
    if (!vga_setup(&s->vga, &(PciIdent){ .vendor = VIRTIO_PCI_VENDOR,
                                         .device = VIRTIO_PCI_DEVICE + VIRTIO_ID_GPU, .revision = 1,
                                         .class_code = 0x030000, .pin = 1,
                                             .subsystem_vendor = VIRTIO_PCI_VENDOR,
                                         .subsystem = VIRTIO_PCI_SUBSYSTEM }, virtio_regs,
                                             "vgabios-virtio.bin", err)) {
        return false;
    }
    gpu_init(&s->g, &s->vga.pci, &virtio_vga_ops, 4, 3);
    return true;
}

static void virtio_vga_unrealize(void *dev)
{
    gpu_free(&((VirtioVga *)dev)->g);
    vga_unrealize(dev);
}

static void virtio_vga_reset(void *dev)
{
    vga_reset(dev);
    virtio_reset(&((VirtioVga *)dev)->g.v);
}

static bool virtio_vga_restored(void *dev, GError **err)
{
    return gpu_restored(&((VirtioVga *)dev)->g, err) && vga_restored(dev, err);
}

static const Field virtio_vga_fields[] = {
    PCI_FIELDS(Vga),
    { .name = "vgamem_mb", .type = T_U32, .flags = F_CONFIG, .offset = offsetof(Vga, vgamem_mb),
      .count = 1, .def = 8, .min = 1,
      .max = 512, .help = "Video memory of the VGA in MiB, a power of two." },
    VGA_STATE(Vga, pci), STATE_RAM(Vga, vram), GPU_FIELDS(VirtioVga, g), FIELD_END
};

const DeviceClass virtio_vga_class = {
    .name = "virtio-vga",
    .desc = "2D graphics on virtio, with VGA",
    .spec = "VIRTIO 1.2, 5.7; IBM VGA",
    .bus = "pci",
    .size = sizeof(VirtioVga),
    .fields = virtio_vga_fields,
    .io = &vga_ports_ops,
    .bank_size = VGA_PORT_BYTES,
    .realize = virtio_vga_realize,
    .unrealize = virtio_vga_unrealize,
    .reset = virtio_vga_reset,
    .restored = virtio_vga_restored,
};
