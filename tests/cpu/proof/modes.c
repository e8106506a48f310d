/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modes.c -- engine against engine where the host cannot follow: random programs in real,
 * virtual-8086, 16- and 32-bit protected, PAE, compatibility and long mode, CPL 0 and 3, with
 * system instructions, self-modifying code, page tables that change and faults.
 *
 * Usage: modes [-s SEED] [-t SECONDS] [-n CASES] [-c CASE] [-d ITEMS] [-e ENGINE] [-p PIECES]
 * [-i MICROSECONDS] [-v].  ENGINE: native or traces, perhaps with options of -accel dbt behind it;
 * else they take turns.  PIECES: of each program no more.  MICROSECONDS: so often an engine is
 * called away from its code.  -v: each step of the interpreter.  A case follows from SEED and its
 * number alone; CASE is the first.
 *
 * It ends at HLT, where all registers, hidden parts of segments and the memory are compared.  A
 * difference counts if the interpreter repeats its own result, and where the result does not depend
 * on what instructions leave undefined, nor on translations that a TLB may have kept.
 *
 * Spec: Intel SDM vol. 3 ch. 2 to 6.
 * Omits: accessed and dirty bits: a merged check (merge.c) sets them for an access that an
 * exception then keeps from happening; FIP, FDP and FOP (translate_x87.c); programs that do not end
 * within 0.1 s; devices and interrupts.
 * Threads: one.
 */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "accel/accel.h"
#include "core/log.h"
#include "cpu/x86/sys.h"
#include "cpu/x86/x87.h"
#include "tests/args.h"
#include "tests/cpu/proof/modes.h"
#include "tests/cpu/proof/proof.h"

static const char *const mode_names[N_MODES] = { "real", "vm86", "16-bit", "32-bit", "PAE",
                                                 "compatibility", "long" };

/* ---- time ---- */
/*
 * Each time the engine comes to its run loop; now and then it counts.  What runs one instruction at
 * a time has more patience.
 */
enum { TICK_US = 50000, STEPPING = 20 };
static unsigned alarms_per_tick = 1, patience = 1;
static void alarm_handler(int n)
{
    static unsigned alarms;

    if (++alarms % (alarms_per_tick * patience) == 0) {
        proof_alarms++;
    }
    if (proof_attention) {
        __atomic_store_n(proof_attention, 1, __ATOMIC_RELAXED);
    }
}

static void alarms_start(unsigned often)
{
    struct itimerval tick = { { .tv_usec = often }, { .tv_usec = often } };

    alarms_per_tick = TICK_US / often;
    signal(SIGALRM, alarm_handler);
    setitimer(ITIMER_REAL, &tick, NULL);
}

/* ---- CPUs ---- */
static void put_segs(const Case *k, X86Cpu *c)
{
    bool real = k->mode == M_REAL || k->mode == M_VM86, low = real || k->mode == M_PROT16;

    for (unsigned i = 0; i < 6; i++) {
        X86Seg *s = &c->seg[i];
        unsigned size = low                              ? 0
                        : i == S_CS && k->mode == M_LONG ? ATTR_L | ATTR_G
                                                         : ATTR_DB | ATTR_G;
        *s = (X86Seg){ .selector = (uint16_t)(real        ? LOW >> 4
                                              : i == S_CS ? c->cpl ? 0x3b : 8
                                              : c->cpl    ? 0x33
                                                          : 0x10) };
        s->base = low ? LOW : 0;
        s->limit = low ? 0xffff : UINT32_MAX;
        s->attr = (uint16_t)((i == S_CS && !real ? 0x9b : 0x93) | c->cpl << ATTR_DPL_SHIFT | size);
    }
    c->seg[S_TR] = (X86Seg){ .selector = 0x40, .base = TSS, .limit = 0x67, .attr = 0x8b };
    c->seg[S_LDTR] = (X86Seg){ .attr = 0x82 };
}

