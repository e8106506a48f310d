/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dbt.c -- the binary translator as an accelerator: set-up, the run loop of a vCPU, and tier 0's
 * single step.
 *
 * Threads: run, step and leave belong to the vCPU's thread; map changes stop all vCPUs first.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "accel/dbt/cache.h"
#include "accel/dbt/tcc/tcc.h"
#include "core/debug.h"

/* CODE_*: bytes of an instruction; that a decoder may look at */
enum { STEP_CACHE = 512, CODE_MOST = 15, CODE_READABLE = 64 };
typedef struct StepEntry {    /* one instruction's IR, good while its bytes are the same */
    const uint8_t *at;
    uint32_t mode;
    uint8_t  n, bytes[CODE_MOST];
    uint64_t page_offset;
    IrBlock *ir;
} StepEntry;

typedef struct DbtCpuPrivate {          /* behind DbtCpu.steps */
    StepEntry entry[STEP_CACHE];
} DbtCpuPrivate;

void dbt_leave(DbtCpu *c)
{
    siglongjmp(c->leave, 1);
}

/* The machine lock comes first: its holder may be waiting for an exclusive section of its own. */
void dbt_exclusive_begin(DbtCpu *c)
{
    c->waits++;
    machine_lock(c->vcpu.machine);
    machine_exclusive_begin(c->vcpu.machine);
}

void dbt_exclusive_end(DbtCpu *c)
{
    machine_exclusive_end(c->vcpu.machine);
    machine_unlock(c->vcpu.machine);
}

/* ---- tier 0 ---- */

/* The code bytes at pc where they are not plain RAM or ROM, or go on in the next page. */
static void step_translate_odd(DbtCpu *c, uint8_t *page)
{
    /* a decoder may look at 32 bytes of what it is given as the next page */
    uint8_t buf[64] = { 0 };
    unsigned n = MIN(15, DBT_PAGE - (unsigned)(c->pc & (DBT_PAGE - 1)));
    DbtRegion *dr;
    DbtWalk w;

    if (page) {
        memcpy(buf, page + (c->pc & (DBT_PAGE - 1)), n);
    } else {
        if (!c->guest->walk(c, c->pc, ACCESS_FETCH, &w)) {
            c->guest->fault(c, c->pc, ACCESS_FETCH, &w);
        }
        as_read(c->vcpu.as, w.phys, buf, n);
    }
    ir_begin(c->ir, c->pc, (uint32_t)c->ctx->key.mode);
    c->guest->translate(c, c->ir, buf, n, NULL, 1);
    if (!c->ir->n_guest && n < 15) {
        uint64_t second = (c->pc & -(uint64_t)DBT_PAGE) + DBT_PAGE;
        uint8_t *page2 = tlb_fetch(c, second, &dr);
        if (page2) {
            memcpy(buf + n, page2, 15);
        } else if (c->guest->walk(c, second, ACCESS_FETCH, &w)) {
            as_read(c->vcpu.as, w.phys, buf + n, 15);
        }
        ir_begin(c->ir, c->pc, (uint32_t)c->ctx->key.mode);
        c->guest->translate(c, c->ir, buf, n, buf + n, 1);
    }
}

/* IR that assumes more of the CPU than its mode says is good for this one time only. */
static bool has_guard(const IrBlock *ir)
{
    for (unsigned i = 0; i < ir->n_insns; i++) {
        if (ir->insns[i].op == IR_guard) {
            return true;
        }
    }
    return false;
}

/*
 * An instruction, 8 aligned bytes at a time: what another CPU stores at once is not run by halves.
 */
