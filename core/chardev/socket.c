/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket.c -- a Unix or TCP socket, either end of it: one peer at a time, plain, as telnet, as a
 * WebSocket, or by TLS.
 *
 *     listening --accept--> (TLS) --> (WebSocket's request) --> up --lost--> listening
 *     connecting -----------> (TLS) -----------------------> up --lost--> (reconnect: after a
 *     while, connecting)
 *
 * Spec: Linux unix(7), tcp(7); the protocols' in telnet.c, websocket.c, objects/tls_creds.c.
 * Omits: tls-authz; a WebSocket client.
 * Threads: the main context with the machine lock, but for socket_write.
 */
#include "core/chardev/address.h"
#include "core/chardev/codec.h"
#include "core/fds.h"
#include "core/tlscreds.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HANDSHAKE_S  10 /* a peer that has not said who it is until then has lost its place */
#define SIGNAL_MS    200              /* how often a wait looks for Ctrl-C */

typedef enum { LISTENING, CONNECTING, TLS, REQUEST, UP, IDLE } Step;
typedef struct Sock {
    Step        step;
    int         listen_fd, fd;
    GArray     *peers;                /* Address, of a client that tries again */
    TlsSession *tls;
    Telnet      telnet;
    WebSocket   ws;
    GByteArray *enc;                  /* what a codec has made of output, and TCP has not taken */
    GSource    *timer;
    bool        is_unix;
} Sock;

static bool is_coded(const Chardev *c)
{
    return c->cfg.telnet || c->cfg.websocket;
}

static bool is_server(const Chardev *c)
{
    return c->cfg.server;
}

static bool socket_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    (void)m;
    if (!address_check(cfg, err)) {
        return false;
    }
    if (cfg->tls_authz) {
        return fail(err,
                    "-chardev socket,tls-authz=%s: is not there; whoever has a certificate of the "
                    "authority may connect",
                    cfg->tls_authz);
    }
    if (cfg->server && cfg->reconnect) {
        return fail(err, "-chardev socket: 'reconnect' option is incompatible with socket in "
                         "server listen mode");
    }
    if (cfg->websocket && (!cfg->server || cfg->telnet)) {
        return fail(err, "-chardev socket,websocket=on: goes with server=on, and without telnet");
    }
    if (cfg->abstract && !cfg->path) {
        return fail(err, "-chardev socket,abstract=on: goes with path=");
    }
    if (cfg->tls_creds && cfg->path && !cfg->server) {
        return fail(err, "-chardev socket,tls-creds=%s: a Unix socket has no host's name to check",
                    cfg->tls_creds);
    }
    return !cfg->to || (cfg->server && cfg->port) ||
           fail(err, "-chardev socket,to=%u: goes with server=on and port=", cfg->to);
}

/* ---- steps ---- */

static void advance(Chardev *c);
static void dial(Chardev *c);

static gboolean timer_fired(gpointer data);

static void set_timer(Chardev *c, unsigned seconds)
{
    Sock *s = c->data;

    if (s->timer) {
        g_source_destroy(s->timer);
        g_clear_pointer(&s->timer, g_source_unref);
    }
    if (seconds) {
        s->timer = g_timeout_source_new_seconds(seconds);
        g_source_set_callback(s->timer, timer_fired, c, NULL);
        g_source_attach(s->timer, c->machine->context);
    }
}

/* Whoever was there is gone; back to where the next comes from. */
static void hang_up(Chardev *c)
{
    Sock *s = c->data;

    set_timer(c, 0);
    chr_watch(c, -1, 0);
    g_clear_pointer(&s->tls, tls_session_free);
    if (s->fd >= 0) {
        close(s->fd);
    }
    s->fd = c->in_fd = c->out_fd = -1;
    s->telnet = (Telnet){ 0 };
    s->ws = (WebSocket){ .in = s->ws.in };
    g_byte_array_set_size(s->ws.in, 0);
    g_byte_array_set_size(s->enc, 0);
    s->step = IDLE;
    if (s->listen_fd >= 0) {
        s->step = LISTENING;
        chr_watch(c, s->listen_fd, G_IO_IN);
    } else if (c->cfg.reconnect) {
        set_timer(c, c->cfg.reconnect);
    }
}

