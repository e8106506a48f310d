/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc.c -- the screen for VNC viewers, several at once, over TCP or a Unix socket.
 *
 * Spec: RFC 6143 by way of libvncserver; "QEMU Extended Key Event" and "QEMU LED State" of the RFB community specification.
 * Omits: TLS, WebSockets, clipboard, LED and extended key events; keyboards other than US.
 * Threads: a thread of its own speaks to viewers, so that a slow one stops nobody but other viewers.  Under Vnc.lock it shares
 *          with the main context a copy of the screen, what is damaged of it, the password and the input that waits.
 */
#ifdef CONFIG_VNC                         /* configure: libvncserver-dev is there and not --disable-vnc */
#include "core/display.h"
#include "core/commands.h"
#include "core/options.h"
#include "ui/keys.h"
#include "ui/vnc_http.h"
#include <errno.h>
#include <linux/input-event-codes.h>
#include <netdb.h>
#include <poll.h>
#include <rfb/rfb.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TICK_MS = 15, TICKS_A_FRAME = 2, VIEWERS_MAX = 16, INPUT_MAX = 1024, FRESH_MS = 300, STALL_MS = 5000, FIRST_PORT = 5900,
       SPEAK_MS = 150, PENDING_MAX = 16 };
enum { PASSWORD_BYTES = 8 };            /* as many as VNC authentication uses */
extern const ViewerOps vnc_viewer;

typedef struct Input {
    enum { INPUT_KEY, INPUT_CODE, INPUT_POINTER, INPUT_RELEASE } kind;
    uint32_t keysym, code;            /* code: of INPUT_CODE, a scan code */
    bool     down;
    int      x, y;
    unsigned buttons;                 /* RFB's: 1 left, 2 middle, 4 right, 8 wheel up, 16 wheel down */
} Input;

typedef struct Pending {              /* connected, and not yet known: a browser speaks first, a viewer does not */
    int    fd;
    gint64 until;                     /* us of g_get_monotonic_time() */
} Pending;

typedef struct Vnc {
    Viewer   viewer;
    Machine *machine;
    GSource *timer;
    unsigned ticks;
    /* main context: the guest's keyboard and mouse */
    bool     down[KEY_CNT], caps;
    unsigned buttons;

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

    GThread *thread;                  /* what follows is its own */
    rfbScreenInfoPtr rfb;
    int      listen_fd, wake_fd;
    char    *path;                    /* of a Unix socket */
    uint32_t viewers;                 /* atomic */
    Pending  pending[PENDING_MAX];
    unsigned n_pending;
    bool     web;                     /* -vnc websocket=on: browsers are served a page */
    unsigned *answers;                /* atomic: HTTP answers under way */
    uint32_t stop;                    /* atomic */
} Vnc;

static Vnc *of(rfbClientPtr cl)
{
    return cl->screen->screenData;
}

static void wake(Vnc *s)
{
    uint64_t one = 1;
    ssize_t  n = write(s->wake_fd, &one, sizeof(one));
    (void)n;                            /* full: it is awake */
}

/* ---- viewers' thread ---- */

static void queue(Vnc *s, const Input *in)
{
    g_mutex_lock(&s->lock);
    if (s->input->len < INPUT_MAX || in->kind == INPUT_RELEASE) {
        g_array_append_val(s->input, *in);
    }
    g_mutex_unlock(&s->lock);
}

static void on_key(rfbBool down, rfbKeySym key, rfbClientPtr cl)
{
    queue(of(cl), &(Input){ .kind = INPUT_KEY, .keysym = key, .down = down });
}

static void on_pointer(int buttons, int x, int y, rfbClientPtr cl)
{
    queue(of(cl), &(Input){ .kind = INPUT_POINTER, .x = x, .y = y, .buttons = (unsigned)buttons });
}