static void code_bytes(uint8_t *to, const uint8_t *at)
{
    unsigned skip = (uintptr_t)at & 7, n = (skip + CODE_MOST + 7) / 8;
    const uint64_t *from = (const uint64_t *)(const void *)(at - skip);
    uint64_t word[3] = { 0 };

    for (unsigned i = 0; i < n; i++) {
        word[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
    memcpy(to, (const uint8_t *)word + skip, CODE_MOST);
}

static bool step(DbtCpu *c, bool alone)
{
    uint32_t mode = (uint32_t)c->ctx->key.mode;
    uint8_t bytes[CODE_READABLE] = { 0 };
    DbtRegion *dr;
    uint8_t *page = tlb_fetch(c, c->pc, &dr);
    unsigned in_page = (unsigned)(c->pc & (DBT_PAGE - 1));

    c->stats->steps++;
    if (page && in_page <= DBT_PAGE - CODE_MOST) {
        const uint8_t *at = page + in_page;
        code_bytes(bytes, at);
        StepEntry *e = &c->steps->entry[(((uintptr_t)at >> 1) ^ mode) & (STEP_CACHE - 1)];
        if (e->at != at || e->mode != mode || memcmp(e->bytes, bytes, e->n)) {
            ir_begin(c->ir, c->pc, mode);
            c->guest->translate(c, c->ir, bytes, CODE_MOST, NULL, 1);
            ir_plain(c->ir);
            if (has_guard(c->ir)) {
                if (!alone) {
                    interp_run(c, c->ir);
                }
                return !alone;
            }
            g_free(e->ir);
            *e = (StepEntry){ .at = at, .mode = mode, .n = (uint8_t)c->ir->length,
                              .ir = ir_copy(c->ir) };
            memcpy(e->bytes, bytes, e->n);
        }
        interp_run(c, e->ir);
        return true;
    }
    step_translate_odd(c, page);
    if (alone && has_guard(c->ir)) {
        return false;
    }
    ir_plain(c->ir);
    interp_run(c, c->ir);
    return true;
}

void dbt_step(DbtCpu *c)
{
    step(c, false);
}

bool dbt_step_alone(DbtCpu *c)
{
    return step(c, true);
}

/* ---- debugging ---- */

/* A breakpoint at pc that has not stopped it just now. */
static bool at_break(const DbtCpu *c)
{
    const VcpuDebug *v = &c->vcpu.debug;

    return G_UNLIKELY(c->debug != NULL) && debug_low(c->debug, c->pc) &&
           !(v->passed && v->passed_at == c->pc) && debug_break_at(c->debug, c->pc);
}

/* Tier 0 from the run loop: where no block is to be had, breakpoints are looked for here. */
static void step_or_break(DbtCpu *c)
{
    if (!at_break(c)) {                 /* else the run loop sees it */
        c->vcpu.debug.passed = false;
        dbt_step(c);
    }
}

/* One instruction for the debugger; one that leaves is looked at in debug_turn() all the same. */
static void debug_step(DbtCpu *c)
{
    VcpuDebug *v = &c->vcpu.debug;
    bool single = c->guest->single(c);  /* may raise; the step is then the event's delivery */

    v->passed = v->exact = false;
    v->stepped = true;
    dbt_step(c);
    if (single) {
        c->guest->insn_done(c);
    }
}

/* Between instructions: true: the debugger is to see it. */
static bool debug_turn(DbtCpu *c)
{
    VcpuDebug *v = &c->vcpu.debug;

    if (v->why != DEBUG_WATCH && v->stepped && v->single) {
        v->why = DEBUG_STEP;
    }
    v->stepped = false;
    if (v->passed && v->passed_at != c->pc) {
        v->passed = false;
    }
    if (v->why == DEBUG_NONE && !v->exact && !v->single && at_break(c)) {
        v->why = DEBUG_BREAK;
        v->at = c->pc;
    }
    if (v->why == DEBUG_NONE) {
        return false;
    }
    v->passed = debug_low(c->vcpu.machine->debug, c->pc) &&
                debug_break_at(c->vcpu.machine->debug, c->pc);
    v->passed_at = c->pc;
    v->single = v->exact = false;
    return true;
}

static void dbt_debug_changed(Machine *m)
{
    DbtMachine *d = dbt_of(m);
    const Debug *debug = m->debug->n_breaks || m->debug->n_watches ? m->debug : NULL;

    for (unsigned i = 0; i < d->cpus->len; i++) {
        ((DbtCpu *)d->cpus->pdata[i])->debug = debug;
    }
    block_drop_all(d);
}

/* ---- the run loop ---- */

/* Engine tcc: the block's region if it is compiled; one that is hot will be. */
static bool run_hot(DbtCpu *c, Block *b)
{
    TccCode *code = __atomic_load_n(&b->tcc, __ATOMIC_ACQUIRE);

    if (code && !log_on(LOG_EXEC)) {
        return code(c);
    }
    uint32_t heat = __atomic_load_n(&b->heat, __ATOMIC_RELAXED) + 1;
    if (heat <= c->dbt->tcc_hot) {
        __atomic_store_n(&b->heat, heat, __ATOMIC_RELAXED);
        if (heat == c->dbt->tcc_hot) {
            tcc_engine_hot(c->dbt, b);
        }
    }
    return interp_run(c, b->ir);
}

static void run_blocks_interp(DbtCpu *c)
{
    while (!__atomic_load_n(&c->vcpu.attention, __ATOMIC_RELAXED)) {
        const JmpEntry *j = &c->ctx->jmp[dbt_jmp_slot(c->pc)];
        Block *b = j->pc == c->pc ? (Block *)(uintptr_t)j->code : NULL;
        if (!b || __atomic_load_n(&b->dead, __ATOMIC_RELAXED)) {
            b = block_find(c);
            if (!b) {
                step_or_break(c);
                return;
            }
            tlb_jmp_put(c, c->pc, b, b->at2);
        }
        if (log_on(LOG_EXEC)) {
            log_write("exec %#" PRIx64 "\n", c->pc);
        }
        if (c->dbt->tcc ? run_hot(c, b) : interp_run(c, b->ir)) {
            return;
        }
    }
}

static void run_native(DbtCpu *c)
{
    const JmpEntry *j = &c->ctx->jmp[dbt_jmp_slot(c->pc)];

    c->in_code = true;
    const void *code = j->pc == c->pc ? j->code : dbt_lookup(c);
    c->stats->exits++;
    if (code) {
        c->dbt->backend->run(c, code);
        ic_sample(c);
    }
    c->in_code = false;
    if (!code && !__atomic_load_n(&c->vcpu.attention, __ATOMIC_RELAXED) && !c->guest->single(c) &&
        !c->guest->idle(c)) {
        step_or_break(c);
    }
}

static VcpuExit dbt_run(Vcpu *v)
{
    DbtCpu *c = (DbtCpu *)v;
    const DbtGuest *g = c->guest;

    if (sigsetjmp(c->leave, 0)) {
        c->in_code = c->seen.wanted = false;
        while (machine_exclusive_held(v->machine)) {
            machine_exclusive_end(v->machine);
        }
        while (machine_locked(v->machine)) {    /* a fault in the middle of port I/O */
            machine_unlock(v->machine);
        }
    }
    dbt_mode_changed(c);
    for (;;) {
        if (G_UNLIKELY(v->machine->debug != NULL) && debug_turn(c)) {
            g->stopped(c);
            return (VcpuExit){ .why = EXIT_DEBUG };
        }
        tlb_adapt(c);
        while (!((v->debug.single || v->debug.exact) && !g->idle(c)) && g->interrupt(c)) {
        }
        if (__atomic_load_n(&c->dbt->full, __ATOMIC_RELAXED)) {
            block_reclaim(c->dbt);
        }
        if (G_UNLIKELY(__atomic_load_n(&c->dbt->stale_wanted, __ATOMIC_RELAXED))) {
            code_stale_clear(c->dbt);
        }
        if (g->idle(c)) {
            g->stopped(c);
            return (VcpuExit){ .why = EXIT_HALT };
        }
        if (__atomic_load_n(&v->attention, __ATOMIC_ACQUIRE)) {
            g->stopped(c);
            return (VcpuExit){ .why = EXIT_KICKED };
        }
        if (G_UNLIKELY(v->debug.single || v->debug.exact)) {
            debug_step(c);
        } else if (at_break(c)) {       /* an interrupt led there */
            continue;
        } else if (g->single(c)) {
            v->debug.passed = false;
            dbt_step(c);
            g->insn_done(c);
        } else if (c->dbt->backend) {
            run_native(c);
        } else {
            run_blocks_interp(c);
        }
    }
}

/* ---- accelerator ---- */

static const char *const engine_names[] = { "native", "interp", "tcc", NULL };
static const char *const tier2_names[] = { "off", "on", "all", NULL };
static const char *const tier2_thread_names[] = { "auto", "on", "off", NULL };
static const char *const ic_names[] = { "user", "all", "off", NULL };
static const Field accel_fields[] = {
    { .name = "engine", .type = T_ENUM, .flags = F_CONFIG, .offset = offsetof(DbtMachine, engine),
      .count = 1, .aux = engine_names,
      .help = "Who runs the translated blocks: host code, the portable interpreter, or that and C "
              "compiled by libtcc." },
    { .name = "x-tcc-hot", .type = T_U32, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, tcc_hot), .count = 1, .def = 500, .min = 1, .max = 1000000,
      .help = "engine=tcc: how often a block runs before it is compiled." },
    { .name = "x-tcc-wait", .type = T_BOOL, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, tcc_wait), .count = 1,
      .help = "engine=tcc: wait for each compilation: slow, for tests." },
    { .name = "tb-size", .type = T_U64, .flags = F_CONFIG, .offset = offsetof(DbtMachine, tb_mib),
      .count = 1, .def = 128, .min = 1, .max = 1024, .help = "Size of the code arena in MiB." },
    { .name = "one-insn-per-tb", .type = T_BOOL, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, one_insn), .count = 1,
      .help = "One guest instruction a block: slow, for debugging." },
    { .name = "x-no-opt", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(DbtMachine, no_opt),
      .count = 1, .help = "Leave the IR as the front end made it: slow, for debugging." },
    { .name = "x-no-merge", .type = T_BOOL, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, no_merge), .count = 1,
      .help = "Give each access a memory check of its own: for debugging." },
    { .name = "x-no-far", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(DbtMachine, no_far),
      .count = 1,
      .help = "Direct jumps to other pages by the jump cache, not by links: for debugging." },
    { .name = "x-ic", .type = T_ENUM, .flags = F_CONFIG, .offset = offsetof(DbtMachine, ic),
      .count = 1, .aux = ic_names,
      .help = "Which code has inline caches before the TLB: user code, all (for tests), or none." },
    { .name = "x-tier2", .type = T_ENUM, .flags = F_CONFIG, .offset = offsetof(DbtMachine, tier2),
      .count = 1, .aux = tier2_names, .def = TIER2_USER,
      .help = "Which hot code is made into traces, paths through several blocks: none, user code "
              "(on), or all (for tests)." },
    { .name = "x-tier2-hot", .type = T_U32, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, tier2_hot), .count = 1, .def = 2000, .min = 1, .max = 1000000,
      .help = "How often a block is entered before a trace is made from there." },
    { .name = "x-tier2-thread", .type = T_ENUM, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, tier2_thread), .count = 1, .aux = tier2_thread_names,
      .help = "Who makes them: a thread if the host has more CPUs than the machine (auto), always "
              "(on), or vCPUs (off)." },
    { .name = "x-tlb-restless", .type = T_BOOL, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, tlb_restless), .count = 1,
      .help = "Give TLBs another size at every chance: slow, for tests." },
    { .name = "perfmap", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(DbtMachine, perfmap),
      .count = 1, .help = "Name translated blocks in /tmp/perf-PID.map, for perf(1)." },
    { .name = "cache", .type = T_STR, .flags = F_CONFIG, .offset = offsetof(DbtMachine, cache_dir),
      .count = 1,
      .help = "Directory, this user's own, where translated blocks are kept for the next run." },
    { .name = "cache-size", .type = T_U64, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, cache_mib), .count = 1, .def = 128, .min = 1, .max = 1024,
      .help = "Size that the cache's file may have, in MiB." },
    { .name = "x-cache-check", .type = T_BOOL, .flags = F_CONFIG,
      .offset = offsetof(DbtMachine, cache_check), .count = 1,
      .help = "Translate what is found in the cache as well, and count what differs: for tests." },
    FIELD_END
};

