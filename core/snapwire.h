/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapwire.h -- a snapshot file to another process and back: over a socket, a descriptor or a
 * command's pipe.
 *
 * Threads: the main context with the machine lock; the bytes move in a thread of their own.
 */
#ifndef CORE_SNAPWIRE_H
#define CORE_SNAPWIRE_H
#include "core/machine.h"

typedef struct SnapWire SnapWire;
/* It is over: the main context, with the lock, once, and not after a close.  error: or NULL. */
typedef void (*SnapWireDone)(Machine *m, const char *error);

/* unix:PATH, tcp:HOST:PORT, fd:NAME, exec:COMMAND */
bool      snapwire_known(const char *uri);
/*
 * fd: the file to send, or the empty one to fill with at most `most` bytes; stays the caller's, and
 * open until the close.
 */
SnapWire *snapwire_send(Machine *m, const char *uri, int fd, SnapWireDone done, GError **err);
SnapWire *snapwire_receive(Machine *m, const char *uri, int fd, uint64_t most, SnapWireDone done,
                           GError **err);
/* bytes that went over; and that are to */
uint64_t  snapwire_moved(const SnapWire *w, uint64_t *total);
void      snapwire_limit(SnapWire *w, uint64_t bytes_s);       /* of sending; 0: none */
/* at any time; what is under way is broken off */
void      snapwire_close(SnapWire *w);
#endif
