/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.c -- the table of commands, and those that run the machine and its input.
 *
 * Spec: none; command names are those in common use.
 * Omits: nothing.
 * Threads: the main context with the machine lock.
 */
#include "core/debug.h"
#include "core/display.h"
#include "core/commands.h"
#include "core/gdbstub.h"
#include "accel/accel.h"
#include "core/mem_view.h"
#include "core/json.h"
#include "core/options.h"
#include "core/qmp.h"
#include "core/schema.h"
#include "core/screendump.h"
#include "core/sendkey.h"
#include "core/snapshot.h"
#include "core/vcpu.h"
#include "core/version.h"
#include <inttypes.h>
#include <string.h>

static const char *const pictures[] = { "ppm", "png", NULL };   /* PictureFormat */
const Field help_args[] = {
    FIELD_(TextArg, text, F_CONFIG | F_WHOLE, 1, .help = "A command; without it: all."),
    FIELD_END
};
typedef struct DumpArgs {
    char    *filename;
    uint32_t format;
} DumpArgs;
static const Field dump_args[] = {
    FIELD_(DumpArgs, filename, F_CONFIG | F_REQUIRED, 1, .help = "File to write."),
    CONFIG_ENUM(DumpArgs, format, pictures, .help = "Kind of picture."),
    FIELD_END
};

typedef struct KeyValue {
    char *type, *data;
} KeyValue;
static const Field key_value[] = {
    FIELD_(KeyValue, type, F_CONFIG | F_REQUIRED, 1,
           .help = "qcode, or number: a code of scan code set 1."),
    FIELD_(KeyValue, data, F_CONFIG | F_REQUIRED, 1, .aux = "any",
           .help = "The key's name or number."),
    FIELD_END
};
typedef struct SendKeyArgs {
    GPtrArray *keys;                  /* KeyValue */
    uint32_t   hold_ms;
} SendKeyArgs;
static const Field send_key_args[] = {
    CONFIG_LIST(SendKeyArgs, keys, KeyValue, key_value, .help = "Keys pressed together."),
    CONFIG_AS(SendKeyArgs, hold_ms, "hold-time", .def = 100, .min = 0, .max = 60000,
              .help = "Milliseconds until they are let go."),
    FIELD_END
};
/* input-send-event: what an event's data may have, of all types together. */
typedef struct InputData {
    bool     down;
    KeyValue key;
    uint32_t button, axis;
    int64_t  value;
} InputData;
static const char *const button_names[] = { "left", "right", "middle", "side", "extra", "wheel-up",
                                            "wheel-down", NULL };
static const char *const axis_names[] = { "x", "y", NULL };
static const char *const input_types[] = { "key", "btn", "rel", "abs", NULL };
enum { INPUT_KEY, INPUT_BTN, INPUT_REL, INPUT_ABS };
static const Field input_key[] = {
    CONFIG(KeyValue, type, .help = "qcode, or number: a code of scan code set 1."),
    CONFIG(KeyValue, data, .aux = "any", .help = "The key's name or number."),
    FIELD_END
};
static const Field input_data[] = {
    CONFIG(InputData, down, .help = "key, btn: pressed, not let go."),
    FIELD_AS_(InputData, key, T_STRUCT, F_CONFIG, 1, .stride = sizeof(KeyValue), .aux = input_key,
              .help = "key: which."),
    CONFIG_ENUM(InputData, button, button_names, .help = "btn: which."),
    CONFIG_ENUM(InputData, axis, axis_names, .help = "rel, abs: which."),
    CONFIG(InputData, value, .help = "rel: pixels; abs: 0 to 32767 over the screen."),
    FIELD_END
};
typedef struct InputEvent {
    uint32_t  type;
    InputData data;
} InputEvent;
static const Field input_event[] = {
    CONFIG_ENUM(InputEvent, type, input_types, .help = "What it is."),
    FIELD_AS_(InputEvent, data, T_STRUCT, F_CONFIG, 1, .stride = sizeof(InputData),
              .aux = input_data, .help = "More of it."),
    FIELD_END
};
typedef struct SendEventArgs {
    uint32_t   head;
    GPtrArray *events;                /* InputEvent */
} SendEventArgs;
static const Field send_event_args[] = {
    CONFIG(SendEventArgs, head, .help = "The screen: 0."),
    CONFIG_LIST(SendEventArgs, events, InputEvent, input_event, .help = "What happens, together."),
    FIELD_END
};
typedef struct MouseMoveArgs {
    int32_t dx, dy, dz;
} MouseMoveArgs;
static const Field mouse_move_args[] = {
    CONFIG(MouseMoveArgs, dx, .help = "To the right, in pixels."),
    CONFIG(MouseMoveArgs, dy, .help = "Down."),
    CONFIG(MouseMoveArgs, dz, .help = "The wheel, towards the user."), FIELD_END
};
typedef struct MouseButtonArgs {
    uint32_t state;
} MouseButtonArgs;
static const Field mouse_button_args[] = {
    CONFIG(MouseButtonArgs, state, .max = 0x1f,
           .help = "Sum of 1 left, 2 right, 4 middle, 8 side, 16 extra."),
    FIELD_END
};