static bool dbt_init(Machine *m, GError **err)
{
    DbtMachine *d = dbt_of(m);

    d->machine = m;
    g_mutex_init(&d->lock);
    d->hash = dbt_huge_new(sizeof(Block *) << DBT_HASH_BITS);
    d->slabs = g_ptr_array_new();
    d->stale_pages = g_array_new(FALSE, FALSE, sizeof(StalePage));
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        d->blocks[g] = g_ptr_array_new();
    }
    d->traces = g_ptr_array_new_with_free_func(g_free);
    d->cpus = g_ptr_array_new();
    past_init(d);
    far_init(d);
    if (d->perfmap) {
        g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", getpid());
        d->perfmap_file = fopen(path, "w");
        if (!d->perfmap_file) {
            return fail(err, "accel dbt: cannot write %s: %s", path, g_strerror(errno));
        }
        setvbuf(d->perfmap_file, NULL, _IOLBF, 0);      /* it is read while the machine runs */
    }
#if defined(__x86_64__)
    d->backend = d->engine == ENGINE_NATIVE ? &dbt_backend_x86_64 : NULL;
#else
    if (d->engine == ENGINE_NATIVE) {
        d->engine = tcc_built_in() ? ENGINE_TCC : ENGINE_INTERP;
    }
#endif
    if (d->engine == ENGINE_TCC && !tcc_engine_init(d, err)) {
        return false;
    }
    if (d->backend && !d->backend->init(d, err)) {
        return false;
    }
    trace_work_init(d);
    return cache_init(d, err);
}

