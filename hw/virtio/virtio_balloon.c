/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_balloon.c -- virtio-balloon-pci: memory that the guest does without goes back to the host,
 *   when the host asks (balloon) or by itself (free page reporting); and what the guest says of its
 *   memory.
 *
 * Spec: VIRTIO 1.2, chapter 5.5 (traditional memory balloon device).
 * Omits: free page hints (for live migration), page poison (a driver that counts on what is in a
 *   reported page does not report),
 *   MUST_TELL_HOST.  Queues that the driver has not agreed to have no number, as Linux counts them.
 * Threads: with the machine lock.
 *
 * The statistics queue has one buffer of the driver's, filled in; to be given a new one the device
 * gives it back.
 */
#include "core/machine.h"
#include "hw/virtio/virtio.h"
#include <string.h>

enum { F_STATS = 1 << 1, F_DEFLATE_ON_OOM = 1 << 2, F_REPORTING = 1 << 5 };            /* 5.5.3 */
enum { NUM_PAGES_AT = 0, ACTUAL_AT = 4, CONFIG_BYTES = 16 };                            /* 5.5.4 */
enum { INFLATE, DEFLATE, STATS };
enum { PAGE_SHIFT = 12, PAGE_BYTES = 1 << PAGE_SHIFT, QUEUE = 128, REPORT_QUEUE = 32, CHAINS = 8,
       PAGES_MOST = 65536, PFNS = 256 };
enum { N_STATS = 10, STAT_BYTES = 10 };
static const char *const stat_names[N_STATS] = {
    /* 5.5.6.4 */
    "stat-swap-in",      "stat-swap-out",     "stat-major-faults",     "stat-minor-faults",
    "stat-free-memory",  "stat-total-memory", "stat-available-memory", "stat-disk-caches",
    "stat-htlb-pgalloc", "stat-htlb-pgfail",
};

typedef struct Balloon {
    PciDevice pci;
    Virtio    v;
    bool      deflate_on_oom, reporting;
    int64_t   poll_s;                 /* statistics every so many seconds; 0: never */
    uint32_t  target, actual;         /* pages that the guest is to give, has given */
    uint64_t  stat[N_STATS];
    int64_t   stats_s;                /* when they came, since 1970; 0: never */
    Timer     poll, tell;
    uint64_t  told_ns;                /* BALLOON_CHANGE, at most one a second */
} Balloon;

enum { SECOND_NS = 1000000000 };

/* ---- pages go back to the host ---- */

/* A guest's physical memory: of it, the pages that are RAM as a whole. */
static void give_back(Balloon *s, hwaddr at, uint64_t bytes)
{
    Machine *m = s->pci.dev.machine;
    hwaddr   end = at + bytes;
    MemRange l;

    for (; at < end; at = l.at + l.size) {
        bool there = as_lookup(m->as_memory, at, true, &l);
        hwaddr from = (MAX(at, l.at) + PAGE_BYTES - 1) & -(hwaddr)PAGE_BYTES;
        hwaddr to = MIN(end, l.at + l.size) & -(hwaddr)PAGE_BYTES;
        if (there && l.region == &m->ram && from < to) {
            region_discard(l.region, l.from + (from - l.at), to - from);
        }
        if (l.at + l.size <= at) {
            return;
        }
    }
}

/* Pages that lie side by side go together; drivers give them upwards or downwards. */
static void inflate(Balloon *s, const VirtChain *c)
{
    uint64_t first = 0, n = 0;

    for (uint64_t at = 0; at + 4 <= MIN(c->out_bytes, (uint64_t)PAGES_MOST * 4);) {
        uint32_t pfn[PFNS];
        size_t got =
            virtio_read(&s->v, c, at, pfn, MIN(sizeof pfn, (c->out_bytes - at) & ~UINT64_C(3))) / 4;
        for (size_t i = 0; i < got; i++) {
            uint64_t page = GUINT32_FROM_LE(pfn[i]);
            if (n && page == first + n) {
                n++;
            } else if (n && page + 1 == first) {
                first = page;
                n++;
            } else {
                give_back(s, first << PAGE_SHIFT, n << PAGE_SHIFT);
                first = page;
                n = 1;
            }
        }
        if (!got) {
            break;
        }
        at += got * 4;
    }
    give_back(s, first << PAGE_SHIFT, n << PAGE_SHIFT);
}

static void reported(Balloon *s, const VirtChain *c)
{
    for (unsigned i = 0; i < c->n_in; i++) {
        give_back(s, c->seg[c->n_out + i].at, c->seg[c->n_out + i].bytes);
    }
}

/* ---- statistics ---- */

