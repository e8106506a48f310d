/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapwire.c -- a snapshot file over a connection: the parts of it that are not holes, with their
 * places.
 *
 * Spec: little-endian: "RYOKANWR", u32 version, u32 0; then records { u64 at, u64 bytes, the bytes
 *       }, ascending, not overlapping; at last { UINT64_MAX, u64 length of the file }.  The
 *       receiver has the file whole before it looks at it (core/snapfile.c).
 * Omits: encryption; more than one connection; sending while the guest runs.
 * Threads: snapwire_*() in the main context; run() in a thread of its own, which touches `moved`
 *   and its descriptors only.
 */
#include "core/snapwire.h"
#include "core/fds.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC "RYOKANWR"
enum { VERSION = 1, HEAD_BYTES = 16, CHUNK = 1 << 20, PACE_MS = 100 };

typedef enum { WIRE_FD, WIRE_UNIX, WIRE_TCP, WIRE_EXEC } WireKind;
static const char *const prefixes[] = {
    [WIRE_FD] = "fd:", [WIRE_UNIX] = "unix:", [WIRE_TCP] = "tcp:", [WIRE_EXEC] = "exec:"
};

struct SnapWire {
    Machine     *machine;
    WireKind     kind;
    char        *where;               /* behind the prefix */
    bool         send, stopped;       /* stopped: by close; the thread's own */
    int          file, fd, listen_fd, stop_fd;
    GPid         child;
    uint64_t     most, moved, total;  /* moved: atomic */
    uint64_t     limit;               /* bytes a second, atomic; 0: none */
    /* the thread's own: the limit that it goes by, since when, and what it has sent since */
    uint64_t     paced_limit, paced_bytes;
    int64_t      paced_us;
    SnapWireDone done;
    GThread     *thread;
    GSource     *source;              /* says that it is over */
    char        *error;
};

static int kind_of(const char *uri)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_str_has_prefix(uri, prefixes[i]) && uri[strlen(prefixes[i])]) {
            return (int)i;
        }
    }
    return -1;
}

bool snapwire_known(const char *uri)
{
    return kind_of(uri) >= 0;
}

/* ---- in the thread: bytes ---- */

static bool say(SnapWire *w, const char *what, const char *why)
{
    if (!w->error) {
        w->error =
            g_strdup_printf("migration %s%s: %s: %s", prefixes[w->kind], w->where, what, why);
    }
    return false;
}

/* Waits until fd can be read or written; false: it is to end. */
static bool ready(SnapWire *w, int fd, short events)
{
    struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = w->stop_fd, .events = POLLIN } };

    while (poll(p, 2, -1) < 0 && errno == EINTR) {
        continue;
    }
    w->stopped = w->stopped || (p[1].revents & POLLIN);
    return !w->stopped || say(w, "called off", "by migrate_cancel");
}

/* Waits until what has been sent is no more than the limit lets through, or it is to end. */
static void pace(SnapWire *w, size_t sent)
{
    uint64_t limit = __atomic_load_n(&w->limit, __ATOMIC_RELAXED);
    int64_t  now = g_get_monotonic_time();

    if (limit != w->paced_limit) {
        w->paced_limit = limit;
        w->paced_us = now;
        w->paced_bytes = 0;
    }
    w->paced_bytes += sent;
    while (limit && limit == __atomic_load_n(&w->limit, __ATOMIC_RELAXED)) {
        double        ahead_us = (double)w->paced_bytes * 1e6 / (double)limit -
                                 (double)(g_get_monotonic_time() - w->paced_us);
        struct pollfd p = { .fd = w->stop_fd, .events = POLLIN };
        if (ahead_us < 1000) {
            break;
        }
        if (poll(&p, 1, (int)MIN(ahead_us / 1000, PACE_MS)) > 0) {
            break;
        }
    }
}

