/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_creds.c -- TLS by GnuTLS: credentials (certificates, keys that are shared, or none at all),
 * and sessions with them.
 *
 * Spec: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 5280 (certificates), RFC 4279 (PSK).
 * Omits: authorisation by name (tls-authz=): whoever has a certificate of the authority gets in.
 * Threads: sessions belong to one thread at a time; the rest with the machine lock.
 */
#ifdef CONFIG_GNUTLS
#include "core/object.h"
#include "core/tlscreds.h"
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <unistd.h>

enum { ENDPOINT_CLIENT, ENDPOINT_SERVER };
static const char *const endpoints[] = { "client", "server", NULL };

struct TlsCreds {
    Object   obj;
    char    *dir, *priority, *username, *passwordid;
    uint32_t endpoint;
    bool     verify_peer, sanity_check;
    gnutls_certificate_credentials_t x509;
    gnutls_anon_client_credentials_t anon_client;
    gnutls_anon_server_credentials_t anon_server;
    gnutls_psk_client_credentials_t  psk_client;
    gnutls_psk_server_credentials_t  psk_server;
};

struct TlsSession {
    TlsCreds        *creds;
    gnutls_session_t tls;
    char            *host;
    bool             up;
};

extern const ObjectClass tls_creds_x509_object, tls_creds_anon_object, tls_creds_psk_object;

static bool is_server(const TlsCreds *c)
{
    return c->endpoint == ENDPOINT_SERVER;
}

static bool tls_fail(GError **err, const char *what, int r)
{
    return fail(err, "%s: %s", what, gnutls_strerror(r));
}

static char *creds_file(const TlsCreds *c, const char *name)
{
    return g_build_filename(c->dir, name, NULL);
}

/* The file if it is there; an error if it has to be. */
static bool have_file(const TlsCreds *c, const char *name, bool required, char **path, GError **err)
{
    *path = creds_file(c, name);
    if (access(*path, R_OK) == 0) {
        return true;
    }
    if (required || errno != ENOENT) {
        fail(err, "%s: cannot read it: %s", *path, g_strerror(errno));
        g_clear_pointer(path, g_free);
        return false;
    }
    g_clear_pointer(path, g_free);
    return true;
}

/* ---- certificates ---- */

static bool in_time(const char *path, GError **err)
{
    g_autofree char  *text = NULL;
    gsize             n;
    gnutls_x509_crt_t list[16];
    unsigned          count = G_N_ELEMENTS(list);
    time_t            now = time(NULL);
    bool              ok = true;

    if (!g_file_get_contents(path, &text, &n, err)) {
        return false;
    }
    gnutls_datum_t d = { (unsigned char *)text, (unsigned)n };
    int            r = gnutls_x509_crt_list_import(list, &count, &d, GNUTLS_X509_FMT_PEM, 0);
    if (r < 0) {
        return tls_fail(err, path, r);
    }
    for (unsigned i = 0; i < count; i++) {
        if (ok && gnutls_x509_crt_get_expiration_time(list[i]) < now) {
            ok = fail(err, "%s: the certificate has expired", path);
        } else if (ok && gnutls_x509_crt_get_activation_time(list[i]) > now) {
            ok = fail(err, "%s: the certificate is not yet active", path);
        }
        gnutls_x509_crt_deinit(list[i]);
    }
    return ok;
}

static bool load_pair(TlsCreds *c, const char *cert, const char *key, GError **err)
{
    g_autofree char *password = NULL;
    int              r;

    if (c->passwordid && !(password = secret_bytes(c->obj.machine, c->passwordid, NULL, err))) {
        return false;
    }
    if (c->sanity_check && !in_time(cert, err)) {
        return false;
    }
    r = gnutls_certificate_set_x509_key_file2(c->x509, cert, key, GNUTLS_X509_FMT_PEM, password, 0);
    return r >= 0 || tls_fail(err, key, r);
}

