/* limits.c - unit tests with the limits of the system: processes, descriptors, keys
 * SPDX-License-Identifier: MIT
 *
 * Risk      What is injected elsewhere is not what the system does: a limit that is met in the
 *           middle of a call leaves threads, descriptors or a signal disposition behind.
 * Method    Processes of their own, as a user who has no others where this one may choose, that
 *           lower a limit, call, raise it, and call again; shut down, they hold no memory.
 * Catches   I4, I5, I6 of the real system.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cconc/cconc.h>

#define OK(call) SUPPORT_CHECK((call) == 0)
#define NOT_HERE 77 /* the status of a part that cannot be run */
#define WORKERS 6
#define ROOM 6 /* descriptors that suffice for all calls */

/* A macro: which has a type of its own with glibc. */
#define SET_LIMIT(which, most)                                                                     \
    do {                                                                                           \
        struct rlimit limit;                                                                       \
        OK(getrlimit(which, &limit));                                                              \
        limit.rlim_cur = (most) < limit.rlim_max ? (most) : limit.rlim_max;                        \
        OK(setrlimit(which, &limit));                                                              \
    } while (0)

static int add_one(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void add_one_func(void *arg)
{
    (void)add_one(NULL, arg);
}

/* ---- processes ------------------------------------------------------------------------------ */

/* Each of them starts a thread, at least the first one after a shutdown. */
static int try_pool(atomic_int *sum)
{
    cconc_pool_opts opts = {.workers = WORKERS};
    cconc_pool *pool = NULL;
    int err = cconc_pool_new(NULL, &opts, &pool);
    if (err == 0) {
        OK(cconc_pool_submit(pool, NULL, add_one, sum));
        OK(cconc_pool_wait(pool, NULL));
        cconc_pool_free(pool);
    }
    return err;
}

static int try_group(atomic_int *sum)
{
    cconc_group *group = NULL;
    OK(cconc_group_new(NULL, NULL, &group));
    int err = cconc_group_go(group, NULL, add_one, sum);
    OK(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    return err;
}

static int try_waitgroup(atomic_int *sum)
{
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    int err = cconc_waitgroup_go(&wg, add_one_func, sum);
    OK(cconc_waitgroup_wait(&wg, NULL));
    cconc_waitgroup_destroy(&wg);
    return err;
}

static int try_timer(atomic_int *sum)
{
    cconc_timer *timer = NULL;
    int err = cconc_timer_new_func(0, add_one_func, sum, &timer);
    if (err == 0) {
        int before = atomic_load(sum);
        until(atomic_load(sum) > 0 || before > 0);
        cconc_timer_free(timer);
    }
    return err;
}

static int try_deadline(atomic_int *sum)
{
    cconc_ctx *ctx = NULL;
    int err = cconc_ctx_with_timeout(NULL, 100 * CCONC_MS, &ctx); /* not over when it is made */
    if (err == 0) {
        OK(cconc_ctx_wait(ctx, NULL));
        cconc_ctx_free(ctx);
        (void)add_one(NULL, sum);
    }
    return err;
}

static int try_signals(atomic_int *sum)
{
    static const int numbers[] = {SIGUSR1};
    cconc_ctx *ctx = NULL;
    int err = cconc_ctx_with_signals(NULL, numbers, 1, 0, &ctx);
    if (err == 0) {
        OK(raise(SIGUSR1));
        OK(cconc_ctx_wait(ctx, NULL));
        cconc_ctx_free(ctx);
        (void)add_one(NULL, sum);
    }
    return err;
}

static int (*const tries[])(atomic_int *sum) = {try_pool,  try_group,    try_waitgroup,
                                                try_timer, try_deadline, try_signals};

/* Become a user without processes. Who may not has others, perhaps: no limit but 0 is sure then. */
static bool become_nobody(void)
{
    if (geteuid() != 0) {
        return false;
    }
    uid_t user = 61000 + (uid_t)getpid() % 4000;
    if (setresuid(user, user, user) != 0) {
        return false;
    }
    OK(prctl(PR_SET_DUMPABLE, 1)); /* a leak checker wants to look at the process */
    return true;
}

static void go_through(rlim_t most, int expected)
{
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        atomic_int sum = 0;
        SET_LIMIT(RLIMIT_NPROC, most);
        int err = tries[i](&sum);
        SET_LIMIT(RLIMIT_NPROC, RLIM_INFINITY);
        if (expected >= 0 ? err != expected : err != 0 && err != ENOMEM) {
            fprintf(stderr, "call %zu with %d processes: code %d\n", i, (int)most, err);
            abort();
        }
        SUPPORT_CHECK((err == 0) == (atomic_load(&sum) > 0));
        OK(cconc_shutdown(NULL));
        SUPPORT_CHECK(support_live_blocks() == 0);
    }
}

static int child_without_processes(void)
{
    bool alone = become_nobody();
    if (!alone && geteuid() == 0) {
        return NOT_HERE; /* no limit is for it */
    }
    go_through(0, ENOMEM);
    for (rlim_t most = 2; alone && most <= WORKERS + 2; most++) {
        go_through(most, -1); /* what comes first is there, and gone again */
    }
    go_through(RLIM_INFINITY, 0);
    return 0;
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static int highest_descriptor(void)
{
    int highest = 0;
    DIR *dir = opendir("/proc/self/fd");
    SUPPORT_CHECK(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        int fd = atoi(entry->d_name);
        highest = fd > highest && fd != dirfd(dir) ? fd : highest;
    }
    closedir(dir);
    return highest;
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd <= highest_descriptor(); fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static int child_without_descriptors(void)
{
    static const int numbers[] = {SIGUSR1};
    cconc_ctx *ctx = NULL;
    cconc_ctx *other = NULL;
    cconc_ctx *signals = NULL;
    int fd = -1;
    int other_fd = -1;
    OK(cconc_ctx_with_cancel(NULL, &ctx));
    OK(cconc_ctx_with_cancel(NULL, &other));
    size_t before = count_descriptors();
    int none = highest_descriptor() + 1;
    for (int most = 0; most <= none + ROOM; most++) { /* each call needs one or two */
        SET_LIMIT(RLIMIT_NOFILE, (rlim_t)most);
        int fd_err = 0;
        if (other_fd < 0) {
            fd_err = cconc_ctx_fd(fd < 0 ? ctx : other, fd < 0 ? &fd : &other_fd);
        }
        int signals_err = cconc_ctx_with_signals(NULL, numbers, 1, 0, &signals);
        SUPPORT_CHECK(fd_err == 0 || fd_err == EMFILE);
        SUPPORT_CHECK(signals_err == 0 || signals_err == EMFILE);
        SUPPORT_CHECK(most > 0 || (fd_err == EMFILE && signals_err == EMFILE));
        SUPPORT_CHECK(most < none + ROOM || (fd_err == 0 && signals_err == 0));
        if (signals_err == 0) {
            OK(raise(SIGUSR1));
            OK(cconc_ctx_wait(signals, NULL));
            cconc_ctx_free(signals);
        }
        OK(cconc_shutdown(NULL));
    }
    cconc_ctx_free(ctx);
    cconc_ctx_free(other);
    OK(cconc_shutdown(NULL));
    SUPPORT_CHECK(count_descriptors() == before && support_live_blocks() == 0);
    return 0;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void send_three(void *arg, size_t index)
{
    for (int i = 0; i < 3; i++) {
        int elem = (int)index;
        OK(cconc_chan_send(arg, NULL, &elem));
    }
}

/* No end of a thread is noticed: what it had is not used again, and all works. */
static int child_without_keys(void)
{
    cconc_objpool_opts opts = {.size = 16};
    cconc_objpool *objpool = NULL;
    cconc_chan *ch = NULL;
    void *object = NULL;
    int sum = 0;
    atomic_int ran = 0;
    OK(cconc_chan_new(sizeof(int), 0, &ch));
    for (int round = 0; round < 10; round++) {
        struct support_threads *threads = support_threads_start(4, send_three, ch);
        for (int i = 0; i < 12; i++) {
            int elem;
            OK(cconc_chan_recv(ch, NULL, &elem));
            sum += elem;
        }
        SUPPORT_CHECK(support_threads_join(threads) == 0);
    }
    SUPPORT_CHECK(sum == 10 * 3 * (0 + 1 + 2 + 3));
    OK(cconc_objpool_new(&opts, &objpool));
    OK(cconc_objpool_get(objpool, &object));
    cconc_objpool_put(objpool, object);
    cconc_objpool_free(objpool);
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        OK(tries[i](&ran));
    }
    cconc_chan_free(ch);
    OK(cconc_shutdown(NULL));
    return 0;
}

static void take_all_keys(void)
{
    pthread_key_t key;
    int count = 0;
    int err = pthread_key_create(&key, NULL);
    while (err == 0) {
        count++;
        err = pthread_key_create(&key, NULL);
    }
    SUPPORT_CHECK(err == EAGAIN && count > 0);
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void assert_part(const char *name)
{
    SUPPORT_CHECK(unsetenv("SWEEP") == 0); /* the child has no right to write what it swept */
    int status = support_run_child(name, NULL, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_HERE) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void limits_of_processes_are_told_and_leave_nothing(void **state)
{
    (void)state;
    assert_part("without_processes");
}

static void limits_of_descriptors_are_told_and_leave_nothing(void **state)
{
    (void)state;
    assert_part("without_descriptors");
}

static void limits_without_a_key_all_calls_work(void **state)
{
    (void)state;
    assert_part("without_keys");
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"without_processes", child_without_processes},
        {"without_descriptors", child_without_descriptors},
        {"without_keys", child_without_keys},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(limits_of_processes_are_told_and_leave_nothing),
        UNIT_TEST(limits_of_descriptors_are_told_and_leave_nothing),
        UNIT_TEST(limits_without_a_key_all_calls_work),
    };
    if (argc == 3 && strcmp(argv[2], "without_keys") == 0) {
        take_all_keys(); /* before the library takes its own */
    }
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