static gboolean timer_fired(gpointer data)
{
    Chardev *c = data;
    Sock    *s = c->data;

    machine_lock(c->machine);
    set_timer(c, 0);
    if (s->step == IDLE) {
        dial(c);
    } else if (s->step != UP) {
        hang_up(c);
    }
    machine_unlock(c->machine);
    return G_SOURCE_REMOVE;
}

static void up(Chardev *c)
{
    Sock *s = c->data;

    set_timer(c, 0);
    chr_watch(c, -1, 0);
    s->step = UP;
    if (c->cfg.telnet) {
        telnet_greet(s->enc);
    }
    chr_set_fds(c, s->fd, s->fd);
}

static void failed(Chardev *c, GError *why)
{
    g_autofree char *name = address_name(&c->cfg);

    g_printerr("ryokan: chardev %s (%s): %s\n", chr_label(c), name,
               why ? why->message : "the peer's request is none");
    g_clear_error(&why);
    hang_up(c);
}

/* A connection there is; what has to be settled on it first. */
static void begin(Chardev *c, int fd)
{
    Sock   *s = c->data;
    GError *err = NULL;
    int     one = 1;

    s->fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!s->is_unix) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (c->cfg.tls_creds) {
        TlsCreds *creds = tls_creds_find(c->machine, c->cfg.tls_creds, c->cfg.server, &err);
        s->tls = creds ? tls_session_new(creds, fd,
                                         c->cfg.server ? NULL
                                         : c->cfg.host ? c->cfg.host
                                                       : "",
                                         &err)
                       : NULL;
        if (!s->tls) {
            failed(c, err);
            return;
        }
        s->step = TLS;
    } else {
        s->step = c->cfg.websocket ? REQUEST : UP;
    }
    if (s->step != UP) {
        set_timer(c, HANDSHAKE_S);
    }
    advance(c);
}

static ssize_t raw_read(Chardev *c, void *buf, size_t n);
static ssize_t raw_write(Sock *s, const void *buf, size_t n);

/* A WebSocket's request, as far as it has come. */
static void advance_request(Chardev *c)
{
    Sock   *s = c->data;
    uint8_t buf[1024];
    ssize_t n = raw_read(c, buf, sizeof(buf));
    int     r;

    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            hang_up(c);
        } else {
            chr_watch(c, s->fd, G_IO_IN);
        }
        return;
    }
    g_byte_array_append(s->ws.in, buf, (guint)n);
    r = websocket_handshake(&s->ws, s->enc);
    if (r < 0) {
        raw_write(s, s->enc->data, s->enc->len);
        failed(c, NULL);
    } else if (r > 0) {
        up(c);
    } else {
        chr_watch(c, s->fd, G_IO_IN);
    }
}

static void advance(Chardev *c)
{
    Sock   *s = c->data;
    GError *err = NULL;

    if (s->step == TLS) {
        TlsStep t = tls_handshake(s->tls, &err);
        if (t == TLS_FAILED) {
            failed(c, err);
            return;
        }
        if (t != TLS_DONE) {
            chr_watch(c, s->fd, t == TLS_WANTS_READ ? G_IO_IN : G_IO_OUT);
            return;
        }
        s->step = c->cfg.websocket ? REQUEST : UP;
    }
    if (s->step == REQUEST) {
        advance_request(c);
    } else {
        up(c);
    }
}

/* One of the addresses after the other, without waiting. */
static void dial(Chardev *c)
{
    Sock *s = c->data;
    bool  made = false;
    int   fd = -1;

    if (!s->peers) {
        s->peers = address_find(&c->cfg, false, SOCK_STREAM, NULL);
    }
    for (unsigned i = 0; s->peers && fd < 0 && i < s->peers->len; i++) {
        fd = address_dial(&g_array_index(s->peers, Address, i), &made);
    }
    if (fd < 0) {
        set_timer(c, c->cfg.reconnect);
    } else if (made) {
        begin(c, fd);
    } else {
        s->fd = fd;
        s->step = CONNECTING;
        set_timer(c, HANDSHAKE_S);
        chr_watch(c, fd, G_IO_OUT);
    }
}

static void connection_made(Chardev *c)
{
    Sock     *s = c->data;
    int       e = 0;
    socklen_t n = sizeof(e);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &n) || e) {
        hang_up(c);
    } else {
        chr_watch(c, -1, 0);
        begin(c, s->fd);
    }
}

