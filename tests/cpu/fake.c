/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake.c -- the run time behind fake.h: what accel/dbt/dbt.c and tlb.c are to a real guest, with
 * faults on purpose.
 */
#include <stdlib.h>
#include <string.h>
#include "tests/cpu/fake.h"
#include "accel/dbt/internal.h"

/* ---- memory ---- */
static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static FakeCpu *fake_of(DbtCpu *c)
{
    return (FakeCpu *)c;
}

static bool page_allows(unsigned page, bool write)
{
    return page < FAKE_PAGES && page != PAGE_MISSING && !(write && page == PAGE_READONLY);
}

static void fill(DbtCpu *c, uint64_t linear, unsigned page)
{
    unsigned slot = tlb_slot(c->ctx, linear);
    /* what had to make room, for native code to find there */
    bool behind = fake_of(c)->refills & 1;
    TlbEntry *e = behind ? &c->ctx->victim[slot] : &c->ctx->tlb[slot];
    uint64_t at = linear & -(uint64_t)DBT_PAGE;
    if (page == PAGE_DEVICE) {
        return;
    }
    e->read = at;
    e->write = page != PAGE_CODE && page != PAGE_READONLY ? at : tlb_empty(slot);
    e->page = (uintptr_t)(fake_of(c)->ram + (size_t)page * DBT_PAGE);
    e->phys = TLBF_FILLED;
    if (behind) {
        c->ctx->tlb[slot] = (TlbEntry){ .read = tlb_empty(slot), .write = tlb_empty(slot) };
    } else {
        c->ctx->victim[slot].phys = 0;
    }
}

static unsigned page_of(uint64_t linear)
{
    uint64_t n = (linear - FAKE_BASE) >> DBT_PAGE_BITS;
    return n < FAKE_PAGES ? (unsigned)n : FAKE_PAGES;
}

void *dbt_refill(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned ir_access)
{
    unsigned page = page_of(linear), in_page = (unsigned)linear & (DBT_PAGE - 1);
    fake_of(c)->refills++;
    if (in_page + bytes > DBT_PAGE || !page_allows(page, ir_access & IR_WRITE) ||
        page == PAGE_DEVICE) {
        return NULL;
    }
    fill(c, linear, page);
    if (page == PAGE_CODE && (ir_access & IR_WRITE) && in_page < 2048) {
        return NULL;                    /* granules with code in the lower half only */
    }
    return fake_of(c)->ram + (size_t)page * DBT_PAGE + in_page;
}

static G_GNUC_NORETURN void raise_fault(FakeCpu *c, uint32_t what, uint64_t at)
{
    c->trap = what;
    c->trap_at = at;
    siglongjmp(c->dbt.leave, 1);
}

static void desc_part(DbtCpu *c, uint64_t linear, unsigned access, uint8_t **host, uint64_t *phys,
                      bool *code)
{
    unsigned page = page_of(linear);
    if (!page_allows(page, access & IR_WRITE)) {
        raise_fault(fake_of(c), 1, linear);
    }
    *phys = linear;
    *host = page == PAGE_DEVICE ? NULL : fake_of(c)->ram + (linear - FAKE_BASE);
    *code = page == PAGE_CODE && (access & IR_WRITE);
    fill(c, linear, page);
}

void dbt_access(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned ir_access, DbtAccessDesc *out)
{
    unsigned room = DBT_PAGE - (unsigned)(linear & (DBT_PAGE - 1));
    *out = (DbtAccessDesc){ .n = bytes, .n1 = MIN(bytes, room) };
    desc_part(c, linear, ir_access, &out->host, &out->phys, &out->code);
    if (bytes > room) {
        desc_part(c, linear + room, ir_access, &out->host2, &out->phys2, &out->code2);
    }
}

static uint8_t load_byte(DbtCpu *c, const DbtAccessDesc *d, unsigned at)
{
    const uint8_t *host = at < d->n1 ? d->host : d->host2;
    uint64_t phys = at < d->n1 ? d->phys + at : d->phys2 + at - d->n1;
    FakeCpu *f = fake_of(c);
    if (host) {
        return host[at < d->n1 ? at : at - d->n1];
    }
    f->device = mix(f->device, phys * 2);
    return (uint8_t)mix(phys, f->device);
}

uint64_t dbt_desc_load(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)load_byte(c, d, offset + i) << 8 * i;
    }
    return v;
}

