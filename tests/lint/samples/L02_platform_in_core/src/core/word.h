/* word.h - the platform where it does not belong
 * SPDX-License-Identifier: MIT
 */
#include <stdatomic.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>
#endif

typedef struct word {
    pthread_mutex_t mu;
    _Atomic int     v;
} word;

/* In a comment malloc() is fine, and so is a "pthread_t" in a text. */
static inline word *word_new(void)
{
    return malloc(sizeof(word) + (size_t)eventfd(0, 0));
}

static inline const char *word_kind(word *w)
{
    clock_gettime(0, w);
    hooks.free(w);
    cconc__alloc_free(w);
    free(w);
    return "pthread_t";
}
