// uv.cpp - the cells with libuv: its pool of threads
// SPDX-License-Identifier: MIT
#include "peer.hpp"

#include <uv.h>

using peer::cell;
using peer::scaled;

namespace {

void nothing(uv_work_t *)
{
}

void one_us(uv_work_t *)
{
    peer::one_us();
}

void after(uv_work_t *, int)
{
}

long queue_work(uv_work_cb task, long count)
{
    uv_loop_t loop;
    std::vector<uv_work_t> requests(static_cast<size_t>(count));
    uv_loop_init(&loop);
    for (auto &request : requests) {
        uv_queue_work(&loop, &request, task, after);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return count;
}

} // namespace

int main()
{
    cell("pool_empty", "libuv queue_work", [] { return queue_work(nothing, scaled(5e5)); });
    cell("pool_1us", "libuv queue_work", [] { return queue_work(one_us, scaled(5e5)); });
    return 0;
}
