/* misuse.c - errors in words, and the end of a process that misuses the library
 * SPDX-License-Identifier: MIT
 *
 * Idea        Misuse that is cheap to see is told with object, fact and number. The hook may leave
 *             by longjmp, which is why no caller holds a lock when it gets here.
 * Invariants  I1 If the hook returns, the process aborts.
 * Locks       hook_mu, a leaf like a parker's: guards hook, nothing is called under it.
 * Ordering    None but hook_mu's.
 * Lifetime    The hook is the caller's for as long as it is set.
 * Rejected    assert(): it vanishes with NDEBUG, and says nothing of the object. */
#include <cconc/process.h>

#include "core/must.h"
#include "plat/mutex.h"
#include "plat/os.h"
#include "plat/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define MISUSE_BYTES 200
#define MISUSE_CALL_BYTES 48

static plat_mutex hook_mu = PLAT_MUTEX_INIT;
static struct {
    cconc_misuse_fn fn; /* (m) NULL = write to standard error */
    void           *user; /* (m) */
} hook;

void cconc_set_misuse_hook(cconc_misuse_fn hook_fn, void *user)
{
    plat_mutex_lock(&hook_mu);
    hook.fn = hook_fn;
    hook.user = user;
    plat_mutex_unlock(&hook_mu);
}

void cconc__misuse_forked(void)
{
    hook_mu = (plat_mutex)PLAT_MUTEX_INIT;
}

static void misuse_write(const char *message)
{
    char line[MISUSE_BYTES + 16];
    cconc__text_print(line, sizeof(line), "cconc: %s\n", message);
    cconc__os_complain(line);
}

_Noreturn void cconc__misuse_report(const char *format, ...)
{
    char message[MISUSE_BYTES];
    cconc_misuse_fn fn;
    void *user;
    va_list args;
    va_start(args, format);
    cconc__text_format(message, sizeof(message), format, args);
    va_end(args);
    plat_mutex_lock(&hook_mu);
    fn = hook.fn;
    user = hook.user;
    plat_mutex_unlock(&hook_mu);
    if (fn) {
        fn(message, user);
    } else {
        misuse_write(message);
    }
    cconc__os_abort();
}

/* The name of a public function without what stands before it: cconc_, and what a copy of the
 * library puts before that. */
static const char *misuse_call(const char *function)
{
    static const char before[] = "cconc_";
    size_t length = sizeof(before) - 1;
    while (memcmp(function, before, length) != 0) {
        function++;
    }
    return function + length;
}

/* cconc_chan_try_send is told as "chan try_send". */
_Noreturn void cconc__misuse_pointer(const char *function, const void *pointer)
{
    char call[MISUSE_CALL_BYTES] = "";
    char *gap;
    cconc__text_copy(call, sizeof(call), misuse_call(function));
    gap = memchr(call, '_', sizeof(call));
    if (gap) {
        *gap = ' ';
    }
    if (!pointer) {
        cconc__misuse_report("%s of NULL", call);
    }
    cconc__misuse_report("%s of a misaligned pointer", call);
}

_Noreturn void cconc__misuse_broken(const char *fact, const char *file, int line)
{
    char message[MISUSE_BYTES];
    cconc__text_print(message, sizeof(message), "broken invariant: %s (%s:%d)", fact, file, line);
    misuse_write(message);
    cconc__os_abort();
}

const char *cconc_strerror(int code)
{
    switch (code) {
    case 0:
        return "done";
    case ECANCELED:
        return "the context was cancelled";
    case ETIMEDOUT:
        return "the deadline passed";
    case EPIPE:
        return "closed";
    case EAGAIN:
        return "would have to wait";
    case ENOMEM:
        return "no memory, or no thread could be had";
    case EINVAL:
        return "an argument cannot be right";
    case EOVERFLOW:
        return "a size or count does not fit";
    case EDEADLK:
        return "nothing but the caller itself could end this wait";
    case EBUSY:
        return "too late or too early for this change";
    case EINPROGRESS:
        return "the context ended, the function still runs";
    case ENOTRECOVERABLE:
        return "state lost in a forked child";
    case EMFILE:
    case ENFILE:
        return "no descriptor left";
    default:
        return "error";
    }
}
