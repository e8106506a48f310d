/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc.c -- viewers that lie: handshakes and messages of the RFB protocol with random contents, cut
 * short, repeated, unread, while the screen changes its size and its contents; also browsers, and
 * the beginning of TLS.  The process must not crash or hang.
 *
 *   -s SEED   (default: 1)     -t SECONDS   (default: 4)     -c   offer TLS with no certificate
 *
 * Spec: RFC 6143; the RFB community specification.
 * Threads: the main context runs here; a thread plays the viewers; the server has its own.
 */
#include "core/chardev.h"
#include "core/display.h"
#include "core/options.h"
#include "tests/args.h"
#include "tests/machine.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LIMIT_S = 90, PLAYERS = 10 };

#ifdef CONFIG_VNC

typedef struct Fuzz {
    Machine *m;
    GRand   *picture;                 /* main context */
    char    *path;
    uint32_t seed;
    uint32_t stop;                    /* atomic */
    uint64_t sessions, bytes_out, bytes_in;
} Fuzz;

/* ---- the screen ---- */

static void refresh(void *dev, Console *con)
{
    static const int sizes[][2] = { { 720, 400 }, { 640, 480 }, { 1, 1 }, { 3, 1000 },
                                    { 1024, 768 }, { 17, 15 }, { 2000, 2 } };
    Fuzz *f = dev;
    unsigned n = g_rand_int_range(f->picture, 0, 40)
                     ? 0
                     : (unsigned)g_rand_int_range(f->picture, 0, G_N_ELEMENTS(sizes));
    pixman_image_t *p = console_surface(con);

    if (!p || n) {
        p = console_resize(con, sizes[n][0], sizes[n][1]);
    }
    int w = pixman_image_get_width(p), h = pixman_image_get_height(p),
        stride = pixman_image_get_stride(p) / 4;
    int       x = g_rand_int_range(f->picture, 0, w), y = g_rand_int_range(f->picture, 0, h);
    int dx = g_rand_int_range(f->picture, 1, MIN(200, w - x) + 1),
        dy = g_rand_int_range(f->picture, 1, MIN(200, h - y) + 1);
    uint32_t *px = pixman_image_get_data(p), colour = g_rand_int(f->picture),
             noise = g_rand_int_range(f->picture, 0, 3) ? 0 : 0xffffff;
    for (int j = y; j < y + dy; j++) {
        for (int i = x; i < x + dx; i++) {
            px[j * stride + i] = (colour ^ ((uint32_t)(i * j) * 2654435761u & noise)) & 0xffffff;
        }
    }
    console_damage(con, x, y, dx, dy);
}

static void text(void *dev, GString *out)
{
    g_string_append(out, "something to copy\n");
}

static const AdapterOps adapter = { .refresh = refresh, .text = text };

/* ---- a viewer ---- */

static uint32_t odd(GRand *r)
{
    static const uint32_t values[] = { 0, 1, 2, 7, 8, 16, 32, 255, 256, 0x7fff, 0x8000, 0xffff,
                                       0x10000, 0x7fffffff, 0x80000000, 0xffffffff };

    return g_rand_int_range(r, 0, 3) ? g_rand_int(r)
                                     : values[g_rand_int_range(r, 0, G_N_ELEMENTS(values))];
}

static void add(GByteArray *b, uint64_t v, unsigned n)
{
    for (unsigned i = n; i-- > 0;) {
        uint8_t byte = (uint8_t)(v >> 8 * i);
        g_byte_array_append(b, &byte, 1);
    }
}

static void add_random(GRand *r, GByteArray *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        add(b, g_rand_int(r), 1);
    }
}

