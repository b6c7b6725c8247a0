/* ctx_faults.c - contexts when memory, threads or a library thread cannot be had
 * SPDX-License-Identifier: MIT
 *
 * Risk      A constructor that leaves half an object behind, a child list or a signal disposition
 *           that is not put back, a failure that makes the next call crash.
 * Method    Each body runs with the n-th allocation, then with the n-th thread creation failing,
 *           once and for good, for all n; afterwards nothing may be left. Objects are used on
 *           after it.
 * Catches   X4; W15; I1, I2, I4, I5.
 */
#include "ctx_help.h"

#include <signal.h>
#include <stdatomic.h>

static char key;

/* Accept memory or thread failing, and nothing else. Returns whether it worked. */
static bool worked(int err)
{
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    return err == 0;
}

/* The parent of whatever failed must still be of use. */
static void use_on(cconc_ctx *parent)
{
    cconc_ctx *child = NULL;
    if (worked(cconc_ctx_with_cancel(parent, &child))) {
        SUPPORT_CHECK(cconc_ctx_err(child) == 0);
    }
    cconc_ctx_cancel_cause(parent, EPERM, "used on");
    SUPPORT_CHECK(cconc_ctx_err(parent) == ECANCELED);
    SUPPORT_CHECK(cconc_ctx_cause(parent, NULL) == EPERM);
    SUPPORT_CHECK(!child || cconc_ctx_cause(child, NULL) == EPERM);
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
}

static int make_with_cancel(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    return cconc_ctx_with_cancel(parent, out_ctx);
}

static int make_with_past_deadline(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    return cconc_ctx_with_deadline_cause(parent, 0, EDOM, "late", out_ctx);
}

static int make_with_far_deadline(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    return cconc_ctx_with_deadline(parent, cconc_clock_after(FAR_NS), out_ctx);
}

static int make_with_near_timeout(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    int err = cconc_ctx_with_timeout_cause(parent, 50 * CCONC_US, EDOM, "late", out_ctx);
    if (err == 0) {
        SUPPORT_CHECK(cconc_ctx_wait(*out_ctx, NULL) == 0);
        SUPPORT_CHECK(cconc_ctx_err(*out_ctx) == ETIMEDOUT);
        SUPPORT_CHECK(cconc_ctx_cause(*out_ctx, NULL) == EDOM);
    }
    return err;
}

static int make_with_value(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    return cconc_ctx_with_value(parent, &key, &key, NULL, out_ctx);
}

static int make_without(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    return cconc_ctx_without_cancel(parent, out_ctx);
}

static int make_with_signals(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    const int list[] = {SIGUSR1};
    int err = cconc_ctx_with_signals(parent, list, 1, CCONC_CTX_SECOND_SIGNAL_EXITS, out_ctx);
    if (err == 0) {
        SUPPORT_CHECK(raise(SIGUSR1) == 0);
        SUPPORT_CHECK(cconc_ctx_wait(*out_ctx, NULL) == 0);
        SUPPORT_CHECK(cconc_ctx_signal(*out_ctx) == SIGUSR1);
    }
    return err;
}

typedef int (*make_fn)(cconc_ctx *parent, cconc_ctx **out_ctx);

struct constructor {
    const char *name;
    make_fn make;
    bool needs_thread;
};

static const struct constructor constructors[] = {
    {"with_cancel", make_with_cancel, false},
    {"with_deadline, past", make_with_past_deadline, false},
    {"with_deadline, far", make_with_far_deadline, true},
    {"with_timeout, near", make_with_near_timeout, true},
    {"with_value", make_with_value, false},
    {"without_cancel", make_without, false},
    {"with_signals", make_with_signals, true},
};

#define CONSTRUCTORS (sizeof(constructors) / sizeof(constructors[0]))

/* Below a parent of its own, and as a root. */
static void construct_body(void *arg)
{
    const struct constructor *c = arg;
    cconc_ctx *parent = NULL;
    bool has_parent = worked(cconc_ctx_with_cancel(NULL, &parent));
    cconc_ctx *below = CTX_MARK;
    cconc_ctx *root = CTX_MARK;
    if (has_parent && worked(c->make(parent, &below))) {
        cconc_ctx_free(below);
    } else {
        SUPPORT_CHECK(below == CTX_MARK);
    }
    if (worked(c->make(NULL, &root))) {
        cconc_ctx_free(root);
    } else {
        SUPPORT_CHECK(root == CTX_MARK);
    }
    if (has_parent) {
        use_on(parent);
    }
}

