/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.c -- output to a file, and input from another.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/backend.h"
#include "core/fds.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The folder is there and takes the file: found out before anything is made. */
static bool file_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    g_autofree char *dir = NULL;

    if (!chr_needs_path(m, cfg, err)) {
        return false;
    }
    if (cfg->input_path && access(cfg->input_path, R_OK)) {
        return fail(err, "input-path=%s: cannot read it: %s", cfg->input_path, g_strerror(errno));
    }
    if (g_str_has_prefix(cfg->path, "/dev/fdset/")) {
        return true;
    }
    if (access(cfg->path, F_OK) == 0) {
        return access(cfg->path, W_OK) == 0 ||
               fail(err, "%s: cannot write it: %s", cfg->path, g_strerror(errno));
    }
    dir = g_path_get_dirname(cfg->path);
    return access(dir, W_OK | X_OK) == 0 ||
           fail(err, "%s: cannot create it: %s", cfg->path, g_strerror(errno));
}

static bool file_open(Chardev *c, GError **err)
{
    int fd = fds_open(c->machine, c->cfg.path,
                      O_WRONLY | O_CREAT | O_CLOEXEC | (c->cfg.append ? O_APPEND : O_TRUNC), 0666),
        in_fd = -1;

    if (fd < 0) {
        return fail(err, "%s: cannot write it: %s", c->cfg.path, g_strerror(errno));
    }
    if (c->cfg.input_path) {
        in_fd = open(c->cfg.input_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (in_fd < 0) {
            close(fd);
            return fail(err, "input-path=%s: cannot read it: %s", c->cfg.input_path,
                        g_strerror(errno));
        }
    }
    chr_set_fds(c, in_fd, fd);
    return true;
}

const ChrBackend file_chardev = {
    .name = "file", .help = "output to a file",
    .keys = "path input-path append", .check = file_check, .open = file_open,
    .close = chr_close_fds,
};
