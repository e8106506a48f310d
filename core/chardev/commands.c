/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commands.c -- chardev-add and its neighbours: character devices that come, change and go while
 * the machine runs.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "char": its back ends have the same
 *   members as -chardev, in objects.
 * Omits: back ends that names.c does not have.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/chardev/ringbuf.h"

#define STRUCT(S, m, E, tab, ...) \
    FIELD_AS_(S, m, T_STRUCT, F_CONFIG, 1, .stride = sizeof(E), .aux = tab, __VA_ARGS__)

static const char *const addr_types[] = { "-", "inet", "unix", "fd", NULL };
enum { ADDR_NONE, ADDR_INET, ADDR_UNIX, ADDR_FD };
static const Field addr_data[] = {
    CONFIG(AddrData, host, .help = "inet: host."), CONFIG(AddrData, port, .help = "inet: port."),
    CONFIG(AddrData, to, .max = 65535, .help = "inet: the last port to try."),
    CONFIG(AddrData, ipv4, .help = "inet: IPv4 alone."),
    CONFIG(AddrData, ipv6, .help = "inet: IPv6 alone."),
    CONFIG(AddrData, path, .help = "unix: path."),
    CONFIG(AddrData, abstract, .help = "unix: Linux's abstract namespace."),
    CONFIG(AddrData, tight, .def = 1, .help = "unix: no zeros behind the name."),
    CONFIG(AddrData, str, .help = "fd: the name that getfd gave it."),
    FIELD_END
};
static const Field addr_fields[] = {
    CONFIG_ENUM(Addr, type, addr_types, .help = "Kind of address."),
    STRUCT(Addr, data, AddrData, addr_data, .help = "The address."),
    FIELD_END
};
static const Field data_fields[] = {
    CONFIG(Data, logfile, .help = "A copy of the output goes there."),
    CONFIG(Data, logappend, .help = "It is added to."),
    STRUCT(Data, addr, Addr, addr_fields, .help = "socket: where."),
    CONFIG(Data, server, .def = 1, .help = "socket: listen."),
    CONFIG(Data, wait, .help = "socket: wait for a client."),
    CONFIG(Data, nodelay, .help = "socket: send small packets at once."),
    CONFIG(Data, telnet, .help = "socket: telnet."),
    CONFIG(Data, websocket, .help = "socket: WebSocket."),
    CONFIG(Data, reconnect, .max = 86400, .help = "socket client: seconds until another try."),
    CONFIG_AS(Data, tls_creds, "tls-creds", .help = "socket: TLS."),
    CONFIG_AS(Data, tls_authz, "tls-authz", .help = "Not there."),
    STRUCT(Data, remote, Addr, addr_fields, .help = "udp: the peer."),
    STRUCT(Data, local, Addr, addr_fields, .help = "udp: this end."),
    CONFIG(Data, in, .help = "file: input."), CONFIG(Data, out, .help = "file: output."),
    CONFIG(Data, append, .help = "file: it is added to."),
    CONFIG(Data, device, .help = "pipe: the path."),
    CONFIG(Data, chardev, .help = "mux: what is shared."),
    CONFIG(Data, size, .def = 65536, .help = "ringbuf: bytes."),
    CONFIG(Data, signal, .def = 1, .help = "stdio: Ctrl-C ends the emulator."),
    CONFIG(Data, width, .help = "vc: pixels."), CONFIG(Data, height, .help = "vc: pixels."),
    CONFIG(Data, cols, .help = "vc: characters."), CONFIG(Data, rows, .help = "vc: lines."),
    FIELD_END
};
static const Field backend_fields[] = {
    FIELD_(Backend, type, F_CONFIG | F_REQUIRED, 1, .help = "Kind."),
    STRUCT(Backend, data, Data, data_fields, .help = "What it takes."),
    FIELD_END
};
const Field chardev_add_args[] = {
    FIELD_(ChardevAddArgs, id, F_CONFIG | F_REQUIRED, 1, .help = "Its name."),
    FIELD_AS_(ChardevAddArgs, backend, T_STRUCT, F_CONFIG | F_REQUIRED, 1,
              .stride = sizeof(Backend), .aux = backend_fields, .help = "What it is."),
    FIELD_END
};

static void take_addr(ChrConfig *cfg, Addr *a)
{
    AddrData *d = &a->data;

    switch (a->type) {
    case ADDR_INET:
        cfg->host = g_steal_pointer(&d->host);
        cfg->port = g_steal_pointer(&d->port);
        cfg->to = d->to;
        cfg->ipv4 = d->ipv4;
        cfg->ipv6 = d->ipv6;
        break;
    case ADDR_UNIX:
        cfg->path = g_steal_pointer(&d->path);
        cfg->abstract = d->abstract;
        cfg->tight = d->tight;
        break;
    case ADDR_FD:
        cfg->fd = g_steal_pointer(&d->str);
        break;
    default:
        break;
    }
}

