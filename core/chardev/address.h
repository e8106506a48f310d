/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.h -- sockets by name.
 *
 * Threads: the main context; a look-up of a name may take a while.
 */
#ifndef CORE_CHARDEV_ADDRESS_H
#define CORE_CHARDEV_ADDRESS_H
#include "core/chardev/backend.h"
#include <sys/socket.h>

typedef struct Address {
    struct sockaddr_storage at;
    socklen_t               n;
} Address;
bool  address_check(const ChrConfig *cfg, GError **err);
/* All that a name stands for: Address; the caller frees it. */
GArray *address_find(const ChrConfig *cfg, bool local, int type, GError **err);
char *address_text(const Address *a);           /* "127.0.0.1:80", "[::1]:80", "/path" */
char *address_name(const ChrConfig *cfg);       /* as it was given */
int   address_listen(const ChrConfig *cfg, GError **err);
int   address_connect(const ChrConfig *cfg, GError **err);     /* waits for the connection */
int   address_dial(const Address *a, bool *made);       /* does not wait; -1: errno */
#endif
