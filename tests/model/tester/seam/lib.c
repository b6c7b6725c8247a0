/* lib.c - the part of the tester that lies in the library: where threads' own variables are, and
 * the real parker, under other names.
 * SPDX-License-Identifier: MIT
 */
#include "lib.h"

extern char __start_model_tls[];
extern char __stop_model_tls[];

char *model_lib_tls(size_t *out_size)
{
    *out_size = (size_t)(__stop_model_tls - __start_model_tls);
    return __start_model_tls;
}

#define cconc__parker_init low__parker_init
#define cconc__parker_destroy low__parker_destroy
#define cconc__parker_park low__parker_park
#define cconc__parker_rest low__parker_rest
#define cconc__parker_unpark low__parker_unpark
#define cconc__parker_aim low__parker_aim
#define cconc__parker_until low__parker_until
#define cconc__parker_call low__parker_call
#define cconc__parker_ring low__parker_ring
#include "plat/parker.c"

/* Asked for here: a variable of the library's is another one in the program. */
bool model_lib_clock_is_virtual(void)
{
    return *(const uint32_t *)(const void *)&cconc__clock_is_set != 0;
}