typedef struct KeyNamesArgs {
    char    *keys;
    uint32_t hold_ms;
} KeyNamesArgs;
static const Field key_names_args[] = {
    FIELD_(KeyNamesArgs, keys, F_CONFIG | F_REQUIRED, 1,
           .help = "Names joined by -, for instance ctrl-alt-delete."),
    CONFIG_AS(KeyNamesArgs, hold_ms, "hold-time", .def = 100, .min = 0, .max = 60000,
              .help = "Milliseconds until they are let go."),
    FIELD_END
};

typedef struct LineArgs {
    char *line;
} LineArgs;
static const Field line_args[] = {
    CONFIG_AS(LineArgs, line, "command-line", .help = "A line as at the prompt."),
    FIELD_END
};

typedef struct PasswordArgs {
    char *password;
} PasswordArgs;
static const Field password_args[] = {
    CONFIG(PasswordArgs, password, .help = "The new one; 8 bytes of it count."),
    FIELD_END
};
typedef struct SetPasswordArgs {
    char *protocol, *password, *connected;
} SetPasswordArgs;
static const Field set_password_args[] = {
    FIELD_(SetPasswordArgs, protocol, F_CONFIG | F_REQUIRED, 1, .help = "vnc."),
    FIELD_(SetPasswordArgs, password, F_CONFIG | F_REQUIRED, 1,
           .help = "The new one; 8 bytes of it count."),
    CONFIG(SetPasswordArgs, connected, .help = "Who is connected already stays: keep."),
    FIELD_END
};

/* ---- commands ---- */

static bool cmd_help(Machine *m, void *args, Reply *reply, GError **err)
{
    char *text = help_text(((TextArg *)args)->text);

    if (!text) {
        return fail(err, "help: there is no command \"%.100s\"", ((TextArg *)args)->text);
    }
    say(reply, "text", text);
    g_free(text);
    return true;
}

static bool cmd_quit(Machine *m, void *args, Reply *reply, GError **err)
{
    m->shutdown_cause = "host-qmp-quit";
    machine_exit_request(m, 0);
    return true;
}

static bool cmd_stop(Machine *m, void *args, Reply *reply, GError **err)
{
    bool was_running = m->state == RUN_RUNNING;

    machine_stop(m);
    if (was_running) {
        machine_event(m, "STOP", NULL);
        debug_stopped(m);
    }
    return true;
}

static bool cmd_cont(Machine *m, void *args, Reply *reply, GError **err)
{
    if (m->state == RUN_SHUTDOWN || m->state == RUN_FATAL) {
        return fail(err, "the guest has powered off; system_reset starts it again");
    }
    if (snapshot_cont(m)) {
        return true;
    }
    if (snapshot_busy(m)) {
        return fail(err, "cont: a snapshot command is still at work; try again");
    }
    bool was_running = m->state == RUN_RUNNING;
    machine_cont(m);
    if (!was_running) {
        machine_event(m, "RESUME", NULL);
    }
    return true;
}