static bool take_socket(ChrConfig *cfg, Data *d, GError **err)
{
    take_addr(cfg, &d->addr);
    cfg->server = d->server;
    cfg->wait = d->server ? d->wait : true;
    cfg->nodelay = d->nodelay;
    cfg->telnet = d->telnet;
    cfg->websocket = d->websocket;
    cfg->reconnect = d->reconnect;
    cfg->tls_creds = g_steal_pointer(&d->tls_creds);
    cfg->tls_authz = g_steal_pointer(&d->tls_authz);
    return d->addr.type != ADDR_NONE || fail(err, "Parameter 'backend.data.addr' is missing");
}

static bool take_udp(ChrConfig *cfg, Data *d, GError **err)
{
    if (d->remote.type != ADDR_INET || d->local.type > ADDR_INET) {
        return fail(err, "chardev-add udp: remote, and local if it is there, are of type inet");
    }
    take_addr(cfg, &d->remote);
    cfg->localaddr = g_steal_pointer(&d->local.data.host);
    cfg->localport = g_steal_pointer(&d->local.data.port);
    return true;
}

/*
 * chardev-add's objects as -chardev has them; other members than the type's are left, and so
 * refused.
 */
static bool configure(ChrConfig *cfg, Backend *b, GError **err)
{
    Data *d = &b->data;

    fields_defaults(chr_fields, cfg);
    cfg->backend = g_steal_pointer(&b->type);
    cfg->logfile = g_steal_pointer(&d->logfile);
    cfg->logappend = d->logappend;
    if (!strcmp(cfg->backend, "socket")) {
        return take_socket(cfg, d, err);
    }
    if (!strcmp(cfg->backend, "udp")) {
        return take_udp(cfg, d, err);
    }
    cfg->path = d->out ? g_steal_pointer(&d->out) : g_steal_pointer(&d->device);
    cfg->input_path = g_steal_pointer(&d->in);
    cfg->append = d->append;
    cfg->chardev = g_steal_pointer(&d->chardev);
    cfg->size = d->size;
    cfg->signal = d->signal;
    cfg->width = d->width;
    cfg->height = d->height;
    cfg->cols = d->cols;
    cfg->rows = d->rows;
    return true;
}

static void say_pty(const Chardev *c, Reply *reply)
{
    g_autofree char *where = chr_describe(c);

    if (g_str_has_prefix(where, "pty:")) {
        say(reply, "pty", where + 4);
    }
}

bool cmd_chardev_add(Machine *m, void *args, Reply *reply, GError **err)
{
    ChardevAddArgs  *a = args;
    ChrConfig cfg = { 0 };
    Chardev  *c;

    if (!configure(&cfg, &a->backend, err)) {
        fields_clear(chr_fields, &cfg);
        return false;
    }
    if (chr_find(m, a->id)) {
        fields_clear(chr_fields, &cfg);
        return fail(err, "Chardev with id '%.200s' already exists", a->id);
    }
    cfg.id = g_strdup(a->id);
    c = chr_make(m, &cfg, err);
    if (c) {
        say_pty(c, reply);
    }
    return c != NULL;
}

/* Another back end for the same users.  If it cannot be had the old one comes back. */
static bool change(Machine *m, const char *id, ChrConfig *cfg, Reply *reply, GError **err)
{
    Chardev  *c = chr_find(m, id);
    ChrConfig old;

    g_free(cfg->id);
    cfg->id = g_strdup(id);
    if (!c || c->cfg.mux || cfg->mux || !chr_check(m, cfg, c, err)) {
        fields_clear(chr_fields, cfg);
        return !c     ? fail(err, "Chardev '%.200s' does not exist", id)
               : *err ? false
                      : fail(err, "Mux device hotswap not supported yet");
    }
    chr_hang_up(c);
    chr_stop(c);
    old = c->cfg;
    c->cfg = *cfg;
    c->backend = chr_backend_find(cfg->backend);
    if (chr_start(c, err)) {
        fields_clear(chr_fields, &old);
        say_pty(c, reply);
        return true;
    }
    chr_stop(c);
    fields_clear(chr_fields, &c->cfg);
    c->cfg = old;
    c->backend = chr_backend_find(old.backend);
    chr_start(c, NULL);
    return false;
}

