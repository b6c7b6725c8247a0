/* self.c - unit tests of what the library keeps of each thread
 * SPDX-License-Identifier: MIT
 *
 * Risk      A record that two threads have, that grows in number with every thread that ever was,
 *           or that goes while a waker is still at it; a wait that fails for want of memory.
 * Method    Threads one after the other, and more at once than the reserve holds; every allocation
 *           failing meanwhile; blocks counted before and after.
 * Catches   L3 L6 L7, S15, I1 I2; invariants I1 I2 of core/self.c.
 */
#include "chan_help.h"

#include "core/self.h"
#include "plat/thread.h"

#include <stdatomic.h>
#include <sys/wait.h>

#define THREADS ((size_t)40) /* more than the reserve */

/* ---- smoke ---------------------------------------------------------------------------------- */

static void get_and_spoil(void *arg, size_t index)
{
    self **out_self = arg;
    self *me = self_get();
    (void)index;
    SUPPORT_CHECK(self_get() == me && self_peek() == me);
    SUPPORT_CHECK(me->task == NULL && me->executor == NULL && me->spins == 0 && me->yields == 0);
    SUPPORT_CHECK(!parker_poll(&me->parker) && !parker_is_parked(&me->parker));
    me->spins = 99;
    me->yields = 99;
    me->pauses = 0;
    *out_self = me;
}

static void self_of_an_ended_thread_serves_the_next_one(void **state)
{
    self *first = NULL;
    (void)state;
    support_threads_join(support_threads_start(1, get_and_spoil, &first));
    uint64_t allocations = support_alloc_count();
    for (int i = 0; i < 100; i++) {
        self *next = NULL;
        support_threads_join(support_threads_start(1, get_and_spoil, &next));
        assert_ptr_equal(next, first);
    }
    assert_int_equal(support_alloc_count(), allocations);
    assert_ptr_not_equal(self_get(), first);
}

/* ---- many ----------------------------------------------------------------------------------- */

/* Threads that all have a record at the same time. */
struct crowd {
    self       *records[THREADS];
    atomic_int  have;
    atomic_bool let_go;
};

static void have_record(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    crowd->records[index] = self_get();
    atomic_fetch_add(&crowd->have, 1);
    until(atomic_load(&crowd->let_go));
}

static struct support_threads *crowd_start(struct crowd *crowd)
{
    *crowd = (struct crowd){.have = 0};
    return support_threads_start(THREADS, have_record, crowd);
}

static void crowd_end(struct crowd *crowd, struct support_threads *threads)
{
    until(atomic_load(&crowd->have) == (int)THREADS);
    atomic_store(&crowd->let_go, true);
    support_threads_join(threads);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_ptr_not_equal(crowd->records[i], crowd->records[j]);
            assert_int_not_equal(crowd->records[i]->number, crowd->records[j]->number);
        }
    }
}

static size_t count_static(const struct crowd *crowd)
{
    size_t count = 0;
    for (size_t i = 0; i < THREADS; i++) {
        count += crowd->records[i]->is_static;
    }
    return count;
}

static void self_trim_gives_back_what_ended_threads_left(void **state)
{
    struct crowd crowd;
    (void)state;
    size_t blocks = support_live_blocks();
    crowd_end(&crowd, crowd_start(&crowd));
    size_t reserve = count_static(&crowd);
    assert_true(reserve > 0 && reserve < THREADS);
    assert_int_equal(support_live_blocks(), blocks + THREADS - reserve);
    cconc__self_trim();
    assert_int_equal(support_live_blocks(), blocks);
    uint64_t allocations = support_alloc_count();
    self *next = NULL;
    support_threads_join(support_threads_start(1, get_and_spoil, &next));
    assert_true(next->is_static); /* the reserve is still there */
    assert_int_equal(support_alloc_count(), allocations);
}

