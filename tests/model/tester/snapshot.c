/* snapshot.c - the library's variables as they were before its first call.
 * SPDX-License-Identifier: MIT
 *
 * The library is a shared object: all it keeps between two calls, but for what it allocates, lies
 * in its writable segment. Each execution begins with a copy of that.
 */
#include "engine.h"

#include "seam/lib.h"

#include <link.h>
#include <stdlib.h>

static char *begin;
static size_t size;
static char *copy;
static char *kept_from[2];
static char *kept_to[2];
static char *kept; /* while the rest is restored */

static int look(struct dl_phdr_info *info, size_t info_size, void *arg)
{
    uintptr_t inside = (uintptr_t)arg;
    uintptr_t from = 0;
    uintptr_t to = 0;
    uintptr_t relro = 0;
    bool is_it = false;
    (void)info_size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;
        is_it |= p->p_type == PT_LOAD && inside >= at && inside < at + p->p_memsz;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_W)) {
            from = at;
            to = at + p->p_memsz;
        } else if (p->p_type == PT_GNU_RELRO) {
            relro = (at + p->p_memsz + 4095) & ~(uintptr_t)4095;
        }
    }
    if (is_it) {
        begin = (char *)(relro > from ? relro : from);
        size = to - (uintptr_t)begin;
    }
    return is_it;
}

void snapshot_take(void)
{
    (void)dl_iterate_phdr(look, (void *)(uintptr_t)&model_lib_tls);
    copy = malloc(size);
    model_lib_kept(kept_from, kept_to);
    kept = malloc(size);
    model.lib_tls = model_lib_tls(&model.lib_tls_bytes);
    if (!begin || !copy || !kept || model.lib_tls_bytes > TLS_BYTES) {
        abort();
    }
    raw_copy(copy, begin, size);
}

void snapshot_restore(void)
{
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        raw_copy(kept + at, kept_from[i], (size_t)(kept_to[i] - kept_from[i]));
        at += (size_t)(kept_to[i] - kept_from[i]);
    }
    raw_copy(begin, copy, size);
    at = 0;
    for (int i = 0; i < 2; i++) {
        raw_copy(kept_from[i], kept + at, (size_t)(kept_to[i] - kept_from[i]));
        at += (size_t)(kept_to[i] - kept_from[i]);
    }
}

#if defined(MODEL_TSAN) || defined(__SANITIZE_ADDRESS__)
/* Variables of the library need not lie at a multiple of a word. */
typedef struct __attribute__((packed, may_alias)) raw_word {
    uint64_t value;
} raw_word;

__attribute__((no_sanitize("address"))) void raw_copy(void *to, const void *from, size_t bytes)
{
    volatile raw_word *words = to;
    size_t count = bytes / sizeof(*words);
    for (size_t i = 0; i < count; i++) {
        words[i].value = ((const volatile raw_word *)from)[i].value;
    }
    for (size_t i = count * sizeof(*words); i < bytes; i++) {
        ((volatile char *)to)[i] = ((const volatile char *)from)[i];
    }
}

void raw_fill(void *to, unsigned char value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((volatile unsigned char *)to)[i] = value;
    }
}
#else
void raw_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

void raw_fill(void *to, unsigned char value, size_t bytes)
{
    memset(to, value, bytes);
}
#endif
