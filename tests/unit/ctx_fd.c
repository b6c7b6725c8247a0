/* ctx_fd.c - the descriptor of a context
 * SPDX-License-Identifier: MIT
 *
 * Risk      A descriptor that is readable too early or not at all, that leaks into other programs
 *           or outlives its context; a failure to get one that harms the context.
 * Method    poll and epoll with no wait before and after; a process of its own with a limit on
 *           descriptors.
 * Catches   C1, C4; X1, X2; I6.
 */
#include "ctx_help.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void ctx_fd_is_readable_from_the_end_onwards(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *ctx = make_cancel(parent);
    int fd = fd_of(ctx);
    int parent_fd = fd_of(parent);
    assert_int_not_equal(fd, parent_fd);
    assert_false(fd_is_readable(fd));
    assert_false(fd_is_readable(parent_fd));
    cconc_ctx_cancel(ctx);
    assert_true(fd_is_readable(fd));
    assert_true(fd_is_readable(fd));
    assert_false(fd_is_readable(parent_fd));
    cconc_ctx_cancel(parent);
    assert_true(fd_is_readable(parent_fd));
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
}

/* What epoll tells of fd now; level or edge was said when it was added. */
static uint32_t told_by(int epoll)
{
    struct epoll_event event = {.events = 0};
    int count = epoll_wait(epoll, &event, 1, 0);
    SUPPORT_CHECK(count == 0 || count == 1);
    return count == 0 ? 0 : event.events;
}

static int epoll_of(int fd, uint32_t events)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = events};
    SUPPORT_CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    return epoll;
}

static void ctx_fd_is_told_by_epoll_for_ever_or_once(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    int level = epoll_of(fd_of(ctx), EPOLLIN);
    int edge = epoll_of(fd_of(ctx), EPOLLIN | EPOLLET);
    assert_int_equal(told_by(level), 0);
    assert_int_equal(told_by(edge), 0);
    cconc_ctx_cancel(ctx);
    cconc_ctx_cancel(ctx);
    assert_int_equal(told_by(level), EPOLLIN);
    assert_int_equal(told_by(level), EPOLLIN);
    assert_int_equal(told_by(edge), EPOLLIN);
    assert_int_equal(told_by(edge), 0);
    close(edge);
    close(level);
    cconc_ctx_free(ctx);
}

static void ctx_fd_of_a_done_context_is_readable_at_once(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_timeout(NULL, 0);
    cconc_ctx *value = make_value(ctx, &ctx_mark, NULL);
    assert_true(fd_is_readable(fd_of(ctx)));
    assert_true(fd_is_readable(fd_of(value)));
    cconc_ctx_free(value);
    cconc_ctx_free(ctx);
}

static void ctx_fd_is_the_same_every_time(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    int fd = fd_of(ctx);
    assert_int_equal(fd_of(ctx), fd);
    cconc_ctx_cancel(ctx);
    assert_int_equal(fd_of(ctx), fd);
    cconc_ctx_free(ctx);
}

