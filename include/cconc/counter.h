/* counter.h - a number that many threads add to without waiting for each other.
 * SPDX-License-Identifier: MIT
 *
 * Model     A 64-bit number, spread over several words so that threads on different CPUs do not
 *           write to the same one; get sums them up. On request the highest value is kept too.
 * Example   cconc_counter_add(hits, 1);   (examples/counter_race_fixed.c)
 * Lifetime  new allocates, free releases. No call may be running on the counter when free starts.
 * Threads   Every function, any thread, any time; only free must be alone. In a forked child
 *           counters go on from where they were.
 * Blocking  None.
 * Orders    None: what must be seen together with the number needs an order of its own. What was
 *           added before, in the order of the program's memory, is in what get and take give.
 * Progress  add is one read-modify-write of a word, two where another thread was faster; get and
 *           take look at each word once. Nobody waits for anybody (but see Limits).
 * Errors    EINVAL, ENOMEM  new only
 * Limits    Sums wrap modulo 2^64. Where a word has less than 64 bits, a short lock serves get,
 *           take, counters that keep their highest value, and an add of 65536 or more, or one in
 *           many thousands; a child forked while a thread held it must not make those calls. */
#ifndef CCONC_COUNTER_H
#define CCONC_COUNTER_H

#include <cconc/base.h>

CCONC_BEGIN_DECLS

typedef struct cconc_counter_opts {
    bool     compact;     /* one word: less memory, and slower where several threads add at once */
    bool     keep_high;   /* keep the highest value that any add made; implies compact */
    uint64_t reserved[2]; /* must be zero */
} cconc_counter_opts;

/* Make a counter that stands at 0. opts may be NULL: spread over the CPUs, no highest value.
 * Returns:  0, EINVAL (out_counter NULL, reserved words), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_counter_new(const cconc_counter_opts *opts,
                                                cconc_counter **out_counter);

/* Add delta, which may be negative, to counter. */
CCONC_API void cconc_counter_add(cconc_counter *counter, int64_t delta);

/* Give the sum of all that was added since new or take. It is exact when nobody adds meanwhile;
 * else each add that runs at the same time is in it or not. */
CCONC_API int64_t cconc_counter_get(const cconc_counter *counter);

/* Give the sum and take it off counter: each add is in what exactly one take gives. */
CCONC_API int64_t cconc_counter_take(cconc_counter *counter);

/* Give the highest value since new, 0 at least; a take does not lower it.
 * Requires: counter was made with keep_high; it must be. */
CCONC_API int64_t cconc_counter_high(const cconc_counter *counter);

/* Release counter; NULL is a no-op. */
CCONC_API void cconc_counter_free(cconc_counter *counter);

CCONC_END_DECLS

#endif
