/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_stats.c -- query-stats and query-stats-schemas.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "stats".
 * Omits: KVM's statistics (KVM_GET_STATS_FD), the only provider that the protocol knows: so both
 *   lists are empty, as they are with QEMU's own translator.
 * Threads: the main context with the machine lock.
 */
#include "core/commands.h"
#include "core/vcpu.h"

typedef struct StatsRequest {
    uint32_t   provider;
    GPtrArray *names;
} StatsRequest;

static const char *const targets[] = { "vm", "vcpu", NULL };
static const char *const providers[] = { "kvm", NULL };
static const char *const maybe_providers[] = { "-", "kvm", NULL };
static const Field request_fields[] = {
    FIELD_AS_(StatsRequest, provider, T_ENUM, F_CONFIG | F_REQUIRED, 1, .aux = providers,
              .help = "Who has them."),
    CONFIG_MANY(StatsRequest, names, .help = "These alone."),
    FIELD_END
};
const Field query_stats_args[] = {
    FIELD_AS_(StatsFilter, target, T_ENUM, F_CONFIG | F_REQUIRED, 1, .aux = targets,
              .help = "Of what."),
    CONFIG_MANY(StatsFilter, vcpus, .help = "Of these, by their paths."),
    FIELD_AS_(StatsFilter, providers, T_LIST, F_CONFIG, 1, .stride = sizeof(StatsRequest),
              .aux = request_fields, .help = "From these."),
    FIELD_END
};
const Field query_schemas_args[] = {
    FIELD_AS_(SchemasArgs, provider, T_ENUM, F_CONFIG, 1, .aux = maybe_providers,
              .help = "From this one."),
    FIELD_END
};

bool cmd_query_stats(Machine *m, void *args, Reply *reply, GError **err)
{
    const StatsFilter *a = args;

    if (a->target == 0 && a->vcpus) {
        return fail(err, "Parameter 'vcpus' is unexpected");
    }
    return cmd_query_nothing(m, args, reply, err);
}

bool cmd_query_stats_schemas(Machine *m, void *args, Reply *reply, GError **err)
{
    return cmd_query_nothing(m, args, reply, err);
}
