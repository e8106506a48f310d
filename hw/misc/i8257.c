/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8257.c -- the PC's two DMA controllers and their page registers.
 *
 * Spec: Intel 8237A (231466-005); page registers and address map: 82371SB (290550-002) 2.5.1.
 * Omits: memory-to-memory transfers, rotating priority and compressed timing: a device's block
 *   moves at once.  Port 80h (a page register that no channel uses) takes POST codes.
 * Threads: with the machine lock.
 *
 * Channels 0 to 3 move bytes within 64 KiB, 5 to 7 words within 128 KiB; the page register gives
 * the address bits above.
 */
#include "core/log.h"
#include "hw/misc/dma.h"
#include "hw/misc/isa.h"

enum { N_CONTROLLERS = 2, N_CHANNELS = 4, N_PAGES = 16, N_REGS = 16, POST_CODE = 0 };
enum {                                /* write and read addresses 8-F: figure 7 */
    COMMAND_STATUS = 8, REQUEST, MASK_ONE, MODE, CLEAR_FLIPFLOP, MASTER_CLEAR, CLEAR_MASK, MASK_ALL,
};

enum { MODE_DECREMENT = 0x20, MODE_AUTO = 0x10, MODE_KIND = 0x0c, KIND_VERIFY = 0,
       KIND_TO_MEMORY = 4, KIND_FROM_MEMORY = 8,
       MODE_SERVICE = 0xc0, SERVICE_CASCADE = 0xc0, COMMAND_DISABLE = 4 };

typedef struct Dma {
    uint16_t address[N_CHANNELS], count[N_CHANNELS];      /* the current registers */
    uint16_t base_address[N_CHANNELS], base_count[N_CHANNELS];
    uint8_t  mode[N_CHANNELS];
    uint8_t  command, status, request, mask;
    bool     high_byte;               /* the flip-flop */
} Dma;

typedef struct I8257 {
    Device  dev;
    Dma     dma[N_CONTROLLERS];
    uint8_t page[N_PAGES];
    Region  low, high, pages;         /* 0-f, c0-df, 80-8f */
    DmaUser user[N_CONTROLLERS * N_CHANNELS];
} I8257;

/* Page registers by channel, as offsets from port 80h: 2.5.1. */
static const uint8_t page_of[N_CONTROLLERS * N_CHANNELS] = { 7, 3, 1, 2, 0xf, 0xb, 9, 0xa };

/* ---- transfers ---- */

/*
 * Does the channel take cycles now?  The second controller must let the first one through channel
 * 4.
 */
static bool is_open(const I8257 *s, unsigned channel)
{
    const Dma *d = &s->dma[channel >> 2], *master = &s->dma[1];
    unsigned   bit = 1u << (channel & 3);

    if ((d->command & COMMAND_DISABLE) || (d->mask & bit) ||
        (d->mode[channel & 3] & MODE_SERVICE) == SERVICE_CASCADE) {
        return false;
    }
    return channel >= N_CHANNELS || (!(master->command & COMMAND_DISABLE) && !(master->mask & 1));
}

/* Those whose request waits may go on: something was unmasked, enabled or given another mode. */
static void wake(I8257 *s)
{
    for (unsigned c = 0; c < N_CONTROLLERS * N_CHANNELS; c++) {
        if ((s->dma[c >> 2].status >> (c & 3) & 0x10) && s->user[c].ready && is_open(s, c)) {
            s->user[c].ready(s->user[c].dev);
        }
    }
}

bool dma_attach(void *dma, unsigned channel, const DmaUser *user, GError **err)
{
    I8257 *s = dma;

    if (channel >= N_CONTROLLERS * N_CHANNELS || channel == N_CHANNELS || s->user[channel].dev) {
        return fail(err, "DMA channel %u is not there, or taken by another device", channel);
    }
    s->user[channel] = *user;
    return true;
}

void dma_request(void *dma, unsigned channel, bool level)
{
    Dma    *d = &((I8257 *)dma)->dma[channel >> 2];
    uint8_t bit = (uint8_t)(0x10u << (channel & 3));

    d->status = level ? d->status | bit : d->status & (uint8_t)~bit;
}

