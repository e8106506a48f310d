/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev_host.c -- where a character device's bytes go on the host: terminal, file, FIFO, pseudo-terminal, socket.
 *
 * Spec: POSIX.1-2017: termios, pseudo-terminals; Linux unix(7), tcp(7).
 * Omits: telnet negotiation, TLS, reconnecting clients.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev_int.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool needs_path(const ChrConfig *cfg, GError **err)
{
    return cfg->path || fail(err, "-chardev %s: path= is missing", cfg->backend);
}

/* ---- null ---- */

static bool null_open(Chardev *c, GError **err)
{
    (void)c;
    (void)err;
    return true;
}

const ChrBackend chr_null = { .name = "null", .help = "takes everything, says nothing", .open = null_open };

/* ---- stdio ---- */

static bool stdio_open(Chardev *c, GError **err)
{
    struct termios t;

    (void)err;
    if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &c->tty_saved) == 0) {
        t = c->tty_saved;
        t.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        t.c_oflag |= OPOST;
        t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
        if (!c->cfg.signal) {
            t.c_lflag &= ~(tcflag_t)ISIG;
        }
        t.c_cflag = (t.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
        c->tty_changed = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
    }
    chr_set_fds(c, STDIN_FILENO, STDOUT_FILENO);
    return true;
}

static void stdio_close(Chardev *c)
{
    if (c->tty_changed) {
        tcsetattr(STDIN_FILENO, TCSANOW, &c->tty_saved);
    }
}

const ChrBackend chr_stdio = { .name = "stdio", .help = "this terminal", .open = stdio_open, .close = stdio_close };

/* ---- file ---- */

/* The folder is there and takes the file: found out before anything is made. */
static bool file_check(const ChrConfig *cfg, GError **err)
{
    char *dir;
    bool  ok;

    if (!needs_path(cfg, err)) {
        return false;
    }
    if (access(cfg->path, F_OK) == 0) {
        return access(cfg->path, W_OK) == 0 || fail(err, "%s: cannot write it: %s", cfg->path, g_strerror(errno));
    }
    dir = g_path_get_dirname(cfg->path);
    ok = access(dir, W_OK | X_OK) == 0 || fail(err, "%s: cannot create it: %s", cfg->path, g_strerror(errno));
    g_free(dir);
    return ok;
}

static void close_fds(Chardev *c)
{
    if (c->in_fd >= 0) {
        close(c->in_fd);
    }
    if (c->out_fd >= 0 && c->out_fd != c->in_fd) {
        close(c->out_fd);
    }
    c->in_fd = c->out_fd = -1;
}

static bool file_open(Chardev *c, GError **err)
{
    int fd = open(c->cfg.path, O_WRONLY | O_CREAT | O_CLOEXEC | (c->cfg.append ? O_APPEND : O_TRUNC), 0666);

    if (fd < 0) {
        return fail(err, "%s: cannot write it: %s", c->cfg.path, g_strerror(errno));
    }
    chr_set_fds(c, -1, fd);
    return true;
}

const ChrBackend chr_file = {
    .name = "file", .help = "output to a file", .check = file_check, .open = file_open, .close = close_fds,
};

/* ---- pipe: PATH.in and PATH.out, or PATH both ways ---- */

static bool pipe_check(const ChrConfig *cfg, GError **err)
{
    char *in;
    bool  ok;

    if (!needs_path(cfg, err)) {
        return false;
    }
    in = g_strconcat(cfg->path, ".in", NULL);
    ok = access(in, F_OK) == 0 || access(cfg->path, F_OK) == 0 ||
         fail(err, "%s: no such FIFO; make it with mkfifo %s.in %s.out", cfg->path, cfg->path, cfg->path);
    g_free(in);
    return ok;
}