/* Until there is a password nobody has the right one. */
static rfbBool check_password(rfbClientPtr cl, const char *response, int n)
{
    Vnc    *s = of(cl);
    uint8_t expected[CHALLENGESIZE], differ = 0;
    char    password[PASSWORD_BYTES + 1];

    g_mutex_lock(&s->lock);
    memcpy(password, s->password, sizeof(password));
    bool expired = s->expires_s >= 0 && g_get_real_time() / G_USEC_PER_SEC >= s->expires_s;
    g_mutex_unlock(&s->lock);
    if (!*password || expired || n != CHALLENGESIZE) {
        return FALSE;
    }
    memcpy(expected, cl->authChallenge, CHALLENGESIZE);
    rfbEncryptBytes(expected, password);
    for (int i = 0; i < CHALLENGESIZE; i++) {
        differ |= expected[i] ^ (uint8_t)response[i];
    }
    return differ == 0;
}

static void on_gone(rfbClientPtr cl)
{
    __atomic_sub_fetch(&of(cl)->viewers, 1, __ATOMIC_SEQ_CST);
    queue(of(cl), &(Input){ .kind = INPUT_RELEASE });
}

static enum rfbNewClientAction on_new(rfbClientPtr cl)
{
    cl->clientGoneHook = on_gone;
    return RFB_CLIENT_ACCEPT;
}

/* A viewer's first picture is one of now: wait for the next refresh, which the main context makes only when somebody looks. */
static void add_viewer(Vnc *s, int fd)
{
    gint64 until = g_get_monotonic_time() + FRESH_MS * 1000;

    if (__atomic_load_n(&s->viewers, __ATOMIC_SEQ_CST) >= VIEWERS_MAX || fd >= FD_SETSIZE) {
        close(fd);
        return;
    }
    __atomic_add_fetch(&s->viewers, 1, __ATOMIC_SEQ_CST);
    g_mutex_lock(&s->lock);
    uint64_t seen = s->refreshed;
    while (s->refreshed < seen + 2 && g_cond_wait_until(&s->fresh, &s->lock, until)) {
        continue;
    }
    g_mutex_unlock(&s->lock);
    rfbClientPtr cl = rfbNewClient(s->rfb, fd);         /* closes fd when it fails */
    if (!cl || cl->clientGoneHook != on_gone) {
        __atomic_sub_fetch(&s->viewers, 1, __ATOMIC_SEQ_CST);
    }
}

static void accept_one(Vnc *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (s->n_pending == PENDING_MAX) {
        close(fd);
    } else {
        s->pending[s->n_pending++] = (Pending){ .fd = fd, .until = g_get_monotonic_time() + SPEAK_MS * 1000 };
    }
}

/* Who are they?  Those who have said nothing for a while wait for us to begin: viewers. */
static void sort_pending(Vnc *s)
{
    gint64 now = g_get_monotonic_time();

    for (unsigned i = 0; i < s->n_pending;) {
        Pending  p = s->pending[i];
        HttpKind kind = http_kind(p.fd);
        if (kind == HTTP_NOTHING_YET && now < p.until) {
            i++;
            continue;
        }
        s->pending[i] = s->pending[--s->n_pending];
        if (kind == HTTP_GET && s->web) {
            http_answer(p.fd, s->answers);
        } else if (kind == HTTP_GONE || ((kind == HTTP_WEBSOCKET || kind == HTTP_GET) && !s->web)) {
            close(p.fd);
        } else {
            add_viewer(s, p.fd);
        }
    }
}

/* From the shared copy to libvncserver's frame buffer. */
static void take_damage(Vnc *s)
{
    int             n;
    pixman_box32_t *b;

    g_mutex_lock(&s->lock);
    if (s->resized) {
        char *old = s->rfb->frameBuffer, *fb = g_malloc0((size_t)s->width * (size_t)s->height * 4);
        rfbNewFramebuffer(s->rfb, fb, s->width, s->height, 8, 3, 4);
        g_free(old);
        s->resized = false;
    }
    b = pixman_region32_rectangles(&s->damage, &n);
    for (int i = 0; i < n; i++) {
        for (int y = b[i].y1; y < b[i].y2; y++) {
            size_t at = (size_t)y * (size_t)s->width + (size_t)b[i].x1;
            memcpy((uint32_t *)(void *)s->rfb->frameBuffer + at, s->shadow + at, (size_t)(b[i].x2 - b[i].x1) * 4);
        }
        rfbMarkRectAsModified(s->rfb, b[i].x1, b[i].y1, b[i].x2, b[i].y2);
    }
    pixman_region32_clear(&s->damage);
    g_mutex_unlock(&s->lock);
}

