/* chan.h - a primitive with all that belongs to it
 * SPDX-License-Identifier: MIT
 *
 * Model     A queue.
 * Example   cconc_chan_close(ch);
 * Lifetime  none
 * Threads   Any.
 * Blocking  none
 * Orders    none
 * Progress  none
 * Errors    none
 * Limits    none
 */
#include <cconc/base.h>

/* Close ch. Its name_close(), close() and try_*() are in the tree.
 *     cconc_chan_close(ch); */
CCONC_API int cconc_chan_close(cconc_chan *ch);
CCONC_API CCONC_NODISCARD int cconc_chan_try_send(cconc_chan *ch);

#define CCONC_CHAN_OF(name)                                                                        \
    static inline int name##_close(cconc_chan *ch)                                                 \
    {                                                                                              \
        return cconc_chan_close(ch);                                                               \
    }

static inline int name_close(cconc_chan *ch)
{
    return cconc_chan_close(ch);
}
