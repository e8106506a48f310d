/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codec.h -- what a socket's bytes are wrapped in: telnet's commands, WebSocket's frames.  Pure
 * functions over buffers.
 */
#ifndef CORE_CHARDEV_CODEC_H
#define CORE_CHARDEV_CODEC_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Telnet {
    uint8_t state;
    unsigned breaks;                  /* BREAK commands seen, for the caller to take */
} Telnet;
void   telnet_greet(GByteArray *out);
size_t telnet_decode(Telnet *t, uint8_t *buf, size_t n);        /* in place; what is left of it */
void   telnet_encode(GByteArray *out, const uint8_t *buf, size_t n);

typedef struct WebSocket {
    GByteArray *in;                   /* from the peer, not yet decoded */
    bool        open, closed;
    uint64_t    left;                 /* bytes of the present frame's payload */
    uint8_t     mask[4];
    unsigned    at;                   /* into mask */
} WebSocket;
/*
 * The request in ws->in: 1 answered (in out), 0 not whole yet, -1 none that can be (out says so).
 */
int    websocket_handshake(WebSocket *ws, GByteArray *out);
bool   websocket_ready(const WebSocket *ws);    /* ws->in has more to decode */
/* out: answers to pings */
size_t websocket_decode(WebSocket *ws, uint8_t *buf, size_t n, GByteArray *out);
void   websocket_encode(GByteArray *out, const uint8_t *buf, size_t n);
#endif
