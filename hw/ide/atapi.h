/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * atapi.h -- between the PACKET protocol (ide_cd.c) and the packets (atapi.c).  Threads: with the
 * machine lock.
 */
#ifndef HW_IDE_ATAPI_H
#define HW_IDE_ATAPI_H
#include "hw/ide/ide_int.h"

enum { EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIA, EVENT_REMOVED };
enum { SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_ILLEGAL = 5, SENSE_ATTENTION = 6 };

void     atapi_packet(IdeDrive *d);             /* d->packet has arrived: act on it */
uint64_t cd_blocks(const IdeDrive *d);          /* of 2048 bytes; 0: no medium */
void     cd_finish(IdeDrive *d);
void     cd_check_condition(IdeDrive *d, uint8_t key, uint8_t asc, uint8_t ascq);
/* d->pio[0 .. n), cut to the guest's allocation */
void     cd_reply(IdeDrive *d, uint32_t n, uint32_t allocated);
void     cd_read(IdeDrive *d, uint64_t lba, uint32_t n);
#endif