/* While a peer is there, others wait in the kernel's queue. */
static void socket_ready(Chardev *c)
{
    Sock *s = c->data;

    if (s->step == LISTENING) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            chr_watch(c, -1, 0);
            begin(c, fd);
        }
    } else if (s->step == CONNECTING) {
        connection_made(c);
    } else if (s->step == TLS || s->step == REQUEST) {
        advance(c);
    }
}

/* ---- bytes ---- */

static void take_fds(Chardev *c, struct msghdr *msg)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
            if (c->n_fds < CHR_MAX_FDS) {
                c->fds[c->n_fds++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

static ssize_t raw_read(Chardev *c, void *buf, size_t n)
{
    Sock *s = c->data;
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(CHR_MAX_FDS * sizeof(int))];
    } control;
    struct iovec  iov = { buf, n };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    ssize_t       r;

    if (s->tls) {
        return tls_read(s->tls, buf, n);
    }
    if (!s->is_unix) {
        return read(s->fd, buf, n);
    }
    r = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC);
    if (r > 0) {
        take_fds(c, &msg);
    }
    return r;
}

static ssize_t raw_write(Sock *s, const void *buf, size_t n)
{
    return s->tls ? tls_write(s->tls, buf, n) : send(s->fd, buf, n, MSG_NOSIGNAL);
}

static ssize_t nothing_yet(void)
{
    errno = EAGAIN;
    return -1;
}

static bool flush_coded(Sock *s)
{
    while (s->enc->len) {
        ssize_t r = raw_write(s, s->enc->data, s->enc->len);
        if (r < 0) {
            return false;
        }
        g_byte_array_remove_range(s->enc, 0, (guint)r);
    }
    return true;
}

static ssize_t read_websocket(Chardev *c, uint8_t *buf, size_t n)
{
    Sock   *s = c->data;
    ssize_t r = 0;

    if (s->ws.in->len < CHR_IN_MAX) {
        uint8_t more[CHR_IN_MAX];
        r = raw_read(c, more, sizeof(more));
        if (r > 0) {
            g_byte_array_append(s->ws.in, more, (guint)r);
        } else if (r == 0 || (errno != EAGAIN && errno != EINTR)) {
            return r;
        }
    }
    n = websocket_decode(&s->ws, buf, n, s->enc);
    if (!n && s->ws.closed) {
        flush_coded(s);
        return 0;
    }
    return n ? (ssize_t)n : nothing_yet();
}

static ssize_t socket_read(Chardev *c, void *buf, size_t n)
{
    Sock   *s = c->data;
    ssize_t r;

    if (c->cfg.websocket) {
        return read_websocket(c, buf, n);
    }
    r = raw_read(c, buf, n);
    if (r > 0 && c->cfg.telnet) {
        r = (ssize_t)telnet_decode(&s->telnet, buf, (size_t)r);
        for (; s->telnet.breaks; s->telnet.breaks--) {
            chr_break(c);
        }
        return r ? r : nothing_yet();
    }
    return r;
}

static ssize_t socket_write(Chardev *c, const void *buf, size_t n)
{
    Sock *s = c->data;

    if (!is_coded(c)) {
        return n ? raw_write(s, buf, n) : 0;
    }
    if (!flush_coded(s)) {
        return -1;
    }
    if (c->cfg.telnet) {
        telnet_encode(s->enc, buf, n);
    } else {
        websocket_encode(s->enc, buf, n);
    }
    flush_coded(s);
    return (ssize_t)n;
}

static bool socket_unsent(Chardev *c)
{
    return ((Sock *)c->data)->enc->len != 0;
}

static bool socket_unread(Chardev *c)
{
    const Sock *s = c->data;

    return (s->tls && s->step == UP && tls_pending(s->tls)) ||
           (c->connected && s->ws.open && websocket_ready(&s->ws));
}

/* ---- open and close ---- */

static bool ctrl_c(void)
{
    sigset_t set;

    return !sigpending(&set) &&
           (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) || sigismember(&set, SIGHUP));
}

