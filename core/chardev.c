/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.c -- byte streams between devices and the host: naming, buffering, and the mux with its escape keys.
 *
 * Spec: none; the spelling of back ends and the Ctrl-A keys are those in common use.
 * Omits: vc, telnet, udp, serial ports of the host, ring buffers.
 * Threads: chr_write and chr_accept from any thread with the machine lock; everything else in the main context, which
 *          takes the lock for the users' hooks and lets go of it while it writes to the host.
 */
#include "core/chardev_int.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ESCAPE       0x01             /* Ctrl-A */
#define WRITE_CHUNK  4096u            /* PIPE_BUF: a pipe that polls writable takes as much without blocking */
#define HUP_POLL_US  200000
#define FLUSH_MS     30000            /* at the end: as long as the reader may make no progress */
#define FLUSH_SOCKET_MS 1000          /* the same of a peer on a socket, who may have stopped reading for good */

struct ChrState {
    Machine   *machine;
    GPtrArray *all;
    bool       running;               /* chr_open_all() has been: new ones open at once */
};

typedef struct ChrSource {
    GSource  source;
    Chardev *chr;
} ChrSource;

static const ChrBackend *const backends[] = { &chr_null, &chr_stdio, &chr_file, &chr_pipe, &chr_pty, &chr_socket };

static const Field chr_fields[] = {
    CONFIG(ChrConfig, backend, .help = "Kind: null, stdio, file, pipe, pty or socket."),
    CONFIG(ChrConfig, id, .help = "Name for chardev=ID."),
    CONFIG(ChrConfig, path, .help = "File, FIFO or Unix socket."),
    CONFIG(ChrConfig, host, .help = "TCP: address to connect to or listen on."),
    CONFIG(ChrConfig, port, .help = "TCP: port."),
    CONFIG(ChrConfig, server, .help = "Socket: listen instead of connecting."),
    CONFIG(ChrConfig, wait, .def = 1, .help = "Socket server: wait for a client before the machine starts."),
    CONFIG(ChrConfig, append, .help = "File: add to it instead of emptying it."),
    CONFIG(ChrConfig, signal, .def = 1, .help = "stdio: Ctrl-C ends the emulator instead of going to the guest."),
    CONFIG(ChrConfig, mux, .help = "Several users share it; Ctrl-A c goes from one to the next."),
    CONFIG(ChrConfig, nodelay, .help = "TCP: send small packets at once."),
    FIELD_END
};

/* ---- the main context's side ---- */

static void pump(Chardev *c)
{
    if (c->source && !__atomic_exchange_n(&c->pumped, 1, __ATOMIC_SEQ_CST)) {
        g_source_set_ready_time(c->source, 0);
    }
}

static void tell(Chardev *c, int who, ChrEvent event)
{
    for (unsigned i = 0; i < c->n_users; i++) {
        if ((who < 0 || (unsigned)who == i) && c->slot[i].user.event) {
            c->slot[i].user.event(c->slot[i].user.dev, event);
        }
    }
}

static void watch(Chardev *c, gpointer *tag, GIOCondition *now, int fd, GIOCondition want)
{
    if (fd < 0 || *now == want) {
        return;
    }
    if (!*tag) {
        *tag = g_source_add_unix_fd(c->source, fd, want);
    } else {
        g_source_modify_unix_fd(c->source, *tag, want);
    }
    *now = want;
}

static void unwatch(Chardev *c, gpointer *tag, GIOCondition *now)
{
    if (*tag) {
        g_source_remove_unix_fd(c->source, *tag);
        *tag = NULL;
    }
    *now = 0;
}

static void out_text(Chardev *c, const char *s)
{
    g_byte_array_append(c->out, (const uint8_t *)s, (guint)strlen(s));
    pump(c);
}

static void mux_key(Chardev *c, uint8_t key)
{
    switch (key) {
    case 'x':
        out_text(c, "\r\nryokan: ended from the keyboard\r\n");
        machine_exit_request(c->machine, 0);
        break;
    case 'c':
        if (c->n_users > 1) {
            tell(c, (int)c->focus, CHR_FOCUS_OUT);
            c->focus = (c->focus + 1) % c->n_users;
            tell(c, (int)c->focus, CHR_FOCUS_IN);
        }
        break;
    case 'b':
        tell(c, (int)c->focus, CHR_BREAK);
        break;
    case 'a':
    case ESCAPE:
        g_byte_array_append(c->slot[c->focus].in, (const uint8_t[]){ ESCAPE }, 1);
        break;
    case 'h':
    case '?':
        out_text(c, "\r\nCtrl-A h  this help\r\nCtrl-A x  end the emulator\r\nCtrl-A c  console or monitor\r\n"
                    "Ctrl-A b  send a break\r\nCtrl-A a  send Ctrl-A\r\n");
        break;
    default:
        break;
    }
}

