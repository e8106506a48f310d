/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.h -- work in the background that programs start, follow and end: query-jobs and job-*.
 *
 * Who starts one calls job_new(), then job_run(); job_end() when all is done or has failed.  From
 * there on this file takes it through its states, and calls finish() once, when what was done is to
 * count, or is to be undone.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_JOB_H
#define CORE_JOB_H
#include "core/machine.h"

typedef enum { JOB_CREATED, JOB_RUNNING, JOB_PAUSED, JOB_READY, JOB_STANDBY, JOB_WAITING,
               JOB_PENDING, JOB_ABORTING, JOB_CONCLUDED, JOB_GONE } JobState;
typedef struct Job Job;

typedef struct JobClass {
    const char *type;                 /* as query-jobs says it */
    bool        is_block;             /* query-block-jobs and BLOCK_JOB_* know it too */
    /* it may go on: it was held by job_paused(); optional */
    void      (*resume)(Job *j);
    bool      (*complete)(Job *j, GError **err);        /* JOB_READY only; optional */
    /* it is to end soon, by job_end(); optional: it is so short that it cannot be ended */
    void      (*cancel)(Job *j, bool force);
    /*
     * it counts, or not; frees j->data; false: it does not after all (j->error says why); optional
     */
    bool      (*finish)(Job *j, bool ok);
} JobClass;

struct Job {
    const JobClass *class;
    Machine  *machine;
    char     *id, *error;
    void     *data;                   /* of the class */
    JobState  state;
    bool      auto_finalize, auto_dismiss, cancelled, paused;
    bool      failed;                 /* job_end() said so */
    uint64_t  done, total;            /* progress, in whatever it counts */
    uint64_t  speed;                  /* bytes a second; 0: no limit */
    unsigned  group;                  /* of a transaction: it waits for the others; 0: none */
};

/* In JOB_CREATED.  NULL: the id is none, or taken. */
Job *job_new(Machine *m, const JobClass *class, const char *id, void *data, GError **err);
void job_run(Job *j);
void job_drop(Job *j);                /* it was not to be, and has not run */
unsigned job_group(Machine *m);       /* a number that no job has as its group */
void job_ready(Job *j);
bool job_paused(Job *j);              /* it is to stand still: it calls this before each step */
void job_end(Job *j, const char *error);      /* NULL: all went well */
void jobs_free(Machine *m);           /* at the machine's end: cancels them */
Job *job_find(Machine *m, const char *id);
#endif
