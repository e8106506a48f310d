/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.c -- PIIX3 IDE with a disk and a CD-ROM on files: PIO, bus-master DMA, hostile descriptors,
 * resets, packets.
 */
#include "block/drive.h"
#include "hw/ide/ide.h"
#include "tests/dev/scripted/rig.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { CMD = 0x1f0, CTL = 0x3f6, CD = 0x170, BM = 0xc000, RAM_BYTES = 1 << 20, SECTORS = 4096,
       PRD_AT = 0x1000, BUF_AT = 0x10000 };
enum { ERR = 1, DRQ = 8, DRDY = 0x40, BSY = 0x80 };

static char *disk_path, *cd_path;
static Wire irq14;

static uint32_t in(uint16_t port, unsigned size)
{
    MemResult res;
    return (uint32_t)io_read(rig.m->as_io, port, size, &res);
}

static void out(uint16_t port, uint32_t val, unsigned size)
{
    io_write(rig.m->as_io, port, val, size);
}

/* Byte i of sector n. */
static uint8_t pattern(uint64_t n, unsigned i)
{
    return (uint8_t)(n * 7 + i * 3 + (i >> 8) + 1);
}

static char *image(uint64_t sectors)
{
    char *path;
    uint8_t s[512];
    int fd = g_file_open_tmp("ryokan-ide-XXXXXX", &path, NULL);
    ck_assert_int_ge(fd, 0);
    for (uint64_t n = 0; n < sectors; n++) {
        for (unsigned i = 0; i < 512; i++) {
            s[i] = pattern(n, i);
        }
        ck_assert_int_eq(write(fd, s, 512), 512);
    }
    close(fd);
    return path;
}

static void *find(Machine *m, const char *id)
{
    return drive_find(m, id);
}

static Drive *drive(const char *id, char *path, bool cd)
{
    Drive *d = g_new0(Drive, 1);
    d->id = g_strdup(id);
    d->is_cdrom = d->readonly = cd;
    d->node = block_open(rig.m, &(BlockOpen){ .file = path, .format = "raw", .readonly = cd },
                         NULL);
    ck_assert_ptr_nonnull(d->node);
    g_ptr_array_add(rig.m->drives, d);
    return d;
}

static void up(void)
{
    rig_up();
    rig_pc(1);
    Machine *m = rig.m;
    m->drives = g_ptr_array_new();
    device_link_kind(m, "drive", find);
    rig_ram(RAM_BYTES);
    rig_pci();
    map_begin(m);
    ck_assert_ptr_nonnull(piix3_ide_create(m, rig.host, wire_sink, &irq14, NULL));
    map_commit(m);
    disk_path = image(SECTORS);
    cd_path = image(64);
    ck_assert(ide_drive_create(m, 0, drive("hd", disk_path, false), NULL));
    ck_assert(ide_drive_create(m, 2, drive("cd", cd_path, true), NULL));
    rig_reset();
    pci_config_write(&rig.host->bus, 1 << 3 | 1, 0x40, 0x80008000, 4);
    pci_config_write(&rig.host->bus, 1 << 3 | 1, 0x20, BM, 4);
    pci_config_write(&rig.host->bus, 1 << 3 | 1, 0x04, 5, 2);
    irq14 = (Wire){ false, 0 };
}

static void down(void)
{
    g_unlink(disk_path);
    g_unlink(cd_path);
    for (unsigned i = rig.m->devices->len; i-- > 0;) {
        Device *d = g_ptr_array_index(rig.m->devices, i);
        if (d->class->bus && !strcmp(d->class->bus, "ide")) {
            device_free(d);
        }
    }
    drives_close(rig.m);
    rig_down();
    g_free(disk_path);
    g_free(cd_path);
}

#define IDE_TEST(fn) RIG_TEST_IN(s, "ide", up, down, fn)

