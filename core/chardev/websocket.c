/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * websocket.c -- the server's end of a WebSocket: the HTTP request that opens it, frames both ways.
 *
 * Spec: RFC 6455, chapters 4.2 and 5.
 * Omits: extensions; text frames' bytes are taken as they are.
 * Threads: pure functions.
 */
#include "core/chardev/codec.h"
#include <string.h>

#define REQUEST_MAX 8192
#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"      /* chapter 1.3 */
enum { OP_CONTINUE, OP_TEXT, OP_BINARY, OP_CLOSE = 8, OP_PING, OP_PONG };
enum { FIN = 0x80, MASKED = 0x80, LEN16 = 126, LEN64 = 127, CONTROL_MAX = 125 };

static void add_text(GByteArray *out, const char *s)
{
    g_byte_array_append(out, (const uint8_t *)s, (guint)strlen(s));
}

/* The value of a header's line, or NULL. */
static char *header(char **lines, const char *name)
{
    size_t n = strlen(name);

    for (char **l = lines; *l; l++) {
        if (!g_ascii_strncasecmp(*l, name, n) && (*l)[n] == ':') {
            return g_strstrip(g_strdup(*l + n + 1));
        }
    }
    return NULL;
}

static bool has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list ? list : "", ",", -1);

    for (char **w = words; *w; w++) {
        if (!g_ascii_strcasecmp(g_strstrip(*w), word)) {
            return true;
        }
    }
    return false;
}

static void accept_key(GByteArray *out, const char *key, bool binary)
{
    GChecksum       *sum = g_checksum_new(G_CHECKSUM_SHA1);
    guint8           digest[20];
    gsize            n = sizeof(digest);
    g_autofree char *text = NULL, *reply = NULL;

    g_checksum_update(sum, (const guchar *)key, -1);
    g_checksum_update(sum, (const guchar *)GUID, -1);
    g_checksum_get_digest(sum, digest, &n);
    g_checksum_free(sum);
    text = g_base64_encode(digest, n);
    reply = g_strdup_printf(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s\r\n",
        text, binary ? "Sec-WebSocket-Protocol: binary\r\n" : "");
    add_text(out, reply);
}

int websocket_handshake(WebSocket *ws, GByteArray *out)
{
    const uint8_t   *end = memmem(ws->in->data, ws->in->len, "\r\n\r\n", 4);
    g_autofree char *text = NULL, *upgrade = NULL, *key = NULL, *version = NULL, *protocol = NULL;
    g_auto(GStrv)    lines = NULL;

    if (!end) {
        if (ws->in->len <= REQUEST_MAX) {
            return 0;
        }
        add_text(out, "HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n");
        return -1;
    }
    text = g_strndup((const char *)ws->in->data, (gsize)(end - ws->in->data));
    lines = g_strsplit(text, "\r\n", -1);
    upgrade = header(lines, "upgrade");
    key = header(lines, "sec-websocket-key");
    version = header(lines, "sec-websocket-version");
    protocol = header(lines, "sec-websocket-protocol");
    if (!g_str_has_prefix(text, "GET ") || !has_word(upgrade, "websocket") || !key ||
        g_strcmp0(version, "13")) {
        add_text(out, "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n\r\n");
        return -1;
    }
    g_byte_array_remove_range(ws->in, 0, (guint)(end + 4 - ws->in->data));
    accept_key(out, key, has_word(protocol, "binary"));
    ws->open = true;
    return 1;
}

static void frame(GByteArray *out, uint8_t op, const uint8_t *buf, size_t n)
{
    uint8_t head[4] = { FIN | op, (uint8_t)(n < LEN16 ? n : LEN16), (uint8_t)(n >> 8), (uint8_t)n };

    g_byte_array_append(out, head, n < LEN16 ? 2 : 4);
    g_byte_array_append(out, buf, (guint)n);
}

void websocket_encode(GByteArray *out, const uint8_t *buf, size_t n)
{
    for (size_t at = 0; at < n; at += 0xffff) {
        frame(out, OP_BINARY, buf + at, MIN(n - at, 0xffff));
    }
}

/* A frame's head at the start of ws->in; 0: not whole yet. */
static size_t head_bytes(const WebSocket *ws)
{
    unsigned len;
    size_t   n;

    if (ws->in->len < 2) {
        return 0;
    }
    len = ws->in->data[1] & 0x7f;
    n = 2 + (len == LEN16 ? 2 : len == LEN64 ? 8 : 0) + 4;
    return ws->in->len >= n ? n : 0;
}

bool websocket_ready(const WebSocket *ws)
{
    size_t head = ws->left ? 0 : head_bytes(ws);

    if (ws->left || ws->closed || !head) {
        return ws->left && !ws->closed && ws->in->len;
    }
    return (ws->in->data[0] & 0x0f) < OP_CLOSE || ws->in->len >= head + (ws->in->data[1] & 0x7f);
}

/* Ping, pong, close: whole, or nothing of it. */
static bool control(WebSocket *ws, uint8_t op, size_t head, GByteArray *out)
{
    size_t  n = ws->in->data[1] & 0x7f;
    uint8_t text[CONTROL_MAX];

    if (n > CONTROL_MAX) {
        ws->closed = true;
        return false;
    }
    if (ws->in->len < head + n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        text[i] = ws->in->data[head + i] ^ ws->in->data[head - 4 + i % 4];
    }
    g_byte_array_remove_range(ws->in, 0, (guint)(head + n));
    if (op == OP_PING) {
        frame(out, OP_PONG, text, n);
    } else if (op == OP_CLOSE) {
        frame(out, OP_CLOSE, text, MIN(n, 2));
        ws->closed = true;
    }
    return true;
}

/* The next frame that has data begins, or control frames are gone; false: wait for more. */
static bool next_frame(WebSocket *ws, GByteArray *out)
{
    size_t         head = head_bytes(ws);
    const uint8_t *p = ws->in->data;
    uint8_t        op;

    if (!head) {
        return false;
    }
    op = p[0] & 0x0f;
    if (!(p[1] & MASKED) || (p[0] & 0x70) || (op > OP_BINARY && op < OP_CLOSE) || op > OP_PONG) {
        /* a client masks, and uses no extension that nobody offered: chapter 5.1 */
        ws->closed = true;
        return false;
    }
    if (op >= OP_CLOSE) {
        return control(ws, op, head, out);
    }
    ws->left = p[1] & 0x7f;
    if (ws->left >= LEN16) {
        size_t bytes = ws->left == LEN16 ? 2 : 8;
        ws->left = 0;
        for (size_t i = 0; i < bytes; i++) {
            ws->left = ws->left << 8 | p[2 + i];
        }
    }
    memcpy(ws->mask, p + head - 4, 4);
    ws->at = 0;
    g_byte_array_remove_range(ws->in, 0, (guint)head);
    return true;
}

size_t websocket_decode(WebSocket *ws, uint8_t *buf, size_t n, GByteArray *out)
{
    size_t done = 0;

    while (done < n && !ws->closed) {
        if (!ws->left) {
            if (!next_frame(ws, out)) {
                break;
            }
            continue;
        }
        size_t now = MIN(MIN(n - done, ws->left), ws->in->len);
        if (!now) {
            break;
        }
        for (size_t i = 0; i < now; i++) {
            buf[done + i] = ws->in->data[i] ^ ws->mask[ws->at++ % 4];
        }
        g_byte_array_remove_range(ws->in, 0, (guint)now);
        ws->left -= now;
        done += now;
    }
    return done;
}