/* Count ran out: the base registers come back with autoinitialise, else the channel is masked. */
static void terminal_count(Dma *d, unsigned i)
{
    d->status |= (uint8_t)(1u << i);
    if (d->mode[i] & MODE_AUTO) {
        d->address[i] = d->base_address[i];
        d->count[i] = d->base_count[i];
    } else {
        d->mask |= (uint8_t)(1u << i);
    }
}

unsigned dma_transfer(void *dma, unsigned channel, void *buf, unsigned n, bool to_memory, bool *tc)
{
    I8257   *s = dma;
    Dma     *d = &s->dma[channel >> 2];
    unsigned i = channel & 3, wide = channel >= N_CHANNELS, done = 0, kind = d->mode[i] & MODE_KIND;

    *tc = false;
    if (!is_open(s, channel) ||
        (kind != KIND_VERIFY && kind != (to_memory ? KIND_TO_MEMORY : KIND_FROM_MEMORY))) {
        return 0;
    }
    while (done + (1u << wide) <= n && !*tc) {
        uint64_t page = wide ? (uint64_t)(s->page[page_of[channel]] & 0xfe) << 16
                             : (uint64_t)s->page[page_of[channel]] << 16;
        /* As far as the address goes up without wrapping: one copy; downwards a cycle at a time. */
        unsigned cycles =
            d->mode[i] & MODE_DECREMENT
                ? 1
                : MIN(MIN((n - done) >> wide, d->count[i] + 1u), 0x10000u - d->address[i]);
        hwaddr   at = page + ((hwaddr)d->address[i] << wide);
        if (kind != KIND_VERIFY && to_memory) {
            as_write(s->dev.machine->as_memory, at, (uint8_t *)buf + done, cycles << wide);
        } else if (kind != KIND_VERIFY) {
            as_read(s->dev.machine->as_memory, at, (uint8_t *)buf + done, cycles << wide);
        }
        done += cycles << wide;
        d->address[i] = (uint16_t)(d->mode[i] & MODE_DECREMENT ? d->address[i] - cycles
                                                               : d->address[i] + cycles);
        *tc = cycles > d->count[i];
        d->count[i] = (uint16_t)(d->count[i] - cycles);
    }
    if (*tc) {
        terminal_count(d, i);
    }
    return done;
}

/* ---- registers ---- */

static uint8_t dma_read(Dma *d, unsigned reg)
{
    uint16_t v;
    bool high = d->high_byte;

    if (reg < COMMAND_STATUS) {
        v = reg & 1 ? d->count[reg >> 1] : d->address[reg >> 1];
        d->high_byte = !high;
        return high ? v >> 8 : v;
    }
    switch (reg) {
    case COMMAND_STATUS:
        v = d->status;
        d->status &= 0xf0;            /* terminal counts */
        return v;
    case MASK_ALL:
        return d->mask | 0xf0;
    default:                          /* the temporary register, and write-only addresses */
        return 0;
    }
}

static void master_clear(Dma *d)
{
    d->command = d->request = 0;
    d->status &= 0xf0;                /* DREQ pins are what they are */
    d->mask = 0xf;
    d->high_byte = false;
}

static void set_channel_bit(uint8_t *bits, uint8_t val)
{
    uint8_t bit = 1u << (val & 3);

    *bits = val & 4 ? *bits | bit : *bits & ~bit;
}