static bool dbt_vcpu_init(Vcpu *v, GError **err)
{
    DbtCpu *c = (DbtCpu *)v;

    c->dbt = dbt_of(v->machine);
    c->dbt->guest = c->guest;
    c->ir = ir_new();
    c->stats = g_new0(DbtStats, 1);  /* its own: counters that vCPUs share cost a cache miss each */
    c->steps = g_new0(DbtCpuPrivate, 1);
    tlb_init(c);
    trace_init(c);
    far_cpu_init(c);
    g_ptr_array_add(c->dbt->cpus, c);
    if (c->dbt->cpus->len == 2 && block_any(c->dbt)) {       /* made for one: ir_unlock() */
        block_reclaim_soon(c->dbt);
    }
    return true;
}

static void dbt_vcpu_fini(Vcpu *v)
{
    DbtCpu *c = (DbtCpu *)v;

    for (unsigned i = 0; i < STEP_CACHE; i++) {
        g_free(c->steps->entry[i].ir);
    }
    g_free(c->steps);
    ic_fini(c);
    trace_fini(c);
    far_cpu_fini(c);
    g_free(c->stats);
    tlb_fini(c);
    dbt_huge_free(c->contexts, DBT_CONTEXTS * sizeof(DbtContext));
    g_free(c->ir);
    g_ptr_array_remove(c->dbt->cpus, c);
}

