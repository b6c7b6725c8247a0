/* raii.cpp - the library from C++: objects that free themselves, tasks that are lambdas.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

template <auto release> struct releaser {
    template <typename T> void operator()(T *object) const { release(object); }
};

using ctx_ptr = std::unique_ptr<cconc_ctx, releaser<cconc_ctx_free>>;
using group_ptr = std::unique_ptr<cconc_group, releaser<cconc_group_free>>;
using pool_ptr = std::unique_ptr<cconc_pool, releaser<cconc_pool_free>>;

void check(int err, const char *what)
{
    if (err) {
        throw std::runtime_error(std::string(what) + ": " + cconc_strerror(err));
    }
}

void expect(bool fact, const char *what)
{
    if (!fact) {
        throw std::runtime_error(what);
    }
}

template <typename Pointer, typename Make> Pointer make(const char *what, Make make_object)
{
    typename Pointer::pointer object = nullptr;
    check(make_object(&object), what);
    return Pointer(object);
}

/* Calls the function object that arg points to. */
template <typename F> int call(cconc_ctx *ctx, void *arg) { return (*static_cast<F *>(arg))(ctx); }

struct point {
    int x;
    double weight;
};
CCONC_CHAN_OF(point, points);

class point_chan {
public:
    explicit point_chan(std::size_t cap) { check(points_new(&typed, cap), "chan"); }
    ~point_chan() { points_free(typed); }
    point_chan(const point_chan &) = delete;
    point_chan &operator=(const point_chan &) = delete;
    int send(cconc_ctx *ctx, point value) { return points_send(typed, ctx, value); }
    int recv(cconc_ctx *ctx, point *value) { return points_recv(typed, ctx, value); }
    void close() { points_close(typed); }

private:
    points typed{};
};

constexpr int count = 500;

/* A group of two: one sends, one adds up. */
void pass_points()
{
    auto ctx = make<ctx_ptr>("ctx", [](cconc_ctx **out) {
        return cconc_ctx_with_timeout(nullptr, 60 * CCONC_SECOND, out);
    });
    auto group = make<group_ptr>("group", [&](cconc_group **out) {
        return cconc_group_new(ctx.get(), nullptr, out);
    });
    point_chan chan(8);
    long sum = 0;
    auto produce = [&](cconc_ctx *task_ctx) {
        int err = 0;
        for (int i = 1; i <= count && !err; i++) {
            err = chan.send(task_ctx, {i, 0.5});
        }
        chan.close();
        return err;
    };
    auto consume = [&](cconc_ctx *task_ctx) {
        point value{};
        int err = 0;
        while ((err = chan.recv(task_ctx, &value)) == 0) {
            sum += value.x;
        }
        return err == EPIPE ? 0 : err;
    };
    check(cconc_group_go(group.get(), nullptr, call<decltype(produce)>, &produce), "go");
    check(cconc_group_go(group.get(), nullptr, call<decltype(consume)>, &consume), "go");
    check(cconc_group_wait(group.get(), nullptr, nullptr), "wait");
    expect(sum == count * (count + 1L) / 2, "the sum of the points");
}

/* Objects go in the order of their scopes while an exception flies; the tasks see the end. */
void unwind()
{
    int code = 0;
    auto blocked = [&](cconc_ctx *task_ctx) {
        point_chan empty(0);
        point value{};
        code = empty.recv(task_ctx, &value);
        return code;
    };
    try {
        cconc_pool_opts opts = cconc_pool_opts();
        opts.workers = 2;
        opts.queue_len = 4;
        auto pool = make<pool_ptr>("pool", [&](cconc_pool **out) {
            return cconc_pool_new(nullptr, &opts, out);
        });
        check(cconc_pool_submit(pool.get(), nullptr, call<decltype(blocked)>, &blocked), "submit");
        cconc_pool_counts counts;
        do {
            cconc_pool_read(pool.get(), &counts);
        } while (counts.running == 0);
        throw std::runtime_error("on purpose");
    } catch (const std::runtime_error &error) {
        expect(error.what() == std::string("on purpose"), error.what());
    }
    expect(code == ECANCELED, "the code of a task of a pool that went");
}

/* What the headers' initialisers make, with forms that are inline in C as well. */
void run_once()
{
    static cconc_once once = CCONC_ONCE_INIT;
    cconc_waitgroup waitgroup = CCONC_WAITGROUP_INIT;
    int runs = 0;
    auto add = [&](cconc_ctx *) { return ++runs, 0; };
    cconc_waitgroup_add(&waitgroup, 1);
    for (int i = 0; i < 3; i++) {
        check(cconc_once_run(&once, nullptr, call<decltype(add)>, &add), "once");
    }
    cconc_waitgroup_done(&waitgroup);
    check(cconc_waitgroup_wait(&waitgroup, nullptr), "waitgroup");
    expect(runs == 1 && cconc_ctx_err(nullptr) == 0, "what runs once");
}

} // namespace

int main()
{
    try {
        pass_points();
        unwind();
        run_once();
        check(cconc_shutdown(nullptr), "shutdown");
    } catch (const std::exception &error) {
        std::fprintf(stderr, "raii: %s\n", error.what());
        return 1;
    }
    return 0;
}
