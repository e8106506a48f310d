/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nodes.c -- -blockdev: nodes that programs name, describe apart from the device that will use
 * them, and put together.
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "block-core": BlockdevOptions of the
 *   drivers file, host_device and raw.
 * Omits: nodes over nodes but raw over a file; changing a node (blockdev-reopen); raw's offset= and
 *   size=.
 * Threads: the main context with the machine lock.
 *
 * A named node is a description, checked by opening it once.  A device or a tray that names one
 * opens the graph it describes, and it counts as used until that is closed: so a file under a disk
 * that is only read is opened for reading.
 */
#include "block/contents.h"
#include "block/drive.h"
#include "core/commands.h"
#include "core/options.h"

typedef struct NodeArgs {             /* what a driver takes besides driver= and node-name= */
    char    *filename, *file;
    bool     read_only, auto_read_only, force_share, direct, no_flush;
    uint32_t discard, detect_zeroes, aio, locking;
} NodeArgs;

typedef struct NamedNode {
    char             *name;           /* "#block1" where the user gave none */
    const BlockDriver *drv;
    NodeArgs          args;
    struct NamedNode *file;           /* of raw */
    /* file's description stood within another's, and goes with it */
    bool              implicit;
    unsigned          users;
    uint64_t          bytes;
    BlockStats        stats;          /* of the graph opened by this description */
} NamedNode;

static const char *const discards[] = { "ignore", "unmap", NULL };
static const char *const detects[] = { "off", NULL };
static const char *const aios[] = { "threads", NULL };
static const char *const lockings[] = { "auto", "on", NULL };

#define NODE_FIELDS                                                                        \
    CONFIG_AS(NodeArgs, read_only, "read-only", .help = "The guest may not write to it."), \
    CONFIG_AS(NodeArgs, auto_read_only, "auto-read-only",                                  \
              .help = "Read only where what uses it does no more."),                       \
    CONFIG_ENUM(NodeArgs, discard, discards, .help = "What becomes of the guest's TRIM."), \
    CONFIG_AS(NodeArgs, direct, "cache.direct", .help = "Past the host's page cache."),    \
    CONFIG_AS(NodeArgs, no_flush, "cache.no-flush", .help = "Flushes do nothing."),        \
    { .name = "detect-zeroes", .type = T_ENUM, .flags = F_CONFIG,                          \
      .offset = offsetof(NodeArgs, detect_zeroes), .count = 1, .aux = detects,             \
      .help = "Look for zeros in what is written." }

const Field blockdev_file_args[] = {
    FIELD_(NodeArgs, filename, F_CONFIG | F_REQUIRED, 1, .help = "The file."),
    CONFIG_ENUM(NodeArgs, aio, aios, .help = "How it is read and written."),
    CONFIG_ENUM(NodeArgs, locking, lockings, .help = "Nobody else may write to it meanwhile."),
    NODE_FIELDS,
    FIELD_END
};
const Field blockdev_raw_args[] = {
    FIELD_(NodeArgs, file, F_CONFIG | F_REQUIRED, 1,
           .help = "The node below, by its name; or its description (file.driver=, ...)."),
    NODE_FIELDS,
    FIELD_END
};

static const struct { const char *name, *driver; const Field *fields; } drivers[] = {
    { "file", "file", blockdev_file_args },
    { "host_device", "file", blockdev_file_args }, { "raw", "raw", blockdev_raw_args },
};

static NamedNode *find(Machine *m, const char *name)
{
    for (guint i = 0; m->nodes && i < m->nodes->len; i++) {
        NamedNode *n = m->nodes->pdata[i];
        if (!strcmp(n->name, name)) {
            return n;
        }
    }
    return NULL;
}

/* ---- graphs ---- */

static BlockNode *open_file(Machine *m, const NamedNode *f, bool readonly, GError **err)
{
    BlockOpen how = { .file = f->args.filename,
                      .readonly = readonly || f->args.read_only,
                      .cache = f->args.no_flush ? BLK_CACHE_UNSAFE
                               : f->args.direct ? BLK_CACHE_NONE
                                                : BLK_CACHE_WRITEBACK };

    return contents_whole(how.file, m->options->loadvm || m->options->incoming, err)
               ? block_node_new(m, "file", how.file, &how, err)
               : NULL;
}

/* raw over file, also where a device names the file itself. */
static BlockNode *open_graph(Machine *m, const NamedNode *n, GError **err)
{
    const NamedNode *f = n->file ? n->file : n;
    bool             readonly = n->args.read_only || f->args.read_only;
    BlockNode       *file = open_file(m, f, readonly, err), *top;
    BlockOpen        how = { .file = f->args.filename, .readonly = readonly };

    if (!file && !readonly && (n->args.auto_read_only || f->args.auto_read_only)) {
        g_clear_error(err);
        how.readonly = true;
        file = open_file(m, f, true, err);
    }
    if (!file) {
        return NULL;
    }
    top = block_node_new(m, "raw", how.file, &how, err);
    top->child = file;
    top->bytes = file->bytes;
    return top;
}