static bool x509_create(void *obj, GError **err)
{
    TlsCreds        *c = obj;
    bool             server = is_server(c), ok;
    g_autofree char *ca = NULL, *crl = NULL, *cert = NULL, *key = NULL;

    if (!c->dir) {
        return fail(err, "dir= is missing");
    }
    gnutls_certificate_allocate_credentials(&c->x509);
    ok = have_file(c, "ca-cert.pem", !server || c->verify_peer, &ca, err) &&
         have_file(c, "ca-crl.pem", false, &crl, err) &&
         have_file(c, server ? "server-cert.pem" : "client-cert.pem", server, &cert, err) &&
         have_file(c, server ? "server-key.pem" : "client-key.pem", cert != NULL, &key, err);
    if (ok && ca) {
        int r = gnutls_certificate_set_x509_trust_file(c->x509, ca, GNUTLS_X509_FMT_PEM);
        ok = r > 0 ? !c->sanity_check || in_time(ca, err)
                   : tls_fail(err, ca, r ? r : GNUTLS_E_NO_CERTIFICATE_FOUND);
    }
    if (ok && crl) {
        int r = gnutls_certificate_set_x509_crl_file(c->x509, crl, GNUTLS_X509_FMT_PEM);
        ok = r >= 0 || tls_fail(err, crl, r);
    }
    if (ok && cert) {
        ok = load_pair(c, cert, key, err);
    }
    gnutls_certificate_set_known_dh_params(c->x509, GNUTLS_SEC_PARAM_MEDIUM);
    return ok;
}

/* ---- none, and shared keys ---- */

static bool anon_create(void *obj, GError **err)
{
    TlsCreds *c = obj;

    (void)err;
    if (is_server(c)) {
        gnutls_anon_allocate_server_credentials(&c->anon_server);
        gnutls_anon_set_server_known_dh_params(c->anon_server, GNUTLS_SEC_PARAM_MEDIUM);
    } else {
        gnutls_anon_allocate_client_credentials(&c->anon_client);
    }
    return true;
}

/* keys.psk: a line NAME:HEX for each. */
static char *psk_key(const char *path, const char *user, GError **err)
{
    g_autofree char *text = NULL;
    g_auto(GStrv)    lines = NULL;
    size_t           n = strlen(user);

    if (!g_file_get_contents(path, &text, NULL, err)) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        if (!strncmp(*l, user, n) && (*l)[n] == ':') {
            return g_strstrip(g_strdup(*l + n + 1));
        }
    }
    fail(err, "%s: there is no key of username=%s", path, user);
    return NULL;
}

static bool psk_create(void *obj, GError **err)
{
    TlsCreds        *c = obj;
    g_autofree char *path = NULL, *key = NULL;
    const char      *user = c->username ? c->username : "qemu";
    int              r;

    if (!c->dir) {
        return fail(err, "dir= is missing");
    }
    if (!have_file(c, "keys.psk", true, &path, err)) {
        return false;
    }
    if (is_server(c)) {
        gnutls_psk_allocate_server_credentials(&c->psk_server);
        r = gnutls_psk_set_server_credentials_file(c->psk_server, path);
        gnutls_psk_set_server_known_dh_params(c->psk_server, GNUTLS_SEC_PARAM_MEDIUM);
        return r >= 0 || tls_fail(err, path, r);
    }
    key = psk_key(path, user, err);
    if (!key) {
        return false;
    }
    gnutls_datum_t d = { (unsigned char *)key, (unsigned)strlen(key) };
    gnutls_psk_allocate_client_credentials(&c->psk_client);
    r = gnutls_psk_set_client_credentials(c->psk_client, user, &d, GNUTLS_PSK_KEY_HEX);
    return r >= 0 || tls_fail(err, path, r);
}

static void creds_destroy(void *obj)
{
    TlsCreds *c = obj;

    if (c->x509) {
        gnutls_certificate_free_credentials(c->x509);
    }
    if (c->anon_client) {
        gnutls_anon_free_client_credentials(c->anon_client);
    }
    if (c->anon_server) {
        gnutls_anon_free_server_credentials(c->anon_server);
    }
    if (c->psk_client) {
        gnutls_psk_free_client_credentials(c->psk_client);
    }
    if (c->psk_server) {
        gnutls_psk_free_server_credentials(c->psk_server);
    }
}

