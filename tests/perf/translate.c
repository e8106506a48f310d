/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate.c -- what translation costs: a program's text as blocks of 64-bit user code, one behind
 * the other, none of them run.
 *
 * usage: translate [-f FILE] [-a OFFSET] [-n BYTES] [-r ROUNDS] [-o ACCEL] [-k] [-c [-v]]
 *
 * The vCPU's own CPU time for each guest instruction, least and median of ROUNDS after the first;
 * host bytes for each guest byte.  Each round translates all of it into an empty arena.  -c:
 * instead, one round, and a hash of the code without what depends on where it is (as the cache on
 * disk keeps it), for comparing two programs that should emit the same; -v: of each block.  -k: as
 * kernel code.  -o: options of -accel dbt.
 * Counted in host instructions: valgrind --tool=callgrind --toggle-collect=block_find.
 *
 * Omits: running it, links, and kills.
 * Threads: one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "accel/dbt/internal.h"
#include "cpu/x86/cpu.h"
#include "tests/machine.h"

enum { CODE = 0x100000, RAM_MIB = 64, MAX_BYTES = 32 << 20, PACK_MAX = 1 << 20 };

typedef struct Args {
    const char *file, *accel;
    size_t at, bytes;
    unsigned rounds;
    bool kernel, compare, verbose;
} Args;

static Machine *start(const Args *a, const char *dir)
{
    g_autofree char *accel =
        g_strdup_printf("dbt%s%s%s%s", a->accel ? "," : "", a->accel ? a->accel : "",
                        a->compare ? ",cache=" : "", a->compare ? dir : "");
    const char *args[] = { "translate", "-nodefaults", "-display", "none", "-vga", "none", "-m",
                           G_STRINGIFY(64), "-cpu", "max", "-accel",
                           accel, NULL };
    Machine *m = machine_new();
    g_autoptr(GError) err = NULL;

    if (!machine_from(m, args, &err) || !machine_start(m, &err)) {
        fprintf(stderr, "translate: %s\n", err->message);
        exit(1);
    }
    return m;
}

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* All blocks of the text; hash: of their code, or NULL. */
static void translate_all(DbtCpu *c, size_t bytes, GChecksum *hash, bool verbose)
{
    DbtMachine *d = c->dbt;
    g_autofree uint8_t *pack = hash ? g_malloc(PACK_MAX) : NULL;

    for (uint64_t pc = CODE; pc < CODE + bytes - 64;) {
        c->pc = pc;
        const Block *b = block_find(c);
        if (b && hash) {
            size_t n = d->backend->pack(d, b, pack, PACK_MAX);
            g_checksum_update(hash, (const guchar *)&b->code_bytes, sizeof(b->code_bytes));
            g_checksum_update(hash, (const guchar *)&b->from, 2 * sizeof(b->from));
            g_checksum_update(hash, pack, (gssize)n);
            if (verbose) {
                g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_MD5, pack, n);
                printf("%#" PRIx64 " %u %zu %s\n", pc, b->code_bytes, n, sum);
            }
        }
        pc += b ? b->length : 1;
    }
}

/* Where the linker has put a function is no difference: calls all go to the program's start. */
static void level_calls(DbtMachine *d)
{
    extern char __executable_start;
    DbtGuest *g = g_memdup2(d->guest, sizeof *g);
    IrHelperDesc *helpers = g_memdup2(g->helpers, g->n_helpers * sizeof *helpers);
    IrVecDesc *vecs = g_memdup2(g->vecs, g->n_vecs * sizeof *vecs);

    for (unsigned i = 0; i < g->n_helpers; i++) {
        helpers[i].fn = (IrHelper)(uintptr_t)&__executable_start;
    }
    for (unsigned i = 0; i < g->n_vecs; i++) {
        vecs[i].fn = (IrVecFn)(uintptr_t)&__executable_start;
    }
    g->helpers = helpers;
    g->vecs = vecs;
    g->vex = (uint64_t(*)(void *, unsigned, void *, const void *, const void *, const void *,
                          unsigned, unsigned))(uintptr_t)&__executable_start;
    d->guest = g;
}

