/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * past.c -- blocks of code that is rewritten often, by their bytes: code that comes back need not
 * be translated again.
 *
 * What patches code in place (static keys, inline caches of a JIT compiler, a trampoline that is
 * written anew) often writes what stood there before.  A block of a page whose blocks die often is
 * remembered with a copy of the bytes that it depends on; once it has died and the same bytes are
 * there again, it is alive again, with its code where it was.
 *
 * Omits: blocks of two pages; which block has not been wanted for long: when there is no room, all
 *   are forgotten.
 * Threads: with DbtMachine.lock.
 */
#include <string.h>
#include "accel/dbt/internal.h"

enum { PAST_HASH_BITS = 12, PAST_BYTES = 1 << 20, PAST_CHAIN = 16, PAST_KEY = 4 };

typedef struct Past {
    struct Past *next;
    Block       *b;
    uint8_t      bytes[];               /* of its page, from b->from to b->to */
} Past;

typedef struct DbtPast {
    Past  *hash[1 << PAST_HASH_BITS];
    size_t bytes;
} DbtPast;

void past_init(DbtMachine *d)
{
    d->past = g_new0(DbtPast, 1);
}

void past_clear(DbtMachine *d)
{
    DbtPast *t = d->past;

    for (unsigned i = 0; t->bytes && i < G_N_ELEMENTS(t->hash); i++) {
        for (Past *p = t->hash[i], *next; p; p = next) {
            next = p->next;
            g_free(p);
        }
        t->hash[i] = NULL;
    }
    t->bytes = 0;
}

void past_free(DbtMachine *d)
{
    past_clear(d);
    g_free(d->past);
}

/* By the first bytes, as many as the shortest block of those has. */
static Past **head(DbtPast *t, const uint8_t *at, uint32_t mode)
{
    uint32_t first = 0;

    memcpy(&first, at, MIN(PAST_KEY, DBT_PAGE - ((uintptr_t)at & (DBT_PAGE - 1))));
    uint64_t h = ((uintptr_t)at ^ ((uint64_t)mode << 40) ^ ((uint64_t)first << 16)) *
                 UINT64_C(0x9e3779b97f4a7c15);
    return &t->hash[h >> (64 - PAST_HASH_BITS)];
}

static uint8_t *page_of(const Block *b)
{
    return (uint8_t *)((uintptr_t)b->at & -(uintptr_t)DBT_PAGE);
}

void past_remember(DbtMachine *d, Block *b)
{
    DbtPast *t = d->past;
    size_t n = b->to - b->from;

    if (b->at2) {
        return;
    }
    if (t->bytes + sizeof(Past) + n > PAST_BYTES) {
        past_clear(d);
    }
    Past **h = head(t, b->at, b->mode), *p = g_malloc(sizeof(Past) + n);
    p->next = *h;
    p->b = b;
    memcpy(p->bytes, page_of(b) + b->from, n);
    *h = p;
    t->bytes += sizeof(Past) + n;
}

Block *past_find(DbtMachine *d, const uint8_t *at, uint32_t mode)
{
    Past *p = *head(d->past, at, mode);

    for (unsigned i = 0; p && i < PAST_CHAIN; p = p->next, i++) {
        const Block *b = p->b;
        if (b->at == at && b->mode == mode && b->dead &&
            !memcmp(p->bytes, page_of(b) + b->from, (size_t)(b->to - b->from))) {
            return p->b;
        }
    }
    return NULL;
}
