/* select.c - how select waits for the first of several things
 * SPDX-License-Identifier: MIT
 *
 * Idea        Look at all cases, fire one that is ready; else queue one node a case, all of one
 *             waiter, sleep, leave all queues, and finish the case that was claimed. Case by case
 *             this knows only the seam of core/waitable.h.
 * Picture     look twice --none ready, no version changed--> queue all, by address --> park
 *                 |  ^                                            | ready meanwhile        |
 *                 |  +----------------- told READY, or withdrawn -+------------------------+
 *                 +-- fire one of the ready                       claimed: finish that case
 * Invariants  I1 A first look that finds no case ready and a second that finds the same versions
 *                mean that none was ready at any moment between the two looks.
 *             I2 Nodes are queued in order of object address, so of two selects that find each
 *                other, each while queueing, one always gets through: neither can wait for the
 *                other in a ring.
 *             I3 A node that was queued is dequeued once.
 * Locks       None taken here: each case locks its own object, one at a time.
 * Ordering    Those of the case that fires.
 * Lifetime    Cases and waiter lie on the stack; beyond SELECT_NEAR cases in memory of the call.
 * Rejected    Locking all objects in order of address, as Go does: two locks of one rank, and a
 *             lock taken where nobody waits (0008). */
#include <cconc/select.h>

#include "core/must.h"
#include "core/self.h"
#include "core/spin.h"
#include "core/waitable.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/clock.h"

#include <errno.h>

#define SELECT_NEAR 8

typedef struct select_run {
    wait_case *cases;
    uint16_t  *order;    /* indices of the live ones, by address of object */
    size_t     count;
    size_t     live;     /* length of order */
    size_t     until;    /* index of the earliest until case, count = none */
    int64_t    until_ns; /* its deadline */
    size_t     fired;    /* index of the case that fired */
    bool       ordered;
} select_run;

cconc_select_case cconc_select_send(cconc_chan *ch, const void *elem)
{
    MUST_ALIGN(ch, void *);
    cconc_select_case made = {CCONC_SELECT_SEND, 0, ch, elem, NULL, 0};
    return made;
}

cconc_select_case cconc_select_recv(cconc_chan *ch, void *out_elem)
{
    MUST_ALIGN(ch, void *);
    cconc_select_case made = {CCONC_SELECT_RECV, 0, ch, NULL, out_elem, 0};
    return made;
}

cconc_select_case cconc_select_done(cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    cconc_select_case made = {CCONC_SELECT_DONE, 0, ctx, NULL, NULL, 0};
    return made;
}

cconc_select_case cconc_select_until(int64_t deadline_ns)
{
    cconc_select_case made = {CCONC_SELECT_UNTIL, 0, NULL, NULL, NULL, deadline_ns};
    return made;
}

cconc_select_case cconc_select_timer(cconc_timer *t, int64_t *out_due_ns)
{
    MUST_ALIGN(t, void *);
    MUST_ALIGN(out_due_ns, int64_t);
    cconc_select_case made = {CCONC_SELECT_TIMER, 0, t, NULL, out_due_ns, 0};
    return made;
}

cconc_select_case cconc_select_ticker(cconc_ticker *ticker, int64_t *out_due_ns)
{
    MUST_ALIGN(ticker, void *);
    MUST_ALIGN(out_due_ns, int64_t);
    cconc_select_case made = {CCONC_SELECT_TICKER, 0, ticker, NULL, out_due_ns, 0};
    return made;
}

/* Translate one case. Returns 0, or EINVAL for what cannot be right. */
static int select_translate(select_run *run, const cconc_select_case *given, size_t i)
{
    wait_case *c = &run->cases[i];
    *c = (wait_case){.object = given->object, .due_ns = PLAT_NEVER};
    if (given->reserved != 0) {
        return EINVAL;
    }
    switch (given->kind) {
    case CCONC_SELECT_SEND:
        c->ops = given->object ? &cconc__chan_send_ops : NULL;
        c->node.elem = (void *)(uintptr_t)given->send_elem;
        return 0;
    case CCONC_SELECT_RECV:
        c->ops = given->object ? &cconc__chan_recv_ops : NULL;
        c->node.elem = given->recv_elem;
        return 0;
    case CCONC_SELECT_DONE:
        c->ops = cconc__node_can_end(given->object) ? &cconc__ctx_done_ops : NULL;
        return 0;
    case CCONC_SELECT_TIMER:
    case CCONC_SELECT_TICKER:
        c->ops = given->object ? &cconc__expiry_ops : NULL;
        c->node.elem = given->recv_elem;
        return 0;
    case CCONC_SELECT_UNTIL:
        c->due_ns = given->deadline_ns;
        if (given->deadline_ns < run->until_ns) {
            run->until_ns = given->deadline_ns;
            run->until = i;
        }
        return 0;
    default:
        return EINVAL;
    }
}

