/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user.c -- -netdev user: a small network of the guest's own (gateway, DHCP, DNS, TFTP), joined to
 *   the host's by libslirp without privileges.
 *
 * Spec: libslirp.h, configuration version 4; words as in QEMU's "-netdev user".
 * Omits: smb= (needs a Samba server), tftp-server-name.  Its connections are not in saved state: a
 *   guest that is loaded opens them again, as after a pulled cable.
 * Threads: all in the main context or a vCPU's, with the machine lock.
 *
 * Defaults: 10.0.2.0/24, host .2, name server .3, DHCP from .15; fec0::/64, host ::2, name server
 *   ::3.
 */
#ifdef CONFIG_SLIRP /* configure: libslirp-dev is there and not --disable-slirp */
#include "core/chardev.h"
#include "core/log.h"
#include "core/machine.h"
#include "net/net.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <stdlib.h>
#include <string.h>

enum { POLLS_MAX = 1024, NET_BITS = 24, DHCP_FIRST = 15, HOST = 2, DNS = 3, V6_BITS = 64 };

typedef struct UserNet UserNet;
typedef struct SlirpSource {
    GSource  source;
    UserNet *net;
} SlirpSource;

typedef struct Poll {
    int      fd;
    gpointer tag;
    GIOCondition want;
} Poll;

typedef struct Forward {              /* one guestfwd= to a host address */
    UserNet       *net;
    struct in_addr addr;
    int            port;
    Chardev       *chr;
} Forward;

struct UserNet {
    NetEnd     end;
    char      *net, *host, *hostname, *dhcpstart, *dns, *domainname, *tftp, *bootfile;
    char      *ipv6_net, *ipv6_host, *ipv6_dns;
    bool       restricted, ipv4, ipv6;
    GPtrArray *hostfwd, *guestfwd, *dnssearch;
    Slirp     *slirp;
    GSource   *source;
    GArray    *polls;                 /* Poll, of this turn of the main loop */
    GArray    *old;                   /* of the turn before */
    GPtrArray *forwards;              /* Forward */
};

/* ---- the main loop: libslirp says each time what it waits for ---- */

static GIOCondition to_glib(int events)
{
    return (events & SLIRP_POLL_IN ? G_IO_IN : 0) | (events & SLIRP_POLL_OUT ? G_IO_OUT : 0) |
           (events & SLIRP_POLL_PRI ? G_IO_PRI : 0) | G_IO_ERR | G_IO_HUP;
}

static int to_slirp(GIOCondition c)
{
    return (c & G_IO_IN ? SLIRP_POLL_IN : 0) | (c & G_IO_OUT ? SLIRP_POLL_OUT : 0) |
           (c & G_IO_PRI ? SLIRP_POLL_PRI : 0) | (c & G_IO_ERR ? SLIRP_POLL_ERR : 0) |
           (c & G_IO_HUP ? SLIRP_POLL_HUP : 0);
}

/* A descriptor that was waited for the turn before keeps its tag. */
static int add_poll(int fd, int events, void *opaque)
{
    UserNet *u = opaque;
    Poll     p = { .fd = fd, .want = to_glib(events) };

    if (u->polls->len >= POLLS_MAX) {
        return -1;
    }
    for (guint i = 0; i < u->old->len; i++) {
        Poll *o = &g_array_index(u->old, Poll, i);
        if (o->fd == fd && o->tag) {
            p.tag = g_steal_pointer(&o->tag);
            if (o->want != p.want) {
                g_source_modify_unix_fd(u->source, p.tag, p.want);
            }
            break;
        }
    }
    if (!p.tag) {
        p.tag = g_source_add_unix_fd(u->source, fd, p.want);
    }
    g_array_append_val(u->polls, p);
    return (int)u->polls->len - 1;
}

static void drop_polls(UserNet *u, GArray *polls)
{
    for (guint i = 0; i < polls->len; i++) {
        Poll *p = &g_array_index(polls, Poll, i);
        if (p->tag) {
            g_source_remove_unix_fd(u->source, p->tag);
        }
    }
    g_array_set_size(polls, 0);
}

