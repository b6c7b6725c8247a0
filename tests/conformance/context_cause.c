/* context_cause.c - the behaviours of Go's package context: Err, Cause, deadlines
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that Go documents, or that its users rely on; the table of shapes
 *           and events as data. By the virtual clock, so each deadline passes at a known reading.
 *           The deliberate differences are cases too, and say so.
 * Catches   ported programs that change their meaning; rules ctx-2 to ctx-5, ctx-13, ctx-14.
 */
#include "context_help.h"

#include <stdatomic.h>
#include <string.h>

/* ---- Err and Cause -------------------------------------------------------------------------- */

enum kind { NONE, BACKGROUND, CANCEL, FAR, FAR_CAUSE, NOW, NOW_CAUSE, VALUE, WITHOUT };

/* events, in order: c and p cancel child and parent, C and P with a cause, n the child with none,
 * t lets the far time come; f and F cancel the child from a foreign source, F with a cause. */
static const struct shape {
    enum kind parent;
    enum kind child;
    const char *events;
    int err;
    int code;
    const char *message;
} shapes[] = {
    {NONE, BACKGROUND, "t", 0, 0, NULL},
    {NONE, NONE, "t", 0, 0, NULL},
    {NONE, WITHOUT, "t", 0, 0, NULL},
    {NOW, WITHOUT, "", 0, 0, NULL},
    {NOW_CAUSE, WITHOUT, "", 0, 0, NULL},
    {FAR_CAUSE, WITHOUT, "t", 0, 0, NULL},
    {CANCEL, WITHOUT, "p", 0, 0, NULL},
    {CANCEL, WITHOUT, "P", 0, 0, NULL},
    {NONE, CANCEL, "", 0, 0, NULL},
    {CANCEL, VALUE, "", 0, 0, NULL},
    {NONE, CANCEL, "c", ECANCELED, ECANCELED, NULL},
    {NONE, CANCEL, "n", ECANCELED, ECANCELED, NULL},
    {NONE, CANCEL, "C", ECANCELED, EPERM, "child"},
    {NONE, CANCEL, "cC", ECANCELED, ECANCELED, NULL},
    {NONE, CANCEL, "Cc", ECANCELED, EPERM, "child"},
    {NONE, FAR, "c", ECANCELED, ECANCELED, NULL},
    {NONE, FAR, "C", ECANCELED, EPERM, "child"},
    {NONE, FAR, "ct", ECANCELED, ECANCELED, NULL},
    {NONE, FAR_CAUSE, "c", ECANCELED, ECANCELED, NULL},
    {NONE, FAR_CAUSE, "ct", ECANCELED, ECANCELED, NULL},
    {NONE, FAR, "t", ETIMEDOUT, ETIMEDOUT, NULL},
    {NONE, FAR, "tC", ETIMEDOUT, ETIMEDOUT, NULL},
    {NONE, FAR_CAUSE, "t", ETIMEDOUT, EDOM, "too slow"},
    {NONE, FAR_CAUSE, "tC", ETIMEDOUT, EDOM, "too slow"},
    {NONE, NOW, "c", ETIMEDOUT, ETIMEDOUT, NULL},
    {NONE, NOW, "C", ETIMEDOUT, ETIMEDOUT, NULL},
    {NONE, NOW_CAUSE, "c", ETIMEDOUT, EDOM, "too slow"},
    {NONE, NOW_CAUSE, "C", ETIMEDOUT, EDOM, "too slow"},
    {CANCEL, CANCEL, "p", ECANCELED, ECANCELED, NULL},
    {CANCEL, CANCEL, "P", ECANCELED, ENXIO, "parent"},
    {CANCEL, VALUE, "P", ECANCELED, ENXIO, "parent"},
    {CANCEL, CANCEL, "PC", ECANCELED, ENXIO, "parent"},
    {CANCEL, CANCEL, "Pc", ECANCELED, ENXIO, "parent"},
    {CANCEL, CANCEL, "CP", ECANCELED, EPERM, "child"},
    {CANCEL, CANCEL, "Cp", ECANCELED, EPERM, "child"},
    {CANCEL, CANCEL, "cP", ECANCELED, ECANCELED, NULL},
    {CANCEL, CANCEL, "pC", ECANCELED, ECANCELED, NULL},
    {CANCEL, FAR_CAUSE, "P", ECANCELED, ENXIO, "parent"},
    {CANCEL, FAR_CAUSE, "Pt", ECANCELED, ENXIO, "parent"},
    {CANCEL, NOW_CAUSE, "P", ETIMEDOUT, EDOM, "too slow"},
    {FAR, CANCEL, "t", ETIMEDOUT, ETIMEDOUT, NULL},
    {FAR, CANCEL, "Ct", ECANCELED, EPERM, "child"},
    {FAR_CAUSE, CANCEL, "t", ETIMEDOUT, EDOM, "too slow"},
    {FAR_CAUSE, VALUE, "t", ETIMEDOUT, EDOM, "too slow"},
    {FAR_CAUSE, FAR, "P", ECANCELED, ENXIO, "parent"},
    {NOW, CANCEL, "C", ETIMEDOUT, ETIMEDOUT, NULL},
    {NOW_CAUSE, FAR, "C", ETIMEDOUT, EDOM, "too slow"},
    {CANCEL, CANCEL, "f", ECANCELED, ECANCELED, NULL},
    {CANCEL, CANCEL, "PF", ECANCELED, ENXIO, "parent"},
    {CANCEL, NOW, "F", ETIMEDOUT, ETIMEDOUT, NULL},
};

