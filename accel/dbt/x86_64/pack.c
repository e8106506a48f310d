/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pack.c -- a block's code and records as bytes that do not depend on where they are, and back:
 * what the cache on disk keeps.
 *
 *     PackHead | LeaveRec without `unmerged`, n_recs | PackLink, n_links | PackRecipe, n_recipes |
 *     uint16_t, n_relocs | code
 *
 * Each reloc is the distance from the one before << 3 | RelocKind; where that is too far,
 * RELOC_SKIPs come first.  In the code there stand numbers of thunks (THUNK), offsets of functions
 * in the program (CALL), and the block's own numbers (REC, LINK, RECIPE).
 *
 * Whoever can write the file can run code here, as can who writes the program.  unpack() checks all
 * the same that nothing outside the block's own part of the arena and the tables is read or
 * written.
 *
 * Omits: code with inline caches, which have numbers of this run.
 * Threads: with DbtMachine.lock.
 */
#include <cpuid.h>
#include <link.h>
#include "accel/dbt/x86_64/emit.h"

enum { RELOC_SHIFT = 3, RELOC_FAR = 0x1fff, REC_BYTES = offsetof(LeaveRec, unmerged),
       N_RECIPES = 255, THUNKS_AT = offsetof(X64, enter),
       N_THUNKS = (offsetof(X64, ic_jump) - THUNKS_AT) / 4 + 1 };
G_STATIC_ASSERT(REC_BYTES == 24);

typedef struct PackHead {
    uint32_t code_bytes;
    uint16_t n_recs, n_links, n_recipes, n_relocs;
    uint16_t loop;
    uint8_t  body, counted;
} PackHead;

typedef struct PackLink {
    int16_t  target;
    uint8_t  loop, back;
    uint32_t patch, stub;               /* from the block's start */
} PackLink;

typedef struct PackRecipe {
    uint8_t  how, op, type, a, b, r, sets, zero;
    int32_t  imm;
    uint16_t regs, zero2;
} PackRecipe;

typedef struct Parts {                  /* of a packed block */
    PackHead h;
    const uint8_t *recs, *links, *recipes, *relocs, *code;
} Parts;

static const uint32_t *thunks(const X64 *x)
{
    return (const uint32_t *)((const char *)x + THUNKS_AT);
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}
static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }

static int first_object(struct dl_phdr_info *info, size_t n, void *base)
{
    *(uintptr_t *)base = info->dlpi_addr;
    return 1;
}

/* What functions' offsets count from: where this run has the program. */
static uintptr_t program_base(void)
{
    static uintptr_t base;              /* the same each time */

    if (!base) {
        dl_iterate_phdr(first_object, &base);
    }
    return base;
}

bool x64_host(uint32_t *words, unsigned n)
{
    static const uint32_t leaves[][2] = {
        { 1, 0 }, { 7, 0 }, { 7, 1 }, { 0xd, 1 }, { 0x80000001, 0 }
    };

    if (n < 4 * G_N_ELEMENTS(leaves)) {
        return false;
    }
    memset(words, 0, n * sizeof(*words));
    for (unsigned i = 0; i < G_N_ELEMENTS(leaves); i++, words += 4) {
        __get_cpuid_count(leaves[i][0], leaves[i][1], &words[0], &words[1], &words[2], &words[3]);
        if (leaves[i][0] == 1) {
            words[1] = 0;               /* which of the host's CPUs this is */
        }
    }
    return true;
}

/* ---- to bytes ---- */

/* Number of the recipe among the block's own. */
static bool recipe_number(PackRecipe *all, unsigned *n, const Recipe *r, unsigned *k)
{
    PackRecipe p = { .how = r->how, .op = r->op, .type = r->type, .a = r->a, .b = r->b, .r = r->r,
                     .sets = r->sets, .imm = r->imm, .regs = r->regs };

    for (*k = 0; *k < *n; ++*k) {
        if (!memcmp(&all[*k], &p, sizeof(p))) {
            return true;
        }
    }
    if (*n == N_RECIPES) {
        return false;
    }
    all[(*n)++] = p;
    return true;
}