static unsigned poll_set(Vnc *s, struct pollfd *p)
{
    rfbClientIteratorPtr it = rfbGetClientIterator(s->rfb);
    rfbClientPtr         cl;
    unsigned             n = 2;

    p[0] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
    p[1] = (struct pollfd){ .fd = s->wake_fd, .events = POLLIN };
    while ((cl = rfbClientIteratorNext(it)) && n < VIEWERS_MAX + 2) {
        p[n++] = (struct pollfd){ .fd = cl->sock, .events = POLLIN };
    }
    rfbReleaseClientIterator(it);
    for (unsigned i = 0; i < s->n_pending; i++) {
        p[n++] = (struct pollfd){ .fd = s->pending[i].fd, .events = POLLIN };
    }
    return n;
}

static void *serve(void *opaque)
{
    Vnc          *s = opaque;
    struct pollfd p[VIEWERS_MAX + PENDING_MAX + 2];
    uint64_t      count;

    while (!__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST)) {
        unsigned n = poll_set(s, p);
        poll(p, n, n > 2 ? TICK_MS : -1);
        if ((p[1].revents & POLLIN) && read(s->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
            break;
        }
        if (p[0].revents & POLLIN) {
            accept_one(s);
        }
        sort_pending(s);
        take_damage(s);
        rfbProcessEvents(s->rfb, 0);
    }
    return NULL;
}

/* ---- main context: the picture ---- */

static void vnc_resized(Viewer *v, pixman_image_t *surface)
{
    Vnc *s = (Vnc *)v;

    g_mutex_lock(&s->lock);
    s->width = pixman_image_get_width(surface);
    s->height = pixman_image_get_height(surface);
    g_free(s->shadow);
    s->shadow = g_malloc0((size_t)s->width * (size_t)s->height * 4);
    pixman_region32_clear(&s->damage);
    s->resized = true;
    g_mutex_unlock(&s->lock);
    wake(s);
}

static uint32_t red_first(uint32_t x8r8g8b8)
{
    return (x8r8g8b8 & 0xff) << 16 | (x8r8g8b8 & 0xff00) | (x8r8g8b8 >> 16 & 0xff);
}

static void vnc_damaged(Viewer *v, const pixman_box16_t *b)
{
    Vnc            *s = (Vnc *)v;
    pixman_image_t *p = console_surface(v->con);
    size_t          stride = (size_t)pixman_image_get_stride(p) / 4;
    const uint32_t *from = pixman_image_get_data(p);

    g_mutex_lock(&s->lock);
    for (int y = b->y1; y < b->y2; y++) {
        for (int x = b->x1; x < b->x2; x++) {
            s->shadow[(size_t)y * (size_t)s->width + (size_t)x] = red_first(from[(size_t)y * stride + (size_t)x]);
        }
    }
    pixman_region32_union_rect(&s->damage, &s->damage, b->x1, b->y1, (unsigned)(b->x2 - b->x1), (unsigned)(b->y2 - b->y1));
    g_mutex_unlock(&s->lock);
}

/* ---- main context: input ---- */

static void press(Vnc *s, unsigned code, bool down)
{
    if (code && code < KEY_CNT) {
        s->down[code] = down;
        console_key(s->viewer.con, code, down);
    }
}

