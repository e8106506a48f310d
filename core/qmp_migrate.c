/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_migrate.c -- how a migration is done: capabilities, parameters, and what breaks one off.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, modules "migration" and "yank".
 * Omits: postcopy, compression by threads, multifd and whatever else needs a guest that runs while
 *   it is sent: there are no such capabilities, and no parameters but max-bandwidth.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/snapshot.h"

/* ---- ways of migrating ---- */

typedef struct MigrateCap {
    char *capability;
    bool  state;
} MigrateCap;
static const Field cap_fields[] = {
    FIELD_(MigrateCap, capability, F_CONFIG | F_REQUIRED, 1, .help = "Which."),
    FIELD_(MigrateCap, state, F_CONFIG | F_REQUIRED, 1, .help = "On."),
    FIELD_END
};
const Field caps_args[] = { FIELD_AS_(CapsArgs, capabilities, T_LIST, F_CONFIG | F_REQUIRED, 1,
                                      .stride = sizeof(MigrateCap), .aux = cap_fields,
                                      .help = "Which, on or off."),
                            FIELD_END };

bool cmd_query_migrate_caps(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    object_start(&one);
    say(&one, "capability", "events");
    say_bool(&one, "state", true);
    list_object(&list, &one);
    say_list(reply, "return", &list);
    return true;
}

/* Those of the protocol that are off here, and stay so. */
static const char *const never[] = {
    "xbzrle", "rdma-pin-all", "auto-converge", "zero-blocks", "compress", "postcopy-ram",
    "release-ram", "block", "return-path", "pause-before-switchover", "multifd", "dirty-bitmaps",
    "postcopy-blocktime", "late-block-activate", "validate-uuid", "background-snapshot",
    "zero-copy-send", "postcopy-preempt", NULL
};

static bool is_capability(const char *name)
{
    return !strcmp(name, "events") || g_strv_contains(never, name);
}

bool cmd_migrate_set_caps(Machine *m, void *args, Reply *reply, GError **err)
{
    const CapsArgs *a = args;

    for (unsigned i = 0; i < a->capabilities->len; i++) {
        const MigrateCap *c = a->capabilities->pdata[i];
        if (!is_capability(c->capability)) {
            return fail(err, "Parameter 'capability' does not accept value '%.100s'",
                        c->capability);
        }
        if (strcmp(c->capability, "events") ? c->state : !c->state) {
            return fail(err, "migrate-set-capabilities: %.100s cannot be switched %s",
                        c->capability, c->state ? "on" : "off");
        }
    }
    return true;
}

/* ---- parameters ---- */

#define UNSET UINT64_MAX

const Field migrate_params_args[] = {
    CONFIG_AS(ParamsArgs, max_bandwidth, "max-bandwidth", .def = UNSET,
              .help = "Bytes a second on a connection; 0: no limit."),
    CONFIG_AS(ParamsArgs, tls_creds, "tls-creds", .help = "Empty: there is no TLS for it."),
    CONFIG_AS(ParamsArgs, tls_hostname, "tls-hostname", .help = "Empty, likewise."),
    FIELD_END
};

bool cmd_query_migrate_params(Machine *m, void *args, Reply *reply, GError **err)
{
    say_int(reply, "max-bandwidth", (int64_t)snapshot_bandwidth(m));
    say(reply, "tls-creds", "");
    say(reply, "tls-hostname", "");
    return true;
}

bool cmd_migrate_set_params(Machine *m, void *args, Reply *reply, GError **err)
{
    const ParamsArgs *a = args;

    if ((a->tls_creds && *a->tls_creds) || (a->tls_hostname && *a->tls_hostname)) {
        return fail(err, "migrate-set-parameters: a migration over TLS is not supported; send it "
                         "by exec: through a program that encrypts");
    }
    if (a->max_bandwidth != UNSET) {
        if (a->max_bandwidth > INT64_MAX) {
            return fail(err, "Parameter 'max_bandwidth' expects an integer in the range of 0 to "
                             "%" G_GINT64_FORMAT " bytes/second", INT64_MAX);
        }
        snapshot_set_bandwidth(m, a->max_bandwidth);
    }
    return true;
}

/* ---- what hangs ---- */

typedef struct YankInstance {
    uint32_t type;
    char    *id, *node_name;
} YankInstance;
enum { YANK_BLOCK_NODE, YANK_CHARDEV, YANK_MIGRATION };
static const char *const yank_types[] = { "block-node", "chardev", "migration", NULL };
static const Field yank_fields[] = {
    FIELD_AS_(YankInstance, type, T_ENUM, F_CONFIG | F_REQUIRED, 1, .aux = yank_types,
              .help = "What; there is migration, while one is sent."),
    CONFIG(YankInstance, id, .help = "Of a chardev."),
    CONFIG_AS(YankInstance, node_name, "node-name", .help = "Of a block-node."),
    FIELD_END
};
const Field yank_args[] = {
    FIELD_AS_(YankArgs, instances, T_LIST, F_CONFIG | F_REQUIRED, 1,
              .stride = sizeof(YankInstance), .aux = yank_fields, .help = "What query-yank said."),
    FIELD_END
};

bool cmd_query_yank(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder list, one;

    list_start(&list);
    if (snapshot_is_sending(m)) {
        object_start(&one);
        say(&one, "type", yank_types[YANK_MIGRATION]);
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

bool cmd_yank(Machine *m, void *args, Reply *reply, GError **err)
{
    const YankArgs *a = args;

    for (guint i = 0; i < a->instances->len; i++) {
        const YankInstance *y = a->instances->pdata[i];
        if (y->type != YANK_MIGRATION || !snapshot_is_sending(m)) {
            return fail_not_found(err, "Instance '%s' not found", yank_types[y->type]);
        }
    }
    if (a->instances->len) {
        snapshot_break_off(m);
    }
    return true;
}
