/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_block.c -- commands that start work on disks: copies, new images, several of them at once.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, modules "block-core" and "transaction".
 * Omits: transaction's actions on dirty bitmaps and snapshots, for which there is no format.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/job.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- copies ---- */

const char *const copy_syncs[] = { "full", "top", "none", "incremental", "bitmap", NULL };
static const char *const modes[] = { "absolute-paths", "existing", NULL };
static const char *const reports[] = { "report", NULL };
static const char *const copy_modes[] = { "background", NULL };

#define SOURCE                                                                                     \
    CONFIG_AS(CopyArgs, job_id, "job-id", .help = "A name for the job; that of the device."),      \
    FIELD_(CopyArgs, device, F_CONFIG | F_REQUIRED, 1, .help = "A node, or a drive's device.")
#define TARGET(help_)                                                                              \
    FIELD_(CopyArgs, target, F_CONFIG | F_REQUIRED, 1, .help = help_),                             \
    FIELD_AS_(CopyArgs, sync, T_ENUM, F_CONFIG | F_REQUIRED, 1, .aux = copy_syncs,                 \
              .help = "What of it: full; top is the same here."),                                  \
    CONFIG(CopyArgs, speed, .max = INT64_MAX, .help = "Bytes a second; 0: no limit."),             \
    CONFIG_AS(CopyArgs, auto_finalize, "auto-finalize", .def = 1,                                  \
              .help = "It need not wait for job-finalize."),                                       \
    CONFIG_AS(CopyArgs, auto_dismiss, "auto-dismiss", .def = 1,                                    \
              .help = "Nor for job-dismiss."),                                                     \
    { .name = "on-source-error", .type = T_ENUM, .flags = F_CONFIG, .count = 1, .aux = reports,    \
      .offset = offsetof(CopyArgs, on_source_error), .help = "What an error there does." },        \
    { .name = "on-target-error", .type = T_ENUM, .flags = F_CONFIG, .count = 1, .aux = reports,    \
      .offset = offsetof(CopyArgs, on_target_error), .help = "What an error there does." }
#define FILE_TARGET                                                                                \
    CONFIG(CopyArgs, format, .help = "Its format: raw."),                                          \
    CONFIG_ENUM(CopyArgs, mode, modes, .help = "Whether it is there already.")
#define COPY_MODE                                                                                  \
    { .name = "copy-mode", .type = T_ENUM, .flags = F_CONFIG, .count = 1, .aux = copy_modes,       \
      .offset = offsetof(CopyArgs, copy_mode), .help = "When writes are copied." }

const Field blockdev_backup_args[] = { SOURCE, TARGET("The node."), FIELD_END };
const Field blockdev_mirror_args[] = { SOURCE, TARGET("The node."), COPY_MODE, FIELD_END };
const Field drive_backup_args[] = { SOURCE, TARGET("The file."), FILE_TARGET, FIELD_END };
const Field drive_mirror_args[] = { SOURCE, TARGET("The file."), FILE_TARGET, COPY_MODE,
                                    FIELD_END };

static Job *prepare(Machine *m, CopyArgs *a, bool is_mirror, bool by_name, GError **err)
{
    a->is_mirror = is_mirror;
    a->by_name = by_name;
    if (!m->hooks.copy_prepare) {
        fail(err, "Cannot find device='%.200s' nor node-name='%.200s'", a->device, a->device);
        return NULL;
    }
    return m->hooks.copy_prepare(m, a, err);
}

static void drain(Machine *m)
{
    if (m->drain) {
        m->drain(m);
    }
}

static bool copy(Machine *m, CopyArgs *a, bool is_mirror, bool by_name, GError **err)
{
    Job *j = prepare(m, a, is_mirror, by_name, err);

    if (j) {
        drain(m);
        m->hooks.copy_start(j);
    }
    return j != NULL;
}

bool cmd_blockdev_backup(Machine *m, void *args, Reply *reply, GError **err)
{
    return copy(m, args, false, true, err);
}

bool cmd_blockdev_mirror(Machine *m, void *args, Reply *reply, GError **err)
{
    return copy(m, args, true, true, err);
}

bool cmd_drive_backup(Machine *m, void *args, Reply *reply, GError **err)
{
    return copy(m, args, false, false, err);
}

bool cmd_drive_mirror(Machine *m, void *args, Reply *reply, GError **err)
{
    return copy(m, args, true, false, err);
}

/* ---- new images ---- */

static const char *const create_drivers[] = { "file", "raw", NULL };
static const char *const preallocations[] = { "off", "falloc", NULL };
static const Field create_fields[] = {
    FIELD_AS_(CreateOptions, driver, T_ENUM, F_CONFIG | F_REQUIRED, 1, .aux = create_drivers,
              .help = "file, or raw over a node."),
    CONFIG(CreateOptions, filename, .help = "file: its name."),
    CONFIG(CreateOptions, file, .help = "raw: the node below."),
    FIELD_(CreateOptions, size, F_CONFIG | F_REQUIRED, 1, .help = "In bytes."),
    CONFIG_ENUM(CreateOptions, preallocation, preallocations,
                .help = "Whether the host sets room aside."),
    FIELD_END
};
const Field create_args[] = {
    { .name = "job-id", .type = T_STR, .flags = F_CONFIG | F_REQUIRED, .count = 1,
      .offset = offsetof(CreateArgs, job_id), .help = "A name for the job." },
    FIELD_AS_(CreateArgs, options, T_STRUCT, F_CONFIG | F_REQUIRED, 1,
              .stride = sizeof(CreateOptions), .aux = create_fields, .help = "The image."),
    FIELD_END
};
static const JobClass create_class = { .type = "create" };

