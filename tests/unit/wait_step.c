/* wait_step.c - waits that are stopped in the middle by what ends them
 * SPDX-License-Identifier: MIT
 *
 * Risk      What a wait found before it queued itself is not so any more: a wake-up lost, an
 *           element lost or doubled, a case that fires although another one of its select has.
 * Method    Each wait is stopped before each of its atomic instructions in turn, and what ends it
 *           happens there, at one object or at several. What was sent is received or left inside.
 * Catches   H5, H6, H11, H13, H16, T4, S8: with a single switch between the two.
 */
#include "step_help.h"

#include <string.h>

#include "plat/parker.h"

enum { LOW, HIGH, ENDS };

/* Two channels around the object in question, so that one of them has the lower address and is
 * queued at first. */
struct scene {
    cconc_chan *ends[ENDS];
    cconc_chan *middle;
    cconc_timer *timer;
    cconc_ctx *ctx;
    cconc_select_case cases[4];
    size_t count;
    size_t fired;
    size_t cap;
    uint32_t flags;
    int err;
    int beside_err;
    int64_t got[ENDS + 1];
    int64_t sent;
};

static cconc_chan *chan_of(size_t cap)
{
    cconc_chan *ch;
    SUPPORT_CHECK(cconc_chan_new(sizeof(int64_t), cap, &ch) == 0);
    return ch;
}

static void make(void *arg)
{
    struct scene *s = arg;
    memset(s->got, 0, sizeof(s->got));
    s->sent = 0;
    s->ends[LOW] = chan_of(1);
    s->middle = chan_of(s->cap);
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &s->ctx) == 0);
    SUPPORT_CHECK(cconc_timer_new(CCONC_NEVER, &s->timer) == 0);
    s->ends[HIGH] = chan_of(1);
    s->cases[0] = cconc_select_recv(s->ends[LOW], &s->got[LOW]);
    s->cases[1] = cconc_select_recv(s->ends[HIGH], &s->got[HIGH]);
}

static int64_t left_in(cconc_chan *ch)
{
    int64_t value = 0;
    return cconc_chan_try_recv(ch, &value) == 0 ? value : 0;
}

static void clean_up(void *arg)
{
    struct scene *s = arg;
    int64_t sum = s->got[0] + s->got[1] + s->got[2];
    sum += left_in(s->ends[LOW]) + left_in(s->middle) + left_in(s->ends[HIGH]);
    SUPPORT_CHECK(sum == s->sent);
    cconc_chan_free(s->ends[LOW]);
    cconc_chan_free(s->ends[HIGH]);
    cconc_chan_free(s->middle);
    cconc_timer_free(s->timer);
    cconc_ctx_free(s->ctx);
}

static void send_one(struct scene *s, cconc_chan *ch)
{
    const int64_t one = 1;
    if (cconc_chan_try_send(ch, &one) == 0) {
        s->sent++;
    }
}

static void select_all(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_select(s->cases, s->count, s->flags, &s->fired);
}

static void send_to_the_ends(void *arg)
{
    struct scene *s = arg;
    send_one(s, s->ends[LOW]);
    send_one(s, s->ends[HIGH]);
}

/* ---- channels ------------------------------------------------------------------------------- */

static void make_recv(void *arg)
{
    struct scene *s = arg;
    make(s);
    s->cases[2] = cconc_select_recv(s->middle, &s->got[2]);
    s->count = 3;
}

static void send_to_all(void *arg)
{
    struct scene *s = arg;
    send_to_the_ends(s);
    send_one(s, s->middle);
}

static void close_behind_the_ends(void *arg)
{
    struct scene *s = arg;
    send_to_the_ends(s);
    cconc_chan_close(s->middle);
}

static void one_case_fired(void *arg)
{
    struct scene *s = arg;
    int64_t got = s->got[0] + s->got[1] + s->got[2];
    SUPPORT_CHECK(s->err == 0 ? got == 1 && s->got[s->fired] == 1
                              : got == 0 && s->err == EPIPE && s->fired == 2);
    clean_up(s);
}

