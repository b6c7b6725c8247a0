/* hash.h - a keyed hash of bytes, for tables whose keys a stranger may choose
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Half of the secret each. */
typedef struct hash_key {
    uint64_t k0;
    uint64_t k1;
} hash_key;

/* Make a secret. */
hash_key cconc__hash_key(void);

/* Hash len bytes; all bits of the result are equally good. */
uint64_t cconc__hash_bytes(hash_key key, const void *bytes, size_t len);

#endif