static unsigned lazy_of(unsigned fl) { return (fl & 0x1ff) | (fl >> 10 & 0x3f) << 9; }
static unsigned fl_of_lazy(unsigned k) { return (k & 0x1ff) | (k >> 9) << 10; }

/* The number that stands for what this place in the code says now. */
static bool pack_value(const Em *e, const Block *b, const Reloc *r, PackRecipe *recipes,
                       unsigned *n_recipes, uint32_t *out)
{
    const X64 *x = e->x;
    const uint8_t *at = e->start + r->at;
    uint32_t to = arena_off(x, at) + 4 + get32(at);
    unsigned k;

    switch (r->kind) {
    case RELOC_THUNK:
        for (k = 0; k < N_THUNKS && thunks(x)[k] != to; k++) {
        }
        *out = k;
        return k < N_THUNKS;
    case RELOC_CALL:
        *out = (uint32_t)((uintptr_t)(x->rx + (at - x->rw) + 4) +
                          (uint64_t)(int64_t)(int32_t)get32(at) - program_base());
        return true;
    case RELOC_REC:
        *out = get32(at) - e->first_rec;
        return true;
    case RELOC_LINK:
        *out = get32(at) - b->links;
        return true;
    default:
        if (!recipe_number(recipes, n_recipes, &x->lazy[lazy_of(at[0] | (unsigned)at[1] << 8)],
                           &k)) {
            return false;
        }
        *out = k;
        return true;
    }
}

static size_t put(uint8_t *to, size_t at, const void *from, size_t n)
{
    memcpy(to + at, from, n);
    return at + n;
}

/* Relocs into to; how many, or -1. */
static int pack_relocs(const Em *e, uint16_t *to, unsigned room)
{
    uint32_t last = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_relocs; i++) {
        if (e->relocs[i].at < last) {
            return -1;                  /* not in order */
        }
        uint32_t by = e->relocs[i].at - last;
        for (; by > RELOC_FAR && n < room; by -= RELOC_FAR) {
            to[n++] = RELOC_FAR << RELOC_SHIFT | RELOC_SKIP;
        }
        if (n >= room) {
            return -1;
        }
        to[n++] = (uint16_t)(by << RELOC_SHIFT | e->relocs[i].kind);
        last = e->relocs[i].at;
    }
    return (int)n;
}

static size_t pack_links(const DbtMachine *d, const Em *e, const Block *b, uint8_t *to, size_t n)
{
    uint32_t start = arena_off(e->x, e->start);

    for (unsigned k = 0; k < b->n_links; k++) {
        const BlockLink *l = &d->links[b->links + k];
        PackLink p = { .target = l->target, .loop = l->loop, .back = !!(l->stub & LINK_BACK),
                       .patch = l->patch - start, .stub = (l->stub & ~LINK_BACK) - start };
        n = put(to, n, &p, sizeof(p));
    }
    return n;
}

