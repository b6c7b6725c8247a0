/* executor_stuck.c - tasks that block where the library cannot see it
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task that never starts, or starts late, because those before it sit in read().
 * Method    Tasks of a group read from a pipe that is empty.
 * Catches   I1; rules proc-4.
 */
#include "group_help.h"

#include "core/spin.h"

#include <unistd.h>

static int read_a_byte(cconc_ctx *ctx, void *arg)
{
    char byte;
    (void)ctx;
    SUPPORT_CHECK(read(*(const int *)arg, &byte, 1) == 1);
    return 0;
}

static int write_bytes(cconc_ctx *ctx, void *arg)
{
    static const char bytes[32];
    (void)ctx;
    SUPPORT_CHECK(write(*(const int *)arg, bytes, sizeof(bytes)) == sizeof(bytes));
    return 0;
}

/* The library cannot see these waits; it sees that its queue stands still. */
static void executor_starts_a_task_though_all_others_block_in_the_system(void **state)
{
    cconc_group *group = group_make(0, 0);
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(cconc_group_go(group, NULL, read_a_byte, &ends[0]), 0);
    }
    assert_int_equal(cconc_group_go(group, NULL, write_bytes, &ends[1]), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    close(ends[0]);
    close(ends[1]);
    cconc_group_free(group);
}

struct stuck {
    int        ends[2];
    atomic_int inside;
};

static int read_inside(cconc_ctx *ctx, void *arg)
{
    struct stuck *stuck = arg;
    atomic_fetch_add(&stuck->inside, 1);
    return read_a_byte(ctx, &stuck->ends[0]);
}

/* How long it takes until one more is inside. */
static int64_t time_to_start(cconc_group *group, struct stuck *stuck)
{
    int count = atomic_load(&stuck->inside);
    int64_t begin_ns = cconc_clock_now();
    SUPPORT_CHECK(cconc_group_go(group, NULL, read_inside, stuck) == 0);
    until(atomic_load(&stuck->inside) == count + 1);
    return cconc_clock_now() - begin_ns;
}

/* They come one by one, so each finds an empty queue, but it is known that the others are stuck;
 * and then there is an idle thread. Other programs may hold up some of the tries. */
static void executor_that_knows_that_its_tasks_block_starts_the_next_one_soon(void **state)
{
    enum { TRIES = 10 };
    cconc_group *group = group_make(0, 0);
    struct stuck stuck = {.inside = 0};
    int64_t best_ns = CCONC_SECOND;
    int64_t best_idle_ns = CCONC_SECOND;
    int count = (int)cconc__spin_cpus() + 4;
    (void)state;
    assert_int_equal(pipe(stuck.ends), 0);
    for (int i = 0; i < count; i++) {
        (void)time_to_start(group, &stuck);
    }
    for (int i = 0; i < TRIES; i++) {
        int64_t took_ns = time_to_start(group, &stuck);
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    for (int i = 0; i < TRIES; i++) {
        assert_int_equal(write(stuck.ends[1], "", 1), 1);
        until(executor_idle() >= 1);
        int64_t took_ns = time_to_start(group, &stuck);
        best_idle_ns = took_ns < best_idle_ns ? took_ns : best_idle_ns;
    }
    for (int i = 0; i < count + TRIES; i++) {
        assert_int_equal(write(stuck.ends[1], "", 1), 1);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    close(stuck.ends[0]);
    close(stuck.ends[1]);
    cconc_group_free(group);
    assert_in_range(best_ns, 0, 50 * CCONC_MS);
    assert_in_range(best_idle_ns, 0, 50 * CCONC_MS);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(executor_starts_a_task_though_all_others_block_in_the_system),
        UNIT_TEST(executor_that_knows_that_its_tasks_block_starts_the_next_one_soon),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