static void dbt_fini(Machine *m)
{
    DbtMachine *d = dbt_of(m);

    tcc_engine_fini(d);
    trace_work_fini(d);
    cache_fini(d);
    block_free_all(d);
    far_fini(d);
    g_ptr_array_free(d->traces, TRUE);
    g_ptr_array_free(d->cpus, TRUE);
    if (d->backend) {
        d->backend->fini(d);
    }
    g_mutex_clear(&d->lock);
}

static void dbt_kick(Vcpu *v)
{
    (void)v;    /* the core has set attention, which translated code tests */
}

static void flush_stopped(void *m)
{
    DbtMachine *d = dbt_of(m);

    g_mutex_lock(&d->lock);
    d->trace_epoch++;
    g_mutex_unlock(&d->lock);
    for (unsigned i = 0; i < d->cpus->len; i++) {
        tlb_map_changed(d->cpus->pdata[i]);
    }
}

static void dbt_map_changed(AddressSpace *as, const MemRange *gone, unsigned n_gone,
                            const MemRange *come, unsigned n_come)
{
    Machine *m = as_machine(as);
    DbtMachine *d = dbt_of(m);
    bool ours = false;

    for (unsigned i = 0; d && d->cpus && i < d->cpus->len; i++) {
        const Vcpu *v = &((DbtCpu *)d->cpus->pdata[i])->vcpu;
        ours |= v->spaces[0] == as || v->spaces[1] == as;
    }
    if (ours) {
        machine_exclusive(m, flush_stopped, m);
    }
}

static void dbt_dirty_log(Region *ram, bool on)
{
    if (ram->machine && dbt_of(ram->machine)) {
        machine_exclusive(ram->machine, flush_stopped, ram->machine);
    }
}

static void dbt_dirty_sync(Region *ram)
{
    (void)ram;    /* a logged page is never writable in a TLB: each store has set its bit */
}

static void dbt_code_written(Region *ram, uint64_t from, uint64_t n)
{
    DbtMachine *d = ram->machine ? dbt_of(ram->machine) : NULL;

    for (unsigned i = 0; d && i < __atomic_load_n(&d->n_regions, __ATOMIC_ACQUIRE); i++) {
        if (d->regions[i]->region == ram) {
            code_written(d, d->regions[i], from, n);
        }
    }
}

