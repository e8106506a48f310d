/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * field.h -- one record describes one member of one struct.
 *
 * The same const table drives -device properties, command-line options,
 * monitor arguments, snapshots, "info" output and docs/reference.md.
 */
#ifndef CORE_FIELD_H
#define CORE_FIELD_H
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    T_BOOL = 1, T_U8, T_U16, T_U32, T_U64, T_I32, T_I64, T_STR, T_ENUM, T_LINK,
    /* nested, aux is its Field table: dotted keys, JSON objects, arrays of channels */
    T_STRUCT,
    T_LIST,                 /* GPtrArray of such structs: JSON lists */
    T_TIMER,                /* saved as a deadline on the timer's own clock, armed again on load */
    T_IRQ,                  /* saved as a level, loaded without a call of the sink */
    T_RAM                   /* a Region with memory of its own: its pages that are not all zero */
} FieldType;
enum {
    F_CONFIG = 1, F_STATE = 2, F_REQUIRED = 4, F_LIVE = 8,
    F_WHOLE = 16,           /* the whole text is the value, commas and all (-append, -kernel) */
    F_MIB = 32,             /* a bare number counts MiB (-m) */
    /* T_LIST of char *: the key may be given again and again, each adds one */
    F_MANY = 128,
    /* T_LIST of OptPair: takes every key that no other field has (-device NAME,key=val,...) */
    F_REST = 64
};

typedef struct Field Field;
struct Field {
    const char *name;
    const char *help;       /* one sentence; copied verbatim into the manual */
    FieldType   type;
    uint8_t     flags;
    uint8_t     since;      /* snapshot version that introduced it */
    uint32_t    offset;
    uint32_t    count;      /* elements; 1 for a scalar */
    uint32_t    stride;     /* size of an element (T_STRUCT) */
    uint64_t    def, min, max;      /* max 0: whatever the type holds */
    const void *aux;        /* enum names, class name (T_LINK), or Field table (T_STRUCT, T_LIST) */
};

#define FIELD_TYPE_(x) _Generic((x), bool: T_BOOL, bool *: T_BOOL,     \
    uint8_t: T_U8,   uint8_t *: T_U8,   uint16_t: T_U16, uint16_t *: T_U16, \
    uint32_t: T_U32, uint32_t *: T_U32, uint64_t: T_U64, uint64_t *: T_U64, \
    int32_t: T_I32,  int32_t *: T_I32,  int64_t: T_I64,  int64_t *: T_I64,  \
    char *: T_STR, default: T_LINK)
#define FIELD_AS_(S, m, t, f, n, ...) { .name = #m, .type = t, \
    .flags = f, .offset = offsetof(S, m), .count = n, __VA_ARGS__ }
#define FIELD_(S, m, f, n, ...) FIELD_AS_(S, m, FIELD_TYPE_(((S *)0)->m), f, n, __VA_ARGS__)
#define CONFIG(S, m, ...)   FIELD_(S, m, F_CONFIG, 1, __VA_ARGS__)
#define STATE(S, m, ...)    FIELD_(S, m, F_STATE, 1, __VA_ARGS__)
#define STATE_ARRAY(S, m)   FIELD_(S, m, F_STATE, G_N_ELEMENTS(((S *)0)->m), .since = 0)
#define STATE_IRQ(S, m)     FIELD_AS_(S, m, T_IRQ, F_STATE, 1, .since = 0)
#define STATE_TIMER(S, m)   FIELD_AS_(S, m, T_TIMER, F_STATE, 1, .since = 0)
#define STATE_RAM(S, m)      FIELD_AS_(S, m, T_RAM, F_STATE, 1, .since = 0)
/* byte arrays of any shape */
#define STATE_BYTES(S, m)   FIELD_AS_(S, m, T_U8, F_STATE, sizeof(((S *)0)->m), .since = 0)
#define STATE_IRQS(S, m)    FIELD_AS_(S, m, T_IRQ, F_STATE, G_N_ELEMENTS(((S *)0)->m), .since = 0)
#define STATE_STRUCT(S, m, E, tab)                                      \
    FIELD_AS_(S, m, T_STRUCT, F_STATE, sizeof(((S *)0)->m) / sizeof(E), \
    .stride = sizeof(E), .aux = tab)
#define CONFIG_AS(S, m, key, ...)   { .name = key, .type = FIELD_TYPE_(((S *)0)->m), .flags = F_CONFIG, \
    .offset = offsetof(S, m), .count = 1, __VA_ARGS__ }   /* property name other than the member's */
#define CONFIG_LINK(S, m, key, kind, ...)                                       \
    { .name = key, .type = T_LINK, .flags = F_CONFIG, .offset = offsetof(S, m), \
    .count = 1, .aux = kind, __VA_ARGS__ }                /* id of a "chardev", "drive", ...: device_link_kind() */
#define CONFIG_LIST(S, m, E, tab, ...)                                         \
    { .name = #m, .type = T_LIST, .flags = F_CONFIG, .offset = offsetof(S, m), \
    .count = 1, .stride = sizeof(E), .aux = tab, __VA_ARGS__ }    /* GPtrArray of E */
#define CONFIG_MANY(S, m, ...) FIELD_AS_(S, m, T_LIST, F_CONFIG | F_MANY, 1, __VA_ARGS__)
#define CONFIG_ENUM(S, m, names, ...) \
    FIELD_AS_(S, m, T_ENUM, F_CONFIG, 1, .aux = names, __VA_ARGS__)
#define FIELD_END           { .name = NULL }

/*
 * A key=value pair as it was written; values of lists that others read (-device, -machine, -cpu).
 */
typedef struct OptPair {
    char *key, *val;
} OptPair;

/* T_ENUM members are uint32_t, an index into aux (const char *const[], NULL-terminated). */
void fields_defaults(const Field *tab, void *obj);
void fields_clear(const Field *tab, void *obj);         /* frees strings and lists */
const Field *field_find(const Field *tab, const char *key);
/*
 * The integer, flag or choice at p, which f describes; T_I32 widened by its sign.  0, nothing, for
 * other types.
 */
uint64_t field_int(const Field *f, const void *p);
void field_set_int(const Field *f, void *p, uint64_t v);
/* as field_parse takes it; NULL for what has no text */
char *field_print(const Field *f, const void *obj);
/* 512, 0x200, 64k, 1.5G; bare: x unit */
bool parse_size(const char *text, uint64_t unit, uint64_t *out, GError **err);
#define RYOKAN_ERROR (g_quark_from_static_string("ryokan"))
/* codes: QMP's DeviceNotFound, DeviceNotActive */
enum { RYOKAN_FAILED = 1, RYOKAN_NOT_FOUND, RYOKAN_NO_DEVICE };
bool fail(GError **err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);    /* sets err, returns false */
/* "a=1,b=2" with ",," for a comma; a first word without "=" is the value of the first field. */
bool fields_parse_text(const Field *tab, void *obj, const char *text, GError **err);
bool field_parse(const Field *tab, void *obj, const char *key, const char *val, GError **err);
bool fields_check(const Field *tab, const void *obj, GError **err);
#endif
