/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot.c -- snapshot files changed at random, loaded into a machine that must refuse them or
 * take them, and be as it was when it refuses.
 *
 * Usage: snapshot [-t SECONDS] [-s SEED]
 * Spec: core/snapfile.c and core/state.c: files and streams.
 * Omits: guests that run on what was loaded; tests/cli/snapshot does that.
 * Threads: those of a stopped machine.
 *
 * Half of the changes leave the checksums wrong; for the rest they are made right again, so that
 * the changed bytes are reached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "accel/accel.h"
#include "core/chardev.h"
#include "core/snapfile.h"
#include "core/state.h"
#include "tests/args.h"
#include "tests/machine.h"

enum { HEAD_BYTES = 4096, PARTS_AT = 32, PART_BYTES = 40, CHANGES = 8 };

static uint64_t seed;
static char    *image, *disk_before;
static gsize    n_before;

static uint64_t rnd(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void die(const char *what, const GError *err)
{
    printf("not ok fuzz/snapshot: %s: %s\n", what, err ? err->message : "failed");
    exit(1);
}

static Machine *create(const char *disk)
{
    char *direct = g_strdup_printf("file=%s,format=raw", disk),
         *over = g_strdup_printf("file=%s.2,format=raw,snapshot=on", disk);
    const char *argv[] = {
        "ryokan", "-m", "4", "-nodefaults", "-display", "none", "-vga", "none", "-smp", "2",
        "-drive", direct, "-drive", over, NULL,
    };
    Machine *m = machine_new();
    GError  *err = NULL;

    if (!machine_from(m, argv, &err) || !chr_open_all(m, &err) || !machine_start(m, &err)) {
        die("a machine", err);
    }
    g_free(direct);
    g_free(over);
    return m;
}

static char *disk_make(const char *path, const char *more, size_t n)
{
    char    *name = g_strconcat(path, more, NULL);
    uint8_t *b = g_malloc0(n);
    GError  *err = NULL;

    memset(b + n / 2, 0xd1, n / 8);
    if (!g_file_set_contents(name, (char *)b, (gssize)n, &err)) {
        die(name, err);
    }
    g_free(b);
    return name;
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void set32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint64_t le64(const uint8_t *p)
{
    return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static void mend(uint8_t *p, size_t n)
{
    for (unsigned i = 0; i < le32(p + 12) && i < 8; i++) {
        uint8_t *part = p + PARTS_AT + i * PART_BYTES;
        uint64_t at = le64(part + 8), bytes = le64(part + 16);
        if (at < n && bytes <= n - at && le32(part) != 4) {
            set32(part + 32, (uint32_t)crc32_z(0, p + at, bytes));
        }
    }
    set32(p + 24, 0);
    set32(p + 24, (uint32_t)crc32_z(0, p, HEAD_BYTES));
}

/* Mostly in the head and the parts: RAM at the end may be anything. */
static void change(GByteArray *b)
{
    static const uint64_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0xffffffff,
                                    UINT64_MAX, 1u << 20 };
    size_t most = rnd(4) ? 200000 : b->len, span = MIN(b->len, most),
           head = MIN(span, PARTS_AT + 4 * PART_BYTES);
    size_t   at = rnd(3) ? rnd(span) : rnd(head);
    uint64_t v = rnd(2) ? odd[rnd(G_N_ELEMENTS(odd))] : rnd(UINT32_MAX);
    size_t   n = (size_t)1 << rnd(4);

    switch (rnd(8)) {
    case 0: g_byte_array_set_size(b, (guint)rnd(b->len + 1)); break;
    case 1: b->data[at] ^= (uint8_t)(1 << rnd(8)); break;
    case 2:                             /* a piece somewhere else */
        if (b->len > at + 64) {
            memmove(b->data + at, b->data + rnd(b->len - 64), 1 + rnd(64));
        }
        break;
    default: memcpy(b->data + at, &v, MIN(n, b->len - at)); break;
    }
}

static void same(const GByteArray *before, Machine *m, const uint8_t *ram, const char *why)
{
    GByteArray *now = machine_save(m);
    char       *disk = NULL;
    gsize       n = 0;

    if (!g_file_get_contents(image, &disk, &n, NULL) || n != n_before ||
        memcmp(disk, disk_before, n)) {
        printf("not ok fuzz/snapshot: seed %llu: refused (%s), but the disk is another\n",
               (unsigned long long)seed, why);
        exit(1);
    }
    g_free(disk);
    if (now->len != before->len || memcmp(now->data, before->data, now->len) ||
        memcmp(ram, m->ram.host, m->ram.size)) {
        printf("not ok fuzz/snapshot: seed %llu: refused (%s), but the machine is another\n",
               (unsigned long long)seed, why);
        exit(1);
    }
    g_byte_array_unref(now);
}

static bool try_one(Machine *m, const char *path, const uint8_t *good, size_t n_good)
{
    GByteArray *b = g_byte_array_append(g_byte_array_new(), good, (guint)n_good), *before;
    uint8_t    *ram = g_memdup2(m->ram.host, m->ram.size);
    GError     *err = NULL;
    SnapFile   *f;
    bool        ok;

    for (uint64_t i = 1 + rnd(CHANGES); i; i--) {
        if (b->len) {
            change(b);
        }
    }
    if (rnd(4) && b->len >= HEAD_BYTES) {
        mend(b->data, b->len);
    }
    unlink(path);                       /* the machine may have it mapped */
    unlink(path);                     /* glib's quick way does not shorten what is there */
    if (!g_file_set_contents_full(path, (const char *)b->data, b->len, G_FILE_SET_CONTENTS_NONE,
                                  0600, &err)) {
        die(path, err);
    }
    if (!g_file_get_contents(image, &disk_before, &n_before, &err)) {
        die(image, err);
    }
    before = machine_save(m);
    f = snapfile_open(path, &err);
    ok = f && snapfile_load(m, f, false, &err);
    if (!ok) {
        if (!err) {
            die("refused without a word", NULL);
        }
        same(before, m, ram, err->message);
        g_error_free(err);
    }
    g_clear_pointer(&disk_before, g_free);
    snapfile_close(f);
    g_byte_array_unref(before);
    g_byte_array_unref(b);
    g_free(ram);
    return ok;
}

int main(int argc, char **argv)
{
    int      seconds = 3;
    unsigned tries = 0, taken = 0;
    char    *path, *dir, *good[2];
    gsize    n[2];
    GError  *err = NULL;
    Machine *m;

    const Arg args[] = { ARG('t', seconds, "SECONDS"), ARG('s', seed, "SEED"), ARGS_END };

    seed = 1;
    if (!args_parse(argc, argv, args)) {
        return 2;
    }
    dir = g_mkdtemp(g_strdup("/dev/shm/ryokan-XXXXXX"));       /* thousands of files */
    dir = dir ? dir : g_dir_make_tmp("ryokan-XXXXXX", NULL);
    path = g_build_filename(dir, "f", NULL);
    image = disk_make(path, ".disk", 256 << 10);
    char *second = disk_make(image, ".2", 128 << 10);
    m = create(image);
    machine_lock(m);
    memset(m->ram.host + 8192, 0x5a, 10000);
    for (int i = 0; i < 2; i++) {
        if (!snapfile_save(m, path, "good", i ? SNAP_ZLIB : SNAP_PLAIN, true, true, &err) ||
            !g_file_get_contents(path, &good[i], &n[i], &err)) {
            die("a file to begin with", err);
        }
    }
    for (int64_t end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
         g_get_monotonic_time() < end; tries++) {
        int i = (int)rnd(2);
        taken += try_one(m, path, (uint8_t *)good[i], n[i]);
    }
    machine_unlock(m);
    unlink(path);
    unlink(image);
    unlink(second);
    rmdir(dir);
    machine_done(m);
    g_free(good[0]);
    g_free(good[1]);
    g_free(second);
    g_free(image);
    g_free(disk_before);
    g_free(path);
    g_free(dir);
    printf("ok fuzz/snapshot: %u files, %u taken\n", tries, taken);
    return 0;
}
