/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000.c -- 82540EM against a cable whose far end is the test: EEPROM, PHY, frames both ways,
 * segmentation, hostile rings.
 */
#include "net/net.h"
#include "tests/dev/scripted/rig.h"
#include <string.h>

enum { RAM_BYTES = 1 << 20, BAR = 0x20000000, DEVFN = 3 << 3, TX_RING = 0x1000, RX_RING = 0x2000,
       BUF = 0x10000, RX_BUF = 0x40000 };
enum {
    CTRL = 0,
    STATUS = 8,
    EECD = 0x10,
    EERD = 0x14,
    MDIC = 0x20,
    ICR = 0xc0,
    ITR = 0xc4,
    IMS = 0xd0,
    IMC = 0xd8,
    RCTL = 0x100,
    TCTL = 0x400,
    RDBAL = 0x2800,
    TDBAL = 0x3800,
    RDTR = 0x2820,
    RXCSUM = 0x5000,
    RAL = 0x5400,
    MTA = 0x5200,
    GPTC = 0x4080,
    MAC_BYTES = 6
};
enum { DD = 1, EOP = 1, IFCS = 2, RS = 8, DEXT = 32, TSE = 4, SENT_MAX = 64 };

static struct { size_t bytes; uint8_t data[2048]; } sent[SENT_MAX];
static unsigned n_sent;
static NetEnd   far;
static const uint8_t mac[MAC_BYTES] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static bool far_receive(NetEnd *e, const struct iovec *iov, unsigned n)
{
    ck_assert_uint_lt(n_sent, SENT_MAX);
    ck_assert_uint_le(iov_bytes(iov, n), sizeof(sent[0].data));
    sent[n_sent].bytes = iov_copy(iov, n, 0, sent[n_sent].data, sizeof(sent[0].data));
    n_sent++;
    return true;
}

static const NetOps far_ops = { .name = "test", .receive = far_receive };

static void *find_far(Machine *m, const char *id)
{
    return strcmp(id, "far") ? NULL : &far;
}

static uint32_t rd(uint32_t at)
{
    MemResult res;
    return (uint32_t)io_read(rig.m->as_memory, BAR + at, 4, &res);
}

static void wr(uint32_t at, uint32_t val)
{
    io_write(rig.m->as_memory, BAR + at, val, 4);
}

static void poke(hwaddr at, const void *p, size_t n)
{
    ck_assert_int_eq(as_write(rig.m->as_memory, at, p, n), MEM_OK);
}

static void peek(hwaddr at, void *p, size_t n)
{
    ck_assert_int_eq(as_read(rig.m->as_memory, at, p, n), MEM_OK);
}

static void up(void)
{
    rig_up();
    rig_pc(1);
    Machine *m = rig.m;
    far = (NetEnd){ .ops = &far_ops, .machine = m, .id = (char *)"far" };
    g_queue_init(&far.backlog);
    device_link_kind(m, "netdev", find_far);
    rig_ram(RAM_BYTES);
    rig_pci();
    rig_pci_add("e1000", 3, "netdev", "far", "romfile", "", NULL);
    pci_config_write(&rig.host->bus, DEVFN, 0x10, BAR, 4);
    pci_config_write(&rig.host->bus, DEVFN, 0x04, 6, 2);
    m->state = RUN_RUNNING;
    n_sent = 0;
}

#define NIC_TEST(fn) RIG_TEST_IN(s, "e1000", up, rig_down, fn)

static bool pin(void)
{
    return pci_config_read(&rig.host->bus, DEVFN, 0x06, 2) & 8;
}

/* ---- EEPROM and PHY ---- */

static uint16_t eerd(unsigned at)
{
    wr(EERD, at << 8 | 1);
    ck_assert(rd(EERD) & 0x10);
    return (uint16_t)(rd(EERD) >> 16);
}

static void clock_bit(bool in)
{
    wr(EECD, 2 | (in ? 4 : 0));
    wr(EECD, 3 | (in ? 4 : 0));
}