/* A character that the US keyboard has with shift only is typed with it, whatever keyboard the viewer has. */
static void type_key(Vnc *s, uint32_t keysym, bool down)
{
    bool     needs_shift = false, letter = keysym >= 'A' && keysym <= 'Z';
    bool     has_shift = s->down[KEY_LEFTSHIFT] || s->down[KEY_RIGHTSHIFT];
    unsigned code = key_from_keysym(keysym, &needs_shift);

    if (code == KEY_CAPSLOCK && down) {
        s->caps = !s->caps;
    }
    if (down && needs_shift && !has_shift && !(letter && s->caps)) {
        console_key(s->viewer.con, KEY_LEFTSHIFT, true);
        press(s, code, true);
        console_key(s->viewer.con, KEY_LEFTSHIFT, false);
    } else if (down || (code && s->down[code])) {
        press(s, code, down);
    }
}

static unsigned mods(const Vnc *s)
{
    return (s->down[KEY_LEFTSHIFT] || s->down[KEY_RIGHTSHIFT] ? MOD_SHIFT : 0) |
           (s->down[KEY_LEFTCTRL] || s->down[KEY_RIGHTCTRL] ? MOD_CTRL : 0) | (s->down[KEY_LEFTALT] ? MOD_ALT : 0);
}

/* Ctrl-Alt-1 to 9.  The guest is not left with keys held that it does not see let go. */
static bool switch_console(Vnc *s, unsigned code)
{
    if ((mods(s) & (MOD_CTRL | MOD_ALT)) != (MOD_CTRL | MOD_ALT) || code < KEY_1 || code > KEY_9) {
        return false;
    }
    for (unsigned k = 0; k < KEY_CNT; k++) {
        if (s->down[k]) {
            console_key(s->viewer.con, k, false);
        }
    }
    viewer_show(&s->viewer, code - KEY_1);
    return true;
}

static bool is_modifier(unsigned code)
{
    return code == KEY_LEFTSHIFT || code == KEY_RIGHTSHIFT || code == KEY_LEFTCTRL || code == KEY_RIGHTCTRL || code == KEY_LEFTALT ||
           code == KEY_RIGHTALT || code == KEY_LEFTMETA || code == KEY_RIGHTMETA || code == KEY_CAPSLOCK || code == KEY_NUMLOCK;
}

/* true: it was for a text console, or for us. */
static bool for_console(Vnc *s, unsigned code, uint32_t keysym, bool down)
{
    if (down && switch_console(s, code)) {
        return true;
    }
    if (!console_is_text(s->viewer.con) || is_modifier(code)) {
        return false;
    }
    if (down) {
        console_symbol(s->viewer.con, keysym, mods(s));
    }
    return true;
}

static void type_symbol(Vnc *s, const Input *e)
{
    bool     shift;
    unsigned code = key_from_keysym(e->keysym, &shift);

    if (!for_console(s, code, e->keysym, e->down)) {
        type_key(s, e->keysym, e->down);
    }
}

static void type_code(Vnc *s, const Input *e)
{
    unsigned code = key_from_xt(e->code);

    if (!for_console(s, code, e->keysym, e->down)) {
        press(s, code, e->down);
    }
}

static void point(Vnc *s, const Input *in)
{
    unsigned buttons = (in->buttons & 1) | (in->buttons & 4) >> 1 | (in->buttons & 2) << 1;
    unsigned wheel = in->buttons & ~s->buttons;
    int      dz = wheel & 8 ? -1 : wheel & 16 ? 1 : 0;

    console_point(s->viewer.con, in->x, in->y, dz, buttons);
    s->buttons = in->buttons;
}

static void feed(Vnc *s)
{
    g_autoptr(GArray) in = NULL;

    g_mutex_lock(&s->lock);
    if (s->input->len) {
        in = s->input;
        s->input = g_array_new(FALSE, FALSE, sizeof(Input));
    }
    g_mutex_unlock(&s->lock);
    for (unsigned i = 0; in && i < in->len; i++) {
        const Input *e = &g_array_index(in, Input, i);
        if (e->kind == INPUT_KEY) {
            type_symbol(s, e);
        } else if (e->kind == INPUT_CODE) {
            type_code(s, e);
        } else if (e->kind == INPUT_POINTER) {
            point(s, e);
        } else {
            for (unsigned k = 0; k < KEY_CNT; k++) {
                if (s->down[k]) {
                    press(s, k, false);
                }
            }
        }
    }
}

