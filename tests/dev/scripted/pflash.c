/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pflash.c -- parallel flash, scripted from the Intel command set: modes, programming, erasing, the
 * image.
 */
#include "tests/dev/scripted/rig.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "hw/firmware/pflash.h"

enum { AT = 0x1000000, BYTES = 64 << 10 };
static char *path;
static Drive *image;

static void up_as(bool readonly)
{
    uint8_t bytes[BYTES];

    rig_up();
    rig_pc(1);
    rig.m->drives = g_ptr_array_new();
    int fd = g_file_open_tmp("ryokan-flash-XXXXXX", &path, NULL);
    for (unsigned i = 0; i < BYTES; i++) {
        bytes[i] = i < 4096 ? (uint8_t)(i * 7) : 0xff;
    }
    ck_assert_int_eq(write(fd, bytes, BYTES), BYTES);
    close(fd);
    image = g_new0(Drive, 1);
    image->id = g_strdup("flash");
    image->readonly = readonly;
    image->node = block_open(rig.m, &(BlockOpen){ .file = path, .format = "raw",
                                                  .readonly = readonly }, NULL);
    ck_assert_ptr_nonnull(image->node);
    g_ptr_array_add(rig.m->drives, image);
    Pflash *s = pflash_create(rig.m, image, NULL);
    ck_assert_ptr_nonnull(s);
    map_begin(rig.m);
    region_map(&rig.m->memory, pflash_region(s), AT);
    map_commit(rig.m);
    rig_reset();
}

static void up(void)
{
    up_as(false);
}

static void down(void)
{
    rig_down();
    g_unlink(path);
    g_clear_pointer(&path, g_free);
}

static uint8_t rd(uint32_t off)
{
    return (uint8_t)io_read(rig.cpu[0].v.as, AT + off, 1, NULL);
}

static void wr(uint32_t off, uint8_t val)
{
    io_write(rig.cpu[0].v.as, AT + off, val, 1);
}

static void image_byte_is(uint32_t off, uint8_t want)
{
    uint8_t got = (uint8_t)~want;
    int fd = g_open(path, O_RDONLY, 0);

    block_drain(rig.m);
    ck_assert_int_eq(pread(fd, &got, 1, off), 1);
    close(fd);
    ck_assert_uint_eq(got, want);
}

START_TEST(modes)
{
    ck_assert_uint_eq(rd(9), 63);
    wr(0, 0x50);
    ck_assert_uint_eq(rd(9), 63);               /* what firmware tells flash from RAM and ROM by */
    wr(0, 0x70);
    ck_assert_uint_eq(rd(9), 0);
    wr(0, 0x90);
    ck_assert_uint_eq(rd(0), 0x89);
    wr(0, 0x98);
    ck_assert_uint_eq(rd(0x10), 'Q');
    ck_assert_uint_eq(rd(0x27), 16);            /* 2^16 bytes */
    ck_assert_uint_eq(rd(0x2d), 15);            /* sectors but one */
    ck_assert_uint_eq(rd(0x2f), 16);            /* of 4 KiB */
    wr(0, 0xff);
    ck_assert_uint_eq(rd(9), 63);
}
END_TEST

START_TEST(programs_and_erases)
{
    wr(0x2000, 0x40);
    wr(0x2000, 0x5a);
    ck_assert_uint_eq(rd(0), 0x80);
    wr(0x2000, 0x10);
    wr(0x2000, 0xf0);                           /* bits are only cleared */
    wr(0, 0xff);
    ck_assert_uint_eq(rd(0x2000), 0x50);
    image_byte_is(0x2000, 0x50);
    wr(0x2abc, 0x20);
    wr(0x2abc, 0xd0);
    ck_assert_uint_eq(rd(0), 0x80);
    wr(0, 0xff);
    ck_assert_uint_eq(rd(0x2000), 0xff);
    ck_assert_uint_eq(rd(9), 63);
    image_byte_is(0x2000, 0xff);
}
END_TEST

START_TEST(buffer)
{
    wr(0x3040, 0xe8);
    ck_assert_uint_eq(rd(0), 0x80);
    wr(0x3040, 3);
    for (unsigned i = 0; i < 4; i++) {
        wr(0x3044 + i, (uint8_t)(0x11 * (i + 1)));
    }
    wr(0x3040, 0xd0);
    ck_assert_uint_eq(rd(0), 0x80);
    wr(0, 0xff);
    ck_assert_uint_eq(rd(0x3043), 0xff);
    ck_assert_uint_eq(rd(0x3044), 0x11);
    ck_assert_uint_eq(rd(0x3047), 0x44);
    wr(0x3040, 0xe8);
    wr(0x3040, 1);
    wr(0x3044, 0);
    wr(0x9000, 0);                              /* beyond the buffer's page */
    ck_assert_uint_eq(rd(0), 0xb0);
    wr(0, 0x50);
    ck_assert_uint_eq(rd(0x3044), 0x11);
    image_byte_is(0x3047, 0x44);
}
END_TEST

START_TEST(readonly_image)
{
    down();
    up_as(true);
    wr(0x2000, 0x10);
    wr(0x2000, 0);
    ck_assert_uint_eq(rd(0), 0x90);
    wr(0, 0x50);
    wr(0, 0x20);
    wr(0, 0xd0);
    ck_assert_uint_eq(rd(0), 0xa0);
    wr(0, 0xff);
    ck_assert_uint_eq(rd(0x2000), 0xff);
    ck_assert_uint_eq(rd(9), 63);
}
END_TEST

START_TEST(save_and_load)
{
    wr(0x2000, 0xe8);
    wr(0x2000, 7);
    wr(0x2000, 1);
    rig_round_trip();
    ck_assert_uint_eq(rd(0), 0x80);
}
END_TEST

#define FLASH_TEST(fn) RIG_TEST_IN(pflash_suite, "pflash", up, down, fn)

Suite *suite_pflash(void)
{
    Suite *pflash_suite = suite_create("pflash");

    FLASH_TEST(modes);
    FLASH_TEST(programs_and_erases);
    FLASH_TEST(buffer);
    FLASH_TEST(readonly_image);
    FLASH_TEST(save_and_load);
    return pflash_suite;
}
