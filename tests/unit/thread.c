/* thread.c - unit tests of the library's own threads: mask, name, stack, and their end
 * SPDX-License-Identifier: MIT
 *
 * Risk      A library thread that takes the program's signals or hides its faults, a mask or errno
 *           of the caller that has changed, an end of the thread that nobody hears of.
 * Method    The thread looks at itself; tasks end it by pthread_exit and by cancellation.
 * Catches   I4 I17 I18, X5, W6; invariant I1 of plat/thread.c.
 */
#include "chan_help.h"

#include "plat/cpu.h"
#include "plat/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define ERRNO_MARK 7777

/* What a thread sees of itself. */
struct look {
    char     name[PLAT_THREAD_NAME_BYTES];
    sigset_t mask;
    size_t   stack_bytes;
    int      cancel_state;
};

static void look_at_self(void *arg)
{
    struct look *look = arg;
    pthread_attr_t attr;
    SUPPORT_CHECK(pthread_getname_np(pthread_self(), look->name, sizeof(look->name)) == 0);
    SUPPORT_CHECK(pthread_sigmask(SIG_SETMASK, NULL, &look->mask) == 0);
    SUPPORT_CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    SUPPORT_CHECK(pthread_attr_getstacksize(&attr, &look->stack_bytes) == 0);
    SUPPORT_CHECK(pthread_attr_destroy(&attr) == 0);
    SUPPORT_CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &look->cancel_state) == 0);
}

static bool torn_never(void *arg)
{
    (void)arg;
    support_abort(__FILE__, __LINE__, "torn called for a thread that ran to its end");
}

static plat_thread thread_make(void (*run)(void *arg), bool (*torn)(void *arg), void *arg)
{
    return (plat_thread){.name = "cconc-test/1", .run = run, .torn = torn, .arg = arg};
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void thread_has_its_name_and_no_cancellation(void **state)
{
    struct look look = {.cancel_state = -1};
    plat_thread thread = thread_make(look_at_self, torn_never, &look);
    (void)state;
    assert_int_equal(cconc__thread_start(&thread, 0), 0);
    cconc__thread_join(&thread);
    assert_string_equal(look.name, "cconc-test/1");
    assert_int_equal(look.cancel_state, PTHREAD_CANCEL_DISABLE);
}

static bool is_fault(int number)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (number == faults[i]) {
            return true;
        }
    }
    return false;
}

static void thread_blocks_every_signal_but_the_faults(void **state)
{
    struct look look = {.cancel_state = -1};
    plat_thread thread = thread_make(look_at_self, torn_never, &look);
    sigset_t all; /* that can be blocked: the C library keeps some, an emulator others */
    sigset_t before;
    (void)state;
    SUPPORT_CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    SUPPORT_CHECK(pthread_sigmask(SIG_SETMASK, &before, &all) == 0);
    assert_int_equal(cconc__thread_start(&thread, 0), 0);
    cconc__thread_join(&thread);
    for (int number = 1; number <= SIGRTMAX; number++) {
        bool can = sigismember(&all, number) == 1;
        assert_true(can || number > 31 || number == SIGKILL || number == SIGSTOP);
        assert_int_equal(sigismember(&look.mask, number), can && !is_fault(number));
    }
}

/* Start a thread, or fail to, under an unusual mask, and see that nothing of the caller changed. */
static void start_under_mask(int expected)
{
    struct look look = {.cancel_state = -1};
    plat_thread thread = thread_make(look_at_self, torn_never, &look);
    sigset_t odd;
    sigset_t before;
    sigset_t after;
    SUPPORT_CHECK(sigemptyset(&odd) == 0 && sigaddset(&odd, SIGUSR1) == 0);
    SUPPORT_CHECK(sigaddset(&odd, SIGSEGV) == 0);
    SUPPORT_CHECK(pthread_sigmask(SIG_SETMASK, &odd, &before) == 0);
    errno = ERRNO_MARK;
    int err = cconc__thread_start(&thread, 0);
    int left = errno;
    SUPPORT_CHECK(pthread_sigmask(SIG_SETMASK, &before, &after) == 0);
    assert_int_equal(err, expected);
    assert_int_equal(left, ERRNO_MARK);
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&after, number), sigismember(&odd, number));
    }
    if (err == 0) {
        cconc__thread_join(&thread);
    }
}

