/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * be_native.c -- the native back end against the meaning of the IR: random blocks, run by host code
 * and by ir_eval().
 *
 * A block is a random list of operations on guest registers, temporaries, checked memory, flags and
 * helpers (be_native_gen.c).  The model (be_native_model.c) runs it operation by operation;
 * registers, flags (but for those the manual leaves undefined), memory and the place where the block
 * ends must agree.  Checks fail at random, so that the flag recipes are tested as well.
 *
 * Usage: be_native [blocks [seed [one]]].  Omits: vector operations, code that changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/cpu/be_native.h"

static uint64_t rng;
static TestCpu *cpu;
static uint8_t *ram;
static DbtContext *ctx;
static IrBlock *ir;
static State in, model;
static bool left;                       /* ended by a check that failed */

uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng * UINT64_C(0x2545f4914f6cdd1d);
}

unsigned pick(unsigned n) { return (unsigned)((rnd() >> 33) % n); }

uint64_t value(void)
{
    static const uint64_t odd[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
                                    0x80000000, 0xffffffff,
                                    INT64_MAX, UINT64_C(1) << 63, UINT64_MAX, 0x100000000 };
    return pick(3) ? rnd() : odd[pick(G_N_ELEMENTS(odd))];
}

/* ---- what the back end calls ---- */

bool fail(GError **err, const char *fmt, ...)
{
    (void)err;
    fprintf(stderr, "%s\n", fmt);
    return false;
}

void *dbt_refill(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned access)
{
    uint64_t at = linear - PAGE0;
    if (at >= MEM_BYTES || at + bytes > MEM_BYTES || (at & 4095) + bytes > 4096 ||
        ((at >> 12) & 3) == 3) {
        return NULL;
    }
    if (pick(2)) {
        TlbEntry *t = &c->ctx->tlb[tlb_slot(c->ctx, linear)];
        t->read = t->write = linear & -4096LL;
        t->page = (uintptr_t)ram + (at & -4096LL);
    }
    return ram + at;
}

const void *dbt_lookup(DbtCpu *c) { (void)c; return NULL; }
const void *dbt_link_lookup(DbtCpu *c, BlockLink *l, unsigned word)
{
    (void)c;
    (void)l;
    (void)word;
    return NULL;
}
const void *dbt_slow(DbtCpu *c) { (void)c; left = true; return NULL; }
const void *dbt_go_on(DbtCpu *c) { return dbt_slow(c); }
#include "tests/cpu/no_blocks.h"
const void *dbt_unmerged(DbtCpu *c) { (void)c; return NULL; }

/* ---- comparing ---- */

static void print_operations(void)
{
    for (unsigned i = 0; i < ir->n_insns; i++) {
        const IrInsn *n = &ir->insns[i];
        printf("%3u %-8s i%u sets %02x undef %02x", i, ir_op_names[n->op], 8u << n->type, n->sets,
               n->undef);
        const IrRef *r[5] = { &n->dst, &n->dst2, &n->a, &n->b, &n->c };
        for (unsigned k = 0; k < 5; k++) {
            if (r[k]->kind == IR_IMM) {
                printf(" #%#lx", (long)ir->imms[r[k]->id]);
            } else if (r[k]->kind) {
                printf(" %s%u%s", (const char *[]){ "", "r", "t", "", "ctx", "h", "v" }[r[k]->kind],
                       r[k]->id, r[k]->high_byte ? "h" : "");
            } else {
                printf(" -");
            }
        }
        if (n->op == IR_chk || n->op == IR_lea) {
            const IrMem *m = &ir->mems[n->mem];
            printf(" [%u:%u + %u:%u*%u + %#x] seg %u bits %u span %u acc %u", m->base.kind,
                   m->base.id, m->index.kind, m->index.id, 1 << m->scale, m->disp, m->segment,
                   m->offset_bits, m->span, m->access);
        }
        printf(" imm %#x cc %u lk %u\n", n->imm, n->cond, n->locked);
    }
}

static void report(const char *what, const State *want, Block *blk)
{
    g_autoptr(GString) s = g_string_new(NULL);

    printf("%s\n", what);
    print_operations();
    dbt_backend_x86_64.print(blk, s);
    printf("%s\n", s->str);
    for (unsigned i = 0; i < 16; i++) {
        printf("r%-2u in %016lx want %016lx got %016lx%s\n", i, in.gpr[i], want->gpr[i],
               cpu->dbt.gpr[i], want->gpr[i] != cpu->dbt.gpr[i] ? " <--" : "");
    }
    for (unsigned i = 0; i < 8; i++) {
        printf("ctx%u in %016lx want %016lx got %016lx%s\n", i, in.ctx[i], want->ctx[i],
               cpu->ctx_words[i], want->ctx[i] != cpu->ctx_words[i] ? " <--" : "");
    }
    printf("flags in %02x want %02x got %02x undef %02x; pc want %lx got %lx; left %d %d\n",
           in.flags, want->flags, model_from_fl(cpu->dbt.fl), want->undef, want->pc, cpu->dbt.pc,
           want->left, left);
    exit(1);
}

/* What blk has done, against what the model has; NULL: the same. */
static const char *difference(void)
{
    if (left != model.left || cpu->dbt.pc != model.pc) {
        return "place";
    } else if (memcmp(cpu->dbt.gpr, model.gpr, sizeof(model.gpr))) {
        return "registers";
    } else if (memcmp(cpu->ctx_words, model.ctx, sizeof(model.ctx))) {
        return "struct";
    } else if ((model_from_fl(cpu->dbt.fl) ^ model.flags) & ~model.undef) {
        return "flags";
    } else if (memcmp(ram, model.mem, MEM_BYTES)) {
        return "memory";
    }
    return NULL;
}

