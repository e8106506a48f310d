/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_rx.c -- the 82540EM's receiver: address filters, checksums, frames to descriptors.
 *
 * Spec: SDM 3.2 (descriptors, filters, interrupts), 13.4.22 on (registers), 13.5 (filter tables).
 * Omits: flow control (pause frames are passed like others), wake-up filters, error frames (none
 *   arrive).
 * Threads: with the machine lock.
 *
 *     0 address   8 length 16, checksum 16   12 status 8, errors 8, special 16
 */
#include "core/machine.h"
#include "hw/net/e1000.h"
#include <string.h>

enum { ST_DD = 1, ST_EOP = 2, ST_IXSM = 4, ST_VP = 8, ST_TCPCS = 32, ST_IPCS = 64, ST_PIF = 128 };
enum { ER_TCPE = 32, ER_IPE = 64 };
enum { RXCSUM_IPOFL = 1 << 8, RXCSUM_TUOFL = 1 << 9 };
enum { ETH_MIN = 60, FCS = 4, LONG_FRAME = 1518, LONG_MOST = 16384, RAH_VALID = 1u << 31,
       ETHERTYPE_IP = 0x0800 };
enum { PROTO_TCP = 6, PROTO_UDP = 17 };

typedef struct Frame {                /* what the descriptors say of it */
    uint8_t  head[ETH_MIN];
    size_t   bytes;                   /* with padding, without FCS or a tag that was taken out */
    bool     tagged;
    uint16_t tag, sum;
    uint8_t  status, errors;
} Frame;

/* ---- filters: 3.2.1 ---- */

static bool hash_match(const E1000 *s, const uint8_t *dst)
{
    static const uint8_t shift[] = { 4, 3, 2, 0 };
    unsigned h = ((unsigned)dst[5] << 8 | dst[4]) >> shift[s->rctl >> 12 & 3] & 0xfff;

    return s->mta[h >> 5] >> (h & 31) & 1;
}

static bool address_match(const E1000 *s, const uint8_t *dst)
{
    for (unsigned i = 0; i < E1000_ADDRESSES; i++) {
        uint8_t a[6] = { (uint8_t)s->ral[i],         (uint8_t)(s->ral[i] >> 8),
                         (uint8_t)(s->ral[i] >> 16), (uint8_t)(s->ral[i] >> 24),
                         (uint8_t)s->rah[i],         (uint8_t)(s->rah[i] >> 8) };
        if ((s->rah[i] & RAH_VALID) && !memcmp(a, dst, 6)) {
            return true;
        }
    }
    return false;
}

static bool wanted(E1000 *s, Frame *f)
{
    const uint8_t *dst = f->head;
    bool group = dst[0] & 1, broadcast = !memcmp(dst, "\xff\xff\xff\xff\xff\xff", 6);

    if (f->tagged && (s->rctl & RCTL_VFE) && !(s->vfta[f->tag >> 5 & 127] >> (f->tag & 31) & 1)) {
        return false;
    }
    if (broadcast && (s->rctl & RCTL_BAM)) {
        return true;
    }
    if (s->rctl & (group ? RCTL_MPE : RCTL_UPE) || address_match(s, dst)) {
        return true;
    }
    if (group && hash_match(s, dst)) {
        f->status |= ST_PIF;          /* only the hash says so: software looks again */
        return true;
    }
    return false;
}

/* ---- checksums: 3.2.9 ---- */

static void check_ip(E1000 *s, Frame *f, const uint8_t *frame)
{
    const uint8_t *ip = frame + 14;
    size_t         header = (size_t)(ip[0] & 15) * 4, total;

    if (e1000_get16(frame + 12) != ETHERTYPE_IP || ip[0] >> 4 != 4 || header < 20 ||
        14 + header > f->bytes) {
        return;
    }
    total = e1000_get16(ip + 2);
    if (s->rxcsum & RXCSUM_IPOFL) {
        f->status |= ST_IPCS;
        f->errors |= e1000_fold(e1000_add_up(ip, header)) != 0xffff ? ER_IPE : 0;
    }
    if (!(s->rxcsum & RXCSUM_TUOFL) || total < header || 14 + total > f->bytes ||
        (e1000_get16(ip + 6) & 0x3fff) || (ip[9] != PROTO_TCP && ip[9] != PROTO_UDP) ||
        total - header < (ip[9] == PROTO_TCP ? 20u : 8u) ||
        (ip[9] == PROTO_UDP && !e1000_get16(ip + header + 6))) {
        return;
    }
    f->status |= ST_TCPCS;
    if (e1000_fold(e1000_add_up(ip + header, total - header) + e1000_add_up(ip + 12, 8) + ip[9] +
                   (uint32_t)(total - header)) != 0xffff) {
        f->errors |= ER_TCPE;
    }
}

static void checksums(E1000 *s, Frame *f, const uint8_t *frame)
{
    unsigned from = s->rxcsum & 0xff;

    f->sum = from < f->bytes ? (uint16_t)~e1000_fold(e1000_add_up(frame + from, f->bytes - from))
                             : 0xffff;
    if (s->rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL)) {
        check_ip(s, f, frame);
    } else {
        f->status |= ST_IXSM;
    }
}

/* ---- the ring ---- */

static uint32_t buffer_bytes(const E1000 *s)
{
    static const uint16_t plain[] = { 2048, 1024, 512, 256 }, extended[] = { 2048, 16384, 8192,
                                                                             4096 };

    return (s->rctl & RCTL_BSEX ? extended : plain)[s->rctl >> 16 & 3];
}