static void thread_start_leaves_mask_and_errno_of_the_caller_alone(void **state)
{
    (void)state;
    start_under_mask(0);
    support_fail_thread(1, false);
    start_under_mask(EAGAIN);
    assert_int_equal(support_fail_end(), 1);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void thread_stack_is_at_least_what_was_asked_for(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t system_least = (size_t)PTHREAD_STACK_MIN;
    size_t least = system_least > PLAT_THREAD_STACK_BYTES ? system_least : PLAT_THREAD_STACK_BYTES;
    size_t asked[] = {1,          least - 1,      least,          least + 1,
                      256 * 1024, 256 * 1024 + 1, 768 * 1024 - 1, 8 * 1024 * 1024 + 7};
    (void)state;
    for (size_t i = support_is_sanitized() ? 4 : 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct look look = {.cancel_state = -1};
        plat_thread thread = thread_make(look_at_self, torn_never, &look);
        assert_int_equal(cconc__thread_start(&thread, asked[i]), 0);
        cconc__thread_join(&thread);
        assert_true(look.stack_bytes >= asked[i]);
        assert_true(look.stack_bytes >= least);
        assert_true(support_is_sanitized() || look.stack_bytes <= asked[i] + least + page);
    }
}

static void thread_that_cannot_be_is_eagain(void **state)
{
    plat_thread thread = thread_make(look_at_self, torn_never, NULL);
    (void)state;
    assert_int_equal(cconc__thread_start(&thread, SIZE_MAX), EAGAIN);
    assert_int_equal(cconc__thread_start(&thread, SIZE_MAX - 1), EAGAIN);
    support_fail_thread(1, false);
    assert_int_equal(cconc__thread_start(&thread, 0), EAGAIN);
    assert_int_equal(support_fail_end(), 1);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* A thread whose run is ended from inside, at first. */
struct ender {
    plat_thread thread;
    bool        by_cancel;
    int         ends;      /* how many runs end so */
    bool        again;     /* what torn answers */
    int         torn_ends; /* how often torn itself ends the thread */
    int         runs;
    int         torn;
    int         finished;
    bool        torn_could_be_cancelled;
    atomic_bool ready;
};

static void end_inside(void *arg)
{
    struct ender *e = arg;
    e->runs++;
    if (e->runs > e->ends) {
        e->finished++;
        return;
    }
    if (!e->by_cancel) {
        pthread_exit(NULL);
    }
    (void)cconc__thread_let_cancel(true);
    atomic_store(&e->ready, true);
    for (;;) { /* without a watch: the address sanitizer minds what it leaves on the stack */
        pthread_testcancel();
        plat_cpu_yield();
    }
}

static bool count_torn(void *arg)
{
    struct ender *e = arg;
    e->torn++;
    e->torn_could_be_cancelled = cconc__thread_let_cancel(false);
    if (e->torn <= e->torn_ends) {
        pthread_exit(NULL);
    }
    return e->again;
}

static void ender_run(struct ender *e)
{
    e->thread = thread_make(end_inside, count_torn, e);
    assert_int_equal(cconc__thread_start(&e->thread, 0), 0);
    if (e->by_cancel) {
        until(atomic_load(&e->ready));
        assert_int_equal(pthread_cancel(e->thread.id), 0);
    }
    cconc__thread_join(&e->thread);
}

static void thread_that_is_ended_inside_is_told(void **state)
{
    (void)state;
    for (int by_cancel = 0; by_cancel < 2; by_cancel++) {
        struct ender e = {.by_cancel = by_cancel != 0, .ends = 1};
        ender_run(&e);
        assert_int_equal(e.runs, 1);
        assert_int_equal(e.torn, 1);
        assert_int_equal(e.finished, 0);
        assert_false(e.torn_could_be_cancelled);
    }
}

static void thread_that_was_ended_runs_again_if_wanted(void **state)
{
    (void)state;
    struct ender once = {.by_cancel = true, .ends = 1, .again = true};
    ender_run(&once);
    assert_int_equal(once.runs, 2);
    assert_int_equal(once.torn, 1);
    assert_int_equal(once.finished, 1);
    struct ender often = {.ends = 3, .again = true};
    ender_run(&often);
    assert_int_equal(often.runs, 4);
    assert_int_equal(often.torn, 3);
    assert_int_equal(often.finished, 1);
}

static void thread_that_is_ended_while_it_is_told_is_told_again(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        struct ender e = {.ends = 1, .torn_ends = 3, .again = again != 0};
        ender_run(&e);
        assert_int_equal(e.torn, 4);
        assert_int_equal(e.runs, 1 + again);
        assert_int_equal(e.finished, again);
    }
}

/* A thread that is over, and joined by another, while its maker is still in pthread_create:
 *     maker                          thread         joiner
 *     pthread_create ...
 *                                    runs, ends
 *                                                   joins: what is its id?
 *     ... has the id, stores it
 * Seen with musl: the executor's threads join each other, and one had no id yet. */
struct late {
    plat_thread thread;
    atomic_bool ran;
    atomic_bool joining;
    atomic_bool joined;
};

static atomic_bool late_is_told;

static bool late_id_comes(void)
{
    return atomic_load(&late_is_told);
}

static void late_run(void *arg)
{
    atomic_store(&((struct late *)arg)->ran, true);
}

static void late_make(void *arg, size_t index)
{
    struct late *late = arg;
    (void)index;
    SUPPORT_CHECK(cconc__thread_start(&late->thread, 0) == 0);
}

static void late_join(void *arg, size_t index)
{
    struct late *late = arg;
    (void)index;
    atomic_store(&late->joining, true);
    cconc__thread_join(&late->thread);
    atomic_store(&late->joined, true);
    memset(&late->thread, 0xdd, sizeof(late->thread)); /* as if it were freed */
}

static void thread_is_joined_before_its_maker_has_its_id(void **state)
{
    struct late late = {.ran = false};
    (void)state;
    late.thread = thread_make(late_run, torn_never, &late);
    support_late_thread(late_id_comes);
    struct support_threads *makers = support_threads_start(1, late_make, &late);
    until(atomic_load(&late.ran));
    struct support_threads *joiners = support_threads_start(1, late_join, &late);
    until(atomic_load(&late.joining));
    for (int i = 0; i < 1000; i++) {
        plat_cpu_yield();
    }
    assert_false(atomic_load(&late.joined));
    atomic_store(&late_is_told, true);
    support_threads_join(joiners);
    support_threads_join(makers);
    support_late_thread(NULL);
    assert_true(atomic_load(&late.joined));
}

/* ---- cancel --------------------------------------------------------------------------------- */

struct steady {
    atomic_bool ready;
    atomic_bool cancelled;
    atomic_bool survived;
};

static void meet_a_cancel(void *arg)
{
    struct steady *s = arg;
    atomic_store(&s->ready, true);
    until(atomic_load(&s->cancelled));
    pthread_testcancel();
    atomic_store(&s->survived, true);
}

static void thread_is_not_cancelled_unless_it_lets(void **state)
{
    struct steady s = {.ready = false};
    plat_thread thread = thread_make(meet_a_cancel, torn_never, &s);
    (void)state;
    assert_int_equal(cconc__thread_start(&thread, 0), 0);
    until(atomic_load(&s.ready));
    assert_int_equal(pthread_cancel(thread.id), 0);
    atomic_store(&s.cancelled, true);
    cconc__thread_join(&thread);
    assert_true(atomic_load(&s.survived));
}

struct joiner {
    struct steady steady;
    plat_thread   thread;
    atomic_bool   ready;
    bool          could;
    bool          joined;
};

static void join_while_cancelled(void *arg, size_t index)
{
    struct joiner *j = arg;
    (void)index;
    atomic_store(&j->ready, true);
    cconc__thread_join(&j->thread);
    j->joined = true;
    j->could = cconc__thread_let_cancel(true);
    pthread_testcancel();
}

static void thread_join_is_no_cancellation_point(void **state)
{
    struct joiner j = {.ready = false};
    (void)state;
    j.thread = thread_make(meet_a_cancel, torn_never, &j.steady);
    assert_int_equal(cconc__thread_start(&j.thread, 0), 0);
    struct support_threads *threads = support_threads_start(1, join_while_cancelled, &j);
    until(atomic_load(&j.ready));
    support_threads_cancel(threads, 0);
    atomic_store(&j.steady.cancelled, true);
    assert_int_equal(support_threads_join(threads), 1);
    assert_true(j.joined);
    assert_true(j.could); /* as it was before */
}

static void thread_let_cancel_gives_what_was(void **state)
{
    (void)state;
    bool was = cconc__thread_let_cancel(true);
    assert_true(cconc__thread_let_cancel(true));
    assert_true(cconc__thread_let_cancel(false));
    assert_false(cconc__thread_let_cancel(false));
    assert_false(cconc__thread_let_cancel(was));
}

/* ---- insisting ------------------------------------------------------------------------------ */

struct insisted {
    int calls;
    int ends; /* calls that end the thread */
    bool went_on;
};

static void end_some_times(void *arg)
{
    struct insisted *i = arg;
    i->calls++;
    if (i->calls <= i->ends) {
        pthread_exit(NULL);
    }
}

static void insist_thread(void *arg, size_t index)
{
    struct insisted *i = (struct insisted *)arg + index;
    cconc__thread_insist(end_some_times, i);
    i->went_on = true;
}

static void thread_insists_until_the_call_has_returned(void **state)
{
    struct insisted insisted[4] = {{.ends = 0}, {.ends = 1}, {.ends = 2}, {.ends = 5}};
    (void)state;
    (void)support_threads_join(support_threads_start(4, insist_thread, insisted));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(insisted[i].calls, insisted[i].ends + 1);
        assert_int_equal(insisted[i].went_on, i == 0);
    }
}