static bool cmd_reset(Machine *m, void *args, Reply *reply, GError **err)
{
    m->reset_cause = "host-qmp-system-reset";
    machine_reset_request(m, "the monitor");
    return true;
}

static bool cmd_powerdown(Machine *m, void *args, Reply *reply, GError **err)
{
    return machine_powerdown(m) || fail(err, "this machine has no power button");
}

static bool cmd_status(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const states[] = { "paused", "running", "paused (shutdown)",
                                          "paused (internal error)",
        "paused (inmigrate)", "paused (postmigrate)" };
    g_autofree char *why = m->state == RUN_PAUSED && m->paused_as
                               ? g_strdup_printf("paused (%s)", m->paused_as)
                               : NULL;

    say(reply, "VM status", why ? why : states[m->state]);
    return true;
}

static bool cmd_name(Machine *m, void *args, Reply *reply, GError **err)
{
    say(reply, "text", m->name ? m->name : "");
    return true;
}

static bool cmd_version(Machine *m, void *args, Reply *reply, GError **err)
{
    say(reply, "text", RYOKAN_VERSION);
    return true;
}

static bool cmd_cpus(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < m->vcpus->len; i++) {
        const Vcpu *v = m->vcpus->pdata[i];
        g_string_append_printf(s, "%c CPU #%u: thread_id=%d%s\n", i ? ' ' : '*', v->index,
                               (int)v->tid,
                               __atomic_load_n(&v->halted, __ATOMIC_RELAXED) ? " (halted)" : "");
    }
    say(reply, "text", s->str);
    g_string_free(s, TRUE);
    return true;
}

/* Registers are whole only while a vCPU is parked. */
static bool cmd_registers(Machine *m, void *args, Reply *reply, GError **err)
{
    bool     was_running = m->state == RUN_RUNNING;
    GString *s = g_string_new(NULL);

    machine_stop(m);
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        g_string_append_printf(s, "CPU#%u\n", i);
        if (m->accel && m->accel->get_regs) {
            m->accel->get_regs(v);
        }
        if (v->cpu_ops->dump) {
            v->cpu_ops->dump(v, s);
        }
    }
    if (was_running) {
        machine_cont(m);
    }
    say(reply, "text", s->str);
    g_string_free(s, TRUE);
    return true;
}

static void print_view(GString *s, const AddressSpace *as)
{
    static const char *const how[] = { "--", "r-", "-w", "rw" };

    g_string_append_printf(s, "address space: %s\n", as->name);
    for (int dir = 0; dir < 2; dir++) {
        for (unsigned i = 0; i < as->view->n[dir]; i++) {
            const MemRange *l = &as->view->line[dir][i];
            if (dir == VIEW_WRITE && l->seen == (SEEN_READ | SEEN_WRITE)) {
                continue;
            }
            g_string_append_printf(s, "  %016" PRIx64 "-%016" PRIx64 " %s %s %s+0x%" PRIx64 "\n",
                                   l->at, l->at + l->size - 1, how[l->seen & 3],
                                   l->region->host ? (l->region->readonly ? "rom" : "ram") : "i/o",
                                   l->region->name ? l->region->name : "?", l->from);
        }
    }
}

static bool cmd_jit(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!m->accel || !m->accel->info) {
        return fail(err, "info jit: accelerator %s keeps no counts",
                    m->accel ? m->accel->name : "(none)");
    }
    GString *s = g_string_new(NULL);
    m->accel->info(m, s);
    say(reply, "text", s->str);
    g_string_free(s, TRUE);
    return true;
}

