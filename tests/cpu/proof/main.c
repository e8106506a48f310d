/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c -- the proof of the CPU: every row of the opcode tables, in every form that user code can
 * have, run by the host's processor and by each engine with the same state; all registers, flags,
 * memory and faults are compared.
 *
 * Usage: proof [-s SEED] [-n CASES] [-t SECONDS] [-k STATES] [-b BATCH] [-e native|interp|traces]
 *   [-m MODE] [-r ROW] [-d ITEMS] [-a] [-q] [-v] without -n and -t: twelve batches for each row;
 *   'make check-cpu' runs that
 *   -a  each batch on one engine only, in turn: for long runs
 *   -d  the engines' log, as ryokan -d has it
 *   -b  this batch only, as a difference's reproducer line says; -v prints it all; -r rows of this
 *   name only; -q sequences only
 *
 * A batch is one piece of code with STATES states and follows from SEED and its number alone.  A
 * forked worker runs the batches; if it dies or hangs, the batch that did it is a failure and
 * another worker goes on behind it.
 *
 * Spec: Intel SDM vol. 2; undefined.def for what is not compared.
 * Omits: code of CPL 0 (tests/guest, and sequences engine against engine), instructions that
 *   proof_runs_here() names.
 * Threads: one a process.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "core/log.h"
#include "tests/args.h"
#include "tests/cpu/proof/proof.h"

#ifndef __x86_64__
int main(void)
{
    printf("ok proof: this host is another architecture; nothing to compare with\n");
    return 0;
}
#else

enum { MAX_ROWS = 4096, MAX_SHOWN = 400, N_ENGINES = 2, DEAD_MAX = 5, LOOPS_MAX = 3 };
typedef struct Shared {                 /* between the worker and its parent */
    uint64_t batch, host_cases, cases[N_ENGINES], faults, differences;
    uint32_t shown;
    uint32_t hits[MAX_ROWS], bad[MAX_ROWS];
    bool     absent[MAX_ROWS], done;
} Shared;

typedef struct Proof {
    uint64_t seed, cases, states, end_ns, batches;
    int64_t  only;
    int      mode, seconds;
    const char *engine, *row, *log;
    bool     verbose, sequences, in_process, in_turn;
    Engine  *engines[N_ENGINES];
    unsigned n_engines, n_rows;
    const X86Row *rows;
    Shared  *s;
    char    *bios;
} Proof;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool wanted(const Proof *p, unsigned row)
{
    return !p->row || (p->rows[row].name && !strcasecmp(p->row, p->rows[row].name));
}

/* Batches go through rows and modes in turn; every eighth is a sequence. */
static bool batch_code(Proof *p, uint64_t batch, Rng *r, ProofCode *c)
{
    ProofMode mode = p->mode >= 0 ? (ProofMode)p->mode
                                  : (ProofMode)(batch % 8 < 4    ? PM_64
                                                : batch % 8 < 6  ? PM_32
                                                : batch % 8 == 6 ? PM_L32
                                                                 : PM_L16);

    if (p->sequences || (!p->row && batch % 9 == 8)) {
        proof_sequence(c, r, mode, true);
        return true;
    }
    unsigned row = 1 + (unsigned)(batch * 2654435761u % (p->n_rows - 1));
    if (!x86_has_feature(engine_cpu(p->engines[0]), p->rows[row].feature)) {
        p->s->absent[row] = true;
        return false;
    }
    return wanted(p, row) && proof_code(c, r, row, mode);
}

/* With -a: of a batch's engines one. */
static bool engine_runs(const Proof *p, unsigned e, uint64_t batch)
{
    return !p->in_turn || p->n_engines < 2 || e == (batch * UINT64_C(0x9e3779b97f4a7c15) >> 63);
}

static void difference(Proof *p, uint64_t batch, unsigned state, const char *engine,
                       const ProofCode *c, const char *why, const ProofState *in,
                       const ProofState *want, const ProofState *got)
{
    unsigned row = c->valid && !c->sequence ? (unsigned)(c->insn.row - p->rows) : c->row;

    p->s->differences++;
    if (p->s->bad[row]++ < (c->sequence ? 12 : 1) &&
        p->s->shown++ < MAX_SHOWN + (p->verbose ? 1000000 : 0)) {
        GString *o = g_string_new(NULL);
        proof_print(c, in, want, got, o);
        printf("differs: %s (state %u): %s\n%s    again: proof -s %" PRIu64 " -k %" PRIu64
               " -b %" PRIu64 "%s\n",
               engine, state, why, o->str, p->seed, p->states, batch, p->sequences ? " -q" : "");
        g_string_free(o, TRUE);
        fflush(stdout);
    }
}