static void stats_clear(Balloon *s)
{
    memset(s->stat, 0xff, sizeof s->stat);
}

static void stats_take(Balloon *s, const VirtChain *c)
{
    uint8_t e[STAT_BYTES];

    stats_clear(s);
    for (uint64_t at = 0; at + STAT_BYTES <= MIN(c->out_bytes, PAGE_BYTES); at += STAT_BYTES) {
        uint16_t tag;
        uint64_t val;
        if (virtio_read(&s->v, c, at, e, STAT_BYTES) != STAT_BYTES) {
            break;
        }
        memcpy(&tag, e, 2);
        memcpy(&val, e + 2, 8);
        if (GUINT16_FROM_LE(tag) < N_STATS) {
            s->stat[GUINT16_FROM_LE(tag)] = GUINT64_FROM_LE(val);
        }
    }
    s->stats_s = g_get_real_time() / G_USEC_PER_SEC;
}

static void poll_again(Balloon *s)
{
    if (s->poll_s) {
        timer_arm(&s->poll,
                  time_now(s->pci.dev.machine, TIME_HOST) + (uint64_t)s->poll_s * SECOND_NS);
    } else {
        timer_stop(&s->poll);
    }
}

static void poll_now(void *dev)
{
    Balloon   *s = dev;
    bool       may = s->pci.dev.machine->state == RUN_RUNNING && virtio_has(&s->v, F_STATS);
    VirtChain *c = may ? virtio_pop(&s->v, STATS) : NULL;

    if (c) {
        virtio_push(&s->v, STATS, c, 0);
        virtio_notify(&s->v, STATS);
    }
    poll_again(s);
}

/* ---- queues ---- */

static void queue(void *dev, unsigned n)
{
    Balloon   *s = dev;
    VirtChain *c = NULL;
    unsigned   i;

    if (n == STATS && virtio_has(&s->v, F_STATS)) {
        if ((c = virtio_pop(&s->v, n))) {       /* it stays the device's until more is wanted */
            stats_take(s, c);
            virtio_unpop(&s->v, n, c);
        }
        return;
    }
    for (i = 0; i < CHAINS && (c = virtio_pop(&s->v, n)); i++) {
        if (n == INFLATE) {
            inflate(s, c);
        } else if (n >= STATS) {
            reported(s, c);
        }
        virtio_push(&s->v, n, c, 0);
    }
    if (i == CHAINS) {
        virtio_again(&s->v, n);
    }
    virtio_notify(&s->v, n);
}

/* ---- what it is asked for, and what it has ---- */

static void config(void *dev, uint8_t *bytes)
{
    Balloon *s = dev;
    uint32_t le[2] = { GUINT32_TO_LE(s->target), GUINT32_TO_LE(s->actual) };

    memcpy(bytes, le, sizeof le);
}

/* The driver's own count; bytes come one by one, and the event when it is done. */
static void config_write(void *dev, unsigned at, uint8_t val)
{
    Balloon *s = dev;
    unsigned shift = (at - ACTUAL_AT) * 8;
    uint32_t old = s->actual;

    if (at < ACTUAL_AT || at >= ACTUAL_AT + 4) {
        return;
    }
    s->actual = (old & ~(0xffu << shift)) | (uint32_t)val << shift;
    if (s->actual != old) {
        timer_arm(&s->tell, MAX(time_now(s->pci.dev.machine, TIME_HOST), s->told_ns + SECOND_NS));
    }
}

static uint64_t kept(const Balloon *s)
{
    uint64_t given = (uint64_t)s->actual << PAGE_SHIFT, ram = s->pci.dev.machine->ram_bytes;

    return ram - MIN(given, ram);
}

static void tell(void *dev)
{
    Balloon *s = dev;
    GVariantBuilder b;

    s->told_ns = time_now(s->pci.dev.machine, TIME_HOST);
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&b, "{sv}", "actual", g_variant_new_int64((int64_t)kept(s)));
    machine_event(s->pci.dev.machine, "BALLOON_CHANGE", g_variant_builder_end(&b));
}

static void ask(void *dev, uint64_t bytes)
{
    Balloon *s = dev;
    uint64_t ram = s->pci.dev.machine->ram_bytes;

    s->target = (uint32_t)((ram - MIN(bytes, ram)) >> PAGE_SHIFT);
    virtio_config_changed(&s->v);
}

static uint64_t has(void *dev)
{
    return kept(dev);
}

