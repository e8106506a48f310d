/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.c -- character devices by name: the spelling of -chardev and of -serial, and the list of
 * those there are.
 *
 * Spec: none; the spelling is that in common use.
 * Omits: serial and parallel ports of the host.
 * Threads: the main context with the machine lock.
 */
#include "core/chardev/backend.h"
#include <stdio.h>
#include <string.h>

struct ChrState {
    Machine   *machine;
    GPtrArray *all;
    bool       running;               /* chr_open_all() has been: new ones open at once */
};

#define CHARDEV(file) &file##_chardev,
const ChrBackend *const chr_backends[] = {
#include "core/chardev/chardevs.def"
    NULL
};

const Field chr_fields[] = {
    CONFIG(ChrConfig, backend, .help = "Kind."),
    CONFIG(ChrConfig, id, .help = "Name for chardev=ID."),
    CONFIG(ChrConfig, mux, .help = "Several users share it; Ctrl-A c goes from one to the next."),
    CONFIG(ChrConfig, logfile, .help = "A copy of the output goes to this file."),
    CONFIG(ChrConfig, logappend, .help = "Add to it instead of emptying it."),
    CONFIG(ChrConfig, path, .help = "file, pipe, socket: file, FIFO or Unix socket."),
    CONFIG_AS(ChrConfig, input_path, "input-path", .help = "file: input is read from this one."),
    CONFIG(ChrConfig, append, .help = "file: add to it instead of emptying it."),
    CONFIG(ChrConfig, host, .help = "socket, udp: address to connect to or listen on."),
    CONFIG(ChrConfig, port, .help = "socket, udp: port."),
    CONFIG(ChrConfig, to, .max = 65535,
           .help = "socket server: the first free port from port= to this one."),
    CONFIG(ChrConfig, ipv4, .help = "socket, udp: IPv4 alone."),
    CONFIG(ChrConfig, ipv6, .help = "socket, udp: IPv6 alone."),
    CONFIG(ChrConfig, localaddr, .help = "udp: address of this end."),
    CONFIG(ChrConfig, localport, .help = "udp: port of this end."),
    CONFIG(ChrConfig, fd,
           .help = "socket: a descriptor that this process has been given, by its number; or by "
                   "getfd's name."),
    CONFIG(ChrConfig, abstract, .help = "socket: path is a name in Linux's abstract namespace."),
    CONFIG(ChrConfig, tight, .def = 1,
           .help = "The name ends where it ends, instead of with zeros."),
    CONFIG(ChrConfig, server, .help = "socket: listen instead of connecting."),
    CONFIG(ChrConfig, wait, .def = 1,
           .help = "socket server: wait for a client before the machine starts."),
    CONFIG(ChrConfig, reconnect, .max = 86400,
           .help = "socket client: try again after this many seconds."),
    CONFIG(ChrConfig, nodelay, .help = "TCP: send small packets at once."),
    CONFIG(ChrConfig, delay, .def = 1, .help = "The older form: off."),
    CONFIG(ChrConfig, telnet, .help = "socket: the peer is a telnet client."),
    CONFIG(ChrConfig, websocket, .help = "socket server: the peer is a browser."),
    CONFIG_AS(ChrConfig, tls_creds, "tls-creds",
              .help = "socket: TLS with this -object tls-creds-..."),
    CONFIG_AS(ChrConfig, tls_authz, "tls-authz",
              .help = "Not there: whoever has a certificate of the authority may connect."),
    CONFIG(ChrConfig, signal, .def = 1,
           .help = "stdio: Ctrl-C ends the emulator instead of going to the guest."),
    CONFIG(ChrConfig, size, .def = 65536, .help = "ringbuf: bytes; a power of two."),
    CONFIG(ChrConfig, width, .max = 16384, .help = "vc: pixels across."),
    CONFIG(ChrConfig, height, .max = 16384, .help = "vc: pixels down."),
    CONFIG(ChrConfig, cols, .max = 1024, .help = "vc: characters across."),
    CONFIG(ChrConfig, rows, .max = 1024, .help = "vc: lines."),
    CONFIG(ChrConfig, chardev, .help = "mux: the id of the one that is shared."),
    FIELD_END
};
static const char common_keys[] = "backend id mux logfile logappend";

const ChrBackend *chr_backend_find(const char *name)
{
    for (unsigned i = 0; chr_backends[i]; i++) {
        if (!strcmp(chr_backends[i]->name, name) || !g_strcmp0(chr_backends[i]->alias, name)) {
            return chr_backends[i];
        }
    }
    return NULL;
}

const char *chr_backend_name(unsigned i)
{
    return i + 1 < G_N_ELEMENTS(chr_backends) ? chr_backends[i]->name : NULL;
}

/* ---- spelling ---- */

/* What follows the first comma, or NULL; *head is what stands before it. */
static const char *split_comma(const char *text, char **head)
{
    const char *end = strchr(text, ',');

    *head = end ? g_strndup(text, (gsize)(end - text)) : g_strdup(text);
    return end ? end + 1 : NULL;
}

