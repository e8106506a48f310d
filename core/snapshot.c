/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot.c -- savevm and its kin keep machines under tags; migrate and -incoming move one through
 * a file.
 *
 * Spec: QEMU QMP Reference Manual, "Migration" (words and states).
 * Omits: migration while the guest runs: it is stopped while the file is written, or written to a
 *        scratch file and sent; parameters but max-bandwidth, capabilities.
 * Threads: the main context with the machine lock.
 *
 * Tags are files IMAGE.snapshots/TAG.ryk beside the first image that is written to, or, where there
 * is none, NAME.snapshots/TAG.ryk in the current folder (NAME: -name, else "ryokan").
 */
#include "core/snapshot.h"
#include "core/newfile.h"
#include "core/options.h"
#include "core/snapfile.h"
#include "core/snapwire.h"
#include "core/trace.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".ryk"
enum { TAG_MAX = 64 };

typedef GVariantBuilder Reply;
typedef enum { MIG_NONE, MIG_SETUP, MIG_ACTIVE, MIG_COMPLETED, MIG_FAILED, MIG_CANCELLING,
               MIG_CANCELLED } MigState;
static const char *const mig_names[] = { "none",   "setup",      "active",   "completed",
                                         "failed", "cancelling", "cancelled" };

struct Snapshots {
    bool      busy;                   /* a command is at work: the main loop may run meanwhile */
    MigState  state;
    GSource  *source;                 /* a migration that is to begin */
    char     *uri, *error;
    SnapWire *wire;                   /* with scratch: what is on its way */
    int       scratch;
    bool      resume;                 /* if that fails */
    SnapCodec codec;
    int64_t   start_us, total_us, down_us;
    uint64_t  bytes, total;           /* that went over, and that were to */
    uint64_t  bandwidth;              /* bytes a second on a connection; 0: no limit */
};

#define CODEC(S) { .name = "compress", .type = T_ENUM, .flags = F_CONFIG, .count = 1, \
                   .offset = offsetof(S, codec), .aux = snap_codecs, \
                   .help = "How RAM is packed; none: it loads page by page as needed." }
#define URI(S) FIELD_(S, uri, F_CONFIG | F_REQUIRED, 1, \
                      .help = "file:PATH, unix:PATH, tcp:HOST:PORT, fd:NAME or exec:COMMAND.")
#define TAG(S) FIELD_(S, tag, F_CONFIG | F_REQUIRED, 1, .help = "Its name.")
#define VERIFY(S) \
    CONFIG(S, verify, .help = "Read all of RAM first and check it; else it is mapped, unread.")

const Field tag_args[] = { TAG(TagArgs), FIELD_END };
const Field load_args[] = { TAG(LoadArgs), VERIFY(LoadArgs), FIELD_END };
const Field save_args[] = {
    CONFIG(SaveArgs, tag, .help = "A name for it; made from the time where not given."),
    CODEC(SaveArgs), FIELD_END
};
const Field migrate_args[] = {
    URI(MigrateArgs), CODEC(MigrateArgs),
    CONFIG(MigrateArgs, detach,
           .help = "Accepted: the JSON command never waits, the prompt's always does."),
    CONFIG(MigrateArgs, blk, .help = "Disks too: not there."),
    CONFIG(MigrateArgs, inc, .help = "What is over their backing files: not there."),
    CONFIG(MigrateArgs, resume, .help = "Go on with one that is paused: not there."),
    FIELD_END
};
const Field incoming_args[] = { URI(IncomingArgs), VERIFY(IncomingArgs), FIELD_END };

static struct Snapshots *state_of(Machine *m)
{
    if (!m->snapshots) {
        m->snapshots = g_new0(struct Snapshots, 1);
        m->snapshots->scratch = -1;
    }
    return m->snapshots;
}

/* ---- stopping and going on ---- */

static bool begin(Machine *m, const char *what, bool *was_running, GError **err)
{
    struct Snapshots *s = state_of(m);

    if (s->busy) {
        return fail(err, "%s: another snapshot command is still at work", what);
    }
    *was_running = m->state == RUN_RUNNING;
    s->busy = true;
    machine_stop(m);
    if (*was_running) {
        machine_event(m, "STOP", NULL);
    }
    return true;
}

