/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vme.c -- virtual interrupts: what CLI, STI, PUSHF, POPF, IRET and INT n are in virtual-8086 mode
 * with CR4.VME and at privilege 3 with CR4.PVI.
 *
 * Spec: Intel SDM (325462) vol. 3 20.3 (VME, table 20-2), 20.4 (PVI); vol. 2, the instructions by
 *   name.
 * Threads: the vCPU's own.
 */
#include "cpu/x86/sys.h"

enum { REDIRECTION_BYTES = 32, TSS_MAP = 102 };

/* Virtual-8086 mode, IOPL below 3, VME: IF is VIF. */
static bool vm_virtual(const X86Cpu *c) { return x86_vm(c) && x86_iopl(c) < 3 && c->cr4 & CR4_VME; }

bool x86_vif_stands_in(const X86Cpu *c)
{
    return vm_virtual(c) ||
           (x86_protected(c) && c->cpl == 3 && x86_iopl(c) < 3 && c->cr4 & CR4_PVI);
}

/* STI where VIF stands in for IF. */
void x86_set_vif(X86Cpu *c, bool on)
{
    if (on && c->rflags & EF_VIP) {
        x86_raise_gp(c, 0);
    }
    x86_set_rflags(c, on ? EF_VIF : 0, EF_VIF);
}

uint64_t x86_vm_pushf(X86Cpu *c, unsigned bytes)
{
    uint64_t f = x86_rflags(c);

    if (x86_iopl(c) == 3) {
        return f;
    }
    if (bytes != 2 || !vm_virtual(c)) {
        x86_raise_gp(c, 0);
    }
    return (f & ~(uint64_t)EF_IF) | EF_IOPL | (f & EF_VIF ? EF_IF : 0);
}

/*
 * POPF and IRET in virtual-8086 mode with IOPL below 3: what of the image counts, and for IF VIF.
 */
uint64_t x86_vm_popf(X86Cpu *c, uint64_t *image, unsigned bytes)
{
    if (bytes != 2 || !vm_virtual(c) || *image & EF_TF || (*image & EF_IF && c->rflags & EF_VIP)) {
        x86_raise_gp(c, 0);
    }
    *image = (*image & 0xffff & ~(uint64_t)EF_IF) | (*image & EF_IF ? EF_VIF : 0);
    return EF_ARITH | EF_TF | EF_DF | EF_NT | EF_VIF;
}

static bool redirected(X86Cpu *c, unsigned vector)
{
    const X86Seg *tr = &c->seg[S_TR];
    uint64_t map;

    if (!(tr->attr & 8) || tr->limit < TSS_MAP + 1) {
        x86_raise_gp(c, 0);
    }
    map = x86_sys_ld(c, tr->base + TSS_MAP, 2);
    if (map < REDIRECTION_BYTES || map - REDIRECTION_BYTES + vector / 8 > tr->limit) {
        x86_raise_gp(c, 0);
    }
    return !(x86_sys_ld(c, tr->base + map - REDIRECTION_BYTES + vector / 8, 1) >> (vector & 7) & 1);
}

/*
 * INT n in virtual-8086 mode by the program's own vectors, if its bit in the redirection map is
 * clear.
 */
bool x86_vm_redirect(X86Cpu *c, unsigned vector, uint64_t next_ip)
{
    uint64_t flags, entry;
    bool iopl3 = x86_iopl(c) == 3;
    X86Stack s;

    if (!x86_vm(c) || !(c->cr4 & CR4_VME) || !redirected(c, vector)) {
        return false;
    }
    flags = x86_vm_pushf(c, 2);
    entry = dbt_load(&c->dbt, vector * 4, 4);
    x86_stack_current(c, &s);
    x86_push(&s, flags, 2);
    x86_push(&s, c->seg[S_CS].selector, 2);
    x86_push(&s, next_ip, 2);
    x86_stack_commit(c, &s);
    x86_seg_vm86(c, S_CS, (unsigned)(entry >> 16));
    x86_set_pc(c, entry & 0xffff);
    c->tf_start = false;
    x86_put_rflags(c, 0, EF_TF | EF_RF | (iopl3 ? EF_IF : EF_VIF));
    dbt_mode_changed(&c->dbt);
    return true;
}