static cconc_ctx *shape_make(enum kind kind, cconc_ctx *parent)
{
    switch (kind) {
    case BACKGROUND:
        return cconc_ctx_background();
    case CANCEL:
        return with_cancel(parent);
    case FAR:
        return with_timeout(parent, FAR_NS);
    case FAR_CAUSE:
        return with_timeout_cause(parent, FAR_NS);
    case NOW:
        return with_timeout(parent, 0);
    case NOW_CAUSE:
        return with_timeout_cause(parent, 0);
    case VALUE:
        return with_value(parent, context_mark(), NULL);
    case WITHOUT:
        return without_cancel(parent);
    default:
        return NULL;
    }
}

static void cancel_as_child(void *ctx)
{
    cconc_ctx_cancel_cause(ctx, EPERM, "%s", "child");
}

static void cancel_plainly(void *ctx)
{
    cconc_ctx_cancel(ctx);
}

/* What a context of another make does when it ends: it calls cancel, here through an after-func. */
static void cancel_from_outside(cconc_ctx *child, cconc_after_fn fn)
{
    cconc_ctx *foreign = with_cancel(NULL);
    cconc_after *after = NULL;
    assert_int_equal(cconc_ctx_after_func(foreign, fn, child, &after), 0);
    cconc_ctx_cancel(foreign);
    assert_false(cconc_after_stop_wait(after));
    cconc_after_free(after);
    cconc_ctx_free(foreign);
}

static void shape_event(char event, cconc_ctx *parent, cconc_ctx *child)
{
    if (event == 'c') {
        cancel_plainly(child);
    } else if (event == 'C') {
        cancel_as_child(child);
    } else if (event == 'n') {
        cconc_ctx_cancel_cause(child, 0, NULL);
    } else if (event == 'p') {
        cancel_plainly(parent);
    } else if (event == 'P') {
        cconc_ctx_cancel_cause(parent, ENXIO, "parent");
    } else if (event == 't') {
        pass(FAR_NS);
    } else {
        cancel_from_outside(child, event == 'f' ? cancel_plainly : cancel_as_child);
    }
}

static void err_and_cause_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct shape *shape = &shapes[i];
        cconc_ctx *parent = shape_make(shape->parent, NULL);
        cconc_ctx *child = shape_make(shape->child, parent);
        for (const char *event = shape->events; *event; event++) {
            shape_event(*event, parent, child);
        }
        assert_ended(child, shape->err, shape->code, shape->message);
        cconc_ctx_free(child);
        cconc_ctx_free(parent);
    }
}

/* A context of Go's user tells its parent's cause, since only the package's own contexts keep one;
 * here whatever ended it first is told, as for all others. */
static void cause_of_what_a_foreign_source_ended_first_stays_its_own_unlike_go(void **state)
{
    (void)state;
    for (int rich = 0; rich < 2; rich++) {
        cconc_ctx *parent = with_cancel(NULL);
        cconc_ctx *child = with_cancel(parent);
        cancel_from_outside(child, rich ? cancel_as_child : cancel_plainly);
        cconc_ctx_cancel_cause(parent, ENXIO, "parent");
        assert_ended(child, ECANCELED, rich ? EPERM : ECANCELED, rich ? "child" : NULL);
        cconc_ctx_free(child);
        cconc_ctx_free(parent);
    }
}