static void end(Machine *m, bool run)
{
    m->snapshots->busy = false;
    if (run) {
        machine_cont(m);
        machine_event(m, "RESUME", NULL);
    }
}

/* What the guest has asked for and the main loop has not done yet belongs to neither state. */
static bool settled(Machine *m, const char *what, GError **err)
{
    return !machine_requested(m) ||
           fail(err, "%s: the machine is just being reset or switched off; try again", what);
}

static bool save(Machine *m, const char *path, const char *tag, SnapCodec codec, bool was_running,
                 bool to_return, GError **err)
{
    return settled(m, to_return ? "savevm" : "migrate", err) &&
           snapfile_save(m, path, tag, codec, was_running, to_return, err);
}

static bool load_file(Machine *m, SnapFile *f, bool verify, bool fresh, bool *was_running,
                      GError **err)
{
    SnapAbout about;
    bool      ok;

    if (!f) {
        return false;
    }
    snapfile_about(f, &about);
    ok = (!verify || snapfile_verify(f, err)) && snapfile_load(m, f, fresh, err);
    if (ok && was_running) {
        *was_running = about.was_running;
    }
    snapfile_close(f);
    return ok;
}

static bool load(Machine *m, const char *path, bool verify, bool fresh, GError **err)
{
    return load_file(m, snapfile_open(path, err), verify, fresh, NULL, err);
}

/* ---- tags ---- */

static char *folder(Machine *m)
{
    char *beside = m->disks && m->disks->folder ? m->disks->folder(m) : NULL;

    return beside ? beside : g_strconcat(m->name ? m->name : "ryokan", ".snapshots", NULL);
}

static bool tag_ok(const char *tag, GError **err)
{
    bool ok = *tag && *tag != '.' && strlen(tag) <= TAG_MAX && g_utf8_validate(tag, -1, NULL);

    for (const char *p = tag; *p && ok; p++) {
        ok = *p != '/' && (unsigned char)*p >= ' ' && *p != 0x7f;
    }
    return ok ||
           fail(err,
                "snapshot tag \"%.80s\": must be 1 to %d characters, no / in it and no . in front",
                tag, TAG_MAX);
}

static char *tag_path(Machine *m, const char *tag)
{
    g_autofree char *dir = folder(m), *file = g_strconcat(tag, SUFFIX, NULL);

    return g_build_filename(dir, file, NULL);
}

bool snapshot_tag_exists(Machine *m, const char *tag)
{
    g_autofree char *path = tag_path(m, tag);

    return tag_ok(tag, NULL) && !access(path, F_OK);
}

bool snapshot_save(Machine *m, const char *tag, SnapCodec codec, GError **err)
{
    g_autofree char *dir = folder(m), *path = tag_path(m, tag);
    bool             was_running, ok;

    if (!tag_ok(tag, err) ||
        (m->state == RUN_INMIGRATE && !fail(err, "savevm: there is no guest yet")) ||
        !begin(m, "savevm", &was_running, err)) {
        return false;
    }
    if (g_mkdir_with_parents(dir, 0700)) {
        ok = fail(err,
                  "savevm: cannot make the folder %s, where snapshots belong: %s; start in a "
                  "folder that can be written to, with a disk image in one, or use migrate "
                  "file:PATH",
                  dir, g_strerror(errno));
    } else {
        ok = save(m, path, tag, codec, was_running, true, err);
    }
    end(m, was_running);
    return ok;
}

bool cmd_savevm(Machine *m, void *args, Reply *reply, GError **err)
{
    const SaveArgs      *a = args;
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *tag =
        a->tag && *a->tag ? g_strdup(a->tag) : g_date_time_format(now, "vm-%Y%m%d%H%M%S");

    return snapshot_save(m, tag, (SnapCodec)a->codec, err);
}

bool snapshot_load(Machine *m, const char *tag, bool verify, GError **err)
{
    g_autofree char *path = tag_path(m, tag);
    bool             was_running, ok;

    if (!tag_ok(tag, err) || !begin(m, "loadvm", &was_running, err)) {
        return false;
    }
    ok = settled(m, "loadvm", err) && load(m, path, verify, false, err);
    if (ok && m->state != RUN_RUNNING) {
        m->state = RUN_PAUSED;
        m->paused_as = NULL;            /* what stopped the machine before was another one's */
    }
    end(m, was_running);
    return ok;
}

