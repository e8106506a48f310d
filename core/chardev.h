/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.h -- a byte stream with two ends: a host back end (stdio, file, pty, socket, null, ...)
 * and one guest-side user (a UART, a debug port, the monitor).  A mux lets several users share one
 * back end.
 *
 * Threads: all calls with the machine lock; receive and event hooks run in the main context with
 *   the lock.
 */
#ifndef CORE_CHARDEV_H
#define CORE_CHARDEV_H
#include "core/field.h"
typedef struct Machine Machine;
typedef struct Chardev Chardev;
/* focus: of a mux */
typedef enum { CHR_OPENED, CHR_CLOSED, CHR_BREAK, CHR_FOCUS_IN, CHR_FOCUS_OUT } ChrEvent;
typedef struct ChrUser {
    /* bytes the user takes now; 0 stops reading from the host */
    size_t (*can_receive)(void *dev);
    void   (*receive)(void *dev, const uint8_t *buf, size_t n);
    void   (*event)(void *dev, ChrEvent event);     /* optional */
    void   (*writable)(void *dev);                /* optional: room again after a short chr_write */
    void    *dev;
} ChrUser;
/*
 * spec: "stdio", "null", "pty", "file:PATH", "pipe:PATH", "unix:PATH[,server=on][,wait=off]",
 * "tcp:HOST:PORT[,...]", "telnet:HOST:PORT", "websocket:HOST:PORT",
 * "udp:[HOST]:PORT[@[HOST]:PORT]", "vc[:WxH]", "mon:SPEC" for a mux with a monitor, "chardev:ID",
 * or -chardev's "BACKEND,key=value,...".  Only checked and noted at first: files, sockets and
 * terminals are opened by chr_open_all(), once the whole machine stands, or at once after that.
 */
Chardev *chr_new(Machine *m, const char *spec, const char *id, GError **err);
bool     chr_open_all(Machine *m, GError **err);
bool     chr_is_mux(const Chardev *c);
bool     chr_has_id(const Chardev *c);
unsigned chr_count(Machine *m);       /* all there are, for the monitor */
Chardev *chr_at(Machine *m, unsigned i);
const char *chr_label(const Chardev *c);        /* its id, or what kind it is */
const char *chr_kind(const Chardev *c);
const char *chr_backend_name(unsigned i);       /* NULL past the last */
char    *chr_describe(const Chardev *c);        /* "unix:/path", ...; the caller frees it */
bool     chr_has_user(const Chardev *c);
void     chr_flush(Chardev *c);       /* blocks until all is out: for the end of the process */
struct ChrState *chr_state_new(Machine *m);
/* flushes, closes, gives the terminal back its settings */
void     chr_state_free(struct ChrState *s);
Chardev *chr_find(Machine *m, const char *id);
void     chr_attach(Chardev *c, const ChrUser *user);           /* copied */
void     chr_detach(Chardev *c, const void *dev);               /* the user with this dev */
/* never blocks; returns what was taken */
size_t   chr_write(Chardev *c, const void *buf, size_t n);
void     chr_accept(Chardev *c);      /* the user has room again: resume reading */
int      chr_take_fd(Chardev *c);     /* a descriptor that the peer has passed; -1: none */
#endif
