/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commands.h -- private to the files that commands.def names: arguments that several commands
 * share, and how to answer.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_COMMANDS_H
#define CORE_COMMANDS_H
#include "core/actions.h"
#include "core/chardev/args.h"
#include "core/schema.h"
#include "core/machine.h"
#include "core/object.h"
#include <string.h>

typedef GVariantBuilder Reply;
typedef struct NoArgs {
    char unused;
} NoArgs;
typedef struct IdArgs {
    char *id;
} IdArgs;
typedef struct TextArg {
    char *text;
} TextArg;
typedef struct XArgs {
    char *addr, *fmt;
} XArgs;
typedef struct SaveMemArgs {
    uint64_t val, size;
    char    *filename;
    uint32_t cpu;
} SaveMemArgs;
typedef struct DumpGuestArgs {
    bool     paging, detach;
    char    *protocol, *format;
    uint64_t begin, length;
} DumpGuestArgs;
typedef struct QomArgs {
    char *path, *property, *value;
} QomArgs;
typedef struct TypesArgs {
    char *implements;
    bool  abstract;
} TypesArgs;
typedef struct MediumArgs {
    char    *device, *id, *filename, *format, *target, *node;
    bool     force;
    uint32_t read_only;
} MediumArgs;
typedef struct PortArgs {
    uint64_t addr, val;
    char    *fmt;
} PortArgs;
typedef struct NodeNameArgs {
    char *node_name;
} NodeNameArgs;
typedef struct ResizeArgs {
    char    *device, *node_name;
    uint64_t size;
} ResizeArgs;
enum { COPY_NEW, COPY_EXISTING };
enum { SYNC_FULL, SYNC_TOP };          /* the others are not there */
typedef struct CopyArgs {              /* of blockdev-backup and its kin */
    char    *job_id, *device, *target, *format;
    uint32_t sync, mode;              /* copy_syncs; COPY_* */
    uint64_t speed;
    bool     auto_finalize, auto_dismiss;
    uint32_t on_source_error, on_target_error, copy_mode;
    bool     is_mirror, by_name;      /* which of them it is; by_name: target is a node */
} CopyArgs;
extern const char *const copy_syncs[];
typedef struct CreateOptions {
    uint32_t driver;
    char    *filename, *file;
    uint64_t size;
    uint32_t preallocation;
} CreateOptions;
typedef struct CreateArgs {
    char         *job_id;
    CreateOptions options;
} CreateArgs;
typedef struct TransactionArgs {
    GPtrArray *actions;               /* Action */
    uint32_t   completion_mode;
} TransactionArgs;
typedef struct JobArgs {
    char    *id;
    bool     force;
    uint64_t speed;
} JobArgs;
typedef struct SnapJobArgs {
    char      *job_id, *tag, *vmstate;
    GPtrArray *devices;               /* char * */
} SnapJobArgs;
typedef struct CpuModel {
    char      *name;
    GPtrArray *props;                 /* OptPair */
} CpuModel;
typedef struct ExpansionArgs {
    uint32_t type;
    CpuModel model;
} ExpansionArgs;
typedef struct ParamsArgs {
    uint64_t max_bandwidth;
    char    *tls_creds, *tls_hostname;
} ParamsArgs;
typedef struct YankArgs {
    GPtrArray *instances;            /* YankInstance */
} YankArgs;
typedef struct StatsFilter {
    uint32_t   target;
    GPtrArray *vcpus, *providers;
} StatsFilter;
typedef struct SchemasArgs {
    uint32_t provider;
} SchemasArgs;
typedef struct StatsArgs {
    bool query_nodes;
} StatsArgs;
typedef struct NodesArgs {
    bool flat;
} NodesArgs;
typedef struct LinkArgs {
    char *name;
    bool  up;
} LinkArgs;
typedef struct BalloonArgs {
    uint64_t value;
} BalloonArgs;
typedef struct OptionArgs {
    char *option;
} OptionArgs;
typedef struct FdArgs {
    char   *fdname, *opaque;
    int64_t set, fd;
} FdArgs;
typedef struct CapsArgs {
    GPtrArray *capabilities;          /* MigrateCap */
} CapsArgs;
typedef struct ExpireArgs {
    char *protocol, *time;
} ExpireArgs;

typedef struct TraceArgs {
    char *name;
    bool  on, ignore_unavailable;
} TraceArgs;

