/* history.c - do the operations that threads made look as if each had happened in one moment?
 * SPDX-License-Identifier: MIT
 *
 * Wing and Gong 1993, with Lowe's memory of what was tried: an operation may be the next one in the
 * order if none that is left had ended before it began.
 */
#include "engine.h"

enum { MAX_OPS = 16, STATE_BYTES = 256, MEMORY = 4096 };

typedef struct operation {
    int      op;
    int64_t  arg;
    int      code;
    int64_t  value;
    uint32_t began;
    uint32_t ended; /* UINT32_MAX = not yet */
} operation;

static operation ops[MAX_OPS];
static uint32_t count;
static uint32_t moments;
static uint64_t tried[MEMORY]; /* hashes of what is left and the state; 0 = free */

void history_reset(void)
{
    count = 0;
    moments = 0;
}

/* Beginnings and ends keep their order among each other: each is a step. */
static void history_point(void)
{
    op o = {.kind = OP_WORD, .object = ops, .writes = true, .deadline_ns = INT64_MAX};
    o.site = __builtin_return_address(0);
    step_point(&o);
    order_acquire(ops); /* what had ended before is known to what begins after */
    order_release(ops);
}

uint32_t model_begin(int what, int64_t arg)
{
    history_point();
    if (count == MAX_OPS) {
        model_fail(MODEL_WRONG, "more operations than a history has room for");
    }
    ops[count] = (operation){what, arg, 0, 0, moments++, UINT32_MAX};
    return count++;
}

void model_end(uint32_t id, int code, int64_t value)
{
    history_point();
    ops[id].code = code;
    ops[id].value = value;
    ops[id].ended = moments++;
}

static bool was_tried(uint32_t left, const void *state, size_t bytes)
{
    const uint64_t prime = UINT64_C(1099511628211);
    uint64_t hash = (UINT64_C(14695981039346656037) ^ left) * prime;
    size_t slot;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ ((const unsigned char *)state)[i]) * prime;
    }
    hash += hash == 0;
    slot = (hash * UINT64_C(0x9E3779B97F4A7C15)) >> 52;
    for (size_t i = 0; i < MEMORY; i++) {
        uint64_t *at = &tried[(slot + i) % MEMORY];
        if (*at == hash) {
            return true;
        }
        if (*at == 0) {
            *at = hash;
            return false;
        }
    }
    return false;
}

static bool can_order(const model_spec *spec, uint32_t left, const unsigned char *state)
{
    uint32_t first_end = UINT32_MAX;
    if (left == 0) {
        return true;
    }
    if (was_tried(left, state, spec->state_bytes)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if ((left & (1u << i)) && ops[i].ended < first_end) {
            first_end = ops[i].ended;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        unsigned char next[STATE_BYTES];
        const operation *o = &ops[i];
        if (!(left & (1u << i)) || o->began > first_end) {
            continue;
        }
        memcpy(next, state, spec->state_bytes);
        if (spec->apply(next, o->op, o->arg, o->code, o->value) &&
            can_order(spec, left & ~(1u << i), next)) {
            return true;
        }
    }
    return false;
}

void model_check_history(const model_spec *spec)
{
    unsigned char state[STATE_BYTES] = {0};
    uint32_t all = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].ended == UINT32_MAX) {
            model_fail(MODEL_WRONG, "operation %u of the history has not ended", (unsigned)i);
        }
        all |= 1u << i;
    }
    memset(tried, 0, sizeof(tried));
    spec->init(state);
    model_checked();
    if (!can_order(spec, all, state)) {
        for (uint32_t i = 0; i < count && model.is_tracing; i++) {
            report_note("operation %u: op %d, given %lld, from %u to %u: code %d, value %lld",
                        (unsigned)i, ops[i].op, (long long)ops[i].arg, (unsigned)ops[i].began,
                        (unsigned)ops[i].ended, ops[i].code, (long long)ops[i].value);
        }
        model_fail(MODEL_WRONG, "no order of the %u operations explains what they returned",
                   (unsigned)count);
    }
}