static gboolean prepare(GSource *source, gint *timeout_ms)
{
    UserNet *u = ((SlirpSource *)source)->net;
    uint32_t ms = UINT32_MAX;
    GArray  *was = u->old;

    machine_lock(u->end.machine);
    u->old = u->polls;
    u->polls = was;
    slirp_pollfds_fill(u->slirp, &ms, add_poll, u);
    drop_polls(u, u->old);
    /* its timers stand with the guest's clock */
    ms = u->end.machine->state == RUN_RUNNING ? ms : UINT32_MAX;
    machine_unlock(u->end.machine);
    *timeout_ms = ms > G_MAXINT ? -1 : (gint)ms;
    return ms == 0;
}

static gboolean check(GSource *source)
{
    return TRUE;                      /* libslirp looks at its timers each time */
}

static int revents(int i, void *opaque)
{
    UserNet *u = opaque;
    Poll    *p = i >= 0 && (guint)i < u->polls->len ? &g_array_index(u->polls, Poll, i) : NULL;

    return p && p->tag ? to_slirp(g_source_query_unix_fd(u->source, p->tag)) : 0;
}

static gboolean dispatch(GSource *source, GSourceFunc f, gpointer data)
{
    UserNet *u = ((SlirpSource *)source)->net;

    machine_lock(u->end.machine);
    slirp_pollfds_poll(u->slirp, 0, revents, u);
    machine_unlock(u->end.machine);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs slirp_source = { .prepare = prepare, .check = check, .dispatch = dispatch };

/* ---- what libslirp asks of us ---- */

static ssize_t send_packet(const void *buf, size_t n, void *opaque)
{
    UserNet     *u = opaque;
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = n };

    net_send(&u->end, &iov, 1);
    return (ssize_t)n;
}

static void slirp_complains(const char *msg, void *opaque)
{
    UserNet *u = opaque;

    if (log_on(LOG_GUEST_ERRORS)) {
        log_write("netdev %s: %s\n", u->end.id, msg);
    }
}

static int64_t clock_get_ns(void *opaque)
{
    return (int64_t)time_now(((UserNet *)opaque)->end.machine, TIME_GUEST);
}

typedef struct SlirpTimer {
    Timer        timer;
    SlirpTimerCb cb;
    void        *arg;
} SlirpTimer;

static void timer_fired(void *timer)
{
    SlirpTimer *t = timer;

    t->cb(t->arg);
}

static void *new_timer(SlirpTimerCb cb, void *arg, void *opaque)
{
    SlirpTimer *t = g_new0(SlirpTimer, 1);

    t->cb = cb;
    t->arg = arg;
    timer_init(&t->timer, ((UserNet *)opaque)->end.machine, TIME_GUEST, timer_fired, t);
    return t;
}

static void free_timer(void *timer, void *opaque)
{
    timer_stop(&((SlirpTimer *)timer)->timer);
    g_free(timer);
}

static void mod_timer(void *timer, int64_t expire_ms, void *opaque)
{
    timer_arm(&((SlirpTimer *)timer)->timer, (uint64_t)MAX(expire_ms, 0) * 1000000);
}

static void poll_fd(int fd, void *opaque)
{
}

static void notify(void *opaque)
{
    g_main_context_wakeup(((UserNet *)opaque)->end.machine->context);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet, .guest_error = slirp_complains,
    .clock_get_ns = clock_get_ns, .timer_new = new_timer,
    .timer_free = free_timer, .timer_mod = mod_timer,
    .register_poll_fd = poll_fd, .unregister_poll_fd = poll_fd,
    .notify = notify,
};

static bool user_receive(NetEnd *e, const struct iovec *iov, unsigned n)
{
    UserNet *u = (UserNet *)e;
    uint8_t  buf[NET_FRAME_MAX];

    slirp_input(u->slirp, buf, (int)iov_copy(iov, n, 0, buf, sizeof(buf)));
    notify(u);                        /* there may be new descriptors to wait for */
    return true;
}

/* ---- addresses ---- */

