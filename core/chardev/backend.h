/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.h -- private to core/chardev/: a character device, and what a back end is.
 *
 * A back end is a file here with a ChrBackend NAME_chardev, and a line in chardevs.def.  One with
 * descriptors hands them to chr_set_fds(), and the core polls, reads and writes them, by its read
 * and write if it has any.  One without takes output by its `take`, at once, and gives input by
 * chr_input().
 *
 * Threads: the main context; take and chr_write() from any thread with the machine lock.
 */
#ifndef CORE_CHARDEV_BACKEND_H
#define CORE_CHARDEV_BACKEND_H
#include "core/chardev.h"
#include "core/machine.h"
#include <sys/types.h>

#define CHR_MAX_USERS 4
/* bytes waiting for the host; a writer gets a short count beyond */
#define CHR_OUT_MAX   (64u << 10)
#define CHR_IN_MAX    4096u         /* bytes waiting for a user; the host side is not read beyond */
/* PIPE_BUF: a pipe that polls writable takes as much without blocking */
#define CHR_CHUNK     4096u
#define CHR_MAX_FDS   16              /* descriptors that a peer has passed and nobody has taken */

typedef struct ChrConfig {
    char *backend, *id, *path, *input_path, *host, *port, *localaddr, *localport, *fd, *tls_creds,
        *tls_authz, *logfile, *chardev;
    uint64_t size;
    uint32_t reconnect, to, width, height, cols, rows;
    bool server, wait, append, signal, mux, nodelay, delay, telnet, websocket, abstract, tight,
        ipv4, ipv6, logappend;
} ChrConfig;

typedef struct ChrBackend {
    const char *name, *alias, *help;  /* alias: optional */
    /* those of ChrConfig that it takes besides id, mux and logfile, separated by spaces */
    const char *keys;
    /* before anything is created */
    bool      (*check)(Machine *m, const ChrConfig *cfg, GError **err);
    bool      (*open)(Chardev *c, GError **err);
    ssize_t   (*read)(Chardev *c, void *buf, size_t n);         /* optional; as read(2) */
    /* optional; as write(2); without the machine lock */
    ssize_t   (*write)(Chardev *c, const void *buf, size_t n);
    /* optional: write has taken what is not out yet; a write of 0 bytes goes on */
    bool      (*unsent)(Chardev *c);
    /* optional: read has more though the descriptor may be silent */
    bool      (*unread)(Chardev *c);
    void      (*ready)(Chardev *c);   /* what chr_watch() waits for has come */
    /* output of one without descriptors; any thread; what it took */
    size_t    (*take)(Chardev *c, const void *buf, size_t n);
    void      (*lost)(Chardev *c);    /* optional: the other end went away; may listen again */
    void      (*close)(Chardev *c);   /* optional: everything that open made */
    char     *(*describe)(const Chardev *c);    /* optional: "unix:/path,server=on" */
} ChrBackend;

typedef struct ChrSlot {
    ChrUser     user;
    GByteArray *in;                   /* read from the host, not yet taken */
} ChrSlot;

struct Chardev {
    Machine          *machine;
    ChrConfig         cfg;
    const ChrBackend *backend;
    void             *data;           /* the back end's own */
    ChrSlot           slot[CHR_MAX_USERS];
    unsigned          n_users, focus;
    bool              opened, connected, eof, in_escape;
    bool              short_write;    /* a user waits for room */
    uint32_t          pumped;         /* the source has been told to run; atomic */
    int               in_fd, out_fd, aux_fd;
    gpointer          in_tag, out_tag, aux_tag;
    GIOCondition      in_cond, out_cond, aux_cond;
    GByteArray       *out;
    GSource          *source;
    /* a pseudo-terminal: while nobody has the far end open, output is lost */
    bool              drop_when_hup;
    bool              hup;            /* and input is looked for a few times a second only */
    int               log_fd;         /* logfile=, or -1 */
    GByteArray       *log;            /* what it has not got yet */
    int               fds[CHR_MAX_FDS];
    unsigned          n_fds;
};

/* chardev.c */
void chr_set_fds(Chardev *c, int in_fd, int out_fd);    /* connected; -1: no such direction */
void chr_connected(Chardev *c);       /* the same without descriptors */
/* ready() when it can be read or written; fd -1: no more */
void chr_watch(Chardev *c, int fd, GIOCondition want);
void chr_disconnect(Chardev *c);
size_t chr_input_room(const Chardev *c);
/* from any thread with the machine lock; what has no room is lost */
void chr_input(Chardev *c, const void *buf, size_t n);
void chr_break(Chardev *c);           /* the line was held low */
void chr_room(Chardev *c);            /* take() was short, and can go on */
bool chr_start(Chardev *c, GError **err);
void chr_hang_up(Chardev *c);         /* its users hear that it is closed */
void chr_stop(Chardev *c);            /* what start made, gone; its users stay */
bool chr_needs_path(Machine *m, const ChrConfig *cfg, GError **err);
void chr_close_fds(Chardev *c);
/* names.c */
#define CHARDEV(file) extern const ChrBackend file##_chardev;
#include "core/chardev/chardevs.def"
#undef CHARDEV
extern const Field chr_fields[];
extern const ChrBackend *const chr_backends[];          /* NULL-terminated */
const ChrBackend *chr_backend_find(const char *name);
bool chr_check(Machine *m, const ChrConfig *cfg, const Chardev *instead_of, GError **err);
/* takes what is in cfg, also when it fails */
Chardev *chr_make(Machine *m, ChrConfig *cfg, GError **err);
bool chr_parse(ChrConfig *cfg, const char *spec, GError **err);  /* as chr_new() takes it */
void chr_list_remove(Machine *m, Chardev *c);
bool chr_is_wanted(Machine *m, const Chardev *c);       /* a device refers to it */
bool chr_is_listed(Machine *m, const ChrBackend *b, const Chardev *but);
void chr_free(Chardev *c);
#endif
