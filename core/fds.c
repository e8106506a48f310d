/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fds.c -- descriptors that a program has passed to this one: by name (getfd), or in sets that
 * /dev/fdset/N opens (add-fd).
 *
 * Spec: QAPI schema of the QEMU Machine Protocol, module "misc"; Linux unix(7), SCM_RIGHTS.
 * Omits: closing a set's descriptors when the last monitor hangs up.
 * Threads: the main context with the machine lock.
 */
#include "core/fds.h"
#include "core/chardev.h"
#include "core/commands.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SET_MAX 1024                  /* descriptors in all sets together */

typedef struct SetFd {
    int64_t set;
    int     fd;
    char   *opaque;
} SetFd;

struct FdState {
    GHashTable *named;                /* char *: fd, as a pointer */
    GPtrArray  *sets;                 /* SetFd, by set */
    Chardev    *serving;
};

static void set_fd_free(void *p)
{
    SetFd *f = p;

    close(f->fd);
    g_free(f->opaque);
    g_free(f);
}

static void close_fd(void *fd)
{
    close(GPOINTER_TO_INT(fd));
}

struct FdState *fds_new(void)
{
    struct FdState *s = g_new0(struct FdState, 1);

    s->named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_fd);
    s->sets = g_ptr_array_new_with_free_func(set_fd_free);
    return s;
}

void fds_free(struct FdState *s)
{
    g_hash_table_destroy(s->named);
    g_ptr_array_free(s->sets, TRUE);
    g_free(s);
}

void fds_serving(Machine *m, Chardev *c)
{
    m->fds->serving = c;
}

int fds_take(Machine *m, const char *name, GError **err)
{
    char    *key, *end;
    gpointer fd;
    gint64   n;

    if (g_ascii_isdigit(*name)) {
        n = g_ascii_strtoll(name, &end, 10);
        if (*end || n > INT32_MAX || fcntl((int)n, F_GETFD) < 0) {
            fail(err, "fd=%s: there is no such open file descriptor", name);
            return -1;
        }
        fcntl((int)n, F_SETFD, FD_CLOEXEC);
        return (int)n;
    }
    if (!g_hash_table_steal_extended(m->fds->named, name, (gpointer *)&key, &fd)) {
        fail(err, "File descriptor named '%.200s' has not been found", name);
        return -1;
    }
    g_free(key);
    return GPOINTER_TO_INT(fd);
}

/* In order of sets, in a set in order of arrival. */
static SetFd *add_to_set(Machine *m, int fd, int64_t set, const char *opaque)
{
    SetFd   *f = g_new0(SetFd, 1);
    unsigned at = 0;

    while (at < m->fds->sets->len && ((SetFd *)m->fds->sets->pdata[at])->set <= set) {
        at++;
    }
    f->set = set;
    f->fd = fd;
    f->opaque = g_strdup(opaque);
    g_ptr_array_insert(m->fds->sets, (gint)at, f);
    return f;
}

bool fds_add_option(Machine *m, int fd, int64_t set, const char *opaque, GError **err)
{
    int own;

    if (fd <= STDERR_FILENO) {
        return fail(err, "-add-fd fd=%d: fd cannot be a standard I/O stream", fd);
    }
    own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) {
        return fail(err, "-add-fd fd=%d: %s", fd, g_strerror(errno));
    }
    add_to_set(m, own, set, opaque);
    return true;
}

int fds_open(Machine *m, const char *path, int flags, unsigned mode)
{
    static const char prefix[] = "/dev/fdset/";
    bool              found = false;
    gint64            set;
    char             *end;

    if (!g_str_has_prefix(path, prefix)) {
        return open(path, flags, mode);
    }
    set = g_ascii_strtoll(path + strlen(prefix), &end, 10);
    for (unsigned i = 0; !*end && end != path + strlen(prefix) && i < m->fds->sets->len; i++) {
        const SetFd *f = m->fds->sets->pdata[i];
        found |= f->set == set;
        if (f->set == set && (fcntl(f->fd, F_GETFL) & O_ACCMODE) == (flags & O_ACCMODE)) {
            return fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
        }
    }
    errno = found ? EACCES : ENOENT;
    return -1;
}

/* ---- commands ---- */

static int passed(Machine *m, GError **err)
{
    int fd = m->fds->serving ? chr_take_fd(m->fds->serving) : -1;

    if (fd < 0) {
        fail(err, "No file descriptor supplied via SCM_RIGHTS");
    }
    return fd;
}

