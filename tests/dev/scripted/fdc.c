/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.c -- the floppy controller with the DMA controller and an image: commands, transfers both
 * ways, errors, media.
 */
#include "hw/floppy/fdc.h"
#include "hw/misc/dma.h"
#include "tests/dev/scripted/rig.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { DOR = 0x3f2, MSR = 0x3f4, FIFO = 0x3f5, DIR_CCR = 0x3f7, RAM_BYTES = 1 << 20, BUF = 0x20000,
       SPT = 18 };
enum { RQM = 0x80, DIO = 0x40, NONDMA = 0x20, BUSY = 0x10 };
enum { READ = 0xe6, WRITE = 0xc5, FORMAT = 0x4d, READ_ID = 0x4a, SEEK = 0x0f, RECALIBRATE = 7,
       SENSE = 8, SPECIFY = 3, VERSION = 0x10 };

static char  *path;
static void  *fdc, *dma;
static Drive *disk;

static uint8_t pattern(unsigned lba, unsigned i)
{
    return (uint8_t)(lba * 11 + i * 3 + (i >> 8));
}

static void up(void)
{
    uint8_t s[512];
    Drive  *drives[FDC_DRIVES];

    rig_up();
    rig_pc(1);
    Machine *m = rig.m;
    m->drives = g_ptr_array_new();
    region_init_ram(&m->ram, "ram", RAM_BYTES);
    map_begin(m);
    region_map(&m->memory, &m->ram, 0);
    int fd = g_file_open_tmp("ryokan-fdc-XXXXXX", &path, NULL);
    for (unsigned n = 0; n < 2880; n++) {
        for (unsigned i = 0; i < 512; i++) {
            s[i] = pattern(n, i);
        }
        ck_assert_int_eq(write(fd, s, 512), 512);
    }
    close(fd);
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        drives[i] = g_new0(Drive, 1);
        drives[i]->id = g_strdup_printf("f%u", i);
        g_ptr_array_add(m->drives, drives[i]);
    }
    disk = drives[0];
    disk->node = block_open(m, &(BlockOpen){ .file = path, .format = "raw" }, NULL);
    dma = dma_create(m, rig.isa, NULL);
    fdc = fdc_create(m, rig.isa, dma, drives, NULL);
    ck_assert(disk->node && dma && fdc);
    map_commit(m);
    rig_reset();
    /* DMA: clear both, cascade, open channel 4 */
    outb(0xda, 0);
    outb(0x0d, 0);
    outb(0xd6, 0xc0);
    outb(0xd4, 0);
}

static void down(void)
{
    device_free(fdc);
    drives_close(rig.m);
    rig_down();
    g_unlink(path);
    g_free(path);
}

#define FDC_TEST(fn) RIG_TEST_IN(s, "fdc", up, down, fn)

static bool irq6(void)
{
    return inb(0x3f0) >> 7;                               /* SRA */
}

