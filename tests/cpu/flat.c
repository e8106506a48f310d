/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat.c -- what the x86 front end, the interpreter and the string helpers need of the run time,
 * where guest memory is the host's, address for address, and there is no TLB.
 *
 * Omits: ports, segments, pages.
 * Threads: one.
 */
#include <stdlib.h>
#include <string.h>
#include "tests/cpu/flat.h"

sigjmp_buf flat_trapped;

void dbt_access(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned access, DbtAccessDesc *d)
{
    *d = (DbtAccessDesc){ .host = (uint8_t *)linear, .n1 = bytes, .n = bytes };
}
uint64_t dbt_desc_load(DbtCpu *c, const DbtAccessDesc *d, unsigned at, unsigned n)
{
    uint64_t v = 0;
    memcpy(&v, d->host + at, n);
    return v;
}
void dbt_desc_store(DbtCpu *c, const DbtAccessDesc *d, unsigned at, uint64_t v, unsigned n)
{
    memcpy(d->host + at, &v, n);
}
void dbt_desc_copy(DbtCpu *c, const DbtAccessDesc *d, unsigned at, void *buf, unsigned n,
                   bool store)
{
    abort();
}
void *dbt_refill(DbtCpu *c, uint64_t linear, unsigned n, unsigned access) { return (void *)linear; }
void dbt_step(DbtCpu *c) { siglongjmp(flat_trapped, 2); }
void dbt_exclusive_begin(DbtCpu *c) { }
void dbt_exclusive_end(DbtCpu *c) { }
void *dbt_host(DbtCpu *c, uint64_t linear, DbtAccess a, unsigned *n)
{
    *n = 4096 - (linear & 4095);
    return (void *)linear;
}
uint64_t dbt_load(DbtCpu *c, uint64_t linear, unsigned n)
{
    uint64_t v = 0;
    memcpy(&v, (void *)linear, n);
    return v;
}
void dbt_store(DbtCpu *c, uint64_t linear, uint64_t v, unsigned n)
{
    memcpy((void *)linear, &v, n);
}
void dbt_check(DbtCpu *c, uint64_t linear, unsigned n, DbtAccess a) { }
void dbt_load_bytes(DbtCpu *c, uint64_t linear, void *to, unsigned n)
{
    memcpy(to, (void *)linear, n);
}
void dbt_store_bytes(DbtCpu *c, uint64_t linear, const void *from, unsigned n)
{
    memcpy((void *)linear, from, n);
}
uint64_t x86_seg_linear(X86Cpu *c, unsigned s, uint64_t offset, unsigned n, bool w)
{
    return offset;
}
uint64_t x86_ld(X86Cpu *c, unsigned s, uint64_t at, unsigned n) { return dbt_load(&c->dbt, at, n); }
void x86_st(X86Cpu *c, unsigned s, uint64_t at, uint64_t v, unsigned n)
{
    dbt_store(&c->dbt, at, v, n);
}
void x86_set_pc(X86Cpu *c, uint64_t rip) { c->dbt.pc = rip; }
void x86_raise(X86Cpu *c, unsigned vector, uint32_t error) { siglongjmp(flat_trapped, 1); }
void x86_raise_gp(X86Cpu *c, uint32_t error) { siglongjmp(flat_trapped, 1); }
void x86_raise_ud(X86Cpu *c) { siglongjmp(flat_trapped, 1); }
bool x86_io_allowed(X86Cpu *c, unsigned port, unsigned n) { return false; }
void x86_svm_io(X86Cpu *c, unsigned port, unsigned bytes, bool in) { }
unsigned x86_io_in_many(X86Cpu *c, unsigned port, unsigned n, void *to, unsigned k) { return 0; }
uint64_t x86_io_in(X86Cpu *c, unsigned port, unsigned n) { return 0; }
void x86_io_out(X86Cpu *c, unsigned port, uint64_t v, unsigned n) { }
void flat_trap(DbtCpu *c, DbtTrap what, unsigned seg) { siglongjmp(flat_trapped, 1); }