bool cmd_getfd(Machine *m, void *args, Reply *reply, GError **err)
{
    const FdArgs *a = args;
    int           fd = passed(m, err);

    if (fd < 0) {
        return false;
    }
    if (g_ascii_isdigit(*a->fdname) || !*a->fdname) {
        close(fd);
        return fail(err, "Parameter 'fdname' expects a name not starting with a digit");
    }
    g_hash_table_replace(m->fds->named, g_strdup(a->fdname), GINT_TO_POINTER(fd));
    return true;
}

bool cmd_closefd(Machine *m, void *args, Reply *reply, GError **err)
{
    const FdArgs *a = args;

    return g_hash_table_remove(m->fds->named, a->fdname) ||
           fail(err, "File descriptor named '%.200s' not found", a->fdname);
}

bool cmd_add_fd(Machine *m, void *args, Reply *reply, GError **err)
{
    const FdArgs *a = args;
    int64_t       set = a->set;
    int           fd = passed(m, err);
    const SetFd  *f;

    if (fd < 0) {
        return false;
    }
    if (m->fds->sets->len >= SET_MAX || set < -1) {
        close(fd);
        return set < -1 ? fail(err, "Parameter 'fdset-id' expects a non-negative value")
                        : fail(err, "add-fd: too many descriptors");
    }
    for (unsigned i = 0; a->set < 0 && i < m->fds->sets->len; i++) {
        /* the first number that is free */
        set += ((SetFd *)m->fds->sets->pdata[i])->set == set + 1;
    }
    f = add_to_set(m, fd, a->set < 0 ? set + 1 : set, a->opaque);
    say_int(reply, "fdset-id", f->set);
    say_int(reply, "fd", f->fd);
    return true;
}

bool cmd_remove_fd(Machine *m, void *args, Reply *reply, GError **err)
{
    const FdArgs *a = args;
    bool          any = false;

    for (unsigned i = m->fds->sets->len; i-- > 0;) {
        const SetFd *f = m->fds->sets->pdata[i];
        if (f->set == a->set && (a->fd < 0 || f->fd == a->fd)) {
            g_ptr_array_remove_index(m->fds->sets, i);
            any = true;
        }
    }
    return any ||
           (a->fd < 0 ? fail(err, "File descriptor named 'fdset-id:%" G_GINT64_FORMAT "' not found",
                             a->set)
                      : fail(err,
                             "File descriptor named 'fdset-id:%" G_GINT64_FORMAT
                             ", fd:%" G_GINT64_FORMAT "' not found",
                             a->set, a->fd));
}

bool cmd_query_fdsets(Machine *m, void *args, Reply *reply, GError **err)
{
    GPtrArray      *sets = m->fds->sets;
    GVariantBuilder list, one, fds, fd;

    list_start(&list);
    for (unsigned i = 0; i < sets->len;) {
        int64_t set = ((SetFd *)sets->pdata[i])->set;
        list_start(&fds);
        for (; i < sets->len && ((SetFd *)sets->pdata[i])->set == set; i++) {
            const SetFd *f = sets->pdata[i];
            object_start(&fd);
            say_int(&fd, "fd", f->fd);
            if (f->opaque) {
                say(&fd, "opaque", f->opaque);
            }
            list_object(&fds, &fd);
        }
        object_start(&one);
        say_int(&one, "fdset-id", set);
        say_list(&one, "fds", &fds);
        list_object(&list, &one);
    }
    say_list(reply, "return", &list);
    return true;
}

const Field fdname_args[] = {
    FIELD_(FdArgs, fdname, F_CONFIG | F_REQUIRED, 1, .help = "Its name; of letters first."),
    FIELD_END
};
const Field add_fd_args[] = {
    CONFIG_AS(FdArgs, set, "fdset-id", .def = (uint64_t)-1, .min = (uint64_t)-1, .max = INT64_MAX,
              .help = "The set; without it a new one."),
    CONFIG(FdArgs, opaque, .help = "A note."),
    FIELD_END
};
const Field remove_fd_args[] = {
    { .name = "fdset-id", .type = T_I64, .flags = F_CONFIG | F_REQUIRED, .count = 1,
      .offset = offsetof(FdArgs, set), .help = "The set." },
    CONFIG(FdArgs, fd, .def = (uint64_t)-1, .min = (uint64_t)-1, .max = INT32_MAX,
           .help = "One of it; without it all."),
    FIELD_END
};