static bool address(const char *key, const char *text, struct in_addr net, struct in_addr mask,
                    uint32_t otherwise, struct in_addr *out, GError **err)
{
    if (!text) {
        out->s_addr = net.s_addr | htonl(otherwise);
        return true;
    }
    if (inet_pton(AF_INET, text, out) != 1) {
        return fail(err, "%s=%s: is no IPv4 address", key, text);
    }
    return (out->s_addr & mask.s_addr) == net.s_addr ||
           fail(err, "%s=%s: lies outside net=", key, text);
}

/* "10.0.2.0/24", "10.0.2.0/255.255.255.0" or "10.0.2.0". */
static bool network(const char *text, SlirpConfig *c, GError **err)
{
    g_auto(GStrv) part = g_strsplit(text ? text : "10.0.2.0/24", "/", 2);
    guint64       bits = NET_BITS;

    if (inet_pton(AF_INET, part[0], &c->vnetwork) != 1) {
        return fail(err, "net=%s: is no IPv4 network; write it as 10.0.2.0/24", text);
    }
    if (part[1] && inet_pton(AF_INET, part[1], &c->vnetmask) == 1) {
        uint32_t m = ~ntohl(c->vnetmask.s_addr);
        if (m & (m + 1)) {
            return fail(err, "net=%s: the mask has holes", text);
        }
    } else if (part[1] && (!g_ascii_string_to_unsigned(part[1], 10, 4, 30, &bits, NULL))) {
        return fail(err, "net=%s: what follows the slash must be 4 to 30, or a mask", text);
    } else {
        c->vnetmask.s_addr = htonl(~0u << (32 - bits));
    }
    c->vnetwork.s_addr &= c->vnetmask.s_addr;
    return true;
}

static bool addresses(UserNet *u, SlirpConfig *c, GError **err)
{
    return network(u->net, c, err) &&
           address("host", u->host, c->vnetwork, c->vnetmask, HOST, &c->vhost, err) &&
           address("dns", u->dns, c->vnetwork, c->vnetmask, DNS, &c->vnameserver, err) &&
           address("dhcpstart", u->dhcpstart, c->vnetwork, c->vnetmask, DHCP_FIRST, &c->vdhcp_start,
                   err);
}

static bool address6(const char *key, const char *text, struct in6_addr *out, GError **err)
{
    return inet_pton(AF_INET6, text, out) == 1 || fail(err, "%s=%s: is no IPv6 address", key, text);
}

static bool addresses6(UserNet *u, SlirpConfig *c, GError **err)
{
    g_auto(GStrv) part = g_strsplit(u->ipv6_net ? u->ipv6_net : "fec0::/64", "/", 2);
    guint64       bits = V6_BITS;

    if (!address6("ipv6-net", part[0], &c->vprefix_addr6, err)) {
        return false;
    }
    if (part[1] && !g_ascii_string_to_unsigned(part[1], 10, 1, 126, &bits, NULL)) {
        return fail(err, "ipv6-net=%s: what follows the slash must be 1 to 126", u->ipv6_net);
    }
    c->vprefix_len = (uint8_t)bits;
    c->vhost6 = c->vnameserver6 = c->vprefix_addr6;
    c->vhost6.s6_addr[15] |= HOST;
    c->vnameserver6.s6_addr[15] |= DNS;
    return (!u->ipv6_host || address6("ipv6-host", u->ipv6_host, &c->vhost6, err)) &&
           (!u->ipv6_dns || address6("ipv6-dns", u->ipv6_dns, &c->vnameserver6, err));
}

/* ---- forwarding ---- */

static bool port_of(const char *text, int *port)
{
    guint64 v;

    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, 65535, &v, NULL)) {
        return false;
    }
    *port = (int)v;
    return true;
}

