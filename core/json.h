/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h -- JSON text to values and back.  object: a{sv}, array: av, string: s, true: b, integer:
 * x, other number: d, null: ().
 *
 * Threads: pure functions.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H
#include <glib.h>
#include <stdbool.h>

#define JSON_MAX_DEPTH 32
/* one value and white space around it; a full reference */
GVariant *json_parse(const char *text, gsize n, GError **err);
void      json_print(GString *out, GVariant *v);              /* any container of the types above */

/*
 * Finds where the next value in a stream ends, a byte at a time: strings and brackets are all it
 * knows.
 */
typedef struct JsonScan {
    unsigned depth;
    bool     in_value, in_string, escaped;
} JsonScan;
typedef enum { JSON_MORE, JSON_END, JSON_BAD } JsonStep;
/* JSON_END: c was the last byte of an object or array */
JsonStep  json_scan(JsonScan *s, char c);
#endif
