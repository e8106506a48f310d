/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.c -- byte streams between devices and the host: buffering, polling, and the mux with its
 * escape keys.
 *
 * Spec: none; the Ctrl-A keys are those in common use.
 * Omits: nothing.
 * Threads: chr_write and chr_accept from any thread with the machine lock; everything else in the
 *          main context, which takes the lock for the users' hooks and lets go of it while it
 *          writes to the host.
 */
#include "core/chardev/backend.h"
#include "core/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ESCAPE       0x01             /* Ctrl-A */
#define HUP_POLL_US  200000
#define FLUSH_MS     30000            /* at the end: as long as the reader may make no progress */
/* the same of a peer on a socket, who may have stopped reading for good */
#define FLUSH_SOCKET_MS 1000
/* bytes for logfile= that are kept before they are written at once */
#define LOG_MAX      (64u << 10)

typedef struct ChrSource {
    GSource  source;
    Chardev *chr;
} ChrSource;

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
            trace_chr_event(c->cfg.id, event);
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
    if (c->backend->take) {
        c->backend->take(c, s, strlen(s));
        return;
    }
    g_byte_array_append(c->out, (const uint8_t *)s, (guint)strlen(s));
    pump(c);
}

void chr_break(Chardev *c)
{
    tell(c, c->cfg.mux ? (int)c->focus : -1, CHR_BREAK);
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
        chr_break(c);
        break;
    case 'a':
    case ESCAPE:
        g_byte_array_append(c->slot[c->focus].in, (const uint8_t[]){ ESCAPE }, 1);
        break;
    case 'h':
    case '?':
        out_text(c, "\r\nCtrl-A h  this help\r\nCtrl-A x  end the emulator\r\nCtrl-A c  console or "
                    "monitor\r\n"
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
        size_t n;
        /* looked up anew each time: a user may attach or go within */
        while (i < c->n_users && c->slot[i].in->len && c->slot[i].user.receive &&
               (n = c->slot[i].user.can_receive ? c->slot[i].user.can_receive(c->slot[i].user.dev)
                                                : c->slot[i].in->len)) {
            uint8_t buf[CHR_IN_MAX];
            n = MIN(MIN(n, c->slot[i].in->len), sizeof(buf));
            memcpy(buf, c->slot[i].in->data, n);
            g_byte_array_remove_range(c->slot[i].in, 0, (guint)n);
            c->slot[i].user.receive(c->slot[i].user.dev, buf, n);
        }
    }
}

size_t chr_input_room(const Chardev *c)
{
    size_t len = c->n_users ? c->slot[c->focus].in->len : CHR_IN_MAX;

    return len < CHR_IN_MAX ? CHR_IN_MAX - len : 0;
}

void chr_input(Chardev *c, const void *buf, size_t n)
{
    trace_chr_input(c->cfg.id, n);
    if (c->connected) {
        take_input(c, buf, MIN(n, chr_input_room(c)));
        pump(c);
    }
}

static bool wants_input(const Chardev *c)
{
    return c->connected && !c->eof && !c->hup && c->in_fd >= 0 && chr_input_room(c);
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
    while (c->n_fds) {
        close(c->fds[--c->n_fds]);
    }
}

