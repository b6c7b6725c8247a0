/* flight_ring.c - who waits for whom among functions of flights
 * SPDX-License-Identifier: MIT
 *
 * Idea        A function that waits for another flight is an edge of a graph. Its context carries
 *             the vertex, so that a wait made with that context, or one below it, on any thread, is
 *             known to be the function's. A wait that would close a ring is refused.
 * Picture     a --> b --> c        c asks for a: a is reached from a by way of b and c
 *             ^           |
 *             +- refused -+
 * Invariants  I1 The graph has no ring.
 *             I2 An edge leads to a flight that its owner is a caller of.
 * Locks       ring_mu, rank RING: all edges and searches. Only waits made by functions of flights
 *             take it.
 * Ordering    None but ring_mu's.
 * Lifetime    An edge lies on the stack of the caller that waits, and a vertex is kept by its
 *             flight, whose record the caller keeps. A context that is kept after the run keeps its
 *             vertex, which then is never used for another flight.
 * Rejected    Looking for the own key among the flights that the context came through: it misses
 *             rings closed by joining, and refuses functions whose starter does not wait. */
#include "prim/flight.h"

#include <cconc/ctx.h>

#include "plat/alloc.h"

static lock ring_mu = LOCK_INIT(RANK_RING);
static uint64_t walks; /* under ring_mu: searches so far */

const char cconc__flight_ring_key;

flight_vertex *cconc__flight_vertex_new(void)
{
    flight_vertex *vertex = cconc__alloc(sizeof(*vertex));
    if (vertex) {
        ref_init(&vertex->refs, 1);
        list_init(&vertex->edges);
    }
    return vertex;
}

void cconc__flight_vertex_unref(void *vertex)
{
    flight_vertex *v = vertex;
    if (v && ref_put(&v->refs)) {
        cconc__alloc_free(v);
    }
}

flight_vertex *cconc__flight_caller(cconc_ctx *ctx)
{
    return ctx ? cconc_ctx_value(ctx, &cconc__flight_ring_key) : NULL;
}

/* Can to be reached from from? Breadth first, each vertex once. */
static bool ring_reaches_locked(flight_vertex *from, const flight_vertex *to)
{
    flight_vertex *last = from;
    cconc__lock_assert_held(&ring_mu);
    walks++;
    from->walk = walks;
    from->queued = NULL;
    for (flight_vertex *at = from; at; at = at->queued) {
        if (at == to) {
            return true;
        }
        for (list_link *l = at->edges.next; l != &at->edges; l = l->next) {
            flight_vertex *next = LIST_OF(l, flight_edge, link)->to;
            if (next->walk != walks) {
                next->walk = walks;
                next->queued = NULL;
                last->queued = next;
                last = next;
            }
        }
    }
    return false;
}

bool cconc__flight_ring_enter(flight_vertex *from, flight_vertex *to, flight_edge *edge)
{
    bool closes;
    if (!from) {
        return true;
    }
    lock_take(&ring_mu);
    closes = ring_reaches_locked(to, from);
    if (!closes && edge) {
        edge->to = to;
        list_push_back(&from->edges, &edge->link);
    }
    lock_leave(&ring_mu);
    return !closes;
}

void cconc__flight_ring_leave(flight_edge *edge)
{
    if (edge->to) {
        lock_take(&ring_mu);
        list_remove(&edge->link);
        edge->to = NULL;
        lock_leave(&ring_mu);
    }
}

void cconc__flight_ring_forked(void)
{
    cconc__lock_forked(&ring_mu);
}
