/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mux.c -- several users of one other character device; Ctrl-A c goes from one to the next.
 * (mux=on makes any back end so.)
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, ChardevMux.
 * Omits: nothing.
 * Threads: as chardev.c.
 */
#include "core/chardev/backend.h"

static bool mux_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    const Chardev *base = cfg->chardev ? chr_find(m, cfg->chardev) : NULL;

    if (!base) {
        return fail(err, "-chardev mux,chardev=%s: there is no -chardev with this id",
                    cfg->chardev ? cfg->chardev : "");
    }
    return (!base->n_users && !base->cfg.mux) ||
           fail(err, "-chardev mux,chardev=%s: is in use", cfg->chardev);
}

static size_t base_room(void *dev)
{
    return chr_input_room(dev);
}

static void base_input(void *dev, const uint8_t *buf, size_t n)
{
    chr_input(dev, buf, n);
}

static void base_event(void *dev, ChrEvent event)
{
    Chardev *c = dev;

    if (event == CHR_OPENED) {
        chr_connected(c);
    } else if (event == CHR_CLOSED) {
        chr_disconnect(c);
    } else if (event == CHR_BREAK) {
        chr_break(c);
    }
}

static void base_writable(void *dev)
{
    chr_room(dev);
}

static bool mux_open(Chardev *c, GError **err)
{
    ChrUser user = { .can_receive = base_room, .receive = base_input, .event = base_event,
                     .writable = base_writable, .dev = c };

    if (!mux_check(c->machine, &c->cfg, err)) {
        return false;
    }
    c->cfg.mux = true;
    c->data = chr_find(c->machine, c->cfg.chardev);
    chr_attach(c->data, &user);
    return true;
}

static size_t mux_take(Chardev *c, const void *buf, size_t n)
{
    return chr_write(c->data, buf, n);
}

static void mux_close(Chardev *c)
{
    if (c->data) {
        chr_detach(c->data, c);
        c->data = NULL;
    }
}

const ChrBackend mux_chardev = {
    .name = "mux", .help = "several users of one other", .keys = "chardev",
    .check = mux_check, .open = mux_open, .take = mux_take,
    .close = mux_close,
};
