/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serial.c -- 16550A UART on the ISA bus.
 *
 * Spec: National Semiconductor PC16550D (DS008652, 1995).
 * Omits: the baud rate does not slow anything (it sets the receiver's time-out); parity and framing
 *   errors, since host streams have none; sending a break; DMA signalling; OUT2 does not gate the
 *   interrupt (small kernels forget to set it).
 * Threads: with the machine lock.
 *
 * Bytes leave at once, so a polling guest never waits.  The "transmitter empty" interrupt however
 * is held back when a guest sends faster than BYTE_NS for longer than BURST_NS: an interrupt
 * handler that loops until nothing is pending would not end.
 */
#include "core/chardev.h"
#include "core/clock.h"
#include "core/device.h"
#include "hw/char/char.h"
#include "hw/misc/isa.h"

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR, N_PORTS };       /* table II */
enum { FIFO_BYTES = 16, N_SERIAL = 4 };
enum { IER_RX = 1, IER_TX = 2, IER_LINE = 4, IER_MODEM = 8, IER_ALL = 15 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_TX = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12,
       IIR_FIFO = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4 };
enum { LCR_BITS = 3, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_ALL = 31 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_BI = 16, LSR_THRE = 32, LSR_TEMT = 64, LSR_FIFO = 128,
       LSR_ERRORS = 30 };
enum { MSR_TERI = 4, MSR_DELTAS = 15, MSR_CTS = 16, MSR_DSR = 32, MSR_RI = 64, MSR_DCD = 128 };

#define BASE_BAUD       115200u
#define NS_PER_S        1000000000ull
#define BYTE_NS         1000u
#define BURST_NS        4000000u      /* 4 KiB */
#define MAX_TIMEOUT_NS  10000000u

typedef struct Fifo {
    /* flags: LSR error bits that came with the byte */
    uint8_t byte[FIFO_BYTES], flags[FIFO_BYTES];
    uint8_t head, count;
} Fifo;

typedef struct Serial {
    Device   dev;
    Irq      line;
    Chardev *chr;
    uint32_t iobase, irq, index;      /* UINT32_MAX: as usual for the index */
    uint8_t  ier, fcr, lcr, mcr, msr, scr;
    uint8_t  errors;                  /* OE and BI, until LSR is read */
    uint16_t divisor;
    Fifo     rx, tx;
    bool     tx_pending, rx_timeout;  /* interrupt conditions that are not levels */
    /* when a line of BYTE_NS would be done with all that was sent */
    uint64_t tx_paid_ns;
    Timer    tx_timer, rx_timer;
} Serial;

static const struct { uint16_t port; uint8_t irq; } usual[N_SERIAL] = {
    { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 },
};

/* --- FIFOs ------------------------------------------------------------------------------------ */

static unsigned fifo_depth(const Serial *s)
{
    return s->fcr & FCR_ENABLE ? FIFO_BYTES : 1;
}

static void fifo_push(Fifo *f, uint8_t byte, uint8_t flags)
{
    unsigned at = (f->head + f->count) % FIFO_BYTES;

    f->byte[at] = byte;
    f->flags[at] = flags;
    f->count++;
}

static uint8_t fifo_pop(Fifo *f)
{
    uint8_t byte = f->byte[f->head % FIFO_BYTES];

    f->head = (f->head + 1) % FIFO_BYTES;
    f->count--;
    return byte;
}

static bool has_flags(const Fifo *f)
{
    for (unsigned i = 0; i < f->count; i++) {
        if (f->flags[(f->head + i) % FIFO_BYTES]) {
            return true;
        }
    }
    return false;
}

/* --- interrupts ------------------------------------------------------------------------------- */

static unsigned rx_trigger(const Serial *s)
{
    static const uint8_t level[4] = { 1, 4, 8, 14 };

    return s->fcr & FCR_ENABLE ? level[s->fcr >> 6] : 1;
}

static uint8_t line_errors(const Serial *s)
{
    return s->errors | (s->rx.count ? s->rx.flags[s->rx.head % FIFO_BYTES] : 0);
}