static void put_cpu(const Case *k, X86Cpu *c)
{
    static const uint32_t cr3s[N_MODES] = { 0, PD32, PD32, PD32, PDPAE, PML4, PML4 };
    bool low = is_16(k->mode), wide = is_wide(k->mode);
    Vcpu *v = &c->dbt.vcpu;
    GError *err = NULL;
    Rng r;

    rng_seed(&r, k->seed);
    v->cpu_ops->reset(v);
    c->cpl = k->mode == M_VM86 ? 3 : k->mode == M_REAL || !one_in(&r, 4) ? 0 : 3;
    bool paging = wide || k->mode == M_PAE || (k->mode != M_REAL && one_in(&r, 2));
    c->cr0 = CR0_ET | CR0_NE | (k->mode != M_REAL ? CR0_PE : 0) | (paging ? CR0_PG : 0) |
             (rng(&r) & (CR0_WP | CR0_AM));
    c->cr4 =
        CR4_OSFXSR | CR4_OSXMMEXCPT |
        (rng(&r) & (CR4_PSE | CR4_PGE | CR4_DE | CR4_VME | CR4_PVI | CR4_UMIP | CR4_FSGSBASE)) |
        (wide || k->mode == M_PAE ? CR4_PAE : 0) | (wide && one_in(&r, 4) ? CR4_PCIDE : 0);
    c->cr3 = cr3s[k->mode];
    c->efer = EFER_SCE | (rng(&r) & EFER_NXE) | (wide ? EFER_LME | EFER_LMA : 0);
    for (unsigned i = 0; i < 4; i++) {
        c->pdpte[i] = i ? 0 : PD | 1;
    }
    c->rflags = 2 | (rng(&r) & EF_IF) | (one_in(&r, 20) ? EF_TF : 0) |
                (one_in(&r, 10) ? EF_AC : 0) | (rng(&r) & EF_IOPL) |
                (k->mode == M_VM86 ? EF_VM : 0);
    put_segs(k, c);
    c->idt_base = IDT;
    c->idt_limit = 0xfff;
    c->gdt_base = GDT;
    c->gdt_limit = 0x57;
    for (unsigned i = 0; i < 16; i++) {
        c->dbt.gpr[i] = one_in(&r, 2) ? rng(&r) : (low ? 0x8000 : DATA) + rng_below(&r, 0x6000);
    }
    for (unsigned i = R_RBX; i <= R_RDI; i++) {
        c->dbt.gpr[i] = (low ? 0x8000 : DATA) + 0x800 + rng_below(&r, 0x5000);
    }
    c->dbt.gpr[R_RSP] = low ? 0xf000 : STACK - 8 * rng_below(&r, 512);
    for (unsigned i = 0; i < 16 && k->mode != M_LONG; i++) {
        c->dbt.gpr[i] = i < 8 ? (uint32_t)c->dbt.gpr[i] : 0;
    }
    c->dbt.fl = x86_eflags_to_fl(rng(&r) & EF_ARITH);
    c->df = one_in(&r, 4) ? -1 : 1;
    c->star = 8ull << 32 | 0x2bull << 48;
    c->lstar = c->cstar = c->sysenter_eip = HANDLERS;
    c->sysenter_cs = 8;
    c->sysenter_esp = STACK;
    for (unsigned i = 0; i < 16; i++) {
        c->vec[i].u64[0] = rng(&r) & rng(&r);
        c->vec[i].u64[1] = rng(&r);
    }
    c->activity = X86_RUN;
    c->dbt.pc = k->at;
    if (!v->cpu_ops->restored(v, &err)) {
        printf("not ok proof of modes: %s\n", err->message);
        exit(1);
    }
}

/* ---- results ---- */
typedef struct Result { GByteArray *bytes; bool ended; } Result;

static void keep(Result *to, const void *p, size_t n)
{
    g_byte_array_append(to->bytes, p, (guint)n);
}

