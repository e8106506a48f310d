/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c -- where the guest's RAM comes from, for -machine memory-backend=ID: anonymous memory, a
 * file, or a memfd.
 *
 * Spec: Linux mmap(2), madvise(2), memfd_create(2), mbind(2), hugetlbpage.
 * Omits: align=, pmem= and offset= of a file.  Loading a snapshot maps RAM anew: from then on a
 *   shared file is shared no longer, and huge pages and policies are those of anonymous memory.
 * Threads: with the machine lock.
 */
#include "core/object.h"
#include "core/objects/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { HUGETLBFS = 0x958458f6, NODES_MOST = 1024, LONG_BITS = 8 * sizeof(long), HUGE_SHIFT = 26 };

typedef struct Memory {
    Object   obj;
    uint64_t size;
    char    *mem_path;
    bool     share, prealloc, merge, dump, discard_data, readonly, hugetlb, seal;
    uint64_t huge_bytes;              /* hugetlbsize=; 0: the host's default */
    uint64_t page_bytes;              /* of what is behind it */
    uint32_t prealloc_threads, policy;
    char    *host_nodes;
    unsigned long nodes[NODES_MOST / LONG_BITS];
} Memory;

/* MPOL_* */
static const char *const policies[] = { "default", "preferred", "bind", "interleave", NULL };

/* 0-1 or 3; with several: 0-1,,3. */
static bool parse_nodes(Memory *b, GError **err)
{
    bool any = b->host_nodes && *b->host_nodes;
    g_auto(GStrv) parts = g_strsplit(any ? b->host_nodes : "", ",", -1);

    for (unsigned i = 0; parts[i]; i++) {
        char *end;
        guint64 first = g_ascii_strtoull(parts[i], &end, 10), last = first;
        if (*end == '-') {
            last = g_ascii_strtoull(end + 1, &end, 10);
        }
        if (*end || !g_ascii_isdigit(parts[i][0]) || last < first || last >= NODES_MOST) {
            return fail(err, "host-nodes=%s: numbers of nodes of the host are wanted, as 0-1",
                        b->host_nodes);
        }
        for (guint64 n = first; n <= last; n++) {
            b->nodes[n / LONG_BITS] |= 1ul << n % LONG_BITS;
        }
    }
    if (any != (b->policy != MPOL_DEFAULT)) {
        return fail(err,
                    any ? "host-nodes= needs policy=preferred, bind or interleave"
                        : "policy=%s needs host-nodes=",
                    policies[b->policy]);
    }
    return true;
}

static bool memory_create(void *obj, GError **err)
{
    Memory *b = obj;

    b->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    if (b->huge_bytes && (!b->hugetlb || b->huge_bytes & (b->huge_bytes - 1))) {
        return fail(err, "hugetlbsize= is a power of two, and needs hugetlb=on");
    }
    return parse_nodes(b, err) && ((b->size && b->size % (uint64_t)sysconf(_SC_PAGESIZE) == 0) ||
                                   fail(err, "size= must be some pages"));
}

static bool memory_file_create(void *obj, GError **err)
{
    const Memory *b = obj;

    if (b->readonly) {
        return fail(err, "readonly=on: RAM is written to");
    }
    return (b->mem_path || fail(err, "mem-path= is missing")) && memory_create(obj, err);
}

/* Files of hugetlbfs are made of whole huge pages. */
static bool look_at_pages(Memory *b, int fd, GError **err)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS) {
        b->page_bytes = (uint64_t)fs.f_bsize;
    }
    return b->size % b->page_bytes == 0 ||
           fail(err, "its pages have %" G_GUINT64_FORMAT " KiB each, and size= is not some of them",
                b->page_bytes >> 10);
}

