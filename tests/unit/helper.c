/* helper.c - a wait that can be called for a task
 * SPDX-License-Identifier: MIT
 *
 * Risk      A call for a task that is taken for the end of the wait or for nothing, a node that
 *           stays in a queue, a helper that is left enlisted.
 * Method    A helper whose enlist decides at once what happens to the wait.
 * Catches   pool-6; invariant I1 of core/helper.c.
 */
#include "unit.h"

#include <errno.h>

#include <cconc/cconc.h>

#include "core/helper.h"
#include "ctx_help.h"

/* A helper, and the wait that it helps. */
struct stage {
    helper h;
    lock mu;
    waitq q;
    wait_node node;
    waiter w;
    cconc_ctx *ctx;
    int enlist_code;
    bool calls;   /* enlist finds a task a moment later */
    bool grants;  /* enlist sees the wait granted */
    bool cancels; /* enlist sees also end */
    bool ends;    /* enlist sees ctx end */
    cconc_ctx *also;
    int enlisted; /* enlist less delist */
    int lists;
};

static void wake(struct stage *stage, wait_node *node, claim_kind kind)
{
    wake_batch batch = WAKE_BATCH_INIT;
    SUPPORT_CHECK(waiter_claim(&stage->w, kind, node->index));
    batch_add(&batch, node);
    batch_wake(&batch);
}

static int stage_enlist(helper *h, wait_node *node)
{
    struct stage *stage = LIST_OF(h, struct stage, h);
    SUPPORT_CHECK(node->index == HELPER_INDEX && node->w == &stage->w);
    stage->lists++;
    if (stage->grants) {
        lock_take(&stage->mu);
        waitq_remove(&stage->q, &stage->node);
        lock_leave(&stage->mu);
        wake(stage, &stage->node, CLAIM_GRANT);
    }
    if (stage->cancels) {
        cconc_ctx_cancel(stage->also);
    }
    if (stage->ends) {
        cconc_ctx_cancel(stage->ctx);
    }
    if (stage->enlist_code) {
        return stage->enlist_code;
    }
    stage->enlisted++;
    if (stage->calls) {
        wake(stage, node, CLAIM_READY);
    }
    return 0;
}

static void stage_delist(helper *h, wait_node *node)
{
    struct stage *stage = LIST_OF(h, struct stage, h);
    SUPPORT_CHECK(node->index == HELPER_INDEX);
    stage->enlisted--;
}

/* Wait once, with the helper or alone. */
static int wait_once(struct stage *stage, bool alone)
{
    int err;
    stage->h.enlist = stage_enlist;
    stage->h.delist = stage_delist;
    SUPPORT_CHECK(cconc__lock_init(&stage->mu, RANK_GROUP) == 0);
    waitq_init(&stage->q);
    cconc__waiter_arm(&stage->w, stage->ctx);
    wait_node_init(&stage->node, &stage->w, NULL, 0);
    waitq_push_back(&stage->q, &stage->node);
    err = cconc__helper_await(alone ? NULL : &stage->h, &stage->w, stage->ctx, &stage->mu,
                              &stage->q, &stage->node);
    waiter_disarm(&stage->w);
    assert_int_equal(stage->q.count, 0);
    assert_int_equal(stage->enlisted, 0);
    assert_int_equal(stage->lists, alone ? 0 : 1);
    cconc__lock_destroy(&stage->mu);
    return err;
}

static void helper_called_for_a_task_ends_the_wait_with_EAGAIN(void **state)
{
    struct stage stage = {.calls = true};
    (void)state;
    assert_int_equal(wait_once(&stage, false), EAGAIN);
}

static void helper_that_cannot_be_enlisted_tells_why(void **state)
{
    struct stage busy = {.enlist_code = EAGAIN};
    struct stage alone = {.enlist_code = EDEADLK};
    (void)state;
    assert_int_equal(wait_once(&busy, false), EAGAIN);
    assert_int_equal(wait_once(&alone, false), EDEADLK);
}

static void helper_wait_that_is_granted_is_so_whatever_enlist_says(void **state)
{
    struct stage slept = {.grants = true};
    struct stage refused = {.grants = true, .enlist_code = EDEADLK};
    (void)state;
    assert_int_equal(wait_once(&slept, false), 0);
    assert_int_equal(wait_once(&refused, false), 0);
}

static void helper_wait_ends_with_its_ctx(void **state)
{
    (void)state;
    for (int alone = 0; alone < 2; alone++) {
        struct stage stage = {.ctx = make_timeout(NULL, CCONC_MS)};
        assert_int_equal(wait_once(&stage, alone), EINPROGRESS);
        assert_int_equal(cconc_ctx_err(stage.ctx), ETIMEDOUT);
        cconc_ctx_free(stage.ctx);
    }
}

/* Park once, with the helper, until also ends, or ctx. */
static int park_also(struct stage *stage, cconc_ctx *also)
{
    int err;
    stage->h.enlist = stage_enlist;
    stage->h.delist = stage_delist;
    stage->also = also;
    cconc__waiter_arm(&stage->w, stage->ctx);
    err = cconc__helper_park(&stage->h, &stage->w, also);
    SUPPORT_CHECK(stage->enlisted == 0);
    err = err ? err : cconc__helper_error(&stage->w, stage->ctx, also);
    waiter_disarm(&stage->w);
    return err;
}

static void helper_wait_ends_with_the_other_ctx_and_tells_which(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        struct stage stage = {.ctx = make_cancel(NULL), .cancels = true};
        cconc_ctx *also = make_timeout_cause(NULL, FAR_NS, EIO, "not this");
        if (before) {
            cconc_ctx_cancel(also);
        }
        assert_int_equal(park_also(&stage, also), ECANCELED);
        assert_int_equal(stage.lists, before ? 0 : 1);
        assert_int_equal(cconc_ctx_err(stage.ctx), 0);
        cconc_ctx_free(also);
        cconc_ctx_free(stage.ctx);
    }
}

static void helper_wait_with_another_ctx_ends_with_its_own_and_for_a_task(void **state)
{
    struct stage stage = {.ctx = make_timeout(NULL, CCONC_MS)};
    struct stage ended = {.ctx = make_timeout_cause(NULL, FAR_NS, EIO, "not this"), .ends = true};
    struct stage called = {.calls = true};
    cconc_ctx *also = make_cancel(NULL);
    (void)state;
    assert_int_equal(park_also(&stage, also), ETIMEDOUT);
    assert_int_equal(park_also(&ended, also), ECANCELED);
    assert_int_equal(waiter_kind(&ended.w), CLAIM_CANCEL);
    assert_int_equal(cconc_ctx_err(also), 0);
    assert_int_equal(park_also(&called, also), 0);
    assert_int_equal(waiter_kind(&called.w), CLAIM_READY);
    cconc_ctx_free(also);
    cconc_ctx_free(ended.ctx);
    cconc_ctx_free(stage.ctx);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(helper_called_for_a_task_ends_the_wait_with_EAGAIN),
        UNIT_TEST(helper_that_cannot_be_enlisted_tells_why),
        UNIT_TEST(helper_wait_that_is_granted_is_so_whatever_enlist_says),
        UNIT_TEST(helper_wait_ends_with_its_ctx),
        UNIT_TEST(helper_wait_ends_with_the_other_ctx_and_tells_which),
        UNIT_TEST(helper_wait_with_another_ctx_ends_with_its_own_and_for_a_task),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