static void wait_select_takes_from_one_channel_at_every_place(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 2; cap++) {
        for (uint32_t ordered = 0; ordered < 2; ordered++) {
            struct scene s = {.cap = cap, .flags = ordered ? CCONC_SELECT_ORDERED : 0};
            step(make_recv, select_all, send_to_all, one_case_fired, &s);
            step(make_recv, select_all, close_behind_the_ends, one_case_fired, &s);
        }
    }
}

static const int64_t five = 5;

static void two_selects_meet(void *arg)
{
    struct scene *s = arg;
    cconc_select_case send = cconc_select_send(s->middle, &five);
    size_t index;
    send_to_the_ends(s);
    s->beside_err = cconc_select(&send, 1, CCONC_SELECT_TRY, &index);
    s->sent += s->beside_err == 0 ? 5 : 0;
}

static void one_case_fired_of_five(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0 && s->got[s->fired] == (s->fired == 2 ? 5 : 1));
    clean_up(s);
}

static void wait_select_meets_a_select_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.cap = 0};
    step(make_recv, select_all, two_selects_meet, one_case_fired_of_five, &s);
}

static void send_middle(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_chan_send(s->middle, s->ctx, &five);
}

static void take_middle_or_cancel(void *arg)
{
    struct scene *s = arg;
    s->got[2] += left_in(s->middle);
    cconc_ctx_cancel(s->ctx);
    s->got[2] += left_in(s->middle);
}

static void sent_or_cancelled(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0 || s->err == ECANCELED);
    s->sent = s->err == 0 ? 5 : 0;
    clean_up(s);
}

static void wait_send_meets_a_receiver_and_a_cancel_at_every_place(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 2; cap++) {
        struct scene s = {.cap = cap};
        step(make, send_middle, take_middle_or_cancel, sent_or_cancelled, &s);
    }
}

static void make_peer(void *arg)
{
    struct scene *s = arg;
    make_recv(s);
    s->err = 0;
}

static void cancel_and_close(void *arg)
{
    struct scene *s = arg;
    cconc_ctx_cancel(s->ctx);
    cconc_chan_close(s->middle);
}

static void receive_middle(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_chan_recv(s->middle, s->ctx, &s->got[2]);
}

static void ended_by_either(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == EPIPE || s->err == ECANCELED);
    clean_up(s);
}

static void wait_receive_meets_a_close_and_a_cancel_at_every_place(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 2; cap++) {
        struct scene s = {.cap = cap};
        step(make_peer, receive_middle, cancel_and_close, ended_by_either, &s);
    }
}

/* ---- contexts, timers ----------------------------------------------------------------------- */

static void make_done(void *arg)
{
    struct scene *s = arg;
    make(s);
    s->cases[2] = cconc_select_done(s->ctx);
    s->count = 3;
}

static void cancel_behind_the_ends(void *arg)
{
    struct scene *s = arg;
    send_to_the_ends(s);
    cconc_ctx_cancel(s->ctx);
}

static void one_case_fired_or_done(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->fired == 2 ? s->err == ECANCELED : s->err == 0 && s->got[s->fired] == 1);
    clean_up(s);
}

static void wait_select_meets_the_end_of_a_context_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.cap = 1};
    step(make_done, select_all, cancel_behind_the_ends, one_case_fired_or_done, &s);
}

static int64_t due_ns;

static void make_timer(void *arg)
{
    struct scene *s = arg;
    make(s);
    s->cases[2] = cconc_select_timer(s->timer, &due_ns);
    s->count = 3;
}

static void fire_behind_the_ends(void *arg)
{
    struct scene *s = arg;
    send_to_the_ends(s);
    (void)cconc_timer_reset(s->timer, 0);
}

static void one_case_fired_or_due(void *arg)
{
    struct scene *s = arg;
    int64_t at_ns;
    SUPPORT_CHECK(s->err == 0 && (s->fired == 2 || s->got[s->fired] == 1));
    SUPPORT_CHECK(cconc_timer_try_wait(s->timer, &at_ns) == (s->fired == 2 ? EAGAIN : 0));
    clean_up(s);
}

static void wait_select_meets_a_timer_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.cap = 1};
    step(make_timer, select_all, fire_behind_the_ends, one_case_fired_or_due, &s);
}

static void make_timer_alone(void *arg)
{
    struct scene *s = arg;
    make(s);
    s->cases[0] = cconc_select_timer(s->timer, &due_ns);
    s->count = 1;
}