/* As drivers of this part do: opcode 110, six bits of address, sixteen clocks. */
static uint16_t microwire(unsigned at)
{
    uint16_t v = 0;

    wr(EECD, 2);
    for (int i = 8; i >= 0; i--) {
        clock_bit((6u << 6 | at) >> i & 1);
    }
    for (unsigned i = 0; i < 16; i++) {
        clock_bit(false);
        v = (uint16_t)(v << 1 | (rd(EECD) >> 3 & 1));
    }
    wr(EECD, 0);
    return v;
}

START_TEST(eeprom)
{
    uint16_t sum = 0;

    for (unsigned i = 0; i < 64; i++) {
        ck_assert_uint_eq(microwire(i), eerd(i));
        sum = (uint16_t)(sum + eerd(i));
    }
    ck_assert_uint_eq(sum, 0xbaba);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(eerd(i), mac[2 * i] | mac[2 * i + 1] << 8);
    }
    ck_assert_uint_eq(rd(RAL), 0x12005452);
    ck_assert_uint_eq(rd(RAL + 4), 0x80005634);
}
END_TEST

static uint16_t phy_read(unsigned at)
{
    wr(MDIC, 2u << 26 | 1u << 21 | at << 16);
    ck_assert_uint_eq(rd(MDIC) >> 28 & 5, 1);
    return (uint16_t)rd(MDIC);
}

START_TEST(phy)
{
    ck_assert_uint_eq(phy_read(2), 0x0141);
    ck_assert_uint_eq(phy_read(3) & 0xfff0, 0x0c20);
    ck_assert(phy_read(1) & 4);
    wr(MDIC, 2u << 26 | 2u << 21);
    ck_assert(rd(MDIC) & 1u << 30);             /* another address: an error */
    wr(IMS, 4);
    /* restart: down, then up again with an interrupt for each */
    wr(MDIC, 1u << 26 | 1u << 21 | 0x1200);
    ck_assert(!(rd(STATUS) & 2) && pin());
    ck_assert_uint_eq(rd(ICR), 4);
    ck_assert(!pin());
    rig_run_ns(1000000000);
    ck_assert((rd(STATUS) & 2) && (phy_read(1) & 4) && pin());
    net_set_link(&far, false);
    ck_assert(!(rd(STATUS) & 2) && !(phy_read(1) & 4));
}
END_TEST

/* ---- transmit ---- */

static void tx_ring(uint32_t bytes)
{
    wr(TDBAL, TX_RING);
    wr(TDBAL + 4, 0);
    wr(TDBAL + 8, bytes);
    wr(TDBAL + 0x10, 0);
    wr(TDBAL + 0x18, 0);
    wr(TCTL, 0x1000a);
}

static void tx_desc(unsigned at, uint64_t addr, uint64_t info)
{
    poke(TX_RING + 16 * at, &addr, 8);
    poke(TX_RING + 16 * at + 8, &info, 8);
}

static uint8_t tx_status(unsigned at)
{
    uint8_t v;
    peek(TX_RING + 16 * at + 12, &v, 1);
    return v;
}

static void frame(uint8_t *f, size_t n)
{
    memset(f, 0xff, 6);
    memcpy(f + 6, mac, 6);
    for (size_t i = 12; i < n; i++) {
        f[i] = (uint8_t)(i * 5 + 1);
    }
}

