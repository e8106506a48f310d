/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pipe.c -- a pair of FIFOs, PATH.in and PATH.out, or one that is used both ways.
 *
 * Spec: POSIX.1-2017, mkfifo.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/backend.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool pipe_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    char *in;
    bool  ok;

    if (!chr_needs_path(m, cfg, err)) {
        return false;
    }
    in = g_strconcat(cfg->path, ".in", NULL);
    ok = access(in, F_OK) == 0 || access(cfg->path, F_OK) == 0 ||
         fail(err, "%s: no such FIFO; make it with mkfifo %s.in %s.out", cfg->path, cfg->path,
              cfg->path);
    g_free(in);
    return ok;
}

static bool pipe_open(Chardev *c, GError **err)
{
    char *in = g_strconcat(c->cfg.path, ".in", NULL), *out = g_strconcat(c->cfg.path, ".out", NULL);
    int in_fd = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC),
        out_fd = open(out, O_RDWR | O_NONBLOCK | O_CLOEXEC);

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

const ChrBackend pipe_chardev = {
    .name = "pipe", .keys = "path", .help = "FIFOs PATH.in and PATH.out",
    .check = pipe_check, .open = pipe_open, .close = chr_close_fds,
};
