/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp.c -- the JSON protocol for programs: greeting, negotiation, commands, events.
 *
 * Spec: QEMU Machine Protocol Specification (docs/interop/qmp-spec.rst): handshake, errors, events.
 * Omits: out-of-band execution; rate limits of events.
 * Threads: main context with the machine lock.
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

enum { MESSAGE_MAX = 1 << 20, OUT_MAX = 8 << 20, EVENTS_OUT_MAX = 1 << 20, READ_BYTES = 4096 };

struct Qmp {
    Machine    *machine;
    Chardev    *chr;
    /* a message so far; what the character device had no room for */
    GByteArray *in, *out;
    JsonScan    scan;
    bool        negotiated, skipping; /* skipping: a damaged message, up to the end of its line */
    bool        connected;
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
                          g_variant_new_array(G_VARIANT_TYPE_VARIANT, NULL, 0));
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

static void capabilities(Qmp *q, GVariant *args, GVariant *id)
{
    GVariant *enable = args ? g_variant_lookup_value(args, "enable", NULL) : NULL;

    if (q->negotiated) {
        answer_error(q, "CommandNotFound",
                     "Capabilities negotiation is already complete, command ignored", id);
    } else if (enable && (!g_variant_is_container(enable) || g_variant_n_children(enable))) {
        answer_error(
            q, "GenericError",
            "Parameter 'enable' does not accept a value: there are no capabilities to enable", id);
    } else {
        q->negotiated = true;
        answer(q, "return", empty(), id);
    }
    g_clear_pointer(&enable, g_variant_unref);
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
        known = !strcmp(key, "execute") || !strcmp(key, "arguments") || !strcmp(key, "id");
        g_variant_unref(item);
        if (!known) {
            return key;                 /* lives as long as v */
        }
    }
    return NULL;
}

static void message(Qmp *q, const char *text, gsize n)
{
    GError     *err = NULL;
    GVariant   *v = json_parse(text, n, &err), *name = NULL, *args = NULL, *id = NULL;
    const char *odd;

    if (!v) {
        answer_error(q, "GenericError", err->message, NULL);
        g_error_free(err);
        return;
    }
    if (!g_variant_is_of_type(v, G_VARIANT_TYPE_VARDICT)) {
        answer_error(q, "GenericError", "QMP input must be a JSON object", NULL);
    } else {
        id = g_variant_lookup_value(v, "id", NULL);
        name = g_variant_lookup_value(v, "execute", G_VARIANT_TYPE_STRING);
        args = g_variant_lookup_value(v, "arguments", NULL);
        odd = unknown_member(v);
        if (odd) {
            char *why = g_strdup_printf("QMP input member '%.200s' is unexpected", odd);
            answer_error(q, "GenericError", why, id);
            g_free(why);
        } else if (!name) {
            GVariant *any = g_variant_lookup_value(v, "execute", NULL);
            answer_error(q, "GenericError",
                         any ? "QMP input member 'execute' must be a string"
                             : "QMP input lacks member 'execute'",
                         id);
            g_clear_pointer(&any, g_variant_unref);
        } else if (args && !g_variant_is_of_type(args, G_VARIANT_TYPE_VARDICT)) {
            answer_error(q, "GenericError", "QMP input member 'arguments' must be an object", id);
        } else {
            execute(q, g_variant_get_string(name, NULL), args, id);
        }
    }
    g_clear_pointer(&id, g_variant_unref);
    g_clear_pointer(&name, g_variant_unref);
    g_clear_pointer(&args, g_variant_unref);
    g_variant_unref(v);
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
        answer_error(q, "GenericError", step == JSON_BAD ? "JSON: no object where one belongs, or nested too deep"
                                                         : "JSON: the message is too long", NULL);
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
    return ((Qmp *)dev)->out->len ? 0 : READ_BYTES;
}

static void receive(void *dev, const uint8_t *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        take_byte(dev, buf[i]);
    }
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
        q->negotiated = q->skipping = false;
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
    g_ptr_array_add(m->event_sinks, q);
    chr_attach(c, &user);
    return q;
}

void qmp_free(Qmp *q)
{
    g_byte_array_unref(q->in);
    g_byte_array_unref(q->out);
    g_free(q);
}
