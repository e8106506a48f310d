/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_pci.c -- a virtio device's registers on PCI: capabilities, common configuration,
 * notification, ISR, interrupts.
 *
 * Spec: VIRTIO 1.2, chapter 4.1 (virtio over PCI bus).
 * Omits: the legacy interface (devices are not transitional), notification data, queue_reset,
 *        shared memory capabilities.
 * Threads: with the machine lock.
 *
 *     BAR: 0000 common configuration   1000 ISR   2000 the type's configuration
 *     3000 + 4 n notification of queue n
 *     Capabilities: 40 access to the BAR through configuration space (4.1.4.9), then one for each
 *     of those; MSI-X
 */
#include "hw/virtio/virtio.h"
#include "core/trace.h"

enum { COMMON_AT = 0, ISR_AT = 0x1000, CONFIG_AT = 0x2000, NOTIFY_AT = 0x3000, PART_BYTES = 0x1000,
       NOTIFY_STEP = 4 };
/* 4.1.4 */
enum { CAP_VENDOR = 9, CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_CONFIG = 4, CAP_PCI = 5 };
enum { CAP_LEN = 2, CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_MORE = 16 };
enum { WINDOW_AT = 0x40, WINDOW_DATA = WINDOW_AT + CAP_MORE };
enum {                                /* 4.1.4.3: common configuration */
    DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12,
        CONFIG_VECTOR = 16,
    NUM_QUEUES = 18, DEVICE_STATUS = 20, CONFIG_GENERATION = 21, QUEUE_SELECT = 22, QUEUE_SIZE = 24,
        QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFF = 30, QUEUE_DESC = 32, QUEUE_AVAIL = 40, QUEUE_USED = 48,
        COMMON_BYTES = 56,
};

/* ---- interrupts (4.1.5.3, 4.1.5.4) ---- */
void virtio_irq(Virtio *v, uint16_t vector, uint8_t isr)
{
    trace_virtio_irq(v->pci->dev.path, vector);
    if (pci_msix_enabled(v->pci)) {
        if (vector != VIRTIO_NO_VECTOR) {
            pci_notify(v->pci, vector);
        }
        return;
    }
    v->isr |= isr;
    pci_irq(v->pci, true);
}

static uint64_t isr_read(Virtio *v)
{
    uint8_t val = v->isr;
    v->isr = 0;
    pci_irq(v->pci, false);
    return val;
}

/* ---- common configuration ---- */
static void put(uint8_t *image, unsigned at, unsigned n, uint64_t val)
{
    for (unsigned i = 0; i < n; i++) {
        image[at + i] = (uint8_t)(val >> (8 * i));
    }
}

static VirtQueue *selected(Virtio *v)
{
    return v->queue_select < v->n_queues ? &v->queue[v->queue_select] : NULL;
}

static uint64_t common_read(Virtio *v, unsigned at, unsigned size)
{
    uint8_t image[COMMON_BYTES] = { 0 };
    const VirtQueue *q = selected(v);
    uint64_t val = 0;
    put(image, DEVICE_FEATURE_SELECT, 4, v->device_select);
    put(image, DEVICE_FEATURE, 4, v->device_select < 2 ?
        virtio_offered(v) >> (32 * v->device_select) : 0);
    put(image, DRIVER_FEATURE_SELECT, 4, v->driver_select);
    put(image, DRIVER_FEATURE, 4, v->driver_select < 2 ?
        v->driver_features >> (32 * v->driver_select) : 0);
    put(image, CONFIG_VECTOR, 2, v->config_vector);
    put(image, NUM_QUEUES, 2, v->n_queues);
    put(image, DEVICE_STATUS, 1, v->status);
    put(image, CONFIG_GENERATION, 1, v->generation);
    put(image, QUEUE_SELECT, 2, v->queue_select);
    if (q) {
        put(image, QUEUE_SIZE, 2, q->size);
        put(image, QUEUE_VECTOR, 2, q->vector);
        put(image, QUEUE_ENABLE, 2, q->enabled);
        put(image, QUEUE_NOTIFY_OFF, 2, v->queue_select);
        put(image, QUEUE_DESC, 8, q->desc);
        put(image, QUEUE_AVAIL, 8, q->avail);
        put(image, QUEUE_USED, 8, q->used);
    }
    for (unsigned i = 0; i < size && at + i < COMMON_BYTES; i++) {
        val |= (uint64_t)image[at + i] << (8 * i);
    }
    return val;
}

static uint16_t vector_for(const Virtio *v, uint64_t val)
{
    return val < v->msix.n ? (uint16_t)val : VIRTIO_NO_VECTOR;
}

