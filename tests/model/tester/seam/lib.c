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

#if defined(MODEL_COVERAGE)
extern char __start___llvm_prf_cnts[];
extern char __stop___llvm_prf_cnts[];
extern char __start___llvm_prf_bits[];
extern char __stop___llvm_prf_bits[];

void model_lib_kept(char *out_from[2], char *out_to[2])
{
    out_from[0] = __start___llvm_prf_cnts;
    out_to[0] = __stop___llvm_prf_cnts;
    out_from[1] = __start___llvm_prf_bits;
    out_to[1] = __stop___llvm_prf_bits;
}
#else
void model_lib_kept(char *out_from[2], char *out_to[2])
{
    for (int i = 0; i < 2; i++) {
        out_from[i] = NULL;
        out_to[i] = NULL;
    }
}
#endif

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
