/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000.h -- private to the 82540EM: its state, and the bits that more than one of its files reads.
 *
 * Spec: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual, 317453,
 *   rev 4.0 ("SDM"); section numbers in these files are its.
 * Threads: with the machine lock.
 */
#ifndef HW_NET_E1000_H
#define HW_NET_E1000_H
#include "hw/pci/pci.h"
#include "net/net.h"

enum { E1000_TX_HEADER_MAX = 255, E1000_FRAME_MAX = 16384, E1000_MTA = 128, E1000_VFTA = 128,
       E1000_ADDRESSES = 16 };

/* 13.4.1 */
enum { CTRL_SLU = 1 << 6, CTRL_ILOS = 1 << 7, CTRL_RST = 1 << 26, CTRL_VME = 1 << 30,
       CTRL_PHY_RST = 1u << 31 };
/* 13.4.2 */
enum { STATUS_FD = 1, STATUS_LU = 2, STATUS_1000 = 2 << 6 };
/* 13.4.17 */
enum {
    ICR_TXDW = 1, ICR_TXQE = 2, ICR_LSC = 4, ICR_RXDMT0 = 1 << 4, ICR_RXO = 1 << 6,
    ICR_RXT0 = 1 << 7, ICR_MDAC = 1 << 9,
    ICR_PHYINT = 1 << 12, ICR_TXD_LOW = 1 << 15, ICR_SRPD = 1 << 16, ICR_ALL = 0x1ffff & ~0x2020,
};
/* 13.4.22 */
enum {
    RCTL_EN = 1 << 1, RCTL_SBP = 1 << 2, RCTL_UPE = 1 << 3, RCTL_MPE = 1 << 4, RCTL_LPE = 1 << 5,
    RCTL_LBM = 3 << 6,
    RCTL_BAM = 1 << 15, RCTL_VFE = 1 << 18, RCTL_CFIEN = 1 << 19, RCTL_CFI = 1 << 20,
    RCTL_DPF = 1 << 22, RCTL_PMCF = 1 << 23,
    RCTL_BSEX = 1 << 25, RCTL_SECRC = 1 << 26,
};
/* 13.4.33 */
enum { TCTL_EN = 1 << 1, TCTL_PSP = 1 << 3 };

typedef struct E1000Ring {            /* 3.2.6, 3.4: base low, high, length, head, tail */
    uint32_t bal, bah, len, head, tail;
} E1000Ring;

typedef struct E1000Context {         /* 3.3.6: where checksums go and how a frame is cut */
    uint8_t  ipcss, ipcso, tucss, tucso, hdrlen, tucmd;
    uint16_t ipcse, tucse, mss;
    uint32_t paylen;
} E1000Context;

/* 13.7, those that this model counts; 64-bit ones as two registers */
typedef struct E1000Stats {
    uint32_t mpc, prc64, prc127, prc255, prc511, prc1023, prc1522, gprc, bprc, mprc, gptc, rnbc,
        ruc, roc, rjc, tpr, tpt;
    uint32_t gorcl, gorch, gotcl, gotch, torl, torh, totl, toth;
    uint32_t ptc64, ptc127, ptc255, ptc511, ptc1023, ptc1522, mptc, bptc, tsctc;
} E1000Stats;

typedef struct E1000 {
    PciDevice pci;
    NetEnd    nic;
    NetEnd   *netdev;                 /* property */
    char     *mac_text;               /* property */
    uint8_t   mac[6];
    Region    mmio, io;
    uint32_t  io_addr;                /* 13.3.1: IOADDR */

    /* registers, under the manual's names */
    uint32_t ctrl, status, eecd, eerd, ctrl_ext, fla, mdic, fcal, fcah, fct, vet, icr, itr, ims,
        rctl, fcttv, txcw, rxcw, tctl, tipg, ait, ledctl, pba, rdtr, radv, rsrpd, tidv, tadv,
        txdctl, rxdctl, tspmt, rxcsum, wuc, wufc, wus, ipav, manc;
    E1000Ring rx, tx;
    E1000Stats stats;
    uint32_t  ral[E1000_ADDRESSES], rah[E1000_ADDRESSES], mta[E1000_MTA], vfta[E1000_VFTA];

    /* microwire: 5.4 */
    uint16_t  eeprom[64];
    uint32_t  ee_shift;               /* bits that came in since CS, a leading 1 marks how many */
    uint16_t  ee_out;                 /* bits going out, the top one first */
    uint8_t   ee_left;                /* of them */
    bool      ee_write_on;

    uint16_t  phy[32];                /* 13.7.? of the PHY: MII registers */
    Timer     autoneg;

    /* transmit: a frame in the making */
    E1000Context ctx;
    uint8_t   tx_buf[E1000_TX_HEADER_MAX + 65536];
    uint32_t  tx_bytes;               /* in tx_buf */
    uint32_t  tso_sent;               /* payload bytes sent in earlier segments */
    uint8_t   tx_popts;               /* of the frame's first data descriptor */
    uint16_t  tx_special;
    bool      tx_tse, tx_vle, tx_skip;          /* tx_skip: too long, dropped at its end */
    bool      in_tx;

    Timer     itr_timer, rx_timer, tx_timer;
    uint64_t  itr_after_ns;           /* no interrupt before */
    uint64_t  rx_deadline_ns, tx_deadline_ns;   /* absolute timers: RADV, TADV; 0: not running */
} E1000;

void e1000_cause(E1000 *s, uint32_t causes);              /* sets bits of ICR and the pin */
void e1000_update_irq(E1000 *s);
void e1000_link(E1000 *s, bool up);

/* e1000_tx.c: all descriptors up to the tail */
void e1000_transmit(E1000 *s);
void e1000_tx_expired(void *dev);
bool e1000_receive(NetEnd *nic, const struct iovec *iov, unsigned n);       /* e1000_rx.c */
void e1000_rx_expired(void *dev);

void e1000_phy_reset(E1000 *s);                           /* e1000_phy.c */
void e1000_phy_link(E1000 *s);
void e1000_mdic_written(void *dev, uint64_t old, uint64_t val);
void e1000_autoneg_done(void *dev);
void e1000_eeprom_init(E1000 *s);
uint64_t e1000_eecd_read(void *dev, uint64_t val);
void e1000_eecd_written(void *dev, uint64_t old, uint64_t val);
void e1000_eerd_written(void *dev, uint64_t old, uint64_t val);

void e1000_count(uint32_t *counter);                      /* sticks at its maximum: 13.7 */
void e1000_count64(uint32_t *low, uint32_t *high, uint32_t bytes);
void e1000_count_size(uint32_t *first, size_t bytes);     /* first of the six counters by size */

static inline unsigned e1000_get16(const uint8_t *p)      /* as the network orders bytes */
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* RFC 1071: a sum of 16-bit words, of at most 64 KiB at a time, and its carries added in. */
static inline uint32_t e1000_add_up(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < n; i += 2) {
        sum += e1000_get16(p + i);
    }
    return n & 1 ? sum + ((uint32_t)p[n - 1] << 8) : sum;
}

static inline uint16_t e1000_fold(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static inline uint32_t e1000_ring_size(const E1000Ring *r)
{
    return (r->len & 0xfff80) / 16;
}

static inline hwaddr e1000_ring_at(const E1000Ring *r)
{
    return ((hwaddr)r->bah << 32 | (r->bal & ~15u)) + 16 * (hwaddr)r->head;
}
#endif