/* Sort the live cases by address (Shell's method: in place, no recursion). */
static void select_sort(select_run *run)
{
    for (size_t gap = run->live / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < run->live; i++) {
            uint16_t moving = run->order[i];
            uintptr_t address = (uintptr_t)run->cases[moving].object;
            size_t at = i;
            while (at >= gap && (uintptr_t)run->cases[run->order[at - gap]].object > address) {
                run->order[at] = run->order[at - gap];
                at -= gap;
            }
            run->order[at] = moving;
        }
    }
}

/* The first look: choose among the ready. Returns how many there are. */
static size_t select_choose(select_run *run, size_t *out_pick)
{
    size_t ready = 0;
    int64_t now_ns = run->until < run->count ? plat_clock_now() : INT64_MIN;
    for (size_t i = 0; i < run->count; i++) {
        wait_case *c = &run->cases[i];
        bool is_ready = c->ops ? c->ops->is_ready(c, &c->version) : now_ns >= c->due_ns;
        if (!is_ready) {
            continue;
        }
        ready++;
        if (ready == 1 ||
            (!run->ordered && cconc__self_random(self_get(), (uint32_t)ready) == 0)) {
            *out_pick = i;
        }
    }
    return ready;
}

/* The second look: has none of the first count cases become ready since the first? */
static bool select_is_still(const select_run *run, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const wait_case *c = &run->cases[i];
        size_t version;
        if (c->ops && (c->ops->is_ready(c, &version) || version != c->version)) {
            return false;
        }
    }
    return true;
}

/* Fire a case that is ready, if any is. Returns its code, or EAGAIN if none was at one instant. */
static int select_look(select_run *run)
{
    for (;;) {
        size_t pick = 0;
        size_t ready = select_choose(run, &pick);
        wait_case *c = &run->cases[pick];
        int err;
        if (ready == 0) {
            if (select_is_still(run, run->count)) {
                return EAGAIN;
            }
            continue;
        }
        if (run->ordered && !select_is_still(run, pick)) {
            continue;
        }
        err = c->ops ? c->ops->try_fire(c) : ETIMEDOUT;
        if (err != EAGAIN) {
            run->fired = pick;
            return err;
        }
    }
}

/* Queue all live cases. Returns what the last one said. */
static wait_queued select_enqueue_all(select_run *run, waiter *w)
{
    for (size_t i = 0; i < run->live; i++) {
        wait_case *c = &run->cases[run->order[i]];
        int64_t since_ns = c->node.since_ns;
        wait_queued queued;
        wait_node_init(&c->node, w, c->node.elem, run->order[i]);
        c->node.since_ns = since_ns;
        queued = c->ops->enqueue(c, w);
        c->is_queued = queued == WAIT_QUEUED;
        if (queued == WAIT_FIRED) {
            run->fired = run->order[i];
        }
        if (queued != WAIT_QUEUED) {
            return queued;
        }
    }
    return WAIT_QUEUED;
}

/* The wait has ended on time: fire the case whose time it was, if that is not an until case. */
static int select_on_time(select_run *run)
{
    int err = EAGAIN;
    for (size_t i = 0; i < run->live && err == EAGAIN; i++) {
        wait_case *c = &run->cases[run->order[i]];
        if (c->ops->on_time) {
            c->is_queued = false;
            run->fired = run->order[i];
            err = c->ops->on_time(c);
        }
    }
    return err;
}

