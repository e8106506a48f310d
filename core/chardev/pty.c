/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pty.c -- a pseudo-terminal.
 *
 * Spec: POSIX.1-2017, posix_openpt.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/backend.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/*
 * Opened and closed once, so that it is raw, and "nobody has it open" shows as a hang-up from the
 * start.
 */
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
    c->data = g_strdup(name);
    printf("char device redirected to %s (label %s)\n", name, chr_label(c));
    fflush(stdout);
    chr_set_fds(c, fd, fd);
    return true;
}

static void pty_close(Chardev *c)
{
    chr_close_fds(c);
    g_clear_pointer(&c->data, g_free);
}

static char *pty_describe(const Chardev *c)
{
    return c->data ? g_strdup_printf("pty:%s", (char *)c->data) : g_strdup("pty");
}

const ChrBackend pty_chardev = {
    .name = "pty", .help = "a pseudo-terminal", .open = pty_open,
    .close = pty_close, .describe = pty_describe,
};
