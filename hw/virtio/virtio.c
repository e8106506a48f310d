/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio.c -- virtio devices apart from their transport: status, features, split virtqueues.
 *
 * Spec: VIRTIO 1.2, chapters 2.1 (status), 2.2 (features), 2.7 (split virtqueues), 2.4 (device
 *       reset).
 * Omits: packed virtqueues, single queue reset, in-order use, shared memory regions, the legacy
 *        interface.
 * Threads: with the machine lock; the driver may write its rings meanwhile.
 *
 *     descriptor   0 address   8 length   12 flags (1 next, 2 device writes, 4 indirect)   14 next
 *     driver area  0 flags (1 no interrupt)   2 index   4 ring of heads   4 + 2 size: used_event
 *     device area  0 flags                    2 index   4 ring of { head, bytes written }
 *     4 + 8 size: avail_event
 */
#include "hw/virtio/virtio.h"
#include "core/trace.h"
#include <inttypes.h>
#include <string.h>

enum { DESC_BYTES = 16, DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, NO_INTERRUPT = 1,
       USED_BYTES = 8 };

/* ---- status and features ---- */
void virtio_error(Virtio *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    guest_error(v->pci, "%s; the driver has to reset it", why);
    if (!(v->status & VIRTIO_NEEDS_RESET)) {
        v->status |= VIRTIO_NEEDS_RESET;
        if (v->status & VIRTIO_DRIVER_OK) {
            virtio_irq(v, v->config_vector, 2);
        }
    }
}

uint64_t virtio_offered(const Virtio *v)
{
    uint64_t own = v->ops->features_of ? v->ops->features_of(virtio_part(v)) : v->ops->features;
    return own | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1;
}

bool virtio_has(const Virtio *v, uint64_t feature)
{
    return (v->status & VIRTIO_FEATURES_OK) && (v->driver_features & feature);
}

bool virtio_running(const Virtio *v)
{
    return (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

static void queues_reset(Virtio *v)
{
    timer_stop(&v->later);
    v->again = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        VirtQueue *q = &v->queue[i];
        *q = (VirtQueue){ .max = q->max, .size = q->max, .vector = VIRTIO_NO_VECTOR };
    }
}

void virtio_reset(Virtio *v)
{
    bool ran = v->status & VIRTIO_DRIVER_OK;
    v->status = v->isr = v->generation = 0;
    v->device_select = v->driver_select = 0;
    v->driver_features = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    v->queue_select = 0;
    v->cfg_read = 0;
    queues_reset(v);
    if (ran && v->ops->status) {
        v->ops->status(virtio_part(v), false);
    }
    if (v->ops->reset) {
        v->ops->reset(virtio_part(v));
    }
}

void virtio_set_status(Virtio *v, uint8_t val)
{
    trace_virtio_status(v->pci->dev.path, val);
    uint8_t old = v->status, keep = old & VIRTIO_NEEDS_RESET;
    if (!val) {
        virtio_reset(v);
        pci_irq(v->pci, false);
        return;
    }
    bool known = !(v->driver_features & ~virtio_offered(v)) &&
        (v->driver_features & VIRTIO_F_VERSION_1);
    if ((val & VIRTIO_FEATURES_OK) && !(old & VIRTIO_FEATURES_OK) && !known) {
        /* 2.2.2: the driver reads it back and gives up */
        val &= (uint8_t)~VIRTIO_FEATURES_OK;
    }
    if ((val & VIRTIO_DRIVER_OK) && !(val & VIRTIO_FEATURES_OK)) {
        guest_error(v->pci, "DRIVER_OK before the features were agreed on");
        val &= (uint8_t)~VIRTIO_DRIVER_OK;
    }
    v->status = val | (old & (VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK)) | keep;
    if ((v->status & ~old & VIRTIO_DRIVER_OK) && v->ops->status) {
        v->ops->status(virtio_part(v), true);
    }
}

void virtio_config_changed(Virtio *v)
{
    v->generation++;
    if (virtio_running(v)) {
        virtio_irq(v, v->config_vector, 2);
    }
}

/* 2.7: sizes are powers of two; the parts are aligned to 16, 2 and 4. */
static bool queue_sane(const VirtQueue *q)
{
    return q->size && q->size <= q->max && !(q->size & (q->size - 1)) && !(q->desc & 15) &&
        !(q->avail & 1) && !(q->used & 3);
}

bool virtio_queue_enable(Virtio *v, VirtQueue *q)
{
    q->enabled = q->max && queue_sane(q);
    if (!q->enabled) {
        guest_error(v->pci, "queue %u of %u entries is not there, too large or not aligned",
                    v->queue_select, q->size);
    }
    return q->enabled;
}

void virtio_kick(Virtio *v, unsigned n)
{
    trace_virtio_queue_notify(v->pci->dev.path, n);
    if (n < v->n_queues && v->queue[n].enabled && virtio_running(v)) {
        v->ops->queue(virtio_part(v), n);
    }
}

void virtio_again(Virtio *v, unsigned n)
{
    v->again |= 1u << n;
    timer_arm(&v->later, time_now(v->pci->dev.machine, TIME_GUEST));
}

void virtio_later(void *opaque)
{
    Virtio *v = opaque;
    uint32_t mask = v->again;
    v->again = 0;
    for (unsigned n = 0; n < v->n_queues; n++) {
        if (mask >> n & 1) {
            virtio_kick(v, n);
        }
    }
}

bool virtio_restored(Virtio *v, GError **err)
{
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        const VirtQueue *q = &v->queue[i];
        if ((q->enabled && !queue_sane(q)) || q->size > q->max ||
            (q->vector != VIRTIO_NO_VECTOR && q->vector >= v->msix.n)) {
            return fail(err, "%s: the saved queue %u is impossible", v->pci->dev.path, i);
        }
    }
    if (v->config_vector != VIRTIO_NO_VECTOR && v->config_vector >= v->msix.n) {
        return fail(err, "%s: the saved configuration vector is impossible", v->pci->dev.path);
    }
    return true;
}