static void command(uint16_t base, uint8_t cmd, uint32_t lba, uint8_t n)
{
    out(base + 6, 0xe0 | (lba >> 24 & 15), 1);
    out(base + 2, n, 1);
    out(base + 3, lba & 0xff, 1);
    out(base + 4, lba >> 8 & 0xff, 1);
    out(base + 5, lba >> 16 & 0xff, 1);
    out(base + 7, cmd, 1);
}

static uint8_t settle(uint16_t base)
{
    block_drain(rig.m);
    return (uint8_t)in(base + 7, 1);
}

static void read_sector(uint16_t base, uint64_t n)
{
    for (unsigned i = 0; i < 512; i += 2) {
        ck_assert_uint_eq(in(base, 2), pattern(n, i) | pattern(n, i + 1) << 8);
    }
}

START_TEST(pio_read)
{
    command(CMD, 0x20, 5, 3);
    for (unsigned n = 5; n < 8; n++) {
        ck_assert_uint_eq(settle(CMD) & (BSY | DRQ | ERR), DRQ);
        if (n == 6) {
            rig_round_trip();
        }
        read_sector(CMD, n);
    }
    ck_assert_uint_eq(settle(CMD) & (BSY | DRQ | ERR), 0);
    ck_assert_uint_eq(irq14.rises, 3);
    ck_assert_uint_eq(in(CMD, 2), 0);           /* nothing behind the end */
}
END_TEST

static void is_pattern(const uint8_t *b, uint64_t sector, unsigned from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(b[i], pattern(sector, from + i));
    }
}

/* What REP INS takes at once: never beyond a block. */
START_TEST(pio_read_many)
{
    AddressSpace *io = rig.m->as_io;
    uint8_t b[2048] = { 0 };

    ck_assert_uint_eq(io_read_many(io, CMD, b, 2, 16), 0);      /* nothing to read */
    command(CMD, 0x20, 5, 3);
    ck_assert_uint_eq(settle(CMD) & (DRQ | ERR), DRQ);
    ck_assert_uint_eq(io_read_many(io, CMD + 7, b, 1, 16), 0);  /* not the data port */
    ck_assert_uint_eq(io_read_many(io, CMD, b, 2, 100), 100);
    is_pattern(b, 5, 0, 200);
    ck_assert_uint_eq(b[200], 0);
    ck_assert_uint_eq(in(CMD, 2), pattern(5, 200) | pattern(5, 201) << 8);
    ck_assert_uint_eq(io_read_many(io, CMD, b, 2, 1000), 155);
    is_pattern(b, 5, 202, 310);
    ck_assert_uint_eq(settle(CMD) & (DRQ | ERR), DRQ);
    ck_assert_uint_eq(io_read_many(io, CMD, b, 4, 512), 128);
    is_pattern(b, 6, 0, 512);
    ck_assert_uint_eq(settle(CMD) & (DRQ | ERR), DRQ);
    ck_assert_uint_eq(io_read_many(io, CMD, b, 1, 1), 1);
    ck_assert_uint_eq(io_read_many(io, CMD, b, 2, 512), 255);
    is_pattern(b, 7, 1, 510);
    ck_assert_uint_eq(io_read_many(io, CMD, b, 2, 512), 0);     /* half an element */
    ck_assert_uint_eq(in(CMD, 2), pattern(7, 511));
    ck_assert_uint_eq(settle(CMD) & (DRQ | ERR), 0);
    ck_assert_uint_eq(io_read_many(io, CMD, b, 2, 16), 0);
}
END_TEST

START_TEST(pio_write_multiple)
{
    out(CMD + 2, 8, 1);
    out(CMD + 7, 0xc6, 1);
    ck_assert_uint_eq(settle(CMD) & ERR, 0);
    command(CMD, 0xc5, 100, 20);
    for (unsigned i = 0; i < 20 * 256; i++) {
        if (i % (8 * 256) == 0) {
            ck_assert_uint_eq(settle(CMD) & (BSY | DRQ), DRQ);
        }
        out(CMD, i * 0x10001, 2);
    }
    ck_assert_uint_eq(settle(CMD) & (BSY | DRQ | ERR), 0);
    command(CMD, 0x20, 119, 1);
    settle(CMD);
    for (unsigned i = 0; i < 256; i++) {
        ck_assert_uint_eq(in(CMD, 2), 19 * 256 + i);
    }
}
END_TEST

