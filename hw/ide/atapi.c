/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * atapi.c -- the packets that a CD-ROM drive understands.
 *
 * Spec: MMC-4 (T10/1545-D), chapters 5 and 6; SPC-3 for INQUIRY, REQUEST SENSE and TEST UNIT READY.
 * Omits: audio, sub-channel data, raw sectors, DVD structures, writing; a medium of data in one
 *   track.
 * Threads: with the machine lock.
 */
#include "hw/ide/atapi.h"
#include "core/trace.h"
#include <string.h>

enum { P_MEDIUM = 1, P_KEEP_SENSE = 2 };        /* needs a medium; leaves the sense data alone */
enum { PROFILE_CD = 0x08, PROFILE_DVD = 0x10, CD_MOST_BLOCKS = 80 * 60 * 75, MSF_OFFSET = 150 };

static unsigned be16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static void put_msf(uint8_t *p, uint32_t lba)
{
    uint32_t f = lba + MSF_OFFSET;
    p[0] = 0;
    p[1] = (uint8_t)(f / 75 / 60);
    p[2] = (uint8_t)(f / 75 % 60);
    p[3] = (uint8_t)(f % 75);
}

uint64_t cd_blocks(const IdeDrive *d)
{
    return d->drive && d->drive->node && !d->tray_open ? d->drive->node->bytes / CD_SECTOR : 0;
}

static uint32_t blocks32(const IdeDrive *d)
{
    return (uint32_t)MIN(cd_blocks(d), UINT32_MAX);
}

static uint8_t *clear(IdeDrive *d, unsigned n)
{
    memset(d->pio, 0, n);
    return d->pio;
}

static void bad_field(IdeDrive *d)
{
    cd_check_condition(d, SENSE_ILLEGAL, 0x24, 0x00);
}

/* ---- SPC ---- */
static void inquiry(IdeDrive *d, const uint8_t *p)
{
    if (p[1] & 1) {
        bad_field(d);
        return;
    }
    uint8_t *r = clear(d, 36);
    r[0] = 0x05;
    r[1] = 0x80;
    r[3] = 0x21;
    r[4] = 31;
    memcpy(r + 8, "RYOKAN  DVD-ROM         1.0 ", 28);
    cd_reply(d, 36, be16(p + 3));
}

static void request_sense(IdeDrive *d, const uint8_t *p)
{
    uint8_t *r = clear(d, 18);
    r[0] = 0x70;
    r[2] = d->sense_key;
    r[7] = 10;
    r[12] = d->asc;
    r[13] = d->ascq;
    d->sense_key = d->asc = d->ascq = 0;
    cd_reply(d, 18, p[4]);
}

static void nothing(IdeDrive *d, const uint8_t *p)
{
    cd_finish(d);
}

static void start_stop(IdeDrive *d, const uint8_t *p)
{
    bool load_eject = p[4] & 2, start = p[4] & 1;
    if (load_eject && !start && d->locked) {
        cd_check_condition(d, cd_blocks(d) ? SENSE_ILLEGAL : SENSE_NOT_READY, 0x53, 0x02);
        return;
    }
    if (load_eject) {
        d->tray_open = !start;
        if (d->drive) {
            drive_tray(d->drive, d->dev.machine, d->tray_open);
        }
        d->event = start ? EVENT_NEW_MEDIA : EVENT_REMOVED;
    }
    cd_finish(d);
}

static void prevent(IdeDrive *d, const uint8_t *p)
{
    d->locked = p[4] & 1;
    if (d->drive) {
        d->drive->locked = d->locked;
    }
    cd_finish(d);
}

/* Pages: 01 error recovery, 0E audio, 2A capabilities. */
static unsigned mode_page(IdeDrive *d, uint8_t *r, unsigned page)
{
    static const uint8_t recovery[] = { 0x01, 6, 0, 5, 0, 0, 0, 0 };
    static const uint8_t audio[] = { 0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0 };
    static const uint8_t capabilities[] = { 0x2a, 20, 0x3b, 0, 0x70, 0x60, 0x29, 0, 0x02, 0xc2, 0,
                                            2, 2, 0, 0x02, 0xc2, 0, 0, 0, 0, 0, 0 };
    switch (page) {
    case 0x01: memcpy(r, recovery, sizeof(recovery)); return sizeof(recovery);
    case 0x0e: memcpy(r, audio, sizeof(audio)); return sizeof(audio);
    case 0x2a:
        memcpy(r, capabilities, sizeof(capabilities));
        r[6] |= d->locked ? 2 : 0;
        return sizeof(capabilities);
    default: return 0;
    }
}

static void mode_sense(IdeDrive *d, const uint8_t *p)
{
    static const uint8_t all[] = { 0x01, 0x0e, 0x2a };
    unsigned page = p[2] & 0x3f, n = 8;
    uint8_t *r = clear(d, 128);
    if (p[2] >> 6 == 3) {
        cd_check_condition(d, SENSE_ILLEGAL, 0x39, 0x00);       /* no saved values */
        return;
    }
    for (unsigned i = 0; i < sizeof(all); i++) {
        if (page == all[i] || page == 0x3f) {
            n += mode_page(d, r + n, all[i]);
        }
    }
    if (n == 8) {
        bad_field(d);
        return;
    }
    put16(r, n - 2);
    r[2] = cd_blocks(d) ? 0x01 : 0x70;
    cd_reply(d, n, be16(p + 7));
}

