/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h -- snapshots.  One function per direction, driven by Field and Reg
 * tables; devices contain no save or load code.
 *
 * Stream: little-endian, sections of { name, version, members of { name,
 * element size, count, bytes } }.  Unknown section or member: refuse.  Missing
 * member: keep the reset value if the table says it is newer than the section.
 * The stream is untrusted: min/max are checked, then class->restored() runs.
 * RAM is not in it: pages go beside it, whole or in rounds while the guest runs.
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H
#include "core/mem.h"
void state_save(GByteArray *out, const char *section, const Field *f, const Reg *r,
                const void *obj);
bool state_load(GBytes *in, const char *section, const Field *f, const Reg *r, void *obj,
                GError **err);

/*
 * All devices, vCPUs and the clock.  The machine is stopped.  After a failed load only a reset
 * makes it usable again.
 */
GByteArray *machine_save(Machine *m);
bool        machine_load(Machine *m, GBytes *in, GError **err);
#endif
