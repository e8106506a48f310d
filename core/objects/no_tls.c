/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * no_tls.c -- what stands for TLS where GnuTLS is not there: nothing can be found, so the rest is
 * never called.
 *
 * Spec: none.
 * Omits: everything.
 * Threads: any.
 */
#ifndef CONFIG_GNUTLS
#include "core/tlscreds.h"
#include "core/field.h"

TlsCreds *tls_creds_find(Machine *m, const char *id, bool as_server, GError **err)
{
    fail(err, "tls-creds=%s: this program was built without GnuTLS", id);
    return NULL;
}

const char *tls_creds_dir(const TlsCreds *c) { return NULL; }
const char *tls_creds_kind(const TlsCreds *c) { return ""; }
bool        tls_creds_verify_peer(const TlsCreds *c) { return false; }
TlsSession *tls_session_new(TlsCreds *c, int fd, const char *host, GError **err) { return NULL; }
TlsStep     tls_handshake(TlsSession *s, GError **err) { return TLS_FAILED; }
ssize_t     tls_read(TlsSession *s, void *buf, size_t n) { return 0; }
ssize_t     tls_write(TlsSession *s, const void *buf, size_t n) { return -1; }
size_t      tls_pending(const TlsSession *s) { return 0; }
void        tls_session_free(TlsSession *s) { }
#endif