/* A thread that goes on after each end, and ends deeper and deeper in calls that it insists on. */
struct nested {
    struct ender ender; /* first: the argument of its torn */
    struct insisted insisted[3];
    int handled;
};

static void note_handled(void *arg)
{
    ((struct nested *)arg)->handled++;
}

static void insist_in_user_handler(void *arg)
{
    struct nested *n = arg;
    pthread_cleanup_push(note_handled, n); /* one of the user's own, inside */
    cconc__thread_insist(end_some_times, &n->insisted[n->ender.runs - 1]);
    pthread_cleanup_pop(0);
}

static void end_in_insisted(void *arg)
{
    struct nested *n = arg;
    n->ender.runs++;
    if (n->ender.runs <= 3) {
        insist_in_user_handler(n);
    } else {
        n->ender.finished++;
    }
}

static void thread_ended_inside_of_insisted_calls_can_be_ended_again(void **state)
{
    struct nested n = {.ender = {.again = true},
                       .insisted = {{.ends = 1}, {.ends = 2}, {.ends = 3}}};
    (void)state;
    n.ender.thread = thread_make(end_in_insisted, count_torn, &n);
    assert_int_equal(cconc__thread_start(&n.ender.thread, 0), 0);
    cconc__thread_join(&n.ender.thread);
    assert_int_equal(n.ender.torn, 3);
    assert_int_equal(n.ender.finished, 1);
    assert_int_equal(n.handled, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(n.insisted[i].calls, n.insisted[i].ends + 1);
        assert_false(n.insisted[i].went_on);
    }
}