static bool cmd_mtree(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < m->mem->spaces->len; i++) {
        print_view(s, m->mem->spaces->pdata[i]);
    }
    say(reply, "text", s->str);
    g_string_free(s, TRUE);
    return true;
}

static bool cmd_screen(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    console_text(m->console, s);
    say(reply, "text", s->len ? s->str : "(no text mode)\n");
    g_string_free(s, TRUE);
    return true;
}

static bool cmd_qtree(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < m->devices->len; i++) {
        const Device *d = m->devices->pdata[i];
        g_string_append_printf(s, "%s: %s\n", d->path, d->class->desc);
        for (const Field *f = d->class->fields; f && f->name; f++) {
            char *text = (f->flags & F_CONFIG) && f->count == 1 ? field_print(f, d) : NULL;
            if (text) {
                g_string_append_printf(s, "    %s = %s\n", f->name, text);
            }
            g_free(text);
        }
    }
    say(reply, "text", s->str);
    g_string_free(s, TRUE);
    return true;
}

static bool cmd_screendump(Machine *m, void *args, Reply *reply, GError **err)
{
    const DumpArgs *a = args;

    return screendump(m->console, a->filename, (PictureFormat)a->format, err);
}

static unsigned key_code(const KeyValue *k, GError **err)
{
    unsigned code = 0;

    if (!strcmp(k->type, "qcode")) {
        code = key_from_name(k->data);
    } else if (!strcmp(k->type, "number")) {
        guint64 n = g_ascii_strtoull(k->data, NULL, 0);
        code = n <= 0x58 ? (unsigned)n : 0;     /* evdev has the codes of set 1 up to F12 */
    }
    if (!code) {
        fail(err, "send-key: there is no key %s \"%s\"", k->type, k->data);
    }
    return code;
}

static bool cmd_send_key(Machine *m, void *args, Reply *reply, GError **err)
{
    const SendKeyArgs *a = args;
    unsigned           codes[SENDKEY_MAX], n = a->keys ? a->keys->len : 0;

    if (!n || n > SENDKEY_MAX) {
        return fail(err, "send-key: keys= takes 1 to %d keys", SENDKEY_MAX);
    }
    for (unsigned i = 0; i < n; i++) {
        codes[i] = key_code(a->keys->pdata[i], err);
        if (!codes[i]) {
            return false;
        }
    }
    return sendkey(m, codes, n, a->hold_ms, err);
}

static bool cmd_sendkey(Machine *m, void *args, Reply *reply, GError **err)
{
    const KeyNamesArgs *a = args;
    char              **names = g_strsplit(a->keys, "-", SENDKEY_MAX + 1);
    unsigned            codes[SENDKEY_MAX], n = 0;
    bool ok = g_strv_length(names) <= SENDKEY_MAX || fail(err, "sendkey: too many keys");

    for (; ok && names[n]; n++) {
        codes[n] = key_from_name(names[n]);
        ok = codes[n] || fail(err, "sendkey: there is no key \"%s\"", names[n]);
    }
    g_strfreev(names);
    return ok && sendkey(m, codes, n, a->hold_ms, err);
}

enum { INPUT_EVENTS_MAX = 256 };

