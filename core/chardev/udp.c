/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp.c -- datagrams to one peer and from it: what is written at once is one.
 *
 * Spec: Linux udp(7).
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/address.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool udp_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    (void)m;
    return cfg->port || fail(err, "-chardev udp: port= is missing");
}

static int udp_pair(GArray *there, GArray *here)
{
    for (unsigned i = 0; i < there->len; i++) {
        const Address *to = &g_array_index(there, Address, i);
        int            fd = socket(to->at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bool           bound = !here->len;
        for (unsigned k = 0; fd >= 0 && !bound && k < here->len; k++) {
            const Address *at = &g_array_index(here, Address, k);
            bound = at->at.ss_family == to->at.ss_family &&
                    !bind(fd, (const struct sockaddr *)&at->at, at->n);
        }
        if (fd >= 0 && bound && !connect(fd, (const struct sockaddr *)&to->at, to->n)) {
            return fd;
        }
        if (fd >= 0) {
            int e = errno;
            close(fd);
            errno = e;
        }
    }
    return -1;
}

static bool udp_open(Chardev *c, GError **err)
{
    ChrConfig        to = c->cfg;
    GArray          *there, *here;
    g_autofree char *name = address_name(&c->cfg);
    int              fd = -1;

    if (!to.host || !*to.host) {
        to.host = "localhost";
    }
    there = address_find(&to, false, SOCK_DGRAM, err);
    here = !there                         ? NULL
           : to.localaddr || to.localport ? address_find(&to, true, SOCK_DGRAM, err)
                                          : g_array_new(FALSE, FALSE, sizeof(Address));
    if (here) {
        fd = udp_pair(there, here);
        if (fd < 0) {
            fail(err, "udp %s: %s", name, g_strerror(errno));
        }
        g_array_free(here, TRUE);
    }
    if (there) {
        g_array_free(there, TRUE);
    }
    if (fd >= 0) {
        chr_set_fds(c, fd, fd);
    }
    return fd >= 0;
}

/* Nobody there now may be somebody later: no error ends it, nor does an empty datagram. */
static ssize_t udp_read(Chardev *c, void *buf, size_t n)
{
    ssize_t r = recv(c->in_fd, buf, n, 0);

    if (r <= 0) {
        errno = EAGAIN;
    }
    return r > 0 ? r : -1;
}

static ssize_t udp_write(Chardev *c, const void *buf, size_t n)
{
    ssize_t r = send(c->out_fd, buf, n, MSG_NOSIGNAL);

    return r < 0 && errno == ECONNREFUSED ? (ssize_t)n : r;
}

static char *udp_describe(const Chardev *c)
{
    g_autofree char *name = address_name(&c->cfg);

    return g_strdup_printf("udp:%s", name);
}

const ChrBackend udp_chardev = {
    .name = "udp", .help = "datagrams", .keys = "host port localaddr localport ipv4 ipv6",
    .check = udp_check, .open = udp_open,
    .read = udp_read, .write = udp_write, .close = chr_close_fds, .describe = udp_describe,
};
