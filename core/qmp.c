/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp.c -- the JSON protocol for programs: greeting, negotiation, commands, events.
 *
 * Spec: QEMU Machine Protocol Specification (docs/interop/qmp-spec.rst): handshake, errors, events.
 * Omits: rate limits of events.
 * Threads: main context with the machine lock.
 *
 * A command may run the main loop.  Meanwhile nothing more is read, or, once the peer has enabled
 * "oob", what is not exec-oob waits its turn, QUEUE_MAX of them.
 *
 * A peer may send anything: a message is bounded in bytes and in depth, and while answers wait to
 * be taken nothing more is read.
 */
#include "core/qmp.h"
#include "core/fds.h"
#include "core/field.h"
#include "core/json.h"
#include "core/machine.h"
#include "core/schema.h"
#include "core/version.h"
#include "core/trace.h"
#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 1 << 20, OUT_MAX = 8 << 20, EVENTS_OUT_MAX = 1 << 20, READ_BYTES = 4096,
       QUEUE_MAX = 8 };

struct Qmp {
    Machine    *machine;
    Chardev    *chr;
    /* a message so far; what the character device had no room for */
    GByteArray *in, *out;
    JsonScan    scan;
    bool        negotiated, skipping; /* skipping: a damaged message, up to the end of its line */
    bool        connected;
    bool        oob;                  /* the peer has enabled it */
    bool        running;              /* a command is at work */
    GQueue      waiting;              /* GVariant: messages behind it */
    bool        held;                 /* the peer was not read from meanwhile */
    GByteArray *inbox;                /* bytes that came, from inbox_at on not looked at yet */
    guint       inbox_at;
};

/* ---- output ---- */

static void flush(Qmp *q)
{
    if (q->out->len) {
        g_byte_array_remove_range(q->out, 0, (guint)chr_write(q->chr, q->out->data, q->out->len));
    }
}

static void send(Qmp *q, GVariant *v)
{
    GString *s = g_string_new(NULL);

    g_variant_ref_sink(v);
    json_print(s, v);
    g_string_append(s, "\r\n");
    if (q->out->len + s->len <= OUT_MAX) {
        g_byte_array_append(q->out, (const uint8_t *)s->str, (guint)s->len);
    }
    flush(q);
    g_string_free(s, TRUE);
    g_variant_unref(v);
}

static GVariant *empty(void)
{
    return g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0);
}

/*
 * Programs ask this for what they may use: so it is the protocol whose commands these are, and the
 * package is who speaks it.
 */
GVariant *qmp_version(void)
{
    GVariantBuilder b, n;

    g_variant_builder_init(&n, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&n, "{sv}", "micro", g_variant_new_int64(QMP_MICRO));
    g_variant_builder_add(&n, "{sv}", "minor", g_variant_new_int64(QMP_MINOR));
    g_variant_builder_add(&n, "{sv}", "major", g_variant_new_int64(QMP_MAJOR));
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    /* the member's name in the protocol */
    g_variant_builder_add(&b, "{sv}", "qemu", g_variant_builder_end(&n));
    g_variant_builder_add(&b, "{sv}", "package", g_variant_new_string("ryokan " RYOKAN_VERSION));
    return g_variant_builder_end(&b);
}

static void greet(Qmp *q)
{
    GVariantBuilder b, qmp;

    g_variant_builder_init(&qmp, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&qmp, "{sv}", "version", qmp_version());
    g_variant_builder_add(&qmp, "{sv}", "capabilities",
                          g_variant_new_parsed("[<'oob'>]"));
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&b, "{sv}", "QMP", g_variant_builder_end(&qmp));
    send(q, g_variant_builder_end(&b));
}

static void answer(Qmp *q, const char *key, GVariant *val, GVariant *id)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&b, "{sv}", key, val);
    if (id) {
        g_variant_builder_add(&b, "{sv}", "id", id);
    }
    send(q, g_variant_builder_end(&b));
}

static void answer_error(Qmp *q, const char *class, const char *desc, GVariant *id)
{
    GVariantBuilder b;
    char           *text = g_utf8_make_valid(desc, -1);

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&b, "{sv}", "class", g_variant_new_string(class));
    g_variant_builder_add(&b, "{sv}", "desc", g_variant_new_string(text));
    answer(q, "error", g_variant_builder_end(&b), id);
    g_free(text);
}