/* Movements and buttons of one command arrive together; keys at once. */
static bool cmd_input_send_event(Machine *m, void *args, Reply *reply, GError **err)
{
    const SendEventArgs *a = args;
    unsigned n = a->events ? a->events->len : 0, buttons = console_buttons(m->console), code = 0;
    int64_t  rel[2] = { 0, 0 }, abs_at[2] = { -1, -1 };
    int      dz = 0;
    bool     pointer = false;

    if (a->head) {
        return fail(err, "input-send-event: there is no screen %u, only 0", a->head);
    }
    if (n > INPUT_EVENTS_MAX) {
        return fail(err, "input-send-event: more than %d events", INPUT_EVENTS_MAX);
    }
    for (unsigned i = 0; i < n; i++) {
        const InputEvent *e = a->events->pdata[i];
        if (e->type == INPUT_KEY &&
            (!e->data.key.type || !e->data.key.data || !key_code(&e->data.key, err))) {
            return err && *err
                       ? false
                       : fail(err, "input-send-event: key needs data.key.type and data.key.data");
        }
    }
    for (unsigned i = 0; i < n; i++) {
        const InputData *d = &((const InputEvent *)a->events->pdata[i])->data;
        switch (((const InputEvent *)a->events->pdata[i])->type) {
        case INPUT_KEY:
            code = key_code(&d->key, NULL);
            console_key(m->console, code, d->down);
            continue;
        case INPUT_BTN:
            if (d->button > 4) {
                dz += d->down ? d->button == 5 ? -1 : 1 : 0;
            } else {
                buttons = d->down ? buttons | 1u << d->button : buttons & ~(1u << d->button);
            }
            break;
        case INPUT_REL: rel[d->axis] += CLAMP(d->value, -POINTER_MAX, POINTER_MAX); break;
        default:        abs_at[d->axis] = CLAMP(d->value, 0, POINTER_MAX); break;
        }
        pointer = true;
    }
    if (abs_at[0] >= 0 || abs_at[1] >= 0) {
        console_absolute(m->console, (int)abs_at[0], (int)abs_at[1], dz, buttons);
    } else if (pointer) {
        console_pointer(m->console, (int)rel[0], (int)rel[1], dz, buttons);
    }
    return true;
}

static bool cmd_mouse_move(Machine *m, void *args, Reply *reply, GError **err)
{
    const MouseMoveArgs *a = args;

    console_pointer(m->console, CLAMP(a->dx, -POINTER_MAX, POINTER_MAX),
                    CLAMP(a->dy, -POINTER_MAX, POINTER_MAX), CLAMP(a->dz, -100, 100),
                    console_buttons(m->console));
    return true;
}

static bool cmd_mouse_button(Machine *m, void *args, Reply *reply, GError **err)
{
    console_pointer(m->console, 0, 0, 0, ((const MouseButtonArgs *)args)->state);
    return true;
}

/* ---- devices that come and go ---- */

static bool cmd_device_add(Machine *m, void *args, Reply *reply, GError **err)
{
    const OptDevice *a = args;

    if (!a->driver) {
        return fail(err, "Parameter 'driver' is missing");
    }
    return (device_class_find(a->driver) ||
            fail(err, "'%.200s' is not a valid device model name", a->driver)) &&
           options_check_device(m, a, err) && device_add(m, a, err);
}

static bool cmd_device_del(Machine *m, void *args, Reply *reply, GError **err)
{
    return device_del(m, ((IdArgs *)args)->id, err);
}

static void usb_line(GString *s, const Bus *bus)
{
    for (unsigned i = 0; i < bus->children->len; i++) {
        const Device *d = bus->children->pdata[i];
        char         *text = bus->describe ? bus->describe(bus, d) : NULL;
        g_string_append_printf(s, "  %s, %s%s%s\n", bus->name, text ? text : d->class->name,
                               d->id ? ", ID: " : "", d->id ? d->id : "");
        g_free(text);
    }
}

static bool cmd_usb(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);
    bool     any = false;

    for (unsigned i = 0; i < m->buses->len; i++) {
        const Bus *bus = m->buses->pdata[i];
        if (!strcmp(bus->type, "usb")) {
            any = true;
            usb_line(s, bus);
        }
    }
    say(reply, "text", any ? s->str : "USB support not enabled\n");
    g_string_free(s, TRUE);
    return true;
}

static bool cmd_vnc_password(Machine *m, void *args, Reply *reply, GError **err)
{
    const PasswordArgs *a = args;

    return console_set_password(m->console, "vnc", a->password ? a->password : "", err);
}