START_TEST(send)
{
    uint8_t f[1000];

    frame(f, sizeof(f));
    poke(BUF, f, sizeof(f));
    tx_ring(256);
    wr(IMS, 1);
    /* one frame of two pieces, then a short one */
    tx_desc(0, BUF, 400);
    tx_desc(1, BUF + 400, 600 | (uint64_t)(EOP | RS) << 24);
    tx_desc(2, BUF, 20 | (uint64_t)(EOP | RS) << 24);
    wr(TDBAL + 0x18, 3);
    ck_assert_uint_eq(n_sent, 2);
    ck_assert(sent[0].bytes == 1000 && !memcmp(sent[0].data, f, 1000));
    ck_assert(sent[1].bytes == 60 && !memcmp(sent[1].data, f, 20) && !sent[1].data[59]);
    ck_assert_uint_eq(rd(TDBAL + 0x10), 3);
    ck_assert(!(tx_status(0) & DD) && (tx_status(1) & DD) && (tx_status(2) & DD));
    ck_assert(pin() && (rd(ICR) & 1) && !pin());
    ck_assert_uint_eq(rd(GPTC), 2);
    ck_assert_uint_eq(rd(GPTC), 0);
    for (unsigned i = 0; i < 16; i++) {                   /* around the ring's end */
        tx_desc(i, BUF, 64 | (uint64_t)EOP << 24);
    }
    wr(TDBAL + 0x18, 2);
    ck_assert_uint_eq(n_sent, 2 + 15);
    ck_assert_uint_eq(rd(TDBAL + 0x10), 2);
}
END_TEST

static uint16_t sum_of(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++) {
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* A large send of 2500 bytes over an MSS of 1000: three segments, each right by itself. */
START_TEST(segments)
{
    static uint8_t f[54 + 2500];
    uint8_t *ip = f + 14, *tcp = f + 34;

    frame(f, sizeof(f));
    memcpy(f + 12, "\x08\x00\x45\x00", 4);
    memset(ip + 2, 0, 10);
    ip[4] = 0x12;
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, "\x0a\x00\x02\x0f\x0a\x00\x02\x02", 8);
    memset(tcp, 0, 20);
    tcp[7] = 100;
    tcp[12] = 0x50;
    tcp[13] = 0x19;                                       /* ACK, PSH, FIN */
    /* without the length, as drivers prepare it */
    uint16_t pseudo = sum_of(ip + 12, 8, 6);
    tcp[16] = (uint8_t)(pseudo >> 8);
    tcp[17] = (uint8_t)pseudo;
    poke(BUF, f, sizeof(f));
    tx_ring(256);
    tx_desc(0, 14 | 24u << 8 | 33u << 16 | 34ull << 32 | 50ull << 40,
            2500 | (uint64_t)(DEXT | TSE | RS | 3) << 24 | 54ull << 40 | 1000ull << 48);
    tx_desc(1, BUF, 54 | 1u << 20 | (uint64_t)(DEXT | TSE) << 24 | 3ull << 40);
    tx_desc(2, BUF + 54, 2500 | 1u << 20 | (uint64_t)(DEXT | TSE | EOP | RS) << 24 | 3ull << 40);
    wr(TDBAL + 0x18, 3);
    ck_assert_uint_eq(n_sent, 3);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *g = sent[i].data, *gip = g + 14, *gtcp = g + 34;
        size_t         payload = i < 2 ? 1000 : 500;
        ck_assert_uint_eq(sent[i].bytes, 54 + payload);
        ck_assert_uint_eq((unsigned)(gip[2] << 8 | gip[3]), 40 + payload);
        ck_assert_uint_eq((unsigned)(gip[4] << 8 | gip[5]), 0x1200 + i);
        ck_assert_uint_eq(sum_of(gip, 20, 0), 0xffff);
        ck_assert_uint_eq((unsigned)(gtcp[6] << 8 | gtcp[7]), 100 + 1000 * i);
        ck_assert_uint_eq(gtcp[13], i < 2 ? 0x10 : 0x19);
        ck_assert_uint_eq(
            sum_of(gtcp, 20 + payload, sum_of(gip + 12, 8, 6 + 20 + (uint32_t)payload)), 0xffff);
        ck_assert(!memcmp(g + 54, f + 54 + 1000 * i, payload));
    }
}
END_TEST

/* ---- receive ---- */

