/* storm.c - signals that interrupt every call of the system, in the threads of a test
 * SPDX-License-Identifier: MIT
 *
 * With STORM=1 in the environment the main thread and the first others of a test get 10,000 signals
 * a second each, whose handler has no SA_RESTART. The library's own threads block them.
 */
#include "internal.h"
#include "support.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define STORM_SIGNAL (SIGRTMAX - 3)
#define STORM_MOST 4 /* threads at a time: more would do nothing else */
#define STORM_PERIOD_NS 100000

static bool blows;
static atomic_int threads;

static void drop(int number)
{
    (void)number;
}

void support_storm_start(void)
{
    static struct support_storm storm; /* of the main thread */
    struct sigaction action;
    blows = support_env_number("STORM", 0) != 0;
    if (blows) {
        memset(&action, 0, sizeof(action));
        action.sa_handler = drop;
        SUPPORT_CHECK(sigaction(STORM_SIGNAL, &action, NULL) == 0);
        support_storm_enter(&storm);
    }
}

void support_storm_enter(struct support_storm *storm)
{
    const struct itimerspec every = {.it_interval = {0, STORM_PERIOD_NS},
                                     .it_value = {0, STORM_PERIOD_NS}};
    struct sigevent event;
    if (!blows) {
        return;
    }
    if (atomic_fetch_add(&threads, 1) >= STORM_MOST) {
        atomic_fetch_sub(&threads, 1);
        return;
    }
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = STORM_SIGNAL;
    event.sigev_notify_thread_id = gettid();
    SUPPORT_CHECK(timer_create(CLOCK_MONOTONIC, &event, &storm->timer) == 0);
    SUPPORT_CHECK(timer_settime(storm->timer, 0, &every, NULL) == 0);
    storm->is_on = true;
}

void support_storm_leave(struct support_storm *storm)
{
    if (storm->is_on) {
        SUPPORT_CHECK(timer_delete(storm->timer) == 0);
        atomic_fetch_sub(&threads, 1);
    }
}