struct racers {
    cconc_ctx *ctx;
    atomic_size_t ready;
};

static void read_until_there_is_a_cause(void *arg, size_t index)
{
    struct racers *r = arg;
    const char *text = NULL;
    (void)index;
    atomic_fetch_add(&r->ready, 1);
    until(cconc_ctx_cause(r->ctx, &text) != 0);
    SUPPORT_CHECK(cconc_ctx_cause(r->ctx, NULL) == ENXIO && strcmp(text, "parent") == 0);
    SUPPORT_CHECK(cconc_ctx_err(r->ctx) == ECANCELED);
}

static void cause_is_none_or_final_and_never_the_plain_code_first(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        cconc_ctx *parent = with_cancel(NULL);
        struct racers r = {.ctx = with_cancel(parent)};
        struct support_threads *threads = support_threads_start(2, read_until_there_is_a_cause, &r);
        until(atomic_load(&r.ready) == 2);
        cconc_ctx_cancel_cause(parent, ENXIO, "parent");
        support_threads_join(threads);
        cconc_ctx_free(r.ctx);
        cconc_ctx_free(parent);
    }
}

/* Go keeps any error value; here the cause is a code and up to 255 bytes. */
static void cause_is_a_code_and_a_message_unlike_go(void **state)
{
    char text[300];
    const char *message = NULL;
    cconc_ctx *ctx = with_cancel(NULL);
    (void)state;
    memset(text, 'x', sizeof(text));
    cconc_ctx_cancel_cause(ctx, EPERM, "%.*s", (int)sizeof(text), text);
    assert_int_equal(cconc_ctx_cause(ctx, &message), EPERM);
    assert_int_equal(strlen(message), CCONC_CTX_MAX_MESSAGE);
    cconc_ctx_free(ctx);
    ctx = with_cancel(NULL);
    cconc_ctx_cancel_cause(ctx, 4711, NULL); /* any code; without a message it is told in words */
    assert_ended(ctx, ECANCELED, 4711, NULL);
    cconc_ctx_free(ctx);
}

/* ---- WithDeadline, WithTimeout -------------------------------------------------------------- */

static void with_deadline_ends_it_at_its_time_and_not_before(void **state)
{
    int64_t deadline_ns = cconc_clock_after(CCONC_SECOND);
    cconc_ctx *ctx = with_deadline(NULL, deadline_ns);
    (void)state;
    assert_int_equal(cconc_ctx_deadline(ctx), deadline_ns);
    pass(CCONC_SECOND - 1);
    assert_live(ctx);
    pass(1);
    assert_expired(ctx);
    assert_int_equal(cconc_ctx_deadline(ctx), deadline_ns);
    cconc_ctx_free(ctx);
}

static void with_timeout_is_a_deadline_from_now(void **state)
{
    cconc_ctx *ctx = with_timeout(NULL, CCONC_MS);
    (void)state;
    assert_int_equal(cconc_ctx_deadline(ctx), cconc_clock_now() + CCONC_MS);
    pass(CCONC_MS);
    assert_expired(ctx);
    cconc_ctx_free(ctx);
}

static void with_deadline_that_is_not_after_now_is_done_at_once(void **state)
{
    static const int64_t timeouts[] = {0, -1, -CCONC_SECOND, INT64_MIN};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        cconc_ctx *both[] = {with_timeout(NULL, timeouts[i]),
                             with_deadline(NULL, cconc_clock_now() - (int64_t)i)};
        assert_expired(both[0]);
        assert_expired(both[1]);
        free_all(both, 2);
    }
}

static void with_timeout_that_is_huge_does_not_overflow_into_the_past(void **state)
{
    cconc_ctx *both[] = {with_timeout(NULL, INT64_MAX), with_deadline(NULL, CCONC_NEVER)};
    (void)state;
    pass(100LL * 365 * 86400 * CCONC_SECOND);
    for (size_t i = 0; i < 2; i++) {
        assert_live(both[i]);
        assert_int_equal(cconc_ctx_deadline(both[i]), CCONC_NEVER);
    }
    free_all(both, 2);
}