/* Finish what the claim on w says, and leave all queues. Returns EAGAIN if nothing fired yet. */
static int select_settle(select_run *run, const waiter *w, wait_queued queued)
{
    size_t index = waiter_index(w);
    int err = EAGAIN;
    switch (waiter_kind(w)) {
    case CLAIM_GRANT:
        err = 0;
        run->fired = index;
        break;
    case CLAIM_READY:
    case CLAIM_CLOSE:
    case CLAIM_CANCEL:
        err = run->cases[index].ops->try_fire(&run->cases[index]);
        run->fired = index;
        break;
    case CLAIM_TIMEOUT:
        err = select_on_time(run);
        break;
    default:
        err = queued == WAIT_FIRED ? 0 : EAGAIN;
    }
    for (size_t i = 0; i < run->live; i++) {
        wait_case *c = &run->cases[run->order[i]];
        if (c->is_queued) {
            c->is_queued = false;
            c->ops->dequeue(c);
        }
    }
    return err;
}

/* Keep what users may let go of while the call blocks, or no longer. */
static void select_keep_all(const select_run *run, bool on)
{
    for (size_t i = 0; i < run->live; i++) {
        const wait_case *c = &run->cases[run->order[i]];
        if (c->ops->keep) {
            c->ops->keep(c, on);
        }
    }
}

static int select_block(select_run *run)
{
    int err = EAGAIN;
    spinner s;
    cconc__spin_begin(&s, self_get());
    while (err == EAGAIN && cconc__spin_again(&s)) {
        err = select_look(run);
    }
    cconc__spin_end(&s, err != EAGAIN);
    select_sort(run);
    select_keep_all(run, true);
    while (err == EAGAIN) {
        waiter w;
        wait_queued queued;
        cconc__waiter_arm(&w, NULL);
        waiter_limit(&w, run->until_ns);
        queued = select_enqueue_all(run, &w);
        if (queued == WAIT_QUEUED) {
            cconc__waiter_park(&w, false);
        }
        err = select_settle(run, &w, queued);
        if (err == EAGAIN) {
            err = select_look(run);
        }
        if (err == EAGAIN && waiter_kind(&w) == CLAIM_FORKED) {
            err = ENOTRECOVERABLE;
        }
        waiter_disarm(&w);
    }
    select_keep_all(run, false);
    return err;
}

/* Translate all cases into run. Returns 0, EINVAL, or EDEADLK if none could ever fire. */
static int select_prepare(select_run *run, const cconc_select_case *cases, uint32_t flags)
{
    run->until = run->count;
    run->until_ns = PLAT_NEVER;
    run->ordered = (flags & CCONC_SELECT_ORDERED) != 0;
    for (size_t i = 0; i < run->count; i++) {
        int err = select_translate(run, &cases[i], i);
        if (err) {
            return err;
        }
        if (run->cases[i].ops && !run->cases[i].ops->is_right(&run->cases[i])) {
            return EINVAL;
        }
        if (run->cases[i].ops) {
            run->order[run->live] = (uint16_t)i;
            run->live++;
        }
    }
    if (run->live == 0 && run->until == run->count && !(flags & CCONC_SELECT_TRY)) {
        return EDEADLK;
    }
    return 0;
}

static int select_run_it(select_run *run, const cconc_select_case *cases, uint32_t flags,
                         size_t *out_index)
{
    int err = select_prepare(run, cases, flags);
    if (err) {
        return err;
    }
    err = select_look(run);
    if (err == EAGAIN && !(flags & CCONC_SELECT_TRY)) {
        err = select_block(run);
    }
    if (err != EAGAIN && err != ENOTRECOVERABLE && out_index) {
        *out_index = run->fired;
    }
    return err;
}

int cconc_select(const cconc_select_case *cases, size_t count, uint32_t flags, size_t *out_index)
{
    MUST_ALIGN(cases, cconc_select_case);
    MUST_ALIGN(out_index, size_t);
    wait_case near_cases[SELECT_NEAR];
    uint16_t near_order[SELECT_NEAR];
    select_run run = {.cases = near_cases, .order = near_order, .count = count};
    void *far = NULL;
    int err;
    if ((flags & ~(CCONC_SELECT_TRY | CCONC_SELECT_ORDERED)) != 0 ||
        count > CCONC_SELECT_MAX_CASES || (count > 0 && !cases)) {
        return EINVAL;
    }
    if (count > SELECT_NEAR) {
        far = cconc__alloc(count * (sizeof(*run.cases) + sizeof(*run.order)));
        if (!far) {
            return ENOMEM;
        }
        run.cases = far;
        run.order = (uint16_t *)(void *)(run.cases + count);
    }
    err = select_run_it(&run, cases, flags, out_index);
    cconc__alloc_free(far);
    return err;
}
