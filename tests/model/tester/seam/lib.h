/* lib.h - what the tester calls in the library that is built for it.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SEAM_LIB_H
#define MODEL_SEAM_LIB_H

#include "plat/parker.h"

/* Where PLAT_THREAD_LOCAL variables lie. */
char *model_lib_tls(size_t *out_size);

/* What plat_clock_is_virtual() gives there, with no decision point. */
bool model_lib_clock_is_virtual(void);

/* What is counted there over all executions: two ranges, NULL = none. */
void model_lib_kept(char *out_from[2], char *out_to[2]);

int     low__parker_init(parker *p);
void    low__parker_destroy(parker *p);
bool    low__parker_park(parker *p, int64_t deadline_ns);
bool    low__parker_rest(parker *p, int64_t deadline_ns);
bool    low__parker_unpark(parker *p);
void    low__parker_aim(parker *p, int64_t deadline_ns);
int64_t low__parker_until(parker *p);
bool    low__parker_call(parker *p, int64_t now_ns, bool is_due);
void    low__parker_ring(parker *p);

#endif
