/* tls.h - what each thread of the tester keeps.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SEAM_TLS_H
#define MODEL_SEAM_TLS_H

#include <stdbool.h>

/* The tester exchanges this section when it changes threads. TSan builds have none of it. */
#define PLAT_THREAD_LOCAL __attribute__((section("model_tls")))

typedef struct plat_tls_slot {
    void (*on_exit)(struct plat_tls_slot *slot);
} plat_tls_slot;

void           cconc__tls_set(plat_tls_slot *slot);
bool           cconc__tls_will_tell(void);
plat_tls_slot *plat_tls_get(void);

#endif
