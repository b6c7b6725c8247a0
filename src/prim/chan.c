/* chan.c - how channels work: their life, and the calls
 * SPDX-License-Identifier: MIT
 *
 * Idea        A buffered channel is a lock-free ring (core/ring.c) with a queue of blocked callers
 *             a direction (chan_queue.c). With capacity 0 there is no ring, and two callers meet
 *             (chan_meet.c). What is common lies here: try, and where that would have to wait, look
 *             for a moment, then block in the one shape of the library.
 * Invariants  I1 Once closed, nothing goes in and no unclaimed waiter stays queued.
 *             I2 A call that returns other than 0 has moved nothing.
 * Locks       mu, rank CHAN: closing and counting.
 * Ordering    The edges of ring.c and chan_meet.c; [park.1] carries a grant to its waiter.
 * Lifetime    free is alone by contract; a waker is done with the channel when it leaves mu.
 * Rejected    A lock around a plain ring, see ring.c and 0001. */
#include "prim/chan.h"

#include "core/must.h"
#include "core/spin.h"
#include "core/storage.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/fork.h"
#include "plat/thread.h"
#include "prim/elem.h"

#define CHAN_LOOKS 64 /* of the looks before queueing, one goes further than the slot */

#define CHAN_BYTES (sizeof(cconc_chan) + ATOM_LINE - 1) /* so that it can begin with a line */

_Static_assert(CHAN_BYTES <= sizeof(cconc_chan_storage), "a channel fits its storage");

/* What a new channel lies in: both NULL for memory of the library's. */
typedef struct chan_place {
    void  *storage;
    void  *buffer; /* NULL also if there is no need of one */
    size_t buffer_size;
} chan_place;

/* Memory that begins with a cache line. */
static cconc_chan *chan_alloc(void *storage)
{
    unsigned char *memory = storage ? storage_clear(storage, CHAN_BYTES) : cconc__alloc(CHAN_BYTES);
    cconc_chan *ch;
    if (!memory) {
        return NULL;
    }
    ch = alloc_first_line(memory);
    ch->memory = storage ? NULL : memory;
    return ch;
}

/* Give back what was not the caller's. */
static void chan_leave(cconc_chan *ch)
{
    cconc__storage_leave(ch->ring.slots, ch->memory == NULL);
    cconc__storage_leave(ch->memory, ch->memory == NULL);
}

/* Returns 0, ENOMEM; EINVAL if the caller's buffer does not do. */
static int chan_make_slots(cconc_chan *ch, const chan_place *place)
{
    size_t size = ch->ring.cap * ch->ring.stride;
    void *slots;
    if (ch->ring.cap == 0) {
        return 0;
    }
    if (place->storage && (!place->buffer || place->buffer_size < size ||
                           !must_is_aligned(place->buffer, _Alignof(atom_size)))) {
        return EINVAL;
    }
    slots = place->storage ? storage_clear(place->buffer, size) : cconc__alloc(size);
    if (!slots) {
        return ENOMEM;
    }
    cconc__ring_use(&ch->ring, slots);
    return 0;
}

static int chan_make(const chan_place *place, size_t elem_size, size_t cap,
                     const cconc_chan_opts *opts, cconc_chan **out_chan)
{
    cconc_chan *ch;
    int err;
    if (!out_chan || (opts && !reserved_are_zero(opts->reserved, 4))) {
        return EINVAL;
    }
    if (cap > CCONC_CHAN_MAX_CAP || elem_size > SIZE_MAX / 2 - 64 ||
        (cap > 0 && elem_size + 32 > SIZE_MAX / 2 / cap)) {
        return EOVERFLOW;
    }
    ch = chan_alloc(place->storage);
    if (!ch) {
        return ENOMEM;
    }
    for (int dir = 0; dir < 2; dir++) {
        ch->ring.word[dir] = cap == 0 ? &ch->near_word[dir] : &ch->far_word[dir].at;
        waitq_init(&ch->side[dir].queue);
    }
    atom_init(&ch->seat, NULL);
    cconc__ring_init(&ch->ring, elem_size, cap);
    err = chan_make_slots(ch, place);
    if (!err) {
        err = cconc__lock_init(&ch->mu, RANK_CHAN);
    }
    if (err) {
        chan_leave(ch);
        return err;
    }
    if (opts) {
        ch->drop = opts->drop;
        ch->user = opts->user;
    }
    *out_chan = ch;
    return 0;
}