void machine_event(Machine *m, const char *name, GVariant *data)
{
    gint64 now = g_get_real_time();

    trace_qmp_event(name);
    if (data) {
        g_variant_ref_sink(data);
    }
    for (unsigned i = 0; i < m->event_sinks->len; i++) {
        Qmp            *q = m->event_sinks->pdata[i];
        GVariantBuilder b, t;
        if (!q->negotiated || !q->connected || q->out->len > EVENTS_OUT_MAX) {
            continue;
        }
        g_variant_builder_init(&t, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&t, "{sv}", "seconds", g_variant_new_int64(now / G_USEC_PER_SEC));
        g_variant_builder_add(&t, "{sv}", "microseconds",
                              g_variant_new_int64(now % G_USEC_PER_SEC));
        g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&b, "{sv}", "timestamp", g_variant_builder_end(&t));
        g_variant_builder_add(&b, "{sv}", "event", g_variant_new_string(name));
        if (data) {
            g_variant_builder_add(&b, "{sv}", "data", data);
        }
        send(q, g_variant_builder_end(&b));
    }
    if (data) {
        g_variant_unref(data);
    }
}

/* ---- commands ---- */

static const char *class_of(const GError *err)
{
    int code = err && err->domain == RYOKAN_ERROR ? err->code : RYOKAN_FAILED;

    return code == RYOKAN_NOT_FOUND   ? "DeviceNotFound"
           : code == RYOKAN_NO_DEVICE ? "DeviceNotActive"
                                      : "GenericError";
}

/* A reply is an object, or what stands under "return" in it: a list, a string. */
static void run(Qmp *q, const Entry *e, GVariant *args, GVariant *id)
{
    GVariantBuilder b;
    GVariant       *reply, *whole;
    GError         *err = NULL;

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    bool ok = entry_run_json(e, q->machine, args, &b, &err);
    reply = g_variant_ref_sink(g_variant_builder_end(&b));
    if (ok) {
        whole = g_variant_lookup_value(reply, "return", NULL);
        answer(q, "return", whole ? whole : reply, id);
        g_clear_pointer(&whole, g_variant_unref);
    } else {
        answer_error(q, class_of(err), err ? err->message : "failed", id);
    }
    g_clear_error(&err);
    g_variant_unref(reply);
}

/* What "enable" asks for; false: something that is not there, which has been said. */
static bool enable_oob(Qmp *q, GVariant *enable, GVariant *id, bool *oob)
{
    bool ok = !enable || g_variant_is_of_type(enable, G_VARIANT_TYPE("av"));

    if (!ok) {
        answer_error(q, "GenericError", "Invalid parameter type for 'enable', expected: array", id);
    }
    for (gsize i = 0; ok && enable && i < g_variant_n_children(enable); i++) {
        GVariant *boxed = g_variant_get_child_value(enable, i), *v = g_variant_get_variant(boxed);
        ok = *oob = g_variant_is_of_type(v, G_VARIANT_TYPE_STRING) &&
                    !strcmp(g_variant_get_string(v, NULL), "oob");
        g_variant_unref(v);
        g_variant_unref(boxed);
        if (!ok) {
            answer_error(q, "GenericError", "Parameter 'enable' does not accept a value but 'oob'",
                         id);
        }
    }
    return ok;
}

static void capabilities(Qmp *q, GVariant *args, GVariant *id)
{
    GVariant *enable = args ? g_variant_lookup_value(args, "enable", NULL) : NULL;
    bool      oob = false;

    if (q->negotiated) {
        answer_error(q, "CommandNotFound",
                     "Capabilities negotiation is already complete, command ignored", id);
    } else if (enable_oob(q, enable, id, &oob)) {
        q->negotiated = true;
        q->oob = oob;
        answer(q, "return", empty(), id);
    }
    g_clear_pointer(&enable, g_variant_unref);
}

/* They are short, take nothing away from a command that is at work, and run no main loop. */
bool qmp_allows_oob(const Entry *e)
{
    static const char *const names[] = { "query-status", "query-name", "query-version",
                                         "query-jobs", "query-migrate", "query-yank", "yank",
                                         NULL };

    return g_strv_contains(names, e->name);
}

