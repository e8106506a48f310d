/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.c -- work in the background: its states, the commands that follow and end it, its events.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, modules "job" (JobStatus, JobVerb) and
 *   "block-core" (BlockJobInfo, block-job-*).
 * Omits: on-error policies other than report.
 * Threads: the main context with the machine lock.
 *
 *     created -> running <-> paused      ready <-> standby
 *                   |   \__________________^ |
 *                   v                        v
 *                waiting -> pending -> concluded -> gone        aborting -> concluded: it failed,
 *                                                               or was cancelled
 */
#include "core/job.h"
#include "core/commands.h"

static const char *const names[] = { "created", "running", "paused", "ready", "standby", "waiting",
                                     "pending", "aborting", "concluded", "null" };

/* ---- states ---- */

static GVariant *block_info(const Job *j)
{
    GVariantBuilder b;

    object_start(&b);
    say(&b, "type", j->class->type);
    say(&b, "device", j->id);
    say_int(&b, "len", (int64_t)j->total);
    say_int(&b, "offset", (int64_t)j->done);
    say_int(&b, "speed", (int64_t)j->speed);
    if (j->error) {
        say(&b, "error", j->error);
    }
    return g_variant_builder_end(&b);
}

/* What users of block jobs hear of it; READY and COMPLETED tell as much as query-block-jobs. */
static void block_event(Job *j, const char *name)
{
    GVariant *info = g_variant_ref_sink(block_info(j));

    if (j->class->is_block) {
        machine_event(j->machine, name, info);
    }
    g_variant_unref(info);
}

static void change(Job *j, JobState to)
{
    GVariantBuilder b;

    j->state = to;
    object_start(&b);
    say(&b, "id", j->id);
    say(&b, "status", names[to]);
    machine_event(j->machine, "JOB_STATUS_CHANGE", g_variant_builder_end(&b));
}

static void job_free(Job *j)
{
    g_ptr_array_remove(j->machine->jobs, j);
    g_free(j->id);
    g_free(j->error);
    g_free(j);
}

static void conclude(Job *j)
{
    bool ok = !j->failed && !j->cancelled;

    if (j->class->finish && !j->class->finish(j, ok)) {
        j->failed |= ok;
    }
    block_event(j, j->cancelled && !j->failed ? "BLOCK_JOB_CANCELLED" : "BLOCK_JOB_COMPLETED");
    change(j, JOB_CONCLUDED);
    if (j->auto_dismiss) {
        change(j, JOB_GONE);
        job_free(j);
    }
}

static void pend(Job *j)
{
    GVariantBuilder b;

    change(j, JOB_PENDING);
    if (j->auto_finalize) {
        conclude(j);
        return;
    }
    if (j->class->is_block) {
        object_start(&b);
        say(&b, "type", j->class->type);
        say(&b, "id", j->id);
        machine_event(j->machine, "BLOCK_JOB_PENDING", g_variant_builder_end(&b));
    }
}

static void abort_job(Job *j)
{
    change(j, JOB_ABORTING);
    conclude(j);
}

/* Jobs of one transaction: one that does not succeed takes the rest along. */
static void abort_group(Machine *m, unsigned group)
{
    for (guint i = 0; i < m->jobs->len; i++) {
        Job *j = m->jobs->pdata[i];
        if (j->group != group || j->state > JOB_WAITING) {
            continue;
        }
        j->group = 0;
        j->cancelled = true;
        if (j->state == JOB_WAITING) {
            abort_job(j);
        } else if (j->class->cancel) {
            j->class->cancel(j, true);
        }
        i = (guint)-1;                  /* the list may be another now */
    }
}

/* And all are done before any counts. */
static void pend_group(Machine *m, unsigned group)
{
    for (guint i = 0; i < m->jobs->len; i++) {
        const Job *j = m->jobs->pdata[i];
        if (j->group == group && j->state < JOB_WAITING) {
            return;
        }
    }
    for (guint i = 0; i < m->jobs->len; i++) {
        Job *j = m->jobs->pdata[i];
        if (j->group == group) {
            j->group = 0;
            pend(j);
            i = (guint)-1;
        }
    }
}

void job_end(Job *j, const char *error)
{
    Machine *m = j->machine;
    unsigned group = j->group;

    j->failed = error != NULL;
    j->error = g_strdup(error);
    if (j->failed || j->cancelled) {
        j->group = 0;
        abort_job(j);
        if (group) {
            abort_group(m, group);
        }
        return;
    }
    change(j, JOB_WAITING);
    if (group) {
        pend_group(m, group);
    } else {
        pend(j);
    }
}

