/* chan_mutex_not_chan.c - a mutex, where a channel was used as one.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  What guards a few words for a few instructions is a pthread_mutex_t: no call in between
 *          waits, so nobody needs to give up waiting. A channel of capacity 1 and element size 0 is
 *          a lock, too (full is locked), and slower; take it when the wait must honour a context,
 *          because the holder may keep the lock for long.
 * Mistake  Building a lock, or a counter with its own "server" task, from channels because channels
 *          are at hand. They hand things over; memory that stays where it is wants a mutex.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

enum { TASKS = 4, ROUNDS = 2000 };

struct account {
    pthread_mutex_t mu; /* guards balance ... */
    cconc_chan *token;  /* ... and so does this one in the second half: full is locked */
    long balance;
    cconc_waitgroup start_line;
};

/* Begin together: tasks that follow each other need no lock. */
static int line_up(struct account *account, cconc_ctx *ctx)
{
    cconc_waitgroup_done(&account->start_line);
    return cconc_waitgroup_wait(&account->start_line, ctx);
}

static int deposit_with_mutex(cconc_ctx *ctx, void *arg)
{
    struct account *account = arg;
    int err = line_up(account, ctx);
    for (int i = 0; i < ROUNDS && !err; i++) {
        pthread_mutex_lock(&account->mu);
        account->balance++;
        pthread_mutex_unlock(&account->mu);
    }
    return err;
}

static int deposit_with_chan(cconc_ctx *ctx, void *arg)
{
    struct account *account = arg;
    int err = line_up(account, ctx);
    for (int i = 0; i < ROUNDS && !err; i++) {
        err = cconc_chan_send(account->token, ctx, NULL); /* lock, or give up with the group */
        if (!err) {
            account->balance++;
            err = cconc_chan_recv(account->token, NULL, NULL); /* unlock, whatever ctx says */
        }
    }
    return err;
}

static int run_all(cconc_task_fn fn, struct account *account, const char *how)
{
    cconc_group *group = NULL;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    account->balance = 0;
    cconc_waitgroup_add(&account->start_line, TASKS);
    for (int i = 0; i < TASKS && !err; i++) {
        err = cconc_group_go(group, NULL, fn, account);
    }
    int wait_err = err ? cconc_group_stop(group, NULL) : cconc_group_wait(group, NULL, NULL);
    printf("%s: %ld\n", how, account->balance);
    cconc_group_free(group);
    return err ? err : wait_err;
}

/* What only the second lock can do: stop waiting for it. */
static int lock_within(struct account *account, int64_t timeout_ns)
{
    cconc_ctx_mem mem;
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, cconc_clock_after(timeout_ns));
    return cconc_chan_send(account->token, ctx, NULL);
}

int main(void)
{
    struct account account = {.mu = PTHREAD_MUTEX_INITIALIZER};
    if (cconc_chan_new(0, 1, &account.token)) {
        fprintf(stderr, "chan_mutex_not_chan: no memory\n");
        return 1;
    }
    int err = run_all(deposit_with_mutex, &account, "mutex");
    err = err ? err : run_all(deposit_with_chan, &account, "channel");
    err = err ? err : lock_within(&account, CCONC_SECOND); /* it is free; now it is kept */
    if (!err && lock_within(&account, 10 * CCONC_MS) == ETIMEDOUT) {
        printf("channel: gave up waiting for the lock\n");
    }
    if (err) {
        fprintf(stderr, "chan_mutex_not_chan: %s\n", cconc_strerror(err));
    }
    cconc_chan_free(account.token);
    pthread_mutex_destroy(&account.mu);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