/* ---- "info jit" ---- */
#define STAT(member, text) { offsetof(DbtStats, member), text }
static const struct { size_t offset; const char *text; } stat_rows[] = {
    STAT(blocks, "blocks translated"),
    STAT(guest_insns, "guest instructions in them"), STAT(guest_bytes, "guest bytes"),
    STAT(ir_insns, "IR operations"), STAT(code_bytes, "host bytes"),
    STAT(invalidated, "blocks dropped"),
    STAT(reclaims, "parts of the arena given back"), STAT(reclaimed, "blocks that were in them"),
    STAT(full, "times the arena was full"), STAT(lookups, "look-ups beyond the jump cache"),
    STAT(exits, "entries from the run loop"),
    STAT(steps, "single steps of tier 0"), STAT(refills, "TLB refills"),
    STAT(flushes, "TLB flushes"), STAT(page_flushes, "TLB page flushes"),
    STAT(switches, "context switches by C"),
    STAT(contexts, "contexts made"), STAT(moves, "kernels' contexts taken to another space"),
    STAT(apart, "kernels given contexts for one space each"),
    STAT(revived, "blocks whose code has come back"),
    STAT(links, "direct jumps that looked for their target"),
    STAT(unmerged, "merged checks that went to unmerged code"),
    STAT(victims, "refills from what had to make room"),
    STAT(beside, "stores that missed beside, or to, known code"),
    STAT(grown, "TLBs made larger"),
    STAT(across, "reads across pages that were copied"),
    STAT(no_crossing, "checks refused: across pages"),
    STAT(no_slow_mode, "checks refused: breakpoints, alignment, or watched"),
    STAT(no_fault, "checks refused: page fault"),
    STAT(no_ram, "checks refused: MMIO, or memory of two kinds"),
    STAT(no_code, "checks refused: code there"),
    STAT(cache_taken, "blocks taken from the cache on disk"),
    STAT(cache_insns, "guest instructions in them"),
    STAT(cache_new, "blocks that are new to it"),
    STAT(cache_differ, "blocks in it that are not what is translated"),
    STAT(traces, "traces made"), STAT(trace_insns, "guest instructions in them"),
    STAT(trace_loops, "of them, loops"),
    STAT(trace_hoists, "of them, whose checks hold for many turns"),
    STAT(traces_beside, "made by the thread beside"),
    STAT(trace_beside_us, "microseconds of its time"),
    STAT(traces_not, "traces begun and not made"), STAT(trace_us, "microseconds of making them"),
    STAT(trace_looks, "looks at hot blocks before that"), STAT(trace_records, "paths recorded"),
    STAT(trace_checks, "looks at a trace's pages"),
    STAT(trace_refused, "of them, pages that are others"),
    STAT(traces_lost, "traces given up for that"),
    STAT(far_pairs, "pairs of pages for jumps from one to the other"),
    STAT(far_checks, "looks at whether they are one"),
    STAT(far_refused, "of them, another page"),
    STAT(ic_hot, "blocks given inline caches"), STAT(ic_given_up, "inline caches given up"),
    STAT(ic_remade, "blocks made again for that"),
};

static void dbt_info(Machine *m, GString *out)
{
    const DbtMachine *d = dbt_of(m);

    g_string_append_printf(out, "engine: %s\n",
                           d->backend ? d->backend->name
                           : d->tcc   ? "tcc"
                                      : "interpreter");
    for (unsigned i = 0; i < G_N_ELEMENTS(stat_rows); i++) {
        uint64_t sum = *(const uint64_t *)((const char *)&d->stats + stat_rows[i].offset);
        /* while they count: a figure may be a little old */
        for (unsigned k = 0; k < d->cpus->len; k++) {
            const DbtCpu *c = d->cpus->pdata[k];
            sum += __atomic_load_n((const uint64_t *)((const char *)c->stats + stat_rows[i].offset),
                                   __ATOMIC_RELAXED);
        }
        g_string_append_printf(out, "%12" PRIu64 "  %s\n", sum, stat_rows[i].text);
    }
    if (d->stats.code_bytes) {
        g_string_append_printf(out, "%12.1f  host bytes to a guest byte\n",
                               (double)d->stats.code_bytes / (double)d->stats.guest_bytes);
    }
    tcc_engine_info(dbt_of(m), out);
}

static bool dbt_probe(GError **err)
{
    (void)err;
    return true;
}

const AccelOps accel_dbt = {
    .name = "dbt",
    .desc = "binary translator",
    .probe = dbt_probe,
    .fields = accel_fields,
    .size = sizeof(DbtMachine),
    .init = dbt_init,
    .fini = dbt_fini,
    .vcpu_init = dbt_vcpu_init,
    .vcpu_fini = dbt_vcpu_fini,
    .run = dbt_run,
    .kick = dbt_kick,
    .map_changed = dbt_map_changed,
    .dirty_log = dbt_dirty_log,
    .dirty_sync = dbt_dirty_sync,
    .code_written = dbt_code_written,
    .debug_changed = dbt_debug_changed,
    .info = dbt_info,
};
