/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compile.c -- C text to code in memory, by libtcc.
 *
 * Spec: libtcc.h (TinyCC 0.9.27 and later).
 * Omits: taking code back: a unit is freed as a whole.
 * Threads: any.  libtcc keeps the state of a compilation in globals of its own, so that one runs at
 *   a time in the process.
 */
#include "accel/dbt/tcc/tcc.h"
#include "core/field.h"
#include <string.h>

#ifdef CONFIG_TCC
#include <libtcc.h>

struct TccUnit { TCCState *s; };
static GMutex one_at_a_time;            /* libtcc's globals, see above */

bool tcc_built_in(void) { return true; }

static void collect(void *out, const char *message)
{
    g_string_append_printf(out, "%s; ", message);
}

TccUnit *tcc_compile(const char *text, GError **err)
{
    g_autoptr(GString) messages = g_string_new(NULL);
    TccUnit *u = NULL;
    g_mutex_lock(&one_at_a_time);
    TCCState *s = tcc_new();
    bool ok = s != NULL;
    if (ok) {
        tcc_set_error_func(s, messages, collect);
        tcc_set_options(s, "-nostdlib -w");
        ok = tcc_set_output_type(s, TCC_OUTPUT_MEMORY) == 0 && tcc_compile_string(s, text) == 0;
    }
    for (const TccSymbol *y = tcc_symbols; ok && y->name; y++)
        ok = tcc_add_symbol(s, y->name, y->address) == 0;
    if (ok && tcc_relocate(s, TCC_RELOCATE_AUTO) >= 0) {
        u = g_new0(TccUnit, 1);
        u->s = s;
    } else if (s) {
        tcc_delete(s);
    }
    g_mutex_unlock(&one_at_a_time);
    if (!u)
        fail(err, "libtcc: %s", messages->len ? messages->str : "no memory for code");
    return u;
}

TccCode *tcc_find(TccUnit *u, const char *name)
{
    TccCode *code;
    void *p;
    g_mutex_lock(&one_at_a_time);
    p = tcc_get_symbol(u->s, name);
    g_mutex_unlock(&one_at_a_time);
    memcpy(&code, &p, sizeof code);
    return code;
}

void tcc_unit_free(TccUnit *u)
{
    g_mutex_lock(&one_at_a_time);
    tcc_delete(u->s);
    g_mutex_unlock(&one_at_a_time);
    g_free(u);
}
#else
bool tcc_built_in(void) { return false; }
TccUnit *tcc_compile(const char *text, GError **err)
{
    fail(err, "this program was built without libtcc");
    return NULL;
}
TccCode *tcc_find(TccUnit *u, const char *name) { return NULL; }
void tcc_unit_free(TccUnit *u) { }
#endif
