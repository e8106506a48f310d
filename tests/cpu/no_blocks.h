/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * no_blocks.h -- what a back end and its TLBs ask of accel/dbt's blocks and traces, for test
 * programs that have neither: nothing.
 * Included once by a program, where accel/dbt/internal.h is known.
 *
 * Spec: accel/dbt/internal.h.
 * Threads: any.
 */
void block_heat(DbtMachine *d, const uint8_t *at, uint32_t mode) { (void)d; (void)at; (void)mode; }
CodePage *code_page(const DbtRegion *dr, uint64_t offset) { (void)dr; (void)offset; return NULL; }
void block_retire(DbtMachine *d, Block *b) { (void)d; (void)b; }
const void *trace_hot(DbtCpu *c, unsigned counter) { (void)c; (void)counter; return NULL; }
const void *trace_check(DbtCpu *c, unsigned number) { (void)c; (void)number; return NULL; }
unsigned trace_counter(DbtMachine *d) { (void)d; return 0; }
unsigned far_pair(DbtMachine *d, const DbtGuest *g, const Block *b, int64_t delta, unsigned *word)
{
    (void)d; (void)g; (void)b; (void)delta; (void)word;
    return 0;
}
void far_check(DbtCpu *c, unsigned k) { (void)c; (void)k; }