/* Table III: by priority. */
static uint8_t interrupt_id(const Serial *s)
{
    if ((s->ier & IER_LINE) && line_errors(s)) {
        return IIR_LINE;
    }
    if ((s->ier & IER_RX) && s->rx.count >= rx_trigger(s)) {
        return IIR_RX;
    }
    if ((s->ier & IER_RX) && s->rx_timeout) {
        return IIR_TIMEOUT;
    }
    if ((s->ier & IER_TX) && s->tx_pending) {
        return IIR_TX;
    }
    if ((s->ier & IER_MODEM) && (s->msr & MSR_DELTAS)) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

static void update_irq(Serial *s)
{
    irq_set(&s->line, interrupt_id(s) != IIR_NONE);
}

/*
 * Four character times after the last byte went in or out, what is below the trigger level is
 * announced too.
 */
static void start_timeout(Serial *s)
{
    unsigned bits = 2 + 5 + (s->lcr & LCR_BITS) + (s->lcr >> 3 & 1);
    uint64_t ns = 4 * bits * (s->divisor ? s->divisor : 1) * NS_PER_S / BASE_BAUD;

    s->rx_timeout = false;
    if (s->rx.count && (s->fcr & FCR_ENABLE)) {
        timer_arm(&s->rx_timer, time_now(s->dev.machine, TIME_GUEST) + MIN(ns, MAX_TIMEOUT_NS));
    } else {
        timer_stop(&s->rx_timer);
    }
}

static void rx_fire(void *dev)
{
    Serial *s = dev;

    s->rx_timeout = s->rx.count != 0;
    update_irq(s);
}

static void tx_fire(void *dev)
{
    Serial *s = dev;

    s->tx_pending = s->tx.count == 0;
    update_irq(s);
}

/* --- the line --------------------------------------------------------------------------------- */

static void receive_byte(Serial *s, uint8_t byte, uint8_t flags)
{
    if (s->rx.count >= fifo_depth(s)) {
        s->errors |= LSR_OE;
        if (s->fcr & FCR_ENABLE) {
            return;                   /* the FIFO keeps what it has */
        }
        s->rx.count = 0;              /* the old character is lost */
    }
    fifo_push(&s->rx, byte, flags);
}

static void after_receive(Serial *s)
{
    start_timeout(s);
    update_irq(s);
}

static size_t serial_can_receive(void *dev)
{
    Serial *s = dev;
    unsigned depth = fifo_depth(s);

    return s->mcr & MCR_LOOP || s->rx.count >= depth ? 0 : depth - s->rx.count;
}

static void serial_receive(void *dev, const uint8_t *buf, size_t n)
{
    Serial *s = dev;

    for (size_t i = 0; i < n; i++) {
        receive_byte(s, buf[i], 0);
    }
    after_receive(s);
}

static void serial_event(void *dev, ChrEvent event)
{
    Serial *s = dev;

    if (event == CHR_BREAK && !(s->mcr & MCR_LOOP)) {
        receive_byte(s, 0, LSR_BI);
        after_receive(s);
    }
}

/* The transmitter has become empty: now, or when the guest may hear of it. */
static void announce_empty(Serial *s)
{
    uint64_t now = time_now(s->dev.machine, TIME_GUEST);

    if (s->tx_paid_ns > now) {
        timer_arm(&s->tx_timer, s->tx_paid_ns);
    } else {
        timer_stop(&s->tx_timer);
        s->tx_pending = true;
    }
}

static void send(Serial *s)
{
    while (s->tx.count) {
        uint8_t byte = s->tx.byte[s->tx.head % FIFO_BYTES];

        if (s->mcr & MCR_LOOP) {
            receive_byte(s, byte, 0);
            start_timeout(s);
        } else if (s->chr && chr_write(s->chr, &byte, 1) == 0) {
            return;                   /* serial_writable() goes on */
        }
        fifo_pop(&s->tx);
    }
    announce_empty(s);
}

static void serial_writable(void *dev)
{
    Serial *s = dev;

    if (s->tx.count) {
        send(s);
        update_irq(s);
    }
}

static void write_thr(Serial *s, uint8_t val)
{
    static const uint8_t mask[4] = { 0x1f, 0x3f, 0x7f, 0xff };
    uint64_t now = time_now(s->dev.machine, TIME_GUEST);
    uint64_t start = now > BURST_NS ? now - BURST_NS : 0;

    s->tx_paid_ns = MIN(MAX(s->tx_paid_ns, start) + BYTE_NS, now + 2 * FIFO_BYTES * BYTE_NS);
    s->tx_pending = false;
    if (s->tx.count >= fifo_depth(s)) {
        s->tx.count--;                /* the newest is overwritten */
    }
    fifo_push(&s->tx, val & mask[s->lcr & LCR_BITS], 0);
    send(s);
}

/* --- modem lines ------------------------------------------------------------------------------ */

static void set_modem_inputs(Serial *s, uint8_t inputs)
{
    uint8_t old = s->msr & 0xf0, changed = (old ^ inputs) >> 4;

    changed &= ~MSR_TERI;
    if ((old & MSR_RI) && !(inputs & MSR_RI)) {
        changed |= MSR_TERI;          /* only RI's trailing edge counts */
    }
    s->msr = inputs | (s->msr & MSR_DELTAS) | changed;
}

/* A partner that is always ready, or in loopback our own outputs. */
static uint8_t modem_inputs(const Serial *s)
{
    if (!(s->mcr & MCR_LOOP)) {
        return MSR_CTS | MSR_DSR | MSR_DCD;
    }
    return (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
           (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(Serial *s, uint8_t val)
{
    bool was_loop = s->mcr & MCR_LOOP;

    s->mcr = val & MCR_ALL;
    set_modem_inputs(s, modem_inputs(s));
    if (was_loop && !(val & MCR_LOOP) && s->chr) {
        chr_accept(s->chr);
    }
}

/* --- registers -------------------------------------------------------------------------------- */

static uint8_t read_rbr(Serial *s)
{
    uint8_t byte = 0;

    if (s->rx.count) {
        byte = fifo_pop(&s->rx);
        start_timeout(s);
        if (s->chr && !(s->mcr & MCR_LOOP)) {
            chr_accept(s->chr);
        }
    }
    return byte;
}

static uint8_t read_lsr(Serial *s)
{
    uint8_t val = line_errors(s);

    val |= s->rx.count ? LSR_DR : 0;
    val |= s->tx.count ? 0 : LSR_THRE | LSR_TEMT;
    val |= (s->fcr & FCR_ENABLE) && has_flags(&s->rx) ? LSR_FIFO : 0;
    s->errors = 0;
    if (s->rx.count) {
        s->rx.flags[s->rx.head % FIFO_BYTES] = 0;
    }
    return val;
}

static uint8_t read_iir(Serial *s)
{
    uint8_t id = interrupt_id(s);

    if (id == IIR_TX) {
        s->tx_pending = false;        /* reading it is the acknowledgement */
    }
    return id | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint64_t serial_read(void *dev, hwaddr off, unsigned size)
{
    Serial *s = dev;
    uint8_t val = 0;
    bool dlab = s->lcr & LCR_DLAB;

    switch (off) {
    case RBR_THR: val = dlab ? s->divisor : read_rbr(s); break;
    case IER:     val = dlab ? s->divisor >> 8 : s->ier; break;
    case IIR_FCR: val = read_iir(s); break;
    case LCR:     val = s->lcr; break;
    case MCR:     val = s->mcr; break;
    case LSR:     val = read_lsr(s); break;
    case MSR:     val = s->msr; s->msr &= ~MSR_DELTAS; break;
    case SCR:     val = s->scr; break;
    default:      break;
    }
    update_irq(s);
    return val;
}

static void write_ier(Serial *s, uint8_t val)
{
    bool tx_on = (val & IER_TX) && !(s->ier & IER_TX);

    s->ier = val & IER_ALL;
    if (tx_on && s->tx.count == 0) {
        announce_empty(s);            /* enabling it while empty interrupts at once */
    }
}

static void write_fcr(Serial *s, uint8_t val)
{
    bool toggled = (val ^ s->fcr) & FCR_ENABLE;

    if (toggled || (val & FCR_CLEAR_RX)) {
        s->rx.count = 0;
        start_timeout(s);
    }
    if (toggled || (val & FCR_CLEAR_TX)) {
        if (s->tx.count) {
            s->tx.count = 0;
            announce_empty(s);
        }
    }
    s->fcr = val & FCR_ENABLE ? val & 0xc9 : 0;
    if (s->chr) {
        chr_accept(s->chr);
    }
}

static void serial_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Serial *s = dev;
    bool dlab = s->lcr & LCR_DLAB;

    switch (off) {
    case RBR_THR:
        if (dlab) {
            s->divisor = (s->divisor & 0xff00) | val;
        } else {
            write_thr(s, val);
        }
        break;
    case IER:
        if (dlab) {
            s->divisor = (s->divisor & 0xff) | val << 8;
        } else {
            write_ier(s, val);
        }
        break;
    case IIR_FCR: write_fcr(s, val); break;
    case LCR:     s->lcr = val; break;
    case MCR:     write_mcr(s, val); break;
    case SCR:     s->scr = val; break;
    default:      break;              /* LSR and MSR: for factory tests only */
    }
    update_irq(s);
}

static const MmioOps serial_ops = { .read = serial_read, .write = serial_write, .min = 1,
                                    .max = 1 };

/* --- life ------------------------------------------------------------------------------------- */

static void serial_reset(void *dev)
{
    Serial *s = dev;

    timer_stop(&s->rx_timer);
    timer_stop(&s->tx_timer);
    s->ier = s->fcr = s->lcr = s->mcr = s->scr = s->errors = 0;
    s->divisor = 12;                  /* 9600 baud */
    s->rx = s->tx = (Fifo){ .count = 0 };
    s->tx_pending = s->rx_timeout = false;
    s->tx_paid_ns = 0;
    s->msr = modem_inputs(s);
    update_irq(s);
    if (s->chr) {
        chr_accept(s->chr);
    }
}

static bool serial_restored(void *dev, GError **err)
{
    Serial *s = dev;
    uint64_t limit = time_now(s->dev.machine, TIME_GUEST) + 2 * FIFO_BYTES * BYTE_NS;

    s->tx_paid_ns = MIN(s->tx_paid_ns, limit);
    s->rx.count = MIN(s->rx.count, fifo_depth(s));
    s->tx.count = MIN(s->tx.count, fifo_depth(s));
    return true;
}

/* The first of the four that no other serial port has. */
static uint32_t free_index(Serial *s)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < s->dev.machine->devices->len; i++) {
        Device *d = g_ptr_array_index(s->dev.machine->devices, i);
        if (d->class == s->dev.class && d->realized && ((Serial *)d)->index < N_SERIAL) {
            taken |= 1u << ((Serial *)d)->index;
        }
    }
    return __builtin_ctz(~taken);
}

static bool serial_realize(void *dev, GError **err)
{
    Serial *s = dev;
    Machine *m = s->dev.machine;

    s->index = s->index == UINT32_MAX ? free_index(s) : s->index;
    if (s->index >= N_SERIAL && (s->iobase == UINT32_MAX || s->irq == UINT32_MAX)) {
        return fail(err, "device \"isa-serial\": a PC has 4 serial ports; give a fifth its own "
                         "iobase= and irq=");
    }
    s->iobase = s->iobase == UINT32_MAX ? usual[s->index].port : s->iobase;
    s->irq = s->irq == UINT32_MAX ? usual[s->index].irq : s->irq;
    timer_init(&s->tx_timer, m, TIME_GUEST, tx_fire, s);
    timer_init(&s->rx_timer, m, TIME_GUEST, rx_fire, s);
    if (!isa_irq(s, &s->line, s->irq, err)) {
        return false;
    }
    if (s->chr) {
        chr_attach(s->chr, &(ChrUser){
            .can_receive = serial_can_receive, .receive = serial_receive, .event = serial_event,
            .writable = serial_writable, .dev = s,
        });
    }
    return true;
}

static void serial_unrealize(void *dev)
{
    Serial *s = dev;

    timer_stop(&s->tx_timer);
    timer_stop(&s->rx_timer);
    irq_set(&s->line, false);
}

void *serial_create(Machine *m, Bus *isa, unsigned index, Chardev *chr, GError **err)
{
    Serial *s = device_new(m, isa, "isa-serial", NULL, err);

    if (!s) {
        return NULL;
    }
    s->index = index;
    s->chr = chr;
    return device_realize(s, err) ? s : NULL;
}

static const Field fifo_fields[] = {
    STATE_ARRAY(Fifo, byte),
    STATE_ARRAY(Fifo, flags),
    STATE(Fifo, head, .max = FIFO_BYTES - 1),
    STATE(Fifo, count, .max = FIFO_BYTES),
    FIELD_END
};

static const Field serial_fields[] = {
    CONFIG(Serial, iobase, .def = UINT32_MAX,
           .help = "First of its eight I/O ports; default by index."),
    CONFIG(Serial, irq, .def = UINT32_MAX, .help = "ISA interrupt line; default by index."),
    CONFIG(Serial, index, .def = UINT32_MAX,
           .help = "0 is COM1 ... 3 is COM4; default is the first that is free."),
    CONFIG_LINK(Serial, chr, "chardev", "chardev",
                .help = "Character device that the line is connected to."),
    STATE(Serial, ier, .max = IER_ALL),
    STATE(Serial, fcr),
    STATE(Serial, lcr),
    STATE(Serial, mcr, .max = MCR_ALL),
    STATE(Serial, msr),
    STATE(Serial, scr),
    STATE(Serial, errors, .max = LSR_ERRORS),
    STATE(Serial, divisor),
    STATE_STRUCT(Serial, rx, Fifo, fifo_fields),
    STATE_STRUCT(Serial, tx, Fifo, fifo_fields),
    STATE(Serial, tx_pending),
    STATE(Serial, rx_timeout),
    STATE(Serial, tx_paid_ns),
    STATE_TIMER(Serial, tx_timer),
    STATE_TIMER(Serial, rx_timer),
    STATE_IRQ(Serial, line),
    FIELD_END
};

const DeviceClass serial_class = {
    .name = "isa-serial",
    .desc = "16550A serial port",
    .spec = "National Semiconductor PC16550D (DS008652)",
    .bus = "isa",
    .size = sizeof(Serial),
    .fields = serial_fields,
    .io = &serial_ops,
    .bank_size = N_PORTS,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = serial_reset,
    .restored = serial_restored,
};
