/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reclaim.c -- giving back blocks, and the parts of the arena that they are in.
 *
 * The arena is a ring of parts.  One is being filled; the one behind it is emptied before it is
 * needed, whatever is still in use in it: that is found again by its bytes, or translated again.
 * So at least six eighths of the arena hold code, the newest.
 *
 * Omits: knowing which blocks of the oldest part are in use when it is given back.
 * Threads: any vCPU; DbtMachine.lock.  Blocks are freed only while all vCPUs are stopped, and none
 *   of them in a helper that will return
 * to one.  While the arena is full tier 0 goes on.
 */
#include "accel/dbt/internal.h"
#include "accel/dbt/tcc/tcc.h"
#include "core/trace.h"

static unsigned next_generation(const DbtMachine *d)
{
    return (d->generation + 1) % DBT_GENERATIONS;
}

bool block_any(const DbtMachine *d)
{
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        if (d->blocks[g]->len) {
            return true;
        }
    }
    return false;
}

/* All vCPUs are stopped, outside of code, and their jump caches are empty. */
static void reclaim_locked(DbtMachine *d, unsigned generation)
{
    GPtrArray *blocks = d->blocks[generation];

    if (!blocks->len) {
        return;
    }
    for (unsigned i = 0; i < blocks->len; i++) {
        Block *b = blocks->pdata[i];
        if (!b->dead) {
            block_unhook(d, b);
        }
        b->at = NULL;
    }
    for (unsigned i = 0; i < d->n_regions; i++) {
        for (uint64_t k = 0; k < d->regions[i]->n_pages; k++) {
            if (d->regions[i]->pages[k]) {
                code_page_sweep(d, d->regions[i], k);
            }
        }
    }
    g_array_set_size(d->stale_pages, 0);        /* they were among these */
    for (unsigned i = 0; i < blocks->len; i++) {
        block_free(d, blocks->pdata[i]);
    }
    far_reclaim(d, generation);
    if (d->backend) {
        d->backend->reclaim(d, generation);
    }
    d->stats.reclaims++;
    d->stats.reclaimed += blocks->len;
    g_ptr_array_set_size(blocks, 0);
}

bool block_in_use(const DbtMachine *d)
{
    for (unsigned i = 0; i < d->cpus->len; i++) {
        if (((DbtCpu *)d->cpus->pdata[i])->in_code) {
            return true;
        }
    }
    return false;
}

static void reclaim_stopped(void *arg)
{
    DbtMachine *d = arg;

    if (block_in_use(d) || !__atomic_load_n(&d->full, __ATOMIC_RELAXED)) {
        return;
    }
    bool all = __atomic_exchange_n(&d->drop_all, false, __ATOMIC_SEQ_CST);
    if (all) {
        tcc_engine_forget(d);
    }
    g_mutex_lock(&d->lock);
    d->trace_epoch += all;
    for (unsigned i = 0; i < d->cpus->len; i++) {
        dbt_flush_all(d->cpus->pdata[i]);
    }
    past_clear(d);
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        if (all || g == next_generation(d)) {
            reclaim_locked(d, g);
        }
    }
    if (all && d->backend) {
        d->backend->begin(d, d->generation);
    }
    g_mutex_unlock(&d->lock);
    __atomic_store_n(&d->full, false, __ATOMIC_SEQ_CST);
}

bool block_generation_advance(DbtCpu *c)
{
    DbtMachine *d = c->dbt;

    if (d->blocks[next_generation(d)]->len) {
        d->stats.full++;
        return false;
    }
    d->generation = next_generation(d);
    d->backend->begin(d, d->generation);
    if (d->blocks[next_generation(d)]->len) {
        __atomic_store_n(&d->full, true, __ATOMIC_SEQ_CST);
        vcpu_kick(&c->vcpu);
    }
    return true;
}

void block_drop_all(DbtMachine *d)
{
    trace_dbt_drop_all(d->cpus->len);
    __atomic_store_n(&d->drop_all, true, __ATOMIC_SEQ_CST);
    __atomic_store_n(&d->full, true, __ATOMIC_SEQ_CST);
    machine_exclusive(d->machine, reclaim_stopped, d);
}

void block_reclaim_soon(DbtMachine *d)
{
    __atomic_store_n(&d->drop_all, true, __ATOMIC_SEQ_CST);
    __atomic_store_n(&d->full, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < d->cpus->len; i++) {
        vcpu_kick(d->cpus->pdata[i]);
    }
}

void block_reclaim(DbtMachine *d)
{
    for (unsigned i = 0; i < d->cpus->len; i++) {
        vcpu_kick(d->cpus->pdata[i]);
    }
    machine_exclusive(d->machine, reclaim_stopped, d);
}

void block_free_all(DbtMachine *d)
{
    past_free(d);
    for (unsigned g = 0; g < DBT_GENERATIONS; g++) {
        for (unsigned i = 0; i < d->blocks[g]->len; i++) {
            block_free(d, d->blocks[g]->pdata[i]);
        }
        g_ptr_array_free(d->blocks[g], TRUE);
    }
    for (unsigned i = 0; i < d->n_regions; i++) {
        for (uint64_t k = 0; k < d->regions[i]->n_pages; k++) {
            CodePage *p = d->regions[i]->pages[k];
            if (p) {
                g_ptr_array_free(p->blocks, TRUE);
                g_free(p);
            }
        }
        g_free(d->regions[i]->pages);
        g_free(d->regions[i]->writable);
        g_free(d->regions[i]);
    }
    dbt_huge_free(d->hash, sizeof(Block *) << DBT_HASH_BITS);
    for (unsigned i = 0; i < d->slabs->len; i++) {
        dbt_huge_free(d->slabs->pdata[i], BLOCKS_IN_SLAB * sizeof(Block));
    }
    g_ptr_array_free(d->slabs, TRUE);
    g_array_free(d->stale_pages, TRUE);
}
