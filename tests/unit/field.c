/* SPDX-License-Identifier: GPL-2.0-or-later */
/* field.c -- values from text: sizes, switches, enums, ranges, and what the errors say. */
#include "tests/unit/unit.h"

static const char *const colours[] = { "red", "green", NULL };
typedef struct Inner {
    uint16_t x;
} Inner;
static const Field inner_fields[] = { CONFIG(Inner, x, .max = 100), FIELD_END };
typedef struct Thing {
    char     *name;
    uint64_t  size;
    uint8_t   small;
    int32_t   delta;
    bool      flag, wait;
    uint32_t  colour;
    Inner     inner;
    GPtrArray *rest;
} Thing;
static const Field thing_fields[] = {
    CONFIG(Thing, name),
    CONFIG(Thing, size, .def = 4096, .min = 512),
    CONFIG(Thing, small, .max = 10),
    CONFIG(Thing, delta, .min = (uint64_t)-5, .max = 5),
    CONFIG(Thing, flag),
    CONFIG(Thing, wait, .def = 1),
    CONFIG_ENUM(Thing, colour, colours),
    FIELD_AS_(Thing, inner, T_STRUCT, F_CONFIG, 1, .stride = sizeof(Inner), .aux = inner_fields),
    FIELD_END
};

static bool parse(Thing *t, const char *text, GError **err)
{
    memset(t, 0, sizeof(*t));
    fields_defaults(thing_fields, t);
    return fields_parse_text(thing_fields, t, text, err);
}

START_TEST(field_good)
{
    Thing t;

    ck_ok(parse(&t, "disk,,1,size=64k,small=0xa,delta=-5,flag=on,nowait,colour=green,inner.x=7",
                &e_));
    ck_assert_str_eq(t.name, "disk,1");
    ck_assert(t.size == 65536 && t.small == 10 && t.delta == -5 && t.flag && !t.wait &&
              t.colour == 1 && t.inner.x == 7);
    fields_clear(thing_fields, &t);
    ck_ok(parse(&t, "flag,size=1.5G", &e_));
    ck_assert(t.flag && t.wait && !t.name && t.size == 3ull << 29);
    ck_ok(parse(&t, "", &e_));
    ck_assert_uint_eq(t.size, 4096);
}
END_TEST

START_TEST(field_bad)
{
    static const char *const bad[][2] = {
        { "size=lots", "size=lots" }, { "size=1", "512" }, { "small=11", "0 to 10" },
        { "delta=-6", "-5 to 5" },
        { "flag=maybe", "on or off" }, { "colour=blue", "red, green" },
        { "nothing=1", "no property \"nothing\"" },
        { "size=99999999999999999999", "too large" }, { "size=17179869184G", "too large" },
        { "small=-1", "no number" },
        { "size=12q", "k, M, G or T" }, { "inner.x=101", "0 to 100" }, { "size=", "no number" },
        { "a,b", "\"b\"" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Thing   t;
        GError *err = NULL;
        ck_assert_msg(!parse(&t, bad[i][0], &err), "%s was taken", bad[i][0]);
        ck_assert_msg(strstr(err->message, bad[i][1]) != NULL, "%s: said \"%s\"", bad[i][0],
                      err->message);
        g_error_free(err);
        fields_clear(thing_fields, &t);
    }
}
END_TEST

Suite *suite_field(void)
{
    Suite *s = suite_create("field");

    ADD(s, field_good);
    ADD(s, field_bad);
    return s;
}