/* The first difference of memory, if any, and both made the same. */
static bool memory_differs(Engine *e, const ProofCode *c, GString *why)
{
    uint8_t *host = host_memory(), *here = engine_memory(e);

    for (unsigned k = 14;
         c->valid && !c->sequence && strstr(c->insn.row->name, "SAVE") && k < P_MEMORY; k += 16) {
        if (!memcmp(host + k - 2, "\xff\xff\2", 4) && !memcmp(here + k - 2, "\xff\xff\0", 4)) {
            /* MXCSR_MASK: MM is AMD's alone (APM1 4.2.2) */
            here[k] = 2;
        }
    }

    if (!memcmp(host, here, P_MEMORY)) {
        return false;
    }
    for (unsigned k = 0, n = 0; k < P_MEMORY; k++) {
        if (host[k] != here[k] && n++ < 8) {
            g_string_append_printf(why, "%smemory %x: host %02x here %02x", why->len ? ", " : "",
                                   P_DATA + k, host[k], here[k]);
        }
    }
    memcpy(here, host, P_MEMORY);
    return true;
}

static void run_batch(Proof *p, uint64_t batch)
{
    static uint8_t pattern[P_MEMORY];
    static ProofState in, want, got;
    ProofCode c;
    Rng r;
    uint32_t from, n;
    unsigned loops = 0;
    static GString *why;

    rng_seed(&r, p->seed);
    if (!why) {
        why = g_string_new(NULL);
        proof_memory(pattern, &r);
        proof_values_open(&r);
    }
    rng_seed(&r, p->seed * 0x9e3779b97f4a7c15u + batch);
    if (!batch_code(p, batch, &r, &c)) {
        return;
    }
    if (p->in_process) {
        printf("batch %" PRIu64 ": %s, %u bytes\n", batch,
               c.sequence ? "sequence" : p->rows[c.row].name, c.n);
        fflush(stdout);
    }
    in.rip = 0;
    host_code(&c);
    memcpy(host_memory(), pattern, P_MEMORY);
    for (unsigned e = 0; e < p->n_engines; e++) {
        if (!engine_runs(p, e, batch)) {
            continue;
        }
        engine_code(p->engines[e], &c);
        memcpy(engine_memory(p->engines[e]), pattern, P_MEMORY);
    }
    for (unsigned k = 0; k < p->states; k++) {
        proof_state(&in, &r, &c, host_memory(), &from, &n);
        for (unsigned e = 0; e < p->n_engines && n; e++) {
            memcpy(engine_memory(p->engines[e]) + from, host_memory() + from, n);
        }
        host_run(&in, &want);
        if (want.vector == PROOF_TIMEOUT) {
            /* it loops; where it was stopped no one can foresee */
            for (unsigned e = 0; e < p->n_engines; e++) {
                memcpy(engine_memory(p->engines[e]), host_memory(), P_MEMORY);
            }
            if (++loops == LOOPS_MAX) {
                /* a far jump to itself does from every state */
                break;
            }
            continue;
        }
        p->s->host_cases++;
        p->s->faults += want.vector >= 0;
        for (unsigned e = 0; e < p->n_engines; e++) {
            if (!engine_runs(p, e, batch)) {
                continue;
            }
            engine_run(p->engines[e], &c, &in, &got);
            p->s->cases[engine_name(p->engines[e])[0] == 'n']++;
            bool same = proof_same(&c, &in, &want, &got, why);
            bool memory =
                memory_differs(p->engines[e], &c, why) && proof_memory_counts(&c, &in, &want, &got);
            if (memory || !same) {
                difference(p, batch, k, engine_name(p->engines[e]), &c, why->str, &in, &want, &got);
            }
        }
    }
    if (c.valid && !c.sequence) {
        unsigned k = (unsigned)(c.insn.row - p->rows);
        bool twin = (c.insn.rex & 8) && k > 1 && g_str_has_suffix(p->rows[k - 1].name, "_w") &&
                    p->rows[k - 1].opcode == c.insn.opcode;
        p->s->hits[k - twin] += (uint32_t)p->states;    /* REX.W: the row before */
    }
}

static void worker(Proof *p)
{
    static const char *const names[N_ENGINES] = { "interp", "native" };

    if (!host_open()) {
        printf("proof: this kernel has no modify_ldt: no local descriptors\n");
    }
    if (p->engine && !strcmp(p->engine, "traces")) {
        p->engines[p->n_engines++] = engine_open("traces", p->bios);
    }
    for (unsigned k = 0; k < N_ENGINES; k++) {
        if (!p->engine || !strcmp(p->engine, names[k])) {
            p->engines[p->n_engines++] = engine_open(names[k], p->bios);
        }
    }
    log_setup(p->log, NULL, NULL);
    if (p->only >= 0) {
        p->s->batch = (uint64_t)p->only;
        run_batch(p, p->s->batch);
    } else {
        while (p->s->host_cases < p->cases && p->s->batch < p->batches &&
               (!p->end_ns || now_ns() < p->end_ns)) {
            run_batch(p, p->s->batch);
            p->s->batch++;
        }
    }
    p->s->done = true;
    fflush(stdout);
    _exit(0);
}

