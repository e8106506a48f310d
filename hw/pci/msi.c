/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msi.c -- the MSI and MSI-X capabilities: tables, masks, pending bits; a message is a write by the
 * function.
 *
 * Spec: PCI Local Bus 3.0, chapter 6.8.
 * Omits: nothing.
 * Threads: with the machine lock.
 *
 * A message goes through the function's own AddressSpace: it needs bus mastering, and meets
 * whatever stands in between.
 */
#include "hw/pci/msi.h"
#include "core/trace.h"
#include <string.h>

enum { CAP_MSI = 5, CAP_MSIX = 0x11 };                          /* appendix H */
enum { MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_UPPER = 8, MSI_DATA = 12, MSI_MASK = 16,
       MSI_PENDING = 20, MSI_BYTES = 24 };
enum { MSI_ENABLE = 1, MSI_64 = 0x80, MSI_CAN_MASK = 0x100 };   /* 6.8.1.3 */
enum { MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_PBA = 8, MSIX_BYTES = 12 };
enum { MSIX_ENABLE = 0x8000, MSIX_MASK_ALL = 0x4000 };          /* 6.8.2.3 */
enum { ENTRY_WORDS = 4, ENTRY_BYTES = 16, VECTOR_MASKED = 1 };

static void send(PciDevice *d, uint64_t address, uint32_t data)
{
    if (d->dma && as_write(d->dma, address & ~(uint64_t)3, &data, 4) != MEM_OK) {
        guest_error(d, "interrupt message to %#lx goes nowhere", (unsigned long)address);
    }
}

/* ---- MSI ---- */

static uint32_t msi_get(const PciDevice *d, unsigned off, unsigned size)
{
    return pci_get(d, d->msi_at + off, size);
}

static bool msi_on(const PciDevice *d)
{
    return d->msi_at && (msi_get(d, MSI_CONTROL, 2) & MSI_ENABLE);
}

/* The low bits of the data say which one, as many as the guest has granted. */
static void msi_send(PciDevice *d, unsigned vector)
{
    unsigned granted = 1u << MIN(msi_get(d, MSI_CONTROL, 2) >> 4 & 7, 5);
    uint32_t bit, data = msi_get(d, MSI_DATA, 2);
    vector %= granted;
    bit = 1u << vector;
    if (msi_get(d, MSI_MASK, 4) & bit) {
        pci_put(d, d->msi_at + MSI_PENDING, 4, msi_get(d, MSI_PENDING, 4) | bit);
        return;
    }
    send(d, msi_get(d, MSI_ADDRESS, 4) | (uint64_t)msi_get(d, MSI_UPPER, 4) << 32,
         (data & ~(granted - 1)) | vector);
}

static void msi_unmasked(PciDevice *d)
{
    uint32_t go = msi_get(d, MSI_PENDING, 4) & ~msi_get(d, MSI_MASK, 4);
    if (!msi_on(d) || !go) {
        return;
    }
    pci_put(d, d->msi_at + MSI_PENDING, 4, msi_get(d, MSI_PENDING, 4) & ~go);
    for (unsigned v = 0; v < 32; v++) {
        if (go >> v & 1) {
            msi_send(d, v);
        }
    }
}

void pci_msi(PciDevice *d, unsigned vectors)
{
    unsigned log2 = 0;
    while (1u << log2 < vectors && log2 < 5) {
        log2++;
    }
    d->msi_at = pci_capability(d, CAP_MSI, MSI_BYTES);
    pci_fixed(d, d->msi_at + MSI_CONTROL, 2, MSI_64 | MSI_CAN_MASK | log2 << 1);
    pci_writable(d, d->msi_at + MSI_CONTROL, 2, MSI_ENABLE | 0x70);
    pci_writable(d, d->msi_at + MSI_ADDRESS, 4, 0xfffffffc);
    pci_writable(d, d->msi_at + MSI_UPPER, 4, 0xffffffff);
    pci_writable(d, d->msi_at + MSI_DATA, 2, 0xffff);
    pci_writable(d, d->msi_at + MSI_MASK, 4, log2 == 5 ? 0xffffffff : (1u << (1u << log2)) - 1);
}

/* ---- MSI-X ---- */

bool pci_msix_enabled(const PciDevice *d)
{
    return d->msix && (pci_get(d, d->msix->at + MSIX_CONTROL, 2) & MSIX_ENABLE);
}

static bool masked(const PciDevice *d, unsigned vector)
{
    const PciMsix *x = d->msix;
    return (pci_get(d, x->at + MSIX_CONTROL, 2) & MSIX_MASK_ALL) ||
           (x->table[vector * ENTRY_WORDS + 3] & VECTOR_MASKED);
}

