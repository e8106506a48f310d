/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc.c -- the screen for VNC viewers, several at once, over TCP or a Unix socket.
 *
 * Spec: RFC 6143 by way of libvncserver; "xvp" of the RFB community specification.
 * Omits: several servers; an unencrypted and an encrypted one at a time.
 * Threads: a thread of its own speaks to viewers, so that a slow one stops nobody but other
 *          viewers.  Under Vnc.lock it shares with the main context a copy of the screen, what is
 *          damaged of it, the password and the input that waits.
 */
#ifdef CONFIG_VNC /* configure: libvncserver-dev is there and not --disable-vnc */
#include "core/commands.h"
#include "ui/vnc_http.h"
#include "ui/vnc_int.h"
#include "core/trace.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANDSHAKE_US = 10000000 };
extern const ViewerOps vnc_viewer;

void vnc_wake(Vnc *s)
{
    uint64_t one = 1;
    ssize_t  n = write(s->wake_fd, &one, sizeof(one));
    (void)n;                            /* full: it is awake */
}

/* ---- viewers' thread ---- */

void vnc_queue(Vnc *s, const Input *in)
{
    g_mutex_lock(&s->lock);
    if (s->input->len < INPUT_MAX || in->kind == INPUT_RELEASE) {
        g_array_append_val(s->input, *in);
    }
    g_mutex_unlock(&s->lock);
}

static void on_key(rfbBool down, rfbKeySym key, rfbClientPtr cl)
{
    trace_vnc_key(key, down);
    vnc_queue(vnc_of(cl), &(Input){ .kind = INPUT_KEY, .keysym = key, .down = down });
}

static void on_pointer(int buttons, int x, int y, rfbClientPtr cl)
{
    const VncClient *c = cl->clientData;
    Input            in = { .kind = INPUT_POINTER, .x = x, .y = y, .buttons = (unsigned)buttons };

    trace_vnc_pointer(x, y, (unsigned)buttons);
    if (c->wants_motion && c->absolute == 0) {
        in.kind = INPUT_MOTION;
        in.x -= RELATIVE_ORIGIN;
        in.y -= RELATIVE_ORIGIN;
    }
    vnc_queue(vnc_of(cl), &in);
}

/* The viewers' clipboard is one: who was last. */
static void on_cut_utf8(char *text, int n, rfbClientPtr cl)
{
    Vnc        *s = vnc_of(cl);
    const char *end;

    g_utf8_validate(text, strnlen(text, (size_t)CLAMP(n, 0, CUT_MAX)), &end);
    g_mutex_lock(&s->lock);
    g_free(s->cut_in);
    s->cut_in = end > text ? g_strndup(text, (gsize)(end - text)) : NULL;
    g_mutex_unlock(&s->lock);
}

static void on_cut(char *text, int n, rfbClientPtr cl)
{
    g_autofree char *utf8 =
        g_convert(text, CLAMP(n, 0, CUT_MAX), "UTF-8", "ISO-8859-1", NULL, NULL, NULL);

    if (utf8) {
        on_cut_utf8(utf8, (int)strlen(utf8), cl);
    }
}

static rfbBool on_xvp(rfbClientPtr cl, uint8_t version, uint8_t code)
{
    if (version != 1 || code < 2 || code > 4) {
        return FALSE;
    }
    vnc_queue(vnc_of(cl), &(Input){ .kind = INPUT_POWER, .code = code });
    return TRUE;
}

/* Before each update: who has not said lossy=on sees what the guest drew. */
static void before_update(rfbClientPtr cl)
{
    if (!vnc_of(cl)->machine->options->vnc_opts.lossy) {
        cl->tightQualityLevel = cl->turboQualityLevel = -1;
    }
}