static void put_prd(unsigned n, uint32_t at, uint16_t bytes, bool last)
{
    uint8_t e[8] = { at, at >> 8, at >> 16, at >> 24, bytes, bytes >> 8, 0, last ? 0x80 : 0 };
    as_write(rig.m->as_memory, PRD_AT + n * 8, e, 8);
}

static uint8_t dma(uint16_t base, bool to_memory)
{
    out(base + 4, PRD_AT, 4);
    out(base + 2, 0x66, 1);
    out(base, to_memory ? 8 : 0, 1);
    out(base, (to_memory ? 8 : 0) | 1, 1);
    block_drain(rig.m);
    return (uint8_t)in(base + 2, 1) & 7;
}

START_TEST(dma_read)
{
    put_prd(0, BUF_AT, 514, false);
    put_prd(1, BUF_AT + 0x2000, 510, true);
    command(CMD, 0xc8, 9, 2);
    rig_round_trip();
    ck_assert_uint_eq(dma(BM, true), 4);
    ck_assert(irq14.level);
    ck_assert_uint_eq(settle(CMD) & (BSY | DRQ | ERR), 0);
    ck_assert(!irq14.level);
    for (unsigned i = 0; i < 1024; i++) {
        uint8_t b;
        as_read(rig.m->as_memory, i < 514 ? BUF_AT + i : BUF_AT + 0x2000 + i - 514, &b, 1);
        ck_assert_uint_eq(b, pattern(9 + i / 512, i % 512));
    }
}
END_TEST

START_TEST(dma_write_long_table)
{
    uint8_t b[512], r[512];
    memset(b, 0xa5, sizeof(b));
    as_write(rig.m->as_memory, BUF_AT, b, 512);
    put_prd(0, BUF_AT, 1024, true);
    command(CMD, 0xca, 77, 1);
    /* interrupt, and still active: the table is longer */
    ck_assert_uint_eq(dma(BM, false), 5);
    out(BM, 0, 1);
    ck_assert_uint_eq(in(BM + 2, 1) & 1, 0);
    command(CMD, 0x20, 77, 1);
    settle(CMD);
    for (unsigned i = 0; i < 256; i++) {
        uint32_t w = in(CMD, 2);
        memcpy(r + 2 * i, &w, 2);
    }
    ck_assert_int_eq(memcmp(b, r, 512), 0);
}
END_TEST

START_TEST(dma_hostile_tables)
{
    put_prd(0, BUF_AT, 512, true);
    command(CMD, 0xc8, 0, 8);                   /* too short: no interrupt, not active */
    ck_assert_uint_eq(dma(BM, true), 0);
    out(BM, 0, 1);
    put_prd(0, 0xfffffff0, 0, true);            /* 64 KiB across the end of 32 bits */
    command(CMD, 0xc8, 0, 0);
    ck_assert_uint_eq(dma(BM, true) & 1, 0);
    out(BM, 0, 1);
    command(CMD, 0xc8, 0, 1);
    out(BM + 4, 0xfffffff8, 4);                 /* a table in nothing */
    out(BM, 9, 1);
    block_drain(rig.m);
    out(BM, 0, 1);
    out(CTL, 4, 1);
    out(CTL, 0, 1);
    ck_assert_uint_eq(settle(CMD), DRDY | 0x10);
    rig_round_trip();
}
END_TEST

START_TEST(reset_in_flight)
{
    command(CMD, 0x20, 0, 16);                  /* not drained: the request is under way */
    out(CTL, 4, 1);
    out(CTL, 0, 1);
    ck_assert_uint_eq(in(CMD + 7, 1), DRDY | 0x10);
    ck_assert_uint_eq(in(CMD + 2, 1), 1);       /* signature */
    ck_assert_uint_eq(in(CMD + 4, 1) | in(CMD + 5, 1), 0);
    command(CMD, 0x20, 3, 1);
    settle(CMD);
    read_sector(CMD, 3);
    command(CMD, 0xc8, 0, 200);
    put_prd(0, BUF_AT, 0, true);
    out(BM, 9, 1);
    rig_reset();
    block_drain(rig.m);
}
END_TEST