static void self_trim_keeps_the_record_that_a_waker_is_at(void **state)
{
    struct crowd crowd;
    self *held = NULL;
    (void)state;
    size_t blocks = support_live_blocks();
    crowd_end(&crowd, crowd_start(&crowd));
    for (size_t i = 0; i < THREADS; i++) {
        held = crowd.records[i]->is_static ? held : crowd.records[i];
    }
    assert_non_null(held);
    atom_init(&held->parker.wakers, 1);
    cconc__self_trim();
    assert_int_equal(support_live_blocks(), blocks + 1);
    atom_init(&held->parker.wakers, 0);
    cconc__self_trim();
    assert_int_equal(support_live_blocks(), blocks);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void self_waits_for_memory_where_the_reserve_is_used_up(void **state)
{
    struct crowd crowd;
    (void)state;
    cconc__self_trim();
    size_t blocks = support_live_blocks();
    uint64_t tried = support_alloc_count();
    support_fail_alloc(1, true);
    struct support_threads *threads = crowd_start(&crowd);
    until(support_alloc_count() > tried + 100); /* those without a record try again and again */
    assert_true(atomic_load(&crowd.have) < (int)THREADS);
    assert_int_equal(support_live_blocks(), blocks);
    assert_true(support_fail_end() > 0);
    crowd_end(&crowd, threads);
    cconc__self_trim();
    assert_int_equal(support_live_blocks(), blocks);
}

/* ---- what runs on a thread ------------------------------------------------------------------ */

struct nest {
    char owners[3];
};

static void run_nested(void *arg, size_t index)
{
    struct nest *n = arg;
    self_task outer;
    self_task inner;
    (void)index;
    (void)cconc__thread_let_cancel(false);
    SUPPORT_CHECK(!self_runs(&n->owners[0]));
    SUPPORT_CHECK(self_peek() == NULL); /* to ask makes no record */
    cconc__self_enter(&outer, &n->owners[0]);
    SUPPORT_CHECK(cconc__thread_let_cancel(true)); /* a user's function may be cancelled */
    SUPPORT_CHECK(self_runs(&n->owners[0]) && !self_runs(&n->owners[1]));
    cconc__self_enter(&inner, &n->owners[1]);
    SUPPORT_CHECK(self_runs(&n->owners[0]) && self_runs(&n->owners[1]));
    SUPPORT_CHECK(!self_runs(&n->owners[2]));
    cconc__self_exit();
    SUPPORT_CHECK(self_runs(&n->owners[0]) && !self_runs(&n->owners[1]));
    cconc__self_exit();
    SUPPORT_CHECK(!self_runs(&n->owners[0]));
    SUPPORT_CHECK(!cconc__thread_let_cancel(false)); /* the library's thread again */
}

static void self_runs_what_is_entered_and_not_yet_left(void **state)
{
    struct nest nest;
    (void)state;
    support_threads_join(support_threads_start(1, run_nested, &nest));
    assert_false(self_runs(&nest.owners[0]));
}

/* ---- random --------------------------------------------------------------------------------- */

static void self_random_is_below_its_bound_and_even(void **state)
{
    static const uint32_t bounds[] = {1, 2, 3, 7, 10};
    self *me = self_get();
    uint64_t kept = me->random;
    (void)state;
    me->random = 20250202;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        int counts[10] = {0};
        int each = 100000 / (int)bounds[i];
        for (int draw = 0; draw < 100000; draw++) {
            uint32_t drawn = cconc__self_random(me, bounds[i]);
            assert_true(drawn < bounds[i]);
            counts[drawn]++;
        }
        for (uint32_t value = 0; value < bounds[i]; value++) {
            assert_in_range(counts[value], each - each / 20, each + each / 20);
        }
    }
    me->random = kept;
}

static void self_random_survives_every_state(void **state)
{
    static const uint64_t states[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};
    self *me = self_get();
    uint64_t kept = me->random;
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        uint32_t seen = 0;
        me->random = states[i];
        for (int draw = 0; draw < 1000; draw++) {
            seen |= UINT32_C(1) << cconc__self_random(me, 32);
            assert_true(cconc__self_random(me, UINT32_MAX) < UINT32_MAX);
        }
        assert_int_equal(seen, UINT32_MAX);
    }
    me->random = kept;
}

/* Each thread's first try finds no mutex, whether its record is of the reserve or allocated. */
#define CROWD 40

static atomic_int at_hand;
static atomic_bool may_leave;

static void have_a_record(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    SUPPORT_CHECK(self_get());
    atomic_fetch_add(&at_hand, 1);
    until(atomic_load(&may_leave));
}

static void self_is_made_although_a_mutex_was_refused_at_first(void **state)
{
    struct support_threads *threads[CROWD];
    uint64_t refused = 0;
    (void)state;
    atomic_store(&at_hand, 0);
    atomic_store(&may_leave, false);
    for (int i = 0; i < CROWD; i++) {
        support_fail_object(1, false);
        threads[i] = support_threads_start(1, have_a_record, NULL);
        until(atomic_load(&at_hand) == i + 1);
        refused += support_fail_end();
    }
    assert_true(refused > 0); /* less those whose records have been used before */
    atomic_store(&may_leave, true);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(support_threads_join(threads[i]), 0);
    }
}

static void get_without_a_mutex(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    SUPPORT_CHECK(self_peek() == NULL);
    support_fail_object(1, false);
    self *me = self_get();
    SUPPORT_CHECK(support_fail_end() == 1);
    SUPPORT_CHECK(me->is_static && !parker_poll(&me->parker)); /* the next of the reserve */
}

/* In a new process, where no thread has left a record to be used again. */
static int fresh_record_without_a_mutex(void)
{
    support_threads_join(support_threads_start(1, get_without_a_mutex, NULL));
    return 0;
}

static void self_of_the_reserve_that_was_refused_a_mutex_is_passed_over(void **state)
{
    (void)state;
    int status = support_run_child("fresh_record_without_a_mutex", NULL, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"fresh_record_without_a_mutex", fresh_record_without_a_mutex},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(self_of_an_ended_thread_serves_the_next_one),
        UNIT_TEST(self_trim_gives_back_what_ended_threads_left),
        UNIT_TEST(self_trim_keeps_the_record_that_a_waker_is_at),
        UNIT_TEST(self_waits_for_memory_where_the_reserve_is_used_up),
        UNIT_TEST(self_runs_what_is_entered_and_not_yet_left),
        UNIT_TEST(self_random_is_below_its_bound_and_even),
        UNIT_TEST(self_random_survives_every_state),
        UNIT_TEST(self_is_made_although_a_mutex_was_refused_at_first),
        UNIT_TEST(self_of_the_reserve_that_was_refused_a_mutex_is_passed_over),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