static void half(uint64_t *to, bool high, uint32_t val)
{
    *to = high ? (*to & UINT32_MAX) | (uint64_t)val << 32 : (*to & ~(uint64_t)UINT32_MAX) | val;
}

static void queue_write(Virtio *v, unsigned at, unsigned size, uint32_t val)
{
    VirtQueue *q = selected(v);
    if (!q) {
        return;
    }
    if (at == QUEUE_VECTOR && size == 2) {
        q->vector = vector_for(v, val);
    } else if (at == QUEUE_ENABLE && size == 2) {
        if (val == 1 && !q->enabled) {
            virtio_queue_enable(v, q);
        }
    } else if (q->enabled) {
        guest_error(v->pci, "queue %u is set up while it is on", v->queue_select);
    } else if (at == QUEUE_SIZE && size == 2) {
        q->size = val <= q->max ? (uint16_t)val : q->max;
    } else if (size == 4 && at >= QUEUE_DESC && at < COMMON_BYTES) {
        uint64_t *part[] = { &q->desc, &q->avail, &q->used };
        half(part[(at - QUEUE_DESC) / 8], at & 4, val);
    }
}

static void common_write(Virtio *v, unsigned at, unsigned size, uint32_t val)
{
    if (at == DEVICE_FEATURE_SELECT && size == 4) {
        v->device_select = val;
    } else if (at == DRIVER_FEATURE_SELECT && size == 4) {
        v->driver_select = val;
    } else if (at == DRIVER_FEATURE && size == 4) {
        if (v->driver_select < 2 && !(v->status & VIRTIO_FEATURES_OK)) {
            half(&v->driver_features, v->driver_select, val);
        }
    } else if (at == CONFIG_VECTOR && size == 2) {
        v->config_vector = vector_for(v, val);
    } else if (at == DEVICE_STATUS && size == 1) {
        virtio_set_status(v, (uint8_t)val);
    } else if (at == QUEUE_SELECT && size == 2) {
        v->queue_select = (uint16_t)val;
    } else {
        queue_write(v, at, size, val);
    }
}

/* ---- the type's configuration ---- */
static uint64_t config_read(Virtio *v, unsigned at, unsigned size)
{
    uint8_t image[VIRTIO_CONFIG_MAX] = { 0 };
    uint64_t val = 0;
    if (v->ops->config) {
        v->ops->config(virtio_part(v), image);
    }
    for (unsigned i = 0; i < size && at + i < v->ops->config_bytes; i++) {
        val |= (uint64_t)image[at + i] << (8 * i);
    }
    return val;
}

static void config_write(Virtio *v, unsigned at, unsigned size, uint64_t val)
{
    for (unsigned i = 0; v->ops->config_write && i < size && at + i < v->ops->config_bytes; i++) {
        v->ops->config_write(virtio_part(v), at + i, (uint8_t)(val >> (8 * i)));
    }
}

/* ---- the BAR ---- */
static uint64_t bar_read(void *dev, hwaddr off, unsigned size)
{
    Virtio *v = dev;
    unsigned at = (unsigned)off % PART_BYTES;
    switch (off - at) {
    case COMMON_AT: return common_read(v, at, size);
    case ISR_AT:    return at == 0 ? isr_read(v) : 0;
    case CONFIG_AT: return config_read(v, at, size);
    default:        return 0;
    }
}

static void bar_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Virtio *v = dev;
    unsigned at = (unsigned)off % PART_BYTES;
    switch (off - at) {
    case COMMON_AT: common_write(v, at, size, (uint32_t)val); break;
    case CONFIG_AT: config_write(v, at, size, val); break;
    case NOTIFY_AT: virtio_kick(v, at / NOTIFY_STEP); break;
    default:        break;
    }
}

static const MmioOps bar_ops = { .read = bar_read, .write = bar_write, .min = 1, .max = 4 };

/* ---- 4.1.4.9: the same registers by configuration cycles ---- */
static Virtio *of(void *dev)
{
    PciDevice *d = dev;
    for (unsigned i = 0; i < PCI_BAR_IS_ROM; i++) {
        if (d->bar[i].kind == PCI_BAR_MEM64 && d->bar[i].region->io == &bar_ops) {
            return d->bar[i].region->dev;
        }
    }
    return NULL;
}

static bool window(Virtio *v, uint32_t *at, uint32_t *size)
{
    uint32_t bar = pci_get(v->pci, WINDOW_AT + CAP_BAR, 1);
    *at = pci_get(v->pci, WINDOW_AT + CAP_OFFSET, 4);
    *size = pci_get(v->pci, WINDOW_AT + CAP_LENGTH, 4);
    return bar < PCI_BAR_IS_ROM && v->pci->bar[bar].region == &v->bar &&
        (*size == 1 || *size == 2 || *size == 4) &&
           *at % *size == 0 && *at < VIRTIO_BAR_BYTES;
}

