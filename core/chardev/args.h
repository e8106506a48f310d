/* SPDX-License-Identifier: GPL-2.0-or-later */
/* args.h -- arguments of chardev-add: an object for each kind, their members together. */
#ifndef CORE_CHARDEV_ARGS_H
#define CORE_CHARDEV_ARGS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct AddrData {
    char *host, *port, *path, *str;
    bool  ipv4, ipv6, abstract, tight;
    uint32_t to;
} AddrData;
typedef struct Addr {
    uint32_t type;                    /* index into addr_types, plus 1 */
    AddrData data;
} Addr;
typedef struct Data {
    Addr     addr, remote, local;
    char    *in, *out, *device, *chardev, *tls_creds, *tls_authz, *logfile;
    bool     append, server, wait, nodelay, telnet, websocket, signal, logappend;
    uint32_t reconnect, width, height, cols, rows;
    uint64_t size;
} Data;
typedef struct Backend {
    char *type;
    Data  data;
} Backend;
typedef struct ChardevAddArgs {
    char   *id;
    Backend backend;
} ChardevAddArgs;
typedef struct RingArgs {
    char    *device, *data;
    uint32_t size, format;
} RingArgs;
#endif
