/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.c -- the x86-64 back end: the arena, one pass from IR to host code, links, and the DbtBackend it offers.
 *
 * The arena is one piece of memory seen twice, writable and executable, so that no page is both.  Blocks are laid out as
 *
 *     entry:  and r10, -4096; mov [cpu.pc_base], r10      from the jump cache: linear pc in r10
 *             cmp [cpu.attention], 0; jne exit            the exit check; backward links enter here (body - BODY_TEST)
 *     body:   the guest's instructions; then stubs (ctl.c)
 *
 * Omits: hosts without BMI1, BMI2, LZCNT, POPCNT and SSE4.2 (init says so).
 * Threads: emit, link, unlink, kill under DbtMachine.lock; run by each vCPU.
 */
#include <cpuid.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include "accel/dbt/x86_64/emit.h"
#include "core/disas.h"

enum { ROOM = 640, RECS_EACH = 32, LINKS_EACH = 64,     /* bytes that one operation may emit; bytes of the arena for each of them */
       POPULATE = 256 << 10, TABLE_STEP = 64 << 10, HUGE_PAGE = 2 << 20 };
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
G_STATIC_ASSERT(offsetof(DbtCpu, gpr) + 8 * N_GPR - BIAS <= 128);

static bool host_ok(GError **err)
{
    unsigned a, b, c, d, c1 = 0, b7 = 0, c81 = 0;

    if (__get_cpuid(1, &a, &b, &c, &d)) {
        c1 = c;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        b7 = b;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        c81 = c;
    }
    if (!(c1 & bit_SSE4_2) || !(c1 & bit_POPCNT) || !(c1 & bit_MOVBE) || !(b7 & bit_BMI) || !(b7 & bit_BMI2) ||
        !(c81 & bit_LZCNT) || !(c81 & bit_LAHF_LM)) {
        return fail(err, "accel dbt: this host CPU lacks SSE4.2, POPCNT, BMI1, BMI2, LZCNT or LAHF; use -accel dbt,engine=interp");
    }
    return true;
}

/* Near the program, so that its functions are in reach of a 32-bit call. */
static void *map_near(int fd, size_t size)
{
    uintptr_t base = (uintptr_t)&host_ok & ~(uintptr_t)(HUGE_PAGE - 1);

    for (unsigned k = 1; k < 64; k++) {
        void *want = (void *)(base - size - k * UINT64_C(0x1000000));
        void *p = mmap(want, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
        if (p == want) {
            return p;
        }
        if (p != MAP_FAILED) {
            munmap(p, size);
        }
    }
    return mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
}

/* Aligned as its memory is. */
static void *map_to_write(int fd, size_t size)
{
    uint8_t *p = mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        return p;
    }
    uint8_t *at = (uint8_t *)(((uintptr_t)p + HUGE_PAGE - 1) & -(uintptr_t)HUGE_PAGE);
    void *rw = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    if (at > p) {
        munmap(p, (size_t)(at - p));
    }
    if (at < p + HUGE_PAGE) {
        munmap(at + size, (size_t)(p + HUGE_PAGE - at));
    }
    return rw;
}

/* A table that fills from its start: pages as they are needed, huge ones would stand half empty. */
static void *table_new(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        g_error("accel dbt: no memory for %zu KiB of tables", bytes >> 10);
    }
    return p;
}

static void table_room(void *table, size_t size, uint32_t used, uint32_t *room, uint32_t end)
{
    if (used + TABLE_STEP / size / 4 > *room && *room + TABLE_STEP / size <= end) {
        uint32_t more = (uint32_t)(TABLE_STEP / size);
        madvise((uint8_t *)table + *room * size, TABLE_STEP, MADV_POPULATE_WRITE);     /* kernels without it: by faults */
        *room += more;
    }
}