size_t x64_pack(DbtMachine *d, const Block *b, uint8_t *to, size_t room)
{
    const Em *e = &((X64Data *)d->backend_data)->em;
    const X64 *x = e->x;
    PackRecipe recipes[N_RECIPES];
    uint16_t relocs[MAX_RELOCS + 64];
    unsigned n_recipes = 0;

    if (!e->keeps || e->b != b) {
        return 0;
    }
    uint32_t n_recs = x->n_recs - e->first_rec;
    int n_relocs = pack_relocs(e, relocs, G_N_ELEMENTS(relocs));
    size_t most = sizeof(PackHead) + n_recs * REC_BYTES + b->n_links * sizeof(PackLink) +
                  sizeof(recipes) + sizeof(relocs) + b->code_bytes;
    if (n_relocs < 0 || n_recs > UINT16_MAX || most > room) {
        return 0;
    }
    PackHead h = { .code_bytes = b->code_bytes, .n_recs = (uint16_t)n_recs, .n_links = b->n_links,
                   .n_relocs = (uint16_t)n_relocs, .loop = b->loop, .body = b->body,
                   .counted = b->counted };
    size_t n = sizeof(h);
    for (uint32_t k = 0; k < n_recs; k++) {
        n = put(to, n, &x->recs[e->first_rec + k], REC_BYTES);
    }
    n = pack_links(d, e, b, to, n);
    /* for now: how many recipes there are is not known yet */
    uint8_t *code = to + most - b->code_bytes;
    memcpy(code, e->start, b->code_bytes);
    for (unsigned i = 0; i < e->n_relocs; i++) {
        const Reloc *r = &e->relocs[i];
        uint32_t v;
        if (!pack_value(e, b, r, recipes, &n_recipes, &v)) {
            return 0;
        }
        memcpy(code + r->at, &v, r->kind == RELOC_RECIPE ? 2 : 4);
    }
    h.n_recipes = (uint16_t)n_recipes;
    put(to, 0, &h, sizeof(h));
    n = put(to, n, recipes, n_recipes * sizeof(PackRecipe));
    n = put(to, n, relocs, (size_t)n_relocs * sizeof(uint16_t));
    memmove(to + n, code, b->code_bytes);
    return n + b->code_bytes;
}

/* ---- and back ---- */

static bool parts_find(Parts *p, const uint8_t *from, size_t n)
{
    if (n < sizeof(p->h)) {
        return false;
    }
    memcpy(&p->h, from, sizeof(p->h));
    p->recs = from + sizeof(p->h);
    p->links = p->recs + (size_t)p->h.n_recs * REC_BYTES;
    p->recipes = p->links + (size_t)p->h.n_links * sizeof(PackLink);
    p->relocs = p->recipes + (size_t)p->h.n_recipes * sizeof(PackRecipe);
    p->code = p->relocs + (size_t)p->h.n_relocs * sizeof(uint16_t);
    return (size_t)(p->code - from) <= n && n - (size_t)(p->code - from) == p->h.code_bytes &&
           p->h.n_recipes <= N_RECIPES && p->h.code_bytes >= 8 && p->h.counted <= 1 &&
           p->h.body >= sizeof(x64_head) + BODY_TEST + (p->h.counted ? BODY_COUNT : 0) &&
           p->h.body < p->h.code_bytes && p->h.loop < p->h.code_bytes &&
           !memcmp(p->code, x64_head, sizeof(x64_head));
}

static bool is_operand(unsigned reg) { return reg < N_GPR || reg == 0xff; }

static bool recs_take(const X64 *x, const Parts *p)
{
    for (unsigned k = 0; k < p->h.n_recs; k++) {
        LeaveRec *r = &x->recs[x->n_recs + k];
        *r = (LeaveRec){ 0 };
        memcpy(r, p->recs + k * REC_BYTES, REC_BYTES);
        if (r->pc < 0 || r->pc >= DBT_PAGE || r->span > DBT_PAGE || r->how > RECIPE_PRODUCT ||
            r->op >= IR_N_OPS || r->type > IR_I64 || !is_operand(r->b) || r->ic) {
            return false;
        }
    }
    return true;
}

static bool links_take(DbtMachine *d, const X64 *x, const Parts *p, Block *b)
{
    uint32_t at = (uint32_t)x->used;

    for (unsigned k = 0; k < p->h.n_links; k++) {
        PackLink l;
        memcpy(&l, p->links + k * sizeof(l), sizeof(l));
        if (l.patch > p->h.code_bytes - 4 || (l.patch & 7) > 4 || l.stub >= p->h.code_bytes ||
            l.target < 0 || l.target >= DBT_PAGE || (l.loop && !p->h.loop)) {
            return false;
        }
        d->links[x->n_links + k] = (BlockLink){ .target = l.target, .patch = at + l.patch,
                                                .from = b, .loop = l.loop,
                                                .stub = (at + l.stub) | (l.back ? LINK_BACK : 0) };
    }
    return true;
}