TlsCreds *tls_creds_find(Machine *m, const char *id, bool as_server, GError **err)
{
    TlsCreds *c = object_find(m, "tls-creds", id);

    if (!c) {
        fail(err, "tls-creds=%s: there is no -object tls-creds-...,id=%s", id, id);
        return NULL;
    }
    if (is_server(c) != as_server) {
        fail(err, "tls-creds=%s: has endpoint=%s, and the other is needed here", id,
             endpoints[c->endpoint]);
        return NULL;
    }
    return c;
}

const char *tls_creds_dir(const TlsCreds *c)
{
    return c->dir;
}

const char *tls_creds_kind(const TlsCreds *c)
{
    return c->obj.class->name + strlen("tls-creds-");
}

bool tls_creds_verify_peer(const TlsCreds *c)
{
    return c->verify_peer && c->x509;
}

/* ---- sessions ---- */

static int use_creds(TlsSession *s)
{
    TlsCreds *c = s->creds;

    if (c->x509) {
        return gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, c->x509);
    }
    if (c->obj.class == &tls_creds_anon_object) {
        return is_server(c) ? gnutls_credentials_set(s->tls, GNUTLS_CRD_ANON, c->anon_server)
                            : gnutls_credentials_set(s->tls, GNUTLS_CRD_ANON, c->anon_client);
    }
    return is_server(c) ? gnutls_credentials_set(s->tls, GNUTLS_CRD_PSK, c->psk_server)
                        : gnutls_credentials_set(s->tls, GNUTLS_CRD_PSK, c->psk_client);
}

TlsSession *tls_session_new(TlsCreds *c, int fd, const char *host, GError **err)
{
    TlsSession      *s = g_new0(TlsSession, 1);
    /*
     * no kinds of key exchange that want a certificate: GnuTLS would choose one and find that there
     * is none
     */
    const char *more = c->x509 ? ""
                       : c->obj.class == &tls_creds_anon_object
                           ? ":-VERS-TLS1.3:-KX-ALL:+ANON-ECDH:+ANON-DH"
                           : ":-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK";
    g_autofree char *priority = g_strconcat(c->priority ? c->priority : "NORMAL", more, NULL);
    const char      *at = NULL;
    int              r;

    s->creds = c;
    s->host = g_strdup(host);
    c->obj.users++;
    r = gnutls_init(&s->tls, (is_server(c) ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                                 GNUTLS_NO_SIGNAL);
    r = r < 0 ? r : gnutls_priority_set_direct(s->tls, priority, &at);
    r = r < 0 ? r : use_creds(s);
    if (r < 0) {
        fail(err, "TLS with %s: %s%s%s", c->obj.id, gnutls_strerror(r), at ? " at " : "",
             at ? at : "");
        tls_session_free(s);
        return NULL;
    }
    if (c->x509 && is_server(c)) {
        gnutls_certificate_server_set_request(s->tls, c->verify_peer ? GNUTLS_CERT_REQUIRE
                                                                     : GNUTLS_CERT_IGNORE);
    }
    if (host && *host) {
        gnutls_server_name_set(s->tls, GNUTLS_NAME_DNS, host, strlen(host));
    }
    gnutls_transport_set_int(s->tls, fd);
    return s;
}

static bool peer_is_good(TlsSession *s, GError **err)
{
    const TlsCreds *c = s->creds;
    unsigned        status = 0;
    gnutls_datum_t  text;
    int             r;

    if (!c->x509 || !c->verify_peer) {
        return true;
    }
    r = gnutls_certificate_verify_peers3(s->tls, is_server(c) ? NULL : s->host, &status);
    if (r < 0) {
        return tls_fail(err, "TLS: the peer's certificate", r);
    }
    if (status) {
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
        fail(err, "TLS: the peer's certificate: %s", (char *)text.data);
        gnutls_free(text.data);
        return false;
    }
    return true;
}

TlsStep tls_handshake(TlsSession *s, GError **err)
{
    int r = gnutls_handshake(s->tls);

    if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED) {
        return gnutls_record_get_direction(s->tls) ? TLS_WANTS_WRITE : TLS_WANTS_READ;
    }
    if (r < 0) {
        if (!gnutls_error_is_fatal(r)) {
            return TLS_WANTS_READ;      /* a warning: go on */
        }
        tls_fail(err, "TLS handshake", r);
        return TLS_FAILED;
    }
    s->up = peer_is_good(s, err);
    return s->up ? TLS_DONE : TLS_FAILED;
}

