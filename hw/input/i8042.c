/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042.c -- the PC's keyboard controller, with a keyboard and a mouse plugged in.
 *
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "keyboard and auxiliary device controller"
 *   (type 1).
 * Omits: password commands (none is ever installed), time-outs and parity errors of the serial
 *   lines, the time a byte takes on them: the next one is there as soon as the last was read.
 * Threads: with the machine lock.
 */
#include "cpu/x86/apicif.h"
#include "core/display.h"
#include "hw/input/input.h"
#include "hw/input/ps2.h"
#include "hw/misc/isa.h"

enum { DATA_PORT = 0x60, COMMAND_PORT = 0x64, IRQ_KBD = 1, IRQ_AUX = 12, RAM_BYTES = 32 };
enum { ST_OBF = 1, ST_SYS = 4, ST_COMMAND = 8, ST_UNLOCKED = 16, ST_AUX_OBF = 32 };
/* RAM byte 0 */
enum { CB_KBD_INT = 1, CB_AUX_INT = 2, CB_SYS = 4, CB_KBD_OFF = 16, CB_AUX_OFF = 32,
       CB_XLATE = 64 };
enum { OUT_RUN = 1, OUT_A20 = 2, OUT_KBD_OBF = 16, OUT_AUX_OBF = 32 };
enum {
    CMD_READ_RAM = 0x20, CMD_WRITE_RAM = 0x60, CMD_PASSWORD_TEST = 0xa4, CMD_AUX_OFF = 0xa7,
    CMD_AUX_ON = 0xa8,
    CMD_AUX_TEST = 0xa9, CMD_SELF_TEST = 0xaa, CMD_KBD_TEST = 0xab, CMD_KBD_OFF = 0xad,
    CMD_KBD_ON = 0xae,
    CMD_READ_INPUT = 0xc0, CMD_READ_OUTPUT = 0xd0, CMD_WRITE_OUTPUT = 0xd1,
    CMD_WRITE_KBD_OBUF = 0xd2,
    CMD_WRITE_AUX_OBUF = 0xd3, CMD_WRITE_AUX = 0xd4, CMD_A20_OFF = 0xdd, CMD_A20_ON = 0xdf,
    CMD_READ_TEST = 0xe0,
    CMD_PULSE = 0xf0,
};
enum { NO_PASSWORD = 0xf1, SELF_TEST_OK = 0x55, LINE_OK = 0x00, INPUT_PORT = 0xa0,
       TEST_INPUTS = 0x00 };

typedef struct I8042 {
    Device   dev;
    Region   data, command;
    Irq      kbd_irq, aux_irq;
    uint8_t  ram[RAM_BYTES];
    uint8_t  pending;                 /* a command that waits for its byte at port 60 */
    uint8_t  obuf;
    bool     full, from_aux;          /* the output buffer */
    bool     breaking;                /* translation has seen F0 */
    Ps2Kbd   kbd;
    Ps2Mouse mouse;
} I8042;

static void update_irqs(I8042 *s)
{
    irq_set(&s->kbd_irq, s->full && !s->from_aux && (s->ram[0] & CB_KBD_INT));
    irq_set(&s->aux_irq, s->full && s->from_aux && (s->ram[0] & CB_AUX_INT));
}

static void put_output(I8042 *s, uint8_t byte, bool from_aux)
{
    irq_set(&s->kbd_irq, false);      /* each byte is an edge of its own */
    irq_set(&s->aux_irq, false);
    s->obuf = byte;
    s->full = true;
    s->from_aux = from_aux;
    update_irqs(s);
}

/* A byte of the keyboard, through translation.  False: it was swallowed. */
static bool keyboard_byte(I8042 *s, uint8_t byte)
{
    if (s->ram[0] & CB_XLATE) {
        if (byte == 0xf0) {
            s->breaking = true;
            return false;
        }
        byte = ps2_translate(byte);
        if (s->breaking) {
            byte |= 0x80;
            s->breaking = false;
        }
    }
    put_output(s, byte, false);
    return true;
}

