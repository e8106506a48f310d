/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.c -- a round trip of everything a table can hold, and streams that lie. */
#include "tests/unit/unit.h"

typedef struct Chan {
    uint16_t count[2];
    bool     on;
} Chan;
static const Field chan_fields[] = { STATE_ARRAY(Chan, count), STATE(Chan, on), FIELD_END };
typedef struct Obj {
    uint8_t  a, fifo[8];
    uint64_t b;
    int32_t  neg;
    uint32_t kind;
    Irq      irq;
    Timer    timer;
    Chan     chan[3];
    uint32_t reg;
} Obj;
static const char *const kinds[] = { "x", "y", NULL };
static const Field obj_fields[] = {
    STATE(Obj, a, .max = 15),
    STATE_ARRAY(Obj, fifo),
    STATE(Obj, b),
    STATE(Obj, neg, .min = (uint64_t)-10, .max = 10),
    FIELD_AS_(Obj, kind, T_ENUM, F_STATE, 1, .aux = kinds),
    STATE_IRQ(Obj, irq),
    STATE_TIMER(Obj, timer),
    STATE_STRUCT(Obj, chan, Chan, chan_fields),
    FIELD_END
};
static const Reg obj_regs[] = { REG(Obj, 0, reg), { .size = 0 } };

static void no_fire(void *dev)
{
}

static void fill(Obj *o, Machine *m)
{
    memset(o, 0, sizeof(*o));
    timer_init(&o->timer, m, TIME_GUEST, no_fire, o);
    o->a = 7;
    for (int i = 0; i < 8; i++) {
        o->fifo[i] = (uint8_t)(i * 3);
    }
    o->b = 0x123456789abcdef0;
    o->neg = -10;
    o->kind = 1;
    o->irq.level = true;
    o->chan[2] = (Chan){ { 5, 6 }, true };
    o->reg = 0xcafe;
    timer_arm(&o->timer, 1000000);
}

START_TEST(state_round_trip)
{
    Machine    *m = machine_new();
    GByteArray *out = g_byte_array_new(), *again = g_byte_array_new();
    GBytes     *in;
    Obj         a, b;

    fill(&a, m);
    memset(&b, 0, sizeof(b));
    timer_init(&b.timer, m, TIME_GUEST, no_fire, &b);
    state_save(out, "obj", obj_fields, obj_regs, &a);
    in = g_bytes_new(out->data, out->len);
    ck_ok(state_load(in, "obj", obj_fields, obj_regs, &b, &e_));
    state_save(again, "obj", obj_fields, obj_regs, &b);
    ck_assert(again->len == out->len && !memcmp(again->data, out->data, out->len));
    ck_assert(b.a == 7 && b.neg == -10 && b.irq.level && b.chan[2].count[1] == 6 &&
              b.timer.deadline_ns == 1000000);
    ck_assert(b.timer.slot != 0);
    timer_stop(&a.timer);
    timer_stop(&b.timer);
    g_bytes_unref(in);
    machine_free(m);
}
END_TEST

static bool load(const uint8_t *p, size_t n, Obj *o, char **why)
{
    GBytes *in = g_bytes_new(p, n);
    GError *err = NULL;
    bool    ok = state_load(in, "obj", obj_fields, obj_regs, o, &err);

    g_bytes_unref(in);
    *why = err ? g_strdup(err->message) : NULL;
    g_clear_error(&err);
    return ok;
}

/* Every truncation is refused; every change of one byte is refused or leaves values in range. */
START_TEST(state_hostile)
{
    Machine    *m = machine_new();
    GByteArray *out = g_byte_array_new();
    Obj         a, b;
    char       *why;

    fill(&a, m);
    state_save(out, "obj", obj_fields, obj_regs, &a);
    for (size_t n = 0; n < out->len; n++) {
        fill(&b, m);
        ck_assert_msg(!load(out->data, n, &b, &why), "%zu of %u bytes were taken", n, out->len);
        ck_assert_ptr_nonnull(why);
        timer_stop(&b.timer);
        g_free(why);
    }
    for (size_t i = 0; i < out->len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            out->data[i] ^= (uint8_t)(1u << bit);
            fill(&b, m);
            if (load(out->data, out->len, &b, &why)) {
                ck_assert(b.a <= 15 && b.neg >= -10 && b.neg <= 10 && b.kind <= 1);
            } else {
                ck_assert_ptr_nonnull(why);
            }
            g_free(why);
            timer_stop(&b.timer);
            out->data[i] ^= (uint8_t)(1u << bit);
        }
    }
    timer_stop(&a.timer);
    machine_free(m);
}
END_TEST

typedef struct New {
    uint8_t a, b;
} New;

/* A member newer than the stream keeps its value; a member the table lost refuses. */
START_TEST(state_versions)
{
    static const Field v0[] = { STATE(New, a), FIELD_END };
    static const Field v1[] = { STATE(New, a), STATE(New, b, .since = 1), FIELD_END };
    GByteArray *out = g_byte_array_new();
    New         n = { 3, 4 }, o = { 0, 9 };
    GBytes     *in;
    GError     *err = NULL;

    state_save(out, "n", v0, NULL, &n);
    in = g_bytes_new(out->data, out->len);
    ck_ok(state_load(in, "n", v1, NULL, &o, &e_));
    ck_assert(o.a == 3 && o.b == 9);
    g_byte_array_set_size(out, 0);
    state_save(out, "n", v1, NULL, &n);
    in = g_bytes_new(out->data, out->len);
    ck_assert(!state_load(in, "n", v0, NULL, &o, &err));
    ck_assert_ptr_nonnull(strstr(err->message, "\"b\""));
    g_clear_error(&err);
    ck_assert(!state_load(in, "other", v1, NULL, &o, &err));
}
END_TEST

START_TEST(state_machine)
{
    Machine    *m = machine_new();
    GByteArray *out;
    GError     *err = NULL;

    ck_ok(device_realize(device_new(m, NULL, "hpet", "t0", &e_), &e_));
    ck_ok(device_realize(device_new(m, NULL, "hpet", NULL, &e_), &e_));
    out = machine_save(m);
    ck_ok(machine_load(m, g_bytes_new(out->data, out->len), &e_));
    for (guint n = 0; n < out->len; n += 3) {
        ck_assert(!machine_load(m, g_bytes_new(out->data, n), &err));
        g_clear_error(&err);
    }
    ck_ok(device_realize(device_new(m, NULL, "hpet", NULL, &e_), &e_));
    ck_assert(!machine_load(m, g_bytes_new(out->data, out->len), &err));
    machine_free(m);
}
END_TEST

Suite *suite_state(void)
{
    Suite *s = suite_create("state");

    ADD(s, state_round_trip);
    ADD(s, state_hostile);
    ADD(s, state_versions);
    ADD(s, state_machine);
    return s;
}