/* Until there is a password nobody has the right one. */
static rfbBool check_password(rfbClientPtr cl, const char *response, int n)
{
    Vnc    *s = vnc_of(cl);
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

static Peer *peer_find(Vnc *s, unsigned id, unsigned *at)
{
    for (unsigned i = 0; i < s->peers->len; i++) {
        if (g_array_index(s->peers, Peer, i).id == id) {
            *at = i;
            return &g_array_index(s->peers, Peer, i);
        }
    }
    return NULL;
}

static void on_gone(rfbClientPtr cl)
{
    Vnc       *s = vnc_of(cl);
    VncClient *c = cl->clientData;
    Peer      *p;
    unsigned   at;

    trace_vnc_disconnect(c->peer);
    g_mutex_lock(&s->lock);
    p = peer_find(s, c->peer, &at);
    if (p) {
        vnc_news(s, "VNC_DISCONNECTED", p);
        g_array_remove_index(s->peers, at);
    }
    g_mutex_unlock(&s->lock);
    vnc_ext_gone(cl);
    g_free(c);
    __atomic_sub_fetch(&s->viewers, 1, __ATOMIC_SEQ_CST);
    vnc_queue(s, &(Input){ .kind = INPUT_RELEASE });
}

static enum rfbNewClientAction on_new(rfbClientPtr cl)
{
    Vnc       *s = vnc_of(cl);
    VncClient *c = g_new0(VncClient, 1);
    Peer       p = s->adding->peer;

    c->peer = p.id = s->next_peer++;
    c->secret = s->adding->secret;
    c->leds = c->absolute = -1;
    cl->clientData = c;
    cl->clientGoneHook = on_gone;
    p.websocket = cl->wsctx != NULL;
    trace_vnc_connect(p.id, p.host);
    g_mutex_lock(&s->lock);
    g_array_append_val(s->peers, p);
    vnc_news(s, "VNC_CONNECTED", &p);
    g_mutex_unlock(&s->lock);
    return RFB_CLIENT_ACCEPT;
}

/* Those that have got through the handshake since the last time. */
static void note_initialized(Vnc *s)
{
    rfbClientIteratorPtr it = rfbGetClientIterator(s->rfb);
    rfbClientPtr         cl;
    unsigned             at;

    while ((cl = rfbClientIteratorNext(it))) {
        if (cl->state == RFB_NORMAL) {
            g_mutex_lock(&s->lock);
            Peer *p = peer_find(s, ((VncClient *)cl->clientData)->peer, &at);
            if (p && !p->initialized) {
                p->initialized = true;
                vnc_news(s, "VNC_INITIALIZED", p);
            }
            g_mutex_unlock(&s->lock);
        }
    }
    rfbReleaseClientIterator(it);
}

/*
 * A viewer's first picture is one of now: wait for the next refresh, which the main context makes
 * only when somebody looks.
 */
static void add_viewer(Vnc *s, Pending *pending)
{
    int    fd = pending->fd;
    gint64 until = g_get_monotonic_time() + FRESH_MS * 1000;

    if (__atomic_load_n(&s->viewers, __ATOMIC_SEQ_CST) >=
            s->machine->options->vnc_opts.connections ||
        fd >= FD_SETSIZE) {
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
    s->adding = pending;
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
        Pending *p = &s->pending[s->n_pending++];
        *p = (Pending){ .fd = fd, .until = g_get_monotonic_time() + SPEAK_MS * 1000 };
        vnc_peer_name(fd, &p->peer);
    }
}

/* TLS is around it from now on; false: it goes no further. */
static bool start_tls(Vnc *s, Pending *p, bool browser)
{
    p->fd = vnc_tls_start(&s->tls, p->fd, browser);
    p->secret = true;
    p->until = g_get_monotonic_time() + HANDSHAKE_US;
    return p->fd >= 0;
}

/* What somebody is who has spoken, or has been silent for long enough. */
static void settle(Vnc *s, Pending *p, HttpKind kind)
{
    bool browser = kind == HTTP_GET || kind == HTTP_WEBSOCKET, tls = s->tls.creds != NULL;

    if (tls && !p->secret && kind == HTTP_TLS && s->web) {
        if (start_tls(s, p, true)) {
            s->pending[s->n_pending++] = *p;
        }
    } else if (tls && !p->secret && kind == HTTP_NOTHING_YET) {
        if (start_tls(s, p, false)) {
            add_viewer(s, p);
        }
    } else if (kind == HTTP_GONE || kind == HTTP_TLS || (browser && !s->web) ||
               (tls && (!p->secret || !browser))) {
        close(p->fd);
    } else if (kind == HTTP_GET) {
        http_answer(p->fd, s->answers);
    } else {
        add_viewer(s, p);
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
        settle(s, &p, kind);
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
            memcpy((uint32_t *)(void *)s->rfb->frameBuffer + at, s->shadow + at,
                   (size_t)(b[i].x2 - b[i].x1) * 4);
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
        if ((p[1].revents & POLLIN) && read(s->wake_fd, &count, sizeof(count)) < 0 &&
            errno != EAGAIN) {
            break;
        }
        if (p[0].revents & POLLIN) {
            accept_one(s);
        }
        sort_pending(s);
        take_damage(s);
        rfbProcessEvents(s->rfb, 0);
        note_initialized(s);
        vnc_ext_tell(s);
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
    vnc_wake(s);
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
            s->shadow[(size_t)y * (size_t)s->width + (size_t)x] =
                red_first(from[(size_t)y * stride + (size_t)x]);
        }
    }
    pixman_region32_union_rect(&s->damage, &s->damage, b->x1, b->y1, (unsigned)(b->x2 - b->x1),
                               (unsigned)(b->y2 - b->y1));
    g_mutex_unlock(&s->lock);
}

