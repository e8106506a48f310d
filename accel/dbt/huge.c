/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * huge.c -- memory for the translator's tables, in huge pages where the host has them.
 *
 * Threads: any.
 */
#include <sys/mman.h>
#include "accel/dbt/internal.h"

enum { HUGE_PAGE = 2 << 20 };

static size_t huge_size(size_t size) { return (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1); }

/*
 * Zeroed, in huge pages where the host has them: what is reached at random should not miss the
 * host's TLB as well.
 */
void *dbt_huge_new(size_t size)
{
    size = huge_size(size);
    uint8_t *p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        g_error("accel dbt: no memory for %zu KiB of tables", size >> 10);
    }
    uint8_t *at = (uint8_t *)(((uintptr_t)p + HUGE_PAGE - 1) & -(uintptr_t)HUGE_PAGE);
    if (at > p) {
        munmap(p, (size_t)(at - p));
    }
    if (at < p + HUGE_PAGE) {
        munmap(at + size, (size_t)(p + HUGE_PAGE - at));
    }
    madvise(at, size, MADV_HUGEPAGE);
    return at;
}

void dbt_huge_free(void *p, size_t size)
{
    if (p) {
        munmap(p, huge_size(size));
    }
}