/* ---- MMC: reading ---- */
static void read_capacity(IdeDrive *d, const uint8_t *p)
{
    uint8_t *r = clear(d, 8);
    put32(r, blocks32(d) - 1);
    put32(r + 4, CD_SECTOR);
    cd_reply(d, 8, 8);
}

static void read_10(IdeDrive *d, const uint8_t *p)
{
    cd_read(d, be32(p + 2), be16(p + 7));
}

static void read_12(IdeDrive *d, const uint8_t *p)
{
    cd_read(d, be32(p + 2), be32(p + 6));
}

static void read_cd(IdeDrive *d, const uint8_t *p)
{
    uint32_t n = (uint32_t)(p[6] << 16 | p[7] << 8 | p[8]);
    switch (p[9] & 0xf8) {
    case 0x00: cd_finish(d); break;
    case 0x10: cd_read(d, be32(p + 2), n); break;
    default:   bad_field(d);
    }
}

static void seek(IdeDrive *d, const uint8_t *p)
{
    if (be32(p + 2) >= cd_blocks(d)) {
        cd_check_condition(d, SENSE_ILLEGAL, 0x21, 0x00);
    } else {
        cd_finish(d);
    }
}

/* ---- MMC: the table of contents, 6.31 ---- */
static void toc_address(uint8_t *p, uint32_t lba, bool msf)
{
    if (msf) {
        put_msf(p, lba);
    } else {
        put32(p, lba);
    }
}

static unsigned toc_entry(uint8_t *r, uint8_t track, uint32_t lba, bool msf)
{
    r[1] = 0x14;                      /* data track, ADR 1 */
    r[2] = track;
    toc_address(r + 4, lba, msf);
    return 8;
}

static unsigned full_toc_entry(uint8_t *r, uint8_t point, uint8_t m, uint8_t s, uint8_t f)
{
    r[0] = 1;
    r[1] = 0x14;
    r[3] = point;
    r[8] = m;
    r[9] = s;
    r[10] = f;
    return 11;
}

static void read_toc(IdeDrive *d, const uint8_t *p)
{
    bool msf = p[1] & 2;
    unsigned format = p[2] & 15 ? p[2] & 15 : p[9] >> 6, n = 4;
    uint8_t *r = clear(d, 64), end[4];
    r[2] = r[3] = 1;
    switch (format) {
    case 0:
        if (p[6] > 1 && p[6] != 0xaa) {
            bad_field(d);
            return;
        }
        if (p[6] <= 1) {
            n += toc_entry(r + n, 1, 0, msf);
        }
        n += toc_entry(r + n, 0xaa, blocks32(d), msf);
        break;
    case 1:                           /* sessions: one */
        n += toc_entry(r + n, 1, 0, msf);
        break;
    case 2:
        put_msf(end, blocks32(d));
        n += full_toc_entry(r + n, 0xa0, 1, 0, 0);
        n += full_toc_entry(r + n, 0xa1, 1, 0, 0);
        n += full_toc_entry(r + n, 0xa2, end[1], end[2], end[3]);
        n += full_toc_entry(r + n, 1, 0, 2, 0);
        break;
    default:
        bad_field(d);
        return;
    }
    put16(r, n - 2);
    cd_reply(d, n, be16(p + 7));
}

static void disc_information(IdeDrive *d, const uint8_t *p)
{
    uint8_t *r = clear(d, 34);
    if (p[1] & 7) {
        bad_field(d);
        return;
    }
    put16(r, 32);
    r[2] = 0x0e;                      /* last session complete, disc finalised */
    r[3] = r[4] = r[5] = r[6] = 1;
    r[7] = 0x20;
    memset(r + 16, 0xff, 8);
    cd_reply(d, 34, be16(p + 7));
}

/* ---- MMC: features and events ---- */
static unsigned feature(uint8_t *r, uint16_t code, uint8_t flags, const uint8_t *data, uint8_t n)
{
    put16(r, code);
    r[2] = flags;
    r[3] = n;
    memcpy(r + 4, data, n);
    return 4u + n;
}