static void vnc_leds(Viewer *v, unsigned leds)
{
    Vnc *s = (Vnc *)v;

    g_mutex_lock(&s->lock);
    s->leds = leds;
    g_mutex_unlock(&s->lock);
    vnc_wake(s);
}

/* ---- main context: now and then ---- */

static gboolean tick(void *opaque)
{
    Vnc *s = opaque;
    bool any,
        frame = __atomic_load_n(&s->viewers, __ATOMIC_SEQ_CST) && ++s->ticks % TICKS_A_FRAME == 0;

    g_mutex_lock(&s->lock);
    any = s->input->len || s->news->len || s->paste.text;
    g_mutex_unlock(&s->lock);
    if (!frame && !any) {
        /* the machine lock is the guest's while nobody looks or types */
        return G_SOURCE_CONTINUE;
    }
    machine_lock(s->machine);
    vnc_tell_news(s);
    vnc_feed(s);
    if (frame) {
        console_refresh(s->viewer.con);
        bool absolute = console_is_absolute(s->viewer.con);
        g_mutex_lock(&s->lock);
        if (absolute != s->absolute) {
            s->absolute = absolute;
            vnc_wake(s);
        }
        s->refreshed++;
        any = s->resized || pixman_region32_not_empty(&s->damage);
        g_cond_broadcast(&s->fresh);
        g_mutex_unlock(&s->lock);
        if (any) {
            vnc_wake(s);
        }
    }
    machine_unlock(s->machine);
    return G_SOURCE_CONTINUE;
}

static bool vnc_expire_password(Viewer *v, int64_t at_s, GError **err)
{
    Vnc *s = (Vnc *)v;

    if (!s->rfb->authPasswdData) {
        return fail(err, "VNC viewers need no password here: start with -vnc %s,password=on",
                    s->machine->options->vnc);
    }
    g_mutex_lock(&s->lock);
    s->expires_s = at_s;
    g_mutex_unlock(&s->lock);
    return true;
}

static GVariant *vnc_about(Viewer *v)
{
    return vnc_about_server((Vnc *)v);
}

static bool vnc_set_password(Viewer *v, const char *password, GError **err)
{
    Vnc *s = (Vnc *)v;

    if (!s->rfb->authPasswdData) {
        return fail(err, "VNC viewers need no password here: start with -vnc %s,password=on",
                    s->machine->options->vnc);
    }
    g_mutex_lock(&s->lock);
    memset(s->password, 0, sizeof(s->password));
    memcpy(s->password, password, MIN(strlen(password), PASSWORD_BYTES));
    g_mutex_unlock(&s->lock);
    return true;
}

/* ---- life ---- */

/* Where the console page is, for the user to open. */
static void say_address(int fd, bool secret)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    char      host[NI_MAXHOST], port[NI_MAXSERV];

    if (!getsockname(fd, (struct sockaddr *)&a, &n) &&
        !getnameinfo((struct sockaddr *)&a, n, host, sizeof(host), port, sizeof(port),
                     NI_NUMERICHOST | NI_NUMERICSERV)) {
        bool any = !strcmp(host, "0.0.0.0") || !strcmp(host, "::"), six = strchr(host, ':') && !any;
        fprintf(stderr, "ryokan: console page: http%s://%s%s%s:%s/%s\n", secret ? "s" : "",
                six ? "[" : "", any ? "localhost" : host, six ? "]" : "", port,
                g_file_test(NOVNC_DIR "/vnc.html", G_FILE_TEST_EXISTS) ? " (noVNC: vnc.html there)"
                                                                       : "");
    }
}