static void msix_send(PciDevice *d, unsigned vector)
{
    PciMsix *x = d->msix;
    const uint32_t *e = &x->table[vector * ENTRY_WORDS];
    if (masked(d, vector)) {
        x->pending[vector / 32] |= 1u << vector % 32;
        return;
    }
    x->pending[vector / 32] &= ~(1u << vector % 32);
    send(d, e[0] | (uint64_t)e[1] << 32, e[2]);
}

static void msix_unmasked(PciDevice *d)
{
    PciMsix *x = d->msix;
    for (unsigned v = 0; v < x->n && pci_msix_enabled(d); v++) {
        if ((x->pending[v / 32] >> v % 32 & 1) && !masked(d, v)) {
            msix_send(d, v);
        }
    }
}

static uint64_t table_read(void *dev, hwaddr off, unsigned size)
{
    PciDevice *d = dev;
    return d->msix->table[off / 4];
}

static void table_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    PciDevice *d = dev;
    static const uint32_t writable[ENTRY_WORDS] = { 0xfffffffc, 0xffffffff, 0xffffffff,
                                                    VECTOR_MASKED };
    d->msix->table[off / 4] = (uint32_t)val & writable[off / 4 % ENTRY_WORDS];
    msix_unmasked(d);
}

static uint64_t pba_read(void *dev, hwaddr off, unsigned size)
{
    PciDevice *d = dev;
    return d->msix->pending[off / 4];
}

static void pba_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    (void)val;                          /* read-only */
}

static const MmioOps table_ops = { .read = table_read, .write = table_write, .min = 4, .max = 4 };
static const MmioOps pba_ops = { .read = pba_read, .write = pba_write, .min = 4, .max = 4 };

void pci_msix(PciDevice *d, PciMsix *x, unsigned vectors, unsigned bar, uint32_t table_at,
              uint32_t pba_at)
{
    Region *into = d->bar[bar].region;
    g_assert(vectors && vectors <= PCI_MSIX_MAX && into && !into->host && !into->io &&
             !((table_at | pba_at) & 7));
    d->msix = x;
    x->n = (uint16_t)vectors;
    x->at = pci_capability(d, CAP_MSIX, MSIX_BYTES);
    pci_fixed(d, x->at + MSIX_CONTROL, 2, vectors - 1);
    pci_fixed(d, x->at + MSIX_TABLE, 4, table_at | bar);
    pci_fixed(d, x->at + MSIX_PBA, 4, pba_at | bar);
    pci_writable(d, x->at + MSIX_CONTROL, 2, MSIX_ENABLE | MSIX_MASK_ALL);
    region_init_io(&x->table_bank, "msix table", &table_ops, d, vectors * ENTRY_BYTES);
    region_init_io(&x->pba_bank, "msix pending", &pba_ops, d, (vectors + 63) / 64 * 8);
    region_map(into, &x->table_bank, table_at)->priority = 1;
    region_map(into, &x->pba_bank, pba_at)->priority = 1;
}

void pci_msix_bar(PciDevice *d, PciMsix *x, unsigned vectors, unsigned bar)
{
    region_init_container(&x->own, "msix", PCI_MSIX_BAR_BYTES);
    pci_bar(d, bar, PCI_BAR_MEM, false, &x->own);
    pci_msix(d, x, vectors, bar, PCI_MSIX_TABLE_AT, PCI_MSIX_PBA_AT);
}

void pci_msix_free(PciDevice *d)
{
    if (d->msix && d->msix->own.parts) {
        region_destroy(&d->msix->own);
    }
    d->msix = NULL;
}

/* ---- both ---- */

bool pci_msi_enabled(const PciDevice *d)
{
    return pci_msix_enabled(d) || msi_on(d);
}

bool pci_notify(PciDevice *d, unsigned vector)
{
    trace_pci_msi(d->dev.path, vector);
    if (pci_msix_enabled(d)) {
        if (vector < d->msix->n) {
            msix_send(d, vector);
        }
        return true;
    }
    if (msi_on(d)) {
        msi_send(d, vector);
        return true;
    }
    return false;
}

void pci_msi_written(PciDevice *d, unsigned at, unsigned size)
{
    if (d->msi_at && at < (unsigned)d->msi_at + MSI_BYTES && d->msi_at < at + size) {
        msi_unmasked(d);
    }
    if (d->msix && at < (unsigned)d->msix->at + MSIX_BYTES && d->msix->at < at + size) {
        msix_unmasked(d);
    }
}

void pci_msi_reset(PciDevice *d)
{
    if (d->msix) {
        memset(d->msix->table, 0, sizeof(d->msix->table));
        memset(d->msix->pending, 0, sizeof(d->msix->pending));
        for (unsigned v = 0; v < d->msix->n; v++) {
            d->msix->table[v * ENTRY_WORDS + 3] = VECTOR_MASKED;
        }
    }
}
