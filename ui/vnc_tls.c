/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc_tls.c -- TLS between a viewer and the VNC server: VeNCrypt for viewers, https and wss for
 * browsers.
 *
 * Spec: "VeNCrypt" of the RFB community specification, version 0.2; RFC 6143, 7.1.
 * Omits: user names and passwords inside of TLS (the Plain kinds).
 * Threads: one for each connection, which only moves bytes between it and a pair of sockets;
 *          libvncserver has the other end and knows nothing of TLS, which its server side does not
 *          offer but for WebSockets.  The machine lock is taken to begin and to end a session.
 */
#ifdef CONFIG_VNC
#include "ui/vnc_tls.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANDSHAKE_MS = 10000, CHUNK = 16384 };
enum { VENCRYPT = 19, TLS_NONE = 257, TLS_VNC = 258, X509_NONE = 260, X509_VNC = 261,
       TYPE_NONE = 1, TYPE_VNC = 2 };

typedef struct Link {
    VncTls     *tls;
    TlsSession *session;
    int         fd, plain;            /* the viewer's, ours */
    bool        browser;
    gint64      until;                /* of the handshake */
} Link;

bool vnc_tls_init(VncTls *t, Machine *m, const char *creds, bool password, GError **err)
{
    t->machine = m;
    t->password = password;
    t->creds = tls_creds_find(m, creds, true, err);
    if (!t->creds) {
        return false;
    }
    t->x509 = !strcmp(tls_creds_kind(t->creds), "x509");
    return t->x509 || !strcmp(tls_creds_kind(t->creds), "anon") ||
           fail(err,
                "-vnc tls-creds=%s: is tls-creds-%s, and VNC has tls-creds-x509 and tls-creds-anon "
                "alone",
                creds, tls_creds_kind(t->creds));
}

const char *vnc_tls_name(const VncTls *t)
{
    return t->x509 ? t->password ? "x509-vnc" : "x509-none" : t->password ? "tls-vnc" : "tls-none";
}

/* ---- before TLS ---- */

/* false: too late, or one of the two has gone. */
static bool wait_for(const Link *l, int fd, short events)
{
    gint64        left = (l->until - g_get_monotonic_time()) / 1000;
    struct pollfd p[2] = { { .fd = fd, .events = events },
                           { .fd = fd == l->fd ? l->plain : l->fd } };

    return left > 0 && poll(p, 2, (int)left) > 0 && !(p[1].revents & (POLLHUP | POLLERR)) &&
           p[0].revents & (events | POLLHUP | POLLERR);
}

static bool get(const Link *l, int fd, void *buf, size_t n)
{
    uint8_t *p = buf;

    while (n) {
        ssize_t got = recv(fd, p, n, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) ||
            (got < 0 && !wait_for(l, fd, POLLIN))) {
            return false;
        }
        p += MAX(got, 0);
        n -= (size_t)MAX(got, 0);
    }
    return true;
}

static bool put(const Link *l, int fd, const void *buf, size_t n)
{
    const uint8_t *p = buf;

    while (n) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if ((done < 0 && errno != EAGAIN && errno != EINTR) ||
            (done < 0 && !wait_for(l, fd, POLLOUT))) {
            return false;
        }
        p += MAX(done, 0);
        n -= (size_t)MAX(done, 0);
    }
    return true;
}

static uint32_t kind(const VncTls *t)
{
    return t->x509 ? t->password ? X509_VNC : X509_NONE : t->password ? TLS_VNC : TLS_NONE;
}

/* Up to where TLS begins. */
static bool vencrypt(const Link *l)
{
    uint32_t want = GUINT32_TO_BE(kind(l->tls)), chosen;
    uint8_t  b[12];

    if (!put(l, l->fd, "RFB 003.008\n", 12) || !get(l, l->fd, b, 12) ||
        memcmp(b, "RFB 003.00", 10) || (b[10] != '7' && b[10] != '8')) {
        return false;
    }
    if (!put(l, l->fd, (uint8_t[]){ 1, VENCRYPT }, 2) || !get(l, l->fd, b, 1) || b[0] != VENCRYPT ||
        !put(l, l->fd, (uint8_t[]){ 0, 2 }, 2) || !get(l, l->fd, b, 2)) {
        return false;
    }
    bool known = b[0] == 0 && b[1] == 2;
    if (!put(l, l->fd, (uint8_t[]){ !known }, 1) || !known) {
        return false;
    }
    if (!put(l, l->fd, (uint8_t[]){ 1 }, 1) || !put(l, l->fd, &want, sizeof(want)) ||
        !get(l, l->fd, &chosen, sizeof(chosen))) {
        return false;
    }
    return put(l, l->fd, (uint8_t[]){ chosen == want }, 1) && chosen == want;
}