static void set_encodings(GRand *r, GByteArray *b)
{
    static const int32_t known[] = { 0,
                                     1,
                                     2,
                                     4,
                                     5,
                                     6,
                                     7,
                                     8,
                                     9,
                                     10,
                                     15,
                                     16,
                                     17,
                                     -23,
                                     -32,
                                     -223,
                                     -224,
                                     -232,
                                     -239,
                                     -240,
                                     -247,
                                     -256,
                                     -257,
                                     -258,
                                     -259,
                                     -261,
                                     -305,
                                     -307,
                                     -308,
                                     -309,
                                     -312,
                                     -313,
                                     (int32_t)0xc0a1e5ce,
                                     (int32_t)0xffff8000,
                                     (int32_t)0xffff8001,
                                     (int32_t)0xffff8002,
                                     (int32_t)0xffff8003,
                                     (int32_t)0xfffe0000,
                                     (int32_t)0xfffe0001,
                                     (int32_t)0xfffe0002,
                                     (int32_t)0xfffe0003,
                                     (int32_t)0xfffffed4 };
    unsigned n = (unsigned)g_rand_int_range(r, 0, 24),
             said = g_rand_int_range(r, 0, 30) ? n : odd(r) & 0xffff;

    add(b, 2, 1);
    add(b, 0, 1);
    add(b, said, 2);
    for (unsigned i = 0; i < n; i++) {
        add(b,
            g_rand_int_range(r, 0, 20)
                ? (uint32_t)known[g_rand_int_range(r, 0, G_N_ELEMENTS(known))]
                : odd(r),
            4);
    }
}

static void pixel_format(GRand *r, GByteArray *b)
{
    static const uint8_t bpp[] = { 8, 16, 32, 24, 0, 7, 255 };

    add(b, 0, 4);
    add(b, bpp[g_rand_int_range(r, 0, g_rand_int_range(r, 0, 4) ? 3 : (int)sizeof(bpp))], 1);
    add(b, g_rand_int_range(r, 0, 4) ? 24 : odd(r), 1);
    add(b, g_rand_int(r) & 1, 1);
    add(b, g_rand_int_range(r, 0, 6) != 0, 1);
    if (g_rand_int_range(r, 0, 3)) {
        add(b, 0x00ff00ff00ff, 6);
        add(b, 0x100800, 3);
    } else {
        add_random(r, b, 9);
    }
    add(b, 0, 3);
}

/* Text of the length said, of another, or of none. */
static void some_text(GRand *r, GByteArray *b, unsigned length_bytes)
{
    uint32_t said = g_rand_int_range(r, 0, 4) ? (uint32_t)g_rand_int_range(r, 0, 300) : odd(r);

    add(b, said, length_bytes);
    add_random(r, b, MIN(said, 2000));
}

static void key(GRand *r, GByteArray *b, uint32_t sym, bool down)
{
    add(b, 4, 1);
    add(b, down, 1);
    add(b, 0, 2);
    add(b, sym, 4);
}

/* Ctrl-Alt and a digit, V or C. */
static void own_keys(GRand *r, GByteArray *b)
{
    static const uint8_t what[] = { '1', '1', '2', '3', '9', 'v', 'c' };

    key(r, b, 0xffe3, true);
    key(r, b, 0xffe9, true);
    key(r, b, what[g_rand_int_range(r, 0, sizeof(what))], true);
    key(r, b, 0xffe9, false);
    key(r, b, 0xffe3, false);
}

static void message(GRand *r, GByteArray *b)
{
    switch (g_rand_int_range(r, 0, 16)) {
    case 0:
        pixel_format(r, b);
        break;
    case 1: case 2:
        set_encodings(r, b);
        break;
    case 3: case 4: case 5:
        add(b, 3, 1);
        add(b, g_rand_int(r) & 1, 1);
        for (unsigned i = 0; i < 4; i++) {
            add(b, g_rand_int_range(r, 0, 2) ? (uint32_t)g_rand_int_range(r, 0, 800) : odd(r), 2);
        }
        break;
    case 6:
        key(r, b,
            g_rand_int_range(r, 0, 2) ? (uint32_t)g_rand_int_range(r, 0xff00, 0x10000) : odd(r),
            g_rand_int(r) & 1);
        break;
    case 7:
        add(b, 5, 1);
        add_random(r, b, 5);
        break;
    case 8:
        add(b, 6, 1);
        add(b, 0, 3);
        some_text(r, b, 4);
        break;
    case 9:                             /* QEMU's */
        add(b, 255, 1);
        add(b, g_rand_int_range(r, 0, 8) == 0, 1);
        add(b, g_rand_int(r) & 1, 2);
        add(b, odd(r), 4);
        add(b, odd(r), 4);
        break;
    case 10:                            /* desktop size */
        add(b, 251, 1);
        add(b, 0, 1);
        add(b, odd(r), 4);
        add(b, g_rand_int_range(r, 0, 4), 1);
        add(b, 0, 1);
        add_random(r, b, (unsigned)g_rand_int_range(r, 0, 4) * 16);
        break;
    case 11:                            /* scale, server input, chat, file transfer, xvp */
        add(b, (const uint8_t[]){ 7, 8, 9, 10, 11, 15, 250, 252, 253 }[g_rand_int_range(r, 0, 9)],
            1);
        add_random(r, b, (unsigned)g_rand_int_range(r, 0, 20));
        break;
    case 12: case 13:
        own_keys(r, b);
        break;
    default:
        key(r, b, (uint32_t)g_rand_int_range(r, 0x20, 0x100), g_rand_int(r) & 1);
        break;
    }
}

