/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.c -- a regular file or block device of the host, read and written by the pool's threads.
 *
 * Spec: Linux open(2), preadv(2), fallocate(2), fcntl(2) "open file description locks".
 * Omits: io_uring; hosts without OFD locks run without a lock.
 * Threads: work functions in the pool; open and close in the main thread.
 *
 * cache=    none, directsync: O_DIRECT where the request is aligned to 4 KiB, else the page cache
 *           writethrough, directsync: O_DSYNC       unsafe: flushes do nothing
 */
#include "block/block.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECT_ALIGN = 4096, MAX_IOV = 1024, ZERO_CHUNK = 256 << 10 };

typedef struct FileState {
    int  fd, direct_fd;               /* direct_fd: -1 if the cache is used */
    bool no_flush, is_device, no_discard;
} FileState;

/* ---- work ---- */
static bool aligned(const BlockReq *r)
{
    uintptr_t all = (uintptr_t)(r->offset | r->length);
    for (unsigned i = 0; i < r->n_iov; i++) {
        all |= (uintptr_t)r->iov[i].iov_base | r->iov[i].iov_len;
    }
    return all % DIRECT_ALIGN == 0;
}

/* Steps over n bytes at the front of a vector. */
static void advance(struct iovec **iov, unsigned *count, size_t n)
{
    while (*count && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (*count) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static void zero_rest(const struct iovec *iov, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        memset(iov[i].iov_base, 0, iov[i].iov_len);
    }
}

static int transfer(FileState *s, BlockReq *r)
{
    g_autofree struct iovec *copy = g_memdup2(r->iov, r->n_iov * sizeof(*copy));
    struct iovec *iov = copy;
    unsigned count = r->n_iov;
    off_t at = (off_t)r->offset;
    int fd = s->direct_fd >= 0 && aligned(r) ? s->direct_fd : s->fd;
    while (count) {
        int now = (int)MIN(count, MAX_IOV);
        ssize_t n = r->op == BLK_READ ? preadv(fd, iov, now, at) : pwritev(fd, iov, now, at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EINVAL && fd == s->direct_fd) {
            fd = s->fd;               /* the host's blocks are larger still */
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {                 /* the last sector of a file of odd size */
            if (r->op != BLK_READ) {
                return -EIO;
            }
            zero_rest(iov, count);
            return 0;
        }
        at += n;
        advance(&iov, &count, (size_t)n);
    }
    return 0;
}

static int write_zeros(FileState *s, uint64_t at, uint64_t n)
{
    g_autofree uint8_t *zeros = g_malloc0(ZERO_CHUNK);
    while (n) {
        ssize_t done = pwrite(s->fd, zeros, MIN(n, ZERO_CHUNK), (off_t)at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done ? -errno : -EIO;
        }
        at += (uint64_t)done;
        n -= (uint64_t)done;
    }
    return 0;
}

static int punch(FileState *s, uint64_t at, uint64_t n)
{
    uint64_t range[2] = { at, n };
    int rc = s->is_device ? ioctl(s->fd, BLKZEROOUT, range)
                          : fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
                                      (off_t)n);
    return rc ? -errno : 0;
}

static int work(BlockNode *n, BlockReq *r)
{
    FileState *s = n->state;
    int rc = 0;
    switch (r->op) {
    case BLK_READ:
    case BLK_WRITE:
        return transfer(s, r);
    case BLK_FLUSH:
        return s->no_flush || n->readonly || !fdatasync(s->fd) ? 0 : -errno;
    case BLK_DISCARD:                 /* a hint: what cannot be done is left */
        if (!s->is_device) {
            punch(s, r->offset, r->length);
        }
        return 0;
    case BLK_ZERO:
        rc = punch(s, r->offset, r->length);
        return rc == -EOPNOTSUPP || rc == -ENOTTY || rc == -EINVAL
                   ? write_zeros(s, r->offset, r->length)
                   : rc;
    }
    return -EINVAL;
}

static void file_submit(BlockNode *n, BlockReq *req)
{
    FileState *s = n->state;
    req->node = n;
    if (req->op == BLK_FLUSH && (s->no_flush || n->readonly)) {
        block_finish(req, 0);
        return;
    }
    block_work(n, req, work);
}

/* ---- opening ---- */
static bool take_lock(BlockNode *n, int fd, GError **err)
{
#ifdef F_OFD_SETLK
    struct flock l = { .l_type = n->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &l) && (errno == EAGAIN || errno == EACCES)) {
        return fail(err,
                    "drive file %s: in use by another process; end it, or open the image with "
                    "readonly=on in both",
                    n->name);
    }
#endif
    return true;
}