START_TEST(limits)
{
    command(CMD, 0x20, SECTORS - 1, 2);
    ck_assert_uint_eq(settle(CMD) & (DRQ | ERR), ERR);
    ck_assert_uint_eq(in(CMD + 1, 1), 0x10);
    command(CMD, 0x20, 0x0fffffff, 0);
    ck_assert_uint_eq(settle(CMD) & (DRQ | ERR), ERR);
    command(CMD, 0xff, 0, 0);
    ck_assert_uint_eq(settle(CMD) & ERR, ERR);
    ck_assert_uint_eq(in(CMD + 1, 1), 4);
    out(CMD + 6, 0xf0, 1);                      /* no slave */
    ck_assert_uint_eq(in(CMD + 7, 1), 0);
    out(CMD + 7, 0xec, 1);
    out(CMD + 6, 0xe0, 1);
    for (unsigned half = 0; half < 2; half++) { /* LBA 48, the last sector */
        out(CMD + 2, half ? 1 : 0, 1);
        out(CMD + 3, half ? (SECTORS - 1) & 0xff : 0, 1);
        out(CMD + 4, half ? (SECTORS - 1) >> 8 : 0, 1);
        out(CMD + 5, 0, 1);
    }
    out(CMD + 7, 0x24, 1);
    ck_assert_uint_eq(settle(CMD) & (DRQ | ERR), DRQ);
    read_sector(CMD, SECTORS - 1);
}
END_TEST

START_TEST(identify)
{
    uint16_t w[256];
    command(CMD, 0xec, 0, 0);
    settle(CMD);
    for (unsigned i = 0; i < 256; i++) {
        w[i] = (uint16_t)in(CMD, 2);
    }
    ck_assert_uint_eq(w[60] | (uint32_t)w[61] << 16, SECTORS);
    ck_assert_uint_eq(w[100], SECTORS);
    ck_assert_uint_eq(w[27], 'R' << 8 | 'Y');
    ck_assert_uint_eq(w[88] & 0x3f, 0x3f);
    command(CD, 0xec, 0, 0);
    ck_assert_uint_eq(settle(CD) & ERR, ERR);
    ck_assert_uint_eq(in(CD + 4, 1), 0x14);
    ck_assert_uint_eq(in(CD + 5, 1), 0xeb);
}
END_TEST

static void packet(bool use_dma, uint16_t limit, const uint8_t *p)
{
    out(CD + 6, 0xa0, 1);
    out(CD + 1, use_dma, 1);
    out(CD + 4, limit & 0xff, 1);
    out(CD + 5, limit >> 8, 1);
    out(CD + 7, 0xa0, 1);
    ck_assert_uint_eq(settle(CD) & (BSY | DRQ), DRQ);
    for (unsigned i = 0; i < 12; i += 2) {
        out(CD, p[i] | p[i + 1] << 8, 2);
    }
}

START_TEST(cd_pio)
{
    packet(false, 2047, (const uint8_t[12]){ 0x28, 0, 0, 0, 0, 2, 0, 0, 3 });
    unsigned got = 0;
    while (got < 3 * 2048) {
        ck_assert_uint_eq(settle(CD) & (BSY | DRQ | ERR), DRQ);
        unsigned n = in(CD + 4, 1) | in(CD + 5, 1) << 8;
        ck_assert_uint_le(n, 2046);
        ck_assert_uint_gt(n, 0);
        for (unsigned i = 0; i < n; i += 2, got += 2) {
            uint64_t at = 2 * 2048 + got;
            ck_assert_uint_eq(in(CD, 2) & 0xff, pattern(at / 512, at % 512));
        }
    }
    ck_assert_uint_eq(settle(CD) & (BSY | DRQ | ERR), 0);
    ck_assert_uint_eq(in(CD + 2, 1), 3);
}
END_TEST