static bool rest(ChrConfig *cfg, const char *text, GError **err)
{
    return !text || fields_parse_text(chr_fields + 1, cfg, text, err);
}

/* "HOST:PORT" or "[HOST]:PORT" */
static bool split_address(const char *text, char **host, char **port)
{
    const char *colon = strrchr(text, ':');
    size_t      n;

    if (!colon || !colon[1]) {
        return false;
    }
    n = (size_t)(colon - text);
    if (n >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        n -= 2;
    }
    g_free(*host);
    g_free(*port);
    *host = g_strndup(text, n);
    *port = g_strdup(colon + 1);
    return true;
}

static bool parse_inet(ChrConfig *cfg, const char *kind, const char *text, GError **err)
{
    g_autofree char *addr = NULL;
    const char      *more = split_comma(text, &addr);

    cfg->backend = g_strdup("socket");
    cfg->telnet = !strcmp(kind, "telnet:");
    cfg->websocket = !strcmp(kind, "websocket:");
    if (!split_address(addr, &cfg->host, &cfg->port)) {
        return fail(err, "%s%s: a TCP socket is written %sHOST:PORT", kind, text, kind);
    }
    return rest(cfg, more, err);
}

static bool parse_unix(ChrConfig *cfg, const char *kind, const char *text, GError **err)
{
    const char *more;

    (void)kind;
    cfg->backend = g_strdup("socket");
    g_free(cfg->path);
    more = split_comma(text, &cfg->path);
    return rest(cfg, more, err);
}

/* udp:[HOST]:PORT[@[LOCALADDR]:LOCALPORT] */
static bool parse_udp(ChrConfig *cfg, const char *kind, const char *text, GError **err)
{
    g_autofree char *addr = NULL;
    const char      *more = split_comma(text, &addr);
    char            *at = strchr(addr, '@');

    cfg->backend = g_strdup("udp");
    if (at) {
        *at++ = 0;
    }
    if (!split_address(addr, &cfg->host, &cfg->port) ||
        (at && !split_address(at, &cfg->localaddr, &cfg->localport))) {
        return fail(err, "%s%s: is written udp:HOST:PORT or udp:HOST:PORT@LOCALADDR:LOCALPORT",
                    kind, text);
    }
    return rest(cfg, more, err);
}

static bool parse_path(ChrConfig *cfg, const char *kind, const char *text, GError **err)
{
    (void)err;
    cfg->backend = g_strndup(kind, 4);
    g_free(cfg->path);
    cfg->path = g_strdup(text);
    return true;
}

/* vc:800x600 in pixels, vc:80Cx24C in characters */
static bool parse_vc(ChrConfig *cfg, const char *kind, const char *text, GError **err)
{
    unsigned w, h;
    int      n = 0;

    cfg->backend = g_strdup("vc");
    if (sscanf(text, "%5uCx%5uC%n", &w, &h, &n) == 2 && n && !text[n]) {
        cfg->cols = w;
        cfg->rows = h;
        return true;
    }
    if (sscanf(text, "%5ux%5u%n", &w, &h, &n) == 2 && n && !text[n]) {
        cfg->width = w;
        cfg->height = h;
        return true;
    }
    return fail(err, "%s%s: is written vc, vc:WIDTHxHEIGHT or vc:COLUMNSCxROWSC", kind, text);
}

static const struct {
    const char *kind;
    bool      (*parse)(ChrConfig *cfg, const char *kind, const char *text, GError **err);
} shorthands[] = {
    { "tcp:", parse_inet }, { "telnet:", parse_inet },
    { "websocket:", parse_inet }, { "unix:", parse_unix },
    { "udp:", parse_udp }, { "file:", parse_path }, { "pipe:", parse_path }, { "vc:", parse_vc },
};

static bool parse_spec(ChrConfig *cfg, const char *spec, GError **err)
{
    size_t n = strcspn(spec, ":,=");
    bool   ok = true;

    if (g_str_has_prefix(spec, "mon:")) {
        ok = parse_spec(cfg, spec + 4, err);
        cfg->mux = true;
        cfg->signal = g_strcmp0(cfg->backend, "stdio") != 0;
        return ok;
    }
    if (spec[n] == '=') {
        return fields_parse_text(chr_fields, cfg, spec, err);
    }
    if (spec[n] != ':') {
        const char *more = split_comma(spec, &cfg->backend);
        return rest(cfg, more, err);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(shorthands); i++) {
        if (g_str_has_prefix(spec, shorthands[i].kind)) {
            return shorthands[i].parse(cfg, shorthands[i].kind, spec + strlen(shorthands[i].kind),
                                       err);
        }
    }
    return fail(err,
                "\"%s\": no such character device; there are null, stdio, vc, pty, ringbuf, file:, "
                "pipe:, unix:, tcp:, telnet:,"
                " websocket: and udp:",
                spec);
}

