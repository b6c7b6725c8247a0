/* process.c - settings, misuse, library threads and their end
 * SPDX-License-Identifier: MIT
 *
 * Risk      A thread, a block or a signal mask left behind by the library; a shutdown that hangs,
 *           or stops what still works; misuse that goes on; an exit that hangs.
 * Method    /proc/self/task before, during and after; what ends the process runs in one of its
 *           own.
 * Catches   W2, W12, W16; X5; I4, I16, I19.
 */
#include "ctx_help.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)192 * 1024)

struct probe {
    atomic_int ran;
    atomic_int entered;
    atomic_bool gate;
    char name[16];
    sigset_t mask;
    size_t stack_size;
    int shutdown_err;
    cconc_ctx *ctx;
    cconc_after *after;
};

static size_t count_threads(const char *prefix)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    SUPPORT_CHECK(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char path[300];
        char name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (!file) {
            continue;
        }
        if (fgets(name, sizeof(name), file)) {
            count += strncmp(name, prefix, strlen(prefix)) == 0;
        }
        fclose(file);
    }
    closedir(dir);
    return count;
}

static void look_around(void *arg)
{
    struct probe *p = arg;
    pthread_attr_t attr;
    SUPPORT_CHECK(pthread_getname_np(pthread_self(), p->name, sizeof(p->name)) == 0);
    SUPPORT_CHECK(pthread_sigmask(SIG_SETMASK, NULL, &p->mask) == 0);
    SUPPORT_CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    SUPPORT_CHECK(pthread_attr_getstacksize(&attr, &p->stack_size) == 0);
    SUPPORT_CHECK(pthread_attr_destroy(&attr) == 0);
    p->shutdown_err = cconc_shutdown(NULL);
    atomic_fetch_add(&p->entered, 1);
    until(atomic_load(&p->gate));
    atomic_fetch_add(&p->ran, 1);
}

static void probe_start(struct probe *p)
{
    p->ctx = make_cancel(NULL);
    SUPPORT_CHECK(cconc_ctx_after_func(p->ctx, look_around, p, &p->after) == 0);
    cconc_ctx_cancel(p->ctx);
}

static void probe_end(struct probe *p)
{
    atomic_store(&p->gate, true);
    cconc_after_free(p->after);
    cconc_ctx_free(p->ctx);
}

static void process_starts_no_thread_before_it_needs_one(void **state)
{
    (void)state;
    uint64_t threads = support_thread_count();
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *value = make_value(ctx, &ctx_mark, NULL);
    cconc_ctx_mem mem;
    (void)fd_of(ctx);
    cconc_ctx *soon = cconc_ctx_until(&mem, value, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_ctx_wait(value, soon), ETIMEDOUT);
    cconc_ctx_cancel(ctx);
    cconc_ctx_free(value);
    cconc_ctx_free(ctx);
    assert_int_equal(support_thread_count(), threads);
    until(count_threads("cconc-") == 0);
}

static void process_names_its_threads_and_blocks_their_signals(void **state)
{
    (void)state;
    static const int blocked[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,  SIGUSR2,
                                  SIGALRM, SIGCHLD, SIGPIPE, SIGPROF, SIGWINCH, SIGURG};
    static const int open_ones[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct probe p = {.gate = false};
    probe_start(&p);
    until(atomic_load(&p.entered) == 1);
    assert_memory_equal(p.name, "cconc-exec/", 11);
    assert_true(count_threads("cconc-exec/") >= 1);
    assert_int_equal(count_threads("cconc-timer"), 1);
    for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++) {
        assert_int_equal(sigismember(&p.mask, blocked[i]), 1);
    }
    for (size_t i = 0; i < sizeof(open_ones) / sizeof(open_ones[0]); i++) {
        assert_int_equal(sigismember(&p.mask, open_ones[i]), 0);
    }
    probe_end(&p);
}

