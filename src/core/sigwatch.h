/* sigwatch.h - the signal service: contexts that signals end
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable while added  (m) under the service's lock  (a) atomic  (o) the service's own
 */
#ifndef CORE_SIGWATCH_H
#define CORE_SIGWATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/node.h"
#include "plat/atomic.h"
#include "plat/signal.h"

typedef struct sig_watch {
    list_link         link;    /* (m) among the added */
    signal_exit       exit;    /* (i) its numbers are those watched: bit n - 1 for signal n */
    bool              exits;   /* (i) the second one ends the process */
    bool              added;   /* (m) */
    uint32_t          process; /* (m) the number of the process in which it was added */
    atom_u32          heard;   /* (a) the first number, 0 = none; moves under the lock [heard.1] */
    node_signal      *node;    /* (i) what to end; alive while added */
    struct sig_watch *next;    /* (o) of the service's thread: those told, to end now */
} sig_watch;

/* End watch->ctx at the first of its signals. Returns 0, ENOMEM, EMFILE, ENFILE or EINVAL. */
int cconc__sigwatch_add(sig_watch *watch);

/* No longer. The last one for a signal restores the disposition found before. Idempotent. Returns
 * whether one of its signals has arrived, which has ended watch->ctx then, or is to end it. */
bool cconc__sigwatch_remove(sig_watch *watch);

/* As the services of executor and timers have them. */
bool cconc__sigwatch_is_busy(void);
bool cconc__sigwatch_is_me(void);
int  cconc__sigwatch_stop(void);

/* In a forked child: signals meet the dispositions found before. Removing a watch of the parent
 * does nothing from then on. */
void cconc__sigwatch_forked(void);

#endif
