/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket.c -- a Unix or TCP socket, either end of it.
 *
 * Spec: Linux unix(7), tcp(7).
 * Omits: telnet negotiation, TLS, reconnecting clients.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/backend.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool socket_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    struct sockaddr_un un;

    if (!cfg->path && !cfg->port) {
        return fail(err, "-chardev socket: path= or port= is missing");
    }
    if (cfg->path && strlen(cfg->path) >= sizeof(un.sun_path)) {
        return fail(err, "%s: too long for the name of a socket; at most %zu bytes", cfg->path, sizeof(un.sun_path) - 1);
    }
    return true;
}

static int unix_socket(const ChrConfig *cfg)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    if (fd < 0) {
        return -1;
    }
    g_strlcpy(a.sun_path, cfg->path, sizeof(a.sun_path));
    if (cfg->server) {
        unlink(cfg->path);
        r = bind(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : listen(fd, 1);
    } else {
        r = connect(fd, (struct sockaddr *)&a, sizeof(a));
    }
    if (r < 0) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static int tcp_socket(const ChrConfig *cfg, const char **why)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = cfg->server ? AI_PASSIVE : 0 }, *list, *a;
    int             one = 1, fd = -1, r;

    r = getaddrinfo(cfg->host && *cfg->host ? cfg->host : NULL, cfg->port, &hints, &list);
    if (r) {
        *why = gai_strerror(r);
        return -1;
    }
    for (a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (cfg->server ? bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1) : connect(fd, a->ai_addr, a->ai_addrlen)) {
            *why = g_strerror(errno);
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static void socket_ready(Chardev *c, int fd)
{
    int one = 1;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!c->cfg.path) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    chr_set_fds(c, fd, fd);
}

static bool accept_client(Chardev *c)
{
    int fd = accept4(c->aux_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    if (c->connected) {                 /* one client at a time */
        close(fd);
        return false;
    }
    socket_ready(c, fd);
    return true;
}

static bool socket_open(Chardev *c, GError **err)
{
    const char *why = NULL, *name = c->cfg.path ? c->cfg.path : c->cfg.port;
    int         fd = c->cfg.path ? unix_socket(&c->cfg) : tcp_socket(&c->cfg, &why);

    if (fd < 0) {
        return fail(err, "socket %s: cannot %s: %s", name, c->cfg.server ? "listen on it" : "connect to it",
                    why ? why : g_strerror(errno));
    }
    if (!c->cfg.server) {
        socket_ready(c, fd);
        return true;
    }
    chr_watch(c, fd, G_IO_IN);
    if (c->cfg.wait) {
        fprintf(stderr, "ryokan: waiting for a connection on %s\n", name);
        while (!accept_client(c)) {
            struct pollfd p = { .fd = fd, .events = POLLIN };
            if (poll(&p, 1, -1) < 0 && errno != EINTR) {
                break;
            }
        }
    }
    return true;
}

static void socket_close(Chardev *c)
{
    chr_close_fds(c);
    if (c->aux_fd >= 0) {
        close(c->aux_fd);
        if (c->cfg.path && c->cfg.server) {
            unlink(c->cfg.path);
        }
    }
}

static void client_waits(Chardev *c)
{
    accept_client(c);
}

static char *socket_describe(const Chardev *c)
{
    const ChrConfig *cfg = &c->cfg;
    const char      *more = cfg->server ? ",server=on" : "", *gone = c->connected ? "" : "disconnected:";

    return cfg->path ? g_strdup_printf("%sunix:%s%s", gone, cfg->path, more)
                     : g_strdup_printf("%stcp:%s:%s%s", gone, cfg->host ? cfg->host : "", cfg->port, more);
}

const ChrBackend socket_chardev = {
    .name = "socket", .help = "a Unix or TCP socket", .keys = "path host port server wait nodelay", .check = socket_check,
    .open = socket_open, .ready = client_waits, .lost = chr_close_fds, .close = socket_close, .describe = socket_describe,
};
