// libc.cpp - the cells with what every system has: pthreads, malloc, atomics, the standard library
// SPDX-License-Identifier: MIT
#include "peer.hpp"

#include <atomic>
#include <mutex>
#include <pthread.h>

using peer::cell;
using peer::scaled;

namespace {

void ten_threads()
{
    std::vector<std::thread> threads;
    for (int i = 0; i < 10; i++) {
        threads.emplace_back([] {});
    }
    for (auto &thread : threads) {
        thread.join();
    }
}

long spawn_wait()
{
    long rounds = scaled(2e3);
    for (long i = 0; i < rounds; i++) {
        ten_threads();
    }
    return rounds * 10;
}

long latency10()
{
    long ops = scaled(2e3);
    for (long i = 0; i < ops; i++) {
        ten_threads();
    }
    return ops;
}

long pthread_once_fast()
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    long ops = scaled(2e8);
    for (long i = 0; i < ops; i++) {
        pthread_once(&once, [] {});
    }
    return ops;
}

long call_once_fast()
{
    static std::once_flag once;
    long ops = scaled(2e8);
    for (long i = 0; i < ops; i++) {
        std::call_once(once, [] {});
    }
    return ops;
}

char *object_new()
{
    char *object = static_cast<char *>(malloc(1024));
    *static_cast<volatile char *>(object) = 1;
    return object;
}

void new_free(long count)
{
    for (long i = 0; i < count; i++) {
        free(object_new());
    }
}

void burst32(long bursts)
{
    char *objects[32];
    for (long i = 0; i < bursts; i++) {
        for (auto &object : objects) {
            object = object_new();
        }
        for (auto object : objects) {
            free(object);
        }
    }
}

long counter_2t()
{
    std::atomic<long> counter{0};
    return peer::two_threads(scaled(5e7), [&counter](long count) {
        for (long i = 0; i < count; i++) {
            counter.fetch_add(1, std::memory_order_relaxed);
        }
    });
}

} // namespace

int main()
{
    const char *const allocator = "malloc/free(glibc)";
    cell("spawn_wait", "pthread_create+join", spawn_wait);
    cell("errgroup_10_latency", "pthread_create+join", latency10);
    cell("once_fast", "pthread_once", pthread_once_fast);
    cell("once_fast", "std::call_once", call_once_fast);
    cell("objpool_1t", allocator, [] {
        long ops = scaled(5e6);
        new_free(ops);
        return ops;
    });
    cell("objpool_2t", allocator, [] { return peer::two_threads(scaled(5e6), new_free); });
    cell("objpool_burst32_2t", allocator,
         [] { return 32 * peer::two_threads(scaled(5e6 / 32), burst32); });
    cell("counter_2t", "atomic", counter_2t);
    return 0;
}