static uint64_t window_read(void *dev, uint64_t val)
{
    Virtio *v = of(dev);
    uint32_t at, size;
    if (v && window(v, &at, &size)) {
        v->cfg_read = (uint32_t)bar_read(v, at, size);
        val = v->cfg_read;
    }
    return val;
}

static void window_write(void *dev, uint64_t old, uint64_t val)
{
    Virtio *v = of(dev);
    uint32_t at, size;
    (void)old;
    if (v && window(v, &at, &size)) {
        bar_write(v, at, size < 4 ? val & ((UINT64_C(1) << (8 * size)) - 1) : val, size);
    }
}

const Reg virtio_regs[] = {
    PCI_REG(WINDOW_DATA, 1, "PCI_CFG_DATA8", .wr = 0xff, .on_read = window_read),
    PCI_REG(WINDOW_DATA, 2, "PCI_CFG_DATA16", .wr = 0xffff, .on_read = window_read),
    PCI_REG(WINDOW_DATA, 4, "PCI_CFG_DATA", .wr = 0xffffffff, .on_read = window_read,
            .on_write = window_write),
    { .size = 0 }
};

/* ---- set-up ---- */
static void ring(void *dev, unsigned n)
{
    virtio_kick(dev, n);
}

static void capability(Virtio *v, unsigned type, unsigned bar, uint32_t at, uint32_t bytes,
                       uint32_t more)
{
    unsigned len = type == CAP_NOTIFY || type == CAP_PCI ? 20 : 16;
    uint8_t c = pci_capability(v->pci, CAP_VENDOR, (uint8_t)len);
    g_assert(type != CAP_PCI || c == WINDOW_AT);
    pci_fixed(v->pci, c + CAP_LEN, 1, len);
    pci_fixed(v->pci, c + CAP_TYPE, 1, type);
    pci_fixed(v->pci, c + CAP_BAR, 1, bar);
    pci_fixed(v->pci, c + CAP_OFFSET, 4, at);
    pci_fixed(v->pci, c + CAP_LENGTH, 4, bytes);
    if (type == CAP_NOTIFY) {
        pci_fixed(v->pci, c + CAP_MORE, 4, more);
    } else if (type == CAP_PCI) {
        pci_writable(v->pci, c + CAP_BAR, 1, 0xff);
        pci_writable(v->pci, c + CAP_OFFSET, 4, UINT32_MAX);
        pci_writable(v->pci, c + CAP_LENGTH, 4, UINT32_MAX);
    }
}

void virtio_init(Virtio *v, PciDevice *pci, const VirtioOps *ops, const uint16_t *sizes,
                 unsigned bar, unsigned msix_bar)
{
    g_assert(ops->config_bytes <= VIRTIO_CONFIG_MAX);
    v->pci = pci;
    v->ops = ops;
    timer_init(&v->later, pci->dev.machine, TIME_GUEST, virtio_later, v);
    for (v->n_queues = 0; sizes[v->n_queues]; v->n_queues++) {
        g_assert(v->n_queues < VIRTIO_QUEUES && sizes[v->n_queues] <= VIRTIO_QUEUE_MAX);
        v->queue[v->n_queues].max = sizes[v->n_queues];
    }
    region_init_io(&v->bar, "virtio", &bar_ops, v, VIRTIO_BAR_BYTES);
    for (unsigned n = 0; v->ioeventfd && n < v->n_queues; n++) {
        v->bell[n] = (Doorbell){ .at = NOTIFY_AT + n * NOTIFY_STEP, .ring = ring, .dev = v,
                                 .n = n };
        region_doorbell(&v->bar, &v->bell[n]);
    }
    pci_bar(pci, bar, PCI_BAR_MEM64, true, &v->bar);
    capability(v, CAP_PCI, 0, 0, 0, 0);
    capability(v, CAP_COMMON, bar, COMMON_AT, COMMON_BYTES, 0);
    capability(v, CAP_ISR, bar, ISR_AT, 1, 0);
    if (ops->config_bytes) {
        capability(v, CAP_CONFIG, bar, CONFIG_AT, ops->config_bytes, 0);
    }
    capability(v, CAP_NOTIFY, bar, NOTIFY_AT, v->n_queues * NOTIFY_STEP, NOTIFY_STEP);
    pci_msix_bar(pci, &v->msix, v->n_queues + 1, msix_bar);
}

void virtio_free(Virtio *v)
{
    if (v->pci) {
        timer_stop(&v->later);
        region_doorbells_free(&v->bar);
        pci_msix_free(v->pci);
    }
}