static void rx_ring(unsigned buffers, uint32_t rctl)
{
    uint64_t zero = 0;

    for (uint64_t i = 0; i < 16; i++) {
        uint64_t addr = RX_BUF + 2048 * i;
        poke(RX_RING + 16 * i, &addr, 8);
        poke(RX_RING + 16 * i + 8, &zero, 8);
    }
    wr(RDBAL, RX_RING);
    wr(RDBAL + 4, 0);
    wr(RDBAL + 8, 256);
    wr(RDBAL + 0x10, 0);
    wr(RDBAL + 0x18, buffers);
    wr(RCTL, 2 | rctl);
}

static void arrive(const uint8_t *f, size_t n)
{
    net_send(&far, &(struct iovec){ (void *)f, n }, 1);
}

static uint64_t rx_info(unsigned at)
{
    uint64_t v;
    peek(RX_RING + 16 * at + 8, &v, 8);
    return v;
}

START_TEST(receive)
{
    uint8_t f[1200], got[1200];

    frame(f, sizeof(f));
    memcpy(f, mac, 6);
    rx_ring(8, 1 << 15);                                  /* BAM */
    wr(IMS, 0x80);
    arrive(f, 100);
    ck_assert(pin() && (rd(ICR) & 0x80));
    ck_assert_uint_eq(rx_info(0) & 0xffff, 104);
    ck_assert_uint_eq(rx_info(0) >> 32 & 3, 3);           /* DD, EOP */
    peek(RX_BUF, got, 100);
    ck_assert(!memcmp(got, f, 100));
    wr(RCTL, 0);
    rx_ring(8, 3 << 16 | 1 << 26);                        /* 256-byte buffers, no FCS */
    arrive(f, 1000);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(rx_info(i) & 0xffff, i < 3 ? 256 : 1000 - 3 * 256);
        ck_assert_uint_eq(rx_info(i) >> 32 & 3, i < 3 ? 1 : 3);
    }
    ck_assert_uint_eq(rd(RDBAL + 0x10), 4);
}
END_TEST

START_TEST(filters)
{
    uint8_t f[64];
    unsigned n;

    frame(f, sizeof(f));
    rx_ring(15, 0);
    arrive(f, 64);                                        /* broadcast without BAM */
    f[0] = 0x02;
    arrive(f, 64);                                        /* somebody else's */
    memcpy(f, "\x01\x00\x5e\x00\x00\xfb", 6);
    arrive(f, 64);                                        /* a group nobody asked for */
    ck_assert_uint_eq(rd(RDBAL + 0x10), 0);
    n = ((unsigned)f[5] << 8 | f[4]) >> 4 & 0xfff;
    wr(MTA + 4 * (n >> 5), 1u << (n & 31));
    arrive(f, 64);
    ck_assert_uint_eq(rd(RDBAL + 0x10), 1);
    ck_assert(rx_info(0) >> 32 & 0x80);                   /* PIF */
    f[0] = 0x02;
    wr(RCTL, 2 | 8);                                      /* UPE */
    arrive(f, 64);
    ck_assert_uint_eq(rd(RDBAL + 0x10), 2);
}
END_TEST

/* What finds no buffer waits for one, in order. */
START_TEST(backlog)
{
    uint8_t f[64], got[64];

    frame(f, sizeof(f));
    rx_ring(2, 1 << 15);
    for (unsigned i = 0; i < 5; i++) {
        f[20] = (uint8_t)i;
        arrive(f, 64);
    }
    ck_assert_uint_eq(rd(RDBAL + 0x10), 2);
    wr(RDBAL + 0x18, 9);
    ck_assert_uint_eq(rd(RDBAL + 0x10), 5);
    for (unsigned i = 0; i < 5; i++) {
        peek(RX_BUF + 2048 * i, got, 64);
        ck_assert_uint_eq(got[20], i);
    }
    /* a stopped machine takes nothing, and loses nothing */
    rig.m->state = RUN_PAUSED;
    arrive(f, 64);
    ck_assert_uint_eq(rd(RDBAL + 0x10), 5);
    rig.m->state = RUN_RUNNING;
    rig_run_ns(1000);
    ck_assert_uint_eq(rd(RDBAL + 0x10), 6);
}
END_TEST