static void dma_write(Dma *d, unsigned reg, uint8_t val)
{
    uint16_t *v;

    switch (reg) {
    case COMMAND_STATUS: d->command = val; break;
    case REQUEST:        set_channel_bit(&d->request, val); break;
    case MASK_ONE:       set_channel_bit(&d->mask, val); break;
    case MODE:           d->mode[val & 3] = val; break;
    case CLEAR_FLIPFLOP: d->high_byte = false; break;
    case MASTER_CLEAR:   master_clear(d); break;
    case CLEAR_MASK:     d->mask = 0; break;
    case MASK_ALL:       d->mask = val & 0xf; break;
    default:
        v = reg & 1 ? &d->count[(reg >> 1) & 3] : &d->address[(reg >> 1) & 3];
        *v = d->high_byte ? (*v & 0xff) | val << 8 : (*v & 0xff00) | val;
        (reg & 1 ? d->base_count : d->base_address)[(reg >> 1) & 3] = *v;
        d->high_byte = !d->high_byte;
        break;
    }
}

static uint64_t low_read(void *dev, hwaddr off, unsigned size)
{
    return dma_read(&((I8257 *)dev)->dma[0], off % N_REGS);
}

static void low_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    dma_write(&((I8257 *)dev)->dma[0], off % N_REGS, val);
    wake(dev);
}

/* The 16-bit controller sits on even ports. */
static uint64_t high_read(void *dev, hwaddr off, unsigned size)
{
    return dma_read(&((I8257 *)dev)->dma[1], (off >> 1) % N_REGS);
}

static void high_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    dma_write(&((I8257 *)dev)->dma[1], (off >> 1) % N_REGS, val);
    wake(dev);
}

static uint64_t page_read(void *dev, hwaddr off, unsigned size)
{
    return ((I8257 *)dev)->page[off % N_PAGES];
}

static void page_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    I8257 *s = dev;

    s->page[off % N_PAGES] = val;
    if (off == POST_CODE && log_on(LOG_IO)) {
        log_write("%s: POST code 0x%02x\n", s->dev.path, (unsigned)val);
    }
}

static const MmioOps low_ops = { .read = low_read, .write = low_write, .min = 1, .max = 1 };
static const MmioOps high_ops = { .read = high_read, .write = high_write, .min = 1, .max = 1 };
static const MmioOps page_ops = { .read = page_read, .write = page_write, .min = 1, .max = 1 };

static bool i8257_realize(void *dev, GError **err)
{
    I8257 *s = dev;

    region_init_io(&s->low, "dma1", &low_ops, s, 0x10);
    region_init_io(&s->high, "dma2", &high_ops, s, 0x20);
    region_init_io(&s->pages, "dma-pages", &page_ops, s, N_PAGES);
    return isa_map(s, &s->low, 0x00, err) && isa_map(s, &s->high, 0xc0, err) &&
           isa_map(s, &s->pages, 0x80, err);
}

static void i8257_reset(void *dev)
{
    I8257 *s = dev;

    for (unsigned i = 0; i < N_CONTROLLERS; i++) {
        s->dma[i] = (Dma){ .mask = 0xf };
    }
    s->dma[1].mode[0] = SERVICE_CASCADE;
    for (unsigned i = 0; i < N_PAGES; i++) {
        s->page[i] = 0;
    }
}

void *dma_create(Machine *m, Bus *isa, GError **err)
{
    void *d = device_new(m, isa, "i8257", NULL, err);

    return d && device_realize(d, err) ? d : NULL;
}

static const Field dma_fields[] = {
    STATE_ARRAY(Dma, address),
    STATE_ARRAY(Dma, count),
    STATE_ARRAY(Dma, base_address),
    STATE_ARRAY(Dma, base_count),
    STATE_ARRAY(Dma, mode),
    STATE(Dma, command),
    STATE(Dma, status),
    STATE(Dma, request, .max = 0xf),
    STATE(Dma, mask, .max = 0xf),
    STATE(Dma, high_byte),
    FIELD_END
};

static const Field i8257_fields[] = {
    STATE_STRUCT(I8257, dma, Dma, dma_fields),
    STATE_ARRAY(I8257, page),
    FIELD_END
};

const DeviceClass i8257_class = {
    .name = "i8257",
    .desc = "DMA controllers and page registers",
    .spec = "Intel 8237A (231466-005)",
    .bus = "isa",
    .size = sizeof(I8257),
    .fields = i8257_fields,
    .realize = i8257_realize,
    .reset = i8257_reset,
};
