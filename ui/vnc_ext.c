/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc_ext.c -- what libvncserver does not know: QEMU's key codes, keyboard lights and relative
 * pointer.
 *
 * Spec: "QEMU Extended Key Event", "QEMU LED State", "QEMU Pointer Motion Change" of the RFB
 *   community specification.
 * Omits: QEMU's audio messages.
 * Threads: the viewers' thread.
 */
#ifdef CONFIG_VNC
#include "ui/vnc_int.h"

enum { POINTER_MOTION = -257, EXTENDED_KEY = -258, LED_STATE = -261, QEMU_MESSAGE = 255 };

/* A pseudo-rectangle alone in an update. */
static bool send_rect(rfbClientPtr cl, int encoding, unsigned x, unsigned w, unsigned h,
                      const char *more, int n)
{
    rfbFramebufferUpdateMsg        update = { .type = rfbFramebufferUpdate,
                                              .nRects = Swap16IfLE(1) };
    rfbFramebufferUpdateRectHeader rect = {
        .r = { .x = Swap16IfLE(x), .w = Swap16IfLE(w), .h = Swap16IfLE(h) },
        .encoding = Swap32IfLE((uint32_t)encoding),
    };

    return rfbWriteExact(cl, (char *)&update, sz_rfbFramebufferUpdateMsg) > 0 &&
           rfbWriteExact(cl, (char *)&rect, sz_rfbFramebufferUpdateRectHeader) > 0 &&
           (!n || rfbWriteExact(cl, more, n) > 0);
}

static rfbBool enable(rfbClientPtr cl, void **data, int encoding)
{
    VncClient *c = cl->clientData;

    switch (encoding) {
    case EXTENDED_KEY:
        return send_rect(cl, EXTENDED_KEY, 0, 0, 0, NULL, 0);
    case LED_STATE:
        c->wants_leds = true;
        return TRUE;
    case POINTER_MOTION:
        c->wants_motion = true;
        return TRUE;
    default:
        return FALSE;
    }
}

/*
 * Behind the type: 0, u16 down, u32 keysym, u32 code: XT scan codes, those with prefix E0 having
 * bit 7 set.
 */
static rfbBool extended_key(rfbClientPtr cl, void *data, const rfbClientToServerMsg *msg)
{
    uint8_t b[11];

    if (msg->type != QEMU_MESSAGE || rfbReadExact(cl, (char *)b, sizeof(b)) <= 0 || b[0] != 0) {
        return FALSE;
    }
    if (!cl->viewOnly) {
        uint32_t keysym = (uint32_t)b[3] << 24 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 8 | b[6];
        vnc_queue(vnc_of(cl), &(Input){ .kind = INPUT_CODE, .keysym = keysym, .code = b[10],
                                        .down = b[1] || b[2] });
    }
    return TRUE;
}

static int                  encodings[] = { EXTENDED_KEY, LED_STATE, POINTER_MOTION, 0 };
/* libvncserver links it, once for all servers of the process */
static rfbProtocolExtension extension = {
    .pseudoEncodings = encodings, .enablePseudoEncoding = enable, .handleMessage = extended_key,
};

/*
 * libvncserver forgets to free what it notes of a client's extensions; in rfbDisableExtension() it
 * only takes it out of the list.
 */
void vnc_ext_gone(rfbClientPtr cl)
{
    for (rfbExtensionData **at = &cl->extensions, *e; (e = *at);) {
        if (e->extension == &extension) {
            *at = e->next;
            free(e);
        } else {
            at = &e->next;
        }
    }
}

void vnc_ext_register(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        rfbRegisterProtocolExtension(&extension);
        g_once_init_leave(&done, 1);
    }
}

void vnc_ext_tell(Vnc *s)
{
    rfbClientIteratorPtr it = rfbGetClientIterator(s->rfb);
    rfbClientPtr         cl;

    g_mutex_lock(&s->lock);
    int              leds = (int)s->leds, absolute = s->absolute;
    g_autofree char *cut = g_steal_pointer(&s->cut_out);
    g_mutex_unlock(&s->lock);
    g_autofree char *latin =
        cut ? g_convert_with_fallback(cut, -1, "ISO-8859-1", "UTF-8", "?", NULL, NULL, NULL) : NULL;
    while ((cl = rfbClientIteratorNext(it))) {
        VncClient *c = cl->clientData;
        if (cl->state != RFB_NORMAL || cl->sock < 0) {
            continue;
        }
        if (c->wants_leds && c->leds != leds) {
            char byte = (char)leds;
            c->leds = leds;
            send_rect(cl, LED_STATE, 0, 1, 1, &byte, 1);
        }
        if (c->wants_motion && c->absolute != absolute) {
            c->absolute = absolute;
            send_rect(cl, POINTER_MOTION, absolute ? 1 : 0, (unsigned)cl->screen->width,
                      (unsigned)cl->screen->height, NULL, 0);
        }
    }
    rfbReleaseClientIterator(it);
    if (latin) {
        /* UTF-8 to those who know it */
        rfbSendServerCutTextUTF8(s->rfb, cut, (int)strlen(cut), latin, (int)strlen(latin));
    }
}
#endif
