/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocks.c -- random blocks of IR, run by each engine and compared with one instruction at a time.
 *
 * usage: blocks [rounds [seed [only]]]
 * `only`: the number of a single round, with everything printed
 *
 * The reference is dbt_step(): the interpreter with every flag live and no pass run.  Against it
 * run the interpreter on the whole block, then after ir_optimise(), then with merged checks, and
 * the same by the native back end where there is one, and every sixteenth by libtcc, without the
 * run time around it.  Registers, flags, memory, device accesses in their order, the exception and
 * its address must be the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/dbt/internal.h"
#include "accel/dbt/tcc/tcc.h"
#include "tests/cpu/gen.h"

/* libtcc takes a millisecond */
enum { OPTIMISE = 1, MERGE = 2, NATIVE = 4, TCC = 8, TCC_EVERY = 16 };

typedef struct Tally { unsigned runs, failures, traps, steps, merged, by_tcc; } Tally;

static IrBlock *prepared(const IrBlock *raw, unsigned how)
{
    IrBlock *b = ir_new();
    b->pc = raw->pc;
    b->mode = raw->mode;
    b->length = raw->length;
    b->n_insns = raw->n_insns;
    b->n_guest = raw->n_guest;
    b->n_checks = raw->n_checks;
    b->folds = raw->folds;
    b->locks = raw->locks;
    b->n_imms = raw->n_imms;
    b->n_mems = raw->n_mems;
    memcpy(b->insns, raw->insns, raw->n_insns * sizeof *raw->insns);
    memcpy(b->guest, raw->guest, raw->n_guest * sizeof *raw->guest);
    memcpy(b->imms, raw->imms, raw->n_imms * sizeof *raw->imms);
    memcpy(b->mems, raw->mems, raw->n_mems * sizeof *raw->mems);
    if (how & MERGE) {
        ir_merge_checks(b, 4);
    }
    if (how & OPTIMISE) {
        ir_optimise(b, FL_ALL, NULL);
    } else {
        for (unsigned i = 0; i < b->n_insns; i++) {
            b->insns[i].live |= b->insns[i].sets;
        }
        ir_liveness(b, NULL, NULL);
    }
    return b;
}

static void run_interp(FakeCpu *c, void *block)
{
    interp_run(&c->dbt, block);
}

/* ---- C by libtcc ---- */
static void run_tcc(FakeCpu *c, void *arg)
{
    TccCode *code;
    memcpy(&code, arg, sizeof code);
    code(&c->dbt);
}

/* False: it cannot be said in C, which is fine, or not compiled, which is not. */
static bool try_tcc(FakeCpu *c, const IrBlock *b, bool verbose, bool *ok)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) err = NULL;
    TccPart part = { b, (int32_t)(b->pc & (DBT_PAGE - 1)), NULL };
    tcc_prelude(text);
    if (!tcc_render(text, c->dbt.guest, "block", &part, 1)) {
        return false;
    }
    if (verbose) {
        printf("%s", text->str);
    }
    TccUnit *u = tcc_compile(text->str, &err);
    if (!u) {
        printf("%s\n", err->message);
        *ok = false;
        return false;
    }
    TccCode *code = tcc_find(u, "block");
    fake_run(c, run_tcc, &code);
    tcc_unit_free(u);
    return true;
}

/* ---- the native engine, without the run time ---- */
typedef struct Native {
    DbtMachine machine;
    const DbtBackend *backend;
    Block block;                        /* that runs; none comes back */
    unsigned emitted;
} Native;

static void run_native(FakeCpu *c, void *arg)
{
    Native *n = (Native *)c->dbt.dbt;
    const Block *b = arg;
    c->dbt.in_code = true;
    n->backend->run(&c->dbt, b->entry);
    c->dbt.in_code = false;
}

/* Weak, so that this links where there is no back end. */
#pragma weak dbt_backend_x86_64
static const DbtBackend *dbt_backend(void)
{
#if defined(__x86_64__)
    return &dbt_backend_x86_64;
#else
    return NULL;
#endif
}

static bool native_open(Native *n, FakeCpu *c)
{
    g_autoptr(GError) err = NULL;
    n->backend = dbt_backend();
    n->machine.guest = c->dbt.guest;
    n->machine.tb_mib = 16;
    c->dbt.dbt = &n->machine;
    c->dbt.stats = &n->machine.stats;
    if (!n->backend || !n->backend->init(&n->machine, &err)) {
        printf("blocks: no native engine%s%s\n", err ? ": " : "", err ? err->message : "");
        return false;
    }
    return true;
}

static Block *native_block(Native *n, IrBlock *ir)
{
    Block *b = &n->block;

    memset(b, 0, sizeof *b);
    b->length = (uint16_t)ir->length;
    b->from = ir->pc & (DBT_PAGE - 1);
    b->to = (uint16_t)(b->from + ir->length);
    if (++n->emitted % 256 == 0 || !n->backend->emit(&n->machine, n->machine.guest, ir, b)) {
        n->backend->reclaim(&n->machine, 0);
        n->backend->begin(&n->machine, 0);
        memset(b, 0, sizeof *b);
        g_assert(n->backend->emit(&n->machine, n->machine.guest, ir, b));
    }
    return b;
}