static void result(Engine *e, const Case *k, Result *to)
{
    X86Cpu *c = engine_cpu(e);
    enum { VGA = 0xa0000 };
    static const uint8_t zero[VGA - HIGH];

    as_write(engine_machine(e)->as_memory, 0, zero, LOW);
    as_write(engine_machine(e)->as_memory, HIGH, zero, VGA - HIGH);
    as_write(engine_machine(e)->as_memory, LOW, k->memory, sizeof k->memory);
    put_cpu(k, c);
    to->ended = engine_go(e);
    x87_sync(c);
    uint64_t more[] = { c->dbt.pc,      x86_rflags(c), c->cr0,      c->cr2,       c->cr3,
                        c->cr4,         c->efer,       c->idt_base, c->idt_limit, c->gdt_base,
                        c->gdt_limit,   c->cpl,        c->activity, c->mxcsr,     x87_status(c),
                        c->fpu_cw,      c->fpu_valid,  c->star,     c->lstar,     c->kernel_gs_base,
                        c->sysenter_cs, c->pat };
    g_byte_array_set_size(to->bytes, 0);
    keep(to, c->dbt.gpr, 16 * 8);
    keep(to, more, sizeof more);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t s[] = { c->seg[i].base, c->seg[i].limit, c->seg[i].selector, c->seg[i].attr },
            f[] = { c->fpr[i].mant, c->fpr[i].exp };
        keep(to, s, sizeof s);
        keep(to, f, sizeof f);
        keep(to, &c->dr[i], 8);
    }
    keep(to, c->vec, 16 * sizeof c->vec[0]);
    keep(to, engine_machine(e)->ram.host + LOW, HIGH - LOW);
    uint8_t *tables = to->bytes->data + to->bytes->len - (HIGH - LOW) + PML4 - LOW;
    for (unsigned i = 0; i < PDPAE + 0x1000 - PML4; i += 4) {
        tables[i] &= (uint8_t)~0x60;
    }
}

/* Memory and devices as they were at first: a program that has no end stops anywhere. */
static void fresh(Engine *e)
{
    static const uint8_t zero[0x100000];
    Machine *m = engine_machine(e);

    machine_reset(m);
    for (uint64_t at = 0; at < m->ram_bytes; at += sizeof zero) {
        as_write(m->as_memory, at, zero, sizeof zero);
    }
}

static bool same(const Result *a, const Result *b)
{
    return a->ended == b->ended && a->bytes->len == b->bytes->len &&
           !memcmp(a->bytes->data, b->bytes->data, a->bytes->len);
}

static void keep_same(Result *to, const Result *from)
{
    g_byte_array_set_size(to->bytes, 0);
    keep(to, from->bytes->data, from->bytes->len);
    to->ended = from->ended;
}

static void mask_more(GByteArray *mask, const Result *a, const Result *b)
{
    for (unsigned i = 0; i < a->bytes->len; i++) {
        mask->data[i] |= a->bytes->data[i] ^ b->bytes->data[i];
    }
}

static bool same_beyond(const GByteArray *mask, const Result *a, const Result *b)
{
    for (unsigned i = 0; i < a->bytes->len; i++) {
        if ((a->bytes->data[i] ^ b->bytes->data[i]) & ~mask->data[i]) {
            return false;
        }
    }
    return true;
}

/* The interpreter's result, one instruction at a time. */
static void stepped(Engine *interp, const Case *k, Result *to, UndefinedFill fill, uint64_t seed)
{
    patience = STEPPING;
    undefined_fill_begin(engine_cpu(interp), fill, seed);
    result(interp, k, to);
    undefined_fill_end(engine_cpu(interp));
    patience = 1;
}

/* Does all in which b differs from the interpreter's a depend on what instructions leave
 * undefined?  Those bits are found by runs with other values there. */
