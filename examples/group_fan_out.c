/* group_fan_out.c - many tasks, of which only a few run at once.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  One go per piece of work, a limit on the group, a slot per task for its result. go waits
 *          while the limit is reached, so the loop runs no faster than the work; wait orders all
 *          slots before its return, so they can then be read without a lock.
 * Mistake  Starting first and taking a permit inside the task bounds the work but not the threads
 *          and their memory. And adding results to one plain variable is a data race: every task
 *          writes a slot of its own.
 */
#include <cconc/cconc.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

enum { TASKS = 100, LIMIT = 4 };

struct slot {
    int64_t number;
    int64_t square;
};

static cconc_waitgroup full = CCONC_WAITGROUP_INIT; /* zero once LIMIT tasks run at once */
static atomic_int running;
static atomic_int most; /* the high-water mark of running */

static void count_me_in(void)
{
    int now = atomic_fetch_add(&running, 1) + 1;
    int seen = atomic_load(&most);
    while (seen < now && !atomic_compare_exchange_weak(&most, &seen, now)) {
        /* seen is what somebody else wrote meanwhile: compare again */
    }
}

static int square(cconc_ctx *ctx, void *arg)
{
    struct slot *slot = arg;
    int err = 0;
    count_me_in();
    if (slot->number < LIMIT) { /* the first ones meet, to prove that the limit is used up, too */
        cconc_waitgroup_done(&full);
        err = cconc_waitgroup_wait(&full, ctx);
    }
    if (!err) {
        err = cconc_ctx_sleep(ctx, 100 * CCONC_US); /* stands for work */
    }
    slot->square = slot->number * slot->number;
    atomic_fetch_sub(&running, 1);
    return err;
}

static int fan_out(struct slot *slots)
{
    cconc_group *group = NULL;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    cconc_group_set_limit(group, LIMIT);
    cconc_waitgroup_add(&full, LIMIT);
    for (int i = 0; i < TASKS && !err; i++) {
        slots[i].number = i;
        err = cconc_group_go(group, NULL, square, &slots[i]);
    }
    if (err) {
        cconc_group_stop(group, NULL);
    } else {
        err = cconc_group_wait(group, NULL, NULL);
    }
    cconc_group_free(group);
    return err;
}

int main(void)
{
    struct slot slots[TASKS];
    int64_t sum = 0;
    int err = fan_out(slots);
    if (err) {
        fprintf(stderr, "group_fan_out: %s\n", cconc_strerror(err));
    } else {
        for (int i = 0; i < TASKS; i++) {
            sum += slots[i].square;
        }
        printf("%d tasks, sum of squares %" PRId64 "\n", TASKS, sum);
        printf("limit %d, most at once %d\n", LIMIT, atomic_load(&most));
    }
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