static bool recipes_take(X64 *x, const Parts *p, uint16_t numbers[N_RECIPES])
{
    for (unsigned k = 0; k < p->h.n_recipes; k++) {
        PackRecipe r;
        memcpy(&r, p->recipes + k * sizeof(r), sizeof(r));
        if (r.how > RECIPE_PRODUCT || r.op >= IR_N_OPS || r.type > IR_I64 || r.a >= N_GPR ||
            !is_operand(r.b) || r.r >= N_GPR) {
            return false;
        }
        Recipe lazy = { .how = r.how, .op = r.op, .type = r.type, .a = r.a, .b = r.b, .r = r.r,
                        .sets = r.sets, .imm = r.imm, .regs = r.regs };
        numbers[k] = (uint16_t)lazy_number(x, &lazy);
        if (!numbers[k]) {
            return false;               /* no room: to be translated, which does without */
        }
    }
    return true;
}

/* Its place's own number, where the packed one stands. */
static bool reloc_apply(const X64 *x, const Parts *p, const uint16_t *numbers, RelocKind kind,
                        uint8_t *at)
{
    uintptr_t next = (uintptr_t)(x->rx + (at - x->rw) + 4);
    uint32_t v = kind == RELOC_RECIPE ? at[0] | (uint32_t)at[1] << 8 : get32(at);

    switch (kind) {
    case RELOC_THUNK:
        if (v >= N_THUNKS) {
            return false;
        }
        put32(at, thunks(x)[v] - (arena_off(x, at) + 4));
        return true;
    case RELOC_CALL: {
        int64_t by = (int64_t)(program_base() + v - next);
        put32(at, (uint32_t)by);
        return by == (int32_t)by;
    }
    case RELOC_REC:
        put32(at, x->n_recs + v);
        return v < p->h.n_recs;
    case RELOC_LINK:
        put32(at, x->n_links + v);
        return v < p->h.n_links;
    case RELOC_RECIPE:
        if (v >= p->h.n_recipes) {
            return false;
        }
        v = fl_of_lazy(numbers[v]);
        memcpy(at, &v, 2);
        return true;
    default:
        return false;
    }
}

static bool code_take(const X64 *x, const Parts *p, const uint16_t *numbers)
{
    uint8_t *code = x->rw + x->used;
    size_t at = 0;

    memcpy(code, p->code, p->h.code_bytes);
    for (unsigned i = 0; i < p->h.n_relocs; i++) {
        uint16_t r;
        memcpy(&r, p->relocs + i * sizeof(r), sizeof(r));
        RelocKind kind = r & ((1u << RELOC_SHIFT) - 1);
        at += r >> RELOC_SHIFT;
        if (kind == RELOC_SKIP) {
            continue;
        }
        if (at + 4 > p->h.code_bytes || !reloc_apply(x, p, numbers, kind, code + at)) {
            return false;
        }
    }
    return true;
}

bool x64_unpack(DbtMachine *d, const DbtGuest *g, const uint8_t *from, size_t n, Block *b,
                bool *full)
{
    X64 *x = x64_of(d);
    uint16_t numbers[N_RECIPES];
    Parts p;

    *full = false;
    x64_ready(d, g);
    if (!parts_find(&p, from, n)) {
        return false;
    }
    if (!x64_room(d, p.h.code_bytes + 16u, p.h.n_recs, p.h.n_links)) {
        *full = true;
        return false;
    }
    if (!recs_take(x, &p) || !links_take(d, x, &p, b) || !recipes_take(x, &p, numbers) ||
        !code_take(x, &p, numbers)) {
        return false;
    }
    b->entry = x->rx + x->used;
    b->body = p.h.body;
    b->counted = p.h.counted & 1;
    b->loop = p.h.loop;
    b->n_links = p.h.n_links;
    b->links = x->n_links;
    b->code_bytes = p.h.code_bytes;
    x->n_recs += p.h.n_recs;
    x->n_links += p.h.n_links;
    x->used = (x->used + p.h.code_bytes + BLOCK_ALIGN - 1) & ~(size_t)(BLOCK_ALIGN - 1);
    return true;
}