START_TEST(cd_dma_and_sense)
{
    uint8_t b;
    put_prd(0, BUF_AT, 2048, true);
    packet(true, 0, (const uint8_t[12]){ 0x28, 0, 0, 0, 0, 4, 0, 0, 1 });
    ck_assert_uint_eq(dma(BM + 8, true), 4);
    as_read(rig.m->as_memory, BUF_AT + 513, &b, 1);
    ck_assert_uint_eq(b, pattern(17, 1));
    settle(CD);
    packet(false, 0, (const uint8_t[12]){ 0x28, 0, 0, 0, 0, 16, 0, 0, 1 });    /* beyond the end */
    ck_assert_uint_eq(settle(CD) & (DRQ | ERR), ERR);
    ck_assert_uint_eq(in(CD + 1, 1) >> 4, 5);
    packet(false, 18, (const uint8_t[12]){ 0x03, 0, 0, 0, 18 });
    settle(CD);
    uint8_t sense[18];
    for (unsigned i = 0; i < 18; i += 2) {
        uint32_t w = in(CD, 2);
        sense[i] = (uint8_t)w;
        sense[i + 1] = (uint8_t)(w >> 8);
    }
    ck_assert_uint_eq(sense[2], 5);
    ck_assert_uint_eq(sense[12], 0x21);
    rig_round_trip();
}
END_TEST

static int last_result;
static void done(BlockReq *req, int result) { last_result = result; }

static int transfer(BlockNode *n, BlockOp op, uint64_t at, void *buf, size_t bytes)
{
    struct iovec iov[2] = { { buf, bytes / 2 }, { (char *)buf + bytes / 2, bytes - bytes / 2 } };
    BlockReq r = { .op = op, .offset = at, .length = bytes, .iov = iov, .n_iov = buf ? 2 : 0,
                   .done = done };
    last_result = 1;
    block_submit(n, &r);
    ck_assert_int_eq(last_result, 1);           /* never from within submit */
    block_drain(rig.m);
    return last_result;
}

START_TEST(snapshot)
{
    char *path = image(64);
    uint8_t buf[8 * 512], zero[512] = { 0 };
    BlockNode *n = block_open(rig.m, &(BlockOpen){ .file = path, .snapshot = true }, NULL);
    ck_assert_ptr_nonnull(n);
    memset(buf, 0xee, sizeof(buf));
    ck_assert_int_eq(transfer(n, BLK_WRITE, 3 * 512, buf, 512), 0);
    ck_assert_int_eq(transfer(n, BLK_WRITE, 5 * 512, buf, 1024), 0);
    ck_assert_int_eq(transfer(n, BLK_ZERO, 9 * 512, NULL, 512), 0);
    ck_assert_int_eq(transfer(n, BLK_FLUSH, 0, NULL, 0), 0);
    ck_assert_int_eq(transfer(n, BLK_READ, 2 * 512, buf, sizeof(buf)), 0);
    for (unsigned i = 0; i < sizeof(buf); i++) {
        unsigned sector = 2 + i / 512;
        uint8_t want = sector == 3 || sector == 5 || sector == 6 ? 0xee
                       : sector == 9                             ? 0
                                                                 : pattern(sector, i % 512);
        ck_assert_uint_eq(buf[i], want);
    }
    ck_assert_int_ne(transfer(n, BLK_READ, 64 * 512, zero, 512), 0);    /* outside */
    ck_assert_int_ne(transfer(n, BLK_READ, 100, zero, 512), 0);         /* not a sector */
    block_close(n);
    n = block_open(rig.m, &(BlockOpen){ .file = path }, NULL);          /* the image is as it was */
    ck_assert_int_eq(transfer(n, BLK_READ, 3 * 512, buf, 512), 0);
    ck_assert_uint_eq(buf[1], pattern(3, 1));
    g_autoptr(GError) err = NULL;
    ck_assert_ptr_null(block_open(rig.m, &(BlockOpen){ .file = path }, &err));
    ck_assert_ptr_nonnull(strstr(err->message, "in use"));
    block_close(n);
    n = block_open(rig.m, &(BlockOpen){ .file = path, .readonly = true }, NULL);
    ck_assert_int_ne(transfer(n, BLK_WRITE, 0, buf, 512), 0);
    block_close(n);
    g_unlink(path);
    g_free(path);
}
END_TEST

