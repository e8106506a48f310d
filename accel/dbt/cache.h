/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.h -- the cache of translated blocks on disk, as block.c sees it.
 *
 * Threads: with DbtMachine.lock, but for cache_init() and cache_fini().
 */
#ifndef ACCEL_DBT_CACHE_H
#define ACCEL_DBT_CACHE_H
#include "accel/dbt/internal.h"
#include <string.h>

/* all that a block depends on but for its bytes and what FileHead names; without gaps */
typedef struct CacheKey {
    uint64_t config;                    /* hash of CPU model and options */
    uint64_t place[2];                  /* DbtGuest.cache_key() */
    uint32_t mode;
    uint32_t in_page;
} CacheKey;

typedef struct CacheRecord {            /* good until the next call */
    const uint8_t *native;              /* for DbtBackend.unpack() */
    size_t   n;
    uint16_t from, to, length, n_guest;
} CacheRecord;

bool cache_init(DbtMachine *d, GError **err);   /* the options say whether there is one */
void cache_fini(DbtMachine *d);                 /* writes the file */
/* A block of the bytes that are at `at`, and for one of two pages of those at at2. */
bool cache_find(DbtCache *t, const CacheKey *k, const uint8_t *at, const uint8_t *at2,
                CacheRecord *out);
/* right after it was emitted */
void cache_put(DbtMachine *d, const Block *b, const IrBlock *ir, const CacheKey *k);
/* Is what was just emitted something else than the record?  For tests. */
bool cache_differs(DbtMachine *d, const Block *b, const IrBlock *ir, const CacheKey *k,
                   const CacheRecord *r);

/* The file's sums. */
static inline uint64_t cache_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static inline uint64_t cache_hash(uint64_t h, const void *from, size_t n)
{
    const uint8_t *p = from;
    uint64_t v;

    h = cache_mix(h, n);
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&v, p, 8);
        h = cache_mix(h, v);
    }
    v = 0;
    memcpy(&v, p, n);
    return cache_mix(h, v);
}
#endif
