/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot.h -- savevm, loadvm, delvm, info snapshots, migrate and -incoming: the commands over
 * core/snapfile.h.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H
#include "core/machine.h"
#include "core/snapcodec.h"

/* -loadvm, -incoming; after machine_start() */
bool snapshot_start(Machine *m, GError **err);
bool snapshot_check_address(const char *option, const char *uri, GError **err);      /* file:PATH */
bool snapshot_busy(const Machine *m);  /* a command is at work, and the machine must stay stopped */
bool snapshot_cont(
    Machine *m); /* "cont" means something else just now: true, it has been seen to */
void snapshot_free(struct Snapshots *s);
/* of what goes over a connection: bytes a second; 0: no limit */
uint64_t snapshot_bandwidth(Machine *m);
void snapshot_set_bandwidth(Machine *m, uint64_t bytes_s);
bool snapshot_is_sending(Machine *m);
void snapshot_break_off(Machine *m);   /* that fails, and the machine goes on */
/* savevm, loadvm, delvm */
bool snapshot_save(Machine *m, const char *tag, SnapCodec codec, GError **err);
bool snapshot_load(Machine *m, const char *tag, bool verify, GError **err);
bool snapshot_delete(Machine *m, const char *tag, GError **err);
bool snapshot_tag_exists(Machine *m, const char *tag);

typedef struct TagArgs {
    char *tag;
} TagArgs;
typedef struct LoadArgs {
    char *tag;
    bool  verify;
} LoadArgs;
typedef struct SaveArgs {
    char    *tag;
    uint32_t codec;
} SaveArgs;
typedef struct MigrateArgs {
    char    *uri;
    uint32_t codec;
    bool     detach, blk, inc, resume;
} MigrateArgs;
typedef struct IncomingArgs {
    char *uri;
    bool  verify;
} IncomingArgs;
extern const Field tag_args[], load_args[], save_args[], migrate_args[], incoming_args[];
bool cmd_savevm(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_loadvm(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_delvm(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_info_snapshots(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_migrate_wait(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_migrate(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_migrate_cancel(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_migrate_incoming(Machine *m, void *args, GVariantBuilder *reply, GError **err);
bool cmd_query_migrate(Machine *m, void *args, GVariantBuilder *reply, GError **err);
#endif