static void with_deadline_later_than_the_parents_is_the_parents(void **state)
{
    cconc_ctx *parent = with_timeout(NULL, CCONC_SECOND);
    cconc_ctx *child = with_timeout(parent, 2 * CCONC_SECOND);
    (void)state;
    assert_int_equal(cconc_ctx_deadline(child), cconc_ctx_deadline(parent));
    pass(CCONC_SECOND);
    assert_expired(child);
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
}

static void with_deadline_earlier_than_the_parents_ends_the_child_alone(void **state)
{
    cconc_ctx *parent = with_timeout(NULL, 2 * CCONC_SECOND);
    cconc_ctx *child = with_timeout(parent, CCONC_SECOND);
    cconc_ctx *sibling = with_cancel(parent);
    (void)state;
    pass(CCONC_SECOND);
    assert_expired(child);
    assert_live(parent);
    assert_live(sibling);
    pass(CCONC_SECOND);
    assert_expired(parent);
    assert_expired(sibling);
    cconc_ctx *all[] = {sibling, child, parent};
    free_all(all, 3);
}

static void deadline_is_told_by_all_below_and_after_the_end(void **state)
{
    cconc_ctx_mem mem;
    cconc_ctx *parent = with_timeout(NULL, CCONC_SECOND);
    int64_t deadline_ns = cconc_ctx_deadline(parent);
    cconc_ctx *value = with_value(parent, context_mark(), NULL);
    cconc_ctx *child = with_cancel(value);
    cconc_ctx *stack = cconc_ctx_until(&mem, child, CCONC_NEVER);
    cconc_ctx *all[] = {stack, child, value, parent};
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(cconc_ctx_deadline(all[i]), deadline_ns);
            assert_int_equal(cconc_ctx_err(all[i]), round ? ETIMEDOUT : 0);
        }
        pass(CCONC_SECOND);
    }
    free_all(all, 4);
}

static void deadlines_end_contexts_in_the_order_of_their_times(void **state)
{
    static const int64_t timeouts[] = {300, 100, 500, 200, 400, 100};
    cconc_ctx *all[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        all[i] = with_timeout(NULL, timeouts[i]);
    }
    for (int64_t passed = 100; passed <= 500; passed += 100) {
        pass(100);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(cconc_ctx_err(all[i]), timeouts[i] <= passed ? ETIMEDOUT : 0);
        }
    }
    free_all(all, 6);
}

static void with_deadline_cause_is_told_only_if_that_very_deadline_ends_it(void **state)
{
    cconc_ctx *parent = with_timeout(NULL, CCONC_SECOND);
    cconc_ctx *later = with_timeout_cause(parent, 2 * CCONC_SECOND);
    cconc_ctx *sooner = with_timeout_cause(parent, CCONC_MS);
    cconc_ctx *below = with_timeout(sooner, CCONC_SECOND);
    (void)state;
    pass(CCONC_SECOND);
    assert_expired(later);
    assert_expired(parent);
    assert_ended(sooner, ETIMEDOUT, EDOM, "too slow");
    assert_ended(below, ETIMEDOUT, EDOM, "too slow");
    cconc_ctx *all[] = {below, sooner, later, parent};
    free_all(all, 4);
}

/* Go takes a nil cause for DeadlineExceeded; here with_deadline says so. */
static void with_deadline_cause_of_no_code_is_refused_unlike_go(void **state)
{
    cconc_ctx *ctx = NULL;
    (void)state;
    assert_int_equal(cconc_ctx_with_deadline_cause(NULL, 0, 0, "words", &ctx), EINVAL);
    assert_int_equal(cconc_ctx_with_timeout_cause(NULL, FAR_NS, 0, "words", &ctx), EINVAL);
    assert_null(ctx);
}

/* The clock goes back to real only if no deadline is armed. */
static void cancel_releases_the_timer_of_a_deadline_at_once(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    cconc_ctx *child = with_timeout(parent, FAR_NS);
    (void)state;
    assert_int_equal(cconc_clock_real(), EBUSY);
    cconc_ctx_cancel(parent);
    assert_int_equal(cconc_clock_real(), 0);
    assert_int_equal(cconc_clock_virtual(), 0);
    assert_cancelled(child);
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
}

