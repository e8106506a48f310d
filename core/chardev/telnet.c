/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * telnet.c -- the server's end of telnet: characters as they are typed, echoed by the guest, eight
 * bits.
 *
 * Spec: RFC 854 (commands), 856 (binary), 857 (echo), 858 (suppress go ahead).
 * Omits: 3270; the client's answers are not waited for.
 * Threads: pure functions.
 */
#include "core/chardev/codec.h"

enum { SE = 240, BREAK = 243, SB = 250, WILL = 251, DO = 253, DONT = 254, IAC = 255 };
enum { ECHO_OPTION = 1, SUPPRESS_GO_AHEAD = 3, BINARY = 0 };
enum { DATA, COMMAND, OPTION, SUB, SUB_IAC };

void telnet_greet(GByteArray *out)
{
    static const uint8_t hello[] = {
        IAC, WILL, ECHO_OPTION, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, WILL, BINARY, IAC, DO, BINARY,
    };
    g_byte_array_append(out, hello, sizeof(hello));
}

size_t telnet_decode(Telnet *t, uint8_t *buf, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = buf[i];
        switch (t->state) {
        case DATA:
            if (c == IAC) {
                t->state = COMMAND;
            } else {
                buf[out++] = c;
            }
            break;
        case COMMAND:
            t->state = c >= WILL && c <= DONT ? OPTION : c == SB ? SUB : DATA;
            t->breaks += c == BREAK;
            if (c == IAC) {
                buf[out++] = c;
            }
            break;
        case OPTION:  t->state = DATA; break;
        case SUB:     t->state = c == IAC ? SUB_IAC : SUB; break;
        default:      t->state = c == SE ? DATA : SUB; break;
        }
    }
    return out;
}

void telnet_encode(GByteArray *out, const uint8_t *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_byte_array_append(out, &buf[i], 1);
        if (buf[i] == IAC) {
            g_byte_array_append(out, &buf[i], 1);
        }
    }
}
