/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secret.c -- a password or key that others refer to by id, as text, in a file, or encrypted with
 * another one.
 *
 * Spec: RFC 4648 (base64); FIPS 197 and SP 800-38A (AES-256-CBC), padding of RFC 5652 chapter 6.3.
 * Omits: keys in the kernel's keyring; without GnuTLS, encrypted ones.
 * Threads: the main context with the machine lock.
 */
#include "core/object.h"
#include <string.h>
#ifdef CONFIG_GNUTLS
#include <gnutls/crypto.h>
#endif

#define SECRET_MAX (1u << 20)
#define KEY_BYTES  32
#define IV_BYTES   16

typedef struct Secret {
    Object   obj;
    char    *data, *file, *keyid, *iv;
    uint32_t format;
    guchar  *bytes;
    size_t   n;
} Secret;

static const char *const formats[] = { "raw", "base64", NULL };
enum { FORMAT_RAW, FORMAT_BASE64 };

static bool decode(guchar **bytes, size_t *n, GError **err)
{
    g_autofree char *text = g_strndup((char *)*bytes, *n);
    gsize            got;
    guchar          *out;

    g_strstrip(text);
    if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n") !=
        strlen(text)) {
        return fail(err, "is no base64");
    }
    out = g_base64_decode(text, &got);
    g_free(*bytes);
    *bytes = out;
    *n = got;
    return true;
}

#ifdef CONFIG_GNUTLS
static bool decrypt(Secret *s, GError **err)
{
    g_autofree char *key = NULL;
    size_t           key_n = 0, iv_n = 0;
    guchar          *iv = s->iv ? g_base64_decode(s->iv, &iv_n) : NULL;
    gnutls_cipher_hd_t h;
    bool             ok = false;

    key = secret_bytes(s->obj.machine, s->keyid, &key_n, err);
    if (key && (key_n != KEY_BYTES || iv_n != IV_BYTES)) {
        fail(err, "keyid=%s: a key of %d bytes and iv= of %d belong here", s->keyid, KEY_BYTES,
             IV_BYTES);
    } else if (key && (!s->n || s->n % IV_BYTES)) {
        fail(err, "encrypted data comes in blocks of %d bytes", IV_BYTES);
    } else if (key) {
        gnutls_datum_t k = { (guchar *)key, KEY_BYTES }, v = { iv, IV_BYTES };
        ok = !gnutls_cipher_init(&h, GNUTLS_CIPHER_AES_256_CBC, &k, &v) ||
             fail(err, "cannot set up AES");
        if (ok) {
            ok = !gnutls_cipher_decrypt(h, s->bytes, s->n);
            gnutls_cipher_deinit(h);
            guchar pad = s->bytes[s->n - 1];
            ok = (ok && pad && pad <= IV_BYTES) ||
                 fail(err, "keyid=%s: is not the key of this secret", s->keyid);
            s->n -= ok ? pad : 0;
        }
    }
    g_free(iv);
    return ok;
}
#else
static bool decrypt(Secret *s, GError **err)
{
    return fail(err, "keyid=%s: this program was built without GnuTLS", s->keyid);
}
#endif

static bool secret_create(void *obj, GError **err)
{
    Secret *s = obj;
    gsize   n = 0;

    if (!s->data == !s->file) {
        return fail(err, "one of data= and file= belongs here");
    }
    if (s->file) {
        GError *why = NULL;
        char   *text;
        if (!g_file_get_contents(s->file, &text, &n, &why)) {
            fail(err, "file=%s: %s", s->file, why->message);
            g_error_free(why);
            return false;
        }
        s->bytes = (guchar *)text;
    } else {
        s->bytes = (guchar *)g_strdup(s->data);
        n = strlen(s->data);
    }
    s->n = n;
    if (s->n > SECRET_MAX) {
        return fail(err, "longer than %u bytes", SECRET_MAX);
    }
    return ((s->format != FORMAT_BASE64 && !s->keyid) || decode(&s->bytes, &s->n, err)) &&
           (!s->keyid || decrypt(s, err)) &&
           (!s->keyid || s->format != FORMAT_BASE64 || decode(&s->bytes, &s->n, err));
}

static void secret_destroy(void *obj)
{
    Secret *s = obj;

    if (s->bytes) {
        explicit_bzero(s->bytes, s->n);
    }
    g_free(s->bytes);
}

char *secret_bytes(Machine *m, const char *id, size_t *n, GError **err)
{
    const Secret *s = object_find(m, "secret", id);
    char         *out;

    if (!s) {
        fail(err, "there is no -object secret,id=%s", id);
        return NULL;
    }
    out = g_malloc(s->n + 1);
    memcpy(out, s->bytes, s->n);
    out[s->n] = 0;
    if (n) {
        *n = s->n;
    }
    return out;
}

static const Field secret_fields[] = {
    CONFIG(Secret, data, .help = "The secret itself."),
    CONFIG(Secret, file, .help = "A file that holds it."),
    CONFIG_ENUM(Secret, format, formats, .help = "How it is written."),
    CONFIG(Secret, keyid,
           .help = "It is encrypted by AES-256-CBC with this other secret, and written in base64."),
    CONFIG(Secret, iv, .help = "The initialization vector of that, in base64."),
    FIELD_END
};

const ObjectClass secret_object = {
    .name = "secret", .desc = "a password or key", .kind = "secret",
    .size = sizeof(Secret), .fields = secret_fields,
    .create = secret_create, .destroy = secret_destroy,
};
