/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tlscreds.h -- TLS for character devices and viewers: credentials (-object tls-creds-x509, -anon,
 * -psk), and sessions over a connected socket.
 *
 * Without GnuTLS there are no such objects, and tls_creds_find() says so.
 *
 * Threads: a session belongs to one thread at a time; the rest with the machine lock.
 */
#ifndef CORE_TLSCREDS_H
#define CORE_TLSCREDS_H
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
typedef struct Machine Machine;
typedef struct TlsCreds TlsCreds;
typedef struct TlsSession TlsSession;
typedef enum { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED } TlsStep;

/*
 * Credentials by the object's id; as_server: what they are to be used for, which their endpoint=
 * has to say as well.
 */
TlsCreds   *tls_creds_find(Machine *m, const char *id, bool as_server, GError **err);
/*
 * The folder of dir=, or NULL; the kind: "x509", "anon" or "psk"; whether peers have to show a
 * certificate.
 */
const char *tls_creds_dir(const TlsCreds *c);
const char *tls_creds_kind(const TlsCreds *c);
bool        tls_creds_verify_peer(const TlsCreds *c);

/*
 * fd: connected, not blocking, and still the caller's.  host: what the server's certificate has to
 * name; NULL: a server.
 */
TlsSession *tls_session_new(TlsCreds *c, int fd, const char *host, GError **err);
/* again and again, until TLS_DONE or TLS_FAILED */
TlsStep     tls_handshake(TlsSession *s, GError **err);
ssize_t     tls_read(TlsSession *s, void *buf, size_t n);       /* as read(2) */
/* as write(2); after EAGAIN give the same bytes again */
ssize_t     tls_write(TlsSession *s, const void *buf, size_t n);
/* bytes that tls_read() has without asking the socket */
size_t      tls_pending(const TlsSession *s);
/* says goodbye if it can; the socket stays open */
void        tls_session_free(TlsSession *s);
#endif