bool cmd_loadvm(Machine *m, void *args, Reply *reply, GError **err)
{
    const LoadArgs *a = args;

    return snapshot_load(m, a->tag, a->verify, err);
}

bool snapshot_delete(Machine *m, const char *tag, GError **err)
{
    g_autofree char *path = tag_path(m, tag);

    return tag_ok(tag, err) &&
           (!unlink(path) || fail(err, "delvm %s: %s", path, g_strerror(errno)));
}

bool cmd_delvm(Machine *m, void *args, Reply *reply, GError **err)
{
    return snapshot_delete(m, ((TagArgs *)args)->tag, err);
}

static void one_line(GString *out, const char *path, const char *tag)
{
    SnapFile *f = snapfile_open(path, NULL);
    SnapAbout a;

    if (!f) {
        g_string_append_printf(out, "%-24s (damaged, or no snapshot)\n", tag);
        return;
    }
    snapfile_about(f, &a);
    g_autoptr(GDateTime) t = g_date_time_new_from_unix_local(a.date_s);
    g_autofree char     *date = t ? g_date_time_format(t, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
    uint64_t             ms = a.guest_ns / 1000000;
    g_string_append_printf(
        out, "%-24s %7.1f MiB %19s %4" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64 "  %s\n",
        tag, (double)a.bytes / (1 << 20), date, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
        ms % 1000, a.build);
    snapfile_close(f);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool cmd_info_snapshots(Machine *m, void *args, Reply *reply, GError **err)
{
    g_autofree char     *dir = folder(m);
    g_autoptr(GString)   out = g_string_new(NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GDir                *d = g_dir_open(dir, 0, NULL);
    const char          *name;

    while (d && (name = g_dir_read_name(d))) {
        if (g_str_has_suffix(name, SUFFIX)) {
            g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(SUFFIX)));
        }
    }
    g_clear_pointer(&d, g_dir_close);
    g_ptr_array_sort(names, by_name);
    g_string_append_printf(
        out, names->len ? "In %s:\n%-24s %11s %19s %14s  BY\n" : "There are no snapshots in %s\n",
        dir, "TAG", "SIZE", "DATE", "GUEST'S CLOCK");
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = tag_path(m, names->pdata[i]);
        one_line(out, path, names->pdata[i]);
    }
    g_variant_builder_add(reply, "{sv}", "text", g_variant_new_string(out->str));
    return true;
}

/* ---- migration ---- */

bool snapshot_check_address(const char *option, const char *uri, GError **err)
{
    if ((!g_str_has_prefix(uri, "file:") || !uri[5]) && !snapwire_known(uri)) {
        return fail(
            err, "%s %.200s: must be file:PATH, unix:PATH, tcp:HOST:PORT, fd:NAME or exec:COMMAND",
            option, uri);
    }
    return !g_str_has_prefix(uri, "file:") || !strstr(uri, ",offset=") ||
           fail(err, "%s %.200s: offset= is not supported", option, uri);
}

static void set_state(Machine *m, MigState state)
{
    GVariantBuilder b;

    m->snapshots->state = state;
    trace_migrate_status(mig_names[state]);
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&b, "{sv}", "status", g_variant_new_string(mig_names[state]));
    machine_event(m, "MIGRATION", g_variant_builder_end(&b));
}

static void start(Machine *m)
{
    struct Snapshots *s = state_of(m);

    g_clear_pointer(&s->error, g_free);
    s->start_us = g_get_monotonic_time();
    s->total_us = s->down_us = 0;
    s->bytes = 0;
    set_state(m, MIG_SETUP);
}

static void finish(Machine *m, bool ok, const GError *why)
{
    struct Snapshots *s = m->snapshots;

    s->total_us = g_get_monotonic_time() - s->start_us;
    s->error = why ? g_strdup(why->message) : NULL;
    set_state(m, ok ? MIG_COMPLETED : MIG_FAILED);
}

