/* process.c - settings, and the end of the library's threads
 * SPDX-License-Identifier: MIT
 *
 * Idea        Shutdown waits until the services have nothing to do, then stops them one after the
 *             other; work that comes in between starts it over. One shutdown at a time stops them,
 *             and the others wait for it: none returns while there are threads.
 * Invariants  None of its own.
 * Locks       None of its own.
 * Ordering    None: joining a thread orders all it did.
 * Lifetime    Nothing is kept; every service starts again on its next use.
 * Rejected    An exit handler: leaving main with threads running is the program's choice. */
#include <cconc/process.h>
#include <cconc/version.h>

#include "core/executor.h"
#include "core/must.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/sigwatch.h"
#include "core/timer.h"
#include "plat/alloc.h"
#include "plat/fork.h"

#include <errno.h>

uint32_t cconc_version_number(void)
{
    return CCONC_VERSION_NUMBER;
}

const char *cconc_version_string(void)
{
    return CCONC_VERSION_STRING;
}

int cconc_set_allocator(cconc_alloc_fn alloc_fn, cconc_free_fn free_fn, void *user)
{
    if (!alloc_fn || !free_fn) {
        return EINVAL;
    }
    return cconc__alloc_choose(alloc_fn, free_fn, user);
}

int cconc_set_executor(const cconc_executor_opts *opts)
{
    MUST_ALIGN(opts, cconc_executor_opts);
    if (!opts || opts->idle_ns < 0 || !reserved_are_zero(opts->reserved, 4)) {
        return EINVAL;
    }
    return cconc__executor_set(opts);
}

void cconc_executor_read(cconc_executor_stats *out_stats)
{
    MUST_POINT(out_stats, cconc_executor_stats);
    cconc__executor_read(out_stats);
}

/* The watch of the executor may be armed although it has nothing left to watch: it is no work. */
static bool process_is_busy(void)
{
    return cconc__executor_is_busy() || cconc__timer_is_busy() || cconc__sigwatch_is_busy() ||
           cconc__quiet_is_claimed();
}

/* End the services, unless another thread does or there is work. Returns 0 or EBUSY. */
static int process_stop(void)
{
    int err;
    if (!cconc__quiet_claim()) {
        return EBUSY;
    }
    err = cconc__executor_stop();
    err = err ? err : cconc__timer_stop();
    err = err ? err : cconc__sigwatch_stop();
    if (!err) {
        cconc__self_trim();
    }
    cconc__quiet_release();
    return err;
}

static bool process_is_service(void)
{
    self *me = self_peek();
    return (me && me->executor) || cconc__timer_is_me() || cconc__sigwatch_is_me();
}

int cconc_shutdown(cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    if (!plat_fork_is_ours()) {
        return ENOTRECOVERABLE;
    }
    if (process_is_service()) {
        return EDEADLK;
    }
    for (;;) {
        int err = cconc__quiet_wait(ctx, process_is_busy);
        if (err) {
            return err;
        }
        if (process_stop() == 0) {
            return 0;
        }
    }
}