/* hostfwd=[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT */
static bool hostfwd(UserNet *u, const char *text, GError **err)
{
    g_auto(GStrv)  side = g_strsplit(text, "-", 2);
    g_auto(GStrv) from = g_strsplit(side[0], ":", 3),
                  to = g_strsplit(side[1] ? side[1] : "", ":", 2);
    struct in_addr host = { .s_addr = INADDR_ANY }, guest = { 0 };
    int            host_port, guest_port;
    bool           udp = from[0] && !strcmp(from[0], "udp");

    if (g_strv_length(from) != 3 || g_strv_length(to) != 2 ||
        (*from[0] && !udp && strcmp(from[0], "tcp")) ||
        (*from[1] && inet_pton(AF_INET, from[1], &host) != 1) ||
        (*to[0] && inet_pton(AF_INET, to[0], &guest) != 1) || !port_of(from[2], &host_port) ||
        !port_of(to[1], &guest_port) || !guest_port) {
        return fail(err,
                    "hostfwd=%s: write it as tcp:[HOSTADDRESS]:HOSTPORT-[GUESTADDRESS]:GUESTPORT",
                    text);
    }
    if (slirp_add_hostfwd(u->slirp, udp, host, host_port, guest, guest_port) < 0) {
        return fail(err, "hostfwd=%s: the host's port cannot be had: %s", text, g_strerror(errno));
    }
    return true;
}

static ssize_t forward_write(const void *buf, size_t n, void *opaque)
{
    return (ssize_t)chr_write(((Forward *)opaque)->chr, buf, n);
}

static size_t forward_room(void *opaque)
{
    Forward *f = opaque;

    return f->net->slirp ? slirp_socket_can_recv(f->net->slirp, f->addr, f->port) : 0;
}

static void forward_receive(void *opaque, const uint8_t *buf, size_t n)
{
    Forward *f = opaque;

    slirp_socket_recv(f->net->slirp, f->addr, f->port, buf, (int)n);
}

/* guestfwd=[tcp]:SERVER:PORT-CHARDEV or -cmd:COMMAND: what the guest sends to that address. */
static bool guestfwd(UserNet *u, const char *text, GError **err)
{
    const char    *dash = strchr(text, '-');
    g_autofree char *left = g_strndup(text, dash ? (gsize)(dash - text) : strlen(text));
    g_auto(GStrv)  from = g_strsplit(left, ":", 3);
    struct in_addr addr;
    int            port;
    Forward       *f;

    if (!dash || !dash[1] || g_strv_length(from) != 3 || (*from[0] && strcmp(from[0], "tcp")) ||
        inet_pton(AF_INET, from[1], &addr) != 1 || !port_of(from[2], &port) || !port) {
        return fail(
            err,
            "guestfwd=%s: write it as tcp:ADDRESS:PORT-CHARDEV or tcp:ADDRESS:PORT-cmd:COMMAND",
            text);
    }
    if (g_str_has_prefix(dash + 1, "cmd:")) {
        return slirp_add_exec(u->slirp, dash + 5, &addr, port) >= 0 ||
               fail(err,
                    "guestfwd=%s: that address cannot be forwarded; it must lie in net= and not be "
                    "taken",
                    text);
    }
    f = g_new0(Forward, 1);
    *f = (Forward){ .net = u, .addr = addr, .port = port };
    g_ptr_array_add(u->forwards, f);
    f->chr = chr_new(u->end.machine, dash + 1, NULL, err);
    if (!f->chr) {
        return false;
    }
    if (slirp_add_guestfwd(u->slirp, forward_write, f, &f->addr, port) < 0) {
        return fail(
            err,
            "guestfwd=%s: that address cannot be forwarded; it must lie in net= and not be taken",
            text);
    }
    chr_attach(f->chr, &(ChrUser){ .can_receive = forward_room, .receive = forward_receive,
                                   .dev = f });
    return true;
}

/* ---- life ---- */

static void user_close(NetEnd *e)
{
    UserNet *u = (UserNet *)e;

    if (u->source) {
        drop_polls(u, u->polls);
        drop_polls(u, u->old);
        g_source_destroy(u->source);
        g_clear_pointer(&u->source, g_source_unref);
    }
    if (u->slirp) {
        slirp_cleanup(g_steal_pointer(&u->slirp));
    }
    g_clear_pointer(&u->polls, g_array_unref);
    g_clear_pointer(&u->old, g_array_unref);
    g_clear_pointer(&u->forwards, g_ptr_array_unref);
}

