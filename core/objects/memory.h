/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory.h -- objects as the guest's RAM. */
#ifndef CORE_OBJECTS_MEMORY_H
#define CORE_OBJECTS_MEMORY_H
#include "core/object.h"
extern const ObjectClass memory_ram_object, memory_file_object, memory_memfd_object;
/* Instead of the memory that ram has; of the same size. */
bool memory_backend_map(Machine *m, const char *id, Region *ram, GError **err);
#endif