Job *job_find(Machine *m, const char *id)
{
    for (guint i = 0; m->jobs && i < m->jobs->len; i++) {
        Job *j = m->jobs->pdata[i];
        if (!strcmp(j->id, id)) {
            return j;
        }
    }
    return NULL;
}

static bool id_ok(const char *id)
{
    bool ok = g_ascii_isalpha(*id);

    for (; *id; id++) {
        ok &= g_ascii_isalnum(*id) || strchr("-._", *id);
    }
    return ok;
}

Job *job_new(Machine *m, const JobClass *class, const char *id, void *data, GError **err)
{
    Job *j;

    m->jobs = m->jobs ? m->jobs : g_ptr_array_new();
    if (!id || !id_ok(id)) {
        fail(err, "Invalid job ID '%.200s'", id ? id : "");
        return NULL;
    }
    if (job_find(m, id)) {
        fail(err, "Job ID '%.200s' already in use", id);
        return NULL;
    }
    j = g_new0(Job, 1);
    j->class = class;
    j->machine = m;
    j->id = g_strdup(id);
    j->data = data;
    j->auto_finalize = j->auto_dismiss = true;
    g_ptr_array_add(m->jobs, j);
    change(j, JOB_CREATED);
    return j;
}

void job_run(Job *j)
{
    change(j, JOB_RUNNING);
}

unsigned job_group(Machine *m)
{
    unsigned n = 1;

    for (guint i = 0; i < m->jobs->len; i++) {
        n = MAX(n, ((const Job *)m->jobs->pdata[i])->group + 1);
    }
    return n;
}

void job_drop(Job *j)
{
    if (j->class->finish) {
        j->class->finish(j, false);
    }
    change(j, JOB_GONE);
    job_free(j);
}

void job_ready(Job *j)
{
    if (j->state == JOB_RUNNING) {
        change(j, JOB_READY);
        block_event(j, "BLOCK_JOB_READY");
    }
}

bool job_paused(Job *j)
{
    if (j->paused && (j->state == JOB_RUNNING || j->state == JOB_READY)) {
        change(j, j->state == JOB_RUNNING ? JOB_PAUSED : JOB_STANDBY);
    }
    return j->paused;
}

void jobs_free(Machine *m)
{
    while (m->jobs && m->jobs->len) {
        Job *j = m->jobs->pdata[m->jobs->len - 1];
        if (j->state < JOB_CONCLUDED && j->class->finish) {
            j->class->finish(j, false);
        }
        job_free(j);
    }
    g_clear_pointer(&m->jobs, g_ptr_array_unref);
}

/* ---- commands ---- */

typedef enum { CANCEL, PAUSE, RESUME, SET_SPEED, COMPLETE, FINALIZE, DISMISS } Verb;
#define IN(s) (1u << JOB_##s)
#define AT_WORK (IN(CREATED) | IN(RUNNING) | IN(PAUSED) | IN(READY) | IN(STANDBY))
static const struct { const char *name; unsigned in; } verbs[] = {
    [CANCEL] = { "cancel", AT_WORK | IN(WAITING) | IN(PENDING) }, [PAUSE] = { "pause", AT_WORK },
    [RESUME] = { "resume", AT_WORK }, [SET_SPEED] = { "set-speed", AT_WORK },
    [COMPLETE] = { "complete", IN(READY) }, [FINALIZE] = { "finalize", IN(PENDING) },
    [DISMISS] = { "dismiss", IN(CONCLUDED) },
};

static bool allowed(const Job *j, Verb v, GError **err)
{
    return verbs[v].in >> j->state & 1 ||
           fail(err, "Job '%s' in state '%s' cannot accept command verb '%s'", j->id,
                names[j->state], verbs[v].name);
}

static bool cancel(Job *j, bool force, GError **err)
{
    if (j->state == JOB_PENDING) {
        j->cancelled = true;
        abort_job(j);
        return true;
    }
    if (!j->class->cancel) {
        return fail(err, "Job '%s' cannot be cancelled: it is too short", j->id);
    }
    /* a mirror that is ready is ended where it is: that is no failure */
    j->cancelled = force || (j->state != JOB_READY && j->state != JOB_STANDBY);
    j->paused = false;
    j->class->cancel(j, force);
    return true;
}

static bool resume(Job *j, GError **err)
{
    if (!j->paused) {
        return fail(err, "Can't resume a job that was not paused");
    }
    j->paused = false;
    if (j->state == JOB_PAUSED || j->state == JOB_STANDBY) {
        change(j, j->state == JOB_PAUSED ? JOB_RUNNING : JOB_READY);
        if (j->class->resume) {
            j->class->resume(j);
        }
    }
    return true;
}

