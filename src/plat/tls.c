/* tls.c - one record a thread, with a call when the thread ends
 * SPDX-License-Identifier: MIT
 *
 * Idea        A thread-local variable for reading, a pthread key for its destructor. The key is
 *             made on first use. A destructor of somebody else may use the library after ours ran;
 *             a slot is then set anew, and the system calls us once more.
 * Invariants  I1 The variable and the key hold the same pointer, where there is a key.
 * Locks       The system's once.
 * Ordering    None: pthread_once orders the key.
 * Lifetime    The key is never deleted: threads may still end.
 * Rejected    The key alone: reading it costs a call. It stays as the fallback. */
#include "plat/tls.h"

#if !defined(CCONC_PLAT_HEADER)

#include <pthread.h>
#include <stddef.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;

#if defined(CCONC_TLS_KEY)
static void tls_note_end(void)
{
}

static bool tls_has_ended(void)
{
    return false; /* a thread reborn on the last round of destructors is not noticed */
}
#else
static _Thread_local bool has_ended;

static void tls_note_end(void)
{
    has_ended = true;
}

static bool tls_has_ended(void)
{
    return has_ended;
}
#endif

static void tls_thread_ends(void *pointer)
{
    plat_tls_slot *slot = pointer;
    tls_note_end();
    cconc__tls_set(NULL);
    slot->on_exit(slot);
}

static void tls_make_key(void)
{
    have_key = pthread_key_create(&key, tls_thread_ends) == 0;
}

#if defined(CCONC_TLS_KEY)
plat_tls_slot *plat_tls_get(void)
{
    (void)pthread_once(&once, tls_make_key);
    return have_key ? pthread_getspecific(key) : NULL;
}

static void tls_remember(plat_tls_slot *slot)
{
    (void)slot;
}
#else
_Thread_local plat_tls_slot *cconc__tls_slot;

static void tls_remember(plat_tls_slot *slot)
{
    cconc__tls_slot = slot;
}
#endif

void cconc__tls_set(plat_tls_slot *slot)
{
    (void)pthread_once(&once, tls_make_key);
    tls_remember(slot);
    if (have_key) {
        (void)pthread_setspecific(key, slot);
    }
}

bool cconc__tls_will_tell(void)
{
    (void)pthread_once(&once, tls_make_key);
    return have_key && !tls_has_ended();
}

#endif