/* 3.2.7: with RDTR the interrupt waits; ITR keeps two of them apart. */
START_TEST(moderation)
{
    uint8_t f[64];

    frame(f, sizeof(f));
    rx_ring(15, 1 << 15);
    wr(IMS, 0x80);
    wr(RDTR, 100);
    arrive(f, 64);
    ck_assert(!pin());
    rig_run_ns(100 * 1024 - 100);
    ck_assert(!pin());
    rig_run_ns(200);
    ck_assert(pin());
    rd(ICR);
    wr(RDTR, 0);
    wr(ITR, 1000);
    arrive(f, 64);
    ck_assert(pin());
    rd(ICR);
    arrive(f, 64);
    ck_assert(!pin());
    rig_run_ns(256 * 1000);
    ck_assert(pin());
}
END_TEST

/* Nothing that a driver programs harms more than its own frames. */
START_TEST(hostile)
{
    uint8_t f[64];

    frame(f, sizeof(f));
    tx_ring(256);
    wr(TDBAL + 0x18, 0xffff);                             /* a tail outside the ring */
    wr(TDBAL + 8, 0xfff80);
    wr(TDBAL, 0xfffffff0);                                /* a ring outside memory */
    wr(TDBAL + 0x18, 0xfff0);
    tx_ring(256);
    /* a megabyte in one frame */
    tx_desc(0, BUF, 0xfffff | 1u << 20 | (uint64_t)(DEXT | EOP | RS) << 24);
    tx_desc(1, 0, 1ull << 24 | (uint64_t)(DEXT | TSE) << 24 | 255ull << 40 | 65535ull << 48);
    tx_desc(2, 0, 0xfffff | 1u << 20 | (uint64_t)(DEXT | TSE | EOP | RS) << 24 | 3ull << 40);
    /* a checksum put outside */
    tx_desc(3, BUF, 100 | (uint64_t)(EOP | 4) << 24 | 255u << 16);
    wr(TDBAL + 0x18, 1);
    ck_assert_uint_eq(n_sent, 0);
    ck_assert(tx_status(0) & DD);
    wr(TDBAL + 0x10, 3);
    wr(TDBAL + 0x18, 4);
    ck_assert_uint_eq(n_sent, 1);
    rx_ring(8, 1 << 15);
    wr(RDBAL + 4, 0xffffffff);
    arrive(f, 64);
    wr(RDBAL + 0x10, 0xffff);
    arrive(f, 64);
    wr(RDBAL + 0x18, 0xffff);
    arrive(f, 64);
    rig_round_trip();
}
END_TEST

START_TEST(saved)
{
    uint8_t f[1000];

    frame(f, sizeof(f));
    poke(BUF, f, sizeof(f));
    tx_ring(256);
    tx_desc(0, BUF, 400);
    tx_desc(1, BUF + 400, 600 | (uint64_t)(EOP | RS) << 24);
    wr(TDBAL + 0x18, 1);
    rig_round_trip();                                     /* half a frame on its way */
    wr(TDBAL + 0x18, 2);
    ck_assert(n_sent == 1 && sent[0].bytes == 1000 && !memcmp(sent[0].data, f, 1000));
}
END_TEST

Suite *suite_e1000(void)
{
    Suite *s = suite_create("e1000");

    NIC_TEST(eeprom);
    NIC_TEST(phy);
    NIC_TEST(send);
    NIC_TEST(segments);
    NIC_TEST(receive);
    NIC_TEST(filters);
    NIC_TEST(backlog);
    NIC_TEST(moderation);
    NIC_TEST(hostile);
    NIC_TEST(saved);
    return s;
}