static void drop_wire(struct Snapshots *s)
{
    g_clear_pointer(&s->wire, snapwire_close);
    if (s->scratch >= 0) {
        close(s->scratch);
        s->scratch = -1;
    }
}

/* The file is written, or sent, or neither. */
static void migrated(Machine *m, bool ok, const GError *why)
{
    struct Snapshots *s = m->snapshots;

    s->down_us = g_get_monotonic_time() - s->down_us;
    drop_wire(s);
    if (ok && (m->state == RUN_PAUSED || m->state == RUN_RUNNING)) {
        m->state = RUN_POSTMIGRATE;
    }
    finish(m, ok, why);
    end(m, s->resume && !ok);
}

static void sent(Machine *m, const char *error)
{
    GError *why = error ? g_error_new_literal(RYOKAN_ERROR, 0, error) : NULL;

    m->snapshots->bytes = snapwire_moved(m->snapshots->wire, &m->snapshots->total);
    migrated(m, !error, why);
    g_clear_error(&why);
}

static bool to_file(Machine *m, GError **err)
{
    struct Snapshots *s = m->snapshots;
    struct stat       st;
    bool              ok = save(m, s->uri + 5, "", s->codec, s->resume, false, err);

    s->bytes = s->total = ok && !stat(s->uri + 5, &st) ? (uint64_t)st.st_blocks * 512 : 0;
    return ok;
}

static bool to_wire(Machine *m, GError **err)
{
    struct Snapshots *s = m->snapshots;

    return settled(m, "migrate", err) && (s->scratch = scratch_open("migration", NULL, err)) >= 0 &&
           snapfile_write(m, s->scratch, s->uri, s->codec, s->resume, err) &&
           (s->wire = snapwire_send(m, s->uri, s->scratch, sent, err)) &&
           (snapwire_limit(s->wire, s->bandwidth), true);
}

uint64_t snapshot_bandwidth(Machine *m)
{
    return state_of(m)->bandwidth;
}

void snapshot_set_bandwidth(Machine *m, uint64_t bytes_s)
{
    struct Snapshots *s = state_of(m);

    s->bandwidth = bytes_s;
    if (s->wire) {
        snapwire_limit(s->wire, bytes_s);
    }
}

bool snapshot_is_sending(Machine *m)
{
    return state_of(m)->wire && m->state != RUN_INMIGRATE;
}

void snapshot_break_off(Machine *m)
{
    if (snapshot_is_sending(m)) {
        g_autoptr(GError) why = g_error_new_literal(RYOKAN_ERROR, 0, "broken off by yank");
        migrated(m, false, why);
    }
}

static gboolean migrate_now(void *arg)
{
    Machine          *m = arg;
    struct Snapshots *s = m->snapshots;
    GError           *err = NULL;
    bool              ok, file = g_str_has_prefix(s->uri, "file:");

    machine_lock(m);
    g_clear_pointer(&s->source, g_source_unref);
    set_state(m, MIG_ACTIVE);
    s->down_us = g_get_monotonic_time();
    if (!begin(m, "migrate", &s->resume, &err)) {
        finish(m, false, err);
    } else {
        ok = file ? to_file(m, &err) : to_wire(m, &err);
        if (file || !ok) {
            migrated(m, ok, err);
        }
    }
    g_clear_error(&err);
    machine_unlock(m);
    return G_SOURCE_REMOVE;
}

static bool migrate_soon(Machine *m, void *args, GError **err)
{
    MigrateArgs      *a = args;
    struct Snapshots *s = state_of(m);

    if (!snapshot_check_address("migrate", a->uri, err)) {
        return false;
    }
    if (a->blk || a->inc) {
        return fail(err, "migrate: disks are not sent; blockdev-mirror copies them");
    }
    if (a->resume) {
        return fail(err, "Cannot resume if there is no paused migration");
    }
    if (m->state == RUN_INMIGRATE) {
        return fail(err, "Guest is waiting for an incoming migration");
    }
    if (s->state == MIG_SETUP || s->state == MIG_ACTIVE) {
        return fail(err, "There's a migration process in progress");
    }
    g_free(s->uri);
    s->uri = g_strdup(a->uri);
    s->codec = (SnapCodec)a->codec;
    start(m);
    s->source = g_idle_source_new();
    g_source_set_priority(s->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(s->source, migrate_now, m, NULL);
    return true;
}

bool cmd_migrate(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!migrate_soon(m, args, err)) {
        return false;
    }
    g_source_attach(m->snapshots->source, m->context);
    return true;
}

