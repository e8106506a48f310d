/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_numa.c -- -numa, -mem-path, -mem-prealloc and -overcommit: where RAM comes from and to
 * which CPUs it is near.
 *
 * Spec: none; the words are those of the field.
 * Omits: -numa cpu and hmat-*, initiator=; memory without a node.
 * Threads: main thread, before the machine runs.
 */
#include "core/numa.h"
#include "core/object.h"
#include "core/objects/memory.h"
#include "core/options_int.h"
#include <stdlib.h>
#include <string.h>

const Field numa_args[] = {
    CONFIG(NumaArgs, type, .help = "node or dist."),
    REST(NumaArgs, rest),
    FIELD_END
};
const Field overcommit_args[] = {
    CONFIG_AS(OvercommitArgs, mem_lock, "mem-lock",
              .help = "Keep all of the emulator's memory in RAM."),
    CONFIG_AS(OvercommitArgs, cpu_pm, "cpu-pm",
              .help = "The guest may halt the host's processors (accelerators that can)."),
    FIELD_END
};

/* ---- -numa ---- */

static Numa *numa_of(Machine *m)
{
    if (!m->options->numa) {
        m->options->numa = g_new0(Numa, 1);
    }
    return m->options->numa;
}

static bool number(const char *key, const char *val, unsigned most, unsigned *out, GError **err)
{
    char *end;
    guint64 v = g_ascii_strtoull(val ? val : "", &end, 10);

    if (!val || !*val || *end || v > most) {
        return fail(err, "-numa: %s=%s: a number up to %u is needed", key, val ? val : "", most);
    }
    *out = (unsigned)v;
    return true;
}

static bool cpus(Numa *s, unsigned node, const char *val, GError **err)
{
    g_auto(GStrv) ends = g_strsplit(val ? val : "", "-", 2);
    unsigned first, last;

    if (!number("cpus", ends[0], NUMA_CPUS - 1, &first, err) ||
        !number("cpus", ends[0] && ends[1] ? ends[1] : ends[0], NUMA_CPUS - 1, &last, err)) {
        return false;
    }
    for (unsigned i = first; i <= last; i++) {
        if (s->cpu_said[i]) {
            return fail(err, "-numa: CPU %u is in two nodes", i);
        }
        s->cpu_said[i] = true;
        s->cpu_node[i] = (uint8_t)node;
    }
    return true;
}

static const OptPair *pair(const GPtrArray *rest, const char *key)
{
    for (unsigned i = 0; rest && i < rest->len; i++) {
        if (!strcmp(((OptPair *)rest->pdata[i])->key, key)) {
            return rest->pdata[i];
        }
    }
    return NULL;
}

static bool add_node(Machine *m, const NumaArgs *a, GError **err)
{
    Numa *s = numa_of(m);
    const OptPair *id = pair(a->rest, "nodeid");
    unsigned n = s->n;

    if (id && !number("nodeid", id->val, NUMA_NODES - 1, &n, err)) {
        return false;
    }
    if (n >= NUMA_NODES || s->node[n].there) {
        return fail(err, "-numa node: node %u is there already, or one too many", n);
    }
    NumaNode *node = &s->node[n];
    node->there = true;
    s->n = MAX(s->n, n + 1);
    for (unsigned i = 0; a->rest && i < a->rest->len; i++) {
        const OptPair *p = a->rest->pdata[i];
        if (!strcmp(p->key, "cpus")) {
            if (!cpus(s, n, p->val, err)) {
                return false;
            }
        } else if (!strcmp(p->key, "memdev") && !node->bytes && p->val) {
            g_free(node->memdev);
            node->memdev = g_strdup(p->val);
        } else if (!strcmp(p->key, "mem") && !node->memdev) {
            MemArgs size = { 0 };
            if (!field_parse(mem_args, &size, "size", p->val, err)) {
                return false;
            }
            node->bytes = size.size;
        } else if (strcmp(p->key, "nodeid")) {
            return fail(err,
                        "-numa node: %s: only nodeid, cpus, and one of mem and memdev are there",
                        p->key);
        }
    }
    return true;
}

static bool add_distance(Machine *m, const NumaArgs *a, GError **err)
{
    static const char *const keys[] = { "src", "dst", "val" };
    unsigned v[3];

    for (unsigned i = 0; i < 3; i++) {
        const OptPair *p = pair(a->rest, keys[i]);
        if (!p) {
            return fail(err, "-numa dist: %s= is missing", keys[i]);
        }
        if (!number(keys[i], p->val, i < 2 ? NUMA_NODES - 1 : 255, &v[i], err)) {
            return false;
        }
    }
    if (a->rest->len != 3 || v[2] < NUMA_NEAR || (v[0] == v[1]) != (v[2] == NUMA_NEAR)) {
        return fail(err,
                    "-numa dist: src, dst and val: 10 from a node to itself, 11 to 255 to others");
    }
    numa_of(m)->distance[v[0]][v[1]] = (uint8_t)v[2];
    return true;
}

bool opt_numa(Machine *m, void *args, Reply *reply, GError **err)
{
    const NumaArgs *a = args;

    if (!g_strcmp0(a->type, "node")) {
        return add_node(m, a, err);
    }
    return !g_strcmp0(a->type, "dist")
               ? add_distance(m, a, err)
               : fail(err, "-numa %s: only node and dist are there", a->type ? a->type : "");
}