int cconc_chan_new_opts(size_t elem_size, size_t cap, const cconc_chan_opts *opts,
                        cconc_chan **out_chan)
{
    MUST_ALIGN(opts, cconc_chan_opts);
    MUST_ALIGN(out_chan, cconc_chan *);
    chan_place place = {NULL, NULL, 0};
    return chan_make(&place, elem_size, cap, opts, out_chan);
}

int cconc_chan_new(size_t elem_size, size_t cap, cconc_chan **out_chan)
{
    MUST_ALIGN(out_chan, cconc_chan *);
    return cconc_chan_new_opts(elem_size, cap, NULL, out_chan);
}

int cconc_chan_init(cconc_chan_storage *storage, void *buffer, size_t buffer_size, size_t elem_size,
                    size_t cap, const cconc_chan_opts *opts, cconc_chan **out_chan)
{
    MUST_POINT(storage, cconc_chan_storage);
    MUST_ALIGN(opts, cconc_chan_opts);
    MUST_ALIGN(out_chan, cconc_chan *);
    chan_place place = {storage, buffer, buffer_size};
    return chan_make(&place, elem_size, cap, opts, out_chan);
}

size_t cconc_chan_sizeof(void)
{
    return sizeof(cconc_chan_storage);
}

/* Hand what is left inside to the drop function. */
static void chan_drop_all(cconc_chan *ch)
{
    bool wake;
    while (ch->drop && ch->ring.cap > 0 && cconc__ring_is_ready(&ch->ring, CHAN_RECV)) {
        size_t word = atom_load_rlx(ch->ring.word[CHAN_RECV]); /* rlx: free is alone */
        size_t index = word / RING_ONE & ch->ring.index_mask;
        /* first out: drop may end the thread, and what it got counts as destroyed */
        (void)cconc__ring_try(&ch->ring, CHAN_RECV, NULL, &wake);
        ch->drop(ch->ring.slots + index * ch->ring.stride + ch->ring.elem_at, ch->user);
    }
}

/* Comes again for each drop that ends the thread. */
static void chan_free_go(void *arg)
{
    cconc_chan *ch = arg;
    chan_drop_all(ch);
    cconc__lock_destroy(&ch->mu);
    chan_leave(ch);
}

void cconc_chan_free(cconc_chan *ch)
{
    MUST_ALIGN(ch, cconc_chan);
    size_t senders;
    size_t receivers;
    if (!ch) {
        return;
    }
    cconc_chan_waiters(ch, &senders, &receivers);
    MUST(senders == 0 && receivers == 0,
         "chan free with %zu blocked receivers and %zu blocked senders", receivers, senders);
    cconc__thread_insist(chan_free_go, ch);
}

static void chan_close_side_locked(cconc_chan *ch, chan_dir dir, wake_batch *batch)
{
    cconc__lock_assert_held(&ch->mu);
    waiter_claim_all(&ch->side[dir].queue, CLAIM_CLOSE, batch);
}

int cconc_chan_close(cconc_chan *ch)
{
    MUST_POINT(ch, cconc_chan);
    wake_batch batch = WAKE_BATCH_INIT;
    bool was_closed;
    lock_take(&ch->mu);
    if (ch->ring.cap == 0) {
        cconc__chan_unseat_locked(ch); /* and nobody sits down again */
    }
    /* [ring.2] [meet.1] acqrel: from here on nothing goes in; what came before goes with it */
    was_closed = (atom_or_acqrel(ch->ring.word[CHAN_SEND], RING_CLOSED) & RING_CLOSED) != 0;
    chan_close_side_locked(ch, CHAN_SEND, &batch);
    chan_close_side_locked(ch, CHAN_RECV, &batch);
    if (ch->ring.cap > 0) {
        cconc__chan_ring_unflag_locked(ch);
    }
    lock_leave(&ch->mu);
    batch_wake(&batch);
    return was_closed ? EPIPE : 0;
}

/* A NULL channel: only the context can end this. */
static APART int chan_wait_for_nothing(cconc_ctx *ctx)
{
    waiter w;
    int err;
    if (!cconc__node_can_end(ctx)) {
        return EDEADLK;
    }
    cconc__waiter_arm(&w, ctx);
    cconc__waiter_park(&w, false);
    err = cconc__waiter_error(&w, ctx);
    waiter_disarm(&w);
    return err;
}