static bool pipe_open(Chardev *c, GError **err)
{
    char *in = g_strconcat(c->cfg.path, ".in", NULL), *out = g_strconcat(c->cfg.path, ".out", NULL);
    int   in_fd = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC), out_fd = open(out, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    g_free(in);
    g_free(out);
    if (in_fd < 0 || out_fd < 0) {
        if (in_fd >= 0) {
            close(in_fd);
        }
        if (out_fd >= 0) {
            close(out_fd);
        }
        in_fd = out_fd = open(c->cfg.path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    if (in_fd < 0) {
        return fail(err, "%s: cannot open it: %s", c->cfg.path, g_strerror(errno));
    }
    chr_set_fds(c, in_fd, out_fd);
    return true;
}

const ChrBackend chr_pipe = {
    .name = "pipe", .help = "FIFOs PATH.in and PATH.out", .check = pipe_check, .open = pipe_open, .close = close_fds,
};

/* ---- pty ---- */

/* Opened and closed once, so that it is raw, and "nobody has it open" shows as a hang-up from the start. */
static bool pty_open(Chardev *c, GError **err)
{
    int            fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), far;
    struct termios t;
    char           name[64];

    if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, sizeof(name))) {
        if (fd >= 0) {
            close(fd);
        }
        return fail(err, "pty: cannot make one: %s", g_strerror(errno));
    }
    far = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (far >= 0 && tcgetattr(far, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(far, TCSANOW, &t);
    }
    if (far >= 0) {
        close(far);
    }
    c->drop_when_hup = true;
    printf("char device redirected to %s (label %s)\n", name, c->cfg.id ? c->cfg.id : "pty");
    fflush(stdout);
    chr_set_fds(c, fd, fd);
    return true;
}

const ChrBackend chr_pty = { .name = "pty", .help = "a pseudo-terminal", .open = pty_open, .close = close_fds };

/* ---- sockets ---- */

static bool socket_check(const ChrConfig *cfg, GError **err)
{
    struct sockaddr_un un;

    if (!cfg->path && !cfg->port) {
        return fail(err, "-chardev socket: path= or port= is missing");
    }
    if (cfg->path && strlen(cfg->path) >= sizeof(un.sun_path)) {
        return fail(err, "%s: too long for the name of a socket; at most %zu bytes", cfg->path, sizeof(un.sun_path) - 1);
    }
    return true;
}

static int unix_socket(const ChrConfig *cfg)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    if (fd < 0) {
        return -1;
    }
    g_strlcpy(a.sun_path, cfg->path, sizeof(a.sun_path));
    if (cfg->server) {
        unlink(cfg->path);
        r = bind(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : listen(fd, 1);
    } else {
        r = connect(fd, (struct sockaddr *)&a, sizeof(a));
    }
    if (r < 0) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static int tcp_socket(const ChrConfig *cfg, const char **why)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = cfg->server ? AI_PASSIVE : 0 }, *list, *a;
    int             one = 1, fd = -1, r;

    r = getaddrinfo(cfg->host && *cfg->host ? cfg->host : NULL, cfg->port, &hints, &list);
    if (r) {
        *why = gai_strerror(r);
        return -1;
    }
    for (a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (cfg->server ? bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1) : connect(fd, a->ai_addr, a->ai_addrlen)) {
            *why = g_strerror(errno);
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static void socket_ready(Chardev *c, int fd)
{
    int one = 1;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!c->cfg.path) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    chr_set_fds(c, fd, fd);
}

bool chr_accept_client(Chardev *c)
{
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    if (c->connected) {                 /* one client at a time */
        close(fd);
        return false;
    }
    socket_ready(c, fd);
    return true;
}

static bool socket_open(Chardev *c, GError **err)
{
    const char *why = NULL, *name = c->cfg.path ? c->cfg.path : c->cfg.port;
    int         fd = c->cfg.path ? unix_socket(&c->cfg) : tcp_socket(&c->cfg, &why);

    if (fd < 0) {
        return fail(err, "socket %s: cannot %s: %s", name, c->cfg.server ? "listen on it" : "connect to it",
                    why ? why : g_strerror(errno));
    }
    if (!c->cfg.server) {
        socket_ready(c, fd);
        return true;
    }
    chr_listen(c, fd);
    if (c->cfg.wait) {
        fprintf(stderr, "ryokan: waiting for a connection on %s\n", name);
        while (!chr_accept_client(c)) {
            struct pollfd p = { .fd = fd, .events = POLLIN };
            if (poll(&p, 1, -1) < 0 && errno != EINTR) {
                break;
            }
        }
    }
    return true;
}

static void socket_close(Chardev *c)
{
    close_fds(c);
    if (c->listen_fd >= 0) {
        close(c->listen_fd);
        if (c->cfg.path && c->cfg.server) {
            unlink(c->cfg.path);
        }
    }
}

const ChrBackend chr_socket = {
    .name = "socket", .help = "a Unix or TCP socket", .check = socket_check, .open = socket_open, .lost = close_fds,
    .close = socket_close,
};