static GVariant *get(void *dev, const char *property)
{
    Balloon *s = dev;
    GVariantBuilder all, stats;

    if (strcmp(property, "guest-stats")) {
        return NULL;
    }
    g_variant_builder_init(&all, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_init(&stats, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < N_STATS; i++) {
        g_variant_builder_add(&stats, "{sv}", stat_names[i], g_variant_new_uint64(s->stat[i]));
    }
    g_variant_builder_add(&all, "{sv}", "stats", g_variant_builder_end(&stats));
    g_variant_builder_add(&all, "{sv}", "last-update", g_variant_new_int64(s->stats_s));
    return g_variant_builder_end(&all);
}

static void changed(void *dev)
{
    poll_now(dev);
}

/* ---- life ---- */

static uint64_t features_of(void *dev)
{
    const Balloon *s = dev;

    return F_STATS | (s->deflate_on_oom ? F_DEFLATE_ON_OOM : 0) | (s->reporting ? F_REPORTING : 0);
}

static const VirtioOps balloon_ops = {
    .id = VIRTIO_ID_BALLOON, .config_bytes = CONFIG_BYTES,
    .config = config, .config_write = config_write,
    .features_of = features_of, .queue = queue,
};

static bool virtio_balloon_realize(void *dev, GError **err)
{
    static const uint16_t sizes[] = { QUEUE, QUEUE, QUEUE, REPORT_QUEUE, 0 },
                          plain[] = { QUEUE, QUEUE, QUEUE, 0 };
    Balloon *s = dev;
    Machine *m = s->pci.dev.machine;

    if (m->balloon.dev) {
        return fail(err, "virtio-balloon-pci: there is one already, and a machine has one at most");
    }
    m->balloon = (Ballooning){ .dev = s, .ask = ask, .has = has };
    timer_init(&s->poll, m, TIME_HOST, poll_now, s);
    timer_init(&s->tell, m, TIME_HOST, tell, s);
    stats_clear(s);
    pci_init(&s->pci, &(PciIdent){ .vendor = VIRTIO_PCI_VENDOR,
                                   .device = VIRTIO_PCI_DEVICE + VIRTIO_ID_BALLOON, .revision = 1,
                                   .class_code = 0x00ff00, .pin = 1,
                                   .subsystem_vendor = VIRTIO_PCI_VENDOR,
                                   .subsystem = VIRTIO_PCI_SUBSYSTEM }, virtio_regs);
    virtio_init(&s->v, &s->pci, &balloon_ops, s->reporting ? sizes : plain, 4, 1);
    poll_again(s);
    return true;
}

static void virtio_balloon_unrealize(void *dev)
{
    Balloon *s = dev;

    if (s->v.pci) {
        timer_stop(&s->poll);
        timer_stop(&s->tell);
    }
    if (s->pci.dev.machine->balloon.dev == s) {
        s->pci.dev.machine->balloon = (Ballooning){ 0 };
    }
    virtio_free(&s->v);
    pci_unrealize(dev);
}

/* What the host asks for is the host's to change. */
static void virtio_balloon_reset(void *dev)
{
    Balloon *s = dev;

    pci_reset(dev);
    virtio_reset(&s->v);
    s->actual = 0;
    stats_clear(s);
    s->stats_s = 0;
}

static bool virtio_balloon_restored(void *dev, GError **err)
{
    return virtio_restored(&((Balloon *)dev)->v, err) && pci_restored(dev, err);
}

static const Field virtio_balloon_fields[] = {
    PCI_FIELDS(Balloon),
    VIRTIO_FIELDS(Balloon, v),
    CONFIG_AS(Balloon, deflate_on_oom, "deflate-on-oom",
              .help = "The guest may take memory back when it has none left."),
    CONFIG_AS(Balloon, reporting, "free-page-reporting",
              .help = "The guest tells of free pages, which go back to the host."),
    { .name = "guest-stats-polling-interval",
      .type = T_I64,
      .flags = F_CONFIG | F_LIVE,
      .offset = offsetof(Balloon, poll_s),
      .count = 1,
      .max = UINT32_MAX,
      .help = "Ask for guest-stats every so many seconds; 0: never." },
    STATE(Balloon, target),
    STATE(Balloon, actual),
    STATE_ARRAY(Balloon, stat),
    STATE(Balloon, stats_s),
    FIELD_END
};

const DeviceClass virtio_balloon_class = {
    .name = "virtio-balloon-pci",
    .desc = "takes memory from the guest and gives it to the host",
    .spec = "VIRTIO 1.2, 5.5",
    .bus = "pci",
    .size = sizeof(Balloon),
    .fields = virtio_balloon_fields,
    .realize = virtio_balloon_realize,
    .unrealize = virtio_balloon_unrealize,
    .reset = virtio_balloon_reset,
    .restored = virtio_balloon_restored,
    .get = get,
    .changed = changed,
};
