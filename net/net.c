/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.c -- cables: delivery between two ends, what waits for a full one, and the back ends of the
 * command line.
 *
 * Spec: IEEE 802.3 clause 3 (frames).
 * Omits: hubs: -net's one card and one back end are joined directly.  What waits at an end is not
 *   in saved state: a cable may lose frames.
 * Threads: with the machine lock.
 */
#include "net/net.h"
#include "core/machine.h"
#include "core/commands.h"
#include "core/options.h"
#include "core/trace.h"
#include <stdio.h>
#include <string.h>

#define NETDEV(file) extern const NetOps file##_netdev;
#include "net/netdevs.def"
#undef NETDEV
#define NETDEV(file) &file##_netdev,
const NetOps *const net_back_ends[] = {
#include "net/netdevs.def"
    NULL
};

/* ---- frames ---- */

size_t iov_bytes(const struct iovec *iov, unsigned n)
{
    size_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += iov[i].iov_len;
    }
    return sum;
}

size_t iov_copy(const struct iovec *iov, unsigned n, size_t from, void *to, size_t bytes)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < bytes; i++) {
        if (from >= iov[i].iov_len) {
            from -= iov[i].iov_len;
            continue;
        }
        size_t now = MIN(iov[i].iov_len - from, bytes - done);
        memcpy((char *)to + done, (char *)iov[i].iov_base + from, now);
        done += now;
        from = 0;
    }
    return done;
}

static bool takes(NetEnd *e)
{
    return !e->is_guest || e->machine->state == RUN_RUNNING;
}

static void keep(NetEnd *e, const struct iovec *iov, unsigned n)
{
    size_t bytes = iov_bytes(iov, n);
    void  *copy;

    trace_net_keep(e->id, bytes);
    if (g_queue_get_length(&e->backlog) >= NET_BACKLOG) {
        e->dropped++;
        return;
    }
    copy = g_malloc(bytes);
    iov_copy(iov, n, 0, copy, bytes);
    g_queue_push_tail(&e->backlog, g_bytes_new_take(copy, bytes));
    if (!takes(e)) {
        timer_arm(&e->wake, time_now(e->machine, TIME_GUEST));
    }
}

void net_send(NetEnd *from, const struct iovec *iov, unsigned n)
{
    NetEnd *to = from->peer;
    size_t  bytes = iov_bytes(iov, n);

    if (!to || from->link_down || to->link_down || !bytes || bytes > NET_FRAME_MAX) {
        from->dropped += to != NULL;
        return;
    }
    trace_net_send(from->id, to->id, bytes);
    if (!takes(to) || !g_queue_is_empty(&to->backlog) || !to->ops->receive(to, iov, n)) {
        keep(to, iov, n);
    }
}

void net_ready(NetEnd *e)
{
    GBytes *b;

    while (takes(e) && !e->link_down && (b = g_queue_peek_head(&e->backlog))) {
        gsize        n;
        const void  *data = g_bytes_get_data(b, &n);
        struct iovec iov = { .iov_base = (void *)data, .iov_len = n };
        if (!e->ops->receive(e, &iov, 1)) {
            return;
        }
        g_bytes_unref(g_queue_pop_head(&e->backlog));
    }
}

static void wake(void *end)
{
    net_ready(end);
}

static void forget(NetEnd *e)
{
    GBytes *b;

    while ((b = g_queue_pop_head(&e->backlog))) {
        g_bytes_unref(b);
    }
}

bool net_set_link(NetEnd *e, bool up)
{
    NetEnd *both[2] = { e, e->peer };

    trace_net_link(e->id, up);
    for (unsigned i = 0; i < 2 && both[i]; i++) {
        if (both[i]->link_down == !up) {
            continue;
        }
        both[i]->link_down = !up;
        forget(both[i]);
        if (both[i]->ops->link) {
            both[i]->ops->link(both[i], up);
        }
    }
    return e->peer != NULL;
}

/* ---- cards ---- */

/* Locally administered addresses, as users of such machines know them. */
void net_mac_next(Machine *m, uint8_t mac[6])
{
    static const uint8_t first[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

    memcpy(mac, first, 6);
    mac[5] += m->n_nics;
}

bool net_mac_parse(const char *text, uint8_t mac[6], GError **err)
{
    unsigned v[6];
    int      end = 0;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", v, v + 1, v + 2, v + 3, v + 4, v + 5, &end) !=
            6 ||
        text[end]) {
        return fail(err, "mac=%s: must be six pairs of hexadecimal digits, as in 52:54:00:12:34:56",
                    text);
    }
    if (v[0] & 1) {
        return fail(err, "mac=%s: is a group address; a card's has an even first byte", text);
    }
    for (unsigned i = 0; i < 6; i++) {
        mac[i] = (uint8_t)v[i];
    }
    return true;
}

bool net_nic_open(NetEnd *nic, const NetOps *ops, Device *d, NetEnd *peer, GError **err)
{
    if (peer && peer->peer) {
        return fail(err, "netdev %s is already used by %s; give each card its own -netdev",
                    peer->id, peer->peer->id);
    }
    nic->ops = ops;
    nic->machine = d->machine;
    nic->is_guest = true;
    nic->id =
        d->id ? g_strdup(d->id) : g_strdup_printf("%s.%u", d->class->name, d->machine->n_nics);
    nic->peer = peer;
    g_queue_init(&nic->backlog);
    timer_init(&nic->wake, d->machine, TIME_GUEST, wake, nic);
    if (peer) {
        peer->peer = nic;
        nic->link_down = peer->link_down;
    }
    d->machine->n_nics++;
    return true;
}