static void take_input(Chardev *c, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (c->cfg.mux && c->in_escape) {
            c->in_escape = false;
            mux_key(c, p[i]);
        } else if (c->cfg.mux && p[i] == ESCAPE) {
            c->in_escape = true;
        } else {
            g_byte_array_append(c->slot[c->focus].in, &p[i], 1);
        }
    }
}

static void deliver(Chardev *c)
{
    for (unsigned i = 0; i < c->n_users; i++) {
        ChrSlot *s = &c->slot[i];
        size_t   n;
        while (s->in->len && s->user.receive && (n = s->user.can_receive ? s->user.can_receive(s->user.dev) : s->in->len)) {
            n = MIN(n, s->in->len);
            s->user.receive(s->user.dev, s->in->data, n);
            g_byte_array_remove_range(s->in, 0, (guint)n);
        }
    }
}

static bool wants_input(const Chardev *c)
{
    return c->connected && !c->eof && !c->hup && c->in_fd >= 0 && c->n_users && c->slot[c->focus].in->len < CHR_IN_MAX;
}

void chr_disconnect(Chardev *c)
{
    if (!c->connected) {
        return;
    }
    c->connected = false;
    unwatch(c, &c->in_tag, &c->in_cond);
    unwatch(c, &c->out_tag, &c->out_cond);
    g_byte_array_set_size(c->out, 0);
    tell(c, -1, CHR_CLOSED);
    if (c->backend->lost) {
        c->backend->lost(c);
    }
}

/* stdin at its end is no reason to end the guest: it just says no more. */
static void read_host(Chardev *c)
{
    uint8_t buf[CHR_IN_MAX];
    size_t  room = CHR_IN_MAX - c->slot[c->focus].in->len;
    ssize_t n = read(c->in_fd, buf, MIN(room, sizeof(buf)));

    if (n > 0) {
        take_input(c, buf, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (c->backend->lost) {
            chr_disconnect(c);
        } else if (c->drop_when_hup) {
            c->hup = true;
            unwatch(c, &c->in_tag, &c->in_cond);
        } else {
            c->eof = true;
            unwatch(c, &c->in_tag, &c->in_cond);
        }
    }
}

static bool is_writable(int fd, int ms, bool *hup)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int           r = poll(&p, 1, ms);

    *hup = r > 0 && (p.revents & POLLHUP);
    return r > 0 && (p.revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL));
}