/* Look for a moment before queueing: a running peer is faster than a wake-up. */
static int chan_look(cconc_chan *ch, chan_dir dir, cconc_ctx *ctx, void *elem)
{
    spinner s;
    int err = EAGAIN;
    if (ch->ring.cap == 0) { /* two that only look never meet: queue first, then look */
        return EAGAIN;
    }
    cconc__spin_begin(&s, self_get());
    while (err == EAGAIN && cconc__node_err(ctx) == 0 && cconc__spin_again(&s)) {
        /* the slot's stamp alone, which the peer writes anyway; now and then for close */
        if (cconc__ring_is_ready(&ch->ring, dir) || s.rounds % CHAN_LOOKS == 0) {
            err = chan_attempt(ch, dir, elem);
        }
    }
    cconc__spin_end(&s, err != EAGAIN);
    return err;
}

void cconc__chan_insert_locked(cconc_chan *ch, chan_dir dir, wait_node *node)
{
    waitq *queue = &ch->side[dir].queue;
    list_link *place = queue->list.prev;
    cconc__lock_assert_held(&ch->mu);
    if (node->since_ns == 0) { /* else it comes back to its place */
        node->since_ns = plat_clock_real();
    }
    while (place != &queue->list && LIST_OF(place, wait_node, link)->since_ns > node->since_ns) {
        place = place->prev;
    }
    list_insert_before(place->next, &node->link);
    node->queued = true;
    queue->count++;
}

wait_queued cconc__chan_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node)
{
    return ch->ring.cap == 0 ? cconc__chan_meet_enqueue(ch, dir, w, node)
                             : cconc__chan_ring_enqueue(ch, dir, w, node);
}

void cconc__chan_dequeue(cconc_chan *ch, chan_dir dir, const waiter *w, wait_node *node)
{
    claim_kind kind = waiter_kind(w);
    bool ours = waiter_index(w) == node->index;
    if (ours && kind == CLAIM_READY) {
        cconc__chan_ring_arrive(ch, dir);
    } else if (!ours || (kind != CLAIM_GRANT && kind != CLAIM_CLOSE)) {
        if (ch->ring.cap == 0) {
            cconc__chan_meet_leave(ch, dir, node);
        } else {
            cconc__chan_ring_leave(ch, dir, node);
        }
    }
}

/* See who ended the wait, and leave the queue. Returns EAGAIN if it must begin again. */
static int chan_settle(cconc_chan *ch, chan_dir dir, lone_waiter *b, cconc_ctx *ctx)
{
    int err;
    switch (waiter_kind(&b->w)) {
    case CLAIM_GRANT: /* who granted it has taken it out */
        if (ch->ring.cap == 0) {
            cconc__chan_seat_settle(ch, dir, b);
        }
        return 0;
    case CLAIM_READY: /* first take, then let the next one in */
    case CLAIM_CLOSE:
        err = chan_attempt(ch, dir, b->node.elem);
        break;
    default:
        err = cconc__waiter_error(&b->w, ctx);
    }
    cconc__chan_dequeue(ch, dir, &b->w, &b->node);
    return err;
}

/* Wait once. Returns EAGAIN if it must begin again. */
static int chan_wait(cconc_chan *ch, chan_dir dir, cconc_ctx *ctx, lone_waiter *b)
{
    wait_queued queued = ch->ring.cap == 0 ? cconc__chan_seat(ch, dir, b) : WAIT_AGAIN;
    if (queued == WAIT_QUEUED) {
        cconc__chan_seat_wait(ch, b);
        return chan_settle(ch, dir, b, ctx);
    }
    if (queued == WAIT_AGAIN) {
        queued = cconc__chan_enqueue(ch, dir, &b->w, &b->node);
    }
    if (queued == WAIT_QUEUED) {
        cconc__waiter_park(&b->w, ch->ring.cap == 0);
        return chan_settle(ch, dir, b, ctx);
    }
    return queued == WAIT_FIRED ? 0 : chan_attempt(ch, dir, b->node.elem);
}

/* Apart, so that calls that need not wait have no room for a waiter to make. */
static APART int chan_block(cconc_chan *ch, chan_dir dir, cconc_ctx *ctx, void *elem)
{
    int64_t since_ns = 0;
    cconc_ctx *source = cconc__node_keep(ctx); /* from round to round */
    /* a wait that ends before it begins would leave a seat that others still know */
    int err = plat_fork_is_ours() ? chan_look(ch, dir, ctx, elem) : ENOTRECOVERABLE;
    while (err == EAGAIN) {
        lone_waiter b;
        cconc__waiter_arm(&b.w, ctx);
        wait_node_init(&b.node, &b.w, elem, 0);
        b.node.since_ns = since_ns;
        err = chan_wait(ch, dir, ctx, &b);
        waiter_disarm(&b.w);
        since_ns = b.node.since_ns;
    }
    cconc__node_drop(source);
    return err;
}