/* Descriptors that are the hardware's: head up to the tail. */
static uint32_t free_buffers(const E1000 *s)
{
    uint32_t n = e1000_ring_size(&s->rx);

    if (!n || s->rx.tail >= n || s->rx.head >= n) {
        return 0;
    }
    return (s->rx.tail + n - s->rx.head) % n;
}

static void rx_interrupt(E1000 *s)
{
    uint64_t now = time_now(s->pci.dev.machine, TIME_GUEST), at;

    if (!(s->rdtr & 0xffff)) {
        e1000_cause(s, ICR_RXT0);
        return;
    }
    at = now + (s->rdtr & 0xffff) * UINT64_C(1024);
    if ((s->radv & 0xffff) && !s->rx_deadline_ns) {
        s->rx_deadline_ns = now + (s->radv & 0xffff) * UINT64_C(1024);
    }
    timer_arm(&s->rx_timer, s->radv & 0xffff ? MIN(at, s->rx_deadline_ns) : at);
}

void e1000_rx_expired(void *dev)
{
    E1000 *s = dev;

    s->rx_deadline_ns = 0;
    e1000_cause(s, ICR_RXT0);
}

static void store(E1000 *s, const Frame *f, const uint8_t *frame)
{
    uint32_t ring = e1000_ring_size(&s->rx), buffer = buffer_bytes(s);
    size_t   total = f->bytes + (s->rctl & RCTL_SECRC ? 0 : FCS);

    for (size_t done = 0; done < total;) {
        hwaddr   at = e1000_ring_at(&s->rx);
        uint32_t now = (uint32_t)MIN(total - done, buffer);
        uint64_t addr, info;
        bool     last = done + now == total;

        if (as_read(s->pci.dma, at, &addr, sizeof(addr)) != MEM_OK) {
            guest_error(s, "the receive ring is not in memory");
            return;
        }
        as_write(s->pci.dma, addr, frame + done, now);
        info = now | (uint64_t)f->sum << 16 |
               (uint64_t)(f->status | ST_DD | (last ? ST_EOP : 0)) << 32 |
               (uint64_t)f->errors << 40 | (uint64_t)f->tag << 48;
        as_write(s->pci.dma, at + 8, &info, sizeof(info));
        done += now;
        s->rx.head = s->rx.head + 1 >= ring ? 0 : s->rx.head + 1;
    }
}

static void count(E1000 *s, const Frame *f)
{
    E1000Stats *st = &s->stats;

    e1000_count(&st->tpr);
    e1000_count(&st->gprc);
    e1000_count64(&st->gorcl, &st->gorch, (uint32_t)f->bytes + FCS);
    e1000_count64(&st->torl, &st->torh, (uint32_t)f->bytes + FCS);
    e1000_count_size(&st->prc64, f->bytes + FCS);
    if (f->head[0] & 1) {
        e1000_count(!memcmp(f->head, "\xff\xff\xff\xff\xff\xff", 6) ? &st->bprc : &st->mprc);
    }
}

/*
 * The frame laid out as memory will hold it: padded, its tag taken out if VME says so, zeros where
 * the FCS goes.
 */
static void lay_out(E1000 *s, const struct iovec *iov, unsigned n, Frame *f, uint8_t *buf)
{
    size_t bytes = iov_bytes(iov, n);

    iov_copy(iov, n, 0, buf, bytes);
    if (bytes > 18 && e1000_get16(buf + 12) == (s->vet & 0xffff)) {
        f->tagged = true;
        f->tag = (uint16_t)e1000_get16(buf + 14);
    }
    if (bytes < ETH_MIN) {
        memset(buf + bytes, 0, ETH_MIN - bytes);
        bytes = ETH_MIN;
    }
    if (f->tagged && (s->ctrl & CTRL_VME)) {
        memmove(buf + 12, buf + 16, bytes - 16);
        bytes -= 4;
        f->status |= ST_VP;
    }
    memset(buf + bytes, 0, FCS);
    memcpy(f->head, buf, sizeof(f->head) < bytes ? sizeof(f->head) : bytes);
    f->bytes = bytes;
}

bool e1000_receive(NetEnd *nic, const struct iovec *iov, unsigned n)
{
    E1000   *s = (E1000 *)(void *)((char *)nic - offsetof(E1000, nic));
    uint8_t  buf[LONG_MOST + ETH_MIN];
    Frame    f = { .bytes = 0 };
    size_t   bytes = iov_bytes(iov, n);
    uint32_t avail;

    if (!(s->rctl & RCTL_EN) || !(s->status & STATUS_LU) ||
        !(pci_get(&s->pci, PCI_COMMAND, 2) & PCI_CMD_MASTER)) {
        return true;                  /* nobody listens: lost, as on a wire */
    }
    if (bytes < 14 || bytes > LONG_MOST ||
        (bytes + FCS > LONG_FRAME + 4 && !(s->rctl & RCTL_LPE))) {
        e1000_count(bytes < 14 ? &s->stats.ruc : &s->stats.roc);
        return true;
    }
    lay_out(s, iov, n, &f, buf);
    if (!wanted(s, &f)) {
        return true;
    }
    avail = free_buffers(s);
    if (avail * (uint64_t)buffer_bytes(s) < f.bytes + FCS) {
        e1000_count(&s->stats.rnbc);
        e1000_cause(s, ICR_RXO);
        return false;
    }
    checksums(s, &f, buf);
    count(s, &f);
    store(s, &f, buf);
    avail = free_buffers(s);
    if (avail * 2 <= e1000_ring_size(&s->rx) >> (s->rctl >> 8 & 3)) {
        e1000_cause(s, ICR_RXDMT0);
    }
    rx_interrupt(s);
    return true;
}
