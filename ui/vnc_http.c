/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc_http.c -- the VNC port as a browser sees it: a console page, and noVNC's files where its
 * package is installed.
 *
 * Spec: RFC 9112 (HTTP/1.1), as much of it as one GET and a closed connection need; RFC 6455 4.2.1
 *   (what a WebSocket's request looks like: libvncserver speaks it).
 * Omits: everything but GET; ranges, keep-alive.
 * Threads: http_kind() on the viewers' thread, never blocks; http_answer() starts a thread of its
 *          own for each request, a few at most, so that a browser that reads slowly holds up
 *          nobody.
 */
#ifdef CONFIG_VNC
#include "ui/vnc_http.h"
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 8192, ANSWERS_MAX = 8, SEND_S = 10, FILE_MOST = 4 << 20,
       TLS_HANDSHAKE = 0x16 };          /* RFC 8446, 5.1: the first record's type */

extern const char console_page[], console_page_end[];
__asm__(".section .rodata\n.globl console_page, console_page_end\nconsole_page: .incbin "
        "\"ui/console.html\"\nconsole_page_end: .byte 0\n.previous");

/* The value of a header, up to the end of its line; NULL: it is not there.  Both in lower case. */
static char *header(const char *request, const char *name)
{
    g_autofree char *at = g_strdup_printf("\r\n%s:", name);
    const char      *p = strstr(request, at);

    return p ? g_strstrip(g_strndup(p + strlen(at), strcspn(p + strlen(at), "\r"))) : NULL;
}

/*
 * A page of another site, open in the user's browser, must not reach the guest through it (RFC
 * 6455, 10.2).
 */
static bool same_origin(const char *request)
{
    g_autofree char *host = header(request, "host"), *origin = header(request, "origin");
    const char      *from = origin ? strstr(origin, "://") : NULL;

    return !origin || (host && from && !strcmp(from + 3, host));
}

HttpKind http_kind(int fd)
{
    char    buf[REQUEST_MAX + 1];
    ssize_t n = recv(fd, buf, REQUEST_MAX, MSG_PEEK | MSG_DONTWAIT);

    if (n == 0) {
        return HTTP_GONE;
    }
    if (n < 0) {
        return HTTP_NOTHING_YET;
    }
    buf[n] = 0;
    if (buf[0] == TLS_HANDSHAKE) {
        return HTTP_TLS;
    }
    if (strncmp(buf, "GET ", MIN(4, n))) {
        return HTTP_NOT;
    }
    if (!strstr(buf, "\r\n\r\n")) {
        return n == REQUEST_MAX ? HTTP_GONE : HTTP_NOTHING_YET;
    }
    g_autofree char *lower = g_ascii_strdown(buf, -1);
    if (!strstr(lower, "\r\nupgrade: websocket\r\n")) {
        return HTTP_GET;
    }
    return same_origin(lower) ? HTTP_WEBSOCKET : HTTP_GONE;
}

/* ---- answers ---- */

static const struct {
    const char *suffix, *type;
} types[] = {
    { ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript" },
    { ".css", "text/css" }, { ".svg", "image/svg+xml" },
    { ".png", "image/png" }, { ".json", "application/json" },
    { ".ico", "image/x-icon" }, { ".woff", "font/woff" }, { ".ttf", "font/ttf" },
};

static const char *type_of(const char *path)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (g_str_has_suffix(path, types[i].suffix)) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0) {
            return false;
        }
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static void reply(int fd, const char *status, const char *type, const char *body, size_t n)
{
    g_autofree char *head = g_strdup_printf(
        "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        status, type, n);

    if (send_all(fd, head, strlen(head))) {
        send_all(fd, body, n);
    }
}

/* Names without a leading dot in any part: nothing outside of the folder, nothing hidden. */
static bool is_plain(const char *path)
{
    for (const char *p = path; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("/._-", *p)) {
            return false;
        }
        if (*p == '/' && (p[1] == '.' || p[1] == '/')) {
            return false;
        }
    }
    return path[0] == '/';
}

static void send_file(int fd, const char *path)
{
    g_autofree char *file = g_strconcat(NOVNC_DIR, path, NULL), *body = NULL;
    gsize            n = 0;

    if (!is_plain(path) || !g_file_test(file, G_FILE_TEST_IS_REGULAR) ||
        !g_file_get_contents(file, &body, &n, NULL) || n > FILE_MOST) {
        reply(fd, "404 Not Found", "text/plain", "There is no such page.\n", 23);
        return;
    }
    reply(fd, "200 OK", type_of(path), body, n);
}

static void *answer(void *arg)
{
    HttpAnswer *a = arg;
    int         fd = a->fd;
    char        buf[REQUEST_MAX + 1];
    ssize_t     n = recv(fd, buf, REQUEST_MAX, 0);
    char       *path, *end;

    buf[MAX(n, 0)] = 0;
    path = n > 4 ? buf + 4 : buf;
    end = path + strcspn(path, " ?#\r\n");
    *end = 0;
    if (!strcmp(path, "/")) {
        reply(fd, "200 OK", "text/html; charset=utf-8", console_page,
              (size_t)(console_page_end - console_page));
    } else {
        send_file(fd, path);
    }
    shutdown(fd, SHUT_WR);
    close(fd);
    __atomic_sub_fetch(a->running, 1, __ATOMIC_SEQ_CST);
    g_free(a);
    return NULL;
}

void http_answer(int fd, unsigned *running)
{
    struct timeval limit = { .tv_sec = SEND_S };
    HttpAnswer    *a;

    if (__atomic_add_fetch(running, 1, __ATOMIC_SEQ_CST) > ANSWERS_MAX) {
        __atomic_sub_fetch(running, 1, __ATOMIC_SEQ_CST);
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    a = g_new0(HttpAnswer, 1);
    a->fd = fd;
    a->running = running;
    g_thread_unref(g_thread_new("vnc-http", answer, a));
}
#endif