static struct insisted late_insisted = {.ends = 2};

static void insist_late(void *arg)
{
    (void)arg;
    cconc__thread_insist(end_some_times, &late_insisted);
}

static void insist_twice_thread(void *arg, size_t index)
{
    static struct insisted early = {.ends = 1};
    (void)index;
    SUPPORT_CHECK(pthread_setspecific(*(pthread_key_t *)arg, arg) == 0);
    cconc__thread_insist(end_some_times, &early);
}

static void thread_insists_in_exit_handlers_too(void **state)
{
    pthread_key_t key;
    (void)state;
    assert_int_equal(pthread_key_create(&key, insist_late), 0);
    (void)support_threads_join(support_threads_start(1, insist_twice_thread, &key));
    assert_int_equal(late_insisted.calls, 3);
    assert_int_equal(pthread_key_delete(key), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(thread_has_its_name_and_no_cancellation),
        UNIT_TEST(thread_blocks_every_signal_but_the_faults),
        UNIT_TEST(thread_start_leaves_mask_and_errno_of_the_caller_alone),
        UNIT_TEST(thread_stack_is_at_least_what_was_asked_for),
        UNIT_TEST(thread_that_cannot_be_is_eagain),
        UNIT_TEST(thread_that_is_ended_inside_is_told),
        UNIT_TEST(thread_that_was_ended_runs_again_if_wanted),
        UNIT_TEST(thread_that_is_ended_while_it_is_told_is_told_again),
        UNIT_TEST(thread_is_joined_before_its_maker_has_its_id),
        UNIT_TEST(thread_is_not_cancelled_unless_it_lets),
        UNIT_TEST(thread_join_is_no_cancellation_point),
        UNIT_TEST(thread_let_cancel_gives_what_was),
        UNIT_TEST(thread_insists_until_the_call_has_returned),
        UNIT_TEST(thread_ended_inside_of_insisted_calls_can_be_ended_again),
        UNIT_TEST(thread_insists_in_exit_handlers_too),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