static gboolean tick(void *opaque)
{
    Vnc *s = opaque;
    bool any, frame = __atomic_load_n(&s->viewers, __ATOMIC_SEQ_CST) && ++s->ticks % TICKS_A_FRAME == 0;

    g_mutex_lock(&s->lock);
    any = s->input->len != 0;
    g_mutex_unlock(&s->lock);
    if (!frame && !any) {
        return G_SOURCE_CONTINUE;       /* the machine lock is the guest's while nobody looks or types */
    }
    machine_lock(s->machine);
    feed(s);
    if (frame) {
        console_refresh(s->viewer.con);
        g_mutex_lock(&s->lock);
        s->refreshed++;
        any = s->resized || pixman_region32_not_empty(&s->damage);
        g_cond_broadcast(&s->fresh);
        g_mutex_unlock(&s->lock);
        if (any) {
            wake(s);
        }
    }
    machine_unlock(s->machine);
    return G_SOURCE_CONTINUE;
}

static bool vnc_expire_password(Viewer *v, int64_t at_s, GError **err)
{
    Vnc *s = (Vnc *)v;

    if (!s->rfb->authPasswdData) {
        return fail(err, "VNC viewers need no password here: start with -vnc %s,password=on", s->machine->options->vnc);
    }
    g_mutex_lock(&s->lock);
    s->expires_s = at_s;
    g_mutex_unlock(&s->lock);
    return true;
}

/* query-vnc. */
static GVariant *vnc_about(Viewer *v)
{
    const Vnc              *s = (Vnc *)v;
    struct sockaddr_storage a = { 0 };
    socklen_t               n = sizeof(a);
    char                    host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    GVariantBuilder         b;

    if (s->listen_fd >= 0 && !getsockname(s->listen_fd, (struct sockaddr *)&a, &n)) {
        if (a.ss_family == AF_UNIX) {
            g_strlcpy(host, ((struct sockaddr_un *)&a)->sun_path, sizeof(host));
        } else {
            getnameinfo((struct sockaddr *)&a, n, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
        }
    }
    object_start(&b);
    say_bool(&b, "enabled", true);
    say(&b, "host", host);
    say(&b, "service", port);
    say(&b, "family", a.ss_family == AF_INET ? "ipv4" : a.ss_family == AF_INET6 ? "ipv6" : a.ss_family == AF_UNIX ? "unix" : "unknown");
    say(&b, "auth", s->rfb->authPasswdData ? "vnc" : "none");
    return g_variant_builder_end(&b);
}

static bool vnc_set_password(Viewer *v, const char *password, GError **err)
{
    Vnc *s = (Vnc *)v;

    if (!s->rfb->authPasswdData) {
        return fail(err, "VNC viewers need no password here: start with -vnc %s,password=on", s->machine->options->vnc);
    }
    g_mutex_lock(&s->lock);
    memset(s->password, 0, sizeof(s->password));
    memcpy(s->password, password, MIN(strlen(password), PASSWORD_BYTES));
    g_mutex_unlock(&s->lock);
    return true;
}

/* ---- life ---- */

static int listen_unix(const char *path, GError **err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(a.sun_path)) {
        fail(err, "-vnc unix:%s: the path is too long", path);
        return -1;
    }
    strcpy(a.sun_path, path);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, VIEWERS_MAX)) {
        fail(err, "-vnc unix:%s: cannot listen on it: %s", path, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static int listen_tcp(const char *address, GError **err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list = NULL;
    const char     *colon = strrchr(address, ':');
    unsigned long   display = strtoul(colon + 1, NULL, 10);
    g_autofree char *host = g_strndup(address, (gsize)(colon - address)), *port = g_strdup_printf("%lu", FIRST_PORT + display);
    int             fd = -1, one = 1, why = 0;

    if (display > 65535 - FIRST_PORT) {
        fail(err, "-vnc %s: display %lu makes no port; take 0 to %d", address, display, 65535 - FIRST_PORT);
        return -1;
    }
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        memmove(host, host + 1, strlen(host));
        host[strlen(host) - 1] = 0;
    }
    why = getaddrinfo(*host ? host : NULL, port, &hints, &list);
    if (why) {
        fail(err, "-vnc %s: %s", address, gai_strerror(why));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || bind(fd, a->ai_addr, a->ai_addrlen) ||
                        listen(fd, VIEWERS_MAX))) {
            why = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        fail(err, "-vnc %s: cannot listen on port %s: %s", address, port, g_strerror(why));
    }
    return fd;
}