/*
 * To libvncserver we are a viewer, up to where the password is asked for or the result said, which
 * the real one sees itself.
 */
static bool inner(const Link *l)
{
    uint8_t b[256], type = l->tls->password ? TYPE_VNC : TYPE_NONE;

    return get(l, l->plain, b, 12) && put(l, l->plain, "RFB 003.008\n", 12) &&
           get(l, l->plain, b, 1) && b[0] && get(l, l->plain, b + 1, b[0]) &&
           memchr(b + 1, type, b[0]) && put(l, l->plain, &type, 1);
}

static bool handshake(Link *l)
{
    TlsStep step;

    machine_lock(l->tls->machine);
    l->session = tls_session_new(l->tls->creds, l->fd, NULL, NULL);
    machine_unlock(l->tls->machine);
    if (!l->session) {
        return false;
    }
    while ((step = tls_handshake(l->session, NULL)) == TLS_WANTS_READ || step == TLS_WANTS_WRITE) {
        if (!wait_for(l, l->fd, step == TLS_WANTS_READ ? POLLIN : POLLOUT)) {
            return false;
        }
    }
    return step == TLS_DONE;
}

/* ---- in TLS ---- */

typedef struct Buffer {
    uint8_t data[CHUNK];
    size_t  from, to;
    bool    ended;
} Buffer;

static bool again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* A read and a write of one direction; *moved: something has changed; false: it is over. */
static bool move(Link *l, Buffer *b, bool inward, bool *moved)
{
    ssize_t n;

    if (b->from == b->to && !b->ended) {
        n = inward ? tls_read(l->session, b->data, CHUNK) : recv(l->plain, b->data, CHUNK, 0);
        if (n < 0 && !again()) {
            return false;
        }
        b->from = 0;
        b->to = (size_t)MAX(n, 0);
        b->ended = n == 0;
        *moved |= n > 0;
    }
    if (b->from < b->to) {
        n = inward ? send(l->plain, b->data + b->from, b->to - b->from, MSG_NOSIGNAL)
                   : tls_write(l->session, b->data + b->from, b->to - b->from);
        if (n < 0 && !again()) {
            return false;
        }
        b->from += (size_t)MAX(n, 0);
        *moved |= n > 0;
    }
    return !b->ended || b->from < b->to;
}

static void relay(Link *l)
{
    g_autofree Buffer *in = g_new0(Buffer, 1), *out = g_new0(Buffer, 1);

    for (;;) {
        bool moved = false;
        if (!move(l, in, true, &moved) || !move(l, out, false, &moved)) {
            return;
        }
        if (!moved) {
            struct pollfd p[2] = { { .fd = l->fd }, { .fd = l->plain } };
            p[0].events =
                (short)((in->from == in->to ? POLLIN : 0) | (out->from < out->to ? POLLOUT : 0));
            p[1].events =
                (short)((out->from == out->to ? POLLIN : 0) | (in->from < in->to ? POLLOUT : 0));
            if (poll(p, 2, -1) < 0 && errno != EINTR) {
                return;
            }
            if ((p[0].revents | p[1].revents) & (POLLERR | POLLNVAL) ||
                (p[1].revents & POLLHUP && !(p[1].revents & POLLIN)) ||
                (p[0].revents & POLLHUP && !(p[0].revents & POLLIN))) {
                return;
            }
        }
    }
}

static void *link_thread(void *opaque)
{
    Link    *l = opaque;
    VncTls  *t = l->tls;
    Machine *m = t->machine;

    l->until = g_get_monotonic_time() + HANDSHAKE_MS * 1000;
    if ((l->browser || vencrypt(l)) && handshake(l) && (l->browser || inner(l))) {
        relay(l);
    }
    if (l->session) {
        machine_lock(m);
        tls_session_free(l->session);
        machine_unlock(m);
    }
    close(l->fd);
    close(l->plain);
    g_free(l);
    __atomic_sub_fetch(&t->running, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

int vnc_tls_start(VncTls *t, int fd, bool browser)
{
    int   pair[2];
    Link *l;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(pair[1], F_SETFL, fcntl(pair[1], F_GETFL) | O_NONBLOCK);
    l = g_new0(Link, 1);
    *l = (Link){ .tls = t, .fd = fd, .plain = pair[1], .browser = browser };
    __atomic_add_fetch(&t->running, 1, __ATOMIC_SEQ_CST);
    g_thread_unref(g_thread_new("vnc-tls", link_thread, l));
    return pair[0];
}

void vnc_tls_wait(VncTls *t)
{
    while (__atomic_load_n(&t->running, __ATOMIC_SEQ_CST)) {
        g_usleep(1000);
    }
}
#endif
