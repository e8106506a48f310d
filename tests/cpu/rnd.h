/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rnd.h -- numbers that are the same for the same seed (xorshift64*), for a test of one file. */
#ifndef TESTS_CPU_RND_H
#define TESTS_CPU_RND_H
#include <stdint.h>
#include <stdlib.h>

static uint64_t seed_state;

static inline uint64_t rnd(void)
{
    seed_state ^= seed_state << 13;
    seed_state ^= seed_state >> 7;
    seed_state ^= seed_state << 17;
    return seed_state * 0x2545f4914f6cdd1d;
}

/* By the program's first argument, if there is one. */
static inline void seed(int argc, char **argv)
{
    seed_state = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) * 0x9e3779b97f4a7c15u;
}
#endif