static void execute(Qmp *q, const char *name, GVariant *args, GVariant *id)
{
    const Entry *e = entry_find(commands, name);

    if (!strcmp(name, "qmp_capabilities")) {
        capabilities(q, args, id);
    } else if (!q->negotiated) {
        answer_error(q, "CommandNotFound",
                     "Expecting capabilities negotiation with 'qmp_capabilities'", id);
    } else if (!e || e->where == CMD_PROMPT) {
        char *text = g_strdup_printf("The command %.200s has not been found", name);
        answer_error(q, "CommandNotFound", text, id);
        g_free(text);
    } else {
        fds_serving(q->machine, q->chr);
        trace_qmp_command(name);
        run(q, e, args, id);
        fds_serving(q->machine, NULL);
    }
}

static const char *unknown_member(GVariant *v)
{
    for (gsize i = 0; i < g_variant_n_children(v); i++) {
        const char *key;
        GVariant   *item = g_variant_get_child_value(v, i);
        bool        known;
        g_variant_get_child(item, 0, "&s", &key);
        known = !strcmp(key, "execute") || !strcmp(key, "exec-oob") || !strcmp(key, "arguments") ||
                !strcmp(key, "id");
        g_variant_unref(item);
        if (!known) {
            return key;                 /* lives as long as v */
        }
    }
    return NULL;
}

/* What it is to run; NULL: it is not as it should be, which has been said. */
static GVariant *name_of(Qmp *q, GVariant *v, GVariant *id, bool *oob)
{
    GVariant *in = g_variant_lookup_value(v, "execute", NULL),
             *out = g_variant_lookup_value(v, "exec-oob", NULL), *name = NULL;

    *oob = out != NULL;
    if (in && out) {
        answer_error(q, "GenericError",
                     "QMP input member 'exec-oob' clashes with 'execute'", id);
    } else if (!in && !out) {
        answer_error(q, "GenericError", "QMP input lacks member 'execute'", id);
    } else if (out && !q->oob) {
        answer_error(q, "GenericError", "QMP input member 'exec-oob' is unexpected", id);
    } else if (!g_variant_is_of_type(in ? in : out, G_VARIANT_TYPE_STRING)) {
        answer_error(q, "GenericError", in ? "QMP input member 'execute' must be a string"
                                           : "QMP input member 'exec-oob' must be a string", id);
    } else {
        name = g_variant_ref(in ? in : out);
    }
    g_clear_pointer(&in, g_variant_unref);
    g_clear_pointer(&out, g_variant_unref);
    return name;
}

static void serve(Qmp *q, GVariant *v)
{
    GVariant   *id = g_variant_lookup_value(v, "id", NULL), *name = NULL,
               *args = g_variant_lookup_value(v, "arguments", NULL);
    const char *odd = unknown_member(v);
    bool        oob = false;

    if (odd) {
        g_autofree char *why = g_strdup_printf("QMP input member '%.200s' is unexpected", odd);
        answer_error(q, "GenericError", why, id);
    } else if ((name = name_of(q, v, id, &oob))) {
        const char  *text = g_variant_get_string(name, NULL);
        const Entry *e = entry_find(commands, text);
        if (args && !g_variant_is_of_type(args, G_VARIANT_TYPE_VARDICT)) {
            answer_error(q, "GenericError", "QMP input member 'arguments' must be an object", id);
        } else if (oob && e && !qmp_allows_oob(e)) {
            g_autofree char *why =
                g_strdup_printf("The command %.200s does not support OOB", text);
            answer_error(q, "GenericError", why, id);
        } else {
            execute(q, text, args, id);
        }
    }
    g_clear_pointer(&id, g_variant_unref);
    g_clear_pointer(&name, g_variant_unref);
    g_clear_pointer(&args, g_variant_unref);
    g_variant_unref(v);
}

/* A command, and then what has come in behind it. */
static void serve_in_turn(Qmp *q, GVariant *v)
{
    q->running = true;
    for (; v; v = g_queue_pop_head(&q->waiting)) {
        serve(q, v);
    }
    q->running = false;
    if (q->held) {
        q->held = false;
        chr_accept(q->chr);
    }
}

