/* memory.c - the counting allocator, its injected failures, leak checks and sweeps
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cconc/cconc.h>

#include "core/lock.h"

#define BLOCK_LIVE UINT64_C(0x11fe11fe11fe11fe)
#define BLOCK_DEAD UINT64_C(0xdeaddeaddeaddead)

/* What is larger is refused, as by a machine that does not lend what it lacks. */
#define BLOCK_MOST_BYTES ((size_t)1 << 30)

/* A sweep that needs more runs than this does not end by itself. */
#define SWEEP_MAX_RUNS 20000u

/* What stands in front of each block; as aligned as malloc aligns. */
union block {
    struct {
        size_t size;
        uint64_t mark;
        union block *next; /* among the released ones that are kept */
    } head;
    max_align_t align;
};

static atomic_size_t live_blocks;
static atomic_size_t live_bytes;
static atomic_uint_fast64_t alloc_count;
static _Thread_local uint64_t own_alloc_count;
static struct support_fault alloc_fault;
static size_t blocks_at_setup;
static atomic_bool keeps_released;
static union block *_Atomic kept;

void support_fault_arm(struct support_fault *fault, uint64_t n, bool sticky)
{
    atomic_store(&fault->hits, 0);
    atomic_store(&fault->seen, 0);
    atomic_store(&fault->sticky, sticky);
    atomic_store(&fault->at, n);
}

bool support_fault_now(struct support_fault *fault)
{
    uint64_t at = atomic_load(&fault->at);
    if (at == 0) {
        return false;
    }
    uint64_t seen = atomic_fetch_add(&fault->seen, 1) + 1;
    if (seen < at || (seen > at && !atomic_load(&fault->sticky))) {
        return false;
    }
    atomic_fetch_add(&fault->hits, 1);
    return true;
}

uint64_t support_fault_disarm(struct support_fault *fault)
{
    atomic_store(&fault->at, 0);
    return atomic_exchange(&fault->hits, 0);
}

static void *support_alloc(size_t size, void *user)
{
    (void)user;
    cconc__lock_assert_none(); /* env-1: it may call the library */
    atomic_fetch_add(&alloc_count, 1);
    own_alloc_count++;
    if (support_fault_now(&alloc_fault) || support_sweep_fails_memory() ||
        size > BLOCK_MOST_BYTES) {
        return NULL;
    }
    union block *block = malloc(sizeof(*block) + size);
    if (!block) {
        return NULL;
    }
    block->head.size = size;
    block->head.mark = BLOCK_LIVE;
    memset(block + 1, 0xa5, size);
    atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&live_bytes, size);
    return block + 1;
}

static void support_release(void *memory, void *user)
{
    (void)user;
    cconc__lock_assert_none();
    if (!memory) {
        return;
    }
    union block *block = (union block *)memory - 1;
    SUPPORT_CHECK(block->head.mark == BLOCK_LIVE);
    block->head.mark = BLOCK_DEAD;
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, block->head.size);
    if (atomic_load(&keeps_released)) {
        block->head.next = atomic_load(&kept);
        while (!atomic_compare_exchange_weak(&kept, &block->head.next, block)) {
        }
        return;
    }
    memset(memory, 0xdd, block->head.size);
    free(block);
}

void support_keep_released(bool on)
{
    atomic_store(&keeps_released, on);
    union block *block = on ? NULL : atomic_exchange(&kept, NULL);
    while (block) {
        union block *next = block->head.next;
        free(block);
        block = next;
    }
}

void support_memory_start(void)
{
    SUPPORT_CHECK(cconc_set_allocator(support_alloc, support_release, NULL) == 0);
}

size_t support_live_blocks(void)
{
    return atomic_load(&live_blocks);
}

size_t support_live_bytes(void)
{
    return atomic_load(&live_bytes);
}

uint64_t support_alloc_count(void)
{
    return atomic_load(&alloc_count);
}

uint64_t support_own_alloc_count(void)
{
    return own_alloc_count;
}

void support_fail_alloc(uint64_t n, bool sticky)
{
    support_sweep_pause(true);
    support_fault_arm(&alloc_fault, n, sticky);
}

uint64_t support_fail_end(void)
{
    return support_fault_disarm(&alloc_fault) + support_thread_fault_end() +
           support_object_fault_end();
}

/* Shut down within 10 s; false says on standard error why that failed or what is left over. */
static bool shut_down_to(size_t blocks, const char *where)
{
    cconc_ctx_mem memory;
    cconc_ctx *ctx = cconc_ctx_until(&memory, NULL, cconc_clock_after(10 * CCONC_SECOND));
    int err = cconc_shutdown(ctx);
    if (err != 0) {
        fprintf(stderr, "%s: shutdown: %s\n", where, cconc_strerror(err));
        return false;
    }
    if (support_live_blocks() != blocks) {
        fprintf(stderr, "%s: %zu blocks live where %zu were expected (%zu bytes)\n", where,
                support_live_blocks(), blocks, support_live_bytes());
        return false;
    }
    return true;
}

void support_leak_check(void)
{
    SUPPORT_CHECK(shut_down_to(0, "leak check"));
}

int support_unit_setup(void **state)
{
    (void)state;
    (void)support_fail_end();
    blocks_at_setup = support_live_blocks();
    support_sweep_arm();
    return 0;
}

int support_unit_teardown(void **state)
{
    (void)state;
    support_sweep_disarm();
    (void)support_fail_end();
    return shut_down_to(blocks_at_setup, "after the test") ? 0 : -1;
}

static uint64_t sweep(void (*arm)(uint64_t n, bool sticky), support_body_fn body, void *arg)
{
    uint64_t total = 0;
    size_t blocks = support_live_blocks();
    SUPPORT_CHECK(shut_down_to(blocks, "before the sweep"));
    for (int sticky = 0; sticky < 2; sticky++) {
        uint64_t hits = 1;
        for (uint64_t n = 1; hits > 0; n++) {
            char where[64];
            SUPPORT_CHECK(n < SWEEP_MAX_RUNS);
            arm(n, sticky != 0);
            body(arg);
            hits = support_fail_end();
            total += hits;
            snprintf(where, sizeof(where), "sweep, n = %llu, %s", (unsigned long long)n,
                     sticky ? "for good" : "once");
            SUPPORT_CHECK(shut_down_to(blocks, where));
        }
    }
    return total;
}

uint64_t support_sweep_alloc(support_body_fn body, void *arg)
{
    return sweep(support_fail_alloc, body, arg);
}

uint64_t support_sweep_thread(support_body_fn body, void *arg)
{
    return sweep(support_fail_thread, body, arg);
}

uint64_t support_sweep_object(support_body_fn body, void *arg)
{
    return sweep(support_fail_object, body, arg);
}