static bool start(UserNet *u, SlirpConfig *c, GError **err)
{
    bool ok = true;

    u->slirp = slirp_new(c, &callbacks, u);
    if (!u->slirp) {
        return fail(err, "libslirp %s refuses this configuration", slirp_version_string());
    }
    u->polls = g_array_new(FALSE, FALSE, sizeof(Poll));
    u->old = g_array_new(FALSE, FALSE, sizeof(Poll));
    u->forwards = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; u->hostfwd && i < u->hostfwd->len && ok; i++) {
        ok = hostfwd(u, u->hostfwd->pdata[i], err);
    }
    for (guint i = 0; u->guestfwd && i < u->guestfwd->len && ok; i++) {
        ok = guestfwd(u, u->guestfwd->pdata[i], err);
    }
    if (!ok) {
        user_close(&u->end);
        return false;
    }
    u->source = g_source_new(&slirp_source, sizeof(SlirpSource));
    ((SlirpSource *)u->source)->net = u;
    g_source_attach(u->source, u->end.machine->context);
    return true;
}

static bool user_open(NetEnd *e, GError **err)
{
    UserNet    *u = (UserNet *)e;
    SlirpConfig c = { .version = 4, .restricted = u->restricted, .in_enabled = u->ipv4,
                      .in6_enabled = u->ipv6,
                      .vhostname = u->hostname, .tftp_path = u->tftp, .bootfile = u->bootfile,
                      .vdomainname = u->domainname };
    bool        ok;

    if (!u->ipv4 && !u->ipv6) {
        return fail(err, "ipv4=off,ipv6=off leaves nothing");
    }
    if (u->dnssearch) {
        g_ptr_array_add(u->dnssearch, NULL);
        c.vdnssearch = (const char **)u->dnssearch->pdata;
    }
    ok = addresses(u, &c, err) && addresses6(u, &c, err) && start(u, &c, err);
    if (u->dnssearch) {
        g_ptr_array_set_size(u->dnssearch, (gint)u->dnssearch->len - 1);
    }
    return ok;
}

static char *user_info(NetEnd *e)
{
    return slirp_connection_info(((UserNet *)e)->slirp);
}

static const Field user_fields[] = {
    CONFIG(UserNet, net, .help = "The guest's network: ADDRESS/BITS; default 10.0.2.0/24."),
    CONFIG(UserNet, host, .help = "The host's address in it; default the second."),
    CONFIG_AS(UserNet, restricted, "restrict",
              .help = "The guest reaches nothing but what is forwarded."),
    CONFIG(UserNet, ipv4, .def = 1, .help = "IPv4."),
    CONFIG(UserNet, ipv6, .def = 1, .help = "IPv6."),
    CONFIG_AS(UserNet, ipv6_net, "ipv6-net",
              .help = "The IPv6 network: PREFIX/BITS; default fec0::/64."),
    CONFIG_AS(UserNet, ipv6_host, "ipv6-host", .help = "The host's address in it."),
    CONFIG_AS(UserNet, ipv6_dns, "ipv6-dns", .help = "The name server's address in it."),
    CONFIG(UserNet, hostname, .help = "Name that DHCP gives the guest."),
    CONFIG(UserNet, dhcpstart, .help = "First of the addresses that DHCP gives; default the 15th."),
    CONFIG(UserNet, dns, .help = "The name server's address; default the third."),
    CONFIG(UserNet, domainname, .help = "Domain that DHCP gives."),
    CONFIG_MANY(UserNet, dnssearch, .help = "Domain to search, given by DHCP; repeatable."),
    CONFIG(UserNet, tftp, .help = "Folder that a TFTP server shows the guest."),
    CONFIG(UserNet, bootfile, .help = "File that DHCP tells the guest to boot."),
    CONFIG_MANY(UserNet, hostfwd,
                .help = "tcp|udp:[HOSTADDRESS]:HOSTPORT-[GUESTADDRESS]:GUESTPORT; repeatable."),
    CONFIG_MANY(UserNet, guestfwd, .help = "tcp:ADDRESS:PORT-CHARDEV or -cmd:COMMAND; repeatable."),
    FIELD_END
};

const NetOps user_netdev = {
    .name = "user",
    .desc = "a network of the guest's own, joined to the host's without privileges (libslirp)",
    .size = sizeof(UserNet),
    .fields = user_fields,
    .open = user_open,
    .close = user_close,
    .receive = user_receive,
    .info = user_info,
};
#endif
