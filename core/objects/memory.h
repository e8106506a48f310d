/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.h -- objects as the guest's RAM.
 *
 * Threads: with the machine lock, before the machine runs.
 */
#ifndef CORE_OBJECTS_MEMORY_H
#define CORE_OBJECTS_MEMORY_H
#include "core/object.h"
extern const ObjectClass memory_ram_object, memory_file_object, memory_memfd_object;
/* Instead of the memory that ram has; of the same size. */
bool memory_backend_map(Machine *m, const char *id, Region *ram, GError **err);
/* The same for a piece of it, [from, from + size), and how large the object is; all in bytes. */
bool memory_backend_map_part(Machine *m, const char *id, Region *ram, uint64_t from, uint64_t size,
                             GError **err);
bool memory_backend_size(Machine *m, const char *id, uint64_t *bytes, GError **err);
#endif