static void process_leaves_mask_and_name_of_the_caller_alone(void **state)
{
    (void)state;
    sigset_t before;
    sigset_t now;
    char name[16];
    char name_now[16];
    struct probe p = {.gate = true};
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    probe_start(&p);
    probe_end(&p);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    assert_int_equal(pthread_getname_np(pthread_self(), name_now, sizeof(name_now)), 0);
    for (int number = 1; number < SIGRTMAX; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&now, number));
    }
    assert_string_equal(name, name_now);
}

static void process_shutdown_joins_every_library_thread(void **state)
{
    (void)state;
    for (size_t round = 0; round < 20; round++) {
        struct probe p = {.gate = true};
        cconc_ctx *timed = make_timeout(NULL, FAR_NS);
        cconc_ctx *signals = NULL;
        assert_int_equal(cconc_ctx_with_signals(NULL, NULL, 0, 0, &signals), 0);
        probe_start(&p);
        probe_end(&p);
        cconc_ctx_free(timed);
        cconc_ctx_free(signals);
        assert_int_equal(cconc_shutdown(NULL), 0);
        until(count_threads("cconc-") == 0); /* a joined one is listed for a moment more */
        assert_int_equal(support_live_blocks(), 0);
    }
    assert_int_equal(cconc_shutdown(NULL), 0);
}

static void note_run(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

/* A registration may need the timer service when nothing can fail any more. */
static void process_shutdown_leaves_a_registered_after_func_working(void **state)
{
    (void)state;
    atomic_bool ran = false;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *after;
    assert_int_equal(cconc_ctx_after_func(ctx, note_run, &ran, &after), 0);
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_false(atomic_load(&ran));
    support_fail_thread(1, true);
    cconc_ctx_cancel(ctx);
    until(atomic_load(&ran));
    cconc_after_free(after);
    support_fail_end();
    cconc_ctx_free(ctx);
    assert_int_equal(cconc_shutdown(NULL), 0);
    until(count_threads("cconc-") == 0);
}

/* Contexts that are done need no timer any more, though they still have a handle. */
static void process_shutdown_joins_all_beside_contexts_that_are_done(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *fired = make_timeout(parent, CCONC_MS);
    cconc_ctx *cancelled = make_timeout(parent, FAR_NS);
    until(cconc_ctx_err(fired) != 0);
    cconc_ctx_cancel(parent);
    cconc_ctx *born_done = make_timeout(parent, FAR_NS);
    assert_int_equal(cconc_shutdown(NULL), 0);
    until(count_threads("cconc-") == 0);
    cconc_ctx_free(fired);
    cconc_ctx_free(cancelled);
    cconc_ctx_free(born_done);
    cconc_ctx_free(parent);
}

static void shut_down_now(void *arg, size_t index)
{
    atomic_bool *begun = arg;
    (void)index;
    atomic_store(begun, true);
    SUPPORT_CHECK(cconc_shutdown(NULL) == 0);
}

static void process_shutdown_ends_when_the_last_deadline_is_cancelled(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        atomic_bool begun = false;
        cconc_ctx *ctx = make_timeout(NULL, FAR_NS);
        struct support_threads *threads = support_threads_start(1, shut_down_now, &begun);
        until(atomic_load(&begun));
        for (int i = 0; i < round; i++) {
            sched_yield(); /* it comes to wait at some time in these */
        }
        cconc_ctx_cancel(ctx);
        support_threads_join(threads);
        cconc_ctx_free(ctx);
    }
}

static void process_shutdown_waits_for_what_runs(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    struct probe p = {.gate = false};
    probe_start(&p);
    until(atomic_load(&p.entered) == 1);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(2 * CCONC_MS));
    assert_int_equal(cconc_shutdown(soon), ETIMEDOUT);
    assert_int_equal(atomic_load(&p.ran), 0);
    cconc_ctx *cancelled = make_cancel(NULL);
    cconc_ctx_cancel(cancelled);
    assert_int_equal(cconc_shutdown(cancelled), ECANCELED);
    cconc_ctx_free(cancelled);
    assert_true(count_threads("cconc-") >= 1);
    atomic_store(&p.gate, true);
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_int_equal(atomic_load(&p.ran), 1);
    until(count_threads("cconc-") == 0);
    probe_end(&p);
}

