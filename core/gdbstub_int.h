/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdbstub_int.h -- what the parts of the debugger's server share: the connection (gdbstub.c), what
 * goes and stands (gdbrun.c), and what packets ask for (gdbpackets.c).
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_GDBSTUB_INT_H
#define CORE_GDBSTUB_INT_H
#include "core/gdbstub.h"
#include "core/debug.h"

enum { PACKET_MAX = 0x4000, DATA_MAX = PACKET_MAX / 2 - 8 };    /* bytes; of memory in one */
enum { SIG_INT = 2, SIG_TRAP = 5 };
enum { STEP_ENABLE = 1, STEP_NO_IRQ = 2 };

typedef enum { AT_START, IN_PACKET, IN_SUM1, IN_SUM2 } ParseState;

typedef struct GdbStub {
    Machine   *machine;
    Chardev   *chr;
    ParseState state;
    uint8_t    in[PACKET_MAX + 1];
    size_t     n;
    bool       too_long, no_ack, off;
    uint8_t    sum, sum_given;
    GString   *last;                  /* as sent, for a peer that wants it again */
    bool       running;               /* the peer waits for a stop reply */
    bool       swbreak, hwbreak, physical;
    unsigned   thread;                /* the vCPU that g, m and p are about */
    unsigned   step_flags;
} GdbStub;

/* gdbstub.c */
void  gdb_reply(GdbStub *g, const char *text);
void  gdb_reply_string(GdbStub *g, GString *s);         /* takes it */

/* gdbrun.c */
Vcpu *gdb_vcpu(GdbStub *g, unsigned i);
void  gdb_halt(GdbStub *g);
void  gdb_has_stopped(void *who);     /* who: the GdbStub; tells the peer if it waits for that */
void  gdb_detach(GdbStub *g, bool run);         /* without traps; run: the machine goes on */
/* c, s, C and S, with an address where to go on. */
void  gdb_resume(GdbStub *g, const char *p, bool step, bool signal);
void  gdb_vcont(GdbStub *g, const char *p);

/* gdbpackets.c */
void  gdb_packet(GdbStub *g);         /* does what is in g->in, which ends with a NUL */
/* Parts of a packet; each moves *p on, or fails. */
bool  gdb_number(const char **p, uint64_t *v);  /* in hex */
bool  gdb_symbol(const char **p, char c);
int   gdb_thread(GdbStub *g, const char **p);   /* its vCPU, -1 for all or any, -2 for nonsense */
#endif
