/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stdio.c -- the terminal that the emulator was started from.
 *
 * Spec: POSIX.1-2017 chapter 11, General Terminal Interface.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/backend.h"
#include <termios.h>
#include <unistd.h>

static bool stdio_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    const Chardev *same = cfg->id ? chr_find(m, cfg->id) : NULL;

    return !chr_is_listed(m, &stdio_chardev, same) ||
           fail(err, "standard input and output are in use already; only one device can have stdio "
                     "(mon:stdio shares it with the"
                     " monitor)");
}

static bool stdio_open(Chardev *c, GError **err)
{
    struct termios t, *saved;

    (void)err;
    if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &t) == 0) {
        saved = c->data = g_new(struct termios, 1);
        *saved = t;
        t.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        t.c_oflag |= OPOST;
        t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
        if (!c->cfg.signal) {
            t.c_lflag &= ~(tcflag_t)ISIG;
        }
        t.c_cflag = (t.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &t);
    }
    chr_set_fds(c, STDIN_FILENO, STDOUT_FILENO);
    return true;
}

static void stdio_close(Chardev *c)
{
    if (c->data) {
        tcsetattr(STDIN_FILENO, TCSANOW, c->data);
        g_clear_pointer(&c->data, g_free);
    }
}

const ChrBackend stdio_chardev = {
    .name = "stdio", .help = "this terminal", .keys = "signal",
    .check = stdio_check, .open = stdio_open, .close = stdio_close,
};