static void command(const uint8_t *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(inb(MSR) & (RQM | DIO), RQM);
        outb(FIFO, c[i]);
    }
}
#define COMMAND(...)                                                                               \
    command((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void result(uint8_t *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(inb(MSR) & (RQM | DIO | BUSY), RQM | DIO | BUSY);
        r[i] = inb(FIFO);
    }
    ck_assert_uint_eq(inb(MSR), RQM);
}

static void sense(uint8_t st0, uint8_t track)
{
    uint8_t r[2];

    COMMAND(SENSE);
    result(r, 2);
    ck_assert_uint_eq(r[0], st0);
    ck_assert_uint_eq(r[1], track);
}

static void start(void)
{
    outb(DOR, 0);
    outb(DOR, 0x1c);
    rig_run_ns(1000000);
    ck_assert(irq6());
    for (unsigned i = 0; i < 4; i++) {
        sense((uint8_t)(0xc0 | i), 0);
    }
    ck_assert(!irq6());
    COMMAND(SPECIFY, 0xdf, 0x02);
    outb(DIR_CCR, 0);                                         /* 500 kbit/s */
}

static void seek(unsigned track)
{
    COMMAND(SEEK, 0, (uint8_t)track);
    rig_run_ns(1000000);
    ck_assert(irq6());
    sense(0x20, (uint8_t)track);
}

/* Channel 2: bytes at BUF; mode 46 to memory, 4a from it, 42 verify. */
static void channel(uint8_t mode, unsigned bytes)
{
    outb(0x0a, 6);
    outb(0x0c, 0);
    outb(0x0b, mode);
    outb(0x04, BUF & 0xff);
    outb(0x04, BUF >> 8 & 0xff);
    outb(0x81, BUF >> 16);
    outb(0x05, (uint8_t)(bytes - 1));
    outb(0x05, (uint8_t)((bytes - 1) >> 8));
    outb(0x0a, 2);
}

static void check_ram(unsigned lba, unsigned n)
{
    uint8_t b[512];

    for (unsigned s = 0; s < n; s++) {
        as_read(rig.m->as_memory, BUF + 512 * s, b, 512);
        for (unsigned i = 0; i < 512; i++) {
            ck_assert_uint_eq(b[i], pattern(lba + s, i));
        }
    }
}

static void expect(uint8_t st0, uint8_t st1, uint8_t c, uint8_t h, uint8_t r)
{
    uint8_t v[7];

    block_drain(rig.m);
    ck_assert(irq6());
    result(v, 7);
    ck_assert(!irq6());
    ck_assert_uint_eq(v[0], st0);
    ck_assert_uint_eq(v[1], st1);
    ck_assert_uint_eq(v[3], c);
    ck_assert_uint_eq(v[4], h);
    ck_assert_uint_eq(v[5], r);
    ck_assert_uint_eq(v[6], 2);
}

START_TEST(identity)
{
    uint8_t r[1];

    start();
    COMMAND(VERSION);
    result(r, 1);
    ck_assert_uint_eq(r[0], 0x90);
    COMMAND(0x1f);
    result(r, 1);
    ck_assert_uint_eq(r[0], 0x80);
    COMMAND(SENSE);
    result(r, 1);
    ck_assert_uint_eq(r[0], 0x80);
    ck_assert_uint_eq(fdc_cmos_types(fdc), 0x44);
}
END_TEST

START_TEST(read_dma)
{
    start();
    channel(0x46, 2 * SPT * 512);                         /* a whole cylinder: both heads by MT */
    COMMAND(READ, 0, 0, 0, 1, 2, SPT, 27, 0xff);
    expect(0x04, 0, 1, 0, 1);
    check_ram(0, 2 * SPT);
    ck_assert_uint_eq(inb(0x08) & 4, 4);                  /* terminal count of channel 2 */
    seek(79);
    channel(0x46, 3 * 512);
    COMMAND(READ, 4, 79, 1, 5, 2, SPT, 27, 0xff);
    expect(0x04, 0, 79, 1, 8);
    check_ram((79 * 2 + 1) * SPT + 4, 3);
    rig_round_trip();
}
END_TEST

START_TEST(write_dma)
{
    uint8_t b[1024];

    start();
    seek(3);
    for (unsigned i = 0; i < sizeof(b); i++) {
        b[i] = (uint8_t)(i * 7 + 1);
    }
    as_write(rig.m->as_memory, BUF, b, sizeof(b));
    channel(0x4a, sizeof(b));
    COMMAND(WRITE, 0, 3, 0, 7, 2, SPT, 27, 0xff);
    expect(0, 0, 3, 0, 9);
    memset(b, 0, sizeof(b));
    as_write(rig.m->as_memory, BUF, b, sizeof(b));
    channel(0x46, sizeof(b));
    COMMAND(READ, 0, 3, 0, 7, 2, SPT, 27, 0xff);
    expect(0, 0, 3, 0, 9);
    as_read(rig.m->as_memory, BUF, b, sizeof(b));
    for (unsigned i = 0; i < sizeof(b); i++) {
        ck_assert_uint_eq(b[i], (uint8_t)(i * 7 + 1));
    }
}
END_TEST

/* The channel is masked when the command starts, and opened later. */
START_TEST(late_channel)
{
    start();
    outb(0x0a, 6);
    COMMAND(READ, 0, 0, 0, 1, 2, SPT, 27, 0xff);
    block_drain(rig.m);
    ck_assert(!irq6() && (inb(MSR) & BUSY));
    ck_assert_uint_eq(inb(0x08) & 0x40, 0x40);            /* DREQ2 */
    channel(0x46, 512);
    expect(0, 0, 0, 0, 2);
    check_ram(0, 1);
}
END_TEST

START_TEST(programmed)
{
    start();
    COMMAND(SPECIFY, 0xdf, 0x03);
    COMMAND(READ, 0, 0, 0, SPT, 2, SPT, 27, 0xff);
    block_drain(rig.m);
    /* MT: from the last of head 0 to the end of head 1 */
    for (unsigned s = 0; s < 1 + SPT; s++) {
        for (unsigned i = 0; i < 512; i++) {
            ck_assert_uint_eq(inb(MSR), RQM | DIO | NONDMA | BUSY);
            ck_assert_uint_eq(inb(FIFO), pattern(SPT - 1 + s, i));
        }
        block_drain(rig.m);
    }
    expect(0x44, 0x80, 1, 0, 1);
}
END_TEST

START_TEST(format)
{
    uint8_t ids[SPT * 4], b[512];

    start();
    seek(5);
    for (unsigned i = 0; i < SPT; i++) {
        /* interleaved */
        memcpy(ids + 4 * i, (uint8_t[]){ 5, 1, (uint8_t)(i * 5 % SPT + 1), 2 }, 4);
    }
    as_write(rig.m->as_memory, BUF, ids, sizeof(ids));
    channel(0x4a, sizeof(ids));
    COMMAND(FORMAT, 4, 2, SPT, 0x50, 0xf6);
    block_drain(rig.m);
    ck_assert(irq6());
    uint8_t r[7];
    result(r, 7);
    ck_assert_uint_eq(r[0] & 0xc0, 0);
    channel(0x46, 512 * SPT);
    COMMAND(READ, 4, 5, 1, 1, 2, SPT, 27, 0xff);
    expect(0x04, 0, 6, 0, 1);
    for (unsigned s = 0; s < SPT; s++) {
        as_read(rig.m->as_memory, BUF + 512 * s, b, 512);
        ck_assert(b[0] == 0xf6 && b[511] == 0xf6);
    }
}
END_TEST

START_TEST(errors)
{
    start();
    channel(0x46, 512);
    COMMAND(READ, 0, 0, 0, 19, 2, 36, 27, 0xff);          /* no such sector */
    expect(0x40, 4, 0, 0, 19);
    COMMAND(READ, 0, 7, 0, 1, 2, SPT, 27, 0xff);          /* the heads are elsewhere */
    expect(0x40, 4, 7, 0, 1);
    outb(DIR_CCR, 2);
    COMMAND(READ, 0, 0, 0, 1, 2, SPT, 27, 0xff);          /* the wrong data rate */
    expect(0x40, 1, 0, 0, 1);
    outb(DIR_CCR, 0);
    COMMAND(READ, 1, 0, 0, 1, 2, SPT, 27, 0xff);          /* an empty drive */
    expect(0x41, 1, 0, 0, 1);
    disk->readonly = true;
    COMMAND(WRITE, 0, 0, 0, 1, 2, SPT, 27, 0xff);
    expect(0x40, 2, 0, 0, 1);
    COMMAND(RECALIBRATE, 3);                              /* no such drive */
    rig_run_ns(1000000);
    sense(0x73, 0);
}
END_TEST

START_TEST(media)
{
    BlockNode *node = disk->node;

    start();
    outb(DOR, 0x1c);
    ck_assert_uint_eq(inb(DIR_CCR), 0x80);
    seek(1);
    ck_assert_uint_eq(inb(DIR_CCR), 0);
    disk->node = NULL;
    disk->changed = true;
    disk->on_change(disk->user);
    seek(2);
    ck_assert_uint_eq(inb(DIR_CCR), 0x80);                    /* empty: steps do not help */
    disk->node = node;
    disk->changed = true;
    disk->on_change(disk->user);
    ck_assert_uint_eq(inb(DIR_CCR), 0x80);
    COMMAND(RECALIBRATE, 0);
    rig_run_ns(1000000);
    sense(0x20, 0);
    ck_assert_uint_eq(inb(DIR_CCR), 0);
}
END_TEST

START_TEST(saved)
{
    start();
    COMMAND(SPECIFY, 0xdf, 0x03);
    COMMAND(READ, 0, 0, 0, 1, 2, SPT, 27, 0xff);
    block_drain(rig.m);
    for (unsigned i = 0; i < 100; i++) {
        inb(FIFO);
    }
    rig_round_trip();
    ck_assert_uint_eq(inb(FIFO), pattern(0, 100));
}
END_TEST

Suite *suite_fdc(void)
{
    Suite *s = suite_create("fdc");

    FDC_TEST(identity);
    FDC_TEST(read_dma);
    FDC_TEST(write_dma);
    FDC_TEST(late_channel);
    FDC_TEST(programmed);
    FDC_TEST(format);
    FDC_TEST(errors);
    FDC_TEST(media);
    FDC_TEST(saved);
    return s;
}