static bool is_undefined(Engine *interp, const Case *k, const Result *a, const Result *b)
{
    enum { VARIANTS = 500, ENDLESS_MAX = 3 };
    static Result other;
    static GByteArray *mask;

    if (!mask) {
        other.bytes = g_byte_array_new();
        mask = g_byte_array_new();
    }
    g_byte_array_set_size(mask, a->bytes->len);
    memset(mask->data, 0, mask->len);
    for (unsigned v = 0, endless = 0; v < VARIANTS; v++) {
        fresh(interp);
        stepped(interp, k, &other, MIN(v, FILL_RANDOM), v);
        if (!other.ended) {
            if (++endless == ENDLESS_MAX) {
                return true;
            }
            continue;
        }
        mask_more(mask, a, &other);
        if (v && same_beyond(mask, a, b)) {
            return true;
        }
    }
    return false;
}

/*
 * Does it depend on which translations a TLB holds?  Changed entries that nobody invalidates may be
 * seen or not (Intel SDM vol. 3, 4.10.2.3).
 */
static bool is_stale(Engine *interp, const Case *k)
{
    Result r[2] = { { g_byte_array_new(), false }, { g_byte_array_new(), false } };

    for (unsigned i = 0; i < 2; i++) {
        fresh(interp);
        stepped(interp, k, &r[i], i ? FILL_NO_TLB : FILL_NOTHING, 0);
    }
    bool stale = !same(&r[0], &r[1]);
    g_byte_array_unref(r[0].bytes);
    g_byte_array_unref(r[1].bytes);
    return stale;
}

static void tell(Engine *interp, const Case *k)
{
    Result r = { g_byte_array_new(), false };

    stepped(interp, k, &r, FILL_TELL, 0);
    fresh(interp);
    g_byte_array_unref(r.bytes);
}

static void show(const Case *k, const Result *a, const Result *b, uint64_t seed, uint64_t number)
{
    unsigned shown = 0;

    printf("differs: %s, %u bytes at %#x, %s %s\n   ", mode_names[k->mode], k->n, k->at,
           a->ended ? "" : "interp did not end", b->ended ? "" : "native did not end");
    for (unsigned i = 0; i < k->n; i++) {
        printf(" %02x", k->memory[k->at - LOW + i]);
    }
    unsigned fixed = a->bytes->len - (HIGH - LOW);
    for (unsigned i = 0; i < a->bytes->len && shown < 12; i++) {
        if (a->bytes->data[i] != b->bytes->data[i]) {
            printf("%s%s %x: %02x %02x", shown++ ? ", " : "\n    ",
                   i < fixed ? "register byte" : "memory", i < fixed ? i : i - fixed + LOW,
                   a->bytes->data[i], b->bytes->data[i]);
        }
    }
    printf("\n    again: modes -s %" PRIu64 " -c %" PRIu64 "\n", seed, number);
    fflush(stdout);
}

/* ---- verdicts ---- */
typedef enum { SAME, ENDLESS, UNSTABLE, UNDEFINED, STALE, BEHIND, DIFFERS_BEHIND, DIFFERS,
               N_VERDICTS } Verdict;
static const char *const verdict_names[N_VERDICTS] = {
    "the same", "without an end", "not the same twice", "only in what is undefined",
    "by what a TLB holds", "by what ran before", "differ behind others", "differ",
};

static bool run_both(Engine *interp, Engine *native, const Case *k, Result *a, Result *b)
{
    result(interp, k, a);
    result(native, k, b);
    return a->ended && b->ended;
}

/*
 * What it is that a and b differ in.  Where fresh machines agree, and the interpreter had the same
 * result before, the other engine's result behind other programs is what counts.
 */
