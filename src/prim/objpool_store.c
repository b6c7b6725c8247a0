/* objpool_store.c - the objects of an object pool that every thread finds
 * SPDX-License-Identifier: MIT
 *
 * Idea        Three stacks: what was put since the last trim, what was there at the last trim, what
 *             is to be destroyed. A stack is a list of blocks, so that a trim moves whole stacks,
 *             and blocks are made when objects are, so that a put never needs memory.
 * Picture               keep            trim             trim
 *             objects ---------> fresh -------> aged -------------> doomed ----> destroy
 *                                  | get          | get
 * Invariants  I1 fresh and aged together are within max_count and max_bytes.
 *             I2 No block in a stack is empty.
 * Locks       The object pool's, which the caller holds.
 * Ordering    None but the lock's.
 * Lifetime    Blocks are the object pool's; trim gives back those that are not needed.
 * Rejected    Links inside the objects: they are the user's memory, kept as it is between put and
 *             get. One array that grows: copying a million items under the lock. */
#include "core/must.h"
#include "prim/objpool.h"

bool cconc__objpool_store_has_block(const objpool_store *store, const store_stack *stack)
{
    return store->spare || (stack->top && stack->top->len < STORE_BLOCK_LEN);
}

bool cconc__objpool_store_push(objpool_store *store, store_stack *stack, store_item item)
{
    store_block *block = stack->top;
    if (!block || block->len == STORE_BLOCK_LEN) {
        block = store->spare;
        if (!block) {
            return false;
        }
        store->spare = block->next;
        block->next = stack->top;
        stack->top = block;
    }
    block->items[block->len++] = item;
    stack->count++;
    stack->bytes += item.bytes;
    return true;
}

bool cconc__objpool_store_pop(objpool_store *store, store_stack *stack,
                                     store_item *out_item)
{
    store_block *block = stack->top;
    if (!block) {
        return false;
    }
    block->len--;
    *out_item = block->items[block->len];
    stack->count--;
    stack->bytes -= out_item->bytes;
    if (block->len == 0) {
        stack->top = block->next;
        block->next = store->spare;
        store->spare = block;
    }
    return true;
}

bool cconc__objpool_store_keep(objpool_store *store, store_item item, bool is_fresh)
{
    size_t count = store->fresh.count + store->aged.count;
    size_t bytes = store->fresh.bytes + store->aged.bytes;
    if (count >= store->max_count || item.bytes > store->max_bytes - bytes) {
        return false;
    }
    return cconc__objpool_store_push(store, is_fresh ? &store->fresh : &store->aged, item);
}

void cconc__objpool_store_age(objpool_store *store)
{
    store_block **end = &store->aged.top;
    while (*end) {
        end = &(*end)->next;
    }
    *end = store->doomed.top; /* a trim whose callback ended its thread has left these */
    store->doomed.top = store->aged.top;
    store->doomed.count += store->aged.count;
    store->doomed.bytes += store->aged.bytes;
    store->aged = store->fresh;
    store->fresh = (store_stack){NULL, 0, 0};
    CHECK(store->aged.count <= store->max_count && store->aged.bytes <= store->max_bytes);
}

/* Each of the three stacks may have a block that is not full; one more for a trim under way. */
size_t cconc__objpool_store_need(const objpool_store *store, size_t objects)
{
    size_t most = objects < store->max_count ? objects : store->max_count;
    return most / STORE_BLOCK_LEN + 4;
}