static void ctx_constructors_survive_every_failed_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONSTRUCTORS; i++) {
        struct constructor c = constructors[i];
        uint64_t failures = support_sweep_alloc(construct_body, &c);
        print_message("    %s: %u failures\n", c.name, (unsigned)failures);
        assert_true(failures >= 6);
    }
}

static void ctx_constructors_survive_every_failed_thread(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONSTRUCTORS; i++) {
        struct constructor c = constructors[i];
        uint64_t failures = support_sweep_thread(construct_body, &c);
        print_message("    %s: %u failures\n", c.name, (unsigned)failures);
        assert_int_equal(failures > 0, c.needs_thread);
    }
}

static void add_one(void *arg)
{
    atomic_int *ran = arg;
    atomic_fetch_add(ran, 1);
}

/* Two after-funcs, one of them stopped, and the descriptor. */
static void registrations_body(void *arg)
{
    (void)arg;
    atomic_int ran = 0;
    cconc_ctx *ctx = NULL;
    cconc_after *runs = NULL;
    cconc_after *stopped = NULL;
    int fd = -7;
    if (!worked(cconc_ctx_with_cancel(NULL, &ctx))) {
        return;
    }
    bool has_runs = worked(cconc_ctx_after_func(ctx, add_one, &ran, &runs));
    bool has_stopped = worked(cconc_ctx_after_func(ctx, add_one, &ran, &stopped));
    bool has_fd = worked(cconc_ctx_fd(ctx, &fd));
    SUPPORT_CHECK(has_runs || !runs);
    SUPPORT_CHECK(has_stopped || !stopped);
    SUPPORT_CHECK(has_fd || fd == -7);
    SUPPORT_CHECK(!has_stopped || cconc_after_stop(stopped));
    cconc_ctx_cancel(ctx);
    SUPPORT_CHECK(!has_fd || fd_is_readable(fd));
    SUPPORT_CHECK(!has_runs || !cconc_after_stop_wait(runs));
    SUPPORT_CHECK(atomic_load(&ran) == (has_runs ? 1 : 0));
    cconc_after_free(runs);
    cconc_after_free(stopped);
    cconc_ctx_free(ctx);
}

static void ctx_registrations_survive_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(registrations_body, NULL) >= 8);
}

static void ctx_registrations_survive_every_failed_thread(void **state)
{
    (void)state;
    assert_true(support_sweep_thread(registrations_body, NULL) >= 2);
}

static void wait_for_ctx(void *arg, size_t index)
{
    (void)index;
    SUPPORT_CHECK(cconc_ctx_wait(arg, NULL) == 0);
}

/* Waits never fail for lack of memory, not even the first one of a thread. */
static void ctx_waits_need_no_memory_to_be_had(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    support_fail_alloc(1, true);
    struct support_threads *threads = support_threads_start(4, wait_for_ctx, ctx);
    until(cconc__node_watchers(ctx) == 4);
    assert_int_equal(cconc_ctx_sleep(NULL, CCONC_US), 0);
    cconc_ctx_cancel(ctx);
    assert_int_equal(support_threads_join(threads), 0);
    (void)support_fail_end();
    cconc_ctx_free(ctx);
}

static void ctx_with_a_cause_for_a_deadline_that_never_comes_survives_faults(void **state)
{
    cconc_ctx *ctx = CTX_MARK;
    (void)state;
    for (uint64_t n = 1; n < 3; n++) { /* the cause, the context */
        support_fail_alloc(n, false);
        assert_int_equal(cconc_ctx_with_deadline_cause(NULL, CCONC_NEVER, EIO, "never", &ctx),
                         ENOMEM);
        assert_int_equal(support_fail_end(), 1);
        assert_ptr_equal(ctx, CTX_MARK);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_constructors_survive_every_failed_allocation),
        UNIT_TEST(ctx_constructors_survive_every_failed_thread),
        UNIT_TEST(ctx_registrations_survive_every_failed_allocation),
        UNIT_TEST(ctx_registrations_survive_every_failed_thread),
        UNIT_TEST(ctx_waits_need_no_memory_to_be_had),
        UNIT_TEST(ctx_with_a_cause_for_a_deadline_that_never_comes_survives_faults),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
