/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c -- where the guest's RAM comes from, for -machine memory-backend=ID: anonymous memory, a file, or a memfd.
 *
 * Spec: Linux mmap(2), madvise(2), memfd_create(2).
 * Omits: policies of the host's nodes. Loading a snapshot maps RAM anew: from then on a shared file is shared no longer.
 * Threads: with the machine lock.
 */
#include "core/object.h"
#include "core/objects/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Memory {
    Object   obj;
    uint64_t size;
    char    *mem_path;
    bool     share, prealloc, merge, dump, discard_data, readonly;
} Memory;

static bool memory_create(void *obj, GError **err)
{
    const Memory *b = obj;

    return (b->size && b->size % (uint64_t)sysconf(_SC_PAGESIZE) == 0) || fail(err, "size= must be some pages");
}

static bool memory_file_create(void *obj, GError **err)
{
    const Memory *b = obj;

    if (b->readonly) {
        return fail(err, "readonly=on: RAM is written to");
    }
    return (b->mem_path || fail(err, "mem-path= is missing")) && memory_create(obj, err);
}

/* A folder: a file in it that has no name; else that file, grown to size. */
static int open_file(const Memory *b, GError **err)
{
    struct stat st;
    int         fd;

    if (g_file_test(b->mem_path, G_FILE_TEST_IS_DIR)) {
        fd = open(b->mem_path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    } else {
        fd = open(b->mem_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    if (fd < 0 || fstat(fd, &st) || ((uint64_t)st.st_size < b->size && ftruncate(fd, (off_t)b->size))) {
        fail(err, "mem-path=%s: cannot have %" G_GUINT64_FORMAT " bytes of it: %s", b->mem_path, b->size, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static int open_memfd(const Memory *b, GError **err)
{
    int fd = memfd_create("ryokan-ram", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)b->size)) {
        fail(err, "cannot have %" G_GUINT64_FORMAT " bytes of memory: %s", b->size, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static void *map(const Memory *b, GError **err)
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
        fail(err, "cannot map it: %s", g_strerror(errno));
        return NULL;
    }
    return p;
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

bool memory_backend_map_part(Machine *m, const char *id, Region *ram, uint64_t from, uint64_t size, GError **err)
{
    Memory *b = object_find(m, "memory-backend", id);
    GError *why = NULL;
    void   *p;

    if (!b) {
        return fail(err, "-machine memory-backend=%s: there is no -object memory-backend-...,id=%s", id, id);
    }
    if (b->size != size) {
        return fail(err, "-machine memory-backend=%s: has %" G_GUINT64_FORMAT " bytes, and -m says %" G_GUINT64_FORMAT, id, b->size,
                    size);
    }
    p = map(b, &why);
    if (!p) {
        fail(err, "-object %s,id=%s: %s", b->obj.class->name, id, why->message);
        g_error_free(why);
        return false;
    }
    if (b->size >= 64u << 20) {
        madvise(p, b->size, MADV_HUGEPAGE);
    }
    if (b->prealloc && madvise(p, b->size, MADV_POPULATE_WRITE) && errno != EINVAL) {
        munmap(p, b->size);
        return fail(err, "-object %s,id=%s: prealloc=on: %s", b->obj.class->name, id, g_strerror(errno));
    }
    if (!b->dump) {
        madvise(p, b->size, MADV_DONTDUMP);
    }
    madvise(p, b->size, b->merge && !b->share ? MADV_MERGEABLE : MADV_UNMERGEABLE);
    if (from == 0 && size == ram->size) {
        munmap(ram->host, ram->size);
        ram->host = p;
    } else if (mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, ram->host + from) == MAP_FAILED) {
        munmap(p, size);
        return fail(err, "-object %s,id=%s: cannot have it in its place: %s", b->obj.class->name, id, g_strerror(errno));
    }
    b->obj.users++;
    return true;
}

#define MEMORY_FIELDS                                                                                    \
    { .name = "size", .type = T_U64, .flags = F_CONFIG, .offset = offsetof(Memory, size), .count = 1, .help = "Bytes; as -m." }, \
    CONFIG(Memory, prealloc, .help = "Have all of it from the start."),                                     \
    CONFIG(Memory, merge, .def = 1, .help = "Linux may merge pages that are equal."),                       \
    CONFIG(Memory, dump, .def = 1, .help = "It is in a core dump of the emulator.")

static const Field memory_ram_fields[] = {
    MEMORY_FIELDS, CONFIG(Memory, share, .help = "Other processes can share it."), FIELD_END
};
static const Field memory_file_fields[] = {
    MEMORY_FIELDS, CONFIG(Memory, share, .help = "What the guest writes goes to the file."),
    CONFIG_AS(Memory, mem_path, "mem-path", .help = "The file, or a folder to have one in."),
    CONFIG_AS(Memory, discard_data, "discard-data", .help = "Accepted: the file's contents may be lost at the end."),
    CONFIG(Memory, readonly, .help = "Only off is there."), FIELD_END
};
static const Field memory_memfd_fields[] = {
    MEMORY_FIELDS, CONFIG(Memory, share, .def = 1, .help = "Other processes can share it."), FIELD_END
};

const ObjectClass memory_ram_object = {
    .name = "memory-backend-ram", .desc = "anonymous memory", .kind = "memory-backend", .size = sizeof(Memory),
    .fields = memory_ram_fields, .create = memory_create,
};
const ObjectClass memory_file_object = {
    .name = "memory-backend-file", .desc = "a file as memory", .kind = "memory-backend", .size = sizeof(Memory),
    .fields = memory_file_fields, .create = memory_file_create,
};
const ObjectClass memory_memfd_object = {
    .name = "memory-backend-memfd", .desc = "memory that has a descriptor", .kind = "memory-backend", .size = sizeof(Memory),
    .fields = memory_memfd_fields, .create = memory_create,
};
