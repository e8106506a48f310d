/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inspect.c -- an x86 CPU as the monitor looks at it: registers by name, its page tables,
 * instructions as text.
 *
 * Spec: Intel SDM (325384) vol. 3, chapter 4.
 * Omits: nested tables in the list of pages (the first level alone is shown); disassembly without
 *   libcapstone.
 * Threads: the main context, the vCPU parked.
 */
#include "core/disas.h"
#include "core/vcpu.h"
#include "cpu/x86/sys.h"
#include <string.h>

enum { P_PRESENT = 1, P_WRITE = 2, P_USER = 4, P_A = 0x20, P_D = 0x40, P_SIZE = 0x80, P_G = 0x100 };

static bool inspect_reg(Vcpu *v, const char *name, uint64_t *val)
{
    static const char *const general[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                             "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
    static const char *const segs[6] = { "es", "cs", "ss", "ds", "fs", "gs" };
    const X86Cpu *c = (const X86Cpu *)v;
    const struct { const char *name; uint64_t val; } others[] = {
        { "rip", x86_rip(c) }, { "eip", (uint32_t)x86_rip(c) },
        { "pc", c->dbt.pc }, { "eflags", x86_rflags(c) },
        { "rflags", x86_rflags(c) }, { "cr0", c->cr0 },
        { "cr2", c->cr2 }, { "cr3", c->cr3 }, { "cr4", c->cr4 },
        { "efer", c->efer }, { "fs_base", c->seg[S_FS].base }, { "gs_base", c->seg[S_GS].base },
        { "sp", c->dbt.gpr[4] }, { "fp", c->dbt.gpr[5] },
    };

    for (unsigned i = 0; i < 16; i++) {
        if (!strcmp(name, general[i]) ||
            (i < 8 && name[0] == 'e' && !strcmp(name + 1, general[i] + 1))) {
            *val = name[0] == 'e' ? (uint32_t)c->dbt.gpr[i] : c->dbt.gpr[i];
            return true;
        }
    }
    for (unsigned i = 0; i < 6; i++) {
        if (!strcmp(name, segs[i])) {
            *val = c->seg[i].selector;
            return true;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        if (!strcmp(name, others[i].name)) {
            *val = others[i].val;
            return true;
        }
    }
    return false;
}

static bool inspect_translate(Vcpu *v, uint64_t linear, uint64_t *phys)
{
    X86Cpu  *c = (X86Cpu *)v;
    uint64_t cr2 = c->cr2;
    DbtWalk  w = { 0 };
    bool ok =
        x86_walk(&c->dbt, linear, (DbtAccess)(ACCESS_READ | ACCESS_SYSTEM | ACCESS_PROBE), &w);

    c->cr2 = cr2;
    *phys = ok ? w.phys : 0;
    return ok;
}

/* ---- all pages ---- */

typedef struct Tables {
    X86Cpu *c;
    bool  (*fn)(void *arg, const GuestPage *p);
    void   *arg;
    unsigned bytes, bits;             /* of an entry; of an index */
    unsigned visits;                  /* tables may point at each other: bounded */
} Tables;
enum { VISITS_MAX = 1 << 20 };

static bool table_read(const Tables *t, uint64_t at, uint64_t *e)
{
    MemRange l;

    *e = 0;
    return as_lookup(t->c->dbt.vcpu.as, at, false, &l) && l.region->host &&
           at + t->bytes <= l.at + l.size && as_read(t->c->dbt.vcpu.as, at, e, t->bytes) == MEM_OK;
}

static unsigned page_flags(uint64_t e, uint64_t rights)
{
    return (rights & P_WRITE ? PAGE_WRITE : 0) | (rights & P_USER ? PAGE_USER : 0) |
           (e & P_A ? PAGE_ACCESSED : 0) | (e & P_D ? PAGE_DIRTY : 0) |
           (e & P_G ? PAGE_GLOBAL : 0) | (e >> 63 ? PAGE_NX : 0);
}

static bool walk_table(Tables *t, uint64_t table, unsigned shift, unsigned n, uint64_t linear,
                       uint64_t rights)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t e, at = linear | (uint64_t)i << shift;
        bool     pae_top = t->bytes == 8 && shift == 30 && !x86_lma(t->c);
        if (++t->visits > VISITS_MAX) {
            return false;
        }
        if (!table_read(t, table + i * t->bytes, &e) || !(e & P_PRESENT)) {
            continue;
        }
        if (shift >= 39 && i >= 256 && shift == (t->c->cr4 & CR4_LA57 ? 48u : 39u)) {
            at |= ~0ull << (shift + 9);
        }
        uint64_t all = pae_top ? rights : rights & e,
                 addr = t->bytes == 8 ? e & t->c->addr_mask : e & 0xfffff000;
        if (shift == 12 || (e & P_SIZE && shift <= 30 && !pae_top)) {
            GuestPage p = { .linear = at, .phys = addr & ~((1ull << shift) - 1),
                            .bytes = 1ull << shift, .flags = page_flags(e, all) };
            if (!t->fn(t->arg, &p)) {
                return false;
            }
        } else if (!walk_table(t, addr, shift - t->bits, 1u << t->bits, at, all)) {
            return false;
        }
    }
    return true;
}

static bool inspect_pages(Vcpu *v, bool (*fn)(void *arg, const GuestPage *p), void *arg)
{
    X86Cpu *c = (X86Cpu *)v;
    Tables  t = { .c = c, .fn = fn, .arg = arg, .bytes = 8, .bits = 9 };

    if (!(c->cr0 & CR0_PG)) {
        return false;
    }
    if (x86_lma(c)) {
        walk_table(&t, c->cr3 & c->addr_mask, c->cr4 & CR4_LA57 ? 48 : 39, 512, 0, ~0ull);
    } else if (c->cr4 & CR4_PAE) {
        walk_table(&t, c->cr3 & 0xffffffe0, 30, 4, 0, ~0ull);
    } else {
        t.bytes = 4;
        t.bits = 10;
        walk_table(&t, c->cr3 & 0xfffff000, 22, 1024, 0, ~0ull);
    }
    return true;
}

static unsigned inspect_disassemble(Vcpu *v, uint64_t pc, const uint8_t *code, size_t n,
                                    GString *out)
{
    const X86Cpu *c = (const X86Cpu *)v;
    unsigned bytes = disas_x86(x86_code64(c)                 ? 64
                               : c->seg[S_CS].attr & ATTR_DB ? 32
                                                             : 16,
                               pc, code, n, out);

    if (!bytes) {
        g_string_append_printf(out, ".byte 0x%02x", code[0]);
        bytes = 1;
    }
    return bytes;
}

const CpuInspect x86_inspect = {
    .reg = inspect_reg, .translate = inspect_translate,
    .pages = inspect_pages, .disassemble = inspect_disassemble,
};
