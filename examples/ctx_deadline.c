/* ctx_deadline.c - one time budget for a request, handed down through three layers.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  The caller puts a deadline into the context; each layer passes the context on, and may
 *          shorten the time for its own part, never lengthen it. The deadlines carry a cause, so
 *          that the top can say which of them it was.
 * Mistake  A fixed timeout per layer: five seconds here, three tries of five seconds below, and the
 *          user who left after ten is still being served. And "timed out" alone, with no layer to
 *          blame.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

struct database {
    cconc_chan *rows; /* of int; stands for the connection to a database */
    int64_t patience_ns;
};

/* Layer 3: waits in short turns, each bounded by a context on the stack: nothing to free. */
static int read_row(cconc_ctx *ctx, struct database *database, int *out_row)
{
    int err = 0;
    do {
        cconc_ctx_mem mem;
        cconc_ctx *turn = cconc_ctx_until(&mem, ctx, cconc_clock_after(2 * CCONC_MS));
        err = cconc_chan_recv(database->rows, turn, out_row);
        /* here a real client would send a keep-alive */
    } while (err == ETIMEDOUT && !cconc_ctx_err(ctx)); /* only the turn is over, not ctx */
    return err;
}

/* Layer 2: allows the database its own share of the time. */
static int find_user(cconc_ctx *ctx, struct database *database, int *out_user)
{
    cconc_ctx *share = NULL;
    const char *why = NULL;
    int err = cconc_ctx_with_timeout_cause(ctx, database->patience_ns, ETIMEDOUT,
                                           "the database does not answer", &share);
    if (err) {
        return err;
    }
    err = read_row(share, database, out_user);
    if (err && cconc_ctx_cause(share, &why)) { /* ours, or the one that came down from above */
        printf("find_user: %s\n", why);
    }
    cconc_ctx_free(share); /* also takes the deadline off the timer service */
    return err;
}

/* Layer 1: owns the budget of the whole request. */
static int handle_request(struct database *database, int64_t budget_ns)
{
    cconc_ctx *ctx = NULL;
    int user = 0;
    int err = cconc_ctx_with_timeout_cause(NULL, budget_ns, ETIMEDOUT,
                                           "the request has used up its time", &ctx);
    if (err) {
        return err;
    }
    err = find_user(ctx, database, &user);
    if (err) {
        printf("request failed, %s\n", cconc_ctx_err(ctx) ? "too late for anything" : "time left");
    } else {
        printf("request served: user %d\n", user);
    }
    cconc_ctx_free(ctx);
    return err;
}

int main(void)
{
    const int row = 42;
    struct database quick = {.patience_ns = 60 * CCONC_SECOND};
    struct database slow = {.patience_ns = 20 * CCONC_MS};
    struct database patient = {.patience_ns = 60 * CCONC_SECOND};
    int err = cconc_chan_new(sizeof(int), 1, &quick.rows);
    err = err ? err : cconc_chan_new(sizeof(int), 0, &slow.rows); /* it never answers */
    err = err ? err : cconc_chan_send(quick.rows, NULL, &row);
    if (err) {
        fprintf(stderr, "ctx_deadline: %s\n", cconc_strerror(err));
    }
    patient.rows = slow.rows; /* as silent, but its caller has less time than it would take */
    bool as_meant = !err && handle_request(&quick, 60 * CCONC_SECOND) == 0 &&
                    handle_request(&slow, 60 * CCONC_SECOND) == ETIMEDOUT &&
                    handle_request(&patient, 20 * CCONC_MS) == ETIMEDOUT;
    cconc_chan_free(slow.rows);
    cconc_chan_free(quick.rows);
    cconc_shutdown(NULL);
    return as_meant ? 0 : 1;
}
