/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.c -- Unix and Internet sockets by name: what a name stands for, listening, connecting.
 *
 * Spec: Linux unix(7), ip(7), ipv6(7); POSIX.1-2017, getaddrinfo.
 * Omits: nothing.
 * Threads: the main context; names of hosts are asked for when a device is opened, which may take a
 *   while.
 */
#include "core/chardev/address.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

bool address_check(const ChrConfig *cfg, GError **err)
{
    struct sockaddr_un un;
    unsigned           n = !!cfg->path + !!cfg->port + !!cfg->fd;

    if (n != 1) {
        return fail(err, "-chardev %s: one of path=, port= and fd= belongs here", cfg->backend);
    }
    if (cfg->path && strlen(cfg->path) + cfg->abstract >= sizeof(un.sun_path)) {
        return fail(err, "%s: too long for the name of a socket; at most %zu bytes", cfg->path,
                    sizeof(un.sun_path) - 1);
    }
    return true;
}

static GArray *unix_address(const ChrConfig *cfg)
{
    GArray             *list = g_array_new(FALSE, TRUE, sizeof(Address));
    Address             a = { .n = sizeof(struct sockaddr_un) };
    struct sockaddr_un *un = (struct sockaddr_un *)&a.at;
    size_t              len = strlen(cfg->path);

    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + cfg->abstract, cfg->path, len);
    if (cfg->abstract && cfg->tight) {
        a.n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
    }
    g_array_append_val(list, a);
    return list;
}

GArray *address_find(const ChrConfig *cfg, bool local, int type, GError **err)
{
    struct addrinfo hints = { .ai_socktype = type, .ai_flags = local ? AI_PASSIVE : 0 }, *list, *i;
    const char     *host = local && type == SOCK_DGRAM ? cfg->localaddr : cfg->host;
    const char     *port = local && type == SOCK_DGRAM ? cfg->localport : cfg->port;
    GArray         *out;
    int             r;

    if (cfg->path) {
        return unix_address(cfg);
    }
    hints.ai_family = cfg->ipv4 && !cfg->ipv6   ? AF_INET
                      : cfg->ipv6 && !cfg->ipv4 ? AF_INET6
                                                : AF_UNSPEC;
    r = getaddrinfo(host && *host ? host : NULL, port && *port ? port : "0", &hints, &list);
    if (r) {
        fail(err, "%s:%s: %s", host ? host : "", port ? port : "", gai_strerror(r));
        return NULL;
    }
    out = g_array_new(FALSE, TRUE, sizeof(Address));
    for (i = list; i; i = i->ai_next) {
        Address a = { .n = i->ai_addrlen };
        memcpy(&a.at, i->ai_addr, i->ai_addrlen);
        g_array_append_val(out, a);
    }
    freeaddrinfo(list);
    return out;
}

char *address_text(const Address *a)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (a->at.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&a->at;
        size_t n = a->n > offsetof(struct sockaddr_un, sun_path)
                       ? a->n - offsetof(struct sockaddr_un, sun_path)
                       : 0;
        bool   abstract = n && !un->sun_path[0];
        return abstract ? g_strdup_printf("@%.*s", (int)n - 1, un->sun_path + 1)
                        : g_strndup(un->sun_path, n);
    }
    if (getnameinfo((const struct sockaddr *)&a->at, a->n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return g_strdup("?");
    }
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

char *address_name(const ChrConfig *cfg)
{
    if (cfg->path) {
        return g_strdup(cfg->path);
    }
    return cfg->fd ? g_strdup_printf("fd=%s", cfg->fd)
                   : g_strdup_printf("%s:%s", cfg->host ? cfg->host : "", cfg->port);
}

static int try_listen(const Address *a, const ChrConfig *cfg)
{
    int one = 1, fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), e;

    if (fd < 0) {
        return -1;
    }
    if (a->at.ss_family == AF_UNIX) {
        if (!cfg->abstract) {
            unlink(cfg->path);
        }
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (a->at.ss_family == AF_INET6 && cfg->ipv6 && !cfg->ipv4) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    if (bind(fd, (const struct sockaddr *)&a->at, a->n) || listen(fd, 1)) {
        e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static void set_port(Address *a, unsigned port)
{
    if (a->at.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&a->at)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)&a->at)->sin_port = htons((uint16_t)port);
    }
}

int address_listen(const ChrConfig *cfg, GError **err)
{
    GArray  *list = address_find(cfg, true, SOCK_STREAM, err);
    unsigned first = cfg->port ? (unsigned)strtoul(cfg->port, NULL, 10) : 0,
             last = cfg->to > first ? cfg->to : first;
    g_autofree char *name = address_name(cfg);
    int      fd = -1, e = 0;

    for (unsigned port = first; list && fd < 0 && port <= last; port++) {
        for (unsigned i = 0; i < list->len && fd < 0; i++) {
            Address *a = &g_array_index(list, Address, i);
            if (cfg->to) {
                set_port(a, port);
            }
            fd = try_listen(a, cfg);
            e = errno;
        }
    }
    if (list && fd < 0) {
        fail(err, "socket %s: cannot listen on it: %s", name, g_strerror(e));
    }
    if (list) {
        g_array_free(list, TRUE);
    }
    return fd;
}

int address_dial(const Address *a, bool *made)
{
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *made = fd >= 0 && !connect(fd, (const struct sockaddr *)&a->at, a->n);
    if (fd >= 0 && !*made && errno != EINPROGRESS) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

int address_connect(const ChrConfig *cfg, GError **err)
{
    GArray          *list = address_find(cfg, false, SOCK_STREAM, err);
    g_autofree char *name = address_name(cfg);
    int              fd = -1, e = 0;

    for (unsigned i = 0; list && fd < 0 && i < list->len; i++) {
        const Address *a = &g_array_index(list, Address, i);
        fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        e = errno;
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&a->at, a->n)) {
            e = errno;
            close(fd);
            fd = -1;
        }
    }
    if (list && fd < 0) {
        fail(err, "socket %s: cannot connect to it: %s", name, g_strerror(e));
    }
    if (list) {
        g_array_free(list, TRUE);
    }
    return fd;
}
