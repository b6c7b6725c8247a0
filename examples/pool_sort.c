/* pool_sort.c - a million numbers sorted by tasks that wait for tasks.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  Fork and join: each half is a task of its own, in a record on the stack of the one that
 *          waits for it. A worker that waits runs queued tasks meanwhile, its own first, so a pool
 *          of any size does it, and submitting needs no memory.
 * Mistake  Tasks that wait for tasks of the same pool, in a pool whose workers then sleep: as soon
 *          as every worker waits, nobody is left to run what they wait for.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COUNT = 1000000,
    SMALL = 2000, /* sorted in one go; it takes a hundred times as long as to hand over a task */
    QUEUE = 64,   /* when it is full, a worker that submits runs queued tasks meanwhile */
};

struct part {
    cconc_pool *pool;
    uint32_t   *numbers;
    uint32_t   *scratch;
    size_t      count;
};

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void merge(struct part *part, size_t middle)
{
    size_t i = 0;
    size_t k = middle;
    for (size_t to = 0; to < part->count; to++) {
        bool from_left = k == part->count || (i < middle && part->numbers[i] <= part->numbers[k]);
        part->scratch[to] = part->numbers[from_left ? i++ : k++];
    }
    memcpy(part->numbers, part->scratch, part->count * sizeof(*part->numbers));
}

static int sort(cconc_ctx *ctx, void *arg)
{
    struct part *part = arg;
    size_t half = part->count / 2;
    if (part->count <= SMALL) {
        qsort(part->numbers, part->count, sizeof(*part->numbers), compare);
        return 0;
    }
    struct part left = {part->pool, part->numbers, part->scratch, half};
    struct part right = {part->pool, part->numbers + half, part->scratch + half,
                         part->count - half};
    cconc_pool_task task = {.fn = sort, .arg = &left};
    int err = cconc_pool_submit_task(part->pool, ctx, &task);
    if (err) {
        return err;
    }
    err = sort(ctx, &right);
    int join_err = cconc_pool_join(part->pool, NULL, &task); /* task is ours until it has ended */
    if (!err && !join_err) {
        merge(part, half);
    }
    return err ? err : join_err;
}

static int sort_all(uint32_t *numbers, uint32_t *scratch)
{
    const cconc_pool_opts opts = {.queue_len = QUEUE, .name = "sort"};
    struct part all = {NULL, numbers, scratch, COUNT};
    cconc_future *future = NULL;
    int err = cconc_pool_new(NULL, &opts, &all.pool);
    if (err) {
        return err;
    }
    err = cconc_pool_submit_future(all.pool, NULL, sort, &all, &future);
    err = err ? err : cconc_future_wait(future, NULL);
    cconc_future_free(future);
    cconc_pool_free(all.pool);
    return err;
}

int main(void)
{
    static uint32_t numbers[COUNT];
    static uint32_t scratch[COUNT];
    size_t wrong = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = i * 2654435761u; /* each number once, in no order */
    }
    int err = sort_all(numbers, scratch);
    for (size_t i = 1; i < COUNT; i++) {
        wrong += numbers[i - 1] >= numbers[i];
    }
    if (err) {
        fprintf(stderr, "pool_sort: %s\n", cconc_strerror(err));
    } else {
        printf("%d numbers sorted, %zu out of order\n", COUNT, wrong);
    }
    cconc_shutdown(NULL);
    return err || wrong > 0;
}