/* ---- running ---- */

static void random_state(bool memory_too)
{
    for (unsigned i = 0; i < 16; i++) {
        in.gpr[i] = value();
    }
    in.gpr[1] = pick(3) ? pick(64) : value();
    for (unsigned i = 12; i < 15; i++) {
        in.gpr[i] = PAGE0 + pick(MEM_BYTES);
    }
    for (unsigned i = 0; i < 8; i++) {
        in.ctx[i] = value();
    }
    in.flags = pick(64);
    for (unsigned i = 0; i < MEM_BYTES; i += 8) {
        uint64_t v = rnd();
        if (memory_too) {
            memcpy(in.mem + i, &v, 8);
        }
    }
}

static void empty_tables(void)
{
    dbt_context_empty(ctx);
    dbt_constants(&cpu->dbt);
    dbt_use(&cpu->dbt, ctx);
    for (unsigned i = 0; i < DBT_JMP_N; i++) {
        ctx->jmp[i].pc = ctx->jmp_victim[i].pc = dbt_jmp_empty(i);
    }
}

static void run_model(void)
{
    model = in;
    model.undef = 0;
    model.left = false;
    for (unsigned i = 0; i < ir->n_insns; i++) {
        uint64_t pc = CODE + (uint64_t)ir_offset(ir, &ir->insns[i]);
        if (!model_step(&model, cpu, ir, &ir->insns[i], pc)) {
            break;
        }
    }
}

static void run_host(const Block *blk)
{
    memcpy(ram, in.mem, MEM_BYTES);
    memcpy(cpu->dbt.gpr, in.gpr, sizeof(in.gpr));
    memcpy(cpu->ctx_words, in.ctx, sizeof(in.ctx));
    cpu->dbt.fl = model_to_fl(in.flags);
    cpu->dbt.pc = ir->pc;
    left = false;
    dbt_backend_x86_64.run(&cpu->dbt, blk->entry);
}

static bool emit(DbtMachine *d, const DbtGuest *guest, Block *blk)
{
    if (dbt_backend_x86_64.emit(d, guest, ir, blk)) {
        return true;
    }
    dbt_backend_x86_64.reclaim(d, 0);   /* the arena is full */
    dbt_backend_x86_64.begin(d, 0);
    return dbt_backend_x86_64.emit(d, guest, ir, blk);
}

static bool test_block(DbtMachine *d, const DbtGuest *guest, unsigned long number)
{
    Block blk = { 0 };

    gen_block(ir, 1 + pick(12));
    ir_liveness(ir, model_helpers, NULL);
    if (!emit(d, guest, &blk)) {
        printf("block %lu does not fit\n", number);
        return false;
    }
    for (unsigned run = 0; run < 4; run++) {
        random_state(run == 0);
        if (run == 0) {
            empty_tables();
        }
        run_model();
        run_host(&blk);
        const char *bad = difference();
        if (bad) {
            g_autofree char *what = g_strdup_printf("block %lu run %u: %s differ", number, run, bad);
            report(what, &model, &blk);
        }
    }
    return true;
}

static void cpu_init(DbtMachine *d, const DbtGuest *guest)
{
    cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~(size_t)63);
    memset(cpu, 0, sizeof(*cpu));
    cpu->mxcsr = 0x1f80;
    ram = aligned_alloc(4096, MEM_BYTES);
    ctx = aligned_alloc(_Alignof(DbtContext), sizeof(DbtContext));
    memset(ctx, 0, sizeof(DbtContext));
    cpu->dbt.ctx = ctx;
    cpu->dbt.dbt = d;
    cpu->dbt.guest = guest;
    for (unsigned i = 0; i < 8; i++) {
        cpu->seg[i].base = i * 0x100;
        cpu->seg[i].lo = i & 1 ? 0 : 0x100;
        cpu->seg[i].hi_read = i & 2 ? 0xffffffff : PAGE0 + 0x8000;
        cpu->seg[i].hi_write = i & 4 ? -1 : cpu->seg[i].hi_read;
    }
}

int main(int argc, char **argv)
{
    unsigned long blocks = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000,
                  one = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    DbtGuest guest = {
        .name = "test", .helpers = model_helpers, .n_helpers = N_HELPERS, .n_gpr = 16,
        .canonical_bits = 48, .vec_offset = offsetof(TestCpu, vec), .vec_stride = 64,
        .fpcr_offset = offsetof(TestCpu, mxcsr), .seg_offset = offsetof(TestCpu, seg),
        .seg_stride = 32, .seg_base = 0, .seg_lo = 8, .seg_hi_read = 16, .seg_hi_write = 24,
        .cs_base = offsetof(TestCpu, cs_base), .cs_limit = offsetof(TestCpu, cs_limit)
    };
    DbtMachine d = { .tb_mib = 16, .guest = &guest, .backend = &dbt_backend_x86_64 };

    cpu_init(&d, &guest);
    ir = ir_new();
    if (!dbt_backend_x86_64.init(&d, NULL)) {
        return 77;
    }
    for (unsigned long k = one; k < (one ? one + 1 : blocks); k++) {
        rng = seed * UINT64_C(0x9e3779b97f4a7c15) + k * UINT64_C(0xd1342543de82ef95) + 1;
        rnd();
        if (!test_block(&d, &guest, k)) {
            return 1;
        }
    }
    printf("%lu blocks agree\n", blocks);
    dbt_backend_x86_64.fini(&d);
    g_free(ir);
    return 0;
}