static bool wait_for_peer(Chardev *c, GError **err)
{
    g_autofree char *name = address_name(&c->cfg);

    g_printerr("ryokan: waiting for a connection on %s\n", name);
    while (!c->connected) {
        struct pollfd p = { .fd = c->aux_fd, .events = c->aux_cond == G_IO_OUT ? POLLOUT : POLLIN };
        int           r = poll(&p, 1, SIGNAL_MS);
        if (ctrl_c()) {
            return fail(err, "socket %s: ended by a signal before anybody connected", name);
        }
        if (r > 0) {
            socket_ready(c);
        }
    }
    return true;
}

static bool check_creds(Chardev *c, GError **err)
{
    return !c->cfg.tls_creds || tls_creds_find(c->machine, c->cfg.tls_creds, c->cfg.server, err);
}

static bool socket_open(Chardev *c, GError **err)
{
    const ChrConfig *cfg = &c->cfg;
    Sock            *s = c->data = g_new0(Sock, 1);
    struct sockaddr_storage a;
    socklen_t        n = sizeof(a);
    int              fd;

    s->listen_fd = s->fd = -1;
    s->step = IDLE;
    s->enc = g_byte_array_new();
    s->ws.in = g_byte_array_new();
    s->is_unix = cfg->path != NULL;
    if (!check_creds(c, err)) {
        return false;
    }
    if (cfg->reconnect && !cfg->fd) {
        dial(c);
        return true;
    }
    fd = cfg->fd       ? fds_take(c->machine, cfg->fd, err)
         : cfg->server ? address_listen(cfg, err)
                       : address_connect(cfg, err);
    if (fd < 0) {
        return false;
    }
    if (getsockname(fd, (struct sockaddr *)&a, &n)) {
        close(fd);
        return fail(err, "-chardev socket,fd=%s: is no socket", cfg->fd);
    }
    s->is_unix = a.ss_family == AF_UNIX;
    if (!is_server(c)) {
        begin(c, fd);
        return true;
    }
    s->listen_fd = fd;
    s->step = LISTENING;
    chr_watch(c, fd, G_IO_IN);
    return !cfg->wait || wait_for_peer(c, err);
}

static void socket_close(Chardev *c)
{
    Sock *s = c->data;

    if (!s) {
        return;
    }
    set_timer(c, 0);
    tls_session_free(s->tls);
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
        if (c->cfg.path && !c->cfg.abstract) {
            unlink(c->cfg.path);
        }
    }
    if (s->peers) {
        g_array_free(s->peers, TRUE);
    }
    g_byte_array_free(s->enc, TRUE);
    g_byte_array_free(s->ws.in, TRUE);
    g_clear_pointer(&c->data, g_free);
}

static char *address_of(int fd, bool peer)
{
    Address a = { .n = sizeof(a.at) };

    if (fd < 0 || (peer ? getpeername(fd, (struct sockaddr *)&a.at, &a.n)
                        : getsockname(fd, (struct sockaddr *)&a.at, &a.n))) {
        return NULL;
    }
    return address_text(&a);
}

static char *socket_describe(const Chardev *c)
{
    const ChrConfig *cfg = &c->cfg;
    const Sock      *s = c->data;
    const char *kind = cfg->telnet      ? "telnet"
                       : cfg->websocket ? "websocket"
                                        : "tcp",
               *server = cfg->server ? ",server=on" : "";
    g_autofree char *name = address_name(cfg),
                    *here = s ? address_of(s->listen_fd >= 0 ? s->listen_fd : s->fd, false) : NULL;
    g_autofree char *there = s ? address_of(s->fd, true) : NULL;

    if (cfg->path || (s && s->is_unix)) {
        return g_strdup_printf("%sunix:%s%s",
                               c->connected ? "" : "disconnected:", here && *here ? here : name,
                               server);
    }
    if (!c->connected) {
        return g_strdup_printf("disconnected:%s:%s%s", kind, here ? here : name, server);
    }
    return g_strdup_printf("%s:%s%s <-> %s", kind, here ? here : name, server, there ? there : "");
}

const ChrBackend socket_chardev = {
    .name = "socket", .help = "a Unix or TCP socket",
    .keys = "path host port to ipv4 ipv6 fd abstract tight server wait reconnect nodelay delay "
            "telnet websocket tls-creds tls-authz",
    .check = socket_check, .open = socket_open, .read = socket_read,
    .write = socket_write, .unsent = socket_unsent,
    .unread = socket_unread, .ready = socket_ready, .lost = hang_up,
    .close = socket_close, .describe = socket_describe,
};