static void session_bytes(GRand *r, GByteArray *b)
{
    static const char *const versions[] = { "RFB 003.008\n", "RFB 003.007\n", "RFB 003.003\n",
                                            "RFB 003.889\n", "RFB 004.001\n", "RFB 000.000\n" };
    unsigned kind = (unsigned)g_rand_int_range(r, 0, 24);

    if (kind == 0) {
        static const char get[] =
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
            "13\r\nSec-WebSocket-Protocol: binary\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        g_byte_array_append(b, (const uint8_t *)get, (guint)g_rand_int_range(r, 0, sizeof(get)));
        add_random(r, b, (unsigned)g_rand_int_range(r, 0, 300));
    } else if (kind == 1) {
        g_byte_array_append(b, (const uint8_t *)"\x16\x03\x01", 3);
        add_random(r, b, (unsigned)g_rand_int_range(r, 0, 300));
    } else if (kind == 2) {
        add_random(r, b, (unsigned)g_rand_int_range(r, 0, 3000));
    } else {
        unsigned v = g_rand_int_range(r, 0, 6)
                         ? 0
                         : (unsigned)g_rand_int_range(r, 0, G_N_ELEMENTS(versions));
        g_byte_array_append(b, (const uint8_t *)versions[v], 12);
        add(b, g_rand_int_range(r, 0, 12) ? 1 : odd(r), v == 2 ? 0 : 1);
        if (g_rand_int_range(r, 0, 6) == 0) {                 /* VeNCrypt */
            add(b, 0x130002, 3);
            add(b, odd(r), 4);
        }
        add(b, g_rand_int(r) & 1, 1);
        for (int n = g_rand_int_range(r, 0, 60); n > 0; n--) {
            message(r, b);
        }
    }
    if (b->len && g_rand_int_range(r, 0, 8) == 0) {
        b->data[g_rand_int_range(r, 0, (gint32)b->len)] ^= (uint8_t)g_rand_int(r);
    }
}

/* Sends what there is in pieces, reads or does not, and goes. */
static void play(Fuzz *f, GRand *r, int fd, const GByteArray *b)
{
    bool   deaf = g_rand_int_range(r, 0, 20) == 0;
    bool   hasty = g_rand_int_range(r, 0, 10) == 0;         /* gone before it is answered */
    gint64 idle_us = hasty ? 1000 : 500000,
           until = g_get_monotonic_time() + (hasty ? 50000 : 2000000), last = until;
    guint  at = 0;

    while (g_get_monotonic_time() < until && g_get_monotonic_time() - last < idle_us) {
        uint8_t        sink[16384];
        struct pollfd p = { .fd = fd,
                            .events = (short)((deaf ? 0 : POLLIN) | (at < b->len ? POLLOUT : 0)) };
        ssize_t        n;
        if (poll(&p, 1, 20) < 0 || p.revents & (POLLERR | POLLNVAL)) {
            return;
        }
        if (p.revents & POLLIN) {
            n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
            if (n == 0 || (n < 0 && errno != EAGAIN)) {
                return;
            }
            f->bytes_in += (uint64_t)MAX(n, 0);
            last = g_get_monotonic_time();
        }
        if (p.revents & POLLOUT && at < b->len) {
            n = send(fd, b->data + at,
                     (gsize)g_rand_int_range(r, 1, (gint32)MIN(b->len - at, 200) + 1),
                     MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN) {
                return;
            }
            at += (guint)MAX(n, 0);
            f->bytes_out += (uint64_t)MAX(n, 0);
            last = at == b->len || last != until ? g_get_monotonic_time() : last;
        }
    }
}

