// glib.cpp - the cells with GLib: asynchronous queue (without a bound), thread pool, once
// SPDX-License-Identifier: MIT
#include "peer.hpp"

#include <glib.h>

using peer::cell;
using peer::scaled;

namespace {

// A queue does not take NULL, so each number is one more inside.
long stream()
{
    GAsyncQueue *q = g_async_queue_new();
    long ops = peer::stream(
        1, 1, scaled(5e6), [q](long value) { g_async_queue_push(q, GSIZE_TO_POINTER(value + 1)); },
        [q] { return static_cast<long>(GPOINTER_TO_SIZE(g_async_queue_pop(q))) - 1; });
    g_async_queue_unref(q);
    return ops;
}

void nothing(gpointer, gpointer)
{
}

void one_us(gpointer, gpointer)
{
    peer::one_us();
}

long pool_of(GFunc task, long count)
{
    GThreadPool *pool = g_thread_pool_new(task, nullptr, 2, TRUE, nullptr);
    for (long i = 0; i < count; i++) {
        g_thread_pool_push(pool, GSIZE_TO_POINTER(1), nullptr);
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    return count;
}

long once_fast()
{
    static gsize once;
    long ops = scaled(2e8);
    for (long i = 0; i < ops; i++) {
        if (g_once_init_enter(&once)) {
            g_once_init_leave(&once, 1);
        }
    }
    return ops;
}

} // namespace

int main()
{
    cell("chan_spsc_cap1024", "glib asyncqueue(unbounded)", stream);
    cell("pool_empty", "glib threadpool", [] { return pool_of(nothing, scaled(1e6)); });
    cell("pool_1us", "glib threadpool", [] { return pool_of(one_us, scaled(5e5)); });
    cell("once_fast", "g_once_init", once_fast);
    return 0;
}
