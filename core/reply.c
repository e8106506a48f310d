/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reply.c -- members of a command's answer: text, numbers, lists, objects; and the error that has a
 * class of its own.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: pure functions.
 */
#include "core/commands.h"
#include <stdarg.h>

void say(Reply *reply, const char *key, const char *text)
{
    char *valid = g_utf8_make_valid(text, -1);

    g_variant_builder_add(reply, "{sv}", key, g_variant_new_string(valid));
    g_free(valid);
}

void say_bool(Reply *reply, const char *key, bool val)
{
    g_variant_builder_add(reply, "{sv}", key, g_variant_new_boolean(val));
}

void say_int(Reply *reply, const char *key, int64_t val)
{
    g_variant_builder_add(reply, "{sv}", key, g_variant_new_int64(val));
}

void say_value(Reply *reply, const char *key, GVariant *val)
{
    g_variant_builder_add(reply, "{sv}", key, val);
}

void say_text(Reply *reply, GString *text)
{
    say(reply, "text", text->str);
    g_string_free(text, TRUE);
}

void list_start(GVariantBuilder *list)
{
    g_variant_builder_init(list, G_VARIANT_TYPE("av"));
}

void object_start(GVariantBuilder *object)
{
    g_variant_builder_init(object, G_VARIANT_TYPE_VARDICT);
}

void list_object(GVariantBuilder *list, GVariantBuilder *object)
{
    g_variant_builder_add(list, "v", g_variant_builder_end(object));
}

void say_list(Reply *reply, const char *key, GVariantBuilder *list)
{
    g_variant_builder_add(reply, "{sv}", key, g_variant_builder_end(list));
}

bool fail_not_found(GError **err, const char *fmt, ...)
{
    if (err && !*err) {
        va_list ap;
        va_start(ap, fmt);
        *err = g_error_new_valist(RYOKAN_ERROR, RYOKAN_NOT_FOUND, fmt, ap);
        va_end(ap);
    }
    return false;
}