/* ---- rings ---- */
static bool get(Virtio *v, hwaddr at, void *buf, size_t n)
{
    return at + n > at && as_read(v->pci->dma, at, buf, n) == MEM_OK;
}

static bool get16(Virtio *v, hwaddr at, uint16_t *out)
{
    uint16_t le;
    if (!get(v, at, &le, sizeof(le))) {
        return false;
    }
    *out = GUINT16_FROM_LE(le);
    return true;
}

static bool put16(Virtio *v, hwaddr at, uint16_t val)
{
    uint16_t le = GUINT16_TO_LE(val);
    return as_write(v->pci->dma, at, &le, sizeof(le)) == MEM_OK;
}

typedef struct Walk {                 /* a chain in the making */
    VirtSeg  seg[VIRTIO_SEGS];
    unsigned n_out, n_in;
    uint64_t out_bytes, in_bytes;
} Walk;

static bool take_segment(Virtio *v, Walk *w, uint64_t at, uint32_t bytes, uint16_t flags)
{
    if (w->n_out + w->n_in == VIRTIO_SEGS || (w->n_in && !(flags & DESC_WRITE)) ||
        at + bytes < at) {
        virtio_error(v,
                     "a chain is longer than %d, wraps, or has a part to read behind one to write",
                     VIRTIO_SEGS);
        return false;
    }
    w->seg[w->n_out + w->n_in] = (VirtSeg){ at, bytes };
    *(flags & DESC_WRITE ? &w->n_in : &w->n_out) += 1;
    *(flags & DESC_WRITE ? &w->in_bytes : &w->out_bytes) += bytes;
    return true;
}

/* Follow a chain through a table of n descriptors from entry i; once, into an indirect table
   (2.7.5.3). */
static bool walk(Virtio *v, Walk *w, hwaddr table, uint32_t n, uint32_t i, bool indirect)
{
    for (uint32_t steps = 0; ; steps++) {
        struct { uint64_t at; uint32_t bytes; uint16_t flags, next; } d;
        if (i >= n || steps >= n || !get(v, table + (uint64_t)i * DESC_BYTES, &d, sizeof(d))) {
            virtio_error(v, "a chain loops or leaves its table");
            return false;
        }
        uint64_t at = GUINT64_FROM_LE(d.at);
        uint32_t bytes = GUINT32_FROM_LE(d.bytes);
        uint16_t flags = GUINT16_FROM_LE(d.flags);
        if (flags & DESC_INDIRECT) {
            uint32_t entries = bytes / DESC_BYTES;
            if (indirect || (flags & DESC_NEXT) || !virtio_has(v, VIRTIO_F_INDIRECT) || !entries ||
                bytes % DESC_BYTES) {
                virtio_error(v, "an indirect table where none may be, or of %u bytes", bytes);
                return false;
            }
            return walk(v, w, at, MIN(entries, VIRTIO_SEGS + 1), 0, true);
        }
        if (!take_segment(v, w, at, bytes, flags)) {
            return false;
        }
        if (!(flags & DESC_NEXT)) {
            return true;
        }
        i = GUINT16_FROM_LE(d.next);
    }
}

/* How many chains wait; when none does and the driver counts, say where to wake us, and look again.
   */
