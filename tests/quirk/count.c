/* count.c - how many mutexes and condition variables the library makes: docs/platforms.md
 * SPDX-License-Identifier: MIT
 *
 * Linked with the library of a build with -Dquirks=true, which counts them. Status 0: as many as
 * the page says; else it is told what is not so.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <cconc/cconc.h>

#define THREADS 3

static void check(bool holds, const char *what)
{
    if (!holds) {
        printf("count: %s: %ld mutexes, %ld condition variables\n", what, quirk_mutexes(),
               quirk_conds());
        exit(1);
    }
}

static void *receive(void *arg)
{
    int value;
    check(cconc_chan_recv(arg, NULL, &value) == 0, "nothing was received");
    return NULL;
}

/* Threads that wait, each in turn until it is parked, and end again. */
static void wait_in_threads(cconc_chan *ch, long conds)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, receive, ch) == 0, "there is no thread");
    }
    while (quirk_conds() < conds + THREADS) { /* a thread makes its own as it comes to wait */
        (void)sched_yield();
    }
    for (int i = 0; i < THREADS; i++) {
        int value = i;
        check(cconc_chan_send(ch, NULL, &value) == 0, "nothing was sent");
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    cconc_chan *ch = NULL;
    cconc_sem *sem = NULL;
    cconc_group *group = NULL;
    cconc_ctx_mem mem;
    check(quirk_mutexes() == 0 && quirk_conds() == 0, "before the first object");
    check(cconc_chan_new(sizeof(int), 4, &ch) == 0 && cconc_sem_new(1, &sem) == 0, "no objects");
    check(quirk_mutexes() == 2 && quirk_conds() == 0, "a channel and a semaphore");
    check(cconc_group_new(NULL, NULL, &group) == 0, "no group");
    check(quirk_mutexes() == 4 && quirk_conds() == 0, "and a group");
    cconc_group_free(group);
    check(quirk_mutexes() == 2, "the group is gone");
    wait_in_threads(ch, 0);
    check(quirk_mutexes() == 2 + THREADS && quirk_conds() == THREADS, "three threads that waited");
    (void)cconc_ctx_wait(cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS)), NULL);
    check(quirk_conds() == THREADS, "a thread that took over what one left");
    cconc_sem_free(sem);
    cconc_chan_free(ch);
    check(quirk_mutexes() == THREADS && quirk_conds() == THREADS, "after the last object");
    return 0;
}
