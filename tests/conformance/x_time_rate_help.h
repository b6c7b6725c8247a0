/* x_time_rate_help.h - what the lists of x/time/rate share.
 * SPDX-License-Identifier: MIT
 *
 * Tables of calls at times t0, t0 + 100 ms, ...
 */
#ifndef CCONC_TESTS_X_TIME_RATE_HELP_H
#define CCONC_TESTS_X_TIME_RATE_HELP_H

#include "virtual.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>

#include <cconc/cconc.h>

#define D (100 * CCONC_MS)
#define T0 (1000 * CCONC_SECOND)
#define T(k) (T0 + (k)*D)

static inline cconc_limiter *new_limiter(double limit, int32_t burst)
{
    cconc_limiter *limiter = NULL;
    SUPPORT_CHECK(cconc_limiter_new(limit, burst, &limiter) == 0);
    return limiter;
}

/* ---- tables --------------------------------------------------------------------------------- */

/* One call at T(at). number: tokens before an allow, what a cancel gives, a limit. */
struct row {
    enum { ALLOW, RESERVE, REFUSE, CANCEL, LIMIT, BURST, TOKENS } op;
    int at;
    int32_t n;
    int expected; /* the code of an allow, K of the time to act */
    int slot;     /* whose reservation */
    double number;
};

enum { A, B, C, SLOTS };

#define AN_ALLOW(k, have, want, code)                                                              \
    {                                                                                              \
        .op = ALLOW, .at = (k), .n = (want), .expected = (code), .number = (have)                  \
    }
#define A_RESERVE(k, who, want, act)                                                               \
    {                                                                                              \
        .op = RESERVE, .at = (k), .n = (want), .expected = (act), .slot = (who)                    \
    }
#define A_REFUSAL(k, want)                                                                         \
    {                                                                                              \
        .op = REFUSE, .at = (k), .n = (want), .expected = EINVAL                                   \
    }
#define A_CANCEL(k, who, gives)                                                                    \
    {                                                                                              \
        .op = CANCEL, .at = (k), .slot = (who), .number = (gives)                                  \
    }
#define A_LIMIT(k, limit)                                                                          \
    {                                                                                              \
        .op = LIMIT, .at = (k), .number = (limit)                                                  \
    }
#define A_BURST(k, burst)                                                                          \
    {                                                                                              \
        .op = BURST, .at = (k), .n = (burst)                                                       \
    }
#define TOKENS_ARE(k, have)                                                                        \
    {                                                                                              \
        .op = TOKENS, .at = (k), .number = (have)                                                  \
    }

static inline void expect_tokens(const cconc_limiter *limiter, int at, double expected, size_t row)
{
    double tokens = cconc_limiter_tokens_at(limiter, T(at));
    if (fabs(tokens - expected) > 1e-6) {
        fail_msg("row %zu: %g tokens, not %g", row, tokens, expected);
    }
}

static inline void expect_code(int code, int expected, size_t row)
{
    if (code != expected) {
        fail_msg("row %zu: %d, not %d", row, code, expected);
    }
}

static inline void run_reserve(cconc_limiter *limiter, const struct row *r, size_t row,
                               cconc_reservation *out_taken)
{
    expect_code(cconc_limiter_reserve_at(limiter, T(r->at), r->n, CCONC_NEVER, out_taken), 0, row);
    if (cconc_reservation_time(out_taken) != T(r->expected)) {
        fail_msg("row %zu: act %g d after t0, not %d", row,
                 (double)(cconc_reservation_time(out_taken) - T0) / D, r->expected);
    }
}

static inline void run_row(cconc_limiter *limiter, const struct row *r, size_t row,
                           cconc_reservation *slots)
{
    double before = cconc_limiter_tokens_at(limiter, T(r->at));
    cconc_reservation none;
    switch (r->op) {
    case ALLOW:
        expect_tokens(limiter, r->at, r->number, row);
        expect_code(cconc_limiter_allow_at(limiter, T(r->at), r->n), r->expected, row);
        break;
    case RESERVE:
        run_reserve(limiter, r, row, &slots[r->slot]);
        break;
    case REFUSE:
        expect_code(cconc_limiter_reserve_at(limiter, T(r->at), r->n, CCONC_NEVER, &none),
                    r->expected, row);
        break;
    case CANCEL:
        cconc_limiter_cancel_at(limiter, T(r->at), &slots[r->slot]);
        expect_tokens(limiter, r->at, before + r->number, row);
        break;
    case LIMIT:
        expect_code(cconc_limiter_set_rate_at(limiter, T(r->at), r->number), 0, row);
        break;
    case BURST:
        expect_code(cconc_limiter_set_burst_at(limiter, T(r->at), r->n), 0, row);
        break;
    case TOKENS:
        expect_tokens(limiter, r->at, r->number, row);
        break;
    }
}

static inline void run_rows(double limit, int32_t burst, const struct row *rows, size_t count)
{
    cconc_limiter *limiter = new_limiter(limit, burst);
    cconc_reservation slots[SLOTS];
    for (size_t i = 0; i < count; i++) {
        run_row(limiter, &rows[i], i, slots);
    }
    cconc_limiter_free(limiter);
}

#define RUN_ROWS(limit, burst, rows) run_rows(limit, burst, rows, sizeof(rows) / sizeof((rows)[0]))

#endif