static void *viewers(void *opaque)
{
    Fuzz  *f = opaque;
    GRand *r = g_rand_new_with_seed(f->seed);

    while (!__atomic_load_n(&f->stop, __ATOMIC_SEQ_CST)) {
        struct sockaddr_un    a = { .sun_family = AF_UNIX };
        g_autoptr(GByteArray) b = g_byte_array_new();
        int                   fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_strlcpy(a.sun_path, f->path, sizeof(a.sun_path));
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
            session_bytes(r, b);
            play(f, r, fd, b);
            f->sessions++;
        }
        close(fd);
    }
    g_rand_free(r);
    return NULL;
}

/* ---- life ---- */

static gboolean ended(gpointer stop)
{
    __atomic_store_n((uint32_t *)stop, 1, __ATOMIC_SEQ_CST);
    return G_SOURCE_REMOVE;
}

static const ViewerOps *server(void)
{
    for (const ViewerOps *const *o = viewer_ops; *o; o++) {
        if (!strcmp((*o)->name, "vnc")) {
            return *o;
        }
    }
    return NULL;
}

static bool start(Fuzz *f, bool tls, GError **err)
{
    g_autofree char *where = g_strdup_printf("unix:%s,websocket=on,power-control=on%s", f->path,
                                             tls ? ",tls-creds=t" : "");
    char *argv[] = { "fuzz", "-display", "none", "-vnc", where, "-object",
                     "tls-creds-anon,id=t,endpoint=server", NULL };
    bool  done = false;

    return options_parse(f->m, tls ? 7 : 5, argv, &done, err) && chr_open_all(f->m, err);
}

int main(int argc, char **argv)
{
    Fuzz    f = { .seed = 1 };
    int     seconds = 4;
    bool    tls = false;
    Viewer *v;
    GError *err = NULL;
    char    dir[] = "/tmp/fuzz-vnc-XXXXXX";
    const Arg args[] = { ARG('s', f.seed, "SEED"), ARG('t', seconds, "SECONDS"),
                         ARG('c', tls, NULL), ARGS_END };

    if (!args_parse(argc, argv, args)) {
        return 2;
    }
    if (!mkdtemp(dir)) {
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);           /* as core/main.c does */
    f.path = g_build_filename(dir, "vnc", NULL);
    f.m = machine_new();
    f.picture = g_rand_new_with_seed(f.seed);
    if (!start(&f, tls, &err)) {
        printf("ok fuzz/vnc # skipped: %s\n", err->message);      /* no GnuTLS */
        return 0;
    }
    alarm((unsigned)(seconds + LIMIT_S));                           /* hangs are crashes too */
    console_adapter(f.m->console, &adapter, &f);
    machine_lock(f.m);
    bool ok = server()->open(f.m, f.m->console, &v, &err);
    machine_unlock(f.m);
    if (!ok) {
        printf("not ok fuzz/vnc: %s\n", err->message);
        return 1;
    }
    GThread *threads[PLAYERS];
    Fuzz     others[PLAYERS];
    for (unsigned i = 0; i < PLAYERS; i++) {
        others[i] = f;
        others[i].seed = f.seed + 1000 * i;
        threads[i] = g_thread_new("viewer", viewers, &others[i]);
    }
    GSource *end = g_timeout_source_new((guint)seconds * 1000);
    g_source_set_callback(end, ended, &f.stop, NULL);
    g_source_attach(end, f.m->context);
    while (!f.stop) {
        g_main_context_iteration(f.m->context, TRUE);
    }
    for (unsigned i = 0; i < PLAYERS; i++) {
        ended(&others[i].stop);
        g_thread_join(threads[i]);
        f.sessions += others[i].sessions;
        f.bytes_in += others[i].bytes_in;
        f.bytes_out += others[i].bytes_out;
    }
    g_source_unref(end);
    console_adapter(f.m->console, NULL, &f);
    machine_done(f.m);
    g_rand_free(f.picture);
    rmdir(dir);
    printf("%s fuzz/vnc%s # %" G_GUINT64_FORMAT " sessions, %" G_GUINT64_FORMAT
           " bytes sent, %" G_GUINT64_FORMAT " received\n",
           f.sessions && f.bytes_in ? "ok" : "not ok", tls ? "-tls" : "", f.sessions, f.bytes_out,
           f.bytes_in);
    g_free(f.path);
    return f.sessions && f.bytes_in ? 0 : 1;
}

#else

int main(void)
{
    printf("ok fuzz/vnc # skipped: no libvncserver\n");
    return 0;
}

#endif
