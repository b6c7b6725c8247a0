/* group_bounded.c - ten thousand items, eight buffers.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  A group with a limit bounds the tasks, and with them what a task holds while it runs: a
 *          buffer, a descriptor, a connection. The loop that starts them waits in go, so the input
 *          is read no faster than it is worked off.
 * Mistake  A thread per item, or a queue without an end: it works in the test with ten items, and
 *          takes the machine down with ten million. A bound chosen on purpose is part of the
 *          design; the other one is found by the kernel.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 10000, LIMIT = 8, BUFFER_BYTES = 16384 };

static atomic_size_t held;      /* bytes in buffers right now */
static atomic_size_t held_most; /* the high-water mark of held */
static atomic_ulong checksum;

static void *buffer_get(void)
{
    void *buffer = malloc(BUFFER_BYTES);
    size_t now = atomic_fetch_add(&held, BUFFER_BYTES) + BUFFER_BYTES;
    size_t seen = atomic_load(&held_most);
    while (seen < now && !atomic_compare_exchange_weak(&held_most, &seen, now)) {
        /* seen is what somebody else wrote meanwhile: compare again */
    }
    return buffer;
}

static void buffer_put(void *buffer)
{
    free(buffer);
    atomic_fetch_sub(&held, BUFFER_BYTES);
}

static int render(cconc_ctx *ctx, void *arg)
{
    const unsigned char *item = arg;
    unsigned char *buffer = buffer_get();
    int err = ENOMEM;
    if (buffer) {
        memset(buffer, *item, BUFFER_BYTES);
        atomic_fetch_add(&checksum, buffer[BUFFER_BYTES - 1]);
        err = cconc_ctx_sleep(ctx, 50 * CCONC_US); /* stands for the disk that the buffer goes to */
    }
    buffer_put(buffer);
    return err;
}

static int render_all(unsigned char *items)
{
    const cconc_group_opts opts = {.flags = CCONC_GROUP_SKIP, .limit = LIMIT};
    cconc_group *group = NULL;
    int err = cconc_group_new(NULL, &opts, &group);
    if (err) {
        return err;
    }
    for (int i = 0; i < ITEMS && !err; i++) {
        items[i] = (unsigned char)i;
        err = cconc_group_go(group, NULL, render, &items[i]); /* SKIP: ends after a failure */
    }
    int wait_err = cconc_group_wait(group, NULL, NULL);
    cconc_group_free(group);
    return wait_err ? wait_err : err;
}

int main(void)
{
    static unsigned char items[ITEMS];
    int err = render_all(items);
    size_t most = atomic_load(&held_most) / BUFFER_BYTES;
    if (err) {
        fprintf(stderr, "group_bounded: %s\n", cconc_strerror(err));
    } else {
        printf("%d items, checksum %lu\n", ITEMS, atomic_load(&checksum));
        printf("buffers at once: %s %d\n", most <= LIMIT ? "at most" : "MORE THAN", LIMIT);
    }
    cconc_shutdown(NULL);
    return err || most > LIMIT;
}