/* A viewer that listens. */
static int connect_tcp(const char *address, GError **err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    const char     *colon = strrchr(address, ':');
    g_autofree char *host = g_strndup(address, (gsize)(colon - address));
    int             fd = -1, why = getaddrinfo(*host ? host : "localhost", colon + 1, &hints, &list);

    if (why) {
        fail(err, "-vnc %s,reverse=on: %s", address, gai_strerror(why));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
            why = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        fail(err, "-vnc %s,reverse=on: cannot connect: %s", address, g_strerror(why));
    }
    return fd;
}

/* ---- key codes instead of keysyms: the community specification's pseudo-encoding -258 and message 255, 0 ---- */

enum { EXTENDED_KEY = -258, QEMU_MESSAGE = 255, SET_1_EXTENDED = 0x80 };

static rfbBool extended_key_wanted(rfbClientPtr cl, void **data, int encoding)
{
    rfbFramebufferUpdateMsg      update = { .type = rfbFramebufferUpdate, .nRects = Swap16IfLE(1) };
    rfbFramebufferUpdateRectHeader rect = { .encoding = Swap32IfLE((uint32_t)EXTENDED_KEY) };

    if (encoding != EXTENDED_KEY) {
        return FALSE;
    }
    return rfbWriteExact(cl, (char *)&update, sz_rfbFramebufferUpdateMsg) > 0 &&
           rfbWriteExact(cl, (char *)&rect, sz_rfbFramebufferUpdateRectHeader) > 0;
}

/* Behind the type: 0, u16 down, u32 keysym, u32 code: XT scan codes, those with prefix E0 having bit 7 set. */
static rfbBool extended_key(rfbClientPtr cl, void *data, const rfbClientToServerMsg *msg)
{
    uint8_t b[11];

    if (msg->type != QEMU_MESSAGE || rfbReadExact(cl, (char *)b, sizeof(b)) <= 0 || b[0] != 0) {
        return FALSE;
    }
    uint32_t keysym = (uint32_t)b[3] << 24 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 8 | b[6];
    queue(of(cl), &(Input){ .kind = INPUT_CODE, .keysym = keysym, .code = b[10], .down = b[1] || b[2] });
    return TRUE;
}

static void register_extension(void)
{
    static int                  encodings[] = { EXTENDED_KEY, 0 };
    static rfbProtocolExtension extension = {
        .pseudoEncodings = encodings, .enablePseudoEncoding = extended_key_wanted, .handleMessage = extended_key,
    };
    static gsize done;

    if (g_once_init_enter(&done)) {
        rfbRegisterProtocolExtension(&extension);
        g_once_init_leave(&done, 1);
    }
}

/* Where the console page is, for the user to open. */
static void say_address(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    char      host[NI_MAXHOST], port[NI_MAXSERV];

    if (!getsockname(fd, (struct sockaddr *)&a, &n) &&
        !getnameinfo((struct sockaddr *)&a, n, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV)) {
        bool any = !strcmp(host, "0.0.0.0") || !strcmp(host, "::"), six = strchr(host, ':') && !any;
        fprintf(stderr, "ryokan: console page: http://%s%s%s:%s/%s\n", six ? "[" : "", any ? "localhost" : host, six ? "]" : "", port,
                g_file_test(NOVNC_DIR "/vnc.html", G_FILE_TEST_EXISTS) ? " (noVNC: vnc.html there)" : "");
    }
}