/* At the prompt it is over when the command is. */
bool cmd_migrate_wait(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!migrate_soon(m, args, err)) {
        return false;
    }
    migrate_now(m);
    while (m->snapshots->wire) {
        g_main_context_iteration(m->context, TRUE);
    }
    return !m->snapshots->error || fail(err, "%s", m->snapshots->error);
}

bool cmd_migrate_cancel(Machine *m, void *args, Reply *reply, GError **err)
{
    struct Snapshots *s = state_of(m);

    if (s->source) {
        g_source_destroy(s->source);
        g_clear_pointer(&s->source, g_source_unref);
        s->total_us = g_get_monotonic_time() - s->start_us;
        set_state(m, MIG_CANCELLED);
    } else if (s->wire && m->state != RUN_INMIGRATE) {
        set_state(m, MIG_CANCELLING);
        drop_wire(s);
        s->total_us = g_get_monotonic_time() - s->start_us;
        set_state(m, MIG_CANCELLED);
        end(m, s->resume);
    }
    return true;
}

static void add_int(Reply *b, const char *key, int64_t v)
{
    g_variant_builder_add(b, "{sv}", key, g_variant_new_int64(v));
}

bool cmd_query_migrate(Machine *m, void *args, Reply *reply, GError **err)
{
    const struct Snapshots *s = state_of(m);
    GVariantBuilder         ram;

    if (s->state == MIG_NONE) {
        return true;
    }
    g_variant_builder_add(reply, "{sv}", "status", g_variant_new_string(mig_names[s->state]));
    if (s->error) {
        g_variant_builder_add(reply, "{sv}", "error-desc", g_variant_new_string(s->error));
    }
    bool    sending = s->state == MIG_ACTIVE && s->wire && m->state != RUN_INMIGRATE;
    int64_t so_far = (sending ? g_get_monotonic_time() - s->start_us : s->total_us) / 1000;
    if (sending || (s->state == MIG_COMPLETED && s->bytes)) {
        uint64_t total = s->total, moved = sending ? snapwire_moved(s->wire, &total) : s->bytes;
        add_int(reply, "total-time", so_far);
        add_int(reply, sending ? "expected-downtime" : "downtime",
                sending ? so_far : s->down_us / 1000);
        add_int(reply, "setup-time", 0);
        g_variant_builder_init(&ram, G_VARIANT_TYPE_VARDICT);
        add_int(&ram, "total", (int64_t)m->ram.size);
        add_int(&ram, "remaining", total > moved ? (int64_t)(total - moved) : 0);
        add_int(&ram, "transferred", (int64_t)moved);
        add_int(&ram, "normal-bytes", (int64_t)total);
        add_int(&ram, "normal", (int64_t)(total / 4096));
        add_int(&ram, "duplicate",
                m->ram.size > total ? (int64_t)((m->ram.size - total) / 4096) : 0);
        add_int(&ram, "page-size", 4096);
        add_int(&ram, "dirty-sync-count", 1);
        g_variant_builder_add(reply, "{sv}", "ram", g_variant_builder_end(&ram));
    }
    return true;
}

/*
 * Leaves the machine paused; *run: it ran when it was saved.  fd: what has come over a wire, or -1:
 * uri is a file.
 */
static bool take_in(Machine *m, const char *uri, int fd, bool verify, bool *run, GError **err)
{
    GError *why = NULL;
    bool    ok, was_running;

    m->state = RUN_INMIGRATE;           /* a client's cont may come in meanwhile */
    ok = begin(m, "-incoming", &was_running, &why);
    if (ok) {
        ok = load_file(m,
                       fd < 0 ? snapfile_open(uri + 5, &why) : snapfile_open_fd(dup(fd), uri, &why),
                       verify, true, run, &why);
        m->snapshots->busy = false;
    }
    if (ok) {
        m->state = RUN_PAUSED;
        m->paused_as = NULL;
    }
    finish(m, ok, why);
    if (why) {
        g_propagate_error(err, why);
    }
    return ok;
}

