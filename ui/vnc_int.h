/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc_int.h -- private to vnc*.c: the VNC server's state, by who owns it.
 *
 * Threads: said at each part.
 */
#ifndef UI_VNC_INT_H
#define UI_VNC_INT_H
#include "core/display.h"
#include "core/options.h"
#include "ui/paste.h"
#include "ui/vnc_tls.h"
#include <linux/input-event-codes.h>
#include <netdb.h>
#include <rfb/rfb.h>

enum { TICK_MS = 15, TICKS_A_FRAME = 2, VIEWERS_MAX = 16, INPUT_MAX = 1024, FRESH_MS = 300,
       STALL_MS = 5000, FIRST_PORT = 5900,
       SPEAK_MS = 150, PENDING_MAX = 16, CUT_MAX = 65536, NEWS_MAX = 256 };
enum { PASSWORD_BYTES = 8 };            /* as many as VNC authentication uses */
enum { RELATIVE_ORIGIN = 0x7fff };      /* a relative pointer message that says "no movement" */

typedef struct Input {
    enum { INPUT_KEY, INPUT_CODE, INPUT_POINTER, INPUT_MOTION, INPUT_RELEASE, INPUT_POWER } kind;
    uint32_t keysym, code;            /* code: of INPUT_CODE, a scan code; of INPUT_POWER, xvp's */
    bool     down;
    int      x, y;                    /* INPUT_MOTION: a movement */
    /* RFB's: 1 left, 2 middle, 4 right, 8 wheel up, 16 wheel down */
    unsigned buttons;
} Input;

typedef struct Peer {                 /* a viewer, as programs hear of it */
    unsigned id;
    char     host[NI_MAXHOST], service[NI_MAXSERV];
    int      family;
    bool     websocket, initialized;
} Peer;

typedef struct News {
    const char *event;
    Peer        peer;
} News;

/* connected, and not yet known: a browser speaks first, a viewer does not */
typedef struct Pending {
    int    fd;
    gint64 until;                     /* us of g_get_monotonic_time() */
    Peer   peer;
    bool   secret;                    /* TLS is around it */
} Pending;

typedef struct Vnc {
    Viewer   viewer;
    Machine *machine;
    GSource *timer;
    unsigned ticks;
    /* main context: the guest's keyboard and mouse */
    bool     down[KEY_CNT], caps;
    unsigned buttons;
    Keymap  *keys;
    Paste    paste;

    GMutex   lock;                    /* what follows */
    GCond    fresh;
    uint32_t *shadow;                 /* width by height, in libvncserver's order of colours */
    int      width, height;
    pixman_region32_t damage;
    bool     resized;
    uint64_t refreshed;               /* refreshes so far */
    char     password[PASSWORD_BYTES + 1];
    int64_t  expires_s;               /* the password is nobody's from then on; -1: never */
    GArray  *input;                   /* Input */
    GArray  *peers;                   /* Peer: those there are */
    GArray  *news;                    /* News for the main context */
    char    *cut_in, *cut_out;        /* the viewers' clipboard; what is to be theirs; UTF-8 */
    unsigned leds;
    bool     absolute;

    GThread *thread;                  /* what follows is its own */
    rfbScreenInfoPtr rfb;
    int      listen_fd, wake_fd;
    char    *path;                    /* of a Unix socket */
    uint32_t viewers;                 /* atomic */
    unsigned next_peer;
    Pending  pending[PENDING_MAX];
    unsigned n_pending;
    VncTls   tls;                     /* creds NULL: there is none */
    Pending *adding;                  /* becomes a client now */
    bool     web;                     /* -vnc websocket=on: browsers are served a page */
    unsigned *answers;                /* atomic: HTTP answers under way */
    uint32_t stop;                    /* atomic */
} Vnc;

typedef struct VncClient {            /* clientData; the viewers' thread */
    unsigned peer;
    bool     secret, wants_leds, wants_motion;
    int      leds, absolute;          /* as it was last told; -1: not yet */
} VncClient;

static inline Vnc *vnc_of(rfbClientPtr cl)
{
    return cl->screen->screenData;
}

/* vnc.c */
void vnc_queue(Vnc *s, const Input *in);                /* any thread */
void vnc_wake(Vnc *s);
/* vnc_input.c: the main context */
void vnc_feed(Vnc *s);
/* vnc_ext.c: the viewers' thread */
void vnc_ext_register(void);
void vnc_ext_gone(rfbClientPtr cl);
void vnc_ext_tell(Vnc *s);              /* what has changed since, to those who want to know */
/* vnc_peer.c: who is there, and where we are */
/* HOST:DISPLAY, unix:PATH; or connected */
int  vnc_listen(const char *address, const OptVnc *opts, GError **err);
void vnc_peer_name(int fd, Peer *p);
GVariant *vnc_about_server(Vnc *s);     /* query-vnc */
void vnc_news(Vnc *s, const char *event, const Peer *p);        /* with s->lock */
void vnc_tell_news(Vnc *s);             /* main context, with the machine lock */
#endif