bool cmd_chardev_change(Machine *m, void *args, Reply *reply, GError **err)
{
    ChardevAddArgs  *a = args;
    ChrConfig cfg = { 0 };

    if (!configure(&cfg, &a->backend, err)) {
        fields_clear(chr_fields, &cfg);
        return false;
    }
    return change(m, a->id, &cfg, reply, err);
}

bool cmd_chardev_remove(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *id = ((IdArgs *)args)->id;
    Chardev    *c = chr_find(m, id);

    if (!c) {
        return fail(err, "Chardev '%.200s' not found", id);
    }
    if (c->n_users || chr_is_wanted(m, c)) {
        return fail(err, "Chardev '%.200s' is busy", id);
    }
    chr_list_remove(m, c);
    chr_free(c);
    return true;
}

bool cmd_chardev_send_break(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *id = ((IdArgs *)args)->id;
    Chardev    *c = chr_find(m, id);

    if (!c) {
        return fail(err, "Chardev '%.200s' not found", id);
    }
    chr_break(c);
    return true;
}

/* ---- at the prompt ---- */

bool cmd_chardev_add_text(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *text = ((TextArg *)args)->text;
    Chardev    *c = NULL;
    ChrConfig   cfg = { 0 };

    if (!text || !chr_parse(&cfg, text, err)) {
        fields_clear(chr_fields, &cfg);
        return *err ? false : fail(err, "chardev-add: say which: BACKEND,id=ID,...");
    }
    if (!cfg.id) {
        fields_clear(chr_fields, &cfg);
        return fail(err, "chardev-add: id= is missing");
    }
    c = chr_make(m, &cfg, err);
    if (c) {
        say_pty(c, reply);
    }
    return c != NULL;
}

bool cmd_chardev_change_text(Machine *m, void *args, Reply *reply, GError **err)
{
    g_auto(GStrv) words =
        g_strsplit(((TextArg *)args)->text ? ((TextArg *)args)->text : "", " ", 2);
    ChrConfig     cfg = { 0 };

    if (!words[0] || !words[1]) {
        return fail(err, "chardev-change: is written chardev-change ID BACKEND,...");
    }
    if (!chr_parse(&cfg, words[1], err)) {
        fields_clear(chr_fields, &cfg);
        return false;
    }
    return change(m, words[0], &cfg, reply, err);
}

/* ---- ring buffers ---- */

#define READ_MAX (16u << 20)
static const char *const data_formats[] = { "utf8", "base64", NULL };
const Field ringbuf_read_args[] = {
    FIELD_(RingArgs, device, F_CONFIG | F_REQUIRED, 1, .help = "The ring buffer."),
    FIELD_(RingArgs, size, F_CONFIG | F_REQUIRED, 1, .min = 1, .max = READ_MAX,
           .help = "How many bytes at most."),
    CONFIG_ENUM(RingArgs, format, data_formats, .help = "How they are written."),
    FIELD_END
};
const Field ringbuf_write_args[] = {
    FIELD_(RingArgs, device, F_CONFIG | F_REQUIRED, 1, .help = "The ring buffer."),
    FIELD_(RingArgs, data, F_CONFIG | F_REQUIRED, 1, .help = "What is to be in it."),
    CONFIG_ENUM(RingArgs, format, data_formats, .help = "How that is written."),
    FIELD_END
};

static Chardev *find_ring(Machine *m, const char *id, GError **err)
{
    Chardev *c = chr_find(m, id);

    if (!c) {
        fail(err, "Device '%.200s' not found", id);
    } else if (!chr_is_ringbuf(c)) {
        fail(err, "%.200s is not a ringbuf device", id);
        c = NULL;
    }
    return c;
}

bool cmd_ringbuf_write(Machine *m, void *args, Reply *reply, GError **err)
{
    const RingArgs *a = args;
    Chardev        *c = find_ring(m, a->device, err);
    gsize           n;

    if (!c) {
        return false;
    }
    if (a->format) {
        g_autofree guchar *bytes = g_base64_decode(a->data, &n);
        ringbuf_write(c, bytes, n);
    } else {
        ringbuf_write(c, a->data, strlen(a->data));
    }
    return true;
}

bool cmd_ringbuf_read(Machine *m, void *args, Reply *reply, GError **err)
{
    const RingArgs     *a = args;
    Chardev            *c = find_ring(m, a->device, err);
    g_autofree uint8_t *buf = NULL;
    g_autofree char    *text = NULL;
    size_t              n;

    if (!c) {
        return false;
    }
    buf = g_malloc(a->size + 1);
    n = ringbuf_read(c, buf, a->size);
    buf[n] = 0;
    text = a->format ? g_base64_encode(buf, n) : g_utf8_make_valid((char *)buf, (gssize)n);
    say(reply, "return", text);
    return true;
}