static bool is_oob(const Qmp *q, GVariant *v)
{
    GVariant *out = q->oob ? g_variant_lookup_value(v, "exec-oob", NULL) : NULL;
    bool      is = out != NULL;

    g_clear_pointer(&out, g_variant_unref);
    return is;
}

static void message(Qmp *q, const char *text, gsize n)
{
    GError   *err = NULL;
    GVariant *v = json_parse(text, n, &err);

    if (!v) {
        answer_error(q, "GenericError", err->message, NULL);
        g_error_free(err);
    } else if (!g_variant_is_of_type(v, G_VARIANT_TYPE_VARDICT)) {
        answer_error(q, "GenericError", "QMP input must be a JSON object", NULL);
        g_variant_unref(v);
    } else if (is_oob(q, v)) {
        serve(q, v);
    } else if (q->running) {
        g_queue_push_tail(&q->waiting, v);
    } else {
        serve_in_turn(q, v);
    }
}

/* ---- input ---- */

static void restart(Qmp *q)
{
    g_byte_array_set_size(q->in, 0);
    q->scan = (JsonScan){ 0 };
}

static void take_byte(Qmp *q, uint8_t c)
{
    JsonStep step;

    if (q->skipping) {
        q->skipping = c != '\n';
        return;
    }
    step = json_scan(&q->scan, (char)c);
    if (q->scan.in_value || step == JSON_END) {
        g_byte_array_append(q->in, &c, 1);
    }
    if (step == JSON_BAD || q->in->len > MESSAGE_MAX) {
        answer_error(q, "GenericError",
                     step == JSON_BAD ? "JSON: no object where one belongs, or nested too deep"
                                      : "JSON: the message is too long",
                     NULL);
        restart(q);
        q->skipping = c != '\n';
    } else if (step == JSON_END) {
        GByteArray *text = q->in;       /* a command may run the main loop */
        q->in = g_byte_array_new();
        restart(q);
        message(q, (const char *)text->data, text->len);
        g_byte_array_unref(text);
    }
}

static size_t can_receive(void *dev)
{
    Qmp *q = dev;
    bool busy = q->running && (!q->oob || q->waiting.length >= QUEUE_MAX);

    q->held |= busy;
    return q->out->len || busy ? 0 : READ_BYTES;
}

static void receive(void *dev, const uint8_t *buf, size_t n)
{
    Qmp *q = dev;

    /* A command may come back here: it looks at what is left, in order. */
    g_byte_array_append(q->inbox, buf, (guint)n);
    while (q->inbox_at < q->inbox->len) {
        take_byte(q, q->inbox->data[q->inbox_at++]);
    }
    g_byte_array_set_size(q->inbox, 0);
    q->inbox_at = 0;
}

static void writable(void *dev)
{
    Qmp *q = dev;

    flush(q);
    if (!q->out->len) {
        chr_accept(q->chr);
    }
}

static void event(void *dev, ChrEvent what)
{
    Qmp *q = dev;

    if (what == CHR_OPENED || what == CHR_CLOSED) {
        restart(q);
        g_byte_array_set_size(q->out, 0);
        q->negotiated = q->skipping = q->oob = false;
        g_queue_clear_full(&q->waiting, (GDestroyNotify)g_variant_unref);
        g_byte_array_set_size(q->inbox, 0);
        q->inbox_at = 0;
        q->connected = what == CHR_OPENED;
        if (q->connected) {
            greet(q);
        }
    }
}

Qmp *qmp_new(Machine *m, Chardev *c)
{
    Qmp    *q = g_new0(Qmp, 1);
    ChrUser user = { .can_receive = can_receive, .receive = receive, .event = event,
                     .writable = writable, .dev = q };

    q->machine = m;
    q->chr = c;
    q->in = g_byte_array_new();
    q->out = g_byte_array_new();
    q->inbox = g_byte_array_new();
    g_ptr_array_add(m->event_sinks, q);
    chr_attach(c, &user);
    return q;
}

void qmp_free(Qmp *q)
{
    g_queue_clear_full(&q->waiting, (GDestroyNotify)g_variant_unref);
    g_byte_array_unref(q->inbox);
    g_byte_array_unref(q->in);
    g_byte_array_unref(q->out);
    g_free(q);
}
