/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chardev_int.h -- private to chardev*.c: a character device and its back ends. */
#ifndef CORE_CHARDEV_INT_H
#define CORE_CHARDEV_INT_H
#include "core/chardev.h"
#include "core/machine.h"
#include <termios.h>

#define CHR_MAX_USERS 4
#define CHR_OUT_MAX   (64u << 10)     /* bytes waiting for the host; a writer gets a short count beyond */
#define CHR_IN_MAX    4096u           /* bytes waiting for a user; the host side is not read beyond */

typedef struct ChrConfig {
    char    *backend, *id, *path, *host, *port;
    bool     server, wait, append, signal, mux, nodelay;
} ChrConfig;

typedef struct ChrBackend {
    const char *name, *help;
    bool      (*check)(const ChrConfig *cfg, GError **err);     /* before anything is created */
    bool      (*open)(Chardev *c, GError **err);
    void      (*lost)(Chardev *c);    /* optional: the other end went away; may listen again */
    void      (*close)(Chardev *c);   /* optional: beyond closing the descriptors */
} ChrBackend;

typedef struct ChrSlot {
    ChrUser     user;
    GByteArray *in;                   /* read from the host, not yet taken */
} ChrSlot;

struct Chardev {
    Machine          *machine;
    ChrConfig         cfg;
    const ChrBackend *backend;
    ChrSlot           slot[CHR_MAX_USERS];
    unsigned          n_users, focus;
    bool              opened, connected, eof, in_escape;
    bool              short_write;    /* a user waits for room */
    uint32_t          pumped;         /* the source has been told to run; atomic */
    int               in_fd, out_fd, listen_fd;
    gpointer          in_tag, out_tag, listen_tag;
    GIOCondition      in_cond, out_cond;
    GByteArray       *out;
    GSource          *source;
    struct termios    tty_saved;
    bool              tty_changed;
    bool              drop_when_hup;  /* a pseudo-terminal: while nobody has the far end open, output is lost */
    bool              hup;            /* and input is looked for a few times a second only */
};

extern const ChrBackend chr_null, chr_stdio, chr_file, chr_pipe, chr_pty, chr_socket;
void chr_set_fds(Chardev *c, int in_fd, int out_fd);    /* connected; -1: no such direction */
void chr_listen(Chardev *c, int fd);
void chr_disconnect(Chardev *c);
bool chr_accept_client(Chardev *c);
#endif
