/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vnc_tls.h -- TLS between a viewer and the VNC server; see vnc_tls.c. */
#ifndef UI_VNC_TLS_H
#define UI_VNC_TLS_H
#include "core/machine.h"
#include "core/tlscreds.h"

typedef struct VncTls {               /* of a server */
    Machine  *machine;
    TlsCreds *creds;
    bool      x509, password;
    uint32_t  running;                /* atomic: threads */
} VncTls;

bool vnc_tls_init(VncTls *t, Machine *m, const char *creds, bool password, GError **err);
/* "x509-none" and the like, as query-vnc-servers says it */
const char *vnc_tls_name(const VncTls *t);
/*
 * Takes fd over; what is plain comes out of the descriptor that is returned, or -1.  browser: TLS
 * begins at once, and what is in it comes as it is; else VeNCrypt, and libvncserver's side of it is
 * done.
 */
int  vnc_tls_start(VncTls *t, int fd, bool browser);
/* until the threads are gone, which those are whose other ends are closed */
void vnc_tls_wait(VncTls *t);
#endif