/* Fill an empty output buffer from whoever may send. */
static void refill(I8042 *s)
{
    while (!s->full && !(s->ram[0] & CB_KBD_OFF) && ps2_pending(&s->kbd.out)) {
        keyboard_byte(s, ps2_get(&s->kbd.out));
    }
    if (!s->full && !(s->ram[0] & CB_AUX_OFF)) {
        ps2mouse_fetch(&s->mouse);
        if (ps2_pending(&s->mouse.out)) {
            put_output(s, ps2_get(&s->mouse.out), true);
        }
    }
}

static void device_changed(void *dev)
{
    I8042 *s = dev;

    refill(s);
    if (s->dev.machine->console) {
        console_set_leds(s->dev.machine->console, s, s->kbd.leds);
    }
}

static uint64_t data_read(void *dev, hwaddr off, unsigned size)
{
    I8042 *s = dev;
    uint8_t val = s->obuf;

    if (s->full) {
        s->full = false;
        update_irqs(s);
        refill(s);
    }
    return val;
}

static uint64_t status_read(void *dev, hwaddr off, unsigned size)
{
    I8042 *s = dev;

    return (s->full ? ST_OBF : 0) | (s->ram[0] & CB_SYS ? ST_SYS : 0) | ST_COMMAND | ST_UNLOCKED |
           (s->full && s->from_aux ? ST_AUX_OBF : 0);
}

static uint8_t output_port(I8042 *s)
{
    return OUT_RUN | (x86_get_a20(s->dev.machine) ? OUT_A20 : 0) |
           (s->full && !s->from_aux ? OUT_KBD_OBF : 0) | (s->full && s->from_aux ? OUT_AUX_OBF : 0);
}

static void write_output_port(I8042 *s, uint8_t val)
{
    x86_set_a20(s->dev.machine, val & OUT_A20);
    if (!(val & OUT_RUN)) {
        machine_request(s, MACHINE_RESET);
    }
}

static void write_ram(I8042 *s, unsigned at, uint8_t val)
{
    s->ram[at % RAM_BYTES] = val;
    update_irqs(s);
    refill(s);
}

static void data_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    I8042 *s = dev;
    uint8_t cmd = s->pending;

    s->pending = 0;
    switch (cmd) {
    case 0:                           /* for the keyboard; sending switches its line on */
        s->ram[0] &= ~CB_KBD_OFF;
        ps2kbd_command(&s->kbd, val);
        break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + RAM_BYTES - 1:
        write_ram(s, cmd - CMD_WRITE_RAM, val);
        break;
    case CMD_WRITE_OUTPUT:
        write_output_port(s, val);
        break;
    case CMD_WRITE_KBD_OBUF:
        put_output(s, val, false);
        break;
    case CMD_WRITE_AUX_OBUF:
        put_output(s, val, true);
        break;
    case CMD_WRITE_AUX:
        s->ram[0] &= ~CB_AUX_OFF;
        ps2mouse_command(&s->mouse, val);
        break;
    default:
        break;
    }
}

/* Commands that answer with one byte; -1: this is none of them. */
static int answer(I8042 *s, uint8_t cmd)
{
    switch (cmd) {
    case CMD_READ_RAM ... CMD_READ_RAM + RAM_BYTES - 1:
        return s->ram[cmd - CMD_READ_RAM];
    case CMD_PASSWORD_TEST: return NO_PASSWORD;
    case CMD_AUX_TEST:      return LINE_OK;
    case CMD_SELF_TEST:     s->ram[0] |= CB_SYS; return SELF_TEST_OK;
    case CMD_KBD_TEST:      return LINE_OK;
    case CMD_READ_INPUT:    return INPUT_PORT;
    case CMD_READ_OUTPUT:   return output_port(s);
    case CMD_READ_TEST:     return TEST_INPUTS;
    default:                return -1;
    }
}