static void get_configuration(IdeDrive *d, const uint8_t *p)
{
    uint64_t blocks = cd_blocks(d);
    unsigned current = !blocks ? 0 : blocks > CD_MOST_BLOCKS ? PROFILE_DVD : PROFILE_CD, n = 8;
    const uint8_t profiles[] = { 0, PROFILE_DVD, current == PROFILE_DVD, 0, 0, PROFILE_CD,
                                 current == PROFILE_CD, 0 };
    static const uint8_t core[] = { 0, 0, 0, 2, 1, 0, 0, 0 };       /* ATAPI, no block erase */
    static const uint8_t removable[] = { 0x29, 0, 0, 0 };           /* tray, ejects, locks */
    static const uint8_t random[] = { 0, 0, 8, 0, 0, 1, 0, 0 };     /* 2048 bytes */
    struct {
        uint16_t       code;
        uint8_t        flags;
        const uint8_t *data;
        uint8_t        n;
    } list[] = {
        { 0x0000, 0x03, profiles, sizeof(profiles) }, { 0x0001, 0x0b, core, sizeof(core) },
        { 0x0003, 0x07, removable, sizeof(removable) },
        { 0x0010, current ? 1 : 0, random, sizeof(random) },
        { 0x001e, current == PROFILE_CD, (const uint8_t[4]){ 0 }, 4 },
        { 0x001f, current == PROFILE_DVD, (const uint8_t[4]){ 0 }, 4 },
    };
    unsigned wanted = p[1] & 3, start = be16(p + 2);
    uint8_t *r = clear(d, 128);
    if (wanted > 2) {
        bad_field(d);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(list); i++) {
        bool take = wanted == 2 ? list[i].code == start
                                : list[i].code >= start && (wanted == 0 || (list[i].flags & 1));
        if (take) {
            n += feature(r + n, list[i].code, list[i].flags, list[i].data, list[i].n);
        }
    }
    put32(r, n - 4);
    put16(r + 6, current);
    cd_reply(d, n, be16(p + 7));
}

static void event_status(IdeDrive *d, const uint8_t *p)
{
    uint8_t *r = clear(d, 8);
    if (!(p[1] & 1)) {                /* only polled operation */
        bad_field(d);
        return;
    }
    r[3] = 0x10;                      /* media events are supported */
    if (p[4] & 0x10) {
        put16(r, 6);
        r[2] = 4;
        r[4] = d->event;
        r[5] = (uint8_t)((d->tray_open ? 1 : 0) | (cd_blocks(d) ? 2 : 0));
        d->event = EVENT_NONE;
        cd_reply(d, 8, be16(p + 7));
        return;
    }
    put16(r, 2);
    r[2] = 0x80;
    cd_reply(d, 4, be16(p + 7));
}

static void mechanism_status(IdeDrive *d, const uint8_t *p)
{
    uint8_t *r = clear(d, 8);
    r[1] = d->tray_open ? 0x10 : 0;
    r[5] = 1;
    cd_reply(d, 8, be16(p + 8));
}

static const struct {
    uint8_t opcode, flags;
    void  (*run)(IdeDrive *d, const uint8_t *p);
    const char *name;
} packets[] = {
    { 0x00, P_MEDIUM, nothing, "TEST UNIT READY" },
    { 0x03, P_KEEP_SENSE, request_sense, "REQUEST SENSE" },
    { 0x12, P_KEEP_SENSE, inquiry, "INQUIRY" },
    { 0x1b, 0, start_stop, "START STOP UNIT" },
    { 0x1e, 0, prevent, "PREVENT ALLOW MEDIUM REMOVAL" },
    { 0x25, P_MEDIUM, read_capacity, "READ CAPACITY" },
    { 0x28, P_MEDIUM, read_10, "READ (10)" },
    { 0x2b, P_MEDIUM, seek, "SEEK (10)" },
    { 0x43, P_MEDIUM, read_toc, "READ TOC" },
    { 0x46, P_KEEP_SENSE, get_configuration, "GET CONFIGURATION" },
    { 0x4a, P_KEEP_SENSE, event_status, "GET EVENT STATUS NOTIFICATION" },
    { 0x51, P_MEDIUM, disc_information, "READ DISC INFORMATION" },
    { 0x5a, 0, mode_sense, "MODE SENSE (10)" },
    { 0xa8, P_MEDIUM, read_12, "READ (12)" },
    { 0xbb, 0, nothing, "SET CD SPEED" },
    { 0xbd, 0, mechanism_status, "MECHANISM STATUS" },
    { 0xbe, P_MEDIUM, read_cd, "READ CD" },
};

void atapi_packet(IdeDrive *d)
{
    uint8_t p[sizeof(d->packet)];
    memcpy(p, d->packet, sizeof(p));
    trace_atapi_command(d->dev.path, p[0]);
    for (unsigned i = 0; i < G_N_ELEMENTS(packets); i++) {
        if (packets[i].opcode != p[0]) {
            continue;
        }
        if (!(packets[i].flags & P_KEEP_SENSE)) {
            d->sense_key = d->asc = d->ascq = 0;
        }
        if (d->attention && !(packets[i].flags & P_KEEP_SENSE)) {
            /* SPC-3 5.8.6: reported once, then the command is as any other */
            d->attention = false;
            cd_check_condition(d, SENSE_ATTENTION, 0x28, 0x00);
            return;
        }
        if ((packets[i].flags & P_MEDIUM) && !cd_blocks(d)) {
            cd_check_condition(d, SENSE_NOT_READY, 0x3a, d->tray_open ? 0x02 : 0x01);
            return;
        }
        packets[i].run(d, p);
        return;
    }
    cd_check_condition(d, SENSE_ILLEGAL, 0x20, 0x00);
}
