/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h -- two ends of a cable, symmetrical: a network card of the guest's and a back end of the
 * host's.
 *
 * An end that cannot take a frame says so; the core keeps what comes for it, up to NET_BACKLOG
 * frames, and drops the rest as a real wire would.  Frames are whole Ethernet frames without
 * preamble and FCS.
 *
 * Threads: with the machine lock.
 */
#ifndef NET_NET_H
#define NET_NET_H
#include "core/clock.h"
#include "core/device.h"
#include <sys/uio.h>

enum { NET_BACKLOG = 256, NET_FRAME_MAX = 65536 };
typedef struct NetEnd NetEnd;

/* a back end is one file in net/ and one line in net/netdevs.def */
typedef struct NetOps {
    const char  *name, *desc;         /* "-netdev NAME" */
    size_t       size;                /* of the instance; NetEnd is its first member */
    const Field *fields;
    bool       (*open)(NetEnd *e, GError **err);          /* on failure nothing is left behind */
    void       (*close)(NetEnd *e);
    /* false: full, net_ready() later */
    bool       (*receive)(NetEnd *e, const struct iovec *iov, unsigned n);
    /* optional: the cable was plugged or unplugged */
    void       (*link)(NetEnd *e, bool up);
    /* optional: for the monitor; the caller frees it */
    char      *(*info)(NetEnd *e);
} NetOps;

struct NetEnd {
    const NetOps *ops;
    Machine      *machine;
    char         *id;                 /* -netdev id=, or the card's name */
    NetEnd       *peer;               /* NULL: nothing plugged in */
    GQueue        backlog;            /* GBytes for this end */
    bool          is_guest;           /* a card: takes nothing while the machine is stopped */
    bool          link_down;
    Timer         wake;               /* a stopped card's backlog goes on with guest time */
    uint64_t      dropped;            /* frames; for the monitor */
};

extern const NetOps *const net_back_ends[];       /* from net/netdevs.def, NULL-terminated */

/* all of -netdev, -nic, -net; before the devices that name them */
bool    nets_open(Machine *m, GError **err);
void    nets_close(Machine *m);
NetEnd *net_find(Machine *m, const char *id);
char   *net_info(Machine *m);                     /* lines for the monitor; the caller frees it */

/* A card, embedded in its device: peer (or NULL) is plugged in, and must be free. */
bool net_nic_open(NetEnd *nic, const NetOps *ops, Device *d, NetEnd *peer, GError **err);
void net_nic_close(NetEnd *nic);
/* NULL: the next of 52:54:00:12:34:56 and on */
bool net_mac_parse(const char *text, uint8_t mac[6], GError **err);
void net_mac_next(Machine *m, uint8_t mac[6]);

void net_send(NetEnd *from, const struct iovec *iov, unsigned n);
/* e has room again: what waits for it is delivered */
void net_ready(NetEnd *e);
bool net_set_link(NetEnd *e, bool up);          /* both ends see it; false: nothing is plugged in */
size_t iov_bytes(const struct iovec *iov, unsigned n);
/* bytes copied */
size_t iov_copy(const struct iovec *iov, unsigned n, size_t from, void *to, size_t bytes);
#endif