bool chr_parse(ChrConfig *cfg, const char *spec, GError **err)
{
    fields_defaults(chr_fields, cfg);
    return parse_spec(cfg, spec, err);
}

/* ---- what goes together ---- */

static bool in_words(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = words; p && (p = strstr(p, word)); p += n) {
        if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' ')) {
            return true;
        }
    }
    return false;
}

static bool is_default(const Field *f, const void *obj)
{
    const void *p = (const char *)obj + f->offset;

    return f->type == T_STR ? !*(char *const *)p : field_int(f, p) == f->def;
}

static bool unknown(const char *name, GError **err)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; chr_backends[i]; i++) {
        g_string_append_printf(names, "%s%s", i ? ", " : "", chr_backends[i]->name);
    }
    return fail(err, "\"%s\": no such character device; there are %s", name ? name : "",
                names->str);
}

bool chr_check(Machine *m, const ChrConfig *cfg, const Chardev *instead_of, GError **err)
{
    const ChrBackend *b = cfg->backend ? chr_backend_find(cfg->backend) : NULL;
    const Chardev    *same = cfg->id ? chr_find(m, cfg->id) : NULL;

    if (!b) {
        return unknown(cfg->backend, err);
    }
    for (const Field *f = chr_fields; f->name; f++) {
        if (!in_words(common_keys, f->name) && !in_words(b->keys, f->name) && !is_default(f, cfg)) {
            return fail(err, "-chardev %s: takes no %s=", b->name, f->name);
        }
    }
    if (same && same != instead_of) {
        return fail(err, "character device id \"%s\" is taken; give each its own", cfg->id);
    }
    if (cfg->logappend && !cfg->logfile) {
        return fail(err, "-chardev %s,logappend=on: goes with logfile=", b->name);
    }
    return !b->check || b->check(m, cfg, err);
}

/* ---- the list ---- */

bool chr_is_listed(Machine *m, const ChrBackend *b, const Chardev *but)
{
    for (unsigned i = 0; i < m->chardevs->all->len; i++) {
        const Chardev *c = m->chardevs->all->pdata[i];
        if (c->backend == b && c != but) {
            return true;
        }
    }
    return false;
}

bool chr_is_wanted(Machine *m, const Chardev *c)
{
    for (unsigned i = 0; i < m->devices->len; i++) {
        const Device *d = m->devices->pdata[i];
        for (const Field *f = d->class->fields; f && f->name; f++) {
            if (f->type == T_LINK && (f->flags & F_CONFIG) &&
                *(void *const *)(const void *)((const char *)d + f->offset) == c) {
                return true;
            }
        }
    }
    return false;
}

void chr_list_remove(Machine *m, Chardev *c)
{
    g_ptr_array_remove(m->chardevs->all, c);
}

Chardev *chr_make(Machine *m, ChrConfig *cfg, GError **err)
{
    Chardev *c;

    if (!chr_check(m, cfg, NULL, err)) {
        fields_clear(chr_fields, cfg);
        return NULL;
    }
    c = g_new0(Chardev, 1);
    c->machine = m;
    c->cfg = *cfg;
    c->backend = chr_backend_find(cfg->backend);
    c->in_fd = c->out_fd = c->aux_fd = c->log_fd = -1;
    c->out = g_byte_array_new();
    memset(cfg, 0, sizeof(*cfg));
    g_ptr_array_add(m->chardevs->all, c);
    if (m->chardevs->running && !chr_start(c, err)) {
        g_ptr_array_remove(m->chardevs->all, c);
        chr_free(c);
        return NULL;
    }
    return c;
}

Chardev *chr_new(Machine *m, const char *spec, const char *id, GError **err)
{
    ChrConfig cfg = { 0 };
    Chardev  *c;

    if (g_str_has_prefix(spec, "chardev:")) {
        c = chr_find(m, spec + 8);
        if (!c) {
            fail(err, "chardev:%s: there is no -chardev with this id", spec + 8);
        }
        return c;
    }
    if (!chr_parse(&cfg, spec, err)) {
        fields_clear(chr_fields, &cfg);
        return NULL;
    }
    if (id) {
        g_free(cfg.id);
        cfg.id = g_strdup(id);
    }
    return chr_make(m, &cfg, err);
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
        if (!c->opened && !chr_start(c, err)) {
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

void chr_state_free(struct ChrState *s)
{
    while (s->all->len) {               /* a mux after what it shares was made: before it here */
        chr_free(g_ptr_array_steal_index(s->all, s->all->len - 1));
    }
    g_ptr_array_free(s->all, TRUE);
    g_free(s);
}

/* ---- for the monitor ---- */

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

char *chr_describe(const Chardev *c)
{
    if (c->backend->describe) {
        return c->backend->describe(c);
    }
    return c->cfg.path ? g_strdup_printf("%s:%s", c->backend->name, c->cfg.path)
                       : g_strdup(c->backend->name);
}