static bool share_memory(Machine *m, Numa *s, GError **err)
{
    uint64_t sum = 0;
    bool     said = false;

    for (unsigned i = 0; i < s->n; i++) {
        NumaNode *n = &s->node[i];
        if (!n->there) {
            return fail(err, "-numa: node %u is missing; nodes are numbered from 0", i);
        }
        if (n->memdev && !memory_backend_size(m, n->memdev, &n->bytes, err)) {
            return false;
        }
        said |= n->bytes || n->memdev;
        sum += n->bytes;
    }
    if (!said) {
        /* in pieces of 16 MiB; the last has the rest */
        uint64_t each = m->ram_bytes / s->n & ~UINT64_C(0xffffff);
        for (unsigned i = 0; i < s->n; i++) {
            s->node[i].bytes = i + 1 < s->n ? each : m->ram_bytes - each * (s->n - 1);
        }
        sum = m->ram_bytes;
    }
    return sum == m->ram_bytes || fail(err,
                                       "-numa: the nodes have %" G_GUINT64_FORMAT
                                       " MiB of RAM, -m says %" G_GUINT64_FORMAT,
                                       sum >> 20, m->ram_bytes >> 20);
}

bool numa_settle(Machine *m, GError **err)
{
    struct Options *o = m->options;
    Numa *s = o->numa;

    if (!s) {
        return true;
    }
    if (!s->n) {
        return fail(err, "-numa dist: there are no nodes");
    }
    if (!share_memory(m, s, err)) {
        return false;
    }
    for (unsigned i = 0; i < NUMA_CPUS; i++) {
        if (s->cpu_said[i] && i >= o->max_cpus) {
            return fail(err, "-numa: there is no CPU %u", i);
        }
        if (!s->cpu_said[i]) {          /* by socket, in turn */
            s->cpu_node[i] = (uint8_t)(i / (MAX(o->cores, 1) * MAX(o->threads, 1)) % s->n);
        }
    }
    for (unsigned i = 0; i < NUMA_NODES; i++) {
        for (unsigned j = 0; j < NUMA_NODES; j++) {
            uint8_t *d = &s->distance[i][j];
            if (*d && (i >= s->n || j >= s->n)) {
                return fail(err, "-numa dist: there is no node %u", MAX(i, j));
            }
            *d = *d ? *d : s->distance[j][i] ? s->distance[j][i] : i == j ? NUMA_NEAR : NUMA_FAR;
        }
    }
    return true;
}

bool numa_map(Machine *m, GError **err)
{
    const Numa *s = m->options->numa;
    uint64_t at = 0;

    for (unsigned i = 0; s && i < s->n; i++) {
        if (s->node[i].memdev &&
            !memory_backend_map_part(m, s->node[i].memdev, &m->ram, at, s->node[i].bytes, err)) {
            return false;
        }
        at += s->node[i].bytes;
    }
    return true;
}

void numa_free(Numa *s)
{
    for (unsigned i = 0; s && i < NUMA_NODES; i++) {
        g_free(s->node[i].memdev);
    }
    g_free(s);
}

/* ---- -mem-path, -mem-prealloc, -overcommit ---- */

bool opt_mem_path(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->raw->mem_path, &((TextArgs *)args)->value);
    return true;
}

bool opt_mem_prealloc(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->raw->mem_prealloc = true;
    return true;
}

/* What the accelerator has of it is a property of its own, handed on like those of -machine. */
bool opt_overcommit(Machine *m, void *args, Reply *reply, GError **err)
{
    const OvercommitArgs *a = args;

    m->options->mem_lock |= a->mem_lock;
    if (a->cpu_pm) {
        OptPair *p = g_new0(OptPair, 1);
        p->key = g_strdup("cpu-pm");
        p->val = g_strdup("on");
        if (!m->options->machine_props) {
            m->options->machine_props = g_ptr_array_new();
        }
        g_ptr_array_add(m->options->machine_props, p);
    }
    return true;
}

/* The old words stand for an object. */
bool options_settle_memory(Machine *m, GError **err)
{
    struct Options *o = m->options;
    const char *path = o->raw->mem_path;
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, m->ram_bytes);
    OptPair all[] = { { (char *)"size", size },
                      { (char *)"prealloc", (char *)(o->raw->mem_prealloc ? "on" : "off") },
                      { (char *)"mem-path", (char *)path } };
    void *pairs[] = { &all[0], &all[1], &all[2] };
    GPtrArray props = { pairs, path ? 3 : 2 };

    if (!path && !o->raw->mem_prealloc) {
        return true;
    }
    if (o->memory_backend) {
        return fail(err,
                    "-machine memory-backend=%s: say mem-path= and prealloc=on of that object, not "
                    "-mem-path or -mem-prealloc",
                    o->memory_backend);
    }
    for (unsigned i = 0; o->numa && i < o->numa->n; i++) {
        if (o->numa->node[i].memdev) {
            return fail(err, "-numa memdev=: say mem-path= and prealloc=on of that object, not "
                             "-mem-path or -mem-prealloc");
        }
    }
    o->memory_backend = g_strdup("ram.0");
    return object_new(m, path ? "memory-backend-file" : "memory-backend-ram", o->memory_backend,
                      &props, err) != NULL;
}
