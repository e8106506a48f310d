/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * numa.h -- the guest's NUMA nodes, as -numa says: which CPUs and how much of RAM each has, and how
 * far apart they are.
 */
#ifndef CORE_NUMA_H
#define CORE_NUMA_H
#include "core/machine.h"

/* distances: ACPI 6.4, 5.2.17 */
enum { NUMA_NODES = 16, NUMA_CPUS = 256, NUMA_NEAR = 10, NUMA_FAR = 20 };

typedef struct NumaNode {
    bool     there;
    uint64_t bytes;                   /* of RAM; the nodes' follow each other, in order */
    char    *memdev;                  /* the object that is this memory, or NULL */
} NumaNode;

typedef struct Numa {
    unsigned n;                       /* nodes 0 to n-1 */
    NumaNode node[NUMA_NODES];
    uint8_t  cpu_node[NUMA_CPUS];
    bool     cpu_said[NUMA_CPUS];
    uint8_t  distance[NUMA_NODES][NUMA_NODES];
} Numa;

bool numa_settle(Machine *m, GError **err);     /* after -m and -smp are settled */
bool numa_map(Machine *m, GError **err);        /* the nodes' memory objects into Machine.ram */
void numa_free(Numa *s);
#endif