/* stdin at its end is no reason to end the guest: it just says no more. */
static void read_host(Chardev *c)
{
    uint8_t buf[CHR_IN_MAX];
    size_t  room = chr_input_room(c);
    ssize_t n = c->backend->read ? c->backend->read(c, buf, room) : read(c->in_fd, buf, room);

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
    if (c->connected && c->backend->unread && c->backend->unread(c)) {
        pump(c);
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

static bool has_output(const Chardev *c)
{
    return c->out->len || (c->connected && c->backend->unsent && c->backend->unsent((Chardev *)c));
}

static ssize_t write_some(Chardev *c, const void *buf, size_t n)
{
    return c->backend->write ? c->backend->write(c, buf, n) : write(c->out_fd, buf, n);
}

/*
 * One chunk to the host, without blocking.  Called with the machine lock, which it lets go while it
 * writes.
 */
static bool write_host(Chardev *c)
{
    uint8_t buf[CHR_CHUNK];
    size_t  n = MIN(c->out->len, sizeof(buf));
    ssize_t done = -1;
    bool    hup = false, ready;

    memcpy(buf, c->out->data, n);
    machine_unlock(c->machine);
    errno = EAGAIN;
    ready = is_writable(c->out_fd, 0, &hup);
    if (ready && !(hup && c->drop_when_hup)) {
        done = write_some(c, buf, n);
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

void chr_room(Chardev *c)
{
    if (!c->short_write) {
        return;
    }
    c->short_write = false;
    for (unsigned i = 0; i < c->n_users; i++) {
        if (c->slot[i].user.writable) {
            c->slot[i].user.writable(c->slot[i].user.dev);
        }
    }
}

static void write_all(Chardev *c)
{
    bool ready = true;

    for (int budget = 16; c->connected && c->out_fd >= 0 && has_output(c) && ready && budget;
         budget--) {
        ready = write_host(c);
    }
    if (!c->connected || c->out_fd < 0) {
        g_byte_array_set_size(c->out, 0);
    }
    if (has_output(c) && ready) {
        pump(c);
    }
    if (c->source && c->connected) {
        if (has_output(c) && !ready) {
            watch(c, &c->out_tag, &c->out_cond, c->out_fd, G_IO_OUT);
        } else {
            unwatch(c, &c->out_tag, &c->out_cond);
        }
    }
    if (c->out->len < CHR_OUT_MAX / 2 && !c->backend->take) {
        chr_room(c);
    }
}

/* logfile=: a copy of the output. */
static void write_log(Chardev *c)
{
    for (size_t at = 0; c->log && at < c->log->len;) {
        ssize_t n = write(c->log_fd, c->log->data + at, c->log->len - at);
        if (n <= 0 && errno != EINTR) {
            break;                      /* a full disk takes no more of it */
        }
        at += n > 0 ? (size_t)n : 0;
    }
    if (c->log) {
        g_byte_array_set_size(c->log, 0);
    }
}

static bool asked(GSource *source, gpointer tag)
{
    return tag && g_source_query_unix_fd(source, tag);
}

static gboolean chr_ready(GSource *source)
{
    const Chardev *c = ((ChrSource *)source)->chr;

    return asked(source, c->in_tag) || asked(source, c->out_tag) || asked(source, c->aux_tag);
}

static gboolean chr_dispatch(GSource *source, GSourceFunc f, gpointer data)
{
    Chardev *c = ((ChrSource *)source)->chr;
    Machine *m = c->machine;

    (void)f;
    (void)data;
    machine_lock(m);
    g_source_set_ready_time(source, -1);
    __atomic_store_n(&c->pumped, 0, __ATOMIC_SEQ_CST);
    if (asked(source, c->aux_tag)) {
        c->backend->ready(c);
    }
    if (wants_input(c) &&
        (asked(source, c->in_tag) || (c->backend->unread && c->backend->unread(c)))) {
        read_host(c);
    }
    if (c->hup) {
        c->hup = is_hung_up(c->in_fd);
        g_source_set_ready_time(source, c->hup ? g_get_monotonic_time() + HUP_POLL_US : 0);
    }
    deliver(c);
    if (g_source_is_destroyed(source)) {        /* what it received has changed the back end */
        machine_unlock(m);
        return G_SOURCE_REMOVE;
    }
    write_all(c);
    write_log(c);
    if (c->connected && c->in_fd >= 0 && !c->eof) {
        if (wants_input(c)) {
            watch(c, &c->in_tag, &c->in_cond, c->in_fd, G_IO_IN);
        } else {
            unwatch(c, &c->in_tag, &c->in_cond);
        }
    }
    machine_unlock(m);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs chr_funcs = { .check = chr_ready, .dispatch = chr_dispatch };

/* ---- for back ends ---- */

void chr_connected(Chardev *c)
{
    c->connected = true;
    tell(c, -1, CHR_OPENED);
    pump(c);
}

void chr_set_fds(Chardev *c, int in_fd, int out_fd)
{
    c->in_fd = in_fd;
    c->out_fd = out_fd;
    c->eof = in_fd < 0;
    chr_connected(c);
}

void chr_watch(Chardev *c, int fd, GIOCondition want)
{
    if (c->aux_tag && c->aux_fd != fd) {
        unwatch(c, &c->aux_tag, &c->aux_cond);
    }
    c->aux_fd = fd;
    watch(c, &c->aux_tag, &c->aux_cond, fd, want);
}

bool chr_needs_path(Machine *m, const ChrConfig *cfg, GError **err)
{
    (void)m;
    return cfg->path || fail(err, "-chardev %s: path= is missing", cfg->backend);
}

void chr_close_fds(Chardev *c)
{
    if (c->in_fd >= 0) {
        close(c->in_fd);
    }
    if (c->out_fd >= 0 && c->out_fd != c->in_fd) {
        close(c->out_fd);
    }
    c->in_fd = c->out_fd = -1;
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

void chr_detach(Chardev *c, const void *dev)
{
    for (unsigned i = 0; i < c->n_users; i++) {
        if (c->slot[i].user.dev == dev) {
            g_byte_array_free(c->slot[i].in, TRUE);
            memmove(&c->slot[i], &c->slot[i + 1], (c->n_users - i - 1) * sizeof(c->slot[0]));
            c->n_users--;
            c->focus = c->focus > i ? c->focus - 1 : c->focus < c->n_users ? c->focus : 0;
            return;
        }
    }
}

static void log_output(Chardev *c, const void *buf, size_t n)
{
    g_byte_array_append(c->log, buf, (guint)n);
    if (c->log->len > LOG_MAX) {
        write_log(c);
    } else {
        pump(c);
    }
}

size_t chr_write(Chardev *c, const void *buf, size_t n)
{
    size_t room = CHR_OUT_MAX > c->out->len ? CHR_OUT_MAX - c->out->len : 0;

    trace_chr_write(c->cfg.id, n);
    if (!c->opened || (c->connected && !c->backend->take)) {
        if (n > room) {
            n = room;
            c->short_write = true;
        }
        g_byte_array_append(c->out, buf, (guint)n);
        pump(c);
    } else if (c->connected) {
        size_t taken = c->backend->take(c, buf, n);
        c->short_write |= taken < n;
        n = taken;
    }                                   /* else nobody listens */
    if (c->log) {
        log_output(c, buf, n);
    }
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

int chr_take_fd(Chardev *c)
{
    int fd = c->n_fds ? c->fds[0] : -1;

    if (c->n_fds) {
        memmove(c->fds, c->fds + 1, --c->n_fds * sizeof(c->fds[0]));
    }
    return fd;
}

void chr_flush(Chardev *c)
{
    struct stat st;
    int patience = c->out_fd >= 0 && !fstat(c->out_fd, &st) && S_ISSOCK(st.st_mode)
                       ? FLUSH_SOCKET_MS
                       : FLUSH_MS;

    while (c->connected && c->out_fd >= 0 && has_output(c)) {
        size_t  n = MIN(c->out->len, CHR_CHUNK);
        bool    hup;
        ssize_t done;
        if (!is_writable(c->out_fd, patience, &hup) || (hup && c->drop_when_hup)) {
            break;
        }
        done = write_some(c, c->out->data, n);
        if (done < 0 && errno != EAGAIN && errno != EINTR) {
            break;
        }
        g_byte_array_remove_range(c->out, 0, (guint)MAX(done, 0));
    }
    write_log(c);
}

/* ---- life ---- */

static bool open_log(Chardev *c, GError **err)
{
    c->log_fd =
        open(c->cfg.logfile,
             O_WRONLY | O_CREAT | O_CLOEXEC | (c->cfg.logappend ? O_APPEND : O_TRUNC), 0666);
    if (c->log_fd < 0) {
        return fail(err, "logfile=%s: cannot write it: %s", c->cfg.logfile, g_strerror(errno));
    }
    c->log = g_byte_array_new();
    return true;
}

bool chr_start(Chardev *c, GError **err)
{
    c->opened = true;
    c->source = g_source_new(&chr_funcs, sizeof(ChrSource));
    ((ChrSource *)c->source)->chr = c;
    g_source_attach(c->source, c->machine->context);
    if ((c->cfg.logfile && !open_log(c, err)) || !c->backend->open(c, err)) {
        return false;
    }
    if (!c->connected && c->out_fd < 0) {
        g_byte_array_set_size(c->out, 0);
    } else if (c->backend->take && c->out->len) {
        c->backend->take(c, c->out->data, c->out->len);
        g_byte_array_set_size(c->out, 0);
    }
    pump(c);
    return true;
}

void chr_hang_up(Chardev *c)
{
    if (c->connected) {
        tell(c, -1, CHR_CLOSED);
    }
}

void chr_stop(Chardev *c)
{
    chr_flush(c);
    c->connected = false;
    if (c->backend->close && c->opened) {
        c->backend->close(c);
    }
    c->in_fd = c->out_fd = c->aux_fd = -1;
    c->in_tag = c->out_tag = c->aux_tag = NULL;
    c->in_cond = c->out_cond = c->aux_cond = 0;
    c->opened = c->eof = c->hup = c->drop_when_hup = false;
    c->pumped = 0;
    if (c->source) {
        g_source_destroy(c->source);
        g_clear_pointer(&c->source, g_source_unref);
    }
    if (c->log) {
        close(c->log_fd);
        g_byte_array_free(g_steal_pointer(&c->log), TRUE);
    }
    while (c->n_fds) {
        close(c->fds[--c->n_fds]);
    }
    g_byte_array_set_size(c->out, 0);
}

void chr_free(Chardev *c)
{
    chr_stop(c);
    for (unsigned i = 0; i < c->n_users; i++) {
        g_byte_array_free(c->slot[i].in, TRUE);
    }
    g_byte_array_free(c->out, TRUE);
    fields_clear(chr_fields, &c->cfg);
    g_free(c);
}
