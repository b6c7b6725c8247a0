/* once_arg.c - who uses the argument of a once's function, and until when
 * SPDX-License-Identifier: MIT
 *
 * Risk      An argument that is kept, and used after the caller has released it.
 * Method    The argument lies in a page that nobody may touch any more: whoever does is trapped.
 * Catches   once-5.
 */
#include "unit.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cconc/cconc.h>

static int write_it(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg += 1;
    return 0;
}

static int write_it_value(cconc_ctx *ctx, void *arg, void **out_value)
{
    *out_value = NULL;
    return write_it(ctx, arg);
}

struct runner {
    cconc_once once;
    int *closed;
    atomic_bool inside;
    atomic_bool let_go;
};

static int stay_inside(cconc_ctx *ctx, void *arg)
{
    struct runner *runner = arg;
    (void)ctx;
    atomic_store(&runner->inside, true);
    until(atomic_load(&runner->let_go));
    return 0;
}

static void run_thread(void *arg, size_t index)
{
    struct runner *runner = arg;
    (void)index;
    SUPPORT_CHECK(cconc_once_run(&runner->once, NULL, stay_inside, runner) == 0);
}

static void wait_thread(void *arg, size_t index)
{
    struct runner *runner = arg;
    (void)index;
    SUPPORT_CHECK(cconc_once_run(&runner->once, NULL, write_it, runner->closed) == 0);
}

static void once_arg_is_not_used_after_the_run_and_not_by_who_waits(void **state)
{
    (void)state;
    cconc_once once = CCONC_ONCE_INIT;
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    int *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct runner runner = {.once = CCONC_ONCE_INIT, .closed = page};
    assert_true(page != MAP_FAILED);
    assert_int_equal(cconc_once_value(&once, NULL, write_it_value, page, NULL), 0);
    assert_int_equal(*page, 1);
    assert_int_equal(mprotect(page, size, PROT_NONE), 0);
    assert_int_equal(cconc_once_value_retry(&once, NULL, write_it_value, page, NULL), 0);
    assert_int_equal(cconc_once_run(&once, NULL, write_it, page), 0);
    cconc_once_reset(&once, NULL);
    cconc_once_destroy(&once);
    struct support_threads *first = support_threads_start(1, run_thread, &runner);
    until(atomic_load(&runner.inside));
    struct support_threads *second = support_threads_start(1, wait_thread, &runner);
    until(cconc_once_waiters(&runner.once) == 1);
    atomic_store(&runner.let_go, true);
    assert_int_equal(support_threads_join(first), 0);
    assert_int_equal(support_threads_join(second), 0);
    cconc_once_destroy(&runner.once);
    assert_int_equal(munmap(page, size), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(once_arg_is_not_used_after_the_run_and_not_by_who_waits),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
