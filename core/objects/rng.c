/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rng.c -- sources of random numbers for virtio-rng: a device or file of the host, or its
 * getrandom().
 *
 * Spec: Linux random(4), getrandom(2).
 * Omits: entropy gathering daemons (rng-egd).
 * Threads: with the machine lock.
 */
#include "core/object.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

typedef struct Rng {
    Object obj;
    char  *filename;
    int    fd;                        /* -1: getrandom() */
} Rng;

static bool rng_random_create(void *obj, GError **err)
{
    Rng        *r = obj;
    const char *path = r->filename ? r->filename : "/dev/urandom";

    r->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return r->fd >= 0 || fail(err, "filename=%s: cannot open it: %s", path, g_strerror(errno));
}

static bool rng_builtin_create(void *obj, GError **err)
{
    (void)err;
    ((Rng *)obj)->fd = -1;
    return true;
}

static void rng_random_destroy(void *obj)
{
    Rng *r = obj;

    if (r->fd > 0) {
        close(r->fd);
    }
}

bool rng_read(void *rng, void *buf, size_t n)
{
    const Rng *r = rng;

    return (r && r->fd >= 0 ? read(r->fd, buf, n) : getrandom(buf, n, 0)) == (ssize_t)n;
}

static const Field rng_random_fields[] = {
    CONFIG(Rng, filename, .help = "Device or file to read; without it /dev/urandom."),
    FIELD_END
};
static const Field rng_builtin_fields[] = { FIELD_END };

const ObjectClass rng_random_object = {
    .name = "rng-random", .desc = "random numbers from a device or file",
    .kind = "rng", .size = sizeof(Rng),
    .fields = rng_random_fields, .create = rng_random_create, .destroy = rng_random_destroy,
};

const ObjectClass rng_builtin_object = {
    .name = "rng-builtin", .desc = "random numbers of the host's kernel",
    .kind = "rng", .size = sizeof(Rng),
    .fields = rng_builtin_fields, .create = rng_builtin_create,
};