static bool move(SnapWire *w, void *buf, size_t n)
{
    for (uint8_t *p = buf; n;) {
        if (!ready(w, w->fd, w->send ? POLLOUT : POLLIN)) {
            return false;
        }
        size_t  now = w->paced_limit ? MIN(n, MAX(w->paced_limit / 10, 1)) : n;
        ssize_t done = w->send ? write(w->fd, p, now) : read(w->fd, p, n);
        if (done < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (done <= 0) {
            return say(w, w->send ? "cannot send" : "cannot receive",
                       done ? g_strerror(errno) : "it broke off");
        }
        p += done;
        n -= (size_t)done;
        __atomic_fetch_add(&w->moved, (uint64_t)done, __ATOMIC_RELAXED);
        if (w->send) {
            pace(w, (size_t)done);
        }
    }
    return true;
}

static void set64(uint8_t *p, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, 8);
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return GUINT64_FROM_LE(v);
}

static bool send_record(SnapWire *w, uint64_t at, uint64_t n)
{
    uint8_t head[HEAD_BYTES];

    set64(head, at);
    set64(head + 8, n);
    return move(w, head, HEAD_BYTES);
}

static bool send_file(SnapWire *w)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    uint8_t             head[HEAD_BYTES] = MAGIC;
    off_t               end = lseek(w->file, 0, SEEK_END), at = 0, hole;

    head[8] = VERSION;
    if (!move(w, head, HEAD_BYTES)) {
        return false;
    }
    while ((at = lseek(w->file, at, SEEK_DATA)) >= 0) {
        for (hole = lseek(w->file, at, SEEK_HOLE); at < hole;) {
            size_t  want = (size_t)MIN(CHUNK, hole - at);
            ssize_t n = pread(w->file, buf, want, at);
            if (n <= 0) {
                return say(w, "cannot read the scratch file",
                           n ? g_strerror(errno) : "it is short");
            }
            if (!send_record(w, (uint64_t)at, (uint64_t)n) || !move(w, buf, (size_t)n)) {
                return false;
            }
            at += n;
        }
    }
    return errno == ENXIO ? send_record(w, UINT64_MAX, (uint64_t)end)
                          : say(w, "cannot read the scratch file", g_strerror(errno));
}

static bool receive_file(SnapWire *w)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    uint8_t             head[HEAD_BYTES];
    uint64_t            next = 0;

    if (!move(w, head, HEAD_BYTES)) {
        return false;
    }
    if (memcmp(head, MAGIC, 8) || head[8] != VERSION || head[9] || head[10] || head[11]) {
        return say(w, "refused", "it does not speak as this version does");
    }
    while (move(w, head, HEAD_BYTES)) {
        uint64_t at = get64(head), n = get64(head + 8);
        if (at == UINT64_MAX) {
            return (n >= next && n <= w->most && !ftruncate(w->file, (off_t)n)) ||
                   say(w, "refused", "its length is wrong");
        }
        if (at < next || at > w->most || !n || n > CHUNK || n > w->most - at) {
            return say(w, "refused", "a part of it is out of place");
        }
        if (!move(w, buf, n)) {
            return false;
        }
        next = at + n;
        for (uint64_t k = 0; k < n;) {
            ssize_t done = pwrite(w->file, buf + k, n - k, (off_t)(at + k));
            if (done <= 0) {
                return say(w, "cannot write the scratch file",
                           done ? g_strerror(errno) : "no room");
            }
            k += (uint64_t)done;
        }
    }
    return false;
}

/* ---- in the thread: the connection ---- */

/* What was refused, or is not there, is known when the descriptor can be written. */
static bool connect_to(SnapWire *w, int family, const struct sockaddr *a, socklen_t n)
{
    int       error = 0;
    socklen_t size = sizeof(error);

    w->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (w->fd >= 0 && connect(w->fd, a, n)) {
        error = errno;
        if (error == EINPROGRESS && ready(w, w->fd, POLLOUT)) {
            getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        }
    }
    if (w->fd >= 0 && error) {
        close(w->fd);
        w->fd = -1;
        errno = error;
    }
    return w->fd >= 0;
}