/* Runs workers until one ends well; how many did not. */
static unsigned supervise(Proof *p)
{
    unsigned dead = 0;

    while (!p->s->done && dead < DEAD_MAX) {
        fflush(stdout);
        pid_t pid = fork();
        int status = 0;
        if (!pid) {
            worker(p);
        }
        uint64_t last = UINT64_MAX, since = now_ns();
        while (!waitpid(pid, &status, WNOHANG)) {
            if (p->s->host_cases != last) {
                last = p->s->host_cases;
                since = now_ns();
            } else if (now_ns() - since > 20000000000u) {
                kill(pid, SIGKILL);
            }
            usleep(p->only >= 0 ? 1000 : 10000);
        }
        if (!p->s->done) {
            printf("differs: the worker %s %d in batch %" PRIu64 "\n    again: proof -s %" PRIu64
                   " -k %" PRIu64 " -b %" PRIu64 "\n",
                   WIFSIGNALED(status) ? "ended by signal" : "ended with status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), p->s->batch,
                   p->seed, p->states, p->s->batch);
            p->s->differences++;
            p->s->batch++;
            dead++;
            if (p->only >= 0) {
                break;
            }
        }
    }
    return dead;
}

static unsigned report_rows(Proof *p, bool names)
{
    unsigned reached = 0, apart = 0, missed = 0;
    const char *why;

    for (unsigned k = 1; k < p->n_rows; k++) {
        const X86Row *row = &p->rows[k];
        if (!proof_runs_here(row, &why)) {
            apart++;
            if (names) {
                printf("    not here: %-12s map %u opcode %02x: %s\n", row->name, row->map,
                       row->opcode, row->name ? why : "");
            }
        } else if (p->s->absent[k]) {
            apart++;
            printf("    not here: %s: -cpu max has not got it\n", row->name);
        } else if (p->s->hits[k]) {
            reached++;
        } else if (++missed <= 40 || names) {
            printf("    not reached: %s, map %u opcode %02x prefix %x modrm %02x\n", row->name,
                   row->map, row->opcode, row->prefix, row->modrm_value);
        }
    }
    printf("proof: %u rows of the tables reached, %u cannot be run by user code or have no "
           "comparable result, %u not reached\n",
           reached, apart, missed);
    return missed;
}

static char *bios_make(void)
{
    char *path = NULL, image[65536];
    int fd = g_file_open_tmp("proof-XXXXXX", &path, NULL);

    memset(image, 0xf4, sizeof image);
    if (fd < 0 || write(fd, image, sizeof image) != sizeof image) {
        perror("proof");
        exit(1);
    }
    close(fd);
    return path;
}

int main(int argc, char **argv)
{
    Proof p = { .seed = 1, .cases = UINT64_MAX, .states = 6, .only = -1, .mode = -1 };
    bool names = false;
    const Arg args[] = {
        ARG('s', p.seed, "SEED"), ARG('n', p.cases, "CASES"), ARG('t', p.seconds, "SECONDS"), ARG('k', p.states, "STATES"),
        ARG('b', p.only, "BATCH"), ARG('e', p.engine, "ENGINE"), ARG('m', p.mode, "MODE"), ARG('r', p.row, "ROW"),
        ARG('d', p.log, "ITEMS"), ARG('a', p.in_turn, NULL), ARG('q', p.sequences, NULL), ARG('v', p.verbose, NULL),
        ARG('l', names, NULL), ARG('f', p.in_process, NULL), ARGS_END,
    };

    if (!args_parse(argc, argv, args)) {
        return 2;
    }
    p.rows = proof_rows(&p.n_rows);
    p.batches = p.cases == UINT64_MAX && !p.seconds ? 12 * (uint64_t)p.n_rows : UINT64_MAX;
    p.s = mmap(NULL, sizeof *p.s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p.bios = bios_make();
    uint64_t start = now_ns();
    p.end_ns = p.seconds ? start + (uint64_t)p.seconds * 1000000000u : 0;
    if (p.in_process) {                 /* for a debugger */
        worker(&p);
    }
    supervise(&p);
    unlink(p.bios);
    unsigned missed = p.only < 0 && !p.row && !p.sequences ? report_rows(&p, names) : 0;
    /* a short run need not reach all */
    missed = p.s->batch < 12 * (uint64_t)p.n_rows ? 0 : missed;
    for (unsigned k = 1; k < p.n_rows; k++) {
        if (p.s->bad[k]) {
            printf("    %u differences: %s, map %u opcode %02x\n", p.s->bad[k], p.rows[k].name,
                   p.rows[k].map, p.rows[k].opcode);
        }
    }
    printf("%s proof: seed %" PRIu64 ", %" PRIu64 " batches, %" PRIu64
           " cases on the host (%" PRIu64 " faults), %" PRIu64 " interpreted, %" PRIu64
           " native, %.0f s, %" PRIu64 " differences\n",
           p.s->differences || missed ? "not ok" : "ok", p.seed, p.s->batch, p.s->host_cases,
           p.s->faults, p.s->cases[0], p.s->cases[1], (double)(now_ns() - start) / 1e9,
           p.s->differences);
    return p.s->differences || missed;
}
#endif
