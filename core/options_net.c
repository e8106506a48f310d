/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_net.c -- -netdev, -nic and -net: which cards there are and what each is plugged into;
 * -audiodev.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: more than one card or back end with -net (there are no hubs); the name of a back end that
 *   does not exist is refused when it is opened.
 * Threads: the main thread, before any other.
 */
#include "core/options_int.h"
#include <string.h>

const Field netdev_args[] = {
    CONFIG(NetdevArgs, type, .help = "Back end."),
    { .name = "rest", .type = T_LIST, .flags = F_CONFIG | F_REST,
      .offset = offsetof(NetdevArgs, rest), .count = 1 },
    FIELD_END
};

/* Takes the pairs named key out of the list; the value of the last, or NULL. */
static char *take_pair(GPtrArray *list, const char *key)
{
    char *val = NULL;

    for (guint i = 0; list && i < list->len;) {
        OptPair *p = list->pdata[i];
        if (strcmp(p->key, key)) {
            i++;
            continue;
        }
        g_free(val);
        val = g_steal_pointer(&p->val);
        g_free(p->key);
        g_free(p);
        g_ptr_array_remove_index(list, i);
    }
    return val;
}

static bool print_help(Machine *m, const NetdevArgs *a)
{
    if (!a->type || strcmp(a->type, "help")) {
        return false;
    }
    net_print_help();
    m->options->raw->exit_now = true;
    return true;
}

static bool id_free(const GPtrArray *list, const char *option, const char *id, GError **err)
{
    for (guint i = 0; i < list->len; i++) {
        if (!strcmp(((OptNetdev *)list->pdata[i])->id, id)) {
            return fail(err, "%s id=%s: this id is taken", option, id);
        }
    }
    return true;
}

/* A back end of what is left in the arguments; its id, or NULL.  id is taken over. */
static const char *add_back_end(GPtrArray *list, const char *option, NetdevArgs *a, char *id,
                                GError **err)
{
    OptNetdev *o;

    if (!id_free(list, option, id, err)) {
        g_free(id);
        return NULL;
    }
    o = g_new0(OptNetdev, 1);
    o->type = g_strdup(a->type);
    o->id = id;
    o->rest = g_steal_pointer(&a->rest);
    g_ptr_array_add(list, o);
    return o->id;
}

static const char *add_netdev(Machine *m, NetdevArgs *a, char *id, GError **err)
{
    return add_back_end(m->options->netdevs, "-netdev", a, id, err);
}

bool opt_audiodev(Machine *m, void *args, GVariantBuilder *reply, GError **err)
{
    NetdevArgs *a = args;
    char       *id, *driver;

    if (a->type && !strcmp(a->type, "help")) {
        audio_print_help();
        m->options->raw->exit_now = true;
        return true;
    }
    id = take_pair(a->rest, "id");
    if ((driver = take_pair(a->rest, "driver"))) {
        g_free(a->type);
        a->type = driver;
    }
    if (!a->type || !id) {
        g_free(id);
        return fail(err, "-audiodev: write it as TYPE,id=ID,...");
    }
    return add_back_end(m->options->audiodevs, "-audiodev", a, id, err) != NULL;
}

bool opt_netdev(Machine *m, void *args, GVariantBuilder *reply, GError **err)
{
    NetdevArgs *a = args;
    char       *id;

    if (print_help(m, a)) {
        return true;
    }
    m->options->raw->nic_set = true;
    id = take_pair(a->rest, "id");
    if (!a->type || !id) {
        g_free(id);
        return fail(err, "-netdev: write it as TYPE,id=ID,...");
    }
    return add_netdev(m, a, id, err) != NULL;
}

static OptNic *new_nic(Machine *m, NetdevArgs *a, const char *mac_key)
{
    OptNic *n = g_new0(OptNic, 1);

    n->model = take_pair(a->rest, "model");
    n->mac = take_pair(a->rest, mac_key);
    n->addr = take_pair(a->rest, "addr");
    n->netdev = take_pair(a->rest, "netdev");
    g_ptr_array_add(m->options->nics, n);
    return n;
}