static void use(NamedNode *n, int by)
{
    n->users += (unsigned)by;
}

BlockNode *node_use(Machine *m, const char *name, bool *readonly, GError **err)
{
    NamedNode *n = find(m, name);
    BlockNode *top;

    if (!n) {
        fail(err, "Cannot find device='' nor node-name='%.200s'", name);
        return NULL;
    }
    if (n->users) {
        fail(err, "Node '%.200s' is already in use", name);
        return NULL;
    }
    if ((top = open_graph(m, n, err))) {
        top->named = n;
        top->stats[1] = &n->stats;
        use(n, 1);
        *readonly = top->readonly;
    }
    return top;
}

void node_unuse(struct NamedNode *n)
{
    use(n, -1);
}

const char *node_name(const BlockNode *n)
{
    return n && n->named ? n->named->name : NULL;
}

bool node_find(Machine *m, const char *name, Drive **drive)
{
    const NamedNode *n = find(m, name);

    *drive = NULL;
    for (guint i = 0; n && m->drives && i < m->drives->len; i++) {
        Drive *d = m->drives->pdata[i];
        if (d->node && d->node->named && (d->node->named == n || d->node->named->file == n)) {
            *drive = d;
        }
    }
    return n != NULL;
}

void node_resized(const BlockNode *n)
{
    if (n->named) {
        n->named->bytes = n->bytes;
        if (n->named->file) {
            n->named->file->bytes = n->bytes;
        }
    }
}

bool node_resize_unused(Machine *m, const char *name, uint64_t bytes, GError **err)
{
    bool       readonly, ok;
    BlockNode *n = node_use(m, name, &readonly, err);

    if (!n) {
        return false;
    }
    ok = block_resize(n, bytes, err);
    node_resized(n);
    block_close(n);
    return ok;
}

/* ---- making and ending them ---- */

static void node_end(Machine *m, NamedNode *n)
{
    NamedNode *file = n->file;

    g_ptr_array_remove(m->nodes, n);
    if (file) {
        use(file, -1);
        if (file->implicit) {
            node_end(m, file);
        }
    }
    fields_clear(blockdev_file_args, &n->args);
    g_free(n->args.file);
    g_free(n->name);
    g_free(n);
}

/* Those of the pairs that begin with "file.", without it. */
static GPtrArray *below(const GPtrArray *rest)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; rest && i < rest->len; i++) {
        const OptPair *p = rest->pdata[i];
        if (g_str_has_prefix(p->key, "file.")) {
            OptPair *q = g_new(OptPair, 1);
            *q = (OptPair){ p->key + strlen("file."), p->val };
            g_ptr_array_add(list, q);
        }
    }
    return list;
}

static const char *take(GPtrArray *pairs, const char *key)
{
    for (unsigned i = 0; i < pairs->len; i++) {
        OptPair *p = pairs->pdata[i];
        if (!strcmp(p->key, key)) {
            const char *val = p->val;
            g_ptr_array_remove_index(pairs, i);
            return val;
        }
    }
    return NULL;
}

static NamedNode *make(Machine *m, const char *driver, const char *name, const GPtrArray *rest,
                       bool implicit, GError **err);

static bool set_args(Machine *m, NamedNode *n, const Field *fields, const GPtrArray *rest,
                     GError **err)
{
    g_autoptr(GPtrArray) inner = below(rest);
    bool                 ok = true, nested = fields == blockdev_raw_args && inner->len;

    fields_defaults(fields, &n->args);
    for (unsigned i = 0; ok && rest && i < rest->len; i++) {
        const OptPair *p = rest->pdata[i];
        ok = (nested && g_str_has_prefix(p->key, "file.")) ||
             field_parse(fields, &n->args, p->key, p->val, err);
    }
    if (ok && nested && !n->args.file) {
        const char *drv = take(inner, "driver"), *id = take(inner, "node-name");
        n->file = drv ? make(m, drv, id, inner, true, err)
                      : (fail(err, "Parameter 'file.driver' is missing"), NULL);
        if (!n->file) {
            return false;
        }
        n->args.file = g_strdup(n->file->name);
    }
    return ok && fields_check(fields, &n->args, err);
}

static bool link_file(Machine *m, NamedNode *n, GError **err)
{
    NamedNode *file = n->file ? n->file : find(m, n->args.file);

    if (!file) {
        return fail(err, "Cannot find device='%.200s' nor node-name='%.200s'", n->args.file,
                    n->args.file);
    }
    if (strcmp(file->drv->name, "file") || file->users) {
        return fail(err, "Node '%.200s' cannot be below '%.200s': it %s", file->name, n->name,
                    file->users ? "is in use" : "is no file");
    }
    n->file = file;
    use(file, 1);
    return true;
}