struct worker {
    cconc_ctx *ctx;
    int way;
    int err;
    int64_t back_ns;
};

static void work_under_a_deadline(void *arg, size_t index)
{
    struct worker *w = arg;
    cconc_select_case done = cconc_select_done(w->ctx);
    (void)index;
    switch (w->way) {
    case 0:
        w->err = cconc_ctx_sleep(w->ctx, FAR_NS);
        break;
    case 1:
        w->err = cconc_chan_recv(NULL, w->ctx, NULL);
        break;
    case 2:
        w->err = cconc_select(&done, 1, 0, NULL);
        break;
    default:
        w->err = cconc_ctx_wait(w->ctx, NULL) == 0 ? cconc_ctx_err(w->ctx) : -1;
    }
    w->back_ns = cconc_clock_now();
}

static void deadline_ends_what_waits_under_it_at_its_time(void **state)
{
    cconc_ctx_mem mem;
    (void)state;
    for (int way = 0; way < 8; way++) {
        cconc_ctx *parent = with_timeout(NULL, way < 4 ? CCONC_SECOND : FAR_NS);
        cconc_ctx *child = with_cancel(parent);
        struct worker w = {.ctx = child, .way = way % 4};
        if (way >= 4) { /* and so does one on the stack, which links and allocates nothing */
            w.ctx = cconc_ctx_until(&mem, child, cconc_clock_after(CCONC_SECOND));
        }
        int64_t start_ns = cconc_clock_now();
        struct support_threads *threads = support_threads_start(1, work_under_a_deadline, &w);
        until(cconc_clock_waiters() == 1);
        pass(CCONC_SECOND - 1);
        assert_int_equal(cconc_clock_waiters(), 1);
        pass(1);
        support_threads_join(threads);
        assert_int_equal(w.err, ETIMEDOUT);
        assert_int_equal(w.back_ns, start_ns + CCONC_SECOND);
        assert_int_equal(cconc_ctx_err(w.ctx), ETIMEDOUT);
        cconc_ctx_free(child);
        cconc_ctx_free(parent);
    }
}

static void work_done_in_time_is_not_disturbed_by_the_deadline(void **state)
{
    cconc_chan *ch = NULL;
    int value = 7;
    int got = 0;
    cconc_ctx *ctx = with_timeout(NULL, CCONC_SECOND);
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 1, &ch) == 0);
    pass(CCONC_SECOND - 1);
    assert_int_equal(cconc_chan_send(ch, ctx, &value), 0);
    assert_int_equal(cconc_chan_recv(ch, ctx, &got), 0);
    assert_int_equal(got, 7);
    cconc_ctx_cancel(ctx); /* as a deferred cancel does */
    pass(CCONC_SECOND);
    assert_cancelled(ctx);
    cconc_chan_free(ch);
    cconc_ctx_free(ctx);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TIME_TEST(err_and_cause_follow_the_table),
        TIME_TEST(cause_of_what_a_foreign_source_ended_first_stays_its_own_unlike_go),
        TIME_TEST(cause_is_none_or_final_and_never_the_plain_code_first),
        TIME_TEST(cause_is_a_code_and_a_message_unlike_go),
        TIME_TEST(with_deadline_ends_it_at_its_time_and_not_before),
        TIME_TEST(with_timeout_is_a_deadline_from_now),
        TIME_TEST(with_deadline_that_is_not_after_now_is_done_at_once),
        TIME_TEST(with_timeout_that_is_huge_does_not_overflow_into_the_past),
        TIME_TEST(with_deadline_later_than_the_parents_is_the_parents),
        TIME_TEST(with_deadline_earlier_than_the_parents_ends_the_child_alone),
        TIME_TEST(deadline_is_told_by_all_below_and_after_the_end),
        TIME_TEST(deadlines_end_contexts_in_the_order_of_their_times),
        TIME_TEST(with_deadline_cause_is_told_only_if_that_very_deadline_ends_it),
        TIME_TEST(with_deadline_cause_of_no_code_is_refused_unlike_go),
        TIME_TEST(cancel_releases_the_timer_of_a_deadline_at_once),
        TIME_TEST(deadline_ends_what_waits_under_it_at_its_time),
        TIME_TEST(work_done_in_time_is_not_disturbed_by_the_deadline),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