static void rfb_setup(Vnc *s, bool password)
{
    rfbScreenInfoPtr r;

    rfbLogEnable(FALSE);
    vnc_ext_register();
    s->width = 640;
    s->height = 480;
    r = s->rfb = rfbGetScreen(NULL, NULL, s->width, s->height, 8, 3, 4);
    r->frameBuffer = g_malloc0((size_t)s->width * (size_t)s->height * 4);
    r->desktopName = s->machine->name ? s->machine->name : "Ryokan";
    r->screenData = s;
    r->port = r->ipv6port = r->httpPort = r->http6Port = 0;     /* connections are accepted here */
    r->autoPort = FALSE;
    r->alwaysShared = s->machine->options->vnc_opts.share == SHARE_IGNORE;
    r->dontDisconnect = s->machine->options->vnc_opts.share == SHARE_FORCE_SHARED;
    r->maxClientWait = STALL_MS;
    r->setXCutText = on_cut;
    r->setXCutTextUTF8 = on_cut_utf8;
    r->displayHook = before_update;
    if (s->machine->options->vnc_opts.power_control) {
        r->xvpHook = on_xvp;
    }
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
    vnc_wake(s);
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
    g_array_free(s->peers, TRUE);
    g_array_free(s->news, TRUE);
    g_free(s->cut_in);
    g_free(s->cut_out);
    paste_end(&s->paste);
    keymap_free(s->keys);
    for (unsigned i = 0; i < s->n_pending; i++) {
        close(s->pending[i].fd);
    }
    vnc_tls_wait(&s->tls);
    if (!__atomic_load_n(s->answers, __ATOMIC_SEQ_CST)) {
        /* else a browser's thread still counts there; the process ends */
        g_free(s->answers);
    }
    g_free(s->shadow);
    g_free(s->path);
    g_free(s);
}

static bool vnc_open(Machine *m, Console *con, Viewer **out, GError **err)
{
    const OptVnc *opts = &m->options->vnc_opts;
    const char   *address = m->options->vnc;
    bool          is_unix = g_str_has_prefix(address, "unix:"), reverse = opts->reverse;
    VncTls        tls = { 0 };
    Vnc          *s;
    int           fd;

    if ((opts->tls_creds && !vnc_tls_init(&tls, m, opts->tls_creds, opts->password, err)) ||
        (fd = vnc_listen(address, opts, err)) < 0) {
        return false;
    }
    s = g_new0(Vnc, 1);
    s->tls = tls;
    s->machine = m;
    s->viewer.ops = &vnc_viewer;
    s->listen_fd = reverse ? -1 : fd;
    if (reverse) {
        s->pending[0] = (Pending){ .fd = fd };
        vnc_peer_name(fd, &s->pending[s->n_pending++].peer);
    }
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->path = is_unix ? g_strdup(address + 5) : NULL;
    s->web = opts->websocket;
    s->answers = g_new0(unsigned, 1);
    s->expires_s = -1;
    g_mutex_init(&s->lock);
    g_cond_init(&s->fresh);
    pixman_region32_init(&s->damage);
    s->input = g_array_new(FALSE, FALSE, sizeof(Input));
    s->peers = g_array_new(FALSE, FALSE, sizeof(Peer));
    s->news = g_array_new(FALSE, FALSE, sizeof(News));
    s->keys = keymap_new(m->options->keyboard, NULL);
    s->leds = console_leds(m->console);
    rfb_setup(s, opts->password);
    s->timer = g_timeout_source_new(TICK_MS);
    g_source_set_callback(s->timer, tick, s, NULL);
    g_source_attach(s->timer, m->context);
    *out = &s->viewer;
    console_viewer(con, &s->viewer);
    console_invalidate(con);
    s->thread = g_thread_new("vnc", serve, s);
    if (s->web && !is_unix) {
        say_address(fd, s->tls.creds != NULL);
    }
    return true;
}

const ViewerOps vnc_viewer = {
    .name = "vnc", .desc = "server for VNC viewers",
    .open = vnc_open, .resized = vnc_resized, .damaged = vnc_damaged,
    .leds = vnc_leds, .set_password = vnc_set_password,
    .expire_password = vnc_expire_password, .about = vnc_about, .close = vnc_close,
};
#endif
