/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_tx.c -- the 82540EM's transmitter: descriptors to frames, checksums, VLAN tags,
 * segmentation.
 *
 * Spec: SDM 3.3 (descriptors), 3.4 (ring), 3.5 (TCP segmentation), 13.4.33 on (registers).
 * Omits: write-back thresholds of TXDCTL (every descriptor is written back at once), half duplex
 *   and its retries, inter-packet gaps.
 * Threads: with the machine lock.
 *
 *     legacy   0 address   8 length 16, CSO 8, CMD 8   12 STA 8, CSS 8, special 16
 *     context  0 IPCSS 8, IPCSO 8, IPCSE 16, TUCSS 8, TUCSO 8, TUCSE 16
 *              8 PAYLEN 20, DTYP 4, TUCMD 8   12 STA, HDRLEN 8, MSS 16
 *     data     0 address   8 DTALEN 20, DTYP 4, DCMD 8   12 STA 8, POPTS 8, special 16
 */
#include "core/machine.h"
#include "hw/net/e1000.h"
#include <string.h>

enum { CMD_EOP = 1, CMD_IC = 4, CMD_TSE = 4, CMD_RS = 8, CMD_DEXT = 32, CMD_VLE = 64,
       CMD_IDE = 128, STA_DD = 1 };
enum { TU_TCP = 1, TU_IP4 = 2, POPTS_IXSM = 1, POPTS_TXSM = 2, DTYP_DATA = 1 };
enum { ETH_MIN = 60, ETH_HEADER = 14, VLAN_TAG = 4, CHUNK = 4096 };

