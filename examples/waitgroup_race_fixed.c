/* waitgroup_race_fixed.c - a data race, and its two repairs.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  Eight tasks count hits. One word that stands for itself is an atomic counter. Two words
 *          that must agree, here the number of hits and their total size, need a mutex.
 * Mistake  "hits++" on a plain int by several threads: each reads the old value, adds one and
 *          writes it back, so hits get lost; in C it is undefined besides. Making both words atomic
 *          does not help the second case: a reader may come between the two additions.
 */
#include <cconc/cconc.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { TASKS = 8, HITS = 10000, SIZE = 3 };

static cconc_waitgroup start_line = CCONC_WAITGROUP_INIT;
static atomic_long counter;

static struct {
    pthread_mutex_t mu; /* guards the other two: bytes is always hits * SIZE */
    long hits;
    long bytes;
} traffic = {.mu = PTHREAD_MUTEX_INITIALIZER};

/* Begin together: tasks that follow each other would not race. */
static int line_up(void)
{
    cconc_waitgroup_done(&start_line);
    return cconc_waitgroup_wait(&start_line, NULL);
}

static void count_with_atomic(void *arg)
{
    int *errors = arg; /* this task's own */
    *errors += line_up() != 0;
    for (int i = 0; i < HITS; i++) {
        atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed); /* orders nothing else */
    }
}

static void count_with_mutex(void *arg)
{
    int *errors = arg;
    *errors += line_up() != 0;
    for (int i = 0; i < HITS; i++) {
        pthread_mutex_lock(&traffic.mu);
        traffic.hits++;
        traffic.bytes += SIZE;
        *errors += traffic.bytes != traffic.hits * SIZE;
        pthread_mutex_unlock(&traffic.mu);
    }
}

/* Run fn in all tasks and wait for them; each gets an int of its own to count errors in. */
static int run_all(void (*fn)(void *), int *out_errors)
{
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    int errors[TASKS] = {0};
    int err = 0;
    cconc_waitgroup_add(&start_line, TASKS);
    for (int i = 0; i < TASKS; i++) {
        int go_err = cconc_waitgroup_go(&wg, fn, &errors[i]);
        if (go_err) {
            cconc_waitgroup_done(&start_line); /* nobody waits at the line for this one */
            err = go_err;
        }
    }
    int wait_err = cconc_waitgroup_wait(&wg, NULL); /* also for those that did start */
    for (int i = 0; i < TASKS; i++) {
        *out_errors += errors[i];
    }
    return err ? err : wait_err;
}

int main(void)
{
    int errors = 0;
    int err = run_all(count_with_atomic, &errors);
    if (!err) {
        err = run_all(count_with_mutex, &errors);
    }
    if (err) {
        fprintf(stderr, "waitgroup_race_fixed: %s\n", cconc_strerror(err));
    } else { /* each done happens before wait returns: plain reads are safe again */
        printf("atomic: %ld hits\n", atomic_load(&counter));
        printf("mutex: %ld hits, %ld bytes, %d errors\n", traffic.hits, traffic.bytes, errors);
    }
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
