/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.c -- the prompt for people, and the commands behind it.
 *
 * Spec: none; command names are those in common use.
 * Omits: line editing beyond backspace and Ctrl-U; QMP.
 * Threads: the main context with the machine lock.
 */
#include "core/display.h"
#include "core/monitor.h"
#include "accel/accel.h"
#include "core/mem_view.h"
#include "core/options.h"
#include "core/schema.h"
#include "core/vcpu.h"
#include "core/version.h"
#include <inttypes.h>
#include <string.h>

#define LINE_MAX_BYTES 1024
#define PROMPT         "(ryokan) "

struct Monitor {
    Machine *machine;
    Chardev *chr;
    GString *line;
    bool     greeted;
};

typedef struct NoArgs {
    char unused;
} NoArgs;

typedef struct XpArgs {
    uint64_t at;
    uint32_t count;
} XpArgs;
static const Field xp_args[] = {
    CONFIG(XpArgs, at, .help = "Physical address."),
    CONFIG(XpArgs, count, .def = 16, .min = 1, .max = 4096, .help = "32-bit words."),
    FIELD_END
};

typedef GVariantBuilder Reply;

static void say(Reply *reply, const char *key, const char *text)
{
    g_variant_builder_add(reply, "{sv}", key, g_variant_new_string(text));
}

/* ---- commands ---- */

static bool cmd_help(Machine *m, void *args, Reply *reply, GError **err)
{
    GString *s = g_string_new(NULL);

    for (const Entry *e = commands; e->name; e++) {
        g_string_append_printf(s, "%-18s %s\n", e->name, e->help);
    }
    say(reply, "text", s->str);
    g_string_free(s, TRUE);
    return true;
}

static bool cmd_quit(Machine *m, void *args, Reply *reply, GError **err)
{
    machine_exit_request(m, 0);
    return true;
}

static bool cmd_stop(Machine *m, void *args, Reply *reply, GError **err)
{
    machine_stop(m);
    return true;
}

static bool cmd_cont(Machine *m, void *args, Reply *reply, GError **err)
{
    if (m->state == RUN_SHUTDOWN || m->state == RUN_FATAL) {
        return fail(err, "the guest has powered off; system_reset starts it again");
    }
    machine_cont(m);
    return true;
}

static bool cmd_reset(Machine *m, void *args, Reply *reply, GError **err)
{
    machine_reset_request(m, "the monitor");
    return true;
}

static bool cmd_powerdown(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!m->power_button) {
        return fail(err, "this machine has no power button");
    }
    m->power_button(m->power_button_dev);
    return true;
}

static bool cmd_status(Machine *m, void *args, Reply *reply, GError **err)
{
    static const char *const states[] = { "paused", "running", "paused (shutdown)", "paused (internal error)" };

    say(reply, "VM status", states[m->state]);
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
        g_string_append_printf(s, "CPU #%u: %s%s\n", v->index, v->cpu_ops->name,
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
            g_string_append_printf(s, "  %016" PRIx64 "-%016" PRIx64 " %s %s %s+0x%" PRIx64 "\n", l->at, l->at + l->size - 1,
                                   how[l->seen & 3], l->region->host ? (l->region->readonly ? "rom" : "ram") : "i/o",
                                   l->region->name ? l->region->name : "?", l->from);
        }
    }
}

