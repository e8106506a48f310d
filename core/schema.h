/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.h -- every option, monitor command and event, once.
 *
 * core/options.def    OPT("smp",  Smp,  smp_fields,  opt_smp,  "Virtual CPUs.")
 * core/commands.def   CMD("device_add", DeviceAdd, device_add_fields, cmd_device_add, "...")
 *
 * -smp cpus=4, {"execute":"device_add","arguments":{...}} and "device_add ..."
 * at the human prompt all fill the same struct through the same Field table
 * and call the same function.  "ryokan --schema=json|md|man" prints the tables.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_SCHEMA_H
#define CORE_SCHEMA_H
#include "core/mem.h"
enum { CMD_BOTH, CMD_PROMPT, CMD_QMP };                 /* where a command may be given */
typedef struct Entry {
    const char  *name, *help;
    size_t       size;                         /* of the argument struct */
    const Field *fields;
    uint8_t      where;
    /* shape of the answer, as core/qmp_schema.c reads it; NULL: nothing */
    const char  *reply;
    bool       (*run)(Machine *m, void *args, GVariantBuilder *reply, GError **err);
} Entry;
typedef struct EventEntry {
    const char *name, *shape, *help;
} EventEntry;
extern const EventEntry events[];               /* core/events.def; ends with a NULL name */
extern const Entry options[], commands[];               /* end with a NULL name */
const Entry *entry_find(const Entry *tab, const char *name);
/* "json", "md" or "man" to standard output; false: no such format */
bool schema_print(const char *format);
bool entry_run_text(const Entry *e, Machine *m, const char *text, GVariantBuilder *reply,
                    GError **err);
/* args: a{sv} */
bool entry_run_json(const Entry *e, Machine *m, GVariant *args, GVariantBuilder *reply,
                    GError **err);
#endif