typedef struct Desc {
    uint64_t addr, info;              /* the two quadwords */
} Desc;

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void add32(uint8_t *p, uint32_t by)
{
    uint32_t v = (uint32_t)(e1000_get16(p) << 16 | e1000_get16(p + 2)) + by;
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/*
 * RFC 1071 over [from, end) put at `at`; end 0: to the end of the frame (3.3.6: xCSE is the last
 * byte, 0 means the end).
 */
static void checksum(uint8_t *frame, size_t bytes, size_t from, size_t last, size_t at)
{
    size_t end = last ? MIN(last + 1, bytes) : bytes;

    if (at + 2 > bytes || from >= end) {
        return;
    }
    put16(frame + at, ~e1000_fold(e1000_add_up(frame + from, end - from)) & 0xffff);
}

/* ---- a finished frame ---- */

static void count(E1000 *s, const uint8_t *dst, size_t bytes)
{
    E1000Stats *st = &s->stats;

    e1000_count(&st->tpt);
    e1000_count(&st->gptc);
    e1000_count64(&st->gotcl, &st->gotch, (uint32_t)bytes + 4);
    e1000_count64(&st->totl, &st->toth, (uint32_t)bytes + 4);
    e1000_count_size(&st->ptc64, bytes + 4);
    if (dst[0] & 1) {
        e1000_count(!memcmp(dst, "\xff\xff\xff\xff\xff\xff", 6) ? &st->bptc : &st->mptc);
    }
}

static void send_frame(E1000 *s, const uint8_t *frame, size_t bytes)
{
    static const uint8_t zero[ETH_MIN];
    uint8_t      tag[VLAN_TAG];
    struct iovec iov[4];
    unsigned     n = 0;

    if (bytes < ETH_HEADER) {
        return;
    }
    if (s->tx_vle && (s->ctrl & CTRL_VME)) {
        put16(tag, s->vet & 0xffff);
        put16(tag + 2, s->tx_special);
        iov[n++] = (struct iovec){ (void *)frame, 12 };
        iov[n++] = (struct iovec){ tag, VLAN_TAG };
        iov[n++] = (struct iovec){ (void *)(frame + 12), bytes - 12 };
        bytes += VLAN_TAG;
    } else {
        iov[n++] = (struct iovec){ (void *)frame, bytes };
    }
    if (bytes < ETH_MIN && (s->tctl & TCTL_PSP)) {
        iov[n++] = (struct iovec){ (void *)zero, ETH_MIN - bytes };
        bytes = ETH_MIN;
    }
    count(s, frame, bytes);
    if (s->rctl & RCTL_LBM) {
        e1000_receive(&s->nic, iov, n);
    } else {
        net_send(&s->nic, iov, n);
    }
}

static void offload(E1000 *s, uint8_t *frame, size_t bytes)
{
    const E1000Context *c = &s->ctx;

    if (s->tx_popts & POPTS_TXSM) {
        checksum(frame, bytes, c->tucss, c->tucse, c->tucso);
    }
    if (s->tx_popts & POPTS_IXSM) {
        checksum(frame, bytes, c->ipcss, c->ipcse, c->ipcso);
    }
}

/*
 * One segment of a large send: tx_buf holds the header and up to MSS bytes.  3.5.5: lengths and
 * numbers of this segment go into a copy of the header, flags FIN and PSH only into the last, and
 * the TCP length into the checksum that software prepared.
 */
static void send_segment(E1000 *s, bool last)
{
    const E1000Context *c = &s->ctx;
    size_t   bytes = s->tx_bytes, payload = bytes - c->hdrlen;
    uint8_t  header[E1000_TX_HEADER_MAX];
    uint8_t *f = s->tx_buf;
    bool     tcp = c->tucmd & TU_TCP, ip4 = c->tucmd & TU_IP4;

    memcpy(header, f, c->hdrlen);
    if (c->ipcss + (ip4 ? 20u : 40u) <= c->hdrlen) {
        put16(f + c->ipcss + (ip4 ? 2 : 4), (unsigned)(bytes - c->ipcss - (ip4 ? 0 : 40)));
        if (ip4) {
            put16(f + c->ipcss + 4, e1000_get16(f + c->ipcss + 4) + s->tso_sent / MAX(c->mss, 1));
        }
    }
    if (tcp && c->tucss + 14u <= c->hdrlen) {
        add32(f + c->tucss + 4, s->tso_sent);
        if (!last) {
            f[c->tucss + 13] &= 0xf6;
        }
    } else if (!tcp && c->tucss + 8u <= c->hdrlen) {
        put16(f + c->tucss + 4, (unsigned)(bytes - c->tucss));
    }
    if ((s->tx_popts & POPTS_TXSM) && c->tucso + 2u <= c->hdrlen) {
        uint32_t sum = e1000_get16(f + c->tucso) + (uint32_t)(bytes - c->tucss);
        put16(f + c->tucso, (sum & 0xffff) + (sum >> 16));
    }
    offload(s, f, bytes);
    send_frame(s, f, bytes);
    e1000_count(&s->stats.tsctc);
    s->tso_sent += (uint32_t)payload;
    memcpy(f, header, c->hdrlen);
    s->tx_bytes = c->hdrlen;
}

static void frame_start(E1000 *s)
{
    s->tx_bytes = s->tso_sent = 0;
    s->tx_popts = 0;
    s->tx_tse = s->tx_vle = s->tx_skip = false;
}

/* ---- gathering ---- */

static bool gather(E1000 *s, hwaddr from, uint32_t bytes)
{
    const uint32_t whole = s->tx_tse ? s->ctx.hdrlen + s->ctx.mss : E1000_FRAME_MAX;

    while (bytes && !s->tx_skip) {
        if (s->tx_tse && s->tx_bytes == whole) {
            send_segment(s, false);
        }
        uint32_t now = MIN(bytes, whole - s->tx_bytes);
        if (!now || as_read(s->pci.dma, from, s->tx_buf + s->tx_bytes, now) != MEM_OK) {
            s->tx_skip = true;
            return false;
        }
        s->tx_bytes += now;
        from += now;
        bytes -= now;
    }
    return true;
}

static void frame_end(E1000 *s, uint8_t cso, uint8_t css, bool legacy_sum)
{
    if (s->tx_skip) {
        guest_error(s, "a frame to send is too long or not in memory; dropped");
    } else if (s->tx_tse && s->tx_bytes > s->ctx.hdrlen) {
        send_segment(s, true);
    } else if (s->tx_bytes) {
        if (legacy_sum) {
            checksum(s->tx_buf, s->tx_bytes, css, 0, cso);
        } else {
            offload(s, s->tx_buf, s->tx_bytes);
        }
        send_frame(s, s->tx_buf, s->tx_bytes);
    }
    frame_start(s);
}

static void context_desc(E1000 *s, const Desc *d)
{
    s->ctx = (E1000Context){
        .ipcss = (uint8_t)d->addr, .ipcso = (uint8_t)(d->addr >> 8),
        .ipcse = (uint16_t)(d->addr >> 16),
        .tucss = (uint8_t)(d->addr >> 32), .tucso = (uint8_t)(d->addr >> 40),
        .tucse = (uint16_t)(d->addr >> 48),
        .paylen = d->info & 0xfffff, .tucmd = (uint8_t)(d->info >> 24),
        .hdrlen = (uint8_t)(d->info >> 40),
        .mss = (uint16_t)(d->info >> 48),
    };
    frame_start(s);
}

static void data_desc(E1000 *s, const Desc *d, uint8_t cmd)
{
    bool extended = cmd & CMD_DEXT;

    if (!s->tx_bytes && !s->tx_skip) {
        s->tx_tse = extended && (cmd & CMD_TSE) && s->ctx.mss && s->ctx.hdrlen;
        s->tx_popts = extended ? (uint8_t)(d->info >> 40) : 0;
    }
    gather(s, d->addr, d->info & (extended ? 0xfffff : 0xffff));
    if (cmd & CMD_EOP) {
        s->tx_vle = cmd & CMD_VLE;
        s->tx_special = (uint16_t)(d->info >> 48);
        frame_end(s, (uint8_t)(d->info >> 16), (uint8_t)(d->info >> 40),
                  !extended && (cmd & CMD_IC));
    }
}

/* ---- the ring ---- */

void e1000_tx_expired(void *dev)
{
    E1000 *s = dev;

    s->tx_deadline_ns = 0;
    e1000_cause(s, ICR_TXDW);
}

/* 3.2.7: TIDV starts anew with each descriptor, TADV (10 to 16 bits of 1.024 us) does not. */
static void delayed(E1000 *s)
{
    uint64_t now = time_now(s->pci.dev.machine, TIME_GUEST),
             at = now + (s->tidv & 0xffff) * UINT64_C(1024);

    if (s->tadv && !s->tx_deadline_ns) {
        s->tx_deadline_ns = now + (s->tadv & 0xffff) * UINT64_C(1024);
    }
    timer_arm(&s->tx_timer, s->tadv ? MIN(at, s->tx_deadline_ns) : at);
}

static void one(E1000 *s, hwaddr at, uint32_t *causes)
{
    Desc    d;
    uint8_t cmd;

    if (as_read(s->pci.dma, at, &d, sizeof(d)) != MEM_OK) {
        guest_error(s, "the transmit ring is not in memory");
        return;
    }
    cmd = (uint8_t)(d.info >> 24);
    if ((cmd & CMD_DEXT) && (d.info >> 20 & 15) != DTYP_DATA) {
        context_desc(s, &d);
    } else {
        data_desc(s, &d, cmd);
    }
    if (cmd & CMD_RS) {
        uint32_t sta = (uint32_t)(d.info >> 32) | STA_DD;
        as_write(s->pci.dma, at + 12, &sta, 1);
        if ((cmd & CMD_IDE) && s->tidv) {
            delayed(s);
        } else {
            *causes |= ICR_TXDW;
        }
    }
}

void e1000_transmit(E1000 *s)
{
    uint32_t n = e1000_ring_size(&s->tx), causes = 0;

    if (!(s->tctl & TCTL_EN) || !n || s->in_tx || s->tx.head == s->tx.tail) {
        return;
    }
    if (s->tx.tail >= n) {
        guest_error(s, "TDT %u lies outside a ring of %u descriptors", s->tx.tail, n);
        return;
    }
    /* what comes back from the other end may write registers' effects, not the ring */
    s->in_tx = true;
    for (uint32_t turns = 0; s->tx.head != s->tx.tail && turns < n; turns++) {
        if (s->tx.head >= n) {
            s->tx.head = 0;
        }
        one(s, e1000_ring_at(&s->tx), &causes);
        s->tx.head = s->tx.head + 1 >= n ? 0 : s->tx.head + 1;
    }
    s->in_tx = false;
    e1000_cause(s, causes | ICR_TXQE);
}