START_TEST(formats)
{
    static const struct {
        const char *magic, *format;
        bool        opens;
    } cases[] = { { "QFI\xfb", NULL, false }, { "QFI\xfb", "raw", true }, { "KDMV", NULL, false },
                  { "hello", NULL, true },
                  { "hello", "qcow2", false }, { "", "raw", true } };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *path;
        int fd = g_file_open_tmp("ryokan-ide-XXXXXX", &path, NULL);
        size_t n = strlen(cases[i].magic);
        ck_assert_int_eq(write(fd, cases[i].magic, n), (int)n);
        close(fd);
        BlockNode *node = block_open(rig.m, &(BlockOpen){ .file = path, .format = cases[i].format },
                                     NULL);
        ck_assert_int_eq(node != NULL, cases[i].opens);
        ck_assert_uint_eq(node ? node->bytes : 0, node && n ? 512 : 0);
        block_close(node);
        g_unlink(path);
        g_free(path);
    }
    ck_assert_ptr_null(block_open(rig.m, &(BlockOpen){ .file = "/" }, NULL));
    ck_assert_ptr_null(block_open(rig.m, &(BlockOpen){ .file = "/dev/null" }, NULL));
}
END_TEST

/* Anything, in any order: nothing may break. */
START_TEST(noise)
{
    GRand *r = g_rand_new_with_seed(20);
    for (unsigned i = 0; i < 40000; i++) {
        static const uint16_t ports[] = { CMD, CMD, CD, CD, BM, BM + 8 };
        unsigned base = ports[g_rand_int_range(r, 0, 6)], off = (unsigned)g_rand_int_range(r, 0, 8);
        unsigned size = 1u << g_rand_int_range(r, 0, 3);
        uint32_t val = g_rand_int(r);
        val = g_rand_int_range(r, 0, 4) ? val : (uint32_t)PRD_AT;
        if (off == 7 && base < BM) {
            static const uint8_t likely[] = { 0x20, 0xc8, 0xca, 0x30, 0xa0, 0xec, 0xa1, 0x25, 0x35,
                                              0xc4, 0xc5, 0x06, 0xef, 0x91 };
            val = g_rand_int_range(r, 0, 3) ? likely[g_rand_int_range(r, 0, G_N_ELEMENTS(likely))]
                                            : val;
            size = 1;
        }
        if (g_rand_boolean(r)) {
            out((uint16_t)(base + off), val, size);
        } else {
            in((uint16_t)(base + off), size);
        }
        if (!g_rand_int_range(r, 0, 50)) {
            put_prd(0, g_rand_int(r) & 0x1fffff, (uint16_t)g_rand_int(r), g_rand_boolean(r));
            out(CTL, g_rand_int_range(r, 0, 4) ? 0 : 4, 1);
        }
        if (!g_rand_int_range(r, 0, 20)) {
            block_drain(rig.m);
        }
    }
    block_drain(rig.m);
    rig_round_trip();
    g_rand_free(r);
}
END_TEST

Suite *suite_ide(void)
{
    Suite *s = suite_create("ide");
    IDE_TEST(pio_read);
    IDE_TEST(pio_read_many);
    IDE_TEST(pio_write_multiple);
    IDE_TEST(dma_read);
    IDE_TEST(dma_write_long_table);
    IDE_TEST(dma_hostile_tables);
    IDE_TEST(reset_in_flight);
    IDE_TEST(limits);
    IDE_TEST(identify);
    IDE_TEST(cd_pio);
    IDE_TEST(cd_dma_and_sense);
    IDE_TEST(snapshot);
    IDE_TEST(formats);
    IDE_TEST(noise);
    return s;
}