static bool cmd_jit(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!m->accel || !m->accel->info) {
        return fail(err, "info jit: accelerator %s keeps no counts", m->accel ? m->accel->name : "(none)");
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

static bool cmd_xp(Machine *m, void *args, Reply *reply, GError **err)
{
    const XpArgs *a = args;
    GString      *s = g_string_new(NULL);

    for (uint32_t i = 0; i < a->count; i++) {
        hwaddr   at = a->at + 4ull * i;
        uint32_t word;
        MemRange l;
        if (i % 4 == 0) {
            g_string_append_printf(s, "%s%016" PRIx64 ":", i ? "\n" : "", at);
        }
        if (as_lookup(m->as_memory, at, false, &l) && l.region->host) {     /* reading a device would change it */
            as_read(m->as_memory, at, &word, 4);
            g_string_append_printf(s, " 0x%08x", word);
        } else {
            g_string_append(s, " ----------");
        }
    }
    g_string_append_c(s, '\n');
    say(reply, "text", s->str);
    g_string_free(s, TRUE);
    return true;
}

#define CMD(name_, S, tab, fn, help_) { .name = name_, .help = help_, .size = sizeof(S), .fields = tab, .run = fn },
const Entry commands[] = {
#include "core/commands.def"
    { .name = NULL }
};

/* ---- the prompt ---- */

static void print(Monitor *mon, const char *text)
{
    chr_write(mon->chr, text, strlen(text));
}

static void print_reply(Monitor *mon, GVariant *reply)
{
    GVariantIter it;
    const char  *key;
    GVariant    *v;

    g_variant_iter_init(&it, reply);
    while (g_variant_iter_next(&it, "{&sv}", &key, &v)) {
        const char *text = g_variant_get_string(v, NULL);
        if (strcmp(key, "text")) {
            print(mon, key);
            print(mon, ": ");
        }
        print(mon, text);
        if (!*text || text[strlen(text) - 1] != '\n') {
            print(mon, "\n");
        }
        g_variant_unref(v);
    }
}

/* The longest command name that the line starts with; *rest is what follows. */
static const Entry *find_command(const char *line, const char **rest)
{
    const Entry *best = NULL;
    size_t       best_n = 0;

    for (const Entry *e = commands; e->name; e++) {
        size_t n = strlen(e->name);
        if (n > best_n && !strncmp(line, e->name, n) && (!line[n] || line[n] == ' ')) {
            best = e;
            best_n = n;
        }
    }
    *rest = line + best_n + strspn(line + best_n, " ");
    return best;
}

static void run_line(Monitor *mon, char *line)
{
    static const struct { const char *is, *means; } shorts[] = { { "q", "quit" }, { "c", "cont" }, { "s", "stop" }, { "?", "help" } };
    GVariantBuilder reply;
    const Entry    *e;
    const char     *rest;
    GError         *err = NULL;
    GVariant       *v;

    g_strstrip(line);
    if (!*line) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(shorts); i++) {
        if (!strcmp(line, shorts[i].is)) {
            line = (char *)shorts[i].means;
        }
    }
    e = find_command(line, &rest);
    if (!e) {
        print(mon, "unknown command; \"help\" lists them\n");
        return;
    }
    g_variant_builder_init(&reply, G_VARIANT_TYPE_VARDICT);
    if (!entry_run_text(e, mon->machine, rest, &reply, &err)) {
        print(mon, err->message);
        print(mon, "\n");
        g_clear_error(&err);
    }
    v = g_variant_ref_sink(g_variant_builder_end(&reply));
    print_reply(mon, v);
    g_variant_unref(v);
}

static void greet(Monitor *mon)
{
    if (!mon->greeted) {
        print(mon, "Ryokan " RYOKAN_VERSION " monitor; \"help\" lists the commands\n");
        mon->greeted = true;
    }
    print(mon, PROMPT);
    print(mon, mon->line->str);
}

static void monitor_key(Monitor *mon, char c)
{
    switch (c) {
    case '\r':
    case '\n':
        print(mon, "\n");
        run_line(mon, mon->line->str);
        g_string_truncate(mon->line, 0);
        print(mon, PROMPT);
        break;
    case '\b':
    case 0x7f:
        if (mon->line->len) {
            g_string_truncate(mon->line, mon->line->len - 1);
            print(mon, "\b \b");
        }
        break;
    case 0x15:                          /* Ctrl-U */
        g_string_truncate(mon->line, 0);
        print(mon, "\r\033[K" PROMPT);
        break;
    default:
        if ((unsigned char)c >= ' ' && mon->line->len < LINE_MAX_BYTES) {
            g_string_append_c(mon->line, c);
            chr_write(mon->chr, &c, 1);
        }
    }
}

static void monitor_receive(void *dev, const uint8_t *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        monitor_key(dev, (char)buf[i]);
    }
}

static void monitor_event(void *dev, ChrEvent event)
{
    Monitor *mon = dev;

    if (event == CHR_FOCUS_IN || (event == CHR_OPENED && !chr_is_mux(mon->chr))) {
        greet(mon);
    }
}

Monitor *monitor_new(Machine *m, Chardev *c)
{
    Monitor *mon = g_new0(Monitor, 1);
    ChrUser  user = { .receive = monitor_receive, .event = monitor_event, .dev = mon };

    mon->machine = m;
    mon->chr = c;
    mon->line = g_string_new(NULL);
    chr_attach(c, &user);
    return mon;
}

void monitor_free(Monitor *mon)
{
    g_string_free(mon->line, TRUE);
    g_free(mon);
}
