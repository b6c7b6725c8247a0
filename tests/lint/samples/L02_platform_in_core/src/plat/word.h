/* word.h - the platform where it belongs
 * SPDX-License-Identifier: MIT
 */
#include <stdatomic.h>

typedef pthread_t plat_word;