static bool measure(BlockNode *n, int fd, GError **err)
{
    FileState *s = n->state;
    struct stat st;
    uint64_t bytes = 0;
    if (fstat(fd, &st)) {
        return fail(err, "drive file %s: %s", n->name, g_strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return fail(err, "drive file %s: is a directory; name an image in it", n->name);
    }
    s->is_device = S_ISBLK(st.st_mode);
    if (s->is_device) {
        if (ioctl(fd, BLKGETSIZE64, &bytes)) {
            return fail(err, "drive file %s: cannot tell the device's size: %s", n->name,
                        g_strerror(errno));
        }
    } else if (S_ISREG(st.st_mode)) {
        bytes = (uint64_t)st.st_size;
    } else {
        return fail(err, "drive file %s: neither a file nor a block device", n->name);
    }
    n->bytes = (bytes + 511) & ~UINT64_C(511);
    return true;
}

static bool file_open(BlockNode *n, const BlockOpen *how, GError **err)
{
    FileState *s = n->state;
    bool sync = how->cache == BLK_CACHE_WRITETHROUGH || how->cache == BLK_CACHE_DIRECTSYNC;
    bool direct = how->cache == BLK_CACHE_NONE || how->cache == BLK_CACHE_DIRECTSYNC;
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (n->readonly ? O_RDONLY : O_RDWR) |
                (sync ? O_DSYNC : 0);
    s->direct_fd = -1;
    s->no_flush = how->cache == BLK_CACHE_UNSAFE;
    s->fd = open(how->file, flags);
    if (s->fd < 0) {
        int why = errno;
        bool would = !n->readonly && (why == EACCES || why == EROFS || why == EPERM) &&
                     access(how->file, R_OK) == 0;
        return fail(err, "drive file %s: %s%s", how->file,
                    why == EISDIR ? "is a directory; name an image in it" : g_strerror(why),
                    would ? "; make it writable, or add readonly=on or snapshot=on" : "");
    }
    if (!measure(n, s->fd, err) || !take_lock(n, s->fd, err)) {
        close(s->fd);
        return false;
    }
    if (direct) {
        s->direct_fd = open(how->file, flags | O_DIRECT);      /* not everywhere: tmpfs has none */
    }
    return true;
}

static void file_close(BlockNode *n)
{
    FileState *s = n->state;
    if (s->direct_fd >= 0) {
        close(s->direct_fd);
    }
    close(s->fd);
}

bool block_file_stat(const BlockNode *n, struct stat *st)
{
    return !strcmp(n->drv->name, "file") && !fstat(((FileState *)n->state)->fd, st);
}

bool block_file_resize(BlockNode *n, uint64_t bytes, GError **err)
{
    FileState *s = n->state;

    if (s->is_device ? bytes > n->bytes : ftruncate(s->fd, (off_t)bytes) != 0) {
        return fail(err, "Could not resize file: %s",
                    s->is_device ? "a device of the host cannot grow" : g_strerror(errno));
    }
    n->bytes = bytes;
    return true;
}

int block_file_fd(const BlockNode *n)
{
    return strcmp(n->drv->name, "file") ? -1 : ((FileState *)n->state)->fd;
}

const BlockDriver file_driver = {
    .name = "file", .desc = "a file or block device of the host",
    .spec = "POSIX", .size = sizeof(FileState),
    .open = file_open, .submit = file_submit, .close = file_close,
};