static bool waiting(Virtio *v, VirtQueue *q)
{
    for (int again = 0; again < 2; again++) {
        uint16_t index;
        if (!get16(v, q->avail + 2, &index)) {
            virtio_error(v, "the ring at %" PRIx64 " is not in memory", q->avail);
            return false;
        }
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if ((uint16_t)(index - q->next_avail) > q->size) {
            virtio_error(v, "index %u of a ring of %u that stood at %u", index, q->size,
                         q->next_avail);
            return false;
        }
        if (index != q->next_avail) {
            return true;
        }
        if (!virtio_has(v, VIRTIO_F_EVENT_IDX)) {
            return false;
        }
        put16(v, q->used + 4 + (uint64_t)q->size * USED_BYTES, q->next_avail);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    return false;
}

VirtChain *virtio_pop(Virtio *v, unsigned n)
{
    VirtQueue *q = &v->queue[n];
    uint16_t head;
    Walk w;
    if (n >= v->n_queues || !q->enabled || !virtio_running(v) || !waiting(v, q)) {
        return NULL;
    }
    if (!get16(v, q->avail + 4 + 2 * (uint64_t)(q->next_avail & (q->size - 1)), &head)) {
        virtio_error(v, "the ring at %" PRIx64 " is not in memory", q->avail);
        return NULL;
    }
    w.n_out = w.n_in = 0;
    w.out_bytes = w.in_bytes = 0;
    if (!walk(v, &w, q->desc, q->size, head, false)) {
        return NULL;
    }
    q->next_avail++;
    VirtChain *c = g_malloc(sizeof(*c) + (w.n_out + w.n_in) * sizeof(VirtSeg));
    *c = (VirtChain){ .head = head, .n_out = w.n_out, .n_in = w.n_in, .out_bytes = w.out_bytes,
                      .in_bytes = w.in_bytes };
    memcpy(c->seg, w.seg, (w.n_out + w.n_in) * sizeof(VirtSeg));
    return c;
}

void virtio_unpop(Virtio *v, unsigned n, VirtChain *c)
{
    v->queue[n].next_avail--;
    g_free(c);
}

void virtio_push(Virtio *v, unsigned n, VirtChain *c, uint32_t written)
{
    VirtQueue *q = &v->queue[n];
    uint32_t entry[2] = { GUINT32_TO_LE(c->head), GUINT32_TO_LE(written) };
    g_free(c);
    if (!virtio_running(v) || !q->enabled) {
        return;                       /* reset meanwhile */
    }
    bool ok = as_write(v->pci->dma,
                       q->used + 4 + (uint64_t)(q->next_used & (q->size - 1)) * USED_BYTES, entry,
                       sizeof(entry)) == MEM_OK;
    q->next_used++;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!ok || !put16(v, q->used + 2, q->next_used)) {
        virtio_error(v, "the ring at %" PRIx64 " is not in memory", q->used);
    }
}

/* 2.7.7: by the driver's flag, or by the index it waits for. */
void virtio_notify(Virtio *v, unsigned n)
{
    VirtQueue *q = &v->queue[n];
    uint16_t old = q->told_used, flags = 0, event = 0;
    bool want;
    if (!q->enabled || !virtio_running(v) || (q->told && old == q->next_used)) {
        return;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (virtio_has(v, VIRTIO_F_EVENT_IDX)) {
        get16(v, q->avail + 4 + 2 * (uint64_t)q->size, &event);
        want = !q->told || (uint16_t)(q->next_used - event - 1) < (uint16_t)(q->next_used - old);
    } else {
        get16(v, q->avail, &flags);
        want = !(flags & NO_INTERRUPT);
    }
    q->told = true;
    q->told_used = q->next_used;
    if (want) {
        virtio_irq(v, q->vector, 1);
    }
}

/* ---- data ---- */
static size_t copy(Virtio *v, const VirtSeg *seg, unsigned n_seg, uint64_t from, void *buf,
                   size_t n, bool in)
{
    size_t done = 0;
    for (unsigned i = 0; i < n_seg && done < n; i++) {
        if (from >= seg[i].bytes) {
            from -= seg[i].bytes;
            continue;
        }
        size_t now = MIN(n - done, seg[i].bytes - from);
        char *p = (char *)buf + done;
        MemResult r = in ? as_write(v->pci->dma, seg[i].at + from, p, now) :
            as_read(v->pci->dma, seg[i].at + from, p, now);
        if (r != MEM_OK) {
            break;
        }
        done += now;
        from = 0;
    }
    return done;
}

size_t virtio_read(Virtio *v, const VirtChain *c, uint64_t from, void *buf, size_t n)
{
    return copy(v, c->seg, c->n_out, from, buf, n, false);
}

size_t virtio_write(Virtio *v, const VirtChain *c, uint64_t from, const void *buf, size_t n)
{
    return copy(v, c->seg + c->n_out, c->n_in, from, (void *)(uintptr_t)buf, n, true);
}

static const Field queue_fields[] = {
    STATE(VirtQueue, size, .max = VIRTIO_QUEUE_MAX), STATE(VirtQueue, vector),
        STATE(VirtQueue, enabled), STATE(VirtQueue, desc),
    STATE(VirtQueue, avail), STATE(VirtQueue, used), STATE(VirtQueue, next_avail),
        STATE(VirtQueue, next_used),
    STATE(VirtQueue, told_used), STATE(VirtQueue, told), FIELD_END
};

const Field virtio_fields[] = {
    STATE(Virtio, device_select), STATE(Virtio, driver_select), STATE(Virtio, driver_features),
        STATE(Virtio, status),
    STATE(Virtio, generation), STATE(Virtio, isr, .max = 3), STATE(Virtio, config_vector),
        STATE(Virtio, queue_select),
    STATE(Virtio, cfg_read), STATE(Virtio, again), STATE_TIMER(Virtio, later),
    STATE_STRUCT(Virtio, queue, VirtQueue, queue_fields), FIELD_END
};