static Verdict why_differs(Engine *interp, Engine *native, const Case *k, Result *a, Result *b)
{
    static Result fresh_a, fresh_b;

    if (!fresh_a.bytes) {
        fresh_a.bytes = g_byte_array_new();
        fresh_b.bytes = g_byte_array_new();
    }
    fresh(interp);
    fresh(native);
    if (!run_both(interp, native, k, &fresh_a, &fresh_b)) {
        return ENDLESS;
    }
    bool behind = same(&fresh_a, &fresh_b);
    if (behind && !same(a, &fresh_a)) {
        return BEHIND;
    }
    Result *other = behind ? b : &fresh_b;
    fresh(interp);
    result(interp, k, a);
    if (!same(a, &fresh_a)) {
        return UNSTABLE;
    }
    if (is_undefined(interp, k, a, other)) {
        return UNDEFINED;
    }
    if (is_stale(interp, k)) {
        return STALE;
    }
    if (!behind) {
        keep_same(b, other);
    }
    return behind ? DIFFERS_BEHIND : DIFFERS;
}

static Verdict judge(Engine *interp, Engine *native, const Case *k, Result *a, Result *b)
{
    bool ended = run_both(interp, native, k, a, b);

    if (ended && same(a, b)) {
        return SAME;
    }
    Verdict v = ended ? why_differs(interp, native, k, a, b) : ENDLESS;
    fresh(interp);
    fresh(native);
    return v;
}

static char *bios_make(void)
{
    char *path = NULL, image[65536];
    int fd = g_file_open_tmp("modes-XXXXXX", &path, NULL);

    memset(image, 0xf4, sizeof image);
    if (fd < 0 || write(fd, image, sizeof image) != sizeof image) {
        perror("modes");
        exit(1);
    }
    close(fd);
    return path;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, cases = 0, done = 0, verdicts[N_VERDICTS] = { 0 };
    unsigned pieces = UINT_MAX, often = TICK_US;
    int64_t first = -1, end = 0;
    const char *log = NULL, *engine = NULL;
    static Case k;
    Result a = { g_byte_array_new(), false }, b = { g_byte_array_new(), false };
    int seconds = 0;
    bool verbose = false;
    const Arg args[] = { ARG('s', seed, "SEED"), ARG('t', seconds, "SECONDS"),
                         ARG('n', cases, "PROGRAMS"), ARG('c', first, "PROGRAM"),
                         ARG('d', log, "ITEMS"), ARG('e', engine, "ENGINE"),
                         ARG('p', pieces, "PIECES"), ARG('i', often, "MICROSECONDS"),
                         ARG('v', verbose, NULL), ARGS_END };

    if (!args_parse(argc, argv, args) || !often || often > TICK_US) {
        return 2;
    }
    if (seconds) {
        end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    }
    cases = cases ? cases : seconds ? UINT64_MAX : first < 0 ? 1000 : 1;
    g_autofree char *bios = bios_make();
    Engine *interp = engine_blank("interp", bios);
    Engine *both[2] = { engine_blank(engine ? engine : "native", bios),
                        engine ? NULL : engine_blank("traces", bios) };
    k.most = pieces;
    unlink(bios);
    log_setup(log, NULL, NULL);
    alarms_start(often);
    for (uint64_t number = first < 0 ? 0 : (uint64_t)first;
         done < cases && (!end || g_get_monotonic_time() < end); number++, done++) {
        case_make(&k, seed, number);
        if (verbose) {
            tell(interp, &k);
        }
        Verdict v = judge(interp, both[!engine && (number & 1)], &k, &a, &b);
        if (v >= DIFFERS_BEHIND && verdicts[v] < 20) {
            show(&k, &a, &b, seed, number);
        }
        verdicts[v]++;
    }
    bool bad = verdicts[DIFFERS] + verdicts[DIFFERS_BEHIND];
    printf("%s proof of modes: seed %" PRIu64 ", %" PRIu64 " programs on both engines",
           bad ? "not ok" : "ok", seed, done);
    for (unsigned v = SAME + 1; v < N_VERDICTS; v++) {
        printf(", %" PRIu64 " %s", verdicts[v], verdict_names[v]);
    }
    printf("\n");
    engine_close(interp);
    engine_close(both[0]);
    if (both[1]) {
        engine_close(both[1]);
    }
    g_byte_array_unref(a.bytes);
    g_byte_array_unref(b.bytes);
    return bad;
}