bool opt_nic(Machine *m, void *args, GVariantBuilder *reply, GError **err)
{
    NetdevArgs *a = args;
    OptNic     *n;
    char       *id;

    if (print_help(m, a)) {
        return true;
    }
    m->options->raw->nic_set = true;
    if (a->type && !strcmp(a->type, "none")) {
        return !a->rest || fail(err, "-nic none: takes nothing besides");
    }
    n = new_nic(m, a, "mac");
    n->id = take_pair(a->rest, "id");
    if (n->netdev) {
        return (!a->type && (!a->rest || !a->rest->len)) ||
               fail(err, "-nic netdev=%s: goes with model, mac and addr only", n->netdev);
    }
    if (!a->type) {
        return fail(err, "-nic: say which back end, for instance -nic user, or -nic none");
    }
    id = n->id ? g_strdup(n->id) : g_strdup_printf("#net%u", m->options->netdevs->len);
    n->netdev = g_strdup(add_netdev(m, a, id, err));
    return n->netdev != NULL;
}

bool opt_net(Machine *m, void *args, GVariantBuilder *reply, GError **err)
{
    NetdevArgs *a = args;
    OptRaw     *r = m->options->raw;

    if (print_help(m, a)) {
        return true;
    }
    r->nic_set = true;
    if (!a->type) {
        return fail(err, "-net: say nic, none or a back end");
    }
    if (!strcmp(a->type, "none")) {
        return true;
    }
    if (!strcmp(a->type, "nic")) {
        if (r->net_nic) {
            return fail(
                err, "-net nic: there is one already; use -nic, or -device with -netdev, for more");
        }
        r->net_nic = new_nic(m, a, "macaddr");
        r->net_nic->id = take_pair(a->rest, "name");
        return !a->rest || !a->rest->len ||
               fail(err, "-net nic: there is no property \"%s\"",
                    ((OptPair *)a->rest->pdata[0])->key);
    }
    if (r->net_netdev) {
        return fail(
            err,
            "-net %s: there is a back end already; use -nic, or -device with -netdev, for more",
            a->type);
    }
    char *id = take_pair(a->rest, "id"), *name = take_pair(a->rest, "name");
    r->net_netdev = g_strdup(add_netdev(m, a, id ? id : g_strdup(name ? name : "#net"), err));
    g_free(name);
    return r->net_netdev != NULL;
}

bool options_settle_nets(Machine *m, GError **err)
{
    OptRaw *r = m->options->raw;

    if (r->net_netdev && !r->net_nic) {
        return fail(err, "-net: there is a back end but no card; add -net nic");
    }
    if (r->net_nic && r->net_netdev) {
        if (r->net_nic->netdev) {
            return fail(err, "-net nic,netdev=%s: with -netdev, leave the other -net out",
                        r->net_nic->netdev);
        }
        r->net_nic->netdev = g_strdup(r->net_netdev);
    }
    m->options->default_nic = !m->options->nodefaults && !r->nic_set;
    return true;
}

static void free_back_ends(GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        OptNetdev *d = list->pdata[i];
        g_free(d->type);
        g_free(d->id);
        options_free_pairs(d->rest);
        g_free(d);
    }
    g_ptr_array_free(list, TRUE);
}

void options_free_nets(struct Options *o)
{
    free_back_ends(o->netdevs);
    free_back_ends(o->audiodevs);
    for (guint i = 0; i < o->nics->len; i++) {
        OptNic *n = o->nics->pdata[i];
        g_free(n->model);
        g_free(n->mac);
        g_free(n->addr);
        g_free(n->id);
        g_free(n->netdev);
        g_free(n);
    }
    g_ptr_array_free(o->nics, TRUE);
}
