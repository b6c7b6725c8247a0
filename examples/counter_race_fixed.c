/* counter_race_fixed.c - a data race on a number that everybody adds to, repaired.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  Eight tasks count what they serve, in requests and in bytes, while a reporter takes the
 *          requests counted so far, again and again. The counter loses none: what the reports say,
 *          and what is left at the end, is the total. A second one keeps the most that ever ran at
 *          once.
 * Mistake  "requests++" on a plain int by several threads: each reads the old value, adds one and
 *          writes it back, so requests get lost; in C it is undefined besides. And a reporter that
 *          reads the number and then sets it to 0 loses what came in between.
 */
#include <cconc/cconc.h>

#include <stdio.h>

enum { TASKS = 8, REQUESTS = 10000, SIZE = 3 };

struct traffic {
    cconc_counter *requests;
    cconc_counter *bytes;
    cconc_counter *running; /* keeps the highest value */
};

static int serve(cconc_ctx *ctx, void *arg)
{
    struct traffic *traffic = arg;
    cconc_counter_add(traffic->running, 1);
    for (int i = 0; i < REQUESTS && !cconc_ctx_err(ctx); i++) {
        cconc_counter_add(traffic->requests, 1);
        cconc_counter_add(traffic->bytes, SIZE);
    }
    cconc_counter_add(traffic->running, -1);
    return cconc_ctx_err(ctx);
}

/* Run the tasks, taking what they counted meanwhile; *out_reported is all of it. */
static int report_all(struct traffic *traffic, int64_t *out_reported)
{
    cconc_group *group;
    int64_t reported = 0;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    for (int i = 0; i < TASKS && !err; i++) {
        err = cconc_group_go(group, NULL, serve, traffic);
        reported += cconc_counter_take(traffic->requests);
    }
    int wait_err = cconc_group_wait(group, NULL, NULL); /* also for those that did start */
    cconc_group_free(group);
    *out_reported = reported + cconc_counter_take(traffic->requests);
    return err ? err : wait_err;
}

int main(void)
{
    struct traffic traffic = {NULL, NULL, NULL};
    cconc_counter_opts opts = {.keep_high = true};
    int64_t reported = 0;
    int err = cconc_counter_new(NULL, &traffic.requests);
    err = err ? err : cconc_counter_new(NULL, &traffic.bytes);
    err = err ? err : cconc_counter_new(&opts, &traffic.running);
    err = err ? err : report_all(&traffic, &reported);
    if (err) {
        fprintf(stderr, "counter_race_fixed: %s\n", cconc_strerror(err));
    } else { /* the end of every task happens before wait returns: the counts are exact */
        int64_t most = cconc_counter_high(traffic.running);
        printf("%lld requests in reports, %lld bytes\n", (long long)reported,
               (long long)cconc_counter_get(traffic.bytes));
        printf("%lld running now, between 1 and %d at most: %s\n",
               (long long)cconc_counter_get(traffic.running), TASKS,
               most >= 1 && most <= TASKS ? "yes" : "no");
    }
    cconc_counter_free(traffic.running);
    cconc_counter_free(traffic.bytes);
    cconc_counter_free(traffic.requests);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
