/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smm.c -- system management mode: what an SMI saves and where it goes, and RSM.
 *
 * Spec: AMD APM (24593) vol. 2 ch. 10, table 10-1 (the save area of CPUs with long mode); Intel SDM
 *   (325462) vol. 3 ch. 31, table 31-1 (that of 32-bit CPUs).
 * Omits: restart of string I/O; the SVM part of the save area (an SMI waits until a guest has
 *   exited); SMRR, SMM_MASK and TSEG (the chipset decides who sees SMRAM).
 * Threads: the vCPU's own.
 *
 * The area is the last 512 bytes of the 64 KiB at SMBASE.  SMRAM shows in Vcpu.spaces[1] alone, and
 * in_smm is part of the context's key, so that no translation made in one mode serves the other.
 */
#include "cpu/x86/sys.h"
#include "core/machine.h"

enum { AREA = 0xfe00, AREA_BYTES = 0x200, ENTRY = 0x8000 };
enum { REV_IO_RESTART = 1 << 16, REV_SMBASE = 1 << 17, REV_64 = 0x64 };
enum { CR0_CLEARED = CR0_PE | CR0_EM | CR0_TS };                /* and PG */
enum { IO_OUT = 0, IO_IN = 1, IO_VALID = 2 };                 /* trap dword: 6:4 size, 31:16 port */

/* Offsets from SMBASE + FE00H. */
enum {                                  /* AMD64: table 10-1 */
    A_SEGS = 0x00, A_GDT = 0x60, A_LDTR = 0x70, A_IDT = 0x80, A_TR = 0x90, A_IO_RIP = 0xa0,
    A_IO_TRAP = 0xc0,
    A_IO_RESTART = 0xc8, A_HALT = 0xc9, A_NMI = 0xca, A_REV = 0xfc, A_RFLAGS = 0x170, A_RIP = 0x178,
};
/* 32-bit: table 31-1; the hidden registers lie in what it reserves */
enum {
    I_REV = 0xfc, I_IO_RESTART = 0x100, I_HALT = 0x102, I_HIDDEN = 0x108, I_GDT = 0x170,
    I_CR4 = 0x184,
    I_IO_RIP = 0x188, I_IO_TRAP = 0x1a4, I_SELECTORS = 0x1a8, I_EIP = 0x1f0, I_EFLAGS = 0x1f4,
};

typedef struct Row { uint16_t at; uint8_t bytes; uint16_t member; } Row;
#define ROW(at, bytes, m) { at, bytes, offsetof(X86Cpu, m) }
static const Row rows64[] = {
    ROW(0xa8, 8, smi_io.rcx), ROW(0xb0, 8, smi_io.rsi), ROW(0xb8, 8, smi_io.rdi),
    ROW(0xd0, 8, efer), ROW(0x100, 4, smbase), ROW(0x148, 8, cr4), ROW(0x150, 8, cr3),
    ROW(0x158, 8, cr0), ROW(0x160, 8, dr[7]), ROW(0x168, 8, dr[6]), ROW(0x180, 8, dbt.gpr[15]),
    ROW(0x188, 8, dbt.gpr[14]), ROW(0x190, 8, dbt.gpr[13]), ROW(0x198, 8, dbt.gpr[12]),
    ROW(0x1a0, 8, dbt.gpr[11]), ROW(0x1a8, 8, dbt.gpr[10]), ROW(0x1b0, 8, dbt.gpr[9]),
    ROW(0x1b8, 8, dbt.gpr[8]), ROW(0x1c0, 8, dbt.gpr[R_RDI]), ROW(0x1c8, 8, dbt.gpr[R_RSI]),
    ROW(0x1d0, 8, dbt.gpr[R_RBP]), ROW(0x1d8, 8, dbt.gpr[R_RSP]), ROW(0x1e0, 8, dbt.gpr[R_RBX]),
    ROW(0x1e8, 8, dbt.gpr[R_RDX]), ROW(0x1f0, 8, dbt.gpr[R_RCX]), ROW(0x1f8, 8, dbt.gpr[R_RAX]),
};
static const Row rows32[] = {
    ROW(0xf8, 4, smbase), ROW(I_CR4, 4, cr4), ROW(0x18c, 4, smi_io.rcx), ROW(0x190, 4, smi_io.rsi),
    ROW(0x194, 4, smi_io.rdi), ROW(0x1c8, 4, dr[7]), ROW(0x1cc, 4, dr[6]),
    ROW(0x1d0, 4, dbt.gpr[R_RAX]), ROW(0x1d4, 4, dbt.gpr[R_RCX]), ROW(0x1d8, 4, dbt.gpr[R_RDX]),
    ROW(0x1dc, 4, dbt.gpr[R_RBX]), ROW(0x1e0, 4, dbt.gpr[R_RSP]), ROW(0x1e4, 4, dbt.gpr[R_RBP]),
    ROW(0x1e8, 4, dbt.gpr[R_RSI]), ROW(0x1ec, 4, dbt.gpr[R_RDI]), ROW(0x1f8, 4, cr3),
    ROW(0x1fc, 4, cr0),
};
/* Order of the segments in the areas. */
static const uint8_t segs64[] = { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS, S_LDTR, S_TR };
static const uint8_t segs32[] = { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS, S_LDTR, S_TR };
static const uint8_t seg_at64[] = { 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, A_LDTR, A_TR };