static void rfb_setup(Vnc *s, bool password)
{
    rfbScreenInfoPtr r;

    rfbLogEnable(FALSE);
    register_extension();
    s->width = 640;
    s->height = 480;
    r = s->rfb = rfbGetScreen(NULL, NULL, s->width, s->height, 8, 3, 4);
    r->frameBuffer = g_malloc0((size_t)s->width * (size_t)s->height * 4);
    r->desktopName = s->machine->name ? s->machine->name : "Ryokan";
    r->screenData = s;
    r->port = r->ipv6port = r->httpPort = r->http6Port = 0;     /* connections are accepted here */
    r->autoPort = FALSE;
    r->alwaysShared = TRUE;
    r->maxClientWait = STALL_MS;
    r->kbdAddEvent = on_key;
    r->ptrAddEvent = on_pointer;
    r->newClientHook = on_new;
    if (password) {
        r->authPasswdData = s;
        r->passwordCheck = check_password;
    }
    rfbSetCursor(r, NULL);
    rfbInitServer(r);
}

static void vnc_close(Viewer *v)
{
    Vnc *s = (Vnc *)v;

    __atomic_store_n(&s->stop, 1, __ATOMIC_SEQ_CST);
    wake(s);
    g_thread_join(s->thread);
    g_source_destroy(s->timer);
    g_source_unref(s->timer);
    rfbShutdownServer(s->rfb, TRUE);
    g_free(s->rfb->frameBuffer);
    rfbScreenCleanup(s->rfb);
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
    }
    close(s->wake_fd);
    if (s->path) {
        unlink(s->path);
    }
    pixman_region32_fini(&s->damage);
    g_mutex_clear(&s->lock);
    g_cond_clear(&s->fresh);
    g_array_free(s->input, TRUE);
    for (unsigned i = 0; i < s->n_pending; i++) {
        close(s->pending[i].fd);
    }
    if (!__atomic_load_n(s->answers, __ATOMIC_SEQ_CST)) {
        g_free(s->answers);           /* else a browser's thread still counts there; the process ends */
    }
    g_free(s->shadow);
    g_free(s->path);
    g_free(s);
}

static bool vnc_open(Machine *m, Console *con, Viewer **out, GError **err)
{
    const char *address = m->options->vnc;
    bool        is_unix = g_str_has_prefix(address, "unix:");
    bool        reverse = m->options->vnc_reverse;
    int         fd = is_unix ? listen_unix(address + 5, err) : reverse ? connect_tcp(address, err) : listen_tcp(address, err);
    Vnc        *s;

    if (fd < 0) {
        return false;
    }
    s = g_new0(Vnc, 1);
    s->machine = m;
    s->viewer.ops = &vnc_viewer;
    s->listen_fd = reverse ? -1 : fd;
    if (reverse) {
        s->pending[s->n_pending++] = (Pending){ .fd = fd };
    }
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->path = is_unix ? g_strdup(address + 5) : NULL;
    s->web = m->options->vnc_web;
    s->answers = g_new0(unsigned, 1);
    s->expires_s = -1;
    g_mutex_init(&s->lock);
    g_cond_init(&s->fresh);
    pixman_region32_init(&s->damage);
    s->input = g_array_new(FALSE, FALSE, sizeof(Input));
    rfb_setup(s, m->options->vnc_password);
    s->timer = g_timeout_source_new(TICK_MS);
    g_source_set_callback(s->timer, tick, s, NULL);
    g_source_attach(s->timer, m->context);
    *out = &s->viewer;
    console_viewer(con, &s->viewer);
    console_invalidate(con);
    s->thread = g_thread_new("vnc", serve, s);
    if (s->web && !is_unix) {
        say_address(fd);
    }
    return true;
}

const ViewerOps vnc_viewer = {
    .name = "vnc", .desc = "server for VNC viewers",
    .open = vnc_open, .resized = vnc_resized, .damaged = vnc_damaged, .set_password = vnc_set_password,
    .expire_password = vnc_expire_password, .about = vnc_about, .close = vnc_close,
};
#endif
