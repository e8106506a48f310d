/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma.h -- the PC's DMA controllers as a device on the ISA bus uses them.
 *
 * A device asks for a channel with dma_request(), then moves bytes with dma_transfer() whenever it
 * has some; the controller takes none while the channel is masked, disabled or set up for the other
 * direction, and calls ready() when that changed.
 *
 * Threads: with the machine lock.
 */
#ifndef HW_MISC_DMA_H
#define HW_MISC_DMA_H
#include "core/machine.h"

typedef struct DmaUser {
    void (*ready)(void *dev);         /* the channel may take bytes now; optional */
    void  *dev;
} DmaUser;

void *dma_create(Machine *m, Bus *isa, GError **err);
/* 0 to 3, 5 to 7; copied */
bool  dma_attach(void *dma, unsigned channel, const DmaUser *user, GError **err);
void  dma_request(void *dma, unsigned channel, bool level);           /* DREQ */
/*
 * n bytes from buf to memory, or the other way; verify cycles touch neither.  *tc: the count ran
 * out.  Returns bytes moved.
 */
unsigned dma_transfer(void *dma, unsigned channel, void *buf, unsigned n, bool to_memory, bool *tc);
#endif