static void run_taken(Machine *m, bool run)
{
    if (run && !m->options->start_paused) {
        machine_cont(m);
        machine_event(m, "RESUME", NULL);
    }
}

/* Without -incoming defer nobody can try another time. */
static void received(Machine *m, const char *error)
{
    struct Snapshots *s = m->snapshots;
    GError           *err = error ? g_error_new_literal(RYOKAN_ERROR, 0, error) : NULL;
    bool              run = false, ok = !error;

    if (error) {
        finish(m, false, err);
    } else {
        ok = take_in(m, s->uri, s->scratch, true, &run, &err);
    }
    drop_wire(s);
    if (ok) {
        run_taken(m, run);
    } else if (strcmp(m->options->incoming, "defer")) {
        g_printerr("ryokan: %s\n", err->message);
        machine_exit_request(m, 1);
    }
    g_clear_error(&err);
}

static uint64_t most_incoming(const Machine *m)
{
    /* a bound against nonsense: disks' contents come besides RAM */
    return 4 * m->ram.size + (UINT64_C(64) << 30);
}

static bool receive(Machine *m, const char *uri, GError **err)
{
    struct Snapshots *s = state_of(m);

    g_free(s->uri);
    s->uri = g_strdup(uri);
    if ((s->scratch = scratch_open("migration", NULL, err)) < 0 ||
        !(s->wire = snapwire_receive(m, uri, s->scratch, most_incoming(m), received, err))) {
        drop_wire(s);
        return false;
    }
    start(m);
    set_state(m, MIG_ACTIVE);
    m->state = RUN_INMIGRATE;
    return true;
}

bool cmd_migrate_incoming(Machine *m, void *args, Reply *reply, GError **err)
{
    const char *uri = ((IncomingArgs *)args)->uri;
    bool        run = false;

    if (m->state != RUN_INMIGRATE || state_of(m)->wire) {
        return fail(
            err,
            "migrate-incoming: the machine does not wait for one; start it with -incoming defer");
    }
    if (!snapshot_check_address("migrate-incoming", uri, err)) {
        return false;
    }
    if (!g_str_has_prefix(uri, "file:")) {
        return receive(m, uri, err);
    }
    start(m);
    set_state(m, MIG_ACTIVE);
    if (!take_in(m, uri, -1, ((IncomingArgs *)args)->verify, &run, err)) {
        return false;
    }
    run_taken(m, run);
    return true;
}

bool snapshot_busy(const Machine *m)
{
    return m->snapshots && m->snapshots->busy;
}

bool snapshot_cont(Machine *m)
{
    if (m->state == RUN_INMIGRATE) {    /* when it has come */
        m->options->start_paused = false;
        return true;
    }
    if (m->state == RUN_POSTMIGRATE) {
        m->state = RUN_PAUSED;
    }
    return false;
}

bool snapshot_start(Machine *m, GError **err)
{
    struct Options *o = m->options;
    bool            ok = true, run = true;

    if (o->loadvm && o->incoming) {
        return fail(err, "-loadvm and -incoming: only one of them can say what to start with");
    }
    machine_lock(m);
    if (o->loadvm) {
        g_autofree char *path = tag_path(m, o->loadvm);
        m->state = RUN_INMIGRATE;       /* a client's cont may come in meanwhile */
        ok = tag_ok(o->loadvm, err) && load(m, path, false, true, err);
        m->state = RUN_PAUSED;
    } else if (o->incoming && !strcmp(o->incoming, "defer")) {
        m->state = RUN_INMIGRATE;
    } else if (o->incoming && !g_str_has_prefix(o->incoming, "file:")) {
        ok = receive(m, o->incoming, err);
    } else if (o->incoming) {
        start(m);
        set_state(m, MIG_ACTIVE);
        ok = take_in(m, o->incoming, -1, false, &run, err);
    }
    o->start_paused |= !run;
    machine_unlock(m);
    return ok;
}

void snapshot_free(struct Snapshots *s)
{
    if (s) {
        if (s->source) {
            g_source_destroy(s->source);
            g_source_unref(s->source);
        }
        drop_wire(s);
        g_free(s->uri);
        g_free(s->error);
        g_free(s);
    }
}