/* ---- rounds ---- */
static void print_difference(const FakeState *want, const FakeState *got)
{
    for (unsigned r = 0; r < 16; r++) {
        if (want->gpr[r] != got->gpr[r]) {
            printf("  r%u %#" PRIx64 ", should be %#" PRIx64 "\n", r, got->gpr[r], want->gpr[r]);
        }
    }
    for (unsigned k = 0; k < FAKE_CTX; k++) {
        if (want->ctx[k] != got->ctx[k]) {
            printf("  ctx %u %#" PRIx64 ", should be %#" PRIx64 "\n", k, got->ctx[k], want->ctx[k]);
        }
    }
    if (want->pc != got->pc || want->fl != got->fl || want->trap != got->trap ||
        want->trap_at != got->trap_at || want->device != got->device) {
        printf("  pc %#" PRIx64 " fl %#x trap %u at %#" PRIx64 " device %#" PRIx64
               ", should be pc %#" PRIx64 " fl %#x trap %u at %#" PRIx64 " device %#" PRIx64 "\n",
               got->pc, got->fl, got->trap, got->trap_at, got->device, want->pc, want->fl,
               want->trap, want->trap_at, want->device);
    }
    for (unsigned k = 0, shown = 0; k < sizeof want->ram && shown < 8; k++) {
        const uint8_t *w = (const uint8_t *)want->ram, *o = (const uint8_t *)got->ram;
        if (w[k] != o[k]) {
            printf("  memory %#x: %#x, should be %#x\n", FAKE_BASE + k, o[k], w[k]);
            shown++;
        }
    }
}

static void print_block(const char *what, const IrBlock *b)
{
    g_autoptr(GString) s = g_string_new(NULL);
    ir_print(b, s);
    printf("%s\n%s", what, s->str);
}

static bool verified(const IrBlock *b, const char *what, unsigned round)
{
    g_autoptr(GString) why = g_string_new(NULL);
    if (!ir_verify(b, why)) {
        printf("round %u, %s: %s", round, what, why->str);
        return false;
    }
    return true;
}

static void run_round(Gen *g, FakeCpu *c, unsigned round, bool verbose, bool native, Tally *t)
{
    static const struct { unsigned how; const char *name; } ways[] = {
        { 0, "interpreter" }, { OPTIMISE, "optimised" },
        { MERGE, "merged" }, { MERGE | OPTIMISE, "merged and optimised" },
        { NATIVE, "native" }, { NATIVE | OPTIMISE, "native, optimised" },
        { NATIVE | OPTIMISE | MERGE, "native, merged" },
        { TCC, "libtcc" }, { TCC | OPTIMISE | MERGE, "libtcc, merged and optimised" },
    };
    static FakeState start, want, got;
    gen_block(g);
    c->raw = g->b;
    gen_state(g, &start);
    if (!verified(g->b, "the generator's block", round)) {
        t->failures++;
    }
    fake_load(c, &start);
    fake_run(c, NULL, NULL);
    fake_save(c, &want);
    if (c->endless) {
        return;
    }
    t->traps += want.trap != 0;
    if (verbose) {
        print_block("block", g->b);
    }
    for (unsigned w = 0; w < G_N_ELEMENTS(ways); w++) {
        if ((!native && (ways[w].how & NATIVE)) ||
            ((ways[w].how & TCC) && (!tcc_built_in() || (!verbose && round % TCC_EVERY)))) {
            continue;
        }
        g_autofree IrBlock *b = prepared(g->b, ways[w].how);
        bool ok = verified(b, ways[w].name, round);
        if (verbose) {
            print_block(ways[w].name, b);
        }
        for (unsigned k = 0; k < b->n_insns; k++) {
            t->merged += b->insns[k].op == IR_chk && b->mems[b->insns[k].mem].merged;
        }
        fake_load(c, &start);
        c->steps = 0;
        if (ways[w].how & NATIVE) {
            Block *code = native_block((Native *)c->dbt.dbt, b);
            if (verbose) {
                g_autoptr(GString) text = g_string_new(NULL);
                ((Native *)c->dbt.dbt)->backend->print(code, text);
                printf("%s", text->str);
                fflush(stdout);
            }
            fake_run(c, run_native, code);
        } else if (ways[w].how & TCC) {
            if (!try_tcc(c, b, verbose, &ok)) {
                t->failures += !ok;
                continue;
            }
            t->by_tcc++;
        } else {
            fake_run(c, run_interp, b);
        }
        t->steps += c->steps;
        fake_save(c, &got);
        t->runs++;
        if (memcmp(&want, &got, sizeof want)) {
            printf("round %u: %s differs\n", round, ways[w].name);
            print_difference(&want, &got);
            ok = false;
        }
        t->failures += !ok;
    }
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 5000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    long only = argc > 3 ? strtol(argv[3], NULL, 0) : -1;
    FakeCpu *c = fake_new();
    Gen g = { .b = ir_new(), .n_instructions = 12 };
    Tally t = { 0 };
    Native n = { 0 };
    bool native = native_open(&n, c);
    for (unsigned k = 0; k < rounds && t.failures < 5; k++) {
        g.rng = (seed * 1000003 + k + 1) * UINT64_C(0x9e3779b97f4a7c15);
        if (only < 0 || only == (long)k) {
            g.n_instructions = k % 8 == 7 ? 60 : 12;
            run_round(&g, c, k, only >= 0, native, &t);
        }
    }
    printf("blocks: %u runs, seed %" PRIu64
           ", %u with an exception, %u steps, %u merged checks, %u by libtcc, %u failures\n",
           t.runs, seed, t.traps, t.steps, t.merged, t.by_tcc, t.failures);
    if (native) {
        n.backend->fini(&n.machine);
    }
    g_free(g.b);
    fake_free(c);
    return t.failures != 0 || (only < 0 && rounds >= 100 && !t.merged);       /* it tests nothing then */
}