static int chan_move(cconc_chan *ch, chan_dir dir, cconc_ctx *ctx, void *elem)
{
    int err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    if (!ch) {
        return chan_wait_for_nothing(ctx);
    }
    /* Capacity 0: whoever queues looks for a peer under the same lock. */
    err = ch->ring.cap > 0 ? chan_attempt_ready(ch, dir, elem) : EAGAIN;
    return err == EAGAIN ? chan_block(ch, dir, ctx, elem) : err;
}

static bool chan_elem_is_missing(const cconc_chan *ch, const void *elem)
{
    return !elem && ch && ch->ring.elem_size > 0;
}

/* The calls that move one are APART: inlined into a program that has the library inside, gcc would
 * warn of elements larger than the one that it sees there. */

APART int cconc_chan_send(cconc_chan *ch, cconc_ctx *ctx, const void *elem)
{
    MUST_ALIGN(ch, cconc_chan);
    MUST_ALIGN(ctx, cconc_ctx);
    if (chan_elem_is_missing(ch, elem)) {
        return EINVAL;
    }
    return chan_move(ch, CHAN_SEND, ctx, (void *)(uintptr_t)elem);
}

APART int cconc_chan_recv(cconc_chan *ch, cconc_ctx *ctx, void *out_elem)
{
    MUST_ALIGN(ch, cconc_chan);
    MUST_ALIGN(ctx, cconc_ctx);
    return chan_move(ch, CHAN_RECV, ctx, out_elem);
}

APART int cconc_chan_try_send(cconc_chan *ch, const void *elem)
{
    MUST_ALIGN(ch, cconc_chan);
    if (chan_elem_is_missing(ch, elem)) {
        return EINVAL;
    }
    return ch ? chan_attempt(ch, CHAN_SEND, (void *)(uintptr_t)elem) : EAGAIN;
}

APART int cconc_chan_try_recv(cconc_chan *ch, void *out_elem)
{
    MUST_ALIGN(ch, cconc_chan);
    return ch ? chan_attempt(ch, CHAN_RECV, out_elem) : EAGAIN;
}

int cconc_chan_send_n(cconc_chan *ch, cconc_ctx *ctx, const void *elems, size_t count,
                      size_t *out_count)
{
    MUST_ALIGN(ch, cconc_chan);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_count, size_t);
    const unsigned char *from = elems;
    size_t done = 0;
    int err = count > 0 && chan_elem_is_missing(ch, elems) ? EINVAL : 0;
    while (!err && done < count) {
        err = cconc_chan_send(ch, ctx, from);
        if (!err) {
            done++;
            from = ch->ring.elem_size > 0 ? from + ch->ring.elem_size : from;
        }
    }
    if (out_count) {
        *out_count = done;
    }
    return err;
}

int cconc_chan_recv_n(cconc_chan *ch, cconc_ctx *ctx, void *out_elems, size_t count,
                      size_t *out_count)
{
    MUST_ALIGN(ch, cconc_chan);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_count, size_t);
    unsigned char *to = out_elems;
    size_t done = 0;
    int err = count > 0 ? cconc_chan_recv(ch, ctx, to) : 0;
    if (!err && count > 0) {
        do {
            done++;
            to = to ? to + ch->ring.elem_size : to;
        } while (done < count && chan_attempt(ch, CHAN_RECV, to) == 0);
    }
    if (out_count) {
        *out_count = done;
    }
    return err;
}

size_t cconc_chan_len(const cconc_chan *ch)
{
    MUST_ALIGN(ch, cconc_chan);
    return ch && ch->ring.cap > 0 ? cconc__ring_len(&ch->ring) : 0;
}

size_t cconc_chan_cap(const cconc_chan *ch)
{
    MUST_ALIGN(ch, cconc_chan);
    return ch ? ch->ring.cap : 0;
}

size_t cconc__chan_elem_size(const cconc_chan *ch)
{
    return ch->ring.elem_size;
}

void cconc_chan_waiters(cconc_chan *ch, size_t *out_senders, size_t *out_receivers)
{
    MUST_ALIGN(ch, cconc_chan);
    MUST_ALIGN(out_senders, size_t);
    MUST_ALIGN(out_receivers, size_t);
    size_t senders = 0;
    size_t receivers = 0;
    if (ch) {
        chan_unseat(ch);
        lock_take(&ch->mu);
        senders = ch->side[CHAN_SEND].queue.count;
        receivers = ch->side[CHAN_RECV].queue.count;
        lock_leave(&ch->mu);
    }
    if (out_senders) {
        *out_senders = senders;
    }
    if (out_receivers) {
        *out_receivers = receivers;
    }
}