static bool is_hung_up(int fd)
{
    struct pollfd p = { .fd = fd };

    return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

/* One chunk to the host, without blocking.  Called with the machine lock, which it lets go while it writes. */
static bool write_host(Chardev *c)
{
    uint8_t buf[WRITE_CHUNK];
    size_t  n = MIN(c->out->len, sizeof(buf));
    ssize_t done = -1;
    bool    hup = false, ready;

    memcpy(buf, c->out->data, n);
    machine_unlock(c->machine);
    ready = is_writable(c->out_fd, 0, &hup);
    if (ready && !(hup && c->drop_when_hup)) {
        done = write(c->out_fd, buf, n);
    }
    machine_lock(c->machine);
    if (!ready || (done < 0 && (errno == EAGAIN || errno == EINTR))) {
        if (hup && c->drop_when_hup) {
            done = (ssize_t)n;
        } else {
            return false;
        }
    }
    if (done < 0) {                     /* nobody takes it: let it go */
        done = (ssize_t)n;
    }
    if (c->out->len) {
        g_byte_array_remove_range(c->out, 0, (guint)MIN((size_t)done, c->out->len));
    }
    return true;
}

static void write_all(Chardev *c)
{
    bool ready = true;

    for (int budget = 16; c->connected && c->out_fd >= 0 && c->out->len && ready && budget; budget--) {
        ready = write_host(c);
    }
    if (!c->connected || c->out_fd < 0) {
        g_byte_array_set_size(c->out, 0);
    }
    if (c->out->len && ready) {
        pump(c);
    }
    if (c->source && c->connected) {
        if (c->out->len && !ready) {
            watch(c, &c->out_tag, &c->out_cond, c->out_fd, G_IO_OUT);
        } else {
            unwatch(c, &c->out_tag, &c->out_cond);
        }
    }
    if (c->short_write && c->out->len < CHR_OUT_MAX / 2) {
        c->short_write = false;
        for (unsigned i = 0; i < c->n_users; i++) {
            if (c->slot[i].user.writable) {
                c->slot[i].user.writable(c->slot[i].user.dev);
            }
        }
    }
}

static gboolean chr_ready(GSource *source)
{
    const Chardev *c = ((ChrSource *)source)->chr;

    return (c->in_tag && g_source_query_unix_fd(source, c->in_tag)) ||
           (c->out_tag && g_source_query_unix_fd(source, c->out_tag)) ||
           (c->listen_tag && g_source_query_unix_fd(source, c->listen_tag));
}

static gboolean chr_dispatch(GSource *source, GSourceFunc f, gpointer data)
{
    Chardev *c = ((ChrSource *)source)->chr;

    (void)f;
    (void)data;
    machine_lock(c->machine);
    g_source_set_ready_time(source, -1);
    __atomic_store_n(&c->pumped, 0, __ATOMIC_SEQ_CST);
    if (c->listen_tag && g_source_query_unix_fd(source, c->listen_tag)) {
        chr_accept_client(c);
    }
    if (c->in_tag && g_source_query_unix_fd(source, c->in_tag) && wants_input(c)) {
        read_host(c);
    }
    if (c->hup) {
        c->hup = is_hung_up(c->in_fd);
        g_source_set_ready_time(source, c->hup ? g_get_monotonic_time() + HUP_POLL_US : 0);
    }
    deliver(c);
    write_all(c);
    if (c->connected && c->in_fd >= 0 && !c->eof) {
        if (wants_input(c)) {
            watch(c, &c->in_tag, &c->in_cond, c->in_fd, G_IO_IN);
        } else {
            unwatch(c, &c->in_tag, &c->in_cond);
        }
    }
    machine_unlock(c->machine);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs chr_funcs = { .check = chr_ready, .dispatch = chr_dispatch };

/* ---- for back ends ---- */

void chr_set_fds(Chardev *c, int in_fd, int out_fd)
{
    c->in_fd = in_fd;
    c->out_fd = out_fd;
    c->connected = true;
    c->eof = in_fd < 0;
    tell(c, -1, CHR_OPENED);
    pump(c);
}

void chr_listen(Chardev *c, int fd)
{
    c->listen_fd = fd;
    if (!c->listen_tag) {
        c->listen_tag = g_source_add_unix_fd(c->source, fd, G_IO_IN);
    }
}

/* ---- users ---- */

void chr_attach(Chardev *c, const ChrUser *user)
{
    ChrSlot *s;

    g_assert(c->n_users < CHR_MAX_USERS);
    s = &c->slot[c->n_users++];
    s->user = *user;
    s->in = g_byte_array_new();
    if (c->connected && user->event) {
        user->event(user->dev, CHR_OPENED);
    }
    pump(c);
}

size_t chr_write(Chardev *c, const void *buf, size_t n)
{
    size_t room = CHR_OUT_MAX > c->out->len ? CHR_OUT_MAX - c->out->len : 0;

    if (c->opened && !c->connected) {
        return n;                       /* nobody listens */
    }
    if (n > room) {
        n = room;
        c->short_write = true;
    }
    g_byte_array_append(c->out, buf, (guint)n);
    pump(c);
    return n;
}

void chr_accept(Chardev *c)
{
    bool waiting = !c->in_tag;

    for (unsigned i = 0; i < c->n_users; i++) {
        waiting |= c->slot[i].in->len != 0;
    }
    if (waiting && !(c->eof && !c->in_tag && !c->slot[c->focus].in->len)) {
        pump(c);
    }
}

bool chr_is_mux(const Chardev *c)
{
    return c->cfg.mux;
}

void chr_flush(Chardev *c)
{
    struct stat st;
    int         patience = c->out_fd >= 0 && !fstat(c->out_fd, &st) && S_ISSOCK(st.st_mode) ? FLUSH_SOCKET_MS : FLUSH_MS;

    while (c->connected && c->out_fd >= 0 && c->out->len) {
        size_t  n = MIN(c->out->len, WRITE_CHUNK);
        bool    hup;
        ssize_t done;
        if (!is_writable(c->out_fd, patience, &hup) || (hup && c->drop_when_hup)) {
            break;
        }
        done = write(c->out_fd, c->out->data, n);
        if (done < 0 && errno != EAGAIN && errno != EINTR) {
            break;
        }
        g_byte_array_remove_range(c->out, 0, (guint)MAX(done, 0));
    }
}

/* ---- making and naming ---- */

static const ChrBackend *find_backend(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++) {
        if (!strcmp(backends[i]->name, name)) {
            return backends[i];
        }
    }
    return NULL;
}

/* "tcp:HOST:PORT,more" to host, port and the rest. */
static bool parse_tcp(ChrConfig *cfg, const char *text, GError **err)
{
    const char *end = strchr(text, ','), *colon;
    char       *addr = end ? g_strndup(text, (gsize)(end - text)) : g_strdup(text);
    bool        ok = true;

    colon = strrchr(addr, ':');
    if (!colon || !colon[1]) {
        ok = fail(err, "tcp:%s: a TCP socket is written tcp:HOST:PORT", text);
    } else {
        g_free(cfg->host);
        g_free(cfg->port);
        cfg->host = g_strndup(addr, (gsize)(colon - addr));
        cfg->port = g_strdup(colon + 1);
        ok = !end || fields_parse_text(chr_fields + 1, cfg, end + 1, err);
    }
    g_free(addr);
    return ok;
}

static bool parse_path(ChrConfig *cfg, const char *text, GError **err)
{
    const char *end = strchr(text, ',');

    g_free(cfg->path);
    cfg->path = end ? g_strndup(text, (gsize)(end - text)) : g_strdup(text);
    return !end || fields_parse_text(chr_fields + 1, cfg, end + 1, err);
}

static bool parse_spec(ChrConfig *cfg, const char *spec, GError **err)
{
    size_t n = strcspn(spec, ":,");
    bool   ok = true;

    cfg->wait = cfg->signal = true;
    if (g_str_has_prefix(spec, "mon:")) {
        ok = parse_spec(cfg, spec + 4, err);
        cfg->mux = true;
        cfg->signal = false;
        return ok;
    }
    if (spec[n] != ':') {
        return fields_parse_text(chr_fields, cfg, spec, err);
    }
    if (!strncmp(spec, "tcp:", 4)) {
        cfg->backend = g_strdup("socket");
        return parse_tcp(cfg, spec + 4, err);
    }
    if (!strncmp(spec, "unix:", 5)) {
        cfg->backend = g_strdup("socket");
        return parse_path(cfg, spec + 5, err);
    }
    if (!strncmp(spec, "file:", 5) || !strncmp(spec, "pipe:", 5)) {
        cfg->backend = g_strndup(spec, 4);
        g_free(cfg->path);
        cfg->path = g_strdup(spec + 5);
        return true;
    }
    return fail(err, "\"%s\": no such character device; there are null, stdio, file:, pipe:, pty, unix: and tcp:", spec);
}

static bool is_stdio_taken(Machine *m)
{
    for (unsigned i = 0; i < m->chardevs->all->len; i++) {
        if (((Chardev *)m->chardevs->all->pdata[i])->backend == &chr_stdio) {
            return true;
        }
    }
    return false;
}

static bool check(Machine *m, const ChrConfig *cfg, GError **err)
{
    const ChrBackend *b = cfg->backend ? find_backend(cfg->backend) : NULL;

    if (!b) {
        return fail(err, "\"%s\": no such character device; there are null, stdio, file, pipe, pty and socket",
                    cfg->backend ? cfg->backend : "");
    }
    if (cfg->id && chr_find(m, cfg->id)) {
        return fail(err, "character device id \"%s\" is taken; give each its own", cfg->id);
    }
    if (b == &chr_stdio && is_stdio_taken(m)) {
        return fail(err, "standard input and output are in use already; only one device can have stdio (mon:stdio shares it"
                    " with the monitor)");
    }
    return !b->check || b->check(cfg, err);
}

static bool chr_open(Chardev *c, GError **err)
{
    c->opened = true;
    c->source = g_source_new(&chr_funcs, sizeof(ChrSource));
    ((ChrSource *)c->source)->chr = c;
    g_source_attach(c->source, c->machine->context);
    if (!c->backend->open(c, err)) {
        return false;
    }
    if (!c->connected && c->out_fd < 0) {
        g_byte_array_set_size(c->out, 0);
    }
    pump(c);
    return true;
}

Chardev *chr_new(Machine *m, const char *spec, const char *id, GError **err)
{
    ChrConfig cfg = { .wait = true, .signal = true };
    Chardev  *c;

    if (g_str_has_prefix(spec, "chardev:")) {
        c = chr_find(m, spec + 8);
        if (!c) {
            fail(err, "chardev:%s: there is no -chardev with this id", spec + 8);
        }
        return c;
    }
    if (!parse_spec(&cfg, spec, err)) {
        fields_clear(chr_fields, &cfg);
        return NULL;
    }
    if (id) {
        g_free(cfg.id);
        cfg.id = g_strdup(id);
    }
    if (!check(m, &cfg, err)) {
        fields_clear(chr_fields, &cfg);
        return NULL;
    }
    c = g_new0(Chardev, 1);
    c->machine = m;
    c->cfg = cfg;
    c->backend = find_backend(cfg.backend);
    c->in_fd = c->out_fd = c->listen_fd = -1;
    c->out = g_byte_array_new();
    g_ptr_array_add(m->chardevs->all, c);
    if (m->chardevs->running && !chr_open(c, err)) {
        return NULL;
    }
    return c;
}

Chardev *chr_find(Machine *m, const char *id)
{
    for (unsigned i = 0; i < m->chardevs->all->len; i++) {
        Chardev *c = m->chardevs->all->pdata[i];
        if (c->cfg.id && !strcmp(c->cfg.id, id)) {
            return c;
        }
    }
    return NULL;
}

bool chr_open_all(Machine *m, GError **err)
{
    m->chardevs->running = true;
    for (unsigned i = 0; i < m->chardevs->all->len; i++) {
        Chardev *c = m->chardevs->all->pdata[i];
        if (!c->opened && !chr_open(c, err)) {
            return false;
        }
    }
    return true;
}

static void *find_link(Machine *m, const char *id)
{
    return chr_find(m, id);
}

struct ChrState *chr_state_new(Machine *m)
{
    struct ChrState *s = g_new0(struct ChrState, 1);

    s->machine = m;
    s->all = g_ptr_array_new();
    device_link_kind(m, "chardev", find_link);
    return s;
}

static void chr_free(Chardev *c)
{
    chr_flush(c);
    if (c->backend->close && c->opened) {
        c->backend->close(c);
    }
    if (c->source) {
        g_source_destroy(c->source);
        g_source_unref(c->source);
    }
    for (unsigned i = 0; i < c->n_users; i++) {
        g_byte_array_free(c->slot[i].in, TRUE);
    }
    g_byte_array_free(c->out, TRUE);
    fields_clear(chr_fields, &c->cfg);
    g_free(c);
}

void chr_state_free(struct ChrState *s)
{
    for (unsigned i = 0; i < s->all->len; i++) {
        chr_free(s->all->pdata[i]);
    }
    g_ptr_array_free(s->all, TRUE);
    g_free(s);
}

bool chr_has_id(const Chardev *c)
{
    return c->cfg.id != NULL;
}

unsigned chr_count(Machine *m)
{
    return m->chardevs->all->len;
}

Chardev *chr_at(Machine *m, unsigned i)
{
    return m->chardevs->all->pdata[i];
}

const char *chr_kind(const Chardev *c)
{
    return c->backend->name;
}

const char *chr_label(const Chardev *c)
{
    return c->cfg.id ? c->cfg.id : c->backend->name;
}

bool chr_has_user(const Chardev *c)
{
    return c->n_users != 0;
}

const char *chr_backend_name(unsigned i)
{
    return i < G_N_ELEMENTS(backends) ? backends[i]->name : NULL;
}

char *chr_describe(const Chardev *c)
{
    const ChrConfig *cfg = &c->cfg;

    if (c->backend == &chr_socket) {
        const char *more = cfg->server ? ",server=on" : "";
        return cfg->path ? g_strdup_printf("%sunix:%s%s", c->connected ? "" : "disconnected:", cfg->path, more)
                         : g_strdup_printf("%stcp:%s:%s%s", c->connected ? "" : "disconnected:", cfg->host ? cfg->host : "", cfg->port, more);
    }
    return cfg->path ? g_strdup_printf("%s:%s", c->backend->name, cfg->path) : g_strdup(c->backend->name);
}