static void ctx_fd_closes_on_exec_and_never_blocks(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    int fd = fd_of(ctx);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    cconc_ctx_free(ctx);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    SUPPORT_CHECK(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static void ctx_fd_is_made_on_first_use(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *child = make_cancel(ctx);
    assert_int_equal(open_descriptors(), before);
    (void)fd_of(child);
    assert_true(open_descriptors() > before);
    cconc_ctx_cancel(ctx);
    cconc_ctx_free(child);
    cconc_ctx_free(ctx);
    assert_int_equal(open_descriptors(), before);
}

static void ctx_fd_is_closed_with_the_last_of_the_context(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    for (size_t i = 0; i < 100; i++) {
        cconc_ctx *parent = make_cancel(NULL);
        cconc_ctx *ctx = make_cancel(parent);
        int fd = fd_of(ctx);
        (void)fd_of(parent);
        cconc_ctx_free(parent);
        assert_true(fd_is_readable(fd));
        cconc_ctx_free(ctx);
    }
    assert_int_equal(open_descriptors(), before);
}

static void poll_without_limit(void *arg, size_t index)
{
    (void)index;
    cconc_ctx *ctx = arg;
    struct pollfd item = {.fd = fd_of(ctx), .events = POLLIN, .revents = 0};
    until(poll(&item, 1, -1) == 1); /* it may be interrupted */
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    SUPPORT_CHECK(cconc_ctx_err(ctx) != 0);
}

static bool has_descriptor(cconc_ctx *ctx)
{
    bool has;
    lock_take(&ctx->tree->mu);
    has = ctx->descriptor != NULL;
    lock_leave(&ctx->tree->mu);
    return has;
}

static void ctx_fd_wakes_threads_in_poll(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *ctx = make_cancel(parent);
    struct support_threads *threads = support_threads_start(3, poll_without_limit, ctx);
    until(has_descriptor(ctx));
    cconc_ctx_cancel(parent);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
    ctx = make_timeout(NULL, CCONC_MS);
    poll_without_limit(ctx, 0);
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    cconc_ctx_free(ctx);
}

struct makers {
    cconc_ctx *ctx;
    int fds[3];
    atomic_int ready;
    atomic_bool go;
};

static void make_one(void *arg, size_t index)
{
    struct makers *m = arg;
    atomic_fetch_add(&m->ready, 1);
    until(atomic_load(&m->go));
    m->fds[index] = fd_of(m->ctx);
}

static void ctx_fd_made_by_many_at_once_is_one(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    for (size_t round = 0; round < 100; round++) {
        struct makers m = {.ctx = make_cancel(NULL)};
        struct support_threads *threads = support_threads_start(3, make_one, &m);
        until(atomic_load(&m.ready) == 3);
        atomic_store(&m.go, true);
        cconc_ctx_cancel(m.ctx);
        assert_int_equal(support_threads_join(threads), 0);
        assert_int_equal(m.fds[0], m.fds[1]);
        assert_int_equal(m.fds[0], m.fds[2]);
        assert_true(fd_is_readable(m.fds[0]));
        cconc_ctx_free(m.ctx);
    }
    assert_int_equal(open_descriptors(), before);
}

static void ctx_fd_refuses_what_cannot_end(void **state)
{
    (void)state;
    int fd = -7;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *shield = make_without_cancel(ctx);
    cconc_ctx *value = make_value(NULL, &ctx_mark, NULL);
    errno = ERRNO_MARK;
    assert_int_equal(cconc_ctx_fd(NULL, &fd), EINVAL);
    assert_int_equal(cconc_ctx_fd(cconc_ctx_background(), &fd), EINVAL);
    assert_int_equal(cconc_ctx_fd(shield, &fd), EINVAL);
    assert_int_equal(cconc_ctx_fd(value, &fd), EINVAL);
    assert_int_equal(cconc_ctx_fd(ctx, NULL), EINVAL);
    assert_int_equal(errno, ERRNO_MARK);
    assert_int_equal(fd, -7);
    cconc_ctx_free(value);
    cconc_ctx_free(shield);
    cconc_ctx_free(ctx);
}

static void ctx_fd_without_memory_harms_nothing(void **state)
{
    (void)state;
    int fd = -7;
    cconc_ctx *ctx = make_cancel(NULL);
    support_fail_alloc(1, true);
    assert_int_equal(cconc_ctx_fd(ctx, &fd), ENOMEM);
    (void)support_fail_end();
    assert_int_equal(fd, -7);
    fd = fd_of(ctx);
    cconc_ctx_cancel(ctx);
    assert_true(fd_is_readable(fd));
    cconc_ctx_free(ctx);
}

/* In a process of its own: no descriptor left. */
static int child_without_descriptors(void)
{
    struct rlimit limit;
    int fd = -7;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *signals = CTX_MARK;
    SUPPORT_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 3;
    SUPPORT_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    errno = ERRNO_MARK;
    SUPPORT_CHECK(cconc_ctx_fd(ctx, &fd) == EMFILE && fd == -7);
    SUPPORT_CHECK(cconc_ctx_with_signals(NULL, NULL, 0, 0, &signals) == EMFILE);
    SUPPORT_CHECK(signals == CTX_MARK && errno == ERRNO_MARK);
    limit.rlim_cur = before;
    SUPPORT_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    fd = fd_of(ctx);
    SUPPORT_CHECK(!fd_is_readable(fd));
    cconc_ctx_cancel(ctx);
    SUPPORT_CHECK(fd_is_readable(fd));
    cconc_ctx_free(ctx);
    support_leak_check();
    return 0;
}

static void ctx_fd_without_a_descriptor_left_is_emfile_and_harms_nothing(void **state)
{
    (void)state;
    int status = support_run_child("without_descriptors", NULL, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void cancel_it(void *arg, size_t index)
{
    (void)index;
    cconc_ctx_cancel(arg);
}

static void ctx_fd_that_is_readable_is_never_beside_a_live_err(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        cconc_ctx *ctx = make_cancel(NULL);
        struct pollfd poller = {.events = POLLIN};
        struct support_threads *threads;
        assert_int_equal(cconc_ctx_fd(ctx, &poller.fd), 0);
        threads = support_threads_start(1, cancel_it, ctx);
        until(poll(&poller, 1, -1) == 1); /* it may be interrupted */
        assert_int_equal(cconc_ctx_err(ctx), ECANCELED);
        support_threads_join(threads);
        cconc_ctx_free(ctx);
    }
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"without_descriptors", child_without_descriptors},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_fd_is_readable_from_the_end_onwards),
        UNIT_TEST(ctx_fd_is_told_by_epoll_for_ever_or_once),
        UNIT_TEST(ctx_fd_of_a_done_context_is_readable_at_once),
        UNIT_TEST(ctx_fd_is_the_same_every_time),
        UNIT_TEST(ctx_fd_closes_on_exec_and_never_blocks),
        UNIT_TEST(ctx_fd_is_closed_with_the_last_of_the_context),
        UNIT_TEST(ctx_fd_wakes_threads_in_poll),
        UNIT_TEST(ctx_fd_made_by_many_at_once_is_one),
        UNIT_TEST(ctx_fd_refuses_what_cannot_end),
        UNIT_TEST(ctx_fd_without_memory_harms_nothing),
        UNIT_TEST(ctx_fd_without_a_descriptor_left_is_emfile_and_harms_nothing),
        UNIT_TEST(ctx_fd_that_is_readable_is_never_beside_a_live_err),
        UNIT_TEST(ctx_fd_is_made_on_first_use),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
