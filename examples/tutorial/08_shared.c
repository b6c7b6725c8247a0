/* 08_shared.c - step 8 of the tutorial: one answer for all who ask the same.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ASKERS = 100 };

struct desk {
    cconc_flight *answers;
    uint64_t      number;
    atomic_int    computed; /* how often the answer was worked out */
    atomic_int    told;     /* how many got it */
};

/* Runs once for all who ask while it runs, or soon after. */
static int compute(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct desk *desk = arg;
    int *steps = calloc(1, sizeof(*steps));
    (void)ctx; /* it ends when nobody waits any more; a longer computation would look */
    if (!steps) {
        return ENOMEM;
    }
    for (uint64_t number = desk->number; number > 1; *steps += 1) {
        number = number % 2 == 0 ? number / 2 : 3 * number + 1;
    }
    atomic_fetch_add(&desk->computed, 1);
    *out_value = steps; /* the table's; destroyed once the last reference has gone */
    return 0;
}

static int ask(cconc_ctx *ctx, void *arg)
{
    struct desk *desk = arg;
    cconc_flight_result *result = NULL;
    int err = cconc_flight_do(desk->answers, ctx, &desk->number, sizeof(desk->number), compute,
                              desk, NULL, &result);
    if (!err) {
        const int *steps = cconc_flight_result_value(result);
        atomic_fetch_add(&desk->told, *steps == 111);
        cconc_flight_result_unref(result);
    }
    return err;
}

int main(void)
{
    const cconc_flight_opts opts = {.destroy = free, .keep_ns = 60 * CCONC_SECOND};
    struct desk desk = {.number = 27};
    cconc_group *group = NULL;
    int err = cconc_flight_new(&opts, &desk.answers);
    if (!err) {
        err = cconc_group_new(NULL, NULL, &group);
    }
    if (!err) {
        for (int i = 0; i < ASKERS && !err; i++) {
            err = cconc_group_go(group, NULL, ask, &desk);
        }
        int failure = cconc_group_wait(group, NULL, NULL);
        err = err ? err : failure;
    }
    if (err) {
        fprintf(stderr, "08_shared: %s\n", cconc_strerror(err));
    }
    printf("%d told, %d computed\n", atomic_load(&desk.told), atomic_load(&desk.computed));
    cconc_group_free(group);
    cconc_flight_free(desk.answers);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