static void process_shutdown_that_gave_up_has_stopped_nothing(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    cconc_ctx *armed = make_timeout(NULL, 30 * CCONC_MS);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_shutdown(soon), ETIMEDOUT);
    until(cconc_ctx_err(armed) == ETIMEDOUT);
    cconc_ctx_free(armed);
    assert_int_equal(cconc_shutdown(NULL), 0);
}

static void shut_down_too(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    SUPPORT_CHECK(cconc_shutdown(NULL) == 0);
}

static void process_shutdown_may_be_called_by_many_at_once(void **state)
{
    (void)state;
    for (size_t round = 0; round < 50; round++) {
        struct probe p = {.gate = true};
        probe_start(&p);
        struct support_threads *threads = support_threads_start(3, shut_down_too, NULL);
        probe_end(&p);
        assert_int_equal(support_threads_join(threads), 0);
    }
}

static void process_shutdown_from_a_library_thread_is_edeadlk(void **state)
{
    (void)state;
    struct probe p = {.gate = true};
    probe_start(&p);
    probe_end(&p);
    assert_int_equal(p.shutdown_err, EDEADLK);
}

static void process_executor_settings_come_before_its_threads(void **state)
{
    (void)state;
    cconc_executor_opts opts = {.stack_size = STACK_BYTES};
    cconc_executor_opts negative = {.idle_ns = -1};
    cconc_executor_opts defaults = {.stack_size = 0};
    struct probe p = {.gate = true};
    assert_int_equal(cconc_set_executor(NULL), EINVAL);
    assert_int_equal(cconc_set_executor(&negative), EINVAL);
    assert_int_equal(cconc_set_executor(&opts), 0);
    probe_start(&p);
    until(atomic_load(&p.ran) == 1);
    assert_int_equal(cconc_set_executor(&defaults), EBUSY);
    probe_end(&p);
    assert_true(p.stack_size >= STACK_BYTES && p.stack_size < 4 * 1024 * 1024);
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_int_equal(cconc_set_executor(&defaults), 0);
}

static void process_idle_threads_end_by_themselves(void **state)
{
    (void)state;
    cconc_executor_opts opts = {.idle_ns = CCONC_MS};
    cconc_executor_opts defaults = {.idle_ns = 0};
    struct probe p = {.gate = true};
    assert_int_equal(cconc_set_executor(&opts), 0);
    probe_start(&p);
    probe_end(&p);
    until(count_threads("cconc-exec/") == 0);
    cconc_executor_stats stats;
    cconc_executor_read(&stats);
    assert_int_equal(stats.queued, 0);
    assert_true(stats.threads_peak >= 1);
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_int_equal(cconc_set_executor(&defaults), 0);
}

static void process_strerror_knows_every_code(void **state)
{
    (void)state;
    static const int codes[] = {0,      ECANCELED, ETIMEDOUT,   EPIPE,          EAGAIN,
                                ENOMEM, EINVAL,    EOVERFLOW,   EDEADLK,        EBUSY,
                                EMFILE, ENFILE,    EINPROGRESS, ENOTRECOVERABLE};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_non_null(cconc_strerror(codes[i]));
        assert_string_not_equal(cconc_strerror(codes[i]), "error");
        assert_ptr_equal(cconc_strerror(codes[i]), cconc_strerror(codes[i]));
    }
    assert_string_equal(cconc_strerror(EPIPE), "closed");
    assert_string_equal(cconc_strerror(ECANCELED), "the context was cancelled");
    assert_string_equal(cconc_strerror(-1), "error");
    assert_string_equal(cconc_strerror(INT32_MAX), "error");
}

static void process_version_is_that_of_the_headers(void **state)
{
    (void)state;
    assert_int_equal(cconc_version_number(), CCONC_VERSION_NUMBER);
    assert_string_equal(cconc_version_string(), CCONC_VERSION_STRING);
}