static bool apply(Job *j, Verb v, const JobArgs *a, GError **err)
{
    if (!allowed(j, v, err)) {
        return false;
    }
    switch (v) {
    case CANCEL:
        return cancel(j, a->force, err);
    case PAUSE:
        if (j->paused) {
            return fail(err, "Job is already paused");
        }
        j->paused = true;
        return true;
    case RESUME:
        return resume(j, err);
    case SET_SPEED:
        j->speed = a->speed;
        return true;
    case COMPLETE:
        return j->class->complete ? j->class->complete(j, err)
                                  : fail(err, "Job '%s' cannot be completed", j->id);
    case FINALIZE:
        conclude(j);
        return true;
    case DISMISS:
        change(j, JOB_GONE);
        job_free(j);
        return true;
    }
    return true;
}

static bool job_command(Machine *m, const JobArgs *a, Verb v, GError **err)
{
    Job    *j = job_find(m, a->id);
    JobArgs forced = *a;

    forced.force = true;                /* job-cancel */
    return j ? apply(j, v, &forced, err) : fail(err, "Job not found");
}

static bool block_command(Machine *m, const JobArgs *a, Verb v, GError **err)
{
    Job *j = job_find(m, a->id);

    if (!j || !j->class->is_block) {
        g_set_error(err, RYOKAN_ERROR, RYOKAN_NO_DEVICE, "Block job '%.200s' not found", a->id);
        return false;
    }
    return apply(j, v, a, err);
}

#define VERB(word, v)                                                                              \
    bool cmd_job_##word(Machine *m, void *args, Reply *reply, GError **err)                        \
    {                                                                                              \
        return job_command(m, args, v, err);                                                       \
    }                                                                                              \
    bool cmd_block_job_##word(Machine *m, void *args, Reply *reply, GError **err)                  \
    {                                                                                              \
        return block_command(m, args, v, err);                                                     \
    }
VERB(cancel, CANCEL)
VERB(pause, PAUSE)
VERB(resume, RESUME)
VERB(complete, COMPLETE)
VERB(finalize, FINALIZE)
VERB(dismiss, DISMISS)

bool cmd_block_job_set_speed(Machine *m, void *args, Reply *reply, GError **err)
{
    return block_command(m, args, SET_SPEED, err);
}

#define ID(key)                                                                                    \
    { .name = key, .type = T_STR, .flags = F_CONFIG | F_REQUIRED, .count = 1,                      \
      .offset = offsetof(JobArgs, id), .help = "The job." }
const Field job_args[] = { ID("id"), FIELD_END };
const Field block_job_args[] = { ID("device"), FIELD_END };
const Field block_job_cancel_args[] = {
    ID("device"),
    CONFIG(JobArgs, force, .help = "Also one that is ready: the target is not made whole."),
    FIELD_END
};
const Field block_job_speed_args[] = {
    ID("device"),
    FIELD_(JobArgs, speed, F_CONFIG | F_REQUIRED, 1, .max = INT64_MAX,
           .help = "Bytes a second; 0: no limit."),
    FIELD_END
};

bool cmd_query_jobs(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (guint i = 0; m->jobs && i < m->jobs->len; i++) {
        const Job *j = m->jobs->pdata[i];
        object_start(&one);
        say(&one, "id", j->id);
        say(&one, "type", j->class->type);
        say(&one, "status", names[j->state]);
        say_int(&one, "current-progress", (int64_t)j->done);
        say_int(&one, "total-progress", (int64_t)j->total);
        if (j->error) {
            say(&one, "error", j->error);
        }
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_query_block_jobs(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (guint i = 0; m->jobs && i < m->jobs->len; i++) {
        const Job *j = m->jobs->pdata[i];
        if (!j->class->is_block) {
            continue;
        }
        object_start(&one);
        say(&one, "type", j->class->type);
        say(&one, "device", j->id);
        say_int(&one, "len", (int64_t)j->total);
        say_int(&one, "offset", (int64_t)j->done);
        say_bool(&one, "busy", j->state == JOB_RUNNING);
        say_bool(&one, "paused", j->paused);
        say_int(&one, "speed", (int64_t)j->speed);
        say(&one, "io-status", "ok");
        say_bool(&one, "ready", j->state == JOB_READY || j->state == JOB_STANDBY);
        say(&one, "status", names[j->state]);
        say_bool(&one, "auto-finalize", j->auto_finalize);
        say_bool(&one, "auto-dismiss", j->auto_dismiss);
        if (j->error) {
            say(&one, "error", j->error);
        }
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}