static void fire(void *arg)
{
    struct scene *s = arg;
    (void)cconc_timer_reset(s->timer, 0);
}

static void timer_fired(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0 && s->fired == 0);
    SUPPORT_CHECK(cconc_timer_try_wait(s->timer, NULL) == EAGAIN);
    clean_up(s);
}

/* A timer that is due, and a channel. */
static void make_due(void *arg)
{
    struct scene *s = arg;
    make_timer_alone(s);
    s->cases[1] = cconc_select_recv(s->ends[LOW], &s->got[LOW]);
    s->count = 2;
    fire(s);
}

static void take_and_send(void *arg)
{
    struct scene *s = arg;
    s->beside_err = cconc_timer_try_wait(s->timer, NULL);
    send_one(s, s->ends[LOW]);
}

static void each_got_something(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0);
    SUPPORT_CHECK(s->fired == 0 ? s->beside_err == EAGAIN && s->got[LOW] == 0
                                : s->beside_err == 0 && s->got[LOW] == 1);
    clean_up(s);
}

static void wait_select_takes_what_a_timer_has_once_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.cap = 1};
    step(make_timer_alone, select_all, fire, timer_fired, &s);
    step(make_due, select_all, take_and_send, each_got_something, &s);
}

static void wait_timer(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_timer_wait(s->timer, s->ctx, &due_ns);
}

static void stop_and_cancel(void *arg)
{
    struct scene *s = arg;
    (void)cconc_timer_stop(s->timer);
    cconc_ctx_cancel(s->ctx);
}

static void reset_and_stop(void *arg)
{
    struct scene *s = arg;
    (void)cconc_timer_reset(s->timer, 0);
    (void)cconc_timer_stop(s->timer);
}

static void stopped_or_cancelled(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == EPIPE || s->err == ECANCELED);
    clean_up(s);
}

static void stopped_or_fired(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == EPIPE || s->err == 0);
    clean_up(s);
}

static void wait_timer_meets_a_stop_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.cap = 1};
    step(make, wait_timer, stop_and_cancel, stopped_or_cancelled, &s);
    step(make, wait_timer, reset_and_stop, stopped_or_fired, &s);
}

/* ---- parkers -------------------------------------------------------------------------------- */

struct sleeper {
    parker parker;
    bool   woken;
    bool   slept; /* so says who woke it */
};

static void make_parker(void *arg)
{
    struct sleeper *s = arg;
    SUPPORT_CHECK(cconc__parker_init(&s->parker) == 0);
}

static void park_too_late(void *arg)
{
    struct sleeper *s = arg;
    s->woken = cconc__parker_park(&s->parker, 1);
}

static void wake(void *arg)
{
    struct sleeper *s = arg;
    s->slept = cconc__parker_unpark(&s->parker);
}

static void wake_was_taken_or_is_left(void *arg)
{
    struct sleeper *s = arg;
    SUPPORT_CHECK(!s->slept || s->woken);
    SUPPORT_CHECK(parker_poll(&s->parker) == !s->woken);
    SUPPORT_CHECK(!parker_poll(&s->parker) && !parker_is_in_use(&s->parker));
    cconc__parker_destroy(&s->parker);
}

static void wait_of_a_parker_that_is_over_meets_a_wake_at_every_place(void **state)
{
    (void)state;
    struct sleeper s = {.woken = false};
    step(make_parker, park_too_late, wake, wake_was_taken_or_is_left, &s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(wait_select_takes_from_one_channel_at_every_place),
        UNIT_TEST(wait_select_meets_a_select_at_every_place),
        UNIT_TEST(wait_send_meets_a_receiver_and_a_cancel_at_every_place),
        UNIT_TEST(wait_receive_meets_a_close_and_a_cancel_at_every_place),
        UNIT_TEST(wait_select_meets_the_end_of_a_context_at_every_place),
        UNIT_TEST(wait_select_meets_a_timer_at_every_place),
        UNIT_TEST(wait_select_takes_what_a_timer_has_once_at_every_place),
        UNIT_TEST(wait_timer_meets_a_stop_at_every_place),
        UNIT_TEST(wait_of_a_parker_that_is_over_meets_a_wake_at_every_place),
    };
    support_step_start();
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