static ssize_t as_errno(ssize_t r)
{
    if (r >= 0) {
        return r;
    }
    if (r == GNUTLS_E_PREMATURE_TERMINATION) {
        return 0;
    }
    errno = r == GNUTLS_E_AGAIN || !gnutls_error_is_fatal((int)r) ? EAGAIN
            : r == GNUTLS_E_INTERRUPTED                           ? EINTR
                                                                  : EIO;
    return -1;
}

ssize_t tls_read(TlsSession *s, void *buf, size_t n)
{
    return as_errno(gnutls_record_recv(s->tls, buf, n));
}

ssize_t tls_write(TlsSession *s, const void *buf, size_t n)
{
    return as_errno(gnutls_record_send(s->tls, buf, n));
}

size_t tls_pending(const TlsSession *s)
{
    return gnutls_record_check_pending(s->tls);
}

void tls_session_free(TlsSession *s)
{
    if (!s) {
        return;
    }
    if (s->up) {
        gnutls_bye(s->tls, GNUTLS_SHUT_WR);
    }
    if (s->tls) {
        gnutls_deinit(s->tls);
    }
    s->creds->obj.users--;
    g_free(s->host);
    g_free(s);
}

/* ---- the kinds ---- */

#define CREDS_FIELDS                                                                    \
    CONFIG_ENUM(TlsCreds, endpoint, endpoints,                                          \
                .help = "Whether they are a client's or a server's."),                  \
    CONFIG(TlsCreds, priority, .help = "GnuTLS's priority string; without it NORMAL."), \
    CONFIG_AS(TlsCreds, verify_peer, "verify-peer", .def = 1,                           \
              .help = "x509: the peer has to have a certificate of the authority.")

static const Field x509_fields[] = {
    CREDS_FIELDS,
    CONFIG(TlsCreds, dir,
           .help = "Folder with ca-cert.pem, server-cert.pem, server-key.pem or client-cert.pem, "
                   "client-key.pem."),
    CONFIG_AS(TlsCreds, sanity_check, "sanity-check", .def = 1,
              .help = "Refuse certificates that are not valid now."),
    CONFIG(TlsCreds, passwordid, .help = "The secret that the key is encrypted with."),
    FIELD_END
};
static const Field anon_fields[] = {
    CREDS_FIELDS,
    CONFIG(TlsCreds, dir,
           .help = "Accepted: parameters of Diffie and Hellman are those of RFC 7919."),
    FIELD_END
};
static const Field psk_fields[] = {
    CREDS_FIELDS,
    CONFIG(TlsCreds, dir, .help = "Folder with keys.psk."),
    CONFIG(TlsCreds, username, .help = "Client: whose key of them; without it \"qemu\"."),
    FIELD_END
};

#define CREDS(kind_, desc_)                                              \
    const ObjectClass tls_creds_##kind_##_object = {                     \
        .name = "tls-creds-" #kind_, .desc = desc_, .kind = "tls-creds", \
        .size = sizeof(TlsCreds), .fields = kind_##_fields,              \
        .create = kind_##_create, .destroy = creds_destroy,              \
    }
CREDS(x509, "TLS with certificates");
CREDS(anon, "TLS without knowing the peer");
CREDS(psk, "TLS with keys that both know");
#endif