typedef struct Area { uint8_t b[AREA_BYTES]; } Area;

static void put(Area *m, unsigned at, uint64_t v, unsigned n) { memcpy(m->b + at, &v, n); }
static uint64_t get(const Area *m, unsigned at, unsigned n)
{
    uint64_t v = 0;
    memcpy(&v, m->b + at, n);
    return v;
}

static bool is_64(const X86Cpu *c) { return x86_feat(c, FEAT_81_EDX, 29); }

static void put_rows(X86Cpu *c, Area *m, const Row *r, unsigned n)
{
    for (; n--; r++) {
        memcpy(m->b + r->at, (uint8_t *)c + r->member, r->bytes);
    }
}

static void get_rows(X86Cpu *c, const Area *m, const Row *r, unsigned n)
{
    for (; n--; r++) {
        uint64_t v = get(m, r->at, r->bytes);
        memcpy((uint8_t *)c + r->member, &v, 8);        /* every member has 64 bits */
    }
}

/*
 * Attributes lie in the area as in the descriptor: type, S, DPL, P in 7:0, AVL, L, D, G in 15:12.
 * SS tells the CPL.
 */
static unsigned attr_out(const X86Cpu *c, unsigned s)
{
    unsigned a = c->seg[s].attr;

    if (s == S_SS) {
        a = (a & ~(unsigned)ATTR_DPL) | (unsigned)c->cpl << ATTR_DPL_SHIFT;
    }
    return (a & 0xff) | (a & 0xf00) << 4;
}

static unsigned attr_in(unsigned a) { return (a & 0xff) | (a >> 4 & 0xf00); }

/* ---- the two forms of the area ---- */
static void save64(X86Cpu *c, Area *m)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(segs64); i++) {
        const X86Seg *g = &c->seg[segs64[i]];
        put(m, seg_at64[i], g->selector, 2);
        put(m, seg_at64[i] + 2, attr_out(c, segs64[i]), 2);
        put(m, seg_at64[i] + 4, g->limit, 4);
        put(m, seg_at64[i] + 8, g->base, 8);
    }
    put(m, A_GDT + 4, c->gdt_limit, 2);
    put(m, A_GDT + 8, c->gdt_base, 8);
    put(m, A_IDT + 4, c->idt_limit, 2);
    put(m, A_IDT + 8, c->idt_base, 8);
    put(m, A_IO_RIP, c->smi_io.rip, 8);
    put(m, A_IO_TRAP, c->smi_io.info, 4);
    put(m, A_HALT, c->activity == X86_HLT, 1);
    put(m, A_NMI, c->smm_nmi, 1);
    put(m, A_REV, REV_64 | REV_IO_RESTART | REV_SMBASE, 4);
    put(m, A_RFLAGS, x86_rflags(c), 8);
    put(m, A_RIP, x86_rip(c), 8);
    put_rows(c, m, rows64, G_N_ELEMENTS(rows64));
}

static void save32(X86Cpu *c, Area *m)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(segs32); i++) {
        const X86Seg *g = &c->seg[segs32[i]];
        put(m, i == 7 ? 0x1c4 : i == 6 ? 0x1c0 : I_SELECTORS + 4 * i, g->selector, 4);
        put(m, I_HIDDEN + 12 * i, attr_out(c, segs32[i]), 4);
        put(m, I_HIDDEN + 12 * i + 4, g->limit, 4);
        put(m, I_HIDDEN + 12 * i + 8, g->base, 4);
    }
    put(m, I_GDT, c->gdt_limit, 4);
    put(m, I_GDT + 4, c->gdt_base, 4);
    put(m, I_GDT + 8, c->idt_limit, 4);
    put(m, I_GDT + 12, c->idt_base, 4);
    put(m, I_IO_RIP, c->smi_io.rip, 4);
    put(m, I_IO_TRAP, c->smi_io.info, 4);
    put(m, I_HALT, c->activity == X86_HLT, 2);
    put(m, I_REV, REV_IO_RESTART | REV_SMBASE, 4);
    put(m, I_EFLAGS, x86_rflags(c), 4);
    put(m, I_EIP, x86_rip(c), 4);
    put_rows(c, m, rows32, G_N_ELEMENTS(rows32));
}

typedef struct Restored { uint64_t rip, rflags, io_rip; bool halt, io_restart; } Restored;