static int unix_address(SnapWire *w, struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){ .sun_family = AF_UNIX };
    return g_strlcpy(a->sun_path, w->where, sizeof(a->sun_path)) < sizeof(a->sun_path)
               ? 0
               : ENAMETOOLONG;
}

/* HOST:PORT, [HOST]:PORT; a list that the caller frees, or NULL after a say(). */
static struct addrinfo *tcp_address(SnapWire *w, int flags)
{
    struct addrinfo  hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *list = NULL;
    const char      *colon = strrchr(w->where, ':'), *port = colon ? colon + 1 : "";
    g_autofree char *host = g_strndup(w->where, colon ? (gsize)(colon - w->where) : 0);
    size_t           n = strlen(host);

    if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = 0;
        memmove(host, host + 1, n - 1);
    }
    int r = *port ? getaddrinfo(*host ? host : NULL, port, &hints, &list) : EAI_NONAME;
    if (r) {
        say(w, "no such address", gai_strerror(r));
    }
    return r ? NULL : list;
}

static bool connect_tcp(SnapWire *w)
{
    struct addrinfo *list = tcp_address(w, 0);
    bool             ok = false;

    for (struct addrinfo *a = list; a && !ok && !w->stopped; a = a->ai_next) {
        ok = connect_to(w, a->ai_family, a->ai_addr, a->ai_addrlen);
    }
    int e = errno;
    if (list) {
        freeaddrinfo(list);
    }
    return ok || say(w, "cannot connect", g_strerror(e));
}

static bool connect_unix(SnapWire *w)
{
    struct sockaddr_un a;
    int                e = unix_address(w, &a);

    return (!e && connect_to(w, AF_UNIX, (struct sockaddr *)&a, sizeof(a))) ||
           say(w, "cannot connect", g_strerror(e ? e : errno));
}

static bool accept_one(SnapWire *w)
{
    if (!ready(w, w->listen_fd, POLLIN)) {
        return false;
    }
    w->fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return w->fd >= 0 || say(w, "cannot accept a connection", g_strerror(errno));
}