void dbt_desc_store(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, uint64_t value,
                    unsigned bytes)
{
    FakeCpu *f = fake_of(c);
    for (unsigned i = 0; i < bytes; i++) {
        unsigned at = offset + i;
        uint8_t *host = at < d->n1 ? d->host : d->host2;
        uint64_t phys = at < d->n1 ? d->phys + at : d->phys2 + at - d->n1;
        if (host) {
            host[at < d->n1 ? at : at - d->n1] = (uint8_t)(value >> 8 * i);
        } else {
            f->device = mix(f->device, phys * 2 + 1 + ((value >> 8 * i & 0xff) << 32));
        }
    }
}

void dbt_desc_copy(DbtCpu *c, const DbtAccessDesc *d, unsigned offset, void *buf, unsigned bytes,
                   bool store)
{
    uint8_t *p = buf;
    for (unsigned i = 0; i < bytes; i++) {
        if (store) {
            dbt_desc_store(c, d, offset + i, p[i], 1);
        } else {
            p[i] = (uint8_t)dbt_desc_load(c, d, offset + i, 1);
        }
    }
}

void dbt_exclusive_begin(DbtCpu *c)
{
    (void)c;
}

void dbt_exclusive_end(DbtCpu *c)
{
    (void)c;
}

void dbt_leave(DbtCpu *c)
{
    siglongjmp(c->leave, 1);
}

/* ---- the guest ---- */
static G_GNUC_NORETURN void trap(DbtCpu *c, DbtTrap what, unsigned seg)
{
    raise_fault(fake_of(c), 2 + what, seg);
}

static uint64_t helper_mix(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    DbtCpu *d = cpu;
    d->gpr[2] = mix(d->gpr[1], a);
    return mix(mix(a, b), c);
}

static uint64_t helper_flags(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    DbtCpu *d = cpu;
    uint64_t old = d->fl;
    d->fl = ((uint32_t)a & 0xd5) << 8 | 0x200 | ((uint32_t)b & 1);
    return old + c;
}

static uint64_t helper_raise(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    if ((a & 7) == 0) {
        raise_fault(cpu, 99, a);
    }
    return mix(mix(a, b), c) ^ ((DbtCpu *)cpu)->fl;
}

static const IrHelperDesc helpers[FAKE_HELPERS] = {
    { "mix", helper_mix, H_READS | H_WRITES },
    { "flags", helper_flags, H_FLAGS_IN | H_FLAGS_OUT },
    { "raise", helper_raise, H_STATE },
};

static const DbtGuest guest = {
    .name = "fake", .trap = trap, .helpers = helpers, .n_helpers = FAKE_HELPERS, .n_gpr = 16, .canonical_bits = 48,
    .mode_wide = ~UINT64_C(0),
    .vec_offset = offsetof(FakeCpu, vec), .vec_stride = 16, .mmx_offset = offsetof(FakeCpu, vec), .mmx_stride = 16,
    .fpcr_offset = offsetof(FakeCpu, mxcsr),
    .seg_offset = offsetof(FakeCpu, seg), .seg_stride = sizeof(FakeSeg), .seg_base = offsetof(FakeSeg, base),
    .seg_lo = offsetof(FakeSeg, lo), .seg_hi_read = offsetof(FakeSeg, hi_read), .seg_hi_write = offsetof(FakeSeg, hi_write),
    .cs_base = offsetof(FakeCpu, cs_base), .cs_limit = offsetof(FakeCpu, cs_limit),
};

FakeCpu *fake_new(void)
{
    FakeCpu *c = aligned_alloc(64, (sizeof *c + 63) & ~(size_t)63);
    memset(c, 0, sizeof *c);
    c->dbt.guest = &guest;
    c->dbt.contexts = aligned_alloc(_Alignof(DbtContext), sizeof(DbtContext));
    memset(c->dbt.contexts, 0, sizeof(DbtContext));
    c->dbt.ctx = c->dbt.contexts;
    c->dbt.ctx->key.mode = 1;
    c->dbt.ir = ir_new();
    c->mxcsr = 0x1f80;
    c->seg[0] = (FakeSeg){ 0x1000, 0, UINT32_MAX, UINT32_MAX };
    c->seg[1] = (FakeSeg){ FAKE_BASE, 0, 0x8fff, 0x3fff };
    c->seg[2] = (FakeSeg){ FAKE_BASE, 0, 0xbfff, 0x7fff };
    c->seg[3] = (FakeSeg){ 0x2000, 0, -1, -1 };
    c->ram = aligned_alloc(DBT_PAGE, (size_t)FAKE_PAGES * DBT_PAGE);
    return c;
}

void fake_free(FakeCpu *c)
{
    free(c->ram);
    g_free(c->dbt.ir);
    free(c->dbt.contexts);
    free(c);
}