static void load64(X86Cpu *c, const Area *m, Restored *r)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(segs64); i++) {
        c->seg[segs64[i]] = (X86Seg){
            .selector = (uint16_t)get(m, seg_at64[i], 2),
            .attr = (uint16_t)attr_in((unsigned)get(m, seg_at64[i] + 2, 2)),
            .limit = (uint32_t)get(m, seg_at64[i] + 4, 4), .base = get(m, seg_at64[i] + 8, 8),
        };
    }
    c->gdt_limit = (uint32_t)get(m, A_GDT + 4, 2);
    c->gdt_base = get(m, A_GDT + 8, 8);
    c->idt_limit = (uint32_t)get(m, A_IDT + 4, 2);
    c->idt_base = get(m, A_IDT + 8, 8);
    get_rows(c, m, rows64, G_N_ELEMENTS(rows64));
    *r = (Restored){ get(m, A_RIP, 8), get(m, A_RFLAGS, 8), get(m, A_IO_RIP, 8),
                     get(m, A_HALT, 1) & 1,
                     get(m, A_IO_RESTART, 1) == 0xff && get(m, A_IO_TRAP, 4) & IO_VALID };
}

static void load32(X86Cpu *c, const Area *m, Restored *r)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(segs32); i++) {
        c->seg[segs32[i]] =
            (X86Seg){ .selector = (uint16_t)get(m,
                                                i == 7   ? 0x1c4
                                                : i == 6 ? 0x1c0
                                                         : I_SELECTORS + 4 * i,
                                                2),
                      .attr = (uint16_t)attr_in((unsigned)get(m, I_HIDDEN + 12 * i, 4)),
                      .limit = (uint32_t)get(m, I_HIDDEN + 12 * i + 4, 4),
                      .base = get(m, I_HIDDEN + 12 * i + 8, 4) };
    }
    c->gdt_limit = (uint32_t)get(m, I_GDT, 2);
    c->gdt_base = get(m, I_GDT + 4, 4);
    c->idt_limit = (uint32_t)get(m, I_GDT + 8, 2);
    c->idt_base = get(m, I_GDT + 12, 4);
    get_rows(c, m, rows32, G_N_ELEMENTS(rows32));
    c->efer = 0;
    *r = (Restored){ get(m, I_EIP, 4), get(m, I_EFLAGS, 4), get(m, I_IO_RIP, 4),
                     get(m, I_HALT, 2) & 1,
                     get(m, I_IO_RESTART, 2) == 0xff && get(m, I_IO_TRAP, 4) & IO_VALID };
}

/* ---- entering ---- */
void x86_smm_space(X86Cpu *c)
{
    AddressSpace *as = c->dbt.vcpu.spaces[c->in_smm];

    if (as && as != c->dbt.vcpu.as) {
        c->dbt.vcpu.as = as;
        dbt_space_changed(&c->dbt);
    }
}

bool x86_has_smm(const X86Cpu *c) { return c->dbt.vcpu.spaces[1]; }

static void flat_seg(X86Cpu *c, unsigned s, unsigned selector, uint64_t base)
{
    c->seg[s] = (X86Seg){ .selector = (uint16_t)selector, .base = base, .limit = 0xffffffff,
                          .attr = ATTR_P | ATTR_S | 3 | ATTR_G };
}

void x86_smm_enter(X86Cpu *c)
{
    static const uint8_t data[] = { S_ES, S_SS, S_DS, S_FS, S_GS };
    Area m = { { 0 } };

    if (log_on(LOG_INT)) {
        log_write("cpu%u: SMI at %04x:%llx, SMBASE %llx\n", c->dbt.vcpu.index,
                  c->seg[S_CS].selector, (unsigned long long)x86_rip(c),
                  (unsigned long long)c->smbase);
    }
    c->smm_nmi = c->nmi_blocked;
    (is_64(c) ? save64 : save32)(c, &m);
    c->in_smm = c->nmi_blocked = true;
    x86_smm_space(c);
    as_write(c->dbt.vcpu.as, c->smbase + AREA, &m, sizeof m);
    memset(&c->smi_io, 0, sizeof c->smi_io);
    c->cr0 &= ~(uint64_t)(CR0_CLEARED | CR0_PG);
    c->cr4 = c->efer = 0;
    c->dr[7] = 0x400;
    c->cpl = c->shadow = 0;
    c->tf_start = c->rf_start = false;
    c->activity = X86_RUN;
    x86_put_rflags(c, 2, UINT64_MAX);
    flat_seg(c, S_CS, (unsigned)(c->smbase >> 4), c->smbase);
    c->seg[S_CS].attr |= 8;
    for (unsigned i = 0; i < G_N_ELEMENTS(data); i++) {
        flat_seg(c, data[i], 0, 0);
    }
    x86_all_segs_update(c);
    x86_cr_changed(c);
    x86_set_pc(c, ENTRY);
}

