/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc_peer.c -- where the VNC server listens, who is connected, and what programs hear of it.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol: query-vnc, query-vnc-servers, VNC_CONNECTED,
 *   VNC_INITIALIZED, VNC_DISCONNECTED.
 * Omits: several servers.
 * Threads: vnc_listen() before the viewers' thread is; the rest as vnc_int.h says.
 */
#ifdef CONFIG_VNC
#include "core/commands.h"
#include "ui/vnc_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_unix(const char *path, GError **err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(a.sun_path)) {
        fail(err, "-vnc unix:%s: the path is too long", path);
        return -1;
    }
    strcpy(a.sun_path, path);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, VIEWERS_MAX)) {
        fail(err, "-vnc unix:%s: cannot listen on it: %s", path, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* On one of them; -1 and *why: on none. */
static int listen_on(const struct addrinfo *list, int *why)
{
    int fd = -1, one = 1;

    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
                        bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, VIEWERS_MAX))) {
            *why = errno;
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

static char *host_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t      n = (size_t)(colon - address);

    return n >= 2 && address[0] == '[' && colon[-1] == ']' ? g_strndup(address + 1, n - 2)
                                                           : g_strndup(address, n);
}

static int listen_tcp(const char *address, unsigned last, GError **err)
{
    struct addrinfo  hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    unsigned long    display = strtoul(strrchr(address, ':') + 1, NULL, 10);
    g_autofree char *host = host_of(address);
    int              fd = -1, why = EADDRINUSE;

    if (display > 65535 - FIRST_PORT) {
        fail(err, "-vnc %s: display %lu makes no port; take 0 to %d", address, display,
             65535 - FIRST_PORT);
        return -1;
    }
    for (unsigned long d = display; fd < 0 && why == EADDRINUSE && d <= MAX(last, display); d++) {
        struct addrinfo *list = NULL;
        g_autofree char *port = g_strdup_printf("%lu", FIRST_PORT + d);
        int              r = getaddrinfo(*host ? host : NULL, port, &hints, &list);
        if (r) {
            fail(err, "-vnc %s: %s", address, gai_strerror(r));
            return -1;
        }
        fd = listen_on(list, &why);
        freeaddrinfo(list);
    }
    if (fd < 0) {
        fail(err, "-vnc %s: cannot listen on port %lu%s: %s", address, FIRST_PORT + display,
             last ? " nor on the next ones" : "", g_strerror(why));
    }
    return fd;
}

/* A viewer that listens. */
static int connect_tcp(const char *address, GError **err)
{
    struct addrinfo  hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    g_autofree char *host = host_of(address);
    int fd = -1,
        why = getaddrinfo(*host ? host : "localhost", strrchr(address, ':') + 1, &hints, &list);

    if (why) {
        fail(err, "-vnc %s,reverse=on: %s", address, gai_strerror(why));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
            why = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        fail(err, "-vnc %s,reverse=on: cannot connect: %s", address, g_strerror(why));
    }
    return fd;
}

int vnc_listen(const char *address, const OptVnc *opts, GError **err)
{
    return g_str_has_prefix(address, "unix:") ? listen_unix(address + 5, err)
           : opts->reverse ? connect_tcp(address, err) : listen_tcp(address, opts->to, err);
}

/* ---- names ---- */

static void name(const struct sockaddr_storage *a, socklen_t n, Peer *p)
{
    p->family = a->ss_family;
    if (a->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)a;
        g_strlcpy(p->host, n > offsetof(struct sockaddr_un, sun_path) ? un->sun_path : "",
                  sizeof(un->sun_path));
    } else if (getnameinfo((const struct sockaddr *)a, n, p->host, sizeof(p->host), p->service,
                           sizeof(p->service), NI_NUMERICHOST | NI_NUMERICSERV)) {
        p->host[0] = p->service[0] = 0;
    }
}

void vnc_peer_name(int fd, Peer *p)
{
    struct sockaddr_storage a = { 0 };
    socklen_t               n = sizeof(a);

    if (!getpeername(fd, (struct sockaddr *)&a, &n)) {
        name(&a, n, p);
    }
}

static const char *family(int f)
{
    return f == AF_INET ? "ipv4" : f == AF_INET6 ? "ipv6" : f == AF_UNIX ? "unix" : "unknown";
}

static void say_place(GVariantBuilder *b, const Peer *p)
{
    say(b, "host", p->host);
    say(b, "service", p->service);
    say(b, "family", family(p->family));
    say_bool(b, "websocket", p->websocket);
}

static const char *auth(const Vnc *s)
{
    static const char *const vencrypt[2][2] = { { "vencrypt+tls+none", "vencrypt+tls+vnc" },
                                                { "vencrypt+x509+none", "vencrypt+x509+vnc" } };

    return s->tls.creds             ? vencrypt[s->tls.x509][s->tls.password]
           : s->rfb->authPasswdData ? "vnc"
                                    : "none";
}

static void place(const Vnc *s, Peer *p)
{
    struct sockaddr_storage a = { 0 };
    socklen_t               n = sizeof(a);

    *p = (Peer){ 0 };
    if (s->listen_fd >= 0 && !getsockname(s->listen_fd, (struct sockaddr *)&a, &n)) {
        name(&a, n, p);
    }
}

GVariant *vnc_about_server(Vnc *s)
{
    GVariantBuilder b, list;
    Peer            here;

    place(s, &here);
    object_start(&b);
    say_bool(&b, "enabled", true);
    say(&b, "host", here.host);
    say(&b, "service", here.service);
    say(&b, "family", family(here.family));
    say(&b, "auth", auth(s));
    if (s->tls.creds) {
        say(&b, "vencrypt", vnc_tls_name(&s->tls));
    }
    list_start(&list);
    g_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->peers->len; i++) {
        GVariantBuilder one;
        object_start(&one);
        say_place(&one, &g_array_index(s->peers, Peer, i));
        list_object(&list, &one);
    }
    g_mutex_unlock(&s->lock);
    say_list(&b, "clients", &list);
    return g_variant_builder_end(&b);
}

/* ---- events ---- */

void vnc_news(Vnc *s, const char *event, const Peer *p)
{
    News n = { event, *p };

    if (s->news->len < NEWS_MAX) {
        g_array_append_val(s->news, n);
    }
}

void vnc_tell_news(Vnc *s)
{
    g_autoptr(GArray) news = NULL;
    Peer              here;

    g_mutex_lock(&s->lock);
    if (s->news->len) {
        news = s->news;
        s->news = g_array_new(FALSE, FALSE, sizeof(News));
    }
    g_mutex_unlock(&s->lock);
    for (unsigned i = 0; news && i < news->len; i++) {
        News           *n = &g_array_index(news, News, i);
        GVariantBuilder b, server, client;
        place(s, &here);
        here.websocket = n->peer.websocket;
        object_start(&server);
        say_place(&server, &here);
        say(&server, "auth", auth(s));
        object_start(&client);
        say_place(&client, &n->peer);
        object_start(&b);
        say_value(&b, "server", g_variant_builder_end(&server));
        say_value(&b, "client", g_variant_builder_end(&client));
        machine_event(s->machine, n->event, g_variant_builder_end(&b));
    }
}
#endif