/* A folder: a file in it that has no name; else that file, grown to size. */
static int open_file(Memory *b, GError **err)
{
    struct stat st;
    int         fd;

    if (g_file_test(b->mem_path, G_FILE_TEST_IS_DIR)) {
        fd = open(b->mem_path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
            g_autofree char *name = g_build_filename(b->mem_path, "ryokan-ram-XXXXXX", NULL);
            fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
            if (fd >= 0) {
                unlink(name);
            }
        }
    } else {
        fd = open(b->mem_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    if (fd >= 0 && !look_at_pages(b, fd, err)) {
        close(fd);
        return -1;
    }
    if (fd < 0 || fstat(fd, &st) ||
        ((uint64_t)st.st_size < b->size && ftruncate(fd, (off_t)b->size))) {
        fail(err, "mem-path=%s: cannot have %" G_GUINT64_FORMAT " bytes of it: %s", b->mem_path,
             b->size, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static int open_memfd(Memory *b, GError **err)
{
    unsigned huge =
        !b->hugetlb
            ? 0
            : MFD_HUGETLB |
                  (b->huge_bytes ? (unsigned)__builtin_ctzll(b->huge_bytes) << HUGE_SHIFT : 0);
    int fd = memfd_create("ryokan-ram", MFD_CLOEXEC | (b->seal ? MFD_ALLOW_SEALING : 0) | huge);

    if (fd >= 0 && b->hugetlb && !look_at_pages(b, fd, err)) {
        close(fd);
        return -1;
    }
    if (fd < 0 || ftruncate(fd, (off_t)b->size) ||
        (b->seal && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))) {
        fail(err, "cannot have %" G_GUINT64_FORMAT " bytes of memory: %s", b->size,
             g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static void *map(Memory *b, GError **err)
{
    int   flags = b->share ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE, fd = -1;
    void *p;

    if (b->obj.class == &memory_file_object) {
        fd = open_file(b, err);
    } else if (b->obj.class == &memory_memfd_object) {
        fd = open_memfd(b, err);
    } else {
        flags |= MAP_ANONYMOUS;
    }
    if (fd < 0 && !(flags & MAP_ANONYMOUS)) {
        return NULL;
    }
    p = mmap(NULL, b->size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (fd >= 0) {
        close(fd);
    }
    if (p == MAP_FAILED) {
        fail(err, "cannot map it: %s%s", g_strerror(errno),
             b->page_bytes > (uint64_t)sysconf(_SC_PAGESIZE) && errno == ENOMEM
                 ? " (are there so many huge pages? /proc/sys/vm/nr_hugepages)"
                 : "");
        return NULL;
    }
    return p;
}

/* ---- what is asked of the host's memory management ---- */

typedef struct Touch {
    char    *at;
    uint64_t bytes;
    int      error;
} Touch;

static void *touch(void *arg)
{
    Touch *t = arg;

    t->error = madvise(t->at, t->bytes, MADV_POPULATE_WRITE) ? errno : 0;
    return NULL;
}

/* Linux before 5.14 does not know MADV_POPULATE_WRITE: there pages come as they are touched. */
static bool prealloc(const Memory *b, void *p, GError **err)
{
    unsigned n = CLAMP(b->prealloc_threads, 1, 64);
    uint64_t step = (b->size / n + b->page_bytes - 1) / b->page_bytes * b->page_bytes;
    Touch    t[64] = { { 0 } };
    GThread *thread[64] = { 0 };
    int      error = 0;

    for (unsigned i = 0; i < n && i * step < b->size; i++) {
        t[i] = (Touch){ (char *)p + i * step, MIN(step, b->size - i * step), 0 };
        thread[i] = i ? g_thread_new("prealloc", touch, &t[i]) : NULL;
    }
    touch(&t[0]);
    for (unsigned i = 0; i < n; i++) {
        if (thread[i]) {
            g_thread_join(thread[i]);
        }
        error = t[i].error && t[i].error != EINVAL ? t[i].error : error;
    }
    return !error || fail(err, "prealloc=on: %s", g_strerror(error));
}

static bool advise(const Memory *b, void *p, GError **err)
{
    if (b->policy != MPOL_DEFAULT &&
        syscall(SYS_mbind, p, b->size, b->policy, b->nodes, (unsigned long)NODES_MOST + 1,
                MPOL_MF_STRICT | MPOL_MF_MOVE)) {
        return fail(err, "policy=%s,host-nodes=%s: the host refuses: %s", policies[b->policy],
                    b->host_nodes, g_strerror(errno));
    }
    if (b->size >= 64u << 20) {
        madvise(p, b->size, MADV_HUGEPAGE);
    }
    if (b->prealloc && !prealloc(b, p, err)) {
        return false;
    }
    if (!b->dump) {
        madvise(p, b->size, MADV_DONTDUMP);
    }
    madvise(p, b->size, b->merge && !b->share ? MADV_MERGEABLE : MADV_UNMERGEABLE);
    return true;
}

bool memory_backend_size(Machine *m, const char *id, uint64_t *bytes, GError **err)
{
    const Memory *b = object_find(m, "memory-backend", id);

    if (!b) {
        return fail(err, "-numa memdev=%s: there is no -object memory-backend-...,id=%s", id, id);
    }
    *bytes = b->size;
    return true;
}

bool memory_backend_map(Machine *m, const char *id, Region *ram, GError **err)
{
    return memory_backend_map_part(m, id, ram, 0, ram->size, err);
}

bool memory_backend_map_part(Machine *m, const char *id, Region *ram, uint64_t from, uint64_t size,
                             GError **err)
{
    Memory *b = object_find(m, "memory-backend", id);
    GError *why = NULL;
    void   *p;

    if (!b) {
        return fail(err, "-machine memory-backend=%s: there is no -object memory-backend-...,id=%s",
                    id, id);
    }
    if (b->size != size) {
        return fail(err,
                    "-machine memory-backend=%s: has %" G_GUINT64_FORMAT
                    " bytes, and -m says %" G_GUINT64_FORMAT,
                    id, b->size, size);
    }
    p = map(b, &why);
    if (p && !advise(b, p, &why)) {
        munmap(p, b->size);
        p = NULL;
    }
    if (!p) {
        fail(err, "-object %s,id=%s: %s", b->obj.class->name, id, why->message);
        g_error_free(why);
        return false;
    }
    if (from == 0 && size == ram->size) {
        munmap(ram->host, ram->size);
        ram->host = p;
    } else if (mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, ram->host + from) ==
               MAP_FAILED) {
        munmap(p, size);
        return fail(err, "-object %s,id=%s: cannot have it in its place: %s", b->obj.class->name,
                    id, g_strerror(errno));
    }
    b->obj.users++;
    return true;
}

#define MEMORY_FIELDS                                                                      \
    { .name = "size", .type = T_U64, .flags = F_CONFIG, .offset = offsetof(Memory, size),  \
      .count = 1, .help = "Bytes; as -m." },                                               \
    CONFIG(Memory, prealloc, .help = "Have all of it from the start."),                    \
    CONFIG_AS(Memory, prealloc_threads, "prealloc-threads", .def = 1, .min = 1, .max = 64, \
              .help = "Threads that prealloc=on takes."),                                  \
    CONFIG_AS(Memory, host_nodes, "host-nodes",                                            \
              .help = "Nodes of the host that it comes from, as 0-1."),                    \
    CONFIG_ENUM(Memory, policy, policies,                                                  \
                .help = "How: as the host does it, preferred, bind or interleave."),       \
    CONFIG(Memory, merge, .def = 1, .help = "Linux may merge pages that are equal."),      \
    CONFIG(Memory, dump, .def = 1, .help = "It is in a core dump of the emulator.")

static const Field memory_ram_fields[] = {
    MEMORY_FIELDS, CONFIG(Memory, share, .help = "Other processes can share it."), FIELD_END
};
static const Field memory_file_fields[] = {
    MEMORY_FIELDS, CONFIG(Memory, share, .help = "What the guest writes goes to the file."),
    CONFIG_AS(Memory, mem_path, "mem-path", .help = "The file, or a folder to have one in."),
    CONFIG_AS(Memory, discard_data, "discard-data",
              .help = "Accepted: the file's contents may be lost at the end."),
    CONFIG(Memory, readonly, .help = "Only off is there."), FIELD_END
};
static const Field memory_memfd_fields[] = {
    MEMORY_FIELDS, CONFIG(Memory, share, .def = 1, .help = "Other processes can share it."),
    CONFIG(Memory, hugetlb, .help = "Of the host's huge pages."),
    { .name = "hugetlbsize", .type = T_U64, .flags = F_CONFIG,
      .offset = offsetof(Memory, huge_bytes), .count = 1,
      .help = "Their size, as 2M; not given: the host's default." },
    CONFIG(Memory, seal, .def = 1, .help = "Its size cannot be changed any more."), FIELD_END
};

const ObjectClass memory_ram_object = {
    .name = "memory-backend-ram", .desc = "anonymous memory",
    .kind = "memory-backend", .size = sizeof(Memory),
    .fields = memory_ram_fields, .create = memory_create,
};
const ObjectClass memory_file_object = {
    .name = "memory-backend-file", .desc = "a file as memory",
    .kind = "memory-backend", .size = sizeof(Memory),
    .fields = memory_file_fields, .create = memory_file_create,
};
const ObjectClass memory_memfd_object = {
    .name = "memory-backend-memfd", .desc = "memory that has a descriptor",
    .kind = "memory-backend", .size = sizeof(Memory),
    .fields = memory_memfd_fields, .create = memory_create,
};