/* ---- leaving ---- */
static bool state_is_valid(X86Cpu *c)
{
    bool pe = c->cr0 & CR0_PE, pg = c->cr0 & CR0_PG, lma = c->efer & EFER_LME && pg,
         pae = c->cr4 & CR4_PAE;

    return !(c->cr0 & ~(uint64_t)(CR0_PG | CR0_CD | CR0_NW | CR0_AM | CR0_WP | CR0_NE | CR0_ET |
                                  CR0_TS | CR0_EM | CR0_MP | CR0_PE)) &&
           (pe || !pg) && (c->cr0 & CR0_CD || !(c->cr0 & CR0_NW)) &&
           !(c->cr4 & ~x86_cr4_allowed(c)) && !(c->efer & ~x86_efer_allowed(c)) &&
           ((c->efer & EFER_LMA) != 0) == lma && (pae || !lma) && (lma || !(c->cr4 & CR4_PCIDE)) &&
           (!lma || !(c->cr3 & ~(c->addr_mask | 0xfff)));
}

static void restart_io(X86Cpu *c, Restored *r)
{
    r->rip = r->io_rip;
    c->dbt.gpr[R_RCX] = c->smi_io.rcx;          /* loaded with the rows */
    c->dbt.gpr[R_RSI] = c->smi_io.rsi;
    c->dbt.gpr[R_RDI] = c->smi_io.rdi;
}

uint64_t x86_h_rsm(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    Restored r;
    Area m;

    x86_intercept(c, SVM_EXIT_RSM, 0);
    if (!c->in_smm) {
        x86_raise_ud(c);
    }
    as_read(c->dbt.vcpu.as, c->smbase + AREA, &m, sizeof m);
    (is_64(c) ? load64 : load32)(c, &m, &r);
    if (r.io_restart) {
        restart_io(c, &r);
    }
    memset(&c->smi_io, 0, sizeof c->smi_io);
    c->smbase = (uint32_t)c->smbase;
    c->cr0 |= CR0_ET;
    if (!state_is_valid(c)) {
        if (log_on(LOG_GUEST_ERRORS)) {
            log_write("cpu%u: RSM with an impossible state in SMRAM\n", c->dbt.vcpu.index);
        }
        c->cr0 = CR0_ET;
        /* nothing runs any more; what is shown must be possible */
        c->cr3 = c->cr4 = c->efer = 0;
        x86_shutdown(c);
    }
    c->in_smm = false;
    x86_smm_space(c);
    c->nmi_blocked = c->smm_nmi;
    c->dr[6] = (c->dr[6] & 0xe00f) | 0xffff0ff0;
    c->dr[7] = (c->dr[7] & 0xffff2fff) | 0x400;
    c->cr3 &= c->addr_mask | 0xfff;
    x86_put_rflags(c, c->cr0 & CR0_PE && !x86_lma(c) ? r.rflags : r.rflags & ~(uint64_t)EF_VM,
                   UINT64_MAX);
    c->cpl = !x86_pe(c) ? 0 : x86_vm(c) ? 3 : (c->seg[S_SS].attr & ATTR_DPL) >> ATTR_DPL_SHIFT;
    c->shadow = 0;
    c->tf_start = c->rf_start = false;
    x86_all_segs_update(c);
    x86_cr_changed(c);
    if (c->cr0 & CR0_PG) {
        dbt_flush_all(&c->dbt);                 /* what the handler changed in page tables counts */
        if (c->cr4 & CR4_PAE && !x86_lma(c) && !x86_load_pdptes(c, c->cr3)) {
            x86_shutdown(c);
        }
    }
    x86_set_pc(c, r.rip);
    c->activity = r.halt ? X86_HLT : X86_RUN;
    x86_poll_soon(c);                           /* events that waited */
    if (log_on(LOG_INT)) {
        log_write("cpu%u: RSM to %04x:%llx, SMBASE %llx\n", c->dbt.vcpu.index,
                  c->seg[S_CS].selector, (unsigned long long)r.rip, (unsigned long long)c->smbase);
    }
    return 0;
}

/*
 * An IN or OUT has just raised an SMI, which comes before the next instruction: what may be started
 * again.
 */
void x86_smi_by_io(X86Cpu *c, unsigned port, unsigned bytes, bool in)
{
    if (!c->in_smm) {
        c->smi_io.rip = x86_rip(c);
        c->smi_io.rcx = c->dbt.gpr[R_RCX];
        c->smi_io.rsi = c->dbt.gpr[R_RSI];
        c->smi_io.rdi = c->dbt.gpr[R_RDI];
        c->smi_io.info = (port & 0xffff) << 16 | bytes << 4 | IO_VALID | (in ? IO_IN : IO_OUT);
    }
}