/* Opened once, so that errors come now. */
static bool try(Machine *m, NamedNode *n, GError **err)
{
    BlockNode *top = open_graph(m, n, err);

    n->bytes = top ? top->bytes : 0;
    if (n->file) {
        n->file->bytes = n->bytes;
    }
    block_close(top);
    return top != NULL;
}

static bool is_drive(Machine *m, const char *name)
{
    const Drive *d = drive_find(m, name);

    return d && !d->anonymous;
}

static bool check_name(Machine *m, const char *name, GError **err)
{
    if (name && (!g_ascii_isalpha(*name) || strlen(name) > 31)) {
        return fail(err, "Invalid node-name: '%.200s'", name);
    }
    if (name && (find(m, name) || is_drive(m, name))) {
        return fail(err, "Duplicate nodes with node-name='%.200s'", name);
    }
    return true;
}

/* implicit: it is opened with the node whose description it is part of. */
static NamedNode *make(Machine *m, const char *driver, const char *name, const GPtrArray *rest,
                       bool implicit, GError **err)
{
    NamedNode   *n;
    const Field *fields = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        fields = strcmp(drivers[i].name, driver) ? fields : drivers[i].fields;
    }
    if (!fields) {
        fail(err, "Unknown driver '%.100s'; there are file, host_device and raw", driver);
        return NULL;
    }
    if (!check_name(m, name, err)) {
        return NULL;
    }
    m->nodes = m->nodes ? m->nodes : g_ptr_array_new();
    n = g_new0(NamedNode, 1);
    n->implicit = implicit;
    n->name = name ? g_strdup(name) : g_strdup_printf("#block%u", m->n_nodes++);
    for (const BlockDriver *const *d = block_drivers; *d; d++) {
        n->drv = strcmp((*d)->name, fields == blockdev_raw_args ? "raw" : "file") ? n->drv : *d;
    }
    g_ptr_array_add(m->nodes, n);
    if (!set_args(m, n, fields, rest, err) ||
        (fields == blockdev_raw_args && !link_file(m, n, err)) || (!implicit && !try(m, n, err))) {
        if (n->file && !n->file->users) {       /* made for it, and not linked yet */
            use(n->file, 1);
        }
        node_end(m, n);
        return NULL;
    }
    return n;
}

static bool add(Machine *m, const OptBlockdev *o, GError **err)
{
    if (!o->node_name) {
        return fail(err, "'node-name' must be specified for the root node");
    }
    return make(m, o->driver, o->node_name, o->rest, false, err) != NULL;
}

static bool del(Machine *m, const char *name, GError **err)
{
    NamedNode *n = find(m, name);

    if (!n) {
        return fail(err, "Failed to find node with node-name='%.200s'", name);
    }
    if (n->users) {
        return fail(err, "Node %.200s is in use", name);
    }
    node_end(m, n);
    return true;
}

static GVariant *query(Machine *m)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (guint i = 0; m->nodes && i < m->nodes->len; i++) {
        const NamedNode *n = m->nodes->pdata[i], *f = n->file ? n->file : n;
        object_start(&one);
        say(&one, "node-name", n->name);
        media_say_node(&one, f->args.filename, n->drv->name, n->bytes, n->args.read_only,
                       f->args.direct, f->args.no_flush);
        list_object(&list, &one);
    }
    return g_variant_builder_end(&list);
}

/* What goes through raw goes to the file below as it is. */
static const BlockStats *counted(Machine *m, const NamedNode *n)
{
    for (guint i = 0; i < m->nodes->len; i++) {
        const NamedNode *above = m->nodes->pdata[i];
        if (above->file == n) {
            return &above->stats;
        }
    }
    return &n->stats;
}

GVariant *stats_of_nodes(Machine *m)
{
    GVariantBuilder list, one;

    list_start(&list);
    for (guint i = 0; m->nodes && i < m->nodes->len; i++) {
        const NamedNode *n = m->nodes->pdata[i];
        object_start(&one);
        say(&one, "node-name", n->name);
        say_value(&one, "stats", stats_of(counted(m, n)));
        list_object(&list, &one);
    }
    return g_variant_builder_end(&list);
}

bool nodes_open(Machine *m, GError **err)
{
    GPtrArray *list = m->options->blockdevs;

    m->hooks.blockdev_add = add;
    m->hooks.blockdev_del = del;
    m->hooks.query_nodes = query;
    m->hooks.query_nodestats = stats_of_nodes;
    for (guint i = 0; list && i < list->len; i++) {
        const OptBlockdev *o = list->pdata[i];
        if (!add(m, o, err)) {
            g_prefix_error(err, "-blockdev %s: ", o->node_name ? o->node_name : o->driver);
            return false;
        }
    }
    return true;
}

void nodes_close(Machine *m)
{
    while (m->nodes && m->nodes->len) {
        NamedNode *n = m->nodes->pdata[m->nodes->len - 1];
        n->file = NULL;               /* it is in the list too */
        node_end(m, n);
    }
    g_clear_pointer(&m->nodes, g_ptr_array_unref);
}