void net_nic_close(NetEnd *nic)
{
    timer_stop(&nic->wake);
    if (nic->peer) {
        nic->peer->peer = NULL;
        forget(nic->peer);
        nic->peer = NULL;
    }
    forget(nic);
    g_clear_pointer(&nic->id, g_free);
}

/* ---- back ends ---- */

NetEnd *net_find(Machine *m, const char *id)
{
    for (guint i = 0; m->nets && i < m->nets->len; i++) {
        NetEnd *e = m->nets->pdata[i];
        if (!strcmp(e->id, id)) {
            return e;
        }
    }
    return NULL;
}

static void *find_link(Machine *m, const char *id)
{
    return net_find(m, id);
}

static void end_free(NetEnd *e)
{
    forget(e);
    fields_clear(e->ops->fields, e);
    g_free(e->id);
    g_free(e);
}

static const NetOps *kind(const char *name, GError **err)
{
    GString *names = g_string_new(NULL);

    for (const NetOps *const *o = net_back_ends; *o; o++) {
        if (!strcmp((*o)->name, name)) {
            g_string_free(names, TRUE);
            return *o;
        }
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", (*o)->name);
    }
    fail(err, "-netdev %s: there is no such network back end here; there are: %s", name,
         names->len ? names->str : "none");
    g_string_free(names, TRUE);
    return NULL;
}

void net_print_help(void)
{
    printf("Network back ends:\n");
    for (const NetOps *const *o = net_back_ends; *o; o++) {
        printf("  %-8s %s\n", (*o)->name, (*o)->desc);
        for (const Field *f = (*o)->fields; f->name; f++) {
            printf("      %-12s %s\n", f->name, f->help);
        }
    }
}

static bool open_one(Machine *m, const OptNetdev *o, GError **err)
{
    const NetOps *ops = kind(o->type, err);
    NetEnd       *e;
    bool          ok = true;

    if (!ops) {
        return false;
    }
    e = g_malloc0(ops->size);
    e->ops = ops;
    e->machine = m;
    e->id = g_strdup(o->id);
    g_queue_init(&e->backlog);
    timer_init(&e->wake, m, TIME_GUEST, wake, e);
    fields_defaults(ops->fields, e);
    for (guint i = 0; o->rest && i < o->rest->len && ok; i++) {
        const OptPair *p = o->rest->pdata[i];
        ok = field_parse(ops->fields, e, p->key, p->val, err);
    }
    if (!ok || !fields_check(ops->fields, e, err) || !ops->open(e, err)) {
        g_prefix_error(err, "-netdev %s,id=%s: ", o->type, o->id);
        end_free(e);
        return false;
    }
    g_ptr_array_add(m->nets, e);
    return true;
}

static bool set_link(Machine *m, const char *name, bool up, GError **err)
{
    NetEnd *e = net_find(m, name);

    for (guint i = 0; !e && m->nets && i < m->nets->len; i++) {
        NetEnd *end = m->nets->pdata[i];
        e = end->peer && !strcmp(end->peer->id, name) ? end->peer : NULL;
    }
    if (!e) {
        return fail_not_found(err, "Device '%.200s' not found", name);
    }
    net_set_link(e, up);
    return true;
}

/* A card that it is plugged into stays, with nothing in it. */
static bool netdev_del(Machine *m, const char *id, GError **err)
{
    NetEnd *e = net_find(m, id);

    if (!e) {
        return fail_not_found(err, "Device '%.200s' not found", id);
    }
    if (e->peer) {
        NetEnd *nic = e->peer;
        net_set_link(e, false);
        forget(nic);
        nic->peer = NULL;
        e->peer = NULL;
    }
    e->ops->close(e);
    g_ptr_array_remove(m->nets, e);
    end_free(e);
    return true;
}

bool nets_open(Machine *m, GError **err)
{
    const struct Options *o = m->options;

    m->nets = g_ptr_array_new();
    device_link_kind(m, "netdev", find_link);
    m->hooks.set_link = set_link;
    m->hooks.netdev_add = open_one;
    m->hooks.netdev_del = netdev_del;
    m->hooks.net_info = net_info;
    if (o->default_nic && net_back_ends[0]) {
        OptNetdev usual = { .type = (char *)net_back_ends[0]->name, .id = (char *)"#default" };
        return open_one(m, &usual, err);
    }
    for (guint i = 0; i < o->netdevs->len; i++) {
        if (!open_one(m, o->netdevs->pdata[i], err)) {
            return false;
        }
    }
    return true;
}

void nets_close(Machine *m)
{
    for (guint i = 0; m->nets && i < m->nets->len; i++) {
        NetEnd *e = m->nets->pdata[i];
        e->ops->close(e);
        end_free(e);
    }
    g_clear_pointer(&m->nets, g_ptr_array_unref);
}

char *net_info(Machine *m)
{
    GString *s = g_string_new(NULL);

    for (guint i = 0; m->nets && i < m->nets->len; i++) {
        NetEnd *e = m->nets->pdata[i];
        char   *more = e->ops->info ? e->ops->info(e) : NULL;
        g_string_append_printf(s, "%s: %s%s, on %s, %" G_GUINT64_FORMAT " frames dropped\n", e->id,
                               e->ops->name, e->link_down ? ", link down" : "",
                               e->peer ? e->peer->id : "nothing",
                               e->dropped + (e->peer ? e->peer->dropped : 0));
        if (more) {
            g_string_append(s, more);
        }
        g_free(more);
    }
    return g_string_free(s, FALSE);
}