extern const Field port_in_args[], port_out_args[], query_nodes_args[], stats_args[],
    remove_medium_args[], insert_medium_args[], blockdev_del_args[], info_trace_args[],
    trace_event_args[], trace_get_args[], trace_set_args[];
extern const Field id_args[], x_args[], help_args[], print_args[], memsave_args[], pmemsave_args[],
    dump_guest_args[], qom_list_args[], qom_get_args[], qom_set_args[], types_args[],
    typename_args[], eject_args[], medium_args[], link_args[], balloon_args[], option_args[],
    expire_args[], fdname_args[], caps_args[], netdev_add_args[], add_fd_args[], remove_fd_args[],
    chardev_add_args[], ringbuf_read_args[], ringbuf_write_args[], resize_args[], expansion_args[],
    job_args[], block_job_args[], block_job_cancel_args[], block_job_speed_args[],
    snapshot_job_args[], snapshot_delete_args[], migrate_params_args[], query_stats_args[],
    query_schemas_args[], yank_args[], blockdev_backup_args[], blockdev_mirror_args[],
    drive_backup_args[], drive_mirror_args[], create_args[], transaction_args[];

#define COMMAND(fn) bool fn(Machine *m, void *args, Reply *reply, GError **err)
/* monitor_memory.c */
COMMAND(cmd_x); COMMAND(cmd_xp); COMMAND(cmd_print); COMMAND(cmd_gpa2hva); COMMAND(cmd_gva2gpa);
COMMAND(cmd_memsave);
COMMAND(cmd_pmemsave); COMMAND(cmd_dump_guest); COMMAND(cmd_info_mem); COMMAND(cmd_info_tlb);
COMMAND(cmd_query_dump_capability);
/* monitor_info.c */
COMMAND(cmd_info_block); COMMAND(cmd_info_network); COMMAND(cmd_info_chardev);
COMMAND(cmd_info_mice); COMMAND(cmd_info_vnc); COMMAND(cmd_info_kvm);
COMMAND(cmd_info_uuid); COMMAND(cmd_info_pic); COMMAND(cmd_info_pci);
/* qmp_query.c */
COMMAND(cmd_query_uuid); COMMAND(cmd_query_cpus_fast); COMMAND(cmd_query_kvm);
COMMAND(cmd_query_target);
COMMAND(cmd_query_machines); COMMAND(cmd_query_command_line_options); COMMAND(cmd_query_mice);
COMMAND(cmd_query_chardev);
COMMAND(cmd_query_chardev_backends); COMMAND(cmd_query_block); COMMAND(cmd_query_blockstats);
COMMAND(cmd_info_blockstats); COMMAND(cmd_query_pci); COMMAND(cmd_query_vnc);
COMMAND(cmd_query_events); COMMAND(cmd_query_iothreads); COMMAND(cmd_query_audiodevs);
COMMAND(cmd_query_memory_size);
COMMAND(cmd_query_vnc_servers);
/* qmp_act.c */
COMMAND(cmd_wakeup); COMMAND(cmd_inject_nmi); COMMAND(cmd_expire_password); COMMAND(cmd_eject);
COMMAND(cmd_change_medium);
COMMAND(cmd_blockdev_add); COMMAND(cmd_blockdev_del); COMMAND(cmd_remove_medium);
COMMAND(cmd_insert_medium); COMMAND(cmd_query_nodes); COMMAND(cmd_block_resize);
COMMAND(cmd_open_tray); COMMAND(cmd_close_tray); COMMAND(cmd_set_link); COMMAND(cmd_netdev_add);
COMMAND(cmd_netdev_del); COMMAND(cmd_balloon); COMMAND(cmd_query_balloon);
COMMAND(cmd_info_balloon);
/* objects/object.c */
COMMAND(cmd_object_add); COMMAND(cmd_object_del);
/* qmp_features.c */
COMMAND(cmd_query_nothing); COMMAND(cmd_query_current_machine);
COMMAND(cmd_query_hotpluggable_cpus); COMMAND(cmd_query_memdev);
COMMAND(cmd_query_display_options); COMMAND(cmd_query_dump); COMMAND(cmd_rtc_reset_reinjection);
/* qmp_cpu.c */
COMMAND(cmd_query_cpu_definitions); COMMAND(cmd_query_cpu_model_expansion);
/* job.c */
COMMAND(cmd_job_cancel); COMMAND(cmd_job_pause); COMMAND(cmd_job_resume); COMMAND(cmd_job_complete);
COMMAND(cmd_job_finalize); COMMAND(cmd_job_dismiss); COMMAND(cmd_query_jobs);
COMMAND(cmd_block_job_cancel); COMMAND(cmd_block_job_pause); COMMAND(cmd_block_job_resume);
COMMAND(cmd_block_job_complete); COMMAND(cmd_block_job_finalize); COMMAND(cmd_block_job_dismiss);
COMMAND(cmd_block_job_set_speed); COMMAND(cmd_query_block_jobs);
/* qmp_block.c */
COMMAND(cmd_blockdev_backup); COMMAND(cmd_blockdev_mirror); COMMAND(cmd_drive_backup);
COMMAND(cmd_drive_mirror); COMMAND(cmd_blockdev_create); COMMAND(cmd_transaction);
/* snapjob.c */
COMMAND(cmd_snapshot_save); COMMAND(cmd_snapshot_load); COMMAND(cmd_snapshot_delete);
/* qmp_migrate.c */
COMMAND(cmd_query_migrate_params); COMMAND(cmd_migrate_set_params);
COMMAND(cmd_query_migrate_caps); COMMAND(cmd_migrate_set_caps);
COMMAND(cmd_query_yank); COMMAND(cmd_yank);
/* qmp_stats.c */
COMMAND(cmd_query_stats); COMMAND(cmd_query_stats_schemas);
/* actions.c */
COMMAND(cmd_set_action); COMMAND(cmd_watchdog_action);
/* fds.c */
COMMAND(cmd_getfd); COMMAND(cmd_closefd); COMMAND(cmd_add_fd); COMMAND(cmd_remove_fd);
COMMAND(cmd_query_fdsets);
/* chardev/commands.c */
COMMAND(cmd_chardev_add); COMMAND(cmd_chardev_change); COMMAND(cmd_chardev_remove);
COMMAND(cmd_chardev_send_break);
COMMAND(cmd_ringbuf_read); COMMAND(cmd_ringbuf_write); COMMAND(cmd_chardev_add_text);
COMMAND(cmd_chardev_change_text);
/* qom.c */
COMMAND(cmd_qom_list_types); COMMAND(cmd_qom_list); COMMAND(cmd_qom_get); COMMAND(cmd_qom_set);
COMMAND(cmd_qom_list_properties);
COMMAND(cmd_device_list_properties);
/* monitor_more.c */
COMMAND(cmd_port_in); COMMAND(cmd_port_out); COMMAND(cmd_log); COMMAND(cmd_info_qdm);
COMMAND(cmd_info_qom_tree); COMMAND(cmd_info_numa);
/* "": not this one; NULL: there are no more */
typedef const char *WordAt(Machine *m, unsigned i);
/* what its first word may be; NULL: anything */
WordAt *words_for(const char *command);
/* monitor_info.c */
COMMAND(cmd_info_memdev); COMMAND(cmd_info_memory_size); COMMAND(cmd_info_hotpluggable_cpus);
COMMAND(cmd_info_iothreads);
COMMAND(cmd_info_migrate_params); COMMAND(cmd_info_migrate_caps); COMMAND(cmd_info_block_jobs);
COMMAND(cmd_info_dump); COMMAND(cmd_info_nodes); COMMAND(cmd_info_fdsets);
/* trace.c */
COMMAND(cmd_info_traces); COMMAND(cmd_trace_event); COMMAND(cmd_trace_get); COMMAND(cmd_trace_set);
const char *trace_name(unsigned n);     /* for completion; NULL: there are no more */
/* qmp_schema.c */
COMMAND(cmd_query_schema);

/* prompt.c: one line, as at the prompt; changes it. */
void prompt_run(Machine *m, char *line, GString *out);
char *help_text(const char *command);   /* NULL: there is no such command */

/* reply.c: members of an answer. */
void say(Reply *reply, const char *key, const char *text);
void say_bool(Reply *reply, const char *key, bool val);
void say_int(Reply *reply, const char *key, int64_t val);
void say_value(Reply *reply, const char *key, GVariant *val);
void say_text(Reply *reply, GString *text);     /* for the prompt; frees it */
void list_start(GVariantBuilder *list);
void list_object(GVariantBuilder *list, GVariantBuilder *object);       /* ends the object */
void object_start(GVariantBuilder *object);
/* ends the list; key "return": it is the whole answer */
void say_list(Reply *reply, const char *key, GVariantBuilder *list);
bool fail_not_found(GError **err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);    /* DeviceNotFound */
#endif