static void process_allocator_is_chosen_before_the_first_allocation(void **state)
{
    (void)state;
    char text[16];
    int status = support_run_child("allocator", text, sizeof(text));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void *plain_alloc(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void plain_free(void *memory, void *user)
{
    (void)user;
    free(memory);
}

static int child_allocator(void)
{
    cconc_ctx_free(make_cancel(NULL));
    SUPPORT_CHECK(cconc_set_allocator(NULL, plain_free, NULL) == EINVAL);
    SUPPORT_CHECK(cconc_set_allocator(plain_alloc, NULL, NULL) == EINVAL);
    SUPPORT_CHECK(cconc_set_allocator(plain_alloc, plain_free, NULL) == EBUSY);
    uint64_t allocations = support_alloc_count();
    cconc_ctx_free(make_cancel(NULL));
    SUPPORT_CHECK(support_alloc_count() > allocations);
    return 0;
}

static int child_misuse_without_hook(void)
{
    cconc_set_misuse_hook(NULL, NULL);
    cconc_ctx_cancel(NULL);
    return 0;
}

static void print_and_return(const char *message, void *user)
{
    fprintf(stderr, "%s: %s\n", (const char *)user, message);
}

static int child_misuse_with_hook(void)
{
    char tag[] = "hook";
    cconc_set_misuse_hook(print_and_return, tag);
    cconc_ctx_cancel(NULL);
    return 0;
}

static void process_misuse_is_told_and_aborts(void **state)
{
    (void)state;
    static const char fact[] = "ctx cancel of a context that cannot be cancelled\n";
    char text[512];
    int status = support_run_child("misuse_without_hook", text, sizeof(text));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_memory_equal(text, "cconc: ", 7);
    assert_string_equal(text + 7, fact);
    status = support_run_child("misuse_with_hook", text, sizeof(text));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_memory_equal(text, "hook: ", 6);
    assert_string_equal(text + 6, fact);
}

static void block_for_ever(void *arg, size_t index)
{
    (void)index;
    (void)cconc_ctx_wait(arg, NULL);
}

/* Leave main with threads blocked, a deadline armed, a function running and signals hooked. */
static int child_exit_amid_work(void)
{
    static struct probe p;
    cconc_ctx *ctx = make_timeout(NULL, FAR_NS);
    cconc_ctx *signals;
    SUPPORT_CHECK(cconc_ctx_with_signals(ctx, NULL, 0, 0, &signals) == 0);
    (void)support_threads_start(3, block_for_ever, signals);
    until(cconc__node_watchers(signals) == 3);
    probe_start(&p);
    until(atomic_load(&p.entered) == 1);
    return 7;
}

static void process_exit_does_not_wait_for_the_library(void **state)
{
    (void)state;
    int status = support_run_child("exit_amid_work", NULL, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"allocator", child_allocator},
        {"misuse_without_hook", child_misuse_without_hook},
        {"misuse_with_hook", child_misuse_with_hook},
        {"exit_amid_work", child_exit_amid_work},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(process_starts_no_thread_before_it_needs_one),
        UNIT_TEST(process_names_its_threads_and_blocks_their_signals),
        UNIT_TEST(process_leaves_mask_and_name_of_the_caller_alone),
        UNIT_TEST(process_shutdown_joins_every_library_thread),
        UNIT_TEST(process_shutdown_leaves_a_registered_after_func_working),
        UNIT_TEST(process_shutdown_joins_all_beside_contexts_that_are_done),
        UNIT_TEST(process_shutdown_ends_when_the_last_deadline_is_cancelled),
        UNIT_TEST(process_shutdown_waits_for_what_runs),
        UNIT_TEST(process_shutdown_that_gave_up_has_stopped_nothing),
        UNIT_TEST(process_shutdown_may_be_called_by_many_at_once),
        UNIT_TEST(process_shutdown_from_a_library_thread_is_edeadlk),
        UNIT_TEST(process_executor_settings_come_before_its_threads),
        UNIT_TEST(process_idle_threads_end_by_themselves),
        UNIT_TEST(process_strerror_knows_every_code),
        UNIT_TEST(process_version_is_that_of_the_headers),
        UNIT_TEST(process_allocator_is_chosen_before_the_first_allocation),
        UNIT_TEST(process_misuse_is_told_and_aborts),
        UNIT_TEST(process_exit_does_not_wait_for_the_library),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