static bool arena_make(X64 *x, size_t size, GError **err)
{
    int fd = memfd_create("ryokan-code", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        fail(err, "accel dbt: cannot make a code arena of %zu MiB: %s", size >> 20, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    x->size = size;
    x->rw = map_to_write(fd, size);
    x->rx = map_near(fd, size);
    close(fd);
    if (x->rw == MAP_FAILED || x->rx == MAP_FAILED) {
        return fail(err, "accel dbt: cannot map the code arena: %s", g_strerror(errno));
    }
    x->max_recs = (uint32_t)(size / RECS_EACH);
    x->recs = table_new(sizeof(LeaveRec) * x->max_recs);
    x->max_links = (uint32_t)(size / LINKS_EACH);
    return true;
}

static bool x64_init(DbtMachine *d, GError **err)
{
    if (!host_ok(err)) {
        return false;
    }
    X64Data *s = g_new0(X64Data, 1);
    if (!arena_make(&s->x, (size_t)(d->tb_mib ? d->tb_mib : 1) << 20, err)) {
        g_free(s);
        return false;
    }
    d->backend_data = s;
    d->links = table_new(sizeof(BlockLink) * s->x.max_links);
    return true;
}

static void x64_fini(DbtMachine *d)
{
    X64Data *s = d->backend_data;

    munmap((void *)s->x.rw, s->x.size);
    munmap((void *)s->x.rx, s->x.size);
    munmap(s->x.recs, sizeof(LeaveRec) * s->x.max_recs);
    munmap(d->links, sizeof(BlockLink) * s->x.max_links);
    g_free(s);
}

/* ---- emission ---- */

typedef void EmitFn(Em *e);
static EmitFn *const emitters[IR_N_OPS] = {
    [IR_mov] = em_mov, [IR_zext8] = em_ext, [IR_zext16] = em_ext, [IR_zext32] = em_ext, [IR_sext8] = em_ext,
    [IR_sext16] = em_ext, [IR_sext32] = em_ext, [IR_bswap] = em_bswap, [IR_sel] = em_sel, [IR_setcc] = em_setcc, [IR_lea] = em_lea,
    [IR_add] = em_alu, [IR_adc] = em_alu, [IR_sub] = em_alu, [IR_sbb] = em_alu, [IR_and] = em_alu, [IR_or] = em_alu,
    [IR_xor] = em_alu, [IR_cmp] = em_alu, [IR_test] = em_alu, [IR_neg] = em_unary, [IR_not] = em_unary, [IR_inc] = em_unary,
    [IR_dec] = em_unary, [IR_mul] = em_mul, [IR_mulu2] = em_mul2, [IR_muls2] = em_mul2, [IR_divu] = em_div, [IR_divs] = em_div,
    [IR_shl] = em_shift, [IR_shr] = em_shift, [IR_sar] = em_shift, [IR_rol] = em_shift, [IR_ror] = em_shift,
    [IR_rcl] = em_shift, [IR_rcr] = em_shift, [IR_shld] = em_shld, [IR_shrd] = em_shld, [IR_bt] = em_bt, [IR_bts] = em_bt,
    [IR_btr] = em_bt, [IR_btc] = em_bt, [IR_bsf] = em_bscan, [IR_bsr] = em_bscan, [IR_tzcnt] = em_bscan, [IR_lzcnt] = em_bscan,
    [IR_popcnt] = em_bscan, [IR_crc32] = em_crc32, [IR_getfl] = em_getfl, [IR_setfl] = em_setfl, [IR_cmc] = em_cmc,
    [IR_chk] = em_chk, [IR_xchg] = em_atomic, [IR_xadd] = em_atomic, [IR_cmpxchg] = em_atomic, [IR_fence] = em_fence, [IR_prefetch] = em_prefetch,
    [IR_chkcs] = em_chkcs, [IR_chkpc] = em_chkpc, [IR_guard] = em_guard, [IR_jmp] = em_jmp, [IR_br] = em_br, [IR_brz] = em_brz, [IR_brnz] = em_brz,
    [IR_jind] = em_jind, [IR_jguess] = em_jguess, [IR_exit_pc] = em_exit_pc, [IR_exit_next] = em_exit_next, [IR_helper] = em_helper, [IR_vop] = em_vop, [IR_bulk] = em_bulk, [IR_gate] = em_gate,
};

static bool touches(const Em *e, const IrInsn *n, unsigned regs)
{
    if (n->op == IR_helper && (e->g->helpers[n->sub].props & H_WRITES)) {
        return true;
    }
    return (n->dst.kind == IR_GUEST && (regs >> n->dst.id & 1)) || (n->dst2.kind == IR_GUEST && (regs >> n->dst2.id & 1));
}

/* Before it, guest registers on the host's x87 stack go where they belong. */
static bool ends_x87(const IrInsn *n)
{
    return n->op == IR_helper || n->op == IR_br || n->op == IR_brz || n->op == IR_brnz || n->op == IR_bulk || n->op == IR_gate ||
           n->op == IR_jguess || (ir_op_props[n->op] & ENDS);
}

static void emit_body(Em *e)
{
    const IrBlock *ir = e->ir;
    const IrGuest *guest = ir->guest;
    const uint8_t *limit = e->end - ROOM;
    const IrInsn *n = ir->insns;

    for (unsigned i = 0, n_insns = ir->n_insns; i < n_insns; i++, n++) {
        if (n->op == IR_gone) {
            continue;
        }
        e->i = i;
        e->n = n;
        e->guest_pc = guest[n->guest].offset;
        if (e->p > limit) {
            e->full = true;
            return;
        }
        if ((e->x87_n | e->x87_c1) && ends_x87(n)) {
            x87_flush(e);
        }
        emitters[n->op](e);
        regs_end_insn(e);
        if (e->recipe.how && e->recipe_at != i && touches(e, n, e->recipe.regs)) {
            e->recipe.how = RECIPE_NONE;
        }
    }
}

static uint8_t *emit_count(Em *e)
{
    e_op(e, 0xff, 0, 1, rm_cpu((int32_t)(e->g->ic_offset + DBT_HOT_AT + 4 * e->counter) - BIAS));       /* dec */
    return e_jcc(e, CC_E);
}

static uint8_t *emit_head(Em *e, Block *b)
{
    b->entry = e->x->rx + arena_off(e->x, e->p);
    e_op(e, 0x81, E_W, 4, rm_reg(R10));
    e32(e, (uint32_t)-DBT_PAGE);
    e_store(e, R10, rm_cpu(CPU(pc_base)));
    e_alu_imm(e, 7, IR_I32, rm_cpu(CPU(vcpu.attention)), 0);
    uint8_t *attention = e_jcc(e, CC_NE);
    e->hot = b->counted ? emit_count(e) : NULL;
    b->body = (uint8_t)(e->p - e->start);
    e->check = NULL;
    if (e->trace && e->trace->guard) {
        e_load(e, R10, rm_cpu(CPU(pc_base)));
        e_op(e, 0x3b, E_W, R10, rm_cpu((int32_t)(e->g->ic_offset + DBT_GUARD_AT + 8 * (e->trace->guard - 1)) - BIAS));
        e->check = e_jcc(e, CC_NE);
    }
    return attention;
}

/* Where the counter is used up, and where the trace's pages are to be looked at. */
static void emit_hot_stubs(Em *e)
{
    uint8_t *from[2] = { e->hot, e->loop_hot };

    for (unsigned k = 0; k < 2; k++) {
        if (from[k]) {
            patch_to(from[k], e->p);
            if (k) {
                regs_swap(e);
            }
            e_mov_imm(e, RAX, e->ir->pc & (DBT_PAGE - 1));
            e_mov_imm(e, R11, e->counter);
            e_jmp_thunk(e, e->x->hot);
        }
    }
    if (e->check) {
        patch_to(e->check, e->p);
        e_mov_imm(e, RAX, e->ir->pc & (DBT_PAGE - 1));
        e_mov_imm(e, R11, e->b->trace - 1u);
        e_jmp_thunk(e, e->x->check);
    }
}

/* Does it jump back to its own start?  (Not where links to it depend on more than its page and mode.) */
static bool is_loop(const Em *e)
{
    return e->ir->loops && !e->b->at2 && !(e->b->mode & DBT_MODE_UNMERGED);
}

/* Does it use the host's vector registers? */
static bool has_vectors(const Em *e)
{
    const IrInsn *n = e->ir->insns;

    for (unsigned left = e->ir->n_vops; left; n++) {
        if (n->op == IR_vop) {
            const IrVecDesc *d = &e->g->vecs[n->sub];
            if (!is_x87(d) && !(d->props & V_MMX)) {
                return true;
            }
            left--;
        }
    }
    return false;
}

/* Behind the body's entry: guest registers change places; then an exit check of its own for each turn. */
static void emit_loop_head(Em *e, Block *b)
{
    e->loops = true;
    regs_swap(e);
    b->loop = (uint16_t)(e->p - e->start);
    e_alu_imm(e, 7, IR_I32, rm_cpu(CPU(vcpu.attention)), 0);
    e->loop_attention = e_jcc(e, CC_NE);
    e->loop_hot = b->counted ? emit_count(e) : NULL;
}

/* The same for one with hoisted checks: the first turn without, then a look, then the rest. */
static void emit_turns(Em *e, Block *b)
{
    uint8_t vec_sure = e->vec_sure;
    bool ics = e->ics;

    e->loops = true;
    e->loop_first = NULL;
    regs_swap(e);
    e->ics = false;
    ir_liveness(e->ir, e->g->helpers, &e->hoist);
    e->quiet = !(e->ir->insns[-1].after.flags | e->ir->insns[-1].after.fault);
    ir_liveness(e->ir, e->g->helpers, NULL);    /* there may have been no room for it before */
    emit_body(e);
    if (e->full) {
        return;
    }
    loop_check(e);
    if (e->full) {
        return;
    }
    e->turn = TURN_REST;
    e->ics = ics;
    e->vec_sure = vec_sure;
    e->host = 0;
    e->mem = FL_ALL;
    e->recipe.how = RECIPE_NONE;
    forget_scratch(e);
    ir_liveness(e->ir, e->g->helpers, &e->hoist);
    b->loop = (uint16_t)(e->p - e->start);
    loop_head(e);
    emit_body(e);
}

static void em_reset(Em *e, DbtMachine *d, const DbtGuest *g, IrBlock *ir, Block *b)
{
    X64 *x = x64_of(d);

    e->p = e->start = x->rw + x->used;
    e->end = x->rw + x->end;
    e->d = d;
    e->x = x;
    e->g = g;
    e->ir = ir;
    e->b = b;
    e->i = 0;
    e->n = NULL;
    e->wide = ir->mode & g->mode_wide;
    e->ymm = ir->mode & g->mode_ymm;
    e->stack_reg = ir->mode & g->mode_slow ? UINT16_MAX + 1u : g->stack_reg;
    e->trace = b->trace ? d->traces->pdata[b->trace - 1] : NULL;
    e->ics = (e->trace || ic_is_hot(d, b->at)) && ic_wanted(d, g, ir->mode);
    e->stays = e->trace ? e->trace->stays : 0;
    e->counter = b->counted ? trace_counter(d) : 0;
    e->loops = e->at_end = e->quiet = false;
    e->loop_fl = 0;
    e->turn = TURN_ALL;
    e->n_loop_fails = 0;
    e->loop_hot = NULL;
    e->keeps = d->cache && !e->ics;
    e->n_relocs = 0;
    e->full = false;
    e->guest_pc = (int32_t)(ir->pc & (DBT_PAGE - 1));
    e->host = 0;
    e->mem = FL_ALL;
    e->recipe.how = RECIPE_NONE;
    e->vec_sure = false;
    e->n_stubs = 0;
    e->x87_n = e->x87_c1 = 0;
    regs_begin(e);
}

/* One huge page for the next blocks: the host's TLB holds few others for code.  What has been written there already is copied. */
static bool populate_huge(X64 *x, size_t at)
{
    if (at + HUGE_PAGE > x->size || ((uintptr_t)x->rx & (HUGE_PAGE - 1)) || madvise(x->rw + at, 1, MADV_POPULATE_WRITE) ||
        madvise(x->rx + at, HUGE_PAGE, MADV_COLLAPSE)) {
        return false;
    }
    x->populated = at + HUGE_PAGE;
    return true;
}

/*
 * Memory for the next blocks in one call rather than by a fault for each page of each view: a little at first, as a short run
 * needs no more.  What lies behind is written to rarely from now on: its second mapping goes, and comes back by faults.
 */
static void populate(X64 *x)
{
    if (x->used - x->dropped > POPULATE || x->used < x->dropped) {
        x->dropped = x->used & -(size_t)POPULATE;
        madvise(x->rw, x->dropped, MADV_DONTNEED);
    }
    if (x->used + POPULATE / 4 <= x->populated || x->populated >= x->size) {
        return;
    }
    if (!x->populated || !populate_huge(x, x->populated & -(size_t)HUGE_PAGE)) {
        size_t n = MIN(POPULATE, x->size - x->populated);
        madvise(x->rw + x->populated, n, MADV_POPULATE_WRITE);      /* kernels without it: by faults */
        madvise(x->rx + x->populated, n, MADV_POPULATE_READ);
        x->populated += n;
    }
}

/* Each generation has an equal part of everything. */
static size_t part_bytes(const X64 *x) { return (x->size - x->first) / DBT_GENERATIONS & ~(size_t)63; }
static size_t part_at(const X64 *x, unsigned generation) { return ((x->first + 63) & ~(size_t)63) + generation * part_bytes(x); }

static void x64_begin(DbtMachine *d, unsigned generation)
{
    X64 *x = x64_of(d);
    uint32_t recs = x->max_recs / DBT_GENERATIONS, links = x->max_links / DBT_GENERATIONS;

    x->recs_used[x->generation] = x->n_recs;
    x->generation = generation;
    x->used = part_at(x, generation);
    x->end = x->used + part_bytes(x) - 64;
    x->n_recs = generation * recs;
    x->end_recs = x->n_recs + recs;
    x->n_links = generation * links;
    x->end_links = x->n_links + links;
    x->rooms[0] = x->n_recs;
    x->rooms[1] = x->n_links;
    x->populated = MAX(x->populated, x->used & -(size_t)POPULATE);      /* what lies between was not needed */
    x->dropped = x->used & -(size_t)POPULATE;
}

/* Before the first block. */
void x64_ready(DbtMachine *d, const DbtGuest *g)
{
    X64Data *s = d->backend_data;

    if (!s->x.guest) {
        s->x.guest = g;
        s->em.d = d;
        s->em.end = s->x.rw + s->x.size;
        populate(&s->x);
        thunks_make(&s->x, &s->em);
        x64_begin(d, 0);
    }
}

bool x64_room(DbtMachine *d, size_t bytes, uint32_t recs, uint32_t links)
{
    X64 *x = x64_of(d);

    if (x->end - x->used < bytes || x->end_recs - x->n_recs < recs || x->end_links - x->n_links < links) {
        return false;
    }
    populate(x);
    table_room(x->recs, sizeof(LeaveRec), x->n_recs, &x->rooms[0], x->end_recs);
    table_room(d->links, sizeof(BlockLink), x->n_links, &x->rooms[1], x->end_links);
    return true;
}

static bool x64_emit(DbtMachine *d, const DbtGuest *g, IrBlock *ir, Block *b)
{
    X64Data *s = d->backend_data;
    X64 *x = &s->x;
    Em *e = &s->em;

    x64_ready(d, g);
    if (!x64_room(d, 2 * ROOM, 0, 0)) {
        return false;
    }
    em_reset(e, d, g, ir, b);
    e->ic_all = !e->trace || is_loop(e);
    uint32_t recs = e->first_rec = x->n_recs;
    b->n_links = 0;
    b->links = x->n_links;
    unsigned last = is_loop(e) ? last_loop(e) : 0;
    bool restless = e->trace && e->trace->restless, hoists = last && e->trace && !restless && loop_hoists(e);
    bool loops = last && regs_choose(e, hoists ? e->hoist.last : last) && (!restless || e->swaps);
    hoists &= loops;
    e->n_links = ir->n_exits;
    if (hoists) {
        e->turn = TURN_FIRST;
        e->n_links = 2 * ir->n_exits + 1;
    }
    if (e->n_links > x->end_links - x->n_links) {
        return false;
    }
    uint8_t *attention = emit_head(e, b);
    bool vectors = has_vectors(e);
    if (vectors) {
        em_vec_check(e);
    }
    if (hoists) {
        emit_turns(e, b);
    } else {
        if (loops && (e->swaps || (e->trace && (e->trace->guard || vectors)))) {      /* else there is nothing to go past */
            emit_loop_head(e, b);
        }
        emit_body(e);
    }
    if (!e->full) {
        if (e->loops) {
            patch_to(e->loop_attention, e->p);
            if (e->loop_fl) {
                flags_put_recipe(e, e->loop_fl);
            }
            regs_swap(e);
        }
        patch_to(attention, e->p);
        e_mov_imm(e, RAX, ir->pc & (DBT_PAGE - 1));
        e_jmp_thunk(e, x->exit_at);
        emit_hot_stubs(e);
        if (hoists) {
            loop_fail(e);
        }
        emit_stubs(e);
    }
    if (e->full) {
        x->n_recs = recs;
        return false;
    }
    d->stats.trace_hoists += hoists;
    x->n_links += b->n_links;
    b->code_bytes = (uint32_t)(e->p - e->start);
    x->used = ((size_t)(e->p - x->rw) + BLOCK_ALIGN - 1) & ~(size_t)(BLOCK_ALIGN - 1);
    return true;
}

/* ---- links ---- */

static void store_rel32(void *at, int32_t v)    /* aligned so that it is seen whole: align_rel32() */
{
    __atomic_store_n((int32_t *)at, v, __ATOMIC_RELEASE);
}

static void link_to(const X64 *x, const BlockLink *l, size_t target)
{
    store_rel32(x->rw + l->patch, (int32_t)((ptrdiff_t)target - (ptrdiff_t)(l->patch + 4)));
}

static void x64_link(DbtMachine *d, BlockLink *l, const Block *to)
{
    const X64 *x = x64_of(d);

    if (to) {
        size_t entry = (size_t)((const uint8_t *)to->entry - x->rx);
        bool back = l->stub & LINK_BACK;
        unsigned test = (back ? BODY_TEST : 0u) + (to->counted && (back || l->from->trace) ? BODY_COUNT : 0u);
        link_to(x, l, entry + (l->loop ? to->loop : to->body - test));
    } else {
        __atomic_store_n(&l->cached, true, __ATOMIC_RELAXED);   /* its stub looks */
    }
}

static void x64_unlink(DbtMachine *d, BlockLink *l)
{
    link_to(x64_of(d), l, l->stub & ~LINK_BACK);
}

/* The first instruction is seven bytes at an aligned address: a jump takes its place in one store. */
static void x64_kill(DbtMachine *d, Block *b)
{
    const X64 *x = x64_of(d);
    uint8_t *at = x->rw + ((const uint8_t *)b->entry - x->rx);
    uint64_t code;

    memcpy(&code, at, 8);
    uint32_t miss = b->mode & DBT_MODE_UNMERGED ? x->miss_unmerged : x->miss;   /* the former is not what a look-up would find */
    int32_t rel = (int32_t)((ptrdiff_t)miss - (at + 5 - x->rw));
    uint8_t *p = (uint8_t *)&code;
    p[0] = 0xe9;
    memcpy(p + 1, &rel, 4);
    __atomic_store_n((uint64_t *)at, code, __ATOMIC_RELEASE);
}

const uint8_t x64_head[7] = { 0x49, 0x81, 0xe2, 0x00, 0xf0, 0xff, 0xff };      /* emit_head(): and r10, -4096 */

static void x64_revive(DbtMachine *d, Block *b)
{
    const X64 *x = x64_of(d);
    uint8_t *at = x->rw + ((const uint8_t *)b->entry - x->rx);
    uint64_t code;

    memcpy(&code, at, 8);
    memcpy(&code, x64_head, sizeof(x64_head));
    __atomic_store_n((uint64_t *)at, code, __ATOMIC_RELEASE);
}

/* Records that are left and say that they go on in code that is no more. */
static void unmerged_forget(X64 *x, unsigned generation)
{
    uintptr_t from = (uintptr_t)x->rx + part_at(x, generation);

    x->recs_used[x->generation] = x->n_recs;
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        for (uint32_t k = g * (x->max_recs / DBT_GENERATIONS); k < x->recs_used[g]; k++) {
            if ((uintptr_t)x->recs[k].unmerged - from < part_bytes(x)) {
                x->recs[k].unmerged = NULL;
            }
        }
    }
}

static void x64_reclaim(DbtMachine *d, unsigned generation)
{
    X64 *x = x64_of(d);

    x->recs_used[generation] = 0;
    unmerged_forget(x, generation);
    for (unsigned k = 0; k < LAZY_MAX; k++) {
        x->lazy_of[k] &= (uint8_t)~(1u << generation);
    }
    for (unsigned k = 0; k < LAZY_HASH; k++) {
        if (!x->lazy_of[x->lazy_hash[k]]) {
            x->lazy_hash[k] = 0;        /* it may be another's soon */
        }
    }
    for (unsigned k = 0; k < DBT_IC_JUMPS; k++) {           /* empty: the jump caches have been flushed */
        if (x->ic_jump_of[k] == generation + 1) {
            x->ic_jump_of[k] = 0;
        }
    }
}

static void x64_run(DbtCpu *c, const void *entry)
{
    const X64 *x = &((X64Data *)c->dbt->backend_data)->x;

    ((void (*)(DbtCpu *, const void *))(uintptr_t)(x->rx + x->enter))(c, entry);
    flags_settle(c);
}

static bool x64_print(const Block *b, GString *out)
{
    const uint8_t *code = b->entry;
    size_t n = b->code_bytes;

    if (disas_available()) {
        for (size_t i = 0, bytes = 1; bytes && i < n; i += bytes) {
            g_string_append_printf(out, "%#" PRIxPTR ":  ", (uintptr_t)code + i);
            bytes = disas_x86(64, (uintptr_t)code + i, code + i, n - i, out);
            g_string_append_c(out, '\n');
        }
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(out, "%02x%c", code[i], i % 32 == 31 || i + 1 == n ? '\n' : ' ');
    }
    return true;
}

const DbtBackend dbt_backend_x86_64 = {
    .name = "x86_64",
    .init = x64_init,
    .fini = x64_fini,
    .emit = x64_emit,
    .pack = x64_pack,
    .unpack = x64_unpack,
    .host = x64_host,
    .link = x64_link,
    .unlink = x64_unlink,
    .kill = x64_kill,
    .revive = x64_revive,
    .begin = x64_begin,
    .reclaim = x64_reclaim,
    .run = x64_run,
    .print = x64_print,
};
