// tbb.cpp - the cells with oneTBB: bounded queue and task group
// SPDX-License-Identifier: MIT
#include "peer.hpp"

#include <tbb/concurrent_queue.h>
#include <tbb/task_group.h>

using peer::cell;
using peer::scaled;

namespace {

using queue = tbb::concurrent_bounded_queue<long>;

const char *const queues = "tbb bounded_queue";
const char *const tasks = "tbb task_group";

long stream(const peer::stream_cell &load)
{
    queue q;
    q.set_capacity(load.cap);
    return peer::stream(
        load.senders, load.receivers, scaled(load.ops), [&q](long value) { q.push(value); },
        [&q] {
            long value;
            q.pop(value);
            return value;
        });
}

long one_thread()
{
    long ops = scaled(5e6);
    queue q;
    q.set_capacity(1);
    for (long i = 0; i < ops; i++) {
        long value;
        q.push(i);
        q.pop(value);
        peer::sink = peer::sink + value;
    }
    return ops;
}

template <class Task> long run_tasks(long count, Task task)
{
    tbb::task_group group;
    for (long i = 0; i < count; i++) {
        group.run(task);
    }
    group.wait();
    return count;
}

long latency10()
{
    long ops = scaled(5e4);
    for (long i = 0; i < ops; i++) {
        run_tasks(10, [] {});
    }
    return ops;
}

long fib(int k)
{
    if (k < 2) {
        return k;
    }
    long a;
    tbb::task_group group;
    group.run([&a, k] { a = fib(k - 1); });
    long b = fib(k - 2);
    group.wait();
    return a + b;
}

long forkjoin()
{
    long rounds = scaled(20);
    for (long i = 0; i < rounds; i++) {
        peer::sink = peer::sink + fib(22);
    }
    return rounds * 28656;
}

} // namespace

int main()
{
    cell("chan_1t_cap1", queues, one_thread);
    for (const auto &load : peer::stream_cells) {
        cell(load.name, queues, [&load] { return stream(load); });
    }
    cell("spawn_wait", tasks, [] { return run_tasks(scaled(1e6), [] {}); });
    cell("errgroup_10_latency", tasks, latency10);
    cell("pool_empty", tasks, [] { return run_tasks(scaled(2e6), [] {}); });
    cell("pool_1us", tasks, [] { return run_tasks(scaled(5e5), peer::one_us); });
    cell("forkjoin_fib22", tasks, forkjoin);
    return 0;
}