/* The command has done its part when it has ended well. */
static bool end_of_child(SnapWire *w)
{
    int status = 0;

    close(w->fd);
    w->fd = -1;
    if (w->stopped) {
        kill(w->child, SIGKILL);
    }
    while (waitpid(w->child, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    w->child = 0;
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           say(w, "failed", "the command did not end with status 0");
}

static gpointer run(gpointer arg)
{
    SnapWire *w = arg;
    bool ok = w->listen_fd >= 0
                  ? accept_one(w)
                  : w->fd >= 0 || (w->kind == WIRE_UNIX ? connect_unix(w) : connect_tcp(w));

    ok = ok && (w->send ? send_file(w) : receive_file(w));
    if (w->child) {
        end_of_child(w);
    }
    g_source_attach(w->source, w->machine->context);
    return NULL;
}

/* ---- in the main context ---- */

static gboolean over(gpointer arg)
{
    SnapWire        *w = arg;
    Machine         *m = w->machine;
    g_autofree char *error = NULL;

    machine_lock(m);
    g_thread_join(w->thread);
    w->thread = NULL;
    error = g_strdup(w->error);
    w->done(m, error);                  /* may close it */
    machine_unlock(m);
    return G_SOURCE_REMOVE;
}

static bool listen_on(SnapWire *w, GError **err)
{
    struct sockaddr_un a;
    struct addrinfo   *list = NULL;
    int                one = 1, e = 0;

    if (w->kind == WIRE_UNIX) {
        struct stat st;
        e = unix_address(w, &a);
        if (!lstat(w->where, &st) && S_ISSOCK(st.st_mode)) {
            unlink(w->where);
        }
    } else {
        list = tcp_address(w, AI_PASSIVE);
        if (!list) {
            return fail(err, "%s", w->error);
        }
    }
    if (!e) {
        w->listen_fd = socket(list ? list->ai_family : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(w->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        e = bind(w->listen_fd, list ? list->ai_addr : (struct sockaddr *)&a,
                 list ? list->ai_addrlen : sizeof(a)) ||
                    listen(w->listen_fd, 1)
                ? errno
                : 0;
    }
    if (list) {
        freeaddrinfo(list);
    }
    return !e || fail(err, "migration %s%s: cannot listen on it: %s", prefixes[w->kind], w->where,
                      g_strerror(e));
}

static bool start_child(SnapWire *w, GError **err)
{
    char   *argv[] = { (char *)"/bin/sh", (char *)"-c", w->where, NULL };
    GError *why = NULL;

    if (!g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                  &w->child, w->send ? &w->fd : NULL, w->send ? NULL : &w->fd, NULL,
                                  &why)) {
        fail(err, "migration exec:%s: %s", w->where, why->message);
        g_error_free(why);
        return false;
    }
    return true;
}

static bool take_fd(SnapWire *w, GError **err)
{
    GError *why = NULL;

    w->fd = fds_take(w->machine, w->where, &why);       /* it is closed with the migration */
    if (w->fd < 0) {
        fail(err, "migration fd:%s: %s", w->where, why->message);
        g_error_free(why);
        return false;
    }
    fcntl(w->fd, F_SETFD, FD_CLOEXEC);
    return true;
}

static SnapWire *start(Machine *m, const char *uri, bool send, int fd, uint64_t most,
                       SnapWireDone done, GError **err)
{
    SnapWire *w = g_new0(SnapWire, 1);
    bool      ok;

    *w = (SnapWire){ .machine = m,
                     .kind = (WireKind)kind_of(uri),
                     .send = send,
                     .file = fd,
                     .most = most,
                     .done = done,
                     .fd = -1,
                     .listen_fd = -1,
                     .stop_fd = eventfd(0, EFD_CLOEXEC) };
    w->where = g_strdup(uri + strlen(prefixes[w->kind]));
    w->source = g_idle_source_new();
    g_source_set_priority(w->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(w->source, over, w, NULL);
    if (send) {
        off_t at = 0, hole;
        while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (hole = lseek(fd, at, SEEK_HOLE)) > at) {
            w->total += (uint64_t)(hole - at);
            at = hole;
        }
    }
    ok = w->kind == WIRE_FD     ? take_fd(w, err)
         : w->kind == WIRE_EXEC ? start_child(w, err)
                                : send || listen_on(w, err);
    if (ok && w->fd >= 0) {
        fcntl(w->fd, F_SETFL, fcntl(w->fd, F_GETFL) | O_NONBLOCK);
    }
    if (!ok) {
        snapwire_close(w);
        return NULL;
    }
    w->thread = g_thread_new("migration", run, w);
    return w;
}

SnapWire *snapwire_send(Machine *m, const char *uri, int fd, SnapWireDone done, GError **err)
{
    return start(m, uri, true, fd, 0, done, err);
}

SnapWire *snapwire_receive(Machine *m, const char *uri, int fd, uint64_t most, SnapWireDone done,
                           GError **err)
{
    return start(m, uri, false, fd, most, done, err);
}

uint64_t snapwire_moved(const SnapWire *w, uint64_t *total)
{
    *total = w->total;
    return __atomic_load_n(&w->moved, __ATOMIC_RELAXED);
}

void snapwire_limit(SnapWire *w, uint64_t bytes_s)
{
    __atomic_store_n(&w->limit, bytes_s, __ATOMIC_RELAXED);
}

void snapwire_close(SnapWire *w)
{
    uint64_t one = 1;

    if (!w) {
        return;
    }
    if (w->thread) {
        while (write(w->stop_fd, &one, 8) < 0 && errno == EINTR) {
            continue;
        }
        g_thread_join(w->thread);
    }
    g_source_destroy(w->source);
    g_source_unref(w->source);
    if (w->fd >= 0) {
        close(w->fd);
    }
    if (w->listen_fd >= 0) {
        close(w->listen_fd);
        if (w->kind == WIRE_UNIX) {
            unlink(w->where);
        }
    }
    close(w->stop_fd);
    g_free(w->where);
    g_free(w->error);
    g_free(w);
}