static bool cmd_set_password(Machine *m, void *args, Reply *reply, GError **err)
{
    const SetPasswordArgs *a = args;

    if (strcmp(a->protocol, "vnc")) {
        return fail(err, "set_password: protocol %s: there is vnc", a->protocol);
    }
    if (a->connected && strcmp(a->connected, "keep")) {
        return fail(err, "set_password: connected=%s: there is keep", a->connected);
    }
    return console_set_password(m->console, "vnc", a->password, err);
}

/* ---- queries of programs ---- */

static bool cmd_query_version(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariant    *v = g_variant_ref_sink(qmp_version());
    GVariantIter it;
    const char  *key;
    GVariant    *val;

    g_variant_iter_init(&it, v);
    while (g_variant_iter_next(&it, "{&sv}", &key, &val)) {
        g_variant_builder_add(reply, "{sv}", key, val);
        g_variant_unref(val);
    }
    g_variant_unref(v);
    return true;
}

static bool cmd_query_commands(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    g_variant_builder_init(&list, G_VARIANT_TYPE("av"));
    for (const Entry *e = commands; e->name; e++) {
        if (e->where != CMD_PROMPT) {
            g_variant_builder_init(&one, G_VARIANT_TYPE_VARDICT);
            g_variant_builder_add(&one, "{sv}", "name", g_variant_new_string(e->name));
            g_variant_builder_add(&list, "v", g_variant_builder_end(&one));
        }
    }
    g_variant_builder_init(&one, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&one, "{sv}", "name", g_variant_new_string("qmp_capabilities"));
    g_variant_builder_add(&list, "v", g_variant_builder_end(&one));
    g_variant_builder_add(reply, "{sv}", "return", g_variant_builder_end(&list));
    return true;
}

static bool cmd_query_status(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const states[] = { "paused", "running", "shutdown", "internal-error",
                                          "inmigrate",
        "postmigrate" };

    say(reply, "status", m->state == RUN_PAUSED && m->paused_as ? m->paused_as : states[m->state]);
    say_bool(reply, "running", m->state == RUN_RUNNING);
    say_bool(reply, "singlestep", false);
    return true;
}

static bool cmd_query_name(Machine *m, void *args, Reply *reply, GError **err)
{
    if (m->name) {
        say(reply, "name", m->name);
    }
    return true;
}

static bool cmd_line(Machine *m, void *args, Reply *reply, GError **err)
{
    const LineArgs *a = args;
    char           *line = g_strdup(a->line ? a->line : "");
    GString        *out = g_string_new(NULL);

    prompt_run(m, line, out);
    say(reply, "return", out->str);
    g_string_free(out, TRUE);
    g_free(line);
    return true;
}

typedef struct GdbServerArgs {
    char *device;
} GdbServerArgs;
static const Field gdbserver_args[] = {
    CONFIG(GdbServerArgs, device,
           .help = "Where it listens, as -gdb; without it tcp:127.0.0.1:1234. \"none\": no "
                   "longer."),
    FIELD_END
};

static bool cmd_gdbserver(Machine *m, void *args, Reply *reply, GError **err)
{
    const GdbServerArgs *a = args;

    return gdbstub_open(m, a->device && *a->device ? a->device : GDB_DEFAULT, err);
}

#define ENTRY(name_, S, tab, fn, help_, where_)                                  \
    { .name = name_, .help = help_, .size = sizeof(S), .fields = tab, .run = fn, \
    .where = where_ },
#define CMD(name_, S, tab, fn, help_)        ENTRY(name_, S, tab, fn, help_, CMD_BOTH)
#define CMD_TEXT(name_, S, tab, fn, help_)   ENTRY(name_, S, tab, fn, help_, CMD_PROMPT)
#define CMD_JSON(name_, S, tab, fn, help_)   ENTRY(name_, S, tab, fn, help_, CMD_QMP)
#define QUERY(name_, S, tab, fn, shape, help_)                                   \
    { .name = name_, .help = help_, .size = sizeof(S), .fields = tab, .run = fn, \
    .where = CMD_QMP, .reply = shape },
const Entry commands[] = {
#include "core/commands.def"
    { .name = NULL }
};
