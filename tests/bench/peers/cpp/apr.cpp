// apr.cpp - the cells with APR: queue, thread pool, list of resources
// SPDX-License-Identifier: MIT
#include "peer.hpp"

#include <apr_general.h>
#include <apr_queue.h>
#include <apr_reslist.h>
#include <apr_thread_pool.h>

using peer::cell;
using peer::scaled;

namespace {

apr_pool_t *memory;

// A fourth of the operations: its threads meet at every one of them.
long stream(const peer::stream_cell &load)
{
    apr_queue_t *q;
    apr_queue_create(&q, static_cast<unsigned>(load.cap), memory);
    return peer::stream(
        load.senders, load.receivers, scaled(load.ops / 4),
        [q](long value) { apr_queue_push(q, reinterpret_cast<void *>(value)); },
        [q] {
            void *value;
            apr_queue_pop(q, &value);
            return reinterpret_cast<long>(value);
        });
}

void *APR_THREAD_FUNC nothing(apr_thread_t *, void *)
{
    return nullptr;
}

long pool_empty()
{
    long ops = scaled(5e5);
    apr_thread_pool_t *pool;
    apr_thread_pool_create(&pool, 2, 2, memory);
    for (long i = 0; i < ops; i++) {
        apr_thread_pool_push(pool, nothing, nullptr, 0, nullptr);
    }
    while (apr_thread_pool_tasks_count(pool)) {
        std::this_thread::yield();
    }
    apr_thread_pool_destroy(pool);
    return ops;
}

apr_status_t object_new(void **out_object, void *, apr_pool_t *)
{
    *out_object = malloc(1024);
    return 0;
}

apr_status_t object_free(void *object, void *, apr_pool_t *)
{
    free(object);
    return 0;
}

long objpool()
{
    long ops = scaled(2e6);
    apr_reslist_t *list;
    apr_reslist_create(&list, 1, 64, 64, 0, object_new, object_free, nullptr, memory);
    for (long i = 0; i < ops; i++) {
        void *object;
        apr_reslist_acquire(list, &object);
        *static_cast<volatile char *>(object) = 1;
        apr_reslist_release(list, object);
    }
    apr_reslist_destroy(list);
    return ops;
}

} // namespace

int main()
{
    apr_initialize();
    apr_pool_create(&memory, nullptr);
    for (const auto &load : peer::stream_cells) {
        cell(load.name, "apr_queue", [&load] { return stream(load); });
    }
    cell("pool_empty", "apr_thread_pool", pool_empty);
    cell("objpool_1t", "apr_reslist", objpool);
    return 0;
}
