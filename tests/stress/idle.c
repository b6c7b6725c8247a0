/* idle.c - a blocked program uses no processor time
 * SPDX-License-Identifier: MIT
 *
 * Risk      A blocked wait that polls, a timer service or executor that wakes for nothing, spinning
 *           that does not end.
 * Method    A hundred threads block in channels, selects and contexts, tasks of a group and a pool
 *           without work beside them; once all are seen blocked the processor time of the whole
 *           process is measured over five seconds, and how often a thread of it went to sleep: not
 *           once. This is the one test that sleeps: it measures that nothing happens.
 * Catches   W8, I11; rule 6 of the design: bounded spinning.
 */
#include "support.h"

#include <cconc/cconc.h>

#include "core/node.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 100, TASKS = 10, WORKERS = 4, IDLE_SECONDS = 5 };

#define MOST_CPU_NS (5 * CCONC_MS)

struct idle {
    cconc_chan *empty;   /* receivers wait here */
    cconc_chan *full;    /* senders */
    cconc_chan *meeting; /* selects that receive */
    cconc_chan *mirror;  /* one select that sends and receives, and must not meet itself */
    cconc_ctx  *stop;    /* ends all */
    cconc_ctx  *far;     /* child of stop with a deadline in an hour */
};

static void thread_run(void *arg, size_t index)
{
    struct idle *idle = arg;
    int value = 1;
    size_t fired = 9;
    int64_t far_ns = cconc_clock_after(3600 * CCONC_SECOND);
    cconc_chan *mirror = index == 2 ? idle->mirror : NULL;
    cconc_select_case cases[] = {cconc_select_recv(idle->empty, &value),
                                 cconc_select_recv(idle->meeting, &value),
                                 cconc_select_recv(mirror, &value),
                                 cconc_select_send(mirror, &value),
                                 cconc_select_done(idle->far), cconc_select_until(far_ns)};
    int err = 0;
    switch (index % 5) {
    case 0:
        err = cconc_chan_recv(idle->empty, idle->stop, &value);
        break;
    case 1:
        err = cconc_chan_send(idle->full, idle->far, &value);
        break;
    case 2:
        err = cconc_select(cases, 6, 0, &fired);
        break;
    case 3:
        SUPPORT_CHECK(cconc_ctx_wait(idle->far, NULL) == 0);
        err = cconc_ctx_err(idle->far);
        break;
    default:
        err = cconc_ctx_sleep(idle->stop, 3600 * CCONC_SECOND);
    }
    SUPPORT_CHECK(err == ECANCELED);
}

static int task_run(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    thread_run(arg, 0);
    return 0;
}

/* How many are blocked: waits on the channels alone, and those that only contexts can end. */
static bool all_are_blocked(struct idle *idle)
{
    size_t senders;
    size_t receivers;
    cconc_chan_waiters(idle->empty, &senders, &receivers);
    size_t blocked = receivers;
    cconc_chan_waiters(idle->full, &senders, &receivers);
    blocked += senders;
    /* Receivers and senders watch their context too; a select watches far, a sleeper stop. */
    return blocked == THREADS / 5 * 3 + TASKS &&
           cconc__node_watchers(idle->far) == THREADS / 5 * 3 &&
           cconc__node_watchers(idle->stop) == THREADS / 5 * 2 + TASKS;
}

/* How often the thread has gone to sleep; the kernel counts them. */
static uint64_t sleeps_of(const char *thread)
{
    char path[64 + sizeof(((struct dirent *)NULL)->d_name)];
    char line[128];
    uint64_t sleeps = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%s/status", thread);
    FILE *file = fopen(path, "re");
    SUPPORT_CHECK(file);
    while (fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &sleeps);
    }
    fclose(file);
    return sleeps;
}

/* The same of all threads but this one, which is the first. */
static uint64_t sleeps_of_others(void)
{
    uint64_t sleeps = 0;
    DIR *tasks = opendir("/proc/self/task");
    SUPPORT_CHECK(tasks);
    for (struct dirent *entry = readdir(tasks); entry; entry = readdir(tasks)) {
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != getpid()) {
            sleeps += sleeps_of(entry->d_name);
        }
    }
    closedir(tasks);
    return sleeps;
}

static void pass_seconds(int seconds)
{
    struct timespec time = {.tv_sec = seconds};
    while (nanosleep(&time, &time) != 0) {
    }
}

int main(int argc, char **argv)
{
    struct idle idle;
    cconc_group *group;
    cconc_pool *pool;
    cconc_pool_counts counts;
    int value = 1;
    support_start(argc, argv, NULL);
    (void)support_stress_begin("idle");
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 1, &idle.empty) == 0);
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 1, &idle.full) == 0);
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 0, &idle.meeting) == 0);
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 0, &idle.mirror) == 0);
    SUPPORT_CHECK(cconc_chan_try_send(idle.full, &value) == 0);
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &idle.stop) == 0);
    SUPPORT_CHECK(cconc_ctx_with_timeout(idle.stop, 3600 * CCONC_SECOND, &idle.far) == 0);
    SUPPORT_CHECK(cconc_group_new(NULL, NULL, &group) == 0);
    for (int i = 0; i < TASKS; i++) {
        SUPPORT_CHECK(cconc_group_go(group, NULL, task_run, &idle) == 0);
    }
    SUPPORT_CHECK(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = WORKERS}, &pool) == 0);
    struct support_threads *threads = support_threads_start(THREADS, thread_run, &idle);
    until(all_are_blocked(&idle));
    until((cconc_pool_read(pool, &counts), counts.idle == WORKERS));
    pass_seconds(1); /* the last of them is on its way from its queue to its sleep */
    uint64_t sleeps_before = sleeps_of_others();
    int64_t before_ns = support_cpu_ns();
    pass_seconds(IDLE_SECONDS);
    int64_t used_ns = support_cpu_ns() - before_ns;
    uint64_t sleeps = sleeps_of_others() - sleeps_before;
    printf("idle: %d us of processor time in %d s, %d wake-ups\n", (int)(used_ns / CCONC_US),
           IDLE_SECONDS, (int)sleeps);
    cconc_ctx_cancel(idle.stop);
    support_threads_join(threads);
    SUPPORT_CHECK(cconc_group_wait(group, NULL, NULL) == 0);
    SUPPORT_CHECK(used_ns < MOST_CPU_NS);
    SUPPORT_CHECK(sleeps == 0);
    cconc_group_free(group);
    cconc_pool_free(pool);
    cconc_ctx_free(idle.far);
    cconc_ctx_free(idle.stop);
    cconc_chan_free(idle.mirror);
    cconc_chan_free(idle.meeting);
    cconc_chan_free(idle.full);
    cconc_chan_free(idle.empty);
    support_leak_check();
    return 0;
}