static bool create_file(const CreateOptions *o, GError **err)
{
    int fd = open(o->filename, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int rc = fd < 0 || ftruncate(fd, 0) || ftruncate(fd, (off_t)o->size) ? errno : 0;

    if (!rc && o->preallocation && o->size) {
        rc = posix_fallocate(fd, 0, (off_t)o->size);
    }
    if (fd >= 0) {
        close(fd);
    }
    return !rc || fail(err, "Could not create '%.200s': %s", o->filename, g_strerror(rc));
}

bool cmd_blockdev_create(Machine *m, void *args, Reply *reply, GError **err)
{
    const CreateArgs    *a = args;
    const CreateOptions *o = &a->options;
    bool                 is_file = o->driver == 0, ok;
    g_autoptr(GError)    why = NULL;
    Job                 *j;

    if (is_file ? !o->filename : !o->file) {
        return fail(err, "Parameter '%s' is missing", is_file ? "filename" : "file");
    }
    if (is_file ? o->file != NULL : o->filename || o->preallocation) {
        return fail(err, "Parameter '%s' is unexpected",
                    is_file ? "file" : o->filename ? "filename" : "preallocation");
    }
    if (o->size > INT64_MAX || o->size % 512) {
        return fail(err, "Parameter 'size' expects a multiple of 512");
    }
    if (!(j = job_new(m, &create_class, a->job_id, NULL, err))) {
        return false;
    }
    j->auto_dismiss = false;
    j->total = j->done = 1;
    job_run(j);
    ok = is_file ? create_file(o, &why)
         : m->hooks.resize ? m->hooks.resize(m, NULL, o->file, o->size, &why)
                           : fail(&why, "this machine has no disks");
    job_end(j, ok ? NULL : why->message);
    return true;
}

/* ---- several at once ---- */

typedef struct Action {
    char      *type;
    GPtrArray *data;                  /* OptPair */
} Action;

static const struct { const char *type; const Field *fields; bool by_name; } kinds[] = {
    { "blockdev-backup", blockdev_backup_args, true },
    { "drive-backup", drive_backup_args, false },
    { "abort", NULL, false },
};
static const char *const completions[] = { "individual", "grouped", NULL };
static const Field data_fields[] = {
    FIELD_AS_(Action, data, T_LIST, F_CONFIG | F_REST, 1, .help = "Its arguments."),
    FIELD_END
};
static const Field action_fields[] = {
    FIELD_(Action, type, F_CONFIG | F_REQUIRED, 1, .help = "blockdev-backup, drive-backup, abort."),
    { .name = "data", .type = T_STRUCT, .flags = F_CONFIG | F_REQUIRED, .count = 1,
      .stride = sizeof(Action), .aux = data_fields, .help = "Its arguments." },
    FIELD_END
};
static const Field properties_fields[] = {
    { .name = "completion-mode", .type = T_ENUM, .flags = F_CONFIG, .count = 1,
      .offset = offsetof(TransactionArgs, completion_mode), .aux = completions,
      .help = "grouped: none of the jobs counts unless all do." },
    FIELD_END
};
const Field transaction_args[] = {
    FIELD_AS_(TransactionArgs, actions, T_LIST, F_CONFIG | F_REQUIRED, 1, .stride = sizeof(Action),
              .aux = action_fields, .help = "What is to begin, all of it or nothing."),
    { .name = "properties", .type = T_STRUCT, .flags = F_CONFIG, .count = 1,
      .stride = sizeof(TransactionArgs), .aux = properties_fields, .help = "How it ends." },
    FIELD_END
};

static Job *prepare_action(Machine *m, const Action *a, GError **err)
{
    CopyArgs args = { 0 };
    Job     *j = NULL;
    bool     ok = true;
    unsigned k = 0;

    while (k < G_N_ELEMENTS(kinds) && strcmp(kinds[k].type, a->type)) {
        k++;
    }
    if (k == G_N_ELEMENTS(kinds)) {
        fail(err, "transaction: action '%.100s' is not supported; there are blockdev-backup, "
                  "drive-backup and abort", a->type);
        return NULL;
    }
    if (!kinds[k].fields) {
        fail(err, "Transaction aborted using Abort action");
        return NULL;
    }
    fields_defaults(kinds[k].fields, &args);
    for (guint i = 0; ok && a->data && i < a->data->len; i++) {
        const OptPair *p = a->data->pdata[i];
        ok = field_parse(kinds[k].fields, &args, p->key, p->val, err);
    }
    if (ok && fields_check(kinds[k].fields, &args, err)) {
        j = prepare(m, &args, false, kinds[k].by_name, err);
    }
    fields_clear(kinds[k].fields, &args);
    return j;
}

bool cmd_transaction(Machine *m, void *args, Reply *reply, GError **err)
{
    const TransactionArgs *a = args;
    g_autoptr(GPtrArray)   jobs = g_ptr_array_new();
    bool                   ok = true;

    for (guint i = 0; ok && i < a->actions->len; i++) {
        Job *j = prepare_action(m, a->actions->pdata[i], err);
        ok = j != NULL;
        if (ok) {
            g_ptr_array_add(jobs, j);
        }
    }
    if (!ok || !jobs->len) {
        for (guint i = 0; i < jobs->len; i++) {
            job_drop(jobs->pdata[i]);
        }
        return ok;
    }
    drain(m);
    unsigned group = a->completion_mode && jobs->len > 1 ? job_group(m) : 0;
    for (guint i = 0; i < jobs->len; i++) {
        ((Job *)jobs->pdata[i])->group = group;
        m->hooks.copy_start(jobs->pdata[i]);
    }
    return true;
}
