/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc_http.h -- the VNC port as a browser sees it; see vnc_http.c.
 *
 * Threads: the viewers' thread.
 */
#ifndef UI_VNC_HTTP_H
#define UI_VNC_HTTP_H
#include <stdbool.h>
#define NOVNC_DIR "/usr/share/novnc"

typedef enum {
    /* too little to tell: a viewer that is no browser waits for the server to speak */
    HTTP_NOTHING_YET,
    HTTP_NOT,                         /* RFB */
    HTTP_WEBSOCKET,                   /* of a page that came from here */
    HTTP_GET,                         /* a page is wanted: http_answer() */
    HTTP_TLS,                         /* https or wss */
    HTTP_GONE,
} HttpKind;

typedef struct HttpAnswer {
    int       fd;
    unsigned *running;                /* answers under way; outlives them */
} HttpAnswer;

HttpKind http_kind(int fd);
void     http_answer(int fd, unsigned *running);        /* takes fd over; blocking sockets only */
#endif
