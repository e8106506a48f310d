/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapjob.c -- snapshot-save, -load and -delete: what savevm, loadvm and delvm do, as jobs.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "migration": snapshot-save.
 * Omits: snapshots of some of the disks: all that are written to have to be named, since all of
 *   them belong to the machine's state.  The state is in a file beside the image (snapshot.c), not
 *   in the node that vmstate names.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/job.h"
#include "core/snapshot.h"


typedef struct SnapJob {
    Job     *job;
    char    *tag;
    GSource *source;                  /* that does it */
} SnapJob;

static bool snapjob_finish(Job *j, bool ok)
{
    SnapJob *s = j->data;

    if (s->source) {
        g_source_destroy(s->source);
        g_source_unref(s->source);
    }
    g_free(s->tag);
    g_free(s);
    return ok;
}

static const JobClass save_class = { .type = "snapshot-save", .finish = snapjob_finish };
static const JobClass load_class = { .type = "snapshot-load", .finish = snapjob_finish };
static const JobClass delete_class = { .type = "snapshot-delete", .finish = snapjob_finish };

static bool work(Machine *m, const SnapJob *s, GError **err)
{
    if (s->job->class == &load_class) {
        return snapshot_load(m, s->tag, false, err);
    }
    if (s->job->class == &delete_class) {
        return snapshot_delete(m, s->tag, err);
    }
    return snapshot_tag_exists(m, s->tag)
               ? fail(err, "Snapshot '%s' already exists in one or more devices", s->tag)
               : snapshot_save(m, s->tag, SNAP_PLAIN, err);
}

static gboolean snapjob_run(void *arg)
{
    SnapJob *s = arg;
    Machine *m = s->job->machine;
    GError  *err = NULL;

    machine_lock(m);
    if (job_paused(s->job)) {
        machine_unlock(m);
        g_source_set_ready_time(s->source, -1);
        return G_SOURCE_CONTINUE;
    }
    g_clear_pointer(&s->source, g_source_unref);
    bool ok = work(m, s, &err);
    s->job->done = s->job->total;
    job_end(s->job, ok ? NULL : err->message);
    g_clear_error(&err);
    machine_unlock(m);
    return G_SOURCE_REMOVE;
}

static bool begin(Machine *m, const JobClass *class, const SnapJobArgs *a, bool names_vmstate,
                  GError **err)
{
    Job     *j;
    SnapJob *s;

    if (!m->hooks.snapshot_disks) {
        return fail(err, "%s: this machine has no disks", class->type);
    }
    if (!m->hooks.snapshot_disks(m, names_vmstate ? a->vmstate : NULL, a->devices, err) ||
        !(j = job_new(m, class, a->job_id, NULL, err))) {
        return false;
    }
    s = g_new0(SnapJob, 1);
    s->job = j;
    s->tag = g_strdup(a->tag);
    s->source = g_timeout_source_new(0);
    j->data = s;
    j->auto_dismiss = false;
    j->total = 1;
    job_run(j);
    g_source_set_callback(s->source, snapjob_run, s, NULL);
    g_source_attach(s->source, m->context);
    return true;
}

bool cmd_snapshot_save(Machine *m, void *args, Reply *reply, GError **err)
{
    return begin(m, &save_class, args, true, err);
}

bool cmd_snapshot_load(Machine *m, void *args, Reply *reply, GError **err)
{
    return begin(m, &load_class, args, true, err);
}

bool cmd_snapshot_delete(Machine *m, void *args, Reply *reply, GError **err)
{
    return begin(m, &delete_class, args, false, err);
}

#define NAMED(key, m_, help_)                                                                      \
    { .name = key, .type = T_STR, .flags = F_CONFIG | F_REQUIRED, .count = 1,                      \
      .offset = offsetof(SnapJobArgs, m_), .help = help_ }
#define DEVICES                                                                                    \
    FIELD_AS_(SnapJobArgs, devices, T_LIST, F_CONFIG | F_REQUIRED | F_MANY, 1,                     \
              .help = "The disks that are written to, by node or drive.")
const Field snapshot_job_args[] = {
    NAMED("job-id", job_id, "A name for the job."), NAMED("tag", tag, "Its name."),
    NAMED("vmstate", vmstate, "One of the disks."), DEVICES, FIELD_END
};
const Field snapshot_delete_args[] = {
    NAMED("job-id", job_id, "A name for the job."), NAMED("tag", tag, "Its name."), DEVICES,
    FIELD_END
};