static void compare(DbtCpu *c, const Args *a)
{
    level_calls(c->dbt);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_MD5);
    const DbtStats *s = &c->dbt->stats;

    translate_all(c, a->bytes, sum, a->verbose);
    printf("%s %" PRIu64 " blocks %" PRIu64 " insns %" PRIu64 " ops %" PRIu64 " bytes\n",
           g_checksum_get_string(sum), s->blocks, s->guest_insns, s->ir_insns, s->code_bytes);
}

static void measure(DbtCpu *c, const Args *a)
{
    const DbtStats *s = &c->dbt->stats;
    double *ns = g_new0(double, a->rounds);

    translate_all(c, a->bytes, NULL, false);   /* memory is there then */
    printf("%.2f blocks, %.2f operations for an instruction; expansion %.2f\n",
           (double)s->blocks / (double)s->guest_insns, (double)s->ir_insns / (double)s->guest_insns,
           (double)s->code_bytes / (double)s->guest_bytes);
    for (unsigned r = 0; r < a->rounds; r++) {
        block_drop_all(c->dbt);
        uint64_t insns = s->guest_insns;
        double t = cpu_ns();
        translate_all(c, a->bytes, NULL, false);
        ns[r] = (cpu_ns() - t) / (double)(s->guest_insns - insns);
    }
    qsort(ns, a->rounds, sizeof *ns, by_value);
    if (a->rounds) {
        printf("%.1f ns least, %.1f median of %u\n", ns[0], ns[a->rounds / 2], a->rounds);
    }
    g_free(ns);
}

int main(int argc, char **argv)
{
    Args a = { .file = "/bin/bash", .at = 0x40000, .bytes = 1 << 20, .rounds = 20 };
    g_autofree char *dir = g_dir_make_tmp("translate-XXXXXX", NULL), *text = NULL;
    gsize n;

    for (int o; (o = getopt(argc, argv, "f:a:n:r:o:kcv")) != -1;) {
        switch (o) {
        case 'f': a.file = optarg; break;
        case 'a': a.at = strtoul(optarg, NULL, 0); break;
        case 'n': a.bytes = MIN(strtoul(optarg, NULL, 0), MAX_BYTES); break;
        case 'r': a.rounds = (unsigned)strtoul(optarg, NULL, 0); break;
        case 'o': a.accel = optarg; break;
        case 'k': a.kernel = true; break;
        case 'c': a.compare = true; break;
        case 'v': a.verbose = true; break;
        default: return 2;
        }
    }
    if (!g_file_get_contents(a.file, &text, &n, NULL) || n < a.at + 128) {
        fprintf(stderr, "translate: cannot read %s from %#zx on\n", a.file, a.at);
        return 1;
    }
    a.bytes = MIN(a.bytes, n - a.at);
    Machine *m = start(&a, dir);
    DbtCpu *c = dbt_of(m)->cpus->pdata[0];
    as_write(m->as_memory, CODE, text + a.at, a.bytes);
    dbt_mode_changed(c);
    c->ctx->key.mode = (c->ctx->key.mode & ~UINT64_C(0xffffffff)) | X86_MODE_CODE64 | X86_MODE_PE |
                       (a.kernel ? 0 : X86_MODE_CPL) | X86_MODE_FLAT_CS | X86_MODE_FLAT_DS |
                       X86_MODE_FLAT_ES | X86_MODE_FLAT_SS | X86_MODE_FPU | X86_MODE_SSE |
                       X86_MODE_AVX | X86_MODE_LMA | X86_MODE_SS32;
    (a.compare ? compare : measure)(c, &a);
    g_autofree char *rm = g_strdup_printf("rm -rf '%s'", dir);
    fflush(stdout);
    _exit(system(rm) ? 1 : 0);          /* its vCPU's state is none that it could go on with */
}