static void command_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    I8042 *s = dev;
    uint8_t cmd = val;
    int byte = answer(s, cmd);

    s->pending = 0;
    if (byte >= 0) {
        put_output(s, byte, false);
        return;
    }
    switch (cmd) {
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + RAM_BYTES - 1:
    case CMD_WRITE_OUTPUT: case CMD_WRITE_KBD_OBUF: case CMD_WRITE_AUX_OBUF: case CMD_WRITE_AUX:
        s->pending = cmd;
        break;
    case CMD_AUX_OFF: s->ram[0] |= CB_AUX_OFF; break;
    case CMD_AUX_ON:  s->ram[0] &= ~CB_AUX_OFF; break;
    case CMD_KBD_OFF: s->ram[0] |= CB_KBD_OFF; break;
    case CMD_KBD_ON:  s->ram[0] &= ~CB_KBD_OFF; break;
    case CMD_A20_OFF: case CMD_A20_ON:
        x86_set_a20(s->dev.machine, cmd == CMD_A20_ON);
        break;
    case CMD_PULSE ... 0xff:          /* bits 3:0, 0 pulses the line; line 0 is reset */
        if (!(cmd & 1)) {
            machine_request(s, MACHINE_RESET);
        }
        break;
    default:
        guest_error(s, "unknown command 0x%02x", cmd);
        break;
    }
    refill(s);
}

static const MmioOps data_ops = { .read = data_read, .write = data_write, .min = 1, .max = 1 };
static const MmioOps command_ops = { .read = status_read, .write = command_write, .min = 1,
                                     .max = 1 };

void i8042_key(void *kbc, unsigned evdev, bool down)
{
    ps2kbd_key(&((I8042 *)kbc)->kbd, evdev, down);
}

void i8042_pointer(void *kbc, int dx, int dy, int dz, unsigned buttons)
{
    ps2mouse_move(&((I8042 *)kbc)->mouse, dx, dy, dz, buttons);
}

unsigned i8042_leds(void *kbc)
{
    return ((I8042 *)kbc)->kbd.leds;
}

static void i8042_reset(void *dev)
{
    I8042 *s = dev;

    for (unsigned i = 0; i < RAM_BYTES; i++) {
        s->ram[i] = 0;
    }
    s->ram[0] = CB_KBD_INT | CB_AUX_INT;
    s->pending = s->obuf = 0;
    s->full = s->from_aux = s->breaking = false;
    ps2kbd_reset(&s->kbd);
    ps2mouse_reset(&s->mouse);
    update_irqs(s);
}

static bool i8042_realize(void *dev, GError **err)
{
    I8042 *s = dev;

    region_init_io(&s->data, "i8042-data", &data_ops, s, 1);
    region_init_io(&s->command, "i8042-command", &command_ops, s, 1);
    ps2kbd_init(&s->kbd, s->dev.machine, device_changed, s);
    ps2mouse_init(&s->mouse, device_changed, s);
    return isa_irq(s, &s->kbd_irq, IRQ_KBD, err) && isa_irq(s, &s->aux_irq, IRQ_AUX, err) &&
           isa_map(s, &s->data, DATA_PORT, err) && isa_map(s, &s->command, COMMAND_PORT, err);
}

static void i8042_unrealize(void *dev)
{
    timer_stop(&((I8042 *)dev)->kbd.repeat);
}

void *i8042_create(Machine *m, Bus *isa, GError **err)
{
    static const InputOps input = { .key = i8042_key, .pointer = i8042_pointer };
    I8042 *s = device_new(m, isa, "i8042", NULL, err);

    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    if (m->console) {
        console_input(m->console, &input, s);
    }
    return s;
}

static const Field i8042_fields[] = {
    STATE_ARRAY(I8042, ram),
    STATE(I8042, pending),
    STATE(I8042, obuf),
    STATE(I8042, full),
    STATE(I8042, from_aux),
    STATE(I8042, breaking),
    STATE_STRUCT(I8042, kbd, Ps2Kbd, ps2kbd_fields),
    STATE_STRUCT(I8042, mouse, Ps2Mouse, ps2mouse_fields),
    STATE_IRQ(I8042, kbd_irq),
    STATE_IRQ(I8042, aux_irq),
    FIELD_END
};

const DeviceClass i8042_class = {
    .name = "i8042",
    .desc = "keyboard controller, keyboard and mouse",
    .spec = "IBM PS/2 Hardware Interface Technical Reference",
    .bus = "isa",
    .size = sizeof(I8042),
    .fields = i8042_fields,
    .realize = i8042_realize,
    .unrealize = i8042_unrealize,
    .reset = i8042_reset,
};
