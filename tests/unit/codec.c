/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec.c -- telnet and WebSocket: bytes in pieces, what is not allowed, and random input. */
#include "core/chardev/codec.h"
#include "tests/unit/unit.h"
#include <string.h>

START_TEST(codec_telnet)
{
    static const uint8_t in[] =
        "a\377\373\001b\377\377c\377\363d\377\372\030\001x\377\377y\377\360e";
    GByteArray *out = g_byte_array_new();
    Telnet      t = { 0 };
    uint8_t     got[64], one;
    size_t      n = 0;

    for (size_t i = 0; i < sizeof(in) - 1; i++) {       /* a byte at a time */
        one = in[i];
        n += telnet_decode(&t, &one, 1) ? (got[n] = one, 1) : 0;
    }
    ck_assert_uint_eq(n, 6);
    ck_assert_mem_eq(got, "ab\377cde", 6);
    ck_assert_uint_eq(t.breaks, 1);
    telnet_encode(out, got, n);
    ck_assert_mem_eq(out->data, "ab\377\377cde", 7);
    g_byte_array_unref(out);
}
END_TEST

static size_t decode_all(const uint8_t *in, size_t n, size_t step, uint8_t *got, size_t room,
                         WebSocket *ws, GByteArray *out)
{
    size_t done = 0;

    *ws = (WebSocket){ .in = g_byte_array_new(), .open = true };
    for (size_t i = 0; i < n; i += step) {
        g_byte_array_append(ws->in, in + i, (guint)MIN(step, n - i));
        while (done < room && websocket_ready(ws)) {
            size_t before = done, left = ws->in->len;
            done += websocket_decode(ws, got + done, room - done, out);
            /* ready means that something happens */
            ck_assert(done > before || ws->in->len < left || ws->closed);
        }
    }
    g_byte_array_unref(ws->in);
    return done;
}

START_TEST(codec_websocket)
{
    /* RFC 6455, 5.7: "Hello" masked; then in two parts with a ping between them */
    static const uint8_t in[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f,    0x4d,
                                  0x51, 0x58, 0x01, 0x82, 0,    0,    0,    0,       'a',
                                  'b',  0x89, 0x81, 1,    2,    3,    4,    'p' ^ 1, 0x80,
                                  0x81, 0,    0,    0,    0,    'c' };
    static const uint8_t bare[] = { 0x81, 0x02, 'h', 'i' };             /* not masked: 5.1 */
    static const uint8_t long_ping[] = { 0x89, 0xfe, 1, 0, 0, 0, 0,
                                         0 };        /* more than 125: 5.5 */
    uint8_t              got[64];

    for (size_t step = 1; step <= sizeof(in); step++) {
        GByteArray *out = g_byte_array_new();
        WebSocket   ws;
        ck_assert_uint_eq(decode_all(in, sizeof(in), step, got, sizeof(got), &ws, out), 8);
        ck_assert_mem_eq(got, "Helloabc", 8);
        ck_assert_uint_eq(out->len, 3);
        ck_assert_mem_eq(out->data, "\212\001p", 3);
        ck_assert(!ws.closed);
        decode_all(bare, sizeof(bare), step, got, sizeof(got), &ws, out);
        decode_all(long_ping, sizeof(long_ping), step, got, sizeof(got), &ws, out);
        g_byte_array_unref(out);
    }
}
END_TEST

START_TEST(codec_random)
{
    GRand *r = g_rand_new_with_seed(6455);

    for (int round = 0; round < 20000; round++) {
        uint8_t     in[300], got[300];
        size_t      n = (size_t)g_rand_int_range(r, 1, sizeof(in));
        GByteArray *out = g_byte_array_new();
        WebSocket   ws;
        Telnet      t = { .state = 0 };
        for (size_t i = 0; i < n; i++) {
            in[i] = (uint8_t)(g_rand_int_range(r, 0, 4) ? g_rand_int(r) & 0x8f : g_rand_int(r));
        }
        ck_assert_uint_le(
            decode_all(in, n, (size_t)g_rand_int_range(r, 1, 40), got, sizeof(got), &ws, out),
            sizeof(got));
        ck_assert_uint_le(telnet_decode(&t, in, n), n);
        ws = (WebSocket){ .in = g_byte_array_new() };
        g_byte_array_append(ws.in, in, (guint)n);
        g_byte_array_append(ws.in, (const uint8_t *)"\r\n\r\n", 4);
        ck_assert_int_ne(websocket_handshake(&ws, out), 0);
        g_byte_array_unref(ws.in);
        g_byte_array_unref(out);
    }
    g_rand_free(r);
}
END_TEST

Suite *suite_codec(void)
{
    Suite *s = suite_create("codec");

    ADD(s, codec_telnet);
    ADD(s, codec_websocket);
    ADD(s, codec_random);
    return s;
}