void fake_load(FakeCpu *c, const FakeState *s)
{
    DbtContext *x = c->dbt.ctx;
    dbt_context_empty(x);
    dbt_constants(&c->dbt);
    dbt_use(&c->dbt, x);
    for (unsigned i = 0; i < DBT_JMP_N; i++) {
        x->jmp[i] = x->jmp_victim[i] = (JmpEntry){ dbt_jmp_empty(i), NULL };
    }
    memcpy(c->dbt.gpr, s->gpr, sizeof s->gpr);
    memcpy(c->ctx, s->ctx, sizeof s->ctx);
    memcpy(c->vec, s->vec, sizeof s->vec);
    memcpy(c->ram, s->ram, sizeof s->ram);
    c->dbt.pc = s->pc;
    c->dbt.pc_base = s->pc & -(uint64_t)DBT_PAGE;
    c->dbt.fl = s->fl;
    c->trap = s->trap;
    c->trap_at = s->trap_at;
    c->device = s->device;
    c->endless = false;
}

void fake_save(const FakeCpu *c, FakeState *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->gpr, c->dbt.gpr, sizeof s->gpr);
    memcpy(s->ctx, c->ctx, sizeof s->ctx);
    memcpy(s->vec, c->vec, sizeof s->vec);
    memcpy(s->ram, c->ram, sizeof s->ram);
    s->pc = c->dbt.pc;
    s->fl = c->dbt.fl & 0xd701;         /* bits 3 and 5 of EFLAGS mean nothing */
    s->trap = c->trap;
    s->trap_at = c->trap_at;
    s->device = c->device;
}

/* ---- one instruction, from the raw block ---- */
static int find(const FakeCpu *c)
{
    int64_t offset = (int64_t)(c->dbt.pc - (FAKE_PC & -(uint64_t)DBT_PAGE));
    for (unsigned n = 0; n < c->raw->n_insns; n++) {
        if (ir_offset(c->raw, &c->raw->insns[n]) == offset) {
            return (int)n;
        }
    }
    return -1;
}

bool fake_inside(const FakeCpu *c)
{
    return find(c) >= 0;
}

void dbt_step(DbtCpu *d)
{
    FakeCpu *c = fake_of(d);
    const IrBlock *raw = c->raw;
    IrBlock *one = d->ir;
    int n = find(c);
    g_assert(n >= 0);
    c->steps++;
    ir_begin(one, d->pc, 1);
    memcpy(one->imms, raw->imms, raw->n_imms * sizeof *raw->imms);
    memcpy(one->mems, raw->mems, raw->n_mems * sizeof *raw->mems);
    one->n_imms = raw->n_imms;
    one->n_mems = raw->n_mems;
    unsigned of = raw->insns[n].guest;
    one->guest[one->n_guest++] = raw->guest[of];
    do {
        IrInsn *i = &one->insns[one->n_insns++];
        *i = raw->insns[n++];
        i->live = i->sets;
        i->guest = 0;
    } while ((unsigned)n < raw->n_insns && raw->insns[n].guest == of);
    if ((unsigned)n < raw->n_insns) {
        ir_emit(one, IR_jmp, IR_I64, ir_none(), ir_none(), ir_none())->imm =
            ir_offset(raw, &raw->insns[n]);
    }
    interp_run(d, one);
}

const void *dbt_lookup(DbtCpu *c)
{
    (void)c;
    return NULL;
}

const void *dbt_link_lookup(DbtCpu *c, BlockLink *l, unsigned word)
{
    (void)c;
    (void)l;
    return NULL;
}

const void *dbt_slow(DbtCpu *c)
{
    dbt_step(c);
    return NULL;
}

const void *dbt_go_on(DbtCpu *c)
{
    return dbt_slow(c);
}

#include "tests/cpu/no_blocks.h"
const void *dbt_unmerged(DbtCpu *c)
{
    (void)c;
    return NULL;
}

void fake_run(FakeCpu *c, void (*run)(FakeCpu *c, void *arg), void *arg)
{
    if (sigsetjmp(c->dbt.leave, 0)) {
        return;
    }
    if (run) {
        run(c, arg);
    }
    for (unsigned n = 0; fake_inside(c); n++) {
        if (n > c->raw->n_guest) {
            c->endless = true;
            return;
        }
        dbt_step(&c->dbt);
    }
}

bool fail(GError **err, const char *fmt, ...)           /* core/field.c's, without its family */
{
    va_list args;
    va_start(args, fmt);
    if (err) {
        *err = g_error_new_valist(g_quark_from_static_string("fake"), 1, fmt, args);
    }
    va_end(args);
    return false;
}
